//! `dry_run_workflow`: what a workflow would do, step by step, without doing it.

use domain::{
    Cx, Facts, Fault, FaultKind, FaultSpec, Permission, Permissions, Timestamp, Untrusted,
    context::Mode,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::StoreError;

use super::{
    definition::{Definition, NextStart},
    get_workflow::{WorkflowLookupError, version},
    machine::Start,
    plan::Trigger,
    problem::Problem,
    program::{Action, End, Next, Program as _, Step, StepError},
    save_workflow,
};
use crate::{App, Effect, Operation, approvals::policy, catalog, organizations};

/// Steps of one dry run at most.
const STEPS: usize = 200;
/// The longest text of an input or answer that is shown, in characters.
const SHOWN: usize = 400;

/// Try a workflow: reads run for real, writes are tried and taken back, waits pass at once, questions are answered
/// with yes, nothing is sent. Give a stored one's name or a definition as yaml, and the payload of the change that
/// would start it (docs/changes.md; real ids from `list_changes`).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct DryRunWorkflow {
    /// A stored workflow.
    pub workflow: Option<String>,
    /// Or a definition.
    pub yaml: Option<String>,
    /// What `change` is: {"`order_id`": "ord_…"}.
    pub change: Option<Map<String, Value>>,
    /// What `params` are.
    pub params: Option<Map<String, Value>>,
    /// Answers for steps that cannot be tried, by step id.
    pub assume: Option<Map<String, Value>>,
}

/// What a workflow would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowDryRun {
    /// Its name.
    pub workflow: String,
    /// The steps in the order in which they would be taken.
    pub steps: Vec<DryStep>,
    /// How it would end: done, skipped, failed, or unfinished.
    pub end: String,
    /// Why it would end so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// When the clock would start it.
    pub next_starts: Vec<NextStart>,
}

/// A step that would be taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DryStep {
    /// Its path: the id, below an `each` with the item's number.
    pub path: String,
    /// When, if all waits took their full time.
    pub at: Timestamp,
    /// What it is: operation, wait, approve, http, call, emit, agent, set.
    pub kind: String,
    /// What it would do, each as a sentence.
    pub would: Vec<String>,
    /// Its input, shortened.
    pub input: Untrusted,
    /// Why it would fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Operation for DryRunWorkflow {
    const NAME: &'static str = "dry_run_workflow";
    // Writes are tried in transactions that are taken back, which a read-only connection may not even open.
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::WorkflowsWrite;
    type Output = WorkflowDryRun;
    type Error = DryRunWorkflowError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WorkflowDryRun, DryRunWorkflowError> {
        let (definition, organization) = {
            let mut tx = app.store().read(cx).await?;
            let definition = match (&self.workflow, &self.yaml) {
                (Some(name), None) => version(tx.conn(), name, None).await?.definition,
                (None, Some(yaml)) => {
                    Definition::parse(yaml).map_err(DryRunWorkflowError::Wrong)?
                }
                _ => return Err(DryRunWorkflowError::WhichOne),
            };
            (definition, organizations::current(tx.conn()).await?)
        };
        let params = self.params.clone().unwrap_or_default();
        let params = definition.params().check(&params).or_else(|error| {
            // Only a start by hand has parameters to check.
            let by_hand = self.change.is_none()
                && definition
                    .triggers()
                    .iter()
                    .any(|t| matches!(t, Trigger::Manual { .. }));
            if by_hand {
                Err(DryRunWorkflowError::Params(error))
            } else {
                Ok(Value::Object(params))
            }
        })?;
        let next_starts = definition.next_starts(cx.now, &organization.zone, 5);
        let start = Start {
            run_id: "run_00000000000000000000000000000000".to_owned(),
            trigger: self.trigger(&definition, next_starts.first(), cx.now)?,
            params,
            variables: json!({}),
            started_at: cx.now,
            organization,
        };
        let mut trial = Trial {
            app,
            cx,
            now: cx.now,
            assume: self.assume.unwrap_or_default(),
            steps: Vec::new(),
        };
        let (end, why) = trial.follow(&definition, start).await;
        Ok(WorkflowDryRun {
            workflow: definition.name().to_owned(),
            steps: trial.steps,
            end: end.to_owned(),
            why,
            next_starts,
        })
    }
}

