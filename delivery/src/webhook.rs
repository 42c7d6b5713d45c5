//! Webhooks: signing what is posted to other people's servers, and not being led into our own network.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use domain::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use sha2::Sha256;

use crate::use_ring;

const TIMEOUT: Duration = Duration::from_secs(30);

/// The id of the delivery; the same for every attempt.
pub const ID_HEADER: &str = "EventOS-Id";
/// Seconds since 1970 at this attempt; part of what is signed.
pub const TIMESTAMP_HEADER: &str = "EventOS-Timestamp";
/// `v1=<hex>`, one for each secret in use, separated by commas.
pub const SIGNATURE_HEADER: &str = "EventOS-Signature";

/// One thing to post.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The id of the delivery.
    pub id: String,
    /// Where to.
    pub url: String,
    /// The secrets in use: while one replaces another, both sign.
    pub secrets: Vec<String>,
    /// JSON.
    pub body: String,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What came of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Taken: any 2xx.
    Taken(u16),
    /// 410: nobody wants this any more; the endpoint is to be switched off.
    Gone,
    /// Anything else: try again later.
    Later {
        /// The status, when there was an answer.
        code: Option<u16>,
        /// What happened.
        text: String,
    },
}

/// Why an address may not be posted to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No address.
    #[error("this is not an address; it must look like https://example.org/hooks")]
    Malformed,
    /// Not https.
    #[error("the address must begin with https://")]
    NotHttps,
    /// A user name or password in it.
    #[error("the address must not hold a user name or password; requests are signed instead")]
    HasCredentials,
    /// This machine or a private network.
    #[error("the address leads to this machine or into a private network")]
    Private,
}

/// Which addresses may be posted to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guard {
    /// Whether this machine may be posted to, and without https: for development.
    pub allow_loopback: bool,
}

