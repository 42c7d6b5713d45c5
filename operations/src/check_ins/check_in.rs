//! `check_in`: one scan at the door.

use domain::{
    CheckInId, Cx, EventId, Fault, FaultKind, FaultSpec, Name, Permission, Reference, TicketId,
    Untrusted, fault::Candidate,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{StoreError, WriteTx};

use super::{
    changes::{CheckInAdmitted, CheckInRefused},
    model::{Admission, CheckInResult, DoorCounts, HeldOut, is_off},
    sql::{self, Scan},
};
use crate::{
    App, Effect, Operation,
    codes::CodeError,
    events::{self, Event},
    lookup::LookupError,
    tickets::{TicketCode, TicketStatus},
};

/// Scan a ticket at the door: lets it in once, and says in plain words when not. A refusal is an answer with
/// `admitted: false`, not an error; every scan is kept. Give `event` to refuse tickets of other events.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CheckIn {
    /// Ticket: the code from the barcode, in any spelling, or its id.
    pub ticket: Reference<TicketId>,
    /// Event whose door it is: id, slug or exact title.
    pub event: Option<Reference<EventId>>,
    /// Which door.
    pub gate: Option<Name>,
    /// Which scanner.
    pub device: Option<Name>,
}

/// What a scan came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckedIn {
    /// Whether to let them in.
    pub admitted: bool,
    /// Why.
    pub result: CheckInResult,
    /// The same in plain words, to be read out.
    pub message: String,
    /// The ticket's id.
    pub ticket_id: TicketId,
    /// Who holds it, or who bought it.
    pub attendee: Untrusted,
    /// Its ticket type.
    pub ticket_type: String,
    /// The order it came with.
    pub order_number: String,
    /// The event at whose door it is.
    pub event_id: EventId,
    /// When and where somebody was let in with it first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_admission: Option<Admission>,
    /// How full the house is now.
    pub counts: DoorCounts,
}

impl Operation for CheckIn {
    const NAME: &'static str = "check_in";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::CheckInsWrite;
    type Output = CheckedIn;
    type Error = CheckInError;

    async fn run(self, app: &App, cx: &Cx) -> Result<CheckedIn, CheckInError> {
        let mut tx = app.store().write(cx).await?;
        let ticket = held_out(&mut tx, &self.ticket).await?;
        let door = match &self.event {
            Some(event) => events::resolve(tx.conn(), cx, event).await?,
            None => events::get(tx.conn(), cx, ticket.event_id).await?,
        };
        if is_off(door.status) {
            return Err(CheckInError::EventOff {
                title: door.title,
                status: door.status,
            });
        }
        let scan = Scan {
            id: cx.new_id::<CheckInId>(),
            event_id: door.id,
            ticket_id: ticket.ticket_id,
            gate: self.gate.as_ref().map(Name::as_str),
            device: self.device.as_ref().map(Name::as_str),
        };
        let result = if ticket.event_id != door.id {
            CheckInResult::WrongEvent
        } else if ticket.status == TicketStatus::Void {
            CheckInResult::Void
        } else if sql::admit(tx.conn(), cx, &scan).await? {
            CheckInResult::Admitted
        } else {
            CheckInResult::AlreadyCheckedIn
        };
        if result != CheckInResult::Admitted {
            sql::refuse(tx.conn(), cx, &scan, result).await?;
        }
        let answer = answer(&mut tx, &ticket, &door, result).await?;
        if result == CheckInResult::Admitted {
            let change = CheckInAdmitted {
                check_in_id: scan.id,
                ticket_id: ticket.ticket_id,
                event_id: door.id,
                event: door.title,
                ticket_type: ticket.ticket_type,
                gate: scan.gate.map(str::to_owned),
            };
            return Ok(tx.commit(change, answer).await?);
        }
        let change = CheckInRefused {
            check_in_id: scan.id,
            ticket_id: ticket.ticket_id,
            event_id: door.id,
            event: door.title,
            result,
            gate: scan.gate.map(str::to_owned),
        };
        Ok(tx.commit(change, answer).await?)
    }
}

