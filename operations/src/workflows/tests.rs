//! Tests of the definition language and its machine, from the outside.

use std::time::Duration;

use domain::{OrganizationId, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::organizations::Organization;

/// A definition with most of what there is.
const FULL: &str = r#"
id: chase-unpaid
title: Ask for the money
on:
  - change: order.placed
    if: change.total.amount > 0
  - cron: "0 9 * * MON"
    zone: Europe/Berlin
    catch_up: all
    max: 3
  - manual:
      params:
        order: { type: string, required: true, description: the order }
concurrency: { key: change.order_id, on_conflict: skip }
deadline: 30d
steps:
  - id: pause
    wait: { for: 2d, change: [order.paid, order.cancelled], about: change.order_id }
  - id: settled
    when: pause.woken_by != "time"
    end: { status: skipped, reason: "{{ pause.woken_by }} came first" }
  - id: order
    operation: get_order
    with: { order: "{{ change.order_id }}" }
    retry: { tries: 3, backoff: 5s, cap: 1m }
  - id: facts
    set: { who: "{{ order.buyer.name }}", count: "{{ order.items | length }}" }
  - id: ok
    when: facts.count > 1
    approve: { title: "Write to {{ facts.who }}?", show: "{{ facts }}", expires: 48h }
  - id: lines
    each:
      in: order.items
      as: item
      at_most: 3
      steps:
        - id: note
          emit: feedback.line
          with: { n: "{{ index }}", name: "{{ item.name }}" }
    on_error: continue
  - id: out
    http: { url: "https://example.org/hook", body: { order: "{{ change.order_id }}" } }
on_failure:
  - id: tell
    emit: chase.failed
    with: { code: "{{ error.code }}", step: "{{ error.step }}" }
"#;

const ORDER: &str = "ord_0190aaaabbbb7ccc8dddeeeeffff0001";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn start(trigger: Value) -> Start {
    let organization = Organization {
        id: OrganizationId::from(uuid::Uuid::nil()),
        name: "Scene".to_owned(),
        slug: "scene".to_owned(),
        currency: "EUR".parse().unwrap(),
        zone: "Europe/Berlin".parse().unwrap(),
    };
    Start {
        run_id: "run_1".to_owned(),
        organization,
        trigger,
        params: json!({}),
        variables: json!({}),
        started_at: at("2027-01-11T09:00:00Z"),
    }
}

fn placed() -> Value {
    json!({"kind": "change", "change": "order.placed", "payload": {"order_id": ORDER, "total": {"amount": 2500, "currency": "EUR"}}})
}

fn parse(yaml: &str) -> Definition {
    Definition::parse(yaml).unwrap_or_else(|problems| {
        panic!(
            "{}",
            problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        )
    })
}

fn problems(yaml: &str) -> String {
    let problems = Definition::parse(yaml)
        .map(|_| ())
        .expect_err("the definition is wrong");
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Runs a machine, answering each step, and returns the paths with their actions, then the end.
fn drive(
    machine: &mut Machine,
    answer: impl Fn(&Step) -> Result<Value, StepError>,
) -> (Vec<(String, Action)>, End) {
    let now = at("2027-01-11T09:00:00Z");
    let mut done = Vec::new();
    for _ in 0..500 {
        assert_eq!(
            machine.next(now).unwrap(),
            machine.next(now).unwrap(),
            "asking twice gives the same"
        );
        match machine.next(now).unwrap() {
            Next::End(end) => return (done, end),
            Next::Do(step) => {
                let outcome = match &step.action {
                    Action::Keep { value } => Ok(value.clone()),
                    _ => answer(&step),
                };
                match outcome {
                    Ok(output) => machine.record(&step.path, output),
                    Err(error) => machine.record_failure(&step.path, &error),
                }
                done.push((step.path, step.action));
            }
        }
    }
    panic!("it does not end: {done:?}");
}

fn order(items: usize) -> Value {
    let items: Vec<Value> = (0..items)
        .map(|n| json!({"name": format!("Item {n}")}))
        .collect();
    json!({"buyer": {"name": "A… L…"}, "items": items})
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "so that it stands where a failure may"
)]
fn usual(step: &Step, items: usize) -> Result<Value, StepError> {
    Ok(match &step.action {
        Action::Wait { .. } => json!({"woken_by": "time"}),
        Action::Operation { .. } => order(items),
        Action::Approve { .. } => json!({"decision": "approved", "by": "Olga"}),
        _ => json!({}),
    })
}

fn broken() -> StepError {
    StepError {
        code: "broken".to_owned(),
        message: "it broke".to_owned(),
        is_transient: false,
    }
}

#[test]
fn reads_what_starts_a_workflow() {
    let definition = parse(FULL);
    assert_eq!(
        (definition.name(), definition.triggers().len()),
        ("chase-unpaid", 3)
    );
    let change = &definition.triggers()[0];
    assert_eq!(
        change.accepts("order.placed", &json!({"total": {"amount": 1}})),
        Ok(true)
    );
    assert_eq!(
        change.accepts("order.placed", &json!({"total": {"amount": 0}})),
        Ok(false)
    );
    assert_eq!(change.accepts("order.paid", &json!({})), Ok(false));
    assert!(change.accepts("order.placed", &json!({})).is_err());
    let Trigger::Cron { schedule } = &definition.triggers()[1] else {
        panic!()
    };
    assert_eq!(
        schedule.next(at("2027-01-11T07:00:00Z"), 1),
        [at("2027-01-11T08:00:00Z")]
    );
    let concurrency = definition
        .concurrency(&placed(), &json!({}))
        .unwrap()
        .unwrap();
    assert_eq!(
        (concurrency.key.as_str(), concurrency.on_conflict),
        (ORDER, OnConflict::Skip)
    );
}

#[test]
fn checks_parameters() {
    let params = parse(FULL).params();
    let check = |given: Value| params.check(given.as_object().unwrap());
    assert_eq!(check(json!({"order": "x"})), Ok(json!({"order": "x"})));
    assert!(
        check(json!({}))
            .unwrap_err()
            .contains("`order` is missing (the order)")
    );
    assert!(
        check(json!({"order": 7}))
            .unwrap_err()
            .contains("a number, not string")
    );
    assert!(
        check(json!({"ordr": "x"}))
            .unwrap_err()
            .contains("Did you mean \"order\"?")
    );
}

#[test]
fn goes_through_its_steps_in_order() {
    let mut machine = parse(FULL).machine(start(placed()));
    let (done, end) = drive(&mut machine, |step| usual(step, 2));
    let paths: Vec<&str> = done.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "pause/until",
            "pause",
            "order",
            "facts",
            "ok/expires",
            "ok",
            "lines/0/note",
            "lines/1/note",
            "out"
        ]
    );
    let Action::Wait { until, changes } = &done[1].1 else {
        panic!()
    };
    assert_eq!(*until, Some(at("2027-01-13T09:00:00Z")));
    assert_eq!(changes[1].kind, "order.cancelled");
    assert_eq!(changes[1].about.unwrap().simple().to_string(), ORDER[4..]);
    assert_eq!(
        done[2].1,
        Action::Operation {
            name: "get_order".to_owned(),
            input: json!({"order": ORDER})
        }
    );
    assert_eq!(
        done[3].1,
        Action::Keep {
            value: json!({"who": "A… L…", "count": 2})
        }
    );
    assert!(
        matches!(&done[5].1, Action::Approve { title, show, .. } if title == "Write to A… L…?" && show["count"] == 2)
    );
    assert_eq!(
        done[7].1,
        Action::Emit {
            name: "feedback.line".to_owned(),
            payload: json!({"n": 1, "name": "Item 1"})
        }
    );
    assert_eq!(end, End::Done(json!({})));
}

