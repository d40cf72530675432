//! What plans released that exchanges ran on: their canonical bytes, kept when a bundle is loaded, so that a report still names the fields when the grant was
//! edited since.
//!
//! Takes plans by their hash, which the leaves name; adds those that are not there, once for all bundles that have them, writes anew those that somebody edited
//! past the gateway, and deletes none. Gives the bytes where they have that hash: an edited row is told apart from none, and is believed by nobody. Refuses
//! nothing. They hold what a bundle says, nothing of anybody.

use std::collections::BTreeSet;

use super::Journal;
use super::fault::{JournalFault, SealError};
use super::sequencer::Work;
use super::statements;
use super::store::{Row, Store, Stored, values};
use super::views::Reader;
use crate::sha256;

/// Most plans in one piece of work.
const AT_ONCE_MAX: usize = 1_000;

/// A plan by its hash.
pub(super) type KeptPlan = ([u8; 32], Vec<u8>);

/// What the journal has of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanRow {
    /// Nothing.
    Absent,
    /// Bytes that are not of that hash: somebody wrote past the gateway.
    Edited,
    /// Its canonical bytes.
    Whole(Vec<u8>),
}

/// The plans of a bundle that are to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotKept {
    /// Those that are not there.
    pub absent: BTreeSet<[u8; 32]>,
    /// Those whose row somebody edited.
    pub edited: BTreeSet<[u8; 32]>,
}

impl NotKept {
    /// Whether this one is to be written.
    pub fn has(&self, hash: &[u8; 32]) -> bool {
        self.absent.contains(hash) || self.edited.contains(hash)
    }
}

/// Inside the sequencer's transaction.
pub(super) fn store(store: &Store, plans: &[KeptPlan]) -> Stored<()> {
    let rows = plans.iter().map(|(hash, bytes)| [hash.into(), bytes.into()]);
    store.add_all(statements::PUT_PAST_PLAN, rows)
}

/// How many plans are kept, and the hashes of those whose rows somebody edited.
pub(super) fn proofread(reader: &Reader) -> Result<(u64, Vec<[u8; 32]>), JournalFault> {
    const STEP: &str = "read the plans that are kept";
    let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let (mut count, mut edited, mut after) = (0, Vec::new(), Vec::new());
    loop {
        let page: Vec<(Vec<u8>, Vec<u8>)> =
            reader.rows(STEP, statements::PAST_PLANS_AFTER, values![&after], columns)?;
        let Some((last, _)) = page.last() else {
            return Ok((count, edited));
        };
        after.clone_from(last);
        for (hash, bytes) in page {
            count += 1;
            if let Ok(hash) = <[u8; 32]>::try_from(hash)
                && sha256::of(&bytes) != hash
            {
                edited.push(hash);
            }
        }
    }
}

/// For bundles and reports.
impl Journal {
    /// Those of the hashes whose plans are not kept yet, or not as they were.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn plans_not_kept(&self, hashes: Vec<[u8; 32]>) -> Result<NotKept, JournalFault> {
        const STEP: &str = "look which plans are kept";
        self.read(move |reader| {
            let absent = hashes.iter().copied().collect();
            let mut not = NotKept {
                absent,
                ..NotKept::default()
            };
            let found = reader.store.among(statements::PAST_PLANS, &hashes, |row| {
                let hash = row.get::<[u8; 32]>(0)?;
                not.absent.remove(&hash);
                if sha256::of(&row.get::<Vec<u8>>(1)?) != hash {
                    not.edited.insert(hash);
                }
                Ok(())
            });
            found.map_err(JournalFault::store(STEP))?;
            Ok(not)
        })
        .await
    }

    /// Keeps plans; durable when this returns. One that is there already is as it was, unless somebody edited it.
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

    /// What is kept of the plan of that hash.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn past_plan(&self, hash: [u8; 32]) -> Result<PlanRow, JournalFault> {
        const STEP: &str = "read a plan that is kept";
        let bytes: Option<Vec<u8>> = self
            .read(move |reader| reader.cell(STEP, statements::PAST_PLAN, values![&hash]))
            .await?;
        Ok(match bytes {
            None => PlanRow::Absent,
            Some(bytes) if sha256::of(&bytes) == hash => PlanRow::Whole(bytes),
            Some(_) => PlanRow::Edited,
        })
    }
}
