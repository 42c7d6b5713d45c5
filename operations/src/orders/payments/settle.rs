//! Looking at the processor, and writing down what it says: what came of an order's checkouts, of the money that came
//! in, and of the money that goes back. Any number may look at the same time, any number of times.

use domain::{Cx, Money, OrderId, Timestamp};
use payments::{
    Checkout, CheckoutId, CheckoutState, PaymentReference, Processor, ProcessorError, Reason,
    RefundReference, RefundRequest, RefundState,
};

use super::{
    changes::{RefundDone, RefundFailed},
    error::{ProcessorFault, SettleError},
    model::{Attempt, AttemptStatus, PaymentRow, RefundRow, RefundStatus},
    record::{Income, record},
    sql::{self, PartRow, RefundEnd},
};
use store::WriteTx;

use crate::{
    App,
    orders::{changes::Which, invoices::keep_up, sql as orders},
};

/// A processor may forget its keys after a day: from then on what was asked for is looked up, not asked for again.
const KEYS_SECONDS: i64 = 23 * 60 * 60;

/// Finds out what came of everything that was asked for an order, and carries out the refunds that wait.
pub(super) async fn settle(app: &App, cx: &Cx, order_id: OrderId) -> Result<(), SettleError> {
    let attempts = {
        let mut tx = app.store().read(cx).await?;
        sql::unpaid(tx.conn(), order_id).await?
    };
    for attempt in &attempts {
        match look(app, cx, attempt).await {
            // It is written down that there is no page; the rest can be found out all the same.
            Ok(_) | Err(SettleError::Processor(ProcessorFault::Refused(_))) => {}
            Err(error) => return Err(error),
        }
    }
    // Read after the attempts: money that came in late may have to go back.
    let (payments, refunds) = {
        let mut tx = app.store().read(cx).await?;
        let payments = sql::payments(tx.conn(), order_id).await?;
        (payments, sql::refunds(tx.conn(), order_id).await?)
    };
    let through = |payment: &&PaymentRow| payment.method.is_through_processor();
    for refund in refunds
        .iter()
        .filter(|refund| refund.status == RefundStatus::Pending)
    {
        let payment = payments
            .iter()
            .find(|payment| Some(payment.id) == refund.payment_id);
        if let Some(payment) = payment {
            carry_out(app, cx, payment, refund).await?;
        }
    }
    let came_in = |payment: &&PaymentRow| payment.moved_from.is_none();
    for payment in payments.iter().filter(through).filter(came_in) {
        look_for_others(app, cx, order_id, payment).await?;
    }
    Ok(())
}

fn processor(app: &App) -> Result<&dyn Processor, ProcessorFault> {
    let payments = app.payments().ok_or(ProcessorFault::NotSetUp)?;
    Ok(payments.processor.as_ref())
}

/// Finds out what came of an attempt, asking for its page again if nobody knows whether there is one. None if the
/// processor knows nothing of it: its account was changed, or it was a simulator that has ended.
pub(super) async fn look(
    app: &App,
    cx: &Cx,
    attempt: &Attempt,
) -> Result<Option<Checkout>, SettleError> {
    let answer = match &attempt.reference {
        Some(id) => processor(app)?.get_checkout(&CheckoutId::new(id)).await,
        None => Ok(ask(app, cx, attempt).await?),
    };
    known(app, cx, attempt, answer).await
}

/// Writes down what a processor answered about an attempt.
async fn known(
    app: &App,
    cx: &Cx,
    attempt: &Attempt,
    answer: Result<Checkout, ProcessorError>,
) -> Result<Option<Checkout>, SettleError> {
    match answer {
        Err(ProcessorError::Refused(refusal)) if refusal.reason == Reason::NotFound => {
            let apart = cx.apart();
            let mut tx = app.store().write(&apart).await?;
            sql::note_gone(tx.conn(), &apart, attempt).await?;
            tx.unchanged(()).await?;
            Ok(None)
        }
        answer => {
            let checkout = answer?;
            note(app, cx, attempt, &checkout).await?;
            Ok(Some(checkout))
        }
    }
}

/// Asks for the page of an attempt: the first time, or once more under the same key.
async fn ask(app: &App, cx: &Cx, attempt: &Attempt) -> Result<Checkout, SettleError> {
    let (order, items) = {
        let mut tx = app.store().read(cx).await?;
        let order = orders::get(tx.conn(), attempt.order_id).await?;
        (order, orders::items(tx.conn(), attempt.order_id).await?)
    };
    let request = attempt.request(&order, &items);
    match processor(app)?.create_checkout(&request).await {
        Err(ProcessorError::Refused(refusal)) => {
            let apart = cx.apart();
            let mut tx = app.store().write(&apart).await?;
            sql::note_refused(tx.conn(), &apart, attempt).await?;
            tx.unchanged(()).await?;
            Err(ProcessorError::Refused(refusal).into())
        }
        answer => Ok(answer?),
    }
}

/// Closes the page of an attempt, and finds out whether the buyer was quicker. None if the processor knows nothing of it.
pub(super) async fn close(
    app: &App,
    cx: &Cx,
    attempt: &Attempt,
) -> Result<Option<Checkout>, SettleError> {
    let id = match &attempt.reference {
        Some(id) => CheckoutId::new(id),
        None => ask(app, cx, attempt).await?.id,
    };
    let answer = processor(app)?.expire_checkout(&id).await;
    known(app, cx, attempt, answer).await
}

async fn note(
    app: &App,
    cx: &Cx,
    attempt: &Attempt,
    checkout: &Checkout,
) -> Result<(), SettleError> {
    let income = match (checkout.state, &checkout.payment) {
        (CheckoutState::Paid, Some(id)) => {
            let payment = processor(app)?.get_payment(id).await?;
            Some(Income {
                reference: id.to_string(),
                amount: payment.received,
            })
        }
        _ => None,
    };
    Ok(record(app, cx, attempt, checkout, income.as_ref()).await?)
}

