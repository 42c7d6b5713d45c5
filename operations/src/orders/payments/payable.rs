//! Whether an order can be paid now, in whichever way.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec};
use sqlx::PgConnection;
use store::StoreError;

use super::{
    model::{Attempt, AttemptStatus},
    sql,
};
use crate::{
    events::{Event, EventStatus},
    orders::{
        confirm_payment::EVENT_CALLED_OFF,
        model::{OrderRow, OrderStatus},
    },
};

/// Refuses an order, which is locked, that cannot be paid now; otherwise says which was the last try to have it paid on a
/// processor's page.
pub(super) async fn payable(
    conn: &mut PgConnection,
    cx: &Cx,
    event: &Event,
    order: &OrderRow,
) -> Result<Option<Attempt>, PayableError> {
    if order.status != OrderStatus::Pending {
        return Err(PayableError::NotPending {
            number: order.number.clone(),
            status: order.status,
        });
    }
    if order.is_overdue(cx.now) {
        return Err(PayableError::TimeIsOver(order.number.clone()));
    }
    if let EventStatus::Cancelled | EventStatus::Archived = event.status {
        return Err(PayableError::EventCalledOff {
            title: event.title.clone(),
            status: event.status,
        });
    }
    let last = sql::last_attempt(conn, order.id).await?;
    match last {
        Some(last) if last.status == AttemptStatus::Processing => {
            Err(PayableError::OnItsWay(order.number.clone()))
        }
        last => Ok(last),
    }
}

/// Why an order cannot be paid.
#[derive(Debug, thiserror::Error)]
pub enum PayableError {
    /// There is nothing to pay.
    #[error("order {number} is {status}, so there is nothing to pay")]
    NotPending {
        /// Its number.
        number: String,
        /// Its state.
        status: OrderStatus,
    },
    /// Its places are about to be free again.
    #[error("the time to pay order {0} is over")]
    TimeIsOver(String),
    /// The buyer is done, and the money is on its way.
    #[error("the money for order {0} is on its way")]
    OnItsWay(String),
    /// Its event will not take place.
    #[error("{title:?} is {status}, so nothing is to be paid for it")]
    EventCalledOff {
        /// The event's title.
        title: String,
        /// The event's state.
        status: EventStatus,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NOTHING_TO_PAY: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "nothing_to_pay",
    "Read the order; a new one is placed with place_order.",
);
const TIME_IS_OVER: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "payment_time_over",
    "Place a new order; the places are on sale again in a moment.",
);
const ON_ITS_WAY: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "payment_on_its_way",
    "Wait; check_payment looks whether it has come in.",
);

impl Fault for PayableError {
    fn specs() -> Vec<FaultSpec> {
        vec![NOTHING_TO_PAY, TIME_IS_OVER, ON_ITS_WAY, EVENT_CALLED_OFF]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NotPending { .. } => NOTHING_TO_PAY.at("order"),
            Self::TimeIsOver(_) => TIME_IS_OVER.at("order"),
            Self::OnItsWay(_) => ON_ITS_WAY.at("order"),
            Self::EventCalledOff { .. } => EVENT_CALLED_OFF.at("order"),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for PayableError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
