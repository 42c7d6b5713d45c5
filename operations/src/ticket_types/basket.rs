//! What somebody picks, at present prices: the same for holding places and for placing an order.

use std::collections::HashMap;

use domain::{CapacityPoolId, Currency, Cx, Money, Reference, TicketTypeId};

use super::{
    BasketError,
    model::{Offer, SaleState, find_for, places, sale_state},
    terms::{AppliedCode, Terms},
    tiers, waited_for,
};
use crate::{
    events::{Event, EventStatus},
    inventory::{Places, Pool, Shortage},
    taxes::{AppliedTax, FeeLine, Item, LineTax, Pricing},
};

/// The most lines of a basket.
const MOST_ITEMS: usize = 50;

/// So many of a ticket type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pick<'a> {
    pub(crate) ticket_type: &'a Reference<TicketTypeId>,
    pub(crate) quantity: i32,
    /// What the buyer chose to pay for each.
    pub(crate) price: Option<Money>,
}

/// So many of a ticket type, as it was called and what one cost when it was picked: with a promo code, and without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) ticket_type_id: TicketTypeId,
    pub(crate) name: String,
    pub(crate) quantity: i32,
    pub(crate) unit_amount: i64,
    pub(crate) listed_amount: i64,
    pub(crate) tax: LineTax,
}

impl Line {
    /// So many of a ticket type at the price that the buyer chose, which no promo code makes cheaper.
    fn chosen(offer: &Offer, price: Money, quantity: i32) -> Self {
        Self {
            listed_amount: price.amount,
            ..Self::of(offer, price, quantity)
        }
    }

