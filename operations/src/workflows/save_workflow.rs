//! `save_workflow`: a definition is checked and stored as a new version.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::{StoreError, WriteTx};

use super::{
    changes::WorkflowSaved,
    definition::Definition,
    model::{Stored, Workflow, WorkflowSource},
    problem::Problem,
    sql,
};
use crate::{App, Effect, Operation, organizations};

/// Check a workflow's definition (YAML) and store it as a new version; nothing starts until `enable_workflow`. Mistakes
/// are answered with their lines. Example:
///
/// ```yaml
/// id: remind-unpaid
/// title: Remind buyers who have not paid
/// on: [{change: order.placed, if: change.total.amount > 0}]
/// steps:
/// - {id: pause, wait: {for: 2d, change: [order.paid, order.cancelled], about: change.order_id}}
/// - {id: settled, when: 'pause.woken_by != "time"', end: {status: skipped}}
/// - {id: order, operation: get_order, with: {order: "{{ change.order_id }}"}}
/// ```
///
/// Starts: change, cron ("0 9 * * MON" with zone), manual with params, webhook. Steps: operation, email, wait, approve,
/// each, set, end, emit, call, http, agent; beside them when, retry, `on_error`. Conditions are CEL, texts take {{ }};
/// both see change, params, organization and earlier steps' answers by id. `get_workflow` shows whole ones to copy from;
/// the resource `workflow-schema://current` has every field. Then `dry_run_workflow`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SaveWorkflow {
    /// The whole definition.
    pub yaml: String,
}

/// A workflow as it was stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SavedWorkflow {
    /// The workflow.
    pub workflow: Workflow,
    /// The version that was stored.
    pub version: i32,
    /// Whether it differs from the one before.
    pub is_new: bool,
    /// What it would do, a line for each step.
    pub steps: Vec<String>,
    /// What to do now.
    pub next: String,
}

impl Operation for SaveWorkflow {
    const NAME: &'static str = "save_workflow";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::WorkflowsWrite;
    type Output = SavedWorkflow;
    type Error = SaveWorkflowError;

    async fn run(self, app: &App, cx: &Cx) -> Result<SavedWorkflow, SaveWorkflowError> {
        let definition = Definition::parse(&self.yaml).map_err(SaveWorkflowError::Wrong)?;
        let mut tx = app.store().write(cx).await?;
        let (stored, change) = store(
            &mut tx,
            cx,
            &definition,
            &self.yaml,
            WorkflowSource::Organization,
        )
        .await?;
        let home = organizations::current(tx.conn()).await?.zone;
        let version = stored.latest_version;
        let next = match stored.enabled_version {
            Some(enabled) if enabled == version => "It is on; nothing is left to do.".to_owned(),
            Some(enabled) => format!("Version {enabled} stays on until enable_workflow switches to {version}; try it with dry_run_workflow first."),
            None => "Try it with dry_run_workflow, show the person what it would do, then enable_workflow; a person approves that.".to_owned(),
        };
        let answer = SavedWorkflow {
            workflow: stored.seen(cx, &definition, &home),
            version,
            is_new: change.is_some(),
            steps: definition.outline(),
            next,
        };
        Ok(match change {
            Some(change) => tx.commit(change, answer).await?,
            None => tx.unchanged(answer).await?,
        })
    }
}

/// Stores a definition as the newest version of its workflow, unless the newest says the same.
pub(super) async fn store(
    tx: &mut WriteTx<'_>,
    cx: &Cx,
    definition: &Definition,
    yaml: &str,
    source: WorkflowSource,
) -> sqlx::Result<(Stored, Option<WorkflowSaved>)> {
    let conn = tx.conn();
    let stored = match sql::lock(conn, definition.name()).await? {
        Some(stored) => stored,
        None => sql::insert(conn, cx, definition.name(), definition.title(), source).await?,
    };
    if is_same(conn, &stored, yaml).await? {
        return Ok((stored, None));
    }
    let stored = sql::insert_version(conn, cx, &stored, definition.title(), source, yaml).await?;
    let change = WorkflowSaved {
        workflow_id: stored.id,
        workflow: stored.name.clone(),
        title: stored.title.clone(),
        version: stored.latest_version,
    };
    Ok((stored, Some(change)))
}

