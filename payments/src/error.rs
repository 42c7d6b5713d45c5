//! Why a processor did not do what it was asked: four kinds that call for four different reactions.

use std::{fmt, time::Duration};

/// Why a processor did not answer with what was asked for. The kind says what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcessorError {
    /// It understood and said no. Asking the same again is pointless.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// Nothing was done: it is busy, asks for patience, or cannot be reached. Try again later.
    #[error("not available: {said}")]
    Unavailable {
        /// How long it asks us to wait, when it says so.
        retry_after: Option<Duration>,
        /// What happened.
        said: String,
    },
    /// It may have been done or not: the answer got lost, or is none. Ask again under the same key (the request must be
    /// exactly the same), or look the thing up.
    #[error("the outcome is unknown: {said}")]
    Unknown {
        /// What happened.
        said: String,
    },
    /// Our settings are wrong: a key that is not valid, an address that is not the processor's. A person must mend
    /// them; until then everything fails.
    #[error("the processor is not set up rightly: {said}")]
    Misconfigured {
        /// What is wrong.
        said: String,
    },
}

impl ProcessorError {
    /// A refusal of our own, before anybody was asked.
    pub(crate) fn refused(reason: Reason, message: impl Into<String>) -> Self {
        Self::Refused(Refusal {
            reason,
            code: None,
            message: message.into(),
        })
    }

    /// Whether the same may be asked again, under the same key.
    pub fn is_worth_repeating(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Unknown { .. })
    }

    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// What a processor said no with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it comes down to.
    pub reason: Reason,
    /// The processor's own code, for support and for looking it up; absent if it gave none or was not asked.
    pub code: Option<String>,
    /// A sentence for people. May repeat what was sent, such as an address: not for logs.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{} ({code})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What a refusal comes down to, as far as it makes a difference to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// All of the payment has been refunded.
    AlreadyRefunded,
    /// The refund is larger than what is left of the payment.
    MoreThanLeft,
    /// The amount is below what the processor takes.
    AmountTooSmall,
    /// The amount is above what the processor takes.
    AmountTooLarge,
    /// The processor cannot take this very amount or currency.
    AmountNotPossible,
    /// The buyer's bank or card said no.
    Declined,
    /// There is no such checkout, payment or refund.
    NotFound,
    /// The key was used for something else before: ours to mend, never to be asked again under a new key unseen.
    KeyReused,
    /// The checkout's end is too close or too far; a new attempt gets a new one.
    BadExpiry,
    /// Anything else.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_change_is_worth_repeating() {
        let busy = ProcessorError::Unavailable {
            retry_after: None,
            said: "busy".to_owned(),
        };
        let lost = ProcessorError::Unknown {
            said: "cut".to_owned(),
        };
        let no = ProcessorError::refused(Reason::AlreadyRefunded, "It is refunded.");
        assert!(busy.is_worth_repeating() && lost.is_worth_repeating());
        assert!(!no.is_worth_repeating());
        assert_eq!(no.to_string(), "refused: It is refunded.");
        assert_eq!(
            no.refusal().map(|refusal| refusal.reason),
            Some(Reason::AlreadyRefunded)
        );
    }
}
