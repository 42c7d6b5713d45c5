//! Random sequences of everything that moves money or places, in three currencies, beside a reference that keeps books in
//! memory: after every step the pools, the orders' sums, the ledger and the statement say what the reference says.

use domain::{Currency, Cx, EventId, Money};

use super::GetSettlement;
use crate::{
    events::{CreateEvent, StatusMove},
    orders::{
        self, CancelOrder, ConfirmPayment, OrderDetail, OrderStatus, PlaceOrder, RefundChoice,
        payments::{
            RefundOrder,
            shop::{Shop, expiring},
        },
    },
    testing::{buying, new_event, order_with, promo, selling},
    tickets::{TicketStatus, VoidTicket},
};

/// Numbers that are the same for the same seed: splitmix64 (Steele, Lea and Flood, 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }
}

/// An order as the reference has it.
struct Booked {
    order: OrderDetail,
    page: Option<String>,
    /// Whether nobody can pay on that page any more.
    is_closed: bool,
    status: OrderStatus,
    paid: i64,
    back: i64,
    valid: i64,
}

impl Booked {
    fn stands(&self) -> bool {
        matches!(self.status, OrderStatus::Pending | OrderStatus::Paid)
    }

    fn total(&self) -> i64 {
        self.order.order.total.amount
    }

    fn uses_code(&self) -> bool {
        self.stands() && self.order.order.promo_code.is_some()
    }

    fn places(&self) -> i64 {
        match self.status {
            OrderStatus::Pending => self.order.order.ticket_count.into(),
            _ => self.valid,
        }
    }
}

/// An event, and the books that are kept of it.
struct Books<'a> {
    shop: &'a Shop,
    event: EventId,
    currency: Currency,
    /// What refunds are multiples of.
    step: i64,
    booked: Vec<Booked>,
}

const CAPACITY: i32 = 30;
const CODE: &str = "FRIENDS";
const USES: i32 = 4;

impl<'a> Books<'a> {
    async fn open(shop: &'a Shop, currency: &str, price: i64) -> Self {
        let currency: Currency = currency.parse().unwrap();
        let command = CreateEvent {
            online_url: Some("https://live.example.org".parse().unwrap()),
            currency: Some(currency),
            ..new_event(&format!("Gala in {currency}"))
        };
        let event = shop.scene.run(command).await.unwrap().event.id;
        let mut regular = selling(event, "Regular", 0, CAPACITY);
        regular.price = Some(Money::new(price, currency));
        shop.scene.run(regular).await.unwrap();
        let mut free = selling(event, "Free", 0, CAPACITY);
        free.price = Some(Money::new(0, currency));
        shop.scene.run(free).await.unwrap();
        let code = promo(event, CODE, 20, Some(USES));
        shop.scene.run(code).await.unwrap();
        shop.scene.move_event(event, StatusMove::Publish).await;
        Self {
            shop,
            event,
            currency,
            step: if currency.code() == "KWD" { 10 } else { 1 },
            booked: Vec::new(),
        }
    }

    /// Places an order; when there are too few places it is refused, and only then.
    async fn order(&mut self, chance: &mut Chance) {
        let quantity = i32::try_from(chance.below(4) + 1).unwrap();
        let (name, is_free) = if chance.below(4) == 0 {
            ("Free", true)
        } else {
            ("Regular", false)
        };
        let cx: Cx = if chance.below(2) == 0 {
            self.shop.buyer()
        } else {
            self.shop.scene.cx.clone()
        };
        let of_type = |booked: &&Booked| booked.order.items[0].name == name;
        let taken: i64 = self.booked.iter().filter(of_type).map(Booked::places).sum();
        let mut wanted: PlaceOrder = buying(self.event, name, quantity);
        let mut fits = taken + i64::from(quantity) <= i64::from(CAPACITY);
        if !is_free && chance.below(3) == 0 {
            wanted = order_with(wanted, CODE);
            let uses = self
                .booked
                .iter()
                .filter(|booked| booked.uses_code())
                .count();
            fits &= uses < usize::try_from(USES).unwrap();
        }
        let placed = self.shop.scene.app.run(&cx, wanted).await;
        assert_eq!(
            placed.is_ok(),
            fits,
            "{taken} taken, {quantity} wanted: {placed:?}"
        );
        let Ok(placed) = placed else { return };
        self.booked.push(Booked {
            status: placed.order.order.status,
            valid: if is_free { quantity.into() } else { 0 },
            order: placed.order,
            page: None,
            is_closed: false,
            paid: 0,
            back: 0,
        });
    }

    async fn confirm(&mut self, index: usize) {
        let booked = &mut self.booked[index];
        let done = self
            .shop
            .scene
            .run(ConfirmPayment::of(booked.order.order.id.into()))
            .await;
        match booked.status {
            OrderStatus::Pending => {
                done.unwrap();
                booked.status = OrderStatus::Paid;
                booked.paid = booked.total();
                booked.valid = booked.order.order.ticket_count.into();
            }
            OrderStatus::Paid => assert!(done.unwrap().was_paid_already),
            _ => assert!(done.is_err()),
        }
    }

