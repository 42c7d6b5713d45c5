//! The page of somebody's turn in a waiting room: it says how far the turn has come, renews itself, and once it has come one
//! chooses tickets and orders them there. It works without scripts; the link is the place in the queue, so it survives
//! reloads and another device.

mod words;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Path, State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use domain::{Fault, FaultKind, Money, TurnId, fault::Failure};
use operations::{
    App,
    buyers::{OrderLink, OrderPages, TurnLink, TurnPages},
    holds::{HoldTickets, PickedItem, ReleaseHold},
    orders::{Buyer, PlaceOrder},
    ticket_types::{ListTicketTypes, SaleState, TicketType},
    waiting_room::{CheckTurn, JoinWaitingRoom, Turn, TurnStatus},
};

use self::words::{Words, words};
use super::{
    buyer::{self, note, when},
    escaped,
};
use crate::config::Config;

/// More than the form sends.
const LONGEST_BODY: usize = 16 * 1024;

/// The most of one ticket type that the form offers.
const MOST: i32 = 10;

struct Served {
    app: App,
    turns: TurnPages,
    orders: OrderPages,
}

/// `/turns/{token}`: GET shows, POST buys or takes a new turn.
pub(super) fn router(app: &App, config: &Config, key: [u8; 32]) -> Router {
    let served = Arc::new(Served {
        app: app.clone(),
        turns: TurnPages::new(&config.url(), key),
        orders: OrderPages::new(&config.url(), key),
    });
    Router::new()
        .route("/turns/{token}", get(show).post(act))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(served)
}

async fn show(
    State(served): State<Arc<Served>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let words = words(&headers);
    let Some(link) = served.turns.open(&token) else {
        return buyer::unknown(words.language);
    };
    served.shown(&link, words, &Filled::default()).await
}

/// What the form sends: `decision`, `name`, `email`, and a quantity by the id of each ticket type.
type Said = HashMap<String, String>;

async fn act(
    State(served): State<Arc<Served>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    said: Result<Form<Said>, FormRejection>,
) -> Response {
    let words = words(&headers);
    let Some(link) = served.turns.open(&token) else {
        return buyer::unknown(words.language);
    };
    let said = said.map(|Form(said)| said).unwrap_or_default();
    match said.get("decision").map(String::as_str) {
        Some("buy") => served.buy(&link, words, said).await,
        Some("again") => served.take_another(&link, words).await,
        _ => served.shown(&link, words, &Filled::default()).await,
    }
}

/// A form as it was sent, and why it could not be served.
#[derive(Default)]
struct Filled {
    said: Said,
    problem: Option<String>,
}

impl Filled {
    fn value(&self, field: &str) -> String {
        self.said
            .get(field)
            .map_or_else(String::new, |text| escaped(text))
    }
}

impl Served {
    async fn shown(&self, link: &TurnLink, words: &Words, filled: &Filled) -> Response {
        let cx = buyer::context(link.organization_id);
        let check = CheckTurn { turn: link.turn_id };
        let turn = match self.app.run(&cx, check).await {
            Ok(turn) => turn,
            Err(error) => return buyer::failed(error.spec().kind, words.language),
        };
        let types = if turn.status == TurnStatus::Now {
            let list = ListTicketTypes {
                event: turn.event_id.into(),
            };
            match self.app.run(&cx, list).await {
                Ok(list) => list.ticket_types,
                Err(error) => return buyer::failed(error.spec().kind, words.language),
            }
        } else {
            Vec::new()
        };
        page(&turn, &types, words, filled)
    }

    /// Holds what was chosen in this turn, orders it, and sends on to the order.
    async fn buy(&self, link: &TurnLink, words: &Words, said: Said) -> Response {
        let types = match self.types(link).await {
            Ok(types) => types,
            Err(failure) => return buyer::failed(failure.kind, words.language),
        };
        let asked = match Asked::read(&said, &types) {
            Ok(asked) => asked,
            Err(missing) => {
                let problem = Some(missing.said(words).to_owned());
                return self.shown(link, words, &Filled { said, problem }).await;
            }
        };
        match self.order(link, asked).await {
            Ok(url) => Redirect::to(&url).into_response(),
            Err(failure) if is_theirs(failure.kind) => {
                let problem = Some(failure.message);
                self.shown(link, words, &Filled { said, problem }).await
            }
            Err(failure) => buyer::failed(failure.kind, words.language),
        }
    }

    /// What the event of a turn sells.
    async fn types(&self, link: &TurnLink) -> Result<Vec<TicketType>, Failure> {
        let cx = buyer::context(link.organization_id);
        let check = CheckTurn { turn: link.turn_id };
        let event = self.run(&cx, check).await?.event_id.into();
        Ok(self.run(&cx, ListTicketTypes { event }).await?.ticket_types)
    }

