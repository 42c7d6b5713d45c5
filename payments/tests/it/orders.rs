//! What the simulator is told to do, over HTTP and as a program.

use std::process::Command;

use payments::{Processor as _, ProcessorError, simulator::Webhooks};
use serde_json::json;

use crate::scene::{Scene, euros, request};

#[tokio::test]
async fn takes_orders_only_from_who_has_the_key() {
    let scene = Scene::new().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/_simulator/webhooks", scene.url);
    let order = json!({"url": "http://127.0.0.1:1/x", "copies": 4_000_000_000_u32, "delay_ms": 7});
    let said = |key: &str| client.post(&url).bearer_auth(key).json(&order).send();
    assert_eq!(said("sk_test_other").await.unwrap().status(), 401);
    assert_eq!(said("sk_test_simulator").await.unwrap().status(), 204);
    let now = client.get(&url).bearer_auth("sk_test_simulator").send();
    let now: Webhooks = now.await.unwrap().json().await.unwrap();
    assert_eq!((now.copies, now.delay_ms, now.tries), (100, 7, 6));
    let odd = client.post(&url).bearer_auth("sk_test_simulator");
    let odd = odd.json(&json!({"copys": 2})).send().await.unwrap();
    assert_eq!(odd.status(), 422);

    let faults = json!([{"kind": "refused", "status": 503}, {"kind": "cut"}]);
    let url = format!("{}/_simulator/faults", scene.url);
    let done = client
        .post(url)
        .bearer_auth("sk_test_simulator")
        .json(&faults);
    assert_eq!(done.send().await.unwrap().status(), 204);
    let wish = request(1, euros(100));
    for _ in 0..2 {
        let error = scene.stripe.create_checkout(&wish).await.unwrap_err();
        assert!(matches!(error, ProcessorError::Unknown { .. }), "{error}");
    }
    assert!(scene.stripe.create_checkout(&wish).await.is_ok());
}

#[test]
fn the_program_listens_to_nobody_else() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:1", "nowhere"] {
        let program = Command::new(env!("CARGO_BIN_EXE_payments-simulator"))
            .args(["--listen", address])
            .output()
            .unwrap();
        assert!(!program.status.success(), "{address}");
        assert!(program.stdout.is_empty());
    }
}
