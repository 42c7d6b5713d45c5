//! `create_event`: a new event, as a draft.

use domain::{
    Currency, Cx, EventId, Facts, Fault, FaultKind, FaultSpec, LocalTime, LongText, Name,
    Permission, Reference, VenueId, Zone, time::Fold,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{ResultExt as _, StoreError};

use super::{
    changes::EventCreated,
    model::{Event, EventFormat, when},
    schedule::{Schedule, ScheduleError},
    sql::{self, NewEvent},
};
use crate::{
    App, Effect, Operation,
    faults::{NAME_TAKEN, VENUE_ARCHIVED},
    lookup::LookupError,
    organizations,
    venues::{self, Venue},
};

/// Create an event as a draft; nothing is public until `publish_event`. Times are what the clock at the place
/// shows. What is not said is assumed and listed in `assumptions`: tell the organizer. Next: `save_ticket_type`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CreateEvent {
    /// Title.
    pub title: Name,
    /// Local start, such as 2027-02-04T19:00.
    pub starts: LocalTime,
    /// Local end; three hours after the start when left out.
    pub ends: Option<LocalTime>,
    /// IANA zone, such as Europe/Berlin; the venue's when left out.
    pub zone: Option<Zone>,
    /// Which one, when clocks go back and the time happens twice.
    pub fold: Option<Fold>,
    /// Venue: id or exact name.
    pub venue: Option<Reference<VenueId>>,
    /// Link for those who attend online.
    pub online_url: Option<Name>,
    /// Left out: follows from venue and link.
    pub format: Option<EventFormat>,
    /// One or two sentences.
    pub summary: Option<Name>,
    /// Markdown.
    pub description: Option<LongText>,
    /// ISO 4217 code; the organization's when left out.
    pub currency: Option<Currency>,
    /// Name in addresses; made from the title when left out.
    pub slug: Option<Name>,
}

/// The new event and what was assumed for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedEvent {
    /// The event.
    pub event: Event,
    /// What was not said and therefore assumed.
    pub assumptions: Vec<String>,
    /// What the organizer should know, such as another event there at the same time.
    pub warnings: Vec<String>,
}

impl Operation for CreateEvent {
    const NAME: &'static str = "create_event";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = CreatedEvent;
    type Error = CreateEventError;

    async fn run(self, app: &App, cx: &Cx) -> Result<CreatedEvent, CreateEventError> {
        let mut tx = app.store().write(cx).await?;
        let mut assumptions = Vec::new();
        let mut warnings = Vec::new();
        let organization = organizations::current(tx.conn()).await?;
        let venue = match &self.venue {
            Some(reference) => Some(offered_venue(tx.conn(), reference).await?),
            None => None,
        };
        let online_url = self
            .online_url
            .as_ref()
            .map(|url| link(url.as_str()))
            .transpose()?;
        let format = self.format.unwrap_or(match (&venue, &online_url) {
            (Some(_), Some(_)) => EventFormat::Hybrid,
            (None, Some(_)) => EventFormat::Online,
            (_, None) => EventFormat::InPerson,
        });
        if self.format.is_none() && venue.is_none() && online_url.is_none() {
            assumptions.push("People come in person; the venue is still missing.".to_owned());
        }
        let zone = self.zone.clone().unwrap_or_else(|| {
            let zone = venue
                .as_ref()
                .map_or(&organization.zone, |venue| &venue.zone)
                .clone();
            assumptions.push(format!("Times are on the clock in {}.", zone.city()));
            zone
        });
        let ends = self.ends.unwrap_or_else(|| {
            let ends = three_hours_after(self.starts);
            assumptions.push(format!(
                "It ends three hours after it starts, {}.",
                ends.readable()
            ));
            ends
        });
        let schedule = Schedule::new(self.starts, ends, zone, self.fold)?;
        if schedule.starts_at <= cx.now {
            return Err(CreateEventError::StartsInThePast {
                starts: self.starts,
                now: cx.now.in_zone(&schedule.zone),
            });
        }
        if let Some(venue) = &venue {
            let others = sql::overlapping(tx.conn(), venue.id, &schedule, None).await?;
            warnings.extend(
                others
                    .iter()
                    .map(|title| format!("{title:?} is at {} at the same time.", venue.name)),
            );
        }
        let currency = self.currency.unwrap_or_else(|| {
            assumptions.push(format!("Tickets are paid in {}.", organization.currency));
            organization.currency
        });
        let slug = match &self.slug {
            Some(slug) => wanted_slug(tx.conn(), slug.as_str()).await?,
            None => sql::free_slug(tx.conn(), self.title.as_str()).await?,
        };
        let new = NewEvent {
            id: cx.new_id::<EventId>(),
            slug,
            title: self.title.to_string(),
            summary: self.summary.map(|text| text.to_string()),
            description: self.description.map(|text| text.to_string()),
            format,
            venue_id: venue.map(|venue| venue.id),
            online_url,
            schedule,
            currency,
            series_id: None,
            source_id: None,
        };
        let inserted = sql::insert(tx.conn(), cx, &new).await;
        inserted.on_constraint("event_slug_key", || {
            CreateEventError::SlugTaken(new.slug.clone())
        })?;
        let event = sql::get(tx.conn(), cx, new.id).await?;
        let when = when(event.starts, &event.zone);
        let change = EventCreated {
            event_id: event.id,
            title: event.title.clone(),
            when,
            source_id: None,
        };
        Ok(tx
            .commit(
                change,
                CreatedEvent {
                    event,
                    assumptions,
                    warnings,
                },
            )
            .await?)
    }
}

