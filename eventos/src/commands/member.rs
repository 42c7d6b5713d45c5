//! `eventos member`: the people of the team. Decisions and mails go to their addresses, so no tool changes them.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use domain::{EmailAddress, Name};
use operations::{
    organizations::{ListMembers, RemoveMember, SaveMember},
    permission::Role,
};

use super::{
    Organization,
    acting::{Acting, json, refused},
};
use crate::config::Config;

/// List, add, change and remove the people of the team.
#[derive(Debug, clap::Args)]
pub(super) struct Member {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the team.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        organization: Organization,
    },
    /// Add a person, or change what is known of one.
    Save {
        /// Their address; a new one adds a person.
        email: EmailAddress,
        /// What they are called.
        #[arg(long)]
        name: Option<Name>,
        /// What they may do: owner, manager, `box_office`, door or viewer.
        #[arg(long)]
        role: Option<Role>,
        /// Where they are reached from now on.
        #[arg(long)]
        new_email: Option<EmailAddress>,
        #[command(flatten)]
        organization: Organization,
    },
    /// Take a person out of the team; their tokens stop working.
    Remove {
        /// Their address.
        email: EmailAddress,
        #[command(flatten)]
        organization: Organization,
    },
}

impl Member {
    pub(super) async fn run(self, config: &Config) -> Result<ExitCode> {
        let organization = match &self.command {
            Command::List { organization, .. }
            | Command::Save { organization, .. }
            | Command::Remove { organization, .. } => organization,
        };
        let acting = Acting::begin(config, organization, "eventos member").await?;
        let outcome = self.act(&acting).await;
        acting.end().await?;
        outcome
    }

    async fn act(self, acting: &Acting) -> Result<ExitCode> {
        match self.command {
            Command::List { json: as_json, .. } => {
                let list = acting.run(ListMembers {}).await?;
                if as_json {
                    json(&list)?;
                } else {
                    for member in list.members {
                        println!("{:<10}  {:<32}  {}", member.role, member.email, member.name);
                    }
                }
            }
            Command::Save {
                email,
                name,
                role,
                new_email,
                ..
            } => {
                let saving = SaveMember {
                    email,
                    new_email,
                    name,
                    role,
                };
                match acting.run(saving).await {
                    Ok(member) => {
                        println!("{} <{}> is {} now.", member.name, member.email, member.role);
                    }
                    Err(error) => return Ok(refused(&error)),
                }
            }
            Command::Remove { email, .. } => {
                let removing = RemoveMember {
                    email: email.clone(),
                };
                match acting.run(removing).await {
                    Ok(_) => println!("{email} no longer belongs to {}.", acting.home.slug),
                    Err(error) => return Ok(refused(&error)),
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
