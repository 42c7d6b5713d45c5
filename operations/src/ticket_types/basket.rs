//! What somebody picks, at present prices: the same for holding places and for placing an order.

use std::collections::HashMap;

use domain::{
    CapacityPoolId, Currency, Cx, Facts, Fault, FaultKind, FaultSpec, LocalTime, Money, Reference,
    TicketTypeId, money::MoneyError,
};

use super::{
    model::{Offer, SaleState, find_for, places, sale_state},
    terms::{AppliedCode, Terms},
};
use crate::{
    events::{Event, EventStatus},
    inventory::{Places, Pool, Shortage},
    lookup::LookupError,
};

/// The most lines of a basket.
const MOST_ITEMS: usize = 50;

/// So many of a ticket type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pick<'a> {
    pub(crate) ticket_type: &'a Reference<TicketTypeId>,
    pub(crate) quantity: i32,
}

/// So many of a ticket type, as it was called and what one cost when it was picked: with a promo code, and without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) ticket_type_id: TicketTypeId,
    pub(crate) name: String,
    pub(crate) quantity: i32,
    pub(crate) unit_amount: i64,
    pub(crate) listed_amount: i64,
}

impl Line {
    /// What one costs without the promo code, if that is more.
    pub(crate) fn listed(&self, currency: Currency) -> Option<Money> {
        (self.listed_amount > self.unit_amount).then(|| Money::new(self.listed_amount, currency))
    }
}

/// What was picked, and what it costs together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Basket {
    pub(crate) lines: Vec<Line>,
    pub(crate) total: Money,
    /// The promo code it was picked with.
    pub(crate) promo_code: Option<AppliedCode>,
    /// What that took off; the total is without it.
    pub(crate) discount: Money,
}

