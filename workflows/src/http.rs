//! Calls to systems outside: to allowed hosts only, signed, under a key that stays the same over all tries.

use std::time::Duration;

use delivery::webhook::{self, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use domain::Timestamp;
use operations::workflows::StepError;
use reqwest::{Client, Method, StatusCode, Url, redirect::Policy};
use serde_json::{Value, json};

/// Where workflows may call, and how.
#[derive(Clone)]
pub struct Options {
    /// Hosts they may call over https, such as `hooks.example.org` or `hooks.example.org:8443`; with `http://` in
    /// front, without encryption.
    pub hosts: Vec<String>,
    /// What the signature is made with; the other side knows it too. Without it nothing is called.
    pub secret: Option<String>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many bytes of an answer are read.
    pub max_answer: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            secret: None,
            timeout: Duration::from_secs(30),
            max_answer: 256 * 1024,
        }
    }
}

/// A call to make.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) body: Option<&'a Value>,
    /// `run:path`.
    pub(crate) key: String,
    pub(crate) now: Timestamp,
}

/// Makes calls.
pub(crate) struct Caller {
    client: Client,
    options: Options,
}

impl Caller {
    pub(crate) fn new(options: Options) -> Result<Self, StepError> {
        // Somebody else in the process may have chosen it already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder()
            // An allowed host must not lead to one that is not.
            .redirect(Policy::none())
            .timeout(options.timeout)
            .user_agent("eventos")
            .build()
            .map_err(|error| refused("http_unavailable", error.to_string()))?;
        Ok(Self { client, options })
    }

    /// Whether a call is allowed at all; asked before anything is written down.
    pub(crate) fn check(&self, call: &Call<'_>) -> Result<(Method, Url), StepError> {
        let method = match call.method {
            "GET" => Method::GET,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            other => {
                return Err(refused(
                    "http_method",
                    format!("{other:?} is not a method; use GET, POST, PUT, PATCH or DELETE."),
                ));
            }
        };
        let url = Url::parse(call.url).map_err(|error| {
            refused(
                "http_address",
                format!("{:?} is not an address: {error}.", call.url),
            )
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(
                "http_address",
                "An address must not hold a name or password.".to_owned(),
            ));
        }
        let host = url.host_str().unwrap_or_default();
        let host = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let allowed = |entry: &String| match entry.strip_prefix("http://") {
            Some(plain) => url.scheme() == "http" && plain == host,
            None => url.scheme() == "https" && *entry == host,
        };
        if !self.options.hosts.iter().any(allowed) {
            return Err(refused(
                "http_host_not_allowed",
                format!(
                    "Workflows may not call {}://{host}; the people who run EventOS can allow it in the settings.",
                    url.scheme()
                ),
            ));
        }
        if self.options.secret.is_none() {
            return Err(refused(
                "http_not_configured",
                "Calls are signed, and the settings hold no secret to sign with.".to_owned(),
            ));
        }
        Ok((method, url))
    }

    /// Makes a call and says what came of it.
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Value, StepError> {
        let (method, url) = self.check(call)?;
        let body = call.body.map(Value::to_string).unwrap_or_default();
        let seconds = call.now.as_microseconds() / 1_000_000;
        let key = sendable(&call.key);
        // As another EventOS takes it at the address of a workflow.
        let signed = webhook::keyed(&key, &body);
        let signature = webhook::signatures(self.options.secret.as_slice(), seconds, &signed);
        let mut request = self
            .client
            .request(method, url)
            .header("Idempotency-Key", key)
            .header(TIMESTAMP_HEADER, seconds)
            .header(SIGNATURE_HEADER, signature);
        if call.body.is_some() {
            request = request
                .header("Content-Type", "application/json")
                .body(body);
        }
        let answer = request.send().await;
        let mut answer = answer.map_err(|error| StepError {
            code: if error.is_timeout() {
                "http_timeout"
            } else {
                "http_unreachable"
            }
            .to_owned(),
            message: "The other system did not answer.".to_owned(),
            is_transient: true,
        })?;
        let status = answer.status();
        let mut content = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| StepError {
            code: "http_interrupted".to_owned(),
            message: "The other system's answer broke off.".to_owned(),
            is_transient: true,
        })? {
            content.extend_from_slice(&chunk);
            if content.len() > self.options.max_answer {
                return Err(refused(
                    "http_answer_too_long",
                    format!(
                        "The answer is longer than {} bytes.",
                        self.options.max_answer
                    ),
                ));
            }
        }
        classified(status, &content)
    }
}

