//! The times of promo codes follow their event into another zone, for [`crate::lifecycle`].

use domain::{Cx, EventId, Zone};
use sqlx::PgConnection;

use super::sql;

/// Moves the times of an event's promo codes to another zone: the clock times stay, the instants follow. There is nobody
/// to ask about clock changes, so times that do not exist or exist twice are taken leniently. The event is locked.
pub(crate) async fn rezone(
    conn: &mut PgConnection,
    cx: &Cx,
    event_id: EventId,
    zone: &Zone,
) -> sqlx::Result<()> {
    for (id, from, until) in sql::windows(conn, event_id).await? {
        let from_at = from.map(|local| local.resolve_leniently(zone));
        let until_at = until.map(|local| local.resolve_leniently(zone));
        sql::set_instants(conn, cx, id, from_at, until_at).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::{Money, Patch};
    use serde_json::json;

    use crate::{
        lifecycle::{DuplicateEvent, UpdateEvent},
        promo_codes::{ListPromoCodes, SavePromoCode},
        testing::{Scene, assert_refused, eur, new_event, promo},
    };

    #[tokio::test]
    async fn a_copy_has_no_codes_and_a_zone_moves_their_times() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let until = SavePromoCode {
            valid_until: Patch::Set("2027-01-20T12:00".parse().unwrap()),
            amount_off: Some(Money::new(100, eur())),
            percent_off: None,
            ..promo(event.id, "NOON", 10, None)
        };
        scene.run(until).await.unwrap();
        let copy = serde_json::from_value::<DuplicateEvent>(
            json!({"event": event.id, "starts": "2027-05-06T19:00"}),
        );
        let copy = scene.run(copy.unwrap()).await.unwrap();
        let of_copy = ListPromoCodes::of(copy.event.id.into());
        assert_eq!(scene.run(of_copy).await.unwrap().items, vec![]);
        let at = "select count(*) from promo_code where valid_until_at = '2027-01-20 ";
        assert_eq!(scene.database.count(&format!("{at}11:00+00'")).await, 1);
        let move_zone = UpdateEvent {
            zone: Some("Europe/London".parse().unwrap()),
            ..UpdateEvent::of(event.id.into())
        };
        scene.run(move_zone).await.unwrap();
        assert_eq!(scene.database.count(&format!("{at}12:00+00'")).await, 1);
        // An amount is in the event's currency, so that stays.
        let draft = scene.run(new_event("Draft")).await.unwrap().event;
        let off = SavePromoCode {
            amount_off: Some(Money::new(100, eur())),
            percent_off: None,
            ..promo(draft.id, "MINUS", 10, None)
        };
        scene.run(off).await.unwrap();
        let change = UpdateEvent {
            currency: Some("JPY".parse().unwrap()),
            ..UpdateEvent::of(draft.id.into())
        };
        assert_refused(scene.run(change).await, "currency_fixed");
    }
}
