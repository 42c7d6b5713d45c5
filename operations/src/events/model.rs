//! The event as callers see it, and its states.

use domain::{Currency, Cx, EventId, LocalTime, SeriesId, Timestamp, VenueId, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

domain::text_enum! {
    /// The states that are stored. `ended` is not one: time alone makes it so.
    pub enum StoredStatus {
        /// Being prepared; nobody outside sees it.
        Draft = "draft",
        /// On sale, or on show.
        Published = "published",
        /// Will not take place.
        Cancelled = "cancelled",
        /// Put away.
        Archived = "archived",
    }
}

domain::sqlx_as_text!(StoredStatus);

domain::text_enum! {
    /// The state people see.
    pub enum EventStatus {
        /// Being prepared; nobody outside sees it.
        Draft = "draft",
        /// Published, and not over yet.
        Published = "published",
        /// Published, and over.
        Ended = "ended",
        /// Will not take place.
        Cancelled = "cancelled",
        /// Put away.
        Archived = "archived",
    }
}

impl EventStatus {
    /// The state people see at a time.
    pub fn of(stored: StoredStatus, ends_at: Timestamp, now: Timestamp) -> Self {
        match stored {
            StoredStatus::Draft => Self::Draft,
            StoredStatus::Published if ends_at <= now => Self::Ended,
            StoredStatus::Published => Self::Published,
            StoredStatus::Cancelled => Self::Cancelled,
            StoredStatus::Archived => Self::Archived,
        }
    }
}

domain::text_enum! {
    /// How people attend.
    pub enum EventFormat {
        /// At a venue.
        InPerson = "in_person",
        /// Through a link.
        Online = "online",
        /// Either way.
        Hybrid = "hybrid",
    }
}

domain::sqlx_as_text!(EventFormat);

impl EventFormat {
    /// Whether people come to a venue.
    pub fn needs_venue(self) -> bool {
        self != Self::Online
    }

    /// Whether people follow a link.
    pub fn needs_link(self) -> bool {
        self != Self::InPerson
    }
}

/// The venue of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventVenue {
    /// Its id.
    pub id: VenueId,
    /// What it is called.
    pub name: String,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// How many people fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<i32>,
}

/// A show people attend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Its name in addresses; also accepted wherever an event is asked for.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Its state.
    pub status: EventStatus,
    /// How people attend.
    pub format: EventFormat,
    /// When, as people say it.
    pub when: String,
    /// Start on the clock at the place.
    pub starts: LocalTime,
    /// End on the clock at the place.
    pub ends: LocalTime,
    /// The zone of that clock.
    pub zone: Zone,
    /// The start as an instant.
    #[schemars(extend("x-detail" = true))]
    pub starts_at: Timestamp,
    /// The end as an instant.
    #[schemars(extend("x-detail" = true))]
    pub ends_at: Timestamp,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub venue: Option<EventVenue>,
    /// The link for those who attend online.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online_url: Option<String>,
    /// One or two sentences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The description, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-detail" = true))]
    pub description: Option<String>,
    /// What tickets are paid in.
    pub currency: Currency,
    /// The series it is a date of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series_id: Option<SeriesId>,
    /// The event it was copied from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-detail" = true))]
    pub source_id: Option<EventId>,
    /// Rises with every change; give it to `update_event` to be sure nobody changed it meanwhile.
    pub version: i32,
    /// When it was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-detail" = true))]
    pub published_at: Option<Timestamp>,
    /// When it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-detail" = true))]
    pub cancelled_at: Option<Timestamp>,
    /// Why it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation_reason: Option<String>,
    /// Whether buyers need a turn of its waiting room.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("x-detail" = true))]
    pub has_waiting_room: bool,
}

impl Event {
    /// What its format asks for and it does not have, in words: `a venue` or `a link`.
    pub fn missing_place(&self) -> Option<&'static str> {
        if self.format.needs_venue() && self.venue.is_none() {
            return Some("a venue");
        }
        (self.format.needs_link() && self.online_url.is_none()).then_some("a link")
    }
}

/// A row of `event` with its venue, before time has decided the state people see.
pub(crate) struct EventRow {
    pub(crate) id: EventId,
    pub(crate) slug: String,
    pub(crate) title: String,
    pub(crate) summary: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) status: StoredStatus,
    pub(crate) format: EventFormat,
    pub(crate) venue_id: Option<VenueId>,
    pub(crate) venue_name: Option<String>,
    pub(crate) venue_city: Option<String>,
    pub(crate) venue_capacity: Option<i32>,
    pub(crate) online_url: Option<String>,
    pub(crate) starts_local: LocalTime,
    pub(crate) ends_local: LocalTime,
    pub(crate) zone: Zone,
    pub(crate) starts_at: Timestamp,
    pub(crate) ends_at: Timestamp,
    pub(crate) currency: Currency,
    pub(crate) series_id: Option<SeriesId>,
    pub(crate) source_id: Option<EventId>,
    pub(crate) version: i32,
    pub(crate) published_at: Option<Timestamp>,
    pub(crate) cancelled_at: Option<Timestamp>,
    pub(crate) cancellation_reason: Option<String>,
    pub(crate) has_waiting_room: bool,
}

impl EventRow {
    pub(crate) fn seen(self, cx: &Cx) -> Event {
        let venue = self
            .venue_id
            .zip(self.venue_name)
            .map(|(id, name)| EventVenue {
                id,
                name,
                city: self.venue_city,
                capacity: self.venue_capacity,
            });
        Event {
            id: self.id,
            slug: self.slug,
            title: self.title,
            status: EventStatus::of(self.status, self.ends_at, cx.now),
            format: self.format,
            when: when(self.starts_local, &self.zone),
            starts: self.starts_local,
            ends: self.ends_local,
            zone: self.zone,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            venue,
            online_url: self.online_url,
            summary: self.summary,
            description: self.description,
            currency: self.currency,
            series_id: self.series_id,
            source_id: self.source_id,
            version: self.version,
            published_at: self.published_at,
            cancelled_at: self.cancelled_at,
            cancellation_reason: self.cancellation_reason,
            has_waiting_room: self.has_waiting_room,
        }
    }
}

/// `Thu 4 Feb 2027, 19:00 (Berlin)`.
pub(crate) fn when(starts: LocalTime, zone: &Zone) -> String {
    format!("{} ({})", starts.readable(), zone.city())
}
