//! The edge on real TLS: a city's authority, its gateway on a free port, and clients that behave or do not.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod deadlines;
mod identity;
mod material;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::{any, get};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use shuguan_policies::{PolicySet, Role};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::listen::{Edge, ListenSettings, listen};
use super::tls::{self, TlsMaterial, TlsSettings};
use super::{Caller, framing};
use crate::clock::Clock;
use crate::pki::authority::{Authority, Tier};
use crate::pki::deviation::{Deviation, Minted, Signer, mint};
use crate::pki::{DAY_US, Subject, profile};
use crate::refusal::Refusal;

const PARTNERS: &str = r#"
format = 1
trust_domain = "lyg.example"
[[partner]]
id = "health-city"
zh = "市卫健委"
spiffe = "spiffe://lyg.example/agency/health/city"
[[partner]]
id = "auditor-li"
zh = "审计员"
spiffe = "spiffe://lyg.example/officer/auditor/city/li"
"#;

const FEED: &[Role] = &[Role::Agency, Role::Registry];
const CONSOLE: &[Role] = &[
    Role::Auditor,
    Role::SecurityOfficer,
    Role::PolicyOfficer,
    Role::Operator,
];

fn policies(partners: &str) -> PolicySet {
    let empty = |list: &str| format!("format = 1\n{list} = []\n");
    let texts = [
        ("partners.toml", partners.to_owned()),
        ("purposes.toml", empty("purpose")),
        ("keys.toml", "format = 1\n".to_owned()),
    ];
    PolicySet::from_texts(texts.map(|(name, text)| (name.to_owned(), text)).into())
        .unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn subject(id: &str, path: &str) -> Subject {
    Subject {
        id: id.to_owned(),
        zh: "试验".to_owned(),
        spiffe: format!("spiffe://lyg.example/{path}"),
    }
}

fn health() -> Subject {
    subject("health-city", "agency/health/city")
}

/// Authority, revocation lists and server certificate in a folder of their own.
struct City {
    folder: TempDir,
    authority: Authority,
    now_us: i64,
}

impl City {
    fn new() -> Self {
        Self::founded(0)
    }

    /// With lists that were signed so many days ago.
    fn founded(days_ago: i64) -> Self {
        let folder = TempDir::new().unwrap();
        let now_us = Clock::system().now_us();
        let founded_us = now_us - days_ago * DAY_US;
        let authority = Authority::create(folder.path(), profile::EXAMPLE, Some("127.0.0.1"), founded_us).unwrap();
        Self {
            folder,
            authority,
            now_us,
        }
    }

    fn settings(&self) -> TlsSettings {
        let at = |name: &str| self.folder.path().join(name);
        TlsSettings {
            certificate: at("pki/server.pem"),
            key: at("keys/server.key"),
            client_ca: at("pki/ca.pem"),
            crls: vec![at("pki/root.crl.pem"), at("pki/issuing.crl.pem")],
            message: at("pki/message"),
        }
    }

    fn material(&self) -> TlsMaterial {
        tls::load(&self.settings()).unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    fn mint(&self, subject: &Subject, deviation: &Deviation) -> Minted {
        mint(
            &Signer::Tier(&self.authority, Tier::Issuing),
            subject,
            deviation,
            self.now_us,
        )
        .unwrap()
    }

    fn partner(&self) -> Minted {
        self.mint(&health(), &Deviation::default())
    }
}

/// Deadlines that a test can wait for.
fn settings() -> ListenSettings {
    ListenSettings {
        handshake_timeout: Duration::from_secs(5),
        first_request_timeout: Duration::from_secs(5),
        header_read_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_mins(1),
        answer_rate_min: 16_384,
        connection_age_max: Duration::from_mins(15),
        connections_max: 256,
        connections_per_partner_max: 4,
        handshakes_max: 8,
        drain_timeout: Duration::from_secs(5),
    }
}

/// A listener that runs.
struct Gateway {
    address: SocketAddr,
    edge: Arc<Edge>,
    revoked: Arc<ArcSwap<super::revocation::RevocationSet>>,
    policies: Arc<ArcSwap<PolicySet>>,
    /// How far the clock of the gatekeeper is ahead of that of the handshake.
    ahead_us: Arc<AtomicI64>,
    refusals: mpsc::Receiver<Refusal>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Gateway {
    async fn feed(city: &City) -> Self {
        Self::start(city.material(), FEED, settings()).await
    }

    async fn with(city: &City, settings: ListenSettings) -> Self {
        Self::start(city.material(), FEED, settings).await
    }

    async fn console(city: &City) -> Self {
        let material = city.material();
        let material = TlsMaterial {
            feed: Arc::clone(&material.console),
            ..material
        };
        Self::start(material, CONSOLE, settings()).await
    }

    async fn start(material: TlsMaterial, roles: &'static [Role], settings: ListenSettings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, refusals) = mpsc::channel(64);
        let revoked = Arc::new(ArcSwap::new(material.revoked));
        let policies = Arc::new(ArcSwap::from_pointee(policies(PARTNERS)));
        let ahead_us = Arc::new(AtomicI64::new(0));
        let wall = {
            let (ahead_us, system) = (Arc::clone(&ahead_us), Clock::system());
            Clock::from_fn(move || system.now_us() + ahead_us.load(Ordering::Relaxed))
        };
        let edge = Arc::new(Edge::new(
            material.feed,
            Arc::clone(&revoked),
            Arc::clone(&policies),
            roles,
            settings,
            sender,
            wall,
        ));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(listener, Arc::clone(&edge), router(), stop.clone()));
        Self {
            address,
            edge,
            revoked,
            policies,
            ahead_us,
            refusals,
            stop,
            tasks,
        }
    }

    /// The next connection-level refusal.
    async fn refusal(&mut self) -> Refusal {
        let next = tokio::time::timeout(Duration::from_secs(5), self.refusals.recv());
        next.await.unwrap().unwrap()
    }

    /// A connection after the client's side of the handshake.
    async fn connect(&self, client: &Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
        self.connect_from(Ipv4Addr::LOCALHOST, client).await
    }

    /// The same from an address of this machine.
    async fn connect_from(&self, from: Ipv4Addr, client: &Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let tcp = socket.connect(self.address).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::clone(client)).connect(name, tcp).await
    }

    /// One request on a connection of its own: what the router said, or why there was no answer.
    async fn ask(&self, city: &City, who: Option<&Minted>, alpn: &str, path: &str) -> Result<String, String> {
        let stream = self
            .connect(&client(city, who, alpn))
            .await
            .map_err(|error| error.to_string())?;
        let mut session = Session::open(stream, alpn).await?;
        session.get(path).await
    }
}

/// A client connection with hyper on it.
struct Session {
    sender: Sender,
    connection: JoinSet<Result<(), hyper::Error>>,
}

enum Sender {
    One(http1::SendRequest<Empty<bytes::Bytes>>),
    Two(http2::SendRequest<Empty<bytes::Bytes>>),
}

impl Session {
    async fn open(stream: TlsStream<TcpStream>, alpn: &str) -> Result<Self, String> {
        let io = TokioIo::new(stream);
        let mut connection = JoinSet::new();
        let text = |error: hyper::Error| format!("{error:?}");
        let sender = if alpn == "h2" {
            let (sender, driver) = http2::handshake(TokioExecutor::new(), io).await.map_err(text)?;
            connection.spawn(driver);
            Sender::Two(sender)
        } else {
            let (sender, driver) = http1::handshake(io).await.map_err(text)?;
            connection.spawn(driver);
            Sender::One(sender)
        };
        Ok(Self { sender, connection })
    }

    /// The answer's body, or an error within ten seconds.
    async fn get(&mut self, path: &str) -> Result<String, String> {
        let answer = tokio::time::timeout(Duration::from_secs(10), self.send(path)).await;
        answer.unwrap_or_else(|_| Err(format!("{path}: neither an answer nor an end")))
    }

    /// In TLS 1.3 a refused certificate shows on the connection, not on the request.
    async fn send(&mut self, path: &str) -> Result<String, String> {
        let request = http::Request::builder()
            .uri(format!("https://127.0.0.1{path}"))
            .header("host", "127.0.0.1")
            .body(Empty::new())
            .unwrap();
        let sent = match &mut self.sender {
            // The connection may not have come round to the end of the answer before.
            Sender::One(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(request).await,
                Err(error) => Err(error),
            },
            Sender::Two(sender) => {
                let (mut parts, body) = request.into_parts();
                parts.headers.remove("host");
                sender.send_request(http::Request::from_parts(parts, body)).await
            }
        };
        match sent {
            Ok(response) => {
                let body = response
                    .into_body()
                    .collect()
                    .await
                    .map_err(|error| format!("{error:?}"))?;
                Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
            }
            Err(error) => {
                let ended = tokio::time::timeout(Duration::from_secs(1), self.connection.join_next()).await;
                Err(format!("{error:?} {ended:?}"))
            }
        }
    }
}

fn client(city: &City, who: Option<&Minted>, alpn: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(city.authority.ca_pem().unwrap().as_bytes()) {
        roots.add(authority.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match who {
        None => config.with_no_client_auth(),
        Some(who) => {
            let chain = CertificateDer::pem_slice_iter(who.chain_pem.as_bytes()).map(Result::unwrap);
            let key = PrivateKeyDer::from_pem_slice(who.key_pem.as_bytes()).unwrap();
            config.with_client_auth_cert(chain.collect(), key).unwrap()
        }
    };
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    Arc::new(config)
}

/// Says who asked, what its framing was, or takes its time.
fn router() -> Router {
    Router::new()
        .route("/who", get(who))
        .route("/framing", any(framing_of))
        .route("/slow", get(slow))
        .route("/endless", get(endless))
        .route("/large", get(async || large()))
}

async fn who(axum::Extension(caller): axum::Extension<Caller>) -> String {
    match caller {
        Caller::Peer(peer) => format!("peer {}", peer.partner().id),
        Caller::Refused(refusal, _) => format!("refused {}", refusal.slug()),
        Caller::Anonymous => "anonymous".to_owned(),
    }
}

async fn framing_of(request: Request) -> String {
    let (parts, body) = request.into_parts();
    let length = body.collect().await.map(|body| body.to_bytes().len());
    format!("{:?} {length:?}", framing::fault(&parts))
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(400)).await;
    "done"
}

/// An answer of one piece.
fn large() -> String {
    "0123456789abcdef-".repeat(200 * 1024 / 17)
}

async fn endless() -> impl IntoResponse {
    let piece = bytes::Bytes::from(vec![b'x'; 16 * 1024]);
    let stream = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
    Body::from_stream(stream)
}