impl DryRunWorkflow {
    /// What would start it: the change if one is given, or if it starts from nothing else; the clock, as it will the
    /// next time; a person.
    fn trigger(
        &self,
        definition: &Definition,
        next: Option<&NextStart>,
        now: Timestamp,
    ) -> Result<Value, DryRunWorkflowError> {
        let kinds = definition
            .triggers()
            .iter()
            .filter_map(|trigger| match trigger {
                Trigger::Change { kind, .. } => Some((kind, trigger)),
                _ => None,
            });
        let kinds: Vec<_> = kinds.collect();
        match (&self.change, kinds.first()) {
            (Some(change), Some(_)) => {
                let payload = Value::Object(change.clone());
                let fits = kinds
                    .iter()
                    .find(|(kind, trigger)| trigger.accepts(kind, &payload) == Ok(true));
                let Some((kind, _)) = fits else {
                    return Err(DryRunWorkflowError::NotStarted);
                };
                Ok(json!({"kind": "change", "change": kind, "at": now, "payload": payload}))
            }
            (None, Some((kind, _))) if kinds.len() == definition.triggers().len() => {
                Err(DryRunWorkflowError::ChangeMissing((*kind).clone()))
            }
            _ => Ok(match next.filter(|_| self.params.is_none()) {
                Some(next) => json!({"kind": "cron", "due_at": next.at}),
                None => json!({"kind": "manual"}),
            }),
        }
    }
}

/// A run that leaves nothing behind.
struct Trial<'a> {
    app: &'a App,
    cx: &'a Cx,
    now: Timestamp,
    assume: Map<String, Value>,
    steps: Vec<DryStep>,
}

impl Trial<'_> {
    async fn follow(&mut self, definition: &Definition, start: Start) -> (&'static str, String) {
        let mut machine = definition.machine(start);
        while self.steps.len() < STEPS {
            match machine.next(self.now) {
                Err(error) | Ok(Next::End(End::Failed(error))) => return ("failed", error.message),
                Ok(Next::End(End::Done(_))) => return ("done", String::new()),
                Ok(Next::End(End::Skipped(why))) => return ("skipped", why),
                Ok(Next::Do(step)) => {
                    // Values that only depend on the clock are kept by the machine's own steps; nobody asks for them.
                    if let (Action::Keep { value }, true) = (
                        &step.action,
                        step.path.ends_with("/until")
                            || step.path.ends_with("/expires")
                            || step.path.ends_with("/when")
                            || step.path.ends_with("/items"),
                    ) {
                        machine.record(&step.path, value.clone());
                        continue;
                    }
                    match self.take(&step).await {
                        Ok(answer) => machine.record(&step.path, answer),
                        Err(error) => machine.record_failure(&step.path, &error),
                    }
                }
            }
        }
        (
            "unfinished",
            format!("Only the first {STEPS} steps were tried."),
        )
    }

    /// Tries a step and notes what it would do.
    async fn take(&mut self, step: &Step) -> Result<Value, StepError> {
        let at = self.now;
        let id = step.path.rsplit('/').next().unwrap_or(&step.path);
        let assumed = self
            .assume
            .get(id)
            .or_else(|| self.assume.get(&step.path))
            .cloned();
        let (kind, input, would, outcome) = match &step.action {
            Action::Operation { name, input } => {
                let (would, outcome) = self.operation(name, input).await;
                (
                    "operation",
                    json!({"operation": name, "with": input}),
                    would,
                    outcome,
                )
            }
            Action::Wait { until, changes } => {
                let kinds: Vec<&str> = changes.iter().map(|change| change.kind.as_str()).collect();
                let mut would = Vec::new();
                would.extend(until.map(|until| format!("Waits until {until}")));
                would.extend(
                    (!kinds.is_empty())
                        .then(|| format!("Goes on earlier when {}", kinds.join(" or "))),
                );
                self.now = until.unwrap_or(self.now).max(self.now);
                ("wait", json!({}), would, Ok(json!({"woken_by": "time"})))
            }
            Action::Approve {
                title,
                show,
                expires_at,
            } => {
                let would = vec![format!("Asks a person until {expires_at}: {title}")];
                (
                    "approve",
                    show.clone(),
                    would,
                    Ok(json!({"decision": "approved", "by": null, "note": null})),
                )
            }
            // No definition has these: they are an agent's own.
            Action::Perform { .. } | Action::Propose { .. } => {
                ("agent", json!({}), Vec::new(), Ok(json!({})))
            }
            Action::Http { method, url, body } => (
                "http",
                json!({"body": body}),
                vec![format!("Calls {method} {url}")],
                Ok(json!({"status": 200, "body": {}})),
            ),
            Action::Call { workflow, params } => (
                "call",
                params.clone(),
                vec![format!("Runs the workflow {workflow}")],
                Ok(json!({})),
            ),
            Action::Emit { name, payload } => (
                "emit",
                payload.clone(),
                vec![format!("Says {name:?}")],
                Ok(json!({"name": name})),
            ),
            Action::Agent { agent, input, .. } => (
                "agent",
                input.clone(),
                vec![format!("Asks the agent {agent}")],
                Ok(json!({})),
            ),
            Action::Keep { value } => ("set", value.clone(), Vec::new(), Ok(value.clone())),
        };
        let outcome = assumed.map_or(outcome, Ok);
        let shown: String = input.to_string().chars().take(SHOWN).collect();
        self.steps.push(DryStep {
            path: step.path.clone(),
            at,
            kind: kind.to_owned(),
            would,
            input: Untrusted::new(&shown),
            error: outcome.as_ref().err().map(|error| error.message.clone()),
        });
        outcome
    }

    async fn operation(
        &self,
        name: &str,
        input: &Value,
    ) -> (Vec<String>, Result<Value, StepError>) {
        let Some(entry) = catalog::find(name) else {
            let message = format!("there is no operation {name:?}");
            return (Vec::new(), Err(failed("unknown_operation", message)));
        };
        let mode = if entry.effect == Effect::Read || self.cx.mode == Mode::ReadOnly {
            Mode::ReadOnly
        } else {
            Mode::DryRun
        };
        // What a run may do, and no more than whoever tries it.
        let permissions = self.cx.permissions.intersect(Permissions::all_for_tokens());
        let mut cx = self
            .cx
            .in_mode(mode)
            .with_permissions(permissions)
            .with_now(self.now);
        (cx.idempotency, cx.confirmed) = (None, None);
        match entry.run(self.app, &cx, input.clone(), None).await {
            Ok(answer) => {
                let recorded = cx.recorded();
                let mut would: Vec<String> = recorded
                    .iter()
                    .map(|change| change.summary.clone())
                    .collect();
                if entry.effect == Effect::Read {
                    would.push(match answer["items"].as_array() {
                        Some(items) => format!("Reads {} items", items.len()),
                        None => "Reads".to_owned(),
                    });
                } else if let Some(reason) = policy::verdict(name, input, &recorded) {
                    would.insert(0, format!("Asks a person first: {}", reason.text));
                } else if would.is_empty() {
                    would.push("Changes nothing".to_owned());
                }
                (would, Ok(answer))
            }
            Err(failure) => (Vec::new(), Err(failed(failure.code, failure.message))),
        }
    }
}