    /// The buyer pays on the page of the processor, whatever has become of the order meanwhile.
    async fn pay_online(&mut self, index: usize) {
        if self.booked[index].status == OrderStatus::Pending && self.booked[index].page.is_none() {
            let page = self.shop.page(&self.booked[index].order).await;
            self.booked[index].page = Some(page);
            return;
        }
        let Some(page) = self.booked[index].page.take() else {
            return;
        };
        self.shop.choose(&page, "pay");
        let seen = self.shop.checked(&self.booked[index].order).await;
        let booked = &mut self.booked[index];
        if booked.is_closed {
            assert_eq!(seen.order.status, booked.status);
            return;
        }
        booked.paid += booked.total();
        match booked.status {
            OrderStatus::Pending => {
                booked.status = OrderStatus::Paid;
                booked.valid = booked.order.order.ticket_count.into();
            }
            // It goes back by itself.
            OrderStatus::Paid | OrderStatus::Cancelled => booked.back += booked.total(),
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
        booked.valid = 0;
        if refund == RefundChoice::Full {
            booked.back = booked.paid;
        }
    }

    async fn refund(&mut self, index: usize, chance: &mut Chance) {
        let booked = &mut self.booked[index];
        let left = booked.paid - booked.back;
        let amount =
            i64::try_from(chance.below(usize::try_from(booked.total() + 2).unwrap())).unwrap();
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
            booked.back += amount;
        }
        if chance.below(2) == 0 {
            self.shop.checked(&booked.order).await;
        }
    }

    async fn void(&mut self, index: usize) {
        let seen = self.shop.seen(&self.booked[index].order).await;
        let is_valid = |ticket: &&crate::tickets::Ticket| ticket.status == TicketStatus::Valid;
        let Some(ticket) = seen.tickets.iter().find(is_valid) else {
            return;
        };
        let void = VoidTicket {
            ticket: ticket.id.into(),
            reason: "lost".parse().unwrap(),
            even_if_checked_in: false,
        };
        self.shop.scene.run(void).await.unwrap();
        self.booked[index].valid -= 1;
    }

    async fn expire(&mut self, index: usize) {
        let order = &self.booked[index].order;
        let ended = self
            .shop
            .scene
            .app
            .run(&self.shop.later(), expiring(order))
            .await;
        let booked = &mut self.booked[index];
        if booked.status == OrderStatus::Pending && booked.order.order.pay_by.is_some() {
            booked.status = OrderStatus::Expired;
            booked.is_closed = true;
        }
        assert_eq!(ended.unwrap().status, booked.status);
    }

    async fn step(&mut self, chance: &mut Chance) {
        let kind = chance.below(14);
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
            _ => self.expire(index).await,
        }
    }

    /// Compares the statement with the books.
    async fn compare(&self) {
        let ask = GetSettlement {
            event: self.event.into(),
            as_of: None,
        };
        let said = self
            .shop
            .scene
            .app
            .run(&self.shop.later(), ask)
            .await
            .unwrap();
        let sum = |of: fn(&Booked) -> i64| self.booked.iter().map(of).sum::<i64>();
        let sold = sum(|booked| if booked.stands() { booked.total() } else { 0 });
        let expected = [sold, sum(|booked| booked.paid), sum(|booked| booked.back)];
        let found = [said.sold, said.received, said.given_back].map(|money| money.amount);
        assert_eq!(found, expected);
        assert!(said.adds_up, "{said:?}");
        let valid: i64 = said.tickets.iter().map(|tickets| tickets.valid).sum();
        assert_eq!(valid, sum(|booked| booked.valid));
    }
}

async fn keep_books(currency: &str, price: i64, steps: usize) {
    let shop = Shop::new(1).await;
    // Another sequence in every run; a failure says which.
    let mut seed = [0; 8];
    shop.scene.cx.random(&mut seed);
    let mut chance = Chance(u64::from_le_bytes(seed));
    eprintln!("{currency}, seed {}", chance.0);
    let mut books = Books::open(&shop, currency, price).await;
    for _ in 0..steps {
        books.step(&mut chance).await;
        books.compare().await;
        shop.scene.reconcile().await;
    }
    let orders = books.booked.len();
    assert!(orders > 60, "only {orders} orders came about");
    // Whatever is still on its way arrives, and nothing moves by that.
    for booked in &books.booked {
        shop.checked(&booked.order).await;
    }
    books.compare().await;
    shop.scene.reconcile().await;
}

const STEPS: usize = 700;

#[tokio::test]
async fn every_cent_is_accounted_for_in_a_currency_with_two_decimals() {
    keep_books("EUR", 2499, STEPS).await;
}

#[tokio::test]
async fn every_cent_is_accounted_for_in_a_currency_without_decimals() {
    keep_books("JPY", 3100, STEPS).await;
}

#[tokio::test]
async fn every_cent_is_accounted_for_in_a_currency_with_three_decimals() {
    keep_books("KWD", 7250, STEPS).await;
}

/// The control: what is compared can differ.
#[tokio::test]
async fn without_the_database_keeping_the_ledger_the_books_differ() {
    let shop = Shop::new(5).await;
    let order = shop.order(1).await;
    let off = "alter table payment disable trigger ledger_received";
    shop.scene.database.tell(off).await;
    let confirm = ConfirmPayment::of(order.order.id.into());
    shop.scene.run(confirm).await.unwrap();
    let mut tx = shop.scene.app.store().read(&shop.scene.cx).await.unwrap();
    let found = orders::discrepancies(tx.conn()).await.unwrap();
    assert!(
        found.len() == 1 && found[0].contains("the ledger has"),
        "{found:?}"
    );
}
