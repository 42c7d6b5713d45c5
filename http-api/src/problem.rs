//! Refusals as RFC 9457 problems: one form for every failure, whoever found it.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{
    FaultKind, FaultSpec,
    fault::{Candidate, Failure},
    text::sentence,
};
use serde_json::{Map, Value, json};

use crate::input::CHANGED_MEANWHILE;

/// The media type of problems.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";
/// Where problems are described, each under its code.
pub(crate) const PATH: &str = "/problems";

/// A refusal on its way out. Boxed, because answers that are none should not carry its size about.
#[derive(Debug)]
pub(crate) struct Problem(Box<Content>);

#[derive(Debug)]
struct Content {
    status: StatusCode,
    code: &'static str,
    detail: String,
    hint: &'static str,
    field: Option<String>,
    candidates: Vec<Candidate>,
    headers: HeaderMap,
    /// What only some problems say.
    more: Map<String, Value>,
}

/// What HTTP itself has to refuse, beside what operations do.
macro_rules! own {
    ($($(#[$doc:meta])* $name:ident $status:ident $kind:ident $code:literal $next:literal;)+) => {
        $($(#[$doc])* pub(crate) const $name: Own = Own {
            status: StatusCode::$status,
            spec: FaultSpec::new(FaultKind::$kind, $code, $next),
        };)+
        /// All of them.
        pub(crate) const OWN: &[Own] = &[$($name),+];
    };
}

/// A refusal of HTTP's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own {
    pub(crate) status: StatusCode,
    pub(crate) spec: FaultSpec,
}

own! {
    /// Nothing is at the path.
    PATH_UNKNOWN NOT_FOUND NotFound "path_unknown" "See /openapi.json for what there is.";
    /// There is something at the path, but not for this method.
    METHOD_UNKNOWN METHOD_NOT_ALLOWED Invalid "method_unknown" "Use a method that the Allow header names.";
    /// No credentials were sent.
    TOKEN_MISSING UNAUTHORIZED Unauthenticated "token_missing" "Send a token as `Authorization: Bearer …`.";
    /// They are worth nothing.
    TOKEN_INVALID UNAUTHORIZED Unauthenticated "token_invalid" "Ask an owner of the organization for a new token.";
    /// The body is not JSON.
    BODY_MALFORMED BAD_REQUEST Invalid "body_malformed" "Send one JSON document.";
    /// The body is not declared as JSON.
    BODY_MEDIA_TYPE UNSUPPORTED_MEDIA_TYPE Invalid "body_media_type" "Send the input as JSON, with `Content-Type: application/json`.";
    /// The body is too long.
    BODY_TOO_LARGE PAYLOAD_TOO_LARGE Invalid "body_too_large" "Send less at once.";
    /// The body did not arrive.
    BODY_LATE REQUEST_TIMEOUT Unavailable "body_late" "Send the request again.";
    /// A parameter that is not known, or is malformed.
    PARAMETER_INVALID BAD_REQUEST Invalid "parameter_invalid" "Correct the named parameter, or leave it out.";
    /// A header that is not honoured must not be ignored.
    IF_MATCH_UNSUPPORTED BAD_REQUEST Invalid "if_match_unsupported" "Leave If-Match out; it is honoured where an operation takes a `version`.";
    /// What takes something away must be seen first.
    CONFIRMATION_NEEDED PRECONDITION_REQUIRED Conflict "confirmation_needed" "Show `preview` to whoever decides; if they agree, send the request again with the parameter `confirm`.";
    /// A buyer's checkout that was not made here.
    CHECKOUT_UNKNOWN NOT_FOUND NotFound "checkout_unknown" "Use the whole `checkout` of the answer to the hold.";
    /// A buyer's turn that was not made here.
    TURN_UNKNOWN NOT_FOUND NotFound "turn_unknown" "Use the whole `turn` of the answer to taking one.";
    /// There is no order of this hold.
    NOT_ORDERED NOT_FOUND NotFound "not_ordered" "Order what is held first.";
    /// A buyer's key could be somebody else's, too.
    KEY_GUESSABLE UNPROCESSABLE_ENTITY Invalid "idempotency_key_guessable" "Use a random UUID: buyers share no login, so the key must not be anybody else's.";
    /// Too many requests of one address.
    TOO_MANY TOO_MANY_REQUESTS Limited "rate_limited" "Wait a few seconds, then go on more slowly.";
}

/// An unknown or malformed field, as operations refuse it.
pub(crate) const INVALID_INPUT: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "invalid_input",
    "Correct the named field and call again.",
);

