//! The official conformance suite: in full against the fixtures, and those of its scenarios that
//! ask for nothing by name against the real endpoint.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::{Endpoint, LIMIT, Tally, proxy};
use crate::{peers::Peers, process};

/// Each revision of the protocol and how many checks its scenarios come to, none of them failing.
/// Another figure means that the suite changed or that it skipped something; look before adapting.
/// The newer revision has a 197th, `sse-streams-functional`, which the suite only counts for servers
/// that answer plain calls with a stream; ours answers them with JSON, and the suite notes that.
const REQUIREMENTS: [(&str, u32); 2] = [("2026-07-28", 196), ("2025-11-25", 83)];

/// Scenarios that work on any server.
const SCENARIOS: [(&str, &[&str]); 2] = [
    (
        "2025-11-25",
        &[
            "completion-complete",
            "dns-rebinding-protection",
            "ping",
            "prompts-list",
            "resources-list",
            "server-initialize",
            "server-session-lifecycle",
            "tools-list",
        ],
    ),
    (
        "2026-07-28",
        &[
            "caching",
            "completion-complete",
            "dns-rebinding-protection",
            "http-header-validation",
            "input-required-result-unsupported-methods",
            "prompts-list",
            "resources-list",
            "sep-2164-resource-not-found",
            "tools-list",
        ],
    ),
];

/// Both revisions' requirements against the fixtures.
pub(crate) fn fixture(peers: &Peers, endpoint: &Endpoint, tally: &mut Tally) {
    for (revision, expected) in REQUIREMENTS {
        tally.check(&format!("conformance: fixtures, {revision}"), || {
            let said = suite(peers, endpoint, &["--requirements", revision], revision)?;
            let total = said
                .lines()
                .find_map(total)
                .context("the suite printed no total")?;
            ensure!(
                total == (expected, 0),
                "expected {expected} passed, 0 failed, but {} passed, {} failed",
                total.0,
                total.1
            );
            Ok(format!("{expected} passed, 0 failed"))
        });
    }
}

/// The scenarios that ask for nothing by name against the real endpoint.
pub(crate) fn real(peers: &Peers, endpoint: &Endpoint, tally: &mut Tally) {
    for (revision, scenarios) in SCENARIOS {
        for scenario in scenarios {
            tally.check(&format!("conformance: {scenario}, {revision}"), || {
                let options = ["--scenario", scenario, "--spec-version", revision];
                let said = suite(
                    peers,
                    endpoint,
                    &options,
                    &format!("real-{revision}-{scenario}"),
                )?;
                let passed = said.lines().find_map(passed);
                // No line at all is what a skipped scenario prints.
                passed
                    .context("the scenario was not run")
                    .map(|passed| format!("{passed} passed"))
            });
        }
    }
}

/// Runs the suite, lets failures and warnings be errors, and returns what it printed.
fn suite(peers: &Peers, endpoint: &Endpoint, options: &[&str], name: &str) -> Result<String> {
    let out = peers.out(&format!("conformance-{name}"))?;
    // The suite has no option for a header.
    let url = match &endpoint.token {
        Some(token) => &proxy::start(&endpoint.url, token)?,
        None => &endpoint.url,
    };
    let mut command = peers.command("conformance")?;
    command
        .args(["server", "--url", url])
        .args(options)
        .arg("-o")
        .arg(&out);
    let finished = process::run(&mut command, &out, "suite", LIMIT)?;
    let complaints = complaints(&out)?;
    ensure!(
        complaints.is_empty(),
        "{}",
        process::at_most(&complaints, 12)
    );
    if !finished.status.success() {
        bail!("{}\n{}", finished.status, finished.last_words());
    }
    Ok(finished.stdout)
}

/// What the suite wrote down as failed or worth a warning.
fn complaints(out: &Path) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for scenario in fs::read_dir(out)? {
        let file = scenario?.path().join("checks.json");
        if !file.exists() {
            continue;
        }
        let checks: Vec<Value> = serde_json::from_slice(&fs::read(file)?)?;
        for check in checks {
            let status = check["status"].as_str().unwrap_or("no status");
            if !matches!(status, "SUCCESS" | "INFO" | "SKIPPED") {
                let message = check["errorMessage"].as_str().unwrap_or("no message");
                complaints.push(format!("{status} {}: {message}", check["id"]));
            }
        }
    }
    complaints.sort();
    Ok(complaints)
}

/// Reads `Total: 83 passed, 0 failed`.
fn total(line: &str) -> Option<(u32, u32)> {
    let (passed, failed) = line.strip_prefix("Total: ")?.split_once(" passed, ")?;
    Some((
        passed.parse().ok()?,
        failed.strip_suffix(" failed")?.parse().ok()?,
    ))
}

/// Reads `Passed: 2/2, 0 failed, 0 warnings`; nothing if not all passed.
fn passed(line: &str) -> Option<u32> {
    let (passed, rest) = line.strip_prefix("Passed: ")?.split_once('/')?;
    let (all, rest) = rest.split_once(", ")?;
    let passed: u32 = passed.parse().ok()?;
    let clean = rest == "0 failed, 0 warnings" && all == passed.to_string() && passed > 0;
    clean.then_some(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_two_kinds_of_result() {
        assert_eq!(total("Total: 196 passed, 1 failed"), Some((196, 1)));
        assert_eq!(total("no total"), None);
        assert_eq!(passed("Passed: 2/2, 0 failed, 0 warnings"), Some(2));
        assert_eq!(passed("Passed: 2/2, 0 failed, 1 warnings"), None);
        assert_eq!(passed("Passed: 1/2, 1 failed, 0 warnings"), None);
        assert_eq!(passed("Passed: 0/0, 0 failed, 0 warnings"), None);
    }
}
