//! `cargo xtask ci`: every check of the project, the cheap ones first. `.ci/run` and the README call this.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::{bundle, checks, prepare, root, server::Server};

/// Runs everything; stops at the first step that fails.
pub(crate) fn main() -> Result<ExitCode> {
    let started = Instant::now();
    step("format", || cargo(&["fmt", "--all", "--check"], &[]))?;
    // One build does both: the macros check the queries while the lints are found.
    step("lints and queries", || {
        prepare::check(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ])
    })?;
    // What people build has fewer features than what is tested; here it is only seen to compile.
    step("the program as it is installed", || {
        cargo(&["check", "--locked", "-p", "eventos"], &[])
    })?;
    step("tests", tests)?;
    step("documents", || {
        cargo(
            &["doc", "--workspace", "--no-deps", "--all-features"],
            &[("RUSTDOCFLAGS", "-D warnings")],
        )
    })?;
    let judged = judges()?;
    println!("ci took {:.0} s", started.elapsed().as_secs_f32());
    Ok(judged)
}

/// Builds the program and lets the outside judges loose on it.
pub(crate) fn judges() -> Result<ExitCode> {
    // With all targets it is the tests' build: other targets would mean other features, and most of it anew.
    let build = ["build", "--workspace", "--all-features", "--all-targets"];
    step("program", || cargo(&build, &[]))?;
    let mut all = checks::Tally::default();
    step("outside judges", || judged(&mut all))?;
    Ok(all.finish())
}

/// Lets only the story of workflows be played.
pub(crate) fn workflow_judges() -> Result<ExitCode> {
    step("program", || {
        cargo(&["build", "-p", "eventos", "--all-features"], &[])
    })?;
    let mut all = checks::Tally::default();
    let peers = crate::peers::install()?;
    checks::workflows(&peers, &program(), &mut all);
    Ok(all.finish())
}

/// Lets only the API be attacked, on a server without data.
pub(crate) fn api_judges() -> Result<ExitCode> {
    step("program", || {
        cargo(&["build", "-p", "eventos", "--all-features"], &[])
    })?;
    let mut all = checks::Tally::default();
    let peers = crate::peers::install()?;
    let scratch = scratch()?;
    let server = Server::start(&program(), scratch.path(), &[])?;
    checks::api(&peers, &server, &mut all);
    server.stop()?;
    scratch
        .close()
        .context("the scratch folder could not be removed")?;
    Ok(all.finish())
}

/// Lets only the mail servers judge.
pub(crate) fn mail_judges() -> Result<ExitCode> {
    step("program", || {
        cargo(&["build", "-p", "delivery", "--example", "hand_over"], &[])
    })?;
    let mut all = checks::Tally::default();
    let peers = crate::peers::install()?;
    checks::mail(&peers, &target().join("debug/examples/hand_over"), &mut all);
    Ok(all.finish())
}

/// Lets only those judge who know Stripe.
pub(crate) fn payment_judges() -> Result<ExitCode> {
    let build = [
        "build",
        "-p",
        "payments",
        "--all-features",
        "--bins",
        "--examples",
    ];
    step("program", || cargo(&build, &[]))?;
    let mut all = checks::Tally::default();
    checks::payments(&target().join("debug"), &mut all);
    Ok(all.finish())
}

/// Lets only a buyer in Chromium judge.
pub(crate) fn browser_judges() -> Result<ExitCode> {
    step("program", || {
        let programs = [
            "build",
            "-p",
            "eventos",
            "-p",
            "llm",
            "-p",
            "payments",
            "--all-features",
        ];
        cargo(&programs, &[])
    })?;
    let mut all = checks::Tally::default();
    let peers = crate::peers::install()?;
    checks::checkout(&peers, &target().join("debug"), &mut all);
    Ok(all.finish())
}

fn step(name: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("==> {name}");
    let started = Instant::now();
    run().with_context(|| format!("the step \"{name}\" failed"))?;
    println!(
        "==> {name}: done in {:.0} s",
        started.elapsed().as_secs_f32()
    );
    Ok(())
}

/// Runs cargo in the checkout, as the same toolchain that runs this.
pub(crate) fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root())
        .status()?;
    ensure!(
        status.success(),
        "cargo {} ended with {status}",
        arguments.join(" ")
    );
    Ok(())
}

/// The tests, by nextest where it is installed. The test server is held up around them.
fn tests() -> Result<()> {
    let cluster = testkit::kept_cluster();
    let nextest = Command::new("cargo")
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|out| out.status.success());
    let runner: &[&str] = if nextest {
        &["nextest", "run", "--no-fail-fast"]
    } else {
        &["test", "--no-fail-fast"]
    };
    let outcome = cargo(&[runner, &["--workspace", "--all-features"]].concat(), &[]);
    cluster
        .close()
        .context("the test server could not be stopped")?;
    outcome
}

/// Mail servers, what knows Stripe, a buyer in Chromium, the attacker of the API, the official suite, Inspector, the Python client and the
/// bundle tool, on the program as a user would start it: once empty, once with the demonstration data.
fn judged(all: &mut checks::Tally) -> Result<()> {
    let peers = crate::peers::install()?;
    let scratch = scratch()?;
    let program = program();
    checks::mail(&peers, &target().join("debug/examples/hand_over"), all);
    checks::payments(&target().join("debug"), all);
    checks::checkout(&peers, &target().join("debug"), all);
    checks::workflows(&peers, &program, all);
    let empty = Server::start(&program, &scratch.path().join("empty"), &[])?;
    checks::endpoint(
        &peers,
        &empty,
        &checks::Judges {
            fixtures: true,
            conformance: true,
        },
        all,
    );
    // Last: it leaves things behind that nobody means.
    checks::api(&peers, &empty, all);
    empty.stop()?;
    let demo = Server::start(&program, &scratch.path().join("demo"), &["--demo"])?;
    checks::endpoint(
        &peers,
        &demo,
        &checks::Judges {
            fixtures: false,
            conformance: false,
        },
        all,
    );
    demo.stop()?;
    let manifest = bundle::write_manifest(&scratch.path().join("bundle"), &program)?;
    checks::bundle(&peers, &manifest, all);
    scratch
        .close()
        .context("the scratch folder could not be removed")
}

/// A folder of this run's own, gone with the value. Root's PostgreSQL runs as another account, and has to get in.
fn scratch() -> Result<TempDir> {
    let open = Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new()
        .prefix("eventos-ci-")
        .permissions(open)
        .tempdir();
    folder.context("no scratch folder could be made")
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The program built for development.
fn program() -> PathBuf {
    target().join("debug").join(Path::new("eventos"))
}