/// The status that a refusal of an operation has.
pub(crate) fn status_of(kind: FaultKind) -> StatusCode {
    match kind {
        FaultKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        FaultKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        FaultKind::Forbidden => StatusCode::FORBIDDEN,
        FaultKind::NotFound => StatusCode::NOT_FOUND,
        FaultKind::Conflict => StatusCode::CONFLICT,
        FaultKind::Limited => StatusCode::TOO_MANY_REQUESTS,
        FaultKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        FaultKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Problem {
    /// A refusal of HTTP's own, with what happened.
    pub(crate) fn own(own: Own, detail: impl Into<String>) -> Self {
        Self(Box::new(Content {
            status: own.status,
            code: own.spec.code,
            detail: detail.into(),
            hint: own.spec.next,
            field: None,
            candidates: Vec::new(),
            headers: HeaderMap::new(),
            more: Map::new(),
        }))
    }

    /// An input with a field that is not there to be given; the same as operations say of it.
    pub(crate) fn invalid_input(detail: String) -> Self {
        Failure {
            kind: INVALID_INPUT.kind,
            code: INVALID_INPUT.code,
            message: detail,
            next: INVALID_INPUT.next,
            field: None,
            candidates: Vec::new(),
        }
        .into()
    }

    /// The database does not say whether the credentials are worth anything.
    pub(crate) fn unavailable() -> Self {
        Failure {
            kind: FaultKind::Unavailable,
            code: "database_unavailable",
            message: "the database is not available right now".to_owned(),
            next: "Try again in a few seconds; nothing was saved.",
            field: None,
            candidates: Vec::new(),
        }
        .into()
    }

    /// The same, with a parameter, a header or a field of the input to blame.
    pub(crate) fn at(mut self, field: &str) -> Self {
        self.0.field = Some(field.to_owned());
        self
    }

    /// The same; with the status for it, if it is that a condition of the request does not hold.
    pub(crate) fn of_condition(mut self, is_conditional: bool) -> Self {
        if is_conditional && self.0.code == CHANGED_MEANWHILE {
            self.0.status = StatusCode::PRECONDITION_FAILED;
        }
        self
    }

    /// The same, with something that only this problem says.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.0.more.insert(name.to_owned(), value);
        self
    }

    /// The same, with a header.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.insert(name, value);
        }
        self
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let content = Content {
            status: status_of(failure.kind),
            code: failure.code,
            detail: failure.message,
            hint: failure.next,
            field: failure.field,
            candidates: failure.candidates,
            headers: HeaderMap::new(),
            more: Map::new(),
        };
        let status = content.status;
        let problem = Self(Box::new(content));
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                problem.header(header::RETRY_AFTER, "5")
            }
            _ => problem,
        }
    }
}

/// What a code is called in words: `Sold out`.
pub(crate) fn title(code: &str) -> String {
    let words = code.replace('_', " ");
    let mut letters = words.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    first.collect::<String>() + letters.as_str()
}

/// A field's path as a JSON pointer (RFC 6901): `items[0].quantity` is `/items/0/quantity`.
fn pointer(field: &str) -> String {
    let parts = field.split(['.', '[']).map(|part| {
        let part = part.trim_end_matches(']');
        format!("/{}", part.replace('~', "~0").replace('/', "~1"))
    });
    parts.collect()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let content = *self.0;
        let detail = sentence(&content.detail);
        let mut body = json!({
            "type": format!("{PATH}/{}", content.code),
            "title": title(content.code),
            "status": content.status.as_u16(),
            "detail": detail,
            "code": content.code,
            "hint": content.hint,
        });
        if let Some(field) = &content.field {
            body["errors"] = json!([{"field": field, "pointer": pointer(field), "detail": detail}]);
        }
        if !content.candidates.is_empty() {
            body["candidates"] = json!(content.candidates);
        }
        if let Some(fields) = body.as_object_mut() {
            fields.extend(content.more);
        }
        let headers = [
            (header::CONTENT_TYPE, MEDIA_TYPE),
            (header::CACHE_CONTROL, "no-store"),
        ];
        (content.status, headers, content.headers, body.to_string()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_also_a_json_pointer() {
        assert_eq!(pointer("items[0].quantity"), "/items/0/quantity");
        assert_eq!(pointer("a/b~c"), "/a~1b~0c");
        assert_eq!(title("sold_out"), "Sold out");
    }
}
