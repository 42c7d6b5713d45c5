//! `queue_message`: what workflows call to tell people something.

use delivery::calendar::Method;
use domain::{
    Cx, EmailAddress, EventId, Facts, Fault, FaultKind, FaultSpec, Language, MessageChannel,
    MessageId, Permission, Reference, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use store::StoreError;

use super::{
    audience::{Audience, LIMIT, Recipient},
    changes::MessagesQueued,
    composing::{self, dedupe_key},
    model::NewMessage,
    wording::{self, Template, WordingError},
};
use crate::{
    App, Effect, Operation,
    events::{self, Event},
    lookup::LookupError,
    orders,
    organizations::{self, Face},
};

/// Queue a message made from a template. A recipient who had a message under the same `dedupe_key` gets none, so that
/// a step that is repeated sends nothing twice.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct QueueMessage {
    /// Name of the template, such as `event_reminder`.
    pub template: String,
    /// Language; the organization's when left out.
    pub language: Option<Language>,
    /// Which way; mail when left out.
    pub channel: Option<MessageChannel>,
    /// Event it is about: id, slug or exact title.
    pub event: Option<Reference<EventId>>,
    /// Who gets it.
    pub to: Audience,
    /// What fills further placeholders, as an object of objects: `{"reminder": {"lead": "tomorrow"}}`.
    pub vars: Option<Map<String, Value>>,
    /// What makes it the same message when it is asked for again, such as a run and its step.
    #[schemars(length(min = 1, max = 200))]
    pub dedupe_key: String,
    /// When it goes out; at once when left out.
    pub send_at: Option<Timestamp>,
    /// Attach the event as a calendar file: `REQUEST` puts it in, `CANCEL` takes it out.
    pub calendar: Option<Method>,
}

/// What was queued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueuedMessages {
    /// Those that will be sent.
    pub message_ids: Vec<MessageId>,
    /// How many want no such mail.
    pub suppressed_count: usize,
    /// How many had it already.
    pub repeated_count: usize,
}

impl Operation for QueueMessage {
    const NAME: &'static str = "queue_message";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::MessagesSend;
    type Output = QueuedMessages;
    type Error = QueueMessageError;

    async fn run(self, app: &App, cx: &Cx) -> Result<QueuedMessages, QueueMessageError> {
        self.check()?;
        let mut tx = app.store().write(cx).await?;
        let recipients = self.to.recipients(tx.conn(), cx).await?;
        let composer = Composer::new(tx.conn(), cx, &self).await?;
        let mut messages = Vec::with_capacity(recipients.len());
        for recipient in &recipients {
            messages.push(composer.message(tx.conn(), cx, &self, recipient).await?);
        }
        let queued = composing::queue(tx.conn(), cx, &messages).await?;
        let change = MessagesQueued {
            organization_id: cx.organization_id,
            event_id: composer.event.as_ref().map(|event| event.id),
            event_title: composer.event.as_ref().map(|event| event.title.clone()),
            template: self.template.clone(),
            subject: composer.template.source.subject.clone(),
            audience: self.to.readable(),
            recipient_count: queued.ids.len(),
            suppressed_count: queued.suppressed_count,
            repeated_count: queued.repeated_count,
            words: composing::words(&composer.template),
        };
        let answer = QueuedMessages {
            message_ids: queued.ids,
            suppressed_count: queued.suppressed_count,
            repeated_count: queued.repeated_count,
        };
        if answer.message_ids.is_empty() && answer.suppressed_count == 0 {
            return Ok(tx.unchanged(answer).await?);
        }
        Ok(tx.commit(change, answer).await?)
    }
}

impl QueueMessage {
    fn check(&self) -> Result<(), QueueMessageError> {
        let length = self.dedupe_key.chars().count();
        if !(1..=200).contains(&length) {
            return Err(QueueMessageError::Key { length });
        }
        wording::not_reserved(&self.template)?;
        self.to.check(self.channel == Some(MessageChannel::Sms))
    }
}

/// Everything that is the same for all recipients.
struct Composer {
    template: Template,
    face: Face,
    event: Option<Event>,
    facts: Value,
}