/// Gives money back, or finds out what came of it.
async fn carry_out(
    app: &App,
    cx: &Cx,
    payment: &PaymentRow,
    refund: &RefundRow,
) -> Result<(), SettleError> {
    let Some(id) = &payment.processor_reference else {
        return Ok(());
    };
    let processor = processor(app)?;
    let payment = PaymentReference::new(id);
    let request = RefundRequest {
        refund_id: refund.id,
        order_id: refund.order_id,
        payment: payment.clone(),
        amount: refund.money(),
    };
    let age = (cx.now.as_microseconds() - refund.created_at.as_microseconds()) / 1_000_000;
    let answer = match &refund.processor_reference {
        Some(id) => processor.get_refund(&RefundReference::new(id)).await,
        None if age < KEYS_SECONDS => processor.refund(&request).await,
        None => match processor.find_refund(&payment, refund.id).await? {
            Some(found) => Ok(found),
            None => processor.refund(&request).await,
        },
    };
    let (status, reference, failure) = match answer {
        Ok(made) => {
            let (status, failure) = match made.state {
                RefundState::Pending => (RefundStatus::Pending, None),
                RefundState::Succeeded => (RefundStatus::Done, None),
                RefundState::Failed { why } => {
                    let why = why.unwrap_or_else(|| "no reason was given".to_owned());
                    (RefundStatus::Failed, Some(why))
                }
                RefundState::Cancelled => {
                    (RefundStatus::Failed, Some("it was called off".to_owned()))
                }
            };
            (status, Some(made.id.to_string()), failure)
        }
        Err(ProcessorError::Refused(refusal)) => {
            (RefundStatus::Failed, None, Some(refusal.to_string()))
        }
        Err(error) => return Err(error.into()),
    };
    let end = RefundEnd {
        status,
        processor_reference: reference.as_deref(),
        failure: failure.as_deref(),
    };
    end_refund(app, cx, refund, &end).await
}

async fn end_refund(
    app: &App,
    cx: &Cx,
    refund: &RefundRow,
    end: &RefundEnd<'_>,
) -> Result<(), SettleError> {
    let cx = cx.apart();
    let mut tx = app.store().write(&cx).await?;
    let order = orders::lock(tx.conn(), refund.order_id).await?;
    let was = sql::refund(tx.conn(), refund.id).await?.status;
    if !sql::end_refund(tx.conn(), &cx, refund, end).await? || was == end.status {
        return Ok(tx.unchanged(()).await?);
    }
    let (which, amount) = (Which::of(&order), refund.money());
    match end.status {
        RefundStatus::Done => tx.also(&RefundDone {
            which,
            amount,
            was_made_there: false,
        }),
        RefundStatus::Failed => tx.also(&RefundFailed {
            which,
            amount,
            why: end.failure.unwrap_or_default().to_owned(),
        }),
        RefundStatus::Pending => {}
    }
    keep_up(&mut tx, refund.order_id).await?;
    Ok(tx.unchanged(()).await?)
}

/// Finds out whether money was given back without us, in the processor's own pages: of the order it came in for, or else of
/// those that a part of it was moved to.
async fn look_for_others(
    app: &App,
    cx: &Cx,
    order_id: OrderId,
    payment: &PaymentRow,
) -> Result<(), SettleError> {
    let Some(id) = &payment.processor_reference else {
        return Ok(());
    };
    let there = processor(app)?
        .get_payment(&PaymentReference::new(id))
        .await?;
    let cx = cx.apart();
    let mut tx = app.store().write(&cx).await?;
    // Whoever looks at the same time looks at this order first: they have written it down, or will see it.
    orders::lock(tx.conn(), order_id).await?;
    let here = sql::given_back(tx.conn(), payment.id).await?;
    let mut missing = there.refunded.amount.min(payment.amount) - here;
    if missing <= 0 {
        return Ok(tx.unchanged(()).await?);
    }
    for part in sql::parts(tx.conn(), payment.id).await? {
        let amount = missing.min(part.left);
        if amount > 0 {
            given_back_there(&mut tx, payment, &part, amount).await?;
            missing -= amount;
        }
    }
    Ok(tx.unchanged(()).await?)
}

/// Writes down what was given back in the processor's own pages of a payment, or of a part of it.
async fn given_back_there(
    tx: &mut WriteTx<'_>,
    payment: &PaymentRow,
    part: &PartRow,
    amount: i64,
) -> Result<(), SettleError> {
    let cx = tx.cx();
    let order = orders::lock(tx.conn(), part.order_id).await?;
    let refund = RefundRow {
        id: cx.new_id(),
        order_id: part.order_id,
        payment_id: Some(part.payment_id),
        method: payment.method,
        status: RefundStatus::Done,
        amount,
        currency: payment.currency,
        reason: Some("given back in the payment provider's own pages".to_owned()),
        processor_reference: None,
        failure: None,
        created_at: cx.now,
    };
    sql::add_refund(tx.conn(), cx, &refund).await?;
    tx.also(&RefundDone {
        which: Which::of(&order),
        amount: Money::new(amount, payment.currency),
        was_made_there: true,
    });
    keep_up(tx, part.order_id).await?;
    Ok(())
}

/// Whether an attempt's page can still be used by a buyer who comes now.
pub(super) fn is_usable(attempt: &Attempt, now: Timestamp) -> bool {
    attempt.status == AttemptStatus::Open
        && attempt.closes_at.as_microseconds() - now.as_microseconds() > 60_000_000
}
