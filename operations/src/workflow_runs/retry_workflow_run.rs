//! `retry_workflow_run` and `skip_workflow_step`: going on after something failed.

use domain::{Cx, Permission, WorkflowRunId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::WriteTx;

use super::{
    model::{RunStatus, SteerError, WorkflowRun},
    sql,
    steer::{locked, steered, wrong},
};
use crate::{App, Effect, Operation};

/// Go on with a run that gave up: the failed step is tried again. With `from`, that step and everything begun after it
/// is done again; what steps have changed before stays changed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RetryWorkflowRun {
    /// Its id, run_….
    pub run: WorkflowRunId,
    /// The path of a step to go back to.
    pub from: Option<String>,
}

impl Operation for RetryWorkflowRun {
    const NAME: &'static str = "retry_workflow_run";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::WorkflowsWrite;
    type Output = WorkflowRun;
    type Error = SteerError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WorkflowRun, SteerError> {
        let mut tx = app.store().write(cx).await?;
        let stored = locked(&mut tx, self.run).await?;
        if !matches!(stored.status, RunStatus::Dead | RunStatus::Paused) {
            return Err(wrong(&stored, "dead or paused", "retried"));
        }
        if let Some(from) = &self.from {
            known_step(&mut tx, self.run, from).await?;
        }
        sql::forget_steps(tx.conn(), self.run, self.from.as_deref()).await?;
        sql::forget_waits(tx.conn(), self.run).await?;
        sql::forget_error(tx.conn(), self.run).await?;
        let after =
            sql::set_status(tx.conn(), self.run, RunStatus::Queued, Some(cx.now), None).await?;
        let change = steered(&after, "retried", self.from.unwrap_or_default());
        Ok(tx.commit(change, after.seen()).await?)
    }
}

/// Leave a step of a run out: it answers nothing, and the run goes on behind it. For steps that cannot succeed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SkipWorkflowStep {
    /// The run's id, run_….
    pub run: WorkflowRunId,
    /// The step's path; the one that failed when absent.
    pub step: Option<String>,
}

impl Operation for SkipWorkflowStep {
    const NAME: &'static str = "skip_workflow_step";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::WorkflowsWrite;
    type Output = WorkflowRun;
    type Error = SteerError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WorkflowRun, SteerError> {
        let mut tx = app.store().write(cx).await?;
        let stored = locked(&mut tx, self.run).await?;
        if !matches!(stored.status, RunStatus::Dead | RunStatus::Paused) {
            return Err(wrong(&stored, "dead or paused", "changed"));
        }
        let failed = stored
            .error
            .as_ref()
            .and_then(|error| error["path"].as_str())
            .map(ToOwned::to_owned);
        let path = match (self.step, failed) {
            (Some(path), failed) if failed.as_ref() != Some(&path) => {
                known_step(&mut tx, self.run, &path).await?;
                path
            }
            (Some(path), _) | (None, Some(path)) => path,
            (None, None) => {
                return Err(SteerError::UnknownStep {
                    path: String::new(),
                    known: Vec::new(),
                });
            }
        };
        sql::skip_step(tx.conn(), cx, self.run, &path).await?;
        sql::forget_steps(tx.conn(), self.run, None).await?;
        sql::forget_error(tx.conn(), self.run).await?;
        let after =
            sql::set_status(tx.conn(), self.run, RunStatus::Queued, Some(cx.now), None).await?;
        Ok(tx
            .commit(steered(&after, "skipped", path), after.seen())
            .await?)
    }
}

async fn known_step(
    tx: &mut WriteTx<'_>,
    run: WorkflowRunId,
    path: &str,
) -> Result<(), SteerError> {
    let steps = sql::steps(tx.conn(), run).await?;
    if steps.iter().any(|step| step.path == path) {
        return Ok(());
    }
    let known = steps.into_iter().map(|step| step.path).collect();
    Err(SteerError::UnknownStep {
        path: path.to_owned(),
        known,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused},
        workflow_runs::{
            GetWorkflowRun,
            start_workflow::tests::{in_state, started, with_steps},
        },
    };

    async fn dead(scene: &Scene) -> WorkflowRunId {
        let run = started(scene).await;
        with_steps(scene, run, &[("hello", "done"), ("call", "failed")]).await;
        in_state(scene, run, "dead").await;
        run
    }

    async fn steps(scene: &Scene, run: WorkflowRunId) -> Vec<String> {
        let found = scene.run(GetWorkflowRun { run }).await.unwrap();
        found
            .steps
            .iter()
            .map(|step| format!("{} {}", step.path, step.status))
            .collect()
    }

    #[tokio::test]
    async fn a_retry_forgets_what_failed_and_keeps_what_was_done() {
        let scene = Scene::new().await;
        let run = dead(&scene).await;
        let after = scene
            .run(RetryWorkflowRun { run, from: None })
            .await
            .unwrap();
        assert_eq!(
            (after.status, after.error, after.finished_at),
            (RunStatus::Queued, None, None)
        );
        assert_eq!(steps(&scene, run).await, ["hello done"]);
        in_state(&scene, run, "dead").await;
        scene
            .run(RetryWorkflowRun {
                run,
                from: Some("hello".to_owned()),
            })
            .await
            .unwrap();
        assert!(steps(&scene, run).await.is_empty());
    }

    #[tokio::test]
    async fn a_skipped_step_answers_nothing() {
        let scene = Scene::new().await;
        let run = dead(&scene).await;
        scene
            .run(SkipWorkflowStep { run, step: None })
            .await
            .unwrap();
        assert_eq!(steps(&scene, run).await, ["hello done", "call skipped"]);
        assert_refused(
            scene.run(SkipWorkflowStep { run, step: None }).await,
            "run_state",
        );
    }

    #[tokio::test]
    async fn refuses_what_goes_on_by_itself_and_steps_that_are_not_there() {
        let scene = Scene::new().await;
        let run = started(&scene).await;
        assert_refused(
            scene.run(RetryWorkflowRun { run, from: None }).await,
            "run_state",
        );
        in_state(&scene, run, "dead").await;
        let from = Some("nowhere".to_owned());
        assert_refused(
            scene
                .run(RetryWorkflowRun {
                    run,
                    from: from.clone(),
                })
                .await,
            "step_not_found",
        );
        assert_refused(
            scene.run(SkipWorkflowStep { run, step: from }).await,
            "step_not_found",
        );
        let other = scene.other_organization().await;
        assert_refused(
            scene
                .app
                .run(&other, RetryWorkflowRun { run, from: None })
                .await,
            "not_found",
        );
        assert_refused(
            scene
                .app
                .run(&other, SkipWorkflowStep { run, step: None })
                .await,
            "not_found",
        );
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let run = dead(&scene).await;
        scene
            .assert_idempotent(RetryWorkflowRun { run, from: None })
            .await;
    }

    #[tokio::test]
    async fn a_repeated_skip_answers_the_same() {
        let scene = Scene::new().await;
        let run = dead(&scene).await;
        scene
            .assert_idempotent(SkipWorkflowStep { run, step: None })
            .await;
        // Without the key a second one is refused: the run goes on already.
        assert_refused(
            scene.run(SkipWorkflowStep { run, step: None }).await,
            "run_state",
        );
    }
}
