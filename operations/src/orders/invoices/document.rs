//! What documents say: whole ones, and parts by rate. Pure.

use domain::{Currency, Money, Taxed, tax};

use super::model::{InvoiceKind, InvoiceLine, InvoiceRow};
use crate::{
    orders::model::{ItemRow, OrderRow},
    taxes::{self, FeeLine, LineTax, TaxAmount},
};

/// Lines, their sums by rate, and the sum of those.
pub(super) struct Content {
    pub(super) lines: Vec<InvoiceLine>,
    pub(super) taxes: Vec<TaxAmount>,
}

fn amount(tax: &LineTax, currency: Currency) -> TaxAmount {
    let money = |amount| Money::new(amount, currency);
    TaxAmount {
        name: tax.name(),
        code: tax.code(),
        rate: tax.rule.as_ref().map(|rule| rule.rate).unwrap_or_default(),
        net: money(tax.amounts.net),
        tax: money(tax.amounts.tax),
        gross: money(tax.amounts.gross),
    }
}

/// All of an order.
pub(super) fn whole(order: &OrderRow, items: &[ItemRow], fees: &[FeeLine]) -> Content {
    let currency = order.currency;
    let of_items = items.iter().map(|item| InvoiceLine {
        name: item.name.clone(),
        quantity: item.quantity,
        unit_price: Some(Money::new(item.unit_amount, currency)),
        amount: amount(&item.tax, currency),
    });
    let of_fees = fees.iter().map(|fee| InvoiceLine {
        name: fee.name.clone(),
        quantity: 1,
        unit_price: None,
        amount: amount(&fee.tax, currency),
    });
    let charged = items.iter().map(|item| &item.tax);
    let charged = charged.chain(fees.iter().map(|fee| &fee.tax));
    Content {
        lines: of_items.chain(of_fees).collect(),
        taxes: taxes::summed(charged, currency),
    }
}

/// So much gross of sums by rate, said in one line for each rate.
pub(super) fn part(part: i64, rates: &[TaxAmount], of: &[Taxed], name: &str) -> Content {
    let amounts = tax::part_of(part, of).into_iter();
    let taxes = rates.iter().zip(amounts).map(|(rate, amounts)| {
        let money = |amount| Money::new(amount, rate.gross.currency);
        TaxAmount {
            net: money(amounts.net),
            tax: money(amounts.tax),
            gross: money(amounts.gross),
            ..rate.clone()
        }
    });
    let taxes: Vec<TaxAmount> = taxes.collect();
    let lines = taxes.iter().filter(|rate| !rate.gross.is_zero());
    let lines = lines.map(|rate| InvoiceLine {
        name: name.to_owned(),
        quantity: 1,
        unit_price: None,
        amount: rate.clone(),
    });
    Content {
        lines: lines.collect(),
        taxes,
    }
}

/// Sums by rate, without their names.
pub(super) fn bare(rates: &[TaxAmount]) -> Vec<Taxed> {
    let bare = rates.iter().map(|rate| Taxed {
        net: rate.net.amount,
        tax: rate.tax.amount,
        gross: rate.gross.amount,
    });
    bare.collect()
}

/// The sum of sums.
pub(super) fn total(rates: &[TaxAmount]) -> Taxed {
    let mut total = Taxed::default();
    for rate in bare(rates) {
        total = Taxed {
            net: total.net + rate.net,
            tax: total.tax + rate.tax,
            gross: total.gross + rate.gross,
        };
    }
    total
}

/// What is left by rate of an invoice, without its credit notes, which have its rates in their order.
pub(super) fn left(invoice: &InvoiceRow, documents: &[InvoiceRow]) -> Vec<Taxed> {
    let mut left = bare(&invoice.taxes);
    let notes = documents
        .iter()
        .filter(|document| document.invoice_id == Some(invoice.id));
    for note in notes {
        for (left, taken) in left.iter_mut().zip(bare(&note.taxes)) {
            *left = left.less(taken);
        }
    }
    left
}

/// What a whole order says by rate and the standing invoices do not.
pub(super) fn missing(whole: &[TaxAmount], documents: &[InvoiceRow]) -> Vec<Taxed> {
    let mut missing = bare(whole);
    let invoices = documents
        .iter()
        .filter(|document| document.kind == InvoiceKind::Invoice);
    for invoice in invoices {
        for (rate, left) in invoice.taxes.iter().zip(left(invoice, documents)) {
            let same = whole.iter().position(|one| one.is_like(rate));
            if let Some(missing) = same.and_then(|at| missing.get_mut(at)) {
                *missing = missing.less(left);
            }
        }
    }
    missing
}
