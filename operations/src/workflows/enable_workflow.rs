//! `enable_workflow` and `disable_workflow`: which version starts by itself.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, Permission, context::Mode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::{WorkflowDisabled, WorkflowEnabled},
    get_workflow::{WorkflowLookupError, version},
    model::Workflow,
    sql,
};
use crate::{App, Effect, Operation, organizations};

/// Switch a workflow on: from now on it starts by itself, in exactly this version. A person approves it; the answer
/// then says how, and `get_approval` what came of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct EnableWorkflow {
    /// Its name.
    pub workflow: String,
    /// Which version; the newest when absent.
    pub version: Option<i32>,
}

/// A workflow that was switched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SwitchedWorkflow {
    /// The workflow.
    pub workflow: Workflow,
    /// What follows, as a sentence.
    pub next: String,
}

impl Operation for EnableWorkflow {
    const NAME: &'static str = "enable_workflow";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::WorkflowsWrite;
    type Output = SwitchedWorkflow;
    type Error = SwitchWorkflowError;

    async fn run(self, app: &App, cx: &Cx) -> Result<SwitchedWorkflow, SwitchWorkflowError> {
        // Whoever may decide approvals needs none; everybody else brings what a person has confirmed.
        let is_agreed = cx.may(Permission::ApprovalsDecide) || cx.confirmed.is_some();
        if !is_agreed && cx.mode == Mode::Live {
            return Err(SwitchWorkflowError::NeedsApproval);
        }
        let mut tx = app.store().write(cx).await?;
        let newest = sql::lock(tx.conn(), self.workflow.trim())
            .await?
            .map(|stored| stored.latest_version);
        let found = version(tx.conn(), &self.workflow, self.version.or(newest)).await?;
        let home = organizations::current(tx.conn()).await?.zone;
        let definition = found.definition;
        if found.stored.enabled_version == Some(found.number) {
            let workflow = found.stored.seen(cx, &definition, &home);
            return Ok(tx
                .unchanged(SwitchedWorkflow {
                    workflow,
                    next: "It was on already.".to_owned(),
                })
                .await?);
        }
        let enabled = Some((found.number, cx.actor.user_id(), definition.triggers()));
        let stored = sql::switch(tx.conn(), cx, found.stored.id, enabled).await?;
        let workflow = stored.seen(cx, &definition, &home);
        let next = match workflow.next_starts.first() {
            Some(first) => format!("It starts next on {}.", first.local),
            None if workflow.starts.is_empty() => "Start it with start_workflow.".to_owned(),
            None => format!("It starts {}.", workflow.starts.join("; ")),
        };
        let change = WorkflowEnabled {
            workflow_id: workflow.id,
            workflow: workflow.name.clone(),
            title: workflow.title.clone(),
            version: found.number,
            starts: workflow.starts.clone(),
            steps: definition.outline(),
        };
        Ok(tx
            .commit(change, SwitchedWorkflow { workflow, next })
            .await?)
    }
}

/// Switch a workflow off: it no longer starts. Runs that have begun go on; `cancel_workflow_run` ends them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DisableWorkflow {
    /// Its name.
    pub workflow: String,
}

impl Operation for DisableWorkflow {
    const NAME: &'static str = "disable_workflow";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::WorkflowsWrite;
    type Output = SwitchedWorkflow;
    type Error = SwitchWorkflowError;

    async fn run(self, app: &App, cx: &Cx) -> Result<SwitchedWorkflow, SwitchWorkflowError> {
        let mut tx = app.store().write(cx).await?;
        sql::lock(tx.conn(), self.workflow.trim()).await?;
        let found = version(tx.conn(), &self.workflow, None).await?;
        let home = organizations::current(tx.conn()).await?.zone;
        let next = "It no longer starts. Runs that have begun go on.".to_owned();
        if found.stored.enabled_version.is_none() {
            let workflow = found.stored.seen(cx, &found.definition, &home);
            return Ok(tx.unchanged(SwitchedWorkflow { workflow, next }).await?);
        }
        let stored = sql::switch(tx.conn(), cx, found.stored.id, None).await?;
        let workflow = stored.seen(cx, &found.definition, &home);
        let change = WorkflowDisabled {
            workflow_id: workflow.id,
            workflow: workflow.name.clone(),
            title: workflow.title.clone(),
        };
        Ok(tx
            .commit(change, SwitchedWorkflow { workflow, next })
            .await?)
    }
}

