//! Those who wait come before those who come: what they can have is not on sale to anybody else.

use std::collections::HashMap;

use domain::{CapacityPoolId, Cx};
use sqlx::PgConnection;

use super::{
    basket::Left,
    model::{Offer, SaleState, sale_state},
    sql,
};
use crate::{
    events::Event,
    inventory::{self, Moves, Pool, Shortage},
};

/// Whether places of a ticket type can be offered to those who wait: while it is sold, until the event begins.
pub(crate) fn can_be_offered(cx: &Cx, event: &Event, offers: &[Offer], offer: &Offer) -> bool {
    let is_sold = matches!(
        sale_state(cx, event, offers, offer, Offer::left),
        SaleState::OnSale | SaleState::SoldOut
    );
    is_sold && !offer.is_add_on() && !offer.is_archived && cx.now < event.starts_at
}

/// The pools of ticket types, as they are for those who do not wait: what is free and waited for counts as held.
///
/// Of each type so many places are kept as are waited for and free in all of its pools: of a hall that sells on, none
/// are kept for those who wait for boxes that are all taken.
pub(super) fn beside(cx: &Cx, event: &Event, offers: &[Offer]) -> HashMap<CapacityPoolId, Pool> {
    let all = offers.iter().flat_map(Offer::pools);
    let mut pools: HashMap<_, _> = all.map(|pool| (pool.id, pool)).collect();
    for offer in offers {
        if offer.waited_for == 0 || !can_be_offered(cx, event, offers, offer) {
            continue;
        }
        let kept = offer.left().unwrap_or(i32::MAX).min(offer.waited_for);
        for pool in offer.pools() {
            if let Some(pool) = pools.get_mut(&pool.id) {
                pool.held_count = pool.held_count.saturating_add(kept);
            }
        }
    }
    pools
}

/// Moves places for somebody who does not wait, as [`inventory::move_places`] does. While others do, the free ones are
/// counted once more when nobody can move them any longer: a place that comes free meanwhile is theirs.
///
/// The event, which is shared, keeps everybody from joining or leaving the waiting list, so `offers` say whether anybody
/// waits; and whoever frees a place of a type moves all of its pools at once, so that what is free of it is known to
/// whoever keeps one of them. A test that is sure of it all shows what comes of it.
pub(crate) async fn move_places(
    conn: &mut PgConnection,
    cx: &Cx,
    (event, offers): (&Event, &[Offer]),
    moves: &Moves,
    is_sure: bool,
) -> sqlx::Result<Result<(), Shortage>> {
    let taken = moves.taken();
    if !is_sure && !taken.is_empty() && offers.iter().any(|offer| offer.waited_for > 0) {
        inventory::keep(conn, moves).await?;
        let offers = sql::offers(conn, event.id).await?;
        if let Some(shortage) = Left::of(cx, event, &offers).lacks(&taken) {
            return Ok(Err(shortage));
        }
    }
    inventory::move_places(conn, moves).await
}
