//! What the sender is told about the records of a batch: rejects, remarks on the file, remarks on its headers.
//!
//! Takes rows and notes; gives NDJSON as it is stored with the exchange (encrypted, bounded, kept for `rejects_keep_days`) and reads it
//! back. One line a reject; the notes on headers are one line of their own. Never a value of a record: headers are names, and a name that
//! looks like a value is not shown.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use shuguan_adapters::catalogue::RecordType;
use shuguan_adapters::decode::{PassedOver, UnreadName};
use shuguan_policies::document::distance;

use super::RowError;
use crate::refusal::Refusal;

/// Digits in a row that make a name look like a value.
const DIGITS_MAX: usize = 5;

/// What is said about one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Remarks on the header row, or on the members of JSON objects.
    pub headers: HeaderNotes,
    /// Remarks on the file first (row 0), then the rejects in file order.
    pub rows: Vec<RowError>,
}

/// Names that the record type does not know or that are not read, fields for which no name came, and what was passed over as no record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderNotes {
    /// Names as sent that no field has; ignored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<UnknownHeader>,
    /// Wanted fields without a header.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingHeader>,
    /// Further names of fields, which are read at most where the name that goes before them says nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<UnreadHeader>,
    /// The header row is one name with `;` in it: its columns are divided by what is no delimiter here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undivided: bool,
    /// Rows of sums and of who made the table.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub footers: u64,
    /// Records marked as deleted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deleted: u64,
    /// Hidden sheets with records.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hidden_sheets: u64,
    /// Records without a field of which only a part came.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub partial: u64,
}

/// What is said of them.
pub(crate) const PARTIAL: &str = "rows with only a part of a field that stands in several columns (an address without its street): read without that field";

const UNDIVIDED: &str = "the header row is one name with `;` in it: columns are divided by commas, tabs or `|`";

/// A name of a field that is read under another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadHeader {
    /// As sent.
    pub header: String,
    /// The field.
    pub field: String,
    /// The name that goes before it, as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// It is not read where that name says nothing either.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never: bool,
}

/// A name that no field has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownHeader {
    /// As sent.
    pub header: String,
    /// The nearest known name, when one is near enough to be meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// The field of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// A wanted field without a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingHeader {
    /// English name.
    pub field: String,
    /// Chinese name.
    pub zh: String,
    /// No record is valid without it.
    pub required: bool,
    /// The partner's last batch had one, so that what it filled is empty now.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lost: bool,
}

#[derive(Serialize, Deserialize)]
struct HeaderLine {
    headers: HeaderNotes,
}

impl Report {
    /// With a remark first, where more records were rejected than it lists.
    #[must_use]
    pub fn with_unlisted(mut self, rejected: u64) -> Self {
        let told = self.rows.iter().filter(|row| row.row > 0).count() as u64;
        if let Some(more) = rejected.checked_sub(told).filter(|more| *more > 0) {
            let remark = RowError {
                code: "".into(),
                title: format!("只列出前 {told} 条不合格记录，另有 {more} 条未列出").into(),
                hint: Some(format!(
                    "the first {told} rejected records are listed, {more} more are not"
                )),
                ..RowError::of_file(Refusal::TooManyRejects, 0)
            };
            self.rows.insert(0, remark);
        }
        self
    }

    /// With no more than so many of the `rejected` records listed, and a remark on it.
    #[must_use]
    pub fn cut(mut self, listed: usize, rejected: u64) -> Self {
        // What was remarked on the longer list says too much now.
        self.rows.retain(|row| row.row > 0 || !row.code.is_empty());
        let mut left = listed;
        self.rows.retain(|row| {
            let kept = row.row == 0 || left > 0;
            left -= usize::from(kept && row.row > 0);
            kept
        });
        let mut report = self.with_unlisted(rejected);
        let remark = report
            .rows
            .first_mut()
            .filter(|row| row.row == 0 && row.code.is_empty());
        if let Some(remark) = remark {
            remark.title = format!("{}（本单位当日报告篇幅已满）", remark.title).into();
            let hint = remark.hint.take().unwrap_or_default();
            remark.hint = Some(format!(
                "{hint}: the reports of this day took all the room that one source has"
            ));
        }
        report
    }

