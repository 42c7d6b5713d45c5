//! The uses of promo codes: counters like those of pools, of which a hold or an order takes one.

use std::collections::BTreeMap;

use domain::{EventId, PromoCodeId};

/// How the uses of promo codes move, in the order of their ids, which is the order they are locked in.
///
/// They move before places do: whoever waits for a code that many have keeps no pool from those who have none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Uses(BTreeMap<PromoCodeId, (i32, i32)>);

/// How one use moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UseStep {
    /// Somebody holds places with the code.
    Hold,
    /// Somebody orders with the code, without a hold.
    Use,
    /// What was held is ordered.
    UseHeld,
    /// A hold has ended without an order.
    ReleaseHeld,
    /// An order is called off.
    ReleaseUsed,
}

impl Uses {
    /// One use.
    pub(crate) fn of(step: UseStep, code: Option<PromoCodeId>) -> Self {
        let mut uses = Self::default();
        uses.add(step, code);
        uses
    }

    /// And another; nothing without a code.
    pub(crate) fn add(&mut self, step: UseStep, code: Option<PromoCodeId>) {
        let Some(code) = code else {
            return;
        };
        let (held, used) = match step {
            UseStep::Hold => (1, 0),
            UseStep::Use => (0, 1),
            UseStep::UseHeld => (-1, 1),
            UseStep::ReleaseHeld => (-1, 0),
            UseStep::ReleaseUsed => (0, -1),
        };
        let sum = self.0.entry(code).or_default();
        *sum = (sum.0.saturating_add(held), sum.1.saturating_add(used));
    }

    /// Each code with what is added to its held and to its used counter.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PromoCodeId, i32, i32)> {
        self.0.iter().map(|(&id, &(held, used))| (id, held, used))
    }
}

/// A promo code cannot be used as often as was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UsedUp(pub(crate) PromoCodeId);

/// The counters of a promo code, and what its holds and orders add up to.
#[derive(Debug, Clone)]
pub(crate) struct UsesRecount {
    pub(crate) promo_code_id: PromoCodeId,
    pub(crate) event_id: EventId,
    pub(crate) event_title: String,
    pub(crate) code: String,
    pub(crate) held_count: i32,
    pub(crate) used_count: i32,
    /// Live holds with it.
    pub(crate) held: i32,
    /// Orders with it that are pending or paid.
    pub(crate) used: i32,
}

impl UsesRecount {
    pub(crate) fn is_right(&self) -> bool {
        (self.held_count, self.used_count) == (self.held, self.used)
    }
}
