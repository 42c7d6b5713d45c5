//! `list_ticket_types`: what is on sale for an event.

use domain::{Cx, EventId, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    model::{Offer, TicketType, seen},
    sql,
};
use crate::{
    App, Effect, Operation,
    events::{self, Event, EventStatus},
    lookup::LookupError,
    taxes::{self, Pricing},
};

/// The ticket types of an event with price, sales window, whether each is on sale now, and how many are sold,
/// held and left.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListTicketTypes {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
}

/// The ticket types of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TicketTypes {
    /// The event's id.
    pub event_id: EventId,
    /// The event's title.
    pub title: String,
    /// The event's state.
    pub status: EventStatus,
    /// What comes on top of the prices: fees, tax.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_top: Vec<String>,
    /// In the order in which buyers see them.
    pub ticket_types: Vec<TicketType>,
}

impl Operation for ListTicketTypes {
    const NAME: &'static str = "list_ticket_types";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::EventsRead;
    type Output = TicketTypes;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<TicketTypes, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let event = events::resolve(tx.conn(), cx, &self.event).await?;
        let offers = sql::offers(tx.conn(), event.id).await?;
        let pricing = taxes::pricing(tx.conn(), event.id).await?;
        let ticket_types = seen(cx, &event, &offers);
        Ok(TicketTypes {
            event_id: event.id,
            on_top: on_top(&pricing, &event, &offers),
            title: event.title,
            status: event.status,
            ticket_types,
        })
    }
}

/// What a buyer pays beside the prices, so that nobody is surprised when ordering.
fn on_top(pricing: &Pricing, event: &Event, offers: &[Offer]) -> Vec<String> {
    let mut lines = pricing.fees_in_words(event.currency);
    if pricing.adds_tax() {
        let rules = offers.iter().filter_map(|offer| offer.tax.as_ref());
        let mut rules: Vec<String> = rules
            .map(|rule| format!("{}: {} % of the price", rule.name, rule.rate))
            .collect();
        rules.sort();
        rules.dedup();
        lines.extend(rules);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused, selling},
        ticket_types::{
            SaleState::{self, NotYet, OnSale, Over},
            SaveTicketType,
        },
    };

    async fn listed(scene: &Scene, now: &str, event: EventId) -> Vec<(String, SaleState)> {
        let command = ListTicketTypes {
            event: event.into(),
        };
        let answer = scene.app.run(&scene.at(now), command).await.unwrap();
        answer
            .ticket_types
            .into_iter()
            .map(|t| (t.name, t.state))
            .collect()
    }

    #[tokio::test]
    async fn says_what_is_on_sale_when() {
        let scene = Scene::new().await;
        let event = scene.published("Spring Gala").await;
        let early = SaveTicketType {
            sales_end: domain::Patch::Set("2027-01-20T12:00".parse().unwrap()),
            ..selling(event.id, "Early bird", 2000, 5)
        };
        scene.run(early).await.unwrap();
        let late = SaveTicketType {
            sales_start: domain::Patch::Set("2027-01-20T12:00".parse().unwrap()),
            ..selling(event.id, "Regular", 2500, 5)
        };
        scene.run(late).await.unwrap();
        let states = |early, late| {
            vec![
                ("Early bird".to_owned(), early),
                ("Regular".to_owned(), late),
            ]
        };
        // The tier changes at noon in Berlin with neither a gap nor an overlap.
        let before = listed(&scene, "2027-01-20T10:59:59Z", event.id).await;
        assert_eq!(before, states(OnSale, NotYet));
        let after = listed(&scene, "2027-01-20T11:00:00Z", event.id).await;
        assert_eq!(after, states(Over, OnSale));
        let ended = listed(&scene, "2027-02-05T11:00:00Z", event.id).await;
        assert_eq!(ended, states(Over, Over));
    }

    #[tokio::test]
    async fn a_draft_sells_nothing() {
        let scene = Scene::new().await;
        let event = scene
            .run(crate::testing::new_event("Gala"))
            .await
            .unwrap()
            .event;
        scene
            .run(selling(event.id, "Regular", 2500, 5))
            .await
            .unwrap();
        let listed = listed(&scene, crate::testing::NOW, event.id).await;
        assert_eq!(listed, [("Regular".to_owned(), SaleState::NotPublished)]);
    }

    #[tokio::test]
    async fn another_organizations_event_is_not_there() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let event = scene.published("Spring Gala").await;
        let command = ListTicketTypes {
            event: event.id.into(),
        };
        assert_refused(scene.app.run(&other, command).await, "not_found");
    }
}
