//! `split_order`: some tickets of an order become an order of their own.

use domain::{
    Cx, Facts, Fault, FaultKind, FaultSpec, Money, Name, OrderId, OrderItemId, Permission,
    Recorded, Reference, TicketId, TicketTypeId, Untrusted,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{StoreError, WriteTx};

use super::{
    Changed,
    changes::OrderSplit,
    picking::{PickError, Picked, Wanted, lock, pick},
};
use crate::{
    App, Effect, Operation,
    events::{Event, EventStatus},
    faults::EVENT_CLOSED,
    orders::{
        Buyer, OrderDetail,
        changes::{OrderPaid, OrderPlaced, Which},
        confirm_payment::admit_if_covered,
        detail,
        invoices::keep_up,
        model::{ItemRow, OrderRow, OrderStatus},
        number::OrderNumber,
        payments::move_money,
        sql,
    },
    seats::{self, Owner, SeatError, Wish},
};

/// Make an order of its own of some tickets of an order, for the same buyer or another: to pay, to cancel or to be invoiced
/// apart. Prices stay, and what was paid for them goes along; fees for the whole order stay with it. Tickets that were
/// issued become void, and new ones are issued at the same seats.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SplitOrder {
    /// Order: id or number.
    pub order: Reference<OrderId>,
    /// The type of the tickets that go; needed when the order has several.
    pub ticket_type: Option<Reference<TicketTypeId>>,
    /// How many of that type.
    pub quantity: Option<i32>,
    /// Exactly these, by id or code, instead of type and quantity.
    pub tickets: Option<Vec<Reference<TicketId>>>,
    /// Whose the new order is; the same buyer's when left out.
    pub buyer: Option<Buyer>,
    /// Why, for the record.
    pub reason: Option<Name>,
}

/// Both orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SplitOrders {
    /// What is left of the order.
    pub order: OrderDetail,
    /// The new one.
    pub new_order: OrderDetail,
}

impl Operation for SplitOrder {
    const NAME: &'static str = "split_order";
    const EFFECT: Effect = Effect::Destructive;
    const NEEDS: Permission = Permission::OrdersCancel;
    type Output = SplitOrders;
    type Error = SplitOrderError;

    async fn run(self, app: &App, cx: &Cx) -> Result<SplitOrders, SplitOrderError> {
        let mut tx = app.store().write(cx).await?;
        let mut split = self.check(&mut tx).await?;
        let moved = split.write(&mut tx).await?;
        let new = &split.new;
        let change = OrderSplit {
            which: Which::of(&split.order),
            count: split.picked.count(),
            ticket_type: split.picked.name(),
            new_order_id: new.id,
            new_number: new.number.clone(),
            moved: Money::new(moved, new.currency),
            reason: self.reason.as_ref().map(ToString::to_string),
        };
        let after = Changed {
            event: &split.event,
            order_id: split.order.id,
            why: "tickets went to an order of their own",
        };
        let (mut changes, order) = after.settle(&mut tx, &change).await?;
        changes.extend(split.placed());
        // Tickets that cost nothing wait for nothing.
        let paid = admit_if_covered(&mut tx, &split.event, new.id).await;
        let paid = paid.map_err(PickError::from)?;
        changes.extend(paid.as_ref().map(Recorded::of));
        keep_up(&mut tx, new.id).await.map_err(PickError::from)?;
        let new_order = detail(tx.conn(), cx, new.id).await;
        let answer = SplitOrders {
            order,
            new_order: new_order.map_err(PickError::from)?,
        };
        Ok(tx.commit_all(changes, answer).await?)
    }
}

/// Everything about a split before anything is written.
struct Split {
    event: Event,
    order: OrderRow,
    picked: Picked,
    new: OrderRow,
}

