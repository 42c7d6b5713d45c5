//! The machine: given what was done, what a run does next. It remembers nothing else and does nothing itself.

use std::{collections::HashMap, sync::Arc};

use domain::{Permissions, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    check::MAIL,
    document::{EndStatus, OnError, Otherwise},
    expression::{Expression, Scope},
    plan::{Act, Plan, StepPlan},
    program::{Action, Awaited, End, Next, Program, Retry, Step, StepError},
};
use crate::organizations::Organization;

/// What a run begins with.
#[derive(Debug, Clone)]
pub struct Start {
    /// The run's id, as people see it.
    pub run_id: String,
    /// Whose run it is.
    pub organization: Organization,
    /// What started it: `{"kind": "change", "change": "order.paid", "payload": {..}}` and the like.
    pub trigger: Value,
    /// What was given by hand or by a calling workflow.
    pub params: Value,
    /// What a person has set: each replaces what has its name.
    pub variables: Value,
    /// When the run began, by its own clock.
    pub started_at: Timestamp,
}

/// A run of a definition.
pub struct Machine {
    plan: Arc<Plan>,
    start: Start,
    outputs: HashMap<String, Value>,
    failures: HashMap<String, StepError>,
}

/// Where a walk over steps has led.
enum Flow {
    /// To the end of them.
    On,
    Do(Step),
    End(End),
    Failed(String, StepError),
}

/// What one step has come to.
enum Outcome {
    Value(Value),
    Do(Step),
    End(End),
    Failed(String, StepError),
}

/// A value that must be the same whenever it is asked for: there already, or to be kept first.
enum Memo {
    Known(Value),
    Keep(Step),
}

impl Machine {
    pub(super) fn new(plan: Arc<Plan>, start: Start) -> Self {
        Self {
            plan,
            start,
            outputs: HashMap::new(),
            failures: HashMap::new(),
        }
    }

