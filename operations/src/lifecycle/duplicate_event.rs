//! `duplicate_event`: the same event again, on another date.

use domain::{Cx, EventId, LocalTime, Name, Permission, Reference, VenueId, Zone, time::Fold};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::copy::{self, Moved, Target};
use crate::{
    App, Effect, Operation,
    events::{self, CreateEventError, Event, EventFormat, Schedule, ScheduleError},
    ticket_types::{self, TicketType},
    venues::Venue,
};

/// Copy an event to another date as a new draft: texts, place, ticket types with their prices and limits. End and
/// sales windows move with the start. Orders, tickets and what was sold are never copied.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DuplicateEvent {
    /// Event to copy: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Local start of the copy.
    pub starts: LocalTime,
    /// Local end; as long after the start as the source's when left out.
    pub ends: Option<LocalTime>,
    /// Title; the source's when left out.
    pub title: Option<Name>,
    /// Name in addresses; made from the title when left out.
    pub slug: Option<Name>,
    /// Another venue: id or exact name.
    pub venue: Option<Reference<VenueId>>,
    /// IANA zone; the new venue's, or the source's, when left out.
    pub zone: Option<Zone>,
    /// Which one, when clocks go back and the time happens twice.
    pub fold: Option<Fold>,
}

/// The copy, and how it differs from the source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DuplicatedEvent {
    /// The copy.
    pub event: Event,
    /// Its ticket types.
    pub ticket_types: Vec<TicketType>,
    /// Every time that moved.
    pub moved: Vec<Moved>,
    /// What was not said and therefore assumed.
    pub assumptions: Vec<String>,
    /// What the organizer should know, such as a sale that would be over already.
    pub warnings: Vec<String>,
}

impl Operation for DuplicateEvent {
    const NAME: &'static str = "duplicate_event";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = DuplicatedEvent;
    type Error = CreateEventError;

    async fn run(self, app: &App, cx: &Cx) -> Result<DuplicatedEvent, CreateEventError> {
        let mut tx = app.store().write(cx).await?;
        let source = events::share(tx.conn(), cx, &self.event).await?;
        let venue = match &self.venue {
            Some(reference) => Some(events::offered_venue(tx.conn(), reference).await?),
            None => None,
        };
        let mut assumptions = Vec::new();
        let schedule = self.schedule(cx, &source, venue.as_ref(), &mut assumptions)?;
        let title = self
            .title
            .map_or_else(|| source.title.clone(), |title| title.to_string());
        let slug = match &self.slug {
            Some(slug) => events::wanted_slug(tx.conn(), slug.as_str()).await?,
            None => events::free_slug(tx.conn(), &title).await?,
        };
        let venue_id = venue.map(|venue| venue.id);
        let target = Target {
            title,
            slug,
            schedule: schedule.clone(),
            format: match source.format {
                EventFormat::Online if venue_id.is_some() => EventFormat::Hybrid,
                format => format,
            },
            venue_id: venue_id.or(source.venue.as_ref().map(|venue| venue.id)),
            series_id: None,
        };
        let (event, copied) = copy::copy_event(&mut tx, &source, target).await?;
        let mut warnings = copy::window_warnings(&copied);
        if source.starts == event.starts {
            warnings.push(format!(
                "The copy starts at the same time as the source, {}.",
                event.starts.readable()
            ));
        }
        if let Some(venue) = &event.venue {
            let others =
                events::overlapping(tx.conn(), venue.id, &schedule, Some(event.id)).await?;
            let said = |title: &String| format!("{title:?} is at {} at the same time.", venue.name);
            warnings.extend(others.iter().map(said));
        }
        let offers = ticket_types::offers(tx.conn(), source.id).await?;
        let answer = DuplicatedEvent {
            ticket_types: ticket_types::summaries(tx.conn(), cx, &event).await?,
            moved: copy::moved(&source, &offers, &event, &copied),
            assumptions,
            warnings,
            event,
        };
        Ok(tx.commit(copy::created(&answer.event), answer).await?)
    }
}

impl DuplicateEvent {
    fn schedule(
        &self,
        cx: &Cx,
        source: &Event,
        venue: Option<&Venue>,
        assumptions: &mut Vec<String>,
    ) -> Result<Schedule, CreateEventError> {
        let zone = match (&self.zone, venue) {
            (Some(zone), _) => zone.clone(),
            (None, Some(venue)) => venue.zone.clone(),
            (None, None) => source.zone.clone(),
        };
        if self.zone.is_none() && zone != source.zone {
            assumptions.push(format!("Times are on the clock in {}.", zone.city()));
        }
        let ends = if let Some(ends) = self.ends {
            ends
        } else {
            let ends = source.ends.shifted(source.starts, self.starts);
            let ends = ends.map_err(|error| ScheduleError::Unreadable {
                field: "starts",
                error,
            })?;
            assumptions.push(format!(
                "It lasts as long as the source and ends {}.",
                ends.readable()
            ));
            ends
        };
        let schedule = Schedule::new(self.starts, ends, zone.clone(), self.fold)?;
        if schedule.starts_at <= cx.now {
            return Err(CreateEventError::StartsInThePast {
                starts: self.starts,
                now: cx.now.in_zone(&zone),
            });
        }
        Ok(schedule)
    }
}

#[cfg(test)]
mod tests {
    use domain::Patch;

    use super::*;
    use crate::{
        events::{EventStatus, StatusMove},
        testing::{Scene, assert_refused, selling},
        ticket_types::SaveTicketType,
    };

    fn copying(event: &Event, starts: &str) -> DuplicateEvent {
        DuplicateEvent {
            event: event.id.into(),
            starts: starts.parse().unwrap(),
            ends: None,
            title: None,
            slug: None,
            venue: None,
            zone: None,
            fold: None,
        }
    }

