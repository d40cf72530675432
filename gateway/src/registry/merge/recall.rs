//! Taking a batch back: what its rows left, and what they closed.
//!
//! Goes through the table in key order as the end of a snapshot does, a stride a transaction, with its place in the progress of the recall's own exchange:
//! killed anywhere, it goes on there, and said again it does nothing. An open or closed row whose content the batch brought loses that content and keeps
//! its key: then any other content of the key is newer, also an older exchange's. A row that something newer wrote stands. What the batch wrote over is not
//! there any more, and comes back when it is pushed again; what it closed, by a delete or by lacking it, is opened again unless another closing holds.
//!
//! Which others there are must be known however many are recalled and in whatever order. Deletes that a newer one took the place of are kept in
//! `superseded`. A snapshot writes nothing for rows that it finds closed, or each would write once more what was closed for years: it stands in `snapshot`
//! with its scope from when it begins to close, and what it lacked follows. A row that is closed now was lacking in every snapshot of its partner and scope that
//! came after the row and not before the closing that the history names last, unless the snapshot held the row and did not write it: at its end it stamps closed
//! rows of which that is so (`snapshot_seen`), and so does a row that comes when it has ended (`late`).

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::super::Progress;
use super::super::schema::TableSpec;
use super::closing::Closing;
use super::late;

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
    /// Keys were looked at; else all was done already, or nothing of the batch ever came.
    pub walked: bool,
    /// Rows that this stride withdrew or opened.
    pub rows: u64,
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
}

/// Assignments that take its content out of a row: the columns of no key.
pub(in crate::registry) fn emptied(table: &TableSpec) -> String {
    let lost: Vec<String> = lost(table).map(|name| format!("{name} = NULL, ")).collect();
    lost.concat()
}

fn lost(table: &TableSpec) -> impl Iterator<Item = &'static str> {
    let stays = |name: &str| table.keys.iter().any(|key| key.contains(&name));
    let columns = table.held().map(|column| column.name);
    columns
        .filter(move |name| !stays(name))
        .chain(table.has_unit().then_some("_unit"))
}

/// Leaf of the last exchange of the closing's partner that closed the content of a row, as SQL over `c` (`closing`) and `t` (its row); 0: none did, it came
/// closed. A recall that took content out has a line without a hash, and closed nothing for its partner. What closed older content says nothing of content
/// that came late.
pub(in crate::registry) const SINCE: &str = "coalesce((SELECT max(h.leaf) FROM history h WHERE h.record = c.record AND h.row_key = c.row_key \
    AND h.kind = 'close' AND h.hash IS NOT NULL AND h.partner = c.partner AND (h.was_leaf = t._leaf OR h.leaf = t._leaf)), 0)";

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
    /// What is left of the closing when the batch's word is out of it.
    pub(in crate::registry) left: Closing,
    /// Source time, leaf, row; none: there is no row, or it has no content, or it is another partner's.
    pub(in crate::registry) order: Option<(i64, i64, i64)>,
    pub(in crate::registry) hash: Vec<u8>,
    pub(in crate::registry) open: bool,
    /// What [`SINCE`] says.
    pub(in crate::registry) since: i64,
    /// What the row has in the columns of [`Ended::columns`].
    pub(in crate::registry) scopes: Vec<Option<String>>,
    /// The snapshot of the closing that is left does not speak for the row: it closed older content, of another scope.
    pub(in crate::registry) beyond: bool,
}

impl Noted {
    /// Whether nothing that is left closes the row, and it is to be open again.
    pub(in crate::registry) fn opens(&self) -> bool {
        let left = Closing {
            snapshot_leaf: self.left.snapshot_leaf.filter(|_| !self.beyond),
            ..self.left
        };
        !self.open && self.order.is_some_and(|order| !left.closes(order))
    }
}

