//! `list_attendees`: who is expected, and who is in.

use domain::{
    Cursor, Cx, EventId, Page, PageRequest, Permission, Reference, TicketId, TicketTypeId,
    Untrusted,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    model::Admission,
    sql::{self, AttendeeRow, Filter},
};
use crate::{
    App, Effect, Operation,
    events::{self, Event},
    lookup::LookupError,
    orders::OrderNumber,
    people,
};

/// Holders of valid tickets of an event, by name, with who is checked in. `query` searches names, addresses and
/// order numbers and forgives typos; without the scope attendees:personal people are masked and only whole order
/// numbers are found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListAttendees {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Part of a name or address, or an order number.
    pub query: Option<String>,
    /// Only this ticket type: id or exact name.
    pub ticket_type: Option<Reference<TicketTypeId>>,
    /// Only those who are in, or only those who are not.
    pub checked_in: Option<bool>,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

/// The holder of a valid ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attendee {
    /// The ticket's id; `check_in` takes it.
    pub ticket_id: TicketId,
    /// Who holds the ticket; the buyer where no other name was given.
    pub name: Untrusted,
    /// Their address; the buyer's where no other was given.
    pub email: Untrusted,
    /// The ticket type.
    pub ticket_type: String,
    /// Their reserved seat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<String>,
    /// The order it came with.
    pub order_number: String,
    /// Whether they are in.
    pub checked_in: bool,
    /// When and where they came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
}

impl Operation for ListAttendees {
    const NAME: &'static str = "list_attendees";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::AttendeesRead;
    type Output = Page<Attendee>;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<Attendee>, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let event = events::resolve(tx.conn(), cx, &self.event).await?;
        let ticket_type_id = match &self.ticket_type {
            Some(reference) => Some(sql::resolve_type(tx.conn(), event.id, reference).await?),
            None => None,
        };
        let query = self.query.as_deref().map(str::trim);
        let query = query.filter(|query| !query.is_empty());
        let number = query.and_then(|query| query.parse::<OrderNumber>().ok());
        let filter = Filter {
            event_id: event.id,
            query,
            number: number.as_ref().map(OrderNumber::as_str),
            personal: cx.may(Permission::AttendeesPersonal),
            ticket_type_id,
            checked_in: self.checked_in,
            page: self.page,
        };
        let rows = sql::attendees(tx.conn(), &filter).await?;
        let rows = rows.into_iter().map(|row| seen(cx, &event, row)).collect();
        Ok(Page::cut(rows, self.page, |attendee: &Attendee| Cursor {
            key: 0,
            id: attendee.ticket_id.into(),
        }))
    }
}

