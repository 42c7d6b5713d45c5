//! `set_event_seating`: an event gets a map, and its ticket types the sections they sell.

use std::collections::{HashMap, HashSet};

use domain::{
    Cx, EventId, Name, Permission, Reference, SeatMapId, SeatSectionId, TicketTypeId, VenueId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::{changes::EventSeatingSet, errors::SeatingError, model::SeatMap, sql};
use crate::{
    App, Effect, Operation,
    events::{self, Event, EventStatus},
    ticket_types::{self, Offer},
};

/// Choose the seat map of an event, and which sections each ticket type sells; ticket types that are not named have no
/// reserved seats. Each needs a limit of at most its seats. Without `seat_map` the event has no reserved seats any more.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetEventSeating {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// A map of the event's venue: id or exact name.
    pub seat_map: Option<Reference<SeatMapId>>,
    /// What each ticket type sells; all of them, they replace what was set before.
    #[serde(default)]
    pub sells: Vec<TypeSections>,
}

/// The sections that a ticket type sells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct TypeSections {
    /// Ticket type: id or exact name.
    pub ticket_type: Reference<TicketTypeId>,
    /// Names of sections; several ticket types may sell the same.
    pub sections: Vec<Name>,
}

/// How an event is seated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventSeating {
    /// The event.
    pub event_id: EventId,
    /// The map; absent when it has no reserved seats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seat_map: Option<SeatMap>,
    /// What each ticket type sells.
    pub sells: Vec<TypeSections>,
}

/// Which ticket types sell which sections.
type Sold = Vec<(TicketTypeId, SeatSectionId)>;

impl Operation for SetEventSeating {
    const NAME: &'static str = "set_event_seating";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = EventSeating;
    type Error = SeatingError;

    async fn run(self, app: &App, cx: &Cx) -> Result<EventSeating, SeatingError> {
        let mut tx = app.store().write(cx).await?;
        let event = events::lock(tx.conn(), cx, &self.event).await?;
        check_open(&event)?;
        let offers = ticket_types::offers(tx.conn(), event.id).await?;
        let before = sql::map_of(tx.conn(), event.id).await?;
        let venue = event.venue.as_ref().map(|venue| venue.id);
        let map = match &self.seat_map {
            Some(map) => Some(sql::resolve(tx.conn(), map, of_venue(map, venue)).await?),
            None => None,
        };
        if let Some(map) = &map {
            // Nobody draws it anew meanwhile.
            sql::share_map(tx.conn(), map.id).await?;
            check_venue(&event, venue, map)?;
        }
        let sold = match &map {
            Some(map) => self.sold(tx.conn(), &offers, map.id).await?,
            None => Vec::new(),
        };
        let after = map.as_ref().map(|map| map.id);
        check_unused(tx.conn(), &event, &offers, &sold, before == after).await?;
        if before != after {
            sql::set_map(tx.conn(), cx, event.id, after).await?;
        }
        if let Some(map) = &map {
            sql::set_sections(tx.conn(), cx, event.id, map.id, &sold).await?;
            check_limits(tx.conn(), event.id, map.id, &offers, &sold).await?;
        }
        let map = match after {
            Some(id) => Some(sql::map(tx.conn(), id).await?),
            None => None,
        };
        let answer = EventSeating {
            event_id: event.id,
            seat_map: map,
            sells: self.sells.clone(),
        };
        let change = EventSeatingSet {
            event_id: event.id,
            event_title: event.title.clone(),
            seat_map: answer.seat_map.as_ref().map(|map| map.name.clone()),
            sells: self.words(&offers),
        };
        Ok(tx.commit(change, answer).await?)
    }
}

/// A name is looked for at the event's venue, an id anywhere: then it can be said whose map it is.
fn of_venue(map: &Reference<SeatMapId>, venue: Option<VenueId>) -> Option<VenueId> {
    match map {
        Reference::Id(_) => None,
        Reference::Name(_) => venue,
    }
}

/// Refuses an event whose seats nobody needs any more.
pub(super) fn check_open(event: &Event) -> Result<(), SeatingError> {
    if let EventStatus::Ended | EventStatus::Cancelled | EventStatus::Archived = event.status {
        return Err(SeatingError::EventClosed(event.title.clone()));
    }
    Ok(())
}

