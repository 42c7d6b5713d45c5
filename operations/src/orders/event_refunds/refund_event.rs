//! `refund_event`: all orders of a cancelled event are called off and the money goes back.

use domain::{Cx, EventId, Facts, Fault, FaultKind, FaultSpec, Money, Name, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{StoreError, WriteTx};

use super::{
    ContinueEventRefund,
    changes::EventRefundStarted,
    model::{EventRefund, RefundRow, begun},
    sql,
};
use crate::{
    App, Effect, Operation,
    events::{self, EventStatus},
    faults::CURRENCY_DIFFERS,
    jobs,
    lookup::LookupError,
    orders::RefundChoice,
};

/// Cancel every order of an event that was cancelled and give the money back: what was paid online goes back by itself,
/// the rest the organizer transfers. A person approves the sum first; then it goes on by itself, a crash or a restart
/// does no harm, and `get_event_refund` shows how far it is. Call it again with the same terms if it ever stops.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RefundEvent {
    /// Event: id, slug or exact title. Cancel it first with `cancel_event`.
    pub event: Reference<EventId>,
    /// What happens to money that was paid.
    pub refund: RefundChoice,
    /// What is kept for each ticket, such as a fee; nothing when left out.
    pub keep_per_ticket: Option<Money>,
    /// Why, for the record; the reason why the event was cancelled when left out.
    pub reason: Option<Name>,
}

impl Operation for RefundEvent {
    const NAME: &'static str = "refund_event";
    const EFFECT: Effect = Effect::Destructive;
    const NEEDS: Permission = Permission::EventsCancel;
    type Output = EventRefund;
    type Error = RefundEventError;

    async fn run(self, app: &App, cx: &Cx) -> Result<EventRefund, RefundEventError> {
        let mut tx = app.store().write(cx).await?;
        let event = events::lock(tx.conn(), cx, &self.event).await?;
        if event.status != EventStatus::Cancelled {
            return Err(RefundEventError::NotCancelled {
                title: event.title,
                status: event.status,
            });
        }
        let keep = self.keep(&event)?;
        if let Some(begun) = sql::lock(tx.conn(), event.id).await? {
            if (begun.refund, begun.keep_amount) != (self.refund, keep) {
                return Err(RefundEventError::OtherTerms {
                    refund: begun.refund,
                    keep: begun.money(begun.keep_amount),
                });
            }
            let answer = begun.seen(tx.conn(), &event).await?;
            if begun.finished_at.is_none() {
                queue(&mut tx, &begun).await?;
            }
            return Ok(tx.unchanged(answer).await?);
        }
        let reason = self.reason.as_ref().map(ToString::to_string);
        let reason = reason.or_else(|| event.cancellation_reason.clone());
        let reason = reason.unwrap_or_else(|| "The event was cancelled".to_owned());
        let refund = begun(cx, &event, self.refund, keep, &reason);
        sql::insert(tx.conn(), cx, &refund).await?;
        queue(&mut tx, &refund).await?;
        let answer = refund.seen(tx.conn(), &event).await?;
        let change = EventRefundStarted {
            event_id: event.id,
            event_title: event.title,
            paid_orders: answer.paid_orders_ahead,
            pending_orders: answer.pending_orders_ahead,
            refunded: answer.ahead,
            by_itself: answer.ahead_by_itself,
            keep_per_ticket: answer.keep_per_ticket,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

impl RefundEvent {
    /// What is kept for each ticket, in the smallest unit.
    fn keep(&self, event: &events::Event) -> Result<i64, RefundEventError> {
        let Some(keep) = self.keep_per_ticket else {
            return Ok(0);
        };
        if keep.currency != event.currency {
            return Err(RefundEventError::OtherCurrency {
                given: keep,
                expected: event.currency,
            });
        }
        if keep.amount < 0 {
            return Err(RefundEventError::KeepsLessThanNothing(keep));
        }
        Ok(keep.amount)
    }
}

/// Queues the next step. The same step is queued once, unless its run is over without having done it.
pub(super) async fn queue(tx: &mut WriteTx<'_>, refund: &RefundRow) -> Result<(), StoreError> {
    let cx = tx.cx();
    let key = format!(
        "event-refund:{}:{}:{}",
        refund.event_id, refund.batch, cx.now
    );
    let input = json!({"event": refund.event_id});
    jobs::enqueue(tx.conn(), cx, ContinueEventRefund::NAME, input, key).await
}

/// How `refund_event` refuses.
#[derive(Debug, thiserror::Error)]
pub enum RefundEventError {
    /// The event takes place.
    #[error("{title:?} is {status}, not cancelled")]
    NotCancelled {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// It was begun on other terms.
    #[error("it was begun before on other terms: refund {refund}, {keep} kept for each ticket")]
    OtherTerms {
        /// What happens to the money.
        refund: RefundChoice,
        /// What is kept.
        keep: Money,
    },
    /// What is kept is in another currency.
    #[error("{given} is in another currency than the event's, {expected}")]
    OtherCurrency {
        /// What was given.
        given: Money,
        /// The event's.
        expected: domain::Currency,
    },
    /// More than everything would go back.
    #[error("{0} cannot be kept: it is below nothing")]
    KeepsLessThanNothing(Money),
    /// The event was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const EVENT_NOT_CANCELLED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "event_not_cancelled",
    "Cancel the event first with cancel_event; a single order is cancelled with cancel_order.",
);
const REFUND_TERMS_DIFFER: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "refund_terms_differ",
    "Read get_event_refund; what was kept of an order can still be given back with refund_order.",
);
const KEEPS_LESS_THAN_NOTHING: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "keeps_less_than_nothing",
    "Give what is kept for each ticket as a positive amount, or leave it out.",
);

impl Fault for RefundEventError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            EVENT_NOT_CANCELLED,
            REFUND_TERMS_DIFFER,
            CURRENCY_DIFFERS,
            KEEPS_LESS_THAN_NOTHING,
        ];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NotCancelled { .. } => EVENT_NOT_CANCELLED.at("event"),
            Self::OtherTerms { .. } => REFUND_TERMS_DIFFER.at("refund"),
            Self::OtherCurrency { .. } => CURRENCY_DIFFERS.at("keep_per_ticket.currency"),
            Self::KeepsLessThanNothing(_) => KEEPS_LESS_THAN_NOTHING.at("keep_per_ticket.amount"),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for RefundEventError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use domain::context::Mode;

