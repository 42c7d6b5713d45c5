//! `send_message`: an organizer writes to the people of an event.

use std::collections::HashMap;

use delivery::template::Builtin;
use domain::{
    Cx, EventId, Facts, Fault, FaultKind, FaultSpec, Language, LocalTime, LongText, MessageChannel,
    MessageKind, Name, OrderId, Permission, Reference, TicketTypeId, Timestamp, Untrusted,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use store::StoreError;

use super::{
    changes::MessagesQueued,
    composing::{self, dedupe_key},
    model::{NewMessage, address_for},
    preview_message::with_own_words,
    segment::{self, Addressee, Segment},
    sql,
    wording::{self, Template, WordingError, without_links},
};
use crate::{
    App, Effect, Operation,
    events::{self, Event},
    lookup::LookupError,
    orders::{self, OrderDetail},
    organizations::{self, Face},
    people,
};

/// Write to the people of an event: everyone with a ticket, those who were or were not let in, or buyers who have not
/// paid; one mail per address. Shows first how many get it, how many have opted out, and three samples. News and
/// thanks are `marketing`; only what people need to attend (`doors open later`) is `transactional`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SendMessage {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Who gets it.
    pub segment: Segment,
    /// Only holders of this ticket type.
    pub ticket_type: Option<Reference<TicketTypeId>>,
    /// Subject; may use placeholders.
    pub subject: Option<Name>,
    /// Text in Markdown, with placeholders such as `{{ recipient.name }}`.
    pub body: Option<LongText>,
    /// A template instead of subject and body.
    pub template: Option<String>,
    /// Language of the frame or template.
    pub language: Option<Language>,
    /// `marketing` when left out, for text of your own.
    pub kind: Option<MessageKind>,
    /// When it goes out, on the clock at the event; at once when left out.
    pub send_at: Option<LocalTime>,
}

/// Who a message goes to, and how it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SentMessages {
    /// Those it goes to.
    pub recipient_count: usize,
    /// Those left out because they want no such mail, or their address takes none.
    pub suppressed_count: usize,
    /// Those who had this very message before and do not get it again.
    pub repeated_count: usize,
    /// When it goes out.
    pub send_at: Timestamp,
    /// How it reads for the first three.
    pub samples: Vec<Sample>,
}

/// A message as one of its recipients will read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// Who gets it.
    pub to: Untrusted,
    /// The subject.
    pub subject: Untrusted,
    /// The plain text.
    pub text: Untrusted,
}

/// Recipients of one message at most.
const LIMIT: usize = 5_000;

impl Operation for SendMessage {
    const NAME: &'static str = "send_message";
    const EFFECT: Effect = Effect::Destructive;
    const NEEDS: Permission = Permission::MessagesSend;
    type Output = SentMessages;
    type Error = SendMessageError;

    async fn run(self, app: &App, cx: &Cx) -> Result<SentMessages, SendMessageError> {
        let mut tx = app.store().write(cx).await?;
        let mut draft = Draft::new(tx.conn(), cx, &self).await?;
        let people = draft.people(tx.conn(), &self).await?;
        if self.segment == Segment::Unpaid {
            draft.look_up_orders(tx.conn(), cx, &people).await?;
        }
        let samples = people.iter().take(3).map(|to| draft.sample(cx, to));
        let samples = samples.collect::<Result<Vec<_>, _>>()?;
        let messages = people.iter().map(|to| draft.message(cx, to));
        let messages = messages.collect::<Result<Vec<_>, _>>()?;
        let queued = composing::queue(tx.conn(), cx, &messages).await?;
        let answer = SentMessages {
            recipient_count: queued.ids.len(),
            suppressed_count: queued.suppressed_count,
            repeated_count: queued.repeated_count,
            send_at: draft.send_at,
            samples,
        };
        if answer.recipient_count == 0 && answer.suppressed_count == 0 {
            return Ok(tx.unchanged(answer).await?);
        }
        let change = MessagesQueued {
            organization_id: cx.organization_id,
            event_id: Some(draft.event.id),
            event_title: Some(draft.event.title.clone()),
            template: draft.template.name.clone(),
            subject: draft.template.source.subject.clone(),
            audience: draft.audience,
            recipient_count: answer.recipient_count,
            suppressed_count: answer.suppressed_count,
            repeated_count: answer.repeated_count,
            words: composing::words(&draft.template),
        };
        Ok(tx.commit(change, answer).await?)
    }
}

