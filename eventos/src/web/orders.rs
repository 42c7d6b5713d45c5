//! The page of one order, behind its own link: what was bought, how to pay it, and the tickets. It works without scripts
//! and is where buyers come back to from the payment provider.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use domain::{Fault as _, FaultKind, Language, Timestamp, fault::Failure};
use operations::{
    App,
    buyers::OrderPages,
    orders::{
        GetOrder, OrderDetail, OrderStatus,
        payments::{CheckPayment, StartCheckout},
    },
    tickets::TicketStatus,
};

use super::{
    buyer::{self, note},
    escaped,
};
use crate::config::Config;

/// Where the provider's pages are: browsers apply the policy of a page to what its form is redirected to as well. An
/// organizer may have them under a domain of their own; a simulator's are on this machine.
const PAGES: &str = "https: http://127.0.0.1:* http://localhost:*";

struct Served {
    app: App,
    pages: OrderPages,
}

/// `/orders/{token}`: GET shows, POST sends on to pay.
pub(super) fn router(app: &App, config: &Config, key: [u8; 32]) -> Router {
    let served = Arc::new(Served {
        app: app.clone(),
        pages: OrderPages::new(&config.url(), key),
    });
    Router::new()
        .route("/orders/{token}", get(show).post(pay))
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
    let cx = buyer::context(link.organization_id);
    let order = link.order_id.into();
    // Back from the provider: its webhook may be late, so this looks for itself. If that fails the page says what is
    // known; the webhook or the hourly round finds the rest.
    let is_back = query.as_deref() == Some("back");
    if is_back && let Ok(checked) = served.app.run(&cx, CheckPayment { order }).await {
        return shown(&checked.order, words, is_back, None);
    }
    let order = link.order_id.into();
    match served.app.run(&cx, GetOrder { order }).await {
        Ok(order) => shown(&order, words, is_back, None),
        Err(error) => buyer::failed(error.spec().kind, words.language),
    }
}

async fn pay(
    State(served): State<Arc<Served>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let words = words(&headers);
    let Some(link) = served.pages.open(&token) else {
        return buyer::unknown(words.language);
    };
    let cx = buyer::context(link.organization_id);
    let order = link.order_id.into();
    let refused = match served.app.run(&cx, StartCheckout { order }).await {
        Ok(started) => match started.page_url {
            Some(url) => return Redirect::to(&url).into_response(),
            None => return buyer::failed(FaultKind::Unavailable, words.language),
        },
        Err(error) => Failure::of(&error),
    };
    tracing::info!(code = refused.code, "A buyer could not be sent to pay");
    let order = link.order_id.into();
    let why = match refused.code {
        "no_payment_provider" => words.to_organizer,
        "payment_time_over" | "nothing_to_pay" | "payment_on_its_way" => None,
        _ => words.provider_down,
    };
    match served.app.run(&cx, GetOrder { order }).await {
        Ok(order) => shown(&order, words, false, why),
        Err(error) => buyer::failed(error.spec().kind, words.language),
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
    to_organizer: Option<&'static str>,
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
    to_organizer: Some("Please pay the organizer, with the order number as the reference."),
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
    to_organizer: Some(
        "Bitte bezahlen Sie beim Veranstalter, mit der Bestellnummer als Verwendungszweck.",
    ),
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

fn shown(order: &OrderDetail, words: &Words, is_back: bool, why: Option<&'static str>) -> Response {
    let mut body = format!(
        "<h1>{}</h1><p class=\"soft\">{} <strong>{}</strong></p>",
        escaped(&order.order.event_title),
        words.order,
        escaped(&order.order.number)
    );
    body.push_str(&state(order, words, is_back, why));
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
    body.push_str("</ul>");
    if order.order.status == OrderStatus::Paid {
        body.push_str(&tickets(order, words));
    }
    let title = format!("{} {}", words.order, escaped(&order.order.number));
    buyer::page(StatusCode::OK, words.language, &title, &body, PAGES)
}

/// How the order stands, and what the buyer can do.
fn state(order: &OrderDetail, words: &Words, is_back: bool, why: Option<&str>) -> String {
    match order.order.status {
        OrderStatus::Paid => note("said", words.paid),
        OrderStatus::Expired => note("wrong", words.expired),
        OrderStatus::Cancelled => note("wrong", words.cancelled),
        OrderStatus::Pending => {
            let mut text = match why {
                Some(why) => note("wrong", why),
                None if is_back => note("waits", words.on_its_way),
                None => note("waits", words.waits),
            };
            let button = if is_back { words.pay_again } else { words.pay };
            // The form's own address would bring the query along.
            let _ = write!(
                text,
                "<form method=\"post\" action=\"?\"><button>{button}</button></form>"
            );
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
