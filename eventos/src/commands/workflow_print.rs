//! What `eventos workflow` prints for people: plans, lists, the timeline of a run, and the next step to take.

use operations::{
    workflow_runs::{RunStatus, WorkflowRun, WorkflowRunDetail},
    workflows::{NextStart, SwitchedWorkflow, Workflow, WorkflowDryRun},
};

use super::acting::{Acting, field};

pub(super) fn tried(acting: &Acting, run: &WorkflowDryRun) {
    println!(
        "{}: what it would do, had it started now. Nothing was kept or sent.\n",
        run.workflow
    );
    let width = run
        .steps
        .iter()
        .map(|step| step.path.len())
        .max()
        .unwrap_or(0);
    for step in &run.steps {
        let first = step.error.as_ref().map(|error| format!("FAILS: {error}"));
        let lines: Vec<String> = first
            .into_iter()
            .chain(step.would.iter().cloned())
            .collect();
        let lines = if lines.is_empty() {
            vec![step.input.as_str().to_owned()]
        } else {
            lines
        };
        println!(
            "{}  {:<width$}  {}",
            acting.local(step.at),
            step.path,
            lines[0]
        );
        for line in &lines[1..] {
            println!("{:indent$}{line}", "", indent = width + 27);
        }
    }
    let why = if run.why.is_empty() {
        String::new()
    } else {
        format!(": {}", run.why)
    };
    println!("\nIt would end as {}{why}.", run.end);
    fires(&run.next_starts);
    println!("\nNext: eventos workflow enable {}", run.workflow);
}

pub(super) fn plan(steps: &[String], next: &[NextStart]) {
    println!("\nSteps:");
    for step in steps {
        println!("  {step}");
    }
    fires(next);
}

pub(super) fn fires(next: &[NextStart]) {
    if !next.is_empty() {
        println!("\nThe clock starts it next on");
        for start in next {
            println!("  {}", start.local);
        }
    }
}

pub(super) fn list(workflows: &[Workflow]) {
    if workflows.is_empty() {
        println!("No workflows yet. Store one: eventos workflow save FILE");
        return;
    }
    let width = workflows
        .iter()
        .map(|workflow| workflow.name.len())
        .max()
        .unwrap_or(0);
    for workflow in workflows {
        let state = workflow
            .enabled_version
            .map_or("off".to_owned(), |version| format!("on v{version}"));
        println!("{:<width$}  {state:<7}  {}", workflow.name, workflow.title);
        let starts = if workflow.starts.is_empty() {
            "by hand".to_owned()
        } else {
            workflow.starts.join("; ")
        };
        println!("{:width$}           starts {starts}", "");
        if let (true, Some(next)) = (workflow.is_enabled, workflow.next_starts.first()) {
            println!("{:width$}           next {}", "", next.local);
        }
    }
    println!("\nNext: eventos workflow ls --runs");
}

pub(super) fn list_runs(acting: &Acting, runs: &[WorkflowRun]) {
    if runs.is_empty() {
        println!("No runs.");
        return;
    }
    let width = runs.iter().map(|run| run.workflow.len()).max().unwrap_or(0);
    for run in runs {
        let note = match (&run.error, run.wake_at) {
            (Some(error), _) => error.clone(),
            (None, Some(at)) if run.status == RunStatus::Waiting => {
                format!("until {}", acting.local(at))
            }
            _ => String::new(),
        };
        println!(
            "{}  {:<9}  {:<width$}  {}  {note}",
            run.id,
            run.status.as_str(),
            run.workflow,
            acting.local(run.created_at)
        );
    }
    println!("\nNext: eventos workflow show {}", runs[0].id);
}

pub(super) fn timeline(acting: &Acting, detail: &WorkflowRunDetail) {
    let run = &detail.run;
    println!("{} ({} v{})", run.title, run.workflow, run.version);
    field("id", run.id);
    field("status", run.status);
    field("started by", &run.started_by);
    field("made", acting.local(run.created_at));
    if let Some(at) = run.finished_at {
        field("ended", acting.local(at));
    }
    if let Some(error) = &run.error {
        field("error", error);
    }
    for wait in &detail.waits_for {
        field("waits for", wait);
    }
    let width = detail
        .steps
        .iter()
        .map(|step| step.path.len())
        .max()
        .unwrap_or(0);
    println!("\nTimeline:");
    for step in &detail.steps {
        let mark = match step.status.as_str() {
            "done" => "✓",
            "failed" => "✗",
            "skipped" => "–",
            _ => "…",
        };
        let tries = if step.tries > 1 {
            format!(" after {} tries", step.tries)
        } else {
            String::new()
        };
        let note = step.error.clone().or_else(|| {
            step.output
                .as_ref()
                .map(|output| output.as_str().chars().take(80).collect())
        });
        println!(
            "  {} {mark} {:<width$}  {}{tries}  {}",
            acting.local(step.started_at),
            step.path,
            step.kind,
            note.unwrap_or_default()
        );
    }
    if detail.steps.is_empty() {
        println!("  nothing yet");
    }
    println!();
    match run.status {
        RunStatus::Dead => println!(
            "Next: eventos workflow retry {0}\n      eventos workflow skip {0}\n      eventos workflow cancel {0}",
            run.id
        ),
        RunStatus::Paused => println!("Next: eventos workflow resume {}", run.id),
        status if status.is_alive() => println!(
            "Next: eventos workflow pause {0}\n      eventos workflow cancel {0}",
            run.id
        ),
        _ => println!("It has ended."),
    }
}

pub(super) fn steered(run: &WorkflowRun) {
    println!("{} of {} is {}.", run.id, run.workflow, run.status);
    println!("\nNext: eventos workflow show {}", run.id);
}

pub(super) fn switched(switched: &SwitchedWorkflow) {
    let state = if switched.workflow.is_enabled {
        "on"
    } else {
        "off"
    };
    println!("{} is {state}. {}", switched.workflow.name, switched.next);
    if switched.workflow.is_enabled {
        fires(&switched.workflow.next_starts);
    }
}