/// Everything that is the same for all recipients.
struct Draft {
    event: Event,
    template: Template,
    face: Face,
    facts: Value,
    ticket_type: Option<TicketTypeId>,
    /// What was ordered, if it goes to buyers. Whoever only holds a ticket is not told.
    orders: HashMap<OrderId, OrderDetail>,
    audience: String,
    send_at: Timestamp,
    /// The same for the same words to the same segment.
    key: String,
}

impl Draft {
    async fn new(
        conn: &mut PgConnection,
        cx: &Cx,
        command: &SendMessage,
    ) -> Result<Self, SendMessageError> {
        if command.template.is_none() && (command.subject.is_none() || command.body.is_none()) {
            return Err(SendMessageError::NothingToSay);
        }
        let event = events::resolve(conn, cx, &command.event).await?;
        let ticket_type = match &command.ticket_type {
            Some(reference) => Some(segment::resolve_type(conn, event.id, reference).await?),
            None => None,
        };
        let face = organizations::face(conn).await?;
        let language = command.language.unwrap_or(face.language);
        let name = command
            .template
            .as_deref()
            .unwrap_or(Builtin::Custom.as_str());
        if name.parse().is_ok_and(Builtin::is_internal) {
            return Err(SendMessageError::Internal {
                template: name.to_owned(),
            });
        }
        let mut template = wording::template(conn, name, language).await?;
        template = with_own_words(template, command.subject.as_ref(), command.body.as_ref())?;
        if command.template.is_none() {
            template.kind = command.kind.unwrap_or(MessageKind::Marketing);
        }
        let mut facts = wording::facts(&template.known, &face);
        wording::add_event(&mut facts, &event, template.language);
        let send_at = match command.send_at {
            Some(local) => local.resolve_leniently(&event.zone),
            None => cx.now,
        };
        if send_at < cx.now {
            return Err(SendMessageError::InThePast {
                given: command
                    .send_at
                    .unwrap_or_else(|| cx.now.in_zone(&event.zone)),
            });
        }
        let ticket_type_name = ticket_type.as_ref().map(|(_, name)| name.as_str());
        let key = key(&event, &template);
        Ok(Self {
            audience: command.segment.readable(ticket_type_name),
            ticket_type: ticket_type.map(|(id, _)| id),
            orders: HashMap::new(),
            event,
            template,
            face,
            facts,
            send_at,
            key,
        })
    }

    async fn people(
        &self,
        conn: &mut PgConnection,
        command: &SendMessage,
    ) -> Result<Vec<Addressee>, SendMessageError> {
        let people =
            sql::addressees(conn, self.event.id, command.segment, self.ticket_type).await?;
        if people.is_empty() {
            return Err(SendMessageError::NobodyThere {
                audience: self.audience.clone(),
            });
        }
        if people.len() > LIMIT {
            return Err(SendMessageError::TooMany {
                count: people.len(),
            });
        }
        let addresses: Vec<String> = people
            .iter()
            .map(|to| to.address.as_str().to_lowercase())
            .collect();
        let suppressed = sql::suppressed(conn, &addresses, self.template.kind).await?;
        if suppressed.len() == people.len() {
            return Err(SendMessageError::NobodyWants {
                count: people.len(),
            });
        }
        // Those who get it first, so that the samples are of them.
        let mut people = people;
        people.sort_by_key(|to| suppressed.contains(&to.address.as_str().to_lowercase()));
        Ok(people)
    }

    async fn look_up_orders(
        &mut self,
        conn: &mut PgConnection,
        cx: &Cx,
        people: &[Addressee],
    ) -> Result<(), LookupError> {
        let source = &self.template.source;
        if !source.subject.contains("order.") && !source.body.contains("order.") {
            return Ok(());
        }
        let sighted = wording::with_sight(cx);
        for to in people {
            let order = orders::detail(conn, &sighted, to.order_id).await?;
            self.orders.insert(to.order_id, order);
        }
        Ok(())
    }

