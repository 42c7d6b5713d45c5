//! How reserved seating refuses.

use domain::{Facts, Fault, FaultKind, FaultSpec, fault::Candidate};
use store::StoreError;

use crate::{faults::EVENT_CLOSED, lookup::LookupError};

/// Why words are not the plan of a house.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// None, or too many.
    #[error("a map has 1 to 200 sections; this one has {0}")]
    SectionCount(usize),
    /// Two of one name.
    #[error("two sections are called {0:?}")]
    SectionTwice(String),
    /// A section without rows.
    #[error("the section {0:?} has no rows")]
    NoRows(String),
    /// Two rows of one label.
    #[error("the section {section:?} has row {row} twice")]
    RowTwice {
        /// The section.
        section: String,
        /// The row.
        row: String,
    },
    /// Two seats of one label.
    #[error("row {row} has seat {seat} twice")]
    SeatTwice {
        /// The row.
        row: String,
        /// The seat.
        seat: String,
    },
    /// It runs backwards, or is not one.
    #[error("{0:?} is not a range; write it upwards, such as 1-20, 1-19/2 or A-F")]
    BadRange(String),
    /// Not a label.
    #[error("{0:?} is not the label of a row or seat: 1 to 8 letters and digits")]
    NotALabel(String),
    /// More than a map can have.
    #[error("a map has at most 20000 seats")]
    TooManySeats,
    /// An accessible or companion seat that the row does not have.
    #[error("row {row} has no seat {seat}")]
    NotInRow {
        /// The row.
        row: String,
        /// The seat.
        seat: String,
    },
    /// It is said to be accessible and for a companion.
    #[error("seat {seat} of row {row} is of two kinds")]
    TwoKinds {
        /// The row.
        row: String,
        /// The seat.
        seat: String,
    },
    /// A companion seat beside none that is accessible.
    #[error("the companion seat {seat} of row {row} has no accessible seat beside it")]
    NoNeighbour {
        /// The row.
        row: String,
        /// The seat.
        seat: String,
    },
}

const PLAN_INVALID: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "seat_plan_invalid",
    "Correct `sections`: rows as `A` or `A-F`, seats as `1-20`, `1-19/2`, or `1-10 | 11-20` with an aisle.",
);

impl Fault for PlanError {
    fn specs() -> Vec<FaultSpec> {
        vec![PLAN_INVALID]
    }

    fn facts(&self) -> Facts {
        PLAN_INVALID.at("sections")
    }
}

/// Why somebody cannot have seats.
#[derive(Debug, thiserror::Error)]
pub enum SeatError {
    /// Seats were named for something without seats.
    #[error("{0:?} tickets have no seats")]
    NotSeated(String),
    /// The event has no seat map.
    #[error("{0:?} has no seat map")]
    NoSeating(String),
    /// Another number of seats than of tickets.
    #[error("{named} seats are named for {quantity} tickets")]
    CountDiffers {
        /// How many were named.
        named: usize,
        /// How many tickets.
        quantity: i32,
    },
    /// More accessible seats than tickets, or some asked for beside named ones.
    #[error(
        "{accessible} accessible seats are asked for with {quantity} tickets and {named} named seats"
    )]
    AccessibleUnclear {
        /// How many accessible ones.
        accessible: i32,
        /// How many tickets.
        quantity: i32,
        /// How many seats were named.
        named: usize,
    },
    /// The map has no such seat, or the ticket type does not sell it.
    #[error("there is no seat {given:?} {}", .for_what)]
    Unknown {
        /// What was given.
        given: String,
        /// Where it was looked for.
        for_what: String,
        /// What there is.
        candidates: Vec<Candidate>,
    },
    /// One seat, twice.
    #[error("the seat {0} is named twice")]
    NamedTwice(String),
    /// Somebody has them.
    #[error("{} taken: {}", if .0.len() == 1 { "this seat is" } else { "these seats are" }, .0.join(", "))]
    Taken(Vec<String>),
    /// Too few are free.
    #[error("{left} of the {wanted} {name} seats asked for are free")]
    SoldOut {
        /// The ticket type.
        name: String,
        /// How many were asked for.
        wanted: usize,
        /// How many there are.
        left: usize,
    },
    /// Too few accessible ones are free.
    #[error("{left} of the {wanted} accessible {name} seats asked for are free")]
    NoneAccessible {
        /// The ticket type.
        name: String,
        /// How many were asked for.
        wanted: usize,
        /// How many there are.
        left: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NOT_SEATED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "not_seated",
    "Leave `seats` and `accessible` out; get_event_seats says what has seats.",
);
const NO_SEATING: FaultSpec = FaultSpec::new(
    FaultKind::NotFound,
    "event_not_seated",
    "Choose a map with set_event_seating first, if the event is to have reserved seats.",
);
const SEAT_COUNT: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "seat_count",
    "Name one seat per ticket, or none for the best available.",
);
const SEAT_UNKNOWN: FaultSpec = FaultSpec::new(
    FaultKind::NotFound,
    "seat_unknown",
    "Write section, row and seat as get_event_seats shows them, such as \"Stalls A 12\" or \"Stalls A 12-15\".",
);
const SEAT_NAMED_TWICE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "seat_named_twice",
    "Name each seat once.",
);
const SEAT_TAKEN: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "seat_taken",
    "Look at get_event_seats for free ones, or name none for the best available.",
);
const SEATS_SOLD_OUT: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "seats_sold_out",
    "Offer what is left, accessible seats to who needs them, or another ticket type.",
);

