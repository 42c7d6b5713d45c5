//! `publish_event`: an event goes on sale.

use domain::{Cx, EventId, Facts, Fault, FaultKind, FaultSpec, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{changes::EventPublished, readiness::Readiness};
use crate::{
    App, Effect, Operation,
    events::{self, Event, EventStatus, StatusMove},
    faults::EVENT_CLOSED,
    lookup::LookupError,
    ticket_types,
};

/// Put a draft on sale: everybody can see it, and buy tickets within their sales windows. Refused with the whole
/// list of what is missing; `warnings` are for the organizer to look at.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PublishEvent {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
}

/// An event that is on sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedEvent {
    /// The event.
    pub event: Event,
    /// What the organizer should look at.
    pub warnings: Vec<String>,
}

impl Operation for PublishEvent {
    const NAME: &'static str = "publish_event";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = PublishedEvent;
    type Error = PublishEventError;

    async fn run(self, app: &App, cx: &Cx) -> Result<PublishedEvent, PublishEventError> {
        let mut tx = app.store().write(cx).await?;
        let event = events::lock(tx.conn(), cx, &self.event).await?;
        let offers = ticket_types::offers(tx.conn(), event.id).await?;
        let readiness = Readiness::of(tx.conn(), cx, &event, &offers).await?;
        let warnings = readiness.warnings;
        match event.status {
            EventStatus::Draft => {}
            EventStatus::Published => {
                return Ok(tx.unchanged(PublishedEvent { event, warnings }).await?);
            }
            EventStatus::Ended | EventStatus::Cancelled | EventStatus::Archived => {
                return Err(PublishEventError::Closed {
                    title: event.title,
                    status: event.status,
                });
            }
        }
        if !readiness.is_ready {
            return Err(PublishEventError::NotReady {
                title: event.title,
                missing: readiness.missing,
            });
        }
        events::set_status(tx.conn(), cx, event.id, StatusMove::Publish).await?;
        let event = events::get(tx.conn(), cx, event.id).await?;
        let change = EventPublished {
            event_id: event.id,
            title: event.title.clone(),
            when: event.when.clone(),
        };
        Ok(tx
            .commit(change, PublishedEvent { event, warnings })
            .await?)
    }
}

