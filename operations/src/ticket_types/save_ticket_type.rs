//! `save_ticket_type`: something is put on sale, or what is on sale changes.

use domain::{
    CapacityPoolId, Cx, EventId, LocalTime, LongText, Money, Name, Patch, Permission, Reference,
    TicketTypeId, time::Fold,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{ResultExt as _, WriteTx};

use super::{
    changes::{TicketTypeCreated, TicketTypeUpdated},
    errors::SaveTicketTypeError,
    limit::{self, Limits, PoolRequest},
    model::{self, Offer, TicketType, Visibility, costs},
    sql, tiers, warnings,
};
use crate::{
    App, Effect, Operation,
    events::{self, Event, EventStatus},
    field_change::{FieldChange, differing},
    taxes,
};

/// Put a ticket type on sale for an event, or change one by naming it in `ticket_type`. When changing, fields left
/// out stay as they are and an empty text removes one; orders already placed keep their price. Tell the organizer
/// the `warnings`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SaveTicketType {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// The ticket type to change: id or exact name. Leave out to add one.
    pub ticket_type: Option<Reference<TicketTypeId>>,
    /// What it is called. Required for a new one.
    pub name: Option<Name>,
    /// Price of one, in the event's currency; amount 0 is free. Required for a new one.
    pub price: Option<Money>,
    /// How many of this type alone. A new one needs this, `pools` or `unlimited`.
    #[schemars(range(min = 1))]
    pub quantity: Option<i32>,
    /// All limits it shares with other types, such as a hall's seats: a sale takes a place of each.
    pub pools: Option<Vec<PoolRequest>>,
    /// No limit at all; only when the organizer says so.
    #[serde(default)]
    pub unlimited: bool,
    /// The fewest in one order (default 1).
    #[schemars(range(min = 1))]
    pub min_per_order: Option<i32>,
    /// The most in one order (default 10).
    #[schemars(range(min = 1))]
    pub max_per_order: Option<i32>,
    /// When the sale begins: local time at the event.
    #[serde(default)]
    pub sales_start: Patch<LocalTime>,
    /// When the sale ends: local time at the event; with the event when left out.
    #[serde(default)]
    pub sales_end: Patch<LocalTime>,
    /// Which one, when clocks go back and a sales time happens twice.
    pub fold: Option<Fold>,
    /// `hidden`: for the organizer, or by promo code.
    pub visibility: Option<Visibility>,
    /// What it includes.
    #[serde(default)]
    pub description: Patch<LongText>,
    /// Where it stands in the list, lowest first.
    pub position: Option<i32>,
}

impl SaveTicketType {
    /// A ticket type of an event with nothing said about it yet.
    pub fn of(event: Reference<EventId>) -> Self {
        Self {
            event,
            ticket_type: None,
            name: None,
            price: None,
            quantity: None,
            pools: None,
            unlimited: false,
            min_per_order: None,
            max_per_order: None,
            sales_start: Patch::Keep,
            sales_end: Patch::Keep,
            fold: None,
            visibility: None,
            description: Patch::Keep,
            position: None,
        }
    }
}

/// The highest price, in the smallest unit: a thousand million euros. As many tickets as there are seats on earth add
/// up to less than 64 bits hold.
const HIGHEST_PRICE: i64 = 100_000_000_000;

/// The ticket type and what the organizer should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SavedTicketType {
    /// The ticket type.
    pub ticket_type: TicketType,
    /// What the organizer should know, such as more tickets than the venue has room for.
    pub warnings: Vec<String>,
}

impl Operation for SaveTicketType {
    const NAME: &'static str = "save_ticket_type";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = SavedTicketType;
    type Error = SaveTicketTypeError;

    async fn run(self, app: &App, cx: &Cx) -> Result<SavedTicketType, SaveTicketTypeError> {
        let wanted = Limits::of(&self)?;
        let mut tx = app.store().write(cx).await?;
        let event = events::lock(tx.conn(), cx, &self.event).await?;
        if let EventStatus::Ended | EventStatus::Cancelled | EventStatus::Archived = event.status {
            return Err(SaveTicketTypeError::EventClosed {
                title: event.title,
                status: event.status,
            });
        }
        let offers = sql::offers(tx.conn(), event.id).await?;
        match self.ticket_type.clone() {
            None => self.create(tx, &event, &offers, wanted).await,
            Some(reference) => {
                let before = model::find(&offers, &reference)?.clone();
                self.update(tx, &event, &offers, before, wanted).await
            }
        }
    }
}