fn seen(cx: &Cx, event: &Event, row: AttendeeRow) -> Attendee {
    let name = row.attendee_name.unwrap_or(row.buyer_name);
    let email = row.attendee_email.unwrap_or(row.buyer_email);
    let admission = row
        .scanned_at
        .map(|at| Admission::new(at, row.gate, &event.zone));
    Attendee {
        ticket_id: row.ticket_id,
        name: people::name_for(cx, &name),
        email: people::email_for(cx, &email),
        ticket_type: row.ticket_type,
        seat: row.seat,
        order_number: row.order_number,
        checked_in: admission.is_some(),
        admission,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check_ins::CheckIn,
        orders::{OrderDetail, PlaceOrder},
        permission::Role,
        testing::{Scene, assert_refused, buying, selling},
        tickets,
    };

    fn listing(event: EventId) -> ListAttendees {
        ListAttendees {
            event: event.into(),
            query: None,
            ticket_type: None,
            checked_in: None,
            page: PageRequest::default(),
        }
    }

    async fn names(scene: &Scene, command: ListAttendees) -> Vec<String> {
        let page = scene.run(command).await.unwrap();
        let names = page.items.into_iter();
        names.map(|a| a.name.as_str().to_owned()).collect()
    }

    /// Zoë and Jürgen with tickets that Ada bought, and one of her own.
    async fn three(scene: &Scene) -> OrderDetail {
        let (event, _) = scene.on_sale(0, 10).await;
        let mut command: PlaceOrder = buying(event.id, "Regular", 3);
        command.items[0].attendees = ["Zoë Zimmer", "Jürgen Müller"]
            .map(|name| tickets::Attendee {
                name: Some(name.parse().unwrap()),
                email: Some("someone@example.net".parse().unwrap()),
            })
            .to_vec();
        scene.run(command).await.unwrap().order
    }

    #[tokio::test]
    async fn sorts_by_name_and_forgives_typos() {
        let scene = Scene::new().await;
        let order = three(&scene).await;
        let event = order.order.event_id;
        assert_eq!(
            names(&scene, listing(event)).await,
            ["Ada Lovelace", "Jürgen Müller", "Zoë Zimmer"]
        );
        for (query, found) in [
            ("zoe", vec!["Zoë Zimmer"]),
            ("Jurgen Muller", vec!["Jürgen Müller"]),
            ("jürgn müller", vec!["Jürgen Müller"]),
            ("someone@example.net", vec!["Jürgen Müller", "Zoë Zimmer"]),
            ("nobody at all", vec![]),
        ] {
            let command = ListAttendees {
                query: Some(query.to_owned()),
                ..listing(event)
            };
            assert_eq!(names(&scene, command).await, found, "{query}");
        }
        let (start, end) = order.order.number.split_at(3);
        for number in [
            format!("{start}{end}"),
            format!("{start} {end}"),
            format!("{start}-{end}"),
        ] {
            let by_number = ListAttendees {
                query: Some(number.to_lowercase()),
                ..listing(event)
            };
            assert_eq!(names(&scene, by_number).await.len(), 3, "{number}");
        }
    }

    #[tokio::test]
    async fn filters_by_type_and_by_who_is_in() {
        let scene = Scene::new().await;
        let order = three(&scene).await;
        let event = order.order.event_id;
        scene.run(selling(event, "Backstage", 0, 5)).await.unwrap();
        scene.run(buying(event, "Backstage", 1)).await.unwrap();
        let zoe = order
            .tickets
            .iter()
            .find(|t| {
                t.attendee_name
                    .as_ref()
                    .is_some_and(|n| n.as_str().starts_with("Zo"))
            })
            .unwrap();
        let scan = CheckIn {
            ticket: zoe.id.into(),
            event: None,
            gate: Some("North".parse().unwrap()),
            device: None,
        };
        scene.run(scan).await.unwrap();
        let inside = ListAttendees {
            checked_in: Some(true),
            ..listing(event)
        };
        let inside = scene.run(inside).await.unwrap().items;
        assert_eq!(inside.len(), 1);
        assert_eq!(inside[0].ticket_id, zoe.id);
        let admission = inside[0].admission.as_ref().unwrap();
        assert_eq!(admission.readable(), "Mon 11 Jan 2027, 10:00 at \"North\"");
        let outside = ListAttendees {
            checked_in: Some(false),
            ticket_type: Some("regular".parse().unwrap()),
            ..listing(event)
        };
        assert_eq!(
            names(&scene, outside).await,
            ["Ada Lovelace", "Jürgen Müller"]
        );
        let unknown = ListAttendees {
            ticket_type: Some("Balcony".parse().unwrap()),
            ..listing(event)
        };
        assert_refused(scene.run(unknown).await, "not_found");
    }

    #[tokio::test]
    async fn masks_people_and_does_not_let_them_be_guessed() {
        let scene = Scene::new().await;
        let order = three(&scene).await;
        let event = order.order.event_id;
        let viewer = scene.as_role(Role::Viewer);
        let page = scene.app.run(&viewer, listing(event)).await.unwrap();
        let seen: Vec<_> = page
            .items
            .iter()
            .map(|a| (a.name.as_str(), a.email.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("A… L…", "a…@e….org"),
                ("J… M…", "s…@e….net"),
                ("Z… Z…", "s…@e….net")
            ]
        );
        let guess = |query: &str| ListAttendees {
            query: Some(query.to_owned()),
            ..listing(event)
        };
        let page = scene.app.run(&viewer, guess("Zoë Zimmer")).await.unwrap();
        assert!(page.items.is_empty());
        let (start, end) = order.order.number.split_at(3);
        let by_number = guess(&format!("{start} {end}"));
        let page = scene.app.run(&viewer, by_number).await.unwrap();
        assert_eq!(page.items.len(), 3);
    }

    #[tokio::test]
    async fn pages_without_gaps() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 10).await;
        scene.order(event.id, 5).await;
        let mut command = listing(event.id);
        command.page.limit = Some(2);
        let mut seen = std::collections::HashSet::new();
        loop {
            let page = scene.run(command.clone()).await.unwrap();
            seen.extend(page.items.iter().map(|a| a.ticket_id));
            let Some(next) = page.next else { break };
            command.page.cursor = Some(next);
        }
        assert_eq!(seen.len(), 5);
    }

    #[tokio::test]
    async fn another_organizations_event_is_not_there() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(0, 10).await;
        assert_refused(scene.app.run(&other, listing(event.id)).await, "not_found");
    }
}
