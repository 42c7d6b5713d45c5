//! `get_conversation`: what was said and done, and what waits for a decision.

use domain::{ConversationId, Cx, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ask_agent::unknown,
    model::{Conversation, ConversationEntry},
    sql,
};
use crate::{
    App, Effect, Operation,
    approvals::{self, Approval},
    lookup::LookupError,
};

/// A conversation of yours: its entries after a number, and its proposals. Ask again with the newest `seq` to follow it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetConversation {
    /// Its id.
    pub conversation: ConversationId,
    /// Only entries with higher numbers.
    #[serde(default)]
    pub after: Option<i64>,
}

impl GetConversation {
    /// All of it.
    pub fn of(conversation: ConversationId) -> Self {
        Self {
            conversation,
            after: None,
        }
    }
}

/// A conversation with what was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationDetail {
    /// The conversation.
    pub conversation: Conversation,
    /// Its entries, in the order of their numbers; up to 500.
    pub entries: Vec<ConversationEntry>,
    /// What the agent proposed, oldest first, with what became of it. One that is pending waits for a person.
    pub proposals: Vec<Approval>,
}

/// The most entries in one answer.
const ENTRIES: i64 = 500;

impl Operation for GetConversation {
    const NAME: &'static str = "get_conversation";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::AgentsUse;
    type Output = ConversationDetail;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<ConversationDetail, LookupError> {
        let id = self.conversation;
        let user_id = cx.actor.user_id().ok_or_else(|| unknown(id))?;
        let mut tx = app.store().read(cx).await?;
        let row = sql::get(tx.conn(), cx, id, Some(user_id)).await?;
        let row = row.ok_or_else(|| unknown(id))?;
        let entries = sql::entries(tx.conn(), id, self.after.unwrap_or(0), ENTRIES).await?;
        let runs = sql::runs(tx.conn(), id).await?;
        Ok(ConversationDetail {
            conversation: row.seen(),
            entries,
            proposals: approvals::of_runs(tx.conn(), cx, &runs).await?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        conversations::AskAgent,
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn is_followed_by_number_and_seen_by_nobody_else() {
        let scene = Scene::new().await;
        let ask = AskAgent {
            message: "Who has not paid?".to_owned(),
            ..AskAgent::default()
        };
        let id = scene.run(ask).await.unwrap().id;
        let all = scene.run(GetConversation::of(id)).await.unwrap();
        let newest = all.entries.last().unwrap().seq;
        assert_eq!(all.conversation.last_seq, newest);
        let more = GetConversation {
            conversation: id,
            after: Some(newest),
        };
        assert!(scene.run(more).await.unwrap().entries.is_empty());
        let other = scene.other_organization().await;
        assert_refused(
            scene.app.run(&other, GetConversation::of(id)).await,
            "not_found",
        );
        let colleague = scene.cx.clone().with_actor(other.actor.clone());
        assert_refused(
            scene.app.run(&colleague, GetConversation::of(id)).await,
            "not_found",
        );
    }
}
