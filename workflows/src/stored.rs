//! The workflows of the database: what organizations have saved and switched on, for the engine.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::{OrganizationId, Timestamp};
use operations::{
    App,
    organizations::Organization,
    workflows::{self, Definition, Enabled, Kept, Program, Start, StepError, Trigger},
};
use serde_json::{Value, json};
use store::{
    StoreError,
    runs::{FeedChange, Run},
};

use crate::definitions::{Beginning, Called, Definitions, Reply, Schedule};

/// How old what a run is told of its organization may be.
const FRESH: Duration = Duration::from_secs(2);

/// How many organizations are remembered.
const REMEMBERED: usize = 2_000;

/// The workflows of a database.
pub struct StoredDefinitions {
    app: App,
    kept: Kept,
    organizations: Mutex<HashMap<OrganizationId, (Instant, Organization)>>,
}

impl StoredDefinitions {
    /// The workflows that an app sees.
    pub fn new(app: App) -> Self {
        Self {
            app,
            kept: Kept::default(),
            organizations: Mutex::default(),
        }
    }

    async fn definition(&self, run: &Run) -> Result<Definition, StepError> {
        let (organization_id, workflow) = (run.lease.organization_id, &run.workflow);
        let found = self
            .kept
            .definition(&self.app, organization_id, workflow, run.version);
        let found = found.await.map_err(unavailable)?;
        found.ok_or_else(|| missing(workflow))
    }

    async fn organization(&self, id: OrganizationId) -> Result<Organization, StepError> {
        let remembered = || {
            self.organizations
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let kept = remembered().get(&id).cloned();
        if let Some((_, organization)) = kept.filter(|(read_at, _)| read_at.elapsed() < FRESH) {
            return Ok(organization);
        }
        let read_at = Instant::now();
        let found = workflows::organization(&self.app, id).await;
        let found = found.map_err(unavailable)?;
        let mut kept = remembered();
        if kept.len() >= REMEMBERED {
            kept.clear();
        }
        kept.insert(id, (read_at, found.clone()));
        Ok(found)
    }
}

impl Definitions for StoredDefinitions {
    fn program<'a>(&'a self, run: &'a Run) -> Reply<'a, Box<dyn Program>> {
        Box::pin(async move {
            let definition = self.definition(run).await?;
            let start = Start {
                run_id: run.lease.run_id.to_string(),
                organization: self.organization(run.lease.organization_id).await?,
                trigger: run.trigger.clone(),
                params: run.params.clone(),
                variables: run.variables.clone(),
                started_at: run.started_at,
            };
            Ok(Box::new(definition.machine(start)) as Box<dyn Program>)
        })
    }

    fn begun_by<'a>(&'a self, changes: &'a [FeedChange]) -> Reply<'a, Vec<Beginning>> {
        Box::pin(async move {
            let mut kinds: Vec<String> = changes.iter().map(|change| change.kind.clone()).collect();
            kinds.sort_unstable();
            kinds.dedup();
            let enabled = self.kept.started_by(&self.app, &kinds).await;
            let enabled = enabled.map_err(unavailable)?;
            let mut beginnings = Vec::new();
            for (index, change) in changes.iter().enumerate() {
                let own = enabled
                    .iter()
                    .filter(|workflow| workflow.organization_id == change.organization_id)
                    .filter(|workflow| change.at >= workflow.enabled_at);
                beginnings.extend(own.filter_map(|workflow| beginning(index, change, workflow)));
            }
            Ok(beginnings)
        })
    }

    fn schedules(&self) -> Reply<'_, Vec<Schedule>> {
        Box::pin(async move {
            let enabled = self.kept.scheduled(&self.app).await.map_err(unavailable)?;
            Ok(enabled.iter().flat_map(schedules_of).collect())
        })
    }

    fn called<'a>(&'a self, organization: OrganizationId, workflow: &'a str) -> Reply<'a, Called> {
        Box::pin(async move {
            let found = workflows::load(&self.app, organization, workflow, None).await;
            let Some((version, definition)) = found.map_err(unavailable)? else {
                return Err(missing(workflow));
            };
            Ok(Called {
                version,
                title: definition.title().to_owned(),
            })
        })
    }
}

/// The run that a change starts, if the workflow wants it. A condition that cannot be computed starts nothing: it
/// would hold up everybody else's.
fn beginning(index: usize, change: &FeedChange, workflow: &Enabled) -> Option<Beginning> {
    let accepts = |trigger: &Trigger| match trigger.accepts(&change.kind, &change.payload) {
        Ok(accepts) => accepts,
        Err(error) => {
            tracing::warn!(
                workflow.name = workflow.name,
                change.kind,
                error.code,
                "A workflow's condition could not be computed"
            );
            false
        }
    };
    workflow
        .definition
        .triggers()
        .iter()
        .find(|trigger| accepts(trigger))?;
    let trigger = json!({"payload": change.payload});
    let concurrency = match workflow.definition.concurrency(&trigger, &Value::Null) {
        Ok(concurrency) => concurrency,
        Err(error) => {
            tracing::warn!(
                workflow.name = workflow.name,
                error.code,
                "A workflow's concurrency key could not be computed"
            );
            return None;
        }
    };
    Some(Beginning {
        change: index,
        workflow: workflow.name.clone(),
        version: workflow.version,
        title: workflow.definition.title().to_owned(),
        params: json!({}),
        concurrency: concurrency.map(Into::into),
        on_behalf_of: workflow.enabled_by,
    })
}

/// What of a workflow the clock starts. Ticks have a key of their own, so none needs a concurrency key.
fn schedules_of(workflow: &Enabled) -> Vec<Schedule> {
    let triggers = workflow.definition.triggers().iter().enumerate();
    let schedules = triggers.filter_map(|(number, trigger)| {
        let Trigger::Cron { schedule } = trigger else {
            return None;
        };
        let schedule = schedule.in_zone(&workflow.zone);
        Some(Schedule {
            organization_id: workflow.organization_id,
            workflow: workflow.name.clone(),
            version: workflow.version,
            trigger: i16::try_from(number).ok()?,
            title: workflow.definition.title().to_owned(),
            concurrency: None,
            on_behalf_of: workflow.enabled_by,
            since: workflow.enabled_at,
            due: Arc::new(move |last: Timestamp, now: Timestamp| schedule.due(last, now)),
        })
    });
    schedules.collect()
}

fn missing(workflow: &str) -> StepError {
    StepError {
        code: "workflow_not_found".to_owned(),
        message: format!("There is no workflow {workflow:?} in this version, or it is not on."),
        is_transient: false,
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "for `map_err`, which passes by value"
)]
fn unavailable(error: StoreError) -> StepError {
    tracing::warn!(%error, "The workflows could not be read");
    StepError {
        code: "unavailable".to_owned(),
        message: "The database did not answer.".to_owned(),
        is_transient: true,
    }
}