/// How `publish_event` refuses.
#[derive(Debug, thiserror::Error)]
pub enum PublishEventError {
    /// Something must be there first.
    #[error("{title:?} still needs {}", .missing.join("; and "))]
    NotReady {
        /// Its title.
        title: String,
        /// Everything that is missing.
        missing: Vec<String>,
    },
    /// It is over, cancelled or archived.
    #[error("{title:?} is {status} and cannot be published")]
    Closed {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// It was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NOT_READY: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "not_ready",
    "Add what is missing with update_event and save_ticket_type, asking the organizer where needed, then publish.",
);

impl Fault for PublishEventError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![NOT_READY, EVENT_CLOSED];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NotReady { .. } => NOT_READY.into(),
            Self::Closed { .. } => EVENT_CLOSED.into(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for PublishEventError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use domain::Patch;

    use super::*;
    use crate::{
        events::CreateEvent,
        testing::{Scene, assert_refused, new_event, selling},
        ticket_types::SaveTicketType,
        venues::SaveVenue,
    };

    fn publishing(event: &Event) -> PublishEvent {
        PublishEvent {
            event: event.id.into(),
        }
    }

    async fn draft(scene: &Scene) -> Event {
        scene.run(new_event("Spring Gala")).await.unwrap().event
    }

    async fn ready(scene: &Scene) -> Event {
        let command = CreateEvent {
            venue: Some(scene.venue("Town Hall").await.id.into()),
            ..new_event("Spring Gala")
        };
        let event = scene.run(command).await.unwrap().event;
        scene
            .run(selling(event.id, "Regular", 2500, 10))
            .await
            .unwrap();
        event
    }

    #[tokio::test]
    async fn puts_a_draft_on_sale_once() {
        let scene = Scene::new().await;
        let event = ready(&scene).await;
        let published = scene.run(publishing(&event)).await.unwrap();
        assert_eq!(published.event.status, EventStatus::Published);
        assert_eq!(published.event.published_at, Some(scene.cx.now));
        let count = scene.changes().await.len();
        let again = scene.run(publishing(&event)).await.unwrap();
        assert_eq!(again, published);
        let changes = scene.changes().await;
        assert_eq!(changes.len(), count);
        assert_eq!(changes[count - 1].kind, "event.published");
    }

    #[tokio::test]
    async fn names_everything_that_is_missing_at_once() {
        let scene = Scene::new().await;
        let event = draft(&scene).await;
        let outcome = scene.run(publishing(&event)).await;
        let said = outcome.as_ref().unwrap_err().to_string();
        assert_eq!(
            said,
            "\"Spring Gala\" still needs a venue, because it is in_person; and a ticket type (save_ticket_type)"
        );
        assert_refused(outcome, "not_ready");
        let later = scene.at("2027-03-01T09:00:00Z");
        let outcome = scene.app.run(&later, publishing(&event)).await;
        let said = outcome.as_ref().unwrap_err().to_string();
        assert!(
            said.contains("a date to come: it ended on Thu 4 Feb 2027, 22:00"),
            "{said}"
        );
        assert_refused(outcome, "not_ready");
    }

    #[tokio::test]
    async fn a_ticket_type_that_cannot_be_bought_is_not_enough() {
        let scene = Scene::new().await;
        let event = ready(&scene).await;
        let late = scene.at("2027-02-01T09:00:00Z");
        let listed = scene
            .run(crate::ticket_types::ListTicketTypes {
                event: event.id.into(),
            })
            .await
            .unwrap();
        let closing = SaveTicketType {
            ticket_type: Some(listed.ticket_types[0].id.into()),
            sales_end: Patch::Set("2027-01-20T12:00".parse().unwrap()),
            ..crate::testing::saving(event.id)
        };
        scene.run(closing).await.unwrap();
        let outcome = scene.app.run(&late, publishing(&event)).await;
        assert!(
            outcome
                .as_ref()
                .unwrap_err()
                .to_string()
                .contains("can be bought")
        );
        assert_refused(outcome, "not_ready");
    }

    #[tokio::test]
    async fn warns_of_what_should_be_looked_at() {
        let scene = Scene::new().await;
        let event = ready(&scene).await;
        let later = SaveTicketType {
            sales_start: Patch::Set("2027-01-20T12:00".parse().unwrap()),
            ..selling(event.id, "Late", 2500, 50)
        };
        scene.run(later).await.unwrap();
        let small = SaveVenue {
            venue: Some("Town Hall".parse().unwrap()),
            capacity: Patch::Set(20),
            ..SaveVenue::default()
        };
        scene.run(small).await.unwrap();
        let published = scene.run(publishing(&event)).await.unwrap();
        assert_eq!(
            published.warnings,
            [
                "It has no description.",
                "The sale of \"Late\" begins only on Wed 20 Jan 2027, 12:00.",
                "Town Hall has room for 20, but all ticket types together offer 60 tickets."
            ]
        );
    }

    #[tokio::test]
    async fn refuses_an_event_that_is_over_cancelled_or_archived() {
        let scene = Scene::new().await;
        for to in [StatusMove::Cancel(None), StatusMove::Archive] {
            let event = draft(&scene).await;
            scene.move_event(event.id, to).await;
            assert_refused(scene.run(publishing(&event)).await, "event_closed");
        }
        let (event, _) = scene.on_sale(2500, 10).await;
        let later = scene.at("2027-03-01T09:00:00Z");
        let outcome = scene.app.run(&later, publishing(&event)).await;
        assert_refused(outcome, "event_closed");
    }

    #[tokio::test]
    async fn another_organizations_event_is_not_there() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let event = ready(&scene).await;
        assert_refused(scene.app.run(&other, publishing(&event)).await, "not_found");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let event = ready(&scene).await;
        scene.assert_idempotent(publishing(&event)).await;
    }
}
