//! The chat's parts as HTML: each once, whether the page brings it or a stream does. What a model says is text, never markup.

use std::{collections::BTreeMap, fmt::Write as _};

use domain::ConversationId;
use operations::{
    approvals::{Approval, ApprovalStatus},
    conversations::{
        Conversation, ConversationDetail, ConversationEntry, ConversationStatus, EntryKind,
    },
};

use crate::web::escaped;

/// The element of an entry.
pub(super) fn id(entry: &ConversationEntry) -> String {
    step_id(entry.turn, &entry.part)
}

/// The element of a step of a turn.
pub(super) fn step_id(turn: i32, step: &str) -> String {
    format!("e{turn}-{}", step.replace(['.', '/'], "-"))
}

/// The element of a proposal.
pub(super) fn proposal_id(approval: &Approval) -> String {
    approval.id.to_string()
}

/// All conversations, and a box to begin one.
pub(super) fn front(conversations: &[Conversation]) -> String {
    let mut body = "<header class=\"top\"><h1>Chat</h1></header><main class=\"front\"><form class=\"say\" method=\"post\" action=\"/chat\">\
        <label for=\"message\">What do you want to get done?</label>\
        <textarea id=\"message\" name=\"message\" rows=\"3\" maxlength=\"8000\" required autofocus></textarea>\
        <button class=\"primary\">Send</button></form>"
        .to_owned();
    if conversations.is_empty() {
        body += "<section class=\"empty\"><p>Say what you want, in your own words. You see exactly what would happen before anything does.</p><ul>\
            <li>Rust Night, 80 places, early bird 15 €, Factory Berlin, first Thursday in February, 7 pm</li>\
            <li>How many tickets did we sell this week?</li><li>Who has not paid for the Spring Gala?</li></ul></section>";
    } else {
        body += "<h2>Conversations</h2><ul class=\"list\">";
        for conversation in conversations {
            let _ = write!(
                body,
                "<li><a href=\"/chat/{}\"><span>{}</span><small>{}</small></a></li>",
                conversation.id,
                escaped(&conversation.title),
                status(conversation.status)
            );
        }
        body += "</ul>";
    }
    body + "</main>"
}

fn status(status: ConversationStatus) -> &'static str {
    match status {
        ConversationStatus::Idle => "",
        ConversationStatus::Working => "At work",
        ConversationStatus::Deciding => "Waits for your decision",
        ConversationStatus::Failed => "Broke off",
    }
}

/// A conversation as a page, complete without scripts.
pub(super) fn conversation(detail: &ConversationDetail) -> String {
    let conversation = &detail.conversation;
    let mut log = String::new();
    let mut proposals = detail.proposals.iter().peekable();
    for entry in whole(&detail.entries) {
        // A proposal stands where it was made.
        while let Some(approval) = proposals.next_if(|approval| approval.created_at < entry.at) {
            log += &proposal(conversation.id, approval);
        }
        log += &self::entry(&entry);
    }
    for approval in proposals {
        log += &proposal(conversation.id, approval);
    }
    let last = detail.entries.last().map_or(0, |entry| entry.seq);
    format!(
        "<header class=\"top\"><a href=\"/chat\">All</a><h1>{}</h1></header><main class=\"chat\" data-events=\"/chat/{id}/events\" data-after=\"{last}\">\
         <div id=\"log\" aria-live=\"polite\">{log}</div><div id=\"bar\">{bar}</div>\
         <form class=\"say\" id=\"say\" method=\"post\" action=\"/chat/{id}\"><label class=\"away\" for=\"message\">Message</label>\
         <textarea id=\"message\" name=\"message\" rows=\"2\" maxlength=\"8000\" required></textarea><button class=\"primary\">Send</button></form></main>",
        escaped(&conversation.title),
        id = conversation.id,
        bar = bar(conversation),
    )
}

/// The entries, with the pieces of a text that is still being said put together.
fn whole(entries: &[ConversationEntry]) -> Vec<ConversationEntry> {
    let mut whole: Vec<ConversationEntry> = Vec::new();
    let mut steps: BTreeMap<(i32, String), usize> = BTreeMap::new();
    for entry in entries {
        if entry.kind != EntryKind::Text {
            whole.push(entry.clone());
            continue;
        }
        let step = entry.body["step"].as_str().unwrap_or_default().to_owned();
        let place = *steps.entry((entry.turn, step.clone())).or_insert_with(|| {
            let mut first = entry.clone();
            first.part = step;
            first.body["text"] = "".into();
            whole.push(first);
            whole.len() - 1
        });
        let said = format!(
            "{}{}",
            whole[place].body["text"].as_str().unwrap_or_default(),
            entry.body["text"].as_str().unwrap_or_default()
        );
        whole[place].body["text"] = said.into();
    }
    whole
}

