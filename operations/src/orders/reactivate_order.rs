//! `reactivate_order`: an order that was cancelled or ran out counts again.

use domain::{
    Cx, Facts, Fault, FaultKind, FaultSpec, Money, Name, OrderId, OrderItemId, Permission,
    Recorded, Reference,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::OrderReactivated,
    confirm_payment::fulfil_items,
    detail::{OrderDetail, detail},
    model::{self, ItemRow, OrderRow, OrderStatus},
    sql,
};
use crate::{
    App, Effect, Operation,
    codes::CodeLookupError,
    events::{self, EventStatus},
    faults::EVENT_CLOSED,
    holds,
    inventory::{self, Moves, Step, UseStep, Uses},
    lookup::LookupError,
    seats::{self, Owner, SeatError, Wish},
    ticket_types,
    tickets::{self, Attendee},
};

/// Bring an order back that was cancelled or not paid in time, if its places are still there: with the money that was
/// kept it is paid again and its tickets are issued anew; otherwise it waits for its payment.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReactivateOrder {
    /// Order: id or number.
    pub order: Reference<OrderId>,
    /// Why, for the record.
    pub reason: Option<Name>,
}

impl Operation for ReactivateOrder {
    const NAME: &'static str = "reactivate_order";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersCancel;
    type Output = OrderDetail;
    type Error = ReactivateOrderError;

    async fn run(self, app: &App, cx: &Cx) -> Result<OrderDetail, ReactivateOrderError> {
        let event_id = {
            let mut tx = app.store().read(cx).await?;
            sql::resolve(tx.conn(), &self.order).await?.event_id
        };
        match self.reactivate(app, cx).await {
            // Holds that ran out must not make anything look sold out.
            Err(ReactivateOrderError::Gone(_))
                if holds::free_expired(app, cx, event_id).await? =>
            {
                self.reactivate(app, cx).await
            }
            outcome => outcome,
        }
    }
}

impl ReactivateOrder {
    async fn reactivate(&self, app: &App, cx: &Cx) -> Result<OrderDetail, ReactivateOrderError> {
        let mut tx = app.store().write(cx).await?;
        let found = sql::resolve(tx.conn(), &self.order).await?;
        let event = events::share(tx.conn(), cx, &found.event_id.into()).await?;
        if let EventStatus::Ended | EventStatus::Cancelled | EventStatus::Archived = event.status {
            return Err(ReactivateOrderError::EventClosed {
                title: event.title,
                status: event.status,
            });
        }
        let order = sql::lock(tx.conn(), found.id).await?;
        if matches!(order.status, OrderStatus::Pending | OrderStatus::Paid) {
            let answer = detail(tx.conn(), cx, order.id).await?;
            return Ok(tx.unchanged(answer).await?);
        }
        let is_paid = order.refundable().amount >= order.total_amount;
        let change = OrderReactivated {
            order_id: order.id,
            event_id: order.event_id,
            event_title: order.event_title.clone(),
            number: order.number.clone(),
            before: order.status,
            ticket_count: order.ticket_count,
            open: if is_paid {
                Money::zero(order.currency)
            } else {
                order.open()
            },
            reason: self.reason.as_ref().map(ToString::to_string),
        };
        let gone = || ReactivateOrderError::Gone(order.number.clone());
        sql::revive(tx.conn(), cx, order.id).await?;
        let items = sql::items(tx.conn(), order.id).await?;
        // One that ran out and is paid gets the very seats it had.
        if !(is_paid && order.status == OrderStatus::Expired) {
            let wish = |item: &ItemRow| Wish::best(item.ticket_type_id, &item.name, item.quantity);
            let wishes: Vec<Wish> = items.iter().map(wish).collect();
            let owner = Owner::Order(order.id);
            seats::take(tx.conn(), cx, order.event_id, owner, &wishes).await?;
        }
        if is_paid {
            let items = named(tx.conn(), &order, items).await?;
            let paid = Money::zero(order.currency);
            let paid = fulfil_items(&mut tx, &order, &items, paid).await?;
            let paid = paid.map_err(|_| gone())?;
            let answer = detail(tx.conn(), cx, order.id).await?;
            // Who is told of what was paid is sent the new tickets.
            let changes = vec![Recorded::of(&change), Recorded::of(&paid)];
            return Ok(tx.commit_all(changes, answer).await?);
        }
        let answer = detail(tx.conn(), cx, order.id).await?;
        let uses = Uses::of(UseStep::Use, order.promo_code_id);
        let counted = inventory::move_uses(tx.conn(), &uses).await?;
        counted.map_err(|_| gone())?;
        let places = inventory::places_of(tx.conn(), &model::counts(&items)).await?;
        let offers = ticket_types::offers(tx.conn(), event.id).await?;
        let moves = Moves::of(Step::Hold, &places);
        // Who waits comes first.
        let held =
            ticket_types::move_places(tx.conn(), cx, (&event, &offers), &moves, false).await?;
        held.map_err(|_| gone())?;
        Ok(tx.commit(change, answer).await?)
    }
}

