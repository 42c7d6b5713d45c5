//! What the server answers over HTTP: the MCP endpoint, the API, health, pages for people, and the addresses that start
//! workflows.

mod approvals;
mod buyer;
mod chat;
mod hooks;
mod orders;
mod stripe;
mod survey;
mod turns;
mod waitlist;

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use mcp_server::ProtocolVersion;
use operations::{App, Toolset};
use store::Store;
use tokio_util::sync::CancellationToken;

pub(crate) use chat::Door;

use crate::{config::Config, database::Database, unsubscribe};

struct Served {
    app: App,
    store: Store,
    landing: String,
}

/// All routes of the server.
pub(crate) fn router(
    app: &App,
    database: &Database,
    config: &Config,
    key: [u8; 32],
    door: Option<Arc<Door>>,
    stop: &CancellationToken,
) -> Result<Router> {
    let landing = include_str!("../landing.html").replace("{{url}}", &escaped(&config.url()));
    let served = Arc::new(Served {
        app: app.clone(),
        store: database.store.clone(),
        landing,
    });
    let mut options = mcp_options(config, key)?;
    options.shutdown = stop.clone();
    let way_out = unsubscribe::router(app, key);
    let pages = Router::new()
        .route("/", get(landing_page))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(served);
    let pages = pages.merge(approvals::router(app, key)).merge(way_out);
    let pages = match door {
        Some(door) => pages.merge(chat::router(app, door, stop)),
        None => pages,
    };
    let pages = pages.merge(survey::router(app, key));
    let pages = pages.merge(hooks::router(app));
    let pages = pages.merge(orders::router(app, config, key));
    let pages = pages.merge(waitlist::router(app, config, key));
    let pages = pages.merge(turns::router(app, config, key));
    let pages = pages.merge(stripe::router(app, config));
    let pages = pages.merge(http_api::router(app.clone(), api_options(config, key)));
    Ok(pages.merge(mcp_server::router(app.clone(), options)))
}

/// The API's options from the settings.
fn api_options(config: &Config, key: [u8; 32]) -> http_api::Options {
    let mut options = http_api::Options::new(key);
    options.url = config.url();
    options.public_per_minute = config.limits.public_per_minute;
    options.public_burst = config.limits.public_burst;
    options.behind_proxy = config.limits.behind_proxy;
    options
}

/// The MCP server's options from the settings.
pub(crate) fn mcp_options(config: &Config, key: [u8; 32]) -> Result<mcp_server::Options> {
    let toolset =
        |name: &String| Toolset::find(name).with_context(|| format!("{name:?} is not a toolset"));
    let toolsets = config
        .mcp
        .toolsets
        .as_ref()
        .map(|names| names.iter().map(toolset).collect::<Result<Vec<_>>>());
    let mut options = mcp_server::Options::new(key);
    options.read_only = config.mcp.read_only;
    options.toolsets = toolsets.transpose()?;
    options.allowed_hosts.extend(host(&config.url()));
    options
        .allowed_origins
        .clone_from(&config.mcp.allowed_origins);
    // An empty list lets any origin in; one that is not must not shut out the server's own pages.
    if !options.allowed_origins.is_empty() {
        options.allowed_origins.extend(origin(&config.url()));
    }
    options.max_protocol = match config.mcp.max_protocol.as_deref() {
        None => None,
        Some("2026-07-28") => Some(ProtocolVersion::V_2026_07_28),
        Some("2025-11-25") => Some(ProtocolVersion::V_2025_11_25),
        Some("2025-06-18") => Some(ProtocolVersion::V_2025_06_18),
        Some(other) => bail!(
            "{other:?} is not a protocol revision that can be a limit; use 2025-11-25 or 2026-07-28"
        ),
    };
    Ok(options)
}

/// The host of an address, with its port if it names one.
fn host(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/')
        .next()
        .filter(|host| !host.is_empty())
        .map(ToOwned::to_owned)
}

/// The web origin of an address, always with its port.
fn origin(url: &str) -> Option<String> {
    let (scheme, _) = url.split_once("://")?;
    let host = host(url)?;
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    Some(match (has_port, scheme) {
        (true, _) => format!("{scheme}://{host}"),
        (false, "http") => format!("{scheme}://{host}:80"),
        (false, _) => format!("{scheme}://{host}:443"),
    })
}

async fn landing_page(State(served): State<Arc<Served>>) -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, Html(served.landing.clone())).into_response()
}

/// Ready: the database answers and has this program's schema.
async fn ready(State(served): State<Arc<Served>>) -> (StatusCode, &'static str) {
    if served.app.ping().await.is_err() {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not answer\n",
        );
    }
    match served.store.migration_state().await {
        Ok(state) if state.is_current() => (StatusCode::OK, "ready\n"),
        Ok(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database has another schema; run `eventos migrate`\n",
        ),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not answer\n",
        ),
    }
}

/// A page behind a link that is a right in itself.
pub(crate) struct Page<'a> {
    pub(crate) status: StatusCode,
    pub(crate) lang: &'a str,
    /// As HTML, like the body.
    pub(crate) title: &'a str,
    /// What it looks like beyond what all pages have.
    pub(crate) style: &'static str,
    /// Where its forms may lead beside this server, as a source of a Content-Security-Policy; nowhere if empty.
    pub(crate) forms_to: &'a str,
    pub(crate) body: &'a str,
}

/// Shows a page that is not kept, not framed, and whose address goes nowhere else.
pub(crate) fn linked(page: &Page<'_>) -> Response {
    // Title and body last, each by itself: what people wrote into them stays as it is.
    let (head, foot) = include_str!("page.html")
        .split_once("{{body}}")
        .expect("the page has a body");
    let head = head
        .replace("{{style}}", page.style)
        .replace("{{lang}}", page.lang)
        .replace("{{title}}", page.title);
    let html = [head.as_str(), page.body, foot].concat();
    let forms_to = page.forms_to;
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self' {forms_to}; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (page.status, headers, Html(html)).into_response()
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_origin_is_allowed_beside_others() {
        let mut config = Config {
            public_url: Some("https://tickets.example/".to_owned()),
            ..Config::default()
        };
        let none = mcp_options(&config, [0; 32]).unwrap();
        assert!(none.allowed_origins.is_empty(), "any may come");
        config.mcp.allowed_origins = vec!["https://chat.example:443".to_owned()];
        let some = mcp_options(&config, [0; 32]).unwrap();
        let expected = ["https://chat.example:443", "https://tickets.example:443"];
        assert_eq!(some.allowed_origins, expected);
        config.public_url = None;
        let local = mcp_options(&config, [0; 32]).unwrap();
        assert_eq!(local.allowed_origins[1], "http://127.0.0.1:4280");
        assert_eq!(origin("http://[::1]"), Some("http://[::1]:80".to_owned()));
    }
}
