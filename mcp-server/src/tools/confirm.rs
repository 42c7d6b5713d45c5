//! Asking a person before something is taken away.
//!
//! Every destructive operation is tried first and rolled back; what it would record is what the person reads, and
//! the confirmed run is kept only if it records exactly that. How the person is asked depends on the client: by a
//! question the client answers with its next try (2026-07-28), by a question sent back to it (before), or, where
//! the client can do neither, by a preview with a token that the model brings back.

use std::collections::BTreeMap;

use domain::{Cx, FaultKind, change::sentences, context::Mode, fault::Failure};
use rmcp::{
    ErrorData, ServiceError,
    model::{
        CallToolResponse, CallToolResult, ContentBlock, ElicitRequest, ElicitRequestParams,
        ElicitResult, ElicitationAction, ErrorCode, InputRequest, InputRequiredResult,
        RequestStateError, SealOptions,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{Call, answer, approve, boundary, envelope::Envelope, offer::Offer};
use crate::server::is_modern;

/// The question's name in the newer era, and the field of its form.
const QUESTION: &str = "confirmation";
const FIELD: &str = "confirm";

/// What a person is asked to agree to. Signed, not secret.
#[derive(Serialize, Deserialize)]
struct Agreement {
    /// The digest of what would be recorded.
    digest: [u8; 32],
    /// Makes each agreement work once: it is the idempotency key where the caller gave none.
    nonce: String,
}

/// What a person said.
enum Said {
    Yes,
    No,
    /// Nothing that can be understood.
    Unclear,
    /// Nothing at all.
    Nothing,
}

/// Runs a destructive operation as far as the person lets it.
pub(super) async fn run(
    call: &Call<'_>,
    offer: &Offer,
    cx: &Cx,
    arguments: Map<String, Value>,
    envelope: &Envelope,
) -> Result<CallToolResponse, ErrorData> {
    let input = Value::Object(arguments);
    let request = Confirmed {
        call,
        offer,
        cx,
        envelope,
        input,
    };
    if let Some(token) = &envelope.confirm_token {
        return Ok(match request.open("token", token) {
            Ok(agreement) => request.carry_out(agreement).await,
            Err(error) => answer::refused(&bad_token(&error)),
        }
        .into());
    }
    if let Some(state) = &call.state {
        match request.open("question", state) {
            Ok(agreement) => match request.answered() {
                Said::Yes => return Ok(request.carry_out(agreement).await.into()),
                Said::No => return Ok(declined(DISAGREED).into()),
                Said::Unclear | Said::Nothing => {}
            },
            // Nobody answered in time: what was shown may no longer be so, show it again.
            Err(RequestStateError::Expired) => {}
            Err(error) => {
                let message = format!("This request state does not belong to this call: {error}.");
                return Err(ErrorData::invalid_params(message, None));
            }
        }
    }
    request.ask().await
}

struct Confirmed<'a> {
    call: &'a Call<'a>,
    offer: &'a Offer,
    cx: &'a Cx,
    envelope: &'a Envelope,
    input: Value,
}

impl Confirmed<'_> {
    /// Tries the operation and shows what it would do.
    async fn ask(self) -> Result<CallToolResponse, ErrorData> {
        let trial = self.cx.in_mode(Mode::DryRun);
        let outcome = self
            .call
            .execute(self.offer, &trial, self.input.clone(), &boundary(&trial))
            .await;
        let recorded = trial.recorded();
        let agreement = Agreement {
            digest: trial.digest(&recorded),
            nonce: self.nonce(),
        };
        match outcome {
            // A repeat of what was done before: the first answer, or the same refusal.
            Err(failure) if self.envelope.key.is_none() => {
                return Ok(answer::refused(&failure).into());
            }
            Err(_) => return Ok(self.carry_out(agreement).await.into()),
            // Nothing would be taken away, so there is nothing to ask.
            Ok(_) if recorded.is_empty() => return Ok(self.carry_out(agreement).await.into()),
            Ok(_) => {}
        }
        let left =
            approve::leave_to_a_person(self.call, self.offer, self.cx, &self.input, &recorded);
        if let Some(asked) = left.await {
            return Ok(asked.into());
        }
        let sentences = sentences(&recorded);
        let asks = self
            .call
            .request
            .client_capabilities()
            .and_then(|can| can.elicitation);
        // A client that names no form of asking means the only one there was at first.
        let asks = asks.is_some_and(|how| how.form.is_some() || how.url.is_none());
        if asks && is_modern(self.call.request) {
            let question = InputRequest::Elicitation(ElicitRequest::new(self.form(&sentences)));
            let questions = BTreeMap::from([(QUESTION.to_owned(), question)]);
            let state = self.seal("question", &agreement)?;
            return Ok(InputRequiredResult::new(Some(questions), Some(state)).into());
        }
        if asks && let Some(said) = self.put_to_the_person(&sentences).await {
            return Ok(match said {
                Said::Yes => self.carry_out(agreement).await,
                Said::No | Said::Unclear => declined(DISAGREED),
                Said::Nothing => declined(UNANSWERED),
            }
            .into());
        }
        let token = self.seal("token", &agreement)?;
        Ok(preview(self.offer, &sentences, &token).into())
    }

    /// Asks through the client; nothing when it turns out that it cannot ask.
    async fn put_to_the_person(&self, sentences: &[String]) -> Option<Said> {
        let patience = Some(self.call.shared.options.confirm_within);
        let peer = &self.call.request.peer;
        let form = self.form(sentences);
        match peer.create_elicitation_with_timeout(form, patience).await {
            Ok(reply) => Some(said(&reply)),
            Err(ServiceError::McpError(error)) if error.code == ErrorCode::METHOD_NOT_FOUND => {
                tracing::warn!(error = %error, "A client cannot ask, though it said that it can");
                None
            }
            // Who was asked and did not answer must not be answered for by the model, which a token would let it.
            Err(error) => {
                tracing::warn!(error = %error, "A person was asked and did not answer");
                Some(Said::Nothing)
            }
        }
    }

    /// Does what was agreed to, once, and only if it still is what was shown.
    async fn carry_out(&self, agreement: Agreement) -> CallToolResult {
        let mut cx = self.cx.clone().with_confirmed(agreement.digest);
        if self.envelope.key.is_none() {
            cx = cx.with_key(format!("confirmed {}", agreement.nonce));
        }
        let boundary = boundary(&cx);
        match self
            .call
            .execute(self.offer, &cx, self.input.clone(), &boundary)
            .await
        {
            Ok(value) => answer::done(self.offer, value, &boundary, false),
            Err(failure) => answer::refused(&failure),
        }
    }

    /// What the person said to the last try's question.
    fn answered(&self) -> Said {
        let reply = self
            .call
            .responses
            .as_ref()
            .and_then(|all| all.get(QUESTION));
        match reply.map(|reply| serde_json::from_value(reply.clone())) {
            Some(Ok(reply)) => said(&reply),
            _ => Said::Unclear,
        }
    }

    fn form(&self, sentences: &[String]) -> ElicitRequestParams {
        let title = self.offer.entry.title();
        let schema = json!({
            "type": "object",
            "properties": {FIELD: {"type": "boolean", "title": "Yes, do it"}},
            "required": [FIELD],
        });
        ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: format!(
                "{title}? This cannot simply be undone:\n{}",
                answer::bullets(sentences)
            ),
            requested_schema: serde_json::from_value(schema)
                .expect("the form is written in the protocol's words"),
        }
    }

    fn nonce(&self) -> String {
        let mut random = [0; 16];
        self.cx.random(&mut random);
        hex::encode(random)
    }

    /// What an agreement holds for: this caller, this operation, these arguments, this way of asking.
    fn bound(&self, way: &str) -> Vec<u8> {
        let key = self.envelope.key.as_deref().unwrap_or_default();
        let arguments = Sha256::digest(canonical(&self.input));
        let parts = [way, &self.call.connection.key(), self.offer.entry.name, key];
        [parts.join("\0").as_bytes(), b"\0", arguments.as_slice()].concat()
    }

    fn seal(&self, way: &str, agreement: &Agreement) -> Result<String, ErrorData> {
        let bound = self.bound(way);
        let options = SealOptions::new()
            .associated_data(&bound)
            .ttl(self.call.shared.options.confirm_within);
        let sealed = self.call.shared.codec.seal_json_with(agreement, &options);
        sealed.map_err(|error| ErrorData::internal_error(error.to_string(), None))
    }

    fn open(&self, way: &str, sealed: &str) -> Result<Agreement, RequestStateError> {
        self.call
            .shared
            .codec
            .open_json_with(sealed, &self.bound(way))
    }
}

