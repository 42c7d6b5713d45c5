//! `update_event`: an event's details change.

use domain::{
    Currency, Cx, EventId, Facts, Fault, FaultKind, FaultSpec, LocalTime, LongText, Name, Patch,
    Permission, Reference, VenueId, Zone, time::Fold,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::{ResultExt as _, StoreError};

use crate::{
    App, Effect, Operation,
    events::{
        self, CreateEventError, CreatedEvent, Event, EventFormat, EventStatus, EventUpdated,
        EventVenue, Schedule, link, wanted_slug,
    },
    faults::{CHANGED_MEANWHILE, EVENT_CLOSED, NOTHING_GIVEN},
    field_change::{FieldChange, differing},
    lifecycle::moving::{holders_moved, warn_of_overlaps},
    lookup::LookupError,
    promo_codes, ticket_types, venues,
};

/// Change an event. Fields left out stay; an empty text removes one. A new `zone` keeps the clock time, of
/// sales windows too. They do not move with the date: check them with `list_ticket_types`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UpdateEvent {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Refuse when the event is no longer at this version.
    pub version: Option<i32>,
    /// New title.
    pub title: Option<Name>,
    /// New local start.
    pub starts: Option<LocalTime>,
    /// New local end; moves with the start when left out.
    pub ends: Option<LocalTime>,
    /// New IANA zone.
    pub zone: Option<Zone>,
    /// Which one, when clocks go back and the time happens twice.
    pub fold: Option<Fold>,
    /// New venue: id or exact name.
    #[serde(default)]
    pub venue: Patch<Reference<VenueId>>,
    /// New link.
    #[serde(default)]
    pub online_url: Patch<Name>,
    /// New format.
    pub format: Option<EventFormat>,
    /// New summary.
    #[serde(default)]
    pub summary: Patch<Name>,
    /// New description, in Markdown.
    #[serde(default)]
    pub description: Patch<LongText>,
    /// New currency; only while nothing has a price.
    pub currency: Option<Currency>,
    /// New name in addresses; old links stop working.
    pub slug: Option<Name>,
}

impl Operation for UpdateEvent {
    const NAME: &'static str = "update_event";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = CreatedEvent;
    type Error = UpdateEventError;

    async fn run(self, app: &App, cx: &Cx) -> Result<CreatedEvent, UpdateEventError> {
        if self.gives_nothing() {
            return Err(UpdateEventError::NothingGiven);
        }
        let mut tx = app.store().write(cx).await?;
        let before = events::lock(tx.conn(), cx, &self.event).await?;
        self.check_state(&before)?;
        let mut answer = CreatedEvent {
            event: before.clone(),
            assumptions: Vec::new(),
            warnings: Vec::new(),
        };
        self.amend(tx.conn(), cx, &before, &mut answer).await?;
        if answer.event == before {
            return Ok(tx.unchanged(answer).await?);
        }
        warn_of_overlaps(tx.conn(), &before, &mut answer).await?;
        let tickets = holders_moved(tx.conn(), &before, &mut answer).await?;
        let updated = events::update(tx.conn(), cx, &answer.event).await;
        let updated = updated.on_constraint("event_slug_key", || {
            UpdateEventError::from(CreateEventError::SlugTaken(answer.event.slug.clone()))
        })?;
        if !updated {
            return Err(UpdateEventError::ChangedMeanwhile {
                title: before.title,
                version: before.version,
            });
        }
        if answer.event.zone != before.zone {
            let zone = &answer.event.zone;
            let stuck = ticket_types::rezone(tx.conn(), cx, before.id, zone).await?;
            promo_codes::rezone(tx.conn(), cx, before.id, zone).await?;
            answer.warnings.extend(stuck.into_iter().map(|name| {
                format!("The sales window of {name:?} stays where it was: clocks change within it.")
            }));
        }
        let change = EventUpdated {
            event_id: before.id,
            changed: differences(&before, &answer.event),
            title: before.title,
            tickets,
        };
        answer.event = events::get(tx.conn(), cx, before.id).await?;
        Ok(tx.commit(change, answer).await?)
    }
}