impl Composer {
    async fn new(
        conn: &mut PgConnection,
        cx: &Cx,
        command: &QueueMessage,
    ) -> Result<Self, QueueMessageError> {
        let face = organizations::face(conn).await?;
        let language = command.language.unwrap_or(face.language);
        let template = wording::template(conn, &command.template, language).await?;
        let event = match &command.event {
            Some(reference) => Some(events::resolve(conn, cx, reference).await?),
            None => None,
        };
        if command.calendar.is_some() && event.is_none() {
            return Err(QueueMessageError::CalendarWithoutEvent);
        }
        let mut facts = wording::facts(&template.known, &face);
        if let Some(event) = &event {
            wording::add_event(&mut facts, event, template.language);
        }
        if let Some(vars) = &command.vars {
            wording::merge(&mut facts, vars);
        }
        Ok(Self {
            template,
            face,
            event,
            facts,
        })
    }

    async fn message(
        &self,
        conn: &mut PgConnection,
        cx: &Cx,
        command: &QueueMessage,
        recipient: &Recipient,
    ) -> Result<NewMessage, QueueMessageError> {
        let mut facts = self.facts.clone();
        wording::add_recipient(&mut facts, &recipient.name);
        if let Some(order_id) = recipient.order_id {
            let order = orders::detail(conn, &wording::with_sight(cx), order_id).await?;
            let language = self.template.language;
            wording::add_order(&mut facts, &order, language);
            let (event, address) = (self.event.as_ref(), &recipient.address);
            wording::add_page(&mut facts, &order, event, address, language);
        }
        if recipient.ticket_id.is_some() {
            wording::add_survey(&mut facts);
        }
        if let Some(vars) = &recipient.vars {
            wording::merge(&mut facts, vars);
        }
        let filled = self.template.fill(&facts, &self.face)?;
        let calendar = command
            .calendar
            .zip(self.event.as_ref())
            .zip(recipient.address.parse().ok());
        let attachments = calendar.map(|((method, event), attendee): (_, EmailAddress)| {
            let place = facts["event"]["place"].as_str();
            composing::calendar(cx, method, event, &self.face, &attendee, place)
        });
        Ok(NewMessage {
            id: cx.new_id(),
            template: self.template.name.clone(),
            language: self.template.language,
            kind: self.template.kind,
            channel: command.channel.unwrap_or(MessageChannel::Email),
            recipient_address: recipient.address.clone(),
            recipient_name: recipient.name.clone(),
            subject: filled.subject,
            html: filled.html,
            text: filled.text,
            attachments: attachments.into_iter().collect(),
            event_id: self.event.as_ref().map(|event| event.id),
            order_id: recipient.order_id,
            ticket_id: recipient.ticket_id,
            dedupe_key: dedupe_key(&command.dedupe_key, &recipient.address),
            send_at: command.send_at.unwrap_or(cx.now).max(cx.now),
            decision: None,
        })
    }
}

/// How `queue_message` refuses.
#[derive(Debug, thiserror::Error)]
pub enum QueueMessageError {
    /// The message cannot be worded.
    #[error(transparent)]
    Wording(#[from] WordingError),
    /// Nobody was meant, or several kinds of people at once.
    #[error("`to` must hold exactly one of order, event, team and people")]
    Audience,
    /// Nobody is named, or too many are.
    #[error("{count} recipients were given; one call takes 1 to {LIMIT}")]
    Recipients {
        /// How many were given.
        count: usize,
    },
    /// The key is empty or too long.
    #[error("the dedupe_key has {length} characters instead of 1 to 200")]
    Key {
        /// Characters given.
        length: usize,
    },
    /// Something that is no address.
    #[error("recipient {} has no {} to send to", .index + 1, if *.sms { "phone number in the form +4930123456" } else { "mail address" })]
    Address {
        /// Counted from 0.
        index: usize,
        /// Whether a phone number was expected.
        sms: bool,
    },
    /// A calendar file of nothing.
    #[error("a calendar file needs the event it is about")]
    CalendarWithoutEvent,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const AUDIENCE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "audience_unclear",
    "Give an order, an event with a segment, a team or people; one of them.",
);
const RECIPIENTS: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "recipient_count",
    "Give recipients, and more than a thousand in several calls with the same dedupe_key.",
);
const KEY: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "dedupe_key_malformed",
    "Use a short key that is the same whenever the same message is meant.",
);
const ADDRESS: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "address_malformed",
    "Correct the address or leave the recipient out.",
);
const CALENDAR: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "calendar_without_event",
    "Give the event, or leave the calendar file out.",
);

