//! What placing an order and giving tickets away have in common: rows first, the contended pools last.

use domain::{Cx, EmailAddress, HoldId, OrderId, OrderItemId};
use sqlx::PgConnection;
use store::WriteTx;

use super::{
    changes::{OrderPaid, OrderPlaced},
    detail::{OrderDetail, detail},
    model::{self, ItemRow, OrderStatus},
    number::OrderNumber,
    place_order_error::PlaceOrderError,
    sql::{self, NewOrder},
};
use crate::{
    events::Event,
    holds,
    inventory::{self, Step},
    lookup::LookupError,
    ticket_types::{Basket, Line, Offer},
    tickets::{self, Attendee},
};

/// Where an order has its places from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// From those that are free.
    Free,
    /// From a live hold, which is locked.
    Hold(HoldId),
}

/// An order that is ready to be written.
pub(super) struct Draft<'a> {
    pub(super) event: &'a Event,
    pub(super) offers: &'a [Offer],
    pub(super) basket: Basket,
    /// Who was named for each line; lines without an entry name nobody.
    pub(super) attendees: Vec<Vec<Attendee>>,
    pub(super) origin: Origin,
    pub(super) buyer_name: &'a str,
    pub(super) buyer_email: &'a EmailAddress,
    pub(super) note: Option<&'a str>,
    pub(super) is_complimentary: bool,
}

impl Draft<'_> {
    /// Writes the order, and its tickets if there is nothing to pay; then takes the places. Whoever finds too few
    /// left gives up the whole transaction.
    pub(super) async fn write(
        self,
        tx: &mut WriteTx<'_>,
    ) -> Result<(OrderPlaced, OrderDetail), PlaceOrderError> {
        let cx = tx.cx();
        if self.origin == Origin::Free {
            self.basket.places(self.offers)?;
        }
        let total = self.basket.total;
        let ticket_count = self.basket.ticket_count();
        let status = if total.is_zero() {
            OrderStatus::Paid
        } else {
            OrderStatus::Pending
        };
        let order = NewOrder {
            id: cx.new_id::<OrderId>(),
            event_id: self.event.id,
            status,
            buyer_name: self.buyer_name,
            buyer_email: self.buyer_email,
            total,
            ticket_count,
            note: self.note,
        };
        let number = insert(tx.conn(), cx, &order).await?;
        let mut items = self.items(cx);
        let new = model::tickets(&items);
        if status == OrderStatus::Paid {
            // The tickets say who holds them; there is nothing to remember until they are issued.
            for item in &mut items {
                item.attendees.clear();
            }
        }
        for item in &items {
            sql::insert_item(tx.conn(), cx, &order, item).await?;
        }
        if status == OrderStatus::Paid {
            tickets::issue(tx.conn(), cx, self.event.id, order.id, &new).await?;
            tx.also(&OrderPaid {
                order_id: order.id,
                event_id: self.event.id,
                event_title: self.event.title.clone(),
                number: number.to_string(),
                amount: total,
                tickets_issued: ticket_count,
            });
        }
        let answer = detail(tx.conn(), cx, order.id).await?;
        self.take(tx, order.id, status).await?;
        let change = OrderPlaced {
            order_id: order.id,
            event_id: self.event.id,
            event_title: self.event.title.clone(),
            number: number.to_string(),
            ticket_count,
            total,
            is_complimentary: self.is_complimentary,
        };
        Ok((change, answer))
    }

    fn items(&self, cx: &Cx) -> Vec<ItemRow> {
        let item = |(index, line): (usize, &Line)| ItemRow {
            id: cx.new_id::<OrderItemId>(),
            ticket_type_id: line.ticket_type_id,
            name: line.name.clone(),
            quantity: line.quantity,
            unit_amount: line.unit_amount,
            attendees: self.attendees.get(index).cloned().unwrap_or_default(),
        };
        self.basket.lines.iter().enumerate().map(item).collect()
    }

    /// Takes the places: free ones, if there are enough, or those of the hold.
    async fn take(
        &self,
        tx: &mut WriteTx<'_>,
        order_id: OrderId,
        status: OrderStatus,
    ) -> Result<(), PlaceOrderError> {
        let cx = tx.cx();
        let is_paid = status == OrderStatus::Paid;
        match self.origin {
            Origin::Free => {
                let step = if is_paid { Step::Sell } else { Step::Hold };
                let places = self.basket.places(self.offers)?;
                let moved = inventory::move_places(tx.conn(), step, &places).await?;
                let sold_out = |shortage| self.basket.sold_out(self.offers, &places, shortage);
                moved.map_err(sold_out)?;
            }
            Origin::Hold(id) => {
                holds::order(tx.conn(), cx, id, order_id).await?;
                if is_paid {
                    let counts = self.basket.counts();
                    let places = inventory::places_of(tx.conn(), &counts).await?;
                    inventory::move_taken(tx.conn(), Step::SellHeld, &places).await?;
                }
            }
        }
        Ok(())
    }
}

/// Adds the order under a number that is free.
async fn insert(
    conn: &mut PgConnection,
    cx: &Cx,
    order: &NewOrder<'_>,
) -> Result<OrderNumber, LookupError> {
    // Of a thousand million numbers, one is free long before the attempts run out.
    for _ in 0..20 {
        let number = OrderNumber::generate(cx);
        if sql::insert(conn, cx, order, &number).await? {
            return Ok(number);
        }
    }
    Err(sqlx::Error::RowNotFound.into())
}
