//! Starting, answering, sharing the database, stopping.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::program::{DataDir, Server, signal, until};

fn token(data: &DataDir) -> String {
    data.stdout(&[
        "token", "create", "--name", "e2e", "--scopes", "all", "--quiet",
    ])
    .trim()
    .to_owned()
}

#[test]
fn starts_from_nothing_answers_and_stops_with_its_database() {
    let data = DataDir::new("start");
    let server = Server::start(&data, &[]);
    assert_eq!(server.get("/healthz").unwrap(), (200, "ok\n".to_owned()));
    let (status, page) = server.get("/").unwrap();
    assert!(
        status == 200 && page.contains(&format!("http://{}/mcp", server.address)),
        "{page}"
    );
    let postmaster = data.postmaster().expect("the embedded server runs");
    assert!(server.stop(), "a server that is asked to stop ends well");
    assert!(
        !crate::program::is_alive(postmaster),
        "the database stops with the last program"
    );
}

#[test]
fn refuses_callers_without_a_working_token() {
    let data = DataDir::new("token");
    let server = Server::start(&data, &[]);
    for wrong in ["", "eos_0000", "x"] {
        let error = server.call(wrong, "get_context", &json!({})).unwrap_err();
        assert!(error.to_string().starts_with("401"), "{error}");
    }
    let token = token(&data);
    let context = server
        .call(&token, "get_context", &json!({}))
        .unwrap()
        .unwrap();
    assert_eq!(context["organization"]["slug"], "home");
    let id = data.stdout(&["token", "list", "--json"]);
    let id: Value = serde_json::from_str(&id).unwrap();
    data.stdout(&["token", "revoke", id["tokens"][0]["id"].as_str().unwrap()]);
    until("the revoked token is refused", || {
        server.call(&token, "get_context", &json!({})).is_err()
    });
    assert!(server.stop());
}

#[test]
fn a_server_and_a_desktop_client_share_one_database() {
    let data = DataDir::new("share");
    let server = Server::start(&data, &[]);
    let postmaster = data.postmaster().unwrap();
    let mut client = data
        .command(&["mcp", "stdio"])
        .env("RUST_LOG", "warn")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = client.stdin.take().unwrap();
    let mut stdout = BufReader::new(client.stdout.take().unwrap());
    let mut ask = |id: u32, method: &str, params: Value| -> Value {
        writeln!(
            stdin,
            "{}",
            json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        )
        .unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("not JSON on standard output: {line:?}"))
    };
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}});
    assert_eq!(
        ask(1, "initialize", hello)["result"]["serverInfo"]["name"],
        "eventos"
    );
    let venue = json!({"name": "save_venue", "arguments": {"name": "Town Hall"}});
    assert_eq!(
        ask(2, "tools/call", venue)["result"]["structuredContent"]["name"],
        "Town Hall"
    );
    assert_eq!(
        data.postmaster(),
        Some(postmaster),
        "both use the same server"
    );
    let seen = server
        .call(&token(&data), "list_venues", &json!({}))
        .unwrap()
        .unwrap();
    assert_eq!(
        seen["items"][0]["name"], "Town Hall",
        "what one wrote the other sees"
    );
    drop((stdin, stdout));
    assert!(client.wait().unwrap().success());
    assert_eq!(
        data.postmaster(),
        Some(postmaster),
        "the client's end does not stop it"
    );
    assert_eq!(server.get("/readyz").unwrap().0, 200);
    assert!(server.stop());
    assert_eq!(data.postmaster(), None);
}

#[test]
fn a_second_server_on_the_same_address_fails_at_once() {
    let data = DataDir::new("twice");
    let server = Server::start(&data, &[]);
    let second = data.run(&["serve", "--listen", &server.address.to_string()]);
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("is another server running there?"), "{said}");
    assert!(server.stop());
}

#[test]
fn a_read_only_server_hides_and_refuses_writes() {
    let data = DataDir::new("readonly");
    let server = Server::start(&data, &["--read-only"]);
    let token = token(&data);
    let refused = server
        .call(&token, "save_venue", &json!({"name": "Town Hall"}))
        .unwrap();
    assert!(refused.is_err(), "{refused:?}");
    assert!(
        server
            .call(&token, "list_venues", &json!({}))
            .unwrap()
            .unwrap()["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert!(server.stop());
}

#[test]
fn a_half_sent_request_does_not_keep_it_from_stopping() {
    let data = DataDir::new("half");
    let server = Server::start(&data, &[]);
    let mut half = TcpStream::connect(server.address).unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap();
    let began = Instant::now();
    assert!(server.stop());
    // Ten seconds for the request, and what a busy machine needs for the rest.
    assert!(
        began.elapsed() < Duration::from_secs(50),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(data.postmaster(), None);
}

#[test]
fn asked_twice_it_ends_at_once() {
    let data = DataDir::new("asked-twice");
    let server = Server::start(&data, &[]);
    let mut half = TcpStream::connect(server.address).unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap();
    // Whoever connects after it is answered, so the half request has been taken up and will be waited for.
    assert_eq!(server.get("/healthz").map(|(status, _)| status), Some(200));
    let pid = server.pid();
    let log = server.log().to_owned();
    let said = || std::fs::read_to_string(&log).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            until("it is stopping", || said().contains("Stopping"));
            signal(pid, "-INT");
        });
        assert!(server.stop());
    });
    assert!(said().contains("Asked again; closing"), "{}", said());
    assert_eq!(data.postmaster(), None, "{}", said());
}

#[test]
fn a_desktop_client_that_is_asked_to_stop_takes_its_database_along() {
    for name in ["-TERM", "-INT"] {
        let data = DataDir::new(&format!("stdio{name}"));
        let mut client = data
            .command(&["mcp", "stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = client.stdin.take().unwrap();
        let mut stdout = BufReader::new(client.stdout.take().unwrap());
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}}});
        writeln!(stdin, "{hello}").unwrap();
        stdout.read_line(&mut String::new()).unwrap();
        assert!(data.postmaster().is_some());
        signal(client.id().cast_signed(), name);
        // Its input stays open: the client has not gone away.
        assert!(client.wait().unwrap().success(), "{name}");
        assert_eq!(data.postmaster(), None, "{name}");
        drop(stdin);
    }
}
