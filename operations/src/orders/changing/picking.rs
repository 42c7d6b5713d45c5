//! Which of an order's tickets are meant, and how its lines are without them.

use std::collections::HashMap;

use domain::{
    Facts, Fault, FaultKind, FaultSpec, OrderId, OrderItemId, Reference, TicketId, TicketTypeId,
};
use sqlx::PgConnection;
use store::{StoreError, WriteTx};

use crate::{
    codes::CodeLookupError,
    events::{self, Event},
    lookup::{Hit, LookupError, the_one},
    orders::{
        model::{ItemRow, OrderRow, OrderStatus},
        sql,
    },
    taxes::LineTax,
    tickets::{self, Attendee, Bought, NewTicket, TicketRow, TicketStatus},
};

/// What a caller says about which tickets are meant.
pub(super) struct Wanted<'a> {
    pub(super) ticket_type: Option<&'a Reference<TicketTypeId>>,
    pub(super) quantity: Option<i32>,
    pub(super) tickets: Option<&'a [Reference<TicketId>]>,
}

/// Some tickets of an order: so many of which lines, and the tickets themselves once they are issued.
pub(super) struct Picked {
    pub(super) parts: Vec<Part>,
    pub(super) tickets: Vec<TicketRow>,
    /// Which line each ticket of the order was issued for.
    lines: HashMap<TicketId, OrderItemId>,
}

/// So many of a line.
pub(super) struct Part {
    pub(super) item: ItemRow,
    pub(super) count: i32,
    /// What they were charged.
    pub(super) tax: LineTax,
}

impl Part {
    fn of(item: ItemRow, count: i32) -> Self {
        let tax = item.tax.share(count, item.quantity);
        Self { item, count, tax }
    }
}

impl Picked {
    /// How many.
    pub(super) fn count(&self) -> i32 {
        self.parts.iter().map(|part| part.count).sum()
    }

    /// What they were charged together.
    pub(super) fn amount(&self) -> i64 {
        self.parts.iter().map(|part| part.tax.amounts.gross).sum()
    }

    /// How many of which types.
    pub(super) fn counts(&self) -> Vec<(TicketTypeId, i32)> {
        let count = |part: &Part| (part.item.ticket_type_id, part.count);
        self.parts.iter().map(count).collect()
    }

    /// What they were called.
    pub(super) fn name(&self) -> String {
        let mut names: Vec<_> = self
            .parts
            .iter()
            .map(|part| part.item.name.as_str())
            .collect();
        names.dedup();
        names.join(" and ")
    }

    /// How many of them were let in.
    pub(super) fn inside(&self) -> usize {
        let inside = self.tickets.iter().filter(|ticket| ticket.is_checked_in);
        inside.count()
    }

    /// The tickets become void, and each of their holders gets a new one of an order: `lines` has one for each part.
    pub(super) async fn reissue(
        &self,
        tx: &mut WriteTx<'_>,
        order: &OrderRow,
        lines: &[ItemRow],
        reason: &str,
    ) -> Result<(), PickError> {
        let cx = tx.cx();
        let bought = Bought {
            event_id: order.event_id,
            event_title: &order.event_title,
            order_id: order.id,
            order_number: &order.number,
        };
        let parts = self.parts.iter().map(|part| part.item.id);
        let lines: HashMap<OrderItemId, &ItemRow> = parts.zip(lines).collect();
        let mut new = Vec::new();
        for ticket in &self.tickets {
            let item = self.lines.get(&ticket.id);
            let line = item.and_then(|id| lines.get(id));
            let line = line.ok_or(sqlx::Error::RowNotFound)?;
            tickets::void(tx.conn(), cx, ticket.id, reason).await?;
            let line = (line.id, line.ticket_type_id, line.name.as_str());
            new.push(NewTicket::of(cx, &bought, line, Attendee::of(ticket)));
        }
        let new: Vec<&NewTicket> = new.iter().collect();
        tickets::issue(tx.conn(), cx.organization_id, &new).await?;
        Ok(())
    }

    /// Takes them out of the lines they are on. Who was named for tickets that are not issued yet stays with the first.
    pub(super) async fn take_out(&mut self, conn: &mut PgConnection) -> sqlx::Result<()> {
        for part in &mut self.parts {
            let left = part.item.quantity - part.count;
            let kept = usize::try_from(left).unwrap_or_default();
            let named = part.item.attendees.len();
            let taken = part.item.attendees.split_off(kept.min(named));
            part.item.tax = part.item.tax.without(&part.tax);
            sql::shrink_item(conn, &part.item, left).await?;
            part.item.attendees = taken;
        }
        Ok(())
    }
}