    /// NDJSON; empty when there is nothing to say.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if !self.headers.is_empty() {
            let headers = self.headers.clone();
            line(&HeaderLine { headers }, &mut text);
        }
        for row in &self.rows {
            line(row, &mut text);
        }
        text
    }

    /// Reads what was stored, at most so many rows.
    pub fn decode(text: &[u8], rows_max: usize) -> Self {
        let mut report = Self::default();
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if report.rows.len() >= rows_max {
                break;
            }
            if let Ok(row) = serde_json::from_slice(line) {
                report.rows.push(row);
            } else if let Ok(HeaderLine { headers }) = serde_json::from_slice(line) {
                report.headers = headers;
            }
        }
        report
    }
}

fn line(value: &impl Serialize, text: &mut Vec<u8>) {
    // Writing JSON to a Vec cannot fail.
    serde_json::to_writer(&mut *text, value).unwrap_or_default();
    text.push(b'\n');
}

impl HeaderNotes {
    /// Notes on the names of a batch: those that no field has, and the wanted fields that none stands for.
    ///
    /// When no name was recognised, the first line is probably a record and not a header row, so its cells are not repeated, but those that are a
    /// part of the name of a field: 身份证 of 身份证号.
    pub fn of(record: &'static RecordType, wanted: &[&'static str], recognised: &[&str], unknown: &[String]) -> Self {
        let fields = record.fields.iter().filter(|field| wanted.contains(&field.name));
        let missing: Vec<MissingHeader> = fields
            .filter(|field| !recognised.contains(&field.name))
            .map(|field| MissingHeader {
                field: field.name.into(),
                zh: field.zh.into(),
                required: field.required,
                lost: false,
            })
            .collect();
        if recognised.is_empty() {
            let undivided = matches!(unknown, [only] if only.contains(';'));
            let meant = unknown
                .iter()
                .filter(|name| !undivided && is_name(name) && is_long(name));
            let meant = meant.map(|name| UnknownHeader::of(record, &missing, name));
            return Self {
                unknown: meant.filter(UnknownHeader::is_part).collect(),
                missing,
                undivided,
                ..Self::default()
            };
        }
        // Columns of ours, in a file that `rejects --join` marked, are no mistake.
        let shown = unknown.iter().filter(|name| is_name(name) && !name.starts_with('_'));
        let unknown = shown.map(|name| UnknownHeader::of(record, &missing, name)).collect();
        Self {
            unknown,
            missing,
            ..Self::default()
        }
    }

    /// With the names that are not read because others go before them, and with what was passed over.
    #[must_use]
    pub fn besides(self, unread: &[UnreadName<'_>], passed_over: PassedOver) -> Self {
        let unread = unread.iter().filter(|of| is_name(of.name));
        let unread = unread.map(|of| UnreadHeader {
            header: of.name.to_owned(),
            field: of.field.to_owned(),
            first: is_name(of.read).then(|| of.read.to_owned()),
            never: !of.fills_in,
        });
        Self {
            unread: unread.collect(),
            footers: passed_over.footers,
            deleted: passed_over.deleted,
            hidden_sheets: passed_over.sheets,
            partial: passed_over.partial,
            ..self
        }
    }

    /// For a field without a header: the unknown one that is probably its own.
    pub fn hint(&self, field: &str) -> Option<String> {
        if self.undivided {
            return Some("表头以分号分隔，应为逗号、制表符或竖线 (divided by `;`: use commas, tabs or `|`)".to_owned());
        }
        let meant = self.unknown.iter().find(|of| of.field.as_deref() == Some(field))?;
        let nearest = meant.nearest.as_deref()?;
        Some(format!(
            "表头 `{}` 是否应为 `{nearest}`？(did you mean `{nearest}`?)",
            meant.header.escape_debug()
        ))
    }

    /// Marks fields without a header that the batch before had one for.
    #[must_use]
    pub fn with_lost(mut self, lost: &BTreeSet<&'static str>) -> Self {
        for of in &mut self.missing {
            of.lost = lost.contains(of.field.as_str());
        }
        self
    }

    /// The notes that are worth keeping: an optional field without a header is one only beside a name that may have been meant for it, or when the batch before
    /// had one. That it is empty throughout stands in the quality report.
    #[must_use]
    pub fn worth_keeping(self) -> Self {
        if self.unknown.is_empty() && !self.missing.iter().any(|of| of.required || of.lost) {
            Self::default()
        } else {
            self
        }
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// One line for each name that is unknown or not read, one for the fields without a header and one for each kind of what was passed over, for
    /// people.
    pub fn lines(&self) -> Vec<String> {
        let unknown = self.unknown.iter().map(|of| {
            let header = of.header.escape_debug();
            match (&of.nearest, &of.field) {
                (Some(nearest), Some(field)) => {
                    format!("unknown header `{header}` is ignored; did you mean `{nearest}` ({field})?")
                }
                _ => format!("unknown header `{header}` is ignored"),
            }
        });
        let (lost, missing): (Vec<_>, Vec<_>) = self.missing.iter().partition(|of| of.lost);
        let missing = named("no header for", &missing);
        let lost = named(
            "your last batch had headers for these and this one has not, so they are emptied in its rows; recall it if that was not meant",
            &lost,
        );
        let undivided = self.undivided.then(|| UNDIVIDED.to_owned());
        let unread = self.unread.iter().map(UnreadHeader::line);
        let passed_over = [
            (self.footers, "rows of sums or of who made the table, not counted"),
            (self.deleted, "records marked as deleted, not counted"),
            (
                self.hidden_sheets,
                "hidden sheets with such records, not read: `--sheet NAME`",
            ),
            (self.partial, PARTIAL),
        ];
        let passed_over = passed_over.iter().filter(|(count, _)| *count > 0);
        let passed_over = passed_over.map(|(count, what)| format!("{count} {what}"));
        let names = undivided.into_iter().chain(unknown).chain(unread);
        names.chain(missing).chain(lost).chain(passed_over).collect()
    }
}

/// One line on fields, if there are any.
fn named(what: &str, fields: &[&MissingHeader]) -> Option<String> {
    let names: Vec<String> = fields.iter().map(|of| format!("{} {}", of.field, of.zh)).collect();
    (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl UnreadHeader {
    fn line(&self) -> String {
        let first = match &self.first {
            Some(first) => format!("`{}`", first.escape_debug()),
            None => "the name that goes before it".to_owned(),
        };
        let read = if self.never {
            format!("not read, because {first} says whose it is or stands in the layout")
        } else {
            format!("read only in rows in which {first} says nothing")
        };
        format!(
            "header `{}` is another name of {}: {read}",
            self.header.escape_debug(),
            self.field
        )
    }
}

impl UnknownHeader {
    fn of(record: &'static RecordType, missing: &[MissingHeader], sent: &str) -> Self {
        let near = nearest(record, missing, sent);
        Self {
            header: sent.to_owned(),
            nearest: near.map(|(name, _)| name.to_owned()),
            field: near.map(|(_, field)| field.to_owned()),
        }
    }

    /// Whether it is a part of the name that is meant, or that of it: what is only near to one may be somebody's own.
    fn is_part(&self) -> bool {
        let sent = plain(&self.header);
        let is_part = |near: &String| {
            let known = plain(near);
            known.contains(&sent) || sent.contains(&known)
        };
        !self.header.is_ascii() && self.nearest.as_ref().is_some_and(is_part)
    }
}

/// The nearest name of a field that is missing: what has its header already is not what was meant.
pub(crate) fn nearest(
    record: &'static RecordType,
    missing: &[MissingHeader],
    sent: &str,
) -> Option<(&'static str, &'static str)> {
    let sent = plain(sent);
    let fields = record
        .fields
        .iter()
        .filter(|field| missing.iter().any(|of| of.field == field.name));
    let names = fields.flat_map(|field| {
        let all = [field.name, field.zh].into_iter().chain(field.aliases.iter().copied());
        all.map(move |name| (name, field.name))
    });
    let near = names.filter_map(|(name, field)| {
        let known = plain(name);
        let letters = known.chars().count().max(sent.chars().count());
        let far = distance(&sent, &known);
        // A third of the letters may differ; of two letters one, and one letter is never another.
        (far < letters && far <= letters.div_ceil(3)).then_some((far, name, field))
    });
    near.min().map(|(_, name, field)| (name, field))
}

fn plain(name: &str) -> String {
    let letters = name
        .chars()
        .filter(|letter| !letter.is_whitespace() && *letter != '_' && *letter != '*');
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Whether it is too long for the name of a person, which is as near to 姓名 as any word of two letters.
fn is_long(header: &str) -> bool {
    plain(header).chars().count() > 2
}

/// Whether a header may be repeated to its sender: a run of digits looks like the value of somebody.
fn is_name(header: &str) -> bool {
    let mut run = 0;
    for letter in header.chars() {
        run = if letter.is_numeric() { run + 1 } else { 0 };
        if run > DIGITS_MAX || letter.is_control() {
            return false;
        }
    }
    !header.trim().is_empty()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use shuguan_adapters::catalogue::{RecordType, record_type};
    use shuguan_adapters::decode::{PassedOver, UnreadName};

    use super::{HeaderNotes, Report};
    use crate::exchange::RowError;
    use crate::refusal::Refusal;

    fn resident() -> &'static RecordType {
        record_type("public-security/resident").unwrap()
    }

    fn notes(unknown: &str, recognised: &[&str]) -> HeaderNotes {
        HeaderNotes::of(
            resident(),
            &["citizen_id", "name", "sex"],
            recognised,
            &[unknown.to_owned()],
        )
    }

    #[test]
    fn an_unknown_header_is_named_with_the_nearest_missing_field() {
        for (sent, nearest) in [
            ("gmsfhmm", "gmsfhm"),
            ("公民身份号", "公民身份号码"),
            ("SFZHM", "sfzhm"),
            ("citizenid", "citizen_id"),
        ] {
            let notes = notes(sent, &["name"]);
            let of = notes.unknown.first().unwrap();
            assert_eq!((of.header.as_str(), of.nearest.as_deref()), (sent, Some(nearest)));
            assert_eq!(of.field.as_deref(), Some("citizen_id"));
        }
        assert_eq!(notes("xingbieee", &["name"]).unknown.first().unwrap().nearest, None);
        assert_eq!(notes("gmsfhmm", &["citizen_id"]).unknown.first().unwrap().nearest, None);
    }

    #[test]
    fn where_no_name_is_known_only_what_is_a_part_of_one_is_repeated_and_semicolons_are_told() {
        let meant = notes("身份证", &[]);
        assert_eq!(meant.unknown[0].field.as_deref(), Some("citizen_id"));
        for of_a_record in [
            "张名",
            "甲",
            "320706180001010000",
            "海州区",
            "Name",
            "Jame",
            "公民身分号",
        ] {
            assert!(notes(of_a_record, &[]).unknown.is_empty(), "{of_a_record}");
        }
        let undivided = notes("公民身份号码;姓名;性别", &[]);
        assert!(
            undivided.lines()[0].contains("with `;` in it"),
            "{:?}",
            undivided.lines()
        );
        assert!(undivided.hint("citizen_id").is_some_and(|hint| hint.contains("分号")));
        assert!(!notes("公民身份号码;姓名", &["name"]).undivided);
    }

    #[test]
    fn a_missing_field_says_whether_it_is_required() {
        let missing = notes("x", &["name"]).missing;
        let names: Vec<_> = missing.iter().map(|of| (of.field.as_str(), of.required)).collect();
        assert_eq!(names, [("citizen_id", true), ("sex", false)]);
    }

    #[test]
    fn optional_fields_without_a_header_are_no_remark_by_themselves() {
        let of = |unknown: &[String], recognised: &[&str]| {
            HeaderNotes::of(resident(), &["citizen_id", "name", "sex"], recognised, unknown).worth_keeping()
        };
        assert!(of(&[], &["citizen_id", "name"]).is_empty());
        assert!(!of(&[], &["name"]).is_empty(), "a required one");
        assert!(!of(&["xbb".to_owned()], &["citizen_id", "name"]).is_empty());
    }

    #[test]
    fn names_that_are_not_read_and_what_was_passed_over_are_told_by_themselves() {
        let passed_over = PassedOver {
            footers: 2,
            deleted: 0,
            sheets: 1,
            partial: 3,
        };
        let recognised = ["citizen_id", "name", "sex"];
        let none = HeaderNotes::of(resident(), &["citizen_id", "name", "sex"], &recognised, &[]).worth_keeping();
        let of = |field, name, read, fills_in| UnreadName {
            field,
            name,
            read,
            fills_in,
        };
        let unread = [
            of("household_no", "hhid", "hh", true),
            of("name", "3207061860", "xm", true),
            of("citizen_id", "身份证号", "本人身份证号", false),
            of("sex", "xb", "3207061860", true),
        ];
        let notes = none.besides(&unread, passed_over);
        assert_eq!(
            notes.lines(),
            [
                "header `hhid` is another name of household_no: read only in rows in which `hh` says nothing",
                "header `身份证号` is another name of citizen_id: not read, because `本人身份证号` says whose it is or stands in the layout",
                "header `xb` is another name of sex: read only in rows in which the name that goes before it says nothing",
                "2 rows of sums or of who made the table, not counted",
                "1 hidden sheets with such records, not read: `--sheet NAME`",
                "3 rows with only a part of a field that stands in several columns (an address without its street): read without that field",
            ]
        );
        let report = Report {
            headers: notes,
            rows: Vec::new(),
        };
        assert_eq!(Report::decode(&report.encode(), 10), report);
    }

    #[test]
    fn what_may_be_a_value_is_not_repeated() {
        assert!(
            notes("某某", &[]).unknown.is_empty(),
            "a first line that is no header row"
        );
        assert!(notes("320706189001010014", &["name"]).unknown.is_empty());
        assert!(notes("a\u{7}b", &["name"]).unknown.is_empty());
    }

    #[test]
    fn a_report_that_does_not_list_all_rejects_says_how_many_more_there_are() {
        let row = |row| RowError {
            row,
            ..RowError::of_file(Refusal::EmptyBatch, row)
        };
        let report = Report {
            headers: HeaderNotes::default(),
            rows: vec![row(0), row(1), row(2)],
        };
        assert_eq!(report.clone().with_unlisted(2), report);
        let rows = report.with_unlisted(7).rows;
        assert_eq!((rows.len(), rows[0].row), (4, 0));
        assert_eq!(rows[0].title, "只列出前 2 条不合格记录，另有 5 条未列出");
    }

    #[test]
    fn a_report_is_read_back_as_it_was_stored() {
        let rows = vec![RowError::of_file(Refusal::CountMismatch, 1); 3];
        let headers = notes("gmsfhmm", &["name"]);
        let report = Report { headers, rows };
        assert_eq!(Report::decode(&report.encode(), 10), report);
        assert_eq!(Report::decode(&report.encode(), 2).rows.len(), 2);
        assert_eq!(Report::default().encode(), b"");
        let earlier = br#"{"row":3,"line":4,"field":"sex","code":"SG3209","title":"x"}"#;
        assert_eq!(Report::decode(earlier, 10).rows.first().unwrap().row, 3);
    }

    #[test]
    fn a_report_that_is_cut_says_so_and_keeps_what_concerns_the_file() {
        let row = |row| RowError {
            row,
            ..RowError::of_file(Refusal::EmptyBatch, row)
        };
        let report = Report {
            headers: HeaderNotes::default(),
            rows: std::iter::once(RowError::of_file(Refusal::CountMismatch, 1))
                .chain((1..=50).map(row))
                .collect(),
        };
        let cut = report.clone().with_unlisted(70).cut(10, 70);
        let rows: Vec<u64> = cut.rows.iter().map(|row| row.row).collect();
        assert_eq!(rows, [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        let remark = &cut.rows[0];
        assert_eq!(
            (&*remark.title, remark.hint.as_deref().unwrap_or_default()),
            (
                "只列出前 10 条不合格记录，另有 60 条未列出（本单位当日报告篇幅已满）",
                "the first 10 rejected records are listed, 60 more are not: the reports of this day took all the room that one source has"
            )
        );
        assert_eq!(cut.rows[1].code, Refusal::CountMismatch.code());
        // One that lists all of them as it is stays as it is.
        assert_eq!(report.clone().cut(50, 50), report);
    }
}
