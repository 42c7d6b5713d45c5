//! `list_venues`: the places, by name.

use domain::{Cursor, Cx, Page, PageRequest, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{model::Venue, sql};
use crate::{App, Effect, Operation};

/// Venues by name, without archived ones. `query` searches name and city and forgives typos.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListVenues {
    /// Part of a name or city.
    pub query: Option<String>,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

impl Operation for ListVenues {
    const NAME: &'static str = "list_venues";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::VenuesRead;
    type Output = Page<Venue>;
    type Error = StoreError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<Venue>, StoreError> {
        let mut tx = app.store().read(cx).await?;
        let rows = sql::list(tx.conn(), self.query.as_deref(), self.page).await?;
        Ok(Page::cut(rows, self.page, |venue| Cursor {
            key: 0,
            id: venue.id.into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scene;

    fn searching(query: &str) -> ListVenues {
        ListVenues {
            query: Some(query.to_owned()),
            ..ListVenues::default()
        }
    }

    #[tokio::test]
    async fn finds_by_part_accent_and_typo() {
        let scene = Scene::new().await;
        scene.venue("Café Größenwahn").await;
        scene.venue("Town Hall").await;
        for query in ["cafe", "Grossenwahn", "größen", "Caffe Grössenwan"] {
            let names: Vec<_> = scene
                .run(searching(query))
                .await
                .unwrap()
                .items
                .into_iter()
                .map(|v| v.name)
                .collect();
            assert_eq!(names, ["Café Größenwahn"], "{query}");
        }
        assert!(scene.run(searching("zzz")).await.unwrap().items.is_empty());
    }

    #[tokio::test]
    async fn pages_by_name() {
        let scene = Scene::new().await;
        for name in ["C", "a", "B"] {
            scene.venue(name).await;
        }
        let mut names = Vec::new();
        let mut page = PageRequest {
            cursor: None,
            limit: Some(2),
        };
        loop {
            let answer = scene.run(ListVenues { query: None, page }).await.unwrap();
            names.extend(answer.items.into_iter().map(|v| v.name));
            let Some(next) = answer.next else { break };
            page.cursor = Some(next);
        }
        assert_eq!(names, ["a", "B", "C"]);
    }

    #[tokio::test]
    async fn shows_nothing_of_another_organization() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        scene.venue("Town Hall").await;
        assert!(
            scene
                .app
                .run(&other, ListVenues::default())
                .await
                .unwrap()
                .items
                .is_empty()
        );
    }
}
