//! A real journal, real witnesses on real sockets, and liars.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use shuguan_ledger::cosignature::{CosigningKey, WitnessKey};
use shuguan_ledger::keys::KeySpan;
use shuguan_ledger::leaf::{Event, Leaf, StopEvent};
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Quorum;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{RolledBack, Witnessing, trust};
use crate::clock::Clock;
use crate::config::{Reaction, WitnessAddress, WitnessSection, WitnessingSection};
use crate::edge::health::Light;
use crate::journal::{Journal, JournalSettings, Outcome, Query, Secret, VolumeOrder, own_trust};
use crate::refusal::Refusal;
use crate::witness::{Service, Store, listen, router};

const ORIGIN: &str = "gw1.lyg.example/log";
const SECOND: i64 = 1_000_000;
const NOON: i64 = 1_800_000_000 * SECOND;

/// A journal and a clock that the test drives.
struct Bench {
    folder: TempDir,
    now: Arc<AtomicI64>,
    clock: Clock,
    journal: Option<Journal>,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let now = Arc::new(AtomicI64::new(NOON));
        let clock = clock_of(&now);
        let mut bench = Self {
            folder,
            now,
            clock,
            journal: None,
        };
        Journal::create(&bench.settings("a")).unwrap();
        bench.journal = Some(Journal::open(&bench.settings("a"), bench.clock.clone()).unwrap());
        bench
    }

    /// Every journal here has the same key.
    fn settings(&self, name: &str) -> JournalSettings {
        let (log, kek) = (Secret::new([1; 32]), Secret::new([2; 32]));
        JournalSettings::at(self.folder.path().join(name), ORIGIN, log, kek)
    }

    fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    fn wait(&self, seconds: i64) {
        self.now.fetch_add(seconds * SECOND, Ordering::Relaxed);
    }

    async fn round(&self, witnessing: &Witnessing) {
        witnessing.round(self.journal(), &self.clock).await;
    }

    async fn seal(&self, leaves: usize) {
        for _ in 0..leaves {
            seal(self.journal()).await;
        }
    }

    async fn leaves(&self, kind: &str) -> Vec<Event> {
        let query = Query {
            kind: Some(kind.into()),
            ..Query::default()
        };
        let rows = self.journal().search(query).await.unwrap();
        rows.iter()
            .rev()
            .map(|row| Leaf::decode(&row.bytes).unwrap().event)
            .collect()
    }

    async fn restored(&self, neighbours: &[&Neighbour], quorum: usize) -> Witnessing {
        let witnessing = Witnessing::open(&section(neighbours, quorum)).unwrap();
        witnessing.restore(self.journal(), self.clock.now_us()).await.unwrap();
        witnessing
    }
}

fn clock_of(now: &Arc<AtomicI64>) -> Clock {
    let now = Arc::clone(now);
    Clock::from_fn(move || now.load(Ordering::Relaxed))
}

/// The one key of a log that never changed it.
fn vkey(journal: &Journal) -> String {
    journal.log_keys().spans()[0].key().vkey()
}

async fn seal(journal: &Journal) {
    let event = Event::Stop(StopEvent { reason: "x".into() });
    assert!(matches!(journal.seal_own(event).await, Ok(Outcome::Sealed(_))));
}

