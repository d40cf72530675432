//! What becomes of one key: the rows of a part that have it, one after the other, against what the table has.

use super::super::fault::RegistryFault;
use super::closing::Closing;
use super::late::Later;
use super::rows::{Act, HASH_BYTES};
use super::{Arrival, Counts};

/// The hash of a row that came closed: its content never came.
pub(in crate::registry) const NO_CONTENT: [u8; HASH_BYTES] = [0; HASH_BYTES];

/// What decides which of two rows with one key stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::registry) struct Version {
    pub(in crate::registry) hash: [u8; HASH_BYTES],
    /// Source time, leaf, row.
    pub(in crate::registry) order: (i64, i64, i64),
    /// The partner of the part brought it.
    pub(in crate::registry) mine: bool,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::registry) struct Known {
    /// The table has a row for it.
    pub(in crate::registry) there: bool,
    /// Its content; none when only its closing came so far.
    pub(in crate::registry) version: Option<Version>,
    /// The row is open.
    pub(in crate::registry) open: bool,
    /// Somebody's closing of it is noted.
    pub(in crate::registry) noted: bool,
    /// The closing of the part's partner.
    pub(in crate::registry) closing: Closing,
}

impl Known {
    /// A row as the table has it: hash, order, whether the part's partner brought it, and what `_open` says.
    pub(in crate::registry) fn row(hash: [u8; HASH_BYTES], order: (i64, i64, i64), mine: bool, open: i64) -> Self {
        Self {
            there: true,
            version: (hash != NO_CONTENT).then_some(Version { hash, order, mine }),
            open: open != 0,
            noted: open != 1,
            closing: Closing::default(),
        }
    }

    /// What `_open` is to say.
    pub(in crate::registry) fn state(&self) -> i16 {
        match (self.open, self.noted) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        }
    }
}

/// What a part does to one key.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::registry) struct Fate {
    /// The row whose content stays.
    pub(in crate::registry) content: Option<usize>,
    /// The delete that came before any row.
    pub(in crate::registry) herald: Option<usize>,
    /// The partner's closing is another now.
    pub(in crate::registry) closing: bool,
    /// The delete, noted before or of the part, that a newer one takes the place of: source time, leaf, row.
    pub(in crate::registry) superseded: Option<(i64, i64, i64)>,
    /// It is in the snapshot, and its row, there or still to come from an older exchange, is not the snapshot's own.
    pub(in crate::registry) seen: bool,
    /// What its history says, and the row that did it.
    pub(in crate::registry) change: Option<(Kind, usize)>,
    /// Leaf of the first snapshot that came later and closes the content, and nothing else does.
    pub(in crate::registry) lacking: Option<i64>,
}

/// What happened to a row that was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::registry) enum Kind {
    Update,
    Close,
    Reopen,
}

impl Kind {
    /// As it stands in `history`.
    pub(in crate::registry) fn word(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Close => "close",
            Self::Reopen => "reopen",
        }
    }
}

