//! The page of somebody on a waiting list, behind the link in the mail that offers them places: to take them, or to leave
//! the list. It works without scripts; only a pressed button changes anything, so that mail scanners may look at it.

use std::sync::Arc;

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Path, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use domain::{Fault as _, FaultKind, Language, Name, OrderId};
use operations::{
    App,
    buyers::{OrderLink, OrderPages, WaitlistLink, WaitlistPages},
    orders::{Buyer, PlaceOrder},
    waitlist::{GetWaitlistEntry, LeaveWaitlist, WaitlistEntry, WaitlistStatus},
};
use serde::Deserialize;

use super::{
    buyer::{self, note, when},
    escaped,
};
use crate::config::Config;

/// More than the form sends.
const LONGEST_BODY: usize = 1024;

struct Served {
    app: App,
    entries: WaitlistPages,
    orders: OrderPages,
}

/// `/waitlist/{token}`: GET shows, POST takes what is offered or leaves.
pub(super) fn router(app: &App, config: &Config, key: [u8; 32]) -> Router {
    let served = Arc::new(Served {
        app: app.clone(),
        entries: WaitlistPages::new(&config.url(), key),
        orders: OrderPages::new(&config.url(), key),
    });
    Router::new()
        .route("/waitlist/{token}", get(show).post(decide))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(served)
}

async fn show(
    State(served): State<Arc<Served>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let words = words(&headers);
    let Some(link) = served.entries.open(&token) else {
        return buyer::unknown(words.language);
    };
    served.shown(&link, words).await
}

/// What the form sends.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    decision: String,
}

async fn decide(
    State(served): State<Arc<Served>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    said_: Result<Form<Said>, FormRejection>,
) -> Response {
    let words = words(&headers);
    let Some(link) = served.entries.open(&token) else {
        return buyer::unknown(words.language);
    };
    let decision = said_.map(|Form(said)| said.decision).unwrap_or_default();
    match decision.as_str() {
        "take" => served.take(&link, words).await,
        "leave" => {
            let entry = link.entry_id;
            match served
                .app
                .run(
                    &buyer::context(link.organization_id),
                    LeaveWaitlist { entry },
                )
                .await
            {
                Ok(left) => served.page(&link, &left.entry, words),
                Err(error) => buyer::failed(error.spec().kind, words.language),
            }
        }
        _ => served.shown(&link, words).await,
    }
}

impl Served {
    async fn shown(&self, link: &WaitlistLink, words: &Words) -> Response {
        let entry = link.entry_id;
        match self
            .app
            .run(
                &buyer::context(link.organization_id),
                GetWaitlistEntry { entry },
            )
            .await
        {
            Ok(entry) => self.page(link, &entry, words),
            Err(error) => buyer::failed(error.spec().kind, words.language),
        }
    }

    /// Orders what is offered, in the name that is on the list, and sends on to the order.
    async fn take(&self, link: &WaitlistLink, words: &Words) -> Response {
        let (cx, entry) = (buyer::context(link.organization_id), link.entry_id);
        let entry = match self.app.run(&cx, GetWaitlistEntry { entry }).await {
            Ok(entry) => entry,
            Err(error) => return buyer::failed(error.spec().kind, words.language),
        };
        let offer = entry
            .offer
            .as_ref()
            .filter(|_| entry.status == WaitlistStatus::Offered);
        let named = (
            entry.name.as_str().parse::<Name>(),
            entry.email.as_str().parse(),
        );
        let (Some(offer), (Ok(name), Ok(email))) = (offer, named) else {
            return self.page(link, &entry, words);
        };
        let order = PlaceOrder {
            event: entry.event_id.into(),
            items: Vec::new(),
            hold: Some(offer.hold_id),
            promo_code: None,
            buyer: Buyer { name, email },
            note: None,
        };
        match self.app.run(&cx, order).await {
            Ok(placed) => {
                Redirect::to(&self.order_page(link, placed.order.order.id)).into_response()
            }
            // Too late, or twice: the page says how it stands.
            Err(error) if error.spec().kind == FaultKind::Conflict => self.shown(link, words).await,
            Err(error) => buyer::failed(error.spec().kind, words.language),
        }
    }

