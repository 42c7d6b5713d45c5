//! `save_venue`: a place is added or its details are changed.

use domain::{
    Cx, Facts, Fault, FaultKind, FaultSpec, LongText, Name, Patch, Permission, Reference, VenueId,
    Zone,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{ResultExt as _, StoreError};

use super::{
    changes::{VenueCreated, VenueUpdated},
    model::Venue,
    sql,
};
use crate::{
    App, Effect, Operation,
    faults::{CHANGED_MEANWHILE, NAME_TAKEN, VENUE_ARCHIVED},
    field_change::{FieldChange, differing},
    lookup::LookupError,
    organizations,
};

/// Add a venue, or change one by naming it in `venue`. When changing, fields left out stay as they are and an
/// empty text removes one.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct SaveVenue {
    /// The venue to change: id or exact name. Leave out to add one.
    pub venue: Option<Reference<VenueId>>,
    /// What it is called. Required for a new venue.
    pub name: Option<Name>,
    /// Street and number.
    #[serde(default)]
    pub address: Patch<Name>,
    /// City.
    #[serde(default)]
    pub city: Patch<Name>,
    /// Two-letter country code, such as DE.
    #[serde(default)]
    pub country: Patch<Name>,
    /// IANA zone; the organization's when left out.
    pub zone: Option<Zone>,
    /// How many people fit; 0 removes it.
    #[serde(default, deserialize_with = "domain::text::count_patch")]
    #[schemars(range(min = 0))]
    pub capacity: Patch<i32>,
    /// Notes for the organizer.
    #[serde(default)]
    pub notes: Patch<LongText>,
}

impl Operation for SaveVenue {
    const NAME: &'static str = "save_venue";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::VenuesWrite;
    type Output = Venue;
    type Error = SaveVenueError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Venue, SaveVenueError> {
        if let Patch::Set(country) = &self.country
            && !(country.as_str().len() == 2
                && country.as_str().bytes().all(|b| b.is_ascii_alphabetic()))
        {
            return Err(SaveVenueError::CountryMalformed(country.to_string()));
        }
        if let Patch::Set(..=0) = self.capacity {
            return Err(SaveVenueError::CapacityNotPositive);
        }
        let mut tx = app.store().write(cx).await?;
        match self.venue.clone() {
            None => {
                let name = self.name.clone().ok_or(SaveVenueError::NameMissing)?;
                let zone = organizations::current(tx.conn()).await?.zone;
                let blank = blank(cx, &name, zone);
                let venue = self.onto(blank.clone());
                let inserted = sql::insert(tx.conn(), cx, &venue).await;
                inserted.on_constraint("venue_name_key", || {
                    SaveVenueError::NameTaken(venue.name.clone())
                })?;
                let change = VenueCreated {
                    venue_id: venue.id,
                    name: venue.name.clone(),
                    details: differences(&blank, &venue),
                };
                Ok(tx.commit(change, venue).await?)
            }
            Some(reference) => {
                let before = sql::resolve(tx.conn(), &reference).await?;
                if before.is_archived {
                    return Err(SaveVenueError::Archived(before.name));
                }
                let mut venue = self.onto(before.clone());
                if venue == before {
                    return Ok(tx.unchanged(before).await?);
                }
                let updated = sql::update(tx.conn(), cx.now, &venue).await;
                let updated = updated.on_constraint("venue_name_key", || {
                    SaveVenueError::NameTaken(venue.name.clone())
                })?;
                if !updated {
                    return Err(SaveVenueError::ChangedMeanwhile(venue.name));
                }
                venue.version += 1;
                let change = VenueUpdated {
                    venue_id: venue.id,
                    changed: differences(&before, &venue),
                    name: before.name,
                };
                Ok(tx.commit(change, venue).await?)
            }
        }
    }
}

/// A new venue before anything but its name is said.
fn blank(cx: &Cx, name: &Name, zone: Zone) -> Venue {
    Venue {
        id: cx.new_id(),
        name: name.to_string(),
        address: None,
        city: None,
        country: None,
        zone,
        capacity: None,
        notes: None,
        version: 1,
        is_archived: false,
    }
}

/// The fields that differ, for the audit trail and for the person who confirms.
fn differences(before: &Venue, after: &Venue) -> Vec<FieldChange> {
    let both = |text: fn(&Venue) -> Option<String>| (text(before), text(after));
    let fields = [
        ("name", both(|v| Some(v.name.clone()))),
        ("address", both(|v| v.address.clone())),
        ("city", both(|v| v.city.clone())),
        ("country", both(|v| v.country.clone())),
        ("zone", both(|v| Some(v.zone.to_string()))),
        ("capacity", both(|v| v.capacity.map(|c| c.to_string()))),
        ("notes", both(|v| v.notes.clone())),
    ];
    differing(fields.map(|(field, (before, after))| (field, before, after)))
}

