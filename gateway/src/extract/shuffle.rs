//! The rows of an extract in an order that tells nothing.
//!
//! The registry is read in the order of its subjects, which is that of the places and days of birth in their numbers: whoever is not given the numbers must not
//! get them by rank. Takes released batches in whatever order, gives each row once, every order as likely as any other. Up to [`HAND_ROWS`] rows are held; of
//! more, each goes to one of [`HEAPS`] heaps by chance, in an encrypted file beside the spool, and each heap is shuffled by itself. Memory is that of a heap:
//! 5.3 million rows are 41,000 a heap. Refuses what the spools have no room for.

use arrow_array::{RecordBatch, UInt32Array};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use ring::digest::{SHA256, digest};
use uuid::Uuid;

use super::Extracts;
use super::spool::{SpoolFault, SpoolWriter, Spooled};

/// Rows that are held before they go to the heaps.
const HAND_ROWS: usize = if cfg!(test) { 500 } else { 65_536 };
const HEAPS: usize = if cfg!(test) { 8 } else { 128 };
/// Rows of a batch that is given.
const BATCH_ROWS: usize = 1_024;

/// Why rows could not be put into another order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShuffleFault {
    /// The file of the heaps.
    #[error("the heaps of an extract cannot be used")]
    Spool(#[from] SpoolFault),
    /// The column library refused.
    #[error("rows could not be put into another order")]
    Columnar(#[from] ArrowError),
    /// A heap is not as it was written.
    #[error("a heap of an extract is cut")]
    Cut,
}

/// Where a piece of a heap lies in the file: offset and bytes.
type Piece = (u64, usize);

/// Rows that wait for their order. Dropped before its end, it leaves nothing.
pub(crate) struct Shuffle<'a> {
    extracts: &'a Extracts,
    exchange: Uuid,
    schema: SchemaRef,
    draws: Draws,
    hand: Vec<RecordBatch>,
    held: usize,
    /// None as long as the hand holds all.
    file: Option<SpoolWriter>,
    written: u64,
    heaps: Vec<Vec<Piece>>,
}

impl<'a> Shuffle<'a> {
    /// Begins. `secret` decides the order; it must be used for nothing else and kept by nobody.
    pub(crate) fn begin(extracts: &'a Extracts, exchange: Uuid, schema: SchemaRef, secret: [u8; 32]) -> Self {
        Self {
            extracts,
            exchange,
            schema,
            draws: Draws::of(secret),
            hand: Vec::new(),
            held: 0,
            file: None,
            written: 0,
            heaps: vec![Vec::new(); HEAPS],
        }
    }

    /// Takes rows.
    ///
    /// # Errors
    /// [`ShuffleFault`]; [`SpoolFault::Full`] in it when there is no room.
    pub(crate) fn push(&mut self, rows: RecordBatch) -> Result<(), ShuffleFault> {
        self.held += rows.num_rows();
        self.hand.push(rows);
        if self.held >= HAND_ROWS { self.spread() } else { Ok(()) }
    }

    /// Gives every row that was taken, once, in batches of at most 1,024.
    ///
    /// # Errors
    /// What `each` stops with, and what `failed` makes of a [`ShuffleFault`].
    pub(crate) fn deal<E>(
        mut self,
        mut each: impl FnMut(&RecordBatch) -> Result<(), E>,
        failed: impl Fn(ShuffleFault) -> E,
    ) -> Result<(), E> {
        let mut give = |rows: &RecordBatch, draws: &mut Draws| {
            for chunk in draws.order_of(rows).chunks(BATCH_ROWS) {
                let chunk = UInt32Array::from(chunk.to_vec());
                let batch = take_record_batch(rows, &chunk).map_err(|error| failed(error.into()))?;
                each(&batch)?;
            }
            Ok(())
        };
        if self.file.is_none() {
            let hand = self.pick_up().map_err(&failed)?;
            return give(&hand, &mut self.draws);
        }
        let file = self.put_down().map_err(&failed)?;
        for heap in std::mem::take(&mut self.heaps) {
            let heap = self.heap(&file, &heap).map_err(&failed)?;
            give(&heap, &mut self.draws)?;
        }
        Ok(())
    }

