//! What is wrong with a definition, in words that a person or a model can act on.

use std::{collections::HashMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One thing to correct in a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Where it is: `steps[2].with.event`; empty for the whole.
    pub path: String,
    /// The line of the YAML, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// What is wrong, with the value.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if !self.next.is_empty() {
            write!(f, " {}", self.next)?;
        }
        Ok(())
    }
}

/// Collects problems; knows on which line a path begins.
#[derive(Debug, Default)]
pub(super) struct Problems {
    lines: HashMap<String, u32>,
    found: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(lines: HashMap<String, u32>) -> Self {
        Self {
            lines,
            found: Vec::new(),
        }
    }

    /// Notes one, on the line of its path or of the nearest part of the document around it.
    pub(super) fn add(&mut self, path: &str, message: impl Into<String>, next: impl Into<String>) {
        let mut around = path;
        let line = loop {
            if let Some(line) = self.lines.get(around) {
                break Some(*line);
            }
            match around.rfind(['.', '[']) {
                Some(end) => around = &around[..end],
                None => break self.lines.get("").copied(),
            }
        };
        self.found.push(Problem {
            path: path.to_owned(),
            line,
            message: message.into(),
            next: next.into(),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them, from the top of the document to its end.
    pub(super) fn into_list(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| problem.line);
        self.found.dedup();
        self.found
    }
}

/// `; did you mean "x"?` when a known word is near.
pub(super) fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known
        .into_iter()
        .map(|word| (distance(given, word), word))
        .filter(|(far, word)| *far <= 2.max(word.len() / 4))
        .min();
    near.map_or_else(String::new, |(_, word)| format!("Did you mean {word:?}?"))
}

/// How many letters must be changed, added or left out (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != *y))
                .min(above + 1)
                .min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

/// A path with a field below it.
pub(super) fn below(path: &str, field: &str) -> String {
    if path.is_empty() {
        field.to_owned()
    } else {
        format!("{path}.{field}")
    }
}

/// What kind of JSON a value is, for people.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a group of fields",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_line_around_a_path_and_the_word_that_was_meant() {
        let lines = HashMap::from([
            (String::new(), 1),
            ("steps".to_owned(), 3),
            ("steps[1]".to_owned(), 7),
        ]);
        let mut problems = Problems::new(lines);
        problems.add("steps[1].with.event", "no", "");
        problems.add("title", "no", "");
        let found = problems.into_list();
        assert_eq!((found[0].line, found[1].line), (Some(1), Some(7)));
        assert_eq!(
            did_you_mean("list_attendes", ["list_orders", "list_attendees"]),
            "Did you mean \"list_attendees\"?"
        );
        assert_eq!(did_you_mean("zzz", ["list_orders"]), "");
    }
}
