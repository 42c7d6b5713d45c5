//! What can happen at the door.

use domain::{Change, CheckInId, EventId, Subject, TicketId};
use serde::Serialize;

use super::model::CheckInResult;

/// A ticket was let in.
#[derive(Debug, Serialize)]
pub struct CheckInAdmitted {
    pub(super) check_in_id: CheckInId,
    pub(super) ticket_id: TicketId,
    pub(super) event_id: EventId,
    pub(super) event: String,
    pub(super) ticket_type: String,
    pub(super) gate: Option<String>,
}

impl Change for CheckInAdmitted {
    const KIND: &'static str = "check_in.admitted";
    fn subject(&self) -> Subject {
        self.ticket_id.into()
    }
    fn summary(&self) -> String {
        format!("Admits a {:?} ticket to {:?}", self.ticket_type, self.event)
    }
}

/// A ticket was not let in.
#[derive(Debug, Serialize)]
pub struct CheckInRefused {
    pub(super) check_in_id: CheckInId,
    pub(super) ticket_id: TicketId,
    /// The event at whose door it was.
    pub(super) event_id: EventId,
    pub(super) event: String,
    pub(super) result: CheckInResult,
    pub(super) gate: Option<String>,
}

impl Change for CheckInRefused {
    const KIND: &'static str = "check_in.refused";
    fn subject(&self) -> Subject {
        self.ticket_id.into()
    }
    fn summary(&self) -> String {
        let why = match self.result {
            CheckInResult::Void => "it is void",
            CheckInResult::WrongEvent => "it is for another event",
            CheckInResult::Admitted | CheckInResult::AlreadyCheckedIn => "it has been used already",
        };
        format!("Refuses a ticket at the door of {:?}: {why}", self.event)
    }
}

/// An admission was taken back.
#[derive(Debug, Serialize)]
pub struct CheckInUndone {
    pub(super) check_in_id: CheckInId,
    pub(super) ticket_id: TicketId,
    pub(super) event_id: EventId,
    pub(super) event: String,
    pub(super) reason: Option<String>,
}

impl Change for CheckInUndone {
    const KIND: &'static str = "check_in.undone";
    fn subject(&self) -> Subject {
        self.ticket_id.into()
    }
    fn summary(&self) -> String {
        let why = self.reason.as_ref().map(|why| format!(": {why}"));
        format!(
            "Takes back the admission of a ticket to {:?}{}",
            self.event,
            why.unwrap_or_default()
        )
    }
}
