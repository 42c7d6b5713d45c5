//! The checks of steps: each has one action, that action has what it needs, and every name is known.

use std::time::Duration;

use domain::{Permission, Permissions};
use serde_json::{Value, json};

use super::{
    check::{
        ACTIONS, Checker, DEPTH, ITEMS, MAIL, MOST_ITEMS, NAME_FORM, STEPS, TAKEN, default_reason,
        is_name,
    },
    document::{ApproveRule, EachRule, EndRule, Method, OnError, Otherwise, StepRule, WaitRule},
    duration::Span,
    plan::{Act, StepPlan},
    problem::{below, did_you_mean},
    program::Retry,
};
use crate::{catalog, schema};

impl Checker<'_> {
    /// Checks steps in order; each adds its id to the names that later ones see.
    pub(super) fn steps(
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
        let mut acts: Vec<(&'static str, Option<Act>)> = Vec::new();
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
                self.operation(MAIL, &Value::Object(email), &path, &path, names),
            ));
        }
        if let Some(wait) = rule.wait.clone() {
            acts.push(("wait", self.wait(&wait, &below(path, "wait"), names)));
        }
        if let Some(approve) = rule.approve.clone() {
            let act = self.approve(approve, &below(path, "approve"), names);
            acts.push(("approve", Some(act)));
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
            let act = self.end(end, &below(path, "end"), names);
            acts.push(("end", Some(act)));
        }
        acts.extend(self.acts_outside(rule, path, names));
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

    fn approve(&mut self, approve: ApproveRule, path: &str, names: &[String]) -> Act {
        let show = approve.show.unwrap_or(Value::Null);
        Act::Approve {
            title: self.template(&approve.title.into(), &below(path, "title"), names),
            show: self.template(&show, &below(path, "show"), names),
            expires: approve.expires.unwrap_or(Span::days(3)),
            on_reject: approve.on_reject.unwrap_or(Otherwise::End),
            on_expire: approve.on_expire.unwrap_or(Otherwise::End),
        }
    }

    fn end(&mut self, end: EndRule, path: &str, names: &[String]) -> Act {
        let reason = end.reason.unwrap_or_else(|| default_reason(end.status));
        let output = end.output.unwrap_or_else(|| json!({}));
        Act::End {
            status: end.status,
            reason: self.template(&reason.into(), &below(path, "reason"), names),
            output: self.template(&output, &below(path, "output"), names),
        }
    }

    /// The actions that reach beyond this run: other workflows, other systems, agents.
    fn acts_outside(
        &mut self,
        rule: &StepRule,
        path: &str,
        names: &[String],
    ) -> Vec<(&'static str, Option<Act>)> {
        let mut acts: Vec<(&str, Option<Act>)> = Vec::new();
        let with = Value::Object(rule.with.clone().unwrap_or_default());
        let with_path = below(path, "with");
        if let Some(name) = rule.emit.clone() {
            acts.push((
                "emit",
                Some(Act::Emit {
                    with: self.template(&with, &with_path, names),
                    name,
                }),
            ));
        }
        if let Some(workflow) = rule.call.clone() {
            acts.push((
                "call",
                Some(Act::Call {
                    with: self.template(&with, &with_path, names),
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
        acts.extend(self.agent(rule, path, names));
        acts
    }

    fn agent(
        &mut self,
        rule: &StepRule,
        path: &str,
        names: &[String],
    ) -> Option<(&'static str, Option<Act>)> {
        let agent = rule.agent.clone()?;
        let with = Value::Object(rule.with.clone().unwrap_or_default());
        let with_path = below(path, "with");
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
        Some((
            "agent",
            Some(Act::Agent {
                agent,
                with: self.template(&with, &with_path, names),
                output: rule.output.clone().unwrap_or_default(),
                budget_micro_usd,
            }),
        ))
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
            // The machine gives each message of a run a key of its own.
            let is_given = name == MAIL && field == "dedupe_key";
            if with.get(field).is_none() && !is_given {
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
