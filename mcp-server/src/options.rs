//! What the program decides about the MCP server.

use std::time::Duration;

use operations::{CATALOG, Entry, Toolset};
use rmcp::model::ProtocolVersion;
use tokio_util::sync::CancellationToken;

/// Settings of the MCP server.
#[derive(Clone)]
pub struct Options {
    /// What the server calls itself.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The secret that seals confirmations and binds sessions to tokens. Keep it over restarts, and the same in all
    /// processes behind one address: with another key, open sessions and confirmations are refused.
    pub key: [u8; 32],
    /// Host names under which the server is reached; loopback is always allowed.
    pub allowed_hosts: Vec<String>,
    /// Web origins that may call, with port; empty allows any, because every request needs a token.
    pub allowed_origins: Vec<String>,
    /// Where clients learn how to get a token (RFC 9728); named in the 401 when there is such a document.
    pub resource_metadata: Option<String>,
    /// The newest protocol revision to agree on, for clients that mix two of them up.
    pub max_protocol: Option<ProtocolVersion>,
    /// How long a tool may run.
    pub tool_timeout: Duration,
    /// How long a confirmation holds, and how long a person has to answer.
    pub confirm_within: Duration,
    /// How long a request's body may take to arrive.
    pub read_within: Duration,
    /// How long a session of the older era is kept in memory when nothing happens in it. Its subscriptions end with
    /// it; a client that answers pings keeps it.
    pub session_idle: Duration,
    /// How often an open stream asks whether its token still holds.
    pub recheck_every: Duration,
    /// Refuse every write, whoever asks.
    pub read_only: bool,
    /// Offer only these groups of tools; `None` for all.
    pub toolsets: Option<Vec<Toolset>>,
    /// What is offered; other than the operations' catalog only in tests.
    pub catalog: &'static [Entry],
    /// Ends sessions and subscriptions when the program stops.
    pub shutdown: CancellationToken,
}

impl Options {
    /// Sensible settings under a secret key.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            name: "eventos".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            key,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            resource_metadata: None,
            max_protocol: None,
            tool_timeout: Duration::from_secs(30),
            confirm_within: Duration::from_mins(5),
            read_within: Duration::from_secs(30),
            // Well above `confirm_within`: while a person thinks, nothing happens in the session.
            session_idle: Duration::from_mins(15),
            recheck_every: Duration::from_mins(1),
            read_only: false,
            toolsets: None,
            catalog: CATALOG,
            shutdown: CancellationToken::new(),
        }
    }
}
