//! Verifying a log as it is published: a checkpoint, hash tiles and entry bundles as files (C2SP tlog-tiles).
//!
//! Takes files by their paths (`checkpoint`, `tile/…`); gives a report. Every entry is a leaf that adds up, every bundle holds as many as it should,
//! every hash of every tile is that of the entries below it, the root is the signed one. Refuses at the first file that is missing, has another
//! form, or says something else. A volume's folder has no bundles of the entries before it: those are proved by their hashes alone, up to the `log-close` leaf of the
//! volume before; files that the checkpoint does not call for are not looked at, since a log that grows has them.
//!
//! Memory: one bundle (at most 16 MiB, of leaves of this project 1 MiB), one open tile a level, and what [`LogVerifier`] states.
//!
//! ```
//! # use std::collections::BTreeMap;
//! # use shuguan_ledger::{bundle, checkpoint::Checkpoint, note::SigningKey, tree, leaf::{Event, Leaf, StartEvent}};
//! use shuguan_ledger::{exported, trust::Trust};
//!
//! # let key = SigningKey::from_seed("log.example", &[7; 32])?;
//! # let leaf = Leaf::new(0, "gw1", "boot", Event::Start(StartEvent { version: "0.1".into(), size: 0, head: None, bin: None }));
//! # let (bytes, mut edge) = (leaf.encode()?, tree::Edge::empty());
//! # edge.append(tree::leaf_hash(&bytes));
//! # let checkpoint = Checkpoint { origin: key.name().into(), size: 1, root: edge.root() };
//! # let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
//! # files.insert("checkpoint".into(), key.sign(&checkpoint.text())?.into_bytes());
//! # files.insert("tile/0/000.p/1".into(), tree::leaf_hash(&bytes).to_vec());
//! # files.insert("tile/entries/000.p/1".into(), bundle::write(&[&bytes])?);
//! # let trust = Trust::parse(&format!("log {}\n", key.verifying_key().vkey()))?;
//! // `files` may be a folder ([`exported::Folder`]), a map as here, or anything that implements [`exported::Files`].
//! let report = exported::verify(&files, &trust)?;
//! assert_eq!((report.log.checkpoint.size, report.tiles, report.bundles), (1, 1, 1));
//!
//! files.remove("tile/0/000.p/1");
//! assert_eq!(exported::verify(&files, &trust).unwrap_err().to_string(), "`tile/0/000.p/1` is missing");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use crate::audit::{LogFault, LogReport, LogVerifier, Taken};
use crate::bundle;
use crate::note::NOTE_BYTES_MAX;
use crate::tile::{Content, HashTile, OpenTiles, Tile};
use crate::tree::{Hash, TILE_WIDTH, TileEntry};
use crate::trust::Trust;

/// Name of the signed checkpoint among the files.
pub const CHECKPOINT: &str = "checkpoint";
/// Bytes of a full hash tile.
pub(crate) const TILE_BYTES: usize = 8_192;
/// Bytes of the longest bundle.
const BUNDLE_BYTES_MAX: usize = 256 * (2 + bundle::ENTRY_BYTES_MAX);

/// Where published files are read from.
pub trait Files {
    /// Why a read failed.
    type Error: Error + 'static;

    /// The file of this path: `checkpoint`, or as [`Tile`] writes it. None when there is none. Of a longer file than `bytes_max` one byte more is
    /// enough.
    ///
    /// # Errors
    /// When it cannot be told whether there is one, or what it holds.
    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, Self::Error>;
}

impl Files for BTreeMap<String, Vec<u8>> {
    type Error = Infallible;

    fn read(&self, path: &str, _bytes_max: usize) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.get(path).cloned())
    }
}

