//! The plans that exchanges ran on, whether or not their grants are in force any more.
//!
//! Takes the table that is to decide, and keeps in the journal what each of its plans releases before it decides anything; takes the hash in a leaf, and gives
//! that plan. Refuses nothing: of a bundle that a version before this one loaded and that was edited before the upgrade nothing is kept, and of a row that
//! somebody edited nothing is believed, because the leaf names the hash.

use shuguan_ledger::leaf::Event;
use shuguan_policies::{PastPlan, PolicySet};

use crate::exchange::Stations;
use crate::hex::hex;
use crate::journal::{Journal, JournalFault, SealError};

/// A plan that a leaf names.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// What it says.
    pub(crate) plan: PastPlan,
    /// Whether a grant of today is this very plan.
    pub(crate) in_force: bool,
}

/// The hash of the plan that an exchange ran on.
pub(crate) fn named_by(event: &Event) -> Option<[u8; 32]> {
    match event {
        Event::Push(push) => Some(push.plan.0),
        Event::Pull(pull) => Some(pull.plan.0),
        Event::Compare(compare) => Some(compare.plan.0),
        _ => None,
    }
}

/// Keeps what is not kept yet. What is kept of a bundle that then does not come into force harms nobody.
pub(super) async fn keep(journal: &Journal, set: &PolicySet) -> Result<(), SealError> {
    let hashes = set.plans().map(|plan| plan.hash()).collect();
    let missing = journal.plans_not_kept(hashes).await?;
    let plans = set.plans().filter(|plan| missing.contains(&plan.hash()));
    journal
        .keep_plans(plans.map(|plan| (plan.hash(), plan.canonical())).collect())
        .await
}

/// The plan of that hash; none: nobody knows any more what it released, but the evidence record of each exchange.
///
/// # Errors
/// When the journal cannot be read.
pub(crate) async fn plan_of(stations: &Stations, hash: [u8; 32]) -> Result<Option<Known>, JournalFault> {
    let policies = stations.policies.load_full();
    if let Some(plan) = policies.plans().find(|plan| plan.hash() == hash) {
        let plan = plan.past();
        return Ok(Some(Known { plan, in_force: true }));
    }
    let bytes = stations.journal.past_plan(hash).await?;
    let was_kept = bytes.is_some();
    let plan = bytes.and_then(|bytes| PastPlan::read(&bytes, &hash));
    if was_kept && plan.is_none() {
        tracing::error!(
            plan = hex(&hash),
            "what the journal keeps of a plan was changed past the gateway, and is not believed"
        );
    }
    Ok(plan.map(|plan| Known { plan, in_force: false }))
}
