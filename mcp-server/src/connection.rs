//! Who is connected, and which part of the catalog that connection has: the token's rights, narrowed by the path
//! and by the program's settings. Lists and calls ask the same questions here.

use domain::{Cx, FaultKind, context::Mode, fault::Failure, text::clean};
use operations::{Effect, Entry, Shelf, Toolset, tokens::Grant};
use rmcp::{RoleServer, service::RequestContext};

use crate::credentials::{Credentials, Refusal};

/// The longest name of a client program that is kept in the audit trail.
const CLIENT_LIMIT: usize = 100;

/// What narrows a connection beyond its token.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    pub(crate) toolsets: Option<Vec<Toolset>>,
    pub(crate) read_only: bool,
}

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
        let both = |a: Option<Vec<Toolset>>, b: Option<&Vec<Toolset>>| match (a, b) {
            (Some(a), Some(b)) => Some(a.into_iter().filter(|t| b.contains(t)).collect()),
            (a, b) => a.or_else(|| b.cloned()),
        };
        let toolsets = limits
            .iter()
            .fold(grant.toolsets.clone(), |toolsets, limits| {
                both(toolsets, limits.toolsets.as_ref())
            });
        let read_only = grant.read_only || limits.iter().any(|limits| limits.read_only);
        Self {
            grant,
            limits: Limits {
                toolsets,
                read_only,
            },
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

    /// Whether an entry is switched on here. A missing permission is the door's business: see `App::run`.
    pub(crate) fn permits(&self, entry: &Entry) -> Result<(), Failure> {
        let off = |code, message, next| Failure {
            kind: FaultKind::Forbidden,
            code,
            message,
            next,
            field: None,
            candidates: Vec::new(),
        };
        if self.limits.read_only && entry.effect != Effect::Read {
            return Err(off(
                "read_only",
                format!("this connection may only read, and {} writes", entry.name),
                "Use a connection or token that is not read-only, or ask the organizer to do it.",
            ));
        }
        let toolsets = self.limits.toolsets.as_ref();
        if toolsets.is_some_and(|on| !on.contains(&entry.toolset)) {
            return Err(off(
                "toolset_off",
                format!(
                    "{} belongs to the toolset {}, which is switched off for this connection",
                    entry.name,
                    entry.toolset.as_str()
                ),
                "Use a connection or token with this toolset, or ask the organizer to do it.",
            ));
        }
        Ok(())
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
