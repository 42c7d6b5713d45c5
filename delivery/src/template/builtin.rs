//! The templates that come with the program, and what fills their gaps.

use serde_json::{Value, json};

use super::{Kind, Language, Source};

/// A gap that something fills.
#[derive(Debug, Clone, PartialEq)]
pub struct Placeholder {
    /// Its name, such as `event.title`.
    pub name: &'static str,
    /// What fills it, in words.
    pub about: &'static str,
    /// What it is filled with in a preview.
    pub sample: Value,
}

impl Placeholder {
    /// Whether there may be nothing to fill it with; a template asks with `{% if %}`.
    pub fn is_optional(&self) -> bool {
        self.about.ends_with("may be empty")
    }
}

domain::text_enum! {
    /// A template that comes with the program.
    pub enum Builtin {
        /// To the buyer, when an order is paid.
        OrderConfirmation = "order_confirmation",
        /// To the buyer of an order that is not paid yet.
        PaymentReminder = "payment_reminder",
        /// To the buyer of an order that was not paid in time.
        OrderExpired = "order_expired",
        /// To attendees, the day before and two hours before.
        EventReminder = "event_reminder",
        /// To attendees, when time or place change.
        EventChanged = "event_changed",
        /// To attendees, when an event is cancelled.
        EventCancelled = "event_cancelled",
        /// To people who came before: a new event is on sale.
        LaunchAnnouncement = "launch_announcement",
        /// To those who came: thanks and a survey.
        ThankYouSurvey = "thank_you_survey",
        /// To those who did not come.
        NoShowFollowUp = "no_show_follow_up",
        /// To those who spoke or played.
        SpeakerFollowUp = "speaker_follow_up",
        /// To organizers, every week.
        SalesReport = "sales_report",
        /// To organizers: sales are behind.
        LowSalesAlert = "low_sales_alert",
        /// To organizers: nothing is left.
        SoldOutAlert = "sold_out_alert",
        /// To the people at the door, before it opens.
        DoorBriefing = "door_briefing",
        /// To organizers: mails that could not be delivered.
        FailedMailDigest = "failed_mail_digest",
        /// To organizers: what was sold does not add up.
        SalesStopped = "sales_stopped",
        /// To those who decide: what waits for them, with their own link.
        ApprovalRequest = "approval_request",
        /// To anyone: whatever its sender writes.
        Custom = "custom",
    }
}

macro_rules! files {
    ($($variant:ident $name:literal),+ $(,)?) => {
        /// The file of a template.
        fn file(template: Builtin, language: Language) -> &'static str {
            match (template, language) {
                $(
                    (Builtin::$variant, Language::En) => include_str!(concat!("../../templates/", $name, "/en.md")),
                    (Builtin::$variant, Language::De) => include_str!(concat!("../../templates/", $name, "/de.md")),
                )+
            }
        }
    };
}

files! {
    OrderConfirmation "order_confirmation",
    PaymentReminder "payment_reminder",
    OrderExpired "order_expired",
    EventReminder "event_reminder",
    EventChanged "event_changed",
    EventCancelled "event_cancelled",
    LaunchAnnouncement "launch_announcement",
    ThankYouSurvey "thank_you_survey",
    NoShowFollowUp "no_show_follow_up",
    SpeakerFollowUp "speaker_follow_up",
    SalesReport "sales_report",
    LowSalesAlert "low_sales_alert",
    SoldOutAlert "sold_out_alert",
    DoorBriefing "door_briefing",
    FailedMailDigest "failed_mail_digest",
    SalesStopped "sales_stopped",
    ApprovalRequest "approval_request",
    Custom "custom",
}

