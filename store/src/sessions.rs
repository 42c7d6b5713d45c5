//! Clients' sessions: what a long-lived connection agreed on, kept so that it survives a restart.
//!
//! Only a hash of the session id is stored. Sessions hold no rights: every request brings its own token.

use domain::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::types::Json;

use crate::{Store, StoreError};

/// Seconds after its last use for which a session is kept.
const LIFETIME: i64 = 7 * 24 * 3600;

/// The kept sessions.
#[derive(Clone)]
pub struct Sessions {
    store: Store,
}

impl Sessions {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// What was kept under a session id, if it has not expired. Marks it as used.
    pub async fn load(&self, id: &str) -> Result<Option<serde_json::Value>, StoreError> {
        let mut tx = self.store.system("load session").await?;
        let now = Timestamp::now();
        let data = sqlx::query_scalar(
            "update client_session set used_at = $2, expires_at = $3 where id_hash = $1 and expires_at > $2 returning data",
        )
        .bind(hash(id))
        .bind(now)
        .bind(now.plus_seconds(LIFETIME))
        .fetch_optional(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(data.map(|Json(data)| data))
    }

    /// Keeps data under a session id, and forgets sessions that have expired.
    pub async fn save(&self, id: &str, data: &serde_json::Value) -> Result<(), StoreError> {
        let mut tx = self.store.system("save session").await?;
        let now = Timestamp::now();
        sqlx::query("delete from client_session where expires_at <= $1")
            .bind(now)
            .execute(tx.conn())
            .await?;
        sqlx::query(
            "insert into client_session (id_hash, data, created_at, used_at, expires_at) values ($1, $2, $3, $3, $4) \
             on conflict (id_hash) do update set data = excluded.data, used_at = excluded.used_at, expires_at = excluded.expires_at",
        )
        .bind(hash(id))
        .bind(Json(data))
        .bind(now)
        .bind(now.plus_seconds(LIFETIME))
        .execute(tx.conn())
        .await?;
        tx.commit().await
    }

    /// Forgets a session.
    pub async fn delete(&self, id: &str) -> Result<(), StoreError> {
        let mut tx = self.store.system("delete session").await?;
        sqlx::query("delete from client_session where id_hash = $1")
            .bind(hash(id))
            .execute(tx.conn())
            .await?;
        tx.commit().await
    }
}

fn hash(id: &str) -> Vec<u8> {
    Sha256::digest(id).to_vec()
}