/// A key as a header can hold it. Paths are the definition's words; what no header holds is left out.
fn sendable(key: &str) -> String {
    key.chars().filter(char::is_ascii_graphic).collect()
}

/// 2xx is done; busy and broken are worth another try; everything else is for a person to mend.
fn classified(status: StatusCode, content: &[u8]) -> Result<Value, StepError> {
    if status.is_success() {
        // PostgreSQL keeps no NUL.
        let text = String::from_utf8_lossy(content).replace('\0', "");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        return Ok(json!({"status": status.as_u16(), "body": body}));
    }
    let is_transient =
        status.is_server_error() || matches!(status.as_u16(), 408 | 409 | 423 | 425 | 429);
    Err(StepError {
        code: format!("http_{}", status.as_u16()),
        message: format!("The other system answered {status}."),
        is_transient,
    })
}

fn refused(code: &str, message: String) -> StepError {
    StepError {
        code: code.to_owned(),
        message,
        is_transient: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(hosts: &[&str]) -> Caller {
        let hosts = hosts.iter().map(ToString::to_string).collect();
        let secret = Some("secret".to_owned());
        let options = Options {
            hosts,
            secret,
            ..Options::default()
        };
        Caller::new(options).unwrap()
    }

    fn check(caller: &Caller, url: &str) -> Result<(), String> {
        let now = "2027-01-11T09:00:00Z".parse().unwrap();
        let call = Call {
            method: "POST",
            url,
            body: None,
            key: String::new(),
            now,
        };
        caller.check(&call).map(drop).map_err(|error| error.code)
    }

    #[test]
    fn calls_allowed_hosts_only() {
        let caller = caller(&["hooks.example.org", "http://127.0.0.1:4400"]);
        assert_eq!(check(&caller, "https://hooks.example.org/x"), Ok(()));
        assert_eq!(check(&caller, "http://127.0.0.1:4400/x"), Ok(()));
        for url in [
            "http://hooks.example.org/x",
            "https://hooks.example.org:8443/x",
            "https://hooks.example.org.evil.example/x",
            "https://evil.example/hooks.example.org",
            "http://127.0.0.1/x",
            "file:///etc/passwd",
        ] {
            assert_eq!(
                check(&caller, url),
                Err("http_host_not_allowed".to_owned()),
                "{url}"
            );
        }
        let named = check(&caller, "https://hooks.example.org@evil.example/");
        assert_eq!(named, Err("http_address".to_owned()));
    }

    #[test]
    fn a_host_is_not_called_without_a_secret() {
        let mut caller = caller(&["hooks.example.org"]);
        caller.options.secret = None;
        let refused = check(&caller, "https://hooks.example.org/x");
        assert_eq!(refused, Err("http_not_configured".to_owned()));
    }

    #[test]
    fn says_which_failures_may_pass() {
        let outcome = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            classified(status, b"x").map_err(|error| error.is_transient)
        };
        assert_eq!(outcome(200), Ok(json!({"status": 200, "body": "x"})));
        for status in [408, 429, 500, 503] {
            assert_eq!(outcome(status), Err(true), "{status}");
        }
        for status in [302, 400, 401, 404, 422] {
            assert_eq!(outcome(status), Err(false), "{status}");
        }
    }
}
