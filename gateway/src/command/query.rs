//! `status`, `rejects`, `receipt`, `catalog`: what became of an exchange, and what this certificate may do.

mod joined;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use shuguan_adapters::catalogue::{self, RecordType};
use shuguan_adapters::layout::{Encoding, Layout};

use super::exit::{Exit, Failure};
use super::layout::LayoutArgs;
use super::marked::{self, Original};
use super::output::{Form, Output};
use super::push::content_type;
use super::sheet::SheetArgs;
use crate::client::answer::RowProblem;
use crate::client::connect;
use crate::client::deliver::{detect, strings};
use crate::client::marking::Rejects;
use crate::client::{Client, ClientSettings, Listener};
use crate::exchange::report::HeaderNotes;
use crate::opening::MEDIA_TYPE;

/// Whose certificate asks.
#[derive(Debug, clap::Args)]
pub struct As {
    /// The kit's client.toml.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
    config: PathBuf,
}

impl As {
    fn client(&self) -> Result<Client, Failure> {
        Client::open(&ClientSettings::load(&self.config)?, Listener::Feed)
    }
}

/// What became of an exchange.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES\n  shuguan status 0199a3c4-… --wait -c client.toml\n\nEXIT CODES\n  0 shown · 3 refused or unknown · 4 not reached, or not relayed, or its recall not carried out, within --timeout"
)]
pub struct StatusArgs {
    /// The exchange id.
    exchange: String,
    /// Wait until the registry has it.
    #[arg(long)]
    wait: bool,
    /// How long to wait, seconds.
    #[arg(long, default_value_t = 120)]
    timeout: u64,
    #[command(flatten)]
    who: As,
}

/// The reject report of an exchange: row, line, cell, field, header, code, what was expected; never a value.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES
  shuguan rejects 0199a3c4-… -c client.toml
  shuguan rejects 0199a3c4-… --format csv -o rejects.csv -c client.toml
  shuguan rejects 0199a3c4-… --join june.csv -o bad.csv -c client.toml
  shuguan rejects 0199a3c4-… --join 六月.xls -o bad.xlsx -c client.toml
  shuguan rejects 0199a3c4-… --join june.txt --layout layout.toml -o bad.txt -c client.toml

  The report names rows by their place, so `--join` takes the file as it was sent: one whose content or length is another by now is refused, unless
  `--changed` says that this is known.

  `--join` copies the rejected records out of our own file, on this machine, with what is wrong in columns `_row`, `_code`, `_field`,
  `_reason`, `_expected`. Correct the copy and push it: columns that begin with `_` are passed over. Of a workbook (.xlsx, .xls, also
  HTML or SpreadsheetML 2003 under that name) or a table (.dbf) the copy is a workbook: bad cells are red with a note, and the sheet 问题清单 lists them.

EXIT CODES
  0 shown · 1 a file cannot be read or written, or is not the one that was sent · 2 wrong usage, such as a file with several layouts and none named
  3 refused or unknown · 4 not reached")]
pub struct RejectsArgs {
    /// The exchange id.
    exchange: String,
    /// Where to write it; `-` is stdout.
    #[arg(short, long, default_value = "-")]
    output: PathBuf,
    /// Our own file as it was sent: its rejected records are written with their marks.
    #[arg(long, value_name = "FILE")]
    join: Option<PathBuf>,
    /// With `--join`: write every record, also those without a mark.
    #[arg(long, requires = "join")]
    all: bool,
    /// With `--join`: the file was changed since it was sent, and is marked at the rows that were sent, which may be other rows by now.
    #[arg(long, requires = "join")]
    changed: bool,
    /// Charset of that file, when detection is wrong.
    #[arg(long, requires = "join")]
    charset: Option<String>,
    /// Whole `Content-Type` of that file, when detection is wrong.
    #[arg(long, requires = "join")]
    content_type: Option<String>,
    #[command(flatten)]
    laid_out: LayoutArgs,
    #[command(flatten)]
    who: As,
    #[command(flatten)]
    sheet: SheetArgs,
}

/// The receipt of an exchange, as a tlog-proof file; or what opens the columns of a push or an extract.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES\n  shuguan receipt 0199a3c4-… -o proof.tlog-proof -c client.toml\n  shuguan receipt 0199a3c4-… --opening -o opening.json -c client.toml\n\nEXIT CODES\n  0 written · 3 refused or unknown · 4 not reached"
)]
pub struct ReceiptArgs {
    /// The exchange id.
    exchange: String,
    /// What opens its columns, of an extract its content too, instead of the receipt.
    #[arg(long)]
    opening: bool,
    /// Where to write it; `-` is stdout.
    #[arg(short, long, default_value = "-")]
    output: PathBuf,
    #[command(flatten)]
    who: As,
}

