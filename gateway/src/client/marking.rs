//! Marking the sender's own file: which of its records were rejected, and why.
//!
//! Takes the file and the reject report; gives the rejected records as they stand in the file, with what was wrong with each added at the end.
//! All of it happens here: the values never left the sender. A corrected copy can be sent as it is, because the gateway passes over columns
//! that begin with `_`. Text is marked by lines, so that bytes are copied and never re-written, whatever the charset; which lines are one
//! record, and which the header row, the decoder's own rule says. Titles are copied; where columns are stated instead of a header row, none is written. Rejects that find
//! no record are counted. Workbooks and tables of dBASE become a new workbook ([`workbook`]).

pub mod workbook;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, Write};
use std::sync::Arc;

use shuguan_adapters::catalogue::RecordType;
use shuguan_adapters::decode::{DecodeLimits, RecordLines, Together};
use shuguan_adapters::layout::{Delimited, Encoding, Mapping};

use super::answer::RowProblem;
use crate::csv_text;

/// What is added to each record.
const MARKS: [&str; 5] = ["_row", "_code", "_field", "_reason", "_expected"];
/// A longer line is no record; the decoder would not have read it either.
const LINE_BYTES_MAX: usize = 16 << 20;

/// How the file is written, as far as marking needs to know.
#[derive(Clone, Copy, Debug)]
pub enum Form<'a> {
    /// Columns, and by whose names the header row is known where they are not stated.
    Delimited(&'a Delimited, Option<HeaderOf<'a>>),
    /// One JSON object a line.
    Ndjson,
}

/// Whose header row it is: of which record type, and as the sender's layout has it.
pub type HeaderOf<'a> = (&'static RecordType, Option<&'a Arc<Mapping>>);

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
    /// Rejects of lines within the file at which no record begins.
    pub unplaced: u64,
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
    let mut records = Records::new(source, form, encoding);
    let mut marked = Marked {
        marked: 0,
        absent: 0,
        unplaced: 0,
    };
    let mut record = Vec::new();
    let mut placed = 0;
    while let Some((number, kind)) = records.next(&mut record)? {
        let of_line = rejects.by_line.get(&number);
        match kind {
            Kind::Header => out.write_all(&with_columns(&record, form, encoding, &MARKS.map(str::to_owned)))?,
            Kind::Title => out.write_all(&record)?,
            Kind::Record => {
                if let Some(problems) = of_line {
                    marked.marked += problems.len() as u64;
                    placed += problems.len() as u64;
                } else if !all {
                    continue;
                }
                let marks = marks(of_line.map(Vec::as_slice).unwrap_or_default());
                out.write_all(&match form {
                    Form::Delimited(..) => with_columns(&record, form, encoding, &marks),
                    Form::Ndjson => with_members(&record, encoding, &marks),
                })?;
            }
        }
    }
    let count = |problems: &Vec<RowProblem>| problems.len() as u64;
    let beyond = rejects.by_line.range(records.number + 1..);
    marked.absent = beyond.map(|(_, problems)| count(problems)).sum();
    let told: u64 = rejects.by_line.values().map(count).sum();
    marked.unplaced = told.saturating_sub(placed).saturating_sub(marked.absent);
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
    let Form::Delimited(form, _) = form else {
        return record.to_vec();
    };
    let (delimiter, quotes) = (form.delimiter.text(), form.quotes);
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

/// What a record of the file is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Title,
    Header,
    Record,
}

/// A file by records. In neither charset is a line end part of another character.
struct Records<'a> {
    source: &'a mut dyn BufRead,
    encoding: Encoding,
    shape: Option<RecordLines>,
    /// Lines read.
    number: u64,
    /// Those of which it is not known yet to which record they belong.
    held: VecDeque<Vec<u8>>,
    together: VecDeque<Together>,
    ended: bool,
}

