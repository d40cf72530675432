#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use rusqlite::Connection;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::leaf::{
    AbortedEvent, Commitment, Digest, ErasedEvent, Event, Leaf, OperatorEvent, PushEvent, Reference, RelayedEvent,
    StopEvent,
};
use shuguan_ledger::trust::Trust;
use tempfile::TempDir;

use super::difference::{What, compare};
use super::folder::{Folder, Own};
use super::logged::{Log, Logged, of_journal, reread, take};
use super::numbers::Numbers;
use super::refusals::Refusals;
use super::refusals::tests::refusal;
use super::verdict::Verdict;
use super::{ReconcileArgs, other_list, partner};
use crate::client::state::{Done, PushState, Stamp, Standing};
use crate::clock::Clock;
use crate::command::exit::Exit;
use crate::command::output::Output;
use crate::journal::{Journal, JournalSettings, Outcome, Secret};

fn push(x: &str, p: &str) -> Leaf {
    leaf(Event::Push(PushEvent {
        x: x.into(),
        p: p.into(),
        cert: Digest([0; 32]),
        rec: "health/birth-certificate".into(),
        pur: "enrolment.registration".into(),
        agr: "A".into(),
        plan: Digest([0; 32]),
        bun: Digest([0; 32]),
        fmt: "csv+utf8".into(),
        r#in: 0,
        ok: 0,
        rej: 0,
        fil: 0,
        rep: 0,
        bytes: 0,
        cols: Digest([0; 32]),
        nc: 0,
        req: Commitment([0; 32]),
        mode: None,
        sco: None,
        cnt: None,
        lay: None,
        con: None,
        qua: None,
        ix: None,
    }))
}

fn leaf(event: Event) -> Leaf {
    Leaf::new(0, "gw1", "b", event)
}

fn own(index: u64, hash: u8, leaf: Leaf) -> Own {
    Own {
        file: format!("{index}.tlog-proof"),
        index,
        hash: [hash; 32],
        leaf,
        size: index + 1,
        origin: "log.example".into(),
    }
}

fn log(leaves: Vec<(u64, u8, Leaf)>, size: u64) -> Log {
    let mut exchanges: BTreeMap<String, Logged> = BTreeMap::new();
    for (index, hash, leaf) in leaves {
        take(&mut exchanges, index, [hash; 32], leaf, "ours");
    }
    Log {
        size,
        exchanges,
        numbers: Numbers::default(),
        refusals: Refusals::default(),
        whole: true,
        unwitnessed: 0,
        report: None,
        listed_of: None,
    }
}

fn of() -> Reference {
    Reference {
        i: 0,
        h: Digest([0; 32]),
    }
}

fn relayed(x: &str) -> Leaf {
    leaf(Event::Relayed(RelayedEvent {
        x: x.into(),
        of: of(),
        ins: 0,
        upd: 0,
        same: 0,
        fail: 0,
        del: None,
        batch: 1,
        ms: 0,
        rnd: None,
    }))
}

fn erased(x: &str) -> Leaf {
    leaf(Event::Erased(ErasedEvent { x: x.into(), of: of() }))
}

fn discarded(x: &str) -> Leaf {
    let (x, why) = (Some(x.into()), Some("superseded".into()));
    leaf(Event::Operator(OperatorEvent::of_act(
        "operator-li",
        "discarded",
        x,
        why,
    )))
}

fn named(folder: &Folder, log: &Log) -> Vec<(What, String)> {
    let named = compare(folder, log, "ours").into_iter();
    named
        .map(|one| (one.what, one.exchange.or(one.file).unwrap_or_default()))
        .collect()
}

fn judged(folder: &Folder, log: &Log) -> (Verdict, Exit) {
    let named = compare(folder, log, "ours");
    let verdict = Verdict::of(folder, log, &named);
    (verdict, verdict.exit(&named))
}

