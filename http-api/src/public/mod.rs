//! The buyers' part: no login, limited by address. Each step runs an operation of the catalog as a buyer, with the
//! permissions of that one step; what a buyer may see of what is there is decided in `operations::buyers`.

mod limit;
mod steps;
mod view;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{Method, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{MethodFilter, on},
};
use domain::Permission::{self, AttendeesPersonal, EventsRead, OrdersRead, OrdersWrite};
use operations::{Entry, catalog, schema, seats::EventSeats};
use serde_json::Value;

pub(crate) use limit::Counter;

use crate::{problem::Problem, router::Shared};

/// Where the buyers' part is.
pub(crate) const PATH: &str = "/v1/public";

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ShowEvent,
    ShowSeats,
    Hold,
    ShowHold,
    Extend,
    Release,
    Order,
    ShowOrder,
    Redeem,
    Wait,
    TakeTurn,
    ShowTurn,
}

/// One step of somebody who buys.
pub(crate) struct Step {
    pub(crate) kind: Kind,
    pub(crate) method: Method,
    /// Below [`PATH`].
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    pub(crate) says: &'static str,
    /// The operation that does it.
    pub(crate) operation: &'static str,
    /// The fields of that operation's input that the buyer gives; the rest is known from the path.
    pub(crate) takes: &'static [&'static str],
    pub(crate) needs: &'static [Permission],
    pub(crate) status: StatusCode,
    pub(crate) answer: fn() -> Value,
}

/// The field with the token of a turn, in whose place the operation has its id.
pub(crate) const TURN: &str = "turn";

const EVENT: &str = "/{organization}/events/{event}";
const HOLDS: &str = "/{organization}/events/{event}/holds";
const WAITLIST: &str = "/{organization}/events/{event}/waitlist";
const TURNS: &str = "/{organization}/events/{event}/turns";
const HOLD: &str = "/holds/{checkout}";
const ORDER: &str = "/holds/{checkout}/order";

