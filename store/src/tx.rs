//! Transactions: opened with a context, committed with a change.

use std::sync::Arc;

use domain::{Change, ChangeId, Cx, OrganizationId, Recorded, context::Mode};
use serde::Serialize;
use sqlx::{PgConnection, Postgres, Transaction, types::Json};

use crate::{Shared, StoreError, idempotency, joint::Held, runs};

/// A read-only transaction of one organization. Dropping it ends it.
pub struct ReadTx<'a> {
    tx: Held,
    cx: &'a Cx,
}

impl<'a> ReadTx<'a> {
    pub(crate) fn new(tx: Held, cx: &'a Cx) -> Self {
        Self { tx, cx }
    }

    /// The context it was opened with.
    pub fn cx(&self) -> &'a Cx {
        self.cx
    }

    /// The connection, for queries.
    pub fn conn(&mut self) -> &mut PgConnection {
        self.tx.conn()
    }
}

/// A write transaction of one organization. It ends in [`Self::commit`]; dropping it keeps nothing.
pub struct WriteTx<'a> {
    tx: Held,
    cx: &'a Cx,
    changes: Vec<Recorded>,
    shared: Arc<Shared>,
}

impl<'a> WriteTx<'a> {
    pub(crate) fn new(tx: Held, cx: &'a Cx, shared: Arc<Shared>) -> Self {
        Self {
            tx,
            cx,
            changes: Vec::new(),
            shared,
        }
    }

    /// The context it was opened with.
    pub fn cx(&self) -> &'a Cx {
        self.cx
    }

    /// The connection, for queries.
    pub fn conn(&mut self) -> &mut PgConnection {
        self.tx.conn()
    }

    /// Whether a test has taken a guard away; never in earnest.
    pub fn lacks(&self, guard: &str) -> bool {
        self.shared.rig.lacks(guard)
    }

    /// Records a further change beside the one given to [`Self::commit`].
    pub fn also<C: Change>(&mut self, change: &C) {
        self.changes.push(Recorded::of(change));
    }

    /// Records what changed and who did it, remembers the answer under the request's idempotency key, and
    /// commits all of it at once. Hands the answer back.
    ///
    /// In a dry run everything is written, checked and noted in the context, then rolled back. A cancelled
    /// request, or one that would record something else than was confirmed, is rolled back too.
    /// A request that is a step of a run is written down as done, unless the run is another worker's by now.
    pub async fn commit<C: Change, T: Serialize>(
        mut self,
        change: C,
        answer: T,
    ) -> Result<T, StoreError> {
        self.changes.insert(0, Recorded::of(&change));
        self.finish(answer).await
    }

    /// Like [`Self::commit`], with changes that were put together before; there must be one.
    pub async fn commit_all<T: Serialize>(
        mut self,
        changes: Vec<Recorded>,
        answer: T,
    ) -> Result<T, StoreError> {
        debug_assert!(!changes.is_empty(), "a write says what happened");
        self.changes.splice(0..0, changes);
        self.finish(answer).await
    }

    /// Ends a transaction that found nothing to change (a repeat of what is already so).
    /// Changes noted with [`Self::also`] are kept.
    pub async fn unchanged<T: Serialize>(self, answer: T) -> Result<T, StoreError> {
        self.finish(answer).await
    }

    async fn finish<T: Serialize>(mut self, answer: T) -> Result<T, StoreError> {
        if self
            .cx
            .confirmed
            .is_some_and(|digest| digest != self.digest())
        {
            return Err(StoreError::PreviewChanged);
        }
        let changes: Vec<_> = self
            .changes
            .iter()
            .map(|change| (self.cx, change))
            .collect();
        insert_changes(self.tx.conn(), &changes).await?;
        if let Some(idempotency) = &self.cx.idempotency {
            idempotency::remember(self.tx.conn(), &[(self.cx, idempotency, &answer)]).await?;
        }
        let checkpoint = (self.cx.checkpoint.as_ref()).filter(|_| self.cx.mode == Mode::Live);
        if let Some(checkpoint) = checkpoint {
            let rig = &self.shared.rig;
            runs::write_checkpoint(self.tx.conn(), self.cx, checkpoint, &answer, rig).await?;
        }
        if self.cx.is_cancelled() {
            return Err(StoreError::Cancelled);
        }
        if self.cx.mode == Mode::DryRun {
            self.tx.rollback().await?;
        } else if self.tx.is_lent() {
            self.tx.commit().await?;
        } else {
            self.shared.rig.cross("commit.before").await;
            self.tx.commit().await.map_err(StoreError::of_commit)?;
            self.shared.rig.cross("commit.after").await;
            if !self.changes.is_empty() {
                self.shared.bell.ring();
            }
        }
        if let Some(checkpoint) = checkpoint {
            checkpoint.note_written();
        }
        self.cx.note_recorded(&self.changes);
        Ok(answer)
    }

    /// What a person would be shown of it: of a part of something larger, with what came before.
    fn digest(&self) -> [u8; 32] {
        if !self.tx.is_lent() {
            return self.cx.digest(&self.changes);
        }
        let mut all = self.cx.recorded();
        all.extend_from_slice(&self.changes);
        self.cx.digest(&all)
    }
}

