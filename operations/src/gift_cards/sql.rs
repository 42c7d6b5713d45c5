//! Every query on `gift_card`.

use domain::{Currency, Cx, GiftCardId, LocalDate, PageRequest, Timestamp};
use sqlx::PgConnection;

use super::model::CardRow;

/// Selects cards as [`CardRow`]; the text behind it starts with `where`.
macro_rules! select_cards {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            CardRow,
            "select id, code_hash, ending, currency, issued_amount, balance, valid_until, is_blocked, note, created_at
             from gift_card " + $rest
            $(, $argument)*
        )
    };
}

/// The card of an id.
pub(super) async fn get(conn: &mut PgConnection, id: GiftCardId) -> sqlx::Result<Option<CardRow>> {
    select_cards!("where id = $1", id as _)
        .fetch_optional(conn)
        .await
}

/// The card whose code has a hash.
pub(super) async fn of_hash(
    conn: &mut PgConnection,
    hash: [u8; 32],
) -> sqlx::Result<Option<CardRow>> {
    select_cards!("where code_hash = $1", &hash[..])
        .fetch_optional(conn)
        .await
}

/// The card of an id, kept from others until the transaction ends.
pub(super) async fn lock(conn: &mut PgConnection, id: GiftCardId) -> sqlx::Result<CardRow> {
    select_cards!("where id = $1 for update", id as _)
        .fetch_one(conn)
        .await
}

/// Which cards are wanted.
pub(super) struct Filter {
    /// The last characters of a code, or part of a note.
    pub(super) query: Option<String>,
    /// Only those that can be used on this day.
    pub(super) usable_on: Option<LocalDate>,
    pub(super) page: PageRequest,
}

/// Cards, newest first.
pub(super) async fn list(conn: &mut PgConnection, filter: &Filter) -> sqlx::Result<Vec<CardRow>> {
    let (key, id) = filter.page.after();
    let key = key.map(Timestamp::from_microseconds);
    select_cards!(
        "where ($1::text is null or ending = upper($1) or position(lower($1) in lower(note)) > 0)
           and ($2::text is null or (not is_blocked and balance > 0 and (valid_until is null or valid_until >= $2)))
           and ($3::timestamptz is null or (created_at, id) < ($3, $4))
         order by created_at desc, id desc limit $5",
        filter.query.as_deref(),
        filter.usable_on as _,
        key as _,
        id,
        filter.page.fetch(),
    )
    .fetch_all(conn)
    .await
}

/// Whether any card in a currency can be used on a day.
pub(super) async fn is_any_active(
    conn: &mut PgConnection,
    currency: Currency,
    today: LocalDate,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from gift_card where currency = $1 and balance > 0 and not is_blocked
             and (valid_until is null or valid_until >= $2)) as "exists!""#,
        currency as _,
        today as _
    )
    .fetch_one(conn)
    .await
}

/// Adds cards that are alike but for their ids and codes.
pub(super) async fn insert(conn: &mut PgConnection, cx: &Cx, rows: &[CardRow]) -> sqlx::Result<()> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let ids: Vec<GiftCardId> = rows.iter().map(|row| row.id).collect();
    let hashes: Vec<Vec<u8>> = rows.iter().map(|row| row.code_hash.clone()).collect();
    let endings: Vec<String> = rows.iter().map(|row| row.ending.clone()).collect();
    sqlx::query!(
        "insert into gift_card (organization_id, id, code_hash, ending, currency, issued_amount, balance, valid_until, note,
           created_at, updated_at)
         select $1, id, code_hash, ending, $5, $6, $6, $7, $8, $9, $9
         from unnest($2::uuid[], $3::bytea[], $4::text[]) as new (id, code_hash, ending)",
        cx.organization_id as _,
        &ids as _,
        &hashes,
        &endings,
        first.currency as _,
        first.issued_amount,
        first.valid_until as _,
        first.note,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes what of a card, which is locked, can change.
pub(super) async fn update(conn: &mut PgConnection, cx: &Cx, row: &CardRow) -> sqlx::Result<()> {
    sqlx::query!(
        "update gift_card set valid_until = $2, is_blocked = $3, note = $4, updated_at = $5, version = version + 1
         where id = $1",
        row.id as _,
        row.valid_until as _,
        row.is_blocked,
        row.note,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes an amount from a card. Violates `gift_card_balance_not_negative` when less is left on it.
pub(super) async fn take(
    conn: &mut PgConnection,
    cx: &Cx,
    id: GiftCardId,
    amount: i64,
) -> sqlx::Result<()> {
    change_balance(conn, cx, id, -amount).await
}

/// Puts an amount back on a card.
pub(super) async fn put_back(
    conn: &mut PgConnection,
    cx: &Cx,
    id: GiftCardId,
    amount: i64,
) -> sqlx::Result<()> {
    change_balance(conn, cx, id, amount).await
}

async fn change_balance(
    conn: &mut PgConnection,
    cx: &Cx,
    id: GiftCardId,
    by: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update gift_card set balance = balance + $2, updated_at = $3, version = version + 1 where id = $1",
        id as _,
        by,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}
