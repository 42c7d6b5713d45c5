//! `get_seat_map`: one map with its seats.

use domain::{Cx, Permission, Reference, SeatMapId, VenueId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{model::SeatMapDetail, plan, sql};
use crate::{App, Effect, Operation, lookup::LookupError, venues};

/// One seat map with its sections and rows, in the words that `save_seat_map` takes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetSeatMap {
    /// The map: id or exact name.
    pub seat_map: Reference<SeatMapId>,
    /// Its venue, if several have a map of that name: id or exact name.
    pub venue: Option<Reference<VenueId>>,
}

impl Operation for GetSeatMap {
    const NAME: &'static str = "get_seat_map";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::VenuesRead;
    type Output = SeatMapDetail;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<SeatMapDetail, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let venue = match &self.venue {
            Some(venue) => Some(venues::resolve(tx.conn(), venue).await?.id),
            None => None,
        };
        let map = sql::resolve(tx.conn(), &self.seat_map, venue).await?;
        let sections = plan::of(&sql::seats(tx.conn(), map.id, None, None).await?);
        Ok(SeatMapDetail { map, sections })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        seats::{
            SaveSeatMap,
            tests::{drawing, hall_plan},
        },
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn finds_by_name_and_venue_and_shows_nothing_to_others() {
        let scene = Scene::new().await;
        scene.venue("Town Hall").await;
        scene.venue("Barn").await;
        let hall = scene.run(drawing("Plan", hall_plan())).await.unwrap();
        let get = |venue: Option<&str>| GetSeatMap {
            seat_map: "plan".parse().unwrap(),
            venue: venue.map(|venue| venue.parse().unwrap()),
        };
        assert_eq!(scene.run(get(None)).await.unwrap(), hall);
        let barn = SaveSeatMap {
            venue: "Barn".parse().unwrap(),
            ..drawing("Plan", hall_plan()[1..].to_vec())
        };
        let barn = scene.run(barn).await.unwrap();
        assert_refused(scene.run(get(None)).await, "ambiguous_name");
        assert_eq!(scene.run(get(Some("Barn"))).await.unwrap(), barn);
        let other = scene.other_organization().await;
        for seat_map in [hall.map.id.into(), "Plan".parse().unwrap()] {
            let get = GetSeatMap {
                seat_map,
                venue: None,
            };
            assert_refused(scene.app.run(&other, get).await, "not_found");
        }
    }
}
