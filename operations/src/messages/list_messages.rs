//! `list_messages`: what was sent to whom, and what came of it.

use domain::{Cursor, Cx, EventId, LocalTime, OrderId, Page, PageRequest, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    model::{Message, MessageStatus},
    sql,
};
use crate::{App, Effect, Operation, events, lookup::LookupError, organizations};

/// Messages, newest first: queued, sent, failed. For "who did not get it": status failed or suppressed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListMessages {
    /// Only about this event: id, slug or exact title.
    pub event: Option<Reference<EventId>>,
    /// Only about this order.
    pub order_id: Option<OrderId>,
    /// Only in this state.
    pub status: Option<MessageStatus>,
    /// Only from this template.
    pub template: Option<String>,
    /// Only to this whole address.
    pub address: Option<String>,
    /// Only those to which something happened at or after this local time: queued, sent, given up.
    pub since: Option<LocalTime>,
    /// Only those to which nothing happened at or after this local time.
    pub until: Option<LocalTime>,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

impl Operation for ListMessages {
    const NAME: &'static str = "list_messages";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::MessagesRead;
    type Output = Page<Message>;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<Message>, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let event_id = match &self.event {
            Some(reference) => Some(events::resolve(tx.conn(), cx, reference).await?.id),
            None => None,
        };
        let zone = organizations::current(tx.conn()).await?.zone;
        let filter = sql::Filter {
            event_id,
            order_id: self.order_id,
            status: self.status,
            template: self.template.as_deref(),
            address: self
                .address
                .as_deref()
                .map(str::trim)
                .filter(|address| !address.is_empty()),
            since: self.since.map(|local| local.resolve_leniently(&zone)),
            until: self.until.map(|local| local.resolve_leniently(&zone)),
            page: self.page,
        };
        let rows = sql::list(tx.conn(), &filter).await?;
        let page = Page::cut(rows, self.page, |row| Cursor {
            key: row.created_at.as_microseconds(),
            id: row.id.into(),
        });
        Ok(page.map(|row| row.seen(cx)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::testing::reminder,
        permission::Role,
        testing::{Scene, assert_refused},
    };
    use domain::Permissions;

    #[tokio::test]
    async fn filters_and_pages() {
        let scene = Scene::new().await;
        let event = scene.published("Spring Gala").await;
        let addresses = ["ada@example.org", "grace@example.org", "hedy@example.org"];
        scene.run(reminder(event.id, &addresses)).await.unwrap();
        let mut seen = Vec::new();
        let mut page = PageRequest {
            cursor: None,
            limit: Some(2),
        };
        loop {
            let command = ListMessages {
                page,
                ..ListMessages::default()
            };
            let answer = scene.run(command).await.unwrap();
            seen.extend(answer.items.into_iter().map(|message| message.id));
            let Some(next) = answer.next else { break };
            page.cursor = Some(next);
        }
        assert_eq!(seen.len(), 3);
        let to_ada = ListMessages {
            address: Some("ADA@example.org ".to_owned()),
            event: Some(event.id.into()),
            status: Some(MessageStatus::Queued),
            template: Some("event_reminder".to_owned()),
            ..ListMessages::default()
        };
        assert_eq!(scene.run(to_ada).await.unwrap().items.len(), 1);
        let sent = ListMessages {
            status: Some(MessageStatus::Sent),
            ..ListMessages::default()
        };
        assert!(scene.run(sent).await.unwrap().items.is_empty());
        // Queued at 10:00 in Berlin.
        let between = |since: &str, until: &str| ListMessages {
            since: Some(since.parse().unwrap()),
            until: Some(until.parse().unwrap()),
            ..ListMessages::default()
        };
        for (since, until, count) in [
            ("2027-01-11T10:00", "2027-01-11T10:01", 3),
            ("2027-01-11T09:00", "2027-01-11T10:00", 0),
            ("2027-01-11T10:01", "2027-01-12T10:01", 0),
        ] {
            let seen = scene.run(between(since, until)).await.unwrap().items;
            assert_eq!(seen.len(), count, "{since} to {until}");
        }
        let nowhere = ListMessages {
            event: Some("nowhere".parse().unwrap()),
            ..ListMessages::default()
        };
        assert_refused(scene.run(nowhere).await, "not_found");
    }

    #[tokio::test]
    async fn masks_and_hides() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let event = scene.published("Spring Gala").await;
        scene
            .run(reminder(event.id, &["ada@example.org"]))
            .await
            .unwrap();
        let narrow = scene
            .cx
            .clone()
            .with_permissions(Permissions::NONE.with(Permission::MessagesRead));
        let masked = scene
            .app
            .run(&narrow, ListMessages::default())
            .await
            .unwrap()
            .items;
        assert_eq!(masked[0].to.as_str(), "a…@e….org");
        assert_eq!(masked[0].to_name.as_str(), "A… L…");
        assert_eq!(masked[0].subject, None);
        assert!(
            scene
                .app
                .run(&other, ListMessages::default())
                .await
                .unwrap()
                .items
                .is_empty()
        );
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(
            scene.app.run(&viewer, ListMessages::default()).await,
            "forbidden",
        );
    }
}
