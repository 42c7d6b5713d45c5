//! The page of one order, behind its own link: what was bought, how to pay it, and the tickets. It works without scripts
//! and is where buyers come back to from the payment provider.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Path, RawQuery, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use domain::{Cx, Fault as _, FaultKind, Language, OrderId, Timestamp, fault::Failure};
use operations::{
    App,
    buyers::{OrderLink, OrderPages},
    events::Event,
    lifecycle::GetEvent,
    orders::{
        GetOrder, OrderDetail, OrderStatus,
        payments::{
            CheckPayment, GetPaymentOptions, PaymentMethod, PaymentOptions, RedeemGiftCard,
            StartCheckout,
        },
    },
    tickets::TicketStatus,
};
use serde::Deserialize;

use super::{
    buyer::{self, note},
    escaped,
};
use crate::config::Config;

/// Where the provider's pages are: browsers apply the policy of a page to what its form is redirected to as well. An
/// organizer may have them under a domain of their own; a simulator's are on this machine.
const PAGES: &str = "https: http://127.0.0.1:* http://localhost:*";

/// More than a form sends.
const MOST_BYTES: usize = 4 * 1024;

struct Served {
    app: App,
    pages: OrderPages,
}

/// `/orders/{token}`: GET shows, POST sends on to pay, or pays with a gift card.
pub(super) fn router(app: &App, config: &Config, key: [u8; 32]) -> Router {
    let served = Arc::new(Served {
        app: app.clone(),
        pages: OrderPages::new(&config.url(), key),
    });
    Router::new()
        .route("/orders/{token}", get(show).post(pay))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(served)
}

async fn show(
    State(served): State<Arc<Served>>,
    Path(token): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let words = words(&headers);
    let Some(link) = served.pages.open(&token) else {
        return buyer::unknown(words.language);
    };
    // Back from the provider: its webhook may be late, so this looks for itself. If that fails the page says what is
    // known; the webhook or the hourly round finds the rest.
    let is_back = query.as_deref() == Some("back");
    if is_back {
        let order = link.order_id.into();
        let cx = buyer::context(link.organization_id);
        if let Err(error) = served.app.run(&cx, CheckPayment { order }).await {
            tracing::info!(code = error.spec().code, "A payment could not be looked up");
        }
    }
    let asked = Asked {
        is_back,
        ..Asked::default()
    };
    served.shown(&link, words, &asked).await
}

/// What the forms send.
#[derive(Debug, Default, Deserialize)]
struct Said {
    /// The code of a gift card; absent when the buyer wants to pay online.
    gift_card: Option<String>,
}

async fn pay(
    State(served): State<Arc<Served>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    said: Result<Form<Said>, FormRejection>,
) -> Response {
    let words = words(&headers);
    let Some(link) = served.pages.open(&token) else {
        return buyer::unknown(words.language);
    };
    let said = said.map(|Form(said)| said).unwrap_or_default();
    match said.gift_card {
        Some(code) => served.redeem(&link, words, code).await,
        None => served.send_on(&link, words).await,
    }
}

/// How a buyer came to see the page.
#[derive(Default)]
struct Asked {
    /// From the provider.
    is_back: bool,
    /// What they wanted did not work, for this reason.
    problem: Option<&'static str>,
    /// The gift card did not, for this one.
    card_problem: Option<&'static str>,
}

impl Served {
    async fn shown(&self, link: &OrderLink, words: &Words, asked: &Asked) -> Response {
        let cx = buyer::context(link.organization_id);
        match self.order(&cx, link.order_id).await {
            Ok((order, options)) => {
                let event = order.order.event_id.into();
                // A draft, or what is put away, is there for no buyer; their order still is.
                let event = self.app.run(&cx, GetEvent { event }).await.ok();
                let seen = Seen {
                    order,
                    event: event.map(|details| details.event),
                    options,
                };
                shown(&seen, words, asked)
            }
            Err(kind) => buyer::failed(kind, words.language),
        }
    }