/// What this certificate may push and pull: fields with their names, operators, code tables, rules, layouts.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES
  shuguan catalog -c client.toml
  shuguan catalog --codes ethnicity -c client.toml
  shuguan catalog --format json -c client.toml

EXIT CODES
  0 shown · 2 no such code table · 3 refused · 4 not reached")]
pub struct CatalogArgs {
    /// Show the codes of a table, as `code(NAME)` in the column TYPE.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["rules", "layouts"])]
    codes: Option<String>,
    /// Show what holds between the fields of a record.
    #[arg(long, conflicts_with = "layouts")]
    rules: bool,
    /// Show the layouts that `push --layout` can name.
    #[arg(long)]
    layouts: bool,
    #[command(flatten)]
    who: As,
}

/// Runs `status`.
pub fn status(args: StatusArgs, output: &Output) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let path = format!("/v1/exchanges/{}", args.exchange);
    let document = super::runtime()?.block_on(async {
        let began = Instant::now();
        loop {
            let document = client
                .get_json(&path)
                .await
                .map_err(|error| error.failure(&format!("GET {path}")))?;
            let said = |member: &str| document.pointer(member).and_then(Value::as_str);
            let comes = said("/state") == Some("sealed");
            let leaves = said("/recall/state") == Some("waiting");
            if !args.wait || !(comes || leaves) {
                return Ok(document);
            }
            if began.elapsed() > Duration::from_secs(args.timeout) {
                let (what, why) = if leaves {
                    (
                        "the registry still has it",
                        "its recall is sealed and waits for the relay",
                    )
                } else {
                    (
                        "the registry does not have it yet",
                        "it is sealed and waits for the relay; nothing is lost",
                    )
                };
                return Err(Failure::new(Exit::Unreached, what)
                    .because(why)
                    .then("shuguan status EXCHANGE --wait"));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    })?;
    if output.is_json() {
        output.json("shuguan.exchange.v1", &document);
        return Ok(Exit::Done);
    }
    output.rows(&["MEMBER", "VALUE"], &flatten(&document));
    Ok(Exit::Done)
}

/// Members of a document as rows; nested ones with a dot.
pub(crate) fn flatten(document: &Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let Some(members) = document.as_object() else {
        return rows;
    };
    for (name, value) in members {
        match value {
            Value::Object(_) => {
                for row in flatten(value) {
                    let mut cells = row.into_iter();
                    let inner = cells.next().unwrap_or_default();
                    rows.push(vec![format!("{name}.{inner}"), cells.next().unwrap_or_default()]);
                }
            }
            Value::Array(items) => rows.push(vec![name.clone(), listed(items)]),
            Value::String(text) => rows.push(vec![name.clone(), text.clone()]),
            other => rows.push(vec![name.clone(), other.to_string()]),
        }
    }
    rows
}

/// The items of a list on one line: texts as they are, the members of objects as `name=value`.
fn listed(items: &[Value]) -> String {
    let shown = items.iter().map(|item| match item {
        Value::String(text) => text.clone(),
        Value::Object(_) => {
            let pairs = flatten(item).into_iter().map(|row| row.join("="));
            pairs.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// The body at a path.
fn fetch(client: &Client, path: &str) -> Result<bytes::Bytes, Failure> {
    fetch_as(client, path, None)
}

/// The body at a path, in a form.
fn fetch_as(client: &Client, path: &str, accept: Option<&str>) -> Result<bytes::Bytes, Failure> {
    let headers: Vec<_> = accept.map(|accept| ("accept", accept)).into_iter().collect();
    let place = format!("GET {path}");
    super::runtime()?.block_on(async {
        let response = client
            .get(path, &headers)
            .await
            .map_err(|error| error.failure(&place))?;
        connect::read(response).await.map_err(|error| error.failure(&place))
    })
}

/// Runs `rejects`.
pub fn rejects(args: RejectsArgs, output: &Output) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let path = format!("/v1/exchanges/{}/rejects", args.exchange);
    if let Some(file) = &args.join {
        let report = fetch(&client, &format!("{path}?format=ndjson"))?;
        return join(&args, &client, file, &report, output);
    }
    let form = form_of(output.form, &args.output);
    if let Form::Csv | Form::Ndjson = form {
        let name = if form == Form::Csv { "csv" } else { "ndjson" };
        let text = fetch(&client, &format!("{path}?format={name}"))?;
        return write_out(&args.output, &text, output);
    }
    let text = fetch(&client, &format!("{path}?format=json"))?;
    let report: Report = serde_json::from_slice(&text)
        .map_err(|error| Failure::new(Exit::Unreached, "the gateway's report cannot be read").because(error))?;
    if form == Form::Json {
        let document: Value = serde_json::from_slice(&text).unwrap_or_default();
        let text = serde_json::to_string_pretty(&document).unwrap_or_default();
        return write_out(&args.output, format!("{text}\n").as_bytes(), output);
    }
    for remark in report.headers.lines() {
        output.note(remark);
    }
    let header = [
        "ROW", "LINE", "ID", "CELL", "FIELD", "字段", "HEADER", "CODE", "TITLE", "EXPECTED",
    ];
    let rows: Vec<Vec<String>> = report.items.into_iter().map(reject_row).collect();
    if args.output == Path::new("-") {
        output.rows(&header, &rows);
        return Ok(Exit::Done);
    }
    let lines = std::iter::once(header.join("\t")).chain(rows.iter().map(|row| row.join("\t")));
    let text: Vec<String> = lines.collect();
    write_out(&args.output, format!("{}\n", text.join("\n")).as_bytes(), output)
}

#[derive(serde::Deserialize)]
struct Report {
    #[serde(default)]
    headers: HeaderNotes,
    items: Vec<RowProblem>,
}

fn reject_row(of: RowProblem) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let title = match of.hint {
        Some(hint) => format!("{}: {hint}", of.title),
        None => of.title,
    };
    vec![
        of.row.to_string(),
        of.line.to_string(),
        or_dash(of.id),
        or_dash(of.cell),
        or_dash(of.field),
        or_dash(of.field_zh),
        or_dash(of.header),
        of.code,
        title,
        or_dash(of.expected),
    ]
}

/// The form that was chosen, or that the output file's ending means.
fn form_of(chosen: Form, file: &Path) -> Form {
    match (chosen, file.extension().and_then(|ending| ending.to_str())) {
        (Form::Auto, Some("csv")) => Form::Csv,
        (Form::Auto, Some("json")) => Form::Json,
        (Form::Auto, Some("ndjson" | "jsonl")) => Form::Ndjson,
        (chosen, _) => chosen,
    }
}

/// Writes the rejected records of our own file with their marks.
fn join(args: &RejectsArgs, client: &Client, file: &Path, report: &[u8], output: &Output) -> Result<Exit, Failure> {
    let lines = report.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let problems: Vec<RowProblem> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    for problem in problems.iter().filter(|problem| problem.row == 0) {
        output.note(problem.line());
    }
    let rejects = Rejects::new(problems);
    let layout = layout_of(args, client, file)?;
    joined::hold(file, &layout, &state_of(client, &args.exchange)?, args.changed, output)?;
    let original = Original { file, layout: &layout };
    let record = || record_of(client, &args.exchange);
    marked::write(&original, record, rejects, args.all, &args.output, output).map(|()| Exit::Done)
}

/// How the file was written: as a layout of ours says, as stated, or as it looks.
fn layout_of(args: &RejectsArgs, client: &Client, file: &Path) -> Result<Layout, Failure> {
    if let Some(known) = args.laid_out.read(|| record_of(client, &args.exchange))? {
        let mut layout = known.layout;
        if let Some(charset) = &args.charset {
            let none = || Failure::new(Exit::Usage, format!("`{charset}` is not a charset that is read here"));
            layout = layout.in_charset(Encoding::parse(charset).ok_or_else(none)?);
        }
        return args.sheet.apply(layout);
    }
    match content_type(args.content_type.as_deref(), args.charset.as_deref(), &args.sheet, file)? {
        Some(stated) => {
            let layout = Layout::from_content_type(&stated)
                .ok_or_else(|| Failure::new(Exit::Usage, format!("`{stated}` is not a type that is read here")))?;
            if layout.open {
                return Ok(layout.in_charset(detect(file)?.encoding));
            }
            Ok(layout)
        }
        None => detect(file),
    }
}

/// What became of an exchange.
fn state_of(client: &Client, exchange: &str) -> Result<Value, Failure> {
    let path = format!("/v1/exchanges/{exchange}");
    super::runtime()?
        .block_on(client.get_json(&path))
        .map_err(|error| error.failure(&format!("GET {path}")))
}

/// What the records of an exchange are.
fn record_of(client: &Client, exchange: &str) -> Result<&'static RecordType, Failure> {
    let state = state_of(client, exchange)?;
    catalogue::record_type(&text(&state, "record")).ok_or_else(|| {
        Failure::new(
            Exit::Unreached,
            "the exchange is of a record type that is not known here",
        )
    })
}

fn write_out(path: &Path, bytes: &[u8], output: &Output) -> Result<Exit, Failure> {
    output.file(path, bytes).map(|()| Exit::Done)
}

/// Runs `receipt`.
pub fn receipt(args: ReceiptArgs, output: &Output) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let path = format!("/v1/exchanges/{}/receipt", args.exchange);
    let text = fetch_as(&client, &path, args.opening.then_some(MEDIA_TYPE))?;
    output.file(&args.output, &text)?;
    if args.output == Path::new("-") {
        return Ok(Exit::Done);
    }
    let written = args.output.display();
    output.note(if args.opening {
        format!("keep it as you keep the file: shuguan verify receipt FILE --trust trust.txt --opening {written}")
    } else {
        format!("it is under the newest checkpoint that witnesses have signed, if any; verify it: shuguan verify receipt {written} --trust trust.txt")
    });
    Ok(Exit::Done)
}

/// Runs `catalog`.
pub fn catalog(args: CatalogArgs, output: &Output) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let document = super::runtime()?
        .block_on(client.get_json("/v1/catalog"))
        .map_err(|error| error.failure("GET /v1/catalog"))?;
    if output.is_json() {
        output.json("shuguan.catalog.v1", &document);
        return Ok(Exit::Done);
    }
    if let Some(table) = &args.codes {
        return codes(&document, table, output);
    }
    if args.rules {
        output.rows(&["DATA", "PURPOSE", "RULE", "OF"], &rules(&document));
    } else if args.layouts {
        let header = ["NAME", "DATA", "FORM", "DEFAULT", "CONSTANTS"];
        let cells = |of: &Value| {
            let mut cells = ["name", "record", "form", "default"]
                .map(|member| text(of, member))
                .to_vec();
            let stated: Vec<&str> = items(of, "stated").filter_map(Value::as_str).collect();
            cells.push(stated.join(","));
            cells
        };
        let rows: Vec<_> = items(&document, "layouts").map(cells).collect();
        output.rows(&header, &rows);
    } else {
        let header = [
            "DIRECTION",
            "DATA",
            "PURPOSE",
            "FIELD",
            "中文",
            "TYPE",
            "OPERATOR",
            "REQUIRED",
            "NAMES",
        ];
        output.rows(
            &header,
            &items(&document, "grants").flat_map(fields).collect::<Vec<_>>(),
        );
    }
    Ok(Exit::Done)
}