    /// So many of a ticket type at a price each, before tax is worked out.
    pub(crate) fn of(offer: &Offer, price: Money, quantity: i32) -> Self {
        Self {
            ticket_type_id: offer.id,
            name: offer.name.to_string(),
            quantity,
            unit_amount: price.amount,
            listed_amount: offer.price_amount,
            tax: LineTax::default(),
        }
    }

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
    /// What is charged beside the lines, as a part of the total.
    pub(crate) fees: Vec<FeeLine>,
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

/// Refuses a price that cannot be chosen.
fn check_chosen(index: usize, offer: &Offer, given: Money) -> Result<(), BasketError> {
    let name = offer.name.to_string();
    let Some(most) = offer.most() else {
        let price = offer.price();
        return Err(BasketError::PriceIsFixed { index, name, price });
    };
    let least = offer.price();
    if given.currency == least.currency && (least.amount..=most.amount).contains(&given.amount) {
        return Ok(());
    }
    Err(BasketError::PriceOutOfRange {
        index,
        name,
        range: format!("{least} to {most}"),
        given,
    })
}

impl Basket {
    /// Fills a basket at present prices, or those of a promo code, if the event, which is shared, sells these things now
    /// beside what was given out before. Each price is made once, here, and so are tax and fees.
    pub(crate) fn fill(
        cx: &Cx,
        event: &Event,
        (left, pricing): (&Left<'_>, &Pricing),
        picks: &[Pick<'_>],
        terms: Option<&Terms>,
    ) -> Result<Self, BasketError> {
        on_sale(event)?;
        let offers = left.offers();
        let mut picked = Vec::new();
        let mut counts = HashMap::<TicketTypeId, i32>::new();
        for (index, pick) in picks.iter().enumerate() {
            let at = |error| BasketError::TicketType { index, error };
            let offer = find_for(cx, offers, pick.ticket_type, terms).map_err(at)?;
            *counts.entry(offer.id).or_default() += pick.quantity;
            picked.push((pick, offer));
        }
        // Whoever takes the last of a tier may take the rest of what they want of the next.
        let rest = |offer: &Offer| {
            let taken = counts.get(&offer.id).copied().unwrap_or_default();
            left.left(offer)
                .map(|left| left.saturating_sub(taken).max(0))
        };
        let mut lines = Vec::new();
        for (index, (pick, offer)) in picked.into_iter().enumerate() {
            match sale_state(cx, event, offers, offer, rest) {
                state @ (SaleState::NotYet | SaleState::Over) => {
                    return Err(BasketError::not_on_sale(index, offer, state));
                }
                SaleState::NextTier => {
                    let before = tiers::still_before(cx, offers, offer, &rest);
                    return Err(BasketError::earlier_tier(index, offer, before, left));
                }
                // What is left of it is counted below.
                _ => {}
            }
            let line = if let Some(price) = pick.price.filter(|price| *price != offer.price()) {
                check_chosen(index, offer, price)?;
                Line::chosen(offer, price, pick.quantity)
            } else {
                let price = terms.map_or_else(|| offer.price(), |terms| terms.price(offer));
                Line::of(offer, price, pick.quantity)
            };
            lines.push((line, offer.tax.as_ref()));
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
        for offer in offers.iter().filter(|offer| offer.is_add_on()) {
            let given = counts.get(&offer.id).copied().unwrap_or_default();
            let bases = offer.bases(offers).filter_map(|base| counts.get(&base.id));
            let most = bases.sum::<i32>() * offer.per_ticket.unwrap_or_default();
            if given > most {
                return Err(BasketError::add_on_alone(offer, offers, given));
            }
        }
        Self::charged(event.currency, pricing, lines, terms)
    }

    /// A basket of lines, each with its tax rule, charged as its event does.
    pub(crate) fn charged(
        currency: Currency,
        pricing: &Pricing,
        lines: Vec<(Line, Option<&AppliedTax>)>,
        terms: Option<&Terms>,
    ) -> Result<Self, BasketError> {
        let items = lines.iter().map(|(line, tax)| Item {
            unit_amount: line.unit_amount,
            quantity: line.quantity,
            tax: *tax,
        });
        let items: Vec<Item<'_>> = items.collect();
        let charged = pricing.charge(currency, &items);
        let charged = charged.map_err(BasketError::Total)?;
        let taxed = lines.into_iter().zip(charged.lines);
        let lines: Vec<Line> = taxed.map(|((line, _), tax)| Line { tax, ..line }).collect();
        let listed = sum(currency, &lines, |line| line.listed_amount)?;
        let priced = sum(currency, &lines, |line| line.unit_amount)?;
        Ok(Self {
            lines,
            total: charged.total,
            promo_code: terms.map(|terms| terms.applied.clone()),
            discount: Money::new(listed.amount - priced.amount, currency),
            fees: charged.fees,
        })
    }

    /// What is charged on lines and fees.
    pub(crate) fn taxes(&self) -> impl Iterator<Item = &LineTax> {
        let fees = self.fees.iter().map(|fee| &fee.tax);
        self.lines.iter().map(|line| &line.tax).chain(fees)
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

/// What is left while places are given out to one basket after the other, beside what is kept for those on the waiting
/// list. It spares the writes when too few are left already; nothing is promised yet: the pools decide.
pub(crate) struct Left<'a> {
    offers: &'a [Offer],
    pools: HashMap<CapacityPoolId, Pool>,
}

impl<'a> Left<'a> {
    pub(crate) fn of(cx: &Cx, event: &Event, offers: &'a [Offer]) -> Self {
        Self {
            offers,
            pools: waited_for::beside(cx, event, offers),
        }
    }

    /// The ticket types they are of.
    pub(super) fn offers(&self) -> &'a [Offer] {
        self.offers
    }

    /// How many of a ticket type can be picked; none when nothing limits it.
    pub(crate) fn left(&self, offer: &Offer) -> Option<i32> {
        let pools = offer.pools();
        pools.filter_map(|pool| self.pools[&pool.id].left()).min()
    }

    /// The shortage, if places of pools cannot be had.
    pub(super) fn lacks(&self, wanted: &Places) -> Option<Shortage> {
        let mut wanted = wanted.iter();
        wanted.find_map(|(pool_id, &count)| self.pools.get(pool_id)?.lacks(count))
    }

    /// Takes the places of a basket, if there are enough.
    pub(crate) fn take(&mut self, basket: &Basket) -> Result<(), BasketError> {
        let wanted = basket.places(self.offers);
        if let Some(shortage) = self.lacks(&wanted) {
            return Err(basket.sold_out(self.offers, shortage));
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
