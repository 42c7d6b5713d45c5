//! The books of the reference, and what they are compared with.

use std::collections::HashMap;

use domain::{Currency, EventId, GiftCardId, Money, Patch, PriceTax, TaxRounding};

use crate::{
    events::{CreateEvent, StatusMove},
    gift_cards::GetGiftCard,
    orders::{OrderDetail, OrderStatus, payments::shop::Shop},
    reports::GetSettlement,
    taxes::{FeePer, SaveFee, SaveTaxSettings},
    testing::{fee, invoicing, new_event, promo, selling},
};

/// The ticket types of the event, in the order of [`Booked`]'s counts.
pub(super) const TYPES: [&str; 2] = ["Regular", "Free"];
pub(super) const CAPACITY: i64 = 30;
pub(super) const CODE: &str = "FRIENDS";
pub(super) const USES: usize = 4;

/// An order as the reference has it.
pub(super) struct Booked {
    pub(super) order: OrderDetail,
    /// The page of the processor, and what it asks for.
    pub(super) page: Option<(String, i64)>,
    pub(super) status: OrderStatus,
    pub(super) total: i64,
    pub(super) paid: i64,
    pub(super) back: i64,
    /// What of that came through the processor and did not go back.
    pub(super) online: i64,
    /// What came from which gift card and did not go back.
    pub(super) from_cards: Vec<(usize, i64)>,
    /// How many of each type it has.
    pub(super) counts: [i64; 2],
    /// Of those, how many admit.
    pub(super) valid: [i64; 2],
    /// Whether it was paid once, and so has an invoice.
    pub(super) was_paid: bool,
}

impl Booked {
    pub(super) fn stands(&self) -> bool {
        matches!(self.status, OrderStatus::Pending | OrderStatus::Paid)
    }

    /// What was paid and not given back.
    pub(super) fn kept(&self) -> i64 {
        self.paid - self.back
    }

    /// An amount goes back: through the processor, then onto cards, the newest first, then by hand.
    pub(super) fn give_back(&mut self, amount: i64) {
        self.back += amount;
        self.part_with(amount);
    }

    /// An amount goes, in that order: what of it came through the processor, and from which cards.
    pub(super) fn part_with(&mut self, amount: i64) -> (i64, Vec<(usize, i64)>) {
        let online = amount.min(self.online);
        self.online -= online;
        let mut rest = amount - online;
        let mut of_cards = Vec::new();
        for (card, left) in self.from_cards.iter_mut().rev() {
            let part = rest.min(*left);
            *left -= part;
            rest -= part;
            of_cards.push((*card, part));
        }
        (online, of_cards)
    }

    pub(super) fn uses_code(&self) -> bool {
        self.stands() && self.order.order.promo_code.is_some()
    }

    /// How many places of a type it takes.
    pub(super) fn places(&self, of: usize) -> i64 {
        match self.status {
            OrderStatus::Pending => self.counts[of],
            _ => self.valid[of],
        }
    }

    /// What owes nothing is paid.
    pub(super) fn settle(&mut self) {
        if self.status == OrderStatus::Pending && self.kept() >= self.total {
            let was_paid = self.was_paid;
            self.become_paid();
            self.was_paid = was_paid || self.total > 0;
        }
    }

    pub(super) fn become_paid(&mut self) {
        self.status = OrderStatus::Paid;
        self.valid = self.counts;
        self.was_paid = true;
    }
}

/// A gift card as the reference has it.
pub(super) struct Card {
    pub(super) id: GiftCardId,
    pub(super) code: String,
    pub(super) issued: i64,
}

/// How an event charges.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) rate: &'static str,
    pub(super) prices: PriceTax,
    pub(super) rounding: TaxRounding,
    /// For each order, in minor units.
    pub(super) fee: i64,
    /// Of each ticket's price.
    pub(super) percent: Option<&'static str>,
}

/// An event, and the books that are kept of it.
pub(super) struct Books<'a> {
    pub(super) shop: &'a Shop,
    pub(super) event: EventId,
    pub(super) currency: Currency,
    /// What refunds are multiples of.
    pub(super) step: i64,
    pub(super) booked: Vec<Booked>,
    pub(super) cards: Vec<Card>,
    /// How often each change of an order came about.
    pub(super) changed: HashMap<&'static str, usize>,
}

