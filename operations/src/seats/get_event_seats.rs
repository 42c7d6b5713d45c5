//! `get_event_seats`: which seats of an event are free.

use std::collections::HashMap;

use domain::{Cx, EventId, Permission, Reference, SeatSectionId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    claims,
    errors::SeatingError,
    labels,
    model::SeatRow,
    plan::{self, RowPlan},
    sql,
};
use crate::{App, Effect, Operation, buyers, events, ticket_types};

/// Which seats of an event are free, by section and row. Name one as section, row and seat: `Stalls A 12`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetEventSeats {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
}

/// The free seats of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventSeats {
    /// The event.
    pub event_id: EventId,
    /// The map's name.
    pub seat_map: String,
    /// Its sections that are sold, from the best to the last.
    pub sections: Vec<SectionSeats>,
}

/// The free seats of a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SectionSeats {
    /// What it is called.
    pub name: String,
    /// The ticket types that sell it.
    pub ticket_types: Vec<String>,
    /// How many seats are free, of all kinds.
    pub free: usize,
    /// How many seats are blocked; for organizers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<usize>,
    /// The free seats of each row that has some. Those for wheelchair users, and for who comes with them, are named once
    /// more.
    pub rows: Vec<RowPlan>,
}

impl Operation for GetEventSeats {
    const NAME: &'static str = "get_event_seats";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::EventsRead;
    type Output = EventSeats;
    type Error = SeatingError;

    async fn run(self, app: &App, cx: &Cx) -> Result<EventSeats, SeatingError> {
        let mut tx = app.store().read(cx).await?;
        let event = events::resolve(tx.conn(), cx, &self.event).await?;
        let map = claims::map_of(tx.conn(), event.id, &event.title).await?;
        let offers = ticket_types::offers(tx.conn(), event.id).await?;
        let mut sold = HashMap::<SeatSectionId, Vec<String>>::new();
        for (kind, section, _) in sql::sections_of(tx.conn(), event.id).await? {
            let offer = offers.iter().find(|offer| offer.id == kind);
            if let Some(offer) =
                offer.filter(|offer| buyers::shows_ticket_type(cx, offer.visibility))
            {
                sold.entry(section)
                    .or_default()
                    .push(offer.name.to_string());
            }
        }
        let shown: Vec<SeatSectionId> = sold.keys().copied().collect();
        let seats = sql::seats(tx.conn(), map, Some(event.id), Some(&shown)).await?;
        let by_section = seats.chunk_by(|a, b| a.section_id == b.section_id);
        let sections = by_section.map(|seats| SectionSeats {
            ticket_types: sold.remove(&seats[0].section_id).unwrap_or_default(),
            ..SectionSeats::of(cx, seats)
        });
        Ok(EventSeats {
            event_id: event.id,
            sections: sections.collect(),
            seat_map: sql::map(tx.conn(), map).await?.name,
        })
    }
}

impl SectionSeats {
    fn of(cx: &Cx, seats: &[SeatRow]) -> Self {
        let free: Vec<SeatRow> = seats
            .iter()
            .filter(|seat| !seat.is_taken)
            .cloned()
            .collect();
        let words = |row: &[SeatRow]| {
            let labels: Vec<&str> = row.iter().map(|seat| seat.label.as_str()).collect();
            labels::joined(&labels)
        };
        let blocked = seats.iter().filter(|seat| seat.is_blocked).count();
        Self {
            name: seats[0].section.clone(),
            ticket_types: Vec::new(),
            free: free.len(),
            blocked: (!buyers::is_buyer(cx)).then_some(blocked),
            rows: plan::rows_of(&free, words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        seats::tests::{Hall, naming},
        testing::{Scene, assert_refused},
        ticket_types::{SaveTicketType, Visibility},
    };

    fn looking(event: EventId) -> GetEventSeats {
        GetEventSeats {
            event: event.into(),
        }
    }

    #[tokio::test]
    async fn shows_what_is_free_in_a_few_words() {
        let hall = Hall::open(0).await;
        let scene = &hall.scene;
        scene
            .run(naming(
                hall.event,
                "Stalls",
                &["Stalls A 3-5", "Stalls A 8"],
            ))
            .await
            .unwrap();
        let seats = scene.run(looking(hall.event)).await.unwrap();
        let stalls = &seats.sections[0];
        let rows: Vec<_> = stalls
            .rows
            .iter()
            .map(|row| (row.row.as_str(), row.seats.as_str()))
            .collect();
        assert_eq!(
            rows,
            [
                (
                    "A",
                    "1, 2, 6, 7, 9, 10"
                        .replace("1, 2", "1-2")
                        .replace("6, 7", "6-7")
                        .replace("9, 10", "9-10")
                        .as_str()
                ),
                ("B", "1-10")
            ]
        );
        assert_eq!(
            (stalls.free, stalls.blocked, &stalls.ticket_types[..]),
            (16, Some(0), &["Stalls".to_owned()][..])
        );
        let circle = &seats.sections[1];
        assert_eq!((circle.rows.len(), circle.rows[0].row.as_str()), (1, "A-C"));
    }

    #[tokio::test]
    async fn a_buyer_sees_what_is_sold_to_everybody() {
        let hall = Hall::open(0).await;
        let hide = SaveTicketType {
            ticket_type: Some("Circle".parse().unwrap()),
            visibility: Some(Visibility::Hidden),
            ..SaveTicketType::of(hall.event.into())
        };
        hall.scene.run(hide).await.unwrap();
        let buyer = buyers::context(
            hall.scene.cx.organization_id,
            [Permission::EventsRead],
            hall.scene.cx.now,
        );
        let seats = hall
            .scene
            .app
            .run(&buyer, looking(hall.event))
            .await
            .unwrap();
        let names: Vec<_> = seats
            .sections
            .iter()
            .map(|section| section.name.as_str())
            .collect();
        assert_eq!((names, seats.sections[0].blocked), (vec!["Stalls"], None));
    }

    #[tokio::test]
    async fn says_when_there_are_no_seats_and_shows_nothing_to_others() {
        let hall = Hall::open(0).await;
        let other = hall.scene.other_organization().await;
        assert_refused(
            hall.scene.app.run(&other, looking(hall.event)).await,
            "not_found",
        );
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 5).await;
        assert_refused(scene.run(looking(event.id)).await, "event_not_seated");
    }
}
