//! `list_suppressions`: who gets no mail, or no news.

use domain::{Cursor, Cx, Page, PageRequest, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{model::Suppression, sql};
use crate::{App, Effect, Operation};

/// Addresses that get no mail or no news, with the reason, latest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListSuppressions {
    /// Only this whole address.
    pub address: Option<String>,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

impl Operation for ListSuppressions {
    const NAME: &'static str = "list_suppressions";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::MessagesRead;
    type Output = Page<Suppression>;
    type Error = StoreError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<Suppression>, StoreError> {
        let mut tx = app.store().read(cx).await?;
        let address = self
            .address
            .as_deref()
            .map(str::trim)
            .filter(|address| !address.is_empty());
        let rows = sql::suppressions(tx.conn(), address, self.page).await?;
        let page = Page::cut(rows, self.page, |row| Cursor {
            key: row.created_at.as_microseconds(),
            id: row.id.into(),
        });
        Ok(page.map(|row| row.seen(cx)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{messages::SaveSuppression, testing::Scene};
    use domain::Permissions;

    #[tokio::test]
    async fn pages_finds_masks_and_hides() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        for address in ["ada@example.org", "grace@example.org", "hedy@example.org"] {
            scene.run(SaveSuppression::of(address)).await.unwrap();
        }
        let first = ListSuppressions {
            page: PageRequest {
                cursor: None,
                limit: Some(2),
            },
            ..ListSuppressions::default()
        };
        let first = scene.run(first).await.unwrap();
        assert_eq!(first.items.len(), 2);
        let rest = ListSuppressions {
            page: PageRequest {
                cursor: first.next,
                limit: Some(2),
            },
            ..ListSuppressions::default()
        };
        assert_eq!(scene.run(rest).await.unwrap().items.len(), 1);
        let one = ListSuppressions {
            address: Some(" Grace@example.org".to_owned()),
            ..ListSuppressions::default()
        };
        let narrow = scene
            .cx
            .clone()
            .with_permissions(Permissions::NONE.with(Permission::MessagesRead));
        let found = scene.app.run(&narrow, one).await.unwrap().items;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].address.as_str(), "g…@e….org");
        let none = scene
            .app
            .run(&other, ListSuppressions::default())
            .await
            .unwrap();
        assert!(none.items.is_empty());
    }
}
