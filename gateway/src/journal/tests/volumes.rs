//! A volume ends and the next begins: under load, over restarts and crashes, once more, and before a loss.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use shuguan_ledger::audit::{LogReport, LogVerifier};
use shuguan_ledger::leaf::{Event, Leaf};
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::{Trust, Untrusted};

use super::{Bench, Copied, ORIGIN, keyed, one_row, sealed, trust};
use crate::clock::Clock;
use crate::journal::{
    Journal, JournalFault, JournalSettings, KeyOrder, NAME_MAX, NotSucceeded, Outcome, SealError, Secret, Shown,
    VolumeOrder, succeed,
};
use crate::postgres::stores::{Store, on_both_stores};

on_both_stores!(
    a_turn_under_load_leaves_each_entry_in_one_volume_and_every_receipt_verifies,
    a_repeated_key_of_the_old_volume_gets_its_first_answer_in_the_new_one,
    a_gateway_that_is_configured_with_the_first_name_goes_on_with_the_last_volume,
    a_name_that_a_log_had_or_none_can_have_opens_nothing,
    a_turn_that_cannot_be_committed_leaves_the_old_volume_and_its_waiters_unharmed,
    a_crash_between_the_commit_and_the_head_file_is_completed_by_the_next_start,
    two_keys_that_sign_close_the_volume_together_and_the_next_one_changes_its_own,
    the_last_checkpoint_of_a_volume_is_kept_when_others_of_its_minute_go,
    after_a_loss_a_turned_log_is_succeeded_from_a_copy_of_either_volume,
    a_copy_from_before_a_turn_is_named_an_older_one_and_not_the_head_file_a_strangers,
);

const SECOND: &str = "gw1.lyg.example/log/2027";
const THIRD: &str = "gw1.lyg.example/log/2028";

fn key(origin: &str) -> SigningKey {
    let seed = if origin == ORIGIN { 1 } else { 30 };
    SigningKey::from_seed(origin, &[seed; 32]).unwrap()
}

fn order(origin: &str) -> VolumeOrder {
    let (key, who) = (Arc::new(key(origin)), "operator-li".into());
    VolumeOrder { key, who }
}

pub(super) fn next_volume() -> VolumeOrder {
    order(SECOND)
}

/// As the gateway is configured when it was set up, with the seeds that were made since.
pub(super) fn settings_with_next(bench: &Bench) -> JournalSettings {
    let mut settings = bench.settings();
    settings.log_seeds.push(Secret::new([30; 32]));
    settings
}

fn open(bench: &Bench) -> Journal {
    Journal::open(&settings_with_next(bench), bench.clock()).unwrap()
}

fn leaves(bench: &Bench) -> Vec<Leaf> {
    let reader = bench.reader();
    let bytes = reader.entries(0, 1_000).unwrap();
    bytes.iter().map(|bytes| Leaf::decode(bytes).unwrap()).collect()
}

/// The trust of who was shown each `log-close` leaf.
fn learnt(bench: &Bench) -> Trust {
    let closed = bench.reader().logs_closed().unwrap();
    closed.iter().fold(trust(), |trust, (index, close)| {
        trust.succeeded(&close.log, *index, close).unwrap()
    })
}

/// Every leaf under every checkpoint that is stored, with public keys only.
fn verify(bench: &Bench) -> LogReport {
    let reader = bench.reader();
    let notes = reader.checkpoints_between(0, u64::MAX).unwrap();
    let notes: BTreeMap<u64, String> = notes.into_iter().collect();
    let mut verifier = LogVerifier::new(&reader.checkpoint().unwrap(), &learnt(bench)).unwrap();
    for (size, bytes) in (1..).zip(reader.entries(0, 1_000).unwrap()) {
        verifier.leaf(&bytes).unwrap();
        if let Some(note) = notes.get(&size) {
            verifier.checkpoint(note).unwrap();
        }
    }
    verifier.finish().unwrap()
}