/// A transaction across organizations, under the system role's own policies.
pub struct SystemTx {
    tx: Transaction<'static, Postgres>,
}

impl SystemTx {
    pub(crate) fn new(tx: Transaction<'static, Postgres>) -> Self {
        Self { tx }
    }

    /// The connection, for queries.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Goes on as one organization, under the application's role and its row-level security.
    pub(crate) async fn enter(&mut self, organization: OrganizationId) -> Result<(), StoreError> {
        sqlx::query(
            "select set_config('role', 'eventos_app', true), set_config('eventos.organization', $1::text, true)",
        )
        .bind(uuid::Uuid::from(organization))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Goes back to all organizations.
    pub(crate) async fn leave(&mut self) -> Result<(), StoreError> {
        sqlx::query(
            "select set_config('role', 'eventos_system', true), set_config('eventos.organization', '', true)",
        )
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Keeps what was written. There is no change to record: the system role writes no business tables.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.tx.commit().await?)
    }
}

/// Records changes of one organization, in this order.
pub(crate) async fn insert_changes(
    conn: &mut PgConnection,
    changes: &[(&Cx, &Recorded)],
) -> Result<(), StoreError> {
    let Some((first, _)) = changes.first() else {
        return Ok(());
    };
    let all = || changes.iter();
    let actor = |cx: &Cx| Json(serde_json::to_value(&cx.actor).expect("an actor is plain data"));
    sqlx::query(
        "insert into change (organization_id, id, at, kind, subject_kind, subject_id, summary, payload, \
           actor, client, operation, request_id) \
         select $1, id, at, kind, subject_kind, subject_id, summary, payload, actor, client, operation, request_id \
         from unnest($2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::jsonb[], \
                     $9::jsonb[], $10::text[], $11::text[], $12::uuid[]) with ordinality \
           as new (id, at, kind, subject_kind, subject_id, summary, payload, actor, client, operation, request_id, place) \
         order by place",
    )
    .bind(first.organization_id)
    .bind(all().map(|(cx, _)| cx.new_id::<ChangeId>()).collect::<Vec<_>>())
    .bind(all().map(|(cx, _)| cx.now).collect::<Vec<_>>())
    .bind(all().map(|(_, change)| change.kind).collect::<Vec<_>>())
    .bind(all().map(|(_, change)| change.subject.kind).collect::<Vec<_>>())
    .bind(all().map(|(_, change)| change.subject.id).collect::<Vec<_>>())
    .bind(all().map(|(_, change)| change.summary.as_str()).collect::<Vec<_>>())
    .bind(all().map(|(_, change)| Json(&change.payload)).collect::<Vec<_>>())
    .bind(all().map(|(cx, _)| actor(cx)).collect::<Vec<_>>())
    .bind(all().map(|(cx, _)| cx.client.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|(cx, _)| cx.operation).collect::<Vec<_>>())
    .bind(all().map(|(cx, _)| cx.request_id).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}
