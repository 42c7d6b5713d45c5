//! How a definition is written: the YAML's types, from which its published JSON Schema is made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{duration::Span, schedule::CatchUp};

/// A workflow: when it starts and what it does then. Conditions (`if`, `when`, `until`, `in`, `key`, `about`) are CEL
/// expressions; texts under `with`, `set`, `email`, `http`, `approve` and `end` may have `{{ }}` placeholders
/// (minijinja), and a text that is one placeholder keeps its type. Both see `organization` (id, name, slug, currency,
/// zone), `run` (id, `started_at`), `trigger`, `change` (what started it), `params`, and each earlier step's answer under
/// the step's id. CEL functions beside its own: `now()`, `days(n)`, `hours(n)`, `minutes(n)`, `local(time)`, and
/// `at_local(time, days, "18:00")` for a clock time on a day before or after. Times in data are texts: `timestamp(x)`.
/// Filters in placeholders: `local`, `day` (`day(-7)` is a week before), `money`, and minijinja's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Its name within the organization: lower-case words joined by hyphens.
    #[schemars(regex(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$"), length(max = 80))]
    pub id: String,
    /// What it does, in a few words.
    #[schemars(length(min = 1, max = 120))]
    pub title: String,
    /// What it does and why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What starts it; any of these. None: only by hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<On>,
    /// Keeps runs about the same thing apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencyRule>,
    /// How long a run may take at most, waits included; 90d when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
    /// What is done, in order.
    pub steps: Vec<StepRule>,
    /// What is done when a step was given up; sees `error` (step, code, message).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_failure: Vec<StepRule>,
}

/// One thing that starts a workflow: exactly one of `change`, `cron`, `manual` and `webhook`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["change"]}, {"required": ["cron"]}, {"required": ["manual"]}, {"required": ["webhook"]}]))]
pub struct On {
    /// A kind of change, such as order.paid; docs/changes.md lists them with their fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// Only if this holds; sees only `change`.
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Minute, hour, day of month, month, weekday: "0 9 * * MON" is Mondays at 9:00.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// Whose clock counts for `cron`: an IANA zone, or organization (what is meant when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What becomes of times that passed while nothing ran: skip, last (when absent) or all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUp>,
    /// With `catch_up: all`, how many are made up for at most; 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub max: Option<u16>,
    /// Started by hand or called by another workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<ManualStart>,
    /// Started by a signed request from outside; what it sends is `trigger.body`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookStart>,
}

/// Starting by hand.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManualStart {
    /// What is asked for, by name; seen as `params.<name>`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, Param>")]
    pub params: Map<String, Value>,
}

/// Starting from outside; nothing to say yet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookStart {}

domain::text_enum! {
    /// What a parameter holds.
    pub enum ParamType {
        /// A text, also for ids and dates.
        String = "string",
        /// A whole number.
        Integer = "integer",
        /// Any number.
        Number = "number",
        /// True or false.
        Boolean = "boolean",
        /// A list of anything.
        List = "list",
        /// A group of fields.
        Object = "object",
    }
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: ParamType,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it must be given.
    #[serde(default)]
    pub required: bool,
    /// What it is when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

domain::text_enum! {
    /// What happens to a start while another run has the same key.
    pub enum OnConflict {
        /// It waits for the other to end.
        Queue = "queue",
        /// It is left out.
        Skip = "skip",
        /// The other is cancelled.
        Replace = "replace",
    }
}

/// At most one run at a time for each key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConcurrencyRule {
    /// What tells runs apart, such as change.`event_id`; sees `trigger`, `change` and `params`.
    pub key: String,
    /// What happens to a start while another run has the same key; queue when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_conflict: Option<OnConflict>,
}

domain::text_enum! {
    /// What happens when a step was given up.
    pub enum OnError {
        /// The run fails.
        Fail = "fail",
        /// The next step is taken; this one's answer is {error: {code, message}}.
        Continue = "continue",
    }
}

