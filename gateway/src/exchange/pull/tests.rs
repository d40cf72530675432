#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;
use std::time::Duration;

use arrow_array::new_null_array;
use clap::Parser;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use shuguan_ledger::leaf::{Event, Leaf};
use shuguan_policies::{Bundle, PolicySet};

use super::*;
use crate::clock::Clock;
use crate::command::{self, Cli};
use crate::config::{Config, SignatureMode};
use crate::exchange::owed::OwedLeaf;
use crate::extract::{Extracts, Failure};
use crate::journal::{Entry, Query, RefusalDraft};
use crate::registry::{BATCH_ROWS, dataset_schema};
use crate::serve::Gateway;
use crate::signature::Message;

/// A gateway's folder as `init --demo` makes it.
fn made(folder: &tempfile::TempDir) -> PathBuf {
    let dir = folder.path().join("gw");
    command::main(Cli::parse_from([
        "shuguan",
        "--quiet",
        "init",
        "--demo",
        dir.to_str().unwrap(),
    ]));
    dir
}

/// The policies of the folder without the agreement of the registry.
fn without_extracts(dir: &std::path::Path) -> PolicySet {
    let bundle = Bundle::read(&dir.join("policies")).unwrap();
    let texts = bundle
        .texts()
        .iter()
        .filter(|(name, _)| name != "agreements/registry.toml" && !name.starts_with("tests/"));
    PolicySet::from_texts(texts.cloned().collect()).unwrap()
}

/// The policies of the folder with something else in the agreement of the registry.
fn with(dir: &std::path::Path, this: &str, instead: &str) -> PolicySet {
    let bundle = Bundle::read(&dir.join("policies")).unwrap();
    let texts = bundle.texts().iter().filter(|(name, _)| !name.starts_with("tests/"));
    let texts = texts.cloned().map(|(name, text)| {
        let changed = if name == "agreements/registry.toml" {
            assert!(text.contains(this));
            text.replacen(this, instead, 1)
        } else {
            text
        };
        (name, changed)
    });
    PolicySet::from_texts(texts.collect()).unwrap()
}

/// A gateway on the folder that wants no signatures of the registry.
async fn serving(dir: &std::path::Path) -> Gateway {
    let mut config = Config::load(&dir.join("shuguan.toml")).unwrap();
    for address in [
        &mut config.listen.feed,
        &mut config.listen.console,
        &mut config.listen.health,
    ] {
        address.set_port(0);
    }
    let free = ("information-centre".to_owned(), SignatureMode::Accept);
    config.signatures.extend([free]);
    Gateway::start(config, Clock::system()).await.unwrap()
}

/// The registry and what it asks for.
fn asking(dir: &std::path::Path, stations: &Stations) -> (Arc<Peer>, ExtractRequest) {
    let certificate = CertificateDer::from_pem_file(dir.join("partners/information-centre/client.pem")).unwrap();
    let peer = Peer::identify(&certificate, &stations.policies.load()).unwrap();
    let request = ExtractRequest {
        dataset: "population".into(),
        purpose: "enrolment.registration".into(),
        case: "A-1".into(),
        select: Select::default(),
        form: Form::Ndjson,
    };
    (Arc::new(peer), request)
}

#[tokio::test]
async fn an_extract_ends_with_the_batch_after_its_grant_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = made(&folder);
    let gateway = serving(&dir).await;
    let stations = gateway.stations();
    let (peer, request) = asking(&dir, stations);
    let headers = http::HeaderMap::new();
    let head = RequestHead {
        message: Message::request("POST", "https://gw1.lyg.example/v1/extracts", &headers),
        body: b"{}",
    };
    let (admitted, quota) = admit(stations, peer, request, &head).unwrap();
    let allowed = Allowed {
        quota: quota.unwrap(),
        told: None,
    };
    let mut spool = stations.extracts.spool(admitted.exchange).unwrap();
    let mut extract = Extract {
        stations,
        admitted: &admitted,
        spool: &mut spool,
        shuffle: None,
        columns: ColumnDigests::new(&admitted.plan.schema()).unwrap(),
        parts: BatchCoalescer::new(admitted.plan.schema(), PART_ROWS),
        index: None,
        allowed,
        text: Vec::new(),
        bytes: 0,
        rows: 0,
        filtered: 0,
        stop: None,
    };
    let schema = dataset_schema(Dataset::Population, admitted.plan.wanted());
    let columns = schema
        .fields()
        .iter()
        .map(|field| new_null_array(field.data_type(), BATCH_ROWS));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap();
    assert!(extract.take(&batch).is_continue());
    assert!(extract.take(&batch).is_continue());
    let by_name = "\"name\", \"sex\", ";
    let others = [
        (without_extracts(&dir), Refusal::GrantRevoked),
        // What was read so far is not what may be given now.
        (with(&dir, by_name, "\"sex\", "), Refusal::GrantChanged),
    ];
    for (policies, expected) in others {
        stations.policies.store(Arc::new(policies));
        assert!(extract.take(&batch).is_break());
        assert_eq!((extract.rows, BATCH_ROWS), (2_048, 1_024), "not one row after it");
        let Some(Stop::Refused(refused)) = extract.stop.take() else {
            unreachable!("it is refused")
        };
        assert_eq!(refused.refusal, expected);
    }
    // An edit that does not touch what is released stops nobody, the end of the agreement does.
    let same = with(&dir, "pulls_per_day = 24", "pulls_per_day = 23");
    let granted = &admitted.granted;
    let last_us = admitted.plan.valid().until_s * 1_000_000 + 999_999;
    assert_eq!(granted.upheld(&same, last_us), Ok(()));
    assert_eq!(granted.upheld(&same, last_us + 1), Err(Refusal::AgreementExpired));
    gateway.stop().await;
}

