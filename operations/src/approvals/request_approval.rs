//! `request_approval`: a person is asked before something is done.

use domain::{
    Actor, ApprovalId, Cx, Facts, Fault, FaultKind, FaultSpec, Permission, Timestamp,
    WorkflowRunId, context::Mode, fault::Failure,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use store::{StoreError, WriteTx};

use super::{
    changes::ApprovalRequested,
    get_approval::requested_by,
    model::{ApprovalStatus, Requester, Stored, digest, may_decide},
    policy::{self, Reason},
    sql::{self, New},
};
use crate::{
    App, Effect, Operation, catalog,
    messages::{Question, ask_to_decide},
    organizations,
    permission::Role,
};

/// Ask a person to decide: about an operation, which is tried first and then kept with its exact input until somebody
/// agrees, or a plain question. Who asks twice for the same gets the same approval.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RequestApproval {
    /// The question as a sentence; made from the operation when absent.
    pub title: Option<String>,
    /// Why a person is asked; the policy's own reason when it has one.
    pub reason: Option<String>,
    /// The operation that runs when they agree.
    pub operation: Option<String>,
    /// Its input.
    #[serde(default)]
    pub input: Value,
    /// What a plain question is about; of an operation, what its dry run says is shown.
    #[serde(default)]
    pub preview: Vec<String>,
    /// What else to show.
    #[serde(default)]
    pub show: Value,
    /// Until when; three days when absent.
    pub expires_at: Option<Timestamp>,
    /// The least role that decides; the policy's, or manager, when absent.
    pub decides: Option<Role>,
    /// The step of the run that waits.
    pub path: Option<String>,
}

impl RequestApproval {
    /// A plain question.
    pub fn question(title: &str) -> Self {
        Self {
            title: Some(title.to_owned()),
            ..Self::blank()
        }
    }

    /// A question whether an operation may run.
    pub fn of(operation: &str, input: Value) -> Self {
        Self {
            operation: Some(operation.to_owned()),
            input,
            ..Self::blank()
        }
    }

    fn blank() -> Self {
        Self {
            title: None,
            reason: None,
            operation: None,
            input: Value::Null,
            preview: Vec::new(),
            show: Value::Null,
            expires_at: None,
            decides: None,
            path: None,
        }
    }
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestedApproval {
    /// The approval's id.
    pub approval: ApprovalId,
    /// The question.
    pub title: String,
    /// Why a person is asked.
    pub reason: String,
    /// What would be done, each as a sentence.
    pub preview: Vec<String>,
    /// Until when it can be decided.
    pub expires_at: Timestamp,
    /// How far it has come.
    pub status: ApprovalStatus,
}

/// Seconds a person has when nothing else is said.
const PATIENCE: i64 = 3 * 86_400;
/// The longest question that is kept, in characters.
const TITLE: usize = 500;

impl Operation for RequestApproval {
    const NAME: &'static str = "request_approval";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::ApprovalsRead;
    type Output = RequestedApproval;
    type Error = RequestApprovalError;

