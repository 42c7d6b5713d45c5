//! What can happen to messages, templates and lists of addresses.

use domain::{
    Change, EventId, MessageId, MessageTemplateId, OrganizationId, Subject, SuppressionId,
};
use serde::Serialize;

use super::model::{SuppressionReason, SuppressionScope};

/// Messages were queued.
#[derive(Debug, Serialize)]
pub struct MessagesQueued {
    /// What they are about; the organization where no event is.
    #[serde(skip)]
    pub(super) organization_id: OrganizationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_id: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_title: Option<String>,
    pub(super) template: String,
    /// What the organizer wrote as the subject, placeholders and all.
    pub(super) subject: String,
    /// Who they go to, in words.
    pub(super) audience: String,
    pub(super) recipient_count: usize,
    /// Those left out because they want no such mail.
    pub(super) suppressed_count: usize,
    /// Those who had this message already.
    pub(super) repeated_count: usize,
    /// A fingerprint of what it says.
    #[serde(skip)]
    pub(super) words: String,
}

impl Change for MessagesQueued {
    const KIND: &'static str = "message.queued";
    fn subject(&self) -> Subject {
        self.event_id
            .map_or_else(|| self.organization_id.into(), Subject::from)
    }
    fn summary(&self) -> String {
        let people = if self.recipient_count == 1 {
            "person"
        } else {
            "people"
        };
        let event = self
            .event_title
            .as_ref()
            .map(|title| format!(" for {title:?}"));
        let note = |count: usize, words: &str| match count {
            0 => String::new(),
            count => format!("; {count} {words}"),
        };
        format!(
            "Sends {:?} to {} {people}{}: {}{}{}",
            self.subject,
            self.recipient_count,
            event.unwrap_or_default(),
            self.audience,
            note(self.suppressed_count, "get none because they want none"),
            note(self.repeated_count, "had it already"),
        )
    }
    fn binds(&self) -> Option<String> {
        Some(self.words.clone())
    }
}

/// A message was tried again or called off.
#[derive(Debug, Serialize)]
pub struct MessageMoved {
    pub(super) message_id: MessageId,
    pub(super) template: String,
    /// `queued` or `cancelled`.
    pub(super) to: super::model::MessageStatus,
}

impl Change for MessageMoved {
    const KIND: &'static str = "message.moved";
    fn subject(&self) -> Subject {
        self.message_id.into()
    }
    fn summary(&self) -> String {
        match self.to {
            super::model::MessageStatus::Cancelled => {
                format!("Calls off a message ({})", self.template)
            }
            _ => format!("Sends a message again ({})", self.template),
        }
    }
}

/// A template was worded.
#[derive(Debug, Serialize)]
pub struct TemplateSaved {
    pub(super) template_id: MessageTemplateId,
    pub(super) name: String,
    pub(super) language: domain::Language,
    pub(super) version: i32,
}

impl Change for TemplateSaved {
    const KIND: &'static str = "message_template.saved";
    fn subject(&self) -> Subject {
        self.template_id.into()
    }
    fn summary(&self) -> String {
        format!("Words the template {:?} ({})", self.name, self.language)
    }
}

/// An address was put on the list of those that get no mail. It is not named: the trail outlives erasure.
#[derive(Debug, Serialize)]
pub struct AddressSuppressed {
    pub(super) suppression_id: SuppressionId,
    pub(super) reason: SuppressionReason,
    pub(super) scope: SuppressionScope,
}

impl Change for AddressSuppressed {
    const KIND: &'static str = "suppression.saved";
    fn subject(&self) -> Subject {
        self.suppression_id.into()
    }
    fn summary(&self) -> String {
        match self.scope {
            SuppressionScope::Marketing => "An address gets no more news".to_owned(),
            SuppressionScope::All => "An address gets no more mail".to_owned(),
        }
    }
}

/// An address was taken off the list.
#[derive(Debug, Serialize)]
pub struct SuppressionRemoved {
    pub(super) suppression_id: SuppressionId,
    pub(super) reason: SuppressionReason,
    pub(super) scope: SuppressionScope,
}

impl Change for SuppressionRemoved {
    const KIND: &'static str = "suppression.removed";
    fn subject(&self) -> Subject {
        self.suppression_id.into()
    }
    fn summary(&self) -> String {
        "An address gets mail again".to_owned()
    }
}
