//! What can happen to a conversation. Nothing here says what was said.

use domain::{Change, ConversationId, Subject};
use serde::Serialize;

use super::model::TurnOutcome;

/// A person said something to an agent.
#[derive(Debug, Serialize)]
pub struct ConversationAsked {
    pub(super) conversation_id: ConversationId,
    pub(super) agent: String,
    pub(super) turn: i32,
}

impl Change for ConversationAsked {
    const KIND: &'static str = "conversation.asked";
    fn subject(&self) -> Subject {
        self.conversation_id.into()
    }
    fn summary(&self) -> String {
        format!("Asks the agent {:?} (turn {})", self.agent, self.turn)
    }
}

/// An agent's turn is over.
#[derive(Debug, Serialize)]
pub struct ConversationAnswered {
    pub(super) conversation_id: ConversationId,
    pub(super) agent: String,
    pub(super) turn: i32,
    pub(super) outcome: TurnOutcome,
    /// Millionths of a US dollar.
    pub(super) cost: i64,
}

impl Change for ConversationAnswered {
    const KIND: &'static str = "conversation.answered";
    fn subject(&self) -> Subject {
        self.conversation_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Ends turn {} of the agent {:?}: {}",
            self.turn, self.agent, self.outcome
        )
    }
}

/// A person stopped an agent.
#[derive(Debug, Serialize)]
pub struct ConversationStopped {
    pub(super) conversation_id: ConversationId,
    pub(super) agent: String,
    pub(super) turn: i32,
}

impl Change for ConversationStopped {
    const KIND: &'static str = "conversation.stopped";
    fn subject(&self) -> Subject {
        self.conversation_id.into()
    }
    fn summary(&self) -> String {
        format!("Stops turn {} of the agent {:?}", self.turn, self.agent)
    }
}
