//! Tiles and entry bundles (C2SP tlog-tiles): which there are, and under which path each is found.
//!
//! Takes a path; gives its coordinates, and back. Refuses every spelling but one: leading zeros, a missing `x`, an empty or a full width after `.p`,
//! a level above 63.
//!
//! ```
//! use shuguan_ledger::tile::Tile;
//!
//! let tile: Tile = "tile/0/x001/x234/067.p/8".parse()?;
//! assert_eq!((tile.level(), tile.index(), tile.width()), (0, 1_234_067, 8));
//! assert_eq!(tile.leaves_min(), Some(1_234_067 * 256 + 8));
//! assert!("tile/0/1234067.p/8".parse::<Tile>().is_err());
//!
//! // What a log of 257 entries consists of beside its checkpoint.
//! let paths: Vec<String> = Tile::all(257).map(|tile| tile.to_string()).collect();
//! let wanted = ["tile/entries/000", "tile/entries/001.p/1", "tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"];
//! assert_eq!(paths, wanted);
//! # Ok::<(), shuguan_ledger::tile::NotATile>(())
//! ```

use std::fmt;
use std::str::FromStr;

use crate::tree::{Hash, TILE_WIDTH, TileEntry};

/// Highest level that a path may name.
const LEVEL_MAX: u8 = 63;
/// Highest index of a tile: its last position still fits 64 bits.
const INDEX_MAX: u64 = u64::MAX / TILE_WIDTH;

/// What stands in a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    /// Leaf hashes at level 0; at level L the roots of 256^L leaves. 32 bytes each.
    Hashes {
        /// 0 to 63; a log of less than 2^64 leaves has none above 7.
        level: u8,
    },
    /// The leaves themselves, each behind its length.
    Entries,
}

/// Coordinates of a tile or an entry bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    content: Content,
    index: u64,
    /// 1 to 256.
    width: u16,
}

/// The text is not the path of a tile, or not its one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile or an entry bundle")]
pub struct NotATile;

impl Tile {
    /// The hash tile or bundle number `index` of its row, `width` wide.
    ///
    /// # Errors
    /// [`NotATile`] for a width of 0 or above 256, a level above 63, an index above 2^56 − 1.
    pub fn new(content: Content, index: u64, width: u64) -> Result<Self, NotATile> {
        let level_fits = !matches!(content, Content::Hashes { level } if level > LEVEL_MAX);
        match u16::try_from(width) {
            Ok(width @ 1..=256) if index <= INDEX_MAX && level_fits => Ok(Self { content, index, width }),
            _ => Err(NotATile),
        }
    }

    /// What stands in it.
    pub fn content(self) -> Content {
        self.content
    }

    /// Its level; bundles stand beside level 0.
    pub fn level(self) -> u8 {
        match self.content {
            Content::Hashes { level } => level,
            Content::Entries => 0,
        }
    }

    /// Its number in its row.
    pub fn index(self) -> u64 {
        self.index
    }

    /// Hashes or entries in it, 1 to 256.
    pub fn width(self) -> u64 {
        u64::from(self.width)
    }

    /// Whether it is 256 wide. Such a tile never changes and is there for ever; a narrower one may be gone once the full one is there.
    pub fn is_full(self) -> bool {
        self.width() == TILE_WIDTH
    }

    /// The full tile in its place.
    #[must_use]
    pub fn full(self) -> Self {
        Self { width: 256, ..self }
    }

    /// Position of its first hash or entry in the whole row.
    pub fn first(self) -> u64 {
        self.index.saturating_mul(TILE_WIDTH)
    }

    /// Fewest leaves that a log with this tile has; none when that is above 2^64 − 1.
    pub fn leaves_min(self) -> Option<u64> {
        let end = self.first().checked_add(self.width())?;
        let span = 1_u64.checked_shl(u32::from(self.level()) * 8)?;
        end.checked_mul(span)
    }

    /// Whether a log of `size` leaves has it.
    pub fn is_within(self, size: u64) -> bool {
        self.leaves_min().is_some_and(|leaves| leaves <= size)
    }

