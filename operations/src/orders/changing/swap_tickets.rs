//! `swap_tickets`: tickets of an order become tickets of another type.

use domain::{Cx, Money, OrderId, OrderItemId, Permission, Reference, TicketId, TicketTypeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::WriteTx;

use super::{
    Changed,
    changes::TicketsSwapped,
    picking::{Part, PickError, Picked, Wanted, lock, pick},
    swap_error::SwapTicketsError,
};
use crate::{
    App, Effect, Operation,
    events::{Event, EventStatus},
    holds,
    inventory::{self, Moves, Shortage, Step},
    orders::{
        OrderDetail,
        changes::Which,
        model::{ItemRow, OrderRow, OrderStatus},
        payments::{GivenBack, PaymentMethod, Received, give_back, receive},
        sql,
    },
    seats::{self, Owner, Wish},
    taxes::{self, Item, LineTax},
    ticket_types::{self, BasketError, Offer},
};

domain::text_enum! {
    /// What the new tickets cost.
    pub enum SwapPrice {
        /// What their type costs now: the difference is paid or given back.
        New = "new",
        /// What the old ones cost: no money moves.
        Kept = "kept",
    }
}

/// Exchange tickets of an order for another ticket type of the same event: the old codes stop working, new tickets are
/// issued to the same people. A dry run shows what is due or given back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SwapTickets {
    /// Order: id or number.
    pub order: Reference<OrderId>,
    /// The type they become: id or exact name.
    pub to: Reference<TicketTypeId>,
    /// The type they are; needed when the order has several.
    pub ticket_type: Option<Reference<TicketTypeId>>,
    /// How many; all of that type when left out.
    pub quantity: Option<i32>,
    /// Exactly these, by id or code, instead of type and quantity.
    pub tickets: Option<Vec<Reference<TicketId>>>,
    /// Needed when the two types differ in price.
    pub price: Option<SwapPrice>,
    /// The buyer has paid the difference by hand; needed for a paid order that costs more afterwards.
    #[serde(default)]
    pub collected: bool,
}

/// The order afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SwappedTickets {
    /// The order.
    pub order: OrderDetail,
    /// What it costs more than before, or less if negative.
    pub difference: Money,
    /// What goes back by itself: through the payment provider, or onto a gift card.
    pub by_itself: Money,
    /// What the organizer transfers.
    pub by_hand: Money,
    /// What the organizer should know, such as a promo code that does not count any more.
    pub warnings: Vec<String>,
}

impl Operation for SwapTickets {
    const NAME: &'static str = "swap_tickets";
    const EFFECT: Effect = Effect::Destructive;
    const NEEDS: Permission = Permission::OrdersCancel;
    type Output = SwappedTickets;
    type Error = SwapTicketsError;

    async fn run(self, app: &App, cx: &Cx) -> Result<SwappedTickets, SwapTicketsError> {
        let mut tx = app.store().read(cx).await?;
        let event_id = sql::resolve(tx.conn(), &self.order).await;
        let event_id = event_id.map_err(PickError::from)?.event_id;
        drop(tx);
        match self.swap(app, cx).await {
            // Holds that ran out must not make anything look sold out.
            Err(SwapTicketsError::Basket(BasketError::SoldOut { .. }))
                if holds::free_expired(app, cx, event_id).await? =>
            {
                self.swap(app, cx).await
            }
            outcome => outcome,
        }
    }
}

/// Everything about a swap before anything is written.
struct Swap {
    event: Event,
    offers: Vec<Offer>,
    order: OrderRow,
    picked: Picked,
    to: Offer,
    price: SwapPrice,
    /// What each part would be charged now.
    charged: Vec<LineTax>,
}

