//! What a basket is charged: fees on its lines, and the tax on both. Pure.

use std::collections::BTreeMap;

use domain::{
    Currency, FeeId, Money, PriceTax, TaxRate, TaxRounding, Taxable, Taxed, money::MoneyError, tax,
};

use super::model::{AppliedTax, ChargedFee, FeePer, FeeRow, TaxAmount};

/// How an event charges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pricing {
    pub(crate) prices: PriceTax,
    pub(crate) rounding: TaxRounding,
    pub(super) fees: Vec<FeeRow>,
}

/// So many of something at a price each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) unit_amount: i64,
    pub(crate) quantity: i32,
    pub(crate) tax: Option<&'a AppliedTax>,
}

/// The tax of a line: its rule, and the amounts for all of its quantity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LineTax {
    pub(crate) rule: Option<AppliedTax>,
    pub(crate) amounts: Taxed,
}

/// A fee that is charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeeLine {
    pub(crate) fee_id: FeeId,
    pub(crate) name: String,
    pub(crate) tax: LineTax,
}

/// What is charged for a basket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Charged {
    /// One for each item, in their order.
    pub(crate) lines: Vec<LineTax>,
    pub(crate) fees: Vec<FeeLine>,
    /// What the buyer pays.
    pub(crate) total: Money,
}

impl LineTax {
    /// As columns hold it: net, tax and gross.
    pub(crate) fn of(rule: Option<AppliedTax>, [net, tax, gross]: [i64; 3]) -> Self {
        let amounts = Taxed { net, tax, gross };
        Self { rule, amounts }
    }

    /// The share of some of its `quantity` in what was charged; the rest is what the others were charged.
    pub(crate) fn share(&self, count: i32, quantity: i32) -> Self {
        let part = |amount: i64| {
            let part = i128::from(amount) * i128::from(count) / i128::from(quantity.max(1));
            i64::try_from(part).unwrap_or(amount)
        };
        let (net, gross) = (part(self.amounts.net), part(self.amounts.gross));
        Self::of(self.rule.clone(), [net, gross - net, gross])
    }

    /// What is left without a share of it.
    pub(crate) fn without(&self, share: &Self) -> Self {
        let amounts = self.amounts.less(share.amounts);
        let rule = self.rule.clone();
        Self { rule, amounts }
    }

    /// The rate, in thousandths of a percent, as columns hold it.
    pub(crate) fn thousandths(&self) -> i32 {
        rate(self.rule.as_ref()).thousandths()
    }

    pub(crate) fn name(&self) -> Option<String> {
        self.rule.as_ref().map(|rule| rule.name.clone())
    }

    pub(crate) fn code(&self) -> Option<String> {
        self.rule.as_ref().and_then(|rule| rule.code.clone())
    }
}