/// A folder with the files of a log. Only regular files are read: what else somebody put there could be waited for without end.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Files for Folder {
    type Error = std::io::Error;

    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, std::io::Error> {
        let file = match open(&self.0.join(path)) {
            Ok(file) => file,
            // A file where a folder should be: then this file is not there either.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

/// Opens a regular file. It is looked at before it is opened, since opening a FIFO waits for whoever writes into it, and again as it was
/// opened, since it may be another by then.
fn open(path: &Path) -> Result<File, std::io::Error> {
    regular(&std::fs::metadata(path)?)?;
    let file = File::open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

fn regular(found: &Metadata) -> Result<(), std::io::Error> {
    if found.is_file() {
        return Ok(());
    }
    Err(std::io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"))
}

/// What a published log consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportReport {
    /// The log.
    pub log: LogReport,
    /// Hash tiles that were compared, all levels.
    pub tiles: u64,
    /// Entry bundles that were read.
    pub bundles: u64,
}

/// Why published files are not a log.
#[derive(Debug, thiserror::Error)]
pub enum ExportFault<E: Error + 'static> {
    /// A file cannot be read: nothing is said about the log.
    #[error("`{path}` cannot be read")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: E,
    },
    /// A file is missing.
    #[error("`{path}` is missing")]
    Absent {
        /// Which.
        path: String,
        /// First leaf that is not proven for it.
        index: u64,
    },
    /// A file has another form.
    #[error("`{path}`: {what}")]
    Form {
        /// Which.
        path: String,
        /// What is wrong with it.
        what: String,
        /// First leaf that is not proven for it.
        index: u64,
    },
    /// A hash of a tile is another.
    #[error("`{path}`: hash {position} of level {level} is not that of the entries below it")]
    Differs {
        /// Which tile.
        path: String,
        /// Its level.
        level: u8,
        /// Position of the hash in the whole row.
        position: u64,
        /// First leaf below the hash.
        index: u64,
    },
    /// The entries are not those that were signed.
    #[error(transparent)]
    Log(#[from] LogFault),
}

impl<E: Error + 'static> ExportFault<E> {
    /// Index of the first leaf that is not proven; none when a file could not be read.
    pub fn index(&self) -> Option<u64> {
        match self {
            Self::Unreadable { .. } => None,
            Self::Absent { index, .. } | Self::Form { index, .. } | Self::Differs { index, .. } => Some(*index),
            Self::Log(fault) => Some(fault.index()),
        }
    }
}

/// An entry that was taken.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'t> {
    /// Its leaf is there.
    Leaf(&'t Taken),
    /// Of an earlier volume: its hash alone.
    Hash(&'t Hash),
}

impl Entry<'_> {
    /// Its leaf hash.
    pub fn hash(&self) -> Option<&Hash> {
        match self {
            Self::Leaf(taken) => taken.entries.first().map(|entry| &entry.hash),
            Self::Hash(hash) => Some(hash),
        }
    }
}

/// Verifies a published log bundle by bundle.
#[derive(Debug)]
pub struct ExportVerifier<'f, F: Files> {
    files: &'f F,
    verifier: LogVerifier,
    open: OpenTiles,
    tiles: u64,
    bundles: u64,
    /// The first bundle that is not there, when all before it are not either.
    absent: Option<String>,
}

impl<'f, F: Files> ExportVerifier<'f, F> {
    /// Begins with the checkpoint.
    ///
    /// # Errors
    /// When it is missing, or not believed.
    pub fn new(files: &'f F, trust: &Trust) -> Result<Self, ExportFault<F::Error>> {
        let note = read(files, CHECKPOINT, 0, NOTE_BYTES_MAX)?.ok_or_else(|| absent(CHECKPOINT, 0))?;
        let note = String::from_utf8(note).map_err(|_| form(CHECKPOINT, "it is no text", 0))?;
        Ok(Self {
            files,
            verifier: LogVerifier::new(&note, trust)?,
            open: OpenTiles::default(),
            tiles: 0,
            bundles: 0,
            absent: None,
        })
    }

    /// Number of leaves that the checkpoint signs.
    pub fn size(&self) -> u64 {
        self.verifier.signed_size()
    }

    /// Number of leaves taken so far.
    pub fn taken(&self) -> u64 {
        self.verifier.edge().size()
    }

