//! How what concerns taxes and fees is refused.

use domain::{Currency, Facts, Fault, FaultKind, FaultSpec, Money};
use store::StoreError;

use crate::{
    faults::{CURRENCY_DIFFERS, NAME_TAKEN, NOTHING_GIVEN},
    lookup::LookupError,
};

/// Why something about taxes or fees was refused.
#[derive(Debug, thiserror::Error)]
pub enum TaxError {
    /// No field was given.
    #[error("nothing to change was given")]
    NothingGiven,
    /// A new rule or fee lacks something.
    #[error("a new {what} needs {needs}")]
    Incomplete {
        /// `tax rule`, `fee`.
        what: &'static str,
        /// What it lacks.
        needs: &'static str,
    },
    /// The name is another one's.
    #[error("there is a {what} {name:?} already")]
    NameTaken {
        /// `tax rule`, `fee`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The code is not one.
    #[error("{0:?} is no code; a code is 1 to 10 letters and digits, such as S, Z or E")]
    Code(String),
    /// Something still has the rule.
    #[error(
        "{used_by} ticket types and fees have the tax rule {name:?}, or it is the organization's default"
    )]
    InUse {
        /// Its name.
        name: String,
        /// How many.
        used_by: i64,
    },
    /// The event has orders.
    #[error("{title:?} has orders, so how it charges tax cannot change any more")]
    Frozen {
        /// Its title.
        title: String,
    },
    /// A default rule is an organization's.
    #[error("a default rule is the organization's; an event's ticket types have their own")]
    RuleOfEvent,
    /// Both an amount and a percentage, or neither.
    #[error("a fee is either an amount or a percentage")]
    AmountOrPercent,
    /// Nothing, or less.
    #[error("a fee is more than nothing; {0} was given")]
    NoFee(String),
    /// Percent of nothing.
    #[error(
        "a percentage of what is free is nothing; only a fixed fee can be charged for free orders"
    )]
    PercentOfFree,
    /// Another currency than the event's.
    #[error("{given} is in another currency than the event, which is in {currency}")]
    Currency {
        /// What was given.
        given: Money,
        /// The event's.
        currency: Currency,
    },
    /// Something was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
}

const INCOMPLETE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "tax_or_fee_incomplete",
    "Ask the organizer for what is missing; never guess a rate.",
);
const CODE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "tax_code_malformed",
    "Leave the code out unless the organizer names one.",
);
const IN_USE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "tax_rule_in_use",
    "Give what has it another rule first: set_ticket_type_tax, save_fee, save_tax_settings.",
);
const FROZEN: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "taxation_frozen",
    "Tell the organizer; a copy made with duplicate_event can charge tax another way.",
);
const RULE_OF_EVENT: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "default_rule_of_event",
    "Leave the event out to set the organization's default, or use set_ticket_type_tax.",
);
const AMOUNT_OR_PERCENT: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "fee_amount_or_percent",
    "Give `amount` or `percent`, not both.",
);
const NO_FEE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "fee_not_positive",
    "Give an amount or percentage above zero, or put the fee away with `archived`.",
);
const PERCENT_OF_FREE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "percent_of_free",
    "Leave `charges_free` out, or give an amount instead of a percentage.",
);

impl Fault for TaxError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            NOTHING_GIVEN,
            INCOMPLETE,
            NAME_TAKEN,
            CODE,
            IN_USE,
            FROZEN,
            RULE_OF_EVENT,
            AMOUNT_OR_PERCENT,
            NO_FEE,
            PERCENT_OF_FREE,
            CURRENCY_DIFFERS,
        ];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NothingGiven => NOTHING_GIVEN.into(),
            Self::Incomplete { .. } => INCOMPLETE.into(),
            Self::NameTaken { .. } => NAME_TAKEN.at("name"),
            Self::Code(_) => CODE.at("code"),
            Self::InUse { .. } => IN_USE.at("archived"),
            Self::Frozen { .. } => FROZEN.at("event"),
            Self::RuleOfEvent => RULE_OF_EVENT.at("default_rule"),
            Self::AmountOrPercent => AMOUNT_OR_PERCENT.at("amount"),
            Self::NoFee(_) => NO_FEE.at("amount"),
            Self::PercentOfFree => PERCENT_OF_FREE.at("charges_free"),
            Self::Currency { .. } => CURRENCY_DIFFERS.at("amount"),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<StoreError> for TaxError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<sqlx::Error> for TaxError {
    fn from(error: sqlx::Error) -> Self {
        Self::Lookup(error.into())
    }
}