/// The venue a caller means, if it is still offered for new events.
pub(crate) async fn offered_venue(
    conn: &mut sqlx::PgConnection,
    reference: &Reference<VenueId>,
) -> Result<Venue, CreateEventError> {
    let venue = venues::resolve(conn, reference).await?;
    if venue.is_archived {
        return Err(CreateEventError::VenueArchived(venue.name));
    }
    Ok(venue)
}

fn three_hours_after(starts: LocalTime) -> LocalTime {
    use jiff::ToSpan as _;
    starts
        .civil()
        .checked_add(3.hours())
        .map_or(starts, LocalTime::from)
}

/// A link people can follow: http or https, with a host.
pub(crate) fn link(url: &str) -> Result<String, CreateEventError> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let host = rest
        .and_then(|rest| rest.split(['/', '?', '#']).next())
        .unwrap_or_default();
    let plain = !host.is_empty() && !url.contains(char::is_whitespace) && !host.contains('@');
    if plain {
        Ok(url.to_owned())
    } else {
        Err(CreateEventError::NotALink(url.to_owned()))
    }
}

/// The slug an organizer asked for, in its proper form.
pub(crate) async fn wanted_slug(
    conn: &mut sqlx::PgConnection,
    text: &str,
) -> Result<String, CreateEventError> {
    let slug = organizations::slug_form(conn, text).await?;
    if slug.is_empty() {
        Err(CreateEventError::SlugEmpty(text.to_owned()))
    } else {
        Ok(slug)
    }
}

/// How `create_event` refuses.
#[derive(Debug, thiserror::Error)]
pub enum CreateEventError {
    /// It would start before now.
    #[error("{} is in the past; it is {} there now", .starts.readable(), .now.readable())]
    StartsInThePast {
        /// Start given.
        starts: LocalTime,
        /// The present time there.
        now: LocalTime,
    },
    /// The venue was put away.
    #[error("the venue {0:?} is archived")]
    VenueArchived(String),
    /// Not http or https.
    #[error("{0:?} is not a link; it must start with https:// or http://")]
    NotALink(String),
    /// Nothing of the slug is left in its proper form.
    #[error("{0:?} has no letter or digit that can stand in an address")]
    SlugEmpty(String),
    /// Another event has the slug.
    #[error("another event has the slug {0:?}")]
    SlugTaken(String),
    /// The times cannot be.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The venue was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const STARTS_IN_THE_PAST: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "starts_in_the_past",
    "Check the year, or ask which date is meant.",
);
const NOT_A_LINK: FaultSpec =
    FaultSpec::new(FaultKind::Invalid, "not_a_link", "Give the whole address.");
