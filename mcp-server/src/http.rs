//! MCP over HTTP: the paths, who is let in, and whose session it is.

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use operations::{App, Toolset};
use rmcp::transport::{
    StreamableHttpServerConfig, StreamableHttpService,
    streamable_http_server::session::local::LocalSessionManager,
};

use crate::{
    connection::{Connection, Limits},
    credentials::{Credentials, Refusal, Tokens},
    options::Options,
    server::{Server, Shared},
    sessions::{Binding, Kept},
};

/// Where the MCP server is.
pub const PATH: &str = "/mcp";

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// The MCP server as routes: everything at [`PATH`], only reads at `/mcp/readonly`, one group of tools at
/// `/mcp/x/{toolset}`, and its reads at `/mcp/x/{toolset}/readonly`.
pub fn router(app: App, options: Options) -> Router {
    let door = Arc::new(Door::new(&app, &options));
    let mut config = StreamableHttpServerConfig::default()
        // What has one answer is answered plainly; where more is to be said, the answer becomes a stream by itself.
        .with_json_response(true)
        .with_cancellation_token(options.shutdown.clone())
        .with_allowed_origins(options.allowed_origins.clone());
    config
        .allowed_hosts
        .extend(options.allowed_hosts.iter().cloned());
    config.session_store = Some(Arc::new(Kept(app.sessions())));
    let sessions = Arc::new(LocalSessionManager::default());
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
    challenge: String,
}

impl Door {
    fn new(app: &App, options: &Options) -> Self {
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
            challenge,
        }
    }

    /// What the request's credentials grant on a path, or the answer that refuses it.
    async fn connection(&self, headers: &HeaderMap, path: &Limits) -> Result<Connection, Response> {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
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
}

async fn admit(door: Arc<Door>, path: Limits, mut request: Request, next: Next) -> Response {
    let connection = match door.connection(request.headers(), &path).await {
        Ok(connection) => connection,
        Err(refusal) => return refusal,
    };
    // Nothing behind this point needs the secret.
    request.headers_mut().remove(header::AUTHORIZATION);
    let owner = connection.key();
    if let Some(given) = request.headers().get(SESSION) {
        let id = given
            .to_str()
            .ok()
            .and_then(|id| door.sessions.inside(&owner, id));
        let Some(id) = id.and_then(|id| HeaderValue::from_str(id).ok()) else {
            // What the SDK says of an unknown session; clients answer it with a new `initialize`.
            return (StatusCode::NOT_FOUND, "Not Found: Session not found").into_response();
        };
        request.headers_mut().insert(SESSION, id);
    }
    request.extensions_mut().insert(connection);
    let mut response = next.run(request).await;
    let id = response
        .headers()
        .get(SESSION)
        .and_then(|id| id.to_str().ok());
    if let Some(id) = id
        && let Ok(id) = HeaderValue::from_str(&door.sessions.outside(&owner, id))
    {
        response.headers_mut().insert(SESSION, id);
    }
    response
}
