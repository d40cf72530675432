//! Marking the sender's own file: which of its records were rejected, and why.
//!
//! Takes the file and the reject report; gives the rejected records as they stand in the file, with what was wrong with each added at the end.
//! All of it happens here: the values never left the sender. A corrected copy can be sent as it is, because the gateway passes over columns
//! that begin with `_`. Text is marked by lines, so that bytes are copied and never re-written, whatever the charset; workbooks and tables of
//! dBASE become a new workbook ([`workbook`]).

pub mod workbook;

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use shuguan_adapters::layout::Encoding;

use super::answer::RowProblem;
use crate::csv_text;

/// What is added to each record.
const MARKS: [&str; 5] = ["_row", "_code", "_field", "_reason", "_expected"];
/// A longer line is no record; the decoder would not have read it either.
const LINE_BYTES_MAX: usize = 16 << 20;

/// How the file is written, as far as marking needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// Columns; the first line that is not blank is the header row.
    Delimited {
        /// What stands between two columns.
        delimiter: &'a str,
        /// Whether a cell may be quoted.
        quotes: bool,
    },
    /// One JSON object a line.
    Ndjson,
}

/// Rejects by the line of the file at which their record begins.
#[derive(Debug, Default)]
pub struct Rejects {
    by_line: BTreeMap<u64, Vec<RowProblem>>,
}

impl Rejects {
    /// Remarks on the file as a whole (row 0) are no rejects.
    pub fn new(problems: Vec<RowProblem>) -> Self {
        let mut by_line: BTreeMap<u64, Vec<RowProblem>> = BTreeMap::new();
        for problem in problems.into_iter().filter(|problem| problem.row > 0) {
            by_line.entry(problem.line).or_default().push(problem);
        }
        Self { by_line }
    }
}

/// What marking found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Records with a mark.
    pub marked: u64,
    /// Lines that the report names and the file does not have: it is not the file that was sent.
    pub absent: u64,
}

/// Copies the rejected records, or with `all` every record, with their marks.
///
/// # Errors
/// When reading or writing fails, or a line is too long to be a record.
pub fn mark(
    source: &mut dyn BufRead,
    form: Form<'_>,
    encoding: Encoding,
    rejects: &Rejects,
    all: bool,
    out: &mut dyn Write,
) -> io::Result<Marked> {
    let mut lines = Lines { source, number: 0 };
    let mut marked = Marked { marked: 0, absent: 0 };
    let mut header = matches!(form, Form::Delimited { .. });
    let mut record = Vec::new();
    let mut seen = 0;
    while let Some(number) = lines.record(form, &mut record)? {
        seen = lines.number;
        if record.trim_ascii().is_empty() {
            continue;
        }
        let of_line = rejects.by_line.get(&number);
        if header {
            header = false;
            out.write_all(&with_columns(&record, form, encoding, &MARKS.map(str::to_owned)))?;
            continue;
        }
        if let Some(problems) = of_line {
            marked.marked += problems.len() as u64;
        } else if !all {
            continue;
        }
        let marks = marks(of_line.map(Vec::as_slice).unwrap_or_default());
        out.write_all(&match form {
            Form::Delimited { .. } => with_columns(&record, form, encoding, &marks),
            Form::Ndjson => with_members(&record, encoding, &marks),
        })?;
    }
    marked.absent = rejects
        .by_line
        .range(seen + 1..)
        .map(|(_, problems)| problems.len() as u64)
        .sum();
    Ok(marked)
}

/// The marks of one record; several rejects of one line are put behind one another.
fn marks(problems: &[RowProblem]) -> [String; 5] {
    let join = |of: &dyn Fn(&RowProblem) -> String| problems.iter().map(of).collect::<Vec<_>>().join("; ");
    [
        join(&|problem| problem.row.to_string()),
        join(&|problem| problem.code.clone()),
        join(&|problem| problem.field.clone().unwrap_or_default()),
        join(&|problem| problem.title.clone()),
        join(&|problem| problem.expected.clone().unwrap_or_default()),
    ]
}

/// The record with columns behind its last.
fn with_columns(record: &[u8], form: Form<'_>, encoding: Encoding, cells: &[String; 5]) -> Vec<u8> {
    let (text, end) = split_end(record);
    let Form::Delimited { delimiter, quotes } = form else {
        return record.to_vec();
    };
    let mut added = String::new();
    for cell in cells {
        added.push_str(delimiter);
        match delimiter.chars().next() {
            Some(first) if quotes => added.push_str(&csv_text::cell(cell, first)),
            _ => added.push_str(&cell.replace(delimiter, " ")),
        }
    }
    [text, &encoded(&added, encoding), end].concat()
}

/// The object with members before its first; a line that is no object is left to its number.
fn with_members(record: &[u8], encoding: Encoding, marks: &[String; 5]) -> Vec<u8> {
    let (text, end) = split_end(record);
    let members: Vec<String> = MARKS
        .iter()
        .zip(marks)
        .filter(|(_, mark)| !mark.is_empty())
        .map(|(name, mark)| format!("\"{name}\":{}", serde_json::Value::from(mark.as_str())))
        .collect();
    if members.is_empty() {
        return record.to_vec();
    }
    let members = members.join(",");
    let object = text.trim_ascii_start().strip_prefix(b"{");
    let rest = object.unwrap_or(b"}");
    let comma = if rest.trim_ascii_start().starts_with(b"}") {
        ""
    } else {
        ","
    };
    let added = format!("{{{members}{comma}");
    [&encoded(&added, encoding), rest, end].concat()
}

