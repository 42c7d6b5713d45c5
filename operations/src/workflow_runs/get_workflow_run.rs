//! `get_workflow_run`: one run with its timeline.

use domain::{Cx, Permission, Timestamp, Untrusted, WorkflowRunId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    mask::shown,
    model::{RunStatus, WorkflowRun, unknown},
    sql,
};
use crate::{App, Effect, Operation, lookup::LookupError};

/// A run of a workflow with its timeline: each step, what it was given and answered (secrets masked), what failed, and
/// what it waits for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetWorkflowRun {
    /// Its id, run_….
    pub run: WorkflowRunId,
}

/// A run and its timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowRunDetail {
    /// The run.
    pub run: WorkflowRun,
    /// The steps in the order in which they began.
    pub steps: Vec<RunStep>,
    /// What it waits for, as sentences.
    pub waits_for: Vec<String>,
    /// What started it, shortened.
    #[schemars(extend("x-detail" = true))]
    pub trigger: Untrusted,
    /// What it was given.
    #[schemars(extend("x-detail" = true))]
    pub params: Untrusted,
    /// What a person has set.
    #[schemars(extend("x-detail" = true))]
    pub variables: Untrusted,
    /// What can be done now.
    pub next: String,
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunStep {
    /// Its path.
    pub path: String,
    /// What it is.
    pub kind: String,
    /// started, done, failed or skipped.
    pub status: String,
    /// How often it was tried.
    pub tries: i32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// What it was given, shortened.
    pub input: Untrusted,
    /// What it answered, shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Untrusted>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Operation for GetWorkflowRun {
    const NAME: &'static str = "get_workflow_run";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::WorkflowsRead;
    type Output = WorkflowRunDetail;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WorkflowRunDetail, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let stored = sql::get(tx.conn(), self.run)
            .await?
            .ok_or_else(|| unknown(self.run))?;
        let steps = sql::steps(tx.conn(), self.run).await?;
        let waits = sql::waits(tx.conn(), self.run).await?;
        let sentence = |(path, kinds, until): (String, Vec<String>, Option<Timestamp>)| {
            let kinds = if kinds.is_empty() {
                String::new()
            } else {
                format!(" {}", kinds.join(" or "))
            };
            let until = until.map_or_else(String::new, |until| format!(", at most until {until}"));
            format!("{path}:{kinds}{until}").replace(":,", ":")
        };
        Ok(WorkflowRunDetail {
            run: stored.seen(),
            steps: steps.into_iter().map(step).collect(),
            waits_for: waits.into_iter().map(sentence).collect(),
            trigger: shown(&stored.trigger),
            params: shown(&stored.params),
            variables: shown(&stored.variables),
            next: next(stored.status).to_owned(),
        })
    }
}

fn step(row: sql::StepRow) -> RunStep {
    RunStep {
        path: row.path,
        kind: row.kind,
        status: row.status,
        tries: row.tries,
        started_at: row.started_at,
        finished_at: row.finished_at,
        input: shown(&row.input),
        output: row.output.as_ref().map(shown),
        error: row
            .error
            .as_ref()
            .map(|error| error["message"].as_str().unwrap_or("it failed").to_owned()),
    }
}

fn next(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Queued | RunStatus::Running => "It goes on by itself.",
        RunStatus::Waiting => {
            "It waits; nothing is to be done. pause_workflow_run or cancel_workflow_run stop it."
        }
        RunStatus::Paused => "resume_workflow_run lets it go on.",
        RunStatus::Dead => {
            "It gave up: mend the cause and retry_workflow_run, skip_workflow_step, or cancel_workflow_run."
        }
        RunStatus::Done | RunStatus::Skipped | RunStatus::Cancelled => "It has ended.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused},
        workflow_runs::start_workflow::tests::{started, with_steps},
    };

    #[tokio::test]
    async fn shows_the_timeline_without_secrets() {
        let scene = Scene::new().await;
        let run = started(&scene).await;
        with_steps(&scene, run, &[("hello", "done"), ("call", "failed")]).await;
        let found = scene.run(GetWorkflowRun { run }).await.unwrap();
        let paths: Vec<&str> = found.steps.iter().map(|step| step.path.as_str()).collect();
        assert_eq!(paths, ["hello", "call"]);
        assert!(
            !found.steps[0].input.as_str().contains("eos_secret"),
            "{:?}",
            found.steps[0].input
        );
        assert_eq!(found.steps[1].error.as_deref(), Some("it broke"));
        assert!(found.params.as_str().contains("Ada"));
        let other = scene.other_organization().await;
        assert_refused(
            scene.app.run(&other, GetWorkflowRun { run }).await,
            "not_found",
        );
    }
}
