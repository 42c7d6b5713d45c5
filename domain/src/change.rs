//! Changes: facts recorded at commit, such as `order.placed`.
//!
//! One recorded change serves the audit trail, the outbox and the preview a person confirms.

use std::collections::{HashMap, HashSet};

use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{ids::Id, text::sentence};

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

    /// What a confirmation binds beside the sentence, where that cannot say it all: a message's words, as a fingerprint.
    fn binds(&self) -> Option<String> {
        None
    }
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
    /// What a confirmation binds beside the sentence; not kept.
    #[serde(skip)]
    pub binds: Option<String>,
}

impl Recorded {
    /// Erases a change's type.
    pub fn of<C: Change>(change: &C) -> Self {
        Self {
            kind: C::KIND,
            subject: change.subject(),
            summary: change.summary(),
            payload: serde_json::to_value(change).expect("a change is plain data"),
            binds: change.binds(),
        }
    }

    /// A fingerprint of what a list of changes says to a person: kinds, subjects and summaries.
    ///
    /// Two runs that would show the same sentences have the same digest, so a confirmation holds exactly
    /// as long as what was shown is what will happen. `made` are the ids and codes that the run itself made: another
    /// run makes others, so each counts only as the first, second, third one that is named.
    pub(crate) fn digest(changes: &[Self], made: &HashSet<String>) -> [u8; 32] {
        let mut digest = Digesting {
            hash: Sha256::new(),
            made,
            numbers: HashMap::new(),
        };
        for change in changes {
            digest.text(change.kind);
            let subject = change.subject;
            digest.text(&format!("{}_{}", subject.kind, subject.id.simple()));
            digest.text(&change.summary);
            digest.text(change.binds.as_deref().unwrap_or_default());
        }
        digest.hash.finalize().into()
    }
}

/// What changes say to a person: their summaries as sentences, each once.
pub fn sentences(recorded: &[Recorded]) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    for change in recorded {
        let sentence = sentence(&change.summary);
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    sentences
}

/// A digest in the making. The bytes 0xfe and 0xff are in no text, so nothing a text says looks like a mark.
struct Digesting<'a> {
    hash: Sha256,
    made: &'a HashSet<String>,
    /// What the run made, in the order in which it is named.
    numbers: HashMap<&'a str, u64>,
}

impl Digesting<'_> {
    fn text(&mut self, text: &str) {
        let ends = |c: char| !c.is_ascii_alphanumeric();
        for part in text.split_inclusive(ends) {
            let word = part.trim_end_matches(ends);
            if let Some(made) = self.made.get(word) {
                let next = self.numbers.len() as u64;
                let number = *self.numbers.entry(made).or_insert(next);
                self.hash.update([0xff]);
                self.hash.update(number.to_be_bytes());
                self.hash.update(&part[word.len()..]);
            } else {
                self.hash.update(part);
            }
        }
        self.hash.update([0xfe]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(subject: u128, summary: &str) -> Recorded {
        Recorded {
            kind: "order.placed",
            subject: Subject {
                kind: "ord",
                id: Uuid::from_u128(subject),
            },
            summary: summary.to_owned(),
            payload: Value::Null,
            binds: None,
        }
    }

    /// The digest of changes when these ids and codes were made on the way.
    fn digest(changes: &[Recorded], ids: &[u128], codes: &[&str]) -> [u8; 32] {
        let ids = ids
            .iter()
            .map(|id| Uuid::from_u128(*id).simple().to_string());
        let codes = codes.iter().map(ToString::to_string);
        Recorded::digest(changes, &ids.chain(codes).collect())
    }

    #[test]
    fn what_a_run_makes_counts_by_its_place_and_not_by_its_name() {
        let first = [placed(1, "Places order K7M2XQ4 for ord_x, K7M2XQ4")];
        let second = [placed(2, "Places order 9BCDEF2 for ord_x, 9BCDEF2")];
        let made = digest(&first, &[1], &["K7M2XQ4"]);
        assert_eq!(made, digest(&second, &[2], &["9BCDEF2"]));
        // Controls: what was there before counts by its name, and so does everything when nothing is known as made.
        assert_ne!(made, digest(&second, &[], &["9BCDEF2"]));
        assert_ne!(made, digest(&second, &[2], &[]));
        assert_ne!(digest(&first, &[], &[]), digest(&second, &[], &[]));
    }

    #[test]
    fn what_differs_in_state_still_differs() {
        let two = |a: u128, b: u128| [placed(a, "Places one"), placed(b, "Places one")];
        let made = [1, 2, 3, 4];
        assert_eq!(
            digest(&two(1, 2), &made, &[]),
            digest(&two(3, 4), &made, &[])
        );
        assert_ne!(
            digest(&two(1, 2), &made, &[]),
            digest(&two(3, 3), &made, &[]),
            "two things, or one of them twice"
        );
        let says = |summary: &str| digest(&[placed(1, summary)], &made, &[]);
        assert_ne!(says("Sends it to 60 people"), says("Sends it to 61 people"));
        let bound = |words: &str| {
            let mut change = placed(1, "Sends it");
            change.binds = Some(words.to_owned());
            digest(&[change], &made, &[])
        };
        assert_ne!(bound("aa"), bound("bb"));
    }
}
