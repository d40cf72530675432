//! The bounds of the inbox: bytes in all, a partner's share of them, those of uploads that are not sealed yet, and how long a batch may wait for the registry.
//!
//! Takes a partner, and what the sequencer counts; says whether a new batch of his may come in. Drops nothing: what was acknowledged waits on, however
//! long, and its partner is told to keep what comes next. The age goes by partner, so that a batch that crawls through its own rate bars nobody else; when
//! the registry is gone, each is barred as his own oldest batch becomes too old.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

    /// What an upload of this partner will take of the folder of payloads; nothing yet.
    pub fn uploading(&self, partner: &str) -> Uploading {
        Uploading {
            journal: self.clone(),
            partner: partner.to_owned(),
            bytes: 0,
        }
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

/// Bytes of payloads on disk that no leaf names yet, by partner.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<HashMap<String, u64>>);

impl Uploads {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one upload has written; given back when dropped, or when it is sealed and counts as part of the inbox.
#[derive(Debug)]
pub struct Uploading {
    journal: Journal,
    partner: String,
    bytes: u64,
}

impl Uploading {
    /// Whether the inbox has room for so many bytes in all of this upload, together with what waits and with all other uploads; if so, they count.
    /// Where nothing else is, one batch of any size has room. What has none is to be dropped at once: it does not count, or two that meet would
    /// bar each other.
    #[must_use]
    pub fn wrote(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return true;
        }
        let (backlog, bytes_max) = (&self.journal.inner.shared.backlog, self.journal.inner.inbox_bytes_max);
        let mut table = self.journal.inner.shared.uploads.lock();
        let all = table.values().sum::<u64>() + more;
        let mine = table.get(&self.partner).copied().unwrap_or(0) + more;
        let in_share = |held: u64, share: u64| held == bytes || held <= share;
        let fits = in_share(backlog.of(&self.partner).saturating_add(mine), bytes_max.div_ceil(2))
            && in_share(backlog.read().bytes.saturating_add(all), bytes_max);
        if fits {
            table.insert(self.partner.clone(), mine);
            self.bytes = bytes;
        }
        fits
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        let mut table = self.journal.inner.shared.uploads.lock();
        if let Some(held) = table.get_mut(&self.partner) {
            *held = held.saturating_sub(self.bytes);
            if *held == 0 {
                table.remove(&self.partner);
            }
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
