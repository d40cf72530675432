//! Who can learn a field: every grant that tells anything about it, itself or by implication, and how much.

use serde::Serialize;

use crate::disclosure::{Way, disclosed, of_others, strongest};
use crate::set::PolicySet;

/// One partner, purpose and mode under which something about a field goes out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Telling {
    /// Who sends (push) or receives (pull) it.
    pub partner: String,
    /// The registry partner for whom the data is.
    pub consumer: String,
    /// `push` or `pull`.
    pub direction: &'static str,
    /// Record type or dataset.
    pub target: &'static str,
    /// Purpose code.
    pub purpose: String,
    /// `feed`, `extract` or `compare`.
    pub mode: &'static str,
    /// How much, as an operator on the field, e.g. `date to year`.
    pub strength: String,
    /// `own`, `read out of <field>`, or `by asking`.
    pub way: String,
    /// Id of the grant.
    pub grant: String,
    /// `file:line` of what lets it out.
    pub place: String,
}

impl PolicySet {
    /// Everybody who learns anything about a field, sorted. `field` is a name wherever it occurs, or `target.name`.
    pub fn who_can(&self, field: &str) -> Vec<Telling> {
        let (target, name) = match field.rsplit_once('.') {
            Some((target, name)) => (Some(target), name),
            None => (None, field),
        };
        let mut tellings = Vec::new();
        for plan in self
            .plans()
            .filter(|plan| target.is_none_or(|target| plan.target().name() == target))
        {
            // Of a field of one record type or dataset it is asked whom that is about; of a name by itself, whoever.
            let others = target.is_none().then(|| strongest(&of_others(plan), name));
            let told = strongest(&disclosed(plan), name);
            for one in told.into_iter().chain(others.into_iter().flatten()) {
                let (through, way) = match one.way {
                    Way::Own => (one.field, "own".to_owned()),
                    Way::Implied(source) => (source, format!("read out of {source}")),
                    Way::Lookup => (one.field, "by asking".to_owned()),
                };
                let column = plan.output().iter().find(|column| column.name == through);
                let place = column.map_or(plan.place(), |column| &column.granted_line);
                tellings.extend(plan.partner_ids().iter().map(|partner| Telling {
                    partner: partner.clone(),
                    consumer: plan.consumer().to_owned(),
                    direction: plan.direction().name(),
                    target: plan.target().name(),
                    purpose: plan.purpose().to_owned(),
                    mode: plan.mode().name(),
                    strength: one.operator.describe(),
                    way: way.clone(),
                    grant: plan.grant_id().to_owned(),
                    place: place.to_string(),
                }));
            }
        }
        tellings.sort();
        tellings
    }

    /// Whether any record type or dataset has a field of that name, or it is one that others give away.
    pub fn knows_field(&self, field: &str) -> bool {
        let (target, name) = match field.rsplit_once('.') {
            Some((target, name)) => (Some(target), name),
            None => (None, field),
        };
        let mut targets = self.catalogue().targets().into_iter();
        targets.any(|one| {
            target.is_none_or(|target| one.name() == target)
                && (one.field(name).is_some() || IMPLIED_ONLY.contains(&name))
        })
    }
}

/// Fields that a number gives away though no record type may have them.
const IMPLIED_ONLY: [&str; 4] = ["birth_date", "birth_region", "sex", "reg_region"];

#[cfg(test)]
mod tests;
