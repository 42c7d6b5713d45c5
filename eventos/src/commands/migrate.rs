//! `eventos migrate`.

use std::process::ExitCode;

use anyhow::Result;

use crate::{config::Config, database::Database};

/// Bring the database up to date.
#[derive(Debug, clap::Args)]
pub(super) struct Migrate {
    /// Change nothing; exit with 1 when something is to do.
    #[arg(long)]
    check: bool,
}

impl Migrate {
    pub(super) async fn run(self, config: &Config) -> Result<ExitCode> {
        if !self.check {
            let database = Database::open_migrated(config).await?;
            println!("The database is up to date.");
            database.close().await?;
            return Ok(ExitCode::SUCCESS);
        }
        let database = Database::open(config).await?;
        let state = database.store.migration_state().await?;
        for pending in &state.pending {
            println!("pending  {pending}");
        }
        for altered in &state.altered {
            println!("altered  {altered} differs from what was applied");
        }
        for unknown in &state.unknown {
            println!("unknown  {unknown} was applied by a newer EventOS");
        }
        database.close().await?;
        if state.is_current() {
            println!("The database is up to date.");
            Ok(ExitCode::SUCCESS)
        } else {
            println!("Run `eventos migrate` to apply what is pending.");
            Ok(ExitCode::FAILURE)
        }
    }
}
