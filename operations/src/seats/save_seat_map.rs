//! `save_seat_map`: a venue's seats are drawn.

use domain::{
    Cx, Facts, Fault, FaultKind, FaultSpec, Name, Permission, Reference, SeatMapId, VenueId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{ResultExt as _, StoreError, WriteTx};

use super::{
    changes::SeatMapSaved,
    errors::PlanError,
    model::{SeatMap, SeatMapDetail},
    plan::{self, SectionPlan},
    sql,
};
use crate::{
    App, Effect, Operation,
    faults::{NAME_TAKEN, VENUE_ARCHIVED},
    lookup::LookupError,
    venues::{self, Venue},
};

/// Draw the seats of a venue in a few words, or change a map by naming it in `seat_map`. A map that an event uses can
/// only be renamed: save the new drawing under another name, and choose it with `set_event_seating`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SaveSeatMap {
    /// Venue: id or exact name.
    pub venue: Reference<VenueId>,
    /// The map to change: id or exact name. Leave out to add one.
    pub seat_map: Option<Reference<SeatMapId>>,
    /// What it is called. Required for a new map.
    pub name: Option<Name>,
    /// All sections, from the best to the last; stays when left out. Required for a new map.
    #[serde(default)]
    pub sections: Vec<SectionPlan>,
}

impl Operation for SaveSeatMap {
    const NAME: &'static str = "save_seat_map";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::VenuesWrite;
    type Output = SeatMapDetail;
    type Error = SaveSeatMapError;

    async fn run(self, app: &App, cx: &Cx) -> Result<SeatMapDetail, SaveSeatMapError> {
        let mut planned = Vec::new();
        if self.seat_map.is_none() || !self.sections.is_empty() {
            planned = plan::seats(&self.sections)?;
        }
        let mut tx = app.store().write(cx).await?;
        let venue = venues::resolve(tx.conn(), &self.venue).await?;
        if venue.is_archived {
            return Err(SaveSeatMapError::VenueArchived(venue.name));
        }
        let map = self.map(&mut tx, &venue, !planned.is_empty()).await?;
        let taken = || SaveSeatMapError::NameTaken(map.name.clone());
        let saved = match &self.seat_map {
            None => sql::insert_map(tx.conn(), cx, &map).await,
            Some(_) => sql::rename_map(tx.conn(), cx, &map).await,
        };
        saved.on_constraint("seat_map_name_key", taken)?;
        if !planned.is_empty() {
            sql::clear_map(tx.conn(), map.id).await?;
            sql::insert_seats(tx.conn(), cx, map.id, &self.sections, &planned).await?;
        }
        let answer = SeatMapDetail {
            map: sql::map(tx.conn(), map.id).await?,
            sections: plan::of(&sql::seats(tx.conn(), map.id, None, None).await?),
        };
        let change = SeatMapSaved {
            seat_map_id: map.id,
            name: map.name,
            venue: map.venue,
            seat_count: answer.map.seat_count,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

impl SaveSeatMap {
    /// The map as it is to be saved, without its seats: a new one, or one that is locked.
    async fn map(
        &self,
        tx: &mut WriteTx<'_>,
        venue: &Venue,
        is_drawn: bool,
    ) -> Result<SeatMap, SaveSeatMapError> {
        let Some(reference) = &self.seat_map else {
            let name = self.name.as_ref().ok_or(SaveSeatMapError::NameMissing)?;
            return Ok(SeatMap {
                id: tx.cx().new_id(),
                name: name.to_string(),
                venue_id: venue.id,
                venue: venue.name.clone(),
                seat_count: 0,
                event_count: 0,
            });
        };
        let found = sql::resolve(tx.conn(), reference, Some(venue.id)).await?;
        sql::lock_map(tx.conn(), found.id).await?;
        let found = sql::map(tx.conn(), found.id).await?;
        if is_drawn && found.event_count > 0 {
            return Err(SaveSeatMapError::Frozen {
                name: found.name,
                events: found.event_count,
            });
        }
        Ok(match &self.name {
            Some(name) => SeatMap {
                name: name.to_string(),
                ..found
            },
            None => found,
        })
    }
}

/// How `save_seat_map` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SaveSeatMapError {
    /// A new map without a name.
    #[error("a new seat map needs a name")]
    NameMissing,
    /// Another map of the venue has the name.
    #[error("the venue has a seat map called {0:?} already")]
    NameTaken(String),
    /// The venue was put away.
    #[error("the venue {0:?} is archived")]
    VenueArchived(String),
    /// Events use it.
    #[error("{events} events use the seat map {name:?}, so its seats stay as they are")]
    Frozen {
        /// The map.
        name: String,
        /// How many events.
        events: i64,
    },
    /// The sections cannot be drawn.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The venue or the map was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NAME_MISSING: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "seat_map_name_missing",
    "Give `name` to add a map, or `seat_map` to change an existing one.",
);
const FROZEN: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "seat_map_frozen",
    "Save the new drawing as a map of its own: leave `seat_map` out and give another `name`. Then choose it for the events \
     with set_event_seating.",
);

impl Fault for SaveSeatMapError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![NAME_MISSING, NAME_TAKEN, VENUE_ARCHIVED, FROZEN];
        specs.extend(PlanError::specs());
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NameMissing => NAME_MISSING.at("name"),
            Self::NameTaken(_) => NAME_TAKEN.at("name"),
            Self::VenueArchived(_) => VENUE_ARCHIVED.at("venue"),
            Self::Frozen { .. } => FROZEN.at("sections"),
            Self::Plan(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SaveSeatMapError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        permission::Role,
        seats::{
            GetSeatMap,
            tests::{Hall, drawing, hall_plan},
        },
        testing::{Scene, assert_refused},
        venues::ArchiveVenue,
    };

