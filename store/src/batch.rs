//! Several requests of one organization in one transaction, each with its own change and its own answer: they share
//! one commit, which is most of what a small transaction costs (group commit; `DeWitt` et al., "Implementation
//! techniques for main memory database systems", SIGMOD 1984).

use std::sync::Arc;

use domain::{Cx, Recorded, context::Mode};
use serde::Serialize;
use serde_json::Value;
use sqlx::{PgConnection, Postgres, Transaction};

use crate::{Shared, StoreError, idempotency, tx};

/// What became of one request of a batch.
pub struct Part<'a> {
    cx: &'a Cx,
    changes: Vec<Recorded>,
    /// As JSON: remembered under the request's idempotency key, if it has one.
    answer: Value,
}

impl<'a> Part<'a> {
    /// What changed for one who asked, and what they are answered.
    pub fn new(cx: &'a Cx, changes: Vec<Recorded>, answer: &impl Serialize) -> Self {
        Self {
            cx,
            changes,
            answer: serde_json::to_value(answer).expect("an answer is plain data"),
        }
    }
}

/// Whether a request may share a transaction: it is neither tried out, confirmed word by word nor a step of a run.
pub fn may_share(cx: &Cx) -> bool {
    cx.mode == Mode::Live && cx.confirmed.is_none() && cx.checkpoint.is_none()
}

/// A write transaction of several requests. It ends in [`Self::commit`]; dropping it keeps nothing.
pub struct BatchTx {
    tx: Transaction<'static, Postgres>,
    shared: Arc<Shared>,
}

impl BatchTx {
    pub(crate) fn new(tx: Transaction<'static, Postgres>, shared: Arc<Shared>) -> Self {
        Self { tx, shared }
    }

    /// The connection, for queries.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Whether a test has taken a guard away; never in earnest.
    pub fn lacks(&self, guard: &str) -> bool {
        self.shared.rig.lacks(guard)
    }

    /// Records what changed and who did it, and remembers the answers. Whatever everybody wants, such as the counters
    /// of a pool, is best written after this.
    /// [`StoreError::AlreadyDone`] when one of the requests is a repeat: each is then to be tried by itself.
    pub async fn record<'a>(&mut self, parts: &'a [Part<'_>]) -> Result<(), StoreError> {
        let answers: Vec<_> = parts
            .iter()
            .filter_map(|part| Some((part.cx, part.cx.idempotency.as_ref()?, &part.answer)))
            .collect();
        idempotency::remember(&mut self.tx, &answers).await?;
        let of = |part: &'a Part<'_>| part.changes.iter().map(|change| (part.cx, change));
        let changes: Vec<_> = parts.iter().flat_map(of).collect();
        tx::insert_changes(&mut self.tx, &changes).await
    }

    /// Commits what was written and recorded.
    pub async fn commit(self, parts: &[Part<'_>]) -> Result<(), StoreError> {
        self.shared.rig.cross("commit.before").await;
        self.tx.commit().await.map_err(StoreError::of_commit)?;
        self.shared.rig.cross("commit.after").await;
        self.shared.bell.ring();
        for part in parts {
            part.cx.note_recorded(&part.changes);
        }
        Ok(())
    }
}
