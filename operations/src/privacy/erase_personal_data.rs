//! `erase_personal_data`: an event is remembered by its figures, and nobody by name.

use domain::{
    Actor, Cx, EventId, Facts, Fault, FaultKind, FaultSpec, Permission, Reference, context::Mode,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::StoreError;

use super::{
    changes::PersonalDataErased,
    sql::{self, Traces},
};
use crate::{App, Effect, Operation, events, lookup::LookupError};

/// Erase for good who bought, attended or waited for an event that is over for 30 days at least: names, addresses, notes, the
/// words of messages, survey comments, and what runs, approvals and remembered answers say about them. Counts, money,
/// scores and the audit trail stay. A person approves it; `list_events_to_erase` shows what is due.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ErasePersonalData {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
}

/// What was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasedPersonalData {
    /// The event.
    pub event_id: EventId,
    /// Its title.
    pub title: String,
    /// Orders that no longer say who bought.
    pub order_count: u64,
    /// Tickets that no longer say who held them.
    pub ticket_count: u64,
    /// Messages whose recipient and words are gone.
    pub message_count: u64,
    /// Survey comments that are gone; their scores stay.
    pub comment_count: u64,
    /// Entries of the waiting list that no longer say who waited.
    #[serde(default)]
    pub waitlist_count: u64,
    /// Runs, approvals and remembered answers that no longer say what they were about.
    pub record_count: u64,
}

/// How long after its end an event keeps its people at least: refunds and questions take that long.
const REST_DAYS: i64 = 30;

impl Operation for ErasePersonalData {
    const NAME: &'static str = "erase_personal_data";
    // Not destructive, which a conversation could confirm: the policy leaves it to a person outside of it.
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::AttendeesErase;
    type Output = ErasedPersonalData;
    type Error = ErasePersonalDataError;

    async fn run(self, app: &App, cx: &Cx) -> Result<ErasedPersonalData, ErasePersonalDataError> {
        let by_workflow = matches!(cx.actor, Actor::Workflow { .. });
        let is_agreed =
            by_workflow || cx.may(Permission::ApprovalsDecide) || cx.confirmed.is_some();
        if !is_agreed && cx.mode == Mode::Live {
            return Err(ErasePersonalDataError::NeedsApproval);
        }
        let mut tx = app.store().write(cx).await?;
        let event = events::lock(tx.conn(), cx, &self.event).await?;
        if event.ends_at.plus_seconds(REST_DAYS * 24 * 3600) > cx.now {
            return Err(ErasePersonalDataError::TooEarly {
                title: event.title,
                when: event.when,
            });
        }
        let traces = sql::traces(tx.conn(), event.id).await?;
        let answer = erase(tx.conn(), cx, (event.id, event.title), traces).await?;
        if answer.is_nothing() {
            return Ok(tx.unchanged(answer).await?);
        }
        let change = PersonalDataErased {
            event_id: answer.event_id,
            title: answer.title.clone(),
            when: event.when,
            order_count: answer.order_count,
            ticket_count: answer.ticket_count,
            message_count: answer.message_count,
            comment_count: answer.comment_count,
            waitlist_count: answer.waitlist_count,
            record_count: answer.record_count,
            by_workflow,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

impl ErasedPersonalData {
    fn is_nothing(&self) -> bool {
        let counts = [
            self.order_count,
            self.ticket_count,
            self.message_count,
            self.comment_count,
            self.waitlist_count,
            self.record_count,
        ];
        counts.into_iter().all(|count| count == 0)
    }
}

/// Erases, orders first: answers to the survey wait for them, and find that nobody is there any more.
async fn erase(
    conn: &mut PgConnection,
    cx: &Cx,
    (event_id, title): (EventId, String),
    mut traces: Traces,
) -> Result<ErasedPersonalData, ErasePersonalDataError> {
    let order_count = sql::orders(conn, cx, event_id).await?;
    let ticket_count = sql::tickets(conn, event_id).await?;
    let comment_count = sql::comments(conn, event_id).await?;
    let waitlist_count = sql::waitlist(conn, cx, event_id).await?;
    traces.addresses = sql::forget_known(conn, traces.addresses).await?;
    let unfinished = sql::unfinished(conn, cx, &traces).await?;
    if unfinished > 0 {
        return Err(ErasePersonalDataError::Unfinished { count: unfinished });
    }
    let messages = sql::messages(conn, event_id, &traces.addresses).await?;
    let message_count = messages.ok_or(ErasePersonalDataError::Sending)?;
    Ok(ErasedPersonalData {
        event_id,
        title,
        order_count,
        ticket_count,
        message_count,
        comment_count,
        waitlist_count,
        record_count: sql::records(conn, cx, &traces).await?,
    })
}

/// How `erase_personal_data` refuses.
#[derive(Debug, thiserror::Error)]
pub enum ErasePersonalDataError {
    /// A program wants to do it by itself.
    #[error("erasing personal data needs a person's approval")]
    NeedsApproval,
    /// The event is to come, or not over for long enough.
    #[error("{title:?} ({when}) is not over for {REST_DAYS} days yet")]
    TooEarly {
        /// Its title.
        title: String,
        /// When it takes place.
        when: String,
    },
    /// Something about the event still goes on.
    #[error("{count} runs of workflows or open approvals are still about it")]
    Unfinished {
        /// How many.
        count: i64,
    },
    /// A message is on its way.
    #[error("a message about it is being sent at this moment")]
    Sending,
    /// It was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NEEDS_APPROVAL: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "erasure_needs_approval",
    "Ask an owner: they approve it, or enable the workflow data-retention, which does it in time.",
);
const TOO_EARLY: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "erasure_too_early",
    "Nothing was erased. Wait until refunds and questions are over; void or cancel what is wrong meanwhile.",
);
const UNFINISHED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "erasure_unfinished_business",
    "Nothing was erased. Let them end, or end them: list_workflow_runs and cancel_workflow_run, list_approvals.",
);
const SENDING: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "erasure_while_sending",
    "Nothing was erased. Call again in a minute.",
);

