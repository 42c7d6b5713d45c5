//! `create_series`: an event is repeated by a rule.

use domain::{
    Cx, EventId, Facts, Fault, FaultKind, FaultSpec, LocalDate, LocalTime, Name, Permission,
    Reference, SeriesId,
    time::{Fold, TimeError},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{StoreError, WriteTx};

use super::{
    changes::SeriesCreated,
    copy::{self, Target},
    recurrence::{Recurrence, RuleError},
};
use crate::{
    App, Effect, Operation,
    events::{self, CreateEventError, Event, EventStatus, Schedule},
    faults::EVENT_CLOSED,
};

/// Repeat an event by a rule: the event is the first date, the others become drafts with the same ticket types, at
/// the same clock time. Show the dates of a dry run first. At most 200 further dates.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CreateSeries {
    /// First date: event id, slug or exact title.
    pub event: Reference<EventId>,
    /// RFC 5545 rule without a start, such as FREQ=WEEKLY;BYDAY=FR;COUNT=10 (the event counts as one of the ten)
    /// or FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20271231.
    pub rule: Name,
    /// Days left out, such as holidays.
    #[serde(default)]
    pub except: Vec<LocalDate>,
    /// Last day.
    pub until: Option<LocalDate>,
}

/// A series and its dates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedSeries {
    /// The series.
    pub series_id: SeriesId,
    /// Its rule.
    pub rule: String,
    /// All dates, the event itself first.
    pub dates: Vec<SeriesDate>,
    /// Dates of the rule that were left out.
    pub skipped: Vec<SkippedDate>,
    /// What the organizer should know.
    pub warnings: Vec<String>,
}

/// One date of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesDate {
    /// The event of the date.
    pub event_id: EventId,
    /// Its name in addresses.
    pub slug: String,
    /// Its local start.
    pub starts: LocalTime,
    /// The same as people say it.
    pub when: String,
}

/// A date that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SkippedDate {
    /// Its local start.
    pub starts: LocalTime,
    /// Why.
    pub reason: String,
}

/// The most dates that are made beside the first.
const MOST_DATES: usize = 200;

impl Operation for CreateSeries {
    const NAME: &'static str = "create_series";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = CreatedSeries;
    type Error = CreateSeriesError;

