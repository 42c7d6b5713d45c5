//! The templates that come with the program.

use serde_json::{Value, json};

use super::{
    Kind, Language, Source,
    gaps::{self, Gap},
};

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
        /// To somebody on the waiting list to whom places are offered.
        WaitlistOffer = "waitlist_offer",
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
        /// To organizers: the next price has begun.
        PriceTierOpened = "price_tier_opened",
        /// To organizers, when an event is over: its money.
        SettlementStatement = "settlement_statement",
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
    WaitlistOffer "waitlist_offer",
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
    PriceTierOpened "price_tier_opened",
    SettlementStatement "settlement_statement",
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
                | Self::PriceTierOpened
                | Self::SettlementStatement
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
        let mut known = gaps::COMMON
            .iter()
            .map(Gap::placeholder)
            .collect::<Vec<_>>();
        let mut add = |gaps: &[Gap]| known.extend(gaps.iter().map(Gap::placeholder));
        match self {
            Self::SalesReport
            | Self::FailedMailDigest
            | Self::SalesStopped
            | Self::ApprovalRequest => {}
            _ => add(gaps::EVENT),
        }
        match self {
            Self::OrderConfirmation | Self::PaymentReminder | Self::OrderExpired => {
                add(gaps::ORDER);
            }
            Self::WaitlistOffer => add(gaps::OFFER),
            Self::EventReminder => add(gaps::REMINDER),
            Self::EventChanged => add(gaps::CHANGED),
            Self::EventCancelled => add(gaps::CANCELLED),
            Self::LaunchAnnouncement => add(gaps::LAUNCH),
            Self::ThankYouSurvey => add(gaps::SURVEY),
            Self::NoShowFollowUp | Self::SpeakerFollowUp => add(gaps::FOLLOW_UP),
            Self::SalesReport => add(gaps::REPORT),
            Self::LowSalesAlert | Self::SoldOutAlert => add(gaps::SALES),
            Self::PriceTierOpened => add(gaps::TIER),
            Self::SettlementStatement => add(gaps::STATEMENT),
            Self::DoorBriefing => add(gaps::DOOR),
            Self::FailedMailDigest => add(gaps::FAILED),
            Self::SalesStopped => add(gaps::STOPPED),
            Self::ApprovalRequest => add(gaps::APPROVAL),
            Self::Custom => add(gaps::CUSTOM),
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
