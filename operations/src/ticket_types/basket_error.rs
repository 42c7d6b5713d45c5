//! Why something cannot be picked.

use domain::{Facts, Fault, FaultKind, FaultSpec, LocalTime, Money, money::MoneyError};

use super::{
    Left,
    model::{Offer, SaleState},
};
use crate::{events::EventStatus, lookup::LookupError};

/// Why something cannot be picked.
#[derive(Debug, thiserror::Error)]
pub enum BasketError {
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
    /// An earlier tier is still on sale.
    #[error("{name:?} is on sale once {before:?} is sold out or over{}", .left.map(|left| format!("; {left} of those are left")).unwrap_or_default())]
    EarlierTier {
        /// Which item.
        index: usize,
        /// The ticket type.
        name: String,
        /// The tier that is sold first.
        before: String,
        /// How many of those are left; none when nothing limits them.
        left: Option<i32>,
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
    /// An add-on without what it is sold with, or too many of it.
    #[error(
        "{name:?} is only sold with {bases}, at most {per_ticket} for each; {given} is too many here"
    )]
    AddOnAlone {
        /// The add-on.
        name: String,
        /// What it is sold with.
        bases: String,
        /// The most for each.
        per_ticket: i32,
        /// What was asked for.
        given: i32,
    },
    /// A price was chosen for what has one.
    #[error("{name:?} costs {price}; no other price can be chosen")]
    PriceIsFixed {
        /// Which item.
        index: usize,
        /// The ticket type.
        name: String,
        /// What it costs.
        price: Money,
    },
    /// Less or more was chosen than can be, or in another currency.
    #[error("for {name:?} {range} can be chosen, not {given}")]
    PriceOutOfRange {
        /// Which item.
        index: usize,
        /// The ticket type.
        name: String,
        /// The least and the most, in words.
        range: String,
        /// What was chosen.
        given: Money,
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
    /// The counters of a pool did not add up.
    #[error("the sale of {0} is stopped until somebody has checked what was sold")]
    SalesStopped(String),
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
}

impl BasketError {
    pub(super) fn not_on_sale(index: usize, offer: &Offer, state: SaleState) -> Self {
        let is_early = state == SaleState::NotYet;
        Self::NotOnSale {
            index,
            name: offer.name.to_string(),
            starts: offer.sales_start_local.filter(|_| is_early),
            ends: offer.sales_end_local.filter(|_| !is_early),
        }
    }

    pub(super) fn earlier_tier(
        index: usize,
        offer: &Offer,
        before: Option<&Offer>,
        left: &Left<'_>,
    ) -> Self {
        let before = before.unwrap_or(offer);
        Self::EarlierTier {
            index,
            name: offer.name.to_string(),
            before: before.name.to_string(),
            left: left.left(before),
        }
    }

    pub(super) fn add_on_alone(offer: &Offer, offers: &[Offer], given: i32) -> Self {
        let bases = offer
            .bases(offers)
            .map(|base| format!("{:?}", base.name.as_str()));
        let bases: Vec<_> = bases.collect();
        Self::AddOnAlone {
            name: offer.name.to_string(),
            bases: if bases.is_empty() {
                "what is not sold any more".to_owned()
            } else {
                bases.join(" or ")
            },
            per_ticket: offer.per_ticket.unwrap_or_default(),
            given,
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
const EVENT_NOT_ON_SALE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "event_not_on_sale",
    "A draft is put on sale with publish_event; tell the organizer when it is over or cancelled.",
);
const NOT_ON_SALE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "not_on_sale",
    "Offer another ticket type from list_ticket_types, or change its sales window with save_ticket_type.",
);
const EARLIER_TIER: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "earlier_tier_on_sale",
    "Offer the earlier tier; an order may take all that is left of it together with the next.",
);
const OUTSIDE_LIMITS: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "quantity_outside_limits",
    "Choose a quantity within the limits, or change them with save_ticket_type.",
);
const PRICE_IS_FIXED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "price_is_fixed",
    "Leave `price` out; set_chosen_price lets buyers choose.",
);
const PRICE_OUT_OF_RANGE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "price_out_of_range",
    "Ask for an amount in the range; set_chosen_price changes the most, save_ticket_type the least.",
);
const ADD_ON_ALONE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "add_on_alone",
    "Put what it is sold with into the same order, or take fewer of it.",
);
const SOLD_OUT: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "sold_out",
    "Offer what is left, another ticket type, or the waiting list (join_waitlist); do not try again with the same number.",
);
const SALES_STOPPED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "sales_stopped",
    "Tell the organizer; check_inventory shows what does not add up, resume_sales counts anew and sells again.",
);
const TOTAL: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "total_too_large",
    "Check the prices with list_ticket_types.",
);

impl Fault for BasketError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            ITEM_COUNT,
            QUANTITY_OUT_OF_RANGE,
            EVENT_NOT_ON_SALE,
            NOT_ON_SALE,
            EARLIER_TIER,
            OUTSIDE_LIMITS,
            ADD_ON_ALONE,
            PRICE_IS_FIXED,
            PRICE_OUT_OF_RANGE,
            SOLD_OUT,
            SALES_STOPPED,
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
            Self::EventNotOnSale { .. } => EVENT_NOT_ON_SALE.at("event"),
            Self::NotOnSale { index, .. } => NOT_ON_SALE.at(format!("items[{index}].ticket_type")),
            Self::EarlierTier { index, .. } => {
                EARLIER_TIER.at(format!("items[{index}].ticket_type"))
            }
            Self::OutsideLimits { .. } => OUTSIDE_LIMITS.at("items"),
            Self::AddOnAlone { .. } => ADD_ON_ALONE.at("items"),
            Self::PriceIsFixed { index, .. } => PRICE_IS_FIXED.at(format!("items[{index}].price")),
            Self::PriceOutOfRange { index, .. } => {
                PRICE_OUT_OF_RANGE.at(format!("items[{index}].price"))
            }
            Self::SoldOut { .. } => SOLD_OUT.at("items"),
            Self::SalesStopped(_) => SALES_STOPPED.at("items"),
            Self::Total(_) => TOTAL.at("items"),
            Self::TicketType { index, error } => {
                error.facts().at(format!("items[{index}].ticket_type"))
            }
        }
    }
}
