//! `confirm_payment`: money for an order came in outside EventOS.

use domain::{
    Cx, Facts, Fault, FaultKind, FaultSpec, LocalDate, Money, Name, OrderId, Permission, Reference,
    Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{StoreError, WriteTx};

use super::{
    changes::OrderPaid,
    detail::{OrderDetail, detail, detail_of},
    invoices::keep_up,
    model::{self, ItemRow, OrderRow, OrderStatus},
    payments::{PaymentMethod, Received, receive},
    sql,
};
use crate::{
    App, Effect, Operation,
    codes::CodeLookupError,
    events::{self, Event, EventStatus},
    inventory::{self, Moves, Step, UseStep, Uses},
    lookup::LookupError,
    seats, tickets,
};

/// Record that the money for a pending order came in: the order becomes paid and its tickets are issued. Give
/// `amount` when it is known; only the exact open amount is accepted. Repeating it changes nothing.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ConfirmPayment {
    /// Order: id or number.
    pub order: Reference<OrderId>,
    /// What came in, to be compared with what is open.
    pub amount: Option<Money>,
    /// What it was marked with, such as the text of a bank transfer.
    pub reference: Option<Name>,
    /// The day it came in, such as 2027-01-09; today when left out.
    pub received_on: Option<LocalDate>,
}

/// How many days ago a payment may have come in: two years. Longer ago, the year is mistyped.
const OLDEST_DAYS: i32 = 731;

/// The paid order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfirmedPayment {
    /// The order.
    pub order: OrderDetail,
    /// Whether it was paid before, so that nothing changed.
    pub was_paid_already: bool,
}

impl Operation for ConfirmPayment {
    const NAME: &'static str = "confirm_payment";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::PaymentsConfirm;
    type Output = ConfirmedPayment;
    type Error = ConfirmPaymentError;

