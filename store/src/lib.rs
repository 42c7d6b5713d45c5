//! The one door to PostgreSQL: transactions that know who acts and what changed, migrations, the embedded server.
//!
//! Business tables are not named here; their queries live in the subjects of `operations`.
#![warn(missing_docs)]

mod batch;
mod bell;
pub mod embedded;
mod error;
mod feed;
mod idempotency;
mod joint;
mod migrate;
#[cfg(feature = "testing")]
pub mod rig;
#[cfg(not(feature = "testing"))]
mod rig;
pub mod runs;
mod sessions;
mod tx;

pub use batch::{BatchTx, Part, may_share};
pub use bell::{Bell, Ear};
pub use error::{ResultExt, StoreError};
pub use feed::Seen;
pub use idempotency::Remembered;
pub use joint::Joint;
pub use migrate::{MigrationState, migrations};
pub use sessions::Sessions;
pub use tx::{ReadTx, SystemTx, WriteTx};

use std::{str::FromStr, sync::Arc, time::Duration};

use domain::{Cx, Timestamp, context::Mode};
use joint::Held;
use sqlx::{
    AssertSqlSafe, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// How to reach PostgreSQL.
#[derive(Debug, Clone)]
pub struct Options {
    /// The primary, as a `postgres://` URL.
    pub url: String,
    /// A streaming replica for reads that tolerate staleness.
    pub replica_url: Option<String>,
    /// Connections kept at most, per pool.
    pub max_connections: u32,
    /// How long a request waits for a free connection.
    pub acquire_timeout: Duration,
    /// How long one statement may run.
    pub statement_timeout: Duration,
}

impl Options {
    /// Sensible limits for one process against one primary.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            replica_url: None,
            max_connections: 16,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
        }
    }
}

/// The store: opens transactions, and nothing else. The pools never leave it.
#[derive(Clone)]
pub struct Store {
    primary: PgPool,
    replica: Option<PgPool>,
    shared: Arc<Shared>,
    /// The transaction that operations on this store share, if they do.
    joint: Option<Arc<joint::Slot>>,
}

/// What transactions of one store share.
#[derive(Default)]
struct Shared {
    bell: Bell,
    rig: rig::Rig,
}

impl Store {
    /// Prepares the pools; the first transaction connects.
    pub fn connect(options: &Options) -> Result<Self, StoreError> {
        let pool = |url: &str| -> Result<PgPool, StoreError> {
            let connect = PgConnectOptions::from_str(url)
                .map_err(StoreError::from)?
                .application_name("eventos")
                .options([
                    (
                        "statement_timeout",
                        format!("{}ms", options.statement_timeout.as_millis()),
                    ),
                    ("idle_in_transaction_session_timeout", "60s".to_owned()),
                ]);
            Ok(PgPoolOptions::new()
                .max_connections(options.max_connections)
                .acquire_timeout(options.acquire_timeout)
                // A ping before each use would cost a round trip; `begin` notices a dead connection and tries again.
                .test_before_acquire(false)
                .connect_lazy_with(connect))
        };
        let replica = options.replica_url.as_deref().map(pool).transpose()?;
        Ok(Self {
            primary: pool(&options.url)?,
            replica,
            shared: Arc::default(),
            joint: None,
        })
    }

