//! The context of one request: who acts, for which organization, when, and under which conditions.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
};

use serde::Serialize;
use serde_json::Value;
use uuid::{Builder, Uuid};

use crate::{
    change::Recorded,
    ids::{ApiTokenId, Id, OrganizationId, UserId, WorkflowRunId},
    permission::{Permission, Permissions},
    text::clean,
    time::Timestamp,
};

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Actor {
    /// A member, acting through a program on their own machine.
    Member {
        /// The member.
        user_id: UserId,
    },
    /// Whoever holds a bearer token, on behalf of the member who made it.
    Token {
        /// The token.
        token_id: ApiTokenId,
        /// The member it acts for.
        user_id: UserId,
    },
    /// A run of a workflow.
    Workflow {
        /// The run.
        run_id: WorkflowRunId,
        /// The workflow's name.
        workflow: String,
        /// The member who enabled it.
        user_id: Option<UserId>,
    },
    /// Somebody who buys for themselves, without a login.
    Buyer,
    /// EventOS itself.
    System {
        /// Which part of it, and why.
        reason: &'static str,
    },
}

/// What the workflow of an agent's run begins with.
pub const AGENT_PREFIX: &str = "agent:";

impl Actor {
    /// Whether it is an agent that acts for a member.
    pub fn is_agent(&self) -> bool {
        matches!(self, Self::Workflow { workflow, .. } if workflow.starts_with(AGENT_PREFIX))
    }

    /// A stable key for limits and idempotency: the same actor has the same key.
    pub fn key(&self) -> String {
        match self {
            Self::Member { user_id } => user_id.to_string(),
            Self::Token { token_id, .. } => token_id.to_string(),
            Self::Workflow { run_id, .. } => run_id.to_string(),
            Self::Buyer => "buyer".to_owned(),
            Self::System { reason } => format!("system:{reason}"),
        }
    }

    /// The member who acts or on whose behalf is acted.
    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::Member { user_id } | Self::Token { user_id, .. } => Some(*user_id),
            Self::Workflow { user_id, .. } => *user_id,
            Self::Buyer | Self::System { .. } => None,
        }
    }
}

/// Whether the request may write, and whether it means it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Writes are kept.
    #[default]
    Live,
    /// Everything runs and is checked, then nothing is kept.
    DryRun,
    /// Opening a write transaction is refused.
    ReadOnly,
}

/// A caller's promise that a repeat means the same request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// SHA-256 of the operation's input; filled in by `App::run`.
    pub input: [u8; 32],
}

/// The step of a run that an operation is. The store writes it down in the operation's own transaction, so that the
/// step is done exactly when its effect is there.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The run.
    pub run_id: WorkflowRunId,
    /// The lease the worker works under; a newer one refuses the commit.
    pub epoch: i64,
    /// Which step.
    pub path: String,
    /// What kind of step it is.
    pub kind: &'static str,
    /// What it was asked to do.
    pub input: Value,
    /// Which try this is, from 1.
    pub tries: i32,
    /// When it began.
    pub started_at: Timestamp,
    written: Arc<AtomicBool>,
}

impl Checkpoint {
    /// The first try of an operation step; the caller sets what is different.
    pub fn new(run_id: WorkflowRunId, epoch: i64, path: &str, started_at: Timestamp) -> Self {
        Self {
            run_id,
            epoch,
            path: path.to_owned(),
            kind: "operation",
            input: Value::Null,
            tries: 1,
            started_at,
            written: Arc::default(),
        }
    }

    /// Called by the store once the step is committed.
    pub fn note_written(&self) {
        self.written.store(true, Ordering::Release);
    }

    /// Whether the step is committed. An operation that found nothing to write leaves that to the worker.
    pub fn is_written(&self) -> bool {
        self.written.load(Ordering::Acquire)
    }
}

