//! What a connection has switched off, beyond what its permissions leave out.

use domain::{FaultKind, FaultSpec, fault::Failure};

use super::authenticate::Grant;
use crate::{Effect, Entry, Toolset};

/// What narrows a connection beyond its permissions.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// The groups of operations it has; all when absent.
    pub toolsets: Option<Vec<Toolset>>,
    /// Whether every write is refused.
    pub read_only: bool,
}

/// A write over a connection that may only read; the store's own refusal has the same words.
const READ_ONLY: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "read_only",
    "Use a connection or token that is not read-only, or ask the organizer to do it.",
);
const TOOLSET_OFF: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "toolset_off",
    "Use a connection or token with this toolset, or ask the organizer to do it.",
);

impl Limits {
    /// How a connection refuses what is switched off.
    pub const SPECS: [FaultSpec; 2] = [READ_ONLY, TOOLSET_OFF];

    /// What a grant has switched off.
    pub fn of(grant: &Grant) -> Self {
        Self {
            toolsets: grant.toolsets.clone(),
            read_only: grant.read_only,
        }
    }

    /// Both limits at once.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        let toolsets = match (self.toolsets, &other.toolsets) {
            (Some(ours), Some(theirs)) => {
                Some(ours.into_iter().filter(|t| theirs.contains(t)).collect())
            }
            (ours, theirs) => ours.or_else(|| theirs.clone()),
        };
        Self {
            toolsets,
            read_only: self.read_only || other.read_only,
        }
    }

    /// Whether an entry is switched on. A missing permission is the door's business: see [`crate::App::run`].
    pub fn permits(&self, entry: &Entry) -> Result<(), Failure> {
        if self.read_only && entry.effect != Effect::Read {
            let message = format!("this connection may only read, and {} writes", entry.name);
            return Err(off(READ_ONLY, message));
        }
        let toolsets = self.toolsets.as_ref();
        if toolsets.is_some_and(|on| !on.contains(&entry.toolset)) {
            let message = format!(
                "{} belongs to the toolset {}, which is switched off for this connection",
                entry.name,
                entry.toolset.as_str()
            );
            return Err(off(TOOLSET_OFF, message));
        }
        Ok(())
    }
}

fn off(spec: FaultSpec, message: String) -> Failure {
    Failure {
        kind: spec.kind,
        code: spec.code,
        message,
        next: spec.next,
        field: None,
        candidates: Vec::new(),
    }
}
