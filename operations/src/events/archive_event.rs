//! `archive_event`: an event is put away.

use domain::{Cx, EventId, Facts, Fault, FaultKind, FaultSpec, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::EventArchived,
    model::{Event, EventStatus},
    sql::{self, StatusMove},
};
use crate::{App, Effect, Operation, lookup::LookupError};

/// Put away an event that is a draft, over or cancelled. It leaves the lists; its orders and reports stay.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ArchiveEvent {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
}

impl Operation for ArchiveEvent {
    const NAME: &'static str = "archive_event";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = Event;
    type Error = ArchiveEventError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Event, ArchiveEventError> {
        let mut tx = app.store().write(cx).await?;
        let event = sql::lock(tx.conn(), cx, &self.event).await?;
        match event.status {
            EventStatus::Archived => return Ok(tx.unchanged(event).await?),
            EventStatus::Published => {
                return Err(ArchiveEventError::StillOn {
                    title: event.title,
                    when: event.when,
                });
            }
            EventStatus::Draft | EventStatus::Ended | EventStatus::Cancelled => {}
        }
        sql::set_status(tx.conn(), cx, event.id, StatusMove::Archive).await?;
        let event = sql::get(tx.conn(), cx, event.id).await?;
        Ok(tx
            .commit(
                EventArchived {
                    event_id: event.id,
                    title: event.title.clone(),
                },
                event,
            )
            .await?)
    }
}

/// How `archive_event` refuses.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveEventError {
    /// It is published and not over.
    #[error("{title:?} is published and takes place on {when}")]
    StillOn {
        /// Its title.
        title: String,
        /// When it takes place.
        when: String,
    },
    /// It was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const STILL_ON: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "event_still_on",
    "Wait until it is over, or cancel it with cancel_event.",
);

impl Fault for ArchiveEventError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![STILL_ON];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::StillOn { .. } => STILL_ON.into(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for ArchiveEventError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        events::ListEvents,
        testing::{Scene, assert_refused, new_event},
    };

    #[tokio::test]
    async fn takes_a_draft_from_the_list_and_can_be_repeated() {
        let scene = Scene::new().await;
        let event = scene.run(new_event("Spring Gala")).await.unwrap().event;
        let archive = ArchiveEvent {
            event: event.id.into(),
        };
        assert_eq!(
            scene.run(archive.clone()).await.unwrap().status,
            EventStatus::Archived
        );
        assert!(
            scene
                .run(ListEvents::default())
                .await
                .unwrap()
                .items
                .is_empty()
        );
        let archived = ListEvents {
            status: Some(EventStatus::Archived),
            ..ListEvents::default()
        };
        assert_eq!(scene.run(archived).await.unwrap().items.len(), 1);
        assert_eq!(scene.run(archive).await.unwrap().version, 2);
    }

    #[tokio::test]
    async fn refuses_an_unknown_one_and_another_organizations() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let event = scene.run(new_event("Spring Gala")).await.unwrap().event;
        assert_refused(
            scene
                .run(ArchiveEvent {
                    event: "nothing".parse().unwrap(),
                })
                .await,
            "not_found",
        );
        assert_refused(
            scene
                .app
                .run(
                    &other,
                    ArchiveEvent {
                        event: event.id.into(),
                    },
                )
                .await,
            "not_found",
        );
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let event = scene.run(new_event("Spring Gala")).await.unwrap().event;
        scene
            .assert_idempotent(ArchiveEvent {
                event: event.id.into(),
            })
            .await;
    }
}