impl SaveVenue {
    /// The venue with the given fields changed.
    fn onto(self, venue: Venue) -> Venue {
        let text = |patch: Patch<Name>, before| match patch {
            Patch::Set(value) => Some(value.to_string()),
            Patch::Keep => before,
            Patch::Remove => None,
        };
        Venue {
            id: venue.id,
            name: self.name.map_or(venue.name, |name| name.to_string()),
            address: text(self.address, venue.address),
            city: text(self.city, venue.city),
            country: text(self.country, venue.country).map(|code| code.to_uppercase()),
            zone: self.zone.unwrap_or(venue.zone),
            capacity: self.capacity.apply(venue.capacity),
            notes: match self.notes {
                Patch::Set(value) => Some(value.to_string()),
                Patch::Keep => venue.notes,
                Patch::Remove => None,
            },
            version: venue.version,
            is_archived: venue.is_archived,
        }
    }
}

/// How `save_venue` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SaveVenueError {
    /// A new venue without a name.
    #[error("a new venue needs a name")]
    NameMissing,
    /// Another venue has the name.
    #[error("there is already a venue called {0:?}")]
    NameTaken(String),
    /// Not two letters.
    #[error("{0:?} is not a country code; use two letters such as DE or US")]
    CountryMalformed(String),
    /// Nobody fits.
    #[error("a capacity is at least 1, or 0 to remove it")]
    CapacityNotPositive,
    /// It was put away.
    #[error("the venue {0:?} is archived and can no longer be changed")]
    Archived(String),
    /// Somebody else saved it in between.
    #[error("the venue {0:?} was changed or archived by someone else at the same time")]
    ChangedMeanwhile(String),
    /// The venue was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NAME_MISSING: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "venue_name_missing",
    "Give `name` to add a venue, or `venue` to change an existing one.",
);
const COUNTRY_MALFORMED: FaultSpec = FaultSpec::new(FaultKind::Invalid, "country_malformed", "");
const CAPACITY_NOT_POSITIVE: FaultSpec =
    FaultSpec::new(FaultKind::Invalid, "capacity_not_positive", "");

