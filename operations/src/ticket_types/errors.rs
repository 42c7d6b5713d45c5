//! How `save_ticket_type` refuses.

use domain::{
    Currency, Facts, Fault, FaultKind, FaultSpec, LocalTime, Money, Name, fault::Candidate,
};
use store::StoreError;

use super::tiers::TierError;
use crate::{
    events::{EventStatus, ScheduleError},
    faults::{CURRENCY_DIFFERS, EVENT_CLOSED, NAME_TAKEN},
    lookup::LookupError,
};

/// How `save_ticket_type` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SaveTicketTypeError {
    /// A new ticket type without a name.
    #[error("a new ticket type needs a name")]
    NameMissing,
    /// Another ticket type of the event has the name.
    #[error("the event already has a ticket type called {0:?}")]
    NameTaken(Name),
    /// A new ticket type without a price.
    #[error("{name:?} needs a price; the event is paid in {currency}")]
    PriceMissing {
        /// Its name.
        name: Name,
        /// The event's currency.
        currency: Currency,
    },
    /// A price below nothing.
    #[error("a price of {0} is below nothing")]
    PriceNegative(Money),
    /// A price that nobody asks.
    #[error("a price of {0} is too high")]
    PriceTooHigh(Money),
    /// A price in another currency than the event's.
    #[error("the price is in {given}, but the event is paid in {expected}")]
    CurrencyDiffers {
        /// What was given.
        given: Currency,
        /// The event's currency.
        expected: Currency,
    },
    /// Nobody said how many there are.
    #[error("it was not said how many {0:?} tickets there are")]
    QuantityMissing(Name),
    /// Limits were given, and none at all.
    #[error("it cannot be unlimited and have a `quantity` or `pools`")]
    QuantityAmbiguous,
    /// A pool was named twice.
    #[error("the pool {0:?} is named twice")]
    PoolTwice(Name),
    /// A limit below one.
    #[error("`{field}` is {given}; it must be at least 1")]
    NotPositive {
        /// The input field.
        field: &'static str,
        /// What was given.
        given: i32,
    },
    /// More are sold and held than there would be.
    #[error("{capacity} are too few: {sold} are sold and {held} are held for orders not paid yet")]
    BelowTaken {
        /// The input field.
        field: &'static str,
        /// What was asked for.
        capacity: i32,
        /// Sold.
        sold: i32,
        /// Held.
        held: i32,
    },
    /// The event has no such pool, and its capacity was not given.
    #[error("the event has no shared pool called {0:?}")]
    PoolNotFound(Name, Vec<Candidate>),
    /// What was taken of it does not fit into a pool it is to share.
    #[error("{taken} are sold or held, and the pool {pool:?} has only {left} places left")]
    PoolFull {
        /// The pool.
        pool: String,
        /// How many are sold or held.
        taken: i32,
        /// How many places are left there.
        left: i32,
    },
    /// Fewer at most than at least.
    #[error("an order would have at least {min} and at most {max} of them")]
    LimitsReversed {
        /// At least.
        min: i32,
        /// At most.
        max: i32,
    },
    /// The sale would end before it begins.
    #[error("the sale would end ({}) before it begins ({})", .ends.readable(), .starts.readable())]
    WindowReversed {
        /// Begin.
        starts: LocalTime,
        /// End.
        ends: LocalTime,
    },
    /// The sale would begin when the event is over.
    #[error("the sale would begin on {}, when the event is over ({})", .starts.readable(), .event_ends.readable())]
    WindowAfterEvent {
        /// Begin.
        starts: LocalTime,
        /// The event's end.
        event_ends: LocalTime,
    },
    /// The event is over, cancelled or archived.
    #[error("{title:?} is {status}, so its ticket types can no longer be changed")]
    EventClosed {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// A tier would not open when the one before it closes.
    #[error(transparent)]
    Tier(#[from] TierError),
    /// A time that does not exist, or exists twice.
    #[error(transparent)]
    Time(#[from] ScheduleError),
    /// The event or the ticket type was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NAME_MISSING: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "ticket_type_name_missing",
    "Give `name` to add one, or `ticket_type` to change an existing one.",
);
const PRICE_MISSING: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "price_missing",
    "Ask what it costs; for a free ticket give the amount 0.",
);
const PRICE_NEGATIVE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "price_negative",
    "Give 0 for a free ticket.",
);
const PRICE_TOO_HIGH: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "price_too_high",
    "Check the amount: it counts the smallest unit, so 2500 is 25.00 EUR.",
);
const QUANTITY_MISSING: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "quantity_missing",
    "Ask how many there are, and give `quantity`, shared `pools` or both; `unlimited: true` only if the organizer says so.",
);
const QUANTITY_AMBIGUOUS: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "quantity_ambiguous",
    "Choose the one that the organizer means.",
);
const POOL_TWICE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "pool_twice",
    "Name each pool once; a sale takes one place of it.",
);
const NOT_POSITIVE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "not_positive",
    "To stop selling, use archive_ticket_type or end the sale with `sales_end`.",
);
const BELOW_TAKEN: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "below_taken",
    "Choose at least what is sold and held, or cancel orders first.",
);
const POOL_NOT_FOUND: FaultSpec = FaultSpec::new(
    FaultKind::NotFound,
    "pool_not_found",
    "Use the exact name of a candidate, or give its `capacity` to make a new pool.",
);
const POOL_FULL: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "pool_full",
    "Give the pool a larger `capacity` in the same call, or add a new ticket type that shares it.",
);
const LIMITS_REVERSED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "limits_reversed",
    "Give both `min_per_order` and `max_per_order`.",
);
const WINDOW_REVERSED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "sales_window_reversed",
    "Check both times; an empty text removes a limit.",
);
const WINDOW_AFTER_EVENT: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "sales_window_after_event",
    "Check the date of the sale and of the event.",
);

