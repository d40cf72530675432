//! What plans released that exchanges ran on: their canonical bytes, kept when a bundle is loaded, so that a report still names the fields when the grant was
//! edited since.
//!
//! Takes plans by their hash, which the leaves name; adds those that are not there, once for all bundles that have them, and never changes or deletes one.
//! Gives the bytes as they lie there: who reads them hashes them, so an edited row is as none. Refuses nothing. They hold what a bundle says, nothing of
//! anybody.

use std::collections::BTreeSet;

use super::Journal;
use super::fault::{JournalFault, SealError};
use super::sequencer::Work;
use super::statements;
use super::store::{Store, Stored, values};

/// Most plans in one piece of work.
const AT_ONCE_MAX: usize = 1_000;

/// A plan by its hash.
pub(super) type KeptPlan = ([u8; 32], Vec<u8>);

/// Inside the sequencer's transaction.
pub(super) fn store(store: &Store, plans: &[KeptPlan]) -> Stored<()> {
    let rows = plans.iter().map(|(hash, bytes)| [hash.into(), bytes.into()]);
    store.add_all(statements::INSERT_PAST_PLAN, rows)
}

/// For bundles and reports.
impl Journal {
    /// Those of the hashes whose plans are not kept yet.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn plans_not_kept(&self, hashes: Vec<[u8; 32]>) -> Result<BTreeSet<[u8; 32]>, JournalFault> {
        const STEP: &str = "look which plans are kept";
        self.read(move |reader| {
            let mut missing: BTreeSet<[u8; 32]> = hashes.iter().copied().collect();
            let found = reader.store.among(statements::HAS_PAST_PLAN, &hashes, |row| {
                missing.remove(&row.get::<[u8; 32]>(0)?);
                Ok(())
            });
            found.map_err(JournalFault::store(STEP))?;
            Ok(missing)
        })
        .await
    }

    /// Keeps plans; durable when this returns. One that is there already stays as it is.
    ///
    /// # Errors
    /// [`SealError::Unavailable`]; some may be kept by then.
    pub async fn keep_plans(&self, mut plans: Vec<KeptPlan>) -> Result<(), SealError> {
        while !plans.is_empty() {
            let rest = plans.split_off(plans.len().min(AT_ONCE_MAX));
            self.submit(Work::KeepPlans(plans)).await?;
            plans = rest;
        }
        Ok(())
    }

    /// The bytes of the plan of that hash, if it is kept; whoever reads them compares their hash.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn past_plan(&self, hash: [u8; 32]) -> Result<Option<Vec<u8>>, JournalFault> {
        const STEP: &str = "read a plan that is kept";
        self.read(move |reader| reader.cell(STEP, statements::PAST_PLAN, values![&hash]))
            .await
    }
}
