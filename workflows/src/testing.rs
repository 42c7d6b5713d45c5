//! Programs for tests: lists of steps as JSON, given to a run as its parameters or by name and version.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use domain::{OrganizationId, Permissions, Timestamp};
use operations::{
    permission::needed_by_step,
    workflows::{Action, Awaited, End, Next, Program, Retry, Step, StepError},
};
use serde::Deserialize;
use serde_json::{Value, json};
use store::runs::{FeedChange, Run};

use crate::definitions::{Beginning, Called, Definitions, Reply, Schedule};

/// One step of a script.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Do {
    Operation {
        name: String,
        input: Value,
    },
    Wait {
        until: Option<Timestamp>,
        kind: Option<String>,
        about: Option<uuid::Uuid>,
    },
    Approve {
        title: String,
        expires_at: Timestamp,
    },
    Http {
        url: String,
    },
    Call {
        workflow: String,
        params: Value,
    },
    Emit {
        name: String,
    },
    Agent {
        agent: String,
    },
    Keep {
        value: Value,
    },
    Panic,
}

#[derive(Debug, Clone, Deserialize)]
struct Line {
    path: String,
    #[serde(flatten)]
    what: Do,
    #[serde(default)]
    goes_on: bool,
}

/// A program that does one step after the other. Its output is the outputs of all.
pub struct Script {
    lines: Vec<Line>,
    done: HashMap<String, Result<Value, StepError>>,
    retry: Retry,
}

impl Script {
    /// Reads `[{"path": .., "do": .., ..}, ..]`.
    pub fn read(lines: &Value) -> Result<Self, StepError> {
        let lines = Vec::<Line>::deserialize(lines).map_err(|error| StepError {
            code: "script".to_owned(),
            message: error.to_string(),
            is_transient: false,
        })?;
        Ok(Self {
            lines,
            done: HashMap::new(),
            retry: Retry {
                tries: 3,
                backoff: Duration::from_millis(20),
                cap: Duration::from_millis(100),
            },
        })
    }
}

impl Program for Script {
    fn record(&mut self, path: &str, output: Value) {
        self.done.insert(path.to_owned(), Ok(output));
    }

    fn record_failure(&mut self, path: &str, error: &StepError) {
        self.done.insert(path.to_owned(), Err(error.clone()));
    }

    fn needs(&self) -> Permissions {
        let needed = self.lines.iter().map(|line| match &line.what {
            Do::Operation { name, .. } => needed_by_step(name),
            _ => Permissions::NONE,
        });
        needed.flat_map(Permissions::iter).collect()
    }

    fn next(&self, _now: Timestamp) -> Result<Next, StepError> {
        let mut outputs = serde_json::Map::new();
        for line in &self.lines {
            match self.done.get(&line.path) {
                Some(Ok(output)) => {
                    outputs.insert(line.path.clone(), output.clone());
                }
                Some(Err(error)) if line.goes_on => {
                    outputs.insert(line.path.clone(), json!({"failed": error.code}));
                }
                Some(Err(error)) => return Ok(Next::End(End::Failed(error.clone()))),
                None => {
                    return Ok(Next::Do(Step {
                        path: line.path.clone(),
                        action: action(&line.what),
                        retry: self.retry,
                    }));
                }
            }
        }
        Ok(Next::End(End::Done(Value::Object(outputs))))
    }
}

fn action(what: &Do) -> Action {
    match what.clone() {
        Do::Operation { name, input } => Action::Operation { name, input },
        Do::Wait { until, kind, about } => Action::Wait {
            until,
            changes: kind
                .map(|kind| Awaited { kind, about })
                .into_iter()
                .collect(),
        },
        Do::Approve { title, expires_at } => Action::Approve {
            title,
            show: Value::Null,
            expires_at,
        },
        Do::Http { url } => Action::Http {
            method: "POST".to_owned(),
            url,
            body: Some(json!({"a": 1})),
        },
        Do::Call { workflow, params } => Action::Call { workflow, params },
        Do::Emit { name } => Action::Emit {
            name,
            payload: json!({}),
        },
        Do::Agent { agent } => Action::Agent {
            agent,
            input: Value::Null,
            output: json!({}),
            budget_micro_usd: 0,
        },
        Do::Keep { value } => Action::Keep { value },
        Do::Panic => panic!("a script said so"),
    }
}

/// Scripts as definitions. A run without a script in its parameters takes the one of its name and version.
#[derive(Default)]
pub struct Scripts {
    /// By name and version.
    pub versions: Mutex<HashMap<(String, i32), Value>>,
    /// Workflows (at version 1) by the kind of change that starts them.
    pub triggers: Mutex<HashMap<String, String>>,
    /// What starts by the clock.
    pub schedules: Mutex<Vec<Schedule>>,
}

impl Scripts {
    fn newest(&self, workflow: &str) -> i32 {
        let versions = self.versions.lock().expect("no test panics here");
        let of_it = versions.keys().filter(|(name, _)| name == workflow);
        of_it.map(|(_, version)| *version).max().unwrap_or(1)
    }
}

impl Definitions for Scripts {
    fn program<'a>(&'a self, run: &'a Run) -> Reply<'a, Box<dyn Program>> {
        let versions = self.versions.lock().expect("no test panics here");
        let kept = versions.get(&(run.workflow.clone(), run.version)).cloned();
        let lines = kept.unwrap_or_else(|| run.params["script"].clone());
        Box::pin(async move { Ok(Box::new(Script::read(&lines)?) as Box<dyn Program>) })
    }

    fn begun_by<'a>(&'a self, changes: &'a [FeedChange]) -> Reply<'a, Vec<Beginning>> {
        let triggers = self.triggers.lock().expect("no test panics here");
        let begun = changes.iter().enumerate().filter_map(|(change, seen)| {
            let workflow = triggers.get(&seen.kind)?.clone();
            Some(Beginning {
                change,
                version: self.newest(&workflow),
                title: workflow.clone(),
                workflow,
                params: json!({}),
                concurrency: None,
                on_behalf_of: None,
            })
        });
        let begun = begun.collect();
        Box::pin(async move { Ok(begun) })
    }

    fn schedules(&self) -> Reply<'_, Vec<Schedule>> {
        let schedules = self.schedules.lock().expect("no test panics here").clone();
        Box::pin(async move { Ok(schedules) })
    }

    fn called<'a>(&'a self, _: OrganizationId, workflow: &'a str) -> Reply<'a, Called> {
        let called = Called {
            version: self.newest(workflow),
            title: workflow.to_owned(),
        };
        Box::pin(async move { Ok(called) })
    }
}
