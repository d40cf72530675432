//! A request that its sender never ends: the beginning of a body, and then nothing, until the connection is gone.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use hyper::body::{Body, Frame};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::{Call, Identity, Refused, chain};

/// The frames that are sent; it has no end.
struct Beginning(Option<Bytes>);

impl Body for Beginning {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Poll::Pending,
        }
    }
}

/// A request under way.
pub struct Unfinished {
    driver: JoinHandle<()>,
    answer: JoinHandle<()>,
}

impl Unfinished {
    /// Sends the head and the body of a call, and does not end it.
    pub async fn begin(port: u16, identity: &Identity, call: Call) -> Result<Self, Refused> {
        let refused = |error: &dyn std::fmt::Display| Refused(error.to_string());
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.map_err(|e| refused(&e))?;
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = TlsConnector::from(Arc::clone(&identity.config))
            .connect(name, tcp)
            .await;
        let tls = tls.map_err(|e| refused(&e))?;
        let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        let host = format!("localhost:{port}");
        let mut request = Request::builder().method(call.method);
        request = if h2 {
            request.uri(format!("https://{host}{}", call.path))
        } else {
            request.uri(&call.path).header("host", &host)
        };
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let request = request.body(Beginning(Some(call.body))).map_err(|e| refused(&e))?;
        let io = TokioIo::new(tls);
        if h2 {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io)
                .await
                .map_err(|e| Refused(chain(&e)))?;
            let driver = tokio::spawn(async move { drop(connection.await) });
            let answer = tokio::spawn(async move { drop(sender.send_request(request).await) });
            return Ok(Self { driver, answer });
        }
        let (mut sender, connection) = http1::handshake(io).await.map_err(|e| Refused(chain(&e)))?;
        let driver = tokio::spawn(async move { drop(connection.await) });
        let answer = tokio::spawn(async move { drop(sender.send_request(request).await) });
        Ok(Self { driver, answer })
    }

    /// Whether nothing was answered yet and the connection is there.
    pub fn is_open(&self) -> bool {
        !self.answer.is_finished() && !self.driver.is_finished()
    }

    /// The sender is gone: its socket is closed in the middle.
    pub async fn vanish(self) {
        for task in [self.driver, self.answer] {
            task.abort();
            // Aborted or ended: what it held is dropped.
            drop(task.await);
        }
    }
}
