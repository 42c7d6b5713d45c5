//! Who is offered what: pure, so that every rule of the queue can be tried without a database.
//!
//! In their order, by priority and then by time, everybody gets what they wait for if it is free. Who waits for more than is
//! free is passed over, and those behind may have the few places. Whoever was passed over [`PATIENCE`] times is not any
//! more: what is free of theirs is saved up until it is enough.

use std::collections::HashMap;

use domain::{CapacityPoolId, TicketTypeId};

use crate::ticket_types::Offer;

/// How often somebody behind is served before places are saved up. It is counted, not timed: a waiting list is slow
/// or fast as its event is, and a group is only wronged when others get what it waits for.
pub(super) const PATIENCE: i32 = 3;

/// Somebody whose turn it is, in the order of turns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) ticket_type_id: TicketTypeId,
    pub(super) quantity: i32,
    pub(super) passed_over: i32,
}

/// What comes of the turns, by their places in the order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Who gets places.
    pub(super) served: Vec<usize>,
    /// Who did not, but somebody behind them did, with how often that makes it now.
    pub(super) passed_over: Vec<(usize, i32)>,
    /// For whom places are saved up, with how many there are.
    pub(super) saved_for: Vec<(usize, i32)>,
}

/// Plans the turns. `offers` are the ticket types that can be offered; `only` keeps the places of all others for their own
/// people.
pub(super) fn plan(
    offers: &[&Offer],
    only: Option<TicketTypeId>,
    turns: &[Turn],
    patience: i32,
) -> Plan {
    let mut free = Free::of(offers);
    let mut plan = Plan::default();
    let mut skipped: Vec<(usize, &Offer, i32)> = Vec::new();
    for (place, turn) in turns.iter().enumerate() {
        let Some(offer) = offers.iter().find(|offer| offer.id == turn.ticket_type_id) else {
            continue;
        };
        let is_served = only.is_none_or(|only| only == offer.id);
        if !is_served {
            free.take_up_to(offer, turn.quantity);
        } else if free.take(offer, turn.quantity) {
            plan.served.push(place);
            for (behind, theirs, times) in &mut skipped {
                let shares = theirs
                    .pools()
                    .any(|one| offer.pools().any(|two| one.id == two.id));
                if !shares || *times >= patience {
                    continue;
                }
                *times += 1;
                if *times >= patience {
                    let saved = free.take_up_to(theirs, turns[*behind].quantity);
                    plan.saved_for.push((*behind, saved));
                }
            }
        } else if turn.passed_over >= patience {
            let saved = free.take_up_to(offer, turn.quantity);
            plan.saved_for.push((place, saved));
        } else {
            skipped.push((place, offer, turn.passed_over));
        }
    }
    let passed = skipped
        .into_iter()
        .map(|(place, _, times)| (place, times))
        .filter(|&(place, times)| times > turns[place].passed_over);
    plan.passed_over = passed.collect();
    plan
}

/// What is free of every pool.
struct Free(HashMap<CapacityPoolId, i32>);

impl Free {
    fn of(offers: &[&Offer]) -> Self {
        let pools = offers.iter().flat_map(|offer| offer.pools());
        let free = pools.map(|pool| (pool.id, pool.left().unwrap_or(i32::MAX)));
        Self(free.collect())
    }

    fn left(&self, offer: &Offer) -> i32 {
        let left = offer.pools().map(|pool| self.0[&pool.id]).min();
        left.unwrap_or(0)
    }

    /// Takes so many places, if there are enough.
    fn take(&mut self, offer: &Offer, count: i32) -> bool {
        let is_enough = self.left(offer) >= count;
        if is_enough {
            self.take_up_to(offer, count);
        }
        is_enough
    }

    /// Takes what there is of so many places; how many.
    fn take_up_to(&mut self, offer: &Offer, count: i32) -> i32 {
        let count = self.left(offer).min(count);
        for pool in offer.pools() {
            if let Some(free) = self.0.get_mut(&pool.id) {
                *free -= count;
            }
        }
        count
    }
}
