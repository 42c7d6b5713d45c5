//! The durable engine: workers that take up runs and execute what their workflow says next, the dispatcher that
//! starts runs on changes, the scheduler that starts them on time, and the library of workflows that ship.
//!
//! Rules live in `operations`; this crate executes what rows say and writes back through operations and `store`.
#![warn(missing_docs)]

mod agent;
mod approvals;
mod asking;
mod definitions;
mod dispatcher;
mod engine;
mod http;
mod job;
mod library;
mod retry;
mod scheduler;
mod steps;
mod stored;
#[cfg(feature = "testing")]
pub mod testing;
mod worker;

pub use agent::{AgentRunner, NoAgents};
pub use approvals::{Approvals, Asked, CatalogApprovals, Decision, Request};
pub use definitions::{Beginning, Called, Definitions, NoDefinitions, Reply, Schedule};
pub use dispatcher::{DispatchError, Looked, dispatch};
pub use http::Options as HttpOptions;
pub use library::{SyncError, library, sync as sync_library};
pub use retry::delay;
pub use scheduler::Scheduler;
pub use stored::StoredDefinitions;
pub use worker::{Clock, Options, Worker};

/// A run that a worker has claimed, as hosts of agents see it.
pub use store::runs::Run;
