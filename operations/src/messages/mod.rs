//! Messages: what is sent to people and programs outside, in which words, and who does not want any.
//!
//! Owns `message`, `message_template`, `suppression`, `webhook_endpoint`, `webhook_delivery`. A message is worded when
//! it is queued, and sent later by workers through [`sending`]; [`webhooks`] tell other programs what changed.
//! Operations: `preview_message`, `send_message`, `send_test_message`, `queue_message`, `list_messages`, `get_message`,
//! `retry_message`, `cancel_message`, `save_message_template`, `list_message_templates`, `list_suppressions`,
//! `save_suppression`, `remove_suppression`, and those of [`webhooks`].
//! Changes: `message.queued`, `message.moved`, `message_template.saved`, `suppression.saved`, `suppression.removed`.

mod ask_to_decide;
mod audience;
mod cancel_message;
pub mod changes;
mod composing;
mod get_message;
mod lease;
mod list_message_templates;
mod list_messages;
mod list_suppressions;
mod model;
mod preview_message;
mod queue_message;
mod remove_suppression;
mod retry_message;
mod save_message_template;
mod save_suppression;
mod segment;
mod send_message;
mod send_test_message;
pub mod sending;
mod sql;
mod tell_of_offers;
#[cfg(test)]
pub(crate) mod testing;
mod unsubscribe;
pub mod webhooks;
mod wording;

pub use audience::{Audience, Recipient};
pub use cancel_message::{CancelMessage, CancelMessageError};
pub use get_message::{GetMessage, MessageDetail};
pub use list_message_templates::{ListMessageTemplates, MessageTemplate, MessageTemplates};
pub use list_messages::ListMessages;
pub use list_suppressions::ListSuppressions;
pub use model::{Message, MessageStatus, Suppression, SuppressionReason, SuppressionScope};
pub use preview_message::{KnownPlaceholder, MessagePreview, PreviewMessage};
pub use queue_message::{QueueMessage, QueueMessageError, QueuedMessages};
pub use remove_suppression::{RemoveSuppression, RemovedSuppression};
pub use retry_message::{RetryMessage, RetryMessageError};
pub use save_message_template::{SaveMessageTemplate, SaveMessageTemplateError};
pub use save_suppression::SaveSuppression;
pub use segment::Segment;
pub use send_message::{Sample, SendMessage, SendMessageError, SentMessages};
pub use send_test_message::{SendTestMessage, SendTestMessageError, SentTestMessage};
pub use unsubscribe::{Subscriber, subscriber, token, unsubscribe};
pub use wording::WordingError;

pub(crate) use ask_to_decide::{Question, ask_to_decide};
pub(crate) use tell_of_offers::{OfferMail, tell_of_offers};