#[test]
fn a_run_taken_up_by_another_process_goes_on_the_same_way() {
    let mut first = parse(FULL).machine(start(placed()));
    let mut second = parse(FULL).machine(start(placed()));
    let mut now = at("2027-01-11T09:00:00Z");
    loop {
        // Later each time: what depends on the clock was kept.
        now = now.plus_seconds(60);
        let (a, b) = (first.next(now).unwrap(), second.next(now).unwrap());
        assert_eq!(a, b);
        let Next::Do(step) = a else { break };
        let output = match &step.action {
            Action::Keep { value } => value.clone(),
            _ => usual(&step, 2).unwrap(),
        };
        first.record(&step.path, output.clone());
        second = parse(FULL).machine(start(placed()));
        for (path, output) in &first_outputs(&first) {
            second.record(path, output.clone());
        }
    }
}

fn first_outputs(machine: &Machine) -> Vec<(String, Value)> {
    machine
        .outputs()
        .map(|(path, output)| (path.to_owned(), output.clone()))
        .collect()
}

#[test]
fn a_change_that_comes_first_ends_it() {
    let mut machine = parse(FULL).machine(start(placed()));
    let (_, end) = drive(&mut machine, |step| match &step.action {
        Action::Wait { .. } => Ok(json!({"woken_by": "order.paid", "change": {}})),
        _ => usual(step, 1),
    });
    assert_eq!(end, End::Skipped("order.paid came first".to_owned()));
}

