//! What can happen to a capacity pool.

use domain::{CapacityPoolId, Change, EventId, Subject};
use serde::Serialize;

/// A pool holds more or fewer than before.
#[derive(Debug, Serialize)]
pub struct PoolResized {
    pub(crate) pool_id: CapacityPoolId,
    pub(crate) event_id: EventId,
    /// The pool's name, or that of the ticket type it belongs to.
    pub(crate) name: String,
    pub(crate) before: Option<i32>,
    pub(crate) after: Option<i32>,
}

impl Change for PoolResized {
    const KIND: &'static str = "pool.resized";
    fn subject(&self) -> Subject {
        self.pool_id.into()
    }
    fn summary(&self) -> String {
        let show = |capacity: Option<i32>| {
            capacity.map_or("unlimited".to_owned(), |capacity| capacity.to_string())
        };
        format!(
            "Changes the capacity of {:?} from {} to {}",
            self.name,
            show(self.before),
            show(self.after)
        )
    }
}
