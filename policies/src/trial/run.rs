//! Running the bundle's own tests against its compiled plans.

use std::collections::BTreeSet;
use std::sync::Arc;

use shuguan_adapters::catalogue::Field;
use shuguan_adapters::value::date::shanghai_day;

use super::record::Record;
use super::{Case, Expected};
use crate::document::Fault;
use crate::key::KeyRing;
use crate::plan::Plan;
use crate::set::PolicySet;
use crate::target::Mode;

/// What came of the tests.
#[derive(Debug)]
pub struct Report {
    /// Cases and `never` lines that were run.
    pub ran: usize,
    /// Those that failed, each with its place.
    pub failures: Vec<Fault>,
    /// Cells: (grant, released field).
    pub cells: usize,
    /// Cells that no case gives a value to.
    pub untouched: Vec<(String, &'static str)>,
}

/// The master key under which cases compute pseudonyms and tokens: bytes 00 to 1f. Nothing else is ever derived from it.
pub const TEST_MASTER: [u8; 32] = {
    let mut master = [0; 32];
    let mut rest: &mut [u8] = &mut master;
    let mut value = 0;
    while let Some((first, tail)) = rest.split_first_mut() {
        *first = value;
        value += 1;
        rest = tail;
    }
    master
};

impl PolicySet {
    /// Runs every case and `never` line of the bundle.
    pub fn test(&self) -> Report {
        let trials = self.trials();
        let plans: Vec<&Arc<Plan>> = self.plans().collect();
        let mut failures = Vec::new();
        for never in &trials.nevers {
            for plan in &plans {
                for breach in never.bound.breaches(plan, self.partner_table()) {
                    let message = format!("never: {} ({})", breach.what, breach.place);
                    failures.push(fault(&never.place, &never.text, message));
                }
            }
        }
        let mut touched = BTreeSet::new();
        for case in &trials.cases {
            let fields = run(self, case).unwrap_or_else(|why| {
                failures.push(fault(&case.place, &case.text, format!("{}: {why}", case.describe())));
                Vec::new()
            });
            touched.extend(fields.into_iter().map(|field| (case.grant.clone(), field)));
        }
        let cells = plans.iter().flat_map(|plan| {
            let grant = plan.grant_id().to_owned();
            plan.output().iter().map(move |column| (grant.clone(), column.name))
        });
        let cells: Vec<(String, &'static str)> = cells.collect();
        Report {
            ran: trials.cases.len() + trials.nevers.len(),
            failures,
            cells: cells.len(),
            untouched: cells.into_iter().filter(|cell| !touched.contains(cell)).collect(),
        }
    }
}

fn fault(place: &crate::terms::Place, line: &str, message: String) -> Fault {
    Fault {
        file: place.file.to_string(),
        line: place.line,
        column: 1,
        text: line.to_owned(),
        width: line.chars().count().max(1),
        message,
        hint: None,
    }
}

/// Runs one case; gives the released fields that its record says something about.
fn run(set: &PolicySet, case: &Case) -> Result<Vec<&'static str>, String> {
    let plan = set
        .plans()
        .find(|plan| plan.grant_id() == case.grant)
        .ok_or_else(|| format!("there is no grant `{}`", case.grant))?;
    let asks = case.partner.as_ref().or(plan.partner_ids().first());
    let partner = asks
        .and_then(|id| set.partner(id))
        .ok_or_else(|| "nobody is there to ask".to_owned())?;
    let decided = set.decide(
        partner,
        plan.target(),
        plan.purpose(),
        plan.direction(),
        plan.mode(),
        case.at_us,
    );
    match (&case.expected, decided) {
        (Expected::Refused(reason), Err(denial)) if denial.slug() == reason => Ok(Vec::new()),
        (Expected::Refused(reason), Err(denial)) => Err(format!("refused with `{}`, not `{reason}`", denial.slug())),
        (Expected::Refused(reason), Ok(_)) => Err(format!("granted, not refused with `{reason}`")),
        (_, Err(denial)) => Err(format!("refused with `{}`", denial.slug())),
        (_, Ok(decided)) if decided.hash() != plan.hash() => Err("another grant answers this request".into()),
        (expected, Ok(_)) => released(plan, case, expected),
    }
}

fn released(plan: &Plan, case: &Case, expected: &Expected) -> Result<Vec<&'static str>, String> {
    let today = shanghai_day(case.at_us);
    let record = Record::parse(case.record.as_deref().unwrap_or("{}"))?;
    let stranger = record.0.iter().find(|(name, _)| plan.target().field(name).is_none());
    if let Some((name, _)) = stranger {
        return Err(format!("`{}` has no field `{name}`", plan.target().name()));
    }
    let batch = record.batch(&fields(plan, plan.wanted()), today)?;
    let keys = KeyRing::from_master(&TEST_MASTER);
    let part = if plan.mode() == Mode::Compare {
        let claim = Record::parse(case.claim.as_deref().ok_or("a comparison has a `claim`")?)?;
        let claims = claim.batch(&fields(plan, plan.require()), today)?;
        plan.compare(&batch, &claims, &keys, today)
    } else {
        plan.release(&batch, &keys, today)
    };
    let part = part.map_err(|error| error.to_string())?;
    match expected {
        Expected::Filtered if part.filtered == 1 => return Ok(Vec::new()),
        Expected::Filtered => return Err("the row is released, not filtered".into()),
        _ if part.filtered == 1 => return Err("the row is filtered, not released".into()),
        Expected::Released(text) => differs(&Record::parse(text)?, &Record::of_row(&part.batch))?,
        Expected::Refused(_) => {}
    }
    let said = plan.output().iter().map(|column| column.name);
    Ok(said.filter(|name| record.says(name)).collect())
}

fn fields(plan: &Plan, names: &[&'static str]) -> Vec<&'static Field> {
    names.iter().filter_map(|name| plan.target().field(name)).collect()
}

/// The first member in which two records are not the same.
fn differs(expected: &Record, found: &Record) -> Result<(), String> {
    let longest = expected.0.len().max(found.0.len());
    for at in 0..longest {
        match (expected.0.get(at), found.0.get(at)) {
            (Some((name, value)), Some((own, other))) if name == own && value == other => {}
            (Some((name, value)), Some((own, other))) if name == own => {
                return Err(format!("`{name}` is {other}, not {value}"));
            }
            (Some((name, _)), Some((own, _))) => return Err(format!("`{own}` stands where `{name}` should")),
            (Some((name, _)), None) => return Err(format!("`{name}` is not released")),
            (None, Some((own, _))) => return Err(format!("`{own}` is released and not expected")),
            (None, None) => {}
        }
    }
    Ok(())
}

/// What a grant makes of a record, as a case would write it.
pub(super) fn answer(plan: &Plan, record: &str, at_us: i64) -> Result<String, String> {
    let today = shanghai_day(at_us);
    let record = Record::parse(record)?;
    let batch = record.batch(&fields(plan, plan.wanted()), today)?;
    let keys = KeyRing::from_master(&TEST_MASTER);
    let part = if plan.mode() == Mode::Compare {
        let claims = record.batch(&fields(plan, plan.require()), today)?;
        plan.compare(&batch, &claims, &keys, today)
    } else {
        plan.release(&batch, &keys, today)
    };
    Ok(Record::of_row(&part.map_err(|error| error.to_string())?.batch).to_text())
}
