//! The waiting list: people who want what is sold out, and offers to them, which are holds that live for days.
//!
//! Owns `waitlist_entry`. States: `waiting` → `offered` → `bought` or `lapsed`; `left` from the first two. Operations:
//! `join_waitlist`, `leave_waitlist`, `list_waitlist`, `save_waitlist_entry`, `offer_places`. Changes: `waitlist.joined`,
//! `waitlist.left`, `waitlist.moved`, `waitlist.offered`, `waitlist.lapsed`.
//!
//! Locks, in this order: event (for itself), hold, capacity pools by id. Whoever changes the list locks the event and whoever
//! buys shares it, so a buyer knows who waits. What became of an offer is what became of its hold: `settle` writes it down.

pub mod changes;
mod get_waitlist_entry;
mod join_waitlist;
mod leave_waitlist;
mod list_waitlist;
mod model;
mod offer_places;
mod plan;
mod save_waitlist_entry;
mod serving;
mod sql;

pub use get_waitlist_entry::GetWaitlistEntry;
pub use join_waitlist::{JoinWaitlist, JoinWaitlistError, JoinedWaitlist};
pub use leave_waitlist::{LeaveWaitlist, LeftWaitlist};
pub use list_waitlist::ListWaitlist;
pub use model::{PlacesOffer, WaitlistEntry, WaitlistStatus};
pub use offer_places::{OfferPlaces, OfferPlacesError, OfferedPlaces};
pub use save_waitlist_entry::{SaveWaitlistEntry, SaveWaitlistEntryError};

#[cfg(test)]
mod tests_of_serving;
