//! Every query on `invoicing`, `invoice_series`, `invoice_address`, `invoice` and `invoice_balance`.

use domain::{
    Currency, Cx, EventId, InvoiceId, OrderId, PageRequest, Reference, Taxed, Timestamp, Untrusted,
};
use sqlx::{PgConnection, types::Json};

use super::model::{InvoiceKind, InvoiceLine, InvoiceParty, InvoiceRow, Invoicing, Seller};
use crate::{lookup::LookupError, taxes::TaxAmount};

/// How the organization issues invoices, if it has said so.
pub(super) async fn invoicing(conn: &mut PgConnection) -> sqlx::Result<Option<Invoicing>> {
    let row = sqlx::query!(
        "select is_on, legal_name, address, tax_id, invoice_prefix, credit_prefix from invoicing"
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Invoicing {
        is_on: row.is_on,
        seller: Seller {
            legal_name: row.legal_name,
            address: row.address,
            tax_id: row.tax_id,
        },
        invoice_prefix: row.invoice_prefix,
        credit_prefix: row.credit_prefix,
    }))
}

/// Writes how the organization issues invoices.
pub(super) async fn save_invoicing(
    conn: &mut PgConnection,
    cx: &Cx,
    invoicing: &Invoicing,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into invoicing (organization_id, is_on, legal_name, address, tax_id, invoice_prefix, credit_prefix, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict on constraint invoicing_pkey do update set is_on = excluded.is_on, legal_name = excluded.legal_name,
           address = excluded.address, tax_id = excluded.tax_id, invoice_prefix = excluded.invoice_prefix,
           credit_prefix = excluded.credit_prefix, version = invoicing.version + 1, updated_at = excluded.updated_at",
        cx.organization_id as _,
        invoicing.is_on,
        invoicing.seller.legal_name,
        invoicing.seller.address,
        invoicing.seller.tax_id,
        invoicing.invoice_prefix,
        invoicing.credit_prefix,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whom an order's invoice is made out to, if that was said.
pub(super) async fn address(
    conn: &mut PgConnection,
    order_id: OrderId,
) -> sqlx::Result<Option<InvoiceParty>> {
    let row = sqlx::query!(
        r#"select name as "name: Untrusted", address as "address: Untrusted", tax_id as "tax_id: Untrusted"
           from invoice_address where order_id = $1"#,
        order_id as _
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| InvoiceParty {
        name: row.name,
        address: Some(row.address),
        tax_id: row.tax_id,
    }))
}

/// Writes whom an order's invoice is made out to.
pub(super) async fn save_address(
    conn: &mut PgConnection,
    cx: &Cx,
    order_id: OrderId,
    party: &InvoiceParty,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into invoice_address (organization_id, order_id, name, address, tax_id, updated_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict on constraint invoice_address_pkey do update set name = excluded.name, address = excluded.address,
           tax_id = excluded.tax_id, updated_at = excluded.updated_at",
        cx.organization_id as _,
        order_id as _,
        party.name.as_str(),
        party.address.as_ref().map_or("", Untrusted::as_str),
        party.tax_id.as_ref().map(Untrusted::as_str),
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The next number of a series, which nobody else gets until this transaction ends.
pub(super) async fn next(conn: &mut PgConnection, cx: &Cx, prefix: &str) -> sqlx::Result<i32> {
    sqlx::query_scalar!(
        "insert into invoice_series (organization_id, prefix, last_number) values ($1, $2, 1)
         on conflict on constraint invoice_series_pkey do update set last_number = invoice_series.last_number + 1
         returning last_number",
        cx.organization_id as _,
        prefix,
    )
    .fetch_one(conn)
    .await
}

/// Adds a document under a number of its series; how that reads.
pub(super) async fn insert(
    conn: &mut PgConnection,
    cx: &Cx,
    row: &InvoiceRow,
    prefix: &str,
    sequence: i32,
) -> sqlx::Result<String> {
    let number = sqlx::query_scalar!(
        "insert into invoice (organization_id, id, order_id, event_id, kind, invoice_id, prefix, sequence, issued_at, issued_on,
           supplied_on, currency, net_amount, tax_amount, gross_amount, order_number, event_title, seller, buyer, lines, taxes,
           reason)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::date, $11::text::date, $12, $13, $14, $15, $16, $17, $18, $19,
                 $20, $21, $22)
         returning number",
        cx.organization_id as _,
        row.id as _,
        row.order_id as _,
        row.event_id as _,
        row.kind as _,
        row.invoice_id as _,
        prefix,
        sequence,
        row.issued_at as _,
        row.issued_on,
        row.supplied_on,
        row.currency as _,
        row.amounts.net,
        row.amounts.tax,
        row.amounts.gross,
        row.order_number,
        row.event_title,
        Json(&row.seller) as _,
        Json(&row.buyer) as _,
        Json(&row.lines) as _,
        Json(&row.taxes) as _,
        row.reason,
    )
    .fetch_one(conn)
    .await?;
    Ok(number)
}

/// Selects documents as [`InvoiceRow`]; the text behind it starts with `where`.
macro_rules! select_invoices {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query!(
            r#"select i.id as "id: InvoiceId", i.order_id as "order_id: OrderId", i.event_id as "event_id: EventId",
                 i.kind as "kind: InvoiceKind", i.invoice_id as "invoice_id: InvoiceId",
                 (select number from invoice where id = i.invoice_id) as of_invoice, i.number as "number!",
                 i.issued_at as "issued_at: Timestamp", i.issued_on::text as "issued_on!", i.supplied_on::text as "supplied_on!",
                 i.currency as "currency: Currency", i.net_amount, i.tax_amount, i.gross_amount, i.order_number, i.event_title,
                 i.seller as "seller: Json<Seller>", i.buyer as "buyer: Json<InvoiceParty>",
                 i.lines as "lines: Json<Vec<InvoiceLine>>", i.taxes as "taxes: Json<Vec<TaxAmount>>", i.reason,
                 coalesce(b.credited_amount, 0) as "credited_amount!"
               from invoice i left join invoice_balance b on b.invoice_id = i.id "# + $rest
            $(, $argument)*
        )
        .map(|row| InvoiceRow {
            id: row.id,
            order_id: row.order_id,
            event_id: row.event_id,
            kind: row.kind,
            invoice_id: row.invoice_id,
            of_invoice: row.of_invoice,
            number: row.number,
            issued_at: row.issued_at,
            issued_on: row.issued_on,
            supplied_on: row.supplied_on,
            currency: row.currency,
            amounts: Taxed {
                net: row.net_amount,
                tax: row.tax_amount,
                gross: row.gross_amount,
            },
            order_number: row.order_number,
            event_title: row.event_title,
            seller: row.seller.0,
            buyer: row.buyer.0,
            lines: row.lines.0,
            taxes: row.taxes.0,
            reason: row.reason,
            credited_amount: row.credited_amount,
        })
    };
}

