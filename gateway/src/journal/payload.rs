//! Sealed payloads: released parts, encrypted under a key of their own, until the registry has them (C7).
//!
//! Takes released record batches in order; gives a [`SealedPayload`] that only the sealing transaction uses up. Refuses a part with other
//! columns; when read, a part that was changed, cut, reordered, or belongs to another exchange.
//!
//! A part is one Arrow IPC stream (aligned to 8 bytes, not 64) in one zstd frame, sealed with AES-256-GCM: nonce = part number
//! as 96-bit big-endian integer (the key is used for one payload only), additional data = exchange id ‖ part number u32 LE ‖ 1 for the last
//! part. Parts are stored one after the other as length u32 LE ‖ ciphertext ‖ tag: up to 64 KiB in the journal's row, above it in
//! `<payloads>/<exchange>.parts`.
//! Memory: one encoded part, 64 KiB, and 32 bytes for each column and part.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::MetadataVersion;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::SchemaRef;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use shuguan_ledger::leaf::Digest;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::columns::ColumnDigests;
use super::commits::Teller;
use super::evidence::Evidence;
use super::fault::JournalFault;
use super::kek::{Kek, Kind};
use super::packing;
use crate::{clock, durable};

/// Payloads up to this size lie in the journal itself.
pub(super) const INLINE_BYTES_MAX: usize = 64 * 1024;
/// A longer length prefix is damage: a part has at most 8,192 rows.
const PART_BYTES_MAX: u32 = 256 << 20;
const TAG_BYTES: usize = 16;

/// Writes the parts of one exchange. Dropped unfinished, it leaves nothing.
pub struct PayloadWriter {
    exchange: Uuid,
    schema: SchemaRef,
    cipher: Cipher,
    wrapped_key: Vec<u8>,
    evidence: Evidence,
    columns: ColumnDigests,
    /// The last part encoded: whether it is the last of all is known only when another comes or not.
    held: Option<Vec<u8>>,
    parts: u32,
    rows: u64,
    sink: Sink,
    folder: Arc<Path>,
    teller: Teller,
}

impl std::fmt::Debug for PayloadWriter {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("PayloadWriter")
            .field("exchange", &self.exchange)
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

impl PayloadWriter {
    pub(super) fn begin(exchange: Uuid, schema: SchemaRef, kek: &Kek, folder: Arc<Path>) -> Result<Self, JournalFault> {
        let key = Zeroizing::new(clock::random::<32>()?);
        Ok(Self {
            exchange,
            columns: ColumnDigests::new(&schema)?,
            schema,
            wrapped_key: kek.seal(Kind::DataKey, exchange, key.as_ref())?,
            cipher: Cipher::new(exchange, key.as_ref())?,
            evidence: Evidence::fresh()?,
            held: None,
            parts: 0,
            rows: 0,
            sink: Sink::Inline(Vec::new()),
            folder,
            teller: Teller::default(),
        })
    }

    pub(super) fn telling(self, teller: Teller) -> Self {
        Self { teller, ..self }
    }

    /// Takes the next part: some milliseconds of work and perhaps a write to the page cache, no fsync.
    ///
    /// # Errors
    /// [`JournalFault::Column`] for other columns than the schema's, [`JournalFault::File`] when the folder cannot be written.
    pub fn push(&mut self, part: &RecordBatch) -> Result<(), JournalFault> {
        if part.schema_ref().fields() != self.schema.fields() {
            return Err(JournalFault::Column("schema".into()));
        }
        self.columns.push(part)?;
        self.rows = self
            .rows
            .saturating_add(u64::try_from(part.num_rows()).unwrap_or(u64::MAX));
        let encoded = encode(part)?;
        let Some(earlier) = self.held.replace(encoded) else {
            return Ok(());
        };
        let wanted = self.spilled_bytes().saturating_add(length(&earlier));
        let written = self.write(earlier, false);
        self.teller.hears(wanted, written)
    }

    /// Bytes that it has put on disk; none while it fits the journal's row.
    pub fn spilled_bytes(&self) -> u64 {
        match &self.sink {
            Sink::Inline(_) => 0,
            Sink::File { bytes, .. } => *bytes,
        }
    }

    /// Whether [`PayloadWriter::finish`] will wait for the disk; then it belongs on a blocking thread.
    pub fn spills(&self) -> bool {
        matches!(self.sink, Sink::File { .. })
    }

