//! The log as static files in the layout of C2SP tlog-tiles: any web server can serve them, anybody can verify them.
//!
//! Takes a reader and a folder; gives `checkpoint` and `tile/…` in it, of the whole log or of one volume. Refuses a folder that holds another log, or more of this one than the journal
//! does, and leaves that do not have their hashes. Each file is written beside its place, fsynced and renamed for good, the checkpoint last: wherever a run stops,
//! the folder holds the log of its checkpoint, and the next run goes on. What is there stays: the content of a path never changes.

use std::io;
use std::path::Path;

use shuguan_ledger::bundle;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::exported::{CHECKPOINT, Files as _, Folder};
use shuguan_ledger::tile::{Content, Tile};
use shuguan_ledger::tree::{self, TILE_WIDTH, leaf_hash};

use super::fault::JournalFault;
use super::views::Reader;
use super::volumes::Volume;
use crate::durable;

/// Longest `checkpoint` that is read of a folder: as long as any note may be.
const NOTE_BYTES_MAX: usize = 64 * 1024;

/// What an export did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The log, up to here.
    pub checkpoint: Checkpoint,
    /// Size of the log that was in the folder before.
    pub before: Option<u64>,
    /// Tiles and bundles written.
    pub written: u64,
    /// Tiles and bundles that were there.
    pub kept: u64,
    /// Index of the first entry that is there as a leaf; of those before it the hashes are.
    pub from: u64,
    /// Entries behind the checkpoint, which no quorum of witnesses has signed yet.
    pub behind: u64,
}

/// How much of the log is exported.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extent<'v> {
    /// This volume alone.
    pub volume: Option<&'v str>,
    /// Up to the newest entry, whether witnesses have signed it or not.
    pub newest: bool,
}

/// Why nothing more was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The journal cannot be read, or is damaged.
    #[error(transparent)]
    Journal(#[from] JournalFault),
    /// The folder holds something else.
    #[error("the folder holds a log that is not a beginning of this one: {0}")]
    OtherLog(String),
    /// There is no such volume.
    #[error("the journal has no volume `{0}`")]
    NoVolume(String),
    /// Its last checkpoint is not here.
    #[error(
        "the end of `{0}` was lost: its last checkpoint lies beside the head file, and the entries that are kept are those of its successor"
    )]
    NotWhole(String),
}

/// Writes the whole log, or one of its volumes under its last checkpoint: then of the entries before it only the hashes, and its leaves from the one on that closed the volume
/// before. It ends at the newest checkpoint that a quorum of witnesses signed, so that the folder alone can be proved; at the newest of all where there is none, where the
/// folder reaches further already, or where that is asked for. `progress` is told the number of files looked at, of all.
///
/// # Errors
/// See [`ExportError`].
pub fn export(
    reader: &Reader,
    folder: &Path,
    extent: Extent<'_>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Exported, ExportError> {
    let volumes = reader.volumes()?;
    let end = if extent.newest {
        newest(reader)?
    } else {
        seen(reader, folder)?
    };
    let (note, from) = match extent.volume {
        None => (end, 0),
        Some(name) => of_volume((reader, &volumes), name, end)?,
    };
    let checkpoint = Checkpoint::unverified(&note).map_err(|_| JournalFault::damaged("its checkpoint is not one"))?;
    let size = checkpoint.size;
    if tree::root(reader, size)? != checkpoint.root {
        return Err(JournalFault::damaged("its hashes do not lead to the signed root").into());
    }
    durable::private_folder(folder).map_err(JournalFault::file("make folder", folder))?;
    let before = before(reader, folder, &checkpoint, &volumes)?;
    let (mut written, mut kept) = (0, 0);
    let wanted = |tile: &Tile| tile.content() != Content::Entries || tile.first().saturating_add(tile.width()) > from;
    let all = files(size).saturating_sub(from / TILE_WIDTH);
    for tile in Tile::all(size).filter(wanted) {
        progress(written + kept, all);
        let path = folder.join(tile.to_string());
        if path.try_exists().map_err(JournalFault::file("look for", &path))? {
            kept += 1;
        } else {
            write(&path, &content(reader, tile)?)?;
            written += 1;
        }
    }
    // What it calls for is there, so it may be seen.
    write(&folder.join(CHECKPOINT), note.as_bytes())?;
    if let Some(before) = before {
        remove_narrower(folder, before, size);
    }
    let behind = behind(reader, &checkpoint)?;
    Ok(Exported {
        checkpoint,
        before,
        written,
        kept,
        from: from / TILE_WIDTH * TILE_WIDTH,
        behind,
    })
}

/// The newest checkpoint, with the witnesses' signatures when they have signed this very one.
fn newest(reader: &Reader) -> Result<String, JournalFault> {
    let (note, size) = (reader.checkpoint()?, reader.newest()?.size);
    let cosigned = reader.newest_cosigned()?.filter(|cosigned| cosigned.size == size);
    Ok(cosigned.map_or(note, |cosigned| cosigned.note.as_ref().to_owned()))
}