    /// Everything that a log of `size` leaves consists of beside its checkpoint: bundles first, then hash tiles from level 0 up; in each row
    /// the full ones, then the partial one.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        let levels = (0..8).map(|level| Content::Hashes { level });
        std::iter::once(Content::Entries)
            .chain(levels)
            .flat_map(move |content| Self::row(content, size))
    }

    /// The tiles of one row, full ones first.
    pub fn row(content: Content, size: u64) -> impl Iterator<Item = Self> {
        let positions = row_length(content, size);
        let full = (0..positions / TILE_WIDTH).map(move |index| Self {
            content,
            index,
            width: 256,
        });
        full.chain(Self::partial(content, size))
    }

    /// The partial tile at the end of a row, which a row of a multiple of 256 does not have.
    pub fn partial(content: Content, size: u64) -> Option<Self> {
        let positions = row_length(content, size);
        Self::new(content, positions / TILE_WIDTH, positions % TILE_WIDTH).ok()
    }
}

/// Hashes or entries of a row in a log of `size` leaves.
fn row_length(content: Content, size: u64) -> u64 {
    match content {
        Content::Hashes { level } => size.checked_shr(u32::from(level) * 8).unwrap_or(0),
        Content::Entries => size,
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content {
            Content::Hashes { level } => write!(out, "tile/{level}/")?,
            Content::Entries => out.write_str("tile/entries/")?,
        }
        let mut group = 1;
        while self.index / group >= 1_000 {
            group *= 1_000;
        }
        while group > 1 {
            write!(out, "x{:03}/", self.index / group % 1_000)?;
            group /= 1_000;
        }
        write!(out, "{:03}", self.index % 1_000)?;
        if !self.is_full() {
            write!(out, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

impl FromStr for Tile {
    type Err = NotATile;

    fn from_str(path: &str) -> Result<Self, NotATile> {
        let (content, rest) = path
            .strip_prefix("tile/")
            .and_then(|path| path.split_once('/'))
            .ok_or(NotATile)?;
        let content = match content {
            "entries" => Content::Entries,
            level => Content::Hashes {
                level: number(level, 2)?.try_into().map_err(|_| NotATile)?,
            },
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, number(width, 3)?),
            None => (rest, TILE_WIDTH),
        };
        let mut value = 0_u64;
        for group in index.split('/') {
            let digits = number(group.strip_prefix('x').unwrap_or(group), 3)?;
            value = value
                .checked_mul(1_000)
                .and_then(|value| value.checked_add(digits))
                .ok_or(NotATile)?;
        }
        let tile = Self::new(content, value, width)?;
        // One spelling only: whatever was forgiven above is refused here.
        if tile.to_string() == path {
            Ok(tile)
        } else {
            Err(NotATile)
        }
    }
}

/// One to `most` digits.
fn number(text: &str, most: usize) -> Result<u64, NotATile> {
    let digits = !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits {
        text.parse().map_err(|_| NotATile)
    } else {
        Err(NotATile)
    }
}

/// A hash tile with its hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashTile {
    /// Where it belongs.
    pub tile: Tile,
    /// Its hashes, as many as it is wide.
    pub hashes: Vec<Hash>,
}

/// Gathers the entries that a growing tree completes into tiles; memory is one open tile a level.
#[derive(Clone, Debug, Default)]
pub struct OpenTiles(Vec<Vec<Hash>>);

impl OpenTiles {
    /// Takes an entry of [`Edge::append`](crate::tree::Edge::append), of a tree that began empty; gives the tile that it fills.
    pub fn add(&mut self, entry: &TileEntry) -> Option<HashTile> {
        let level = usize::from(entry.level);
        if self.0.len() <= level {
            self.0.resize_with(level + 1, Vec::new);
        }
        let open = self.0.get_mut(level)?;
        open.push(entry.hash);
        if open.len() < 256 {
            return None;
        }
        let content = Content::Hashes { level: entry.level };
        let tile = Tile::new(content, entry.position / TILE_WIDTH, TILE_WIDTH).ok()?;
        let hashes = std::mem::take(open);
        Some(HashTile { tile, hashes })
    }

    /// The partial tiles of a log of `size` leaves, all of whose entries were taken.
    pub fn partial(self, size: u64) -> impl Iterator<Item = HashTile> {
        let levels = (0..).zip(self.0);
        levels.filter_map(move |(level, hashes)| {
            let tile = Tile::partial(Content::Hashes { level }, size)?;
            Some(HashTile { tile, hashes })
        })
    }
}

#[cfg(test)]
mod tests;
