//! How senders keep what they have taken up. A lease is short, so that what a dead sender held goes out soon; a living
//! one renews it for as long as it needs, however slow the other side is.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use domain::Timestamp;
use store::StoreError;

/// Seconds after which what a sender holds is taken up by another, unless it has been renewed.
pub(super) const SECONDS: u16 = 30;

/// The time of a round, going on while things are handed over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    started: Instant,
    at: Timestamp,
}

impl Clock {
    /// Starts at `now`.
    pub(super) fn starting(now: Timestamp) -> Self {
        Self {
            started: Instant::now(),
            at: now,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(0);
        Timestamp::from_microseconds(self.at.as_microseconds().saturating_add(passed))
    }

    fn lease(&self, seconds: u16) -> Timestamp {
        self.now().plus_seconds(i64::from(seconds))
    }
}

/// Does the work and calls `renew` three times in the life of a lease with the time until which it is to hold. The work
/// goes on when that fails: what it hands over can be recognized when another sender does so again.
pub(super) async fn while_renewing<T, F>(
    seconds: u16,
    clock: Clock,
    renew: impl Fn(Timestamp) -> F,
    work: impl Future<Output = T>,
) -> T
where
    F: Future<Output = Result<(), StoreError>>,
{
    let beats = async {
        loop {
            tokio::time::sleep(Duration::from_secs(u64::from(seconds)) / 3).await;
            if let Err(error) = renew(clock.lease(seconds)).await {
                tracing::warn!(%error, "A sender's lease could not be renewed");
            }
        }
    };
    tokio::select! {
        done = work => done,
        () = beats, if seconds > 0 => unreachable!("it beats for ever"),
    }
}
