//! Commits: with a change, under a key, confirmed, cancelled, dry, read-only, and on a restarted server.

use domain::{Change, Cx, Subject, context::Mode, ids::SeriesId};
use serde::Serialize;
use sqlx::Executor as _;
use store::{Remembered, StoreError};

use crate::Rig;

#[derive(Serialize)]
struct Noted {
    series_id: SeriesId,
}

impl Change for Noted {
    const KIND: &'static str = "series.noted";
    fn subject(&self) -> Subject {
        self.series_id.into()
    }
    fn summary(&self) -> String {
        "Notes a series".to_owned()
    }
}

/// Writes one row and commits it.
async fn note(rig: &Rig, cx: &Cx) -> Result<String, StoreError> {
    note_with(rig, cx, cx.new_id()).await
}

async fn note_with(rig: &Rig, cx: &Cx, series_id: SeriesId) -> Result<String, StoreError> {
    let mut tx = rig.store.write(cx).await?;
    sqlx::query("insert into series (organization_id, id, title, rule, created_at) values ($1, $2, 'x', 'x', now())")
        .bind(cx.organization_id)
        .bind(series_id)
        .execute(tx.conn())
        .await?;
    tx.commit(Noted { series_id }, series_id.to_string()).await
}

async fn count(rig: &Rig, table: &str) -> i64 {
    let mut tx = rig.store.read(&rig.ours).await.unwrap();
    let count = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
    sqlx::query_scalar(count)
        .fetch_one(tx.conn())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_commit_keeps_the_row_and_the_change_together() {
    let rig = Rig::new().await;
    note(&rig, &rig.ours).await.unwrap();
    assert_eq!(
        (count(&rig, "series").await, count(&rig, "change").await),
        (1, 1)
    );
    assert_eq!(rig.ours.recorded().len(), 1);
}

#[tokio::test]
async fn dropping_a_transaction_keeps_nothing() {
    let rig = Rig::new().await;
    let mut tx = rig.store.write(&rig.ours).await.unwrap();
    tx.conn()
        .execute(
            "insert into series select current_organization(), gen_random_uuid(), 'x', 'x', now()",
        )
        .await
        .unwrap();
    drop(tx);
    assert_eq!(count(&rig, "series").await, 0);
}

#[tokio::test]
async fn a_dry_run_answers_and_keeps_nothing() {
    let rig = Rig::new().await;
    let dry = rig.ours.in_mode(Mode::DryRun);
    assert!(note(&rig, &dry).await.unwrap().starts_with("ser_"));
    assert_eq!(dry.recorded()[0].kind, "series.noted");
    assert_eq!(
        (count(&rig, "series").await, count(&rig, "change").await),
        (0, 0)
    );
}

#[tokio::test]
async fn a_cancelled_request_keeps_nothing() {
    let rig = Rig::new().await;
    let cx = rig.ours.clone().with_cancel(|| true);
    assert!(matches!(note(&rig, &cx).await, Err(StoreError::Cancelled)));
    assert_eq!(count(&rig, "series").await, 0);
}

#[tokio::test]
async fn a_confirmation_holds_for_what_was_shown_only() {
    let rig = Rig::new().await;
    let dry = rig.ours.in_mode(Mode::DryRun);
    note(&rig, &dry).await.unwrap();
    let digest = dry.digest(&dry.recorded());
    let confirmed = rig.ours.clone().with_confirmed(digest);
    // A thing that was there before is not the new one that was shown.
    let other = dry.new_id();
    assert!(matches!(
        note_with(&rig, &confirmed, other).await,
        Err(StoreError::PreviewChanged)
    ));
    assert_eq!(count(&rig, "series").await, 0);
    // Another run makes another id; it is the new one all the same.
    note(&rig, &confirmed).await.unwrap();
    assert_eq!(count(&rig, "series").await, 1);
}

#[tokio::test]
async fn a_read_only_context_opens_no_write() {
    let rig = Rig::new().await;
    let cx = rig.ours.in_mode(Mode::ReadOnly);
    assert!(matches!(note(&rig, &cx).await, Err(StoreError::ReadOnly)));
}

#[tokio::test]
async fn a_read_transaction_cannot_write_however_it_is_asked() {
    let rig = Rig::new().await;
    for trick in [
        "delete from series",
        "set transaction read write",
        "set local transaction_read_only = off",
    ] {
        let mut tx = rig.store.read(&rig.ours).await.unwrap();
        let tried = async {
            tx.conn().execute(trick).await?;
            tx.conn().execute("insert into series select current_organization(), gen_random_uuid(), 'x', 'x', now()").await
        };
        assert!(tried.await.is_err(), "{trick}");
    }
    assert_eq!(count(&rig, "series").await, 0);
}

#[tokio::test]
async fn the_answer_is_remembered_with_the_commit() {
    let rig = Rig::new().await;
    let cx = rig.ours.clone().with_key("k");
    let answer = note(&rig, &cx).await.unwrap();
    let mut tx = rig.store.read(&cx).await.unwrap();
    let remembered = tx
        .remembered::<String>(cx.idempotency.as_ref().unwrap())
        .await
        .unwrap();
    assert!(matches!(remembered, Remembered::Answer(a) if a == answer));
    assert!(matches!(
        note(&rig, &cx).await,
        Err(StoreError::AlreadyDone)
    ));
    assert_eq!(count(&rig, "series").await, 1);
}

#[tokio::test]
async fn two_at_once_under_one_key_do_it_once() {
    let rig = Rig::new().await;
    let cx = rig.ours.clone().with_key("k");
    let (one, two) = tokio::join!(note(&rig, &cx), note(&rig, &cx));
    assert_eq!(
        u8::from(one.is_ok()) + u8::from(two.is_ok()),
        1,
        "{one:?} {two:?}"
    );
    assert_eq!(count(&rig, "series").await, 1);
}

#[tokio::test]
async fn a_connection_lost_while_committing_leaves_the_outcome_open() {
    let rig = Rig::new().await;
    let mut owner = rig.database.owner().await;
    // Runs at the commit, and takes the connection away from under it.
    owner
        .execute(
            "create function hang_up() returns trigger language plpgsql security definer as
             $$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
             create constraint trigger hang_up after insert on series
             deferrable initially deferred for each row execute function hang_up()",
        )
        .await
        .unwrap();
    let error = note(&rig, &rig.ours).await.unwrap_err();
    assert!(matches!(error, StoreError::CommitUnknown(_)), "{error:?}");
    owner
        .execute("drop function hang_up cascade")
        .await
        .unwrap();
    // What the database itself refuses at the commit is not saved, and said so.
    owner
        .execute(
            "create function refuse() returns trigger language plpgsql as
             $$ begin raise exception 'no' using errcode = 'serialization_failure'; end $$;
             create constraint trigger refuse after insert on series
             deferrable initially deferred for each row execute function refuse()",
        )
        .await
        .unwrap();
    let error = note(&rig, &rig.ours).await.unwrap_err();
    assert!(matches!(error, StoreError::Contended(_)), "{error:?}");
    assert_eq!(count(&rig, "series").await, 0);
}

#[tokio::test]
async fn remembered_answers_are_forgotten_after_a_week() {
    let rig = Rig::new().await;
    for key in ["old", "new"] {
        note(&rig, &rig.ours.clone().with_key(key)).await.unwrap();
    }
    assert_eq!(rig.store.forget_old_answers().await.unwrap(), 0);
    let mut owner = rig.database.owner().await;
    owner
        .execute(
            "update idempotency_key set created_at = now() - interval '8 days' where key = 'old'",
        )
        .await
        .unwrap();
    assert_eq!(rig.store.forget_old_answers().await.unwrap(), 1);
    assert_eq!(count(&rig, "idempotency_key where key = 'new'").await, 1);
    let mut tx = rig.store.system("test").await.unwrap();
    let all = sqlx::query("delete from idempotency_key").execute(tx.conn());
    assert_eq!(all.await.unwrap().rows_affected(), 0, "none is old");
}

#[tokio::test]
async fn an_answer_with_personal_data_is_hidden_from_those_who_may_not_see_it() {
    let rig = Rig::new().await;
    let cx = rig.ours.clone().with_key("k");
    note(&rig, &cx).await.unwrap();
    let masked = cx.with_permissions(domain::Permissions::NONE);
    let mut tx = rig.store.read(&masked).await.unwrap();
    let key = masked.idempotency.as_ref().unwrap();
    let remembered = tx.remembered::<String>(key).await.unwrap();
    assert!(matches!(remembered, Remembered::Hidden), "{remembered:?}");
}

#[tokio::test]
async fn connections_that_died_while_idle_are_replaced() {
    let rig = Rig::new().await;
    note(&rig, &rig.ours).await.unwrap();
    let mut owner = rig.database.owner().await;
    owner
        .execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
        .await
        .unwrap();
    note(&rig, &rig.ours).await.unwrap();
    assert_eq!(count(&rig, "series").await, 2);
}
