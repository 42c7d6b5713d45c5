//! Amounts as Stripe counts them, which is not for every currency as ISO 4217 does.

use domain::{Currency, Money};

use crate::{ProcessorError, Reason};

/// Currencies without decimals that Stripe nevertheless counts in hundredths, which must be 0. All other currencies of
/// ours have in Stripe as many decimals as they have.
const IN_HUNDREDTHS: [&str; 2] = ["ISK", "UGX"];

/// The integer to send for an amount; refuses what Stripe cannot take, before it is asked.
pub(crate) fn to_stripe(money: Money) -> Result<i64, ProcessorError> {
    let why = if money.amount <= 0 {
        "it is not more than nothing"
    } else if money.currency.decimals() == 3 && money.amount % 10 != 0 {
        "the last of the three decimals must be 0"
    } else if let Some(amount) = money.amount.checked_mul(factor(money.currency)) {
        return Ok(amount);
    } else {
        "it is too large"
    };
    let message = format!("Stripe cannot take {money}: {why}.");
    Err(ProcessorError::refused(Reason::AmountNotPossible, message))
}

/// The amount that an integer of Stripe's means; `None` for a part of a unit that the currency does not have.
pub(crate) fn from_stripe(amount: i64, currency: Currency) -> Option<Money> {
    let factor = factor(currency);
    (amount % factor == 0).then(|| Money::new(amount / factor, currency))
}

fn factor(currency: Currency) -> i64 {
    if IN_HUNDREDTHS.contains(&currency.code()) {
        100
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: i64, code: &str) -> Money {
        Money::new(amount, code.parse().unwrap())
    }

    #[test]
    fn counts_as_stripe_does() {
        for (amount, code, expected) in [
            (1_099, "EUR", 1_099),
            (500, "JPY", 500),
            (5_120, "KWD", 5_120),
            (5, "UGX", 500),
            (5, "ISK", 500),
            (1_000, "HUF", 1_000),
            (800, "TWD", 800),
        ] {
            let money = money(amount, code);
            assert_eq!(to_stripe(money), Ok(expected), "{money}");
            assert_eq!(from_stripe(expected, money.currency), Some(money));
        }
    }

    #[test]
    fn refuses_what_stripe_cannot_take() {
        for (money, word) in [
            (money(5_124, "KWD"), "three decimals"),
            (money(0, "EUR"), "nothing"),
            (money(-1, "EUR"), "nothing"),
            (money(i64::MAX, "UGX"), "too large"),
        ] {
            let error = to_stripe(money).unwrap_err();
            let refusal = error.refusal().unwrap();
            assert_eq!(refusal.reason, Reason::AmountNotPossible);
            assert!(refusal.message.contains(word), "{refusal}");
        }
        assert_eq!(from_stripe(550, "ISK".parse().unwrap()), None);
    }
}
