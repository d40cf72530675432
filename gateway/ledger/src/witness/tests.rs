#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::note::SigningKey;
use crate::tree::{Edge, Tiles, consistency_path, leaf_hash};

const ORIGIN: &str = "log.example";

fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap()
}

/// Leaf hashes and rows of a log that grows.
#[derive(Clone, Default)]
struct Log {
    edge: Edge,
    rows: Vec<Vec<Hash>>,
}

impl Log {
    fn of(leaves: impl IntoIterator<Item = u64>) -> Self {
        let mut log = Self::default();
        for leaf in leaves {
            for entry in log.edge.append(leaf_hash(&leaf.to_le_bytes())) {
                let level = usize::from(entry.level);
                if log.rows.len() <= level {
                    log.rows.push(Vec::new());
                }
                log.rows[level].push(entry.hash);
            }
        }
        log
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            origin: ORIGIN.into(),
            size: self.edge.size(),
            root: self.edge.root(),
        }
    }

    fn asks(&self, old: u64) -> AddCheckpoint {
        AddCheckpoint {
            old,
            proof: consistency_path(self, old, self.edge.size()).unwrap(),
            checkpoint: key().sign(&self.checkpoint().text()).unwrap(),
        }
    }
}

impl Tiles for Log {
    type Error = Infallible;

    fn row(&self, level: u8, start: u64, width: u64) -> Result<Vec<Hash>, Infallible> {
        let start = usize::try_from(start).unwrap();
        Ok(self.rows[usize::from(level)][start..start + usize::try_from(width).unwrap()].to_vec())
    }
}

fn judged(request: &AddCheckpoint, stored: Option<&Checkpoint>) -> Result<Checkpoint, Refused> {
    AddCheckpoint::parse(request.encode().as_bytes())?.judge(&[key().verifying_key().into()], stored)
}

#[test]
fn a_log_is_followed_from_nothing_over_growth_and_repetition() {
    let (three, nine) = (Log::of(0..3), Log::of(0..9));
    let stored = judged(&three.asks(0), None).unwrap();
    assert_eq!(stored, three.checkpoint());
    assert_eq!(judged(&three.asks(3), Some(&stored)), Ok(stored.clone()), "again");
    assert_eq!(judged(&nine.asks(3), Some(&stored)), Ok(nine.checkpoint()));
    let empty = Log::of(0..0);
    let stored = judged(&empty.asks(0), None).unwrap();
    assert_eq!(judged(&nine.asks(0), Some(&stored)), Ok(nine.checkpoint()));
}

#[test]
fn each_refusal_has_its_status() {
    let (three, nine) = (Log::of(0..3), Log::of(0..9));
    let stored = three.checkpoint();
    for (request, refused, status) in [
        (nine.asks(0), Refused::Conflict { stored: 3 }, 409),
        (nine.asks(4), Refused::Conflict { stored: 3 }, 409),
        (
            AddCheckpoint {
                old: 10,
                ..nine.asks(0)
            },
            Refused::OldAboveNew,
            400,
        ),
        (
            AddCheckpoint {
                proof: vec![],
                ..nine.asks(3)
            },
            Refused::Inconsistent,
            422,
        ),
        // A real fork: the same key, another history.
        (Log::of(1..10).asks(3), Refused::Inconsistent, 422),
        (Log::of(1..4).asks(3), Refused::Forked, 422),
        (
            AddCheckpoint {
                proof: vec![[0; 32]],
                ..Log::of(1..4).asks(3)
            },
            Refused::Forked,
            422,
        ),
        (
            AddCheckpoint {
                proof: vec![[0; 32]],
                ..three.asks(3)
            },
            Refused::Inconsistent,
            422,
        ),
    ] {
        assert_eq!(judged(&request, Some(&stored)), Err(refused), "{request:?}");
        assert_eq!(refused.status(), status);
    }
    let unasked = AddCheckpoint {
        proof: vec![[0; 32]],
        ..nine.asks(0)
    };
    assert_eq!(judged(&unasked, None), Err(Refused::Inconsistent));
    let mut wrong_empty = Log::of(0..0).asks(0);
    let text = Checkpoint {
        root: [1; 32],
        ..Log::of(0..0).checkpoint()
    }
    .text();
    wrong_empty.checkpoint = key().sign(&text).unwrap();
    assert_eq!(judged(&wrong_empty, None), Err(Refused::Inconsistent));
}

