//! Keeping documents up with money: what is invoiced and not credited is what was paid and not given back.

use domain::{InvoiceId, LocalDate, Money, OrderId};
use store::WriteTx;

use super::{
    changes::{CreditNoteIssued, InvoiceIssued},
    document::{self, Content},
    model::{InvoiceKind, InvoiceParty, InvoiceRow, Invoicing},
    sql,
};
use crate::{
    events,
    lookup::LookupError,
    orders::{
        model::{OrderRow, OrderStatus},
        sql as orders,
    },
};

/// Issues what is missing after money of an order, which is locked, has moved: its invoice when it is paid and the
/// organization issues them by itself; from then on a credit note for whatever goes back, and an invoice for what does not
/// go back after all. Called last in the transaction: whoever has the row of a series keeps others from issuing.
pub(in crate::orders) async fn keep_up(
    tx: &mut WriteTx<'_>,
    order_id: OrderId,
) -> Result<(), LookupError> {
    let documents = sql::of_order(tx.conn(), order_id).await?;
    if documents.is_empty() {
        let invoicing = sql::invoicing(tx.conn()).await?;
        let Some(invoicing) = invoicing.filter(|invoicing| invoicing.is_on) else {
            return Ok(());
        };
        let order = orders::get(tx.conn(), order_id).await?;
        if order.status == OrderStatus::Paid
            && order.total_amount > 0
            && kept(&order) == order.total_amount
        {
            issue(tx, &order, &invoicing, None).await?;
        }
        return Ok(());
    }
    let order = orders::get(tx.conn(), order_id).await?;
    let stands: i64 = documents.iter().map(InvoiceRow::left).sum();
    let kept = kept(&order);
    if stands > kept {
        // Not the reason of the refund: people write names there, and this stays for ever.
        let reason = Some("money was given back");
        credit(tx, &order, &documents, stands - kept, reason).await?;
    } else if stands == 0 && kept == order.total_amount && kept > 0 {
        // The order came back, or none of its money went back after all.
        let invoicing = set_up(tx, &documents).await?;
        issue(tx, &order, &invoicing, None).await?;
    } else if stands < kept {
        reinstate(tx, &order, &documents, kept - stands).await?;
    }
    Ok(())
}

/// Takes back the documents of an order, which is locked, and issues it anew, after something else than its money changed:
/// what was bought, or whom it is made out to. Gives the new invoice, if there is one. Called last in the transaction.
pub(in crate::orders) async fn reissue(
    tx: &mut WriteTx<'_>,
    order_id: OrderId,
    reason: &str,
) -> Result<Option<InvoiceId>, LookupError> {
    let documents = sql::of_order(tx.conn(), order_id).await?;
    let order = orders::get(tx.conn(), order_id).await?;
    let stands: i64 = documents.iter().map(InvoiceRow::left).sum();
    let mut new = None;
    if stands > 0 {
        credit(tx, &order, &documents, stands, Some(reason)).await?;
        if order.total_amount > 0 {
            let invoicing = set_up(tx, &documents).await?;
            new = Some(issue(tx, &order, &invoicing, Some(reason)).await?.id);
        }
    }
    keep_up(tx, order_id).await?;
    Ok(new)
}

/// What was paid for an order, up to what it costs, and not given back.
pub(super) fn kept(order: &OrderRow) -> i64 {
    (order.paid_amount - order.refunded_amount).min(order.total_amount)
}

/// Issues the invoice of an order, over all of it.
pub(super) async fn issue(
    tx: &mut WriteTx<'_>,
    order: &OrderRow,
    invoicing: &Invoicing,
    reason: Option<&str>,
) -> Result<InvoiceRow, LookupError> {
    let items = orders::items(tx.conn(), order.id).await?;
    let fees = orders::fees(tx.conn(), order.id).await?;
    let content = document::whole(order, &items, &fees);
    let buyer = sql::address(tx.conn(), order.id).await?;
    let buyer = buyer.unwrap_or_else(|| InvoiceParty {
        name: order.buyer_name.clone(),
        address: None,
        tax_id: None,
    });
    let new = New {
        of: None,
        invoicing,
        buyer,
        content,
        reason,
    };
    add(tx, order, new).await
}

/// Takes so much back of the invoices that stand, the newest first.
pub(super) async fn credit(
    tx: &mut WriteTx<'_>,
    order: &OrderRow,
    documents: &[InvoiceRow],
    mut amount: i64,
    reason: Option<&str>,
) -> Result<(), LookupError> {
    let invoicing = set_up(tx, documents).await?;
    for invoice in documents
        .iter()
        .rev()
        .filter(|document| document.left() > 0)
    {
        let part = invoice.left().min(amount);
        if part == 0 {
            break;
        }
        let content = if part == invoice.amounts.gross {
            Content {
                lines: invoice.lines.clone(),
                taxes: invoice.taxes.clone(),
            }
        } else {
            let left = document::left(invoice, documents);
            document::part(part, &invoice.taxes, &left, "Given back")
        };
        let new = New {
            of: Some(invoice),
            invoicing: &invoicing,
            buyer: invoice.buyer.clone(),
            content,
            reason,
        };
        add(tx, order, new).await?;
        amount -= part;
    }
    Ok(())
}

