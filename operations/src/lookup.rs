//! Finding what a caller means: by id, by exact name, and otherwise saying what was near.

use domain::{Facts, Fault, FaultKind, FaultSpec, fault::Candidate};
use store::StoreError;

/// A reference that leads to nothing, or to several things.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// Nothing has this id or name.
    #[error("there is no {noun} {given:?}{}", did_you_mean(.candidates))]
    NotFound {
        /// `event`, `venue`, …
        noun: &'static str,
        /// What was asked for.
        given: String,
        /// Similar names.
        candidates: Vec<Candidate>,
    },
    /// Several things have this name.
    #[error("{}", ambiguous(.noun, .given, .candidates, *.are_more))]
    Ambiguous {
        /// `event`, `venue`, …
        noun: &'static str,
        /// What was asked for.
        given: String,
        /// All of them, or the first few.
        candidates: Vec<Candidate>,
        /// Whether there are others.
        are_more: bool,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn did_you_mean(candidates: &[Candidate]) -> String {
    let names: Vec<String> = candidates.iter().map(|c| format!("{:?}", c.name)).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("; similar: {}", names.join(", "))
    }
}

fn ambiguous(noun: &str, given: &str, candidates: &[Candidate], are_more: bool) -> String {
    let count = candidates.len();
    if are_more {
        let list = noun.replace(' ', "_");
        format!("more than {count} {noun}s are called {given:?}; list_{list}s has the others")
    } else {
        format!("{count} {noun}s are called {given:?}")
    }
}

/// The most things of one name that are named.
const MOST: usize = 5;

const NOT_FOUND: FaultSpec = FaultSpec::new(
    FaultKind::NotFound,
    "not_found",
    "Use the id of a candidate, or look it up with the matching list tool; never invent an id.",
);
const AMBIGUOUS: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "ambiguous_name",
    "Ask which one is meant, then use its id.",
);

impl Fault for LookupError {
    fn specs() -> Vec<FaultSpec> {
        vec![NOT_FOUND, AMBIGUOUS]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NotFound {
                noun, candidates, ..
            } => NOT_FOUND.at(noun.replace(' ', "_")).near(candidates),
            Self::Ambiguous {
                noun, candidates, ..
            } => AMBIGUOUS.at(noun.replace(' ', "_")).near(candidates),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for LookupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A row that a name may mean: its id, what people call it, and whether the name fits exactly.
pub(crate) struct Hit<I> {
    pub(crate) id: I,
    pub(crate) label: String,
    pub(crate) exact: bool,
}

/// The one exact hit; otherwise a refusal with what is near.
pub(crate) fn the_one<I: domain::ids::Id>(
    noun: &'static str,
    given: &str,
    hits: &[Hit<I>],
) -> Result<I, LookupError> {
    let candidate = |h: &Hit<I>| Candidate {
        id: h.id.to_string(),
        name: h.label.clone(),
    };
    let exact: Vec<&Hit<I>> = hits.iter().filter(|h| h.exact).collect();
    match exact.as_slice() {
        [only] => Ok(only.id),
        [] => Err(LookupError::NotFound {
            noun,
            given: given.to_owned(),
            candidates: hits.iter().map(candidate).collect(),
        }),
        several => Err(LookupError::Ambiguous {
            noun,
            given: given.to_owned(),
            candidates: several.iter().take(MOST).map(|h| candidate(h)).collect(),
            are_more: several.len() > MOST,
        }),
    }
}
