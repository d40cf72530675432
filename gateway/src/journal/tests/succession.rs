//! An older copy of the journal goes on as another log: what it keeps, what it says is lost, and when it does not.

use std::fs;
use std::sync::Arc;

use shuguan_ledger::keys::KeySpan;
use shuguan_ledger::leaf::Event;
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;

use super::{Bench, ORIGIN, START_US, keyed, one_row, sealed, trust};
use crate::clock::Clock;
use crate::journal::{
    Journal, JournalFault, JournalSettings, KeyOrder, NotSucceeded, Outcome, Sealed, Secret, Shown, Succession, succeed,
};
use crate::postgres::stores::{Store, on_both_stores};

on_both_stores!(
    an_older_copy_goes_on_as_another_log_whose_indices_go_on_where_the_old_one_ended,
    a_crash_before_the_head_file_is_written_is_completed_by_the_same_command,
    what_was_seen_last_decides_where_the_old_log_is_closed,
    a_journal_that_is_no_older_copy_is_not_taken_back,
    a_head_file_that_is_no_log_of_ours_is_never_overwritten,
    a_successor_whose_end_is_lost_too_is_succeeded_in_its_turn,
    a_backup_from_before_a_change_of_the_key_is_taken_back_without_the_seed_that_was_destroyed,
    the_last_checkpoint_of_the_old_log_is_kept_before_the_successor_is_sealed,
);

const SECOND: &str = "gw1.lyg.example/log/2";

/// The same place under the successor's name, with the seed that [`key`] makes besides.
fn renamed(bench: &Bench) -> JournalSettings {
    let mut settings = bench.settings();
    settings.log_origin = SECOND.into();
    settings.log_seeds.push(Secret::new([22; 32]));
    settings
}

fn key() -> SigningKey {
    SigningKey::from_seed(SECOND, &[22; 32]).unwrap()
}

fn second() -> Trust {
    Trust::in_log(key().verifying_key())
}

fn recovered(bench: &Bench, notes: &[(String, String)]) -> Result<Succession, NotSucceeded> {
    recovered_as(&renamed(bench), notes, &[])
}

fn recovered_as(
    settings: &JournalSettings,
    notes: &[(String, String)],
    keys: &[KeySpan],
) -> Result<Succession, NotSucceeded> {
    let key = || Ok(SigningKey::from_seed(&settings.log_origin, &[22; 32]).unwrap());
    succeed(
        settings,
        Shown { notes, keys },
        "restored",
        key,
        &Clock::from_fn(|| START_US),
    )
}

/// A journal of which a copy of 4 entries was put back after it had 8: two receipts, one of what is kept and one of what is lost.
async fn put_back(store: Store) -> (Bench, Sealed, Sealed) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let kept = sealed(journal.seal(keyed(one_row(&journal, 1), 1, 1)).await.unwrap());
    journal.seal(one_row(&journal, 2)).await.unwrap();
    journal.close().await.unwrap();
    let older = bench.copy();
    let journal = bench.open();
    journal.seal(one_row(&journal, 3)).await.unwrap();
    let lost = sealed(journal.seal(one_row(&journal, 4)).await.unwrap());
    journal.close().await.unwrap();
    bench.put_back(&older);
    assert!(matches!(
        bench.fault(),
        JournalFault::RolledBack {
            signed: 8,
            found: 4,
            ..
        }
    ));
    (bench, kept, lost)
}

