//! `eventos work`: a worker of its own, on this machine or another, against the same database.

use std::process::ExitCode;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use super::Opened;
use crate::{config::Config, home, signals::Signals, worker};

/// Execute workflows, beside the server or on another machine, against the same database.
#[derive(Debug, clap::Args)]
pub(super) struct Work {
    /// How many runs to work on at once.
    #[arg(long, value_name = "COUNT")]
    concurrency: Option<u32>,
    /// What the worker calls itself in the runs it holds; the machine and the process when left out.
    #[arg(long)]
    name: Option<String>,
}

impl Work {
    pub(super) async fn run(self, mut config: Config) -> Result<ExitCode> {
        config.workflows.concurrency = self.concurrency.unwrap_or(config.workflows.concurrency);
        let opened = Opened::new(&config).await?;
        let mut signals = Signals::new()?;
        let stop = CancellationToken::new();
        let watch = opened.database.keep_running(&stop);
        let worker = {
            let key = home::sealing_key(&config.data_dir)?;
            worker::prepare(&opened.database.store, &config, key, self.name)?
        };
        signals.run(&stop, worker.run(stop.clone())).await;
        stop.cancel();
        opened.finish(&mut signals, watch).await?;
        Ok(ExitCode::SUCCESS)
    }
}
