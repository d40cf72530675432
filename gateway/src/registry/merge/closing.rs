//! What closes a row: the newest delete of one partner for a key, and the last snapshot of his that lacked it.
//!
//! The end of a snapshot goes through the table in key order, at most [`STRIDE`] keys a transaction, with its place in the progress: killed
//! anywhere, it goes on there. It closes rows of its partner, within its scope, that came before it and that it does not hold. Before,
//! the same walk counts them and writes nothing.

use std::sync::{Arc, OnceLock};

use uuid::Uuid;

use super::super::Progress;
use super::super::fault::RegistryFault;
use super::super::schema::TableSpec;
use super::held::Held;

/// Keys that are looked at in one transaction; in tests few, so that there are many.
pub(in crate::registry) const STRIDE: usize = if cfg!(test) { 3 } else { 8_192 };

/// The place of a walk that is at its end; no key of a natural field is this. Said again, it closes nothing.
pub(in crate::registry) const BEHIND_ALL: &str = "\u{10FFFF}";

/// A snapshot whose parts are all in.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The exchange.
    pub exchange: Uuid,
    /// Index of its leaf.
    pub leaf: u64,
    /// Name of the record type.
    pub record: String,
    /// The partner that sent it.
    pub partner: String,
    /// When the gateway received it, microseconds since the epoch.
    pub received_us: i64,
    /// The field that its scope goes by, and the codes inside; none: all rows of the partner.
    pub scope: Option<(String, Vec<String>)>,
    /// What it holds and did not write: the store reads it at the first stride, and whoever ends it keeps it until the last.
    pub held: Arc<OnceLock<Held>>,
}

/// What one stride of counting found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    /// Open rows of the partner within the scope.
    pub held: u64,
    /// Those that would be closed.
    pub due: u64,
    /// The key up to which was counted; none at the end.
    pub after: Option<String>,
}

/// What one stride of closing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The exchange after it.
    pub progress: Progress,
    /// Rows that this stride closed.
    pub rows: u64,
    /// The table is at its end.
    pub done: bool,
}

impl Ending {
    /// Its leaf as stores have it.
    pub(in crate::registry) fn leaf(&self) -> i64 {
        i64::try_from(self.leaf).unwrap_or(i64::MAX)
    }

    /// Its scope as it stands in `snapshot`; none: all rows of the partner.
    pub(in crate::registry) fn scope_text(&self) -> Option<String> {
        let (field, codes) = self.scope.as_ref()?;
        Some(format!("{field}={}", codes.join(",")))
    }

    /// The column of its scope, with the codes.
    ///
    /// # Errors
    /// [`RegistryFault::UnknownColumn`]: the table has no such column.
    pub(in crate::registry) fn scope(
        &self,
        table: &TableSpec,
    ) -> Result<Option<(&'static str, &[String])>, RegistryFault> {
        let Some((field, codes)) = &self.scope else {
            return Ok(None);
        };
        let column = table.column(field).ok_or_else(|| RegistryFault::UnknownColumn {
            record: table.record.name.into(),
            column: field.clone(),
        })?;
        Ok(Some((column.name, codes)))
    }
}

/// The closings of one key by one partner, as far as they matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::registry) struct Closing {
    /// Leaf of the last snapshot that lacked it.
    pub(in crate::registry) snapshot_leaf: Option<i64>,
    /// Source time, leaf and row of the newest delete.
    pub(in crate::registry) deleted: Option<(i64, i64, i64)>,
}

impl Closing {
    /// Whether it closes a row of that source time, leaf and row. A snapshot speaks for the moment at which it was received: what came after it,
    /// whatever its source time, is not closed by it.
    pub(in crate::registry) fn closes(&self, order: (i64, i64, i64)) -> bool {
        self.snapshot_leaf.is_some_and(|leaf| leaf > order.1) || self.deleted.is_some_and(|deleted| deleted > order)
    }

    /// Of the noted delete and the newest that an exchange says, the one that the other takes the place of; none when both are that exchange's.
    /// It is kept, because it holds again when the other is recalled.
    pub(in crate::registry) fn superseded(&self, said: Option<(i64, i64, i64)>) -> Option<(i64, i64, i64)> {
        let (noted, said) = (self.deleted?, said?);
        (noted.1 != said.1).then(|| noted.min(said))
    }

    /// Notes a delete; false when a newer one is noted already.
    pub(in crate::registry) fn note_delete(&mut self, order: (i64, i64, i64)) -> bool {
        let newer = self.deleted.is_none_or(|known| known < order);
        if newer {
            self.deleted = Some(order);
        }
        newer
    }
}
