//! The doors to tools that are not listed: find them, run those that read, run those that write.

use std::sync::Arc;

use domain::{
    FaultKind,
    fault::{Candidate, Failure},
};
use operations::{Effect, Shelf};
use rmcp::model::{CallToolResponse, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

use super::{answer, envelope::malformed, offer::Offer};
use crate::{connection::Connection, server::Shared};

pub(super) const SEARCH: &str = "search_tools";
pub(super) const READ: &str = "run_read_tool";
pub(super) const WRITE: &str = "run_write_tool";

/// How many tools a search finds unless told otherwise, and at most when words are given.
const FOUND: u64 = 10;
const MOST: u64 = 50;

/// The longest query, in characters, and how many of its words count. Each is compared with every tool.
const LONGEST: usize = 200;
const WORDS: usize = 16;

/// The doors a connection needs for what is behind them.
pub(super) fn doors(behind: &[Effect]) -> Vec<Tool> {
    let reads = behind.contains(&Effect::Read);
    let writes = behind.iter().any(|effect| *effect != Effect::Read);
    let mut doors = Vec::new();
    if !behind.is_empty() {
        let schema = json!({
            "type": "object",
            "properties": {
                "query": {"type": "string", "maxLength": LONGEST, "description": "A few words, such as `audit trail`; nothing lists all."},
                "limit": {"type": "integer", "minimum": 1, "maximum": MOST},
            },
        });
        let text = "Find more tools by what they do, with their input schemas. Run them with run_read_tool or run_write_tool.";
        let found = json!({
            "type": "object",
            "properties": {"tools": {"type": "array", "items": {"type": "object"}}},
            "required": ["tools"],
        });
        doors.push(door(
            SEARCH,
            "Search tools",
            text,
            schema,
            found,
            Effect::Read,
        ));
    }
    let answer = json!({"type": "object", "properties": {}});
    if reads {
        let text = "Run a tool found by search_tools that only reads.";
        doors.push(door(
            READ,
            "Run read tool",
            text,
            running(),
            answer.clone(),
            Effect::Read,
        ));
    }
    if writes {
        let text =
            "Run a tool found by search_tools that writes. Destructive ones ask a person first.";
        doors.push(door(
            WRITE,
            "Run write tool",
            text,
            running(),
            answer,
            Effect::Destructive,
        ));
    }
    doors
}

fn running() -> Value {
    json!({
        "type": "object",
        "properties": {
            "tool": {"type": "string", "description": "Its name."},
            "arguments": {"type": "object", "description": "Its arguments, by its input schema."},
        },
        "required": ["tool"],
    })
}

fn door(
    name: &'static str,
    title: &str,
    text: &'static str,
    input: Value,
    output: Value,
    effect: Effect,
) -> Tool {
    let object = |value| match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let reads = effect == Effect::Read;
    let annotations = ToolAnnotations::new()
        .read_only(reads)
        .destructive(!reads)
        .idempotent(reads)
        .open_world(false);
    Tool::new(name, text, object(input))
        .with_title(title)
        .with_annotations(annotations)
        .with_raw_output_schema(Arc::new(object(output)))
}

/// Finds tools that are not listed, best first.
pub(super) fn search(
    shared: &Shared,
    connection: &Connection,
    mut arguments: Map<String, Value>,
) -> CallToolResponse {
    let query = match arguments.remove("query") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(query)) if query.chars().nth(LONGEST).is_none() => query.to_lowercase(),
        Some(Value::String(_)) => {
            let expected = format!("a few words, of at most {LONGEST} characters");
            return answer::refused(&malformed("query", &expected)).into();
        }
        Some(_) => return answer::refused(&malformed("query", "a text")).into(),
    };
    let limit = match arguments.remove("limit") {
        None | Some(Value::Null) => {
            if query.trim().is_empty() {
                u64::MAX
            } else {
                FOUND
            }
        }
        Some(limit) => match limit.as_u64() {
            Some(limit) if limit > 0 => limit.min(MOST),
            _ => return answer::refused(&malformed("limit", "a whole number from 1")).into(),
        },
    };
    if let Some(unknown) = arguments.keys().next() {
        return answer::refused(&unknown_field(SEARCH, unknown, "query, limit")).into();
    }
    let words: Vec<&str> = query
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .take(WORDS)
        .collect();
    let visible = (shared.offers.iter())
        .filter(|offer| offer.entry.shelf == Shelf::Searchable && connection.shows(offer.entry));
    let mut found: Vec<(u32, &Offer)> = visible
        .map(|offer| (score(offer, &words), offer))
        .filter(|(score, _)| words.is_empty() || *score > 0)
        .collect();
    // A stable sort: equals stay in the catalog's order.
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    let tools: Vec<Value> = found
        .iter()
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
        .map(|(_, offer)| {
            json!({
                "name": offer.entry.name,
                "run_with": if offer.writes() { WRITE } else { READ },
                "description": offer.tool.description,
                "input_schema": &*offer.tool.input_schema,
            })
        })
        .collect();
    let note = tools
        .is_empty()
        .then(|| "Nothing fits; search without a query to see all.".to_owned());
    answer::structured(json!({"tools": tools}), "", note).into()
}

