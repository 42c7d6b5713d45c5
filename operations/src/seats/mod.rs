//! Reserved seating: maps of venues, which of them an event uses and what its ticket types sell of it, and who has which
//! seat.
//!
//! Owns `seat_map`, `seat_section`, `seat`, `event_seating`, `ticket_type_section`, `seat_claim`. Operations:
//! `save_seat_map`, `list_seat_maps`, `get_seat_map`, `set_event_seating`, `block_seats`, `get_event_seats`. Changes:
//! `seat_map.saved`, `event.seating_set`, `seats.blocked`. Holds and orders take seats with `take`.
//!
//! A seat is one live claim per event, by a partial unique index; a block is a claim that nobody has. Claims end by triggers
//! with the hold, order or ticket that has them, so no path can forget them. Places still count in the pools.
//!
//! Locks: the event (shared), the event's seating (by whoever wants the best available), claims by the ids of their seats;
//! after what is held or ordered is written, before promo codes and pools.

mod best;
mod block_seats;
pub mod changes;
mod claims;
mod errors;
mod get_event_seats;
mod get_seat_map;
mod labels;
mod list_seat_maps;
mod model;
mod plan;
mod save_seat_map;
mod set_event_seating;
mod sql;

pub use block_seats::{BlockSeats, BlockedSeats};
pub use errors::{PlanError, SeatError, SeatingError};
pub use get_event_seats::{EventSeats, GetEventSeats, SectionSeats};
pub use get_seat_map::GetSeatMap;
pub use list_seat_maps::ListSeatMaps;
pub use model::{SeatKind, SeatMap, SeatMapDetail};
pub use plan::{RowPlan, SectionPlan};
pub use save_seat_map::{SaveSeatMap, SaveSeatMapError};
pub use set_event_seating::{EventSeating, SetEventSeating, TypeSections};

#[cfg(any(test, feature = "testing"))]
pub(crate) use claims::discrepancies;
pub(crate) use claims::{Owner, Taken, Wish, of_hold, of_order, take, take_anew, to_tickets};
pub(crate) use sql::copy;

#[cfg(test)]
mod tests {
    //! Reserved seats from the hold to the door, and in a rush.

    use domain::{EventId, Fault as _, OrderId, VenueId};
    use serde_json::json;
    use tokio::task::JoinSet;

    use super::{RowPlan, SaveSeatMap, SectionPlan, SetEventSeating};
    use crate::{
        App, Options,
        check_ins::{CheckIn, ListAttendees},
        events::StatusMove,
        holds::{ExtendHold, GetHold, Hold, HoldTickets, ReleaseHold, expire_due},
        lifecycle::CancelEvent,
        orders::{
            CancelOrder, ConfirmPayment, GetOrder, IssueTickets, OrderDetail, OrderStatus,
            ReactivateOrder, RefundChoice,
            changing::{CancelTickets, SplitOrder, SwapPrice, SwapTickets},
        },
        testing::{Scene, assert_refused, buying, holding, new_event, ordering, selling},
        ticket_types::CheckInventory,
        tickets::{FindTicket, VoidTicket},
    };

    /// Two rows of ten in the stalls, three in the circle.
    pub(super) fn hall_plan() -> Vec<SectionPlan> {
        let section = |name: &str, row: &str| SectionPlan {
            name: name.parse().unwrap(),
            rows: vec![RowPlan {
                row: row.to_owned(),
                seats: "1-10".to_owned(),
                ..RowPlan::default()
            }],
        };
        vec![section("Stalls", "A-B"), section("Circle", "A-C")]
    }

    pub(super) fn drawing(name: &str, sections: Vec<SectionPlan>) -> SaveSeatMap {
        SaveSeatMap {
            venue: "Town Hall".parse().unwrap(),
            seat_map: None,
            name: name.parse().ok(),
            sections,
        }
    }

    pub(super) fn seating(event: EventId) -> SetEventSeating {
        let seating = json!({"event": event, "seat_map": "Hall", "sells": [
        {"ticket_type": "Stalls", "sections": ["Stalls"]},
        {"ticket_type": "Circle", "sections": ["Circle"]}]});
        serde_json::from_value(seating).unwrap()
    }

    pub(super) fn taking(event: EventId, kind: &str, quantity: i32) -> HoldTickets {
        let mut hold = holding(event, quantity);
        hold.items[0].ticket_type = kind.parse().unwrap();
        hold
    }

