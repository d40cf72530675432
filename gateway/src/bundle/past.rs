//! The plans that exchanges ran on, whether or not their grants are in force any more.
//!
//! Takes the table that is to decide, and keeps in the journal what each of its plans releases before it decides anything, anew where somebody edited it;
//! takes the hash in a leaf, and gives that plan. Refuses nothing: of a bundle that a version before this one loaded and that was edited before the upgrade
//! nothing is kept, and of a row that somebody edited nothing is believed, because the leaf names the hash; which of the two it is, is told.

use shuguan_ledger::leaf::Event;
use shuguan_policies::{PastPlan, PolicySet};

use crate::exchange::Stations;
use crate::hex::hex;
use crate::journal::{Journal, JournalFault, PlanRow, SealError};

/// Beside the identifier of a field whose Chinese name of then this version does not know.
pub(crate) const NAME_UNKNOWN: &str = "（当时名称未收录）";

/// What is known of a plan that a leaf names.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    /// All of it.
    Known(Box<Known>),
    /// What the journal kept was changed past the gateway, and is not believed.
    Edited,
    /// Nobody kept it.
    Not,
}

/// A plan that a leaf names.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// What it says.
    pub(crate) plan: PastPlan,
    /// Whether a grant of today is this very plan.
    pub(crate) in_force: bool,
}

impl Kept {
    /// What it says, as far as that is known.
    pub(crate) fn known(&self) -> Option<&Known> {
        match self {
            Self::Known(known) => Some(known),
            Self::Edited | Self::Not => None,
        }
    }

    /// Whether somebody edited what was kept.
    pub(crate) fn is_edited(&self) -> bool {
        matches!(self, Self::Edited)
    }
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

/// Keeps what is not kept yet, or not as it was. What is kept of a bundle that then does not come into force harms nobody.
pub(super) async fn keep(journal: &Journal, set: &PolicySet) -> Result<(), SealError> {
    let hashes = set.plans().map(|plan| plan.hash()).collect();
    let not_kept = journal.plans_not_kept(hashes).await?;
    let plans = set.plans().filter(|plan| not_kept.has(&plan.hash()));
    journal
        .keep_plans(plans.map(|plan| (plan.hash(), plan.canonical())).collect())
        .await?;
    for hash in &not_kept.edited {
        tracing::warn!(
            plan = hex(hash),
            "what the journal keeps of a plan was changed past the gateway, and is written anew"
        );
    }
    Ok(())
}

/// The plan of that hash. Where it is not known, nobody knows any more what it released, but the evidence record of each exchange.
///
/// # Errors
/// When the journal cannot be read.
pub(crate) async fn plan_of(stations: &Stations, hash: [u8; 32]) -> Result<Kept, JournalFault> {
    let policies = stations.policies.load_full();
    if let Some(plan) = policies.plans().find(|plan| plan.hash() == hash) {
        let plan = plan.past();
        return Ok(known(plan, true));
    }
    let bytes = match stations.journal.past_plan(hash).await? {
        PlanRow::Absent => return Ok(Kept::Not),
        PlanRow::Whole(bytes) => bytes,
        PlanRow::Edited => return Ok(Kept::Edited),
    };
    // Only a later version kept what this one cannot read; here it is as if nobody had.
    let plan = PastPlan::read(&bytes, &hash);
    Ok(plan.map_or(Kept::Not, |plan| known(plan, false)))
}

/// The same for officers: that somebody edited what is kept of it is logged too. A partner who asks for his exchange again and again would fill the log.
///
/// # Errors
/// As [`plan_of`].
pub(crate) async fn reported(stations: &Stations, hash: [u8; 32]) -> Result<Kept, JournalFault> {
    let kept = plan_of(stations, hash).await?;
    if kept.is_edited() {
        tracing::error!(
            plan = hex(&hash),
            "what the journal keeps of a plan was changed past the gateway, and is not believed"
        );
    }
    Ok(kept)
}

fn known(plan: PastPlan, in_force: bool) -> Kept {
    Kept::Known(Box::new(Known { plan, in_force }))
}
