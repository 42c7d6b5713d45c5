//! `set_price_tiers`: ticket types are sold one after the other.

use std::collections::HashMap;

use domain::{
    Cx, EventId, Facts, Fault, FaultKind, FaultSpec, Permission, Reference, TicketTypeId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::TiersSet,
    model::{self, Offer, TicketType, Visibility},
    sql,
    tiers::{self, TierError},
};
use crate::{
    App, Effect, Operation,
    events::{self, EventStatus},
    faults::EVENT_CLOSED,
    lookup::LookupError,
};

/// The most tiers of a chain.
const MOST_TIERS: usize = 20;

/// Sell ticket types one after the other, such as early bird, regular and late: each opens at the moment the one before
/// it is sold out or over, whichever comes first, and is never on sale beside it. Make them with `save_ticket_type`
/// first: `quantity`, `sales_end` or both say when one gives way. Naming a single one sells it by itself again.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetPriceTiers {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// The ticket types in the order in which they are sold: ids or exact names.
    pub ticket_types: Vec<Reference<TicketTypeId>>,
}

/// The tiers as they are sold now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PriceTiers {
    /// In the order in which they are sold.
    pub tiers: Vec<TicketType>,
    /// What the organizer should know, such as a price that falls from one tier to the next.
    pub warnings: Vec<String>,
}

impl Operation for SetPriceTiers {
    const NAME: &'static str = "set_price_tiers";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = PriceTiers;
    type Error = SetPriceTiersError;

    async fn run(self, app: &App, cx: &Cx) -> Result<PriceTiers, SetPriceTiersError> {
        if !(1..=MOST_TIERS).contains(&self.ticket_types.len()) {
            return Err(SetPriceTiersError::TierCount(self.ticket_types.len()));
        }
        let mut tx = app.store().write(cx).await?;
        let event = events::lock(tx.conn(), cx, &self.event).await?;
        if let EventStatus::Ended | EventStatus::Cancelled | EventStatus::Archived = event.status {
            return Err(SetPriceTiersError::EventClosed {
                title: event.title,
                status: event.status,
            });
        }
        let mut offers = sql::offers(tx.conn(), event.id).await?;
        let wanted = self.wanted(&offers)?;
        let moved = moved(&offers, &wanted)?;
        for offer in &mut offers {
            offer.follows = moved.get(&offer.id).copied().unwrap_or(offer.follows);
        }
        tiers::check(&offers, cx.now)?;
        let changed: Vec<_> = moved.into_iter().collect();
        if !changed.is_empty() {
            sql::set_tiers(tx.conn(), cx, &changed).await?;
        }
        let in_order = |id: &TicketTypeId| offers.iter().find(|offer| offer.id == *id);
        let tiers: Vec<&Offer> = wanted.iter().filter_map(in_order).collect();
        let warnings = warnings(&tiers);
        let seen = model::summaries(tx.conn(), cx, &event).await?;
        let seen = |tier: &&Offer| seen.iter().find(|seen| seen.id == tier.id).cloned();
        let answer = PriceTiers {
            tiers: tiers.iter().filter_map(seen).collect(),
            warnings,
        };
        if changed.is_empty() {
            return Ok(tx.unchanged(answer).await?);
        }
        let change = TiersSet {
            event_id: event.id,
            event_title: event.title,
            tiers: tiers.iter().map(|tier| tier.name.to_string()).collect(),
            sold_count: tiers.iter().map(|tier| tier.sold_count).sum(),
        };
        Ok(tx.commit(change, answer).await?)
    }
}

impl SetPriceTiers {
    /// The ticket types that are meant, each once.
    fn wanted(&self, offers: &[Offer]) -> Result<Vec<TicketTypeId>, SetPriceTiersError> {
        let mut wanted = Vec::new();
        for (index, reference) in self.ticket_types.iter().enumerate() {
            let found = model::find(offers, reference);
            let offer = found.map_err(|error| SetPriceTiersError::TicketType { index, error })?;
            if wanted.contains(&offer.id) {
                return Err(SetPriceTiersError::Twice {
                    index,
                    name: offer.name.to_string(),
                });
            }
            wanted.push(offer.id);
        }
        Ok(wanted)
    }
}

