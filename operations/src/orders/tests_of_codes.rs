//! Many at once: a code is used as often as it may be, and not once more; whoever has none is not disturbed.

use std::time::Duration;

use domain::{Cx, EventId};
use tokio::task::JoinSet;

use super::{CancelOrder, RefundChoice};
use crate::{
    App, Options,
    holds::{ReleaseHold, expire_due},
    promo_codes::ListPromoCodes,
    testing::{
        Scene, assert_refused, buying, holding, order_with, ordering, pool, promo, selling,
        with_code,
    },
    ticket_types::SaveTicketType,
};

/// EventOS as it serves everybody alone.
fn alone(scene: &Scene) -> App {
    let options = Options {
        most_together: 1,
        ..Options::unlimited()
    };
    scene.app.limited(options)
}

#[derive(Clone, Copy)]
enum Way {
    Hold,
    Order,
}

/// Sixty-four people use a code that can be used so often, and sixteen buy without it.
async fn crowd(servers: impl Fn(&Scene) -> Vec<App>) {
    for way in [Way::Hold, Way::Order] {
        for most in [1, 7] {
            let scene = Scene::new().await;
            let (event, _) = scene.on_sale(2500, 200).await;
            let code = promo(event.id, "RUSH", 20, Some(most));
            scene.run(code).await.unwrap();
            let servers = servers(&scene);
            let mut people = JoinSet::new();
            for number in 0..80 {
                let app = servers[number % servers.len()].clone();
                let (cx, event, with) = (scene.cx.clone(), event.id, number % 5 != 4);
                people.spawn(async move { (with, use_code(&app, &cx, event, way, with).await) });
            }
            let outcomes = people.join_all().await;
            let served = |with: bool| {
                outcomes
                    .iter()
                    .filter(move |outcome| **outcome == (with, true))
            };
            assert_eq!(served(true).count(), usize::try_from(most).unwrap());
            assert_eq!(served(false).count(), 16);
            let expected = match way {
                Way::Hold => (most, 0),
                Way::Order => (0, most),
            };
            assert_eq!(scene.uses(event.id).await, expected);
            scene.reconcile().await;
        }
    }
}