    async fn order(&self, link: &TurnLink, asked: Asked) -> Result<String, Failure> {
        let cx = buyer::context(link.organization_id);
        let turn = self.run(&cx, CheckTurn { turn: link.turn_id }).await?;
        let hold = HoldTickets {
            event: turn.event_id.into(),
            items: asked.items,
            promo_code: None,
            turn: Some(link.turn_id),
        };
        let hold = self.run(&cx, hold).await?.id;
        let order = PlaceOrder {
            event: turn.event_id.into(),
            items: Vec::new(),
            hold: Some(hold),
            promo_code: None,
            buyer: asked.buyer,
            note: None,
        };
        match self.run(&cx, order).await {
            Ok(placed) => Ok(self.orders.url(&OrderLink {
                organization_id: link.organization_id,
                order_id: placed.order.order.id,
            })),
            Err(failure) => {
                // They may choose otherwise while their turn lasts.
                let _ = self.run(&cx, ReleaseHold { hold }).await;
                Err(failure)
            }
        }
    }

    async fn run<O: operations::Operation>(
        &self,
        cx: &domain::Cx,
        operation: O,
    ) -> Result<O::Output, Failure> {
        let outcome = self.app.run(cx, operation).await;
        outcome.map_err(|error| Failure::of(&error))
    }

    async fn take_another(&self, link: &TurnLink, words: &Words) -> Response {
        match self.another(link).await {
            Ok(turn_id) => {
                let link = TurnLink { turn_id, ..*link };
                Redirect::to(&self.turns.url(&link)).into_response()
            }
            Err(failure) if failure.kind == FaultKind::Conflict => {
                let problem = Some(failure.message);
                let filled = Filled {
                    problem,
                    ..Filled::default()
                };
                self.shown(link, words, &filled).await
            }
            Err(failure) => buyer::failed(failure.kind, words.language),
        }
    }

    /// Another turn for whoever's is over; theirs for anybody else.
    async fn another(&self, link: &TurnLink) -> Result<TurnId, Failure> {
        let cx = buyer::context(link.organization_id);
        let turn = self.run(&cx, CheckTurn { turn: link.turn_id }).await?;
        if turn.status != TurnStatus::Over {
            return Ok(turn.id);
        }
        let event = turn.event_id.into();
        Ok(self.run(&cx, JoinWaitingRoom { event }).await?.id)
    }
}

/// Whether whoever filled the form in can do something about it.
fn is_theirs(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Conflict | FaultKind::Invalid)
}

/// What somebody wants to order.
struct Asked {
    items: Vec<PickedItem>,
    buyer: Buyer,
}

/// What a form lacks.
enum Missing {
    Tickets,
    Price,
    Name,
    Email,
}

impl Missing {
    fn said<'a>(&self, words: &'a Words) -> &'a str {
        match self {
            Self::Tickets => words.no_tickets,
            Self::Price => words.no_price,
            Self::Name => words.no_name,
            Self::Email => words.no_email,
        }
    }
}

impl Asked {
    fn read(said: &Said, types: &[TicketType]) -> Result<Self, Missing> {
        let mut items = Vec::new();
        for kind in types {
            let quantity = said.get(&kind.id.to_string()).map(|text| text.parse());
            let Some(Ok(quantity @ 1..)) = quantity else {
                continue;
            };
            let price = said.get(&price_field(kind)).map(|text| text.trim());
            let price = price.filter(|text| !text.is_empty());
            let price =
                price.map(|text| Money::read(text, kind.price.currency).ok_or(Missing::Price));
            items.push(PickedItem {
                ticket_type: kind.id.into(),
                quantity,
                seats: Vec::new(),
                accessible: 0,
                price: price.transpose()?,
            });
        }
        if items.is_empty() {
            return Err(Missing::Tickets);
        }
        let text = |field: &str| said.get(field).map_or("", |text| text.trim());
        Ok(Self {
            items,
            buyer: Buyer {
                name: text("name").parse().map_err(|_| Missing::Name)?,
                email: text("email").parse().map_err(|_| Missing::Email)?,
            },
        })
    }
}

/// The field in which the buyer chooses what one costs.
fn price_field(kind: &TicketType) -> String {
    format!("price-{}", kind.id)
}

