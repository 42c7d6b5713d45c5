//! From a document to a plan: everything that can be known to be wrong before a run is found here.

use std::{collections::HashSet, time::Duration};

use domain::{Permission, Permissions};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    document::{
        Document, EachRule, EndStatus, Method, On, OnConflict, OnError, Otherwise, Param, StepRule,
        WaitRule,
    },
    duration::Span,
    expression::Expression,
    plan::{Act, Params, Plan, StepPlan, Trigger},
    problem::{Problem, Problems, below, did_you_mean},
    program::Retry,
    schedule::{CatchUp, Missed, Schedule},
    source,
    template::Template,
};
use crate::{catalog, change_kinds::KINDS, schema};

/// Steps in one workflow, nested ones included.
const STEPS: usize = 100;
/// How deep `each` may stand in `each`.
const DEPTH: usize = 2;
/// Items of an `each` when nothing is said.
const ITEMS: u16 = 200;
/// The most items of an `each`.
const MOST_ITEMS: u16 = 1_000;
/// What every expression and placeholder can see.
const GIVEN: [&str; 5] = ["organization", "run", "trigger", "change", "params"];
/// Names that steps and items cannot have, because expressions could not tell them apart.
const TAKEN: [&str; 9] = [
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
/// The actions, in the order in which people are told of them.
const ACTIONS: &str = "operation, email, wait, approve, each, set, end, emit, call, http, agent";

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

struct Checker<'a> {
    problems: &'a mut Problems,
    ids: HashSet<String>,
    count: usize,
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
    fn part<T: DeserializeOwned>(&mut self, value: Value, path: &str) -> Option<T> {
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
    fn kind(&mut self, kind: &str, path: &str) {
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

    fn expression(&mut self, source: &str, path: &str, names: &[String]) -> Option<Expression> {
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

    fn template(&mut self, value: &Value, path: &str, names: &[String]) -> Template {
        let mut refused = Vec::new();
        let template = Template::parse(value, path, &mut |path, error| {
            refused.push((path.to_owned(), error))
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

    /// Checks steps in order; each adds its id to the names that later ones see.
    fn steps(
        &mut self,
        values: Vec<Value>,
        path: &str,
        names: &mut Vec<String>,
        depth: usize,
    ) -> (Vec<StepRule>, Vec<StepPlan>) {
        let (mut rules, mut plans) = (Vec::new(), Vec::new());
        for (i, mut value) in values.into_iter().enumerate() {
            let path = format!("{path}[{i}]");
            self.count += 1;
            if self.count == STEPS + 1 {
                let message = format!("There are more than {STEPS} steps.");
                self.problems.add(
                    &path,
                    message,
                    "Move some into a workflow of their own and `call` it.",
                );
            }
            let nested = match value.pointer_mut("/each/steps") {
                Some(Value::Array(steps)) => std::mem::take(steps),
                _ => Vec::new(),
            };
            let id = value["id"].as_str().map(ToOwned::to_owned);
            let rule: Option<StepRule> = self.part(value, &path);
            if let Some(mut rule) = rule {
                self.id(&rule.id, &below(&path, "id"));
                if let Some(plan) = self.step(&mut rule, nested, &path, names, depth) {
                    plans.push(plan);
                }
                rules.push(rule);
            }
            // Known even when the step itself is wrong, so that one mistake is told once.
            names.extend(id);
        }
        (rules, plans)
    }

    fn id(&mut self, id: &str, path: &str) {
        if !is_name(id) {
            self.problems
                .add(path, format!("{id:?} is no name for a step."), NAME_FORM);
        } else if TAKEN.contains(&id) {
            self.problems.add(
                path,
                format!("`{id}` has a meaning of its own."),
                "Choose another id.",
            );
        } else if !self.ids.insert(id.to_owned()) {
            self.problems.add(
                path,
                format!("Two steps are called `{id}`."),
                "Ids are unique in a workflow.",
            );
        }
    }

    fn step(
        &mut self,
        rule: &mut StepRule,
        nested: Vec<Value>,
        path: &str,
        names: &mut Vec<String>,
        depth: usize,
    ) -> Option<StepPlan> {
        let when = rule
            .when
            .clone()
            .and_then(|source| self.expression(&source, &below(path, "when"), names));
        self.beside(rule, path);
        let act = self.act(rule, nested, path, names, depth)?;
        let retry = rule.retry.map_or_else(Retry::default, |retry| {
            if !(1..=50).contains(&retry.tries) {
                let message = format!("{} tries are not possible.", retry.tries);
                self.problems
                    .add(&below(path, "retry.tries"), message, "Give 1 to 50.");
            }
            let seconds = |span: Option<Span>, default: Duration| {
                span.and_then(|span| u64::try_from(span.seconds()).ok())
                    .map_or(default, Duration::from_secs)
            };
            let default = Retry::default();
            Retry {
                tries: retry.tries,
                backoff: seconds(retry.backoff, default.backoff),
                cap: seconds(retry.cap, default.cap),
            }
        });
        Some(StepPlan {
            id: rule.id.clone(),
            when,
            act,
            retry,
            on_error: rule.on_error.unwrap_or(OnError::Fail),
        })
    }

    /// What stands beside an action that has no use for it.
    fn beside(&mut self, rule: &StepRule, path: &str) {
        let takes_with = rule.operation.is_some()
            || rule.call.is_some()
            || rule.emit.is_some()
            || rule.agent.is_some();
        let stray = [
            (
                rule.with.is_some() && !takes_with,
                "with",
                "operation, call, emit and agent",
            ),
            (
                rule.output.is_some() && rule.agent.is_none(),
                "output",
                "agent",
            ),
            (
                rule.budget_usd.is_some() && rule.agent.is_none(),
                "budget_usd",
                "agent",
            ),
        ];
        for (_, field, with) in stray.iter().filter(|(stray, ..)| *stray) {
            let message = format!("`{field}` only goes with {with}.");
            self.problems.add(
                &below(path, field),
                message,
                "Move it into the action, or take it away.",
            );
        }
    }

    fn act(
        &mut self,
        rule: &mut StepRule,
        nested: Vec<Value>,
        path: &str,
        names: &mut Vec<String>,
        depth: usize,
    ) -> Option<Act> {
        let mut acts: Vec<(&str, Option<Act>)> = Vec::new();
        let with = |rule: &StepRule| Value::Object(rule.with.clone().unwrap_or_default());
        if let Some(name) = rule.operation.clone() {
            let act = self.operation(
                &name,
                &with(rule),
                &below(path, "operation"),
                &below(path, "with"),
                names,
            );
            acts.push(("operation", act));
        }
        if let Some(email) = rule.email.clone() {
            let path = below(path, "email");
            acts.push((
                "email",
                self.operation("queue_message", &Value::Object(email), &path, &path, names),
            ));
        }
        if let Some(wait) = rule.wait.clone() {
            acts.push(("wait", self.wait(&wait, &below(path, "wait"), names)));
        }
        if let Some(approve) = rule.approve.clone() {
            let path = below(path, "approve");
            acts.push((
                "approve",
                Some(Act::Approve {
                    title: self.template(&approve.title.into(), &below(&path, "title"), names),
                    show: self.template(
                        &approve.show.unwrap_or(Value::Null),
                        &below(&path, "show"),
                        names,
                    ),
                    expires: approve.expires.unwrap_or(Span::days(3)),
                    on_reject: approve.on_reject.unwrap_or(Otherwise::End),
                    on_expire: approve.on_expire.unwrap_or(Otherwise::End),
                }),
            ));
        }
        if let Some(each) = &mut rule.each {
            acts.push((
                "each",
                self.each(each, nested, &below(path, "each"), names, depth),
            ));
        }
        if let Some(set) = rule.set.clone() {
            acts.push((
                "set",
                Some(Act::Set(self.template(
                    &Value::Object(set),
                    &below(path, "set"),
                    names,
                ))),
            ));
        }
        if let Some(end) = rule.end.clone() {
            let path = below(path, "end");
            acts.push((
                "end",
                Some(Act::End {
                    status: end.status,
                    reason: self.template(
                        &end.reason
                            .unwrap_or_else(|| default_reason(end.status))
                            .into(),
                        &below(&path, "reason"),
                        names,
                    ),
                    output: self.template(
                        &end.output.unwrap_or_else(|| json!({})),
                        &below(&path, "output"),
                        names,
                    ),
                }),
            ));
        }
        let with_path = below(path, "with");
        if let Some(name) = rule.emit.clone() {
            acts.push((
                "emit",
                Some(Act::Emit {
                    with: self.template(&with(rule), &with_path, names),
                    name,
                }),
            ));
        }
        if let Some(workflow) = rule.call.clone() {
            acts.push((
                "call",
                Some(Act::Call {
                    with: self.template(&with(rule), &with_path, names),
                    workflow,
                }),
            ));
        }
        if let Some(http) = rule.http.clone() {
            let path = below(path, "http");
            let scheme = http.url.starts_with("https://")
                || http.url.starts_with("http://")
                || http.url.starts_with("{{");
            if !scheme {
                self.problems.add(
                    &below(&path, "url"),
                    format!("{:?} is no address.", http.url),
                    "Begin with https://.",
                );
            }
            acts.push((
                "http",
                Some(Act::Http {
                    method: http.method.unwrap_or(Method::Post).to_string(),
                    url: self.template(&http.url.into(), &below(&path, "url"), names),
                    body: http
                        .body
                        .map(|body| self.template(&body, &below(&path, "body"), names)),
                }),
            ));
        }
        if let Some(agent) = rule.agent.clone() {
            let budget = rule.budget_usd.unwrap_or(0.5);
            if !(0.0..=1_000.0).contains(&budget) {
                self.problems.add(
                    &below(path, "budget_usd"),
                    format!("{budget} is no budget."),
                    "Give 0 to 1000.",
                );
            }
            if rule
                .output
                .as_ref()
                .is_none_or(|output| !output.is_object())
            {
                let next =
                    "Give the JSON Schema of the answer, so that later steps know what to expect.";
                self.problems.add(
                    &below(path, "output"),
                    "An agent's answer needs a schema.",
                    next,
                );
            }
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the range was just checked"
            )]
            let budget_micro_usd = (budget * 1e6).round() as i64;
            acts.push((
                "agent",
                Some(Act::Agent {
                    agent,
                    with: self.template(&with(rule), &with_path, names),
                    output: rule.output.clone().unwrap_or_default(),
                    budget_micro_usd,
                }),
            ));
        }
        let given: Vec<&str> = acts.iter().map(|(name, _)| *name).collect();
        if given.len() == 1 {
            return acts.pop().and_then(|(_, act)| act);
        }
        let message = if given.is_empty() {
            "The step does nothing.".to_owned()
        } else {
            format!("The step has {}.", given.join(" and "))
        };
        self.problems.add(
            path,
            message,
            format!("A step has exactly one of {ACTIONS}."),
        );
        None
    }

    /// Checks an operation against the catalog: it exists, a workflow may run it, and it has these fields.
    fn operation(
        &mut self,
        name: &str,
        with: &Value,
        path: &str,
        with_path: &str,
        names: &[String],
    ) -> Option<Act> {
        let with_template = self.template(with, with_path, names);
        let Some(entry) = catalog::find(name) else {
            let near = did_you_mean(name, catalog::CATALOG.iter().map(|entry| entry.name));
            let next = format!("{near} docs/catalog.md and search_tools list all.");
            self.problems.add(
                path,
                format!("There is no operation {name:?}."),
                next.trim_start(),
            );
            return None;
        };
        let of_people = [Permission::ApprovalsDecide, Permission::WorkflowsWrite];
        if of_people.contains(&entry.needs) || !Permissions::all_for_tokens().allows(entry.needs) {
            let message = format!("{name} is for people; a workflow cannot run it.");
            self.problems
                .add(path, message, "Use `approve` to ask a person.");
            return None;
        }
        let schema = catalog::input_schema(name);
        if let Some((field, known)) = schema::unknown_field(schema, with, "") {
            let last = field.rsplit('.').next().unwrap_or(&field);
            let near = did_you_mean(last, known.iter().map(String::as_str));
            let next = format!("{near} Known: {}.", known.join(", "));
            let message = format!("`{field}` is not a field of {name}.");
            self.problems
                .add(&below(with_path, &field), message, next.trim_start());
        }
        let required = schema["required"].as_array().into_iter().flatten();
        for field in required.filter_map(Value::as_str) {
            if with.get(field).is_none() {
                let what = schema["properties"][field]["description"]
                    .as_str()
                    .unwrap_or_default();
                let message = format!("{name} needs `{field}`.");
                self.problems.add(with_path, message, what);
            }
        }
        Some(Act::Operation {
            name: name.to_owned(),
            with: with_template,
        })
    }

    fn wait(&mut self, wait: &WaitRule, path: &str, names: &[String]) -> Option<Act> {
        let changes: Vec<String> = wait
            .change
            .as_ref()
            .map(|change| change.list().to_vec())
            .unwrap_or_default();
        for kind in &changes {
            self.kind(kind, &below(path, "change"));
        }
        if wait.until.is_none() && wait.length.is_none() && changes.is_empty() {
            let next = "Give until, for or change.";
            self.problems
                .add(path, "It is not said what is waited for.", next);
            return None;
        }
        if wait.about.is_some() && changes.is_empty() {
            let message = "`about` says what a change must be about, and no change is waited for.";
            self.problems.add(
                &below(path, "about"),
                message,
                "Add `change`, or take it away.",
            );
        }
        let mut read = |source: &Option<String>, field: &str| {
            source
                .as_ref()
                .and_then(|source| self.expression(source, &below(path, field), names))
        };
        Some(Act::Wait {
            until: read(&wait.until, "until"),
            about: read(&wait.about, "about"),
            length: wait.length,
            changes,
        })
    }

    fn each(
        &mut self,
        each: &mut EachRule,
        nested: Vec<Value>,
        path: &str,
        names: &mut Vec<String>,
        depth: usize,
    ) -> Option<Act> {
        if depth >= DEPTH {
            let message = format!("`each` stands more than {DEPTH} deep.");
            self.problems.add(
                path,
                message,
                "Move the inner one into a workflow of its own and `call` it.",
            );
            return None;
        }
        let list = self.expression(&each.list, &below(path, "in"), names);
        let at_most = each.at_most.unwrap_or(ITEMS);
        if !(1..=MOST_ITEMS).contains(&at_most) {
            let message = format!("{at_most} items are not possible.");
            self.problems.add(
                &below(path, "at_most"),
                message,
                format!("Give 1 to {MOST_ITEMS}."),
            );
        }
        if !is_name(&each.name) || TAKEN.contains(&each.name.as_str()) || names.contains(&each.name)
        {
            let message = format!("{:?} cannot be what an item is called.", each.name);
            self.problems.add(
                &below(path, "as"),
                message,
                "Choose a name that nothing else has, such as person.",
            );
        }
        if nested.is_empty() {
            self.problems.add(
                &below(path, "steps"),
                "There is no step.",
                "Add at least one.",
            );
        }
        let before = names.len();
        names.extend([each.name.clone(), "index".to_owned()]);
        let (rules, steps) = self.steps(nested, &below(path, "steps"), names, depth + 1);
        // Inside, steps see each other; outside, their answers are in the list that `each` answers.
        names.truncate(before);
        each.steps = rules;
        Some(Act::Each {
            list: list?,
            name: each.name.clone(),
            at_most,
            steps,
        })
    }
}

const NAME_FORM: &str =
    "Use lower-case letters, digits and underscores, a letter first, at most 40 characters.";

fn is_name(text: &str) -> bool {
    text.len() <= 40
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn default_reason(status: EndStatus) -> String {
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
