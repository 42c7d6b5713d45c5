//! `archive_ticket_type`: something is taken off sale for good.

use domain::{Cx, EventId, Permission, Reference, TicketTypeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{changes::TicketTypeArchived, model, sql};
use crate::{App, Effect, Operation, events, lookup::LookupError};

/// Take a ticket type off sale for good. Tickets already sold stay valid and orders not paid yet can still be
/// paid. To pause a sale, set `sales_end` with `save_ticket_type` instead.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ArchiveTicketType {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Ticket type: id or exact name.
    pub ticket_type: Reference<TicketTypeId>,
}

/// The ticket type that is no longer sold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArchivedTicketType {
    /// Its id.
    pub id: TicketTypeId,
    /// What it was called.
    pub name: String,
}

impl Operation for ArchiveTicketType {
    const NAME: &'static str = "archive_ticket_type";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = ArchivedTicketType;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<ArchivedTicketType, LookupError> {
        let mut tx = app.store().write(cx).await?;
        let event = events::lock(tx.conn(), cx, &self.event).await?;
        let also = match &self.ticket_type {
            Reference::Id(id) => Some(*id),
            Reference::Name(_) => None,
        };
        let offers = sql::offers_and(tx.conn(), event.id, also).await?;
        let offer = model::find(&offers, &self.ticket_type)?;
        let answer = ArchivedTicketType {
            id: offer.id,
            name: offer.name.to_string(),
        };
        if offer.is_archived {
            return Ok(tx.unchanged(answer).await?);
        }
        sql::archive(tx.conn(), cx, offer.id).await?;
        // The tier behind it follows the one before it.
        let mut moved = vec![(offer.id, None)];
        let behind = offers.iter().find(|next| next.follows == Some(offer.id));
        moved.extend(behind.map(|next| (next.id, offer.follows)));
        if moved.len() > 1 || offer.follows.is_some() {
            sql::set_tiers(tx.conn(), cx, &moved).await?;
        }
        let change = TicketTypeArchived {
            ticket_type_id: offer.id,
            event_id: event.id,
            name: offer.name.to_string(),
        };
        Ok(tx.commit(change, answer).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused, selling},
        ticket_types::ListTicketTypes,
    };

    fn archiving(event: EventId, name: &str) -> ArchiveTicketType {
        ArchiveTicketType {
            event: event.into(),
            ticket_type: name.parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn takes_it_off_sale_and_frees_its_name() {
        let scene = Scene::new().await;
        let event = scene.published("Spring Gala").await;
        let command = selling(event.id, "Regular", 2500, 5);
        let first = scene.run(command.clone()).await.unwrap().ticket_type;
        scene.run(archiving(event.id, "regular")).await.unwrap();
        let event_id = event.id;
        let list = ListTicketTypes {
            event: event_id.into(),
        };
        assert!(scene.run(list).await.unwrap().ticket_types.is_empty());
        let count = scene.changes().await.len();
        let by_id = ArchiveTicketType {
            event: event.id.into(),
            ticket_type: first.id.into(),
        };
        scene.run(by_id).await.unwrap();
        assert_eq!(
            scene.changes().await.len(),
            count,
            "a repeat changes nothing"
        );
        scene.run(command).await.unwrap();
    }

    #[tokio::test]
    async fn refuses_an_unknown_one_and_another_organizations() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let event = scene.published("Spring Gala").await;
        let saved = scene.run(selling(event.id, "Regular", 2500, 5)).await;
        saved.unwrap();
        let error = scene.run(archiving(event.id, "Regula")).await.unwrap_err();
        assert_eq!(domain::Fault::candidates(&error)[0].name, "Regular");
        assert_refused::<(), _>(Err(error), "not_found");
        let command = archiving(event.id, "Regular");
        assert_refused(scene.app.run(&other, command).await, "not_found");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let event = scene.published("Spring Gala").await;
        let saved = scene.run(selling(event.id, "Regular", 2500, 5)).await;
        saved.unwrap();
        scene
            .assert_idempotent(archiving(event.id, "Regular"))
            .await;
    }
}
