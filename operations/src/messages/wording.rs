//! From a template and the facts about event, order and recipient to a worded message.

use delivery::template::{Builtin, Filled, Frame, Placeholder, Source, TemplateError};
use domain::{
    Cx, Facts, Fault, FaultKind, FaultSpec, Language, LocalTime, MessageKind, Money, Permission,
    WaitlistEntryId, Zone, fault::Candidate,
};
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use store::StoreError;
use uuid::Uuid;

use super::sql;
use crate::{
    events::{self, Event, EventFormat},
    lookup::LookupError,
    orders::OrderDetail,
    organizations::Face,
};

/// Stands in a stored message where the recipient's own address for unsubscribing is put in when it is sent.
pub(super) const UNSUBSCRIBE: &str = "https://unsubscribe.invalid/";

/// Stands in a stored message where the recipient's own link to decide is put in when it is sent: whoever reads
/// messages must not come to hold it.
pub(super) const DECIDE: &str = "https://decide.invalid/";
/// Stands where the link of the recipient's own order is put in when it is sent.
pub(super) const ORDER: &str = "https://order.invalid/";
/// Stands where the recipient's own link to the survey is put in when it is sent.
pub(super) const SURVEY: &str = "https://survey.invalid/";

/// Stands, with the id of an entry behind it, where the link to its own page is put in when it is sent.
pub(super) const WAITLIST: &str = "https://waitlist.invalid/";

/// A text with plain words where links are put in later.
pub(super) fn without_links(text: &str, instead: &str) -> String {
    let places = [UNSUBSCRIBE, DECIDE, ORDER, SURVEY];
    let text = places
        .iter()
        .fold(text.to_owned(), |text, place| text.replace(place, instead));
    with_entries(&text, |_| instead.to_owned())
}

/// A text with something in the place of each link to an entry of a waiting list.
pub(super) fn with_entries(text: &str, link: impl Fn(WaitlistEntryId) -> String) -> String {
    let mut parts = text.split(WAITLIST);
    let mut linked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let id = part
            .get(..ENTRY_LENGTH)
            .and_then(|id| Uuid::parse_str(id).ok());
        match id {
            Some(id) => linked.push_str(&(link(id.into()) + &part[ENTRY_LENGTH..])),
            // Somebody else's words.
            None => linked.extend([WAITLIST, part]),
        }
    }
    linked
}

/// The characters of an entry's id behind [`WAITLIST`].
const ENTRY_LENGTH: usize = 36;

/// A template with what is known about it.
pub(crate) struct Template {
    /// Its name.
    pub(crate) name: String,
    /// The language it was found in.
    pub(crate) language: Language,
    /// What it is for.
    pub(crate) kind: MessageKind,
    /// What it says.
    pub(crate) source: Source,
    /// What fills its gaps.
    pub(crate) known: Vec<Placeholder>,
}

/// What fills the gaps of a template of this name: an organization's own ones know what free text knows.
pub(super) fn gaps(name: &str) -> Vec<Placeholder> {
    name.parse().unwrap_or(Builtin::Custom).placeholders()
}

/// The template of a name: the organization's own words, else those that come with the program.
pub(crate) async fn template(
    conn: &mut PgConnection,
    name: &str,
    language: Language,
) -> Result<Template, WordingError> {
    let known = gaps(name);
    if let Some(own) = sql::find_template(conn, name, language).await? {
        let source = Source {
            subject: own.subject,
            preheader: own.preheader,
            body: own.body,
        };
        return Ok(Template {
            name: own.name,
            language: own.language,
            kind: own.kind,
            source,
            known,
        });
    }
    if let Ok(builtin) = name.parse::<Builtin>() {
        return Ok(Template {
            name: name.to_owned(),
            language,
            kind: builtin.kind(),
            source: builtin.source(language),
            known,
        });
    }
    let own = sql::template_names(conn).await?;
    let builtin = Builtin::ALL
        .iter()
        .map(|template| template.as_str().to_owned());
    let candidate = |name: String| Candidate {
        id: name.clone(),
        name,
    };
    Err(WordingError::Lookup(LookupError::NotFound {
        noun: "message template",
        given: name.to_owned(),
        candidates: own.into_iter().chain(builtin).map(candidate).collect(),
    }))
}

/// Refuses a template that people rely on to say what EventOS itself says.
pub(super) fn not_reserved(name: &str) -> Result<(), WordingError> {
    if name.parse().is_ok_and(Builtin::is_reserved) {
        return Err(WordingError::Reserved {
            template: name.to_owned(),
        });
    }
    Ok(())
}

