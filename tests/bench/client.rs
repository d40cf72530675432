//! A keep-alive h2 connection over mutual TLS, as light as hyper lets it be.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::response::Parts;
use http::{Request, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2::{self, SendRequest};
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

/// Who connects, and where to.
#[derive(Clone)]
pub struct Partner {
    config: Arc<ClientConfig>,
    port: u16,
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
        }
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
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.expect("h2");
        tokio::spawn(connection);
        Connection {
            sender,
            origin: format!("https://localhost:{}", self.port),
        }
    }
}

/// One connection; requests follow one another on it.
pub struct Connection {
    sender: SendRequest<Body>,
    origin: String,
}

impl Connection {
    /// Sends a request and reads the whole answer.
    pub async fn send(&mut self, request: Request<Body>) -> (StatusCode, Bytes) {
        let answer = self.sender.send_request(request).await.expect("an answer");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a whole answer");
        (status, body.to_bytes())
    }

    /// The same, with the answer's head.
    pub async fn answer(&mut self, request: Request<Body>) -> (Parts, Bytes) {
        let answer = self.sender.send_request(request).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        (parts, body.collect().await.expect("a whole answer").to_bytes())
    }

    pub async fn get(&mut self, path: &str) -> (StatusCode, Bytes) {
        let request = Request::get(format!("{}{path}", self.origin));
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
        let mut request = Request::post(format!("{}/v1/feeds/{record}", self.origin))
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