fn page(turn: &Turn, types: &[TicketType], words: &Words, filled: &Filled) -> Response {
    let title = escaped(&turn.event_title);
    let starts = when(turn.event_starts, words.language);
    let mut body = format!("<h1>{title}</h1><p class=\"soft\">{starts}</p>");
    if let Some(problem) = &filled.problem {
        body.push_str(&note("wrong", &escaped(problem)));
    }
    body.push_str(&state(turn, types, words, filled));
    let mut response = buyer::page(StatusCode::OK, words.language, &title, &body, "");
    let again = turn
        .ask_again_seconds
        .map(|seconds| HeaderValue::from(seconds.max(1)));
    if let Some(again) = again {
        response.headers_mut().insert(header::REFRESH, again);
    }
    response
}

/// How far the turn has come, and what can be done.
fn state(turn: &Turn, types: &[TicketType], words: &Words, filled: &Filled) -> String {
    match (turn.status, turn.opens, turn.position) {
        (TurnStatus::Waiting, Some(opens), _) => {
            let opens = when(opens, words.language);
            let told = format!("{} {opens} ({}). {}", words.opens, turn.zone, words.by_lot);
            note("waits", &told) + &note("soft", words.keep_open)
        }
        (TurnStatus::Waiting, None, position) => {
            let position = position.unwrap_or(1);
            let place = format!("<strong class=\"place\">{position}</strong>");
            let about = match turn.about_minutes {
                None => words.unknown_pace.to_owned(),
                Some(..=1) => words.about_a_minute.to_owned(),
                Some(minutes) => words.about.replace("{}", &minutes.to_string()),
            };
            let told = format!("{} {place} {about}", words.position);
            note("waits", &told) + &note("soft", words.keep_open)
        }
        (TurnStatus::Now, ..) => {
            let until = turn.until_local.map(|until| when(until, words.language));
            let told = until.map_or_else(
                || words.now.to_owned(),
                |until| format!("{} {} {until} ({}).", words.now, words.until, turn.zone),
            );
            note("said", &told) + &form(types, words, filled)
        }
        (TurnStatus::Over, ..) => {
            let button = format!(
                "<form method=\"post\" action=\"?\"><button name=\"decision\" value=\"again\">{}</button></form>",
                words.again
            );
            note("wrong", words.over) + &button
        }
    }
}

/// What can be chosen, and who buys.
fn form(types: &[TicketType], words: &Words, filled: &Filled) -> String {
    let rows: String = types.iter().map(|kind| row(kind, words, filled)).collect();
    let field = |name: &str, kind: &str, label: &str| {
        let value = filled.value(name);
        format!(
            "<label>{label}<input type=\"{kind}\" name=\"{name}\" value=\"{value}\" autocomplete=\"{name}\" required maxlength=\"200\"></label>"
        )
    };
    format!(
        "<form method=\"post\" action=\"?\"><ul class=\"lines\">{rows}</ul>{}{}<button name=\"decision\" value=\"buy\">{}</button></form>",
        field("name", "text", words.name),
        field("email", "email", words.email),
        words.buy,
    )
}

fn row(kind: &TicketType, words: &Words, filled: &Filled) -> String {
    let name = escaped(&kind.name);
    let costs = if kind.price.is_zero() {
        words.free.to_owned()
    } else {
        kind.price.to_string()
    };
    let most = kind
        .max_per_order
        .min(kind.max_per_buyer.unwrap_or(MOST))
        .min(kind.availability.left.unwrap_or(MOST))
        .min(MOST);
    let choice = if kind.state != SaleState::OnSale || most < 1 {
        format!(
            "<span class=\"soft\">{}</span>",
            words.not_on_sale(kind.state)
        )
    } else {
        let chosen: i32 = filled
            .said
            .get(&kind.id.to_string())
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        let option = |n: i32| {
            let selected = if n == chosen { " selected" } else { "" };
            format!("<option{selected}>{n}</option>")
        };
        let numbers = std::iter::once(0).chain(kind.min_per_order.max(1)..=most);
        let options: String = numbers.map(option).collect();
        format!(
            "<select name=\"{}\" aria-label=\"{name}\">{options}</select>",
            kind.id
        )
    };
    let chosen = match kind.chosen_up_to {
        Some(most) if kind.state == SaleState::OnSale => {
            let field = price_field(kind);
            let said = words.choose.replace("{least}", &costs);
            format!(
                "<label class=\"soft\">{}<input name=\"{field}\" inputmode=\"decimal\" value=\"{}\" maxlength=\"20\"></label>",
                said.replace("{most}", &most.to_string()),
                filled.value(&field),
            )
        }
        _ => format!("<br><span class=\"soft\">{costs}</span>"),
    };
    format!("<li><span>{name}{chosen}</span>{choice}</li>")
}