impl SwapTickets {
    async fn swap(&self, app: &App, cx: &Cx) -> Result<SwappedTickets, SwapTicketsError> {
        let mut tx = app.store().write(cx).await?;
        let mut swap = self.check(&mut tx).await?;
        let difference = swap.difference();
        let collected = self.collected(&swap, difference)?;
        if collected > 0 {
            // First of all: a paid order is covered at every moment.
            let received = Received {
                method: PaymentMethod::Manual,
                amount: swap.money(collected),
                reference: None,
                processor_reference: None,
                gift_card_id: None,
                moved_from: None,
                came_at: cx.now,
            };
            receive(tx.conn(), cx, swap.order.id, &received).await?;
        }
        let moves = swap.write(&mut tx).await?;
        swap.seat(&mut tx).await?;
        let given = swap.give_back(&mut tx, difference).await?;
        let change = TicketsSwapped {
            which: Which::of(&swap.order),
            count: swap.picked.count(),
            from: swap.picked.name(),
            to: swap.to.name.to_string(),
            difference: swap.money(difference),
            refunded: swap.money(given.by_itself.amount + given.by_hand.amount),
            collected: swap.money(collected),
        };
        // Who waits for the new type comes first.
        let sale = (&swap.event, swap.offers.as_slice());
        let taken = ticket_types::move_places(tx.conn(), cx, sale, &moves, false).await?;
        if let Err(shortage) = taken {
            return Err(swap.sold_out(shortage).into());
        }
        let after = Changed {
            event: &swap.event,
            order_id: swap.order.id,
            why: "tickets were exchanged",
        };
        let (changes, order) = after.settle(&mut tx, &change).await?;
        let answer = SwappedTickets {
            order,
            difference: swap.money(difference),
            by_itself: given.by_itself,
            by_hand: given.by_hand,
            warnings: swap.warnings(),
        };
        Ok(tx.commit_all(changes, answer).await?)
    }

    async fn check(&self, tx: &mut WriteTx<'_>) -> Result<Swap, SwapTicketsError> {
        let (event, order) = lock(tx, &self.order).await?;
        if let EventStatus::Ended | EventStatus::Cancelled | EventStatus::Archived = event.status {
            return Err(SwapTicketsError::EventClosed {
                title: event.title,
                status: event.status,
            });
        }
        let wanted = Wanted {
            ticket_type: self.ticket_type.as_ref(),
            quantity: self.quantity,
            tickets: self.tickets.as_deref(),
        };
        let picked = pick(tx.conn(), &order, &wanted).await?;
        if picked.inside() > 0 {
            return Err(SwapTicketsError::CheckedIn(picked.inside()));
        }
        let offers = ticket_types::offers(tx.conn(), event.id).await?;
        let to = ticket_types::find(&offers, &self.to);
        let to = to.map_err(SwapTicketsError::To)?.clone();
        if picked
            .parts
            .iter()
            .any(|part| part.item.ticket_type_id == to.id)
        {
            return Err(SwapTicketsError::SameType(to.name.to_string()));
        }
        let charged = charge(tx.conn(), &event, &to, &picked).await?;
        let costs = charged.iter().map(|tax| tax.amounts.gross).sum::<i64>();
        let price = match self.price {
            Some(price) => price,
            None if costs == picked.amount() => SwapPrice::New,
            None => {
                return Err(SwapTicketsError::PriceUndecided {
                    name: to.name.to_string(),
                    old: Money::new(picked.amount(), order.currency),
                    new: Money::new(costs, order.currency),
                });
            }
        };
        Ok(Swap {
            event,
            offers,
            order,
            picked,
            to,
            price,
            charged,
        })
    }

    /// What the buyer has paid by hand, if it is as it must be.
    fn collected(&self, swap: &Swap, difference: i64) -> Result<i64, SwapTicketsError> {
        let due = match swap.order.status {
            OrderStatus::Paid => difference.max(0),
            _ => 0,
        };
        match (due, self.collected) {
            (0, false) => Ok(0),
            (0, true) => Err(SwapTicketsError::NothingToCollect),
            (due, true) => Ok(due),
            (due, false) => Err(SwapTicketsError::DifferenceUnpaid(swap.money(due))),
        }
    }
}

