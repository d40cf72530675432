//! Two checkpoints of one log: that the later tree is the earlier one with entries added (RFC 6962, 2.1.2).
//!
//! Takes two checkpoints that are believed already, and a path, or the published tiles from which it is computed; gives how many entries were added, of which
//! every one stands behind those of the earlier checkpoint. Refuses a later one with fewer entries, another root for the entries that both have, a path
//! that does not lead from one to the other, and tiles of another log. Of tiles it reads those on the way alone, so its cost does not grow with the log.
//!
//! What the entries say is not looked at: [`crate::exported::verify`] does that.
//!
//! ```
//! # use std::collections::BTreeMap;
//! # use shuguan_ledger::{checkpoint::Checkpoint, tree};
//! use shuguan_ledger::consistency::{self, Inconsistent};
//!
//! # let hashes = [tree::leaf_hash(b"a"), tree::leaf_hash(b"b"), tree::leaf_hash(b"c")];
//! # let mut edge = tree::Edge::empty();
//! # let [old, _, new] = hashes.map(|hash| { edge.append(hash); Checkpoint { origin: "log.example".into(), size: edge.size(), root: edge.root() } });
//! # let files = BTreeMap::from([("tile/0/000.p/3".to_owned(), hashes.concat())]);
//! // `files` may be a folder, as for `exported`; `old` is a checkpoint of one entry, `new` one of three.
//! let path = consistency::prove(&files, &old, &new)?;
//! assert_eq!(consistency::judge(&old, &new, &path)?, 2);
//!
//! let another = Checkpoint { root: hashes[1], ..old };
//! assert!(consistency::prove(&files, &another, &new).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::error::Error;

use crate::checkpoint::Checkpoint;
use crate::exported::{ExportFault, Files, TILE_BYTES, absent, form, read};
use crate::tile::{Content, Tile};
use crate::tree::{self, Hash, TILE_WIDTH, Tiles, consistency_path, consistency_roots, empty_root};

/// Why the later checkpoint is not proved to continue the earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistent {
    /// The later one is over fewer entries: an older copy, or the two were given the wrong way round.
    #[error("the second checkpoint has {new} entries, fewer than the {old} of the first")]
    Shorter {
        /// Entries under the first.
        old: u64,
        /// Entries under the second.
        new: u64,
    },
    /// Both trees were signed, and they differ where both have entries: nothing can be added to the first that gives the second. The two checkpoints prove it to
    /// anybody, with the path or the tiles.
    #[error(
        "two histories were signed: the first {size} entries under the second checkpoint are not those under the first"
    )]
    Forked {
        /// Entries under the first.
        size: u64,
    },
    /// The path proves nothing, which says nothing about the log.
    #[error("the proof does not lead from the first checkpoint to the second")]
    Path,
    /// The tiles are not those of the second checkpoint, which says nothing about the log.
    #[error("the tiles are not those of the second checkpoint: they lead to another root")]
    Tiles,
}

/// Why no proof could be made of published tiles.
#[derive(Debug, thiserror::Error)]
pub enum ConsistencyFault<E: Error + 'static> {
    /// A tile is not there, cannot be read, or has another form.
    #[error(transparent)]
    Tile(#[from] ExportFault<E>),
    /// They are all there.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistent),
}

/// Whether `path` proves that `new` continues `old`; gives how many entries were added. Names of logs are not compared: a tree may go on under another.
///
/// # Errors
/// [`Inconsistent`], but never [`Inconsistent::Tiles`].
pub fn judge(old: &Checkpoint, new: &Checkpoint, path: &[Hash]) -> Result<u64, Inconsistent> {
    let (size, forked) = (old.size, Inconsistent::Forked { size: old.size });
    let Some(added) = new.size.checked_sub(size) else {
        return Err(Inconsistent::Shorter {
            old: size,
            new: new.size,
        });
    };
    if added == 0 && old.root != new.root {
        return Err(forked);
    }
    if added == 0 || size == 0 {
        // Every tree continues the empty one, which has one root.
        return match (path, size == 0 && old.root != empty_root()) {
            ([], false) => Ok(added),
            ([], true) => Err(forked),
            _ => Err(Inconsistent::Path),
        };
    }
    match consistency_roots(size, new.size, path, &old.root) {
        Some((of_old, of_new)) if of_new == new.root && of_old == old.root => Ok(added),
        // The path is one of the second tree, and its first entries have another root.
        Some((_, of_new)) if of_new == new.root => Err(forked),
        _ => Err(Inconsistent::Path),
    }
}

