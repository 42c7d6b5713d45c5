//! `block_seats`: seats of an event are kept out of the sale, or let into it again.

use domain::{Cx, EventId, Permission, Reference, SeatId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    changes::SeatsBlocked,
    claims,
    errors::{SeatError, SeatingError},
    set_event_seating::check_open,
    sql,
};
use crate::{App, Effect, Operation, events};

/// Keep seats of an event out of the sale, such as those behind a camera, or let them into it again with `unblock`. Who
/// has one of them keeps it: then nothing is blocked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BlockSeats {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Which: section, row and seats, such as `Stalls A 12` or `Stalls A 12-15`.
    pub seats: Vec<String>,
    /// Let them into the sale again.
    #[serde(default)]
    pub unblock: bool,
}

/// What was blocked, or let into the sale again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockedSeats {
    /// The event.
    pub event_id: EventId,
    /// The seats for which something changed.
    pub changed: Vec<String>,
    /// How many seats of the event are blocked now.
    pub blocked_count: usize,
}

impl Operation for BlockSeats {
    const NAME: &'static str = "block_seats";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = BlockedSeats;
    type Error = SeatingError;

    async fn run(self, app: &App, cx: &Cx) -> Result<BlockedSeats, SeatingError> {
        let mut tx = app.store().write(cx).await?;
        // Nobody takes a seat meanwhile.
        let event = events::lock(tx.conn(), cx, &self.event).await?;
        check_open(&event)?;
        let map = claims::map_of(tx.conn(), event.id, &event.title).await?;
        let seats = sql::seats(tx.conn(), map, Some(event.id), None).await?;
        let found = claims::find(&seats, &self.seats, "of this event", |_| true)?;
        let taken = found
            .iter()
            .map(|at| &seats[*at])
            .filter(|seat| seat.is_taken && !seat.is_blocked);
        let taken: Vec<String> = taken.map(super::model::SeatRow::name).collect();
        if !self.unblock && !taken.is_empty() {
            return Err(SeatError::Taken(taken).into());
        }
        let changing = found
            .iter()
            .filter(|at| seats[**at].is_blocked == self.unblock);
        let changing: Vec<usize> = changing
            .filter(|at| !seats[**at].is_taken || self.unblock)
            .copied()
            .collect();
        let ids: Vec<SeatId> = changing.iter().map(|at| seats[*at].id).collect();
        if self.unblock {
            claims::unblock(tx.conn(), cx, event.id, &ids).await?;
        } else {
            claims::claim(tx.conn(), cx, event.id, map, &claims::blocks(&ids)).await?;
        }
        let blocked = sql::seats(tx.conn(), map, Some(event.id), None).await?;
        let answer = BlockedSeats {
            event_id: event.id,
            changed: changing.iter().map(|at| seats[*at].name()).collect(),
            blocked_count: blocked.iter().filter(|seat| seat.is_blocked).count(),
        };
        if answer.changed.is_empty() {
            return Ok(tx.unchanged(answer).await?);
        }
        let change = SeatsBlocked {
            event_id: event.id,
            event_title: event.title,
            seats: answer.changed.clone(),
            is_unblocked: self.unblock,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        permission::Role,
        seats::tests::{Hall, naming},
        testing::{Scene, assert_refused},
    };

    fn blocking(event: EventId, seats: &[&str]) -> BlockSeats {
        BlockSeats {
            event: event.into(),
            seats: seats.iter().map(|seat| (*seat).to_owned()).collect(),
            unblock: false,
        }
    }

    #[tokio::test]
    async fn what_is_blocked_is_sold_to_nobody_until_it_is_let_go() {
        let hall = Hall::open(0).await;
        let scene = &hall.scene;
        let block = blocking(hall.event, &["Stalls A 4-7", "circle c 1"]);
        let blocked = scene.run(block.clone()).await.unwrap();
        assert_eq!((blocked.changed.len(), blocked.blocked_count), (5, 5));
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Keeps seats out of the sale of \"Gala\": Stalls A 4, Stalls A 5, Stalls A 6, Stalls A 7, Circle C 1"
        );
        assert_eq!(
            scene.run(block.clone()).await.unwrap().changed,
            Vec::<String>::new()
        );
        let taking = naming(hall.event, "Stalls", &["Stalls A 4"]);
        assert_refused(scene.run(taking.clone()).await, "seat_taken");
        let hold = hall.hold("Stalls", 3).await;
        assert_eq!(hold.seats, ["Stalls A 1", "Stalls A 2", "Stalls A 3"]);
        let unblock = BlockSeats {
            unblock: true,
            ..block
        };
        let let_go = scene.run(unblock.clone()).await.unwrap();
        assert_eq!((let_go.changed.len(), let_go.blocked_count), (5, 0));
        scene.run(taking).await.unwrap();
        // What people have is neither blocked nor let go.
        let refused = scene
            .run(blocking(hall.event, &["Stalls A 1", "Stalls A 9"]))
            .await;
        assert_refused(refused, "seat_taken");
        assert_eq!(
            scene.run(unblock).await.unwrap().changed,
            Vec::<String>::new()
        );
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn refuses_what_is_not_there() {
        let hall = Hall::open(0).await;
        let scene = &hall.scene;
        for (seat, code) in [
            ("Stalls A 99", "seat_unknown"),
            ("Stalls", "seat_unknown"),
            ("Stalls A 9-7", "seat_unknown"),
        ] {
            assert_refused(scene.run(blocking(hall.event, &[seat])).await, code);
        }
        let twice = blocking(hall.event, &["Stalls A 1", "stalls a 1-2"]);
        assert_refused(scene.run(twice).await, "seat_named_twice");
        let block = blocking(hall.event, &["Stalls A 1"]);
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, block.clone()).await, "not_found");
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(scene.app.run(&viewer, block.clone()).await, "forbidden");
        scene
            .move_event(hall.event, events::StatusMove::Cancel(None))
            .await;
        assert_refused(scene.run(block).await, "event_closed");
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 5).await;
        assert_refused(
            scene.run(blocking(event.id, &["A 1"])).await,
            "event_not_seated",
        );
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let hall = Hall::open(0).await;
        hall.scene
            .assert_idempotent(blocking(hall.event, &["Stalls A 1"]))
            .await;
    }
}
