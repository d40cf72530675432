#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::audit::{LogFault, LogReport, LogVerifier};
use crate::cosignature::CosigningKey;
use crate::leaf::{Event, Leaf, StartEvent};
use crate::note::{SigningKey, sign};
use crate::receipt::Receipt;
use crate::tree::{self, Edge, leaf_hash};
use crate::trust::{Quorum, Trust};
use crate::witness::{AddCheckpoint, Refused};

const ORIGIN: &str = "log.example";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn vkey(seed: u8) -> String {
    key(seed).verifying_key().vkey()
}

fn change(act: &str, seed: u8, of: u8, from: u64) -> KeyEvent {
    KeyEvent {
        act: act.into(),
        suite: SUITE.into(),
        key: vkey(seed),
        of: vkey(of),
        from,
        why: "rotation".into(),
    }
}

fn bytes(event: Event) -> Vec<u8> {
    Leaf::new(1, "gw1", "boot", event).encode().unwrap()
}

fn start(size: u64) -> Vec<u8> {
    let version = "0.1".into();
    bytes(Event::Start(StartEvent {
        version,
        size,
        head: None,
        bin: None,
    }))
}

/// Eight leaves: key 2 begins beside key 1 at leaf 2, key 1 ends at leaf 5.
fn rotated() -> Vec<Vec<u8>> {
    let mut leaves: Vec<Vec<u8>> = (0..8).map(start).collect();
    leaves[2] = bytes(Event::Key(change(NEW, 2, 1, 3)));
    leaves[5] = bytes(Event::Key(change(RETIRED, 1, 2, 6)));
    leaves
}

/// Who signs a checkpoint of each size of it.
fn signers(size: u64) -> Vec<u8> {
    match size {
        0..3 => vec![1],
        3..6 => vec![1, 2],
        _ => vec![2],
    }
}

fn edge(leaves: &[Vec<u8>]) -> Edge {
    let mut edge = Edge::empty();
    for bytes in leaves {
        edge.append(leaf_hash(bytes));
    }
    edge
}

fn checkpoint(leaves: &[Vec<u8>]) -> Checkpoint {
    let edge = edge(leaves);
    Checkpoint {
        origin: ORIGIN.into(),
        size: edge.size(),
        root: edge.root(),
    }
}

fn signed(leaves: &[Vec<u8>], seeds: &[u8]) -> String {
    let keys: Vec<SigningKey> = seeds.iter().map(|seed| key(*seed)).collect();
    sign(&checkpoint(leaves).text(), &keys).unwrap()
}

fn trust(lines: &str) -> Trust {
    Trust::parse(lines).unwrap()
}

fn first() -> Trust {
    trust(&format!("log {}\n", vkey(1)))
}

/// Verifies with a checkpoint at each size, by those who should sign it; `newest` by others.
fn verify(leaves: &[Vec<u8>], newest: &[u8], trust: &Trust) -> Result<LogReport, LogFault> {
    let mut verifier = LogVerifier::new(&signed(leaves, newest), trust)?;
    for (size, bytes) in leaves.iter().enumerate() {
        verifier.checkpoint(&signed(&leaves[..size], &signers(size as u64)))?;
        verifier.leaf(bytes)?;
    }
    verifier.finish()
}

fn keys() -> LogKeys {
    let mut keys = LogKeys::of([key(1).verifying_key().into()]);
    keys.apply(2, &change(NEW, 2, 1, 3)).unwrap();
    keys.apply(5, &change(RETIRED, 1, 2, 6)).unwrap();
    keys
}

