//! Every query on `event` and `series`.

use domain::{Currency, Cx, EventId, PageRequest, Reference, SeriesId, Timestamp, VenueId};
use sqlx::PgConnection;

use super::{
    model::{Event, EventFormat, EventRow, StoredStatus},
    schedule::Schedule,
};
use crate::{
    App, buyers,
    lookup::{Hit, LookupError, the_one},
    organizations,
};

/// Selects events as [`EventRow`]; the text behind it starts with `where`.
macro_rules! select_events {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            EventRow,
            r#"select event.id, event.slug, event.title, event.summary, event.description,
                 event.status as "status: StoredStatus", event.format, event.venue_id,
                 venue.name as "venue_name?", venue.city as "venue_city?", venue.capacity as "venue_capacity?",
                 event.online_url, event.starts_local, event.ends_local, event.zone, event.starts_at, event.ends_at,
                 event.currency, event.series_id, event.source_id, event.version, event.published_at,
                 event.cancelled_at, event.cancellation_reason, event.has_waiting_room
               from event left join venue on venue.id = event.venue_id "# + $rest
            $(, $argument)*
        )
    };
}

/// The event of an id.
pub(crate) async fn get(
    conn: &mut PgConnection,
    cx: &Cx,
    id: EventId,
) -> Result<Event, LookupError> {
    let found = select_events!("where event.id = $1", id as _)
        .fetch_optional(conn)
        .await?;
    let event = found
        .map(|row| row.seen(cx))
        .filter(|event| shows(cx, event));
    event.ok_or_else(|| missing(&id.to_string()))
}

fn missing(given: &str) -> LookupError {
    LookupError::NotFound {
        noun: "event",
        given: given.to_owned(),
        candidates: Vec::new(),
    }
}

/// Whether an event is there for whoever asks.
pub(crate) fn shows(cx: &Cx, event: &Event) -> bool {
    buyers::shows_event(cx, event.status, event.published_at.is_some())
}

/// The event a caller means: by id, slug or exact title. A title several events share is asked about.
pub(crate) async fn resolve(
    conn: &mut PgConnection,
    cx: &Cx,
    reference: &Reference<EventId>,
) -> Result<Event, LookupError> {
    let name = match reference {
        Reference::Id(id) => return get(conn, cx, *id).await,
        Reference::Name(name) => name,
    };
    // Most names are slugs, and a slug needs no search.
    let by_slug = select_events!("where event.slug = lower($1)", name)
        .fetch_optional(&mut *conn)
        .await?;
    let by_slug = by_slug.map(|row| row.seen(cx));
    if let Some(event) = by_slug.filter(|event| shows(cx, event)) {
        return Ok(event);
    }
    if !buyers::may_search(cx) {
        return Err(missing(name));
    }
    let id = find(conn, cx, name).await?;
    get(conn, cx, id).await
}

/// The id of the event a caller means, which an id itself needs no search for: it may be one of no event.
pub(crate) async fn id_of(
    app: &App,
    cx: &Cx,
    reference: &Reference<EventId>,
) -> Result<EventId, LookupError> {
    match reference {
        Reference::Id(id) => Ok(*id),
        Reference::Name(_) => {
            let mut tx = app.store().read(cx).await?;
            Ok(resolve(tx.conn(), cx, reference).await?.id)
        }
    }
}

/// Like [`resolve`], and holds the event's row until the transaction ends.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    cx: &Cx,
    reference: &Reference<EventId>,
) -> Result<Event, LookupError> {
    let event = resolve(conn, cx, reference).await?;
    sqlx::query!(
        "select id from event where id = $1 for update",
        event.id as _
    )
    .fetch_optional(&mut *conn)
    .await?;
    get(conn, cx, event.id).await
}

/// Like [`resolve`], and keeps the event from being changed or cancelled until the transaction ends. Many
/// transactions share it, so it does not slow the sale.
pub(crate) async fn share(
    conn: &mut PgConnection,
    cx: &Cx,
    reference: &Reference<EventId>,
) -> Result<Event, LookupError> {
    let id = match reference {
        Reference::Id(id) => *id,
        Reference::Name(_) => resolve(conn, cx, reference).await?.id,
    };
    sqlx::query!("select id from event where id = $1 for share", id as _)
        .fetch_optional(&mut *conn)
        .await?;
    get(conn, cx, id).await
}

