//! `eventos completions`.

use std::{io, process::ExitCode};

use clap::CommandFactory as _;
use clap_complete::Shell;

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// Which shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> ExitCode {
        clap_complete::generate(
            self.shell,
            &mut super::Cli::command(),
            "eventos",
            &mut io::stdout(),
        );
        ExitCode::SUCCESS
    }
}