/// Checks what can be said without looking anything up.
pub(crate) fn check_picks(picks: &[Pick<'_>]) -> Result<(), BasketError> {
    if picks.is_empty() || picks.len() > MOST_ITEMS {
        return Err(BasketError::ItemCount(picks.len()));
    }
    for (index, pick) in picks.iter().enumerate() {
        if !(1..=100).contains(&pick.quantity) {
            return Err(BasketError::QuantityOutOfRange {
                index,
                given: pick.quantity,
            });
        }
    }
    Ok(())
}

impl Basket {
    /// Fills a basket at present prices, or those of a promo code, if the event, which is shared, sells these things now.
    /// Each price is made once, here.
    pub(crate) fn fill(
        cx: &Cx,
        event: &Event,
        offers: &[Offer],
        picks: &[Pick<'_>],
        terms: Option<&Terms>,
    ) -> Result<Self, BasketError> {
        on_sale(event)?;
        let mut counts = HashMap::<TicketTypeId, i32>::new();
        let mut lines = Vec::new();
        for (index, pick) in picks.iter().enumerate() {
            let at = |error| BasketError::TicketType { index, error };
            let offer = find_for(cx, offers, pick.ticket_type, terms).map_err(at)?;
            let state = sale_state(cx, event, offer);
            if let SaleState::NotYet | SaleState::Over = state {
                return Err(BasketError::not_on_sale(index, offer, state));
            }
            *counts.entry(offer.id).or_default() += pick.quantity;
            let price = terms.map_or_else(|| offer.price(), |terms| terms.price(offer));
            lines.push(Line {
                ticket_type_id: offer.id,
                name: offer.name.to_string(),
                quantity: pick.quantity,
                unit_amount: price.amount,
                listed_amount: offer.price_amount,
            });
        }
        for offer in offers {
            let limits = offer.min_per_order..=offer.max_per_order;
            if let Some(given) = counts
                .get(&offer.id)
                .filter(|count| !limits.contains(count))
            {
                return Err(BasketError::outside_limits(offer, *given));
            }
        }
        let listed = sum(event.currency, &lines, |line| line.listed_amount)?;
        let total = sum(event.currency, &lines, |line| line.unit_amount)?;
        Ok(Self {
            lines,
            total,
            promo_code: terms.map(|terms| terms.applied.clone()),
            discount: Money::new(listed.amount - total.amount, event.currency),
        })
    }

    /// How many of which ticket types.
    pub(crate) fn counts(&self) -> Vec<(TicketTypeId, i32)> {
        let counts = self
            .lines
            .iter()
            .map(|line| (line.ticket_type_id, line.quantity));
        counts.collect()
    }

    /// How many tickets.
    pub(crate) fn ticket_count(&self) -> i32 {
        self.lines.iter().map(|line| line.quantity).sum()
    }

    /// The places it takes.
    pub(crate) fn places(&self, offers: &[Offer]) -> Places {
        places(offers, &self.counts())
    }

    /// The refusal when places of a pool cannot be had.
    pub(crate) fn sold_out(&self, offers: &[Offer], shortage: Shortage) -> BasketError {
        let draws = |line: &&Line| {
            let offer = offers.iter().find(|offer| offer.id == line.ticket_type_id);
            offer.is_some_and(|offer| offer.pools().any(|pool| pool.id == shortage.pool_id))
        };
        let mut names: Vec<&str> = self
            .lines
            .iter()
            .filter(draws)
            .map(|line| line.name.as_str())
            .collect();
        names.dedup();
        let name = names.join(" and ");
        if shortage.is_stopped {
            return BasketError::SalesStopped(name);
        }
        let places = self.places(offers);
        BasketError::SoldOut {
            name,
            wanted: places.get(&shortage.pool_id).copied().unwrap_or_default(),
            left: shortage.left,
        }
    }
}

/// What lines cost together.
fn sum(
    currency: Currency,
    lines: &[Line],
    unit: impl Fn(&Line) -> i64,
) -> Result<Money, BasketError> {
    let mut sum = Money::zero(currency);
    for line in lines {
        let quantity = u32::try_from(line.quantity).unwrap_or_default();
        let price = Money::new(unit(line), currency).checked_mul(quantity);
        let added = price.and_then(|price| price.checked_add(sum));
        sum = added.map_err(BasketError::Total)?;
    }
    Ok(sum)
}

/// What is left while places are given out to one basket after the other. It spares the writes when too few are left
/// already; nothing is promised yet: the pools decide.
pub(crate) struct Left<'a> {
    offers: &'a [Offer],
    pools: HashMap<CapacityPoolId, Pool>,
}

impl<'a> Left<'a> {
    pub(crate) fn of(offers: &'a [Offer]) -> Self {
        let pools = offers.iter().flat_map(Offer::pools);
        Self {
            offers,
            pools: pools.map(|pool| (pool.id, pool)).collect(),
        }
    }

    /// Takes the places of a basket, if there are enough.
    pub(crate) fn take(&mut self, basket: &Basket) -> Result<(), BasketError> {
        let wanted = basket.places(self.offers);
        for (&pool_id, &count) in &wanted {
            if let Some(shortage) = self.pools[&pool_id].lacks(count) {
                return Err(basket.sold_out(self.offers, shortage));
            }
        }
        for (pool_id, count) in &wanted {
            if let Some(pool) = self.pools.get_mut(pool_id) {
                pool.held_count = pool.held_count.saturating_add(*count);
            }
        }
        Ok(())
    }
}

/// Refuses unless the event sells tickets now.
pub(crate) fn on_sale(event: &Event) -> Result<(), BasketError> {
    if event.status == EventStatus::Published {
        return Ok(());
    }
    Err(BasketError::EventNotOnSale {
        title: event.title.clone(),
        status: event.status,
    })
}

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
    fn not_on_sale(index: usize, offer: &Offer, state: SaleState) -> Self {
        let is_early = state == SaleState::NotYet;
        Self::NotOnSale {
            index,
            name: offer.name.to_string(),
            starts: offer.sales_start_local.filter(|_| is_early),
            ends: offer.sales_end_local.filter(|_| !is_early),
        }
    }

    fn outside_limits(offer: &Offer, given: i32) -> Self {
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
            OUTSIDE_LIMITS,
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
            Self::OutsideLimits { .. } => OUTSIDE_LIMITS.at("items"),
            Self::SoldOut { .. } => SOLD_OUT.at("items"),
            Self::SalesStopped(_) => SALES_STOPPED.at("items"),
            Self::Total(_) => TOTAL.at("items"),
            Self::TicketType { index, error } => {
                error.facts().at(format!("items[{index}].ticket_type"))
            }
        }
    }
}
