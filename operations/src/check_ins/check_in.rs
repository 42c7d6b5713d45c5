//! `check_in`: one scan at the door.

use domain::{
    CheckInId, Cx, EventId, Facts, Fault, FaultKind, FaultSpec, Name, Permission, Reference,
    TicketId, Untrusted,
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
    /// Its reserved seat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<String>,
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
            sql::note(tx.conn(), cx, &scan, result).await?;
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
    let seat = ticket.seat.as_ref().map(|seat| format!(", seat {seat}"));
    let seat = seat.unwrap_or_default();
    let message = match result {
        CheckInResult::Admitted => format!(
            "Let them in: {}{}, order {}, for {:?}, {}.",
            ticket.ticket_type, seat, ticket.order_number, door.title, door.when
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
        seat: ticket.seat.clone(),
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

    fn facts(&self) -> Facts {
        match self {
            Self::Misread { .. } => MISREAD.at("ticket"),
            Self::Unknown(_) => UNKNOWN.at("ticket"),
            Self::EventOff { .. } => EVENT_OFF.into(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for CheckInError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::context::Mode;
    use sqlx::Executor as _;
    use tokio::{sync::Barrier, task::JoinSet};

    use super::*;
    use crate::{
        check_ins::{GetDoorStatus, UndoCheckIn},
        events::StatusMove,
        permission::Role,
        testing::{Scene, assert_refused, selling},
        tickets::{Ticket, VoidTicket},
    };

    fn scanning(ticket: &Ticket) -> CheckIn {
        CheckIn {
            ticket: ticket.code.parse().unwrap(),
            event: None,
            gate: Some("North".parse().unwrap()),
            device: None,
        }
    }

    async fn one_ticket(scene: &Scene) -> Ticket {
        let (event, _) = scene.on_sale(0, 10).await;
        scene.order(event.id, 1).await.tickets.remove(0)
    }

    #[tokio::test]
    async fn admits_once_and_then_says_when_and_where() {
        let scene = Scene::new().await;
        let ticket = one_ticket(&scene).await;
        let door = scene.at("2027-02-04T17:45:00Z");
        let first = scene.app.run(&door, scanning(&ticket)).await.unwrap();
        assert!(first.admitted);
        assert_eq!(first.result, CheckInResult::Admitted);
        assert_eq!((first.counts.admitted, first.counts.expected), (1, 1));
        assert_eq!(first.attendee.as_str(), "Ada Lovelace");
        let later = scene.at("2027-02-04T18:01:00Z");
        let mut again = scanning(&ticket);
        again.ticket = ticket.id.into();
        again.gate = Some("South".parse().unwrap());
        let again = scene.app.run(&later, again).await.unwrap();
        assert!(!again.admitted);
        assert_eq!(again.result, CheckInResult::AlreadyCheckedIn);
        let readable = again.first_admission.as_ref().unwrap().readable();
        assert_eq!(readable, "Thu 4 Feb 2027, 18:45 at \"North\"");
        assert!(again.message.contains(&readable), "{}", again.message);
        assert_eq!(again.counts.admitted, 1);
        let changes = scene.changes().await;
        let kinds: Vec<_> = changes.iter().map(|c| c.kind.as_str()).collect();
        assert_eq!(
            kinds[kinds.len() - 2..],
            ["check_in.admitted", "check_in.refused"]
        );
        let payload = changes[changes.len() - 2].payload.to_string();
        assert!(
            payload.contains("event_id") && !payload.contains("Ada"),
            "{payload}"
        );
    }

    #[tokio::test]
    async fn reads_codes_in_any_spelling() {
        let scene = Scene::new().await;
        let ticket = one_ticket(&scene).await;
        let mut scan = scanning(&ticket);
        scan.ticket = ticket
            .code
            .to_lowercase()
            .replace('-', " ")
            .parse()
            .unwrap();
        assert!(scene.run(scan).await.unwrap().admitted);
    }

    #[tokio::test]
    async fn refuses_void_tickets_and_those_of_another_event_as_answers() {
        let scene = Scene::new().await;
        let ticket = one_ticket(&scene).await;
        let other = scene.published("Autumn Gala").await;
        scene.run(selling(other.id, "Regular", 0, 5)).await.unwrap();
        let elsewhere = CheckIn {
            event: Some(other.id.into()),
            ..scanning(&ticket)
        };
        let wrong = scene.run(elsewhere).await.unwrap();
        assert_eq!(wrong.result, CheckInResult::WrongEvent);
        assert!(
            wrong.message.contains("the ticket is for \"Spring Gala\""),
            "{}",
            wrong.message
        );
        assert_eq!((wrong.event_id, wrong.counts.expected), (other.id, 0));
        let void = VoidTicket {
            ticket: ticket.id.into(),
            reason: "lost".parse().unwrap(),
            even_if_checked_in: false,
        };
        scene.run(void).await.unwrap();
        let void = scene.run(scanning(&ticket)).await.unwrap();
        assert!(!void.admitted);
        assert_eq!(void.result, CheckInResult::Void);
        let status = GetDoorStatus {
            event: other.id.into(),
        };
        let status = scene.run(status).await.unwrap();
        assert_eq!(status.refused_count, 1);
        assert_eq!(status.last_scans[0].result, CheckInResult::WrongEvent);
    }

    #[tokio::test]
    async fn refuses_codes_nobody_has_and_events_that_are_off() {
        let scene = Scene::new().await;
        let ticket = one_ticket(&scene).await;
        let mut scan = scanning(&ticket);
        scan.ticket = TicketCode::generate(&scene.cx).to_string().parse().unwrap();
        assert_refused(scene.run(scan.clone()).await, "ticket_not_found");
        scan.ticket = ticket.code[1..].parse().unwrap();
        assert_refused(scene.run(scan.clone()).await, "ticket_code_misread");
        scan.event = Some("nothing".parse().unwrap());
        scan.ticket = ticket.id.into();
        assert_refused(scene.run(scan).await, "not_found");
        scene
            .move_event(ticket.event_id, StatusMove::Cancel(None))
            .await;
        assert_refused(scene.run(scanning(&ticket)).await, "event_off");
    }

    #[tokio::test]
    async fn needs_the_door_and_the_own_organization_and_masks_names() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let ticket = one_ticket(&scene).await;
        let outcome = scene.app.run(&other, scanning(&ticket)).await;
        assert_refused(outcome, "ticket_not_found");
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(scene.app.run(&viewer, scanning(&ticket)).await, "forbidden");
        let masked = viewer.permissions.with(Permission::CheckInsWrite);
        let masked = scene.cx.clone().with_permissions(masked);
        let answer = scene.app.run(&masked, scanning(&ticket)).await.unwrap();
        assert_eq!(answer.attendee.as_str(), "A… L…");
        let door = scene.as_role(Role::Door);
        let again = scene.app.run(&door, scanning(&ticket)).await.unwrap();
        assert_eq!(again.attendee.as_str(), "Ada Lovelace");
    }

    #[tokio::test]
    async fn a_dry_run_lets_nobody_in() {
        let scene = Scene::new().await;
        let ticket = one_ticket(&scene).await;
        let dry = scene.cx.in_mode(Mode::DryRun);
        assert!(
            scene
                .app
                .run(&dry, scanning(&ticket))
                .await
                .unwrap()
                .admitted
        );
        assert!(scene.run(scanning(&ticket)).await.unwrap().admitted);
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let ticket = one_ticket(&scene).await;
        scene.assert_idempotent(scanning(&ticket)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn twenty_doors_at_once_admit_one() {
        let scene = Scene::new().await;
        let ticket = one_ticket(&scene).await;
        for round in 1..=5 {
            let mut doors = JoinSet::new();
            for _ in 0..20 {
                let (app, cx) = (scene.app.clone(), scene.cx.clone());
                let scan = scanning(&ticket);
                doors.spawn(async move { app.run(&cx, scan).await.unwrap() });
            }
            let answers = doors.join_all().await;
            let admitted = answers.iter().filter(|a| a.admitted).count();
            let repeated = |a: &&CheckedIn| a.result == CheckInResult::AlreadyCheckedIn;
            assert_eq!((admitted, answers.iter().filter(repeated).count()), (1, 19));
            assert!(answers.iter().all(|a| a.counts.admitted == 1));
            let undo = UndoCheckIn {
                ticket: ticket.id.into(),
                reason: None,
            };
            assert!(scene.run(undo).await.unwrap().undone, "round {round}");
        }
    }

    /// The same crowd without the index: everybody looks, then writes. If one were admitted here too, the test
    /// above would prove nothing.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn control_looking_first_without_the_index_admits_all() {
        let scene = Scene::new().await;
        let ticket = one_ticket(&scene).await;
        let mut owner = scene.database.owner().await;
        let dropping = owner.execute("drop index check_in_admitted_once").await;
        dropping.unwrap();
        let all_looked = Arc::new(Barrier::new(12));
        let mut doors = JoinSet::new();
        for _ in 0..12 {
            let (app, mut cx) = (scene.app.clone(), scene.cx.clone());
            cx.operation = "control";
            let (all_looked, ticket) = (all_looked.clone(), ticket.clone());
            doors.spawn(async move {
                let mut tx = app.store().write(&cx).await.unwrap();
                let scan = Scan {
                    id: cx.new_id(),
                    event_id: ticket.event_id,
                    ticket_id: ticket.id,
                    gate: None,
                    device: None,
                };
                let is_in = sql::standing(tx.conn(), ticket.id).await.unwrap().is_some();
                all_looked.wait().await;
                if is_in {
                    return false;
                }
                let admitted = CheckInResult::Admitted;
                sql::note(tx.conn(), &cx, &scan, admitted).await.unwrap();
                tx.unchanged(true).await.unwrap()
            });
        }
        let admitted = doors.join_all().await.into_iter().filter(|a| *a).count();
        assert_eq!(admitted, 12);
    }
}
