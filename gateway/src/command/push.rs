//! `shuguan push FILE…`: send feeds, learn what was accepted, keep the proof.
//!
//! Takes files; gives counts, the first rejects and a verified receipt beside each file. A file is read twice, first for its digest, then
//! while it is sent, so memory does not grow with it. Running the command twice, also at the same time, is harmless: the idempotency key stays with the content
//! until it is answered, and then the exchange does; what was not answered for longer than the gateway knows a key is not sent again. What is about one file
//! holds up no other.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use shuguan_adapters::layout::Encoding;
use shuguan_ledger::trust::Trust;

use super::exit::{Exit, Failure};
use super::output::{Columns, Output};
use super::sheet::SheetArgs;
use super::watch::{self, Watch};
use crate::client::deliver::{Pushed, detect, load_trust, push_file};
use crate::client::feed::{Asked, Feed, constants};
use crate::client::tied::Tie;
use crate::client::witnessed::{Upgraded, upgrade};
use crate::client::{Client, ClientSettings, Listener};
use crate::layouts::ANY_TYPE;

/// Send feeds to the gateway.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES
  shuguan push birth.ndjson --record health/birth-certificate --purpose enrolment.registration -c client.toml
  shuguan push *.csv --record public-security/resident --purpose enrolment.registration --rejects-ok 1
  shuguan push birth.ndjson --again --record health/birth-certificate --purpose enrolment.registration
  shuguan push --watch /data/outbox --purpose enrolment.registration -c client.toml

DROP FOLDER
  /data/outbox/public-security/resident/june.csv is sent as what its folders say. A file is taken when it has not changed for
  `--settle-s`, or at once when june.csv.ok or june.csv.chk lies beside it (empty, or with `count=N` and `sha256=HEX`, which are checked,
  and `constant=month=202511`).
  Beside it appears june.csv.ack, the receipt, or june.csv.err, the rejects. A folder may hold a drop.toml with record, purpose,
  charset, content_type, layout, mode, scope, constants, require_ok. Delete an .err to have a refused file sent again. An accepted file is not sent again
  when its companion comes or goes, or when it is moved into a folder below that stands for the same (its .shuguan-push stays, or moves with it);
  when that is lost, its .ack tells by a last line that only this client can write and read whether it is of this content.

EXIT CODES
  0 all accepted · 1 local failure · 3 refused, or this or a later batch was recalled: --again · 4 not reached (repeat) · 5 some rows rejected
  6 the receipt does not verify · 7 rate limited
  8 sent before and never answered, over 7 days ago or declared otherwise, so not known whether it was taken: reconcile, then --again
  Of several files each is tried, unless the gateway is not reached or says no to us, and the gravest of their codes is given; `--json` tells of
  those that were sent in `items`, of the others in `failures` and `untried`")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct PushArgs {
    /// Files to send, one batch each.
    #[arg(required_unless_present = "watch")]
    files: Vec<PathBuf>,
    /// What the records are, e.g. `public-security/resident`.
    #[arg(long, required_unless_present = "watch")]
    record: Option<String>,
    /// What they may be used for, e.g. `enrolment.registration`.
    #[arg(long, required_unless_present = "watch")]
    purpose: Option<String>,
    /// Charset of the files, when detection is wrong: `utf-8` or `gb18030`.
    #[arg(long)]
    charset: Option<String>,
    /// Whole `Content-Type`, when detection is wrong.
    #[arg(long)]
    content_type: Option<String>,
    /// Each row says insert, update or delete, in a column `op`.
    #[arg(long, conflicts_with = "snapshot")]
    delta: bool,
    /// All rows inside `--scope`: what is not in the file is closed.
    #[arg(long, requires = "scope", requires = "count")]
    snapshot: bool,
    /// What a snapshot speaks for: `all`, or a field and its codes, e.g. `hukou_region=320707`.
    #[arg(long, requires = "snapshot")]
    scope: Option<String>,
    /// Rows that the file should hold; another number is refused.
    #[arg(long, value_name = "N", conflicts_with = "watch")]
    count: Option<u64>,
    /// A layout that the gateway's operator has set up for us: `shuguan catalog`.
    #[arg(long, value_name = "NAME")]
    layout: Option<String>,
    /// What stands in every record and in no row, such as the month that the title names, where the layout lets it be stated. May be given several times.
    #[arg(
        long = "constant",
        value_name = "FIELD=CODE",
        requires = "layout",
        conflicts_with = "watch"
    )]
    constants: Vec<String>,
    /// Send what is put into this folder, until SIGTERM.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["files", "state", "delta", "snapshot"])]
    watch: Option<PathBuf>,
    /// With `--watch`: send what is there now, then end.
    #[arg(long, requires = "watch")]
    once: bool,
    /// With `--watch`: a file that has not changed for so long is complete.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    settle_s: u32,
    /// With `--watch`: how often the folder is looked at.
    #[arg(long, value_name = "MS", default_value_t = 2_000)]
    poll_ms: u32,
    /// Folder for idempotency keys and receipts, when the files' own folder is read-only.
    #[arg(long)]
    state: Option<PathBuf>,
    /// As a batch of its own, under a new idempotency key: content that was recalled and is right after all, or of which `reconcile` shows that an unanswered
    /// request of over 7 days ago was not taken. Interrupted before its answer, it goes on under that key.
    #[arg(long, conflicts_with = "watch")]
    again: bool,
    /// Exit 0 when no more than this share of rows is rejected.
    #[arg(long, value_name = "PERCENT")]
    rejects_ok: Option<f64>,
    /// How long to go on trying, seconds.
    #[arg(long, default_value_t = 120)]
    timeout: u64,
    /// The kit's client.toml.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
    config: PathBuf,
    #[command(flatten)]
    sheet: SheetArgs,
}