/// The facts that fill gaps, as an object. What may be missing is null, so that a template can ask for it.
pub(super) fn facts(known: &[Placeholder], face: &Face) -> Value {
    let mut facts = json!({});
    for placeholder in known.iter().filter(|placeholder| placeholder.is_optional()) {
        put(&mut facts, placeholder.name, Value::Null);
    }
    put(&mut facts, "organization.name", json!(face.name));
    facts
}

pub(super) fn put(facts: &mut Value, path: &str, value: Value) {
    let mut place = facts;
    for step in path.split('.') {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[step];
    }
    *place = value;
}

/// Puts an object over another, deep.
pub(super) fn merge(facts: &mut Value, over: &Map<String, Value>) {
    for (key, value) in over {
        match (&mut facts[key], value) {
            (place, Value::Object(inner)) => {
                if !place.is_object() {
                    *place = json!({});
                }
                merge(place, inner);
            }
            (place, value) => *place = value.clone(),
        }
    }
}

pub(super) fn add_recipient(facts: &mut Value, name: &str) {
    put(facts, "recipient.name", json!(name));
}

/// Lets the recipient answer the survey, as the holder of a ticket.
pub(super) fn add_survey(facts: &mut Value) {
    put(facts, "survey.link", json!(SURVEY));
}

pub(super) fn add_event(facts: &mut Value, event: &Event, language: Language) {
    put(facts, "event.title", json!(event.title));
    put(facts, "event.summary", json!(event.summary));
    let when = when(event.starts, &event.zone, language);
    put(facts, "event.when", json!(when));
    put(facts, "event.place", json!(place(event, language)));
    put(facts, "event.online_link", json!(event.online_url));
}

pub(super) fn add_order(facts: &mut Value, order: &OrderDetail, language: Language) {
    let money = |amount: Money| money(amount, language);
    put(facts, "order.number", json!(order.order.number));
    put(facts, "order.total", json!(money(order.order.total)));
    let open = order
        .order
        .open
        .unwrap_or(Money::zero(order.order.total.currency));
    put(facts, "order.open", json!(money(open)));
    let items = order.items.iter().map(|item| {
        json!({"name": item.name, "quantity": item.quantity, "price": money(item.unit_price)})
    });
    put(facts, "order.items", items.collect());
    let tickets = order
        .tickets
        .iter()
        .filter(|ticket| ticket.voided_at.is_none());
    let tickets = tickets.map(|ticket| {
        let name = ticket.attendee_name.as_ref().map(domain::Untrusted::as_str);
        let seat = ticket.seat.as_ref().map(|seat| format!(", {seat}"));
        let kind = format!("{}{}", ticket.ticket_type, seat.unwrap_or_default());
        json!({"name": name, "type": kind, "code": spaced(&ticket.code)})
    });
    put(facts, "order.tickets", tickets.collect());
}

/// Lets the buyer of an order, and nobody else it is told to, see its page: whoever has that has its tickets.
pub(super) fn add_page(
    facts: &mut Value,
    order: &OrderDetail,
    event: Option<&Event>,
    recipient: &str,
    language: Language,
) {
    let buyer = order.order.buyer_email.as_str();
    if !buyer.eq_ignore_ascii_case(recipient) {
        return;
    }
    put(facts, "order.link", json!(ORDER));
    if let (Some(until), Some(event)) = (order.order.pay_by, event) {
        let until = when(until.in_zone(&event.zone), &event.zone, language);
        put(facts, "order.pay_by", json!(until));
    }
}

/// A code in groups of four, as people read it.
fn spaced(code: &str) -> String {
    let characters: Vec<char> = code.chars().filter(|c| !c.is_whitespace()).collect();
    let groups = characters
        .chunks(4)
        .map(|group| group.iter().collect::<String>());
    groups.collect::<Vec<_>>().join(" ")
}

/// `25.00 EUR`, or `25,00 EUR` where the comma is usual.
pub(super) fn money(amount: Money, language: Language) -> String {
    let text = amount.to_string();
    match language {
        Language::En => text,
        Language::De => text.replace('.', ","),
    }
}

/// `Thu 4 Feb 2027, 19:00 (Berlin)`, or `Do., 4. Februar 2027, 19:00 Uhr (Berlin)`.
pub(super) fn when(at: LocalTime, zone: &Zone, language: Language) -> String {
    const DAYS: [&str; 7] = ["Mo.", "Di.", "Mi.", "Do.", "Fr.", "Sa.", "So."];
    const MONTHS: [&str; 12] = [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ];
    let civil = at.civil();
    let index = |number: i8| usize::try_from(number - 1).unwrap_or(0);
    match language {
        Language::En => events::when(at, zone),
        Language::De => format!(
            "{} {}. {} {}, {:02}:{:02} Uhr ({})",
            DAYS[index(civil.weekday().to_monday_one_offset())],
            civil.day(),
            MONTHS[index(civil.month())],
            civil.year(),
            civil.hour(),
            civil.minute(),
            zone.city()
        ),
    }
}

