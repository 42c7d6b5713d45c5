//! What every error can say about itself, whichever surface shows it.
//!
//! Kinds are few and are all that surfaces look at; codes are stable and listed in `docs/errors.md`; `next`
//! tells the caller, a model or a tired organizer, what to do.

use std::error::Error;

use serde::Serialize;

/// What kind of failure it is; decides the HTTP status, the retry rule and what an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The input does not fit; change it.
    Invalid,
    /// Nobody, or nobody known, is asking.
    Unauthenticated,
    /// The asker may not do this.
    Forbidden,
    /// No such thing, or not visible to the asker.
    NotFound,
    /// The world does not allow it now; read again and decide.
    Conflict,
    /// Too many requests; wait.
    Limited,
    /// Something the program needs is away; try again.
    Unavailable,
    /// A defect; details are in the log only.
    Internal,
}

impl FaultKind {
    /// The kind in snake case, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Limited => "limited",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// The fixed part of an error: the same for every time it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FaultSpec {
    /// Stable, snake case, unique among all errors of the product.
    pub code: &'static str,
    /// The kind.
    pub kind: FaultKind,
    /// What the caller can do next, as a sentence; empty when the message says it all.
    pub next: &'static str,
}

impl FaultSpec {
    /// A spec; used in constants beside the error enum.
    pub const fn new(kind: FaultKind, code: &'static str, next: &'static str) -> Self {
        Self { code, kind, next }
    }

    /// A failure of this kind that one input field is to blame for.
    pub fn at(self, field: impl Into<String>) -> Facts {
        Facts::from(self).at(field)
    }
}

/// What a failure says of itself beside its sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The fixed part.
    pub spec: FaultSpec,
    /// The input field at fault, as a path (`items[0].quantity`), where there is one.
    pub field: Option<String>,
    /// What the caller may have meant, best first: names with their ids.
    pub candidates: Vec<Candidate>,
}

impl From<FaultSpec> for Facts {
    fn from(spec: FaultSpec) -> Self {
        Self {
            spec,
            field: None,
            candidates: Vec::new(),
        }
    }
}

impl Facts {
    /// The same, with another field to blame.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same, with what may have been meant.
    #[must_use]
    pub fn near(mut self, candidates: &[Candidate]) -> Self {
        self.candidates = candidates.to_vec();
        self
    }
}

/// A failure of an operation, as a business fact.
///
/// `Display` is a sentence for the caller with the values in it, never the database's words.
pub trait Fault: Error + Send + Sync + 'static {
    /// Every spec of [`Self::facts`], for the generated list of errors.
    fn specs() -> Vec<FaultSpec>
    where
        Self: Sized;

    /// What this failure says. One that only passes on another's answers with that one's facts.
    fn facts(&self) -> Facts;

    /// The fixed part of this failure.
    fn spec(&self) -> FaultSpec {
        self.facts().spec
    }

    /// The input field at fault.
    fn field(&self) -> Option<String> {
        self.facts().field
    }

    /// What the caller may have meant.
    fn candidates(&self) -> Vec<Candidate> {
        self.facts().candidates
    }
}

/// Something a caller may have meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The id to use.
    pub id: String,
    /// The name people know it by, with what tells it apart.
    pub name: String,
}

/// Any operation's failure with its type erased: what surfaces that work on JSON receive.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The kind.
    pub kind: FaultKind,
    /// The stable code.
    pub code: &'static str,
    /// What happened, as a sentence.
    pub message: String,
    /// What to do next.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub next: &'static str,
    /// The input field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What may have been meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
}

impl Failure {
    /// Erases a fault's type. Internal ones lose their words: those are in the log.
    pub fn of(fault: &impl Fault) -> Self {
        let Facts {
            spec,
            field,
            candidates,
        } = fault.facts();
        let internal = spec.kind == FaultKind::Internal;
        Self {
            kind: spec.kind,
            code: spec.code,
            message: if internal {
                "Something went wrong on our side.".to_owned()
            } else {
                fault.to_string()
            },
            next: spec.next,
            field,
            candidates,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GONE: FaultSpec = FaultSpec::new(FaultKind::NotFound, "gone", "Look again.");

    #[derive(Debug, thiserror::Error)]
    enum Lower {
        #[error("gone")]
        Gone(Vec<Candidate>),
    }

    impl Fault for Lower {
        fn specs() -> Vec<FaultSpec> {
            vec![GONE]
        }

        fn facts(&self) -> Facts {
            let Self::Gone(candidates) = self;
            GONE.at("event").near(candidates)
        }
    }

    #[derive(Debug, thiserror::Error)]
    enum Upper {
        #[error(transparent)]
        Lower(Lower),
        #[error("gone too")]
        Item(usize, Lower),
    }

    impl Fault for Upper {
        fn specs() -> Vec<FaultSpec> {
            Lower::specs()
        }

        fn facts(&self) -> Facts {
            match self {
                Self::Lower(error) => error.facts(),
                Self::Item(index, error) => error.facts().at(format!("items[{index}]")),
            }
        }
    }

    #[test]
    fn what_is_passed_on_keeps_its_field_and_candidates() {
        let gala = Candidate {
            id: "evt_1".to_owned(),
            name: "Gala".to_owned(),
        };
        let lower = || Lower::Gone(vec![gala.clone()]);
        let failure = Failure::of(&Upper::Lower(lower()));
        assert_eq!(
            (failure.code, failure.field.as_deref()),
            ("gone", Some("event"))
        );
        assert_eq!(failure.candidates, std::slice::from_ref(&gala));
        let failure = Failure::of(&Upper::Item(2, lower()));
        assert_eq!(failure.field.as_deref(), Some("items[2]"));
        assert_eq!(failure.candidates, std::slice::from_ref(&gala));
    }
}