    async fn run(self, app: &App, cx: &Cx) -> Result<RequestedApproval, RequestApprovalError> {
        let tried = match self.operation.clone() {
            Some(name) => Some(Trial::of(app, cx, &name, &self.input).await?),
            None => None,
        };
        let mut tx = app.store().write(cx).await?;
        let asked = self.ask(&mut tx, cx, tried).await?;
        match asked {
            (Some(change), answer) => Ok(tx.commit(change, answer).await?),
            (None, answer) => Ok(tx.unchanged(answer).await?),
        }
    }
}

/// What a dry run of the operation has shown.
pub(super) struct Trial {
    pub(super) preview: Vec<String>,
    pub(super) digest: [u8; 32],
    reason: Option<Reason>,
}

impl Trial {
    /// Tries an operation as the context's actor.
    pub(super) async fn of(
        app: &App,
        cx: &Cx,
        name: &str,
        input: &Value,
    ) -> Result<Self, RequestApprovalError> {
        let entry = catalog::find(name)
            .ok_or_else(|| RequestApprovalError::UnknownOperation(name.to_owned()))?;
        if entry.effect == Effect::Read || entry.needs == Permission::ApprovalsDecide {
            return Err(RequestApprovalError::NothingToDecide(name.to_owned()));
        }
        let mut trial = cx.in_mode(Mode::DryRun);
        (trial.checkpoint, trial.confirmed, trial.idempotency) = (None, None, None);
        let outcome = entry.run(app, &trial, input.clone(), None).await;
        outcome.map_err(RequestApprovalError::WouldFail)?;
        let recorded = trial.recorded();
        if recorded.is_empty() {
            return Err(RequestApprovalError::NothingToDecide(name.to_owned()));
        }
        let mut preview: Vec<String> = recorded
            .iter()
            .map(|change| change.summary.clone())
            .collect();
        preview.dedup();
        Ok(Self {
            digest: trial.digest(&recorded),
            reason: policy::verdict(name, input, &recorded),
            preview,
        })
    }
}

impl RequestApproval {
    /// Writes the question down and mails it to those who decide, unless it is open already.
    pub(super) async fn ask(
        self,
        tx: &mut WriteTx<'_>,
        cx: &Cx,
        tried: Option<Trial>,
    ) -> Result<(Option<ApprovalRequested>, RequestedApproval), RequestApprovalError> {
        let asking = Asking::of(self, cx, tried)?;
        let open = asking.open(tx.conn(), cx).await?;
        let replaces = match open {
            Some(open) if asking.is_the_same(&open) => return Ok((None, asked_before(open))),
            open => open.map(|open| open.id),
        };
        if let Some(old) = replaces {
            // What it would do has changed since it was asked: the new question takes its place.
            sql::settle(tx.conn(), old, ApprovalStatus::Stale, None, None).await?;
        }
        let id = cx.new_id::<ApprovalId>();
        asking.write(tx.conn(), cx, id).await?;
        if let Some(old) = replaces {
            sql::settle(tx.conn(), old, ApprovalStatus::Stale, None, Some(id)).await?;
        }
        asking.tell(tx.conn(), cx, id).await?;
        let change = ApprovalRequested {
            approval_id: id,
            title: asking.title.clone(),
            operation: asking.operation.clone(),
            reason: asking.reason.clone(),
        };
        let answer = RequestedApproval {
            approval: id,
            title: asking.title,
            reason: asking.reason,
            preview: asking.preview,
            expires_at: asking.expires_at,
            status: ApprovalStatus::Pending,
        };
        Ok((Some(change), answer))
    }
}

/// A question with nothing left open.
struct Asking {
    title: String,
    reason: String,
    operation: Option<String>,
    input: Value,
    input_digest: [u8; 32],
    changes_digest: Option<[u8; 32]>,
    preview: Vec<String>,
    show: Value,
    requester: String,
    run_id: Option<WorkflowRunId>,
    path: Option<String>,
    decides: Role,
    expires_at: Timestamp,
}

impl Asking {
    fn of(
        request: RequestApproval,
        cx: &Cx,
        tried: Option<Trial>,
    ) -> Result<Self, RequestApprovalError> {
        let policy = tried.as_ref().and_then(|tried| tried.reason.clone());
        let (reason, decides) = match policy {
            Some(policy) => (policy.text, policy.decides),
            None => (
                (request.reason).unwrap_or_else(|| "It was asked for.".to_owned()),
                request.decides.unwrap_or(Role::Manager),
            ),
        };
        let (preview, changes_digest) = match tried {
            Some(tried) => (tried.preview, Some(tried.digest)),
            None => (request.preview, None),
        };
        let operation = request.operation;
        let title = question(request.title, operation.as_deref(), &preview)?;
        let expires_at = request
            .expires_at
            .unwrap_or_else(|| whole_seconds(cx.now.plus_seconds(PATIENCE)));
        if expires_at <= cx.now {
            return Err(RequestApprovalError::ExpiresInThePast(expires_at));
        }
        let input = match request.input {
            Value::Null => Value::Object(Map::new()),
            input => input,
        };
        let path = request
            .path
            .or_else(|| cx.checkpoint.as_ref().map(|step| step.path.clone()));
        let run_id = run_of(cx);
        Ok(Self {
            input_digest: digest(operation.as_deref(), &input),
            requester: cx.actor.key(),
            path: path.filter(|_| run_id.is_some()),
            show: request.show,
            title,
            reason,
            operation,
            input,
            changes_digest,
            preview,
            run_id,
            decides,
            expires_at,
        })
    }

