//! The gift card as callers see it.

use domain::{Currency, Cx, GiftCardId, LocalDate, Money, Timestamp, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::codes;

domain::text_enum! {
    /// Whether a gift card can be used.
    pub enum GiftCardState {
        /// It can.
        Active = "active",
        /// Somebody has blocked it.
        Blocked = "blocked",
        /// Its last day is over.
        Expired = "expired",
        /// Nothing is left on it.
        UsedUp = "used_up",
    }
}

domain::sqlx_as_text!(GiftCardState);

/// Money paid in advance. Its code pays for orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GiftCard {
    /// Its id.
    pub id: GiftCardId,
    /// The code that buyers enter, when asked for: whoever has it has the money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The last characters of the code.
    pub ending: String,
    /// Whether it can be used.
    pub state: GiftCardState,
    /// What was on it.
    pub issued: Money,
    /// What is left on it.
    pub balance: Money,
    /// The last day on which it can be used, on the organization's clocks; for ever when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<LocalDate>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it was issued.
    pub created_at: Timestamp,
}

/// A row of `gift_card`.
#[derive(Debug, Clone)]
pub(super) struct CardRow {
    pub(super) id: GiftCardId,
    pub(super) code_hash: Vec<u8>,
    pub(super) ending: String,
    pub(super) currency: Currency,
    pub(super) issued_amount: i64,
    pub(super) balance: i64,
    pub(super) valid_until: Option<LocalDate>,
    pub(super) is_blocked: bool,
    pub(super) note: Option<String>,
    pub(super) created_at: Timestamp,
}

/// The characters of a code, a checksum included: 75 bits that nobody guesses.
pub(super) const CODE_LENGTH: usize = 16;

const PURPOSE: &str = "eventos gift card v1";

/// The code of a card, which only the server's key makes.
pub(super) fn code(key: &[u8; 32], id: GiftCardId) -> String {
    codes::derived(key, PURPOSE, uuid::Uuid::from(id).as_bytes(), CODE_LENGTH)
}

/// What is kept of a code.
pub(super) fn hash(code: &str) -> [u8; 32] {
    Sha256::digest(code).into()
}

/// The code as people copy it: in groups of four.
fn grouped(code: &str) -> String {
    let groups = code.as_bytes().chunks(4).map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join("-")
}

impl CardRow {
    pub(super) fn money(&self, amount: i64) -> Money {
        Money::new(amount, self.currency)
    }

    /// Whether it can be used on a day.
    pub(super) fn state(&self, today: LocalDate) -> GiftCardState {
        if self.is_blocked {
            GiftCardState::Blocked
        } else if self.valid_until.is_some_and(|last| last < today) {
            GiftCardState::Expired
        } else if self.balance == 0 {
            GiftCardState::UsedUp
        } else {
            GiftCardState::Active
        }
    }

    /// As callers see it, without its code.
    pub(super) fn seen(&self, today: LocalDate) -> GiftCard {
        GiftCard {
            id: self.id,
            code: None,
            ending: self.ending.clone(),
            state: self.state(today),
            issued: self.money(self.issued_amount),
            balance: self.money(self.balance),
            valid_until: self.valid_until,
            note: self.note.clone(),
            created_at: self.created_at,
        }
    }

    /// As [`Self::seen`], with its code if the key that made it is still there.
    pub(super) fn shown(&self, today: LocalDate, key: Option<&[u8; 32]>) -> GiftCard {
        let code = key.map(|key| code(key, self.id));
        let own = code.filter(|code| hash(code)[..] == self.code_hash);
        GiftCard {
            code: own.map(|code| grouped(&code)),
            ..self.seen(today)
        }
    }
}

/// The day it is for the organization.
pub(super) fn today(cx: &Cx, zone: &Zone) -> LocalDate {
    LocalDate::from(cx.now.in_zone(zone))
}
