//! `apply_changes`: several writes, all or none.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, Permission, fault::Failure};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{Store, StoreError};

use super::{
    changes::ChangeSetApplied,
    references::{self, Made},
};
use crate::{App, Effect, Entry, Operation, catalog};

/// Do several things together, all or none, such as an event with its venue, ticket types and promo codes. They are tried
/// in order and shown to a person as one; nothing is kept before they agree. Later steps refer to what an earlier one made
/// as "$name".
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ApplyChanges {
    /// What it is all for, in a few words; the person reads it first.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// What to do, in order.
    #[schemars(length(min = 1, max = 40))]
    pub steps: Vec<ChangeStep>,
}

/// One thing to do.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeStep {
    /// What later steps call what this one makes: "night" is referred to as "$night".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub name: Option<String>,
    /// A writing operation on events, venues, tickets, codes, templates or workflows, such as `create_event`.
    #[schemars(length(max = 60))]
    pub operation: String,
    /// Its input, as its own tool takes it.
    #[schemars(schema_with = "any_object")]
    pub input: Map<String, Value>,
}

/// Each operation checks its own input.
fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object"})
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedChanges {
    /// The title.
    pub title: String,
    /// Each step, in order.
    pub steps: Vec<AppliedStep>,
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedStep {
    /// The operation.
    pub operation: String,
    /// What it made or changed, as an id; absent when all was so already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What happened, each as a sentence.
    pub done: Vec<String>,
}

/// What may be done together: writes that touch no money, nobody's order and nobody's mailbox. Sorted.
pub const JOINABLE: &[&str] = &[
    "create_event",
    "create_promo_codes",
    "create_series",
    "duplicate_event",
    "publish_event",
    "save_fee",
    "save_message_template",
    "save_promo_code",
    "save_seat_map",
    "save_tax_rule",
    "save_ticket_type",
    "save_venue",
    "save_workflow",
    "set_add_on",
    "set_buyer_limit",
    "set_chosen_price",
    "set_event_seating",
    "set_price_tiers",
    "set_ticket_type_tax",
    "set_waiting_room",
    "update_event",
    "update_organization",
];

/// The most steps.
const STEPS: usize = 40;
/// The longest title, in characters.
const TITLE: usize = 200;

impl Operation for ApplyChanges {
    const NAME: &'static str = "apply_changes";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = AppliedChanges;
    type Error = ApplyChangesError;

    async fn run(self, app: &App, cx: &Cx) -> Result<AppliedChanges, ApplyChangesError> {
        let title = domain::text::clean(&self.title);
        if !(1..=TITLE).contains(&title.trim().chars().count()) {
            return Err(ApplyChangesError::TitleLength);
        }
        let planned = plan(&self.steps)?;
        let (joint, store) = app.store().joint(cx).await?;
        // Without it each step is kept by itself, which a test shows to be worse.
        let is_joint = !joint.lacks("joint");
        let within = if is_joint {
            app.on(store.clone())
        } else {
            app.clone()
        };
        let mut answer = AppliedChanges {
            title: title.clone(),
            steps: Vec::new(),
        };
        let mut made = Made::new();
        for (index, (step, entry)) in self.steps.iter().zip(&planned).enumerate() {
            let (done, id) = do_step(&within, cx, index, step, entry, &made).await?;
            if let (Some(name), Some(id)) = (&step.name, &id) {
                made.insert(name.clone(), id.clone());
            }
            answer.steps.push(AppliedStep {
                operation: step.operation.clone(),
                id,
                done,
            });
        }
        let change = ChangeSetApplied {
            change_set_id: cx.new_id(),
            title,
            operations: planned.iter().map(|entry| entry.name).collect(),
        };
        let answer = keep(&store, cx, change, answer).await?;
        // Of what is only tried out nothing is left to keep.
        if cx.mode == domain::context::Mode::Live {
            joint.commit().await?;
        }
        Ok(answer)
    }
}

async fn keep(
    store: &Store,
    cx: &Cx,
    change: ChangeSetApplied,
    answer: AppliedChanges,
) -> Result<AppliedChanges, StoreError> {
    store.write(cx).await?.commit(change, answer).await
}

/// The operations of the steps, if all may be done together.
fn plan(steps: &[ChangeStep]) -> Result<Vec<&'static Entry>, ApplyChangesError> {
    if !(1..=STEPS).contains(&steps.len()) {
        return Err(ApplyChangesError::StepCount(steps.len()));
    }
    let entry = |(index, step): (usize, &ChangeStep)| {
        if let Some(name) = step.name.as_ref().filter(|name| !references::is_name(name)) {
            return Err(ApplyChangesError::NameMalformed(index, name.clone()));
        }
        let joinable = JOINABLE.contains(&step.operation.as_str());
        let found = catalog::find(&step.operation).filter(|_| joinable);
        found.ok_or_else(|| ApplyChangesError::NotTogether(index, step.operation.clone()))
    };
    steps.iter().enumerate().map(entry).collect()
}

