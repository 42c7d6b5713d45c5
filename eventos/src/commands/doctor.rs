//! `eventos doctor`: what works, what does not, and what to do about it.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Result;
use domain::{Actor, Cx, OrganizationId, Timestamp, UserId};
use operations::{
    organizations::{ListMembers, find_organization},
    permission::Role,
};
use serde::Serialize;
use store::embedded::{OWNER, PORT};

use super::quoted;
use crate::{
    config::{Config, NOBODY},
    database::{Database, NAME},
    home, mail,
};

/// Check settings, database and clients, and say what to mend.
#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Note,
    Fail,
}

#[derive(Debug, Serialize)]
struct Finding {
    verdict: Verdict,
    about: &'static str,
    saw: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, about: &'static str, saw: impl Into<String>) {
        self.0.push(Finding {
            verdict: Verdict::Ok,
            about,
            saw: saw.into(),
            next: None,
        });
    }
    fn note(&mut self, about: &'static str, saw: impl Into<String>, next: impl Into<String>) {
        self.0.push(Finding {
            verdict: Verdict::Note,
            about,
            saw: saw.into(),
            next: Some(next.into()),
        });
    }
    fn fail(&mut self, about: &'static str, saw: impl Into<String>, next: impl Into<String>) {
        self.0.push(Finding {
            verdict: Verdict::Fail,
            about,
            saw: saw.into(),
            next: Some(next.into()),
        });
    }
}

