//! An officer's badge for a browser: a door of its own that shows the officer's certificate to the console.
//!
//! Takes TLS connections without a client certificate on a port of this machine, under the gateway's own server certificate; passes their bytes on over mutual TLS, as
//! HTTP/1.1, and knows nothing of what they say. Gives the address under which a browser finds the console.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::http::secured;
use crate::{Deployment, Identity};

/// The only protocol that passes.
const HTTP_1_1: &str = "http/1.1";

/// The door; shut when dropped.
pub struct Badge {
    port: u16,
    door: JoinHandle<()>,
}

impl Badge {
    /// A door to the console of a gateway that serves, for whoever holds that identity.
    pub async fn of(deployment: &Deployment, identity: &Identity) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let acceptor = acceptor(deployment);
        let (identity, console) = (identity.speaking(HTTP_1_1), deployment.console);
        let door = tokio::spawn(async move {
            while let Ok((browser, _)) = listener.accept().await {
                let (acceptor, identity) = (acceptor.clone(), identity.clone());
                tokio::spawn(async move {
                    // A browser opens connections that it does not use.
                    let Ok(mut browser) = acceptor.accept(browser).await else {
                        return;
                    };
                    if let Ok(mut console) = secured(console, &identity, None).await {
                        let _ended = copy_bidirectional(&mut browser, &mut console).await;
                    }
                });
            }
        });
        Self { port, door }
    }

    /// The address of a page of the console.
    pub fn address(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Badge {
    fn drop(&mut self) {
        self.door.abort();
    }
}

fn acceptor(deployment: &Deployment) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(deployment.path("pki/server.pem")).expect("a certificate file");
    let chain = chain.map(|der| der.expect("a certificate")).collect();
    let key = PrivateKeyDer::from_pem_file(deployment.path("keys/server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("TLS versions").with_no_client_auth();
    let mut config = config.with_single_cert(chain, key).expect("a usable certificate");
    config.alpn_protocols = vec![HTTP_1_1.into()];
    TlsAcceptor::from(Arc::new(config))
}
