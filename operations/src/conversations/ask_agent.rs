//! `ask_agent`: a person says something to an agent.

use domain::{
    ConversationId, Cx, Facts, Fault, FaultKind, FaultSpec, Permission, Permissions, UserId,
    WorkflowRunId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{
    StoreError, WriteTx,
    runs::{self, NewRun},
};

use super::{
    AGENT_PREFIX,
    changes::ConversationAsked,
    model::{Conversation, ConversationStatus, EntryKind, TurnOutcome},
    sql::{self, NewConversation},
};
use crate::{App, Effect, Operation, lookup::LookupError};

/// Say something to an agent: the beginning of a conversation, or its next turn. It works in the background; follow it with
/// `get_conversation`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct AskAgent {
    /// What to say, up to 8,000 characters.
    pub message: String,
    /// The conversation to go on with; a new one when absent.
    pub conversation: Option<ConversationId>,
    /// The agent of a new conversation; `organizer` when absent.
    pub agent: Option<String>,
}

/// The longest message, in characters.
const MESSAGE: usize = 8_000;
/// How much of it becomes the conversation's title.
const TITLE: usize = 80;

impl Operation for AskAgent {
    const NAME: &'static str = "ask_agent";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::AgentsUse;
    type Output = Conversation;
    type Error = AskAgentError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Conversation, AskAgentError> {
        let message = domain::text::clean(&self.message).trim().to_owned();
        if !(1..=MESSAGE).contains(&message.chars().count()) {
            return Err(AskAgentError::MessageLength);
        }
        let user_id = cx.actor.user_id().ok_or(AskAgentError::NotAPerson)?;
        let mut tx = app.store().write(cx).await?;
        let id = match self.conversation {
            Some(id) => its_turn(&mut tx, user_id, id).await?,
            None => begin(&mut tx, user_id, self.agent.as_deref(), &message).await?,
        };
        let run_id = cx.new_id::<WorkflowRunId>();
        let found = found(&mut tx, user_id, id).await?;
        // The run comes first: the turn names it.
        let turn = found.turn_count + 1;
        let workflow = format!("{AGENT_PREFIX}{}", found.agent);
        let run = run(
            cx,
            run_id,
            &workflow,
            &found.title,
            json!({"conversation": id, "turn": turn, "message": message}),
        );
        runs::insert(tx.conn(), &run).await?;
        sql::begin_turn(tx.conn(), cx, id, run_id).await?;
        let body = json!({"text": message});
        sql::write_entry(tx.conn(), cx, id, turn, ("asked", EntryKind::Asked, &body)).await?;
        let change = ConversationAsked {
            conversation_id: id,
            agent: found.agent,
            turn,
        };
        let answer = self::found(&mut tx, user_id, id).await?.seen();
        Ok(tx.commit(change, answer).await?)
    }
}

/// The run that is a turn.
fn run(
    cx: &Cx,
    id: WorkflowRunId,
    workflow: &str,
    title: &str,
    params: serde_json::Value,
) -> NewRun {
    NewRun {
        organization_id: cx.organization_id,
        id,
        workflow: workflow.to_owned(),
        version: 1,
        definition: None,
        title: title.to_owned(),
        idempotency_key: None,
        concurrency: None,
        trigger: json!({"kind": "conversation"}),
        params,
        wake_at: cx.now,
        parent: None,
        on_behalf_of: cx.actor.user_id(),
        since: None,
        created_at: cx.now,
    }
}

/// Begins a conversation.
async fn begin(
    tx: &mut WriteTx<'_>,
    user_id: UserId,
    agent: Option<&str>,
    message: &str,
) -> Result<ConversationId, AskAgentError> {
    let cx = tx.cx();
    let agent = agent.unwrap_or("organizer");
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.len() <= 40
            && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    if !is_name(agent) {
        return Err(AskAgentError::UnknownAgent(agent.to_owned()));
    }
    let line = message.lines().next().unwrap_or(message);
    let mut title: String = line.chars().take(TITLE).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    // What no token may, no agent may.
    let permissions = cx.permissions.intersect(Permissions::all_for_tokens());
    let permissions: Vec<String> = permissions.iter().map(|p| p.to_string()).collect();
    let id = cx.new_id();
    let new = NewConversation {
        id,
        agent,
        title: &title,
        user_id,
        permissions: &permissions,
    };
    sql::insert(tx.conn(), cx, &new).await?;
    sql::lock(tx.conn(), id).await?;
    Ok(id)
}

/// A conversation in which it is the person's turn.
async fn its_turn(
    tx: &mut WriteTx<'_>,
    user_id: UserId,
    id: ConversationId,
) -> Result<ConversationId, AskAgentError> {
    let cx = tx.cx();
    sql::lock(tx.conn(), id).await?;
    let row = found(tx, user_id, id).await?;
    match row.seen().status {
        ConversationStatus::Working => return Err(AskAgentError::Working),
        ConversationStatus::Deciding => return Err(AskAgentError::Deciding),
        ConversationStatus::Idle | ConversationStatus::Failed => {}
    }
    // A run that ended without a word: its turn is over.
    if row.outcome.is_none() && row.turn_count > 0 {
        let ended = (TurnOutcome::Failed, None, false);
        sql::end_turn(tx.conn(), cx, id, row.turn_count, ended).await?;
    }
    Ok(id)
}

async fn found(
    tx: &mut WriteTx<'_>,
    user_id: UserId,
    id: ConversationId,
) -> Result<sql::Row, AskAgentError> {
    let cx = tx.cx();
    let row = sql::get(tx.conn(), cx, id, Some(user_id)).await?;
    row.ok_or_else(|| unknown(id).into())
}

