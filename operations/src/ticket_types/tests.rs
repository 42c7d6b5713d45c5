//! `save_ticket_type` and `copy_all`, on a database.

use domain::{Fault as _, Money, Patch, Permission, Permissions};

use super::*;
use crate::{
    events::{CreateEvent, Event, StatusMove},
    testing::{Scene, assert_refused, eur, new_event, saving, selling},
    venues::SaveVenue,
};

async fn draft(scene: &Scene) -> Event {
    scene.run(new_event("Spring Gala")).await.unwrap().event
}

fn changing(event: &Event, name: &str) -> SaveTicketType {
    SaveTicketType {
        ticket_type: Some(name.parse().unwrap()),
        ..saving(event.id)
    }
}

fn price(amount: i64, currency: &str) -> Option<Money> {
    Some(Money::new(amount, currency.parse().unwrap()))
}

fn at(local: &str) -> Patch<domain::LocalTime> {
    Patch::Set(local.parse().unwrap())
}

#[tokio::test]
async fn puts_a_ticket_type_on_sale() {
    let scene = Scene::new().await;
    let event = draft(&scene).await;
    let saved = scene
        .run(selling(event.id, "Regular", 2500, 100))
        .await
        .unwrap();
    assert_eq!(saved.warnings, Vec::<String>::new());
    let t = saved.ticket_type;
    assert_eq!(
        (t.costs.as_str(), t.availability.left),
        ("25.00 EUR", Some(100))
    );
    assert_eq!((t.min_per_order, t.max_per_order, t.position), (1, 10, 1));
    let change = scene.changes().await.pop().unwrap();
    assert_eq!(change.kind, "ticket_type.created");
    assert_eq!(
        change.summary,
        "Adds the ticket type \"Regular\": 25.00 EUR, 100 of them"
    );
}

#[tokio::test]
async fn changes_only_what_is_given_and_records_it() {
    let scene = Scene::new().await;
    let event = draft(&scene).await;
    let described = SaveTicketType {
        description: Patch::Set("With a drink".parse().unwrap()),
        ..selling(event.id, "Regular", 2500, 100)
    };
    let before = scene.run(described).await.unwrap().ticket_type;
    let change = SaveTicketType {
        price: price(3000, "EUR"),
        description: Patch::Remove,
        ..changing(&event, "REGULAR")
    };
    let after = scene.run(change).await.unwrap().ticket_type;
    let expected = TicketType {
        price: Money::new(3000, eur()),
        costs: "30.00 EUR".to_owned(),
        description: None,
        version: 2,
        ..before
    };
    assert_eq!(after, expected);
    let change = scene.changes().await.pop().unwrap();
    assert_eq!(
        change.summary,
        "Changes the ticket type \"Regular\": price from \"25.00 EUR\" to \"30.00 EUR\"; \
         description from \"With a drink\" to nothing"
    );
    let count = scene.changes().await.len();
    scene.run(changing(&event, "Regular")).await.unwrap();
    assert_eq!(scene.changes().await.len(), count, "nothing was different");
}

#[tokio::test]
async fn two_types_share_a_pool() {
    let scene = Scene::new().await;
    let event = draft(&scene).await;
    let shared = |name: &str, capacity| SaveTicketType {
        quantity: None,
        pool: Some("Hall".parse().unwrap()),
        pool_capacity: capacity,
        ..selling(event.id, name, 2500, 1)
    };
    assert_refused(scene.run(shared("Regular", None)).await, "pool_not_found");
    scene.run(shared("Regular", Some(50))).await.unwrap();
    let second = SaveTicketType {
        pool: Some("HALL".parse().unwrap()),
        ..shared("Student", None)
    };
    let saved = scene.run(second).await.unwrap().ticket_type;
    let pool = saved.pool.unwrap();
    assert_eq!(
        (pool.name.as_str(), pool.availability.left),
        ("Hall", Some(50))
    );
    let resize = SaveTicketType {
        pool: Some("Hall".parse().unwrap()),
        pool_capacity: Some(60),
        ..changing(&event, "Student")
    };
    assert_eq!(
        scene
            .run(resize)
            .await
            .unwrap()
            .ticket_type
            .availability
            .left,
        Some(60)
    );
    let change = scene.changes().await.pop().unwrap();
    assert_eq!(
        change.summary,
        "Changes the capacity of \"Hall\" from 50 to 60"
    );
    let own = SaveTicketType {
        quantity: Some(5),
        ..changing(&event, "Student")
    };
    let own = scene.run(own).await.unwrap().ticket_type;
    assert_eq!((own.pool, own.availability.left), (None, Some(5)));
    let error = scene
        .run(shared("Late", None).with_pool("Hal"))
        .await
        .unwrap_err();
    assert_eq!(error.candidates()[0].name, "Hall");
}

