//! The commands, one file each.

mod acting;
mod approvals;
mod chat;
mod completions;
mod demo;
mod doctor;
mod mcp;
mod member;
mod migrate;
mod serve;
mod token;
mod work;
mod workflow;
mod workflow_print;
mod workflow_webhook;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use operations::App;

use crate::{
    config::{Config, Overrides},
    database::{Database, shed_foreign_options},
    home::{self, Home},
    logging, payments,
    signals::Signals,
};

/// EventOS: events and tickets, run by chatting. One program, its own database.
#[derive(Debug, Parser)]
#[command(name = "eventos", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    overrides: Overrides,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server (also what happens without a command).
    Serve(serve::Serve),
    /// Talk MCP on standard input and output, or set up a client that does.
    Mcp(mcp::Mcp),
    /// Make, list and revoke bearer tokens.
    Token(token::Token),
    /// List, add, change and remove the people of the team.
    Member(member::Member),
    /// Check, try, store, start and steer workflows.
    Workflow(workflow::Workflow),
    /// See and decide what waits for a person's word.
    Approvals(approvals::Approvals),
    /// Talk to the organizer's assistant, and decide what it proposes.
    Chat(chat::Chat),
    /// Execute workflows, beside the server or on another machine.
    Work(work::Work),
    /// Bring the database up to date.
    Migrate(migrate::Migrate),
    /// Load a believable organization to try things on.
    Demo(demo::Demo),
    /// Check settings, database and clients, and say what to mend.
    Doctor(doctor::Doctor),
    /// Print shell completions.
    Completions(completions::Completions),
}

/// Which organization a command works on.
#[derive(Debug, Clone, clap::Args)]
struct Organization {
    /// Organization, by slug or id; needed when there are several.
    #[arg(long, value_name = "SLUG")]
    organization: Option<String>,
}

/// Runs the command line.
pub(crate) async fn run(cli: Cli) -> Result<ExitCode> {
    let config = Config::load(&cli.overrides)?;
    shed_foreign_options(&config)?;
    let command = cli
        .command
        .unwrap_or(Command::Serve(serve::Serve::default()));
    // Commands that answer a person say what they do themselves; the log would be in the way.
    let quiet = matches!(
        command,
        Command::Token(_)
            | Command::Member(_)
            | Command::Workflow(_)
            | Command::Approvals(_)
            | Command::Chat(_)
            | Command::Doctor(_)
            | Command::Migrate(_)
            | Command::Completions(_)
    );
    let mut log = config.log.clone();
    if quiet {
        "warn".clone_into(&mut log.filter);
    }
    logging::start(&log)?;
    match command {
        Command::Serve(serve) => serve.run(config).await,
        Command::Mcp(mcp) => mcp.run(config).await,
        Command::Token(token) => token.run(&config).await,
        Command::Member(member) => member.run(&config).await,
        Command::Workflow(workflow) => workflow.run(&config).await,
        Command::Approvals(approvals) => approvals.run(&config).await,
        Command::Chat(chat) => chat.run(&config).await,
        Command::Work(work) => work.run(config).await,
        Command::Migrate(migrate) => migrate.run(&config).await,
        Command::Demo(demo) => demo.run(&config).await,
        Command::Doctor(doctor) => doctor.run(&config).await,
        Command::Completions(completions) => Ok(completions.run()),
    }
}

/// EventOS on a database that is up to date and has an organization.
struct Opened {
    app: App,
    database: Database,
}

impl Opened {
    async fn new(config: &Config) -> Result<Self> {
        let database = Database::open_migrated(config).await?;
        let limits = operations::Options {
            operations_per_minute: config.limits.operations_per_minute,
            burst: config.limits.burst,
            hold_minutes: config.limits.hold_minutes,
            most_together: config.limits.most_together,
        };
        let key = home::sealing_key(&config.data_dir)?;
        let app = App::new(database.store.clone(), limits);
        let app = app
            .with_key(key)
            .with_payments(payments::prepare(config, key)?);
        Ok(Self { app, database })
    }

    /// The organization a command works on, founding the first one when there is none.
    async fn home(&self, config: &Config, wanted: &Organization) -> Result<Home> {
        home::found_first(&self.app, config).await?;
        home::choose(&self.app, config, wanted.organization.as_deref()).await
    }

    /// Ends the watch over the database, which has been told to, and leaves the database; at once when asked again.
    async fn finish(
        self,
        signals: &mut Signals,
        watch: Option<tokio::task::JoinHandle<()>>,
    ) -> Result<()> {
        let closing = async {
            if let Some(watch) = watch {
                watch.await.context("the watch over PostgreSQL failed")?;
            }
            self.database.close().await
        };
        tokio::select! {
            closed = closing => closed,
            () = signals.asked() => {
                tracing::warn!("Asked again; the database may be left running for the next program");
                Ok(())
            }
        }
    }
}

/// A word as a shell has to read it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn what_a_shell_would_read_otherwise_is_quoted() {
        assert_eq!(quoted("/usr/bin/eventos"), "/usr/bin/eventos");
        assert_eq!(
            quoted("/Library/Application Support"),
            "'/Library/Application Support'"
        );
        assert_eq!(quoted("Ada's"), r"'Ada'\''s'");
        assert_eq!(quoted("$(x)"), "'$(x)'");
        assert_eq!(quoted(""), "''");
    }
}
