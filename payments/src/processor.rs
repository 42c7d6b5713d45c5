//! The port: what a payment provider does for us, whoever it is.

use std::{fmt, future::Future, pin::Pin};

use domain::{EmailAddress, Language, Money, OrderId, RefundId, Timestamp, money::MoneyError};

use crate::{IdempotencyKey, ProcessorError, stripe::Notice};

/// The future of asking a processor.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ProcessorError>> + Send + 'a>>;

/// A payment provider: it shows buyers a page on which they pay, and gives money back.
///
/// Whatever changes something goes under an idempotency key made of our ids, so asking again is safe. What came of a
/// payment is never taken from a browser's return or from a webhook's body: both only say that it is time to look.
pub trait Processor: Send + Sync {
    /// Opens a page on which a buyer pays one attempt of an order. The same request again answers with the same page.
    fn create_checkout<'a>(&'a self, request: &'a CheckoutRequest) -> Answer<'a, Checkout>;

    /// Looks a checkout up.
    fn get_checkout<'a>(&'a self, id: &'a CheckoutId) -> Answer<'a, Checkout>;

    /// Sees to it that a checkout can no longer be paid. Answers with the checkout as it is then, which may be
    /// [`CheckoutState::Paid`]: the buyer was quicker.
    fn expire_checkout<'a>(&'a self, id: &'a CheckoutId) -> Answer<'a, Checkout>;

    /// Looks a payment up: what was received and what of it was given back.
    fn get_payment<'a>(&'a self, payment: &'a PaymentReference) -> Answer<'a, Payment>;

    /// Gives all or a part of a payment back. The same request again answers with the same refund.
    fn refund<'a>(&'a self, request: &'a RefundRequest) -> Answer<'a, Refund>;

    /// Looks a refund up.
    fn get_refund<'a>(&'a self, refund: &'a RefundReference) -> Answer<'a, Refund>;

    /// Looks for the refund that was made for our id, whose answer may have got lost. To be asked before a refund is
    /// asked for again so late that the processor may have forgotten its key.
    fn find_refund<'a>(
        &'a self,
        payment: &'a PaymentReference,
        refund_id: RefundId,
    ) -> Answer<'a, Option<Refund>>;

    /// What the processor wanted to tell us since a moment and did not get rid of, oldest first.
    fn list_undelivered(&self, since: Timestamp) -> Answer<'_, Vec<Notice>>;
}

macro_rules! references {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes the processor's own id, as it was stored or came in a webhook.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The processor's own id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

references! {
    /// The processor's id of a checkout.
    CheckoutId
    /// The processor's id of a payment.
    PaymentReference
    /// The processor's id of a refund.
    RefundReference
}

/// A wish for a page on which a buyer pays.
///
/// Equal for every repeat of one attempt: a processor refuses a known key with other contents.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckoutRequest {
    /// What is to be paid.
    pub order_id: OrderId,
    /// What people know the order by.
    pub order_number: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// What the page lists. Their sum is what is charged, so discounts and fees are in the lines, or all is one line.
    pub lines: Vec<Line>,
    /// Who buys; the page need not ask again.
    pub buyer_email: Option<EmailAddress>,
    /// The page's language; the browser's, if none.
    pub language: Option<Language>,
    /// Where the buyer returns after paying. `{CHECKOUT_ID}` in it becomes the checkout's id.
    pub paid_url: String,
    /// Where the buyer returns without paying.
    pub cancelled_url: String,
    /// When the attempt began.
    pub started_at: Timestamp,
    /// When the page should close. Processors have bounds for it, so it may stay open longer: whoever frees the places
    /// expires the checkout first.
    pub expires_at: Timestamp,
}

impl CheckoutRequest {
    /// The key of this attempt.
    pub fn key(&self) -> IdempotencyKey {
        IdempotencyKey::of_checkout(self.order_id, self.attempt)
    }

    /// What the lines add up to; nothing if there are none.
    pub fn total(&self) -> Result<Option<Money>, MoneyError> {
        let mut total = None;
        for line in &self.lines {
            let amount = line.unit_amount.checked_mul(line.quantity)?;
            total = Some(match total {
                None => amount,
                Some(sum) => amount.checked_add(sum)?,
            });
        }
        Ok(total)
    }
}

