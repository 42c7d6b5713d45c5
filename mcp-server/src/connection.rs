//! Who is connected, and which part of the catalog that connection has: the token's rights, narrowed by the path
//! and by the program's settings. Lists and calls ask the same questions here.

use domain::{Cx, context::Mode, fault::Failure, text::clean};
use operations::{
    Entry, Shelf,
    tokens::{Credentials, Grant, Limits, Refusal},
};
use rmcp::{RoleServer, service::RequestContext};

/// The longest name of a client program that is kept in the audit trail.
const CLIENT_LIMIT: usize = 100;

/// A caller with its rights and limits.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    grant: Grant,
    limits: Limits,
    /// What the grant was given for; nothing where it holds as long as the connection.
    credentials: Option<Credentials>,
}

impl Connection {
    /// A token's holder within the limits of a path and of the program.
    pub(crate) fn new(grant: Grant, limits: [&Limits; 2]) -> Self {
        let limits = limits.into_iter().fold(Limits::of(&grant), Limits::and);
        Self {
            grant,
            limits,
            credentials: None,
        }
    }

    /// The same connection, of somebody who can be asked again.
    pub(crate) fn of(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Whether the caller still has the rights it had when it connected. While the database is away nobody loses any.
    pub(crate) async fn still_holds(&self) -> bool {
        let Some(credentials) = &self.credentials else {
            return true;
        };
        match credentials.grant().await {
            Ok(now) => {
                now.permissions == self.grant.permissions && now.toolsets == self.grant.toolsets
            }
            Err(Refusal::Unknown) => false,
            Err(Refusal::Unavailable) => true,
        }
    }

    /// Whether an entry exists for this connection's eyes.
    pub(crate) fn shows(&self, entry: &Entry) -> bool {
        entry.shelf != Shelf::Operators
            && self.grant.permissions.allows(entry.needs)
            && self.permits(entry).is_ok()
    }

    /// Whether an entry is switched on here.
    pub(crate) fn permits(&self, entry: &Entry) -> Result<(), Failure> {
        self.limits.permits(entry)
    }

    /// Tells callers apart: what one may use, another may not.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.grant.organization_id, self.grant.actor.key())
    }

    pub(crate) fn organization_id(&self) -> domain::OrganizationId {
        self.grant.organization_id
    }

    /// The context of one request.
    pub(crate) fn context(&self, request: &RequestContext<RoleServer>) -> Cx {
        let gone = request.ct.clone();
        let mut cx = self
            .grant
            .context()
            .with_cancel(move || gone.is_cancelled());
        if self.limits.read_only {
            cx.mode = Mode::ReadOnly;
        }
        match request.client_info() {
            Some(client) => {
                let name = clean(&format!("{} {}", client.name, client.version))
                    .replace(['\n', '\t'], " ");
                cx.with_client(name.chars().take(CLIENT_LIMIT).collect::<String>())
            }
            None => cx,
        }
    }
}
