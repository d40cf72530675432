//! The stations of an exchange, built once.
//!
//! Takes the configuration, the keys and what was opened before; gives [`Stations`] that go on where the log says that the day and the hour stand. Refuses a
//! folder of extracts that cannot be used.

use std::sync::Arc;

use arc_swap::ArcSwap;
use shuguan_policies::{KeyRing, PolicySet};
use tokio_util::task::TaskTracker;

use super::StartFault;
use super::material::Secrets;
use crate::clock::{Clock, midnight_us};
use crate::config::Config;
use crate::edge::revocation::RevocationSet;
use crate::exchange::Stations;
use crate::exchange::index_keys::IndexKeys;
use crate::exchange::inflight::KeysInFlight;
use crate::exchange::owed::Owed;
use crate::exchange::receipt_keys::ReceiptKeys;
use crate::exchange::signing::Signing;
use crate::exchange::tags::Tags;
use crate::extract::Extracts;
use crate::journal::{Journal, Reader};
use crate::limits::Admission;
use crate::limits::absences::{Absences, MINUTES};
use crate::limits::quota::Quotas;
use crate::limits::subjects::SubjectQuotas;
use crate::registry::Registry;
use crate::signature::MessageKeys;
use crate::witnessing::Witnessing;

/// What was opened or put in force before.
pub(super) struct Opened {
    /// The machine's clock; that of the log is the journal's.
    pub(super) wall: Clock,
    pub(super) policies: Arc<PolicySet>,
    pub(super) revoked: Arc<RevocationSet>,
    pub(super) message_keys: Arc<MessageKeys>,
    pub(super) journal: Journal,
    pub(super) witnessing: Witnessing,
    pub(super) registry: Registry,
    pub(super) index: IndexKeys,
    pub(super) receipts: ReceiptKeys,
}

/// Builds them.
///
/// # Errors
/// [`StartFault::Extracts`]; [`StartFault::Journal`] when it cannot be read.
pub(super) fn build(config: &Config, secrets: &Secrets, opened: Opened) -> Result<Stations, StartFault> {
    let spool = &config.extracts.spool;
    let clock = opened.journal.time().clock();
    let extracts =
        Extracts::open(&config.extracts, clock.clone()).map_err(|error| StartFault::Extracts(spool.clone(), error))?;
    let now_us = clock.now_us();
    // What was used today and asked within the hour stands in the log.
    let used = Reader::open(&config.journal.place).and_then(|reader| {
        let hour_us = now_us - MINUTES * 60_000_000;
        let refused = reader.refused_batches(now_us - 3_600_000_000)?;
        Ok((reader.spent(midnight_us(now_us))?, reader.compared(hour_us)?, refused))
    });
    let (spent, compared, refused) = used.map_err(StartFault::Journal)?;
    Ok(Stations {
        index: opened.index,
        clock,
        wall: opened.wall,
        quotas: Quotas::restore(spent, now_us),
        told: SubjectQuotas::default(),
        absences: Absences::restore(compared),
        policies: Arc::new(ArcSwap::new(opened.policies)),
        keys: KeyRing::from_master(&secrets.master),
        limits: config.limits.clone(),
        layouts: config.layouts.clone(),
        admission: Admission::new(config.limits.clone()).with_refused(&refused, now_us),
        tags: Tags::new(&secrets.index),
        in_flight: KeysInFlight::default(),
        last_headers: Arc::default(),
        signing: Signing {
            keys: Arc::new(ArcSwap::new(opened.message_keys)),
            revoked: Arc::new(ArcSwap::new(opened.revoked)),
            modes: config.signatures.clone(),
            receipts: opened.receipts,
        },
        journal: opened.journal,
        witnessing: Arc::new(opened.witnessing),
        registry: opened.registry,
        extracts,
        owed: Owed::default(),
        tasks: TaskTracker::new(),
    })
}
