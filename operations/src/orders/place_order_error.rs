//! How `place_order` refuses.

use domain::{Facts, Fault, FaultKind, FaultSpec, LocalTime, money::MoneyError};
use store::StoreError;

use crate::{
    events::EventStatus,
    lookup::LookupError,
    ticket_types::{Offer, SaleState},
};

/// How `place_order` refuses.
#[derive(Debug, thiserror::Error)]
pub enum PlaceOrderError {
    /// No line, or too many.
    #[error("an order has 1 to 50 items; this one has {0}")]
    ItemCount(usize),
    /// Too few or too many of one thing.
    #[error("{given} is not a quantity of tickets; an item has 1 to 100")]
    QuantityOutOfRange {
        /// Which item.
        index: usize,
        /// What was given.
        given: i32,
    },
    /// More names than tickets.
    #[error("{named} attendees are named for {quantity} tickets")]
    TooManyAttendees {
        /// Which item.
        index: usize,
        /// How many were named.
        named: usize,
        /// How many tickets there would be.
        quantity: i32,
    },
    /// The event is a draft, over, cancelled or archived.
    #[error("{title:?} is {status}, so nothing can be bought")]
    EventNotOnSale {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// The sale of a ticket type has not begun, or is over.
    #[error("{name:?} is not on sale: {}", window(*.starts, *.ends))]
    NotOnSale {
        /// Which item.
        index: usize,
        /// The ticket type.
        name: String,
        /// When its sale begins, if that is why.
        starts: Option<LocalTime>,
        /// When its sale ended, if that is why.
        ends: Option<LocalTime>,
    },
    /// Fewer or more than one order may have.
    #[error("an order has {min} to {max} {name:?} tickets; this one has {given}")]
    OutsideLimits {
        /// The ticket type.
        name: String,
        /// The fewest.
        min: i32,
        /// The most.
        max: i32,
        /// What was asked for.
        given: i32,
    },
    /// Fewer are left than were asked for.
    #[error("{left} of the {wanted} {name} tickets asked for are left")]
    SoldOut {
        /// The ticket types.
        name: String,
        /// How many were asked for.
        wanted: i32,
        /// How many are left.
        left: i32,
    },
    /// The prices cannot be added up.
    #[error("the order cannot be added up: {0}")]
    Total(MoneyError),
    /// A ticket type was not found.
    #[error("{error}")]
    TicketType {
        /// Which item.
        index: usize,
        /// How it was not found.
        error: LookupError,
    },
    /// The event was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PlaceOrderError {
    pub(super) fn not_on_sale(index: usize, offer: &Offer, state: SaleState) -> Self {
        let is_early = state == SaleState::NotYet;
        Self::NotOnSale {
            index,
            name: offer.name.to_string(),
            starts: offer.sales_start_local.filter(|_| is_early),
            ends: offer.sales_end_local.filter(|_| !is_early),
        }
    }

    pub(super) fn outside_limits(offer: &Offer, given: i32) -> Self {
        Self::OutsideLimits {
            name: offer.name.to_string(),
            min: offer.min_per_order,
            max: offer.max_per_order,
            given,
        }
    }
}

fn window(starts: Option<LocalTime>, ends: Option<LocalTime>) -> String {
    match (starts, ends) {
        (Some(starts), _) => format!("the sale begins on {}", starts.readable()),
        (None, Some(ends)) => format!("the sale ended on {}", ends.readable()),
        (None, None) => "the sale is over".to_owned(),
    }
}

const ITEM_COUNT: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "item_count",
    "Give at least one item; split what is too large into several orders.",
);
const QUANTITY_OUT_OF_RANGE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "quantity_out_of_range",
    "Ask how many are wanted.",
);
const TOO_MANY_ATTENDEES: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "too_many_attendees",
    "Name at most one attendee per ticket, or raise the quantity.",
);
/// The event sells nothing now.
pub(super) const EVENT_NOT_ON_SALE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "event_not_on_sale",
    "A draft is put on sale with publish_event; tell the organizer when it is over or cancelled.",
);
const NOT_ON_SALE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "not_on_sale",
    "Offer another ticket type from list_ticket_types, or change its sales window with save_ticket_type.",
);
const OUTSIDE_LIMITS: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "quantity_outside_limits",
    "Choose a quantity within the limits, or change them with save_ticket_type.",
);
const SOLD_OUT: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "sold_out",
    "Offer what is left or another ticket type; do not try again with the same number.",
);
const TOTAL: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "total_too_large",
    "Check the prices with list_ticket_types.",
);

impl Fault for PlaceOrderError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            ITEM_COUNT,
            QUANTITY_OUT_OF_RANGE,
            TOO_MANY_ATTENDEES,
            EVENT_NOT_ON_SALE,
            NOT_ON_SALE,
            OUTSIDE_LIMITS,
            SOLD_OUT,
            TOTAL,
        ];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::ItemCount(_) => ITEM_COUNT.at("items"),
            Self::QuantityOutOfRange { index, .. } => {
                QUANTITY_OUT_OF_RANGE.at(format!("items[{index}].quantity"))
            }
            Self::TooManyAttendees { index, .. } => {
                TOO_MANY_ATTENDEES.at(format!("items[{index}].attendees"))
            }
            Self::EventNotOnSale { .. } => EVENT_NOT_ON_SALE.at("event"),
            Self::NotOnSale { index, .. } => NOT_ON_SALE.at(format!("items[{index}].ticket_type")),
            Self::OutsideLimits { .. } => OUTSIDE_LIMITS.at("items"),
            Self::SoldOut { .. } => SOLD_OUT.at("items"),
            Self::Total(_) => TOTAL.at("items"),
            Self::TicketType { index, error } => {
                error.facts().at(format!("items[{index}].ticket_type"))
            }
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for PlaceOrderError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
