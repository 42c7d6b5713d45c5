//! `checks/story.py`: the official Python client plays a story in both eras, over HTTP and stdio.

use std::process::Command;

use anyhow::{Context as _, ensure};

use super::{Endpoint, LIMIT, Tally};
use crate::{peers::Peers, process};

pub(crate) fn check(
    peers: &Peers,
    name: &str,
    endpoint: Option<&Endpoint>,
    office: &[String],
    stdio: &[String],
    tally: &mut Tally,
) {
    tally.check(&format!("story: {name}"), || {
        let out = peers.out(&format!("story-{name}"))?;
        let mut command = Command::new(&peers.python);
        command.arg(crate::root().join("checks/story.py")).arg(name);
        // The token is not for the eyes of whoever lists processes.
        if let Some(Endpoint { url, token }) = endpoint {
            command
                .args(["--url", url])
                .env("EVENTOS_TOKEN", token.as_deref().unwrap_or(""));
        }
        if !office.is_empty() {
            command.arg("--office").arg(office.join(" "));
        }
        if !stdio.is_empty() {
            command.arg("--stdio").args(stdio);
        }
        let finished = process::run(&mut command, &out, "story", LIMIT)?;
        ensure!(
            finished.status.success(),
            "{}\n{}",
            finished.status,
            finished.last_words()
        );
        let last = finished.stdout.lines().last();
        Ok(last.context("the story printed nothing")?.to_owned())
    });
}
