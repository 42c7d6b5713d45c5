//! Runs of workflows: EventOS's engine beside other people's job queues, on one PostgreSQL.

mod contest;
mod engines;
mod report;
mod sql;

use anyhow::Result;

use crate::{
    machine::{self, Cores},
    program::{Installed, Place},
};

/// What to measure, and how much of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// How often every engine has its turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Runs of three steps each, per engine, turn and number of processes.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(i32).range(1..))]
    runs: i32,
    /// Runs started one by one to see how soon an idle worker wakes up.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(i32).range(1..))]
    wakes: i32,
    /// Runs that wait for another day while claims are measured.
    #[arg(long, default_value_t = 200_000)]
    waiting: i32,
    /// How many worker processes, one number after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
    processes: Vec<u32>,
    /// Measure only these engines.
    #[arg(long, value_delimiter = ',')]
    engines: Option<Vec<engines::Kind>>,
    #[command(flatten)]
    place: Place,
    /// Put the figures into bench/README.md.
    #[arg(long, conflicts_with = "engines")]
    write: bool,
}

/// Measures everything, prints the report.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let program = settings.place.build()?;
    let peers = engines::build_peers(&settings.place.profile)?;
    let machine = machine::described();
    let kinds = settings.engines.as_deref().unwrap_or(&engines::Kind::ALL);
    let outcome = settings.place.in_scratch(|scratch| {
        let data_dir = scratch.join("data");
        std::fs::create_dir_all(&data_dir)?;
        let installed = Installed {
            program,
            data_dir,
            // Workers are many and want all processors, like PostgreSQL; what asks does next to nothing.
            cores: Cores::shared_out(false),
        };
        contest::hold(&installed, &peers, scratch, kinds, settings)
    })?;
    let text = report::markdown(&outcome, settings, &machine);
    println!("{text}");
    if settings.write {
        crate::report::write("workflows", &text)?;
    }
    Ok(())
}