/// The newest checkpoint of this volume that a quorum signed, unless there is none or the folder holds more of the log.
fn seen(reader: &Reader, folder: &Path) -> Result<String, JournalFault> {
    let newest = newest(reader)?;
    let Some(cosigned) = reader.newest_cosigned()? else {
        return Ok(newest);
    };
    let there = std::fs::read_to_string(folder.join(CHECKPOINT)).unwrap_or_default();
    let size = |note: &str| Checkpoint::unverified(note).map_or(0, |checkpoint| checkpoint.size);
    let origin = |note: &str| note.split('\n').next().map(str::to_owned);
    let is_enough = size(&there) <= cosigned.size && origin(&newest) == origin(&cosigned.note);
    Ok(if is_enough {
        cosigned.note.as_ref().to_owned()
    } else {
        newest
    })
}

/// How many entries of the same volume stand behind a checkpoint.
fn behind(reader: &Reader, checkpoint: &Checkpoint) -> Result<u64, JournalFault> {
    let newest = reader.checkpoint()?;
    let is_same = newest.split('\n').next() == Some(&checkpoint.origin);
    Ok(if is_same {
        reader.newest()?.size.saturating_sub(checkpoint.size)
    } else {
        0
    })
}

/// The last checkpoint of a volume, which is `end` while it goes on, and the index of the leaf that closed the one before it.
fn of_volume((reader, volumes): (&Reader, &[Volume]), name: &str, end: String) -> Result<(String, u64), ExportError> {
    let volume = volumes.iter().find(|volume| volume.origin == name);
    let volume = volume.ok_or_else(|| ExportError::NoVolume(name.to_owned()))?;
    let from = volume.from.saturating_sub(1);
    if volume.size.is_none() {
        return Ok((end, from));
    }
    let last = reader.last_checkpoint(volume)?;
    let last = last.ok_or_else(|| ExportError::NotWhole(name.to_owned()))?;
    Ok((last.last.note.as_ref().to_owned(), from))
}

/// How many files beside the checkpoint a log of this size has.
fn files(size: u64) -> u64 {
    let rows = (0..8).map(|level| size.checked_shr(level * 8).unwrap_or(0).div_ceil(256));
    rows.sum::<u64>() + size.div_ceil(256)
}

/// The size of the log that is there, which this one must continue: the same, or a volume before it.
fn before(
    reader: &Reader,
    folder: &Path,
    checkpoint: &Checkpoint,
    volumes: &[Volume],
) -> Result<Option<u64>, ExportError> {
    let path = folder.join(CHECKPOINT);
    let unreadable = JournalFault::file("read", &path);
    let note = match Folder(folder.to_owned()).read(CHECKPOINT, NOTE_BYTES_MAX) {
        Ok(Some(note)) => String::from_utf8(note).map_err(|error| unreadable(io::Error::other(error)))?,
        Ok(None) => return Ok(None),
        Err(error) => return Err(unreadable(error).into()),
    };
    let other = |why: &str| ExportError::OtherLog(why.to_owned());
    let old = Checkpoint::unverified(&note).map_err(|_| other("its `checkpoint` is not one"))?;
    let earlier = volumes
        .iter()
        .any(|volume| volume.origin == old.origin && volume.is_whole);
    if old.origin != checkpoint.origin && !earlier {
        return Err(other(&format!("its origin is `{}`", old.origin)));
    }
    if old.size > checkpoint.size {
        let (old, new) = (old.size, checkpoint.size);
        return Err(other(&format!("it has {old} entries, the journal {new}")));
    }
    if tree::root(reader, old.size)? != old.root {
        return Err(other(&format!(
            "the first {} entries of the journal have another root",
            old.size
        )));
    }
    Ok(Some(old.size))
}

fn content(reader: &Reader, tile: Tile) -> Result<Vec<u8>, JournalFault> {
    let bytes = reader.tile(tile)?;
    let bytes = bytes.ok_or_else(|| JournalFault::damaged(format!("`{tile}` is not there")))?;
    if tile.content() == Content::Entries {
        // What goes out as a leaf has the hash that goes out beside it.
        let entries = bundle::read(&bytes, tile.width()).map_err(|error| JournalFault::damaged(error.to_string()))?;
        let hashes = reader.hashes(0, tile.first(), tile.width())?;
        for ((index, entry), hash) in (tile.first()..).zip(entries).zip(hashes) {
            if leaf_hash(entry) != hash {
                return Err(JournalFault::damaged(format!("leaf {index} does not have its hash")));
            }
        }
    }
    Ok(bytes)
}

/// Writes a file beside its place and renames it; a crash leaves the old file or the new one, never a part of one.
fn write(path: &Path, bytes: &[u8]) -> Result<(), JournalFault> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(JournalFault::file("make folder", folder))?;
    replace(path, bytes)
}

/// The same in a folder that must be there.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), JournalFault> {
    durable::write_whole(path, bytes).map_err(JournalFault::file("write", path))
}

/// Removes the partial tiles of the log as it was, where wider ones took their place. One that stays does no harm.
fn remove_narrower(folder: &Path, before: u64, size: u64) {
    let contents = (0..8).map(|level| Content::Hashes { level });
    for content in contents.chain([Content::Entries]) {
        let old = Tile::partial(content, before);
        if let Some(old) = old.filter(|old| Tile::partial(content, size) != Some(*old)) {
            let path = folder.join(old.to_string());
            let _ = std::fs::remove_file(&path);
            // Fails while a partial tile is in it.
            let _ = path.parent().map(std::fs::remove_dir);
        }
    }
}