impl SeatError {
    /// Whether a hold that has run out may be in the way.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Taken(_) | Self::SoldOut { .. } | Self::NoneAccessible { .. }
        )
    }
}

impl Fault for SeatError {
    fn specs() -> Vec<FaultSpec> {
        vec![
            NOT_SEATED,
            NO_SEATING,
            SEAT_COUNT,
            SEAT_UNKNOWN,
            SEAT_NAMED_TWICE,
            SEAT_TAKEN,
            SEATS_SOLD_OUT,
        ]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NotSeated(_) => NOT_SEATED.at("items"),
            Self::NoSeating(_) => NO_SEATING.at("event"),
            Self::CountDiffers { .. } => SEAT_COUNT.at("seats"),
            Self::AccessibleUnclear { .. } => SEAT_COUNT.at("accessible"),
            Self::Unknown { candidates, .. } => SEAT_UNKNOWN.at("seats").near(candidates),
            Self::NamedTwice(_) => SEAT_NAMED_TWICE.at("seats"),
            Self::Taken(_) => SEAT_TAKEN.at("seats"),
            Self::SoldOut { .. } => SEATS_SOLD_OUT.at("items"),
            Self::NoneAccessible { .. } => SEATS_SOLD_OUT.at("accessible"),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SeatError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Why the seating of an event, or what is kept out of its sale, cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum SeatingError {
    /// It is over, cancelled or archived.
    #[error("{0:?} is over or called off, so its seating stays as it is")]
    EventClosed(String),
    /// The map is of another place.
    #[error("the seat map {map:?} is one of {venue:?}, where {event:?} does not take place")]
    OtherVenue {
        /// The map.
        map: String,
        /// The map's venue.
        venue: String,
        /// The event.
        event: String,
    },
    /// Not a section of the map.
    #[error("the map has no section {given:?}; it has {}", .names.join(", "))]
    NoSuchSection {
        /// What was given.
        given: String,
        /// What there is.
        names: Vec<String>,
    },
    /// A ticket type without sections, or twice.
    #[error("{0:?} needs its sections, once")]
    SectionsUnclear(String),
    /// A ticket type can sell more than there are seats.
    #[error("{name:?} {}, but its sections have {seats} seats that can be sold", match .limit {
        Some(limit) => format!("sells up to {limit}"),
        None => "has no limit".to_owned(),
    })]
    LimitAboveSeats {
        /// The ticket type.
        name: String,
        /// Its limit.
        limit: Option<i32>,
        /// The seats that are not blocked.
        seats: usize,
    },
    /// Places were held or sold of it.
    #[error("{taken} {name:?} tickets are held or sold, and would {}", if *.has_seats { "lose their seats" } else { "have none" })]
    InUse {
        /// The ticket type, or the event.
        name: String,
        /// How many.
        taken: i64,
        /// Whether they have seats.
        has_seats: bool,
    },
    /// About the seats that were named.
    #[error(transparent)]
    Seat(#[from] SeatError),
    /// Something was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
}

const OTHER_VENUE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "seat_map_of_other_venue",
    "Choose a map of the event's venue with list_seat_maps, or draw one with save_seat_map.",
);
const NO_SUCH_SECTION: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "section_unknown",
    "Use the names that get_seat_map shows.",
);
const SECTIONS_UNCLEAR: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "sections_unclear",
    "Give each ticket type once, with at least one section.",
);
const LIMIT_ABOVE_SEATS: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "limit_above_seats",
    "Set its `quantity` to at most that many with save_ticket_type, or give it more sections.",
);
const SEATING_IN_USE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "seating_in_use",
    "People have these places: keep the map and what they bought of it, and sell other seats under another ticket type.",
);

impl Fault for SeatingError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            EVENT_CLOSED,
            OTHER_VENUE,
            NO_SUCH_SECTION,
            SECTIONS_UNCLEAR,
            LIMIT_ABOVE_SEATS,
            SEATING_IN_USE,
        ];
        specs.extend(SeatError::specs());
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::EventClosed(_) => EVENT_CLOSED.at("event"),
            Self::OtherVenue { .. } => OTHER_VENUE.at("seat_map"),
            Self::NoSuchSection { .. } => NO_SUCH_SECTION.at("sells"),
            Self::SectionsUnclear(_) => SECTIONS_UNCLEAR.at("sells"),
            Self::LimitAboveSeats { .. } => LIMIT_ABOVE_SEATS.at("sells"),
            Self::InUse { .. } => SEATING_IN_USE.at("sells"),
            Self::Seat(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<StoreError> for SeatingError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<sqlx::Error> for SeatingError {
    fn from(error: sqlx::Error) -> Self {
        Self::Lookup(error.into())
    }
}
