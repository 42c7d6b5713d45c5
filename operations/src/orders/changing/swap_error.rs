//! How `swap_tickets` refuses.

use domain::{Facts, Fault, FaultKind, FaultSpec, Money};
use store::StoreError;

use super::picking::PickError;
use crate::{
    events::EventStatus, faults::EVENT_CLOSED, lookup::LookupError, seats::SeatError,
    ticket_types::BasketError,
};

/// How `swap_tickets` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SwapTicketsError {
    /// It is not clear which are meant.
    #[error(transparent)]
    Pick(#[from] PickError),
    /// They are of that type already.
    #[error("they are {0:?} tickets already")]
    SameType(String),
    /// The two types cost different amounts and nobody said who pays.
    #[error("they cost {old}, and as {name:?} they cost {new} now")]
    PriceUndecided {
        /// The new type.
        name: String,
        /// What they cost.
        old: Money,
        /// What they would cost.
        new: Money,
    },
    /// A paid order would not be covered any more.
    #[error("{0} more are to be paid first")]
    DifferenceUnpaid(Money),
    /// Nothing is due.
    #[error("nothing is to be paid beside, so nothing can have been collected")]
    NothingToCollect,
    /// Their holders were admitted.
    #[error("{0} of the holders were admitted already")]
    CheckedIn(usize),
    /// The event is over, cancelled or archived.
    #[error("{title:?} is {status}, so its tickets cannot be exchanged any more")]
    EventClosed {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// Too few are left of the new type.
    #[error(transparent)]
    Basket(#[from] BasketError),
    /// There are no seats for them.
    #[error(transparent)]
    Seats(#[from] SeatError),
    /// The new type was not found.
    #[error("{0}")]
    To(LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const SAME_TYPE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "same_ticket_type",
    "Choose another ticket type from list_ticket_types.",
);
const SWAP_PRICE_UNDECIDED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "swap_price_undecided",
    "Ask the organizer, then set `price` to new (the difference is paid or given back) or kept.",
);
const DIFFERENCE_UNPAID: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "difference_unpaid",
    "Once the buyer has paid it, set `collected`; or set `price` to kept.",
);
const NOTHING_TO_COLLECT: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "nothing_to_collect",
    "Leave `collected` out; a pending order is paid as a whole later.",
);
const SWAPPED_INSIDE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "swapped_after_check_in",
    "Undo the check-in with undo_check_in first, if they have not gone in.",
);

impl Fault for SwapTicketsError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            SAME_TYPE,
            SWAP_PRICE_UNDECIDED,
            DIFFERENCE_UNPAID,
            NOTHING_TO_COLLECT,
            SWAPPED_INSIDE,
            EVENT_CLOSED,
        ];
        specs.extend(PickError::specs());
        specs.extend(BasketError::specs());
        specs.extend(SeatError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Pick(error) => error.facts(),
            Self::SameType(_) => SAME_TYPE.at("to"),
            Self::PriceUndecided { .. } => SWAP_PRICE_UNDECIDED.at("price"),
            Self::DifferenceUnpaid(_) => DIFFERENCE_UNPAID.at("collected"),
            Self::NothingToCollect => NOTHING_TO_COLLECT.at("collected"),
            Self::CheckedIn(_) => SWAPPED_INSIDE.into(),
            Self::EventClosed { .. } => EVENT_CLOSED.into(),
            Self::Basket(error) => error.facts().at("to"),
            Self::Seats(error) => error.facts().at("to"),
            Self::To(error) => error.facts().at("to"),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SwapTicketsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