pub(super) fn unknown(id: ConversationId) -> LookupError {
    LookupError::NotFound {
        noun: "conversation",
        given: id.to_string(),
        candidates: Vec::new(),
    }
}

/// How `ask_agent` refuses.
#[derive(Debug, thiserror::Error)]
pub enum AskAgentError {
    /// Empty, or too long.
    #[error("a message has 1 to 8,000 characters")]
    MessageLength,
    /// No agent is called this.
    #[error("there is no agent {0:?}")]
    UnknownAgent(String),
    /// Workflows and EventOS itself have no conversations.
    #[error("only a person has a conversation with an agent")]
    NotAPerson,
    /// The last turn goes on.
    #[error("the agent is still at work")]
    Working,
    /// Something waits for a decision.
    #[error("something in this conversation waits for your decision")]
    Deciding,
    /// It was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const MESSAGE_LENGTH: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "message_to_agent_length",
    "Say it in fewer words, or in two turns.",
);
const UNKNOWN_AGENT: FaultSpec = FaultSpec::new(
    FaultKind::NotFound,
    "unknown_agent",
    "Leave `agent` out for the organizer's assistant.",
);
const CONVERSES_NOT: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "conversation_needs_person",
    "Use an agent step of a workflow instead.",
);
const WORKING: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "conversation_working",
    "Wait for its answer, or stop it with stop_conversation.",
);
const DECIDING: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "conversation_deciding",
    "Approve or reject it first; a rejection may say what you want instead.",
);

impl Fault for AskAgentError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            MESSAGE_LENGTH,
            UNKNOWN_AGENT,
            CONVERSES_NOT,
            WORKING,
            DECIDING,
        ];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::MessageLength => MESSAGE_LENGTH.at("message"),
            Self::UnknownAgent(_) => UNKNOWN_AGENT.at("agent"),
            Self::NotAPerson => CONVERSES_NOT.into(),
            Self::Working => WORKING.into(),
            Self::Deciding => DECIDING.into(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for AskAgentError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        conversations::{GetConversation, StopConversation},
        permission::Role,
        testing::{Scene, assert_refused},
    };
    use domain::Actor;

    fn say(message: &str) -> AskAgent {
        AskAgent {
            message: message.to_owned(),
            ..AskAgent::default()
        }
    }

    #[tokio::test]
    async fn a_message_begins_a_conversation_and_queues_its_turn() {
        let scene = Scene::new().await;
        let begun = scene
            .run(say("Rust Night, 80 places\nFactory Berlin"))
            .await
            .unwrap();
        assert_eq!(
            (begun.agent.as_str(), begun.title.as_str()),
            ("organizer", "Rust Night, 80 places")
        );
        assert_eq!(
            (begun.status, begun.turn_count),
            (ConversationStatus::Working, 1)
        );
        let queued = "select count(*) from workflow_run where workflow = 'agent:organizer' and status = 'queued'";
        assert_eq!(scene.database.count(queued).await, 1);
        let detail = scene.run(GetConversation::of(begun.id)).await.unwrap();
        assert_eq!(detail.entries.len(), 1);
        assert_eq!(
            detail.entries[0].body["text"],
            "Rust Night, 80 places\nFactory Berlin"
        );
    }

    #[tokio::test]
    async fn says_nothing_in_between_and_goes_on_once_the_turn_is_over() {
        let scene = Scene::new().await;
        let begun = scene.run(say("One")).await.unwrap();
        let next = || AskAgent {
            conversation: Some(begun.id),
            ..say("Two")
        };
        assert_refused(scene.run(next()).await, "conversation_working");
        scene
            .run(StopConversation {
                conversation: begun.id,
            })
            .await
            .unwrap();
        let again = scene.run(next()).await.unwrap();
        assert_eq!(
            (again.turn_count, again.status),
            (2, ConversationStatus::Working)
        );
    }

    #[tokio::test]
    async fn two_at_once_are_one_turn() {
        let scene = Scene::new().await;
        let begun = scene.run(say("One")).await.unwrap();
        scene
            .run(StopConversation {
                conversation: begun.id,
            })
            .await
            .unwrap();
        let next = || {
            scene.run(AskAgent {
                conversation: Some(begun.id),
                ..say("Two")
            })
        };
        let (one, two) = tokio::join!(next(), next());
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    }

    #[tokio::test]
    async fn refuses_emptiness_strangers_and_programs() {
        let scene = Scene::new().await;
        assert_refused(scene.run(say(" \n ")).await, "message_to_agent_length");
        assert_refused(
            scene.run(say(&"x".repeat(8_001))).await,
            "message_to_agent_length",
        );
        let odd = AskAgent {
            agent: Some("../x".to_owned()),
            ..say("Hi")
        };
        assert_refused(scene.run(odd).await, "unknown_agent");
        let begun = scene.run(say("Mine")).await.unwrap();
        let theirs = AskAgent {
            conversation: Some(begun.id),
            ..say("Hi")
        };
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, theirs).await, "not_found");
        let door = scene.as_role(Role::Door);
        assert_refused(scene.app.run(&door, say("Hi")).await, "forbidden");
        let system = scene
            .cx
            .clone()
            .with_actor(Actor::System { reason: "test" });
        assert_refused(
            scene.app.run(&system, say("Hi")).await,
            "conversation_needs_person",
        );
        scene.assert_idempotent(say("Once")).await;
    }
}