/// Which ticket types follow another one than before. Whoever is sold between those that are wanted has to be named too.
fn moved(
    offers: &[Offer],
    wanted: &[TicketTypeId],
) -> Result<HashMap<TicketTypeId, Option<TicketTypeId>>, SetPriceTiersError> {
    let mut follows: HashMap<_, _> = (offers.iter())
        .map(|offer| (offer.id, offer.follows))
        .collect();
    if let [alone] = wanted {
        // Those behind it follow the one before it.
        let before = follows.insert(*alone, None).flatten();
        for next in follows.values_mut().filter(|next| **next == Some(*alone)) {
            *next = before;
        }
    } else {
        for offer in offers.iter().filter(|offer| !wanted.contains(&offer.id)) {
            let is_behind = (offer.follows).is_some_and(|before| wanted.contains(&before));
            let mut behind = offers.iter().filter(|next| wanted.contains(&next.id));
            let is_before = behind.any(|next| next.follows == Some(offer.id));
            if is_behind || is_before {
                return Err(SetPriceTiersError::LeftOut(offer.name.to_string()));
            }
        }
        let before = std::iter::once(None).chain(wanted.iter().copied().map(Some));
        follows.extend(wanted.iter().copied().zip(before));
    }
    let differs = |offer: &&Offer| follows[&offer.id] != offer.follows;
    let moved = offers.iter().filter(differs);
    Ok(moved.map(|offer| (offer.id, follows[&offer.id])).collect())
}

fn warnings(tiers: &[&Offer]) -> Vec<String> {
    let mut warnings = Vec::new();
    for pair in tiers.windows(2) {
        let [tier, next] = pair else { continue };
        let (name, next_name) = (tier.name.as_str(), next.name.as_str());
        if next.price_amount < tier.price_amount {
            warnings.push(format!(
                "{next_name:?} ({}) is cheaper than {name:?} before it ({}).",
                next.price(),
                tier.price()
            ));
        }
        if tier.left() == Some(0) {
            warnings.push(format!(
                "{name:?} is sold out already, so {next_name:?} is next at once."
            ));
        }
        if tier.visibility == Visibility::Public && next.visibility == Visibility::Hidden {
            warnings.push(format!(
                "{next_name:?} is hidden: when {name:?} gives way, buyers without a code see nothing on sale."
            ));
        }
    }
    warnings
}