    fn filled(
        &self,
        to: &Addressee,
        name: &str,
    ) -> Result<delivery::template::Filled, WordingError> {
        let mut facts = self.facts.clone();
        wording::add_recipient(&mut facts, name);
        if let Some(order) = self.orders.get(&to.order_id) {
            let (language, address) = (self.template.language, to.address.as_str());
            wording::add_order(&mut facts, order, language);
            wording::add_page(&mut facts, order, Some(&self.event), address, language);
        }
        if to.ticket_id.is_some() {
            wording::add_survey(&mut facts);
        }
        let own = json!({"order": {"number": to.order_number}, "ticket": {"type": to.ticket_type}});
        if let Value::Object(own) = &own {
            wording::merge(&mut facts, own);
        }
        self.template.fill(&facts, &self.face)
    }

    fn sample(&self, cx: &Cx, to: &Addressee) -> Result<Sample, WordingError> {
        let name = people::name_for(cx, &to.name);
        let filled = self.filled(to, name.as_str())?;
        Ok(Sample {
            to: address_for(cx, to.address.as_str()),
            subject: Untrusted::new(&filled.subject),
            text: Untrusted::new(&without_links(&filled.text, "(link)")),
        })
    }

    fn message(&self, cx: &Cx, to: &Addressee) -> Result<NewMessage, WordingError> {
        let filled = self.filled(to, to.name.as_str())?;
        Ok(NewMessage {
            id: cx.new_id(),
            template: self.template.name.clone(),
            language: self.template.language,
            kind: self.template.kind,
            channel: MessageChannel::Email,
            recipient_address: to.address.to_string(),
            recipient_name: to.name.as_str().to_owned(),
            subject: filled.subject,
            html: filled.html,
            text: filled.text,
            attachments: Vec::new(),
            event_id: Some(self.event.id),
            order_id: Some(to.order_id),
            ticket_id: to.ticket_id,
            dedupe_key: dedupe_key(&self.key, to.address.as_str()),
            send_at: self.send_at,
            decision: None,
        })
    }
}

/// The same words about the same event are the same message: asked for twice by mistake, it is sent once.
fn key(event: &Event, template: &Template) -> String {
    format!("event/{}/{}", event.id, composing::words(template))
}

/// How `send_message` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SendMessageError {
    /// Neither a template nor subject and body.
    #[error("there is nothing to say: give subject and body, or a template")]
    NothingToSay,
    /// A template for the organizer's own people.
    #[error("the template {template:?} is for organizers, not for attendees")]
    Internal {
        /// The template.
        template: String,
    },
    /// Nobody is in the segment.
    #[error("nobody is there to write to: {audience}")]
    NobodyThere {
        /// The segment in words.
        audience: String,
    },
    /// Everybody in the segment has opted out.
    #[error("all {count} people want no such mail")]
    NobodyWants {
        /// How many they are.
        count: usize,
    },
    /// More than one call takes.
    #[error("{count} people are too many for one message; at most {LIMIT} are taken")]
    TooMany {
        /// How many they are.
        count: usize,
    },
    /// The time is over.
    #[error("{} is over already", .given.readable())]
    InThePast {
        /// What was asked for.
        given: LocalTime,
    },
    /// The message cannot be worded.
    #[error(transparent)]
    Wording(#[from] WordingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NOTHING_TO_SAY: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "nothing_to_say",
    "Ask the organizer what the message should say.",
);
const INTERNAL: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "template_for_organizers",
    "Choose another template, or write subject and body.",
);
const NOBODY_THERE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "empty_segment",
    "Nothing was sent. Check event, segment and ticket type with list_attendees or list_orders.",
);
const NOBODY_WANTS: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "everybody_opted_out",
    "Nothing was sent. Respect it; only what people need to attend may be sent as transactional.",
);
const TOO_MANY: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "too_many_recipients",
    "Send it by ticket type, in several messages.",
);
const IN_THE_PAST: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "send_at_in_the_past",
    "Give a later time on the event's clock, or leave it out to send at once.",
);