/// The context: the first argument of everything that reads or writes.
#[derive(Clone)]
pub struct Cx {
    /// The organization all rows belong to.
    pub organization_id: OrganizationId,
    /// Who acts.
    pub actor: Actor,
    /// What they may do.
    pub permissions: Permissions,
    /// The time of the whole request.
    pub now: Timestamp,
    /// Tells the requests of one conversation apart in logs and the audit trail.
    pub request_id: Uuid,
    /// The program that speaks for the actor, as it calls itself (`claude-code 2.1`); for the audit trail.
    pub client: Option<String>,
    /// The operation that runs; filled in by `App::run`.
    pub operation: &'static str,
    /// A repeat under the same key returns the first answer and does nothing.
    pub idempotency: Option<Idempotency>,
    /// Whether writes are kept.
    pub mode: Mode,
    /// What a person confirmed; a commit that would record anything else is refused.
    pub confirmed: Option<[u8; 32]>,
    /// The step of a run that this request is.
    pub checkpoint: Option<Checkpoint>,
    cancelled: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    recorded: Arc<Mutex<Vec<Recorded>>>,
    made: Arc<Mutex<HashSet<String>>>,
    entropy: Entropy,
    counter: Arc<AtomicU16>,
}

impl Cx {
    /// A live context at the present time.
    pub fn new(organization_id: OrganizationId, actor: Actor, permissions: Permissions) -> Self {
        Self::at(
            organization_id,
            actor,
            permissions,
            Timestamp::now(),
            Entropy::System,
        )
    }

    /// A context at a given time and with given entropy, for tests and for replays.
    pub fn at(
        organization_id: OrganizationId,
        actor: Actor,
        permissions: Permissions,
        now: Timestamp,
        entropy: Entropy,
    ) -> Self {
        let mut cx = Self {
            organization_id,
            actor,
            permissions,
            now,
            request_id: Uuid::nil(),
            client: None,
            operation: "",
            idempotency: None,
            mode: Mode::Live,
            confirmed: None,
            checkpoint: None,
            cancelled: None,
            recorded: Arc::default(),
            made: Arc::default(),
            entropy,
            counter: Arc::default(),
        };
        cx.request_id = cx.new_uuid();
        cx
    }

    /// The same request with a mark that tells whether the caller has gone away.
    #[must_use]
    pub fn with_cancel(mut self, cancelled: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.cancelled = Some(Arc::new(cancelled));
        self
    }