impl UpdateEvent {
    /// An update of an event that changes nothing yet.
    pub fn of(event: Reference<EventId>) -> Self {
        Self {
            event,
            version: None,
            title: None,
            starts: None,
            ends: None,
            zone: None,
            fold: None,
            venue: Patch::Keep,
            online_url: Patch::Keep,
            format: None,
            summary: Patch::Keep,
            description: Patch::Keep,
            currency: None,
            slug: None,
        }
    }

    fn gives_nothing(&self) -> bool {
        self.title.is_none()
            && self.starts.is_none()
            && self.ends.is_none()
            && self.zone.is_none()
            && self.venue.is_keep()
            && self.online_url.is_keep()
            && self.format.is_none()
            && self.summary.is_keep()
            && self.description.is_keep()
            && self.currency.is_none()
            && self.slug.is_none()
    }

    fn check_state(&self, event: &Event) -> Result<(), UpdateEventError> {
        let title = event.title.clone();
        if self.version.is_some_and(|version| version != event.version) {
            return Err(UpdateEventError::ChangedMeanwhile {
                title,
                version: event.version,
            });
        }
        match event.status {
            EventStatus::Draft | EventStatus::Published => Ok(()),
            status @ (EventStatus::Cancelled | EventStatus::Archived | EventStatus::Ended) => {
                Err(UpdateEventError::Closed { title, status })
            }
        }
    }

    /// Puts what was given onto the event.
    async fn amend(
        self,
        conn: &mut PgConnection,
        cx: &Cx,
        before: &Event,
        answer: &mut CreatedEvent,
    ) -> Result<(), UpdateEventError> {
        let after = &mut answer.event;
        self.reschedule(cx, before, after, &mut answer.assumptions)?;
        match &self.venue {
            Patch::Keep => {}
            Patch::Remove => after.venue = None,
            Patch::Set(reference) => {
                let venue = venues::resolve(conn, reference).await?;
                let stays = before.venue.as_ref().is_some_and(|v| v.id == venue.id);
                if venue.is_archived && !stays {
                    return Err(CreateEventError::VenueArchived(venue.name).into());
                }
                if venue.zone != after.zone {
                    answer.warnings.push(format!(
                        "{} is in the zone {}, the event's times are in {}.",
                        venue.name, venue.zone, after.zone
                    ));
                }
                after.venue = Some(EventVenue {
                    id: venue.id,
                    name: venue.name,
                    city: venue.city,
                    capacity: venue.capacity,
                });
            }
        }
        if let Some(currency) = self.currency.filter(|new| *new != before.currency) {
            if events::has_prices(conn, before.id).await?
                || promo_codes::has_amounts(conn, before.id).await?
            {
                return Err(UpdateEventError::CurrencyFixed {
                    currency: before.currency,
                });
            }
            after.currency = currency;
        }
        if let Some(slug) = &self.slug {
            after.slug = wanted_slug(conn, slug.as_str()).await?;
        }
        self.describe(after)?;
        match after.missing_place() {
            Some(missing) if before.status == EventStatus::Published => {
                Err(UpdateEventError::PlaceMissing {
                    title: before.title.clone(),
                    missing,
                })
            }
            _ => Ok(()),
        }
    }