impl Guard {
    /// Checks an address as far as that is possible without asking the name service.
    pub fn check(self, url: &str) -> Result<Url, UrlError> {
        let url = Url::parse(url).map_err(|_| UrlError::Malformed)?;
        let host = url.host_str().ok_or(UrlError::Malformed)?;
        let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        let name = host.trim_end_matches('.');
        let loopback = name == "localhost"
            || name.ends_with(".localhost")
            || literal.is_some_and(|ip| ip.is_loopback());
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::HasCredentials);
        }
        if loopback && self.allow_loopback && matches!(url.scheme(), "http" | "https") {
            return Ok(url);
        }
        if url.scheme() != "https" {
            return Err(UrlError::NotHttps);
        }
        if loopback || literal.is_some_and(|ip| !is_public(ip)) {
            return Err(UrlError::Private);
        }
        Ok(url)
    }

    fn admits(self, ip: IpAddr) -> bool {
        is_public(ip) || self.allow_loopback && ip.is_loopback()
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            // One private address among several is enough to refuse: which one is used is not ours to choose.
            if found.is_empty() || !found.iter().all(|address| guard.admits(address.ip())) {
                return Err(UrlError::Private.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is on the public internet.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => ip
            .to_ipv4_mapped()
            .map_or_else(|| is_public_v6(ip), is_public_v4),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let reserved = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || matches!(
            (a, b),
            (0 | 224..=255, _) | (100, 64..=127) | (198, 18 | 19)
        )
        || matches!((a, b, c), (192, 0, 0) | (192, 88, 99));
    !reserved
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    // Global unicast is 2000::/3; inside it, tunnels that carry IPv4 and special ranges are left out.
    a & 0xe000 == 0x2000
        && a != 0x2002
        && !(a == 0x2001 && b < 0x0200)
        && !(a == 0x2001 && b == 0x0db8)
}

/// Posts webhooks.
#[derive(Clone)]
pub struct Poster {
    client: Client,
    guard: Guard,
}

impl Poster {
    /// Follows no redirects, uses no proxy, and connects only where the guard allows.
    pub fn new(guard: Guard) -> Result<Self, reqwest::Error> {
        use_ring();
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .user_agent("EventOS")
            .dns_resolver(Arc::new(guard))
            .build()?;
        Ok(Self { client, guard })
    }

    /// Posts once.
    pub async fn post(&self, webhook: &Webhook, now: Timestamp) -> Outcome {
        let url = match self.guard.check(&webhook.url) {
            Ok(url) => url,
            Err(error) => {
                return Outcome::Later {
                    code: None,
                    text: error.to_string(),
                };
            }
        };
        let seconds = now.as_microseconds() / 1_000_000;
        let request = self
            .client
            .post(url)
            .header("Content-Type", "application/json")
            .header(ID_HEADER, &webhook.id)
            .header(TIMESTAMP_HEADER, seconds)
            .header(
                SIGNATURE_HEADER,
                signatures(&webhook.secrets, seconds, &webhook.body),
            )
            .body(webhook.body.clone());
        match request.send().await.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Outcome::Taken(status.as_u16()),
            Ok(status) if status.as_u16() == 410 => Outcome::Gone,
            Ok(status) => Outcome::Later {
                code: Some(status.as_u16()),
                text: format!("the server answered {status}"),
            },
            Err(error) => Outcome::Later {
                code: None,
                text: chain(&error.without_url()),
            },
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The value of the signature header: HMAC-SHA-256 of `<seconds>.<body>` with each secret.
pub fn signatures(secrets: &[String], seconds: i64, body: &str) -> String {
    let sign = |secret: &String| {
        let code = mac(secret, seconds, body).finalize().into_bytes();
        format!("v1={}", hex::encode(code))
    };
    secrets.iter().map(sign).collect::<Vec<_>>().join(",")
}

/// Whether one of the signatures in a header's value is made with this secret; takes the same time wherever they
/// differ.
pub fn is_signed(value: &str, secret: &str, seconds: i64, body: &str) -> bool {
    value.split(',').any(|one| {
        let code = one.trim().strip_prefix("v1=");
        let code = code.and_then(|code| hex::decode(code).ok());
        code.is_some_and(|code| mac(secret, seconds, body).verify_slice(&code).is_ok())
    })
}

/// What is signed in place of the body where a request carries an idempotency key: whoever has overheard one could
/// otherwise repeat it under another key.
pub fn keyed(key: &str, body: &str) -> String {
    format!("{key}.{body}")
}

fn mac(secret: &str, seconds: i64, body: &str) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[test]
    fn signs_as_anyone_can_check() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac secret
        let one = signatures(&["secret".to_owned()], 1_700_000_000, "{}");
        assert_eq!(
            one,
            "v1=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163"
        );
        let both = signatures(
            &["secret".to_owned(), "next".to_owned()],
            1_700_000_000,
            "{}",
        );
        assert!(both.starts_with(&format!("{one},v1=")), "{both}");
        for secret in ["secret", "next"] {
            assert!(is_signed(&both, secret, 1_700_000_000, "{}"), "{secret}");
        }
        assert!(!is_signed(&both, "other", 1_700_000_000, "{}"));
        assert!(!is_signed(
            &one[..one.len() - 2],
            "secret",
            1_700_000_000,
            "{}"
        ));
        assert!(!is_signed(
            &one["v1=".len()..],
            "secret",
            1_700_000_000,
            "{}"
        ));
        assert_ne!(one, signatures(&["secret".to_owned()], 1_700_000_001, "{}"));
    }

    #[test]
    fn refuses_addresses_that_lead_inside() {
        let guard = Guard::default();
        for bad in [
            "https://127.0.0.1/x",
            "https://[::1]/",
            "https://localhost/",
            "https://10.0.0.7/",
            "https://169.254.169.254/latest/meta-data",
            "https://[::ffff:10.0.0.7]/",
            "https://[fd00::1]/",
            "https://[64:ff9b::a00:7]/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://100.64.0.1/",
        ] {
            assert_eq!(guard.check(bad), Err(UrlError::Private), "{bad}");
        }
        assert_eq!(guard.check("http://example.org/"), Err(UrlError::NotHttps));
        assert_eq!(guard.check("ftp://example.org/"), Err(UrlError::NotHttps));
        assert_eq!(
            guard.check("https://u:p@example.org/"),
            Err(UrlError::HasCredentials)
        );
        assert!(guard.check("https://example.org/hook").is_ok());
        let open = Guard {
            allow_loopback: true,
        };
        assert!(open.check("http://127.0.0.1:8080/").is_ok());
        assert!(open.check("http://10.0.0.7/").is_err());
    }

    #[tokio::test]
    async fn a_name_that_resolves_inside_is_not_connected_to() {
        let poster = Poster::new(Guard::default()).unwrap();
        // Past the check of the address, as a name would be that only the name service knows to be ours.
        let error = poster
            .client
            .post("https://localhost:1/")
            .send()
            .await
            .unwrap_err();
        assert!(
            chain(&error).contains("private network"),
            "{}",
            chain(&error)
        );
    }

    /// Answers one request with a status line, and hands back what was asked.
    async fn served(status: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 4096];
            let mut read = 0;
            while !String::from_utf8_lossy(&buffer[..read]).contains("{\"a\":1}") {
                read += stream.read(&mut buffer[read..]).await.unwrap();
            }
            let answer = format!(
                "HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&buffer[..read]).into_owned()
        });
        (url, asked)
    }

    #[tokio::test]
    async fn classifies_answers() {
        let poster = Poster::new(Guard {
            allow_loopback: true,
        })
        .unwrap();
        for (status, expected) in [
            ("200 OK", Outcome::Taken(200)),
            ("410 Gone", Outcome::Gone),
            (
                "302 Found",
                Outcome::Later {
                    code: Some(302),
                    text: "the server answered 302 Found".to_owned(),
                },
            ),
            (
                "503 Busy",
                Outcome::Later {
                    code: Some(503),
                    text: "the server answered 503 Service Unavailable".to_owned(),
                },
            ),
        ] {
            let (url, asked) = served(status).await;
            let webhook = Webhook {
                id: "42".to_owned(),
                url,
                secrets: vec!["secret".to_owned()],
                body: "{\"a\":1}".to_owned(),
            };
            let now = "2027-01-11T09:00:00Z".parse().unwrap();
            assert_eq!(poster.post(&webhook, now).await, expected);
            let asked = asked.await.unwrap().to_lowercase();
            let signature = signatures(&["secret".to_owned()], 1_799_658_000, "{\"a\":1}");
            assert!(
                asked.contains(&format!("eventos-signature: {signature}")),
                "{asked}"
            );
            assert!(
                asked.contains("eventos-id: 42") && asked.contains("eventos-timestamp: 1799658000")
            );
        }
    }
}
