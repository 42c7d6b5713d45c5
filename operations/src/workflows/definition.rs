//! A definition: what people wrote, checked, ready to be run.

use std::sync::Arc;

use domain::{Timestamp, Zone};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    check,
    document::Document,
    expression::Scope,
    machine::{Machine, Start, change_of},
    plan::{Concurrency, Params, Plan, Trigger},
    problem::Problem,
    program::StepError,
};

/// A time at which the clock starts a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextStart {
    /// When.
    pub at: Timestamp,
    /// What the clock there shows.
    pub local: String,
}

/// A workflow's definition without a known mistake.
#[derive(Debug, Clone)]
pub struct Definition {
    plan: Arc<Plan>,
}

impl Definition {
    /// Reads and checks YAML; otherwise everything that is wrong with it, in the order of its lines.
    pub fn parse(yaml: &str) -> Result<Self, Vec<Problem>> {
        let plan = Arc::new(check::check(yaml)?);
        Ok(Self { plan })
    }

    /// The name within the organization.
    pub fn name(&self) -> &str {
        &self.plan.document.id
    }

    /// What it does, in a few words.
    pub fn title(&self) -> &str {
        &self.plan.document.title
    }

    /// What it does and why.
    pub fn description(&self) -> Option<&str> {
        self.plan.document.description.as_deref()
    }

    /// The document as it was written, without comments.
    pub fn document(&self) -> &Document {
        &self.plan.document
    }

    /// What starts it; may be nothing.
    pub fn triggers(&self) -> &[Trigger] {
        &self.plan.triggers
    }

    /// What is asked for when it is started by hand or called.
    pub fn params(&self) -> Params {
        self.plan.params()
    }

    /// The key that keeps this start apart from others, if the definition has one. `trigger` is what starts it.
    pub fn concurrency(
        &self,
        trigger: &Value,
        params: &Value,
    ) -> Result<Option<Concurrency>, StepError> {
        let Some((key, on_conflict)) = &self.plan.concurrency else {
            return Ok(None);
        };
        let change = change_of(trigger);
        let variables = [
            ("trigger", trigger.clone()),
            ("change", change),
            ("params", params.clone()),
        ];
        let scope = Scope {
            variables: Map::from_iter(variables.map(|(name, value)| (name.to_owned(), value))),
            now: Timestamp::from_microseconds(0),
            zone: Zone::utc(),
        };
        let key = match key.value(&scope)? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(Some(Concurrency {
            key: key.chars().take(300).collect(),
            on_conflict: *on_conflict,
        }))
    }

    /// The next times at which the clock starts it, with what the clock shows there.
    pub fn next_starts(&self, after: Timestamp, home: &Zone, count: usize) -> Vec<NextStart> {
        let schedules = self.triggers().iter().filter_map(|trigger| match trigger {
            Trigger::Cron { schedule } => Some(schedule.in_zone(home)),
            _ => None,
        });
        let mut all: Vec<NextStart> = schedules
            .flat_map(|schedule| {
                let zone = schedule.zone().unwrap_or(home).clone();
                let next = schedule.next(after, count);
                next.into_iter().map(move |at| NextStart {
                    at,
                    local: format!("{} ({})", at.in_zone(&zone).readable(), zone.city()),
                })
            })
            .collect();
        all.sort_by_key(|start| start.at);
        all.truncate(count);
        all
    }

    /// A run of it.
    pub fn machine(&self, start: Start) -> Machine {
        Machine::new(Arc::clone(&self.plan), start)
    }

    /// The steps as an outline for people, a line for each.
    pub fn outline(&self) -> Vec<String> {
        self.plan.outline()
    }
}

/// The JSON Schema of definitions, for editors and models.
pub fn json_schema() -> Value {
    let settings = SchemaSettings::draft2020_12();
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<Document>()
        .to_value();
    schema["title"] = "EventOS workflow".into();
    schema
}
