//! The chores of this repository, as `cargo xtask <chore>`: no shell scripts, no global tools.

#![expect(
    clippy::print_stdout,
    reason = "printing is what a command-line program is for"
)]

mod bundle;
mod checks;
mod ci;
mod peers;
mod prepare;
mod process;
mod server;
#[cfg(test)]
mod tidy;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;

const USAGE: &str = "\
usage: cargo xtask <chore>

  ci                    every check of the project, in order of cheapness
  judges                the last step of ci: the outside programs judge a server
  prepare               check the queries against a database, write operations/.sqlx
  mcpb                  pack the program for Claude Desktop
  peers [--bench]       install the outside programs that check us (see checks/README.md), or that we are measured
                        beside (see bench/README.md)
  mail-checks           let mail servers judge the adapters of delivery; the last step of ci does it, too
  payment-checks        let Stripe's SDK and localstripe judge payments and its simulator; the last step of ci does it, too
  browser-checks        let people in Chromium pay orders and chat; the last step of ci does it, too, where there is a Chromium
  workflow-checks       play orders, waits and mails with a moved clock, killing the program; the last step of ci does it, too
  api-checks            attack the API by what it says of itself; the last step of ci does it, too
  mcp-checks [options]  let them judge MCP servers that are up
      --fixture URL       the conformance fixtures
      --url URL           the real endpoint
      --token TOKEN       what both want to be shown
      --manifest FILE     the desktop bundle's manifest
      --story NAME        self (against --fixture) or organizer (against --url)
      --stdio CMD ARG..   the server on stdin and stdout; takes the rest of the line";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((chore, rest)) = arguments.split_first() else {
        println!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let done = match chore.as_str() {
        "ci" => ci::main(),
        "judges" => ci::judges(),
        "prepare" => prepare::run().map(|()| ExitCode::SUCCESS),
        "mcpb" => bundle::main(),
        "peers" => peers(rest.iter().any(|word| word == "--bench")),
        "mail-checks" => ci::mail_judges(),
        "payment-checks" => ci::payment_judges(),
        "browser-checks" => ci::browser_judges(),
        "api-checks" => ci::api_judges(),
        "workflow-checks" => ci::workflow_judges(),
        "mcp-checks" => checks::main(rest),
        _ => Err(anyhow::anyhow!("there is no chore {chore}\n\n{USAGE}")),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn peers(for_bench: bool) -> Result<ExitCode> {
    let path = if for_bench {
        peers::install_for_bench()?
    } else {
        peers::install()?.folder
    };
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// The root of the checkout.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
