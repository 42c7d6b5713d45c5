//! Money as an integer of minor units and a currency. No floats, no decimals, no silent mixing.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The currencies EventOS knows: ISO 4217 codes with their number of decimals.
///
/// Funds codes, metals and codes no one can pay with are left out.
const CURRENCIES: &[(&str, u8)] = &[
    ("AED", 2),
    ("ALL", 2),
    ("AMD", 2),
    ("ARS", 2),
    ("AUD", 2),
    ("AZN", 2),
    ("BAM", 2),
    ("BDT", 2),
    ("BGN", 2),
    ("BHD", 3),
    ("BOB", 2),
    ("BRL", 2),
    ("CAD", 2),
    ("CHF", 2),
    ("CLP", 0),
    ("CNY", 2),
    ("COP", 2),
    ("CRC", 2),
    ("CZK", 2),
    ("DKK", 2),
    ("DOP", 2),
    ("DZD", 2),
    ("EGP", 2),
    ("EUR", 2),
    ("GBP", 2),
    ("GEL", 2),
    ("GHS", 2),
    ("GTQ", 2),
    ("HKD", 2),
    ("HUF", 2),
    ("IDR", 2),
    ("ILS", 2),
    ("INR", 2),
    ("ISK", 0),
    ("JMD", 2),
    ("JOD", 3),
    ("JPY", 0),
    ("KES", 2),
    ("KRW", 0),
    ("KWD", 3),
    ("KZT", 2),
    ("LKR", 2),
    ("MAD", 2),
    ("MDL", 2),
    ("MKD", 2),
    ("MUR", 2),
    ("MXN", 2),
    ("MYR", 2),
    ("NGN", 2),
    ("NOK", 2),
    ("NZD", 2),
    ("OMR", 3),
    ("PEN", 2),
    ("PHP", 2),
    ("PKR", 2),
    ("PLN", 2),
    ("PYG", 0),
    ("QAR", 2),
    ("RON", 2),
    ("RSD", 2),
    ("SAR", 2),
    ("SEK", 2),
    ("SGD", 2),
    ("THB", 2),
    ("TND", 3),
    ("TRY", 2),
    ("TWD", 2),
    ("UAH", 2),
    ("UGX", 0),
    ("USD", 2),
    ("UYU", 2),
    ("VND", 0),
    ("XAF", 0),
    ("XOF", 0),
    ("ZAR", 2),
    ("ZMW", 2),
];

/// An ISO 4217 currency code, such as `EUR`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(&'static str, u8);

/// Text that is not a currency EventOS knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a known currency; use an ISO 4217 code such as EUR, USD or JPY")]
pub struct CurrencyError(String);

impl Currency {
    /// The three letters.
    pub fn code(self) -> &'static str {
        self.0
    }

    /// How many decimals the currency has: 2 for EUR, 0 for JPY, 3 for KWD.
    pub fn decimals(self) -> u8 {
        self.1
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;
    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        let wanted = text.trim();
        CURRENCIES
            .iter()
            .find(|(code, _)| code.eq_ignore_ascii_case(wanted))
            .map(|(code, decimals)| Self(code, *decimals))
            .ok_or_else(|| CurrencyError(text.to_owned()))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Currency".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[A-Za-z]{3}$"})
    }
}

#[cfg(feature = "sqlx")]
sqlx_as_text!(Currency);

/// An amount of money: minor units (cents) and the currency they are of.
///
/// JSON: `{"amount": 2500, "currency": "EUR"}` is 25.00 euros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Money {
    /// Minor units: 2500 is 25.00 EUR, but 2500 JPY is 2500 yen.
    pub amount: i64,
    /// ISO 4217 code.
    pub currency: Currency,
}

/// Why an amount could not be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Two currencies met.
    #[error("{0} and {1} cannot be added; amounts of one order are in one currency")]
    Mixed(Currency, Currency),
    /// The amount does not fit 64 bits.
    #[error("the amount is too large")]
    Overflow,
}

impl Money {
    /// An amount of minor units.
    pub fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Nothing, in a currency.
    pub fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// The money that a person wrote in a field for it, with a point or a comma: `12.50`, `12,5`, `12`. None when it is no
    /// amount of the currency, such as one with more decimals than that has.
    pub fn read(text: &str, currency: Currency) -> Option<Self> {
        let (whole, part) = text
            .trim()
            .split_once(['.', ','])
            .unwrap_or((text.trim(), ""));
        let decimals = usize::from(currency.decimals());
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || part.len() > decimals || !digits(whole) || !digits(part) {
            return None;
        }
        let amount = format!("{whole}{part:0<decimals$}").parse().ok()?;
        Some(Self::new(amount, currency))
    }

    /// Whether it is exactly nothing.
    pub fn is_zero(self) -> bool {
        self.amount == 0
    }