    /// What steps have answered so far.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.outputs
            .iter()
            .map(|(path, output)| (path.as_str(), output))
    }

    fn scope(&self, now: Timestamp) -> Scope {
        let organization = &self.start.organization;
        let mut scope = Scope {
            variables: Map::new(),
            now,
            zone: organization.zone.clone(),
        };
        let facts = json!({
            "id": organization.id, "name": organization.name, "slug": organization.slug,
            "currency": organization.currency, "zone": organization.zone,
        });
        let run = json!({"id": self.start.run_id, "started_at": self.start.started_at});
        let trigger = self.start.trigger.clone();
        let change = change_of(&trigger);
        for (name, value) in [
            ("organization", facts),
            ("run", run),
            ("trigger", trigger),
            ("change", change),
            ("params", self.start.params.clone()),
        ] {
            self.bind(&mut scope, name, value);
        }
        scope
    }

    /// Gives a name its value, or the one that a person has set instead.
    fn bind(&self, scope: &mut Scope, name: &str, value: Value) {
        let value = self.start.variables.get(name).cloned().unwrap_or(value);
        scope.variables.insert(name.to_owned(), value);
    }

    fn deadline(&self) -> Timestamp {
        self.start
            .started_at
            .plus_seconds(self.plan.deadline.seconds())
    }

    fn walk(&self, steps: &[StepPlan], prefix: &str, scope: &mut Scope) -> Flow {
        for step in steps {
            let path = format!("{prefix}{}", step.id);
            let failed = match self.step(step, &path, scope) {
                Ok(Outcome::Value(value)) => {
                    self.bind(scope, &step.id, value);
                    continue;
                }
                Ok(Outcome::Do(step)) => return Flow::Do(step),
                Ok(Outcome::End(end)) => return Flow::End(end),
                Ok(Outcome::Failed(path, error)) => (path, error),
                Err(error) => (path, error),
            };
            if step.on_error == OnError::Fail {
                return Flow::Failed(failed.0, failed.1);
            }
            self.bind(scope, &step.id, told(&failed.1));
        }
        Flow::On
    }

    fn step(&self, step: &StepPlan, path: &str, scope: &mut Scope) -> Result<Outcome, StepError> {
        if let Some(output) = self.outputs.get(path) {
            return Ok(after(step, output));
        }
        if let Some(error) = self.failures.get(path) {
            return Err(error.clone());
        }
        if let Some(when) = &step.when {
            let truth = |scope: &Scope| Ok(when.truth(scope)?.into());
            match self.steady(when.uses_now(), || format!("{path}/when"), scope, truth)? {
                Memo::Known(Value::Bool(true)) => {}
                Memo::Known(_) => return Ok(Outcome::Value(Value::Null)),
                Memo::Keep(keep) => return Ok(Outcome::Do(keep)),
            }
        }
        if let Act::Each {
            list,
            name,
            at_most,
            steps,
        } = &step.act
        {
            return self.each(step, path, (list, name, *at_most, steps), scope);
        }
        let action = match self.action(&step.act, path, scope)? {
            Ok(action) => action,
            Err(outcome) => return Ok(outcome),
        };
        Ok(Outcome::Do(Step {
            path: path.to_owned(),
            action,
            retry: step.retry,
        }))
    }

    /// A value that depends on the clock is computed once and kept, so that a run taken up later goes the same way.
    fn steady(
        &self,
        is_moving: bool,
        path: impl FnOnce() -> String,
        scope: &Scope,
        compute: impl FnOnce(&Scope) -> Result<Value, StepError>,
    ) -> Result<Memo, StepError> {
        if !is_moving {
            return compute(scope).map(Memo::Known);
        }
        let path = path();
        Ok(match self.outputs.get(&path) {
            Some(value) => Memo::Known(value.clone()),
            None => Memo::Keep(keep(path, compute(scope)?)),
        })
    }

    /// The action of a step, or what it comes to without one.
    fn action(
        &self,
        act: &Act,
        path: &str,
        scope: &Scope,
    ) -> Result<Result<Action, Outcome>, StepError> {
        Ok(Ok(match act {
            Act::Operation { name, with } => {
                let mut input = with.render(scope)?;
                if name == MAIL
                    && let Some(fields) = input.as_object_mut()
                {
                    // The same step of the same run sends nobody the same message twice.
                    let key = || format!("{}/{path}", self.start.run_id).into();
                    fields.entry("dedupe_key").or_insert_with(key);
                }
                Action::Operation {
                    name: name.clone(),
                    input,
                }
            }
            Act::Wait {
                until,
                length,
                changes,
                about,
            } => {
                let bounds = (until.as_ref(), *length);
                match self.wait(path, bounds, (changes, about.as_ref()), scope)? {
                    Ok(action) => action,
                    Err(keep) => return Ok(Err(Outcome::Do(keep))),
                }
            }
            Act::Approve {
                title,
                show,
                expires,
                ..
            } => {
                let ends = |scope: &Scope| Ok(json!(scope.now.plus_seconds(expires.seconds())));
                match self.steady(true, || format!("{path}/expires"), scope, ends)? {
                    Memo::Keep(keep) => return Ok(Err(Outcome::Do(keep))),
                    Memo::Known(ends) => Action::Approve {
                        title: title.text(scope)?,
                        show: show.render(scope)?,
                        expires_at: instant(&ends)?.min(self.deadline()),
                    },
                }
            }
            Act::Set(values) => Action::Keep {
                value: values.render(scope)?,
            },
            Act::End {
                status,
                reason,
                output,
            } => {
                let reason = reason.text(scope)?;
                return Ok(Err(Outcome::End(match status {
                    EndStatus::Done => End::Done(output.render(scope)?),
                    EndStatus::Skipped => End::Skipped(reason),
                    EndStatus::Failed => End::Failed(failed("ended_as_failed", reason)),
                })));
            }
            Act::Emit { name, with } => Action::Emit {
                name: name.clone(),
                payload: with.render(scope)?,
            },
            Act::Call { workflow, with } => Action::Call {
                workflow: workflow.clone(),
                params: with.render(scope)?,
            },
            Act::Http { method, url, body } => Action::Http {
                method: method.clone(),
                url: url.text(scope)?,
                body: body.as_ref().map(|body| body.render(scope)).transpose()?,
            },
            Act::Agent {
                agent,
                with,
                output,
                budget_micro_usd,
            } => Action::Agent {
                agent: agent.clone(),
                input: with.render(scope)?,
                output: output.clone(),
                budget_micro_usd: *budget_micro_usd,
            },
            Act::Each { .. } => unreachable!("each is walked, never executed"),
        }))
    }

    fn wait(
        &self,
        path: &str,
        (until, length): (Option<&Expression>, Option<super::duration::Span>),
        (changes, about): (&[String], Option<&Expression>),
        scope: &Scope,
    ) -> Result<Result<Action, Step>, StepError> {
        let ends = |scope: &Scope| {
            let until = until.map(|until| until.instant(scope)).transpose()?;
            let length = length.map(|length| scope.now.plus_seconds(length.seconds()));
            Ok(json!(until.into_iter().chain(length).min()))
        };
        let is_moving = length.is_some() || until.is_some_and(Expression::uses_now);
        let ends = match self.steady(is_moving, || format!("{path}/until"), scope, ends)? {
            Memo::Known(Value::Null) => None,
            Memo::Known(ends) => Some(instant(&ends)?),
            Memo::Keep(keep) => return Ok(Err(keep)),
        };
        let about = about.map(|about| bare_id(about, scope)).transpose()?;
        let changes = changes.iter().map(|kind| Awaited {
            kind: kind.clone(),
            about,
        });
        // Nothing waits beyond the run's own deadline.
        let until = Some(ends.map_or(self.deadline(), |ends| ends.min(self.deadline())));
        Ok(Ok(Action::Wait {
            until,
            changes: changes.collect(),
        }))
    }

    fn each(
        &self,
        step: &StepPlan,
        path: &str,
        (list, name, at_most, steps): (&Expression, &str, u16, &[StepPlan]),
        scope: &mut Scope,
    ) -> Result<Outcome, StepError> {
        let items = |scope: &Scope| list.value(scope);
        let items = match self.steady(list.uses_now(), || format!("{path}/items"), scope, items)? {
            Memo::Known(Value::Array(items)) => items,
            Memo::Known(Value::Null) => Vec::new(),
            Memo::Known(_) => {
                let message = format!("{list:?} gives no list");
                return Err(failed("not_a_list", message));
            }
            Memo::Keep(keep) => return Ok(Outcome::Do(keep)),
        };
        if items.len() > usize::from(at_most) {
            let message = format!(
                "{list:?} has {} items and the step allows {at_most}; raise `at_most` or narrow the list",
                items.len()
            );
            return Err(failed("too_many_items", message));
        }
        let mut answers = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            scope.variables.insert(name.to_owned(), item);
            scope.variables.insert("index".to_owned(), index.into());
            let flow = self.walk(steps, &format!("{path}/{index}/"), scope);
            let mut answer = Map::new();
            for child in steps {
                if let Some(value) = scope.variables.shift_remove(&child.id) {
                    answer.insert(child.id.clone(), value);
                }
            }
            match flow {
                Flow::On => answers.push(Value::Object(answer)),
                Flow::Do(step) => return Ok(Outcome::Do(step)),
                Flow::End(end) => return Ok(Outcome::End(end)),
                Flow::Failed(_, error) if step.on_error == OnError::Continue => {
                    answers.push(told(&error));
                }
                Flow::Failed(path, error) => return Ok(Outcome::Failed(path, error)),
            }
        }
        scope.variables.shift_remove(name);
        scope.variables.shift_remove("index");
        Ok(Outcome::Value(Value::Array(answers)))
    }

    /// What follows a failure: the steps of `on_failure`, then the end.
    fn fail(&self, path: &str, error: StepError, scope: &mut Scope) -> Next {
        let told = json!({"step": path, "code": error.code, "message": error.message});
        self.bind(scope, "error", told);
        match self.walk(&self.plan.on_failure, "on_failure/", scope) {
            Flow::Do(step) => Next::Do(step),
            Flow::End(end) => Next::End(end),
            Flow::On | Flow::Failed(..) => Next::End(End::Failed(error)),
        }
    }
}

