//! The conformance fixtures on their own, for development: over HTTP with
//! `--listen 127.0.0.1:PORT [--token T]`, over stdin and stdout with `--stdio`. The real server
//! mounts the same router.

use std::{error::Error, net::SocketAddr, sync::Arc};

use axum::{
    extract::Request,
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use mcp_server::fixtures::{self, Fixtures};
use rmcp::{
    ServiceExt as _,
    model::RequestStateCodec,
    transport::{
        StreamableHttpServerConfig, stdio,
        streamable_http_server::session::local::LocalSessionManager,
    },
};

const USAGE: &str = "say --stdio, or --listen 127.0.0.1:PORT and perhaps --token T";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let codec = RequestStateCodec::try_new(*b"no secret: development fixtures.")?;
    let fixtures = Fixtures::new(codec);
    match arguments[..] {
        ["--stdio"] => {
            fixtures.serve(stdio()).await?.waiting().await?;
            Ok(())
        }
        ["--listen", address] => listen(address, None, fixtures).await,
        ["--listen", address, "--token", token] => listen(address, Some(token), fixtures).await,
        _ => Err(USAGE.into()),
    }
}

async fn listen(
    address: &str,
    token: Option<&str>,
    fixtures: Fixtures,
) -> Result<(), Box<dyn Error>> {
    let address: SocketAddr = address.parse()?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    let sessions = Arc::new(LocalSessionManager::default());
    let mut router = fixtures::router(fixtures, sessions, StreamableHttpServerConfig::default());
    if let Some(token) = token {
        let expected = format!("Bearer {token}");
        router = router.layer(middleware::from_fn(move |request, next| {
            authorize(expected.clone(), request, next)
        }));
    }
    eprintln!("http://{}{}", listener.local_addr()?, fixtures::PATH);
    Ok(axum::serve(listener, router).await?)
}

async fn authorize(expected: String, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION);
    if given.is_some_and(|given| given.as_bytes() == expected.as_bytes()) {
        return next.run(request).await;
    }
    (
        StatusCode::UNAUTHORIZED,
        [(header::WWW_AUTHENTICATE, "Bearer")],
        "A token is needed.",
    )
        .into_response()
}