    fn reschedule(
        &self,
        cx: &Cx,
        before: &Event,
        after: &mut Event,
        assumptions: &mut Vec<String>,
    ) -> Result<(), UpdateEventError> {
        if self.starts.is_none() && self.ends.is_none() && self.zone.is_none() {
            return Ok(());
        }
        let starts = self.starts.unwrap_or(before.starts);
        let ends = match self.ends {
            Some(ends) => ends,
            None => before.ends.shifted(before.starts, starts).map_err(|_| {
                CreateEventError::StartsInThePast {
                    starts,
                    now: cx.now.in_zone(&before.zone),
                }
            })?,
        };
        if self.starts.is_some() && self.ends.is_none() {
            assumptions.push(format!(
                "It lasts as long as before and ends {}.",
                ends.readable()
            ));
        }
        if self.zone.is_some() && self.starts.is_none() {
            assumptions.push("The clock time stays; the instant moves with the zone.".to_owned());
        }
        let zone = self.zone.clone().unwrap_or_else(|| before.zone.clone());
        let schedule =
            Schedule::new(starts, ends, zone, self.fold).map_err(CreateEventError::from)?;
        if schedule.starts_at <= cx.now && schedule.starts_at != before.starts_at {
            let now = cx.now.in_zone(&schedule.zone);
            return Err(CreateEventError::StartsInThePast { starts, now }.into());
        }
        // An event that is over stays over: nobody could correct a mistyped end.
        if schedule.ends_at <= cx.now && schedule.ends_at != before.ends_at {
            let now = cx.now.in_zone(&schedule.zone);
            return Err(UpdateEventError::EndsInThePast { ends, now });
        }
        after.starts = schedule.starts;
        after.ends = schedule.ends;
        after.zone = schedule.zone;
        after.starts_at = schedule.starts_at;
        after.ends_at = schedule.ends_at;
        Ok(())
    }

    fn describe(self, after: &mut Event) -> Result<(), UpdateEventError> {
        if let Some(title) = self.title {
            after.title = title.to_string();
        }
        if let Some(format) = self.format {
            after.format = format;
        }
        match self.online_url {
            Patch::Keep => {}
            Patch::Remove => after.online_url = None,
            Patch::Set(url) => after.online_url = Some(link(url.as_str())?),
        }
        match self.summary {
            Patch::Keep => {}
            Patch::Remove => after.summary = None,
            Patch::Set(text) => after.summary = Some(text.to_string()),
        }
        match self.description {
            Patch::Keep => {}
            Patch::Remove => after.description = None,
            Patch::Set(text) => after.description = Some(text.to_string()),
        }
        Ok(())
    }
}

/// The fields that differ, for the audit trail and for the person who confirms.
fn differences(before: &Event, after: &Event) -> Vec<FieldChange> {
    let venue = |event: &Event| event.venue.as_ref().map(|v| v.name.clone());
    let fields = [
        (
            "title",
            Some(before.title.clone()),
            Some(after.title.clone()),
        ),
        ("slug", Some(before.slug.clone()), Some(after.slug.clone())),
        (
            "start",
            Some(before.starts.readable()),
            Some(after.starts.readable()),
        ),
        (
            "end",
            Some(before.ends.readable()),
            Some(after.ends.readable()),
        ),
        (
            "zone",
            Some(before.zone.to_string()),
            Some(after.zone.to_string()),
        ),
        ("venue", venue(before), venue(after)),
        ("link", before.online_url.clone(), after.online_url.clone()),
        (
            "format",
            Some(before.format.to_string()),
            Some(after.format.to_string()),
        ),
        ("summary", before.summary.clone(), after.summary.clone()),
        (
            "description",
            before.description.clone(),
            after.description.clone(),
        ),
        (
            "currency",
            Some(before.currency.to_string()),
            Some(after.currency.to_string()),
        ),
    ];
    differing(fields)
}