    /// An order, and how it can be paid if it can.
    async fn order(
        &self,
        cx: &Cx,
        id: OrderId,
    ) -> Result<(OrderDetail, Option<PaymentOptions>), FaultKind> {
        let order = self.app.run(cx, GetOrder { order: id.into() }).await;
        let order = order.map_err(|error| error.spec().kind)?;
        if order.order.status != OrderStatus::Pending {
            return Ok((order, None));
        }
        // Refused when its time is over, or its money is on its way: then there is nothing to choose.
        let options = GetPaymentOptions { order: id.into() };
        let options = self.app.run(cx, options).await.ok();
        Ok((order, options))
    }

    async fn send_on(&self, link: &OrderLink, words: &Words) -> Response {
        let cx = buyer::context(link.organization_id);
        let order = link.order_id.into();
        let refused = match self.app.run(&cx, StartCheckout { order }).await {
            Ok(started) => match started.page_url {
                Some(url) => return Redirect::to(&url).into_response(),
                None => return buyer::failed(FaultKind::Unavailable, words.language),
            },
            Err(error) => Failure::of(&error),
        };
        tracing::info!(code = refused.code, "A buyer could not be sent to pay");
        let problem = match refused.code {
            "no_payment_provider"
            | "payment_time_over"
            | "nothing_to_pay"
            | "payment_on_its_way" => None,
            _ => words.provider_down,
        };
        let asked = Asked {
            problem,
            ..Asked::default()
        };
        self.shown(link, words, &asked).await
    }

    async fn redeem(&self, link: &OrderLink, words: &Words, code: String) -> Response {
        let cx = buyer::context(link.organization_id);
        let redeem = RedeemGiftCard {
            order: link.order_id.into(),
            code,
            amount: None,
        };
        let card_problem = match self.app.run(&cx, redeem).await {
            Ok(_) => None,
            Err(error) => {
                let refused = Failure::of(&error);
                tracing::info!(code = refused.code, "A gift card was not taken");
                match refused.code {
                    "gift_card_misread" => Some(words.card_misread),
                    "gift_card_unknown" => Some(words.card_unknown),
                    "gift_card_not_active" => Some(words.card_not_active),
                    "currency_differs" => Some(words.card_other_currency),
                    "nothing_to_pay" | "payment_time_over" | "payment_on_its_way" => None,
                    _ => Some(words.card_down),
                }
            }
        };
        if card_problem.is_none() {
            // So that a reload pays nothing twice.
            return Redirect::to("?").into_response();
        }
        let asked = Asked {
            card_problem,
            ..Asked::default()
        };
        self.shown(link, words, &asked).await
    }
}

/// The words of the page in one language.
struct Words {
    language: Language,
    order: &'static str,
    total: &'static str,
    pay: &'static str,
    pay_again: &'static str,
    held: (&'static str, &'static str),
    waits: &'static str,
    on_its_way: &'static str,
    paid: &'static str,
    tickets: &'static str,
    show_code: &'static str,
    void: &'static str,
    expired: &'static str,
    cancelled: &'static str,
    given_back: &'static str,
    to_organizer: &'static str,
    gift_card: &'static str,
    gift_card_ask: &'static str,
    gift_card_code: &'static str,
    gift_card_pay: &'static str,
    still_open: &'static str,
    card_misread: &'static str,
    card_unknown: &'static str,
    card_not_active: &'static str,
    card_other_currency: &'static str,
    card_down: &'static str,
    provider_down: Option<&'static str>,
}

const EN: Words = Words {
    language: Language::En,
    order: "Order",
    total: "Total",
    pay: "Pay now",
    pay_again: "Go on paying",
    held: ("Your places are held for another", "minutes."),
    waits: "This order is not paid yet.",
    on_its_way: "No payment has come in yet. If you have paid, it can take a moment: open this page again.",
    paid: "Paid. Thank you!",
    tickets: "Your tickets",
    show_code: "Show the code at the door.",
    void: "no longer valid",
    expired: "This order was not paid in time, and its places are free again. You can order anew.",
    cancelled: "This order was cancelled.",
    given_back: "given back",
    to_organizer: "Please pay the organizer, with the order number as the reference.",
    gift_card: "Gift card",
    gift_card_ask: "Do you have a gift card?",
    gift_card_code: "Code of the gift card",
    gift_card_pay: "Pay with the gift card",
    still_open: "Still to be paid",
    card_misread: "This code is not complete, or a character is wrong. Please compare it with your card.",
    card_unknown: "There is no gift card with this code. Please compare it with your card.",
    card_not_active: "Nothing is left on this gift card, or it is not valid any more.",
    card_other_currency: "This gift card is in another currency.",
    card_down: "This does not work right now. Nothing was taken from your gift card: please try again in a minute.",
    provider_down: Some(
        "The payment page cannot be opened right now. Nothing is lost: please try again in a minute.",
    ),
};

