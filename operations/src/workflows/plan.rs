//! A definition after it was checked: expressions read, names known, nothing left to doubt but the data.

use std::collections::BTreeMap;

use domain::{Permissions, Zone};
use serde_json::{Map, Value};

use super::{
    document::{Document, EndStatus, OnConflict, OnError, Otherwise, Param, ParamType},
    duration::Span,
    expression::{Expression, Scope},
    problem::{did_you_mean, kind},
    program::{Retry, StepError},
    schedule::Schedule,
    template::Template,
};
use crate::permission::needed_by_step;

/// A definition that can be run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) document: Document,
    pub(super) triggers: Vec<Trigger>,
    pub(super) concurrency: Option<(Expression, OnConflict)>,
    pub(super) deadline: Span,
    pub(super) steps: Vec<StepPlan>,
    pub(super) on_failure: Vec<StepPlan>,
}

/// What starts a workflow.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a workflow has a handful of them"
)]
pub enum Trigger {
    /// A change of a kind, if the condition holds.
    Change {
        /// The kind, such as `order.paid`.
        kind: String,
        /// What must hold of it.
        condition: Option<Expression>,
    },
    /// The clock.
    Cron {
        /// When.
        schedule: Schedule,
    },
    /// A person, or another workflow.
    Manual {
        /// What is asked for.
        params: Params,
    },
    /// A signed request from outside.
    Webhook,
}

impl Trigger {
    /// What starts it, in words: `when order.paid`, `at 0 9 * * MON (Europe/Berlin)`, `by hand`.
    pub fn describe(&self, home: &Zone) -> String {
        match self {
            Self::Change {
                kind,
                condition: None,
            } => format!("when {kind}"),
            Self::Change {
                kind,
                condition: Some(condition),
            } => format!("when {kind} if {condition:?}"),
            Self::Cron { schedule } => {
                let zone = schedule.zone().unwrap_or(home);
                format!("at {} ({zone})", schedule.pattern())
            }
            Self::Manual { .. } => "by hand".to_owned(),
            Self::Webhook => "by a signed request".to_owned(),
        }
    }

    /// Whether a change of this kind with this payload starts the workflow.
    pub fn accepts(&self, change_kind: &str, payload: &Value) -> Result<bool, StepError> {
        let Self::Change { kind, condition } = self else {
            return Ok(false);
        };
        let Some(condition) = condition.as_ref().filter(|_| kind == change_kind) else {
            return Ok(kind == change_kind);
        };
        let scope = Scope {
            variables: Map::from_iter([("change".to_owned(), payload.clone())]),
            now: domain::Timestamp::from_microseconds(0),
            zone: Zone::utc(),
        };
        condition.truth(&scope)
    }
}

/// What a workflow asks for when it is started by hand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params(pub(super) BTreeMap<String, Param>);

impl Params {
    /// The parameters by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Param)> {
        self.0.iter().map(|(name, param)| (name.as_str(), param))
    }

    /// What was given, with what was left out filled in; the error is a sentence that names the parameter.
    pub fn check(&self, given: &Map<String, Value>) -> Result<Value, String> {
        if let Some(unknown) = given.keys().find(|name| !self.0.contains_key(*name)) {
            let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
            let known = if known.is_empty() {
                "this workflow has none".to_owned()
            } else {
                format!("known: {}", known.join(", "))
            };
            let near = did_you_mean(unknown, self.0.keys().map(String::as_str));
            return Err(
                format!("there is no parameter `{unknown}` ({known}). {near}")
                    .trim_end()
                    .to_owned(),
            );
        }
        let mut checked = Map::new();
        for (name, param) in &self.0 {
            let value = given.get(name).filter(|value| !value.is_null());
            let value = match (value, &param.default) {
                (Some(value), _) if !param.kind.fits(value) => {
                    return Err(format!(
                        "the parameter `{name}` is {}, not {}",
                        kind(value),
                        param.kind
                    ));
                }
                (Some(value), _) => value.clone(),
                (None, Some(default)) => default.clone(),
                (None, None) if param.required => {
                    let what = param.description.as_deref().unwrap_or(param.kind.as_str());
                    return Err(format!("the parameter `{name}` is missing ({what})"));
                }
                (None, None) => Value::Null,
            };
            checked.insert(name.clone(), value);
        }
        Ok(Value::Object(checked))
    }
}