#[test]
fn a_verdict_is_no_better_than_the_worst_that_is_found() {
    let settled = || vec![(1, 1, push("a", "ours")), (2, 2, relayed("a"))];
    let folder = |hash: u8| Folder {
        receipts: vec![own(1, hash, push("a", "ours"))],
        ..Folder::default()
    };
    let whole = log(settled(), 3);
    assert_eq!(judged(&folder(1), &whole), (Verdict::Proven, Exit::Done));
    assert_eq!(judged(&folder(9), &whole), (Verdict::Disproven, Exit::NotProven));
    assert_eq!(judged(&Folder::default(), &whole), (Verdict::Proven, Exit::Partial));
    let unproven = Folder {
        unproven: vec![("b.tlog-proof".into(), "not a receipt".into())],
        ..folder(1)
    };
    assert_eq!(judged(&unproven, &whole), (Verdict::Disproven, Exit::NotProven));
    let unseen = |whole: bool| Log {
        unwitnessed: 1,
        whole,
        ..log(settled(), 3)
    };
    assert_eq!(judged(&folder(1), &unseen(true)), (Verdict::ProvenInPart, Exit::Done));
    assert_eq!(
        judged(&folder(1), &unseen(false)),
        (Verdict::QuorumMissing, Exit::NotProven)
    );
    // A list whose entries have no numbers may lack some.
    let list = Log {
        whole: false,
        ..log(settled(), 3)
    };
    assert_eq!(judged(&folder(1), &list), (Verdict::ProvenInPart, Exit::Done));
}

#[test]
fn what_agrees_and_is_settled_is_not_named() {
    let log = log(
        vec![
            (1, 1, push("a", "ours")),
            (2, 2, push("z", "theirs")),
            (3, 3, relayed("a")),
        ],
        4,
    );
    let folder = Folder {
        receipts: vec![own(1, 1, push("a", "ours"))],
        ..Folder::default()
    };
    assert_eq!(named(&folder, &log), []);
}

#[test]
fn whose_exchanges_are_compared_the_receipts_say_unless_they_are_of_several() {
    let mut args = ReconcileArgs {
        dir: PathBuf::new(),
        trust: PathBuf::new(),
        log: None,
        server: true,
        partner: None,
        config: PathBuf::new(),
    };
    let mut folder = Folder {
        receipts: vec![own(1, 1, push("a", "ours"))],
        ..Folder::default()
    };
    assert_eq!(partner(&args, &folder).unwrap(), "ours");
    folder.receipts.push(own(2, 2, push("z", "theirs")));
    assert_eq!(partner(&args, &folder).unwrap_err().exit, Exit::Usage);
    args.partner = Some("theirs".into());
    assert_eq!(partner(&args, &folder).unwrap(), "theirs");
}

#[test]
fn a_list_of_another_partner_or_of_nobody_is_told() {
    let mut log = log(Vec::new(), 1);
    assert!(
        other_list(&log, "ours")
            .unwrap()
            .contains("is empty: the exchanges of `ours`")
    );
    log.listed_of = Some("theirs".into());
    assert!(other_list(&log, "ours").unwrap().contains("is of `theirs`"));
    log.listed_of = Some("ours".into());
    assert_eq!(other_list(&log, "ours"), None);
}

#[test]
fn each_difference_has_its_name() {
    let refusal = refusal(1, "ours", Some("c"), None);
    let aborted = |p: &str, x: &str| {
        leaf(Event::Aborted(AbortedEvent {
            x: x.into(),
            p: p.into(),
            rec: "public-security/resident".into(),
            pur: "enrolment.registration".into(),
            bun: Digest([1; 32]),
            code: "sender-gone".into(),
        }))
    };
    let log = log(
        vec![
            (1, 1, push("a", "ours")),
            (2, 2, push("b", "ours")),
            (3, 3, refusal),
            (4, 4, relayed("b")),
            // Nobody was told of it: here he learns that it was not accepted.
            (5, 5, aborted("ours", "d")),
            (6, 6, aborted("theirs", "e")),
        ],
        7,
    );
    let folder = Folder {
        receipts: vec![own(1, 1, push("a", "ours"))],
        ..Folder::default()
    };
    let expected = [
        (What::MissingHere, "b"),
        (What::Refused, "c"),
        (What::Refused, "d"),
        (What::NotRelayed, "a"),
    ];
    assert_eq!(compare(&folder, &log, "ours")[2].code.as_deref(), Some("sender-gone"));
    assert_eq!(named(&folder, &log), expected.map(|(what, id)| (what, id.to_owned())));
}

#[test]
fn a_receipt_that_the_log_does_not_bear_out_comes_first() {
    let log = log(vec![(1, 1, push("a", "ours")), (2, 2, relayed("a"))], 3);
    for (index, hash) in [(1, 9), (2, 1)] {
        let folder = Folder {
            receipts: vec![own(index, hash, push("a", "ours"))],
            ..Folder::default()
        };
        assert_eq!(
            compare(&folder, &log, "ours")[0].what,
            What::Contradicted,
            "{index} {hash}"
        );
    }
    let folder = Folder {
        receipts: vec![own(0, 1, push("gone", "ours"))],
        ..Folder::default()
    };
    assert_eq!(compare(&folder, &log, "ours")[0].what, What::Contradicted);
}

