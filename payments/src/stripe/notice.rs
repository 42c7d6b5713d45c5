//! What Stripe tells us unasked. A notice only says what to look up: nothing in it is taken for true, and whatever it
//! looks like, it is kept.

use std::fmt;

use domain::{OrderId, Timestamp};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// One thing that Stripe tells us (it calls them events), by webhook or when asked what was not delivered.
///
/// Everything but the raw JSON may be absent: a shape we do not know is no reason to lose what was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Stripe's id of it, the same in every copy.
    pub id: Option<String>,
    /// What it is about, in our words.
    pub topic: Topic,
    /// When it happened. Notices arrive in any order.
    pub created_at: Option<Timestamp>,
    /// Which object to look up.
    pub about: Option<About>,
    /// The order it is said to belong to: written on all that is made for one.
    pub order_id: Option<OrderId>,
    /// The connected account it belongs to.
    pub account: Option<String>,
    /// Whether it is about real money.
    pub is_live: Option<bool>,
    /// All that was said. A body that is no JSON is kept as text.
    pub raw: Value,
}

/// Which object a notice is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its kind, such as `checkout.session`.
    pub object: String,
    /// Its id.
    pub id: String,
}

/// What a notice is about, as far as EventOS does something about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// A checkout was paid, is being paid, failed to be, or has expired: look it up.
    Checkout,
    /// A payment has moved: look it up.
    Payment,
    /// A refund has moved, perhaps one that was made in Stripe's own pages: look it up.
    Refund,
    /// A buyer's bank wants the money back: a person must answer.
    Dispute,
    /// Something else, by Stripe's name for it; empty if it has none.
    Unknown(String),
}

impl Notice {
    /// Reads the body of a webhook whose signature was verified. Never fails.
    pub fn read(body: &[u8]) -> Self {
        let text = || Value::String(String::from_utf8_lossy(body).into_owned());
        Self::from_json(serde_json::from_slice(body).unwrap_or_else(|_| text()))
    }

    pub(super) fn from_json(raw: Value) -> Self {
        let text = |name: &str| raw[name].as_str().map(str::to_owned);
        let object = &raw["data"]["object"];
        let about = object["object"].as_str().zip(object["id"].as_str());
        let seconds = raw["created"].as_i64();
        let order = [
            &object["client_reference_id"],
            &object["metadata"]["order_id"],
        ];
        let order_id = order.iter().find_map(|id| id.as_str()?.parse().ok());
        Self {
            id: text("id"),
            topic: Topic::of(raw["type"].as_str().unwrap_or_default()),
            created_at: seconds
                .map(|seconds| Timestamp::from_microseconds(seconds.saturating_mul(1_000_000))),
            about: about.map(|(object, id)| About {
                object: object.to_owned(),
                id: id.to_owned(),
            }),
            order_id,
            account: text("account"),
            is_live: raw["livemode"].as_bool(),
            raw,
        }
    }

    /// Under what to remember that this was received: equal for every copy of one notice.
    pub fn once_key(&self) -> String {
        self.id.clone().unwrap_or_else(|| {
            let digest = Sha256::digest(self.raw.to_string());
            format!("sha256:{}", hex::encode(digest))
        })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checkout => "checkout",
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::Dispute => "dispute",
            Self::Unknown(name) => name,
        })
    }
}