    pub(super) fn naming(event: EventId, kind: &str, seats: &[&str]) -> HoldTickets {
        let count = |seat: &&str| super::labels::split(seat).map_or(1, |(.., seats)| seats.len());
        let count: usize = seats.iter().map(count).sum();
        let mut hold = taking(event, kind, i32::try_from(count).unwrap());
        hold.items[0].seats = seats.iter().map(|seat| (*seat).to_owned()).collect();
        hold
    }

    /// A published event in a hall of fifty seats.
    pub(super) struct Hall {
        pub(super) scene: Scene,
        pub(super) event: EventId,
    }

    impl Hall {
        /// At a price in cents.
        pub(super) async fn open(amount: i64) -> Self {
            Self::of(amount, hall_plan(), [20, 30]).await
        }

        async fn of(amount: i64, plan: Vec<SectionPlan>, limits: [i32; 2]) -> Self {
            let scene = Scene::new().await;
            let venue: VenueId = scene.venue("Town Hall").await.id;
            scene.run(drawing("Hall", plan)).await.unwrap();
            let create = crate::events::CreateEvent {
                venue: Some(venue.into()),
                ..new_event("Gala")
            };
            let event = scene.run(create).await.unwrap().event.id;
            scene.move_event(event, StatusMove::Publish).await;
            for (name, limit) in ["Stalls", "Circle"].into_iter().zip(limits) {
                scene
                    .run(selling(event, name, amount, limit))
                    .await
                    .unwrap();
            }
            scene.run(seating(event)).await.unwrap();
            Self { scene, event }
        }

        pub(super) async fn hold(&self, kind: &str, quantity: i32) -> Hold {
            self.scene
                .run(taking(self.event, kind, quantity))
                .await
                .unwrap()
        }

        pub(super) async fn order(&self, kind: &str, quantity: i32) -> OrderDetail {
            let placed = self.scene.run(buying(self.event, kind, quantity)).await;
            placed.unwrap().order
        }

        async fn seats(&self, order: OrderId) -> Vec<String> {
            let get = GetOrder {
                order: order.into(),
            };
            self.scene.run(get).await.unwrap().seats
        }

        /// How many seats people have.
        async fn live(&self) -> i64 {
            let count = "select count(*) from seat_claim where status = 'live' and ticket_type_id is not null";
            let mut owner = self.scene.database.owner().await;
            sqlx::query_scalar(count)
                .fetch_one(&mut owner)
                .await
                .unwrap()
        }
    }

    fn seats_of(order: &OrderDetail) -> Vec<&str> {
        order
            .tickets
            .iter()
            .filter_map(|ticket| ticket.seat.as_deref())
            .collect()
    }

