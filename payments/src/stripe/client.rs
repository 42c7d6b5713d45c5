//! Requests to Stripe: what is sent with each, and what each answer means for whoever asked.

use std::{net::IpAddr, time::Duration};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, redirect::Policy};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{IdempotencyKey, ProcessorError, Reason, Refusal, Secret, use_ring};

/// The version of Stripe's interface that this program was written for, and in which its webhooks must be ordered.
pub const API_VERSION: &str = "2026-09-30.endive";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where Stripe is and who we are there.
#[derive(Debug, Clone)]
pub struct StripeOptions {
    /// The interface's address: `https://api.stripe.com`, or a simulator's on this machine.
    pub url: String,
    /// The secret key, `sk_…` or `rk_…`.
    pub api_key: Secret,
    /// The connected account (`acct_…`) to act for, if not the key's own.
    pub account: Option<String>,
    /// How long an answer may take. A payment takes Stripe some seconds at times.
    pub timeout: Duration,
}

impl StripeOptions {
    /// Stripe itself, with a secret key.
    pub fn new(api_key: Secret) -> Self {
        Self {
            url: "https://api.stripe.com".to_owned(),
            api_key,
            account: None,
            timeout: Duration::from_secs(30),
        }
    }
}

/// A connection to Stripe.
#[derive(Clone)]
pub(super) struct StripeClient {
    client: Client,
    url: Url,
    options: StripeOptions,
}

/// Parameters as Stripe takes them: names with brackets for what is inside of something.
pub(super) type Form = Vec<(String, String)>;

impl StripeClient {
    pub(super) fn new(options: StripeOptions) -> Result<Self, ProcessorError> {
        use_ring();
        let url = address(&options.url)?;
        if options.api_key.reveal().is_empty() {
            return Err(misconfigured("the secret key is empty"));
        }
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(options.timeout)
            .redirect(Policy::none())
            .user_agent("EventOS");
        if is_loopback(&url) {
            builder = builder.no_proxy();
        }
        let client = builder
            .build()
            .map_err(|error| misconfigured(&error.to_string()))?;
        Ok(Self {
            client,
            url,
            options,
        })
    }

    /// Looks something up. Nothing is changed by it, so whatever goes wrong may be tried again.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, ProcessorError> {
        let mut url = self.at(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.request(Method::GET, url);
        self.send(request).await.map_err(|error| match error {
            ProcessorError::Unknown { said } => ProcessorError::Unavailable {
                retry_after: None,
                said,
            },
            other => other,
        })
    }

    /// Changes something, once for each key.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        form: &Form,
        key: Option<&IdempotencyKey>,
    ) -> Result<T, ProcessorError> {
        let mut request = self.request(Method::POST, self.at(path)).form(form);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key.as_str());
        }
        self.send(request).await
    }

    /// The address of something. Ids are whole segments, so that none can lead elsewhere.
    fn at(&self, path: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        url
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self
            .client
            .request(method, url)
            .bearer_auth(self.options.api_key.reveal())
            .header("Stripe-Version", API_VERSION);
        match &self.options.account {
            Some(account) => request.header("Stripe-Account", account),
            None => request,
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, ProcessorError> {
        let answer = request.send().await.map_err(|error| lost(&error))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(complaint(status, answer).await);
        }
        let body = answer.bytes().await.map_err(|error| lost(&error))?;
        serde_json::from_slice(&body).map_err(|error| ProcessorError::Unknown {
            said: format!("Stripe's answer could not be read: {error}"),
        })
    }
}

/// Checks an address: a secret key never travels in the open, but to this machine.
fn address(text: &str) -> Result<Url, ProcessorError> {
    let url = Url::parse(text).ok().filter(Url::has_host);
    let url = url.ok_or_else(|| misconfigured("its address is none"))?;
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    let is_private = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    if has_credentials || !is_private {
        return Err(misconfigured(
            "its address must begin with https:// and name nobody",
        ));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || literal.is_some_and(|ip| ip.is_loopback())
}

fn misconfigured(said: &str) -> ProcessorError {
    ProcessorError::Misconfigured {
        said: said.to_owned(),
    }
}

/// What a request without an answer means: nothing happened if there was no connection, anything if there was one.
fn lost(error: &reqwest::Error) -> ProcessorError {
    if error.is_connect() {
        return ProcessorError::Unavailable {
            retry_after: None,
            said: "Stripe cannot be reached".to_owned(),
        };
    }
    let said = if error.is_timeout() {
        "Stripe did not answer in time"
    } else {
        "the connection to Stripe broke off"
    };
    ProcessorError::Unknown {
        said: said.to_owned(),
    }
}

#[derive(Default, Deserialize)]
struct Envelope {
    #[serde(default)]
    error: Complaint,
}

#[derive(Default, Deserialize)]
struct Complaint {
    r#type: Option<String>,
    code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
    param: Option<String>,
}

/// What an answer that is no success means.
async fn complaint(status: StatusCode, answer: Response) -> ProcessorError {
    let wait = answer.headers().get("Retry-After");
    let wait = wait.and_then(|value| value.to_str().ok()?.parse().ok());
    let body = answer.bytes().await.unwrap_or_default();
    let Envelope { error } = serde_json::from_slice(&body).unwrap_or_default();
    classified(status, wait.map(Duration::from_secs), error)
}

fn classified(
    status: StatusCode,
    retry_after: Option<Duration>,
    said: Complaint,
) -> ProcessorError {
    let words = said.message.as_deref().unwrap_or("no reason was given");
    match status.as_u16() {
        // Anything from Stripe's side of 500 may have been done: it says so itself.
        500.. => ProcessorError::Unknown {
            said: format!("Stripe answered {status}: {words}"),
        },
        429 | 409 | 424 | 425 => ProcessorError::Unavailable {
            retry_after,
            said: format!("Stripe answered {status}: {words}"),
        },
        // The message of a refused key repeats parts of the key.
        401 => misconfigured("Stripe does not accept the secret key"),
        403 => misconfigured(&format!("Stripe does not allow this to the key: {words}")),
        400 | 402 | 404 | 422 if said.r#type.is_some() => ProcessorError::Refused(Refusal {
            reason: reason(&said),
            message: words.to_owned(),
            code: said.decline_code.or(said.code),
        }),
        _ => misconfigured(&format!(
            "what answers at its address ({status}) is not Stripe"
        )),
    }
}

