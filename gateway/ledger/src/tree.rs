//! The Merkle tree of RFC 6962 (SHA-256), kept as C2SP tlog-tiles.
//!
//! Takes leaf hashes; gives roots, inclusion and consistency proofs, and checks them. Refuses (returns `false`) every proof that does not
//! lead to the root, has the wrong length, or names an index outside the tree.

use ring::digest::{Context, SHA256, digest};

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// Width of a full tile: 256 hashes (C2SP tlog-tiles, height 8).
pub const TILE_WIDTH: u64 = 256;

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Hash of a leaf: SHA-256(0x00 ‖ bytes) (RFC 6962, 2.1).
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    sha256(&[&[0], bytes])
}

/// Hash of an inner node: SHA-256(0x01 ‖ left ‖ right) (RFC 6962, 2.1).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// Root of the empty tree: SHA-256 of nothing (RFC 6962, 2.1).
pub fn empty_root() -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, b"").as_ref());
    hash
}

/// One hash of a tile: entry `position` of the row at `level`, the root of `256^level` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileEntry {
    /// Tile level: 0 holds leaf hashes, 1 roots of 256 leaves, and so on.
    pub level: u8,
    /// Position in the whole row, not in the tile: tile `position / 256`, place `position % 256`.
    pub position: u64,
    /// The hash.
    pub hash: Hash,
}

/// The right edge of a growing tree: the roots of its perfect subtrees, largest first.
///
/// Holds at most 64 hashes whatever the size, so appending costs memory and time independent of it (amortised two hashes a leaf).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    roots: Vec<Hash>,
}

impl Edge {
    /// The edge of the empty tree.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf; gives the tile entries that became complete by it, lowest level first.
    pub fn append(&mut self, leaf: Hash) -> Vec<TileEntry> {
        let mut hash = leaf;
        let mut complete = vec![TileEntry {
            level: 0,
            position: self.size,
            hash,
        }];
        // Each trailing one bit of the old size is a perfect subtree that the new leaf completes into the next.
        for height in 1..=self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                hash = node_hash(&left, &hash);
            }
            if height.is_multiple_of(8) {
                complete.push(TileEntry {
                    level: level_of(height),
                    position: self.size.checked_shr(height).unwrap_or(0),
                    hash,
                });
            }
        }
        self.roots.push(hash);
        self.size = self.size.saturating_add(1);
        complete
    }

    /// Root of the tree as it is now.
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(smallest) = roots.next() else {
            return empty_root();
        };
        roots.fold(*smallest, |right, left| node_hash(left, &right))
    }

    /// For storage: size as u64 LE, then the roots.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.size.to_le_bytes().to_vec();
        for root in &self.roots {
            bytes.extend_from_slice(root);
        }
        bytes
    }

    /// From storage; `None` unless the number of roots fits the size.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (size, roots) = bytes.split_first_chunk::<8>()?;
        let size = u64::from_le_bytes(*size);
        let (roots, rest) = roots.as_chunks::<32>();
        let complete = rest.is_empty() && roots.len() == usize::try_from(size.count_ones()).ok()?;
        complete.then(|| Self {
            size,
            roots: roots.to_vec(),
        })
    }
}

/// Where tile hashes are read from.
pub trait Tiles {
    /// Why a read failed.
    type Error;

    /// The root of the perfect subtree of `2^height` leaves that begins at leaf `index << height`, if the store holds it ready made.
    ///
    /// A store that caches inner nodes answers here; the default knows none, and [`Tiles::row`] is asked.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn node(&self, _height: u32, _index: u64) -> Result<Option<Hash>, Self::Error> {
        Ok(None)
    }

    /// Exactly `width` (1 to 256) hashes of the row at `level`, from position `start` of the whole row; never across a tile's border.
    ///
    /// The tile is `start / 256`. A row of another width leads to a proof that does not verify.
    ///
    /// # Errors
    /// When the store cannot be read, or does not hold them.
    fn row(&self, level: u8, start: u64, width: u64) -> Result<Vec<Hash>, Self::Error>;
}

/// Root of the perfect subtree of `2^height` leaves beginning at leaf `index << height`.
fn perfect<T: Tiles>(tiles: &T, height: u32, index: u64) -> Result<Hash, T::Error> {
    if let Some(hash) = tiles.node(height, index)? {
        return Ok(hash);
    }
    // The nearest stored row below or at this height, and how many of its entries lie under this node (at most 128).
    let inner = height % 8;
    let mut row = tiles.row(level_of(height), index << inner, 1 << inner)?;
    while row.len() > 1 {
        row = parents(&row);
    }
    Ok(row.first().copied().unwrap_or_else(empty_root))
}

