//! Runs of workflows, as the workers see them: the queue, the leases, the steps that are done, what is waited for.
//!
//! A worker claims what is due, under a lease that runs out by the database's clock. Each claim counts the run's
//! *epoch* up, and whatever a worker writes is refused unless the epoch is still its own: a worker that was away
//! for too long cannot spoil what another has gone on with.

mod claim;
mod dispatch;
mod fire;
mod forget;
mod insert;
mod lease;
mod steps;
mod waits;

pub use claim::{Claim, Health};
pub use dispatch::{Dispatch, Dispatched, FeedChange, Upcoming};
pub use fire::{LastFire, Tick};
pub use forget::Forgotten;
pub use insert::{Concurrency, NewRun, OnConflict, Started, insert};
pub use lease::{Finished, Outcome};
pub use steps::{Emitted, StepRecord};
pub use waits::{Awaited, Settled};

pub(crate) use steps::write_checkpoint;

use domain::{OrganizationId, Timestamp, UserId, WorkflowRunId};
use serde_json::Value;

use crate::{Store, StoreError};

/// The runs of a database.
#[derive(Clone)]
pub struct Runs {
    store: Store,
}

/// The right to go on with a run, until the lease runs out or somebody stops the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The run's organization.
    pub organization_id: OrganizationId,
    /// The run.
    pub run_id: WorkflowRunId,
    /// Which lease it is, counted from 1.
    pub epoch: i64,
}

/// A run that a worker has claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What allows to go on with it.
    pub lease: Lease,
    /// The workflow's name; `job:<operation>` for a job.
    pub workflow: String,
    /// The version of the definition it began under.
    pub version: i32,
    /// A job's own definition.
    pub definition: Option<Value>,
    /// What people call it.
    pub title: String,
    /// What started it.
    pub trigger: Value,
    /// What it was given.
    pub params: Value,
    /// What a person has set over the steps' outputs.
    pub variables: Value,
    /// How often the step in `error` was tried.
    pub tries: i32,
    /// How often a lease on it ran out.
    pub takeovers: i32,
    /// Why it was put off last.
    pub error: Option<Value>,
    /// The run that waits for it.
    pub parent_run_id: Option<WorkflowRunId>,
    /// The member on whose behalf it runs.
    pub on_behalf_of: Option<UserId>,
    /// When it was first taken up.
    pub started_at: Timestamp,
}

impl Runs {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// The store they live in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Starts a run, for EventOS itself. Operations call [`insert`] in a transaction of their own.
    pub async fn start(&self, run: &NewRun) -> Result<Started, StoreError> {
        let mut tx = self.store.system("start a run").await?;
        tx.enter(run.organization_id).await?;
        let started = insert(tx.conn(), run).await?;
        tx.commit().await?;
        self.store.bell().ring();
        Ok(started)
    }
}