impl SaveTicketType {
    async fn create(
        self,
        mut tx: WriteTx<'_>,
        event: &Event,
        offers: &[Offer],
        wanted: Limits,
    ) -> Result<SavedTicketType, SaveTicketTypeError> {
        let cx = tx.cx();
        let blank = self.blank(cx, event, offers)?;
        let mut offer = self.onto(blank, event)?;
        offer.tax_rule_id = taxes::default_rule(tx.conn()).await?;
        if wanted.are_kept() && !self.unlimited {
            return Err(SaveTicketTypeError::QuantityMissing(offer.name));
        }
        wanted.place(&mut tx, &mut offer, None).await?;
        let inserted = sql::insert(tx.conn(), cx, &offer).await;
        inserted.on_constraint("ticket_type_name_key", || {
            SaveTicketTypeError::NameTaken(offer.name.clone())
        })?;
        limit::settle(&mut tx, None, &offer).await?;
        let change = TicketTypeCreated {
            ticket_type_id: offer.id,
            event_id: event.id,
            name: offer.name.to_string(),
            price: offer.price(),
            capacity: limit::in_words(&offer),
        };
        let answer = answer(&mut tx, event, None, &offer).await?;
        Ok(tx.commit(change, answer).await?)
    }

    async fn update(
        self,
        mut tx: WriteTx<'_>,
        event: &Event,
        offers: &[Offer],
        before: Offer,
        wanted: Limits,
    ) -> Result<SavedTicketType, SaveTicketTypeError> {
        let cx = tx.cx();
        let mut offer = self.onto(before.clone(), event)?;
        wanted.place(&mut tx, &mut offer, Some(&before)).await?;
        let changed = differences(&before, &offer);
        if changed.is_empty() {
            let answer = answer(&mut tx, event, Some(&before), &offer).await?;
            return Ok(tx.unchanged(answer).await?);
        }
        tiers::check_with(offers, &offer, cx.now)?;
        let updated = sql::update(tx.conn(), cx, &offer).await;
        updated.on_constraint("ticket_type_name_key", || {
            SaveTicketTypeError::NameTaken(offer.name.clone())
        })?;
        limit::settle(&mut tx, Some(&before), &offer).await?;
        let change = TicketTypeUpdated {
            ticket_type_id: offer.id,
            event_id: event.id,
            name: before.name.to_string(),
            changed,
            sold_count: before.sold_count,
        };
        let answer = answer(&mut tx, event, Some(&before), &offer).await?;
        Ok(tx.commit(change, answer).await?)
    }

    /// A new ticket type behind the others, before anything but its name and price is said.
    fn blank(
        &self,
        cx: &Cx,
        event: &Event,
        offers: &[Offer],
    ) -> Result<Offer, SaveTicketTypeError> {
        let name = self.name.clone().ok_or(SaveTicketTypeError::NameMissing)?;
        let price = self
            .price
            .ok_or_else(|| SaveTicketTypeError::PriceMissing {
                name: name.clone(),
                currency: event.currency,
            })?;
        let last = offers.iter().map(|offer| offer.position).max();
        Ok(Offer {
            id: cx.new_id(),
            event_id: event.id,
            name,
            description: None,
            price_amount: price.amount,
            price_currency: price.currency,
            position: last.map_or(1, |last| last.saturating_add(1)),
            visibility: Visibility::Public,
            sales_start_local: None,
            sales_end_local: None,
            sales_start_at: None,
            sales_end_at: None,
            min_per_order: 1,
            max_per_order: self.min_per_order.unwrap_or(1).max(10),
            version: 1,
            pool_id: cx.new_id::<CapacityPoolId>(),
            capacity: None,
            held_count: 0,
            sold_count: 0,
            blocked_count: 0,
            is_stopped: false,
            shared: Vec::new(),
            follows: None,
            is_archived: false,
            bases: Vec::new(),
            per_ticket: None,
            most_amount: None,
            max_per_buyer: None,
            tax_rule_id: None,
            tax: None,
            waited_for: 0,
            is_seated: false,
        })
    }

