//! `eventos token`: bearer tokens for programs that connect over HTTP.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use domain::{Actor, Cx, Timestamp};
use operations::{
    permission::Role,
    tokens::{CreateToken, ListTokens, RevokeToken},
};

use super::{Opened, Organization};
use crate::config::Config;

/// Make, list and revoke bearer tokens.
#[derive(Debug, clap::Args)]
pub(super) struct Token {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token; it is shown once.
    Create {
        /// What it is for.
        #[arg(long)]
        name: String,
        /// What it may do: scopes separated by commas, or all.
        #[arg(long, default_value = "all")]
        scopes: String,
        /// Only these groups of tools, separated by commas.
        #[arg(long)]
        toolsets: Option<String>,
        /// Refuse every write.
        #[arg(long)]
        read_only: bool,
        /// Days until it stops working.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=3650))]
        days: i64,
        /// Print the token and nothing else.
        #[arg(long)]
        quiet: bool,
        #[command(flatten)]
        organization: Organization,
    },
    /// List tokens.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        organization: Organization,
    },
    /// Make a token stop working.
    Revoke {
        /// Its id (tok_…), from the list.
        token: String,
        #[command(flatten)]
        organization: Organization,
    },
}

impl Token {
    pub(super) async fn run(self, config: &Config) -> Result<ExitCode> {
        let opened = Opened::new(config).await?;
        let outcome = self.act(config, &opened).await;
        opened.database.close().await?;
        outcome
    }

    async fn act(self, config: &Config, opened: &Opened) -> Result<ExitCode> {
        let organization = match &self.command {
            Command::Create { organization, .. }
            | Command::List { organization, .. }
            | Command::Revoke { organization, .. } => organization,
        };
        let home = opened.home(config, organization).await?;
        let owner = Actor::Member {
            user_id: home.owner_id,
        };
        let cx = Cx::new(home.organization_id, owner, Role::Owner.permissions())
            .with_client("eventos token");
        match self.command {
            Command::Create {
                name,
                scopes,
                toolsets,
                read_only,
                days,
                quiet,
                ..
            } => {
                let toolsets =
                    toolsets.map(|list| list.split(',').map(|t| t.trim().to_owned()).collect());
                let expires_at = Some(Timestamp::now().plus_seconds(days * 24 * 3600));
                let command = CreateToken {
                    name,
                    scopes: vec![scopes],
                    toolsets,
                    read_only,
                    expires_at,
                };
                let new = opened.app.run(&cx, command).await?;
                if quiet {
                    println!("{}", new.secret);
                } else {
                    println!("{}\n", new.secret);
                    println!(
                        "This is the only time it is shown. It works on {} for {days} days.",
                        home.slug
                    );
                    println!(
                        "Claude Code:  claude mcp add --transport http eventos {}/mcp --header \"Authorization: Bearer <token>\"",
                        config.url()
                    );
                }
            }
            Command::List { json, .. } => {
                let list = opened.app.run(&cx, ListTokens {}).await?;
                if json {
                    println!("{}", serde_json::to_string_pretty(&list)?);
                } else {
                    print_list(&list.tokens);
                }
            }
            Command::Revoke { token, .. } => {
                let token_id = token
                    .parse()
                    .context("give the id from `eventos token list`")?;
                if opened.app.run(&cx, RevokeToken { token_id }).await.is_err() {
                    bail!("there is no active token {token} here; see `eventos token list`");
                }
                println!("{token} stops working within seconds.");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print_list(tokens: &[operations::tokens::TokenRecord]) {
    if tokens.is_empty() {
        println!("No tokens yet. Make one: eventos token create --name \"Claude\"");
    }
    for token in tokens {
        let state = match (token.revoked_at, token.expires_at) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(at)) => format!("until {at}"),
            (None, None) => "no end".to_owned(),
        };
        let used = token
            .last_used_at
            .map_or("never used".to_owned(), |at| format!("used {at}"));
        println!("{}  {:<24}  {state}  {used}", token.id, token.name);
    }
}
