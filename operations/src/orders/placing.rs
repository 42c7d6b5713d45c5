//! What placing an order and giving tickets away have in common: rows first, the contended pools last.

use domain::{Cx, EmailAddress, Money, OrderId};
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
    inventory::{self, Places, Shortage, Step},
    lookup::LookupError,
    ticket_types::{self, Offer},
    tickets,
};

/// An order that is ready to be written.
pub(super) struct Draft<'a> {
    pub(super) event: &'a Event,
    pub(super) offers: &'a [Offer],
    pub(super) items: Vec<ItemRow>,
    pub(super) total: Money,
    pub(super) buyer_name: &'a str,
    pub(super) buyer_email: &'a EmailAddress,
    pub(super) note: Option<&'a str>,
    pub(super) is_complimentary: bool,
}

impl Draft<'_> {
    /// Writes the order, and its tickets if there is nothing to pay; then takes the places. Whoever finds too few
    /// left gives up the whole transaction.
    pub(super) async fn write(
        mut self,
        tx: &mut WriteTx<'_>,
    ) -> Result<(OrderPlaced, OrderDetail), PlaceOrderError> {
        let cx = tx.cx();
        let counts = model::counts(&self.items);
        let places = ticket_types::places(self.offers, &counts);
        self.look_first(&places)?;
        let ticket_count = counts.iter().map(|(_, count)| count).sum();
        let status = if self.total.is_zero() {
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
            total: self.total,
            ticket_count,
            note: self.note,
        };
        let number = insert(tx.conn(), cx, &order).await?;
        let new = model::tickets(&self.items);
        if status == OrderStatus::Paid {
            // The tickets say who holds them; there is nothing to remember until they are issued.
            self.items
                .iter_mut()
                .for_each(|item| item.attendees.clear());
        }
        for item in &self.items {
            sql::insert_item(tx.conn(), cx, &order, item).await?;
        }
        let step = if status == OrderStatus::Paid {
            tickets::issue(tx.conn(), cx, self.event.id, order.id, &new).await?;
            tx.also(&OrderPaid {
                order_id: order.id,
                event_id: self.event.id,
                event_title: self.event.title.clone(),
                number: number.to_string(),
                amount: self.total,
                tickets_issued: ticket_count,
            });
            Step::Sell
        } else {
            Step::Hold
        };
        let answer = detail(tx.conn(), cx, order.id).await?;
        let moved = inventory::move_places(tx.conn(), step, &places).await?;
        moved.map_err(|shortage| self.sold_out(&places, shortage))?;
        let change = OrderPlaced {
            order_id: order.id,
            event_id: self.event.id,
            event_title: self.event.title.clone(),
            number: number.to_string(),
            ticket_count,
            total: self.total,
            is_complimentary: self.is_complimentary,
        };
        Ok((change, answer))
    }

    /// Spares the writes when too few are left already. Nothing is promised yet: the pools decide.
    fn look_first(&self, places: &Places) -> Result<(), PlaceOrderError> {
        for pool in self.offers.iter().flat_map(Offer::pools) {
            let wanted = places.get(&pool.id).copied().unwrap_or_default();
            if let Some(left) = pool.left().filter(|left| *left < wanted) {
                let pool_id = pool.id;
                return Err(self.sold_out(places, Shortage { pool_id, left }));
            }
        }
        Ok(())
    }

    fn sold_out(&self, places: &Places, shortage: Shortage) -> PlaceOrderError {
        let draws = |item: &&ItemRow| {
            let offer = self.offers.iter().find(|o| o.id == item.ticket_type_id);
            offer.is_some_and(|offer| offer.pools().any(|pool| pool.id == shortage.pool_id))
        };
        let names = self
            .items
            .iter()
            .filter(draws)
            .map(|item| item.name.as_str());
        PlaceOrderError::SoldOut {
            name: names.collect::<Vec<_>>().join(" and "),
            wanted: places.get(&shortage.pool_id).copied().unwrap_or_default(),
            left: shortage.left,
        }
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