/// What tickets of another type are charged now in place of those picked. Fees stay as they were charged.
async fn charge(
    conn: &mut PgConnection,
    event: &Event,
    to: &Offer,
    picked: &Picked,
) -> Result<Vec<LineTax>, SwapTicketsError> {
    let pricing = taxes::pricing(conn, event.id).await?.without_fees();
    let lines = picked.parts.iter().map(|part| Item {
        unit_amount: to.price_amount,
        quantity: part.count,
        tax: to.tax.as_ref(),
    });
    let lines: Vec<Item<'_>> = lines.collect();
    let charged = pricing.charge(event.currency, &lines);
    Ok(charged.map_err(BasketError::Total)?.lines)
}

impl Swap {
    fn money(&self, amount: i64) -> Money {
        Money::new(amount, self.order.currency)
    }

    /// The line that takes the place of a part of another.
    fn line(&self, cx: &Cx, part: &Part, charged: &LineTax) -> ItemRow {
        let (unit, tax) = match self.price {
            SwapPrice::New => (self.to.price_amount, charged),
            SwapPrice::Kept => (part.item.unit_amount, &part.tax),
        };
        ItemRow {
            id: cx.new_id::<OrderItemId>(),
            ticket_type_id: self.to.id,
            name: self.to.name.to_string(),
            quantity: part.count,
            unit_amount: unit,
            listed_amount: unit,
            attendees: part.item.attendees.clone(),
            tax: tax.clone(),
        }
    }

    /// What the order costs more afterwards, in the smallest unit.
    fn difference(&self) -> i64 {
        match self.price {
            SwapPrice::Kept => 0,
            SwapPrice::New => {
                let new = self.charged.iter().map(|tax| tax.amounts.gross);
                new.sum::<i64>().saturating_sub(self.picked.amount())
            }
        }
    }

    /// Writes the new lines and tickets; how places move.
    async fn write(&mut self, tx: &mut WriteTx<'_>) -> Result<Moves, SwapTicketsError> {
        let cx = tx.cx();
        self.picked.take_out(tx.conn()).await?;
        let lines: Vec<ItemRow> = self
            .picked
            .parts
            .iter()
            .zip(&self.charged)
            .map(|(part, charged)| self.line(cx, part, charged))
            .collect();
        let rows: Vec<_> = lines.iter().map(|line| (&self.order, line)).collect();
        sql::insert_items(tx.conn(), cx.organization_id, &rows).await?;
        sql::reprice(tx.conn(), cx, self.order.id).await?;
        let (release, take) = match self.order.status {
            OrderStatus::Paid => (Step::ReleaseSold, Step::Sell),
            _ => (Step::ReleaseHeld, Step::Hold),
        };
        if self.order.status == OrderStatus::Paid {
            let reason = format!("exchanged for {:?}", self.to.name.as_str());
            let picked = &self.picked;
            picked.reissue(tx, &self.order, &lines, &reason).await?;
        }
        let mut moves = Moves::default();
        let left = inventory::places_of(tx.conn(), &self.picked.counts()).await?;
        moves.add(release, &left);
        let taken = [(self.to.id, self.picked.count())];
        moves.add(take, &inventory::places_of(tx.conn(), &taken).await?);
        Ok(moves)
    }

    /// Finds seats for what has some: the best available.
    async fn seat(&self, tx: &mut WriteTx<'_>) -> Result<(), SwapTicketsError> {
        if !self.to.is_seated {
            return Ok(());
        }
        let (cx, order) = (tx.cx(), &self.order);
        let wish = Wish::best(self.to.id, self.to.name.as_str(), self.picked.count());
        let owner = Owner::Order(order.id);
        seats::take(tx.conn(), cx, order.event_id, owner, &[wish]).await?;
        seats::to_tickets(tx.conn(), order.id).await?;
        Ok(())
    }

