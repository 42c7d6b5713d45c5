//! What becomes of a request to a workflow's address: a run, once for each key, with what it sent as data.

use delivery::webhook;
use domain::{
    Actor, Cx, Facts, Fault, FaultKind, FaultSpec, Permissions, Timestamp, WorkflowRunId,
};
use serde::Serialize;
use serde_json::json;
use store::StoreError;

use super::{
    create_workflow_webhook::{has_webhook, hash},
    sql::{self, Webhook},
};
use crate::{
    App,
    operation::drop_nul,
    workflow_runs::{
        RunStatus,
        begin::{Start, begin},
        start_workflow::{KEY, NOT_ENABLED},
    },
    workflows::{self, StepError, WorkflowLookupError},
};

/// The longest body that is taken, in bytes.
pub const BODY_LIMIT: usize = 256 * 1024;
/// How far a signed request's time may be off, in seconds.
const TOLERANCE: i64 = 300;
/// The longest idempotency key, in characters.
const KEY_LENGTH: usize = 200;

/// A request as it came in.
#[derive(Clone, Copy)]
pub struct Received<'a> {
    /// The last part of the path.
    pub address: &'a str,
    /// What was sent.
    pub body: &'a [u8],
    /// `Idempotency-Key`, or the id that EventOS itself sends.
    pub key: Option<&'a str>,
    /// `EventOS-Timestamp`.
    pub timestamp: Option<&'a str>,
    /// `EventOS-Signature`.
    pub signature: Option<&'a str>,
}

/// The run that a request has started, now or before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StartedByWebhook {
    /// The run.
    pub run: WorkflowRunId,
    /// How far it has come.
    pub status: RunStatus,
    /// Whether the same request came before and started it then.
    pub is_repeat: bool,
}

/// Starts the run that a request asks for. Not an operation: whoever has the address is known by nothing else.
pub async fn receive(
    app: &App,
    received: Received<'_>,
    now: Timestamp,
) -> Result<StartedByWebhook, ReceiveError> {
    let webhook = {
        let mut tx = app.store().system("take a request from outside").await?;
        sql::find(tx.conn(), &hash(received.address)).await?
    };
    let webhook = webhook.ok_or(ReceiveError::Unknown)?;
    if app.is_over_limit(&webhook.id.to_string()) {
        return Err(ReceiveError::Limited);
    }
    let key = received.checked_key(&webhook, now)?;
    let mut body = serde_json::from_slice(received.body).map_err(|_| ReceiveError::NotJson)?;
    drop_nul(&mut body);
    let actor = Actor::System { reason: "webhook" };
    let mut cx = Cx::new(webhook.organization_id, actor, Permissions::NONE).with_now(now);
    cx.operation = "receive_webhook";
    let mut tx = app.store().write(&cx).await?;
    let found = workflows::version(tx.conn(), &webhook.workflow, None).await?;
    let version = match found.stored.enabled_version {
        Some(version) if has_webhook(&found.definition) => version,
        _ => return Err(ReceiveError::NotEnabled(webhook.workflow)),
    };
    let start = Start {
        // Strangers wrote the body: it is data to a definition, and marked for whatever reads it as text.
        trigger: json!({"kind": "webhook", "body": body, "is_untrusted": true, "at": now}),
        params: json!({}),
        idempotency_key: key.map(|key| format!("webhook:{key}")),
    };
    let begun = begin::<ReceiveError>(tx.conn(), &cx, &found, version, start).await?;
    let answer = StartedByWebhook {
        run: begun.run.id,
        status: begun.run.status,
        is_repeat: begun.change.is_none(),
    };
    let Some(change) = begun.change else {
        if begun.run.trigger["body"] != body {
            return Err(ReceiveError::KeyReused);
        }
        return Ok(tx.unchanged(answer).await?);
    };
    Ok(tx.commit(change, answer).await?)
}

