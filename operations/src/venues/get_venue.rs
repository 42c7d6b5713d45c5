//! `get_venue`: one place.

use domain::{Cx, Permission, Reference, VenueId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{model::Venue, sql};
use crate::{App, Effect, Operation, lookup::LookupError};

/// One venue. Its id also leads to an archived one; a name only to one that is still offered.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetVenue {
    /// Venue: id or exact name.
    pub venue: Reference<VenueId>,
}

impl Operation for GetVenue {
    const NAME: &'static str = "get_venue";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::VenuesRead;
    type Output = Venue;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Venue, LookupError> {
        let mut tx = app.store().read(cx).await?;
        sql::resolve(tx.conn(), &self.venue).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused},
        venues::ArchiveVenue,
    };

    fn named(name: &str) -> GetVenue {
        GetVenue {
            venue: name.parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn finds_by_name_and_an_archived_one_by_id_only() {
        let scene = Scene::new().await;
        let venue = scene.venue("Town Hall").await;
        assert_eq!(scene.run(named("town hall")).await.unwrap(), venue);
        let archive = ArchiveVenue {
            venue: venue.id.into(),
        };
        scene.run(archive).await.unwrap();
        assert_refused(scene.run(named("Town Hall")).await, "not_found");
        let by_id = GetVenue {
            venue: venue.id.into(),
        };
        let found = scene.run(by_id).await.unwrap();
        assert!(found.is_archived && !venue.is_archived);
        assert_eq!(found.name, "Town Hall");
    }

    #[tokio::test]
    async fn another_organization_does_not_find_it() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let venue = scene.venue("Town Hall").await.id.into();
        assert_refused(scene.app.run(&other, GetVenue { venue }).await, "not_found");
    }
}
