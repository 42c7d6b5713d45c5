//! The figures as Markdown, with the targets beside them.

use std::fmt::Write as _;

use super::{
    contest::{CONCURRENCY, Figures, Outcome, Way, Who},
    sql::Tool,
    start::Starts,
};
use crate::{
    machine::Cores,
    report::{head, verdict},
    stats::Spread,
};

/// What the project promises.
mod target {
    /// Milliseconds over the constant and the query.
    pub(super) const OVERHEAD: f64 = 0.3;
    /// Times the calls of the Python server.
    pub(super) const TIMES: f64 = 10.0;
    /// Seconds until ready with a database there.
    pub(super) const LATER_START: f64 = 1.5;
    /// MB after the start.
    pub(super) const RESIDENT: f64 = 120.0;
}

/// The whole report.
pub(crate) fn markdown(starts: &Starts, outcome: &Outcome, cores: &Cores, machine: &str) -> String {
    let mut text = String::new();
    let rounds = outcome.figures.first().map_or(0, |f| f.p50.len());
    let setting = format!("{machine}; {}", cores.said());
    let versions = format!("PostgreSQL {}, {}", outcome.postgres, outcome.python);
    text.push_str(&head(&setting, &versions, rounds));
    starting(&mut text, starts, outcome.resident);
    for (tool, name) in [
        (Tool::GetEvent, "get_event"),
        (Tool::ListOrders, "list_orders"),
    ] {
        calls(&mut text, outcome, tool, name);
    }
    text
}

fn starting(text: &mut String, starts: &Starts, behind: Option<f64>) {
    text.push_str("| | | target | |\n|---|---|---|---|\n");
    let _ = writeln!(text, "| first start to ready | {:.2} s | | |", starts.first);
    let met = verdict(starts.later, |seconds| seconds < target::LATER_START);
    let limit = target::LATER_START;
    let _ = writeln!(
        text,
        "| later start to ready | {:.2} s | < {limit} s | {met} |",
        starts.later
    );
    if let Some(resident) = starts.resident {
        let met = verdict(resident, |mb| mb < target::RESIDENT);
        let limit = target::RESIDENT;
        let _ = writeln!(
            text,
            "| resident memory, idle | {resident:.1} MB | < {limit} MB | {met} |"
        );
    }
    if let Some(behind) = behind {
        let _ = writeln!(
            text,
            "| resident memory behind the load | {behind:.1} MB | | |"
        );
    }
    text.push('\n');
}

fn calls(text: &mut String, outcome: &Outcome, tool: Tool, name: &str) {
    let find = |who: Who, way: Way| {
        let wanted =
            |f: &&Figures| f.who == who && f.way == way && f.tool.is_none_or(|t| t == tool);
        outcome.figures.iter().find(wanted)
    };
    let _ = writeln!(
        text,
        "### `{name}`\n\n| | p50 ms | p99 ms | calls/s, {CONCURRENCY} under way | answer |\n|---|---|---|---|---|"
    );
    let rows = [
        ("constant, HTTP", Who::Constant, Way::Http),
        ("constant, stdio", Who::Constant, Way::Stdio),
        ("queries through sqlx", Who::Query, Way::Socket),
        ("**EventOS**, HTTP", Who::EventOs, Way::Http),
        ("**EventOS**, stdio", Who::EventOs, Way::Stdio),
        ("FastMCP, HTTP", Who::FastMcp, Way::Http),
        ("FastMCP, stdio", Who::FastMcp, Way::Stdio),
    ];
    for (label, who, way) in rows {
        let Some(figures) = find(who, way) else {
            continue;
        };
        let size = match figures.size {
            0 => String::new(),
            size => format!("{size} bytes"),
        };
        let [p50, p99, rate] =
            [&figures.p50, &figures.p99, &figures.rate].map(|it| Spread::of(it.clone()));
        let _ = writeln!(
            text,
            "| {label} | {p50:.3} | {p99:.3} | {rate:.0} | {size} |"
        );
    }
    text.push_str("\n| | | target | |\n|---|---|---|---|\n");
    for (label, way) in [("HTTP", Way::Http), ("stdio", Way::Stdio)] {
        let (Some(ours), Some(constant)) = (find(Who::EventOs, way), find(Who::Constant, way))
        else {
            continue;
        };
        let (Some(query), Some(peer)) = (find(Who::Query, Way::Socket), find(Who::FastMcp, way))
        else {
            continue;
        };
        let floor = constant.p50.iter().zip(&query.p50).map(|(c, q)| c + q);
        let over = Spread::of(ours.p50.iter().zip(floor).map(|(o, f)| o - f).collect());
        let times = Spread::of(
            ours.rate
                .iter()
                .zip(&peer.rate)
                .map(|(o, p)| o / p)
                .collect(),
        );
        let ceiling = Spread::of(
            query
                .rate
                .iter()
                .zip(&peer.rate)
                .map(|(q, p)| q / p)
                .collect(),
        );
        let (limit, met) = (target::OVERHEAD, verdict(over, |ms| ms <= target::OVERHEAD));
        let _ = writeln!(
            text,
            "| {label}: p50 over constant + queries | {over:.3} ms | ≤ {limit} ms | {met} |"
        );
        let (least, met) = (
            target::TIMES,
            verdict(times, |times| times >= target::TIMES),
        );
        let _ = writeln!(
            text,
            "| {label}: calls/s, times FastMCP's | {times:.1} | ≥ {least} | {met} |"
        );
        let _ = writeln!(
            text,
            "| {label}: the bare queries' calls/s, times FastMCP's | {ceiling:.1} | | |"
        );
    }
    text.push('\n');
}
