//! `list_waitlist`: who waits for what, and what became of offers.

use domain::{Cursor, Cx, EventId, Page, PageRequest, Permission, Reference, TicketTypeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    model::{WaitlistEntry, WaitlistStatus},
    sql,
};
use crate::{App, Effect, Operation, events, lookup::LookupError, ticket_types};

/// The waiting list of an event in the order in which people are served, with what they were offered and until when.
/// Without the scope attendees:personal people are masked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListWaitlist {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Only those who wait for this: id or exact name.
    pub ticket_type: Option<Reference<TicketTypeId>>,
    /// Only entries in this state.
    pub status: Option<WaitlistStatus>,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

impl ListWaitlist {
    /// The first page of all entries of an event.
    pub fn of(event: Reference<EventId>) -> Self {
        Self {
            event,
            ticket_type: None,
            status: None,
            page: PageRequest::default(),
        }
    }
}

impl Operation for ListWaitlist {
    const NAME: &'static str = "list_waitlist";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::OrdersRead;
    type Output = Page<WaitlistEntry>;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<WaitlistEntry>, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let event = events::resolve(tx.conn(), cx, &self.event).await?;
        let ticket_type_id = match &self.ticket_type {
            // It may be archived by now.
            Some(Reference::Id(id)) => Some(*id),
            Some(reference) => {
                let offers = ticket_types::offers(tx.conn(), event.id).await?;
                Some(ticket_types::find(&offers, reference)?.id)
            }
            None => None,
        };
        let filter = sql::Filter {
            event_id: event.id,
            ticket_type_id,
            status: self.status,
            page: self.page,
        };
        let rows = sql::list(tx.conn(), &filter).await?;
        let page = Page::cut(rows, self.page, |row| Cursor {
            key: row.joined_at.as_microseconds(),
            id: row.id.into(),
        });
        Ok(page.map(|row| row.seen(cx)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        permission::Role,
        testing::{Scene, assert_refused, joining},
        waitlist::{LeaveWaitlist, SaveWaitlistEntry},
    };

    #[tokio::test]
    async fn pages_in_the_order_of_service_without_gaps() {
        let scene = Scene::new().await;
        let (event, _) = scene.sold_out(1).await;
        let mut entries = Vec::new();
        for name in ["Ada", "Grace", "Hedy", "Mary", "Joan"] {
            entries.push(scene.run(joining(event, name, 1)).await.unwrap().entry.id);
        }
        let first = SaveWaitlistEntry {
            entry: entries[3],
            priority: 1,
        };
        scene.run(first).await.unwrap();
        let mut seen = Vec::new();
        let mut list = ListWaitlist::of(event.into());
        list.page.limit = Some(2);
        loop {
            let page = scene.run(list.clone()).await.unwrap();
            seen.extend(
                page.items
                    .into_iter()
                    .map(|entry| entry.name.as_str().to_owned()),
            );
            list.page.cursor = page.next;
            if list.page.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["Mary", "Ada", "Grace", "Hedy", "Joan"]);
        scene
            .run(LeaveWaitlist { entry: entries[0] })
            .await
            .unwrap();
        let left = ListWaitlist {
            status: Some(WaitlistStatus::Left),
            ticket_type: Some("regular".parse().unwrap()),
            ..ListWaitlist::of(event.into())
        };
        let left = scene.run(left).await.unwrap().items;
        assert_eq!((left.len(), left[0].id), (1, entries[0]));
    }

    #[tokio::test]
    async fn masks_for_viewers_and_hides_from_others() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.sold_out(1).await;
        scene.run(joining(event, "Ada", 1)).await.unwrap();
        let list = ListWaitlist::of(event.into());
        let viewer = scene.as_role(Role::Viewer);
        let masked = scene.app.run(&viewer, list.clone()).await.unwrap().items;
        assert_eq!(masked[0].email.as_str(), "a…@e….org");
        assert_refused(scene.app.run(&other, list).await, "not_found");
        let unknown = ListWaitlist {
            ticket_type: Some("Balcony".parse().unwrap()),
            ..ListWaitlist::of(event.into())
        };
        assert_refused(scene.run(unknown).await, "not_found");
    }
}
