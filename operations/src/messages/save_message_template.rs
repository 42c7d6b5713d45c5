//! `save_message_template`: an organization's own words.

use delivery::template::{Builtin, Placeholder, Source};
use domain::{
    Cx, Facts, Fault, FaultKind, FaultSpec, Language, LongText, MessageKind, MessageTemplateId,
    Name, Permission,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::TemplateSaved,
    list_message_templates::MessageTemplate,
    sql::{self, TemplateRow},
    wording::{self, WordingError},
};
use crate::{App, Effect, Operation, faults::CHANGED_MEANWHILE, organizations};

/// Word a template: one that comes with the program in the organization's own words, or a new one. The body is
/// Markdown with placeholders such as `{{ event.title }}`; a link alone in its paragraph becomes a button. Unknown
/// placeholders and links that are not https are refused. Look at it with `preview_message`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SaveMessageTemplate {
    /// Name, such as `event_reminder` or `volunteers_wanted`.
    pub name: String,
    /// Language; the organization's when left out.
    pub language: Option<Language>,
    /// For new ones: `marketing` (when left out) carries a way to unsubscribe, `transactional` is for what people
    /// bought or asked for.
    pub kind: Option<MessageKind>,
    /// Subject.
    pub subject: Name,
    /// The line inboxes show behind the subject.
    pub preheader: Option<Name>,
    /// Markdown.
    pub body: LongText,
    /// Version it is based on; refused when somebody has changed it since.
    pub version: Option<i32>,
}

impl Operation for SaveMessageTemplate {
    const NAME: &'static str = "save_message_template";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::MessagesWrite;
    type Output = MessageTemplate;
    type Error = SaveMessageTemplateError;

    async fn run(self, app: &App, cx: &Cx) -> Result<MessageTemplate, SaveMessageTemplateError> {
        let name = self.name.trim().to_owned();
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
        if !begins || !name.chars().all(letters) || name.len() > 64 {
            return Err(SaveMessageTemplateError::Name { given: name });
        }
        wording::not_reserved(&name)?;
        let builtin: Option<Builtin> = name.parse().ok();
        let kind = match (builtin.map(Builtin::kind), self.kind) {
            (Some(kind), Some(wanted)) if kind != wanted => {
                return Err(SaveMessageTemplateError::Kind { name, kind });
            }
            (Some(kind), _) => kind,
            (None, wanted) => wanted.unwrap_or(MessageKind::Marketing),
        };
        let source = Source {
            subject: self.subject.to_string(),
            preheader: self
                .preheader
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            body: self.body.to_string(),
        };
        let known: Vec<Placeholder> = wording::gaps(&name);
        source.check(&known).map_err(WordingError::from)?;
        let mut tx = app.store().write(cx).await?;
        let language = match self.language {
            Some(language) => language,
            None => organizations::face(tx.conn()).await?.language,
        };
        let before = sql::lock_template(tx.conn(), &name, language).await?;
        let version = before.as_ref().map_or(0, |row| row.version);
        if self.version.is_some_and(|based_on| based_on != version) {
            return Err(SaveMessageTemplateError::ChangedMeanwhile { version });
        }
        let row = TemplateRow {
            id: before
                .as_ref()
                .map_or_else(|| cx.new_id::<MessageTemplateId>(), |row| row.id),
            name,
            language,
            kind,
            subject: source.subject,
            preheader: source.preheader,
            body: source.body,
            version: version + 1,
            updated_at: cx.now,
        };
        let same = before.is_some_and(|before| {
            (
                &before.subject,
                &before.preheader,
                &before.body,
                before.kind,
            ) == (&row.subject, &row.preheader, &row.body, row.kind)
        });
        if same {
            let row = TemplateRow { version, ..row };
            return Ok(tx.unchanged(MessageTemplate::of(row)).await?);
        }
        sql::insert_template(tx.conn(), cx, &row).await?;
        let change = TemplateSaved {
            template_id: row.id,
            name: row.name.clone(),
            language,
            version: row.version,
        };
        Ok(tx.commit(change, MessageTemplate::of(row)).await?)
    }
}

