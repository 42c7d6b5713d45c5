//! The crowd: connections that are kept, requests written out by hand, answers searched rather than parsed.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    task::JoinSet,
};

/// What a crowd went through.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    /// Looking, holding, ordering: how long each took for each buyer who got that far.
    pub(crate) steps: [Vec<Duration>; 3],
    /// Orders that were confirmed with a ticket code.
    pub(crate) orders: usize,
    /// From the first request until the last confirmed order.
    pub(crate) selling: Duration,
    /// Refusals and errors by status and code.
    pub(crate) refused: BTreeMap<String, usize>,
}

/// Lets so many buyers buy one ticket each, with some of them at it at any time; they take turns with what they want.
pub(crate) async fn crowd(
    address: SocketAddr,
    event: &str,
    wanted: &[String],
    buyers: usize,
    at_once: usize,
) -> Result<Crowd> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut lanes = JoinSet::new();
    // Everybody is connected before anybody asks.
    let mut connections = Vec::new();
    for _ in 0..at_once {
        connections.push(Connection::open(address).await?);
    }
    let started = Instant::now();
    for mut connection in connections {
        let (next, event, wanted) = (Arc::clone(&next), event.to_owned(), wanted.to_vec());
        lanes.spawn(async move {
            let mut crowd = Crowd::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= buyers {
                    break;
                }
                let wanted = &wanted[number % wanted.len()];
                crowd.buy(&mut connection, &event, wanted, started).await?;
            }
            anyhow::Ok(crowd)
        });
    }
    let mut all = Crowd::default();
    while let Some(done) = lanes.join_next().await {
        all.add(done??);
    }
    Ok(all)
}

impl Crowd {
    async fn buy(
        &mut self,
        connection: &mut Connection,
        event: &str,
        wanted: &str,
        started: Instant,
    ) -> Result<()> {
        let path = format!("/v1/public/home/events/{event}");
        if self
            .step(0, connection.ask("GET", &path, ""))
            .await?
            .is_none()
        {
            return Ok(());
        }
        let path = format!("/v1/public/home/events/{event}/holds");
        let Some(held) = self.step(1, connection.ask("POST", &path, wanted)).await? else {
            return Ok(());
        };
        let checkout = field(&held, "checkout").context("a hold without a checkout")?;
        let path = format!("/v1/public/holds/{checkout}/order");
        let buyer = r#"{"buyer":{"name":"Ada Lovelace","email":"ada@example.org"}}"#;
        if let Some(order) = self.step(2, connection.ask("POST", &path, buyer)).await? {
            field(&order, "code").context("a confirmed order without a ticket code")?;
            self.orders += 1;
            self.selling = started.elapsed();
        }
        Ok(())
    }

    /// Takes a step and its time; nothing when it was refused.
    async fn step(
        &mut self,
        step: usize,
        asking: impl Future<Output = Result<(u16, String)>>,
    ) -> Result<Option<String>> {
        let asked = Instant::now();
        let (status, body) = asking.await?;
        self.steps[step].push(asked.elapsed());
        if status < 300 {
            return Ok(Some(body));
        }
        let code = field(&body, "code").unwrap_or("?");
        *self.refused.entry(format!("{status} {code}")).or_default() += 1;
        Ok(None)
    }

    fn add(&mut self, other: Self) {
        for (all, more) in self.steps.iter_mut().zip(other.steps) {
            all.extend(more);
        }
        self.orders += other.orders;
        self.selling = self.selling.max(other.selling);
        for (code, count) in other.refused {
            *self.refused.entry(code).or_default() += count;
        }
    }
}

/// The text of a field of compact JSON, wherever it stands.
fn field<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = json.split_once(&format!("\"{name}\":\""))?;
    rest.split('"').next()
}

/// A connection that is kept.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    /// What every request says besides.
    pub(crate) headers: String,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::with_capacity(16 * 1024, stream),
            address,
            headers: String::new(),
        })
    }

    /// Asks and waits: the status and the body.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<(u16, String)> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{}Content-Length: {}\r\n\r\n{body}",
            self.address,
            self.headers,
            body.len(),
        );
        self.stream.write_all(request.as_bytes()).await?;
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.with_context(|| format!("{line:?} is no answer"))?;
        let mut length = None;
        loop {
            line.clear();
            ensure!(self.stream.read_line(&mut line).await? > 0, "cut off");
            let Some((name, value)) = line.trim().split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse::<usize>()?);
            }
        }
        let mut body = vec![0; length.context("an answer without a length")?];
        self.stream.read_exact(&mut body).await?;
        Ok((status, String::from_utf8(body)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_fields_of_compact_json() {
        let json = r#"{"a":1,"checkout":"abc","tickets":[{"code":"X-Y"}]}"#;
        assert_eq!(field(json, "checkout"), Some("abc"));
        assert_eq!(field(json, "code"), Some("X-Y"));
        assert_eq!(field(json, "status"), None);
    }
}
