//! From a document to a plan: everything that can be known to be wrong before a run is found here.

use std::collections::HashSet;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    document::{Document, EndStatus, On, OnConflict, Param},
    duration::Span,
    expression::Expression,
    plan::{Params, Plan, Trigger},
    problem::{Problem, Problems, below, did_you_mean},
    schedule::{CatchUp, Missed, Schedule},
    source,
    template::Template,
};
use crate::change_kinds::KINDS;

/// Steps in one workflow, nested ones included.
pub(super) const STEPS: usize = 100;
/// How deep `each` may stand in `each`.
pub(super) const DEPTH: usize = 2;
/// Items of an `each` when nothing is said.
pub(super) const ITEMS: u16 = 200;
/// The most items of an `each`.
pub(super) const MOST_ITEMS: u16 = 1_000;
/// What every expression and placeholder can see.
const GIVEN: [&str; 5] = ["organization", "run", "trigger", "change", "params"];
/// Names that steps and items cannot have, because expressions could not tell them apart.
pub(super) const TAKEN: [&str; 9] = [
    "organization",
    "run",
    "trigger",
    "change",
    "params",
    "error",
    "index",
    "now",
    "on_failure",
];
/// What `email` stands for.
pub(super) const MAIL: &str = "queue_message";
/// The actions, in the order in which people are told of them.
pub(super) const ACTIONS: &str =
    "operation, email, wait, approve, each, set, end, emit, call, http, agent";

/// Reads and checks a definition.
pub(super) fn check(yaml: &str) -> Result<Plan, Vec<Problem>> {
    let source = source::read(yaml).map_err(|problem| vec![problem])?;
    let mut problems = Problems::new(source.lines);
    let plan = Checker {
        problems: &mut problems,
        ids: HashSet::new(),
        count: 0,
    }
    .document(source.value);
    match plan {
        Some(plan) if problems.is_empty() => Ok(plan),
        _ => Err(problems.into_list()),
    }
}

pub(super) struct Checker<'a> {
    pub(super) problems: &'a mut Problems,
    pub(super) ids: HashSet<String>,
    pub(super) count: usize,
}

