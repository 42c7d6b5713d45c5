//! Every query on `change`; `store` does the writing.

use domain::PageRequest;
use sqlx::PgConnection;

use super::list_changes::{ChangeRecord, ListChanges};

pub(super) async fn list(
    conn: &mut PgConnection,
    filter: &ListChanges,
    subject: Option<uuid::Uuid>,
) -> sqlx::Result<Vec<ChangeRecord>> {
    let page: PageRequest = filter.page;
    let (key, id) = page.after();
    sqlx::query_as!(
        ChangeRecord,
        r#"select id, at, kind, summary, operation, client, subject_kind || '_' || replace(subject_id::text, '-', '') as "subject!",
             coalesce(actor ->> 'token_id', actor ->> 'run_id', actor ->> 'user_id', 'system: ' || (actor ->> 'reason'),
               actor ->> 'type') as "actor!",
             actor ->> 'user_id' as on_behalf_of, payload
           from change
           where ($1::text is null or kind = $1 or kind like $1 || '.%')
             and ($2::text is null or subject_id = $3 or payload ->> 'event_id' = $2)
             and ($4::bigint is null or (at, id) < (timestamptz '1970-01-01 00:00:00Z' + $4 * interval '1 microsecond', $5))
           order by at desc, id desc limit $6"#,
        filter.kind,
        filter.subject,
        subject,
        key,
        id,
        page.fetch(),
    )
    .fetch_all(conn)
    .await
}