impl SaveTicketType {
    fn with_pool(self, name: &str) -> Self {
        Self {
            pool: Some(name.parse().unwrap()),
            ..self
        }
    }
}

#[tokio::test]
async fn refuses_prices_that_do_not_fit() {
    let scene = Scene::new().await;
    let event = draft(&scene).await;
    let with = |price| SaveTicketType {
        price,
        ..selling(event.id, "Regular", 0, 10)
    };
    assert_refused(scene.run(with(None)).await, "price_missing");
    assert_refused(
        scene.run(with(price(2500, "USD"))).await,
        "currency_differs",
    );
    assert_refused(scene.run(with(price(-1, "EUR"))).await, "price_negative");
    let saved = scene.run(with(price(25, "EUR"))).await.unwrap();
    assert_eq!(
        saved.warnings,
        ["\"Regular\" costs only 0.25 EUR: the amount counts the smallest unit."]
    );
}

#[tokio::test]
async fn refuses_names_and_limits_that_do_not_fit() {
    let scene = Scene::new().await;
    let event = draft(&scene).await;
    let good = || selling(event.id, "Regular", 2500, 10);
    let nameless = SaveTicketType {
        name: None,
        ..good()
    };
    assert_refused(scene.run(nameless).await, "ticket_type_name_missing");
    let endless = SaveTicketType {
        quantity: None,
        ..good()
    };
    assert_refused(scene.run(endless).await, "quantity_missing");
    let both = SaveTicketType {
        unlimited: true,
        ..good()
    };
    assert_refused(scene.run(both).await, "quantity_ambiguous");
    let none = SaveTicketType {
        quantity: Some(0),
        ..good()
    };
    assert_refused(scene.run(none).await, "not_positive");
    let reversed = SaveTicketType {
        min_per_order: Some(4),
        max_per_order: Some(2),
        ..good()
    };
    assert_refused(scene.run(reversed).await, "limits_reversed");
    scene.run(good()).await.unwrap();
    assert_refused(
        scene.run(selling(event.id, "REGULAR", 1, 1)).await,
        "name_taken",
    );
    scene
        .run(selling(event.id, "Student", 1500, 1))
        .await
        .unwrap();
    let taken = SaveTicketType {
        name: Some("Regular".parse().unwrap()),
        ..changing(&event, "Student")
    };
    assert_refused(scene.run(taken).await, "name_taken");
    assert_refused(scene.run(changing(&event, "VIP")).await, "not_found");
    let unlimited = SaveTicketType {
        quantity: None,
        unlimited: true,
        ..selling(event.id, "Online", 0, 1)
    };
    let free = scene.run(unlimited).await.unwrap().ticket_type;
    assert_eq!(
        (free.costs.as_str(), free.availability.left),
        ("free", None)
    );
}

#[tokio::test]
async fn refuses_sales_windows_that_do_not_fit() {
    let scene = Scene::new().await;
    let event = draft(&scene).await;
    let window = |start, end| SaveTicketType {
        sales_start: start,
        sales_end: end,
        ..selling(event.id, "Regular", 2500, 10)
    };
    let reversed = window(at("2027-01-20T12:00"), at("2027-01-20T12:00"));
    assert_refused(scene.run(reversed).await, "sales_window_reversed");
    let late = window(at("2027-02-04T22:00"), Patch::Keep);
    assert_refused(scene.run(late).await, "sales_window_after_event");
    let skipped = window(Patch::Keep, at("2026-03-29T02:30"));
    assert_refused(scene.run(skipped).await, "time_does_not_exist");
    let twice = window(Patch::Keep, at("2026-10-25T02:30"));
    assert_refused(scene.run(twice).await, "time_happens_twice");
    let past = window(Patch::Keep, at("2027-01-10T12:00"));
    let saved = scene.run(past).await.unwrap();
    assert_eq!(
        saved.warnings,
        ["The sale ended on Sun 10 Jan 2027, 12:00 already, so nothing can be bought."]
    );
    let open = SaveTicketType {
        sales_end: Patch::Remove,
        ..changing(&event, "Regular")
    };
    assert_eq!(
        scene.run(open).await.unwrap().warnings,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn refuses_to_change_what_is_over_or_cancelled() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 10).await;
    let later = scene.at("2027-02-05T09:00:00Z");
    let command = selling(event.id, "Late", 2500, 10);
    assert_refused(scene.app.run(&later, command.clone()).await, "event_closed");
    scene.move_event(event.id, StatusMove::Cancel(None)).await;
    assert_refused(scene.run(command).await, "event_closed");
}