impl Received<'_> {
    /// Checks the signature, if there must be one; what makes a repeat the same request.
    fn checked_key(
        &self,
        stored: &Webhook,
        now: Timestamp,
    ) -> Result<Option<String>, ReceiveError> {
        let readable = |key: &str| {
            let length = key.chars().count();
            (1..=KEY_LENGTH).contains(&length) && !key.contains(char::is_control)
        };
        if self.key.is_some_and(|key| !readable(key)) {
            return Err(ReceiveError::KeyMalformed);
        }
        let key = self.key.map(ToOwned::to_owned);
        let Some(secret) = &stored.signing_secret else {
            return Ok(key);
        };
        let (Some(given), Some(seconds)) = (self.signature, self.timestamp) else {
            return Err(ReceiveError::Unsigned);
        };
        let seconds: i64 = seconds.parse().map_err(|_| ReceiveError::Unsigned)?;
        let body = str::from_utf8(self.body).map_err(|_| ReceiveError::NotJson)?;
        let signed = match self.key {
            Some(key) => webhook::keyed(key, body),
            None => body.to_owned(),
        };
        if !webhook::is_signed(given, secret, seconds, &signed) {
            return Err(ReceiveError::Unsigned);
        }
        let age = now.as_microseconds() / 1_000_000 - seconds;
        if age.abs() > TOLERANCE {
            return Err(ReceiveError::Late);
        }
        // Without a key, the same signature is the same request.
        let made = || webhook::signatures(std::slice::from_ref(secret), seconds, &signed);
        Ok(Some(key.unwrap_or_else(made)))
    }
}

/// How a request from outside is refused.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// No workflow has this address, or no longer.
    #[error("there is nothing at this address")]
    Unknown,
    /// It is off, or its version names no webhook.
    #[error("the workflow {0:?} is not on, or not started by requests")]
    NotEnabled(String),
    /// Too many requests in a short time.
    #[error("too many requests in a short time")]
    Limited,
    /// The body is no JSON.
    #[error("the body is no JSON")]
    NotJson,
    /// No signature, or a wrong one.
    #[error("the request is not signed as it must be")]
    Unsigned,
    /// An old request, or a clock that is wrong.
    #[error("the request was signed more than {TOLERANCE} seconds ago, or in the future")]
    Late,
    /// The key is empty, too long or not readable.
    #[error(
        "an idempotency key has 1 to {KEY_LENGTH} characters, none of them a control character"
    )]
    KeyMalformed,
    /// The key came before, with something else.
    #[error("this idempotency key was used before, for a different request")]
    KeyReused,
    /// What keeps its runs apart could not be computed.
    #[error("its concurrency key cannot be computed: {}", .0.message)]
    Key(StepError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const UNKNOWN: FaultSpec = FaultSpec::new(
    FaultKind::NotFound,
    "webhook_unknown",
    "Ask the organizer for the present address.",
);
const LIMITED: FaultSpec = FaultSpec::new(
    FaultKind::Limited,
    "rate_limited",
    "Wait a few seconds, then go on more slowly.",
);
const NOT_JSON: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "body_malformed",
    "Send one JSON document.",
);
const UNSIGNED: FaultSpec = FaultSpec::new(
    FaultKind::Unauthenticated,
    "signature_wrong",
    "Send EventOS-Timestamp (seconds) and EventOS-Signature: v1= and the hex of HMAC-SHA-256 over \
     `<seconds>.<body>`, or `<seconds>.<key>.<body>` beside an Idempotency-Key.",
);
const LATE: FaultSpec = FaultSpec::new(
    FaultKind::Unauthenticated,
    "signature_too_old",
    "Sign the request anew with the present time.",
);
const KEY_MALFORMED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "idempotency_key_malformed",
    "Use a short random key, such as a UUID.",
);
const KEY_REUSED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "idempotency_key_reused",
    "Use a new key for a new request.",
);

