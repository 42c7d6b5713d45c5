//! What buyers see of events, holds and orders: listed field by field, so that nothing new is shown by accident.

use domain::{Currency, EventId, LocalTime, Money, TicketTypeId, Timestamp, Untrusted, Zone};
use operations::{
    events::{EventFormat, EventStatus},
    holds::{HeldItem, Hold, HoldStatus},
    lifecycle::EventDetails,
    orders::{OrderDetail, OrderStatus, PlacedOrder},
    ticket_types::{SaleState, TicketType},
    tickets::TicketStatus,
    waiting_room::{Turn, TurnStatus},
    waitlist::JoinedWaitlist,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// A view as JSON.
pub(super) fn json(view: &impl Serialize) -> Value {
    serde_json::to_value(view).expect("a view is plain data")
}

/// A published event with what is on sale.
#[derive(Serialize, JsonSchema)]
pub(super) struct PublicEvent {
    /// Its id.
    id: EventId,
    /// Its name in addresses.
    slug: String,
    /// Its title.
    title: String,
    /// Its state.
    status: EventStatus,
    /// How people attend.
    format: EventFormat,
    /// When, as people say it.
    when: String,
    /// Start on the clock at the place.
    starts: LocalTime,
    /// End on the clock at the place.
    ends: LocalTime,
    /// The zone of that clock.
    zone: Zone,
    /// The start as an instant.
    starts_at: Timestamp,
    /// The end as an instant.
    ends_at: Timestamp,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    venue: Option<PublicVenue>,
    /// One or two sentences.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    /// The description, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// What tickets are paid in.
    currency: Currency,
    /// Whether a turn of its waiting room is needed to hold tickets.
    has_waiting_room: bool,
    /// What is on sale, in order.
    ticket_types: Vec<PublicTicketType>,
}

/// The place.
#[derive(Serialize, JsonSchema)]
struct PublicVenue {
    /// What it is called.
    name: String,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<String>,
}

/// What is on sale.
#[derive(Serialize, JsonSchema)]
struct PublicTicketType {
    /// Its id.
    id: TicketTypeId,
    /// What it is called.
    name: String,
    /// What it includes.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Its price; `amount` counts the smallest unit.
    price: Money,
    /// The price as people read it.
    costs: String,
    /// The buyer chooses what to pay for each, from the price up to this.
    #[serde(skip_serializing_if = "Option::is_none")]
    chosen_up_to: Option<Money>,
    /// Whether it can be bought now.
    state: SaleState,
    /// How many are left; absent when nothing limits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<i32>,
    /// When the sale begins, on the clock at the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    sales_start: Option<LocalTime>,
    /// When the sale ends, on the clock at the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    sales_end: Option<LocalTime>,
    /// The fewest in one order.
    min_per_order: i32,
    /// The most in one order.
    max_per_order: i32,
    /// The most that one buyer may have, over all their orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_per_buyer: Option<i32>,
}

impl PublicEvent {
    pub(super) fn of(details: EventDetails) -> Self {
        let event = details.event;
        let venue = event.venue.map(|venue| PublicVenue {
            name: venue.name,
            city: venue.city,
        });
        let types = details.ticket_types.into_iter();
        Self {
            id: event.id,
            slug: event.slug,
            title: event.title,
            status: event.status,
            format: event.format,
            when: event.when,
            starts: event.starts,
            ends: event.ends,
            zone: event.zone,
            starts_at: event.starts_at,
            ends_at: event.ends_at,
            venue,
            summary: event.summary,
            description: event.description,
            currency: event.currency,
            has_waiting_room: event.has_waiting_room,
            ticket_types: types.map(PublicTicketType::of).collect(),
        }
    }
}

impl PublicTicketType {
    fn of(kind: TicketType) -> Self {
        Self {
            id: kind.id,
            name: kind.name,
            description: kind.description,
            price: kind.price,
            costs: kind.costs,
            chosen_up_to: kind.chosen_up_to,
            state: kind.state,
            left: kind.availability.left,
            sales_start: kind.sales_start,
            sales_end: kind.sales_end,
            min_per_order: kind.min_per_order,
            max_per_order: kind.max_per_order,
            max_per_buyer: kind.max_per_buyer,
        }
    }
}

/// A buyer's turn.
#[derive(Serialize, JsonSchema)]
pub(super) struct PublicTurn {
    /// What everything else needs; a secret.
    turn: String,
    /// The buyer's own page of it.
    page: String,
    /// The event.
    event: String,
    /// When it starts, on the clock there.
    starts: LocalTime,
    /// How far it has come.
    status: TurnStatus,
    /// When the waiting room opens, while it has not: turns are drawn by lot then.
    #[serde(skip_serializing_if = "Option::is_none")]
    opens: Option<LocalTime>,
    /// The zone of the clock at the event.
    zone: Zone,
    /// 1 is next.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<i64>,
    /// In about how many minutes it comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    about_minutes: Option<i64>,
    /// Until when tickets may be held.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    /// After how many seconds to ask again.
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_again_seconds: Option<i64>,
}

impl PublicTurn {
    pub(super) fn of(turn: Turn, token: String, page: String) -> Self {
        Self {
            turn: token,
            page,
            event: turn.event_title,
            starts: turn.event_starts,
            status: turn.status,
            opens: turn.opens,
            zone: turn.zone,
            position: turn.position,
            about_minutes: turn.about_minutes,
            until: turn.until,
            ask_again_seconds: turn.ask_again_seconds,
        }
    }
}

/// Somebody waits. Nothing here says more than was given: who asks need not be who waits.
#[derive(Serialize, JsonSchema)]
pub(super) struct PublicWait {
    /// The event.
    event_id: EventId,
    /// What they wait for.
    ticket_type_id: TicketTypeId,
    /// What that is called.
    ticket_type: String,
}

impl PublicWait {
    pub(super) fn of(joined: JoinedWaitlist) -> Self {
        let entry = joined.entry;
        Self {
            event_id: entry.event_id,
            ticket_type_id: entry.ticket_type_id,
            ticket_type: entry.ticket_type,
        }
    }
}

/// Places set aside for whoever has the checkout.
#[derive(Serialize, JsonSchema)]
pub(super) struct PublicHold {
    /// The secret that everything else needs.
    checkout: String,
    /// The event.
    event_id: EventId,
    /// Whether the places are still set aside, or what became of them.
    status: HoldStatus,
    /// What is held.
    items: Vec<HeldItem>,
    /// How many tickets.
    ticket_count: i32,
    /// The reserved seats.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    seats: Vec<String>,
    /// Whether they are not side by side; said once, when they are held.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    are_apart: bool,
    /// What an order of them costs; stays while the hold lives.
    total: Money,
    /// The promo code they are held with.
    #[serde(skip_serializing_if = "Option::is_none")]
    promo_code: Option<String>,
    /// What the promo code took off.
    #[serde(skip_serializing_if = "Option::is_none")]
    discount: Option<Money>,
    /// Until when the places are kept.
    expires_at: Timestamp,
    /// How many seconds that is from now; absent when it does not live any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<i64>,
    /// Whether it had its one extension.
    is_extended: bool,
}

impl PublicHold {
    pub(super) fn of(hold: Hold, checkout: String) -> Self {
        Self {
            checkout,
            event_id: hold.event_id,
            status: hold.status,
            items: hold.items,
            ticket_count: hold.ticket_count,
            seats: hold.seats,
            are_apart: hold.are_apart,
            total: hold.total,
            promo_code: hold.promo_code,
            discount: hold.discount,
            expires_at: hold.expires_at,
            seconds_left: hold.seconds_left,
            is_extended: hold.is_extended,
        }
    }
}

/// The buyer's own order.
#[derive(Serialize, JsonSchema)]
pub(super) struct PublicOrder {
    /// The short code people read aloud.
    number: String,
    /// Its state.
    status: OrderStatus,
    /// Its event.
    event_id: EventId,
    /// Its event's title.
    event_title: String,
    /// Who bought.
    buyer_name: Untrusted,
    /// Their address.
    buyer_email: Untrusted,
    /// What was bought.
    items: Vec<PublicItem>,
    /// How many tickets.
    ticket_count: i32,
    /// The reserved seats.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    seats: Vec<String>,
    /// What it costs.
    total: Money,
    /// The promo code it was bought with.
    #[serde(skip_serializing_if = "Option::is_none")]
    promo_code: Option<String>,
    /// What the promo code took off.
    #[serde(skip_serializing_if = "Option::is_none")]
    discount: Option<Money>,
    /// What is still to be paid, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<Money>,
    /// How to pay, in the answer to the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_instructions: Option<String>,
    /// The buyer's own page of the order: to pay it, and for the tickets. Keep it secret.
    page: String,
    /// When it was placed.
    placed_at: Timestamp,
    /// Until when it can be paid, while it is pending; as long as the organizer likes when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pay_by: Option<Timestamp>,
    /// When it was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_at: Option<Timestamp>,
    /// When it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_at: Option<Timestamp>,
    /// The tickets, once it is paid.
    tickets: Vec<PublicTicket>,
}

/// One line of an order.
#[derive(Serialize, JsonSchema)]
struct PublicItem {
    /// What was bought.
    ticket_type_id: TicketTypeId,
    /// As it was called when it was bought.
    name: String,
    /// How many.
    quantity: i32,
    /// The price of one when it was bought.
    unit_price: Money,
    /// What one cost without the promo code, if that was more.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed_price: Option<Money>,
}

/// A right of admission.
#[derive(Serialize, JsonSchema)]
struct PublicTicket {
    /// The code on it.
    code: String,
    /// Whether it admits.
    status: TicketStatus,
    /// Its ticket type's name, as it was bought.
    ticket_type: String,
    /// Its reserved seat.
    #[serde(skip_serializing_if = "Option::is_none")]
    seat: Option<String>,
}

impl PublicOrder {
    /// A new order, with how to pay it.
    pub(super) fn placed(placed: PlacedOrder, page: String) -> Self {
        let online = placed.order.order.open.zip(placed.order.order.pay_by);
        let online = online.map(|(open, until)| {
            format!("Pay {open} on {page} before {until}. The places are held until then.")
        });
        Self {
            payment_instructions: online.or(placed.payment_instructions),
            ..Self::of(placed.order, page)
        }
    }

    pub(super) fn of(detail: OrderDetail, page: String) -> Self {
        let order = detail.order;
        let items = detail.items.into_iter().map(|item| PublicItem {
            ticket_type_id: item.ticket_type_id,
            name: item.name,
            quantity: item.quantity,
            unit_price: item.unit_price,
            listed_price: item.listed_price,
        });
        let tickets = detail.tickets.into_iter().map(|ticket| PublicTicket {
            code: ticket.code,
            status: ticket.status,
            ticket_type: ticket.ticket_type,
            seat: ticket.seat,
        });
        Self {
            number: order.number,
            status: order.status,
            event_id: order.event_id,
            event_title: order.event_title,
            buyer_name: order.buyer_name,
            buyer_email: order.buyer_email,
            items: items.collect(),
            ticket_count: order.ticket_count,
            seats: detail.seats,
            total: order.total,
            promo_code: order.promo_code,
            discount: order.discount,
            open: order.open,
            payment_instructions: None,
            page,
            placed_at: order.placed_at,
            pay_by: order.pay_by,
            paid_at: order.paid_at,
            cancelled_at: detail.cancelled_at,
            tickets: tickets.collect(),
        }
    }
}
