//! An answer that its reader takes piece by piece: what must end a download in the middle.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::{Call, Identity, Refused, chain};

/// What the other side may send ahead of the reader, bytes.
const AHEAD: u32 = 64 * 1024;

/// A download under way, on a connection of its own that takes little more than is read.
pub struct Download {
    /// Of the answer.
    pub status: StatusCode,
    body: Incoming,
    driver: JoinHandle<()>,
    /// The connection ends without it.
    _sender: Box<dyn std::any::Any + Send>,
}

impl Drop for Download {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Download {
    /// Asks, and reads the head of the answer.
    pub async fn begin(port: u16, identity: &Identity, call: Call) -> Result<Self, Refused> {
        let refused = |error: &dyn std::fmt::Display| Refused(error.to_string());
        let socket = TcpSocket::new_v4().map_err(|e| refused(&e))?;
        socket.set_recv_buffer_size(AHEAD).map_err(|e| refused(&e))?;
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let tcp = socket.connect(address).await.map_err(|e| refused(&e))?;
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = TlsConnector::from(Arc::clone(&identity.config))
            .connect(name, tcp)
            .await
            .map_err(|e| refused(&e))?;
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
        let request = request.body(Empty::<Bytes>::new()).map_err(|e| refused(&e))?;
        let io = TokioIo::new(tls);
        let (answer, driver, sender): (_, _, Box<dyn std::any::Any + Send>) = if h2 {
            let mut http2 = http2::Builder::new(TokioExecutor::new());
            http2
                .initial_stream_window_size(AHEAD)
                .initial_connection_window_size(AHEAD);
            let (mut sender, connection) = http2.handshake(io).await.map_err(|e| Refused(chain(&e)))?;
            let driver = tokio::spawn(async move { drop(connection.await) });
            let answer = sender.send_request(request).await.map_err(|e| Refused(chain(&e)))?;
            (answer, driver, Box::new(sender))
        } else {
            let (mut sender, connection) = http1::handshake(io).await.map_err(|e| Refused(chain(&e)))?;
            let driver = tokio::spawn(async move { drop(connection.await) });
            let answer = sender.send_request(request).await.map_err(|e| Refused(chain(&e)))?;
            (answer, driver, Box::new(sender))
        };
        Ok(Self {
            status: answer.status(),
            body: answer.into_body(),
            driver,
            _sender: sender,
        })
    }

    /// The next bytes; none at the end of a whole answer.
    ///
    /// # Errors
    /// It broke off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refused> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(Refused(chain(&error))),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }
}