    #[tokio::test]
    async fn a_group_is_given_the_best_seats_and_keeps_them_to_the_door() {
        let hall = Hall::open(2500).await;
        let scene = &hall.scene;
        let hold = hall.hold("Stalls", 2).await;
        assert_eq!(
            (hold.seats.join(", ").as_str(), hold.are_apart),
            ("Stalls A 5, Stalls A 6", false)
        );
        let get = GetHold { hold: hold.id };
        assert_eq!(scene.run(get).await.unwrap().seats, hold.seats);
        let extended = scene.run(ExtendHold { hold: hold.id }).await.unwrap();
        assert_eq!(extended.seats, hold.seats);
        let order = ordering(&hold);
        let order = scene.run(order).await.unwrap().order;
        assert_eq!(order.seats, hold.seats);
        scene.reconcile().await;
        let order_id = order.order.id;
        scene
            .run(ConfirmPayment::of(order_id.into()))
            .await
            .unwrap();
        let order = scene
            .run(GetOrder {
                order: order_id.into(),
            })
            .await
            .unwrap();
        assert_eq!(seats_of(&order), ["Stalls A 5", "Stalls A 6"]);
        let ticket = &order.tickets[1];
        let find: FindTicket = serde_json::from_value(json!({"query": ticket.code})).unwrap();
        let found = scene.run(find).await.unwrap();
        assert!(
            serde_json::to_string(&found)
                .unwrap()
                .contains("Stalls A 6")
        );
        let list: ListAttendees = serde_json::from_value(json!({"event": hall.event})).unwrap();
        let listed = scene.run(list).await.unwrap().items;
        assert!(
            listed
                .iter()
                .any(|one| one.seat.as_deref() == Some("Stalls A 6"))
        );
        let scan: CheckIn = serde_json::from_value(json!({"ticket": ticket.id})).unwrap();
        let scan = scene.run(scan).await.unwrap();
        assert_eq!(scan.seat.as_deref(), Some("Stalls A 6"));
        assert!(
            scan.message.contains("Stalls, seat Stalls A 6,"),
            "{}",
            scan.message
        );
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn seats_are_given_back_with_whatever_has_them() {
        let hall = Hall::open(2500).await;
        let scene = &hall.scene;
        let release = hall.hold("Stalls", 3).await.id;
        scene.run(ReleaseHold { hold: release }).await.unwrap();
        assert_eq!(hall.live().await, 0);
        hall.hold("Stalls", 3).await;
        let later = scene.at("2027-01-11T10:00:00Z").now;
        assert_eq!(expire_due(&scene.app, later).await.unwrap(), 1);
        assert_eq!(hall.live().await, 0);
        let pending = hall.order("Stalls", 2).await.order.id;
        assert_eq!(hall.live().await, 2);
        scene.run(CancelOrder::of(pending.into())).await.unwrap();
        assert_eq!((hall.live().await, hall.seats(pending).await.len()), (0, 2));
        let paid = hall.order("Stalls", 3).await.order.id;
        scene.run(ConfirmPayment::of(paid.into())).await.unwrap();
        let order = scene.run(GetOrder { order: paid.into() }).await.unwrap();
        let void = json!({"ticket": order.tickets[0].id, "reason": "ill"});
        let void: VoidTicket = serde_json::from_value(void).unwrap();
        let void = scene.run(void).await.unwrap().ticket;
        assert_eq!(
            (hall.live().await, void.seat),
            (2, order.tickets[0].seat.clone())
        );
        scene.reconcile().await;
        let cancel = CancelOrder {
            refund: Some(RefundChoice::Full),
            ..CancelOrder::of(paid.into())
        };
        scene.run(cancel).await.unwrap();
        assert_eq!(hall.live().await, 0);
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_hold_that_ran_out_is_in_nobodys_way() {
        let hall = Hall::open(0).await;
        let wanted = naming(hall.event, "Stalls", &["Stalls A 1"]);
        hall.scene.run(wanted.clone()).await.unwrap();
        assert_refused(hall.scene.run(wanted.clone()).await, "seat_taken");
        let later = hall.scene.at("2027-01-11T10:00:00Z");
        let mut order = buying(hall.event, "Stalls", 1);
        order.items.clear();
        order.hold = Some(hall.scene.app.run(&later, wanted).await.unwrap().id);
        let placed = hall.scene.app.run(&later, order).await.unwrap().order;
        assert_eq!(seats_of(&placed), ["Stalls A 1"]);
        hall.scene.reconcile().await;
    }

    #[tokio::test]
    async fn what_is_given_away_and_what_is_free_have_seats_at_once() {
        let hall = Hall::open(0).await;
        let free = hall.order("Circle", 2).await;
        assert_eq!(seats_of(&free), ["Circle A 5", "Circle A 6"]);
        assert_eq!(free.seats, ["Circle A 5", "Circle A 6"]);
        let give = json!({"event": hall.event, "ticket_type": "Circle", "reason": "press",
        "attendees": [{"name": "Ada"}, {"name": "Bob"}]});
        let give: IssueTickets = serde_json::from_value(give).unwrap();
        let given = hall.scene.run(give).await.unwrap().order;
        assert_eq!(given.seats.len(), 2);
        hall.scene.reconcile().await;
    }

    #[tokio::test]
    async fn named_seats_are_those_of_the_ticket_type_and_as_many() {
        let hall = Hall::open(0).await;
        let scene = &hall.scene;
        let hold = scene
            .run(naming(
                hall.event,
                "Stalls",
                &["stalls a 3-4", "Stalls B 10"],
            ))
            .await;
        assert_eq!(
            hold.unwrap().seats,
            ["Stalls A 3", "Stalls A 4", "Stalls B 10"]
        );
        for (seats, code) in [
            (vec!["Stalls A 99"], "seat_unknown"),
            (vec!["Circle A 1"], "seat_unknown"),
            (vec!["Stalls A 4-1"], "seat_unknown"),
            (vec!["Stalls A 4"], "seat_taken"),
            (vec!["Stalls A 9", "stalls a 9"], "seat_named_twice"),
        ] {
            assert_refused(scene.run(naming(hall.event, "Stalls", &seats)).await, code);
        }
        let mut fewer = naming(hall.event, "Stalls", &["Stalls A 8"]);
        fewer.items[0].quantity = 2;
        assert_refused(scene.run(fewer.clone()).await, "seat_count");
        fewer.items[0].accessible = 1;
        assert_refused(scene.run(fewer).await, "seat_count");
        let mut accessible = taking(hall.event, "Stalls", 1);
        accessible.items[0].accessible = 1;
        assert_refused(scene.run(accessible).await, "seats_sold_out");
        scene
            .run(selling(hall.event, "Standing", 0, 9))
            .await
            .unwrap();
        let standing = naming(hall.event, "Standing", &["Stalls A 9"]);
        assert_refused(scene.run(standing).await, "not_seated");
        // Without seats it is sold as ever.
        assert_eq!(hall.order("Standing", 2).await.seats, Vec::<String>::new());
        scene.reconcile().await;
    }

    /// An order that ended takes its own seats anew when its money comes in late, or nothing at all.
    #[tokio::test]
    async fn late_money_takes_the_same_seats_or_none() {
        for is_taken in [false, true] {
            let hall = Hall::open(2500).await;
            let scene = &hall.scene;
            let order = hall.order("Stalls", 2).await.order.id;
            let expire =
                "update orders set status = 'expired'; update capacity_pool set held_count = 0";
            scene.database.tell(expire).await;
            assert_eq!(hall.live().await, 0);
            if is_taken {
                scene
                    .run(naming(hall.event, "Stalls", &["Stalls A 6"]))
                    .await
                    .unwrap();
            }
            let mut cx = scene.cx.clone();
            cx.operation = "test";
            let mut tx = scene.app.store().write(&cx).await.unwrap();
            let counts = [(first_type(&hall).await, 2)];
            let anew = super::take_anew(tx.conn(), &cx, hall.event, order, &counts)
                .await
                .unwrap();
            assert_eq!(anew, !is_taken);
            if anew {
                tx.unchanged(()).await.unwrap();
                assert_eq!(hall.seats(order).await, ["Stalls A 5", "Stalls A 6"]);
            }
        }
    }

    async fn first_type(hall: &Hall) -> domain::TicketTypeId {
        let list = crate::ticket_types::ListTicketTypes {
            event: hall.event.into(),
        };
        hall.scene.run(list).await.unwrap().ticket_types[0].id
    }

    #[tokio::test]
    async fn the_hourly_count_finds_seats_that_do_not_add_up() {
        let hall = Hall::open(0).await;
        hall.order("Stalls", 2).await;
        hall.hold("Stalls", 1).await;
        let fine = hall.scene.run(CheckInventory::default()).await.unwrap();
        assert_eq!(fine.seats, vec![]);
        let lose = "update seat_claim set status = 'ended', ended_at = now()
                where ticket_id = (select min(id::text)::uuid from ticket)";
        hall.scene.database.tell(lose).await;
        let found = hall
            .scene
            .run(CheckInventory::default())
            .await
            .unwrap()
            .seats;
        let found = &found[0];
        assert_eq!(
            (found.name.as_str(), found.sold, found.sold_seats),
            ("Stalls", 2, 1)
        );
        assert_eq!((found.held, found.held_seats, found.stray_seats), (1, 1, 0));
        // A hold that ends without its seats leaves a stray one.
        hall.scene
            .database
            .tell("alter table hold disable trigger seats_follow")
            .await;
        hall.scene
            .database
            .tell("update hold set status = 'released', ended_at = now()")
            .await;
        let found = hall
            .scene
            .run(CheckInventory::default())
            .await
            .unwrap()
            .seats;
        assert_eq!(
            (found[0].held, found[0].held_seats, found[0].stray_seats),
            (0, 1, 1)
        );
    }

    #[tokio::test]
    async fn the_database_itself_refuses_seats_of_other_maps_and_organizations() {
        let hall = Hall::open(0).await;
        hall.hold("Stalls", 1).await;
        hall.scene.run(drawing("Other", hall_plan())).await.unwrap();
        let mut owner = hall.scene.database.owner().await;
        for (change, constraint) in [
            (
                "seat_id = (select s.id from seat s join seat_map m on m.id = s.seat_map_id where m.name = 'Other' limit 1)",
                "seat_claim_seat_fkey",
            ),
            (
                "seat_map_id = (select id from seat_map where name = 'Other')",
                "seat_claim_seating_fkey",
            ),
            (
                "organization_id = gen_random_uuid()",
                "seat_claim_organization_fkey",
            ),
        ] {
            let sql = format!("update seat_claim set {change}");
            let error = sqlx::query(sqlx::AssertSqlSafe(sql))
                .execute(&mut owner)
                .await
                .unwrap_err();
            let found = error.as_database_error().and_then(|e| e.constraint());
            assert!(
                found.is_some_and(|found| found == constraint || found.starts_with("seat_claim")),
                "{found:?}"
            );
        }
    }

    #[tokio::test]
    async fn cancelling_an_event_leaves_its_orders_their_seats() {
        let hall = Hall::open(2500).await;
        let order = hall.order("Stalls", 2).await.order.id;
        let cancel = json!({"event": hall.event, "reason": "rain"});
        let cancel: CancelEvent = serde_json::from_value(cancel).unwrap();
        hall.scene.run(cancel).await.unwrap();
        assert_eq!(hall.seats(order).await.len(), 2);
        hall.scene.reconcile().await;
    }

    /// The same database without requests that share a transaction, so that they race.
    fn racing(scene: &Scene) -> App {
        let apart = Options {
            most_together: 1,
            ..Options::unlimited()
        };
        scene.app.limited(apart)
    }

    /// 64 people name one seat at the same time: one has it. Without the index, everybody who looked before the first one was
    /// done has it: this is the control.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_seat_that_everybody_names_is_sold_once() {
        for guarded in [true, false] {
            let hall = Hall::open(0).await;
            if !guarded {
                hall.scene.database.tell("drop index seat_claim_live").await;
            }
            let app = racing(&hall.scene);
            let pools = hall.scene.keep("capacity_pool").await;
            let mut people = JoinSet::new();
            for _ in 0..64 {
                let (app, cx) = (app.clone(), hall.scene.cx.clone());
                let wanted = naming(hall.event, "Stalls", &["Stalls A 7"]);
                people.spawn(async move { app.run(&cx, wanted).await });
            }
            hall.scene.database.until_waiting(8).await;
            pools.let_go().await;
            let outcomes = people.join_all().await;
            let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
            if guarded {
                assert_eq!(won.len(), 1);
                for refused in lost {
                    assert_refused(refused, "seat_taken");
                }
                hall.scene.reconcile().await;
            } else {
                assert!(
                    won.len() > 1,
                    "the control sold the seat {} times",
                    won.len()
                );
            }
        }
    }

    /// 64 people who name none, in groups of one to four, while others name seats: nobody shares a seat, and what is left
    /// over is had by those who come alone.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn fifty_seats_go_to_fifty_people() {
        for together in [false, true] {
            let plan = vec![
                SectionPlan {
                    rows: vec![RowPlan {
                        row: "A-E".to_owned(),
                        seats: "1-10".to_owned(),
                        ..RowPlan::default()
                    }],
                    ..hall_plan().remove(0)
                },
                hall_plan().remove(1),
            ];
            let hall = Hall::of(0, plan, [50, 30]).await;
            let app = if together {
                hall.scene.app.clone()
            } else {
                racing(&hall.scene)
            };
            let mut people = JoinSet::new();
            for number in 0..64 {
                let (app, cx) = (app.clone(), hall.scene.cx.clone());
                let wanted = match number % 8 {
                    7 => naming(
                        hall.event,
                        "Stalls",
                        &[&format!("Stalls C {}", 1 + number / 8)],
                    ),
                    _ => taking(hall.event, "Stalls", 1 + number % 4),
                };
                people.spawn(async move {
                    match app.run(&cx, wanted).await {
                        Ok(hold) => hold.seats,
                        Err(error) => {
                            let code = error.spec().code;
                            assert!(
                                ["sold_out", "seats_sold_out", "seat_taken"].contains(&code),
                                "{error}"
                            );
                            Vec::new()
                        }
                    }
                });
            }
            let mut seats: Vec<String> = people.join_all().await.into_iter().flatten().collect();
            while let Ok(hold) = hall.scene.run(taking(hall.event, "Stalls", 1)).await {
                seats.extend(hold.seats);
            }
            assert_eq!(seats.len(), 50);
            seats.sort();
            seats.dedup();
            assert_eq!(seats.len(), 50, "a seat was given twice");
            hall.scene.reconcile().await;
        }
    }

