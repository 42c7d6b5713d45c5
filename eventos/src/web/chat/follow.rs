//! A conversation as it happens, as server-sent events. Each names the number of the entry it brings, so a browser that lost
//! the line goes on behind it, whichever process answers.

use std::{convert::Infallible, fmt::Write as _, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse as _, Response},
};
use domain::{ConversationId, Cx, Fault as _, FaultKind, Timestamp};
use futures_util::stream;
use operations::{
    App,
    conversations::{ConversationDetail, ConversationStatus, EntryKind, GetConversation},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::render;

/// How often is looked while the agent is at work, and while it is the person's turn.
const WORKING: Duration = Duration::from_millis(200);
const RESTING: Duration = Duration::from_secs(1);
/// After so many looks with nothing to tell, a sign of life.
const QUIET: u32 = 15;

struct Following {
    app: App,
    cx: Cx,
    id: ConversationId,
    after: i64,
    /// What was last said of status and proposals.
    shown: String,
    pause: Duration,
    quiet: u32,
    stop: CancellationToken,
}

pub(super) fn stream(
    app: App,
    cx: Cx,
    id: ConversationId,
    last: Option<&str>,
    stop: CancellationToken,
) -> Response {
    let following = Following {
        app,
        cx,
        id,
        after: last.and_then(|last| last.parse().ok()).unwrap_or(0),
        shown: String::new(),
        pause: Duration::ZERO,
        quiet: 0,
        stop,
    };
    let events = stream::unfold(following, |mut following| async move {
        let text = following.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), following))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, Body::from_stream(events)).into_response()
}

impl Following {
    /// What is new, once something is; nothing when the server stops or the conversation is gone.
    async fn next(&mut self) -> Option<String> {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(self.pause) => {}
            }
            self.cx.now = Timestamp::now();
            let get = GetConversation {
                conversation: self.id,
                after: Some(self.after),
            };
            let detail = match self.app.run(&self.cx, get).await {
                Ok(detail) => detail,
                // The database is away, or somebody has many pages open: it goes on in a moment.
                Err(error)
                    if matches!(
                        error.spec().kind,
                        FaultKind::Limited | FaultKind::Unavailable
                    ) =>
                {
                    self.pause = RESTING;
                    continue;
                }
                Err(_) => return None,
            };
            let text = self.tell(&detail);
            let is_resting = detail.conversation.status == ConversationStatus::Idle;
            self.pause = if is_resting { RESTING } else { WORKING };
            if !text.is_empty() {
                self.quiet = 0;
                return Some(text);
            }
            self.quiet += 1;
            if self.quiet >= QUIET {
                self.quiet = 0;
                return Some(": here\n\n".to_owned());
            }
        }
    }

    fn tell(&mut self, detail: &ConversationDetail) -> String {
        let mut text = String::new();
        for entry in &detail.entries {
            self.after = entry.seq;
            let data = match entry.kind {
                EntryKind::Text => json!({
                    "id": render::step_id(entry.turn, entry.body["step"].as_str().unwrap_or_default()),
                    "text": entry.body["text"],
                    "is_first": entry.body["is_first"],
                }),
                _ => json!({"id": render::id(entry), "html": render::entry(entry)}),
            };
            let name = if entry.kind == EntryKind::Text {
                "piece"
            } else {
                "entry"
            };
            let seq = entry.seq;
            let _ = write!(text, "id: {seq}\nevent: {name}\ndata: {data}\n\n");
        }
        let state = json!({
            "status": detail.conversation.status,
            "bar": render::bar(&detail.conversation),
            "proposals": detail.proposals.iter().map(|one| json!({"id": render::proposal_id(one), "html": render::proposal(self.id, one)})).collect::<Vec<_>>(),
        });
        let state = state.to_string();
        if state != self.shown {
            let _ = write!(text, "event: state\ndata: {state}\n\n");
            self.shown = state;
        }
        text
    }
}
