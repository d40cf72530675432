//! The reject report as NDJSON, CSV or JSON.
//!
//! Takes the stored report and what the caller accepts; gives each reject with the field's Chinese name and what was expected. Refuses forms
//! that are not offered. Holds places, names and codes, never a value of a record.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use serde::Serialize;
use serde_json::json;
use shuguan_adapters::catalogue::{self, RecordType};
use shuguan_adapters::reject::RejectCode;

use super::problem::Language;
use crate::csv_text;
use crate::exchange::RowError;
use crate::exchange::report::Report;
use crate::refusal::Refusal;

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportForm {
    /// One object a line.
    Ndjson,
    /// RFC 4180, UTF-8 with a byte order mark, so that Excel on a Chinese Windows reads it.
    Csv,
    /// One document, with the remarks on headers.
    Json,
}

/// One reject as it is shown.
#[derive(Debug, Serialize)]
struct Told<'r> {
    row: u64,
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cell: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field_zh: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    code: &'r str,
    title: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'r str>,
}

impl ReportForm {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Ndjson, "ndjson", "application/x-ndjson"),
        (Self::Csv, "csv", "text/csv"),
        (Self::Json, "json", "application/json"),
    ];

    /// The form that is asked for: `?format=` before `Accept` (RFC 9110, 12.5.1); NDJSON when neither says anything.
    ///
    /// # Errors
    /// [`Refusal::UnacceptableForm`].
    pub(crate) fn asked(query: Option<&str>, headers: &HeaderMap) -> Result<Self, Refusal> {
        let pairs = query
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        if let Some((_, name)) = pairs.into_iter().find(|(key, _)| *key == "format") {
            let known = Self::ALL.into_iter().find(|(_, known, _)| *known == name);
            return known.map(|(form, ..)| form).ok_or(Refusal::UnacceptableForm);
        }
        let accept: Vec<&str> = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        if accept.is_empty() {
            return Ok(Self::Ndjson);
        }
        let weighed = accept.into_iter().filter_map(weigh);
        // The first of the heaviest: a later one must weigh more.
        let best = weighed.fold(None, |best: Option<(Self, f32)>, (form, weight)| match best {
            Some((_, heaviest)) if heaviest >= weight => best,
            _ if weight > 0.0 => Some((form, weight)),
            _ => best,
        });
        best.map(|(form, _)| form).ok_or(Refusal::UnacceptableForm)
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json => "application/json",
        }
    }
}

/// The form that one element of `Accept` names, with its weight.
fn weigh(element: &str) -> Option<(ReportForm, f32)> {
    let mut parts = element.split(';').map(str::trim);
    let media = parts.next()?.to_ascii_lowercase();
    let weight = parts
        .filter_map(|part| part.strip_prefix("q="))
        .find_map(|text| text.parse::<f32>().ok())
        .map_or(1.0, |weight| weight.clamp(0.0, 1.0));
    let form = match media.as_str() {
        "*/*" | "application/*" | "application/ndjson" => ReportForm::Ndjson,
        "text/*" => ReportForm::Csv,
        _ => ReportForm::ALL.into_iter().find(|(_, _, known)| *known == media)?.0,
    };
    Some((form, weight))
}

/// The report of an exchange in the form asked for.
pub(crate) fn answer(
    form: ReportForm,
    language: Language,
    exchange: &str,
    record: Option<&str>,
    stored: &[u8],
) -> Response {
    let report = Report::decode(stored, usize::MAX);
    let record = record.and_then(catalogue::record_type);
    let lines = report.rows.iter().map(|row| Told::of(row, record, language));
    let body = match form {
        ReportForm::Ndjson => ndjson(lines),
        ReportForm::Csv => csv(lines),
        ReportForm::Json => {
            let document = json!({
                "schema": "shuguan.rejects.v1",
                "exchange": exchange,
                "headers": report.headers,
                "items": lines.collect::<Vec<_>>(),
            });
            document.to_string().into_bytes()
        }
    };
    ([(header::CONTENT_TYPE, form.content_type())], body).into_response()
}

impl<'r> Told<'r> {
    fn of(row: &'r RowError, record: Option<&'static RecordType>, language: Language) -> Self {
        let code = RejectCode::ALL.iter().find(|code| code.code() == row.code);
        let field = row.field.as_deref();
        let (title, expected) = match (code, language) {
            (Some(code), Language::English) => (code.en(), Some(code.expected())),
            (Some(code), Language::Chinese) => (row.title.as_ref(), Some(code.expected_zh())),
            (None, _) => (row.title.as_ref(), None),
        };
        Self {
            row: row.row,
            line: row.line,
            cell: row.cell.as_deref(),
            field,
            field_zh: field.and_then(|name| record?.field(name)).map(|field| field.zh),
            header: row.header.as_deref(),
            offset: row.offset,
            code: &row.code,
            title,
            expected,
            hint: row.hint.as_deref(),
            id: row.id.as_deref(),
        }
    }
}

fn ndjson<'r>(lines: impl Iterator<Item = Told<'r>>) -> Vec<u8> {
    let mut text = Vec::new();
    for line in lines {
        // Writing JSON to a Vec cannot fail.
        serde_json::to_writer(&mut text, &line).unwrap_or_default();
        text.push(b'\n');
    }
    text
}

fn csv<'r>(lines: impl Iterator<Item = Told<'r>>) -> Vec<u8> {
    let mut text = format!("{}{}", csv_text::MARK, csv_text::row(&COLUMNS));
    for line in lines {
        text.push_str(&csv_text::row(&[
            line.row.to_string().as_str(),
            line.line.to_string().as_str(),
            line.cell.unwrap_or_default(),
            line.field.unwrap_or_default(),
            line.field_zh.unwrap_or_default(),
            line.header.unwrap_or_default(),
            line.code,
            line.title,
            line.expected.unwrap_or_default(),
            line.hint.unwrap_or_default(),
            line.id.unwrap_or_default(),
        ]));
    }
    text.into_bytes()
}

/// The columns of a report in CSV.
pub(crate) const COLUMNS: [&str; 11] = [
    "row", "line", "cell", "field", "field_zh", "header", "code", "title", "expected", "hint", "id",
];

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use http::{HeaderMap, HeaderValue, header};

    use super::ReportForm;
    use crate::refusal::Refusal;

    fn asked(query: Option<&str>, accept: Option<&str>) -> Result<ReportForm, Refusal> {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
        }
        ReportForm::asked(query, &headers)
    }

    #[test]
    fn the_query_goes_before_accept_and_accept_before_the_default() {
        for (query, accept, form) in [
            (None, None, ReportForm::Ndjson),
            (None, Some("*/*"), ReportForm::Ndjson),
            (
                None,
                Some("text/html, application/json;q=0.9, text/csv;q=0.8"),
                ReportForm::Json,
            ),
            (None, Some("application/json;q=0.1, text/csv"), ReportForm::Csv),
            (Some("format=csv"), Some("application/json"), ReportForm::Csv),
            (Some("a=b&format=json"), None, ReportForm::Json),
        ] {
            assert_eq!(asked(query, accept), Ok(form), "{query:?} {accept:?}");
        }
    }

    #[test]
    fn a_form_that_is_not_offered_is_refused() {
        for (query, accept) in [
            (Some("format=xlsx"), None),
            (Some("format="), Some("*/*")),
            (None, Some("text/html")),
            (None, Some("text/csv;q=0")),
        ] {
            assert_eq!(
                asked(query, accept),
                Err(Refusal::UnacceptableForm),
                "{query:?} {accept:?}"
            );
        }
    }
}