#[tokio::test]
async fn warns_when_the_venue_is_too_small() {
    let scene = Scene::new().await;
    let hall = SaveVenue {
        name: Some("Town Hall".parse().unwrap()),
        capacity: Some(80),
        ..SaveVenue::default()
    };
    let venue = scene.run(hall).await.unwrap();
    let gala = CreateEvent {
        venue: Some(venue.id.into()),
        ..new_event("Spring Gala")
    };
    let event = scene.run(gala).await.unwrap().event;
    let fits = scene
        .run(selling(event.id, "Regular", 2500, 60))
        .await
        .unwrap();
    assert_eq!(fits.warnings, Vec::<String>::new());
    let over = scene
        .run(selling(event.id, "Student", 1500, 30))
        .await
        .unwrap();
    assert_eq!(
        over.warnings,
        ["Town Hall has room for 80, but all ticket types together offer 90 tickets."]
    );
}

#[tokio::test]
async fn another_organization_and_a_viewer_cannot_save() {
    let scene = Scene::new().await;
    let other = scene.other_organization().await;
    let event = draft(&scene).await;
    let command = selling(event.id, "Regular", 2500, 10);
    assert_refused(scene.app.run(&other, command.clone()).await, "not_found");
    let viewer = scene
        .cx
        .clone()
        .with_permissions(Permissions::NONE.with(Permission::EventsRead));
    assert_refused(scene.app.run(&viewer, command).await, "forbidden");
}

#[tokio::test]
async fn answers_a_repeat_without_doing_it_again() {
    let scene = Scene::new().await;
    let event = draft(&scene).await;
    scene
        .assert_idempotent(selling(event.id, "Regular", 2500, 10))
        .await;
}

#[tokio::test]
async fn copies_move_their_windows_and_start_empty() {
    let scene = Scene::new().await;
    let (from, _) = scene.on_sale(2500, 10).await;
    let windowed = SaveTicketType {
        sales_start: at("2027-01-01T10:00"),
        sales_end: at("2027-02-03T18:00"),
        quantity: None,
        pool: Some("Hall".parse().unwrap()),
        pool_capacity: Some(50),
        ..selling(from.id, "Early bird", 2000, 1)
    };
    scene.run(windowed).await.unwrap();
    // Summer time begins in between: 18:00 the day before stays 18:00 the day before.
    let to = CreateEvent {
        starts: "2027-04-08T19:00".parse().unwrap(),
        ..new_event("Summer Gala")
    };
    let to = scene.run(to).await.unwrap().event;
    let mut tx = scene.app.store().write(&scene.cx).await.unwrap();
    let copied = copy_all(tx.conn(), &scene.cx, &from, &to).await.unwrap();
    tx.unchanged(()).await.unwrap();
    assert_eq!((copied.count, copied.windows.len()), (2, 1));
    let window = &copied.windows[0];
    assert_eq!(window.starts.unwrap().to_string(), "2027-03-05T10:00");
    assert_eq!(window.ends.unwrap().to_string(), "2027-04-07T18:00");
    assert!(!window.is_over && !window.is_dropped);
    let list = ListTicketTypes {
        event: to.id.into(),
    };
    let types = scene.run(list).await.unwrap().ticket_types;
    let names: Vec<_> = types.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["Regular", "Early bird"]);
    assert_eq!(types[1].pool.as_ref().unwrap().availability.left, Some(50));
}

#[tokio::test]
async fn a_copy_says_which_windows_are_over() {
    let scene = Scene::new().await;
    let from = scene.published("Spring Gala").await;
    let early = SaveTicketType {
        sales_end: at("2027-01-20T12:00"),
        ..selling(from.id, "Early bird", 2000, 5)
    };
    scene.run(early).await.unwrap();
    let to = CreateEvent {
        starts: "2027-01-12T19:00".parse().unwrap(),
        ..new_event("Sooner")
    };
    let to = scene.run(to).await.unwrap().event;
    let mut tx = scene.app.store().write(&scene.cx).await.unwrap();
    let copied = copy_all(tx.conn(), &scene.cx, &from, &to).await.unwrap();
    assert_eq!(
        copied.windows[0].ends.unwrap().to_string(),
        "2026-12-28T12:00"
    );
    assert!(copied.windows[0].is_over);
}
