//! What a step does: the operation's input from path and body, the operation as a buyer, and of its answer what a buyer
//! sees.

use axum::{
    RequestExt as _,
    extract::{Path, Request},
    http::HeaderMap,
    response::Response,
};
use domain::{OrderId, OrganizationId, Timestamp};
use operations::{
    Entry, buyers,
    buyers::{Checkout, OrderLink, OrderPages, TurnLink, TurnPages},
    catalog, guard,
    orders::{PlacedOrder, payments::RedeemedGiftCard},
    organizations::find_organization,
    schema,
    seats::EventSeats,
    waiting_room::Turn,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    Kind, Step, TURN,
    view::{self, PublicEvent, PublicHold, PublicOrder, PublicTurn, PublicWait},
};
use crate::{
    answer,
    input::{self, Envelope},
    problem::{CHECKOUT_UNKNOWN, KEY_GUESSABLE, NOT_ORDERED, PATH_UNKNOWN, Problem, TURN_UNKNOWN},
    router::Shared,
};

/// The characters of a key that nobody guesses, and of one that is still short.
const KEY_LENGTH: std::ops::RangeInclusive<usize> = 16..=128;

/// Answers a step.
pub(super) async fn answered(
    shared: &Shared,
    step: &'static Step,
    mut request: Request,
) -> Result<Response, Problem> {
    let path = request.extract_parts::<Path<Vec<(String, String)>>>().await;
    let Ok(Path(path)) = path else {
        return Err(Problem::own(PATH_UNKNOWN, "the path cannot be read"));
    };
    let (parts, body) = request.into_parts();
    let query = parts.uri.query();
    let envelope = Envelope::of(query, &parts.headers, &[])?.unconditional()?;
    let within = shared.options.read_within;
    let given = input::of_body(&parts.headers, body, within).await?;
    let given = step.checked(given)?;
    let place = Place::find(shared, &path).await?;
    let taken = Taken {
        shared,
        step,
        place,
        key: envelope.key,
    };
    match step.kind {
        Kind::ShowEvent => {
            let details = taken.run(step.operation, taken.of_event(given)).await?;
            Ok(shown(
                step,
                &parts.headers,
                &PublicEvent::of(read(details)?),
            ))
        }
        Kind::ShowSeats => {
            let seats = taken.run(step.operation, taken.of_event(given)).await?;
            Ok(shown(step, &parts.headers, &read::<EventSeats>(seats)?))
        }
        Kind::Hold => {
            let input = taken.of_event(taken.with_turn(given)?);
            let hold = taken.run(step.operation, input).await?;
            Ok(shown(step, &parts.headers, &taken.hold(hold)?))
        }
        Kind::Wait => {
            let joined = taken.run(step.operation, taken.of_event(given)).await?;
            let wait = PublicWait::of(read(joined)?);
            Ok(shown(step, &parts.headers, &wait))
        }
        Kind::TakeTurn => {
            let turn = taken.run(step.operation, taken.of_event(given)).await?;
            Ok(shown(step, &parts.headers, &taken.turn(read(turn)?)))
        }
        Kind::ShowTurn => {
            let turn = taken.run(step.operation, taken.of_turn(given)?).await?;
            Ok(shown(step, &parts.headers, &taken.turn(read(turn)?)))
        }
        Kind::ShowHold | Kind::Extend => {
            let hold = taken.run(step.operation, taken.of_hold(given)?).await?;
            Ok(shown(step, &parts.headers, &taken.hold(hold)?))
        }
        Kind::Release => {
            let mut released = taken.run(step.operation, taken.of_hold(given)?).await?;
            Ok(shown(
                step,
                &parts.headers,
                &taken.hold(released["hold"].take())?,
            ))
        }
        Kind::Order => {
            let input = taken.of_event(taken.of_hold(given)?);
            let placed = taken.run(step.operation, input).await?;
            let placed: PlacedOrder = read(placed)?;
            let page = taken.page(placed.order.order.id);
            Ok(shown(
                step,
                &parts.headers,
                &PublicOrder::placed(placed, page),
            ))
        }
        Kind::ShowOrder => {
            let order = taken.ordered(given).await?;
            let page = taken.page(order);
            let order = taken.run(step.operation, json!({"order": order})).await?;
            Ok(shown(
                step,
                &parts.headers,
                &PublicOrder::of(read(order)?, page),
            ))
        }
        Kind::Redeem => {
            let code = given["code"].clone();
            let order = taken.ordered(json!({})).await?;
            let page = taken.page(order);
            let input = json!({"order": order, "code": code});
            let redeemed: RedeemedGiftCard = read(taken.run(step.operation, input).await?)?;
            Ok(shown(
                step,
                &parts.headers,
                &PublicOrder::of(redeemed.order, page),
            ))
        }
    }
}