impl Pricing {
    /// What items are charged, together with the event's fees.
    pub(crate) fn charge(
        &self,
        currency: Currency,
        items: &[Item<'_>],
    ) -> Result<Charged, MoneyError> {
        let mut lines = Vec::with_capacity(items.len());
        for item in items {
            lines.push(Taxable {
                amount: price(*item)?,
                rate: rate(item.tax),
            });
        }
        let mut fees = Vec::new();
        for fee in &self.fees {
            if let Some(amount) = amount(fee, items)? {
                let tax = fee.tax();
                lines.push(Taxable {
                    amount,
                    rate: rate(tax.as_ref()),
                });
                fees.push((fee, tax));
            }
        }
        let mut taxed = tax::tax_lines(&lines, self.prices, self.rounding)?.into_iter();
        let of_items = items.iter().zip(taxed.by_ref());
        let lines: Vec<LineTax> = of_items
            .map(|(item, amounts)| LineTax {
                rule: item.tax.cloned(),
                amounts,
            })
            .collect();
        let fees = fees
            .into_iter()
            .zip(taxed)
            .map(|((fee, rule), amounts)| FeeLine {
                fee_id: fee.id.into(),
                name: fee.name.clone(),
                tax: LineTax { rule, amounts },
            });
        let fees: Vec<FeeLine> = fees.collect();
        let all = lines.iter().chain(fees.iter().map(|fee| &fee.tax));
        let add = |sum: Taxed, line: &LineTax| sum.checked_add(line.amounts);
        let total = all.into_iter().try_fold(Taxed::default(), add)?;
        Ok(Charged {
            lines,
            fees,
            total: Money::new(total.gross, currency),
        })
    }

    /// The same without fees: for what is added to something that was charged them.
    pub(crate) fn without_fees(mut self) -> Self {
        self.fees.clear();
        self
    }

    /// What is charged beside prices, in words.
    pub(crate) fn fees_in_words(&self, currency: Currency) -> Vec<String> {
        let words = self.fees.iter().map(|fee| fee.in_words(currency));
        words.collect()
    }

    /// Whether tax comes on top of prices.
    pub(crate) fn adds_tax(&self) -> bool {
        self.prices == PriceTax::Added
    }
}

fn rate(tax: Option<&AppliedTax>) -> TaxRate {
    tax.map_or(TaxRate::ZERO, |tax| tax.rate)
}

fn price(item: Item<'_>) -> Result<i64, MoneyError> {
    let price = item.unit_amount.checked_mul(item.quantity.into());
    price.ok_or(MoneyError::Overflow)
}

/// What a fee comes to, if it is charged at all: in prices as the event has them, with tax or without.
fn amount(fee: &FeeRow, items: &[Item<'_>]) -> Result<Option<i64>, MoneyError> {
    let mut sum = 0_i64;
    let mut of_tickets = 0_i64;
    let mut charged = 0_i64;
    let add = |sum: &mut i64, more: i64| {
        *sum = sum.checked_add(more).ok_or(MoneyError::Overflow)?;
        Ok(())
    };
    let share = TaxRate::from_thousandths(fee.percent.unwrap_or_default());
    for item in items {
        let quantity = i64::from(item.quantity);
        add(&mut sum, price(*item)?)?;
        let each = share.of(item.unit_amount)?;
        let all = each.checked_mul(quantity).ok_or(MoneyError::Overflow)?;
        add(&mut of_tickets, all)?;
        if item.unit_amount > 0 || fee.charges_free {
            charged += quantity;
        }
    }
    if sum == 0 && !fee.charges_free {
        return Ok(None);
    }
    let amount = match (fee.amount, fee.per) {
        (Some(amount), FeePer::Order) => amount,
        (Some(amount), FeePer::Ticket) => {
            amount.checked_mul(charged).ok_or(MoneyError::Overflow)?
        }
        (None, FeePer::Order) => share.of(sum)?,
        (None, FeePer::Ticket) => of_tickets,
    };
    Ok((amount > 0).then_some(amount))
}

/// The sums of lines by rule; what has none comes first.
pub(crate) fn summed<'a>(
    lines: impl Iterator<Item = &'a LineTax>,
    currency: Currency,
) -> Vec<TaxAmount> {
    let mut sums = BTreeMap::<Option<AppliedTax>, Taxed>::new();
    for line in lines.filter(|line| line.amounts.gross > 0) {
        let sum = sums.entry(line.rule.clone()).or_default();
        *sum = sum
            .checked_add(line.amounts)
            .expect("parts of a total that was added up before");
    }
    let money = |amount| Money::new(amount, currency);
    let amounts = sums.into_iter().map(|(rule, sum)| TaxAmount {
        rate: rate(rule.as_ref()),
        code: rule.as_ref().and_then(|rule| rule.code.clone()),
        name: rule.map(|rule| rule.name),
        net: money(sum.net),
        tax: money(sum.tax),
        gross: money(sum.gross),
    });
    amounts.collect()
}

/// The sums of what is taxed, by rule.
pub(crate) fn charged<'a>(
    lines: impl Iterator<Item = &'a LineTax>,
    currency: Currency,
) -> Vec<TaxAmount> {
    summed(lines.filter(|line| line.rule.is_some()), currency)
}