    /// The ticket type with the given fields changed, but for its limit.
    fn onto(&self, before: Offer, event: &Event) -> Result<Offer, SaveTicketTypeError> {
        let mut offer = before;
        if let Some(name) = &self.name {
            offer.name = name.clone();
        }
        if let Some(price) = self.price {
            if price.currency != event.currency {
                return Err(SaveTicketTypeError::CurrencyDiffers {
                    given: price.currency,
                    expected: event.currency,
                });
            }
            if price.amount < 0 {
                return Err(SaveTicketTypeError::PriceNegative(price));
            }
            if price.amount > HIGHEST_PRICE {
                return Err(SaveTicketTypeError::PriceTooHigh(price));
            }
            offer.price_amount = price.amount;
            offer.price_currency = price.currency;
        }
        offer.min_per_order = self.min_per_order.unwrap_or(offer.min_per_order);
        offer.max_per_order = self.max_per_order.unwrap_or(offer.max_per_order);
        if offer.min_per_order > offer.max_per_order {
            return Err(SaveTicketTypeError::LimitsReversed {
                min: offer.min_per_order,
                max: offer.max_per_order,
            });
        }
        offer.visibility = self.visibility.unwrap_or(offer.visibility);
        offer.position = self.position.unwrap_or(offer.position);
        let description = self.description.clone();
        offer.description = match description {
            Patch::Keep => offer.description,
            Patch::Remove => None,
            Patch::Set(text) => Some(text.to_string()),
        };
        self.window(&mut offer, event)?;
        Ok(offer)
    }

    fn window(&self, offer: &mut Offer, event: &Event) -> Result<(), SaveTicketTypeError> {
        let resolve =
            |local: &LocalTime, field| events::resolve_time(*local, &event.zone, self.fold, field);
        match &self.sales_start {
            Patch::Keep => {}
            Patch::Remove => (offer.sales_start_local, offer.sales_start_at) = (None, None),
            Patch::Set(local) => {
                offer.sales_start_at = Some(resolve(local, "sales_start")?);
                offer.sales_start_local = Some(*local);
            }
        }
        match &self.sales_end {
            Patch::Keep => {}
            Patch::Remove => (offer.sales_end_local, offer.sales_end_at) = (None, None),
            Patch::Set(local) => {
                offer.sales_end_at = Some(resolve(local, "sales_end")?);
                offer.sales_end_local = Some(*local);
            }
        }
        if self.sales_start.is_keep() && self.sales_end.is_keep() {
            return Ok(());
        }
        let (Some(starts), Some(starts_at)) = (offer.sales_start_local, offer.sales_start_at)
        else {
            return Ok(());
        };
        if starts_at >= event.ends_at {
            return Err(SaveTicketTypeError::WindowAfterEvent {
                starts,
                event_ends: event.ends,
            });
        }
        match (offer.sales_end_local, offer.sales_end_at) {
            (Some(ends), Some(ends_at)) if ends_at <= starts_at => {
                Err(SaveTicketTypeError::WindowReversed { starts, ends })
            }
            _ => Ok(()),
        }
    }
}

/// The ticket type as it is now, with what the organizer should know.
async fn answer(
    tx: &mut WriteTx<'_>,
    event: &Event,
    before: Option<&Offer>,
    offer: &Offer,
) -> Result<SavedTicketType, SaveTicketTypeError> {
    let cx = tx.cx();
    let all = model::summaries(tx.conn(), cx, event).await?;
    let warnings = warnings::all(tx.conn(), cx, event, before, offer).await?;
    let mut all = all.into_iter();
    let ticket_type = all
        .find(|t| t.id == offer.id)
        .expect("the ticket type was just written");
    Ok(SavedTicketType {
        ticket_type,
        warnings,
    })
}

/// The fields that differ, for the audit trail and for the person who confirms.
fn differences(before: &Offer, after: &Offer) -> Vec<FieldChange> {
    let both = |text: fn(&Offer) -> Option<String>| (text(before), text(after));
    let fields = [
        ("name", both(|o| Some(o.name.to_string()))),
        ("price", both(|o| Some(costs(o.price())))),
        ("description", both(|o| o.description.clone())),
        ("visibility", both(|o| Some(o.visibility.to_string()))),
        (
            "start of sale",
            both(|o| o.sales_start_local.map(LocalTime::readable)),
        ),
        (
            "end of sale",
            both(|o| o.sales_end_local.map(LocalTime::readable)),
        ),
        (
            "fewest per order",
            both(|o| Some(o.min_per_order.to_string())),
        ),
        (
            "most per order",
            both(|o| Some(o.max_per_order.to_string())),
        ),
        ("position", both(|o| Some(o.position.to_string()))),
    ];
    // A pool that only changes its size says so itself.
    let fields = fields
        .into_iter()
        .chain([("shared pools", both(limit::shared_in_words))]);
    differing(fields.map(|(field, (before, after))| (field, before, after)))
}