fn failed(code: &str, message: String) -> StepError {
    StepError {
        code: code.to_owned(),
        message,
        is_transient: false,
    }
}

/// How `dry_run_workflow` refuses.
#[derive(Debug, thiserror::Error)]
pub enum DryRunWorkflowError {
    /// Neither or both were given.
    #[error("give either the name of a stored workflow or a definition as yaml")]
    WhichOne,
    /// The definition has mistakes.
    #[error("the definition has mistakes:\n{}", save_workflow::lines(.0))]
    Wrong(Vec<Problem>),
    /// It starts from a change and none was given.
    #[error("it starts from {0}, so `change` must say what such a change says")]
    ChangeMissing(String),
    /// The change would not start it.
    #[error("this change would not start it: no start's condition holds")]
    NotStarted,
    /// A parameter does not fit.
    #[error("{0}")]
    Params(String),
    /// It was not found.
    #[error(transparent)]
    Lookup(#[from] WorkflowLookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const WHICH_ONE: FaultSpec =
    FaultSpec::new(FaultKind::Invalid, "workflow_or_yaml", "Give one of them.");
const CHANGE_MISSING: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "change_missing",
    "Take the payload of a real one from list_changes (detailed), or make one up with real ids.",
);
const NOT_STARTED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "would_not_start",
    "Give a change that fits, or correct the condition.",
);
/// A parameter of a workflow is missing, unknown or of another type.
pub(crate) const PARAMS_WRONG: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "params_wrong",
    "Correct the parameter that is named; get_workflow shows them all.",
);

