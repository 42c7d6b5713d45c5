//! Sending: what workers do with the messages that are due, whoever they belong to.
//!
//! A message is taken up under a lease, handed over with no transaction open, and settled. A sender that dies in
//! between leaves it to the next one, which sends it again under the same Message-ID: at least once, never silently not.

pub(super) mod sql;
#[cfg(test)]
mod tests;

use delivery::{Attachment, Email, EmailSender, Mailbox, Refusal, SendError, Sms, SmsSender};
use domain::{Actor, Cx, EmailAddress, MessageChannel, MessageKind, Permissions, Timestamp};
use sha2::{Digest as _, Sha256};
use store::StoreError;

use super::{
    lease::{self, Clock, while_renewing},
    unsubscribe,
    wording::{DECIDE, ORDER, SURVEY, UNSUBSCRIBE, with_entries},
};
use crate::{
    App,
    buyers::{OrderLink, OrderPages, WaitlistLink, WaitlistPages},
    links::{Link, Links},
    surveys::Invitation,
};
use sql::{Claim, Settling};

/// How mails are sent.
#[derive(Clone)]
pub struct Options {
    /// The address mails come from; the organization's name is shown beside it.
    pub from: EmailAddress,
    /// The address people reach the server under, for links.
    pub public_url: String,
    /// Signs the links in mails.
    pub key: [u8; 32],
    /// Messages per minute; 0 for no limit.
    pub per_minute: u32,
    /// Messages taken up at once.
    pub batch: u16,
    /// Seconds after which a message is taken up by another sender, unless the one that holds it renews that.
    pub lease_seconds: u16,
}

impl Options {
    /// Sensible limits.
    pub fn new(from: EmailAddress, public_url: impl Into<String>, key: [u8; 32]) -> Self {
        Self {
            from,
            public_url: public_url.into().trim_end_matches('/').to_owned(),
            key,
            per_minute: 120,
            batch: 20,
            lease_seconds: lease::SECONDS,
        }
    }

    /// The part of the sender's address behind the `@`.
    fn host(&self) -> &str {
        self.from
            .as_str()
            .rsplit_once('@')
            .map_or("localhost", |(_, host)| host)
    }
}

/// Who hands messages over.
#[derive(Clone, Copy)]
pub struct Senders<'a> {
    /// Mails.
    pub email: &'a dyn EmailSender,
    /// Text messages, where that is set up.
    pub sms: Option<&'a dyn SmsSender>,
}

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Taken by the other side.
    pub sent: u32,
    /// To be tried again.
    pub retried: u32,
    /// Given up.
    pub failed: u32,
    /// Not sent, because the recipients have come to want none.
    pub suppressed: u64,
    /// When another round is worth while: at once when it is in the past; `None` when nothing waits.
    pub next_due: Option<Timestamp>,
}

/// Attempts at one message, about a day and a half in all.
const MAX_ATTEMPTS: i32 = 10;
/// Seconds between two attempts at most.
const LONGEST: i64 = 6 * 3600;

/// Sends what is due, at most one batch, and says when the next is due. Any number of programs may call it at the
/// same time; each message is taken up by one of them.
pub async fn send_due(
    app: &App,
    senders: Senders<'_>,
    options: &Options,
    now: Timestamp,
) -> Result<Round, StoreError> {
    let clock = Clock::starting(now);
    let owner = owner(now);
    let mut round = Round::default();
    let (claims, rested_until) = take_up(app, options, &owner, now, &mut round).await?;
    let ids: Vec<_> = claims.iter().map(|claim| claim.id).collect();
    let renew = async |until| {
        let mut tx = app.store().system("renew a sender's lease").await?;
        sql::renew(tx.conn(), &owner, &ids, until).await?;
        tx.commit().await
    };
    let work = async {
        for claim in &claims {
            let outcome = hand_over(senders, options, claim).await;
            settle(app, claim, &owner, &outcome, clock.now(), &mut round).await?;
        }
        Ok::<(), StoreError>(())
    };
    while_renewing(options.lease_seconds, clock, renew, Box::pin(work)).await?;
    let mut tx = app.store().system("next message").await?;
    let next_due = sql::next_due(tx.conn()).await?;
    round.next_due = next_due.map(|due| rested_until.map_or(due, |rested| due.max(rested)));
    Ok(round)
}

