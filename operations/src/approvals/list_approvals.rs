//! `list_approvals`: what waits for a decision.

use domain::{Cursor, Cx, Page, PageRequest, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    get_approval::seen,
    model::{Approval, ApprovalStatus},
    sql,
};
use crate::{App, Effect, Operation};

/// What waits for a person's decision, newest first; with `status`, what was decided.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListApprovals {
    /// Only this state; pending when absent.
    pub status: Option<ApprovalStatus>,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

impl Operation for ListApprovals {
    const NAME: &'static str = "list_approvals";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::ApprovalsRead;
    type Output = Page<Approval>;
    type Error = StoreError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<Approval>, StoreError> {
        let mut tx = app.store().read(cx).await?;
        let rows = sql::list(tx.conn(), cx, &self).await?;
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            all.push(seen(tx.conn(), cx, row).await?);
        }
        Ok(Page::cut(all, self.page, |approval| Cursor {
            key: 0,
            id: approval.id.into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{approvals::RequestApproval, testing::Scene};

    #[tokio::test]
    async fn lists_what_waits_in_pages_and_only_ones_own() {
        let scene = Scene::new().await;
        for title in ["One?", "Two?", "Three?"] {
            scene.run(RequestApproval::question(title)).await.unwrap();
        }
        let page = PageRequest {
            limit: Some(2),
            cursor: None,
        };
        let first = scene
            .run(ListApprovals {
                page,
                ..ListApprovals::default()
            })
            .await
            .unwrap();
        let titles: Vec<&str> = first.items.iter().map(|a| a.title.as_str()).collect();
        assert_eq!(titles, ["Three?", "Two?"]);
        let page = PageRequest {
            limit: Some(2),
            cursor: first.next,
        };
        let second = scene
            .run(ListApprovals {
                page,
                ..ListApprovals::default()
            })
            .await
            .unwrap();
        assert_eq!((second.items.len(), second.next), (1, None));
        let expired = ListApprovals {
            status: Some(ApprovalStatus::Expired),
            ..ListApprovals::default()
        };
        assert!(scene.run(expired).await.unwrap().items.is_empty());
        let other = scene.other_organization().await;
        assert!(
            scene
                .app
                .run(&other, ListApprovals::default())
                .await
                .unwrap()
                .items
                .is_empty()
        );
    }
}
