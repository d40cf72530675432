#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;

use super::*;
use crate::tile::OpenTiles;
use crate::tree::{Edge, leaf_hash};

type Published = BTreeMap<String, Vec<u8>>;

/// A log that grew in one way, as checkpoints of every size, and its tiles.
struct Log {
    checkpoints: Vec<Checkpoint>,
    hashes: Vec<Hash>,
}

impl Log {
    /// `differs`: the index of a leaf that is another than in `Log::new(size, None)`.
    fn new(size: u64, differs: Option<u64>) -> Self {
        let mut edge = Edge::empty();
        let at = |edge: &Edge| Checkpoint {
            origin: "log.example".into(),
            size: edge.size(),
            root: edge.root(),
        };
        let mut log = Self {
            checkpoints: vec![at(&edge)],
            hashes: Vec::new(),
        };
        for index in 0..size {
            let text = format!("{index}{}", if differs == Some(index) { "!" } else { "" });
            let hash = leaf_hash(text.as_bytes());
            edge.append(hash);
            log.hashes.push(hash);
            log.checkpoints.push(at(&edge));
        }
        log
    }

    fn at(&self, size: usize) -> &Checkpoint {
        &self.checkpoints[size]
    }

    fn tiles(&self, size: usize) -> Published {
        let (mut edge, mut open, mut files) = (Edge::empty(), OpenTiles::default(), Published::new());
        for hash in &self.hashes[..size] {
            for entry in edge.append(*hash) {
                if let Some(full) = open.add(&entry) {
                    files.insert(full.tile.to_string(), full.hashes.as_flattened().to_vec());
                }
            }
        }
        for partial in open.partial(edge.size()) {
            files.insert(partial.tile.to_string(), partial.hashes.as_flattened().to_vec());
        }
        files
    }
}

/// Sizes about which something is particular.
const SIZES: [usize; 14] = [0, 1, 2, 3, 7, 128, 255, 256, 257, 300, 511, 512, 513, 600];

