//! The parts of Stripe's interface that the adapter uses, and its rules for keys.

use axum::{
    body::{Body, Bytes},
    extract::State as Inside,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use domain::{Currency, Timestamp};
use futures_util::stream;
use serde_json::Value;

use super::{
    Simulator,
    error::ApiError,
    form::Params,
    options::Fault,
    shapes,
    state::{Kept, LineItem, Refund, Session, SessionStatus, State},
    telling::Asked,
};

/// Answers any request below `/v1`.
pub(super) async fn answer(
    Inside(simulator): Inside<Simulator>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(error) = simulator.authorized(&headers) {
        return respond(error.status, &error.body());
    }
    let fault = simulator.state().faults.pop_front();
    if let Some(Fault::Refused {
        status,
        retry_after,
    }) = fault
    {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let mut response = respond(status, &ApiError::ordered(status).body());
        response
            .headers_mut()
            .extend(retry_after.map(|wait| (header::RETRY_AFTER, wait.into())));
        return response;
    }
    let (status, json, is_repeat) = done(&simulator, &method, &uri, &headers, &body);
    let mut response = match fault {
        Some(Fault::Cut) => return cut(),
        Some(Fault::DoneButFailed) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return respond(status, &ApiError::ordered(status).body());
        }
        Some(Fault::Slow { ms }) => {
            tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
            respond(status, &json)
        }
        _ => respond(status, &json),
    };
    if is_repeat {
        let name = header::HeaderName::from_static("idempotent-replayed");
        response
            .headers_mut()
            .insert(name, header::HeaderValue::from_static("true"));
    }
    response
}

fn respond(status: StatusCode, json: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, json.to_string()).into_response()
}

/// An answer in the middle of which the connection breaks.
fn cut() -> Response {
    let broken = std::io::Error::other("the simulator was told to break off");
    Response::new(Body::from_stream(stream::iter([Ok("{"), Err(broken)])))
}

