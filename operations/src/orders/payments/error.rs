//! Why a processor did not do what it was asked, as callers hear it.

use domain::{Facts, Fault, FaultKind, FaultSpec};
use payments::ProcessorError;
use store::StoreError;

use crate::{codes::CodeLookupError, lookup::LookupError};

/// Why a processor did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorFault {
    /// This server has none.
    #[error("no payment provider is set up on this server")]
    NotSetUp,
    /// It understood and said no.
    #[error("the payment provider says no: {0}")]
    Refused(String),
    /// It cannot be reached, or its answer got lost.
    #[error("the payment provider does not answer: {0}")]
    Unavailable(String),
    /// The settings are wrong.
    #[error("the payment provider does not accept this server's settings: {0}")]
    Misconfigured(String),
}

const NOT_SET_UP: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "no_payment_provider",
    "Let the buyer pay the organizer and record it with confirm_payment, or have `stripe.key` set on the server.",
);
const REFUSED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "payment_provider_refused",
    "Tell the organizer what it said; the same again would be refused again.",
);
const UNAVAILABLE: FaultSpec = FaultSpec::new(
    FaultKind::Unavailable,
    "payment_provider_unavailable",
    "Nothing is lost: try the same again in a minute.",
);
const MISCONFIGURED: FaultSpec = FaultSpec::new(
    FaultKind::Unavailable,
    "payment_provider_misconfigured",
    "Whoever runs the server must mend `stripe.key` or `stripe.url`; then try the same again.",
);

impl Fault for ProcessorFault {
    fn specs() -> Vec<FaultSpec> {
        vec![NOT_SET_UP, REFUSED, UNAVAILABLE, MISCONFIGURED]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NotSetUp => NOT_SET_UP.into(),
            Self::Refused(_) => REFUSED.into(),
            Self::Unavailable(_) => UNAVAILABLE.into(),
            Self::Misconfigured(_) => MISCONFIGURED.into(),
        }
    }
}

impl From<ProcessorError> for ProcessorFault {
    fn from(error: ProcessorError) -> Self {
        match error {
            ProcessorError::Refused(refusal) => Self::Refused(refusal.to_string()),
            ProcessorError::Unavailable { said, .. } | ProcessorError::Unknown { said } => {
                Self::Unavailable(said)
            }
            ProcessorError::Misconfigured { said } => Self::Misconfigured(said),
        }
    }
}

/// Why it was not found out what came of an order's money.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The processor did not answer.
    #[error(transparent)]
    Processor(#[from] ProcessorFault),
    /// The order was not found.
    #[error(transparent)]
    Lookup(#[from] CodeLookupError),
}

impl Fault for SettleError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = ProcessorFault::specs();
        specs.extend(CodeLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Processor(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<ProcessorError> for SettleError {
    fn from(error: ProcessorError) -> Self {
        Self::Processor(error.into())
    }
}

impl From<LookupError> for SettleError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<StoreError> for SettleError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<sqlx::Error> for SettleError {
    fn from(error: sqlx::Error) -> Self {
        Self::Lookup(error.into())
    }
}