#[test]
fn a_log_that_ends_before_a_receipt_is_an_older_copy_or_a_cut_one_and_is_named() {
    let log = log(vec![(1, 1, push("a", "ours")), (2, 2, relayed("a"))], 3);
    // The second is of an entry that the copy has, and was fetched when the log had more.
    let later = Own {
        size: 9,
        ..own(1, 1, push("a", "ours"))
    };
    for (receipt, exchange) in [(own(3, 1, push("b", "ours")), "b"), (later, "a")] {
        let folder = Folder {
            receipts: vec![receipt],
            ..Folder::default()
        };
        assert!(named(&folder, &log).contains(&(What::OlderThanKnown, exchange.to_owned())));
        assert_eq!(judged(&folder, &log), (Verdict::OlderThanKnown, Exit::NotProven));
    }
}

#[test]
fn neither_a_receipt_of_the_last_entry_nor_one_of_another_partner_makes_a_copy_older_than_known() {
    let log = log(vec![(1, 1, push("a", "ours")), (2, 2, relayed("a"))], 3);
    let up_to_the_end = Own {
        size: 3,
        ..own(1, 1, push("a", "ours"))
    };
    let folder = Folder {
        receipts: vec![up_to_the_end, own(9, 9, push("z", "theirs"))],
        ..Folder::default()
    };
    assert_eq!(named(&folder, &log), []);
}

#[test]
fn one_file_under_two_exchanges_is_doubled_and_one_without_an_answer_is_unanswered() {
    let state = |digest: &str, standing: Standing| PushState {
        digest: digest.into(),
        record: "r".into(),
        purpose: "p".into(),
        key: "k".into(),
        manner: String::new(),
        content_type: String::new(),
        standing,
        done: None,
    };
    let answered = |exchange: &str| Standing::Answered(exchange.to_owned());
    let refused = Some(Done {
        accepted: false,
        stamp: Stamp::default(),
    });
    let states = [
        state("1", answered("a")),
        state("1", answered("a")),
        state("1", answered("b")),
        state("2", answered("c")),
        state("3", Standing::Sent(1)),
        state("4", Standing::Refused),
        PushState {
            done: refused,
            ..state("5", Standing::Unsent)
        },
        PushState {
            done: refused,
            ..state("6", Standing::Told(1))
        },
    ];
    let folder = Folder {
        states: states
            .into_iter()
            .enumerate()
            .map(|(place, state)| (place.to_string(), state))
            .collect(),
        ..Folder::default()
    };
    let expected = [(What::Unanswered, "4"), (What::Unanswered, "7"), (What::Doubled, "b")];

    assert_eq!(
        named(&folder, &log(Vec::new(), 1)),
        expected.map(|(what, id)| (what, id.to_owned()))
    );
}

#[test]
fn what_was_refused_without_an_exchange_is_named_by_its_code_with_count_and_times() {
    let mut log = log(vec![(1, 1, push("a", "ours")), (2, 2, relayed("a"))], 4);
    log.refusals.take(&refusal(0, "ours", None, Some(2)), "ours");
    let folder = Folder {
        receipts: vec![own(1, 1, push("a", "ours"))],
        ..Folder::default()
    };
    // They stay in the log for good, so alone they are no difference that somebody has to settle.
    assert_eq!(judged(&folder, &log), (Verdict::Proven, Exit::Done));
    assert_eq!(judged(&Folder::default(), &log), (Verdict::Proven, Exit::Partial));
    let found = serde_json::to_value(compare(&folder, &log, "ours")).unwrap();
    let at = "1970-01-01T00:00:00.000000Z";
    let expected =
        serde_json::json!([{ "what": "turned-away", "code": "replayed", "count": 2, "first": at, "last": at }]);
    assert_eq!(found, expected);
}

#[test]
fn what_an_operator_gave_up_is_named_also_after_its_payload_was_erased() {
    let log = log(
        vec![
            (1, 1, push("a", "ours")),
            (2, 2, push("b", "ours")),
            (3, 3, discarded("a")),
            (4, 4, erased("a")),
            (5, 5, erased("b")),
        ],
        6,
    );
    let folder = Folder {
        receipts: vec![own(1, 1, push("a", "ours")), own(2, 2, push("b", "ours"))],
        ..Folder::default()
    };
    let expected = [(What::Discarded, "a"), (What::NotRelayed, "b")];
    assert_eq!(named(&folder, &log), expected.map(|(what, id)| (what, id.to_owned())));
}

