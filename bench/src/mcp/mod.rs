//! Tool calls: EventOS beside a server that returns a constant, the bare queries, and a Python server.

mod client;
pub(crate) mod constant;
mod contest;
mod report;
mod sql;
mod start;

use std::time::Duration;

use anyhow::Result;

use crate::{
    machine::{self, Cores},
    program::{Installed, Place},
};

/// What to measure, and how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// How often every contestant has its turn.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds per contestant and round with one call under way.
    #[arg(long, default_value_t = 1.0)]
    latency_seconds: f64,
    /// Seconds per contestant and round with sixteen calls under way.
    #[arg(long, default_value_t = 2.0)]
    load_seconds: f64,
    /// How often a start is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    starts: u32,
    /// Let servers and load share all processors.
    #[arg(long)]
    no_pin: bool,
    #[command(flatten)]
    place: Place,
    /// Put the figures into bench/README.md.
    #[arg(long)]
    write: bool,
}

/// Measures everything, prints the report.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let program = settings.place.build()?;
    // Asked before this process is pinned, which changes the answers.
    let machine = machine::described();
    let cores = Cores::shared_out(!settings.no_pin);
    machine::pin(&cores.load)?;
    let (starts, outcome, cores) = settings.place.in_scratch(|scratch| {
        let installed = Installed {
            program,
            data_dir: scratch.join("demo"),
            cores,
        };
        let starts = start::measure(&installed, scratch, settings.starts)?;
        let schedule = contest::Schedule {
            rounds: settings.rounds,
            latency: Duration::from_secs_f64(settings.latency_seconds),
            load: Duration::from_secs_f64(settings.load_seconds),
        };
        let outcome = contest::hold(&installed, scratch, &schedule)?;
        Ok((starts, outcome, installed.cores))
    })?;
    let text = report::markdown(&starts, &outcome, &cores, &machine);
    println!("{text}");
    if settings.write {
        crate::report::write("mcp", &text)?;
    }
    Ok(())
}
