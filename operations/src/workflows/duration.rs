//! Lengths of time as definitions write them: `90s`, `20m`, `36h`, `2d`, `1w`, `1h30m`.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time in whole seconds; a day has 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub(super) i64);

/// The units, longest first.
const UNITS: [(char, i64); 5] = [
    ('w', 7 * 86_400),
    ('d', 86_400),
    ('h', 3_600),
    ('m', 60),
    ('s', 1),
];

impl Span {
    /// Seconds.
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// The length of so many days.
    pub const fn days(days: i64) -> Self {
        Self(days * 86_400)
    }
}

/// Not a length of time.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a length of time; write it like 90s, 20m, 36h, 2d or 1h30m")]
pub struct SpanError(String);

impl FromStr for Span {
    type Err = SpanError;
    fn from_str(text: &str) -> Result<Self, SpanError> {
        let refuse = || SpanError(text.to_owned());
        let (mut total, mut number) = (0_i64, None::<i64>);
        for letter in text.trim().chars() {
            if let Some(digit) = letter.to_digit(10) {
                let so_far = number.unwrap_or(0).checked_mul(10).ok_or_else(refuse)?;
                number = Some(so_far + i64::from(digit));
                continue;
            }
            let unit = UNITS.iter().find(|(name, _)| *name == letter);
            let (count, (_, seconds)) = number.take().zip(unit).ok_or_else(refuse)?;
            total = count
                .checked_mul(*seconds)
                .and_then(|part| total.checked_add(part))
                .ok_or_else(refuse)?;
        }
        // Ten years: longer is a slip of the pen.
        if number.is_some() || total == 0 || total > 3_660 * 86_400 {
            return Err(refuse());
        }
        Ok(Self(total))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        for (name, seconds) in UNITS.iter().skip(1) {
            if rest >= *seconds {
                write!(f, "{}{name}", rest / seconds)?;
                rest %= seconds;
            }
        }
        if self.0 == 0 {
            f.write_str("0s")
        } else {
            Ok(())
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^([0-9]+[wdhms])+$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_lengths() {
        for (text, seconds, again) in [
            ("90s", 90, "1m30s"),
            ("36h", 129_600, "1d12h"),
            ("1w", 604_800, "7d"),
            ("1h30m", 5_400, "1h30m"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.seconds(), seconds);
            assert_eq!(span.to_string(), again);
        }
        for bad in [
            "",
            "5",
            "h",
            "2 days",
            "-1h",
            "0s",
            "99999999999999999999h",
            "9999d",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