impl Program for Machine {
    fn record(&mut self, path: &str, output: Value) {
        self.failures.remove(path);
        self.outputs.insert(path.to_owned(), output);
    }

    fn record_failure(&mut self, path: &str, error: &StepError) {
        self.outputs.remove(path);
        self.failures.insert(path.to_owned(), error.clone());
    }

    fn needs(&self) -> Permissions {
        self.plan.needs()
    }

    fn next(&self, now: Timestamp) -> Result<Next, StepError> {
        let mut scope = self.scope(now);
        let flow = self.walk(&self.plan.steps, "", &mut scope);
        let is_late = now > self.deadline();
        Ok(match flow {
            Flow::End(end) => Next::End(end),
            Flow::On => Next::End(End::Done(Value::Object(Map::new()))),
            Flow::Failed(path, error) => self.fail(&path, error, &mut scope),
            Flow::Do(step) if is_late => {
                let message = format!("the run took longer than {}", self.plan.deadline);
                self.fail(&step.path, failed("deadline_passed", message), &mut scope)
            }
            Flow::Do(step) => Next::Do(step),
        })
    }
}

/// What the change that started a run says; nothing for other starts.
pub(super) fn change_of(trigger: &Value) -> Value {
    trigger.get("payload").cloned().unwrap_or(Value::Null)
}

