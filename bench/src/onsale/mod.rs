//! An on-sale: very many people at once look, hold, and order free tickets, over the buyers' HTTP API.

mod buyers;
mod report;
mod sale;
mod scenario;
mod sql;

use anyhow::Result;

use crate::{
    machine::{self, Cores},
    program::{Installed, Place},
};

/// What to measure, and how much of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// How often every contestant has its turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Buyers of one sale.
    #[arg(long, default_value_t = 5_000)]
    buyers: usize,
    /// How many of them are at it at once.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..))]
    at_once: u16,
    /// Orders of another event, beside which one sale is held again at the end; none when 0.
    #[arg(long, default_value_t = 1_000_000)]
    history: u32,
    /// Seconds for each of the two that only ask PostgreSQL.
    #[arg(long, default_value_t = 5.0)]
    ceiling_seconds: f64,
    #[command(flatten)]
    place: Place,
    /// Put the figures into bench/README.md.
    #[arg(long)]
    write: bool,
}

/// Measures everything, prints the report.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let program = settings.place.build()?;
    let machine = machine::described();
    let outcome = settings.place.in_scratch(|scratch| {
        let installed = Installed {
            program,
            data_dir: scratch.join("data"),
            // Buyers, server and PostgreSQL share all processors, as the target says.
            cores: Cores::shared_out(false),
        };
        sale::hold(&installed, settings)
    })?;
    let text = report::markdown(&outcome, settings, &machine);
    println!("{text}");
    if settings.write {
        crate::report::write("onsale", &text)?;
    }
    Ok(())
}
