//! The contestants, side by side on one database, taking turns.

use std::{
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use store::embedded::{Cluster, Options as ClusterOptions};
use tokio::{runtime::Runtime, task::JoinSet};

use super::{
    client::{Call, Caller, Ends, Http, Pipe},
    constant,
    sql::{Direct, EVENT_SLUG, ORDER_COUNT, Tool},
};
use crate::{
    machine::{self, Cores},
    program::{Installed, Process, Served, free_address},
    stats::Sample,
};

/// Calls under way when it is about how many there can be.
pub(crate) const CONCURRENCY: usize = 16;

/// How long and how often.
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) rounds: u32,
    pub(crate) latency: Duration,
    pub(crate) load: Duration,
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Constant,
    Query,
    EventOs,
    FastMcp,
}

/// Through what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Http,
    Stdio,
    Socket,
}

/// One contestant's figures, a number per round.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) who: Who,
    pub(crate) way: Way,
    /// None: the constant.
    pub(crate) tool: Option<Tool>,
    pub(crate) p50: Vec<f64>,
    pub(crate) p99: Vec<f64>,
    pub(crate) rate: Vec<f64>,
    /// Bytes of an answer on the wire.
    pub(crate) size: usize,
}

/// Everything the contest brought.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) figures: Vec<Figures>,
    pub(crate) postgres: String,
    pub(crate) python: String,
    /// MB of EventOS's HTTP server behind the load, without PostgreSQL.
    pub(crate) resident: Option<f64>,
}

/// Starts everybody on the demonstration's database and lets them take turns.
pub(crate) fn hold(installed: &Installed, scratch: &Path, schedule: &Schedule) -> Result<Outcome> {
    let python = python()?;
    eprintln!("loading the demonstration, unless it is there");
    let (server, _) = installed.serve(&["--demo"])?;
    let token = installed.token("demo")?;
    // A share in the running server tells its address.
    let cluster = Cluster::open(&ClusterOptions::new(&installed.data_dir), &|_| {})?;
    let url = cluster.url("eventos");
    let runtime = runtime(&installed.cores)?;
    let connections = u32::try_from(CONCURRENCY)?;
    let direct = runtime.block_on(Direct::connect(&url, connections))?;
    let queries = scratch.join("queries.json");
    std::fs::write(&queries, direct.for_python(&url).to_string())?;
    let field = Field {
        installed,
        scratch,
        token: &token,
        python: &python,
        queries: &queries,
        last_order: runtime.block_on(direct.last_order())?,
    };
    let mut contestants = field.enter(&server, &Arc::new(runtime), &direct)?;
    for contestant in &mut contestants {
        contestant.warm_up()?;
    }
    for round in 0..schedule.rounds {
        eprintln!("round {} of {}", round + 1, schedule.rounds);
        // Another one is first each time.
        let count = contestants.len();
        contestants.rotate_left(usize::try_from(round)? * 5 % count);
        for contestant in &mut contestants {
            contestant.take_turn(schedule)?;
        }
    }
    let (runtime, resident) = (contestants[0].runtime.clone(), server.resident());
    let postgres = runtime.block_on(direct.version())?;
    let script = "import sys, fastmcp, asyncpg; print('Python', sys.version.split()[0] + ', FastMCP', \
                  fastmcp.__version__ + ', asyncpg', asyncpg.__version__)";
    let outcome = Outcome {
        figures: contestants.into_iter().map(|c| c.figures).collect(),
        postgres,
        python: crate::output(Command::new(&python).args(["-c", script]))?,
        resident,
    };
    drop(server);
    cluster.close()?;
    Ok(outcome)
}

/// The Python with the peer's packages, installed by the chore that installs all peers.
fn python() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let said = crate::output(
        Command::new(cargo)
            .args(["xtask", "peers", "--bench"])
            .current_dir(crate::root()),
    )?;
    let last = said.lines().last().context("xtask named no Python")?;
    Ok(last.into())
}

