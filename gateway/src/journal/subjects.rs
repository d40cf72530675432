//! Whom an exchange is about, as keyed tags: what the index is made of.
//!
//! Takes the tags of each part as it is released; gives [`Subjects`] that only the sealing transaction uses up, and the digest that the leaf commits to.
//! Up to 256 tags are rows; above that each part is one sorted run; above 64 KiB the runs lie in `<payloads>/<exchange>.tags`, one after the
//! other as count u32 LE ‖ tags, because memory must not grow with a batch (C8). Dropped unsealed, the file is removed.
//!
//! Digest: SHA-256(`shuguan.index.v1\n` ‖ for each run: count u32 LE ‖ tags); rows are one run.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest::{Context, SHA256};
use shuguan_ledger::tree::Hash;
use uuid::Uuid;

use super::commits::Teller;
use super::fault::JournalFault;
use super::payload::{SpillFile, sync_folder};
use crate::sha256;

/// First 16 bytes of an HMAC-SHA-256 under the index key of a year.
pub type Tag = [u8; 16];

/// Subjects up to this number are rows, above it sorted runs.
const ROWS_MAX: usize = 256;
/// Tags that are held before a file is made: 64 KiB.
const HELD_TAGS_MAX: usize = 4_096;

/// Collects the tags of one exchange. Dropped unfinished, it leaves nothing.
pub struct SubjectWriter {
    exchange: Uuid,
    folder: Arc<Path>,
    held: Vec<Vec<Tag>>,
    held_tags: usize,
    digest: Context,
    file: Option<(BufWriter<File>, SpillFile)>,
    /// Bytes that went to the file.
    spilled: u64,
    teller: Teller,
}

impl std::fmt::Debug for SubjectWriter {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SubjectWriter")
            .field("exchange", &self.exchange)
            .finish_non_exhaustive()
    }
}

impl SubjectWriter {
    pub(super) fn begin(exchange: Uuid, folder: Arc<Path>) -> Self {
        let mut digest = Context::new(&SHA256);
        digest.update(b"shuguan.index.v1\n");
        Self {
            exchange,
            folder,
            held: Vec::new(),
            held_tags: 0,
            digest,
            file: None,
            spilled: 0,
            teller: Teller::default(),
        }
    }

    pub(super) fn telling(self, teller: Teller) -> Self {
        Self { teller, ..self }
    }

    /// Takes the tags of the next part, in any order: perhaps a write to the page cache, no fsync.
    ///
    /// # Errors
    /// [`JournalFault::File`] when the folder cannot be written.
    pub fn push(&mut self, mut tags: Vec<Tag>) -> Result<(), JournalFault> {
        tags.sort_unstable();
        tags.dedup();
        if tags.is_empty() {
            return Ok(());
        }
        self.held_tags += tags.len();
        self.held.push(tags);
        if self.held_tags <= HELD_TAGS_MAX {
            return Ok(());
        }
        let wanted = self.wanted();
        let spilled = self.spill();
        self.teller.hears(wanted, spilled)
    }

    /// Whether [`SubjectWriter::finish`] will wait for the disk; then it belongs on a blocking thread.
    pub fn spills(&self) -> bool {
        self.file.is_some()
    }

    /// Bytes that lie in the file so far, or that are on their way there.
    pub fn spilled_bytes(&self) -> u64 {
        self.spilled
    }

    /// Ends the collection; a file is on disk when this returns, it and its folder fsynced.
    ///
    /// # Errors
    /// [`JournalFault::File`]; nothing is left behind then.
    pub fn finish(self) -> Result<Subjects, JournalFault> {
        let (teller, wanted) = (self.teller.clone(), self.wanted());
        teller.hears(wanted, self.end())
    }

    /// Bytes that the file would have with what is held.
    fn wanted(&self) -> u64 {
        let held = self.held.iter().map(|run| run.as_flattened().len()).sum::<usize>();
        self.spilled.saturating_add(u64::try_from(held).unwrap_or(u64::MAX))
    }

