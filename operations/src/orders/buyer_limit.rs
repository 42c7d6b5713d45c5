//! How many tickets of a type one buyer may have, over all their orders of an event.

use std::collections::HashMap;

use domain::{EmailAddress, TicketTypeId};
use sqlx::PgConnection;

use super::{PlaceOrderError, sql};
use crate::ticket_types::Offer;

/// What the buyers who order now have already of ticket types that limit it. Nobody else orders for them until the
/// transaction ends.
#[derive(Default)]
pub(super) struct Bought(HashMap<(String, TicketTypeId), i64>);

/// A buyer is known by their address, in whichever case they write it.
fn known_as(email: &EmailAddress) -> String {
    email.as_str().to_lowercase()
}

impl Bought {
    /// Costs nothing while no ticket type has such a limit.
    pub(super) async fn lock(
        conn: &mut PgConnection,
        offers: &[Offer],
        buyers: impl Iterator<Item = &EmailAddress>,
    ) -> sqlx::Result<Self> {
        let limited = offers.iter().filter(|offer| offer.max_per_buyer.is_some());
        let types: Vec<TicketTypeId> = limited.map(|offer| offer.id).collect();
        let Some(first) = offers.first().filter(|_| !types.is_empty()) else {
            return Ok(Self::default());
        };
        let mut buyers: Vec<String> = buyers.map(known_as).collect();
        buyers.sort_unstable();
        buyers.dedup();
        sql::lock_buyers(conn, first.event_id, &buyers).await?;
        let found = sql::bought(conn, first.event_id, &buyers, &types).await?;
        Ok(Self(found))
    }

    /// Refuses a buyer who would have too many.
    pub(super) fn check(
        &self,
        offers: &[Offer],
        buyer: &EmailAddress,
        wanted: &[(TicketTypeId, i32)],
    ) -> Result<(), PlaceOrderError> {
        let buyer = known_as(buyer);
        for offer in offers {
            let Some(most) = offer.max_per_buyer else {
                continue;
            };
            let of_type = wanted.iter().filter(|(id, _)| *id == offer.id);
            let wanted: i64 = of_type.map(|(_, count)| i64::from(*count)).sum();
            let has = self.0.get(&(buyer.clone(), offer.id));
            if wanted > 0 && has.copied().unwrap_or_default() + wanted > most.into() {
                let name = offer.name.to_string();
                return Err(PlaceOrderError::BuyerLimit { name, most });
            }
        }
        Ok(())
    }

    /// Counts what a buyer will have.
    pub(super) fn add(&mut self, buyer: &EmailAddress, wanted: &[(TicketTypeId, i32)]) {
        for (id, count) in wanted {
            let has = self.0.entry((known_as(buyer), *id)).or_default();
            *has += i64::from(*count);
        }
    }
}