    fn digest(&self) -> Option<&[u8]> {
        self.changes_digest.as_ref().map(<[u8; 32]>::as_slice)
    }

    /// The same requester's open question about the same operation and input. A run asks for itself only.
    async fn open(&self, conn: &mut PgConnection, cx: &Cx) -> sqlx::Result<Option<Stored>> {
        if self.run_id.is_some() || self.operation.is_none() {
            return Ok(None);
        }
        let operation = self.operation.as_deref();
        sql::open(conn, cx, &self.requester, operation, &self.input_digest).await
    }

    /// Whether an open question shows what this one would show.
    fn is_the_same(&self, open: &Stored) -> bool {
        open.changes_digest.is_some() && open.changes_digest.as_deref() == self.digest()
    }

    async fn write(&self, conn: &mut PgConnection, cx: &Cx, id: ApprovalId) -> sqlx::Result<()> {
        let new = New {
            id,
            title: &self.title,
            reason: &self.reason,
            operation: self.operation.as_deref(),
            input: &self.input,
            input_digest: &self.input_digest,
            changes_digest: self.digest(),
            preview: &self.preview,
            show: Some(&self.show).filter(|show| !show.is_null()),
            requested_by: &serde_json::to_value(&cx.actor).expect("an actor is plain data"),
            requester: &self.requester,
            permissions: cx.permissions,
            run_id: self.run_id,
            path: self.path.as_deref(),
            decides: self.decides,
            expires_at: self.expires_at,
        };
        sql::insert(conn, cx, &new).await
    }

    /// Mails the question to everybody who may decide it.
    async fn tell(&self, conn: &mut PgConnection, cx: &Cx, id: ApprovalId) -> sqlx::Result<()> {
        let mut deciders = organizations::members(conn).await?;
        deciders.retain(|member| may_decide(self.decides, member.role));
        // Whoever talks to an agent sees what it proposes where they talk.
        let talks = |member: &organizations::Member| Some(member.user_id) == cx.actor.user_id();
        if cx.actor.is_agent() && deciders.iter().any(talks) {
            return Ok(());
        }
        let actor = serde_json::to_value(&cx.actor).expect("an actor is plain data");
        let question = Question {
            approval_id: id,
            title: &self.title,
            reason: &self.reason,
            requested_by: &requested_by(conn, cx, Requester::of(&actor)).await?,
            preview: &self.preview,
            expires_at: self.expires_at,
        };
        ask_to_decide(conn, cx, &question, &deciders).await
    }
}

/// The question that is open already.
fn asked_before(open: Stored) -> RequestedApproval {
    RequestedApproval {
        approval: open.id,
        title: open.title,
        reason: open.reason,
        preview: open.preview,
        expires_at: open.expires_at,
        status: open.status,
    }
}

/// The question in one line: as given, or from what would be done.
fn question(
    given: Option<String>,
    operation: Option<&str>,
    preview: &[String],
) -> Result<String, RequestApprovalError> {
    let title = match (given, operation) {
        (Some(title), _) if !title.trim().is_empty() => title,
        (_, Some(operation)) => preview
            .first()
            .map_or_else(|| operation.replace('_', " "), |first| brief(first)),
        _ => return Err(RequestApprovalError::TitleMissing),
    };
    Ok(domain::text::clean(&title).chars().take(TITLE).collect())
}

/// People read it.
fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microseconds(at.as_microseconds() / 1_000_000 * 1_000_000)
}

