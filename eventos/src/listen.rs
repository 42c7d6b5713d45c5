//! Connections of the server: accepted, given limits on how long a client may dawdle, and closed at the end.

use std::{io::ErrorKind, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// How long a request's head may take to arrive; also how long a connection is kept between two requests. Answers
/// may take as long as they like: some are streams.
pub(crate) const HEAD_WITHIN: Duration = Duration::from_mins(1);

/// Serves connections until told to stop, then waits until each has answered what it was asked. Dropped, it closes
/// them all.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    head_within: Duration,
    stop: &CancellationToken,
) {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(head_within);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                let of_the_client = [
                    ErrorKind::ConnectionAborted,
                    ErrorKind::ConnectionRefused,
                    ErrorKind::ConnectionReset,
                ];
                if !of_the_client.contains(&error.kind()) {
                    tracing::error!(%error, "No connection could be accepted");
                    // Files or memory have run out, and trying again at once would only take time from those who are in.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                continue;
            }
        };
        // Small answers must not wait for the acknowledgement of earlier ones (Nagle's algorithm).
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "A connection keeps its delay");
        }
        let service = router
            .clone()
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                request
            });
        let service = TowerToHyperService::new(service);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        connections.spawn(graceful.watch(connection));
    }
    drop(listener);
    graceful.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    const HEAD: Duration = Duration::from_millis(300);

    /// A server whose answer takes longer than a head may.
    async fn with_slow_answer() -> (JoinSet<()>, std::net::SocketAddr, CancellationToken) {
        let slow = get(|| async {
            tokio::time::sleep(HEAD * 3).await;
            "slow"
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let told = stop.clone();
        let mut server = JoinSet::new();
        server.spawn(async move {
            serve(listener, Router::new().route("/", slow), HEAD, &told).await;
        });
        (server, address, stop)
    }

    async fn answer(stream: &mut TcpStream) -> String {
        let mut answer = String::new();
        let reading = stream.read_to_string(&mut answer);
        let read = tokio::time::timeout(Duration::from_secs(20), reading).await;
        read.expect("the connection is closed").unwrap();
        answer
    }

    #[tokio::test]
    async fn a_head_that_does_not_come_ends_the_connection_and_a_slow_answer_does_not() {
        let (_server, address, _stop) = with_slow_answer().await;
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
            .await
            .unwrap();
        let mut whole = TcpStream::connect(address).await.unwrap();
        whole
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        assert!(!answer(&mut half).await.contains("slow"));
        assert!(answer(&mut whole).await.ends_with("slow"));
    }

    #[tokio::test]
    async fn when_told_to_stop_it_finishes_what_was_asked() {
        let (mut server, address, stop) = with_slow_answer().await;
        let mut whole = TcpStream::connect(address).await.unwrap();
        whole
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        tokio::time::sleep(HEAD).await;
        stop.cancel();
        assert!(answer(&mut whole).await.ends_with("slow"));
        server.join_next().await.unwrap().unwrap();
    }
}
