//! A waiting room and a turn as callers see them.

use domain::{EventId, LocalTime, Timestamp, TurnId, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

domain::text_enum! {
    /// How far somebody's turn has come.
    pub enum TurnStatus {
        /// It has not come.
        Waiting = "waiting",
        /// They may hold places now.
        Now = "now",
        /// It has passed, or they have ordered.
        Over = "over",
    }
}

/// How a waiting room is set up, and how it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingRoom {
    /// The event.
    pub event_id: EventId,
    /// Its title.
    pub event_title: String,
    /// Whether buyers need a turn.
    pub is_on: bool,
    /// When the first are let in, on the clock at the event.
    pub opens: LocalTime,
    /// The zone of that clock.
    pub zone: Zone,
    /// How many people choose at once.
    pub at_once: i32,
    /// How long a turn lasts, in minutes.
    pub turn_minutes: i32,
    /// How many wait; some may have gone away.
    pub waiting: i64,
    /// How many choose now.
    pub inside: i64,
    /// How many turns end in an hour while others wait; none before that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns_per_hour: Option<i64>,
}

/// Somebody's turn to buy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Turn {
    /// Its id, which `hold_tickets` takes.
    pub id: TurnId,
    /// The event.
    pub event_id: EventId,
    /// Its title.
    pub event_title: String,
    /// When it starts, on the clock there.
    pub event_starts: LocalTime,
    /// How far it has come.
    pub status: TurnStatus,
    /// When the waiting room opens, while it has not: until then nobody has a position, and who comes when does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens: Option<LocalTime>,
    /// The zone of the clock at the event.
    pub zone: Zone,
    /// 1 is next. Those before who have gone away are passed over, so it may go faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// In about how many minutes it comes, at the pace so far; none before that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about_minutes: Option<i64>,
    /// Until when they may hold places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Until when, on the clock at the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_local: Option<LocalTime>,
    /// After how many seconds to ask again. Who does not ask for two minutes is passed over until they are back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask_again_seconds: Option<i64>,
}

/// A row of `waiting_room`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoomRow {
    pub(super) event_id: EventId,
    pub(super) opens_at: Timestamp,
    pub(super) at_once: i32,
    pub(super) turn_minutes: i32,
    pub(super) is_drawn: bool,
    pub(super) last_number: i64,
    pub(super) reached_number: i64,
    pub(super) looked_at: Option<Timestamp>,
    pub(super) inside_count: i32,
    pub(super) is_full: bool,
    pub(super) passed_count: i64,
    pub(super) busy_milliseconds: i64,
}

/// What an estimate rests on at least: half a minute in which others waited.
const KNOWN_AFTER_MS: i64 = 30_000;

impl RoomRow {
    /// A room that opens now, with what holds when nothing else is said.
    pub(super) fn new(event_id: EventId, now: Timestamp) -> Self {
        Self {
            event_id,
            opens_at: now,
            at_once: 100,
            turn_minutes: 10,
            is_drawn: false,
            last_number: 0,
            reached_number: 0,
            looked_at: None,
            inside_count: 0,
            is_full: false,
            passed_count: 0,
            busy_milliseconds: 0,
        }
    }

    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        self.opens_at <= now
    }

    /// The milliseconds that a turn took on average while others waited.
    fn milliseconds_each(&self) -> Option<i64> {
        if self.busy_milliseconds < KNOWN_AFTER_MS {
            return None;
        }
        self.busy_milliseconds.checked_div(self.passed_count)
    }

    pub(super) fn turns_per_hour(&self) -> Option<i64> {
        3_600_000_i64.checked_div(self.milliseconds_each()?)
    }

    /// In how many minutes a position comes, rounded up.
    fn minutes_until(&self, position: i64) -> Option<i64> {
        let each = self.milliseconds_each()?;
        Some((position.saturating_mul(each) + 59_999) / 60_000)
    }

    /// The position of a number: as many as are behind the highest that had its turn, with it.
    fn position(&self, number: i64) -> i64 {
        (number - self.reached_number).max(1)
    }
}

/// A row of `turn` with its event.
#[derive(Debug, Clone)]
pub(super) struct TurnRow {
    pub(super) id: TurnId,
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) event_starts: LocalTime,
    pub(super) zone: Zone,
    pub(super) number: Option<i64>,
    pub(super) seen_at: Timestamp,
    pub(super) ends_at: Option<Timestamp>,
    /// Whether something was ordered in it.
    pub(super) has_ordered: bool,
}

impl TurnRow {
    pub(super) fn status(&self, now: Timestamp) -> TurnStatus {
        match self.ends_at {
            None => TurnStatus::Waiting,
            Some(ends_at) if self.has_ordered || ends_at <= now => TurnStatus::Over,
            Some(_) => TurnStatus::Now,
        }
    }

    pub(super) fn seen(self, room: &RoomRow, now: Timestamp) -> Turn {
        let status = self.status(now);
        let waits = status == TurnStatus::Waiting;
        let opens = (waits && !room.is_open(now)).then(|| room.opens_at.in_zone(&self.zone));
        let position = self.number.filter(|_| waits && opens.is_none());
        let position = position.map(|number| room.position(number));
        let until = self.ends_at.filter(|_| status == TurnStatus::Now);
        Turn {
            id: self.id,
            event_id: self.event_id,
            event_title: self.event_title,
            event_starts: self.event_starts,
            status,
            opens,
            position,
            about_minutes: position.and_then(|position| room.minutes_until(position)),
            until,
            until_local: until.map(|until| until.in_zone(&self.zone)),
            zone: self.zone,
            ask_again_seconds: waits.then(|| ask_again(room, position, now)),
        }
    }
}

/// The further behind, the less often, but always before anybody counts as gone.
fn ask_again(room: &RoomRow, position: Option<i64>, now: Timestamp) -> i64 {
    match position {
        Some(..=100) => 5,
        Some(101..=1_000) => 15,
        Some(_) => 30,
        None => {
            let left = room.opens_at.as_microseconds() - now.as_microseconds();
            (left / 1_000_000).clamp(2, 30)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> RoomRow {
        RoomRow {
            last_number: 900,
            reached_number: 300,
            passed_count: 50,
            busy_milliseconds: 100_000,
            ..RoomRow::new(
                uuid::Uuid::from_u128(1).into(),
                Timestamp::from_microseconds(0),
            )
        }
    }

    #[test]
    fn an_estimate_rests_on_the_pace_so_far_and_is_none_before() {
        let room = room();
        // 2 seconds each.
        assert_eq!(room.turns_per_hour(), Some(1_800));
        assert_eq!(room.minutes_until(1), Some(1));
        assert_eq!(room.minutes_until(31), Some(2));
        let early = RoomRow {
            busy_milliseconds: 29_000,
            ..room.clone()
        };
        assert_eq!(early.minutes_until(31), None);
        let stuck = RoomRow {
            passed_count: 0,
            ..room
        };
        assert_eq!(
            (stuck.minutes_until(31), stuck.turns_per_hour()),
            (None, None)
        );
    }

    #[test]
    fn a_position_counts_from_the_highest_number_that_had_its_turn() {
        let room = room();
        // Somebody who was away when 200 came is next.
        assert_eq!([200, 301, 900].map(|n| room.position(n)), [1, 1, 600]);
        let now = Timestamp::from_microseconds(0);
        let every = [1, 101, 1_001].map(|position| ask_again(&room, Some(position), now));
        assert_eq!(every, [5, 15, 30]);
    }
}
