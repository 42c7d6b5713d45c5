//! Changes: facts recorded at commit, such as `order.placed`.
//!
//! One recorded change serves the audit trail, the outbox and the preview a person confirms.

use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::ids::Id;

/// A fact about one thing, recorded in the transaction that made it true.
///
/// The payload (the struct's own JSON) and the summary carry no personal data: they outlive erasure.
pub trait Change: Serialize + Send + Sync {
    /// `subject.verb_in_past`, for example `order.placed`; stable, workflows and webhooks use it.
    const KIND: &'static str;

    /// What the change is about.
    fn subject(&self) -> Subject;

    /// One sentence for the audit trail and for the person who confirms: what, how many, how much.
    fn summary(&self) -> String;
}

/// The thing a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// The id's prefix, for example `ord`.
    pub kind: &'static str,
    /// The bare id.
    pub id: Uuid,
}

impl<I: Id> From<I> for Subject {
    fn from(id: I) -> Self {
        Self {
            kind: I::PREFIX,
            id: id.into(),
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}_{}", self.kind, self.id.simple()))
    }
}

/// A change with its type erased, as it is written to the `change` table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recorded {
    /// The change's kind.
    pub kind: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// The sentence.
    pub summary: String,
    /// The struct as JSON.
    pub payload: Value,
}

impl Recorded {
    /// Erases a change's type.
    pub fn of<C: Change>(change: &C) -> Self {
        Self {
            kind: C::KIND,
            subject: change.subject(),
            summary: change.summary(),
            payload: serde_json::to_value(change).expect("a change is plain data"),
        }
    }

    /// A fingerprint of what a list of changes says to a person: kinds, subjects and summaries.
    ///
    /// Two runs that would show the same sentences have the same digest, so a confirmation holds exactly
    /// as long as what was shown is what will happen.
    pub fn digest(changes: &[Self]) -> [u8; 32] {
        let mut hash = Sha256::new();
        for change in changes {
            for part in [change.kind, change.subject.kind, change.summary.as_str()] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
            hash.update(change.subject.id);
        }
        hash.finalize().into()
    }
}
