//! `place_order`: a buyer's purchase.

use std::collections::HashMap;

use domain::{
    Actor, Cx, EmailAddress, EventId, HoldId, LongText, Name, Permission, Recorded, Reference,
    TicketTypeId, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::{
    buyer_limit::Bought,
    detail::OrderDetail,
    place_order_error::PlaceOrderError,
    placing::{self, Draft, New, Origin},
};
use crate::{
    App, Effect, Operation, events,
    holds::{self, Held, HoldStatus},
    inventory::{Moves, Shortage, UseStep},
    promo_codes::{self, PromoCodeError},
    seats::SeatError,
    ticket_types::{self, AppliedCode, Basket, BasketError, Offer, Pick},
    tickets::Attendee,
    together::{self, Counters, Sale, Together},
    waiting_room::Turns,
};

/// Place an order for a buyer, at present prices or a hold's. A free order is paid and its tickets issued at once;
/// others hold their places until `confirm_payment` or `cancel_order`. Read event, tickets and total back first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PlaceOrder {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// What is bought, without a hold.
    #[serde(default)]
    pub items: Vec<ItemRequest>,
    /// Of `hold_tickets`.
    pub hold: Option<HoldId>,
    /// A promo code.
    pub promo_code: Option<Name>,
    /// Who buys.
    pub buyer: Buyer,
    /// A note for the organizer.
    pub note: Option<LongText>,
}

/// One line of a new order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ItemRequest {
    /// Ticket type: id or exact name.
    pub ticket_type: Reference<TicketTypeId>,
    /// How many.
    #[schemars(range(min = 1, max = 100))]
    pub quantity: i32,
    /// Who will hold them, if known.
    #[serde(default)]
    pub attendees: Vec<Attendee>,
}

/// Who buys.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Buyer {
    /// Their name.
    pub name: Name,
    /// Their e-mail address.
    pub email: EmailAddress,
}

// Personal data: a debug print ends up in logs.
impl std::fmt::Debug for Buyer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Buyer(…)")
    }
}

/// The new order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlacedOrder {
    /// The order.
    pub order: OrderDetail,
    /// What to tell the buyer about paying; absent when it was free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_instructions: Option<String>,
}

impl Operation for PlaceOrder {
    const NAME: &'static str = "place_order";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = PlacedOrder;
    type Error = PlaceOrderError;

    async fn run(self, app: &App, cx: &Cx) -> Result<PlacedOrder, PlaceOrderError> {
        self.check_shape()?;
        let event = events::id_of(app, cx, &self.event).await?;
        match together::serve(app, cx, event, &self).await {
            Err(PlaceOrderError::Seats(error))
                if error.is_passing() && holds::free_expired(app, cx, event).await? =>
            {
                together::serve(app, cx, event, &self).await
            }
            Err(
                PlaceOrderError::Basket(BasketError::SoldOut { .. })
                | PlaceOrderError::PromoCode(PromoCodeError::UsedUp(_)),
            ) if holds::free_expired(app, cx, event).await? => {
                together::serve(app, cx, event, &self).await
            }
            outcome => outcome,
        }
    }
}

impl Together for PlaceOrder {
    type Answer = PlacedOrder;
    type Error = PlaceOrderError;
    type New = New;
    type Locked = Locked;

    fn counters(app: &App) -> &Counters<Self> {
        app.orders()
    }

    fn promo_code(&self) -> Option<&str> {
        self.promo_code.as_ref().map(Name::as_str)
    }

    async fn lock(
        conn: &mut PgConnection,
        offers: &[Offer],
        wanted: &[&Self],
    ) -> sqlx::Result<Locked> {
        let ids: Vec<HoldId> = wanted.iter().filter_map(|wanted| wanted.hold).collect();
        let buyers = wanted.iter().map(|wanted| &wanted.buyer.email);
        Ok(Locked {
            holds: holds::lock_all(conn, &ids).await?,
            bought: Bought::lock(conn, offers, buyers).await?,
        })
    }

