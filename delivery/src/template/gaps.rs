//! The gaps of the templates that come with the program: what each is about, and a sample for previews.

use serde_json::{Value, json};

use super::builtin::Placeholder;

/// A name, what fills it, and a sample.
pub(super) struct Gap(&'static str, &'static str, fn() -> Value);

impl Gap {
    pub(super) fn placeholder(&self) -> Placeholder {
        Placeholder {
            name: self.0,
            about: self.1,
            sample: (self.2)(),
        }
    }
}

pub(super) const COMMON: &[Gap] = &[
    Gap("organization.name", "the organization's name", || {
        json!("Nordlicht")
    }),
    Gap(
        "recipient.name",
        "the name of who gets the mail; may be empty",
        || json!("Ada Lovelace"),
    ),
];

pub(super) const EVENT: &[Gap] = &[
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

pub(super) const ORDER: &[Gap] = &[
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

pub(super) const OFFER: &[Gap] = &[
    Gap("offer.ticket_type", "what is offered", || json!("Regular")),
    Gap("offer.quantity", "how many", || json!(2)),
    Gap("offer.total", "what they cost together", || {
        json!("50.00 EUR")
    }),
    Gap("offer.until", "until when they are held", || {
        json!("Wed 13 Jan 2027, 10:00 (Berlin)")
    }),
    Gap(
        "offer.link",
        "the recipient's own page, to take the offer or leave the list",
        || json!("https://tickets.example.org/waitlist/0190"),
    ),
];
pub(super) const REMINDER: &[Gap] = &[
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
pub(super) const CHANGED: &[Gap] = &[
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
pub(super) const CANCELLED: &[Gap] = &[
    Gap("cancellation.reason", "why; may be empty", || {
        json!("The singer has fallen ill.")
    }),
    Gap(
        "cancellation.refund_note",
        "what happens to the money; may be empty",
        || json!("You get 75.00 EUR back within 14 days; there is nothing you need to do."),
    ),
];
pub(super) const LAUNCH: &[Gap] = &[Gap(
    "tickets.from_price",
    "the lowest price; may be empty",
    || json!("25.00 EUR"),
)];
pub(super) const SURVEY: &[Gap] = &[Gap("survey.link", "where to answer; may be empty", || {
    json!("https://tickets.example.org/s/gala")
})];
pub(super) const FOLLOW_UP: &[Gap] = &[
    Gap(
        "follow_up.note",
        "what its sender has to say; may be empty",
        || json!("We have put the recording online."),
    ),
    Gap("follow_up.link", "a page to look at; may be empty", || {
        json!("https://tickets.example.org/r/gala")
    }),
];
pub(super) const REPORT: &[Gap] = &[
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
pub(super) const SALES: &[Gap] = &[
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
pub(super) const TIER: &[Gap] = &[
    Gap("tier.name", "the ticket type that is on sale now", || {
        json!("Regular")
    }),
    Gap("tier.price", "its price", || json!("25.00 EUR")),
    Gap("tier.before", "the ticket type before it", || {
        json!("Early bird")
    }),
    Gap("tier.left", "how many are left; may be empty", || {
        json!(120)
    }),
];
pub(super) const STATEMENT: &[Gap] = &[
    Gap("statement.kept", "what stays", || json!("4,810.00 EUR")),
    Gap("statement.lines", "a list of lines", || {
        json!([
            "Sold: 4900.00 EUR",
            "Received by card: 4900.00 EUR",
            "Given back by card: 90.00 EUR"
        ])
    }),
    Gap(
        "statement.is_wrong",
        "whether the figures do not add up; may be empty",
        || json!(null),
    ),
];
pub(super) const DOOR: &[Gap] = &[
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
pub(super) const FAILED: &[Gap] = &[
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
pub(super) const STOPPED: &[Gap] = &[Gap(
    "stopped.limits",
    "a list: name, event, held_counted, sold_counted, held_found, sold_found",
    || {
        json!([{
            "name": "Regular", "event": "Spring Gala", "held_counted": 3, "sold_counted": 41, "held_found": 2,
            "sold_found": 41,
        }])
    },
)];
pub(super) const APPROVAL: &[Gap] = &[
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
pub(super) const CUSTOM: &[Gap] = &[
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
