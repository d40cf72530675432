//! `shuguan check FILE --record R`: judge a file offline, as the gateway's adapter would, before it is sent.
//!
//! Takes a file; gives counts, rejects by code and the first rejects. Needs no gateway and no certificate. Says row, line, field and code; no
//! value of a record is printed. Every field of the record type is judged unless `--fields` names those that the grant holds. With `-o` a
//! marked copy of the file is written, as `rejects --join` does after a push; with `--mode` the file is judged as a delta or a snapshot. Warns
//! when more records are rejected than a gateway takes beside the good ones, which it then does not take either.

mod meant;
mod unreadable;

use std::io::Read;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use shuguan_adapters::catalogue::{self, RecordType};
use shuguan_adapters::decode::{DecodeLimits, Decoder, Ended, PassedOver};
use shuguan_adapters::layout::{Encoding, Layout};
use shuguan_adapters::reject::{Reject, RejectCode};

use self::meant::Meant;
use self::unreadable::unreadable;
use super::exit::{Exit, Failure};
use super::layout::LayoutArgs;
use super::marked::{self, Original};
use super::output::{Columns, Output, align};
use super::sheet::SheetArgs;
use crate::client::answer::RowProblem;
use crate::client::marking::Rejects;
use crate::clock::Clock;
use crate::exchange::batch::{admitted_rows, miscount, too_many_rejects, whole_refusal};
use crate::exchange::quality::{Gauge, Quality};
use crate::exchange::report::{HeaderNotes, PARTIAL};
use crate::exchange::stated::Stated;
use crate::layouts::with_stated;
use crate::refusal::Refusal;

/// Judge a file offline before sending it.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES
  shuguan check residents.csv --record public-security/resident
  shuguan check births.ndjson --record health/birth-certificate --fields birth_cert_no,child_name --format json
  shuguan check june.txt --record public-security/resident --layout layout.toml
  shuguan check 六月.xlsx --record public-security/death -o bad.xlsx
  shuguan check day.csv --record public-security/resident --mode delta --count 310
  shuguan check 低保.xls --record civil-affairs/subsistence-allowance --layout layout.toml --constant month=202511
  shuguan check all.csv --record public-security/resident --mode snapshot --scope hukou_region=320707 --count 48210

  `-o` writes the rejected records with what is wrong beside them: text as it is, with columns `_row`, `_code`, `_field`, `_reason`,
  `_expected`; of a workbook or a table of dBASE a workbook with red cells, notes and the sheet 问题清单. Correct it and push it.

  `--format csv|tsv|ndjson` gives the rejects alone on stdout, one a row; the counts by code stand on stderr.

EXIT CODES
  0 every row is good · 1 the file cannot be read as declared, or is refused as a whole by any gateway · 2 wrong usage
  5 some rows would be rejected; when so many that a gateway takes none, a warning says it: the limit is the gateway's own (`--reject-percent`)")]
pub struct CheckArgs {
    /// The file; `-` reads standard input.
    file: PathBuf,
    /// What the records are, e.g. `public-security/resident`.
    #[arg(long, value_parser = parse_record)]
    record: &'static RecordType,
    /// Judge these fields only, e.g. those that `shuguan catalog` says are granted.
    #[arg(long, value_delimiter = ',', value_name = "FIELD,…")]
    fields: Vec<String>,
    /// Charset of the file, when detection is wrong: `utf-8` or `gb18030`.
    #[arg(long)]
    charset: Option<String>,
    /// Whole `Content-Type`, when detection is wrong, e.g. `text/csv; delimiter="|"`.
    #[arg(long)]
    content_type: Option<String>,
    /// How many rejects to show.
    #[arg(long, value_name = "N", default_value_t = 10)]
    rejects: usize,
    /// Warn when more than this share of the records is rejected: the gateway would refuse the whole file. Its own limit stands in
    /// `limits.reject_percent_max`, and an agreement may set a lower one.
    #[arg(long, value_name = "PERCENT", default_value_t = REJECT_PERCENT_MAX, value_parser = clap::value_parser!(u32).range(0..=100))]
    reject_percent: u32,
    /// Write the rejected records with what is wrong, at most 10,000 of them.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// With `-o`: write every record, also those without a mark.
    #[arg(long, requires = "output")]
    all: bool,
    #[command(flatten)]
    laid_out: LayoutArgs,
    #[command(flatten)]
    meant: Meant,
    #[command(flatten)]
    sheet: SheetArgs,
}