fn said(reply: &ElicitResult) -> Said {
    match reply.action {
        ElicitationAction::Accept => {
            match reply.content.as_ref().and_then(|form| form.get(FIELD)) {
                Some(Value::Bool(true)) => Said::Yes,
                Some(Value::Bool(false)) => Said::No,
                _ => Said::Unclear,
            }
        }
        _ => Said::No,
    }
}

const DISAGREED: &str = "the person did not agree";
const UNANSWERED: &str = "the person was asked and did not answer";

/// Not an error: the person was asked and that is the answer.
fn declined(why: &str) -> CallToolResult {
    let text = format!("Nothing was done: {why}. Do not try again unless they ask for it.");
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(json!({"confirmation": {"status": "declined"}}));
    result
}

fn preview(offer: &Offer, sentences: &[String], token: &str) -> CallToolResult {
    let text = format!(
        "Nothing has been done yet. This would happen:\n{}\nShow this to the person you act for and ask. Only if \
         they agree, call {} again with the same arguments and confirm_token {token}",
        answer::bullets(sentences),
        offer.entry.name,
    );
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    let confirmation = json!({"status": "needed", "preview": sentences, "confirm_token": token});
    result.structured_content = Some(json!({"confirmation": confirmation}));
    result
}

fn bad_token(error: &RequestStateError) -> Failure {
    let expired = matches!(error, RequestStateError::Expired);
    Failure {
        kind: FaultKind::Invalid,
        code: if expired {
            "confirmation_expired"
        } else {
            "confirmation_invalid"
        },
        message: if expired {
            "This confirmation has expired; nothing was done.".to_owned()
        } else {
            "This confirm_token does not belong to this call: not this tool, these arguments or this caller.".to_owned()
        },
        next: "Call again without confirm_token, show the new preview to the person and ask.",
        field: Some("confirm_token".to_owned()),
        candidates: Vec::new(),
    }
}

/// The same text for the same JSON, in whatever order its fields were sent.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, String> = fields
                .iter()
                .map(|(name, inner)| (name, canonical(inner)))
                .collect();
            let fields: Vec<String> = sorted
                .into_iter()
                .map(|(name, inner)| format!("{}:{inner}", json!(name)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_fields_does_not_matter_and_everything_else_does() {
        let given = json!({"b": [1, {"d": 2, "c": "x"}], "a": null});
        let same = json!({"a": null, "b": [1, {"c": "x", "d": 2}]});
        assert_eq!(canonical(&given), canonical(&same));
        assert_ne!(
            canonical(&given),
            canonical(&json!({"a": null, "b": [{"c": "x", "d": 2}, 1]}))
        );
        assert_ne!(canonical(&json!("1")), canonical(&json!(1)));
    }
}
