//! Instants, local times and zones; the only place that knows jiff.
//!
//! An event's truth is what the clock on the venue's wall shows ([`LocalTime`]) and the venue's [`Zone`]; the
//! [`Timestamp`] is derived. PostgreSQL keeps microseconds and jiff nanoseconds, so both types truncate on
//! construction and a value always equals itself after a round trip.

use std::{borrow::Cow, fmt, str::FromStr};

use jiff::{ToSpan, civil, tz};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The years that callers may name. Beyond them a zone has no known rules, and the calendars of jiff and `PostgreSQL`
/// end at different days.
pub(crate) const YEARS: std::ops::RangeInclusive<i16> = 1900..=9998;

/// The clock as checks of the running program move it: by the seconds in a file.
#[cfg(feature = "test-clock")]
mod test_clock {
    use std::{fs, path::PathBuf, sync::OnceLock};

    /// By how many seconds the clock is ahead; 0 without the file.
    pub(super) fn ahead() -> i64 {
        static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
        let file = FILE.get_or_init(|| std::env::var_os("EVENTOS_TEST_CLOCK").map(Into::into));
        let seconds = file.as_ref().and_then(|file| fs::read_to_string(file).ok());
        seconds
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    }
}

/// An instant in UTC, to the microsecond. JSON: RFC 3339, `2027-02-04T18:00:00Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// Reads the machine's clock. Operations take `cx.now` instead, so that one operation has one time.
    pub fn now() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where the clock is read"
        )]
        let now = jiff::Timestamp::now();
        #[cfg(feature = "test-clock")]
        return Self::from(now).plus_seconds(test_clock::ahead());
        #[cfg(not(feature = "test-clock"))]
        Self::from(now)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn as_microseconds(self) -> i64 {
        self.0.as_microsecond()
    }

    /// The instant so many microseconds after 1970-01-01T00:00:00Z; the nearest representable one if out of range.
    pub fn from_microseconds(microseconds: i64) -> Self {
        let bound = if microseconds < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        };
        Self(jiff::Timestamp::from_microsecond(microseconds).unwrap_or(bound))
    }

    /// The instant so many seconds later (or earlier, if negative).
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_microseconds(
            self.as_microseconds()
                .saturating_add(seconds.saturating_mul(1_000_000)),
        )
    }

    /// What the wall clock shows in a zone at this instant.
    pub fn in_zone(self, zone: &Zone) -> LocalTime {
        LocalTime::from(self.0.to_zoned(zone.rules()).datetime())
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(instant: jiff::Timestamp) -> Self {
        Self::from_microseconds(instant.as_microsecond())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        text.parse::<jiff::Timestamp>()
            .map(Self::from)
            .map_err(|_| TimeError::Instant(text.to_owned()))
    }
}

/// A date and time as the clock on the wall shows it, in no particular zone. JSON: `2027-02-04T19:00`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalTime(civil::DateTime);

impl LocalTime {
    /// The date and time as jiff knows them, for arithmetic inside pure rules.
    pub fn civil(self) -> civil::DateTime {
        self.0
    }

    /// The instant at which the wall clock in `zone` shows this time.
    ///
    /// Refuses a time that the clock skips; a time that it shows twice needs `fold`.
    pub fn resolve(self, zone: &Zone, fold: Option<Fold>) -> Result<Timestamp, TimeError> {
        let ambiguous = zone.rules().to_ambiguous_zoned(self.0);
        let resolved = match (ambiguous.offset(), fold) {
            (tz::AmbiguousOffset::Gap { before, after }, _) => {
                let skipped = (after.seconds() - before.seconds()).seconds();
                let instead = self.0.checked_add(skipped).map_err(|_| TimeError::Range)?;
                return Err(TimeError::Gap {
                    local: self,
                    zone: zone.clone(),
                    instead: Self::from(instead),
                });
            }
            (tz::AmbiguousOffset::Fold { .. }, None) => {
                return Err(TimeError::Fold {
                    local: self,
                    zone: zone.clone(),
                });
            }
            (tz::AmbiguousOffset::Fold { .. }, Some(Fold::Later)) => ambiguous.later(),
            _ => ambiguous.compatible(),
        };
        resolved
            .map(|zoned| Timestamp::from(zoned.timestamp()))
            .map_err(|_| TimeError::Range)
    }

