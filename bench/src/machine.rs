//! The machine a figure was measured on, and which of its processors do what.

use std::{
    ffi::OsStr,
    fs,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

/// Which processors serve, and which ask.
#[derive(Debug, Clone)]
pub(crate) struct Cores {
    /// For the servers and PostgreSQL. Empty: wherever the system likes.
    pub(crate) servers: Vec<usize>,
    /// For the load. Empty: wherever the system likes.
    pub(crate) load: Vec<usize>,
}

impl Cores {
    /// The last processor asks, the others serve. On one processor, or where processes cannot be pinned, all share.
    pub(crate) fn shared_out(pin: bool) -> Self {
        let count = count();
        if !pin || count < 2 || !cfg!(target_os = "linux") {
            return Self {
                servers: Vec::new(),
                load: Vec::new(),
            };
        }
        Self {
            servers: (0..count - 1).collect(),
            load: vec![count - 1],
        }
    }

    /// A command that runs where servers run.
    pub(crate) fn server(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        if self.servers.is_empty() {
            return Ok(Command::new(program));
        }
        let listed: Vec<String> = self.servers.iter().map(ToString::to_string).collect();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["pinned", "--cores", &listed.join(","), "--"]);
        command.arg(program);
        Ok(command)
    }

    /// For people.
    pub(crate) fn said(&self) -> String {
        if self.servers.is_empty() {
            return "servers, PostgreSQL and load share all processors".to_owned();
        }
        format!(
            "servers and PostgreSQL on processor {:?}, load on {:?}",
            self.servers, self.load
        )
    }
}

/// How many processors there are.
pub(crate) fn count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Keeps this thread, and the threads it starts, on some processors.
#[cfg(target_os = "linux")]
pub(crate) fn pin(cores: &[usize]) -> Result<()> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = rustix::thread::CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    rustix::thread::sched_setaffinity(None, &set).context("the process could not be pinned")
}

/// Keeps nothing anywhere: this system does not pin.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pin(_cores: &[usize]) -> Result<()> {
    Ok(())
}

/// Becomes another program that stays on some processors. Returns only when that fails.
pub(crate) fn become_pinned(cores: &[usize], command: &[PathBuf]) -> Result<()> {
    pin(cores)?;
    let (program, arguments) = command.split_first().context("say which program")?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("{} did not start", program.display()))
}

/// Resident memory of a process in MB, where the system tells.
pub(crate) fn resident(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}

/// The processors, and how busy they are, on average over the last minute.
pub(crate) fn described() -> String {
    let facts = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = facts
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown", |(_, name)| name.trim());
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown");
    format!("{} × {name} with a load of {load} before the run", count())
}

/// What a program says of its version, or nothing.
pub(crate) fn version(program: &str, arguments: &[&str]) -> String {
    let said = Command::new(program)
        .args(arguments)
        .stderr(Stdio::null())
        .output();
    said.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned())
        .unwrap_or_default()
}