impl Fault for ReceiveError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![UNKNOWN, NOT_ENABLED, LIMITED, NOT_JSON, UNSIGNED, LATE];
        specs.extend([KEY_MALFORMED, KEY_REUSED, KEY]);
        specs.extend(StoreError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Unknown => UNKNOWN.into(),
            Self::NotEnabled(_) => NOT_ENABLED.into(),
            Self::Limited => LIMITED.into(),
            Self::NotJson => NOT_JSON.into(),
            Self::Unsigned => UNSIGNED.into(),
            Self::Late => LATE.into(),
            Self::KeyMalformed => KEY_MALFORMED.into(),
            Self::KeyReused => KEY_REUSED.into(),
            Self::Key(_) => KEY.into(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<StepError> for ReceiveError {
    fn from(error: StepError) -> Self {
        Self::Key(error)
    }
}

impl From<WorkflowLookupError> for ReceiveError {
    fn from(error: WorkflowLookupError) -> Self {
        match error {
            WorkflowLookupError::Store(error) => Self::Store(error),
            _ => Self::Unknown,
        }
    }
}

impl From<sqlx::Error> for ReceiveError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::Scene,
        workflow_runs::{
            GetWorkflowRun,
            webhooks::{
                RevokeWorkflowWebhook,
                create_workflow_webhook::tests::{create, inbound},
            },
        },
        workflows::DisableWorkflow,
    };
    use delivery::webhook::signatures;

    const BODY: &str = "{\"name\": \"Ada\"}";

    async fn address(scene: &Scene) -> String {
        inbound(scene).await;
        made(scene).await
    }

    async fn made(scene: &Scene) -> String {
        let path = scene.run(create(false)).await.unwrap().path.unwrap();
        path.strip_prefix("/hooks/").unwrap().to_owned()
    }

    async fn post(
        scene: &Scene,
        address: &str,
        body: &str,
        key: Option<&str>,
    ) -> Result<StartedByWebhook, &'static str> {
        let received = Received {
            address,
            body: body.as_bytes(),
            key,
            timestamp: None,
            signature: None,
        };
        let outcome = receive(&scene.app, received, scene.cx.now).await;
        outcome.map_err(|error| error.spec().code)
    }

    #[tokio::test]
    async fn a_request_starts_a_run_with_its_body_as_untrusted_data() {
        let scene = Scene::new().await;
        let address = address(&scene).await;
        let started = post(&scene, &address, BODY, None).await.unwrap();
        assert_eq!(
            (started.status, started.is_repeat),
            (RunStatus::Queued, false)
        );
        let run = scene
            .run(GetWorkflowRun { run: started.run })
            .await
            .unwrap();
        assert_eq!(run.run.started_by, "webhook");
        let trigger: serde_json::Value = serde_json::from_str(run.trigger.as_str()).unwrap();
        assert_eq!(
            (&trigger["body"]["name"], &trigger["is_untrusted"]),
            (&json!("Ada"), &json!(true))
        );
        let changes = scene.changes().await;
        let told = changes
            .iter()
            .find(|change| change.kind == "workflow_run.started");
        assert!(
            !told.unwrap().payload.to_string().contains("Ada"),
            "the trail names nobody"
        );
        // What PostgreSQL cannot keep is left out.
        let nul = post(&scene, &address, "{\"name\": \"A\\u0000da\"}", None).await;
        assert!(nul.is_ok(), "{nul:?}");
    }

    #[tokio::test]
    async fn a_repeat_under_one_key_starts_nothing() {
        let scene = Scene::new().await;
        let address = address(&scene).await;
        let first = post(&scene, &address, BODY, Some("a")).await.unwrap();
        let again = post(&scene, &address, BODY, Some("a")).await.unwrap();
        assert_eq!((again.run, again.is_repeat), (first.run, true));
        let both = tokio::join!(
            post(&scene, &address, BODY, Some("b")),
            post(&scene, &address, BODY, Some("b"))
        );
        let (one, two) = (both.0.unwrap(), both.1.unwrap());
        assert_eq!(one.run, two.run);
        assert_ne!(one.is_repeat, two.is_repeat, "one of them started it");
        // Without a key, each is a request of its own.
        let loose = post(&scene, &address, BODY, None).await.unwrap();
        let other = post(&scene, &address, BODY, None).await.unwrap();
        assert_ne!(loose.run, other.run);
        assert_eq!(
            post(&scene, &address, "{}", Some("a")).await,
            Err("idempotency_key_reused")
        );
        for key in ["", "a\nb", &"x".repeat(201)] {
            let refused = post(&scene, &address, BODY, Some(key)).await;
            assert_eq!(refused, Err("idempotency_key_malformed"), "{key:?}");
        }
    }

    #[tokio::test]
    async fn nothing_starts_at_an_address_that_is_unknown_old_or_off() {
        let scene = Scene::new().await;
        let old = address(&scene).await;
        let address = made(&scene).await;
        for unknown in ["", "whk_00", &old] {
            let refused = post(&scene, unknown, BODY, None).await;
            assert_eq!(refused, Err("webhook_unknown"), "{unknown}");
        }
        assert_eq!(
            post(&scene, &address, "{", None).await,
            Err("body_malformed")
        );
        let workflow = "inbound".to_owned();
        let off = DisableWorkflow {
            workflow: workflow.clone(),
        };
        scene.run(off).await.unwrap();
        assert_eq!(
            post(&scene, &address, BODY, None).await,
            Err("workflow_not_enabled")
        );
        inbound(&scene).await;
        assert!(post(&scene, &address, BODY, None).await.is_ok());
        let gone = RevokeWorkflowWebhook { workflow };
        scene.run(gone).await.unwrap();
        assert_eq!(
            post(&scene, &address, BODY, None).await,
            Err("webhook_unknown")
        );
        let runs = "select count(*) from workflow_run";
        assert_eq!(scene.database.count(runs).await, 1);
    }

    #[tokio::test]
    async fn a_signed_one_must_be_signed_lately_and_cannot_be_replayed() {
        let scene = Scene::new().await;
        inbound(&scene).await;
        let made = scene.run(create(true)).await.unwrap();
        let path = made.path.unwrap();
        let address = path.strip_prefix("/hooks/").unwrap();
        let secret = [made.signing_secret.unwrap()];
        let now = scene.cx.now.as_microseconds() / 1_000_000;
        let send = async |seconds: i64, signature: &str, key: Option<&str>, body: &str| {
            let timestamp = seconds.to_string();
            let received = Received {
                address,
                body: body.as_bytes(),
                key,
                timestamp: Some(&timestamp),
                signature: Some(signature),
            };
            let outcome = receive(&scene.app, received, scene.cx.now).await;
            outcome.map_err(|error| error.spec().code)
        };
        assert_eq!(
            post(&scene, address, BODY, None).await,
            Err("signature_wrong"),
            "the address alone is not enough"
        );
        let good = signatures(&secret, now, BODY);
        let first = send(now, &good, None, BODY).await.unwrap();
        let again = send(now, &good, None, BODY).await.unwrap();
        assert_eq!((again.run, again.is_repeat), (first.run, true), "a replay");
        let wrong = Err("signature_wrong");
        assert_eq!(send(now, &good, None, "{}").await, wrong, "another body");
        assert_eq!(
            send(now + 1, &good, None, BODY).await,
            wrong,
            "another time"
        );
        assert_eq!(
            send(now, &good, Some("k"), BODY).await,
            wrong,
            "another key"
        );
        assert_eq!(send(now, &good[..good.len() - 1], None, BODY).await, wrong);
        let other = signatures(&["whsec_0".to_owned()], now, BODY);
        assert_eq!(send(now, &other, None, BODY).await, wrong, "another secret");
        for off in [-301, 301] {
            let late = signatures(&secret, now + off, BODY);
            let outcome = send(now + off, &late, None, BODY).await;
            assert_eq!(outcome, Err("signature_too_old"), "{off}");
        }
        // A sender that tries again later signs anew, and under its key it is the same request.
        let keyed = webhook::keyed("k", BODY);
        let begun = send(now, &signatures(&secret, now, &keyed), Some("k"), BODY).await;
        let later = signatures(&secret, now + 60, &keyed);
        let retried = send(now + 60, &later, Some("k"), BODY).await.unwrap();
        assert_eq!((retried.run, retried.is_repeat), (begun.unwrap().run, true));
    }

    #[tokio::test]
    async fn too_many_requests_are_put_off() {
        let scene = Scene::new().await;
        let address = address(&scene).await;
        let limits = crate::Options {
            operations_per_minute: 1,
            burst: 2,
            ..crate::Options::default()
        };
        let limited = App::new(scene.app.store().clone(), limits);
        let received = Received {
            address: &address,
            body: BODY.as_bytes(),
            key: None,
            timestamp: None,
            signature: None,
        };
        for _ in 0..2 {
            receive(&limited, received, scene.cx.now).await.unwrap();
        }
        let refused = receive(&limited, received, scene.cx.now).await.unwrap_err();
        assert_eq!(refused.spec().code, "rate_limited");
    }
}
