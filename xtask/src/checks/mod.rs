//! Lets the outside programs judge MCP servers that are up. Every check prints one line and must
//! be able to fail; the last line of a run is `N passed, N failed`.

mod api;
mod bundle;
mod conformance;
mod inspector;
mod mail;
mod payments;
mod proxy;
mod story;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{peers, server::Server};

/// An MCP server over HTTP.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) token: Option<String>,
}

/// The checks so far.
#[derive(Default)]
pub(crate) struct Tally {
    passed: u32,
    failed: u32,
}

impl Tally {
    /// Makes one check and says how it went. The text of a success is a figure or nothing.
    pub(crate) fn check(&mut self, name: &str, check: impl FnOnce() -> Result<String>) {
        let started = Instant::now();
        let outcome = check();
        let took = started.elapsed().as_secs_f32();
        match outcome {
            Ok(figure) => {
                self.passed += 1;
                let colon = if figure.is_empty() { "" } else { ": " };
                println!("ok      {name}{colon}{figure} ({took:.1} s)");
            }
            Err(error) => {
                self.failed += 1;
                let reason = format!("{error:#}").replace('\n', "\n        ");
                println!("FAILED  {name} ({took:.1} s): {reason}");
            }
        }
    }

    /// The last line, and the exit code that goes with it. To have checked nothing is a failure.
    pub(crate) fn finish(&self) -> ExitCode {
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 && self.passed > 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Options {
    fixture: Option<String>,
    url: Option<String>,
    token: Option<String>,
    manifest: Option<PathBuf>,
    story: Option<String>,
    office: Vec<String>,
    stdio: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.iter().cloned();
        while let Some(name) = arguments.next() {
            if name == "--stdio" {
                options.stdio = arguments.collect();
                break;
            }
            let value = arguments
                .next()
                .with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--fixture" => options.fixture = Some(value),
                "--url" => options.url = Some(value),
                "--token" => options.token = Some(value),
                "--manifest" => options.manifest = Some(value.into()),
                "--story" => options.story = Some(value),
                "--office" => options.office = value.split(' ').map(str::to_owned).collect(),
                _ => bail!("mcp-checks has no option {name}"),
            }
        }
        Ok(options)
    }

    fn endpoint(&self, url: Option<&String>) -> Option<Endpoint> {
        url.map(|url| Endpoint {
            url: url.clone(),
            token: self.token.clone(),
        })
    }
}

/// `cargo xtask mcp-checks`: whatever the options name something to check for.
pub(crate) fn main(arguments: &[String]) -> Result<ExitCode> {
    let options = Options::parse(arguments)?;
    let peers = peers::install()?;
    let mut tally = Tally::default();
    let fixture = options.endpoint(options.fixture.as_ref());
    let real = options.endpoint(options.url.as_ref());
    if let Some(fixture) = &fixture {
        conformance::fixture(&peers, fixture, &mut tally);
    }
    if let Some(real) = &real {
        conformance::real(&peers, real, &mut tally);
    }
    if !options.stdio.is_empty() || real.is_some() {
        inspector::check(&peers, real.as_ref(), &options.stdio, &mut tally);
    }
    if let Some(manifest) = &options.manifest {
        bundle::check(&peers, manifest, &mut tally);
    }
    if let Some(name) = &options.story {
        let endpoint = if name == "self" { &fixture } else { &real };
        let office = options.office.as_slice();
        story::check(
            &peers,
            name,
            endpoint.as_ref(),
            office,
            &options.stdio,
            &mut tally,
        );
    }
    Ok(tally.finish())
}

/// Which of the slower judges to ask about a server.
pub(crate) struct Judges {
    /// The suite on its fixtures; the program must be built with them.
    pub(crate) fixtures: bool,
    /// The suite's scenarios that need no fixtures, and the Inspector.
    pub(crate) conformance: bool,
}

/// Lets the judges loose on a server of our own; the organizer's story is always played.
pub(crate) fn endpoint(peers: &peers::Peers, server: &Server, judges: &Judges, tally: &mut Tally) {
    let at = |path: &str| Endpoint {
        url: format!("{}{path}", server.url()),
        token: Some(server.token.clone()),
    };
    let stdio = server.stdio();
    if judges.fixtures {
        conformance::fixture(peers, &at("/mcp-conformance"), tally);
    }
    if judges.conformance {
        conformance::real(peers, &at("/mcp"), tally);
        inspector::check(peers, Some(&at("/mcp")), &stdio, tally);
    }
    let office = server.office();
    story::check(
        peers,
        "organizer",
        Some(&at("/mcp")),
        &office,
        &stdio,
        tally,
    );
}

/// Whether the API is what it says of itself.
pub(crate) fn api(peers: &peers::Peers, server: &Server, tally: &mut Tally) {
    api::check(peers, server, tally);
}

/// Whether other programs' mail servers take our mails as they are meant.
pub(crate) fn mail(peers: &peers::Peers, program: &std::path::Path, tally: &mut Tally) {
    mail::check(peers, program, tally);
}

/// Whether other programs that know Stripe agree with our adapter and our simulator.
pub(crate) fn payments(debug: &std::path::Path, tally: &mut Tally) {
    payments::check(debug, tally);
}

/// Whether a buyer in a browser can pay.
pub(crate) fn checkout(peers: &peers::Peers, debug: &std::path::Path, tally: &mut Tally) {
    payments::in_the_browser(peers, debug, tally);
}

/// Whether each mail of a chain of workflows arrives once, whatever happens to the program.
pub(crate) fn workflows(peers: &peers::Peers, program: &std::path::Path, tally: &mut Tally) {
    mail::check_workflows(peers, program, tally);
}

/// Whether the bundle tool accepts a manifest.
pub(crate) fn bundle(peers: &peers::Peers, manifest: &std::path::Path, tally: &mut Tally) {
    bundle::check(peers, manifest, tally);
}

/// Long enough for the slowest check on a busy machine.
const LIMIT: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn having_checked_nothing_is_a_failure() {
        assert_eq!(Tally::default().finish(), ExitCode::FAILURE);
    }

    #[test]
    fn takes_the_rest_of_the_line_as_the_command() {
        let line = ["--token", "t", "--stdio", "eventos", "mcp", "--token", "u"];
        let options = Options::parse(&line.map(str::to_owned)).expect("the line is well formed");
        assert_eq!(options.token.as_deref(), Some("t"));
        assert_eq!(options.stdio, ["eventos", "mcp", "--token", "u"]);
        assert!(Options::parse(&["--url".to_owned()]).is_err());
    }
}
