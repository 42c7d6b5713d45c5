//! What can happen to a capacity pool.

use domain::{CapacityPoolId, Change, EventId, PromoCodeId, Subject};
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

/// A pool sells nothing: its counters are not what its orders, holds and tickets add up to.
#[derive(Debug, Serialize)]
pub struct PoolStopped {
    pub(crate) pool_id: CapacityPoolId,
    pub(crate) event_id: EventId,
    pub(crate) event_title: String,
    /// The pool's name, or that of the ticket type it belongs to.
    pub(crate) name: String,
    /// What the counters said.
    pub(crate) held_count: i32,
    pub(crate) sold_count: i32,
    /// What was found.
    pub(crate) held: i32,
    pub(crate) sold: i32,
}

impl Change for PoolStopped {
    const KIND: &'static str = "pool.stopped";
    fn subject(&self) -> Subject {
        self.pool_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Stops the sale of {:?} for {:?}: {} held and {} sold were counted, {} and {} were found",
            self.name, self.event_title, self.held_count, self.sold_count, self.held, self.sold
        )
    }
}

/// A pool sells again, with counters that are what was found.
#[derive(Debug, Serialize)]
pub struct PoolResumed {
    pub(crate) pool_id: CapacityPoolId,
    pub(crate) event_id: EventId,
    pub(crate) event_title: String,
    /// The pool's name, or that of the ticket type it belongs to.
    pub(crate) name: String,
    pub(crate) held: i32,
    pub(crate) sold: i32,
}

impl Change for PoolResumed {
    const KIND: &'static str = "pool.resumed";
    fn subject(&self) -> Subject {
        self.pool_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Puts {:?} of {:?} on sale again, with {} held and {} sold",
            self.name, self.event_title, self.held, self.sold
        )
    }
}

/// The uses of a promo code were not what its holds and orders add up to, and were corrected.
#[derive(Debug, Serialize)]
pub struct PromoCodeRecounted {
    pub(crate) promo_code_id: PromoCodeId,
    pub(crate) event_id: EventId,
    pub(crate) event_title: String,
    pub(crate) code: String,
    /// What the counters said.
    pub(crate) held_count: i32,
    pub(crate) used_count: i32,
    /// What was found.
    pub(crate) held: i32,
    pub(crate) used: i32,
}

impl Change for PromoCodeRecounted {
    const KIND: &'static str = "promo_code.recounted";
    fn subject(&self) -> Subject {
        self.promo_code_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Corrects the uses of the promo code {:?} of {:?}: {} held and {} used were counted, {} and {} were found",
            self.code, self.event_title, self.held_count, self.used_count, self.held, self.used
        )
    }
}
