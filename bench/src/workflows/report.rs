//! The figures as Markdown, with the targets beside them.

use std::fmt::Write as _;

use super::{
    Settings,
    contest::{CONCURRENCY, Figures, Latency, Outcome, STEPS},
    engines::Kind,
};
use crate::{
    report::{head, verdict},
    stats::Spread,
};

/// What the project promises.
mod target {
    /// Step commits a second, times apalis's.
    pub(super) const TIMES: f64 = 1.0;
    /// Milliseconds of a claim.
    pub(super) const CLAIM: f64 = 5.0;
    /// Milliseconds until an idle worker begins.
    pub(super) const WAKE: f64 = 50.0;
}

/// The whole report.
pub(crate) fn markdown(outcome: &Outcome, settings: &Settings, machine: &str) -> String {
    let rounds = usize::try_from(settings.rounds).unwrap_or(usize::MAX);
    let setting = format!("{machine}; workers and PostgreSQL share all processors");
    let versions = format!(
        "PostgreSQL {} with fsync, apalis 1.0.0, graphile_worker 0.14.1",
        outcome.postgres
    );
    let mut text = head(&setting, &versions, rounds);
    throughput(&mut text, outcome, settings);
    latency(&mut text, outcome, settings);
    targets(&mut text, outcome, settings);
    text
}

fn label(kind: Kind) -> &'static str {
    match kind {
        Kind::EventOs => "**EventOS**",
        Kind::Apalis => "apalis, three jobs in a chain",
        Kind::ApalisSingle => "apalis, one job with three commits",
        Kind::Graphile => "graphile_worker, three jobs in a chain",
    }
}

fn throughput(text: &mut String, outcome: &Outcome, settings: &Settings) {
    let processes: Vec<String> = (settings.processes.iter())
        .map(|count| format!("{count} × {CONCURRENCY}"))
        .collect();
    let _ = writeln!(
        text,
        "Runs of {STEPS} steps done in a second, {} at once, by worker processes:\n\n\
         | | added/s | {} |\n|---|---|{}",
        settings.runs,
        processes.join(" | "),
        "---|".repeat(processes.len())
    );
    for figures in &outcome.figures {
        let rates = figures.rates.iter();
        let rates: Vec<String> = rates
            .map(|(_, rates)| format!("{:.0}", Spread::of(rates.clone())))
            .collect();
        let _ = writeln!(
            text,
            "| {} | {:.0} | {} |",
            label(figures.kind),
            Spread::of(figures.enqueued.clone()),
            rates.join(" | ")
        );
    }
    text.push('\n');
}

fn latency(text: &mut String, outcome: &Outcome, settings: &Settings) {
    let _ = writeln!(
        text,
        "Milliseconds from asking for a run until an idle worker begins its first step, and, with {} other runs waiting for \
         another day, the same and what a claim of {CONCURRENCY} takes:\n\n\
         | | begins p50 | p95 | beside: p50 | p95 | claim p50 | p95 |\n|---|---|---|---|---|---|---|",
        settings.waiting
    );
    for figures in &outcome.figures {
        let cells: Vec<String> = [&figures.wake, &figures.wake_beside, &figures.claim]
            .into_iter()
            .flat_map(|Latency { p50, p95 }| [p50, p95])
            .map(|rounds| match rounds.as_slice() {
                [] => String::new(),
                rounds => format!("{:.1}", Spread::of(rounds.to_vec())),
            })
            .collect();
        let _ = writeln!(text, "| {} | {} |", label(figures.kind), cells.join(" | "));
    }
    text.push('\n');
}

fn targets(text: &mut String, outcome: &Outcome, settings: &Settings) {
    let find = |kind: Kind| outcome.figures.iter().find(|figures| figures.kind == kind);
    let Some(ours) = find(Kind::EventOs) else {
        return;
    };
    text.push_str("| | | target | |\n|---|---|---|---|\n");
    for peer in [Kind::Apalis, Kind::ApalisSingle, Kind::Graphile] {
        let Some(theirs) = find(peer) else {
            continue;
        };
        for (index, count) in settings.processes.iter().enumerate() {
            let times = Spread::of(ratios(ours, theirs, index));
            // The chain is what keeps a done step done, as EventOS does; the single job does not.
            let (least, met) = if peer == Kind::Apalis {
                let met = verdict(times, |times| times >= target::TIMES);
                (format!("≥ {}", target::TIMES), met)
            } else {
                (String::new(), "")
            };
            let _ = writeln!(
                text,
                "| step commits/s, {count} × {CONCURRENCY}, times those of {} | {times:.2} | {least} | {met} |",
                label(peer)
            );
        }
    }
    for (name, latency, limit) in [
        ("claim, p95", &ours.claim, target::CLAIM),
        ("begins, p95", &ours.wake, target::WAKE),
        (
            "begins beside what waits, p95",
            &ours.wake_beside,
            target::WAKE,
        ),
    ] {
        let spread = Spread::of(latency.p95.clone());
        let met = verdict(spread, |ms| ms < limit);
        let _ = writeln!(text, "| {name} | {spread:.1} ms | < {limit} ms | {met} |");
    }
}

/// Our rate over theirs, round by round. All take three step commits for a run.
fn ratios(ours: &Figures, theirs: &Figures, index: usize) -> Vec<f64> {
    let rates = ours.rates[index].1.iter().zip(&theirs.rates[index].1);
    rates.map(|(ours, theirs)| ours / theirs).collect()
}
