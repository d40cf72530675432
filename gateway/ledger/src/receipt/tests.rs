#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::leaf::{Event, StopEvent};
use crate::note::{NoteError, SigningKey};
use crate::tree::{Edge, node_hash};

fn key() -> SigningKey {
    SigningKey::from_seed("gw1.lyg.example/log", &[7; 32]).unwrap()
}

fn trust() -> Trust {
    Trust::in_log(key().verifying_key())
}

fn leaf(reason: &str) -> Vec<u8> {
    let reason = reason.into();
    let event = Event::Stop(StopEvent { reason });
    Leaf::new(1, "gw1", "7f3a", event).encode().unwrap()
}

/// The receipt of the third of three leaves.
fn receipt() -> Receipt {
    let leaves = [leaf("a"), leaf("b"), leaf("c")];
    let mut edge = Edge::empty();
    for bytes in &leaves {
        edge.append(leaf_hash(bytes));
    }
    let origin = key().name().to_owned();
    let checkpoint = Checkpoint {
        origin,
        size: 3,
        root: edge.root(),
    };
    Receipt {
        leaf: leaves[2].clone(),
        index: 2,
        path: vec![node_hash(&leaf_hash(&leaves[0]), &leaf_hash(&leaves[1]))],
        checkpoint: key().sign(&checkpoint.text()).unwrap(),
    }
}

fn verify(text: &str) -> Result<Proven, ReceiptError> {
    Receipt::parse(text)?.verify(&trust())
}

#[test]
fn a_receipt_is_read_back_and_proves_its_leaf() {
    let text = receipt().encode();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra "));
    assert_eq!(Receipt::parse(&text).unwrap(), receipt());
    let proven = verify(&text).unwrap();
    assert_eq!((proven.index, proven.checkpoint.size), (2, 3));
    assert_eq!(proven.leaf, Leaf::decode(&leaf("c")).unwrap());
}

#[test]
fn no_changed_bit_of_a_receipt_is_proven() {
    let bytes = receipt().encode().into_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(text) = String::from_utf8(changed) {
            assert!(verify(&text).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn no_removed_or_doubled_byte_of_a_receipt_is_proven() {
    let text = receipt().encode();
    for (at, character) in text.char_indices() {
        let (head, tail) = text.split_at(at);
        assert!(verify(&format!("{head}{character}{tail}")).is_err(), "doubled {at}");
        let rest = tail.strip_prefix(character).unwrap();
        assert!(verify(&format!("{head}{rest}")).is_err(), "removed {at}");
        assert!(verify(head).is_err(), "cut at {at}");
    }
}

#[test]
fn a_leaf_of_another_place_or_a_stranger_s_log_is_not_proven() {
    for changed in [
        Receipt {
            leaf: leaf("b"),
            ..receipt()
        },
        Receipt { index: 1, ..receipt() },
        Receipt { index: 3, ..receipt() },
        Receipt {
            path: vec![],
            ..receipt()
        },
        Receipt {
            path: [receipt().path, receipt().path].concat(),
            ..receipt()
        },
    ] {
        assert!(matches!(verify(&changed.encode()), Err(ReceiptError::Path)));
    }
    let stranger = SigningKey::from_seed("gw1.lyg.example/log", &[8; 32]).unwrap();
    let fault = receipt().verify(&Trust::in_log(stranger.verifying_key()));
    let unsigned = Untrusted::Signature(NoteError::NoKnownSignature);
    assert!(matches!(fault, Err(ReceiptError::Checkpoint(found)) if found == unsigned));
}

#[test]
fn a_leaf_that_is_not_canonical_is_not_proven_even_under_a_valid_path() {
    let bytes = [leaf("a"), b" ".to_vec()].concat();
    let mut edge = Edge::empty();
    edge.append(leaf_hash(&bytes));
    let origin = key().name().to_owned();
    let checkpoint = Checkpoint {
        origin,
        size: 1,
        root: edge.root(),
    };
    let checkpoint = key().sign(&checkpoint.text()).unwrap();
    let receipt = Receipt {
        leaf: bytes,
        index: 0,
        path: vec![],
        checkpoint,
    };
    assert!(matches!(verify(&receipt.encode()), Err(ReceiptError::Leaf(_))));
}
