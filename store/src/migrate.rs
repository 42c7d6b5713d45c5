//! Migrations: forward only, compiled into the program, applied under PostgreSQL's own lock.

use sqlx::{
    AssertSqlSafe,
    migrate::{Migrate as _, Migrator},
};

use crate::{Store, StoreError, error::sql_state};

static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// How a database stands against the migrations of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Descriptions of those still to apply, in order.
    pub pending: Vec<String>,
    /// Versions that were changed after they had been applied.
    pub altered: Vec<i64>,
    /// Versions the database has and this program does not: it is older than the database.
    pub unknown: Vec<i64>,
}

impl MigrationState {
    /// Whether the database is exactly what this program expects.
    pub fn is_current(&self) -> bool {
        self.pending.is_empty() && self.altered.is_empty() && self.unknown.is_empty()
    }
}

/// The migrations of this program, as (version, description, sql).
pub fn migrations() -> impl Iterator<Item = (i64, &'static str, &'static str)> {
    MIGRATOR
        .iter()
        .map(|m| (m.version, &*m.description, m.sql.as_str()))
}

impl Store {
    /// Makes a database on this server unless it is there. The name is the program's own, never a caller's.
    pub async fn ensure_database(&self, name: &'static str) -> Result<(), StoreError> {
        let exists: bool =
            sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
                .bind(name)
                .fetch_one(self.primary())
                .await?;
        if exists {
            return Ok(());
        }
        let made = sqlx::query(AssertSqlSafe(format!("create database {name}")))
            .execute(self.primary())
            .await;
        // 42P04: another program made it a moment earlier; 23505: it is making it right now.
        match made {
            Err(error) if !matches!(sql_state(&error).as_deref(), Some("42P04" | "23505")) => {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }

    /// Applies what is pending; returns how many migrations that were. Needs the owner's URL.
    pub async fn migrate(&self) -> Result<usize, StoreError> {
        let before = self.migration_state().await?.pending.len();
        MIGRATOR
            .run(self.primary())
            .await
            .map_err(|error| StoreError::Internal(error.into()))?;
        if before > 0 {
            self.maintain("analyze").await?;
        }
        Ok(before)
    }

    /// Does at once, after many rows were loaded, what `PostgreSQL` would do by itself within minutes: gathers
    /// statistics and notes which pages every reader may see. Needs the owner's URL.
    pub async fn settle(&self) -> Result<(), StoreError> {
        self.maintain("vacuum (analyze)").await
    }

    /// Runs a command on each table that holds something. An empty one is better left unknown: the planner then
    /// expects it to fill, and does not plan for nothing.
    async fn maintain(&self, command: &str) -> Result<(), StoreError> {
        let tables: Vec<String> = sqlx::query_scalar(
            "select oid::regclass::text from pg_class
             where relnamespace = 'public'::regnamespace and relkind = 'r' and pg_relation_size(oid) > 0
             order by relname",
        )
        .fetch_all(self.primary())
        .await?;
        for table in tables {
            sqlx::query(AssertSqlSafe(format!("{command} {table}")))
                .execute(self.primary())
                .await?;
        }
        Ok(())
    }

    /// Compares the database with this program's migrations; changes nothing.
    pub async fn migration_state(&self) -> Result<MigrationState, StoreError> {
        let mut conn = self.primary().acquire().await?;
        let table: &str = &MIGRATOR.table_name;
        let exists: bool = sqlx::query_scalar("select to_regclass($1) is not null")
            .bind(table)
            .fetch_one(&mut *conn)
            .await?;
        let applied = if exists {
            let applied = conn.list_applied_migrations(table).await;
            applied.map_err(|error| StoreError::Internal(error.into()))?
        } else {
            Vec::new()
        };
        let find = |version| applied.iter().find(|a| a.version == version);
        let pending = MIGRATOR.iter().filter(|m| find(m.version).is_none());
        let altered = MIGRATOR
            .iter()
            .filter(|m| find(m.version).is_some_and(|a| a.checksum != m.checksum));
        let unknown = applied
            .iter()
            .filter(|a| !MIGRATOR.version_exists(a.version));
        Ok(MigrationState {
            pending: pending
                .map(|m| format!("{} {}", m.version, m.description))
                .collect(),
            altered: altered.map(|m| m.version).collect(),
            unknown: unknown.map(|a| a.version).collect(),
        })
    }
}
