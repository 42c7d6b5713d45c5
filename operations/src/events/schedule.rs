//! When an event takes place: local start and end in a zone, resolved to instants once, here.

use domain::{
    Facts, Fault, FaultKind, FaultSpec, LocalTime, Timestamp, Zone,
    time::{Fold, TimeError},
};

/// A start and an end that exist, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Start on the wall clock.
    pub starts: LocalTime,
    /// End on the wall clock.
    pub ends: LocalTime,
    /// Whose wall clock.
    pub zone: Zone,
    /// The start as an instant.
    pub starts_at: Timestamp,
    /// The end as an instant.
    pub ends_at: Timestamp,
}

/// The longest an event may last: a year.
const LONGEST_DAYS: i64 = 366;

impl Schedule {
    /// Resolves both times. `fold` says which one is meant when the clock shows a time twice.
    pub fn new(
        starts: LocalTime,
        ends: LocalTime,
        zone: Zone,
        fold: Option<Fold>,
    ) -> Result<Self, ScheduleError> {
        let (starts_at, ends_at) = (
            resolve(starts, &zone, fold, "starts")?,
            resolve(ends, &zone, fold, "ends")?,
        );
        if ends_at <= starts_at {
            return Err(ScheduleError::EndsBeforeStart { starts, ends });
        }
        if ends_at > starts_at.plus_seconds(LONGEST_DAYS * 24 * 3600) {
            return Err(ScheduleError::TooLong { starts, ends });
        }
        Ok(Self {
            starts,
            ends,
            zone,
            starts_at,
            ends_at,
        })
    }

    /// Like [`Self::new`] for times derived from others, where there is nobody to ask about clock changes.
    pub fn derived(starts: LocalTime, ends: LocalTime, zone: Zone) -> Self {
        let starts_at = starts.resolve_leniently(&zone);
        let ends_at = ends
            .resolve_leniently(&zone)
            .max(starts_at.plus_seconds(60));
        Self {
            starts,
            ends,
            zone,
            starts_at,
            ends_at,
        }
    }
}

/// The instant of a local time, for the input field that gave it.
pub(crate) fn resolve(
    local: LocalTime,
    zone: &Zone,
    fold: Option<Fold>,
    field: &'static str,
) -> Result<Timestamp, ScheduleError> {
    local.resolve(zone, fold).map_err(|error| match error {
        TimeError::Gap { .. } => ScheduleError::Skipped { field, error },
        TimeError::Fold { .. } => ScheduleError::Twice { field, error },
        other => ScheduleError::Unreadable {
            field,
            error: other,
        },
    })
}

/// Why a schedule cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The clock jumps over a time.
    #[error("{error}")]
    Skipped {
        /// The input field, such as `starts`.
        field: &'static str,
        /// Which time, and the next one that exists.
        error: TimeError,
    },
    /// The clock shows a time twice.
    #[error("{error}")]
    Twice {
        /// The input field, such as `starts`.
        field: &'static str,
        /// Which time.
        error: TimeError,
    },
    /// A time is out of range.
    #[error("{error}")]
    Unreadable {
        /// The input field, such as `starts`.
        field: &'static str,
        /// What is wrong.
        error: TimeError,
    },
    /// The end is not after the start.
    #[error("the event would end ({}) before it starts ({})", .ends.readable(), .starts.readable())]
    EndsBeforeStart {
        /// Start given.
        starts: LocalTime,
        /// End given.
        ends: LocalTime,
    },
    /// It would last longer than a year.
    #[error("the event would last longer than a year, from {} to {}", .starts.readable(), .ends.readable())]
    TooLong {
        /// Start given.
        starts: LocalTime,
        /// End given.
        ends: LocalTime,
    },
}

const SKIPPED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "time_does_not_exist",
    "Ask for another time, or use the next one that exists.",
);
const TWICE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "time_happens_twice",
    "Ask which one is meant, then set `fold` to earlier or later.",
);
const UNREADABLE: FaultSpec =
    FaultSpec::new(FaultKind::Invalid, "time_out_of_range", "Check the year.");
const ENDS_BEFORE_START: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "ends_before_start",
    "Check the dates: an event past midnight ends on the next day.",
);
const TOO_LONG: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "lasts_too_long",
    "Check the year of the end; for a repeating event create one date and call create_series.",
);

impl Fault for ScheduleError {
    fn specs() -> Vec<FaultSpec> {
        vec![SKIPPED, TWICE, UNREADABLE, ENDS_BEFORE_START, TOO_LONG]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Skipped { field, .. } => SKIPPED.at(*field),
            Self::Twice { field, .. } => TWICE.at(*field),
            Self::Unreadable { field, .. } => UNREADABLE.at(*field),
            Self::EndsBeforeStart { .. } => ENDS_BEFORE_START.at("ends"),
            Self::TooLong { .. } => TOO_LONG.at("ends"),
        }
    }
}
