//! Where programs outside post to start a workflow. What is posted is data; the address, and a signature where one is
//! asked for, are the only rights.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use delivery::webhook::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use domain::{Fault as _, FaultKind, Timestamp, fault::Failure};
use operations::{
    App,
    workflow_runs::webhooks::{BODY_LIMIT, ReceiveError, Received, receive},
};
use serde_json::json;

/// `POST /hooks/{address}`.
pub(super) fn router(app: &App) -> Router {
    Router::new()
        .route("/hooks/{address}", post(take))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(app.clone())
}

async fn take(
    State(app): State<App>,
    Path(address): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let message = format!("the body is longer than {BODY_LIMIT} bytes");
            let next = "Send less, or a link to the rest.";
            return refused(rejection.status(), "body_too_large", &message, next);
        }
        Err(rejection) => {
            let next = "Send the request again.";
            return refused(
                rejection.status(),
                "body_unreadable",
                "the body broke off",
                next,
            );
        }
    };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // Another EventOS names its deliveries by an id of its own, which is never used twice.
    let key = text("Idempotency-Key").or_else(|| text(ID_HEADER));
    let received = Received {
        address: &address,
        body: &body,
        key,
        timestamp: text(TIMESTAMP_HEADER),
        signature: text(SIGNATURE_HEADER),
    };
    match receive(&app, received, Timestamp::now()).await {
        Ok(started) => (StatusCode::ACCEPTED, Json(json!(started))).into_response(),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &ReceiveError) -> Response {
    let failure = Failure::of(error);
    let status = match error.spec().kind {
        FaultKind::NotFound => StatusCode::NOT_FOUND,
        FaultKind::Conflict => StatusCode::CONFLICT,
        FaultKind::Invalid => StatusCode::BAD_REQUEST,
        FaultKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        FaultKind::Limited => StatusCode::TOO_MANY_REQUESTS,
        FaultKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => {
            tracing::error!(%error, "A request from outside could not be taken");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    let mut response = refused(status, failure.code, &failure.message, failure.next);
    if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE {
        let soon = header::HeaderValue::from_static("10");
        response.headers_mut().insert(header::RETRY_AFTER, soon);
    }
    response
}

fn refused(status: StatusCode, code: &str, message: &str, next: &str) -> Response {
    let error = json!({"error": {"code": code, "message": message, "next": next}});
    (status, Json(error)).into_response()
}
