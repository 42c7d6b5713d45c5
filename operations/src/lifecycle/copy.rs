//! Copying an event to another date, for `duplicate_event` and `create_series`.

use domain::{EventId, LocalTime, SeriesId, VenueId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{ResultExt as _, WriteTx};

use crate::{
    events::{self, CreateEventError, Event, EventCreated, EventFormat, NewEvent, Schedule},
    seats,
    ticket_types::{self, Copied, Offer},
};

/// A time that moved with the date, on the clock at the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moved {
    /// What: `start`, `end`, or the sale of a ticket type.
    pub what: String,
    /// The source's time.
    pub from: LocalTime,
    /// The copy's time; absent when it would make no sense and was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<LocalTime>,
}

/// Where a copy goes.
pub(super) struct Target {
    pub(super) title: String,
    pub(super) slug: String,
    pub(super) schedule: Schedule,
    pub(super) format: EventFormat,
    pub(super) venue_id: Option<VenueId>,
    pub(super) series_id: Option<SeriesId>,
}

/// Copies an event's texts, place and ticket types as a draft; never its orders or what was sold.
pub(super) async fn copy_event(
    tx: &mut WriteTx<'_>,
    source: &Event,
    target: Target,
) -> Result<(Event, Copied), CreateEventError> {
    let cx = tx.cx();
    let new = NewEvent {
        id: cx.new_id::<EventId>(),
        slug: target.slug,
        title: target.title,
        summary: source.summary.clone(),
        description: source.description.clone(),
        format: target.format,
        venue_id: target.venue_id,
        online_url: source.online_url.clone(),
        schedule: target.schedule,
        currency: source.currency,
        series_id: target.series_id,
        source_id: Some(source.id),
    };
    let inserted = events::insert(tx.conn(), cx, &new).await;
    inserted.on_constraint("event_slug_key", || {
        CreateEventError::SlugTaken(new.slug.clone())
    })?;
    let event = events::get(tx.conn(), cx, new.id).await?;
    let copied = ticket_types::copy_all(tx.conn(), cx, source, &event).await?;
    seats::copy(tx.conn(), source.id, event.id).await?;
    Ok((event, copied))
}

/// The change that records a copy.
pub(super) fn created(event: &Event) -> EventCreated {
    EventCreated {
        event_id: event.id,
        title: event.title.clone(),
        when: event.when.clone(),
        source_id: event.source_id,
    }
}

/// Everything that moved, old to new.
pub(super) fn moved(source: &Event, offers: &[Offer], copy: &Event, copied: &Copied) -> Vec<Moved> {
    let mut moved = vec![
        Moved {
            what: "start".to_owned(),
            from: source.starts,
            to: Some(copy.starts),
        },
        Moved {
            what: "end".to_owned(),
            from: source.ends,
            to: Some(copy.ends),
        },
    ];
    for window in &copied.windows {
        let Some(offer) = offers.iter().find(|o| o.name.as_str() == window.name) else {
            continue;
        };
        let sides = [
            ("begins", offer.sales_start_local, window.starts),
            ("ends", offer.sales_end_local, window.ends),
        ];
        for (side, from, to) in sides {
            moved.extend(from.map(|from| Moved {
                what: format!("the sale of {:?} {side}", window.name),
                from,
                to,
            }));
        }
    }
    moved
}

/// What an organizer should know about the sales windows of a copy.
pub(super) fn window_warnings(copied: &Copied) -> Vec<String> {
    let mut warnings = Vec::new();
    for window in &copied.windows {
        if window.is_dropped {
            warnings.push(format!(
                "The sales window of {:?} made no sense on the new date and was left out.",
                window.name
            ));
        } else if let Some(ends) = window.ends.filter(|_| window.is_over) {
            warnings.push(format!(
                "The sale of {:?} ended on {}, before today; give it another end.",
                window.name,
                ends.readable()
            ));
        }
    }
    if copied.count == 0 {
        warnings.push("The source has no ticket types to copy.".to_owned());
    }
    warnings
}
