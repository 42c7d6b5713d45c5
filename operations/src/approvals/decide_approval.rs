//! `decide_approval`: a person says yes or no.

use domain::{
    Actor, ApprovalId, Cx, Facts, Fault, FaultKind, FaultSpec, Permission, Timestamp, UserId,
    context::Mode,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    carry_out::{self, CarriedOut},
    changes::ApprovalDecided,
    get_approval::{find, seen},
    model::{Approval, ApprovalStatus, Stored, may_decide},
    request_approval::RequestApprovalError,
    sql,
};
use crate::{App, Effect, Operation, lookup::LookupError, permission::Role};

domain::text_enum! {
    /// What a person says.
    pub enum Decision {
        /// Do it.
        Approved = "approved",
        /// Do not.
        Rejected = "rejected",
    }
}

/// Approve or reject what waits for a decision. Only a person can, on the server or through a signed link: never a
/// token, an agent or a workflow. What was approved runs at once, exactly as it was shown; if the world has changed
/// since, nothing is done and the new preview is asked about.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DecideApproval {
    /// Its id, apr_….
    pub approval: ApprovalId,
    /// Yes or no.
    pub decision: Decision,
    /// Why, for those who asked; up to 2,000 characters.
    pub note: Option<String>,
}

/// What came of the decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecidedApproval {
    /// The approval as it is now.
    pub approval: Approval,
    /// What happened, as a sentence.
    pub outcome: String,
}

impl Operation for DecideApproval {
    const NAME: &'static str = "decide_approval";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::ApprovalsDecide;
    type Output = DecidedApproval;
    type Error = DecideApprovalError;

    async fn run(self, app: &App, cx: &Cx) -> Result<DecidedApproval, DecideApprovalError> {
        // Whatever its permissions are: a program that asks must not be the one that answers.
        let Actor::Member { user_id } = cx.actor else {
            return Err(DecideApprovalError::NotAPerson);
        };
        if self
            .note
            .as_ref()
            .is_some_and(|note| note.chars().count() > 2_000)
        {
            return Err(DecideApprovalError::NoteTooLong);
        }
        let known = {
            let mut tx = app.store().read(cx).await?;
            find(tx.conn(), self.approval).await?
        };
        let goes_on = self.decision == Decision::Approved
            && known.is_carried_out_here()
            && cx.mode == Mode::Live;
        if !goes_on {
            return self
                .decide(app, cx, user_id)
                .await
                .map(|(_, decided)| decided);
        }
        // The answer is remembered once all is done; a crash in between leaves an approval that can be decided again.
        let mut first = cx.clone();
        first.idempotency = None;
        let (stored, _) = self.decide(app, &first, user_id).await?;
        self.carry_out(app, cx, stored).await
    }
}

impl DecideApproval {
    /// Writes the decision down.
    async fn decide(
        &self,
        app: &App,
        cx: &Cx,
        user_id: UserId,
    ) -> Result<(Stored, DecidedApproval), DecideApprovalError> {
        let mut tx = app.store().write(cx).await?;
        let Some(status) = sql::lock(tx.conn(), self.approval).await? else {
            return Err(find(tx.conn(), self.approval)
                .await
                .err()
                .map_or(DecideApprovalError::NotAPerson, Into::into));
        };
        let mut stored = find(tx.conn(), self.approval).await?;
        let role = sql::role(tx.conn(), user_id).await?;
        if !role.is_some_and(|role| may_decide(stored.decides, role)) {
            return Err(DecideApprovalError::NotYours {
                decides: stored.decides,
            });
        }
        let is_repeat = status == ApprovalStatus::Approved
            && self.decision == Decision::Approved
            && stored.is_carried_out_here();
        match stored.status_at(cx.now) {
            ApprovalStatus::Pending => {}
            ApprovalStatus::Approved if is_repeat => {}
            ApprovalStatus::Expired => {
                return Err(DecideApprovalError::Expired(stored.expires_at));
            }
            status => return Err(DecideApprovalError::Decided { status }),
        }
        let status = match self.decision {
            Decision::Approved => ApprovalStatus::Approved,
            Decision::Rejected => ApprovalStatus::Rejected,
        };
        if !is_repeat {
            sql::decide(
                tx.conn(),
                cx,
                self.approval,
                status,
                user_id,
                self.note.as_deref(),
            )
            .await?;
        }
        stored.status = status;
        let fresh = find(tx.conn(), self.approval).await?;
        let approval = seen(tx.conn(), cx, fresh).await?;
        let outcome = match (self.decision, stored.run_id) {
            (Decision::Rejected, _) => "Rejected; nothing is done.",
            (Decision::Approved, Some(_)) => "Approved; the workflow goes on.",
            (Decision::Approved, None) => "Approved.",
        };
        let answer = DecidedApproval {
            approval,
            outcome: outcome.to_owned(),
        };
        if is_repeat {
            return Ok((stored, tx.unchanged(answer).await?));
        }
        let change = ApprovalDecided {
            approval_id: self.approval,
            title: stored.title.clone(),
            decision: self.decision,
        };
        Ok((stored, tx.commit(change, answer).await?))
    }