    /// Gives the difference back, if the order was paid and costs less now.
    async fn give_back(
        &self,
        tx: &mut WriteTx<'_>,
        difference: i64,
    ) -> Result<GivenBack, SwapTicketsError> {
        let cx = tx.cx();
        let back = match self.order.status {
            OrderStatus::Paid => (-difference).clamp(0, self.order.refundable().amount),
            _ => 0,
        };
        if back == 0 {
            return Ok(GivenBack {
                by_itself: self.money(0),
                by_hand: self.money(0),
            });
        }
        let reason = format!("{} instead of {}", self.to.name, self.picked.name());
        let given = give_back(
            tx.conn(),
            cx,
            &self.order,
            self.money(back),
            None,
            Some(&reason),
        );
        Ok(given.await?.0)
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let code = self.order.promo_code.as_ref();
        let had_discount =
            (self.picked.parts.iter()).any(|part| part.item.listed_amount > part.item.unit_amount);
        if let Some(code) = code.filter(|_| had_discount && self.price == SwapPrice::New) {
            warnings.push(format!(
                "The promo code {code:?} does not make the new tickets cheaper."
            ));
        }
        warnings
    }

    fn sold_out(&self, shortage: Shortage) -> BasketError {
        let name = self.to.name.to_string();
        if shortage.is_stopped {
            return BasketError::SalesStopped(name);
        }
        BasketError::SoldOut {
            name,
            wanted: self.picked.count(),
            left: shortage.left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        orders::{ConfirmPayment, payments::shop::Shop},
        permission::Role,
        testing::{Scene, assert_refused, buying, holding, order_with, pool, promo, selling},
        ticket_types::{ListTicketTypes, SaveTicketType},
        tickets::TicketStatus,
    };

    fn swapping(order: &OrderDetail, to: &str) -> SwapTickets {
        SwapTickets {
            order: order.order.id.into(),
            to: to.parse().unwrap(),
            ticket_type: None,
            quantity: None,
            tickets: None,
            price: None,
            collected: false,
        }
    }

    fn at(price: SwapPrice, swap: SwapTickets) -> SwapTickets {
        SwapTickets {
            price: Some(price),
            ..swap
        }
    }

    /// An event with `Regular` for 25 euros and, out of the same hall, `Box` for 40.
    async fn two_types(scene: &Scene, places: i32) -> domain::EventId {
        let (event, _) = scene.on_sale(2500, places).await;
        let hall = |capacity| Some(vec![pool("Hall", capacity)]);
        let shared = SaveTicketType {
            ticket_type: Some("Regular".parse().unwrap()),
            pools: hall(Some(places)),
            ..SaveTicketType::of(event.id.into())
        };
        scene.run(shared).await.unwrap();
        let boxes = SaveTicketType {
            pools: hall(None),
            ..selling(event.id, "Box", 4000, 2)
        };
        scene.run(boxes).await.unwrap();
        event.id
    }

    async fn paid(scene: &Scene, event: domain::EventId, quantity: i32) -> OrderDetail {
        let order = scene.order(event, quantity).await;
        let paying = ConfirmPayment::of(order.order.id.into());
        scene.run(paying).await.unwrap().order
    }

    #[tokio::test]
    async fn an_upgrade_is_paid_before_the_tickets_change() {
        let scene = Scene::new().await;
        // The hall is full: a swap needs no place beside the one it frees.
        let event = two_types(&scene, 2).await;
        let order = paid(&scene, event, 2).await;
        assert_refused(
            scene.run(swapping(&order, "Box")).await,
            "swap_price_undecided",
        );
        let new = at(SwapPrice::New, swapping(&order, "Box"));
        let unpaid = scene.run(new.clone()).await.unwrap_err();
        assert_eq!(unpaid.to_string(), "30.00 EUR more are to be paid first");
        assert_refused::<(), _>(Err(unpaid), "difference_unpaid");
        let collected = SwapTickets {
            collected: true,
            ..new
        };
        let done = scene.run(collected).await.unwrap();
        assert_eq!(done.difference.amount, 3000);
        assert_eq!(done.order.order.total.amount, 8000);
        let valid = |ticket: &&crate::tickets::Ticket| ticket.status == TicketStatus::Valid;
        let valid: Vec<_> = done.order.tickets.iter().filter(valid).collect();
        assert_eq!(valid.len(), 2);
        assert!(valid.iter().all(|ticket| ticket.ticket_type == "Box"));
        let old = &done.order.tickets[0];
        assert_eq!(old.id, order.tickets[0].id);
        assert_eq!(old.status, TicketStatus::Void);
        assert_eq!(old.void_reason.as_deref(), Some("exchanged for \"Box\""));
        let list = ListTicketTypes {
            event: event.into(),
        };
        let listed = scene.run(list).await.unwrap().ticket_types;
        let sold: Vec<_> = listed
            .iter()
            .map(|listed| listed.availability.sold)
            .collect();
        assert_eq!(sold, [0, 2]);
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_cheaper_one_gives_the_difference_back_the_way_it_came() {
        let shop = Shop::new(5).await;
        let cheap = selling(shop.event, "Gallery", 1000, 5);
        shop.scene.run(cheap).await.unwrap();
        let order = shop.paid(3).await;
        let one = SwapTickets {
            quantity: Some(1),
            ..at(SwapPrice::New, swapping(&order, "Gallery"))
        };
        let done = shop.scene.run(one).await.unwrap();
        assert_eq!(
            (done.difference.amount, done.by_itself.amount),
            (-1500, 1500)
        );
        assert_eq!(done.order.order.total.amount, 6000);
        shop.checked(&order).await;
        shop.scene.reconcile().await;
        // Twice as much cannot go back: the order costs what it costs now.
        let back = SwapTickets {
            ticket_type: Some("Gallery".parse().unwrap()),
            ..at(SwapPrice::Kept, swapping(&order, "Regular"))
        };
        let kept = shop.scene.run(back).await.unwrap();
        assert_eq!((kept.difference.amount, kept.by_itself.amount), (0, 0));
        assert_eq!(kept.order.order.total.amount, 6000);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn an_unpaid_order_costs_what_the_new_type_costs() {
        let scene = Scene::new().await;
        let event = two_types(&scene, 5).await;
        scene.run(promo(event, "HALF", 50, None)).await.unwrap();
        let wanted = order_with(buying(event, "Regular", 2), "HALF");
        let order = scene.run(wanted).await.unwrap().order;
        assert_eq!(order.order.total.amount, 2500);
        let named = SwapTickets {
            tickets: Some(vec!["AAAA".parse().unwrap()]),
            ..swapping(&order, "Box")
        };
        assert_refused(scene.run(named).await, "tickets_not_issued");
        let early = SwapTickets {
            collected: true,
            ..at(SwapPrice::New, swapping(&order, "Box"))
        };
        assert_refused(scene.run(early).await, "nothing_to_collect");
        let one = SwapTickets {
            quantity: Some(1),
            ..at(SwapPrice::New, swapping(&order, "Box"))
        };
        let done = scene.run(one).await.unwrap();
        assert_eq!(
            done.warnings,
            ["The promo code \"HALF\" does not make the new tickets cheaper."]
        );
        let open = done.order.order.open.unwrap().amount;
        assert_eq!(open, 1250 + 4000);
        let paying = ConfirmPayment::of(order.order.id.into());
        let paid = scene.run(paying).await.unwrap().order;
        let mut types: Vec<_> = paid
            .tickets
            .iter()
            .map(|t| t.ticket_type.as_str())
            .collect();
        types.sort_unstable();
        assert_eq!(types, ["Box", "Regular"]);
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn an_unpaid_order_is_paid_online_for_what_it_became() {
        let shop = Shop::new(5).await;
        let cheap = selling(shop.event, "Gallery", 1000, 5);
        shop.scene.run(cheap).await.unwrap();
        let order = shop.order(2).await;
        let page = shop.page(&order).await;
        let all = at(SwapPrice::New, swapping(&order, "Gallery"));
        let swapped = shop.scene.run(all).await.unwrap().order;
        let lines: Vec<_> = swapped
            .items
            .iter()
            .map(|item| (item.name.as_str(), item.quantity))
            .collect();
        assert_eq!(lines, [("Gallery", 2)], "no line of nothing is left");
        let page_now = shop.page(&order).await;
        assert_ne!(page_now, page, "the first page asked for another sum");
        shop.choose(&page_now, "pay");
        let paid = shop.checked(&order).await;
        assert_eq!(paid.order.status, OrderStatus::Paid);
        let sums: Vec<i64> = paid.payments.iter().map(|one| one.amount.amount).collect();
        assert_eq!(sums, [2000]);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn refuses_what_is_sold_out_inside_the_same_or_over() {
        let scene = Scene::new().await;
        let event = two_types(&scene, 9).await;
        let order = paid(&scene, event, 3).await;
        let kept = |to: &str| at(SwapPrice::Kept, swapping(&order, to));
        assert_refused(scene.run(kept("Box")).await, "sold_out");
        assert_refused(scene.run(kept("Regular")).await, "same_ticket_type");
        assert_refused(scene.run(kept("Stage")).await, "not_found");
        let none = SwapTickets {
            quantity: Some(0),
            ..kept("Box")
        };
        assert_refused(scene.run(none).await, "tickets_out_of_range");
        scene.admit(&order.tickets[2]).await;
        let inside = SwapTickets {
            tickets: Some(vec![order.tickets[2].id.into()]),
            ..kept("Box")
        };
        assert_refused(scene.run(inside).await, "swapped_after_check_in");
        let two = SwapTickets {
            quantity: Some(2),
            ..kept("Box")
        };
        let done = scene.run(two).await.unwrap().order;
        assert!(done.tickets[2].is_checked_in, "who is inside keeps theirs");
        let several = at(SwapPrice::Kept, swapping(&order, "Box"));
        assert_refused(scene.run(several).await, "which_tickets");
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, kept("Box")).await, "not_found");
        let door = scene.as_role(Role::Door);
        assert_refused(scene.app.run(&door, kept("Box")).await, "forbidden");
        let to = crate::events::StatusMove::Cancel(None);
        scene.move_event(event, to).await;
        assert_refused(scene.run(kept("Box")).await, "event_closed");
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn holds_that_ran_out_do_not_stand_in_the_way() {
        let scene = Scene::new().await;
        let event = two_types(&scene, 9).await;
        let order = paid(&scene, event, 2).await;
        let mut boxes = holding(event, 2);
        boxes.items[0].ticket_type = "Box".parse().unwrap();
        scene.run(boxes).await.unwrap();
        let kept = at(SwapPrice::Kept, swapping(&order, "Box"));
        assert_refused(scene.run(kept.clone()).await, "sold_out");
        let later = scene.at("2027-01-11T09:15:00Z");
        scene.app.run(&later, kept).await.unwrap();
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn an_unpaid_order_that_becomes_free_has_its_tickets() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        scene.run(selling(event.id, "Press", 0, 5)).await.unwrap();
        let order = scene.order(event.id, 2).await;
        let free = at(SwapPrice::New, swapping(&order, "Press"));
        let done = scene.run(free).await.unwrap().order;
        assert_eq!(done.order.status, OrderStatus::Paid);
        assert_eq!((done.tickets.len(), done.order.total.amount), (2, 0));
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let event = two_types(&scene, 9).await;
        let order = paid(&scene, event, 2).await;
        let kept = at(SwapPrice::Kept, swapping(&order, "Box"));
        scene.assert_idempotent(kept).await;
        scene.reconcile().await;
    }
}
