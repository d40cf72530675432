//! The table of extracts: who may begin one, and when one is gone.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::atomic::{AtomicI64, Ordering};

use tempfile::TempDir;

use super::*;

const HOUR_US: i64 = 3_600_000_000;

/// A table whose spool has that many bytes, in a folder, with a clock that stands where it is set.
struct Table {
    extracts: Extracts,
    folder: TempDir,
    now_us: Arc<AtomicI64>,
}

impl Table {
    fn with_room_for(bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now_us = Arc::new(AtomicI64::new(0));
        let section = ExtractsSection {
            spool: folder.path().join("spool"),
            keep_hours: NonZeroU32::new(24).unwrap(),
            spool_bytes_max: NonZeroU64::new(bytes).unwrap(),
        };
        let clock = Arc::clone(&now_us);
        let clock = Clock::from_fn(move || clock.load(Ordering::Relaxed));
        Self {
            extracts: Extracts::open(&section, clock).unwrap(),
            folder,
            now_us,
        }
    }

    fn begin(&self, partner: &str) -> Result<Uuid, Unplaced> {
        let exchange = Uuid::new_v4();
        self.extracts.begin(exchange, Granted::of_nobody(partner))?;
        Ok(exchange)
    }

    /// An extract that is ready, with content of so many bytes.
    fn ready(&self, partner: &str, bytes: usize) -> Uuid {
        let exchange = self.begin(partner).unwrap();
        let mut spool = self.extracts.spool(exchange).unwrap();
        spool.write(&vec![7; bytes]).unwrap();
        let ready = Ready {
            content: spool.finish().unwrap(),
            rows: 1,
            as_of_us: None,
            form: form::Form::Ndjson,
            granted: Granted::of_nobody(partner),
            signed: false,
            manifest: String::new(),
            sealed: Sealed {
                exchange: Some(exchange),
                index: 0,
                leaf_hash: [0; 32],
                t_us: 0,
                leaf: Vec::new(),
                receipt: String::new(),
                checkpoint_size: 1,
            },
        };
        self.extracts.end(exchange, State::Ready(Arc::new(ready)));
        exchange
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("spool")).unwrap().count()
    }
}

const FAILED: Failure = Failure {
    why: Refusal::RegistryUnavailable,
    fits_no_day: false,
    retry_at_us: None,
};

#[test]
fn extracts_that_failed_keep_nobody_from_beginning_others() {
    let table = Table::with_room_for(1 << 20);
    for _ in 0..2 * ENDED_PER_PARTNER_MAX {
        let exchange = table.begin("centre").unwrap();
        table.extracts.end(exchange, State::Failed(FAILED));
    }
    let known = table.extracts.jobs.lock().unwrap().len();
    assert_eq!(known, ENDED_PER_PARTNER_MAX, "and how the oldest ended is forgotten");
}

#[test]
fn a_partner_that_keeps_all_that_it_may_is_refused_and_another_is_not() {
    let table = Table::with_room_for(1 << 20);
    let kept: Vec<Uuid> = (0..KEPT_PER_PARTNER_MAX)
        .map(|_| table.begin("centre").unwrap())
        .collect();
    assert_eq!(table.begin("centre"), Err(Unplaced::TooMany));
    table.begin("other").unwrap();
    table.extracts.end(*kept.first().unwrap(), State::Failed(FAILED));
    table.begin("centre").unwrap();
}

#[test]
fn what_has_expired_is_gone_from_the_disk_though_nobody_asks() {
    let table = Table::with_room_for(1 << 20);
    let exchange = table.ready("centre", 100);
    table.now_us.store(24 * HOUR_US - 1, Ordering::Relaxed);
    table.extracts.sweep();
    assert_eq!(table.files(), 1);
    table.now_us.store(24 * HOUR_US, Ordering::Relaxed);
    table.extracts.sweep();
    assert_eq!(table.files(), 0);
    assert!(table.extracts.state(exchange, "centre").is_none());
}

#[test]
fn a_full_spool_refuses_the_next_extract_until_one_is_gone() {
    let table = Table::with_room_for(116);
    table.ready("centre", 100);
    assert_eq!(table.begin("other"), Err(Unplaced::NoRoom));
    table.now_us.store(24 * HOUR_US, Ordering::Relaxed);
    table.begin("other").unwrap();
}
