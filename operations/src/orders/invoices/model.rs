//! Invoices as callers see them, and as they are kept.

use domain::{Currency, Cx, EventId, InvoiceId, Money, OrderId, Taxed, Timestamp, Untrusted};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    people::{name_for, text_for},
    taxes::TaxAmount,
};

domain::text_enum! {
    /// What a document says.
    pub enum InvoiceKind {
        /// What was paid.
        Invoice = "invoice",
        /// What of an invoice does not hold any more.
        CreditNote = "credit_note",
    }
}

domain::sqlx_as_text!(InvoiceKind);

/// How an organization issues invoices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Invoicing {
    /// Whether an order that is paid gets its invoice by itself.
    pub is_on: bool,
    /// Who sells.
    #[serde(flatten)]
    pub seller: Seller,
    /// What numbers of invoices start with.
    pub invoice_prefix: String,
    /// What numbers of credit notes start with.
    pub credit_prefix: String,
}

/// Who sells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seller {
    /// Its name in law.
    pub legal_name: String,
    /// Where it is.
    pub address: String,
    /// Its tax number.
    pub tax_id: String,
}

/// Whom an invoice is made out to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceParty {
    /// A company or person.
    pub name: Untrusted,
    /// Where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Untrusted>,
    /// Their tax number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_id: Option<Untrusted>,
}

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceLine {
    /// What it is for.
    pub name: String,
    /// How many.
    pub quantity: i32,
    /// The price of one, with tax or without as the event had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<Money>,
    /// What it comes to, and its tax.
    pub amount: TaxAmount,
}

/// An invoice or credit note in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceSummary {
    /// Its id.
    pub id: InvoiceId,
    /// What it says.
    pub kind: InvoiceKind,
    /// Its number; each series has no gaps.
    pub number: String,
    /// Of a credit note: the number of the invoice it takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_invoice: Option<String>,
    /// Its order.
    pub order_id: OrderId,
    /// The order's number.
    pub order_number: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Without tax.
    pub net: Money,
    /// The tax.
    pub tax: Money,
    /// With tax.
    pub gross: Money,
    /// What credit notes took back of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credited: Option<Money>,
}

/// An invoice or credit note, whole. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Invoice {
    /// What it says in short.
    #[serde(flatten)]
    pub summary: InvoiceSummary,
    /// Its event.
    pub event_id: EventId,
    /// Its event's title.
    pub event_title: String,
    /// The day of issue, such as 2027-01-11, at the event.
    pub issued_on: String,
    /// The day of supply: that of the event.
    pub supplied_on: String,
    /// Who sells.
    pub seller: Seller,
    /// Who bought.
    pub buyer: InvoiceParty,
    /// What was sold, or credited.
    pub lines: Vec<InvoiceLine>,
    /// The sums by rate.
    pub taxes: Vec<TaxAmount>,
    /// Why it was issued, if it was not for a payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A row of `invoice`.
#[derive(Debug, Clone)]
pub(super) struct InvoiceRow {
    pub(super) id: InvoiceId,
    pub(super) order_id: OrderId,
    pub(super) event_id: EventId,
    pub(super) kind: InvoiceKind,
    pub(super) invoice_id: Option<InvoiceId>,
    pub(super) of_invoice: Option<String>,
    pub(super) number: String,
    pub(super) issued_at: Timestamp,
    pub(super) issued_on: String,
    pub(super) supplied_on: String,
    pub(super) currency: Currency,
    pub(super) amounts: Taxed,
    pub(super) order_number: String,
    pub(super) event_title: String,
    pub(super) seller: Seller,
    pub(super) buyer: InvoiceParty,
    pub(super) lines: Vec<InvoiceLine>,
    pub(super) taxes: Vec<TaxAmount>,
    pub(super) reason: Option<String>,
    pub(super) credited_amount: i64,
}

impl InvoiceRow {
    /// What of an invoice is not credited.
    pub(super) fn left(&self) -> i64 {
        match self.kind {
            InvoiceKind::Invoice => self.amounts.gross - self.credited_amount,
            InvoiceKind::CreditNote => 0,
        }
    }

    pub(super) fn summary(&self) -> InvoiceSummary {
        let money = |amount| Money::new(amount, self.currency);
        InvoiceSummary {
            id: self.id,
            kind: self.kind,
            number: self.number.clone(),
            of_invoice: self.of_invoice.clone(),
            order_id: self.order_id,
            order_number: self.order_number.clone(),
            issued_at: self.issued_at,
            net: money(self.amounts.net),
            tax: money(self.amounts.tax),
            gross: money(self.amounts.gross),
            credited: (self.credited_amount > 0).then(|| money(self.credited_amount)),
        }
    }

    /// As the caller may see it.
    pub(super) fn seen(&self, cx: &Cx) -> Invoice {
        let hidden = |text: &Untrusted| text_for(cx, text);
        let may = cx.may(domain::Permission::AttendeesPersonal);
        Invoice {
            summary: self.summary(),
            event_id: self.event_id,
            event_title: self.event_title.clone(),
            issued_on: self.issued_on.clone(),
            supplied_on: self.supplied_on.clone(),
            seller: self.seller.clone(),
            buyer: InvoiceParty {
                name: name_for(cx, &self.buyer.name),
                address: self.buyer.address.clone().filter(|_| may),
                tax_id: self.buyer.tax_id.as_ref().map(hidden),
            },
            lines: self.lines.clone(),
            taxes: self.taxes.clone(),
            reason: self.reason.clone(),
        }
    }
}