    fn end(mut self) -> Result<Subjects, JournalFault> {
        if self.file.is_some() {
            self.spill()?;
            let (mut out, guard) = self.file.take().ok_or(JournalFault::Crypto)?;
            let synced = out.flush().and_then(|()| out.get_ref().sync_all());
            synced.map_err(JournalFault::file("sync an index in", &self.folder))?;
            sync_folder(&self.folder)?;
            return Ok(Subjects {
                kept: Kept::File(guard),
                digest: sha256::finish(self.digest),
            });
        }
        let mut runs = std::mem::take(&mut self.held);
        if self.held_tags <= ROWS_MAX {
            let mut rows = runs.concat();
            rows.sort_unstable();
            rows.dedup();
            runs = vec![rows];
        }
        for run in &runs {
            self.digest.update(&count(run).to_le_bytes());
            self.digest.update(run.as_flattened());
        }
        let digest = sha256::finish(self.digest);
        let kept = match <[Vec<Tag>; 1]>::try_from(runs) {
            Ok([rows]) if rows.len() <= ROWS_MAX => Kept::Rows(rows),
            Ok(run) => Kept::Runs(run.into()),
            Err(runs) => Kept::Runs(runs),
        };
        Ok(Subjects { kept, digest })
    }

    fn spill(&mut self) -> Result<(), JournalFault> {
        if self.file.is_none() {
            let (guard, file) = SpillFile::create(tags_path(&self.folder, self.exchange))?;
            self.file = Some((BufWriter::with_capacity(64 * 1024, file), guard));
        }
        let Some((out, _)) = &mut self.file else { return Ok(()) };
        for run in self.held.drain(..) {
            for bytes in [count(&run).to_le_bytes().as_slice(), run.as_flattened()] {
                self.digest.update(bytes);
                out.write_all(bytes)
                    .map_err(JournalFault::file("write an index in", &self.folder))?;
                self.spilled = self
                    .spilled
                    .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            }
        }
        Ok(())
    }
}

/// The subjects of one exchange, waiting for its leaf.
#[derive(Debug)]
pub struct Subjects {
    pub(super) kept: Kept,
    digest: Hash,
}

/// Where the tags lie.
pub(super) enum Kept {
    Rows(Vec<Tag>),
    Runs(Vec<Vec<Tag>>),
    File(SpillFile),
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Kept")
    }
}

impl Subjects {
    /// What the leaf commits to as `ix`.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// Bytes that they put into the sealing transaction, about.
    pub(super) fn weight(&self) -> usize {
        match &self.kept {
            // A row of its own, in a place of its own.
            Kept::Rows(rows) => 32 * rows.len(),
            Kept::Runs(runs) => runs.iter().map(|run| 16 * run.len()).sum(),
            Kept::File(_) => 64,
        }
    }

    pub(super) fn keep_file(&mut self) {
        if let Kept::File(guard) = &mut self.kept {
            guard.keep();
        }
    }
}

/// The digest of what a journal stores.
pub(super) struct StoredDigest(Context);

impl StoredDigest {
    pub(super) fn new() -> Self {
        let mut digest = Context::new(&SHA256);
        digest.update(b"shuguan.index.v1\n");
        Self(digest)
    }

    /// One run, or all rows.
    pub(super) fn run(&mut self, tags: &[u8]) {
        let tags_held = u32::try_from(tags.len() / 16).unwrap_or(u32::MAX);
        self.0.update(&tags_held.to_le_bytes());
        self.0.update(tags);
    }

    /// The bytes of a file, which are runs already.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn finish(self) -> Hash {
        sha256::finish(self.0)
    }
}

fn count(run: &[Tag]) -> u32 {
    u32::try_from(run.len()).unwrap_or(u32::MAX)
}

pub(super) fn tags_path(folder: &Path, exchange: Uuid) -> PathBuf {
    folder.join(format!("{}.tags", exchange.hyphenated()))
}

/// The exchange whose index a file is; `None` for any other file.
pub(super) fn tagged_exchange(name: &str) -> Option<Uuid> {
    let exchange = Uuid::parse_str(name.strip_suffix(".tags")?).ok()?;
    (format!("{}.tags", exchange.hyphenated()) == name).then_some(exchange)
}
