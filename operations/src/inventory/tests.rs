//! What the guarded updates promise, one pool at a time.

use domain::{CapacityPoolId, Reference};
use store::WriteTx;

use super::{NewPool, Places, Shortage, Step, insert, move_places, resize};
use crate::testing::{Scene, new_event};

async fn pool(tx: &mut WriteTx<'_>, scene: &Scene, capacity: Option<i32>) -> CapacityPoolId {
    let cx = tx.cx();
    let title = format!("Gala {}", cx.new_id::<CapacityPoolId>());
    let event = scene.run(new_event(&title)).await.unwrap().event;
    let pool = NewPool {
        id: cx.new_id(),
        event_id: event.id,
        name: None,
        capacity,
    };
    insert(tx.conn(), cx, &pool).await.unwrap();
    assert!(Reference::from(pool.id).to_string().starts_with("pool_"));
    pool.id
}

fn of(id: CapacityPoolId, count: i32) -> Places {
    Places::from([(id, count)])
}

#[tokio::test]
async fn gives_out_what_there_is_and_says_what_is_left() {
    let scene = Scene::new().await;
    let mut tx = scene.app.store().write(&scene.cx).await.unwrap();
    let id = pool(&mut tx, &scene, Some(5)).await;
    let conn = tx.conn();
    let done = move_places(conn, Step::Hold, &of(id, 3)).await.unwrap();
    assert_eq!(done, Ok(()));
    let done = move_places(conn, Step::Sell, &of(id, 3)).await.unwrap();
    let short = Shortage {
        pool_id: id,
        left: 2,
    };
    assert_eq!(done, Err(short));
    for step in [Step::SellHeld, Step::ReleaseSold] {
        let done = move_places(conn, step, &of(id, 3)).await.unwrap();
        assert_eq!(done, Ok(()));
    }
    let done = move_places(conn, Step::Sell, &of(id, 5)).await.unwrap();
    assert_eq!(done, Ok(()));
}

#[tokio::test]
async fn an_unlimited_pool_never_runs_out() {
    let scene = Scene::new().await;
    let mut tx = scene.app.store().write(&scene.cx).await.unwrap();
    let id = pool(&mut tx, &scene, None).await;
    for _ in 0..3 {
        let sold = move_places(tx.conn(), Step::Sell, &of(id, 1_000_000)).await;
        assert_eq!(sold.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn never_shrinks_below_what_is_taken() {
    let scene = Scene::new().await;
    let mut tx = scene.app.store().write(&scene.cx).await.unwrap();
    let id = pool(&mut tx, &scene, Some(5)).await;
    let sold = move_places(tx.conn(), Step::Sell, &of(id, 3)).await;
    assert_eq!(sold.unwrap(), Ok(()));
    assert!(!resize(tx.conn(), id, Some(2)).await.unwrap());
    assert!(resize(tx.conn(), id, Some(3)).await.unwrap());
    assert!(resize(tx.conn(), id, None).await.unwrap());
}
