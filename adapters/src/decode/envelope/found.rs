//! How many records an object of the envelope holds.

use crate::decode::Counts;

/// What of a batch had been read before the object.
#[derive(Clone, Copy)]
pub(crate) struct Before {
    rows: u64,
    received: u64,
}

impl Before {
    pub(crate) fn of(counts: &Counts) -> Self {
        Self {
            rows: counts.rows,
            received: counts.received,
        }
    }

    /// What has been read since.
    pub(crate) fn found(self, counts: &Counts) -> Found {
        Found {
            rows: counts.rows - self.rows,
            records: counts.received - self.received,
        }
    }
}

/// What an object holds, as senders count: some of them rows, others the persons of the households in these.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) rows: u64,
    pub(super) records: u64,
}

impl Found {
    pub(super) fn most(self) -> u64 {
        self.rows.max(self.records)
    }
}
