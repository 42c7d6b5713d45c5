//! Commands of scenes, with everything that a test does not care about filled in.

use domain::{EventId, Money, Patch};

use super::eur;
use crate::{
    events::CreateEvent,
    holds::{Hold, HoldTickets, PickedItem},
    orders::{Buyer, ItemRequest, PlaceOrder, invoices::UpdateInvoicing},
    promo_codes::SavePromoCode,
    taxes::{SaveFee, SaveTaxRule},
    ticket_types::{PoolRequest, SaveTicketType},
    waitlist::JoinWaitlist,
};

/// A new ticket type with a price in cents and a quantity.
pub fn selling(event: EventId, name: &str, amount: i64, quantity: i32) -> SaveTicketType {
    SaveTicketType {
        name: Some(name.parse().expect("a short name")),
        price: Some(Money::new(amount, eur())),
        quantity: Some(quantity),
        ..saving(event)
    }
}

/// A new tax rule.
pub fn vat(name: &str, rate: &str) -> SaveTaxRule {
    SaveTaxRule {
        name: Some(name.parse().expect("a short name")),
        rate: Some(rate.parse().expect("a percentage")),
        ..SaveTaxRule::default()
    }
}

/// A new fee of an event, so much for each order.
pub fn fee(event: EventId, name: &str, amount: i64) -> SaveFee {
    SaveFee {
        event: Some(event.into()),
        name: Some(name.parse().expect("a short name")),
        amount: Some(Money::new(amount, eur())),
        ..SaveFee::default()
    }
}

/// A set-up of invoices, which are issued by themselves.
pub fn invoicing() -> UpdateInvoicing {
    UpdateInvoicing {
        legal_name: Some("Scene GmbH".parse().expect("a short name")),
        address: Some("Hauptstr. 1, 10115 Berlin".parse().expect("a short text")),
        tax_id: Some("DE123456789".parse().expect("a short text")),
        ..UpdateInvoicing::default()
    }
}

/// A limit that a ticket type shares; with its capacity if it is new.
pub fn pool(name: &str, capacity: Option<i32>) -> PoolRequest {
    PoolRequest {
        name: name.parse().expect("a short name"),
        capacity,
    }
}

/// A hold of some `Regular` tickets.
pub fn holding(event: EventId, quantity: i32) -> HoldTickets {
    let item = PickedItem {
        ticket_type: "Regular".parse().expect("a name"),
        quantity,
        seats: Vec::new(),
        accessible: 0,
        price: None,
    };
    HoldTickets {
        event: event.into(),
        items: vec![item],
        promo_code: None,
        turn: None,
    }
}

/// Somebody of a first name, alone or with others, who waits for `Regular`.
pub fn joining(event: EventId, name: &str, quantity: i32) -> JoinWaitlist {
    JoinWaitlist {
        event: event.into(),
        ticket_type: "Regular".parse().expect("a name"),
        quantity,
        name: name.parse().expect("a name"),
        email: format!("{}@example.org", name.to_lowercase())
            .parse()
            .expect("an address"),
    }
}

/// A new promo code that takes so many percent off.
pub fn promo(event: EventId, code: &str, percent: i32, max_uses: Option<i32>) -> SavePromoCode {
    SavePromoCode {
        code: Some(code.parse().expect("a short text")),
        percent_off: Some(percent),
        max_uses: max_uses.map_or(Patch::Keep, Patch::Set),
        ..SavePromoCode::of(event.into())
    }
}

/// The same hold with a promo code.
pub fn with_code(hold: HoldTickets, code: &str) -> HoldTickets {
    HoldTickets {
        promo_code: Some(code.parse().expect("a short text")),
        ..hold
    }
}

/// The same order with a promo code.
pub fn order_with(order: PlaceOrder, code: &str) -> PlaceOrder {
    PlaceOrder {
        promo_code: Some(code.parse().expect("a short text")),
        ..order
    }
}

/// An order of what is held, for Ada Lovelace.
pub fn ordering(hold: &Hold) -> PlaceOrder {
    PlaceOrder {
        items: Vec::new(),
        hold: Some(hold.id),
        ..buying(hold.event_id, "Regular", 1)
    }
}

/// An order of some tickets of one type for Ada Lovelace.
pub fn buying(event: EventId, ticket_type: &str, quantity: i32) -> PlaceOrder {
    let item = ItemRequest {
        ticket_type: ticket_type.parse().expect("a name"),
        quantity,
        attendees: Vec::new(),
    };
    PlaceOrder {
        event: event.into(),
        items: vec![item],
        hold: None,
        promo_code: None,
        buyer: Buyer {
            name: "Ada Lovelace".parse().expect("a name"),
            email: "ada@example.org".parse().expect("an address"),
        },
        note: None,
    }
}

/// A ticket type with nothing said but its event.
pub fn saving(event: EventId) -> SaveTicketType {
    SaveTicketType::of(event.into())
}

/// An event on Thursday 4 February 2027 at 19:00, with nothing else said.
pub fn new_event(title: &str) -> CreateEvent {
    CreateEvent {
        title: title.parse().expect("a short title"),
        starts: "2027-02-04T19:00".parse().expect("a local time"),
        ends: None,
        zone: None,
        fold: None,
        venue: None,
        online_url: None,
        format: None,
        summary: None,
        description: None,
        currency: None,
        slug: None,
    }
}
