//! `set_add_on`: a ticket type is only sold together with others.

use domain::{
    Cx, EventId, Facts, Fault, FaultKind, FaultSpec, Permission, Reference, TicketTypeId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    Left,
    changes::AddOnSet,
    model::{self, Offer, TicketType},
    sql,
};
use crate::{
    App, Effect, Operation,
    events::{self, EventStatus},
    faults::EVENT_CLOSED,
    lookup::LookupError,
};

/// The most of an add-on for each ticket.
const MOST_PER_TICKET: i32 = 20;

/// Sell a ticket type only together with others of the same order, such as parking, a workshop or a drink: at most so many
/// for each of their tickets. Without `to` it is sold by itself again.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetAddOn {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// The add-on: id or exact name. Make it with `save_ticket_type` first.
    pub ticket_type: Reference<TicketTypeId>,
    /// The ticket types it is sold with: ids or exact names.
    #[serde(default)]
    pub to: Vec<Reference<TicketTypeId>>,
    /// The most for each of their tickets; 1 when left out.
    pub per_ticket: Option<i32>,
}

impl Operation for SetAddOn {
    const NAME: &'static str = "set_add_on";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = TicketType;
    type Error = SetAddOnError;

    async fn run(self, app: &App, cx: &Cx) -> Result<TicketType, SetAddOnError> {
        let per_ticket = self.per_ticket.unwrap_or(1);
        if !(1..=MOST_PER_TICKET).contains(&per_ticket) {
            return Err(SetAddOnError::PerTicket(per_ticket));
        }
        let mut tx = app.store().write(cx).await?;
        // Whoever sells shares the event, so no order has half of it.
        let event = events::lock(tx.conn(), cx, &self.event).await?;
        if let EventStatus::Ended | EventStatus::Cancelled | EventStatus::Archived = event.status {
            return Err(SetAddOnError::EventClosed {
                title: event.title,
                status: event.status,
            });
        }
        let offers = sql::offers(tx.conn(), event.id).await?;
        let offer = model::find(&offers, &self.ticket_type)?;
        let bases = self.bases(&offers, offer)?;
        let per_ticket = (!bases.is_empty()).then_some(per_ticket);
        let (id, sold_count) = (offer.id, offer.sold_count);
        let is_changed = (&offer.bases, offer.per_ticket) != (&bases, per_ticket);
        if is_changed {
            sql::set_add_on(tx.conn(), cx, id, &bases, per_ticket).await?;
        }
        let offers = sql::offers(tx.conn(), event.id).await?;
        let saved = model::find(&offers, &id.into())?;
        let answer = saved.seen(cx, &event, &Left::of(cx, &event, &offers));
        if !is_changed {
            return Ok(tx.unchanged(answer).await?);
        }
        let change = AddOnSet {
            ticket_type_id: id,
            event_id: event.id,
            event_title: event.title,
            name: saved.name.to_string(),
            to: answer.add_on_to.clone(),
            per_ticket,
            sold_count,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

impl SetAddOn {
    /// The ticket types it is sold with, in the order of their ids, each once.
    fn bases(&self, offers: &[Offer], offer: &Offer) -> Result<Vec<TicketTypeId>, SetAddOnError> {
        let mut bases = Vec::new();
        for (index, reference) in self.to.iter().enumerate() {
            let base = model::find(offers, reference);
            let base = base.map_err(|error| SetAddOnError::Base { index, error })?;
            if base.id == offer.id || base.is_add_on() {
                let name = base.name.to_string();
                return Err(SetAddOnError::ToAddOn { index, name });
            }
            bases.push(base.id);
        }
        let of_it = offers.iter().find(|other| other.bases.contains(&offer.id));
        if let Some(other) = of_it.filter(|_| !bases.is_empty()) {
            return Err(SetAddOnError::HasAddOns {
                name: offer.name.to_string(),
                other: other.name.to_string(),
            });
        }
        bases.sort_unstable();
        bases.dedup();
        Ok(bases)
    }
}

/// How `set_add_on` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SetAddOnError {
    /// None, or too many, for each ticket.
    #[error("{0} for each ticket is not possible; there can be 1 to 20")]
    PerTicket(i32),
    /// It would be sold with itself or with another add-on.
    #[error("{name:?} is an add-on itself")]
    ToAddOn {
        /// Which.
        index: usize,
        /// Its name.
        name: String,
    },
    /// Another one is sold with it.
    #[error("{other:?} is an add-on to {name:?}")]
    HasAddOns {
        /// Its name.
        name: String,
        /// The one sold with it.
        other: String,
    },
    /// The event is over, cancelled or archived.
    #[error("{title:?} is {status}, so its ticket types can no longer be changed")]
    EventClosed {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// A ticket type it is to be sold with was not found.
    #[error("{error}")]
    Base {
        /// Which.
        index: usize,
        /// How it was not found.
        error: LookupError,
    },
    /// The event or the ticket type was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const PER_TICKET: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "per_ticket_out_of_range",
    "Give 1 to 20; leave `to` out to sell it by itself.",
);
const TO_ADD_ON: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "add_on_to_add_on",
    "Name ticket types that are sold by themselves.",
);
const HAS_ADD_ONS: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "has_add_ons",
    "Sell the other one by itself first, with set_add_on without `to`.",
);

impl Fault for SetAddOnError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![PER_TICKET, TO_ADD_ON, HAS_ADD_ONS, EVENT_CLOSED];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::PerTicket(_) => PER_TICKET.at("per_ticket"),
            Self::ToAddOn { index, .. } => TO_ADD_ON.at(format!("to[{index}]")),
            Self::HasAddOns { .. } => HAS_ADD_ONS.at("ticket_type"),
            Self::EventClosed { .. } => EVENT_CLOSED.into(),
            Self::Base { index, error } => error.facts().at(format!("to[{index}]")),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SetAddOnError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lifecycle::DuplicateEvent,
        orders::{ItemRequest, PlaceOrder},
        permission::Role,
        testing::{Scene, assert_refused, buying, holding, joining, selling},
        ticket_types::ListTicketTypes,
    };

    fn parking(event: EventId, to: &[&str]) -> SetAddOn {
        SetAddOn {
            event: event.into(),
            ticket_type: "Parking".parse().unwrap(),
            to: to.iter().map(|name| name.parse().unwrap()).collect(),
            per_ticket: None,
        }
    }

    /// `Regular` and, as an add-on to it, `Parking`.
    async fn with_parking(scene: &Scene) -> EventId {
        let (event, _) = scene.on_sale(2500, 9).await;
        let saved = scene.run(selling(event.id, "Parking", 800, 5)).await;
        saved.unwrap();
        let set = scene.run(parking(event.id, &["Regular"])).await.unwrap();
        assert_eq!(
            (set.add_on_to, set.per_ticket),
            (vec!["Regular".to_owned()], Some(1))
        );
        event.id
    }

    fn both(event: EventId, regular: i32, spots: i32) -> PlaceOrder {
        let mut order = buying(event, "Regular", regular);
        order.items.push(ItemRequest {
            ticket_type: "Parking".parse().unwrap(),
            quantity: spots,
            ..order.items[0].clone()
        });
        order
    }

    #[tokio::test]
    async fn is_sold_with_what_it_is_added_to_and_never_alone() {
        let scene = Scene::new().await;
        let event = with_parking(&scene).await;
        let alone = scene.run(buying(event, "Parking", 1)).await.unwrap_err();
        assert_eq!(
            alone.to_string(),
            "\"Parking\" is only sold with \"Regular\", at most 1 for each; 1 is too many here"
        );
        assert_refused::<(), _>(Err(alone), "add_on_alone");
        let mut hold = holding(event, 1);
        hold.items[0].ticket_type = "Parking".parse().unwrap();
        assert_refused(scene.run(hold).await, "add_on_alone");
        assert_refused(scene.run(both(event, 2, 3)).await, "add_on_alone");
        let order = scene.run(both(event, 2, 2)).await.unwrap().order;
        assert_eq!(order.order.total.amount, 2 * 2500 + 2 * 800);
        // Two for each.
        let two = SetAddOn {
            per_ticket: Some(2),
            ..parking(event, &["Regular"])
        };
        scene.run(two).await.unwrap();
        scene.run(both(event, 1, 2)).await.unwrap();
        // By itself again.
        let free = scene.run(parking(event, &[])).await.unwrap();
        assert!(free.add_on_to.is_empty() && free.per_ticket.is_none());
        scene.run(buying(event, "Parking", 1)).await.unwrap();
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn goes_along_when_an_event_is_duplicated_and_is_not_waited_for() {
        let scene = Scene::new().await;
        let event = with_parking(&scene).await;
        let mut waiting = joining(event, "Bo", 1);
        waiting.ticket_type = "Parking".parse().unwrap();
        assert_refused(scene.run(waiting).await, "not_waited_for");
        let copy = DuplicateEvent {
            event: event.into(),
            starts: "2027-05-06T19:00".parse().unwrap(),
            ends: None,
            title: None,
            slug: None,
            venue: None,
            zone: None,
            fold: None,
        };
        let copy = scene.run(copy).await.unwrap().event.id;
        let list = ListTicketTypes { event: copy.into() };
        let types = scene.run(list).await.unwrap().ticket_types;
        assert_eq!(types[1].add_on_to, ["Regular"]);
        assert_eq!(types[1].per_ticket, Some(1));
    }

    #[tokio::test]
    async fn refuses_chains_itself_and_what_is_not_there() {
        let scene = Scene::new().await;
        let event = with_parking(&scene).await;
        scene.run(selling(event, "Shuttle", 500, 5)).await.unwrap();
        let shuttle = |to: &[&str]| SetAddOn {
            ticket_type: "Shuttle".parse().unwrap(),
            ..parking(event, to)
        };
        assert_refused(scene.run(shuttle(&["Parking"])).await, "add_on_to_add_on");
        assert_refused(scene.run(shuttle(&["Shuttle"])).await, "add_on_to_add_on");
        let turned = SetAddOn {
            ticket_type: "Regular".parse().unwrap(),
            ..parking(event, &["Shuttle"])
        };
        assert_refused(scene.run(turned).await, "has_add_ons");
        assert_refused(scene.run(shuttle(&["Stage"])).await, "not_found");
        let many = SetAddOn {
            per_ticket: Some(21),
            ..shuttle(&["Regular"])
        };
        assert_refused(scene.run(many).await, "per_ticket_out_of_range");
        let other = scene.other_organization().await;
        let theirs = scene.app.run(&other, parking(event, &["Regular"])).await;
        assert_refused(theirs, "not_found");
        let door = scene.as_role(Role::Door);
        let refused = scene.app.run(&door, parking(event, &["Regular"])).await;
        assert_refused(refused, "forbidden");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let event = with_parking(&scene).await;
        let count = scene.changes().await.len();
        scene
            .run(parking(event, &["Regular", "Regular"]))
            .await
            .unwrap();
        assert_eq!(scene.changes().await.len(), count);
        scene.assert_idempotent(parking(event, &[])).await;
    }
}