/// Does a step: what it would tell a person, and the id of what it made or changed first.
async fn do_step(
    app: &App,
    cx: &Cx,
    index: usize,
    step: &ChangeStep,
    entry: &Entry,
    made: &Made,
) -> Result<(Vec<String>, Option<String>), ApplyChangesError> {
    let mut input = Value::Object(step.input.clone());
    references::fill(&mut input, made)
        .map_err(|name| ApplyChangesError::NothingNamed(index, name))?;
    let part = cx.part();
    let before = part.recorded().len();
    entry
        .run(app, &part, input, None)
        .await
        .map_err(|failure| ApplyChangesError::Refused(index, entry.name, Box::new(failure)))?;
    let recorded = part.recorded().split_off(before);
    let id = recorded.first().map(|change| {
        let subject = change.subject;
        format!("{}_{}", subject.kind, subject.id.simple())
    });
    Ok((domain::change::sentences(&recorded), id))
}

/// How `apply_changes` refuses. Steps are counted from 0 in fields and from 1 in words.
#[derive(Debug, thiserror::Error)]
pub enum ApplyChangesError {
    /// The title does not fit.
    #[error("a title has 1 to 200 characters")]
    TitleLength,
    /// Too many steps, or none.
    #[error("1 to 40 steps are done together, not {0}")]
    StepCount(usize),
    /// A name that could not be referred to.
    #[error("step {}: {:?} is not a name; use small letters, digits and underscores", .0 + 1, .1)]
    NameMalformed(usize, String),
    /// The operation stands by itself.
    #[error("step {}: {:?} is not done together with other things", .0 + 1, .1)]
    NotTogether(usize, String),
    /// No earlier step has that name, or it changed nothing.
    #[error("step {}: \"${}\" names no earlier step that made or changed something", .0 + 1, .1)]
    NothingNamed(usize, String),
    /// A step refused.
    #[error("step {}, {}: {}", .0 + 1, .1, .2.message)]
    Refused(usize, &'static str, Box<Failure>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const TITLE_LENGTH: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "change_set_title_length",
    "Say in a few words what it is all for.",
);
const STEP_COUNT: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "change_set_step_count",
    "Propose less at once.",
);
const NAME_MALFORMED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "change_step_name_malformed",
    "Call it something like early_bird.",
);
const NOT_TOGETHER: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "change_step_stands_alone",
    "Take the step out; call that operation by itself.",
);
const NOTHING_NAMED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "change_step_unknown_reference",
    "Give an earlier step that name, or say what is meant by id or exact name.",
);
const REFUSED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "change_step_refused",
    "Nothing of it is kept; correct that step and propose all of them again.",
);

impl Fault for ApplyChangesError {
    fn specs() -> Vec<FaultSpec> {
        vec![
            TITLE_LENGTH,
            STEP_COUNT,
            NAME_MALFORMED,
            NOT_TOGETHER,
            NOTHING_NAMED,
            REFUSED,
        ]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::TitleLength => TITLE_LENGTH.at("title"),
            Self::StepCount(_) => STEP_COUNT.at("steps"),
            Self::NameMalformed(index, _) => NAME_MALFORMED.at(format!("steps[{index}].name")),
            Self::NotTogether(index, _) => NOT_TOGETHER.at(format!("steps[{index}].operation")),
            Self::NothingNamed(index, _) => NOTHING_NAMED.at(format!("steps[{index}].input")),
            Self::Refused(index, _, failure) => {
                let field = failure.field.as_ref();
                let inner = field.map_or_else(String::new, |field| format!(".{field}"));
                REFUSED
                    .at(format!("steps[{index}].input{inner}"))
                    .near(&failure.candidates)
            }
            Self::Store(error) => error.facts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        approvals::{ApprovalStatus, DecideApproval, Decision, GetApproval, RequestApproval},
        events::ListEvents,
        lifecycle::GetEvent,
        testing::{Scene, assert_refused, without},
    };
    use domain::context::Mode;
    use serde_json::json;

