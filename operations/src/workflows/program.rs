//! What the engine asks a workflow: what to do next, given what was done.
//!
//! A program does nothing itself and remembers nothing but outputs, so any process can take a run over: it feeds the
//! recorded steps back in and asks again. Time, ids and randomness come from the run, never from the machine it is on.

use std::time::Duration;

use domain::{Permissions, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// A workflow in the middle of one run.
pub trait Program: Send {
    /// Tells what a step answered. Called for every recorded step when a run is taken up, then after each new one.
    /// Paths are those of [`Next::Do`]; order does not matter.
    fn record(&mut self, path: &str, output: Value);

    /// Tells that a step was given up after its last try. The program may go on (`on_error`) or end as failed.
    fn record_failure(&mut self, path: &str, error: &StepError);

    /// What its steps need, and all that they get.
    fn needs(&self) -> Permissions;

    /// What to do now. Pure: asking twice gives the same answer. `now` is the run's clock at this moment.
    fn next(&self, now: Timestamp) -> Result<Next, StepError>;
}

/// What a program wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// This step, then ask again.
    Do(Step),
    /// The run is over.
    End(End),
}

/// One step to execute.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Names the step within the run for ever: `send`, or `each_order/3/send`. At most 200 characters.
    pub path: String,
    /// What it is.
    pub action: Action,
    /// How often it may fail, and how long to wait in between.
    pub retry: Retry,
}

/// What a step does to the world.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Runs an operation of the catalog as the workflow. Writes commit together with the step: exactly once.
    Operation {
        /// The operation's name.
        name: String,
        /// Its command as JSON.
        input: Value,
    },
    /// Waits for a time, for a change, or for whichever comes first. Answers
    /// `{"woken_by": "time"}` or `{"woken_by": "<kind>", "change": {payload}}`.
    Wait {
        /// Not longer than this.
        until: Option<Timestamp>,
        /// Any of these.
        changes: Vec<Awaited>,
    },
    /// Asks a person. Answers `{"decision": "approved" | "rejected" | "expired", "by": .., "note": ..}`.
    Approve {
        /// What the person reads first.
        title: String,
        /// What the person decides about.
        show: Value,
        /// Until when.
        expires_at: Timestamp,
    },
    /// Calls a system outside. At least once, always under the same key (`Idempotency-Key: run:path`).
    Http {
        /// GET, POST, PUT, PATCH or DELETE.
        method: String,
        /// Where; must be allowed by the settings.
        url: String,
        /// Sent as JSON.
        body: Option<Value>,
    },
    /// Runs another workflow and waits for its end. Answers its output.
    Call {
        /// The other workflow's name.
        workflow: String,
        /// Its parameters.
        params: Value,
    },
    /// Records a change of the workflow's own (`workflow.emitted`) that others may start from.
    Emit {
        /// The name others listen for.
        name: String,
        /// What it says; no personal data.
        payload: Value,
    },
    /// Asks an agent for an answer bound to a schema. The seam that `agents` fills.
    Agent {
        /// The agent's name.
        agent: String,
        /// What it gets.
        input: Value,
        /// The JSON Schema its answer must fit.
        output: Value,
        /// What it may cost at most, in millionths of a US dollar.
        budget_micro_usd: i64,
    },
    /// Something of an agent's own, such as a question to its model: done by the host of agents, whose words these are. Done
    /// again after a crash, so it changes nothing.
    Perform {
        /// What to do, as the agent's program and its host agree.
        task: Value,
    },
    /// An operation that a person must agree to first, whatever the policy says.
    Propose {
        /// The operation's name.
        name: String,
        /// Its command as JSON.
        input: Value,
    },
    /// Nothing outside: the value is kept as the step's output.
    Keep {
        /// The value.
        value: Value,
    },
}

/// A change a run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// Its kind, such as `event.cancelled`.
    pub kind: String,
    /// The bare id it must be about, as its subject or as the `event_id` of its payload; none for any.
    pub about: Option<Uuid>,
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// All was done. The output is what a calling workflow gets.
    Done(Value),
    /// It was not wanted after all, and why.
    Skipped(String),
    /// It cannot go on.
    Failed(StepError),
}

/// How often to try, and when again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Tries in all; at least 1.
    pub tries: u32,
    /// Before the second try; doubled for each further one.
    pub backoff: Duration,
    /// Never longer than this.
    pub cap: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            tries: 8,
            backoff: Duration::from_secs(2),
            cap: Duration::from_mins(15),
        }
    }
}

/// Why a step did not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepError {
    /// A stable code, such as an operation's `sold_out`.
    pub code: String,
    /// A sentence with the values in it, for the organizer. No personal data.
    pub message: String,
    /// Whether another try may help.
    pub is_transient: bool,
}
