//! Invoices and credit notes: what was paid for an order, with its tax, on documents that never change.
//!
//! Owns `invoicing`, `invoice_series`, `invoice_address`, `invoice` and `invoice_balance`. Operations: `update_invoicing`,
//! `set_invoice_address`, `issue_invoice`, `reissue_invoice`, `list_invoices`, `get_invoice`. Changes:
//! `invoicing.updated`, `invoice_address.saved`, `invoice.issued`, `credit_note.issued`.
//!
//! Whoever moves money of an order calls `keep_up` in the same transaction: it brings what is invoiced and not credited to
//! what was paid and not given back. Whoever changes what was bought calls `reissue` instead. The rows of series are locked last of all, after the capacity pools.

pub mod changes;
mod document;
mod error;
mod get_invoice;
mod issue_invoice;
mod keep_up;
mod list_invoices;
mod model;
mod reissue_invoice;
mod set_invoice_address;
mod sql;
#[cfg(test)]
mod tests;
mod update_invoicing;

pub use error::InvoiceError;
pub use get_invoice::GetInvoice;
pub use issue_invoice::{IssueInvoice, IssuedInvoice};
pub use list_invoices::ListInvoices;
pub use model::{
    Invoice, InvoiceKind, InvoiceLine, InvoiceParty, InvoiceSummary, Invoicing, Seller,
};
pub use reissue_invoice::ReissueInvoice;
pub use set_invoice_address::SetInvoiceAddress;
pub use update_invoicing::UpdateInvoicing;

pub(super) use keep_up::{keep_up, reissue};
