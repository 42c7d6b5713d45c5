//! Every query on `venue`.

use domain::{Cx, PageRequest, Reference, Timestamp, VenueId};
use sqlx::PgConnection;

use super::model::Venue;
use crate::lookup::{Hit, LookupError, the_one};

/// The venue of an id, archived or not.
pub(crate) async fn get(conn: &mut PgConnection, id: VenueId) -> Result<Venue, LookupError> {
    let found = sqlx::query_as!(
        Venue,
        r#"select id, name, address, city, country, zone, capacity, notes, version, archived_at is not null as "is_archived!"
           from venue where id = $1"#,
        id as _
    )
    .fetch_optional(conn)
    .await?;
    found.ok_or_else(|| LookupError::NotFound {
        noun: "venue",
        given: id.to_string(),
        candidates: Vec::new(),
    })
}

/// The venue a caller means: by id, or by the exact name of one that is not archived.
pub(crate) async fn resolve(
    conn: &mut PgConnection,
    reference: &Reference<VenueId>,
) -> Result<Venue, LookupError> {
    let id = match reference {
        Reference::Id(id) => *id,
        Reference::Name(name) => {
            let hits = sqlx::query!(
                r#"select id, name, city, lower(name) = lower($1) as "exact!" from venue
                   where archived_at is null
                   order by similarity(search_form(name), search_form($1)) desc, name limit 5"#,
                name
            )
            .fetch_all(&mut *conn)
            .await?;
            let hits = hits.into_iter().map(|row| Hit {
                id: row.id,
                label: row
                    .city
                    .map_or(row.name.clone(), |city| format!("{}, {city}", row.name)),
                exact: row.exact,
            });
            the_one("venue", name, &hits.collect::<Vec<_>>())?
        }
    };
    get(conn, id).await
}

pub(super) async fn list(
    conn: &mut PgConnection,
    query: Option<&str>,
    page: PageRequest,
) -> sqlx::Result<Vec<Venue>> {
    let (_, after) = page.after();
    sqlx::query_as!(
        Venue,
        r#"select id, name, address, city, country, zone, capacity, notes, version, false as "is_archived!" from venue
         where archived_at is null
           and ($1::text is null or search_form(name || ' ' || coalesce(city, '')) like '%' || search_form($1) || '%'
                or word_similarity(search_form($1), search_form(name || ' ' || coalesce(city, ''))) > 0.5)
           and ($2::uuid is null or (lower(name), id) > (select lower(name), id from venue where id = $2))
         order by lower(name), id limit $3"#,
        query,
        after,
        page.fetch(),
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn insert(conn: &mut PgConnection, cx: &Cx, venue: &Venue) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into venue (organization_id, id, name, address, city, country, zone, capacity, notes, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
        cx.organization_id as _,
        venue.id as _,
        venue.name,
        venue.address,
        venue.city,
        venue.country,
        &venue.zone as _,
        venue.capacity,
        venue.notes,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes a venue over the version it was read at; returns whether that version was still the present one.
pub(super) async fn update(
    conn: &mut PgConnection,
    now: Timestamp,
    venue: &Venue,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update venue set name = $3, address = $4, city = $5, country = $6, zone = $7, capacity = $8, notes = $9,
           version = version + 1, updated_at = $10
         where id = $1 and version = $2 and archived_at is null",
        venue.id as _,
        venue.version,
        venue.name,
        venue.address,
        venue.city,
        venue.country,
        &venue.zone as _,
        venue.capacity,
        venue.notes,
        now as _,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn archive(
    conn: &mut PgConnection,
    id: VenueId,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update venue set archived_at = $2, version = version + 1, updated_at = $2 where id = $1 and archived_at is null",
        id as _,
        now as _
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
