//! The encrypted file of a prepared extract.
//!
//! AES-256-GCM in chunks of 64 KiB under a key of its own that never leaves memory; nonce = chunk number, additional data = exchange id ‖
//! last flag. Any range can be read without decrypting what lies before it. Dropping the [`Spooled`] removes the file. Refuses what all spools together,
//! or the disk, have no room for.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{Context, SHA256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{clock, durable, sha256};

/// Bytes of a chunk.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;
const TAG_BYTES: usize = 16;

/// Why a spool could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SpoolFault {
    /// The file.
    #[error("the spool file cannot be used")]
    File(#[from] std::io::Error),
    /// No randomness, or a chunk that was changed.
    #[error("a chunk of the spool does not open")]
    Crypto,
    /// All spools together are as large as they may be.
    #[error("the spool is full")]
    Full,
}

impl SpoolFault {
    /// Whether there was no room: the disk had none, or all spools together may take no more. There is, once extracts expire or somebody makes some.
    pub fn is_for_want_of_room(&self) -> bool {
        match self {
            Self::Full => true,
            Self::File(error) => durable::is_full(error),
            Self::Crypto => false,
        }
    }
}

impl From<ring::error::Unspecified> for SpoolFault {
    fn from(_: ring::error::Unspecified) -> Self {
        Self::Crypto
    }
}

/// The room that all spools share, bytes.
#[derive(Debug)]
pub struct Room {
    max: u64,
    taken: AtomicU64,
}

impl Room {
    /// Room for so many bytes.
    pub fn of(max: u64) -> Self {
        Self {
            max,
            taken: AtomicU64::new(0),
        }
    }

    /// Whether nothing more goes in.
    pub fn is_full(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.max
    }

    fn take(&self, bytes: u64) -> Result<(), SpoolFault> {
        let within = |taken: u64| taken.checked_add(bytes).filter(|taken| *taken <= self.max);
        let taken = self.taken.try_update(Ordering::Relaxed, Ordering::Relaxed, within);
        taken.map(drop).map_err(|_| SpoolFault::Full)
    }

    fn give_back(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The file of a spool on disk; it goes when this goes, finished or not, and its room with it.
struct OnDisk {
    path: PathBuf,
    file: File,
    room: Arc<Room>,
    taken: u64,
}

impl OnDisk {
    fn append(&mut self, chunk: &[u8]) -> Result<(), SpoolFault> {
        let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.room.take(bytes)?;
        self.taken += bytes;
        Ok(self.file.write_all(chunk)?)
    }
}

impl Drop for OnDisk {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next start; without its key it is noise.
        let _ = std::fs::remove_file(&self.path);
        self.room.give_back(self.taken);
    }
}

/// A spool being written; dropped before its end, it leaves nothing.
#[expect(missing_debug_implementations, reason = "it holds records of persons and their key")]
pub struct SpoolWriter {
    exchange: Uuid,
    disk: OnDisk,
    key: LessSafeKey,
    pending: Zeroizing<Vec<u8>>,
    chunk: u64,
    bytes: u64,
    digest: Context,
}

/// A finished spool; the file goes when this goes.
pub struct Spooled {
    exchange: Uuid,
    disk: OnDisk,
    key: LessSafeKey,
    bytes: u64,
    digest: [u8; 32],
}

impl std::fmt::Debug for Spooled {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Spooled")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

fn nonce(chunk: u64) -> Nonce {
    let mut nonce = [0; 12];
    if let Some(tail) = nonce.last_chunk_mut::<8>() {
        *tail = chunk.to_be_bytes();
    }
    Nonce::assume_unique_for_key(nonce)
}

fn aad(exchange: Uuid, last: bool) -> Aad<[u8; 17]> {
    let mut aad = [0; 17];
    for (to, from) in aad.iter_mut().zip(exchange.as_bytes()) {
        *to = *from;
    }
    if let Some(flag) = aad.last_mut() {
        *flag = u8::from(last);
    }
    Aad::from(aad)
}

impl SpoolWriter {
    /// Makes the file, mode 0600; what is written to it takes up room.
    ///
    /// # Errors
    /// When it exists or cannot be made.
    pub fn create(path: &Path, exchange: Uuid, room: Arc<Room>) -> Result<Self, SpoolFault> {
        let key = Zeroizing::new(clock::random::<32>()?);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref())?);
        let file = durable::create_private(path)?;
        Ok(Self {
            exchange,
            disk: OnDisk {
                path: path.to_owned(),
                file,
                room,
                taken: 0,
            },
            key,
            pending: Zeroizing::new(Vec::with_capacity(CHUNK_BYTES * 2)),
            chunk: 0,
            bytes: 0,
            digest: Context::new(&SHA256),
        })
    }

    /// Appends content.
    ///
    /// # Errors
    /// When the disk does not take it; [`SpoolFault::Full`].
    pub fn write(&mut self, content: &[u8]) -> Result<(), SpoolFault> {
        self.digest.update(content);
        self.bytes += u64::try_from(content.len()).unwrap_or(0);
        self.pending.extend_from_slice(content);
        // One chunk stays behind: which chunk is the last is known only at the end.
        while self.pending.len() > CHUNK_BYTES {
            let rest = self.pending.split_off(CHUNK_BYTES);
            let full = std::mem::replace(&mut *self.pending, rest);
            self.seal(full, false)?;
        }
        Ok(())
    }