impl Topic {
    fn of(kind: &str) -> Self {
        match kind {
            "checkout.session.completed"
            | "checkout.session.async_payment_succeeded"
            | "checkout.session.async_payment_failed"
            | "checkout.session.expired" => Self::Checkout,
            "payment_intent.succeeded"
            | "payment_intent.payment_failed"
            | "payment_intent.processing"
            | "payment_intent.requires_action"
            | "payment_intent.canceled" => Self::Payment,
            "refund.created"
            | "refund.updated"
            | "refund.failed"
            | "charge.refunded"
            | "charge.refund.updated" => Self::Refund,
            _ if kind.starts_with("charge.dispute.") => Self::Dispute,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_there_is_to_look_up() {
        let body = json!({
            "id": "evt_1", "object": "event", "type": "checkout.session.completed", "created": 1_700_000_000,
            "account": "acct_1", "livemode": false, "api_version": "2031-01-01.future", "unheard_of": [1],
            "data": {"object": {"object": "checkout.session", "id": "cs_1", "status": "complete"}},
        });
        let notice = Notice::read(body.to_string().as_bytes());
        assert_eq!(notice.topic, Topic::Checkout);
        assert_eq!(notice.once_key(), "evt_1");
        assert_eq!(
            notice.created_at,
            Some("2023-11-14T22:13:20Z".parse().unwrap())
        );
        assert_eq!(notice.account.as_deref(), Some("acct_1"));
        assert_eq!(notice.is_live, Some(false));
        let about = notice.about.unwrap();
        assert_eq!(
            (about.object.as_str(), about.id.as_str()),
            ("checkout.session", "cs_1")
        );
        assert_eq!(notice.raw, body);
    }

    #[test]
    fn every_object_stripe_has_can_be_told_of() {
        let all: Value = serde_json::from_str(include_str!("../../fixtures/stripe.json")).unwrap();
        let all = all["resources"].as_object().unwrap();
        assert!(all.len() > 170);
        for (kind, object) in all {
            let body = json!({
                "id": "evt_1", "type": format!("{kind}.changed"), "created": 1, "livemode": true,
                "data": {"object": object},
            });
            let notice = Notice::read(body.to_string().as_bytes());
            assert_eq!(notice.topic, Topic::Unknown(format!("{kind}.changed")));
            assert_eq!(notice.raw["data"]["object"], *object, "{kind}");
            let about = notice.about;
            assert_eq!(
                about.is_some(),
                object["id"].is_string() && object["object"].is_string()
            );
        }
        let example = Notice::read(all["event"].to_string().as_bytes());
        assert_eq!(example.topic, Topic::Unknown("plan.created".to_owned()));
        assert_eq!(example.about.unwrap().object, "plan");
        assert!(example.id.is_some() && example.created_at.is_some());
    }

    #[test]
    fn the_objects_that_matter_lead_to_their_ids() {
        let all: Value = serde_json::from_str(include_str!("../../fixtures/stripe.json")).unwrap();
        for (kind, name, topic) in [
            (
                "checkout.session",
                "checkout.session.completed",
                Topic::Checkout,
            ),
            ("payment_intent", "payment_intent.succeeded", Topic::Payment),
            ("refund", "refund.failed", Topic::Refund),
            ("charge", "charge.refunded", Topic::Refund),
            ("dispute", "charge.dispute.created", Topic::Dispute),
        ] {
            let object = &all["resources"][kind];
            let body = json!({"id": "evt_1", "type": name, "data": {"object": object}});
            let notice = Notice::read(body.to_string().as_bytes());
            assert_eq!(notice.topic, topic, "{name}");
            let about = notice.about.unwrap();
            assert_eq!(about.object, kind);
            assert_eq!(Some(about.id.as_str()), object["id"].as_str());
        }
    }

    #[test]
    fn nothing_that_was_said_is_lost() {
        for body in [
            "",
            "null",
            "[]",
            "7",
            "\"text\"",
            "{\"id\":7,\"type\":[],\"created\":\"x\"}",
            "not JSON",
            "{\"data\":[]}",
        ] {
            let notice = Notice::read(body.as_bytes());
            assert_eq!(notice.topic, Topic::Unknown(String::new()), "{body}");
            assert!(notice.once_key().starts_with("sha256:"), "{body}");
        }
        assert_eq!(Notice::read(b"not JSON").raw, json!("not JSON"));
        assert_eq!(Notice::read(b"\xff").raw, json!("\u{fffd}"));
        let key = |body: &str| Notice::read(body.as_bytes()).once_key();
        assert_eq!(key("{\"a\":1}"), key("{ \"a\": 1 }"));
        assert_ne!(key("{\"a\":1}"), key("{\"a\":2}"));
    }
}
