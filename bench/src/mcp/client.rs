//! A client that costs next to nothing: requests are written out beforehand, answers are read and searched but not
//! parsed, and threads block. All servers are asked by this one.

use std::{
    cell::RefCell,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdin, ChildStdout},
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::stats::Sample;

const REVISION: &str = "2026-07-28";

/// A tool call and how its answer is recognized.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) tool: String,
    pub(crate) arguments: Value,
    /// Text that the right answer has and an error has not.
    pub(crate) expected: String,
}

impl Call {
    fn body(&self, id: usize) -> String {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({"name": self.tool, "arguments": self.arguments, "_meta": meta});
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
    }

    /// Whether an answer is the right one.
    fn check(&self, answer: &[u8]) -> Result<()> {
        let answer = std::str::from_utf8(answer)?;
        let refused = answer.contains("\"isError\":true") || answer.contains("\"error\":{");
        ensure!(
            !refused && answer.contains(&self.expected),
            "{} answered without {:?}: {answer}",
            self.tool,
            self.expected
        );
        Ok(())
    }
}

/// A way to call one tool, with as many calls under way as wanted.
pub(crate) trait Caller {
    /// Calls for a while, with `concurrency` calls under way at any time.
    fn load(&mut self, concurrency: usize, lasting: Duration) -> Result<Sample>;

    /// The length of an answer as it comes over the wire, after one call.
    fn probe(&mut self) -> Result<usize>;
}

/// Over HTTP: one connection for each call under way, kept alive through a turn.
pub(crate) struct Http {
    call: Call,
    address: SocketAddr,
    token: Option<String>,
    connections: Vec<Connection>,
}

impl Http {
    pub(crate) fn new(call: Call, address: SocketAddr, token: Option<&str>) -> Self {
        Self {
            call,
            address,
            token: token.map(ToOwned::to_owned),
            connections: Vec::new(),
        }
    }

    /// Opens new connections, since servers close those that were idle between two turns, and tries each once.
    fn connect(&mut self, wanted: usize) -> Result<()> {
        self.connections.clear();
        for id in 1..=wanted {
            let body = self.call.body(id);
            let authorization = self
                .token
                .as_ref()
                .map(|token| format!("Authorization: Bearer {token}\r\n"));
            let request = format!(
                "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
                 Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {REVISION}\r\n\
                 Mcp-Method: tools/call\r\nMcp-Name: {}\r\n{}Content-Length: {}\r\n\r\n{body}",
                self.address,
                self.call.tool,
                authorization.unwrap_or_default(),
                body.len(),
            );
            let stream = TcpStream::connect(self.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            let mut connection = Connection {
                stream: BufReader::with_capacity(64 * 1024, stream),
                request: request.into_bytes(),
                body: Vec::new(),
            };
            connection.ask()?;
            self.call.check(&connection.body)?;
            self.connections.push(connection);
        }
        Ok(())
    }
}

impl Caller for Http {
    fn load(&mut self, concurrency: usize, lasting: Duration) -> Result<Sample> {
        self.connect(concurrency)?;
        let call = &self.call;
        let started = Instant::now();
        let until = started + lasting;
        let mut all = Vec::new();
        if let [only, ..] = &mut self.connections[..concurrency]
            && concurrency == 1
        {
            all = only.repeat(call, until)?;
        } else {
            let asking = thread::scope(|scope| {
                let threads: Vec<_> = self.connections[..concurrency]
                    .iter_mut()
                    .map(|connection| scope.spawn(|| connection.repeat(call, until)))
                    .collect();
                let joined = threads
                    .into_iter()
                    .map(|t| t.join().expect("no thread panics"));
                joined.collect::<Result<Vec<_>>>()
            });
            asking?.into_iter().for_each(|some| all.extend(some));
        }
        Ok(Sample::new(all, started.elapsed()))
    }

    fn probe(&mut self) -> Result<usize> {
        self.connect(1)?;
        Ok(self.connections[0].body.len())
    }
}

struct Connection {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
    body: Vec<u8>,
}

impl Connection {
    fn repeat(&mut self, call: &Call, until: Instant) -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        loop {
            let started = Instant::now();
            if started >= until {
                return Ok(times);
            }
            self.ask()?;
            times.push(started.elapsed());
            call.check(&self.body)?;
        }
    }