    async fn run(self, app: &App, cx: &Cx) -> Result<CreatedSeries, CreateSeriesError> {
        let mut tx = app.store().write(cx).await?;
        let event = events::lock(tx.conn(), cx, &self.event)
            .await
            .map_err(CreateEventError::from)?;
        if !matches!(event.status, EventStatus::Draft | EventStatus::Published) {
            return Err(CreateSeriesError::Closed {
                title: event.title,
                status: event.status,
            });
        }
        if event.series_id.is_some() {
            return Err(CreateSeriesError::InSeries { title: event.title });
        }
        let recurrence = Recurrence::parse(self.rule.as_str(), &event.zone, self.until)?;
        let plan = self.plan(cx, &event, &recurrence)?;
        let series_id = cx.new_id::<SeriesId>();
        events::insert_series(tx.conn(), cx, series_id, &event, &recurrence.rule).await?;
        let mut answer = CreatedSeries {
            series_id,
            rule: recurrence.rule,
            dates: vec![date(&event)],
            skipped: plan.skipped,
            warnings: plan.warnings,
        };
        let mut further = Vec::new();
        for schedule in plan.schedules {
            further.push(schedule.starts);
            let copy = repeat(&mut tx, &event, series_id, schedule, &mut answer.warnings).await?;
            tx.also(&copy::created(&copy));
            answer.dates.push(date(&copy));
        }
        let change = SeriesCreated {
            series_id,
            event_id: event.id,
            title: event.title,
            rule: answer.rule.clone(),
            further,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

fn date(event: &Event) -> SeriesDate {
    SeriesDate {
        event_id: event.id,
        slug: event.slug.clone(),
        starts: event.starts,
        when: event.when.clone(),
    }
}

/// Adds one date as a copy of the first.
async fn repeat(
    tx: &mut WriteTx<'_>,
    event: &Event,
    series_id: SeriesId,
    schedule: Schedule,
    warnings: &mut Vec<String>,
) -> Result<Event, CreateSeriesError> {
    let day = LocalDate::from(schedule.starts);
    let slug = events::free_slug(tx.conn(), &format!("{} {day}", event.slug)).await?;
    let target = Target {
        title: event.title.clone(),
        slug,
        schedule: schedule.clone(),
        format: event.format,
        venue_id: event.venue.as_ref().map(|venue| venue.id),
        series_id: Some(series_id),
    };
    let (copy, copied) = copy::copy_event(tx, event, target).await?;
    if let Some(venue) = &copy.venue {
        let others = events::overlapping(tx.conn(), venue.id, &schedule, Some(copy.id)).await?;
        warnings.extend(others.iter().map(|title| {
            format!(
                "{}: {title:?} is at {} at the same time.",
                day.readable(),
                venue.name
            )
        }));
    }
    if copied.count > 0 {
        let windows = copy::window_warnings(&copied);
        warnings.extend(windows.iter().map(|w| format!("{}: {w}", day.readable())));
    }
    Ok(copy)
}

/// Which dates will be made, and which not.
struct Plan {
    schedules: Vec<Schedule>,
    skipped: Vec<SkippedDate>,
    warnings: Vec<String>,
}

impl CreateSeries {
    fn plan(
        &self,
        cx: &Cx,
        event: &Event,
        recurrence: &Recurrence,
    ) -> Result<Plan, CreateSeriesError> {
        let dates = recurrence.after(event.starts)?;
        let mut plan = Plan {
            schedules: Vec::new(),
            skipped: Vec::new(),
            warnings: self.warnings(event, &dates.further, dates.fits_first),
        };
        for starts in dates.further {
            match self.place(cx, event, starts) {
                Ok(schedule) => plan.schedules.push(schedule),
                Err(reason) => plan.skipped.push(SkippedDate { starts, reason }),
            }
        }
        let count = plan.schedules.len();
        if count == 0 {
            return Err(CreateSeriesError::NoDates {
                rule: recurrence.rule.clone(),
                first: event.starts,
                skipped: plan.skipped,
            });
        }
        if count > MOST_DATES {
            let more = if dates.cut { "more than " } else { "" };
            return Err(CreateSeriesError::TooManyDates(format!("{more}{count}")));
        }
        Ok(plan)
    }

    /// The schedule of one date, or why it cannot be. A time that happens twice is taken the first time.
    fn place(&self, cx: &Cx, event: &Event, starts: LocalTime) -> Result<Schedule, String> {
        if self.except.contains(&LocalDate::from(starts)) {
            return Err("It was asked to be left out.".to_owned());
        }
        let far = |_: TimeError| "It is out of range.".to_owned();
        let ends = event.ends.shifted(event.starts, starts).map_err(far)?;
        let schedule = Schedule::new(starts, ends, event.zone.clone(), Some(Fold::Earlier))
            .map_err(|error| error.to_string())?;
        if schedule.starts_at <= cx.now {
            return Err("It is in the past.".to_owned());
        }
        Ok(schedule)
    }

    fn warnings(&self, event: &Event, further: &[LocalTime], fits_first: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        if !fits_first {
            warnings.push(format!(
                "The event itself is on a {}, which is not a date of the rule; it stays the first date.",
                event.starts.weekday()
            ));
        }
        for day in &self.except {
            if *day == LocalDate::from(event.starts) {
                warnings.push(format!(
                    "{} is the event itself and cannot be left out.",
                    day.readable()
                ));
            } else if !further.iter().any(|time| LocalDate::from(*time) == *day) {
                warnings.push(format!(
                    "{} is not a date of the rule, so there was nothing to leave out.",
                    day.readable()
                ));
            }
        }
        warnings
    }
}

/// How `create_series` refuses.
#[derive(Debug, thiserror::Error)]
pub enum CreateSeriesError {
    /// The rule cannot be used.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// No date is left beside the first.
    #[error("the rule {rule:?} gives no date after {}{}", .first.readable(), because(.skipped))]
    NoDates {
        /// The rule.
        rule: String,
        /// The first date.
        first: LocalTime,
        /// Dates that were left out.
        skipped: Vec<SkippedDate>,
    },
    /// There are too many.
    #[error("the rule gives {0} further dates; at most {MOST_DATES} are made at once")]
    TooManyDates(String),
    /// The event is a date of a series already.
    #[error("{title:?} is a date of a series already")]
    InSeries {
        /// Its title.
        title: String,
    },
    /// It is over, cancelled or archived.
    #[error("{title:?} is {status} and cannot begin a series")]
    Closed {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// The event was not found, or a copy cannot be.
    #[error(transparent)]
    Copy(#[from] CreateEventError),
}

fn because(skipped: &[SkippedDate]) -> String {
    let reasons = skipped.iter().take(3);
    let reasons: Vec<String> = reasons
        .map(|date| format!("{}: {}", date.starts.readable(), date.reason))
        .collect();
    if reasons.is_empty() {
        String::new()
    } else {
        format!(" ({})", reasons.join(" "))
    }
}

const NOT_UNDERSTOOD: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "rule_not_understood",
    "Write it like FREQ=WEEKLY;BYDAY=FR;COUNT=10.",
);
const ENDLESS: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "rule_endless",
    "Ask how many dates there should be or when they end, then add COUNT or UNTIL.",
);
const NO_DATES: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "no_dates",
    "Check the rule's days, its end and the days left out.",
);
const TOO_MANY_DATES: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "too_many_dates",
    "Give an earlier end, and make the later dates as another series.",
);
const IN_SERIES: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "already_in_series",
    "See its dates with list_events and its series_id; add single dates with duplicate_event.",
);