/// The first sentence of a summary.
fn brief(summary: &str) -> String {
    let first = summary.split(". ").next().unwrap_or(summary);
    let short: String = first.chars().take(160).collect();
    if short.len() < first.len() {
        format!("{short}…")
    } else {
        short
    }
}

fn run_of(cx: &Cx) -> Option<WorkflowRunId> {
    match &cx.actor {
        Actor::Workflow { run_id, .. } => Some(*run_id),
        _ => None,
    }
}

/// How `request_approval` refuses.
#[derive(Debug, thiserror::Error)]
pub enum RequestApprovalError {
    /// It is not said what is asked.
    #[error("a question needs a title, or an operation that it is about")]
    TitleMissing,
    /// Not in the catalog.
    #[error("there is no operation {0:?}")]
    UnknownOperation(String),
    /// It would change nothing, or is no operation to ask about.
    #[error("{0} would change nothing that a person could decide about")]
    NothingToDecide(String),
    /// The dry run refused.
    #[error("it would not work: {}", .0.message)]
    WouldFail(Failure),
    /// Nobody could decide it.
    #[error("{0} is in the past")]
    ExpiresInThePast(Timestamp),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const TITLE_MISSING: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "approval_title_missing",
    "Say in a sentence what a person should decide.",
);
const UNKNOWN_OPERATION: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "unknown_operation",
    "See docs/catalog.md for the operations there are.",
);
const NOTHING_TO_DECIDE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "nothing_to_decide",
    "Run the operation itself; it needs nobody's word.",
);
const WOULD_FAIL: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "would_fail",
    "Mend what the operation refused, then ask again.",
);
const EXPIRES_IN_THE_PAST: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "approval_expires_in_past",
    "Give a later time, or leave it out for three days.",
);