#[cfg(test)]
mod tests {
    use domain::{Fault as _, Permissions};

    use super::*;
    use crate::{
        events::{CreateEvent, StatusMove},
        testing::{Scene, assert_refused, buying, eur, new_event, pool, saving, selling},
        venues::SaveVenue,
    };

    async fn draft(scene: &Scene) -> Event {
        scene.run(new_event("Spring Gala")).await.unwrap().event
    }

    fn changing(event: &Event, name: &str) -> SaveTicketType {
        SaveTicketType {
            ticket_type: Some(name.parse().unwrap()),
            ..saving(event.id)
        }
    }

    fn price(amount: i64, currency: &str) -> Money {
        Money::new(amount, currency.parse().unwrap())
    }

    fn at(local: &str) -> Patch<LocalTime> {
        Patch::Set(local.parse().unwrap())
    }

    #[tokio::test]
    async fn records_the_limit_with_its_capacity() {
        let scene = Scene::new().await;
        let event = draft(&scene).await;
        let shared = SaveTicketType {
            quantity: None,
            pools: Some(vec![pool("Hall", Some(100))]),
            ..selling(event.id, "Shared", 2500, 1)
        };
        scene.run(shared).await.unwrap();
        let summary = scene.changes().await.pop().unwrap().summary;
        assert_eq!(
            summary,
            "Adds the ticket type \"Shared\": 25.00 EUR, from the pool \"Hall\" of 100"
        );
        let own = SaveTicketType {
            quantity: Some(40),
            ..changing(&event, "Shared")
        };
        scene.run(own).await.unwrap();
        let summary = scene.changes().await.pop().unwrap().summary;
        assert_eq!(
            summary,
            "Changes the capacity of \"Shared\" from unlimited to 40"
        );
        let more = SaveTicketType {
            quantity: Some(60),
            ..changing(&event, "Shared")
        };
        scene.run(more).await.unwrap();
        let summary = scene.changes().await.pop().unwrap().summary;
        assert_eq!(summary, "Changes the capacity of \"Shared\" from 40 to 60");
    }

    #[tokio::test]
    async fn refuses_a_price_whose_sums_would_not_fit() {
        let scene = Scene::new().await;
        let event = draft(&scene).await;
        for amount in [i64::MAX, HIGHEST_PRICE + 1] {
            let dear = selling(event.id, "Dear", amount, 10);
            assert_refused(scene.run(dear).await, "price_too_high");
        }
        let dear = selling(event.id, "Dear", HIGHEST_PRICE, 10);
        scene.run(dear).await.unwrap();
    }

    #[tokio::test]
    async fn puts_a_ticket_type_on_sale() {
        let scene = Scene::new().await;
        let event = draft(&scene).await;
        let saved = scene
            .run(selling(event.id, "Regular", 2500, 100))
            .await
            .unwrap();
        assert_eq!(saved.warnings, Vec::<String>::new());
        let t = saved.ticket_type;
        assert_eq!(
            (t.costs.as_str(), t.availability.left),
            ("25.00 EUR", Some(100))
        );
        assert_eq!((t.min_per_order, t.max_per_order, t.position), (1, 10, 1));
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(change.kind, "ticket_type.created");
        assert_eq!(
            change.summary,
            "Adds the ticket type \"Regular\": 25.00 EUR, 100 of them"
        );
    }

