//! MCP over HTTP: the paths, who is let in, and whose session it is.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use operations::{
    App, Toolset,
    tokens::{Credentials, Limits, Refusal, Tokens, bearer},
};
use rmcp::transport::{
    StreamableHttpServerConfig, StreamableHttpService,
    streamable_http_server::session::local::LocalSessionManager,
};

use crate::{
    connection::Connection,
    options::Options,
    server::{Server, Shared},
    sessions::{self, Binding, Kept, Open, Seat},
};

/// Where the MCP server is.
pub const PATH: &str = "/mcp";

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const NAMED: HeaderName = HeaderName::from_static("mcp-method");

/// The longest request, in bytes, and the longest that may open a session: what it says is kept for days.
const LONGEST: usize = 4 << 20;
const LONGEST_OPENING: usize = 16 << 10;

/// The MCP server as routes: everything at [`PATH`], only reads at `/mcp/readonly`, one group of tools at
/// `/mcp/x/{toolset}`, and its reads at `/mcp/x/{toolset}/readonly`.
pub fn router(app: App, options: Options) -> Router {
    let mut sessions = LocalSessionManager::default();
    sessions.session_config.keep_alive = Some(options.session_idle);
    let sessions = Arc::new(sessions);
    let door = Arc::new(Door::new(&app, &options, Arc::clone(&sessions)));
    let mut config = StreamableHttpServerConfig::default()
        // What has one answer is answered plainly; where more is to be said, the answer becomes a stream by itself.
        .with_json_response(true)
        .with_max_request_body_bytes(LONGEST)
        .with_cancellation_token(options.shutdown.clone())
        .with_allowed_origins(options.allowed_origins.clone());
    config
        .allowed_hosts
        .extend(options.allowed_hosts.iter().cloned());
    config.session_store = Some(Arc::new(Kept(app.sessions())));
    let shared = Shared::new(app, options);
    #[cfg(feature = "conformance-fixtures")]
    let fixtures = crate::fixtures::router(
        crate::fixtures::Fixtures::new(shared.codec.clone()),
        Arc::clone(&sessions),
        config.clone(),
    );
    let service = StreamableHttpService::new(
        move || Ok(Server::remote(Arc::clone(&shared))),
        sessions,
        config,
    );
    let mut router = Router::new();
    for toolset in std::iter::once(None).chain(Toolset::ALL.iter().copied().map(Some)) {
        for read_only in [false, true] {
            let mut path = PATH.to_owned();
            if let Some(toolset) = toolset {
                path = format!("{path}/x/{}", toolset.as_str());
            }
            if read_only {
                path.push_str("/readonly");
            }
            let limits = Limits {
                toolsets: toolset.map(|toolset| vec![toolset]),
                read_only,
            };
            let door = Arc::clone(&door);
            let admit = middleware::from_fn(move |request, next| {
                admit(Arc::clone(&door), limits.clone(), request, next)
            });
            let route = axum::routing::any_service(service.clone()).layer(admit);
            router = router.route(&path, route);
        }
    }
    #[cfg(feature = "conformance-fixtures")]
    let router = router.merge(fixtures.layer(middleware::from_fn(move |request, next| {
        admit(Arc::clone(&door), Limits::default(), request, next)
    })));
    router
}

/// Lets callers in by what they carry. A way in that is not a bearer token of ours (OAuth) goes into
/// [`Door::connection`]; the rest of the server sees only the [`Connection`].
struct Door {
    tokens: Tokens,
    limits: Limits,
    sessions: Binding,
    open: Open,
    idle: Duration,
    read_within: Duration,
    challenge: String,
}

impl Door {
    fn new(app: &App, options: &Options, sessions: Arc<LocalSessionManager>) -> Self {
        let mut challenge = "Bearer realm=\"EventOS\"".to_owned();
        if let Some(url) = &options.resource_metadata {
            challenge = format!("{challenge}, resource_metadata=\"{url}\"");
        }
        Self {
            tokens: Tokens::new(app.clone()),
            limits: Limits {
                toolsets: options.toolsets.clone(),
                read_only: options.read_only,
            },
            sessions: Binding::new(&options.key),
            open: Open::new(sessions),
            idle: options.session_idle,
            read_within: options.read_within,
            challenge,
        }
    }

    /// What the request's credentials grant on a path, or the answer that refuses it.
    async fn connection(&self, headers: &HeaderMap, path: &Limits) -> Result<Connection, Response> {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(bearer);
        let Some(token) = given else {
            let message = "A token is needed: send it as `Authorization: Bearer …`.";
            return Err(self.refuse("", message));
        };
        let credentials = Credentials::new(self.tokens.clone(), token);
        match credentials.grant().await {
            Ok(grant) => Ok(Connection::new(grant, [path, &self.limits]).of(credentials)),
            Err(Refusal::Unknown) => {
                let message =
                    "This token is unknown, revoked or expired; ask an owner for a new one.";
                Err(self.refuse(", error=\"invalid_token\"", message))
            }
            Err(Refusal::Unavailable) => {
                let message =
                    "The database is not available right now; try again in a few seconds.";
                Err((StatusCode::SERVICE_UNAVAILABLE, message).into_response())
            }
        }
    }

