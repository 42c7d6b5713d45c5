//! The mail that asks somebody to decide: what is asked, what would be done, and their own link to the page.

use delivery::template::Builtin;
use domain::{ApprovalId, Cx, MessageChannel, Timestamp};
use serde_json::json;
use sqlx::PgConnection;

use super::{
    composing::{self, dedupe_key},
    model::NewMessage,
    wording::{self, DECIDE, Template, put},
};
use crate::organizations::{self, Member};

/// Sentences of a preview that are mailed; the page shows them all.
const SHOWN: usize = 20;

/// What is to be decided.
pub(crate) struct Question<'a> {
    pub(crate) approval_id: ApprovalId,
    pub(crate) title: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) requested_by: &'a str,
    pub(crate) preview: &'a [String],
    pub(crate) expires_at: Timestamp,
}

/// Queues a mail to each of the members who decide, in the transaction that asks. The words are EventOS's own, whatever
/// templates the organization has: people rely on them. What is queued holds no link; the sender puts it in.
pub(crate) async fn ask_to_decide(
    conn: &mut PgConnection,
    cx: &Cx,
    question: &Question<'_>,
    deciders: &[Member],
) -> sqlx::Result<()> {
    let face = organizations::face(conn).await?;
    let zone = organizations::current(conn).await?.zone;
    let builtin = Builtin::ApprovalRequest;
    let template = Template {
        name: builtin.to_string(),
        language: face.language,
        kind: builtin.kind(),
        source: builtin.source(face.language),
        known: builtin.placeholders(),
    };
    let mut facts = wording::facts(&template.known, &face);
    let until = wording::when(question.expires_at.in_zone(&zone), &zone, face.language);
    let mut preview = question.preview.to_vec();
    if preview.len() > SHOWN {
        preview.truncate(SHOWN);
        preview.push("…".to_owned());
    }
    for (name, value) in [
        ("approval.title", json!(question.title)),
        ("approval.requested_by", json!(question.requested_by)),
        ("approval.reason", json!(question.reason)),
        ("approval.preview", json!(preview)),
        ("approval.until", json!(until)),
        ("approval.link", json!(DECIDE)),
    ] {
        put(&mut facts, name, value);
    }
    let filled = (template.fill(&facts, &face)).expect("every gap of it is filled here");
    let message = |decider: &Member| NewMessage {
        id: cx.new_id(),
        template: template.name.clone(),
        language: template.language,
        kind: template.kind,
        channel: MessageChannel::Email,
        recipient_address: decider.email.clone(),
        recipient_name: decider.name.clone(),
        subject: filled.subject.clone(),
        html: filled.html.clone(),
        text: filled.text.clone(),
        attachments: Vec::new(),
        event_id: None,
        order_id: None,
        ticket_id: None,
        dedupe_key: dedupe_key(&question.approval_id.to_string(), &decider.email),
        send_at: cx.now,
        decision: Some((question.approval_id, decider.user_id)),
    };
    let messages: Vec<NewMessage> = deciders.iter().map(message).collect();
    composing::queue(conn, cx, &messages).await?;
    Ok(())
}
