//! Several operations in one transaction: a set of changes that a person agrees to as a whole is kept as a whole.
//!
//! Operations open and commit as ever, on a [`Store`] that lends them one transaction, one at a time. What one has written
//! the next one sees. Nothing is kept before [`Joint::commit`]; an operation that refuses, or is tried out only, ends it.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use domain::{Cx, context::Mode};
use sqlx::{PgConnection, Postgres, Transaction};

use crate::{Shared, Store, StoreError};

/// A transaction that operations share. Dropping it keeps nothing.
pub struct Joint {
    slot: Arc<Slot>,
    shared: Arc<Shared>,
}

impl Store {
    /// Opens a transaction for several operations of one organization, and the store through which they share it.
    pub async fn joint(&self, cx: &Cx) -> Result<(Joint, Self), StoreError> {
        if cx.mode == Mode::ReadOnly {
            return Err(StoreError::ReadOnly);
        }
        let tx = self.open(cx).await?;
        let slot = Arc::new(Slot(Mutex::new(State::Free(Box::new(tx)))));
        let joint = Joint {
            slot: Arc::clone(&slot),
            shared: Arc::clone(&self.shared),
        };
        let store = Self {
            joint: Some(slot),
            ..self.clone()
        };
        Ok((joint, store))
    }
}

impl Joint {
    /// Whether a test has taken a guard away; never in earnest.
    pub fn lacks(&self, guard: &str) -> bool {
        self.shared.rig.lacks(guard)
    }

    /// Keeps what the operations wrote. Refused when one of them did not commit.
    pub async fn commit(self) -> Result<(), StoreError> {
        let tx = self.slot.take()?;
        self.shared.rig.cross("commit.before").await;
        tx.commit().await.map_err(StoreError::of_commit)?;
        self.shared.rig.cross("commit.after").await;
        self.shared.bell.ring();
        Ok(())
    }
}

/// Where the transaction lies between operations.
pub(crate) struct Slot(Mutex<State>);

enum State {
    Free(Box<Transaction<'static, Postgres>>),
    Lent,
    /// An operation refused or was tried out: nothing of it may be kept.
    Ended,
}

impl Slot {
    fn take(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match mem::replace(&mut *state, State::Lent) {
            State::Free(tx) => Ok(*tx),
            State::Lent => Err(StoreError::JointBusy),
            State::Ended => {
                *state = State::Ended;
                Err(StoreError::JointEnded)
            }
        }
    }

    fn put(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// A transaction in use: one's own, or one that is lent.
pub(crate) struct Held {
    tx: Option<Transaction<'static, Postgres>>,
    lent_by: Option<Arc<Slot>>,
    /// Whether it goes back as good as it was, however it is left: reading harms nothing.
    reads_only: bool,
}

impl Held {
    pub(crate) fn own(tx: Transaction<'static, Postgres>) -> Self {
        Self {
            tx: Some(tx),
            lent_by: None,
            reads_only: false,
        }
    }

    pub(crate) fn lent(slot: &Arc<Slot>, reads_only: bool) -> Result<Self, StoreError> {
        Ok(Self {
            tx: Some(slot.take()?),
            lent_by: Some(Arc::clone(slot)),
            reads_only,
        })
    }

    pub(crate) fn conn(&mut self) -> &mut PgConnection {
        self.tx.as_mut().expect("it is there until it is ended")
    }

    /// Whether it is a part of something larger.
    pub(crate) fn is_lent(&self) -> bool {
        self.lent_by.is_some()
    }

    /// Keeps what was written; of a lent one, as far as whoever lent it does.
    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        let tx = self.tx.take().expect("it is there until it is ended");
        match &self.lent_by {
            Some(slot) => {
                slot.put(State::Free(Box::new(tx)));
                Ok(())
            }
            None => tx.commit().await,
        }
    }

    /// Keeps nothing; of a lent one, nothing of all its operations.
    pub(crate) async fn rollback(mut self) -> Result<(), sqlx::Error> {
        let tx = self.tx.take().expect("it is there until it is ended");
        if let Some(slot) = &self.lent_by {
            slot.put(State::Ended);
        }
        tx.rollback().await
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (Some(tx), Some(slot)) = (self.tx.take(), &self.lent_by) else {
            return;
        };
        slot.put(if self.reads_only {
            State::Free(Box::new(tx))
        } else {
            State::Ended
        });
    }
}
