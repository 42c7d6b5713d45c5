//! Every query on `workflow`, `workflow_version` and `workflow_trigger`.

use domain::{Cx, OrganizationId, Timestamp, UserId, WorkflowId, Zone};
use sqlx::PgConnection;

use super::{
    model::{Stored, WorkflowSource},
    plan::Trigger,
};

pub(super) async fn find(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        "select id, name, title, source, latest_version, enabled_version, enabled_by, updated_at \
         from workflow where name = $1",
        name
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn lock(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        "select id, name, title, source, latest_version, enabled_version, enabled_by, updated_at \
         from workflow where name = $1 for update",
        name
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn names(conn: &mut PgConnection) -> sqlx::Result<Vec<(WorkflowId, String)>> {
    let rows = sqlx::query!("select id, name from workflow order by name")
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

/// All workflows, each with the text of the version that counts.
pub(super) async fn list(conn: &mut PgConnection) -> sqlx::Result<Vec<(Stored, String)>> {
    let rows = sqlx::query!(
        "select workflow.id, name, title, source, latest_version, enabled_version, enabled_by, updated_at, body \
         from workflow join workflow_version version \
           on version.workflow_id = workflow.id and version.version = coalesce(enabled_version, latest_version) \
         order by name"
    )
    .fetch_all(conn)
    .await?;
    let rows = rows.into_iter().map(|row| {
        let stored = Stored {
            id: row.id,
            name: row.name,
            title: row.title,
            source: row.source,
            latest_version: row.latest_version,
            enabled_version: row.enabled_version,
            enabled_by: row.enabled_by,
            updated_at: row.updated_at,
        };
        (stored, row.body)
    });
    Ok(rows.collect())
}

pub(super) async fn body(
    conn: &mut PgConnection,
    id: WorkflowId,
    version: i32,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select body from workflow_version where workflow_id = $1 and version = $2",
        id as _,
        version
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    cx: &Cx,
    name: &str,
    title: &str,
    source: WorkflowSource,
) -> sqlx::Result<Stored> {
    let id = cx.new_id::<WorkflowId>();
    sqlx::query_as!(
        Stored,
        "insert into workflow (organization_id, id, name, title, source, latest_version, created_at, updated_at) \
         values ($1, $2, $3, $4, $5, 0, $6, $6) \
         returning id, name, title, source, latest_version, enabled_version, enabled_by, updated_at",
        cx.organization_id as _,
        id as _,
        name,
        title,
        source as _,
        cx.now as _,
    )
    .fetch_one(conn)
    .await
}

/// Stores the next version; the workflow is locked.
pub(super) async fn insert_version(
    conn: &mut PgConnection,
    cx: &Cx,
    stored: &Stored,
    title: &str,
    source: WorkflowSource,
    body: &str,
) -> sqlx::Result<Stored> {
    let saved = sqlx::query_as!(
        Stored,
        "update workflow set latest_version = latest_version + 1, title = $2, source = $3, updated_at = $4 where id = $1 \
         returning id, name, title, source, latest_version, enabled_version, enabled_by, updated_at",
        stored.id as _,
        title,
        source as _,
        cx.now as _,
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into workflow_version (organization_id, workflow_id, version, body, created_by, created_at) \
         values ($1, $2, $3, $4, $5, $6)",
        cx.organization_id as _,
        stored.id as _,
        saved.latest_version,
        body,
        cx.actor.user_id() as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(saved)
}

/// Switches a version on, or all off, and rewrites what starts it.
pub(super) async fn switch(
    conn: &mut PgConnection,
    cx: &Cx,
    id: WorkflowId,
    enabled: Option<(i32, Option<UserId>, &[Trigger])>,
) -> sqlx::Result<Stored> {
    sqlx::query!(
        "delete from workflow_trigger where workflow_id = $1",
        id as _
    )
    .execute(&mut *conn)
    .await?;
    for (number, trigger) in enabled
        .iter()
        .flat_map(|(.., triggers)| triggers.iter().enumerate())
    {
        let (kind, change) = match trigger {
            Trigger::Change { kind, .. } => ("change", Some(kind.as_str())),
            Trigger::Cron { .. } => ("cron", None),
            Trigger::Manual { .. } => ("manual", None),
            Trigger::Webhook => ("webhook", None),
        };
        sqlx::query!(
            "insert into workflow_trigger (organization_id, workflow_id, number, type, kind) values ($1, $2, $3, $4, $5)",
            cx.organization_id as _,
            id as _,
            i16::try_from(number).unwrap_or(i16::MAX),
            kind,
            change,
        )
        .execute(&mut *conn)
        .await?;
    }
    let (version, by) = match enabled {
        Some((version, by, _)) => (Some(version), by),
        None => (None, None),
    };
    sqlx::query_as!(
        Stored,
        "update workflow set enabled_version = $2, enabled_by = $3, updated_at = $4, \
           enabled_at = case when $2::integer is not null then $4::timestamptz end \
         where id = $1 \
         returning id, name, title, source, latest_version, enabled_version, enabled_by, updated_at",
        id as _,
        version,
        by as _,
        cx.now as _,
    )
    .fetch_one(conn)
    .await
}

/// An enabled workflow, whoever's it is.
#[expect(clippy::struct_field_names, reason = "they are the columns' names")]
pub(super) struct Enabled {
    pub(super) organization_id: OrganizationId,
    pub(super) zone: Zone,
    pub(super) workflow_id: WorkflowId,
    pub(super) name: String,
    pub(super) version: i32,
    pub(super) enabled_by: Option<UserId>,
    pub(super) enabled_at: Timestamp,
}

/// Enabled workflows of all organizations: those that a change of one of these kinds starts, or those with a schedule.
/// Needs the system role.
pub(super) async fn enabled(
    conn: &mut PgConnection,
    kinds: Option<&[String]>,
) -> sqlx::Result<Vec<Enabled>> {
    sqlx::query_as!(
        Enabled,
        r#"select workflow.organization_id, organization.zone, workflow.id as workflow_id, workflow.name,
             enabled_version as "version!", workflow.enabled_by, enabled_at as "enabled_at!: Timestamp"
           from workflow
           join organization on organization.id = workflow.organization_id
           where enabled_version is not null and exists (
             select from workflow_trigger trigger where trigger.workflow_id = workflow.id
               and case when $1::text[] is null then type = 'cron' else trigger.kind = any($1) end)
           order by workflow.id"#,
        kinds,
    )
    .fetch_all(conn)
    .await
}

/// The texts of versions, whoever's they are. Needs the system role.
pub(super) async fn bodies(
    conn: &mut PgConnection,
    wanted: &[(OrganizationId, String, i32)],
) -> sqlx::Result<Vec<((OrganizationId, String, i32), String)>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let organizations: Vec<uuid::Uuid> = wanted.iter().map(|key| key.0.into()).collect();
    let names: Vec<String> = wanted.iter().map(|key| key.1.clone()).collect();
    let versions: Vec<i32> = wanted.iter().map(|key| key.2).collect();
    let rows = sqlx::query!(
        "select workflow.organization_id, workflow.name, version.version, version.body \
         from unnest($1::uuid[], $2::text[], $3::integer[]) as wanted (organization_id, name, version) \
         join workflow on workflow.organization_id = wanted.organization_id and workflow.name = wanted.name \
         join workflow_version version on version.workflow_id = workflow.id and version.version = wanted.version",
        &organizations,
        &names,
        &versions,
    )
    .fetch_all(conn)
    .await?;
    let row = rows
        .into_iter()
        .map(|row| ((row.organization_id, row.name, row.version), row.body));
    Ok(row.collect())
}

/// The text of a version of any organization's workflow. Needs the system role.
pub(super) async fn body_of(
    conn: &mut PgConnection,
    organization_id: OrganizationId,
    name: &str,
    version: Option<i32>,
) -> sqlx::Result<Option<(i32, String)>> {
    let found = sqlx::query!(
        "select version.version, body from workflow join workflow_version version \
           on version.workflow_id = workflow.id and version.version = coalesce($3, workflow.enabled_version) \
         where workflow.organization_id = $1 and workflow.name = $2",
        organization_id as _,
        name,
        version,
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|row| (row.version, row.body)))
}
