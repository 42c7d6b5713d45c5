//! `archive_venue`: a place is no longer offered for new events.

use domain::{Cx, Permission, Reference, VenueId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{changes::VenueArchived, model::Venue, sql};
use crate::{App, Effect, Operation, lookup::LookupError};

/// Stop offering a venue for new events. Events that are there keep it; its name becomes free again.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ArchiveVenue {
    /// The venue: id or exact name.
    pub venue: Reference<VenueId>,
}

impl Operation for ArchiveVenue {
    const NAME: &'static str = "archive_venue";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::VenuesWrite;
    type Output = Venue;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Venue, LookupError> {
        let mut tx = app.store().write(cx).await?;
        let mut venue = sql::resolve(tx.conn(), &self.venue).await?;
        if !sql::archive(tx.conn(), venue.id, cx.now).await? {
            return Ok(tx.unchanged(venue).await?);
        }
        venue.version += 1;
        venue.is_archived = true;
        Ok(tx
            .commit(
                VenueArchived {
                    venue_id: venue.id,
                    name: venue.name.clone(),
                },
                venue,
            )
            .await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused},
        venues::ListVenues,
    };

    fn archiving(venue: &str) -> ArchiveVenue {
        ArchiveVenue {
            venue: venue.parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn takes_it_from_the_list_and_frees_its_name() {
        let scene = Scene::new().await;
        let venue = scene.venue("Town Hall").await;
        scene.run(archiving("Town Hall")).await.unwrap();
        assert!(
            scene
                .run(ListVenues::default())
                .await
                .unwrap()
                .items
                .is_empty()
        );
        scene.venue("Town Hall").await;
        let again = scene
            .run(ArchiveVenue {
                venue: venue.id.into(),
            })
            .await
            .unwrap();
        assert!(again.is_archived);
        assert_eq!(again.version, 2, "archiving twice changes nothing");
    }

    #[tokio::test]
    async fn refuses_an_unknown_one_and_another_organizations() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let venue = scene.venue("Town Hall").await;
        assert_refused(scene.run(archiving("nowhere")).await, "not_found");
        let outcome = scene
            .app
            .run(
                &other,
                ArchiveVenue {
                    venue: venue.id.into(),
                },
            )
            .await;
        assert_refused(outcome, "not_found");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        scene.venue("Town Hall").await;
        scene.assert_idempotent(archiving("Town Hall")).await;
    }
}