impl Fault for QueueMessageError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = WordingError::specs();
        specs.extend([AUDIENCE, RECIPIENTS, KEY, ADDRESS, CALENDAR]);
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Wording(error) => error.facts(),
            Self::Audience => AUDIENCE.at("to"),
            Self::Recipients { .. } => RECIPIENTS.at("to.people"),
            Self::Key { .. } => KEY.at("dedupe_key"),
            Self::Address { index, .. } => ADDRESS.at(format!("to.people[{index}].address")),
            Self::CalendarWithoutEvent => CALENDAR.at("event"),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<LookupError> for QueueMessageError {
    fn from(error: LookupError) -> Self {
        Self::Wording(error.into())
    }
}

impl From<sqlx::Error> for QueueMessageError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::{
            GetMessage, ListMessages, MessageStatus, Segment,
            testing::{Taken, reminder, send_all},
        },
        permission::Role,
        surveys::Invitation,
        testing::{Scene, assert_refused},
    };
    use serde_json::json;

    #[tokio::test]
    async fn only_a_ticket_brings_a_link_to_the_survey() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 10).await;
        let order = scene.order(event.id, 2).await;
        let mut asking = reminder(event.id, &["grace@example.org"]);
        asking.template = "thank_you_survey".to_owned();
        scene.run(asking.clone()).await.unwrap();
        asking.to = Audience {
            event: Some(event.id.into()),
            ..Audience::default()
        };
        scene.run(asking).await.unwrap();
        let taken = Taken::default();
        send_all(&scene, &taken).await;
        let mails = taken.mails();
        let to = |address: &str| {
            let mail = mails
                .iter()
                .find(|mail| mail.to.address.as_str() == address);
            mail.unwrap().clone()
        };
        let (ada, grace) = (to("ada@example.org"), to("grace@example.org"));
        assert!(grace.text.contains("Answer this mail"), "{}", grace.text);
        let invitation = Invitation::sent_at(
            scene.cx.organization_id,
            order.tickets[0].id,
            Language::En,
            scene.cx.now,
        );
        let url = invitation.url("https://tickets.example.org", &[7; 32]);
        assert!(
            ada.text.contains(&url) && ada.html.contains(&url),
            "{}",
            ada.text
        );
        assert!(!ada.html.contains("survey.invalid") && !ada.text.contains("survey.invalid"));
        // What the table keeps, and what operations show, is no right to answer.
        let listed = scene.run(ListMessages::default()).await.unwrap().items;
        for message in listed {
            let message = message.id;
            let text = scene.run(GetMessage { message }).await.unwrap().text;
            assert!(!text.unwrap().as_str().contains("/s/"));
        }
    }

    #[tokio::test]
    async fn words_a_message_for_each_recipient() {
        let scene = Scene::new().await;
        let event = scene.published("Spring Gala").await;
        let mut command = reminder(event.id, &["ada@example.org", "grace@example.org"]);
        command.calendar = Some(Method::Request);
        let queued = scene.run(command).await.unwrap();
        assert_eq!(queued.message_ids.len(), 2);
        let listed = scene.run(ListMessages::default()).await.unwrap().items;
        assert_eq!(listed.len(), 2);
        assert!(
            listed
                .iter()
                .all(|message| message.status == MessageStatus::Queued)
        );
        assert_eq!(
            listed[0].subject.as_ref().unwrap().as_str(),
            "Spring Gala is tomorrow"
        );
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(change.kind, "message.queued");
        assert_eq!(change.payload["recipient_count"], 2);
        assert!(change.summary.contains("2 people"), "{}", change.summary);
        assert!(!change.summary.contains("ada"), "{}", change.summary);
    }

    #[tokio::test]
    async fn fills_in_the_order() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 50).await;
        let order = scene.order(event.id, 2).await;
        let mut command = reminder(event.id, &["ada@example.org"]);
        command.template = "payment_reminder".to_owned();
        command.language = Some(Language::De);
        command.to.people.as_mut().unwrap()[0].order_id = Some(order.order.id);
        let queued = scene.run(command).await.unwrap();
        let get = crate::messages::GetMessage {
            message: queued.message_ids[0],
        };
        let text = scene.run(get).await.unwrap().text.unwrap();
        assert!(text.as_str().contains("50,00 EUR"), "{}", text.as_str());
        assert!(
            text.as_str()
                .contains("Do. 4. Februar 2027, 19:00 Uhr (Berlin)"),
            "{}",
            text.as_str()
        );
    }

    #[tokio::test]
    async fn finds_the_people_when_it_is_queued() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 50).await;
        let order = scene.order(event.id, 2).await;
        let to = async |audience: Audience, key: &str| {
            let mut command = reminder(event.id, &[]);
            (command.to, command.dedupe_key) = (audience, key.to_owned());
            scene.run(command).await.unwrap().message_ids.len()
        };
        let buyer = Audience {
            order: Some(order.order.id),
            ..Audience::default()
        };
        assert_eq!(to(buyer, "a").await, 1);
        let everyone = Audience {
            event: Some(event.id.into()),
            ..Audience::default()
        };
        // Nobody has a ticket yet: nothing to send is no mistake.
        assert_eq!(to(everyone.clone(), "b").await, 0);
        let unpaid = Audience {
            segment: Some(Segment::Unpaid),
            ..everyone
        };
        assert_eq!(to(unpaid, "b").await, 1);
        // Nobody has the door's role, so the owner is told.
        let team = Audience {
            team: Some(Role::Door),
            ..Audience::default()
        };
        assert_eq!(to(team, "c").await, 1);
    }

    #[tokio::test]
    async fn sends_nothing_twice_under_one_key() {
        let scene = Scene::new().await;
        let event = scene.published("Spring Gala").await;
        let first = scene
            .run(reminder(event.id, &["ada@example.org"]))
            .await
            .unwrap();
        assert_eq!(first.message_ids.len(), 1);
        let again = reminder(event.id, &["ADA@example.org", "grace@example.org"]);
        let again = scene.run(again).await.unwrap();
        assert_eq!((again.message_ids.len(), again.repeated_count), (1, 1));
        // Without the unique key the same call sends again: the key is what holds it back.
        let mut owner = scene.database.owner().await;
        super::super::sql::without_unique_key(&mut owner).await;
        let twice = scene
            .run(reminder(event.id, &["ada@example.org"]))
            .await
            .unwrap();
        assert_eq!((twice.message_ids.len(), twice.repeated_count), (1, 0));
    }

    #[tokio::test]
    async fn refuses_what_cannot_be_sent() {
        let scene = Scene::new().await;
        let event = scene.published("Spring Gala").await;
        let command = || reminder(event.id, &["ada@example.org"]);
        let with = |change: &dyn Fn(&mut QueueMessage)| {
            let mut command = command();
            change(&mut command);
            command
        };
        for (command, code) in [
            (with(&|c| c.template = "no_such".to_owned()), "not_found"),
            (
                with(&|c| c.template = "approval_request".to_owned()),
                "template_reserved",
            ),
            (
                with(&|c| c.event = Some("nowhere".parse().unwrap())),
                "not_found",
            ),
            (with(&|c| c.vars = None), "placeholder_without_value"),
            (
                with(&|c| c.to = Audience::people(Vec::new())),
                "recipient_count",
            ),
            (with(&|c| c.to = Audience::default()), "audience_unclear"),
            (with(&|c| c.to.team = Some(Role::Door)), "audience_unclear"),
            (with(&|c| c.dedupe_key.clear()), "dedupe_key_malformed"),
            (
                with(&|c| c.to.people.as_mut().unwrap()[0].address = "ada".to_owned()),
                "address_malformed",
            ),
            (
                with(&|c| c.channel = Some(MessageChannel::Sms)),
                "address_malformed",
            ),
            (
                with(&|c| {
                    c.event = None;
                    c.vars = json!({"event": {"title": "x", "when": "y", "place": "z"}, "reminder": {"lead": "tomorrow"}})
                        .as_object()
                        .cloned();
                    c.calendar = Some(Method::Cancel);
                }),
                "calendar_without_event",
            ),
        ] {
            assert_refused(scene.run(command).await, code);
        }
        assert!(
            scene
                .run(ListMessages::default())
                .await
                .unwrap()
                .items
                .is_empty()
        );
    }

    #[tokio::test]
    async fn reaches_no_event_of_another_organization() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let event = scene.published("Spring Gala").await;
        let outcome = scene
            .app
            .run(&other, reminder(event.id, &["ada@example.org"]))
            .await;
        assert_refused(outcome, "not_found");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let event = scene.published("Spring Gala").await;
        scene
            .assert_idempotent(reminder(event.id, &["ada@example.org"]))
            .await;
    }
}