impl Fault for CreateSeriesError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            NOT_UNDERSTOOD,
            ENDLESS,
            NO_DATES,
            TOO_MANY_DATES,
            IN_SERIES,
            EVENT_CLOSED,
        ];
        specs.extend(CreateEventError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Rule(RuleError::NotUnderstood { .. }) => NOT_UNDERSTOOD.at("rule"),
            Self::Rule(RuleError::Endless(_)) => ENDLESS.at("rule"),
            Self::NoDates { .. } => NO_DATES.at("rule"),
            Self::TooManyDates(_) => TOO_MANY_DATES.at("rule"),
            Self::InSeries { .. } => IN_SERIES.at("event"),
            Self::Closed { .. } => EVENT_CLOSED.at("event"),
            Self::Copy(error) => error.facts(),
        }
    }
}

impl From<StoreError> for CreateSeriesError {
    fn from(error: StoreError) -> Self {
        Self::Copy(error.into())
    }
}

impl From<sqlx::Error> for CreateSeriesError {
    fn from(error: sqlx::Error) -> Self {
        Self::Copy(error.into())
    }
}

#[cfg(test)]
mod tests {
    use domain::context::Mode;

    use super::*;
    use crate::{
        events::{ListEvents, StatusMove},
        testing::{Scene, assert_refused, selling},
        ticket_types::ListTicketTypes,
    };

    fn repeating(event: &Event, rule: &str) -> CreateSeries {
        CreateSeries {
            event: event.id.into(),
            rule: rule.parse().unwrap(),
            except: Vec::new(),
            until: None,
        }
    }

    fn starts(series: &CreatedSeries) -> Vec<String> {
        let dates = series.dates.iter();
        dates.map(|date| date.starts.to_string()).collect()
    }

