//! Tool calls: EventOS beside a server that returns a constant, the bare queries, and a Python server.

mod client;
pub(crate) mod constant;
mod contest;
mod report;
mod sql;
mod start;
mod stats;

use std::{path::PathBuf, time::Duration};

use anyhow::Result;

use crate::{
    machine::{self, Cores},
    program::{self, Installed},
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
    /// Keep data here, and use what is here already; otherwise a folder of its own that is removed.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// The cargo profile to build the program with. Only figures of `release` are figures of EventOS.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "release",
        conflicts_with = "write"
    )]
    profile: String,
    /// The program to measure; otherwise it is built.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Put the figures into bench/README.md.
    #[arg(long)]
    write: bool,
}

/// Measures everything, prints the report.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let program = program::build(settings.program.as_deref(), &settings.profile)?;
    // Asked before this process is pinned, which changes the answers.
    let machine = machine::described();
    let cores = Cores::shared_out(!settings.no_pin);
    machine::pin(&cores.load)?;
    let own = crate::target().join(format!("bench-{}", std::process::id()));
    let scratch = settings.scratch.clone().unwrap_or_else(|| own.clone());
    std::fs::create_dir_all(&scratch)?;
    let scratch = scratch.canonicalize()?;
    let installed = Installed {
        program,
        data_dir: scratch.join("demo"),
        cores,
    };
    let starts = start::measure(&installed, &scratch, settings.starts)?;
    let outcome = contest::hold(
        &installed,
        &scratch,
        &contest::Schedule {
            rounds: settings.rounds,
            latency: Duration::from_secs_f64(settings.latency_seconds),
            load: Duration::from_secs_f64(settings.load_seconds),
        },
    );
    if settings.scratch.is_none() {
        std::fs::remove_dir_all(&own)?;
    }
    let text = report::markdown(&starts, &outcome?, &installed.cores, &machine);
    println!("{text}");
    if settings.write {
        report::write(&text)?;
    }
    Ok(())
}
