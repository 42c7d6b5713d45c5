//! The engines: what starts their workers and what puts runs into them.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use domain::{Actor, Cx, OrganizationId, Permissions, Timestamp, context::Entropy};
use serde_json::json;
use store::{
    Store,
    runs::{Claim, NewRun},
};
use tokio::task::JoinSet;

use super::{contest::CONCURRENCY, sql::Database};
use crate::program::{Installed, Process};

/// The workflow that is measured.
pub(crate) const WORKFLOW: &str = "bench";

/// Three steps, each of which writes a row of its own together with the word that it is done.
const DEFINITION: &str = "\
id: bench
title: Bench
on: [{manual: {}}]
steps:
  - {id: first, emit: bench.first}
  - {id: second, emit: bench.second}
  - {id: third, emit: bench.third}
";

/// Whose engine it is, and how a run of three steps is written for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    #[value(name = "eventos")]
    EventOs,
    Apalis,
    ApalisSingle,
    Graphile,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [
        Self::EventOs,
        Self::Apalis,
        Self::ApalisSingle,
        Self::Graphile,
    ];

    /// As `peers` knows it.
    fn word(self) -> &'static str {
        match self {
            Self::EventOs => "eventos",
            Self::Apalis => "apalis",
            Self::ApalisSingle => "apalis-single",
            Self::Graphile => "graphile",
        }
    }

    /// The name of its database.
    pub(crate) fn database(self) -> String {
        match self {
            Self::EventOs => "eventos".to_owned(),
            other => format!("bench_{}", other.word().replace('-', "_")),
        }
    }
}

/// Builds the program with the other engines. It has a lock file of its own; see its manifest.
pub(crate) fn build_peers(profile: &str) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = crate::target().join("bench-peers");
    let status = Command::new(cargo)
        .args(["build", "--locked", "--profile", profile])
        .current_dir(crate::root().join("bench/peers"))
        .env("CARGO_TARGET_DIR", &target)
        .status()?;
    ensure!(status.success(), "the peers could not be built");
    Ok(target.join(profile).join("peers"))
}

/// An engine with its database.
pub(crate) struct Engine<'a> {
    pub(crate) kind: Kind,
    pub(crate) database: Database,
    installed: &'a Installed,
    peers: &'a Path,
    scratch: &'a Path,
    url: String,
    /// How runs get into EventOS; none for the others, whose own program does it.
    door: Option<Door>,
}

/// EventOS's store, as a server beside the workers has it.
struct Door {
    store: Store,
    organization: OrganizationId,
    _relay: JoinSet<()>,
}

impl<'a> Engine<'a> {
    /// Makes the database with everything the engine needs in it.
    pub(crate) async fn prepare(
        kind: Kind,
        installed: &'a Installed,
        peers: &'a Path,
        scratch: &'a Path,
        url: String,
    ) -> Result<Self> {
        let mut door = None;
        if kind == Kind::EventOs {
            let file = scratch.join("bench.yaml");
            std::fs::write(&file, DEFINITION)?;
            let mut command = installed.command()?;
            crate::output(command.args(["workflow", "save"]).arg(&file))?;
        } else {
            crate::output(Command::new(peers).args([
                "--engine",
                kind.word(),
                "--url",
                &url,
                "set-up",
            ]))?;
        }
        let database = Database::connect(kind, &url).await?;
        if kind == Kind::EventOs {
            door = Some(Door::open(&url, &database).await?);
        }
        Ok(Self {
            kind,
            database,
            installed,
            peers,
            scratch,
            url,
            door,
        })
    }