/// A name for this round that no other has.
pub(super) fn owner(now: Timestamp) -> String {
    context(domain::OrganizationId::from(uuid::Uuid::nil()), now)
        .request_id
        .simple()
        .to_string()
}

pub(super) fn context(organization_id: domain::OrganizationId, now: Timestamp) -> Cx {
    let actor = Actor::System { reason: "sending" };
    Cx::new(organization_id, actor, Permissions::NONE).with_now(now)
}

/// Takes messages up, as many as the rate allows; when the rate allows none, until when to rest.
async fn take_up(
    app: &App,
    options: &Options,
    owner: &str,
    now: Timestamp,
    round: &mut Round,
) -> Result<(Vec<Claim>, Option<Timestamp>), StoreError> {
    let mut tx = app.store().system("send messages").await?;
    let mut limit = i64::from(options.batch);
    let mut rested_until = None;
    if options.per_minute > 0 {
        sql::lock_rate(tx.conn()).await?;
        let (sent, first) = sql::sent_lately(tx.conn(), now).await?;
        let left = (i64::from(options.per_minute) - sent).max(0);
        if left <= limit {
            rested_until = Some(first.unwrap_or(now).plus_seconds(60));
        }
        limit = limit.min(left);
    }
    round.suppressed = sql::suppress_due(tx.conn(), now).await?;
    sql::cancel_decided(tx.conn(), now).await?;
    let until = now.plus_seconds(i64::from(options.lease_seconds));
    let claims = sql::claim(tx.conn(), owner, options.host(), limit, (now, until)).await?;
    tx.commit().await?;
    let used_up = limit == 0 || usize::try_from(limit).is_ok_and(|limit| claims.len() == limit);
    Ok((claims, rested_until.filter(|_| used_up)))
}

/// Hands one message over. No transaction is open.
async fn hand_over(
    senders: Senders<'_>,
    options: &Options,
    claim: &Claim,
) -> Result<(), SendError> {
    match claim.channel {
        MessageChannel::Email => {
            let email = email(options, claim)?;
            senders.email.send(&email).await.map(drop)
        }
        MessageChannel::Sms => {
            let Some(sender) = senders.sms else {
                let text = "no service for text messages is set up";
                return Err(SendError::Transient(Refusal::unanswered(text)));
            };
            let text = with_links(options, claim, &claim.text)
                .split("\n-- \n")
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned();
            let sms = Sms {
                to: claim.recipient_address.clone(),
                text,
            };
            sender.send(&sms).await.map(drop)
        }
    }
}

/// The words of a message with the links that are its recipient's own; their key is not in the database.
fn with_links(options: &Options, claim: &Claim, words: &str) -> String {
    let mut words = words.to_owned();
    if claim.kind == MessageKind::Marketing {
        let url = unsubscribe::url(&options.public_url, &options.key, claim.id);
        words = words.replace(UNSUBSCRIBE, &url);
    }
    if let Some(order_id) = claim.order_id {
        let link = OrderLink {
            organization_id: claim.organization_id,
            order_id,
        };
        let url = OrderPages::new(&options.public_url, options.key).url(&link);
        words = words.replace(ORDER, &url);
    }
    if let Some(ticket_id) = claim.ticket_id {
        let invitation = Invitation::sent_at(
            claim.organization_id,
            ticket_id,
            claim.language,
            claim.send_at,
        );
        words = words.replace(SURVEY, &invitation.url(&options.public_url, &options.key));
    }
    let pages = WaitlistPages::new(&options.public_url, options.key);
    words = with_entries(&words, |entry_id| {
        pages.url(&WaitlistLink {
            organization_id: claim.organization_id,
            entry_id,
        })
    });
    if let Some(link) = claim.link() {
        let url = Links::new(options.key).url(&options.public_url, &link);
        words = words.replace(DECIDE, &url);
    }
    words
}

