//! `shuguan policy test`: the bundle's own cases and `never` lines, and the cells that none of them touches.

use std::path::{Path, PathBuf};

use policies::trial::sketch::sketch;
use policies::{Plan, PolicySet};
use serde::Serialize;
use shuguan_ledger::time;
use shuguan_policies as policies;

use super::super::exit::{Exit, Failure};
use super::super::output::Output;
use super::check::FaultView;
use super::unloadable;

#[derive(Debug, clap::Args)]
pub(super) struct TestArgs {
    /// The bundle.
    pub(super) dir: PathBuf,
    /// Untouched cells are failures too.
    #[arg(long)]
    pub(super) strict: bool,
    /// Print a first case for this grant instead: a made-up record and what becomes of it today.
    #[arg(long, value_name = "GRANT")]
    pub(super) sketch: Option<String>,
    /// The moment of the sketched case, with its offset; by default now, or else the first day of the agreement, at an hour when the grant holds.
    #[arg(long)]
    pub(super) at: Option<String>,
}

#[derive(Serialize)]
struct TestView {
    good: bool,
    ran: usize,
    cells: usize,
    failures: Vec<FaultView>,
    untouched: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    grant: String,
    field: &'static str,
}

pub(super) fn test(args: &TestArgs, now_us: i64, output: &Output) -> Result<Exit, Failure> {
    let set = PolicySet::load_untested(&args.dir).map_err(|faults| unloadable(&args.dir, faults.len()))?;
    if let Some(grant) = &args.sketch {
        output.in_its_own_form("a case is printed")?;
        return sketched(&set, grant, (args.at.as_deref(), now_us), &args.dir, output);
    }
    let report = set.test();
    let good = report.failures.is_empty() && (!args.strict || report.untouched.is_empty());
    let untouched = report.untouched.iter();
    let view = TestView {
        good,
        ran: report.ran,
        cells: report.cells,
        failures: report.failures.iter().map(FaultView::from).collect(),
        untouched: untouched
            .map(|(grant, field)| Cell {
                grant: grant.clone(),
                field,
            })
            .collect(),
    };
    if !output.document("shuguan.policy-test.v1", &view) {
        for failure in &report.failures {
            output.line(format!("{failure}\n"));
        }
        if !report.untouched.is_empty() {
            let rows: Vec<Vec<String>> = report
                .untouched
                .iter()
                .map(|(grant, field)| vec![grant.clone(), (*field).to_owned()])
                .collect();
            output.rows(&["UNTOUCHED GRANT", "FIELD"], &rows);
        }
        let (failed, untouched) = (report.failures.len(), report.untouched.len());
        output.line(format!(
            "ran {}, failed {failed}; {} cells, {untouched} untouched",
            report.ran, report.cells
        ));
    }
    Ok(if good { Exit::Done } else { Exit::Local })
}

/// How far ahead an hour is looked for at which a grant holds: over the longest holidays.
const HOURS_AHEAD: i64 = 24 * 21;
const HOUR_US: i64 = 3_600_000_000;
const SHANGHAI_US: i64 = 8 * HOUR_US;

/// A moment at which the grant holds: ten o'clock of today or of the first day of its agreement, or the next full hour when it does. Without one, that ten o'clock.
fn moment_of(plan: &Plan, now_us: i64) -> String {
    let valid = plan.valid();
    let (from_us, until_us) = (
        valid.from_s.saturating_mul(1_000_000),
        valid.until_s.saturating_mul(1_000_000),
    );
    let within = if now_us > until_us {
        from_us
    } else {
        now_us.max(from_us)
    };
    let midnight = (within + SHANGHAI_US).div_euclid(24 * HOUR_US) * 24 * HOUR_US - SHANGHAI_US;
    let first = midnight + 10 * HOUR_US;
    let holds =
        |at_us: &i64| (from_us..=until_us).contains(at_us) && plan.hours().is_none_or(|hours| hours.open_at(*at_us));
    let at_us = (0..HOURS_AHEAD).map(|hour| first + hour * HOUR_US).find(holds);
    let local = time::format(at_us.unwrap_or(first) + SHANGHAI_US);
    format!("{}+08:00", local.get(..19).unwrap_or(&local))
}

fn sketched(
    set: &PolicySet,
    grant: &str,
    (at, now_us): (Option<&str>, i64),
    dir: &Path,
    output: &Output,
) -> Result<Exit, Failure> {
    let plan = set.plans().find(|plan| plan.grant_id() == grant).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("there is no grant `{grant}`"))
            .at(dir.display().to_string())
            .then("shuguan policy who-can DIR FIELD names the grants")
    })?;
    let at = at.map_or_else(|| moment_of(plan, now_us), str::to_owned);
    let case = sketch(plan, &at).map_err(|why| Failure::new(Exit::Usage, "no case can be sketched").because(why))?;
    output.line(case.trim_end());
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::path::Path;

    use super::{PolicySet, moment_of};
    use crate::clock::read_moment;

    #[test]
    fn the_moment_of_a_sketched_case_lies_within_the_agreement_and_its_hours() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example");
        let set = PolicySet::load_untested(&example).unwrap();
        assert!(set.plans().count() > 5);
        for plan in set.plans() {
            // Long before, within, and long after.
            let within_us = (plan.valid().from_s / 2 + plan.valid().until_s / 2) * 1_000_000;
            for now_us in [0, within_us, i64::MAX / 4] {
                let at = moment_of(plan, now_us);
                let at_us = read_moment(&at).unwrap();
                let (from_s, until_s) = (plan.valid().from_s, plan.valid().until_s);
                assert!(
                    (from_s..=until_s).contains(&(at_us / 1_000_000)),
                    "{} {at}",
                    plan.grant_id()
                );
                let first = now_us != within_us;
                let holds = plan.hours().is_none_or(|hours| hours.open_at(at_us));
                assert!(holds || !first, "{} {at}", plan.grant_id());
            }
        }
    }
}
