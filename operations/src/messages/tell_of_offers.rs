//! The mails to people on a waiting list to whom places are offered, queued in the transaction that offers them.

use delivery::template::Builtin;
use domain::{
    Cx, EmailAddress, HoldId, MessageChannel, MessageId, Money, Timestamp, WaitlistEntryId,
};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    composing::{self, dedupe_key},
    model::NewMessage,
    wording::{self, WAITLIST, WordingError, put},
};
use crate::{events::Event, organizations};

/// Places that are offered to somebody.
pub(crate) struct OfferMail<'a> {
    pub(crate) entry_id: WaitlistEntryId,
    pub(crate) hold_id: HoldId,
    pub(crate) name: &'a str,
    pub(crate) email: &'a EmailAddress,
    pub(crate) ticket_type: &'a str,
    pub(crate) quantity: i32,
    pub(crate) total: Money,
    pub(crate) until: Timestamp,
}

/// Queues a mail for each offer. What is queued holds no link that works; the sender puts it in.
pub(crate) async fn tell_of_offers(
    conn: &mut PgConnection,
    cx: &Cx,
    event: &Event,
    offers: &[OfferMail<'_>],
) -> Result<(), WordingError> {
    let face = organizations::face(conn).await?;
    let template = wording::template(conn, Builtin::WaitlistOffer.as_str(), face.language).await?;
    let mut messages = Vec::with_capacity(offers.len());
    for offer in offers {
        let mut facts = wording::facts(&template.known, &face);
        wording::add_event(&mut facts, event, template.language);
        wording::add_recipient(&mut facts, offer.name);
        let until = offer.until.in_zone(&event.zone);
        for (name, value) in [
            ("offer.ticket_type", json!(offer.ticket_type)),
            ("offer.quantity", json!(offer.quantity)),
            (
                "offer.total",
                json!(wording::money(offer.total, template.language)),
            ),
            (
                "offer.until",
                json!(wording::when(until, &event.zone, template.language)),
            ),
            (
                "offer.link",
                json!(format!("{WAITLIST}{}", Uuid::from(offer.entry_id))),
            ),
        ] {
            put(&mut facts, name, value);
        }
        let filled = template.fill(&facts, &face)?;
        messages.push(NewMessage {
            id: cx.new_id::<MessageId>(),
            template: template.name.clone(),
            language: template.language,
            kind: template.kind,
            channel: MessageChannel::Email,
            recipient_address: offer.email.to_string(),
            recipient_name: offer.name.to_owned(),
            subject: filled.subject,
            html: filled.html,
            text: filled.text,
            attachments: Vec::new(),
            event_id: Some(event.id),
            order_id: None,
            ticket_id: None,
            dedupe_key: dedupe_key(&offer.hold_id.to_string(), offer.email.as_str()),
            send_at: cx.now,
            decision: None,
        });
    }
    composing::queue(conn, cx, &messages).await?;
    Ok(())
}