impl Checker<'_> {
    fn document(&mut self, mut value: Value) -> Option<Plan> {
        let Some(fields) = value.as_object_mut() else {
            let next = "Begin with `id:`, `title:`, `on:` and `steps:`.";
            self.problems
                .add("", "A workflow is a group of fields.", next);
            return None;
        };
        // Parts are read one by one, so that one mistake does not hide the others.
        let take = |fields: &mut Map<String, Value>, name: &str| match fields.get_mut(name) {
            Some(Value::Array(items)) => std::mem::take(items),
            _ => Vec::new(),
        };
        let (on, steps, on_failure) = (
            take(fields, "on"),
            take(fields, "steps"),
            take(fields, "on_failure"),
        );
        let document: Option<Document> = self.part(value, "");
        let triggers: Vec<(On, Trigger)> = (on.into_iter().enumerate())
            .filter_map(|(i, on)| self.trigger(on, &format!("on[{i}]")))
            .collect();
        let mut names: Vec<String> = GIVEN.map(ToOwned::to_owned).to_vec();
        let (rules, steps) = self.steps(steps, "steps", &mut names, 0);
        names.push("error".to_owned());
        let (failure_rules, on_failure) = self.steps(on_failure, "on_failure", &mut names, 0);
        let mut document = document?;
        if rules.is_empty() && self.problems.is_empty() {
            self.problems
                .add("steps", "There is no step.", "Add at least one.");
        }
        self.identity(&document);
        let manual = triggers
            .iter()
            .filter(|(on, _)| on.manual.is_some())
            .count();
        if manual > 1 {
            self.problems
                .add("on", "There are several `manual` starts.", "Keep one.");
        }
        let concurrency = document.concurrency.clone().and_then(|rule| {
            let seen = ["trigger", "change", "params"].map(ToOwned::to_owned);
            let key = self.expression(&rule.key, "concurrency.key", &seen)?;
            Some((key, rule.on_conflict.unwrap_or(OnConflict::Queue)))
        });
        let deadline = document.deadline.unwrap_or(Span::days(90));
        let (on, triggers) = triggers.into_iter().unzip();
        document.on = on;
        document.steps = rules;
        document.on_failure = failure_rules;
        Some(Plan {
            document,
            triggers,
            concurrency,
            deadline,
            steps,
            on_failure,
        })
    }

    fn identity(&mut self, document: &Document) {
        let id = &document.id;
        let good = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        if id.len() > 80 || !id.split('-').all(good) {
            let message = format!("{id:?} is no name for a workflow.");
            self.problems.add(
                "id",
                message,
                "Use lower-case words joined by hyphens: weekly-sales.",
            );
        }
        let length = document.title.trim().chars().count();
        if !(1..=120).contains(&length) {
            let message = format!("The title has {length} characters; it needs 1 to 120.");
            self.problems.add(
                "title",
                message,
                "Say in a few words what the workflow does.",
            );
        }
    }

    /// Reads one part of the document into its type.
    pub(super) fn part<T: DeserializeOwned>(&mut self, value: Value, path: &str) -> Option<T> {
        match serde_path_to_error::deserialize(value) {
            Ok(part) => Some(part),
            Err(error) => {
                let inner = error.path().to_string();
                let mut path = match inner.as_str() {
                    "." | "" => path.to_owned(),
                    inner => below(path, inner),
                };
                let said = error.into_inner().to_string();
                let (message, next, field) = in_our_words(&said);
                if let Some(field) =
                    field.filter(|field| path != *field && !path.ends_with(&format!(".{field}")))
                {
                    path = below(&path, &field);
                }
                self.problems.add(&path, message, next);
                None
            }
        }
    }

    fn trigger(&mut self, value: Value, path: &str) -> Option<(On, Trigger)> {
        let on: On = self.part(value, path)?;
        let given = [
            on.change.is_some(),
            on.cron.is_some(),
            on.manual.is_some(),
            on.webhook.is_some(),
        ];
        if given.iter().filter(|given| **given).count() != 1 {
            let message = "A start is exactly one of change, cron, manual and webhook.";
            self.problems
                .add(path, message, "Make an entry of its own for each.");
            return None;
        }
        let stray = [
            (
                on.condition.is_some() && on.change.is_none(),
                "if",
                "change",
            ),
            (on.zone.is_some() && on.cron.is_none(), "zone", "cron"),
            (
                on.catch_up.is_some() && on.cron.is_none(),
                "catch_up",
                "cron",
            ),
            (
                on.max.is_some() && on.catch_up != Some(CatchUp::All),
                "max",
                "catch_up: all",
            ),
        ];
        for (_, field, with) in stray.iter().filter(|(stray, ..)| *stray) {
            let message = format!("`{field}` only goes with `{with}`.");
            self.problems
                .add(&below(path, field), message, "Take it away.");
        }
        let trigger = if let Some(kind) = &on.change {
            self.kind(kind, &below(path, "change"));
            let condition = on.condition.as_ref().and_then(|source| {
                let condition =
                    self.expression(source, &below(path, "if"), &["change".to_owned()])?;
                if condition.uses_now() {
                    let message = "A start's condition cannot look at the clock.";
                    self.problems
                        .add(&below(path, "if"), message, "Use `when` on the first step.");
                }
                Some(condition)
            });
            Trigger::Change {
                kind: kind.clone(),
                condition,
            }
        } else if let Some(pattern) = &on.cron {
            Trigger::Cron {
                schedule: self.schedule(&on, pattern, path)?,
            }
        } else if let Some(manual) = &on.manual {
            Trigger::Manual {
                params: self.params(&manual.params, &below(path, "manual.params")),
            }
        } else {
            Trigger::Webhook
        };
        Some((on, trigger))
    }

    fn schedule(&mut self, on: &On, pattern: &str, path: &str) -> Option<Schedule> {
        let zone = match on.zone.as_deref() {
            None | Some("organization") => None,
            Some(name) => match name.parse() {
                Ok(zone) => Some(zone),
                Err(error) => {
                    let next = "Or write organization for the organization's own.";
                    self.problems
                        .add(&below(path, "zone"), format!("{error}."), next);
                    None
                }
            },
        };
        let missed = Missed {
            catch_up: on.catch_up.unwrap_or(CatchUp::Last),
            max: on.max.unwrap_or(10),
        };
        match Schedule::parse(pattern, zone, &missed) {
            Ok(schedule) => Some(schedule),
            Err(message) => {
                let next = "Mondays at 9:00 are \"0 9 * * MON\"; the first of each month at 8:30 is \"30 8 1 * *\".";
                self.problems
                    .add(&below(path, "cron"), format!("{message}."), next);
                None
            }
        }
    }

    fn params(&mut self, given: &Map<String, Value>, path: &str) -> Params {
        let mut params = Params::default();
        for (name, value) in given {
            let path = below(path, name);
            let Some(param) = self.part::<Param>(value.clone(), &path) else {
                continue;
            };
            if !is_name(name) {
                self.problems
                    .add(&path, format!("{name:?} is no name."), NAME_FORM);
            }
            if param
                .default
                .as_ref()
                .is_some_and(|default| !param.kind.fits(default))
            {
                let message = format!("The default is no {}.", param.kind);
                self.problems
                    .add(&below(&path, "default"), message, "Give one of that type.");
            }
            params.0.insert(name.clone(), param);
        }
        params
    }

    /// Checks a kind of change against those that exist.
    pub(super) fn kind(&mut self, kind: &str, path: &str) {
        if !KINDS.iter().any(|(known, _)| *known == kind) {
            let near = did_you_mean(kind, KINDS.iter().map(|(known, _)| *known));
            let next = format!("{near} docs/changes.md lists all.");
            self.problems.add(
                path,
                format!("There is no change {kind:?}."),
                next.trim_start(),
            );
        }
    }

    pub(super) fn expression(
        &mut self,
        source: &str,
        path: &str,
        names: &[String],
    ) -> Option<Expression> {
        match Expression::parse(source) {
            Ok(expression) => {
                for name in expression.names() {
                    self.name(name, path, names);
                }
                Some(expression)
            }
            Err(error) => {
                let next = "Conditions are CEL, such as change.total.amount > 1000 && size(people.items) > 0.";
                self.problems
                    .add(path, format!("`{source}` {error}."), next);
                None
            }
        }
    }

    pub(super) fn template(&mut self, value: &Value, path: &str, names: &[String]) -> Template {
        let mut refused = Vec::new();
        let template = Template::parse(value, path, &mut |path, error| {
            refused.push((path.to_owned(), error));
        });
        for (path, error) in refused {
            let next = "Placeholders look like {{ change.order_id }}.";
            self.problems.add(&path, format!("The text {error}."), next);
        }
        for (path, name) in template.names(path) {
            self.name(&name, &path, names);
        }
        template
    }

    fn name(&mut self, name: &str, path: &str, names: &[String]) {
        if !names.iter().any(|known| known == name) {
            let near = did_you_mean(name, names.iter().map(String::as_str));
            let next = format!("{near} Known here: {}.", names.join(", "));
            let message =
                format!("Nothing is called `{name}` here; steps see the answers of earlier steps.");
            self.problems.add(path, message, next.trim_start());
        }
    }
}