    /// Like [`Self::resolve`], but never refuses: a skipped time moves forward by the gap, of a time shown
    /// twice the earlier is taken. For times derived from others, where there is nobody to ask.
    pub fn resolve_leniently(self, zone: &Zone) -> Timestamp {
        match self.resolve(zone, Some(Fold::Earlier)) {
            Err(TimeError::Gap { instead, .. }) => instead
                .resolve(zone, Some(Fold::Earlier))
                .unwrap_or(Timestamp(jiff::Timestamp::MAX)),
            other => other.unwrap_or(Timestamp(jiff::Timestamp::MAX)),
        }
    }

    /// This time moved by as much as lies between two others: calendar days first, then the clock, so that
    /// "18:00 the day before" stays 18:00 the day before.
    pub fn shifted(self, from: Self, to: Self) -> Result<Self, TimeError> {
        let days = (to.0.date() - from.0.date()).get_days();
        let clock = to.0.time().duration_since(from.0.time());
        let moved = self
            .0
            .checked_add(days.days())
            .and_then(|moved| moved.checked_add(clock));
        moved.map(Self::from).map_err(|_| TimeError::Range)
    }

    /// `Monday`.
    pub fn weekday(self) -> &'static str {
        match self.0.weekday() {
            civil::Weekday::Monday => "Monday",
            civil::Weekday::Tuesday => "Tuesday",
            civil::Weekday::Wednesday => "Wednesday",
            civil::Weekday::Thursday => "Thursday",
            civil::Weekday::Friday => "Friday",
            civil::Weekday::Saturday => "Saturday",
            civil::Weekday::Sunday => "Sunday",
        }
    }

    /// `Thu 4 Feb 2027, 19:00`, as people read it.
    pub fn readable(self) -> String {
        self.0.strftime("%a %-d %b %Y, %H:%M").to_string()
    }
}

impl From<civil::DateTime> for LocalTime {
    fn from(civil: civil::DateTime) -> Self {
        let micros = civil.subsec_nanosecond() / 1_000 * 1_000;
        Self(
            civil
                .with()
                .subsec_nanosecond(micros)
                .build()
                .expect("fewer nanoseconds stay in range"),
        )
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.second() != 0 || self.0.subsec_nanosecond() != 0;
        if seconds {
            self.0.fmt(f)
        } else {
            self.0.strftime("%Y-%m-%dT%H:%M").fmt(f)
        }
    }
}

impl fmt::Debug for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LocalTime {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let refuse = || TimeError::Local(text.to_owned());
        // jiff ignores a trailing offset here; taking "19:00+02:00" for 19:00 anywhere would be a guess.
        let clock = text
            .split_once(['T', 't', ' '])
            .map(|(_, clock)| clock)
            .ok_or_else(refuse)?;
        if clock.contains(['Z', 'z', '+', '-', '[']) {
            return Err(refuse());
        }
        let local = text.parse::<civil::DateTime>().map_err(|_| refuse())?;
        if YEARS.contains(&local.year()) {
            Ok(Self::from(local))
        } else {
            Err(TimeError::Year(text.to_owned()))
        }
    }
}

text_enum! {
    /// Which of two equal wall-clock times is meant when clocks go back.
    pub enum Fold {
        /// Before the clocks go back.
        Earlier = "earlier",
        /// After they have gone back.
        Later = "later",
    }
}

/// An IANA time zone, such as `Europe/Berlin`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone(String);

impl Zone {
    /// Coordinated Universal Time.
    pub fn utc() -> Self {
        Self("Etc/UTC".to_owned())
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// `Berlin` of `Europe/Berlin`: what people call the zone.
    pub fn city(&self) -> Cow<'_, str> {
        Cow::Owned(
            self.0
                .rsplit('/')
                .next()
                .unwrap_or(&self.0)
                .replace('_', " "),
        )
    }

