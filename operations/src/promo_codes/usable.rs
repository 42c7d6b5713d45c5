//! Promo codes while something is bought: which there are, and which can be used once more.

use std::collections::HashMap;

use domain::{Cx, EventId};
use sqlx::PgConnection;

use super::{
    model::{self, CodeRow},
    refusal::PromoCodeError,
    sql,
};
use crate::ticket_types::{AppliedCode, Basket, Terms};

/// The codes that people who buy have given, and what is left of them while they are given out to one after the other.
/// Nothing is promised yet: the counters decide.
#[derive(Debug, Default)]
pub(crate) struct Usable(HashMap<String, CodeRow>);

impl Usable {
    /// The codes of an event, which is shared, that were given.
    pub(crate) async fn read(
        conn: &mut PgConnection,
        event_id: EventId,
        given: impl Iterator<Item = &str>,
    ) -> sqlx::Result<Self> {
        let codes: Vec<String> = given.map(model::normal).collect();
        if codes.is_empty() {
            return Ok(Self::default());
        }
        let rows = sql::of_codes(conn, event_id, &codes).await?;
        let rows = rows.into_iter().map(|row| (row.code.clone(), row));
        Ok(Self(rows.collect()))
    }

    /// What a code means, if it can be used now.
    pub(crate) fn terms(&self, cx: &Cx, given: &str) -> Result<Terms, PromoCodeError> {
        let code = model::normal(given);
        let Some(row) = self.0.get(&code) else {
            return Err(PromoCodeError::Unknown(given.trim().to_owned()));
        };
        row.check_usable(cx.now)?;
        Ok(row.terms())
    }

    /// Uses a code once.
    pub(crate) fn take(&mut self, applied: &AppliedCode) {
        if let Some(row) = self.0.get_mut(&applied.code) {
            row.held_count = row.held_count.saturating_add(1);
        }
    }
}

/// Refuses a code that applies to nothing in a basket.
pub(crate) fn check_applies(terms: &Terms, basket: &Basket) -> Result<(), PromoCodeError> {
    let applies = |id| terms.applies_to(id);
    if basket.lines.iter().any(|line| applies(line.ticket_type_id)) {
        return Ok(());
    }
    Err(PromoCodeError::NotForThese(terms.applied.code.clone()))
}

/// Whether two texts are the same code.
pub(crate) fn is_same(given: &str, other: &str) -> bool {
    model::normal(given) == model::normal(other)
}

#[cfg(test)]
mod tests {
    use domain::{Fault as _, Money, Patch, Permission};

    use super::*;
    use crate::{
        buyers,
        events::Event,
        holds::{ExtendHold, GetHold, HeldItem, Hold, HoldTickets, ReleaseHold, expire_due},
        lifecycle::UpdateEvent,
        orders::{CancelOrder, ConfirmPayment, GetOrder, OrderStatus, RefundChoice},
        promo_codes::{ArchivePromoCode, SavePromoCode},
        testing::{
            Scene, assert_refused, buying, eur, holding, order_with, ordering, promo, saving,
            selling, with_code,
        },
        ticket_types::{SaveTicketType, Visibility},
    };

    fn buyer(scene: &Scene) -> Cx {
        let may = [Permission::EventsRead, Permission::OrdersWrite];
        buyers::context(scene.cx.organization_id, may, scene.cx.now)
    }

    async fn with_hidden(scene: &Scene) -> Event {
        let (event, _) = scene.on_sale(2500, 10).await;
        let guests = SaveTicketType {
            visibility: Some(Visibility::Hidden),
            ..selling(event.id, "Guests", 1000, 5)
        };
        scene.run(guests).await.unwrap();
        event
    }

    fn of_type(mut hold: HoldTickets, name: &str) -> HoldTickets {
        hold.items[0].ticket_type = name.parse().unwrap();
        hold
    }