/// A journal at rest, and what was proved of it.
struct Proved {
    folder: TempDir,
    database: PathBuf,
    trust: Trust,
    checkpoint: Checkpoint,
}

impl Proved {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let settings = settings(&folder);
        Journal::create(&settings).unwrap();
        let journal = open(&folder);
        seal(&journal, 1_500).await;
        let (checkpoint, trust) = (journal.head().1, journal.trust());
        journal.close().await.unwrap();
        // As a copy that was sent somewhere: closing it sealed nothing more than this.
        let database = settings.place.file().unwrap().to_owned();
        Self {
            folder,
            database,
            trust,
            checkpoint,
        }
    }

    fn refused(&self) -> (Exit, Option<String>) {
        let Err(failure) = reread(&self.database, &self.checkpoint, "ours") else {
            panic!("it was compared")
        };
        (failure.exit, failure.why)
    }

    fn change(&self, statements: &str) {
        let connection = Connection::open(&self.database).unwrap();
        connection.execute_batch(statements).unwrap();
    }
}

fn settings(folder: &TempDir) -> JournalSettings {
    let (log, kek) = (Secret::new([1; 32]), Secret::new([2; 32]));
    JournalSettings::at(folder.path().join("journal"), "log.example", log, kek)
}

fn open(folder: &TempDir) -> Journal {
    Journal::open(&settings(folder), Clock::system()).unwrap()
}

async fn seal(journal: &Journal, leaves: usize) {
    let stop = || StopEvent {
        reason: "as-it-was".into(),
    };
    let sealing = (0..leaves).map(|_| journal.seal_own(Event::Stop(stop())));
    for sealed in futures_util::future::join_all(sealing).await {
        assert!(matches!(sealed, Ok(Outcome::Sealed(_))));
    }
}

#[tokio::test]
async fn a_journal_is_compared_as_it_was_proved_and_nothing_is_left_beside_it() {
    let proved = Proved::new().await;
    let log = of_journal(&proved.database, &proved.trust, "ours", &Output::default());
    let log = log.unwrap().unwrap();
    assert!(log.size >= proved.checkpoint.size && log.whole);
    // A receipt that is behind its end is of more of it, or of another log, of which it says nothing.
    let behind = |origin: &str| Folder {
        receipts: vec![Own {
            origin: origin.into(),
            ..own(9_000, 1, push("a", "ours"))
        }],
        ..Folder::default()
    };
    let older = (Verdict::OlderThanKnown, Exit::NotProven);
    assert_eq!(judged(&behind("log.example"), &log), older);
    let another = (Verdict::ProvenInPart, Exit::Partial);
    assert_eq!(judged(&behind("log.example/2"), &log), another);
    assert_eq!(
        compare(&behind("log.example/2"), &log, "ours")[0].log.as_deref(),
        Some("log.example/2")
    );
    for end in ["-wal", "-shm"] {
        let beside = format!("{}{end}", proved.database.display());
        assert!(!std::path::Path::new(&beside).exists(), "{beside}");
    }
    // A gateway that goes on meanwhile disturbs nothing: only what was proved is compared.
    let journal = open(&proved.folder);
    seal(&journal, 20).await;
    let log = reread(&proved.database, &proved.checkpoint, "ours").unwrap();
    assert_eq!((log.size, log.exchanges.len()), (proved.checkpoint.size, 0));
}

#[tokio::test]
async fn a_journal_that_was_changed_after_it_was_proved_is_not_compared() {
    let expected = (Exit::Local, Some("another program opened it meanwhile".to_owned()));
    let edit = "DROP TRIGGER leaf_fixed; UPDATE leaf SET bytes = \
        CAST(replace(CAST(bytes AS TEXT), 'as-it-was', 'as-it-is!') AS BLOB) WHERE idx = 1200;";
    for change in [
        edit,
        "DROP TRIGGER leaf_kept; DELETE FROM leaf WHERE idx = 1200;",
        "DROP TRIGGER leaf_kept; DELETE FROM leaf WHERE idx >= 1000;",
    ] {
        let proved = Proved::new().await;
        assert!(reread(&proved.database, &proved.checkpoint, "ours").is_ok());
        proved.change(change);
        assert_eq!(proved.refused(), expected, "{change}");
    }
    // Another journal in its place.
    let (proved, other) = (Proved::new().await, Proved::new().await);
    std::fs::copy(&other.database, &proved.database).unwrap();
    assert_eq!(proved.refused(), expected);
}
