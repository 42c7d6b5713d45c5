//! `get_event`: one event with all that matters about it.

use domain::{Cx, EventId, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::readiness::Readiness;
use crate::{
    App, Effect, Operation,
    events::{self, Event, EventStatus},
    lookup::LookupError,
    reports::{self, SalesTotals},
    ticket_types::{self, TicketType},
};

/// One event with its ticket types, how many are left, what was sold so far and, for a draft, what is missing
/// before it can be published.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetEvent {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
}

/// An event and what belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventDetails {
    /// The event.
    pub event: Event,
    /// What is on sale, in the order in which buyers see it.
    pub ticket_types: Vec<TicketType>,
    /// Orders, tickets and money so far; only for those who may see orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals: Option<SalesTotals>,
    /// What is missing before it can be published; only for drafts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
}

impl Operation for GetEvent {
    const NAME: &'static str = "get_event";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::EventsRead;
    type Output = EventDetails;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<EventDetails, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let event = events::resolve(tx.conn(), cx, &self.event).await?;
        let offers = ticket_types::offers(tx.conn(), event.id).await?;
        let types = ticket_types::seen(cx, &event, &offers);
        let totals = if cx.may(Permission::OrdersRead) {
            Some(reports::totals_of(tx.conn(), &event).await?)
        } else {
            None
        };
        let readiness = if event.status == EventStatus::Draft {
            Some(Readiness::of(tx.conn(), cx, &event, &offers).await?)
        } else {
            None
        };
        Ok(EventDetails {
            event,
            ticket_types: types,
            totals,
            readiness,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        permission::Role,
        testing::{Scene, assert_refused, new_event, selling},
    };

    fn getting(event: &str) -> GetEvent {
        GetEvent {
            event: event.parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn shows_a_draft_with_what_is_missing() {
        let scene = Scene::new().await;
        scene.run(new_event("Spring Gala")).await.unwrap();
        let details = scene.run(getting("spring gala")).await.unwrap();
        let readiness = details.readiness.unwrap();
        assert!(!readiness.is_ready);
        assert_eq!(
            readiness.missing,
            [
                "a venue, because it is in_person",
                "a ticket type (save_ticket_type)"
            ]
        );
        assert_eq!(readiness.warnings, ["It has no description."]);
        let totals = details.totals.unwrap();
        assert_eq!((totals.orders_paid, totals.tickets_sold), (0, 0));
        assert_eq!(totals.money[0].net.to_string(), "0.00 EUR");
    }

    #[tokio::test]
    async fn shows_what_is_on_sale_and_hides_money_from_the_door() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene.run(selling(event.id, "Late", 3000, 5)).await.unwrap();
        let door = scene.as_role(Role::Door);
        let details = scene.app.run(&door, getting(&event.slug)).await.unwrap();
        let names: Vec<_> = details.ticket_types.iter().map(|t| &t.name).collect();
        assert_eq!(names, ["Regular", "Late"]);
        assert_eq!((details.totals, details.readiness), (None, None));
    }

    #[tokio::test]
    async fn another_organizations_event_is_not_there() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let command = GetEvent {
            event: event.id.into(),
        };
        assert_refused(scene.app.run(&other, command).await, "not_found");
        assert_refused(scene.run(getting("nothing")).await, "not_found");
    }
}
