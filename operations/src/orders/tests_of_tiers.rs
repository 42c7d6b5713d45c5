//! Many at once: of two tiers one is on sale at any time, whoever rushes in.

use domain::{EventId, Fault as _};
use tokio::task::JoinSet;

use crate::{
    holds::HoldTickets,
    testing::{Scene, holding, ordering, selling},
    ticket_types::SetPriceTiers,
};

const EARLY: i32 = 7;
const REGULAR: i32 = 20;

fn of(event: EventId, name: &str) -> HoldTickets {
    let mut hold = holding(event, 1);
    hold.items[0].ticket_type = name.parse().unwrap();
    hold
}

/// Sixty-four people at once, who each order what they get: every second tries the dearer tier first. The prices they
/// paid, in the order in which the places were taken.
async fn rush(scene: &Scene, event: EventId) -> Vec<i64> {
    let mut buyers = JoinSet::new();
    for number in 0..64 {
        let (app, cx) = (scene.app.clone(), scene.cx.clone());
        buyers.spawn(async move {
            let order = if number % 2 == 0 {
                ["Early", "Regular"]
            } else {
                ["Regular", "Early"]
            };
            for name in order.iter().cycle().take(20) {
                match app.run(&cx, of(event, name)).await {
                    Ok(hold) => {
                        app.run(&cx, ordering(&hold)).await.unwrap();
                        return;
                    }
                    Err(error) => {
                        let code = error.spec().code;
                        let known = ["sold_out", "earlier_tier_on_sale"];
                        assert!(known.contains(&code), "{error}");
                    }
                }
            }
        });
    }
    buyers.join_all().await;
    let held = "select payload -> 'total' -> 'amount' as paid from change where kind = 'hold.placed' order by sequence";
    let held = scene.database.ask(held).await;
    let held = held.as_array().unwrap().iter();
    held.map(|held| held["paid"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_pays_the_second_price_while_the_first_is_to_be_had() {
    let mut beside = 0;
    for is_guarded in [true, false] {
        let scene = Scene::new().await;
        let event = scene.published("Spring Gala").await.id;
        for (name, amount, quantity) in [("Early", 1500, EARLY), ("Regular", 2500, REGULAR)] {
            let saved = scene.run(selling(event, name, amount, quantity)).await;
            saved.unwrap();
        }
        let chain = SetPriceTiers {
            event: event.into(),
            ticket_types: vec!["Early".parse().unwrap(), "Regular".parse().unwrap()],
        };
        if is_guarded {
            scene.run(chain).await.unwrap();
        }
        let paid = rush(&scene, event).await;
        let expected = [vec![1500; 7], vec![2500; 20]].concat();
        let mut sorted = paid.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "everything is sold, nothing twice");
        if is_guarded {
            assert_eq!(paid, expected, "first all of the first tier");
        } else {
            beside += usize::from(paid != expected);
        }
        scene.reconcile().await;
    }
    assert_eq!(
        beside, 1,
        "without the chain both are sold beside each other"
    );
}