impl<'a> Records<'a> {
    fn new(source: &'a mut dyn BufRead, form: Form<'_>, encoding: Encoding) -> Self {
        let shape = match form {
            Form::Delimited(form, header) => {
                let lines = RecordLines::new(form, DecodeLimits::default());
                Some(match header {
                    Some((record, mapping)) => lines.of(record, mapping.cloned()),
                    None => lines,
                })
            }
            Form::Ndjson => None,
        };
        Self {
            source,
            encoding,
            shape,
            number: 0,
            held: VecDeque::new(),
            together: VecDeque::new(),
            ended: false,
        }
    }

    /// The next record and the number of the line at which it begins; blank lines are passed over.
    fn next(&mut self, record: &mut Vec<u8>) -> io::Result<Option<(u64, Kind)>> {
        loop {
            let Some(together) = self.together.pop_front() else {
                if self.ended {
                    return Ok(None);
                }
                self.read()?;
                continue;
            };
            let (lines, kind) = match together {
                Together::Beside => (1, Kind::Title),
                Together::Header(lines) => (lines, Kind::Header),
                Together::Record(lines) => (lines, Kind::Record),
            };
            let begins = self.number - self.held.len() as u64 + 1;
            record.clear();
            record.extend(self.held.drain(..lines.min(self.held.len())).flatten());
            if !record.trim_ascii().is_empty() {
                return Ok(Some((begins, kind)));
            }
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut line = Vec::new();
        self.ended = self.source.read_until(b'\n', &mut line)? == 0;
        if line.len() > LINE_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a line is too long to be a record",
            ));
        }
        let mut together = Vec::new();
        match &mut self.shape {
            Some(shape) if self.ended => shape.finish(&mut together),
            Some(shape) => {
                let text = decoded(&line, self.encoding);
                let text = if self.number == 0 {
                    text.trim_start_matches('\u{feff}')
                } else {
                    &text
                };
                shape.push(text, &mut together);
            }
            None if self.ended => {}
            None => together.push(Together::Record(1)),
        }
        self.together.extend(together);
        if !self.ended {
            self.number += 1;
            self.held.push_back(line);
        }
        Ok(())
    }
}