    /// A server that dies between the hold and the order loses nothing: the hold is there for the next one, with its seats.
    #[tokio::test]
    async fn another_server_orders_what_a_dead_one_held() {
        let hall = Hall::open(0).await;
        let hold = hall.hold("Stalls", 4).await;
        let next = hall.scene.another_server();
        let placed = next
            .run(&hall.scene.cx, ordering(&hold))
            .await
            .unwrap()
            .order;
        assert_eq!(
            (placed.order.status, &placed.seats),
            (OrderStatus::Paid, &hold.seats)
        );
        assert_eq!(seats_of(&placed).len(), 4);
        hall.scene.reconcile().await;
    }

    /// Whoever exchanges, calls some off or comes back has as many seats as tickets, at every step.
    #[tokio::test]
    async fn the_seats_follow_a_changed_order() {
        let hall = Hall::open(2500).await;
        let scene = &hall.scene;
        let placed = scene.run(buying(hall.event, "Stalls", 3)).await;
        let order = placed.unwrap().order;
        assert_eq!(order.seats.len(), 3);
        let fewer = CancelTickets {
            order: order.order.id.into(),
            ticket_type: None,
            quantity: Some(1),
            tickets: None,
            refund: None,
            reason: None,
            even_if_checked_in: false,
        };
        let fewer = scene.run(fewer).await.unwrap().order;
        assert_eq!(fewer.seats, order.seats[..2]);
        scene.reconcile().await;
        let paying = ConfirmPayment::of(order.order.id.into());
        scene.run(paying).await.unwrap();
        let swap = SwapTickets {
            order: order.order.id.into(),
            to: "Circle".parse().unwrap(),
            ticket_type: None,
            quantity: Some(1),
            tickets: None,
            price: Some(SwapPrice::Kept),
            collected: false,
        };
        let swapped = scene.run(swap).await.unwrap().order;
        let seats = |order: &OrderDetail| {
            let valid = (order.tickets.iter()).filter(|ticket| ticket.voided_at.is_none());
            let seats = valid.map(|ticket| ticket.seat.clone().unwrap());
            let mut seats: Vec<String> = seats.collect();
            seats.sort_unstable();
            seats
        };
        let two = seats(&swapped);
        assert!(two[0].starts_with("Circle") && two[1].starts_with("Stalls"));
        scene.reconcile().await;
        let cancel = CancelOrder {
            refund: Some(RefundChoice::None),
            ..CancelOrder::of(order.order.id.into())
        };
        scene.run(cancel).await.unwrap();
        let back = ReactivateOrder {
            order: order.order.id.into(),
            reason: None,
        };
        let back = scene.run(back).await.unwrap();
        assert_eq!(back.order.status, OrderStatus::Paid);
        assert_eq!(seats(&back).len(), 2);
        scene.reconcile().await;
    }

