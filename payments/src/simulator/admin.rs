//! Telling the simulator what to do wrong, while it runs.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};

use super::{
    Simulator,
    error::ApiError,
    options::{Fault, Webhooks},
};

pub(super) async fn get_webhooks(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
) -> Response {
    match simulator.authorized(&headers) {
        Ok(()) => Json(simulator.state().webhooks.clone()).into_response(),
        Err(error) => refused(&error),
    }
}

/// Replaces all settings; those that are not named get their defaults.
pub(super) async fn set_webhooks(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Json(webhooks): Json<Webhooks>,
) -> Response {
    if let Err(error) = simulator.authorized(&headers) {
        return refused(&error);
    }
    simulator.set_webhooks(webhooks);
    StatusCode::NO_CONTENT.into_response()
}

/// Lets the next requests go wrong, one after the other.
pub(super) async fn add_faults(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Json(faults): Json<Vec<Fault>>,
) -> Response {
    if let Err(error) = simulator.authorized(&headers) {
        return refused(&error);
    }
    simulator.add_faults(faults);
    StatusCode::NO_CONTENT.into_response()
}

/// Lets the buyer's bank send a refund back.
pub(super) async fn fail_refund(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Path(refund): Path<String>,
) -> Response {
    let allowed = simulator.authorized(&headers);
    let failed = allowed.and_then(|()| simulator.state().fail_refund(&refund, simulator.now()));
    simulator.ring();
    match failed {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refused(&error),
    }
}

fn refused(error: &ApiError) -> Response {
    (error.status, Json(error.body())).into_response()
}
