//! `issue_tickets`: the organizer gives tickets away.

use std::collections::HashSet;

use domain::{
    Cx, EmailAddress, EventId, Facts, Fault, FaultKind, FaultSpec, Money, Name, Permission,
    Reference, TicketTypeId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    detail::OrderDetail,
    place_order::PlaceOrder,
    place_order_error::PlaceOrderError,
    placing::{Draft, Origin},
};
use crate::{
    App, Effect, Operation,
    events::{self, EventStatus},
    faults::EVENT_CLOSED,
    lookup::LookupError,
    organizations,
    taxes::LineTax,
    ticket_types::{self, Basket, BasketError, Left, Line},
    tickets::{self, Attendee},
    together,
};

/// Give tickets away: guest list, press, crew. They cost nothing, count against the same limits as sold ones, and
/// are issued at once in an order of the member who acts. Sales windows and limits per order do not matter. Tell
/// the organizer the `warnings`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct IssueTickets {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Ticket type: id or exact name.
    pub ticket_type: Reference<TicketTypeId>,
    /// Who gets a ticket: one each, 1 to 100.
    pub attendees: Vec<Guest>,
    /// Why, for the record, such as "press".
    pub reason: Name,
}

/// Who gets a ticket.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Guest {
    /// Their name.
    pub name: Name,
    /// Their e-mail address.
    pub email: Option<EmailAddress>,
}

// Personal data: a debug print ends up in logs.
impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guest(…)")
    }
}

/// The order with the tickets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IssuedTickets {
    /// The order, with its tickets.
    pub order: OrderDetail,
    /// What the organizer should know, such as people who have a ticket already.
    pub warnings: Vec<String>,
}

impl Operation for IssueTickets {
    const NAME: &'static str = "issue_tickets";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = IssuedTickets;
    type Error = IssueTicketsError;

    async fn run(self, app: &App, cx: &Cx) -> Result<IssuedTickets, IssueTicketsError> {
        let count = i32::try_from(self.attendees.len()).unwrap_or(i32::MAX);
        if !(1..=100).contains(&count) {
            return Err(IssueTicketsError::GuestCount(self.attendees.len()));
        }
        let mut tx = app.store().write(cx).await?;
        let event = events::share(tx.conn(), cx, &self.event).await?;
        if let EventStatus::Ended | EventStatus::Cancelled | EventStatus::Archived = event.status {
            return Err(IssueTicketsError::EventClosed {
                title: event.title,
                status: event.status,
            });
        }
        let giver = match cx.actor.user_id() {
            Some(user_id) => organizations::member(tx.conn(), user_id).await?,
            None => None,
        };
        let (giver, email) = giver.ok_or(IssueTicketsError::NoGiver)?;
        let email: EmailAddress = email.parse().map_err(|_| IssueTicketsError::NoGiver)?;
        let warnings = self.warnings(tx.conn(), event.id).await?;
        let offers = ticket_types::offers(tx.conn(), event.id).await?;
        let offer = ticket_types::find(&offers, &self.ticket_type)?;
        let line = Line {
            ticket_type_id: offer.id,
            name: offer.name.to_string(),
            quantity: count,
            unit_amount: 0,
            listed_amount: 0,
            tax: LineTax::default(),
        };
        let basket = Basket {
            lines: vec![line],
            total: Money::zero(event.currency),
            promo_code: None,
            discount: Money::zero(event.currency),
            fees: Vec::new(),
        };
        let note = format!("Complimentary: {}", self.reason);
        Left::of(cx, &event, &offers)
            .take(&basket)
            .map_err(PlaceOrderError::from)?;
        let draft = Draft {
            event: &event,
            basket,
            attendees: vec![self.attendees()],
            origin: Origin::Free,
            buyer_name: &giver,
            buyer_email: &email,
            note: Some(&note),
            is_complimentary: true,
            pay_by: None,
        };
        let new =
            together::carry_out::<PlaceOrder>(&mut tx, &event, &offers, draft.order(cx)).await?;
        let answer = IssuedTickets {
            order: new.seen(cx),
            warnings,
        };
        Ok(tx.commit_all(new.changes(), answer).await?)
    }
}

impl IssueTickets {
    fn attendees(&self) -> Vec<Attendee> {
        let attendee = |guest: &Guest| Attendee {
            name: Some(guest.name.clone()),
            email: guest.email.clone(),
        };
        self.attendees.iter().map(attendee).collect()
    }

    /// Who is on the list twice, and who has a ticket already. Positions instead of names: the caller has the list.
    async fn warnings(
        &self,
        conn: &mut sqlx::PgConnection,
        event_id: EventId,
    ) -> sqlx::Result<Vec<String>> {
        let email = |guest: &Guest| guest.email.as_ref().map(|e| e.as_str().to_lowercase());
        let emails: Vec<String> = self.attendees.iter().filter_map(email).collect();
        let already = tickets::named_already(conn, event_id, &emails).await?;
        let mut seen = HashSet::new();
        let mut warnings = Vec::new();
        for (index, guest) in self.attendees.iter().enumerate() {
            let email = email(guest);
            let person = email
                .clone()
                .unwrap_or_else(|| guest.name.as_str().to_lowercase());
            if !seen.insert(person) {
                warnings.push(format!("attendees[{index}] is on the list twice."));
            } else if email.is_some_and(|email| already.contains(&email)) {
                warnings.push(format!(
                    "attendees[{index}] had a ticket for this event already."
                ));
            }
        }
        Ok(warnings)
    }
}