impl SplitOrder {
    async fn check(&self, tx: &mut WriteTx<'_>) -> Result<Split, SplitOrderError> {
        let cx = tx.cx();
        let (event, order) = lock(tx, &self.order).await?;
        if let EventStatus::Cancelled | EventStatus::Archived = event.status {
            return Err(SplitOrderError::EventClosed {
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
        if picked.count() >= order.ticket_count {
            return Err(SplitOrderError::AllOfThem(order.number));
        }
        if picked.inside() > 0 {
            return Err(SplitOrderError::CheckedIn(picked.inside()));
        }
        let (amount, left) = (picked.amount(), order.refundable());
        if order.status == OrderStatus::Paid && amount > left.amount {
            return Err(SplitOrderError::GivenBack {
                amount: Money::new(amount, order.currency),
                left,
            });
        }
        let new = self.new_order(cx, &order, &picked);
        Ok(Split {
            event,
            order,
            picked,
            new,
        })
    }

    /// The new order, which waits for its money until that has come along.
    fn new_order(&self, cx: &Cx, order: &OrderRow, picked: &Picked) -> OrderRow {
        let buyer = self.buyer.as_ref();
        OrderRow {
            id: cx.new_id(),
            number: OrderNumber::generate(cx).to_string(),
            status: OrderStatus::Pending,
            buyer_name: buyer.map_or_else(
                || order.buyer_name.clone(),
                |buyer| Untrusted::new(buyer.name.as_str()),
            ),
            buyer_email: buyer
                .map_or_else(|| order.buyer_email.clone(), |buyer| buyer.email.clone()),
            total_amount: picked.amount(),
            paid_amount: 0,
            refunded_amount: 0,
            ticket_count: picked.count(),
            note: None,
            placed_at: cx.now,
            paid_at: None,
            // The use of the code stays with the order that was placed with it; its prices go along.
            promo_code_id: None,
            promo_code: None,
            discount_amount: 0,
            ..order.clone()
        }
    }
}

/// Of a thousand million numbers, one is free long before the attempts run out.
const ATTEMPTS: usize = 20;

impl Split {
    /// Writes both orders; how much money went along.
    async fn write(&mut self, tx: &mut WriteTx<'_>) -> Result<i64, SplitOrderError> {
        let cx = tx.cx();
        let mut is_written = false;
        for _ in 0..ATTEMPTS {
            is_written = sql::insert(tx.conn(), &[(cx, &self.new)]).await? == 1;
            if is_written {
                break;
            }
            self.new.number = OrderNumber::generate(cx).to_string();
        }
        if !is_written {
            return Err(sqlx::Error::RowNotFound.into());
        }
        self.picked.take_out(tx.conn()).await?;
        let lines: Vec<ItemRow> = (self.picked.parts.iter())
            .map(|part| ItemRow {
                id: cx.new_id::<OrderItemId>(),
                quantity: part.count,
                // What a promo code took off is told by the order that has it.
                listed_amount: part.item.unit_amount,
                tax: part.tax.clone(),
                ..part.item.clone()
            })
            .collect();
        let rows: Vec<_> = lines.iter().map(|line| (&self.new, line)).collect();
        sql::insert_items(tx.conn(), cx.organization_id, &rows).await?;
        sql::reprice(tx.conn(), cx, self.order.id).await?;
        if self.order.status == OrderStatus::Pending {
            self.seat(tx, &lines, &[]).await?;
            return Ok(0);
        }
        let amount = self.picked.amount();
        move_money(tx.conn(), cx, &self.order, &self.new, amount).await?;
        sql::mark_paid(tx.conn(), cx, self.new.id).await?;
        self.reissue(tx, &lines).await?;
        Ok(amount)
    }

    /// Each holder gets a new ticket, at the same seat.
    async fn reissue(
        &self,
        tx: &mut WriteTx<'_>,
        lines: &[ItemRow],
    ) -> Result<(), SplitOrderError> {
        let reason = format!("went to order {}", self.new.number);
        self.picked.reissue(tx, &self.new, lines, &reason).await?;
        let seats: Vec<(TicketTypeId, String)> = (self.picked.tickets.iter())
            .filter_map(|ticket| Some((ticket.ticket_type_id, ticket.seat.clone()?)))
            .collect();
        self.seat(tx, lines, &seats).await?;
        seats::to_tickets(tx.conn(), self.new.id).await?;
        Ok(())
    }

    /// Takes the seats that the tickets had, or as many others of those that became free for tickets that are not issued.
    async fn seat(
        &self,
        tx: &mut WriteTx<'_>,
        lines: &[ItemRow],
        seats: &[(TicketTypeId, String)],
    ) -> Result<(), SplitOrderError> {
        let wish = |line: &ItemRow| {
            let mut wish = Wish::best(line.ticket_type_id, &line.name, line.quantity);
            let of_type = seats.iter().filter(|(id, _)| *id == line.ticket_type_id);
            wish.seats = of_type.map(|(_, seat)| seat.clone()).collect();
            // Of two lines of one type, the first has named all.
            wish.quantity = match i32::try_from(wish.seats.len()) {
                Ok(named) if named > 0 => named,
                _ => wish.quantity,
            };
            wish
        };
        let mut wishes: Vec<Wish> = lines.iter().map(wish).collect();
        if !seats.is_empty() {
            wishes.sort_by_key(|wish| wish.ticket_type_id);
            wishes.dedup_by_key(|wish| wish.ticket_type_id);
        }
        let (cx, new) = (tx.cx(), &self.new);
        seats::take(tx.conn(), cx, new.event_id, Owner::Order(new.id), &wishes).await?;
        Ok(())
    }

    /// What is recorded of the new order, so that its buyer is sent its tickets.
    fn placed(&self) -> Vec<Recorded> {
        let new = &self.new;
        let placed = Recorded::of(&OrderPlaced {
            order_id: new.id,
            event_id: new.event_id,
            event_title: new.event_title.clone(),
            number: new.number.clone(),
            ticket_count: new.ticket_count,
            total: new.total(),
            is_complimentary: false,
        });
        let paid = (self.order.status == OrderStatus::Paid).then(|| {
            Recorded::of(&OrderPaid {
                order_id: new.id,
                event_id: new.event_id,
                event_title: new.event_title.clone(),
                number: new.number.clone(),
                amount: new.total(),
                tickets_issued: new.ticket_count,
            })
        });
        [placed].into_iter().chain(paid).collect()
    }
}

/// How `split_order` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SplitOrderError {
    /// It is not clear which are meant.
    #[error(transparent)]
    Pick(#[from] PickError),
    /// None would be left.
    #[error("these are all tickets of order {0}")]
    AllOfThem(String),
    /// Their holders were admitted.
    #[error("{0} of the holders were admitted already")]
    CheckedIn(usize),
    /// What was paid for them is not there any more.
    #[error("{amount} were paid for them, and of what was paid for the order {left} are left")]
    GivenBack {
        /// What they cost.
        amount: Money,
        /// What is left.
        left: Money,
    },
    /// The event is cancelled or archived.
    #[error("{title:?} is {status}, so its orders cannot be split any more")]
    EventClosed {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// Their seats cannot be had.
    #[error(transparent)]
    Seats(#[from] SeatError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NOTHING_WOULD_STAY: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "nothing_would_stay",
    "Choose fewer tickets; one at least stays with the order.",
);
const SPLIT_INSIDE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "split_after_check_in",
    "Choose others, or undo the check-in with undo_check_in, if they have not gone in.",
);
const SPLIT_GIVEN_BACK: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "split_after_refund",
    "Choose fewer tickets, or leave the order as it is: its money was given back.",
);

impl Fault for SplitOrderError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            NOTHING_WOULD_STAY,
            SPLIT_INSIDE,
            SPLIT_GIVEN_BACK,
            EVENT_CLOSED,
        ];
        specs.extend(PickError::specs());
        specs.extend(SeatError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Pick(error) => error.facts(),
            Self::AllOfThem(_) => NOTHING_WOULD_STAY.at("quantity"),
            Self::CheckedIn(_) => SPLIT_INSIDE.into(),
            Self::GivenBack { .. } => SPLIT_GIVEN_BACK.at("order"),
            Self::EventClosed { .. } => EVENT_CLOSED.into(),
            Self::Seats(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SplitOrderError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use domain::EventId;
    use payments::{PaymentReference, RefundRequest};

    use super::*;
    use crate::{
        events::StatusMove,
        gift_cards::{GetGiftCard, IssueGiftCards},
        orders::{
            CancelOrder, ConfirmPayment, PlaceOrder,
            payments::{PaymentMethod, RedeemGiftCard, RefundOrder, shop::Shop},
        },
        permission::Role,
        testing::{Scene, assert_refused, buying, eur, invoicing},
        tickets::TicketStatus,
    };

    fn splitting(order: &OrderDetail, quantity: i32) -> SplitOrder {
        SplitOrder {
            order: order.order.id.into(),
            ticket_type: None,
            quantity: Some(quantity),
            tickets: None,
            buyer: None,
            reason: None,
        }
    }

    fn bob() -> Buyer {
        Buyer {
            name: "Bob Brown".parse().unwrap(),
            email: "bob@example.org".parse().unwrap(),
        }
    }

    fn back(order: &OrderDetail, amount: Option<i64>) -> RefundOrder {
        RefundOrder {
            order: order.order.id.into(),
            amount: amount.map(|amount| Money::new(amount, eur())),
            reason: None,
        }
    }

    #[tokio::test]
    async fn tickets_and_money_go_to_an_order_of_their_own() {
        let shop = Shop::new(5).await;
        shop.scene.run(invoicing()).await.unwrap();
        let order = shop.paid(3).await;
        let command = SplitOrder {
            buyer: Some(bob()),
            ..splitting(&order, 1)
        };
        let split = shop.scene.run(command).await.unwrap();
        let (old, new) = (split.order, split.new_order);
        assert_eq!(
            (old.order.total.amount, new.order.total.amount),
            (5000, 2500)
        );
        assert_eq!(new.order.status, OrderStatus::Paid);
        assert_eq!(new.order.buyer_name.as_str(), "Bob Brown");
        let valid = |order: &OrderDetail| {
            let tickets = order.tickets.iter();
            tickets
                .filter(|ticket| ticket.status == TicketStatus::Valid)
                .count()
        };
        assert_eq!((valid(&old), valid(&new)), (2, 1));
        let codes: Vec<_> = order.tickets.iter().map(|ticket| &ticket.code).collect();
        assert!(
            !codes.contains(&&new.tickets[0].code),
            "the old code is void"
        );
        let paid =
            |order: &OrderDetail| order.payments.iter().map(|p| p.amount.amount).sum::<i64>();
        assert_eq!((paid(&old), paid(&new)), (5000, 2500));
        let summaries = shop.scene.changes().await;
        let said = format!(
            "Moves 1 × Regular and the 25.00 EUR that were paid for them from order {} for \"Spring Gala\" to the new order {}",
            old.order.number, new.order.number
        );
        assert!(summaries.iter().any(|change| change.summary == said));
        shop.scene.reconcile().await;
        // Each goes back the way it came in, and not more of it.
        let refunded = shop.scene.run(back(&new, None)).await.unwrap();
        assert_eq!(
            (refunded.by_itself.amount, refunded.by_hand.amount),
            (2500, 0)
        );
        shop.checked(&new).await;
        let refunded = shop.scene.run(back(&old, None)).await.unwrap();
        assert_eq!(refunded.by_itself.amount, 5000);
        let done = shop.checked(&old).await;
        assert_eq!(done.refunds.len(), 1);
        assert_eq!(shop.checked(&new).await.refunds.len(), 1);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn what_goes_back_in_the_processors_own_pages_is_found_on_both() {
        let shop = Shop::new(5).await;
        let order = shop.paid(2).await;
        let split = shop.scene.run(splitting(&order, 1)).await.unwrap();
        let id =
            "select processor_reference as id from payment where processor_reference is not null";
        let id = shop.scene.database.ask(id).await;
        let there = RefundRequest {
            refund_id: shop.scene.cx.new_id(),
            order_id: order.order.id,
            payment: PaymentReference::new(id[0]["id"].as_str().unwrap()),
            amount: Money::new(4000, eur()),
        };
        let processor = shop.scene.app.payments().unwrap().processor.clone();
        processor.refund(&there).await.unwrap();
        let old = shop.checked(&split.order).await;
        let new = shop.seen(&split.new_order).await;
        assert_eq!(old.refunds[0].amount.amount, 2500);
        assert_eq!(new.refunds[0].amount.amount, 1500);
        shop.checked(&new).await;
        assert_eq!(shop.checked(&old).await.refunds.len(), 1);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn money_of_a_gift_card_goes_back_onto_it() {
        let shop = Shop::new(5).await;
        let issue = IssueGiftCards::of(Money::new(9000, eur()));
        let id = shop.scene.run(issue).await.unwrap().gift_cards[0].id;
        let card = shop.scene.run(GetGiftCard::of(id.into())).await.unwrap();
        let order = shop.order(3).await;
        let redeem = RedeemGiftCard {
            order: order.order.id.into(),
            code: card.code.unwrap(),
            amount: None,
        };
        shop.scene.run(redeem).await.unwrap();
        let first = shop.scene.run(splitting(&order, 2)).await.unwrap();
        // What was split is split again.
        let second = shop
            .scene
            .run(splitting(&first.new_order, 1))
            .await
            .unwrap();
        assert_eq!(second.new_order.payments[0].method, PaymentMethod::GiftCard);
        shop.scene.reconcile().await;
        let refunded = shop.scene.run(back(&second.new_order, None)).await.unwrap();
        assert_eq!(
            (refunded.by_itself.amount, refunded.by_hand.amount),
            (2500, 0)
        );
        let card = shop.scene.run(GetGiftCard::of(id.into())).await.unwrap();
        assert_eq!(card.balance.amount, 1500 + 2500);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn what_is_not_paid_yet_is_paid_apart() {
        let shop = Shop::new(5).await;
        let order = shop.order(3).await;
        let split = shop.scene.run(splitting(&order, 2)).await.unwrap();
        let (old, new) = (split.order, split.new_order);
        assert_eq!(
            (
                old.order.open.unwrap().amount,
                new.order.open.unwrap().amount
            ),
            (2500, 5000)
        );
        assert_eq!(old.order.pay_by, new.order.pay_by);
        let page = shop.page(&new).await;
        shop.choose(&page, "pay");
        assert_eq!(shop.checked(&new).await.order.status, OrderStatus::Paid);
        assert_eq!(shop.seen(&old).await.order.status, OrderStatus::Pending);
        let cancel = CancelOrder::of(old.order.id.into());
        shop.scene.run(cancel).await.unwrap();
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn refuses_what_cannot_be_split() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let order = scene.order(event.id, 2).await;
        let split = |quantity| scene.run(splitting(&order, quantity));
        assert_refused(split(2).await, "nothing_would_stay");
        for quantity in [0, -1, 3] {
            assert_refused(split(quantity).await, "tickets_out_of_range");
        }
        let paid = scene
            .run(ConfirmPayment::of(order.order.id.into()))
            .await
            .unwrap()
            .order;
        scene.run(back(&paid, Some(3000))).await.unwrap();
        assert_refused(split(1).await, "split_after_refund");
        let inside = paid_order(&scene, event.id).await;
        scene.admit(&inside.tickets[0]).await;
        let named = SplitOrder {
            tickets: Some(vec![inside.tickets[0].id.into()]),
            quantity: None,
            ..splitting(&inside, 1)
        };
        assert_refused(scene.run(named).await, "split_after_check_in");
        scene.run(splitting(&inside, 1)).await.unwrap();
        let door = scene.as_role(Role::Door);
        let refused = scene.app.run(&door, splitting(&order, 1)).await;
        assert_refused(refused, "forbidden");
        let other = scene.other_organization().await;
        let refused = scene.app.run(&other, splitting(&order, 1)).await;
        assert_refused(refused, "not_found");
        let third = scene.order(event.id, 2).await;
        scene.move_event(event.id, StatusMove::Cancel(None)).await;
        assert_refused(scene.run(splitting(&third, 1)).await, "event_closed");
        scene.reconcile().await;
    }

    async fn paid_order(scene: &Scene, event: EventId) -> OrderDetail {
        let wanted: PlaceOrder = buying(event, "Regular", 2);
        let order = scene.run(wanted).await.unwrap().order.order.id;
        scene
            .run(ConfirmPayment::of(order.into()))
            .await
            .unwrap()
            .order
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let order = paid_order(&scene, event.id).await;
        scene.assert_idempotent(splitting(&order, 1)).await;
        scene.reconcile().await;
    }
}
