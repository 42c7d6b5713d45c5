//! The keys under which a processor does a thing once, however often it is asked.

use std::fmt;

use domain::{OrderId, RefundId};

/// Names one wish to a processor. Made of ids alone, so that whoever asks again after a crash, on whichever machine,
/// asks under the same key.
///
/// Processors forget keys (Stripe after 24 hours at the earliest): what is older is looked up, not asked for again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key of one attempt to have an order paid. Attempts are counted, because a page that has expired, or whose
    /// contents have changed, is replaced by another one.
    pub fn of_checkout(order: OrderId, attempt: u32) -> Self {
        Self(format!("checkout:{order}:{attempt}"))
    }

    /// The key of a refund: every refund is a row of its own with an id of its own.
    pub fn of_refund(refund: RefundId) -> Self {
        Self(format!("refund:{refund}"))
    }

    /// The key as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn the_same_wish_has_the_same_key_and_another_has_not() {
        let order = OrderId::from(Uuid::from_u128(7));
        let key = IdempotencyKey::of_checkout(order, 1);
        assert_eq!(
            key.as_str(),
            "checkout:ord_00000000000000000000000000000007:1"
        );
        assert_eq!(key, IdempotencyKey::of_checkout(order, 1));
        assert_ne!(key, IdempotencyKey::of_checkout(order, 2));
        let refund = IdempotencyKey::of_refund(RefundId::from(Uuid::from_u128(7)));
        assert_ne!(key, refund);
        // Stripe takes up to 255 characters.
        assert!(IdempotencyKey::of_checkout(order, u32::MAX).as_str().len() < 255);
    }
}
