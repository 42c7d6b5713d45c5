//! Every query on `promo_code` but those on its counters, and on `promo_code_ticket_type`.

use domain::{
    Cx, EventId, LocalTime, PageRequest, PromoCodeId, Reference, TicketTypeId, Timestamp,
};
use sqlx::PgConnection;

use super::{
    errors::SavePromoCodeError,
    model::{self, CodeRow},
};

/// Selects promo codes as [`CodeRow`]; the text behind it starts with `where`.
macro_rules! select_codes {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            CodeRow,
            r#"select c.id, c.event_id, c.code, c.effect, c.percent, c.amount, event.currency, c.unlocks_hidden,
                 c.max_uses, c.held_count, c.used_count, c.valid_from_local, c.valid_until_local, c.valid_from_at,
                 c.valid_until_at, c.version, c.created_at, c.archived_at is not null as "is_archived!",
                 array(select a.ticket_type_id from promo_code_ticket_type a where a.promo_code_id = c.id
                       order by a.ticket_type_id) as "ticket_type_ids!: Vec<TicketTypeId>",
                 array(select t.name from promo_code_ticket_type a join ticket_type t on t.id = a.ticket_type_id
                       where a.promo_code_id = c.id order by a.ticket_type_id) as "ticket_type_names!: Vec<String>"
               from promo_code c join event on event.id = c.event_id "# + $rest
            $(, $argument)*
        )
    };
}

/// The codes of an event, in their normal form, that are not archived.
pub(super) async fn of_codes(
    conn: &mut PgConnection,
    event_id: EventId,
    codes: &[String],
) -> sqlx::Result<Vec<CodeRow>> {
    select_codes!(
        "where c.event_id = $1 and c.code = any($2) and c.archived_at is null",
        event_id as _,
        codes
    )
    .fetch_all(conn)
    .await
}

/// The promo code of an event that an organizer means, unless it is archived.
pub(super) async fn resolve(
    conn: &mut PgConnection,
    event_id: EventId,
    reference: &Reference<PromoCodeId>,
) -> Result<CodeRow, SavePromoCodeError> {
    let found = resolve_any(conn, event_id, reference).await?;
    if found.is_archived {
        return Err(SavePromoCodeError::missing(reference));
    }
    Ok(found)
}

/// Like [`resolve`], but by its id an archived one is found, too.
pub(super) async fn resolve_any(
    conn: &mut PgConnection,
    event_id: EventId,
    reference: &Reference<PromoCodeId>,
) -> Result<CodeRow, SavePromoCodeError> {
    let found = match reference {
        Reference::Id(id) => {
            select_codes!(
                "where c.event_id = $1 and c.id = $2",
                event_id as _,
                *id as _
            )
            .fetch_optional(conn)
            .await?
        }
        Reference::Name(code) => {
            let codes = [model::normal(code)];
            of_codes(conn, event_id, &codes).await?.pop()
        }
    };
    found.ok_or_else(|| SavePromoCodeError::missing(reference))
}

/// Which codes are wanted.
pub(super) struct Filter {
    pub(super) event_id: EventId,
    /// Part of a code, in its normal form.
    pub(super) query: Option<String>,
    pub(super) archived: bool,
    pub(super) page: PageRequest,
}

/// Promo codes, newest first.
pub(super) async fn list(conn: &mut PgConnection, filter: &Filter) -> sqlx::Result<Vec<CodeRow>> {
    let (key, id) = filter.page.after();
    let key = key.map(Timestamp::from_microseconds);
    select_codes!(
        "where c.event_id = $1 and ($2 or c.archived_at is null)
           and ($3::text is null or position($3 in c.code) > 0)
           and ($4::timestamptz is null or (c.created_at, c.id) < ($4, $5))
         order by c.created_at desc, c.id desc limit $6",
        filter.event_id as _,
        filter.archived,
        filter.query.as_deref(),
        key as _,
        id,
        filter.page.fetch(),
    )
    .fetch_all(conn)
    .await
}

/// How many codes of an event were made since a time.
pub(super) async fn made_since(
    conn: &mut PgConnection,
    event_id: EventId,
    since: Timestamp,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from promo_code where event_id = $1 and created_at > $2"#,
        event_id as _,
        since as _
    )
    .fetch_one(conn)
    .await
}

/// Whether a code of an event says an amount, which is in the event's currency.
pub(crate) async fn has_amounts(conn: &mut PgConnection, event_id: EventId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from promo_code where event_id = $1 and amount is not null) as "exists!""#,
        event_id as _
    )
    .fetch_one(conn)
    .await
}