    /// The last of the hand goes to the heaps as well.
    fn put_down(&mut self) -> Result<Spooled, ShuffleFault> {
        self.spread()?;
        Ok(self.file.take().ok_or(ShuffleFault::Cut)?.finish()?)
    }

    fn heap(&self, file: &Spooled, pieces: &[Piece]) -> Result<RecordBatch, ShuffleFault> {
        let pieces: Result<Vec<RecordBatch>, _> = pieces.iter().map(|piece| read(file, *piece)).collect();
        Ok(concat_batches(&self.schema, &pieces?)?)
    }

    fn pick_up(&mut self) -> Result<RecordBatch, ShuffleFault> {
        self.held = 0;
        Ok(concat_batches(&self.schema, &std::mem::take(&mut self.hand))?)
    }

    /// Puts what is held onto the heaps.
    fn spread(&mut self) -> Result<(), ShuffleFault> {
        let hand = self.pick_up()?;
        let mut heaps: Vec<Vec<u32>> = vec![Vec::new(); HEAPS];
        for row in 0..u32::try_from(hand.num_rows()).unwrap_or(u32::MAX) {
            let heap = usize::try_from(self.draws.next() % HEAPS as u64).unwrap_or(0);
            if let Some(heap) = heaps.get_mut(heap) {
                heap.push(row);
            }
        }
        for (number, rows) in heaps.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
            let piece = take_record_batch(&hand, &UInt32Array::from(rows))?;
            let mut writer = StreamWriter::try_new(Vec::new(), &self.schema)?;
            writer.write(&piece)?;
            let bytes = writer.into_inner()?;
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(self.extracts.heaps(self.exchange)?),
            };
            file.write(&bytes)?;
            let piece = (self.written, bytes.len());
            self.written += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            if let Some(heap) = self.heaps.get_mut(number) {
                heap.push(piece);
            }
        }
        Ok(())
    }
}

fn read(file: &Spooled, (from, length): Piece) -> Result<RecordBatch, ShuffleFault> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let chunk = file.read_from(from + u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        if chunk.is_empty() {
            return Err(ShuffleFault::Cut);
        }
        bytes.extend_from_slice(&chunk);
    }
    bytes.truncate(length);
    let mut reader = StreamReader::try_new(bytes.as_slice(), None)?;
    Ok(reader.next().ok_or(ShuffleFault::Cut)??)
}

/// Numbers that nobody can foresee who lacks the secret: SHA-256 of the secret and a counter, four numbers a hash.
struct Draws {
    secret: [u8; 32],
    counter: u64,
    block: Vec<u64>,
}

impl Draws {
    fn of(secret: [u8; 32]) -> Self {
        Self {
            secret,
            counter: 0,
            block: Vec::with_capacity(4),
        }
    }

    /// The numbers of the rows, every order as likely as any other.
    fn order_of(&mut self, rows: &RecordBatch) -> Vec<u32> {
        let numbers = 0..u32::try_from(rows.num_rows()).unwrap_or(u32::MAX);
        let mut drawn: Vec<(u64, u32)> = numbers.map(|row| (self.next(), row)).collect();
        drawn.sort_unstable();
        drawn.into_iter().map(|(_, row)| row).collect()
    }

