//! Whom `queue_message` writes to. Workflows name an order, an event's people or a team; who that is, is found out when
//! the message is queued, so no address stands in a run.

use delivery::is_phone_number;
use domain::{Cx, EmailAddress, EventId, OrderId, Reference, TicketId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::PgConnection;

use super::{queue_message::QueueMessageError, segment::Segment, sql, wording};
use crate::{events, orders, organizations, people::ERASED_EMAIL, permission::Role};

/// People given by address in one call at most.
pub(super) const LIMIT: usize = 1_000;

/// Whom a message goes to: exactly one of `order`, `event`, `team` and `people`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Audience {
    /// The buyer of this order.
    pub order: Option<OrderId>,
    /// People of this event: id, slug or exact title.
    pub event: Option<Reference<EventId>>,
    /// Which of them; all when left out.
    pub segment: Option<Segment>,
    /// Members of the organization with this role; owners and managers when nobody has it.
    pub team: Option<Role>,
    /// These people.
    #[schemars(length(min = 1, max = 1000))]
    pub people: Option<Vec<Recipient>>,
}

/// One recipient.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Recipient {
    /// Mail address, or phone in the form +4930123456 for text messages.
    pub address: String,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Order the message is about.
    pub order_id: Option<OrderId>,
    /// Ticket the message is about.
    pub ticket_id: Option<TicketId>,
    /// Placeholders of this recipient's own, over those of the message.
    pub vars: Option<Map<String, Value>>,
}

impl Audience {
    /// People by address.
    pub fn people(people: Vec<Recipient>) -> Self {
        Self {
            people: Some(people),
            ..Self::default()
        }
    }

    /// Whether it is one audience, with addresses that fit the channel.
    pub(super) fn check(&self, sms: bool) -> Result<(), QueueMessageError> {
        let given = [
            self.order.is_some(),
            self.event.is_some(),
            self.team.is_some(),
            self.people.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() != 1
            || self.segment.is_some() && self.event.is_none()
        {
            return Err(QueueMessageError::Audience);
        }
        let Some(people) = &self.people else {
            return Ok(());
        };
        if !(1..=LIMIT).contains(&people.len()) {
            return Err(QueueMessageError::Recipients {
                count: people.len(),
            });
        }
        let fits = |address: &str| {
            if sms {
                is_phone_number(address)
            } else {
                address.parse::<EmailAddress>().is_ok()
            }
        };
        match people.iter().position(|to| !fits(&to.address)) {
            Some(index) => Err(QueueMessageError::Address { index, sms }),
            None => Ok(()),
        }
    }

    /// In words, for the audit trail; names nobody.
    pub(super) fn readable(&self) -> String {
        match (&self.order, &self.event, &self.team) {
            (Some(_), ..) => "the buyer".to_owned(),
            (_, Some(_), _) => self.segment.unwrap_or(Segment::All).readable(None),
            (.., Some(role)) => format!("the team ({role})"),
            _ => "named recipients".to_owned(),
        }
    }

    /// The people meant, at this moment. An event's segment or a team may be nobody.
    pub(super) async fn recipients(
        &self,
        conn: &mut PgConnection,
        cx: &Cx,
    ) -> Result<Vec<Recipient>, QueueMessageError> {
        if let Some(people) = &self.people {
            return Ok(people.clone());
        }
        if let Some(order_id) = self.order {
            let order = orders::detail(conn, &wording::with_sight(cx), order_id).await?;
            if order.order.buyer_email.as_str() == ERASED_EMAIL {
                return Ok(Vec::new());
            }
            return Ok(vec![Recipient {
                address: order.order.buyer_email.as_str().to_owned(),
                name: order.order.buyer_name.as_str().to_owned(),
                order_id: Some(order_id),
                ..Recipient::default()
            }]);
        }
        if let Some(reference) = &self.event {
            let event = events::resolve(conn, cx, reference).await?;
            let segment = self.segment.unwrap_or(Segment::All);
            let people = sql::addressees(conn, event.id, segment, None).await?;
            let recipient = people.into_iter().map(|to| Recipient {
                address: to.address.to_string(),
                name: to.name.as_str().to_owned(),
                order_id: Some(to.order_id),
                ticket_id: to.ticket_id,
                ..Recipient::default()
            });
            return Ok(recipient.collect());
        }
        let wanted = self.team.unwrap_or(Role::Manager);
        Ok(team(conn, wanted).await?)
    }
}

/// The members with a role; owners count as managers.
async fn team(conn: &mut PgConnection, wanted: Role) -> sqlx::Result<Vec<Recipient>> {
    let members = organizations::members(conn).await?;
    let leads = |role: Role| matches!(role, Role::Owner | Role::Manager);
    let is_wanted = |role: Role| role == wanted || wanted == Role::Manager && leads(role);
    let anybody = members.iter().any(|member| is_wanted(member.role));
    let chosen = members.into_iter().filter(|member| {
        if anybody {
            is_wanted(member.role)
        } else {
            leads(member.role)
        }
    });
    let recipient = chosen.map(|member| Recipient {
        address: member.email,
        name: member.name,
        ..Recipient::default()
    });
    Ok(recipient.collect())
}
