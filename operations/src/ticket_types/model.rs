//! The ticket type as callers see it, and whether it is on sale.

use domain::{
    CapacityPoolId, Currency, Cx, EventId, LocalTime, Money, Name, Reference, TaxRuleId,
    TicketTypeId, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{basket::Left, sql, terms::Terms, tiers};
use crate::{
    buyers,
    events::{Event, EventStatus},
    inventory::{Availability, Places, Pool},
    lookup::{Hit, LookupError, the_one},
    taxes::AppliedTax,
};

domain::text_enum! {
    /// Who is offered a ticket type.
    pub enum Visibility {
        /// Everybody.
        Public = "public",
        /// Nobody but those an organizer sells it to, or gives a promo code that unlocks it.
        Hidden = "hidden",
    }
}

domain::sqlx_as_text!(Visibility);

domain::text_enum! {
    /// Whether a ticket type can be bought now, and if not, why.
    pub enum SaleState {
        /// The event is not published.
        NotPublished = "not_published",
        /// The sale has not begun.
        NotYet = "not_yet",
        /// The tier before it is sold first.
        NextTier = "next_tier",
        /// It can be bought.
        OnSale = "on_sale",
        /// Nothing is left.
        SoldOut = "sold_out",
        /// Its counters did not add up; somebody has to look.
        Stopped = "stopped",
        /// The sale, or the event, is over or cancelled.
        Over = "over",
    }
}

/// A limit that several ticket types share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SharedPool {
    /// Its id.
    pub id: CapacityPoolId,
    /// Its name.
    pub name: String,
    /// What its ticket types have taken and left together.
    pub availability: Availability,
}

/// What is on sale for an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketType {
    /// Its id.
    pub id: TicketTypeId,
    /// What it is called.
    pub name: String,
    /// What it includes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its price; `amount` counts the smallest unit.
    pub price: Money,
    /// The price as people read it: `25.00 EUR` or `free`.
    pub costs: String,
    /// The buyer chooses what to pay for each, from the price up to this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-detail" = true))]
    pub chosen_up_to: Option<Money>,
    /// The most tickets of it that one buyer may have, over all their orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-detail" = true))]
    pub max_per_buyer: Option<i32>,
    /// What it is only sold together with, if it is an add-on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_on_to: Vec<String>,
    /// Of an add-on: the most for each ticket of those in an order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_ticket: Option<i32>,
    /// Its tax rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-detail" = true))]
    pub tax_rule: Option<String>,
    /// Whether it can be bought now.
    pub state: SaleState,
    /// Who is offered it.
    pub visibility: Visibility,
    /// How many are sold, held and left.
    pub availability: Availability,
    /// The limits it shares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<SharedPool>,
    /// The ticket type that is sold before it: this one opens when that is sold out or over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// When the sale begins, on the clock at the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sales_start: Option<LocalTime>,
    /// When the sale ends, on the clock at the event; with the event when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sales_end: Option<LocalTime>,
    /// The fewest in one order.
    pub min_per_order: i32,
    /// The most in one order.
    pub max_per_order: i32,
    /// Where it stands in the list.
    #[schemars(extend("x-detail" = true))]
    pub position: i32,
    /// Rises with every change.
    #[schemars(extend("x-detail" = true))]
    pub version: i32,
}

/// `25.00 EUR`, or `free`.
pub(crate) fn costs(price: Money) -> String {
    if price.is_zero() {
        "free".to_owned()
    } else {
        price.to_string()
    }
}