impl Fault for SaveVenueError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            NAME_MISSING,
            NAME_TAKEN,
            COUNTRY_MALFORMED,
            CAPACITY_NOT_POSITIVE,
            VENUE_ARCHIVED,
            CHANGED_MEANWHILE,
        ];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NameMissing => NAME_MISSING.at("name"),
            Self::NameTaken(_) => NAME_TAKEN.at("name"),
            Self::CountryMalformed(_) => COUNTRY_MALFORMED.at("country"),
            Self::CapacityNotPositive => CAPACITY_NOT_POSITIVE.at("capacity"),
            Self::Archived(_) => VENUE_ARCHIVED.at("venue"),
            Self::ChangedMeanwhile(_) => CHANGED_MEANWHILE.into(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SaveVenueError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scene, assert_refused};

    fn named(name: &str) -> SaveVenue {
        SaveVenue {
            name: Some(name.parse().unwrap()),
            ..SaveVenue::default()
        }
    }

    fn changing(venue: &str) -> SaveVenue {
        SaveVenue {
            venue: Some(venue.parse().unwrap()),
            ..SaveVenue::default()
        }
    }

    #[tokio::test]
    async fn adds_a_venue_in_the_organizations_zone() {
        let scene = Scene::new().await;
        let country = Patch::Set("de".parse().unwrap());
        let venue = scene
            .run(SaveVenue {
                country,
                ..named("Town Hall")
            })
            .await
            .unwrap();
        assert_eq!(
            (venue.zone.name(), venue.country.as_deref()),
            ("Europe/Berlin", Some("DE"))
        );
        assert_eq!(scene.changes().await.last().unwrap().kind, "venue.created");
    }

    #[tokio::test]
    async fn changes_only_what_is_given() {
        let scene = Scene::new().await;
        let city = Patch::Set("Jena".parse().unwrap());
        let before = scene
            .run(SaveVenue {
                city,
                capacity: Patch::Set(80),
                ..named("Town Hall")
            })
            .await
            .unwrap();
        let after = scene
            .run(SaveVenue {
                city: Patch::Remove,
                ..changing("town hall")
            })
            .await
            .unwrap();
        assert_eq!(
            after,
            Venue {
                city: None,
                version: 2,
                ..before
            }
        );
    }

    #[tokio::test]
    async fn records_each_field_with_its_value() {
        let scene = Scene::new().await;
        let hall = SaveVenue {
            capacity: Patch::Set(80),
            ..named("Town Hall")
        };
        scene.run(hall).await.unwrap();
        let created = scene.changes().await.pop().unwrap().payload;
        assert_eq!(
            created["details"],
            serde_json::json!([{"field": "capacity", "before": null, "after": "80"}])
        );
        let larger = SaveVenue {
            capacity: Patch::Set(120),
            ..changing("Town Hall")
        };
        scene.run(larger).await.unwrap();
        let summary = scene.changes().await.pop().unwrap().summary;
        assert_eq!(
            summary,
            "Changes the venue \"Town Hall\": capacity from \"80\" to \"120\""
        );
    }

    #[tokio::test]
    async fn a_capacity_can_be_removed() {
        let scene = Scene::new().await;
        let save = |json: serde_json::Value| serde_json::from_value::<SaveVenue>(json);
        let hall = save(serde_json::json!({"name": "Town Hall", "capacity": 80})).unwrap();
        assert_eq!(scene.run(hall).await.unwrap().capacity, Some(80));
        for removing in [serde_json::json!(0), serde_json::json!("")] {
            let json = serde_json::json!({"venue": "Town Hall", "capacity": removing});
            let saved = scene.run(save(json).unwrap()).await.unwrap();
            assert_eq!(saved.capacity, None);
        }
        for keeping in [
            serde_json::json!({"venue": "x"}),
            serde_json::json!({"venue": "x", "capacity": null}),
        ] {
            assert!(save(keeping).unwrap().capacity.is_keep());
        }
        let repeated = save(serde_json::to_value(changing("x")).unwrap()).unwrap();
        assert!(repeated.capacity.is_keep());
        assert!(save(serde_json::json!({"capacity": 2.5})).is_err());
    }

    #[tokio::test]
    async fn an_archived_one_stays_as_it_is() {
        let scene = Scene::new().await;
        let venue = scene.venue("Town Hall").await;
        let archive = crate::venues::ArchiveVenue {
            venue: venue.id.into(),
        };
        scene.run(archive).await.unwrap();
        let command = SaveVenue {
            venue: Some(venue.id.into()),
            ..named("Old Town Hall")
        };
        assert_refused(scene.run(command).await, "venue_archived");
    }

    #[tokio::test]
    async fn saving_the_same_again_changes_nothing() {
        let scene = Scene::new().await;
        let venue = scene.venue("Town Hall").await;
        let count = scene.changes().await.len();
        assert_eq!(scene.run(changing("Town Hall")).await.unwrap(), venue);
        assert_eq!(scene.changes().await.len(), count);
    }

    #[tokio::test]
    async fn refuses_what_does_not_fit() {
        let scene = Scene::new().await;
        scene.venue("Town Hall").await;
        assert_refused(scene.run(SaveVenue::default()).await, "venue_name_missing");
        assert_refused(scene.run(named("TOWN HALL")).await, "name_taken");
        let country = Patch::Set("Germany".parse().unwrap());
        assert_refused(
            scene
                .run(SaveVenue {
                    country,
                    ..named("x")
                })
                .await,
            "country_malformed",
        );
        assert_refused(
            scene
                .run(SaveVenue {
                    capacity: Patch::Set(-1),
                    ..named("x")
                })
                .await,
            "capacity_not_positive",
        );
    }

    #[tokio::test]
    async fn names_what_is_near_when_it_finds_nothing() {
        let scene = Scene::new().await;
        scene.venue("Town Hall").await;
        let error = scene.run(changing("Twon Hall")).await.unwrap_err();
        assert_eq!(error.candidates()[0].name, "Town Hall");
        assert_refused::<(), _>(Err(error), "not_found");
    }

    #[tokio::test]
    async fn refuses_when_someone_else_saves_at_the_same_time() {
        let scene = Scene::new().await;
        let venue = scene.venue("Town Hall").await;
        let stale = Venue {
            version: 0,
            ..venue
        };
        let mut tx = scene.app.store().write(&scene.cx).await.unwrap();
        assert!(!sql::update(tx.conn(), scene.cx.now, &stale).await.unwrap());
        let error = SaveVenueError::ChangedMeanwhile("Town Hall".to_owned());
        assert_refused::<(), _>(Err(crate::RunError::Operation(error)), "changed_meanwhile");
    }

    #[tokio::test]
    async fn another_organization_cannot_change_it() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let venue = scene.venue("Town Hall").await;
        let command = SaveVenue {
            venue: Some(venue.id.into()),
            ..named("Mine now")
        };
        assert_refused(scene.app.run(&other, command).await, "not_found");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        scene.assert_idempotent(named("Town Hall")).await;
    }

    #[tokio::test]
    async fn a_dry_run_checks_everything_and_keeps_nothing() {
        let scene = Scene::new().await;
        let dry = scene.cx.in_mode(domain::context::Mode::DryRun);
        let venue = scene.app.run(&dry, named("Town Hall")).await.unwrap();
        assert_eq!(venue.name, "Town Hall");
        assert_eq!(dry.recorded()[0].summary, "Adds the venue \"Town Hall\"");
        assert_eq!(scene.changes().await.len(), 1, "only the founding");
        scene.venue("Town Hall").await;
        assert_refused(scene.app.run(&dry, named("Town Hall")).await, "name_taken");
    }
}
