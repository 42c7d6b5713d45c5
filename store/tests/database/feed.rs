//! The change feed and clients' sessions.

use sqlx::Executor as _;

use crate::Rig;

const CHANGE: &str = "insert into change (organization_id, id, at, kind, subject_kind, subject_id, summary, payload, actor, operation, request_id) \
    select current_organization(), gen_random_uuid(), now(), 'order.placed', 'ord', gen_random_uuid(), 'x', '{\"event_id\": \"evt_1\"}', '{}', 'x', gen_random_uuid()";

#[tokio::test]
async fn a_slow_transaction_is_not_skipped() {
    let rig = Rig::new().await;
    let start = rig.store.feed_position().await.unwrap();
    // The slow one takes its number first and commits last.
    let mut slow = rig.store.write(&rig.ours).await.unwrap();
    slow.conn().execute(CHANGE).await.unwrap();
    let mut fast = rig.store.write(&rig.theirs).await.unwrap();
    fast.conn().execute(CHANGE).await.unwrap();
    fast.unchanged(()).await.unwrap();
    let (seen, position) = rig.store.changes_after(start).await.unwrap();
    assert!(
        seen.is_empty(),
        "nothing behind a running transaction is final: {seen:?}"
    );
    slow.unchanged(()).await.unwrap();
    // Transactions of other tests on the same server hold the feed back too, for as long as they run.
    let (mut seen, mut position) = (Vec::new(), position);
    for _ in 0..200 {
        let (more, behind) = rig.store.changes_after(position).await.unwrap();
        seen.extend(more);
        position = behind;
        if seen.len() >= 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(
        seen.iter().map(|s| s.organization_id).collect::<Vec<_>>(),
        [rig.ours.organization_id, rig.theirs.organization_id]
    );
    assert_eq!(seen[0].event_id.as_deref(), Some("evt_1"));
    let (seen, _) = rig.store.changes_after(position).await.unwrap();
    assert!(seen.is_empty(), "each change is seen once: {seen:?}");
}

#[tokio::test]
async fn sessions_are_kept_by_hash_and_forgotten_on_request() {
    let rig = Rig::new().await;
    let sessions = rig.store.sessions();
    let data = serde_json::json!({"protocol": "2025-11-25"});
    sessions.save("secret-id", &data).await.unwrap();
    assert_eq!(sessions.load("secret-id").await.unwrap(), Some(data));
    assert_eq!(sessions.load("other").await.unwrap(), None);
    let mut owner = rig.database.owner().await;
    let stored: String = sqlx::query_scalar("select client_session::text from client_session")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert!(!stored.contains("secret-id"), "{stored}");
    owner
        .execute("update client_session set expires_at = now() - interval '1 second'")
        .await
        .unwrap();
    assert_eq!(sessions.load("secret-id").await.unwrap(), None, "expired");
    sessions
        .save("secret-id", &serde_json::json!({}))
        .await
        .unwrap();
    sessions.delete("secret-id").await.unwrap();
    assert_eq!(sessions.load("secret-id").await.unwrap(), None);
}
