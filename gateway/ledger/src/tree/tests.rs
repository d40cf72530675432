#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::convert::Infallible;

use super::*;

/// Sizes up to here are tried with every index and every older size; they cross the first tile.
const SMALL: u64 = 300;

/// The definition of the root, word for word (RFC 6962, 2.1).
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            node_hash(&naive_root(&leaves[..split]), &naive_root(&leaves[split..]))
        }
    }
}

/// The definition of the audit path, word for word (RFC 6962, 2.1.1).
fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    if index < left.len() {
        [naive_path(index, left), vec![naive_root(right)]].concat()
    } else {
        [naive_path(index - left.len(), right), vec![naive_root(left)]].concat()
    }
}

/// The definition of the consistency proof, word for word (RFC 6962, 2.1.2, SUBPROOF).
fn naive_consistency(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    if old <= left.len() {
        [naive_consistency(old, left, whole), vec![naive_root(right)]].concat()
    } else {
        [
            naive_consistency(old - left.len(), right, false),
            vec![naive_root(left)],
        ]
        .concat()
    }
}

#[test]
fn paths_and_consistency_proofs_follow_the_definition() {
    let (leaves, _, rows) = tree(SMALL);
    for size in (1..=SMALL).filter(|size| size % 29 == 0 || size.abs_diff(256) < 3 || *size < 34) {
        let these = &leaves[..usize::try_from(size).unwrap()];
        for at in 0..these.len() {
            let index = at as u64;
            assert_eq!(inclusion_path(&rows, index, size).unwrap(), naive_path(at, these));
            if at > 0 {
                assert_eq!(
                    consistency_path(&rows, index, size).unwrap(),
                    naive_consistency(at, these, true)
                );
            }
        }
    }
}

/// Rows of a tree kept in memory.
#[derive(Default)]
struct Rows(Vec<Vec<Hash>>);

impl Rows {
    fn put(&mut self, entry: TileEntry) {
        let level = usize::from(entry.level);
        if self.0.len() <= level {
            self.0.push(Vec::new());
        }
        assert_eq!(self.0[level].len() as u64, entry.position);
        self.0[level].push(entry.hash);
    }
}

impl Tiles for Rows {
    type Error = Infallible;

    fn row(&self, level: u8, start: u64, width: u64) -> Result<Vec<Hash>, Infallible> {
        let start = usize::try_from(start).unwrap();
        let end = start + usize::try_from(width).unwrap();
        Ok(self.0[usize::from(level)][start..end].to_vec())
    }
}

fn tree(size: u64) -> (Vec<Hash>, Edge, Rows) {
    let leaves: Vec<Hash> = (0..size).map(|i| leaf_hash(&i.to_le_bytes())).collect();
    let (mut edge, mut rows) = (Edge::empty(), Rows::default());
    for leaf in &leaves {
        for entry in edge.append(*leaf) {
            rows.put(entry);
        }
    }
    (leaves, edge, rows)
}

#[test]
fn roots_of_all_small_sizes_follow_the_definition() {
    let (leaves, _, rows) = tree(300);
    let mut edge = Edge::empty();
    for size in 0..300_usize {
        assert_eq!(edge.root(), naive_root(&leaves[..size]));
        assert_eq!(root(&rows, size as u64).unwrap(), edge.root());
        assert_eq!(Edge::decode(&edge.encode()).unwrap(), edge);
        edge.append(leaves[size]);
    }
}

#[test]
fn every_leaf_of_every_small_tree_is_proved_and_no_other() {
    let (leaves, _, rows) = tree(SMALL);
    for size in 1..=SMALL {
        let head = root(&rows, size).unwrap();
        for index in 0..size {
            let path = inclusion_path(&rows, index, size).unwrap();
            let leaf = &leaves[usize::try_from(index).unwrap()];
            assert!(verify_inclusion(leaf, index, size, &path, &head));
            if size > 70 && index != size / 2 {
                continue;
            }
            assert!(!verify_inclusion(leaf, index + 1, size, &path, &head));
            assert!(!verify_inclusion(&empty_root(), index, size, &path, &head));
            assert!(!verify_inclusion(
                leaf,
                index,
                size,
                &[&path[..], &[head]].concat(),
                &head
            ));
            if let Some((_, shorter)) = path.split_last() {
                assert!(!verify_inclusion(leaf, index, size, shorter, &head));
            }
        }
    }
}

#[test]
fn every_pair_of_small_trees_is_consistent_and_no_forged_one() {
    let (_, _, rows) = tree(SMALL);
    let roots: Vec<Hash> = (0..=SMALL).map(|size| root(&rows, size).unwrap()).collect();
    for new in 1..=SMALL {
        let new_root = roots[usize::try_from(new).unwrap()];
        assert!(!verify_consistency(0, new, &[], &empty_root(), &new_root));
        for old in 1..=new {
            let old_root = roots[usize::try_from(old).unwrap()];
            let path = consistency_path(&rows, old, new).unwrap();
            assert!(verify_consistency(old, new, &path, &old_root, &new_root), "{old} {new}");
            if new > 70 && old != new / 2 {
                continue;
            }
            assert!(
                !verify_consistency(old, new, &path, &leaf_hash(b"forged"), &new_root),
                "{old} {new}"
            );
            assert!(!verify_consistency(old, new, &path, &old_root, &leaf_hash(b"forged")));
            assert!(!verify_consistency(new + 1, new, &path, &old_root, &new_root));
        }
    }
}

#[test]
fn proofs_span_tiles() {
    let (leaves, edge, rows) = tree(70_000);
    assert_eq!(rows.0.len(), 3, "70,000 leaves reach the row of 65,536");
    assert_eq!(edge.root(), naive_root(&leaves));
    for index in [0, 255, 256, 65_535, 65_536, 69_999] {
        let path = inclusion_path(&rows, index, 70_000).unwrap();
        assert!(verify_inclusion(
            &leaves[usize::try_from(index).unwrap()],
            index,
            70_000,
            &path,
            &edge.root()
        ));
    }
    let path = consistency_path(&rows, 65_537, 70_000).unwrap();
    assert!(verify_consistency(
        65_537,
        70_000,
        &path,
        &naive_root(&leaves[..65_537]),
        &edge.root()
    ));
}

#[test]
fn a_stored_edge_whose_roots_do_not_fit_its_size_is_refused() {
    let (_, edge, _) = tree(7);
    let bytes = edge.encode();
    assert_eq!(Edge::decode(&bytes[..bytes.len() - 32]), None);
    assert_eq!(Edge::decode(&bytes[..5]), None);
}
