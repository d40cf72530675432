//! `shuguan policy explain`: one decision, step by step, with the place of each.

use std::path::PathBuf;

use policies::explain::{FieldLine, Step};
use policies::{Explanation, Mode, Question};
use shuguan_policies as policies;

use super::super::exit::{Exit, Failure};
use super::super::output::{Output, align};
use super::load;
use crate::clock::Clock;

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("target").required(true))]
pub(super) struct ExplainArgs {
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
    /// How a dataset is pulled: `extract` or `compare`.
    #[arg(long)]
    mode: Option<String>,
    /// This field only.
    #[arg(long)]
    field: Option<String>,
    /// The moment of the request with its offset, e.g. `2026-10-12T10:00:00+08:00`; now unless given.
    #[arg(long)]
    at: Option<String>,
}

pub(super) fn explain(args: &ExplainArgs, clock: &Clock, output: &Output) -> Result<Exit, Failure> {
    let set = load(&args.dir)?;
    let at_us = match &args.at {
        None => clock.now_us(),
        Some(text) => moment(text)?,
    };
    let target = args.record.as_deref().or(args.dataset.as_deref()).unwrap_or_default();
    let explanation = set.explain(&Question {
        partner: &args.partner,
        target,
        purpose: &args.purpose,
        mode: mode(args.mode.as_deref())?,
        field: args.field.as_deref(),
        at_us,
    });
    if !output.document("shuguan.policy-explanation.v1", &explanation) {
        output.line(page(&explanation));
    }
    Ok(if explanation.granted { Exit::Done } else { Exit::Local })
}

fn mode(text: Option<&str>) -> Result<Option<Mode>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let found = Mode::parse(text);
    found.map(Some).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("`--mode {text}` is not known")).then("`feed`, `extract` or `compare`")
    })
}

pub(super) fn moment(text: &str) -> Result<i64, Failure> {
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::path::Path;

    use policies::PolicySet;

    use super::*;

    const QUIET: Output = super::super::QUIET;

    fn example() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example")
    }

    #[test]
    fn explain_answers_like_grep() {
        let ask = |field: Option<&str>| ExplainArgs {
            dir: example(),
            partner: "health-ganyu".into(),
            record: Some("health/birth-certificate".into()),
            dataset: None,
            purpose: "enrolment.registration".into(),
            mode: None,
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
            mode: None,
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
