//! Who answers at the address of a witness: a real one, a liar, and one on the way to whom somebody is faster.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use shuguan_ledger::cosignature::{CosigningKey, WitnessKey};
use shuguan_ledger::keys::KeySpan;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, seal};
use crate::clock::Clock;
use crate::config::{Reaction, WitnessAddress, WitnessSection, WitnessingSection};
use crate::witness::{Service, Store, listen, router};
use crate::witnessing::Witnessing;

/// Somebody who answers at an address, as a witness or as a liar.
pub(super) struct Neighbour {
    pub(super) name: String,
    pub(super) key: WitnessKey,
    pub(super) port: u16,
    pub(super) stop: CancellationToken,
    pub(super) tasks: JoinSet<()>,
}

pub(super) fn cosigning(name: &str) -> CosigningKey {
    CosigningKey::from_seed(&format!("{name}.example"), &[name.len().try_into().unwrap(); 32]).unwrap()
}

impl Neighbour {
    pub(super) async fn bound(name: &str, port: u16) -> (Self, TcpListener) {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let neighbour = Self {
            name: name.into(),
            key: cosigning(name).witness_key(),
            port: listener.local_addr().unwrap().port(),
            stop: CancellationToken::new(),
            tasks: JoinSet::new(),
        };
        (neighbour, listener)
    }

    /// A witness that keeps what it signed in this file.
    pub(super) async fn witness(name: &str, port: u16, bench: &Bench, clock: Clock) -> Self {
        let (mut neighbour, listener) = Self::bound(name, port).await;
        let path: PathBuf = bench.folder.path().join(format!("{name}.db"));
        if !path.exists() {
            Store::create(&path).unwrap();
        }
        let mut logs: BTreeMap<String, Vec<KeySpan>> = BTreeMap::new();
        for span in bench.journal().trust().logs() {
            logs.entry(span.key().name().to_owned()).or_default().push(span.clone());
        }
        let service = Service::new(cosigning(name), logs, Store::open(&path).unwrap(), clock);
        let stop = neighbour.stop.clone();
        neighbour.tasks.spawn(listen(listener, None, router(service), stop));
        neighbour
    }

    /// Somebody who answers every question with these bytes, after a pause.
    pub(super) async fn liar(name: &str, answer: Vec<u8>, pause: Duration) -> Self {
        let (mut neighbour, listener) = Self::bound(name, 0).await;
        neighbour.tasks.spawn(async move {
            loop {
                let (mut tcp, _) = listener.accept().await.unwrap();
                let mut question = vec![0; 64 * 1024];
                let _ = tcp.read(&mut question).await;
                tokio::time::sleep(pause).await;
                let _ = tcp.write_all(&answer).await;
            }
        });
        neighbour
    }

    /// The way to another, on which somebody seals one more leaf and shows its checkpoint there before the question arrives, as often as stated.
    /// What follows a question that came too late, the wish to be shown what is held, comes undisturbed.
    pub(super) async fn overtaken(there: &Self, bench: &Bench, mut times: usize) -> Self {
        let (mut neighbour, listener) = Self::bound(&there.name, 0).await;
        let (journal, clock, port) = (bench.journal().clone(), bench.clock.clone(), there.port);
        let ahead = Witnessing::open(&section(&[there], 1)).unwrap();
        neighbour.tasks.spawn(async move {
            for connection in 0.. {
                let (mut tcp, _) = listener.accept().await.unwrap();
                if connection % 2 == 0 && times > 0 {
                    times -= 1;
                    seal(&journal).await;
                    ahead.round(&journal, &clock).await;
                    assert_eq!(ahead.newest().unwrap().size, journal.head().1.size);
                }
                let mut on = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut tcp, &mut on).await;
            }
        });
        neighbour
    }

    pub(super) async fn end(mut self) -> u16 {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.port
    }
}

pub(super) fn answer(status: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .into()
}

pub(super) fn section(neighbours: &[&Neighbour], quorum: usize) -> WitnessingSection {
    let witnesses = neighbours.iter().map(|neighbour| WitnessSection {
        name: neighbour.name.clone(),
        address: WitnessAddress::parse(&format!("http://127.0.0.1:{}", neighbour.port)).unwrap(),
        key: neighbour.key.clone(),
        ca: None,
    });
    WitnessingSection {
        witnesses: witnesses.collect(),
        quorum,
        witness_timeout_ms: std::num::NonZeroU32::new(500).unwrap(),
        reaction: Reaction::Continue,
        purposes: BTreeMap::from([("strict".to_owned(), Reaction::Stop { after_s: 90 })]),
    }
}
