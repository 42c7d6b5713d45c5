//! Check-ins: scans at the door, and who is expected there.
//!
//! Owns `check_in`. Operations: `check_in`, `undo_check_in`, `get_door_status`, `list_attendees`.
//! Changes: `check_in.admitted`, `check_in.refused`, `check_in.undone`.

pub mod changes;
mod check_in;
mod get_door_status;
mod list_attendees;
mod model;
mod sql;
mod undo_check_in;

pub use check_in::{CheckIn, CheckInError, CheckedIn};
pub use get_door_status::{DoorStatus, GetDoorStatus, RecentScan, TypeStatus};
pub use list_attendees::{Attendee, ListAttendees};
pub use model::{Admission, CheckInResult, DoorCounts};
pub use undo_check_in::{UndoCheckIn, UndoCheckInError, UndoneCheckIn};
