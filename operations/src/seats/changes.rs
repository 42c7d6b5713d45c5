//! What can happen to seat maps, and to the seats of an event.

use domain::{Change, EventId, SeatMapId, Subject};
use serde::Serialize;

/// A seat map was drawn, drawn anew or renamed.
#[derive(Debug, Serialize)]
pub struct SeatMapSaved {
    pub(super) seat_map_id: SeatMapId,
    pub(super) name: String,
    pub(super) venue: String,
    pub(super) seat_count: i64,
}

impl Change for SeatMapSaved {
    const KIND: &'static str = "seat_map.saved";
    fn subject(&self) -> Subject {
        self.seat_map_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Saves the seat map {:?} of {:?} with {} seats",
            self.name, self.venue, self.seat_count
        )
    }
}

/// An event got a seat map, or sells other sections of it, or has no seats any more.
#[derive(Debug, Serialize)]
pub struct EventSeatingSet {
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    /// The map; none: no reserved seats.
    pub(super) seat_map: Option<String>,
    /// Which ticket types sell which sections, in words.
    pub(super) sells: Vec<String>,
}

impl Change for EventSeatingSet {
    const KIND: &'static str = "event.seating_set";
    fn subject(&self) -> Subject {
        self.event_id.into()
    }
    fn summary(&self) -> String {
        match &self.seat_map {
            Some(map) => format!(
                "Seats {:?} by the map {map:?}: {}",
                self.event_title,
                self.sells.join("; ")
            ),
            None => format!("Takes the reserved seats from {:?}", self.event_title),
        }
    }
}

/// Seats of an event were kept out of the sale, or let into it again.
#[derive(Debug, Serialize)]
pub struct SeatsBlocked {
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) seats: Vec<String>,
    pub(super) is_unblocked: bool,
}

impl Change for SeatsBlocked {
    const KIND: &'static str = "seats.blocked";
    fn subject(&self) -> Subject {
        self.event_id.into()
    }
    fn summary(&self) -> String {
        let shown = self
            .seats
            .iter()
            .take(10)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        let more = self.seats.len().saturating_sub(10);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let (verb, way) = if self.is_unblocked {
            ("Lets", "into")
        } else {
            ("Keeps", "out of")
        };
        format!(
            "{verb} seats {way} the sale of {:?}: {shown}{more}",
            self.event_title
        )
    }
}
