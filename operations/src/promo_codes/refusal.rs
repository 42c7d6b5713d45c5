//! How a promo code is refused to somebody who buys.

use domain::{Facts, Fault, FaultKind, FaultSpec, LocalTime};

/// Why a promo code cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromoCodeError {
    /// The event has no such code, or has it no more.
    #[error("there is no promo code {0:?} for this event")]
    Unknown(String),
    /// Its time has not begun.
    #[error("the promo code {code:?} can be used from {} on", .from.readable())]
    NotYet {
        /// The code.
        code: String,
        /// When it begins, on the clock at the event.
        from: LocalTime,
    },
    /// Its time is over.
    #[error("the promo code {code:?} could be used until {}", .until.readable())]
    Over {
        /// The code.
        code: String,
        /// When it ended, on the clock at the event.
        until: LocalTime,
    },
    /// It was used as often as it can be.
    #[error("the promo code {0:?} is used up")]
    UsedUp(String),
    /// It applies to nothing that was picked.
    #[error("the promo code {0:?} does not apply to these tickets")]
    NotForThese(String),
}

const UNKNOWN: FaultSpec = FaultSpec::new(
    FaultKind::NotFound,
    "promo_code_unknown",
    "Check how it is spelled, or go on without it; never guess another one.",
);
const NOT_YET: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "promo_code_not_yet_valid",
    "Come back when it begins, or go on without it.",
);
const OVER: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "promo_code_expired",
    "Go on without it, or ask the organizer for another one.",
);
const USED_UP: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "promo_code_used_up",
    "Go on without it; uses come back when people who hold tickets with it do not order them.",
);
const NOT_FOR_THESE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "promo_code_not_for_these",
    "Pick a ticket type that it applies to, or go on without it.",
);

impl Fault for PromoCodeError {
    fn specs() -> Vec<FaultSpec> {
        vec![UNKNOWN, NOT_YET, OVER, USED_UP, NOT_FOR_THESE]
    }

    fn facts(&self) -> Facts {
        let spec = match self {
            Self::Unknown(_) => UNKNOWN,
            Self::NotYet { .. } => NOT_YET,
            Self::Over { .. } => OVER,
            Self::UsedUp(_) => USED_UP,
            Self::NotForThese(_) => NOT_FOR_THESE,
        };
        spec.at("promo_code")
    }
}