    fn refuse(&self, error: &str, message: &'static str) -> Response {
        let challenge = format!("{}{error}", self.challenge);
        let headers = [(header::WWW_AUTHENTICATE, challenge)];
        (StatusCode::UNAUTHORIZED, headers, message).into_response()
    }

    async fn seat(&self, owner: &str) -> Result<Seat<'_>, Response> {
        self.open.reserve(owner).await.ok_or_else(|| {
            let message = format!(
                "This token has {} sessions open; end some with DELETE, or wait until they have been idle for {} s.",
                sessions::MOST,
                self.idle.as_secs()
            );
            let headers = [(header::RETRY_AFTER, "60")];
            (StatusCode::TOO_MANY_REQUESTS, headers, message).into_response()
        })
    }
}

async fn admit(door: Arc<Door>, path: Limits, request: Request, next: Next) -> Response {
    match admitted(&door, &path, request, next).await {
        Ok(response) | Err(response) => response,
    }
}

async fn admitted(
    door: &Door,
    path: &Limits,
    mut request: Request,
    next: Next,
) -> Result<Response, Response> {
    let connection = door.connection(request.headers(), path).await?;
    let owner = connection.key();
    // Nothing behind this point needs the secret.
    request.headers_mut().remove(header::AUTHORIZATION);
    let mut seat = None;
    if let Some(given) = request.headers().get(SESSION) {
        let id = given
            .to_str()
            .ok()
            .and_then(|id| door.sessions.inside(&owner, id));
        let Some((id, header)) = id.and_then(|id| Some((id, HeaderValue::from_str(id).ok()?)))
        else {
            // What the SDK says of an unknown session; clients answer it with a new `initialize`.
            return Err((StatusCode::NOT_FOUND, "Not Found: Session not found").into_response());
        };
        if request.method() != Method::DELETE && !door.open.is_open(id).await {
            // It is about to be taken up again from the database.
            seat = Some((door.seat(&owner).await?, id.to_owned()));
        }
        request.headers_mut().insert(SESSION, header);
    }
    request.extensions_mut().insert(connection);
    let is_new = !request.headers().contains_key(SESSION);
    let mut opening = None;
    if request.method() == Method::POST {
        let (parts, body) = request.into_parts();
        let body = read(body, door.read_within).await?;
        if is_new && may_open_a_session(&parts.headers, &body) {
            if body.len() > LONGEST_OPENING {
                let message = "The first message of a session has at most 16 kB.";
                return Err((StatusCode::PAYLOAD_TOO_LARGE, message).into_response());
            }
            opening = Some(door.seat(&owner).await?);
        }
        request = Request::from_parts(parts, Body::from(body));
    }
    let mut response = next.run(request).await;
    if let Some((seat, id)) = seat
        && door.open.is_open(&id).await
    {
        seat.take(&id);
    }
    let id = response.headers().get(SESSION);
    if let Some(id) = id.and_then(|id| id.to_str().ok()) {
        if let Some(seat) = opening {
            seat.take(id);
        }
        if let Ok(outside) = HeaderValue::from_str(&door.sessions.outside(&owner, id)) {
            response.headers_mut().insert(SESSION, outside);
        }
    }
    Ok(response)
}

/// The whole body: a caller that sends it piece by piece for ever must not hold a connection for as long.
async fn read(body: Body, within: Duration) -> Result<Bytes, Response> {
    match tokio::time::timeout(within, to_bytes(body, LONGEST)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => {
            let message = "The request ended too early, or is longer than 4 MB.";
            Err((StatusCode::PAYLOAD_TOO_LARGE, message).into_response())
        }
        Err(_) => {
            let message = "The request took too long to arrive.";
            Err((StatusCode::REQUEST_TIMEOUT, message).into_response())
        }
    }
}

/// Whether a message without a session may open one: an `initialize`, or what cannot be told from it. The SDK refuses
/// headers that name another method than the message.
fn may_open_a_session(headers: &HeaderMap, message: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        method: Cow<'a, str>,
    }
    const OPENING: &str = "initialize";
    if headers.get(NAMED).is_some_and(|named| named != OPENING) {
        return false;
    }
    serde_json::from_slice::<Named<'_>>(message).map_or(true, |named| named.method == OPENING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_may_be_an_initialize_is_taken_for_one() {
        let mut headers = HeaderMap::new();
        for message in [
            r#"{"method":"initialize"}"#,
            r#"{"method":"\u0069nitialize"}"#,
            r#"{"method":"ping","method":"initialize"}"#,
            "[]",
            "{",
        ] {
            assert!(
                may_open_a_session(&headers, message.as_bytes()),
                "{message}"
            );
        }
        let other = br#"{"jsonrpc":"2.0","method":"tools/call","params":{"method":"initialize"}}"#;
        assert!(!may_open_a_session(&headers, other));
        headers.insert(NAMED, HeaderValue::from_static("tools/call"));
        assert!(!may_open_a_session(&headers, b"{"));
    }
}