/// The path from `old` to `new`, made of published tiles, and judged.
///
/// # Errors
/// [`ConsistencyFault`], but never [`Inconsistent::Path`]: tiles tell a fork from tiles of another log.
pub fn prove<F: Files>(files: &F, old: &Checkpoint, new: &Checkpoint) -> Result<Vec<Hash>, ConsistencyFault<F::Error>> {
    let tiles = Published { files, size: new.size };
    let path = consistency_path(&tiles, old.size, new.size)?;
    match judge(old, new, &path) {
        Ok(_) => Ok(path),
        // Of a whole subtree the path does not hold the root. It is a fork when the tiles have another and that one leads to the signed root; that the tiles lead
        // there some other way, over a higher level, would not be enough: then somebody's wrong tile would pass for a fork.
        Err(Inconsistent::Path) => {
            let found = tree::root(&tiles, old.size)?;
            let roots = consistency_roots(old.size, new.size, &path, &found);
            let forked = roots.is_some_and(|(_, of_new)| of_new == new.root);
            Err(if forked {
                Inconsistent::Forked { size: old.size }
            } else {
                Inconsistent::Tiles
            }
            .into())
        }
        Err(inconsistent) => Err(inconsistent.into()),
    }
}

/// The tiles that [`prove`] reads for trees of these sizes, as a log of `new` entries publishes them.
pub fn tiles(old: u64, new: u64) -> BTreeSet<Tile> {
    let named = Named {
        size: new,
        tiles: RefCell::default(),
    };
    match consistency_path(&named, old, new) {
        Ok(_) => named.tiles.into_inner(),
        Err(never) => match never {},
    }
}

/// The tile of a log of `size` entries in which this position of a row stands.
fn published(level: u8, position: u64, size: u64) -> Option<Tile> {
    let (content, index) = (Content::Hashes { level }, position / TILE_WIDTH);
    let partial = Tile::partial(content, size).filter(|partial| partial.index() == index);
    partial.or_else(|| Tile::new(content, index, TILE_WIDTH).ok())
}

/// Rows of published tiles.
struct Published<'f, F> {
    files: &'f F,
    size: u64,
}

impl<F: Files> Published<'_, F> {
    /// The first of a tile that is there and wide enough: as a log of this size has it, the full one, or as a longer or a shorter log had it.
    fn tile(&self, published: Tile, width_min: u64, leaf: u64) -> Result<(Tile, Vec<u8>), ExportFault<F::Error>> {
        let wide_enough = (width_min..=TILE_WIDTH).rev();
        let others = wide_enough.filter_map(|width| Tile::new(published.content(), published.index(), width).ok());
        for tile in std::iter::once(published).chain(others) {
            if let Some(bytes) = read(self.files, &tile.to_string(), leaf, TILE_BYTES)? {
                return Ok((tile, bytes));
            }
        }
        Err(absent(&published.to_string(), leaf))
    }
}

impl<F: Files> Tiles for Published<'_, F> {
    type Error = ExportFault<F::Error>;

    fn row(&self, level: u8, start: u64, width: u64) -> Result<Vec<Hash>, Self::Error> {
        let leaf = start
            .checked_shl(u32::from(level).saturating_mul(8))
            .unwrap_or(u64::MAX);
        let Some(published) = published(level, start, self.size) else {
            return Ok(Vec::new());
        };
        let before = start % TILE_WIDTH;
        let (tile, bytes) = self.tile(published, before.saturating_add(width), leaf)?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        if u64::try_from(hashes.len()) != Ok(tile.width()) || !rest.is_empty() {
            let what = format!(
                "it has {} bytes, which are not the hashes that it should hold",
                bytes.len()
            );
            return Err(form(&tile.to_string(), what, leaf));
        }
        let [before, width] = [before, width].map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        Ok(hashes.iter().skip(before).take(width).copied().collect())
    }
}

/// Notes which tiles are asked for.
struct Named {
    size: u64,
    tiles: RefCell<BTreeSet<Tile>>,
}

impl Tiles for Named {
    type Error = Infallible;

    fn row(&self, level: u8, start: u64, width: u64) -> Result<Vec<Hash>, Infallible> {
        self.tiles.borrow_mut().extend(published(level, start, self.size));
        // What the hashes are does not decide which ones are asked for next.
        Ok((0..width).map(|_| empty_root()).collect())
    }
}

#[cfg(test)]
mod tests;