async fn a_turn_under_load_leaves_each_entry_in_one_volume_and_every_receipt_verifies(store: Store) {
    let bench = Bench::on(store);
    let journal = open(&bench);
    let mut pushes = tokio::task::JoinSet::new();
    for number in 0..300 {
        let journal = journal.clone();
        pushes.spawn(async move {
            tokio::time::sleep(std::time::Duration::from_micros(100 * number)).await;
            sealed(journal.seal(one_row(&journal, number.into())).await.unwrap())
        });
    }
    tokio::time::sleep(std::time::Duration::from_millis(12)).await;
    let opened = journal.turn_volume(order(SECOND)).await.unwrap();
    assert_eq!((opened.log(), &*journal.origin()), (SECOND, SECOND));
    let receipts = pushes.join_all().await;
    let (trust, first) = (learnt(&bench), opened.index);
    let mut in_volumes = [0, 0];
    for push in &receipts {
        let proven = Receipt::parse(&push.receipt).unwrap().verify(&trust).unwrap();
        let second = push.index > first;
        assert_eq!(
            proven.checkpoint.origin,
            if second { SECOND } else { ORIGIN },
            "{}",
            push.index
        );
        assert_eq!(push.log(), proven.checkpoint.origin);
        in_volumes[usize::from(second)] += 1;
    }
    assert!(in_volumes[0] > 0 && in_volumes[1] > 0, "{in_volumes:?}");
    journal.close().await.unwrap();
    let report = verify(&bench);
    assert_eq!(
        (
            report.kinds["push"],
            report.kinds["log-close"],
            report.kinds["log-open"]
        ),
        (300, 1, 1)
    );
    let indices: std::collections::BTreeSet<u64> = receipts.iter().map(|push| push.index).collect();
    assert_eq!(indices.len(), 300);
    // The two leaves name each other, one after the other, and nothing is between them.
    let all = leaves(&bench);
    let at = usize::try_from(first).unwrap();
    let (Event::LogClose(close), Event::LogOpen(open)) = (&all[at - 1].event, &all[at].event) else {
        panic!("{:?}", all[at - 1])
    };
    assert_eq!(
        (close.log.as_str(), close.next.as_str(), close.who.as_str()),
        (ORIGIN, SECOND, "operator-li")
    );
    assert_eq!(
        (&close.key, &close.by),
        (&key(SECOND).verifying_key().vkey(), &key(ORIGIN).verifying_key().vkey())
    );
    assert_eq!(
        (open.log.as_str(), open.of.as_str(), open.size, open.kept),
        (SECOND, ORIGIN, first, first)
    );
}

async fn a_repeated_key_of_the_old_volume_gets_its_first_answer_in_the_new_one(store: Store) {
    let bench = Bench::on(store);
    let journal = open(&bench);
    let first = sealed(journal.seal(keyed(one_row(&journal, 1), 1, 1)).await.unwrap());
    journal.turn_volume(order(SECOND)).await.unwrap();
    let again = journal.seal(keyed(one_row(&journal, 2), 1, 1)).await.unwrap();
    let Outcome::Repeated(again) = again else {
        panic!("{again:?}")
    };
    assert_eq!(
        (again.log(), again.index, &again.receipt),
        (ORIGIN, first.index, &first.receipt)
    );
    let other = journal.seal(keyed(one_row(&journal, 3), 1, 2)).await.unwrap();
    assert!(matches!(other, Outcome::KeyReused));
    // Its newest receipt is the new volume's, which has every entry before it.
    let newest = journal.exchange(super::exchange(1)).await.unwrap().unwrap();
    let newest = journal.sealed_newest(newest.index).await.unwrap().unwrap();
    assert_eq!(newest.log(), SECOND);
    assert!(
        Receipt::parse(&newest.receipt)
            .unwrap()
            .verify(&journal.trust())
            .is_ok()
    );
    assert!(Receipt::parse(&first.receipt).unwrap().verify(&journal.trust()).is_ok());
    assert_eq!(journal.backlog().exchanges, 1, "what waits for the relay waits on");
}