    #[tokio::test]
    async fn a_hold_keeps_its_price_and_hands_it_to_its_order() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene
            .run(promo(event.id, "Spring-15", 15, Some(2)))
            .await
            .unwrap();
        let hold = scene
            .run(with_code(holding(event.id, 3), " spring-15 "))
            .await
            .unwrap();
        assert_eq!(hold.promo_code.as_deref(), Some("SPRING-15"));
        assert_eq!(
            (hold.total.amount, hold.discount.unwrap().amount),
            (6375, 1125)
        );
        let line = &hold.items[0];
        assert_eq!(
            (line.unit_price.amount, line.listed_price.unwrap().amount),
            (2125, 2500)
        );
        assert_eq!(scene.uses(event.id).await, (1, 0));
        let shown = GetHold { hold: hold.id };
        assert_eq!(scene.run(shown).await.unwrap(), hold);
        // Whatever the organizer does meanwhile.
        let archive = ArchivePromoCode {
            event: event.id.into(),
            promo_code: "spring-15".parse().unwrap(),
        };
        scene.run(archive).await.unwrap();
        let other = order_with(ordering(&hold), "OTHER");
        assert_refused(scene.run(other).await, "hold_promo_code");
        let same = order_with(ordering(&hold), "Spring-15");
        let order = scene.run(same).await.unwrap().order;
        assert_eq!(order.order.promo_code.as_deref(), Some("SPRING-15"));
        assert_eq!(
            (
                order.order.total.amount,
                order.order.discount.unwrap().amount
            ),
            (6375, 1125)
        );
        let found = GetOrder {
            order: order.order.id.into(),
        };
        assert_eq!(scene.run(found).await.unwrap(), order);
        assert_eq!(scene.uses(event.id).await, (0, 1));
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn every_end_of_a_hold_or_order_gives_the_use_back() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene
            .run(promo(event.id, "ONCE", 10, Some(1)))
            .await
            .unwrap();
        let hold = with_code(holding(event.id, 1), "ONCE");
        let first = scene.run(hold.clone()).await.unwrap();
        assert_refused(scene.run(hold.clone()).await, "promo_code_used_up");
        let straight = order_with(buying(event.id, "Regular", 1), "once");
        assert_refused(scene.run(straight.clone()).await, "promo_code_used_up");
        // Those without it are not disturbed.
        scene.run(holding(event.id, 1)).await.unwrap();
        scene.run(ExtendHold { hold: first.id }).await.unwrap();
        scene.run(ReleaseHold { hold: first.id }).await.unwrap();
        scene.reconcile().await;
        scene.run(hold.clone()).await.unwrap();
        let end = scene.at("2027-01-11T09:15:00Z");
        assert_eq!(expire_due(&scene.app, end.now).await.unwrap(), 2);
        assert_eq!(scene.uses(event.id).await, (0, 0));
        for pays in [false, true] {
            let order = scene.run(straight.clone()).await.unwrap().order.order;
            assert_eq!(
                (order.status, order.total.amount),
                (OrderStatus::Pending, 2250)
            );
            if pays {
                scene
                    .run(ConfirmPayment::of(order.id.into()))
                    .await
                    .unwrap();
            }
            assert_eq!(scene.uses(event.id).await, (0, 1));
            assert_refused(scene.run(hold.clone()).await, "promo_code_used_up");
            let cancel = CancelOrder {
                refund: Some(RefundChoice::Full),
                ..CancelOrder::of(order.id.into())
            };
            scene.run(cancel.clone()).await.unwrap();
            scene.run(cancel).await.unwrap();
            assert_eq!(scene.uses(event.id).await, (0, 0));
            scene.reconcile().await;
        }
    }

    #[tokio::test]
    async fn a_use_that_ran_out_is_there_though_no_worker_looks() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene
            .run(promo(event.id, "ONCE", 10, Some(1)))
            .await
            .unwrap();
        let hold = with_code(holding(event.id, 1), "ONCE");
        let late = scene.run(hold.clone()).await.unwrap();
        let later = scene.at("2027-01-11T09:15:00Z");
        scene.app.run(&later, hold).await.unwrap();
        assert_refused(scene.app.run(&later, ordering(&late)).await, "hold_ended");
        let again = scene.at("2027-01-11T09:31:00Z");
        let straight = order_with(buying(event.id, "Regular", 1), "once");
        scene.app.run(&again, straight).await.unwrap();
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_code_for_everything_makes_a_free_order() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let saved = scene
            .run(promo(event.id, "PRESS", 100, None))
            .await
            .unwrap();
        assert_eq!(saved.warnings, ["Tickets cost nothing with it."]);
        for held in [false, true] {
            let order = if held {
                let hold = scene
                    .run(with_code(holding(event.id, 2), "PRESS"))
                    .await
                    .unwrap();
                ordering(&hold)
            } else {
                order_with(buying(event.id, "Regular", 2), "PRESS")
            };
            let placed = scene.run(order).await.unwrap();
            assert_eq!(placed.payment_instructions, None);
            let order = placed.order;
            assert_eq!(
                (order.order.status, order.tickets.len()),
                (OrderStatus::Paid, 2)
            );
            assert_eq!(order.order.discount.unwrap().amount, 5000);
        }
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn buyers_are_told_apart_what_is_wrong_with_a_code() {
        let scene = Scene::new().await;
        let event = with_hidden(&scene).await;
        let cx = buyer(&scene);
        let at = |local: &str| Patch::Set(local.parse().unwrap());
        let over = SavePromoCode {
            valid_until: at("2027-01-11T10:30"),
            ..promo(event.id, "EARLY", 10, None)
        };
        let early = SavePromoCode {
            valid_from: at("2027-01-11T11:00"),
            ..promo(event.id, "LATER", 10, None)
        };
        let elsewhere = SavePromoCode {
            ticket_types: Some(vec!["Guests".parse().unwrap()]),
            ..promo(event.id, "GUESTS", 10, None)
        };
        for command in [over, early, elsewhere, promo(event.id, "GONE", 10, None)] {
            scene.run(command).await.unwrap();
        }
        let archive = ArchivePromoCode {
            event: event.id.into(),
            promo_code: "GONE".parse().unwrap(),
        };
        scene.run(archive).await.unwrap();
        let now = scene.at("2027-01-11T09:45:00Z").now;
        let cx = cx.with_now(now);
        let try_code = async |code: &str| {
            let hold = with_code(holding(event.id, 1), code);
            scene.app.run(&cx, hold).await
        };
        for (code, refusal) in [
            ("EARLY", "promo_code_expired"),
            ("LATER", "promo_code_not_yet_valid"),
            ("GUESTS", "promo_code_not_for_these"),
            ("GONE", "promo_code_unknown"),
            ("N0NE", "promo_code_unknown"),
            ("?", "promo_code_unknown"),
            ("EARLY LATER", "promo_code_unknown"),
        ] {
            let refused = try_code(code).await;
            let error = refused.as_ref().unwrap_err();
            assert_eq!(error.field().as_deref(), Some("promo_code"), "{code}");
            assert_refused(refused, refusal);
        }
        // What was withdrawn looks like what never was.
        let (gone, never) = (try_code("GONE").await, try_code("NEVER").await);
        let (gone, never) = (
            gone.unwrap_err().to_string(),
            never.unwrap_err().to_string(),
        );
        assert_eq!(gone.replace("GONE", "NEVER"), never);
        assert_eq!(scene.database.count("select count(*) from hold").await, 0);
        // A code of one event is not known at another.
        let (other, _) = scene.on_sale(2500, 10).await;
        let refused = scene.run(with_code(holding(other.id, 1), "GUESTS")).await;
        assert_refused(refused, "promo_code_unknown");
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_hidden_type_is_there_with_a_code_that_unlocks_it() {
        let scene = Scene::new().await;
        let event = with_hidden(&scene).await;
        let cx = buyer(&scene);
        let access = SavePromoCode {
            code: Some("FRIENDS".parse().unwrap()),
            unlocks_hidden: Some(true),
            ticket_types: Some(vec!["Guests".parse().unwrap()]),
            ..SavePromoCode::of(event.id.into())
        };
        let saved = scene.run(access).await.unwrap();
        assert_eq!(saved.promo_code.says, "unlocks hidden ticket types Guests");
        scene.run(promo(event.id, "CHEAP", 10, None)).await.unwrap();
        let guests = of_type(holding(event.id, 1), "Guests");
        assert_refused(scene.app.run(&cx, guests.clone()).await, "not_found");
        let cheap = with_code(guests.clone(), "CHEAP");
        assert_refused(scene.app.run(&cx, cheap).await, "not_found");
        let unlocked = with_code(guests, "friends");
        let hold = scene.app.run(&cx, unlocked).await.unwrap();
        assert_eq!(
            (hold.total.amount, hold.discount.unwrap().amount),
            (1000, 0)
        );
        // The order needs no code: it has that of the hold.
        scene.app.run(&cx, ordering(&hold)).await.unwrap();
        let straight = order_with(buying(event.id, "Guests", 1), "FRIENDS");
        scene.app.run(&cx, straight).await.unwrap();
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_code_makes_only_what_it_applies_to_cheaper() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene
            .run(selling(event.id, "Student", 1200, 10))
            .await
            .unwrap();
        let fixed = SavePromoCode {
            code: Some("TENNER".parse().unwrap()),
            fixed_price: Some(Money::new(1000, eur())),
            ticket_types: Some(vec!["student".parse().unwrap()]),
            ..SavePromoCode::of(event.id.into())
        };
        let saved = scene.run(fixed).await.unwrap().promo_code;
        assert_eq!(saved.says, "tickets Student for 10.00 EUR");
        let mut both = with_code(holding(event.id, 2), "TENNER");
        both.items
            .extend(of_type(holding(event.id, 1), "Student").items);
        let hold = scene.run(both).await.unwrap();
        let prices = hold.items.iter().map(|item| item.unit_price.amount);
        assert_eq!(prices.collect::<Vec<_>>(), [2500, 1000]);
        assert_eq!(
            (hold.total.amount, hold.discount.unwrap().amount),
            (6000, 200)
        );
        // The organizer is told when a price crosses that of a code.
        let cheaper = SaveTicketType {
            ticket_type: Some("Student".parse().unwrap()),
            price: Some(Money::new(900, eur())),
            ..saving(event.id)
        };
        let warnings = scene.run(cheaper).await.unwrap().warnings;
        let told = "The promo code \"TENNER\" for 10.00 EUR does not make it cheaper any more.";
        assert!(
            warnings.iter().any(|warning| warning == told),
            "{warnings:?}"
        );
        let hold = of_type(with_code(holding(event.id, 1), "TENNER"), "Student");
        assert_eq!(scene.run(hold).await.unwrap().total.amount, 900);
        scene.reconcile().await;
    }

    /// Holds of random baskets in currencies without, with two and with three decimals: every total is the sum of its lines.
    #[tokio::test]
    async fn totals_are_the_sums_of_their_lines_in_every_currency() {
        for currency in ["JPY", "EUR", "KWD"] {
            let scene = Scene::new().await;
            let event = scene.published("Gala").await;
            let currency: domain::Currency = currency.parse().unwrap();
            let change = UpdateEvent {
                currency: Some(currency),
                ..UpdateEvent::of(event.id.into())
            };
            scene.run(change).await.unwrap();
            for (name, amount) in [("Regular", 2501), ("Student", 333), ("Crew", 1)] {
                let command = SaveTicketType {
                    price: Some(Money::new(amount, currency)),
                    ..selling(event.id, name, amount, 1000)
                };
                scene.run(command).await.unwrap();
            }
            let codes = [
                ("HALF", 50),
                ("SEVENTH", 14),
                ("MOST", 99),
                ("ALL-OF-IT", 100),
            ];
            for (code, percent) in codes {
                scene
                    .run(promo(event.id, code, percent, None))
                    .await
                    .unwrap();
            }
            let off = SavePromoCode {
                code: Some("MINUS".parse().unwrap()),
                amount_off: Some(Money::new(400, currency)),
                ..SavePromoCode::of(event.id.into())
            };
            scene.run(off).await.unwrap();
            for code in ["HALF", "SEVENTH", "MOST", "ALL-OF-IT", "MINUS"] {
                let mut wanted = with_code(holding(event.id, 7), code);
                wanted
                    .items
                    .extend(of_type(holding(event.id, 3), "Student").items);
                wanted
                    .items
                    .extend(of_type(holding(event.id, 9), "Crew").items);
                let hold: Hold = scene.run(wanted).await.unwrap();
                let sum = |price: fn(&HeldItem) -> i64| -> i64 {
                    hold.items
                        .iter()
                        .map(|item| price(item) * i64::from(item.quantity))
                        .sum()
                };
                let paid = sum(|item| item.unit_price.amount);
                let listed = sum(|item| item.listed_price.unwrap_or(item.unit_price).amount);
                assert!(hold.items.iter().all(|item| item.unit_price.amount >= 0));
                assert_eq!(hold.total, Money::new(paid, currency));
                assert_eq!(hold.discount, Some(Money::new(listed - paid, currency)));
                assert_eq!(listed, 7 * 2501 + 3 * 333 + 9);
            }
            scene.reconcile().await;
        }
    }
}
