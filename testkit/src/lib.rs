//! A database of its own for every test, cloned from a migrated template. For tests only.
#![warn(missing_docs)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests read their own environment and name their own databases"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should stop at once"
)]

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::OnceLock,
};

use sha2::{Digest, Sha256};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection,
    postgres::PgConnectOptions,
};
use store::{
    Options, Store,
    embedded::{Cluster, Durability, Options as ClusterOptions},
};

/// A server to test against instead of the one kept in memory or under `target/`: a URL of a superuser.
const SERVER: &str = "EVENTOS_TEST_DATABASE_URL";

/// A database that is dropped with the value.
pub struct TestDatabase {
    name: String,
    url: String,
    /// The owner's own connection, kept for the next question.
    asking: tokio::sync::Mutex<Option<PgConnection>>,
}

impl TestDatabase {
    /// Clones the template, making it first if the migrations are new.
    pub async fn create() -> Self {
        let template = template().await;
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        let mut admin = connect("postgres").await;
        admin
            .execute(AssertSqlSafe(format!(
                "create database {name} template {template} strategy file_copy"
            )))
            .await
            .unwrap();
        Self {
            url: url(&name),
            name,
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// Its URL, as the owner of the tables.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a query of the owner finds, as a JSON array of objects.
    pub async fn ask(&self, query: &str) -> serde_json::Value {
        let query =
            format!("select coalesce(jsonb_agg(to_jsonb(found)), '[]') from ({query}) as found");
        let mut asking = self.asking.lock().await;
        let found = sqlx::query_scalar(AssertSqlSafe(query));
        found.fetch_one(self.kept(&mut asking).await).await.unwrap()
    }

    /// The one number that a query of the owner finds.
    pub async fn count(&self, query: &str) -> i64 {
        let mut asking = self.asking.lock().await;
        let found = sqlx::query_scalar(AssertSqlSafe(query.to_owned()));
        found.fetch_one(self.kept(&mut asking).await).await.unwrap()
    }

    /// Runs statements as the owner.
    pub async fn tell(&self, statements: &str) {
        let mut asking = self.asking.lock().await;
        let statements = AssertSqlSafe(statements.to_owned());
        self.kept(&mut asking)
            .await
            .execute(statements)
            .await
            .unwrap();
    }

    async fn kept<'a>(&self, asking: &'a mut Option<PgConnection>) -> &'a mut PgConnection {
        if asking.is_none() {
            *asking = Some(self.owner().await);
        }
        asking.as_mut().unwrap()
    }

    /// A connection as the owner of the tables, who is held back by nothing: for looking behind the curtain.
    pub async fn owner(&self) -> PgConnection {
        connect(&self.name).await
    }

    /// Returns once so many statements on this database wait for a lock: what is started then overlaps for sure.
    pub async fn until_waiting(&self, count: i64) {
        let mut owner = self.owner().await;
        loop {
            let waiting: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity
                 where datname = current_database() and wait_event_type = 'Lock'",
            )
            .fetch_one(&mut owner)
            .await
            .expect("the test server answers");
            if waiting >= count {
                return;
            }
            let pause = owner.execute("select pg_sleep(0.01)").await;
            pause.expect("the test server answers");
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let name = self.name.clone();
        // Drop runs inside the test's runtime, which cannot be blocked on.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let drop = AssertSqlSafe(format!("drop database if exists {name} with (force)"));
                connect("postgres").await.execute(drop).await.unwrap();
            });
        });
        // One that is left behind is only in the way of space: every test's has a name of its own.
        drop(dropping.join());
    }
}

/// The server's URL with another database in it.
fn url(database: &str) -> String {
    let (base, query) = server_url().split_once('?').unwrap_or((server_url(), ""));
    let (server, _) = base.rsplit_once('/').unwrap();
    format!("{server}/{database}?{query}")
}

async fn connect(database: &str) -> PgConnection {
    PgConnectOptions::from_str(&url(database))
        .unwrap()
        .disable_statement_logging()
        .connect()
        .await
        .unwrap()
}

/// The server's URL: the one given, or that of the kept cluster, which the last test to end stops.
fn server_url() -> &'static str {
    static SERVER_IN_USE: OnceLock<(String, Option<Cluster>)> = OnceLock::new();
    let (url, _) = SERVER_IN_USE.get_or_init(|| {
        if let Ok(url) = std::env::var(SERVER) {
            return (url, None);
        }
        let cluster = kept_cluster();
        (cluster.url("postgres"), Some(cluster))
    });
    url
}

/// The cluster kept between test runs. Holding the value keeps it running: whoever runs many tests holds it around them,
/// so that it is not stopped and started between two.
pub fn kept_cluster() -> Cluster {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let target = target.unwrap_or_else(|| checkout.join("target"));
    let mut options =
        ClusterOptions::new(in_memory(&target).unwrap_or_else(|| target.join("test-postgres")));
    options.durability = Durability::Throwaway;
    options.max_connections = 300;
    Cluster::open(&options, &|step| eprintln!("{step}")).unwrap_or_else(|error| panic!("{error}"))
}

/// A folder in memory, of its own for each user and build folder; none where there is too little. Every test makes and
/// drops a database: on a disk that takes three times as long as the tests themselves.
fn in_memory(target: &Path) -> Option<PathBuf> {
    const MEMORY: &str = "/dev/shm";
    const ENOUGH: u64 = 3 << 30;
    let room = rustix::fs::statvfs(MEMORY).ok()?;
    if room.f_bavail.saturating_mul(room.f_frsize) < ENOUGH {
        return None;
    }
    let digest = Sha256::digest(target.as_os_str().as_encoded_bytes());
    let user = rustix::process::geteuid().as_raw();
    let name = format!("eventos-test-{user}-{}", hex::encode(&digest[..6]));
    Some(Path::new(MEMORY).join(name))
}

/// The name of the migrated template, made under a lock when it is missing.
async fn template() -> String {
    let mut hash = Sha256::new();
    for (version, _, sql) in store::migrations() {
        hash.update(version.to_be_bytes());
        hash.update(sql);
    }
    let name = format!("template_{}", hex::encode(&hash.finalize()[..8]));
    let mut admin = connect("postgres").await;
    let exists = async |admin: &mut PgConnection| -> bool {
        let query =
            sqlx::query_scalar("select exists (select from pg_database where datname = $1)");
        query.bind(&name).fetch_one(admin).await.unwrap()
    };
    if exists(&mut admin).await {
        return name;
    }
    admin
        .execute("select pg_advisory_lock(7236451)")
        .await
        .unwrap();
    if !exists(&mut admin).await {
        let making = format!("{name}_making");
        admin
            .execute(AssertSqlSafe(format!(
                "drop database if exists {making} with (force)"
            )))
            .await
            .unwrap();
        admin
            .execute(AssertSqlSafe(format!("create database {making}")))
            .await
            .unwrap();
        let store = Store::connect(&Options::new(url(&making))).unwrap();
        store.migrate().await.unwrap();
        store.close().await;
        admin
            .execute(AssertSqlSafe(format!(
                "alter database {making} rename to {name}"
            )))
            .await
            .unwrap();
    }
    admin.close().await.unwrap();
    name
}
