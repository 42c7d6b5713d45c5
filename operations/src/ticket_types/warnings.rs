//! What an organizer should know about a ticket type, though it is allowed.

use std::collections::BTreeMap;

use domain::{CapacityPoolId, Cx};

use super::model::{Offer, TicketType, costs};
use crate::events::Event;

/// Everything worth saying about a ticket type that was just saved, beside the others of its event.
pub(super) fn all(
    cx: &Cx,
    event: &Event,
    before: Option<&Offer>,
    offer: &Offer,
    types: &[TicketType],
) -> Vec<String> {
    let mut warnings = Vec::new();
    warnings.extend(price(before, offer, types));
    warnings.extend(window(cx, event, offer));
    warnings.extend(venue(event, types));
    warnings
}

fn price(before: Option<&Offer>, offer: &Offer, types: &[TicketType]) -> Vec<String> {
    let mut warnings = Vec::new();
    let unit = 10_i64.pow(u32::from(offer.price_currency.decimals()));
    if (1..unit).contains(&offer.price_amount) {
        warnings.push(format!(
            "{:?} costs only {}: the amount counts the smallest unit.",
            offer.name.as_str(),
            offer.price()
        ));
    }
    let now = types.iter().find(|t| t.id == offer.id);
    if let (Some(before), Some(now)) = (before, now)
        && before.price() != offer.price()
        && now.availability.sold + now.availability.held > 0
    {
        warnings.push(format!(
            "{} were sold and {} are held at {}; their orders keep that price.",
            now.availability.sold,
            now.availability.held,
            costs(before.price())
        ));
    }
    warnings
}

fn window(cx: &Cx, event: &Event, offer: &Offer) -> Option<String> {
    let (ends, ends_at) = (offer.sales_end_local?, offer.sales_end_at?);
    if ends_at <= cx.now {
        Some(format!(
            "The sale ended on {} already, so nothing can be bought.",
            ends.readable()
        ))
    } else if ends_at > event.ends_at {
        Some(format!(
            "The sale stops when the event is over, on {}.",
            event.ends.readable()
        ))
    } else {
        None
    }
}

/// Compares what all limits of the event add up to with the room there is.
pub(crate) fn venue(event: &Event, types: &[TicketType]) -> Option<String> {
    let venue = event.venue.as_ref()?;
    let room = venue.capacity?;
    let mut shared = BTreeMap::<CapacityPoolId, Option<i32>>::new();
    let mut limits = Vec::new();
    for t in types {
        match &t.pool {
            Some(pool) => {
                shared.insert(pool.id, pool.availability.capacity);
            }
            None => limits.push(t.availability.capacity),
        }
    }
    limits.extend(shared.into_values());
    let total = limits
        .into_iter()
        .map(|limit| limit.map(i64::from))
        .sum::<Option<i64>>();
    match total {
        None => Some(format!(
            "{} has room for {room}, but a ticket type is unlimited.",
            venue.name
        )),
        Some(total) if total > i64::from(room) => Some(format!(
            "{} has room for {room}, but all ticket types together offer {total} tickets.",
            venue.name
        )),
        Some(_) => None,
    }
}