    fn prepare(
        &self,
        app: &App,
        cx: &Cx,
        sale: &mut Sale<'_, Locked>,
    ) -> Result<New, PlaceOrderError> {
        // Before anything is picked: what is refused must not look taken to those who come after.
        let wanted = self.counts(sale);
        let bought = &sale.locked.bought;
        bought.check(sale.offers, &self.buyer.email, &wanted)?;
        let (basket, origin) = match self.hold {
            None => {
                Turns::default().check(cx, sale.event, None)?;
                let basket = sale.pick::<PlaceOrderError>(cx, &self.picks(), self.promo_code())?;
                (basket, Origin::Free)
            }
            Some(id) => (self.held(id, sale)?, Origin::Hold(id)),
        };
        sale.locked.bought.add(&self.buyer.email, &wanted);
        let attendees = self.items.iter().map(|item| item.attendees.clone());
        let draft = Draft {
            event: sale.event,
            basket,
            attendees: attendees.collect(),
            origin,
            buyer_name: self.buyer.name.as_str(),
            buyer_email: &self.buyer.email,
            note: self.note.as_ref().map(LongText::as_str),
            is_complimentary: false,
            pay_by: pay_by(app, cx),
        };
        Ok(draft.order(cx))
    }

    async fn write(conn: &mut PgConnection, new: &[(&Cx, &New)]) -> sqlx::Result<bool> {
        placing::write(conn, new).await
    }

    async fn take_seats(
        conn: &mut PgConnection,
        cx: &Cx,
        _: &[Offer],
        new: &mut New,
    ) -> Result<(), SeatError> {
        placing::take_seats(conn, cx, new).await
    }

    fn renew(new: &mut New, cx: &Cx) {
        new.renumber(cx);
    }

    fn changes(new: &New) -> Vec<Recorded> {
        new.changes()
    }

    fn answer(cx: &Cx, new: &New) -> PlacedOrder {
        PlacedOrder::of(new.seen(cx))
    }

    fn uses(new: &New) -> Option<(UseStep, &AppliedCode)> {
        new.uses()
    }

    async fn moves(
        conn: &mut PgConnection,
        offers: &[Offer],
        new: &[(&Cx, &New)],
    ) -> sqlx::Result<Moves> {
        placing::moves(conn, offers, new).await
    }

    fn refusal(new: &New, offers: &[Offer], shortage: Shortage) -> PlaceOrderError {
        new.sold_out(offers, shortage).into()
    }
}

/// What nobody else orders meanwhile, and for whom.
pub(crate) struct Locked {
    /// Those that are ordered.
    holds: HashMap<HoldId, Held>,
    /// What the buyers have.
    bought: Bought,
}

/// Until when it can be paid: who buys for themselves pays at once, where that is possible; whoever an organizer sells to
/// pays as they agree.
fn pay_by(app: &App, cx: &Cx) -> Option<Timestamp> {
    let pays_at_once = cx.actor == Actor::Buyer && app.payments().is_some();
    pays_at_once.then(|| holds::end_of_hold(app, cx))
}

impl PlacedOrder {
    fn of(order: OrderDetail) -> Self {
        let payment_instructions = order.order.open.map(|open| {
            let number = &order.order.number;
            if let Some(until) = order.order.pay_by {
                return format!(
                    "Pay {open} online before {until}: start_checkout gives the page. The places are held until then."
                );
            }
            format!(
                "Pay {open} to the organizer and give the order number {number} as the reference. \
                 The places are held until then."
            )
        });
        Self {
            order,
            payment_instructions,
        }
    }
}