    /// Ends the payload; a file is on disk when this returns, it and its folder fsynced.
    ///
    /// # Errors
    /// [`JournalFault::File`]; nothing is left behind then.
    pub fn finish(self) -> Result<SealedPayload, JournalFault> {
        let last = self.held.as_deref().map_or(0, length);
        let (teller, wanted) = (self.teller.clone(), self.spilled_bytes().saturating_add(last));
        teller.hears(wanted, self.end())
    }

    fn end(mut self) -> Result<SealedPayload, JournalFault> {
        if let Some(last) = self.held.take() {
            self.write(last, true)?;
        }
        let (body, bytes) = self.sink.finish(&self.folder)?;
        let cols = Digest(self.columns.commit(&mut self.evidence));
        Ok(SealedPayload {
            exchange: self.exchange,
            parts: self.parts,
            rows: self.rows,
            bytes,
            body,
            wrapped_key: self.wrapped_key,
            cols,
            column_count: self.columns.count(),
            evidence: self.evidence,
        })
    }

    fn write(&mut self, encoded: Vec<u8>, last: bool) -> Result<(), JournalFault> {
        let sealed = self.cipher.seal(self.parts, last, encoded)?;
        self.parts = self.parts.checked_add(1).ok_or(JournalFault::Crypto)?;
        let length = u32::try_from(sealed.len())
            .ok()
            .filter(|length| *length <= PART_BYTES_MAX);
        let length = length.ok_or_else(|| JournalFault::Column("part".into()))?;
        self.sink.append(&length.to_le_bytes(), &sealed, || {
            SpillFile::create(spill_path(&self.folder, self.exchange))
        })
    }
}

/// A finished payload that waits for its leaf. Dropped unsealed, its file is removed.
#[derive(Debug)]
pub struct SealedPayload {
    pub(super) exchange: Uuid,
    pub(super) parts: u32,
    rows: u64,
    pub(super) bytes: u64,
    pub(super) body: Body,
    pub(super) wrapped_key: Vec<u8>,
    pub(super) evidence: Evidence,
    cols: Digest,
    column_count: u64,
}

impl SealedPayload {
    /// The column root, member `cols` of the leaf.
    pub fn cols(&self) -> Digest {
        self.cols
    }

    /// Number of columns, member `nc` of the leaf.
    pub fn column_count(&self) -> u64 {
        self.column_count
    }

    /// Rows in all parts.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Number of parts.
    pub fn parts(&self) -> u32 {
        self.parts
    }

    /// Encrypted bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The evidence record of the exchange, for `req` and what else the leaf commits to.
    pub fn evidence_mut(&mut self) -> &mut Evidence {
        &mut self.evidence
    }
}

/// Where the parts lie.
#[derive(Debug)]
pub(super) enum Body {
    Inline(Vec<u8>),
    File(SpillFile),
}

/// A payload file that is removed when dropped, unless it was kept.
#[derive(Debug)]
pub(super) struct SpillFile {
    path: Option<PathBuf>,
}

impl SpillFile {
    pub(super) fn create(path: PathBuf) -> Result<(Self, File), JournalFault> {
        let file = durable::create_private(&path).map_err(JournalFault::file("create", &path))?;
        Ok((Self { path: Some(path) }, file))
    }