/// Adds promo codes of one event that do the same. Violates `promo_code_code_key` when it has one of them.
pub(super) async fn insert(conn: &mut PgConnection, cx: &Cx, rows: &[CodeRow]) -> sqlx::Result<()> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let ids: Vec<PromoCodeId> = rows.iter().map(|row| row.id).collect();
    let codes: Vec<String> = rows.iter().map(|row| row.code.clone()).collect();
    sqlx::query!(
        "insert into promo_code (organization_id, id, event_id, code, effect, percent, amount, unlocks_hidden, max_uses,
           valid_from_local, valid_until_local, valid_from_at, valid_until_at, created_at, updated_at)
         select $1, id, $2, code, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14
         from unnest($3::uuid[], $4::text[]) as new (id, code)",
        cx.organization_id as _,
        first.event_id as _,
        &ids as _,
        &codes,
        first.effect as _,
        first.percent,
        first.amount,
        first.unlocks_hidden,
        first.max_uses,
        first.valid_from_local as _,
        first.valid_until_local as _,
        first.valid_from_at as _,
        first.valid_until_at as _,
        cx.now as _,
    )
    .execute(&mut *conn)
    .await?;
    insert_ticket_types(conn, cx, first, &ids).await
}

/// Lets codes apply to the ticket types of one of them.
async fn insert_ticket_types(
    conn: &mut PgConnection,
    cx: &Cx,
    row: &CodeRow,
    ids: &[PromoCodeId],
) -> sqlx::Result<()> {
    if row.ticket_type_ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into promo_code_ticket_type (organization_id, event_id, promo_code_id, ticket_type_id)
         select $1, $2, code.id, kind.id from unnest($3::uuid[]) as code (id), unnest($4::uuid[]) as kind (id)",
        cx.organization_id as _,
        row.event_id as _,
        ids as _,
        &row.ticket_type_ids as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets a code, whose event is locked, apply to other ticket types than before.
pub(super) async fn set_ticket_types(
    conn: &mut PgConnection,
    cx: &Cx,
    row: &CodeRow,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from promo_code_ticket_type where promo_code_id = $1",
        row.id as _
    )
    .execute(&mut *conn)
    .await?;
    insert_ticket_types(conn, cx, row, &[row.id]).await
}

/// Writes a code whose event is locked, but for its text and its counters.
pub(super) async fn update(conn: &mut PgConnection, cx: &Cx, row: &CodeRow) -> sqlx::Result<()> {
    sqlx::query!(
        "update promo_code set effect = $2, percent = $3, amount = $4, unlocks_hidden = $5, max_uses = $6,
           valid_from_local = $7, valid_until_local = $8, valid_from_at = $9, valid_until_at = $10,
           version = version + 1, updated_at = $11
         where id = $1",
        row.id as _,
        row.effect as _,
        row.percent,
        row.amount,
        row.unlocks_hidden,
        row.max_uses,
        row.valid_from_local as _,
        row.valid_until_local as _,
        row.valid_from_at as _,
        row.valid_until_at as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Withdraws a code.
pub(super) async fn archive(conn: &mut PgConnection, cx: &Cx, id: PromoCodeId) -> sqlx::Result<()> {
    sqlx::query!(
        "update promo_code set archived_at = $2, version = version + 1, updated_at = $2
         where id = $1 and archived_at is null",
        id as _,
        cx.now as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The times of an event's codes as the clock shows them, archived ones too: id, from, until.
pub(super) async fn windows(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<Vec<(PromoCodeId, Option<LocalTime>, Option<LocalTime>)>> {
    let rows = sqlx::query!(
        "select id, valid_from_local, valid_until_local from promo_code
         where event_id = $1 and (valid_from_local is not null or valid_until_local is not null)",
        event_id as _
    )
    .fetch_all(conn)
    .await?;
    let windows = rows
        .into_iter()
        .map(|row| (row.id, row.valid_from_local, row.valid_until_local));
    Ok(windows.collect())
}

/// Writes the instants of a code's times, which stay on the clock.
pub(super) async fn set_instants(
    conn: &mut PgConnection,
    cx: &Cx,
    id: PromoCodeId,
    from_at: Option<Timestamp>,
    until_at: Option<Timestamp>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update promo_code set valid_from_at = $2, valid_until_at = $3, version = version + 1, updated_at = $4
         where id = $1",
        id as _,
        from_at as _,
        until_at as _,
        cx.now as _
    )
    .execute(conn)
    .await?;
    Ok(())
}
