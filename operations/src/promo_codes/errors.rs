//! How the operations on promo codes refuse.

use domain::{Currency, Facts, Fault, FaultKind, FaultSpec, LocalTime, Money, PromoCodeId};
use store::StoreError;

use crate::{
    events::{EventStatus, ScheduleError},
    faults::{CURRENCY_DIFFERS, EVENT_CLOSED},
    lookup::LookupError,
};

/// How `save_promo_code`, `create_promo_codes` and `archive_promo_code` refuse.
#[derive(Debug, thiserror::Error)]
pub enum SavePromoCodeError {
    /// A new code without its text.
    #[error("a new promo code needs a `code`")]
    CodeMissing,
    /// Text that cannot be a code.
    #[error(
        "{given:?} cannot be a promo code: those have 4 to 32 letters A to Z, digits and hyphens"
    )]
    CodeMalformed {
        /// What was given.
        given: String,
    },
    /// A prefix that cannot begin a code.
    #[error(
        "{given:?} cannot begin promo codes: a prefix has 1 to 16 letters A to Z, digits and hyphens"
    )]
    PrefixMalformed {
        /// What was given.
        given: String,
    },
    /// Another code of the event has the text.
    #[error("the event already has a promo code {0:?}")]
    CodeTaken(String),
    /// The text of a code would change.
    #[error("the promo code {0:?} keeps its text; people may have it already")]
    CodeFixed(String),
    /// Nothing is said of what it does.
    #[error("it was not said what the promo code does")]
    EffectMissing,
    /// Several things are said of what it does to prices.
    #[error("a promo code has one of `percent_off`, `amount_off` and `fixed_price`")]
    EffectAmbiguous,
    /// Less than 1 or more than 100 percent.
    #[error("{0} is not a percentage that can be taken off; it is 1 to 100")]
    PercentOutOfRange(i32),
    /// Nothing or less, or more than anything costs.
    #[error("{given} is not an amount for `{field}`")]
    AmountOutOfRange {
        /// The input field.
        field: &'static str,
        /// What was given.
        given: Money,
    },
    /// Another currency than the event's.
    #[error("`{field}` is in {given}, but the event is paid in {expected}")]
    CurrencyDiffers {
        /// The input field.
        field: &'static str,
        /// What was given.
        given: Currency,
        /// The event's currency.
        expected: Currency,
    },
    /// Fewer uses than one.
    #[error("{0} is not how often a promo code can be used; that is at least once")]
    MaxUsesOutOfRange(i32),
    /// Fewer uses than there were.
    #[error("{given} uses are too few: {used} orders have it and {held} people are buying with it")]
    MaxUsesBelowTaken {
        /// What was asked for.
        given: i32,
        /// Uses by orders.
        used: i32,
        /// Uses by holds.
        held: i32,
    },
    /// No codes, or too many at once.
    #[error("{0} is not a number of promo codes; one call makes 1 to 1000")]
    CountOutOfRange(i64),
    /// It would be over before anybody can use it.
    #[error("{} is over", .0.readable())]
    ValidityOver(LocalTime),
    /// It would end before it begins.
    #[error("it would end ({}) before it begins ({})", .until.readable(), .from.readable())]
    ValidityReversed {
        /// Begin.
        from: LocalTime,
        /// End.
        until: LocalTime,
    },
    /// The event is over, cancelled or archived.
    #[error("{title:?} is {status}, so its promo codes are of no use any more")]
    EventClosed {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// A ticket type was not found.
    #[error("{error}")]
    TicketType {
        /// Which one.
        index: usize,
        /// How it was not found.
        error: LookupError,
    },
    /// A time that does not exist, or exists twice.
    #[error(transparent)]
    Time(#[from] ScheduleError),
    /// The event or the promo code was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SavePromoCodeError {
    /// There is no such promo code.
    pub(super) fn missing(given: &domain::Reference<PromoCodeId>) -> Self {
        Self::Lookup(LookupError::NotFound {
            noun: "promo code",
            given: given.to_string(),
            candidates: Vec::new(),
        })
    }
}

const CODE_MISSING: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "promo_code_missing",
    "Give `code` to add one, or `promo_code` to change an existing one.",
);
const CODE_MALFORMED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "promo_code_malformed",
    "Choose another text, or let create_promo_codes make codes that nobody guesses.",
);
const CODE_TAKEN: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "promo_code_taken",
    "Choose another text, or change the existing one by naming it in `promo_code`.",
);
const CODE_FIXED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "promo_code_fixed",
    "Archive it with archive_promo_code and add another one.",
);
const EFFECT_MISSING: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "promo_effect_missing",
    "Ask what it does: give `percent_off`, `amount_off` or `fixed_price`, or `unlocks_hidden: true`.",
);
const EFFECT_AMBIGUOUS: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "promo_effect_ambiguous",
    "Choose the one that the organizer means; nothing adds up.",
);
const PERCENT_OUT_OF_RANGE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "percent_out_of_range",
    "Ask how many percent are taken off; 20 is a fifth.",
);
const AMOUNT_OUT_OF_RANGE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "promo_amount_out_of_range",
    "Check the amount: it counts the smallest unit, so 500 is 5.00 EUR, and is never negative.",
);
const MAX_USES_OUT_OF_RANGE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "max_uses_out_of_range",
    "Give at least 1, or 0 for no limit; archive_promo_code withdraws a code.",
);
const MAX_USES_BELOW_TAKEN: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "max_uses_below_taken",
    "Choose at least what is used, or withdraw it with archive_promo_code.",
);
const COUNT_OUT_OF_RANGE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "promo_code_count",
    "Make at most 1000 at once; call again for more.",
);
const VALIDITY_OVER: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "promo_validity_over",
    "Check the date and its year; to end a code now, use archive_promo_code.",
);
const VALIDITY_REVERSED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "promo_validity_reversed",
    "Check both times; an empty text removes a limit.",
);