    /// From here on the journal refers to the file, or may do so: the commit's outcome is unknown and the next start decides.
    pub(super) fn keep(&mut self) {
        self.path = None;
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            // An orphan that cannot be removed now is removed at the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[derive(Debug)]
enum Sink {
    Inline(Vec<u8>),
    File {
        out: BufWriter<File>,
        guard: SpillFile,
        bytes: u64,
    },
}

impl Sink {
    fn append(
        &mut self,
        length: &[u8],
        sealed: &[u8],
        create: impl FnOnce() -> Result<(SpillFile, File), JournalFault>,
    ) -> Result<(), JournalFault> {
        if let Self::Inline(buffer) = self {
            if buffer.len() + length.len() + sealed.len() <= INLINE_BYTES_MAX {
                buffer.extend_from_slice(length);
                buffer.extend_from_slice(sealed);
                return Ok(());
            }
            let (guard, file) = create()?;
            let early = std::mem::take(buffer);
            let mut out = BufWriter::with_capacity(INLINE_BYTES_MAX, file);
            write_all(&mut out, &early, &guard)?;
            let bytes = u64::try_from(early.len()).unwrap_or(u64::MAX);
            *self = Self::File { out, guard, bytes };
        }
        if let Self::File { out, guard, bytes } = self {
            write_all(out, length, guard)?;
            write_all(out, sealed, guard)?;
            *bytes += u64::try_from(length.len() + sealed.len()).unwrap_or(u64::MAX);
        }
        Ok(())
    }

    fn finish(self, folder: &Path) -> Result<(Body, u64), JournalFault> {
        match self {
            Self::Inline(buffer) => {
                let bytes = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
                Ok((Body::Inline(buffer), bytes))
            }
            Self::File { mut out, guard, bytes } => {
                // The name must be as durable as the content before a leaf may refer to either.
                let synced = out.flush().and_then(|()| out.get_ref().sync_all());
                synced.map_err(JournalFault::file("sync a payload in", folder))?;
                sync_folder(folder)?;
                Ok((Body::File(guard), bytes))
            }
        }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn write_all(out: &mut BufWriter<File>, bytes: &[u8], guard: &SpillFile) -> Result<(), JournalFault> {
    let path = guard.path.as_deref().unwrap_or(Path::new(""));
    out.write_all(bytes).map_err(JournalFault::file("write", path))
}

pub(super) fn sync_folder(folder: &Path) -> Result<(), JournalFault> {
    durable::sync_folder(folder).map_err(JournalFault::file("sync", folder))
}

pub(super) fn spill_path(folder: &Path, exchange: Uuid) -> PathBuf {
    folder.join(format!("{}.parts", exchange.hyphenated()))
}

/// The exchange whose payload a file is; `None` for any other file.
pub(super) fn spilled_exchange(name: &str) -> Option<Uuid> {
    let exchange = Uuid::parse_str(name.strip_suffix(".parts")?).ok()?;
    (format!("{}.parts", exchange.hyphenated()) == name).then_some(exchange)
}

/// AES-256-GCM under the data key of one exchange.
struct Cipher {
    exchange: Uuid,
    key: LessSafeKey,
}

impl Cipher {
    fn new(exchange: Uuid, key: &[u8]) -> Result<Self, JournalFault> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?);
        Ok(Self { exchange, key })
    }

    fn aad(&self, part: u32, last: bool) -> Aad<Vec<u8>> {
        Aad::from(
            [
                self.exchange.as_bytes().as_slice(),
                &part.to_le_bytes(),
                &[u8::from(last)],
            ]
            .concat(),
        )
    }

    fn seal(&self, part: u32, last: bool, mut clear: Vec<u8>) -> Result<Vec<u8>, JournalFault> {
        self.key
            .seal_in_place_append_tag(nonce(part), self.aad(part, last), &mut clear)?;
        Ok(clear)
    }

    fn open(&self, part: u32, last: bool, sealed: &mut [u8]) -> Result<usize, JournalFault> {
        let opened = self.key.open_in_place(nonce(part), self.aad(part, last), sealed);
        Ok(opened.map_err(|_| JournalFault::Unopened("a part"))?.len())
    }
}

fn nonce(part: u32) -> Nonce {
    let mut bytes = [0; 12];
    if let Some(place) = bytes.last_chunk_mut::<4>() {
        *place = part.to_be_bytes();
    }
    Nonce::assume_unique_for_key(bytes)
}

/// Packed as a whole: one frame finds what repeats between columns too, and makes one context do. Padding each buffer to 64 bytes would only make more bytes.
fn encode(part: &RecordBatch) -> Result<Vec<u8>, JournalFault> {
    let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5).map_err(JournalFault::Part)?;
    let mut writer =
        StreamWriter::try_new_with_options(Vec::new(), part.schema_ref(), options).map_err(JournalFault::Part)?;
    writer.write(part).map_err(JournalFault::Part)?;
    let stream = writer.into_inner().map_err(JournalFault::Part)?;
    Ok(packing::packed(&stream).unwrap_or(stream))
}

fn decode(clear: &[u8]) -> Result<RecordBatch, JournalFault> {
    let unopened = || JournalFault::Unopened("a part");
    let unpacked = packing::unpacked(clear).map_err(|_| unopened())?;
    let mut reader = StreamReader::try_new(unpacked.as_deref().unwrap_or(clear), None).map_err(JournalFault::Part)?;
    reader.next().ok_or_else(unopened)?.map_err(JournalFault::Part)
}

/// Reads the parts of one payload; in order, each costs one read.
pub(super) struct PayloadReader {
    cipher: Cipher,
    parts: u32,
    source: Source,
    /// Part whose length prefix stands at the offset.
    next: (u32, u64),
}

enum Source {
    Inline(Vec<u8>),
    File(File),
}

impl PayloadReader {
    /// Opens the payload: `inline` is the row's blob, else the file in `folder` is read.
    pub(super) fn open(
        kek: &Kek,
        exchange: Uuid,
        wrapped_key: &[u8],
        parts: u32,
        inline: Option<Vec<u8>>,
        folder: &Path,
    ) -> Result<Self, JournalFault> {
        let key = kek.open(Kind::DataKey, exchange, wrapped_key)?;
        let source = if let Some(blob) = inline {
            Source::Inline(blob)
        } else {
            let path = spill_path(folder, exchange);
            // A file that is not there does not come by waiting: the batch is set aside, and can be released when the folder is back.
            let opened = File::open(&path).map_err(|error| match error.kind() {
                ErrorKind::NotFound => JournalFault::Unopened("the file of a payload"),
                _ => JournalFault::file("open", &path)(error),
            });
            Source::File(opened?)
        };
        Ok(Self {
            cipher: Cipher::new(exchange, &key)?,
            parts,
            source,
            next: (0, 0),
        })
    }