impl Fault for ErasePersonalDataError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![NEEDS_APPROVAL, TOO_EARLY, UNFINISHED, SENDING];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NeedsApproval => NEEDS_APPROVAL.into(),
            Self::TooEarly { .. } => TOO_EARLY.at("event"),
            Self::Unfinished { .. } => UNFINISHED.into(),
            Self::Sending => SENDING.into(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for ErasePersonalDataError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        approvals::{ApprovalStatus, DecideApproval, Decision, RequestApproval},
        messages::{
            Audience, GetMessage, ListMessages, QueueMessage, RetryMessage, Segment, SendMessage,
            testing::{Taken, reminder, send_all},
        },
        orders::{
            Buyer, CancelOrder, ConfirmPayment, OrderDetail, PlaceOrder, RefundChoice,
            invoices::SetInvoiceAddress,
        },
        reports::{GetSalesReport, GetSurveyResults},
        surveys::{Answer, Invitation, SurveyError, answer_survey},
        testing::{Scene, assert_refused, buying, invoicing},
        tickets::Attendee,
    };
    use domain::{Language, PageRequest, Permissions, WorkflowRunId};
    use serde_json::json;
    use sqlx::AssertSqlSafe;

    const KEY: [u8; 32] = [7; 32];
    const LATER: &str = "2027-03-07T09:00:00Z";

    fn erase(event: EventId) -> ErasePersonalData {
        ErasePersonalData {
            event: event.into(),
        }
    }

    /// An order of two for a buyer, one ticket in another's name, paid with a telling reference.
    async fn named_order(scene: &Scene, event: EventId, name: &str, email: &str) -> OrderDetail {
        let mut place = buying(event, "Regular", 2);
        place.buyer = Buyer {
            name: name.parse().unwrap(),
            email: email.parse().unwrap(),
        };
        place.items[0].attendees = vec![Attendee {
            name: Some("Grace Hopper".parse().unwrap()),
            email: Some("grace@example.org".parse().unwrap()),
        }];
        place.note = Some(format!("{name} sits in front").parse().unwrap());
        let placed = scene
            .app
            .run(&scene.cx.clone().with_key(format!("place {email}")), place)
            .await
            .unwrap();
        let to = SetInvoiceAddress {
            order: placed.order.order.id.into(),
            name: name.parse().unwrap(),
            address: "12 St James's Square, London".parse().unwrap(),
            tax_id: None,
        };
        scene.run(to).await.unwrap();
        let pay = ConfirmPayment {
            order: placed.order.order.id.into(),
            amount: None,
            reference: Some(format!("Gala, {name}").parse().unwrap()),
            received_on: None,
        };
        scene.run(pay).await.unwrap().order
    }

    /// In which tables a text stands, in any column.
    async fn tables_with(scene: &Scene, text: &str) -> Vec<String> {
        let mut owner = scene.database.owner().await;
        let tables: Vec<String> = sqlx::query_scalar(
            "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1",
        )
        .fetch_all(&mut owner)
        .await
        .unwrap();
        assert!(tables.len() > 20, "{tables:?}");
        let mut found = Vec::new();
        for table in tables {
            let query = format!("select count(*) from {table} where {table}::text ilike $1");
            let count: i64 = sqlx::query_scalar(AssertSqlSafe(query))
                .bind(format!("%{text}%"))
                .fetch_one(&mut owner)
                .await
                .unwrap();
            if count > 0 {
                found.push(table);
            }
        }
        found
    }

    /// A run in the database, finished or not, with a step.
    async fn run_about(scene: &Scene, word: &str, finished: bool) -> WorkflowRunId {
        let id: WorkflowRunId = scene.cx.new_id();
        let status = if finished {
            "'done', now()"
        } else {
            "'waiting', null"
        };
        let organization = uuid::Uuid::from(scene.cx.organization_id);
        let statements = format!(
            "insert into workflow_run (organization_id, id, workflow, version, title, trigger, params, status, finished_at, created_at)
             values ('{organization}', '{0}', 'thanks', 1, 'Thanks', '{{\"kind\": \"manual\"}}', '{{\"people\": [\"{word}\"]}}', {status}, now());
             insert into workflow_step (organization_id, run_id, path, kind, status, input, output, tries, started_at, epoch)
             values ('{organization}', '{0}', 'look', 'operation', 'done', '{{}}', '{{\"name\": \"Ada Lovelace\", \"to\": \"{word}\"}}', 1, now(), 1)",
            uuid::Uuid::from(id)
        );
        scene.database.tell(&statements).await;
        id
    }

    /// Everything that may hold a name, filled.
    async fn filled(scene: &Scene, event: EventId) -> OrderDetail {
        scene.run(invoicing()).await.unwrap();
        let order = named_order(scene, event, "Ada Lovelace", "Ada@example.org").await;
        named_order(scene, event, "Ada Lovelace", "ada2@example.org").await;
        let cancelled = named_order(scene, event, "Ada Lovelace", "ada3@example.org").await;
        let cancel = CancelOrder {
            order: cancelled.order.id.into(),
            reason: None,
            refund: Some(RefundChoice::Full),
            even_if_checked_in: false,
        };
        scene.run(cancel).await.unwrap();
        let refund = "update refund set reason = 'for Ada Lovelace'";
        scene.database.tell(refund).await;
        let mut confirm = reminder(event, &[]);
        confirm.to = Audience {
            order: Some(order.order.id),
            ..Audience::default()
        };
        scene.run(confirm).await.unwrap();
        // To the team, about nobody's order: what could not be delivered.
        let digest = QueueMessage {
            template: "failed_mail_digest".to_owned(),
            event: None,
            to: Audience {
                team: Some(crate::permission::Role::Manager),
                ..Audience::default()
            },
            vars: json!({"failed": {"count": 1, "messages": [
                {"to": "ada@example.org", "subject": "For Ada Lovelace", "reason": "full"}]}})
            .as_object()
            .cloned(),
            dedupe_key: "digest".to_owned(),
            ..reminder(event, &[])
        };
        scene.run(digest).await.unwrap();
        send_all(scene, &Taken::default()).await;
        let invitation = Invitation::sent_at(
            scene.cx.organization_id,
            order.tickets[0].id,
            Language::En,
            scene.cx.now,
        );
        let answer = Answer::new("9", "Ada Lovelace liked it").unwrap();
        answer_survey(
            &scene.app,
            &KEY,
            &invitation.token(&KEY),
            answer,
            scene.cx.now,
        )
        .await
        .unwrap();
        run_about(scene, "ada@example.org", true).await;
        let waiting = "insert into waitlist_entry (organization_id, id, event_id, ticket_type_id, quantity, name, email, status, joined_at) \
             select organization_id, gen_random_uuid(), event_id, id, 2, 'Ada Lovelace', 'ada@example.org', 'waiting', now() \
             from ticket_type";
        scene.database.tell(waiting).await;
        let organization = uuid::Uuid::from(scene.cx.organization_id);
        let talked = format!(
            "insert into conversation (organization_id, id, agent, title, user_id, permissions, turn_count, last_seq, created_at, updated_at)
             select '{organization}', gen_random_uuid(), 'organizer', 'Refund Ada Lovelace', user_id, '{{}}', 1, 1, now(), now() from member;
             insert into conversation_turn (organization_id, conversation_id, number, outcome, messages, started_at, ended_at)
             select organization_id, id, 1, 'answered', '[\"Ada Lovelace <ada@example.org>\"]', now(), now() from conversation;
             insert into conversation_entry (organization_id, conversation_id, seq, turn, part, kind, body, at)
             select organization_id, id, 1, 1, 'm1', 'said', '{{\"text\": \"Ada Lovelace, ada@example.org\"}}', now() from conversation"
        );
        scene.database.tell(&talked).await;
        let input = json!({"event": event, "segment": "all", "subject": "Hello", "body": "Dear Ada Lovelace"});
        let asked = RequestApproval::of("send_message", input);
        let asked = scene.run(asked).await.unwrap();
        let decide = DecideApproval {
            approval: asked.approval,
            decision: Decision::Rejected,
            note: Some("Ada Lovelace knows".to_owned()),
        };
        scene.run(decide).await.unwrap();
        order
    }

    #[tokio::test]
    async fn nobody_is_named_any_more_and_all_figures_stay() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        let order = filled(&scene, event.id).await;
        let later = scene.at(LATER);
        let holding = tables_with(&scene, "Ada Lovelace").await;
        let expected = [
            "approval",
            "conversation",
            "conversation_entry",
            "conversation_turn",
            "idempotency_key",
            "invoice",
            "invoice_address",
            "message",
            "orders",
            "payment",
            "refund",
            "survey_response",
            "waitlist_entry",
            "workflow_step",
        ];
        assert_eq!(holding, expected, "the scene is poorer than the test");
        assert!(
            tables_with(&scene, "grace@example.org")
                .await
                .contains(&"ticket".to_owned())
        );
        let sales = GetSalesReport {
            event: Some(event.id.into()),
            ..GetSalesReport::default()
        };
        let survey = GetSurveyResults {
            event: event.id.into(),
            page: PageRequest::default(),
        };
        let before = scene.app.run(&later, sales.clone()).await.unwrap();
        let said = scene.app.run(&later, survey.clone()).await.unwrap();
        let done = scene.app.run(&later, erase(event.id)).await.unwrap();
        assert_eq!(
            (
                done.order_count,
                done.message_count,
                done.comment_count,
                done.waitlist_count
            ),
            (3, 2, 1, 1)
        );
        for text in [
            "Ada Lovelace",
            "ada@example.org",
            "ada2@",
            "ada3@",
            "Grace Hopper",
            "grace@",
        ] {
            // What was issued is kept as the law asks: whom an invoice is made out to, and nothing else of them.
            let kept: &[&str] = if text == "Ada Lovelace" {
                &["invoice"]
            } else {
                &[]
            };
            assert_eq!(tables_with(&scene, text).await, kept, "{text}");
        }
        let after = scene.app.run(&later, sales).await.unwrap();
        assert_eq!(json!(after), json!(before));
        scene.reconcile().await;
        let mut expected = said;
        expected.comments.clear();
        assert_eq!(scene.app.run(&later, survey).await.unwrap(), expected);
        let last = scene.changes().await.pop().unwrap();
        assert_eq!(last.kind, "personal_data.erased");
        assert!(last.summary.contains("3 orders"), "{}", last.summary);
        // Once more there is nothing left, and what is read afterwards is whole.
        let again = scene.app.run(&later, erase(event.id)).await.unwrap();
        assert!(again.is_nothing(), "{again:?}");
        assert_eq!(scene.changes().await.pop().unwrap().id, last.id);
        nothing_reaches_them(&scene, &later, event.id, &order).await;
    }

    async fn nothing_reaches_them(scene: &Scene, cx: &Cx, event: EventId, order: &OrderDetail) {
        let send = SendMessage {
            event: event.into(),
            segment: Segment::All,
            ticket_type: None,
            subject: Some("Hello".parse().unwrap()),
            body: Some("Hello".parse().unwrap()),
            template: None,
            language: None,
            kind: None,
            send_at: None,
        };
        assert_refused(scene.app.run(cx, send).await, "empty_segment");
        let mut queue = reminder(event, &[]);
        queue.to = Audience {
            order: Some(order.order.id),
            ..Audience::default()
        };
        queue.dedupe_key = "later".to_owned();
        let queued = scene.app.run(cx, queue).await.unwrap();
        assert_eq!(queued.message_ids, []);
        let listed = scene.app.run(cx, ListMessages::default()).await.unwrap();
        // The newest is the question whether to erase, which is the owner's.
        let message = listed.items[1].id;
        let seen = scene.app.run(cx, GetMessage { message }).await.unwrap();
        assert_eq!(seen.message.to.as_str(), "");
        let invitation = Invitation::sent_at(
            cx.organization_id,
            order.tickets[1].id,
            Language::En,
            cx.now,
        );
        let answer = Answer::new("1", "I am Ada Lovelace").unwrap();
        let done = answer_survey(&scene.app, &KEY, &invitation.token(&KEY), answer, cx.now).await;
        assert!(matches!(done, Err(SurveyError::Unknown)), "{done:?}");
    }

    #[tokio::test]
    async fn who_comes_to_another_event_is_kept_there() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        let other = scene.published("Summer Fête").await;
        let offer = crate::testing::selling(other.id, "Regular", 2500, 20);
        scene.run(offer).await.unwrap();
        named_order(&scene, event.id, "Ada Lovelace", "ada@example.org").await;
        let kept = PlaceOrder {
            note: None,
            ..buying(other.id, "Regular", 1)
        };
        let cx = scene.cx.clone().with_key("kept");
        let placed = scene.app.run(&cx, kept.clone()).await.unwrap();
        scene
            .app
            .run(&scene.at(LATER), erase(event.id))
            .await
            .unwrap();
        let found = tables_with(&scene, "ada@example.org").await;
        assert_eq!(found, ["idempotency_key", "orders"]);
        // The answer that is remembered for the other event is still given.
        let again = scene.app.run(&cx, kept).await.unwrap();
        assert_eq!(again.order.order.id, placed.order.order.id);
    }

    #[tokio::test]
    async fn refuses_what_is_too_early_or_still_going_on() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        named_order(&scene, event.id, "Ada Lovelace", "ada@example.org").await;
        // 30 days after 22:00 in Berlin on 4 February, less a second.
        let early = scene.at("2027-03-06T20:59:59Z");
        assert_refused(
            scene.app.run(&early, erase(event.id)).await,
            "erasure_too_early",
        );
        let later = scene.at(LATER);
        let away = other.with_now(later.now);
        assert_refused(scene.app.run(&away, erase(event.id)).await, "not_found");
        let waiting = run_about(&scene, "ada@example.org", false).await;
        assert_refused(
            scene.app.run(&later, erase(event.id)).await,
            "erasure_unfinished_business",
        );
        assert!(!tables_with(&scene, "ada@example.org").await.is_empty());
        let end = "update workflow_run set status = 'cancelled', finished_at = now() where id = ";
        let end = format!("{end}'{}'", uuid::Uuid::from(waiting));
        scene.database.tell(&end).await;
        scene
            .run(reminder(event.id, &["ada@example.org"]))
            .await
            .unwrap();
        let hand_over = "update message set status = 'sending', lease_until = now()";
        scene.database.tell(hand_over).await;
        assert_refused(
            scene.app.run(&later, erase(event.id)).await,
            "erasure_while_sending",
        );
        let fail = "update message set status = 'failed', lease_until = null";
        scene.database.tell(fail).await;
        scene.app.run(&later, erase(event.id)).await.unwrap();
        let listed = scene.run(ListMessages::default()).await.unwrap();
        let retry = RetryMessage {
            message: listed.items[0].id,
        };
        assert_refused(scene.run(retry).await, "message_erased");
    }

    #[tokio::test]
    async fn a_program_needs_an_owner_who_sees_how_much() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        named_order(&scene, event.id, "Ada Lovelace", "ada@example.org").await;
        let later = scene.at(LATER);
        let program = later
            .clone()
            .with_permissions(Permissions::all_for_tokens());
        assert_refused(
            scene.app.run(&program, erase(event.id)).await,
            "erasure_needs_approval",
        );
        let request = RequestApproval::of("erase_personal_data", json!({"event": event.id}));
        let asked = scene.app.run(&program, request).await.unwrap();
        assert!(
            asked.preview[0].contains("1 orders, 1 tickets"),
            "{asked:?}"
        );
        assert!(!tables_with(&scene, "ada@example.org").await.is_empty());
        let decide = DecideApproval {
            approval: asked.approval,
            decision: Decision::Approved,
            note: None,
        };
        let decided = scene.app.run(&later, decide).await.unwrap();
        assert_eq!(decided.approval.status, ApprovalStatus::Done, "{decided:?}");
        assert_eq!(tables_with(&scene, "ada@example.org").await, [""; 0]);
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let mut scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 20).await;
        scene.order(event.id, 1).await;
        scene.cx = scene.at(LATER);
        scene.assert_idempotent(erase(event.id)).await;
    }
}
