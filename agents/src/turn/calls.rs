//! The calls of a reply: what is wrong with them, how they are made, and what the model is told of them. Pure.

use llm::{Block, Message, Role};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Over, Turn, error};
use crate::said;

/// How much of a result the model is shown at once, in characters.
const RESULT: usize = 8_000;
/// The tool that shows the rest.
pub(crate) const READ_RESULT: &str = "read_result";

/// A call of the model.
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) args: Value,
    pub(super) kind: Kind,
    pub(super) result: Option<(String, bool)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Look,
    Propose,
}

impl Turn {
    /// A call as it will be made, or with what is wrong with it.
    pub(super) fn call(&mut self, block: &Block) -> Option<Call> {
        let Block::ToolUse {
            id,
            name,
            args,
            raw,
        } = block
        else {
            return None;
        };
        self.tool_calls += 1;
        let mut call = Call {
            id: id.clone(),
            name: name.clone(),
            args: args.clone(),
            kind: Kind::Look,
            result: None,
        };
        let limits = self.plan.spec.limits;
        let print = fingerprint(name, args);
        let made = self.made.entry(print).or_default();
        *made += 1;
        let made = *made;
        let refused = if raw.is_some() {
            Some("The arguments are no JSON object. Write them again.".to_owned())
        } else if self.tool_calls > limits.tool_calls {
            Some("That was the last call this turn allows. Answer with what you have, and say what is missing.".to_owned())
        } else if made > limits.identical_calls {
            Some(format!(
                "You have made this very call {limits} times. Do something else.",
                limits = limits.identical_calls
            ))
        } else if self.rejected.contains(&print) {
            Some("A person has rejected exactly this. Do not propose it again.".to_owned())
        } else {
            None
        };
        if made > limits.identical_calls + 2 {
            self.over = Some(Over::Failed(error(
                "agent_loops",
                "The assistant kept repeating itself, so it was stopped.",
            )));
        }
        if let Some(refused) = refused {
            call.result = Some((refused, true));
        } else if name == READ_RESULT {
            call.result = Some(self.rest(args));
        } else if self.plan.spec.writes.contains(name) {
            call.kind = Kind::Propose;
        } else if !self.plan.spec.reads.contains(name) {
            let message = format!("There is no tool {name:?}. Use those you were given.");
            call.result = Some((message, true));
        }
        Some(call)
    }

    /// The rest of a long result.
    fn rest(&self, args: &Value) -> (String, bool) {
        let long = args["call"].as_str().and_then(|call| self.long.get(call));
        let Some(long) = long else {
            return ("There is no long result of that call.".to_owned(), true);
        };
        let offset = args["offset"]
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(0);
        let piece: String = long.chars().skip(offset).take(RESULT).collect();
        (piece, false)
    }

    /// What a call came to.
    pub(super) fn settle(&mut self, place: usize, content: &str, is_error: bool) {
        let Some(call) = self.calls.get_mut(place) else {
            return;
        };
        self.is_tainted |= content.contains("<untrusted-");
        let count = content.chars().count();
        let told = if count > RESULT {
            self.long.insert(call.id.clone(), content.to_owned());
            let head: String = content.chars().take(RESULT).collect();
            format!(
                "{head}\n… {} more characters: {READ_RESULT} {{\"call\": \"{}\", \"offset\": {RESULT}}}",
                count - RESULT,
                call.id
            )
        } else {
            content.to_owned()
        };
        let at = (self.model_calls, place);
        self.notes.push(shown(at, call, content, is_error));
        call.result = Some((told, is_error));
        self.tell_results();
    }

    /// Once all calls of a reply have come to something, the model is told.
    pub(super) fn tell_results(&mut self) {
        if self.calls.is_empty() || self.calls.iter().any(|call| call.result.is_none()) {
            return;
        }
        let blocks = self.calls.drain(..).filter_map(|call| {
            let (content, is_error) = call.result?;
            Some(Block::ToolResult {
                id: call.id,
                content,
                is_error,
            })
        });
        let message = Message {
            role: Role::User,
            blocks: blocks.collect(),
        };
        self.messages.push(message);
    }
}

/// Tells calls apart.
pub(super) fn fingerprint(name: &str, args: &Value) -> [u8; 32] {
    // The same arguments in another order are written alike by the same model; a different order is a different call, which
    // the limit on all calls ends.
    Sha256::digest(format!("{name}\0{args}")).into()
}

/// What people see of a call that came to something: which one it is, and how far it has come.
pub(super) fn shown(
    (reply, place): (u32, usize),
    call: &Call,
    content: &str,
    is_error: bool,
) -> Value {
    let state = if is_error { "refused" } else { "done" };
    let detail: String = content
        .chars()
        .take(if is_error { 300 } else { 0 })
        .collect();
    json!({
        "part": format!("m{reply}.c{place}"),
        "kind": "tool",
        "body": {"tool": call.name, "label": said::label(&call.name, &call.args), "state": state, "detail": detail},
    })
}
