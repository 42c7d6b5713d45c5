//! Measures EventOS beside its peers and beside what the machine can do at best, in one run:
//! `cargo run --release -p bench -- mcp`, `onsale` or `workflows`. The figures are in `bench/README.md`.

#![expect(
    clippy::print_stdout,
    reason = "printing is what a command-line program is for"
)]

mod machine;
mod mcp;
mod onsale;
mod program;
mod report;
mod stats;
mod workflows;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Measure EventOS beside peers and bare-metal limits.")]
struct Cli {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Tool calls over HTTP and stdio, and how long the program takes to start.
    Mcp(mcp::Settings),
    /// Very many people buying at once.
    Onsale(onsale::Settings),
    /// Runs of workflows: how many, how soon, and at what cost.
    Workflows(workflows::Settings),
    /// The server that answers a constant. Started by `mcp`.
    #[command(hide = true)]
    Constant {
        /// Where to listen; standard input and output when left out.
        #[arg(long)]
        listen: Option<SocketAddr>,
    },
    /// Becomes another program, on some processors only. Started by `mcp`.
    #[command(hide = true)]
    Pinned {
        /// Their numbers, separated by commas.
        #[arg(long, value_delimiter = ',')]
        cores: Vec<usize>,
        /// The program and its arguments.
        #[arg(last = true)]
        command: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().subject {
        Subject::Mcp(settings) => mcp::run(&settings),
        Subject::Onsale(settings) => onsale::run(&settings),
        Subject::Workflows(settings) => workflows::run(&settings),
        Subject::Constant { listen } => mcp::constant::serve(listen),
        Subject::Pinned { cores, command } => machine::become_pinned(&cores, &command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the checkout.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where cargo builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs a program to its end and hands back what it printed.
fn output(command: &mut std::process::Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    anyhow::ensure!(
        output.status.success(),
        "{program} ended with {}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
