//! Anthropic's Messages API, version 2026-10-21, with a switch for servers that still speak 2023-06-01.

mod events;
mod wire;

use std::time::Duration;

use futures_util::{StreamExt as _, future::BoxFuture, stream};
use reqwest::{Response, StatusCode, header::HeaderMap};
use serde_json::Value;

use crate::{
    CallCx, Caps, ChatEvent, ChatModel, ChatRequest, ChatStream, ModelError, ModelId, sse,
};
use events::Assembler;

/// The provider's name in model ids.
pub const PROVIDER: &str = "anthropic";

/// Which revision of the interface is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Version {
    /// The present one: bearer token, no sampling parameters, structured output.
    #[default]
    V2026_10_21,
    /// The one before, which gateways still speak: `x-api-key`.
    V2023_06_01,
}

impl Version {
    fn as_str(self) -> &'static str {
        match self {
            Self::V2026_10_21 => "2026-10-21",
            Self::V2023_06_01 => "2023-06-01",
        }
    }
}

/// How to reach it.
#[derive(Clone)]
pub struct Options {
    /// Where, without `/v1/messages`.
    pub base_url: String,
    /// The secret.
    pub key: String,
    /// Which revision.
    pub version: Version,
    /// The model's name.
    pub model: String,
    /// The window, in tokens.
    pub context: u64,
    /// The most it writes at once, in tokens.
    pub max_output: u32,
}

impl Options {
    /// A model at Anthropic's own address.
    pub fn new(model: &str, key: &str) -> Self {
        Self {
            base_url: "https://api.anthropic.com".to_owned(),
            key: key.to_owned(),
            version: Version::default(),
            model: model.to_owned(),
            context: 1_000_000,
            max_output: 128_000,
        }
    }
}

/// A model of Anthropic's.
pub struct Anthropic {
    id: ModelId,
    options: Options,
    http: reqwest::Client,
}

impl Anthropic {
    /// Prepares connections; nothing is sent yet.
    pub fn new(options: Options) -> Result<Self, ModelError> {
        crate::use_ring();
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ModelError::NotConfigured(error.to_string()))?;
        let id = ModelId {
            provider: PROVIDER.to_owned(),
            model: options.model.clone(),
        };
        Ok(Self { id, options, http })
    }

    async fn send(&self, body: &Value, call: &CallCx) -> Result<Response, ModelError> {
        let Options {
            base_url,
            key,
            version,
            ..
        } = &self.options;
        let request = self
            .http
            .post(format!("{}/v1/messages", base_url.trim_end_matches('/')))
            .header("anthropic-version", version.as_str())
            .json(body);
        let request = match version {
            Version::V2026_10_21 => request.bearer_auth(key),
            Version::V2023_06_01 => request.header("x-api-key", key),
        };
        let first_byte = call.patience.first_byte;
        let answered = tokio::select! {
            biased;
            () = call.cancel.cancelled() => return Err(ModelError::Cancelled),
            answered = tokio::time::timeout(first_byte, request.send()) => answered,
        };
        answered
            .map_err(|_| ModelError::Silent(first_byte))?
            // The error of a connection names the address, never a header.
            .map_err(|error| ModelError::Connect(words(&error)))
    }
}

impl ChatModel for Anthropic {
    fn id(&self) -> &ModelId {
        &self.id
    }

    fn caps(&self) -> Caps {
        Caps {
            tools: true,
            json_schema: self.options.version == Version::V2026_10_21,
            cache: true,
            context: self.options.context,
            max_output: self.options.max_output,
        }
    }

    fn stream<'a>(
        &'a self,
        request: &'a ChatRequest,
        call: &'a CallCx,
    ) -> BoxFuture<'a, Result<ChatStream, ModelError>> {
        Box::pin(async move {
            let body = wire::body(&self.options, request);
            let response = self.send(&body, call).await?;
            if response.status() != StatusCode::OK {
                return Err(refusal(response, call).await);
            }
            let request_id = header(response.headers(), "request-id");
            Ok(events(response, request_id, call.clone()))
        })
    }
}