/// A line and its end, which may be missing at the end of a file.
fn split_end(record: &[u8]) -> (&[u8], &[u8]) {
    let text = record.strip_suffix(b"\n").unwrap_or(record);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let end = record.get(text.len()..).filter(|end| !end.is_empty());
    (text, end.unwrap_or(b"\n"))
}

fn encoded(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Gb18030 => encoding_rs::GB18030.encode(text).0.into_owned(),
    }
}

/// A file by lines. In neither charset is a line end or a quote part of another character.
struct Lines<'a> {
    source: &'a mut dyn BufRead,
    number: u64,
}

impl Lines<'_> {
    /// The next record and the number of the line at which it begins; in columns a quoted line end belongs to its record.
    fn record(&mut self, form: Form<'_>, record: &mut Vec<u8>) -> io::Result<Option<u64>> {
        record.clear();
        let begins = self.number + 1;
        loop {
            if self.source.read_until(b'\n', record)? == 0 {
                return Ok((!record.is_empty()).then_some(begins));
            }
            self.number += 1;
            if record.len() > LINE_BYTES_MAX {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a line is too long to be a record",
                ));
            }
            // An odd number of quotes cuts the text into an even number of pieces.
            let quotes = matches!(form, Form::Delimited { quotes: true, .. });
            let open = quotes && record.split(|byte| *byte == b'"').count() % 2 == 0;
            if !open {
                return Ok(Some(begins));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use shuguan_adapters::layout::Encoding;

    use super::{Form, Marked, Rejects, RowProblem, encoded, mark};

    const fn columns(delimiter: &str) -> Form<'_> {
        Form::Delimited {
            delimiter,
            quotes: true,
        }
    }

    fn problem(row: u64, line: u64, field: &str) -> RowProblem {
        RowProblem {
            row,
            line,
            cell: None,
            field: Some(field.to_owned()),
            field_zh: None,
            header: None,
            code: "SG3204".into(),
            title: "校验码错误".into(),
            expected: Some("a, b".into()),
            hint: None,
            id: None,
        }
    }

    fn marked(
        text: &[u8],
        form: Form<'_>,
        encoding: Encoding,
        problems: &[RowProblem],
        all: bool,
    ) -> (Marked, Vec<u8>) {
        let mut out = Vec::new();
        let rejects = Rejects::new(problems.to_vec());
        let found = mark(&mut &*text, form, encoding, &rejects, all, &mut out).unwrap();
        (found, out)
    }

    #[test]
    fn rejected_records_are_copied_with_their_marks() {
        let text = "姓名,地址\r\n\r\n甲,\"一\r\n二\"\r\n乙,三\r\n丙,四";
        let problems = [problem(1, 3, "name"), problem(3, 6, "sex"), problem(0, 1, "")];
        let (found, out) = marked(text.as_bytes(), columns(","), Encoding::Utf8, &problems, false);
        let expected = "姓名,地址,_row,_code,_field,_reason,_expected\r\n\
            甲,\"一\r\n二\",1,SG3204,name,校验码错误,\"a, b\"\r\n\
            丙,四,3,SG3204,sex,校验码错误,\"a, b\"\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(found, Marked { marked: 2, absent: 0 });
    }

    #[test]
    fn all_records_keep_their_order_and_their_charset() {
        let encode = |text: &str| encoded(text, Encoding::Gb18030);
        let text = encode("姓名|性别\n甲|1\n乙|2\n");
        let (_, out) = marked(&text, columns("|"), Encoding::Gb18030, &[problem(2, 3, "sex")], true);
        let expected = "姓名|性别|_row|_code|_field|_reason|_expected\n甲|1|||||\n乙|2|2|SG3204|sex|校验码错误|a, b\n";
        assert_eq!(out, encode(expected));
    }

    #[test]
    fn an_object_gets_members_and_stays_json() {
        let text = "{\"a\":1}\n{ }\nnot json\n{\"b\":2}\n";
        let problems = [problem(1, 1, "a"), problem(2, 2, "a"), problem(3, 3, "a")];
        let (found, out) = marked(text.as_bytes(), Form::Ndjson, Encoding::Utf8, &problems, true);
        let lines: Vec<serde_json::Value> = String::from_utf8(out)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [one, two, three, four] = lines.as_slice() else {
            unreachable!("four lines")
        };
        assert_eq!((&one["a"], &one["_code"]), (&1.into(), &"SG3204".into()));
        assert_eq!((&two["_row"], &three["_row"]), (&"2".into(), &"3".into()));
        assert_eq!(four, &serde_json::json!({ "b": 2 }));
        assert_eq!(found.marked, 3);
    }

    #[test]
    fn a_report_of_another_file_shows() {
        let (found, _) = marked(b"a\n1\n", columns(","), Encoding::Utf8, &[problem(7, 8, "a")], false);
        assert_eq!(found, Marked { marked: 0, absent: 1 });
    }
}
