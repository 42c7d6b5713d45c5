//! `preview_message`: how a message reads, before anybody gets it.

use delivery::template::{Builtin, Source};
use domain::{
    Cx, EventId, Language, LongText, MessageKind, Name, OrderId, Permission, Reference, Untrusted,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::PgConnection;

use super::wording::{self, Template, WordingError, without_links};
use crate::{
    App, Effect, Operation, events, orders,
    organizations::{self, Face},
    people,
};

/// How a message reads: a template, or a subject and text of your own (Markdown), filled with samples or with a real
/// event and order. Lists the placeholders there are. Sends nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct PreviewMessage {
    /// Template, such as `event_reminder`; `custom` when left out.
    pub template: Option<String>,
    /// Language; the organization's when left out.
    pub language: Option<Language>,
    /// Subject, in place of the template's.
    pub subject: Option<Name>,
    /// Text in Markdown, in place of the template's.
    pub body: Option<LongText>,
    /// Fill with this event: id, slug or exact title.
    pub event: Option<Reference<EventId>>,
    /// Fill with this order.
    pub order_id: Option<OrderId>,
    /// Values for further placeholders, as an object of objects.
    pub vars: Option<Map<String, Value>>,
    /// Also answer the HTML page.
    #[serde(default)]
    pub html: bool,
}

/// A message as it would read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessagePreview {
    /// What it is for.
    pub kind: MessageKind,
    /// The subject.
    pub subject: Untrusted,
    /// The plain text.
    pub text: Untrusted,
    /// The HTML page, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// What can be filled in.
    pub placeholders: Vec<KnownPlaceholder>,
}

/// A placeholder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KnownPlaceholder {
    /// Its name, to be written as `{{ name }}`.
    pub name: String,
    /// What fills it.
    pub about: String,
    /// Whether this message uses it.
    pub is_used: bool,
}

impl Operation for PreviewMessage {
    const NAME: &'static str = "preview_message";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::MessagesRead;
    type Output = MessagePreview;
    type Error = WordingError;

    async fn run(self, app: &App, cx: &Cx) -> Result<MessagePreview, WordingError> {
        let mut tx = app.store().read(cx).await?;
        let (template, facts, face) = self.drafted(tx.conn(), cx).await?;
        let filled = template.fill(&facts, &face)?;
        let used = template.source.placeholders()?;
        let placeholders = template.known.iter().map(|placeholder| KnownPlaceholder {
            name: placeholder.name.to_owned(),
            about: placeholder.about.to_owned(),
            is_used: used.contains(placeholder.name),
        });
        Ok(MessagePreview {
            kind: template.kind,
            subject: Untrusted::new(&filled.subject),
            text: Untrusted::new(&without_links(&filled.text, "(link)")),
            html: self.html.then(|| without_links(&filled.html, "#")),
            placeholders: placeholders.collect(),
        })
    }
}

impl PreviewMessage {
    /// The template, what fills it, and how it looks. Names of buyers only for those who may see them.
    pub(super) async fn drafted(
        &self,
        conn: &mut PgConnection,
        cx: &Cx,
    ) -> Result<(Template, Value, Face), WordingError> {
        let face = organizations::face(conn).await?;
        let language = self.language.unwrap_or(face.language);
        let name = self.template.as_deref().unwrap_or(Builtin::Custom.as_str());
        let template = wording::template(conn, name, language).await?;
        let template = with_own_words(template, self.subject.as_ref(), self.body.as_ref())?;
        let samples = name.parse().unwrap_or(Builtin::Custom).samples();
        let mut facts = wording::facts(&template.known, &face);
        if let Value::Object(samples) = &samples {
            wording::merge(&mut facts, samples);
        }
        wording::merge(&mut facts, &organization(&face));
        if let Some(reference) = &self.event {
            let event = events::resolve(conn, cx, reference).await?;
            wording::add_event(&mut facts, &event, template.language);
        }
        if let Some(order_id) = self.order_id {
            let order = orders::detail(conn, cx, order_id).await?;
            wording::add_order(&mut facts, &order, template.language);
            let buyer = people::name_for(cx, &order.order.buyer_name);
            wording::add_recipient(&mut facts, buyer.as_str());
        }
        if let Some(vars) = &self.vars {
            wording::merge(&mut facts, vars);
        }
        Ok((template, facts, face))
    }
}

