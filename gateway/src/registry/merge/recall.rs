//! Taking a batch back: what its rows left, and what they closed.
//!
//! Goes through the table in key order as the end of a snapshot does, a stride a transaction, with its place in the progress of the recall's own exchange:
//! killed anywhere, it goes on there, and said again it does nothing. An open or closed row whose content the batch brought loses that content and keeps
//! its key: then any other content of the key is newer, also an older exchange's. A row that something newer wrote stands. What the batch wrote over is not
//! there any more, and comes back when it is pushed again; what it closed, by a delete or by lacking it, is opened again unless another closing holds.

use uuid::Uuid;

use super::super::Progress;
use super::super::schema::TableSpec;
use super::closing::Closing;

/// A recall on its way through the registry.
#[derive(Clone, Debug)]
pub struct Recall {
    /// Its own exchange.
    pub exchange: Uuid,
    /// Index of its leaf.
    pub leaf: u64,
    /// The exchange that is withdrawn.
    pub push: Uuid,
    /// Index of that exchange's leaf.
    pub push_leaf: u64,
    /// Name of the record type.
    pub record: String,
    /// The partner, of both.
    pub partner: String,
    /// When the recall was sealed, microseconds since the epoch.
    pub received_us: i64,
}

/// What one stride of a recall did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The recall after it: `del` rows withdrawn, `ins` rows open again; one part when all is done.
    pub progress: Progress,
    /// The table is at its end.
    pub done: bool,
}

impl Recall {
    /// Its leaf as stores have it.
    pub(in crate::registry) fn leaf(&self) -> i64 {
        i64::try_from(self.leaf).unwrap_or(i64::MAX)
    }

    /// The leaf of what is withdrawn, as stores have it.
    pub(in crate::registry) fn push_leaf(&self) -> i64 {
        i64::try_from(self.push_leaf).unwrap_or(i64::MAX)
    }

    /// A closing without what the batch said.
    pub(in crate::registry) fn without(&self, closing: Closing) -> Closing {
        Closing {
            snapshot_leaf: closing.snapshot_leaf.filter(|leaf| *leaf != self.push_leaf()),
            deleted: closing.deleted.filter(|(_, leaf, _)| *leaf != self.push_leaf()),
        }
    }
}

/// Assignments that take its content out of a row: the columns of no key.
pub(in crate::registry) fn emptied(table: &TableSpec) -> String {
    let lost: Vec<String> = lost(table).map(|name| format!("{name} = NULL, ")).collect();
    lost.concat()
}

fn lost(table: &TableSpec) -> impl Iterator<Item = &'static str> {
    let stays = |name: &str| table.keys.iter().any(|key| key.contains(&name));
    let columns = table.columns.iter().map(|column| column.name);
    columns
        .filter(move |name| !stays(name))
        .chain(table.has_unit().then_some("_unit"))
}

/// Whether the batch's closing of a key explains that its row is closed, as SQL over `c` (`closing`) with the push's leaf at `leaf`.
pub(in crate::registry) fn closed_by(leaf: &str) -> String {
    let lines =
        "SELECT 1 FROM history h WHERE h.record = c.record AND h.row_key = c.row_key AND h.kind = 'close' AND h.leaf";
    format!("(EXISTS ({lines} = {leaf}) OR NOT EXISTS ({lines} <> {leaf}))")
}

/// A row whose content the batch brought.
pub(in crate::registry) struct Brought {
    pub(in crate::registry) key: String,
    pub(in crate::registry) leaf: i64,
    pub(in crate::registry) row: i64,
    pub(in crate::registry) hash: Vec<u8>,
    pub(in crate::registry) open: bool,
}

/// A key of which the batch noted a closing, and the row that is there.
pub(in crate::registry) struct Noted {
    pub(in crate::registry) key: String,
    pub(in crate::registry) closing: Closing,
    /// Source time, leaf, row; none: there is no row, or it has no content, or it is another partner's.
    pub(in crate::registry) order: Option<(i64, i64, i64)>,
    pub(in crate::registry) hash: Vec<u8>,
    pub(in crate::registry) open: bool,
    /// The history says that the batch closed it, or that nothing else did.
    pub(in crate::registry) closed_by_it: bool,
}

impl Noted {
    /// Whether the batch's closing goes. Where the row was closed already, what closed it stands no more in the note, so the note stands.
    pub(in crate::registry) fn goes(&self) -> bool {
        self.open || self.closed_by_it || self.order.is_none()
    }

    /// Whether the row is to be open again, `left` being what is left of its closing.
    pub(in crate::registry) fn opens(&self, left: &Closing) -> bool {
        let closes = |order| left.closes(order);
        !self.open && self.closed_by_it && self.order.is_some_and(|order| !closes(order))
    }
}
