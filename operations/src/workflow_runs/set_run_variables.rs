//! `set_run_variables` and `move_workflow_run`: other values, another version.

use domain::{Cx, Permission, WorkflowRunId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    model::{RunStatus, SteerError, WorkflowRun},
    sql,
    steer::{locked, steered, wrong},
};
use crate::{App, Effect, Operation, workflows};

/// Set what a run's steps see: each value replaces what has its name (a step's id, or params). Null takes a set value
/// back. For a run that gave up or is paused or waiting.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetRunVariables {
    /// Its id, run_….
    pub run: WorkflowRunId,
    /// Values by name.
    pub variables: Map<String, Value>,
}

impl Operation for SetRunVariables {
    const NAME: &'static str = "set_run_variables";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::WorkflowsWrite;
    type Output = WorkflowRun;
    type Error = SteerError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WorkflowRun, SteerError> {
        if self.variables.is_empty() {
            return Err(SteerError::NothingGiven);
        }
        let mut tx = app.store().write(cx).await?;
        let stored = locked(&mut tx, self.run).await?;
        if !matches!(
            stored.status,
            RunStatus::Dead | RunStatus::Paused | RunStatus::Waiting
        ) {
            return Err(wrong(
                &stored,
                "dead, paused or waiting",
                "given other values",
            ));
        }
        let names: Vec<&str> = self.variables.keys().map(String::as_str).collect();
        let change = steered(&stored, "set", names.join(", "));
        sql::set_variables(tx.conn(), self.run, &Value::Object(self.variables.clone())).await?;
        Ok(tx.commit(change, stored.seen()).await?)
    }
}

/// Let a waiting or paused run go on under another version of its workflow. Steps with the same path keep their
/// answers; what the new version does before them and has not been done is done.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MoveWorkflowRun {
    /// Its id, run_….
    pub run: WorkflowRunId,
    /// The version.
    pub version: i32,
}

impl Operation for MoveWorkflowRun {
    const NAME: &'static str = "move_workflow_run";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::WorkflowsWrite;
    type Output = WorkflowRun;
    type Error = SteerError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WorkflowRun, SteerError> {
        let mut tx = app.store().write(cx).await?;
        let stored = locked(&mut tx, self.run).await?;
        if !matches!(
            stored.status,
            RunStatus::Waiting | RunStatus::Paused | RunStatus::Dead
        ) {
            return Err(wrong(&stored, "waiting, paused or dead", "moved"));
        }
        let found = workflows::version(tx.conn(), &stored.workflow, Some(self.version)).await?;
        // Only what a person has approved: the version that is on, or the one the run has.
        let is_approved = found.stored.enabled_version == Some(self.version)
            || cx.may(Permission::ApprovalsDecide);
        if !is_approved {
            return Err(wrong(&stored, "of a version that is on", "moved there"));
        }
        sql::set_version(tx.conn(), self.run, self.version).await?;
        let status = if stored.status == RunStatus::Waiting {
            RunStatus::Queued
        } else {
            stored.status
        };
        let after = if status == RunStatus::Queued {
            // The wait may be another one now: it is taken up anew, and looks for what has happened since.
            sql::forget_waits(tx.conn(), self.run).await?;
            sql::forget_steps(tx.conn(), self.run, None).await?;
            sql::set_status(tx.conn(), self.run, status, Some(cx.now), None).await?
        } else {
            locked(&mut tx, self.run).await?
        };
        let change = steered(&after, "moved", format!("version {}", self.version));
        Ok(tx.commit(change, after.seen()).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused},
        workflow_runs::{
            GetWorkflowRun,
            start_workflow::tests::{GREET, in_state, started},
        },
        workflows::SaveWorkflow,
    };
    use domain::Permissions;
    use serde_json::json;

    #[expect(clippy::needless_pass_by_value, reason = "reads better at its callers")]
    fn setting(run: WorkflowRunId, value: Value) -> SetRunVariables {
        SetRunVariables {
            run,
            variables: value.as_object().cloned().unwrap(),
        }
    }

    #[tokio::test]
    async fn sets_and_takes_back_values() {
        let scene = Scene::new().await;
        let run = started(&scene).await;
        assert_refused(
            scene.run(setting(run, json!({"hello": 1}))).await,
            "run_state",
        );
        in_state(&scene, run, "dead").await;
        assert_refused(scene.run(setting(run, json!({}))).await, "nothing_given");
        scene
            .run(setting(run, json!({"hello": {"text": "Hi"}, "other": 2})))
            .await
            .unwrap();
        scene
            .run(setting(run, json!({"other": null})))
            .await
            .unwrap();
        let found = scene.run(GetWorkflowRun { run }).await.unwrap();
        assert_eq!(found.variables.as_str(), r#"{"hello":{"text":"Hi"}}"#);
        let last = scene.changes().await.pop().unwrap();
        assert!(last.summary.contains("Sets other") && !last.payload.to_string().contains("Hi"));
        let other = scene.other_organization().await;
        assert_refused(
            scene.app.run(&other, setting(run, json!({"x": 1}))).await,
            "not_found",
        );
        scene.assert_idempotent(setting(run, json!({"x": 1}))).await;
    }

    #[tokio::test]
    async fn moves_at_a_wait_to_a_version_that_is_there() {
        let scene = Scene::new().await;
        let run = started(&scene).await;
        scene
            .run(SaveWorkflow {
                yaml: GREET.replace("title: Greet", "title: Greet more"),
            })
            .await
            .unwrap();
        let there = MoveWorkflowRun { run, version: 2 };
        assert_refused(scene.run(there.clone()).await, "run_state");
        in_state(&scene, run, "waiting").await;
        assert_refused(
            scene.run(MoveWorkflowRun { run, version: 9 }).await,
            "workflow_not_found",
        );
        let program = scene
            .cx
            .clone()
            .with_permissions(Permissions::all_for_tokens());
        assert_refused(scene.app.run(&program, there.clone()).await, "run_state");
        let after = scene.run(there.clone()).await.unwrap();
        assert_eq!((after.version, after.status), (2, RunStatus::Queued));
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, there.clone()).await, "not_found");
        in_state(&scene, run, "waiting").await;
        scene.assert_idempotent(there).await;
    }
}
