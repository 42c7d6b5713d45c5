//! The program under measurement, started and stopped as a user would.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::machine::{self, Cores};

/// What is measured, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// Keep data here, and use what is here already; otherwise a folder of its own that is removed.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// The cargo profile to build with. Only figures of `release` are figures of EventOS.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "release",
        conflicts_with = "write"
    )]
    pub(crate) profile: String,
    /// The program to measure; otherwise it is built.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

impl Place {
    /// The program, built unless one was given.
    pub(crate) fn build(&self) -> Result<PathBuf> {
        if let Some(given) = &self.program {
            return Ok(given.clone());
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--profile", &self.profile, "--package", "eventos"])
            .current_dir(crate::root())
            .status()?;
        ensure!(status.success(), "the program could not be built");
        Ok(crate::target().join(&self.profile).join("eventos"))
    }

    /// Works in the folder, which is removed afterwards unless it was given.
    pub(crate) fn in_scratch<T>(&self, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let own = crate::target().join(format!("bench-{}", std::process::id()));
        let scratch = self.scratch.as_ref().unwrap_or(&own);
        std::fs::create_dir_all(scratch)?;
        let outcome = work(&scratch.canonicalize()?);
        if self.scratch.is_none() {
            std::fs::remove_dir_all(&own)?;
        }
        outcome
    }
}

/// A program and where it keeps its data.
#[derive(Debug, Clone)]
pub(crate) struct Installed {
    pub(crate) program: PathBuf,
    pub(crate) data_dir: PathBuf,
    pub(crate) cores: Cores,
}

impl Installed {
    /// The program on its data, with no limit on how often it may be asked.
    pub(crate) fn command(&self) -> Result<Command> {
        let mut command = self.cores.server(&self.program)?;
        command
            .env("EVENTOS_DATA_DIR", &self.data_dir)
            .env("EVENTOS_LIMITS__OPERATIONS_PER_MINUTE", "0")
            .env("EVENTOS_LIMITS__PUBLIC_PER_MINUTE", "0")
            .env_remove("DATABASE_URL");
        Ok(command)
    }

    /// Starts the server; says how long it took until it was ready.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Result<(Served, Duration)> {
        self.serve_with(arguments, &[])
    }

    /// The same with settings of its own.
    pub(crate) fn serve_with(
        &self,
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> Result<(Served, Duration)> {
        std::fs::create_dir_all(&self.data_dir)?;
        let address = free_address()?;
        let log = self.data_dir.join("serve.log");
        let mut command = self.command()?;
        command.envs(settings.iter().copied());
        command
            .args(["serve", "--listen", &address.to_string()])
            .args(arguments);
        let started = Instant::now();
        let process = Process::start(command.stdin(Stdio::null()), &log)?;
        let mut served = Served { process, address };
        while !served.is_ready().unwrap_or(false) {
            served.process.check()?;
            ensure!(
                started.elapsed() < Duration::from_mins(10),
                "the server was not ready after ten minutes; see {}",
                log.display()
            );
            thread::sleep(Duration::from_millis(2));
        }
        Ok((served, started.elapsed()))
    }

    /// A token with all scopes.
    pub(crate) fn token(&self, organization: &str) -> Result<String> {
        crate::output(self.command()?.args([
            "token",
            "create",
            "--name",
            "bench",
            "--scopes",
            "all",
            "--quiet",
            "--organization",
            organization,
        ]))
    }
}

/// A server that answers.
pub(crate) struct Served {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Served {
    fn is_ready(&self) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    }

    /// Resident memory in MB, without PostgreSQL.
    pub(crate) fn resident(&self) -> Option<f64> {
        machine::resident(self.process.child.id())
    }
}

/// A child that is asked to end when the value goes, and made to when it does not.
pub(crate) struct Process {
    pub(crate) child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command whose errors go to a file; everything else is as the command says.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let program = command.get_program().display().to_string();
        let child = command
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()
            .with_context(|| format!("{program} did not start"))?;
        let log = log.to_owned();
        Ok(Self { child, log })
    }

    /// Fails when the process has ended, with the last it said.
    pub(crate) fn check(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(());
        };
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        let last = lines[lines.len().saturating_sub(15)..].join("\n");
        bail!("the process ended with {status}:\n{last}")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let asked = Instant::now();
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid
            && matches!(self.child.try_wait(), Ok(None))
        {
            // Asked first: a server that is killed leaves its database running.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        while matches!(self.child.try_wait(), Ok(None)) {
            if asked.elapsed() > Duration::from_secs(30) {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// An address of this machine's own where nobody listens.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
