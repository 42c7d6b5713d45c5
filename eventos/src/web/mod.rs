//! What the server answers over HTTP: the MCP endpoint, health, and a page that says how to connect.

pub(crate) mod approvals;

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
    Ok(pages.merge(mcp_server::router(app.clone(), options)))
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

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