    /// Sends the request and reads the answer to its end.
    fn ask(&mut self) -> Result<()> {
        self.stream.get_mut().write_all(&self.request)?;
        self.body.clear();
        let mut line = String::new();
        let mut next = |stream: &mut BufReader<TcpStream>| -> Result<String> {
            line.clear();
            ensure!(
                stream.read_line(&mut line)? > 0,
                "the connection was closed"
            );
            Ok(line.trim_end().to_ascii_lowercase())
        };
        let status = next(&mut self.stream)?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let header = next(&mut self.stream)?;
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            chunked |= header == "transfer-encoding: chunked";
        }
        if !chunked {
            self.body.resize(length, 0);
            self.stream.read_exact(&mut self.body)?;
        }
        while chunked {
            let size = usize::from_str_radix(&next(&mut self.stream)?, 16).context("a chunk")?;
            let start = self.body.len();
            self.body.resize(start + size, 0);
            self.stream.read_exact(&mut self.body[start..])?;
            ensure!(next(&mut self.stream)?.is_empty(), "a chunk ends in a line");
            chunked = size > 0;
        }
        if !status.starts_with("http/1.1 200") {
            bail!("{status}: {}", String::from_utf8_lossy(&self.body));
        }
        Ok(())
    }
}

/// Over a process's standard input and output.
pub(crate) struct Pipe {
    call: Call,
    ends: Rc<RefCell<Ends>>,
}

/// The ends of a process's pipes. Several tools are called over the same.
pub(crate) struct Ends {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Ends {
    /// Takes them from a process that was started with pipes.
    pub(crate) fn of(process: &mut Child) -> Result<Rc<RefCell<Self>>> {
        let input = process.stdin.take().context("a pipe")?;
        let output = process.stdout.take().context("a pipe")?;
        let output = BufReader::with_capacity(64 * 1024, output);
        Ok(Rc::new(RefCell::new(Self { input, output })))
    }
}

impl Pipe {
    pub(crate) fn new(call: Call, ends: &Rc<RefCell<Ends>>) -> Self {
        let ends = Rc::clone(ends);
        Self { call, ends }
    }

    fn send(&self, id: usize) -> Result<()> {
        let line = self.call.body(id) + "\n";
        Ok(self.ends.borrow_mut().input.write_all(line.as_bytes())?)
    }

    /// The next answer, and whose it is.
    fn receive(&self, line: &mut Vec<u8>) -> Result<usize> {
        line.clear();
        self.ends.borrow_mut().output.read_until(b'\n', line)?;
        ensure!(!line.is_empty(), "the process closed its output");
        self.call.check(line)?;
        id(line)
    }
}

/// The number of the request that an answer is for. It stands at the beginning.
fn id(answer: &[u8]) -> Result<usize> {
    let start = String::from_utf8_lossy(&answer[..answer.len().min(60)]).into_owned();
    let digits = start.split_once("\"id\":").map_or("", |(_, rest)| rest);
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let parsed = digits[..end].parse();
    parsed.with_context(|| format!("an answer without an id: {start}"))
}

impl Caller for Pipe {
    fn load(&mut self, concurrency: usize, lasting: Duration) -> Result<Sample> {
        let mut sent = vec![Instant::now(); concurrency];
        let mut times = Vec::new();
        let mut line = Vec::new();
        let started = Instant::now();
        let until = started + lasting;
        for (id, sent) in sent.iter_mut().enumerate() {
            *sent = Instant::now();
            self.send(id)?;
        }
        let mut under_way = concurrency;
        while under_way > 0 {
            let id = self.receive(&mut line)?;
            let now = Instant::now();
            let asked = sent.get_mut(id).context("an answer to nothing")?;
            times.push(now - *asked);
            if now < until {
                *asked = Instant::now();
                self.send(id)?;
            } else {
                under_way -= 1;
            }
        }
        Ok(Sample::new(times, started.elapsed()))
    }

    fn probe(&mut self) -> Result<usize> {
        self.send(0)?;
        let mut line = Vec::new();
        self.receive(&mut line)?;
        Ok(line.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_whose_answer_it_is() {
        assert_eq!(
            id(br#"{"jsonrpc":"2.0","id":12,"result":{"id":"x"}}"#).unwrap(),
            12
        );
        assert!(id(b"{}").is_err());
    }

    #[test]
    fn tells_answers_from_refusals() {
        let call = Call {
            tool: "get_event".to_owned(),
            arguments: json!({}),
            expected: "advent".to_owned(),
        };
        assert!(call.check(br#"{"result":{"slug":"advent"}}"#).is_ok());
        assert!(call.check(br#"{"result":{"slug":"summer"}}"#).is_err());
        assert!(
            call.check(br#"{"result":{"isError":true,"x":"advent"}}"#)
                .is_err()
        );
    }
}