async fn an_older_copy_goes_on_as_another_log_whose_indices_go_on_where_the_old_one_ended(store: Store) {
    let (bench, kept, lost) = put_back(store).await;
    let head = fs::read_to_string(bench.settings().head).unwrap();
    let done = recovered(&bench, &[]).unwrap();
    assert_eq!(
        (done.opened.of.as_str(), done.opened.kept, done.opened.size),
        (ORIGIN, 4, 8)
    );
    assert_eq!(done.last.as_deref(), Some(head.as_str()));
    assert_eq!(second().open(&done.note).unwrap().size, 8);
    let closed = format!("{}.closed-8", bench.settings().head.display());
    assert_eq!(
        fs::read_to_string(closed).unwrap(),
        head,
        "the auditors' proof of how far it had come"
    );
    let journal = Journal::open(&renamed(&bench), bench.clock()).unwrap();
    assert_eq!(&*journal.origin(), SECOND);
    // The key of what was kept gives the first answer, under the log that made it.
    let again = journal.seal(keyed(one_row(&journal, 9), 1, 1)).await.unwrap();
    let Outcome::Repeated(again) = again else {
        panic!("{again:?}")
    };
    assert_eq!((again.index, &again.receipt), (kept.index, &kept.receipt));
    let next = sealed(journal.seal(one_row(&journal, 5)).await.unwrap());
    assert_eq!(next.index, 9, "above every index that the old log ever gave");
    assert!(Receipt::parse(&next.receipt).unwrap().verify(&second()).is_ok());
    assert!(Receipt::parse(&next.receipt).unwrap().verify(&trust()).is_err());
    for old in [&kept, &lost] {
        assert!(
            Receipt::parse(&old.receipt).unwrap().verify(&trust()).is_ok(),
            "old receipts stay"
        );
    }
    assert_eq!(journal.backlog().exchanges, 3, "what waited for the relay waits on");
    journal.close().await.unwrap();
    let reader = bench.reader();
    let leaves = reader.entries(4, 4).unwrap();
    let kinds: Vec<&str> = leaves
        .iter()
        .map(|bytes| shuguan_ledger::leaf::Leaf::decode(bytes).unwrap().event.kind())
        .collect();
    assert_eq!(kinds, ["log-open", "log-gap", "log-gap", "log-gap"]);
    assert!(
        matches!(
            Journal::open(&bench.settings(), bench.clock()),
            Err(JournalFault::OtherLog { found, .. }) if found == SECOND
        ),
        "the old log is closed"
    );
}

async fn a_crash_before_the_head_file_is_written_is_completed_by_the_same_command(store: Store) {
    let (bench, ..) = put_back(store).await;
    let head = fs::read_to_string(bench.settings().head).unwrap();
    let done = recovered(&bench, &[]).unwrap();
    fs::write(bench.settings().head, &head).unwrap();
    let fault = Journal::open(&renamed(&bench), bench.clock()).unwrap_err();
    assert!(matches!(fault, JournalFault::ForeignHead(_)), "{fault}");
    let again = recovered(&bench, &[]).unwrap();
    assert_eq!(
        (&again.opened, &again.note, again.last),
        (&done.opened, &done.note, None)
    );
    assert!(Journal::open(&renamed(&bench), bench.clock()).is_ok());
    // Once it goes on, the command has nothing more to do and does nothing.
    let head = fs::read_to_string(bench.settings().head).unwrap();
    recovered(&bench, &[]).unwrap();
    assert_eq!(fs::read_to_string(bench.settings().head).unwrap(), head);
}

async fn what_was_seen_last_decides_where_the_old_log_is_closed(store: Store) {
    let (bench, _, lost) = put_back(store).await;
    // Without the head file a receipt tells; of two the larger.
    let note = Receipt::parse(&lost.receipt).unwrap().checkpoint;
    let head = fs::read_to_string(bench.settings().head).unwrap();
    fs::remove_file(bench.settings().head).unwrap();
    let nothing = recovered(&bench, &[]).unwrap_err();
    assert!(matches!(nothing, NotSucceeded::NothingLost { found: 4 }), "{nothing}");
    let done = recovered(
        &bench,
        &[("a".into(), note.clone()), ("b".into(), head), ("c".into(), note)],
    )
    .unwrap();
    assert_eq!(done.opened.size, 8);
}

