//! A real journal, real witnesses on real sockets, and liars.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod bench;
mod clocks;
mod neighbour;
mod older_copy;
mod volumes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shuguan_ledger::cosignature::CosigningKey;
use shuguan_ledger::leaf::{Event, StopEvent};
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Quorum;

use self::bench::{Bench, seal, vkey};
use self::neighbour::{Neighbour, answer, section};
use super::{RolledBack, Witnessing, trust};
use crate::edge::health::Light;
use crate::journal::{Journal, Outcome};
use crate::refusal::Refusal;

const ORIGIN: &str = "gw1.lyg.example/log";
const SECOND: i64 = 1_000_000;
const NOON: i64 = 1_800_000_000 * SECOND;

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
            matches!(compared, Err((RolledBack::Forked { signed: 5, .. }, _))),
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