impl ParamType {
    pub(super) fn fits(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

/// At most one run at a time for this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concurrency {
    /// What tells runs apart.
    pub key: String,
    /// What happens to a start while another run has the same key.
    pub on_conflict: OnConflict,
}

impl From<Concurrency> for store::runs::Concurrency {
    fn from(concurrency: Concurrency) -> Self {
        Self {
            key: concurrency.key,
            on_conflict: match concurrency.on_conflict {
                OnConflict::Queue => store::runs::OnConflict::Queue,
                OnConflict::Skip => store::runs::OnConflict::Skip,
                OnConflict::Replace => store::runs::OnConflict::Replace,
            },
        }
    }
}

/// A step that can be run.
#[derive(Debug)]
pub(super) struct StepPlan {
    pub(super) id: String,
    pub(super) when: Option<Expression>,
    pub(super) act: Act,
    pub(super) retry: Retry,
    pub(super) on_error: OnError,
}

/// What a step does.
#[derive(Debug)]
pub(super) enum Act {
    Operation {
        name: String,
        with: Template,
    },
    Wait {
        until: Option<Expression>,
        length: Option<Span>,
        changes: Vec<String>,
        about: Option<Expression>,
    },
    Approve {
        title: Template,
        show: Template,
        expires: Span,
        on_reject: Otherwise,
        on_expire: Otherwise,
    },
    Each {
        list: Expression,
        name: String,
        at_most: u16,
        steps: Vec<StepPlan>,
    },
    Set(Template),
    End {
        status: EndStatus,
        reason: Template,
        output: Template,
    },
    Emit {
        name: String,
        with: Template,
    },
    Call {
        workflow: String,
        with: Template,
    },
    Http {
        method: String,
        url: Template,
        body: Option<Template>,
    },
    Agent {
        agent: String,
        with: Template,
        output: Value,
        budget_micro_usd: i64,
    },
}

impl Act {
    /// The step in a few words, for people who look over a plan.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Operation { name, .. } => name.replace('_', " "),
            Self::Wait {
                until,
                length,
                changes,
                ..
            } => {
                let mut parts = Vec::new();
                parts.extend(until.as_ref().map(|until| format!("until {until:?}")));
                parts.extend(length.map(|length| format!("for {length}")));
                parts
                    .extend((!changes.is_empty()).then(|| format!("for {}", changes.join(" or "))));
                format!("wait {}", parts.join(" or "))
            }
            Self::Approve { title, expires, .. } => {
                format!("ask a person within {expires}: {}", plain(title))
            }
            Self::Each { list, at_most, .. } => format!("for each of {list:?} (at most {at_most})"),
            Self::Set(values) => {
                let names = values.source().as_object();
                let names: Vec<&str> = names
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| name.as_str())
                    .collect();
                format!("compute {}", names.join(", "))
            }
            Self::End { status, .. } => format!("end as {status}"),
            Self::Emit { name, .. } => format!("emit {name}"),
            Self::Call { workflow, .. } => format!("run the workflow {workflow}"),
            Self::Http { method, url, .. } => format!("{method} {}", plain(url)),
            Self::Agent { agent, .. } => format!("ask the agent {agent}"),
        }
    }
}

fn plain(template: &Template) -> &str {
    template.source().as_str().unwrap_or_default()
}

impl Plan {
    /// The parameters of a start by hand.
    pub(super) fn params(&self) -> Params {
        let manual = self.triggers.iter().find_map(|trigger| match trigger {
            Trigger::Manual { params } => Some(params.clone()),
            _ => None,
        });
        manual.unwrap_or_default()
    }

    /// What its steps need, those that may be left out included.
    pub(super) fn needs(&self) -> Permissions {
        let failing = needs(&self.on_failure);
        needs(&self.steps).iter().chain(failing.iter()).collect()
    }

    /// The steps as an outline, a line for each; those of an `each` are indented below it.
    pub(super) fn outline(&self) -> Vec<String> {
        let mut lines = Vec::new();
        outline(&self.steps, "", &mut lines);
        if !self.on_failure.is_empty() {
            lines.push("on failure:".to_owned());
            outline(&self.on_failure, "  ", &mut lines);
        }
        lines
    }
}

fn needs(steps: &[StepPlan]) -> Permissions {
    let needed = steps.iter().map(|step| match &step.act {
        Act::Operation { name, .. } => needed_by_step(name),
        Act::Each { steps, .. } => needs(steps),
        _ => Permissions::NONE,
    });
    needed.flat_map(Permissions::iter).collect()
}

fn outline(steps: &[StepPlan], indent: &str, lines: &mut Vec<String>) {
    for step in steps {
        let when = step.when.as_ref().map(|when| format!(" (if {when:?})"));
        lines.push(format!(
            "{indent}{}: {}{}",
            step.id,
            step.act.describe(),
            when.unwrap_or_default()
        ));
        if let Act::Each { steps, .. } = &step.act {
            outline(steps, &format!("{indent}  "), lines);
        }
    }
}
