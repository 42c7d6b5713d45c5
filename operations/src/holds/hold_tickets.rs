//! `hold_tickets`: places are set aside while somebody buys.

use domain::{
    Cx, EventId, Facts, Fault, FaultSpec, HoldId, Money, Name, Permission, Recorded, Reference,
    TicketTypeId, Timestamp, TurnId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::StoreError;

use super::{
    changes::HoldPlaced,
    expire::free_expired,
    model::{Hold, HoldRow, HoldStatus},
    sql,
};
use crate::{
    App, Effect, Operation,
    events::{self, Event},
    inventory::{Moves, Shortage, Step, UseStep},
    lookup::LookupError,
    promo_codes::PromoCodeError,
    seats::{self, Owner, SeatError, Taken, Wish},
    ticket_types::{self, AppliedCode, Basket, BasketError, Offer, Pick},
    together::{self, Counters, Sale, Together},
    waiting_room::{TurnError, Turns, lock_turns},
};

/// Set places aside for a few minutes while somebody buys, at the present prices; then order them with `place_order`
/// or give them back with `release_hold`. Not needed for an order whose buyer is known already.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HoldTickets {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// What is wanted.
    pub items: Vec<PickedItem>,
    /// A promo code of the event.
    pub promo_code: Option<Name>,
    /// A buyer's turn that has come, when the event has a waiting room.
    pub turn: Option<TurnId>,
}

/// So many of a ticket type.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct PickedItem {
    /// Ticket type: id or exact name.
    pub ticket_type: Reference<TicketTypeId>,
    /// How many.
    #[schemars(range(min = 1, max = 100))]
    pub quantity: i32,
    /// Which reserved seats, one for each: `Stalls A 12`, or several: `Stalls A 12-15`. The best available, side by side if
    /// any row has them so, when left out.
    #[serde(default)]
    pub seats: Vec<String>,
    /// How many of them are for wheelchair users, when no seats are named; seats of their company come with them.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub accessible: i32,
    /// What the buyer pays for each, where they choose; the least when left out.
    pub price: Option<Money>,
}

impl Operation for HoldTickets {
    const NAME: &'static str = "hold_tickets";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = Hold;
    type Error = HoldTicketsError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Hold, HoldTicketsError> {
        ticket_types::check_picks(&self.picks())?;
        let event = events::id_of(app, cx, &self.event).await?;
        match together::serve(app, cx, event, &self).await {
            Err(HoldTicketsError::Seats(error))
                if error.is_passing() && free_expired(app, cx, event).await? =>
            {
                together::serve(app, cx, event, &self).await
            }
            Err(
                HoldTicketsError::Basket(BasketError::SoldOut { .. })
                | HoldTicketsError::PromoCode(PromoCodeError::UsedUp(_))
                | HoldTicketsError::Turn(TurnError::InUse),
            ) if free_expired(app, cx, event).await? => {
                together::serve(app, cx, event, &self).await
            }
            outcome => outcome,
        }
    }
}

impl HoldTickets {
    fn picks(&self) -> Vec<Pick<'_>> {
        let picks = self.items.iter().map(|item| Pick {
            ticket_type: &item.ticket_type,
            quantity: item.quantity,
            price: item.price,
        });
        picks.collect()
    }

    /// The seats that are wanted, line by line.
    fn wishes(&self, basket: &Basket, offers: &[Offer]) -> Result<Vec<Wish>, SeatError> {
        let mut wishes = Vec::new();
        for (item, line) in self.items.iter().zip(&basket.lines) {
            let offer = offers.iter().find(|offer| offer.id == line.ticket_type_id);
            let wish = Wish {
                ticket_type_id: line.ticket_type_id,
                name: line.name.clone(),
                quantity: line.quantity,
                seats: item.seats.clone(),
                accessible: item.accessible,
            };
            wish.check(offer.is_some_and(|offer| offer.is_seated))?;
            wishes.push(wish);
        }
        Ok(wishes)
    }
}

impl Together for HoldTickets {
    type Answer = Hold;
    type Error = HoldTicketsError;
    type New = New;
    type Locked = Turns;

    fn counters(app: &App) -> &Counters<Self> {
        app.holds()
    }

    fn promo_code(&self) -> Option<&str> {
        self.promo_code.as_ref().map(Name::as_str)
    }

