//! One connection to the gateway over mutual TLS, h2 where offered.
//!
//! In TLS 1.3 the client learns that its certificate was refused after its own handshake is done, on the connection and not on the
//! request, so both are looked at.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header, response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::answer::{CallError, Problem};
use super::settings::ClientSettings;
use super::signed::Signer;
use super::silence::Silence;
use crate::command::exit::Failure;
use crate::refusal::Refusal;
use crate::signature::Profile;
use crate::signature::input::SIGNATURE;

/// A body to send.
pub type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// How long request and connection wait for each other's end.
const GRACE: Duration = Duration::from_secs(2);
/// Longest problem or status document that is read.
const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// Which door of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Agencies and the registry.
    Feed,
    /// Officers and the operator.
    Console,
}

/// Talks to one listener of a gateway with one certificate.
#[derive(Debug)]
pub struct Client {
    tls: Arc<rustls::ClientConfig>,
    host: String,
    port: u16,
    signer: Option<Signer>,
    silence: Silence,
    connection: Mutex<Option<Connection>>,
}

#[derive(Debug)]
enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

#[derive(Debug)]
struct Connection {
    sender: Sender,
    /// Ends with the error that says why the connection was refused.
    task: JoinHandle<Result<(), hyper::Error>>,
}

impl Client {
    /// Loads certificate, key and authorities; connects at the first call.
    pub fn open(settings: &ClientSettings, listener: Listener) -> Result<Self, Failure> {
        let (address, key) = match listener {
            Listener::Feed => (&settings.gateway, "gateway"),
            Listener::Console => (&settings.console, "console"),
        };
        let address = address.as_ref().ok_or_else(|| {
            Failure::local(format!("client.toml names no `{key}`")).then(format!("add `{key} = \"https://HOST:PORT\"`"))
        })?;
        let (host, port) = split_address(address)
            .ok_or_else(|| Failure::local(format!("`{address}` is not `https://HOST:PORT`")).at("client.toml"))?;
        Ok(Self {
            tls: Arc::new(tls_settings(settings)?),
            host,
            port,
            signer: Signer::open(settings)?,
            silence: Silence::default(),
            connection: Mutex::new(None),
        })
    }

    /// The same, which listens so long to a gateway that says nothing.
    #[must_use]
    pub fn with(self, silence: Silence) -> Self {
        Self { silence, ..self }
    }

    /// `https://host:port`, for messages.
    pub fn address(&self) -> String {
        format!("https://{}:{}", self.host, self.port)
    }