impl Doctor {
    pub(super) async fn run(self, config: &Config) -> Result<ExitCode> {
        let mut findings = Findings::default();
        data(config, &mut findings);
        listening(config, &mut findings).await;
        mail(config, &mut findings).await;
        match Database::open(config).await {
            Err(error) => findings.fail(
                "database",
                format!("{error:#}"),
                "Mend this first; everything else rests on it.",
            ),
            Ok(database) => {
                on_database(config, &database, &mut findings).await;
                database.close().await?;
            }
        }
        if self.json {
            let report = serde_json::json!({"settings": config, "findings": findings.0});
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            println!("{}", toml::to_string(config)?);
            for finding in &findings.0 {
                let mark = match finding.verdict {
                    Verdict::Ok => "ok  ",
                    Verdict::Note => "note",
                    Verdict::Fail => "FAIL",
                };
                println!("{mark}  {:<14} {}", finding.about, finding.saw);
                if let Some(next) = &finding.next {
                    println!("      {:<14} → {next}", "");
                }
            }
        }
        let failed = findings.0.iter().any(|f| f.verdict == Verdict::Fail);
        Ok(if failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

fn data(config: &Config, findings: &mut Findings) {
    match home::sealing_key(&config.data_dir) {
        Ok(_) => findings.ok(
            "data",
            format!("{} can be written", config.data_dir.display()),
        ),
        Err(error) => findings.fail(
            "data",
            format!("{error:#}"),
            "Give a directory you own with --data-dir or EVENTOS_DATA_DIR.",
        ),
    }
}

/// Whether the mail server answers and lets us in; nothing is sent.
async fn mail(config: &Config, findings: &mut Findings) {
    let from = &config.mail.from;
    match mail::smtp(config) {
        Err(error) => findings.fail("mail", format!("{error:#}"), "Correct mail.smtp_url."),
        Ok(None) => findings.note(
            "mail",
            format!(
                "no mail server; mails are kept as files in {}",
                mail::outbox(&config.data_dir).display()
            ),
            "Set mail.smtp_url and mail.from before people wait for their tickets.",
        ),
        Ok(Some(smtp)) => match smtp.check().await {
            Err(error) => findings.fail(
                "mail",
                error.to_string(),
                "Check host, port, user and password in mail.smtp_url.",
            ),
            Ok(()) if from.as_str().ends_with(".invalid") => findings.fail(
                "mail",
                "the mail server answers, but mails would come from an address that cannot exist",
                "Set mail.from to an address of your own domain.",
            ),
            Ok(()) => findings.ok(
                "mail",
                format!("the mail server answers; mails come from {from}"),
            ),
        },
    }
}

/// A running EventOS answers its health check; anything else on the port is in the way.
async fn listening(config: &Config, findings: &mut Findings) {
    if !config.listen.ip().is_loopback() && config.public_url.is_none() {
        findings.note(
            "address",
            "listens beyond this machine",
            "Put TLS in front and set public_url.",
        );
    }
    if tokio::net::TcpListener::bind(config.listen).await.is_ok() {
        findings.ok("address", format!("{} is free", config.listen));
        return;
    }
    let healthy = tokio::time::timeout(Duration::from_secs(3), asks_health(config.listen)).await;
    if matches!(healthy, Ok(Ok(true))) {
        findings.ok("address", format!("EventOS answers at {}", config.listen));
    } else {
        findings.fail(
            "address",
            format!("{} is taken by another program", config.listen),
            "Choose another with --listen or EVENTOS_LISTEN.",
        );
    }
}

async fn asks_health(address: std::net::SocketAddr) -> std::io::Result<bool> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}

async fn on_database(config: &Config, database: &Database, findings: &mut Findings) {
    let version = match database.store.ping().await {
        Ok(version) => version,
        Err(error) => {
            let cause = std::error::Error::source(&error)
                .map(|c| format!(": {c}"))
                .unwrap_or_default();
            findings.fail(
                "database",
                format!("{error}{cause}"),
                "Check DATABASE_URL, and that the server runs.",
            );
            return;
        }
    };
    let major: u32 = version
        .split(['.', ' '])
        .next()
        .and_then(|m| m.parse().ok())
        .unwrap_or(0);
    let whose = match &database.cluster {
        Some(cluster) => format!("its own, in {}", cluster.directory().display()),
        None => "the one of DATABASE_URL".to_owned(),
    };
    if major < 15 {
        findings.fail(
            "database",
            format!("PostgreSQL {version}, {whose}"),
            "EventOS needs PostgreSQL 15 or later.",
        );
    } else {
        findings.ok("database", format!("PostgreSQL {version}, {whose}"));
    }
    backup(config, database, findings);
    match database.store.migration_state().await {
        Ok(state) if state.is_current() => findings.ok("schema", "up to date"),
        Ok(state) if state.unknown.is_empty() && state.altered.is_empty() => {
            findings.note(
                "schema",
                format!("{} migrations to apply", state.pending.len()),
                "Run `eventos migrate`, or just `eventos serve`.",
            );
            return;
        }
        Ok(_) => {
            findings.fail(
                "schema",
                "made by another version of EventOS",
                "Run the newer version, or restore a backup.",
            );
            return;
        }
        Err(error) => {
            findings.fail(
                "schema",
                error.to_string(),
                "Check the rights of the database user.",
            );
            return;
        }
    }
    in_use(config, database, findings).await;
}

/// Every folder that a backup needs: the database is not always inside the data directory.
fn backup(config: &Config, database: &Database, findings: &mut Findings) {
    let data_dir = config.data_dir.display();
    let Some(cluster) = &database.cluster else {
        findings.note(
            "backup",
            format!("{data_dir}, and the database of DATABASE_URL"),
            "Copy the folder; back the database up with its own means, such as pg_dump.",
        );
        return;
    };
    let mut folders = data_dir.to_string();
    // The data directory may be written in another way than the cluster's, through a link.
    let inside = (config.data_dir.canonicalize())
        .is_ok_and(|data_dir| cluster.directory().starts_with(data_dir));
    if !inside {
        folders = format!("{folders} and {}", cluster.directory().display());
    }
    let own = cluster.binaries().join("pg_dump");
    let program = if own.is_file() {
        own
    } else {
        PathBuf::from("pg_dump")
    };
    let line = [
        quoted(&program.to_string_lossy()),
        "-h".to_owned(),
        quoted(&cluster.socket_dir().to_string_lossy()),
        format!("-p {PORT} -U {OWNER} -Fc -f eventos.dump {NAME}"),
    ];
    findings.note(
        "backup",
        folders,
        format!(
            "Stop EventOS and copy that (cp -a); or, while it runs: {}",
            line.join(" ")
        ),
    );
}

/// Tells of an owner whom no mail reaches.
async fn without_address(
    app: &operations::App,
    organization_id: OrganizationId,
    owner_id: UserId,
    findings: &mut Findings,
) {
    let owner = Actor::Member { user_id: owner_id };
    let cx = Cx::new(organization_id, owner, Role::Owner.permissions());
    let Ok(list) = app.run(&cx, ListMembers {}).await else {
        return findings.fail("team", "cannot be read", "Check that the database answers.");
    };
    if list.members.iter().any(|member| member.email == NOBODY) {
        findings.note(
            "owner",
            "no address yet: mails to the team and links to decide reach nobody",
            format!("eventos member save {NOBODY} --name \"You\" --new-email you@example.org"),
        );
    }
}

/// Clock, organizations and limits of a database that is up to date.
async fn in_use(config: &Config, database: &Database, findings: &mut Findings) {
    match database.store.clock_skew(Timestamp::now()).await {
        Ok(skew) if skew.abs() < 2.0 => findings.ok(
            "clock",
            format!("{:.0} ms from the database's", skew * 1_000.0),
        ),
        Ok(skew) => findings.fail(
            "clock",
            format!("{skew:.1} s from the database's"),
            "Let both machines keep time by NTP.",
        ),
        Err(error) => findings.fail(
            "clock",
            error.to_string(),
            "Check that the database answers.",
        ),
    }
    let app = operations::App::new(database.store.clone(), operations::Options::default());
    match find_organization(&app, None).await {
        Ok(all) if all.is_empty() => findings.note(
            "organizations",
            "none yet",
            "`eventos serve` makes the first one.",
        ),
        Ok(all) => {
            let slugs: Vec<_> = all.iter().map(|(_, slug, _)| slug.as_str()).collect();
            findings.ok("organizations", slugs.join(", "));
            for (organization_id, _, owner_id) in &all {
                without_address(&app, *organization_id, *owner_id, findings).await;
            }
        }
        Err(error) => findings.fail(
            "organizations",
            error.to_string(),
            "The database user must be able to switch to eventos_app and eventos_system.",
        ),
    }
    if config.limits.operations_per_minute == 0 {
        findings.note(
            "limits",
            "none",
            "Set limits.operations_per_minute before strangers can connect.",
        );
    }
}
