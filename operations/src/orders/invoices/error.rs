//! How what concerns invoices is refused.

use domain::{Facts, Fault, FaultKind, FaultSpec};
use store::StoreError;

use crate::{
    codes::CodeLookupError, faults::NOTHING_GIVEN, lookup::LookupError, orders::OrderStatus,
};

/// Why something about invoices was refused.
#[derive(Debug, thiserror::Error)]
pub enum InvoiceError {
    /// No field was given.
    #[error("nothing to change was given")]
    NothingGiven,
    /// The organization has not said who it is.
    #[error("an invoice needs the organization's {0}")]
    NotSetUp(&'static str),
    /// Not what numbers can start with.
    #[error(
        "{0:?} is nothing numbers can start with; use up to 20 letters, digits, - or /, and {{year}}"
    )]
    Prefix(String),
    /// Both series would have the same numbers.
    #[error("invoices and credit notes cannot both start with {0:?}")]
    SamePrefix(String),
    /// Nothing was paid, or nothing of it is left.
    #[error(
        "order {number} is {status} and {kept} were paid for it and not given back, so there is nothing to invoice"
    )]
    NothingPaid {
        /// Its number.
        number: String,
        /// Its state.
        status: OrderStatus,
        /// What is left of what was paid.
        kept: domain::Money,
    },
    /// There is an invoice that holds.
    #[error("order {number} has the invoice {invoice} already")]
    InvoicedAlready {
        /// Its number.
        number: String,
        /// The invoice's number.
        invoice: String,
    },
    /// There is none to correct.
    #[error("order {0} has no invoice that holds")]
    NotInvoiced(String),
    /// Something was not found.
    #[error(transparent)]
    Lookup(#[from] CodeLookupError),
}

const NOT_SET_UP: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "invoicing_not_set_up",
    "Ask the organizer for legal name, address and tax number; an owner gives them with update_invoicing.",
);
const PREFIX: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "invoice_prefix_malformed",
    "Use a short text such as {year}- or RE-{year}-.",
);
const SAME_PREFIX: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "invoice_prefixes_equal",
    "Let credit notes start with something else, such as C{year}-.",
);
const NOTHING_PAID: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "nothing_to_invoice",
    "An invoice says what was paid; confirm the payment first. Free orders have none.",
);
const INVOICED_ALREADY: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "invoiced_already",
    "Read it with get_invoice; reissue_invoice corrects it with a credit note and a new one.",
);
const NOT_INVOICED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "not_invoiced",
    "Issue one with issue_invoice.",
);

impl Fault for InvoiceError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            NOTHING_GIVEN,
            NOT_SET_UP,
            PREFIX,
            SAME_PREFIX,
            NOTHING_PAID,
            INVOICED_ALREADY,
            NOT_INVOICED,
        ];
        specs.extend(CodeLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NothingGiven => NOTHING_GIVEN.into(),
            Self::NotSetUp(_) => NOT_SET_UP.into(),
            Self::Prefix(_) => PREFIX.at("invoice_prefix"),
            Self::SamePrefix(_) => SAME_PREFIX.at("credit_prefix"),
            Self::NothingPaid { .. } => NOTHING_PAID.at("order"),
            Self::InvoicedAlready { .. } => INVOICED_ALREADY.at("order"),
            Self::NotInvoiced(_) => NOT_INVOICED.at("order"),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<LookupError> for InvoiceError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<StoreError> for InvoiceError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<sqlx::Error> for InvoiceError {
    fn from(error: sqlx::Error) -> Self {
        Self::Lookup(LookupError::from(error).into())
    }
}
