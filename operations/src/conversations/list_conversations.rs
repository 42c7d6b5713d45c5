//! `list_conversations`: what was talked about.

use domain::{Cursor, Cx, Page, PageRequest, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{model::Conversation, sql};
use crate::{App, Effect, Operation};

/// Your conversations with agents, newest word first.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListConversations {
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

impl Operation for ListConversations {
    const NAME: &'static str = "list_conversations";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::AgentsUse;
    type Output = Page<Conversation>;
    type Error = StoreError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<Conversation>, StoreError> {
        let Some(user_id) = cx.actor.user_id() else {
            return Ok(Page::cut(Vec::new(), self.page, cursor));
        };
        let mut tx = app.store().read(cx).await?;
        let rows = sql::rows(tx.conn(), cx, None, Some(user_id), self.page).await?;
        let all = rows.iter().map(sql::Row::seen).collect();
        Ok(Page::cut(all, self.page, cursor))
    }
}

fn cursor(conversation: &Conversation) -> Cursor {
    Cursor {
        key: conversation.updated_at.as_microseconds(),
        id: conversation.id.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conversations::AskAgent, testing::Scene};

    #[tokio::test]
    async fn lists_ones_own_in_pages() {
        let scene = Scene::new().await;
        for (minute, message) in ["One", "Two", "Three"].into_iter().enumerate() {
            let ask = AskAgent {
                message: message.to_owned(),
                ..AskAgent::default()
            };
            let later = scene
                .cx
                .now
                .plus_seconds(60 * i64::try_from(minute).unwrap());
            let cx = scene.cx.clone().with_now(later);
            scene.app.run(&cx, ask).await.unwrap();
        }
        let page = |cursor| ListConversations {
            page: PageRequest {
                limit: Some(2),
                cursor,
            },
        };
        let first = scene.run(page(None)).await.unwrap();
        let titles = |page: &Page<Conversation>| {
            page.items
                .iter()
                .map(|one| one.title.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(titles(&first), ["Three", "Two"]);
        let second = scene.run(page(first.next)).await.unwrap();
        assert_eq!(titles(&second), ["One"]);
        let other = scene.other_organization().await;
        let theirs = scene.app.run(&other, ListConversations::default()).await;
        assert!(theirs.unwrap().items.is_empty());
    }
}
