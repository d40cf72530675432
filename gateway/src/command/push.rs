//! `shuguan push FILE…`: send feeds, learn what was accepted, keep the proof.
//!
//! Takes files; gives counts, the first rejects and a verified receipt beside each file. A file is read twice, first for its digest, then
//! while it is sent, so memory does not grow with it. Running the command twice is harmless: the idempotency key stays with the content.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::stream;
use http::Method;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ring::digest::{Context, SHA256};
use serde::Serialize;
use shuguan_adapters::layout::{Encoding, Layout};
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;

use super::exit::{Exit, Failure};
use super::output::Output;
use crate::client::answer::RowProblem;
use crate::client::connect::{self, Body};
use crate::client::state::{PushState, state_path};
use crate::client::{CallError, Client, ClientSettings, Listener};

const CHUNK_BYTES: usize = 64 * 1024;

/// Send feeds to the gateway.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES
  shuguan push birth.ndjson --record health/birth-certificate --purpose enrolment.registration -c client.toml
  shuguan push *.csv --record public-security/resident --purpose enrolment.registration --rejects-ok 1

EXIT CODES
  0 all accepted · 1 local failure · 3 refused · 4 not reached (repeat) · 5 some rows rejected · 6 the receipt does not verify · 7 rate limited")]
pub struct PushArgs {
    /// Files to send, one batch each.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What the records are, e.g. `public-security/resident`.
    #[arg(long)]
    record: String,
    /// What they may be used for, e.g. `enrolment.registration`.
    #[arg(long)]
    purpose: String,
    /// Charset of the files, when detection is wrong: `utf-8` or `gb18030`.
    #[arg(long)]
    charset: Option<String>,
    /// Whole `Content-Type`, when detection is wrong.
    #[arg(long)]
    content_type: Option<String>,
    /// Name of the sheet, when a workbook holds its records in another than the first with a known header.
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// Folder for idempotency keys and receipts, when the files' own folder is read-only.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Exit 0 when no more than this share of rows is rejected.
    #[arg(long, value_name = "PERCENT")]
    rejects_ok: Option<f64>,
    /// How long to go on trying, seconds.
    #[arg(long, default_value_t = 120)]
    timeout: u64,
    /// The kit's client.toml.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
    config: PathBuf,
}

/// What became of one file.
#[derive(Debug, Serialize)]
pub struct Pushed {
    /// The file.
    pub file: String,
    /// The exchange.
    pub exchange: String,
    /// Index of its leaf.
    pub index: u64,
    /// Rows received.
    pub received: u64,
    /// Rows accepted.
    pub accepted: u64,
    /// Rows rejected.
    pub rejected: u64,
    /// Rows that the agreement's filter held back.
    pub filtered: u64,
    /// Rows that repeated another.
    pub repeated: u64,
    /// The first rejects.
    pub rejects: Vec<RowProblem>,
    /// Fields that were sent or could be, and that no grant names.
    pub withheld: Vec<String>,
    /// Where the receipt lies.
    pub receipt: PathBuf,
    /// The gateway had this content before.
    pub replayed: bool,
}

/// One file to send and how.
#[derive(Debug)]
pub struct Feed<'a> {
    /// The file.
    pub file: &'a Path,
    /// Record type.
    pub record: &'a str,
    /// Purpose.
    pub purpose: &'a str,
    /// Content type; detected when absent.
    pub content_type: Option<String>,
    /// Folder for state and receipts.
    pub state: Option<&'a Path>,
    /// How long to go on trying.
    pub patience: Duration,
}

