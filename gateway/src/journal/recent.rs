//! The newest inner nodes of the tree in memory, so that a receipt costs no hashing and no read.
//!
//! Takes leaf hashes in order; serves audit paths of the newest 4,096 leaves and more. A node that is no longer held is not an error of the
//! tree: older receipts are computed from the database.
//! Memory: below 2 MiB whatever the size of the log.

use std::collections::VecDeque;

use shuguan_ledger::tree::{Hash, Tiles, node_hash};

/// Perfect subtrees by height, newest ones only.
#[derive(Debug, Default)]
pub(super) struct RecentNodes {
    rows: Vec<Row>,
    size: u64,
}

#[derive(Debug, Default)]
struct Row {
    /// Index of the first node held.
    first: u64,
    nodes: VecDeque<Hash>,
}

/// The node is older than what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotHeld;

impl RecentNodes {
    /// Begins at `size` leaves with the roots of its perfect subtrees, which `root` finds by height and index.
    pub(super) fn load<E>(size: u64, mut root: impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Self, E> {
        let mut recent = Self { rows: Vec::new(), size };
        for height in 0..u64::BITS - size.leading_zeros() {
            let index = size >> height;
            let mut row = Row {
                first: index,
                nodes: VecDeque::new(),
            };
            if index & 1 == 1 {
                row.first = index - 1;
                row.nodes.push_back(root(height, index - 1)?);
            }
            recent.rows.push(row);
        }
        Ok(recent)
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf and every node that it completes.
    pub(super) fn append(&mut self, leaf: Hash) {
        let mut hash = leaf;
        let mut height = 0_usize;
        loop {
            if self.rows.len() <= height {
                self.rows.push(Row::default());
            }
            let Some(row) = self.rows.get_mut(height) else { break };
            let left = row.nodes.back().copied();
            let place = row.next();
            row.push(hash, kept(height));
            match left {
                Some(left) if place & 1 == 1 => hash = node_hash(&left, &hash),
                _ => break,
            }
            height += 1;
        }
        self.size += 1;
    }
}

impl Row {
    fn next(&self) -> u64 {
        self.first + u64::try_from(self.nodes.len()).unwrap_or(u64::MAX)
    }

    fn push(&mut self, hash: Hash, kept: usize) {
        self.nodes.push_back(hash);
        while self.nodes.len() > kept {
            self.nodes.pop_front();
            self.first += 1;
        }
    }
}

/// Twice the largest group and some, halving with each height: the sibling of every node above the newest group is among them.
fn kept(height: usize) -> usize {
    (8_192_usize
        .checked_shr(u32::try_from(height).unwrap_or(u32::MAX))
        .unwrap_or(0))
        + 4
}

impl Tiles for RecentNodes {
    type Error = NotHeld;

    fn node(&self, height: u32, index: u64) -> Result<Option<Hash>, NotHeld> {
        let row = usize::try_from(height).ok().and_then(|height| self.rows.get(height));
        let row = row.ok_or(NotHeld)?;
        let place = index
            .checked_sub(row.first)
            .and_then(|place| usize::try_from(place).ok());
        let hash = place.and_then(|place| row.nodes.get(place));
        hash.map(|hash| Some(*hash)).ok_or(NotHeld)
    }

    fn row(&self, _level: u8, _start: u64, _width: u64) -> Result<Vec<Hash>, NotHeld> {
        Err(NotHeld)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use shuguan_ledger::tree::{Edge, inclusion_path, leaf_hash, root, verify_inclusion};

    use super::RecentNodes;

    #[test]
    fn paths_of_the_newest_leaves_lead_to_the_root_at_every_size() {
        let mut recent = RecentNodes::default();
        let mut edge = Edge::empty();
        for size in 1..700_u64 {
            let leaf = leaf_hash(&size.to_le_bytes());
            recent.append(leaf);
            edge.append(leaf);
            assert_eq!(root(&recent, size).unwrap(), edge.root());
            for index in size.saturating_sub(5)..size {
                let path = inclusion_path(&recent, index, size).unwrap();
                let leaf = leaf_hash(&(index + 1).to_le_bytes());
                assert!(verify_inclusion(&leaf, index, size, &path, &edge.root()));
            }
        }
    }

    #[test]
    fn a_whole_group_is_held_and_older_leaves_are_not() {
        let mut recent = RecentNodes::default();
        for leaf in 0..30_000_u64 {
            recent.append(leaf_hash(&leaf.to_le_bytes()));
        }
        for index in (30_000 - 4_096)..30_000 {
            assert!(inclusion_path(&recent, index, 30_000).is_ok(), "{index}");
        }
        assert!(inclusion_path(&recent, 1, 30_000).is_err());
    }

    #[test]
    fn it_goes_on_from_the_roots_of_an_earlier_size() {
        let mut whole = RecentNodes::default();
        for leaf in 0..1_792_u64 {
            whole.append(leaf_hash(&leaf.to_le_bytes()));
        }
        let nodes = |height, index| shuguan_ledger::tree::Tiles::node(&whole, height, index).map(Option::unwrap);
        let mut later = RecentNodes::load(1_792, nodes).unwrap();
        let mut edge = Edge::empty();
        (0..1_792_u64).for_each(|leaf| drop(edge.append(leaf_hash(&leaf.to_le_bytes()))));
        for leaf in 1_792..3_000_u64 {
            later.append(leaf_hash(&leaf.to_le_bytes()));
            edge.append(leaf_hash(&leaf.to_le_bytes()));
            assert_eq!(root(&later, leaf + 1).unwrap(), edge.root());
        }
    }
}
