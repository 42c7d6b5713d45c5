//! Who is offered places, in which order, and that nobody takes them before: each rule with a control that breaks it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::{EventId, WaitlistEntryId};
use store::rig::Rig;
use tokio::task::JoinSet;

use super::*;
use crate::{
    holds::{Hold, ReleaseHold, expire_due},
    testing::{Scene, assert_refused, holding, joining, ordering, pool, saving, selling, without},
    ticket_types::SaveTicketType,
    together::{LOOK_AGAIN, WAITLIST},
};

async fn joined(scene: &Scene, event: EventId, name: &str, quantity: i32) -> WaitlistEntryId {
    let joined = scene.run(joining(event, name, quantity)).await.unwrap();
    joined.entry.id
}

async fn freed(scene: &Scene, hold: &Hold) {
    scene.run(ReleaseHold { hold: hold.id }).await.unwrap();
}

fn offering(event: EventId) -> OfferPlaces {
    OfferPlaces {
        event: Some(event.into()),
        ..OfferPlaces::default()
    }
}

/// Who is offered something now, in their order.
async fn offered(scene: &Scene, event: EventId) -> Vec<String> {
    let answer = scene.run(offering(event)).await.unwrap();
    let names = answer
        .offers
        .iter()
        .map(|offer| offer.name.as_str().to_owned());
    names.collect()
}

async fn status(scene: &Scene, entry: WaitlistEntryId) -> WaitlistStatus {
    scene.run(GetWaitlistEntry { entry }).await.unwrap().status
}

#[tokio::test]
async fn who_has_priority_comes_first_and_then_who_came_first() {
    let scene = Scene::new().await;
    let (event, holds) = scene.sold_out(3).await;
    joined(&scene, event, "Ada", 1).await;
    joined(&scene, event, "Grace", 1).await;
    let hedy = joined(&scene, event, "Hedy", 1).await;
    let first = SaveWaitlistEntry {
        entry: hedy,
        priority: 5,
    };
    scene.run(first).await.unwrap();
    assert_eq!(offered(&scene, event).await, [""; 0], "nothing is free");
    freed(&scene, &holds[0]).await;
    assert_eq!(offered(&scene, event).await, ["Hedy"]);
    freed(&scene, &holds[1]).await;
    freed(&scene, &holds[2]).await;
    assert_eq!(offered(&scene, event).await, ["Ada", "Grace"]);
    assert_eq!(
        offered(&scene, event).await,
        [""; 0],
        "everybody was served"
    );
    scene.reconcile().await;
}

#[tokio::test]
async fn a_group_gets_places_for_all_or_none_and_those_behind_may_have_the_few() {
    let scene = Scene::new().await;
    let (event, holds) = scene.sold_out(6).await;
    let group = joined(&scene, event, "Ada", 4).await;
    for hold in &holds[..3] {
        freed(&scene, hold).await;
    }
    assert_eq!(offered(&scene, event).await, [""; 0]);
    // Nor does anybody else get one of the three.
    assert_refused(scene.run(holding(event, 1)).await, "sold_out");
    joined(&scene, event, "Grace", 2).await;
    assert_eq!(offered(&scene, event).await, ["Grace"]);
    for hold in &holds[3..] {
        freed(&scene, hold).await;
    }
    assert_eq!(offered(&scene, event).await, ["Ada"]);
    let entry = scene.run(GetWaitlistEntry { entry: group }).await.unwrap();
    assert_eq!(
        (entry.passed_over, entry.status),
        (1, WaitlistStatus::Offered)
    );
    scene.reconcile().await;
}

/// Places come free one by one, and for each somebody new waits alone; how many of them are served before the group of
/// four that was there first.
async fn served_before_the_group(patience: i32) -> Option<usize> {
    let scene = Scene::new().await;
    let (event, holds) = scene.sold_out(12).await;
    let group = joined(&scene, event, "Group", 4).await;
    let mut before = 0;
    for (number, hold) in holds.iter().enumerate() {
        joined(&scene, event, &format!("Single{number}"), 1).await;
        freed(&scene, hold).await;
        let answer = offering(event)
            .offer(&scene.app, &scene.cx, patience)
            .await
            .unwrap();
        if answer.offers.iter().any(|offer| offer.entry == group) {
            scene.reconcile().await;
            return Some(before);
        }
        before += answer.offers.len();
    }
    scene.reconcile().await;
    None
}