async fn use_code(app: &App, cx: &Cx, event: EventId, way: Way, with: bool) -> bool {
    match way {
        Way::Hold => {
            let mut hold = holding(event, 1);
            if with {
                hold = with_code(hold, "RUSH");
            }
            match app.run(cx, hold).await {
                Ok(_) => return true,
                refused => assert_refused(refused, "promo_code_used_up"),
            }
        }
        Way::Order => {
            let mut order = buying(event, "Regular", 1);
            if with {
                order = order_with(order, "RUSH");
            }
            match app.run(cx, order).await {
                Ok(_) => return true,
                refused => assert_refused(refused, "promo_code_used_up"),
            }
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_that_shares_transactions_uses_a_code_as_often_as_it_may() {
    crowd(|scene| vec![scene.app.clone()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_served_one_by_one_uses_a_code_as_often_as_it_may() {
    crowd(|scene| vec![alone(scene)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_at_two_servers_uses_a_code_as_often_as_it_may() {
    crowd(|scene| vec![scene.app.clone(), scene.another_server(), alone(scene)]).await;
}

/// The same crowd without the guard: everybody looks first, then uses a code that has no limit. If this came to seven
/// uses as well, the tests above would prove nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn control_looking_first_without_the_guard_overuses() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 200).await;
    scene.run(promo(event.id, "RUSH", 20, None)).await.unwrap();
    let mut people = JoinSet::new();
    for _ in 0..64 {
        let (app, cx, event) = (scene.app.clone(), scene.cx.clone(), event.id);
        people.spawn(async move {
            let list = ListPromoCodes::of(event.into());
            let seen = app.run(&cx, list).await.unwrap().items;
            if seen[0].held_uses < 7 {
                assert!(use_code(&app, &cx, event, Way::Hold, true).await);
            }
        });
    }
    people.join_all().await;
    let (held, _) = scene.uses(event.id).await;
    eprintln!("control: {held} uses of 7");
    assert!(
        held > 7,
        "{held} uses: the crowd is too small to show anything"
    );
    scene.reconcile().await;
}

/// All who come while the first is being served share the next transaction: one of them gets the last use, and those
/// without the code get what they want.
#[tokio::test]
async fn of_those_in_one_transaction_one_gets_the_last_use() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 50).await;
    scene
        .run(promo(event.id, "RUSH", 20, Some(2)))
        .await
        .unwrap();
    let codes = scene.keep("promo_code").await;
    let mut people = JoinSet::new();
    for number in 0..21 {
        let (app, cx) = (
            scene.app.clone(),
            scene.cx.clone().with_key(format!("key {number}")),
        );
        people.spawn(async move {
            let with = number % 2 == 0;
            (with, use_code(&app, &cx, event.id, Way::Order, with).await)
        });
        if number == 0 {
            scene.database.until_waiting(1).await;
        }
    }
    // Long enough for all to have queued up.
    tokio::time::sleep(Duration::from_millis(500)).await;
    codes.let_go().await;
    let outcomes = people.join_all().await;
    let served = |with: bool| {
        outcomes
            .iter()
            .filter(move |outcome| **outcome == (with, true))
    };
    assert_eq!((served(true).count(), served(false).count()), (2, 10));
    let shared = "select count(distinct transaction_id) from change where kind = 'order.placed'";
    assert_eq!(scene.database.count(shared).await, 2);
    scene.reconcile().await;
}

/// Two codes and two shared limits in every order, from two servers: nobody waits for each other, and what is counted is
/// what is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_happens_at_random_the_uses_stay_true() {
    let scene = Scene::new().await;
    let event = scene.published("Gala").await;
    for (name, price) in [("Regular", 2500), ("Student", 0)] {
        let command = SaveTicketType {
            pools: Some(vec![pool("Hall", Some(60))]),
            ..selling(event.id, name, price, 50)
        };
        scene.run(command).await.unwrap();
    }
    for (code, most) in [("FIRST", 5), ("SECOND", 9)] {
        scene
            .run(promo(event.id, code, 50, Some(most)))
            .await
            .unwrap();
    }
    let servers = [scene.app.clone(), scene.another_server(), alone(&scene)];
    let mut people = JoinSet::new();
    for number in 0..9_usize {
        let (app, cx) = (servers[number % 3].clone(), scene.cx.clone());
        people.spawn(async move {
            for step in 0..16 {
                act(&app, &cx, event.id, number * 31 + step * 17).await;
            }
        });
    }
    people.join_all().await;
    scene.reconcile().await;
    let end = scene.at("2027-01-11T09:15:00Z").now;
    expire_due(&scene.app, end).await.unwrap();
    scene.reconcile().await;
}

async fn act(app: &App, cx: &Cx, event: EventId, dice: usize) {
    let code = ["FIRST", "SECOND"][dice % 2];
    let mut wanted = with_code(holding(event, 1), code);
    let mut others = holding(event, 1).items;
    others[0].ticket_type = "Student".parse().unwrap();
    wanted.items.extend(others);
    if dice.is_multiple_of(3) {
        wanted.items.reverse();
    }
    let hold = match app.run(cx, wanted).await {
        Ok(hold) => hold,
        Err(error) => {
            let told = error.to_string();
            assert!(
                told.ends_with("used up") || told.ends_with("are left"),
                "{told}"
            );
            return;
        }
    };
    match dice % 4 {
        0 => {
            app.run(cx, ReleaseHold { hold: hold.id }).await.unwrap();
        }
        1 | 2 => {
            let order = app.run(cx, ordering(&hold)).await.unwrap().order.order;
            if dice % 4 == 1 {
                let cancel = CancelOrder {
                    refund: Some(RefundChoice::Full),
                    ..CancelOrder::of(order.id.into())
                };
                app.run(cx, cancel).await.unwrap();
            }
        }
        _ => {}
    }
}
