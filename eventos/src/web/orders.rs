//! The page of one order, behind its own link: what was bought, how to pay it, and the tickets. It works without scripts
//! and is where buyers come back to from the payment provider.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use domain::{Cx, Fault as _, FaultKind, Language, Permission, Timestamp, fault::Failure};
use operations::{
    App,
    buyers::{self, OrderLink, OrderPages},
    orders::{
        GetOrder, OrderDetail, OrderStatus,
        payments::{CheckPayment, StartCheckout},
    },
    tickets::TicketStatus,
};

use super::{Page, escaped, linked};
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

fn context(link: &OrderLink) -> Cx {
    let may = [
        Permission::OrdersRead,
        Permission::OrdersWrite,
        Permission::AttendeesPersonal,
    ];
    buyers::context(link.organization_id, may, Timestamp::now())
}

async fn show(
    State(served): State<Arc<Served>>,
    Path(token): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let words = words(&headers);
    let Some(link) = served.pages.open(&token) else {
        return said(StatusCode::NOT_FOUND, words, words.unknown);
    };
    let cx = context(&link);
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
        Err(error) => failed(error.spec().kind, words),
    }
}

async fn pay(
    State(served): State<Arc<Served>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let words = words(&headers);
    let Some(link) = served.pages.open(&token) else {
        return said(StatusCode::NOT_FOUND, words, words.unknown);
    };
    let cx = context(&link);
    let order = link.order_id.into();
    let refused = match served.app.run(&cx, StartCheckout { order }).await {
        Ok(started) => match started.page_url {
            Some(url) => return Redirect::to(&url).into_response(),
            None => return failed(FaultKind::Unavailable, words),
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
        Err(error) => failed(error.spec().kind, words),
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
    unknown: (&'static str, &'static str),
    later: (&'static str, &'static str),
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
    unknown: (
        "This link does not work",
        "It may have been cut off. Open the whole link again, or ask the organizer.",
    ),
    later: (
        "This does not work right now",
        "Nothing is lost. Please open this page again in a few minutes.",
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
    unknown: (
        "Dieser Link funktioniert nicht",
        "Vielleicht ist er abgeschnitten. Öffnen Sie den ganzen Link, oder fragen Sie den Veranstalter.",
    ),
    later: (
        "Das geht gerade nicht",
        "Es ist nichts verloren. Bitte öffnen Sie diese Seite in ein paar Minuten noch einmal.",
    ),
};

/// In the language that the browser wants most, of those there are.
fn words(headers: &HeaderMap) -> &'static Words {
    let wanted = headers.get(header::ACCEPT_LANGUAGE);
    let wanted = wanted.and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut wanted = wanted.split(',').map(|tag| tag.trim().to_lowercase());
    let known = |tag: String| match tag.get(..2) {
        Some("de") => Some(&DE),
        Some("en") => Some(&EN),
        _ => None,
    };
    wanted.find_map(known).unwrap_or(&EN)
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
    page(StatusCode::OK, words, &title, &body)
}

/// How the order stands, and what the buyer can do.
fn state(order: &OrderDetail, words: &Words, is_back: bool, why: Option<&str>) -> String {
    let note = |class: &str, text: &str| format!("<p class=\"{class}\" role=\"status\">{text}</p>");
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

fn failed(kind: FaultKind, words: &Words) -> Response {
    match kind {
        FaultKind::NotFound => said(StatusCode::NOT_FOUND, words, words.unknown),
        _ => said(StatusCode::SERVICE_UNAVAILABLE, words, words.later),
    }
}

fn said(status: StatusCode, words: &Words, (title, text): (&str, &str)) -> Response {
    page(
        status,
        words,
        title,
        &format!("<h1>{title}</h1><p>{text}</p>"),
    )
}

fn page(status: StatusCode, words: &Words, title: &str, body: &str) -> Response {
    linked(&Page {
        status,
        lang: words.language.as_str(),
        title,
        style: include_str!("orders.css"),
        forms_to: PAGES,
        body,
    })
}
