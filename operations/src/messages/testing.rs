//! Messages for tests.

use domain::{EventId, Timestamp};
use serde_json::json;

use super::{Audience, QueueMessage, Recipient, sending};
use crate::testing::Scene;

/// A reminder of an event for some addresses, always under the same key.
pub(crate) fn reminder(event: EventId, addresses: &[&str]) -> QueueMessage {
    let recipients = addresses.iter().map(|address| Recipient {
        address: (*address).to_owned(),
        name: "Ada Lovelace".to_owned(),
        order_id: None,
        ticket_id: None,
        vars: None,
    });
    QueueMessage {
        template: "event_reminder".to_owned(),
        language: None,
        channel: None,
        event: Some(event.into()),
        to: Audience::people(recipients.collect()),
        vars: json!({"reminder": {"lead": "tomorrow"}})
            .as_object()
            .cloned(),
        dedupe_key: "reminder-24h".to_owned(),
        send_at: None,
        calendar: None,
    }
}

/// Takes mails instead of a server, and answers as it is told.
#[derive(Default)]
pub(crate) struct Taken {
    mails: std::sync::Mutex<Vec<delivery::Email>>,
    /// What is answered to every mail from now on.
    answer: std::sync::Mutex<Option<delivery::SendError>>,
    /// How long a mail takes.
    takes: std::time::Duration,
}

impl Taken {
    /// One that takes its time over every mail.
    pub(crate) fn slow(milliseconds: u64) -> Self {
        Self {
            takes: std::time::Duration::from_millis(milliseconds),
            ..Self::default()
        }
    }

    /// Those taken so far.
    pub(crate) fn mails(&self) -> Vec<delivery::Email> {
        self.mails
            .lock()
            .expect("no test panics with the lock")
            .clone()
    }

    /// How many were taken so far.
    pub(crate) fn count(&self) -> usize {
        self.mails().len()
    }

    /// Answers every mail from now on with an error, or takes it.
    pub(crate) fn answer(&self, answer: Option<delivery::SendError>) {
        *self.answer.lock().expect("no test panics with the lock") = answer;
    }
}

impl delivery::EmailSender for Taken {
    fn send<'a>(&'a self, email: &'a delivery::Email) -> delivery::Sending<'a, String> {
        Box::pin(async move {
            tokio::time::sleep(self.takes).await;
            if let Some(error) = self
                .answer
                .lock()
                .expect("no test panics with the lock")
                .clone()
            {
                return Err(error);
            }
            self.mails
                .lock()
                .expect("no test panics with the lock")
                .push(email.clone());
            Ok(String::new())
        })
    }
}

/// Signs the links of tests.
pub(crate) const KEY: [u8; 32] = [7; 32];

/// How tests send: no limit of rate.
pub(crate) fn options() -> sending::Options {
    let from = "tickets@example.org".parse().expect("an address");
    let mut options = sending::Options::new(from, "https://tickets.example.org/", KEY);
    options.per_minute = 0;
    options
}

/// One round at the time of the scene.
pub(crate) async fn send_all(scene: &Scene, taken: &Taken) -> sending::Round {
    send_at(scene, taken, scene.cx.now, &options()).await
}

/// One round at a time.
pub(crate) async fn send_at(
    scene: &Scene,
    taken: &Taken,
    now: Timestamp,
    options: &sending::Options,
) -> sending::Round {
    let senders = sending::Senders {
        email: taken,
        sms: None,
    };
    let round = sending::send_due(&scene.app, senders, options, now).await;
    round.expect("the database is there")
}

/// Relays changes until so many deliveries are queued: transactions of tests that run beside this one hold the outbox
/// back for moments.
pub(crate) async fn relay(scene: &Scene, count: usize) {
    let mut queued = 0;
    for _ in 0..500 {
        let relayed = super::webhooks::relay_due(&scene.app, scene.cx.now).await;
        queued += relayed.expect("the database is there");
        if queued >= count {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(queued, count);
}
