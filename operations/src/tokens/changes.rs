//! What can happen to a token.

use domain::{ApiTokenId, Change, Permissions, Subject};
use serde::Serialize;

/// A token was made.
#[derive(Debug, Serialize)]
pub struct TokenCreated {
    pub(super) token_id: ApiTokenId,
    pub(super) name: String,
    pub(super) scopes: Permissions,
    pub(super) read_only: bool,
}

impl Change for TokenCreated {
    const KIND: &'static str = "token.created";
    fn subject(&self) -> Subject {
        self.token_id.into()
    }
    fn summary(&self) -> String {
        let kind = if self.read_only {
            "read-only token"
        } else {
            "token"
        };
        format!(
            "Creates the {kind} {:?} with {} scopes",
            self.name,
            self.scopes.iter().count()
        )
    }
}

/// A token stopped working.
#[derive(Debug, Serialize)]
pub struct TokenRevoked {
    pub(super) token_id: ApiTokenId,
    pub(super) name: String,
}

impl Change for TokenRevoked {
    const KIND: &'static str = "token.revoked";
    fn subject(&self) -> Subject {
        self.token_id.into()
    }
    fn summary(&self) -> String {
        format!("Revokes the token {:?}", self.name)
    }
}
