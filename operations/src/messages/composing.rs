//! From worded messages to rows: keys that keep a message from being sent twice, calendar files, and queueing.

use delivery::{
    Mailbox,
    calendar::{Entry, Method},
};
use domain::{Cx, EmailAddress, MessageId};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;

use super::{
    model::{NewMessage, StoredAttachment},
    sql,
    wording::Template,
};
use crate::{events::Event, organizations::Face};

/// Rows written at once: enough to be quick, few enough to fit in a statement.
const CHUNK: usize = 200;

/// What came of queueing.
#[derive(Debug, Default)]
pub(super) struct Queued {
    /// Those that will be sent.
    pub(super) ids: Vec<MessageId>,
    /// Those whose recipients want none.
    pub(super) suppressed_count: usize,
    /// Those that had been queued before.
    pub(super) repeated_count: usize,
}

/// Queues messages. Under a key that is taken nothing is written.
pub(super) async fn queue(
    conn: &mut PgConnection,
    cx: &Cx,
    messages: &[NewMessage],
) -> sqlx::Result<Queued> {
    let mut queued = Queued::default();
    for chunk in messages.chunks(CHUNK) {
        let written = sql::queue(conn, cx, chunk).await?;
        queued.repeated_count += chunk.len() - written.len();
        for (id, will_be_sent) in written {
            if will_be_sent {
                queued.ids.push(id);
            } else {
                queued.suppressed_count += 1;
            }
        }
    }
    Ok(queued)
}

/// The key of a message to one address. The address itself is not in it: keys outlive erasure.
pub(super) fn dedupe_key(prefix: &str, address: &str) -> String {
    format!("{prefix}/{}", short_digest(&address.to_lowercase()))
}

/// A fingerprint of what a template says.
pub(super) fn words(template: &Template) -> String {
    let source = &template.source;
    short_digest(&format!(
        "{}\n{}\n{}",
        template.name, source.subject, source.body
    ))
}

fn short_digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..12])
}

/// An event as a file for the calendar of one recipient.
pub(super) fn calendar(
    cx: &Cx,
    method: Method,
    event: &Event,
    face: &Face,
    attendee: &EmailAddress,
    place: Option<&str>,
) -> StoredAttachment {
    let organizer: EmailAddress = face
        .reply_email
        .as_deref()
        .and_then(|address| address.parse().ok())
        .unwrap_or_else(|| "events@eventos.invalid".parse().expect("a plain address"));
    let file = Entry {
        method,
        uid: &event.id.to_string(),
        // Every change of an event raises its version, as a calendar expects of a sequence.
        sequence: u32::try_from(event.version).unwrap_or(0),
        written_at: cx.now,
        title: &event.title,
        starts_at: event.starts_at,
        ends_at: event.ends_at,
        place,
        url: event.online_url.as_deref(),
        organizer: &Mailbox::new(&face.name, organizer),
        attendee,
    }
    .attachment();
    StoredAttachment {
        name: file.name,
        content_type: file.content_type,
        content: String::from_utf8(file.content).expect("calendar files are text"),
    }
}