impl Fault for DryRunWorkflowError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            WHICH_ONE,
            save_workflow::WRONG,
            CHANGE_MISSING,
            NOT_STARTED,
            PARAMS_WRONG,
        ];
        specs.extend(WorkflowLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::WhichOne => WHICH_ONE.into(),
            Self::Wrong(_) => save_workflow::WRONG.into(),
            Self::ChangeMissing(_) => CHANGE_MISSING.into(),
            Self::NotStarted => NOT_STARTED.into(),
            Self::Params(_) => PARAMS_WRONG.into(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for DryRunWorkflowError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scene, assert_refused};

    const CANCEL: &str = r#"
id: cancel-late
title: Cancel what is not paid
on: [{change: order.placed, if: change.total.amount > 0}]
steps:
  - id: pause
    wait: { for: 3d, change: order.paid, about: change.order_id }
  - id: order
    operation: get_order
    with: { order: "{{ change.order_id }}" }
  - id: cancel
    operation: cancel_order
    with: { order: "{{ order.id }}" }
  - id: hook
    http: { url: "https://example.org/x", body: { status: "{{ order.status }}" } }
"#;

    #[expect(clippy::needless_pass_by_value, reason = "reads better at its callers")]
    fn trying(change: Value) -> DryRunWorkflow {
        DryRunWorkflow {
            yaml: Some(CANCEL.to_owned()),
            change: change.as_object().cloned(),
            ..DryRunWorkflow::default()
        }
    }

    #[tokio::test]
    async fn says_what_it_would_do_and_does_nothing() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2_500, 10).await;
        let order = scene.order(event.id, 2).await;
        let before = scene.changes().await.len();
        let change =
            json!({"order_id": order.order.id, "total": {"amount": 5_000, "currency": "EUR"}});
        let run = scene.run(trying(change)).await.unwrap();
        assert_eq!(
            (run.end.as_str(), run.why.as_str()),
            ("done", ""),
            "{run:?}"
        );
        let paths: Vec<&str> = run.steps.iter().map(|step| step.path.as_str()).collect();
        assert_eq!(paths, ["pause", "order", "cancel", "hook"]);
        assert_eq!(run.steps[1].at, scene.cx.now.plus_seconds(3 * 86_400));
        assert!(
            run.steps[2].would[0].starts_with("Cancels the pending order"),
            "{:?}",
            run.steps[2]
        );
        assert_eq!(scene.changes().await.len(), before, "nothing was kept");
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_step_that_would_fail_says_why() {
        let scene = Scene::new().await;
        let change =
            json!({"order_id": "ord_0190aaaabbbb7ccc8dddeeeeffff0001", "total": {"amount": 1}});
        let run = scene.run(trying(change)).await.unwrap();
        assert_eq!(run.end, "failed");
        assert!(
            run.steps
                .last()
                .unwrap()
                .error
                .as_ref()
                .unwrap()
                .contains("there is no order"),
            "{run:?}"
        );
    }

    #[tokio::test]
    async fn what_the_clock_starts_is_tried_as_if_it_were_due() {
        let scene = Scene::new().await;
        let weekly = "id: x\ntitle: X\non: [{cron: \"0 9 * * MON\", zone: organization}]\n\
            steps: [{id: week, set: {from: \"{{ trigger.due_at | day(-7) }}\"}}]\n";
        let run = DryRunWorkflow {
            yaml: Some(weekly.to_owned()),
            ..Default::default()
        };
        let run = scene.run(run).await.unwrap();
        assert_eq!(run.end, "done", "{}", run.why);
        assert!(run.next_starts[0].local.starts_with("Mon "), "{run:?}");
    }

    #[tokio::test]
    async fn refuses_what_it_cannot_try() {
        let scene = Scene::new().await;
        assert_refused(
            scene.run(DryRunWorkflow::default()).await,
            "workflow_or_yaml",
        );
        assert_refused(
            scene
                .run(DryRunWorkflow {
                    yaml: Some("id: x".to_owned()),
                    ..Default::default()
                })
                .await,
            "definition_wrong",
        );
        assert_refused(
            scene
                .run(DryRunWorkflow {
                    workflow: Some("x".to_owned()),
                    ..Default::default()
                })
                .await,
            "workflow_not_found",
        );
        let no_change = DryRunWorkflow {
            change: None,
            ..trying(json!({}))
        };
        assert_refused(scene.run(no_change).await, "change_missing");
        assert_refused(
            scene.run(trying(json!({"total": {"amount": 0}}))).await,
            "would_not_start",
        );
        let manual = "id: x\ntitle: X\non: [{manual: {params: {n: {type: integer, required: true}}}}]\nsteps: [{id: a, set: {n: 1}}]\n";
        assert_refused(
            scene
                .run(DryRunWorkflow {
                    yaml: Some(manual.to_owned()),
                    ..Default::default()
                })
                .await,
            "params_wrong",
        );
    }

    #[tokio::test]
    async fn another_organizations_things_are_not_there() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2_500, 10).await;
        let order = scene.order(event.id, 2).await;
        let other = scene.other_organization().await;
        let change = json!({"order_id": order.order.id, "total": {"amount": 1}});
        let run = scene.app.run(&other, trying(change)).await.unwrap();
        assert_eq!(run.end, "failed");
    }
}
