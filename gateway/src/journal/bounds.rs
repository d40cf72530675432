//! The bounds of the inbox: bytes in all, a partner's share of them, and how long a batch may wait for the registry.
//!
//! Takes a partner, and what the sequencer counts; says whether a new batch of his may come in. Drops nothing: what was acknowledged waits on, however
//! long, and its partner is told to keep what comes next. The age goes by partner, so that a batch that crawls through its own rate bars nobody else; when
//! the registry is gone, each is barred as his own oldest batch becomes too old.

use super::Journal;
use super::fault::JournalFault;
use super::statements;
use super::store::values;
use super::views::Reader;

impl Journal {
    /// Whether the inbox is below its bound in bytes.
    pub fn inbox_has_room(&self) -> bool {
        self.backlog().bytes < self.inner.inbox_bytes_max
    }

    /// Whether the inbox takes a batch of this partner: it is below its bound, and he holds less than half of it, so that nobody fills it for all.
    pub fn inbox_has_room_for(&self, partner: &str) -> bool {
        let share = self.inner.inbox_bytes_max.div_ceil(2);
        self.inbox_has_room() && self.inner.shared.backlog.of(partner) < share
    }

    /// Whether it takes a batch of so many bytes that is about to be sealed: with it he holds no more than half, or it is all that he holds. What was
    /// promised before the batch was read may be taken by his other uploads meanwhile.
    pub fn inbox_takes(&self, partner: &str, bytes: u64) -> bool {
        let (held, share) = (
            self.inner.shared.backlog.of(partner),
            self.inner.inbox_bytes_max.div_ceil(2),
        );
        self.inbox_has_room() && (held == 0 || held.saturating_add(bytes) <= share)
    }

    /// Whether a batch of this partner waits for longer than any may; as the last tick found it.
    pub fn inbox_is_overdue_for(&self, partner: &str) -> bool {
        let overdue = self.inner.shared.overdue();
        overdue.iter().any(|one| one == partner)
    }

    /// Of how many partners a batch waits for longer than any may.
    pub fn inbox_overdue(&self) -> usize {
        self.inner.shared.overdue().len()
    }

    /// Looks for what waits for too long. A journal that cannot be read says so elsewhere; what was known of it stands.
    pub(super) async fn look_for_overdue(&self, now_us: i64) {
        let since_us = now_us.saturating_sub(self.inner.inbox_age_max_us);
        if let Ok(found) = self.read(move |reader| reader.overdue(since_us)).await {
            self.inner.shared.set_overdue(found);
        }
    }
}

impl Reader {
    /// Partners in one of whose lanes the batch whose turn it is has waited since before the moment. One that an operator released or feeds again waits
    /// since then, whenever it was sealed.
    pub(super) fn overdue(&self, since_us: i64) -> Result<Vec<String>, JournalFault> {
        let (mut overdue, mut last) = (Vec::new(), String::new());
        loop {
            let row = self.first("read the inbox", statements::NEXT_LANE, values![&*last], |row| {
                Ok((row.get(0)?, row.get::<String>(1)?, row.get::<i64>(4)?))
            })?;
            let Some((lane, partner, waits_since_us)) = row else {
                return Ok(overdue);
            };
            if waits_since_us < since_us && overdue.last() != Some(&partner) {
                overdue.push(partner);
            }
            last = lane;
        }
    }
}
