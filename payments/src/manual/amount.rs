//! Amounts as banks write them: `1.234,56`, `1,234.56-`, `EUR 12,5`, `(3.00)`.

use domain::{Currency, Money};

/// Reads an amount; `None` if it is none, or could mean two.
///
/// A lone point or comma before three digits parts thousands, as banks write decimals with as many digits as the
/// currency has. Where a currency has three decimals, that could mean both, and the amount is not read.
pub(super) fn read_amount(text: &str, currency: Currency) -> Option<Money> {
    let (plain, negative) = unsigned(text, currency)?;
    let decimals = usize::from(currency.decimals());
    let (whole, fraction) = parted(&plain, decimals)?;
    if !whole
        .bytes()
        .chain(fraction.bytes())
        .all(|b| b.is_ascii_digit())
        || whole.is_empty()
    {
        return None;
    }
    // More digits than the currency has are fine as long as they say nothing.
    let (kept, rest) = fraction.split_at(fraction.len().min(decimals));
    if rest.bytes().any(|b| b != b'0') {
        return None;
    }
    let minor: i64 = format!("{whole}{kept:0<decimals$}").parse().ok()?;
    Some(Money::new(if negative { -minor } else { minor }, currency))
}

/// The amount without its sign, which stands at one end, and without the currency, which stands inside or outside of it.
fn unsigned(text: &str, currency: Currency) -> Option<(String, bool)> {
    let ignored = |c: char| c.is_whitespace() || "'’€$£¥".contains(c);
    let plain: String = text.chars().filter(|c| !ignored(*c)).collect();
    let mut rest = plain.as_str();
    let mut signs = Vec::new();
    for _ in 0..2 {
        rest = rest.strip_prefix(currency.code()).unwrap_or(rest);
        rest = rest.strip_suffix(currency.code()).unwrap_or(rest);
        if let Some(inside) = rest
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
        {
            rest = inside;
            signs.push('-');
        }
        let is_sign = |c: char| matches!(c, '+' | '-' | '\u{2212}');
        let first = rest.chars().next().filter(|c| is_sign(*c));
        let last = rest.chars().last().filter(|c| is_sign(*c));
        signs.extend(first.into_iter().chain(last));
        rest = rest.strip_prefix(is_sign).unwrap_or(rest);
        rest = rest.strip_suffix(is_sign).unwrap_or(rest);
    }
    match signs[..] {
        [] | ['+'] => Some((rest.to_owned(), false)),
        [_] => Some((rest.to_owned(), true)),
        _ => None,
    }
}

/// The digits before and behind the decimal sign, without what parts thousands.
fn parted(text: &str, decimals: usize) -> Option<(String, String)> {
    let signs: Vec<(usize, char)> = text
        .char_indices()
        .filter(|(_, c)| matches!(c, '.' | ','))
        .collect();
    let Some((at, sign)) = signs.last().copied() else {
        return Some((text.to_owned(), String::new()));
    };
    let behind = text.len() - at - 1;
    let repeated = signs.iter().filter(|(_, other)| *other == sign).count() > 1;
    let alone = signs.iter().all(|(_, other)| *other == sign);
    let is_decimal = if repeated {
        // A sign that stands twice parts thousands; behind another one it would be neither.
        if !alone {
            return None;
        }
        false
    } else if alone && behind == 3 {
        if decimals == 3 {
            return None;
        }
        false
    } else {
        true
    };
    let (whole, fraction) = if is_decimal {
        (&text[..at], &text[at + 1..])
    } else {
        (text, "")
    };
    let mut groups = whole.split(['.', ',']);
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    let grouped = rest.is_empty() || (1..=3).contains(&first.len());
    if !grouped || rest.iter().any(|group| group.len() != 3) {
        return None;
    }
    Some((format!("{first}{}", rest.concat()), fraction.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, code: &str) -> Option<i64> {
        read_amount(text, code.parse().unwrap()).map(|money| money.amount)
    }

    #[test]
    fn reads_what_banks_write() {
        for (text, code, expected) in [
            ("36,00", "EUR", 3_600),
            ("36.00", "EUR", 3_600),
            ("+36", "EUR", 3_600),
            ("36,5", "EUR", 3_650),
            ("1.234,56", "EUR", 123_456),
            ("1,234.56", "USD", 123_456),
            ("1 234,56", "EUR", 123_456),
            ("1'234.50", "CHF", 123_450),
            ("1.234", "EUR", 123_400),
            ("1.234.567", "EUR", 123_456_700),
            ("-12,00", "EUR", -1_200),
            ("12,00-", "EUR", -1_200),
            ("\u{2212}12,00", "EUR", -1_200),
            ("(12.00)", "USD", -1_200),
            ("-EUR 12.00", "EUR", -1_200),
            ("EUR -12.00", "EUR", -1_200),
            ("12,00- EUR", "EUR", -1_200),
            ("EUR 36,00", "EUR", 3_600),
            ("36,00 €", "EUR", 3_600),
            ("1,234", "JPY", 1_234),
            ("1234.00", "JPY", 1_234),
            ("1.234,500", "KWD", 1_234_500),
            ("12.5000", "KWD", 12_500),
        ] {
            assert_eq!(read(text, code), Some(expected), "{text} {code}");
        }
    }

    #[test]
    fn reads_nothing_that_could_mean_two() {
        for (text, code) in [
            ("", "EUR"),
            ("-", "EUR"),
            ("1.234", "KWD"),
            ("12,345.67,8", "EUR"),
            ("1.23.456", "EUR"),
            ("12,34567", "EUR"),
            ("12.50", "JPY"),
            ("USD 12.50", "EUR"),
            ("12x", "EUR"),
            ("99999999999999999999", "EUR"),
            ("2027-02-04", "EUR"),
            ("12-34", "EUR"),
            ("--5", "EUR"),
            ("-5-", "EUR"),
            ("(5", "EUR"),
            (",50", "EUR"),
        ] {
            assert_eq!(read(text, code), None, "{text} {code}");
        }
    }

    #[test]
    fn reads_back_every_amount_in_every_style() {
        for code in ["EUR", "JPY"] {
            let currency: Currency = code.parse().unwrap();
            for amount in (0..2_000_000_i64).step_by(7_919) {
                let shown = Money::new(amount, currency).to_string();
                let plain = shown.trim_end_matches(code).trim();
                for text in [
                    plain.to_owned(),
                    plain.replace('.', ","),
                    grouped(plain, ',', '.'),
                    grouped(plain, '.', ','),
                ] {
                    assert_eq!(read(&text, code), Some(amount), "{text} {code}");
                }
            }
        }
    }

    fn grouped(plain: &str, thousands: char, decimal: char) -> String {
        let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
        let mut text = String::new();
        for (i, digit) in whole.chars().enumerate() {
            if i > 0 && (whole.len() - i) % 3 == 0 {
                text.push(thousands);
            }
            text.push(digit);
        }
        if fraction.is_empty() {
            text
        } else {
            format!("{text}{decimal}{fraction}")
        }
    }
}
