//! Sockets of a witness: HTTP/1.1, plain on loopback or under TLS 1.3 with a server certificate.
//!
//! Nobody is asked who he is: checkpoints are public and signed. So everything is bounded instead: connections, in all and of one address,
//! handshakes, heads, bodies, and how long a connection may live.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::edge::listen::Shares;

/// Connections at once.
const CONNECTIONS_MAX: usize = 128;
/// Of them, from one address: a log has a handful, and eight strangers together are needed to keep the logs away.
const PER_ADDRESS_MAX: usize = 16;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection ends after this, idle or not: a log comes again.
const AGE_MAX: Duration = Duration::from_mins(1);
/// Largest head, bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long a stopping witness waits for what is in flight.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves until `stop`, then lets what is in flight end.
pub(crate) async fn listen(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    stop: CancellationToken,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    let shares = Shares::new(PER_ADDRESS_MAX);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((tcp, address)) = accepted else {
            // Out of descriptors; trying again at once would only take the processor from those who have some.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        if connections.len() >= CONNECTIONS_MAX {
            continue;
        }
        let Ok(place) = shares.of(address.ip()).try_acquire_owned() else {
            continue;
        };
        let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
        connections.spawn(async move {
            let _ = tcp.set_nodelay(true);
            match acceptor {
                None => serve(tcp, router, stop).await,
                Some(acceptor) => {
                    // Who does not get through the handshake is told by its alert; there is nothing to keep of him.
                    if let Ok(Ok(tls)) = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp)).await {
                        serve(tls, router, stop).await;
                    }
                }
            }
            drop(place);
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(DRAIN, drained).await;
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send, router: Router, stop: CancellationToken) {
    let mut http1 = http1::Builder::new();
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX);
    let connection = http1.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        _ = connection.as_mut() => true,
        () = stop.cancelled() => false,
        () = tokio::time::sleep(AGE_MAX) => false,
    };
    if !ended {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(DRAIN, connection).await;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::net::Ipv4Addr;
    use std::time::Duration;

    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket, TcpStream};
    use tokio::task::JoinSet;
    use tokio_util::sync::CancellationToken;

    use super::{PER_ADDRESS_MAX, listen};

    async fn from(address: Ipv4Addr, to: std::net::SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        socket.connect(to).await.unwrap()
    }

    /// What comes back; nothing when the connection is closed at once.
    async fn asked(mut stream: TcpStream) -> String {
        let _ = stream
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(5), read).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn one_address_takes_its_share_and_no_more_and_gives_it_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let router = Router::new().route("/", get(|| async { "here" }));
        tasks.spawn(listen(listener, None, router, stop.clone()));
        let mut silent = Vec::new();
        for _ in 0..PER_ADDRESS_MAX {
            silent.push(from(Ipv4Addr::LOCALHOST, to).await);
        }
        assert_eq!(asked(from(Ipv4Addr::LOCALHOST, to).await).await, "");
        let other = asked(from(Ipv4Addr::new(127, 0, 0, 2), to).await).await;
        assert!(other.ends_with("here"), "{other}");
        silent.pop();
        let mut answer = String::new();
        for _ in 0..100 {
            answer = asked(from(Ipv4Addr::LOCALHOST, to).await).await;
            if !answer.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(answer.ends_with("here"), "{answer}");
        stop.cancel();
        drop(silent);
        while tasks.join_next().await.is_some() {}
    }
}
