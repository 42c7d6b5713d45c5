//! `cancel_workflow_run`, `pause_workflow_run`, `resume_workflow_run`.

use domain::{Cx, Permission, WorkflowRunId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::{WriteTx, runs::Finished};

use super::{
    changes::WorkflowRunSteered,
    model::{RunStatus, SteerError, WorkflowRun, unknown},
    sql::{self, Stored},
};
use crate::{App, Effect, Operation};

/// End a run of a workflow for good. What it has done stays done; nothing further is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CancelWorkflowRun {
    /// Its id, run_….
    pub run: WorkflowRunId,
}

impl Operation for CancelWorkflowRun {
    const NAME: &'static str = "cancel_workflow_run";
    const EFFECT: Effect = Effect::Destructive;
    const NEEDS: Permission = Permission::WorkflowsWrite;
    type Output = WorkflowRun;
    type Error = SteerError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WorkflowRun, SteerError> {
        let mut tx = app.store().write(cx).await?;
        let stored = locked(&mut tx, self.run).await?;
        if stored.status == RunStatus::Cancelled {
            return Ok(tx.unchanged(stored.seen()).await?);
        }
        if !stored.status.is_alive() && stored.status != RunStatus::Dead {
            return Err(wrong(&stored, "not over yet", "cancelled"));
        }
        let after = end_for_good(tx.conn(), cx, self.run).await?;
        let change = Finished::cancelled(self.run, &after.title, &after.workflow);
        Ok(tx.commit(change, after).await?)
    }
}

/// Ends a run that is alive, whose worker is fenced off.
pub(crate) async fn end_for_good(
    conn: &mut PgConnection,
    cx: &Cx,
    run_id: WorkflowRunId,
) -> sqlx::Result<WorkflowRun> {
    sql::forget_waits(conn, run_id).await?;
    let after = sql::set_status(conn, run_id, RunStatus::Cancelled, None, Some(cx.now)).await?;
    Ok(after.seen())
}

/// Stop a run of a workflow for now. A step that has begun may still end; nothing further is done until
/// `resume_workflow_run`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PauseWorkflowRun {
    /// Its id, run_….
    pub run: WorkflowRunId,
}

impl Operation for PauseWorkflowRun {
    const NAME: &'static str = "pause_workflow_run";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::WorkflowsWrite;
    type Output = WorkflowRun;
    type Error = SteerError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WorkflowRun, SteerError> {
        let mut tx = app.store().write(cx).await?;
        let stored = locked(&mut tx, self.run).await?;
        match stored.status {
            RunStatus::Paused => return Ok(tx.unchanged(stored.seen()).await?),
            RunStatus::Queued | RunStatus::Running | RunStatus::Waiting => {}
            _ => return Err(wrong(&stored, "queued, running or waiting", "paused")),
        }
        let after =
            sql::set_status(tx.conn(), self.run, RunStatus::Paused, stored.wake_at, None).await?;
        Ok(tx
            .commit(steered(&after, "paused", String::new()), after.seen())
            .await?)
    }
}

/// Let a paused run of a workflow go on where it was.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ResumeWorkflowRun {
    /// Its id, run_….
    pub run: WorkflowRunId,
}

impl Operation for ResumeWorkflowRun {
    const NAME: &'static str = "resume_workflow_run";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::WorkflowsWrite;
    type Output = WorkflowRun;
    type Error = SteerError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WorkflowRun, SteerError> {
        let mut tx = app.store().write(cx).await?;
        let stored = locked(&mut tx, self.run).await?;
        if stored.status != RunStatus::Paused {
            return Err(wrong(&stored, "paused", "resumed"));
        }
        let after =
            sql::set_status(tx.conn(), self.run, RunStatus::Queued, Some(cx.now), None).await?;
        Ok(tx
            .commit(steered(&after, "resumed", String::new()), after.seen())
            .await?)
    }
}

