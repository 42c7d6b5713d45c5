//! A turn of an agent as a program: fed what its steps came to, it says what comes next. Pure.
//!
//! Steps have these paths: `m3` asks the model for the third time, `m3.r0` looks things up for its first calls, `m3.w2` proposes
//! its third one, `note` shows what is left to show, `end` ends the turn of a conversation.

mod calls;

use std::collections::{HashMap, HashSet};

use domain::{ConversationId, Permissions, Timestamp};
use llm::{
    Block, ChatRequest, Message, Reply, Role, StopReason, SystemBlock, ToolChoice, ToolSpec,
};
use operations::workflows::{Action, End, Next, Program, Retry, Step, StepError};
use serde_json::{Value, json};

use calls::{Call, Kind, fingerprint, shown};

pub(crate) use calls::READ_RESULT;

use crate::{roster::Spec, said};

/// What a turn is made of, all of it known before it begins.
pub(crate) struct Plan {
    pub(crate) spec: Spec,
    pub(crate) system: Vec<SystemBlock>,
    pub(crate) tools: Vec<ToolSpec>,
    /// What was said in earlier turns.
    pub(crate) history: Vec<Message>,
    /// What is asked now.
    pub(crate) asked: String,
    pub(crate) ending: Ending,
    pub(crate) is_tainted: bool,
    pub(crate) permissions: Permissions,
    /// What the turn may cost, in millionths of a US dollar.
    pub(crate) budget: i64,
}

/// What a turn ends in.
pub(crate) enum Ending {
    /// A conversation goes on.
    Conversation { id: ConversationId, turn: i32 },
    /// An answer that fits a schema, for the step of a workflow.
    Output { schema: Value },
}

/// A turn under way.
pub(crate) struct Turn {
    plan: Plan,
    /// What was said in this turn, the question first.
    messages: Vec<Message>,
    model_calls: u32,
    tool_calls: u32,
    /// The newest reply's calls with what they came to.
    calls: Vec<Call>,
    /// How often each call was made, by its fingerprint.
    made: HashMap<[u8; 32], u32>,
    /// What a person has rejected.
    rejected: HashSet<[u8; 32]>,
    /// Results too long to be shown at once.
    long: HashMap<String, String>,
    is_tainted: bool,
    /// What surfaces should show, not shown yet.
    notes: Vec<Value>,
    noted: bool,
    over: Option<Over>,
    recorded: bool,
    /// What steps came to that are not due yet: a run that is taken up tells of them in any order.
    told: HashMap<String, Result<Value, StepError>>,
}

enum Over {
    Answered(String),
    Failed(StepError),
}