/// Takes the batch's word out of a closing, `replaced` being the deletes that newer ones took the place of.
pub(in crate::registry) fn left(recall: &Recall, closing: Closing, replaced: Option<&(i64, i64, i64)>) -> Closing {
    let stands = |leaf: i64| leaf != recall.push_leaf();
    Closing {
        snapshot_leaf: closing.snapshot_leaf.filter(|leaf| stands(*leaf)),
        deleted: closing
            .deleted
            .filter(|(_, leaf, _)| stands(*leaf))
            .or(replaced.copied()),
    }
}

/// The newest delete of each key.
pub(in crate::registry) fn newest(
    deletes: impl Iterator<Item = (String, (i64, i64, i64))>,
) -> HashMap<String, (i64, i64, i64)> {
    let mut newest = HashMap::new();
    for (key, order) in deletes {
        let known = newest.entry(key).or_insert(order);
        *known = order.max(*known);
    }
    newest
}

/// A snapshot of the partner that has begun to close, and was not recalled.
pub(in crate::registry) struct Snapshot {
    pub(in crate::registry) leaf: i64,
    pub(in crate::registry) exchange: Uuid,
    /// Place in [`Ended::columns`], and the codes inside; none: all rows.
    scope: Option<(usize, Vec<String>)>,
}

/// The snapshots of a partner and record type.
#[derive(Default)]
pub(in crate::registry) struct Ended {
    pub(in crate::registry) snapshots: Vec<Snapshot>,
    /// The columns that their scopes go by.
    pub(in crate::registry) columns: Vec<&'static str>,
}

impl Ended {
    /// Adds one as it stands in `snapshot`. One whose column the table lacks speaks for no row that can be told.
    pub(in crate::registry) fn add(&mut self, table: &TableSpec, leaf: i64, exchange: Uuid, scope: Option<&str>) {
        let scope = match scope {
            None => None,
            Some(scope) => {
                let Some((column, codes)) = late::codes(table, scope) else {
                    return;
                };
                let place = self.columns.iter().position(|known| *known == column);
                let place = place.unwrap_or_else(|| {
                    self.columns.push(column);
                    self.columns.len() - 1
                });
                Some((place, codes))
            }
        };
        self.snapshots.push(Snapshot { leaf, exchange, scope });
    }

    /// Whether the snapshot that is left of a closing speaks for other rows than that which has these codes.
    pub(in crate::registry) fn is_beyond(&self, left: &Closing, scopes: &[Option<String>]) -> bool {
        let is_left = |snapshot: &&Snapshot| left.snapshot_leaf == Some(snapshot.leaf);
        let left = self.snapshots.iter().find(is_left);
        left.is_some_and(|snapshot| !snapshot.covers(scopes))
    }

    /// The columns of a row `t` that say whether it is inside a scope, each behind a comma.
    pub(in crate::registry) fn selected(&self) -> String {
        let columns = self.columns.iter().map(|column| format!(", t.{column}"));
        columns.collect()
    }
}

impl Snapshot {
    /// Whether it may have lacked one of the rows that nothing else holds closed.
    pub(in crate::registry) fn may_hold(&self, noted: &[Noted]) -> bool {
        noted.iter().any(|noted| self.lacked(noted))
    }

    /// Says of rows that it lacked that it closes them; `seen` are keys that it stamped.
    pub(in crate::registry) fn hold(&self, noted: &mut [Noted], seen: &HashSet<String>) {
        for noted in noted.iter_mut() {
            if self.lacked(noted) && !seen.contains(&noted.key) {
                noted.left.snapshot_leaf = Some(self.leaf);
                noted.beyond = false;
            }
        }
    }

    fn lacked(&self, noted: &Noted) -> bool {
        noted.opens()
            && self.leaf >= noted.since
            && noted.order.is_some_and(|(_, leaf, _)| self.leaf > leaf)
            && self.covers(&noted.scopes)
    }

    fn covers(&self, scopes: &[Option<String>]) -> bool {
        self.scope.as_ref().is_none_or(|(place, codes)| {
            let code = scopes.get(*place).and_then(Option::as_ref);
            code.is_some_and(|code| codes.contains(code))
        })
    }
}
