//! What placing orders and giving tickets away have in common: rows first, the contended pools last.

use domain::{Cx, EmailAddress, HoldId, OrderId, OrderItemId, Recorded, Timestamp, Untrusted};
use sqlx::PgConnection;

use super::{
    changes::{OrderPaid, OrderPlaced},
    detail::OrderDetail,
    model::{self, ItemRow, OrderRow, OrderStatus},
    number::OrderNumber,
    sql,
};
use crate::{
    events::Event,
    holds,
    inventory::{self, Moves, Shortage, Step, UseStep},
    seats::{self, Owner, SeatError, Wish},
    ticket_types::{AppliedCode, Basket, BasketError, Line, Offer},
    tickets::{self, Attendee, NewTicket},
};

/// Where an order has its places from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// From those that are free.
    Free,
    /// From a live hold, which is locked.
    Hold(HoldId),
}

/// An order that is ready to be made.
pub(super) struct Draft<'a> {
    pub(super) event: &'a Event,
    pub(super) basket: Basket,
    /// Who was named for each line; lines without an entry name nobody.
    pub(super) attendees: Vec<Vec<Attendee>>,
    pub(super) origin: Origin,
    pub(super) buyer_name: &'a str,
    pub(super) buyer_email: &'a EmailAddress,
    pub(super) note: Option<&'a str>,
    pub(super) is_complimentary: bool,
    /// Until when it can be paid; as long as the organizer likes if none.
    pub(super) pay_by: Option<Timestamp>,
}

impl Draft<'_> {
    /// The order, and its tickets if there is nothing to pay. Nothing is written yet.
    pub(super) fn order(self, cx: &Cx) -> New {
        let total = self.basket.total;
        let is_paid = total.is_zero();
        let applied = self.basket.promo_code.as_ref();
        let row = OrderRow {
            id: cx.new_id::<OrderId>(),
            number: OrderNumber::generate(cx).to_string(),
            status: if is_paid {
                OrderStatus::Paid
            } else {
                OrderStatus::Pending
            },
            event_id: self.event.id,
            event_title: self.event.title.clone(),
            buyer_name: Untrusted::new(self.buyer_name),
            buyer_email: self.buyer_email.clone(),
            currency: total.currency,
            total_amount: total.amount,
            paid_amount: 0,
            refunded_amount: 0,
            ticket_count: self.basket.ticket_count(),
            note: self.note.map(Untrusted::new),
            placed_at: cx.now,
            pay_by: self.pay_by.filter(|_| !is_paid),
            paid_at: is_paid.then_some(cx.now),
            cancelled_at: None,
            cancellation_reason: None,
            promo_code_id: applied.map(|applied| applied.id),
            promo_code: applied.map(|applied| applied.code.clone()),
            discount_amount: self.basket.discount.amount,
        };
        let item = |(index, line): (usize, &Line)| ItemRow {
            id: cx.new_id::<OrderItemId>(),
            ticket_type_id: line.ticket_type_id,
            name: line.name.clone(),
            quantity: line.quantity,
            unit_amount: line.unit_amount,
            listed_amount: line.listed_amount,
            attendees: self.attendees.get(index).cloned().unwrap_or_default(),
            tax: line.tax.clone(),
        };
        let mut items: Vec<ItemRow> = self.basket.lines.iter().enumerate().map(item).collect();
        let mut tickets = Vec::new();
        if is_paid {
            tickets = model::tickets(cx, &row, &items);
            // The tickets say who holds them; there is nothing to remember until they are issued.
            for item in &mut items {
                item.attendees.clear();
            }
        }
        New {
            row,
            items,
            tickets,
            basket: self.basket,
            origin: self.origin,
            is_complimentary: self.is_complimentary,
            seats: Vec::new(),
        }
    }
}

/// A new order with all that belongs to it.
pub(crate) struct New {
    row: OrderRow,
    items: Vec<ItemRow>,
    /// None while it is to be paid.
    tickets: Vec<NewTicket>,
    basket: Basket,
    origin: Origin,
    is_complimentary: bool,
    /// Its reserved seats, once it has them.
    seats: Vec<String>,
}

impl New {
    fn is_paid(&self) -> bool {
        self.row.status == OrderStatus::Paid
    }

    /// As the caller may see it.
    pub(super) fn seen(&self, cx: &Cx) -> OrderDetail {
        let tickets = self.tickets.iter().map(|ticket| ticket.row.clone());
        OrderDetail {
            seats: self.seats.clone(),
            ..OrderDetail::new(cx, &self.row, (&self.items, &self.basket.fees), tickets)
        }
    }

    fn placed(&self) -> OrderPlaced {
        OrderPlaced {
            order_id: self.row.id,
            event_id: self.row.event_id,
            event_title: self.row.event_title.clone(),
            number: self.row.number.clone(),
            ticket_count: self.row.ticket_count,
            total: self.row.total(),
            is_complimentary: self.is_complimentary,
        }
    }