    fn step(name: &str, operation: &str, input: Value) -> ChangeStep {
        let Value::Object(input) = input else {
            panic!("an object");
        };
        ChangeStep {
            name: Some(name.to_owned()).filter(|name| !name.is_empty()),
            operation: operation.to_owned(),
            input,
        }
    }

    fn night() -> ApplyChanges {
        let tier = |name: &str, price: i64| {
            let price = json!({"amount": price, "currency": "EUR"});
            json!({"event": "$night", "name": name, "price": price, "quantity": 40})
        };
        ApplyChanges {
            title: "Rust Night with two prices".to_owned(),
            steps: vec![
                step(
                    "hall",
                    "save_venue",
                    json!({"name": "Factory Berlin", "capacity": 80}),
                ),
                step(
                    "night",
                    "create_event",
                    json!({"title": "Rust Night", "starts": "2027-02-04T19:00", "venue": "$hall"}),
                ),
                step("early", "save_ticket_type", tier("Early bird", 1500)),
                step("", "save_ticket_type", tier("Regular", 2500)),
                step(
                    "",
                    "save_promo_code",
                    json!({"event": "$night", "code": "CRAB", "percent_off": 10}),
                ),
                step("", "publish_event", json!({"event": "$night"})),
            ],
        }
    }

    async fn events(scene: &Scene) -> usize {
        let found = scene.run(ListEvents::default()).await.unwrap();
        found.items.len()
    }

    #[tokio::test]
    async fn all_steps_are_kept_together_and_refer_to_each_other() {
        let scene = Scene::new().await;
        let done = scene.run(night()).await.unwrap();
        assert_eq!(done.steps.len(), 6, "{done:?}");
        let event = done.steps[1].id.as_deref().unwrap();
        let get = GetEvent {
            event: event.parse().unwrap(),
        };
        let event = scene.run(get).await.unwrap();
        assert_eq!(event.event.title.as_str(), "Rust Night");
        let kinds: Vec<String> = scene.changes().await.into_iter().map(|c| c.kind).collect();
        let told = [
            "venue.created",
            "event.created",
            "ticket_type.created",
            "change_set.applied",
        ];
        for kind in told {
            assert!(kinds.iter().any(|k| k == kind), "{kind}: {kinds:?}");
        }
        assert_eq!(kinds.last().unwrap(), "change_set.applied");
        scene
            .assert_idempotent(ApplyChanges {
                title: "Twice".to_owned(),
                steps: vec![step("", "save_venue", json!({"name": "Hall"}))],
            })
            .await;
    }

    #[tokio::test]
    async fn one_refused_step_keeps_nothing_and_says_which() {
        let scene = Scene::new().await;
        let before = scene.changes().await.len();
        let mut all = night();
        all.steps[3].input["price"] = json!({"amount": -1, "currency": "EUR"});
        let error = scene.run(all).await.unwrap_err();
        let failure = Failure::of(&error);
        assert!(
            failure.message.starts_with("step 4, save_ticket_type: "),
            "{failure:?}"
        );
        assert!(failure.field.unwrap().starts_with("steps[3].input"));
        assert_eq!(events(&scene).await, 0);
        assert_eq!(scene.changes().await.len(), before);
    }

    #[tokio::test]
    async fn control_without_one_transaction_half_of_it_is_kept() {
        let scene = Scene::new().await;
        let mut all = night();
        all.steps[3].input["price"] = json!({"amount": -1, "currency": "EUR"});
        let apart = scene.server_with(without(&["joint"]));
        assert_refused(apart.run(&scene.cx, all).await, "change_step_refused");
        assert_eq!(
            events(&scene).await,
            1,
            "a night with one price nobody agreed to"
        );
    }