/// Somebody who answers at an address, as a witness or as a liar.
struct Neighbour {
    name: String,
    key: WitnessKey,
    port: u16,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

fn cosigning(name: &str) -> CosigningKey {
    CosigningKey::from_seed(&format!("{name}.example"), &[name.len().try_into().unwrap(); 32]).unwrap()
}

impl Neighbour {
    async fn bound(name: &str, port: u16) -> (Self, TcpListener) {
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
    async fn witness(name: &str, port: u16, bench: &Bench, clock: Clock) -> Self {
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
    async fn liar(name: &str, answer: Vec<u8>, pause: Duration) -> Self {
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
    async fn overtaken(there: &Self, bench: &Bench, mut times: usize) -> Self {
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

    async fn end(mut self) -> u16 {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.port
    }
}

fn answer(status: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .into()
}

fn section(neighbours: &[&Neighbour], quorum: usize) -> WitnessingSection {
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

#[tokio::test]
async fn a_quorum_signs_what_is_sealed_and_receipts_carry_it_over_a_restart() {
    let mut bench = Bench::new();
    let a = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    let b = Neighbour::witness("bb", 0, &bench, bench.clock.clone()).await;
    let witnessing = bench.restored(&[&a, &b], 2).await;
    bench.seal(3).await;
    bench.round(&witnessing).await;
    let newest = witnessing.newest().unwrap();
    assert_eq!(newest.size, bench.journal().head().1.size);
    assert_eq!(witnessing.debt().unwrap().leaves, 0);
    let vkey = vkey(bench.journal());
    let trust = trust(&vkey, &section(&[&a, &b], 2)).unwrap();
    let (_, witnessed) = trust.open_witnessed(&newest.note).unwrap();
    assert_eq!((witnessed.quorum, witnessed.by.len()), (Quorum::Met, 2));
    // A later leaf is under the next one only.
    let sealed = bench
        .journal()
        .seal_own(Event::Stop(StopEvent { reason: "x".into() }))
        .await
        .unwrap();
    let Outcome::Sealed(sealed) = sealed else {
        panic!("not sealed")
    };
    let (exchange, before) = (sealed.exchange.unwrap(), witnessing.newest().unwrap());
    assert_eq!(bench.journal().cosigned_receipt(exchange, &before).await.unwrap(), None);
    let own = Receipt::parse(&sealed.receipt).unwrap().verify(&trust).unwrap();
    assert_eq!(own.witnessed.quorum, Quorum::Missing);
    bench.wait(1);
    bench.round(&witnessing).await;
    let newest = witnessing.newest().unwrap();
    let receipt = bench
        .journal()
        .cosigned_receipt(exchange, &newest)
        .await
        .unwrap()
        .unwrap();
    let proven = Receipt::parse(&receipt).unwrap().verify(&trust).unwrap();
    assert_eq!((proven.index, proven.witnessed.quorum), (sealed.index, Quorum::Met));
    assert_eq!(
        bench.journal().receipt(exchange).await.unwrap(),
        Some(sealed.receipt),
        "the first stays as it is"
    );
    drop(bench.journal.take());
    bench.journal = Some(Journal::open(&bench.settings("a"), bench.clock.clone()).unwrap());
    let restored = bench.restored(&[&a, &b], 2).await;
    assert_eq!(restored.newest(), Some(newest));
    bench.round(&restored).await;
    assert_eq!(restored.debt().unwrap().leaves, 0);
}

#[tokio::test]
async fn a_witness_that_is_away_makes_a_debt_that_leaves_tell_of_and_that_is_paid_back() {
    let bench = Bench::new();
    let away = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    let witnessing = bench.restored(&[&away], 1).await;
    bench.round(&witnessing).await;
    assert_eq!(witnessing.light().0, Light::Green);
    let port = away.end().await;
    bench.seal(2).await;
    bench.wait(59);
    bench.round(&witnessing).await;
    let debt = witnessing.debt().unwrap();
    assert_eq!((debt.seconds, debt.leaves, witnessing.light().0), (59, 2, Light::Green));
    assert_eq!(bench.leaves("witness-gap").await, [], "not yet");
    bench.wait(1);
    bench.round(&witnessing).await;
    bench.wait(20);
    bench.round(&witnessing).await;
    assert_eq!(witnessing.light().0, Light::Yellow);
    assert_eq!(witnessing.refuses("strict"), None);
    bench.wait(10);
    bench.round(&witnessing).await;
    let gaps = bench.leaves("witness-gap").await;
    let [Event::WitnessGap(begin)] = gaps.as_slice() else {
        panic!("{gaps:?}")
    };
    assert_eq!((begin.step.as_str(), begin.size, begin.s), ("begin", 1, 60));
    assert_eq!(witnessing.refuses("strict"), Some(Refusal::Unwitnessed));
    assert_eq!(witnessing.refuses("lenient"), None);
    // After a restart the gap is still the same one.
    let witnessing = bench.restored(&[&Neighbour::bound("a", 0).await.0], 1).await;
    assert!(witnessing.state().gap_us.is_some());
    let back = Neighbour::witness("a", port, &bench, bench.clock.clone()).await;
    let witnessing = bench.restored(&[&back], 1).await;
    bench.round(&witnessing).await;
    assert_eq!(witnessing.refuses("strict"), None);
    let gaps = bench.leaves("witness-gap").await;
    let [_, Event::WitnessGap(end)] = gaps.as_slice() else {
        panic!("{gaps:?}")
    };
    assert_eq!(
        (end.step.as_str(), end.size),
        ("end", 4),
        "start, two leaves, and the begin of the gap"
    );
    bench.wait(1);
    bench.round(&witnessing).await;
    assert_eq!(
        witnessing.debt().unwrap().leaves,
        0,
        "the end too is under a signature now"
    );
}

#[tokio::test]
async fn an_idle_hour_is_no_debt_before_or_after_a_restart() {
    let mut bench = Bench::new();
    let away = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    let witnessing = bench.restored(&[&away], 1).await;
    bench.round(&witnessing).await;
    bench.wait(3_600);
    bench.round(&witnessing).await;
    let port = away.end().await;
    bench.seal(1).await;
    bench.wait(2);
    bench.round(&witnessing).await;
    let debt = witnessing.debt().unwrap();
    assert_eq!(
        (debt.seconds, debt.leaves),
        (2, 1),
        "as old as the entry, not as the last signature"
    );
    drop(bench.journal.take());
    bench.wait(5);
    bench.journal = Some(Journal::open(&bench.settings("a"), bench.clock.clone()).unwrap());
    let (nobody, listener) = Neighbour::bound("a", port).await;
    drop(listener);
    let witnessing = bench.restored(&[&nobody], 1).await;
    bench.round(&witnessing).await;
    let debt = witnessing.debt().unwrap();
    assert_eq!((debt.seconds, debt.leaves), (7, 2));
    assert_eq!(bench.leaves("witness-gap").await, []);
}

#[tokio::test]
async fn a_slow_witness_holds_up_nobody_and_liars_are_not_believed() {
    let bench = Bench::new();
    let good = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    let slow = Neighbour::liar("slow", vec![], Duration::from_secs(10)).await;
    let garbage = Neighbour::liar(
        "garbage",
        answer("200 OK", "text/plain", &"x".repeat(1 << 20)),
        Duration::ZERO,
    )
    .await;
    let (_, head) = bench.journal().head();
    let stranger = CosigningKey::from_seed("wrong.example", &[99; 32]).unwrap();
    let line = stranger.cosign(&head.text(), 1_800_000_000).unwrap();
    let wrong = Neighbour::liar("wrong", answer("200 OK", "text/plain", &line), Duration::ZERO).await;
    let noise = Neighbour::liar("noise", b"\xff\x00 no HTTP\r\n\r\n".to_vec(), Duration::ZERO).await;
    let all = [&slow, &garbage, &wrong, &noise, &good];
    let witnessing = bench.restored(&all, 1).await;
    let began = Instant::now();
    bench.round(&witnessing).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let newest = witnessing.newest().unwrap();
    assert_eq!(newest.size, head.size);
    let trust = trust(&vkey(bench.journal()), &section(&all, 1)).unwrap();
    let (_, witnessed) = trust.open_witnessed(&newest.note).unwrap();
    assert_eq!(witnessed.names(), "a.example", "nobody else's line is in it");
    let standing: BTreeMap<String, String> = witnessing
        .standing()
        .into_iter()
        .map(|(name, _, how)| (name, how))
        .collect();
    assert_eq!(standing["slow"], "it did not answer in time");
    assert_eq!(standing["garbage"], "its answer is too long or no text");
    assert!(
        standing["wrong"].starts_with("its signature is not one"),
        "{standing:?}"
    );
    assert!(
        standing["noise"].starts_with("its answer broke off or is not HTTP"),
        "{standing:?}"
    );
    let (light, detail) = witnessing.light();
    assert!(light == Light::Green && !detail.contains("xxx"), "{detail}");
    // Of two that are asked for, one is not enough.
    let strict = bench.restored(&[&slow, &good], 2).await;
    bench.seal(1).await;
    bench.round(&strict).await;
    assert_eq!(strict.debt().unwrap().leaves, 1);
}

#[tokio::test]
async fn a_larger_size_without_a_proof_is_an_alarm_and_stops_nothing() {
    let bench = Bench::new();
    let liar = Neighbour::liar("a", answer("409 Conflict", "text/x.tlog.size", "900\n"), Duration::ZERO).await;
    let witnessing = bench.restored(&[&liar], 1).await;
    bench.round(&witnessing).await;
    let (light, detail) = witnessing.light();
    assert!(
        light == Light::Red && detail.contains("900 entries") && detail.contains("no proof"),
        "{detail}"
    );
    assert_eq!(witnessing.refuses("any"), None);
    let compared = witnessing
        .compare(&bench.settings("a").place, ORIGIN, &bench.journal().trust())
        .await;
    assert_eq!(
        compared.unwrap(),
        Ok(()),
        "a claim does not keep the gateway from starting"
    );
}

#[tokio::test]
async fn our_own_newer_checkpoint_that_somebody_else_showed_first_is_no_dispute() {
    let bench = Bench::new();
    let witness = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    let way = Neighbour::overtaken(&witness, &bench, 2).await;
    let witnessing = bench.restored(&[&way], 1).await;
    bench.seal(3).await;
    for (round, size) in [(1, 5), (2, 6)] {
        bench.round(&witnessing).await;
        assert_eq!(
            bench.journal().head().1.size,
            size,
            "somebody was faster in round {round}"
        );
        assert_eq!(witnessing.refuses("any"), None);
        let (light, detail) = witnessing.light();
        assert!(
            light == Light::Green && detail.contains("somebody else showed it a newer checkpoint"),
            "{detail}"
        );
        assert_eq!(witnessing.newest(), None);
        bench.wait(2);
    }
    // The next round is about that checkpoint.
    bench.round(&witnessing).await;
    assert_eq!(witnessing.newest().unwrap().size, 6);
    assert_eq!(
        (witnessing.debt().unwrap().leaves, witnessing.light().0),
        (0, Light::Green)
    );
    assert_eq!(witnessing.refuses("any"), None);
}

#[tokio::test]
async fn a_second_log_under_the_same_key_is_found_and_takes_no_push() {
    let bench = Bench::new();
    let witness = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    let witnessing = bench.restored(&[&witness], 1).await;
    bench.seal(4).await;
    bench.round(&witnessing).await;
    // A real fork: another journal under the key, of the same size and later of a larger one.
    let fork = bench.settings("b");
    Journal::create(&fork).unwrap();
    let journal = Journal::open(&fork, bench.clock.clone()).unwrap();
    for more in [4, 3] {
        for _ in 0..more {
            seal(&journal).await;
        }
        let forked = Witnessing::open(&section(&[&witness], 1)).unwrap();
        forked.restore(&journal, NOON).await.unwrap();
        forked.round(&journal, &bench.clock).await;
        let (light, detail) = forked.light();
        assert!(light == Light::Red && detail.contains("own key"), "{detail}");
        assert_eq!(forked.refuses("any"), Some(Refusal::LogDisputed));
        assert_eq!(forked.newest(), None);
        let compared = forked.compare(&fork.place, ORIGIN, &journal.trust()).await.unwrap();
        assert!(
            matches!(compared, Err(RolledBack::Forked { signed: 5, .. })),
            "{compared:?}"
        );
    }
    // The log that was there first is not hurt by it.
    bench.seal(1).await;
    bench.wait(1);
    bench.round(&witnessing).await;
    assert_eq!(
        (witnessing.debt().unwrap().leaves, witnessing.refuses("any")),
        (0, None)
    );
}

#[tokio::test]
async fn a_fork_by_one_of_two_keys_that_sign_is_proved_like_any_other() {
    use crate::journal::KeyOrder;
    let bench = Bench::new();
    let witness = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    // Whoever has the first key shows a log of his own to the witness, before it learns of the second.
    let fork = bench.settings("b");
    Journal::create(&fork).unwrap();
    let journal = Journal::open(&fork, bench.clock.clone()).unwrap();
    for _ in 0..9 {
        seal(&journal).await;
    }
    let thief = Witnessing::open(&section(&[&witness], 1)).unwrap();
    thief.restore(&journal, NOON).await.unwrap();
    thief.round(&journal, &bench.clock).await;
    assert_eq!(thief.newest().unwrap().size, 10);
    let second = shuguan_ledger::note::SigningKey::from_seed(ORIGIN, &[9; 32]).unwrap();
    let begin = KeyOrder::Begin(Arc::new(second));
    bench.journal().turn_key(begin).await.unwrap();
    let witnessing = bench.restored(&[&witness], 1).await;
    bench.round(&witnessing).await;
    let (light, detail) = witnessing.light();
    assert!(light == Light::Red && detail.contains("own key"), "{detail}");
    assert_eq!(witnessing.refuses("any"), Some(Refusal::LogDisputed));
}

#[tokio::test]
async fn a_witness_signs_through_a_change_of_the_logs_key_and_refuses_the_new_one_until_it_is_told() {
    use crate::journal::KeyOrder;
    let bench = Bench::new();
    let witness = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    let witnessing = bench.restored(&[&witness], 1).await;
    let first = bench.journal().log_keys().spans()[0].key().clone();
    bench.round(&witnessing).await;
    let second = shuguan_ledger::note::SigningKey::from_seed(ORIGIN, &[9; 32]).unwrap();
    let begin = KeyOrder::Begin(Arc::new(second));
    bench.journal().turn_key(begin).await.unwrap();
    bench.round(&witnessing).await;
    assert_eq!(
        witnessing.debt().unwrap().leaves,
        0,
        "it knows one of the two that sign"
    );
    let end = KeyOrder::End(first, "rotation".into());
    bench.journal().turn_key(end).await.unwrap();
    bench.wait(60);
    bench.round(&witnessing).await;
    assert_eq!(witnessing.debt().unwrap().leaves, 1);
    assert_eq!(witnessing.standing()[0].2, "it refused with status 403");
    assert_eq!(witnessing.refuses("any"), None, "nobody disputes anything");
    let port = witness.end().await;
    let told = Neighbour::witness("a", port, &bench, bench.clock.clone()).await;
    bench.wait(3_600);
    bench.round(&witnessing).await;
    assert_eq!(witnessing.debt().unwrap().leaves, 0);
    let newest = witnessing.newest().unwrap();
    assert!(bench.journal().trust().open(&newest.note).is_ok());
    told.end().await;
}

const NEXT: &str = "gw1.lyg.example/log/2028";

async fn turn_volume(journal: &Journal) {
    let key = Arc::new(shuguan_ledger::note::SigningKey::from_seed(NEXT, &[1; 32]).unwrap());
    let order = VolumeOrder {
        key,
        who: "operator-li".into(),
    };
    journal.turn_volume(order).await.unwrap();
}

fn held(bench: &Bench, name: &str, log: &str) -> Option<u64> {
    let store = rusqlite::Connection::open(bench.folder.path().join(format!("{name}.db"))).unwrap();
    let size = store.query_row("SELECT size FROM seen WHERE origin = ?1", [log], |row| {
        row.get::<_, i64>(0)
    });
    size.ok().map(i64::cast_unsigned)
}

#[tokio::test]
async fn the_last_checkpoint_of_a_volume_is_shown_before_the_next_one_which_is_owed_until_it_is_known() {
    let mut bench = Bench::new();
    let witness = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    let witnessing = bench.restored(&[&witness], 1).await;
    bench.round(&witnessing).await;
    bench.seal(3).await;
    turn_volume(bench.journal()).await;
    bench.seal(2).await;
    let closed = bench.journal().volumes().await.unwrap()[0].size.unwrap();
    bench.wait(1);
    bench.round(&witnessing).await;
    let newest = witnessing.newest().unwrap();
    assert_eq!(
        (newest.size, newest.note.starts_with(&format!("{ORIGIN}\n"))),
        (closed, true)
    );
    let debt = witnessing.debt().unwrap();
    assert_eq!(
        (debt.leaves, witnessing.refuses("any")),
        (3, None),
        "what the closed volume has is owed no more"
    );
    assert_eq!(witnessing.standing()[0].2, "it refused with status 404");
    // A restart remembers both: that the end was signed, and what is owed.
    drop(witnessing);
    bench.journal.take().unwrap().close().await.unwrap();
    bench.journal = Some(Journal::open(&bench.settings("a"), bench.clock.clone()).unwrap());
    let witnessing = bench.restored(&[&witness], 1).await;
    assert_eq!(witnessing.newest().unwrap().size, closed);
    let port = witness.end().await;
    assert_eq!(
        (held(&bench, "a", ORIGIN), held(&bench, "a", NEXT)),
        (Some(closed), None)
    );
    let told = Neighbour::witness("a", port, &bench, bench.clock.clone()).await;
    bench.wait(10);
    bench.round(&witnessing).await;
    assert_eq!(witnessing.debt().unwrap().leaves, 0);
    assert!(witnessing.newest().unwrap().note.starts_with(NEXT));
    told.end().await;
    assert_eq!(held(&bench, "a", NEXT), Some(bench.journal().head().1.size));
}

#[tokio::test]
async fn two_witnesses_of_which_one_is_late_close_a_volume_together_and_one_that_forgot_it_is_not_waited_for() {
    let bench = Bench::new();
    let one = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    let late = Neighbour::witness("bb", 0, &bench, bench.clock.clone()).await;
    let port = late.end().await;
    let (absent, listener) = Neighbour::bound("bb", port).await;
    drop(listener);
    bench.seal(3).await;
    turn_volume(bench.journal()).await;
    let closed = bench.journal().volumes().await.unwrap()[0].size.unwrap();
    let witnessing = bench.restored(&[&one, &absent], 2).await;
    bench.round(&witnessing).await;
    assert!(witnessing.newest().is_none(), "one is no quorum");
    let late = Neighbour::witness("bb", port, &bench, bench.clock.clone()).await;
    bench.wait(10);
    bench.round(&witnessing).await;
    let signed = bench.journal().closing().await.unwrap().unwrap();
    assert!(signed.is_witnessed && signed.last.size == closed, "{signed:?}");
    assert_eq!(signed.last.note.matches("— ").count(), 3, "the log and both witnesses");
    late.end().await;
    one.end().await;
    // A witness that knows only the new volume signs that.
    let bench = Bench::new();
    let journal = bench.journal();
    turn_volume(journal).await;
    let logs = BTreeMap::from([(NEXT.to_owned(), journal.log_keys().spans().to_vec())]);
    let (mut fresh, listener) = Neighbour::bound("ccc", 0).await;
    let path = bench.folder.path().join("ccc.db");
    Store::create(&path).unwrap();
    let service = Service::new(cosigning("ccc"), logs, Store::open(&path).unwrap(), bench.clock.clone());
    let stop = fresh.stop.clone();
    fresh.tasks.spawn(listen(listener, None, router(service), stop));
    let witnessing = bench.restored(&[&fresh], 1).await;
    for _ in 0..3 {
        bench.round(&witnessing).await;
        bench.wait(10);
    }
    assert_eq!(witnessing.debt().unwrap().leaves, 0);
    assert!(witnessing.newest().unwrap().note.starts_with(NEXT));
    fresh.end().await;
}

#[tokio::test]
async fn a_journal_put_back_from_an_older_copy_is_found_at_the_start_and_at_first_contact() {
    let mut bench = Bench::new();
    let witness = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    let witnessing = bench.restored(&[&witness], 1).await;
    bench.journal.take().unwrap().close().await.unwrap();
    let place = bench.settings("a").place;
    let (database, copy) = (place.file().unwrap(), bench.folder.path().join("copy.db"));
    std::fs::copy(database, &copy).unwrap();
    bench.journal = Some(Journal::open(&bench.settings("a"), bench.clock.clone()).unwrap());
    bench.seal(5).await;
    bench.round(&witnessing).await;
    let signed = witnessing.newest().unwrap().size;
    let trust = bench.journal().trust();
    assert_eq!(witnessing.compare(&place, ORIGIN, &trust).await.unwrap(), Ok(()));
    drop(bench.journal.take());
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", database.display()));
    }
    std::fs::copy(&copy, database).unwrap();
    let compared = witnessing.compare(&place, ORIGIN, &trust).await.unwrap().unwrap_err();
    let witness_name = "a".to_owned();
    assert_eq!(
        compared,
        RolledBack::Short {
            witness: witness_name,
            signed,
            found: 2
        }
    );
    assert!(
        compared.to_string().contains("entries 2 to 7 are missing"),
        "{compared}"
    );
    // Nobody answered at the start, and the head file was put back too: the first contact finds it.
    std::fs::remove_file(bench.folder.path().join("a/journal.head")).unwrap();
    bench.journal = Some(Journal::open(&bench.settings("a"), bench.clock.clone()).unwrap());
    let late = bench.restored(&[&witness], 1).await;
    bench.round(&late).await;
    assert_eq!(
        (late.light().0, late.refuses("any")),
        (Light::Red, Some(Refusal::LogDisputed))
    );
}

#[tokio::test]
async fn an_older_copy_that_was_turned_is_still_found_at_the_start_and_at_first_contact() {
    let mut bench = Bench::new();
    let witness = Neighbour::witness("a", 0, &bench, bench.clock.clone()).await;
    let witnessing = bench.restored(&[&witness], 1).await;
    bench.journal.take().unwrap().close().await.unwrap();
    let place = bench.settings("a").place;
    let (database, copy) = (place.file().unwrap(), bench.folder.path().join("copy.db"));
    std::fs::copy(database, &copy).unwrap();
    bench.journal = Some(Journal::open(&bench.settings("a"), bench.clock.clone()).unwrap());
    bench.seal(9).await;
    bench.round(&witnessing).await;
    let signed = witnessing.newest().unwrap().size;
    drop(bench.journal.take());
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", database.display()));
    }
    std::fs::copy(&copy, database).unwrap();
    std::fs::remove_file(bench.folder.path().join("a/journal.head")).unwrap();
    bench.journal = Some(Journal::open(&bench.settings("a"), bench.clock.clone()).unwrap());
    turn_volume(bench.journal()).await;
    bench.journal.take().unwrap().close().await.unwrap();
    let ours = own_trust(&bench.settings("a")).unwrap();
    let compared = witnessing.compare(&place, ORIGIN, &ours).await.unwrap().unwrap_err();
    assert!(
        matches!(compared, RolledBack::Short { signed: at, .. } if at == signed),
        "{compared}"
    );
    // Nobody answered at the start: the first contact finds it, and the new volume is asked for all the same.
    bench.journal = Some(Journal::open(&bench.settings("a"), bench.clock.clone()).unwrap());
    let late = bench.restored(&[&witness], 1).await;
    bench.round(&late).await;
    assert_eq!(
        (late.light().0, late.refuses("any"), late.is_disputed()),
        (Light::Red, Some(Refusal::LogDisputed), true)
    );
    bench.wait(10);
    bench.round(&late).await;
    assert_eq!(late.standing().len(), 1);
    assert_eq!(
        late.state().links[0].fault.as_deref(),
        Some("it refused with status 404")
    );
}

#[tokio::test]
async fn a_witness_that_fails_for_a_while_is_asked_for_the_end_of_a_volume_again() {
    let bench = Bench::new();
    let failing = answer("500 Internal Server Error", "text/plain", "");
    let broken = Neighbour::liar("a", failing, Duration::ZERO).await;
    let witnessing = bench.restored(&[&broken], 1).await;
    turn_volume(bench.journal()).await;
    for _ in 0..3 {
        bench.wait(10);
        bench.round(&witnessing).await;
    }
    assert!(witnessing.state().declined.is_empty(), "it may sign it yet");
    let unknown = answer("404 Not Found", "text/plain", "");
    let fresh = Neighbour::liar("a", unknown, Duration::ZERO).await;
    let witnessing = bench.restored(&[&fresh], 1).await;
    bench.round(&witnessing).await;
    assert_eq!(witnessing.state().declined.len(), 1);
}

#[tokio::test]
async fn clocks_that_are_apart_are_told_of_once_an_hour() {
    let bench = Bench::new();
    let ahead = Arc::new(AtomicI64::new(NOON + 3_600 * SECOND));
    let witness = Neighbour::witness("a", 0, &bench, clock_of(&ahead)).await;
    let witnessing = bench.restored(&[&witness], 1).await;
    for _ in 0..3 {
        bench.round(&witnessing).await;
        bench.seal(1).await;
        bench.wait(1);
        ahead.fetch_add(SECOND, Ordering::Relaxed);
    }
    let told = bench.leaves("clock").await;
    let [Event::Clock(clock)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(
        (clock.who.as_str(), clock.dir.as_str(), clock.ms),
        ("a", "ahead", 3_600_000)
    );
    bench.wait(3_600);
    bench.round(&witnessing).await;
    assert_eq!(bench.leaves("clock").await.len(), 1, "now they agree");
    bench.seal(1).await;
    bench.wait(3_600);
    bench.round(&witnessing).await;
    let told = bench.leaves("clock").await;
    assert!(
        matches!(told.as_slice(), [_, Event::Clock(clock)] if clock.dir == "behind"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_step_of_our_clock_is_the_time_when_a_witness_agrees_and_is_held_as_long_as_one_does_not() {
    let bench = Bench::new();
    let (wall, there) = (Arc::new(AtomicI64::new(NOON)), Arc::new(AtomicI64::new(NOON)));
    let (reads, goes) = (Arc::clone(&wall), Arc::new(AtomicI64::new(0)));
    let elapsed = Arc::clone(&goes);
    let clock = Clock::from_fns(
        move || reads.load(Ordering::Relaxed),
        move || elapsed.load(Ordering::Relaxed),
    );
    Journal::create(&bench.settings("b")).unwrap();
    let journal = Journal::open(&bench.settings("b"), clock).unwrap();
    let witness = Neighbour::witness("a", 0, &bench, clock_of(&there)).await;
    let witnessing = Witnessing::open(&section(&[&witness], 1)).unwrap();
    wall.fetch_add(7_200 * SECOND, Ordering::Relaxed);
    for _ in 0..3 {
        for time in [&wall, &there, &goes] {
            time.fetch_add(3_500 * SECOND, Ordering::Relaxed);
        }
        seal(&journal).await;
        witnessing.round(&journal, &journal.time().clock()).await;
        assert!(journal.time().is_held(), "the witness does not agree");
    }
    there.fetch_add(7_200 * SECOND, Ordering::Relaxed);
    seal(&journal).await;
    witnessing.round(&journal, &journal.time().clock()).await;
    assert!(!journal.time().is_held());
    assert_eq!(journal.time().now_us(), wall.load(Ordering::Relaxed));
    let leaf = journal.tell_clock().await.unwrap().unwrap();
    let told = Leaf::decode(&journal.leaf(leaf).await.unwrap().unwrap().bytes).unwrap();
    assert!(
        matches!(&told.event, Event::Clock(clock) if clock.who == "a" && clock.by.as_deref() == Some("witness")),
        "{told:?}"
    );
}
