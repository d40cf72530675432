//! The one way to open a connection: TCP, mutual TLS, then h2 or HTTP/1.1 as was negotiated.
//!
//! Takes a port of this machine, an identity and how much the other side may send ahead of the reader; gives a sender of requests and the task that drives them.
//! Refuses what the other side refuses before a request: a certificate may be refused only at the first one, as TLS 1.3 has it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Call, Identity, Refused, chain};

/// An open connection that sends bodies of one kind.
pub(super) struct Line<B> {
    pub(super) sender: Sender<B>,
    /// Ends with the alert that says why a certificate was refused, when it was.
    pub(super) driver: JoinHandle<hyper::Result<()>>,
}

/// The protocol that was negotiated, with who speaks it.
pub(super) enum Sender<B> {
    H1(http1::SendRequest<B>),
    H2(http2::SendRequest<B>),
}

impl<B> Line<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Connects. `ahead`: so many bytes may come before they are read; none: as many as usual.
    pub(super) async fn open(port: u16, identity: &Identity, ahead: Option<u32>) -> Result<Self, Refused> {
        let tls = secured(port, identity, ahead).await?;
        let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        let io = TokioIo::new(tls);
        if !h2 {
            let (sender, connection) = http1::handshake(io).await.map_err(|e| Refused(chain(&e)))?;
            let (sender, driver) = (Sender::H1(sender), tokio::spawn(connection));
            return Ok(Self { sender, driver });
        }
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        if let Some(ahead) = ahead {
            http2
                .initial_stream_window_size(ahead)
                .initial_connection_window_size(ahead);
        }
        let (sender, connection) = http2.handshake(io).await.map_err(|e| Refused(chain(&e)))?;
        let (sender, driver) = (Sender::H2(sender), tokio::spawn(connection));
        Ok(Self { sender, driver })
    }
}

/// The connection below HTTP.
pub(crate) async fn secured(
    port: u16,
    identity: &Identity,
    ahead: Option<u32>,
) -> Result<TlsStream<TcpStream>, Refused> {
    let refused = |error: &dyn std::fmt::Display| Refused(error.to_string());
    let socket = TcpSocket::new_v4().map_err(|e| refused(&e))?;
    if let Some(ahead) = ahead {
        socket.set_recv_buffer_size(ahead).map_err(|e| refused(&e))?;
    }
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let tcp = socket.connect(address).await.map_err(|e| refused(&e))?;
    let name = ServerName::try_from("localhost").expect("a name");
    let tls = TlsConnector::from(Arc::clone(&identity.config));
    tls.connect(name, tcp).await.map_err(|e| refused(&e))
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Sender<B> {
    /// A call with this body in place of its own.
    pub(super) fn request(&self, port: u16, call: &Call, body: B) -> Result<Request<B>, Refused> {
        let host = format!("localhost:{port}");
        let mut request = Request::builder().method(call.method.clone());
        request = match self {
            Self::H1(_) => request.uri(&call.path).header("host", &host),
            Self::H2(_) => request.uri(format!("https://{host}{}", call.path)),
        };
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        request.body(body).map_err(|e| Refused(e.to_string()))
    }

    /// Sends it; gives the head of the answer.
    pub(super) async fn send(&mut self, request: Request<B>) -> hyper::Result<Response<Incoming>> {
        // Without waiting for the call before to be over on this side too, hyper may keep the next one for ever.
        match self {
            Self::H1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::H2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}