    /// The same request at another time.
    #[must_use]
    pub fn with_now(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// The same request by another actor.
    #[must_use]
    pub fn with_actor(self, actor: Actor) -> Self {
        Self { actor, ..self }
    }

    /// The same request with other permissions.
    #[must_use]
    pub fn with_permissions(self, permissions: Permissions) -> Self {
        Self {
            permissions,
            ..self
        }
    }

    /// The same request through a program that has given its name.
    #[must_use]
    pub fn with_client(self, client: impl Into<String>) -> Self {
        Self {
            client: Some(clean(&client.into())),
            ..self
        }
    }

    /// The same request, to be kept only if it records exactly what a person confirmed.
    #[must_use]
    pub fn with_confirmed(self, digest: [u8; 32]) -> Self {
        Self {
            confirmed: Some(digest),
            ..self
        }
    }

    /// The same request as a step of a run.
    #[must_use]
    pub fn with_checkpoint(self, checkpoint: Checkpoint) -> Self {
        Self {
            checkpoint: Some(checkpoint),
            ..self
        }
    }

    /// The same request in another mode, with nothing recorded yet.
    #[must_use]
    pub fn in_mode(&self, mode: Mode) -> Self {
        Self {
            mode,
            recorded: Arc::default(),
            made: Arc::default(),
            ..self.clone()
        }
    }

    /// The same request under an idempotency key.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency = Some(Idempotency {
            key: key.into(),
            input: [0; 32],
        });
        self
    }

    /// The same request, for a transaction of its own before the one that answers: neither its answer nor the step of a
    /// run is done with it.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self {
            idempotency: None,
            checkpoint: None,
            confirmed: None,
            ..self.clone()
        }
    }

    /// The same request, for one of the operations that it consists of: kept and recorded with it, whether or not all of
    /// it is only tried out.
    #[must_use]
    pub fn part(&self) -> Self {
        Self {
            mode: Mode::Live,
            ..self.apart()
        }
    }

    /// Whether the caller has cancelled the request; asked once more just before commit.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.as_ref().is_some_and(|cancelled| cancelled())
    }

    /// Whether the actor has a permission.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.allows(permission)
    }

    /// What this request has recorded so far: after a dry run, what it would have recorded.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.recorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Called by the store at commit.
    pub fn note_recorded(&self, changes: &[Recorded]) {
        self.recorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(changes);
    }

    /// A fingerprint of what changes say to a person. The same for another run that would say the same, though that
    /// one makes other ids and codes.
    pub fn digest(&self, changes: &[Recorded]) -> [u8; 32] {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        Recorded::digest(changes, &made)
    }

    /// Notes a code that this request made, and that it would make another one of when run again.
    pub fn note_made(&self, code: &str) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert(code.to_owned());
    }

    /// A new id, in time order: UUIDv7 (RFC 9562) of `now`, with a counter so that the ids of one request
    /// sort as they were made.
    pub fn new_id<I: Id>(&self) -> I {
        I::from(self.new_uuid())
    }

    /// Fills a buffer with random bytes, for codes people carry and secrets.
    pub fn random(&self, buffer: &mut [u8]) {
        self.entropy.fill(buffer);
    }

    fn new_uuid(&self) -> Uuid {
        let mut bytes = [0; 10];
        self.entropy.fill(&mut bytes);
        // 12 bits follow the milliseconds: the request's own counter.
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        bytes[..2].copy_from_slice(&count.to_be_bytes());
        let millis = u64::try_from(self.now.as_microseconds() / 1_000).unwrap_or(0);
        let id = Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid();
        self.note_made(&id.simple().to_string());
        id
    }
}

impl fmt::Debug for Cx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx")
            .field("organization_id", &self.organization_id)
            .field("actor", &self.actor)
            .field("now", &self.now)
            .field("request_id", &self.request_id)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// Where random bytes come from.
#[derive(Clone)]
pub enum Entropy {
    /// The operating system.
    System,
    /// A fixed sequence, for tests and demo data only: `SplitMix64` (Steele, Lea and Flood, 2014).
    Seeded(Arc<Mutex<u64>>),
}

impl Entropy {
    /// A fixed sequence from a seed.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(Mutex::new(seed)))
    }

    /// Fills a buffer.
    pub fn fill(&self, buffer: &mut [u8]) {
        match self {
            Self::System => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the one place where randomness comes in"
                )]
                let filled = getrandom::fill(buffer);
                filled.expect("the operating system has random bytes");
            }
            Self::Seeded(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                for chunk in buffer.chunks_mut(8) {
                    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mut z = *state;
                    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    z ^= z >> 31;
                    chunk.copy_from_slice(&z.to_le_bytes()[..chunk.len()]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::OrderId;

    #[test]
    fn ids_of_one_request_sort_as_they_were_made() {
        let organization_id = OrganizationId::from(Uuid::nil());
        let cx = Cx::at(
            organization_id,
            Actor::System { reason: "test" },
            Permissions::NONE,
            "2027-02-04T18:00:00Z".parse().unwrap(),
            Entropy::seeded(1),
        );
        let ids: Vec<OrderId> = (0..500).map(|_| cx.new_id()).collect();
        assert!(ids.is_sorted());
        assert_eq!(
            ids.iter().collect::<std::collections::HashSet<_>>().len(),
            500
        );
        assert_eq!(Uuid::from(ids[0]).get_version_num(), 7);
    }
}
