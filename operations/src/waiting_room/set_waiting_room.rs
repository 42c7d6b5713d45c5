//! `set_waiting_room`: an event is sold through a waiting room.

use domain::{
    Cx, EventId, Facts, Fault, FaultKind, FaultSpec, LocalTime, Permission, Reference, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::WaitingRoomSet,
    get_waiting_room,
    model::{RoomRow, WaitingRoom},
    sql,
};
use crate::{
    App, Effect, Operation,
    events::{self, Event, EventStatus, ScheduleError},
    faults::EVENT_CLOSED,
    lookup::LookupError,
};

const AT_ONCE: std::ops::RangeInclusive<i32> = 1..=10_000;
const MINUTES: std::ops::RangeInclusive<i32> = 1..=60;

/// Sell an event through a waiting room, for when more people come at once than can be served: buyers take a turn, only so
/// many choose at once, and nobody can jump. Sales by the organizer go past it. What is left out stays as it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetWaitingRoom {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Whether buyers need a turn; yes when left out.
    pub is_on: Option<bool>,
    /// When the first are let in, on the clock at the event: people can come before, and are drawn by lot then. At once when
    /// left out for a new one.
    pub opens: Option<LocalTime>,
    /// How many people choose at once, 1 to 10,000; 100 when left out for a new one.
    pub at_once: Option<i32>,
    /// How long a turn lasts, 1 to 60 minutes; 10 when left out for a new one.
    pub turn_minutes: Option<i32>,
}

