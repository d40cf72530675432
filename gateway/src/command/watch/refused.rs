//! A refused file's rows, all of them.
//!
//! Takes the gateway's refusal, which names the first hundred rows; asks for the reject report of the refused exchange, and gives the refusal with
//! every row, each with the field's Chinese name and what would have passed. Where the report cannot be had the refusal stays as it was, and says
//! that there are more.

use serde_json::Value;
use uuid::Uuid;

use crate::client::answer::RowProblem;
use crate::client::{CallError, Client, Problem};

/// The same refusal with all of its rows, as far as they can be had.
pub(super) async fn with_rows(client: &Client, error: CallError) -> CallError {
    let CallError::Problem(problem) = error else {
        return error;
    };
    let Some(exchange) = exchange_of(&problem) else {
        return CallError::Problem(problem);
    };
    let report = client
        .get_json(&format!("/v1/exchanges/{exchange}/rejects?format=json"))
        .await;
    CallError::Problem(match report {
        Ok(report) => Box::new(merged(*problem, &report)),
        // Without the report what the refusal itself says is what there is.
        Err(_) => problem,
    })
}

/// The exchange whose rows a refusal names.
fn exchange_of(problem: &Problem) -> Option<Uuid> {
    if !problem.is_about_the_file() || problem.errors.is_empty() {
        return None;
    }
    let id = problem.instance.as_deref()?.strip_prefix("/v1/exchanges/")?;
    Uuid::parse_str(id).ok()
}

/// The rows of the report instead of those of the refusal, unless it has fewer; what the refusal says of the file as a whole stays.
fn merged(mut problem: Problem, report: &Value) -> Problem {
    let items = report.get("items").cloned().unwrap_or_default();
    let mut rows: Vec<RowProblem> = serde_json::from_value(items).unwrap_or_default();
    rows.retain(|row| row.row > 0);
    let (whole, told): (Vec<_>, Vec<_>) = problem.errors.iter().cloned().partition(|row| row.row == 0);
    if rows.len() < told.len() || rows.is_empty() {
        return problem;
    }
    problem.errors = whole.into_iter().chain(rows).collect();
    problem.errors_truncated = false;
    problem
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use serde_json::{Value, json};

    use super::{exchange_of, merged};
    use crate::client::Problem;

    fn refusal(rows: u64) -> Problem {
        let row =
            |row: u64| json!({ "row": row, "line": row + 1, "field": "death_date", "code": "SG3205", "title": "日期" });
        serde_json::from_value(json!({
            "status": 422, "code": "SG3105", "title": "不合格记录过多", "errors_truncated": true,
            "instance": "/v1/exchanges/01a21bf6-473b-7410-8827-134674178411",
            "errors": (0..=rows).map(row).collect::<Vec<_>>(),
        }))
        .unwrap()
    }

    fn report(rows: u64) -> Value {
        let row = |row: u64| {
            json!({ "row": row, "line": row + 1, "field": "death_date", "field_zh": "死亡日期", "code": "SG3205",
                "title": "日期", "expected": "yyyyMMdd" })
        };
        json!({ "schema": "shuguan.rejects.v1", "items": (1..=rows).map(row).collect::<Vec<_>>() })
    }

    #[test]
    fn all_rows_of_the_report_stand_in_the_refusal_behind_what_is_said_of_the_file() {
        let problem = merged(refusal(100), &report(150));
        assert_eq!((problem.errors.len(), problem.errors_truncated), (151, false));
        assert_eq!(problem.errors[0].row, 0);
        let last = problem.errors.last().unwrap();
        assert_eq!(
            (last.row, last.field_zh.as_deref(), last.expected.as_deref()),
            (150, Some("死亡日期"), Some("yyyyMMdd"))
        );
    }

    #[test]
    fn a_report_that_has_less_or_is_none_changes_nothing() {
        for report in [
            report(0),
            report(99),
            json!({}),
            json!({ "items": "x" }),
            json!({ "items": [{ "row": 1 }] }),
        ] {
            assert_eq!(merged(refusal(100), &report), refusal(100));
        }
    }

    #[test]
    fn only_a_refusal_about_rows_of_a_known_exchange_is_asked_about() {
        assert!(exchange_of(&refusal(1)).is_some());
        for change in [
            |problem: &mut Problem| problem.errors.clear(),
            |problem: &mut Problem| problem.status = 403,
            |problem: &mut Problem| problem.instance = None,
            |problem: &mut Problem| problem.instance = Some("/v1/exchanges/../log".into()),
        ] {
            let mut problem = refusal(1);
            change(&mut problem);
            assert_eq!(exchange_of(&problem), None);
        }
    }
}