async fn a_journal_that_is_no_older_copy_is_not_taken_back(store: Store) {
    let (bench, ..) = put_back(store).await;
    let leaves = |bench: &Bench| bench.reader().size().unwrap();
    let refused = |settings: &JournalSettings, seen: &[(String, String)], wanted: &str| {
        let fault = recovered_as(settings, seen, &[]).unwrap_err();
        assert!(format!("{fault:?}").starts_with(wanted), "{wanted}: {fault:?}");
        assert_eq!(leaves(&bench), 4, "nothing was written");
    };
    refused(&bench.settings(), &[], "SameName");
    let stranger = SigningKey::from_seed(ORIGIN, &[9; 32]).unwrap();
    let text = format!("{ORIGIN}\n20\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    refused(
        &renamed(&bench),
        &[("x".into(), stranger.sign(&text).unwrap())],
        "Foreign",
    );
    refused(&renamed(&bench), &[("x".into(), "no checkpoint".into())], "Foreign");
    let own = SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap();
    let fork = |size: u64| own.sign(&text.replace("\n20\n", &format!("\n{size}\n"))).unwrap();
    refused(&renamed(&bench), &[("x".into(), fork(3))], "Forked");
    refused(&renamed(&bench), &[("x".into(), fork(8))], "Forked");
    refused(&renamed(&bench), &[("x".into(), fork(2_000_000))], "TooMany");
    let mut other = renamed(&bench);
    other.log_seeds = vec![Secret::new([9; 32])];
    refused(&other, &[], "Journal(LogKey");
    let taken = key().sign(&text.replace(ORIGIN, SECOND)).unwrap();
    refused(&renamed(&bench), &[("x".into(), taken.clone())], "NameTaken");
    fs::write(bench.settings().head, taken).unwrap();
    refused(&renamed(&bench), &[], "NameTaken");
    fs::remove_file(bench.settings().head).unwrap();
    let journal = bench.open();
    let open = recovered(&bench, &[]).unwrap_err();
    assert!(matches!(open, NotSucceeded::Journal(JournalFault::Locked(_))), "{open}");
    drop(journal);
    let whole = recovered(&bench, &[]).unwrap_err();
    assert!(matches!(whole, NotSucceeded::NothingLost { .. }), "{whole}");
    let last = bench.reader().leaf(4).unwrap().unwrap();
    assert!(matches!(
        shuguan_ledger::leaf::Leaf::decode(&last.bytes).unwrap().event,
        Event::Start(_)
    ));
}

async fn a_head_file_that_is_no_log_of_ours_is_never_overwritten(store: Store) {
    let (bench, ..) = put_back(store).await;
    let head = fs::read_to_string(bench.settings().head).unwrap();
    recovered(&bench, &[]).unwrap();
    let foreign = |text: &str| {
        fs::write(bench.settings().head, text).unwrap();
        let fault = recovered(&bench, &[]).unwrap_err();
        assert!(
            matches!(fault, NotSucceeded::Journal(JournalFault::ForeignHead(_))),
            "{fault}"
        );
        assert_eq!(fs::read_to_string(bench.settings().head).unwrap(), text);
    };
    foreign("garbage");
    foreign(&head.replace(ORIGIN, "gw9.lyg.example/log"));
    fs::remove_file(bench.settings().head).unwrap();
    recovered(&bench, &[]).unwrap();
    Journal::open(&renamed(&bench), bench.clock())
        .unwrap()
        .close()
        .await
        .unwrap();
    // Once the successor has sealed anything, a head of the old log is no crash of this command.
    foreign(&head);
}