    fn rules(&self) -> tz::TimeZone {
        tz::TimeZone::get(&self.0).expect("a Zone is made only from a name the database knows")
    }
}

impl FromStr for Zone {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let known = tz::TimeZone::get(text.trim()).ok();
        let name = known.as_ref().and_then(tz::TimeZone::iana_name);
        // Bare abbreviations such as "EST" are in the database, but they ignore summer time.
        let place = name.filter(|name| name.contains('/') || *name == "UTC");
        place
            .map(|name| Self(name.to_owned()))
            .ok_or_else(|| TimeError::Zone(text.to_owned()))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a time could not be read or placed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not RFC 3339.
    #[error("{0:?} is not an instant; write it like 2027-02-04T18:00:00Z")]
    Instant(String),
    /// Not a local date and time.
    #[error(
        "{0:?} is not a local date and time; write it like 2027-02-04T19:00, without an offset (the zone is a field of its own)"
    )]
    Local(String),
    /// Not a day.
    #[error("{0:?} is not a date; write it like 2027-02-04")]
    Date(String),
    /// A year nobody plans for.
    #[error("{0:?} is out of range: the year must be between 1900 and 9998")]
    Year(String),
    /// Not an IANA name.
    #[error("{0:?} is not a time zone; use an IANA name such as Europe/Berlin or America/New_York")]
    Zone(String),
    /// The clock jumps over this time.
    #[error(
        "{} does not exist in {zone}: the clocks go forward over it; the next time that exists is {}",
        .local.readable(), .instead.readable()
    )]
    Gap {
        /// The time asked for.
        local: LocalTime,
        /// The zone.
        zone: Zone,
        /// The same time moved forward by the gap.
        instead: LocalTime,
    },
    /// The clock shows this time twice.
    #[error(
        "{} happens twice in {zone}: the clocks go back over it; say whether the earlier or the later one is meant",
        .local.readable()
    )]
    Fold {
        /// The time asked for.
        local: LocalTime,
        /// The zone.
        zone: Zone,
    },
    /// Beyond year 9999.
    #[error("the time is out of range")]
    Range,
}