/// The line as text, to tell records apart by; what is copied are its bytes.
fn decoded(line: &[u8], encoding: Encoding) -> Cow<'_, str> {
    match encoding {
        Encoding::Utf8 => String::from_utf8_lossy(line),
        Encoding::Gb18030 => encoding_rs::GB18030.decode_without_bom_handling(line).0,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use shuguan_adapters::catalogue::record_type;
    use shuguan_adapters::layout::{Delimited, Delimiter, Encoding, Mapping};

    use super::{Form, Marked, Rejects, RowProblem, encoded, mark};

    static COMMA: Delimited = Delimited::new(Delimiter::Comma);
    static PIPE: Delimited = Delimited::new(Delimiter::Pipe);
    const COLUMNS: Form<'static> = Form::Delimited(&COMMA, None);

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
        let (found, out) = marked(text.as_bytes(), COLUMNS, Encoding::Utf8, &problems, false);
        let expected = "姓名,地址,_row,_code,_field,_reason,_expected\r\n\
            甲,\"一\r\n二\",1,SG3204,name,校验码错误,\"a, b\"\r\n\
            丙,四,3,SG3204,sex,校验码错误,\"a, b\"\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(
            found,
            Marked {
                marked: 2,
                absent: 0,
                unplaced: 0
            }
        );
    }

    #[test]
    fn all_records_keep_their_order_and_their_charset() {
        let encode = |text: &str| encoded(text, Encoding::Gb18030);
        let text = encode("姓名|性别\n甲|1\n乙|2\n");
        let (_, out) = marked(
            &text,
            Form::Delimited(&PIPE, None),
            Encoding::Gb18030,
            &[problem(2, 3, "sex")],
            true,
        );
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
        let (found, _) = marked(b"a\n1\n", COLUMNS, Encoding::Utf8, &[problem(7, 8, "a")], false);
        assert_eq!(
            found,
            Marked {
                marked: 0,
                absent: 1,
                unplaced: 0
            }
        );
    }

    #[test]
    fn quotes_that_quote_nothing_and_quotes_that_never_close_leave_every_reject_at_its_record() {
        let text = "姓名,地址\n甲,3\"楼\n乙,\"乐园小区\n丙,\"一\n二\"\n丁,x\n";
        let problems = [
            problem(1, 2, "a"),
            problem(2, 3, "a"),
            problem(3, 4, "a"),
            problem(4, 6, "a"),
        ];
        let (found, out) = marked(text.as_bytes(), COLUMNS, Encoding::Utf8, &problems, false);
        assert_eq!((found.marked, found.unplaced, found.absent), (4, 0, 0));
        let out = String::from_utf8(out).unwrap();
        let begins: Vec<&str> = out.lines().map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(begins, ["姓名", "甲", "乙", "丙", "二\"", "丁"]);
        assert!(out.contains("二\",3,SG3204"), "{out}");
    }

    #[test]
    fn titles_are_copied_and_stated_columns_have_no_header_row() {
        let titled = Delimited {
            title_rows: 2,
            ..Delimited::new(Delimiter::Comma)
        };
        let text = "某市\"登记表\n\n姓名,地址\n甲,x\n";
        let problems = [problem(1, 4, "a")];
        let (found, out) = marked(
            text.as_bytes(),
            Form::Delimited(&titled, None),
            Encoding::Utf8,
            &problems,
            false,
        );
        assert_eq!((found.marked, found.unplaced), (1, 0));
        let out = String::from_utf8(out).unwrap();
        assert!(out.starts_with("某市\"登记表\n姓名,地址,_row,_code"), "{out}");
        let stated = Delimited::new(Delimiter::Comma)
            .with_columns(vec!["姓名".into(), "地址".into()])
            .unwrap();
        let problems = [problem(1, 1, "a")];
        let (found, out) = marked(
            "甲,x\n乙,y\n".as_bytes(),
            Form::Delimited(&stated, None),
            Encoding::Utf8,
            &problems,
            false,
        );
        assert_eq!(found.marked, 1);
        assert!(String::from_utf8(out).unwrap().starts_with("甲,x,1,SG3204"));
    }

    #[test]
    fn titles_that_nobody_stated_are_copied_and_the_marks_stand_in_the_row_that_names_fields() {
        let record = record_type("public-security/resident").unwrap();
        let mapping = Mapping::new(record, [("门牌", "hukou_address")], []).unwrap().into();
        let text = "某市户籍人口表,,\n单位：,,\"一\n二\"\n\n门牌,号\n甲,1\n乙,2\n";
        for (mapping, text) in [(None, text.replace("号", "姓名")), (Some(&mapping), text.to_owned())] {
            let form = Form::Delimited(&COMMA, Some((record, mapping)));
            let problems = [problem(2, 7, "a")];
            let (found, out) = marked(text.as_bytes(), form, Encoding::Utf8, &problems, false);
            assert_eq!((found.marked, found.unplaced, found.absent), (1, 0, 0));
            let out = String::from_utf8(out).unwrap();
            let titles = "某市户籍人口表,,\n单位：,,\"一\n二\"\n门牌,";
            assert!(out.starts_with(titles), "{out}");
            assert!(
                out.contains(",_row,_code,_field,_reason,_expected\n乙,2,2,SG3204"),
                "{out}"
            );
        }
    }

    #[test]
    fn a_reject_within_the_file_at_which_no_record_begins_is_counted() {
        let text = "姓名,地址\n甲,\"一\n二\"\n乙,x\n";
        let problems = [problem(1, 3, "a"), problem(2, 4, "a"), problem(9, 1, "a")];
        let (found, _) = marked(text.as_bytes(), COLUMNS, Encoding::Utf8, &problems, false);
        assert_eq!((found.marked, found.unplaced, found.absent), (1, 2, 0));
    }
}