#[test]
fn a_person_who_says_no_ends_it() {
    for (decision, why) in [
        ("rejected", "a person said no"),
        ("expired", "nobody decided in time"),
    ] {
        let mut machine = parse(FULL).machine(start(placed()));
        let (_, end) = drive(&mut machine, |step| match &step.action {
            Action::Approve { .. } => Ok(json!({"decision": decision})),
            _ => usual(step, 2),
        });
        assert!(
            matches!(&end, End::Skipped(reason) if reason.starts_with(why)),
            "{end:?}"
        );
    }
}

#[test]
fn a_failure_is_told_and_ends_it() {
    let mut machine = parse(FULL).machine(start(placed()));
    let (done, end) = drive(&mut machine, |step| match &step.action {
        Action::Operation { .. } => Err(broken()),
        _ => usual(step, 1),
    });
    assert_eq!(end, End::Failed(broken()));
    let (path, action) = done.last().unwrap();
    assert_eq!(path, "on_failure/tell");
    assert!(
        matches!(action, Action::Emit { payload, .. } if *payload == json!({"code": "broken", "step": "order"}))
    );
}

#[test]
fn one_bad_item_does_not_stop_the_others_when_told_so() {
    let mut machine = parse(FULL).machine(start(placed()));
    let (done, end) = drive(&mut machine, |step| match step.path.as_str() {
        "lines/0/note" => Err(broken()),
        _ => usual(step, 2),
    });
    assert_eq!(end, End::Done(json!({})));
    assert!(done.iter().any(|(path, _)| path == "lines/1/note"));
}

#[test]
fn too_many_items_fail_before_the_first() {
    let yaml = FULL.replace("    on_error: continue\n", "");
    let mut machine = parse(&yaml).machine(start(placed()));
    let (done, end) = drive(&mut machine, |step| usual(step, 4));
    assert!(
        matches!(&end, End::Failed(error) if error.code == "too_many_items"),
        "{end:?}"
    );
    assert!(!done.iter().any(|(path, _)| path.starts_with("lines/")));
}

#[test]
fn a_person_may_set_variables_and_the_deadline_ends_everything() {
    let mut begun = start(placed());
    begun.variables = json!({"order": order(1)});
    let mut machine = parse(FULL).machine(begun);
    let (done, _) = drive(&mut machine, |step| usual(step, 3));
    assert!(
        !done
            .iter()
            .any(|(path, _)| path == "ok" || path == "lines/1/note"),
        "{done:?}"
    );
    let machine = parse(FULL).machine(start(placed()));
    let late = machine.next(at("2027-02-11T09:00:00Z")).unwrap();
    assert!(matches!(late, Next::Do(step) if step.path == "on_failure/tell"));
}

