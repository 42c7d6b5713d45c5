//! The desktop bundle's manifest, as its own tool sees it.

use std::path::Path;

use anyhow::ensure;

use super::{LIMIT, Tally};
use crate::{peers::Peers, process};

pub(crate) fn check(peers: &Peers, manifest: &Path, tally: &mut Tally) {
    tally.check("mcpb: the manifest is valid", || {
        let out = peers.out("mcpb")?;
        let mut command = peers.command("mcpb")?;
        command.arg("validate").arg(manifest);
        let finished = process::run(&mut command, &out, "validate", LIMIT)?;
        ensure!(
            finished.status.success(),
            "{}\n{}",
            finished.status,
            finished.last_words()
        );
        Ok(String::new())
    });
}