impl Turn {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            messages: vec![Message::user(plan.asked.clone())],
            is_tainted: plan.is_tainted,
            plan,
            model_calls: 0,
            tool_calls: 0,
            calls: Vec::new(),
            made: HashMap::new(),
            rejected: HashSet::new(),
            long: HashMap::new(),
            notes: Vec::new(),
            noted: false,
            over: None,
            recorded: false,
            told: HashMap::new(),
        }
    }

    fn request(&self) -> ChatRequest {
        let output = match &self.plan.ending {
            Ending::Output { schema } => Some(schema.clone()),
            Ending::Conversation { .. } => None,
        };
        ChatRequest {
            system: self.plan.system.clone(),
            tools: self.plan.tools.clone(),
            messages: [&self.plan.history[..], &self.messages[..]].concat(),
            tool_choice: ToolChoice::Auto,
            output,
            effort: self.plan.spec.effort,
            max_tokens: self.plan.spec.max_tokens,
        }
    }

    fn replied(&mut self, reply: &Reply) {
        self.notes.clear();
        let message = Message {
            role: Role::Assistant,
            blocks: reply.blocks.clone(),
        };
        self.messages.push(message);
        let uses: Vec<&Block> = reply
            .blocks
            .iter()
            .filter(|block| matches!(block, Block::ToolUse { .. }))
            .collect();
        if uses.is_empty() {
            self.finish(reply);
            return;
        }
        let calls: Vec<Call> = uses
            .into_iter()
            .filter_map(|block| self.call(block))
            .collect();
        self.calls = calls;
        for (place, call) in self.calls.iter().enumerate() {
            if let Some((content, is_error)) = &call.result {
                let at = (self.model_calls, place);
                self.notes.push(shown(at, call, content, *is_error));
            }
        }
        self.tell_results();
    }

    fn finish(&mut self, reply: &Reply) {
        let failed = |code: &str, message: &str| Over::Failed(error(code, message));
        self.over = Some(match &reply.stop.reason {
            StopReason::MaxTokens => failed(
                "model_out_of_room",
                "The answer became too long and broke off. Ask for less at once.",
            ),
            StopReason::ContextFull => failed(
                "conversation_too_long",
                "This conversation has become too long. Begin a new one.",
            ),
            StopReason::Refusal => failed("model_refused", "The model would not answer this."),
            // It wants to go on where it was.
            StopReason::PauseTurn => return,
            _ => Over::Answered(reply.text()),
        });
    }

    /// The calls that are made next: looks that follow each other at once, or one proposal.
    fn due(&self) -> Option<(usize, Kind, Vec<&Call>)> {
        let first = self.calls.iter().position(|call| call.result.is_none())?;
        let kind = self.calls[first].kind;
        let together = self.calls[first..]
            .iter()
            .take_while(|call| call.result.is_none() && call.kind == kind);
        let count = if kind == Kind::Look { usize::MAX } else { 1 };
        Some((first, kind, together.take(count).collect()))
    }

    fn ask_model(&self) -> Step {
        let task = json!({
            "do": "model",
            "request": self.request(),
            "notes": self.notes,
            "budget": self.plan.budget,
            "proposes": self.plan.spec.writes,
        });
        perform(format!("m{}", self.model_calls + 1), task)
    }

    fn end(&self, over: &Over) -> Next {
        let (outcome, message) = match over {
            Over::Answered(_) => ("answered", Value::Null),
            Over::Failed(error) => ("failed", json!(error.message)),
        };
        match &self.plan.ending {
            Ending::Conversation { .. } if self.recorded => Next::End(match over {
                Over::Answered(text) => End::Done(json!({"answer": text})),
                Over::Failed(error) => End::Skipped(error.message.clone()),
            }),
            Ending::Conversation { .. } if !self.notes.is_empty() && !self.noted => {
                Next::Do(perform(
                    "note".to_owned(),
                    json!({"do": "note", "notes": self.notes}),
                ))
            }
            Ending::Conversation { id, turn } => {
                let messages =
                    matches!(over, Over::Answered(_)).then(|| said::kept(&self.messages));
                let input = json!({"conversation": id, "turn": turn, "outcome": outcome, "message": message,
                    "messages": messages, "is_tainted": self.is_tainted});
                let action = Action::Operation {
                    name: "record_turn".to_owned(),
                    input,
                };
                Next::Do(Step {
                    path: "end".to_owned(),
                    action,
                    retry: Retry::default(),
                })
            }
            Ending::Output { .. } => Next::End(match over {
                Over::Failed(error) => End::Failed(error.clone()),
                Over::Answered(text) => match serde_json::from_str(text) {
                    Ok(output) => End::Done(output),
                    Err(_) => End::Failed(error(
                        "agent_output",
                        "The agent's answer is no JSON, though it had to fit a schema.",
                    )),
                },
            }),
        }
    }
}

impl Program for Turn {
    fn record(&mut self, path: &str, output: Value) {
        self.told.insert(path.to_owned(), Ok(output));
        self.catch_up();
    }

    fn record_failure(&mut self, path: &str, failure: &StepError) {
        self.told.insert(path.to_owned(), Err(failure.clone()));
        self.catch_up();
    }

    fn needs(&self) -> Permissions {
        self.plan.permissions
    }

    fn next(&self, _: Timestamp) -> Result<Next, StepError> {
        Ok(self.due_step())
    }
}

impl Turn {
    /// Takes in what was told of, as far as it is due.
    fn catch_up(&mut self) {
        while let Some(path) = self.due_path() {
            match self.told.remove(&path) {
                Some(Ok(output)) => self.done(&path, &output),
                Some(Err(failure)) => self.failed(&path, &failure),
                None => return,
            }
        }
    }

    fn due_path(&self) -> Option<String> {
        match self.due_step() {
            Next::Do(step) => Some(step.path),
            Next::End(_) => None,
        }
    }

