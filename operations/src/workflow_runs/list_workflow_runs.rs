//! `list_workflow_runs`: what workflows have done and are doing.

use domain::{Cursor, Cx, Page, PageRequest, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    model::{RunStatus, WorkflowRun},
    sql,
};
use crate::{App, Effect, Operation};

/// Runs of workflows, newest first. `status: dead` are those that gave up and wait for a person.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListWorkflowRuns {
    /// Only of this workflow, by name.
    pub workflow: Option<String>,
    /// Only in this state.
    pub status: Option<RunStatus>,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

impl Operation for ListWorkflowRuns {
    const NAME: &'static str = "list_workflow_runs";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::WorkflowsRead;
    type Output = Page<WorkflowRun>;
    type Error = StoreError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<WorkflowRun>, StoreError> {
        let mut tx = app.store().read(cx).await?;
        let rows = sql::list(tx.conn(), &self).await?;
        let runs = rows.iter().map(sql::Stored::seen).collect();
        Ok(Page::cut(runs, self.page, |run: &WorkflowRun| Cursor {
            key: 0,
            id: run.id.into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{testing::Scene, workflow_runs::start_workflow::tests::started};

    #[tokio::test]
    async fn lists_by_workflow_and_state_in_pages_and_only_ones_own() {
        let scene = Scene::new().await;
        for _ in 0..3 {
            started(&scene).await;
        }
        let list = async |filter: ListWorkflowRuns| scene.run(filter).await.unwrap();
        let page = PageRequest {
            limit: Some(2),
            cursor: None,
        };
        let first = list(ListWorkflowRuns {
            page,
            ..Default::default()
        })
        .await;
        let page = PageRequest {
            limit: Some(2),
            cursor: first.next,
        };
        let second = list(ListWorkflowRuns {
            page,
            ..Default::default()
        })
        .await;
        assert_eq!(
            (first.items.len(), second.items.len(), second.next),
            (2, 1, None)
        );
        assert!(first.items[0].id > first.items[1].id && first.items[0].started_by == "manual");
        assert_eq!(
            list(ListWorkflowRuns {
                workflow: Some("greet".to_owned()),
                ..Default::default()
            })
            .await
            .items
            .len(),
            3
        );
        assert!(
            list(ListWorkflowRuns {
                status: Some(RunStatus::Dead),
                ..Default::default()
            })
            .await
            .items
            .is_empty()
        );
        let other = scene.other_organization().await;
        assert!(
            scene
                .app
                .run(&other, ListWorkflowRuns::default())
                .await
                .unwrap()
                .items
                .is_empty()
        );
    }
}
