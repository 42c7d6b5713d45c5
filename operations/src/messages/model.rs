//! Messages, templates and suppressions as callers see them.

use domain::{
    ApprovalId, Cx, EventId, Language, MessageChannel, MessageId, MessageKind, OrderId, Permission,
    SuppressionId, TicketId, Timestamp, Untrusted, UserId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::people;

domain::text_enum! {
    /// How far a message has come.
    pub enum MessageStatus {
        /// Waits for its time or for another attempt.
        Queued = "queued",
        /// Is being handed over.
        Sending = "sending",
        /// Was taken by the mail server or the text message service.
        Sent = "sent",
        /// Was refused for good, or too often.
        Failed = "failed",
        /// Not sent, because its recipient wants none or the address takes none.
        Suppressed = "suppressed",
        /// Called off before it was sent.
        Cancelled = "cancelled",
    }
}

domain::sqlx_as_text!(MessageStatus);

domain::text_enum! {
    /// Why an address gets no mail.
    pub enum SuppressionReason {
        /// Its owner has unsubscribed from news.
        Unsubscribed = "unsubscribed",
        /// The mail server says that there is no such mailbox.
        Refused = "refused",
        /// Its owner has reported a mail as unwanted.
        Complained = "complained",
        /// Somebody put it on the list by hand.
        Manual = "manual",
    }
}

domain::sqlx_as_text!(SuppressionReason);

domain::text_enum! {
    /// Which mail an address does not get.
    pub enum SuppressionScope {
        /// News; what belongs to an order still goes out.
        Marketing = "marketing",
        /// Any.
        All = "all",
    }
}

domain::sqlx_as_text!(SuppressionScope);

/// One message to one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The template it was made from.
    pub template: String,
    /// What it is for.
    pub kind: MessageKind,
    /// Which way it goes.
    pub channel: MessageChannel,
    /// How far it has come.
    pub status: MessageStatus,
    /// Who gets it.
    pub to_name: Untrusted,
    /// Their address or phone.
    pub to: Untrusted,
    /// The subject; absent for those who may not see names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Untrusted>,
    /// The event it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// The order it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// When it is to go out.
    pub send_at: Timestamp,
    /// When it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// How often sending was tried.
    pub attempts: i32,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// The reply code of the last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<i32>,
    /// What the other side said last; absent for those who may not see addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Untrusted>,
}

/// A row of `message` without its text.
pub(crate) struct MessageRow {
    pub(crate) id: MessageId,
    pub(crate) template: String,
    pub(crate) kind: MessageKind,
    pub(crate) channel: MessageChannel,
    pub(crate) status: MessageStatus,
    pub(crate) recipient_name: Untrusted,
    pub(crate) recipient_address: String,
    pub(crate) subject: String,
    pub(crate) event_id: Option<EventId>,
    pub(crate) order_id: Option<OrderId>,
    pub(crate) send_at: Timestamp,
    pub(crate) sent_at: Option<Timestamp>,
    pub(crate) attempts: i32,
    pub(crate) next_attempt_at: Timestamp,
    pub(crate) error_code: Option<i32>,
    pub(crate) error: Option<String>,
    pub(crate) created_at: Timestamp,
}

impl MessageRow {
    /// The message as the caller may see it.
    pub(crate) fn seen(self, cx: &Cx) -> Message {
        let personal = cx.may(Permission::AttendeesPersonal);
        Message {
            id: self.id,
            template: self.template,
            kind: self.kind,
            channel: self.channel,
            status: self.status,
            to_name: people::name_for(cx, &self.recipient_name),
            to: address_for(cx, &self.recipient_address),
            subject: personal.then(|| Untrusted::new(&self.subject)),
            event_id: self.event_id,
            order_id: self.order_id,
            send_at: self.send_at,
            sent_at: self.sent_at,
            attempts: self.attempts,
            next_attempt_at: (self.status == MessageStatus::Queued).then_some(self.next_attempt_at),
            error_code: self.error_code,
            error: self
                .error
                .filter(|_| personal)
                .map(|error| Untrusted::new(&error)),
        }
    }
}

/// An address or phone as the caller may see it.
pub(super) fn address_for(cx: &Cx, address: &str) -> Untrusted {
    match address.parse() {
        Ok(email) => people::email_for(cx, &email),
        Err(_) if cx.may(Permission::AttendeesPersonal) => Untrusted::new(address),
        Err(_) => {
            let start: String = address.chars().take(3).collect();
            Untrusted::new(&format!("{start}…"))
        }
    }
}

/// An address that gets no mail, or no news.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suppression {
    /// Its id.
    pub id: SuppressionId,
    /// The address.
    pub address: Untrusted,
    /// Why.
    pub reason: SuppressionReason,
    /// Which mail it does not get.
    pub scope: SuppressionScope,
    /// What was noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
}

impl Suppression {
    pub(super) fn seen(self, cx: &Cx) -> Self {
        Self {
            address: address_for(cx, self.address.as_str()),
            ..self
        }
    }
}

/// A message that is ready to be queued.
pub(crate) struct NewMessage {
    pub(crate) id: MessageId,
    pub(crate) template: String,
    pub(crate) language: Language,
    pub(crate) kind: MessageKind,
    pub(crate) channel: MessageChannel,
    pub(crate) recipient_address: String,
    pub(crate) recipient_name: String,
    pub(crate) subject: String,
    pub(crate) html: String,
    pub(crate) text: String,
    pub(crate) attachments: Vec<StoredAttachment>,
    pub(crate) event_id: Option<EventId>,
    pub(crate) order_id: Option<OrderId>,
    pub(crate) ticket_id: Option<TicketId>,
    pub(crate) dedupe_key: String,
    pub(crate) send_at: Timestamp,
    /// What the recipient is asked to decide, and as which member; the link to it is made when the mail is sent.
    pub(crate) decision: Option<(ApprovalId, UserId)>,
}

/// A file as it is kept with a message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredAttachment {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) content: String,
}