    fn seal(&mut self, mut chunk: Vec<u8>, last: bool) -> Result<(), SpoolFault> {
        let aad = aad(self.exchange, last);
        self.key.seal_in_place_append_tag(nonce(self.chunk), aad, &mut chunk)?;
        self.disk.append(&chunk)?;
        self.chunk += 1;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When the disk does not take the last chunk.
    pub fn finish(mut self) -> Result<Spooled, SpoolFault> {
        let last = std::mem::take(&mut *self.pending);
        self.seal(last, true)?;
        Ok(Spooled {
            exchange: self.exchange,
            disk: self.disk,
            key: self.key,
            bytes: self.bytes,
            digest: sha256::finish(self.digest),
        })
    }
}

impl Spooled {
    /// Bytes of the content.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// SHA-256 of the content.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The content from `from` to the end of the chunk that holds it; empty at the end.
    ///
    /// # Errors
    /// When the file cannot be read or was changed.
    pub fn read_from(&self, from: u64) -> Result<Vec<u8>, SpoolFault> {
        if from >= self.bytes {
            return Ok(Vec::new());
        }
        let size = u64::try_from(CHUNK_BYTES).unwrap_or(u64::MAX);
        let chunk = from / size;
        let begin = chunk * size;
        let length = (self.bytes - begin).min(size);
        let last = begin + length == self.bytes;
        let sealed = usize::try_from(length).unwrap_or(CHUNK_BYTES) + TAG_BYTES;
        let mut buffer = vec![0; sealed];
        let place = chunk * (size + u64::try_from(TAG_BYTES).unwrap_or(0));
        self.disk.file.read_exact_at(&mut buffer, place)?;
        let aad = aad(self.exchange, last);
        let open = self.key.open_in_place(nonce(chunk), aad, &mut buffer)?.len();
        buffer.truncate(open);
        let skip = usize::try_from(from - begin).unwrap_or(usize::MAX);
        Ok(buffer.split_off(skip.min(buffer.len())))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use super::*;

    fn room() -> Arc<Room> {
        Arc::new(Room::of(1 << 30))
    }

    #[test]
    fn spools_share_their_room_and_give_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let chunk = (CHUNK_BYTES + TAG_BYTES) as u64;
        let room = Arc::new(Room::of(2 * chunk + 20));
        let begin =
            |name: &str| SpoolWriter::create(&folder.path().join(name), Uuid::nil(), Arc::clone(&room)).unwrap();
        let mut one = begin("one.spool");
        one.write(&vec![7; CHUNK_BYTES + 1]).unwrap();
        let one = one.finish().unwrap();
        let mut other = begin("other.spool");
        let refused = other.write(&vec![7; 2 * CHUNK_BYTES + 1]);
        assert!(matches!(refused, Err(SpoolFault::Full)), "{refused:?}");
        drop(one);
        drop(other);
        assert_eq!(room.taken.load(Ordering::Relaxed), 0);
        let mut again = begin("again.spool");
        again.write(&vec![7; 2 * CHUNK_BYTES]).unwrap();
        again.finish().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    fn spooled(bytes: usize) -> (tempfile::TempDir, Spooled, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..bytes).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let mut writer = SpoolWriter::create(&folder.path().join("a.spool"), Uuid::nil(), room()).unwrap();
        content.chunks(1000).for_each(|chunk| writer.write(chunk).unwrap());
        (folder, writer.finish().unwrap(), content)
    }

    #[test]
    fn every_range_is_read_back_and_nothing_lies_open_on_disk() {
        for bytes in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let (_folder, spooled, content) = spooled(bytes);
            for from in [0, 1, bytes / 2, bytes.saturating_sub(1), bytes] {
                let mut at = from as u64;
                let mut read = Vec::new();
                loop {
                    let piece = spooled.read_from(at).unwrap();
                    if piece.is_empty() {
                        break;
                    }
                    at += piece.len() as u64;
                    read.extend(piece);
                }
                assert_eq!(read, content[from.min(bytes)..], "{bytes} from {from}");
            }
            let stored = std::fs::read(&spooled.disk.path).unwrap();
            assert!(bytes < 64 || !stored.windows(32).any(|window| window == &content[..32]));
        }
    }

    #[test]
    fn a_changed_or_cut_file_does_not_open() {
        let (_folder, spooled, _) = spooled(CHUNK_BYTES + 10);
        let mut stored = std::fs::read(&spooled.disk.path).unwrap();
        stored[5] ^= 1;
        std::fs::write(&spooled.disk.path, &stored).unwrap();
        assert!(spooled.read_from(0).is_err());
    }

    /// `/dev/full` has no room for anything.
    #[test]
    fn a_disk_without_room_is_told_from_one_that_fails() {
        let mut writer =
            SpoolWriter::create(&tempfile::tempdir().unwrap().path().join("a"), Uuid::nil(), room()).unwrap();
        writer.disk.file = File::options().write(true).open("/dev/full").unwrap();
        let fault = writer.write(&vec![7; CHUNK_BYTES + 1]).unwrap_err();
        assert!(
            matches!(fault, SpoolFault::File(_)) && fault.is_for_want_of_room(),
            "{fault:?}"
        );
        assert!(SpoolFault::Full.is_for_want_of_room());
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        assert!(!SpoolFault::from(denied).is_for_want_of_room());
    }

    #[test]
    fn the_file_goes_with_its_handle() {
        let (folder, spooled, _) = spooled(10);
        drop(spooled);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_spool_that_is_given_up_before_its_end_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = SpoolWriter::create(&folder.path().join("a.spool"), Uuid::nil(), room()).unwrap();
        writer.write(&vec![7; 3 * CHUNK_BYTES]).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(writer);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
