//! What can happen to an event, short of publishing and cancelling.

use domain::{Change, EventId, Subject};
use serde::Serialize;

use crate::field_change::{FieldChange, describe};

/// An event was created, from nothing or as a copy.
#[derive(Debug, Serialize)]
pub struct EventCreated {
    pub(crate) event_id: EventId,
    pub(crate) title: String,
    pub(crate) when: String,
    pub(crate) source_id: Option<EventId>,
}

impl Change for EventCreated {
    const KIND: &'static str = "event.created";
    fn subject(&self) -> Subject {
        self.event_id.into()
    }
    fn summary(&self) -> String {
        let how = if self.source_id.is_some() {
            "as a copy "
        } else {
            ""
        };
        format!(
            "Creates the event {:?} {how}as a draft: {}",
            self.title, self.when
        )
    }
}

/// An event's details changed.
#[derive(Debug, Serialize)]
pub struct EventUpdated {
    pub(crate) event_id: EventId,
    pub(crate) title: String,
    /// Each field that changed, with its value before and after.
    pub(crate) changed: Vec<FieldChange>,
    /// Valid tickets that were sold for another time or place.
    pub(crate) tickets: i64,
}

impl Change for EventUpdated {
    const KIND: &'static str = "event.updated";
    fn subject(&self) -> Subject {
        self.event_id.into()
    }
    fn summary(&self) -> String {
        let holders = match self.tickets {
            0 => String::new(),
            1 => "; 1 valid ticket was sold for it as it was".to_owned(),
            many => format!("; {many} valid tickets were sold for it as it was"),
        };
        let changed = describe(&self.changed);
        format!("Changes the event {:?}: {changed}{holders}", self.title)
    }
}