/// The verdict on a file.
#[derive(Debug, Serialize)]
struct Verdict<'a> {
    file: String,
    record: &'static str,
    layout: &'static str,
    received: u64,
    accepted: u64,
    rejected: u64,
    repeated: u64,
    /// Rows that say of themselves that they are history.
    history: u64,
    /// Rows of sums and of who made the table; records marked as deleted; hidden sheets that could be read.
    footers: u64,
    deleted: u64,
    sheets_not_read: u64,
    /// Rows that are read without a field of which only a part came.
    partial: u64,
    /// More records are rejected than the share that was stated, or the usual one: the gateway would take none.
    too_many_rejects: bool,
    by_code: Vec<ByCode>,
    rejects: Vec<RejectRow>,
    unknown_headers: &'a [String],
    headers: HeaderNotes,
    quality: Quality,
}

#[derive(Debug, Serialize)]
struct ByCode {
    code: &'static str,
    name: &'static str,
    rows: u64,
    title: &'static str,
    title_zh: &'static str,
    expected: &'static str,
    expected_zh: &'static str,
}

#[derive(Debug, Serialize)]
struct RejectRow {
    row: u64,
    line: u64,
    field: Option<String>,
    field_zh: Option<String>,
    header: Option<String>,
    code: String,
    name: &'static str,
    /// In a workbook.
    #[serde(skip_serializing_if = "Option::is_none")]
    cell: Option<String>,
    /// The sender's own number of the row, where the layout names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

const REJECT_COLUMNS: [&str; 8] = ["row", "line", "cell", "field", "字段", "header", "code", "name"];

impl RejectRow {
    fn cells(&self) -> Vec<String> {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        vec![
            self.row.to_string(),
            self.line.to_string(),
            or_dash(&self.cell),
            or_dash(&self.field),
            or_dash(&self.field_zh),
            or_dash(&self.header),
            self.code.clone(),
            self.name.to_owned(),
        ]
    }
}

impl From<RowProblem> for RejectRow {
    fn from(problem: RowProblem) -> Self {
        let code = RejectCode::ALL.iter().find(|code| code.code() == problem.code);
        Self {
            row: problem.row,
            line: problem.line,
            field: problem.field,
            field_zh: problem.field_zh,
            header: problem.header,
            name: code.map_or("", |code| code.slug()),
            code: problem.code,
            cell: problem.cell,
            id: problem.id,
        }
    }
}

/// Judges the file.
pub fn run(args: CheckArgs, output: &Output) -> Result<Exit, Failure> {
    let wanted = wanted_fields(&args)?;
    let manner = args.meant.manner(args.record)?;
    meant::are_read(&manner.stated, &wanted)?;
    if args.output.is_some() && args.file == Path::new("-") {
        return Err(
            Failure::new(Exit::Usage, "a marked copy is made of a file, not of standard input")
                .then("leave `-o` out, or name the file"),
        );
    }
    let (mut source, size) = open(&args.file)?;
    let head = read_head(&mut source).map_err(|error| cannot_read(&args.file, error))?;
    let layout = layout_of(&args, &head, &manner.stated)?;
    let limits = DecodeLimits::default();
    let limits = DecodeLimits {
        rejects_kept_max: match args.output {
            Some(_) => limits.rejects_kept_max.max(args.rejects),
            None => args.rejects,
        },
        ..limits
    };
    let clock = Clock::system();
    let today = crate::clock::day_of(clock.now_us());
    let mut gauge = Gauge::new(&wanted, clock.now_us());
    let mut decoder = Decoder::meant(args.record, &wanted, &layout, limits, today, manner.intent(Vec::new()));
    let bar = bar(size, output);
    let mut chunk = head;
    loop {
        if let Err(error) = decoder.feed(&chunk) {
            return Err(unreadable(&args, &wanted, &layout, &error, &decoder));
        }
        while let Some(part) = decoder.next_part() {
            gauge.part(&admitted_rows(&part));
        }
        bar.inc(chunk.len() as u64);
        chunk.resize(CHUNK_BYTES, 0);
        let read = source
            .read(&mut chunk)
            .map_err(|error| cannot_read(&args.file, error))?;
        chunk.truncate(read);
        if read == 0 {
            break;
        }
    }
    bar.finish_and_clear();
    loop {
        let ended = decoder.finish();
        while let Some(part) = decoder.next_part() {
            gauge.part(&admitted_rows(&part));
        }
        match ended {
            Ok(Ended::More) => {}
            Ok(Ended::Whole) => break,
            Err(error) => {
                return Err(unreadable(&args, &wanted, &layout, &error, &decoder));
            }
        }
    }
    // Where nobody stated a charset, it is known now.
    let layout = match decoder.encoding() {
        Some(found) => layout.in_charset(found),
        None => layout,
    };
    let rejects = problems(&args, &mut decoder);
    let quality = gauge.report(decoder.counts());
    let headers = header_notes(&args, &wanted, &decoder);
    let shown: Vec<RowProblem> = rejects.iter().take(args.rejects).cloned().collect();
    show(&args, &layout, &decoder, shown, (headers, quality), output);
    if let Some(refusal) = whole_refusal(decoder.counts(), &manner) {
        let stated = manner.count.filter(|_| refusal == Refusal::CountMismatch);
        let hint = stated.and_then(|stated| miscount(stated, decoder.counts().rows).hint);
        let failure = Failure::local(refusal.en())
            .coded(refusal.code())
            .at(args.file.display().to_string())
            .then(refusal.next());
        return Err(match hint {
            Some(hint) => failure.because(hint),
            None => failure,
        });
    }
    if let Some(to) = &args.output {
        let unmarked = decoder.counts().rejected.saturating_sub(rejects.len() as u64);
        if unmarked > 0 {
            output.note(format!("{unmarked} more rejected records are not in the copy"));
        }
        let original = Original {
            file: &args.file,
            layout: &layout,
        };
        marked::write(
            &original,
            || Ok(args.record),
            Rejects::new(rejects),
            args.all,
            to,
            output,
        )?;
    }
    match decoder.counts().rejected {
        0 => Ok(Exit::Done),
        _ => Ok(Exit::Partial),
    }
}

/// The rejects as the gateway would tell them.
fn problems(args: &CheckArgs, decoder: &mut Decoder) -> Vec<RowProblem> {
    let rejects = decoder.take_rejects();
    let header = |reject: &Reject| decoder.header(reject).map(str::to_owned);
    rejects
        .iter()
        .map(|reject| RowProblem::of(reject, decoder.cell(reject), header(reject), args.record))
        .collect()
}

/// Remarks on the names in the file.
fn header_notes(args: &CheckArgs, wanted: &[&'static str], decoder: &Decoder) -> HeaderNotes {
    // What was passed over stands in the verdict itself.
    HeaderNotes::of(args.record, wanted, &decoder.named(), decoder.unknown_headers())
        .besides(&decoder.unread_headers(), PassedOver::default())
}

/// A record type by name, for clap.
pub(crate) fn parse_record(name: &str) -> Result<&'static RecordType, String> {
    catalogue::record_type(name).ok_or_else(|| {
        let known: Vec<_> = catalogue::record_types().map(|record| record.name).collect();
        format!("no such record type; there are: {}", known.join(", "))
    })
}

fn wanted_fields(args: &CheckArgs) -> Result<Vec<&'static str>, Failure> {
    if args.fields.is_empty() {
        return Ok(args.record.fields.iter().map(|field| field.name).collect());
    }
    let known = |name: &String| {
        args.record.field(name.trim()).map(|field| field.name).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{}` has no field `{name}`", args.record.name))
                .then("leave `--fields` out to judge all fields")
        })
    };
    args.fields.iter().map(known).collect()
}

fn open(file: &Path) -> Result<(Box<dyn Read>, Option<u64>), Failure> {
    if file == Path::new("-") {
        return Ok((Box::new(std::io::stdin().lock()), None));
    }
    let opened = std::fs::File::open(file).map_err(|error| cannot_read(file, error))?;
    let size = opened.metadata().ok().map(|metadata| metadata.len());
    Ok((Box::new(opened), size))
}

fn read_head(source: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    source.take(CHUNK_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn layout_of(args: &CheckArgs, head: &[u8], of_file: &Stated) -> Result<Layout, Failure> {
    let known = args.laid_out.read(|| Ok(args.record))?;
    let mut layout = match (&known, &args.content_type) {
        (Some(known), _) => known.layout.clone(),
        (None, Some(value)) => Layout::from_content_type(value).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{value}` is not a type that is read here"))
                .coded(Refusal::UnsupportedType.code())
                .then(Refusal::UnsupportedType.next())
        })?,
        (None, None) => Layout::detect(&args.file.display().to_string(), head),
    };
    if let Some(charset) = &args.charset {
        let charset = Encoding::parse(charset).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{charset}` is not a charset that is read here"))
                .then("send `--charset utf-8` or `--charset gb18030`")
        })?;
        layout = layout.in_charset(charset);
    }
    let layout = args.sheet.apply(layout)?;
    // Without a layout of ours the gateway's says what may be stated.
    let stating = match known {
        Some(known) => known.stating(layout, of_file),
        None => with_stated(layout, args.record, of_file),
    };
    stating.map_err(|why| {
        Failure::new(Exit::Usage, why)
            .coded(Refusal::BadManner.code())
            .then("name the field in the layout: `stated = [\"month\"]`")
    })
}

