//! One thing about a ticket type is set: what operations that do so have in common.

use domain::{Cx, EventId, Facts, Fault, FaultSpec, Reference, TicketTypeId};
use store::{StoreError, WriteTx};

use super::{
    Left,
    changes::TicketTypeUpdated,
    model::{self, Offer, TicketType},
    sql,
};
use crate::{
    events::{self, Event, EventStatus},
    faults::EVENT_CLOSED,
    field_change::FieldChange,
    lookup::LookupError,
};

/// A ticket type of an event that is locked: whoever sells shares it, so nobody sells until the commit.
pub(super) struct Setting {
    event: Event,
    pub(super) offer: Offer,
}

impl Setting {
    /// Finds it, unless its event is over, cancelled or archived.
    pub(super) async fn open(
        tx: &mut WriteTx<'_>,
        event: &Reference<EventId>,
        ticket_type: &Reference<TicketTypeId>,
    ) -> Result<Self, SettingError> {
        let cx = tx.cx();
        let event = events::lock(tx.conn(), cx, event).await?;
        if let EventStatus::Ended | EventStatus::Cancelled | EventStatus::Archived = event.status {
            return Err(SettingError::EventClosed {
                title: event.title,
                status: event.status,
            });
        }
        let offers = sql::offers(tx.conn(), event.id).await?;
        let offer = model::find(&offers, ticket_type)?.clone();
        Ok(Self { event, offer })
    }

    /// Answers with the ticket type as it is now, and records what changed of it, if anything did.
    pub(super) async fn done(
        self,
        mut tx: WriteTx<'_>,
        changed: Vec<FieldChange>,
    ) -> Result<TicketType, SettingError> {
        let cx: &Cx = tx.cx();
        let offers = sql::offers(tx.conn(), self.event.id).await?;
        let saved = model::find(&offers, &self.offer.id.into())?;
        let answer = saved.seen(cx, &self.event, &Left::of(cx, &self.event, &offers));
        if changed.is_empty() {
            return Ok(tx.unchanged(answer).await?);
        }
        let change = TicketTypeUpdated {
            ticket_type_id: self.offer.id,
            event_id: self.event.id,
            name: saved.name.to_string(),
            changed,
            sold_count: self.offer.sold_count,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

/// Why nothing can be set.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// The event is over, cancelled or archived.
    #[error("{title:?} is {status}, so its ticket types can no longer be changed")]
    EventClosed {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// The event or the ticket type was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Fault for SettingError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![EVENT_CLOSED];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::EventClosed { .. } => EVENT_CLOSED.into(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SettingError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
