//! How gift cards are refused.

use domain::{Facts, Fault, FaultKind, FaultSpec, LocalDate, Money};
use store::StoreError;

use super::model::GiftCardState;
use crate::{
    codes::CodeError,
    faults::{CURRENCY_DIFFERS, NOTHING_GIVEN},
};

/// Why a gift card is not found. Neither says the code again: mistyped by one character it is still nearly the money.
#[derive(Debug, thiserror::Error)]
pub enum FindGiftCardError {
    /// The text is no code.
    #[error("this is not the code of a gift card: {0}")]
    Misread(CodeError),
    /// No card has it.
    #[error("there is no such gift card")]
    Unknown,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const MISREAD: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "gift_card_misread",
    "Ask for the code to be read again; never guess a character.",
);
const UNKNOWN: FaultSpec = FaultSpec::new(
    FaultKind::NotFound,
    "gift_card_unknown",
    "Ask for the code to be read again, or find the card with list_gift_cards.",
);

impl FindGiftCardError {
    fn specs() -> [FaultSpec; 2] {
        [MISREAD, UNKNOWN]
    }

    fn facts_at(&self, field: &'static str) -> Facts {
        match self {
            Self::Misread(_) => MISREAD.at(field),
            Self::Unknown => UNKNOWN.at(field),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for FindGiftCardError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// How the operations on gift cards refuse.
#[derive(Debug, thiserror::Error)]
pub enum GiftCardError {
    /// Nothing, or less.
    #[error("a gift card over {0} is none")]
    AmountOutOfRange(Money),
    /// None, or too many.
    #[error("{0} gift cards cannot be issued at once; 1 to 200 can")]
    CountOutOfRange(i32),
    /// The day is over.
    #[error("{0} is over already")]
    ValidUntilPast(LocalDate),
    /// Nothing is to change.
    #[error("nothing was said that should change")]
    NothingGiven,
    /// This program has no key to make codes with.
    #[error("this program has no key to make codes with")]
    NoKey,
    /// The card was not found.
    #[error(transparent)]
    Find(#[from] FindGiftCardError),
}

const AMOUNT_OUT_OF_RANGE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "gift_card_amount_out_of_range",
    "Give an amount above zero.",
);
const COUNT_OUT_OF_RANGE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "gift_card_count_out_of_range",
    "Issue at most 200 at once; call again for more.",
);
const VALID_UNTIL_PAST: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "valid_until_past",
    "Give today or a later day, or leave it out for a card without an end.",
);
const NO_KEY: FaultSpec = FaultSpec::new(
    FaultKind::Unavailable,
    "no_sealing_key",
    "Issue gift cards through the running server; whoever runs it can say where it is.",
);

impl Fault for GiftCardError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            AMOUNT_OUT_OF_RANGE,
            COUNT_OUT_OF_RANGE,
            VALID_UNTIL_PAST,
            NOTHING_GIVEN,
            NO_KEY,
        ];
        specs.extend(FindGiftCardError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::AmountOutOfRange(_) => AMOUNT_OUT_OF_RANGE.at("amount"),
            Self::CountOutOfRange(_) => COUNT_OUT_OF_RANGE.at("count"),
            Self::ValidUntilPast(_) => VALID_UNTIL_PAST.at("valid_until"),
            Self::NothingGiven => NOTHING_GIVEN.into(),
            Self::NoKey => NO_KEY.into(),
            Self::Find(error) => error.facts_at("gift_card"),
        }
    }
}

impl From<StoreError> for GiftCardError {
    fn from(error: StoreError) -> Self {
        Self::Find(error.into())
    }
}

impl From<sqlx::Error> for GiftCardError {
    fn from(error: sqlx::Error) -> Self {
        Self::Find(error.into())
    }
}

/// Why a gift card cannot pay.
#[derive(Debug, thiserror::Error)]
pub enum UseGiftCardError {
    /// It is blocked, its last day is over, or nothing is left on it.
    #[error("the gift card ending in {ending} is {}", state_in_words(*.state))]
    NotActive {
        /// The last characters of its code.
        ending: String,
        /// Its state.
        state: GiftCardState,
    },
    /// It is in another currency.
    #[error("the gift card is over {balance}, and {open} are to be paid")]
    OtherCurrency {
        /// What is on it.
        balance: Money,
        /// What is to be paid.
        open: Money,
    },
    /// More than is left on it, or than is to be paid, or nothing.
    #[error(
        "{given} cannot be taken: {balance} are left on the gift card, and {open} are to be paid"
    )]
    OutOfRange {
        /// What was asked for.
        given: Money,
        /// What is left on it.
        balance: Money,
        /// What is to be paid.
        open: Money,
    },
    /// No card has the code.
    #[error(transparent)]
    Find(#[from] FindGiftCardError),
}

fn state_in_words(state: GiftCardState) -> &'static str {
    match state {
        GiftCardState::Active => "active",
        GiftCardState::Blocked => "blocked",
        GiftCardState::Expired => "not valid any more",
        GiftCardState::UsedUp => "used up",
    }
}

const NOT_ACTIVE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "gift_card_not_active",
    "Tell the buyer; get_gift_card shows why, and update_gift_card frees a blocked one.",
);
const OUT_OF_RANGE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "gift_card_use_out_of_range",
    "Leave the amount out to take as much as is needed and there is.",
);

impl Fault for UseGiftCardError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![NOT_ACTIVE, CURRENCY_DIFFERS, OUT_OF_RANGE];
        specs.extend(FindGiftCardError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NotActive { .. } => NOT_ACTIVE.at("code"),
            Self::OtherCurrency { .. } => CURRENCY_DIFFERS.at("code"),
            Self::OutOfRange { .. } => OUT_OF_RANGE.at("amount"),
            Self::Find(error) => error.facts_at("code"),
        }
    }
}

impl From<sqlx::Error> for UseGiftCardError {
    fn from(error: sqlx::Error) -> Self {
        Self::Find(error.into())
    }
}
