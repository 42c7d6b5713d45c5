//! Schedules: cron in a zone, and what becomes of times that were missed.

use croner::{
    Cron, Direction,
    parser::{CronParser, Seconds, Year},
};
use domain::{Timestamp, Zone};
use jiff::{Zoned, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Seconds for which a time counts as met rather than missed.
const GRACE: i64 = 300;
/// Missed times that are made up for at most.
pub(super) const MOST: u16 = 100;

domain::text_enum! {
    /// What becomes of times that passed while nothing ran.
    pub enum CatchUp {
        /// They are left out.
        Skip = "skip",
        /// The last of them is made up for.
        Last = "last",
        /// Up to `max` of them are made up for, the newest.
        All = "all",
    }
}

/// When a workflow starts by itself.
#[derive(Debug, Clone)]
pub struct Schedule {
    pattern: String,
    cron: Cron,
    zone: Option<Zone>,
    catch_up: CatchUp,
    max: u16,
}

/// How a schedule is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Missed {
    pub(super) catch_up: CatchUp,
    pub(super) max: u16,
}

impl Schedule {
    /// Reads a pattern of five fields; the error is a sentence.
    pub(super) fn parse(
        pattern: &str,
        zone: Option<Zone>,
        missed: &Missed,
    ) -> Result<Self, String> {
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(pattern).map_err(|error| {
            format!("{pattern:?} is no schedule of minute, hour, day, month and weekday: {error}")
        })?;
        let schedule = Self {
            pattern: pattern.to_owned(),
            cron,
            zone,
            catch_up: missed.catch_up,
            max: missed.max.clamp(1, MOST),
        };
        if schedule
            .next(Timestamp::from_microseconds(1_798_761_600_000_000), 1)
            .is_empty()
        {
            return Err(format!("{pattern:?} names a time that never comes"));
        }
        Ok(schedule)
    }

    /// The pattern as it was written.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The zone whose clock counts, if the definition names one; otherwise the organization's does.
    pub fn zone(&self) -> Option<&Zone> {
        self.zone.as_ref()
    }

    /// The schedule with the organization's zone, unless it has one of its own.
    #[must_use]
    pub fn in_zone(&self, organization: &Zone) -> Self {
        let zone = self.zone.clone().or_else(|| Some(organization.clone()));
        Self {
            zone,
            ..self.clone()
        }
    }

    /// The times after `last` up to `now` for which runs are to be started, oldest first. A time that the clock skips
    /// comes when the clock goes on; one that it shows twice comes once, the first time.
    pub fn due(&self, last: Timestamp, now: Timestamp) -> Vec<Timestamp> {
        let wanted = match self.catch_up {
            CatchUp::Skip | CatchUp::Last => 1,
            CatchUp::All => usize::from(self.max),
        };
        let mut due = self.before(last, now, wanted);
        if self.catch_up == CatchUp::Skip {
            due.retain(|at| at.plus_seconds(GRACE) >= now);
        }
        due
    }

    /// The next times after a time.
    pub fn next(&self, after: Timestamp, count: usize) -> Vec<Timestamp> {
        let found = self.cron.iter_after(self.wall(after));
        found
            .map(|at| Timestamp::from(at.timestamp()))
            .take(count)
            .collect()
    }

    /// The newest times in (last, now], oldest first.
    fn before(&self, last: Timestamp, now: Timestamp, count: usize) -> Vec<Timestamp> {
        if now <= last {
            return Vec::new();
        }
        let mut found: Vec<Timestamp> = self
            .cron
            .iter_from(self.wall(now), Direction::Backward)
            .map(|at| Timestamp::from(at.timestamp()))
            .filter(|at| *at <= now)
            .take_while(|at| *at > last)
            .take(count)
            .collect();
        found.reverse();
        found.dedup();
        found
    }

