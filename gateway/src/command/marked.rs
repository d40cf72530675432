//! A marked copy of the sender's own file, for `rejects --join` and `check -o`.
//!
//! Takes the file, how it is laid out and what is wrong with its records; writes the rejected records, or all of them, each with what is wrong:
//! text as it is, with columns added, a workbook or a table of dBASE as a workbook. The copy is private to its owner. Refuses forms that are
//! not marked, the file itself as its own copy, and a file that the problems are not about.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use shuguan_adapters::catalogue::RecordType;
use shuguan_adapters::decode::{DecodeLimits, Page};
use shuguan_adapters::layout::{Format, Layout};

use super::exit::{Exit, Failure};
use super::output::Output;
use crate::client::marking::{self, Form, Marked, Rejects, workbook};

/// The file of which a copy is made.
pub(super) struct Original<'a> {
    pub(super) file: &'a Path,
    pub(super) layout: &'a Layout,
}

/// Writes the copy. What the records are is asked of `record` where the header has to be found: not of objects, nor where columns are stated.
///
/// # Errors
/// Why there is none.
pub(super) fn write(
    original: &Original<'_>,
    record: impl FnOnce() -> Result<&'static RecordType, Failure>,
    rejects: Rejects,
    all: bool,
    to: &Path,
    output: &Output,
) -> Result<(), Failure> {
    if same_file(original.file, to) {
        return Err(
            Failure::new(Exit::Usage, "the copy would be written over the file itself")
                .then("name another file with `-o`"),
        );
    }
    let (marked, bytes) = match &original.layout.format {
        Format::Ndjson => lines(original, Form::Ndjson, &rejects, all)?,
        Format::Delimited(form) => {
            let mapping = original.layout.mapping.as_ref();
            let header = form.columns.is_none().then(|| Ok((record()?, mapping)));
            lines(original, Form::Delimited(form, header.transpose()?), &rejects, all)?
        }
        _ => page(original, record, rejects, all, to)?,
    };
    if marked.absent > 0 {
        return Err(Failure::local("this is not the file that was sent")
            .at(original.file.display().to_string())
            .because(format!(
                "of the records that the report names, {} are not in it",
                marked.absent
            ))
            .then("name the file of this exchange with `--join`"));
    }
    output.note(format!("{} rejected records", marked.marked));
    if marked.unplaced > 0 {
        output.note(format!(
            "{} rejects belong to no record of this file and are not in the copy: shuguan rejects EXCHANGE lists them",
            marked.unplaced
        ));
    }
    output.file(to, &bytes)
}

fn lines(original: &Original<'_>, form: Form<'_>, rejects: &Rejects, all: bool) -> Result<(Marked, Vec<u8>), Failure> {
    let mut source = BufReader::new(open(original.file)?);
    let mut text = Vec::new();
    let encoding = original.layout.encoding;
    let marked = marking::mark(&mut source, form, encoding, rejects, all, &mut text)
        .map_err(|error| unreadable(original.file, error))?;
    Ok((marked, text))
}

fn page(
    original: &Original<'_>,
    record: impl FnOnce() -> Result<&'static RecordType, Failure>,
    rejects: Rejects,
    all: bool,
    to: &Path,
) -> Result<(Marked, Vec<u8>), Failure> {
    let layout = original.layout;
    if !matches!(layout.format, Format::Xlsx(_) | Format::Xls(_) | Format::Dbf) {
        return Err(Failure::new(
            Exit::Usage,
            format!("a file of this form is not marked: {}", layout.label()),
        )
        .then("shuguan rejects EXCHANGE -o rejects.csv   lists row, line and cell"));
    }
    let is_workbook = to.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xlsx"));
    if to != Path::new("-") && !is_workbook {
        return Err(Failure::new(
            Exit::Usage,
            "the marked copy of a workbook or table is a workbook of XLSX",
        )
        .then("name it so: `-o bad.xlsx`"));
    }
    let mut source = BufReader::new(open(original.file)?);
    let marked = Page::open(record()?, layout, DecodeLimits::default(), &mut source)
        .map_err(workbook::Unmarked::from)
        .and_then(|mut page| workbook::mark(&mut page, rejects, all));
    marked.map_err(|error| {
        let next = match error {
            workbook::Unmarked::TooLarge if all => "leave `--all` out: the rejected records alone",
            _ => "shuguan rejects EXCHANGE -o rejects.csv   lists row, line and cell",
        };
        Failure::local("no marked copy can be made")
            .at(original.file.display().to_string())
            .because(error)
            .then(next)
    })
}

fn same_file(one: &Path, other: &Path) -> bool {
    let [one, other] = [one, other].map(std::fs::canonicalize);
    matches!((one, other), (Ok(one), Ok(other)) if one == other)
}

fn open(file: &Path) -> Result<File, Failure> {
    File::open(file).map_err(|error| unreadable(file, error))
}

fn unreadable(file: &Path, error: std::io::Error) -> Failure {
    Failure::local(format!("cannot read `{}`", file.display())).because(error)
}
