//! An older copy of the journal goes on as another log: what it keeps, what it says is lost, and when it does not.

use std::fs;

use shuguan_ledger::leaf::Event;
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;

use super::{Bench, ORIGIN, keyed, one_row, sealed, trust};
use crate::journal::{
    Journal, JournalFault, JournalSettings, NotSucceeded, Outcome, Reader, Sealed, Succession, succeed,
};

const SECOND: &str = "gw1.lyg.example/log/2";

fn renamed(bench: &Bench) -> JournalSettings {
    let mut settings = bench.settings();
    settings.log_origin = SECOND.into();
    settings
}

fn second() -> Trust {
    Trust::in_log(SigningKey::from_seed(SECOND, &[1; 32]).unwrap().verifying_key())
}

fn recovered(bench: &Bench, seen: &[(String, String)]) -> Result<Succession, NotSucceeded> {
    succeed(&renamed(bench), seen, "restored", &bench.clock())
}

/// A journal of which a copy of 4 entries was put back after it had 8: two receipts, one of what is kept and one of what is lost.
async fn put_back() -> (Bench, Sealed, Sealed) {
    let bench = Bench::new();
    let journal = bench.open();
    let kept = sealed(journal.seal(keyed(one_row(&journal, 1), 1, 1)).await.unwrap());
    journal.seal(one_row(&journal, 2)).await.unwrap();
    journal.close().await.unwrap();
    let older = fs::read(bench.database()).unwrap();
    let journal = bench.open();
    journal.seal(one_row(&journal, 3)).await.unwrap();
    let lost = sealed(journal.seal(one_row(&journal, 4)).await.unwrap());
    journal.close().await.unwrap();
    fs::write(bench.database(), older).unwrap();
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

#[tokio::test]
async fn an_older_copy_goes_on_as_another_log_whose_indices_go_on_where_the_old_one_ended() {
    let (bench, kept, lost) = put_back().await;
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
    assert_eq!(journal.origin(), SECOND);
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
    let reader = Reader::open(&bench.database()).unwrap();
    let leaves = reader.entries(4, 4).unwrap();
    let kinds: Vec<&str> = leaves
        .iter()
        .map(|bytes| shuguan_ledger::leaf::Leaf::decode(bytes).unwrap().event.kind())
        .collect();
    assert_eq!(kinds, ["log-open", "log-gap", "log-gap", "log-gap"]);
    assert!(
        matches!(
            Journal::open(&bench.settings(), bench.clock()),
            Err(JournalFault::LogKey { .. })
        ),
        "the old log is closed"
    );
}

#[tokio::test]
async fn a_crash_before_the_head_file_is_written_is_completed_by_the_same_command() {
    let (bench, ..) = put_back().await;
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

#[tokio::test]
async fn what_was_seen_last_decides_where_the_old_log_is_closed() {
    let (bench, _, lost) = put_back().await;
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

#[tokio::test]
async fn a_journal_that_is_no_older_copy_is_not_taken_back() {
    let (bench, ..) = put_back().await;
    let leaves = |bench: &Bench| Reader::open(&bench.database()).unwrap().size().unwrap();
    let refused = |settings: &JournalSettings, seen: &[(String, String)], wanted: &str| {
        let fault = succeed(settings, seen, "restored", &bench.clock()).unwrap_err();
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
    other.log_seeds = vec![crate::journal::Secret::new([9; 32])];
    refused(&other, &[], "Journal(LogKey");
    fs::remove_file(bench.settings().head).unwrap();
    let journal = bench.open();
    let open = recovered(&bench, &[]).unwrap_err();
    assert!(matches!(open, NotSucceeded::Journal(JournalFault::Locked(_))), "{open}");
    drop(journal);
    let whole = recovered(&bench, &[]).unwrap_err();
    assert!(matches!(whole, NotSucceeded::NothingLost { .. }), "{whole}");
    let last = Reader::open(&bench.database()).unwrap().leaf(4).unwrap().unwrap();
    assert!(matches!(
        shuguan_ledger::leaf::Leaf::decode(&last.bytes).unwrap().event,
        Event::Start(_)
    ));
}