impl PlaceOrder {
    fn picks(&self) -> Vec<Pick<'_>> {
        let picks = self.items.iter().map(|item| Pick {
            ticket_type: &item.ticket_type,
            quantity: item.quantity,
            // Who chooses a price holds the tickets at it first.
            price: None,
        });
        picks.collect()
    }

    /// What can be said without looking anything up.
    fn check_shape(&self) -> Result<(), PlaceOrderError> {
        if self.hold.is_none() || !self.items.is_empty() {
            ticket_types::check_picks(&self.picks())?;
        }
        for (index, item) in self.items.iter().enumerate() {
            let named = item.attendees.len();
            if i32::try_from(named).is_ok_and(|named| named > item.quantity) {
                return Err(PlaceOrderError::TooManyAttendees {
                    index,
                    named,
                    quantity: item.quantity,
                });
            }
        }
        Ok(())
    }

    /// How many of which ticket types are wanted, as far as that is clear.
    fn counts(&self, sale: &Sale<'_, Locked>) -> Vec<(TicketTypeId, i32)> {
        if let Some(id) = self.hold {
            let held = sale.locked.holds.get(&id);
            return held.map_or_else(Vec::new, |(_, basket)| basket.counts());
        }
        let found = self.items.iter().filter_map(|item| {
            let offer = ticket_types::find(sale.offers, &item.ticket_type).ok()?;
            Some((offer.id, item.quantity))
        });
        found.collect()
    }

    /// What a hold holds, which nobody else can order from now on.
    fn held(&self, id: HoldId, sale: &mut Sale<'_, Locked>) -> Result<Basket, PlaceOrderError> {
        ticket_types::on_sale(sale.event)?;
        let found = sale.locked.holds.get_mut(&id);
        let (hold, basket) = found.ok_or_else(|| holds::missing(id))?;
        if hold.event_id != sale.event.id {
            return Err(PlaceOrderError::HoldElsewhere(sale.event.title.clone()));
        }
        if hold.status != HoldStatus::Live {
            return Err(PlaceOrderError::HoldEnded(hold.status));
        }
        self.check_held(sale.offers, basket)?;
        self.check_code(basket)?;
        hold.status = HoldStatus::Ordered;
        Ok(basket.clone())
    }

    /// Checks that the promo code, if one was given, is that of the hold: it has its price already.
    fn check_code(&self, held: &Basket) -> Result<(), PlaceOrderError> {
        let Some(given) = self.promo_code() else {
            return Ok(());
        };
        match &held.promo_code {
            Some(applied) if promo_codes::is_same(given, &applied.code) => Ok(()),
            _ => Err(PlaceOrderError::HoldHasOtherCode(given.to_owned())),
        }
    }

    /// Checks that what is ordered, if it was said at all, is what is held.
    fn check_held(&self, offers: &[Offer], held: &Basket) -> Result<(), PlaceOrderError> {
        if self.items.is_empty() {
            return Ok(());
        }
        if self.items.len() != held.lines.len() {
            return Err(PlaceOrderError::HoldDiffers);
        }
        for (index, (item, line)) in self.items.iter().zip(&held.lines).enumerate() {
            // It may be off the list by now; its id is known all the same.
            let id = match &item.ticket_type {
                Reference::Id(id) => *id,
                Reference::Name(_) => {
                    ticket_types::find(offers, &item.ticket_type)
                        .map_err(|error| BasketError::TicketType { index, error })?
                        .id
                }
            };
            if (id, item.quantity) != (line.ticket_type_id, line.quantity) {
                return Err(PlaceOrderError::HoldDiffers);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use domain::Patch;

    use super::*;
    use crate::{
        events::StatusMove,
        orders::OrderStatus,
        permission::Role,
        testing::{Scene, assert_refused, buying, new_event, selling},
        ticket_types::{SaveTicketType, Visibility},
        tickets::TicketStatus,
    };

    fn at(local: &str) -> Patch<domain::LocalTime> {
        Patch::Set(local.parse().unwrap())
    }

    #[tokio::test]
    async fn holds_places_until_the_money_comes() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let placed = scene.run(buying(event.id, "regular", 2)).await.unwrap();
        let order = placed.order.order;
        assert_eq!(
            (order.status, order.total.to_string()),
            (OrderStatus::Pending, "50.00 EUR".to_owned())
        );
        let told = placed.payment_instructions.unwrap();
        assert!(
            told.contains(&order.number) && told.contains("50.00 EUR"),
            "{told}"
        );
        assert!(placed.order.tickets.is_empty());
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            format!(
                "Places order {} for \"Spring Gala\": 2 tickets, 50.00 EUR to pay",
                order.number
            )
        );
        assert!(
            !change.payload.to_string().contains("Ada"),
            "no personal data"
        );
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_free_order_is_paid_and_has_its_tickets_at_once() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 10).await;
        let mut command = buying(event.id, "Regular", 2);
        command.items[0].attendees.push(Attendee {
            name: Some("Grace Hopper".parse().unwrap()),
            email: None,
        });
        let placed = scene.run(command).await.unwrap();
        assert_eq!(placed.order.order.status, OrderStatus::Paid);
        assert_eq!(placed.payment_instructions, None);
        let tickets = placed.order.tickets;
        assert_eq!(tickets.len(), 2);
        assert!(
            tickets
                .iter()
                .all(|t| t.status == TicketStatus::Valid && t.code.len() == 23)
        );
        assert_eq!(
            tickets[0].attendee_name.as_ref().unwrap().as_str(),
            "Grace Hopper"
        );
        assert_eq!(tickets[1].attendee_name, None);
        let kinds: Vec<_> = scene.changes().await.into_iter().map(|c| c.kind).collect();
        assert_eq!(kinds[kinds.len() - 2..], ["order.placed", "order.paid"]);
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn refuses_what_cannot_be_an_order() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let mut empty = buying(event.id, "Regular", 1);
        empty.items.clear();
        assert_refused(scene.run(empty).await, "item_count");
        assert_refused(
            scene.run(buying(event.id, "Regular", 0)).await,
            "quantity_out_of_range",
        );
        assert_refused(
            scene.run(buying(event.id, "Regular", 101)).await,
            "quantity_out_of_range",
        );
        let mut crowd = buying(event.id, "Regular", 1);
        crowd.items[0].attendees = vec![Attendee::default(); 2];
        assert_refused(scene.run(crowd).await, "too_many_attendees");
        let error = scene.run(buying(event.id, "Regulr", 1)).await.unwrap_err();
        assert_eq!(
            domain::Fault::field(&error).unwrap(),
            "items[0].ticket_type"
        );
        assert_eq!(domain::Fault::candidates(&error)[0].name, "Regular");
        assert_refused::<(), _>(Err(error), "not_found");
    }

    #[tokio::test]
    async fn counts_the_lines_of_a_type_together_against_its_limits() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 50).await;
        let mut twice = buying(event.id, "Regular", 6);
        twice.items.push(twice.items[0].clone());
        assert_refused(scene.run(twice).await, "quantity_outside_limits");
        let pairs = SaveTicketType {
            min_per_order: Some(2),
            ..selling(event.id, "Pair", 4000, 10)
        };
        scene.run(pairs).await.unwrap();
        assert_refused(
            scene.run(buying(event.id, "Pair", 1)).await,
            "quantity_outside_limits",
        );
    }

    #[tokio::test]
    async fn refuses_what_is_not_on_sale() {
        let scene = Scene::new().await;
        let draft = scene.run(new_event("Draft")).await.unwrap().event;
        scene
            .run(selling(draft.id, "Regular", 2500, 10))
            .await
            .unwrap();
        assert_refused(
            scene.run(buying(draft.id, "Regular", 1)).await,
            "event_not_on_sale",
        );
        let (event, _) = scene.on_sale(2500, 10).await;
        let later = scene.at("2027-02-05T09:00:00Z");
        let late = buying(event.id, "Regular", 1);
        assert_refused(scene.app.run(&later, late).await, "event_not_on_sale");
        let early = SaveTicketType {
            sales_end: at("2027-01-01T00:00"),
            ..selling(event.id, "Early bird", 2000, 10)
        };
        scene.run(early).await.unwrap();
        assert_refused(
            scene.run(buying(event.id, "Early bird", 1)).await,
            "not_on_sale",
        );
        let soon = SaveTicketType {
            sales_start: at("2027-01-20T12:00"),
            ..selling(event.id, "Soon", 2000, 10)
        };
        scene.run(soon).await.unwrap();
        let error = scene.run(buying(event.id, "Soon", 1)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"Soon\" is not on sale: the sale begins on Wed 20 Jan 2027, 12:00"
        );
        scene.move_event(event.id, StatusMove::Cancel(None)).await;
        assert_refused(
            scene.run(buying(event.id, "Regular", 1)).await,
            "event_not_on_sale",
        );
        let hidden = Scene::new().await;
        let event = hidden.published("Gala").await;
        let secret = SaveTicketType {
            visibility: Some(Visibility::Hidden),
            ..selling(event.id, "Friends", 0, 10)
        };
        hidden.run(secret).await.unwrap();
        hidden.run(buying(event.id, "Friends", 1)).await.unwrap();
    }

    #[tokio::test]
    async fn says_how_many_are_left() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        scene.order(event.id, 3).await;
        let error = scene.run(buying(event.id, "Regular", 3)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "2 of the 3 Regular tickets asked for are left"
        );
        assert_refused::<(), _>(Err(error), "sold_out");
        scene.order(event.id, 2).await;
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn refuses_a_total_beyond_counting() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        // From before prices had a limit.
        let mut owner = scene.database.owner().await;
        sqlx::query("update ticket_type set price_amount = 9223372036854775807")
            .execute(&mut owner)
            .await
            .unwrap();
        assert_refused(
            scene.run(buying(event.id, "Regular", 2)).await,
            "total_too_large",
        );
    }

    #[tokio::test]
    async fn another_organization_and_a_viewer_cannot_buy() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let command = buying(event.id, "Regular", 1);
        assert_refused(scene.app.run(&other, command.clone()).await, "not_found");
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(scene.app.run(&viewer, command).await, "forbidden");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        scene
            .assert_idempotent(buying(event.id, "Regular", 3))
            .await;
        scene.reconcile().await;
    }
}
