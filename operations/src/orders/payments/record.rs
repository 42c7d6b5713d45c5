//! Writing down what a processor says of a checkout. Whatever it says is true at most once: the same news again change
//! nothing.

use domain::{Cx, Money, Timestamp};
use payments::{Checkout, CheckoutState};
use store::{StoreError, WriteTx};

use super::{
    changes::PaymentStarted,
    give_back::give_back,
    model::{Attempt, AttemptStatus, PaymentMethod, Received},
    sql,
};
use crate::{
    App,
    events::{self, Event, EventStatus},
    lookup::LookupError,
    orders::{
        changes::Which,
        confirm_payment::{Gone, fulfil},
        invoices::keep_up,
        model::{OrderRow, OrderStatus},
        sql as orders,
    },
};

/// Money that a processor has received.
pub(super) struct Income {
    /// Its id of the payment.
    pub(super) reference: String,
    pub(super) amount: Money,
}

/// What is to be done with money that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// The order is paid with it.
    Pay,
    /// It goes back, for this reason.
    GiveBack(&'static str),
}

const PAID_BEFORE: &str = "the order was paid already";
const NO_MORE: &str = "the order had ended before the money came in";
const SOLD_OUT: &str = "the money came in late, and the places were sold meanwhile";
const CALLED_OFF: &str = "the event does not take place";
const OTHER_AMOUNT: &str = "another amount came in than was open";

/// What becomes of money that came in for an order that is locked.
fn use_of(event: &Event, order: &OrderRow, amount: Money) -> Use {
    if let EventStatus::Cancelled | EventStatus::Archived = event.status {
        return Use::GiveBack(CALLED_OFF);
    }
    match order.status {
        OrderStatus::Paid => Use::GiveBack(PAID_BEFORE),
        OrderStatus::Cancelled => Use::GiveBack(NO_MORE),
        _ if amount != order.open() => Use::GiveBack(OTHER_AMOUNT),
        // The places of one that has ended are taken anew, if they are still there.
        OrderStatus::Pending | OrderStatus::Expired => Use::Pay,
    }
}

/// Writes down what a processor says of an attempt, and what came in for it. Money for which there are no places any
/// more goes back.
pub(super) async fn record(
    app: &App,
    cx: &Cx,
    attempt: &Attempt,
    checkout: &Checkout,
    income: Option<&Income>,
) -> Result<(), LookupError> {
    let cx = cx.apart();
    let first = try_to_record(app, &cx, attempt, checkout, income, None).await?;
    if first.is_ok() {
        return Ok(());
    }
    // The places are gone, and with them the whole transaction. Giving back takes none.
    let back = try_to_record(app, &cx, attempt, checkout, income, Some(SOLD_OUT)).await?;
    back.map_err(|_| StoreError::Cancelled.into())
}

async fn try_to_record(
    app: &App,
    cx: &Cx,
    attempt: &Attempt,
    checkout: &Checkout,
    income: Option<&Income>,
    give_back_for: Option<&'static str>,
) -> Result<Result<(), Gone>, LookupError> {
    let mut tx = app.store().write(cx).await?;
    let order = orders::get(tx.conn(), attempt.order_id).await?;
    let event = events::share(tx.conn(), cx, &order.event_id.into()).await?;
    let order = orders::lock(tx.conn(), order.id).await?;
    sql::note_checkout(tx.conn(), cx, attempt, status_of(checkout), checkout).await?;
    if attempt.status == AttemptStatus::Asked {
        if checkout.state == CheckoutState::Open {
            sql::pay_by(tx.conn(), order.id, closing(checkout)).await?;
        }
        tx.also(&PaymentStarted {
            which: Which::of(&order),
            method: PaymentMethod::Stripe,
            attempt: attempt.number,
            amount: checkout.amount,
        });
    }
    if let Some(income) = income {
        let received = Received {
            method: PaymentMethod::Stripe,
            amount: income.amount,
            reference: None,
            processor_reference: Some(&income.reference),
            gift_card_id: None,
            moved_from: None,
            came_at: cx.now,
        };
        let Some(payment_id) = sql::receive(tx.conn(), cx, order.id, &received).await? else {
            return Ok(Ok(tx.unchanged(()).await?));
        };
        let what =
            give_back_for.map_or_else(|| use_of(&event, &order, income.amount), Use::GiveBack);
        match what {
            Use::Pay => return paid(tx, &order, income.amount).await,
            Use::GiveBack(reason) => {
                let order = orders::get(tx.conn(), order.id).await?;
                let given = give_back(
                    tx.conn(),
                    cx,
                    &order,
                    income.amount,
                    Some(payment_id),
                    Some(reason),
                );
                let (_, change) = given.await?;
                tx.also(&change);
                keep_up(&mut tx, order.id).await?;
            }
        }
    }
    Ok(Ok(tx.unchanged(()).await?))
}

async fn paid(
    mut tx: WriteTx<'_>,
    order: &OrderRow,
    amount: Money,
) -> Result<Result<(), Gone>, LookupError> {
    match fulfil(&mut tx, order, amount).await? {
        Ok(change) => Ok(Ok(tx.commit(change, ()).await?)),
        Err(gone) => Ok(Err(gone)),
    }
}

/// When an order whose page is open may be ended: a little after the page closes by itself.
fn closing(checkout: &Checkout) -> Timestamp {
    checkout.expires_at.plus_seconds(60)
}

fn status_of(checkout: &Checkout) -> AttemptStatus {
    match checkout.state {
        CheckoutState::Open => AttemptStatus::Open,
        CheckoutState::Processing => AttemptStatus::Processing,
        CheckoutState::Paid => AttemptStatus::Paid,
        CheckoutState::Expired => AttemptStatus::Expired,
    }
}