    #[tokio::test]
    async fn makes_every_date_with_its_own_tickets() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let mut command = repeating(&event, "FREQ=WEEKLY;COUNT=4");
        command.except = vec!["2027-02-18".parse().unwrap()];
        let series = scene.run(command).await.unwrap();
        assert_eq!(
            starts(&series),
            ["2027-02-04T19:00", "2027-02-11T19:00", "2027-02-25T19:00"]
        );
        assert_eq!(series.dates[2].slug, "spring-gala-2027-02-25");
        assert_eq!(series.skipped.len(), 1);
        assert_eq!(series.skipped[0].reason, "It was asked to be left out.");
        assert!(series.warnings.is_empty(), "{:?}", series.warnings);
        let listed = ListEvents {
            series_id: Some(series.series_id),
            ..ListEvents::default()
        };
        let listed = scene.run(listed).await.unwrap().items;
        assert_eq!(listed.len(), 3);
        assert_eq!(listed[0].status, EventStatus::Published);
        assert_eq!(listed[1].status, EventStatus::Draft);
        let types = ListTicketTypes {
            event: listed[2].id.into(),
        };
        let types = scene.run(types).await.unwrap().ticket_types;
        assert_eq!((types.len(), types[0].availability.left), (1, Some(10)));
        let kinds: Vec<_> = scene.changes().await.into_iter().map(|c| c.kind).collect();
        assert_eq!(
            kinds[kinds.len() - 3..],
            ["series.created", "event.created", "event.created"]
        );
    }

    #[tokio::test]
    async fn leaves_out_times_the_clock_skips_and_takes_the_first_of_two() {
        let scene = Scene::new().await;
        let link = "https://live.example.org".parse().unwrap();
        let night = crate::events::CreateEvent {
            starts: "2027-03-21T02:30".parse().unwrap(),
            online_url: Some(link),
            ..crate::testing::new_event("Night")
        };
        let event = scene.run(night).await.unwrap().event;
        scene.run(selling(event.id, "Regular", 0, 5)).await.unwrap();
        let series = scene.run(repeating(&event, "FREQ=WEEKLY;COUNT=3")).await;
        let series = series.unwrap();
        assert_eq!(starts(&series), ["2027-03-21T02:30", "2027-04-04T02:30"]);
        assert!(
            series.skipped[0].reason.contains("does not exist"),
            "{:?}",
            series.skipped
        );
        let autumn = crate::lifecycle::DuplicateEvent {
            event: event.id.into(),
            starts: "2027-10-24T02:30".parse().unwrap(),
            ends: None,
            title: None,
            slug: None,
            venue: None,
            zone: None,
            fold: None,
        };
        let event = scene.run(autumn).await.unwrap().event;
        let series = scene.run(repeating(&event, "FREQ=WEEKLY;COUNT=2")).await;
        let folded = series.unwrap().dates[1].event_id;
        let folded = scene
            .run(crate::lifecycle::GetEvent {
                event: folded.into(),
            })
            .await
            .unwrap();
        assert_eq!(folded.event.starts_at.to_string(), "2027-10-31T00:30:00Z");
    }

    #[tokio::test]
    async fn a_dry_run_shows_the_dates_and_makes_none() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let dry = scene.cx.in_mode(Mode::DryRun);
        let command = repeating(&event, "FREQ=MONTHLY;BYDAY=1TH;COUNT=3");
        let series = scene.app.run(&dry, command).await.unwrap();
        assert_eq!(
            starts(&series),
            ["2027-02-04T19:00", "2027-03-04T19:00", "2027-04-01T19:00"]
        );
        let listed = scene.run(ListEvents::default()).await.unwrap().items;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].series_id, None);
    }

    #[tokio::test]
    async fn warns_of_overlaps_and_of_days_that_do_not_fit() {
        let scene = Scene::new().await;
        let venue = scene.venue("Town Hall").await;
        let at = |title: &str, starts: &str| crate::events::CreateEvent {
            starts: starts.parse().unwrap(),
            venue: Some(venue.id.into()),
            ..crate::testing::new_event(title)
        };
        scene.run(at("Ball", "2027-02-12T18:00")).await.unwrap();
        let event = scene
            .run(at("Jazz", "2027-02-04T19:00"))
            .await
            .unwrap()
            .event;
        let mut command = repeating(&event, "FREQ=WEEKLY;BYDAY=FR");
        command.until = Some("2027-02-12".parse().unwrap());
        command.except = vec!["2027-02-10".parse().unwrap(), "2027-02-04".parse().unwrap()];
        let series = scene.run(command).await.unwrap();
        assert_eq!(
            starts(&series),
            ["2027-02-04T19:00", "2027-02-05T19:00", "2027-02-12T19:00"]
        );
        assert_eq!(
            series.warnings,
            [
                "The event itself is on a Thursday, which is not a date of the rule; it stays the first date.",
                "Wed 10 Feb 2027 is not a date of the rule, so there was nothing to leave out.",
                "Thu 4 Feb 2027 is the event itself and cannot be left out.",
                "Fri 12 Feb 2027: \"Ball\" is at Town Hall at the same time.",
            ]
        );
    }

    #[tokio::test]
    async fn refuses_rules_without_end_without_dates_and_with_too_many() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let by = async |rule| scene.run(repeating(&event, rule)).await;
        assert_refused(by("FREQ=WEEKLY").await, "rule_endless");
        assert_refused(by("FREQ=HOURLY;COUNT=3").await, "rule_not_understood");
        assert_refused(by("every friday").await, "rule_not_understood");
        assert_refused(by("FREQ=DAILY;COUNT=1").await, "no_dates");
        assert_refused(by("FREQ=DAILY;UNTIL=20270101").await, "no_dates");
        let outcome = by("FREQ=DAILY;COUNT=500").await;
        let said = outcome.as_ref().unwrap_err().to_string();
        assert!(
            said.contains("gives 499 further dates; at most 200"),
            "{said}"
        );
        assert_refused(outcome, "too_many_dates");
        let outcome = by("FREQ=DAILY;UNTIL=20991231").await;
        assert!(outcome.unwrap_err().to_string().contains("more than 1000"));
    }

    #[tokio::test]
    async fn makes_two_hundred_dates_at_once() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let series = scene.run(repeating(&event, "FREQ=DAILY;COUNT=201")).await;
        assert_eq!(series.unwrap().dates.len(), 201);
    }

    #[tokio::test]
    async fn refuses_events_that_are_closed_or_in_a_series() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene
            .run(repeating(&event, "FREQ=DAILY;COUNT=2"))
            .await
            .unwrap();
        let again = scene.run(repeating(&event, "FREQ=DAILY;COUNT=2")).await;
        assert_refused(again, "already_in_series");
        scene.move_event(event.id, StatusMove::Cancel(None)).await;
        let outcome = scene.run(repeating(&event, "FREQ=DAILY;COUNT=2")).await;
        assert_refused(outcome, "event_closed");
    }

    #[tokio::test]
    async fn another_organizations_event_is_not_there() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let command = repeating(&event, "FREQ=DAILY;COUNT=2");
        assert_refused(scene.app.run(&other, command).await, "not_found");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene
            .assert_idempotent(repeating(&event, "FREQ=DAILY;COUNT=3"))
            .await;
    }
}
