//! What can happen in a waiting room. Nothing here says who waits.

use domain::{Change, EventId, LocalTime, Subject, TurnId};
use serde::Serialize;

/// An event has a waiting room from now on, another one, or none.
#[derive(Debug, Serialize)]
pub struct WaitingRoomSet {
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) is_on: bool,
    pub(super) opens: LocalTime,
    pub(super) at_once: i32,
    pub(super) turn_minutes: i32,
}

impl Change for WaitingRoomSet {
    const KIND: &'static str = "waiting_room.set";
    fn subject(&self) -> Subject {
        self.event_id.into()
    }
    fn summary(&self) -> String {
        let Self {
            event_title,
            at_once,
            turn_minutes,
            ..
        } = self;
        if !self.is_on {
            return format!("Turns the waiting room of {event_title:?} off");
        }
        let opens = self.opens.readable();
        format!(
            "Sells {event_title:?} through a waiting room that opens {opens}: {at_once} people choose at once, \
             {turn_minutes} minutes each"
        )
    }
}

/// Somebody wants to buy and waits for their turn.
#[derive(Debug, Serialize)]
pub struct WaitingRoomJoined {
    pub(super) turn_id: TurnId,
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    /// None while lots are not drawn.
    pub(super) number: Option<i64>,
}

impl Change for WaitingRoomJoined {
    const KIND: &'static str = "waiting_room.joined";
    fn subject(&self) -> Subject {
        self.turn_id.into()
    }
    fn summary(&self) -> String {
        let title = &self.event_title;
        match self.number {
            None => format!("Somebody waits for the waiting room of {title:?} to open"),
            Some(number) => {
                format!("Somebody has number {number} in the waiting room of {title:?}")
            }
        }
    }
}

/// The turns of some have come.
#[derive(Debug, Serialize)]
pub struct WaitingRoomLetIn {
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) count: usize,
    /// The highest number of them.
    pub(super) number: i64,
}

impl Change for WaitingRoomLetIn {
    const KIND: &'static str = "waiting_room.let_in";
    fn subject(&self) -> Subject {
        self.event_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Lets {} in from the waiting room of {:?}, up to number {}",
            self.count, self.event_title, self.number
        )
    }
}