/// The fields of a grant, the withheld ones last.
fn fields(grant: &Value) -> Vec<Vec<String>> {
    let lead = ["direction", "target", "purpose"].map(|member| text(grant, member));
    let granted = items(grant, "fields").map(|field| {
        let cells = ["name", "zh", "type", "operator", "required"].map(|member| text(field, member));
        [&lead[..], &cells[..], &[strings(field, "aliases").join(" ")]].concat()
    });
    let withheld = strings(grant, "withheld").into_iter().map(|field| {
        let cells = [
            field,
            String::new(),
            String::new(),
            "withheld".into(),
            String::new(),
            String::new(),
        ];
        [&lead[..], &cells[..]].concat()
    });
    granted.chain(withheld).collect()
}

fn rules(document: &Value) -> Vec<Vec<String>> {
    let of_grant = |grant| {
        let lead = ["target", "purpose"].map(|member| text(grant, member));
        items(grant, "rules").map(move |rule| {
            let members = rule
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(name, _)| *name != "rule");
            let of: Vec<String> = members.map(|(name, value)| format!("{name}={value}")).collect();
            [&lead[..], &[text(rule, "rule"), of.join(" ")]].concat()
        })
    };
    items(document, "grants").flat_map(of_grant).collect()
}

fn codes(document: &Value, table: &str, output: &Output) -> Result<Exit, Failure> {
    let tables = document.get("code_tables").and_then(Value::as_object);
    let Some(found) = tables.and_then(|tables| tables.get(table)) else {
        let known: Vec<&str> = tables.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        return Err(
            Failure::new(Exit::Usage, format!("no granted field has a code table `{table}`"))
                .because(format!("there are: {}", known.join(", "))),
        );
    };
    output.note(text(found, "standard"));
    let row = |of: &Value| vec![text(of, "code"), text(of, "zh"), strings(of, "spellings").join(" ")];
    output.rows(
        &["CODE", "中文", "SPELLINGS"],
        &items(found, "codes").map(row).collect::<Vec<_>>(),
    );
    Ok(Exit::Done)
}

/// The items of a list member.
fn items<'v>(value: &'v Value, member: &str) -> impl Iterator<Item = &'v Value> {
    value.get(member).and_then(Value::as_array).into_iter().flatten()
}

/// A member as a text; `true` as `yes`, what is not there as nothing.
fn text(value: &Value, member: &str) -> String {
    match value.get(member) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(true)) => "yes".into(),
        None | Some(Value::Null | Value::Bool(false)) => String::new(),
        Some(other) => other.to_string(),
    }
}