    async fn run(self, app: &App, cx: &Cx) -> Result<ConfirmedPayment, ConfirmPaymentError> {
        let mut tx = app.store().write(cx).await?;
        let found = sql::resolve(tx.conn(), &self.order).await?;
        let event = events::share(tx.conn(), cx, &found.event_id.into()).await?;
        let order = sql::lock(tx.conn(), found.id).await?;
        if order.status == OrderStatus::Paid {
            let answer = ConfirmedPayment {
                order: detail_of(tx.conn(), cx, order).await?,
                was_paid_already: true,
            };
            return Ok(tx.unchanged(answer).await?);
        }
        let (amount, received_at) = self.check(cx, &event, &order)?;
        let received = Received {
            method: PaymentMethod::Manual,
            amount,
            reference: self.reference.as_ref().map(Name::as_str),
            processor_reference: None,
            gift_card_id: None,
            moved_from: None,
            came_at: received_at,
        };
        // What was kept of an earlier payment may cover it.
        if !amount.is_zero() {
            receive(tx.conn(), cx, order.id, &received).await?;
        }
        let change = fulfil(&mut tx, &order, amount).await?;
        // What is held cannot run out.
        let change = change.map_err(|_| sqlx::Error::RowNotFound)?;
        let answer = ConfirmedPayment {
            order: detail(tx.conn(), cx, order.id).await?,
            was_paid_already: false,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

/// What an order that has ended had is somebody else's by now: its places, or the last use of its promo code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// Makes an order paid that is locked, and for which enough came in: issues its tickets, and lets its places make a step
/// last. One that has ended takes its places and the use of its promo code anew; whoever finds them gone gives up the
/// whole transaction.
pub(super) async fn fulfil(
    tx: &mut WriteTx<'_>,
    order: &OrderRow,
    amount: Money,
) -> Result<Result<OrderPaid, Gone>, LookupError> {
    let items = sql::items(tx.conn(), order.id).await?;
    fulfil_items(tx, order, &items, amount).await
}

/// Like [`fulfil`], with the order's lines as they were read.
pub(super) async fn fulfil_items(
    tx: &mut WriteTx<'_>,
    order: &OrderRow,
    items: &[ItemRow],
    amount: Money,
) -> Result<Result<OrderPaid, Gone>, LookupError> {
    let paid = admit(tx, order, items, amount).await?;
    if paid.is_ok() {
        keep_up(tx, order.id).await?;
    }
    Ok(paid)
}

/// Makes a pending order paid that has come to cost no more than what was kept of its payments, or nothing. Its places are
/// held, and its documents follow later in the transaction.
pub(super) async fn admit_if_covered(
    tx: &mut WriteTx<'_>,
    event: &Event,
    order_id: OrderId,
) -> Result<Option<OrderPaid>, LookupError> {
    let order = sql::get(tx.conn(), order_id).await?;
    let is_called_off = matches!(event.status, EventStatus::Cancelled | EventStatus::Archived);
    if order.status != OrderStatus::Pending || !order.open().is_zero() || is_called_off {
        return Ok(None);
    }
    let items = sql::items(tx.conn(), order.id).await?;
    let paid = admit(tx, &order, &items, Money::zero(order.currency)).await?;
    // What is held cannot run out.
    let paid = paid.map_err(|_| sqlx::Error::RowNotFound)?;
    Ok(Some(paid))
}

async fn admit(
    tx: &mut WriteTx<'_>,
    order: &OrderRow,
    items: &[ItemRow],
    amount: Money,
) -> Result<Result<OrderPaid, Gone>, LookupError> {
    let cx = tx.cx();
    sql::mark_paid(tx.conn(), cx, order.id).await?;
    let new = model::tickets(cx, order, items);
    let new: Vec<_> = new.iter().collect();
    tickets::issue(tx.conn(), cx.organization_id, &new).await?;
    sql::forget_attendees(tx.conn(), order.id).await?;
    let counts = model::counts(items);
    // Whoever brings a cancelled order back has found it seats already.
    let is_late = order.status == OrderStatus::Expired;
    if is_late && !seats::take_anew(tx.conn(), cx, order.event_id, order.id, &counts).await? {
        return Ok(Err(Gone));
    }
    seats::to_tickets(tx.conn(), order.id).await?;
    let places = inventory::places_of(tx.conn(), &counts).await?;
    let step = if order.status == OrderStatus::Pending {
        Step::SellHeld
    } else {
        let uses = Uses::of(UseStep::Use, order.promo_code_id);
        if inventory::move_uses(tx.conn(), &uses).await?.is_err() {
            return Ok(Err(Gone));
        }
        Step::Sell
    };
    let taken = inventory::move_places(tx.conn(), &Moves::of(step, &places)).await?;
    if taken.is_err() {
        return Ok(Err(Gone));
    }
    Ok(Ok(OrderPaid {
        order_id: order.id,
        event_id: order.event_id,
        event_title: order.event_title.clone(),
        number: order.number.clone(),
        amount,
        tickets_issued: order.ticket_count,
    }))
}

impl ConfirmPayment {
    /// The payment of what is open, come in today.
    pub fn of(order: Reference<OrderId>) -> Self {
        Self {
            order,
            amount: None,
            reference: None,
            received_on: None,
        }
    }

    /// What comes in, and when it came in, if the order may be paid.
    fn check(
        &self,
        cx: &Cx,
        event: &Event,
        order: &OrderRow,
    ) -> Result<(Money, Timestamp), ConfirmPaymentError> {
        if order.status != OrderStatus::Pending {
            return Err(ConfirmPaymentError::NotPending {
                number: order.number.clone(),
                status: order.status,
            });
        }
        if let EventStatus::Cancelled | EventStatus::Archived = event.status {
            return Err(ConfirmPaymentError::EventCalledOff {
                title: event.title.clone(),
                status: event.status,
            });
        }
        let open = order.open();
        if let Some(given) = self.amount.filter(|given| *given != open) {
            return Err(ConfirmPaymentError::AmountDiffers { given, open });
        }
        Ok((open, self.received_at(cx, event)?))
    }

    /// When it came in. Of a day, noon: that is the same day on the clocks of most other zones too.
    fn received_at(&self, cx: &Cx, event: &Event) -> Result<Timestamp, ConfirmPaymentError> {
        let Some(day) = self.received_on else {
            return Ok(cx.now);
        };
        let today = LocalDate::from(cx.now.in_zone(&event.zone));
        if day > today {
            return Err(ConfirmPaymentError::ReceivedInTheFuture(day));
        }
        if day < today.plus_days(-OLDEST_DAYS) {
            return Err(ConfirmPaymentError::ReceivedLongAgo(day));
        }
        Ok(day.noon().resolve_leniently(&event.zone).min(cx.now))
    }
}

/// How `confirm_payment` refuses.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmPaymentError {
    /// The order is cancelled or expired.
    #[error("order {number} is {status}, so no payment can be recorded for it")]
    NotPending {
        /// Its number.
        number: String,
        /// Its state.
        status: OrderStatus,
    },
    /// Its event will not take place.
    #[error("{title:?} is {status}, so no payment can be recorded for it")]
    EventCalledOff {
        /// The event's title.
        title: String,
        /// The event's state.
        status: EventStatus,
    },
    /// Another amount than what is open.
    #[error("{given} came in, but {open} are open")]
    AmountDiffers {
        /// What came in.
        given: Money,
        /// What is open.
        open: Money,
    },
    /// The day has not come.
    #[error("{0} is in the future")]
    ReceivedInTheFuture(LocalDate),
    /// The day is years ago.
    #[error("{0} is more than two years ago")]
    ReceivedLongAgo(LocalDate),
    /// The order was not found.
    #[error(transparent)]
    Lookup(#[from] CodeLookupError),
}

const NOT_PENDING: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "order_not_pending",
    "Place a new order for the buyer, or give the money back outside EventOS.",
);
pub(super) const EVENT_CALLED_OFF: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "event_called_off",
    "Give the money back outside EventOS and cancel the order.",
);
const AMOUNT_DIFFERS: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "amount_differs",
    "Show the organizer both amounts; another order may be meant, or the rest must come in first.",
);
const RECEIVED_IN_THE_FUTURE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "received_in_the_future",
    "Check the date.",
);
const RECEIVED_LONG_AGO: FaultSpec =
    FaultSpec::new(FaultKind::Invalid, "received_long_ago", "Check the year.");