const DE: Words = Words {
    language: Language::De,
    order: "Bestellung",
    total: "Summe",
    pay: "Jetzt bezahlen",
    pay_again: "Weiter zur Zahlung",
    held: ("Ihre Plätze sind noch", "Minuten reserviert."),
    waits: "Diese Bestellung ist noch nicht bezahlt.",
    on_its_way: "Es ist noch keine Zahlung eingegangen. Wenn Sie bezahlt haben, kann es einen Moment dauern: Öffnen Sie diese Seite noch einmal.",
    paid: "Bezahlt. Vielen Dank!",
    tickets: "Ihre Tickets",
    show_code: "Zeigen Sie den Code am Einlass.",
    void: "nicht mehr gültig",
    expired: "Diese Bestellung wurde nicht rechtzeitig bezahlt, die Plätze sind wieder frei. Sie können neu bestellen.",
    cancelled: "Diese Bestellung wurde storniert.",
    given_back: "erstattet",
    to_organizer: "Bitte bezahlen Sie beim Veranstalter, mit der Bestellnummer als Verwendungszweck.",
    gift_card: "Gutschein",
    gift_card_ask: "Haben Sie einen Gutschein?",
    gift_card_code: "Gutscheincode",
    gift_card_pay: "Gutschein einlösen",
    still_open: "Noch zu bezahlen",
    card_misread: "Dieser Code ist nicht vollständig, oder ein Zeichen stimmt nicht. Bitte vergleichen Sie ihn mit Ihrem Gutschein.",
    card_unknown: "Es gibt keinen Gutschein mit diesem Code. Bitte vergleichen Sie ihn mit Ihrem Gutschein.",
    card_not_active: "Auf diesem Gutschein ist nichts mehr, oder er ist nicht mehr gültig.",
    card_other_currency: "Dieser Gutschein ist in einer anderen Währung.",
    card_down: "Das geht gerade nicht. Von Ihrem Gutschein wurde nichts genommen: Bitte versuchen Sie es gleich noch einmal.",
    provider_down: Some(
        "Die Zahlungsseite lässt sich gerade nicht öffnen. Es ist nichts verloren: Bitte versuchen Sie es gleich noch einmal.",
    ),
};

fn words(headers: &HeaderMap) -> &'static Words {
    match buyer::language(headers) {
        Language::En => &EN,
        Language::De => &DE,
    }
}

/// What the page is about.
struct Seen {
    order: OrderDetail,
    event: Option<Event>,
    /// How it can be paid, if it can.
    options: Option<PaymentOptions>,
}

/// When and where an event is.
fn place_and_time(event: &Event, language: Language) -> String {
    let starts = buyer::when(event.starts, language);
    let place = event.venue.as_ref().map(|venue| escaped(&venue.name));
    let place = place.map_or_else(String::new, |place| format!(", {place}"));
    format!("<p class=\"soft\">{starts}{place}</p>")
}

