//! Specs that several operations share.

use domain::{FaultKind, FaultSpec};

/// An update without a field.
pub(crate) const NOTHING_GIVEN: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "nothing_given",
    "Give at least one field that should change.",
);

/// An update based on an older version of the thing.
pub(crate) const CHANGED_MEANWHILE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "changed_meanwhile",
    "Read it again, decide whether your change still fits, and send it with the new version.",
);

/// A name that another thing of the kind has.
pub(crate) const NAME_TAKEN: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "name_taken",
    "Choose another name, or change the existing one by its id.",
);

/// A venue that was put away.
pub(crate) const VENUE_ARCHIVED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "venue_archived",
    "Use another venue of list_venues, or add it anew with save_venue; its name is free.",
);

/// Money in another currency than the event's.
pub(crate) const CURRENCY_DIFFERS: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "currency_differs",
    "Ask for the price in the event's currency; never convert it yourself.",
);

/// An event that is over, cancelled or archived.
pub(crate) const EVENT_CLOSED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "event_closed",
    "Tell the organizer; a new date can be made with duplicate_event.",
);

/// Somebody whose ticket would be taken away is inside.
pub(crate) const CHECKED_IN: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "checked_in",
    "Ask the organizer; to do it all the same, set `even_if_checked_in`.",
);