impl Step {
    /// Refuses what is not the buyer's to say; the operation itself knows more fields.
    fn checked(&self, given: Value) -> Result<Value, Problem> {
        let Some((field, _)) = schema::unknown_field(self.input_schema(), &given, "") else {
            return Ok(given);
        };
        let takes = if self.takes.is_empty() {
            "nothing".to_owned()
        } else {
            self.takes.join(", ")
        };
        let detail = format!("`{field}` is not taken here; this takes {takes}");
        Err(Problem::invalid_input(detail).at(&field))
    }
}

/// What the path of a request names.
enum Place {
    Event(OrganizationId, String),
    Checkout(Checkout),
    Turn(TurnLink),
}

impl Place {
    async fn find(shared: &Shared, path: &[(String, String)]) -> Result<Self, Problem> {
        let part = |wanted: &str| {
            path.iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, part)| part)
        };
        if let (Some(organization), Some(event)) = (part("organization"), part("event")) {
            // An id that names none is told apart from a foreign one by nobody: neither has the event.
            if let Ok(id) = organization.parse() {
                return Ok(Self::Event(id, event.clone()));
            }
            let found = find_organization(&shared.app, Some(organization)).await;
            let found = found.map_err(|error| domain::fault::Failure::of(&error))?;
            let Some((id, ..)) = found.first() else {
                let detail = format!("there is no organization {organization:?}");
                return Err(Problem::own(PATH_UNKNOWN, detail));
            };
            return Ok(Self::Event(*id, event.clone()));
        }
        if let Some(token) = part("turn") {
            return Ok(Self::Turn(open_turn(shared, token)?));
        }
        let token = part("checkout").map_or("", String::as_str);
        let checkout = Checkout::open(&shared.options.key, token);
        let detail = "this is not the checkout of a hold";
        checkout
            .map(Self::Checkout)
            .ok_or_else(|| Problem::own(CHECKOUT_UNKNOWN, detail))
    }

    fn organization_id(&self) -> OrganizationId {
        match self {
            Self::Event(id, _) => *id,
            Self::Checkout(checkout) => checkout.organization_id,
            Self::Turn(turn) => turn.organization_id,
        }
    }
}

fn turns(shared: &Shared) -> TurnPages {
    TurnPages::new(&shared.options.url, shared.options.key)
}

fn open_turn(shared: &Shared, token: &str) -> Result<TurnLink, Problem> {
    let turn = turns(shared).open(token);
    turn.ok_or_else(|| Problem::own(TURN_UNKNOWN, "this is not a turn of a waiting room").at(TURN))
}

/// A step somebody takes.
struct Taken<'a> {
    shared: &'a Shared,
    step: &'a Step,
    place: Place,
    key: Option<String>,
}

