//! Seat maps as callers see them, and a seat as the rest of the subject does.

use domain::{SeatId, SeatMapId, SeatSectionId, VenueId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::SectionPlan;

domain::text_enum! {
    /// Whom a seat is for.
    pub enum SeatKind {
        /// Anybody.
        Standard = "standard",
        /// People who need it, such as wheelchair users.
        Accessible = "accessible",
        /// Whoever comes with the person on the accessible seat beside it.
        Companion = "companion",
    }
}

domain::sqlx_as_text!(SeatKind);

/// A map of a venue's seats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeatMap {
    /// Its id.
    pub id: SeatMapId,
    /// What it is called.
    pub name: String,
    /// Its venue.
    pub venue_id: VenueId,
    /// Its venue's name.
    pub venue: String,
    /// How many seats it has.
    pub seat_count: i64,
    /// How many events use it; it cannot be drawn anew then.
    pub event_count: i64,
}

/// A seat map with its seats, as `save_seat_map` takes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeatMapDetail {
    /// The map.
    #[serde(flatten)]
    pub map: SeatMap,
    /// Its sections, from the best to the last.
    pub sections: Vec<SectionPlan>,
}

/// A seat with its place, and whether somebody has it.
#[derive(Debug, Clone)]
pub(super) struct SeatRow {
    pub(super) id: SeatId,
    pub(super) section_id: SeatSectionId,
    pub(super) section: String,
    pub(super) section_position: i32,
    pub(super) row_label: String,
    pub(super) row_position: i32,
    pub(super) label: String,
    pub(super) position: i32,
    pub(super) kind: SeatKind,
    /// Whether it has a live claim.
    pub(super) is_taken: bool,
    /// Whether that is a block.
    pub(super) is_blocked: bool,
}

impl SeatRow {
    /// `Stalls A 12`.
    pub(super) fn name(&self) -> String {
        format!("{} {} {}", self.section, self.row_label, self.label)
    }
}