/// A runtime whose threads run where servers run, for the contestant without a server.
fn runtime(cores: &Cores) -> Result<Runtime> {
    let servers = cores.servers.clone();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(servers.len().max(1))
        .on_thread_start(move || machine::pin(&servers).expect("as servers are"))
        .enable_all();
    Ok(builder.build()?)
}

/// What contestants need to enter.
struct Field<'a> {
    installed: &'a Installed,
    scratch: &'a Path,
    token: &'a str,
    python: &'a Path,
    queries: &'a Path,
    last_order: String,
}

impl Field<'_> {
    fn enter(
        &self,
        server: &Served,
        runtime: &Arc<Runtime>,
        direct: &Direct,
    ) -> Result<Vec<Contestant>> {
        let mut entered = Vec::new();
        let mut add = |who, way, tool, caller: Box<dyn Caller>, process| {
            entered.push(Contestant {
                runtime: Arc::clone(runtime),
                caller,
                process,
                figures: Figures {
                    who,
                    way,
                    tool,
                    p50: Vec::new(),
                    p99: Vec::new(),
                    rate: Vec::new(),
                    size: 0,
                },
            });
        };
        let (constant, address) = self.constant(true)?;
        let caller = Box::new(Http::new(call(None, ""), address, None));
        add(Who::Constant, Way::Http, None, caller, Some(constant));
        let (mut constant, _) = self.constant(false)?;
        let ends = Ends::of(&mut constant.child)?;
        let caller = Box::new(Pipe::new(call(None, ""), &ends));
        add(Who::Constant, Way::Stdio, None, caller, Some(constant));
        // A process serves both tools; it goes with the first.
        let (fastmcp, peer) = self.fastmcp(true)?;
        let (mut fastmcp_stdio, _) = self.fastmcp(false)?;
        let mut eventos_stdio = self.eventos()?;
        let peer_ends = Ends::of(&mut fastmcp_stdio.child)?;
        let ends = Ends::of(&mut eventos_stdio.child)?;
        let (mut fastmcp, mut fastmcp_stdio) = (Some(fastmcp), Some(fastmcp_stdio));
        let mut eventos_stdio = Some(eventos_stdio);
        for tool in [Tool::GetEvent, Tool::ListOrders] {
            let call = call(Some(tool), &self.last_order);
            let caller = Box::new(Bare {
                runtime: Arc::clone(runtime),
                direct: direct.clone(),
                tool,
            });
            add(Who::Query, Way::Socket, Some(tool), caller, None);
            let caller = Box::new(Http::new(call.clone(), server.address, Some(self.token)));
            add(Who::EventOs, Way::Http, Some(tool), caller, None);
            let caller = Box::new(Pipe::new(call.clone(), &ends));
            add(
                Who::EventOs,
                Way::Stdio,
                Some(tool),
                caller,
                eventos_stdio.take(),
            );
            let caller = Box::new(Http::new(call.clone(), peer, None));
            add(Who::FastMcp, Way::Http, Some(tool), caller, fastmcp.take());
            let caller = Box::new(Pipe::new(call, &peer_ends));
            add(
                Who::FastMcp,
                Way::Stdio,
                Some(tool),
                caller,
                fastmcp_stdio.take(),
            );
        }
        Ok(entered)
    }

    fn constant(&self, listens: bool) -> Result<(Process, SocketAddr)> {
        let mut command = self.installed.cores.server(std::env::current_exe()?)?;
        command.arg("constant");
        let address = free_address()?;
        if !listens {
            return Ok((self.start(&mut command, "constant-stdio")?, address));
        }
        command.args(["--listen", &address.to_string()]);
        let mut process = self.start(&mut command, "constant-http")?;
        wait(address, &mut process)?;
        Ok((process, address))
    }

    fn fastmcp(&self, listens: bool) -> Result<(Process, SocketAddr)> {
        let mut command = self.installed.cores.server(self.python)?;
        command.arg(crate::root().join("bench/fastmcp_server.py"));
        command.arg(self.queries);
        // It would otherwise ask the network for newer versions of itself, and colour its log.
        command
            .env("FASTMCP_CHECK_FOR_UPDATES", "off")
            .env("NO_COLOR", "1");
        let address = free_address()?;
        if !listens {
            return Ok((self.start(&mut command, "fastmcp-stdio")?, address));
        }
        command.arg(address.port().to_string());
        let mut process = self.start(&mut command, "fastmcp-http")?;
        wait(address, &mut process)?;
        Ok((process, address))
    }

    fn eventos(&self) -> Result<Process> {
        let mut command = self.installed.command()?;
        command
            .args(["mcp", "stdio"])
            .env("EVENTOS_TOKEN", self.token);
        self.start(&mut command, "eventos-stdio")
    }

    fn start(&self, command: &mut Command, name: &str) -> Result<Process> {
        let log = self.scratch.join(format!("{name}.log"));
        Process::start(command.stdin(Stdio::piped()), &log)
    }
}

