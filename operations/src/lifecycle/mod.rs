//! The course of an event, where it reaches ticket types and orders: shown whole, changed, published, cancelled,
//! put away, copied, repeated.
//!
//! Owns no table. Operations: `get_event`, `update_event`, `publish_event`, `unpublish_event`, `cancel_event`,
//! `archive_event`, `duplicate_event`, `create_series`. Changes: `event.published`, `event.unpublished`,
//! `event.cancelled`, `event.archived`, `series.created`.

mod archive_event;
mod cancel_event;
pub mod changes;
mod copy;
mod create_series;
mod duplicate_event;
mod get_event;
mod moving;
mod publish_event;
mod readiness;
mod recurrence;
mod unpublish_event;
mod update_event;

pub use archive_event::{ArchiveEvent, ArchiveEventError};
pub use cancel_event::{CancelEvent, CancelEventError, CancelledEvent};
pub use copy::Moved;
pub use create_series::{CreateSeries, CreateSeriesError, CreatedSeries, SeriesDate, SkippedDate};
pub use duplicate_event::{DuplicateEvent, DuplicatedEvent};
pub use get_event::{EventDetails, GetEvent};
pub use publish_event::{PublishEvent, PublishEventError, PublishedEvent};
pub use readiness::Readiness;
pub use recurrence::RuleError;
pub use unpublish_event::{UnpublishEvent, UnpublishEventError};
pub use update_event::{UpdateEvent, UpdateEventError};
