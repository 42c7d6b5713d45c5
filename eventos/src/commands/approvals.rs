//! `eventos approvals`: what waits for a person, decided by the person at the keyboard.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use domain::{ApprovalId, Timestamp};
use operations::{
    approvals::{Approval, ApprovalStatus, DecideApproval, Decision, GetApproval, ListApprovals},
    links::{Link, Links},
};

use super::{
    Organization,
    acting::{Acting, field, json, refused},
};
use crate::{config::Config, home};

/// See and decide what waits for a person's word.
#[derive(Debug, clap::Args)]
pub(super) struct Approvals {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what waits.
    List {
        /// Another state: approved, rejected, expired, stale or done.
        #[arg(long)]
        status: Option<ApprovalStatus>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        organization: Organization,
    },
    /// Show one: what will happen, and why it asks.
    Show {
        /// Its id, apr_….
        approval: ApprovalId,
        /// Print a link to decide it in a browser, good until the approval ends. Whoever has it can decide.
        #[arg(long)]
        link: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        organization: Organization,
    },
    /// Say yes: it runs at once, exactly as it was shown.
    Approve(Decide),
    /// Say no.
    Reject(Decide),
}

#[derive(Debug, clap::Args)]
struct Decide {
    /// Its id, apr_….
    approval: ApprovalId,
    /// Why, for whoever asked.
    #[arg(long)]
    note: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    organization: Organization,
}

impl Approvals {
    pub(super) async fn run(self, config: &Config) -> Result<ExitCode> {
        let organization = match &self.command {
            Command::List { organization, .. } | Command::Show { organization, .. } => organization,
            Command::Approve(decide) | Command::Reject(decide) => &decide.organization,
        };
        let acting = Acting::begin(config, organization, "eventos approvals").await?;
        let outcome = self.act(config, &acting).await;
        acting.end().await?;
        outcome
    }

    async fn act(self, config: &Config, acting: &Acting) -> Result<ExitCode> {
        match self.command {
            Command::List {
                status,
                json: as_json,
                ..
            } => {
                let page = acting
                    .run(ListApprovals {
                        status,
                        ..ListApprovals::default()
                    })
                    .await?;
                if as_json {
                    json(&page)?;
                } else {
                    list(acting, &page.items, status);
                }
                Ok(ExitCode::SUCCESS)
            }
            Command::Show {
                approval,
                link,
                json: as_json,
                ..
            } => {
                let found = match acting.run(GetApproval { approval }).await {
                    Ok(found) => found,
                    Err(error) => return Ok(refused(&error)),
                };
                if as_json {
                    json(&found)?;
                } else {
                    show(acting, &found);
                }
                if link {
                    let key = home::sealing_key(&config.data_dir)
                        .context("links are signed with the server's key")?;
                    let link = Link {
                        organization_id: acting.home.organization_id,
                        approval_id: approval,
                        user_id: acting.home.owner_id,
                        expires_at: found.expires_at,
                    };
                    println!("{}", Links::new(key).url(&config.url(), &link));
                }
                Ok(ExitCode::SUCCESS)
            }
            Command::Approve(decide) => decide.say(acting, Decision::Approved).await,
            Command::Reject(decide) => decide.say(acting, Decision::Rejected).await,
        }
    }
}

impl Decide {
    async fn say(self, acting: &Acting, decision: Decision) -> Result<ExitCode> {
        let command = DecideApproval {
            approval: self.approval,
            decision,
            note: self.note,
        };
        let decided = match acting.run(command).await {
            Ok(decided) => decided,
            Err(error) => return Ok(refused(&error)),
        };
        if self.json {
            json(&decided)?;
        } else {
            println!("{}", decided.outcome);
            if let Some(again) = decided.approval.replaced_by {
                println!("Next: eventos approvals show {again}");
            }
        }
        // Approved, but not done: scripts should notice.
        let is_settled = match decision {
            Decision::Rejected => true,
            Decision::Approved => {
                decided.approval.status == ApprovalStatus::Done
                    || decided.approval.result.is_none()
                        && decided.approval.status == ApprovalStatus::Approved
            }
        };
        Ok(if is_settled {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn list(acting: &Acting, approvals: &[Approval], status: Option<ApprovalStatus>) {
    if approvals.is_empty() {
        match status {
            None | Some(ApprovalStatus::Pending) => println!("Nothing waits for a decision."),
            Some(status) => println!("Nothing is {status}."),
        }
        return;
    }
    for approval in approvals {
        println!("{}  {}", approval.id, approval.title);
        println!(
            "    {} · {} · until {}",
            approval.status,
            approval.requested_by,
            acting.local(approval.expires_at)
        );
    }
    println!("\nNext: eventos approvals show {}", approvals[0].id);
}

fn show(acting: &Acting, approval: &Approval) {
    println!("{}", approval.title);
    field("id", approval.id);
    field("status", approval.status);
    field("asked by", &approval.requested_by);
    field("why", &approval.reason);
    field("asked", acting.local(approval.created_at));
    if approval.status == ApprovalStatus::Pending {
        field("until", left(acting, approval.expires_at));
    }
    if let (Some(by), Some(at)) = (&approval.decided_by, approval.decided_at) {
        field("decided", format!("{} by {by}", acting.local(at)));
    }
    if let Some(note) = &approval.note {
        field("note", note);
    }
    if !approval.preview.is_empty() {
        println!(
            "\nThis {}:",
            if approval.status == ApprovalStatus::Pending {
                "will happen"
            } else {
                "is what it was about"
            }
        );
        for line in &approval.preview {
            println!("  - {line}");
        }
    }
    if let Some(show) = &approval.show {
        println!("\nTo look at:");
        for line in show.as_str().lines() {
            println!("  {line}");
        }
    }
    if let Some(operation) = &approval.operation {
        println!("\nExactly: {operation} {}", approval.input);
    }
    if let Some(result) = &approval.result {
        println!("\nResult: {}", result.as_str());
    }
    match (approval.status, approval.replaced_by) {
        (ApprovalStatus::Pending, _) => {
            println!(
                "\nNext: eventos approvals approve {0}\n      eventos approvals reject {0} --note \"…\"",
                approval.id
            );
        }
        (_, Some(again)) => println!("\nNext: eventos approvals show {again}"),
        _ => {}
    }
}

fn left(acting: &Acting, until: Timestamp) -> String {
    let hours = (until.as_microseconds() - acting.cx.now.as_microseconds()) / 3_600_000_000;
    format!("{} (in {hours} h)", acting.local(until))
}
