//! What the guarded updates promise, one pool at a time.

use domain::{CapacityPoolId, Reference};
use store::WriteTx;

use super::{Moves, NewPool, Places, Shortage, Step, insert, move_places, resize};
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
    let done = move_places(conn, &Moves::of(Step::Hold, &of(id, 3)))
        .await
        .unwrap();
    assert_eq!(done, Ok(()));
    let done = move_places(conn, &Moves::of(Step::Sell, &of(id, 3)))
        .await
        .unwrap();
    let short = Shortage {
        pool_id: id,
        left: 2,
        is_stopped: false,
    };
    assert_eq!(done, Err(short));
    for step in [Step::SellHeld, Step::ReleaseSold] {
        let done = move_places(conn, &Moves::of(step, &of(id, 3)))
            .await
            .unwrap();
        assert_eq!(done, Ok(()));
    }
    let done = move_places(conn, &Moves::of(Step::Sell, &of(id, 5)))
        .await
        .unwrap();
    assert_eq!(done, Ok(()));
}

#[tokio::test]
async fn an_unlimited_pool_never_runs_out() {
    let scene = Scene::new().await;
    let mut tx = scene.app.store().write(&scene.cx).await.unwrap();
    let id = pool(&mut tx, &scene, None).await;
    for _ in 0..3 {
        let sold = move_places(tx.conn(), &Moves::of(Step::Sell, &of(id, 1_000_000))).await;
        assert_eq!(sold.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn never_shrinks_below_what_is_taken() {
    let scene = Scene::new().await;
    let mut tx = scene.app.store().write(&scene.cx).await.unwrap();
    let id = pool(&mut tx, &scene, Some(5)).await;
    let sold = move_places(tx.conn(), &Moves::of(Step::Sell, &of(id, 3))).await;
    assert_eq!(sold.unwrap(), Ok(()));
    assert!(!resize(tx.conn(), id, Some(2)).await.unwrap());
    assert!(resize(tx.conn(), id, Some(3)).await.unwrap());
    assert!(resize(tx.conn(), id, None).await.unwrap());
}

/// A database of before, where ticket types that shared a pool had none of their own.
#[tokio::test]
async fn what_shared_a_pool_before_counts_the_same_afterwards() {
    const LAST_BEFORE: i64 = 20_261_124_000_201;
    const EVENT: &str = "'00000000-0000-7000-8000-00000000000e'";
    let scene = Scene::new().await;
    let organization = uuid::Uuid::from(scene.cx.organization_id);
    let database = &scene.database;
    database
        .tell("drop schema public cascade; create schema public")
        .await;
    for (version, _, sql) in store::migrations() {
        if version <= LAST_BEFORE {
            database.tell(sql).await;
        }
    }
    let id = |number: u32| format!("'00000000-0000-7000-8000-{number:012}'");
    let mut rows = vec![format!(
        "insert into organization values ('{organization}', 'Old', 'old', 'EUR', 'Europe/Berlin', now(), now());
         insert into event (organization_id, id, slug, title, status, format, online_url, starts_local, ends_local, zone,
             starts_at, ends_at, currency, created_at, updated_at)
         values ('{organization}', {EVENT}, 'gala', 'Gala', 'published', 'online', 'https://x.example', '2027-02-04 19:00',
             '2027-02-04 21:00', 'Europe/Berlin', '2027-02-04 18:00Z', '2027-02-04 20:00Z', 'EUR', now(), now());"
    )];
    for (pool, name, held, sold) in [(1, "'Hall'", 2, 3), (2, "null", 0, 1)] {
        rows.push(format!(
            "insert into capacity_pool (organization_id, id, event_id, name, capacity, held_count, sold_count, created_at)
             values ('{organization}', {}, {EVENT}, {name}, 10, {held}, {sold}, now());",
            id(pool)
        ));
    }
    // Two share the hall, one of them off sale by now; a third has a pool of its own.
    for (number, pool, archived) in [(11, 1, "null"), (12, 1, "now()"), (13, 2, "null")] {
        rows.push(format!(
            "insert into ticket_type (organization_id, id, event_id, pool_id, name, price_amount, price_currency, position,
                 visibility, min_per_order, max_per_order, created_at, updated_at, archived_at)
             values ('{organization}', {}, {EVENT}, {}, 'Type {number}', 100, 'EUR', 1, 'public', 1, 10, now(), now(), {archived});",
            id(number),
            id(pool)
        ));
    }
    // One order of each kind: what is pending holds, what is paid has tickets.
    for (number, status, ticket_type, pool, quantity) in [
        (21, "pending", 11, 1, 2),
        (22, "paid", 11, 1, 1),
        (23, "paid", 12, 1, 2),
        (24, "paid", 13, 2, 1),
    ] {
        let paid = if status == "paid" { "now()" } else { "null" };
        let letter = ["B", "C", "D", "E"][number as usize - 21];
        rows.push(format!(
            "insert into orders (organization_id, id, event_id, number, status, buyer_name, buyer_email, currency, total_amount,
                 paid_amount, ticket_count, placed_at, paid_at, updated_at)
             values ('{organization}', {order}, {EVENT}, 'AAAAA{letter}A', '{status}', 'A', 'a@example.org', 'EUR', 0, 0,
                 {quantity}, now(), {paid}, now());
             insert into order_item (organization_id, id, order_id, event_id, ticket_type_id, pool_id, name, quantity,
                 unit_amount, currency)
             values ('{organization}', {order}, {order}, {EVENT}, {}, {}, 'x', {quantity}, 0, 'EUR');",
            id(ticket_type),
            id(pool),
            order = id(number),
        ));
        for ticket in 0..(if status == "paid" { quantity } else { 0 }) {
            rows.push(format!(
                "insert into ticket (organization_id, id, order_id, order_item_id, event_id, ticket_type_id, code, status, issued_at)
                 values ('{organization}', gen_random_uuid(), {order}, {order}, {EVENT}, {},
                     'AAAAAAAAAAAAAAAAAA{letter}{}', 'valid', now());",
                id(ticket_type),
                ticket + 2,
                order = id(number),
            ));
        }
    }
    database.tell(&rows.concat()).await;
    for (version, _, sql) in store::migrations() {
        if version > LAST_BEFORE {
            database.tell(sql).await;
        }
    }
    scene.reconcile().await;
    let counts = database
        .ask(
            "select t.name, p.held_count as held, p.sold_count as sold, p.capacity,
                 (select name from ticket_type_pool m join capacity_pool s on s.id = m.pool_id
                  where m.ticket_type_id = t.id) as shares
             from ticket_type t join capacity_pool p on p.id = t.pool_id order by t.name",
        )
        .await;
    assert_eq!(
        counts,
        serde_json::json!([
            {"name": "Type 11", "held": 2, "sold": 1, "capacity": null, "shares": "Hall"},
            {"name": "Type 12", "held": 0, "sold": 2, "capacity": null, "shares": "Hall"},
            {"name": "Type 13", "held": 0, "sold": 1, "capacity": 10, "shares": null},
        ])
    );
    let capacity = database.count("select event_capacity(id) from event").await;
    assert_eq!(capacity, 20);
}
