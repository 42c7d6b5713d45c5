//! Over HTTP: who is let in, what the paths allow, whose session it is, and that a restart goes unnoticed.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{Method, Request, Response, StatusCode, header},
};
use domain::Timestamp;
use futures_util::StreamExt as _;
use mcp_server::{Options, router};
use operations::{
    Toolset,
    testing::Scene,
    tokens::{CreateToken, ListTokens, RevokeToken},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::client::options;

async fn token(scene: &Scene, command: CreateToken) -> String {
    let scopes = if command.scopes.is_empty() {
        vec!["all".to_owned()]
    } else {
        command.scopes
    };
    // Tokens are checked at the present time, which is not the scene's.
    let cx = scene.cx.clone().with_now(Timestamp::now());
    let made = scene
        .app
        .run(
            &cx,
            CreateToken {
                name: format!("t{}", command.name),
                scopes,
                ..command
            },
        )
        .await;
    made.unwrap().secret
}

/// One client over HTTP, speaking by hand.
struct Http {
    router: Router,
    path: &'static str,
    token: Option<String>,
    session: Option<String>,
}

impl Http {
    fn new(scene: &Scene, token: &str) -> Self {
        Self::with(scene, token, options())
    }

    fn with(scene: &Scene, token: &str, options: Options) -> Self {
        let router = router(scene.app.clone(), options);
        Self {
            router,
            path: "/mcp",
            token: Some(token.to_owned()),
            session: None,
        }
    }

    fn at(&self, path: &'static str) -> Self {
        Self {
            router: self.router.clone(),
            path,
            token: self.token.clone(),
            session: None,
        }
    }

    fn request(&self, method: Method) -> axum::http::request::Builder {
        let mut request = Request::builder()
            .method(method)
            .uri(self.path)
            .header(header::HOST, "localhost")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        request
    }

    async fn send(&self, message: &Value) -> Response<Body> {
        let mut request = self.request(Method::POST);
        if message["params"]["_meta"]
            .get("io.modelcontextprotocol/protocolVersion")
            .is_some()
        {
            request = request
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", message["method"].as_str().unwrap());
            if let Some(name) = message["params"]["name"].as_str() {
                request = request.header("mcp-name", name);
            }
        } else if message["method"] != "initialize" {
            request = request.header("mcp-protocol-version", "2025-11-25");
        }
        let request = request.body(Body::from(message.to_string())).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// The last message of an answer, be it one JSON or a stream of them.
    async fn ask(&self, method: &str, params: Value) -> Value {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let response = self.send(&message).await;
        let status = response.status();
        let bytes = tokio::time::timeout(
            Duration::from_secs(20),
            to_bytes(response.into_body(), 1 << 22),
        );
        let text = String::from_utf8(bytes.await.unwrap().unwrap().to_vec()).unwrap();
        let last = text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .rfind(|data| data.contains("jsonrpc"));
        serde_json::from_str(last.unwrap_or(&text).trim())
            .unwrap_or_else(|_| panic!("{status}: {text}"))
    }

    async fn modern(&self, method: &str, mut params: Value) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "by hand", "version": "1"},
        });
        self.ask(method, params).await
    }

    async fn tools(&self) -> Vec<String> {
        let answer = self.modern("tools/list", json!({})).await;
        let tools = answer["result"]["tools"]
            .as_array()
            .unwrap_or_else(|| panic!("{answer}"));
        tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Opens a session of the older era.
    async fn initialize(&mut self) {
        let response = self.send(&initialize("by hand")).await;
        assert_eq!(response.status(), StatusCode::OK);
        self.session = Some(
            response.headers()["mcp-session-id"]
                .to_str()
                .unwrap()
                .to_owned(),
        );
        drop(response);
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(self.send(&ready).await.status(), StatusCode::ACCEPTED);
    }
}

fn initialize(client: &str) -> Value {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": client, "version": "1"},
    });
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
}

