//! Tax on the lines of a document: exact rates, net, tax and gross, and the three ways to round.
//!
//! Everything is counted in minor units as integers, with 128 bits in between; what falls between two units is rounded
//! half away from zero, as EN 16931 and tax offices expect. The functions here are the only ones that round tax.

use std::{collections::BTreeMap, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::money::MoneyError;

/// A whole: a hundred percent, in thousandths of a percent.
const WHOLE: i128 = 100_000;

/// A rate in percent, exact to three decimals, from 0 to 100: `19`, `8.875`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TaxRate(i32);

/// Text that is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaxRateError {
    /// Not a decimal number.
    #[error("{0:?} is no percentage; write 19 or 8.875, without a percent sign")]
    NotANumber(String),
    /// More decimals than a rate has.
    #[error("{0:?} has more than the three decimals a percentage can have")]
    TooFine(String),
    /// Below zero or above a hundred.
    #[error("{0} % is out of range; a percentage is from 0 to 100")]
    OutOfRange(String),
}

impl TaxRate {
    /// No tax.
    pub const ZERO: Self = Self(0);

    /// A rate of so many thousandths of a percent, as the database has it.
    pub fn from_thousandths(thousandths: i32) -> Self {
        Self(thousandths.clamp(0, 100_000))
    }

    /// So many thousandths of a percent: 19 % is 19000.
    pub fn thousandths(self) -> i32 {
        self.0
    }

    /// The share of an amount, rounded half away from zero.
    pub fn of(self, amount: i64) -> Result<i64, MoneyError> {
        narrow(divide(i128::from(amount) * self.wide(), WHOLE))
    }

    fn wide(self) -> i128 {
        i128::from(self.0)
    }
}

impl FromStr for TaxRate {
    type Err = TaxRateError;
    fn from_str(text: &str) -> Result<Self, TaxRateError> {
        let malformed = || TaxRateError::NotANumber(text.to_owned());
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let given = text.trim();
        let (negative, bare) = given
            .strip_prefix('-')
            .map_or((false, given), |rest| (true, rest));
        let (whole, part) = bare.split_once('.').unwrap_or((bare, ""));
        if whole.is_empty() || !digits(whole) || !digits(part) || bare.ends_with('.') {
            return Err(malformed());
        }
        let part = part.trim_end_matches('0');
        if part.len() > 3 {
            return Err(TaxRateError::TooFine(given.to_owned()));
        }
        let out_of_range = || TaxRateError::OutOfRange(given.to_owned());
        let whole: i32 = whole.parse().map_err(|_| out_of_range())?;
        let part: i32 = format!("{part:0<3}").parse().map_err(|_| malformed())?;
        let thousandths = whole.checked_mul(1_000).and_then(|n| n.checked_add(part));
        let thousandths = thousandths.filter(|n| *n <= 100_000 && (!negative || *n == 0));
        thousandths.map(Self).ok_or_else(out_of_range)
    }
}

impl fmt::Display for TaxRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1_000, self.0 % 1_000);
        if part == 0 {
            write!(f, "{whole}")
        } else {
            let part = format!("{part:03}");
            write!(f, "{whole}.{}", part.trim_end_matches('0'))
        }
    }
}

impl Serialize for TaxRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaxRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RateVisitor)
    }
}

/// Takes what people and models write: `"19"`, `19`, `8.875`. A float is read as its shortest decimal, never computed with.
struct RateVisitor;

impl de::Visitor<'_> for RateVisitor {
    type Value = TaxRate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a percentage such as 19 or \"8.875\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<TaxRate, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<TaxRate, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<TaxRate, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<TaxRate, E> {
        self.visit_str(&number.to_string())
    }
}

impl JsonSchema for TaxRate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TaxRate".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number"]})
    }
}

text_enum! {
    /// Whether prices have the tax in them.
    pub enum PriceTax {
        /// The price is what the buyer pays, as is usual in Europe.
        Included = "included",
        /// Tax is added to the price, as is usual in the United States.
        Added = "added",
    }
}

text_enum! {
    /// Where tax is rounded.
    pub enum TaxRounding {
        /// On each line; the document's tax is their sum.
        Line = "line",
        /// On the sum of the net amounts of a rate, as EN 16931 asks for (BR-CO-17). With prices that include tax, the
        /// total may differ from the sum of the prices by a few cents.
        NetSum = "net_sum",
        /// On the sum of a rate, but the buyer pays exactly what the lines cost by themselves.
        NetSumKeepingGross = "net_sum_keeping_gross",
    }
}

#[cfg(feature = "sqlx")]
sqlx_as_text!(PriceTax);
#[cfg(feature = "sqlx")]
sqlx_as_text!(TaxRounding);

/// A line before tax is worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taxable {
    /// Its price, for all of its quantity: with tax or without, as the document says.
    pub amount: i64,
    /// Its rate.
    pub rate: TaxRate,
}

