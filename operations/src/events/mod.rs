//! Events: the shows people attend. Their times, place, texts and states.
//!
//! Owns `event`. Operations: `list_events`, `create_event`; what reaches ticket types and orders (`get_event`,
//! `update_event`, `publish_event`, `cancel_event`, `archive_event`, `duplicate_event`) is in [`crate::lifecycle`].
//! Changes: `event.created`, `event.updated`.

pub mod changes;
mod create_event;
mod list_events;
mod model;
mod schedule;
mod sql;

pub use create_event::{CreateEvent, CreateEventError, CreatedEvent};
pub use list_events::ListEvents;
pub use model::{Event, EventFormat, EventStatus, EventVenue, StoredStatus};
pub use schedule::{Schedule, ScheduleError};

pub(crate) use changes::{EventCreated, EventUpdated};
pub(crate) use create_event::{link, offered_venue, wanted_slug};
pub(crate) use model::when;
pub(crate) use schedule::resolve as resolve_time;
#[cfg(any(test, feature = "testing"))]
pub(crate) use sql::all;
pub(crate) use sql::{
    NewEvent, StatusMove, free_slug, get, has_prices, id_of, insert, insert_series, lock,
    overlapping, published, resolve, set_status, set_waiting_room, share, shows, update,
};
