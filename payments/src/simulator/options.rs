//! How the simulator is set up, and what it can be told to do wrong.

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Secret;

/// How the simulator is set up.
#[derive(Debug, Clone)]
pub struct SimulatorOptions {
    /// Where it is reached, as its pages' addresses begin: `http://127.0.0.1:4290`.
    pub url: String,
    /// The key that requests must show.
    pub api_key: Secret,
    /// What webhooks are signed with.
    pub webhook_secret: Secret,
    /// Where webhooks go, and how.
    pub webhooks: Webhooks,
    /// Whether refunds beyond the payment are refused. Stripe always does; switched off, a test can show that it would
    /// notice.
    pub refuses_over_refunds: bool,
    /// When it was started: ids differ from those of another start.
    pub started_at: Timestamp,
    /// What time it is; tests stop it.
    pub clock: fn() -> Timestamp,
}

impl SimulatorOptions {
    /// A simulator at an address, with the keys that everybody knows.
    pub fn new(url: &str, started_at: Timestamp) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            api_key: Secret::new(Self::API_KEY),
            webhook_secret: Secret::new(Self::WEBHOOK_SECRET),
            webhooks: Webhooks::default(),
            refuses_over_refunds: true,
            started_at,
            clock: Timestamp::now,
        }
    }

    /// The key of a simulator that was not given one.
    pub const API_KEY: &str = "sk_test_simulator";
    /// The secret of a simulator that was not given one.
    pub const WEBHOOK_SECRET: &str = "whsec_simulator";
}

/// Where webhooks go, and how. Can be changed while it runs: `POST /_simulator/webhooks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// Where to; nowhere, if none.
    pub url: Option<String>,
    /// How often each is sent.
    pub copies: u32,
    /// Whether what happened last is told first.
    pub reversed: bool,
    /// How late they are, in milliseconds.
    pub delay_ms: u64,
    /// Whether they are lost: what happens meanwhile is never sent, only listed.
    pub lost: bool,
    /// How often one is tried that is not taken.
    pub tries: u32,
    /// The pause before the second try, in milliseconds; it doubles with every further one.
    pub backoff_ms: u64,
}

impl Webhooks {
    const HOUR_MS: u64 = 60 * 60 * 1_000;

    /// Within what a test can want: no setting makes it busy for ever.
    pub(super) fn bounded(mut self) -> Self {
        self.copies = self.copies.min(100);
        self.tries = self.tries.min(20);
        self.delay_ms = self.delay_ms.min(Self::HOUR_MS);
        self.backoff_ms = self.backoff_ms.min(Self::HOUR_MS);
        self
    }
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            url: None,
            copies: 1,
            reversed: false,
            delay_ms: 0,
            lost: false,
            tries: 6,
            backoff_ms: 500,
        }
    }
}

/// What goes wrong with the next request to the interface: `POST /_simulator/faults`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// It is not done, and this status is answered.
    Refused {
        /// Such as 429 or 503.
        status: u16,
        /// Seconds to wait, as the answer says.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// It is done, and the connection breaks in the middle of the answer.
    Cut,
    /// It is done, and 500 is answered.
    DoneButFailed,
    /// It is done, and the answer takes so many milliseconds.
    Slow {
        /// Milliseconds.
        ms: u64,
    },
}
