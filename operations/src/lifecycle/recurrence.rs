//! Dates of a repeating event from an RFC 5545 rule; the only place that knows the `rrule` crate.
//!
//! A rule is expanded over clock times, as if the clock never changed ("every Friday at 19:00" stays 19:00).
//! Whether such a time exists in the event's zone is asked afterwards, date by date.

use domain::{LocalDate, LocalTime, Timestamp, Zone};

/// The most dates a rule is expanded to before it is refused.
const EXPANDED_AT_MOST: u16 = 1_001;

/// Parts of a rule that say which days; those that make hours, minutes and seconds repeat are not for events.
const KNOWN_PARTS: &[&str] = &[
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "BYDAY",
    "BYMONTH",
    "BYMONTHDAY",
    "BYYEARDAY",
    "BYWEEKNO",
    "BYSETPOS",
    "WKST",
];

/// A rule that was understood and comes to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recurrence {
    /// The rule in its proper form, without a start.
    pub(super) rule: String,
    /// The parts without `UNTIL`, as the crate reads them.
    parts: String,
    count: Option<u32>,
    /// The last clock time that may be a date.
    until: Option<LocalTime>,
    /// The last day that may be one.
    last_day: Option<LocalDate>,
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// It cannot be read.
    #[error("the rule {rule:?} cannot be read: {why}")]
    NotUnderstood {
        /// The rule.
        rule: String,
        /// What is wrong.
        why: String,
    },
    /// It never ends.
    #[error("the rule {0:?} never ends")]
    Endless(String),
}

/// What a rule gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dates {
    /// Clock times after the first date, in order.
    pub(super) further: Vec<LocalTime>,
    /// Whether there would be more than were expanded.
    pub(super) cut: bool,
    /// Whether the rule itself gives the first date.
    pub(super) fits_first: bool,
}

impl Recurrence {
    /// Reads a rule such as `FREQ=WEEKLY;BYDAY=FR;COUNT=10`, with a last day if the caller gave one.
    pub(super) fn parse(
        rule: &str,
        zone: &Zone,
        last_day: Option<LocalDate>,
    ) -> Result<Self, RuleError> {
        let upper = rule.trim().to_uppercase();
        let bare = upper.strip_prefix("RRULE:").unwrap_or(&upper).to_owned();
        let refuse = |why: String| RuleError::NotUnderstood {
            rule: bare.clone(),
            why,
        };
        let mut read = Parts::default();
        for part in bare.split(';').filter(|part| !part.is_empty()) {
            read.read(part, zone).map_err(refuse)?;
        }
        if !read.has_frequency {
            return Err(refuse("FREQ is missing".to_owned()));
        }
        if read.count.is_none() && read.until.is_none() && last_day.is_none() {
            return Err(RuleError::Endless(bare));
        }
        Ok(Self {
            parts: read.kept.join(";"),
            count: read.count,
            until: read.until,
            rule: bare,
            last_day,
        })
    }

    /// The clock times the rule gives after a first one, which counts as one of `COUNT`.
    pub(super) fn after(&self, first: LocalTime) -> Result<Dates, RuleError> {
        let wrong = |why: String| RuleError::NotUnderstood {
            rule: self.rule.clone(),
            why,
        };
        let start = first.civil().strftime("%Y%m%dT%H%M%SZ").to_string();
        let set = format!("DTSTART:{start}\nRRULE:{}", self.parts)
            .parse::<rrule::RRuleSet>()
            .map_err(|error| wrong(error.to_string()))?;
        let mut further = Vec::new();
        let mut fits_first = false;
        let expanded = set.all(EXPANDED_AT_MOST);
        for date in &expanded.dates {
            let time = date.format("%Y-%m-%dT%H:%M:%S").to_string();
            let time: LocalTime = time
                .parse()
                .map_err(|_| wrong(format!("{time} is out of range")))?;
            if time == first {
                fits_first = true;
            } else if time > first {
                further.push(time);
            }
        }
        let before = further.len();
        if let Some(until) = self.until {
            further.retain(|time| *time <= until);
        }
        if let Some(last_day) = self.last_day {
            further.retain(|time| LocalDate::from(*time) <= last_day);
        }
        if let Some(count) = self.count {
            further.truncate(usize::try_from(count - 1).unwrap_or(usize::MAX));
        }
        let cut = expanded.limited && further.len() == before && before > 0;
        Ok(Dates {
            further,
            cut,
            fits_first,
        })
    }
}

/// What was read of a rule so far.
#[derive(Default)]
struct Parts {
    /// What the crate is to read.
    kept: Vec<String>,
    count: Option<u32>,
    until: Option<LocalTime>,
    has_frequency: bool,
}

impl Parts {
    /// Reads one part, or says what is wrong with it. `COUNT` and `UNTIL` are not kept: the first date counts even
    /// where the rule does not give it, and the crate would take `UNTIL` for an instant.
    fn read(&mut self, part: &str, zone: &Zone) -> Result<(), String> {
        let (key, value) = part
            .split_once('=')
            .ok_or_else(|| format!("{part:?} is not KEY=VALUE"))?;
        if !KNOWN_PARTS.contains(&key) {
            let known = KNOWN_PARTS.join(", ");
            return Err(format!("{key} is not used here; known are {known}"));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ',' | '+' | '-');
        if !value.chars().all(plain) {
            return Err(format!("{value:?} is not a value of {key}"));
        }
        let positive = || value.parse::<u32>().ok().filter(|number| *number > 0);
        match key {
            "UNTIL" => {
                let refuse = || format!("UNTIL={value} is not a date; write UNTIL=20271231");
                self.until = Some(until_part(value, zone).ok_or_else(refuse)?);
                return Ok(());
            }
            "COUNT" => {
                let refuse = || format!("COUNT={value} is not a number of dates");
                self.count = Some(positive().ok_or_else(refuse)?);
                return Ok(());
            }
            "INTERVAL" if positive().is_none() => {
                return Err(format!("INTERVAL={value} is not a step"));
            }
            "FREQ" if !matches!(value, "DAILY" | "WEEKLY" | "MONTHLY" | "YEARLY") => {
                return Err(format!(
                    "events repeat DAILY, WEEKLY, MONTHLY or YEARLY, not {value}"
                ));
            }
            "FREQ" => self.has_frequency = true,
            _ => {}
        }
        self.kept.push(part.to_owned());
        Ok(())
    }
}

