//! A plan as it once was: what it released, to whom and on what ground, read again from its canonical bytes.
//!
//! Takes the bytes of [`Plan::canonical`] and the hash that a leaf names; gives what people ask about it, its fields by the names that they had under its schema
//! number. Refuses, as `None`, bytes of another hash, so that
//! nobody who edits them changes what an exchange is said to have released; and bytes that this version does not know how to read.

mod names;

pub use names::PastName;

use super::{PLAN_DOMAIN, Plan};
use crate::canonical::{Canonical, Reading, hash_of};
use crate::operator::Operator;
use crate::terms::Basis;

/// A plan that need not be in force any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastPlan {
    /// Id of the grant.
    pub grant: String,
    /// Id of the agreement.
    pub agreement: String,
    /// The registry partner for whom the data is.
    pub consumer: String,
    /// Record type or dataset.
    pub target: String,
    /// Legal ground; the articles sorted.
    pub basis: Basis,
    /// What was released, in order.
    pub columns: Vec<PastColumn>,
    /// Fields that there were and that no column shows; none: this version does not know the schema number.
    pub withheld: Option<Vec<PastName>>,
}

/// One column of what was released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastColumn {
    /// English name of the field.
    pub name: String,
    /// Chinese name as it was then; none: nobody knows it any more.
    pub zh: Option<&'static str>,
    /// What was done to it.
    pub operator: Operator,
}

impl Plan {
    /// The bytes whose SHA-256 is [`Plan::hash`]. They say what is granted and hold nothing of anybody.
    pub fn canonical(&self) -> Vec<u8> {
        let mut canonical = Canonical::new(PLAN_DOMAIN);
        self.encode(&mut canonical);
        canonical.into_bytes()
    }

    /// Fields of the target that no column shows.
    pub fn withheld(&self) -> impl Iterator<Item = PastName> {
        let fields = self.target().fields().iter();
        let hidden = fields.filter(|field| self.output().iter().all(|column| column.name != field.name));
        hidden.map(|field| PastName {
            name: field.name,
            zh: field.zh,
        })
    }

    /// What is said about it when it is not in force any more.
    pub fn past(&self) -> PastPlan {
        let mut basis = self.basis().clone();
        basis.articles.sort_unstable();
        basis.articles.dedup();
        let column = |column: &super::OutputColumn| PastColumn {
            name: column.name.to_owned(),
            zh: Some(column.zh),
            operator: column.kind.operator.clone(),
        };
        PastPlan {
            grant: self.grant_id().to_owned(),
            agreement: self.agreement().to_owned(),
            consumer: self.consumer().to_owned(),
            target: self.target().name().to_owned(),
            basis,
            columns: self.output().iter().map(column).collect(),
            withheld: Some(self.withheld().collect()),
        }
    }
}

impl PastPlan {
    /// Reads the plan of that hash.
    pub fn read(bytes: &[u8], hash: &[u8; 32]) -> Option<Self> {
        if hash_of(bytes) != *hash {
            return None;
        }
        let mut from = Reading::of(PLAN_DOMAIN, bytes)?;
        grantee(&mut from)?;
        let target = from.text()?.to_owned();
        // Purpose, direction, mode.
        for _ in 0..3 {
            from.text()?;
        }
        let [grant, agreement, consumer] = [from.owned()?, from.owned()?, from.owned()?];
        let basis = basis(&mut from)?;
        // Impact assessment and necessity.
        for _ in 0..2 {
            from.option(Reading::text)?;
        }
        let fields = names::fields_of(&target, from.integer()?);
        let count = from.count()?;
        let columns: Option<Vec<_>> = (0..count).map(|_| column(&mut from, fields.as_deref())).collect();
        let columns = columns?;
        let is_shown = |field: &PastName| columns.iter().any(|column| column.name == field.name);
        Some(Self {
            withheld: fields.map(|fields| fields.into_iter().filter(|field| !is_shown(field)).collect()),
            grant,
            agreement,
            consumer,
            target,
            basis,
            columns,
        })
    }
}

fn grantee(from: &mut Reading<'_>) -> Option<()> {
    match from.text()? {
        "agency" | "partner" => from.text().map(drop),
        "partners" => from.set().map(drop),
        _ => None,
    }
}

fn basis(from: &mut Reading<'_>) -> Option<Basis> {
    Some(Basis {
        kind: from.owned()?,
        articles: from.set()?,
        document: from.owned()?,
        application: from.option(Reading::owned)?,
    })
}

fn column(from: &mut Reading<'_>, fields: Option<&[PastName]>) -> Option<PastColumn> {
    let name = from.owned()?;
    // Type and class.
    for _ in 0..2 {
        from.text()?;
    }
    let field = fields.and_then(|fields| fields.iter().find(|field| field.name == name));
    Some(PastColumn {
        zh: field.map(|field| field.zh),
        operator: Operator::decode(from)?,
        name,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::fixture::{GRANT, plan_of};

    #[test]
    fn a_plan_is_read_again_from_its_bytes_and_says_what_it_released() {
        let plan = plan_of(GRANT);
        let past = PastPlan::read(&plan.canonical(), &plan.hash()).unwrap();
        let mut now = plan.past();
        // The fixture's record type is in no list of names.
        now.columns.iter_mut().for_each(|column| column.zh = None);
        now.withheld = None;
        assert_eq!(past, now);
        assert_eq!(past.columns.len(), plan.output().len());
        assert_eq!(
            (past.basis.document.as_str(), past.agreement.as_str()),
            ("函1号", "XY-1")
        );
    }

    /// The example's grants, with every operator and both datasets.
    #[test]
    fn fields_of_a_past_plan_are_called_as_they_were_and_those_withheld_are_named() {
        let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("example");
        let set = crate::set::PolicySet::load(&example).unwrap();
        assert!(set.plans().count() > 10);
        for plan in set.plans() {
            let past = PastPlan::read(&plan.canonical(), &plan.hash()).unwrap();
            assert_eq!(past, plan.past());
            assert_eq!(
                past.withheld.unwrap().len() + past.columns.len(),
                plan.target().fields().len()
            );
        }
    }

    #[test]
    fn bytes_that_were_edited_are_no_plan() {
        let plan = plan_of(GRANT);
        let mut bytes = plan.canonical();
        let last = bytes.len() - 1;
        assert_eq!(PastPlan::read(bytes.get(..last).unwrap(), &plan.hash()), None);
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(PastPlan::read(&bytes, &plan.hash()), None);
        // And bytes of that hash that are none: another domain.
        assert_eq!(
            PastPlan::read(b"shuguan.plan.v2\n", &hash_of(b"shuguan.plan.v2\n")),
            None
        );
    }
}
