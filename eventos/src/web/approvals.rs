//! The page that a signed link leads to: what will happen, why it asks, yes or no. The link is the right to decide one
//! approval as one member until it ends; it works without scripts.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Form, Router,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use domain::{Actor, Cx, Fault as _, Permission, Permissions, Timestamp};
use operations::{
    App,
    approvals::{Approval, ApprovalStatus, DecideApproval, Decision, find_approval},
    links::{Link, Links},
};
use serde::Deserialize;

use super::{Page, escaped, linked};

struct Served {
    app: App,
    links: Links,
}

/// The routes of the page.
pub(super) fn router(app: &App, key: [u8; 32]) -> Router {
    let served = Arc::new(Served {
        app: app.clone(),
        links: Links::new(key),
    });
    Router::new()
        .route("/approvals/{token}", get(show).post(decide))
        .with_state(served)
}

/// What the form sends.
#[derive(Deserialize)]
struct Said {
    decision: String,
    #[serde(default)]
    note: String,
}

async fn show(State(served): State<Arc<Served>>, Path(token): Path<String>) -> Response {
    let Some(link) = served.links.open(&token) else {
        return unknown();
    };
    let cx = context(&link);
    match find_approval(&served.app, &cx, link.approval_id).await {
        Ok(Some(approval)) => page(&approval, link.expires_at <= cx.now, None),
        Ok(None) => unknown(),
        Err(_) => message(
            StatusCode::SERVICE_UNAVAILABLE,
            "Not just now",
            "The database does not answer. Try again in a moment.",
        ),
    }
}

async fn decide(
    State(served): State<Arc<Served>>,
    Path(token): Path<String>,
    Form(said): Form<Said>,
) -> Response {
    let Some(link) = served.links.open(&token) else {
        return unknown();
    };
    let cx = context(&link);
    let decision = match said.decision.as_str() {
        "approved" => Decision::Approved,
        "rejected" => Decision::Rejected,
        _ => {
            return message(
                StatusCode::UNPROCESSABLE_ENTITY,
                "Neither yes nor no",
                "Go back and press one of the buttons.",
            );
        }
    };
    let outcome = if link.expires_at <= cx.now {
        Some("This link has ended; nothing was done.".to_owned())
    } else {
        let note = Some(said.note.trim().to_owned()).filter(|note| !note.is_empty());
        let command = DecideApproval {
            approval: link.approval_id,
            decision,
            note,
        };
        match served.app.run(&cx, command).await {
            Ok(decided) => Some(decided.outcome),
            Err(error) => Some(sentence(&error.to_string(), error.spec().next)),
        }
    };
    match find_approval(&served.app, &cx, link.approval_id).await {
        Ok(Some(approval)) => page(&approval, link.expires_at <= cx.now, outcome.as_deref()),
        _ => unknown(),
    }
}

/// The member whom the link was made for; deciding looks at their role itself.
fn context(link: &Link) -> Cx {
    let permissions = Permissions::NONE
        .with(Permission::ApprovalsRead)
        .with(Permission::ApprovalsDecide);
    let actor = Actor::Member {
        user_id: link.user_id,
    };
    Cx::new(link.organization_id, actor, permissions).with_client("approval link")
}

fn sentence(text: &str, next: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    format!("{first}{}. {next}", letters.as_str().trim_end_matches('.'))
}

/// `2027-01-11 09:00 UTC`
fn utc(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} UTC", text.get(..16).unwrap_or(&text).replace('T', " "))
}

fn unknown() -> Response {
    message(
        StatusCode::NOT_FOUND,
        "Nothing to decide here",
        "This link is not whole, or was made by another server. Open it again from the message, or see what waits with: eventos approvals list",
    )
}

fn message(status: StatusCode, title: &str, text: &str) -> Response {
    let body = format!("<h1>{}</h1><p>{}</p>", escaped(title), escaped(text));
    respond(status, title, &body)
}

