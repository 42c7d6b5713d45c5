//! A conversation as people see it. Pure.

use domain::{ConversationId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::workflow_runs::RunStatus;

domain::text_enum! {
    /// What is going on in a conversation.
    pub enum ConversationStatus {
        /// Nothing: it is the person's turn.
        Idle = "idle",
        /// The agent is at work.
        Working = "working",
        /// Something waits for a person's decision.
        Deciding = "deciding",
        /// The last turn broke off; say it again, or something else.
        Failed = "failed",
    }
}

domain::text_enum! {
    /// How a turn ended.
    pub enum TurnOutcome {
        /// With an answer.
        Answered = "answered",
        /// It could not go on; the last entry says why.
        Failed = "failed",
        /// A person stopped it.
        Stopped = "stopped",
    }
}

domain::sqlx_as_text!(TurnOutcome);

domain::text_enum! {
    /// What an entry is.
    pub enum EntryKind {
        /// What a person said: `text`.
        Asked = "asked",
        /// A piece of what the agent is saying, until the whole of it is there: `text`, `step`.
        Text = "text",
        /// What the agent said: `text`, `step`.
        Said = "said",
        /// A tool it used: `tool`, `label`, `state` (`started`, `done`, `refused`, `waiting`), `detail`.
        Tool = "tool",
        /// The end of the turn: `outcome`, `message`, `cost`.
        Ended = "ended",
    }
}

domain::sqlx_as_text!(EntryKind);

/// A conversation of a person with an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// The agent's name.
    pub agent: String,
    /// What it began with.
    pub title: String,
    /// What is going on.
    pub status: ConversationStatus,
    /// How many turns it has.
    pub turn_count: i32,
    /// The newest entry's number.
    pub last_seq: i64,
    /// What it has cost so far, in millionths of a US dollar.
    pub cost: i64,
    /// When it began.
    pub created_at: Timestamp,
    /// When something was last said.
    pub updated_at: Timestamp,
}

/// A part of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationEntry {
    /// Its number: later entries have higher ones, and one that is written anew gets a new one.
    pub seq: i64,
    /// The turn.
    pub turn: i32,
    /// Which part of the turn it is; an entry takes the place of an older one of the same part.
    pub part: String,
    /// What it is.
    pub kind: EntryKind,
    /// What it says; see the kind.
    pub body: Value,
    /// When.
    pub at: Timestamp,
}

/// What is going on, by the last turn and its run.
pub(super) fn status(
    outcome: Option<TurnOutcome>,
    run: Option<RunStatus>,
    is_deciding: bool,
) -> ConversationStatus {
    match (outcome, run) {
        (Some(TurnOutcome::Failed), _) | (None, Some(RunStatus::Dead) | None) => {
            ConversationStatus::Failed
        }
        (Some(_), _) => ConversationStatus::Idle,
        (None, Some(run)) if !run.is_alive() => ConversationStatus::Idle,
        (None, Some(_)) if is_deciding => ConversationStatus::Deciding,
        (None, Some(_)) => ConversationStatus::Working,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_whose_run_is_gone_has_failed_and_one_that_was_ended_is_over() {
        assert_eq!(status(None, None, false), ConversationStatus::Failed);
        assert_eq!(
            status(None, Some(RunStatus::Dead), false),
            ConversationStatus::Failed
        );
        assert_eq!(
            status(None, Some(RunStatus::Cancelled), true),
            ConversationStatus::Idle
        );
        assert_eq!(
            status(None, Some(RunStatus::Waiting), true),
            ConversationStatus::Deciding
        );
        assert_eq!(
            status(None, Some(RunStatus::Queued), false),
            ConversationStatus::Working
        );
        let answered = Some(TurnOutcome::Answered);
        assert_eq!(
            status(answered, Some(RunStatus::Running), false),
            ConversationStatus::Idle
        );
    }
}