async fn a_successor_whose_end_is_lost_too_is_succeeded_in_its_turn(store: Store) {
    let (bench, kept, lost) = put_back(store).await;
    recovered(&bench, &[]).unwrap();
    let older = bench.copy();
    let journal = Journal::open(&renamed(&bench), bench.clock()).unwrap();
    let note = journal.checkpoint();
    journal.close().await.unwrap();
    let head = fs::read_to_string(bench.settings().head).unwrap();
    bench.put_back(&older);
    let refused = |notes: &[(String, String)]| {
        let fault = recovered(&bench, notes).unwrap_err();
        assert!(
            matches!(&fault, NotSucceeded::SameName(name) if name == SECOND),
            "{fault}"
        );
        assert_eq!(bench.reader().size().unwrap(), 8);
    };
    refused(&[]);
    fs::remove_file(bench.settings().head).unwrap();
    refused(&[("a witness".into(), note)]);
    assert!(!bench.settings().head.exists(), "nothing was written");
    fs::write(bench.settings().head, &head).unwrap();
    let mut third = renamed(&bench);
    third.log_origin = "gw1.lyg.example/log/3".into();
    let fault = recovered(&bench, &[]).unwrap_err();
    assert!(matches!(fault, NotSucceeded::SameName(_)), "{fault}");
    let mut back = bench.settings();
    back.log_seeds.push(Secret::new([22; 32]));
    let fault = recovered_as(&back, &[], &[]).unwrap_err();
    assert!(
        matches!(&fault, NotSucceeded::NameTaken { name, .. } if name == ORIGIN),
        "{fault}"
    );
    // Receipts of the first log say nothing of how far the second had come.
    let first = [kept, lost].map(|sealed| {
        let receipt = Receipt::parse(&sealed.receipt).unwrap();
        ("a receipt".to_owned(), receipt.checkpoint)
    });
    let done = recovered_as(&third, &first, &[]).unwrap();
    assert_eq!(
        (done.opened.of.as_str(), done.opened.kept, done.opened.size),
        (SECOND, 8, 10)
    );
    assert!(Journal::open(&third, bench.clock()).is_ok());
}

async fn a_backup_from_before_a_change_of_the_key_is_taken_back_without_the_seed_that_was_destroyed(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    journal.close().await.unwrap();
    let older = bench.copy();
    let journal = bench.open();
    let next = SigningKey::from_seed(ORIGIN, &[2; 32]).unwrap();
    journal.turn_key(KeyOrder::Begin(Arc::new(next))).await.unwrap();
    let first = SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap();
    let stolen = KeyOrder::End(first.verifying_key(), "stolen".into());
    let ended = journal.turn_key(stolen).await.unwrap().index + 1;
    let spans = journal.log_keys().spans().to_vec();
    journal.close().await.unwrap();
    let mut settings = renamed(&bench);
    settings.log_seeds = vec![Secret::new([2; 32]), Secret::new([22; 32])];
    bench.put_back(&older);
    // Of the seeds alone nobody knows whose journal that is.
    let fault = recovered_as(&settings, &[], &[]).unwrap_err();
    assert!(
        matches!(fault, NotSucceeded::Journal(JournalFault::LogKey { .. })),
        "{fault}"
    );
    // What the stolen key signs beyond its end is nobody's word, as the trust file says; the copy does not know that.
    let text = format!(
        "{ORIGIN}\n{}\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        ended + 9
    );
    let forged = [("a thief".to_owned(), first.sign(&text).unwrap())];
    let fault = recovered_as(&settings, &forged, &spans).unwrap_err();
    assert!(
        matches!(&fault, NotSucceeded::Foreign { by, .. } if by == "a thief"),
        "{fault}"
    );
    assert_eq!(bench.reader().size().unwrap(), 2, "nothing was written");
    let done = recovered_as(&settings, &[], &spans).unwrap();
    assert_eq!((done.opened.kept, done.opened.size), (2, ended + 1));
    assert_eq!(done.vkey, key().verifying_key().vkey(), "a key of its own");
    let journal = Journal::open(&settings, bench.clock()).unwrap();
    assert_eq!(journal.log_keys().spans().len(), 1);
    assert!(second().open(&journal.checkpoint()).is_ok());
}

async fn the_last_checkpoint_of_the_old_log_is_kept_before_the_successor_is_sealed(store: Store) {
    let (bench, ..) = put_back(store).await;
    let head = fs::read_to_string(bench.settings().head).unwrap();
    let closed = format!("{}.closed-8", bench.settings().head.display());
    // It cannot be written: then nothing is sealed that would put another head in its place.
    fs::create_dir(&closed).unwrap();
    let fault = recovered(&bench, &[]).unwrap_err();
    assert!(
        matches!(fault, NotSucceeded::Journal(JournalFault::File { .. })),
        "{fault}"
    );
    assert_eq!(bench.reader().size().unwrap(), 4);
    fs::remove_dir(&closed).unwrap();
    recovered(&bench, &[]).unwrap();
    assert_eq!(fs::read_to_string(closed).unwrap(), head);
}