/// What something costs without tax, its tax, and both. The third is always the sum of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taxed {
    /// Without tax.
    pub net: i64,
    /// The tax.
    pub tax: i64,
    /// With tax.
    pub gross: i64,
}

impl Taxed {
    /// Of a gross amount and the tax that is in it.
    fn of_gross(gross: i64, tax: i64) -> Self {
        Self {
            net: gross - tax,
            tax,
            gross,
        }
    }

    fn of_net(net: i64, tax: i64) -> Result<Self, MoneyError> {
        let gross = net.checked_add(tax).ok_or(MoneyError::Overflow)?;
        Ok(Self { net, tax, gross })
    }

    /// Both together; refuses overflow.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        let sum = |a: i64, b: i64| a.checked_add(b).ok_or(MoneyError::Overflow);
        Ok(Self {
            net: sum(self.net, other.net)?,
            tax: sum(self.tax, other.tax)?,
            gross: sum(self.gross, other.gross)?,
        })
    }

    /// What is left without another.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self::of_gross(self.gross - other.gross, self.tax - other.tax)
    }
}

/// The tax on the lines of one document, a result for each in their order; their sums are the document's.
pub fn tax_lines(
    lines: &[Taxable],
    prices: PriceTax,
    rounding: TaxRounding,
) -> Result<Vec<Taxed>, MoneyError> {
    let by_itself = lines.iter().map(|line| alone(*line, prices));
    let mut taxed: Vec<Taxed> = by_itself.collect::<Result<_, _>>()?;
    if rounding == TaxRounding::Line {
        return Ok(taxed);
    }
    let mut rates = BTreeMap::<TaxRate, Vec<usize>>::new();
    for (index, line) in lines.iter().enumerate() {
        rates.entry(line.rate).or_default().push(index);
    }
    for (rate, indexes) in rates {
        let gross: Vec<i64> = indexes.iter().map(|index| taxed[*index].gross).collect();
        let net: Vec<i64> = indexes.iter().map(|index| taxed[*index].net).collect();
        if rounding == TaxRounding::NetSum {
            let parts = share_out(rate.of(sum(&net)?)?, &net);
            for (index, tax) in indexes.into_iter().zip(parts) {
                taxed[index] = Taxed::of_net(taxed[index].net, tax)?;
            }
        } else {
            let total = sum(&gross)?;
            let parts = share_out(within(total, rate)?, &gross);
            for (index, tax) in indexes.into_iter().zip(parts) {
                taxed[index] = Taxed::of_gross(taxed[index].gross, tax);
            }
        }
    }
    Ok(taxed)
}

/// A part of a document whose amounts by rate are given, of so much gross: at each rate its proportion, and never more
/// than there is. Parts that are taken one after the other add up to the whole, tax included.
///
/// `part` is from 0 to the sum of the gross amounts.
pub fn part_of(part: i64, whole: &[Taxed]) -> Vec<Taxed> {
    let gross: Vec<i64> = whole.iter().map(|rate| rate.gross).collect();
    let parts = share_out(part, &gross).into_iter();
    let taxed = parts.zip(whole).map(|(gross, of)| {
        let tax = if of.gross == 0 {
            0
        } else {
            divide(i128::from(of.tax) * i128::from(gross), i128::from(of.gross))
        };
        let tax = i64::try_from(tax).expect("a part is no larger than the whole");
        Taxed::of_gross(gross, tax)
    });
    taxed.collect()
}

/// A line by itself.
fn alone(line: Taxable, prices: PriceTax) -> Result<Taxed, MoneyError> {
    match prices {
        PriceTax::Included => Ok(Taxed::of_gross(
            line.amount,
            within(line.amount, line.rate)?,
        )),
        PriceTax::Added => Taxed::of_net(line.amount, line.rate.of(line.amount)?),
    }
}

/// The tax in a gross amount. It is what the rounded net amount leaves, so that the net amount is the exact one.
fn within(gross: i64, rate: TaxRate) -> Result<i64, MoneyError> {
    let net = divide(i128::from(gross) * WHOLE, WHOLE + rate.wide());
    Ok(gross - narrow(net)?)
}

fn sum(amounts: &[i64]) -> Result<i64, MoneyError> {
    let add = |sum: i64, amount: &i64| sum.checked_add(*amount);
    let sum = amounts.iter().try_fold(0, add);
    sum.ok_or(MoneyError::Overflow)
}