/// A row of `ticket_type` with its own pool and those it shares.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Offer {
    pub(crate) id: TicketTypeId,
    pub(crate) event_id: EventId,
    pub(crate) name: Name,
    pub(crate) description: Option<String>,
    pub(crate) price_amount: i64,
    pub(crate) price_currency: Currency,
    pub(crate) position: i32,
    pub(crate) visibility: Visibility,
    pub(crate) sales_start_local: Option<LocalTime>,
    pub(crate) sales_end_local: Option<LocalTime>,
    pub(crate) sales_start_at: Option<Timestamp>,
    pub(crate) sales_end_at: Option<Timestamp>,
    pub(crate) min_per_order: i32,
    pub(crate) max_per_order: i32,
    pub(crate) version: i32,
    pub(crate) pool_id: CapacityPoolId,
    pub(crate) capacity: Option<i32>,
    pub(crate) held_count: i32,
    pub(crate) sold_count: i32,
    pub(crate) blocked_count: i32,
    pub(crate) is_stopped: bool,
    pub(crate) shared: Vec<Pool>,
    /// The tier that is sold before it.
    pub(crate) follows: Option<TicketTypeId>,
    pub(crate) is_archived: bool,
    pub(crate) tax_rule_id: Option<TaxRuleId>,
    pub(crate) tax: Option<AppliedTax>,
    /// How many places of it people on the waiting list want.
    pub(crate) waited_for: i32,
    /// Whether it has reserved seats.
    pub(crate) is_seated: bool,
    /// Of an add-on: what it is sold with, and how many for each at most.
    pub(crate) bases: Vec<TicketTypeId>,
    pub(crate) per_ticket: Option<i32>,
    /// The most a buyer may choose to pay; none when the price is fixed.
    pub(crate) most_amount: Option<i64>,
    /// The most one buyer may have, over all their orders.
    pub(crate) max_per_buyer: Option<i32>,
}

impl Offer {
    pub(crate) fn price(&self) -> Money {
        Money::new(self.price_amount, self.price_currency)
    }

    /// The most that can be chosen, if the buyer chooses the price.
    pub(crate) fn most(&self) -> Option<Money> {
        let most = self.most_amount?.max(self.price_amount);
        Some(Money::new(most, self.price_currency))
    }

    /// The pool that counts what is taken of this type alone.
    pub(crate) fn own(&self) -> Pool {
        Pool {
            id: self.pool_id,
            name: None,
            capacity: self.capacity,
            held_count: self.held_count,
            sold_count: self.sold_count,
            blocked_count: self.blocked_count,
            is_stopped: self.is_stopped,
        }
    }

    /// Every pool that a sale takes a place of.
    pub(crate) fn pools(&self) -> impl Iterator<Item = Pool> {
        std::iter::once(self.own()).chain(self.shared.iter().cloned())
    }

    /// Whether it is only sold together with others.
    pub(crate) fn is_add_on(&self) -> bool {
        self.per_ticket.is_some()
    }

    /// What an add-on is sold with.
    pub(super) fn bases<'a>(&'a self, offers: &'a [Self]) -> impl Iterator<Item = &'a Self> {
        let is_base = |offer: &&Self| self.bases.contains(&offer.id);
        offers.iter().filter(is_base)
    }

    /// How many can still be sold; none when nothing limits it.
    pub(crate) fn left(&self) -> Option<i32> {
        self.pools().filter_map(|pool| pool.left()).min()
    }

    /// `25.00 EUR`, `free`, or `5.00 to 500.00 EUR, as the buyer chooses`.
    pub(crate) fn costs(&self) -> String {
        match self.most() {
            None => costs(self.price()),
            Some(most) => format!("{} to {most}, as the buyer chooses", self.price()),
        }
    }

    /// As callers see it.
    pub(super) fn seen(&self, cx: &Cx, event: &Event, left: &Left<'_>) -> TicketType {
        let availability = Availability {
            capacity: self.pools().filter_map(|pool| pool.capacity).min(),
            sold: self.sold_count,
            held: self.held_count,
            // What is kept for those who wait is not on sale.
            left: left.left(self),
        };
        let shared = self.shared.iter().map(|pool| SharedPool {
            id: pool.id,
            name: pool.label().to_owned(),
            availability: pool.availability(),
        });
        let after = tiers::previous(left.offers(), self)
            .filter(|before| buyers::shows_ticket_type(cx, before.visibility));
        let bases = self.bases(left.offers());
        TicketType {
            add_on_to: bases.map(|base| base.name.to_string()).collect(),
            per_ticket: self.per_ticket,
            state: sale_state(cx, event, left.offers(), self, |offer| left.left(offer)),
            after: after.map(|before| before.name.to_string()),
            price: self.price(),
            costs: self.costs(),
            chosen_up_to: self.most(),
            max_per_buyer: self.max_per_buyer,
            tax_rule: self.tax.as_ref().map(|tax| tax.name.clone()),
            id: self.id,
            name: self.name.to_string(),
            description: self.description.clone(),
            visibility: self.visibility,
            availability,
            pools: shared.collect(),
            sales_start: self.sales_start_local,
            sales_end: self.sales_end_local,
            min_per_order: self.min_per_order,
            max_per_order: self.max_per_order,
            position: self.position,
            version: self.version,
        }
    }
}

