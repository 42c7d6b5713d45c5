//! `cancel_message`: a message that has not gone out is called off.

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

/// Call off a message that has not been sent yet.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CancelMessage {
    /// Its id.
    pub message: MessageId,
}

impl Operation for CancelMessage {
    const NAME: &'static str = "cancel_message";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::MessagesSend;
    type Output = MessageDetail;
    type Error = CancelMessageError;

    async fn run(self, app: &App, cx: &Cx) -> Result<MessageDetail, CancelMessageError> {
        let mut tx = app.store().write(cx).await?;
        let row = found(sql::lock(tx.conn(), self.message).await?, self.message)?;
        match row.status {
            MessageStatus::Queued | MessageStatus::Failed => {}
            MessageStatus::Cancelled | MessageStatus::Suppressed => {
                let answer = detail(tx.conn(), cx, row).await?;
                return Ok(tx.unchanged(answer).await?);
            }
            status @ (MessageStatus::Sending | MessageStatus::Sent) => {
                return Err(CancelMessageError::TooLate { status });
            }
        }
        sql::set_status(tx.conn(), cx, row.id, MessageStatus::Cancelled).await?;
        let change = MessageMoved {
            message_id: row.id,
            template: row.template.clone(),
            to: MessageStatus::Cancelled,
        };
        let row = found(sql::find(tx.conn(), self.message).await?, self.message)?;
        let answer = detail(tx.conn(), cx, row).await?;
        Ok(tx.commit(change, answer).await?)
    }
}

/// How `cancel_message` refuses.
#[derive(Debug, thiserror::Error)]
pub enum CancelMessageError {
    /// There is no such message.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// It is on its way or gone.
    #[error("it is too late: the message is {status}")]
    TooLate {
        /// How far it has come.
        status: MessageStatus,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const TOO_LATE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "message_gone",
    "It cannot be called back; if it was wrong, send a correction.",
);

impl Fault for CancelMessageError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = LookupError::specs();
        specs.push(TOO_LATE);
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Lookup(error) => error.facts(),
            Self::TooLate { .. } => TOO_LATE.into(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for CancelMessageError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::testing::{Taken, reminder, send_all},
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn a_message_that_is_called_off_is_not_sent() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let event = scene.published("Spring Gala").await;
        let queued = scene
            .run(reminder(
                event.id,
                &["ada@example.org", "grace@example.org"],
            ))
            .await
            .unwrap();
        let [first, second] = queued.message_ids[..] else {
            panic!("two were queued")
        };
        assert_refused(
            scene
                .app
                .run(&other, CancelMessage { message: first })
                .await,
            "not_found",
        );
        scene
            .assert_idempotent(CancelMessage { message: first })
            .await;
        let taken = Taken::default();
        send_all(&scene, &taken).await;
        assert_eq!(taken.count(), 1);
        assert_refused(
            scene.run(CancelMessage { message: second }).await,
            "message_gone",
        );
        let again = scene.run(CancelMessage { message: first }).await.unwrap();
        assert_eq!(again.message.status, MessageStatus::Cancelled);
    }
}