/// Does what is asked, once for each key.
fn done(
    simulator: &Simulator,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> (StatusCode, Value, bool) {
    let now = simulator.now();
    let mut state = simulator.state();
    let key = headers
        .get("Idempotency-Key")
        .and_then(|key| key.to_str().ok());
    let key = key.filter(|_| method == Method::POST).map(str::to_owned);
    let asked = Asked {
        request_id: Some(state.new_id("req_", 14)),
        key: key.clone(),
    };
    let fingerprint = format!("{uri} {}", hex::encode(body));
    if let Some(kept) = key.as_ref().and_then(|key| state.kept.get(key)) {
        if kept.fingerprint == fingerprint {
            return (kept.status, kept.body.clone(), true);
        }
        let error = ApiError::key_reused(&key.unwrap_or_default());
        return (error.status, error.body(), false);
    }
    let encoded = if method == Method::POST {
        body
    } else {
        uri.query().unwrap_or_default().as_bytes()
    };
    let outcome = Params::read(encoded)
        .and_then(|params| route(&mut state, method, uri.path(), &params, &asked, now));
    let is_kept = !matches!(&outcome, Err(error) if error.is_about_the_form());
    let (status, body) = match outcome {
        Ok(json) => (StatusCode::OK, json),
        Err(error) => (error.status, error.body()),
    };
    if let Some(key) = key.filter(|_| is_kept) {
        let body = body.clone();
        state.kept.insert(
            key,
            Kept {
                fingerprint,
                status,
                body,
            },
        );
    }
    drop(state);
    simulator.ring();
    (status, body, false)
}

fn route(
    state: &mut State,
    method: &Method,
    path: &str,
    params: &Params,
    asked: &Asked,
    now: Timestamp,
) -> Result<Value, ApiError> {
    state.sweep(now);
    let path: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    match (method.as_str(), path.as_slice()) {
        ("POST", ["checkout", "sessions"]) => create_session(state, params, now),
        ("GET", ["checkout", "sessions"]) => list_sessions(state, params),
        ("GET", ["checkout", "sessions", id]) => get_session(state, id, params),
        ("POST", ["checkout", "sessions", id, "expire"]) => {
            params.only(&["expand"])?;
            state.expire(id, asked, now)?;
            Ok(state.session_json(id))
        }
        ("GET", ["payment_intents", id]) => {
            params.only(&["expand"])?;
            state.payment(id)?;
            Ok(state.payment_json(id, params.texts("expand").contains(&"latest_charge")))
        }
        ("POST", ["refunds"]) => create_refund(state, params, asked, now),
        ("GET", ["refunds"]) => list_refunds(state, params),
        ("GET", ["refunds", id]) => {
            params.only(&["expand"])?;
            state.refund(id)?;
            Ok(state.refund_json(id))
        }
        ("GET", ["events"]) => list_notices(state, params),
        ("GET", ["events", id]) => {
            let found = state.notices.iter().find(|notice| notice.id == *id);
            found
                .map(|notice| notice.body.clone())
                .ok_or_else(|| ApiError::not_found("event", id, "id"))
        }
        (method, path) => {
            let message = format!(
                "Unrecognized request URL ({method}: /v1/{}).",
                path.join("/")
            );
            Err(ApiError::refused(message).with_status(StatusCode::NOT_FOUND))
        }
    }
}

const SESSION_PARAMETERS: &[&str] = &[
    "mode",
    "line_items",
    "client_reference_id",
    "success_url",
    "cancel_url",
    "expires_at",
    "metadata",
    "customer_email",
    "payment_intent_data",
    "locale",
    "expand",
    "payment_method_types",
];

fn create_session(state: &mut State, params: &Params, now: Timestamp) -> Result<Value, ApiError> {
    params.only(SESSION_PARAMETERS)?;
    let mode = params.required("mode")?;
    if mode != "payment" {
        return Err(ApiError::refused("The simulator takes single payments only.").at("mode"));
    }
    let (lines, currency) = line_items(params)?;
    let total = lines
        .iter()
        .map(|line| line.unit_amount.saturating_mul(line.quantity))
        .fold(0, i64::saturating_add);
    shapes::check_amount(total, currency)?;
    let none = Params::default();
    let about_payment = params.get("payment_intent_data").unwrap_or(&none);
    about_payment.only(&["metadata", "description"])?;
    let text = |name: &str| params.text(name).map(str::to_owned);
    let day = super::state::seconds(now) + 24 * 60 * 60;
    let session = Session {
        id: String::new(),
        status: SessionStatus::Open,
        currency,
        lines,
        total,
        reference: text("client_reference_id"),
        email: text("customer_email"),
        locale: text("locale"),
        success_url: url(params, "success_url")?,
        cancel_url: url(params, "cancel_url")?,
        metadata: params.map("metadata"),
        payment_metadata: about_payment.map("metadata"),
        description: about_payment.text("description").map(str::to_owned),
        created: 0,
        expires_at: params.number("expires_at")?.unwrap_or(day),
        payment: None,
    };
    let id = state.open(session, now)?;
    Ok(state.session_json(&id))
}

fn line_items(params: &Params) -> Result<(Vec<LineItem>, Currency), ApiError> {
    let mut lines = Vec::new();
    let mut currency = None;
    for item in params.list("line_items") {
        let price = item
            .get("price_data")
            .ok_or_else(|| ApiError::missing("line_items[0][price_data]"))?;
        let code = price.required("currency")?;
        let known: Currency = code.parse().map_err(|_| {
            let message = format!("Invalid currency: {code}.");
            ApiError::invalid(
                "parameter_invalid",
                "line_items[0][price_data][currency]",
                message,
            )
        })?;
        if currency.is_some_and(|other| other != known) {
            return Err(
                ApiError::refused("All line items must have the same currency.").at("line_items"),
            );
        }
        currency = Some(known);
        let amount = price.number("unit_amount")?;
        let product = price
            .get("product_data")
            .and_then(|product| product.text("name"));
        lines.push(LineItem {
            name: product
                .ok_or_else(|| ApiError::missing("line_items[0][price_data][product_data][name]"))?
                .to_owned(),
            unit_amount: amount
                .ok_or_else(|| ApiError::missing("line_items[0][price_data][unit_amount]"))?,
            quantity: item
                .number("quantity")?
                .ok_or_else(|| ApiError::missing("line_items[0][quantity]"))?,
        });
    }
    let currency = currency.ok_or_else(|| ApiError::missing("line_items"))?;
    Ok((lines, currency))
}

/// An address to send a browser to: nothing but the web.
fn url(params: &Params, name: &str) -> Result<String, ApiError> {
    let url = params.required(name)?;
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(url.to_owned());
    }
    Err(ApiError::invalid("url_invalid", name, "Not a valid URL"))
}