/// The documents of an order, oldest first.
pub(super) async fn of_order(
    conn: &mut PgConnection,
    order_id: OrderId,
) -> sqlx::Result<Vec<InvoiceRow>> {
    select_invoices!(
        "where i.order_id = $1 order by i.issued_at, i.id",
        order_id as _
    )
    .fetch_all(conn)
    .await
}

/// The document a caller means: by id or number.
pub(super) async fn resolve(
    conn: &mut PgConnection,
    reference: &Reference<InvoiceId>,
) -> Result<InvoiceRow, LookupError> {
    let (id, number) = match reference {
        Reference::Id(id) => (Some(*id), None),
        Reference::Name(number) => (None, Some(number.as_str())),
    };
    let found = select_invoices!(
        "where i.id = $1 or lower(i.number) = lower($2)",
        id as _,
        number
    )
    .fetch_optional(conn)
    .await?;
    found.ok_or_else(|| LookupError::NotFound {
        noun: "invoice",
        given: reference.to_string(),
        candidates: Vec::new(),
    })
}

/// Documents, newest first.
pub(super) async fn list(
    conn: &mut PgConnection,
    (order_id, event_id): (Option<OrderId>, Option<EventId>),
    kind: Option<InvoiceKind>,
    page: PageRequest,
) -> sqlx::Result<Vec<InvoiceRow>> {
    let (key, id) = page.after();
    let key = key.map(Timestamp::from_microseconds);
    select_invoices!(
        "where ($1::uuid is null or i.order_id = $1) and ($2::uuid is null or i.event_id = $2)
           and ($3::text is null or i.kind = $3)
           and ($4::timestamptz is null or (i.issued_at, i.id) < ($4, $5))
         order by i.issued_at desc, i.id desc limit $6",
        order_id as _,
        event_id as _,
        kind as _,
        key as _,
        id,
        page.fetch(),
    )
    .fetch_all(conn)
    .await
}
