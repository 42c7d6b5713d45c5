//! Conversations of people with agents. A turn of one (what a person says, up to the agent's answer) is a run of the workflow
//! engine, so it survives whatever happens to the worker; what people see of it is a log of entries that surfaces follow by
//! number.
//!
//! Owns `conversation`, `conversation_turn`, `conversation_entry`. Operations: `ask_agent`, `get_conversation`,
//! `list_conversations`, `stop_conversation`, `record_turn`; none is for models, so that no agent talks to itself. Changes:
//! `conversation.asked`, `conversation.answered`, `conversation.stopped`. Whoever runs agents reads [`history`] and writes
//! progress with [`note`].

mod ask_agent;
pub mod changes;
mod get_conversation;
mod list_conversations;
mod model;
mod progress;
mod record_turn;
mod sql;
mod stop_conversation;

pub use ask_agent::{AskAgent, AskAgentError};
pub use get_conversation::{ConversationDetail, GetConversation};
pub use list_conversations::ListConversations;
pub use model::{Conversation, ConversationEntry, ConversationStatus, EntryKind, TurnOutcome};
pub use progress::{Began, Note, history, note, rights};
pub use record_turn::{RecordTurn, RecordTurnError};
pub use stop_conversation::StopConversation;

pub use domain::context::AGENT_PREFIX;