/// Splits a total in proportion to weights that are not negative: rounded down, and what is left over to the largest
/// remainders, earlier ones first. Without any weight, the first has everything.
fn share_out(total: i64, weights: &[i64]) -> Vec<i64> {
    let all: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if all == 0 {
        let first = |(index, _)| if index == 0 { total } else { 0 };
        return weights.iter().enumerate().map(first).collect();
    }
    let exact = |index: usize| i128::from(total) * i128::from(weights[index]);
    let mut parts: Vec<i128> = (0..weights.len())
        .map(|index| exact(index).div_euclid(all))
        .collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(exact(*index).rem_euclid(all)));
    let left = i128::from(total) - parts.iter().sum::<i128>();
    for index in order.into_iter().take(usize::try_from(left).unwrap_or(0)) {
        parts[index] += 1;
    }
    let narrow = |part| i64::try_from(part).expect("a part is no larger than the whole");
    parts.into_iter().map(narrow).collect()
}

/// A quotient, rounded half away from zero; the divisor is positive.
fn divide(number: i128, by: i128) -> i128 {
    let rounded = (number.abs() * 2 + by) / (by * 2);
    rounded * number.signum()
}

fn narrow(number: i128) -> Result<i64, MoneyError> {
    i64::try_from(number).map_err(|_| MoneyError::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICES: [PriceTax; 2] = [PriceTax::Included, PriceTax::Added];

    fn rate(text: &str) -> TaxRate {
        text.parse().unwrap()
    }

    fn taxable(amount: i64, percent: &str) -> Taxable {
        Taxable {
            amount,
            rate: rate(percent),
        }
    }

    /// Numbers that are the same for the same seed: splitmix64 (Steele, Lea and Flood, 2014).
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, end: u64) -> i64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            i64::try_from((z ^ (z >> 31)) % end).unwrap()
        }

        /// A document: up to twelve lines, of rates that are there in the world, from a few units to a few million.
        fn document(&mut self) -> Vec<Taxable> {
            let rates = ["0", "5", "7", "8.875", "10", "19", "20", "25.5", "100"];
            let count = self.below(12) + 1;
            let size =
                [20, 3_000, 1_000_000, 90_000_000_000][usize::try_from(self.below(4)).unwrap()];
            let line = |_| {
                let percent = rates[usize::try_from(self.below(9)).unwrap()];
                taxable(self.below(size), percent)
            };
            (0..count).map(line).collect()
        }
    }

    fn total(lines: &[Taxed]) -> Taxed {
        let add = |sum: Taxed, line: &Taxed| sum.checked_add(*line).unwrap();
        lines.iter().fold(Taxed::default(), add)
    }

    /// The sums of each rate: net, tax, gross.
    fn by_rate(lines: &[Taxable], taxed: &[Taxed]) -> BTreeMap<TaxRate, Taxed> {
        let mut sums = BTreeMap::new();
        for (line, taxed) in lines.iter().zip(taxed) {
            let sum: &mut Taxed = sums.entry(line.rate).or_default();
            *sum = sum.checked_add(*taxed).unwrap();
        }
        sums
    }

    #[test]
    fn a_rate_is_exact_to_three_decimals_and_reads_as_it_was_written() {
        for (text, thousandths, shown) in [
            ("19", 19_000, "19"),
            ("8.875", 8_875, "8.875"),
            ("7.50", 7_500, "7.5"),
            (" 0 ", 0, "0"),
            ("100", 100_000, "100"),
            ("0.001", 1, "0.001"),
            ("5.5000", 5_500, "5.5"),
        ] {
            let rate = rate(text);
            assert_eq!(rate.thousandths(), thousandths, "{text}");
            assert_eq!(rate.to_string(), shown);
        }
        let read = |json: &str| serde_json::from_str::<TaxRate>(json);
        assert_eq!(read("8.875").unwrap(), rate("8.875"));
        assert_eq!(read("19").unwrap(), read("\"19\"").unwrap());
    }

    #[test]
    fn what_is_no_rate_is_refused_with_the_reason() {
        let refused = |text: &str| text.parse::<TaxRate>().unwrap_err().to_string();
        assert!(refused("1900").contains("from 0 to 100"));
        assert!(refused("-19").contains("from 0 to 100"));
        assert!(refused("100.001").contains("from 0 to 100"));
        assert!(refused("19.1234").contains("three decimals"));
        for text in ["19 %", "", "19.", ".5", "neunzehn", "1e3", "19,5", "+7"] {
            assert!(refused(text).contains("is no percentage"), "{text}");
        }
    }

    /// Worked by hand. BR-CO-17 of EN 16931: the tax of a rate is its taxable amount times the rate, rounded to the
    /// currency's decimals.
    #[test]
    fn the_three_ways_differ_where_they_should() {
        // Three tickets on lines of their own, 9.99 with 19 %: 8.39496 net each.
        let lines = [taxable(999, "19"); 3];
        let included = |rounding| tax_lines(&lines, PriceTax::Included, rounding).unwrap();
        // Per line 8.39 and 1.60, three times.
        let of_lines = total(&included(TaxRounding::Line));
        assert_eq!(
            (of_lines.net, of_lines.tax, of_lines.gross),
            (2517, 480, 2997)
        );
        // 25.17 times 19 % is 4.7823: 4.78, and the buyer pays two cents less.
        let of_sum = total(&included(TaxRounding::NetSum));
        assert_eq!((of_sum.net, of_sum.tax, of_sum.gross), (2517, 478, 2995));
        // 29.97 has 25.1849 net: 25.18 and 4.79, and the buyer pays what the prices say.
        let kept = total(&included(TaxRounding::NetSumKeepingGross));
        assert_eq!((kept.net, kept.tax, kept.gross), (2518, 479, 2997));
    }

    #[test]
    fn half_a_unit_is_rounded_away_from_zero() {
        assert_eq!(rate("5").of(10), Ok(1));
        assert_eq!(rate("5").of(-10), Ok(-1));
        assert_eq!(rate("5").of(9), Ok(0));
        assert_eq!(rate("25").of(2), Ok(1));
    }

    #[test]
    fn currencies_with_and_without_decimals_are_only_integers() {
        // 3100 yen with 10 %: 2818.18 net. 7.250 dinars with 5 %: 6.90476 net.
        let one = |amount, percent: &str| {
            let lines = [taxable(amount, percent)];
            tax_lines(&lines, PriceTax::Included, TaxRounding::Line).unwrap()[0]
        };
        assert_eq!(one(3100, "10"), Taxed::of_gross(3100, 282));
        assert_eq!(one(7250, "5"), Taxed::of_gross(7250, 345));
    }

    #[test]
    fn lines_add_up_and_each_way_keeps_its_promise() {
        let mut chance = Chance(20_261_128);
        for _ in 0..20_000 {
            let lines = chance.document();
            for prices in PRICES {
                let of_lines = tax_lines(&lines, prices, TaxRounding::Line).unwrap();
                for rounding in TaxRounding::ALL {
                    let taxed = tax_lines(&lines, prices, *rounding).unwrap();
                    for (line, of) in taxed.iter().zip(&lines) {
                        assert_eq!(line.net + line.tax, line.gross, "{of:?}");
                        assert!(line.net >= 0 && line.tax >= 0, "{line:?} of {of:?}");
                        assert!(of.rate != TaxRate::ZERO || line.tax == 0);
                    }
                    match rounding {
                        TaxRounding::Line => {}
                        TaxRounding::NetSum => {
                            for (rate, sum) in by_rate(&lines, &taxed) {
                                assert_eq!(Ok(sum.tax), rate.of(sum.net), "{lines:?}");
                            }
                            let nets =
                                |lines: &[Taxed]| lines.iter().map(|l| l.net).collect::<Vec<_>>();
                            assert_eq!(nets(&taxed), nets(&of_lines));
                        }
                        TaxRounding::NetSumKeepingGross => {
                            for (line, alone) in taxed.iter().zip(&of_lines) {
                                assert_eq!(line.gross, alone.gross, "{lines:?}");
                            }
                            for (rate, sum) in by_rate(&lines, &taxed) {
                                // There need not be a net amount with which it is exact.
                                let off = sum.tax - rate.of(sum.net).unwrap();
                                assert!(off.abs() <= 1, "{off} at {rate} %: {lines:?}");
                            }
                        }
                    }
                    if prices == PriceTax::Included && *rounding != TaxRounding::NetSum {
                        for (line, of) in taxed.iter().zip(&lines) {
                            assert_eq!(line.gross, of.amount);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn parts_of_a_document_add_up_to_it_at_every_rate() {
        let mut chance = Chance(3);
        for _ in 0..5_000 {
            let lines = chance.document();
            let taxed = tax_lines(&lines, PriceTax::Included, TaxRounding::Line).unwrap();
            let mut left: Vec<Taxed> = by_rate(&lines, &taxed).into_values().collect();
            while total(&left).gross > 0 {
                let all = total(&left).gross;
                let part = (chance.below(u64::try_from(all).unwrap()) + 1)
                    .max(all / 5)
                    .min(all);
                let taken = part_of(part, &left);
                assert_eq!(total(&taken).gross, part);
                for (left, taken) in left.iter_mut().zip(taken) {
                    *left = left.less(taken);
                    assert!(left.net >= 0 && left.tax >= 0, "{lines:?}: {left:?}");
                }
            }
            assert_eq!(total(&left), Taxed::default());
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let lines = [taxable(i64::MAX, "19")];
        let added = tax_lines(&lines, PriceTax::Added, TaxRounding::Line);
        assert_eq!(added, Err(MoneyError::Overflow));
        let lines = [taxable(i64::MAX, "0"); 2];
        let kept = tax_lines(&lines, PriceTax::Included, TaxRounding::NetSumKeepingGross);
        assert_eq!(kept, Err(MoneyError::Overflow));
    }
}