/// What a step's answer means for the run: a person who did not agree may end it.
fn after(step: &StepPlan, output: &Value) -> Outcome {
    let Act::Approve {
        on_reject,
        on_expire,
        title,
        ..
    } = &step.act
    else {
        return Outcome::Value(output.clone());
    };
    let (otherwise, what) = match output["decision"].as_str() {
        Some("approved") => return Outcome::Value(output.clone()),
        Some("expired") => (on_expire, "nobody decided in time"),
        _ => (on_reject, "a person said no"),
    };
    let title = title.source().as_str().unwrap_or_default();
    match otherwise {
        Otherwise::Continue => Outcome::Value(output.clone()),
        Otherwise::End => Outcome::End(End::Skipped(format!("{what}: {title}"))),
        Otherwise::Fail => Outcome::Failed(
            step.id.clone(),
            failed("not_approved", format!("{what}: {title}")),
        ),
    }
}

fn keep(path: String, value: Value) -> Step {
    Step {
        path,
        action: Action::Keep { value },
        retry: Retry::default(),
    }
}

fn told(error: &StepError) -> Value {
    json!({"error": {"code": error.code, "message": error.message}})
}

fn failed(code: &str, message: String) -> StepError {
    StepError {
        code: code.to_owned(),
        message,
        is_transient: false,
    }
}

fn instant(value: &Value) -> Result<Timestamp, StepError> {
    let parsed = value.as_str().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| failed("no_time", format!("{value} is no time")))
}

/// The bare id that a wait is about.
fn bare_id(about: &Expression, scope: &Scope) -> Result<Uuid, StepError> {
    let value = about.value(scope)?;
    let text = value.as_str().unwrap_or_default();
    let bare = text.rsplit('_').next().unwrap_or(text);
    Uuid::try_parse(bare)
        .map_err(|_| failed("no_id", format!("{about:?} gives {value}, which is no id")))
}
