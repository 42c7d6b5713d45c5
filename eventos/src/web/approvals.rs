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
use domain::{
    Actor, ApprovalId, Cx, Fault as _, OrganizationId, Permission, Permissions, Timestamp, UserId,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use operations::{
    App,
    approvals::{Approval, ApprovalStatus, DecideApproval, Decision, find_approval},
};
use serde::Deserialize;
use sha2::Sha256;
use uuid::Uuid;

use super::{escaped, linked};

/// Makes and opens links.
#[derive(Clone)]
pub(crate) struct Links {
    key: [u8; 32],
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) organization_id: OrganizationId,
    pub(crate) approval_id: ApprovalId,
    pub(crate) user_id: UserId,
    pub(crate) expires_at: Timestamp,
}

impl Links {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The part of the address behind `/approvals/`.
    pub(crate) fn seal(&self, link: &Link) -> String {
        let ids = [
            Uuid::from(link.organization_id),
            Uuid::from(link.approval_id),
            Uuid::from(link.user_id),
        ];
        let mut text = String::new();
        for id in ids {
            let _ = write!(text, "{}", id.simple());
        }
        let _ = write!(
            text,
            "{:010x}",
            link.expires_at.as_microseconds() / 1_000_000
        );
        let tag = self.tag(&text);
        for byte in &tag[..16] {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// What a link is for; nothing if it was not made here. Whether it has ended is looked at later.
    pub(crate) fn open(&self, token: &str) -> Option<Link> {
        if token.len() != 138 || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let (text, tag) = token.split_at(106);
        let expected = self.tag(text);
        let given = (0..16).map(|i| u8::from_str_radix(&tag[2 * i..2 * i + 2], 16).unwrap_or(0));
        // The same time whatever is wrong.
        if given
            .zip(&expected)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            != 0
        {
            return None;
        }
        let id = |part: usize| Uuid::try_parse(&text[32 * part..32 * part + 32]).ok();
        let seconds = i64::from_str_radix(&text[96..], 16).ok()?;
        Some(Link {
            organization_id: id(0)?.into(),
            approval_id: id(1)?.into(),
            user_id: id(2)?.into(),
            expires_at: Timestamp::from_microseconds(seconds.checked_mul(1_000_000)?),
        })
    }

    fn tag(&self, text: &str) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(b"approval link\0");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

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
    if let Some(outcome) = outcome {
        let _ = write!(body, "<p class=\"outcome\">{}</p>", escaped(outcome));
    }
    let _ = write!(
        body,
        "<p>{}</p>",
        escaped(&sentence(
            &format!("{} asks", approval.requested_by),
            &approval.reason
        ))
    );
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
        let _ = write!(
            body,
            "<h2>Look at this</h2><pre>{}</pre>",
            escaped(show.as_str())
        );
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
    if is_open {
        let _ = write!(
            body,
            "<form method=\"post\"><label for=\"note\">A note, if you like</label><textarea id=\"note\" name=\"note\" rows=\"2\" maxlength=\"2000\"></textarea>\
             <div class=\"buttons\"><button class=\"yes\" name=\"decision\" value=\"approved\">Approve</button>\
             <button name=\"decision\" value=\"rejected\">Reject</button></div></form>\
             <p class=\"small\">Until {}. It runs once, and only if it still does exactly this.</p>",
            utc(approval.expires_at),
        );
    } else {
        if let (Some(by), Some(at)) = (&approval.decided_by, approval.decided_at) {
            let at = utc(at);
            let _ = write!(
                body,
                "<p class=\"small\">Decided by {} at {at}.</p>",
                escaped(by)
            );
        }
        if let Some(note) = &approval.note {
            let _ = write!(body, "<p class=\"small\">Note: {}</p>", escaped(note));
        }
        if approval.status == ApprovalStatus::Stale
            && let Some(again) = approval.replaced_by
        {
            let _ = write!(
                body,
                "<p class=\"small\">Decide the new one with <code>eventos approvals show {again}</code>, or through its own link.</p>"
            );
        }
    }
    respond(StatusCode::OK, &approval.title, &body)
}

fn respond(status: StatusCode, title: &str, body: &str) -> Response {
    let html = include_str!("approval.html")
        .replace("{{title}}", &escaped(title))
        .replace("{{body}}", body);
    linked(status, html)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link {
            organization_id: Uuid::from_u128(1).into(),
            approval_id: Uuid::from_u128(2).into(),
            user_id: Uuid::from_u128(3).into(),
            expires_at: "2027-01-11T09:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_link_opens_only_whole_and_with_its_own_key() {
        let links = Links::new([7; 32]);
        let token = links.seal(&link());
        assert_eq!(links.open(&token), Some(link()));
        assert_eq!(Links::new([8; 32]).open(&token), None);
        for place in [0, 40, 70, 100, 110] {
            let mut bad = token.clone().into_bytes();
            bad[place] = if bad[place] == b'0' { b'1' } else { b'0' };
            assert_eq!(
                links.open(&String::from_utf8(bad).unwrap()),
                None,
                "{place}"
            );
        }
        assert_eq!(links.open(&token[1..]), None);
        assert_eq!(links.open(""), None);
    }
}
