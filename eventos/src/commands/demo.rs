//! `eventos demo`: a believable organization to try things on.

use std::process::ExitCode;

use anyhow::Result;

use super::Opened;
use crate::{config::Config, demo};

/// Load the demonstration organization, unless it is there.
#[derive(Debug, clap::Args)]
pub(super) struct Demo {}

impl Demo {
    pub(super) async fn run(self, config: &Config) -> Result<ExitCode> {
        let opened = Opened::new(config).await?;
        let outcome = demo::load(&opened.database.store).await;
        opened.database.close().await?;
        match outcome? {
            Some(summary) => println!(
                "{summary}\nTry it: eventos token create --name try --organization {}",
                demo::SLUG
            ),
            None => println!(
                "The organization {:?} is there already; nothing was changed.",
                demo::SLUG
            ),
        }
        Ok(ExitCode::SUCCESS)
    }
}