#[test]
fn retries_are_as_written() {
    let mut machine = parse(FULL).machine(start(placed()));
    machine.record("pause", json!({"woken_by": "time"}));
    let Next::Do(step) = machine.next(at("2027-01-11T09:00:00Z")).unwrap() else {
        panic!()
    };
    let expected = Retry {
        tries: 3,
        backoff: Duration::from_secs(5),
        cap: Duration::from_mins(1),
    };
    assert_eq!(step.retry, expected);
}

#[test]
fn tells_all_mistakes_with_line_and_remedy() {
    let said = problems(
        r#"id: Weekly Sales
title: Sales
on:
  - change: order.payed
    if: chnge.total > 1
  - cron: "every monday"
steps:
  - id: report
    operation: get_sales_reprt
  - id: people
    operation: list_attendees
    with: { evnt: "{{ change.event_id }}" }
  - id: people
    set: { n: "{{ pepole.items }}" }
  - id: both
    emit: x.y
    wait: { for: 5 days }
  - id: none
  - id: ask
    approve: { tile: "Ok?" }
  - id: revoke
    operation: revoke_token
    with: { token_id: tok_1 }
"#,
    );
    for expected in [
        "line 1: id: \"Weekly Sales\" is no name for a workflow. Use lower-case words joined by hyphens",
        "line 4: on[0].change: There is no change \"order.payed\". Did you mean \"order.paid\"?",
        "line 5: on[0].if: Nothing is called `chnge` here",
        "line 6: on[1].cron: \"every monday\" is no schedule",
        "line 9: steps[0].operation: There is no operation \"get_sales_reprt\". Did you mean \"get_sales_report\"?",
        "line 12: steps[1].with.evnt: `evnt` is not a field of list_attendees. Did you mean \"event\"?",
        "line 13: steps[2].id: Two steps are called `people`.",
        "line 14: steps[2].set.n: Nothing is called `pepole` here",
        "line 17: steps[3].wait.for: \"5 days\" is not a length of time",
        "line 18: steps[4]: The step does nothing. A step has exactly one of operation",
        "line 20: steps[5].approve.tile: There is no field `tile` here. Did you mean \"title\"?",
        "line 22: steps[6].operation: revoke_token is for people",
    ] {
        assert!(said.contains(expected), "{expected}\nis not in\n{said}");
    }
}

#[test]
fn refuses_what_is_too_much() {
    let steps: Vec<String> = (0..101)
        .map(|n| format!("  - {{ id: s{n}, set: {{ x: 1 }} }}"))
        .collect();
    let steps = steps.join("\n");
    assert!(problems(&format!("id: x\ntitle: X\nsteps:\n{steps}")).contains("more than 100 steps"));
    assert!(
        problems(&format!(
            "id: x\ntitle: \"{}\"\nsteps: []",
            "y".repeat(70_000)
        ))
        .contains("bytes")
    );
    assert!(problems("id: x\ntitle: X\nsteps: []").contains("There is no step."));
    assert!(problems("[]").contains("group of fields"));
    let later = problems(
        "id: x\ntitle: X\nsteps:\n  - { id: a, set: { x: \"{{ b.x }}\" } }\n  - { id: b, set: { x: 1 } }\n",
    );
    assert!(later.contains("Nothing is called `b` here"), "{later}");
    let deep = problems(
        "id: x\ntitle: X\nsteps:\n  - id: a\n    each: { in: change.a, as: p, steps: [{ id: b, each: { in: p, as: q, steps: [{ id: c, each: { in: q, as: r, steps: [{id: d, set: {}}] } }] } }] }\n",
    );
    assert!(deep.contains("more than 2 deep"), "{deep}");
}

#[test]
fn the_schema_says_what_a_step_has() {
    let schema = json_schema();
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["$defs"]["StepRule"]["properties"]["wait"].is_object());
}
