//! Keeps a call answerable: panics and slowness become errors, and a client that asked hears that work goes on.

use std::{panic::AssertUnwindSafe, time::Duration};

use domain::{Cx, FaultKind, fault::Failure};
use futures_util::FutureExt as _;
use operations::Entry;
use rmcp::{RoleServer, model::ProgressNotificationParam, service::RequestContext};
use serde_json::Value;

use super::internal;
use crate::server::Shared;

/// How often a client that asked for progress hears of it.
const BEAT: Duration = Duration::from_secs(1);

/// Runs an operation within the time a tool has, and catches its panics: the SDK would never answer them.
pub(crate) async fn guarded(
    shared: &Shared,
    entry: &Entry,
    cx: &Cx,
    input: Value,
    boundary: &str,
) -> Result<Value, Failure> {
    let running =
        AssertUnwindSafe(entry.run(&shared.app, cx, input, Some(boundary))).catch_unwind();
    let limit = shared.options.tool_timeout;
    match tokio::time::timeout(limit, running).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => {
            tracing::error!(operation.name = entry.name, "An operation panicked");
            Err(internal())
        }
        Err(_) => {
            tracing::error!(
                operation.name = entry.name,
                "An operation was too slow and was stopped"
            );
            Err(Failure {
                kind: FaultKind::Unavailable,
                code: "too_slow",
                message: format!(
                    "{} took longer than {} s and was stopped.",
                    entry.name,
                    limit.as_secs()
                ),
                next: "Ask for less at once or try again later; repeat a write only under the same idempotency_key, \
                       or after looking whether it was done.",
                field: None,
                candidates: Vec::new(),
            })
        }
    }
}

/// Tells a client that gave a progress token that the call began, goes on and has ended.
pub(super) async fn with_progress<T>(
    request: &RequestContext<RoleServer>,
    running: impl Future<Output = T>,
) -> T {
    let Some(token) = request.meta.get_progress_token() else {
        return running.await;
    };
    let tell = async |progress: f64, total: Option<f64>, message: &str| {
        let mut beat =
            ProgressNotificationParam::new(token.clone(), progress).with_message(message);
        beat.total = total;
        // A client that no longer listens is none of the call's business.
        let _ = request.peer.notify_progress(beat).await;
    };
    tell(0.0, None, "Started").await;
    let mut running = std::pin::pin!(running);
    let mut seconds = 0.0;
    loop {
        if let Ok(outcome) = tokio::time::timeout(BEAT, &mut running).await {
            tell(seconds + 1.0, Some(seconds + 1.0), "Done").await;
            return outcome;
        }
        seconds += 1.0;
        tell(seconds, None, "Still working").await;
    }
}