impl Fault for SaveTicketTypeError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            NAME_MISSING,
            NAME_TAKEN,
            PRICE_MISSING,
            PRICE_NEGATIVE,
            PRICE_TOO_HIGH,
            CURRENCY_DIFFERS,
            QUANTITY_MISSING,
            QUANTITY_AMBIGUOUS,
            POOL_TWICE,
            NOT_POSITIVE,
            BELOW_TAKEN,
            POOL_NOT_FOUND,
            POOL_FULL,
            LIMITS_REVERSED,
            WINDOW_REVERSED,
            WINDOW_AFTER_EVENT,
            EVENT_CLOSED,
        ];
        specs.extend(TierError::specs());
        specs.extend(ScheduleError::specs());
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NameMissing => NAME_MISSING.at("name"),
            Self::NameTaken(_) => NAME_TAKEN.at("name"),
            Self::PriceMissing { .. } => PRICE_MISSING.at("price"),
            Self::PriceNegative(_) => PRICE_NEGATIVE.at("price"),
            Self::PriceTooHigh(_) => PRICE_TOO_HIGH.at("price.amount"),
            Self::CurrencyDiffers { .. } => CURRENCY_DIFFERS.at("price.currency"),
            Self::QuantityMissing(_) => QUANTITY_MISSING.at("quantity"),
            Self::QuantityAmbiguous => QUANTITY_AMBIGUOUS.at("quantity"),
            Self::PoolTwice(_) => POOL_TWICE.at("pools"),
            Self::NotPositive { field, .. } => NOT_POSITIVE.at(*field),
            Self::BelowTaken { field, .. } => BELOW_TAKEN.at(*field),
            Self::PoolNotFound(_, candidates) => POOL_NOT_FOUND.at("pools").near(candidates),
            Self::PoolFull { .. } => POOL_FULL.at("pools"),
            Self::LimitsReversed { .. } => LIMITS_REVERSED.at("max_per_order"),
            Self::WindowReversed { .. } => WINDOW_REVERSED.at("sales_end"),
            Self::WindowAfterEvent { .. } => WINDOW_AFTER_EVENT.at("sales_start"),
            Self::EventClosed { .. } => EVENT_CLOSED.into(),
            Self::Tier(error) => error.facts(),
            Self::Time(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SaveTicketTypeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