    async fn with_early_bird(scene: &Scene) -> Event {
        let (event, _) = scene.on_sale(2500, 10).await;
        let early = SaveTicketType {
            sales_start: Patch::Set("2027-01-12T09:00".parse().unwrap()),
            sales_end: Patch::Set("2027-02-03T18:00".parse().unwrap()),
            ..selling(event.id, "Early bird", 2000, 5)
        };
        scene.run(early).await.unwrap();
        event
    }

    #[tokio::test]
    async fn moves_every_deadline_and_keeps_prices() {
        let scene = Scene::new().await;
        let event = with_early_bird(&scene).await;
        // Over the change of the clocks: 18:00 the day before stays 18:00 the day before.
        let copy = scene
            .run(copying(&event, "2027-04-08T20:00"))
            .await
            .unwrap();
        assert_eq!(copy.event.status, EventStatus::Draft);
        assert_eq!(copy.event.source_id, Some(event.id));
        assert_eq!(copy.event.slug, "spring-gala-2");
        let moved: Vec<String> = copy
            .moved
            .iter()
            .map(|m| format!("{}: {} -> {}", m.what, m.from, m.to.unwrap()))
            .collect();
        assert_eq!(
            moved,
            [
                "start: 2027-02-04T19:00 -> 2027-04-08T20:00",
                "end: 2027-02-04T22:00 -> 2027-04-08T23:00",
                "the sale of \"Early bird\" begins: 2027-01-12T09:00 -> 2027-03-16T10:00",
                "the sale of \"Early bird\" ends: 2027-02-03T18:00 -> 2027-04-07T19:00",
            ]
        );
        let types: Vec<_> = copy
            .ticket_types
            .iter()
            .map(|t| (t.name.as_str(), t.price.amount, t.availability.capacity))
            .collect();
        assert_eq!(
            types,
            [("Regular", 2500, Some(10)), ("Early bird", 2000, Some(5))]
        );
        assert!(copy.warnings.is_empty(), "{:?}", copy.warnings);
    }

    #[tokio::test]
    async fn warns_of_sales_that_would_be_over_the_same_date_and_the_same_place() {
        let scene = Scene::new().await;
        let event = with_early_bird(&scene).await;
        let venue = Some(scene.venue("Town Hall").await.id.into());
        let command = DuplicateEvent {
            venue: venue.clone(),
            title: Some("Autumn Gala".parse().unwrap()),
            ..copying(&event, "2027-02-04T19:00")
        };
        let copy = scene.run(command).await.unwrap();
        assert_eq!(copy.event.title, "Autumn Gala");
        assert_eq!(copy.event.format, EventFormat::Hybrid);
        assert_eq!(copy.warnings.len(), 1, "{:?}", copy.warnings);
        assert!(copy.warnings[0].contains("same time as the source"));
        let command = DuplicateEvent {
            venue,
            ..copying(&event, "2027-02-04T20:00")
        };
        let copy = scene.run(command).await.unwrap();
        assert_eq!(
            copy.warnings,
            ["\"Autumn Gala\" is at Town Hall at the same time."]
        );
        let soon = scene.at("2027-02-03T20:00:00Z");
        let copy = scene
            .app
            .run(&soon, copying(&event, "2027-02-04T09:00"))
            .await;
        let warnings = copy.unwrap().warnings;
        assert!(
            warnings[0].contains("\"Early bird\" ended on Wed 3 Feb 2027, 08:00"),
            "{warnings:?}"
        );
    }

    #[tokio::test]
    async fn copies_cancelled_events_and_leap_days() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene.move_event(event.id, StatusMove::Cancel(None)).await;
        let copy = scene
            .run(copying(&event, "2028-02-29T19:00"))
            .await
            .unwrap();
        assert_eq!(copy.event.when, "Tue 29 Feb 2028, 19:00 (Berlin)");
        assert_eq!(copy.event.cancelled_at, None);
    }

    #[tokio::test]
    async fn refuses_times_that_cannot_be() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let at = async |starts| scene.run(copying(&event, starts)).await;
        assert_refused(at("2026-02-04T19:00").await, "starts_in_the_past");
        assert_refused(at("2027-03-28T02:30").await, "time_does_not_exist");
        assert_refused(at("2027-10-31T02:30").await, "time_happens_twice");
        let folded = DuplicateEvent {
            fold: Some(Fold::Later),
            ..copying(&event, "2027-10-31T02:30")
        };
        let copy = scene.run(folded).await.unwrap();
        assert_eq!(copy.event.starts_at.to_string(), "2027-10-31T01:30:00Z");
        let backwards = DuplicateEvent {
            ends: Some("2027-04-01T10:00".parse().unwrap()),
            ..copying(&event, "2027-04-01T19:00")
        };
        assert_refused(scene.run(backwards).await, "ends_before_start");
    }

    #[tokio::test]
    async fn refuses_unknown_events_and_venues_and_taken_slugs() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let command = copying(&event, "2027-04-01T19:00");
        let outcome = scene.app.run(&other, command.clone()).await;
        assert_refused(outcome, "not_found");
        let nowhere = DuplicateEvent {
            venue: Some("nowhere".parse().unwrap()),
            ..command.clone()
        };
        assert_refused(scene.run(nowhere).await, "not_found");
        let taken = DuplicateEvent {
            slug: Some("spring-gala".parse().unwrap()),
            ..command
        };
        assert_refused(scene.run(taken).await, "name_taken");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene
            .assert_idempotent(copying(&event, "2027-04-01T19:00"))
            .await;
    }
}
