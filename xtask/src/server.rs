//! Starting and stopping the program as a user would, for checks from outside.

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

/// A running server with its own data directory. Dropped without [`Self::stop`], it is killed.
pub(crate) struct Server {
    child: Child,
    program: PathBuf,
    data_dir: PathBuf,
    address: SocketAddr,
    organization: &'static str,
    /// A token with all scopes.
    pub(crate) token: String,
}

impl Server {
    /// Starts the program on a free port and waits until it is ready.
    pub(crate) fn start(program: &Path, data_dir: &Path, arguments: &[&str]) -> Result<Self> {
        std::fs::create_dir_all(data_dir)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = File::create(data_dir.join("serve.log"))?;
        let child = Command::new(program)
            .args(["serve", "--listen", &address.to_string()])
            .args(arguments)
            .env("EVENTOS_DATA_DIR", data_dir)
            .env("EVENTOS_LIMITS__OPERATIONS_PER_MINUTE", "0")
            .env("EVENTOS_LIMITS__PUBLIC_PER_MINUTE", "0")
            .env_remove("DATABASE_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let organization = if arguments.contains(&"--demo") {
            "demo"
        } else {
            "home"
        };
        let mut server = Self {
            child,
            program: program.to_owned(),
            data_dir: data_dir.to_owned(),
            address,
            organization,
            token: String::new(),
        };
        server.wait_until_ready()?;
        let made = server
            .command(&[
                "token",
                "create",
                "--name",
                "checks",
                "--scopes",
                "all",
                "--quiet",
                "--organization",
                organization,
            ])
            .output()?;
        ensure!(
            made.status.success(),
            "no token: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        String::from_utf8(made.stdout)?
            .trim()
            .clone_into(&mut server.token);
        Ok(server)
    }

    /// The address of the server.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The program on the same data directory, with the server's token for its rights.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("EVENTOS_DATA_DIR", &self.data_dir)
            .env_remove("DATABASE_URL");
        command
    }

    /// The words of a command that serves MCP on standard input and output.
    pub(crate) fn stdio(&self) -> Vec<String> {
        let program = self.program.display().to_string();
        let data_dir = format!("EVENTOS_DATA_DIR={}", self.data_dir.display());
        let token = format!("EVENTOS_TOKEN={}", self.token);
        let quiet = "RUST_LOG=warn".to_owned();
        [
            "env".to_owned(),
            data_dir,
            token,
            quiet,
            program,
            "mcp".to_owned(),
            "stdio".to_owned(),
        ]
        .into()
    }

    /// The words of a command that approves what is put after them, as the person at the server would.
    pub(crate) fn office(&self) -> Vec<String> {
        let program = self.program.display().to_string();
        let data_dir = format!("EVENTOS_DATA_DIR={}", self.data_dir.display());
        ["env", "-u", "EVENTOS_TOKEN", &data_dir, &program]
            .into_iter()
            .chain(["approvals", "approve", "--organization", self.organization])
            .map(str::to_owned)
            .collect()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_mins(4);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}:\n{}", self.last_words());
            }
            if self.is_ready().unwrap_or(false) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!(
            "the server was not ready after four minutes:\n{}",
            self.last_words()
        )
    }

    fn is_ready(&self) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.data_dir.join("serve.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Asks the server to end and waits until it has, database and all.
    pub(crate) fn stop(mut self) -> Result<()> {
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()?;
        ensure!(asked.success(), "the server could not be asked to stop");
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                ensure!(
                    status.success(),
                    "the server ended with {status}:\n{}",
                    self.last_words()
                );
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!(
            "the server did not stop within 30 s:\n{}",
            self.last_words()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Asked first, because a killed server leaves its database running.
            let _ = Command::new("kill")
                .args(["-TERM", &self.child.id().to_string()])
                .status();
            thread::sleep(Duration::from_secs(3));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
