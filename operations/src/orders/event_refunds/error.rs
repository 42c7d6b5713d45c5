//! How a refund of an event is not there.

use domain::{Facts, Fault, FaultKind, FaultSpec};
use store::StoreError;

use crate::lookup::LookupError;

/// How a refund that was to be begun before is not found.
#[derive(Debug, thiserror::Error)]
pub enum EventRefundError {
    /// Nobody began it.
    #[error("nobody has begun to refund {0:?}")]
    NotBegun(String),
    /// The event was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const REFUND_NOT_BEGUN: FaultSpec = FaultSpec::new(
    FaultKind::NotFound,
    "event_refund_not_begun",
    "Begin it with refund_event once the event is cancelled.",
);

impl Fault for EventRefundError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![REFUND_NOT_BEGUN];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NotBegun(_) => REFUND_NOT_BEGUN.at("event"),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for EventRefundError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
