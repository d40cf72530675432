//! A request that its sender does not end: the beginning of a body, and then nothing, until the connection is gone or the sender goes on after all.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::{Answer, Call, Identity, Refused, chain};

/// The frames that are sent, and then nothing until the end is asked for.
struct Beginning(Option<Bytes>, oneshot::Receiver<()>);

impl Body for Beginning {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            // Whoever gave up asking for the end never gets there.
            None => match Pin::new(&mut self.1).poll(cx) {
                Poll::Ready(Ok(())) => Poll::Ready(None),
                Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
            },
        }
    }
}

/// A request under way.
pub struct Unfinished {
    driver: JoinHandle<()>,
    answer: JoinHandle<Result<Answer, Refused>>,
    end: oneshot::Sender<()>,
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
        let (end, ended) = oneshot::channel();
        let request = request
            .body(Beginning(Some(call.body), ended))
            .map_err(|e| refused(&e))?;
        let io = TokioIo::new(tls);
        if h2 {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io)
                .await
                .map_err(|e| Refused(chain(&e)))?;
            let driver = tokio::spawn(async move { drop(connection.await) });
            let answer = tokio::spawn(async move { whole(sender.send_request(request).await).await });
            return Ok(Self { driver, answer, end });
        }
        let (mut sender, connection) = http1::handshake(io).await.map_err(|e| Refused(chain(&e)))?;
        let driver = tokio::spawn(async move { drop(connection.await) });
        let answer = tokio::spawn(async move { whole(sender.send_request(request).await).await });
        Ok(Self { driver, answer, end })
    }

    /// Whether nothing was answered yet and the connection is there.
    pub fn is_open(&self) -> bool {
        !self.answer.is_finished() && !self.driver.is_finished()
    }

    /// Ends the body; gives the answer.
    pub async fn finish(self) -> Result<Answer, Refused> {
        // An answer that is there already is one too.
        let _ = self.end.send(());
        self.answer.await.map_err(|e| Refused(e.to_string()))?
    }

    /// The sender is gone: its socket is closed in the middle.
    pub async fn vanish(self) {
        self.driver.abort();
        self.answer.abort();
        // Aborted or ended: what they held is dropped.
        drop(self.driver.await);
        drop(self.answer.await);
    }
}

async fn whole(answer: hyper::Result<http::Response<hyper::body::Incoming>>) -> Result<Answer, Refused> {
    let (parts, body) = answer.map_err(|e| Refused(chain(&e)))?.into_parts();
    let body = body.collect().await.map_err(|e| Refused(chain(&e)))?.to_bytes();
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    })
}