    async fn lock(conn: &mut PgConnection, _: &[Offer], wanted: &[&Self]) -> sqlx::Result<Turns> {
        let turns: Vec<TurnId> = wanted.iter().filter_map(|wanted| wanted.turn).collect();
        lock_turns(conn, &turns).await
    }

    fn prepare(
        &self,
        app: &App,
        cx: &Cx,
        sale: &mut Sale<'_, Turns>,
    ) -> Result<New, HoldTicketsError> {
        let turn = sale.locked.check(cx, sale.event, self.turn)?;
        let basket = sale.pick::<HoldTicketsError>(cx, &self.picks(), self.promo_code())?;
        let wishes = self.wishes(&basket, sale.offers)?;
        let mut new = New::ending(end_of_hold(app, cx), cx, sale.event, basket);
        new.wishes = wishes;
        new.turn = turn;
        sale.locked.use_up(turn);
        Ok(new)
    }

    async fn write(conn: &mut PgConnection, new: &[(&Cx, &New)]) -> sqlx::Result<bool> {
        sql::insert(conn, new).await?;
        Ok(true)
    }

    async fn take_seats(
        conn: &mut PgConnection,
        cx: &Cx,
        _: &[Offer],
        new: &mut New,
    ) -> Result<(), SeatError> {
        let owner = Owner::Hold(new.row.id);
        new.taken = seats::take(conn, cx, new.row.event_id, owner, &new.wishes).await?;
        Ok(())
    }

    fn renew(_: &mut New, _: &Cx) {}

    fn changes(new: &New) -> Vec<Recorded> {
        vec![Recorded::of(&new.change())]
    }

    fn answer(cx: &Cx, new: &New) -> Hold {
        Hold {
            seats: new.taken.seats.clone(),
            are_apart: new.taken.are_apart,
            ..new.row.seen(cx, &new.basket)
        }
    }

    fn uses(new: &New) -> Option<(UseStep, &AppliedCode)> {
        Some((UseStep::Hold, new.basket.promo_code.as_ref()?))
    }

    async fn moves(
        _: &mut PgConnection,
        offers: &[Offer],
        new: &[(&Cx, &New)],
    ) -> sqlx::Result<Moves> {
        let mut moves = Moves::default();
        for (_, new) in new {
            moves.add(Step::Hold, &new.basket.places(offers));
        }
        Ok(moves)
    }

    fn refusal(new: &New, offers: &[Offer], shortage: Shortage) -> HoldTicketsError {
        new.basket.sold_out(offers, shortage).into()
    }
}

/// A new hold, not written yet.
pub(crate) struct New {
    pub(super) row: HoldRow,
    pub(super) basket: Basket,
    event_title: String,
    wishes: Vec<Wish>,
    taken: Taken,
    /// The buyer's turn in which it is held.
    pub(super) turn: Option<TurnId>,
}

impl New {
    /// One that lives until then, and longer for nobody.
    pub(crate) fn until(expires_at: Timestamp, cx: &Cx, event: &Event, basket: Basket) -> Self {
        let mut new = Self::ending(expires_at, cx, event, basket);
        new.row.is_extended = true;
        new
    }

    fn ending(expires_at: Timestamp, cx: &Cx, event: &Event, basket: Basket) -> Self {
        let row = HoldRow {
            id: cx.new_id::<HoldId>(),
            event_id: event.id,
            status: HoldStatus::Live,
            currency: basket.total.currency,
            total_amount: basket.total.amount,
            ticket_count: basket.ticket_count(),
            expires_at,
            is_extended: false,
            order_id: None,
            promo_code_id: basket.promo_code.as_ref().map(|applied| applied.id),
            promo_code: basket
                .promo_code
                .as_ref()
                .map(|applied| applied.code.clone()),
            discount_amount: basket.discount.amount,
        };
        Self {
            row,
            basket,
            event_title: event.title.clone(),
            wishes: Vec::new(),
            taken: Taken::default(),
            turn: None,
        }
    }

    pub(crate) fn id(&self) -> HoldId {
        self.row.id
    }

    /// What is recorded of it.
    pub(crate) fn change(&self) -> HoldPlaced {
        HoldPlaced {
            hold_id: self.row.id,
            event_id: self.row.event_id,
            event_title: self.event_title.clone(),
            ticket_count: self.row.ticket_count,
            total: self.row.total(),
            expires_at: self.row.expires_at,
        }
    }
}