    /// The sum; refuses two currencies and overflow.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed(self.currency, other.currency));
        }
        let amount = self
            .amount
            .checked_add(other.amount)
            .ok_or(MoneyError::Overflow)?;
        Ok(Self::new(amount, self.currency))
    }

    /// The amount times a count; refuses overflow.
    pub fn checked_mul(self, count: u32) -> Result<Self, MoneyError> {
        let amount = self
            .amount
            .checked_mul(i64::from(count))
            .ok_or(MoneyError::Overflow)?;
        Ok(Self::new(amount, self.currency))
    }

    /// A share of the amount in basis points (1 % is 100), rounded half to even.
    ///
    /// This and [`Self::less_percent`] are the only places where money is rounded.
    pub fn share(self, basis_points: u32) -> Result<Self, MoneyError> {
        let product = i128::from(self.amount) * i128::from(basis_points);
        let (quotient, rest) = (product.div_euclid(10_000), product.rem_euclid(10_000));
        let up = rest > 5_000 || (rest == 5_000 && quotient % 2 != 0);
        let amount = i64::try_from(quotient + i128::from(up)).map_err(|_| MoneyError::Overflow)?;
        Ok(Self::new(amount, self.currency))
    }

    /// The amount less so many whole percent (0 to 100), what is left rounded half up: the price of one ticket with a
    /// promo code.
    #[must_use]
    pub fn less_percent(self, percent: i32) -> Self {
        let left = i128::from(100 - percent.clamp(0, 100));
        let rounded = (i128::from(self.amount) * left + 50).div_euclid(100);
        let amount = i64::try_from(rounded).expect("a part is no larger than the whole");
        Self::new(amount, self.currency)
    }

    /// Splits the amount by weights so that the parts add up to it exactly.
    ///
    /// Largest-remainder method: every part gets its rounded-down share, the cents left over go to
    /// the largest remainders, earlier parts first. With no positive weight everything goes to the first part.
    pub fn allocate(self, weights: &[u32]) -> Vec<Self> {
        let total: u64 = weights.iter().map(|w| u64::from(*w)).sum();
        if total == 0 {
            return weights
                .iter()
                .enumerate()
                .map(|(i, _)| Self::new(if i == 0 { self.amount } else { 0 }, self.currency))
                .collect();
        }
        let total = i128::from(total);
        let exact = |w: &u32| i128::from(self.amount) * i128::from(*w);
        let mut parts: Vec<i128> = weights.iter().map(|w| exact(w).div_euclid(total)).collect();
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(exact(&weights[*i]).rem_euclid(total)));
        let left = i128::from(self.amount) - parts.iter().sum::<i128>();
        for i in order.into_iter().take(usize::try_from(left).unwrap_or(0)) {
            parts[i] += 1;
        }
        parts
            .into_iter()
            .map(|p| i64::try_from(p).expect("a part is no larger than the whole"))
            .map(|amount| Self::new(amount, self.currency))
            .collect()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = usize::from(self.currency.decimals());
        let unit = 10_u64.pow(u32::from(self.currency.decimals()));
        let sign = if self.amount < 0 { "-" } else { "" };
        let minor = self.amount.unsigned_abs();
        let whole = minor / unit;
        if decimals == 0 {
            write!(f, "{sign}{whole} {}", self.currency)
        } else {
            write!(
                f,
                "{sign}{whole}.{:0decimals$} {}",
                minor % unit,
                self.currency
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: i64, code: &str) -> Money {
        Money::new(amount, code.parse().unwrap())
    }

    #[test]
    fn reads_as_people_write_it() {
        assert_eq!(money(2500, "EUR").to_string(), "25.00 EUR");
        assert_eq!(money(-5, "EUR").to_string(), "-0.05 EUR");
        assert_eq!(money(2500, "JPY").to_string(), "2500 JPY");
        assert_eq!(money(2500, "KWD").to_string(), "2.500 KWD");
    }

    #[test]
    fn reads_what_people_write_and_nothing_else() {
        for (text, currency, amount) in [
            ("12.50", "EUR", 1250),
            (" 12,5 ", "EUR", 1250),
            ("12", "EUR", 1200),
            ("0", "EUR", 0),
            ("1200", "JPY", 1200),
            ("1.234", "KWD", 1234),
        ] {
            let read = Money::read(text, currency.parse().unwrap());
            assert_eq!(read, Some(money(amount, currency)), "{text}");
        }
        for (text, currency) in [
            ("", "EUR"),
            (".5", "EUR"),
            ("-5", "EUR"),
            ("1.234", "EUR"),
            ("1,234.50", "EUR"),
            ("12.5", "JPY"),
            ("5 EUR", "EUR"),
            ("99999999999999999999", "EUR"),
        ] {
            let read = Money::read(text, currency.parse().unwrap());
            assert_eq!(read, None, "{text}");
        }
    }

    #[test]
    fn refuses_two_currencies_and_overflow() {
        let error = money(1, "EUR").checked_add(money(1, "USD")).unwrap_err();
        assert_eq!(
            error,
            MoneyError::Mixed("EUR".parse().unwrap(), "USD".parse().unwrap())
        );
        assert_eq!(
            money(i64::MAX, "EUR").checked_mul(2),
            Err(MoneyError::Overflow)
        );
    }

    #[test]
    fn rounds_half_to_even() {
        assert_eq!(money(25, "EUR").share(1_000).unwrap().amount, 2);
        assert_eq!(money(35, "EUR").share(1_000).unwrap().amount, 4);
        assert_eq!(money(-25, "EUR").share(1_000).unwrap().amount, -2);
    }

    #[test]
    fn parts_always_add_up() {
        for amount in [-7_i64, 0, 1, 100, 101, 9_999] {
            for weights in [vec![1, 1, 1], vec![0, 0], vec![5, 0, 2, 9], vec![7]] {
                let parts = money(amount, "EUR").allocate(&weights);
                assert_eq!(
                    parts.iter().map(|p| p.amount).sum::<i64>(),
                    amount,
                    "{weights:?}"
                );
            }
        }
    }
}