    /// Takes the next bundle and compares the tiles that it fills; false when there is none. Before the first bundle that is there, in a volume's folder, the
    /// entries of earlier volumes are taken by the hashes of their tiles. `each` sees every entry after it was taken, and may give
    /// the verifier older checkpoints of that very size.
    ///
    /// # Errors
    /// At the first file or leaf that is not as it should be.
    pub fn bundle(
        &mut self,
        mut each: impl FnMut(&mut LogVerifier, Entry<'_>) -> Result<(), LogFault>,
    ) -> Result<bool, ExportFault<F::Error>> {
        let from = self.taken();
        let width = (self.size() - from).min(TILE_WIDTH);
        let Ok(tile) = Tile::new(Content::Entries, from / TILE_WIDTH, width) else {
            return Ok(false);
        };
        let (path, bytes) = match self.read(tile, from, BUNDLE_BYTES_MAX) {
            Ok(read) => read,
            Err(ExportFault::Absent { path, .. }) if self.bundles == 0 && tile.is_full() => {
                self.absent.get_or_insert(path);
                return self.hashes(tile.index(), each).map(|()| true);
            }
            Err(fault) => return Err(fault),
        };
        // Under the name of the full bundle stands a full one, also where the checkpoint reaches into it.
        let held = if path == tile.to_string() { width } else { TILE_WIDTH };
        let (entries, rest) = bundle::read_first(&bytes, held).map_err(|error| form(&path, error, from))?;
        if !rest.is_empty() {
            return Err(form(&path, bundle::BundleError::Rest(rest.len()), from));
        }
        for entry in entries.into_iter().take(usize::try_from(width).unwrap_or(usize::MAX)) {
            let taken = self.verifier.take(entry)?;
            each(&mut self.verifier, Entry::Leaf(&taken))?;
            self.fill(&taken.entries)?;
        }
        self.bundles += 1;
        Ok(true)
    }

    /// Takes the 256 entries of a tile by their hashes.
    fn hashes(
        &mut self,
        index: u64,
        mut each: impl FnMut(&mut LogVerifier, Entry<'_>) -> Result<(), LogFault>,
    ) -> Result<(), ExportFault<F::Error>> {
        let first = index.saturating_mul(TILE_WIDTH);
        let tile = Tile::new(Content::Hashes { level: 0 }, index, TILE_WIDTH);
        let tile = tile.map_err(|error| form(CHECKPOINT, error, first))?;
        let (path, bytes) = self.read(tile, first, TILE_BYTES)?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        if hashes.len() != 256 || !rest.is_empty() {
            return Err(form(&path, "it does not hold 256 hashes", first));
        }
        for hash in hashes {
            let entries = self.verifier.take_hash(*hash)?;
            each(&mut self.verifier, Entry::Hash(hash))?;
            self.fill(&entries)?;
        }
        Ok(())
    }

    fn fill(&mut self, entries: &[TileEntry]) -> Result<(), ExportFault<F::Error>> {
        for entry in entries {
            if let Some(filled) = self.open.add(entry) {
                self.compare(&filled)?;
            }
        }
        Ok(())
    }

    /// Ends with the partial tiles and the root.
    ///
    /// # Errors
    /// At the first tile that is not as it should be; when the root is another; when not every bundle was taken.
    pub fn finish(mut self) -> Result<ExportReport, ExportFault<F::Error>> {
        if self.taken() == self.size() {
            for partial in std::mem::take(&mut self.open).partial(self.size()) {
                self.compare(&partial)?;
            }
        }
        let log = match (self.verifier.finish(), self.absent) {
            // What is missing belongs to no earlier volume.
            (Err(LogFault::Leaf { index: 0, .. }), Some(path)) => return Err(absent(&path, 0)),
            (log, _) => log?,
        };
        Ok(ExportReport {
            log,
            tiles: self.tiles,
            bundles: self.bundles,
        })
    }

    fn compare(&mut self, wanted: &HashTile) -> Result<(), ExportFault<F::Error>> {
        let tile = wanted.tile;
        let below = |position: u64| position.checked_shl(u32::from(tile.level()) * 8).unwrap_or(u64::MAX);
        let (path, bytes) = self.read(tile, below(tile.first()), TILE_BYTES)?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        let width = usize::try_from(tile.width()).unwrap_or(usize::MAX);
        let fits = if path == tile.to_string() {
            hashes.len() == width
        } else {
            hashes.len() == 256
        };
        if !fits || !rest.is_empty() {
            let what = format!(
                "it has {} bytes, which are not the hashes that it should hold",
                bytes.len()
            );
            return Err(form(&path, what, below(tile.first())));
        }
        let differs = |(found, wanted): (&Hash, &Hash)| found != wanted;
        if let Some(place) = hashes.iter().zip(&wanted.hashes).position(differs) {
            let position = tile.first() + u64::try_from(place).unwrap_or(0);
            return Err(ExportFault::Differs {
                path,
                level: tile.level(),
                position,
                index: below(position),
            });
        }
        self.tiles += 1;
        Ok(())
    }

    /// The bytes of a tile, or of the full one in its place: a partial one may be gone by then.
    fn read(&self, tile: Tile, index: u64, bytes_max: usize) -> Result<(String, Vec<u8>), ExportFault<F::Error>> {
        let path = tile.to_string();
        if let Some(bytes) = read(self.files, &path, index, bytes_max)? {
            return Ok((path, bytes));
        }
        let full = tile.full().to_string();
        match read(self.files, &full, index, bytes_max)? {
            Some(bytes) => Ok((full, bytes)),
            None => Err(absent(&path, index)),
        }
    }
}

pub(crate) fn absent<E: Error + 'static>(path: &str, index: u64) -> ExportFault<E> {
    let path = path.to_owned();
    ExportFault::Absent { path, index }
}

pub(crate) fn form<E: Error + 'static>(path: &str, what: impl ToString, index: u64) -> ExportFault<E> {
    ExportFault::Form {
        path: path.to_owned(),
        what: what.to_string(),
        index,
    }
}

pub(crate) fn read<F: Files>(
    files: &F,
    path: &str,
    index: u64,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, ExportFault<F::Error>> {
    let bytes = files.read(path, bytes_max).map_err(|source| ExportFault::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    match bytes {
        Some(bytes) if bytes.len() > bytes_max => {
            Err(form(path, format!("it is longer than {bytes_max} bytes"), index))
        }
        bytes => Ok(bytes),
    }
}

/// Verifies a whole published log.
///
/// # Errors
/// See [`ExportFault`].
pub fn verify<F: Files>(files: &F, trust: &Trust) -> Result<ExportReport, ExportFault<F::Error>> {
    let mut verifier = ExportVerifier::new(files, trust)?;
    while verifier.bundle(|_, _| Ok(()))? {}
    verifier.finish()
}

#[cfg(test)]
mod tests;