async fn a_gateway_that_is_configured_with_the_first_name_goes_on_with_the_last_volume(store: Store) {
    let bench = Bench::on(store);
    let journal = open(&bench);
    journal.turn_volume(order(SECOND)).await.unwrap();
    journal.turn_volume(order(THIRD)).await.unwrap();
    journal.close().await.unwrap();
    for name in [ORIGIN, SECOND, THIRD] {
        let named = JournalSettings {
            log_origin: name.into(),
            ..settings_with_next(&bench)
        };
        let journal = Journal::open(&named, bench.clock()).unwrap();
        assert_eq!(&*journal.origin(), THIRD);
        assert_eq!(journal.trust().logs().len(), 3);
        journal.close().await.unwrap();
    }
    let other = JournalSettings {
        log_origin: "gw2.lyg.example/log".into(),
        ..settings_with_next(&bench)
    };
    let fault = Journal::open(&other, bench.clock()).unwrap_err();
    assert!(
        matches!(&fault, JournalFault::OtherLog { found, .. } if found == THIRD),
        "{fault}"
    );
    // The seed of a volume that is over may go; that of the one that is written may not.
    let without = |seed: u8| JournalSettings {
        log_seeds: vec![Secret::new([seed; 32])],
        ..settings_with_next(&bench)
    };
    let fault = Journal::open(&without(1), bench.clock()).unwrap_err();
    assert!(matches!(fault, JournalFault::NoSeed(_)), "{fault}");
    Journal::open(&without(30), bench.clock())
        .unwrap()
        .close()
        .await
        .unwrap();
    let report = verify(&bench);
    assert_eq!(report.succeeded.len(), 2);
    let volumes = bench.reader().volumes().unwrap();
    let volumes: Vec<_> = volumes
        .iter()
        .map(|one| (one.origin.as_str(), one.from, one.size))
        .collect();
    assert_eq!(volumes, [(ORIGIN, 0, Some(2)), (SECOND, 2, Some(4)), (THIRD, 4, None)]);
}

async fn a_name_that_a_log_had_or_none_can_have_opens_nothing(store: Store) {
    let bench = Bench::on(store);
    let journal = open(&bench);
    journal.turn_volume(order(SECOND)).await.unwrap();
    let size = journal.head().1.size;
    let long = "x".repeat(NAME_MAX + 1);
    for name in [ORIGIN, SECOND, long.as_str()] {
        let refused = journal.turn_volume(order(name)).await.unwrap_err();
        assert!(matches!(refused, SealError::Unfit(_)), "{name}: {refused}");
    }
    assert_eq!(
        (journal.head().1.size, &*journal.origin()),
        (size, SECOND),
        "no leaf, no turn"
    );
    // Two at once: one opens it, the other finds it open.
    let (one, two) = tokio::join!(journal.turn_volume(order(THIRD)), journal.turn_volume(order(THIRD)));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    assert_eq!(journal.head().1.size, size + 2);
    journal.close().await.unwrap();
    verify(&bench);
}

async fn a_turn_that_cannot_be_committed_leaves_the_old_volume_and_its_waiters_unharmed(store: Store) {
    for broken in ["NEW.kind = 'log-open'", "NEW.kind = 'log-close'"] {
        let bench = Bench::on(store);
        open(&bench).close().await.unwrap();
        let (fails, mended) = match store {
            Store::Sqlite => ("BEGIN SELECT RAISE(ABORT, 'broken'); END", "DROP TRIGGER broken"),
            Store::Postgres => (
                "EXECUTE FUNCTION leaves_are_insert_only()",
                "DROP TRIGGER broken ON leaf",
            ),
        };
        bench.tamper(&format!(
            "CREATE TRIGGER broken BEFORE INSERT ON leaf FOR EACH ROW WHEN ({broken}) {fails}"
        ));
        let journal = open(&bench);
        let before = sealed(journal.seal(one_row(&journal, 1)).await.unwrap());
        let refused = journal.turn_volume(order(SECOND)).await.unwrap_err();
        assert_eq!(refused, SealError::Unavailable);
        assert_eq!((journal.head().1.size, &*journal.origin()), (before.index + 1, ORIGIN));
        let after = sealed(journal.seal(one_row(&journal, 2)).await.unwrap());
        assert_eq!((after.index, after.log()), (before.index + 1, ORIGIN));
        journal.close().await.unwrap();
        bench.tamper(mended);
        let journal = open(&bench);
        journal.turn_volume(order(SECOND)).await.unwrap();
        journal.close().await.unwrap();
        assert_eq!(verify(&bench).succeeded.len(), 1);
    }
}