/// One step: an id, exactly one of the actions, and what may stand beside any of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["operation"]}, {"required": ["email"]}, {"required": ["wait"]}, {"required": ["approve"]},
    {"required": ["each"]}, {"required": ["set"]}, {"required": ["end"]}, {"required": ["emit"]},
    {"required": ["call"]}, {"required": ["http"]}, {"required": ["agent"]},
]))]
pub struct StepRule {
    /// Names the step and its answer: lower-case letters, digits and underscores; unique in the workflow.
    #[schemars(regex(pattern = "^[a-z][a-z0-9_]*$"), length(max = 40))]
    pub id: String,
    /// Only if this holds; otherwise the step is left out and its answer is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Runs an operation of the catalog, exactly once; `with` is its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Sends mail: the input of the operation `queue_message`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Map<String, Value>>,
    /// Waits for a time, a change, or whichever comes first. Answers {`woken_by`: time} or {`woken_by`: kind, change}.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<WaitRule>,
    /// Asks a person. Answers {decision: approved, rejected or expired, by, note}.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve: Option<ApproveRule>,
    /// Does steps for each item of a list. Answers a list with the steps' answers for each item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<EachRule>,
    /// Computes values; they are the step's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Map<String, Value>>,
    /// Ends the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<EndRule>,
    /// Records the change workflow.emitted under this name, for other workflows to start from; `with` is its payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emit: Option<String>,
    /// Runs another workflow and waits for its end; `with` are its params. Answers its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Calls a system outside, at least once and always under the same Idempotency-Key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpRule>,
    /// Asks an agent; `with` is what it gets, `output` the JSON Schema of its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The input of operation, call, emit and agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Map<String, Value>>,
    /// The JSON Schema an agent's answer must fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// What an agent may cost at most; 0.50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_usd: Option<f64>,
    /// How often to try; 8 times within about a quarter of an hour when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryRule>,
    /// What happens when it was given up; fail when absent. On `each`, continue goes on with the next item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
}

/// What a run waits for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitRule {
    /// Until this time: timestamp(event.`starts_at`) - days(1). A time that has passed does not wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// This long, from when the step is reached.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub length: Option<Span>,
    /// Or until a change of one of these kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<OneOrMany>,
    /// What the change must be about: an id, such as change.`event_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// One name or a list of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    pub(super) fn list(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

domain::text_enum! {
    /// What happens when a person did not agree.
    pub enum Otherwise {
        /// The run ends as skipped.
        End = "end",
        /// The run fails.
        Fail = "fail",
        /// The next step is taken and may look at `decision`.
        Continue = "continue",
    }
}

/// What a person is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveRule {
    /// The question, as a sentence.
    pub title: String,
    /// What they decide about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show: Option<Value>,
    /// How long they have; 3d when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Span>,
    /// What happens when they say no; end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_reject: Option<Otherwise>,
    /// What happens when nobody decides in time; end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_expire: Option<Otherwise>,
}

/// Steps for each item of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EachRule {
    /// The list: people.items.
    #[serde(rename = "in")]
    pub list: String,
    /// What an item is called in the steps; `index` is its place, from 0.
    #[serde(rename = "as")]
    pub name: String,
    /// More items than this are refused; 200 when absent, at most 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub at_most: Option<u16>,
    /// What is done for each.
    pub steps: Vec<StepRule>,
}

domain::text_enum! {
    /// How a run ends.
    pub enum EndStatus {
        /// All was done.
        Done = "done",
        /// It was not wanted after all.
        Skipped = "skipped",
        /// It cannot go on.
        Failed = "failed",
    }
}

/// An end before the last step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndRule {
    /// How.
    pub status: EndStatus,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a calling workflow gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

domain::text_enum! {
    /// How a system outside is called.
    pub enum Method {
        /// Reads.
        Get = "GET",
        /// Adds.
        Post = "POST",
        /// Replaces.
        Put = "PUT",
        /// Changes.
        Patch = "PATCH",
        /// Takes away.
        Delete = "DELETE",
    }
}

/// A call to a system outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpRule {
    /// How; POST when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Where; the settings must allow the host.
    pub url: String,
    /// Sent as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// How often a step is tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryRule {
    /// Tries in all.
    #[schemars(range(min = 1, max = 50))]
    pub tries: u32,
    /// Before the second try, doubled for each further one; 2s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Span>,
    /// Never longer than this; 15m when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Span>,
}
