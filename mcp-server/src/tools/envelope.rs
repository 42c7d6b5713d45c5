//! What a call says beside the operation's own input: try it first, do it once, it was agreed to, say more.

use domain::{FaultKind, fault::Failure};
use rmcp::model::RequestMetaObject;
use serde_json::{Map, Value};

use super::offer::Offer;

pub(super) const DRY_RUN: &str = "dry_run";
pub(super) const KEY: &str = "idempotency_key";
pub(super) const CONFIRM: &str = "confirm_token";
pub(super) const FORMAT: &str = "response_format";

/// The `_meta` key for clients that set an idempotency key behind the model's back.
const META_KEY: &str = "eventos/idempotencyKey";

/// The arguments every tool of a kind has, taken out of the operation's own.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    pub(super) dry_run: bool,
    pub(super) key: Option<String>,
    pub(super) confirm_token: Option<String>,
    pub(super) detailed: bool,
}

impl Envelope {
    /// Takes what the offer has; anything else is left for the operation to refuse by name.
    pub(super) fn take(
        offer: &Offer,
        arguments: &mut Map<String, Value>,
        meta: &RequestMetaObject,
    ) -> Result<Self, Failure> {
        let mut envelope = Self::default();
        let mut take = |name: &str, offered: bool| {
            // Models fill fields they do not mean with null or nothing.
            let given = if offered {
                arguments.remove(name)
            } else {
                None
            };
            given.filter(|value| !value.is_null() && value != "")
        };
        if let Some(value) = take(DRY_RUN, offer.writes()) {
            envelope.dry_run = value
                .as_bool()
                .ok_or_else(|| malformed(DRY_RUN, "true or false"))?;
        }
        let text = |name: &str, value: Value| match value {
            Value::String(text) => Ok(text),
            _ => Err(malformed(name, "a text")),
        };
        if let Some(value) = take(CONFIRM, offer.destroys()) {
            envelope.confirm_token = Some(text(CONFIRM, value)?);
        }
        if let Some(value) = take(KEY, offer.writes()) {
            envelope.key = Some(text(KEY, value)?);
        } else if offer.writes() {
            envelope.key = meta
                .get(META_KEY)
                .and_then(Value::as_str)
                .map(str::to_owned);
        }
        if let Some(value) = take(FORMAT, offer.has_formats()) {
            envelope.detailed = match value.as_str() {
                Some("detailed") => true,
                Some("concise") => false,
                _ => return Err(malformed(FORMAT, "`concise` or `detailed`")),
            };
        }
        Ok(envelope)
    }
}

pub(super) fn malformed(field: &str, expected: &str) -> Failure {
    Failure {
        kind: FaultKind::Invalid,
        code: "invalid_input",
        message: format!("`{field}` must be {expected}."),
        next: "Correct the named field and call again.",
        field: Some(field.to_owned()),
        candidates: Vec::new(),
    }
}
