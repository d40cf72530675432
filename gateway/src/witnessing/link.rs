//! One question to one witness: a connection, a request, a bounded answer, all within `witness_timeout_ms`.
//!
//! A connection a question: a second apart they cost nothing, and what is left of a dead one cannot be mistaken for the witness. Nothing of
//! an answer gets into a message, however the witness means it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use shuguan_ledger::cosignature::WitnessKey;
use shuguan_ledger::witness::{AddCheckpoint, SIZE_TYPE, origin_hash, size};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::{WitnessAddress, WitnessSection};
use crate::edge::tls::{TlsFault, asking};

/// Longest answer that is read: a signed checkpoint with lines of others.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where a witness is asked, and its key.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) key: WitnessKey,
    pub(super) address: WitnessAddress,
    tls: Option<Arc<rustls::ClientConfig>>,
    timeout: Duration,
}

/// What a witness answered to `add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// 200: signature lines; nothing of them is verified.
    Signed(String),
    /// 409 with the size that it holds.
    Size(u64),
    /// Any other status.
    Refused(u16),
}

/// Why there was no answer. Holds nothing that the witness sent.
#[derive(Debug, thiserror::Error)]
pub enum LinkFault {
    /// No connection.
    #[error("it cannot be reached")]
    Unreachable(#[source] std::io::Error),
    /// Not within the time.
    #[error("it did not answer in time")]
    Timeout,
    /// Not HTTP, or broken off.
    #[error("its answer broke off or is not HTTP")]
    Http(#[source] hyper::Error),
    /// Longer than any answer may be, or not text.
    #[error("its answer is too long or no text")]
    Garbage,
    /// The request cannot be made.
    #[error("the request cannot be made")]
    Request(#[from] http::Error),
}

impl Link {
    pub(super) fn open(witness: &WitnessSection, timeout_ms: NonZeroU32) -> Result<Self, Vec<TlsFault>> {
        let tls = witness.ca.as_deref().map(asking).transpose()?.map(Arc::new);
        Ok(Self {
            name: witness.name.clone(),
            key: witness.key.clone(),
            address: witness.address.clone(),
            tls,
            timeout: Duration::from_millis(timeout_ms.get().into()),
        })
    }

    /// Asks for a cosignature.
    pub(super) async fn add(&self, request: &AddCheckpoint) -> Result<Answer, LinkFault> {
        let body = request.encode();
        let (status, kind, answer) = self.call(Method::POST, "/add-checkpoint", body).await?;
        match status {
            StatusCode::OK => Ok(Answer::Signed(text(answer)?)),
            StatusCode::CONFLICT if kind.as_deref() == Some(SIZE_TYPE) => {
                let answer = text(answer)?;
                let stored = answer.strip_suffix('\n').and_then(size);
                Ok(Answer::Size(stored.ok_or(LinkFault::Garbage)?))
            }
            other => Ok(Answer::Refused(other.as_u16())),
        }
    }

    /// Asks for the newest checkpoint that it signed for a log; nothing of it is verified. None: for none.
    pub(super) async fn stored(&self, origin: &str) -> Result<Option<String>, LinkFault> {
        let path = format!("/{}/checkpoint", origin_hash(origin));
        let (status, _, answer) = self.call(Method::GET, &path, String::new()).await?;
        match status {
            StatusCode::OK => text(answer).map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(LinkFault::Garbage),
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(StatusCode, Option<String>, Bytes), LinkFault> {
        let asking = async {
            let tcp = TcpStream::connect((self.address.host.as_str(), self.address.port))
                .await
                .map_err(LinkFault::Unreachable)?;
            let request = self.request(method, path, body)?;
            match &self.tls {
                None => exchange(tcp, request).await,
                Some(tls) => {
                    let name = ServerName::try_from(self.address.host.clone());
                    let name = name.map_err(|error| LinkFault::Unreachable(std::io::Error::other(error)))?;
                    let connecting = TlsConnector::from(Arc::clone(tls)).connect(name, tcp);
                    exchange(connecting.await.map_err(LinkFault::Unreachable)?, request).await
                }
            }
        };
        timeout(self.timeout, asking).await.map_err(|_| LinkFault::Timeout)?
    }

    fn request(&self, method: Method, path: &str, body: String) -> Result<Request<Full<Bytes>>, LinkFault> {
        let host = HeaderValue::from_str(&format!("{}:{}", self.address.host, self.address.port));
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address.prefix))
            .header(header::HOST, host.map_err(http::Error::from)?)
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .header(header::CONNECTION, "close")
            .body(Full::new(Bytes::from(body)))?;
        Ok(request)
    }
}

fn text(bytes: Bytes) -> Result<String, LinkFault> {
    String::from_utf8(bytes.into()).map_err(|_| LinkFault::Garbage)
}

/// One request and its whole answer; the connection is driven by the same future and ends with it.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Option<String>, Bytes), LinkFault> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(LinkFault::Http)?;
    let mut connection = std::pin::pin!(connection);
    let asking = async {
        let answer = sender.send_request(request).await.map_err(LinkFault::Http)?;
        let kind = answer.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| LinkFault::Garbage)?.to_bytes();
        Ok((status, kind, body))
    };
    let mut asking = std::pin::pin!(asking);
    tokio::select! {
        biased;
        answer = &mut asking => answer,
        // What was read before it ended is still to be taken.
        _ = &mut connection => asking.await,
    }
}
