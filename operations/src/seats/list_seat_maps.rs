//! `list_seat_maps`: the maps, by name.

use domain::{Cursor, Cx, Page, PageRequest, Permission, Reference, VenueId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{model::SeatMap, sql};
use crate::{App, Effect, Operation, lookup::LookupError, venues};

/// Seat maps by name, with how many seats each has and how many events use it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListSeatMaps {
    /// Of one venue: id or exact name.
    pub venue: Option<Reference<VenueId>>,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

impl Operation for ListSeatMaps {
    const NAME: &'static str = "list_seat_maps";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::VenuesRead;
    type Output = Page<SeatMap>;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<SeatMap>, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let venue = match &self.venue {
            Some(venue) => Some(venues::resolve(tx.conn(), venue).await?.id),
            None => None,
        };
        let rows = sql::maps(tx.conn(), venue, self.page).await?;
        Ok(Page::cut(rows, self.page, |map| Cursor {
            key: 0,
            id: map.id.into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        seats::tests::{Hall, drawing, hall_plan},
        testing::assert_refused,
    };

    #[tokio::test]
    async fn lists_by_name_and_venue_and_pages() {
        let hall = Hall::open(0).await;
        hall.scene.run(drawing("annex", hall_plan())).await.unwrap();
        hall.scene.venue("Barn").await;
        let mut list = ListSeatMaps {
            venue: Some("Town Hall".parse().unwrap()),
            page: PageRequest {
                cursor: None,
                limit: Some(1),
            },
        };
        let first = hall.scene.run(list.clone()).await.unwrap();
        list.page.cursor = first.next;
        let second = hall.scene.run(list.clone()).await.unwrap();
        let seen = |page: &Page<SeatMap>| (page.items[0].name.clone(), page.items[0].event_count);
        assert_eq!(seen(&first), ("annex".to_owned(), 0));
        assert_eq!(seen(&second), ("Hall".to_owned(), 1));
        assert!(second.next.is_none());
        list.venue = Some("Barn".parse().unwrap());
        list.page.cursor = None;
        assert!(hall.scene.run(list.clone()).await.unwrap().items.is_empty());
        let other = hall.scene.other_organization().await;
        assert_refused(hall.scene.app.run(&other, list).await, "not_found");
        let theirs = hall.scene.app.run(&other, ListSeatMaps::default()).await;
        assert!(theirs.unwrap().items.is_empty());
    }
}