/// The mail of a message; the same for every attempt.
fn email(options: &Options, claim: &Claim) -> Result<Email, SendError> {
    let parsed = |address: &str| {
        address
            .parse::<EmailAddress>()
            .map_err(|error| SendError::Permanent(Refusal::unanswered(error.to_string())))
    };
    let mut headers = Vec::new();
    if claim.kind == MessageKind::Marketing {
        let url = unsubscribe::url(&options.public_url, &options.key, claim.id);
        headers.extend(Email::one_click_unsubscribe(&url));
    }
    // Tells other programs that nobody reads answers such as "I am on holiday" (RFC 3834).
    headers.push(("Auto-Submitted".to_owned(), "auto-generated".to_owned()));
    let reply_to = claim
        .reply_email
        .as_deref()
        .and_then(|address| address.parse().ok());
    let attachments = claim.attachments.0.iter().map(|file| Attachment {
        name: file.name.clone(),
        content_type: file.content_type.clone(),
        content: file.content.clone().into_bytes(),
    });
    Ok(Email {
        message_id: claim.message_id.clone(),
        date: claim.created_at,
        from: Mailbox::new(&claim.organization_name, options.from.clone()),
        reply_to: reply_to.map(|address| Mailbox::new("", address)),
        to: Mailbox::new(
            claim.recipient_name.as_str(),
            parsed(&claim.recipient_address)?,
        ),
        subject: claim.subject.clone(),
        html: with_links(options, claim, &claim.html),
        text: with_links(options, claim, &claim.text),
        headers,
        attachments: attachments.collect(),
    })
}

impl Claim {
    /// What the recipient's own link is for, if they are asked to decide.
    fn link(&self) -> Option<Link> {
        Some(Link {
            organization_id: self.organization_id,
            approval_id: self.approval_id?,
            user_id: self.decider_id?,
            expires_at: self.decide_until?,
        })
    }
}

/// Writes down how an attempt ended. A sender that was so slow that another took the message up changes nothing.
async fn settle(
    app: &App,
    claim: &Claim,
    owner: &str,
    outcome: &Result<(), SendError>,
    now: Timestamp,
    round: &mut Round,
) -> Result<(), StoreError> {
    let refusal = outcome.as_ref().err().map(SendError::refusal);
    let (status, next_attempt_at) = match outcome {
        Ok(()) => ("sent", None),
        Err(SendError::Transient(_)) if claim.attempts < MAX_ATTEMPTS => (
            "queued",
            Some(now.plus_seconds(backoff(&claim.id.to_string(), claim.attempts, LONGEST))),
        ),
        Err(_) => ("failed", None),
    };
    let text = refusal.map(|refusal| refusal.text.chars().take(500).collect::<String>());
    let settling = Settling {
        id: claim.id,
        owner,
        attempts: claim.attempts,
        status,
        error_code: refusal.and_then(|refusal| refusal.code).map(i32::from),
        error: text.as_deref(),
        next_attempt_at,
    };
    let mut tx = app.store().system("settle a message").await?;
    if !sql::settle(tx.conn(), &settling, now).await? {
        tracing::warn!(message.id = %claim.id, "A message was settled by another sender");
        return Ok(());
    }
    if let Err(SendError::Permanent(refusal)) = outcome
        && claim.channel == MessageChannel::Email
        && refusal.means_dead_address()
    {
        let id = context(claim.organization_id, now).new_id();
        let note = refusal.code.map_or_else(String::new, |code| {
            format!("the mail server answered {code}")
        });
        sql::suppress(tx.conn(), id, claim, &note, now).await?;
    }
    tx.commit().await?;
    let code = refusal.and_then(|refusal| refusal.code);
    match status {
        "sent" => round.sent += 1,
        "queued" => {
            round.retried += 1;
            tracing::info!(message.id = %claim.id, code, attempts = claim.attempts, "A message was not taken; it is tried again");
        }
        _ => {
            round.failed += 1;
            tracing::warn!(message.id = %claim.id, code, attempts = claim.attempts, "A message was given up");
        }
    }
    Ok(())
}

/// Seconds until the next attempt: half a minute, then four times as long each time up to the longest; up to a quarter
/// more, so that what failed together does not come back together.
pub(super) fn backoff(id: &str, attempts: i32, longest: i64) -> i64 {
    let power = u32::try_from(attempts - 1).unwrap_or(0).min(8);
    let seconds = (30 * 4_i64.pow(power)).min(longest);
    let digest = Sha256::digest(format!("{id}/{attempts}"));
    seconds + seconds * i64::from(digest[0]) / 1024
}
