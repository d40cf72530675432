//! `shuguan policy check | explain | sign | submit | rehearse`: what a bundle says, without a gateway; and how it comes into force.
//!
//! Takes a bundle folder; answers like `grep`: 0 and 1, and 2 for wrong usage or an unreadable bundle.

mod rehearse;
pub(crate) mod sign;
mod submit;

use std::path::{Path, PathBuf};

use policies::explain::{FieldLine, Step};
use policies::{Explanation, Fault, PolicySet, Question};
use serde::Serialize;
use shuguan_policies as policies;

use super::exit::{Exit, Failure};
use super::output::{Output, align};
use crate::clock::Clock;

/// Check a policy bundle, or explain what it decides.
#[derive(Debug, clap::Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    action: PolicyAction,
}

#[derive(Debug, clap::Subcommand)]
enum PolicyAction {
    /// Show every fault of a bundle at once, with file, line, column and a caret.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy check policies/example\n\nEXIT CODES\n  0 good · 1 at least one fault"
    )]
    Check {
        /// The bundle: purposes.toml, partners.toml, keys.toml and agreements/*.toml.
        dir: PathBuf,
    },
    /// Explain one decision step by step: which grant of which file, and what becomes of each field.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy explain policies/example --partner health-city --record health/birth-certificate --purpose enrolment.registration\n  shuguan policy explain policies/example --partner information-centre --dataset population --purpose enrolment.registration --field name\n\nEXIT CODES\n  0 granted · 1 refused · 2 the bundle does not load, or wrong usage"
    )]
    Explain(ExplainArgs),
    /// Put an officer's signature under a bundle: a policy officer and a security officer sign, each with his own key.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy sign policies -c officers/policy-sun.toml\n  shuguan policy sign policies --p12 qian.p12 --password-file qian.password\n  shuguan policy sign old-policies --after policies --rollback -c officers/policy-sun.toml\n\nEXIT CODES\n  0 signed · 1 the bundle has a fault, or the key or certificate cannot sign it"
    )]
    Sign(sign::SignArgs),
    /// Bring a signed bundle into force while the gateway serves.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy submit policies -c officers/policy-sun.toml\n\nEXIT CODES\n  0 in force · 1 the bundle cannot be read or is not signed · 3 refused: a signature, the serial, the registry · 4 not reached, or no leaf could be sealed"
    )]
    Submit(submit::SubmitArgs),
    /// Decide the exchanges of the last days again under a bundle that is not in force: who would gain or lose what.
    #[command(
        after_help = "EXAMPLES\n  shuguan policy rehearse --bundle new-policies --since 30d -c demo/shuguan.toml\n\nEXIT CODES\n  0 every exchange would be decided the same · 1 the bundle, the configuration or the journal cannot be read · 3 some would be decided otherwise"
    )]
    Rehearse(rehearse::RehearseArgs),
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("target").required(true))]
struct ExplainArgs {
    /// The bundle.
    dir: PathBuf,
    /// Partner id, as in partners.toml.
    #[arg(long)]
    partner: String,
    /// Record type that is pushed, e.g. `health/birth-certificate`.
    #[arg(long, group = "target")]
    record: Option<String>,
    /// Dataset that is pulled: `population` or `enterprises`.
    #[arg(long, group = "target")]
    dataset: Option<String>,
    /// Purpose code, e.g. `enrolment.registration`.
    #[arg(long)]
    purpose: String,
    /// This field only.
    #[arg(long)]
    field: Option<String>,
    /// The moment of the request with its offset, e.g. `2026-10-12T10:00:00+08:00`; now unless given.
    #[arg(long)]
    at: Option<String>,
}

/// Runs the command.
pub fn run(args: PolicyArgs, output: &Output) -> Result<Exit, Failure> {
    match args.action {
        PolicyAction::Check { dir } => Ok(check(&dir, output)),
        PolicyAction::Explain(args) => explain(&args, &Clock::system(), output),
        PolicyAction::Sign(args) => sign::run(&args, &Clock::system(), output),
        PolicyAction::Submit(args) => submit::run(&args, output),
        PolicyAction::Rehearse(args) => rehearse::run(&args, &Clock::system(), output),
    }
}

#[derive(Serialize)]
struct CheckView {
    good: bool,
    bundle_hash: Option<String>,
    partners: usize,
    grants: usize,
    faults: Vec<FaultView>,
}

#[derive(Serialize)]
struct FaultView {
    file: String,
    line: usize,
    column: usize,
    message: String,
    hint: Option<String>,
}

impl From<&Fault> for FaultView {
    fn from(fault: &Fault) -> Self {
        Self {
            file: fault.file.clone(),
            line: fault.line,
            column: fault.column,
            message: fault.message.clone(),
            hint: fault.hint.clone(),
        }
    }
}

fn check(dir: &Path, output: &Output) -> Exit {
    let outcome = PolicySet::load(dir);
    let (set, faults) = match &outcome {
        Ok(set) => (Some(set), &[][..]),
        Err(faults) => (None, faults.as_slice()),
    };
    if output.is_json() {
        let view = CheckView {
            good: set.is_some(),
            bundle_hash: set.map(|set| hex(&set.hash())),
            partners: set.map_or(0, |set| set.partners().len()),
            grants: set.map_or(0, |set| set.plans().count()),
            faults: faults.iter().map(FaultView::from).collect(),
        };
        output.json("shuguan.policy-check.v1", &view);
    } else if let Some(set) = set {
        let (partners, grants) = (set.partners().len(), set.plans().count());
        output.line(format!("good: {partners} partners, {grants} grants"));
        output.line(format!("bundle sha256:{}", hex(&set.hash())));
    } else {
        for fault in faults {
            output.line(format!("{fault}\n"));
        }
        output.line(format!("faults: {}", faults.len()));
    }
    if set.is_some() { Exit::Done } else { Exit::Local }
}

