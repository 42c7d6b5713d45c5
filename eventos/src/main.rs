//! `eventos`: the one program. It parses, wires and starts; rules live in `operations`, protocols in their crates.

#![expect(
    clippy::print_stdout,
    reason = "printing is what a command-line program is for"
)]

#[cfg(all(not(debug_assertions), feature = "test-clock"))]
compile_error!("test-clock lets a file say what time it is and must not reach a release build");

mod commands;
mod config;
mod database;
mod demo;
mod home;
mod listen;
mod logging;
mod mail;
mod models;
mod payments;
mod signals;
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
        Ok(runtime) => {
            let outcome = runtime.block_on(commands::run(cli));
            // A thread that reads standard input cannot be interrupted and would keep the program from ending.
            runtime.shutdown_background();
            outcome
        }
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
