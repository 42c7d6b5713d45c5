//! Answers as JSON, with the tag by which a client knows that nothing has changed.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// An answer that nobody between us and the caller keeps.
pub(crate) fn json(status: StatusCode, value: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, value.to_string()).into_response()
}

/// The tag of an answer: a fingerprint of all of it and, where what was got has a version, that before it, so that a write
/// can be refused when it has changed (`If-Match`).
fn tag(value: &Value, body: &str) -> String {
    let digest = hex::encode(&Sha256::digest(body)[..16]);
    let version = [&value["version"], &value["event"]["version"]];
    match version.into_iter().find_map(Value::as_i64) {
        Some(version) => format!("\"v{version}.{digest}\""),
        None => format!("\"{digest}\""),
    }
}

/// The version in such a tag.
pub(crate) fn version_of(tag: &str) -> Option<i64> {
    let inside = tag.strip_prefix("\"v")?.strip_suffix('"')?;
    let (version, digest) = inside.split_once('.')?;
    let is_hex = digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    version.parse().ok().filter(|_| is_hex)
}

/// What was got, unless the caller has it already.
pub(crate) fn tagged(headers: &HeaderMap, value: &Value) -> Response {
    let body = value.to_string();
    let tag = tag(value, &body);
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let known = known.filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|value| value.split(',')).any(|given| {
        let given = given.trim();
        given == "*" || given.trim_start_matches("W/") == tag
    });
    // The caller may keep it, and asks each time whether it still holds.
    let headers = [
        (header::ETAG, tag.as_str()),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::VARY, "Authorization"),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let json = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::OK, headers, json, body).into_response()
}
