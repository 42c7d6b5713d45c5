//! What an organizer should know about a ticket type, though it is allowed.

use domain::{Cx, Money};
use sqlx::PgConnection;

use super::{
    model::{Offer, costs},
    sql,
};
use crate::{events::Event, inventory};

/// Everything worth saying about a ticket type that was just saved, beside the others of its event.
pub(super) async fn all(
    conn: &mut PgConnection,
    cx: &Cx,
    event: &Event,
    before: Option<&Offer>,
    offer: &Offer,
) -> sqlx::Result<Vec<String>> {
    let mut warnings = Vec::new();
    warnings.extend(price(before, offer));
    warnings.extend(codes(conn, before, offer).await?);
    warnings.extend(window(cx, event, offer));
    warnings.extend(venue(conn, event).await?);
    Ok(warnings)
}

fn price(before: Option<&Offer>, offer: &Offer) -> Vec<String> {
    let mut warnings = Vec::new();
    let unit = 10_i64.pow(u32::from(offer.price_currency.decimals()));
    if (1..unit).contains(&offer.price_amount) {
        warnings.push(format!(
            "{:?} costs only {}: the amount counts the smallest unit.",
            offer.name.as_str(),
            offer.price()
        ));
    }
    if let Some(before) = before
        && before.price() != offer.price()
        && offer.own().taken() > 0
    {
        warnings.push(format!(
            "{} were sold and {} are held at {}; their orders keep that price.",
            offer.sold_count,
            offer.held_count,
            costs(before.price())
        ));
    }
    warnings
}

/// Promo codes whose price does not follow when that of the ticket type changes.
async fn codes(
    conn: &mut PgConnection,
    before: Option<&Offer>,
    offer: &Offer,
) -> sqlx::Result<Vec<String>> {
    if before.is_none_or(|before| before.price() == offer.price()) {
        return Ok(Vec::new());
    }
    let codes = sql::fixed_prices(conn, offer).await?;
    let warn = |(code, amount): (String, i64)| {
        let price = costs(Money::new(amount, offer.price_currency));
        if amount < offer.price_amount {
            format!("The promo code {code:?} still sells it for {price}.")
        } else {
            format!("The promo code {code:?} for {price} does not make it cheaper any more.")
        }
    };
    Ok(codes.into_iter().map(warn).collect())
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

/// Compares what the event can sell with the room there is.
pub(crate) async fn venue(conn: &mut PgConnection, event: &Event) -> sqlx::Result<Option<String>> {
    let Some((venue, room)) = event
        .venue
        .as_ref()
        .and_then(|venue| Some((venue, venue.capacity?)))
    else {
        return Ok(None);
    };
    Ok(match inventory::capacity(conn, event.id).await? {
        None => Some(format!(
            "{} has room for {room}, but a ticket type is unlimited.",
            venue.name
        )),
        Some(total) if total > i64::from(room) => Some(format!(
            "{} has room for {room}, but all ticket types together offer {total} tickets.",
            venue.name
        )),
        Some(_) => None,
    })
}