impl Taken<'_> {
    /// The input with the event of the path, or of the checkout.
    fn of_event(&self, mut input: Value) -> Value {
        input["event"] = match &self.place {
            Place::Event(_, event) => event.as_str().into(),
            Place::Checkout(checkout) => json!(checkout.event_id),
            Place::Turn(_) => Value::Null,
        };
        input
    }

    fn checkout(&self) -> Result<Checkout, Problem> {
        match self.place {
            Place::Checkout(checkout) => Ok(checkout),
            Place::Event(..) | Place::Turn(_) => Err(guard::internal().into()),
        }
    }

    /// The input with the turn of the path.
    fn of_turn(&self, mut input: Value) -> Result<Value, Problem> {
        let Place::Turn(turn) = self.place else {
            return Err(guard::internal().into());
        };
        input[TURN] = json!(turn.turn_id);
        Ok(input)
    }

    /// The input with the id of the turn whose token was given. One of another organization is no turn there.
    fn with_turn(&self, mut input: Value) -> Result<Value, Problem> {
        if let Some(token) = input[TURN].as_str() {
            let turn = open_turn(self.shared, token)?;
            input[TURN] = json!(turn.turn_id);
        }
        Ok(input)
    }

    /// A turn as its buyer sees it.
    fn turn(&self, turn: Turn) -> PublicTurn {
        let pages = turns(self.shared);
        let link = TurnLink {
            organization_id: self.place.organization_id(),
            turn_id: turn.id,
        };
        PublicTurn::of(turn, pages.token(&link), pages.url(&link))
    }

    /// The input with the hold of the checkout.
    fn of_hold(&self, mut input: Value) -> Result<Value, Problem> {
        input["hold"] = json!(self.checkout()?.hold_id);
        Ok(input)
    }

    /// The order that came of the hold of the checkout.
    async fn ordered(&self, given: Value) -> Result<OrderId, Problem> {
        let hold = self.run("get_hold", self.of_hold(given)?).await?;
        let order = read::<operations::holds::Hold>(hold)?.order_id;
        order.ok_or_else(|| Problem::own(NOT_ORDERED, "nothing was ordered of this hold yet"))
    }

    /// The buyer's own page of an order.
    fn page(&self, order_id: OrderId) -> String {
        let options = &self.shared.options;
        let organization_id = self.place.organization_id();
        OrderPages::new(&options.url, options.key).url(&OrderLink {
            organization_id,
            order_id,
        })
    }

    /// A hold as its buyer sees it.
    fn hold(&self, hold: Value) -> Result<PublicHold, Problem> {
        let hold: operations::holds::Hold = read(hold)?;
        let checkout = Checkout {
            organization_id: self.place.organization_id(),
            event_id: hold.event_id,
            hold_id: hold.id,
        };
        Ok(PublicHold::of(
            hold,
            checkout.token(&self.shared.options.key),
        ))
    }

    /// Runs an operation as a buyer with the permissions of this step.
    async fn run(&self, operation: &str, input: Value) -> Result<Value, Problem> {
        let entry: &Entry = catalog::find(operation).ok_or_else(guard::internal)?;
        let needs = self.step.needs.iter().copied();
        let mut cx = buyers::context(self.place.organization_id(), needs, Timestamp::now());
        if let Some(key) = self.key()? {
            cx = cx.with_key(key);
        }
        let running = entry.run(&self.shared.app, &cx, input, None);
        let limit = self.shared.options.run_within;
        Ok(guard::within(limit, entry.name, running).await?)
    }

    /// The idempotency key. All buyers are one actor: a key is kept apart from others' by the hold, or by being random.
    fn key(&self) -> Result<Option<String>, Problem> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        if !KEY_LENGTH.contains(&key.chars().count()) {
            let (least, most) = (KEY_LENGTH.start(), KEY_LENGTH.end());
            let detail = format!("an idempotency key of a buyer has {least} to {most} characters");
            return Err(Problem::own(KEY_GUESSABLE, detail).at("Idempotency-Key"));
        }
        Ok(Some(match &self.place {
            Place::Event(..) => key.clone(),
            Place::Checkout(checkout) => format!("{} {key}", checkout.hold_id),
            Place::Turn(turn) => format!("{} {key}", turn.turn_id),
        }))
    }
}

/// An operation's answer with its type, which it had until it was erased.
fn read<T: DeserializeOwned>(answer: Value) -> Result<T, Problem> {
    serde_json::from_value(answer).map_err(|error| {
        tracing::error!(%error, "An operation's answer does not fit its own type");
        guard::internal().into()
    })
}

fn shown(step: &Step, headers: &HeaderMap, answer: &impl Serialize) -> Response {
    let value = view::json(answer);
    if step.method == axum::http::Method::GET {
        answer::tagged(headers, &value)
    } else {
        answer::json(step.status, &value)
    }
}
