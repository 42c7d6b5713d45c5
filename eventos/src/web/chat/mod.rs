//! The chat: a person talks to the organizer's assistant and decides what it proposes. Behind a link that `serve` prints and
//! that works once; from then on behind a signed cookie, so that a restart of the server logs nobody out.

mod door;
mod follow;
mod render;

use std::sync::Arc;

use axum::{
    Form, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use domain::{ApprovalId, ConversationId, Cx, Fault as _};
use operations::{
    App, Operation, RunError,
    approvals::{DecideApproval, Decision},
    conversations::{AskAgent, GetConversation, ListConversations, StopConversation},
};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::escaped;
pub(crate) use door::Door;

#[derive(Clone)]
struct Served {
    app: App,
    door: Arc<Door>,
    stop: CancellationToken,
}

/// The routes of the chat.
pub(super) fn router(app: &App, door: Arc<Door>, stop: &CancellationToken) -> Router {
    let served = Served {
        app: app.clone(),
        door,
        stop: stop.clone(),
    };
    Router::new()
        .route("/chat", get(front).post(say))
        .route("/chat/open/{code}", get(open))
        .route(
            "/chat/chat.js",
            get(|| async { asset("text/javascript; charset=utf-8", include_str!("chat.js")) }),
        )
        .route(
            "/chat/chat.css",
            get(|| async { asset("text/css; charset=utf-8", include_str!("chat.css")) }),
        )
        .route("/chat/{id}", get(show).post(say_more))
        .route("/chat/{id}/events", get(events))
        .route("/chat/{id}/stop", post(stop_it))
        .route("/chat/{id}/decide", post(decide))
        .with_state(served)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

/// What a person typed.
#[derive(Deserialize)]
struct Said {
    message: String,
}

/// What a person decided.
#[derive(Deserialize)]
struct Decided {
    approval: ApprovalId,
    decision: String,
    #[serde(default)]
    note: String,
}

/// The link works once.
async fn open(State(served): State<Served>, Path(code): Path<String>) -> Response {
    match served.door.enter(&code) {
        Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/chat")).into_response(),
        None => closed(),
    }
}

/// Who is there, if they came in by the door and from our own pages.
fn person(served: &Served, headers: &HeaderMap, writes: bool) -> Option<Cx> {
    if writes && !from_here(headers) {
        return None;
    }
    served.door.who(headers)
}

/// Whether a form was sent by a page of ours: browsers say so.
fn from_here(headers: &HeaderMap) -> bool {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (value("sec-fetch-site"), value("origin"), value("host")) {
        (Some(site), ..) => site == "same-origin",
        (None, Some(origin), Some(host)) => origin
            .split_once("://")
            .is_some_and(|(_, rest)| rest == host),
        _ => false,
    }
}

fn closed() -> Response {
    let body = "<h1>The chat opens with a link</h1><p>Its link works once, for a quarter of an hour, and is printed where the server \
        was started. Start <code>eventos serve</code> again for a new one, or talk in the terminal: <code>eventos chat</code>.</p>";
    respond(
        StatusCode::FORBIDDEN,
        "Chat",
        &format!("<main class=\"plain\">{body}</main>"),
    )
}

async fn front(State(served): State<Served>, headers: HeaderMap) -> Response {
    let Some(cx) = person(&served, &headers, false) else {
        return closed();
    };
    match served.app.run(&cx, ListConversations::default()).await {
        Ok(page) => respond(StatusCode::OK, "Chat", &render::front(&page.items)),
        Err(error) => refused(&error),
    }
}

async fn say(State(served): State<Served>, headers: HeaderMap, Form(said): Form<Said>) -> Response {
    let ask = AskAgent {
        message: said.message,
        ..AskAgent::default()
    };
    let Some(cx) = person(&served, &headers, true) else {
        return closed();
    };
    match served.app.run(&cx, ask).await {
        Ok(conversation) => Redirect::to(&format!("/chat/{}", conversation.id)).into_response(),
        Err(error) => refused(&error),
    }
}

async fn show(
    State(served): State<Served>,
    headers: HeaderMap,
    Path(id): Path<ConversationId>,
) -> Response {
    let Some(cx) = person(&served, &headers, false) else {
        return closed();
    };
    match served.app.run(&cx, GetConversation::of(id)).await {
        Ok(detail) => respond(
            StatusCode::OK,
            &detail.conversation.title,
            &render::conversation(&detail),
        ),
        Err(error) => refused(&error),
    }
}

async fn say_more(
    State(served): State<Served>,
    headers: HeaderMap,
    Path(id): Path<ConversationId>,
    Form(said): Form<Said>,
) -> Response {
    let ask = AskAgent {
        message: said.message,
        conversation: Some(id),
        agent: None,
    };
    act(&served, &headers, id, ask).await
}

async fn stop_it(
    State(served): State<Served>,
    headers: HeaderMap,
    Path(id): Path<ConversationId>,
) -> Response {
    act(&served, &headers, id, StopConversation { conversation: id }).await
}

async fn decide(
    State(served): State<Served>,
    headers: HeaderMap,
    Path(id): Path<ConversationId>,
    Form(decided): Form<Decided>,
) -> Response {
    let decision = match decided.decision.as_str() {
        "approved" => Decision::Approved,
        "rejected" => Decision::Rejected,
        _ => {
            return respond(
                StatusCode::UNPROCESSABLE_ENTITY,
                "Chat",
                "<main class=\"plain\"><h1>Neither yes nor no</h1></main>",
            );
        }
    };
    let note = Some(decided.note.trim().to_owned()).filter(|note| !note.is_empty());
    let command = DecideApproval {
        approval: decided.approval,
        decision,
        note,
    };
    act(&served, &headers, id, command).await
}

/// Does what a form asks for and shows the conversation again.
async fn act<O: Operation>(
    served: &Served,
    headers: &HeaderMap,
    id: ConversationId,
    command: O,
) -> Response {
    let Some(cx) = person(served, headers, true) else {
        return closed();
    };
    match served.app.run(&cx, command).await {
        Ok(_) => Redirect::to(&format!("/chat/{id}")).into_response(),
        Err(error) => refused(&error),
    }
}

async fn events(
    State(served): State<Served>,
    headers: HeaderMap,
    Path(id): Path<ConversationId>,
) -> Response {
    let Some(cx) = person(&served, &headers, false) else {
        return closed();
    };
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok());
    follow::stream(served.app, cx, id, last, served.stop)
}

fn refused<E: domain::Fault>(error: &RunError<E>) -> Response {
    let status = match error.spec().kind {
        domain::FaultKind::NotFound => StatusCode::NOT_FOUND,
        domain::FaultKind::Forbidden => StatusCode::FORBIDDEN,
        domain::FaultKind::Unavailable | domain::FaultKind::Internal => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::CONFLICT,
    };
    let text = domain::text::sentence(&error.to_string());
    let body = format!(
        "<main class=\"plain\"><h1>That did not work</h1><p>{}</p><p>{}</p><p><a href=\"/chat\">All conversations</a></p></main>",
        escaped(&text),
        escaped(error.spec().next)
    );
    respond(status, "Chat", &body)
}

/// A page that is not kept and not framed, with nothing from elsewhere in it.
fn respond(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, \
         initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><title>{} · EventOS</title><link rel=\"stylesheet\" \
         href=\"/chat/chat.css\"><script src=\"/chat/chat.js\" defer></script></head><body>{body}</body></html>",
        escaped(title)
    );
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Html(html)).into_response()
}