/// The run, locked: its worker's next commit waits, and is fenced off if it was taken away.
pub(super) async fn locked(tx: &mut WriteTx<'_>, id: WorkflowRunId) -> Result<Stored, SteerError> {
    let found = sql::lock(tx.conn(), id).await?;
    found.ok_or_else(|| unknown(id).into())
}

pub(super) fn wrong(stored: &Stored, possible: &'static str, done: &'static str) -> SteerError {
    SteerError::WrongState {
        status: stored.status,
        possible,
        done,
    }
}

pub(super) fn steered(stored: &Stored, action: &'static str, detail: String) -> WorkflowRunSteered {
    WorkflowRunSteered {
        run_id: stored.id,
        workflow: stored.workflow.clone(),
        title: stored.title.clone(),
        action,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused},
        workflow_runs::start_workflow::tests::{in_state, started},
    };

    #[tokio::test]
    async fn a_cancelled_run_says_that_it_ended() {
        let scene = Scene::new().await;
        let run = started(&scene).await;
        let after = scene.run(CancelWorkflowRun { run }).await.unwrap();
        assert_eq!(
            (after.status, after.finished_at),
            (RunStatus::Cancelled, Some(scene.cx.now))
        );
        assert_eq!(
            scene.changes().await.last().unwrap().kind,
            "workflow_run.finished"
        );
        let count = scene.changes().await.len();
        scene.run(CancelWorkflowRun { run }).await.unwrap();
        assert_eq!(scene.changes().await.len(), count, "once is enough");
        in_state(&scene, run, "done").await;
        assert_refused(scene.run(CancelWorkflowRun { run }).await, "run_state");
    }

    #[tokio::test]
    async fn pauses_whatever_it_is_doing_and_goes_on() {
        let scene = Scene::new().await;
        let run = started(&scene).await;
        for state in ["queued", "running", "waiting"] {
            in_state(&scene, run, state).await;
            assert_eq!(
                scene.run(PauseWorkflowRun { run }).await.unwrap().status,
                RunStatus::Paused
            );
            scene.run(PauseWorkflowRun { run }).await.unwrap();
            let on = scene.run(ResumeWorkflowRun { run }).await.unwrap();
            assert_eq!(
                (on.status, on.wake_at),
                (RunStatus::Queued, Some(scene.cx.now))
            );
        }
        assert_refused(scene.run(ResumeWorkflowRun { run }).await, "run_state");
        in_state(&scene, run, "dead").await;
        assert_refused(scene.run(PauseWorkflowRun { run }).await, "run_state");
    }

    #[tokio::test]
    async fn another_organization_cannot_steer_it() {
        let scene = Scene::new().await;
        let run = started(&scene).await;
        let other = scene.other_organization().await;
        assert_refused(
            scene.app.run(&other, CancelWorkflowRun { run }).await,
            "not_found",
        );
        assert_refused(
            scene.app.run(&other, PauseWorkflowRun { run }).await,
            "not_found",
        );
        assert_refused(
            scene.app.run(&other, ResumeWorkflowRun { run }).await,
            "not_found",
        );
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let run = started(&scene).await;
        scene.assert_idempotent(PauseWorkflowRun { run }).await;
    }

    #[tokio::test]
    async fn a_repeated_resume_or_cancel_answers_the_same_whatever_happened_since() {
        let scene = Scene::new().await;
        let run = started(&scene).await;
        scene.run(PauseWorkflowRun { run }).await.unwrap();
        scene.assert_idempotent(ResumeWorkflowRun { run }).await;
        // Without the key a second one is refused: the run is paused no more.
        assert_refused(scene.run(ResumeWorkflowRun { run }).await, "run_state");
        let cx = scene.cx.clone().with_key("cancel");
        let first = scene.app.run(&cx, CancelWorkflowRun { run }).await.unwrap();
        let count = scene.changes().await.len();
        in_state(&scene, run, "done").await;
        let again = scene.app.run(&cx, CancelWorkflowRun { run }).await.unwrap();
        assert_eq!((again, scene.changes().await.len()), (first, count));
        assert_refused(scene.run(CancelWorkflowRun { run }).await, "run_state");
    }
}
