//! Sending webhooks: signed, several at a time, again when they are not taken.

use std::time::Duration;

use domain::Timestamp;
use tokio::{task::JoinSet, time::Instant};

use super::{Simulator, telling::Delivery};
use crate::stripe::{SIGNATURE_HEADER, sign};

/// Nothing is due for as long as this at most: pages close by themselves meanwhile.
const LOOK: Duration = Duration::from_secs(1);

/// Sends what is due, for ever. Dropping the future ends it, and what is on its way.
pub(super) async fn run(simulator: &Simulator) {
    let mut posts = JoinSet::new();
    loop {
        let now = Instant::now();
        let (due, next) = {
            let mut state = simulator.state();
            state.sweep(Timestamp::now());
            state.due(now)
        };
        for delivery in due {
            posts.spawn(post(simulator.clone(), delivery));
        }
        while posts.try_join_next().is_some() {}
        let pause = next.map_or(now + LOOK, |next| next.min(now + LOOK));
        tokio::select! {
            () = simulator.rung() => {}
            () = tokio::time::sleep_until(pause) => {}
        }
    }
}

async fn post(simulator: Simulator, delivery: Delivery) {
    let (url, body) = {
        let state = simulator.state();
        let Some(url) = state.webhooks.url.clone() else {
            return;
        };
        (url, state.notices[delivery.notice].body.to_string())
    };
    let header = sign(
        body.as_bytes(),
        simulator.webhook_secret(),
        Timestamp::now(),
    );
    let request = simulator
        .client()
        .post(url)
        .header("Content-Type", "application/json; charset=utf-8")
        .header(SIGNATURE_HEADER, header)
        .body(body);
    let taken = request
        .send()
        .await
        .is_ok_and(|answer| answer.status().is_success());
    simulator.state().settle(delivery, taken);
    simulator.ring();
}
