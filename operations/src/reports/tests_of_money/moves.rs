//! What happens to orders, and what the reference makes of it.

use domain::{Cx, Money};

use super::{
    Chance,
    books::{Booked, Books, CAPACITY, CODE, Card, TYPES, USES},
};
use crate::{
    gift_cards::{GetGiftCard, IssueGiftCards},
    orders::{
        CancelOrder, ConfirmPayment, OrderStatus, PlaceOrder, ReactivateOrder, RefundChoice,
        changing::{CancelTickets, SplitOrder, SwapPrice, SwapTickets},
        payments::{RedeemGiftCard, RefundOrder, shop::expiring},
    },
    testing::{buying, order_with},
    tickets::{Ticket, TicketStatus, VoidTicket},
};

impl Books<'_> {
    fn taken(&self, of: usize) -> i64 {
        self.booked.iter().map(|booked| booked.places(of)).sum()
    }

    fn uses(&self) -> usize {
        let using = self.booked.iter().filter(|booked| booked.uses_code());
        using.count()
    }

    /// Places an order; when there are too few places it is refused, and only then.
    async fn order(&mut self, chance: &mut Chance) {
        let quantity = i32::try_from(chance.below(4) + 1).unwrap();
        let of = usize::from(chance.below(4) == 0);
        let cx: Cx = if chance.below(2) == 0 {
            self.shop.buyer()
        } else {
            self.shop.scene.cx.clone()
        };
        let taken = self.taken(of);
        let mut wanted: PlaceOrder = buying(self.event, TYPES[of], quantity);
        let mut fits = taken + i64::from(quantity) <= CAPACITY;
        if of == 0 && chance.below(3) == 0 {
            wanted = order_with(wanted, CODE);
            fits &= self.uses() < USES;
        }
        let placed = self.shop.scene.app.run(&cx, wanted).await;
        assert_eq!(
            placed.is_ok(),
            fits,
            "{taken} taken, {quantity} wanted: {placed:?}"
        );
        let Ok(placed) = placed else { return };
        let mut counts = [0; 2];
        counts[of] = quantity.into();
        let status = placed.order.order.status;
        self.booked.push(Booked {
            status,
            total: placed.order.order.total.amount,
            order: placed.order,
            page: None,
            paid: 0,
            back: 0,
            online: 0,
            from_cards: Vec::new(),
            counts,
            valid: if status == OrderStatus::Paid {
                counts
            } else {
                [0; 2]
            },
            was_paid: false,
        });
    }

    async fn confirm(&mut self, index: usize) {
        let booked = &mut self.booked[index];
        let confirm = ConfirmPayment::of(booked.order.order.id.into());
        let done = self.shop.scene.run(confirm).await;
        match booked.status {
            OrderStatus::Pending => {
                done.unwrap();
                booked.paid += booked.total - booked.kept();
                booked.become_paid();
            }
            OrderStatus::Paid => assert!(done.unwrap().was_paid_already),
            _ => assert!(done.is_err()),
        }
    }

    /// A part of the order, or all of it, is paid with one of a few cards; one that is used up is followed by another.
    async fn redeem(&mut self, index: usize, chance: &mut Chance) {
        // Mostly one that waits for money, if there is any.
        let waits = |booked: &Booked| booked.status == OrderStatus::Pending;
        let waiting = self.booked.iter().rposition(waits);
        let index = waiting.filter(|_| chance.below(3) > 0).unwrap_or(index);
        let step = self.step;
        let card = match self.cards.len().checked_sub(1) {
            Some(last) if self.left(last) > 0 => last,
            _ => {
                let most = usize::try_from(2 * self.booked[index].total + 1).unwrap();
                let amount = i64::try_from(chance.below(most)).unwrap();
                self.issue(amount + step).await
            }
        };
        let left = self.left(card);
        let booked = &mut self.booked[index];
        let open = booked.total - booked.kept();
        // All of it, or some, which now and then is nothing or too much.
        let most = usize::try_from(left.min(open).max(0) + 2 * step).unwrap();
        let some = i64::try_from(chance.below(most)).unwrap();
        let amount = (chance.below(3) > 0).then_some(some - some % step);
        let redeem = RedeemGiftCard {
            order: booked.order.order.id.into(),
            code: self.cards[card].code.clone(),
            amount: amount.map(|amount| Money::new(amount, self.currency)),
        };
        let done = self.shop.scene.run(redeem).await;
        let taken = amount.unwrap_or(left.min(open));
        let may = booked.status == OrderStatus::Pending && (1..=left.min(open)).contains(&taken);
        assert_eq!(done.is_ok(), may, "{taken} of {left} for {open}: {done:?}");
        if !may {
            return;
        }
        *self.changed.entry("redeem_gift_card").or_default() += 1;
        booked.paid += taken;
        booked.from_cards.push((card, taken));
        booked.settle();
        assert_eq!(done.unwrap().order.order.status, booked.status);
    }

    /// A new card over an amount.
    async fn issue(&mut self, amount: i64) -> usize {
        let issued = amount - amount % self.step;
        let issue = IssueGiftCards::of(Money::new(issued, self.currency));
        let id = self.shop.scene.run(issue).await.unwrap().gift_cards[0].id;
        let seen = self.shop.scene.run(GetGiftCard::of(id.into())).await;
        let code = seen.unwrap().code.unwrap();
        self.cards.push(Card { id, code, issued });
        self.cards.len() - 1
    }

    /// The buyer pays on the page of the processor, whatever has become of the order meanwhile.
    async fn pay_online(&mut self, index: usize) {
        let booked = &mut self.booked[index];
        let Some((page, amount)) = booked.page.take() else {
            if booked.status == OrderStatus::Pending && booked.kept() < booked.total {
                let page = self.shop.page(&booked.order).await;
                booked.page = Some((page, booked.total - booked.kept()));
            }
            return;
        };
        self.shop.choose(&page, "pay");
        let seen = self.shop.checked(&booked.order).await;
        booked.paid += amount;
        match booked.status {
            OrderStatus::Pending => {
                if amount == booked.total - (booked.kept() - amount) {
                    booked.online += amount;
                    booked.become_paid();
                } else {
                    // The page was opened before the order changed.
                    booked.back += amount;
                }
            }
            // It goes back by itself.
            OrderStatus::Paid | OrderStatus::Cancelled => booked.back += amount,
            OrderStatus::Expired => panic!("its page was closed"),
        }
        assert_eq!(seen.order.status, booked.status);
    }

    async fn cancel(&mut self, index: usize, refund: RefundChoice) {
        let booked = &mut self.booked[index];
        let cancel = CancelOrder {
            refund: Some(refund),
            ..CancelOrder::of(booked.order.order.id.into())
        };
        let done = self.shop.scene.run(cancel).await;
        if booked.status == OrderStatus::Cancelled {
            assert!(done.is_err() || done.unwrap().was_cancelled_already);
            return;
        }
        done.unwrap();
        booked.status = OrderStatus::Cancelled;
        booked.valid = [0; 2];
        if refund == RefundChoice::Full {
            booked.give_back(booked.kept());
        }
    }

    /// One ticket of the first type the order has.
    async fn cancel_ticket(&mut self, index: usize, refund: RefundChoice) {
        let booked = &mut self.booked[index];
        let of = usize::from(booked.counts[0] == 0);
        let cancel = CancelTickets {
            order: booked.order.order.id.into(),
            ticket_type: Some(TYPES[of].parse().unwrap()),
            quantity: Some(1),
            tickets: None,
            refund: Some(refund),
            reason: None,
            even_if_checked_in: false,
        };
        let done = self.shop.scene.run(cancel).await;
        let count: i64 = booked.counts.iter().sum();
        let may = booked.stands() && booked.places(of) > 0 && count > 1;
        assert_eq!(done.is_ok(), may, "{done:?}");
        let Ok(done) = done else { return };
        *self.changed.entry("cancel_tickets").or_default() += 1;
        booked.counts[of] -= 1;
        let total = done.order.order.total.amount;
        if booked.status == OrderStatus::Paid {
            booked.valid[of] -= 1;
            let cost = (booked.total - total).min(booked.kept());
            match refund {
                RefundChoice::Full => booked.give_back(cost),
                RefundChoice::None => assert_eq!(total, booked.total, "it stays charged"),
            }
        }
        booked.total = total;
        booked.settle();
    }

    /// All of the first type the order has become the other.
    async fn swap(&mut self, index: usize) {
        let of = usize::from(self.booked[index].counts[0] == 0);
        let count = self.booked[index].places(of);
        let fits = self.taken(1 - of) + count <= CAPACITY;
        let booked = &mut self.booked[index];
        let mut swap = SwapTickets {
            order: booked.order.order.id.into(),
            to: TYPES[1 - of].parse().unwrap(),
            ticket_type: Some(TYPES[of].parse().unwrap()),
            quantity: None,
            tickets: None,
            price: Some(SwapPrice::New),
            collected: false,
        };
        // Free tickets of a paid order become dear ones: the buyer has paid the difference by hand.
        swap.collected = booked.status == OrderStatus::Paid && of == 1;
        let done = self.shop.scene.run(swap).await;
        let may = booked.stands() && count > 0 && fits;
        assert_eq!(done.is_ok(), may, "{count} of {}: {done:?}", TYPES[of]);
        let Ok(done) = done else { return };
        *self.changed.entry("swap_tickets").or_default() += 1;
        let total = done.order.order.total.amount;
        let difference = total - booked.total;
        assert_eq!(done.difference.amount, difference);
        booked.counts[of] -= count;
        booked.counts[1 - of] += count;
        if booked.status == OrderStatus::Paid {
            booked.valid[of] -= count;
            booked.valid[1 - of] += count;
            if difference > 0 {
                booked.paid += difference;
                booked.was_paid = true;
            } else {
                booked.give_back((-difference).min(booked.kept()));
            }
        }
        booked.total = total;
        booked.settle();
    }

    /// One ticket of the first type the order has becomes an order of its own.
    async fn split(&mut self, index: usize) {
        let booked = &mut self.booked[index];
        let of = usize::from(booked.counts[0] == 0);
        let split = SplitOrder {
            order: booked.order.order.id.into(),
            ticket_type: Some(TYPES[of].parse().unwrap()),
            quantity: Some(1),
            tickets: None,
            buyer: None,
            reason: None,
        };
        let done = self.shop.scene.run(split).await;
        let count: i64 = booked.counts.iter().sum();
        let is_paid = booked.status == OrderStatus::Paid;
        let may = booked.stands() && booked.places(of) > 0 && count > 1;
        let Ok(done) = done else {
            let was_given_back = is_paid && booked.kept() < booked.total;
            assert!(!may || was_given_back, "{done:?}");
            return;
        };
        assert!(may, "{done:?}");
        *self.changed.entry("split_order").or_default() += 1;
        let (stays, goes) = (
            done.order.order.total.amount,
            done.new_order.order.total.amount,
        );
        assert_eq!(stays + goes, booked.total);
        booked.total = stays;
        booked.counts[of] -= 1;
        let mut counts = [0; 2];
        counts[of] = 1;
        let mut new = Booked {
            status: booked.status,
            order: done.new_order,
            page: None,
            total: goes,
            paid: 0,
            back: 0,
            online: 0,
            from_cards: Vec::new(),
            counts,
            valid: [0; 2],
            was_paid: false,
        };
        if is_paid {
            booked.valid[of] -= 1;
            booked.paid -= goes;
            new.paid = goes;
            (new.online, new.from_cards) = booked.part_with(goes);
            new.become_paid();
        } else {
            booked.settle();
            new.settle();
        }
        assert_eq!(new.order.order.status, new.status);
        self.booked.push(new);
    }

    async fn reactivate(&mut self, index: usize) {
        let booked = &self.booked[index];
        let fits = (0..2).all(|of| self.taken(of) + booked.counts[of] <= CAPACITY);
        let has_code = booked.order.order.promo_code.is_some();
        let may = booked.stands() || (fits && !(has_code && self.uses() >= USES));
        let reactivate = ReactivateOrder {
            order: booked.order.order.id.into(),
            reason: None,
        };
        let done = self.shop.scene.run(reactivate).await;
        assert_eq!(done.is_ok(), may, "{done:?}");
        let booked = &mut self.booked[index];
        if !may || booked.stands() {
            return;
        }
        *self.changed.entry("reactivate_order").or_default() += 1;
        if booked.status == OrderStatus::Expired {
            booked.page = None;
        }
        booked.status = OrderStatus::Pending;
        booked.settle();
    }

    async fn refund(&mut self, index: usize, chance: &mut Chance) {
        let booked = &mut self.booked[index];
        let left = booked.kept();
        let amount = chance.below(usize::try_from(booked.total + 2).unwrap());
        let amount = i64::try_from(amount).unwrap();
        // Stripe takes amounts with three decimals only when the last is zero.
        let amount = amount - amount % self.step;
        let refund = RefundOrder {
            order: booked.order.order.id.into(),
            amount: Some(Money::new(amount, self.currency)),
            reason: None,
        };
        let done = self.shop.scene.run(refund).await;
        assert_eq!(
            done.is_ok(),
            (1..=left).contains(&amount),
            "{amount} of {left}: {done:?}"
        );
        if done.is_ok() {
            booked.give_back(amount);
        }
        if chance.below(2) == 0 {
            self.shop.checked(&booked.order).await;
        }
    }

    async fn void(&mut self, index: usize) {
        let seen = self.shop.seen(&self.booked[index].order).await;
        let is_valid = |ticket: &&Ticket| ticket.status == TicketStatus::Valid;
        let Some(ticket) = seen.tickets.iter().find(is_valid) else {
            return;
        };
        let of = TYPES.iter().position(|name| *name == ticket.ticket_type);
        let void = VoidTicket {
            ticket: ticket.id.into(),
            reason: "lost".parse().unwrap(),
            even_if_checked_in: false,
        };
        self.shop.scene.run(void).await.unwrap();
        self.booked[index].valid[of.unwrap()] -= 1;
    }

    async fn expire(&mut self, index: usize) {
        let order = &self.booked[index].order;
        let later = self.shop.later();
        let pay_by = self.shop.seen(order).await.order.pay_by;
        let ended = self.shop.scene.app.run(&later, expiring(order)).await;
        let booked = &mut self.booked[index];
        if booked.status == OrderStatus::Pending && pay_by.is_some_and(|until| until <= later.now) {
            booked.status = OrderStatus::Expired;
            booked.page = None;
            for (_, left) in &mut booked.from_cards {
                booked.back += std::mem::take(left);
            }
        }
        assert_eq!(ended.unwrap().status, booked.status);
    }

    pub(super) async fn step(&mut self, chance: &mut Chance) {
        let kind = chance.below(24);
        if kind < 4 || self.booked.is_empty() {
            return self.order(chance).await;
        }
        // The last few, so that something goes on with each.
        let recent = self.booked.len().min(8);
        let index = self.booked.len() - 1 - chance.below(recent);
        match kind {
            4 | 5 => self.confirm(index).await,
            6..=8 => self.pay_online(index).await,
            9 => self.cancel(index, RefundChoice::Full).await,
            10 => self.cancel(index, RefundChoice::None).await,
            11 => self.refund(index, chance).await,
            12 => self.void(index).await,
            13 => self.cancel_ticket(index, RefundChoice::Full).await,
            14 => self.cancel_ticket(index, RefundChoice::None).await,
            15 | 16 => self.swap(index).await,
            17 | 18 => self.reactivate(index).await,
            19 | 20 => self.redeem(index, chance).await,
            21 | 22 => self.split(index).await,
            _ => self.expire(index).await,
        }
    }
}
