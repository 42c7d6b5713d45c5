//! A pool's counters, and how places move between them.

use std::collections::BTreeMap;

use domain::{CapacityPoolId, EventId, Name, TicketTypeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much of a limit is taken and left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Availability {
    /// The limit; absent when unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<i32>,
    /// Sold.
    pub sold: i32,
    /// Set aside for whoever is buying, or has not paid yet.
    pub held: i32,
    /// What can still be sold; absent when unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<i32>,
}

/// A row of `capacity_pool`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) id: CapacityPoolId,
    pub(crate) name: Option<Name>,
    pub(crate) capacity: Option<i32>,
    pub(crate) held_count: i32,
    pub(crate) sold_count: i32,
    pub(crate) blocked_count: i32,
}

impl Pool {
    /// What is taken, in whichever way.
    pub(crate) fn taken(&self) -> i32 {
        self.held_count
            .saturating_add(self.sold_count)
            .saturating_add(self.blocked_count)
    }

    /// The name it shows to people; empty for the pool of one ticket type alone.
    pub(crate) fn label(&self) -> &str {
        self.name.as_ref().map_or("", Name::as_str)
    }

    pub(crate) fn left(&self) -> Option<i32> {
        self.capacity
            .map(|capacity| capacity.saturating_sub(self.taken()).max(0))
    }

    pub(crate) fn availability(&self) -> Availability {
        Availability {
            capacity: self.capacity,
            sold: self.sold_count,
            held: self.held_count,
            left: self.left(),
        }
    }
}

/// A ticket type that draws on a pool or stops doing so, with what was taken of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sharer {
    pub(crate) event_id: EventId,
    pub(crate) ticket_type_id: TicketTypeId,
    pub(crate) held: i32,
    pub(crate) sold: i32,
}

/// How many places of which pools. Ordered by pool id, which is the order pools are locked in.
pub(crate) type Places = BTreeMap<CapacityPoolId, i32>;

/// How places move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Free places are set aside for an order that is not paid yet.
    Hold,
    /// Free places are sold at once.
    Sell,
    /// Places set aside are sold.
    SellHeld,
    /// Places set aside are free again.
    ReleaseHeld,
    /// Sold places are free again.
    ReleaseSold,
}

impl Step {
    /// What happens to the held and to the sold counter when `count` places make this step.
    pub(super) fn deltas(self, count: i32) -> (i32, i32) {
        match self {
            Self::Hold => (count, 0),
            Self::Sell => (0, count),
            Self::SellHeld => (-count, count),
            Self::ReleaseHeld => (-count, 0),
            Self::ReleaseSold => (0, -count),
        }
    }
}

/// A pool has fewer places left than were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shortage {
    pub(crate) pool_id: CapacityPoolId,
    pub(crate) left: i32,
}