/// An entry.
pub(super) fn entry(entry: &ConversationEntry) -> String {
    let text = |field: &str| escaped(entry.body[field].as_str().unwrap_or_default());
    let id = id(entry);
    match entry.kind {
        EntryKind::Asked => format!(
            "<div id=\"{id}\" class=\"asked\"><p>{}</p></div>",
            text("text")
        ),
        EntryKind::Said if entry.body["text"] == "" => format!("<div id=\"{id}\" hidden></div>"),
        EntryKind::Said | EntryKind::Text => format!(
            "<div id=\"{id}\" class=\"said\"><p>{}</p></div>",
            text("text")
        ),
        EntryKind::Tool => {
            let state = entry.body["state"].as_str().unwrap_or_default();
            let word = match state {
                "done" => "done",
                "refused" => "refused",
                "waiting" => "proposed",
                _ => "…",
            };
            let label = match entry.body["label"].as_str() {
                Some(label) => escaped(label),
                None => escaped(
                    &entry.body["tool"]
                        .as_str()
                        .unwrap_or_default()
                        .replace('_', " "),
                ),
            };
            let detail = entry.body["detail"]
                .as_str()
                .filter(|detail| !detail.is_empty());
            match detail {
                Some(detail) => format!(
                    "<details id=\"{id}\" class=\"tool {state}\"><summary>{label} <small>{word}</small></summary><p>{}</p></details>",
                    escaped(detail)
                ),
                None => format!(
                    "<p id=\"{id}\" class=\"tool {state}\">{label} <small>{word}</small></p>"
                ),
            }
        }
        EntryKind::Ended => match entry.body["message"].as_str() {
            Some(message) => format!("<p id=\"{id}\" class=\"ended\">{}</p>", escaped(message)),
            None => format!("<p id=\"{id}\" hidden></p>"),
        },
    }
}

/// What the agent proposes, and what became of it.
pub(super) fn proposal(id: ConversationId, approval: &Approval) -> String {
    let mut card = format!(
        "<section id=\"{}\" class=\"card {}\" aria-label=\"Proposal\"><h2>{}</h2><ul>",
        proposal_id(approval),
        approval.status,
        escaped(&approval.title)
    );
    for line in &approval.preview {
        let _ = write!(card, "<li>{}</li>", escaped(&domain::text::sentence(line)));
    }
    card += "</ul>";
    let (approval_id, reason) = (approval.id, escaped(&approval.reason));
    if approval.status == ApprovalStatus::Pending {
        let _ = write!(
            card,
            "<p class=\"soft\">{reason}</p><form method=\"post\" action=\"/chat/{id}/decide\"><input type=\"hidden\" name=\"approval\" \
             value=\"{approval_id}\"><label for=\"note-{approval_id}\">What should be different, if anything</label>\
             <input id=\"note-{approval_id}\" name=\"note\" maxlength=\"2000\" autocomplete=\"off\"><div class=\"buttons\">\
             <button class=\"primary\" name=\"decision\" value=\"approved\">Approve</button>\
             <button name=\"decision\" value=\"rejected\">Reject</button></div></form>"
        );
    } else {
        let word = match approval.status {
            ApprovalStatus::Approved | ApprovalStatus::Done | ApprovalStatus::Pending => "Approved",
            ApprovalStatus::Rejected => "Rejected; nothing was done",
            ApprovalStatus::Expired => "Not decided in time; nothing was done",
            ApprovalStatus::Stale => "Changed since; asked about again",
        };
        let note = approval
            .note
            .as_ref()
            .map(|note| format!(": {}", escaped(note)));
        let _ = write!(
            card,
            "<p class=\"soft\">{word}{}</p>",
            note.unwrap_or_default()
        );
    }
    card + "</section>"
}

/// What is going on, with a way to stop it.
pub(super) fn bar(conversation: &Conversation) -> String {
    let cost = conversation.cost;
    let cost = if cost > 0 {
        format!(
            "<small>{}.{:04} USD so far</small>",
            cost / 1_000_000,
            cost % 1_000_000 / 100
        )
    } else {
        String::new()
    };
    match conversation.status {
        ConversationStatus::Working | ConversationStatus::Deciding => format!(
            "<span class=\"pulse\" role=\"status\">{}</span>{cost}<form method=\"post\" action=\"/chat/{}/stop\"><button>Stop</button></form>",
            status(conversation.status),
            conversation.id
        ),
        _ => cost,
    }
}
