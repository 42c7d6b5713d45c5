//! A client that speaks HTTP by hand.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use domain::Timestamp;
use http_api::{Options, router};
use operations::{
    testing::Scene,
    tokens::{CreateToken, NewToken},
};
use serde_json::Value;
use tower::ServiceExt as _;

pub(crate) const KEY: [u8; 32] = [7; 32];

/// The API on a scene, and who asks.
pub(crate) struct Client {
    router: Router,
    headers: Vec<(&'static str, String)>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// Asserts that it is a problem of a status and code, in full.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) -> &Value {
        let json = &self.json;
        assert_eq!(
            (self.status.as_u16(), json["code"].as_str()),
            (status, Some(code)),
            "{json}"
        );
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/problem+json"
        );
        assert_eq!(json["type"], format!("/problems/{code}"));
        assert_eq!(json["status"], status);
        for field in ["title", "detail", "hint"] {
            assert!(
                json[field].as_str().is_some_and(|text| !text.is_empty()),
                "{field}: {json}"
            );
        }
        json
    }

    /// Asserts that it was done, and hands the answer over.
    #[track_caller]
    pub(crate) fn done(self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text);
        self.json
    }
}

impl Client {
    /// Somebody without a login.
    pub(crate) fn anybody(scene: &Scene) -> Self {
        Self::with(scene, Options::new(KEY))
    }

    pub(crate) fn with(scene: &Scene, options: Options) -> Self {
        Self {
            router: router(scene.app.clone(), options),
            headers: Vec::new(),
        }
    }

    /// A program with a token.
    pub(crate) async fn new(scene: &Scene, token: CreateToken) -> Self {
        let token = made(scene, token).await;
        Self::anybody(scene).header("authorization", &format!("Bearer {}", token.secret))
    }

    /// A program that may do all that a token may.
    pub(crate) async fn full(scene: &Scene) -> Self {
        Self::new(scene, CreateToken::default()).await
    }

    /// The same client with another header.
    pub(crate) fn header(&self, name: &'static str, value: &str) -> Self {
        let mut headers = self.headers.clone();
        headers.push((name, value.to_owned()));
        let router = self.router.clone();
        Self { router, headers }
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.body(body.into()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 24).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, input: Value) -> Answer {
        let client = self.header("content-type", "application/json");
        client.send("POST", path, input.to_string()).await
    }
}

async fn made(scene: &Scene, command: CreateToken) -> NewToken {
    let scopes = if command.scopes.is_empty() {
        vec!["all".to_owned()]
    } else {
        command.scopes
    };
    // Tokens are checked at the present time, which is not the scene's.
    let cx = scene.cx.clone().with_now(Timestamp::now());
    let command = CreateToken {
        name: "test".to_owned(),
        scopes,
        ..command
    };
    scene.app.run(&cx, command).await.unwrap()
}
