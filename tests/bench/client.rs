//! A keep-alive connection over mutual TLS, h2 or HTTP/1.1, as light as hyper lets it be.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::response::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use shuguan_tests::Deployment;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::feed::{PARTNER, PURPOSE, RECORD};

pub type Body = BoxBody<Bytes, std::io::Error>;

/// A whole body.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// What is spoken over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, as `shuguan push` and most agencies' programs do.
    One,
    /// HTTP/2.
    Two,
}

/// Who connects, and where to.
#[derive(Clone)]
pub struct Partner {
    config: Arc<ClientConfig>,
    port: u16,
    protocol: Protocol,
}

impl Partner {
    /// The partner that sends residents.
    pub fn of(deployment: &Deployment) -> Self {
        Self::named(deployment, PARTNER)
    }

    pub fn named(deployment: &Deployment, id: &str) -> Self {
        let folder = deployment.path("partners").join(id);
        let mut roots = RootCertStore::empty();
        for der in CertificateDer::pem_file_iter(deployment.path("pki/ca.pem")).expect("an authority file") {
            roots.add(der.expect("a certificate")).expect("an authority");
        }
        let chain = CertificateDer::pem_file_iter(folder.join("client.pem")).expect("a certificate file");
        let chain = chain.map(|der| der.expect("a certificate")).collect();
        let key = PrivateKeyDer::from_pem_file(folder.join("client.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .expect("a usable certificate");
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            config: Arc::new(config),
            port: deployment.feed,
            protocol: Protocol::Two,
        }
    }

    /// The same over another protocol.
    pub fn speaking(mut self, protocol: Protocol) -> Self {
        let name: &[u8] = match protocol {
            Protocol::One => b"http/1.1",
            Protocol::Two => b"h2",
        };
        Arc::make_mut(&mut self.config).alpn_protocols = vec![name.to_vec()];
        Self { protocol, ..self }
    }

    /// Waits until the exchange is relayed. A gateway ends a connection that grows old, so each minute has one of its own.
    pub async fn relayed(&self, exchange: &str) {
        let path = format!("/v1/exchanges/{exchange}");
        loop {
            let (mut connection, opened) = (self.connect().await, Instant::now());
            while opened.elapsed() < Duration::from_mins(1) {
                let (status, body) = connection.get(&path).await;
                assert_eq!(status, StatusCode::OK);
                let document: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
                match document["state"].as_str() {
                    Some("relayed") => return,
                    Some("sealed") => tokio::time::sleep(Duration::from_millis(20)).await,
                    other => panic!("the exchange is {other:?}"),
                }
            }
        }
    }

    pub async fn connect(&self) -> Connection {
        let tcp = TcpStream::connect(("127.0.0.1", self.port))
            .await
            .expect("the gateway listens");
        tcp.set_nodelay(true).expect("a socket");
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = TlsConnector::from(Arc::clone(&self.config)).connect(name, tcp).await;
        let io = TokioIo::new(tls.expect("the gateway trusts us"));
        let host = format!("localhost:{}", self.port);
        match self.protocol {
            Protocol::One => {
                let (sender, connection) = http1::handshake(io).await.expect("HTTP/1.1");
                tokio::spawn(connection);
                Connection {
                    sender: Sender::One(sender),
                    origin: String::new(),
                    host: Some(host),
                }
            }
            Protocol::Two => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.expect("h2");
                tokio::spawn(connection);
                Connection {
                    sender: Sender::Two(sender),
                    origin: format!("https://{host}"),
                    host: None,
                }
            }
        }
    }
}

enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

/// One connection; requests follow one another on it.
pub struct Connection {
    sender: Sender,
    /// What stands before a path in a target: nothing in HTTP/1.1.
    origin: String,
    /// What HTTP/1.1 says in a header instead.
    host: Option<String>,
}

impl Connection {
    /// Sends a request and reads the whole answer.
    pub async fn send(&mut self, request: Request<Body>) -> (StatusCode, Bytes) {
        let (parts, body) = self.answer(request).await;
        (parts.status, body)
    }

    /// The same, with the answer's head.
    pub async fn answer(&mut self, request: Request<Body>) -> (Parts, Bytes) {
        let (parts, body) = self.head(request).await.expect("an answer").into_parts();
        (parts, body.collect().await.expect("a whole answer").to_bytes())
    }

    async fn head(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::One(sender) => {
                // Until the answer before is over on this side too, hyper takes no further request.
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Two(sender) => sender.send_request(request).await,
        }
    }

    /// A request to a path of the gateway.
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.origin));
        match &self.host {
            Some(host) => request.header("host", host),
            None => request,
        }
    }

    pub async fn get(&mut self, path: &str) -> (StatusCode, Bytes) {
        let request = self.request(Method::GET, path);
        let nothing = Empty::new().map_err(|never| match never {}).boxed();
        self.send(request.body(nothing).expect("a request")).await
    }

    /// Pushes residents under a fresh key; gives the answer's JSON as bytes.
    ///
    /// # Panics
    /// When they are not accepted: then the run measures something else.
    pub async fn push(&mut self, content_type: &str, body: Body) -> Bytes {
        self.push_as(RECORD, content_type, &[], body).await
    }

    /// The same of any record type, with further headers.
    pub async fn push_as(&mut self, record: &str, content_type: &str, headers: &[(&str, &str)], body: Body) -> Bytes {
        let mut request = self
            .request(Method::POST, &format!("/v1/feeds/{record}"))
            .header("content-type", content_type)
            .header("exchange-purpose", PURPOSE)
            .header("idempotency-key", uuid::Uuid::new_v4().to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (status, answer) = self.send(request.body(body).expect("a request")).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{}", String::from_utf8_lossy(&answer));
        answer
    }
}

/// The exchange that an answer names.
pub fn exchange_of(answer: &[u8]) -> (String, u64) {
    let document: serde_json::Value = serde_json::from_slice(answer).expect("JSON");
    let exchange = document["exchange"].as_str().expect("an exchange").to_owned();
    (exchange, document["accepted"].as_u64().unwrap_or(0))
}