    fn next(&mut self) -> u64 {
        loop {
            if let Some(number) = self.block.pop() {
                return number;
            }
            let message = [self.secret.as_slice(), &self.counter.to_be_bytes()].concat();
            self.counter += 1;
            let hash = digest(&SHA256, &message);
            let (numbers, _) = hash.as_ref().as_chunks::<8>();
            self.block
                .extend(numbers.iter().map(|bytes| u64::from_be_bytes(*bytes)));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array, StringArray};

    use super::*;
    use crate::clock::Clock;
    use crate::config::ExtractsSection;

    fn extracts(bytes_max: u64) -> (tempfile::TempDir, Extracts) {
        let folder = tempfile::tempdir().unwrap();
        let section = ExtractsSection {
            spool: folder.path().to_owned(),
            keep_hours: 24.try_into().unwrap(),
            spool_bytes_max: bytes_max.try_into().unwrap(),
        };
        let extracts = Extracts::open(&section, Clock::system()).unwrap();
        (folder, extracts)
    }

    fn rows(from: i64, count: i64) -> RecordBatch {
        let numbers: Int64Array = (from..from + count).map(Some).collect();
        let names: StringArray = (from..from + count)
            .map(|row| (row % 3 != 0).then(|| format!("第{row}行")))
            .collect();
        let columns: [(&str, ArrayRef); 2] = [("number", Arc::new(numbers)), ("name", Arc::new(names))];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    }

    /// The numbers in the order that a secret gives them, each beside its own name.
    fn dealt(extracts: &Extracts, count: i64, secret: u8) -> Vec<i64> {
        let mut shuffle = Shuffle::begin(extracts, Uuid::nil(), rows(0, 0).schema(), [secret; 32]);
        for from in (0..count).step_by(90) {
            shuffle.push(rows(from, 90.min(count - from))).unwrap();
        }
        let mut numbers = Vec::new();
        let each = |batch: &RecordBatch| {
            assert!(batch.num_rows() <= BATCH_ROWS);
            let (column, names) = (
                batch.column(0).as_primitive::<Int64Type>(),
                batch.column(1).as_string::<i32>(),
            );
            for (number, name) in column.values().iter().zip(names) {
                assert_eq!(
                    name.map(str::to_owned),
                    (number % 3 != 0).then(|| format!("第{number}行"))
                );
                numbers.push(*number);
            }
            Ok(())
        };
        shuffle.deal(each, |fault| fault).unwrap();
        numbers
    }

    /// How often a row is followed by a greater one.
    fn ascents(numbers: &[i64]) -> usize {
        numbers.windows(2).filter(|pair| pair[0] < pair[1]).count()
    }

    #[test]
    fn every_row_comes_once_and_in_no_order_of_its_own() {
        let (folder, extracts) = extracts(1 << 20);
        for count in [0, 1, 2, 499, 500, 501, 3_000] {
            let numbers = dealt(&extracts, count, 7);
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..count).collect::<Vec<_>>(), "{count}");
            if count > 400 {
                let (pairs, up) = (numbers.len() - 1, ascents(&numbers));
                assert!(
                    up * 5 > pairs * 2 && up * 5 < pairs * 3,
                    "{count}: {up} of {pairs} go up"
                );
            }
        }
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "the heaps go with it"
        );
    }

    #[test]
    fn another_extract_has_another_order() {
        let (_folder, extracts) = extracts(1 << 20);
        let (one, other) = (dealt(&extracts, 2_000, 1), dealt(&extracts, 2_000, 2));
        let same = one.iter().zip(&other).filter(|(one, other)| one == other).count();
        assert!(same < 20, "{same}");
        assert_eq!(one, dealt(&extracts, 2_000, 1), "the secret decides it");
    }

    #[test]
    fn each_place_is_as_likely_for_each_row() {
        let (_folder, extracts) = extracts(1 << 20);
        let mut counts = [0_u32; 5];
        for secret in 0..250 {
            let place = dealt(&extracts, 5, secret)
                .iter()
                .position(|number| *number == 0)
                .unwrap();
            counts[place] += 1;
        }
        assert!(counts.iter().all(|count| (25..=80).contains(count)), "{counts:?}");
    }

    #[test]
    fn heaps_for_which_there_is_no_room_are_refused_and_leave_nothing() {
        let (folder, extracts) = extracts(70_000);
        let mut shuffle = Shuffle::begin(&extracts, Uuid::nil(), rows(0, 0).schema(), [3; 32]);
        let refused = (0..100).find_map(|turn| shuffle.push(rows(turn * 250, 250)).err());
        assert!(
            matches!(refused, Some(ShuffleFault::Spool(SpoolFault::Full))),
            "{refused:?}"
        );
        drop(shuffle);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_of_the_heaps_lies_open_on_disk() {
        let (folder, extracts) = extracts(1 << 20);
        let mut shuffle = Shuffle::begin(&extracts, Uuid::nil(), rows(0, 0).schema(), [3; 32]);
        for turn in 0..12 {
            shuffle.push(rows(turn * 250, 250)).unwrap();
        }
        let file = std::fs::read_dir(folder.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let stored = std::fs::read(file).unwrap();
        assert!(stored.len() > 64_000 && !stored.windows(6).any(|window| window == "第1".as_bytes()));
    }
}
