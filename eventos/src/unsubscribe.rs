//! The way out of news: the page behind the link in every one of them, and the one POST that is enough (RFC 8058).

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use domain::{Language, Timestamp};
use operations::{
    App,
    messages::{Subscriber, subscriber, unsubscribe},
};

use crate::web::{Page, escaped, linked};

struct Served {
    app: App,
    key: [u8; 32],
}

/// `/u/{token}`: GET asks, POST does it, with no cookie and no further question.
pub(crate) fn router(app: &App, key: [u8; 32]) -> Router {
    let served = Arc::new(Served {
        app: app.clone(),
        key,
    });
    Router::new()
        .route("/u/{token}", get(ask).post(act))
        .with_state(served)
}

/// Mail scanners follow links, so looking at the page changes nothing.
async fn ask(State(served): State<Arc<Served>>, Path(token): Path<String>) -> Response {
    match subscriber(&served.app, &served.key, &token).await {
        Ok(Some(found)) => page(StatusCode::OK, &asking(&found)),
        Ok(None) => page(StatusCode::NOT_FOUND, UNKNOWN),
        Err(error) => unavailable(&error),
    }
}

async fn act(State(served): State<Arc<Served>>, Path(token): Path<String>) -> Response {
    match unsubscribe(&served.app, &served.key, &token, Timestamp::now()).await {
        Ok(Some(found)) => page(StatusCode::OK, &done(&found)),
        Ok(None) => page(StatusCode::NOT_FOUND, UNKNOWN),
        Err(error) => unavailable(&error),
    }
}

fn asking(found: &Subscriber) -> String {
    let name = escaped(&found.organization);
    let (title, text, button) = match found.language {
        Language::En => (
            format!("News from {name}"),
            "You will still get mail about tickets you buy.",
            "Unsubscribe",
        ),
        Language::De => (
            format!("Neuigkeiten von {name}"),
            "Mails zu Tickets, die Sie kaufen, bekommen Sie weiterhin.",
            "Abbestellen",
        ),
    };
    format!("<h1>{title}</h1><p>{text}</p><form method=\"post\"><button>{button}</button></form>")
}

fn done(found: &Subscriber) -> String {
    let name = escaped(&found.organization);
    match found.language {
        Language::En => format!(
            "<h1>You are unsubscribed</h1><p>{name} sends you no more news. You will still get mail about tickets you buy.</p>"
        ),
        Language::De => format!(
            "<h1>Abbestellt</h1><p>{name} schickt Ihnen keine Neuigkeiten mehr. Mails zu Tickets, die Sie kaufen, bekommen Sie weiterhin.</p>"
        ),
    }
}

const UNKNOWN: &str = "<h1>This link does not work</h1><p>It may have been cut off. Open the whole link from the mail, \
    or answer the mail and ask to be taken off the list.</p>";

fn unavailable(error: &store::StoreError) -> Response {
    tracing::error!(%error, "Somebody could not unsubscribe");
    let text = "<h1>This does not work right now</h1><p>Nothing was changed. Please try again in a few minutes.</p>";
    page(StatusCode::SERVICE_UNAVAILABLE, text)
}

fn page(status: StatusCode, body: &str) -> Response {
    linked(&Page {
        status,
        lang: "en",
        title: "Unsubscribe",
        style: "",
        forms_to: "",
        body,
    })
}
