//! What can happen to the money of an order. Nothing here says who paid.

use domain::{Change, GiftCardId, Money, Subject};
use serde::Serialize;

use super::model::PaymentMethod;
use crate::orders::changes::Which;

/// A buyer was sent to a processor's page.
#[derive(Debug, Serialize)]
pub struct PaymentStarted {
    #[serde(flatten)]
    pub(super) which: Which,
    pub(super) method: PaymentMethod,
    /// Which try it is, from 1.
    pub(super) attempt: i32,
    pub(super) amount: Money,
}

impl Change for PaymentStarted {
    const KIND: &'static str = "payment.started";
    fn subject(&self) -> Subject {
        self.which.order_id.into()
    }
    fn summary(&self) -> String {
        let (amount, which) = (self.amount, self.which.named());
        format!(
            "Asks {} for a page to pay {amount} for {which}",
            self.method.title()
        )
    }
}

/// An order was not paid in time; its places are free again.
#[derive(Debug, Serialize)]
pub struct OrderExpired {
    #[serde(flatten)]
    pub(super) which: Which,
    pub(super) ticket_count: i32,
    pub(super) total: Money,
}

impl Change for OrderExpired {
    const KIND: &'static str = "order.expired";
    fn subject(&self) -> Subject {
        self.which.order_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Ends {}, which was not paid in time: frees the places of {}",
            self.which.named(),
            super::super::changes::tickets(self.ticket_count)
        )
    }
}

/// An order was paid with a gift card, or a part of it.
#[derive(Debug, Serialize)]
pub struct GiftCardRedeemed {
    #[serde(flatten)]
    pub(super) which: Which,
    pub(super) gift_card_id: GiftCardId,
    /// The last characters of its code.
    pub(super) ending: String,
    pub(super) amount: Money,
    pub(super) still_open: Money,
}

impl Change for GiftCardRedeemed {
    const KIND: &'static str = "gift_card.redeemed";
    fn subject(&self) -> Subject {
        self.which.order_id.into()
    }
    fn summary(&self) -> String {
        let (amount, ending, which) = (self.amount, &self.ending, self.which.named());
        let open = if self.still_open.is_zero() {
            "nothing more is to be paid".to_owned()
        } else {
            format!("{} are still to be paid", self.still_open)
        };
        format!("Pays {amount} of {which} with the gift card ending in {ending}; {open}")
    }
}

/// Money is given back.
#[derive(Debug, Clone, Serialize)]
pub struct RefundRequested {
    #[serde(flatten)]
    pub(super) which: Which,
    pub(super) amount: Money,
    /// What goes back the way it was paid, by itself.
    pub(super) by_itself: Money,
    /// What the organizer transfers.
    pub(super) by_hand: Money,
    pub(super) reason: Option<String>,
}

impl Change for RefundRequested {
    const KIND: &'static str = "refund.requested";
    fn subject(&self) -> Subject {
        self.which.order_id.into()
    }
    fn summary(&self) -> String {
        let how = match (self.by_itself.is_zero(), self.by_hand.is_zero()) {
            (true, _) => "to be transferred by the organizer".to_owned(),
            (false, true) => "the way it was paid".to_owned(),
            (false, false) => format!(
                "{} the way it was paid, {} to be transferred by the organizer",
                self.by_itself, self.by_hand
            ),
        };
        let reason = self.reason.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
        let (amount, which) = (self.amount, self.which.named());
        format!("Gives {amount} back for {which}: {how}{reason}")
    }
}

/// Money has been given back.
#[derive(Debug, Serialize)]
pub struct RefundDone {
    #[serde(flatten)]
    pub(super) which: Which,
    pub(super) amount: Money,
    /// Whether somebody gave it back in the processor's own pages.
    pub(super) was_made_there: bool,
}

impl Change for RefundDone {
    const KIND: &'static str = "refund.done";
    fn subject(&self) -> Subject {
        self.which.order_id.into()
    }
    fn summary(&self) -> String {
        let (amount, which) = (self.amount, self.which.named());
        if self.was_made_there {
            format!("{amount} for {which} were given back in the payment provider's own pages")
        } else {
            format!("{amount} for {which} have been given back")
        }
    }
}

/// Money could not be given back: it is with the organizer.
#[derive(Debug, Serialize)]
pub struct RefundFailed {
    #[serde(flatten)]
    pub(super) which: Which,
    pub(super) amount: Money,
    /// The processor's word for why.
    pub(super) why: String,
}

impl Change for RefundFailed {
    const KIND: &'static str = "refund.failed";
    fn subject(&self) -> Subject {
        self.which.order_id.into()
    }
    fn summary(&self) -> String {
        let (amount, which) = (self.amount, self.which.named());
        format!("{amount} for {which} could not be given back: {}", self.why)
    }
}
