//! Ticket types that are sold one after the other, such as early bird, regular and late.
//!
//! A tier names the one it follows. It is on sale while every tier before it is sold out or over, so one moment decides
//! about all of them: there is neither a moment with two tiers on sale nor one with none. Places of an earlier tier that
//! come back are sold at its price first.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, LocalTime, Timestamp};

use super::model::Offer;

/// The tier that is sold before one, if it is still there.
pub(super) fn previous<'a>(offers: &'a [Offer], offer: &Offer) -> Option<&'a Offer> {
    let id = offer.follows?;
    offers.iter().find(|before| before.id == id)
}

/// The tier that has to give way before one can be sold: of several, that which is sold first.
pub(super) fn still_before<'a>(
    cx: &Cx,
    offers: &'a [Offer],
    offer: &Offer,
    left: &impl Fn(&Offer) -> Option<i32>,
) -> Option<&'a Offer> {
    let gave_way = |tier: &Offer| {
        let is_over = tier.sales_end_at.is_some_and(|end| end <= cx.now);
        // Of one whose counters do not add up, nobody knows whether it is sold out.
        let is_known = !tier.pools().any(|pool| pool.is_stopped);
        is_over || (is_known && left(tier) == Some(0))
    };
    let before = std::iter::successors(previous(offers, offer), |tier| previous(offers, tier));
    // A chain is no longer than the list.
    let before = before.take(offers.len());
    before.filter(|tier| !gave_way(tier)).last()
}

/// Refuses tiers of an event between which nothing would be on sale.
pub(super) fn check(offers: &[Offer], now: Timestamp) -> Result<(), TierError> {
    for next in offers {
        if let Some(tier) = previous(offers, next) {
            check_pair(tier, next, now)?;
        }
    }
    Ok(())
}

/// The same, with one of them as it is to be.
pub(super) fn check_with(
    offers: &[Offer],
    changed: &Offer,
    now: Timestamp,
) -> Result<(), TierError> {
    let as_wanted = |offer: &Offer| {
        let is_it = offer.id == changed.id;
        if is_it {
            changed.clone()
        } else {
            offer.clone()
        }
    };
    check(&offers.iter().map(as_wanted).collect::<Vec<_>>(), now)
}

fn check_pair(tier: &Offer, next: &Offer, now: Timestamp) -> Result<(), TierError> {
    let names = || (tier.name.to_string(), next.name.to_string());
    let is_limited = sells_out_before(tier, next);
    if !is_limited && tier.sales_end_at.is_none() {
        let (tier, next) = names();
        return Err(TierError::NeverOver { tier, next });
    }
    if let (Some(first), Some(second)) = (tier.sales_end_at, next.sales_end_at)
        && second <= first
    {
        let ((tier, next), ends) = (names(), next.sales_end_local);
        return Err(TierError::OverFirst { tier, next, ends });
    }
    // A tier with a limit can be sold out as soon as it is on sale.
    let latest = if is_limited {
        tier.sales_start_at
    } else {
        tier.sales_end_at
    };
    let opens = next.sales_start_at.filter(|opens| *opens > now);
    if opens.is_some_and(|opens| latest.is_none_or(|latest| opens > latest)) {
        let ((tier, next), opens) = (names(), next.sales_start_local);
        return Err(TierError::Gap { tier, next, opens });
    }
    Ok(())
}

/// Whether a tier can be sold out while there are places for the next.
fn sells_out_before(tier: &Offer, next: &Offer) -> bool {
    let draws = |id| next.pools().any(|pool| pool.id == id);
    tier.pools()
        .any(|pool| pool.capacity.is_some() && !draws(pool.id))
}

/// Why ticket types cannot be sold one after the other.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TierError {
    /// Nothing ends the sale of a tier.
    #[error(
        "{next:?} would never be on sale: {tier:?} before it has neither a quantity of its own nor an end of its sale"
    )]
    NeverOver {
        /// The tier.
        tier: String,
        /// The one behind it.
        next: String,
    },
    /// A tier is over before the one it follows.
    #[error("{next:?} would never be on sale: its sale ends{} no later than that of {tier:?} before it", on(*.ends))]
    OverFirst {
        /// The tier.
        tier: String,
        /// The one behind it.
        next: String,
        /// When that ends.
        ends: Option<LocalTime>,
    },
    /// Nothing would be on sale for a while.
    #[error("nothing would be on sale between {tier:?} and {next:?}, whose own sale begins only{}", on(*.opens))]
    Gap {
        /// The tier.
        tier: String,
        /// The one behind it.
        next: String,
        /// When that begins.
        opens: Option<LocalTime>,
    },
}

fn on(time: Option<LocalTime>) -> String {
    time.map(|time| format!(" on {}", time.readable()))
        .unwrap_or_default()
}

const TIER_NEVER_OVER: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "tier_never_over",
    "Give the earlier tier a `quantity` or a `sales_end` with save_ticket_type.",
);
const TIER_OVER_FIRST: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "tier_over_first",
    "Each tier ends after the one before it; the last needs no `sales_end`.",
);
const TIER_GAP: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "tier_gap",
    "Remove `sales_start` of the later tier with save_ticket_type: it opens by itself when the earlier one is sold out or over.",
);

impl Fault for TierError {
    fn specs() -> Vec<FaultSpec> {
        vec![TIER_NEVER_OVER, TIER_OVER_FIRST, TIER_GAP]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NeverOver { .. } => TIER_NEVER_OVER.into(),
            Self::OverFirst { .. } => TIER_OVER_FIRST.into(),
            Self::Gap { .. } => TIER_GAP.into(),
        }
    }
}
