//! `send_test_message`: a message to oneself, to see it in a mail program.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, MessageChannel, MessageId, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::MessagesQueued,
    composing::{self, dedupe_key},
    model::NewMessage,
    preview_message::PreviewMessage,
    wording::WordingError,
};
use crate::{App, Effect, Operation, organizations};

/// Send a message to your own address, filled as `preview_message` would fill it, to see how it looks in a mail program.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SendTestMessage {
    /// What to send, as for `preview_message`.
    pub message: PreviewMessage,
}

/// A test that is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SentTestMessage {
    /// The message.
    pub message_id: MessageId,
}

impl Operation for SendTestMessage {
    const NAME: &'static str = "send_test_message";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::MessagesWrite;
    type Output = SentTestMessage;
    type Error = SendTestMessageError;

    async fn run(self, app: &App, cx: &Cx) -> Result<SentTestMessage, SendTestMessageError> {
        let user_id = cx.actor.user_id().ok_or(SendTestMessageError::NoMember)?;
        let mut tx = app.store().write(cx).await?;
        let member = organizations::member(tx.conn(), user_id).await?;
        let (name, address) = member.ok_or(SendTestMessageError::NoMember)?;
        let (template, facts, face) = self.message.drafted(tx.conn(), cx).await?;
        let filled = template.fill(&facts, &face)?;
        let id: MessageId = cx.new_id();
        let message = NewMessage {
            id,
            template: template.name.clone(),
            language: template.language,
            kind: template.kind,
            channel: MessageChannel::Email,
            dedupe_key: dedupe_key(&format!("test/{id}"), &address),
            recipient_address: address,
            recipient_name: name,
            subject: filled.subject,
            html: filled.html,
            text: filled.text,
            attachments: Vec::new(),
            event_id: None,
            order_id: None,
            ticket_id: None,
            send_at: cx.now,
            decision: None,
        };
        let queued = composing::queue(tx.conn(), cx, &[message]).await?;
        if queued.suppressed_count > 0 {
            return Err(SendTestMessageError::Suppressed);
        }
        let words = composing::words(&template);
        let change = MessagesQueued {
            organization_id: cx.organization_id,
            event_id: None,
            event_title: None,
            template: template.name,
            subject: template.source.subject,
            audience: "the caller, as a test".to_owned(),
            recipient_count: 1,
            suppressed_count: 0,
            repeated_count: 0,
            words,
        };
        Ok(tx
            .commit(change, SentTestMessage { message_id: id })
            .await?)
    }
}

/// How `send_test_message` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SendTestMessageError {
    /// Nobody stands behind the request.
    #[error("a test goes to the member who asks for it; this request comes from no member")]
    NoMember,
    /// The member's own address gets no such mail.
    #[error("your own address is on the list of suppressed addresses")]
    Suppressed,
    /// The message cannot be worded.
    #[error(transparent)]
    Wording(#[from] WordingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NO_MEMBER: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "test_without_member",
    "Use a token that a member has made, or preview_message.",
);
const SUPPRESSED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "own_address_suppressed",
    "Take your address off with remove_suppression, then try again.",
);

impl Fault for SendTestMessageError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = WordingError::specs();
        specs.extend([NO_MEMBER, SUPPRESSED]);
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NoMember => NO_MEMBER.into(),
            Self::Suppressed => SUPPRESSED.into(),
            Self::Wording(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SendTestMessageError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::{
            SaveSuppression,
            testing::{Taken, send_all},
        },
        testing::{Scene, assert_refused},
    };
    use domain::Actor;

    fn testing(template: &str) -> SendTestMessage {
        let message = PreviewMessage {
            template: Some(template.to_owned()),
            ..PreviewMessage::default()
        };
        SendTestMessage { message }
    }

    #[tokio::test]
    async fn goes_to_the_caller_and_nobody_else() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        scene.run(testing("order_confirmation")).await.unwrap();
        scene
            .app
            .run(&other, testing("order_confirmation"))
            .await
            .unwrap();
        let taken = Taken::default();
        send_all(&scene, &taken).await;
        let mut to: Vec<_> = taken
            .mails()
            .iter()
            .map(|mail| mail.to.address.to_string())
            .collect();
        to.sort();
        assert_eq!(to, ["owner@other.example", "owner@scene.example"]);
    }

    #[tokio::test]
    async fn refuses_without_a_member_or_against_their_wish() {
        let scene = Scene::new().await;
        let nobody = scene
            .cx
            .clone()
            .with_actor(Actor::System { reason: "test" });
        assert_refused(
            scene.app.run(&nobody, testing("custom")).await,
            "test_without_member",
        );
        assert_refused(scene.run(testing("none")).await, "not_found");
        scene
            .run(SaveSuppression::of("owner@scene.example"))
            .await
            .unwrap();
        assert_refused(scene.run(testing("custom")).await, "own_address_suppressed");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        scene.assert_idempotent(testing("custom")).await;
    }
}