fn call(tool: Option<Tool>, last_order: &str) -> Call {
    let (tool, arguments, expected) = match tool {
        None => (constant::TOOL, json!({}), constant::ANSWER),
        Some(Tool::GetEvent) => ("get_event", json!({"event": EVENT_SLUG}), EVENT_SLUG),
        Some(Tool::ListOrders) => ("list_orders", json!({"limit": ORDER_COUNT}), last_order),
    };
    Call {
        tool: tool.to_owned(),
        arguments,
        expected: expected.to_owned(),
    }
}

/// Waits until somebody listens.
fn wait(address: SocketAddr, process: &mut Process) -> Result<()> {
    let started = Instant::now();
    while TcpStream::connect(address).is_err() {
        process.check()?;
        ensure!(
            started.elapsed() < Duration::from_mins(1),
            "nobody listens on {address}"
        );
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

struct Contestant {
    runtime: Arc<Runtime>,
    // Before the process, which ends when it is dropped.
    caller: Box<dyn Caller>,
    process: Option<Process>,
    figures: Figures,
}

impl Contestant {
    fn named(&self) -> String {
        let Figures { who, way, tool, .. } = &self.figures;
        format!("{who:?} over {way:?} ({tool:?})")
    }

    fn warm_up(&mut self) -> Result<()> {
        let name = self.named();
        self.figures.size = self.caller.probe().with_context(|| name.clone())?;
        self.caller
            .load(CONCURRENCY, Duration::from_secs(1))
            .with_context(|| name.clone())?;
        self.caller.load(1, Duration::from_secs(1)).context(name)?;
        if let Some(process) = &mut self.process {
            process.check()?;
        }
        Ok(())
    }

    fn take_turn(&mut self, schedule: &Schedule) -> Result<()> {
        let name = self.named();
        let one = self
            .caller
            .load(1, schedule.latency)
            .with_context(|| name.clone())?;
        let many = self.caller.load(CONCURRENCY, schedule.load).context(name)?;
        self.figures.p50.push(one.percentile(0.5));
        self.figures.p99.push(one.percentile(0.99));
        self.figures.rate.push(many.rate());
        Ok(())
    }
}

/// The queries alone.
struct Bare {
    runtime: Arc<Runtime>,
    direct: Direct,
    tool: Tool,
}

impl Caller for Bare {
    fn load(&mut self, concurrency: usize, lasting: Duration) -> Result<Sample> {
        let tool = self.tool;
        let started = Instant::now();
        let until = started + lasting;
        self.runtime.block_on(async {
            let mut asking = JoinSet::new();
            for _ in 0..concurrency {
                let direct = self.direct.clone();
                asking.spawn(async move {
                    let mut times = Vec::new();
                    loop {
                        let asked = Instant::now();
                        if asked >= until {
                            return anyhow::Ok(times);
                        }
                        direct.ask(tool).await?;
                        times.push(asked.elapsed());
                    }
                });
            }
            let mut all = Vec::new();
            for times in asking.join_all().await {
                all.extend(times?);
            }
            Ok(Sample::new(all, started.elapsed()))
        })
    }

    fn probe(&mut self) -> Result<usize> {
        self.runtime.block_on(self.direct.ask(self.tool))?;
        Ok(0)
    }
}
