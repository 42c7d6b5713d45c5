//! `eventos`: the one program. It parses, wires and starts; rules live in `operations`, protocols in their crates.

#![expect(
    clippy::print_stdout,
    reason = "printing is what a command-line program is for"
)]

mod commands;
mod config;
mod database;
mod demo;
mod home;
mod logging;
mod mail;
mod unsubscribe;
mod web;
mod worker;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = commands::Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(cli)),
        Err(error) => Err(anyhow::Error::new(error).context("the runtime could not start")),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("eventos: {error:#}");
            ExitCode::FAILURE
        }
    }
}
