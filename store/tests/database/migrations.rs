//! Migrations: what is pending, altered or unknown is told apart.

use sqlx::Executor as _;
use store::{Options, Store};

use crate::Rig;

/// How many rows the planner believes a table to have; -1 when it does not know.
async fn believed_rows(owner: &mut sqlx::PgConnection, table: &str) -> i64 {
    let rows =
        sqlx::query_scalar("select reltuples::bigint from pg_class where oid = $1::text::regclass");
    rows.bind(table).fetch_one(owner).await.unwrap()
}

#[tokio::test]
async fn knows_a_current_an_altered_and_a_newer_database() {
    let rig = Rig::new().await;
    assert!(rig.store.migration_state().await.unwrap().is_current());
    assert_eq!(rig.store.migrate().await.unwrap(), 0);
    let mut owner = rig.database.owner().await;
    owner.execute("update _sqlx_migrations set checksum = 'x' where version = (select min(version) from _sqlx_migrations)").await.unwrap();
    assert_eq!(rig.store.migration_state().await.unwrap().altered.len(), 1);
    owner.execute("insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (99999999999999, 'newer', true, 'x', 0)").await.unwrap();
    assert_eq!(
        rig.store.migration_state().await.unwrap().unknown,
        [99_999_999_999_999]
    );
    owner.execute("delete from _sqlx_migrations where version = (select min(version) from _sqlx_migrations)").await.unwrap();
    assert_eq!(rig.store.migration_state().await.unwrap().pending.len(), 1);
}

#[tokio::test]
async fn two_programs_migrating_at_once_do_it_once() {
    let rig = Rig::new().await;
    let mut owner = rig.database.owner().await;
    owner
        .execute("drop schema public cascade; create schema public")
        .await
        .unwrap();
    let (one, two) = (
        Store::connect(&Options::new(rig.database.url())).unwrap(),
        &rig.store,
    );
    let (first, second) = tokio::join!(one.migrate(), two.migrate());
    first.unwrap();
    second.unwrap();
    assert!(rig.store.migration_state().await.unwrap().is_current());
}

#[tokio::test]
async fn statistics_are_gathered_after_migrations_where_there_is_something() {
    let rig = Rig::new().await;
    let mut owner = rig.database.owner().await;
    owner
        .execute("drop schema public cascade; create schema public")
        .await
        .unwrap();
    let applied = rig.store.migrate().await.unwrap();
    let known = believed_rows(&mut owner, "_sqlx_migrations").await;
    assert_eq!(usize::try_from(known).unwrap(), applied);
    // Planned for as if it were going to fill, which it is.
    assert_eq!(believed_rows(&mut owner, "orders").await, -1);
    // A current database is left alone.
    owner
        .execute("insert into client_session (id_hash, data, created_at, used_at, expires_at) values ('x', '{}', now(), now(), now())")
        .await
        .unwrap();
    assert_eq!(rig.store.migrate().await.unwrap(), 0);
    assert_eq!(believed_rows(&mut owner, "client_session").await, -1);
}

#[tokio::test]
async fn a_settled_database_has_statistics_and_is_known_to_be_visible() {
    let rig = Rig::new().await;
    let mut owner = rig.database.owner().await;
    rig.store.settle().await.unwrap();
    assert_eq!(believed_rows(&mut owner, "organization").await, 2);
    let visible: i32 = sqlx::query_scalar(
        "select relallvisible from pg_class where oid = 'organization'::regclass",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!(visible, 1);
}

#[tokio::test]
async fn every_table_of_an_organization_gets_statistics_early() {
    let rig = Rig::new().await;
    let mut owner = rig.database.owner().await;
    owner
        .execute("create table later (organization_id uuid); select protect('later')")
        .await
        .unwrap();
    let without: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
           and relrowsecurity and not 'autovacuum_analyze_threshold=2' = any (coalesce(reloptions, '{}'))",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert!(without.is_empty(), "{without:?}");
}