    fn done(&mut self, path: &str, output: &Value) {
        match read_path(path) {
            At::Model(number) => {
                self.model_calls = number;
                match serde_json::from_value(output["reply"].clone()) {
                    Ok(reply) => self.replied(&reply),
                    Err(_) => {
                        self.over = Some(Over::Failed(error(
                            "agent_reply",
                            "The model's reply was not kept as it should be.",
                        )));
                    }
                }
            }
            At::Looks(first) => {
                let results = output["results"].as_array().cloned().unwrap_or_default();
                for (offset, result) in results.iter().enumerate() {
                    let content = result["content"].as_str().unwrap_or_default();
                    self.settle(first + offset, content, result["is_error"] == true);
                }
            }
            At::Proposal(place) => {
                // What it answers may hold what strangers wrote.
                let mark = &hex::encode(fingerprint(path, output))[..8];
                let content = format!(
                    "A person has agreed, and it is done. It answered: <untrusted-{mark}>{output}</untrusted-{mark}>"
                );
                self.settle(place, &content, false);
            }
            At::Note => self.noted = true,
            At::End => self.recorded = true,
        }
    }

    fn failed(&mut self, path: &str, failure: &StepError) {
        match read_path(path) {
            At::Model(number) => {
                self.model_calls = number;
                self.over = Some(Over::Failed(failure.clone()));
            }
            At::Looks(first) => {
                let count = self.due().map_or(0, |(_, _, calls)| calls.len());
                for place in first..first + count {
                    self.settle(place, &failure.message, true);
                }
            }
            At::Proposal(place) => {
                if failure.code == "not_approved"
                    && let Some(call) = self.calls.get(place)
                {
                    self.rejected.insert(fingerprint(&call.name, &call.args));
                }
                self.settle(place, &failure.message, true);
            }
            At::Note => self.noted = true,
            // The conversation is gone, or somebody has ended the turn.
            At::End => self.recorded = true,
        }
    }

    fn due_step(&self) -> Next {
        if let Some(over) = &self.over {
            return self.end(over);
        }
        match self.due() {
            Some((first, Kind::Look, calls)) => {
                let looks: Vec<Value> = calls
                    .iter()
                    .map(|call| json!({"name": call.name, "args": call.args}))
                    .collect();
                let path = format!("m{}.r{first}", self.model_calls);
                Next::Do(perform(path, json!({"do": "look", "calls": looks})))
            }
            Some((place, Kind::Propose, calls)) => {
                let action = Action::Propose {
                    name: calls[0].name.clone(),
                    input: calls[0].args.clone(),
                };
                let path = format!("m{}.w{place}", self.model_calls);
                Next::Do(Step {
                    path,
                    action,
                    retry: Retry::default(),
                })
            }
            None if self.model_calls >= self.plan.spec.limits.model_calls => {
                let message = "The assistant needed more steps than a turn allows, so it was stopped. Ask for a part of it.";
                self.end(&Over::Failed(error("agent_too_long", message)))
            }
            None => Next::Do(self.ask_model()),
        }
    }
}

/// A step of the agent's own. What may pass was tried again already.
fn perform(path: String, task: Value) -> Step {
    let retry = Retry {
        tries: 3,
        ..Retry::default()
    };
    Step {
        path,
        action: Action::Perform { task },
        retry,
    }
}

enum At {
    Model(u32),
    Looks(usize),
    Proposal(usize),
    Note,
    End,
}

fn read_path(path: &str) -> At {
    let place = |text: &str| {
        text.get(1..)
            .and_then(|number| number.parse().ok())
            .unwrap_or_default()
    };
    match path.split_once('.') {
        Some((_, part)) if part.starts_with('r') => At::Looks(place(part)),
        Some((_, part)) => At::Proposal(place(part)),
        None if path == "end" => At::End,
        None if path == "note" => At::Note,
        None => At::Model(
            path.get(1..)
                .and_then(|number| number.parse().ok())
                .unwrap_or_default(),
        ),
    }
}

fn error(code: &str, message: &str) -> StepError {
    StepError {
        code: code.to_owned(),
        message: message.to_owned(),
        is_transient: false,
    }
}