    /// A request to a path of this gateway.
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let authority = format!("{}:{}", self.host, self.port);
        Request::builder()
            .method(method)
            .uri(format!("https://{authority}{path}"))
            .header(header::ACCEPT_LANGUAGE, HeaderValue::from_static("zh-CN"))
    }

    /// Sends a request; an answer that is not 2xx becomes a [`CallError::Problem`].
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, CallError> {
        let response = self.exchange(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let body = read_body(body).await.unwrap_or_default();
        Err(CallError::Problem(Box::new(problem(&parts, &body))))
    }

    /// Sends a request, signed when we have a message key; gives head and body of the answer, which is verified then: a 2xx must be signed, a
    /// refusal may be. What is not 2xx becomes a [`CallError::Problem`].
    ///
    /// # Errors
    /// As [`Client::send`]; [`CallError::Unproven`].
    pub async fn send_signed(
        &self,
        profile: &Profile,
        mut request: Request<Body>,
    ) -> Result<(response::Parts, Bytes), CallError> {
        let signed = match &self.signer {
            Some(signer) => Some((signer, signer.sign(profile, &mut request)?)),
            None => None,
        };
        let response = self.exchange(request).await?;
        let (parts, body) = response.into_parts();
        let body = read_body(body).await?;
        // What is refused before a handler sees it (draining, overload) is not signed, and is no proof of anything: it is only told.
        let proves = parts.status.is_success() || parts.headers.contains_key(SIGNATURE);
        if let Some((signer, sent)) = signed.filter(|_| proves) {
            signer.verify(&sent, parts.status, &parts.headers, &body)?;
        }
        if parts.status.is_success() {
            return Ok((parts, body));
        }
        Err(CallError::Problem(Box::new(problem(&parts, &body))))
    }

    /// Our message key, when we have one.
    pub fn signer(&self) -> Option<&Signer> {
        self.signer.as_ref()
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Response<Incoming>, CallError> {
        let mut slot = self.connection.lock().await;
        let mut connection = match slot.take() {
            Some(open) if open.is_usable() => open,
            _ => self.connect().await?,
        };
        match connection.send(request).await {
            Ok(response) => {
                *slot = Some(connection);
                Ok(response)
            }
            Err(error) => Err(error),
        }
    }

    /// Connects, when that is not so already: where it fails, nothing was sent.
    ///
    /// # Errors
    /// Not reached, or our certificate was not accepted.
    pub async fn reach(&self) -> Result<(), CallError> {
        let mut slot = self.connection.lock().await;
        if !slot.as_ref().is_some_and(Connection::is_usable) {
            *slot = None;
            *slot = Some(self.connect().await?);
        }
        Ok(())
    }

    /// Sends a request without a body.
    pub async fn get(&self, path: &str, headers: &[(&'static str, &str)]) -> Result<Response<Incoming>, CallError> {
        let mut builder = self.request(Method::GET, path);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let request = builder
            .body(empty())
            .map_err(|error| CallError::Network(error.to_string()))?;
        self.send(request).await
    }

    /// A JSON document by GET.
    pub async fn get_json(&self, path: &str) -> Result<serde_json::Value, CallError> {
        let response = self.get(path, &[]).await?;
        read_json(response).await
    }

    /// A JSON document by POST.
    pub async fn post_json(&self, path: &str, document: &serde_json::Value) -> Result<serde_json::Value, CallError> {
        let request = self
            .request(Method::POST, path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(full(document.to_string().into()))
            .map_err(|error| CallError::Network(error.to_string()))?;
        read_json(self.send(request).await?).await
    }

    async fn connect(&self) -> Result<Connection, CallError> {
        let opening = async {
            let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
            tcp.set_nodelay(true)?;
            self.silence.heed(&tcp)?;
            let name = ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
            TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await
        };
        let tls = timeout(Duration::from_secs(15), opening)
            .await
            .map_err(|_| CallError::Network("no connection within 15 s".into()))?
            .map_err(|error| explain(&error))?;
        let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        let io = TokioIo::new(tls);
        if h2 {
            let opened = self.silence.http2().handshake(io).await;
            let (sender, connection) = opened.map_err(|error| explain(&error))?;
            return Ok(Connection {
                sender: Sender::Two(sender),
                task: spawn(connection),
            });
        }
        let (sender, connection) = http1::handshake(io).await.map_err(|error| explain(&error))?;
        Ok(Connection {
            sender: Sender::One(sender),
            task: spawn(connection),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the connection owns the task and awaits it")]
fn spawn<F: Future<Output = Result<(), hyper::Error>> + Send + 'static>(
    connection: F,
) -> JoinHandle<Result<(), hyper::Error>> {
    tokio::spawn(connection)
}

impl Connection {
    fn is_usable(&self) -> bool {
        let closed = match &self.sender {
            Sender::One(sender) => sender.is_closed(),
            Sender::Two(sender) => sender.is_closed(),
        };
        !closed && !self.task.is_finished()
    }

    /// Sends one request; on failure gives the cause that the connection knows, or else the request's own.
    ///
    /// A connection that dies can leave its request without an answer for ever, so both are waited for.
    async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, CallError> {
        let Self { sender, task } = self;
        let mut sending = std::pin::pin!(sender.send(request));
        let (sent, ended) = tokio::select! {
            biased;
            sent = &mut sending => (Some(sent), None),
            ended = &mut *task => (timeout(GRACE, sending).await.ok(), Some(ended)),
        };
        let error = match sent {
            Some(Ok(response)) => return Ok(response),
            Some(Err(error)) => explain(&error),
            None => CallError::Closed,
        };
        let ended = match ended {
            Some(ended) => Some(ended),
            None => timeout(GRACE, task).await.ok(),
        };
        match ended {
            Some(Ok(Err(cause))) => match explain(&cause) {
                CallError::Certificate(refusal) => Err(CallError::Certificate(refusal)),
                _ => Err(error),
            },
            _ => Err(error),
        }
    }
}

impl Sender {
    async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, hyper::Error> {
        match self {
            Self::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::One(sender) => {
                sender.ready().await?;
                sender.send_request(origin_form(request)).await
            }
        }
    }
}

/// HTTP/1.1 wants the path in the request line and the authority in `Host`.
fn origin_form(request: Request<Body>) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    if let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(header::HOST, host);
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    if let Ok(uri) = path.parse() {
        parts.uri = uri;
    }
    Request::from_parts(parts, body)
}

/// Turns a TLS alert anywhere in the chain into the refusal that it means.
fn explain(error: &(dyn Error + 'static)) -> CallError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut closed = false;
    let mut text = Vec::new();
    while let Some(error) = cause {
        text.push(error.to_string());
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let typed = inner.or_else(|| error.downcast_ref()).and_then(alert);
        if let Some(refusal) = typed.or_else(|| alert_in_text(&error.to_string())).and_then(refused_by) {
            return CallError::Certificate(refusal);
        }
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            closed |= matches!(
                io.kind(),
                std::io::ErrorKind::UnexpectedEof
                    | std::io::ErrorKind::ConnectionReset
                    | std::io::ErrorKind::BrokenPipe
            );
        }
        if let Some(hyper) = error.downcast_ref::<hyper::Error>() {
            if hyper.is_timeout() {
                return CallError::Network("the gateway fell silent".into());
            }
            closed |= hyper.is_closed() || hyper.is_incomplete_message() || hyper.is_canceled();
        }
        cause = error.source();
    }
    if closed {
        return CallError::Closed;
    }
    CallError::Network(text.join(": "))
}

fn alert(error: &rustls::Error) -> Option<AlertDescription> {
    match error {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// h2 keeps of an I/O error only its text, so there the alert has to be read out of it.
fn alert_in_text(text: &str) -> Option<AlertDescription> {
    let name = text.split_once("received fatal alert: ")?.1;
    ALERTS
        .into_iter()
        .map(|(alert, _)| alert)
        .find(|alert| name.starts_with(&format!("{alert:?}")))
}

/// What an alert of the gateway means for our certificate.
const ALERTS: [(AlertDescription, Refusal); 6] = [
    (AlertDescription::CertificateRequired, Refusal::NoCertificate),
    (AlertDescription::CertificateRevoked, Refusal::CertificateRevoked),
    (AlertDescription::UnknownCA, Refusal::UnknownIssuer),
    (AlertDescription::CertificateExpired, Refusal::CertificateExpired),
    (AlertDescription::BadCertificate, Refusal::CertificateProfile),
    (AlertDescription::UnsupportedCertificate, Refusal::CertificateProfile),
];

fn refused_by(alert: AlertDescription) -> Option<Refusal> {
    ALERTS
        .into_iter()
        .find(|(known, _)| *known == alert)
        .map(|(_, refusal)| refusal)
}

fn split_address(address: &str) -> Option<(String, u16)> {
    let uri: http::Uri = address.parse().ok()?;
    let https = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
    let bare = matches!(uri.path(), "" | "/");
    (https && bare).then(|| Some((uri.host()?.to_owned(), uri.port_u16().unwrap_or(443))))?
}

fn tls_settings(settings: &ClientSettings) -> Result<rustls::ClientConfig, Failure> {
    let unusable = |path: &std::path::Path, why: &dyn std::fmt::Display| {
        Failure::local(format!("`{}` cannot be used", path.display()))
            .because(why)
            .then("see the kit that the gateway issued: shuguan cert inspect FILE")
    };
    let certificates = |path: &std::path::Path| -> Result<Vec<CertificateDer<'static>>, Failure> {
        CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| unusable(path, &error))
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&settings.ca)? {
        roots.add(certificate).map_err(|error| unusable(&settings.ca, &error))?;
    }
    let chain = certificates(&settings.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key).map_err(|error| unusable(&settings.key, &error))?;
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| unusable(&settings.ca, &error))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|error| unusable(&settings.certificate, &error))?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

/// No body.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is already there.
pub fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// The whole body of an answer, at most 16 MiB.
pub async fn read(response: Response<Incoming>) -> Result<Bytes, CallError> {
    read_body(response.into_body()).await
}

async fn read_body(body: Incoming) -> Result<Bytes, CallError> {
    Limited::new(body, DOCUMENT_BYTES_MAX)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .map_err(|error| CallError::Network(error.to_string()))
}

/// The JSON body of an answer.
pub async fn read_json(response: Response<Incoming>) -> Result<serde_json::Value, CallError> {
    let bytes = read(response).await?;
    serde_json::from_slice(&bytes).map_err(|error| CallError::Network(format!("the answer is not JSON: {error}")))
}

fn problem(parts: &response::Parts, body: &[u8]) -> Problem {
    let status = parts.status;
    let retry_after = retry_after(&parts.headers);
    let mut problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    problem.status = status.as_u16();
    problem.retry_after_s = problem.retry_after_s.or(retry_after);
    if problem.title.is_empty() {
        problem.title = format!("the gateway answered {status}");
    }
    problem
}

fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()
}