/// Finds an order and locks it. Its event is shared until the commit, so ticket types keep their prices and pools.
pub(super) async fn lock(
    tx: &mut WriteTx<'_>,
    order: &Reference<OrderId>,
) -> Result<(Event, OrderRow), PickError> {
    let cx = tx.cx();
    let found = sql::resolve(tx.conn(), order).await?;
    let event = events::share(tx.conn(), cx, &found.event_id.into()).await?;
    Ok((event, sql::lock(tx.conn(), found.id).await?))
}

/// Finds the tickets that are meant among those of an order that is locked and pending or paid.
pub(super) async fn pick(
    conn: &mut PgConnection,
    order: &OrderRow,
    wanted: &Wanted<'_>,
) -> Result<Picked, PickError> {
    if !matches!(order.status, OrderStatus::Pending | OrderStatus::Paid) {
        return Err(PickError::Ended {
            number: order.number.clone(),
            status: order.status,
        });
    }
    let items = sql::items(conn, order.id).await?;
    if order.status == OrderStatus::Pending {
        if wanted.tickets.is_some() {
            return Err(PickError::NotIssued(order.number.clone()));
        }
        return of_items(items, wanted);
    }
    // Nobody is let in meanwhile.
    tickets::checked_in(conn, order.id).await?;
    let valid = |ticket: &TicketRow| ticket.status == TicketStatus::Valid;
    let mut issued = tickets::of_order(conn, order.id).await?;
    issued.retain(valid);
    let chosen = match wanted.tickets {
        Some(named) => by_name(conn, order, &issued, named).await?,
        None => of_type(issued, &items, wanted)?,
    };
    let lines = tickets::lines(conn, order.id).await?;
    Ok(of_tickets(items, chosen, lines))
}

/// Of an order that is not paid yet: the last of a type.
fn of_items(items: Vec<ItemRow>, wanted: &Wanted<'_>) -> Result<Picked, PickError> {
    let type_id = the_type(&items, wanted.ticket_type)?;
    let of_type = items
        .into_iter()
        .filter(|item| item.ticket_type_id == type_id);
    let of_type: Vec<_> = of_type.collect();
    let there = of_type.iter().map(|item| item.quantity).sum();
    let mut left = wanted.check(there)?;
    let mut parts = Vec::new();
    for item in of_type.into_iter().rev() {
        let count = item.quantity.min(left);
        left -= count;
        if count > 0 {
            parts.push(Part::of(item, count));
        }
    }
    Ok(Picked {
        parts,
        tickets: Vec::new(),
        lines: HashMap::new(),
    })
}

/// Of a paid order: the last of a type; those of people who are inside last of all.
fn of_type(
    issued: Vec<TicketRow>,
    items: &[ItemRow],
    wanted: &Wanted<'_>,
) -> Result<Vec<TicketRow>, PickError> {
    let type_id = the_type(items, wanted.ticket_type)?;
    let of_type = issued
        .into_iter()
        .filter(|ticket| ticket.ticket_type_id == type_id);
    let mut of_type: Vec<_> = of_type.rev().collect();
    of_type.sort_by_key(|ticket| ticket.is_checked_in);
    let there = i32::try_from(of_type.len()).unwrap_or(i32::MAX);
    let count = wanted.check(there)?;
    of_type.truncate(usize::try_from(count).unwrap_or_default());
    Ok(of_type)
}

async fn by_name(
    conn: &mut PgConnection,
    order: &OrderRow,
    issued: &[TicketRow],
    named: &[Reference<TicketId>],
) -> Result<Vec<TicketRow>, PickError> {
    let mut chosen: Vec<TicketRow> = Vec::new();
    for (index, reference) in named.iter().enumerate() {
        let found = tickets::resolve(conn, reference, "tickets").await?;
        let ticket = issued.iter().find(|ticket| ticket.id == found.id);
        let ticket = ticket.ok_or_else(|| PickError::NotOfOrder {
            index,
            number: order.number.clone(),
        })?;
        if chosen.iter().all(|chosen| chosen.id != ticket.id) {
            chosen.push(ticket.clone());
        }
    }
    if chosen.is_empty() {
        return Err(PickError::Quantity {
            given: 0,
            there: issued.len().try_into().unwrap_or(i32::MAX),
        });
    }
    Ok(chosen)
}