/// How switching a workflow refuses.
#[derive(Debug, thiserror::Error)]
pub enum SwitchWorkflowError {
    /// A program wants to let something act by itself.
    #[error("switching a workflow on needs a person's approval")]
    NeedsApproval,
    /// It was not found.
    #[error(transparent)]
    Lookup(#[from] WorkflowLookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NEEDS_APPROVAL: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "needs_approval",
    "Ask a person: on the server, `eventos workflow enable` does it.",
);

impl Fault for SwitchWorkflowError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![NEEDS_APPROVAL];
        specs.extend(WorkflowLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NeedsApproval => NEEDS_APPROVAL.into(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SwitchWorkflowError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        approvals::{ApprovalStatus, DecideApproval, Decision, RequestApproval},
        testing::{Scene, assert_refused},
        workflows::{Kept, SaveWorkflow, load},
    };
    use domain::Permissions;
    use serde_json::json;

    const YAML: &str = "id: look\ntitle: Look\non: [{change: order.paid}, {cron: \"0 9 * * MON\"}]\nsteps:\n  - {id: events, operation: list_events}\n";

    async fn saved(scene: &Scene) {
        scene
            .run(SaveWorkflow {
                yaml: YAML.to_owned(),
            })
            .await
            .unwrap();
    }

    fn enable(version: Option<i32>) -> EnableWorkflow {
        EnableWorkflow {
            workflow: "look".to_owned(),
            version,
        }
    }

    fn disable() -> DisableWorkflow {
        DisableWorkflow {
            workflow: "look".to_owned(),
        }
    }

    #[tokio::test]
    async fn the_version_that_is_on_stays_until_it_is_switched() {
        let scene = Scene::new().await;
        saved(&scene).await;
        let on = scene.run(enable(None)).await.unwrap();
        assert_eq!(on.workflow.enabled_version, Some(1));
        assert!(on.next.contains("Mon 18 Jan 2027, 09:00"), "{}", on.next);
        scene
            .run(SaveWorkflow {
                yaml: YAML.replace("title: Look", "title: Look again"),
            })
            .await
            .unwrap();
        let found = Kept::default()
            .started_by(&scene.app, &["order.paid".to_owned()])
            .await
            .unwrap();
        assert_eq!(
            (found.len(), found[0].version, found[0].enabled_by),
            (1, 1, scene.cx.actor.user_id())
        );
        assert_eq!(found[0].organization_id, scene.cx.organization_id);
        assert!(
            Kept::default()
                .started_by(&scene.app, &["order.placed".to_owned()])
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            Kept::default().scheduled(&scene.app).await.unwrap().len(),
            1
        );
        let newest = load(&scene.app, scene.cx.organization_id, "look", Some(2))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(newest.1.title(), "Look again");
        scene.run(disable()).await.unwrap();
        assert!(
            Kept::default()
                .scheduled(&scene.app)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            load(&scene.app, scene.cx.organization_id, "look", None)
                .await
                .unwrap()
                .is_none()
        );
    }

    #[tokio::test]
    async fn a_program_needs_a_person_who_sees_what_it_does() {
        let scene = Scene::new().await;
        saved(&scene).await;
        let program = scene
            .cx
            .clone()
            .with_permissions(Permissions::all_for_tokens());
        assert_refused(
            scene.app.run(&program, enable(None)).await,
            "needs_approval",
        );
        let request = RequestApproval::of("enable_workflow", json!({"workflow": "look"}));
        let asked = scene.app.run(&program, request).await.unwrap();
        assert!(
            asked.preview[0].contains("list events")
                && asked.preview[0].contains("when order.paid"),
            "{asked:?}"
        );
        assert_eq!(asked.reason, "A workflow would act by itself from then on.");
        let decide = DecideApproval {
            approval: asked.approval,
            decision: Decision::Approved,
            note: None,
        };
        let decided = scene.run(decide).await.unwrap();
        assert_eq!(decided.approval.status, ApprovalStatus::Done, "{decided:?}");
        assert_eq!(
            Kept::default().scheduled(&scene.app).await.unwrap().len(),
            1
        );
    }

    #[tokio::test]
    async fn refuses_what_is_not_there_or_not_ones_own() {
        let scene = Scene::new().await;
        saved(&scene).await;
        assert_refused(scene.run(enable(Some(9))).await, "workflow_not_found");
        let other = scene.other_organization().await;
        assert_refused(
            scene.app.run(&other, enable(None)).await,
            "workflow_not_found",
        );
        assert_refused(scene.app.run(&other, disable()).await, "workflow_not_found");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        saved(&scene).await;
        scene.assert_idempotent(enable(None)).await;
        let cx = scene.cx.clone().with_key("off");
        let first = scene.app.run(&cx, disable()).await.unwrap();
        scene.run(enable(None)).await.unwrap();
        let again = scene.app.run(&cx, disable()).await.unwrap();
        assert_eq!(again, first);
        let on = Kept::default().scheduled(&scene.app).await.unwrap();
        assert_eq!(on.len(), 1, "the repeat switched nothing off");
        assert!(
            scene
                .run(enable(None))
                .await
                .unwrap()
                .next
                .contains("already")
        );
    }
}