    fn peer(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.peers);
        command
            .args(["--engine", self.kind.word(), "--url", &self.url])
            .args(words);
        command
    }

    /// Starts a worker process.
    pub(crate) fn worker(&self, number: u32) -> Result<Process> {
        let concurrency = CONCURRENCY.to_string();
        let mut command = if self.kind == Kind::EventOs {
            let mut command = self.installed.command()?;
            command.args(["work", "--concurrency", &concurrency]);
            command
        } else {
            self.peer(&["work", &concurrency])
        };
        let log = format!("{}-{number}.log", self.kind.word());
        Process::start(command.stdin(Stdio::null()), &self.scratch.join(log))
    }

    /// Adds runs one by one, each in a commit of its own, so many at a time; says how long it took.
    pub(crate) async fn enqueue(&self, runs: i32) -> Result<Duration> {
        if let Some(door) = &self.door {
            return door.enqueue(runs).await;
        }
        let words = ["enqueue", &runs.to_string(), &CONCURRENCY.to_string()];
        let said = crate::output(&mut self.peer(&words))?;
        let micros = said.parse().context("the peer said no time")?;
        Ok(Duration::from_micros(micros))
    }

    /// Adds runs at once.
    pub(crate) async fn batch(&self, runs: i32) -> Result<()> {
        if let Some(door) = &self.door {
            self.database.batch(runs).await?;
            door.store.bell().ring();
        } else {
            crate::output(&mut self.peer(&["batch", &runs.to_string()]))?;
        }
        Ok(())
    }

    /// Adds runs one by one, with a pause before each in which the worker falls asleep again.
    pub(crate) async fn wake(&self, runs: i32, pause: Duration) -> Result<()> {
        if let Some(door) = &self.door {
            for _ in 0..runs {
                tokio::time::sleep(pause).await;
                door.start().await?;
            }
        } else {
            let pause = pause.as_millis().to_string();
            crate::output(&mut self.peer(&["wake", &runs.to_string(), &pause]))?;
        }
        Ok(())
    }

    /// Adds runs that wait for another day.
    pub(crate) async fn wait(&self, runs: i32) -> Result<()> {
        if self.door.is_some() {
            self.database.wait(runs).await?;
        } else {
            crate::output(&mut self.peer(&["delayed", &runs.to_string()]))?;
        }
        Ok(())
    }

    /// Times of claims of as many runs as a worker has room for; none for the others, whose claims are their own affair.
    pub(crate) async fn claims(&self, count: i32) -> Result<Option<Vec<Duration>>> {
        let Some(door) = &self.door else {
            return Ok(None);
        };
        let wanted = i32::try_from(CONCURRENCY)?;
        self.database.batch(count * wanted).await?;
        let mut times = Vec::new();
        for _ in 0..count {
            times.push(door.claim().await?);
            self.database.drop_claimed().await?;
        }
        Ok(Some(times))
    }
}

impl Door {
    async fn open(url: &str, database: &Database) -> Result<Self> {
        let store = Store::connect(&store::Options::new(url))?;
        let mut relay = JoinSet::new();
        let relayed = store.clone();
        // As in every process that starts runs: its commits wake the workers elsewhere.
        relay.spawn(async move { relayed.relay_rings().await });
        Ok(Self {
            store,
            organization: database.organization().await?,
            _relay: relay,
        })
    }

    async fn start(&self) -> Result<()> {
        let now = Timestamp::now();
        let actor = Actor::System { reason: "bench" };
        let cx = Cx::at(
            self.organization,
            actor,
            Permissions::NONE,
            now,
            Entropy::System,
        );
        let run = NewRun {
            organization_id: self.organization,
            id: cx.new_id(),
            workflow: WORKFLOW.to_owned(),
            version: 1,
            definition: None,
            title: "Bench".to_owned(),
            idempotency_key: None,
            concurrency: None,
            trigger: json!({"kind": "manual"}),
            params: json!({"asked_us": now.as_microseconds()}),
            wake_at: now,
            parent: None,
            on_behalf_of: None,
            since: None,
            created_at: now,
        };
        self.store.runs().start(&run).await?;
        Ok(())
    }

    async fn enqueue(&self, runs: i32) -> Result<Duration> {
        let next = Arc::new(AtomicI32::new(0));
        let started = Instant::now();
        let adding = (0..CONCURRENCY).map(|_| {
            let next = Arc::clone(&next);
            async move {
                while next.fetch_add(1, Ordering::Relaxed) < runs {
                    self.start().await?;
                }
                anyhow::Ok(())
            }
        });
        futures_util::future::try_join_all(adding).await?;
        Ok(started.elapsed())
    }

    async fn claim(&self) -> Result<Duration> {
        let claim = Claim {
            owner: "bench",
            wanted: CONCURRENCY,
            per_organization: 64,
            lease_for: Duration::from_secs(30),
            behind: uuid::Uuid::nil(),
            now: Timestamp::now(),
        };
        let started = Instant::now();
        let claimed = self.store.runs().claim(&claim).await?;
        let took = started.elapsed();
        ensure!(
            claimed.len() == CONCURRENCY as usize,
            "a claim took {} runs",
            claimed.len()
        );
        Ok(took)
    }
}
