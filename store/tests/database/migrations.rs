//! Migrations: what is pending, altered or unknown is told apart.

use sqlx::Executor as _;
use store::{Options, Store};

use crate::Rig;

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