/// How `set_price_tiers` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SetPriceTiersError {
    /// None, or too many.
    #[error("{0} ticket types were named; 1 to 20 can be sold one after the other")]
    TierCount(usize),
    /// One was named twice.
    #[error("{name:?} is named twice")]
    Twice {
        /// Which.
        index: usize,
        /// Its name.
        name: String,
    },
    /// A tier of the same chain was not named.
    #[error("{0:?} is sold before or after one of them and was not named")]
    LeftOut(String),
    /// Nothing would be on sale between two of them.
    #[error(transparent)]
    Tier(#[from] TierError),
    /// The event is over, cancelled or archived.
    #[error("{title:?} is {status}, so its ticket types can no longer be changed")]
    EventClosed {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// A ticket type was not found.
    #[error("{error}")]
    TicketType {
        /// Which.
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

const TIER_COUNT: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "tier_count",
    "Name the ticket types in the order in which they are sold.",
);
const TIER_TWICE: FaultSpec =
    FaultSpec::new(FaultKind::Invalid, "tier_twice", "Name each tier once.");
const TIER_LEFT_OUT: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "tier_left_out",
    "Name all tiers of the chain in their order, or take that one out first by naming it alone.",
);

impl Fault for SetPriceTiersError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![TIER_COUNT, TIER_TWICE, TIER_LEFT_OUT, EVENT_CLOSED];
        specs.extend(TierError::specs());
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::TierCount(_) => TIER_COUNT.at("ticket_types"),
            Self::Twice { index, .. } => TIER_TWICE.at(format!("ticket_types[{index}]")),
            Self::LeftOut(_) => TIER_LEFT_OUT.at("ticket_types"),
            Self::Tier(error) => error.facts().at("ticket_types"),
            Self::EventClosed { .. } => EVENT_CLOSED.into(),
            Self::TicketType { index, error } => error.facts().at(format!("ticket_types[{index}]")),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SetPriceTiersError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use domain::Patch;

    use super::*;
    use crate::{
        lifecycle::DuplicateEvent,
        orders::CancelOrder,
        testing::{Scene, assert_refused, buying, pool, saving, selling},
        ticket_types::{
            ArchiveTicketType, ListTicketTypes, SaleState, SaveTicketType, model::SaleState::*,
        },
    };

    pub(crate) fn tiers(event: EventId, names: &[&str]) -> SetPriceTiers {
        SetPriceTiers {
            event: event.into(),
            ticket_types: names.iter().map(|name| name.parse().unwrap()).collect(),
        }
    }

    /// Early of 2 until Friday, Regular of 10, Late of 5: one after the other.
    async fn three(scene: &Scene) -> EventId {
        let event = scene.published("Spring Gala").await.id;
        let early = SaveTicketType {
            sales_end: Patch::Set("2027-01-15T18:00".parse().unwrap()),
            ..selling(event, "Early", 1500, 2)
        };
        scene.run(early).await.unwrap();
        for (name, amount, quantity) in [("Regular", 2500, 10), ("Late", 3500, 5)] {
            let saved = scene.run(selling(event, name, amount, quantity)).await;
            saved.unwrap();
        }
        let chain = tiers(event, &["Early", "Regular", "Late"]);
        assert!(scene.run(chain).await.unwrap().warnings.is_empty());
        event
    }

    async fn states(scene: &Scene, cx: &Cx, event: EventId) -> Vec<SaleState> {
        let list = ListTicketTypes {
            event: event.into(),
        };
        let listed = scene.app.run(cx, list).await.unwrap().ticket_types;
        listed.iter().map(|listed| listed.state).collect()
    }

    #[tokio::test]
    async fn opens_the_next_when_one_is_sold_out_and_closes_it_when_places_come_back() {
        let scene = Scene::new().await;
        let event = three(&scene).await;
        assert_eq!(
            states(&scene, &scene.cx, event).await,
            [OnSale, NextTier, NextTier]
        );
        let refused = scene.run(buying(event, "Regular", 1)).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "\"Regular\" is on sale once \"Early\" is sold out or over; 2 of those are left"
        );
        assert_refused::<(), _>(Err(refused), "earlier_tier_on_sale");
        let both = scene.run(buying(event, "Early", 2)).await.unwrap();
        assert_eq!(
            states(&scene, &scene.cx, event).await,
            [SoldOut, OnSale, NextTier]
        );
        scene.run(buying(event, "Regular", 3)).await.unwrap();
        let cancelling = CancelOrder::of(both.order.order.id.into());
        scene.run(cancelling).await.unwrap();
        assert_eq!(
            states(&scene, &scene.cx, event).await,
            [OnSale, NextTier, NextTier]
        );
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn opens_the_next_at_the_very_moment_one_is_over() {
        let scene = Scene::new().await;
        let event = three(&scene).await;
        // Berlin is an hour ahead.
        for (now, expected) in [
            ("2027-01-15T16:59:59Z", [OnSale, NextTier, NextTier]),
            ("2027-01-15T17:00:00Z", [Over, OnSale, NextTier]),
        ] {
            let cx = scene.at(now);
            assert_eq!(states(&scene, &cx, event).await, expected, "{now}");
            for (name, state) in ["Early", "Regular", "Late"].iter().zip(expected) {
                let bought = scene.app.run(&cx, buying(event, name, 1)).await;
                assert_eq!(bought.is_ok(), state == OnSale, "{now}: {name}");
            }
        }
    }

    #[tokio::test]
    async fn an_order_takes_the_last_of_a_tier_and_the_rest_of_the_next() {
        let scene = Scene::new().await;
        let event = three(&scene).await;
        let mixed = |early, regular| {
            let mut order = buying(event, "Regular", regular);
            let first = buying(event, "Early", early).items.remove(0);
            order.items.push(first);
            order
        };
        assert_refused(scene.run(mixed(1, 2)).await, "earlier_tier_on_sale");
        assert_refused(scene.run(mixed(3, 1)).await, "sold_out");
        let order = scene.run(mixed(2, 2)).await.unwrap().order.order;
        assert_eq!(order.total.amount, 2 * 1500 + 2 * 2500);
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_chain_closes_when_one_of_it_is_put_away_or_sold_by_itself() {
        let scene = Scene::new().await;
        let event = three(&scene).await;
        let copy = DuplicateEvent {
            event: event.into(),
            starts: "2027-03-04T19:00".parse().unwrap(),
            ends: None,
            title: None,
            slug: None,
            venue: None,
            zone: None,
            fold: None,
        };
        let copy = scene.run(copy).await.unwrap().event.id;
        let after = |listed: &TicketType| listed.after.clone();
        let list = |event: EventId| ListTicketTypes {
            event: event.into(),
        };
        let copied = scene.run(list(copy)).await.unwrap().ticket_types;
        let copied: Vec<_> = copied.iter().map(after).collect();
        assert_eq!(copied, [None, Some("Early".into()), Some("Regular".into())]);
        let archive = ArchiveTicketType {
            event: event.into(),
            ticket_type: "Regular".parse().unwrap(),
        };
        scene.run(archive).await.unwrap();
        assert_eq!(
            states(&scene, &scene.cx, event).await,
            [OnSale, NextTier],
            "Late follows Early"
        );
        scene.run(tiers(event, &["Late"])).await.unwrap();
        assert_eq!(states(&scene, &scene.cx, event).await, [OnSale, OnSale]);
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Sells \"Late\" for \"Spring Gala\" by itself"
        );
    }

    #[tokio::test]
    async fn refuses_tiers_between_which_nothing_is_on_sale() {
        let scene = Scene::new().await;
        let event = scene.published("Spring Gala").await.id;
        let at = |local: &str| Patch::Set(local.parse().unwrap());
        let unlimited = SaveTicketType {
            quantity: None,
            pools: Some(vec![pool("Hall", Some(100))]),
            ..selling(event, "Open", 1000, 1)
        };
        scene.run(unlimited).await.unwrap();
        let by_date = |name, ends| SaveTicketType {
            sales_end: at(ends),
            quantity: None,
            pools: Some(vec![pool("Hall", None)]),
            ..selling(event, name, 1500, 1)
        };
        scene
            .run(by_date("June", "2027-01-20T12:00"))
            .await
            .unwrap();
        scene.run(by_date("May", "2027-01-15T12:00")).await.unwrap();
        let starting = SaveTicketType {
            sales_start: at("2027-01-16T12:00"),
            ..selling(event, "Starting", 2000, 5)
        };
        scene.run(starting).await.unwrap();
        scene.run(selling(event, "Few", 1000, 5)).await.unwrap();
        for (names, code) in [
            (vec!["Open", "June"], "tier_never_over"),
            (vec!["June", "May"], "tier_over_first"),
            (vec!["May", "Starting"], "tier_gap"),
            (vec!["Few", "Starting"], "tier_gap"),
            (vec!["Few", "May", "Few"], "tier_twice"),
            (vec!["Few", "Nobody"], "not_found"),
            (vec![], "tier_count"),
        ] {
            assert_refused(scene.run(tiers(event, &names)).await, code);
        }
        let warned = scene.run(tiers(event, &["May", "June", "Few"])).await;
        let warned = warned.unwrap().warnings;
        assert_eq!(
            warned,
            ["\"Few\" (10.00 EUR) is cheaper than \"June\" before it (15.00 EUR)."]
        );
        assert_refused(
            scene.run(tiers(event, &["May", "Few"])).await,
            "tier_left_out",
        );
        let endless = SaveTicketType {
            ticket_type: Some("May".parse().unwrap()),
            sales_end: Patch::Remove,
            ..saving(event)
        };
        assert_refused(scene.run(endless).await, "tier_never_over");
        let other = scene.other_organization().await;
        let theirs = scene.app.run(&other, tiers(event, &["May", "June"])).await;
        assert_refused(theirs, "not_found");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let event = three(&scene).await;
        let count = scene.changes().await.len();
        let same = tiers(event, &["Early", "Regular", "Late"]);
        scene.run(same).await.unwrap();
        assert_eq!(scene.changes().await.len(), count, "nothing changed");
        scene.run(tiers(event, &["Late"])).await.unwrap();
        let chain = tiers(event, &["Early", "Regular", "Late"]);
        scene.assert_idempotent(chain).await;
    }
}
