//! `list_message_templates`: which messages can be sent, and in which words.

use delivery::template::Builtin;
use domain::{Cx, Language, MessageKind, Permission, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::sql::{self, TemplateRow};
use crate::{App, Effect, Operation, organizations};

/// The templates of messages: those that come with the program, and the organization's own words.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListMessageTemplates {}

/// A template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageTemplate {
    /// Its name.
    pub name: String,
    /// Its language.
    pub language: Language,
    /// What it is for.
    pub kind: MessageKind,
    /// Whether the organization has worded it.
    pub is_own: bool,
    /// The subject.
    pub subject: String,
    /// The line behind it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub preheader: String,
    /// The body, in Markdown.
    #[schemars(extend("x-detail" = true))]
    pub body: String,
    /// Rises with every change; 0 for those that come with the program.
    pub version: i32,
    /// When it was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

impl MessageTemplate {
    pub(super) fn of(row: TemplateRow) -> Self {
        Self {
            name: row.name,
            language: row.language,
            kind: row.kind,
            is_own: true,
            subject: row.subject,
            preheader: row.preheader,
            body: row.body,
            version: row.version,
            updated_at: Some(row.updated_at),
        }
    }

    fn builtin(template: Builtin, language: Language) -> Self {
        let source = template.source(language);
        Self {
            name: template.to_string(),
            language,
            kind: template.kind(),
            is_own: false,
            subject: source.subject,
            preheader: source.preheader,
            body: source.body,
            version: 0,
            updated_at: None,
        }
    }
}

/// All templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageTemplates {
    /// By name, the organization's own words in place of the program's.
    pub templates: Vec<MessageTemplate>,
    /// The language of the organization's mails. This and what follows is changed by `update_organization`.
    pub language: Language,
    /// The colour of their buttons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accent_color: Option<String>,
    /// Where answers go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_email: Option<String>,
}

impl Operation for ListMessageTemplates {
    const NAME: &'static str = "list_message_templates";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::MessagesRead;
    type Output = MessageTemplates;
    type Error = StoreError;

    async fn run(self, app: &App, cx: &Cx) -> Result<MessageTemplates, StoreError> {
        let mut tx = app.store().read(cx).await?;
        let face = organizations::face(tx.conn()).await?;
        let language = face.language;
        let own = sql::templates(tx.conn()).await?;
        let mut templates: Vec<_> = own.into_iter().map(MessageTemplate::of).collect();
        for template in Builtin::ALL {
            let is_worded =
                |own: &MessageTemplate| own.name == template.as_str() && own.language == language;
            if !templates.iter().any(is_worded) {
                templates.push(MessageTemplate::builtin(*template, language));
            }
        }
        templates.sort_by(|a, b| (&a.name, a.language).cmp(&(&b.name, b.language)));
        Ok(MessageTemplates {
            templates,
            language,
            accent_color: face.accent_color,
            reply_email: face.reply_email,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{messages::SaveMessageTemplate, testing::Scene};

    #[tokio::test]
    async fn lists_each_once_in_the_words_that_hold() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        scene
            .run(SaveMessageTemplate::of("event_reminder", "Soon", "Soon"))
            .await
            .unwrap();
        scene
            .run(SaveMessageTemplate::of("news", "News", "News"))
            .await
            .unwrap();
        let listed = scene.run(ListMessageTemplates {}).await.unwrap().templates;
        assert_eq!(listed.len(), Builtin::ALL.len() + 1);
        let reminder = listed
            .iter()
            .find(|template| template.name == "event_reminder")
            .unwrap();
        assert_eq!((reminder.is_own, reminder.subject.as_str()), (true, "Soon"));
        let theirs = scene
            .app
            .run(&other, ListMessageTemplates {})
            .await
            .unwrap()
            .templates;
        assert!(theirs.iter().all(|template| !template.is_own));
    }
}
