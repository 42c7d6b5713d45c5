//! An approval as people and programs see it, and who asked for it. Pure.

use domain::{
    Actor, ApiTokenId, ApprovalId, Permissions, Timestamp, Untrusted, UserId, WorkflowRunId,
    context::AGENT_PREFIX,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::permission::Role;

domain::text_enum! {
    /// How far an approval has come.
    pub enum ApprovalStatus {
        /// It waits for a person.
        Pending = "pending",
        /// A person agreed; what was asked for is being done, or is the workflow's to do.
        Approved = "approved",
        /// A person said no. Nothing was done.
        Rejected = "rejected",
        /// Nobody decided in time. Nothing was done.
        Expired = "expired",
        /// A person agreed, but the world had changed; `replaced_by` asks again. Nothing was done.
        Stale = "stale",
        /// A person agreed and it was done.
        Done = "done",
    }
}

domain::sqlx_as_text!(ApprovalStatus);

/// Something that a person decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// What is asked, as a sentence.
    pub title: String,
    /// How far it has come.
    pub status: ApprovalStatus,
    /// Why a person is asked.
    pub reason: String,
    /// What would be done, each as a sentence.
    pub preview: Vec<String>,
    /// The operation that runs when a person agrees; absent for a plain question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Its exact input.
    #[schemars(extend("x-detail" = true))]
    pub input: Value,
    /// What else to look at. May hold text that attendees wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show: Option<Untrusted>,
    /// Who asked.
    pub requested_by: String,
    /// The run that waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<WorkflowRunId>,
    /// The least role that decides.
    pub decides: Role,
    /// Until when it can be decided.
    pub expires_at: Timestamp,
    /// Who decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// What they said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the operation answered, as JSON; or why it could not be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Untrusted>,
    /// The one that asks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<ApprovalId>,
    /// When it was asked.
    pub created_at: Timestamp,
    /// What to do now, as a sentence.
    pub next: String,
}

/// What to do about an approval in a state.
pub(super) fn next(id: ApprovalId, status: ApprovalStatus, again: Option<ApprovalId>) -> String {
    match status {
        ApprovalStatus::Pending => format!(
            "A person decides: `eventos approvals approve {id}` on the server, or the link that owners get by mail. Nothing else can. Look again later with get_approval."
        ),
        ApprovalStatus::Approved => "It was approved and is not done yet; look again in a moment.".to_owned(),
        ApprovalStatus::Rejected => "Nothing was done. Do not ask again unless the person wants it.".to_owned(),
        ApprovalStatus::Expired => "Nothing was done. Ask again if it is still wanted.".to_owned(),
        ApprovalStatus::Stale => again.map_or_else(String::new, |again| {
            format!("Nothing was done, because what it would do had changed. {again} asks with the new preview.")
        }),
        ApprovalStatus::Done => "It is done; `result` is what it answered.".to_owned(),
    }
}

/// A row of `approval` with all that deciding needs.
pub(super) struct Stored {
    pub(super) id: ApprovalId,
    pub(super) title: String,
    pub(super) reason: String,
    pub(super) operation: Option<String>,
    pub(super) input: Value,
    pub(super) changes_digest: Option<Vec<u8>>,
    pub(super) preview: Vec<String>,
    pub(super) show: Option<Value>,
    pub(super) requested_by: Value,
    pub(super) permissions: Vec<String>,
    pub(super) run_id: Option<WorkflowRunId>,
    pub(super) decides: Role,
    pub(super) status: ApprovalStatus,
    pub(super) expires_at: Timestamp,
    pub(super) decided_by: Option<UserId>,
    pub(super) decided_at: Option<Timestamp>,
    pub(super) note: Option<String>,
    pub(super) result: Option<Value>,
    pub(super) replaced_by: Option<ApprovalId>,
    pub(super) created_at: Timestamp,
}

impl Stored {
    /// The state at a time: what nobody decided in time is expired, whether or not anybody has looked.
    pub(super) fn status_at(&self, now: Timestamp) -> ApprovalStatus {
        if self.status == ApprovalStatus::Pending && self.expires_at <= now {
            ApprovalStatus::Expired
        } else {
            self.status
        }
    }

    /// Whether agreeing runs the operation here; otherwise the run that waits for it goes on.
    pub(super) fn is_carried_out_here(&self) -> bool {
        self.operation.is_some() && self.run_id.is_none()
    }

    /// Who asked.
    pub(super) fn requester(&self) -> Requester {
        Requester::of(&self.requested_by)
    }

    /// What they might do when they asked.
    pub(super) fn permissions(&self) -> Permissions {
        self.permissions
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect()
    }
}

/// Who asked for a decision.
pub(super) enum Requester {
    Member(UserId),
    Token(ApiTokenId, UserId),
    /// Somebody for whom nothing is carried out here.
    Nobody(String),
}

impl Requester {
    /// From an actor as it is kept.
    pub(super) fn of(actor: &Value) -> Self {
        let text = |name: &str| actor[name].as_str().unwrap_or_default();
        let user_id = text("user_id").parse().ok();
        match (text("type"), user_id) {
            ("member", Some(user_id)) => Self::Member(user_id),
            ("token", Some(user_id)) => match text("token_id").parse() {
                Ok(token_id) => Self::Token(token_id, user_id),
                Err(_) => Self::Nobody("an unknown token".to_owned()),
            },
            ("workflow", _) => Self::Nobody(match text("workflow").strip_prefix(AGENT_PREFIX) {
                Some(agent) => format!("the agent {agent}"),
                None => format!("the workflow {}", text("workflow")),
            }),
            _ => Self::Nobody("EventOS".to_owned()),
        }
    }

    pub(super) fn actor(&self) -> Option<Actor> {
        match self {
            Self::Member(user_id) => Some(Actor::Member { user_id: *user_id }),
            Self::Token(token_id, user_id) => Some(Actor::Token {
                token_id: *token_id,
                user_id: *user_id,
            }),
            Self::Nobody(_) => None,
        }
    }
}

/// Whether a role decides what is for another, or one above it, to decide.
pub(super) fn may_decide(decides: Role, role: Role) -> bool {
    matches!(
        (decides, role),
        (_, Role::Owner) | (Role::Manager, Role::Manager)
    )
}

/// A fingerprint of an input that does not depend on the order of its fields.
pub(super) fn digest(operation: Option<&str>, input: &Value) -> [u8; 32] {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut fields: Vec<_> =
                    fields.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
                fields.sort_by(|(a, _), (b, _)| a.cmp(b));
                Value::Object(fields.into_iter().collect())
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            other => other.clone(),
        }
    }
    let text = format!("{}\0{}", operation.unwrap_or_default(), sorted(input));
    Sha256::digest(text).into()
}
