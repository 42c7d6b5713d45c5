//! What can happen to a venue.

use domain::{Change, Subject, VenueId};
use serde::Serialize;

use crate::field_change::{FieldChange, describe};

/// A venue was added.
#[derive(Debug, Serialize)]
pub struct VenueCreated {
    pub(super) venue_id: VenueId,
    pub(super) name: String,
    /// Each field that was given.
    pub(super) details: Vec<FieldChange>,
}

impl Change for VenueCreated {
    const KIND: &'static str = "venue.created";
    fn subject(&self) -> Subject {
        self.venue_id.into()
    }
    fn summary(&self) -> String {
        format!("Adds the venue {:?}", self.name)
    }
}

/// A venue's details changed.
#[derive(Debug, Serialize)]
pub struct VenueUpdated {
    pub(super) venue_id: VenueId,
    pub(super) name: String,
    /// Each field that changed, with its value before and after.
    pub(super) changed: Vec<FieldChange>,
}

impl Change for VenueUpdated {
    const KIND: &'static str = "venue.updated";
    fn subject(&self) -> Subject {
        self.venue_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Changes the venue {:?}: {}",
            self.name,
            describe(&self.changed)
        )
    }
}

/// A venue is no longer offered for new events.
#[derive(Debug, Serialize)]
pub struct VenueArchived {
    pub(super) venue_id: VenueId,
    pub(super) name: String,
}

impl Change for VenueArchived {
    const KIND: &'static str = "venue.archived";
    fn subject(&self) -> Subject {
        self.venue_id.into()
    }
    fn summary(&self) -> String {
        format!("Archives the venue {:?}; events there keep it", self.name)
    }
}