fn refused(found: Result<Vec<Hash>, ConsistencyFault<Infallible>>) -> Inconsistent {
    match found {
        Err(ConsistencyFault::Inconsistent(inconsistent)) => inconsistent,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn what_was_only_added_to_is_proved_from_the_tiles_of_that_size_or_of_a_later_one_and_from_the_named_ones_alone() {
    let log = Log::new(600, None);
    for new in SIZES {
        let (own, later) = (log.tiles(new), log.tiles(600));
        for old in SIZES.into_iter().filter(|old| *old <= new) {
            let (before, after) = (log.at(old), log.at(new));
            let path = prove(&own, before, after).unwrap();
            assert_eq!(prove(&later, before, after).unwrap(), path, "{old} {new}");
            assert_eq!(judge(before, after, &path), Ok(after.size - before.size), "{old} {new}");
            let named = tiles(before.size, after.size);
            let named: Published = named
                .iter()
                .map(|tile| (tile.to_string(), own[&tile.to_string()].clone()))
                .collect();
            assert_eq!(prove(&named, before, after).unwrap(), path, "{old} {new}");
            for missing in named.keys() {
                let mut less = named.clone();
                less.remove(missing);
                let fault = prove(&less, before, after).unwrap_err().to_string();
                assert_eq!(fault, format!("`{missing}` is missing"), "{old} {new}");
            }
        }
    }
}

#[test]
fn a_changed_entry_is_a_fork_wherever_it_stands_and_whoever_has_the_true_tiles_sees_it() {
    let log = Log::new(600, None);
    for (old, differs) in [
        (1, 0),
        (3, 0),
        (3, 2),
        (256, 7),
        (257, 256),
        (300, 299),
        (511, 0),
        (600, 599),
    ] {
        let other = Log::new(600, Some(differs));
        for new in SIZES.into_iter().filter(|new| *new >= old) {
            let (before, after) = (other.at(old), log.at(new));
            let forked = Inconsistent::Forked { size: before.size };
            assert_eq!(refused(prove(&log.tiles(new), before, after)), forked, "{old} {new}");
            // By the path alone a fork is seen unless the older tree is one whole subtree, of which no hash stands in the path.
            let path = consistency_path(
                &super::Published {
                    files: &log.tiles(new),
                    size: after.size,
                },
                before.size,
                after.size,
            );
            let seen = if old == new || !before.size.is_power_of_two() {
                forked
            } else {
                Inconsistent::Path
            };
            assert_eq!(judge(before, after, &path.unwrap()), Err(seen), "{old} {new}");
        }
    }
}

#[test]
fn what_proves_nothing_is_not_called_a_fork() {
    let (log, other) = (Log::new(600, None), Log::new(600, Some(0)));
    let (old, new) = (log.at(300), log.at(600));
    assert_eq!(refused(prove(&other.tiles(600), old, new)), Inconsistent::Tiles);
    let path = prove(&log.tiles(600), old, new).unwrap();
    for changed in [
        path[1..].to_vec(),
        [&path[..], &path[..1]].concat(),
        path.iter().rev().copied().collect(),
        Vec::new(),
    ] {
        assert_eq!(judge(old, new, &changed), Err(Inconsistent::Path), "{changed:?}");
    }
    for (place, byte) in (0..path.len()).zip([0, 1, 31, 17].into_iter().cycle()) {
        let mut changed = path.clone();
        changed[place][byte] ^= 0x20;
        assert_eq!(judge(old, new, &changed), Err(Inconsistent::Path), "{place}");
    }
    // Nothing lies between a tree and itself, nor before the empty one.
    assert_eq!(judge(new, new, &path), Err(Inconsistent::Path));
    assert_eq!(judge(log.at(0), new, &path), Err(Inconsistent::Path));
}

/// Whoever serves a wrong tile must not make the log look forked; nor is a wrong tile beside the way looked at.
#[test]
fn no_bit_of_a_tile_that_was_changed_passes_for_a_fork() {
    let log = Log::new(600, None);
    let files = log.tiles(600);
    for old in SIZES.into_iter().filter(|old| (1..600).contains(old)) {
        let (mut seen, mut unread) = (0, 0);
        for (path, hashes) in files.iter().map(|(path, bytes)| (path, bytes.len() / 32)) {
            for place in 0..hashes {
                let mut changed = files.clone();
                changed.get_mut(path).unwrap()[place * 32 + place % 32] ^= 1;
                match prove(&changed, log.at(old), log.at(600)) {
                    Ok(_) => unread += 1,
                    Err(ConsistencyFault::Inconsistent(Inconsistent::Tiles)) => seen += 1,
                    other => unreachable!("{old} {path} {place}: {other:?}"),
                }
            }
        }
        assert!(seen > 0 && unread > 0, "{old}");
    }
}

#[test]
fn fewer_entries_continue_nothing_and_the_empty_log_has_one_root() {
    let log = Log::new(600, None);
    let shorter = Inconsistent::Shorter { old: 600, new: 599 };
    assert_eq!(judge(log.at(600), log.at(599), &[]), Err(shorter));
    assert_eq!(refused(prove(&log.tiles(600), log.at(600), log.at(599))), shorter);
    let mut empty = log.at(0).clone();
    assert_eq!(judge(&empty, log.at(7), &[]), Ok(7));
    empty.root = [0; 32];
    assert_eq!(judge(&empty, log.at(7), &[]), Err(Inconsistent::Forked { size: 0 }));
}

#[test]
fn a_tile_of_another_length_is_named() {
    let log = Log::new(600, None);
    for wrong in [31, 33, 256 * 32 - 32, 256 * 32 + 1] {
        let mut files = log.tiles(600);
        files.get_mut("tile/0/001").unwrap().resize(wrong, 0);
        let fault = prove(&files, log.at(300), log.at(600)).unwrap_err().to_string();
        assert!(fault.starts_with("`tile/0/001`: it "), "{fault}");
    }
}
