//! The workflows that organizations have stored, as the engine asks for them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use domain::OrganizationId;
use operations::{
    App,
    workflows::{self, Definition, Enabled, OnConflict, Program, Start, StepError, Trigger},
};
use serde_json::{Value, json};
use store::{
    StoreError,
    runs::{self, FeedChange, Run},
};

use crate::definitions::{Beginning, Called, Definitions, Reply, Schedule};

/// Definitions kept at most; beyond it the memory is emptied, which costs each one query.
const CAPACITY: usize = 1_000;

/// Versions by organization and name. They never change, so what is remembered stays right.
type Known = HashMap<(OrganizationId, String, i32), Definition>;

/// Definitions from the database.
#[derive(Clone)]
pub struct StoredDefinitions {
    app: App,
    known: Arc<Mutex<Known>>,
}

impl StoredDefinitions {
    /// Definitions that nobody has asked for yet.
    pub fn new(app: App) -> Self {
        Self {
            app,
            known: Arc::default(),
        }
    }

    async fn version(
        &self,
        organization: OrganizationId,
        workflow: &str,
        version: i32,
    ) -> Result<Definition, StepError> {
        let key = (organization, workflow.to_owned(), version);
        let known = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        if let Some(definition) = known {
            return Ok(definition);
        }
        let found = workflows::load(&self.app, organization, workflow, Some(version)).await;
        let (_, definition) = found.map_err(away)?.ok_or_else(|| missing(workflow))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CAPACITY {
            known.clear();
        }
        known.insert(key, definition.clone());
        Ok(definition)
    }
}

impl Definitions for StoredDefinitions {
    fn program<'a>(&'a self, run: &'a Run) -> Reply<'a, Box<dyn Program>> {
        Box::pin(async move {
            let organization_id = run.lease.organization_id;
            let definition = self
                .version(organization_id, &run.workflow, run.version)
                .await?;
            let organization = workflows::facts(&self.app, organization_id)
                .await
                .map_err(away)?;
            let machine = definition.machine(Start {
                run_id: run.lease.run_id.to_string(),
                organization,
                trigger: run.trigger.clone(),
                params: run.params.clone(),
                variables: run.variables.clone(),
                started_at: run.started_at,
            });
            Ok(Box::new(machine) as Box<dyn Program>)
        })
    }

    fn begun_by<'a>(&'a self, changes: &'a [FeedChange]) -> Reply<'a, Vec<Beginning>> {
        Box::pin(async move {
            let mut kinds: Vec<String> = changes.iter().map(|change| change.kind.clone()).collect();
            kinds.sort_unstable();
            kinds.dedup();
            let enabled = workflows::started_by(&self.app, &kinds)
                .await
                .map_err(away)?;
            let mut beginnings = Vec::new();
            for (place, change) in changes.iter().enumerate() {
                let own = enabled.iter().filter(|e| {
                    e.organization_id == change.organization_id && e.enabled_at <= change.at
                });
                beginnings.extend(own.filter_map(|enabled| beginning(enabled, place, change)));
            }
            Ok(beginnings)
        })
    }

    fn schedules(&self) -> Reply<'_, Vec<Schedule>> {
        Box::pin(async move {
            let enabled = workflows::scheduled(&self.app).await.map_err(away)?;
            Ok(enabled.iter().flat_map(schedules).collect())
        })
    }

    fn called<'a>(&'a self, organization: OrganizationId, workflow: &'a str) -> Reply<'a, Called> {
        Box::pin(async move {
            let found = workflows::load(&self.app, organization, workflow, None)
                .await
                .map_err(away)?;
            let (version, definition) = found.ok_or_else(|| missing(workflow))?;
            Ok(Called {
                version,
                title: definition.title().to_owned(),
            })
        })
    }
}

/// The run that a change starts, if a condition holds. One that cannot be computed starts nothing and is told.
fn beginning(enabled: &Enabled, place: usize, change: &FeedChange) -> Option<Beginning> {
    let accepts = |trigger: &Trigger| match trigger.accepts(&change.kind, &change.payload) {
        Ok(accepts) => accepts,
        Err(error) => {
            tracing::warn!(
                workflow = enabled.name,
                error = error.message,
                "A start's condition failed"
            );
            false
        }
    };
    enabled
        .definition
        .triggers()
        .iter()
        .any(accepts)
        .then(|| Beginning {
            change: place,
            workflow: enabled.name.clone(),
            version: enabled.version,
            title: enabled.definition.title().to_owned(),
            params: json!({}),
            concurrency: concurrency(
                enabled,
                &json!({"kind": "change", "change": change.kind, "payload": change.payload}),
            ),
            on_behalf_of: enabled.enabled_by,
        })
}

fn schedules(enabled: &Enabled) -> Vec<Schedule> {
    let of = |(number, trigger): (usize, &Trigger)| {
        let Trigger::Cron { schedule } = trigger else {
            return None;
        };
        let schedule = schedule.in_zone(&enabled.zone);
        Some(Schedule {
            organization_id: enabled.organization_id,
            workflow: enabled.name.clone(),
            version: enabled.version,
            trigger: i16::try_from(number).unwrap_or(i16::MAX),
            title: enabled.definition.title().to_owned(),
            concurrency: concurrency(enabled, &json!({"kind": "cron"})),
            on_behalf_of: enabled.enabled_by,
            since: enabled.enabled_at,
            due: Arc::new(move |last, now| schedule.due(last, now)),
        })
    };
    enabled
        .definition
        .triggers()
        .iter()
        .enumerate()
        .filter_map(of)
        .collect()
}

/// What the run may not run beside. A key that cannot be computed keeps nothing apart, and is told.
fn concurrency(enabled: &Enabled, trigger: &Value) -> Option<runs::Concurrency> {
    match enabled.definition.concurrency(trigger, &json!({})) {
        Ok(concurrency) => concurrency.map(|concurrency| runs::Concurrency {
            key: concurrency.key,
            on_conflict: match concurrency.on_conflict {
                OnConflict::Queue => runs::OnConflict::Queue,
                OnConflict::Skip => runs::OnConflict::Skip,
                OnConflict::Replace => runs::OnConflict::Replace,
            },
        }),
        Err(error) => {
            tracing::warn!(
                workflow = enabled.name,
                error = error.message,
                "A concurrency key failed"
            );
            None
        }
    }
}

fn missing(workflow: &str) -> StepError {
    StepError {
        code: "workflow_not_found".to_owned(),
        message: format!("There is no workflow {workflow:?} in this version, or it is not on."),
        is_transient: false,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn away(error: StoreError) -> StepError {
    StepError {
        code: "store_unavailable".to_owned(),
        message: error.to_string(),
        is_transient: true,
    }
}