    fn order_page(&self, link: &WaitlistLink, order_id: OrderId) -> String {
        self.orders.url(&OrderLink {
            organization_id: link.organization_id,
            order_id,
        })
    }

    fn page(&self, link: &WaitlistLink, entry: &WaitlistEntry, words: &Words) -> Response {
        let title = escaped(&entry.event_title);
        let mut body = format!(
            "<h1>{title}</h1><ul class=\"lines\"><li><span>{} × {}</span><span>{}</span></li></ul>",
            entry.quantity,
            escaped(&entry.ticket_type),
            match &entry.offer {
                None => String::new(),
                Some(offer) if offer.total.is_zero() => words.free.to_owned(),
                Some(offer) => offer.total.to_string(),
            },
        );
        body.push_str(&self.state(link, entry, words));
        buyer::page(StatusCode::OK, words.language, &title, &body, "")
    }

    /// How it stands, and what can be done.
    fn state(&self, link: &WaitlistLink, entry: &WaitlistEntry, words: &Words) -> String {
        let button = |decision: &str, text: &str| {
            format!(
                "<form method=\"post\" action=\"?\"><button name=\"decision\" value=\"{decision}\">{text}</button></form>"
            )
        };
        match (entry.status, &entry.offer, entry.order_id) {
            (WaitlistStatus::Offered, Some(offer), _) => {
                let until = when(offer.until_local, words.language);
                let told = format!("{} {until} ({}).", words.offered, offer.zone);
                let told = note("said", &told);
                let name = escaped(entry.name.as_str());
                let whose = note(
                    "soft",
                    &format!(
                        "{} {name}, {}",
                        words.order_for,
                        escaped(entry.email.as_str())
                    ),
                );
                told + &whose + &button("take", words.take) + &button("leave", words.decline)
            }
            (WaitlistStatus::Bought, _, Some(order_id)) => {
                let url = escaped(&self.order_page(link, order_id));
                note("said", &format!("<a href=\"{url}\">{}</a>", words.bought))
            }
            (WaitlistStatus::Waiting, ..) => {
                note("waits", words.waiting) + &button("leave", words.leave)
            }
            (WaitlistStatus::Left, ..) => note("wrong", words.left),
            _ => note("wrong", words.lapsed),
        }
    }
}

/// The words of the page in one language.
struct Words {
    language: Language,
    free: &'static str,
    offered: &'static str,
    order_for: &'static str,
    take: &'static str,
    decline: &'static str,
    waiting: &'static str,
    leave: &'static str,
    left: &'static str,
    lapsed: &'static str,
    bought: &'static str,
}

const EN: Words = Words {
    language: Language::En,
    free: "free",
    offered: "It is your turn. These places are held for you until",
    order_for: "The order is for",
    take: "Take the places",
    decline: "No, thank you",
    waiting: "You are on the waiting list. A mail tells you as soon as places are free.",
    leave: "Leave the waiting list",
    left: "You are not on the waiting list any more.",
    lapsed: "The time for this offer is over, and the places went to the next on the list.",
    bought: "You have ordered these places. Here is your order.",
};

const DE: Words = Words {
    language: Language::De,
    free: "kostenlos",
    offered: "Sie sind an der Reihe. Diese Plätze sind für Sie reserviert bis",
    order_for: "Die Bestellung ist für",
    take: "Plätze nehmen",
    decline: "Nein, danke",
    waiting: "Sie stehen auf der Warteliste. Eine Mail sagt Ihnen, sobald Plätze frei sind.",
    leave: "Von der Warteliste gehen",
    left: "Sie stehen nicht mehr auf der Warteliste.",
    lapsed: "Die Zeit für dieses Angebot ist vorbei, die Plätze gingen an die Nächsten auf der Liste.",
    bought: "Sie haben diese Plätze bestellt. Hier ist Ihre Bestellung.",
};

fn words(headers: &HeaderMap) -> &'static Words {
    match buyer::language(headers) {
        Language::En => &EN,
        Language::De => &DE,
    }
}