fn reason(said: &Complaint) -> Reason {
    let kind = said.r#type.as_deref().unwrap_or_default();
    let param = said.param.as_deref().unwrap_or_default();
    let message = said.message.as_deref().unwrap_or_default();
    match (kind, said.code.as_deref().unwrap_or_default()) {
        ("idempotency_error", _) => Reason::KeyReused,
        ("card_error", _) => Reason::Declined,
        (_, "charge_already_refunded") => Reason::AlreadyRefunded,
        (_, "resource_missing") => Reason::NotFound,
        (_, "amount_too_small") => Reason::AmountTooSmall,
        // Stripe gives over-refunds no code, so that only its words tell.
        _ if message.contains("greater than unrefunded amount") => Reason::MoreThanLeft,
        (_, "amount_too_large") => Reason::AmountTooLarge,
        (
            _,
            "invalid_charge_amount"
            | "invalid_charge_amount_no_decimal_compatible"
            | "invalid_currency",
        ) => Reason::AmountNotPossible,
        _ if param == "expires_at" => Reason::BadExpiry,
        _ => Reason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> Complaint {
        serde_json::from_str(body).unwrap()
    }

    fn answered(status: u16, body: &str) -> ProcessorError {
        classified(StatusCode::from_u16(status).unwrap(), None, said(body))
    }

    #[test]
    fn every_answer_calls_for_one_reaction() {
        for status in [500, 502, 503, 504] {
            let error = answered(status, r#"{"type":"api_error"}"#);
            assert!(matches!(error, ProcessorError::Unknown { .. }), "{error}");
        }
        for status in [409, 429] {
            let error = answered(status, r#"{"type":"invalid_request_error"}"#);
            assert!(error.is_worth_repeating(), "{error}");
        }
        for (status, body) in [(401, "{}"), (403, "{}"), (404, "{}"), (301, "{}")] {
            let error = answered(status, body);
            assert!(
                matches!(error, ProcessorError::Misconfigured { .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn a_refusal_has_a_reason() {
        for (status, body, expected) in [
            (
                400,
                r#"{"type":"idempotency_error","message":"Keys…"}"#,
                Reason::KeyReused,
            ),
            (
                402,
                r#"{"type":"card_error","code":"card_declined"}"#,
                Reason::Declined,
            ),
            (
                400,
                r#"{"type":"invalid_request_error","code":"charge_already_refunded"}"#,
                Reason::AlreadyRefunded,
            ),
            (
                400,
                r#"{"type":"invalid_request_error","param":"amount","message":"Refund amount (€25.00) is greater than unrefunded amount on charge (€1.00)"}"#,
                Reason::MoreThanLeft,
            ),
            (
                404,
                r#"{"type":"invalid_request_error","code":"resource_missing"}"#,
                Reason::NotFound,
            ),
            (
                400,
                r#"{"type":"invalid_request_error","param":"expires_at"}"#,
                Reason::BadExpiry,
            ),
            (
                400,
                r#"{"type":"invalid_request_error","code":"brand_new"}"#,
                Reason::Other,
            ),
        ] {
            let error = answered(status, body);
            let refusal = error.refusal().unwrap();
            assert_eq!(refusal.reason, expected, "{body}");
        }
    }

    #[test]
    fn a_key_is_sent_only_where_it_is_safe() {
        let client = |url: &str, key: &str| {
            let mut options = StripeOptions::new(Secret::new(key));
            options.url = url.to_owned();
            StripeClient::new(options)
        };
        for good in [
            "https://api.stripe.com",
            "http://127.0.0.1:4290",
            "http://[::1]:1/",
            "http://localhost:1",
        ] {
            assert!(client(good, "sk_test_1").is_ok(), "{good}");
        }
        for bad in [
            "http://api.stripe.com",
            "http://10.0.0.7",
            "https://u:p@api.stripe.com",
            "stripe",
            "",
        ] {
            let error = client(bad, "sk_test_1").err().unwrap();
            assert!(
                matches!(error, ProcessorError::Misconfigured { .. }),
                "{bad}"
            );
        }
        assert!(client("https://api.stripe.com", " ").is_err());
        let options = StripeOptions::new(Secret::new("sk_live_hunter2"));
        assert!(!format!("{options:?}").contains("hunter2"));
    }

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        let mut options = StripeOptions::new(Secret::new("sk_test_1"));
        options.url = "https://api.stripe.com/".to_owned();
        let client = StripeClient::new(options).ok().unwrap();
        let url = client.at(&["refunds", "../account?x=1"]);
        assert_eq!(
            url.as_str(),
            "https://api.stripe.com/v1/refunds/..%2Faccount%3Fx=1"
        );
    }
}