    #[tokio::test]
    async fn draws_a_house_in_a_few_words_and_draws_it_anew() {
        let scene = Scene::new().await;
        scene.venue("Town Hall").await;
        let map = scene.run(drawing("Concert", hall_plan())).await.unwrap();
        assert_eq!((map.map.seat_count, &map.sections), (50, &hall_plan()));
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Saves the seat map \"Concert\" of \"Town Hall\" with 50 seats"
        );
        let anew = SaveSeatMap {
            seat_map: Some(map.map.id.into()),
            name: Some("Ball".parse().unwrap()),
            ..drawing("", hall_plan()[..1].to_vec())
        };
        let anew = scene.run(anew).await.unwrap();
        assert_eq!((anew.map.name.as_str(), anew.map.seat_count), ("Ball", 20));
        let get = GetSeatMap {
            seat_map: "ball".parse().unwrap(),
            venue: None,
        };
        assert_eq!(scene.run(get).await.unwrap(), anew);
    }

    #[tokio::test]
    async fn what_an_event_uses_is_only_renamed() {
        let hall = Hall::open(0).await;
        let anew = SaveSeatMap {
            seat_map: Some("Hall".parse().unwrap()),
            ..drawing("", hall_plan())
        };
        assert_refused(hall.scene.run(anew.clone()).await, "seat_map_frozen");
        let rename = SaveSeatMap {
            name: Some("Old hall".parse().unwrap()),
            sections: Vec::new(),
            ..anew
        };
        assert_eq!(hall.scene.run(rename).await.unwrap().map.seat_count, 50);
    }

    #[tokio::test]
    async fn refuses_what_cannot_be_drawn() {
        let scene = Scene::new().await;
        let venue = scene.venue("Town Hall").await;
        let mut bad = hall_plan();
        bad[0].rows[0].seats = "20-1".to_owned();
        assert_refused(scene.run(drawing("Hall", bad)).await, "seat_plan_invalid");
        assert_refused(
            scene.run(drawing("Hall", Vec::new())).await,
            "seat_plan_invalid",
        );
        assert_refused(
            scene.run(drawing("", hall_plan())).await,
            "seat_map_name_missing",
        );
        scene.run(drawing("Hall", hall_plan())).await.unwrap();
        assert_refused(scene.run(drawing("hall", hall_plan())).await, "name_taken");
        let viewer = scene.as_role(Role::Viewer);
        let refused = scene.app.run(&viewer, drawing("Other", hall_plan())).await;
        assert_refused(refused, "forbidden");
        let other = scene.other_organization().await;
        let refused = scene.app.run(&other, drawing("Hall", hall_plan())).await;
        assert_refused(refused, "not_found");
        let venue = venue.id.into();
        scene
            .run(ArchiveVenue {
                venue: Reference::clone(&venue),
            })
            .await
            .unwrap();
        let late = SaveSeatMap {
            venue,
            ..drawing("Late", hall_plan())
        };
        assert_refused(scene.run(late).await, "venue_archived");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        scene.venue("Town Hall").await;
        scene.assert_idempotent(drawing("Hall", hall_plan())).await;
    }
}
