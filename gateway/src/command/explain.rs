//! `shuguan explain CODE`: what the code of a refusal, a reject, a discrepancy or a fault means, offline, in both languages.

use serde::Serialize;
use shuguan_adapters::reject::RejectCode;

use super::exit::{Exit, Failure};
use super::output::Output;
use crate::fault_code::FaultCode;
use crate::refusal::Refusal;
use crate::registry::discrepancy::Kind;

/// What a code means and what to do about it; works offline.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES\n  shuguan explain SG4103\n  shuguan explain no-grant\n  shuguan explain dead-active\n  shuguan explain --all\n\nEXIT CODES\n  0 explained · 2 no such code"
)]
pub struct ExplainArgs {
    /// A code such as `SG4103`, or its short name.
    #[arg(required_unless_present = "all")]
    code: Option<String>,
    /// List every refusal.
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct Explanation {
    code: &'static str,
    slug: &'static str,
    status: u16,
    zh: &'static str,
    en: &'static str,
    next: &'static str,
}

fn explanation(refusal: Refusal) -> Explanation {
    Explanation {
        code: refusal.code(),
        slug: refusal.slug(),
        status: crate::api::problem::status(refusal).as_u16(),
        zh: refusal.zh(),
        en: refusal.en(),
        next: refusal.next(),
    }
}

/// Runs the command.
pub fn run(args: ExplainArgs, output: &Output) -> Result<Exit, Failure> {
    let code = args.code.unwrap_or_default();
    if args.all {
        return Ok(list(output));
    }
    let Some(refusal) = Refusal::parse(&code) else {
        return match (Kind::parse(&code), FaultCode::find(&code)) {
            (Some(kind), _) => Ok(explain_discrepancy(kind, output)),
            (None, Some(fault)) => Ok(explain_fault(fault, output)),
            (None, None) => explain_reject(&code, output),
        };
    };
    let explanation = explanation(refusal);
    if !output.document("shuguan.code.v1", &explanation) {
        output.line(format!(
            "{}  {}  (HTTP {})",
            explanation.code, explanation.slug, explanation.status
        ));
        output.line(format!("  {}", explanation.zh));
        output.line(format!("  {}", explanation.en));
        output.line(format!("  next: {}", explanation.next));
    }
    Ok(Exit::Done)
}

fn list(output: &Output) -> Exit {
    let all: Vec<Explanation> = Refusal::ALL.iter().copied().map(explanation).collect();
    if output.is_json() {
        output.json("shuguan.codes.v1", &all);
        return Exit::Done;
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|e| {
            vec![
                e.code.into(),
                e.slug.into(),
                e.status.to_string(),
                e.zh.into(),
                e.en.into(),
            ]
        })
        .collect();
    output.rows(&["CODE", "NAME", "HTTP", "中文", "ENGLISH"], &rows);
    Exit::Done
}

/// What contradicts what in the registry.
fn explain_discrepancy(kind: Kind, output: &Output) -> Exit {
    let document = serde_json::json!({
        "code": kind.code(), "slug": kind.slug(), "zh": kind.zh(), "en": kind.en(), "next": kind.next(),
    });
    if output.document("shuguan.code.v1", &document) {
        return Exit::Done;
    }
    output.line(format!("{}  {}  (a discrepancy)", kind.code(), kind.slug()));
    output.line(format!("  {}", kind.zh()));
    output.line(format!("  {}", kind.en()));
    output.line(format!("  next: {}", kind.next()));
    Exit::Done
}

/// What a program of ours could not do.
fn explain_fault(fault: &FaultCode, output: &Output) -> Exit {
    if output.document("shuguan.code.v1", fault) {
        return Exit::Done;
    }
    output.line(format!("{}  (a fault on this side)", fault.code));
    output.line(format!("  {}", fault.zh));
    output.line(format!("  {}", fault.en));
    output.line(format!("  next: {}", fault.next));
    Exit::Done
}

/// A reject code: what is wrong with one record.
fn explain_reject(code: &str, output: &Output) -> Result<Exit, Failure> {
    let reject = RejectCode::ALL
        .iter()
        .find(|reject| reject.code().eq_ignore_ascii_case(code) || reject.slug() == code)
        .ok_or_else(|| Failure::new(Exit::Usage, format!("there is no code `{code}`")).then("shuguan explain --all"))?;
    let document = serde_json::json!({
        "code": reject.code(), "slug": reject.slug(), "zh": reject.zh(), "en": reject.en(),
        "expected": reject.expected(), "expected_zh": reject.expected_zh(),
    });
    if output.document("shuguan.code.v1", &document) {
        return Ok(Exit::Done);
    }
    output.line(format!("{}  {}  (one record)", reject.code(), reject.slug()));
    output.line(format!("  {}: {}", reject.zh(), reject.expected_zh()));
    output.line(format!("  {}: {}", reject.en(), reject.expected()));
    Ok(Exit::Done)
}