/// Fees as callers see them.
pub(crate) fn seen_fees(fees: &[FeeLine], currency: Currency) -> Vec<ChargedFee> {
    let fees = fees.iter().map(|fee| ChargedFee {
        name: fee.name.clone(),
        amount: Money::new(fee.tax.amounts.gross, currency),
    });
    fees.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vat(percent: &str) -> AppliedTax {
        AppliedTax {
            name: format!("VAT {percent} %"),
            code: None,
            rate: percent.parse().unwrap(),
        }
    }

    fn fee(per: FeePer, amount: Option<i64>, percent: Option<&str>) -> FeeRow {
        FeeRow {
            id: uuid::Uuid::nil(),
            name: "Service".to_owned(),
            per,
            amount,
            percent: percent.map(|percent| percent.parse::<TaxRate>().unwrap().thousandths()),
            charges_free: false,
            tax_name: Some("VAT 19 %".to_owned()),
            tax_code: None,
            tax_rate: Some(19_000),
        }
    }

    fn charged(prices: PriceTax, fees: Vec<FeeRow>, units: &[(i64, i32)]) -> Charged {
        let pricing = Pricing {
            prices,
            rounding: TaxRounding::Line,
            fees,
        };
        let seven = vat("7");
        let item = |(unit_amount, quantity): &(i64, i32)| Item {
            unit_amount: *unit_amount,
            quantity: *quantity,
            tax: Some(&seven),
        };
        let items: Vec<Item<'_>> = units.iter().map(item).collect();
        pricing.charge("EUR".parse().unwrap(), &items).unwrap()
    }

    fn charged_of<'a>(lines: impl Iterator<Item = &'a LineTax>) -> Vec<(String, i64, i64)> {
        let sums = super::charged(lines, "EUR".parse().unwrap());
        let sums = sums.into_iter();
        sums.map(|sum| (sum.name.unwrap(), sum.tax.amount, sum.net.amount))
            .collect()
    }

    #[test]
    fn fees_come_to_what_they_say() {
        let total = |fee: FeeRow, units: &[(i64, i32)]| {
            let charged = charged(PriceTax::Included, vec![fee], units);
            let fees: i64 = charged.fees.iter().map(|fee| fee.tax.amounts.gross).sum();
            let lines: i64 = charged.lines.iter().map(|line| line.amounts.gross).sum();
            assert_eq!(lines + fees, charged.total.amount);
            fees
        };
        let two_and_a_free_one = [(1_010, 2), (0, 1)];
        assert_eq!(
            total(fee(FeePer::Order, Some(150), None), &two_and_a_free_one),
            150
        );
        assert_eq!(
            total(fee(FeePer::Ticket, Some(150), None), &two_and_a_free_one),
            300
        );
        assert_eq!(
            total(fee(FeePer::Order, None, Some("2.5")), &two_and_a_free_one),
            51
        );
        assert_eq!(
            total(fee(FeePer::Ticket, None, Some("2.5")), &two_and_a_free_one),
            50
        );
        // Free orders have none, unless that is said.
        assert_eq!(total(fee(FeePer::Order, Some(150), None), &[(0, 3)]), 0);
        let for_all = |per| FeeRow {
            charges_free: true,
            ..fee(per, Some(150), None)
        };
        assert_eq!(total(for_all(FeePer::Order), &[(0, 3)]), 150);
        assert_eq!(total(for_all(FeePer::Ticket), &two_and_a_free_one), 450);
    }

    #[test]
    fn tax_is_in_the_prices_or_comes_on_top_of_lines_and_fees() {
        let service = || vec![fee(FeePer::Order, Some(119), None)];
        let included = charged(PriceTax::Included, service(), &[(1_070, 2)]);
        assert_eq!(included.total.amount, 2_259);
        assert_eq!(included.lines[0].amounts.tax, 140);
        assert_eq!(included.fees[0].tax.amounts.tax, 19);
        let added = charged(PriceTax::Added, service(), &[(1_000, 2)]);
        assert_eq!(added.lines[0].amounts.gross, 2_140);
        assert_eq!(added.fees[0].tax.amounts.gross, 142);
        assert_eq!(added.total.amount, 2_282);
        let all = added
            .lines
            .iter()
            .chain(added.fees.iter().map(|fee| &fee.tax));
        let sums = charged_of(all);
        assert_eq!(
            sums,
            [
                ("VAT 19 %".to_owned(), 23, 119),
                ("VAT 7 %".to_owned(), 140, 2_000)
            ]
        );
    }
}