    /// Part `n`, from 0.
    pub(super) fn part(&mut self, n: u32) -> Result<RecordBatch, JournalFault> {
        if n >= self.parts {
            return Err(JournalFault::NoPart(n));
        }
        if n < self.next.0 {
            self.next = (0, 0);
        }
        while self.next.0 < n {
            let length = self.length()?;
            self.step(length);
        }
        let length = self.length()?;
        let mut sealed = self.source.read(self.next.1 + 4, length)?;
        self.step(length);
        let clear = self.cipher.open(n, n + 1 == self.parts, &mut sealed)?;
        sealed.truncate(clear);
        decode(&sealed)
    }

    fn length(&mut self) -> Result<u32, JournalFault> {
        let prefix = self.source.read(self.next.1, 4)?;
        let length = prefix.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
        length
            .filter(|length| *length <= PART_BYTES_MAX && usize::try_from(*length).is_ok_and(|n| n >= TAG_BYTES))
            .ok_or(JournalFault::Unopened("a part"))
    }

    fn step(&mut self, length: u32) {
        self.next = (self.next.0 + 1, self.next.1 + 4 + u64::from(length));
    }
}

impl Source {
    fn read(&mut self, offset: u64, length: u32) -> Result<Vec<u8>, JournalFault> {
        let cut = || JournalFault::Unopened("a part");
        let length = usize::try_from(length).map_err(|_| cut())?;
        match self {
            Self::Inline(blob) => {
                let start = usize::try_from(offset).map_err(|_| cut())?;
                let end = start.checked_add(length).ok_or_else(cut)?;
                blob.get(start..end).map(<[u8]>::to_vec).ok_or_else(cut)
            }
            Self::File(file) => {
                let mut bytes = Vec::new();
                let read = file
                    .seek(SeekFrom::Start(offset))
                    .and_then(|_| file.take(u64::try_from(length).unwrap_or(0)).read_to_end(&mut bytes));
                read.map_err(JournalFault::file("read a part of", Path::new("payload")))?;
                if bytes.len() == length { Ok(bytes) } else { Err(cut()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test may panic"
    )]

    use std::path::Path;
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use arrow_schema::{DataType, Field, Schema, SchemaRef};
    use uuid::Uuid;

    use super::{Body, PayloadReader, PayloadWriter, SealedPayload, spill_path, spilled_exchange};
    use crate::journal::kek::Kek;
    use crate::journal::settings::Secret;

    const EXCHANGE: Uuid = Uuid::from_u128(7);

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("text", DataType::Utf8, true),
            Field::new("number", DataType::Int64, true),
        ]))
    }

    /// Rows that zstd cannot shrink much.
    fn part(seed: i64, rows: i64) -> RecordBatch {
        let number = |row: i64| (row * 1_000_003 + seed).wrapping_mul(0x5851_F42D_4C95_7F2D);
        let texts: StringArray = (0..rows).map(|row| Some(format!("{:x}", number(row)))).collect();
        let numbers: Int64Array = (0..rows).map(|row| Some(number(row))).collect();
        RecordBatch::try_new(schema(), vec![Arc::new(texts) as ArrayRef, Arc::new(numbers)]).unwrap()
    }

    fn kek() -> Kek {
        Kek::new(&Secret::new([9; 32])).unwrap()
    }

