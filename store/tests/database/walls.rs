//! Row-level security: read from the system catalog, and tried on every table.

use sqlx::{AssertSqlSafe, Row as _};

use crate::Rig;

/// Tables that belong to no organization, each for a reason.
const SHARED: &[&str] = &[
    // people; an organization sees its members through a policy of its own
    "users",
    // connections' own agreements: no rights, no business data, only for the system role
    "client_session",
    // how far the dispatcher has come in everybody's changes; only for the system role
    "workflow_cursor",
    // what payment processors told, before it is known whose it is; only for the system role
    "processor_notice",
    // sqlx's list of applied migrations; the application's roles have no grant on it
    "_sqlx_migrations",
];

#[tokio::test]
async fn every_table_of_an_organization_is_walled_in() {
    let rig = Rig::new().await;
    let mut owner = rig.database.owner().await;
    let tables = sqlx::query(
        "select c.relname::text as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced, \
           exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'organization_id' and a.attnum = 1) as leads, \
           exists (select from pg_policy p where p.polrelid = c.oid and p.polcmd = '*' \
             and p.polroles = array['eventos_app'::regrole::oid] and p.polqual is not null and p.polwithcheck is not null \
             and pg_get_expr(p.polqual, p.polrelid) like '%current_organization()%' \
             and pg_get_expr(p.polwithcheck, p.polrelid) like '%current_organization()%') as walled, \
           exists (select from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0] \
             where i.indrelid = c.oid and a.attname = 'organization_id') as indexed \
         from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by 1",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert!(tables.len() > 15, "only {} tables", tables.len());
    for table in tables {
        let name: String = table.get("name");
        if SHARED.contains(&name.as_str()) {
            continue;
        }
        for property in ["enabled", "forced", "walled"] {
            assert!(
                table.get::<bool, _>(property),
                "{name}: row-level security is not {property}"
            );
        }
        if name != "organization" {
            assert!(
                table.get::<bool, _>("leads"),
                "{name}: organization_id is not the first column"
            );
            assert!(
                table.get::<bool, _>("indexed"),
                "{name}: no index is led by organization_id"
            );
        }
    }
}

#[tokio::test]
async fn the_roles_neither_own_nor_bypass() {
    let rig = Rig::new().await;
    let mut owner = rig.database.owner().await;
    let roles = sqlx::query(
        "select rolname::text, rolsuper or rolbypassrls or rolcanlogin or rolcreaterole as mighty, \
           exists (select from pg_class where relowner = r.oid) as owns \
         from pg_roles r where rolname in ('eventos_app', 'eventos_system')",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert_eq!(roles.len(), 2);
    for role in roles {
        let name: String = role.get("rolname");
        assert!(
            !role.get::<bool, _>("mighty"),
            "{name} has rights beyond its policies"
        );
        assert!(!role.get::<bool, _>("owns"), "{name} owns a table");
    }
}

#[tokio::test]
async fn the_system_role_sees_only_what_it_was_granted() {
    let rig = Rig::new().await;
    let mut owner = rig.database.owner().await;
    let granted: Vec<String> = sqlx::query_scalar(
        "select distinct table_name::text from information_schema.role_table_grants \
         where grantee = 'eventos_system' order by 1",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert_eq!(
        granted,
        [
            "client_session",
            "idempotency_key",
            "message",
            "organization",
            "processor_notice",
            "suppression",
            "webhook_delivery",
            "webhook_endpoint",
            "workflow",
            "workflow_cursor",
            "workflow_fire",
            "workflow_run",
            "workflow_trigger",
            "workflow_version",
            "workflow_wait"
        ]
    );
    let read: Vec<String> = sqlx::query_scalar(
        "select table_name || ': ' || string_agg(column_name, ' ' order by column_name) \
         from information_schema.role_column_grants \
         where grantee = 'eventos_system' and privilege_type = 'SELECT' \
           and table_name in ('api_token', 'change', 'idempotency_key', 'member', 'users') \
         group by table_name order by table_name",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert_eq!(
        read,
        [
            "api_token: expires_at hash id last_used_at organization_id read_only revoked_at scopes toolsets user_id",
            "change: at id kind organization_id payload sequence subject_id subject_kind summary transaction_id",
            "idempotency_key: created_at",
            "member: created_at organization_id role user_id",
            "users: email id",
        ]
    );
}

#[tokio::test]
async fn an_organization_sees_its_own_rows_only() {
    let rig = Rig::new().await;
    let mut tx = rig.store.read(&rig.ours).await.unwrap();
    let slugs: Vec<String> = sqlx::query_scalar("select slug from organization")
        .fetch_all(tx.conn())
        .await
        .unwrap();
    assert_eq!(slugs, ["ours"]);
}

#[tokio::test]
async fn an_organization_cannot_write_for_another() {
    let rig = Rig::new().await;
    let mut tx = rig.store.write(&rig.ours).await.unwrap();
    let smuggled = sqlx::query("insert into series (organization_id, id, title, rule, created_at) values ($1, $2, 'x', 'x', now())")
        .bind(rig.theirs.organization_id)
        .bind(uuid::Uuid::now_v7())
        .execute(tx.conn())
        .await;
    let error = smuggled.unwrap_err().to_string();
    assert!(error.contains("row-level security"), "{error}");
}

#[tokio::test]
async fn without_an_organization_nothing_is_read() {
    let rig = Rig::new().await;
    let mut owner = rig.database.owner().await;
    sqlx::query("select set_config('role', 'eventos_app', false)")
        .execute(&mut owner)
        .await
        .unwrap();
    for table in ["venue", "event", "orders", "ticket", "change"] {
        let read = sqlx::query(AssertSqlSafe(format!("select * from {table}")))
            .fetch_all(&mut owner)
            .await;
        let error = read.unwrap_err().to_string();
        assert!(error.contains("no organization is set"), "{table}: {error}");
    }
}

#[tokio::test]
async fn the_trail_cannot_be_rewritten() {
    let rig = Rig::new().await;
    for statement in [
        "update change set summary = 'x'",
        "delete from change",
        "truncate change",
    ] {
        let mut tx = rig.store.write(&rig.ours).await.unwrap();
        let error = sqlx::query(statement)
            .execute(tx.conn())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("permission denied"), "{statement}: {error}");
    }
}
