//! `get_message`: one message with its text.

use domain::{Cx, MessageId, Permission, Untrusted};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::{
    model::{Message, MessageRow},
    sql,
};
use crate::{App, Effect, Operation, lookup::LookupError};

/// One message as it was or will be sent, with its plain text and what the mail server said.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetMessage {
    /// Its id.
    pub message: MessageId,
}

/// A message with its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageDetail {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// What it says; absent for those who may not see names, which it may hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Untrusted>,
    /// The names of files that come with it.
    pub files: Vec<String>,
}

impl Operation for GetMessage {
    const NAME: &'static str = "get_message";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::MessagesRead;
    type Output = MessageDetail;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<MessageDetail, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let row = found(sql::find(tx.conn(), self.message).await?, self.message)?;
        detail(tx.conn(), cx, row).await
    }
}

/// A row with its text, as the caller may see it.
pub(super) async fn detail(
    conn: &mut PgConnection,
    cx: &Cx,
    row: MessageRow,
) -> Result<MessageDetail, LookupError> {
    let (text, files) = sql::content(conn, row.id).await?;
    let text = cx
        .may(Permission::AttendeesPersonal)
        .then(|| Untrusted::new(&text));
    Ok(MessageDetail {
        message: row.seen(cx),
        text,
        files,
    })
}

/// The row of an id, or the refusal that there is none.
pub(super) fn found(row: Option<MessageRow>, id: MessageId) -> Result<MessageRow, LookupError> {
    row.ok_or_else(|| LookupError::NotFound {
        noun: "message",
        given: id.to_string(),
        candidates: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::testing::reminder,
        testing::{Scene, assert_refused},
    };
    use domain::Permissions;

    #[tokio::test]
    async fn shows_the_text_to_those_who_may_see_names() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let event = scene.published("Spring Gala").await;
        let mut command = reminder(event.id, &["ada@example.org"]);
        command.calendar = Some(delivery::calendar::Method::Request);
        let message = scene.run(command).await.unwrap().message_ids[0];
        let detail = scene.run(GetMessage { message }).await.unwrap();
        assert!(
            detail
                .text
                .unwrap()
                .as_str()
                .starts_with("Hello Ada Lovelace,")
        );
        assert_eq!(detail.files, ["event.ics"]);
        let narrow = scene
            .cx
            .clone()
            .with_permissions(Permissions::NONE.with(Permission::MessagesRead));
        assert_eq!(
            scene
                .app
                .run(&narrow, GetMessage { message })
                .await
                .unwrap()
                .text,
            None
        );
        assert_refused(
            scene.app.run(&other, GetMessage { message }).await,
            "not_found",
        );
    }
}