/// The steps, in the order in which people take them.
pub(crate) const STEPS: &[Step] = &[
    Step {
        kind: Kind::ShowEvent,
        method: Method::GET,
        path: EVENT,
        name: "public_show_event",
        says: "A published event, its ticket types, and how many are left of each.",
        operation: "get_event",
        takes: &[],
        needs: &[EventsRead],
        status: StatusCode::OK,
        answer: schema::output::<view::PublicEvent>,
    },
    Step {
        kind: Kind::ShowSeats,
        method: Method::GET,
        path: "/{organization}/events/{event}/seats",
        name: "public_show_seats",
        says: "Which seats of an event with reserved seats are free, by section and row. Name some when holding tickets, or none for \
               the best available.",
        operation: "get_event_seats",
        takes: &[],
        needs: &[EventsRead],
        status: StatusCode::OK,
        answer: schema::output::<EventSeats>,
    },
    Step {
        kind: Kind::TakeTurn,
        method: Method::POST,
        path: TURNS,
        name: "public_take_turn",
        says: "Take a turn in the waiting room of an event that has one. The answer has a `turn`: keep it secret, it is your place in \
               the queue, here and on its `page`.",
        operation: "join_waiting_room",
        takes: &[],
        needs: &[OrdersWrite],
        status: StatusCode::CREATED,
        answer: schema::output::<view::PublicTurn>,
    },
    Step {
        kind: Kind::ShowTurn,
        method: Method::GET,
        path: "/turns/{turn}",
        name: "public_show_turn",
        says: "How far a turn has come. Ask again after `ask_again_seconds`: who does not ask for two minutes is passed over until they \
               are back.",
        operation: "check_turn",
        takes: &[],
        needs: &[OrdersRead],
        status: StatusCode::OK,
        answer: schema::output::<view::PublicTurn>,
    },
    Step {
        kind: Kind::Hold,
        method: Method::POST,
        path: HOLDS,
        name: "public_hold_tickets",
        says: "Set places aside for a few minutes, at the present prices, or those of a promo code. The answer has a `checkout`: keep it secret, \
               everything else needs it. An event with a waiting room also wants the `turn` of one that has come.",
        operation: "hold_tickets",
        takes: &["items", "promo_code", TURN],
        needs: &[OrdersWrite],
        status: StatusCode::CREATED,
        answer: schema::output::<view::PublicHold>,
    },
    Step {
        kind: Kind::ShowHold,
        method: Method::GET,
        path: HOLD,
        name: "public_show_hold",
        says: "What is held, what it costs, and for how long.",
        operation: "get_hold",
        takes: &[],
        needs: &[OrdersRead],
        status: StatusCode::OK,
        answer: schema::output::<view::PublicHold>,
    },
    Step {
        kind: Kind::Extend,
        method: Method::POST,
        path: "/holds/{checkout}/extend",
        name: "public_extend_hold",
        says: "More time, once.",
        operation: "extend_hold",
        takes: &[],
        needs: &[OrdersWrite],
        status: StatusCode::OK,
        answer: schema::output::<view::PublicHold>,
    },
    Step {
        kind: Kind::Release,
        method: Method::POST,
        path: "/holds/{checkout}/release",
        name: "public_release_hold",
        says: "Give the places back: others can have them at once.",
        operation: "release_hold",
        takes: &[],
        needs: &[OrdersWrite],
        status: StatusCode::OK,
        answer: schema::output::<view::PublicHold>,
    },
    Step {
        kind: Kind::Order,
        method: Method::POST,
        path: ORDER,
        name: "public_place_order",
        says: "Order what is held. A free order is paid at once, and its ticket codes are in the answer; otherwise the answer \
               says how to pay.",
        operation: "place_order",
        takes: &["buyer", "note"],
        needs: &[OrdersWrite, AttendeesPersonal],
        status: StatusCode::CREATED,
        answer: schema::output::<view::PublicOrder>,
    },
    Step {
        kind: Kind::ShowOrder,
        method: Method::GET,
        path: ORDER,
        name: "public_show_order",
        says: "The order of a hold: its state and, once it is paid, its ticket codes.",
        operation: "get_order",
        takes: &[],
        needs: &[OrdersRead, AttendeesPersonal],
        status: StatusCode::OK,
        answer: schema::output::<view::PublicOrder>,
    },
    Step {
        kind: Kind::Redeem,
        method: Method::POST,
        path: "/holds/{checkout}/order/gift-card",
        name: "public_redeem_gift_card",
        says: "Pay an order with a gift card: as much as is needed and there is on it. What is still open is paid on the order's \
               `page`, or with another card.",
        operation: "redeem_gift_card",
        takes: &["code"],
        needs: &[OrdersRead, OrdersWrite, AttendeesPersonal],
        status: StatusCode::OK,
        answer: schema::output::<view::PublicOrder>,
    },
    Step {
        kind: Kind::Wait,
        method: Method::POST,
        path: WAITLIST,
        name: "public_join_waitlist",
        says: "Wait for a ticket type that is sold out, alone or as a group that only wants places together. A mail comes when places \
               are offered, with a link to take them. The answer is the same whether or not the address was on the list already.",
        operation: "join_waitlist",
        takes: &["ticket_type", "quantity", "name", "email"],
        needs: &[OrdersWrite],
        status: StatusCode::ACCEPTED,
        answer: schema::output::<view::PublicWait>,
    },
];

impl Step {
    /// The schema of what the buyer sends, made once.
    pub(crate) fn input_schema(&self) -> &'static Value {
        static SCHEMAS: LazyLock<HashMap<&'static str, Value>> = LazyLock::new(|| {
            let of = |step: &Step| (step.name, step.made_schema());
            STEPS.iter().map(of).collect()
        });
        SCHEMAS.get(self.name).unwrap_or(&Value::Null)
    }

    /// The operation's schema, without what the path says.
    fn made_schema(&self) -> Value {
        let entry = catalog::find(self.operation);
        let mut schema = entry.map(Entry::exact_input_schema).unwrap_or_default();
        if let Some(fields) = schema["properties"].as_object_mut() {
            fields.retain(|name, _| self.takes.contains(&name.as_str()));
        }
        if let Some(required) = schema["required"].as_array_mut() {
            required.retain(|name| name.as_str().is_some_and(|name| self.takes.contains(&name)));
        }
        if self.takes.contains(&TURN) {
            schema["properties"][TURN] = serde_json::json!({
                "type": ["string", "null"],
                "description": "A turn that has come, of an event with a waiting room.",
            });
        }
        if let Some(fields) = schema.as_object_mut() {
            // It speaks to organizers.
            fields.remove("description");
        }
        schema
    }
}

/// The steps as routes.
pub(crate) fn router(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    let mut router = Router::new();
    for step in STEPS {
        let method = if step.method == Method::GET {
            MethodFilter::GET
        } else {
            MethodFilter::POST
        };
        let handler = async move |State(shared): State<Arc<Shared>>, request: Request| {
            steps::answered(&shared, step, request).await
        };
        router = router.route(step.path, on(method, handler));
    }
    router.layer(middleware::from_fn_with_state(Arc::clone(shared), admit))
}

async fn admit(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    shared.counter.count(&request)?;
    Ok(next.run(request).await.into_response())
}