/// How `issue_tickets` refuses.
#[derive(Debug, thiserror::Error)]
pub enum IssueTicketsError {
    /// Nobody, or too many.
    #[error("1 to 100 people get a ticket at once; {0} were named")]
    GuestCount(usize),
    /// The event is over, cancelled or archived.
    #[error("{title:?} is {status}, so no tickets can be given away")]
    EventClosed {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// No member stands behind the request.
    #[error("tickets are given away in the name of a member, and this connection acts for none")]
    NoGiver,
    /// Too few are left, or something was not found, as in `place_order`.
    #[error(transparent)]
    Order(#[from] PlaceOrderError),
}

const GUEST_COUNT: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "guest_count",
    "Name at least one person; split a long list into several calls.",
);
const NO_GIVER: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "no_giver",
    "Use the token of a member of the organization.",
);

impl Fault for IssueTicketsError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![GUEST_COUNT, EVENT_CLOSED, NO_GIVER];
        specs.extend(PlaceOrderError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::GuestCount(_) => GUEST_COUNT.at("attendees"),
            Self::EventClosed { .. } => EVENT_CLOSED.at("event"),
            Self::NoGiver => NO_GIVER.into(),
            // There are no items here.
            Self::Order(error @ PlaceOrderError::Basket(BasketError::SoldOut { .. })) => {
                error.facts().at("attendees")
            }
            Self::Order(error) => error.facts(),
        }
    }
}

impl From<LookupError> for IssueTicketsError {
    fn from(error: LookupError) -> Self {
        Self::Order(error.into())
    }
}

impl From<StoreError> for IssueTicketsError {
    fn from(error: StoreError) -> Self {
        Self::Order(error.into())
    }
}

impl From<sqlx::Error> for IssueTicketsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Order(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        events::StatusMove,
        orders::OrderStatus,
        permission::Role,
        testing::{Scene, assert_refused},
    };

    fn giving(event: EventId, guests: &[(&str, Option<&str>)]) -> IssueTickets {
        let guest = |(name, email): &(&str, Option<&str>)| Guest {
            name: name.parse().unwrap(),
            email: email.map(|email| email.parse().unwrap()),
        };
        IssueTickets {
            event: event.into(),
            ticket_type: "Regular".parse().unwrap(),
            attendees: guests.iter().map(guest).collect(),
            reason: "press".parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn gives_tickets_away_within_the_limit() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 2).await;
        let ada = ("Ada Lovelace", Some("ada@example.org"));
        let given = scene.run(giving(event.id, &[ada])).await.unwrap();
        assert_eq!(given.order.order.status, OrderStatus::Paid);
        assert!(given.order.order.total.is_zero());
        assert_eq!(
            given.order.note.as_ref().unwrap().as_str(),
            "Complimentary: press"
        );
        assert_eq!(given.order.tickets.len(), 1);
        let error = scene
            .run(giving(event.id, &[ada, ("Grace Hopper", None)]))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "1 of the 2 Regular tickets asked for are left"
        );
        assert_refused::<(), _>(Err(error), "sold_out");
        let again = scene.run(giving(event.id, &[ada])).await.unwrap();
        assert_eq!(
            again.warnings,
            ["attendees[0] had a ticket for this event already."]
        );
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn says_who_is_on_the_list_twice() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 9).await;
        let list = [("Ada", None), ("Grace", None), ("ADA", None)];
        let given = scene.run(giving(event.id, &list)).await.unwrap();
        assert_eq!(given.warnings, ["attendees[2] is on the list twice."]);
        let change = scene.changes().await;
        let placed = change.iter().rfind(|c| c.kind == "order.placed").unwrap();
        assert!(
            placed.summary.ends_with("3 tickets, complimentary"),
            "{}",
            placed.summary
        );
    }

    #[tokio::test]
    async fn refuses_empty_lists_and_events_that_are_called_off() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 9).await;
        assert_refused(scene.run(giving(event.id, &[])).await, "guest_count");
        let command = giving(event.id, &[("Ada", None)]);
        assert_refused(scene.app.run(&other, command.clone()).await, "not_found");
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(scene.app.run(&viewer, command.clone()).await, "forbidden");
        let system = scene
            .cx
            .clone()
            .with_actor(domain::Actor::System { reason: "test" });
        assert_refused(scene.app.run(&system, command.clone()).await, "no_giver");
        scene.move_event(event.id, StatusMove::Cancel(None)).await;
        assert_refused(scene.run(command).await, "event_closed");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 9).await;
        scene
            .assert_idempotent(giving(event.id, &[("Ada", None)]))
            .await;
    }
}