    /// Runs what was approved and writes down what came of it.
    async fn carry_out(
        &self,
        app: &App,
        cx: &Cx,
        stored: Stored,
    ) -> Result<DecidedApproval, DecideApprovalError> {
        let came = carry_out::carry_out(app, cx, &stored).await?;
        let mut tx = app.store().write(cx).await?;
        let outcome = match came {
            CarriedOut::Done(result) => {
                sql::settle(
                    tx.conn(),
                    self.approval,
                    ApprovalStatus::Done,
                    Some(&result),
                    None,
                )
                .await?;
                "Approved and done.".to_owned()
            }
            CarriedOut::Failed(failure) => {
                let told = carry_out::told(&failure);
                sql::settle(
                    tx.conn(),
                    self.approval,
                    carry_out::TO_BE_TRIED_AGAIN,
                    Some(&told),
                    None,
                )
                .await?;
                format!(
                    "Approved, but it could not be done: {}. {} Approve once more to try again.",
                    failure.message.trim_end_matches('.'),
                    failure.next
                )
            }
            CarriedOut::Stale(fresh) => {
                let (requester, trial) = *fresh;
                // Out of the way first: one open question for each requester and input.
                sql::settle(tx.conn(), self.approval, ApprovalStatus::Stale, None, None).await?;
                let (change, asked) = carry_out::again(&stored)
                    .ask(&mut tx, &requester, Some(trial))
                    .await?;
                sql::settle(
                    tx.conn(),
                    self.approval,
                    ApprovalStatus::Stale,
                    None,
                    Some(asked.approval),
                )
                .await?;
                if let Some(change) = change {
                    tx.also(&change);
                }
                format!(
                    "Nothing was done: what it would do has changed since it was shown. {} asks with the new preview.",
                    asked.approval
                )
            }
        };
        let fresh = find(tx.conn(), self.approval).await?;
        let approval = seen(tx.conn(), cx, fresh).await?;
        Ok(tx.unchanged(DecidedApproval { approval, outcome }).await?)
    }
}

/// How `decide_approval` refuses.
#[derive(Debug, thiserror::Error)]
pub enum DecideApprovalError {
    /// A program decides.
    #[error("only a person can decide this, not a token, an agent or a workflow")]
    NotAPerson,
    /// Another role decides.
    #[error("this is for {} to decide", match .decides { Role::Owner => "an owner", _ => "an owner or a manager" })]
    NotYours {
        /// The least role that does.
        decides: Role,
    },
    /// It was decided before.
    #[error("it is {status} already")]
    Decided {
        /// Its state.
        status: ApprovalStatus,
    },
    /// Its time is over.
    #[error("it could be decided until {0}")]
    Expired(Timestamp),
    /// The note does not fit.
    #[error("the note is longer than 2,000 characters")]
    NoteTooLong,
    /// It was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NOT_A_PERSON: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "not_a_person",
    "Ask the person; they decide on the server or through the link they got.",
);
const NOT_YOURS: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "approval_not_yours",
    "Ask somebody with that role.",
);
const DECIDED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "already_decided",
    "See get_approval for what came of it.",
);
const EXPIRED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "approval_expired",
    "Have it asked again if it is still wanted.",
);
const NOTE_TOO_LONG: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "approval_note_too_long",
    "Write a shorter note.",
);

