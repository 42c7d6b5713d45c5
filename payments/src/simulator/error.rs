//! Errors in Stripe's form.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// An error as Stripe answers with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
    param: Option<String>,
}

impl ApiError {
    /// Something is wrong with the request.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            code: None,
            message: message.into(),
            param: None,
        }
    }

    /// Something is wrong with a parameter.
    pub(super) fn invalid(code: &'static str, param: &str, message: impl Into<String>) -> Self {
        Self::refused(message).with_code(code).at(param)
    }

    pub(super) fn missing(param: &str) -> Self {
        let message = format!("Missing required param: {param}.");
        Self::invalid("parameter_missing", param, message)
    }

    pub(super) fn not_found(noun: &str, id: &str, param: &str) -> Self {
        let error = Self::invalid("resource_missing", param, format!("No such {noun}: '{id}'"));
        error.with_status(StatusCode::NOT_FOUND)
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        Self::refused(message).with_status(StatusCode::UNAUTHORIZED)
    }

    pub(super) fn key_reused(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. \
             Try using a key other than '{key}' if you meant to execute a different request."
        );
        Self {
            kind: "idempotency_error",
            ..Self::refused(message)
        }
    }

    /// What was ordered to go wrong.
    pub(super) fn ordered(status: StatusCode) -> Self {
        let (kind, code) = match status.as_u16() {
            429 => ("invalid_request_error", Some("rate_limit")),
            _ => ("api_error", None),
        };
        Self {
            status,
            kind,
            code,
            ..Self::refused("The simulator was told to answer with this.")
        }
    }

    pub(super) fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(super) fn at(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Whether it was refused before anything was begun: such answers are not kept under an idempotency key.
    pub(super) fn is_about_the_form(&self) -> bool {
        self.code.is_some_and(|code| code.starts_with("parameter_"))
    }

    pub(super) fn body(&self) -> Value {
        let mut error = json!({"type": self.kind, "message": self.message});
        if let Some(code) = self.code {
            error["code"] = code.into();
            error["doc_url"] = format!(
                "https://stripe.com/docs/error-codes/{}",
                code.replace('_', "-")
            )
            .into();
        }
        if let Some(param) = &self.param {
            error["param"] = param.as_str().into();
        }
        json!({"error": error})
    }
}