    fn wall(&self, at: Timestamp) -> Zoned {
        let name = self.zone.as_ref().map_or("Etc/UTC", Zone::name);
        let zone = TimeZone::get(name).unwrap_or(TimeZone::UTC);
        let micros = at.as_microseconds();
        // Croner counts in whole seconds.
        let seconds = jiff::Timestamp::from_second(micros.div_euclid(1_000_000));
        seconds
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            .to_zoned(zone)
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        (&self.pattern, &self.zone, self.catch_up, self.max)
            == (&other.pattern, &other.zone, other.catch_up, other.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(pattern: &str, zone: &str, catch_up: CatchUp, max: u16) -> Schedule {
        Schedule::parse(
            pattern,
            Some(zone.parse().unwrap()),
            &Missed { catch_up, max },
        )
        .unwrap()
    }

    fn next(pattern: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let schedule = schedule(pattern, zone, CatchUp::Last, 1);
        let found = schedule.next(after.parse().unwrap(), count);
        found.iter().map(ToString::to_string).collect()
    }

    fn due(schedule: &Schedule, last: &str, now: &str) -> Vec<String> {
        let found = schedule.due(last.parse().unwrap(), now.parse().unwrap());
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn follows_the_clock_of_its_zone() {
        assert_eq!(
            next("0 9 * * MON", "Europe/Berlin", "2027-03-20T00:00:00Z", 3),
            [
                "2027-03-22T08:00:00Z",
                "2027-03-29T07:00:00Z",
                "2027-04-05T07:00:00Z"
            ]
        );
    }

    #[test]
    fn a_skipped_time_comes_once_when_the_clock_goes_on() {
        // Berlin: 28 March 2027, 02:00 becomes 03:00. New York: 14 March 2027, likewise.
        for (zone, before, expected) in [
            (
                "Europe/Berlin",
                "2027-03-27T12:00:00Z",
                ["2027-03-28T01:", "2027-03-29T00:30:00Z"],
            ),
            (
                "America/New_York",
                "2027-03-13T12:00:00Z",
                ["2027-03-14T07:", "2027-03-15T06:30:00Z"],
            ),
        ] {
            let found = next("30 2 * * *", zone, before, 2);
            assert!(found[0].starts_with(expected[0]), "{zone}: {found:?}");
            assert_eq!(found[1], expected[1], "{zone}");
            let schedule = schedule("30 2 * * *", zone, CatchUp::All, 10);
            let end: Timestamp = found[1].parse().unwrap();
            let due = schedule.due(before.parse().unwrap(), end);
            assert_eq!(
                due.iter().map(ToString::to_string).collect::<Vec<_>>(),
                found,
                "backwards is as forwards"
            );
        }
    }

    #[test]
    fn a_time_shown_twice_comes_once() {
        for (zone, before, first, second) in [
            (
                "Europe/Berlin",
                "2027-10-30T12:00:00Z",
                "2027-10-31T00:30:00Z",
                "2027-11-01T01:30:00Z",
            ),
            (
                "America/New_York",
                "2027-11-06T12:00:00Z",
                "2027-11-07T05:30:00Z",
                "2027-11-08T06:30:00Z",
            ),
        ] {
            let pattern = if zone == "Europe/Berlin" {
                "30 2 * * *"
            } else {
                "30 1 * * *"
            };
            assert_eq!(next(pattern, zone, before, 2), [first, second], "{zone}");
            let schedule = schedule(pattern, zone, CatchUp::All, 10);
            assert_eq!(due(&schedule, before, second), [first, second], "{zone}");
            // In steps of 20 minutes, as a scheduler would ask.
            let (mut at, mut fired) = (before.parse::<Timestamp>().unwrap(), Vec::new());
            while at < second.parse().unwrap() {
                let then = at.plus_seconds(1_200);
                fired.extend(schedule.due(at, then));
                at = then;
            }
            assert_eq!(fired.len(), 2, "{zone}: {fired:?}");
        }
    }

    #[test]
    fn three_days_down_are_caught_up_as_asked() {
        let (last, now) = ("2027-01-11T08:30:00Z", "2027-01-14T10:00:00Z");
        let daily = |catch_up, max| schedule("0 9 * * *", "Europe/Berlin", catch_up, max);
        assert_eq!(due(&daily(CatchUp::Skip, 1), last, now), [""; 0]);
        assert_eq!(
            due(&daily(CatchUp::Last, 1), last, now),
            ["2027-01-14T08:00:00Z"]
        );
        assert_eq!(
            due(&daily(CatchUp::All, 2), last, now),
            ["2027-01-13T08:00:00Z", "2027-01-14T08:00:00Z"]
        );
        assert_eq!(due(&daily(CatchUp::All, 50), last, now).len(), 3);
        assert_eq!(
            due(&daily(CatchUp::Skip, 1), last, "2027-01-12T08:00:03Z"),
            ["2027-01-12T08:00:00Z"]
        );
        assert_eq!(
            due(&daily(CatchUp::Last, 1), now, last),
            [""; 0],
            "the clock was stepped back"
        );
    }

    #[test]
    fn refuses_what_is_no_schedule() {
        let refuse = |pattern: &str| {
            Schedule::parse(
                pattern,
                None,
                &Missed {
                    catch_up: CatchUp::Last,
                    max: 1,
                },
            )
            .unwrap_err()
        };
        assert!(refuse("every monday").contains("minute, hour, day"));
        assert!(
            refuse("* * * * * *").contains("minute, hour, day"),
            "no seconds"
        );
        assert!(refuse("0 0 30 2 *").contains("never comes"));
    }
}