async fn is_same(conn: &mut PgConnection, stored: &Stored, yaml: &str) -> sqlx::Result<bool> {
    let newest = sql::body(conn, stored.id, stored.latest_version).await?;
    Ok(newest.is_some_and(|body| body.trim() == yaml.trim()))
}

/// How `save_workflow` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SaveWorkflowError {
    /// The definition has mistakes.
    #[error("the definition has {}:\n{}", count(.0), lines(.0))]
    Wrong(Vec<Problem>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn count(problems: &[Problem]) -> String {
    match problems.len() {
        1 => "a mistake".to_owned(),
        several => format!("{several} mistakes"),
    }
}

/// Problems, a line for each.
pub(super) fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("- {problem}"))
        .collect::<Vec<_>>()
        .join("\n")
}

pub(super) const WRONG: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "definition_wrong",
    "Correct these lines and send the whole definition again.",
);

impl Fault for SaveWorkflowError {
    fn specs() -> Vec<FaultSpec> {
        vec![WRONG]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Wrong(_) => WRONG.at("yaml"),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SaveWorkflowError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused},
        workflows::{GetWorkflow, ListWorkflows},
    };

    const WEEKLY: &str = "id: weekly\ntitle: Weekly look\non: [{cron: \"0 9 * * MON\"}]\nsteps:\n  - {id: events, operation: list_events}\n";

    fn save(yaml: &str) -> SaveWorkflow {
        SaveWorkflow {
            yaml: yaml.to_owned(),
        }
    }

    #[tokio::test]
    async fn stores_versions_that_never_change() {
        let scene = Scene::new().await;
        let first = scene.run(save(WEEKLY)).await.unwrap();
        assert_eq!(
            (first.version, first.is_new, first.workflow.is_enabled),
            (1, true, false)
        );
        assert_eq!(first.steps, ["events: list events"]);
        assert_eq!(
            first.workflow.next_starts[0].local,
            "Mon 18 Jan 2027, 09:00 (Berlin)"
        );
        assert_eq!(
            scene.run(save(WEEKLY)).await.unwrap().version,
            1,
            "the same again"
        );
        let second = scene
            .run(save(&WEEKLY.replace("9 * *", "8 * *")))
            .await
            .unwrap();
        assert_eq!((second.version, second.is_new), (2, true));
        let old = GetWorkflow {
            workflow: "weekly".to_owned(),
            version: Some(1),
        };
        assert_eq!(scene.run(old).await.unwrap().yaml, WEEKLY);
    }

    #[tokio::test]
    async fn tells_mistakes_and_stores_nothing() {
        let scene = Scene::new().await;
        let outcome = scene
            .run(save(&WEEKLY.replace("list_events", "list_evnts")))
            .await;
        let said = outcome.as_ref().unwrap_err().to_string();
        assert!(said.contains("line 5: steps[0].operation: There is no operation \"list_evnts\". Did you mean \"list_events\"?"), "{said}");
        assert_refused(outcome, "definition_wrong");
        assert!(
            scene
                .run(ListWorkflows {})
                .await
                .unwrap()
                .workflows
                .is_empty()
        );
    }

    #[tokio::test]
    async fn every_organization_has_its_own_names() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        scene.run(save(WEEKLY)).await.unwrap();
        assert!(
            scene
                .app
                .run(&other, ListWorkflows {})
                .await
                .unwrap()
                .workflows
                .is_empty()
        );
        assert_eq!(
            scene.app.run(&other, save(WEEKLY)).await.unwrap().version,
            1
        );
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        scene.assert_idempotent(save(WEEKLY)).await;
    }
}
