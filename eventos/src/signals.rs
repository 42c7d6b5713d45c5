//! Being asked to stop, by Ctrl-C or by whoever manages the program.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long what is running may take to finish.
const GRACE: Duration = Duration::from_secs(10);

/// The two signals that ask a program to stop. While this is held they do nothing else.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("the program cannot listen to signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for either.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Works until it is done, or until asked to stop: then `stop` tells the work to end, and it is dropped when it
    /// has not done so in a while, or when asked again. Returns what came of it.
    pub(crate) async fn run<T>(
        &mut self,
        stop: &CancellationToken,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            done = &mut work => return Some(done),
            () = self.asked() => {}
        }
        tracing::info!("Stopping: finishing what is running");
        stop.cancel();
        tokio::select! {
            done = &mut work => return Some(done),
            () = tokio::time::sleep(GRACE) => {
                tracing::warn!("Something is still running after {} s; closing", GRACE.as_secs());
            }
            () = self.asked() => tracing::warn!("Asked again; closing at once"),
        }
        None
    }
}