/// How `update_event` refuses.
#[derive(Debug, thiserror::Error)]
pub enum UpdateEventError {
    /// No field was given.
    #[error("nothing to change was given")]
    NothingGiven,
    /// The event is at another version than the caller knows.
    #[error("{title:?} was changed by someone else meanwhile; it is at version {version} now")]
    ChangedMeanwhile {
        /// Its title.
        title: String,
        /// Its present version.
        version: i32,
    },
    /// The event is over, cancelled or archived.
    #[error("{title:?} is {status} and can no longer be changed")]
    Closed {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// It would be over at once, and for good.
    #[error("{} is in the past; it is {} there now", .ends.readable(), .now.readable())]
    EndsInThePast {
        /// End given.
        ends: LocalTime,
        /// The present time there.
        now: LocalTime,
    },
    /// Something has a price in the present currency.
    #[error("the event has ticket types priced in {currency}, so its currency stays")]
    CurrencyFixed {
        /// The present currency.
        currency: Currency,
    },
    /// A published event would have no place.
    #[error("{title:?} is published and would be left without {missing}")]
    PlaceMissing {
        /// Its title.
        title: String,
        /// `a venue` or `a link`.
        missing: &'static str,
    },
    /// A value does not fit, as in `create_event`.
    #[error(transparent)]
    Value(#[from] CreateEventError),
}

const ENDS_IN_THE_PAST: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "ends_in_the_past",
    "Check the date. To end the sale, set `sales_end` of the ticket types; an event that will not go on is cancelled with cancel_event.",
);
const CURRENCY_FIXED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "currency_fixed",
    "Leave the currency, or create a new event in the other currency.",
);
const PLACE_MISSING: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "place_missing",
    "Give the new place in the same call.",
);

impl Fault for UpdateEventError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            NOTHING_GIVEN,
            CHANGED_MEANWHILE,
            EVENT_CLOSED,
            ENDS_IN_THE_PAST,
            CURRENCY_FIXED,
            PLACE_MISSING,
        ];
        specs.extend(CreateEventError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NothingGiven => NOTHING_GIVEN.into(),
            Self::ChangedMeanwhile { .. } => CHANGED_MEANWHILE.into(),
            Self::Closed { .. } => EVENT_CLOSED.into(),
            Self::EndsInThePast { .. } => ENDS_IN_THE_PAST.at("ends"),
            Self::CurrencyFixed { .. } => CURRENCY_FIXED.into(),
            Self::PlaceMissing { .. } => PLACE_MISSING.into(),
            Self::Value(error) => error.facts(),
        }
    }
}

impl From<LookupError> for UpdateEventError {
    fn from(error: LookupError) -> Self {
        Self::Value(error.into())
    }
}

impl From<StoreError> for UpdateEventError {
    fn from(error: StoreError) -> Self {
        Self::Value(error.into())
    }
}