/// The lines of an order with whoever was named on its tickets before they became void.
async fn named(
    conn: &mut sqlx::PgConnection,
    order: &OrderRow,
    mut items: Vec<ItemRow>,
) -> Result<Vec<ItemRow>, ReactivateOrderError> {
    let lines = tickets::lines(conn, order.id).await?;
    let issued = tickets::of_order(conn, order.id).await?;
    for item in &mut items {
        let of_item = |id: &domain::TicketId| lines.get(id) == Some::<&OrderItemId>(&item.id);
        let last = issued
            .iter()
            .filter(|ticket| of_item(&ticket.id) && ticket.voided_at == order.cancelled_at);
        let quantity = usize::try_from(item.quantity).unwrap_or_default();
        item.attendees = last.map(Attendee::of).take(quantity).collect();
    }
    Ok(items)
}

/// How `reactivate_order` refuses.
#[derive(Debug, thiserror::Error)]
pub enum ReactivateOrderError {
    /// Its places, or the last use of its promo code, are somebody else's.
    #[error("what order {0} had was sold meanwhile")]
    Gone(String),
    /// The event is over, cancelled or archived.
    #[error("{title:?} is {status}, so its orders stay as they are")]
    EventClosed {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// There are no seats for it.
    #[error(transparent)]
    Seats(#[from] SeatError),
    /// The order was not found.
    #[error(transparent)]
    Lookup(#[from] CodeLookupError),
}

const PLACES_GONE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "places_gone",
    "Offer what is left with list_ticket_types, and place a new order; or make room first.",
);

impl Fault for ReactivateOrderError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![PLACES_GONE, EVENT_CLOSED];
        specs.extend(SeatError::specs());
        specs.extend(CodeLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Gone(_) => PLACES_GONE.at("order"),
            Self::EventClosed { .. } => EVENT_CLOSED.into(),
            Self::Seats(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<LookupError> for ReactivateOrderError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<StoreError> for ReactivateOrderError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<sqlx::Error> for ReactivateOrderError {
    fn from(error: sqlx::Error) -> Self {
        Self::Lookup(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        events::StatusMove,
        orders::{CancelOrder, ConfirmPayment, PlaceOrder, RefundChoice},
        permission::Role,
        testing::{Scene, assert_refused, buying, holding, order_with, promo},
        tickets::TicketStatus,
    };

    fn again(order: &OrderDetail) -> ReactivateOrder {
        ReactivateOrder {
            order: order.order.id.into(),
            reason: None,
        }
    }

    async fn cancelled(scene: &Scene, order: &OrderDetail, refund: Option<RefundChoice>) {
        let cancel = CancelOrder {
            refund,
            ..CancelOrder::of(order.order.id.into())
        };
        scene.run(cancel).await.unwrap();
    }

    async fn paid(scene: &Scene, order: &OrderDetail) -> OrderDetail {
        let paying = ConfirmPayment::of(order.order.id.into());
        scene.run(paying).await.unwrap().order
    }

    #[tokio::test]
    async fn with_the_money_that_was_kept_it_is_paid_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 2).await;
        let mut wanted: PlaceOrder = buying(event.id, "Regular", 2);
        wanted.items[0].attendees = vec![Attendee {
            name: Some("Grace Hopper".parse().unwrap()),
            email: None,
        }];
        let order = scene.run(wanted).await.unwrap().order;
        let order = paid(&scene, &order).await;
        cancelled(&scene, &order, Some(RefundChoice::None)).await;
        let back = scene.run(again(&order)).await.unwrap();
        assert_eq!(back.order.status, OrderStatus::Paid);
        let valid = |ticket: &&tickets::Ticket| ticket.status == TicketStatus::Valid;
        let valid: Vec<_> = back.tickets.iter().filter(valid).collect();
        let names: Vec<_> = valid
            .iter()
            .map(|ticket| ticket.attendee_name.is_some())
            .collect();
        assert_eq!(names, [true, false], "two tickets, one of them named");
        let old = order.tickets.iter().map(|ticket| &ticket.code);
        assert!(
            old.clone()
                .all(|old| valid.iter().all(|ticket| ticket.code != *old))
        );
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn what_was_given_back_is_to_be_paid_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 2).await;
        let order = paid(&scene, &scene.order(event.id, 2).await).await;
        cancelled(&scene, &order, Some(RefundChoice::Full)).await;
        let back = scene.run(again(&order)).await.unwrap();
        assert_eq!(back.order.status, OrderStatus::Pending);
        assert_eq!(back.order.open.unwrap().amount, 5000);
        assert_refused(scene.run(buying(event.id, "Regular", 1)).await, "sold_out");
        scene.reconcile().await;
        let paid = paid(&scene, &order).await;
        assert_eq!(paid.order.status, OrderStatus::Paid);
        let kept: i64 = paid.payments.iter().map(|paid| paid.amount.amount).sum();
        assert_eq!(kept, 10_000, "5000 of it were given back before");
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn takes_its_places_only_if_they_are_still_there() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 2).await;
        scene
            .run(promo(event.id, "ONCE", 20, Some(1)))
            .await
            .unwrap();
        let wanted = order_with(buying(event.id, "Regular", 1), "ONCE");
        let order = scene.run(wanted.clone()).await.unwrap().order;
        cancelled(&scene, &order, None).await;
        scene.run(wanted).await.unwrap();
        let used_up = scene.run(again(&order)).await;
        assert_refused(used_up, "places_gone");
        let other = scene.order(event.id, 1).await;
        cancelled(&scene, &other, None).await;
        let hold = scene.run(holding(event.id, 1)).await.unwrap();
        assert_refused(scene.run(again(&other)).await, "places_gone");
        assert!(hold.seconds_left.is_some());
        let later = scene.at("2027-01-11T09:15:00Z");
        let back = scene.app.run(&later, again(&other)).await.unwrap();
        assert_eq!(back.order.status, OrderStatus::Pending);
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn refuses_strangers_and_events_that_are_called_off() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 2).await;
        let order = scene.order(event.id, 1).await;
        let seen = scene.run(again(&order)).await.unwrap();
        assert_eq!(seen.order.status, OrderStatus::Pending, "it counts already");
        cancelled(&scene, &order, None).await;
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, again(&order)).await, "not_found");
        let door = scene.as_role(Role::Door);
        assert_refused(scene.app.run(&door, again(&order)).await, "forbidden");
        scene.move_event(event.id, StatusMove::Cancel(None)).await;
        assert_refused(scene.run(again(&order)).await, "event_closed");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 2).await;
        let order = scene.order(event.id, 1).await;
        cancelled(&scene, &order, None).await;
        scene.assert_idempotent(again(&order)).await;
        scene.reconcile().await;
    }
}