    use super::*;
    use crate::{
        approvals::policy,
        orders::event_refunds::tests::{cancelled, refunding},
        permission::Role,
        testing::{Scene, assert_refused, eur},
    };

    #[tokio::test]
    async fn a_person_sees_the_sum_before_anything_happens() {
        let scene = Scene::new().await;
        let event = cancelled(&scene, 3, 2).await;
        let kept = RefundEvent {
            keep_per_ticket: Some(Money::new(250, eur())),
            ..refunding(event)
        };
        let dry = scene.cx.in_mode(Mode::DryRun);
        scene.app.run(&dry, kept).await.unwrap();
        assert_eq!(
            dry.recorded()[0].summary,
            "Cancels 3 paid orders and 2 not paid yet of \"Spring Gala\" one after the other and gives 67.50 EUR back \
             by the organizer's own transfer; 2.50 EUR are kept for each ticket"
        );
        let asked = policy::verdict("refund_event", &json!({}), &dry.recorded()).unwrap();
        assert!(policy::may_ask("refund_event"));
        assert_eq!((asked.code, asked.decides), ("moves_money", Role::Owner));
        let begun = "select count(*) from event_refund";
        assert_eq!(scene.database.count(begun).await, 0);
    }

    #[tokio::test]
    async fn refuses_what_is_not_cancelled_and_odd_terms() {
        let scene = Scene::new().await;
        let other_event = scene.published("Winter Gala").await.id;
        assert_refused(
            scene.run(refunding(other_event)).await,
            "event_not_cancelled",
        );
        let event = cancelled(&scene, 1, 0).await;
        let keeping = |keep| RefundEvent {
            keep_per_ticket: Some(keep),
            ..refunding(event)
        };
        let yen = Money::new(100, "JPY".parse().unwrap());
        assert_refused(scene.run(keeping(yen)).await, "currency_differs");
        let less = Money::new(-1, eur());
        assert_refused(scene.run(keeping(less)).await, "keeps_less_than_nothing");
        let box_office = scene.as_role(Role::BoxOffice);
        let refused = scene.app.run(&box_office, refunding(event)).await;
        assert_refused(refused, "forbidden");
        let other = scene.other_organization().await;
        let refused = scene.app.run(&other, refunding(event)).await;
        assert_refused(refused, "not_found");
        scene.run(refunding(event)).await.unwrap();
        let none = RefundEvent {
            refund: RefundChoice::None,
            ..refunding(event)
        };
        assert_refused(scene.run(none).await, "refund_terms_differ");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let event = cancelled(&scene, 1, 1).await;
        scene.assert_idempotent(refunding(event)).await;
        let jobs = "select count(*) from workflow_run where workflow = 'job:continue_event_refund'";
        assert_eq!(scene.database.count(jobs).await, 1);
    }
}