/// The event of a title that is no event's slug.
async fn find(conn: &mut PgConnection, cx: &Cx, name: &str) -> Result<EventId, LookupError> {
    let hits = sqlx::query!(
        r#"select id, title, starts_local, search_form(title) = search_form($1) as "exact!"
           from event
           where search_text % search_form($1) or search_text like '%' || search_form($1) || '%'
           order by (search_form(title) = search_form($1)) desc, word_similarity(search_form($1), search_text) desc,
             (status in ('draft', 'published') and ends_at > $2) desc, abs(extract(epoch from starts_at - $2))
           limit 6"#,
        name,
        cx.now as _,
    )
    .fetch_all(conn)
    .await?;
    let hits = hits.into_iter().map(|row| Hit {
        id: row.id,
        label: format!("{}, {}", row.title, row.starts_local.readable()),
        exact: row.exact,
    });
    // The sixth only tells that there are more.
    let hits = hits.enumerate().filter(|(n, hit)| *n < 5 || hit.exact);
    the_one("event", name, &hits.map(|(_, hit)| hit).collect::<Vec<_>>())
}

/// Which events are wanted.
pub(super) struct Filter<'a> {
    pub(super) query: Option<&'a str>,
    pub(super) status: Option<&'a str>,
    pub(super) venue_id: Option<VenueId>,
    pub(super) series_id: Option<SeriesId>,
    pub(super) from: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
    pub(super) newest_first: bool,
    pub(super) page: PageRequest,
}

pub(super) async fn list(
    conn: &mut PgConnection,
    cx: &Cx,
    filter: &Filter<'_>,
) -> sqlx::Result<Vec<Event>> {
    let (key, id) = filter.page.after();
    let key = key.map(Timestamp::from_microseconds);
    let rows = select_events!(
        "where ($1::text is null or event.search_text like '%' || search_form($1) || '%'
                or word_similarity(search_form($1), event.search_text) > 0.5)
           and case $2::text
                 when 'published' then event.status = 'published' and event.ends_at > $3
                 when 'ended' then event.status = 'published' and event.ends_at <= $3
                 else $2 is null and event.status <> 'archived' or event.status = $2 end
           and ($4::uuid is null or event.venue_id = $4)
           and ($5::uuid is null or event.series_id = $5)
           and ($6::timestamptz is null or event.ends_at > $6)
           and ($7::timestamptz is null or event.starts_at < $7)
           and ($8::timestamptz is null
                or case when $10 then (event.starts_at, event.id) < ($8, $9) else (event.starts_at, event.id) > ($8, $9) end)
         order by case when $10 then event.starts_at end desc, case when $10 then event.id end desc,
           event.starts_at, event.id
         limit $11",
        filter.query,
        filter.status,
        cx.now as _,
        filter.venue_id as _,
        filter.series_id as _,
        filter.from as _,
        filter.until as _,
        key as _,
        id,
        filter.newest_first,
        filter.page.fetch(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.seen(cx)).collect())
}

/// The events that are published.
pub(crate) async fn published(conn: &mut PgConnection) -> sqlx::Result<Vec<EventId>> {
    sqlx::query_scalar!(r#"select id as "id: EventId" from event where status = 'published'"#)
        .fetch_all(conn)
        .await
}

/// Every event, whatever its state.
#[cfg(any(test, feature = "testing"))]
pub(crate) async fn all(conn: &mut PgConnection) -> sqlx::Result<Vec<EventId>> {
    sqlx::query_scalar("select id from event")
        .fetch_all(conn)
        .await
}

/// Events at a venue that overlap a time, without drafts of other organizers' business: titles only.
pub(crate) async fn overlapping(
    conn: &mut PgConnection,
    venue_id: VenueId,
    schedule: &Schedule,
    except: Option<EventId>,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        "select title from event
         where venue_id = $1 and status in ('draft', 'published') and starts_at < $3 and ends_at > $2
           and ($4::uuid is null or id <> $4)
         order by starts_at limit 5",
        venue_id as _,
        schedule.starts_at as _,
        schedule.ends_at as _,
        except as _,
    )
    .fetch_all(conn)
    .await
}

/// A slug that is free: the wanted one, or the same with a number behind it.
pub(crate) async fn free_slug(conn: &mut PgConnection, text: &str) -> sqlx::Result<String> {
    let form = organizations::slug_form(conn, text).await?;
    let base = if form.is_empty() {
        "event".to_owned()
    } else {
        form
    };
    let taken = sqlx::query_scalar!(
        "select slug from event where slug = $1 or slug like $1 || '-%'",
        base
    )
    .fetch_all(conn)
    .await?;
    if !taken.contains(&base) {
        return Ok(base);
    }
    // One more than are taken, so one of them is free.
    let mut numbered = (2..=taken.len() + 2).map(|n| format!("{base}-{n}"));
    let free = numbered.find(|slug| !taken.contains(slug));
    Ok(free.expect("more numbers are tried than slugs are taken"))
}

