//! `archive_event`: an event is put away.

use domain::{Cx, EventId, Facts, Fault, FaultKind, FaultSpec, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::changes::EventArchived;
use crate::{
    App, Effect, Operation,
    events::{self, Event, EventStatus, StatusMove},
    lookup::LookupError,
    orders,
};

/// Put away an event that is a draft, over or cancelled. It leaves the lists; its orders and reports stay. Not while
/// orders are pending, nor a draft with valid tickets: nothing can be paid for or changed afterwards.
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
        let event = events::lock(tx.conn(), cx, &self.event).await?;
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
        let totals = orders::totals(tx.conn(), event.id, event.currency).await?;
        if totals.pending_orders > 0 {
            return Err(ArchiveEventError::OrdersPending {
                title: event.title,
                count: totals.pending_orders,
            });
        }
        if event.status == EventStatus::Draft && totals.valid_tickets > 0 {
            return Err(ArchiveEventError::DraftHasTickets {
                title: event.title,
                count: totals.valid_tickets,
            });
        }
        events::set_status(tx.conn(), cx, event.id, StatusMove::Archive).await?;
        let event = events::get(tx.conn(), cx, event.id).await?;
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
    /// Money may still come in.
    #[error("{title:?} has orders that are not paid yet: {count}")]
    OrdersPending {
        /// Its title.
        title: String,
        /// How many.
        count: i64,
    },
    /// People hold tickets for what nobody has announced or called off.
    #[error("{title:?} is a draft for which valid tickets are out: {count}")]
    DraftHasTickets {
        /// Its title.
        title: String,
        /// How many.
        count: i64,
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

const ORDERS_PENDING: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "event_orders_pending",
    "List them with list_orders, then confirm_payment or cancel_order for each.",
);
const DRAFT_HAS_TICKETS: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "draft_has_tickets",
    "Call it off with cancel_event first, or take the tickets back with cancel_order or void_ticket.",
);

impl Fault for ArchiveEventError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![STILL_ON, ORDERS_PENDING, DRAFT_HAS_TICKETS];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::StillOn { .. } => STILL_ON.into(),
            Self::OrdersPending { .. } => ORDERS_PENDING.into(),
            Self::DraftHasTickets { .. } => DRAFT_HAS_TICKETS.into(),
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
        orders::{CancelOrder, Guest, IssueTickets},
        testing::{Scene, assert_refused, new_event, selling},
        tickets::VoidTicket,
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
    async fn waits_for_orders_that_are_not_paid_yet() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let order = scene.order(event.id, 1).await;
        scene.move_event(event.id, StatusMove::Cancel(None)).await;
        let archive = ArchiveEvent {
            event: event.id.into(),
        };
        let error = scene.run(archive.clone()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"Spring Gala\" has orders that are not paid yet: 1"
        );
        assert_refused::<(), _>(Err(error), "event_orders_pending");
        let cancel = CancelOrder::of(order.order.id.into());
        scene.run(cancel).await.unwrap();
        scene.run(archive).await.unwrap();
    }

    #[tokio::test]
    async fn keeps_a_draft_for_which_tickets_are_out() {
        let scene = Scene::new().await;
        let event = scene.run(new_event("Spring Gala")).await.unwrap().event;
        scene
            .run(selling(event.id, "Regular", 2500, 10))
            .await
            .unwrap();
        let guest = Guest {
            name: "Pia Press".parse().unwrap(),
            email: None,
        };
        let give = IssueTickets {
            event: event.id.into(),
            ticket_type: "Regular".parse().unwrap(),
            attendees: vec![guest],
            reason: "press".parse().unwrap(),
        };
        let given = scene.run(give).await.unwrap().order;
        let archive = ArchiveEvent {
            event: event.id.into(),
        };
        assert_refused(scene.run(archive.clone()).await, "draft_has_tickets");
        let void = VoidTicket {
            ticket: given.tickets[0].id.into(),
            reason: "mistake".parse().unwrap(),
            even_if_checked_in: false,
        };
        scene.run(void).await.unwrap();
        scene.run(archive).await.unwrap();
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