impl Fault for ConfirmPaymentError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            NOT_PENDING,
            EVENT_CALLED_OFF,
            AMOUNT_DIFFERS,
            RECEIVED_IN_THE_FUTURE,
            RECEIVED_LONG_AGO,
        ];
        specs.extend(CodeLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NotPending { .. } => NOT_PENDING.at("order"),
            Self::EventCalledOff { .. } => EVENT_CALLED_OFF.at("order"),
            Self::AmountDiffers { .. } => AMOUNT_DIFFERS.at("amount"),
            Self::ReceivedInTheFuture(_) => RECEIVED_IN_THE_FUTURE.at("received_on"),
            Self::ReceivedLongAgo(_) => RECEIVED_LONG_AGO.at("received_on"),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<LookupError> for ConfirmPaymentError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<StoreError> for ConfirmPaymentError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<sqlx::Error> for ConfirmPaymentError {
    fn from(error: sqlx::Error) -> Self {
        Self::Lookup(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        events::StatusMove,
        orders::{CancelOrder, RefundChoice},
        permission::Role,
        testing::{Scene, assert_refused, buying, eur, selling},
    };

    fn confirming(order: &OrderDetail) -> ConfirmPayment {
        ConfirmPayment::of(order.order.number.parse().unwrap())
    }

    #[tokio::test]
    async fn issues_the_tickets_and_can_be_repeated() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let order = scene.order(event.id, 2).await;
        let command = ConfirmPayment {
            amount: Some(Money::new(5000, eur())),
            reference: Some("Lovelace tickets".parse().unwrap()),
            received_on: Some("2027-01-09".parse().unwrap()),
            ..confirming(&order)
        };
        let paid = scene.run(command.clone()).await.unwrap();
        assert!(!paid.was_paid_already);
        assert_eq!(paid.order.order.status, OrderStatus::Paid);
        assert_eq!(
            (paid.order.tickets.len(), paid.order.payments.len()),
            (2, 1)
        );
        let received = paid.order.payments[0].received_at;
        assert_eq!(received.to_string(), "2027-01-09T11:00:00Z");
        let count = scene.changes().await.len();
        let again = scene.run(command).await.unwrap();
        assert!(again.was_paid_already);
        assert_eq!(again.order, paid.order);
        assert_eq!(scene.changes().await.len(), count);
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn refuses_another_amount_saying_both() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let order = scene.order(event.id, 2).await;
        for (amount, currency) in [(2500, "EUR"), (5000, "USD"), (5001, "EUR")] {
            let command = ConfirmPayment {
                amount: Some(Money::new(amount, currency.parse().unwrap())),
                ..confirming(&order)
            };
            let error = scene.run(command).await.unwrap_err();
            assert!(
                error.to_string().ends_with("but 50.00 EUR are open"),
                "{error}"
            );
            assert_refused::<(), _>(Err(error), "amount_differs");
        }
        let tomorrow = ConfirmPayment {
            received_on: Some("2027-01-12".parse().unwrap()),
            ..confirming(&order)
        };
        assert_refused(scene.run(tomorrow).await, "received_in_the_future");
        let mistyped = ConfirmPayment {
            received_on: Some("2017-01-09".parse().unwrap()),
            ..confirming(&order)
        };
        assert_refused(scene.run(mistyped).await, "received_long_ago");
        // 10:00 in Berlin: noon has not come.
        let today = ConfirmPayment {
            received_on: Some("2027-01-11".parse().unwrap()),
            ..confirming(&order)
        };
        let paid = scene.run(today).await.unwrap().order;
        assert_eq!(paid.payments[0].received_at, scene.cx.now);
    }

    #[tokio::test]
    async fn who_was_named_when_ordering_is_on_the_tickets_only() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene.run(selling(event.id, "Free", 0, 10)).await.unwrap();
        let mut named = buying(event.id, "Regular", 1);
        let ada = crate::tickets::Attendee {
            name: Some("Ada".parse().unwrap()),
            email: None,
        };
        named.items[0].attendees = vec![ada];
        let mut free = named.clone();
        free.items[0].ticket_type = "Free".parse().unwrap();
        let order = scene.run(named).await.unwrap().order;
        let paid = scene.run(confirming(&order)).await.unwrap().order;
        let free = scene.run(free).await.unwrap().order;
        for order in [paid, free] {
            let holder = order.tickets[0].attendee_name.as_ref().unwrap();
            assert_eq!(holder.as_str(), "Ada");
        }
        let mut owner = scene.database.owner().await;
        let kept: i64 =
            sqlx::query_scalar("select count(*) from order_item where attendees <> '[]'")
                .fetch_one(&mut owner)
                .await
                .unwrap();
        assert_eq!(kept, 0);
    }

    #[tokio::test]
    async fn refuses_what_is_called_off() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let order = scene.order(event.id, 2).await;
        let cancel = CancelOrder {
            refund: Some(RefundChoice::None),
            ..CancelOrder::of(order.order.id.into())
        };
        scene.run(cancel).await.unwrap();
        assert_refused(scene.run(confirming(&order)).await, "order_not_pending");
        let second = scene.order(event.id, 1).await;
        scene.move_event(event.id, StatusMove::Cancel(None)).await;
        assert_refused(scene.run(confirming(&second)).await, "event_called_off");
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_misread_number_is_noticed() {
        let scene = Scene::new().await;
        let command = |order: &str| ConfirmPayment::of(order.parse().unwrap());
        let error = scene.run(command("O234567")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"O234567\" is not an order number: 'O' is in no code: I, O, 1 and 0 are left out because they look \
             like others"
        );
        assert_refused::<(), _>(Err(error), "code_malformed");
        assert_refused(scene.run(command("222 2222")).await, "not_found");
    }

    #[tokio::test]
    async fn another_organization_and_a_viewer_cannot_confirm() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let order = scene.order(event.id, 2).await;
        assert_refused(scene.app.run(&other, confirming(&order)).await, "not_found");
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(
            scene.app.run(&viewer, confirming(&order)).await,
            "forbidden",
        );
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let order = scene.order(event.id, 2).await;
        scene.assert_idempotent(confirming(&order)).await;
    }
}
