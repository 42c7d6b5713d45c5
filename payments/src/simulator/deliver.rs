//! Sending webhooks: signed, one after the other, again when they are not taken.

use std::time::Duration;

use tokio::time::Instant;

use super::{Simulator, telling::Delivery};
use crate::stripe::{SIGNATURE_HEADER, sign};

/// Nothing is due for as long as this at most: pages close by themselves meanwhile.
const LOOK: Duration = Duration::from_secs(1);

/// Sends what is due, for ever. Stripe sends several at a time; here they come in the order that was asked for, so that
/// what a test sees is what it ordered.
pub(super) async fn run(simulator: &Simulator) {
    loop {
        let now = Instant::now();
        let (due, next) = {
            let mut state = simulator.state();
            state.sweep(simulator.now());
            (state.take_due(now), state.next_due())
        };
        if let Some(delivery) = due {
            let taken = post(simulator, &delivery).await;
            simulator.state().settle(delivery, taken);
            continue;
        }
        let pause = next.map_or(now + LOOK, |next| next.min(now + LOOK));
        tokio::select! {
            () = simulator.rung() => {}
            () = tokio::time::sleep_until(pause) => {}
        }
    }
}

/// Whether whoever it is for has taken it.
async fn post(simulator: &Simulator, delivery: &Delivery) -> bool {
    let (url, body) = {
        let state = simulator.state();
        let body = state.notices[delivery.notice].body.to_string();
        (state.webhooks.url.clone(), body)
    };
    let Some(url) = url else {
        return false;
    };
    let header = sign(body.as_bytes(), simulator.webhook_secret(), simulator.now());
    let request = simulator
        .client()
        .post(url)
        .header("Content-Type", "application/json; charset=utf-8")
        .header(SIGNATURE_HEADER, header)
        .body(body);
    let answer = request.send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
