//! Starting the program, talking to it over HTTP, and ending it in every way.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// A data directory that goes away with the value, reachable for the account the database runs as.
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("eventos-e2e-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The program on this directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_eventos"));
        command.args(arguments);
        command
            .env("EVENTOS_DATA_DIR", &self.0)
            .env_remove("DATABASE_URL")
            .env("EVENTOS_LIMITS__OPERATIONS_PER_MINUTE", "0");
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command that succeeds prints.
    pub(crate) fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// The main process of the embedded server, if it runs.
    pub(crate) fn postmaster(&self) -> Option<i32> {
        let file = self.0.join("postgres/cluster/postmaster.pid");
        let pid: i32 = std::fs::read_to_string(file)
            .ok()?
            .lines()
            .next()?
            .trim()
            .parse()
            .ok()?;
        is_alive(pid).then_some(pid)
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // A test that failed may have left the server behind: joining and leaving it stops it.
        if self.postmaster().is_some() {
            let _ = self.run(&["migrate", "--check"]);
        }
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn is_alive(pid: i32) -> bool {
    // A zombie has ended; only its parent has not looked yet.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with('Z')
    })
}

pub(crate) fn signal(pid: i32, signal: &str) {
    assert!(
        Command::new("kill")
            .args([signal, &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// Waits until something holds, for five minutes at most: a build beside the tests makes everything slow.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(5);
    while !holds() {
        assert!(
            Instant::now() < deadline,
            "after five minutes still not: {what}"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(data: &DataDir, arguments: &[&str]) -> Self {
        Self::start_with(data, arguments, &[])
    }

    /// The same with variables in its environment.
    pub(crate) fn start_with(
        data: &DataDir,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let log = data.path().join(format!("serve-{}.log", address.port()));
        let child = data
            .command(&["serve", "--listen", &address.to_string()])
            .args(arguments)
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut server = Self {
            child,
            address,
            log,
        };
        until("the server is ready", || {
            assert!(
                server.child.try_wait().unwrap().is_none(),
                "the server ended: {}",
                server.said()
            );
            server.get("/readyz").is_some_and(|answer| answer.0 == 200)
        });
        server
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where it writes what it says.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Asks it to stop and waits; whether it ended well.
    pub(crate) fn stop(mut self) -> bool {
        signal(self.pid(), "-TERM");
        self.child.wait().unwrap().success()
    }

    /// Ends it without a word.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Status and body of a page, if the server answers.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        exchange(
            self.address,
            &format!(
                "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                self.address
            ),
        )
        .ok()
    }

    /// What the server answers to a form that a browser sends.
    pub(crate) fn post_form(&self, path: &str, body: &str) -> (u16, String) {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        exchange(self.address, &request).unwrap()
    }

    /// The status and the JSON that a post of JSON is answered with.
    pub(crate) fn post_json(&self, path: &str, headers: &str, body: &str) -> (u16, Value) {
        let address = self.address;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        let (status, answer) = exchange(address, &request).unwrap();
        (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    /// The answer of a tool: its structured content, or its text as an error.
    pub(crate) fn call(
        &self,
        token: &str,
        tool: &str,
        arguments: &Value,
    ) -> std::io::Result<Result<Value, String>> {
        call(self.address, token, tool, arguments)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

pub(crate) fn exchange(address: SocketAddr, request: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let broken = || std::io::Error::other("the connection ended in the middle of an answer");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|s| s.parse().ok())
        .ok_or_else(broken)?;
    Ok((status, body.to_owned()))
}

/// One stateless MCP call of the revision 2026-07-28, written by hand: the tests should not share the server's library.
pub(crate) fn call(
    address: SocketAddr,
    token: &str,
    tool: &str,
    arguments: &Value,
) -> std::io::Result<Result<Value, String>> {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "e2e", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": meta}})
    .to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, answer) = exchange(address, &request)?;
    let broken = || std::io::Error::other(format!("{status}: no answer in {answer:?}"));
    // The body is one JSON document or a stream of events; either way the answer is the line with a result.
    let lines = answer
        .lines()
        .map(|line| line.strip_prefix("data:").unwrap_or(line).trim());
    let mut values = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let message = values
        .find(|v| v.get("result").is_some() || v.get("error").is_some())
        .ok_or_else(broken)?;
    let result = &message["result"];
    let text = result["content"][0]["text"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    Ok(
        if result["isError"] == true || message.get("error").is_some() {
            Err(if text.is_empty() {
                message.to_string()
            } else {
                text
            })
        } else {
            Ok(result["structuredContent"].clone())
        },
    )
}

/// The path of a page whose link is in one of the mails that were written to the outbox, such as `/s/` and what follows, once
/// a mail with these words is there.
pub(crate) fn mailed_link(data: &DataDir, page: &str, words: &[&str]) -> Option<String> {
    let mails = std::fs::read_dir(data.path().join("outbox")).ok()?;
    let mails = mails.filter_map(|mail| std::fs::read_to_string(mail.ok()?.path()).ok());
    let about = mails.filter(|mail| words.iter().all(|word| mail.contains(word)));
    let mail = about.last()?.replace("=\r\n", "");
    let token = mail.split(page).nth(1)?.chars();
    let token: String = token.take_while(char::is_ascii_hexdigit).collect();
    Some(format!("{page}{token}"))
}