/// The value of a line of a file's head.
fn head(text: &'static str, key: &str) -> &'static str {
    let head = text.split("\n---\n").next().unwrap_or_default();
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    line.unwrap_or_default()
}

impl Builtin {
    /// What it says.
    pub fn source(self, language: Language) -> Source {
        let text = file(self, language);
        let body = text.split_once("\n---\n").map_or("", |(_, body)| body);
        Source {
            subject: head(text, "subject").to_owned(),
            preheader: head(text, "preheader").to_owned(),
            body: body.trim().to_owned(),
        }
    }

    /// What it is for; the same in every language.
    pub fn kind(self) -> Kind {
        let kind = head(file(self, Language::En), "kind");
        kind.parse().expect("a test reads the head of every file")
    }

    /// Whether it goes to the organizer's own people rather than to attendees.
    pub fn is_internal(self) -> bool {
        matches!(
            self,
            Self::SalesReport
                | Self::LowSalesAlert
                | Self::SoldOutAlert
                | Self::DoorBriefing
                | Self::FailedMailDigest
                | Self::SalesStopped
                | Self::ApprovalRequest
        )
    }

    /// Whether only EventOS itself sends it, in its own words: people must be able to rely on what it says.
    pub fn is_reserved(self) -> bool {
        self == Self::ApprovalRequest
    }

    /// Everything that can fill its gaps.
    pub fn placeholders(self) -> Vec<Placeholder> {
        let mut known = COMMON.iter().map(Gap::placeholder).collect::<Vec<_>>();
        let mut add = |gaps: &[Gap]| known.extend(gaps.iter().map(Gap::placeholder));
        match self {
            Self::SalesReport
            | Self::FailedMailDigest
            | Self::SalesStopped
            | Self::ApprovalRequest => {}
            _ => add(EVENT),
        }
        match self {
            Self::OrderConfirmation | Self::PaymentReminder | Self::OrderExpired => add(ORDER),
            Self::EventReminder => add(REMINDER),
            Self::EventChanged => add(CHANGED),
            Self::EventCancelled => add(CANCELLED),
            Self::LaunchAnnouncement => add(LAUNCH),
            Self::ThankYouSurvey => add(SURVEY),
            Self::NoShowFollowUp | Self::SpeakerFollowUp => add(FOLLOW_UP),
            Self::SalesReport => add(REPORT),
            Self::LowSalesAlert | Self::SoldOutAlert => add(SALES),
            Self::DoorBriefing => add(DOOR),
            Self::FailedMailDigest => add(FAILED),
            Self::SalesStopped => add(STOPPED),
            Self::ApprovalRequest => add(APPROVAL),
            Self::Custom => add(CUSTOM),
        }
        known
    }

    /// What fills all gaps in a preview.
    pub fn samples(self) -> Value {
        let mut values = json!({});
        for placeholder in self.placeholders() {
            let mut place = &mut values;
            for step in placeholder.name.split('.') {
                place = &mut place[step];
            }
            *place = placeholder.sample;
        }
        values
    }
}

struct Gap(&'static str, &'static str, fn() -> Value);

impl Gap {
    fn placeholder(&self) -> Placeholder {
        Placeholder {
            name: self.0,
            about: self.1,
            sample: (self.2)(),
        }
    }
}

const COMMON: &[Gap] = &[
    Gap("organization.name", "the organization's name", || {
        json!("Nordlicht")
    }),
    Gap(
        "recipient.name",
        "the name of who gets the mail; may be empty",
        || json!("Ada Lovelace"),
    ),
];

const EVENT: &[Gap] = &[
    Gap("event.title", "the event's title", || json!("Spring Gala")),
    Gap(
        "event.summary",
        "the event in a sentence; may be empty",
        || json!("An evening with music, a dinner and a dance floor."),
    ),
    Gap("event.when", "date and time at the place", || {
        json!("Thu 4 Feb 2027, 19:00 (Berlin)")
    }),
    Gap(
        "event.place",
        "venue and city, or that it is online",
        || json!("Town Hall, Berlin"),
    ),
    Gap(
        "event.online_link",
        "where to watch, for events online; may be empty",
        || json!(null),
    ),
    Gap("event.link", "the event's page; may be empty", || {
        json!("https://tickets.example.org/e/spring-gala")
    }),
];

const ORDER: &[Gap] = &[
    Gap("order.number", "the order's number", || json!("K7M2XQ4")),
    Gap("order.total", "what the order costs", || json!("75.00 EUR")),
    Gap("order.open", "what is still to be paid", || {
        json!("75.00 EUR")
    }),
    Gap("order.link", "the order's page; may be empty", || {
        json!("https://tickets.example.org/o/K7M2XQ4")
    }),
    Gap(
        "order.items",
        "a list: name, quantity, price",
        || json!([{"name": "Regular", "quantity": 2, "price": "25.00 EUR"}, {"name": "Balcony", "quantity": 1, "price": "25.00 EUR"}]),
    ),
    Gap("order.tickets", "a list: name, type, code", || {
        json!([
            {"name": "Ada Lovelace", "type": "Regular", "code": "7KQM 2XWP 9RTA B4NC H8ED"},
            {"name": "Grace Hopper", "type": "Regular", "code": "P3VJ 6ZKT 4MXQ W9BA 2RNC"},
        ])
    }),
    Gap("order.pay_by", "until when to pay; may be empty", || {
        json!("Mon 18 Jan 2027, 18:00 (Berlin)")
    }),
    Gap(
        "order.payment_note",
        "how to pay, as the organizer says it; may be empty",
        || json!("Please transfer to Nordlicht e. V., DE02 1203 0000 0000 2020 51."),
    ),
];

const REMINDER: &[Gap] = &[
    Gap(
        "reminder.lead",
        "how soon it starts: `tomorrow`, `in two hours`",
        || json!("tomorrow"),
    ),
    Gap(
        "reminder.note",
        "what to bring or to know; may be empty",
        || json!("Doors open at 18:00."),
    ),
];
const CHANGED: &[Gap] = &[
    Gap("change.before", "time and place as they were", || {
        json!("Wed 3 Feb 2027, 19:00 (Berlin), Town Hall, Berlin")
    }),
    Gap("change.reason", "why; may be empty", || {
        json!("The hall is needed for the election.")
    }),
    Gap(
        "change.refund_note",
        "what those can do who cannot come; may be empty",
        || {
            json!(
                "If the new date does not suit you, answer this mail by 25 January and you get your money back."
            )
        },
    ),
];
const CANCELLED: &[Gap] = &[
    Gap("cancellation.reason", "why; may be empty", || {
        json!("The singer has fallen ill.")
    }),
    Gap(
        "cancellation.refund_note",
        "what happens to the money; may be empty",
        || json!("You get 75.00 EUR back within 14 days; there is nothing you need to do."),
    ),
];
const LAUNCH: &[Gap] = &[Gap(
    "tickets.from_price",
    "the lowest price; may be empty",
    || json!("25.00 EUR"),
)];
const SURVEY: &[Gap] = &[Gap("survey.link", "where to answer; may be empty", || {
    json!("https://tickets.example.org/s/gala")
})];
const FOLLOW_UP: &[Gap] = &[
    Gap(
        "follow_up.note",
        "what its sender has to say; may be empty",
        || json!("We have put the recording online."),
    ),
    Gap("follow_up.link", "a page to look at; may be empty", || {
        json!("https://tickets.example.org/r/gala")
    }),
];
const REPORT: &[Gap] = &[
    Gap("report.period", "the days it covers", || {
        json!("4 to 10 January 2027")
    }),
    Gap("report.sold_count", "tickets sold in it", || json!(48)),
    Gap("report.revenue", "money received in it", || {
        json!("1,200.00 EUR")
    }),
    Gap(
        "report.events",
        "a list: title, when, sold, capacity, new",
        || {
            json!([
                {"title": "Spring Gala", "when": "4 Feb", "sold": 112, "capacity": 200, "new": 31},
                {"title": "Workshop: Screen printing for beginners", "when": "20 Feb", "sold": 17, "capacity": 18, "new": 17},
            ])
        },
    ),
    Gap("report.link", "the report's page; may be empty", || {
        json!("https://tickets.example.org/reports")
    }),
];
const SALES: &[Gap] = &[
    Gap("sales.sold_count", "tickets sold", || json!(41)),
    Gap("sales.capacity", "how many there are", || json!(200)),
    Gap(
        "sales.expected_count",
        "how many were expected by now; may be empty",
        || json!(90),
    ),
    Gap(
        "sales.days_left",
        "days until it starts; may be empty",
        || json!(9),
    ),
    Gap("sales.link", "the event's sales; may be empty", || {
        json!("https://tickets.example.org/reports/spring-gala")
    }),
];
const DOOR: &[Gap] = &[
    Gap("door.expected_count", "valid tickets", || json!(187)),
    Gap(
        "door.types",
        "a list: name, count",
        || json!([{"name": "Regular", "count": 160}, {"name": "Balcony", "count": 27}]),
    ),
    Gap("door.unpaid_count", "orders that are not paid", || json!(3)),
    Gap(
        "door.notes",
        "what the organizer wants said; may be empty",
        || json!("The side entrance is step-free."),
    ),
    Gap("door.link", "where to check in; may be empty", || {
        json!("https://tickets.example.org/door/spring-gala")
    }),
];
const FAILED: &[Gap] = &[
    Gap("failed.count", "how many could not be delivered", || {
        json!(2)
    }),
    Gap("failed.messages", "a list: to, subject, reason", || {
        json!([
            {"to": "ada@exmaple.org", "subject": "Your tickets for Spring Gala", "reason": "550 5.1.1 no such user"},
            {"to": "grace@example.org", "subject": "Tomorrow: Spring Gala", "reason": "the mailbox is full"},
        ])
    }),
];
const STOPPED: &[Gap] = &[Gap(
    "stopped.limits",
    "a list: name, event, held_counted, sold_counted, held_found, sold_found",
    || {
        json!([{
            "name": "Regular", "event": "Spring Gala", "held_counted": 3, "sold_counted": 41, "held_found": 2,
            "sold_found": 41,
        }])
    },
)];
const APPROVAL: &[Gap] = &[
    Gap("approval.title", "what is to be decided", || {
        json!("Send “Doors open at 18:00” to 240 people")
    }),
    Gap("approval.requested_by", "who asks", || {
        json!("the token “assistant” of Ada Lovelace")
    }),
    Gap("approval.reason", "why a person is asked", || {
        json!("It writes to 240 people; more than 50 need a person's word.")
    }),
    Gap(
        "approval.preview",
        "a list of sentences: what would be done",
        || {
            json!([
                "Sends “Doors open at 18:00” to 240 people for “Spring Gala”: everyone with a ticket"
            ])
        },
    ),
    Gap("approval.until", "until when it can be decided", || {
        json!("Thu 14 Jan 2027, 10:00 (Berlin)")
    }),
    Gap(
        "approval.link",
        "the recipient's own link to the page",
        || json!("https://tickets.example.org/approvals/0190"),
    ),
];
const CUSTOM: &[Gap] = &[
    Gap(
        "message.subject",
        "the subject, where none is written in the template",
        || json!("Doors open at 18:00"),
    ),
    Gap(
        "message.text",
        "the text, where none is written in the template",
        || json!("Because of the weather we open half an hour early."),
    ),
    Gap("order.number", "the order's number; may be empty", || {
        json!("K7M2XQ4")
    }),
    Gap(
        "ticket.type",
        "what kind of ticket they hold; may be empty",
        || json!("Regular"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Frame;

    #[test]
    fn every_template_can_be_filled_in_every_language() {
        for template in Builtin::ALL {
            for language in Language::ALL {
                let source = template.source(*language);
                let name = format!("{template}/{language}");
                assert!(
                    !source.subject.is_empty() && !source.preheader.is_empty(),
                    "{name}"
                );
                source
                    .check(&template.placeholders())
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                let written = head(file(*template, *language), "kind");
                assert_eq!(written, template.kind().as_str(), "{name}");
                let all = format!("{} {} {}", source.subject, source.preheader, source.body);
                assert!(!all.contains('!'), "{name} shouts");
                let frame = Frame {
                    organization: "Nordlicht",
                    accent: None,
                    language: *language,
                    unsubscribe: None,
                };
                let filled = source
                    .fill(&template.samples(), &frame)
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(
                    !filled.text.contains("{%") && !filled.html.contains("{{"),
                    "{name}"
                );
                let mut empty = template.samples();
                blank(
                    &mut empty,
                    template
                        .placeholders()
                        .iter()
                        .filter(|gap| gap.is_optional()),
                );
                source
                    .fill(&empty, &frame)
                    .unwrap_or_else(|error| panic!("{name}, empty: {error}"));
            }
        }
    }

    fn blank<'a>(values: &mut Value, gaps: impl Iterator<Item = &'a Placeholder>) {
        for gap in gaps {
            let mut place = &mut *values;
            for step in gap.name.split('.') {
                place = &mut place[step];
            }
            *place = Value::Null;
        }
    }

    #[test]
    fn every_gap_is_used_in_both_languages_or_in_none() {
        for template in Builtin::ALL {
            let used = |language| template.source(language).placeholders().unwrap();
            assert_eq!(used(Language::En), used(Language::De), "{template}");
        }
    }
}