fn shown(seen: &Seen, words: &Words, asked: &Asked) -> Response {
    let (order, options) = (&seen.order, seen.options.as_ref());
    let mut body = format!(
        "<h1>{}</h1>{}<p class=\"soft\">{} <strong>{}</strong></p>",
        escaped(&order.order.event_title),
        seen.event
            .as_ref()
            .map_or_else(String::new, |event| place_and_time(event, words.language)),
        words.order,
        escaped(&order.order.number)
    );
    body.push_str(&state(order, options, words, asked));
    body.push_str("<ul class=\"lines\">");
    for item in &order.items {
        let sum = item.unit_price.amount.saturating_mul(item.quantity.into());
        let sum = domain::Money::new(sum, item.unit_price.currency);
        let (quantity, name) = (item.quantity, escaped(&item.name));
        let _ = write!(
            body,
            "<li><span>{quantity} × {name}</span><span>{sum}</span></li>"
        );
    }
    let _ = write!(
        body,
        "<li class=\"sum\"><span>{}</span><span>{}</span></li>",
        words.total, order.order.total
    );
    let from_cards = order.payments.iter();
    for payment in from_cards.filter(|payment| payment.method == PaymentMethod::GiftCard) {
        let (words, paid) = (words.gift_card, payment.amount);
        let paid = domain::Money::new(-paid.amount, paid.currency);
        let _ = write!(body, "<li><span>{words}</span><span>{paid}</span></li>");
    }
    for refund in order
        .refunds
        .iter()
        .filter(|refund| refund.failure.is_none())
    {
        let _ = write!(
            body,
            "<li><span>{}</span><span>{}</span></li>",
            words.given_back, refund.amount
        );
    }
    if let Some(open) = order.order.open.filter(|open| *open != order.order.total) {
        let words = words.still_open;
        let _ = write!(
            body,
            "<li class=\"sum\"><span>{words}</span><span>{open}</span></li>"
        );
    }
    body.push_str("</ul>");
    if options.is_some_and(|options| options.gift_card) {
        body.push_str(&gift_card(words, asked));
    }
    if order.order.status == OrderStatus::Paid {
        body.push_str(&tickets(order, words));
    }
    let title = format!("{} {}", words.order, escaped(&order.order.number));
    buyer::page(StatusCode::OK, words.language, &title, &body, PAGES)
}

/// How the order stands, and what the buyer can do.
fn state(
    order: &OrderDetail,
    options: Option<&PaymentOptions>,
    words: &Words,
    asked: &Asked,
) -> String {
    match order.order.status {
        OrderStatus::Paid => note("said", words.paid),
        OrderStatus::Expired => note("wrong", words.expired),
        OrderStatus::Cancelled => note("wrong", words.cancelled),
        OrderStatus::Pending => {
            let mut text = match asked.problem {
                Some(problem) => note("wrong", problem),
                // What cannot be paid any more, or not yet again, has perhaps been paid.
                None if asked.is_back || options.is_none() => note("waits", words.on_its_way),
                None => note("waits", words.waits),
            };
            if options.is_some_and(|options| options.online) {
                let button = if asked.is_back {
                    words.pay_again
                } else {
                    words.pay
                };
                // The form's own address would bring the query along.
                let _ = write!(
                    text,
                    "<form method=\"post\" action=\"?\"><button>{button}</button></form>"
                );
            } else if options.is_some_and(|options| options.to_organizer) {
                let _ = write!(text, "<p>{}</p>", words.to_organizer);
            }
            if let Some(until) = order.order.pay_by {
                let left = until.as_microseconds() - Timestamp::now().as_microseconds();
                let minutes = (left / 60_000_000).max(0) + 1;
                let (before, after) = words.held;
                let _ = write!(text, "<p class=\"small\">{before} {minutes} {after}</p>");
            }
            text
        }
    }
}

/// What buyers with a gift card fill in; open when they did and it was not taken.
fn gift_card(words: &Words, asked: &Asked) -> String {
    let is_open = asked.card_problem.map_or("", |_| " open");
    let problem = asked.card_problem.map(|problem| note("wrong", problem));
    format!(
        "<details{is_open}><summary>{}</summary>{}<form method=\"post\" action=\"?\"><label>{}<input name=\"gift_card\" \
         required autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\" \
         maxlength=\"60\"></label><button>{}</button></form></details>",
        words.gift_card_ask,
        problem.unwrap_or_default(),
        words.gift_card_code,
        words.gift_card_pay,
    )
}

fn tickets(order: &OrderDetail, words: &Words) -> String {
    let mut text = format!(
        "<h2>{}</h2><p class=\"soft\">{}</p><ul class=\"tickets\">",
        words.tickets, words.show_code
    );
    for ticket in &order.tickets {
        let void = if ticket.status == TicketStatus::Valid {
            String::new()
        } else {
            format!(" <span class=\"soft\">({})</span>", words.void)
        };
        let _ = write!(
            text,
            "<li><span>{}</span><code>{}</code>{void}</li>",
            escaped(&ticket.ticket_type),
            escaped(&ticket.code)
        );
    }
    text.push_str("</ul>");
    text
}