impl Fault for SavePromoCodeError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            CODE_MISSING,
            CODE_MALFORMED,
            CODE_TAKEN,
            CODE_FIXED,
            EFFECT_MISSING,
            EFFECT_AMBIGUOUS,
            PERCENT_OUT_OF_RANGE,
            AMOUNT_OUT_OF_RANGE,
            CURRENCY_DIFFERS,
            MAX_USES_OUT_OF_RANGE,
            MAX_USES_BELOW_TAKEN,
            COUNT_OUT_OF_RANGE,
            VALIDITY_OVER,
            VALIDITY_REVERSED,
            EVENT_CLOSED,
        ];
        specs.extend(ScheduleError::specs());
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::CodeMissing => CODE_MISSING.at("code"),
            Self::CodeMalformed { .. } => CODE_MALFORMED.at("code"),
            Self::PrefixMalformed { .. } => CODE_MALFORMED.at("prefix"),
            Self::CodeTaken(_) => CODE_TAKEN.at("code"),
            Self::CodeFixed(_) => CODE_FIXED.at("code"),
            Self::EffectMissing => EFFECT_MISSING.at("percent_off"),
            Self::EffectAmbiguous => EFFECT_AMBIGUOUS.at("percent_off"),
            Self::PercentOutOfRange(_) => PERCENT_OUT_OF_RANGE.at("percent_off"),
            Self::AmountOutOfRange { field, .. } => AMOUNT_OUT_OF_RANGE.at(*field),
            Self::CurrencyDiffers { field, .. } => CURRENCY_DIFFERS.at(format!("{field}.currency")),
            Self::MaxUsesOutOfRange(_) => MAX_USES_OUT_OF_RANGE.at("max_uses"),
            Self::MaxUsesBelowTaken { .. } => MAX_USES_BELOW_TAKEN.at("max_uses"),
            Self::CountOutOfRange(_) => COUNT_OUT_OF_RANGE.at("count"),
            Self::ValidityOver(_) => VALIDITY_OVER.at("valid_until"),
            Self::ValidityReversed { .. } => VALIDITY_REVERSED.at("valid_until"),
            Self::EventClosed { .. } => EVENT_CLOSED.into(),
            Self::TicketType { index, error } => error.facts().at(format!("ticket_types[{index}]")),
            Self::Time(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SavePromoCodeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
