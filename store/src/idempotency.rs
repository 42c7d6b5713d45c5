//! Idempotency: an answer is remembered in the transaction that made it true.

use domain::{Cx, Permission, context::Idempotency};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{PgConnection, Row, types::Json};

use crate::{ReadTx, Store, StoreError};

/// What a key is already bound to.
#[derive(Debug)]
pub enum Remembered<T> {
    /// Nothing: the request is new.
    Nothing,
    /// The same request was answered before, with this.
    Answer(T),
    /// The key was used for another operation or another input.
    OtherRequest,
    /// The same request was answered before, with personal data that the caller may not see any more.
    Hidden,
}

impl ReadTx<'_> {
    /// Looks the request's key up. `T` is the operation's output.
    pub async fn remembered<T: DeserializeOwned>(
        &mut self,
        idempotency: &Idempotency,
    ) -> Result<Remembered<T>, StoreError> {
        let cx = self.cx();
        let row = sqlx::query(
            "select operation, input_digest, answer, personal from idempotency_key \
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
        if row.try_get("personal")? && !cx.may(Permission::AttendeesPersonal) {
            return Ok(Remembered::Hidden);
        }
        let Json(answer) = row.try_get("answer")?;
        Ok(Remembered::Answer(answer))
    }
}

impl Store {
    /// Forgets answers that are older than a week, of all organizations; returns how many. To be called once a day:
    /// answers name people, and nobody repeats a request after so long.
    pub async fn forget_old_answers(&self) -> Result<u64, StoreError> {
        let mut tx = self.system("forget old answers").await?;
        // The role's policy shows it no younger ones.
        let old = "delete from idempotency_key where created_at < now() - interval '7 days'";
        let forgotten = sqlx::query(old).execute(tx.conn()).await?.rows_affected();
        tx.commit().await?;
        Ok(forgotten)
    }
}

/// Remembers answers to requests of one organization. [`StoreError::AlreadyDone`] when one of the keys is bound.
pub(crate) async fn remember<T: Serialize>(
    conn: &mut PgConnection,
    answers: &[(&Cx, &Idempotency, &T)],
) -> Result<(), StoreError> {
    let Some((first, ..)) = answers.first() else {
        return Ok(());
    };
    let all = || answers.iter();
    // Waits for a concurrent transaction with the same key; if that one commits, this one did nothing new. In the order
    // of the keys, so that two which share several do not wait for each other.
    let inserted = sqlx::query(
        "insert into idempotency_key (organization_id, actor, key, operation, input_digest, answer, created_at, personal) \
         select $1, actor, key, operation, input_digest, answer, created_at, personal \
         from unnest($2::text[], $3::text[], $4::text[], $5::bytea[], $6::jsonb[], $7::timestamptz[], $8::boolean[]) \
           as new (actor, key, operation, input_digest, answer, created_at, personal) \
         order by actor, key on conflict do nothing",
    )
    .bind(first.organization_id)
    .bind(all().map(|(cx, ..)| cx.actor.key()).collect::<Vec<_>>())
    .bind(all().map(|(_, key, _)| key.key.as_str()).collect::<Vec<_>>())
    .bind(all().map(|(cx, ..)| cx.operation).collect::<Vec<_>>())
    .bind(all().map(|(_, key, _)| key.input.as_slice()).collect::<Vec<_>>())
    .bind(all().map(|(.., answer)| Json(answer)).collect::<Vec<_>>())
    .bind(all().map(|(cx, ..)| cx.now).collect::<Vec<_>>())
    .bind(all().map(|(cx, ..)| cx.may(Permission::AttendeesPersonal)).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    if inserted.rows_affected() < answers.len() as u64 {
        Err(StoreError::AlreadyDone)
    } else {
        Ok(())
    }
}