#[test]
fn an_unknown_log_is_404_and_an_unsigned_checkpoint_403() {
    let request = Log::of(0..3).asks(0);
    assert_eq!(request.judge(&[], None), Err(Refused::UnknownOrigin));
    let other = SigningKey::from_seed("other.example", &[1; 32]).unwrap();
    assert_eq!(
        request.judge(&[other.verifying_key().into()], None),
        Err(Refused::UnknownOrigin)
    );
    // A key of the same name that is not the log's.
    let stranger = SigningKey::from_seed(ORIGIN, &[2; 32]).unwrap();
    assert_eq!(
        request.judge(&[stranger.verifying_key().into()], None),
        Err(Refused::Unsigned)
    );
    // The key's line over another text.
    let mut forged = request.clone();
    forged.checkpoint = forged.checkpoint.replacen("\n3\n", "\n4\n", 1);
    assert_eq!(judged(&forged, None), Err(Refused::Unsigned));
    assert_eq!(
        (Refused::UnknownOrigin.status(), Refused::Unsigned.status()),
        (404, 403)
    );
    let no_checkpoint = AddCheckpoint {
        checkpoint: key().sign("log.example\nx\n").unwrap(),
        ..request
    };
    assert_eq!(judged(&no_checkpoint, None).unwrap_err().status(), 400);
}

#[test]
fn a_body_has_one_spelling() {
    let body = Log::of(0..9).asks(3).encode();
    assert_eq!(AddCheckpoint::parse(body.as_bytes()).unwrap().encode(), body);
    let line = format!("{}\n", BASE64.encode([0; 32]));
    for broken in [
        "",
        "old 3",
        "old 3\n\n",
        &*body.replacen("old 3", "old 03", 1),
        &*body.replacen("old 3", "old +3", 1),
        &*body.replacen("old 3", "old -1", 1),
        &*body.replacen("old 3", "Old 3", 1),
        &*body.replacen("old 3\n", "old 3\r\n", 1),
        &*body.replacen("old 3", "old 18446744073709551616", 1),
        &*body.replacen("old 3\n", "old 3\nAAAA\n", 1),
        &*body.replacen("old 3\n", &format!("old 3\n{}", line.repeat(64)), 1),
    ] {
        let read = AddCheckpoint::parse(broken.as_bytes())
            .and_then(|request| request.judge(&[key().verifying_key().into()], None));
        assert!(read.is_err_and(|refused| refused.status() == 400), "{broken:?}");
    }
    // The proof from 3 to 9 has five lines (RFC 6962, 2.1.2); 63 is the most.
    let most = body.replacen("old 3\n", &format!("old 3\n{}", line.repeat(58)), 1);
    assert!(AddCheckpoint::parse(most.as_bytes()).is_ok());
    assert!(AddCheckpoint::parse(&vec![b'x'; REQUEST_BYTES_MAX + 1]).is_err());
    assert!(AddCheckpoint::parse(b"old 3\n\n\xff").is_err());
    assert_eq!((size("050"), size("50"), size("")), (None, Some(50), None));
    let hash = "dbe2e12fc4eb6b8ab0be2b73ac2d7e1d3b1c0f0b0e2d1ce8a9a5f4d0a2b0b6a1";
    assert_eq!(origin_hash(ORIGIN).len(), hash.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_only_grew_is_signed_and_what_was_rewritten_is_not(old in 1_u64..400, more in 0_u64..400, at: u64) {
        let (before, after) = (Log::of(0..old), Log::of(0..old + more));
        let stored = before.checkpoint();
        prop_assert_eq!(judged(&after.asks(old), Some(&stored)), Ok(after.checkpoint()));
        // One leaf under the stored checkpoint is another.
        let forged = Log::of((0..old + more).map(|leaf| if leaf == at % old { u64::MAX } else { leaf }));
        let refused = if more == 0 { Refused::Forked } else { Refused::Inconsistent };
        prop_assert_eq!(judged(&forged.asks(old), Some(&stored)), Err(refused));
        // Leaves are missing.
        if more > 0 {
            let stored = after.checkpoint();
            prop_assert_eq!(judged(&before.asks(old), Some(&stored)), Err(Refused::Conflict { stored: old + more }));
        }
    }

    #[test]
    fn hostile_bodies_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "(old [0-9]{1,3}\n)?([A-Za-z0-9+/=]{40,44}\n){0,4}\n?[a-z\n— ]{0,80}") {
        for body in [bytes.as_slice(), text.as_bytes()] {
            let judged = AddCheckpoint::parse(body).and_then(|request| request.judge(&[key().verifying_key().into()], None));
            prop_assert!(judged.is_err());
        }
    }
}
