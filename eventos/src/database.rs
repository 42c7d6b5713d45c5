//! The database the program works on: the one it is given, or one of its own.

use std::{convert::Infallible, os::unix::process::CommandExt as _, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use store::{
    Store,
    embedded::{Cluster, Options as ClusterOptions, Revival},
};
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// The name of the database inside the embedded server.
pub(crate) const NAME: &str = "eventos";

/// How long running transactions may take when the program ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open database.
pub(crate) struct Database {
    /// Where transactions are opened.
    pub(crate) store: Store,
    /// The embedded server, when there is one.
    pub(crate) cluster: Option<Arc<Cluster>>,
}

/// Starts the program again without `PGOPTIONS` when it is to use a database of its own: the variable is meant for
/// another server, the database library reads it all the same, and a program cannot take it back from itself.
pub(crate) fn shed_foreign_options(config: &Config) -> Result<()> {
    const FOREIGN: &str = "PGOPTIONS";
    if config.store.url.is_some() || std::env::var_os(FOREIGN).is_none() {
        return Ok(());
    }
    let program = std::env::current_exe().context("the program does not know where it is")?;
    let mut arguments = std::env::args_os();
    let mut again = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    let error = again.args(arguments).env_remove(FOREIGN).exec();
    Err(error).with_context(|| format!("{FOREIGN} is meant for another database; unset it"))
}

impl Database {
    /// Opens the configured database, or starts (or joins) the embedded one. Applies no migrations.
    pub(crate) async fn open(config: &Config) -> Result<Self> {
        let mut options = match &config.store.url {
            Some(url) => store::Options::new(url.reveal()),
            None => store::Options::new(""),
        };
        options.max_connections = config.store.max_connections;
        options.replica_url = config
            .store
            .replica_url
            .as_ref()
            .map(|url| url.reveal().to_owned());
        if config.store.url.is_some() {
            let store =
                Store::connect(&options).context("DATABASE_URL is not a PostgreSQL address")?;
            return Ok(Self {
                store,
                cluster: None,
            });
        }
        let mut wanted = ClusterOptions::new(&config.data_dir);
        wanted.binaries.clone_from(&config.store.binaries);
        let progress = |step: &str| tracing::info!("{step}");
        let opening = tokio::task::spawn_blocking(move || Cluster::open(&wanted, &progress));
        let cluster = opening
            .await
            .context("starting PostgreSQL was interrupted")??;
        options.url = cluster.url(NAME);
        let admin = Store::connect(&store::Options::new(cluster.url("postgres")))?;
        admin
            .ensure_database(NAME)
            .await
            .context("the embedded database could not be made")?;
        admin.close().await;
        let store = Store::connect(&options)?;
        Ok(Self {
            store,
            cluster: Some(Arc::new(cluster)),
        })
    }

    /// Opens the database and brings it to this program's schema.
    pub(crate) async fn open_migrated(config: &Config) -> Result<Self> {
        let database = Self::open(config).await?;
        let state = database
            .store
            .migration_state()
            .await
            .context("the database cannot be reached")?;
        if !state.unknown.is_empty() {
            bail!(
                "the database has migrations that this program does not know ({:?}): it was used by a newer EventOS; \
                 run that version, or restore a backup made before the upgrade",
                state.unknown
            );
        }
        if !state.altered.is_empty() {
            bail!(
                "migrations {:?} differ from those that were applied; this program was built from altered files",
                state.altered
            );
        }
        if !state.pending.is_empty() {
            tracing::info!(
                migrations = state.pending.len(),
                "Bringing the database up to date"
            );
            database
                .store
                .migrate()
                .await
                .context("a migration failed")?;
        }
        Ok(database)
    }

    /// Restarts the embedded server when it dies, until told to stop. A database of your own is its keeper's business.
    pub(crate) fn keep_running(
        &self,
        stop: &CancellationToken,
    ) -> Option<tokio::task::JoinHandle<()>> {
        let cluster = self.cluster.clone()?;
        let stop = stop.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "the program's own watch, ended by `stop`"
        )]
        let watch = tokio::spawn(async move {
            let mut every = tokio::time::interval(Duration::from_secs(1));
            every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while stop.run_until_cancelled(every.tick()).await.is_some() {
                let cluster = Arc::clone(&cluster);
                let checking = tokio::task::spawn_blocking(move || cluster.ensure_running());
                match checking.await {
                    Ok(Ok(Revival::WasRunning)) | Err(_) => {}
                    Ok(Ok(Revival::Restarted)) => {
                        tracing::warn!("PostgreSQL had stopped; it was started again");
                    }
                    Ok(Err(error)) => {
                        tracing::error!(%error, "PostgreSQL is not running and could not be started");
                    }
                }
            }
        });
        Some(watch)
    }

    /// Wakes workers in other processes when something happens in this one, for as long as it is polled. A worker does
    /// it by itself.
    pub(crate) async fn keep_ringing(&self) -> Infallible {
        self.store.relay_rings().await;
        std::future::pending().await
    }

    /// Forgets what is kept for a while only, now and once a day, until told to stop.
    pub(crate) fn keep_tidy(&self, stop: &CancellationToken) -> tokio::task::JoinHandle<()> {
        let (store, stop) = (self.store.clone(), stop.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "the program's own round, ended by `stop`"
        )]
        tokio::spawn(async move {
            let mut daily = tokio::time::interval(Duration::from_hours(24));
            daily.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while stop.run_until_cancelled(daily.tick()).await.is_some() {
                match store.forget_old_answers().await {
                    Ok(count) => tracing::debug!(count, "Forgot old answers"),
                    Err(error) => tracing::warn!(%error, "Old answers could not be forgotten"),
                }
                match store.runs().forget_old().await {
                    Ok(count) => tracing::debug!(?count, "Forgot old runs"),
                    Err(error) => tracing::warn!(%error, "Old runs could not be forgotten"),
                }
            }
        })
    }

    /// Closes all connections, and stops the embedded server if nobody else uses it.
    pub(crate) async fn close(self) -> Result<()> {
        let closing = self.store.close();
        if tokio::time::timeout(PATIENCE, closing).await.is_err() {
            tracing::warn!("Some transactions did not end in time; they are rolled back");
        }
        let Some(cluster) = self.cluster else {
            return Ok(());
        };
        match Arc::try_unwrap(cluster) {
            Ok(cluster) => Ok(tokio::task::spawn_blocking(move || cluster.close()).await??),
            // The watch still holds it for a moment; dropping the last share stops the server as well.
            Err(shared) => Ok(tokio::task::spawn_blocking(move || drop(shared)).await?),
        }
    }
}
