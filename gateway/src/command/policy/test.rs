//! `shuguan policy test`: the bundle's own cases and `never` lines, and the cells that none of them touches.

use std::path::{Path, PathBuf};

use policies::PolicySet;
use policies::trial::sketch::sketch;
use serde::Serialize;
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
    /// The moment of the sketched case, with its offset.
    #[arg(long, default_value = "2026-10-12T10:00:00+08:00")]
    pub(super) at: String,
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

pub(super) fn test(args: &TestArgs, output: &Output) -> Result<Exit, Failure> {
    let set = PolicySet::load_untested(&args.dir).map_err(|faults| unloadable(&args.dir, faults.len()))?;
    if let Some(grant) = &args.sketch {
        return sketched(&set, grant, &args.at, &args.dir, output);
    }
    let report = set.test();
    let good = report.failures.is_empty() && (!args.strict || report.untouched.is_empty());
    if output.is_json() {
        let view = TestView {
            good,
            ran: report.ran,
            cells: report.cells,
            failures: report.failures.iter().map(FaultView::from).collect(),
            untouched: report
                .untouched
                .into_iter()
                .map(|(grant, field)| Cell { grant, field })
                .collect(),
        };
        output.json("shuguan.policy-test.v1", &view);
    } else {
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

fn sketched(set: &PolicySet, grant: &str, at: &str, dir: &Path, output: &Output) -> Result<Exit, Failure> {
    let plan = set.plans().find(|plan| plan.grant_id() == grant).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("there is no grant `{grant}`"))
            .at(dir.display().to_string())
            .then("shuguan policy who-can DIR FIELD names the grants")
    })?;
    let case = sketch(plan, at).map_err(|why| Failure::new(Exit::Usage, "no case can be sketched").because(why))?;
    output.line(case.trim_end());
    Ok(Exit::Done)
}