const SLUG_EMPTY: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "slug_empty",
    "Use letters a to z, digits and hyphens.",
);

impl Fault for CreateEventError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            STARTS_IN_THE_PAST,
            VENUE_ARCHIVED,
            NOT_A_LINK,
            SLUG_EMPTY,
            NAME_TAKEN,
        ];
        specs.extend(ScheduleError::specs());
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::StartsInThePast { .. } => STARTS_IN_THE_PAST.at("starts"),
            Self::VenueArchived(_) => VENUE_ARCHIVED.at("venue"),
            Self::NotALink(_) => NOT_A_LINK.at("online_url"),
            Self::SlugEmpty(_) => SLUG_EMPTY.at("slug"),
            Self::SlugTaken(_) => NAME_TAKEN.at("slug"),
            Self::Schedule(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for CreateEventError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        events::EventStatus,
        testing::{Scene, assert_refused, new_event},
    };

    #[tokio::test]
    async fn creates_a_draft_and_lists_what_it_assumed() {
        let scene = Scene::new().await;
        let created = scene.run(new_event("Spring Gala")).await.unwrap();
        let event = created.event;
        assert_eq!(
            (event.status, event.slug.as_str(), event.version),
            (EventStatus::Draft, "spring-gala", 1)
        );
        assert_eq!(event.when, "Thu 4 Feb 2027, 19:00 (Berlin)");
        assert_eq!(event.ends.to_string(), "2027-02-04T22:00");
        assert_eq!(event.starts_at.to_string(), "2027-02-04T18:00:00Z");
        assert_eq!(created.assumptions.len(), 4, "{:?}", created.assumptions);
        assert_eq!(scene.changes().await.last().unwrap().kind, "event.created");
    }

    #[tokio::test]
    async fn an_archived_venue_is_not_offered() {
        let scene = Scene::new().await;
        let venue = scene.venue("Town Hall").await;
        let there = CreateEvent {
            venue: Some(venue.id.into()),
            ..new_event("One")
        };
        scene.run(there.clone()).await.unwrap();
        let archive = venues::ArchiveVenue {
            venue: venue.id.into(),
        };
        scene.run(archive).await.unwrap();
        assert_refused(scene.run(there).await, "venue_archived");
        let again = crate::lifecycle::DuplicateEvent {
            event: "one".parse().unwrap(),
            starts: "2027-03-04T19:00".parse().unwrap(),
            ends: None,
            title: None,
            slug: None,
            venue: Some(venue.id.into()),
            zone: None,
            fold: None,
        };
        assert_refused(scene.run(again).await, "venue_archived");
    }

    #[tokio::test]
    async fn a_title_of_many_events_leads_to_the_nearest_that_are_not_over() {
        let scene = Scene::new().await;
        for month in 2..9 {
            let starts = format!("2027-{month:02}-04T19:00").parse().unwrap();
            let date = CreateEvent {
                starts,
                ..new_event("Quiz Night")
            };
            // Not the title's own slug: that would name one of them.
            let slug = Some(format!("quiz-{month}").parse().unwrap());
            scene.run(CreateEvent { slug, ..date }).await.unwrap();
        }
        let command = crate::lifecycle::GetEvent {
            event: "Quiz Night".parse().unwrap(),
        };
        let may = scene.at("2027-05-01T09:00:00Z");
        let error = scene.app.run(&may, command).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "more than 5 events are called \"Quiz Night\"; list_events has the others"
        );
        let candidates = error.candidates();
        let month = |name: &str| name.split_whitespace().nth(4).unwrap().to_owned();
        let months: Vec<_> = candidates.iter().map(|c| month(&c.name)).collect();
        assert_eq!(months, ["May", "Jun", "Jul", "Aug", "Apr"]);
        assert_refused::<(), _>(Err(error), "ambiguous_name");
    }

    #[tokio::test]
    async fn takes_zone_and_format_from_the_venue_and_warns_of_overlaps() {
        let scene = Scene::new().await;
        let venue = scene.venue("Town Hall").await;
        let there = || CreateEvent {
            venue: Some(venue.id.into()),
            ..new_event("One")
        };
        let first = scene.run(there()).await.unwrap();
        assert_eq!(
            (first.event.format, first.warnings.len()),
            (EventFormat::InPerson, 0)
        );
        assert_eq!(first.event.venue.unwrap().name, "Town Hall");
        let second = scene.run(there()).await.unwrap();
        assert_eq!(second.event.slug, "one-2");
        assert_eq!(
            second.warnings,
            ["\"One\" is at Town Hall at the same time."]
        );
    }

    #[tokio::test]
    async fn refuses_times_that_cannot_be() {
        let scene = Scene::new().await;
        let at = |starts: &str| CreateEvent {
            starts: starts.parse().unwrap(),
            ..new_event("x")
        };
        assert_refused(
            scene.run(at("2027-01-11T09:59")).await,
            "starts_in_the_past",
        );
        assert_refused(
            scene.run(at("2027-03-28T02:30")).await,
            "time_does_not_exist",
        );
        assert_refused(
            scene.run(at("2027-10-31T02:30")).await,
            "time_happens_twice",
        );
        let later = CreateEvent {
            fold: Some(Fold::Later),
            ..at("2027-10-31T02:30")
        };
        assert_eq!(
            scene.run(later).await.unwrap().event.starts_at.to_string(),
            "2027-10-31T01:30:00Z"
        );
        let ends = |ends: &str| CreateEvent {
            ends: Some(ends.parse().unwrap()),
            ..new_event("x")
        };
        assert_refused(
            scene.run(ends("2027-02-04T02:00")).await,
            "ends_before_start",
        );
        assert_refused(scene.run(ends("2029-02-04T22:00")).await, "lasts_too_long");
    }

    #[tokio::test]
    async fn refuses_links_slugs_and_venues_that_do_not_fit() {
        let scene = Scene::new().await;
        let name = |text: &str| Some(text.parse().unwrap());
        assert_refused(
            scene
                .run(CreateEvent {
                    online_url: name("javascript:x"),
                    ..new_event("x")
                })
                .await,
            "not_a_link",
        );
        assert_refused(
            scene
                .run(CreateEvent {
                    slug: name("!!"),
                    ..new_event("x")
                })
                .await,
            "slug_empty",
        );
        scene
            .run(CreateEvent {
                slug: name("Gala"),
                ..new_event("x")
            })
            .await
            .unwrap();
        assert_refused(
            scene
                .run(CreateEvent {
                    slug: name("gala"),
                    ..new_event("x")
                })
                .await,
            "name_taken",
        );
        let venue = Some("nowhere".parse().unwrap());
        assert_refused(
            scene
                .run(CreateEvent {
                    venue,
                    ..new_event("x")
                })
                .await,
            "not_found",
        );
    }

    #[tokio::test]
    async fn a_title_without_latin_letters_still_gets_a_slug() {
        let scene = Scene::new().await;
        assert_eq!(
            scene.run(new_event("東京ライブ")).await.unwrap().event.slug,
            "event"
        );
        assert_eq!(
            scene
                .run(new_event("Ärzte im Frühling"))
                .await
                .unwrap()
                .event
                .slug,
            "arzte-im-fruhling"
        );
    }

    #[tokio::test]
    async fn another_organizations_venue_is_not_there() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let venue = Some(scene.venue("Town Hall").await.id.into());
        assert_refused(
            scene
                .app
                .run(
                    &other,
                    CreateEvent {
                        venue,
                        ..new_event("x")
                    },
                )
                .await,
            "not_found",
        );
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        scene.assert_idempotent(new_event("Spring Gala")).await;
    }
}
