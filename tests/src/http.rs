//! A small HTTP client over mutual TLS, for asking exactly what a test wants to ask.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

mod connection;
mod download;
mod line;
mod unfinished;

pub use connection::Connection;
pub use download::Download;
pub(crate) use line::secured;
pub use unfinished::{Unfinished, reset_unfinished};

/// A client certificate with its key, or nobody.
#[derive(Clone)]
pub struct Identity {
    config: Arc<ClientConfig>,
}

impl Identity {
    /// The certificate `client.pem` and key `client.key` of a folder, trusting the authority file given.
    pub fn of_folder(folder: &Path, ca: &Path) -> Self {
        Self::of_files(&folder.join("client.pem"), &folder.join("client.key"), ca)
    }

    /// A certificate chain and key, trusting the authority file given.
    pub fn of_files(certificate: &Path, key: &Path, ca: &Path) -> Self {
        let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
            .unwrap_or_else(|error| panic!("{}: {error}", certificate.display()))
            .map(|der| der.expect("a certificate"))
            .collect();
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        let config = builder(ca)
            .with_client_auth_cert(chain, key)
            .expect("a usable certificate");
        Self::with(config)
    }

    /// Nobody: no certificate is sent.
    pub fn none(ca: &Path) -> Self {
        Self::with(builder(ca).with_no_client_auth())
    }

    fn with(config: ClientConfig) -> Self {
        Self {
            config: Arc::new(config),
        }
    }

    /// A certificate chain and key as PEM texts, trusting the authority file given.
    pub fn of_pem(chain: &str, key: &str, ca: &Path) -> Self {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes())
            .map(|der| der.expect("a certificate"))
            .collect();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let config = builder(ca)
            .with_client_auth_cert(chain, key)
            .expect("a usable certificate");
        Self::with(config)
    }

    /// The same, offering only HTTP/1.1 or only h2.
    pub fn speaking(&self, protocol: &str) -> Self {
        let mut config = (*self.config).clone();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Self::with(config)
    }
}

fn builder(ca: &Path) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    for der in CertificateDer::pem_file_iter(ca).expect("an authority file") {
        roots.add(der.expect("a certificate")).expect("an authority");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_root_certificates(roots)
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", String::from_utf8_lossy(&self.body)))
    }

    /// The stable code of a problem document.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// The connection was refused before an answer.
#[derive(Debug)]
pub struct Refused(pub String);

/// One request.
#[derive(Clone)]
pub struct Call {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Call {
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A push of a record type with everything that it needs; single headers can be replaced or removed.
    pub fn push(record: &str, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::new(Method::POST, format!("/v1/feeds/{record}"))
            .header("content-type", content_type)
            .header("exchange-purpose", "enrolment.registration")
            .header("idempotency-key", &uuid::Uuid::new_v4().to_string())
            .body(body)
    }

    /// Sets a header, replacing one of that name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Removes a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Its path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its method.
    pub fn method_name(&self) -> &str {
        self.method.as_str()
    }

    /// Its body.
    pub fn body_bytes(&self) -> &[u8] {
        &self.body
    }

    /// Its headers.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A header that was set.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Sends it on a connection of its own.
    pub async fn send(self, port: u16, identity: &Identity) -> Result<Answer, Refused> {
        tokio::time::timeout(Duration::from_secs(60), self.send_now(port, identity))
            .await
            .unwrap_or_else(|_| Err(Refused("no answer within 60 s".into())))
    }

    async fn send_now(self, port: u16, identity: &Identity) -> Result<Answer, Refused> {
        Connection::open(port, identity).await?.send(self).await
    }
}

/// Reads an answer to its end.
async fn whole(answer: http::Response<hyper::body::Incoming>) -> Result<Answer, Refused> {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|e| Refused(chain(&e)))?.to_bytes();
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