fn of_tickets(
    items: Vec<ItemRow>,
    tickets: Vec<TicketRow>,
    lines: HashMap<TicketId, OrderItemId>,
) -> Picked {
    let part = |item: ItemRow| {
        let of_item = |ticket: &&TicketRow| lines.get(&ticket.id) == Some(&item.id);
        let count = tickets.iter().filter(of_item).count();
        Part::of(item, i32::try_from(count).unwrap_or(i32::MAX))
    };
    let parts = items.into_iter().map(part).filter(|part| part.count > 0);
    Picked {
        parts: parts.collect(),
        tickets,
        lines,
    }
}

/// The type that is meant: by id or the name it was bought under, or the only one.
fn the_type(
    items: &[ItemRow],
    wanted: Option<&Reference<TicketTypeId>>,
) -> Result<TicketTypeId, PickError> {
    let mut names: Vec<(TicketTypeId, &str)> = Vec::new();
    for item in items {
        if names.iter().all(|(id, _)| *id != item.ticket_type_id) {
            names.push((item.ticket_type_id, &item.name));
        }
    }
    let Some(wanted) = wanted else {
        return match names[..] {
            [(id, _)] => Ok(id),
            _ => Err(PickError::Which(
                names.iter().map(|(_, name)| (*name).to_owned()).collect(),
            )),
        };
    };
    let hits = names.iter().map(|(id, name)| Hit {
        id: *id,
        label: (*name).to_owned(),
        exact: match wanted {
            Reference::Id(wanted) => wanted == id,
            Reference::Name(wanted) => wanted.to_lowercase() == name.to_lowercase(),
        },
    });
    let hits: Vec<_> = hits.collect();
    Ok(the_one("ticket type", &wanted.to_string(), &hits).map_err(CodeLookupError::from)?)
}

impl Wanted<'_> {
    /// How many are meant of those there are: all when nothing was said.
    fn check(&self, there: i32) -> Result<i32, PickError> {
        let given = self.quantity.unwrap_or(there);
        if (1..=there).contains(&given) {
            Ok(given)
        } else {
            Err(PickError::Quantity { given, there })
        }
    }
}

/// Why it is not clear which tickets are meant.
#[derive(Debug, thiserror::Error)]
pub enum PickError {
    /// The order is cancelled or expired.
    #[error("order {number} is {status}")]
    Ended {
        /// Its number.
        number: String,
        /// Its state.
        status: OrderStatus,
    },
    /// The order has several types.
    #[error("the order has tickets of several types: {}", .0.join(", "))]
    Which(Vec<String>),
    /// More than there are, or none.
    #[error("{given} tickets were asked for; the order has {there} valid ones of them")]
    Quantity {
        /// What was given.
        given: i32,
        /// How many there are.
        there: i32,
    },
    /// Tickets were named that are not issued yet.
    #[error("order {0} is not paid, so its tickets have no codes yet")]
    NotIssued(String),
    /// A ticket belongs to another order, or is void.
    #[error("this ticket is void or does not belong to order {number}")]
    NotOfOrder {
        /// Which.
        index: usize,
        /// The order's number.
        number: String,
    },
    /// The order, the ticket type or a ticket was not found.
    #[error(transparent)]
    Lookup(#[from] CodeLookupError),
}

const ORDER_ENDED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "order_ended",
    "Only pending and paid orders can be changed; reactivate_order brings one back.",
);
const WHICH_TICKETS: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "which_tickets",
    "Ask which are meant, and give `ticket_type` or `tickets`.",
);
const TICKETS_OUT_OF_RANGE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "tickets_out_of_range",
    "Read the order with get_order and give how many of these it has at most.",
);
const TICKETS_NOT_ISSUED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "tickets_not_issued",
    "Give `ticket_type` and `quantity` instead.",
);
const TICKET_NOT_OF_ORDER: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "ticket_not_of_order",
    "Read the order with get_order and name valid tickets of it.",
);

impl Fault for PickError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            ORDER_ENDED,
            WHICH_TICKETS,
            TICKETS_OUT_OF_RANGE,
            TICKETS_NOT_ISSUED,
            TICKET_NOT_OF_ORDER,
        ];
        specs.extend(CodeLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Ended { .. } => ORDER_ENDED.at("order"),
            Self::Which(_) => WHICH_TICKETS.at("ticket_type"),
            Self::Quantity { .. } => TICKETS_OUT_OF_RANGE.at("quantity"),
            Self::NotIssued(_) => TICKETS_NOT_ISSUED.at("tickets"),
            Self::NotOfOrder { index, .. } => TICKET_NOT_OF_ORDER.at(format!("tickets[{index}]")),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<LookupError> for PickError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<StoreError> for PickError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<sqlx::Error> for PickError {
    fn from(error: sqlx::Error) -> Self {
        Self::Lookup(error.into())
    }
}
