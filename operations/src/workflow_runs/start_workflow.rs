//! `start_workflow`: a run by hand.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, Permission, context::Mode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::StoreError;

use super::{
    begin::{Start, begin},
    model::{RunStatus, WorkflowRun},
};
use crate::{
    App, Effect, Operation,
    workflows::{self, StepError, WorkflowLookupError},
};

/// Start a run of a workflow by hand, in the version that is on. `get_workflow` shows its params; `get_workflow_run` how
/// the run goes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct StartWorkflow {
    /// Its name.
    pub workflow: String,
    /// What it asks for, by name.
    #[serde(default)]
    pub params: Map<String, Value>,
}

/// A run that was started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StartedRun {
    /// The run.
    pub run: WorkflowRun,
    /// What follows, as a sentence.
    pub next: String,
}

impl Operation for StartWorkflow {
    const NAME: &'static str = "start_workflow";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::WorkflowsWrite;
    type Output = StartedRun;
    type Error = StartWorkflowError;

    async fn run(self, app: &App, cx: &Cx) -> Result<StartedRun, StartWorkflowError> {
        let mut tx = app.store().write(cx).await?;
        let found = workflows::version(tx.conn(), &self.workflow, None).await?;
        // What nobody has approved does not run, by hand or otherwise.
        let Some(version) = found.stored.enabled_version else {
            return Err(StartWorkflowError::NotEnabled(found.stored.name));
        };
        let params = found
            .definition
            .params()
            .check(&self.params)
            .map_err(StartWorkflowError::Params)?;
        let start = Start {
            trigger: json!({"kind": "manual", "by": cx.actor}),
            params,
            idempotency_key: cx
                .idempotency
                .as_ref()
                .map(|key| format!("{}/{}", cx.actor.key(), key.key)),
        };
        let begun = begin::<StartWorkflowError>(tx.conn(), cx, &found, version, start).await?;
        let seen = begun.run.seen();
        let next = match seen.status {
            RunStatus::Skipped => {
                "Another run of the same key is alive, so this one was left out.".to_owned()
            }
            _ if cx.mode == Mode::DryRun => "It would start at once.".to_owned(),
            _ => format!(
                "It starts at once; see how it goes with get_workflow_run {}.",
                seen.id
            ),
        };
        let answer = StartedRun { run: seen, next };
        Ok(match begun.change {
            Some(change) => tx.commit(change, answer).await?,
            None => tx.unchanged(answer).await?,
        })
    }
}

/// How `start_workflow` refuses.
#[derive(Debug, thiserror::Error)]
pub enum StartWorkflowError {
    /// Nobody has switched it on.
    #[error("the workflow {0:?} is not on")]
    NotEnabled(String),
    /// A parameter does not fit.
    #[error("{0}")]
    Params(String),
    /// What keeps its runs apart could not be computed.
    #[error("its concurrency key cannot be computed: {}", .0.message)]
    Key(StepError),
    /// It was not found.
    #[error(transparent)]
    Lookup(#[from] WorkflowLookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(super) const NOT_ENABLED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "workflow_not_enabled",
    "Switch it on with enable_workflow; dry_run_workflow tries it without.",
);
pub(super) const KEY: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "concurrency_key_failed",
    "Give params that its key needs, or change the key in the definition.",
);

impl Fault for StartWorkflowError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![NOT_ENABLED, workflows::PARAMS_WRONG, KEY];
        specs.extend(WorkflowLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NotEnabled(_) => NOT_ENABLED.into(),
            Self::Params(_) => workflows::PARAMS_WRONG.at("params"),
            Self::Key(_) => KEY.into(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<StepError> for StartWorkflowError {
    fn from(error: StepError) -> Self {
        Self::Key(error)
    }
}

impl From<sqlx::Error> for StartWorkflowError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused},
        workflows::{EnableWorkflow, SaveWorkflow},
    };
    use domain::WorkflowRunId;

    pub(crate) const GREET: &str = "id: greet\ntitle: Greet\non: [{manual: {params: {name: {type: string, required: true}}}}]\nsteps:\n  - {id: hello, set: {text: \"Hello {{ params.name }}\"}}\n  - {id: call, http: {url: \"https://example.org\"}}\n";

    pub(crate) async fn enabled(scene: &Scene) {
        scene
            .run(SaveWorkflow {
                yaml: GREET.to_owned(),
            })
            .await
            .unwrap();
        scene
            .run(EnableWorkflow {
                workflow: "greet".to_owned(),
                version: None,
            })
            .await
            .unwrap();
    }

    pub(crate) fn start() -> StartWorkflow {
        StartWorkflow {
            workflow: "greet".to_owned(),
            params: json!({"name": "Ada"}).as_object().cloned().unwrap(),
        }
    }

    /// A queued run of `greet`.
    pub(crate) async fn started(scene: &Scene) -> WorkflowRunId {
        enabled(scene).await;
        scene.run(start()).await.unwrap().run.id
    }

    pub(crate) use crate::workflow_runs::sql::fixture::{in_state, with_steps};

    #[tokio::test]
    async fn queues_a_run_of_the_version_that_is_on() {
        let scene = Scene::new().await;
        enabled(&scene).await;
        let run = scene.run(start()).await.unwrap();
        assert_eq!(
            (run.run.status, run.run.version, run.run.started_by.as_str()),
            (RunStatus::Queued, 1, "manual")
        );
        assert_eq!(run.run.wake_at, Some(scene.cx.now));
        assert_eq!(
            scene.changes().await.last().unwrap().kind,
            "workflow_run.started"
        );
    }

    #[tokio::test]
    async fn refuses_what_is_off_unknown_or_wrong() {
        let scene = Scene::new().await;
        assert_refused(scene.run(start()).await, "workflow_not_found");
        scene
            .run(SaveWorkflow {
                yaml: GREET.to_owned(),
            })
            .await
            .unwrap();
        assert_refused(scene.run(start()).await, "workflow_not_enabled");
        enabled(&scene).await;
        let empty = StartWorkflow {
            params: Map::new(),
            ..start()
        };
        assert_refused(scene.run(empty).await, "params_wrong");
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, start()).await, "workflow_not_found");
        let keyed = GREET.replace("steps:", "concurrency: {key: params.name.first}\nsteps:");
        scene.run(SaveWorkflow { yaml: keyed }).await.unwrap();
        enabled_newest(&scene).await;
        assert_refused(scene.run(start()).await, "concurrency_key_failed");
    }

    async fn enabled_newest(scene: &Scene) {
        scene
            .run(EnableWorkflow {
                workflow: "greet".to_owned(),
                version: None,
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        enabled(&scene).await;
        scene.assert_idempotent(start()).await;
    }
}
