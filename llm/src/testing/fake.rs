//! A server that speaks the Messages API as of 2026-10-21, and minds its rules: what a real one refuses, it refuses.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Response, StatusCode},
    routing::post,
};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::script::{Called, Fault, Script, Turn};

/// A stand-in for a provider.
#[derive(Clone)]
pub struct Fake {
    state: Arc<Mutex<Inner>>,
}

struct Inner {
    script: Script,
    requests: Vec<Value>,
    count: u64,
}

impl Fake {
    /// A stand-in with a script.
    pub fn new(script: Script) -> Self {
        let inner = Inner {
            script,
            requests: Vec::new(),
            count: 0,
        };
        Self {
            state: Arc::new(Mutex::new(inner)),
        }
    }

    /// The bodies it was sent, refused ones too.
    pub fn requests(&self) -> Vec<Value> {
        self.inner(|inner| inner.requests.clone())
    }

    /// Its routes; the base URL is where they are mounted.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/v1/messages", post(messages))
            .with_state(self.clone())
    }

    fn inner<T>(&self, with: impl FnOnce(&mut Inner) -> T) -> T {
        with(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn messages(State(fake): State<Fake>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let number = fake.inner(|inner| {
        inner.requests.push(request.clone());
        inner.count += 1;
        inner.count
    });
    if let Some(refused) = against_the_rules(&headers, &request) {
        return error(StatusCode::BAD_REQUEST, "invalid_request_error", &refused);
    }
    let Some(turn) = fake.inner(|inner| next(&mut inner.script, &request)) else {
        return error(
            StatusCode::NOT_FOUND,
            "not_found_error",
            "the script has nothing to say to this",
        );
    };
    if let Some(refused) = turn.fault.and_then(refused) {
        return refused;
    }
    answer(&turn, &request, number)
}

/// What a real server would refuse.
fn against_the_rules(headers: &HeaderMap, request: &Value) -> Option<String> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if header("anthropic-version") != Some("2026-10-21") {
        return Some("anthropic-version: expected 2026-10-21".to_owned());
    }
    if !header("authorization").is_some_and(|value| value.starts_with("Bearer ")) {
        return Some("authorization: expected a bearer token".to_owned());
    }
    if let Some(gone) = ["temperature", "top_p", "top_k"]
        .into_iter()
        .find(|name| request.get(*name).is_some())
    {
        return Some(format!("{gone}: no longer supported"));
    }
    if request["max_tokens"].as_u64().is_none_or(|max| max == 0) {
        return Some("max_tokens: required".to_owned());
    }
    let empty = Vec::new();
    let messages = request["messages"].as_array().unwrap_or(&empty);
    if messages.last().is_none_or(|last| last["role"] != "user") {
        return Some("messages: the last one must be the user's".to_owned());
    }
    for pair in messages.windows(2) {
        let calls = blocks(&pair[0], "tool_use", "id");
        let results = blocks(&pair[1], "tool_result", "tool_use_id");
        if calls != results {
            return Some(format!(
                "messages: calls {calls:?} were answered with {results:?}"
            ));
        }
    }
    let signed = messages
        .iter()
        .flat_map(|message| message["content"].as_array().into_iter().flatten());
    let changed = signed
        .filter(|block| block["type"] == "thinking")
        .any(|block| {
            block["signature"].as_str() != block["thinking"].as_str().map(signature).as_deref()
        });
    changed.then(|| "messages: a thinking block was changed".to_owned())
}

fn blocks<'a>(message: &'a Value, kind: &str, field: &str) -> Vec<&'a str> {
    let all = message["content"].as_array().into_iter().flatten();
    let of_kind = all.filter(|block| block["type"] == kind);
    of_kind.filter_map(|block| block[field].as_str()).collect()
}

/// Not a signature: enough to notice a change.
fn signature(thinking: &str) -> String {
    let sum = thinking.bytes().fold(7_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    format!("sig-{sum:x}")
}

fn next(script: &mut Script, request: &Value) -> Option<Turn> {
    if !script.turns.is_empty() {
        return Some(script.turns.remove(0));
    }
    let messages = request["messages"].as_array()?;
    let is_said = |message: &&Value| {
        message["role"] == "user" && blocks(message, "tool_result", "tool_use_id").is_empty()
    };
    let place = messages.iter().rposition(|message| is_said(&message))?;
    let said = texts(&messages[place], "text").to_lowercase();
    let step = messages[place..]
        .iter()
        .filter(|message| message["role"] == "assistant")
        .count();
    let result = messages
        .last()
        .map(|last| texts(last, "content"))
        .unwrap_or_default();
    let rule = script.rules.iter().find(|rule| {
        rule.said
            .as_ref()
            .is_none_or(|words| said.contains(&words.to_lowercase()))
            && rule.step.is_none_or(|wanted| wanted == step)
            && rule
                .result
                .as_ref()
                .is_none_or(|words| result.contains(words.as_str()))
    })?;
    Some(rule.then.clone())
}

fn texts(message: &Value, field: &str) -> String {
    let all = message["content"].as_array().into_iter().flatten();
    all.filter_map(|block| block[field].as_str())
        .collect::<Vec<_>>()
        .join("\n")
}

fn refused(fault: Fault) -> Option<Response<Body>> {
    let status = |code| StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Some(match fault {
        Fault::RateLimited => {
            let mut response = error(status(429), "rate_limit_error", "too many requests");
            let soon = axum::http::HeaderValue::from_static("20");
            response.headers_mut().insert("retry-after-ms", soon);
            response
        }
        Fault::SpendLimit => {
            let details = json!({"error_code": "enforced_spend_limit_reached"});
            let body = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "spent", "details": details}});
            respond(status(429), body.to_string())
        }
        Fault::Overloaded => error(status(529), "overloaded_error", "overloaded"),
        Fault::Broken => error(status(500), "api_error", "internal"),
        Fault::Invalid => error(status(400), "invalid_request_error", "scripted"),
        Fault::Unauthorized => error(status(401), "authentication_error", "invalid key"),
        Fault::Truncated
        | Fault::Disconnected
        | Fault::Malformed
        | Fault::Stalled
        | Fault::ErrorEvent => return None,
    })
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response<Body> {
    let body = json!({"type": "error", "error": {"type": kind, "message": message}});
    respond(status, body.to_string())
}

