//! A plan as it once was: what it released, to whom and on what ground, read again from its canonical bytes.
//!
//! Takes the bytes of [`Plan::canonical`] and the hash that a leaf names; gives what people ask about it. Refuses, as `None`, bytes of another hash, so that
//! nobody who edits them changes what an exchange is said to have released; and bytes that this version does not know how to read.

use shuguan_adapters::catalogue::record_type;

use super::{PLAN_DOMAIN, Plan};
use crate::canonical::{Canonical, Reading, hash_of};
use crate::dataset::Dataset;
use crate::operator::Operator;
use crate::target::Target;
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
}

/// One column of what was released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastColumn {
    /// English name of the field.
    pub name: String,
    /// Chinese name in today's catalogue; the English one of a field that is not in it any more.
    pub zh: String,
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

    /// What is said about it when it is not in force any more.
    pub fn past(&self) -> PastPlan {
        let mut basis = self.basis().clone();
        basis.articles.sort_unstable();
        basis.articles.dedup();
        let column = |column: &super::OutputColumn| PastColumn {
            name: column.name.to_owned(),
            zh: column.zh.to_owned(),
            operator: column.kind.operator.clone(),
        };
        PastPlan {
            grant: self.grant_id().to_owned(),
            agreement: self.agreement().to_owned(),
            consumer: self.consumer().to_owned(),
            target: self.target().name().to_owned(),
            basis,
            columns: self.output().iter().map(column).collect(),
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
        // Schema number.
        from.integer()?;
        let known = target_of(&target);
        let count = from.count()?;
        let columns: Option<Vec<_>> = (0..count).map(|_| column(&mut from, known)).collect();
        Some(Self {
            grant,
            agreement,
            consumer,
            target,
            basis,
            columns: columns?,
        })
    }

    /// Its record type or dataset, when today's catalogue has it.
    pub fn known_target(&self) -> Option<Target> {
        target_of(&self.target)
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

fn column(from: &mut Reading<'_>, target: Option<Target>) -> Option<PastColumn> {
    let name = from.owned()?;
    // Type and class.
    for _ in 0..2 {
        from.text()?;
    }
    let zh = target.and_then(|target| target.field(&name)).map(|field| field.zh);
    Some(PastColumn {
        zh: zh.unwrap_or(&name).to_owned(),
        operator: Operator::decode(from)?,
        name,
    })
}

/// A record type or dataset of today's catalogue.
fn target_of(name: &str) -> Option<Target> {
    let record = record_type(name).map(Target::Record);
    record.or_else(|| Dataset::parse(name).map(Target::Dataset))
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
        // The fixture's record type is in no catalogue.
        for column in &mut now.columns {
            column.zh.clone_from(&column.name);
        }
        assert_eq!(past, now);
        assert_eq!(past.columns.len(), plan.output().len());
        assert_eq!(
            (past.basis.document.as_str(), past.agreement.as_str()),
            ("函1号", "XY-1")
        );
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