    fn splitting(order: &OrderDetail, quantity: i32) -> SplitOrder {
        SplitOrder {
            order: order.order.id.into(),
            ticket_type: None,
            quantity: Some(quantity),
            tickets: None,
            buyer: None,
            reason: None,
        }
    }

    #[tokio::test]
    async fn who_goes_to_an_order_of_their_own_keeps_their_seat() {
        let hall = Hall::open(2500).await;
        let order = hall.order("Stalls", 3).await;
        let confirm = ConfirmPayment::of(order.order.id.into());
        let paid = hall.scene.run(confirm).await.unwrap().order;
        let first = &paid.tickets[0];
        let command = SplitOrder {
            tickets: Some(vec![first.id.into()]),
            quantity: None,
            ..splitting(&paid, 1)
        };
        let split = hall.scene.run(command).await.unwrap();
        assert_eq!(split.new_order.tickets[0].seat, first.seat);
        assert_eq!(split.new_order.seats, [first.seat.clone().unwrap()]);
        assert_eq!(split.order.seats, paid.seats[1..]);
        // Of one that is not paid, as many seats go as tickets.
        let order = hall.order("Circle", 4).await;
        let split = hall.scene.run(splitting(&order, 2)).await.unwrap();
        let (stay, go) = (split.order.seats, split.new_order.seats);
        assert_eq!([stay, go].concat().len(), 4);
        assert_eq!(hall.live().await, 7);
        hall.scene.reconcile().await;
    }
}