fn respond(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
}

/// The events of a reply, with what goes wrong in the middle.
fn answer(turn: &Turn, request: &Value, number: u64) -> Response<Body> {
    let mut events = events(turn, request, number);
    let middle = events.len() / 2;
    let mut ends: Option<Result<Bytes, std::io::Error>> = None;
    let mut stalls = false;
    match turn.fault {
        Some(Fault::Truncated) => events.truncate(middle),
        Some(Fault::Disconnected) => {
            events.truncate(middle);
            ends = Some(Err(std::io::Error::other("scripted")));
        }
        Some(Fault::Malformed) => events.insert(
            middle,
            "event: content_block_delta\ndata: {\"type\": oh\n\n".to_owned(),
        ),
        Some(Fault::Stalled) => {
            events.truncate(middle);
            stalls = true;
        }
        Some(Fault::ErrorEvent) => {
            let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "overloaded"}});
            events.insert(middle, event(&error));
        }
        _ => {}
    }
    let pause = Duration::from_millis(turn.piece_ms);
    let pieces = stream::iter(events).then(move |event| async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok::<_, std::io::Error>(Bytes::from(event))
    });
    let pieces = pieces.chain(stream::iter(ends));
    let body = if stalls {
        Body::from_stream(pieces.chain(stream::pending::<Result<Bytes, std::io::Error>>()))
    } else {
        Body::from_stream(pieces)
    };
    let mut response = respond(StatusCode::OK, body);
    let headers = response.headers_mut();
    let kind = axum::http::HeaderValue::from_static("text/event-stream");
    headers.insert("content-type", kind);
    if let Ok(id) = format!("req_{number}").parse() {
        headers.insert("request-id", id);
    }
    response
}

fn events(turn: &Turn, request: &Value, number: u64) -> Vec<String> {
    let tokens = request.to_string().len() / 4;
    let start = json!({"type": "message_start", "message": {"id": format!("msg_{number}"), "type": "message",
        "role": "assistant", "model": request["model"], "content": [], "stop_reason": null,
        "usage": {"input_tokens": 40, "output_tokens": 1, "cache_read_input_tokens": tokens,
            "cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 0}}}});
    let mut events = vec![event(&start), event(&json!({"type": "ping"}))];
    let mut index = 0;
    if let Some(thinking) = &turn.thinking {
        let block = json!({"type": "thinking", "thinking": "", "signature": ""});
        let mut deltas = pieces(thinking, "thinking_delta", "thinking");
        deltas.push(json!({"type": "signature_delta", "signature": signature(thinking)}));
        events.extend(block_events(index, &block, &deltas));
        index += 1;
    }
    if let Some(text) = &turn.text {
        let block = json!({"type": "text", "text": ""});
        events.extend(block_events(
            index,
            &block,
            &pieces(text, "text_delta", "text"),
        ));
        index += 1;
    }
    for (place, called) in turn.calls.iter().enumerate() {
        let Called { name, args, raw } = called;
        let id = format!("toolu_{number}_{place}");
        let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
        let args = raw.clone().unwrap_or_else(|| args.to_string());
        let deltas = pieces(&args, "input_json_delta", "partial_json");
        events.extend(block_events(index, &block, &deltas));
        index += 1;
    }
    let reason = if turn.calls.is_empty() {
        "end_turn"
    } else {
        "tool_use"
    };
    let written = events.len();
    events.push(event(
        &json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
        "usage": {"output_tokens": written}}),
    ));
    events.push(event(&json!({"type": "message_stop"})));
    events
}

fn block_events(index: usize, block: &Value, deltas: &[Value]) -> Vec<String> {
    let mut events = vec![event(
        &json!({"type": "content_block_start", "index": index, "content_block": block}),
    )];
    events.extend(deltas.iter().map(|delta| {
        event(&json!({"type": "content_block_delta", "index": index, "delta": delta}))
    }));
    events.push(event(
        &json!({"type": "content_block_stop", "index": index}),
    ));
    events
}

/// A text in pieces of some characters.
fn pieces(text: &str, kind: &str, field: &str) -> Vec<Value> {
    let characters: Vec<char> = text.chars().collect();
    let piece = |piece: &[char]| json!({"type": kind, field: piece.iter().collect::<String>()});
    characters.chunks(12).map(piece).collect()
}

fn event(data: &Value) -> String {
    let name = data["type"].as_str().unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}

/// Serves a stand-in until the listener is gone.
pub async fn serve(fake: &Fake, listener: tokio::net::TcpListener) -> std::io::Result<()> {
    axum::serve(listener, fake.router().into_make_service()).await
}