    fn paid(&self) -> Option<OrderPaid> {
        self.is_paid().then(|| OrderPaid {
            order_id: self.row.id,
            event_id: self.row.event_id,
            event_title: self.row.event_title.clone(),
            number: self.row.number.clone(),
            amount: self.row.total(),
            tickets_issued: self.row.ticket_count,
        })
    }

    /// What is recorded of it.
    pub(super) fn changes(&self) -> Vec<Recorded> {
        let paid = self.paid().map(|paid| Recorded::of(&paid));
        let placed = Recorded::of(&self.placed());
        [placed].into_iter().chain(paid).collect()
    }

    /// The promo code it has, and how the use of that moves.
    pub(super) fn uses(&self) -> Option<(UseStep, &AppliedCode)> {
        let step = match self.origin {
            Origin::Free => UseStep::Use,
            Origin::Hold(_) => UseStep::UseHeld,
        };
        Some((step, self.basket.promo_code.as_ref()?))
    }

    /// The refusal when places of a pool cannot be had.
    pub(super) fn sold_out(&self, offers: &[Offer], shortage: Shortage) -> BasketError {
        self.basket.sold_out(offers, shortage)
    }

    pub(super) fn renumber(&mut self, cx: &Cx) {
        self.row.number = OrderNumber::generate(cx).to_string();
        for ticket in &mut self.tickets {
            ticket.row.order_number.clone_from(&self.row.number);
        }
    }
}

/// Writes new orders of one organization with all that belongs to them; returns false when a number was taken, and what
/// was written of that order is then useless.
pub(super) async fn write(conn: &mut PgConnection, new: &[(&Cx, &New)]) -> sqlx::Result<bool> {
    let rows: Vec<_> = new.iter().map(|&(cx, new)| (cx, &new.row)).collect();
    if sql::insert(conn, &rows).await? < rows.len() {
        return Ok(false);
    }
    let Some(organization_id) = new.first().map(|(cx, _)| cx.organization_id) else {
        return Ok(true);
    };
    let items: Vec<_> = new
        .iter()
        .flat_map(|(_, new)| new.items.iter().map(|item| (&new.row, item)))
        .collect();
    sql::insert_items(conn, organization_id, &items).await?;
    let fees: Vec<_> = new
        .iter()
        .flat_map(|(_, new)| new.basket.fees.iter().map(|fee| (&new.row, fee)))
        .collect();
    sql::insert_fees(conn, organization_id, &fees).await?;
    let issued: Vec<_> = new.iter().flat_map(|(_, new)| &new.tickets).collect();
    tickets::issue(conn, organization_id, &issued).await?;
    let ordered: Vec<_> = new
        .iter()
        .filter_map(|&(cx, new)| match new.origin {
            Origin::Free => None,
            Origin::Hold(id) => Some((cx, id, new.row.id)),
        })
        .collect();
    holds::order(conn, &ordered).await?;
    Ok(true)
}

/// Takes the seats of a new order that is written: the best available, unless it has those of a hold already.
pub(super) async fn take_seats(
    conn: &mut PgConnection,
    cx: &Cx,
    new: &mut New,
) -> Result<(), SeatError> {
    let order = new.row.id;
    if new.origin == Origin::Free {
        let wish = |line: &Line| Wish::best(line.ticket_type_id, &line.name, line.quantity);
        let wishes: Vec<Wish> = new.basket.lines.iter().map(wish).collect();
        seats::take(conn, cx, new.row.event_id, Owner::Order(order), &wishes).await?;
        seats::to_tickets(conn, order).await?;
    }
    new.seats = seats::of_order(conn, order).await?;
    for row in tickets::of_order(conn, order).await? {
        let issued = new
            .tickets
            .iter_mut()
            .find(|ticket| ticket.row.id == row.id);
        if let Some(ticket) = issued {
            ticket.row.seat = row.seat;
        }
    }
    Ok(())
}

/// How new orders take their places: free ones, if there are enough, or those of their holds.
pub(super) async fn moves(
    conn: &mut PgConnection,
    offers: &[Offer],
    new: &[(&Cx, &New)],
) -> sqlx::Result<Moves> {
    let mut moves = Moves::default();
    let mut sold = Vec::new();
    for (_, new) in new {
        match new.origin {
            Origin::Free if new.is_paid() => moves.add(Step::Sell, &new.basket.places(offers)),
            Origin::Free => moves.add(Step::Hold, &new.basket.places(offers)),
            Origin::Hold(_) if new.is_paid() => sold.extend(new.basket.counts()),
            // The hold counted them already.
            Origin::Hold(_) => {}
        }
    }
    if !sold.is_empty() {
        // What is held may be off the list of offers by now.
        let places = inventory::places_of(conn, &sold).await?;
        moves.add(Step::SellHeld, &places);
    }
    Ok(moves)
}