/// Invoices again what was credited and did not go back after all.
async fn reinstate(
    tx: &mut WriteTx<'_>,
    order: &OrderRow,
    documents: &[InvoiceRow],
    amount: i64,
) -> Result<(), LookupError> {
    let invoicing = set_up(tx, documents).await?;
    let Some(last) = documents
        .iter()
        .rev()
        .find(|d| d.kind == InvoiceKind::Invoice)
    else {
        return Ok(());
    };
    let items = orders::items(tx.conn(), order.id).await?;
    let fees = orders::fees(tx.conn(), order.id).await?;
    let whole = document::whole(order, &items, &fees).taxes;
    let missing = document::missing(&whole, documents);
    let new = New {
        of: None,
        invoicing: &invoicing,
        buyer: last.buyer.clone(),
        content: document::part(amount, &whole, &missing, "Not given back after all"),
        reason: Some("a refund that was credited failed"),
    };
    add(tx, order, new).await?;
    Ok(())
}

/// How the organization issues invoices now; as it did before when nothing is said any more.
async fn set_up(tx: &mut WriteTx<'_>, documents: &[InvoiceRow]) -> Result<Invoicing, LookupError> {
    let invoicing = sql::invoicing(tx.conn()).await?;
    // Nobody can take it back once it is set up, and without it there are no documents.
    invoicing.ok_or_else(|| {
        debug_assert!(documents.is_empty());
        LookupError::from(sqlx::Error::RowNotFound)
    })
}

/// A document that is ready to be numbered.
struct New<'a> {
    /// The invoice that it credits.
    of: Option<&'a InvoiceRow>,
    invoicing: &'a Invoicing,
    buyer: InvoiceParty,
    content: Content,
    reason: Option<&'a str>,
}

async fn add(
    tx: &mut WriteTx<'_>,
    order: &OrderRow,
    new: New<'_>,
) -> Result<InvoiceRow, LookupError> {
    let cx = tx.cx();
    let event = events::get(tx.conn(), cx, order.event_id).await?;
    let issued_on = LocalDate::from(cx.now.in_zone(&event.zone)).to_string();
    let prefix = match new.of {
        None => &new.invoicing.invoice_prefix,
        Some(_) => &new.invoicing.credit_prefix,
    };
    let prefix = prefix.replace("{year}", &issued_on[..4]);
    let sequence = sql::next(tx.conn(), cx, &prefix).await?;
    let amounts = document::total(&new.content.taxes);
    let mut row = InvoiceRow {
        id: cx.new_id::<InvoiceId>(),
        order_id: order.id,
        event_id: order.event_id,
        kind: if new.of.is_some() {
            InvoiceKind::CreditNote
        } else {
            InvoiceKind::Invoice
        },
        invoice_id: new.of.map(|of| of.id),
        of_invoice: new.of.map(|of| of.number.clone()),
        number: String::new(),
        issued_at: cx.now,
        issued_on,
        supplied_on: LocalDate::from(event.starts).to_string(),
        currency: order.currency,
        amounts,
        order_number: order.number.clone(),
        event_title: order.event_title.clone(),
        seller: new.invoicing.seller.clone(),
        buyer: new.buyer,
        lines: new.content.lines,
        taxes: new.content.taxes,
        reason: new.reason.map(ToOwned::to_owned),
        credited_amount: 0,
    };
    row.number = sql::insert(tx.conn(), cx, &row, &prefix, sequence).await?;
    record(tx, &row);
    Ok(row)
}

fn record(tx: &mut WriteTx<'_>, row: &InvoiceRow) {
    let money = |amount| Money::new(amount, row.currency);
    let (gross, tax) = (money(row.amounts.gross), money(row.amounts.tax));
    let (number, order_number) = (row.number.clone(), row.order_number.clone());
    match row.of_invoice.clone() {
        None => tx.also(&InvoiceIssued {
            invoice_id: row.id,
            order_id: row.order_id,
            event_id: row.event_id,
            number,
            order_number,
            gross,
            tax,
        }),
        Some(of_invoice) => tx.also(&CreditNoteIssued {
            invoice_id: row.id,
            order_id: row.order_id,
            event_id: row.event_id,
            number,
            order_number,
            of_invoice,
            gross,
            tax,
        }),
    }
}