pub(super) const NAME_FORM: &str =
    "Use lower-case letters, digits and underscores, a letter first, at most 40 characters.";

pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 40
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

pub(super) fn default_reason(status: EndStatus) -> String {
    match status {
        EndStatus::Done => String::new(),
        EndStatus::Skipped => "It was not wanted.".to_owned(),
        EndStatus::Failed => "The workflow ended itself as failed.".to_owned(),
    }
}

/// A message of serde as people and models understand it, what to do, and the field it is about.
fn in_our_words(said: &str) -> (String, String, Option<String>) {
    let quoted = |text: &str| text.split('`').nth(1).map(ToOwned::to_owned);
    if let Some(rest) = said.strip_prefix("unknown field ") {
        let field = quoted(rest).unwrap_or_default();
        let known: Vec<&str> = rest.split('`').skip(3).step_by(2).collect();
        let near = did_you_mean(&field, known.iter().copied());
        let next = format!("{near} Known here: {}.", known.join(", "));
        let message = format!("There is no field `{field}` here.");
        return (message, next.trim_start().to_owned(), Some(field));
    }
    if let Some(field) = said.strip_prefix("missing field ").and_then(quoted) {
        return (format!("`{field}` is missing."), "Add it.".to_owned(), None);
    }
    if let Some((given, wanted)) = said
        .strip_prefix("invalid type: ")
        .and_then(|rest| rest.split_once(", expected "))
    {
        let next = if wanted.contains("string") {
            "Put it in quotes if it is meant as a text."
        } else {
            ""
        };
        return (
            format!("Here stands {given}; {wanted} is needed."),
            next.to_owned(),
            None,
        );
    }
    if let Some(rest) = said.strip_prefix("unknown variant ") {
        let given = quoted(rest).unwrap_or_default();
        let known: Vec<&str> = rest.split('`').skip(3).step_by(2).collect();
        return (
            format!("{given:?} is not possible here."),
            format!("Use {}.", known.join(", ")),
            None,
        );
    }
    (
        format!("{}.", said.trim_end_matches('.')),
        String::new(),
        None,
    )
}
