//! `eventos workflow webhook`: the address under which programs outside start a workflow.

use std::process::ExitCode;

use anyhow::Result;
use operations::workflow_runs::webhooks::{CreateWorkflowWebhook, RevokeWorkflowWebhook};

use super::{
    acting::{Acting, field, json, refused},
    workflow::Common,
};

#[derive(Debug, clap::Args)]
pub(super) struct Webhook {
    /// The workflow's name.
    workflow: String,
    /// Take signed requests only.
    #[arg(long)]
    signed: bool,
    /// Take the address away instead.
    #[arg(long, conflicts_with = "signed")]
    revoke: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

impl Webhook {
    /// `url` is where people reach the server.
    pub(super) async fn act(self, acting: &Acting, url: &str) -> Result<ExitCode> {
        if self.revoke {
            self.take_away(acting).await
        } else {
            self.make(acting, url).await
        }
    }

    async fn make(self, acting: &Acting, url: &str) -> Result<ExitCode> {
        let command = CreateWorkflowWebhook {
            workflow: self.workflow,
            is_signed: self.signed,
        };
        let made = match acting.run(command).await {
            Ok(made) => made,
            Err(error) => return Ok(refused(&error)),
        };
        if self.common.json {
            json(&made)?;
            return Ok(ExitCode::SUCCESS);
        }
        println!("{url}{}", made.path.as_deref().unwrap_or_default());
        if let Some(secret) = &made.signing_secret {
            field("sign with", secret);
        }
        println!("\nIt is a secret and is not shown again. {}", made.next);
        Ok(ExitCode::SUCCESS)
    }

    async fn take_away(self, acting: &Acting) -> Result<ExitCode> {
        let command = RevokeWorkflowWebhook {
            workflow: self.workflow,
        };
        match acting.run(command).await {
            Ok(gone) if self.common.json => json(&gone)?,
            Ok(gone) => println!("No request from outside starts {} any more.", gone.workflow),
            Err(error) => return Ok(refused(&error)),
        }
        Ok(ExitCode::SUCCESS)
    }
}
