//! Venues: the places events happen at.
//!
//! Owns `venue`. Operations: `list_venues`, `get_venue`, `save_venue`, `archive_venue`.
//! Changes: `venue.created`, `venue.updated`, `venue.archived`.

mod archive_venue;
pub mod changes;
mod get_venue;
mod list_venues;
mod model;
mod save_venue;
mod sql;

pub use archive_venue::ArchiveVenue;
pub use get_venue::GetVenue;
pub use list_venues::ListVenues;
pub use model::Venue;
pub use save_venue::{SaveVenue, SaveVenueError};

pub(crate) use sql::resolve;
