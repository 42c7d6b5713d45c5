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
    /// Whether it sells nothing, because its counters did not add up.
    pub(crate) is_stopped: bool,
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

    /// The shortage, if so many places cannot be had. Nothing is promised otherwise.
    pub(crate) fn lacks(&self, count: i32) -> Option<Shortage> {
        let left = self.left().unwrap_or(i32::MAX);
        (self.is_stopped || left < count).then_some(Shortage {
            pool_id: self.id,
            left,
            is_stopped: self.is_stopped,
        })
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
    fn deltas(self, count: i32) -> (i32, i32) {
        match self {
            Self::Hold => (count, 0),
            Self::Sell => (0, count),
            Self::SellHeld => (-count, count),
            Self::ReleaseHeld => (-count, 0),
            Self::ReleaseSold => (0, -count),
        }
    }
}

/// What is to happen to the counters of pools at once, in the order in which pools are locked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Moves(BTreeMap<CapacityPoolId, (i32, i32)>);

impl Moves {
    /// Places that all make the same step.
    pub(crate) fn of(step: Step, places: &Places) -> Self {
        let mut moves = Self::default();
        moves.add(step, places);
        moves
    }

    /// And places that make another.
    pub(crate) fn add(&mut self, step: Step, places: &Places) {
        for (&pool_id, &count) in places {
            let (held, sold) = step.deltas(count);
            let sum = self.0.entry(pool_id).or_default();
            *sum = (sum.0.saturating_add(held), sum.1.saturating_add(sold));
        }
    }

    /// The free places that are taken, by pool.
    pub(crate) fn taken(&self) -> Places {
        let net = self.0.iter().map(|(&id, &(held, sold))| (id, held + sold));
        net.filter(|&(_, count)| count > 0).collect()
    }

    /// Each pool with what is added to its held and to its sold counter.
    pub(super) fn iter(&self) -> impl Iterator<Item = (CapacityPoolId, i32, i32)> {
        self.0.iter().map(|(&id, &(held, sold))| (id, held, sold))
    }
}

/// A pool has fewer places left than were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shortage {
    pub(crate) pool_id: CapacityPoolId,
    pub(crate) left: i32,
    /// Whether it sells nothing at all, whatever is left.
    pub(crate) is_stopped: bool,
}

/// The counters of a pool, and what its orders, holds and tickets add up to.
#[derive(Debug, Clone)]
pub(crate) struct Recount {
    pub(crate) pool_id: CapacityPoolId,
    pub(crate) event_id: EventId,
    pub(crate) event_title: String,
    /// The pool's name, or that of the ticket type it belongs to.
    pub(crate) name: String,
    pub(crate) capacity: Option<i32>,
    pub(crate) blocked_count: i32,
    pub(crate) held_count: i32,
    pub(crate) sold_count: i32,
    /// Places of live holds and of orders that are not paid.
    pub(crate) held: i32,
    /// Valid tickets.
    pub(crate) sold: i32,
    pub(crate) is_stopped: bool,
}

/// What is taken of a ticket type with reserved seats, and the seats that are claimed of it, where the two differ.
#[derive(Debug, Clone)]
pub(crate) struct SeatsRecount {
    pub(crate) ticket_type_id: TicketTypeId,
    pub(crate) event_id: EventId,
    pub(crate) name: String,
    /// Places of live holds and of orders that are not paid, and their seats.
    pub(crate) held: i32,
    pub(crate) held_seats: i32,
    /// Valid tickets, and their seats.
    pub(crate) sold: i32,
    pub(crate) sold_seats: i32,
    /// Seats of what has ended.
    pub(crate) strays: i32,
}

impl Recount {
    pub(crate) fn is_right(&self) -> bool {
        (self.held_count, self.sold_count) == (self.held, self.sold)
    }

    /// Places that are taken beyond the capacity, by the rows.
    pub(crate) fn over(&self) -> i32 {
        let taken = self.held.saturating_add(self.sold);
        let taken = taken.saturating_add(self.blocked_count);
        self.capacity
            .map_or(0, |capacity| taken.saturating_sub(capacity).max(0))
    }
}
