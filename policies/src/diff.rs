//! Diff: what changes between two bundles, cell by cell, and whether anything becomes wider.
//!
//! Compared is what grants tell and allow, not how they are written: effective disclosures of every field, row sets, validity, hours,
//! limits, selection, obligations. Whatever else the hash of a bundle covers is listed too, so that an empty diff and an equal hash say
//! the same.

mod guards;
mod plans;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::plan::Plan;
use crate::set::PolicySet;
use crate::target::{Direction, Mode};

/// How a component turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// It tells or allows less than before.
    Narrowed,
    /// It tells or allows more than before.
    Widened,
    /// Neither is within the other.
    Incomparable,
    /// The words changed and what they allow did not.
    Restated,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// What changed: a key of the table (`partner target purpose direction/mode`), a ceiling, a test, an identity.
    pub subject: String,
    /// Which part of it: a field, `rows`, `limits.rows_per_day`, …
    pub component: String,
    /// Which way.
    pub turn: Turn,
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: String,
}

/// Everything that changed, sorted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Diff {
    /// The changes.
    pub changes: Vec<Change>,
}

impl Diff {
    /// Whether anything widened or cannot be compared: then the change needs a second look (exit 3).
    pub fn widens(&self) -> bool {
        let wider = |change: &Change| matches!(change.turn, Turn::Widened | Turn::Incomparable);
        self.changes.iter().any(wider)
    }
}

/// Partner, record type or dataset, purpose, direction and mode.
type Key = (String, &'static str, String, Direction, Mode);

impl PolicySet {
    /// What changes from this bundle to another.
    pub fn diff(&self, new: &Self) -> Diff {
        if self.hash() == new.hash() {
            return Diff::default();
        }
        let mut changes = Vec::new();
        let (old_cells, new_cells) = (cells(self), cells(new));
        let keys: BTreeSet<&Key> = old_cells.keys().chain(new_cells.keys()).collect();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for key in keys {
            let before = changes.len();
            let (old, new) = (old_cells.get(key), new_cells.get(key));
            plans::compare(&subject(key), old.copied(), new.copied(), &mut changes);
            if changes.len() > before {
                seen.extend(old.iter().chain(&new).map(|plan| plan.grant_id()));
            }
        }
        restated(self, new, &seen, &mut changes);
        guards::compare(self, new, &mut changes);
        changes.sort();
        Diff { changes }
    }
}

fn cells(set: &PolicySet) -> BTreeMap<Key, &Arc<Plan>> {
    let mut cells = BTreeMap::new();
    for plan in set.plans() {
        for partner in plan.partner_ids() {
            let key = (
                partner.clone(),
                plan.target().name(),
                plan.purpose().to_owned(),
                plan.direction(),
                plan.mode(),
            );
            cells.insert(key, plan);
        }
    }
    cells
}

fn subject((partner, target, purpose, direction, mode): &Key) -> String {
    format!("{partner} {target} {purpose} {}/{}", direction.name(), mode.name())
}

/// Grants whose plan has another hash though no cell of theirs changed: other words, another order of columns.
fn restated(old: &PolicySet, new: &PolicySet, seen: &BTreeSet<&str>, changes: &mut Vec<Change>) {
    let by_id = |set: &PolicySet| -> BTreeMap<String, String> {
        let hash = |plan: &Arc<Plan>| (plan.grant_id().to_owned(), crate::hex::hex(&plan.hash()));
        set.plans().map(hash).collect()
    };
    let (before, after) = (by_id(old), by_id(new));
    let ids: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for id in ids.into_iter().filter(|id| !seen.contains(id.as_str())) {
        let (old, new) = (before.get(id), after.get(id));
        if old != new {
            let short = |hash: Option<&String>| {
                let hash = hash.map_or("none", String::as_str);
                hash.chars().take(16).collect::<String>()
            };
            changes.push(Change {
                subject: format!("grant {id}"),
                component: "wording".into(),
                turn: Turn::Restated,
                before: short(old),
                after: short(new),
            });
        }
    }
}

#[cfg(test)]
mod tests;