/// Runs the command.
pub fn run(args: PushArgs, output: &Output) -> Result<Exit, Failure> {
    let settings = ClientSettings::load(&args.config)?;
    let trust = load_trust(&settings.trust)?;
    let client = Client::open(&settings, Listener::Feed)?;
    let runtime = super::runtime()?;
    let mut all = Vec::new();
    for file in &args.files {
        let content_type = content_type(&args, file)?;
        let feed = Feed {
            file,
            record: &args.record,
            purpose: &args.purpose,
            content_type,
            state: args.state.as_deref(),
            patience: Duration::from_secs(args.timeout),
        };
        let pushed = runtime.block_on(interruptible(push_file(&client, &trust, &feed, output), file))?;
        if !output.is_json() {
            show(&pushed, output);
        }
        all.push(pushed);
    }
    if output.is_json() {
        output.json("shuguan.pushes.v1", &all);
    }
    Ok(verdict(&all, args.rejects_ok))
}

fn content_type(args: &PushArgs, file: &Path) -> Result<Option<String>, Failure> {
    if args.content_type.is_some() {
        return Ok(args.content_type.clone());
    }
    if args.charset.is_none() && args.sheet.is_none() {
        return Ok(None);
    }
    let mut layout = detect(file)?;
    if let Some(charset) = &args.charset {
        layout.encoding = Encoding::parse(charset).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{charset}` is no charset that the gateway takes"))
                .then("--charset gb18030")
        })?;
    }
    if let Some(name) = &args.sheet {
        layout = layout.of_sheet(name).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("`--sheet` is for workbooks, and `{}` is none", file.display()),
            )
            .then("leave `--sheet` out")
        })?;
    }
    Ok(Some(layout.content_type()))
}

async fn interruptible<T>(work: impl Future<Output = Result<T, Failure>>, file: &Path) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, format!("interrupted while sending `{}`", file.display()))
            .because("what was not acknowledged was not accepted; the idempotency key is kept")
            .then("run the same command again")),
    }
}

fn verdict(all: &[Pushed], rejects_ok: Option<f64>) -> Exit {
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

/// Sends one file; repeats it under the same key until it is answered or patience ends.
pub async fn push_file(client: &Client, trust: &Trust, feed: &Feed<'_>, output: &Output) -> Result<Pushed, Failure> {
    let digest = digest(feed.file)?;
    let hex = crate::pki::hex(&digest);
    let state_path = state_path(feed.file, feed.state);
    let mut state = PushState::of(&state_path, &hex, feed.record, feed.purpose)?;
    let content_type = match &feed.content_type {
        Some(content_type) => content_type.clone(),
        None => detect(feed.file)?.content_type(),
    };
    let answer = send_until_answered(client, feed, &state.key, &content_type, &digest, output).await?;
    let mut pushed = read_answer(feed, &answer)?;
    keep_receipt(trust, feed, &answer, &mut pushed)?;
    state.exchange = Some(pushed.exchange.clone());
    state.save(&state_path)?;
    if let Ok(status) = client.get_json(&format!("/v1/exchanges/{}", pushed.exchange)).await {
        pushed.withheld = strings(&status, "withheld");
    }
    Ok(pushed)
}

/// The answer's JSON, with `replayed` when the gateway said so.
async fn send_until_answered(
    client: &Client,
    feed: &Feed<'_>,
    key: &str,
    content_type: &str,
    digest: &[u8; 32],
    output: &Output,
) -> Result<serde_json::Value, Failure> {
    let began = Instant::now();
    let place = format!(
        "POST {}/v1/feeds/{} · {}",
        client.address(),
        feed.record,
        feed.file.display()
    );
    let mut attempt = 1;
    loop {
        let progress = Progress::start(feed.file, attempt, output)?;
        let result = send_once(client, feed, key, content_type, digest, &progress).await;
        progress.end();
        let error = match result {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let Some(asked) = error.retry() else {
            return Err(error.failure(&place));
        };
        let wait = wait_before(attempt, asked);
        if began.elapsed() + wait > feed.patience {
            return Err(error.failure(&place));
        }
        output.note(format!(
            "{error}; attempt {} in {:.1} s",
            attempt + 1,
            wait.as_secs_f64()
        ));
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

/// Capped exponential back-off with full jitter, or what the gateway asked for.
fn wait_before(attempt: u32, asked: Option<u64>) -> Duration {
    if let Some(seconds) = asked {
        return Duration::from_secs(seconds);
    }
    let cap = 250_u64 << attempt.min(6);
    let random = crate::clock::random::<4>().map_or(0, u32::from_le_bytes);
    Duration::from_millis(100 + u64::from(random) % cap)
}

async fn send_once(
    client: &Client,
    feed: &Feed<'_>,
    key: &str,
    content_type: &str,
    digest: &[u8; 32],
    progress: &Progress,
) -> Result<serde_json::Value, CallError> {
    let cannot = |error: &dyn std::fmt::Display| CallError::Network(error.to_string());
    let body = file_body(feed.file, progress.bar.clone()).map_err(|error| cannot(&error))?;
    let length = std::fs::metadata(feed.file).map_err(|error| cannot(&error))?.len();
    let request = client
        .request(Method::POST, &format!("/v1/feeds/{}", feed.record))
        .header("content-type", content_type)
        .header("content-length", length)
        .header("content-digest", format!("sha-256=:{}:", BASE64.encode(digest)))
        .header("exchange-purpose", feed.purpose)
        .header("idempotency-key", key)
        .body(body)
        .map_err(|error| cannot(&error))?;
    let response = client.send(request).await?;
    let replayed = response.headers().contains_key("idempotency-replayed");
    let mut answer = connect::read_json(response).await?;
    if let Some(members) = answer.as_object_mut() {
        members.insert("replayed".into(), replayed.into());
    }
    Ok(answer)
}

fn file_body(path: &Path, bar: ProgressBar) -> std::io::Result<Body> {
    let file = std::fs::File::open(path)?;
    let chunks = stream::unfold(file, move |mut file| {
        let bar = bar.clone();
        async move {
            // A local file answers at once; a thread hop for each chunk would cost more than the read.
            let mut chunk = vec![0; CHUNK_BYTES];
            match file.read(&mut chunk) {
                Ok(0) => None,
                Ok(read) => {
                    chunk.truncate(read);
                    bar.inc(u64::try_from(read).unwrap_or(0));
                    Some((Ok(Frame::data(Bytes::from(chunk))), file))
                }
                Err(error) => Some((Err(error), file)),
            }
        }
    });
    Ok(BodyExt::boxed_unsync(StreamBody::new(chunks)))
}

fn read_answer(feed: &Feed<'_>, answer: &serde_json::Value) -> Result<Pushed, Failure> {
    let number = |name: &str| answer.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
    let exchange = answer
        .get("exchange")
        .and_then(serde_json::Value::as_str)
        .ok_or_else(|| {
            Failure::new(Exit::Unreached, "the gateway's answer names no exchange")
                .then("shuguan doctor, at the gateway")
        })?;
    let rejects = answer.get("rejects").cloned().unwrap_or_default();
    Ok(Pushed {
        file: feed.file.display().to_string(),
        exchange: exchange.to_owned(),
        index: number("index"),
        received: number("received"),
        accepted: number("accepted"),
        rejected: number("rejected"),
        filtered: number("filtered"),
        repeated: number("repeated"),
        rejects: serde_json::from_value(rejects).unwrap_or_default(),
        withheld: Vec::new(),
        receipt: PathBuf::new(),
        replayed: answer
            .get("replayed")
            .and_then(serde_json::Value::as_bool)
            .unwrap_or(false),
    })
}

/// Verifies the receipt offline before it counts as proof, then keeps it beside the file.
fn keep_receipt(
    trust: &Trust,
    feed: &Feed<'_>,
    answer: &serde_json::Value,
    pushed: &mut Pushed,
) -> Result<(), Failure> {
    let text = answer
        .get("receipt")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    let proven = Receipt::parse(text)
        .and_then(|receipt| receipt.verify(trust))
        .map_err(|error| {
            Failure::new(
                Exit::NotProven,
                format!("the receipt of {} does not verify", pushed.exchange),
            )
            .because(error)
            .then("do not count this file as delivered; tell the gateway's operator")
        })?;
    if proven.leaf.event.exchange() != Some(pushed.exchange.as_str()) {
        return Err(Failure::new(Exit::NotProven, "the receipt belongs to another exchange"));
    }
    let folder = feed.state.or_else(|| feed.file.parent()).unwrap_or(Path::new(""));
    let mut name = feed.file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tlog-proof", pushed.exchange));
    pushed.receipt = folder.join(name);
    std::fs::write(&pushed.receipt, text).map_err(|error| {
        Failure::local(format!("cannot write `{}`", pushed.receipt.display()))
            .because(error)
            .then("shuguan receipt EXCHANGE -o FILE   fetches it again")
    })
}

fn show(pushed: &Pushed, output: &Output) {
    let cell = |n: u64| n.to_string();
    output.rows(
        &[
            "FILE", "EXCHANGE", "RECEIVED", "ACCEPTED", "REJECTED", "FILTERED", "REPEATED",
        ],
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
        let field = reject.field.as_deref().unwrap_or("-");
        output.note(format!(
            "  row {} line {}  {field}  {}  {}",
            reject.row, reject.line, reject.code, reject.title
        ));
    }
    if pushed.rejected > u64::try_from(pushed.rejects.len()).unwrap_or(0) {
        output.note(format!("  … all of them: shuguan rejects {}", pushed.exchange));
    }
    if !pushed.withheld.is_empty() {
        output.note(format!("  withheld by policy: {}", pushed.withheld.join(", ")));
    }
    if pushed.replayed {
        output.note("  the gateway had this content before; this is its first answer");
    }
    output.note(format!("  receipt verified: {}", pushed.receipt.display()));
}

/// The strings of an array member.
pub(crate) fn strings(document: &serde_json::Value, member: &str) -> Vec<String> {
    document
        .get(member)
        .and_then(serde_json::Value::as_array)
        .map(|items| {
            items
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect()
        })
        .unwrap_or_default()
}

/// Reads a trust file.
pub(crate) fn load_trust(path: &Path) -> Result<Trust, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::local(format!("cannot read the trust file `{}`", path.display()))
            .because(error)
            .then("it came with the kit; it holds the log's public key")
    })?;
    Trust::parse(&text).map_err(|error| Failure::local(error.to_string()).at(path.display().to_string()))
}

fn unreadable(path: &Path, error: std::io::Error) -> Failure {
    Failure::local(format!("cannot read `{}`", path.display())).because(error)
}

fn digest(path: &Path) -> Result<[u8; 32], Failure> {
    let mut file = std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
    let mut context = Context::new(&SHA256);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk).map_err(|error| unreadable(path, error))?;
        if read == 0 {
            break;
        }
        context.update(chunk.get(..read).unwrap_or_default());
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Ok(digest)
}

fn detect(path: &Path) -> Result<Layout, Failure> {
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
    let mut head = Vec::new();
    file.take(CHUNK_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(|error| unreadable(path, error))?;
    Ok(Layout::detect(&path.display().to_string(), &head))
}

/// Bytes sent of one attempt: a bar at a terminal, a plain line otherwise.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn start(file: &Path, attempt: u32, output: &Output) -> Result<Self, Failure> {
        let bytes = std::fs::metadata(file).map_err(|error| unreadable(file, error))?.len();
        let bar = ProgressBar::new(bytes);
        if output.shows_progress() {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
            if !std::io::stderr().is_terminal() {
                output.note(format!("sending {} ({bytes} bytes), attempt {attempt}", file.display()));
            }
        }
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
            bar.set_style(style);
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        bar.set_message(if attempt == 1 {
            name
        } else {
            format!("{name} (attempt {attempt})")
        });
        Ok(Self { bar })
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