/// What a new row of `event` needs.
pub(crate) struct NewEvent {
    pub(crate) id: EventId,
    pub(crate) slug: String,
    pub(crate) title: String,
    pub(crate) summary: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) format: EventFormat,
    pub(crate) venue_id: Option<VenueId>,
    pub(crate) online_url: Option<String>,
    pub(crate) schedule: Schedule,
    pub(crate) currency: Currency,
    pub(crate) series_id: Option<SeriesId>,
    pub(crate) source_id: Option<EventId>,
}

/// Adds an event as a draft. Violates `event_slug_key` when the slug is taken.
pub(crate) async fn insert(conn: &mut PgConnection, cx: &Cx, event: &NewEvent) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into event (organization_id, id, slug, title, summary, description, status, format, venue_id, online_url,
           starts_local, ends_local, zone, starts_at, ends_at, currency, series_id, source_id, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, 'draft', $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $18)",
        cx.organization_id as _,
        event.id as _,
        event.slug,
        event.title,
        event.summary,
        event.description,
        event.format as _,
        event.venue_id as _,
        event.online_url,
        event.schedule.starts as _,
        event.schedule.ends as _,
        &event.schedule.zone as _,
        event.schedule.starts_at as _,
        event.schedule.ends_at as _,
        event.currency as _,
        event.series_id as _,
        event.source_id as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds a series and makes an event its first date.
pub(crate) async fn insert_series(
    conn: &mut PgConnection,
    cx: &Cx,
    id: SeriesId,
    first: &Event,
    rule: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into series (organization_id, id, title, rule, created_at) values ($1, $2, $3, $4, $5)",
        cx.organization_id as _,
        id as _,
        first.title,
        rule,
        cx.now as _,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update event set series_id = $2, version = version + 1, updated_at = $3 where id = $1",
        first.id as _,
        id as _,
        cx.now as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the details of an event over the version it was read at; returns whether that was still the present one.
pub(crate) async fn update(conn: &mut PgConnection, cx: &Cx, event: &Event) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update event set slug = $3, title = $4, summary = $5, description = $6, format = $7, venue_id = $8,
           online_url = $9, starts_local = $10, ends_local = $11, zone = $12, starts_at = $13, ends_at = $14,
           currency = $15, version = version + 1, updated_at = $16
         where id = $1 and version = $2",
        event.id as _,
        event.version,
        event.slug,
        event.title,
        event.summary,
        event.description,
        event.format as _,
        event.venue.as_ref().map(|v| v.id) as _,
        event.online_url,
        event.starts as _,
        event.ends as _,
        &event.zone as _,
        event.starts_at as _,
        event.ends_at as _,
        event.currency as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether anything is priced in the event's currency yet.
pub(crate) async fn has_prices(conn: &mut PgConnection, id: EventId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from ticket_type where event_id = $1) as "exists!""#,
        id as _
    )
    .fetch_one(conn)
    .await
}

/// A move to another stored state.
pub(crate) enum StatusMove<'a> {
    /// On sale from now on.
    Publish,
    /// Will not take place.
    Cancel(Option<&'a str>),
    /// Put away.
    Archive,
    /// Back to a draft.
    Unpublish,
}

/// Moves an event that is locked to another state.
pub(crate) async fn set_status(
    conn: &mut PgConnection,
    cx: &Cx,
    id: EventId,
    to: StatusMove<'_>,
) -> sqlx::Result<()> {
    let (status, reason) = match to {
        StatusMove::Publish => (StoredStatus::Published, None),
        StatusMove::Cancel(reason) => (StoredStatus::Cancelled, reason),
        StatusMove::Archive => (StoredStatus::Archived, None),
        StatusMove::Unpublish => (StoredStatus::Draft, None),
    };
    sqlx::query!(
        "update event set status = $2, version = version + 1, updated_at = $3,
           published_at = case when $2 = 'published' then $3 else published_at end,
           cancelled_at = case when $2 = 'cancelled' then $3 else cancelled_at end,
           cancellation_reason = coalesce($4, cancellation_reason)
         where id = $1",
        id as _,
        status as _,
        cx.now as _,
        reason,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Turns the waiting room of an event, which is locked, on or off.
pub(crate) async fn set_waiting_room(
    conn: &mut PgConnection,
    id: EventId,
    is_on: bool,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update event set has_waiting_room = $2 where id = $1",
        id as _,
        is_on
    )
    .execute(conn)
    .await?;
    Ok(())
}