#[tokio::test]
async fn a_prepared_extract_goes_when_its_grant_is_narrower_or_its_agreement_over() {
    let folder = tempfile::tempdir().unwrap();
    let dir = made(&folder);
    let policies = with(&dir, "# 单位", "# 单位。");
    let certificate = CertificateDer::from_pem_file(dir.join("partners/information-centre/client.pem")).unwrap();
    let peer = Peer::identify(&certificate, &policies).unwrap();
    let plan = policies.grant(
        "information-centre",
        Target::Dataset(Dataset::Population),
        "enrolment.registration",
        Direction::Pull,
        Mode::Extract,
    );
    let plan = plan.unwrap();
    let section = Config::load(&dir.join("shuguan.toml")).unwrap().extracts;
    let extracts = Extracts::open(&section, Clock::system()).unwrap();
    let exchange = Uuid::from_u128(1);
    extracts
        .begin(exchange, Granted::of(&peer, Dataset::Population, plan))
        .unwrap();
    let now_us = Clock::system().now_us();
    let ended = |policies: &PolicySet, now_us| {
        let ended = extracts.end_unheld(policies, now_us);
        ended
            .iter()
            .map(|one| (one.exchange, one.why, one.was_ready))
            .collect::<Vec<_>>()
    };
    assert_eq!(ended(&policies, now_us), []);
    let over_us = (plan.valid().until_s + 1) * 1_000_000;
    assert_eq!(
        ended(&policies, over_us),
        [(exchange, Refusal::AgreementExpired, false)]
    );
    assert!(matches!(
        extracts.state(exchange, "information-centre"),
        Some(State::Ended(Refusal::AgreementExpired))
    ));
    // What it comes to by itself changes nothing of that.
    let failure = Failure {
        why: Refusal::RegistryUnavailable,
        fits_no_day: false,
        retry_at_us: None,
    };
    assert_eq!(
        extracts.end(exchange, State::Failed(failure)),
        Some(Refusal::AgreementExpired)
    );
    extracts
        .begin(exchange, Granted::of(&peer, Dataset::Population, plan))
        .unwrap();
    let narrower = with(&dir, "\"name\", \"sex\", ", "\"sex\", ");
    assert_eq!(ended(&narrower, now_us), [(exchange, Refusal::GrantChanged, false)]);
    assert_eq!(ended(&without_extracts(&dir), now_us), [], "once");
    extracts
        .begin(exchange, Granted::of(&peer, Dataset::Population, plan))
        .unwrap();
    assert_eq!(
        ended(&without_extracts(&dir), now_us),
        [(exchange, Refusal::GrantRevoked, false)]
    );
}

/// The `refusal` leaves of an exchange: why and where.
async fn refusals(stations: &Stations, exchange: Uuid) -> Vec<(String, String)> {
    let query = Query {
        kind: Some("refusal".into()),
        ..Query::default()
    };
    let rows = stations.journal.search(query).await.unwrap();
    let leaves = rows.iter().map(|row| Leaf::decode(&row.bytes).unwrap().event);
    let refusals = leaves.filter_map(|event| match event {
        Event::Refusal(refusal) if refusal.x == Some(exchange.to_string()) => Some((refusal.code, refusal.at)),
        _ => None,
    });
    refusals.collect()
}

async fn within_seconds(what: &str, mut so: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("{what}");
}