#[tokio::test]
async fn one_answer_comes_plainly_and_several_as_a_stream() {
    let scene = Scene::new().await;
    let good = token(&scene, CreateToken::default()).await;
    let http = Http::new(&scene, &good);
    for (token, expected) in [
        (None, "application/json"),
        (Some("abc"), "text/event-stream"),
    ] {
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "by hand", "version": "1"},
        });
        if let Some(token) = token {
            meta["progressToken"] = token.into();
        }
        let params = json!({"name": "list_events", "arguments": {}, "_meta": meta});
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let response = http.send(&message).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], expected);
    }
}

#[tokio::test]
async fn without_a_good_token_there_is_only_a_challenge() {
    let scene = Scene::new().await;
    let good = token(&scene, CreateToken::default()).await;
    let mut http = Http::new(&scene, &good);
    assert!(!http.tools().await.is_empty());
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    for (given, error) in [
        (None, false),
        (Some("eos_wrong".to_owned()), true),
        (Some(String::new()), true),
    ] {
        http.token = given;
        for path in ["/mcp", "/mcp/readonly", "/mcp/x/events"] {
            let response = http.at(path).send(&message).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
            let challenge = response.headers()[header::WWW_AUTHENTICATE]
                .to_str()
                .unwrap();
            assert!(challenge.starts_with("Bearer realm="), "{challenge}");
            assert_eq!(
                challenge.contains("error=\"invalid_token\""),
                error,
                "{challenge}"
            );
        }
    }
}