/// The ticket a caller holds out, by id or code.
pub(super) async fn held_out(
    tx: &mut WriteTx<'_>,
    reference: &Reference<TicketId>,
) -> Result<HeldOut, CheckInError> {
    let found = match reference {
        Reference::Id(id) => sql::find_ticket(tx.conn(), Some(*id), None).await?,
        Reference::Name(text) => {
            let code: TicketCode = text.parse().map_err(|error| CheckInError::Misread {
                given: text.clone(),
                error,
            })?;
            sql::find_ticket(tx.conn(), None, Some(code.as_str())).await?
        }
    };
    found.ok_or_else(|| CheckInError::Unknown(reference.to_string()))
}

async fn answer(
    tx: &mut WriteTx<'_>,
    ticket: &HeldOut,
    door: &Event,
    result: CheckInResult,
) -> Result<CheckedIn, CheckInError> {
    let cx = tx.cx();
    let first_admission = match result {
        CheckInResult::AlreadyCheckedIn => sql::standing(tx.conn(), ticket.ticket_id)
            .await?
            .map(|standing| Admission::new(standing.scanned_at, standing.gate, &door.zone)),
        _ => None,
    };
    let message = match result {
        CheckInResult::Admitted => format!(
            "Let them in: {}, order {}, for {:?}, {}.",
            ticket.ticket_type, ticket.order_number, door.title, door.when
        ),
        CheckInResult::AlreadyCheckedIn => {
            let when = first_admission
                .as_ref()
                .map_or("a moment ago".to_owned(), Admission::readable);
            format!(
                "Do not let them in: somebody came in with this ticket on {when}. If that was a mistake, undo_check_in frees it."
            )
        }
        CheckInResult::Void => format!(
            "Do not let them in: this ticket is void. Order {} may have been cancelled or given a new one.",
            ticket.order_number
        ),
        CheckInResult::WrongEvent => {
            let other = events::get(tx.conn(), cx, ticket.event_id).await?;
            format!(
                "Do not let them in: the ticket is for {:?}, {}, not for {:?}, {}.",
                other.title, other.when, door.title, door.when
            )
        }
    };
    Ok(CheckedIn {
        admitted: result == CheckInResult::Admitted,
        result,
        message,
        ticket_id: ticket.ticket_id,
        attendee: ticket.attendee(cx),
        ticket_type: ticket.ticket_type.clone(),
        order_number: ticket.order_number.clone(),
        event_id: door.id,
        first_admission,
        counts: sql::counts(tx.conn(), door.id).await?,
    })
}

/// How `check_in` refuses.
#[derive(Debug, thiserror::Error)]
pub enum CheckInError {
    /// The text cannot be a ticket code.
    #[error("{given:?} is not a ticket code: {error}")]
    Misread {
        /// What was given.
        given: String,
        /// What is wrong with it.
        error: CodeError,
    },
    /// No ticket has this code or id.
    #[error("there is no ticket {0:?}")]
    Unknown(String),
    /// The event does not take place.
    #[error("{title:?} is {status}; nobody is let in")]
    EventOff {
        /// Its title.
        title: String,
        /// Its state.
        status: events::EventStatus,
    },
    /// The event was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const MISREAD: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "ticket_code_misread",
    "Scan it again, or find the attendee by name or order number with list_attendees and use the ticket's id.",
);
const UNKNOWN: FaultSpec = FaultSpec::new(
    FaultKind::NotFound,
    "ticket_not_found",
    "Look for the order number or name with list_attendees. Tickets exist only once an order is paid: see get_order.",
);
const EVENT_OFF: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "event_off",
    "Tell the person at the door that the event does not take place; do not try again.",
);

impl Fault for CheckInError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![MISREAD, UNKNOWN, EVENT_OFF];
        specs.extend(LookupError::specs());
        specs
    }

    fn spec(&self) -> FaultSpec {
        match self {
            Self::Misread { .. } => MISREAD,
            Self::Unknown(_) => UNKNOWN,
            Self::EventOff { .. } => EVENT_OFF,
            Self::Lookup(error) => error.spec(),
            Self::Store(error) => error.spec(),
        }
    }

    fn field(&self) -> Option<String> {
        match self {
            Self::Misread { .. } | Self::Unknown(_) => Some("ticket".to_owned()),
            Self::Lookup(error) => error.field(),
            Self::EventOff { .. } | Self::Store(_) => None,
        }
    }

    fn candidates(&self) -> Vec<Candidate> {
        if let Self::Lookup(error) = self {
            error.candidates()
        } else {
            Vec::new()
        }
    }
}

impl From<sqlx::Error> for CheckInError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