impl Fault for SendMessageError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = WordingError::specs();
        specs.extend([
            NOTHING_TO_SAY,
            INTERNAL,
            NOBODY_THERE,
            NOBODY_WANTS,
            TOO_MANY,
            IN_THE_PAST,
        ]);
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NothingToSay => NOTHING_TO_SAY.at("body"),
            Self::Internal { .. } => INTERNAL.at("template"),
            Self::NobodyThere { .. } => NOBODY_THERE.at("segment"),
            Self::NobodyWants { .. } => NOBODY_WANTS.at("segment"),
            Self::TooMany { .. } => TOO_MANY.at("segment"),
            Self::InThePast { .. } => IN_THE_PAST.at("send_at"),
            Self::Wording(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<LookupError> for SendMessageError {
    fn from(error: LookupError) -> Self {
        Self::Wording(error.into())
    }
}

impl From<sqlx::Error> for SendMessageError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::{
            ListMessages, SaveSuppression,
            testing::{Taken, send_all},
        },
        orders::{Buyer, ConfirmPayment, PlaceOrder},
        testing::{Scene, assert_refused, buying},
    };
    use domain::{Permissions, context::Mode};

    fn saying(event: EventId, body: &str) -> SendMessage {
        SendMessage {
            event: event.into(),
            segment: Segment::All,
            ticket_type: None,
            subject: Some("About {{ event.title }}".parse().unwrap()),
            body: Some(body.parse().unwrap()),
            template: None,
            language: None,
            kind: None,
            send_at: None,
        }
    }

    /// An event with tickets of Ada (two), Grace and Hedy, and an unpaid order of Joan.
    async fn sold() -> (Scene, Event) {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 50).await;
        for (name, paid) in [
            ("Ada", true),
            ("Ada", true),
            ("Grace", true),
            ("Hedy", true),
            ("Joan", false),
        ] {
            let buyer = Buyer {
                name: name.parse().unwrap(),
                email: format!("{}@example.org", name.to_lowercase())
                    .parse()
                    .unwrap(),
            };
            let placed = scene
                .run(PlaceOrder {
                    buyer,
                    ..buying(event.id, "Regular", 1)
                })
                .await
                .unwrap();
            if paid {
                let order = placed.order.order.id.into();
                scene.run(ConfirmPayment::of(order)).await.unwrap();
            }
        }
        (scene, event)
    }

    #[tokio::test]
    async fn buyers_who_have_not_paid_are_told_what_is_open() {
        let (scene, event) = sold().await;
        let reminding = SendMessage {
            segment: Segment::Unpaid,
            subject: None,
            body: None,
            template: Some("payment_reminder".to_owned()),
            ..saying(event.id, "x")
        };
        let sent = scene.run(reminding.clone()).await.unwrap();
        assert_eq!(sent.recipient_count, 1);
        let text = sent.samples[0].text.as_str();
        assert!(text.contains("We have not received 25.00 EUR"), "{text}");
        // Whoever holds a ticket need not be who ordered it, and is not told what was.
        let to_holders = SendMessage {
            segment: Segment::All,
            ..reminding
        };
        assert_refused(scene.run(to_holders).await, "placeholder_without_value");
    }

    #[tokio::test]
    async fn reaches_each_address_of_the_segment_once() {
        let (scene, event) = sold().await;
        let sent = scene
            .run(saying(
                event.id,
                "Hi {{ recipient.name }}, {{ ticket.type }}",
            ))
            .await
            .unwrap();
        assert_eq!((sent.recipient_count, sent.samples.len()), (3, 3));
        assert!(sent.samples[0].text.as_str().starts_with("Hi Ada, Regular"));
        let taken = Taken::default();
        send_all(&scene, &taken).await;
        let mut to: Vec<_> = taken
            .mails()
            .iter()
            .map(|mail| mail.to.address.to_string())
            .collect();
        to.sort();
        assert_eq!(
            to,
            ["ada@example.org", "grace@example.org", "hedy@example.org"]
        );
        assert!(
            taken.mails()[0]
                .headers
                .iter()
                .any(|(name, _)| name == "List-Unsubscribe")
        );
        let unpaid = SendMessage {
            segment: Segment::Unpaid,
            ..saying(event.id, "Please pay")
        };
        assert_eq!(scene.run(unpaid).await.unwrap().recipient_count, 1);
        let again = scene
            .run(saying(
                event.id,
                "Hi {{ recipient.name }}, {{ ticket.type }}",
            ))
            .await
            .unwrap();
        assert_eq!(
            (again.recipient_count, again.repeated_count),
            (0, 3),
            "the same words are not sent twice"
        );
        let change = scene
            .changes()
            .await
            .into_iter()
            .rev()
            .find(|change| change.kind == "message.queued");
        assert_eq!(change.unwrap().payload["recipient_count"], 1);
    }

    #[tokio::test]
    async fn a_dry_run_shows_who_and_how_many_and_masks_names() {
        let (scene, event) = sold().await;
        scene
            .run(SaveSuppression::of("ada@example.org"))
            .await
            .unwrap();
        let narrow = Permissions::NONE
            .with(Permission::MessagesSend)
            .with(Permission::EventsRead);
        let dry = scene
            .cx
            .clone()
            .with_permissions(narrow)
            .in_mode(Mode::DryRun);
        let shown = scene
            .app
            .run(&dry, saying(event.id, "Hi {{ recipient.name }}"))
            .await
            .unwrap();
        assert_eq!((shown.recipient_count, shown.suppressed_count), (2, 1));
        assert_eq!(shown.samples[0].to.as_str(), "g…@e….org");
        assert!(
            shown.samples[0].text.as_str().starts_with("Hi G…"),
            "{:?}",
            shown.samples
        );
        let recorded = dry.recorded();
        assert_eq!(recorded[0].payload["recipient_count"], 2);
        assert!(
            recorded[0]
                .summary
                .contains("to 2 people for \"Spring Gala\": everyone with a ticket; 1 get none"),
            "{}",
            recorded[0].summary
        );
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
    async fn segments_and_ticket_types_narrow_it_down() {
        let (scene, event) = sold().await;
        let tickets = scene
            .run(crate::orders::ListOrders::default())
            .await
            .unwrap()
            .items;
        let ada = tickets
            .iter()
            .find(|order| order.buyer_name.as_str() == "Ada")
            .unwrap();
        let order = crate::orders::GetOrder {
            order: ada.id.into(),
        };
        let ticket = scene.run(order).await.unwrap().tickets.remove(0);
        scene.admit(&ticket).await;
        for (segment, expected) in [(Segment::CheckedIn, 1), (Segment::NotCheckedIn, 3)] {
            // Ada has one ticket inside and one outside.
            let command = SendMessage {
                segment,
                ..saying(event.id, &format!("to {segment}"))
            };
            assert_eq!(
                scene.run(command).await.unwrap().recipient_count,
                expected,
                "{segment}"
            );
        }
        let named = |name: &str| SendMessage {
            ticket_type: Some(name.parse().unwrap()),
            ..saying(event.id, "typed")
        };
        assert_eq!(
            scene.run(named("regular")).await.unwrap().recipient_count,
            3
        );
        assert_refused(scene.run(named("Balcony")).await, "not_found");
    }

    #[tokio::test]
    async fn refuses_what_should_not_go_out() {
        let (scene, event) = sold().await;
        let other = scene.other_organization().await;
        let of = |body: &str| saying(event.id, body);
        for (command, code) in [
            (
                SendMessage {
                    body: None,
                    ..of("x")
                },
                "nothing_to_say",
            ),
            (
                SendMessage {
                    template: Some("sales_report".to_owned()),
                    ..of("x")
                },
                "template_for_organizers",
            ),
            (
                SendMessage {
                    segment: Segment::CheckedIn,
                    ..of("x")
                },
                "empty_segment",
            ),
            (of("{{ attendee }}"), "unknown_placeholder"),
            (of("Log in [here](http://evil.example)"), "link_not_https"),
            (of("{{ recipient.name"), "template_malformed"),
            (
                SendMessage {
                    template: Some("none".to_owned()),
                    ..of("x")
                },
                "not_found",
            ),
            (
                SendMessage {
                    subject: None,
                    body: None,
                    template: Some("thank_you_survey".to_owned()),
                    event: "nowhere".parse().unwrap(),
                    ..of("x")
                },
                "not_found",
            ),
            (
                SendMessage {
                    subject: None,
                    body: None,
                    template: Some("event_reminder".to_owned()),
                    ..of("x")
                },
                "placeholder_without_value",
            ),
            (
                SendMessage {
                    send_at: Some("2027-01-11T09:00".parse().unwrap()),
                    ..of("x")
                },
                "send_at_in_the_past",
            ),
        ] {
            assert_refused(scene.run(command).await, code);
        }
        for address in ["ada@example.org", "grace@example.org", "hedy@example.org"] {
            scene.run(SaveSuppression::of(address)).await.unwrap();
        }
        assert_refused(scene.run(of("x")).await, "everybody_opted_out");
        assert_refused(scene.app.run(&other, of("x")).await, "not_found");
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
    async fn answers_a_repeat_without_doing_it_again() {
        let (scene, event) = sold().await;
        scene.assert_idempotent(saying(event.id, "Hello")).await;
    }
}
