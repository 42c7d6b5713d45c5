//! The figures as Markdown, with the targets beside them.

use std::fmt::Write as _;

use super::{
    Settings,
    sale::{Figures, Outcome},
    scenario::{PLACES, Scenario, USES},
};
use crate::{
    report::{head, verdict},
    stats::Spread,
};

/// What the project promises.
mod target {
    /// Confirmed orders a minute.
    pub(super) const ORDERS: f64 = 30_000.0;
    /// Of what one function call in PostgreSQL reaches.
    pub(super) const SHARE: f64 = 0.5;
    /// Milliseconds within which 99 of 100 hold.
    pub(super) const HOLD: f64 = 250.0;
    /// Of the orders a minute without a history.
    pub(super) const WITH_HISTORY: f64 = 0.8;
    /// MB of memory.
    pub(super) const RESIDENT: f64 = 200.0;
}

const STEPS: [&str; 3] = ["look", "hold", "order"];

/// The whole report.
pub(crate) fn markdown(outcome: &Outcome, settings: &Settings, machine: &str) -> String {
    let rounds = usize::try_from(settings.rounds).unwrap_or(usize::MAX);
    let setting = format!("{machine}; buyers, server and PostgreSQL share all processors");
    let versions = format!("PostgreSQL {} with fsync", outcome.postgres);
    let mut text = head(&setting, &versions, rounds);
    let _ = writeln!(
        text,
        "{} buyers, {} at once over HTTP on loopback, each: look at the event → hold one free ticket → order it → ticket \
         code. A, B, C and I have {PLACES} places, E has {USES} uses, F as many places as are wanted. Mails and workflows wait \
         in their queue meanwhile.\n\n\
         | | orders/min | of the ceiling | MB | oversold | undersold | refused |\n|---|---|---|---|---|---|---|",
        settings.buyers, settings.at_once
    );
    for figures in &outcome.figures {
        row(&mut text, outcome, figures.scenario.label(), figures);
    }
    if let Some((orders, figures)) = &outcome.history {
        let label = format!("F again, afterwards, with {orders} orders in the database");
        row(&mut text, outcome, &label, figures);
    }
    let lines = [
        (
            "PostgreSQL alone: the rows of one order by one function call, 16 at once (the ceiling)",
            &outcome.ceiling,
        ),
        (
            "PostgreSQL alone: lock the event, count the tickets, write the rows",
            &outcome.recount,
        ),
    ];
    for (label, rates) in lines {
        let rate = Spread::of(rates.clone());
        let share = share(rates, &outcome.ceiling);
        let _ = writeln!(text, "| {label} | {rate:.0} | {share:.2} | | | | |");
    }
    times(&mut text, outcome);
    targets(&mut text, outcome);
    text
}

fn share(rates: &[f64], ceiling: &[f64]) -> Spread {
    let pairs = rates.iter().zip(ceiling);
    Spread::of(pairs.map(|(rate, most)| rate / most).collect())
}

fn row(text: &mut String, outcome: &Outcome, label: &str, figures: &Figures) {
    let refused: Vec<String> = (figures.refused.iter())
        .map(|(code, count)| format!("{count} × {code}"))
        .collect();
    let _ = writeln!(
        text,
        "| {label} | {:.0} | {:.2} | {:.0} | {} | {} | {} |",
        Spread::of(figures.orders.clone()),
        share(&figures.orders, &outcome.ceiling),
        Spread::of(figures.resident.clone()),
        figures.oversold,
        figures.undersold,
        refused.join(", "),
    );
}

fn times(text: &mut String, outcome: &Outcome) {
    text.push_str("\nMilliseconds of a step, p50 / p95 / p99:\n\n| | look | hold | order |\n|---|---|---|---|\n");
    for figures in &outcome.figures {
        let steps = figures.steps.iter().map(|shares| {
            let shares = shares
                .iter()
                .map(|of| format!("{:.0}", Spread::of(of.clone())));
            shares.collect::<Vec<_>>().join(" / ")
        });
        let steps: Vec<String> = steps.collect();
        let _ = writeln!(
            text,
            "| {} | {} |",
            figures.scenario.label(),
            steps.join(" | ")
        );
    }
}

fn targets(text: &mut String, outcome: &Outcome) {
    let find = |scenario| {
        let mut all = outcome.figures.iter();
        all.find(|figures| figures.scenario == scenario)
    };
    let (Some(a), Some(f), Some(alone)) = (
        find(Scenario::SellsOut),
        find(Scenario::Unlimited),
        find(Scenario::Alone),
    ) else {
        return;
    };
    text.push_str("\n| target | figure | |\n|---|---|---|\n");
    let mut line = |what: &str, rounds: Vec<f64>, digits: usize, is_met: &dyn Fn(f64) -> bool| {
        let figure = Spread::of(rounds);
        let said = verdict(figure, is_met);
        let _ = writeln!(text, "| {what} | {figure:.digits$} | {said} |");
    };
    line("A: orders/min ≥ 30,000", a.orders.clone(), 0, &|it| {
        it >= target::ORDERS
    });
    let of_ceiling: Vec<f64> = a
        .orders
        .iter()
        .zip(&outcome.ceiling)
        .map(|(a, c)| a / c)
        .collect();
    line("A: of the ceiling ≥ 0.5", of_ceiling, 2, &|it| {
        it >= target::SHARE
    });
    let [_, _, hold] = &a.steps[1];
    line(
        &format!("A: {} p99 < 250 ms", STEPS[1]),
        hold.clone(),
        0,
        &|it| it < target::HOLD,
    );
    line("memory < 200 MB", a.resident.clone(), 0, &|it| {
        it < target::RESIDENT
    });
    let times: Vec<f64> = f
        .orders
        .iter()
        .zip(&alone.orders)
        .map(|(f, a)| f / a)
        .collect();
    line(
        "F: shared transactions, times those of one each > 1",
        times,
        2,
        &|it| it > 1.0,
    );
    if let Some((orders, history)) = &outcome.history {
        let times = history.orders.iter().zip(&f.orders);
        line(
            &format!("F: with {orders} orders, times those of before ≥ 0.8"),
            times.map(|(after, before)| after / before).collect(),
            2,
            &|it| it >= target::WITH_HISTORY,
        );
    }
}
