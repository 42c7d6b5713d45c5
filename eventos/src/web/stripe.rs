//! Where Stripe tells what happened. What it says is kept before it is answered for; a job looks it up.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use domain::Timestamp;
use operations::{
    App,
    orders::payments::{receive_notice, take_notices},
};
use payments::{
    Secret,
    stripe::{Notice, SIGNATURE_HEADER, verify},
};

use crate::{config::Config, payments::webhook_secrets};

/// More than any of its notices takes.
const LONGEST_BODY: usize = 1024 * 1024;

struct Served {
    app: App,
    secrets: Vec<Secret>,
}

/// `POST /webhooks/stripe`.
pub(super) fn router(app: &App, config: &Config) -> Router {
    let served = Arc::new(Served {
        app: app.clone(),
        secrets: webhook_secrets(config),
    });
    Router::new()
        .route("/webhooks/stripe", post(take))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(served)
}

async fn take(
    State(served): State<Arc<Served>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let now = Timestamp::now();
    let signature = headers.get(SIGNATURE_HEADER);
    let signature = signature.and_then(|value| value.to_str().ok());
    // The bytes as they came: another spelling of the same JSON has another signature.
    if let Err(error) = verify(signature.unwrap_or_default(), &body, &served.secrets, now) {
        tracing::warn!(%error, "A webhook that says it is from Stripe is not believed");
        let text = format!("{error}; see stripe.webhook_secret\n");
        return (StatusCode::BAD_REQUEST, text);
    }
    if let Err(error) = receive_notice(&served.app, &Notice::read(&body), now).await {
        tracing::error!(%error, "A webhook of Stripe could not be kept; it will come again");
        let text = "not kept; send it again\n".to_owned();
        return (StatusCode::SERVICE_UNAVAILABLE, text);
    }
    // It is kept: should this fail, a worker takes it up within a minute.
    if let Err(error) = take_notices(&served.app, now).await {
        tracing::warn!(%error, "A webhook of Stripe is looked up later");
    }
    (StatusCode::OK, "kept\n".to_owned())
}
