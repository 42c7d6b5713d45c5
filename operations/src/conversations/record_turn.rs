//! `record_turn`: a turn of a conversation is over. The last step of an agent's run.

use domain::{Actor, ConversationId, Cx, Facts, Fault, FaultKind, FaultSpec, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::StoreError;

use super::{
    ask_agent::unknown,
    changes::ConversationAnswered,
    model::{EntryKind, TurnOutcome},
    sql,
};
use crate::{App, Effect, Operation, lookup::LookupError};

/// End a turn of a conversation: what was said in it is kept for the turns to come. Only the turn's own run can.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RecordTurn {
    /// The conversation.
    pub conversation: ConversationId,
    /// Which turn.
    pub turn: i32,
    /// How it ended.
    pub outcome: TurnOutcome,
    /// What was said, as the model is told it again; absent when nothing of it is worth keeping.
    #[serde(default)]
    pub messages: Option<Value>,
    /// Whether strangers' text was read.
    pub is_tainted: bool,
    /// What to tell the person beside the answer, such as why it broke off.
    #[serde(default)]
    pub message: Option<String>,
}

/// The turn that was ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordedTurn {
    /// Which turn.
    pub turn: i32,
    /// What it cost, in millionths of a US dollar.
    pub cost: i64,
}

impl Operation for RecordTurn {
    const NAME: &'static str = "record_turn";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::AgentsUse;
    type Output = RecordedTurn;
    type Error = RecordTurnError;

    async fn run(self, app: &App, cx: &Cx) -> Result<RecordedTurn, RecordTurnError> {
        let id = self.conversation;
        let Actor::Workflow { run_id, .. } = cx.actor else {
            return Err(RecordTurnError::NotTheRun);
        };
        let mut tx = app.store().write(cx).await?;
        sql::lock(tx.conn(), id).await?;
        let row = sql::get(tx.conn(), cx, id, None).await?;
        let row = row.ok_or_else(|| unknown(id))?;
        let turn = sql::turn(tx.conn(), id, self.turn).await?;
        let Some((Some(its_run), outcome)) = turn else {
            return Err(RecordTurnError::NotTheRun);
        };
        if its_run != run_id {
            return Err(RecordTurnError::NotTheRun);
        }
        let cost = sql::cost(tx.conn(), run_id).await?;
        let answer = RecordedTurn {
            turn: self.turn,
            cost,
        };
        if outcome.is_some() {
            return Ok(tx.unchanged(answer).await?);
        }
        let body = json!({"outcome": self.outcome, "message": self.message, "cost": cost});
        sql::write_entry(
            tx.conn(),
            cx,
            id,
            self.turn,
            ("ended", EntryKind::Ended, &body),
        )
        .await?;
        let ended = (self.outcome, self.messages.as_ref(), self.is_tainted);
        sql::end_turn(tx.conn(), cx, id, self.turn, ended).await?;
        let change = ConversationAnswered {
            conversation_id: id,
            agent: row.agent,
            turn: self.turn,
            outcome: self.outcome,
            cost,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

/// How `record_turn` refuses.
#[derive(Debug, thiserror::Error)]
pub enum RecordTurnError {
    /// Somebody else calls.
    #[error("only the run of a turn ends it")]
    NotTheRun,
    /// It was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NOT_THE_RUN: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "turn_of_another_run",
    "Stop the conversation with stop_conversation instead.",
);

impl Fault for RecordTurnError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![NOT_THE_RUN];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NotTheRun => NOT_THE_RUN.into(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for RecordTurnError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        conversations::{AskAgent, ConversationStatus, GetConversation, history},
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn ends_the_turn_once_keeps_what_was_said_and_is_nobody_elses_to_do() {
        let scene = Scene::new().await;
        let ask = AskAgent {
            message: "Hello".to_owned(),
            ..AskAgent::default()
        };
        let id = scene.run(ask).await.unwrap().id;
        let end = || RecordTurn {
            conversation: id,
            turn: 1,
            outcome: TurnOutcome::Answered,
            messages: Some(json!([{"role": "assistant"}])),
            is_tainted: true,
            message: None,
        };
        assert_refused(scene.run(end()).await, "turn_of_another_run");
        let as_run = |run_id| {
            scene.cx.clone().with_actor(Actor::Workflow {
                run_id,
                workflow: "agent:organizer".to_owned(),
                user_id: scene.cx.actor.user_id(),
            })
        };
        let stranger = as_run(scene.cx.new_id());
        assert_refused(scene.app.run(&stranger, end()).await, "turn_of_another_run");
        let mut tx = scene.app.store().read(&scene.cx).await.unwrap();
        let run_id = sql::runs(tx.conn(), id).await.unwrap()[0];
        drop(tx);
        for _ in 0..2 {
            scene.app.run(&as_run(run_id), end()).await.unwrap();
        }
        let detail = scene.run(GetConversation::of(id)).await.unwrap();
        assert_eq!(detail.conversation.status, ConversationStatus::Idle);
        assert_eq!(detail.entries.len(), 2, "{:?}", detail.entries);
        let before = history(&scene.app, &scene.cx, id, 2)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((before.turns.len(), before.is_tainted), (1, true));
    }
}