impl Fault for RequestApprovalError {
    fn specs() -> Vec<FaultSpec> {
        vec![
            TITLE_MISSING,
            UNKNOWN_OPERATION,
            NOTHING_TO_DECIDE,
            WOULD_FAIL,
            EXPIRES_IN_THE_PAST,
        ]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::TitleMissing => TITLE_MISSING.into(),
            Self::UnknownOperation(_) => UNKNOWN_OPERATION.into(),
            Self::NothingToDecide(_) => NOTHING_TO_DECIDE.into(),
            Self::WouldFail(_) => WOULD_FAIL.into(),
            Self::ExpiresInThePast(_) => EXPIRES_IN_THE_PAST.into(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for RequestApprovalError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::testing::{Taken, send_all},
        testing::{Scene, assert_refused},
    };
    use serde_json::json;

    fn rename(name: &str) -> RequestApproval {
        RequestApproval::of(
            "update_event",
            json!({"event": "spring-gala", "title": name}),
        )
    }

    #[tokio::test]
    async fn keeps_the_exact_input_and_shows_what_it_would_do() {
        let scene = Scene::new().await;
        scene.published("Spring Gala").await;
        let asked = scene.run(rename("Nordlicht")).await.unwrap();
        assert!(asked.preview[0].contains("Nordlicht"), "{asked:?}");
        assert_eq!(asked.status, ApprovalStatus::Pending);
        assert_eq!(asked.expires_at, scene.cx.now.plus_seconds(PATIENCE));
        let kinds: Vec<String> = scene.changes().await.into_iter().map(|c| c.kind).collect();
        assert!(kinds.contains(&"approval.requested".to_owned()));
        assert!(
            !kinds.contains(&"event.updated".to_owned()),
            "only asked, not done"
        );
    }

    #[tokio::test]
    async fn who_asks_twice_gets_one_question_as_long_as_it_would_do_the_same() {
        let scene = Scene::new().await;
        scene.published("Spring Gala").await;
        let first = scene.run(rename("Nordlicht")).await.unwrap();
        assert_eq!(scene.run(rename("Nordlicht")).await.unwrap(), first);
        assert_ne!(
            scene.run(rename("Other")).await.unwrap().approval,
            first.approval
        );
        let entry = catalog::find("update_event").unwrap();
        let between = json!({"event": "spring-gala", "title": "Between"});
        entry
            .run(&scene.app, &scene.cx, between, None)
            .await
            .unwrap();
        let again = scene.run(rename("Nordlicht")).await.unwrap();
        assert_ne!(
            again.approval, first.approval,
            "it would do something else now"
        );
        let old = scene
            .run(crate::approvals::GetApproval {
                approval: first.approval,
            })
            .await
            .unwrap();
        assert_eq!(
            (old.status, old.replaced_by),
            (ApprovalStatus::Stale, Some(again.approval))
        );
    }

    /// The mails that are handed over, after everything that is due.
    async fn mailed(scene: &Scene) -> Vec<delivery::Email> {
        let taken = Taken::default();
        send_all(scene, &taken).await;
        taken.mails()
    }

    /// The part of a text that is the secret of a link.
    fn secret(text: &str) -> &str {
        let (_, rest) = text.split_once("/approvals/").unwrap();
        let end = rest.find(|c: char| !c.is_ascii_hexdigit());
        &rest[..end.unwrap_or(rest.len())]
    }

    #[tokio::test]
    async fn those_who_decide_get_a_mail_with_their_own_link_and_nobody_else_sees_one() {
        let scene = Scene::new().await;
        scene.published("Spring Gala").await;
        let roles = [("manager", "Mona"), ("viewer", "Viktor"), ("door", "Dora")];
        for (role, name) in roles {
            scene.member(role, name).await;
        }
        let token = Actor::Token {
            token_id: scene.cx.new_id(),
            user_id: scene.cx.actor.user_id().unwrap(),
        };
        let agent = scene
            .cx
            .clone()
            .with_actor(token)
            .with_permissions(domain::Permissions::all_for_tokens());
        let asked = scene.app.run(&agent, rename("Nordlicht")).await.unwrap();
        let mails = mailed(&scene).await;
        let mut to: Vec<String> = mails
            .iter()
            .map(|mail| mail.to.address.to_string())
            .collect();
        to.sort_unstable();
        assert_eq!(to, ["mona@scene.example", "owner@scene.example"]);
        let links = crate::links::Links::new(crate::messages::testing::KEY);
        let mut secrets = Vec::new();
        for mail in &mails {
            assert!(
                mail.subject.contains("To decide: Changes the event"),
                "{}",
                mail.subject
            );
            for text in [&mail.html, &mail.text] {
                assert!(
                    text.contains("Nordlicht") && text.contains("a token of Olga Owner"),
                    "{text}"
                );
                assert!(!text.contains(".invalid"), "{text}");
            }
            let link = links.open(secret(&mail.text)).unwrap();
            assert_eq!(secret(&mail.html), secret(&mail.text));
            let is_owner = link.user_id == scene.cx.actor.user_id().unwrap();
            assert_eq!(
                is_owner,
                mail.to.address.as_str().starts_with("owner"),
                "a link of their own"
            );
            let about = (link.approval_id, link.expires_at, link.organization_id);
            let expected = (asked.approval, asked.expires_at, scene.cx.organization_id);
            assert_eq!(about, expected);
            secrets.push(secret(&mail.text).to_owned());
        }
        assert_ne!(secrets[0], secrets[1]);
        // Nothing that the one who asked can read holds a link, nor does the database.
        let mut readable = serde_json::to_string(&asked).unwrap();
        for (operation, input) in [
            ("list_messages", json!({})),
            ("list_approvals", json!({})),
            ("get_approval", json!({"approval": asked.approval})),
            ("list_changes", json!({})),
        ] {
            let entry = catalog::find(operation).unwrap();
            let answer = entry.run(&scene.app, &agent, input, None).await.unwrap();
            for message in answer["items"].as_array().into_iter().flatten() {
                if operation == "list_messages" {
                    let get = catalog::find("get_message").unwrap();
                    let input = json!({"message": message["id"]});
                    let one = get.run(&scene.app, &agent, input, None).await.unwrap();
                    readable += &one.to_string();
                }
            }
            readable += &answer.to_string();
        }
        assert!(
            readable.contains("To decide: "),
            "the messages were looked at"
        );
        for table in ["message", "change", "approval"] {
            let rows = scene.database.ask(&format!("select * from {table}")).await;
            readable += &rows.to_string();
        }
        for secret in &secrets {
            assert!(!readable.contains(secret.as_str()));
            // Not in parts either: what makes it a secret is its end.
            assert!(!readable.contains(&secret[secret.len() - 16..]));
        }
        assert!(!readable.contains("/approvals/"));
    }

    #[tokio::test]
    async fn what_was_decided_before_the_mail_went_out_is_not_asked_about() {
        let scene = Scene::new().await;
        let ask = async |title: &str| {
            let asked = scene.run(RequestApproval::question(title)).await;
            asked.unwrap().approval
        };
        let decide = crate::approvals::DecideApproval {
            approval: ask("One?").await,
            decision: crate::approvals::Decision::Rejected,
            note: None,
        };
        scene.run(decide).await.unwrap();
        ask("Two?").await;
        let mails = mailed(&scene).await;
        let subjects: Vec<&str> = mails.iter().map(|mail| mail.subject.as_str()).collect();
        assert_eq!(subjects, ["To decide: Two?"]);
    }

    #[tokio::test]
    async fn asking_twice_mails_once_and_owners_alone_are_asked_what_is_theirs() {
        let scene = Scene::new().await;
        scene.member("manager", "Mona").await;
        scene.published("Spring Gala").await;
        for _ in 0..2 {
            let owners = RequestApproval {
                decides: Some(Role::Owner),
                ..rename("Nordlicht")
            };
            scene.run(owners).await.unwrap();
        }
        let mails = mailed(&scene).await;
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].to.address.as_str(), "owner@scene.example");
        let german = scene.run(crate::organizations::UpdateOrganization {
            language: Some(domain::Language::De),
            ..Default::default()
        });
        german.await.unwrap();
        scene.run(RequestApproval::question("Pay?")).await.unwrap();
        let mails = mailed(&scene).await;
        assert_eq!(mails[0].subject, "Zu entscheiden: Pay?");
        assert!(mails[0].text.contains("Uhr (Berlin)"), "{}", mails[0].text);
    }

    #[tokio::test]
    async fn refuses_what_cannot_be_decided() {
        let scene = Scene::new().await;
        scene.published("Spring Gala").await;
        assert_refused(
            scene.run(RequestApproval::question(" ")).await,
            "approval_title_missing",
        );
        assert_refused(
            scene.run(RequestApproval::of("fly", json!({}))).await,
            "unknown_operation",
        );
        assert_refused(
            scene
                .run(RequestApproval::of("list_events", json!({})))
                .await,
            "nothing_to_decide",
        );
        assert_refused(scene.run(rename("Spring Gala")).await, "nothing_to_decide");
        assert_refused(
            scene
                .run(RequestApproval::of(
                    "cancel_event",
                    json!({"event": "x", "reason": "y"}),
                ))
                .await,
            "would_fail",
        );
        let decide =
            json!({"approval": "apr_0190aaaabbbb7ccc8dddeeeeffff0001", "decision": "approved"});
        assert_refused(
            scene
                .run(RequestApproval::of("decide_approval", decide))
                .await,
            "nothing_to_decide",
        );
        let late = RequestApproval {
            expires_at: Some(scene.cx.now),
            ..RequestApproval::question("Now?")
        };
        assert_refused(scene.run(late).await, "approval_expires_in_past");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        scene
            .assert_idempotent(RequestApproval::question("Send it?"))
            .await;
    }
}
