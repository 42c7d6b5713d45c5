//! Keeps a call answerable: panics and slowness become errors, and a client that asked hears that work goes on.

use std::time::Duration;

use domain::{Cx, fault::Failure};
use operations::{Entry, guard::within};
use rmcp::{RoleServer, model::ProgressNotificationParam, service::RequestContext};
use serde_json::Value;

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
    let running = entry.run(&shared.app, cx, input, Some(boundary));
    within(shared.options.tool_timeout, entry.name, running).await
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
