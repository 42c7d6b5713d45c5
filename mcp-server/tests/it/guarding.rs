//! Operations that panic, hang or outlive their caller: tools written for the purpose.

use std::time::{Duration, Instant};

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, Permission, Timestamp};
use mcp_server::Caller;
use operations::{
    App, Effect, Entry, Operation,
    Shelf::Shown,
    Toolset::Organization,
    operation::entry,
    testing::Scene,
    tokens::{CreateToken, RevokeToken},
    venues::SaveVenue,
};
use rmcp::model::{CallToolRequest, ClientRequest};
use rmcp::service::PeerRequestOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::{Client, Desk, ERAS, Era, options, owner, params};

static CATALOG: &[Entry] = &[
    entry::<Trip>(Organization, Shown),
    entry::<Dawdle>(Organization, Shown),
];

/// Panics, as no operation should.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Trip {}

/// Takes its time, then adds a venue.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Dawdle {
    millis: u64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Done {
    saved: bool,
}

#[derive(Debug)]
struct Refused(FaultSpec, String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.1)
    }
}

impl std::error::Error for Refused {}

impl Fault for Refused {
    fn specs() -> Vec<FaultSpec> {
        vec![FaultSpec::new(FaultKind::Conflict, "refused", "Give up.")]
    }

    fn facts(&self) -> Facts {
        self.0.into()
    }
}

impl Operation for Trip {
    const NAME: &'static str = "trip";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::OrganizationRead;
    type Output = Done;
    type Error = Refused;

    async fn run(self, _: &App, _: &Cx) -> Result<Done, Refused> {
        panic!("tripped on purpose")
    }
}

impl Operation for Dawdle {
    const NAME: &'static str = "dawdle";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::VenuesWrite;
    type Output = Done;
    type Error = Refused;

    async fn run(self, app: &App, cx: &Cx) -> Result<Done, Refused> {
        tokio::time::sleep(Duration::from_millis(self.millis)).await;
        let venue = SaveVenue {
            name: Some("Late".parse().unwrap()),
            ..SaveVenue::default()
        };
        let saved = app.run(cx, venue).await;
        saved
            .map(|_| Done { saved: true })
            .map_err(|error| Refused(error.spec(), error.to_string()))
    }
}

async fn connect(scene: &Scene, era: Era, desk: Desk) -> Client {
    let mut options = options();
    options.catalog = CATALOG;
    options.tool_timeout = Duration::from_millis(2_500);
    Client::connect(scene, owner(scene), options, era, desk).await
}

#[tokio::test]
async fn a_panic_is_answered_and_the_server_goes_on() {
    let scene = Scene::new().await;
    for era in ERAS {
        let client = connect(&scene, era, Desk::silent()).await;
        for _ in 0..2 {
            let said = client.refused("trip", json!({})).await;
            assert!(
                said.contains("\"code\":\"internal\"") && !said.contains("on purpose"),
                "{said}"
            );
        }
    }
}

#[tokio::test]
async fn a_slow_tool_is_stopped_answered_and_keeps_nothing() {
    let scene = Scene::new().await;
    let desk = Desk::silent();
    let client = connect(&scene, Era::Modern, desk.clone()).await;
    let before = scene.changes().await.len();
    let started = Instant::now();
    let said = client.refused("dawdle", json!({"millis": 20_000})).await;
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(
        said.contains("\"code\":\"too_slow\"") && said.contains("idempotency_key"),
        "{said}"
    );
    assert_eq!(scene.changes().await.len(), before);
    let beats = desk.notes.progress.lock().unwrap().len();
    assert!(beats >= 4, "started, two beats, done, but {beats}");
}

#[tokio::test]
async fn a_call_cancelled_before_its_commit_leaves_nothing() {
    let scene = Scene::new().await;
    for era in ERAS {
        let client = connect(&scene, era, Desk::silent()).await;
        let before = scene.changes().await.len();
        let call = CallToolRequest::new(params("dawdle", json!({"millis": 400})));
        let handle = client
            .service
            .send_cancellable_request(
                ClientRequest::CallToolRequest(call),
                PeerRequestOptions::no_options(),
            )
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
        handle
            .cancel(Some("changed my mind".to_owned()))
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(scene.changes().await.len(), before, "{era:?}");
        // Without the cancellation the same call is kept.
        let done: Value = client.call("dawdle", json!({"millis": 1})).await;
        assert_eq!(done["saved"], true);
        assert_eq!(scene.changes().await.len(), before + 1);
        let removed = json!({"venue": "Late"});
        drop(removed);
        scene
            .run(operations::venues::ArchiveVenue {
                venue: "Late".parse().unwrap(),
            })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_local_programs_token_is_asked_about_again_and_again() {
    let scene = Scene::new().await;
    // Tokens are checked at the present time, which is not the scene's.
    let cx = scene.cx.clone().with_now(Timestamp::now());
    let command = CreateToken {
        name: "desktop".to_owned(),
        scopes: vec!["all".to_owned()],
        ..CreateToken::default()
    };
    let made = scene.app.run(&cx, command).await.unwrap();
    let caller = Caller::Token(made.secret);
    let client = Client::connect(&scene, caller, options(), Era::Modern, Desk::silent()).await;
    client.call("list_events", json!({})).await;
    let token_id = made.token.id;
    scene.run(RevokeToken { token_id }).await.unwrap();
    // Rights are remembered for three seconds.
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    let refused = client.try_call("list_events", json!({})).await.unwrap_err();
    assert!(refused.to_string().contains("revoked"), "{refused}");
    assert!(client.service.list_tools(None).await.is_err());
}