impl<'a> Books<'a> {
    pub(super) async fn open(shop: &'a Shop, currency: &str, price: i64, way: Way) -> Self {
        let currency: Currency = currency.parse().unwrap();
        let capacity = i32::try_from(CAPACITY).unwrap();
        let uses = i32::try_from(USES).unwrap();
        let command = CreateEvent {
            online_url: Some("https://live.example.org".parse().unwrap()),
            currency: Some(currency),
            ..new_event(&format!("Gala in {currency}"))
        };
        let event = shop.scene.run(command).await.unwrap().event.id;
        let mut regular = selling(event, "Regular", 0, capacity);
        regular.price = Some(Money::new(price, currency));
        shop.scene.run(regular).await.unwrap();
        let mut free = selling(event, "Free", 0, capacity);
        free.price = Some(Money::new(0, currency));
        shop.scene.run(free).await.unwrap();
        shop.scene.taxed(event, "VAT", way.rate).await;
        let (prices, rounding) = (Some(way.prices), Some(way.rounding));
        let settings = SaveTaxSettings {
            event: Some(event.into()),
            prices,
            rounding,
            ..SaveTaxSettings::default()
        };
        shop.scene.run(settings).await.unwrap();
        let service = SaveFee {
            amount: Some(Money::new(way.fee, currency)),
            tax_rule: Patch::Set("VAT".parse().unwrap()),
            ..fee(event, "Service", 0)
        };
        shop.scene.run(service).await.unwrap();
        if let Some(percent) = way.percent {
            let share = SaveFee {
                amount: None,
                percent: Some(percent.parse().unwrap()),
                per: Some(FeePer::Ticket),
                ..fee(event, "Share", 0)
            };
            shop.scene.run(share).await.unwrap();
        }
        let issuing = shop.scene.run(invoicing()).await;
        issuing.unwrap();
        let code = promo(event, CODE, 20, Some(uses));
        shop.scene.run(code).await.unwrap();
        shop.scene.move_event(event, StatusMove::Publish).await;
        Self {
            shop,
            event,
            currency,
            step: if currency.code() == "KWD" { 10 } else { 1 },
            booked: Vec::new(),
            cards: Vec::new(),
            changed: HashMap::new(),
        }
    }

    /// Whether there were enough orders, and of each change of them.
    pub(super) fn has_seen_enough(&self) -> bool {
        let kinds = [
            "swap_tickets",
            "cancel_tickets",
            "reactivate_order",
            "redeem_gift_card",
            "split_order",
        ];
        let often = |kind: &&str| self.changed.get(kind).is_some_and(|count| *count > 5);
        self.booked.len() > 30 && kinds.iter().all(often)
    }

    /// What is left on a card.
    pub(super) fn left(&self, card: usize) -> i64 {
        let parts = self.booked.iter().flat_map(|booked| &booked.from_cards);
        let used = parts.filter(|(of, _)| *of == card).map(|(_, left)| left);
        self.cards[card].issued - used.sum::<i64>()
    }

    async fn compare_cards(&self) {
        for (index, card) in self.cards.iter().enumerate() {
            let seen = GetGiftCard::of(card.id.into());
            let seen = self.shop.scene.run(seen).await.unwrap();
            assert_eq!(seen.balance.amount, self.left(index), "{}", seen.ending);
        }
    }

    /// Compares what is invoiced and not credited with what was paid and not given back, order by order.
    async fn compare_documents(&self) {
        let mut owner = self.shop.scene.database.owner().await;
        let stands: Vec<(String, i64)> = sqlx::query_as(
            "select order_number, sum(case kind when 'invoice' then gross_amount else -gross_amount end)::bigint
             from invoice group by order_number",
        )
        .fetch_all(&mut owner)
        .await
        .unwrap();
        let stands: HashMap<String, i64> = stands.into_iter().collect();
        for booked in &self.booked {
            let kept = if booked.was_paid {
                booked.kept().min(booked.total)
            } else {
                0
            };
            let number = &booked.order.order.number;
            let found = stands.get(number).copied().unwrap_or_default();
            // What came in for an order that was never paid goes back, and is on no invoice.
            assert_eq!(found, kept, "{number}: {:?}", booked.status);
        }
    }

    /// Compares the statement with the books.
    pub(super) async fn compare(&self) {
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
        let sold = sum(|booked| if booked.stands() { booked.total } else { 0 });
        let expected = [sold, sum(|booked| booked.paid), sum(|booked| booked.back)];
        let found = [said.sold, said.received, said.given_back].map(|money| money.amount);
        assert_eq!(found, expected);
        assert!(said.adds_up, "{said:?}");
        assert_eq!(
            said.taxes.iter().map(|rate| rate.gross.amount).sum::<i64>(),
            sold
        );
        self.compare_documents().await;
        self.compare_cards().await;
        let valid: i64 = said.tickets.iter().map(|tickets| tickets.valid).sum();
        assert_eq!(valid, sum(|booked| booked.valid.iter().sum()));
    }
}
