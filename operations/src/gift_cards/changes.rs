//! What can happen to gift cards. Nothing here says a code.

use domain::{Change, GiftCardId, LocalDate, Money, Subject};
use serde::Serialize;

use crate::field_change::{FieldChange, describe};

/// Gift cards were issued: money that orders can be paid with.
#[derive(Debug, Serialize)]
pub struct GiftCardsIssued {
    /// The first of them.
    pub(super) gift_card_id: GiftCardId,
    pub(super) count: usize,
    /// What is on each.
    pub(super) amount: Money,
    /// What is on all of them.
    pub(super) total: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) valid_until: Option<LocalDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

impl Change for GiftCardsIssued {
    const KIND: &'static str = "gift_cards.issued";
    fn subject(&self) -> Subject {
        self.gift_card_id.into()
    }
    fn summary(&self) -> String {
        let Self { amount, total, .. } = self;
        let cards = match self.count {
            1 => format!("a gift card over {amount}"),
            count => format!("{count} gift cards over {amount} each, {total} together"),
        };
        let until = self.valid_until.map_or_else(String::new, |day| {
            format!(", valid until {}", day.readable())
        });
        let note = self.note.as_ref();
        let note = note.map_or_else(String::new, |note| format!(" ({note})"));
        format!("Issues {cards}{until}{note}")
    }
}

/// A gift card was blocked or freed, or can be used for longer or shorter.
#[derive(Debug, Serialize)]
pub struct GiftCardUpdated {
    pub(super) gift_card_id: GiftCardId,
    /// The last characters of its code.
    pub(super) ending: String,
    /// What is left on it.
    pub(super) balance: Money,
    pub(super) changed: Vec<FieldChange>,
}

impl Change for GiftCardUpdated {
    const KIND: &'static str = "gift_card.updated";
    fn subject(&self) -> Subject {
        self.gift_card_id.into()
    }
    fn summary(&self) -> String {
        let (ending, balance) = (&self.ending, self.balance);
        let what = describe(&self.changed);
        format!("Changes the gift card ending in {ending}, with {balance} left: {what}")
    }
}