impl Fault for DecideApprovalError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![NOT_A_PERSON, NOT_YOURS, DECIDED, EXPIRED, NOTE_TOO_LONG];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NotAPerson => NOT_A_PERSON.into(),
            Self::NotYours { .. } => NOT_YOURS.into(),
            Self::Decided { .. } => DECIDED.into(),
            Self::Expired(_) => EXPIRED.into(),
            Self::NoteTooLong => NOTE_TOO_LONG.into(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for DecideApprovalError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<RequestApprovalError> for DecideApprovalError {
    fn from(error: RequestApprovalError) -> Self {
        match error {
            RequestApprovalError::Store(error) => Self::Store(error),
            // The question was asked before with the same title and a later end.
            _ => Self::Decided {
                status: ApprovalStatus::Stale,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        CATALOG, Shelf,
        approvals::{GetApproval, RequestApproval},
        lifecycle::GetEvent,
        testing::{Scene, assert_refused},
    };
    use domain::Permissions;
    use serde_json::json;

    fn input(title: &str) -> serde_json::Value {
        json!({"event": "spring-gala", "title": title})
    }

    /// What the owner's own program asks for: another title for an event.
    async fn asked(scene: &Scene, title: &str) -> ApprovalId {
        scene.published("Spring Gala").await;
        let user_id = scene.cx.actor.user_id().unwrap();
        let agent = Actor::Member { user_id };
        let cx = scene
            .cx
            .clone()
            .with_actor(agent)
            .with_permissions(Permissions::all_for_tokens());
        let request = RequestApproval::of("update_event", input(title));
        scene.app.run(&cx, request).await.unwrap().approval
    }

    fn yes(approval: ApprovalId) -> DecideApproval {
        DecideApproval {
            approval,
            decision: Decision::Approved,
            note: None,
        }
    }

    async fn name(scene: &Scene) -> String {
        let get = GetEvent {
            event: "spring-gala".parse().unwrap(),
        };
        scene.run(get).await.unwrap().event.title
    }

    async fn rename(scene: &Scene, title: &str) {
        let entry = crate::catalog::find("update_event").unwrap();
        entry
            .run(&scene.app, &scene.cx, input(title), None)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn what_was_approved_is_done_once_as_whoever_asked() {
        let scene = Scene::new().await;
        let approval = asked(&scene, "Nordlicht").await;
        let decided = scene.run(yes(approval)).await.unwrap();
        assert_eq!(decided.approval.status, ApprovalStatus::Done, "{decided:?}");
        assert_eq!(decided.approval.decided_by.as_deref(), Some("Olga Owner"));
        assert!(decided.approval.result.is_some());
        assert_eq!(name(&scene).await, "Nordlicht");
        let kinds: Vec<String> = scene.changes().await.into_iter().map(|c| c.kind).collect();
        assert_eq!(
            kinds[kinds.len() - 2..],
            ["approval.decided", "event.updated"]
        );
        assert_refused(scene.run(yes(approval)).await, "already_decided");
    }

    /// What the owner's own program asks for.
    async fn asked_for(scene: &Scene, operation: &str, input: serde_json::Value) -> ApprovalId {
        let permissions = Permissions::all_for_tokens();
        let cx = scene.cx.clone().with_permissions(permissions);
        let request = RequestApproval::of(operation, input);
        scene.app.run(&cx, request).await.unwrap().approval
    }

    #[tokio::test]
    async fn what_makes_something_new_is_done_as_it_was_shown() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 50).await;
        // An id of its own each, and for the order a number that is drawn anew in every run.
        let makes = [
            ("save_venue", json!({"name": "Town Hall"}), "venue.created"),
            (
                "create_event",
                json!({"title": "Nordlicht", "starts": "2027-03-04T19:00"}),
                "event.created",
            ),
            (
                "place_order",
                json!({"event": event.id, "items": [{"ticket_type": "Regular", "quantity": 2}],
                    "buyer": {"name": "Ada Lovelace", "email": "ada@example.org"}}),
                "order.placed",
            ),
        ];
        for (operation, input, kind) in makes {
            let approval = asked_for(&scene, operation, input).await;
            let decided = scene.run(yes(approval)).await.unwrap();
            let outcome = (decided.approval.status, decided.outcome.as_str());
            assert_eq!(
                outcome,
                (ApprovalStatus::Done, "Approved and done."),
                "{operation}"
            );
            let changes = scene.changes().await;
            let last = changes.last().unwrap();
            assert_eq!(
                (last.kind.as_str(), last.operation.as_str()),
                (kind, operation)
            );
        }
    }

    #[tokio::test]
    async fn a_message_to_many_is_sent_to_those_it_was_shown_for_and_to_nobody_else() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 100).await;
        scene.orders_of(event.id, 0..60).await;
        let input = |body: &str| {
            json!({"event": event.id, "segment": "unpaid", "subject": "Please pay", "body": body,
                "kind": "transactional"})
        };
        let queued = async || {
            let about = "select count(*) from message where subject = 'Please pay'";
            scene.database.count(about).await
        };
        let approval = asked_for(&scene, "send_message", input("By Friday.")).await;
        let asked = scene.run(GetApproval { approval }).await.unwrap();
        assert!(asked.reason.contains("60 people"), "{}", asked.reason);
        let done = scene.run(yes(approval)).await.unwrap();
        assert_eq!(
            done.approval.status,
            ApprovalStatus::Done,
            "{}",
            done.outcome
        );
        assert_eq!(queued().await, 60);
        // One more buyer, and it is another message to the person who decides.
        let approval = asked_for(&scene, "send_message", input("By Monday.")).await;
        scene.orders_of(event.id, 60..61).await;
        let stale = scene.run(yes(approval)).await.unwrap();
        assert_eq!(stale.approval.status, ApprovalStatus::Stale);
        assert_eq!(queued().await, 60, "nothing was sent");
        let again = stale.approval.replaced_by.unwrap();
        assert_eq!(
            scene.run(yes(again)).await.unwrap().approval.status,
            ApprovalStatus::Done
        );
        assert_eq!(queued().await, 60 + 61);
    }

    #[tokio::test]
    async fn words_that_were_changed_while_a_person_thought_are_not_sent() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 100).await;
        scene.orders_of(event.id, 0..2).await;
        let save = |body: &str| json!({"name": "pay", "kind": "transactional", "subject": "Please pay", "body": body});
        let run = async |operation: &str, input| {
            let entry = crate::catalog::find(operation).unwrap();
            entry.run(&scene.app, &scene.cx, input, None).await.unwrap()
        };
        run("save_message_template", save("By Friday.")).await;
        let input = json!({"event": event.id, "segment": "unpaid", "template": "pay"});
        let approval = asked_for(&scene, "send_message", input.clone()).await;
        run("save_message_template", save("To another account.")).await;
        let stale = scene.run(yes(approval)).await.unwrap();
        assert_eq!(
            stale.approval.status,
            ApprovalStatus::Stale,
            "{}",
            stale.outcome
        );
        // Left alone, the same words go out.
        let done = scene.run(yes(stale.approval.replaced_by.unwrap())).await;
        assert_eq!(done.unwrap().approval.status, ApprovalStatus::Done);
    }

    #[tokio::test]
    async fn a_rejected_one_does_nothing() {
        let scene = Scene::new().await;
        let approval = asked(&scene, "Nordlicht").await;
        let no = DecideApproval {
            approval,
            decision: Decision::Rejected,
            note: Some("No.".to_owned()),
        };
        let decided = scene.run(no).await.unwrap();
        assert_eq!(
            (decided.approval.status, decided.approval.note.as_deref()),
            (ApprovalStatus::Rejected, Some("No."))
        );
        assert_eq!(name(&scene).await, "Spring Gala");
        assert_refused(scene.run(yes(approval)).await, "already_decided");
    }

    #[tokio::test]
    async fn a_changed_world_is_asked_about_again() {
        let scene = Scene::new().await;
        let approval = asked(&scene, "Nordlicht").await;
        rename(&scene, "Between").await;
        let decided = scene.run(yes(approval)).await.unwrap();
        assert_eq!(decided.approval.status, ApprovalStatus::Stale);
        assert_eq!(name(&scene).await, "Between", "nothing was done");
        let again = decided.approval.replaced_by.unwrap();
        let asked = scene.run(GetApproval { approval: again }).await.unwrap();
        assert!(asked.preview[0].contains("Between"), "{asked:?}");
        assert_eq!(
            scene.run(yes(again)).await.unwrap().approval.status,
            ApprovalStatus::Done
        );
        assert_eq!(name(&scene).await, "Nordlicht");
    }

    #[tokio::test]
    async fn one_that_cannot_be_done_stays_approved_and_says_why() {
        let scene = Scene::new().await;
        let user_id = scene.cx.actor.user_id().unwrap();
        let revoked = Actor::Token {
            token_id: scene.cx.new_id(),
            user_id,
        };
        let cx = scene.cx.clone().with_actor(revoked);
        scene.published("Spring Gala").await;
        let request = RequestApproval::of("update_event", input("Nordlicht"));
        let approval = scene.app.run(&cx, request).await.unwrap().approval;
        for _ in 0..2 {
            let decided = scene.run(yes(approval)).await.unwrap();
            assert_eq!(decided.approval.status, ApprovalStatus::Approved);
            assert!(
                decided.outcome.contains("may not do it any more"),
                "{}",
                decided.outcome
            );
        }
        assert_eq!(name(&scene).await, "Spring Gala");
    }

    #[tokio::test]
    async fn too_late_is_too_late() {
        let scene = Scene::new().await;
        let approval = asked(&scene, "Nordlicht").await;
        let later = scene.at("2027-01-14T09:00:00Z");
        assert_refused(
            scene.app.run(&later, yes(approval)).await,
            "approval_expired",
        );
    }

    #[tokio::test]
    async fn no_program_decides_whatever_it_may() {
        let scene = Scene::new().await;
        let approval = asked(&scene, "Nordlicht").await;
        let user_id = scene.cx.actor.user_id().unwrap();
        let programs = [
            Actor::Token {
                token_id: scene.cx.new_id(),
                user_id,
            },
            Actor::Workflow {
                run_id: scene.cx.new_id(),
                workflow: "x".to_owned(),
                user_id: Some(user_id),
            },
            Actor::System { reason: "test" },
        ];
        for actor in programs {
            let cx = scene
                .cx
                .clone()
                .with_actor(actor)
                .with_permissions(Permissions::all());
            assert_refused(scene.app.run(&cx, yes(approval)).await, "not_a_person");
        }
        // The local program of a member is a member, but never holds the permission.
        let local = crate::tokens::Grant::local(scene.cx.organization_id, user_id);
        assert_refused(
            scene.app.run(&local.context(), yes(approval)).await,
            "forbidden",
        );
    }

    #[test]
    fn nothing_that_models_reach_decides() {
        assert!(!Permissions::all_for_tokens().allows(Permission::ApprovalsDecide));
        for entry in CATALOG
            .iter()
            .filter(|entry| entry.needs == Permission::ApprovalsDecide)
        {
            assert_eq!(entry.shelf, Shelf::Operators, "{}", entry.name);
        }
        assert!(CATALOG.iter().any(|entry| entry.name == "decide_approval"));
    }

    #[tokio::test]
    async fn refuses_the_wrong_role_a_long_note_and_other_organizations() {
        let scene = Scene::new().await;
        let owners = RequestApproval {
            decides: Some(Role::Owner),
            ..RequestApproval::question("Pay?")
        };
        let approval = scene.run(owners).await.unwrap().approval;
        let long = DecideApproval {
            note: Some("x".repeat(2_001)),
            ..yes(approval)
        };
        assert_refused(scene.run(long).await, "approval_note_too_long");
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, yes(approval)).await, "not_found");
        let stranger = scene.cx.clone().with_actor(other.actor.clone());
        assert_refused(
            scene.app.run(&stranger, yes(approval)).await,
            "approval_not_yours",
        );
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let approval = asked(&scene, "Nordlicht").await;
        scene.assert_idempotent(yes(approval)).await;
    }
}