/// Venue and city, that it is online, or both.
fn place(event: &Event, language: Language) -> String {
    let venue = event.venue.as_ref().map(|venue| match &venue.city {
        Some(city) if !venue.name.contains(city.as_str()) => format!("{}, {city}", venue.name),
        _ => venue.name.clone(),
    });
    let to_come = match language {
        Language::En => "place to be announced",
        Language::De => "Ort folgt",
    };
    match (event.format, venue) {
        (EventFormat::Online, _) => "Online".to_owned(),
        (EventFormat::Hybrid, Some(venue)) => match language {
            Language::En => format!("{venue}, and online"),
            Language::De => format!("{venue}, und online"),
        },
        (_, Some(venue)) => venue,
        (_, None) => to_come.to_owned(),
    }
}

impl Template {
    /// The gaps that these facts leave open.
    fn missing(&self, facts: &Value) -> Result<Vec<String>, TemplateError> {
        let used = self.source.placeholders()?;
        let is_there = |name: &str| {
            let mut place = Some(facts);
            for step in name.split('.') {
                place = place.and_then(|place| place.get(step));
            }
            place.is_some()
        };
        Ok(used.into_iter().filter(|name| !is_there(name)).collect())
    }

    /// The message in words, or what keeps it from being worded.
    pub(super) fn fill(&self, facts: &Value, face: &Face) -> Result<Filled, WordingError> {
        let missing = self.missing(facts)?;
        if !missing.is_empty() {
            return Err(WordingError::NoValue {
                template: self.name.clone(),
                missing,
            });
        }
        let frame = Frame {
            organization: &face.name,
            accent: face.accent_color.as_deref(),
            language: self.language,
            unsubscribe: (self.kind == MessageKind::Marketing).then_some(UNSUBSCRIBE),
        };
        Ok(self.source.fill(facts, &frame)?)
    }
}

/// The same caller with sight of names and addresses: what is put into a message goes to the person it is about.
pub(super) fn with_sight(cx: &Cx) -> Cx {
    cx.clone()
        .with_permissions(cx.permissions.with(Permission::AttendeesPersonal))
}

/// What keeps a message from being worded.
#[derive(Debug, thiserror::Error)]
pub enum WordingError {
    /// An event, order or template that is not there.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The template cannot be read, uses what nothing fills, or has a link that is not https.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A template that only EventOS itself uses.
    #[error(
        "the template {template:?} is EventOS's own: it is neither reworded nor sent by anybody else"
    )]
    Reserved {
        /// The template.
        template: String,
    },
    /// A gap has nothing to fill it.
    #[error("the template {template:?} needs {}, which nothing gives here", .missing.join(", "))]
    NoValue {
        /// The template.
        template: String,
        /// The gaps.
        missing: Vec<String>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const MALFORMED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "template_malformed",
    "Correct the text; placeholders look like {{ event.title }}, and preview_message shows how it reads.",
);
const UNKNOWN_PLACEHOLDER: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "unknown_placeholder",
    "Use a placeholder that is known here (preview_message lists them), or plain words.",
);
const LINK_NOT_HTTPS: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "link_not_https",
    "Use an address that begins with https://, or leave the link out.",
);
const RESERVED: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "template_reserved",
    "Use another name for words of your own.",
);
const NO_VALUE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "placeholder_without_value",
    "Give the event or order that the message is about, give the values, or use another template.",
);

impl Fault for WordingError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = LookupError::specs();
        specs.extend([
            MALFORMED,
            UNKNOWN_PLACEHOLDER,
            LINK_NOT_HTTPS,
            RESERVED,
            NO_VALUE,
        ]);
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Lookup(error) => error.facts(),
            Self::Template(TemplateError::Malformed { part, .. }) => MALFORMED.at(*part),
            Self::Template(TemplateError::UnknownPlaceholder { .. }) => {
                UNKNOWN_PLACEHOLDER.at("body")
            }
            Self::Template(TemplateError::Link(_)) => LINK_NOT_HTTPS.at("body"),
            Self::Reserved { .. } => RESERVED.at("template"),
            Self::NoValue { .. } => NO_VALUE.at("vars"),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for WordingError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
