//! A loopback proxy that adds an `Authorization` header, for programs that have no option for it.
//! One request per connection, so that a header is all it has to understand.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

use anyhow::{Context as _, Result};

const MAX_HEAD: usize = 64 * 1024;

/// Starts a proxy in front of `url` and returns the URL to use instead. It ends with the process.
pub(crate) fn start(url: &str, token: &str) -> Result<String> {
    let rest = url
        .strip_prefix("http://")
        .context("only http:// can be checked")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let (authority, token) = (authority.to_owned(), token.to_owned());
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (authority, token) = (authority.clone(), token.clone());
            // A broken connection is the program's to notice; we have nobody to tell.
            thread::spawn(move || forward(client, &authority, &token));
        }
    });
    Ok(format!("http://{address}{path}"))
}

fn forward(mut client: TcpStream, authority: &str, token: &str) -> io::Result<()> {
    let (head, body) = read_head(&mut client)?;
    let mut server = TcpStream::connect(authority)?;
    server.write_all(rewrite(&head, token).as_bytes())?;
    server.write_all(&body)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        // Both ends may hang up as they like; the server must hear of it.
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let copied = io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    copied.map(drop)
}

/// The request's head without the empty line, and what came with it.
fn read_head(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = read.split_off(end + 4);
            read.truncate(end);
            return Ok((String::from_utf8_lossy(&read).into_owned(), body));
        }
        let count = client.read(&mut chunk)?;
        if count == 0 || read.len() > MAX_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        read.extend_from_slice(&chunk[..count]);
    }
}

/// The same head with our two headers in place of theirs.
fn rewrite(head: &str, token: &str) -> String {
    let ours = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        !name.eq_ignore_ascii_case("authorization") && !name.eq_ignore_ascii_case("connection")
    };
    let kept: Vec<&str> = head.split("\r\n").filter(ours).collect();
    format!(
        "{}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
        kept.join("\r\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_host_and_replaces_the_rest() {
        let head = "POST /mcp HTTP/1.1\r\nHost: evil.example\r\nconnection: keep-alive";
        assert_eq!(
            rewrite(head, "t"),
            "POST /mcp HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer t\r\n\
             Connection: close\r\n\r\n"
        );
    }
}
