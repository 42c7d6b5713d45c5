//! `retry_message`: a message that was given up is tried again.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, MessageId, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::MessageMoved,
    get_message::{MessageDetail, detail, found},
    model::MessageStatus,
    sql,
};
use crate::{App, Effect, Operation, lookup::LookupError};

/// Send a message again that was given up, not wanted at the time, or called off. One that was sent is not sent
/// again, and one whose address is on the list of suppressed addresses must be taken off it first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RetryMessage {
    /// Its id.
    pub message: MessageId,
}

impl Operation for RetryMessage {
    const NAME: &'static str = "retry_message";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::MessagesSend;
    type Output = MessageDetail;
    type Error = RetryMessageError;

    async fn run(self, app: &App, cx: &Cx) -> Result<MessageDetail, RetryMessageError> {
        let mut tx = app.store().write(cx).await?;
        let row = found(sql::lock(tx.conn(), self.message).await?, self.message)?;
        match row.status {
            MessageStatus::Queued | MessageStatus::Sending => {
                let answer = detail(tx.conn(), cx, row).await?;
                return Ok(tx.unchanged(answer).await?);
            }
            MessageStatus::Sent => return Err(RetryMessageError::AlreadySent),
            MessageStatus::Failed | MessageStatus::Suppressed | MessageStatus::Cancelled => {}
        }
        if row.recipient_address.is_empty() {
            return Err(RetryMessageError::Erased);
        }
        if sql::is_suppressed(tx.conn(), &row.recipient_address, row.kind).await? {
            return Err(RetryMessageError::Suppressed);
        }
        sql::set_status(tx.conn(), cx, row.id, MessageStatus::Queued).await?;
        let change = MessageMoved {
            message_id: row.id,
            template: row.template.clone(),
            to: MessageStatus::Queued,
        };
        let row = found(sql::find(tx.conn(), self.message).await?, self.message)?;
        let answer = detail(tx.conn(), cx, row).await?;
        Ok(tx.commit(change, answer).await?)
    }
}

/// How `retry_message` refuses.
#[derive(Debug, thiserror::Error)]
pub enum RetryMessageError {
    /// There is no such message.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// It was sent.
    #[error("this message was sent already")]
    AlreadySent,
    /// Its recipient and its words were erased.
    #[error("who it was for and what it said was erased")]
    Erased,
    /// Its recipient wants none, or the address takes none.
    #[error("the address is on the list of suppressed addresses")]
    Suppressed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const ALREADY_SENT: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "already_sent",
    "Leave it, or write a new message to the same person.",
);
const SUPPRESSED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "address_suppressed",
    "Respect it; if the address works again, or its owner asks for mail, use remove_suppression first.",
);

const ERASED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "message_erased",
    "Nothing can be sent any more; write a new message if somebody asks for one.",
);

impl Fault for RetryMessageError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = LookupError::specs();
        specs.extend([ALREADY_SENT, ERASED, SUPPRESSED]);
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Lookup(error) => error.facts(),
            Self::AlreadySent => ALREADY_SENT.into(),
            Self::Erased => ERASED.into(),
            Self::Suppressed => SUPPRESSED.into(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for RetryMessageError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::{
            CancelMessage, RemoveSuppression, SaveSuppression, SuppressionScope,
            testing::{Taken, reminder, send_all},
        },
        testing::{Scene, assert_refused},
    };

    async fn queued(scene: &Scene) -> MessageId {
        let event = scene.published("Spring Gala").await;
        let queued = scene
            .run(reminder(event.id, &["ada@example.org"]))
            .await
            .unwrap();
        queued.message_ids[0]
    }

    #[tokio::test]
    async fn tries_again_what_was_given_up() {
        let scene = Scene::new().await;
        let message = queued(&scene).await;
        scene.run(CancelMessage { message }).await.unwrap();
        let again = scene.run(RetryMessage { message }).await.unwrap();
        assert_eq!(again.message.status, MessageStatus::Queued);
        let same = scene.run(RetryMessage { message }).await.unwrap();
        assert_eq!(same, again, "what waits already goes on waiting");
        assert_eq!(send_all(&scene, &Taken::default()).await.sent, 1);
        assert_refused(scene.run(RetryMessage { message }).await, "already_sent");
    }

    #[tokio::test]
    async fn respects_the_list() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let message = queued(&scene).await;
        scene.run(CancelMessage { message }).await.unwrap();
        let listed = SaveSuppression {
            address: "Ada@example.org".parse().unwrap(),
            scope: SuppressionScope::All,
            reason: None,
            note: None,
        };
        let listed = scene.run(listed).await.unwrap();
        assert_refused(
            scene.run(RetryMessage { message }).await,
            "address_suppressed",
        );
        scene
            .run(RemoveSuppression {
                suppression: listed.id,
            })
            .await
            .unwrap();
        scene.assert_idempotent(RetryMessage { message }).await;
        assert_refused(
            scene.app.run(&other, RetryMessage { message }).await,
            "not_found",
        );
    }
}