impl Operation for SetWaitingRoom {
    const NAME: &'static str = "set_waiting_room";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = WaitingRoom;
    type Error = SetWaitingRoomError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WaitingRoom, SetWaitingRoomError> {
        let mut tx = app.store().write(cx).await?;
        // Whoever buys shares the event.
        let mut event = events::lock(tx.conn(), cx, &self.event).await?;
        if let EventStatus::Ended | EventStatus::Cancelled | EventStatus::Archived = event.status {
            return Err(SetWaitingRoomError::EventClosed {
                title: event.title,
                status: event.status,
            });
        }
        let before = sql::lock_room(tx.conn(), event.id).await?;
        let room = self.room(cx, &event, before.as_ref())?;
        let is_on = self.is_on.unwrap_or(true);
        if is_on == event.has_waiting_room && before.as_ref() == Some(&room) {
            let answer = get_waiting_room::seen(tx.conn(), cx, &event, &room).await?;
            return Ok(tx.unchanged(answer).await?);
        }
        let mut seed = [0; 32];
        cx.random(&mut seed);
        sql::save(tx.conn(), cx, &room, &seed).await?;
        events::set_waiting_room(tx.conn(), event.id, is_on).await?;
        event.has_waiting_room = is_on;
        let answer = get_waiting_room::seen(tx.conn(), cx, &event, &room).await?;
        let change = WaitingRoomSet {
            event_id: event.id,
            event_title: event.title,
            is_on,
            opens: answer.opens,
            at_once: room.at_once,
            turn_minutes: room.turn_minutes,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

impl SetWaitingRoom {
    /// The room as it is to be.
    fn room(
        &self,
        cx: &Cx,
        event: &Event,
        before: Option<&RoomRow>,
    ) -> Result<RoomRow, SetWaitingRoomError> {
        let mut room = before
            .cloned()
            .unwrap_or_else(|| RoomRow::new(event.id, cx.now));
        if let Some(given) = self.at_once {
            if !AT_ONCE.contains(&given) {
                return Err(SetWaitingRoomError::AtOnce(given));
            }
            room.at_once = given;
        }
        if let Some(given) = self.turn_minutes {
            if !MINUTES.contains(&given) {
                return Err(SetWaitingRoomError::Minutes(given));
            }
            room.turn_minutes = given;
        }
        if let Some(opens) = self.opens {
            let opens_at = events::resolve_time(opens, &event.zone, None, "opens")?;
            check_opening(cx, event, before, opens_at)?;
            // Whoever comes from now on is drawn with the others; who waited before comes first.
            room.is_drawn &= opens_at <= cx.now;
            room.opens_at = opens_at;
        }
        Ok(room)
    }
}

fn check_opening(
    cx: &Cx,
    event: &Event,
    before: Option<&RoomRow>,
    opens_at: Timestamp,
) -> Result<(), SetWaitingRoomError> {
    if opens_at >= event.ends_at {
        return Err(SetWaitingRoomError::AfterEvent(event.ends));
    }
    let is_open = |room: &RoomRow| event.has_waiting_room && room.is_open(cx.now);
    match before.filter(|room| is_open(room) && room.opens_at != opens_at) {
        Some(_) => Err(SetWaitingRoomError::Open(event.title.clone())),
        None => Ok(()),
    }
}

/// How `set_waiting_room` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SetWaitingRoomError {
    /// Nobody, or too many.
    #[error("{0} people cannot choose at once; 1 to 10,000 can")]
    AtOnce(i32),
    /// Too short, or too long.
    #[error("a turn lasts 1 to 60 minutes, not {0}")]
    Minutes(i32),
    /// It would open when the event is over.
    #[error("it would open after the event has ended ({})", .0.readable())]
    AfterEvent(LocalTime),
    /// People have been let in.
    #[error("the waiting room of {0:?} is open already")]
    Open(String),
    /// The event is over, cancelled or archived.
    #[error("{title:?} is {status}, so nothing is sold any more")]
    EventClosed {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// The time does not exist, or exists twice.
    #[error(transparent)]
    Opens(#[from] ScheduleError),
    /// The event was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const AT_ONCE_OUT_OF_RANGE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "at_once_out_of_range",
    "Give 1 to 10,000; about as many as checkout serves in a few minutes.",
);
const TURN_MINUTES_OUT_OF_RANGE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "turn_minutes_out_of_range",
    "Give 1 to 60 minutes; people need a few to choose.",
);
const OPENS_AFTER_EVENT: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "opens_after_event",
    "Give a time before the event ends.",
);
const WAITING_ROOM_OPEN: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "waiting_room_open",
    "Leave `opens` out; at_once and turn_minutes can be changed, and is_on false turns it off.",
);

impl Fault for SetWaitingRoomError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            AT_ONCE_OUT_OF_RANGE,
            TURN_MINUTES_OUT_OF_RANGE,
            OPENS_AFTER_EVENT,
            WAITING_ROOM_OPEN,
            EVENT_CLOSED,
        ];
        specs.extend(ScheduleError::specs());
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::AtOnce(_) => AT_ONCE_OUT_OF_RANGE.at("at_once"),
            Self::Minutes(_) => TURN_MINUTES_OUT_OF_RANGE.at("turn_minutes"),
            Self::AfterEvent(_) => OPENS_AFTER_EVENT.at("opens"),
            Self::Open(_) => WAITING_ROOM_OPEN.at("opens"),
            Self::EventClosed { .. } => EVENT_CLOSED.into(),
            Self::Opens(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SetWaitingRoomError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        events::StatusMove,
        permission::Role,
        testing::{Scene, assert_refused, holding, new_event},
        waiting_room::{CheckTurn, JoinWaitingRoom, TurnStatus, tests::*},
    };

    #[tokio::test]
    async fn a_room_is_set_up_changed_and_turned_off() {
        let scene = Scene::new().await;
        let event = with_room(&scene, 3).await;
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Sells \"Spring Gala\" through a waiting room that opens Mon 11 Jan 2027, 12:00: 3 people choose at once, 5 minutes each"
        );
        let count = scene.changes().await.len();
        scene.run(room(event, 3)).await.unwrap();
        assert_eq!(scene.changes().await.len(), count, "nothing changed");
        let turn = joined(&scene, 0, event, 1).await[0];
        ask(&scene, 0, turn).await;
        let more = SetWaitingRoom {
            opens: None,
            turn_minutes: None,
            ..room(event, 50)
        };
        let open = scene.at("2027-01-11T11:30:00Z");
        let changed = scene.app.run(&open, more.clone()).await.unwrap();
        assert_eq!((changed.at_once, changed.turn_minutes), (50, 5));
        let later = SetWaitingRoom {
            opens: Some("2027-01-11T15:00".parse().unwrap()),
            ..more.clone()
        };
        assert_refused(
            scene.app.run(&open, later.clone()).await,
            "waiting_room_open",
        );
        let off = SetWaitingRoom {
            is_on: Some(false),
            ..more
        };
        let off = scene.app.run(&open, off).await.unwrap();
        assert!(!off.is_on);
        scene
            .app
            .run(&buyer(&scene, 1900), holding(event, 1))
            .await
            .unwrap();
        let waited = joined_before_off(&scene, event).await;
        assert_eq!(waited, "no_waiting_room");
        // Turned on anew it may open later, and whoever comes until then is drawn.
        scene.app.run(&open, later).await.unwrap();
        let again = joined(&scene, 1900, event, 2).await;
        assert_eq!(ask(&scene, 1900, again[0]).await.position, None);
        let mut places = Vec::new();
        for turn in again {
            places.push(ask(&scene, 3 * 3600, turn).await.status);
        }
        // The second was away when the first asked, and is next.
        assert_eq!(places, [TurnStatus::Now, TurnStatus::Waiting]);
    }

    async fn joined_before_off(scene: &Scene, event: EventId) -> String {
        let event = event.into();
        let refused = scene
            .app
            .run(&buyer(scene, 1900), JoinWaitingRoom { event })
            .await;
        let failure = domain::fault::Failure::of(&refused.unwrap_err());
        failure.code.to_string()
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let event = with_room(&scene, 3).await;
        scene.assert_idempotent(room(event, 4)).await;
    }

    #[tokio::test]
    async fn refuses_what_cannot_be_and_what_is_not_theirs() {
        let scene = Scene::new().await;
        let event = with_room(&scene, 3).await;
        for (at_once, minutes, opens, code) in [
            (0, 5, OPENS, "at_once_out_of_range"),
            (10_001, 5, OPENS, "at_once_out_of_range"),
            (5, 0, OPENS, "turn_minutes_out_of_range"),
            (5, 61, OPENS, "turn_minutes_out_of_range"),
            (5, 5, "2027-03-01T10:00", "opens_after_event"),
        ] {
            let odd = SetWaitingRoom {
                opens: Some(opens.parse().unwrap()),
                turn_minutes: Some(minutes),
                ..room(event, at_once)
            };
            assert_refused(scene.run(odd).await, code);
        }
        let skipped = SetWaitingRoom {
            opens: Some("2026-03-29T02:30".parse().unwrap()),
            ..room(event, 5)
        };
        assert_refused(scene.run(skipped).await, "time_does_not_exist");
        let other = scene.other_organization().await;
        let theirs = JoinWaitingRoom {
            event: event.into(),
        };
        assert_refused(scene.app.run(&other, theirs).await, "not_found");
        assert_refused(scene.app.run(&other, room(event, 3)).await, "not_found");
        let turn = joined(&scene, 0, event, 1).await[0];
        assert_refused(scene.app.run(&other, CheckTurn { turn }).await, "not_found");
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(scene.app.run(&viewer, room(event, 3)).await, "forbidden");
        let draft = scene.run(new_event("Draft")).await.unwrap().event.id;
        scene.run(room(draft, 3)).await.unwrap();
        let early = JoinWaitingRoom {
            event: draft.into(),
        };
        assert_refused(scene.run(early).await, "event_not_on_sale");
        scene.move_event(event, StatusMove::Cancel(None)).await;
        assert_refused(scene.run(room(event, 3)).await, "event_closed");
    }
}