fn bar(size: Option<u64>, output: &Output) -> ProgressBar {
    match size {
        Some(size) if output.shows_progress() && size > PROGRESS_FROM_BYTES => {
            let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
            ProgressBar::new(size).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        }
        _ => ProgressBar::hidden(),
    }
}

fn show(
    args: &CheckArgs,
    layout: &Layout,
    decoder: &Decoder,
    rejects: Vec<RowProblem>,
    (headers, quality): (HeaderNotes, Quality),
    output: &Output,
) {
    let counts = decoder.counts();
    let by_code: Vec<ByCode> = counts
        .by_code
        .iter()
        .map(|(code, rows)| ByCode {
            code: code.code(),
            name: code.slug(),
            rows: *rows,
            title: code.en(),
            title_zh: code.zh(),
            expected: code.expected(),
            expected_zh: code.expected_zh(),
        })
        .collect();
    let rejects = rejects.into_iter().map(RejectRow::from).collect();
    let PassedOver {
        footers,
        deleted,
        sheets,
        partial,
    } = decoder.passed_over();
    let verdict = Verdict {
        file: args.file.display().to_string(),
        record: args.record.name,
        layout: decoder.label(layout),
        received: counts.received,
        accepted: counts.accepted,
        rejected: counts.rejected,
        repeated: counts.repeated,
        history: counts.history,
        footers,
        deleted,
        sheets_not_read: sheets,
        partial,
        too_many_rejects: too_many_rejects(counts, args.reject_percent),
        by_code,
        rejects,
        unknown_headers: decoder.unknown_headers(),
        headers,
        quality,
    };
    if output.is_json() {
        output.json("shuguan.check.v1", &verdict);
    } else {
        show_text(&verdict, args.record, output);
    }
    if verdict.too_many_rejects {
        output.note(format!(
            "warning: more than {} % of the records are rejected: the gateway would refuse the whole file ({}), the good ones too",
            args.reject_percent,
            Refusal::TooManyRejects.code()
        ));
    }
}

