//! A marked copy of the sender's own file, for `rejects --join` and `check -o`.
//!
//! Takes the file, how it is laid out and what is wrong with its records; writes the rejected records, or all of them, each with what is wrong:
//! text as it is, with columns added, a workbook or a table of dBASE as a workbook. The copy is private to its owner. Refuses forms that are
//! not marked, the file itself as its own copy, a name that says another form than the copy has, a workbook at a terminal, and a file that the problems are not about.

use std::fs::File;
use std::io::{BufReader, IsTerminal};
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
    fits(original, to, std::io::stdout().is_terminal())?;
    let (marked, bytes) = match &original.layout.format {
        Format::Ndjson => lines(original, Form::Ndjson, &rejects, all)?,
        Format::Delimited(form) => {
            let mapping = original.layout.mapping.as_ref();
            let header = form.columns.is_none().then(|| Ok((record()?, mapping)));
            lines(original, Form::Delimited(form, header.transpose()?), &rejects, all)?
        }
        _ => page(original, record, rejects, all)?,
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

/// Whether the copy may have that name, and go there: what a program opens by its name has to be what the name says.
fn fits(original: &Original<'_>, to: &Path, at_terminal: bool) -> Result<(), Failure> {
    let wrong = |what: &str, next: String| Err(Failure::new(Exit::Usage, what).then(next));
    let is_stdout = to == Path::new("-");
    let ending = |file: &Path| file.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let named = ending(to).unwrap_or_default();
    let is_text = matches!(original.layout.format, Format::Ndjson | Format::Delimited(_));
    let is_page = matches!(original.layout.format, Format::Xlsx(_) | Format::Xls(_) | Format::Dbf);
    if is_text && matches!(named.as_str(), "xlsx" | "xlsm" | "xls" | "dbf") {
        let own = ending(original.file).unwrap_or_else(|| "csv".to_owned());
        return wrong(
            "the marked copy of a text is a text",
            format!("name it so: `-o bad.{own}`"),
        );
    }
    let next = "name it so: `-o bad.xlsx`".to_owned();
    if is_page && !is_stdout && named != "xlsx" {
        return wrong("the marked copy of a workbook or table is a workbook of XLSX", next);
    }
    if is_page && is_stdout && at_terminal {
        return wrong("the marked copy is a workbook, and cannot be shown at a terminal", next);
    }
    Ok(())
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
) -> Result<(Marked, Vec<u8>), Failure> {
    let layout = original.layout;
    if !matches!(layout.format, Format::Xlsx(_) | Format::Xls(_) | Format::Dbf) {
        return Err(Failure::new(
            Exit::Usage,
            format!("a file of this form is not marked: {}", layout.label()),
        )
        .then("shuguan rejects EXCHANGE -o rejects.csv   lists row, line and cell"));
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use shuguan_adapters::layout::Layout;

    use super::{Original, fits};

    #[test]
    fn a_copy_has_a_name_that_says_what_it_is_and_a_workbook_does_not_go_to_a_terminal() {
        let fits = |file: &str, head: &[u8], to: &str, at_terminal: bool| {
            let layout = Layout::detect(file, head);
            let original = Original {
                file: Path::new(file),
                layout: &layout,
            };
            fits(&original, Path::new(to), at_terminal).map_err(|failure| failure.to_string())
        };
        let text: (&str, &[u8]) = ("june.txt", b"a,b\n1,2\n");
        assert_eq!(fits(text.0, text.1, "-", true), Ok(()));
        assert_eq!(fits(text.0, text.1, "bad.csv", true), Ok(()));
        assert!(fits(text.0, text.1, "bad.XLSX", false).is_err_and(|why| why.contains("-o bad.txt")));
        let book: (&str, &[u8]) = ("june.xlsx", b"PK\x03\x04");
        assert_eq!(fits(book.0, book.1, "bad.xlsx", true), Ok(()));
        assert_eq!(fits(book.0, book.1, "-", false), Ok(()), "into a pipe");
        for to in ["-", "bad.csv"] {
            assert!(
                fits(book.0, book.1, to, true).is_err_and(|why| why.contains("-o bad.xlsx")),
                "{to}"
            );
        }
    }
}