fn get_session(state: &State, id: &str, params: &Params) -> Result<Value, ApiError> {
    params.only(&["expand"])?;
    let payment = state.session(id)?.payment.clone();
    let mut json = state.session_json(id);
    if let Some(payment) = payment.filter(|_| params.texts("expand").contains(&"payment_intent")) {
        json["payment_intent"] = state.payment_json(&payment, false);
    }
    Ok(json)
}

fn list_sessions(state: &State, params: &Params) -> Result<Value, ApiError> {
    params.only(&["limit", "starting_after", "payment_intent"])?;
    let wanted = params.text("payment_intent");
    let mut sessions: Vec<&Session> = state.sessions.values().collect();
    sessions.retain(|session| wanted.is_none() || session.payment.as_deref() == wanted);
    sessions.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    let all = sessions
        .into_iter()
        .map(|session| state.session_json(&session.id))
        .collect();
    page("/v1/checkout/sessions", all, params)
}

fn create_refund(
    state: &mut State,
    params: &Params,
    asked: &Asked,
    now: Timestamp,
) -> Result<Value, ApiError> {
    params.only(&[
        "payment_intent",
        "charge",
        "amount",
        "metadata",
        "reason",
        "expand",
    ])?;
    let payment = match (params.text("payment_intent"), params.text("charge")) {
        (Some(payment), _) => payment.to_owned(),
        (None, Some(charge)) => {
            let mut payments = state.payments.values();
            let found = payments.find(|payment| payment.charge.as_deref() == Some(charge));
            found
                .ok_or_else(|| ApiError::not_found("charge", charge, "charge"))?
                .id
                .clone()
        }
        (None, None) => return Err(ApiError::missing("payment_intent")),
    };
    let refund = Refund {
        id: String::new(),
        charge: String::new(),
        amount: 0,
        currency: state.payment(&payment)?.currency,
        payment,
        metadata: params.map("metadata"),
        reason: params.text("reason").map(str::to_owned),
        created: 0,
        failure: None,
    };
    let id = state.give_back(refund, params.number("amount")?, asked, now)?;
    Ok(state.refund_json(&id))
}

fn list_refunds(state: &State, params: &Params) -> Result<Value, ApiError> {
    params.only(&["payment_intent", "charge", "limit", "starting_after"])?;
    let (payment, charge) = (params.text("payment_intent"), params.text("charge"));
    let wanted = |refund: &&Refund| {
        payment.is_none_or(|payment| refund.payment == payment)
            && charge.is_none_or(|charge| refund.charge == charge)
    };
    let all = state
        .refunds
        .iter()
        .rev()
        .filter(wanted)
        .map(shapes::refund)
        .collect();
    page("/v1/refunds", all, params)
}

fn list_notices(state: &State, params: &Params) -> Result<Value, ApiError> {
    params.only(&[
        "limit",
        "starting_after",
        "type",
        "types",
        "created",
        "delivery_success",
    ])?;
    let (kind, kinds) = (params.text("type"), params.texts("types"));
    let since = params
        .get("created")
        .map(|created| created.number("gte"))
        .transpose()?
        .flatten();
    let delivered = params.text("delivery_success").map(|text| text == "true");
    let all = state
        .notices
        .iter()
        .rev()
        .filter(|notice| kind.is_none_or(|kind| notice.kind == kind))
        .filter(|notice| kinds.is_empty() || kinds.contains(&notice.kind.as_str()))
        .filter(|notice| since.is_none_or(|since| notice.created >= since))
        .filter(|notice| delivered.is_none_or(|delivered| notice.delivered == delivered))
        .map(|notice| notice.body.clone())
        .collect();
    page("/v1/events", all, params)
}

fn page(url: &str, newest_first: Vec<Value>, params: &Params) -> Result<Value, ApiError> {
    let limit = params.number("limit")?.unwrap_or(10);
    let limit = usize::try_from(limit)
        .ok()
        .filter(|limit| (1..=100).contains(limit));
    let limit = limit.ok_or_else(|| {
        ApiError::invalid(
            "parameter_invalid_integer",
            "limit",
            "Invalid integer: limit",
        )
    })?;
    Ok(shapes::list(
        url,
        newest_first,
        params.text("starting_after"),
        limit,
    ))
}