/// Runs the command.
pub fn run(args: PushArgs, output: &Output) -> Result<Exit, Failure> {
    let settings = ClientSettings::load(&args.config)?;
    let trust = load_trust(&settings.trust)?;
    let client = Client::open(&settings, Listener::Feed)?;
    let runtime = super::runtime()?;
    if let Some(folder) = &args.watch {
        let tie = Tie::open(&settings)?;
        let watch = Watch {
            folder,
            record: args.record.as_deref(),
            purpose: args.purpose.as_deref(),
            charset: args.charset.as_deref(),
            content_type: args.content_type.as_deref(),
            layout: args.layout.as_deref(),
            once: args.once,
            settle_s: args.settle_s,
            poll_ms: args.poll_ms,
            tie: &tie,
        };
        return runtime.block_on(watch::run(&watch, &client, &trust, output));
    }
    let mut told = runtime.block_on(push_all(&args, &client, &trust, output));
    if !told.items.is_empty()
        && let Err(failure) = runtime.block_on(witnessed(&client, &trust, &told.items, output))
    {
        told.tell(&failure);
    }
    if output.is_json() {
        output.json("shuguan.pushes.v1", &told);
    }
    Ok(verdict(&told.items, args.rejects_ok).or_worse(told.worst))
}

/// What became of all files.
#[derive(Debug, Serialize)]
struct Told {
    /// Those that were delivered.
    items: Vec<Pushed>,
    /// Those that were not, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<Failed>,
    /// Those that were not tried, because what held up another would hold up these too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    untried: Vec<String>,
    /// What the process ends with for those that were not delivered.
    #[serde(skip)]
    worst: Exit,
}