macro_rules! time_json {
    ($name:ident, $schema:tt) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

time_json!(Timestamp, {"type": "string", "format": "date-time"});
time_json!(LocalTime, {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d"});
time_json!(Zone, {"type": "string"});

#[cfg(feature = "sqlx")]
mod sql {
    use super::{LocalTime, Timestamp, Zone, civil};
    use sqlx::{
        Decode, Encode, Postgres, Type, encode::IsNull, error::BoxDynError, postgres,
        postgres::types::Oid,
    };

    sqlx_as_text!(Zone);

    /// PostgreSQL counts microseconds from 2000-01-01; this is that day in microseconds since 1970.
    const EPOCH: i64 = 946_684_800_000_000;
    const TIMESTAMP: Oid = Oid(1114);
    const TIMESTAMP_ARRAY: Oid = Oid(1115);
    const TIMESTAMPTZ: Oid = Oid(1184);
    const TIMESTAMPTZ_ARRAY: Oid = Oid(1185);

    fn microseconds(value: &postgres::PgValueRef<'_>) -> Result<i64, BoxDynError> {
        let bytes: [u8; 8] = value.as_bytes()?.try_into()?;
        Ok(i64::from_be_bytes(bytes).saturating_add(EPOCH))
    }

    macro_rules! as_microseconds {
        ($name:ident, $oid:ident, $array:ident, $to:expr, $from:expr) => {
            impl Type<Postgres> for $name {
                fn type_info() -> postgres::PgTypeInfo {
                    postgres::PgTypeInfo::with_oid($oid)
                }
            }

            impl postgres::PgHasArrayType for $name {
                fn array_type_info() -> postgres::PgTypeInfo {
                    postgres::PgTypeInfo::with_oid($array)
                }
            }

            impl Encode<'_, Postgres> for $name {
                fn encode_by_ref(
                    &self,
                    buffer: &mut postgres::PgArgumentBuffer,
                ) -> Result<IsNull, BoxDynError> {
                    let since_2000: i64 = $to(*self) - EPOCH;
                    buffer.extend(&since_2000.to_be_bytes());
                    Ok(IsNull::No)
                }
            }

            impl Decode<'_, Postgres> for $name {
                fn decode(value: postgres::PgValueRef<'_>) -> Result<Self, BoxDynError> {
                    if value.format() == postgres::PgValueFormat::Text {
                        return Err("times are read in binary; use a prepared query".into());
                    }
                    $from(microseconds(&value)?)
                }
            }
        };
    }

    fn civil_to_microseconds(local: LocalTime) -> i64 {
        let since = local
            .0
            .duration_since(civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
        i64::try_from(since.as_micros()).expect("the calendar has fewer microseconds than 64 bits")
    }

    fn civil_from_microseconds(micros: i64) -> Result<LocalTime, BoxDynError> {
        let since = jiff::SignedDuration::from_micros(micros);
        let civil = civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(since)?;
        Ok(LocalTime::from(civil))
    }

    as_microseconds!(
        Timestamp,
        TIMESTAMPTZ,
        TIMESTAMPTZ_ARRAY,
        Timestamp::as_microseconds,
        |micros| Ok(Timestamp::from_microseconds(micros))
    );
    as_microseconds!(
        LocalTime,
        TIMESTAMP,
        TIMESTAMP_ARRAY,
        civil_to_microseconds,
        civil_from_microseconds
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> Zone {
        "Europe/Berlin".parse().unwrap()
    }

    fn local(text: &str) -> LocalTime {
        text.parse().unwrap()
    }

    #[test]
    fn resolves_in_winter_and_summer() {
        let winter = local("2027-02-04T19:00").resolve(&berlin(), None).unwrap();
        assert_eq!(winter.to_string(), "2027-02-04T18:00:00Z");
        let summer = local("2027-07-04 19:00").resolve(&berlin(), None).unwrap();
        assert_eq!(summer.to_string(), "2027-07-04T17:00:00Z");
        assert_eq!(summer.in_zone(&berlin()), local("2027-07-04T19:00"));
    }

    #[test]
    fn refuses_a_time_the_clock_skips() {
        let error = local("2027-03-28T02:30")
            .resolve(&berlin(), None)
            .unwrap_err();
        let TimeError::Gap { instead, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(*instead, local("2027-03-28T03:30"));
        assert!(
            error
                .to_string()
                .contains("does not exist in Europe/Berlin"),
            "{error}"
        );
    }

    #[test]
    fn asks_about_a_time_the_clock_shows_twice() {
        let twice = local("2027-10-31T02:30");
        assert!(matches!(
            twice.resolve(&berlin(), None),
            Err(TimeError::Fold { .. })
        ));
        let earlier = twice.resolve(&berlin(), Some(Fold::Earlier)).unwrap();
        let later = twice.resolve(&berlin(), Some(Fold::Later)).unwrap();
        assert_eq!(later, earlier.plus_seconds(3600));
    }

    #[test]
    fn takes_no_offset_for_a_local_time() {
        for text in [
            "2027-02-04T19:00+02:00",
            "2027-02-04T19:00Z",
            "2027-02-04",
            "tomorrow",
            "1899-12-31T23:59",
            "-009999-01-01T00:00",
            "9999-01-01T00:00",
        ] {
            assert!(text.parse::<LocalTime>().is_err(), "{text}");
        }
    }

    #[test]
    fn knows_places_but_not_abbreviations() {
        assert_eq!(
            "europe/berlin".parse::<Zone>().unwrap().name(),
            "Europe/Berlin"
        );
        for text in ["EST", "CEST", "Berlin", "Mars/Olympus"] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
    }

    #[test]
    fn shifting_keeps_the_clock() {
        let cut_off = local("2027-03-27T18:00");
        let moved = cut_off
            .shifted(local("2027-03-28T20:00"), local("2028-04-02T20:00"))
            .unwrap();
        assert_eq!(moved, local("2028-04-01T18:00"));
        let later_doors = cut_off
            .shifted(local("2027-03-28T20:00"), local("2027-03-29T21:30"))
            .unwrap();
        assert_eq!(later_doors, local("2027-03-28T19:30"));
    }
}