    #[tokio::test]
    async fn trying_it_out_keeps_nothing_and_shows_all() {
        let scene = Scene::new().await;
        let trial = scene.cx.in_mode(Mode::DryRun);
        scene.app.run(&trial, night()).await.unwrap();
        let kinds: Vec<&str> = trial.recorded().iter().map(|change| change.kind).collect();
        assert_eq!(kinds.len(), 7, "{kinds:?}");
        assert_eq!(events(&scene).await, 0);
    }

    #[tokio::test]
    async fn a_person_agrees_to_all_of_it_at_once_and_it_is_done_as_shown() {
        let scene = Scene::new().await;
        let input = serde_json::to_value(night()).unwrap();
        let ask = || scene.run(RequestApproval::of("apply_changes", input.clone()));
        let asked = ask().await.unwrap();
        assert_eq!(asked.preview.len(), 7, "{:?}", asked.preview);
        assert_eq!(events(&scene).await, 0);
        let yes = |approval| DecideApproval {
            approval,
            decision: Decision::Approved,
            note: None,
        };
        let decided = scene.run(yes(asked.approval)).await.unwrap();
        assert_eq!(
            decided.approval.status,
            ApprovalStatus::Done,
            "{}",
            decided.outcome
        );
        assert_eq!(events(&scene).await, 1);
        assert_refused(scene.run(yes(asked.approval)).await, "already_decided");
    }

    #[tokio::test]
    async fn what_has_changed_since_it_was_shown_is_asked_about_again() {
        let scene = Scene::new().await;
        scene.published("Spring Gala").await;
        let rename = ApplyChanges {
            title: "Two names".to_owned(),
            steps: vec![
                step(
                    "",
                    "update_event",
                    json!({"event": "spring-gala", "title": "Nordlicht"}),
                ),
                step("", "save_venue", json!({"name": "Hall"})),
            ],
        };
        let input = serde_json::to_value(&rename).unwrap();
        let asked = scene
            .run(RequestApproval::of("apply_changes", input))
            .await
            .unwrap();
        let between = json!({"event": "spring-gala", "title": "Between"});
        let entry = catalog::find("update_event").unwrap();
        entry
            .run(&scene.app, &scene.cx, between, None)
            .await
            .unwrap();
        let decided = scene.run(DecideApproval {
            approval: asked.approval,
            decision: Decision::Approved,
            note: None,
        });
        let decided = decided.await.unwrap();
        assert_eq!(
            decided.approval.status,
            ApprovalStatus::Stale,
            "{}",
            decided.outcome
        );
        let again = decided.approval.replaced_by.unwrap();
        let again = scene.run(GetApproval { approval: again }).await.unwrap();
        assert!(again.preview[0].contains("Between"), "{again:?}");
    }

    #[tokio::test]
    async fn refuses_what_stands_alone_bad_names_and_empty_sets() {
        let scene = Scene::new().await;
        let one = |step: ChangeStep| ApplyChanges {
            title: "One".to_owned(),
            steps: vec![step],
        };
        for alone in [
            "refund_order",
            "cancel_event",
            "send_message",
            "apply_changes",
            "decide_approval",
            "nothing",
        ] {
            let refused = scene.run(one(step("", alone, json!({})))).await;
            assert_refused(refused, "change_step_stands_alone");
        }
        let venue = |name: &str| one(step(name, "save_venue", json!({"name": "Hall"})));
        assert_refused(
            scene.run(venue("Hall 1")).await,
            "change_step_name_malformed",
        );
        let early = one(step("", "publish_event", json!({"event": "$night"})));
        assert_refused(scene.run(early).await, "change_step_unknown_reference");
        let none = ApplyChanges {
            title: "None".to_owned(),
            steps: Vec::new(),
        };
        assert_refused(scene.run(none).await, "change_set_step_count");
        let untitled = ApplyChanges {
            title: "  ".to_owned(),
            ..night()
        };
        assert_refused(scene.run(untitled).await, "change_set_title_length");
        let viewer = scene.as_role(crate::permission::Role::Viewer);
        assert_refused(scene.app.run(&viewer, night()).await, "forbidden");
    }

    #[test]
    fn what_is_done_together_writes_and_takes_nothing_away() {
        assert!(JOINABLE.is_sorted());
        for name in JOINABLE {
            let entry = catalog::find(name).unwrap_or_else(|| panic!("{name} is no operation"));
            assert_eq!(entry.effect, Effect::Write, "{name}");
        }
    }
}
