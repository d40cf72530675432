//! One connection over mutual TLS that carries several calls: what a revocation must reach, and what a load is made of.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::{Answer, Call, Identity, Refused, chain};

/// An open connection, h2 or HTTP/1.1, whichever was negotiated.
pub struct Connection {
    port: u16,
    sender: Sender,
    /// Ends with the alert that says why a certificate was refused, when it was.
    driver: JoinHandle<hyper::Result<()>>,
}

enum Sender {
    H1(http1::SendRequest<Full<Bytes>>),
    H2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Connects; a certificate that is refused may show only at the first call, as TLS 1.3 has it.
    pub async fn open(port: u16, identity: &Identity) -> Result<Self, Refused> {
        let refused = |error: &dyn std::fmt::Display| Refused(error.to_string());
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.map_err(|e| refused(&e))?;
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = TlsConnector::from(Arc::clone(&identity.config))
            .connect(name, tcp)
            .await
            .map_err(|e| refused(&e))?;
        let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        let io = TokioIo::new(tls);
        let (sender, driver) = if h2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io)
                .await
                .map_err(|e| Refused(chain(&e)))?;
            (Sender::H2(sender), tokio::spawn(connection))
        } else {
            let (sender, connection) = http1::handshake(io).await.map_err(|e| Refused(chain(&e)))?;
            (Sender::H1(sender), tokio::spawn(connection))
        };
        Ok(Self { port, sender, driver })
    }

    /// `h2` or `http/1.1`.
    pub fn protocol(&self) -> &'static str {
        match self.sender {
            Sender::H1(_) => "http/1.1",
            Sender::H2(_) => "h2",
        }
    }

    /// Waits, sending nothing, until the other side ends the connection; fails when it does not.
    pub async fn closed_within(self, patience: std::time::Duration) -> Result<(), ()> {
        // The sender lives as long as the wait: without it our side would end the connection.
        let ended = tokio::time::timeout(patience, self.driver).await;
        drop(self.sender);
        ended.map(|_| ()).map_err(|_| ())
    }

    /// Sends a call and reads its whole answer.
    pub async fn send(&mut self, call: Call) -> Result<Answer, Refused> {
        let host = format!("localhost:{}", self.port);
        let mut request = Request::builder().method(call.method);
        request = match self.sender {
            Sender::H1(_) => request.uri(&call.path).header("host", &host),
            Sender::H2(_) => request.uri(format!("https://{host}{}", call.path)),
        };
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(call.body)).map_err(|e| Refused(e.to_string()))?;
        // Without waiting for the call before to be over on this side too, hyper may keep the next one for ever.
        let response = match &mut self.sender {
            Sender::H1(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(request).await,
                Err(error) => Err(error),
            },
            Sender::H2(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(request).await,
                Err(error) => Err(error),
            },
        };
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                let why = match (&mut self.driver).await {
                    Ok(Err(cause)) => chain(&cause),
                    _ => chain(&error),
                };
                return Err(Refused(why));
            }
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|e| Refused(chain(&e)))?.to_bytes();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }
}
