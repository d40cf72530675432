//! `shuguan sample --record R --rows N --seed S`: make a feed of any size, to try a gateway with.
//!
//! Takes record type, rows and seed; writes a feed about people and units that never were, with a stated share of bad rows. The same
//! arguments give the same bytes; under one seed deaths, allowances and employments are about residents of that seed.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use shuguan_adapters::catalogue::RecordType;
use shuguan_adapters::layout::{Encoding, Format, Layout};
use shuguan_adapters::sample::{Dirt, SampleCounts, write_households, write_sample};

use super::check::parse_record;
use super::exit::{Exit, Failure};
use super::output::Output;

/// Make a sample feed of any size; nobody in it is real.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES
  shuguan sample --record public-security/resident --rows 20000 --seed 1 --dirt 1 --charset gb18030 -o residents.csv
  shuguan sample --record tax/registration --rows 500 --seed 1 -o registrations.ndjson

EXIT CODES
  0 done · 1 the file cannot be written · 2 wrong usage")]
pub struct SampleArgs {
    /// What the records are, e.g. `public-security/resident`.
    #[arg(long, value_parser = parse_record)]
    record: &'static RecordType,
    /// How many data rows.
    #[arg(long)]
    rows: u64,
    /// The same seed gives the same people, whatever the record type.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// This share of the rows is wrong, spread evenly over the kinds of dirt that the record type can have.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = parse_percent)]
    dirt: f64,
    /// One row a household with its members beside each other, where the record type is sent in that form too.
    #[arg(long)]
    households: bool,
    /// `utf-8` or `gb18030`.
    #[arg(long, default_value = "utf-8", value_parser = parse_charset)]
    charset: Encoding,
    /// The form of the file; by default as it is called, else `csv`.
    #[arg(long, value_enum)]
    form: Option<SampleForm>,
    /// The file to write; `-` is standard output.
    #[arg(short = 'o', value_name = "FILE")]
    out: PathBuf,
}

/// How the sample is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SampleForm {
    /// Comma-separated.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// Tab-separated.
    Tsv,
    /// Separated by `|`.
    Pipe,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    file: String,
    record: &'static str,
    content_type: String,
    rows: u64,
    records: u64,
    good: u64,
    bytes: u64,
    dirt: Vec<DirtRows>,
}

#[derive(Debug, Serialize)]
struct DirtRows {
    kind: &'static str,
    rows: u64,
}

/// Writes the sample.
pub fn run(args: SampleArgs, output: &Output) -> Result<Exit, Failure> {
    if args.households && args.record.unfold.is_none() {
        let what = format!("`{}` is never sent as one row a household", args.record.name);
        return Err(Failure::new(Exit::Usage, what).then("leave `--households` out"));
    }
    let form = args.form.unwrap_or_else(|| SampleForm::of(&args.out));
    let layout = Layout::new(form.format(), args.charset);
    let counts = if args.out == Path::new("-") {
        write(&args, &layout, std::io::stdout().lock())
    } else {
        std::fs::File::create(&args.out).and_then(|file| write(&args, &layout, file))
    };
    let counts =
        counts.map_err(|error| Failure::local(format!("cannot write `{}`", args.out.display())).because(error))?;
    show(&args, &layout, &counts, output);
    Ok(Exit::Done)
}

fn write(args: &SampleArgs, layout: &Layout, to: impl Write) -> std::io::Result<SampleCounts> {
    let mut to = BufWriter::with_capacity(256 * 1024, to);
    let dirt = Dirt::spread(args.dirt);
    let counts = if args.households {
        write_households(args.record, layout, args.rows, args.seed, dirt, &mut to)?
    } else {
        write_sample(args.record, layout, args.rows, args.seed, dirt, &mut to)?
    };
    to.flush()?;
    Ok(counts)
}

fn show(args: &SampleArgs, layout: &Layout, counts: &SampleCounts, output: &Output) {
    let written = Written {
        file: args.out.display().to_string(),
        record: args.record.name,
        content_type: layout.content_type(),
        rows: counts.rows,
        records: counts.records,
        good: counts.good,
        bytes: counts.bytes,
        dirt: counts
            .dirty
            .iter()
            .map(|(kind, rows)| DirtRows {
                kind: kind.name(),
                rows: *rows,
            })
            .collect(),
    };
    if output.is_json() && args.out != Path::new("-") {
        output.json("shuguan.sample.v1", &written);
        return;
    }
    output.note(format!(
        "{}: {} rows of {} as {}, {} bytes",
        written.file, written.rows, written.record, written.content_type, written.bytes
    ));
    for dirt in &written.dirt {
        output.note(format!("  {} {}", dirt.rows, dirt.kind));
    }
    if args.out != Path::new("-") {
        output.note(format!(
            "judge it: shuguan check {} --record {}",
            written.file, written.record
        ));
    }
}

impl SampleForm {
    /// The form that a file's name promises.
    fn of(file: &Path) -> Self {
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "ndjson" | "jsonl" => Self::Ndjson,
            "tsv" => Self::Tsv,
            _ => Self::Csv,
        }
    }

    fn format(self) -> Format {
        match self {
            Self::Csv => Format::CSV,
            Self::Tsv => Format::TSV,
            Self::Pipe => Format::PIPE,
            Self::Ndjson => Format::Ndjson,
        }
    }
}

fn parse_charset(name: &str) -> Result<Encoding, String> {
    Encoding::parse(name).ok_or_else(|| "`utf-8` or `gb18030`".to_owned())
}

fn parse_percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("a share from 0 to 100".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::SampleForm;

    #[test]
    fn a_sample_has_the_form_that_its_name_promises() {
        for (name, form) in [
            ("x.csv", SampleForm::Csv),
            ("x.ndjson", SampleForm::Ndjson),
            ("x.NDJSON", SampleForm::Ndjson),
            ("x.tsv", SampleForm::Tsv),
            ("x.txt", SampleForm::Csv),
            ("-", SampleForm::Csv),
        ] {
            assert_eq!(SampleForm::of(Path::new(name)), form, "{name}");
        }
    }
}