#[tokio::test]
async fn a_revoked_token_stops_working() {
    let scene = Scene::new().await;
    let secret = token(&scene, CreateToken::default()).await;
    let http = Http::new(&scene, &secret);
    assert!(!http.tools().await.is_empty());
    let id = scene.run(ListTokens {}).await.unwrap().tokens[0].id;
    scene.run(RevokeToken { token_id: id }).await.unwrap();
    // Rights are remembered for three seconds; another process, or this one a little later, knows.
    let http = Http::new(&scene, &secret);
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    assert_eq!(http.send(&message).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn paths_narrow_what_is_offered_and_what_runs() {
    let scene = Scene::new().await;
    let http = Http::new(&scene, &token(&scene, CreateToken::default()).await);
    let all = http.tools().await;
    let reads = http.at("/mcp/readonly").tools().await;
    assert!(
        all.contains(&"create_event".to_owned()) && !reads.contains(&"create_event".to_owned())
    );
    let call = json!({"name": "save_venue", "arguments": {"name": "Hall"}});
    let before = scene.changes().await.len();
    let answer = http
        .at("/mcp/readonly")
        .modern("tools/call", call.clone())
        .await;
    assert!(
        answer["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("read_only"),
        "{answer}"
    );
    let answer = http
        .at("/mcp/x/organization")
        .modern("tools/call", call.clone())
        .await;
    assert!(
        answer["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("toolset_off"),
        "{answer}"
    );
    assert_eq!(scene.changes().await.len(), before);
    let events = http.at("/mcp/x/events").tools().await;
    for name in events
        .iter()
        .filter(|name| !name.ends_with("_tools") && !name.starts_with("run_"))
    {
        assert_eq!(
            operations::catalog::find(name).unwrap().toolset,
            Toolset::Events
        );
    }
    let answer = http.at("/mcp/x/events").modern("tools/call", call).await;
    assert_eq!(
        answer["result"]["structuredContent"]["name"], "Hall",
        "{answer}"
    );
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    assert_eq!(
        http.at("/mcp/x/nonsense").send(&message).await.status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_token_for_reading_and_one_group_gets_no_more_on_any_path() {
    let scene = Scene::new().await;
    let narrow = CreateToken {
        toolsets: Some(vec!["events".to_owned()]),
        read_only: true,
        ..CreateToken::default()
    };
    let http = Http::new(&scene, &token(&scene, narrow).await);
    for path in ["/mcp", "/mcp/x/events", "/mcp/x/organization"] {
        let tools = http.at(path).tools().await;
        assert!(
            !tools.contains(&"save_venue".to_owned()) && !tools.contains(&"get_context".to_owned()),
            "{tools:?}"
        );
        let call = json!({"name": "save_venue", "arguments": {"name": "Hall"}});
        let answer = http.at(path).modern("tools/call", call).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
    }
}

#[tokio::test]
async fn a_session_survives_a_restart() {
    let scene = Scene::new().await;
    let secret = token(&scene, CreateToken::default()).await;
    let mut before = Http::new(&scene, &secret);
    before.initialize().await;
    let answer = before
        .ask(
            "tools/call",
            json!({"name": "save_venue", "arguments": {"name": "Hall"}}),
        )
        .await;
    assert_eq!(
        answer["result"]["structuredContent"]["name"], "Hall",
        "{answer}"
    );
    // Another program on the same database, which has never seen the session.
    let mut after = Http::new(&scene, &secret);
    after.session.clone_from(&before.session);
    drop(before);
    let answer = after
        .ask(
            "tools/call",
            json!({"name": "list_venues", "arguments": {}}),
        )
        .await;
    assert_eq!(
        answer["result"]["structuredContent"]["items"][0]["name"], "Hall",
        "{answer}"
    );
    let end = after.request(Method::DELETE).body(Body::empty()).unwrap();
    assert!(
        after
            .router
            .clone()
            .oneshot(end)
            .await
            .unwrap()
            .status()
            .is_success()
    );
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    assert_eq!(after.send(&message).await.status(), StatusCode::NOT_FOUND);
    let mut later = Http::new(&scene, &secret);
    later.session.clone_from(&after.session);
    assert_eq!(later.send(&message).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_session_is_of_no_use_to_anybody_else() {
    let scene = Scene::new().await;
    let mut mine = Http::new(&scene, &token(&scene, CreateToken::default()).await);
    mine.initialize().await;
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    assert_eq!(mine.send(&message).await.status(), StatusCode::OK);
    let other = token(
        &scene,
        CreateToken {
            name: "other".to_owned(),
            ..CreateToken::default()
        },
    )
    .await;
    let session = mine.session.clone().unwrap();
    mine.token = Some(other);
    assert_eq!(mine.send(&message).await.status(), StatusCode::NOT_FOUND);
    let bare = session.split_once('.').unwrap().0.to_owned();
    mine.session = Some(bare);
    assert_eq!(mine.send(&message).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn refuses_foreign_hosts_and_malformed_arguments_politely() {
    let scene = Scene::new().await;
    let http = Http::new(&scene, &token(&scene, CreateToken::default()).await);
    let request = http.request(Method::POST);
    let mut request = request
        .body(Body::from(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#,
        ))
        .unwrap();
    request
        .headers_mut()
        .insert(header::HOST, "evil.example".parse().unwrap());
    assert_eq!(
        http.router.clone().oneshot(request).await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
    let first = http.tools().await.remove(0);
    let answer = http
        .modern(
            "tools/call",
            json!({"name": first, "arguments": {"nonsense": 1}}),
        )
        .await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
}

#[tokio::test]
async fn sessions_are_limited_in_size_and_number() {
    let scene = Scene::new().await;
    let mut http = Http::new(&scene, &token(&scene, CreateToken::default()).await);
    let large = initialize(&"x".repeat(20_000));
    let refused = http.send(&large).await.status();
    assert_eq!(refused, StatusCode::PAYLOAD_TOO_LARGE);
    for _ in 0..99 {
        let opened = http.send(&initialize("by hand")).await;
        assert_eq!(opened.status(), StatusCode::OK);
    }
    http.initialize().await;
    let refused = http.send(&initialize("by hand")).await;
    // With a session it is another message in it.
    assert_eq!(refused.status(), StatusCode::OK);
    let session = http.session.take();
    let refused = http.send(&initialize("by hand")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    assert!(!http.tools().await.is_empty(), "the newer era opens none");
    let other = CreateToken {
        name: "other".to_owned(),
        ..CreateToken::default()
    };
    let mut other = Http {
        token: Some(token(&scene, other).await),
        ..http.at("/mcp")
    };
    other.initialize().await;
    http.session = session;
    let end = http.request(Method::DELETE).body(Body::empty()).unwrap();
    http.router.clone().oneshot(end).await.unwrap();
    http.session = None;
    http.initialize().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let scene = Scene::new().await;
    let mut options = options();
    options.read_within = Duration::from_millis(200);
    let http = Http::with(
        &scene,
        &token(&scene, CreateToken::default()).await,
        options,
    );
    let begun = futures_util::stream::once(async { Ok::<_, std::io::Error>(Bytes::from("{")) });
    let never = Body::from_stream(begun.chain(futures_util::stream::pending()));
    let request = http.request(Method::POST).body(never).unwrap();
    let answer = tokio::time::timeout(
        Duration::from_secs(20),
        http.router.clone().oneshot(request),
    );
    let status = answer.await.unwrap().unwrap().status();
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
}

/// An event that can be watched, made over HTTP.
async fn watchable(http: &Http) -> String {
    let event =
        json!({"title": "Gala", "starts": "2030-02-04T19:00", "online_url": "https://example.org"});
    let call = json!({"name": "create_event", "arguments": event});
    let made = http.modern("tools/call", call).await;
    let id = made["result"]["structuredContent"]["event"]["id"].as_str();
    id.unwrap_or_else(|| panic!("{made}")).to_owned()
}

#[tokio::test]
async fn an_open_stream_ends_with_its_token() {
    let scene = Scene::new().await;
    let mut options = options();
    options.recheck_every = Duration::from_secs(1);
    let http = Http::with(
        &scene,
        &token(&scene, CreateToken::default()).await,
        options,
    );
    let event = watchable(&http).await;
    let filter = json!({"resourceSubscriptions": [format!("event://{event}")]});
    let listening = http.modern("subscriptions/listen", json!({"notifications": filter}));
    let revoking = async {
        // A few checks pass before.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let id = scene.run(ListTokens {}).await.unwrap().tokens[0].id;
        scene.run(RevokeToken { token_id: id }).await.unwrap();
        tokio::time::Instant::now()
    };
    let (end, revoked) = tokio::join!(listening, revoking);
    assert!(revoked.elapsed() < Duration::from_secs(15));
    let said = end["error"]["message"].as_str();
    assert!(said.is_some_and(|said| said.contains("rights")), "{end}");
}

#[tokio::test]
async fn a_subscription_outlives_the_quiet_while_its_client_answers_pings() {
    let scene = Scene::new().await;
    let mut options = options();
    options.session_idle = Duration::from_secs(3);
    let mut http = Http::with(
        &scene,
        &token(&scene, CreateToken::default()).await,
        options,
    );
    let event = watchable(&http).await;
    http.initialize().await;
    let stream = http
        .request(Method::GET)
        .header("mcp-protocol-version", "2025-11-25")
        .body(Body::empty())
        .unwrap();
    let stream = http.router.clone().oneshot(stream).await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    let uri = format!("event://{event}");
    http.ask("resources/subscribe", json!({"uri": uri})).await;
    let listening = async {
        let mut body = stream.into_body().into_data_stream();
        while let Some(chunk) = body.next().await {
            let text = String::from_utf8(chunk.unwrap().to_vec()).unwrap();
            let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
            for message in data.filter_map(|data| serde_json::from_str::<Value>(data).ok()) {
                if message["method"] == "notifications/resources/updated" {
                    return message["params"]["uri"].clone();
                }
                if message["method"] == "ping" {
                    let pong = json!({"jsonrpc": "2.0", "id": message["id"], "result": {}});
                    assert_eq!(http.send(&pong).await.status(), StatusCode::ACCEPTED);
                }
            }
        }
        panic!("the stream ended");
    };
    let changing = async {
        tokio::time::sleep(Duration::from_secs(8)).await;
        let price = json!({"amount": 0, "currency": "EUR"});
        let seat = json!({"event": event, "name": "Seat", "price": price, "quantity": 5});
        let call = json!({"name": "save_ticket_type", "arguments": seat});
        http.modern("tools/call", call).await
    };
    let both = async { tokio::join!(listening, changing) };
    let (heard, changed) = tokio::time::timeout(Duration::from_secs(40), both)
        .await
        .unwrap();
    assert_eq!(heard, uri, "{changed}");
}