/// The row above: each pair joined, a last single one left out.
fn parents(row: &[Hash]) -> Vec<Hash> {
    let pairs = row.as_chunks::<2>().0.iter();
    pairs.map(|[left, right]| node_hash(left, right)).collect()
}

/// Tile level of the nodes of a height, which is at most 64.
fn level_of(height: u32) -> u8 {
    u8::try_from(height / 8).unwrap_or(u8::MAX)
}

/// Root of the leaves `start..end`, where `start` is a multiple of the largest power of two below the width.
fn subtree<T: Tiles>(tiles: &T, start: u64, end: u64) -> Result<Hash, T::Error> {
    let width = end - start;
    if width.is_power_of_two() {
        let height = width.trailing_zeros();
        return perfect(tiles, height, start >> height);
    }
    let split = split_point(width);
    let left = subtree(tiles, start, start + split)?;
    let right = subtree(tiles, start + split, end)?;
    Ok(node_hash(&left, &right))
}

/// The largest power of two smaller than `width` (which is at least 2).
fn split_point(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

/// Root of the first `size` leaves.
///
/// # Errors
/// When the tiles cannot be read.
pub fn root<T: Tiles>(tiles: &T, size: u64) -> Result<Hash, T::Error> {
    if size == 0 {
        return Ok(empty_root());
    }
    subtree(tiles, 0, size)
}

/// The audit path of leaf `index` in the tree of the first `size` leaves, sibling of the leaf first (RFC 6962, 2.1.1).
///
/// Empty when `index` is outside the tree.
///
/// # Errors
/// When the tiles cannot be read.
pub fn inclusion_path<T: Tiles>(tiles: &T, index: u64, size: u64) -> Result<Vec<Hash>, T::Error> {
    let mut path = Vec::new();
    if index >= size {
        return Ok(path);
    }
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split_point(end - start);
        if index < middle {
            path.push(subtree(tiles, middle, end)?);
            end = middle;
        } else {
            path.push(subtree(tiles, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `old` leaves is a prefix of the tree of `new` leaves (RFC 6962, 2.1.2).
///
/// Empty when `old` is 0, equal to `new`, or larger.
///
/// # Errors
/// When the tiles cannot be read.
pub fn consistency_path<T: Tiles>(tiles: &T, old: u64, new: u64) -> Result<Vec<Hash>, T::Error> {
    let mut path = Vec::new();
    if old == 0 || old >= new {
        return Ok(path);
    }
    let (mut start, mut end) = (0, new);
    let mut whole = true;
    while old != end {
        let middle = start + split_point(end - start);
        if old <= middle {
            path.push(subtree(tiles, middle, end)?);
            end = middle;
        } else {
            path.push(subtree(tiles, start, middle)?);
            start = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(subtree(tiles, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// Whether `path` leads from the leaf to the root (RFC 9162, 2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `path` proves that the tree of `old` leaves is a prefix of the tree of `new` leaves (RFC 9162, 2.1.4.2).
///
/// Of the empty tree there is nothing to prove: `false`.
pub fn verify_consistency(old: u64, new: u64, path: &[Hash], old_root: &Hash, new_root: &Hash) -> bool {
    if old == new {
        return old > 0 && path.is_empty() && old_root == new_root;
    }
    consistency_roots(old, new, path, old_root) == Some((*old_root, *new_root))
}

/// The roots of both trees that a path between them leads to; none when it has another length, and of trees without anything between them.
///
/// When the second is that of the larger tree, the path is one of that tree, and the first is the root of its first `old` leaves: another than was signed
/// proves a fork. Of a whole subtree (`old` a power of two) the path does not hold the root, so `old_root` is taken, and a fork leads to another second one.
pub fn consistency_roots(old: u64, new: u64, path: &[Hash], old_root: &Hash) -> Option<(Hash, Hash)> {
    if old == 0 || old >= new {
        return None;
    }
    let mut path = path.iter();
    let first = if old.is_power_of_two() { old_root } else { path.next()? };
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some((old_hash, new_hash))
}

#[cfg(test)]
mod tests;
