//! Who is let in: whoever holds a token, just as at the MCP server.

use axum::http::{HeaderMap, header};
use domain::text::clean;
use operations::{
    App, Entry,
    tokens::{Credentials, Grant, Limits, Refusal, Tokens, bearer},
};

use crate::problem::{Problem, TOKEN_INVALID, TOKEN_MISSING};

/// The longest name of a client program that is kept in the audit trail.
const CLIENT_LIMIT: usize = 100;
const CHALLENGE: &str = "Bearer realm=\"EventOS\"";

/// Lets callers in by what they carry.
#[derive(Clone)]
pub(crate) struct Door(Tokens);

impl Door {
    pub(crate) fn new(app: &App) -> Self {
        Self(Tokens::new(app.clone()))
    }

    /// What the credentials of a request grant.
    pub(crate) async fn grant(&self, headers: &HeaderMap) -> Result<Grant, Problem> {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(bearer);
        let Some(token) = given else {
            let problem = Problem::own(TOKEN_MISSING, "this needs a token");
            return Err(problem.header(header::WWW_AUTHENTICATE, CHALLENGE));
        };
        let credentials = Credentials::new(self.0.clone(), token);
        credentials.grant().await.map_err(|refusal| match refusal {
            Refusal::Unknown => {
                let detail = "this token is unknown, revoked or expired";
                let challenge = format!("{CHALLENGE}, error=\"invalid_token\"");
                Problem::own(TOKEN_INVALID, detail).header(header::WWW_AUTHENTICATE, &challenge)
            }
            Refusal::Unavailable => Problem::unavailable(),
        })
    }
}

/// Whether an operation is switched on for a grant. A missing permission is `App::run`'s business.
pub(crate) fn permits(grant: &Grant, entry: &Entry) -> Result<(), Problem> {
    Ok(Limits::of(grant).permits(entry)?)
}

/// How a program calls itself, for the audit trail.
pub(crate) fn client(headers: &HeaderMap) -> Option<String> {
    let name = headers.get(header::USER_AGENT)?.to_str().ok()?;
    let name: String = clean(name).chars().take(CLIENT_LIMIT).collect();
    Some(name).filter(|name| !name.is_empty())
}
