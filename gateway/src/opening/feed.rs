//! The agency's own file, decoded anew: the columns that its grant keeps as they are come out as they were sealed.
//!
//! Takes the file, its record type and layout, the fields that were decoded, and the day of reception; gives digests and values of the columns. A file that
//! was cut or changed gives others, which the judgement says. Row filters belong to the plan: an exchange with filtered rows needs the bundle.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use arrow_array::RecordBatch;
use serde_json::Value;
use shuguan_adapters::catalogue::RecordType;
use shuguan_adapters::decode::{DecodeLimits, Decoder, Ended};
use shuguan_adapters::layout::Layout;

use super::{Digests, values};
use crate::journal::{part_digest, run_lengths};

const CHUNK_BYTES: usize = 64 * 1024;

/// Why a file could not be decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedFault {
    /// It cannot be read.
    #[error("it cannot be read")]
    File(#[from] std::io::Error),
    /// It is not of the layout.
    #[error("it cannot be read as this type: {0}")]
    Unreadable(String),
}

/// What a file's columns hash to, and their values where they are wanted.
#[derive(Default)]
pub(crate) struct Decoded {
    /// Rows of each part.
    pub(super) rows: Vec<u32>,
    /// Part digests by column.
    pub digests: Digests,
    /// Values by column, part by part, of the columns to disclose.
    pub values: BTreeMap<String, Vec<Vec<Value>>>,
}

impl std::fmt::Debug for Decoded {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Decoded")
    }
}

/// Decodes a file. `release` turns a decoded part into a released one; `disclosed` are columns whose values are kept, in memory.
///
/// # Errors
/// See [`FeedFault`].
pub(crate) fn decode(
    file: &Path,
    (record, layout): (&'static RecordType, &Layout),
    (wanted, today): (&[&'static str], i32),
    release: &dyn Fn(RecordBatch) -> Result<RecordBatch, FeedFault>,
    disclosed: &[String],
) -> Result<Decoded, FeedFault> {
    let mut source = std::fs::File::open(file)?;
    let mut decoder = Decoder::new(record, wanted, layout, DecodeLimits::default(), today);
    let mut decoded = Decoded::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = source.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        let fed = decoder.feed(bytes);
        fed.map_err(|fault| FeedFault::Unreadable(crate::exchange::batch::refusal_of(&fault).en().into()))?;
        decoded.take(&mut decoder, release, disclosed)?;
    }
    loop {
        let ended = decoder.finish();
        let ended =
            ended.map_err(|fault| FeedFault::Unreadable(crate::exchange::batch::refusal_of(&fault).en().into()))?;
        decoded.take(&mut decoder, release, disclosed)?;
        if ended == Ended::Whole {
            return Ok(decoded);
        }
    }
}

impl Decoded {
    /// Rows of the parts, as an opening has them.
    pub(crate) fn parts(&self) -> String {
        run_lengths(&self.rows)
    }

    fn take(
        &mut self,
        decoder: &mut Decoder,
        release: &dyn Fn(RecordBatch) -> Result<RecordBatch, FeedFault>,
        disclosed: &[String],
    ) -> Result<(), FeedFault> {
        while let Some(part) = decoder.next_part() {
            let part = release(part)?;
            // As at the gateway: of a part without rows nothing is sealed.
            if part.num_rows() == 0 {
                continue;
            }
            self.rows.push(u32::try_from(part.num_rows()).unwrap_or(u32::MAX));
            for (field, column) in part.schema().fields().iter().zip(part.columns()) {
                let Ok(digest) = part_digest(column) else { continue };
                self.digests.entry(field.name().clone()).or_default().push(digest);
                if disclosed.contains(field.name()) {
                    let values = self.values.entry(field.name().clone()).or_default();
                    values.push(values::json(column));
                }
            }
            // Rejects are of no use here.
            decoder.take_rejects();
        }
        Ok(())
    }
}