/// The events of a body.
fn events(response: Response, request_id: Option<String>, call: CallCx) -> ChatStream {
    let deadline = tokio::time::Instant::now() + call.patience.total;
    let reading = Reading {
        body: response.bytes_stream().boxed(),
        decoder: sse::Decoder::default(),
        assembler: Assembler::new(request_id),
        ready: Vec::new().into_iter(),
        call,
        deadline,
    };
    Box::pin(stream::unfold(Some(reading), |state| async move {
        let mut reading = state?;
        match reading.next().await {
            Ok(event) => {
                let is_last = matches!(event, ChatEvent::Stopped(_));
                Some((Ok(event), (!is_last).then_some(reading)))
            }
            Err(error) => Some((Err(error), None)),
        }
    }))
}

struct Reading<B> {
    body: B,
    decoder: sse::Decoder,
    assembler: Assembler,
    ready: std::vec::IntoIter<ChatEvent>,
    call: CallCx,
    deadline: tokio::time::Instant,
}

impl<B, T, E> Reading<B>
where
    B: futures_util::Stream<Item = Result<T, E>> + Unpin,
    T: AsRef<[u8]>,
    E: std::error::Error,
{
    async fn next(&mut self) -> Result<ChatEvent, ModelError> {
        loop {
            if let Some(event) = self.ready.next() {
                return Ok(event);
            }
            let bytes = self.bytes().await?;
            let events = self.decoder.take_in(bytes.as_ref());
            let events =
                events.ok_or_else(|| ModelError::Malformed("a line without end".to_owned()))?;
            let mut ready = Vec::new();
            for event in events {
                self.assembler.take_in(&event.data, &mut ready)?;
            }
            self.ready = ready.into_iter();
        }
    }

    async fn bytes(&mut self) -> Result<T, ModelError> {
        let idle = self.call.patience.idle;
        let next = tokio::select! {
            biased;
            () = self.call.cancel.cancelled() => return Err(ModelError::Cancelled),
            () = tokio::time::sleep_until(self.deadline) => {
                return Err(ModelError::TooSlow(self.call.patience.total));
            }
            next = tokio::time::timeout(idle, self.body.next()) => next,
        };
        match next {
            Err(_) => Err(ModelError::Silent(idle)),
            Ok(None | Some(Err(_))) => Err(ModelError::Truncated),
            Ok(Some(Ok(bytes))) => Ok(bytes),
        }
    }
}

/// What the provider refused with.
async fn refusal(response: Response, call: &CallCx) -> ModelError {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = tokio::time::timeout(call.patience.idle, response.bytes()).await;
    let body: Value = match body {
        Ok(Ok(bytes)) => serde_json::from_slice(&bytes).unwrap_or_default(),
        _ => Value::Null,
    };
    let error = &body["error"];
    let text = |value: &Value| {
        value
            .as_str()
            .unwrap_or_default()
            .chars()
            .take(500)
            .collect::<String>()
    };
    // The month's limit is reached: another try helps next month.
    let is_spent = error["details"]["error_code"] == "enforced_spend_limit_reached";
    let by_status = matches!(status, 408 | 409 | 429) || status >= 500;
    let retryable = match header(&headers, "x-should-retry").as_deref() {
        Some("true") => true,
        Some("false") => false,
        _ => by_status,
    };
    ModelError::Status {
        status,
        kind: text(&error["type"]),
        message: text(&error["message"]),
        retryable: retryable && !is_spent,
        retry_after: retry_after(&headers),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name| header(headers, name)?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms")
        .map(|ms| ms / 1_000.0)
        .or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|pause| *pause <= Duration::from_mins(10))
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(ToOwned::to_owned)
}

/// An error with what caused it.
fn words(error: &reqwest::Error) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}
