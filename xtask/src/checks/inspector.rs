//! The MCP Inspector's command line: it lists the tools over stdio and HTTP, in both eras, and is
//! strict about their schemas; without a token it must be told to get one.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Endpoint, LIMIT, Tally};
use crate::{peers::Peers, process};

const ERAS: [&str; 2] = ["modern", "legacy"];

/// The Inspector's exit code for "the server wants to know who you are".
const AUTH_REQUIRED: i32 = 3;

pub(crate) fn check(
    peers: &Peers,
    endpoint: Option<&Endpoint>,
    stdio: &[String],
    tally: &mut Tally,
) {
    for era in ERAS {
        if !stdio.is_empty() {
            tally.check(
                &format!("inspector: strict tools/list over stdio, {era}"),
                || {
                    let target: Vec<&str> = stdio.iter().map(String::as_str).collect();
                    list_tools(peers, era, &target, &format!("stdio-{era}"))
                },
            );
        }
        if let Some(Endpoint { url, token }) = endpoint {
            tally.check(
                &format!("inspector: strict tools/list over HTTP, {era}"),
                || {
                    let header =
                        format!("Authorization: Bearer {}", token.as_deref().unwrap_or(""));
                    let mut target = vec!["--server-url", url, "--transport", "http"];
                    if token.is_some() {
                        target.extend(["--header", &header]);
                    }
                    list_tools(peers, era, &target, &format!("http-{era}"))
                },
            );
        }
    }
    if let Some(Endpoint {
        url,
        token: Some(_),
    }) = endpoint
    {
        tally.check("inspector: no token, no tools", || no_token(peers, url));
    }
}

fn list_tools(peers: &Peers, era: &str, target: &[&str], name: &str) -> Result<String> {
    let out = peers.out(&format!("inspector-{name}"))?;
    let mut command = peers.command("mcp-inspector")?;
    command.args([
        "--cli",
        "--protocol-era",
        era,
        "--method",
        "tools/list",
        "--strict",
    ]);
    command.args(["--format", "json"]).args(target);
    let finished = process::run(&mut command, &out, "inspector", LIMIT)?;
    ensure!(
        finished.status.success(),
        "{}\n{}",
        finished.status,
        finished.last_words()
    );
    let answer: Value = serde_json::from_str(&finished.stdout).context("the answer is no JSON")?;
    let tools = answer["result"]["tools"]
        .as_array()
        .context("the answer has no tools")?;
    ensure!(!tools.is_empty(), "the list of tools is empty");
    // The Inspector itself forgives what it only warns of; our schemas are clean.
    let findings = &answer["schemaFindings"];
    ensure!(findings.is_null(), "{findings}");
    Ok(format!("{} tools", tools.len()))
}

fn no_token(peers: &Peers, url: &str) -> Result<String> {
    let out = peers.out("inspector-no-token")?;
    let mut command = peers.command("mcp-inspector")?;
    command.args([
        "--cli",
        "--server-url",
        url,
        "--transport",
        "http",
        "--stored-auth-only",
    ]);
    command.args([
        "--protocol-era",
        "modern",
        "--method",
        "tools/list",
        "--format",
        "json",
    ]);
    let finished = process::run(&mut command, &out, "inspector", LIMIT)?;
    ensure!(
        finished.status.code() == Some(AUTH_REQUIRED),
        "expected exit code {AUTH_REQUIRED}, but {}\n{}",
        finished.status,
        finished.last_words()
    );
    Ok(String::new())
}