/// How `save_message_template` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SaveMessageTemplateError {
    /// The name has the wrong form.
    #[error(
        "{given:?} is no name of a template: lower-case letters, digits and underscores, beginning with a letter"
    )]
    Name {
        /// What was given.
        given: String,
    },
    /// A template that comes with the program cannot change what it is for.
    #[error("the template {name:?} is {kind} and stays so")]
    Kind {
        /// The template.
        name: String,
        /// What it is for.
        kind: MessageKind,
    },
    /// It cannot be read, or uses what nothing fills.
    #[error(transparent)]
    Wording(#[from] WordingError),
    /// Somebody changed it since it was read.
    #[error("the template has version {version} now")]
    ChangedMeanwhile {
        /// The present version; 0 where there is none yet.
        version: i32,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NAME: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "template_name_malformed",
    "Use a name such as volunteers_wanted.",
);
const KIND: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "template_kind_fixed",
    "Leave kind out, or save it under a new name.",
);

impl Fault for SaveMessageTemplateError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = WordingError::specs();
        specs.extend([NAME, KIND, CHANGED_MEANWHILE]);
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Name { .. } => NAME.at("name"),
            Self::Kind { .. } => KIND.at("kind"),
            Self::Wording(error) => error.facts(),
            Self::ChangedMeanwhile { .. } => CHANGED_MEANWHILE.at("version"),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SaveMessageTemplateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
impl SaveMessageTemplate {
    /// A template of two lines.
    pub(crate) fn of(name: &str, subject: &str, body: &str) -> Self {
        Self {
            name: name.to_owned(),
            language: None,
            kind: None,
            subject: subject.parse().expect("a short subject"),
            preheader: None,
            body: body.parse().expect("a body"),
            version: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::{ListMessageTemplates, ListMessages, testing::reminder},
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn own_words_replace_those_of_the_program() {
        let scene = Scene::new().await;
        let event = scene.published("Spring Gala").await;
        let own = SaveMessageTemplate::of(
            "event_reminder",
            "Bald: {{ event.title }}",
            "{{ reminder.lead }}",
        );
        let saved = scene.run(own.clone()).await.unwrap();
        assert_eq!((saved.version, saved.kind), (1, MessageKind::Transactional));
        scene
            .run(reminder(event.id, &["ada@example.org"]))
            .await
            .unwrap();
        let listed = scene.run(ListMessages::default()).await.unwrap().items;
        assert_eq!(
            listed[0].subject.as_ref().unwrap().as_str(),
            "Bald: Spring Gala"
        );
        assert_eq!(
            scene.run(own.clone()).await.unwrap().version,
            1,
            "nothing changed"
        );
        let newer = SaveMessageTemplate {
            version: Some(1),
            ..SaveMessageTemplate::of("event_reminder", "x", "y")
        };
        assert_eq!(scene.run(newer.clone()).await.unwrap().version, 2);
        assert_refused(scene.run(newer).await, "changed_meanwhile");
    }

    #[tokio::test]
    async fn refuses_what_could_not_be_sent() {
        let scene = Scene::new().await;
        let of = SaveMessageTemplate::of;
        for (command, code) in [
            (of("Volunteers wanted", "x", "y"), "template_name_malformed"),
            (of("news", "{{ event.titel }}", "y"), "unknown_placeholder"),
            (
                of("news", "x", "{{ recipient.email }}"),
                "unknown_placeholder",
            ),
            (of("news", "x", "{{ event.title"), "template_malformed"),
            (
                of(
                    "news",
                    "x",
                    "{% include 'secrets' %}{{ event.title }}{% endfor %}",
                ),
                "template_malformed",
            ),
            (
                of("news", "x", "[here](http://evil.example)"),
                "link_not_https",
            ),
            (
                SaveMessageTemplate {
                    kind: Some(MessageKind::Marketing),
                    ..of("event_reminder", "x", "y")
                },
                "template_kind_fixed",
            ),
        ] {
            assert_refused(scene.run(command).await, code);
        }
        let error = scene
            .run(of("news", "{{ event.titel }}", "y"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("{{ event.title }}"), "{error}");
    }

    #[tokio::test]
    async fn is_each_organizations_own_and_once() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        scene
            .assert_idempotent(SaveMessageTemplate::of("news", "x", "y"))
            .await;
        let theirs = scene
            .app
            .run(&other, ListMessageTemplates {})
            .await
            .unwrap();
        assert!(
            theirs
                .templates
                .iter()
                .all(|template| template.name != "news")
        );
    }
}