impl From<sqlx::Error> for UpdateEventError {
    fn from(error: sqlx::Error) -> Self {
        Self::Value(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lifecycle::ArchiveEvent,
        testing::{Scene, assert_refused, new_event, selling},
        ticket_types::{ListTicketTypes, SaleState, SaveTicketType},
        venues::SaveVenue,
    };

    async fn gala(scene: &Scene) -> Event {
        scene.run(new_event("Spring Gala")).await.unwrap().event
    }

    fn update(event: &Event) -> UpdateEvent {
        UpdateEvent::of(event.id.into())
    }

    #[tokio::test]
    async fn a_running_event_is_not_ended_for_good() {
        let scene = Scene::new().await;
        let event = scene.published("Spring Gala").await;
        let during = scene.at("2027-02-04T19:00:00Z");
        let ending = |ends: &str| UpdateEvent {
            ends: Some(ends.parse().unwrap()),
            ..update(&event)
        };
        let mistyped = scene.app.run(&during, ending("2027-02-04T19:30")).await;
        assert_refused(mistyped, "ends_in_the_past");
        let longer = scene.app.run(&during, ending("2027-02-05T01:00")).await;
        assert_eq!(longer.unwrap().event.status, EventStatus::Published);
    }

    #[tokio::test]
    async fn says_how_many_tickets_were_sold_for_another_time_or_place() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 10).await;
        scene.order(event.id, 3).await;
        let title = UpdateEvent {
            title: Some("Gala".parse().unwrap()),
            ..update(&event)
        };
        scene.run(title).await.unwrap();
        let last = scene.changes().await.pop().unwrap();
        assert!(!last.summary.contains("valid tickets"), "{}", last.summary);
        let cellar = SaveVenue {
            name: Some("Cellar".parse().unwrap()),
            capacity: Patch::Set(2),
            ..SaveVenue::default()
        };
        let cellar = scene.run(cellar).await.unwrap();
        let moving = UpdateEvent {
            venue: Patch::Set(cellar.id.into()),
            ..update(&event)
        };
        let moved = scene.run(moving).await.unwrap();
        assert_eq!(
            moved.warnings,
            ["3 valid tickets are out, and Cellar has 2 places."]
        );
        let later = UpdateEvent {
            starts: Some("2027-03-05T20:30".parse().unwrap()),
            ..update(&event)
        };
        scene.run(later).await.unwrap();
        for change in scene.changes().await.iter().rev().take(2) {
            let summary = &change.summary;
            assert!(
                summary.ends_with("3 valid tickets were sold for it as it was"),
                "{summary}"
            );
        }
    }

    #[tokio::test]
    async fn moves_nowhere_that_is_archived() {
        let scene = Scene::new().await;
        let event = gala(&scene).await;
        let venue = scene.venue("Town Hall").await;
        let at_venue = UpdateEvent {
            venue: Patch::Set(venue.id.into()),
            ..update(&event)
        };
        let archive = venues::ArchiveVenue {
            venue: venue.id.into(),
        };
        scene.run(archive).await.unwrap();
        assert_refused(scene.run(at_venue).await, "venue_archived");
    }

    #[tokio::test]
    async fn moves_the_end_with_the_start() {
        let scene = Scene::new().await;
        let event = gala(&scene).await;
        let starts = Some("2027-03-05T20:30".parse().unwrap());
        let after = scene
            .run(UpdateEvent {
                starts,
                ..update(&event)
            })
            .await
            .unwrap();
        assert_eq!(after.event.ends.to_string(), "2027-03-05T23:30");
        assert_eq!(after.event.version, 2);
        let change = scene.changes().await.pop().unwrap();
        assert!(
            change
                .summary
                .contains("start from \"Thu 4 Feb 2027, 19:00\" to \"Fri 5 Mar 2027, 20:30\""),
            "{}",
            change.summary
        );
    }

    #[tokio::test]
    async fn a_new_zone_keeps_the_clock() {
        let scene = Scene::new().await;
        let event = gala(&scene).await;
        let zone = Some("America/New_York".parse().unwrap());
        let after = scene
            .run(UpdateEvent {
                zone,
                ..update(&event)
            })
            .await
            .unwrap();
        assert_eq!(after.event.starts, event.starts);
        assert_eq!(
            after.event.starts_at,
            event.starts_at.plus_seconds(6 * 3600)
        );
    }

    #[tokio::test]
    async fn an_empty_text_removes_and_the_same_again_changes_nothing() {
        let scene = Scene::new().await;
        let event = gala(&scene).await;
        let summary = Patch::Set("Music and food.".parse().unwrap());
        scene
            .run(UpdateEvent {
                summary,
                ..update(&event)
            })
            .await
            .unwrap();
        let removed = scene
            .run(UpdateEvent {
                summary: Patch::Remove,
                ..update(&event)
            })
            .await
            .unwrap();
        assert_eq!(removed.event.summary, None);
        let count = scene.changes().await.len();
        scene
            .run(UpdateEvent {
                summary: Patch::Remove,
                ..update(&event)
            })
            .await
            .unwrap();
        assert_eq!(scene.changes().await.len(), count);
    }

    #[tokio::test]
    async fn refuses_what_does_not_fit() {
        let scene = Scene::new().await;
        let event = gala(&scene).await;
        assert_refused(scene.run(update(&event)).await, "nothing_given");
        let title = Some("x".parse().unwrap());
        assert_refused(
            scene
                .run(UpdateEvent {
                    version: Some(7),
                    title: title.clone(),
                    ..update(&event)
                })
                .await,
            "changed_meanwhile",
        );
        let starts = Some("2026-03-05T20:30".parse().unwrap());
        assert_refused(
            scene
                .run(UpdateEvent {
                    starts,
                    ..update(&event)
                })
                .await,
            "starts_in_the_past",
        );
        let gap = Some("2027-03-28T02:30".parse().unwrap());
        assert_refused(
            scene
                .run(UpdateEvent {
                    starts: gap,
                    ..update(&event)
                })
                .await,
            "time_does_not_exist",
        );
        let unknown = UpdateEvent {
            title: title.clone(),
            ..UpdateEvent::of("Sprign Gala".parse().unwrap())
        };
        let error = scene.run(unknown).await.unwrap_err();
        assert_eq!(error.candidates()[0].id, event.id.to_string());
        assert_refused::<(), _>(Err(error), "not_found");
        scene
            .run(ArchiveEvent {
                event: event.id.into(),
            })
            .await
            .unwrap();
        assert_refused(
            scene
                .run(UpdateEvent {
                    title,
                    ..update(&event)
                })
                .await,
            "event_closed",
        );
    }

    #[tokio::test]
    async fn asks_which_one_when_two_share_a_title() {
        let scene = Scene::new().await;
        gala(&scene).await;
        gala(&scene).await;
        let title = Some("x".parse().unwrap());
        let named = |name: &str| UpdateEvent {
            title: title.clone(),
            ..UpdateEvent::of(name.parse().unwrap())
        };
        let error = scene.run(named("Spring Gala")).await.unwrap_err();
        assert_eq!(error.candidates().len(), 2);
        assert_refused::<(), _>(Err(error), "ambiguous_name");
        assert_eq!(
            scene.run(named("spring-gala")).await.unwrap().event.title,
            "x",
            "a slug is unambiguous"
        );
    }

    #[tokio::test]
    async fn another_organization_cannot_change_it() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let event = gala(&scene).await;
        let title = Some("x".parse().unwrap());
        assert_refused(
            scene
                .app
                .run(
                    &other,
                    UpdateEvent {
                        title,
                        ..update(&event)
                    },
                )
                .await,
            "not_found",
        );
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let event = gala(&scene).await;
        scene
            .assert_idempotent(UpdateEvent {
                title: Some("x".parse().unwrap()),
                ..update(&event)
            })
            .await;
    }

    #[tokio::test]
    async fn a_new_zone_keeps_the_clock_times_of_sales_windows() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let window = SaveTicketType {
            sales_start: Patch::Set("2027-01-20T09:00".parse().unwrap()),
            sales_end: Patch::Set("2027-01-30T18:00".parse().unwrap()),
            ..selling(event.id, "Early", 2000, 5)
        };
        scene.run(window).await.unwrap();
        let types = ListTicketTypes {
            event: event.id.into(),
        };
        let state = async |now: &str| {
            let answer = scene.app.run(&scene.at(now), types.clone()).await.unwrap();
            let early = answer.ticket_types.into_iter().find(|t| t.name == "Early");
            early.unwrap().state
        };
        // 18:00 in Berlin is 17:00 UTC, in New York it is 23:00 UTC.
        assert_eq!(state("2027-01-30T20:00:00Z").await, SaleState::Over);
        let update = UpdateEvent {
            zone: Some("America/New_York".parse().unwrap()),
            ..UpdateEvent::of(event.id.into())
        };
        scene.run(update).await.unwrap();
        assert_eq!(state("2027-01-30T20:00:00Z").await, SaleState::OnSale);
        assert_eq!(state("2027-01-30T23:30:00Z").await, SaleState::Over);
    }
}