#[test]
fn each_size_is_opened_by_the_keys_that_sign_it_and_by_no_fewer() {
    let (leaves, keys) = (rotated(), keys());
    for size in 0..=leaves.len() {
        for by in [&[1][..], &[2], &[1, 2], &[3], &[1, 3], &[2, 3]] {
            let opened = keys.open(&signed(&leaves[..size], by));
            let enough = signers(size as u64).iter().all(|needed| by.contains(needed));
            assert_eq!(opened.is_ok(), enough, "{size} entries, signed by {by:?}: {opened:?}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_signer_is_said() {
    let (leaves, keys) = (rotated(), keys());
    let fault = |size: usize, by: &[u8]| keys.open(&signed(&leaves[..size], by)).unwrap_err();
    let retired = fault(8, &[1]);
    assert!(
        matches!(&retired, Untrusted::OutOfSpan { key: k, size: 8 } if *k == key(1).verifying_key().short()),
        "{retired}"
    );
    assert!(
        matches!(fault(2, &[2]), Untrusted::OutOfSpan { size: 2, .. }),
        "it had not begun"
    );
    let alone = fault(4, &[1]);
    assert!(
        matches!(&alone, Untrusted::Unsigned { key: k } if *k == key(2).verifying_key().short()),
        "{alone}"
    );
    assert!(matches!(
        fault(8, &[9]),
        Untrusted::Signature(NoteError::NoKnownSignature)
    ));
    // A line of a known key that fails voids the note, whoever else signed it.
    let other = signed(&leaves[..4], &[1]);
    let line = other.lines().last().unwrap();
    let forged = format!("{}{line}\n", signed(&leaves[..5], &[2]));
    assert!(matches!(
        keys.open(&forged),
        Err(Untrusted::Signature(NoteError::BadSignature(_)))
    ));
}

#[test]
fn a_leaf_about_the_key_of_answers_changes_nothing_of_who_signs_the_log() {
    let of_answers = |change: KeyEvent| KeyEvent {
        suite: RECEIPT_SUITE.into(),
        ..change
    };
    let mut leaves = rotated();
    leaves[0] = bytes(Event::Key(of_answers(KeyEvent {
        key: "sha256:00".into(),
        of: "-".into(),
        ..change(NEW, 2, 1, 0)
    })));
    // Whatever it names: a key of this log neither begins nor ends by it.
    leaves[6] = bytes(Event::Key(of_answers(change(NEW, 3, 2, 7))));
    leaves[7] = bytes(Event::Key(of_answers(change(RETIRED, 2, 1, 8))));
    assert!(verify(&leaves, &[2], &first()).is_ok());
    for by in [&[3][..], &[1], &[1, 3]] {
        assert!(verify(&leaves, by, &first()).is_err(), "signed by {by:?}");
    }
}

#[test]
fn a_change_that_contradicts_what_is_known_is_refused_and_changes_nothing() {
    let with = |change: KeyEvent, f: fn(&mut KeyEvent)| {
        let mut change = change;
        f(&mut change);
        change
    };
    let new = || change(NEW, 3, 2, 8);
    let end = || change(RETIRED, 2, 3, 8);
    for (index, event) in [
        (7, with(new(), |e| e.suite = "sm2".into())),
        (7, with(new(), |e| e.suite = RECEIPT_SUITE.into())),
        (7, with(new(), |e| e.act = "compromised".into())),
        (7, with(new(), |e| e.key = "log.example+00000000+AAAA".into())),
        (7, with(new(), |e| e.from = 7)),
        (7, with(new(), |e| e.from = 9)),
        (7, with(new(), |e| e.key = e.of.clone())),
        (8, new()),
        // A key of another log.
        (
            7,
            with(new(), |e| {
                let other = SigningKey::from_seed("other.example", &[3; 32]).unwrap();
                e.key = other.verifying_key().vkey();
            }),
        ),
        // Vouched for by a key that has ended, or that nobody knows.
        (7, change(NEW, 3, 1, 8)),
        (7, change(NEW, 3, 9, 8)),
        // Those that were there do not begin again, and what ended does not end again.
        (7, change(NEW, 1, 2, 8)),
        (7, change(RETIRED, 1, 2, 8)),
        // The only key, in favour of one that does not sign.
        (7, change(RETIRED, 2, 1, 8)),
        (7, end()),
    ] {
        let (mut keys, before) = (keys(), keys());
        assert!(keys.apply(index, &event).is_err(), "{index}: {event:?}");
        assert_eq!(keys, before);
    }
    let mut keys = keys();
    keys.apply(7, &new()).unwrap();
    assert!(keys.apply(8, &change(NEW, 2, 3, 9)).is_err(), "it began long ago");
    keys.apply(8, &change(RETIRED, 2, 3, 9)).unwrap();
    assert_eq!(keys.at(9).collect::<Vec<_>>(), [&key(3).verifying_key()]);
}

#[test]
fn a_log_is_verified_from_its_first_key_to_one_that_only_it_names() {
    let report = verify(&rotated(), &[2], &first()).unwrap();
    let spans: Vec<(u64, Option<u64>)> = report.keys.iter().map(|span| (span.from(), span.until())).collect();
    assert_eq!(spans, [(0, Some(6)), (3, None)]);
    // Who knows both keys, or where they end, is not less content.
    let sizes = format!("sizes {} 0 6\nsizes {} 3 -\n", vkey(1), vkey(2));
    let both = format!("log {}\nlog {}\n", vkey(1), vkey(2));
    for lines in [both.clone(), both + &sizes] {
        assert_eq!(verify(&rotated(), &[2], &trust(&lines)).unwrap().keys, report.keys);
    }
}

#[test]
fn a_log_is_refused_whose_newest_checkpoint_a_retired_or_unknown_key_signed() {
    for by in [&[1][..], &[3], &[1, 3]] {
        let fault = verify(&rotated(), by, &first()).unwrap_err();
        assert!(matches!(fault, LogFault::Checkpoint { size: 7, .. }), "{by:?}: {fault}");
    }
    // In the overlap either of them alone.
    for by in [&[1][..], &[2]] {
        let fault = verify(&rotated()[..5], by, &first()).unwrap_err();
        assert!(matches!(fault, LogFault::Checkpoint { .. }), "{by:?}: {fault}");
    }
    // The key of another log is no reason to wait for what the leaves say.
    let other = trust(&format!(
        "log {}\n",
        SigningKey::from_seed("other.example", &[1; 32])
            .unwrap()
            .verifying_key()
            .vkey()
    ));
    let fault = LogVerifier::new(&signed(&rotated(), &[2]), &other).unwrap_err();
    assert!(matches!(fault, LogFault::Checkpoint { size: 0, .. }), "{fault}");
}

#[test]
fn a_log_that_says_otherwise_of_its_keys_than_the_trust_file_is_refused() {
    let both = format!("log {}\nlog {}\n", vkey(1), vkey(2));
    for sizes in [
        format!("sizes {} 0 5\n", vkey(1)),
        format!("sizes {} 0 7\n", vkey(1)),
        format!("sizes {} 2 -\n", vkey(2)),
        format!("sizes {} 4 -\n", vkey(2)),
    ] {
        let fault = verify(&rotated(), &[2], &trust(&(both.clone() + &sizes))).unwrap_err();
        assert!(
            matches!(fault, LogFault::Leaf { .. } | LogFault::Checkpoint { .. }),
            "{sizes}: {fault}"
        );
    }
}

/// The blast radius: what follows from a stolen key, and what does not.
#[test]
fn a_stolen_key_signs_another_past_and_nothing_from_its_end_on() {
    let witness = CosigningKey::from_seed("w.example", &[7; 32]).unwrap();
    // The thief has key 1. He names a key of his own where he likes, and his history verifies for who knows key 1 alone.
    let mut forged: Vec<Vec<u8>> = (0..8).map(start).collect();
    forged[1] = bytes(Event::Key(change(NEW, 6, 1, 2)));
    forged[2] = bytes(Event::Key(change(RETIRED, 1, 6, 3)));
    let newest = signed(&forged, &[6]);
    let overlap = |seeds: &[u8], trust: &Trust| {
        let mut verifier = LogVerifier::new(&newest, trust)?;
        for (size, bytes) in forged.iter().enumerate() {
            if size == 2 && !seeds.is_empty() {
                verifier.checkpoint(&signed(&forged[..size], seeds))?;
            }
            verifier.leaf(bytes)?;
        }
        verifier.finish()
    };
    let with = |trust: &Trust| overlap(&[1, 6], trust);
    assert!(with(&first()).is_ok(), "nothing but a witness tells the two apart");
    // Who has no trusted key gets nowhere: without a checkpoint that key 1 signed, two leaves of his lead from it to nothing.
    for seeds in [&[][..], &[6], &[1], &[9]] {
        let refused = overlap(seeds, &first());
        assert!(
            matches!(
                refused,
                Err(LogFault::Leaf { index: 2, .. } | LogFault::Checkpoint { .. })
            ),
            "{seeds:?}: {refused:?}"
        );
    }
    // A witness signed the true one: his has no quorum.
    let asks = format!(
        "log {}\nwitness w {}\nquorum w\n",
        vkey(1),
        witness.witness_key().vkey()
    );
    assert_eq!(with(&trust(&asks)).unwrap().quorum, Quorum::Missing);
    // Who knows that key 1 ended at 6 knows what came after it.
    let knows = format!(
        "log {}\nlog {}\nsizes {} 0 6\nsizes {} 3 -\n",
        vkey(1),
        vkey(2),
        vkey(1),
        vkey(2)
    );
    let knows = trust(&knows);
    assert!(matches!(
        with(&knows),
        Err(LogFault::Checkpoint { .. } | LogFault::Leaf { index: 1, .. })
    ));
    // A receipt of his: below the beginning of key 2 it is believed without a witness, in the overlap and beyond it is not.
    for (size, believed) in [(2, true), (3, false), (5, false), (6, false), (8, false)] {
        let checkpoint = signed(&forged[..size], &[1]);
        let leaf = forged[0].clone();
        let hashes: Vec<_> = forged[..size].iter().map(|bytes| leaf_hash(bytes)).collect();
        let path = path(&hashes, 0);
        let receipt = Receipt {
            leaf,
            index: 0,
            path,
            checkpoint,
        };
        assert_eq!(receipt.verify(&knows).is_ok(), believed, "{size} entries");
    }
    // At the witness, who was told where key 1 ends, he gets nothing signed.
    let spans = [
        KeySpan::between(key(1).verifying_key(), 0, Some(6)).unwrap(),
        KeySpan::between(key(2).verifying_key(), 3, None).unwrap(),
    ];
    let true_log = rotated();
    let stored = checkpoint(&true_log[..6]);
    let asked = AddCheckpoint {
        old: 6,
        proof: Vec::new(),
        checkpoint: signed(&true_log[..6], &[1]),
    };
    assert_eq!(asked.judge(&spans, Some(&stored)), Err(Refused::Unsigned));
    let asked = AddCheckpoint {
        checkpoint: signed(&true_log[..6], &[2]),
        ..asked
    };
    assert_eq!(asked.judge(&spans, Some(&stored)), Ok(stored.clone()));
}

#[test]
fn a_log_is_followed_through_two_rotations_by_who_learns_of_each_end_later() {
    let mut leaves: Vec<Vec<u8>> = (0..16).map(start).collect();
    let changes = [
        (2, change(NEW, 2, 1, 3)),
        (5, change(RETIRED, 1, 2, 6)),
        (8, change(NEW, 3, 2, 9)),
        (11, change(RETIRED, 2, 3, 12)),
    ];
    for (index, event) in &changes {
        leaves[*index] = bytes(Event::Key(event.clone()));
    }
    let mut known = first();
    let by: [(usize, &[u8]); 4] = [(3, &[1, 2]), (6, &[2]), (9, &[2, 3]), (12, &[3])];
    for ((index, event), (size, seeds)) in changes.iter().zip(by) {
        let note = signed(&leaves[..size], seeds);
        assert!(
            known.open(&note).is_ok(),
            "the checkpoint over leaf {index}, by who knows what came before it"
        );
        known = trust(&known.extended(ORIGIN, *index as u64, event).unwrap().text());
        assert!(known.open(&note).is_ok(), "and by who knows it");
    }
    // By now the end of each is known, and what one of them signs beyond it is nothing.
    for stolen in [1, 2] {
        assert!(known.open(&signed(&leaves[..14], &[stolen])).is_err());
    }
    // In between, the one that began last must sign.
    let second = first().extended(ORIGIN, 2, &changes[0].1).unwrap();
    assert!(second.open(&signed(&leaves[..5], &[1])).is_err());
    assert_eq!(verify_by(&leaves, &known).unwrap().keys.len(), 3);
    assert_eq!(verify_by(&leaves, &first()).unwrap().keys.len(), 3);
}

/// Verifies sixteen leaves with a checkpoint at each size.
fn verify_by(leaves: &[Vec<u8>], trust: &Trust) -> Result<LogReport, LogFault> {
    let signers = |size: u64| match size {
        9..12 => vec![2, 3],
        12.. => vec![3],
        _ => signers(size),
    };
    let mut verifier = LogVerifier::new(&signed(leaves, &[3]), trust)?;
    for (size, bytes) in leaves.iter().enumerate() {
        verifier.checkpoint(&signed(&leaves[..size], &signers(size as u64)))?;
        verifier.leaf(bytes)?;
    }
    verifier.finish()
}

#[test]
fn a_log_does_not_speak_of_the_keys_of_another() {
    let other = |seed: u8| {
        let key = SigningKey::from_seed("other.example", &[seed; 32]).unwrap();
        key.verifying_key().vkey()
    };
    let event = KeyEvent {
        key: other(6),
        of: other(5),
        ..change(NEW, 6, 5, 3)
    };
    let both = trust(&format!("log {}\nlog {}\n", vkey(1), other(5)));
    assert!(both.extended(ORIGIN, 2, &event).is_err());
    assert!(both.extended("other.example", 2, &event).is_ok());
    // Nor in its leaves, whether its name was known by then or not.
    let mut leaves: Vec<Vec<u8>> = (0..8).map(start).collect();
    leaves[2] = bytes(Event::Key(event));
    let newest = signed(&leaves, &[1]);
    for checkpoint in [false, true] {
        let mut verifier = LogVerifier::new(&newest, &both).unwrap();
        let mut taken = Ok(());
        for (size, bytes) in leaves.iter().enumerate() {
            if size == 2 && checkpoint {
                verifier.checkpoint(&signed(&leaves[..size], &[1])).unwrap();
            }
            taken = taken.and_then(|()| verifier.leaf(bytes));
        }
        assert!(
            taken.and_then(|()| verifier.finish().map(drop)).is_err(),
            "{checkpoint}"
        );
    }
}

/// RFC 6962, by its definition.
fn path(hashes: &[tree::Hash], index: usize) -> Vec<tree::Hash> {
    fn root(hashes: &[tree::Hash]) -> tree::Hash {
        if let [one] = hashes {
            return *one;
        }
        let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
        tree::node_hash(&root(left), &root(right))
    }
    if hashes.len() < 2 {
        return Vec::new();
    }
    let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
    if index < left.len() {
        [path(left, index), vec![root(right)]].concat()
    } else {
        [path(right, index - left.len()), vec![root(left)]].concat()
    }
}

#[test]
fn a_trust_file_learns_of_a_change_and_says_so_in_its_lines() {
    let witness = CosigningKey::from_seed("w.example", &[7; 32])
        .unwrap()
        .witness_key()
        .vkey();
    let old = trust(&format!("log {VKEY}\nlog {}\nwitness w {witness}\nquorum w\n", vkey(1)));
    let begun = old.extended(ORIGIN, 2, &change(NEW, 2, 1, 3)).unwrap();
    assert_eq!(trust(&begun.text()), trust(&begun.text()));
    assert!(begun.text().contains(&format!("sizes {} 3 -\n", vkey(2))));
    assert!(
        !begun.text().contains(&format!("sizes {}", vkey(1))),
        "it has not ended"
    );
    assert_eq!((begun.quorum(), begun.witnesses().len()), (Some("w"), 1));
    let leaves = rotated();
    assert!(begun.open(&signed(&leaves[..4], &[1])).is_err(), "both sign by now");
    assert!(
        begun.open(&signed(&leaves, &[2])).is_ok(),
        "before it is known that the old one ended"
    );
    let ended = begun.extended(ORIGIN, 5, &change(RETIRED, 1, 2, 6)).unwrap();
    assert!(ended.text().contains(&format!("sizes {} 0 6\n", vkey(1))));
    let again = ended.extended(ORIGIN, 2, &change(NEW, 2, 1, 3)).unwrap();
    assert_eq!(again, ended, "what is known may be said again");
    let reread = trust(&ended.text());
    for size in 0..=leaves.len() {
        assert!(
            reread.open(&signed(&leaves[..size], &signers(size as u64))).is_ok(),
            "{size}"
        );
        assert_eq!(reread.open(&signed(&leaves[..size], &[1])).is_ok(), size < 3, "{size}");
    }
    // Below the end of a key all keys are known; beyond it a new one is learned.
    assert!(ended.extended(ORIGIN, 4, &change(NEW, 3, 2, 5)).is_err());
    assert!(ended.extended(ORIGIN, 7, &change(NEW, 3, 2, 8)).is_ok());
    assert!(
        ended.extended(ORIGIN, 7, &change(NEW, 3, 1, 8)).is_err(),
        "vouched for by the one that ended"
    );
    assert!(
        old.extended(ORIGIN, 7, &change(NEW, 3, 2, 8)).is_err(),
        "vouched for by one that is not trusted yet"
    );
}

const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

#[test]
fn a_line_of_sizes_that_cannot_be_is_refused() {
    let log = format!("log {VKEY}\n");
    for line in [
        format!("sizes {VKEY}"),
        format!("sizes {VKEY} 3"),
        format!("sizes {VKEY} 3 3"),
        format!("sizes {VKEY} 3 2"),
        format!("sizes {VKEY} 03 9"),
        format!("sizes {VKEY} -1 9"),
        format!("sizes {VKEY} - 9"),
        format!("sizes {VKEY} 3 +9"),
        format!("sizes {} 3 9", vkey(1)),
        format!("sizes {VKEY} 3 9\nsizes {VKEY} 3 9"),
    ] {
        assert!(Trust::parse(&format!("{log}{line}\n")).is_err(), "{line}");
    }
    assert!(
        Trust::parse(&format!("sizes {VKEY} 3 9\n{log}")).is_err(),
        "before its log line"
    );
    assert!(Trust::parse(&format!("{log}sizes {VKEY} 3 9\n")).is_ok());
}