/// A file that was not delivered.
#[derive(Debug, Serialize)]
struct Failed {
    file: String,
    /// What the process would end with if it were the only one.
    exit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Told {
    /// On stderr at once, whatever the form.
    fn tell(&mut self, failure: &Failure) {
        // Without a terminal to write to there is still the exit code.
        let _ = writeln!(std::io::stderr(), "{failure}");
        self.worst = self.worst.or_worse(failure.exit);
    }

    fn failed(&mut self, file: &Path, failure: Failure) {
        self.tell(&failure);
        self.failures.push(Failed {
            file: file.display().to_string(),
            exit: failure.exit as u8,
            code: failure.code,
            what: failure.what,
            why: failure.why,
            next: failure.next,
        });
    }
}

/// Sends the files one after the other. What is about one of them holds up no other; a gateway that is not reached, or says no to us, holds up all.
async fn push_all(args: &PushArgs, client: &Client, trust: &Trust, output: &Output) -> Told {
    let mut told = Told {
        items: Vec::new(),
        failures: Vec::new(),
        untried: Vec::new(),
        worst: Exit::Done,
    };
    let mut files = args.files.iter();
    for file in files.by_ref() {
        match push_one(args, client, trust, file, output).await {
            Ok(pushed) => {
                if !output.is_json() {
                    show(&pushed, !told.items.is_empty(), output);
                }
                told.items.push(pushed);
            }
            Err((failure, is_of_one_file)) => {
                told.failed(file, failure);
                if !is_of_one_file {
                    break;
                }
            }
        }
    }
    told.untried = files.map(|file| file.display().to_string()).collect();
    if !told.untried.is_empty() {
        output.note(format!("not tried after that: {}", told.untried.join(", ")));
    }
    told
}

/// Sends one file; a failure with whether it says nothing of another file.
async fn push_one(
    args: &PushArgs,
    client: &Client,
    trust: &Trust,
    file: &Path,
    output: &Output,
) -> Result<Pushed, (Failure, bool)> {
    let feed = feed(args, file).map_err(|failure| (failure, true))?;
    tokio::select! {
        pushed = push_file(client, trust, &feed, output) => pushed.map_err(|undelivered| {
            let is_of_one_file = undelivered.is_of_one_file();
            (undelivered.failure(client, &feed), is_of_one_file)
        }),
        _ = tokio::signal::ctrl_c() => Err((interrupted(file), false)),
    }
}

fn feed<'a>(args: &'a PushArgs, file: &'a Path) -> Result<Feed<'a>, Failure> {
    let (stated, charset) = (args.content_type.as_deref(), args.charset.as_deref());
    let content_type = match args.layout {
        Some(_) => Some(of_layout(stated, charset)),
        None => content_type(stated, charset, &args.sheet, file)?,
    };
    Ok(Feed {
        file,
        record: args.record.as_deref().unwrap_or_default(),
        purpose: args.purpose.as_deref().unwrap_or_default(),
        content_type,
        asked: asked(args),
        state: args.state.as_deref(),
        receipt: None,
        tie: None,
        again: args.again,
        patience: Duration::from_secs(args.timeout),
    })
}

/// How long `push` and `pull` wait for witnesses.
pub(crate) const WITNESS_PATIENCE: Duration = Duration::from_secs(5);

/// Fetches the receipts that witnesses have signed, when the trust file asks for them.
async fn witnessed(client: &Client, trust: &Trust, all: &[Pushed], output: &Output) -> Result<(), Failure> {
    let receipts: Vec<(&str, &Path)> = all
        .iter()
        .map(|pushed| (pushed.exchange.as_str(), pushed.receipt.as_path()))
        .collect();
    let upgraded = upgrade(client, trust, &receipts, WITNESS_PATIENCE).await?;
    output.note(match upgraded {
        None => return Ok(()),
        Some(Upgraded { missing: 0, .. }) => {
            "  an independent witness has signed the log over every receipt".to_owned()
        }
        Some(Upgraded { missing, .. }) => {
            format!("  {missing} receipts are not signed by a witness yet; later: shuguan receipt EXCHANGE -o FILE")
        }
    });
    Ok(())
}

fn asked(args: &PushArgs) -> Asked {
    let mode = match (args.delta, args.snapshot) {
        (true, _) => Some("delta"),
        (_, true) => Some("snapshot"),
        _ => None,
    };
    Asked {
        mode: mode.map(str::to_owned),
        scope: args.scope.clone(),
        count: args.count,
        layout: args.layout.clone(),
        constants: constants(&args.constants),
    }
}

/// The content type that was stated, whole, or as a charset or where in a workbook the records are; none: it is detected.
pub(crate) fn content_type(
    stated: Option<&str>,
    charset: Option<&str>,
    sheet: &SheetArgs,
    file: &Path,
) -> Result<Option<String>, Failure> {
    if stated.is_some() || (charset.is_none() && sheet.is_empty()) {
        return Ok(stated.map(str::to_owned));
    }
    let mut layout = detect(file)?;
    if let Some(charset) = charset {
        let charset = Encoding::parse(charset).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{charset}` is no charset that the gateway takes"))
                .then("--charset gb18030")
        })?;
        layout = layout.in_charset(charset);
    }
    layout = sheet
        .apply(layout)
        .map_err(|failure| failure.at(file.display().to_string()))?;
    Ok(Some(layout.content_type()))
}

/// With a layout the gateway knows the form: the type says nothing but a charset that was stated.
pub(crate) fn of_layout(stated: Option<&str>, charset: Option<&str>) -> String {
    match (stated, charset) {
        (Some(stated), _) => stated.to_owned(),
        (None, Some(charset)) => format!("{ANY_TYPE}; charset={charset}"),
        (None, None) => ANY_TYPE.to_owned(),
    }
}

fn interrupted(file: &Path) -> Failure {
    Failure::new(Exit::Interrupted, format!("interrupted while sending `{}`", file.display()))
        .because("the gateway may have accepted it without our having heard of it; its idempotency key is kept, so sent again it is the same batch")
        .then("run the same command again; with `--again` only for this file and those after it")
}

fn verdict(all: &[Pushed], rejects_ok: Option<f64>) -> Exit {
    if all.iter().any(Pushed::is_taken_back) {
        return Exit::Refused;
    }
    let received: u64 = all.iter().map(|pushed| pushed.received).sum();
    let rejected: u64 = all.iter().map(|pushed| pushed.rejected).sum();
    #[expect(clippy::cast_precision_loss, reason = "a share in percent")]
    let share = rejected as f64 * 100.0 / received.max(1) as f64;
    if rejected == 0 || rejects_ok.is_some_and(|allowed| share <= allowed) {
        Exit::Done
    } else {
        Exit::Partial
    }
}

const COLUMNS: [&str; 7] = [
    "FILE", "EXCHANGE", "RECEIVED", "ACCEPTED", "REJECTED", "FILTERED", "REPEATED",
];
const COUNTS: [&str; 5] = ["RECEIVED", "ACCEPTED", "REJECTED", "FILTERED", "REPEATED"];

/// `continued`: another file was shown before.
fn show(pushed: &Pushed, continued: bool, output: &Output) {
    let cell = |n: u64| n.to_string();
    output.table(
        &Columns::of(&COLUMNS).with_numbers(&COUNTS).continued(continued),
        &[vec![
            pushed.file.clone(),
            pushed.exchange.clone(),
            cell(pushed.received),
            cell(pushed.accepted),
            cell(pushed.rejected),
            cell(pushed.filtered),
            cell(pushed.repeated),
        ]],
    );
    for reject in &pushed.rejects {
        output.note(format!("  {}", reject.line()));
    }
    if pushed.rejected > u64::try_from(pushed.rejects.len()).unwrap_or(0) {
        output.note(format!("  … all of them: shuguan rejects {}", pushed.exchange));
    }
    for remark in pushed.headers.lines() {
        output.note(format!("  {remark}"));
    }
    if !pushed.withheld.is_empty() {
        output.note(format!("  withheld by policy: {}", pushed.withheld.join(", ")));
    }
    if pushed.replayed {
        output.note("  the gateway had this content before; it is the same batch, with its first answer");
    }
    if pushed.recalled {
        output.note(
            "  this batch was recalled, and nothing of it goes into the registry: push --again sends it as a new one",
        );
    } else if pushed.is_taken_back() {
        output.note(format!(
            "  a later batch of this record type was recalled ({}), and what it had written over of this one is not in the registry: push --again sends this one as a new one",
            pushed.recalled_behind.join(", ")
        ));
    }
    output.note(format!("  receipt verified: {}", pushed.receipt.display()));
}