// Addresses are personal data: a debug print ends up in logs.
impl fmt::Debug for CheckoutRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckoutRequest")
            .field("order_id", &self.order_id)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// A line of what is to be paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub name: String,
    /// What one of it costs.
    pub unit_amount: Money,
    /// How many.
    pub quantity: u32,
}

/// A page on which a buyer pays, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The processor's id.
    pub id: CheckoutId,
    /// What came of it.
    pub state: CheckoutState,
    /// The page's address, while it is open.
    pub page_url: Option<String>,
    /// The order, as we named it.
    pub order_id: Option<OrderId>,
    /// What is charged.
    pub amount: Money,
    /// The payment, once the buyer has tried.
    pub payment: Option<PaymentReference>,
    /// When the page closes by itself.
    pub expires_at: Timestamp,
}

/// What came of a checkout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutState {
    /// The page is open; the buyer may pay, or try again after being declined.
    Open,
    /// The buyer is done, and the money is on its way: a bank debit takes days.
    Processing,
    /// The money was received.
    Paid,
    /// The page is closed, and nothing was paid.
    Expired,
}

/// Money that a buyer has paid, or tried to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The processor's id.
    pub id: PaymentReference,
    /// What came of it.
    pub state: PaymentState,
    /// What was asked for.
    pub amount: Money,
    /// What was received.
    pub received: Money,
    /// What of it was given back, by whomever: also by hand in the processor's own pages.
    pub refunded: Money,
    /// The order, as we named it.
    pub order_id: Option<OrderId>,
    /// Why the last try failed.
    pub decline: Option<Decline>,
}

/// What came of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentState {
    /// Nothing yet: the buyer has not tried, or was declined and may try again.
    Open,
    /// The buyer must prove who they are to their bank.
    Authenticating,
    /// The money is on its way.
    Processing,
    /// The money was received.
    Succeeded,
    /// It was called off.
    Cancelled,
}

/// Why a bank or a card said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decline {
    /// The processor's code.
    pub code: Option<String>,
    /// A sentence for the buyer.
    pub message: String,
}

/// A wish to give money back. Equal for every repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRequest {
    /// Our refund, whose id makes the key.
    pub refund_id: RefundId,
    /// The order, so that it can be found from the processor's side.
    pub order_id: OrderId,
    /// The payment.
    pub payment: PaymentReference,
    /// How much: always said, so that a repeat means the same.
    pub amount: Money,
}

impl RefundRequest {
    /// The key of this refund.
    pub fn key(&self) -> IdempotencyKey {
        IdempotencyKey::of_refund(self.refund_id)
    }
}

/// Money given back, or on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The processor's id.
    pub id: RefundReference,
    /// Our id, when it was made for one: not if somebody made it by hand in the processor's pages.
    pub refund_id: Option<RefundId>,
    /// The payment it is of.
    pub payment: Option<PaymentReference>,
    /// How much.
    pub amount: Money,
    /// What came of it.
    pub state: RefundState,
}

/// What came of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundState {
    /// On its way, or waiting for the buyer's bank details.
    Pending,
    /// Given back.
    Succeeded,
    /// The bank sent it back: the money is ours again and must be given back in another way.
    Failed {
        /// The processor's word for why.
        why: Option<String>,
    },
    /// Called off before it left.
    Cancelled,
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn the_total_is_the_sum_of_the_lines() {
        let line = |amount, currency: &str, quantity| Line {
            name: "Ticket".to_owned(),
            unit_amount: Money::new(amount, currency.parse().unwrap()),
            quantity,
        };
        let mut request = CheckoutRequest {
            order_id: OrderId::from(Uuid::from_u128(7)),
            order_number: "K7M2XQP".to_owned(),
            attempt: 1,
            lines: vec![line(1_250, "EUR", 2), line(99, "EUR", 1)],
            buyer_email: Some("ada@example.org".parse().unwrap()),
            language: None,
            paid_url: String::new(),
            cancelled_url: String::new(),
            started_at: Timestamp::from_microseconds(0),
            expires_at: Timestamp::from_microseconds(0),
        };
        let euros = Money::new(2_599, "EUR".parse().unwrap());
        assert_eq!(request.total(), Ok(Some(euros)));
        assert!(!format!("{request:?}").contains("ada"));
        request.lines.push(line(1, "USD", 1));
        assert!(request.total().is_err());
        request.lines.clear();
        assert_eq!(request.total(), Ok(None));
    }
}