    fn write(folder: &Path, parts: &[RecordBatch]) -> SealedPayload {
        let mut writer = PayloadWriter::begin(EXCHANGE, schema(), &kek(), folder.into()).unwrap();
        for part in parts {
            writer.push(part).unwrap();
        }
        writer.finish().unwrap()
    }

    fn reader(payload: &SealedPayload, folder: &Path) -> PayloadReader {
        let inline = match &payload.body {
            Body::Inline(blob) => Some(blob.clone()),
            Body::File(_) => None,
        };
        PayloadReader::open(&kek(), EXCHANGE, &payload.wrapped_key, payload.parts, inline, folder).unwrap()
    }

    #[test]
    fn small_payloads_lie_in_the_row_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let parts = [part(1, 100), part(2, 1), part(3, 50)];
        let payload = write(folder.path(), &parts);
        assert!(matches!(payload.body, Body::Inline(_)));
        assert_eq!((payload.parts(), payload.rows(), payload.column_count()), (3, 151, 2));
        let mut reader = reader(&payload, folder.path());
        for n in [0, 1, 2, 1, 0] {
            assert_eq!(reader.part(n).unwrap(), parts[n as usize]);
        }
        assert!(reader.part(3).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_single_record_of_sixteen_columns_takes_a_quarter_of_a_page_of_the_journal() {
        let columns = (0..16).map(|column| {
            let values: ArrayRef = Arc::new(StringArray::from(vec!["320706000000"]));
            (format!("column_{column:02}"), values)
        });
        let part = RecordBatch::try_from_iter(columns).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut writer = PayloadWriter::begin(EXCHANGE, part.schema(), &kek(), folder.path().into()).unwrap();
        writer.push(&part).unwrap();
        let bytes = writer.finish().unwrap().bytes();
        assert!(bytes < 1_000, "{bytes}");
    }

    #[test]
    fn large_payloads_lie_in_a_file_that_goes_when_they_are_not_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let parts = [part(1, 8_192), part(2, 8_192), part(3, 10)];
        let payload = write(folder.path(), &parts);
        assert!(matches!(payload.body, Body::File(_)));
        let file = spill_path(folder.path(), EXCHANGE);
        assert_eq!(std::fs::metadata(&file).unwrap().len(), payload.bytes());
        let mut reader = reader(&payload, folder.path());
        for n in [0, 1, 2, 0] {
            assert_eq!(reader.part(n).unwrap(), parts[n as usize]);
        }
        drop(payload);
        assert!(!file.exists(), "nothing refers to it");
        let mut unfinished = PayloadWriter::begin(EXCHANGE, schema(), &kek(), folder.path().into()).unwrap();
        unfinished.push(&part(1, 8_192)).unwrap();
        unfinished.push(&part(2, 8_192)).unwrap();
        assert!(unfinished.spills() && file.exists());
        drop(unfinished);
        assert!(!file.exists());
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let payload = write(folder.path(), &[part(1, 3), part(2, 3)]);
        let Body::Inline(blob) = &payload.body else {
            panic!("inline")
        };
        let read = |blob: Vec<u8>, parts: u32| {
            let mut reader =
                PayloadReader::open(&kek(), EXCHANGE, &payload.wrapped_key, parts, Some(blob), folder.path())?;
            (0..parts).map(|n| reader.part(n)).collect::<Result<Vec<_>, _>>()
        };
        assert_eq!(read(blob.clone(), 2).unwrap().len(), 2);
        for place in 0..blob.len() {
            let mut changed = blob.clone();
            changed[place] ^= 0x80;
            assert!(read(changed, 2).is_err(), "byte {place}");
        }
        for length in 0..blob.len() {
            assert!(read(blob[..length].to_vec(), 2).is_err(), "cut at {length}");
        }
        assert!(
            read(blob.clone(), 1).is_err(),
            "the first part says that it is not the last"
        );
    }

    #[test]
    fn other_columns_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = PayloadWriter::begin(EXCHANGE, schema(), &kek(), folder.path().into()).unwrap();
        assert!(writer.push(&part(1, 3).project(&[0]).unwrap()).is_err());
    }

    #[test]
    fn only_our_own_names_are_payload_files() {
        let name = format!("{}.parts", EXCHANGE.hyphenated());
        assert_eq!(spilled_exchange(&name), Some(EXCHANGE));
        assert_eq!(spilled_exchange(&name.replace('-', "")), None);
        assert_eq!(spilled_exchange("notes.txt"), None);
    }
}