#[tokio::test]
async fn a_group_of_four_does_not_starve_beside_a_stream_of_single_places() {
    assert_eq!(served_before_the_group(plan::PATIENCE).await, Some(3));
    // The control: with patience without end it does.
    assert_eq!(served_before_the_group(i32::MAX).await, None);
}

#[tokio::test]
async fn what_is_ordered_is_bought_and_what_is_not_goes_to_the_next() {
    let scene = Scene::new().await;
    let (event, holds) = scene.sold_out(2).await;
    let ada = joined(&scene, event, "Ada", 2).await;
    let grace = joined(&scene, event, "Grace", 2).await;
    for hold in &holds {
        freed(&scene, hold).await;
    }
    let answer = scene.run(offering(event)).await.unwrap();
    let offer = &answer.offers[0];
    assert_eq!(
        (offer.total.to_string(), offer.until_local.readable()),
        ("50.00 EUR".to_owned(), "Wed 13 Jan 2027, 10:00".to_owned())
    );
    let (before, after) = (
        scene.at("2027-01-13T08:59:59Z"),
        scene.at("2027-01-13T09:00:00Z"),
    );
    assert_eq!(expire_due(&scene.app, before.now).await.unwrap(), 0);
    // Nobody ended it yet; serving does.
    let answer = scene.app.run(&after, offering(event)).await.unwrap();
    assert_eq!(answer.offers[0].entry, grace);
    assert_eq!(status(&scene, ada).await, WaitlistStatus::Lapsed);
    let late = ordering(
        &scene
            .run(crate::holds::GetHold { hold: offer.hold })
            .await
            .unwrap(),
    );
    assert_refused(scene.app.run(&after, late).await, "hold_ended");
    let hold = crate::holds::GetHold {
        hold: answer.offers[0].hold,
    };
    let hold = scene.run(hold).await.unwrap();
    let order = scene
        .app
        .run(&after, ordering(&hold))
        .await
        .unwrap()
        .order
        .order;
    let entry = scene.run(GetWaitlistEntry { entry: grace }).await.unwrap();
    assert_eq!(
        (entry.status, entry.order_id),
        (WaitlistStatus::Bought, Some(order.id))
    );
    let kinds: Vec<_> = scene.changes().await.into_iter().map(|c| c.kind).collect();
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| *kind == "waitlist.lapsed")
            .count(),
        1
    );
    scene.reconcile().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_that_serve_at_once_offer_each_place_once() {
    let scene = Scene::new().await;
    let (event, holds) = scene.sold_out(3).await;
    for name in ["Ada", "Grace", "Hedy"] {
        joined(&scene, event, name, 1).await;
    }
    let queue = ["Mary", "Joan", "Jean", "Rosa", "Anna"];
    for name in queue {
        joined(&scene, event, name, 1).await;
    }
    for hold in &holds {
        freed(&scene, hold).await;
    }
    assert_eq!(offered(&scene, event).await.len(), 3);
    // All three lapse; four servers find out at the same time, each several times.
    let after = scene.at("2027-01-13T09:00:00Z");
    let mut servers = JoinSet::new();
    for _ in 0..4 {
        let (app, cx) = (scene.another_server(), after.clone());
        servers.spawn(async move {
            let mut offers = Vec::new();
            for _ in 0..3 {
                offers.extend(app.run(&cx, offering(event)).await.unwrap().offers);
            }
            offers
        });
    }
    let offers: Vec<_> = servers.join_all().await.into_iter().flatten().collect();
    let mut names: Vec<_> = offers.iter().map(|offer| offer.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Jean", "Joan", "Mary"]);
    let mails = "select count(*) from message where template = 'waitlist_offer'";
    assert_eq!(scene.database.count(mails).await, 6);
    let lapsed = "select count(*) from change where kind = 'waitlist.lapsed'";
    assert_eq!(scene.database.count(lapsed).await, 3);
    scene.reconcile().await;
}

/// Forty-eight strangers on two servers want a place again and again, while six places come free and six are waited for;
/// how many places strangers got, and those who wait.
async fn got_by_strangers(rig: Rig) -> (usize, usize) {
    let scene = Scene::new().await;
    let (event, holds) = scene.sold_out(10).await;
    for (name, quantity) in [("Ada", 1), ("Grace", 2), ("Hedy", 1), ("Mary", 2)] {
        joined(&scene, event, name, quantity).await;
    }
    let servers = [scene.server_with(rig.clone()), scene.server_with(rig)];
    let mut strangers = JoinSet::new();
    for number in 0..48 {
        let (app, cx) = (servers[number % 2].clone(), scene.cx.clone());
        strangers.spawn(async move {
            for _ in 0..20 {
                if app.run(&cx, holding(event, 1)).await.is_ok() {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            false
        });
    }
    let serving = scene.another_server();
    for hold in &holds[..6] {
        freed(&scene, hold).await;
        tokio::time::sleep(Duration::from_millis(40)).await;
        serving.run(&scene.cx, offering(event)).await.unwrap();
    }
    let got = strangers
        .join_all()
        .await
        .into_iter()
        .filter(|got| *got)
        .count();
    scene.reconcile().await;
    let offered =
        "select coalesce(sum(quantity), 0)::bigint from waitlist_entry where status = 'offered'";
    let offered = usize::try_from(scene.database.count(offered).await).unwrap();
    (got, offered)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_who_waits_is_overtaken_by_a_crowd_of_strangers() {
    assert_eq!(got_by_strangers(Rig::default()).await, (0, 6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn control_strangers_overtake_when_nobody_thinks_of_those_who_wait() {
    let (got, offered) = got_by_strangers(without(&[WAITLIST])).await;
    eprintln!("control: strangers got {got} of 6 places");
    assert!(got > 0, "the crowd is too small to show anything");
    assert!(got + offered <= 6, "{got} and {offered} of 6");
}

/// Two are waited for and four are free; two pairs of strangers on two servers have both seen that, and then take places.
async fn pairs_that_got_places(rig: Rig) -> usize {
    let scene = Scene::new().await;
    let (event, _) = scene.sold_out(4).await;
    joined(&scene, event, "Ada", 2).await;
    let more = SaveTicketType {
        ticket_type: Some("Regular".parse().unwrap()),
        quantity: Some(8),
        ..saving(event)
    };
    scene.run(more).await.unwrap();
    let pools = scene.keep("capacity_pool").await;
    let mut pairs = JoinSet::new();
    for _ in 0..2 {
        let (app, cx) = (scene.server_with(rig.clone()), scene.cx.clone());
        pairs.spawn(async move { app.run(&cx, holding(event, 2)).await.is_ok() });
    }
    scene.database.until_waiting(2).await;
    pools.let_go().await;
    let got = pairs
        .join_all()
        .await
        .into_iter()
        .filter(|got| *got)
        .count();
    scene.reconcile().await;
    if got == 1 {
        assert_eq!(offered(&scene, event).await, ["Ada"]);
    }
    got
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_strangers_saw_is_looked_at_again_when_they_take_it() {
    assert_eq!(pairs_that_got_places(Rig::default()).await, 1);
    // The control: both go by what they saw at first, and nothing is left for Ada.
    assert_eq!(pairs_that_got_places(without(&[LOOK_AGAIN])).await, 2);
}

#[tokio::test]
async fn a_hall_sells_on_beside_those_who_wait_for_its_boxes() {
    let scene = Scene::new().await;
    let event = scene.published("Spring Gala").await.id;
    for (name, quantity) in [("Regular", 2), ("Stalls", 50)] {
        let shared = SaveTicketType {
            pools: Some(vec![pool("Hall", Some(20))]),
            ..selling(event, name, 2500, quantity)
        };
        scene.run(shared).await.unwrap();
    }
    let boxes = scene.run(holding(event, 2)).await.unwrap();
    joined(&scene, event, "Ada", 2).await;
    let stalls = |quantity| {
        let mut hold = holding(event, quantity);
        hold.items[0].ticket_type = "Stalls".parse().unwrap();
        hold
    };
    // 18 of the hall's 20 are free, and none of them is kept for Ada, who waits for a box.
    for quantity in [10, 8] {
        scene.run(stalls(quantity)).await.unwrap();
    }
    freed(&scene, &boxes).await;
    // Now the two that are free in the hall are those of the box.
    assert_refused(scene.run(stalls(1)).await, "sold_out");
    assert_eq!(offered(&scene, event).await, ["Ada"]);
    scene.reconcile().await;
}

#[tokio::test]
async fn an_offer_ends_with_the_sale_and_nothing_is_kept_afterwards() {
    let scene = Scene::new().await;
    let (event, holds) = scene.sold_out(2).await;
    let ada = joined(&scene, event, "Ada", 2).await;
    freed(&scene, &holds[0]).await;
    let early = scene.at("2027-02-04T09:00:00Z");
    // The other place is nobody's by then.
    let answer = scene.app.run(&early, offering(event)).await.unwrap();
    assert_eq!(answer.offers[0].entry, ada);
    assert_eq!(
        answer.offers[0].until_local.readable(),
        "Thu 4 Feb 2027, 19:00"
    );
    let begun = scene.at("2027-02-04T18:30:00Z");
    joined_at_the_end(&scene, event).await;
    let answer = scene.app.run(&begun, offering(event)).await.unwrap();
    assert_eq!(
        (answer.offers.len(), answer.not_served[0].why.as_str()),
        (0, "the event has begun")
    );
    // What Ada did not take is sold to whoever comes, although somebody waited.
    scene.app.run(&begun, holding(event, 2)).await.unwrap();
    scene.reconcile().await;
}

/// Somebody else waits, shortly before the event begins.
async fn joined_at_the_end(scene: &Scene, event: EventId) {
    let cx = scene.at("2027-02-04T17:00:00Z");
    scene
        .app
        .run(&cx, joining(event, "Grace", 1))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_offer_and_its_mail_are_there_together_or_not_at_all() {
    for (place, comes_of_it) in [("commit.before", 0), ("commit.after", 1)] {
        let scene = Scene::new().await;
        let (event, holds) = scene.sold_out(1).await;
        let ada = joined(&scene, event, "Ada", 1).await;
        freed(&scene, &holds[0]).await;
        let (reached, mut there) = tokio::sync::mpsc::channel(1);
        let times = Arc::new(AtomicUsize::new(0));
        let hook: store::rig::Hook = Arc::new(move |at| {
            let reached = reached.clone();
            let is_there = at == place && times.fetch_add(1, Ordering::SeqCst) == 0;
            Box::pin(async move {
                if is_there {
                    reached.send(()).await.unwrap();
                    std::future::pending::<()>().await;
                }
            })
        });
        let rig = Rig {
            hook: Some(hook),
            ..Rig::default()
        };
        let (app, cx) = (scene.server_with(rig), scene.cx.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { app.run(&cx, offering(event)).await });
        there.recv().await.unwrap();
        // The program ends here.
        serving.shutdown().await;
        let mails = "select count(*) from message where template = 'waitlist_offer'";
        let offers = "select count(*) from waitlist_entry where status = 'offered'";
        let now = [
            scene.database.count(mails).await,
            scene.database.count(offers).await,
        ];
        assert_eq!(now, [comes_of_it; 2], "{place}");
        // Whoever serves next makes up for it, and does nothing twice.
        for _ in 0..2 {
            scene.run(offering(event)).await.unwrap();
        }
        let now = [
            scene.database.count(mails).await,
            scene.database.count(offers).await,
        ];
        assert_eq!(now, [1; 2], "{place}");
        assert_eq!(status(&scene, ada).await, WaitlistStatus::Offered);
        scene.reconcile().await;
    }
}