/// When a hold that begins or is extended now runs out.
pub(crate) fn end_of_hold(app: &App, cx: &Cx) -> Timestamp {
    let minutes = i64::from(app.hold_minutes());
    Timestamp::from_microseconds(cx.now.as_microseconds() + minutes * 60_000_000)
}

/// How `hold_tickets` refuses.
#[derive(Debug, thiserror::Error)]
pub enum HoldTicketsError {
    /// Something cannot be picked.
    #[error(transparent)]
    Basket(#[from] BasketError),
    /// The promo code cannot be used.
    #[error(transparent)]
    PromoCode(#[from] PromoCodeError),
    /// The seats cannot be had.
    #[error(transparent)]
    Seats(#[from] SeatError),
    /// It is not the buyer's turn.
    #[error(transparent)]
    Turn(#[from] TurnError),
    /// The event was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Fault for HoldTicketsError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = BasketError::specs();
        specs.extend(PromoCodeError::specs());
        specs.extend(SeatError::specs());
        specs.extend(TurnError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Basket(error) => error.facts(),
            Self::PromoCode(error) => error.facts(),
            Self::Seats(error) => error.facts(),
            Self::Turn(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for HoldTicketsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use domain::Money;

    use super::*;
    use crate::{
        orders::PlaceOrder,
        permission::Role,
        testing::{Scene, assert_refused, buying, eur, holding, ordering, saving},
        ticket_types::{ListTicketTypes, SaveTicketType},
    };

    #[tokio::test]
    async fn sets_places_aside_at_their_price() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let hold = scene.run(holding(event.id, 3)).await.unwrap();
        assert_eq!(
            (hold.status, hold.total.amount, hold.seconds_left),
            (HoldStatus::Live, 7500, Some(15 * 60))
        );
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Holds 3 places of \"Spring Gala\" while somebody buys"
        );
        let list = ListTicketTypes {
            event: event.id.into(),
        };
        let left = scene.run(list).await.unwrap().ticket_types.remove(0);
        let left = left.availability;
        assert_eq!((left.held, left.sold, left.left), (3, 0, Some(7)));
        let dearer = SaveTicketType {
            ticket_type: Some("Regular".parse().unwrap()),
            price: Some(Money::new(9900, eur())),
            ..saving(event.id)
        };
        scene.run(dearer).await.unwrap();
        let order = scene.run(ordering(&hold)).await.unwrap().order.order;
        assert_eq!(order.total.amount, 7500, "the price it was held at");
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn refuses_what_cannot_be_bought() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        for (quantity, code) in [
            (0, "quantity_out_of_range"),
            (101, "quantity_out_of_range"),
            (11, "quantity_outside_limits"),
            (6, "sold_out"),
        ] {
            assert_refused(scene.run(holding(event.id, quantity)).await, code);
        }
        let nothing = HoldTickets {
            items: Vec::new(),
            ..holding(event.id, 1)
        };
        assert_refused(scene.run(nothing).await, "item_count");
        let mut unknown = holding(event.id, 1);
        unknown.items[0].ticket_type = "Regulr".parse().unwrap();
        assert_refused(scene.run(unknown).await, "not_found");
        let other = scene.other_organization().await;
        assert_refused(
            scene.app.run(&other, holding(event.id, 1)).await,
            "not_found",
        );
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(
            scene.app.run(&viewer, holding(event.id, 1)).await,
            "forbidden",
        );
        assert_eq!(scene.database.count("select count(*) from hold").await, 0);
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        scene.assert_idempotent(holding(event.id, 3)).await;
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn what_ran_out_is_sold_though_no_worker_looks() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let late = scene.run(holding(event.id, 5)).await.unwrap();
        assert_refused(scene.run(holding(event.id, 1)).await, "sold_out");
        let later = scene.at("2027-01-11T09:15:00Z");
        let first = scene.app.run(&later, holding(event.id, 2)).await.unwrap();
        assert_eq!(first.ticket_count, 2);
        let bought = scene.app.run(&later, buying(event.id, "Regular", 3)).await;
        bought.unwrap();
        let refused = scene.app.run(&later, ordering(&late)).await;
        assert_refused(refused, "hold_ended");
        let third: PlaceOrder = buying(event.id, "Regular", 1);
        assert_refused(scene.app.run(&later, third).await, "sold_out");
        scene.reconcile().await;
    }
}