fn show_text(verdict: &Verdict<'_>, record: &RecordType, output: &Output) {
    output.note(format!(
        "{}: {} {}, {}",
        verdict.file, record.name, record.zh, verdict.layout
    ));
    output.note(format!(
        "{} rows: {} good, {} rejected, {} repeated",
        verdict.received, verdict.accepted, verdict.rejected, verdict.repeated
    ));
    let passed_over = [
        (
            verdict.history,
            "rows of history, not the record as it is now: passed over",
        ),
        (verdict.footers, "rows of sums or of who made the table, not counted"),
        (verdict.deleted, "records marked as deleted, not counted"),
        (
            verdict.sheets_not_read,
            "hidden sheets with such records, not read: `--sheet NAME`",
        ),
        (verdict.partial, PARTIAL),
    ];
    for (rows, what) in passed_over.iter().filter(|(rows, _)| *rows > 0) {
        output.note(format!("{rows} {what}"));
    }
    for remark in verdict.headers.lines() {
        output.note(remark);
    }
    show_completeness(&verdict.quality, output);
    if !verdict.by_code.is_empty() {
        show_codes(&verdict.by_code, output);
    }
    if !verdict.rejects.is_empty() {
        output.note(format!(
            "the first {} of {} rejects:",
            verdict.rejects.len(),
            verdict.rejected
        ));
    } else if output.is_aligned() {
        return;
    }
    let rows: Vec<Vec<String>> = verdict.rejects.iter().map(RejectRow::cells).collect();
    output.table(&Columns::of(&REJECT_COLUMNS).with_numbers(&["row", "line"]), &rows);
}