fn check_venue(event: &Event, venue: Option<VenueId>, map: &SeatMap) -> Result<(), SeatingError> {
    if venue == Some(map.venue_id) {
        return Ok(());
    }
    Err(SeatingError::OtherVenue {
        map: map.name.clone(),
        venue: map.venue.clone(),
        event: event.title.clone(),
    })
}

/// Refuses to take the seats from people who have some, and to give a ticket type seats of which places are taken
/// without.
async fn check_unused(
    conn: &mut PgConnection,
    event: &Event,
    offers: &[Offer],
    sold: &Sold,
    keeps_map: bool,
) -> Result<(), SeatingError> {
    if !keeps_map {
        let taken = sql::claimed(conn, event.id, None).await?;
        if taken > 0 {
            return Err(SeatingError::InUse {
                name: event.title.clone(),
                taken,
                has_seats: true,
            });
        }
    }
    let mut before = HashMap::<TicketTypeId, HashSet<SeatSectionId>>::new();
    for (kind, section, _) in sql::sections_of(conn, event.id).await? {
        before.entry(kind).or_default().insert(section);
    }
    for offer in offers {
        let of = sold
            .iter()
            .filter(|(kind, _)| *kind == offer.id)
            .map(|(_, section)| *section);
        let after: HashSet<SeatSectionId> = of.collect();
        let before = before.remove(&offer.id).unwrap_or_default();
        let taken = i64::from(offer.own().taken());
        let begins = before.is_empty() && !after.is_empty();
        if taken > 0 && (begins || !before.is_subset(&after)) {
            return Err(SeatingError::InUse {
                name: offer.name.to_string(),
                taken,
                has_seats: !before.is_empty(),
            });
        }
    }
    Ok(())
}

/// Refuses a ticket type that can sell more than its sections have.
async fn check_limits(
    conn: &mut PgConnection,
    event: EventId,
    map: SeatMapId,
    offers: &[Offer],
    sold: &Sold,
) -> Result<(), SeatingError> {
    let seats = sql::seats(conn, map, Some(event), None).await?;
    for offer in offers {
        let sections: HashSet<SeatSectionId> = sold
            .iter()
            .filter(|(kind, _)| *kind == offer.id)
            .map(|(_, section)| *section)
            .collect();
        if sections.is_empty() {
            continue;
        }
        let open = seats
            .iter()
            .filter(|seat| sections.contains(&seat.section_id) && !seat.is_blocked);
        let open = open.count();
        let limit = offer.capacity;
        let fits =
            limit.is_some_and(|limit| usize::try_from(limit).is_ok_and(|limit| limit <= open));
        if !fits {
            return Err(SeatingError::LimitAboveSeats {
                name: offer.name.to_string(),
                limit,
                seats: open,
            });
        }
    }
    Ok(())
}

impl SetEventSeating {
    /// `Stalls in Stalls, Boxes`: for the audit trail.
    fn words(&self, offers: &[Offer]) -> Vec<String> {
        let words = |sells: &TypeSections| {
            let sections: Vec<&str> = sells.sections.iter().map(Name::as_str).collect();
            let offer = ticket_types::find(offers, &sells.ticket_type).ok();
            let name = offer.map_or_else(String::new, |offer| offer.name.to_string());
            format!("{name} in {}", sections.join(", "))
        };
        self.sells.iter().map(words).collect()
    }

