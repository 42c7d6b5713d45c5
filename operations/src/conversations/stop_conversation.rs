//! `stop_conversation`: a person stops an agent that is at work.

use domain::{ConversationId, Cx, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    ask_agent::unknown,
    changes::ConversationStopped,
    model::{Conversation, EntryKind, TurnOutcome},
    sql,
};
use crate::{App, Effect, Operation, lookup::LookupError, workflow_runs};

/// Stop the agent of a conversation. What it has done stays done; what it proposed and nobody has agreed to is not done.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct StopConversation {
    /// Its id.
    pub conversation: ConversationId,
}

impl Operation for StopConversation {
    const NAME: &'static str = "stop_conversation";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::AgentsUse;
    type Output = Conversation;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Conversation, LookupError> {
        let id = self.conversation;
        let user_id = cx.actor.user_id().ok_or_else(|| unknown(id))?;
        let mut tx = app.store().write(cx).await?;
        sql::lock(tx.conn(), id).await?;
        let row = sql::get(tx.conn(), cx, id, Some(user_id)).await?;
        let row = row.ok_or_else(|| unknown(id))?;
        let (None, Some(run_id)) = (row.outcome, row.run_id) else {
            return Ok(tx.unchanged(row.seen()).await?);
        };
        workflow_runs::end_for_good(tx.conn(), cx, run_id).await?;
        let turn = row.turn_count;
        let body = json!({"outcome": TurnOutcome::Stopped, "message": "Stopped."});
        sql::write_entry(tx.conn(), cx, id, turn, ("ended", EntryKind::Ended, &body)).await?;
        sql::end_turn(tx.conn(), cx, id, turn, (TurnOutcome::Stopped, None, false)).await?;
        let change = ConversationStopped {
            conversation_id: id,
            agent: row.agent,
            turn,
        };
        let after = sql::get(tx.conn(), cx, id, Some(user_id)).await?;
        let after = after.ok_or_else(|| unknown(id))?.seen();
        Ok(tx.commit(change, after).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        conversations::{AskAgent, ConversationStatus, GetConversation},
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn ends_the_run_and_says_so_once() {
        let scene = Scene::new().await;
        let ask = AskAgent {
            message: "Go on for ever".to_owned(),
            ..AskAgent::default()
        };
        let id = scene.run(ask).await.unwrap().id;
        let stop = || scene.run(StopConversation { conversation: id });
        assert_eq!(stop().await.unwrap().status, ConversationStatus::Idle);
        assert_eq!(stop().await.unwrap().status, ConversationStatus::Idle);
        let alive = "select count(*) from workflow_run where status <> 'cancelled'";
        assert_eq!(scene.database.count(alive).await, 0);
        let detail = scene.run(GetConversation::of(id)).await.unwrap();
        let ended = detail
            .entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::Ended);
        assert_eq!(ended.count(), 1);
        let other = scene.other_organization().await;
        let theirs = StopConversation { conversation: id };
        assert_refused(scene.app.run(&other, theirs).await, "not_found");
    }
}