impl Arrival<'_> {
    /// Goes through the rows of one key as if each were merged by itself; `known` becomes what is known after them. `later` are the snapshots of the
    /// partner that came after the part and close already.
    pub(in crate::registry) fn settle(
        &self,
        group: &[u32],
        known: &mut Known,
        counts: &mut Counts,
        later: &[Later],
    ) -> Fate {
        let before = *known;
        let mut fate = Fate::default();
        let (mut last, mut deleted) = (None, None);
        for row in group.iter().map(|row| *row as usize) {
            let changed = match self.rows.act(row) {
                Act::Put => {
                    let lacking = self.lacking(later, row, &before).next().is_some();
                    let opens = !lacking && !self.is_closed(row, &known.closing, later);
                    self.put((row, opens), known, counts, &mut fate)
                }
                Act::Delete => {
                    deleted = deleted.max(Some(self.order(row)));
                    self.delete(row, known, counts, &mut fate)
                }
                Act::Name => false,
            };
            if changed {
                last = Some(row);
            }
        }
        fate.superseded = before.closing.superseded(deleted);
        // What it wrote itself has its own leaf, and needs no stamp unless an older exchange may still overwrite it with a newer source time.
        fate.seen = self.part.snapshot && (fate.content.is_none() || self.part.confirm);
        self.note_lacking(later, &before, known, &mut fate);
        fate.change = last.and_then(|row| Some((kind(&before, known, &fate)?, row)));
        fate
    }

    /// Whether what is noted closes a row. Of a snapshot that is asked itself the note says nothing more.
    fn is_closed(&self, row: usize, closing: &Closing, later: &[Later]) -> bool {
        let asked = |leaf: i64| later.iter().any(|later| later.leaf == leaf);
        let noted = Closing {
            snapshot_leaf: closing.snapshot_leaf.filter(|leaf| !asked(*leaf)),
            ..*closing
        };
        noted.closes(self.order(row))
    }

    /// Notes the last of the snapshots that close the content, as if they had found it. One that is noted already and came later spoke of other content.
    fn note_lacking(&self, later: &[Later], before: &Known, known: &mut Known, fate: &mut Fate) {
        let Some(row) = fate.content.filter(|_| !known.open) else {
            return;
        };
        let mut lacking = self.lacking(later, row, before).map(|later| later.leaf);
        let Some(first) = lacking.next().filter(|_| !known.closing.deletes(self.order(row))) else {
            return;
        };
        fate.lacking = Some(first);
        let last = lacking.last().unwrap_or(first);
        known.closing.snapshot_leaf = Some(last);
        known.noted = true;
        fate.closing = true;
    }

    fn put(&self, (row, opens): (usize, bool), known: &mut Known, counts: &mut Counts, fate: &mut Fate) -> bool {
        let sent = Version {
            hash: self.rows.hash(row),
            order: self.order(row),
            mine: true,
        };
        if known.version.is_some_and(|there| there.order >= sent.order) {
            counts.same += 1;
            return false;
        }
        let equal = |there: Version| there.mine && there.hash == sent.hash;
        if known.open == opens && known.version.is_some_and(equal) {
            counts.same += 1;
            if self.part.confirm {
                known.version = Some(sent);
                fate.content = Some(row);
            }
            return false;
        }
        match (known.open, opens) {
            (true, true) => counts.upd += 1,
            (false, true) => counts.ins += 1,
            (true, false) => counts.del += 1,
            (false, false) => counts.same += 1,
        }
        known.there = true;
        known.version = Some(sent);
        known.open = opens;
        fate.content = Some(row);
        true
    }

    fn delete(&self, row: usize, known: &mut Known, counts: &mut Counts, fate: &mut Fate) -> bool {
        let order = self.order(row);
        if known.closing.note_delete(order) {
            fate.closing = true;
            known.noted = true;
        }
        if !known.there {
            known.there = true;
            fate.herald = Some(row);
        }
        // A snapshot that is noted did not close what is open: it came before it, or it does not speak for it.
        let closes = |there: Version| there.mine && known.closing.deletes(there.order);
        if known.open && known.version.is_some_and(closes) {
            known.open = false;
            counts.del += 1;
            return true;
        }
        counts.same += 1;
        false
    }

    /// Source time, leaf, row.
    fn order(&self, row: usize) -> (i64, i64, i64) {
        (self.rows.source_us(row), self.leaf(), self.row_no(row))
    }

    /// # Errors
    /// Never for a part that was read; the order of a part's rows is by key.
    pub(in crate::registry) fn key(&self, group: &[u32]) -> Result<&str, RegistryFault> {
        let row = group.first().ok_or(RegistryFault::Malformed { column: "_key" })?;
        Ok(self.rows.key(*row as usize))
    }
}

/// What the history of a row says; an insert has none.
fn kind(before: &Known, after: &Known, fate: &Fate) -> Option<Kind> {
    let had_content = before.there && before.version.is_some();
    match (before.open, after.open) {
        // That it is closed is the word of the snapshot, and has a line of its own.
        (true, false) if fate.lacking.is_some() => Some(Kind::Update),
        // It came for the first time.
        (false, true) if !had_content && !before.noted => None,
        (false, true) => Some(Kind::Reopen),
        (true, false) => Some(Kind::Close),
        // It came and went within one part, or came late to a closing.
        (false, false) if !had_content => None,
        (true, true) | (false, false) => Some(Kind::Update),
    }
}
