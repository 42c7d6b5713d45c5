//! `schemathesis`: requests made from what the API says of itself, fitting and not, and every answer compared with it.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::{LIMIT, Tally};
use crate::{peers, peers::Peers, process, server::Server};

/// How long it looks for something, in seconds.
const SECONDS: &str = "60";

pub(crate) fn check(peers: &Peers, server: &Server, tally: &mut Tally) {
    tally.check("API: schemathesis finds nothing", || judged(peers, server));
}

fn judged(peers: &Peers, server: &Server) -> Result<String> {
    let program = peers::install_for_api()?;
    let out = peers.out("api")?;
    let mut command = Command::new(program);
    command
        .arg("--config-file")
        .arg(crate::root().join("checks/schemathesis.toml"))
        .arg("run")
        .arg(format!("{}/openapi.json", server.url()))
        .args(["--url", &server.url()])
        .args(["-H", &format!("Authorization: Bearer {}", server.token)])
        .args(["--phases", "coverage,fuzzing", "--continue-on-failure"])
        .args(["--max-time", SECONDS, "--seed", "1", "--workers", "1"])
        .args(["--warnings", "off"])
        .env("NO_COLOR", "1")
        // It keeps what it has found where it is started.
        .current_dir(&out);
    let finished = process::run(&mut command, &out, "schemathesis", LIMIT)?;
    if !finished.status.success() {
        let found = finished.stdout.split(" FAILURES ").nth(1);
        let found: Vec<String> = found
            .unwrap_or(&finished.stdout)
            .lines()
            .map(str::to_owned)
            .collect();
        let words = finished.last_words();
        bail!("{}\n{words}", process::at_most(&found, 60));
    }
    let mut lines = finished.stdout.lines();
    let figure = lines.find(|line| line.contains(" generated, "));
    Ok(figure
        .context("it does not say how many requests it made")?
        .trim()
        .to_owned())
}
