//! What comes after a newer snapshot of its partner has begun to close: a batch that was set aside and let go, or that was fed again; it may be a
//! snapshot itself.
//!
//! Takes the snapshots that came later ([`Later`]) and what is known of a key; says which of them close a row, so that it ends as if it had come in its
//! turn. A row is closed by each whose scope covers it and that lacks its key. What a snapshot held is known for certain as long as its numbers are kept,
//! which is while an older batch of its partner is set aside; afterwards by what it stamped, by what it closed, and by this: of a key that
//! the registry has no row of, it held none, but for what the newest of them had to reject. A key that is there then passes for held, and the next snapshot decides.

use std::collections::HashSet;

use uuid::Uuid;

use super::Arrival;
use super::fate::{Fate, Known};
use super::held::Sought;
use crate::registry::schema::TableSpec;

/// The snapshots of one partner that close or have closed, with a leaf behind one: leaf, exchange, scope, when it was received, and whether what it held is
/// kept. Parameters: record, partner, leaf.
pub(in crate::registry) const LATER: &str = "SELECT s.leaf, s.exchange, s.scope, p.received_us, \
    EXISTS (SELECT 1 FROM snapshot_held h WHERE h.exchange = s.exchange) FROM snapshot s \
    JOIN relay_progress p ON p.exchange = s.exchange \
    WHERE s.record = $1 AND s.partner = $2 AND s.leaf > $3 AND s.recalled IS NULL ORDER BY s.leaf";

/// Whether there is one. Parameters: record, partner, leaf.
pub(in crate::registry) const IS_LATE: &str =
    "SELECT EXISTS (SELECT 1 FROM snapshot WHERE record = $1 AND partner = $2 AND leaf > $3 AND recalled IS NULL)";

/// Of so many snapshots of a partner it is kept what they held, the newest: a batch that stays set aside for months does not fill the registry.
pub(in crate::registry) const KEPT_MAX: usize = 8;

/// The snapshots whose numbers are no longer needed when one has ended: those of its record type and partner, up to it, that have ended too. Parameters:
/// record, partner, leaf, the place of a walk at its end, and how many of the newest are to be kept.
pub(in crate::registry) const FORGET_HELD: &str = "DELETE FROM snapshot_held WHERE exchange IN (SELECT s.exchange FROM snapshot s \
    WHERE s.record = $1 AND s.partner = $2 AND s.leaf <= $3 \
    AND (SELECT p.close_after >= $4 FROM relay_progress p WHERE p.exchange = s.exchange) \
    ORDER BY s.leaf DESC LIMIT 1000000 OFFSET $5)";

/// Says that what a snapshot held is kept, also when that is nothing. Parameters: its exchange, no bytes.
pub(in crate::registry) const KEPT: &str =
    "INSERT INTO snapshot_held (exchange, part, numbers) VALUES ($1, -1, $2) ON CONFLICT DO NOTHING";

/// A snapshot that has begun to close, for the keys of a part of an earlier leaf.
#[derive(Clone, Debug)]
pub(in crate::registry) struct Later {
    pub(in crate::registry) leaf: i64,
    pub(in crate::registry) exchange: Uuid,
    /// When it was received, microseconds since the epoch.
    pub(in crate::registry) received_us: i64,
    /// The column of its scope, with the codes; none: all rows of the partner.
    scope: Option<(&'static str, Vec<String>)>,
    /// What it held and did not write is kept.
    kept: bool,
    /// Of the part's keys those that it stamped or of which it is kept that it held them.
    seen: HashSet<String>,
}

impl Later {
    /// As it stands in `snapshot`; none when its scope goes by a column that the table lacks: then it speaks for no row that can be told.
    pub(in crate::registry) fn of(
        table: &TableSpec,
        (leaf, exchange, received_us): (i64, Uuid, i64),
        scope: Option<&str>,
        kept: bool,
    ) -> Option<Self> {
        let scope = match scope {
            None => None,
            Some(scope) => Some(codes(table, scope)?),
        };
        Some(Self {
            leaf,
            exchange,
            received_us,
            scope,
            kept,
            seen: HashSet::new(),
        })
    }

    /// Adds a key that it stamped.
    pub(in crate::registry) fn stamped(&mut self, key: String) {
        self.seen.insert(key);
    }

    /// Adds what a part of it held.
    pub(in crate::registry) fn held(&mut self, sought: &Sought<'_>, packed: &[u8]) {
        self.seen.extend(sought.within(packed).map(str::to_owned));
    }

    /// Whether it holds a key whose row, of an earlier leaf, was open up to now: else it had closed it, if it speaks for it.
    pub(in crate::registry) fn holds_open(&self, key: &str) -> bool {
        self.seen.contains(key) || !self.kept
    }

    fn covers(&self, arrival: &Arrival<'_>, row: usize) -> bool {
        self.scope.as_ref().is_none_or(|(column, codes)| {
            let code = arrival.rows.column(column).and_then(|column| column.text(row));
            code.is_some_and(|code| codes.iter().any(|within| within == code))
        })
    }

    fn holds(&self, key: &str, before: &Known) -> bool {
        if before.closing.snapshot_leaf == Some(self.leaf) {
            return false;
        }
        let wrote = before.version.is_some_and(|there| there.order.1 == self.leaf);
        wrote || self.seen.contains(key) || (before.there && !self.kept)
    }

    fn lacks(&self, arrival: &Arrival<'_>, row: usize, before: &Known) -> bool {
        self.covers(arrival, row) && !self.holds(arrival.rows.key(row), before)
    }
}

/// The column of a scope as it stands in `snapshot`, with its codes; none when the table lacks the column.
pub(in crate::registry) fn codes(table: &TableSpec, scope: &str) -> Option<(&'static str, Vec<String>)> {
    let (field, codes) = scope.split_once('=')?;
    let column = table.held_column(field)?.name;
    Some((column, codes.split(',').map(str::to_owned).collect()))
}

impl Arrival<'_> {
    /// The snapshots that came after this part and that close a row of it, the first of them first; `before` is what was known of its key.
    pub(in crate::registry) fn lacking<'l>(
        &self,
        later: &'l [Later],
        row: usize,
        before: &Known,
    ) -> impl Iterator<Item = &'l Later> {
        let came_after = later.iter().filter(|later| later.leaf > self.leaf());
        came_after.filter(move |later| later.lacks(self, row, before))
    }

    /// The snapshots that came after this part and hold a key whose row it wrote or closed, and which is closed now. They are stamped, as their ends
    /// would have done it: no recall of what closes the row may take it for lacking.
    pub(in crate::registry) fn holders<'l>(
        &self,
        later: &'l [Later],
        key: &str,
        (before, after): (&Known, &Known),
        fate: &Fate,
    ) -> impl Iterator<Item = &'l Later> {
        let says = fate.content.is_some() || fate.herald.is_some() || fate.change.is_some();
        let closed = says && after.there && !after.open;
        let came_after = later.iter().filter(move |later| closed && later.leaf > self.leaf());
        came_after.filter(move |later| later.holds(key, before))
    }
}
