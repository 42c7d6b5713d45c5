//! Calendar dates: days without a clock, for reports and series.

use std::{borrow::Cow, fmt, str::FromStr};

use jiff::{ToSpan, civil};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::time::{LocalTime, TimeError, Timestamp, YEARS, Zone};

/// A day on the calendar, in no particular zone. JSON: `2027-02-04`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalDate(civil::Date);

impl LocalDate {
    /// The day so many days later (or earlier, if negative); the last or first one there is if out of range.
    #[must_use]
    pub fn plus_days(self, days: i32) -> Self {
        let bound = if days < 0 {
            civil::Date::MIN
        } else {
            civil::Date::MAX
        };
        Self(self.0.checked_add(days.days()).unwrap_or(bound))
    }

    /// How many days lie between this day and a later one; negative if it is earlier.
    pub fn days_until(self, later: Self) -> i32 {
        (later.0 - self.0).get_days()
    }

    /// When the day begins on the clock.
    pub fn midnight(self) -> LocalTime {
        LocalTime::from(self.0.at(0, 0, 0, 0))
    }

    /// The middle of the day on the clock.
    pub fn noon(self) -> LocalTime {
        LocalTime::from(self.0.at(12, 0, 0, 0))
    }

    /// The instant at which the day begins in a zone; after the gap, where the clock skips midnight.
    pub fn starts_in(self, zone: &Zone) -> Timestamp {
        self.midnight().resolve_leniently(zone)
    }

    /// `Thu 4 Feb 2027`, as people read it.
    pub fn readable(self) -> String {
        self.0.strftime("%a %-d %b %Y").to_string()
    }
}

impl From<LocalTime> for LocalDate {
    fn from(time: LocalTime) -> Self {
        Self(time.civil().date())
    }
}

impl fmt::Display for LocalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for LocalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for LocalDate {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let refuse = |_| TimeError::Date(text.to_owned());
        // Strictly: jiff would take the day out of a whole instant, in whichever zone that is.
        let date = civil::Date::strptime("%Y-%m-%d", text.trim()).map_err(refuse)?;
        if YEARS.contains(&date.year()) {
            Ok(Self(date))
        } else {
            Err(TimeError::Year(text.to_owned()))
        }
    }
}

impl Serialize for LocalDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LocalDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for LocalDate {
    fn schema_name() -> Cow<'static, str> {
        "LocalDate".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date"})
    }
}

#[cfg(feature = "sqlx")]
sqlx_as_text!(LocalDate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_days_over_the_end_of_february() {
        let date: LocalDate = "2028-02-28".parse().unwrap();
        assert_eq!(date.plus_days(2).to_string(), "2028-03-01");
        assert_eq!(date.days_until("2028-03-01".parse().unwrap()), 2);
        assert_eq!(date.readable(), "Mon 28 Feb 2028");
        assert_eq!(date.midnight().to_string(), "2028-02-28T00:00");
    }

    #[test]
    fn refuses_times_and_nonsense() {
        for text in [
            "2027-02-30",
            "2027-02-04T19:00",
            "4.2.2027",
            "",
            "0027-02-04",
            "-9999-01-01",
            "9999-01-01",
        ] {
            assert!(text.parse::<LocalDate>().is_err(), "{text}");
        }
    }
}