    async fn sold(
        &self,
        conn: &mut PgConnection,
        offers: &[Offer],
        map: SeatMapId,
    ) -> Result<Sold, SeatingError> {
        let sections = sql::sections(conn, map).await?;
        let mut sold = Sold::new();
        let mut seen = HashSet::new();
        for sells in &self.sells {
            let offer = ticket_types::find(offers, &sells.ticket_type)?;
            let mut own = HashSet::new();
            for name in &sells.sections {
                let is = |(_, other): &&(SeatSectionId, String)| {
                    other.to_lowercase() == name.as_str().to_lowercase()
                };
                let found =
                    sections
                        .iter()
                        .find(is)
                        .ok_or_else(|| SeatingError::NoSuchSection {
                            given: name.to_string(),
                            names: sections.iter().map(|(_, name)| name.clone()).collect(),
                        })?;
                if own.insert(found.0) {
                    sold.push((offer.id, found.0));
                }
            }
            if own.is_empty() || !seen.insert(offer.id) {
                return Err(SeatingError::SectionsUnclear(offer.name.to_string()));
            }
        }
        Ok(sold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lifecycle::DuplicateEvent,
        permission::Role,
        seats::{
            GetEventSeats,
            tests::{Hall, drawing, hall_plan, seating},
        },
        testing::{assert_refused, buying, selling},
    };

    #[tokio::test]
    async fn chooses_a_map_and_what_is_sold_of_it() {
        let hall = Hall::open(0).await;
        let scene = &hall.scene;
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Seats \"Gala\" by the map \"Hall\": Stalls in Stalls; Circle in Circle"
        );
        scene.run(drawing("Other", hall_plan())).await.unwrap();
        let other = SetEventSeating {
            seat_map: Some("other".parse().unwrap()),
            ..seating(hall.event)
        };
        let seated = scene.run(other.clone()).await.unwrap();
        assert_eq!(seated.seat_map.unwrap().name, "Other");
        hall.order("Stalls", 1).await;
        assert_refused(scene.run(seating(hall.event)).await, "seating_in_use");
        let fewer = SetEventSeating {
            sells: other.sells[1..].to_vec(),
            ..other.clone()
        };
        assert_refused(scene.run(fewer).await, "seating_in_use");
        let mut more = other.clone();
        more.sells[0].sections.push("Circle".parse().unwrap());
        scene.run(more).await.unwrap();
        let none = SetEventSeating {
            seat_map: None,
            sells: Vec::new(),
            ..other
        };
        assert_refused(scene.run(none).await, "seating_in_use");
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn refuses_what_does_not_fit() {
        let hall = Hall::open(0).await;
        let scene = &hall.scene;
        let mut unknown = seating(hall.event);
        unknown.sells[0].sections = vec!["Balcony".parse().unwrap()];
        assert_refused(scene.run(unknown.clone()).await, "section_unknown");
        unknown.sells[0].sections.clear();
        assert_refused(scene.run(unknown).await, "sections_unclear");
        scene.run(selling(hall.event, "Big", 0, 31)).await.unwrap();
        let mut big = seating(hall.event);
        big.sells[1].ticket_type = "Big".parse().unwrap();
        assert_refused(scene.run(big).await, "limit_above_seats");
        scene.run(selling(hall.event, "Free", 0, 9)).await.unwrap();
        scene.run(buying(hall.event, "Free", 1)).await.unwrap();
        let mut sold = seating(hall.event);
        sold.sells[1].ticket_type = "Free".parse().unwrap();
        assert_refused(scene.run(sold).await, "seating_in_use");
        scene.venue("Barn").await;
        let barn = crate::seats::SaveSeatMap {
            venue: "Barn".parse().unwrap(),
            ..drawing("Barn", hall_plan())
        };
        let barn = scene.run(barn).await.unwrap().map.id;
        let elsewhere = SetEventSeating {
            seat_map: Some(barn.into()),
            ..seating(hall.event)
        };
        assert_refused(scene.run(elsewhere).await, "seat_map_of_other_venue");
        let other = scene.other_organization().await;
        assert_refused(
            scene.app.run(&other, seating(hall.event)).await,
            "not_found",
        );
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(
            scene.app.run(&viewer, seating(hall.event)).await,
            "forbidden",
        );
        let off = events::StatusMove::Cancel(None);
        scene.move_event(hall.event, off).await;
        assert_refused(scene.run(seating(hall.event)).await, "event_closed");
    }

    #[tokio::test]
    async fn a_copy_is_seated_alike_and_empty() {
        let hall = Hall::open(0).await;
        hall.order("Stalls", 3).await;
        let copy = serde_json::json!({"event": hall.event, "starts": "2027-03-04T19:00"});
        let copy: DuplicateEvent = serde_json::from_value(copy).unwrap();
        let copy = hall.scene.run(copy).await.unwrap().event.id;
        let seats = |event: EventId| GetEventSeats {
            event: event.into(),
        };
        let of_copy = hall.scene.run(seats(copy)).await.unwrap();
        let free: Vec<_> = of_copy
            .sections
            .iter()
            .map(|section| section.free)
            .collect();
        assert_eq!((of_copy.seat_map.as_str(), free), ("Hall", vec![20, 30]));
        let of_first = hall.scene.run(seats(hall.event)).await.unwrap();
        assert_eq!(of_first.sections[0].free, 17);
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let hall = Hall::open(0).await;
        hall.scene.assert_idempotent(seating(hall.event)).await;
    }
}