/// Fills what is left of a journal that may not grow, with leaves like the one that is to be refused.
async fn until_full(stations: &Stations) {
    stations.journal.limit_pages(Some(0)).await;
    let mut refused = 0;
    while refused < 5 {
        let exchange = clock::exchange_id(&stations.clock).unwrap();
        let draft = RefusalDraft {
            exchange: Some(exchange),
            dataset: Some("population".into()),
            purpose: Some("enrolment.registration".into()),
            bundle: Some([7; 32]),
            ..RefusalDraft::new(Some("information-centre".into()), Refusal::GrantRevoked, "kept")
        };
        let mut entry = Entry::new(exchange, Event::Refusal(draft.event()));
        entry.partner = draft.partner;
        refused += u32::from(stations.journal.seal(entry).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_prepared_extract_ended_is_sealed_once_though_the_journal_refused_it_or_nobody_waited() {
    let folder = tempfile::tempdir().unwrap();
    let dir = made(&folder);
    let gateway = serving(&dir).await;
    let stations = gateway.stations();
    let granted = stations.policies.load_full();
    let headers = http::HeaderMap::new();
    let head = RequestHead {
        message: Message::request("POST", "https://gw1.lyg.example/v1/extracts", &headers),
        body: b"{}",
    };
    for journal_is_full in [true, false] {
        let (peer, request) = asking(&dir, stations);
        let exchange = begin(stations, peer, request, &head).await.unwrap();
        let state = || stations.extracts.state(exchange, "information-centre");
        within_seconds("it is ready", async || matches!(state(), Some(State::Ready(_)))).await;
        if journal_is_full {
            until_full(stations).await;
        }
        stations.policies.store(Arc::new(without_extracts(&dir)));
        // Whoever waits is gone after the first step; what is due each second may have been there before.
        let _ = tokio::time::timeout(Duration::ZERO, end_unheld(stations)).await;
        assert!(matches!(state(), Some(State::Ended(Refusal::GrantRevoked))));
        if journal_is_full {
            within_seconds("it is owed", async || !stations.owed.is_empty()).await;
            assert_eq!(refusals(stations, exchange).await, []);
            stations.journal.limit_pages(None).await;
        }
        within_seconds("it is sealed", async || !refusals(stations, exchange).await.is_empty()).await;
        assert!(stations.owed.is_empty());
        let once = ("revoked".to_owned(), "kept".to_owned());
        assert_eq!(
            refusals(stations, exchange).await,
            [once],
            "the journal is full: {journal_is_full}"
        );
        stations.policies.store(Arc::clone(&granted));
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_when_the_gateway_stops_is_sealed_before_the_journal_closes() {
    let folder = tempfile::tempdir().unwrap();
    let dir = made(&folder);
    let gateway = serving(&dir).await;
    let stations = Arc::clone(gateway.stations());
    let exchange = clock::exchange_id(&stations.clock).unwrap();
    let draft = RefusalDraft {
        exchange: Some(exchange),
        ..RefusalDraft::new(Some("information-centre".into()), Refusal::GrantRevoked, "kept")
    };
    stations.owed.owe(OwedLeaf::of_refusal(exchange, &draft));
    gateway.stop().await;
    assert!(stations.owed.is_empty());
    let once = ("revoked".to_owned(), "kept".to_owned());
    assert_eq!(refusals(&stations, exchange).await, [once]);
}

/// Without its folder the spool's disk cannot be tried: that is our fault, and who keeps too many is refused before it is looked for.
#[tokio::test]
async fn who_keeps_as_many_extracts_as_he_may_is_refused_before_the_disk_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let dir = made(&folder);
    let gateway = serving(&dir).await;
    let stations = gateway.stations();
    let (peer, request) = asking(&dir, stations);
    let headers = http::HeaderMap::new();
    let head = RequestHead {
        message: Message::request("POST", "https://gw1.lyg.example/v1/extracts", &headers),
        body: b"{}",
    };
    std::fs::remove_dir_all(dir.join("extracts")).unwrap();
    let stop = begin(stations, Arc::clone(&peer), request.clone(), &head).await;
    assert!(matches!(stop, Err(Stop::Fault(_))), "{stop:?}");
    let granted = || Granted::of_nobody(&peer.partner().id);
    while stations.extracts.begin(Uuid::new_v4(), granted()).is_ok() {}
    match begin(stations, peer, request, &head).await {
        Err(Stop::Refused(refused)) => {
            let told = (refused.refusal, refused.retry_after_s);
            assert_eq!(told, (Refusal::TooManyAtOnce, Some(60)));
        }
        other => unreachable!("it is refused, not {other:?}"),
    }
}