    #[tokio::test]
    async fn changes_only_what_is_given_and_records_it() {
        let scene = Scene::new().await;
        let event = draft(&scene).await;
        let described = SaveTicketType {
            description: Patch::Set("With a drink".parse().unwrap()),
            ..selling(event.id, "Regular", 2500, 100)
        };
        let before = scene.run(described).await.unwrap().ticket_type;
        let change = SaveTicketType {
            price: Some(price(3000, "EUR")),
            description: Patch::Remove,
            ..changing(&event, "REGULAR")
        };
        let after = scene.run(change).await.unwrap().ticket_type;
        let expected = TicketType {
            price: Money::new(3000, eur()),
            costs: "30.00 EUR".to_owned(),
            description: None,
            version: 2,
            ..before
        };
        assert_eq!(after, expected);
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Changes the ticket type \"Regular\": price from \"25.00 EUR\" to \"30.00 EUR\"; \
             description from \"With a drink\" to nothing"
        );
        let count = scene.changes().await.len();
        scene.run(changing(&event, "Regular")).await.unwrap();
        assert_eq!(scene.changes().await.len(), count, "nothing was different");
    }

    #[tokio::test]
    async fn two_types_share_a_pool() {
        let scene = Scene::new().await;
        let event = draft(&scene).await;
        let shared = |name: &str, capacity| SaveTicketType {
            quantity: None,
            pools: Some(vec![pool("Hall", capacity)]),
            ..selling(event.id, name, 2500, 1)
        };
        assert_refused(scene.run(shared("Regular", None)).await, "pool_not_found");
        scene.run(shared("Regular", Some(50))).await.unwrap();
        let second = SaveTicketType {
            pools: Some(vec![pool("HALL", None)]),
            ..shared("Student", None)
        };
        let saved = scene.run(second).await.unwrap().ticket_type;
        let hall = &saved.pools[0];
        assert_eq!(
            (hall.name.as_str(), hall.availability.left),
            ("Hall", Some(50))
        );
        let resize = SaveTicketType {
            pools: Some(vec![pool("Hall", Some(60))]),
            ..changing(&event, "Student")
        };
        assert_eq!(
            scene
                .run(resize)
                .await
                .unwrap()
                .ticket_type
                .availability
                .left,
            Some(60)
        );
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Changes the capacity of \"Hall\" from 50 to 60"
        );
        let both = SaveTicketType {
            quantity: Some(5),
            ..changing(&event, "Student")
        };
        let both = scene.run(both).await.unwrap().ticket_type;
        assert_eq!((both.pools.len(), both.availability.left), (1, Some(5)));
        let own = SaveTicketType {
            pools: Some(Vec::new()),
            ..changing(&event, "Student")
        };
        let own = scene.run(own).await.unwrap().ticket_type;
        assert_eq!((own.pools.len(), own.availability.left), (0, Some(5)));
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Changes the ticket type \"Student\": shared pools from \"Hall\" to nothing"
        );
        let nothing = SaveTicketType {
            pools: Some(Vec::new()),
            ..changing(&event, "Regular")
        };
        assert_refused(scene.run(nothing).await, "quantity_missing");
        let twice = SaveTicketType {
            pools: Some(vec![pool("Hall", None), pool("hall", Some(9))]),
            ..changing(&event, "Regular")
        };
        assert_refused(scene.run(twice).await, "pool_twice");
        let typo = SaveTicketType {
            pools: Some(vec![pool("Hal", None)]),
            ..shared("Late", None)
        };
        let error = scene.run(typo).await.unwrap_err();
        assert_eq!(error.candidates()[0].name, "Hall");
        // The last to leave takes the pool along; its name is free.
        let unlimited = SaveTicketType {
            unlimited: true,
            ..changing(&event, "Regular")
        };
        let free = scene.run(unlimited).await.unwrap().ticket_type;
        assert_eq!((free.pools.len(), free.availability.left), (0, None));
        assert_refused(scene.run(shared("Late", None)).await, "pool_not_found");
        scene.reconcile().await;
    }

    /// Tickets of `Early` take a place of their own ten and one of the hall's twelve; what was sold of a type counts
    /// in the pools it joins.
    #[tokio::test]
    async fn a_type_takes_a_place_of_each_of_its_limits() {
        let scene = Scene::new().await;
        let event = scene.published("Gala").await;
        let early = SaveTicketType {
            pools: Some(vec![pool("Hall", Some(12)), pool("Stage", Some(11))]),
            ..selling(event.id, "Early", 0, 10)
        };
        scene.run(early).await.unwrap();
        scene.run(buying(event.id, "Early", 8)).await.unwrap();
        scene
            .run(selling(event.id, "Late", 2500, 20))
            .await
            .unwrap();
        scene.run(buying(event.id, "Late", 5)).await.unwrap();
        let joining = |capacity| SaveTicketType {
            pools: Some(vec![pool("hall", capacity)]),
            ..changing(&event, "Late")
        };
        let error = scene.run(joining(None)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "5 are sold or held, and the pool \"Hall\" has only 4 places left"
        );
        assert_refused::<(), _>(Err(error), "pool_full");
        let joined = scene.run(joining(Some(14))).await.unwrap().ticket_type;
        assert_eq!(joined.availability.left, Some(1));
        scene.reconcile().await;
        let error = scene.run(buying(event.id, "Early", 2)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "1 of the 2 Early tickets asked for are left"
        );
        scene.run(buying(event.id, "Early", 1)).await.unwrap();
        assert_refused(scene.run(buying(event.id, "Late", 1)).await, "sold_out");
        let leaving = SaveTicketType {
            pools: Some(vec![pool("Stage", None)]),
            ..changing(&event, "Early")
        };
        scene.run(leaving).await.unwrap();
        scene.run(buying(event.id, "Late", 9)).await.unwrap();
        assert_refused(scene.run(buying(event.id, "Late", 1)).await, "sold_out");
        scene.reconcile().await;
    }

    /// What an event can sell is the sum of its limits, but for those inside others.
    #[tokio::test]
    async fn limits_inside_others_add_nothing_to_what_the_event_can_sell() {
        let scene = Scene::new().await;
        let event = draft(&scene).await;
        let capacity = async || {
            let mut tx = scene.app.store().read(&scene.cx).await.unwrap();
            crate::inventory::capacity(tx.conn(), event.id)
                .await
                .unwrap()
        };
        assert_eq!(capacity().await, Some(0));
        let nested = |name: &str, quantity, pools| SaveTicketType {
            quantity,
            pools: Some(pools),
            ..selling(event.id, name, 2500, 1)
        };
        let hall = || pool("Hall", Some(300));
        let early = nested("Early", Some(50), vec![hall()]);
        scene.run(early).await.unwrap();
        assert_eq!(capacity().await, Some(50), "no more than its own");
        let regular = nested("Regular", None, vec![hall()]);
        scene.run(regular).await.unwrap();
        assert_eq!(capacity().await, Some(300));
        let vip = nested("VIP", None, vec![hall(), pool("Balcony", Some(40))]);
        scene.run(vip).await.unwrap();
        assert_eq!(capacity().await, Some(300), "the balcony is in the hall");
        scene
            .run(selling(event.id, "Online", 500, 7))
            .await
            .unwrap();
        assert_eq!(capacity().await, Some(307));
        let free = SaveTicketType {
            quantity: None,
            unlimited: true,
            ..selling(event.id, "Stream", 0, 1)
        };
        scene.run(free).await.unwrap();
        assert_eq!(capacity().await, None);
    }

    #[tokio::test]
    async fn refuses_prices_that_do_not_fit() {
        let scene = Scene::new().await;
        let event = draft(&scene).await;
        let with = |price| SaveTicketType {
            price,
            ..selling(event.id, "Regular", 0, 10)
        };
        assert_refused(scene.run(with(None)).await, "price_missing");
        assert_refused(
            scene.run(with(Some(price(2500, "USD")))).await,
            "currency_differs",
        );
        assert_refused(
            scene.run(with(Some(price(-1, "EUR")))).await,
            "price_negative",
        );
        let saved = scene.run(with(Some(price(25, "EUR")))).await.unwrap();
        assert_eq!(
            saved.warnings,
            ["\"Regular\" costs only 0.25 EUR: the amount counts the smallest unit."]
        );
    }

    #[tokio::test]
    async fn refuses_names_and_limits_that_do_not_fit() {
        let scene = Scene::new().await;
        let event = draft(&scene).await;
        let good = || selling(event.id, "Regular", 2500, 10);
        let nameless = SaveTicketType {
            name: None,
            ..good()
        };
        assert_refused(scene.run(nameless).await, "ticket_type_name_missing");
        let endless = SaveTicketType {
            quantity: None,
            ..good()
        };
        assert_refused(scene.run(endless).await, "quantity_missing");
        let both = SaveTicketType {
            unlimited: true,
            ..good()
        };
        assert_refused(scene.run(both).await, "quantity_ambiguous");
        let none = SaveTicketType {
            quantity: Some(0),
            ..good()
        };
        assert_refused(scene.run(none).await, "not_positive");
        let reversed = SaveTicketType {
            min_per_order: Some(4),
            max_per_order: Some(2),
            ..good()
        };
        assert_refused(scene.run(reversed).await, "limits_reversed");
        scene.run(good()).await.unwrap();
        assert_refused(
            scene.run(selling(event.id, "REGULAR", 1, 1)).await,
            "name_taken",
        );
        scene
            .run(selling(event.id, "Student", 1500, 1))
            .await
            .unwrap();
        let taken = SaveTicketType {
            name: Some("Regular".parse().unwrap()),
            ..changing(&event, "Student")
        };
        assert_refused(scene.run(taken).await, "name_taken");
        assert_refused(scene.run(changing(&event, "VIP")).await, "not_found");
        let unlimited = SaveTicketType {
            quantity: None,
            unlimited: true,
            ..selling(event.id, "Online", 0, 1)
        };
        let free = scene.run(unlimited).await.unwrap().ticket_type;
        assert_eq!(
            (free.costs.as_str(), free.availability.left),
            ("free", None)
        );
    }

    #[tokio::test]
    async fn refuses_sales_windows_that_do_not_fit() {
        let scene = Scene::new().await;
        let event = draft(&scene).await;
        let window = |start, end| SaveTicketType {
            sales_start: start,
            sales_end: end,
            ..selling(event.id, "Regular", 2500, 10)
        };
        let reversed = window(at("2027-01-20T12:00"), at("2027-01-20T12:00"));
        assert_refused(scene.run(reversed).await, "sales_window_reversed");
        let late = window(at("2027-02-04T22:00"), Patch::Keep);
        assert_refused(scene.run(late).await, "sales_window_after_event");
        let skipped = window(Patch::Keep, at("2026-03-29T02:30"));
        assert_refused(scene.run(skipped).await, "time_does_not_exist");
        let twice = window(Patch::Keep, at("2026-10-25T02:30"));
        assert_refused(scene.run(twice).await, "time_happens_twice");
        let past = window(Patch::Keep, at("2027-01-10T12:00"));
        let saved = scene.run(past).await.unwrap();
        assert_eq!(
            saved.warnings,
            ["The sale ended on Sun 10 Jan 2027, 12:00 already, so nothing can be bought."]
        );
        let open = SaveTicketType {
            sales_end: Patch::Remove,
            ..changing(&event, "Regular")
        };
        assert_eq!(
            scene.run(open).await.unwrap().warnings,
            Vec::<String>::new()
        );
    }

    #[tokio::test]
    async fn refuses_to_change_what_is_over_or_cancelled() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let later = scene.at("2027-02-05T09:00:00Z");
        let command = selling(event.id, "Late", 2500, 10);
        assert_refused(scene.app.run(&later, command.clone()).await, "event_closed");
        scene.move_event(event.id, StatusMove::Cancel(None)).await;
        assert_refused(scene.run(command).await, "event_closed");
    }

    #[tokio::test]
    async fn warns_when_the_venue_is_too_small() {
        let scene = Scene::new().await;
        let hall = SaveVenue {
            name: Some("Town Hall".parse().unwrap()),
            capacity: Patch::Set(80),
            ..SaveVenue::default()
        };
        let venue = scene.run(hall).await.unwrap();
        let gala = CreateEvent {
            venue: Some(venue.id.into()),
            ..new_event("Spring Gala")
        };
        let event = scene.run(gala).await.unwrap().event;
        let fits = scene
            .run(selling(event.id, "Regular", 2500, 60))
            .await
            .unwrap();
        assert_eq!(fits.warnings, Vec::<String>::new());
        let over = scene
            .run(selling(event.id, "Student", 1500, 30))
            .await
            .unwrap();
        assert_eq!(
            over.warnings,
            ["Town Hall has room for 80, but all ticket types together offer 90 tickets."]
        );
    }

    #[tokio::test]
    async fn another_organization_and_a_viewer_cannot_save() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let event = draft(&scene).await;
        let command = selling(event.id, "Regular", 2500, 10);
        assert_refused(scene.app.run(&other, command.clone()).await, "not_found");
        let viewer = scene
            .cx
            .clone()
            .with_permissions(Permissions::NONE.with(Permission::EventsRead));
        assert_refused(scene.app.run(&viewer, command).await, "forbidden");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let event = draft(&scene).await;
        scene
            .assert_idempotent(selling(event.id, "Regular", 2500, 10))
            .await;
    }
}
