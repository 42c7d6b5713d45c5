//! What can happen to invoices. Nothing here says who bought.

use domain::{Change, EventId, InvoiceId, Money, OrderId, OrganizationId, Subject};
use serde::Serialize;

/// How the organization issues invoices changed.
#[derive(Debug, Serialize)]
pub struct InvoicingUpdated {
    pub(super) organization_id: OrganizationId,
    pub(super) is_on: bool,
    pub(super) legal_name: String,
    pub(super) tax_id: String,
    pub(super) invoice_prefix: String,
    pub(super) credit_prefix: String,
}

impl Change for InvoicingUpdated {
    const KIND: &'static str = "invoicing.updated";
    fn subject(&self) -> Subject {
        self.organization_id.into()
    }
    fn summary(&self) -> String {
        let by_itself = if self.is_on { "by itself" } else { "on demand" };
        format!(
            "Issues invoices {by_itself} for {:?} ({}), numbered {} and {}",
            self.legal_name, self.tax_id, self.invoice_prefix, self.credit_prefix
        )
    }
}

/// Whom an order's invoice is made out to was said.
#[derive(Debug, Serialize)]
pub struct InvoiceAddressSaved {
    pub(super) order_id: OrderId,
    pub(super) event_id: EventId,
    pub(super) number: String,
}

impl Change for InvoiceAddressSaved {
    const KIND: &'static str = "invoice_address.saved";
    fn subject(&self) -> Subject {
        self.order_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Keeps whom the invoice of order {} is made out to",
            self.number
        )
    }
}

/// An invoice was issued. Its number is known at the commit only, so the sentence, which people confirm before, is
/// without it.
#[derive(Debug, Serialize)]
pub struct InvoiceIssued {
    pub(super) invoice_id: InvoiceId,
    pub(super) order_id: OrderId,
    pub(super) event_id: EventId,
    pub(super) number: String,
    pub(super) order_number: String,
    pub(super) gross: Money,
    pub(super) tax: Money,
}

impl Change for InvoiceIssued {
    const KIND: &'static str = "invoice.issued";
    fn subject(&self) -> Subject {
        self.order_id.into()
    }
    fn summary(&self) -> String {
        let Self {
            gross,
            tax,
            order_number,
            ..
        } = self;
        format!("Issues an invoice over {gross}, {tax} of it tax, for order {order_number}")
    }
}

/// A credit note was issued.
#[derive(Debug, Serialize)]
pub struct CreditNoteIssued {
    pub(super) invoice_id: InvoiceId,
    pub(super) order_id: OrderId,
    pub(super) event_id: EventId,
    pub(super) number: String,
    pub(super) order_number: String,
    pub(super) of_invoice: String,
    pub(super) gross: Money,
    pub(super) tax: Money,
}

impl Change for CreditNoteIssued {
    const KIND: &'static str = "credit_note.issued";
    fn subject(&self) -> Subject {
        self.order_id.into()
    }
    fn summary(&self) -> String {
        let Self {
            gross,
            tax,
            of_invoice,
            order_number,
            ..
        } = self;
        format!(
            "Issues a credit note over {gross}, {tax} of it tax, for invoice {of_invoice} of order {order_number}"
        )
    }
}