/// How many rows were rejected for what. A program reads one table, that of the rejects.
fn show_codes(by_code: &[ByCode], output: &Output) {
    let cells = |of: &ByCode| {
        let texts = [of.title_zh, of.expected_zh, of.title];
        let head = [of.rows.to_string(), of.code.to_owned(), of.name.to_owned()];
        head.into_iter().chain(texts.map(str::to_owned)).collect()
    };
    let rows: Vec<Vec<String>> = by_code.iter().map(cells).collect();
    let header = ["rows", "code", "name", "原因", "应为", "reason"];
    if output.is_aligned() {
        output.rows(&header, &rows);
    } else {
        output.note(align(&header, &rows));
    }
}

/// The fields that some good rows lack.
fn show_completeness(quality: &Quality, output: &Output) {
    let rows = quality.completeness.rows;
    let lacking = quality
        .completeness
        .present
        .iter()
        .filter(|(_, present)| **present < rows);
    let shares: Vec<String> = lacking
        .map(|(field, present)| format!("{field} {} %", present.saturating_mul(100) / rows.max(1)))
        .collect();
    if !shares.is_empty() {
        output.note(format!("not in every good row: {}", shares.join(", ")));
    }
}

fn cannot_read(file: &Path, error: std::io::Error) -> Failure {
    Failure::local(format!("cannot read `{}`", file.display())).because(error)
}

/// The share of rejects above which a gateway refuses a batch unless it is configured otherwise.
const REJECT_PERCENT_MAX: u32 = 20;

/// Bytes read at once; the first of them decide the layout.
const CHUNK_BYTES: usize = 64 * 1024;

/// A smaller file is judged before a bar is seen.
const PROGRESS_FROM_BYTES: u64 = 16 << 20;

#[cfg(test)]
mod tests;
