//! What can happen to an event in its course.

use domain::{Change, EventId, LocalTime, Money, SeriesId, Subject};
use serde::Serialize;

/// An event went on sale.
#[derive(Debug, Serialize)]
pub struct EventPublished {
    pub(super) event_id: EventId,
    pub(super) title: String,
    pub(super) when: String,
}

impl Change for EventPublished {
    const KIND: &'static str = "event.published";
    fn subject(&self) -> Subject {
        self.event_id.into()
    }
    fn summary(&self) -> String {
        format!("Publishes the event {:?}: {}", self.title, self.when)
    }
}

/// An event became a draft again.
#[derive(Debug, Serialize)]
pub struct EventUnpublished {
    pub(super) event_id: EventId,
    pub(super) title: String,
}

impl Change for EventUnpublished {
    const KIND: &'static str = "event.unpublished";
    fn subject(&self) -> Subject {
        self.event_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Takes the event {:?} off sale; it is a draft again",
            self.title
        )
    }
}

/// An event will not take place.
#[derive(Debug, Serialize)]
pub struct EventCancelled {
    pub(super) event_id: EventId,
    pub(super) title: String,
    pub(super) when: String,
    pub(super) reason: String,
    pub(super) orders_paid: i64,
    pub(super) orders_pending: i64,
    pub(super) tickets: i64,
    /// What was paid for the paid orders and not given back.
    pub(super) paid: Money,
}

impl Change for EventCancelled {
    const KIND: &'static str = "event.cancelled";
    fn subject(&self) -> Subject {
        self.event_id.into()
    }
    fn summary(&self) -> String {
        let affected = if self.orders_paid + self.orders_pending == 0 {
            "nobody has an order for it".to_owned()
        } else {
            format!(
                "{} paid and {} pending orders, {} tickets and {} paid stay as they are; refunds are to be made per order",
                self.orders_paid, self.orders_pending, self.tickets, self.paid
            )
        };
        format!(
            "Cancels the event {:?} ({}) and ends its sale: {affected}. Reason: {}",
            self.title, self.when, self.reason
        )
    }
}

/// An event was put away.
#[derive(Debug, Serialize)]
pub struct EventArchived {
    pub(super) event_id: EventId,
    pub(super) title: String,
}

impl Change for EventArchived {
    const KIND: &'static str = "event.archived";
    fn subject(&self) -> Subject {
        self.event_id.into()
    }
    fn summary(&self) -> String {
        format!("Archives the event {:?}", self.title)
    }
}

/// An event became a series of dates.
#[derive(Debug, Serialize)]
pub struct SeriesCreated {
    pub(super) series_id: SeriesId,
    /// The first date.
    pub(super) event_id: EventId,
    pub(super) title: String,
    pub(super) rule: String,
    /// The dates after the first.
    pub(super) further: Vec<LocalTime>,
}

impl Change for SeriesCreated {
    const KIND: &'static str = "series.created";
    fn subject(&self) -> Subject {
        self.series_id.into()
    }
    fn summary(&self) -> String {
        let last = self
            .further
            .last()
            .map(|last| format!(", the last on {}", last.readable()));
        format!(
            "Makes the event {:?} a series with {} further dates as drafts{}",
            self.title,
            self.further.len(),
            last.unwrap_or_default()
        )
    }
}
