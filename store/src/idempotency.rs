//! Idempotency: an answer is remembered in the transaction that made it true.

use domain::{Cx, context::Idempotency};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{PgConnection, Row, types::Json};

use crate::{ReadTx, StoreError};

/// What a key is already bound to.
#[derive(Debug)]
pub enum Remembered<T> {
    /// Nothing: the request is new.
    Nothing,
    /// The same request was answered before, with this.
    Answer(T),
    /// The key was used for another operation or another input.
    OtherRequest,
}

impl ReadTx<'_> {
    /// Looks the request's key up. `T` is the operation's output.
    pub async fn remembered<T: DeserializeOwned>(
        &mut self,
        idempotency: &Idempotency,
    ) -> Result<Remembered<T>, StoreError> {
        let cx = self.cx();
        let row = sqlx::query(
            "select operation, input_digest, answer from idempotency_key \
             where organization_id = $1 and actor = $2 and key = $3",
        )
        .bind(cx.organization_id)
        .bind(cx.actor.key())
        .bind(&idempotency.key)
        .fetch_optional(self.conn())
        .await?;
        let Some(row) = row else {
            return Ok(Remembered::Nothing);
        };
        let operation: String = row.try_get("operation")?;
        let digest: Vec<u8> = row.try_get("input_digest")?;
        if operation != cx.operation || digest != idempotency.input {
            return Ok(Remembered::OtherRequest);
        }
        let Json(answer) = row.try_get("answer")?;
        Ok(Remembered::Answer(answer))
    }
}

pub(crate) async fn remember<T: Serialize>(
    conn: &mut PgConnection,
    cx: &Cx,
    idempotency: &Idempotency,
    answer: &T,
) -> Result<(), StoreError> {
    // Waits for a concurrent transaction with the same key; if that one commits, this one did nothing new.
    let inserted = sqlx::query(
        "insert into idempotency_key (organization_id, actor, key, operation, input_digest, answer, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
    )
    .bind(cx.organization_id)
    .bind(cx.actor.key())
    .bind(&idempotency.key)
    .bind(cx.operation)
    .bind(idempotency.input.as_slice())
    .bind(Json(answer))
    .bind(cx.now)
    .execute(conn)
    .await?;
    if inserted.rows_affected() == 0 {
        Err(StoreError::AlreadyDone)
    } else {
        Ok(())
    }
}