fn organization(face: &Face) -> Map<String, Value> {
    let facts = serde_json::json!({"organization": {"name": face.name}});
    facts.as_object().cloned().unwrap_or_default()
}

/// A template with a subject or text of somebody's own, checked.
pub(super) fn with_own_words(
    template: Template,
    subject: Option<&Name>,
    body: Option<&LongText>,
) -> Result<Template, WordingError> {
    if subject.is_none() && body.is_none() {
        return Ok(template);
    }
    let source = Source {
        subject: subject.map_or(template.source.subject, ToString::to_string),
        preheader: if body.is_some() {
            String::new()
        } else {
            template.source.preheader
        },
        body: body.map_or(template.source.body, ToString::to_string),
    };
    source.check(&template.known)?;
    Ok(Template { source, ..template })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scene, assert_refused};
    use domain::Permissions;

    #[tokio::test]
    async fn shows_samples_and_placeholders() {
        let scene = Scene::new().await;
        for template in Builtin::ALL {
            let command = PreviewMessage {
                template: Some(template.to_string()),
                html: true,
                ..PreviewMessage::default()
            };
            let preview = scene.run(command).await.unwrap();
            assert!(
                preview
                    .placeholders
                    .iter()
                    .any(|placeholder| placeholder.is_used),
                "{template}"
            );
            assert!(
                preview.html.unwrap().contains("scene"),
                "{template} names the organization"
            );
        }
    }

    #[tokio::test]
    async fn shows_a_real_event_in_own_words() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 50).await;
        let order = scene.order(event.id, 1).await;
        let command = PreviewMessage {
            subject: Some("About {{ event.title }}".parse().unwrap()),
            body: Some(
                "Dear {{ recipient.name }}, order {{ order.number }}"
                    .parse()
                    .unwrap(),
            ),
            event: Some(event.id.into()),
            order_id: Some(order.order.id),
            ..PreviewMessage::default()
        };
        let preview = scene.run(command.clone()).await.unwrap();
        assert_eq!(preview.subject.as_str(), "About Spring Gala");
        assert!(
            preview.text.as_str().contains("Dear Ada Lovelace"),
            "{}",
            preview.text.as_str()
        );
        assert!(preview.text.as_str().contains(&order.order.number));
        let narrow = scene
            .cx
            .clone()
            .with_permissions(Permissions::NONE.with(Permission::MessagesRead));
        let masked = scene.app.run(&narrow, command).await.unwrap();
        assert!(
            masked.text.as_str().contains("Dear A… L…"),
            "{}",
            masked.text.as_str()
        );
    }

    #[tokio::test]
    async fn refuses_what_cannot_be_filled() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let event = scene.published("Spring Gala").await;
        let saying = |body: &str| PreviewMessage {
            body: Some(body.parse().unwrap()),
            ..PreviewMessage::default()
        };
        assert_refused(
            scene.run(saying("{{ nothing }}")).await,
            "unknown_placeholder",
        );
        assert_refused(scene.run(saying("{{")).await, "template_malformed");
        assert_refused(
            scene.run(saying("[x](http://a.example)")).await,
            "link_not_https",
        );
        let none = PreviewMessage {
            template: Some("none".to_owned()),
            ..PreviewMessage::default()
        };
        assert_refused(scene.run(none).await, "not_found");
        let theirs = PreviewMessage {
            event: Some(event.id.into()),
            ..PreviewMessage::default()
        };
        assert_refused(scene.app.run(&other, theirs).await, "not_found");
    }
}
