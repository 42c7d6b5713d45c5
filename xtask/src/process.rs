//! Running other programs with a time limit, their output kept in files rather than in pipes, so
//! that a grandchild that outlives its parent cannot hold us up.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// What a program left behind.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The end of what it said, for an error message.
    pub(crate) fn last_words(&self) -> String {
        let said = format!("{}\n{}", self.stdout.trim(), self.stderr.trim());
        let lines: Vec<String> = said.trim().lines().map(shorten).collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

fn shorten(line: &str) -> String {
    const WIDTH: usize = 300;
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line.to_owned(),
    }
}

/// The first `limit` lines, and how many more there are.
pub(crate) fn at_most(lines: &[String], limit: usize) -> String {
    if lines.len() <= limit {
        return lines.join("\n");
    }
    format!(
        "{}\n... and {} more",
        lines[..limit].join("\n"),
        lines.len() - limit
    )
}

/// Runs `command` to its end, with its output in `folder` as `name.out` and `name.err`.
pub(crate) fn run(
    command: &mut Command,
    folder: &Path,
    name: &str,
    limit: Duration,
) -> Result<Finished> {
    fs::create_dir_all(folder)?;
    let (out, err) = (
        folder.join(format!("{name}.out")),
        folder.join(format!("{name}.err")),
    );
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?)
        .spawn()
        .with_context(|| format!("{program} did not start"))?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!(
                "{program} was not done after {} s; see {}",
                limit.as_secs(),
                out.display()
            );
        }
        thread::sleep(Duration::from_millis(20));
    };
    let read = |path| Ok::<_, std::io::Error>(String::from_utf8_lossy(&fs::read(path)?).into());
    Ok(Finished {
        status,
        stdout: read(&out)?,
        stderr: read(&err)?,
    })
}

/// Runs `command` in the open; its failure is an error.
pub(crate) fn must(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("{program} did not start"))?;
    if !status.success() {
        let arguments: Vec<_> = command.get_args().map(|it| it.to_string_lossy()).collect();
        bail!("`{program} {}` failed: {status}", arguments.join(" "));
    }
    Ok(())
}

/// Whether `command` starts and succeeds; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortens_what_is_long() {
        let lines = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(at_most(&lines, 3), "a\nb\nc");
        assert_eq!(at_most(&lines, 1), "a\n... and 2 more");
        assert_eq!(
            shorten(&"é".repeat(301)),
            format!("{} ...", "é".repeat(300))
        );
    }
}