/// What places of ticket types take of their pools.
pub(crate) fn places(offers: &[Offer], counts: &[(TicketTypeId, i32)]) -> Places {
    let mut places = Places::new();
    for (id, count) in counts {
        let offer = offers.iter().find(|offer| offer.id == *id);
        for pool in offer.into_iter().flat_map(Offer::pools) {
            let taken = places.entry(pool.id).or_default();
            *taken = taken.saturating_add(*count);
        }
    }
    places
}

/// Whether one of the ticket types of an event can be bought now. `left` says how many of one can still be sold.
pub(crate) fn sale_state(
    cx: &Cx,
    event: &Event,
    offers: &[Offer],
    offer: &Offer,
    left: impl Fn(&Offer) -> Option<i32>,
) -> SaleState {
    match event.status {
        EventStatus::Draft => SaleState::NotPublished,
        EventStatus::Ended | EventStatus::Cancelled | EventStatus::Archived => SaleState::Over,
        EventStatus::Published if offer.sales_end_at.is_some_and(|end| end <= cx.now) => {
            SaleState::Over
        }
        EventStatus::Published if offer.sales_start_at.is_some_and(|start| start > cx.now) => {
            SaleState::NotYet
        }
        EventStatus::Published if tiers::still_before(cx, offers, offer, &left).is_some() => {
            SaleState::NextTier
        }
        EventStatus::Published if offer.pools().any(|pool| pool.is_stopped) => SaleState::Stopped,
        EventStatus::Published if left(offer) == Some(0) => SaleState::SoldOut,
        EventStatus::Published => SaleState::OnSale,
    }
}

/// The ticket type that somebody who may buy hidden ones means, among those of an event: by id or exact name.
pub(crate) fn find<'a>(
    offers: &'a [Offer],
    reference: &Reference<TicketTypeId>,
) -> Result<&'a Offer, LookupError> {
    find_among(offers.iter(), reference)
}

/// The ticket type a caller means, among those of an event that are there for them, or that their promo code unlocks.
pub(crate) fn find_for<'a>(
    cx: &Cx,
    offers: &'a [Offer],
    reference: &Reference<TicketTypeId>,
    terms: Option<&Terms>,
) -> Result<&'a Offer, LookupError> {
    let is_shown = |offer: &&Offer| {
        buyers::shows_ticket_type(cx, offer.visibility)
            || terms.is_some_and(|terms| terms.unlocks(offer))
    };
    find_among(offers.iter().filter(is_shown), reference)
}

fn find_among<'a>(
    offers: impl Iterator<Item = &'a Offer> + Clone,
    reference: &Reference<TicketTypeId>,
) -> Result<&'a Offer, LookupError> {
    let exact = |offer: &Offer| match reference {
        Reference::Id(id) => offer.id == *id,
        Reference::Name(name) => offer.name.as_str().to_lowercase() == name.to_lowercase(),
    };
    let hits = offers.clone().map(|offer| Hit {
        id: offer.id,
        label: offer.name.to_string(),
        exact: exact(offer),
    });
    let id = the_one(
        "ticket type",
        &reference.to_string(),
        &hits.collect::<Vec<_>>(),
    )?;
    let mut offers = offers;
    Ok(offers
        .find(|offer| offer.id == id)
        .expect("the hit came from this list"))
}

/// The ticket types of an event as callers see them, in their order.
pub(crate) async fn summaries(
    conn: &mut sqlx::PgConnection,
    cx: &Cx,
    event: &Event,
) -> sqlx::Result<Vec<TicketType>> {
    let offers = sql::offers(conn, event.id).await?;
    Ok(seen(cx, event, &offers))
}

/// Ticket types that were read already, as callers see them.
pub(crate) fn seen(cx: &Cx, event: &Event, offers: &[Offer]) -> Vec<TicketType> {
    let left = Left::of(cx, event, offers);
    let shown = offers
        .iter()
        .filter(|offer| buyers::shows_ticket_type(cx, offer.visibility));
    shown.map(|offer| offer.seen(cx, event, &left)).collect()
}
