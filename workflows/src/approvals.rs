//! The seam to approvals: which operations a person decides about, asking, and reading the decision.

use domain::{Cx, Permission, Recorded, Timestamp, fault::Failure};
use operations::{App, approvals::policy, catalog};
use serde_json::{Value, json};
use uuid::Uuid;

/// What a person shall decide about.
#[derive(Debug, Clone)]
pub struct Request {
    /// What the person reads first.
    pub title: String,
    /// What the person decides about.
    pub show: Value,
    /// Until when.
    pub expires_at: Timestamp,
    /// The operation that would run, with its input and what its dry run would record.
    pub operation: Option<(String, Value, Vec<Recorded>)>,
    /// Why a person must decide.
    pub reason: Option<String>,
    /// The run's step.
    pub path: String,
}

/// What a person decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// `approved`, `rejected` or `expired`.
    pub decision: String,
    /// Who, as an id.
    pub by: Option<String>,
    /// What they said.
    pub note: Option<String>,
}

/// Asks people.
pub trait Approvals: Send + Sync + 'static {
    /// Whether an operation may need a person at all: only those are run dry first.
    fn may_ask(&self, operation: &str) -> bool;

    /// Why a person must decide about this call, if so.
    fn verdict(&self, operation: &str, input: &Value, changes: &[Recorded]) -> Option<String>;

    /// Writes a request down, in one transaction with the checkpoint of the context. Answers the bare id.
    fn request<'a>(&'a self, app: &'a App, cx: &'a Cx, request: Request) -> Asked<'a, Uuid>;

    /// What was decided.
    fn decision<'a>(&'a self, app: &'a App, cx: &'a Cx, approval: Uuid) -> Asked<'a, Decision>;
}

/// An operation's answer.
pub type Asked<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// Approvals through the catalog's operations.
pub struct CatalogApprovals;

impl Approvals for CatalogApprovals {
    fn may_ask(&self, operation: &str) -> bool {
        policy::may_ask(operation)
    }

    fn verdict(&self, operation: &str, input: &Value, changes: &[Recorded]) -> Option<String> {
        policy::verdict(operation, input, changes).map(|reason| reason.text)
    }

    fn request<'a>(&'a self, app: &'a App, cx: &'a Cx, request: Request) -> Asked<'a, Uuid> {
        Box::pin(async move {
            let mut input = json!({
                "title": request.title,
                "show": request.show,
                "expires_at": request.expires_at,
                "path": request.path,
            });
            if let Some((operation, command, changes)) = request.operation {
                input["operation"] = json!(operation);
                input["input"] = command;
                input["preview"] = changes.iter().map(|c| json!(c.summary)).collect();
                input["reason"] = json!(request.reason);
            }
            let answer = run(app, cx, "request_approval", input).await?;
            let id = answer["approval"].as_str().and_then(bare_id);
            id.ok_or_else(|| unavailable("request_approval answered without an approval's id"))
        })
    }

    fn decision<'a>(&'a self, app: &'a App, cx: &'a Cx, approval: Uuid) -> Asked<'a, Decision> {
        Box::pin(async move {
            let input = json!({"approval": format!("apr_{}", approval.simple())});
            let answer = run(app, cx, "get_approval", input).await?;
            let text = |field: &str| answer[field].as_str().map(ToOwned::to_owned);
            // `done`: approved, and its operation has run since.
            let decision = match text("status").as_deref() {
                Some("approved" | "done") => "approved",
                Some("rejected") => "rejected",
                _ => "expired",
            };
            Ok(Decision {
                decision: decision.to_owned(),
                by: text("decided_by"),
                note: text("note"),
            })
        })
    }
}

/// Asking is the engine's own doing, whatever the steps may do.
async fn run(app: &App, cx: &Cx, name: &str, input: Value) -> Result<Value, Failure> {
    let may_ask = cx.permissions.with(Permission::ApprovalsRead);
    let cx = cx.clone().with_permissions(may_ask);
    match catalog::find(name) {
        Some(entry) => entry.run(app, &cx, input, None).await,
        None => Err(unavailable("This EventOS cannot ask people for approval.")),
    }
}

fn unavailable(message: &str) -> Failure {
    Failure {
        kind: domain::FaultKind::Conflict,
        code: "approvals_unavailable",
        message: message.to_owned(),
        next: "",
        field: None,
        candidates: Vec::new(),
    }
}

/// The part of an id behind its prefix.
fn bare_id(id: &str) -> Option<Uuid> {
    Uuid::try_parse(id.rsplit('_').next()?).ok()
}