fn explain(args: &ExplainArgs, clock: &Clock, output: &Output) -> Result<Exit, Failure> {
    let set = PolicySet::load(&args.dir).map_err(|faults| {
        let count = faults.len();
        Failure::new(Exit::Usage, format!("the bundle does not load: faults: {count}"))
            .at(args.dir.display().to_string())
            .coded("SG7103")
            .then(format!("shuguan policy check {}", args.dir.display()))
    })?;
    let at_us = match &args.at {
        None => clock.now_us(),
        Some(text) => moment(text)?,
    };
    let target = args.record.as_deref().or(args.dataset.as_deref()).unwrap_or_default();
    let explanation = set.explain(&Question {
        partner: &args.partner,
        target,
        purpose: &args.purpose,
        field: args.field.as_deref(),
        at_us,
    });
    if output.is_json() {
        output.json("shuguan.policy-explanation.v1", &explanation);
    } else {
        output.line(page(&explanation));
    }
    Ok(if explanation.granted { Exit::Done } else { Exit::Local })
}

fn moment(text: &str) -> Result<i64, Failure> {
    let stamp: jiff::Timestamp = text.parse().map_err(|error| {
        Failure::new(Exit::Usage, format!("`--at {text}` is no moment with an offset"))
            .because(error)
            .then("write e.g. `--at 2026-10-12T10:00:00+08:00`")
    })?;
    Ok(stamp.as_microsecond())
}

/// The explanation as a person reads it.
fn page(explanation: &Explanation) -> String {
    let mut parts = vec![align(&["", "CHECK", "FOUND", "WHERE"], &steps(&explanation.steps))];
    if !explanation.rows.is_empty() {
        parts.push(format!("rows    {}", explanation.rows.join(" and ")));
    }
    if !explanation.limits.is_empty() {
        parts.push(format!("limits  {}", explanation.limits.join(", ")));
    }
    if !explanation.released.is_empty() {
        let header = ["RELEASED", "中文", "CLASS", "OPERATOR", "WHERE"];
        parts.push(align(&header, &fields(&explanation.released)));
    }
    if !explanation.withheld.is_empty() {
        let header = ["WITHHELD", "中文", "CLASS", "", "WHERE"];
        parts.push(align(&header, &fields(&explanation.withheld)));
    }
    parts.push(match explanation.reason {
        None => format!(
            "granted by plan sha256:{}",
            explanation.plan_hash.as_deref().unwrap_or_default()
        ),
        Some(reason) => format!("refused: {reason}\n  next: shuguan explain {reason}"),
    });
    parts.join("\n\n")
}

fn steps(steps: &[Step]) -> Vec<Vec<String>> {
    steps
        .iter()
        .map(|step| {
            let mark = if step.passed { "ok" } else { "no" };
            let place = step.place.clone().unwrap_or_default();
            vec![mark.into(), step.check.into(), step.found.clone(), place]
        })
        .collect()
}

fn fields(lines: &[FieldLine]) -> Vec<Vec<String>> {
    lines
        .iter()
        .map(|line| {
            // A field that no line names is withheld by silence.
            let place = line.place.clone().unwrap_or_else(|| "not named".to_owned());
            vec![
                line.field.into(),
                line.zh.into(),
                line.class.into(),
                line.operator.clone(),
                place,
            ]
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles
        .filter_map(|nibble| char::from_digit(nibble.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const QUIET: Output = Output {
        form: super::super::output::Form::Json,
        quiet: true,
        no_progress: true,
    };

    fn example() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example")
    }

    #[test]
    fn check_and_explain_answer_like_grep() {
        assert_eq!(check(&example(), &QUIET), Exit::Done);
        assert_eq!(check(Path::new("/nonexistent"), &QUIET), Exit::Local);
        let ask = |field: Option<&str>| ExplainArgs {
            dir: example(),
            partner: "health-ganyu".into(),
            record: Some("health/birth-certificate".into()),
            dataset: None,
            purpose: "enrolment.registration".into(),
            field: field.map(str::to_owned),
            at: Some("2026-10-12T10:00:00+08:00".into()),
        };
        let clock = Clock::from_fn(|| 0);
        assert_eq!(explain(&ask(None), &clock, &QUIET).unwrap(), Exit::Done);
        assert_eq!(explain(&ask(Some("father_id")), &clock, &QUIET).unwrap(), Exit::Done);
        assert_eq!(
            explain(&ask(Some("midwifery_org")), &clock, &QUIET).unwrap(),
            Exit::Local
        );
        let now = ExplainArgs { at: None, ..ask(None) };
        assert_eq!(
            explain(&now, &clock, &QUIET).unwrap(),
            Exit::Local,
            "1970 lies before the agreement"
        );
        let faulty = ExplainArgs {
            dir: "/nonexistent".into(),
            ..ask(None)
        };
        assert_eq!(explain(&faulty, &clock, &QUIET).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn an_explanation_for_people_names_step_operator_and_place() {
        let set = PolicySet::load(&example()).unwrap();
        let page = page(&set.explain(&Question {
            partner: "health-city",
            target: "health/birth-certificate",
            purpose: "enrolment.registration",
            field: None,
            at_us: moment("2026-10-12T10:00:00+08:00").unwrap(),
        }));
        for text in [
            "pseudonym key pseudonym-father",
            "agreements/health.toml:",
            "midwifery_org",
            "granted by plan sha256:",
        ] {
            assert!(page.contains(text), "{text} in\n{page}");
        }
    }
}
