//! What a promo code does to prices, and which hidden ticket types it opens. Pure; the codes are a higher subject's.

use domain::{Money, PromoCodeId, TicketTypeId};

use super::model::{Offer, Visibility};

/// What a promo code does to the price of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PriceEffect {
    /// So many percent less; 1 to 100.
    PercentOff(i32),
    /// So much less, in minor units of the event's currency.
    AmountOff(i64),
    /// This price, in minor units of the event's currency, where the listed one is higher.
    FixedPrice(i64),
    /// Nothing.
    AccessOnly,
}

impl PriceEffect {
    /// The price of one ticket: never below nothing, never above what is listed.
    pub(crate) fn price(self, listed: Money) -> Money {
        let amount = match self {
            Self::PercentOff(percent) => listed.less_percent(percent).amount,
            Self::AmountOff(off) => listed.amount.saturating_sub(off),
            Self::FixedPrice(price) => price,
            Self::AccessOnly => listed.amount,
        };
        Money::new(amount.clamp(0, listed.amount.max(0)), listed.currency)
    }
}

/// The code that something was bought with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppliedCode {
    pub(crate) id: PromoCodeId,
    pub(crate) code: String,
}

/// What a promo code means for a basket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) applied: AppliedCode,
    pub(crate) effect: PriceEffect,
    /// What it applies to; to everything when empty.
    pub(crate) ticket_type_ids: Vec<TicketTypeId>,
    pub(crate) unlocks_hidden: bool,
}

impl Terms {
    pub(crate) fn applies_to(&self, id: TicketTypeId) -> bool {
        self.ticket_type_ids.is_empty() || self.ticket_type_ids.contains(&id)
    }

    /// Whether a hidden ticket type is there for a buyer who has the code.
    pub(crate) fn unlocks(&self, offer: &Offer) -> bool {
        self.unlocks_hidden && offer.visibility == Visibility::Hidden && self.applies_to(offer.id)
    }

    /// The price of one ticket with the code.
    pub(crate) fn price(&self, offer: &Offer) -> Money {
        if self.applies_to(offer.id) {
            self.effect.price(offer.price())
        } else {
            offer.price()
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Currency;

    use super::*;

    #[test]
    fn rounds_half_up_and_never_leaves_the_range() {
        let price = |amount, code: &str, effect: PriceEffect| {
            let currency: Currency = code.parse().unwrap();
            effect.price(Money::new(amount, currency)).amount
        };
        // 15 % off 9.99 is 8.4915; 50 % off 0.05 is 0.025.
        assert_eq!(price(999, "EUR", PriceEffect::PercentOff(15)), 849);
        assert_eq!(price(5, "EUR", PriceEffect::PercentOff(50)), 3);
        assert_eq!(price(3001, "JPY", PriceEffect::PercentOff(50)), 1501);
        assert_eq!(price(1, "KWD", PriceEffect::PercentOff(99)), 0);
        assert_eq!(price(2500, "EUR", PriceEffect::PercentOff(100)), 0);
        assert_eq!(price(2500, "EUR", PriceEffect::AmountOff(3000)), 0);
        assert_eq!(price(2500, "EUR", PriceEffect::FixedPrice(3000)), 2500);
        assert_eq!(price(2500, "EUR", PriceEffect::FixedPrice(0)), 0);
        assert_eq!(price(2500, "EUR", PriceEffect::AccessOnly), 2500);
    }

    /// Every price, effect and currency in sight: no price leaves `0..=listed`, and percents are exact to half a unit.
    #[test]
    fn no_price_is_negative_or_dearer() {
        for code in ["JPY", "EUR", "KWD"] {
            let currency: Currency = code.parse().unwrap();
            for amount in (0..400).chain([999, 12_345, 99_999_999, 100_000_000_000]) {
                let listed = Money::new(amount, currency);
                for percent in 1..=100 {
                    let price = PriceEffect::PercentOff(percent).price(listed).amount;
                    let exact = i128::from(amount) * i128::from(100 - percent);
                    let twice_off = 2 * (i128::from(price) * 100 - exact);
                    assert!(
                        (-100 < twice_off) && (twice_off <= 100),
                        "{amount} {percent}"
                    );
                    assert!((0..=amount).contains(&price));
                }
                for given in [0, 1, amount / 2, amount, amount + 1, i64::MAX] {
                    for effect in [
                        PriceEffect::AmountOff(given),
                        PriceEffect::FixedPrice(given),
                    ] {
                        let price = effect.price(listed).amount;
                        assert!((0..=amount).contains(&price), "{effect:?} of {amount}");
                    }
                }
            }
        }
    }
}