/// The page of an approval in its state.
fn page(approval: &Approval, has_ended: bool, outcome: Option<&str>) -> Response {
    let is_open = approval.status == ApprovalStatus::Pending && !has_ended;
    let (tone, word) = match approval.status {
        ApprovalStatus::Pending if has_ended => ("off", "Link ended"),
        ApprovalStatus::Pending => ("wait", "Waits for you"),
        ApprovalStatus::Approved => ("wait", "Approved"),
        ApprovalStatus::Done => ("good", "Approved and done"),
        ApprovalStatus::Rejected => ("off", "Rejected"),
        ApprovalStatus::Expired => ("off", "Too late"),
        ApprovalStatus::Stale => ("bad", "Changed since"),
    };
    let mut body = format!(
        "<p class=\"state {tone}\" role=\"status\">{word}</p><h1>{}</h1>",
        escaped(&approval.title)
    );
    match outcome {
        Some(outcome) => {
            let _ = write!(body, "<p class=\"outcome\">{}</p>", escaped(outcome));
        }
        None if !is_open => {
            let said = said(approval, has_ended);
            let _ = write!(body, "<p class=\"outcome\">{}</p>", escaped(&said));
        }
        None => {}
    }
    body += &about(approval, is_open);
    body += &if is_open {
        form(approval)
    } else {
        decided(approval)
    };
    respond(StatusCode::OK, &approval.title, &body)
}

/// What became of a question that can be decided no more, for somebody who comes to it now.
fn said(approval: &Approval, has_ended: bool) -> String {
    let ended = utc(approval.expires_at);
    match approval.status {
        ApprovalStatus::Pending if has_ended => {
            "This link works no more, and nothing was done. See what waits with: eventos approvals list"
                .to_owned()
        }
        ApprovalStatus::Pending => String::new(),
        ApprovalStatus::Approved if approval.result.is_some() => {
            "It was approved, but could not be done. Whoever runs EventOS can try again: eventos approvals approve"
                .to_owned()
        }
        ApprovalStatus::Approved => "It was approved; there is nothing left for you to do.".to_owned(),
        ApprovalStatus::Done => "It was approved and is done; there is nothing left for you to do.".to_owned(),
        ApprovalStatus::Rejected => "It was rejected, and nothing was done.".to_owned(),
        ApprovalStatus::Expired => format!(
            "Nobody decided before {ended}, so nothing was done. Whoever asked can ask again."
        ),
        ApprovalStatus::Stale => {
            "What it would do had changed since it was shown, so nothing was done. You have got another mail with what \
             it would do now."
                .to_owned()
        }
    }
}

/// What it is about: who asks, what would happen, what else to look at.
fn about(approval: &Approval, is_open: bool) -> String {
    let asks = sentence(&format!("{} asks", approval.requested_by), &approval.reason);
    let mut body = format!("<p>{}</p>", escaped(&asks));
    if !approval.preview.is_empty() {
        let heading = if is_open {
            "This will happen"
        } else {
            "What it was about"
        };
        let _ = write!(body, "<h2>{heading}</h2><ul>");
        for line in &approval.preview {
            let _ = write!(body, "<li>{}</li>", escaped(line));
        }
        body.push_str("</ul>");
    }
    if let Some(show) = &approval.show {
        let show = escaped(show.as_str());
        let _ = write!(body, "<h2>Look at this</h2><pre>{show}</pre>");
    }
    if let Some(operation) = &approval.operation {
        let input = serde_json::to_string_pretty(&approval.input).unwrap_or_default();
        let _ = write!(
            body,
            "<details><summary>Exactly what runs</summary><pre>{}\n{}</pre></details>",
            escaped(operation),
            escaped(&input)
        );
    }
    body
}

fn form(approval: &Approval) -> String {
    format!(
        "<form method=\"post\"><label for=\"note\">A note, if you like</label><textarea id=\"note\" name=\"note\" rows=\"2\" maxlength=\"2000\"></textarea>\
         <div class=\"buttons\"><button class=\"yes\" name=\"decision\" value=\"approved\">Approve</button>\
         <button name=\"decision\" value=\"rejected\">Reject</button></div></form>\
         <p class=\"small\">Until {}. It runs once, and only if it still does exactly this.</p>",
        utc(approval.expires_at),
    )
}

/// Who decided, what they noted, and what took its place.
fn decided(approval: &Approval) -> String {
    let mut body = String::new();
    if let (Some(by), Some(at)) = (&approval.decided_by, approval.decided_at) {
        let (by, at) = (escaped(by), utc(at));
        let _ = write!(body, "<p class=\"small\">Decided by {by} at {at}.</p>");
    }
    if let Some(note) = &approval.note {
        let _ = write!(body, "<p class=\"small\">Note: {}</p>", escaped(note));
    }
    if let Some(again) = approval.replaced_by {
        let _ = write!(
            body,
            "<p class=\"small\">The new one is <code>{again}</code>; on the server: <code>eventos approvals show {again}</code></p>"
        );
    }
    body
}

fn respond(status: StatusCode, title: &str, body: &str) -> Response {
    linked(&Page {
        status,
        lang: "en",
        title: &escaped(title),
        style: include_str!("approval.css"),
        forms_to: "",
        body,
    })
}