/// A word in the name counts most; forgives endings by comparing stems.
fn score(offer: &Offer, words: &[&str]) -> u32 {
    let description = offer
        .tool
        .description
        .as_deref()
        .unwrap_or_default()
        .to_lowercase();
    let fields = offer
        .tool
        .input_schema
        .get("properties")
        .and_then(Value::as_object);
    words
        .iter()
        .map(|word| {
            let stem = word
                .strip_suffix('s')
                .filter(|stem| stem.len() > 2)
                .unwrap_or(word);
            let in_name = offer
                .entry
                .name
                .split('_')
                .any(|part| part.starts_with(stem));
            let in_toolset = offer.entry.toolset.as_str().starts_with(stem);
            let in_text = description.contains(stem);
            let in_fields =
                fields.is_some_and(|fields| fields.keys().any(|name| name.contains(stem)));
            u32::from(in_name) * 5
                + u32::from(in_text) * 2
                + u32::from(in_toolset)
                + u32::from(in_fields)
        })
        .sum()
}

/// The tool behind a door, and its arguments.
pub(super) fn inner<'a>(
    shared: &'a Shared,
    door: &str,
    mut arguments: Map<String, Value>,
) -> Result<(&'a Offer, Map<String, Value>), Failure> {
    let Some(Value::String(name)) = arguments.remove("tool") else {
        return Err(malformed(
            "tool",
            "the name of a tool; find it with search_tools",
        ));
    };
    let inner = match arguments.remove("arguments") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(inner)) => inner,
        Some(_) => {
            return Err(malformed(
                "arguments",
                "an object with the tool's arguments",
            ));
        }
    };
    if let Some(unknown) = arguments.keys().next() {
        return Err(unknown_field(door, unknown, "tool, arguments"));
    }
    let offer = shared
        .offer(&name)
        .filter(|offer| offer.entry.shelf != Shelf::Operators);
    let Some(offer) = offer else {
        return Err(Failure {
            kind: FaultKind::NotFound,
            code: "unknown_tool",
            message: format!("There is no tool {name:?}."),
            next: "Find the right name with search_tools.",
            field: Some("tool".to_owned()),
            candidates: Vec::new(),
        });
    };
    let right = if offer.writes() { WRITE } else { READ };
    if right != door {
        return Err(Failure {
            kind: FaultKind::Invalid,
            code: "wrong_door",
            message: format!(
                "{name} {}.",
                if offer.writes() {
                    "writes"
                } else {
                    "only reads"
                }
            ),
            next: "Call it through the tool named below.",
            field: Some("tool".to_owned()),
            candidates: vec![Candidate {
                id: right.to_owned(),
                name,
            }],
        });
    }
    Ok((offer, inner))
}

fn unknown_field(tool: &str, field: &str, known: &str) -> Failure {
    Failure {
        kind: FaultKind::Invalid,
        code: "invalid_input",
        message: format!("`{field}` is not a field of {tool}; known here: {known}."),
        next: "Correct the named field and call again.",
        field: Some(field.to_owned()),
        candidates: Vec::new(),
    }
}