async fn a_crash_between_the_commit_and_the_head_file_is_completed_by_the_next_start(store: Store) {
    let bench = Bench::on(store);
    let journal = open(&bench);
    journal.seal(one_row(&journal, 1)).await.unwrap();
    journal.tick(super::START_US).await.unwrap();
    let head = bench.settings().head;
    let old = fs::read_to_string(&head).unwrap();
    journal.turn_volume(order(SECOND)).await.unwrap();
    assert!(
        fs::read_to_string(&head).unwrap().starts_with(SECOND),
        "a turn is in the head file at once"
    );
    drop(journal);
    fs::write(&head, &old).unwrap();
    let journal = open(&bench);
    assert_eq!(&*journal.origin(), SECOND);
    assert!(fs::read_to_string(&head).unwrap().starts_with(SECOND));
    journal.close().await.unwrap();
    // What the old volume's key signed beyond its last checkpoint is another history: of the journal as it was before an older copy was turned.
    let size = bench.reader().size().unwrap();
    let text = format!("{ORIGIN}\n{size}\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    fs::write(&head, key(ORIGIN).sign(&text).unwrap()).unwrap();
    let fault = Journal::open(&settings_with_next(&bench), bench.clock()).unwrap_err();
    assert!(
        matches!(fault, JournalFault::Forked { size: at, .. } if at == size),
        "{fault}"
    );
    // As is one below it.
    fs::write(
        &head,
        key(ORIGIN)
            .sign(&text.replace(&format!("\n{size}\n"), "\n2\n"))
            .unwrap(),
    )
    .unwrap();
    let fault = Journal::open(&settings_with_next(&bench), bench.clock()).unwrap_err();
    assert!(matches!(fault, JournalFault::Forked { size: 2, .. }), "{fault}");
}

async fn two_keys_that_sign_close_the_volume_together_and_the_next_one_changes_its_own(store: Store) {
    let bench = Bench::on(store);
    let mut seeded = settings_with_next(&bench);
    seeded.log_seeds.push(Secret::new([2; 32]));
    seeded.log_seeds.push(Secret::new([31; 32]));
    let journal = Journal::open(&seeded, bench.clock()).unwrap();
    let second = Arc::new(SigningKey::from_seed(ORIGIN, &[2; 32]).unwrap());
    journal.turn_key(KeyOrder::Begin(Arc::clone(&second))).await.unwrap();
    journal.turn_volume(order(SECOND)).await.unwrap();
    let volume = journal.volumes().await.unwrap().swap_remove(0);
    let last = journal.last_checkpoint(volume).await.unwrap().unwrap().last;
    for signer in [key(ORIGIN).verifying_key(), second.verifying_key()] {
        assert!(Trust::in_log(signer).open(&last.note).is_ok());
    }
    assert!(Trust::in_log(key(SECOND).verifying_key()).open(&last.note).is_err());
    let next = SigningKey::from_seed(SECOND, &[31; 32]).unwrap();
    journal.turn_key(KeyOrder::Begin(Arc::new(next))).await.unwrap();
    let first = key(SECOND).verifying_key();
    journal.turn_key(KeyOrder::End(first, "rotation".into())).await.unwrap();
    journal.close().await.unwrap();
    let journal = Journal::open(&seeded, bench.clock()).unwrap();
    let spans: Vec<_> = journal
        .trust()
        .logs()
        .iter()
        .map(|span| (span.from(), span.until()))
        .collect();
    assert_eq!(spans, [(4, Some(6)), (5, None), (0, Some(4)), (2, Some(4))]);
    assert!(matches!(
        journal.trust().open(&last.note.replace("\n3\n", "\n4\n")),
        Err(Untrusted::Signature(_) | Untrusted::OutOfSpan { .. })
    ));
}

async fn the_last_checkpoint_of_a_volume_is_kept_when_others_of_its_minute_go(store: Store) {
    let bench = Bench::on(store);
    let journal = open(&bench);
    for number in 1..4 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    journal.turn_volume(order(SECOND)).await.unwrap();
    for number in 4..8 {
        journal.seal(one_row(&journal, number)).await.unwrap();
    }
    bench.turn(8 * 86_400_000_000);
    journal.seal(one_row(&journal, 9)).await.unwrap();
    journal.tick(bench.clock().now_us()).await.unwrap();
    journal.close().await.unwrap();
    let reader = bench.reader();
    let volume = reader.volumes().unwrap().swap_remove(0);
    let last = reader.last_checkpoint(&volume).unwrap().unwrap().last;
    assert_eq!((last.size, volume.size), (5, Some(5)));
    assert_eq!(trust().open(&last.note).unwrap().size, 5);
    let kept = bench.count("SELECT count(*) FROM checkpoint WHERE size BETWEEN 1 AND 10");
    assert_eq!(kept, 2, "the closing one, and the last of that minute");
    verify(&bench);
}

/// The journal after two entries of the first volume, and after one of the second; then both lost their end.
async fn copies(store: Store) -> (Bench, Copied, Copied) {
    let bench = Bench::on(store);
    let journal = open(&bench);
    journal.seal(one_row(&journal, 1)).await.unwrap();
    journal.close().await.unwrap();
    let before = bench.copy();
    let journal = open(&bench);
    journal.seal(one_row(&journal, 2)).await.unwrap();
    journal.turn_volume(order(SECOND)).await.unwrap();
    journal.close().await.unwrap();
    let after = bench.copy();
    let journal = open(&bench);
    journal.seal(one_row(&journal, 3)).await.unwrap();
    journal.close().await.unwrap();
    (bench, before, after)
}

async fn a_copy_from_before_a_turn_is_named_an_older_one_and_not_the_head_file_a_strangers(store: Store) {
    let (bench, before, _) = copies(store).await;
    let size = bench.reader().size().unwrap();
    bench.put_back(&before);
    let kept = bench.reader().size().unwrap();
    let fault = Journal::open(&settings_with_next(&bench), bench.clock()).unwrap_err();
    assert!(
        matches!(fault, JournalFault::RolledBack { signed, found, .. } if (signed, found) == (size, kept)),
        "{fault}"
    );
    // Nobody here has the seed of such a volume.
    let fault = Journal::open(&bench.settings(), bench.clock()).unwrap_err();
    assert!(matches!(fault, JournalFault::ForeignHead(_)), "{fault}");
    assert_eq!(bench.reader().size().unwrap(), kept);
}

async fn after_a_loss_a_turned_log_is_succeeded_from_a_copy_of_either_volume(store: Store) {
    for (since_turn, had) in [(true, None), (false, Some(ORIGIN))] {
        let (bench, before, after) = copies(store).await;
        let size = bench.reader().size().unwrap();
        bench.put_back(if since_turn { &after } else { &before });
        assert!(
            Journal::open(&settings_with_next(&bench), bench.clock()).is_err(),
            "the head file knows more"
        );
        let recovered = |name: &str| {
            let named = JournalSettings {
                log_origin: name.into(),
                ..settings_with_next(&bench)
            };
            let made = || Ok(key(name));
            let shown = Shown { notes: &[], keys: &[] };
            succeed(&named, shown, "restored", made, &Clock::from_fn(|| super::START_US))
        };
        for name in [ORIGIN, SECOND] {
            let fault = recovered(name).unwrap_err();
            let expected = matches!(fault, NotSucceeded::NameTaken { .. } | NotSucceeded::SameName(_));
            assert!(expected, "{since_turn} {name}: {fault}");
        }
        let found = bench.reader().size().unwrap();
        let done = recovered(THIRD).unwrap();
        assert_eq!((done.opened.of.as_str(), done.opened.had.as_deref()), (SECOND, had));
        assert_eq!((done.opened.kept, done.opened.size), (found, size));
        let named = JournalSettings {
            log_origin: THIRD.into(),
            ..settings_with_next(&bench)
        };
        let journal = Journal::open(&named, bench.clock()).unwrap();
        let next = sealed(journal.seal(one_row(&journal, 9)).await.unwrap());
        assert!(next.index > size && next.log() == THIRD);
        journal.turn_volume(order("gw1.lyg.example/log/2029")).await.unwrap();
        journal.close().await.unwrap();
        // The configuration names the successor; the volumes after it follow.
        Journal::open(&named, bench.clock()).unwrap().close().await.unwrap();
        let keys = [ORIGIN, SECOND, THIRD, "gw1.lyg.example/log/2029"].map(|name| key(name).verifying_key().into());
        let reader = bench.reader();
        let entries = reader.entries(0, 1_000).unwrap();
        let report =
            shuguan_ledger::audit::verify_log(entries, &reader.checkpoint().unwrap(), &Trust::in_keys(keys)).unwrap();
        assert_eq!(report.succeeded.len(), if since_turn { 3 } else { 2 });
    }
}