/// `20271231`, `20271231T190000` or, in UTC, `20271231T180000Z`: the last clock time allowed.
fn until_part(value: &str, zone: &Zone) -> Option<LocalTime> {
    let (date, clock) = value.split_once('T').unwrap_or((value, "235959"));
    let (clock, utc) = clock
        .strip_suffix('Z')
        .map_or((clock, false), |clock| (clock, true));
    if date.len() != 8 || clock.len() != 6 {
        return None;
    }
    let text = format!(
        "{}-{}-{}T{}:{}:{}",
        date.get(..4)?,
        date.get(4..6)?,
        date.get(6..)?,
        clock.get(..2)?,
        clock.get(2..4)?,
        clock.get(4..)?
    );
    if utc {
        let instant: Timestamp = format!("{text}Z").parse().ok()?;
        Some(instant.in_zone(zone))
    } else {
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> Zone {
        "Europe/Berlin".parse().unwrap()
    }

    fn dates(first: &str, rule: &str) -> Vec<String> {
        let recurrence = Recurrence::parse(rule, &berlin(), None).unwrap();
        let dates = recurrence.after(first.parse().unwrap()).unwrap();
        dates.further.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn counts_the_first_date() {
        assert_eq!(
            dates("2027-02-05T19:00", "FREQ=WEEKLY;BYDAY=FR;COUNT=3"),
            ["2027-02-12T19:00", "2027-02-19T19:00"]
        );
        // A Thursday that the rule does not give is still the first of three.
        assert_eq!(
            dates("2027-02-04T19:00", "FREQ=WEEKLY;BYDAY=FR;COUNT=3"),
            ["2027-02-05T19:00", "2027-02-12T19:00"]
        );
        assert!(dates("2027-02-05T19:00", "FREQ=WEEKLY;COUNT=1").is_empty());
    }

    #[test]
    fn keeps_the_clock_over_the_change_of_time() {
        assert_eq!(
            dates("2027-03-26T19:00", "rrule:freq=weekly;until=20270402"),
            ["2027-04-02T19:00"]
        );
    }

    #[test]
    fn reads_last_fridays_and_every_form_of_until() {
        let last_fridays = "FREQ=MONTHLY;BYDAY=-1FR;UNTIL=";
        for until in ["20270430", "20270430T190000", "20270430T170000Z"] {
            assert_eq!(
                dates("2027-02-26T19:00", &format!("{last_fridays}{until}")),
                ["2027-03-26T19:00", "2027-04-30T19:00"],
                "{until}"
            );
        }
        assert_eq!(
            dates(
                "2027-02-26T19:00",
                &format!("{last_fridays}20270430T165959Z")
            ),
            ["2027-03-26T19:00"]
        );
    }

    #[test]
    fn skips_months_without_the_day() {
        assert_eq!(
            dates("2027-01-31T19:00", "FREQ=MONTHLY;COUNT=3"),
            ["2027-03-31T19:00", "2027-05-31T19:00"]
        );
        assert_eq!(
            dates("2028-02-29T19:00", "FREQ=YEARLY;COUNT=2"),
            ["2032-02-29T19:00"]
        );
    }

    #[test]
    fn refuses_what_it_cannot_read_and_what_never_ends() {
        let refused = |rule: &str| {
            Recurrence::parse(rule, &berlin(), None)
                .unwrap_err()
                .to_string()
        };
        assert!(refused("every friday").contains("not KEY=VALUE"));
        assert!(refused("FREQ=HOURLY;COUNT=3").contains("not HOURLY"));
        assert!(refused("BYDAY=FR;COUNT=3").contains("FREQ is missing"));
        assert!(refused("FREQ=DAILY;COUNT=0").contains("COUNT=0"));
        assert!(refused("FREQ=DAILY;INTERVAL=0;COUNT=2").contains("INTERVAL=0"));
        assert!(refused("FREQ=DAILY;UNTIL=soon").contains("not a date"));
        assert!(
            refused("FREQ=DAILY;COUNT=2;DTSTART=20270101T000000Z").contains("DTSTART is not used")
        );
        assert!(refused("FREQ=DAILY;COUNT=2\nRDATE:20270101").contains("COUNT"));
        assert!(refused("FREQ=WEEKLY;BYDAY=FR").contains("never ends"));
        let first = "2027-02-05T19:00".parse().unwrap();
        let odd = Recurrence::parse("FREQ=WEEKLY;BYDAY=XX;COUNT=2", &berlin(), None).unwrap();
        assert!(odd.after(first).is_err());
    }

    #[test]
    fn stops_at_its_limit_and_at_rules_without_dates() {
        let first = "2027-02-05T19:00".parse().unwrap();
        let huge = Recurrence::parse("FREQ=DAILY;COUNT=4000000000", &berlin(), None).unwrap();
        let dates = huge.after(first).unwrap();
        assert!(dates.cut && dates.further.len() == 1_000);
        let never = "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31;COUNT=5";
        let never = Recurrence::parse(never, &berlin(), None).unwrap();
        assert!(never.after(first).unwrap().further.is_empty());
    }
}