    /// The same store with places to stop at and guards taken away.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_rig(self, rig: rig::Rig) -> Self {
        let bell = self.shared.bell.clone();
        Self {
            shared: Arc::new(Shared { bell, rig }),
            ..self
        }
    }

    /// What a test has set up.
    #[cfg(feature = "testing")]
    pub fn rig(&self) -> &rig::Rig {
        &self.shared.rig
    }

    /// Opens a read-only transaction as the context's organization.
    pub async fn read<'a>(&self, cx: &'a Cx) -> Result<ReadTx<'a>, StoreError> {
        self.reading(&self.primary, cx).await
    }

    /// Like [`Self::read`], but from the replica where there is one: the answer may be seconds old.
    /// Never for availability.
    pub async fn read_stale<'a>(&self, cx: &'a Cx) -> Result<ReadTx<'a>, StoreError> {
        let pool = self.replica.as_ref().unwrap_or(&self.primary);
        self.reading(pool, cx).await
    }

    async fn reading<'a>(&self, pool: &PgPool, cx: &'a Cx) -> Result<ReadTx<'a>, StoreError> {
        let held = match &self.joint {
            Some(slot) => Held::lent(slot, true)?,
            None => Held::own(begin(pool, &opening(cx, "begin read only")).await?),
        };
        Ok(ReadTx::new(held, cx))
    }

    /// Opens a write transaction as the context's organization; refused in a read-only context.
    pub async fn write<'a>(&self, cx: &'a Cx) -> Result<WriteTx<'a>, StoreError> {
        if cx.mode == Mode::ReadOnly {
            return Err(StoreError::ReadOnly);
        }
        let held = match &self.joint {
            Some(slot) => Held::lent(slot, false)?,
            None => Held::own(self.open(cx).await?),
        };
        Ok(WriteTx::new(held, cx, Arc::clone(&self.shared)))
    }

    async fn open(&self, cx: &Cx) -> Result<Transaction<'static, Postgres>, StoreError> {
        begin(&self.primary, &opening(cx, "begin")).await
    }

    /// Opens a write transaction of several requests of one organization, each of which may share one
    /// ([`may_share`]). `cx` is any of theirs.
    pub async fn write_together(&self, cx: &Cx) -> Result<BatchTx, StoreError> {
        if self.joint.is_some() {
            return Err(StoreError::JointBusy);
        }
        let tx = self.open(cx).await?;
        Ok(BatchTx::new(tx, Arc::clone(&self.shared)))
    }

    /// Opens a transaction across organizations, under a role with its own narrow policies: for
    /// authentication, sessions, the change feed and background work. `reason` goes to the log.
    pub async fn system(&self, reason: &'static str) -> Result<SystemTx, StoreError> {
        tracing::trace!(reason, "Opening a transaction across organizations");
        let statement = "begin; select set_config('role', 'eventos_system', true)";
        Ok(SystemTx::new(begin(&self.primary, statement).await?))
    }

    /// Runs of workflows, as the workers see them.
    pub fn runs(&self) -> runs::Runs {
        runs::Runs::new(self.clone())
    }

    /// Where clients' sessions are kept.
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.clone())
    }

    /// Whether PostgreSQL answers: its version, as `15.18`.
    pub async fn ping(&self) -> Result<String, StoreError> {
        let version = sqlx::query_scalar("select current_setting('server_version')");
        Ok(version.fetch_one(&self.primary).await?)
    }

    /// By how many seconds the database's clock is ahead of a time.
    pub async fn clock_skew(&self, now: Timestamp) -> Result<f64, StoreError> {
        let skew = sqlx::query_scalar("select extract(epoch from clock_timestamp() - $1)::float8")
            .bind(now);
        Ok(skew.fetch_one(&self.primary).await?)
    }

    /// Finishes what is running and closes all connections.
    pub async fn close(&self) {
        self.primary.close().await;
        if let Some(replica) = &self.replica {
            replica.close().await;
        }
    }

    pub(crate) fn primary(&self) -> &PgPool {
        &self.primary
    }
}

/// Begin and identity in one round trip. Only ids reach the text, and their `Display` is hex.
fn opening(cx: &Cx, begin: &str) -> String {
    let organization = uuid::Uuid::from(cx.organization_id);
    format!(
        "{begin}; select set_config('role', 'eventos_app', true), \
         set_config('eventos.organization', '{organization}', true)"
    )
}

/// Begins, trying again on connections that died while they were idle (a restarted server leaves a poolful).
async fn begin(
    pool: &PgPool,
    statement: &str,
) -> Result<Transaction<'static, Postgres>, StoreError> {
    let mut attempts_left = pool.options().get_max_connections() + 2;
    loop {
        attempts_left -= 1;
        match pool.begin_with(AssertSqlSafe(statement.to_owned())).await {
            Ok(tx) => return Ok(tx),
            Err(error) if attempts_left > 0 && error::connection_died(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
