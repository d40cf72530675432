//! Delivering one file: send it under its key, verify the receipt, keep the proof.
//!
//! Takes a file and what it is; gives counts and a verified receipt. The file is read twice, first for its digest, then while it is sent, so
//! memory does not grow with it. A crash at any moment leaves the key on disk, and the repeat gets the first answer; after it the exchange is
//! known, and the repeat asks for that. Refuses to repeat what was not answered for longer than the gateway knows a key.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::Method;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::Value;
use shuguan_adapters::catalogue::record_type;
use shuguan_adapters::layout::{Encoding, Layout};
use shuguan_ledger::time;
use shuguan_ledger::trust::Trust;

use super::acknowledged::{answered, known};
use super::answer::RowProblem;
use super::connect::Body;
use super::state::{Open, PushState, adopt_earlier, state_path};
use super::tied::Tie;
use super::{CallError, Client};
use crate::clock::Clock;
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::exchange::report::HeaderNotes;
use crate::sha256;
use crate::signature::{digest as digests, profile};

const CHUNK_BYTES: usize = 64 * 1024;

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
    /// Headers that no field has, and fields without a header.
    pub headers: HeaderNotes,
    /// Fields that were sent or could be, and that no grant names.
    pub withheld: Vec<String>,
    /// Where the receipt lies.
    pub receipt: PathBuf,
    /// The gateway had this content before.
    pub replayed: bool,
    /// It was recalled since: nothing of it is in the registry.
    pub recalled: bool,
}

/// One file to send and how.
#[derive(Clone, Debug)]
pub struct Feed<'a> {
    /// The file.
    pub file: &'a Path,
    /// Record type.
    pub record: &'a str,
    /// Purpose.
    pub purpose: &'a str,
    /// Content type; detected when absent.
    pub content_type: Option<String>,
    /// Mode, scope, count, layout and constants.
    pub asked: Asked,
    /// Folder for state and receipts.
    pub state: Option<&'a Path>,
    /// Where the receipt goes; beside the file, or in the state's folder, under a name with the exchange, when absent.
    pub receipt: Option<PathBuf>,
    /// Ties the receipt to the file, in a drop folder.
    pub tie: Option<&'a Tie>,
    /// Under a new key, whatever was sent before: as a batch of its own.
    pub again: bool,
    /// How long to go on trying.
    pub patience: Duration,
}

/// How a batch is meant: what becomes the headers `Exchange-…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `delta` or `snapshot`; none: upsert.
    pub mode: Option<String>,
    /// Scope of a snapshot.
    pub scope: Option<String>,
    /// Rows that the sender counted.
    pub count: Option<u64>,
    /// Name of a layout that the gateway knows.
    pub layout: Option<String>,
    /// What is stated of the whole file, as the header has it.
    pub constants: Option<String>,
}

/// `month=202511`, as often as is stated, as one header; a code that is no number is quoted.
pub fn constants(stated: &[String]) -> Option<String> {
    let member = |stated: &String| match stated.split_once('=') {
        Some((field, code)) if !code.trim().bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{}=\"{}\"", field.trim(), code.trim().trim_matches('"'))
        }
        Some((field, code)) => format!("{}={}", field.trim(), code.trim()),
        None => stated.trim().to_owned(),
    };
    let members: Vec<String> = stated.iter().map(member).collect();
    (!members.is_empty()).then(|| members.join(", "))
}

impl Asked {
    fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let headers = [
            ("exchange-mode", self.mode.clone()),
            ("exchange-scope", self.scope.clone()),
            ("exchange-count", self.count.map(|count| count.to_string())),
            ("exchange-layout", self.layout.clone()),
            ("exchange-constants", self.constants.clone()),
        ];
        headers.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// What the idempotency key is bound to besides content, target and purpose; empty for a plain upsert.
    pub fn canonical(&self) -> String {
        let pairs: Vec<String> = self.headers().map(|(name, value)| format!("{name}: {value}")).collect();
        pairs.join("\n")
    }
}

/// Why a file was not delivered.
#[derive(Debug)]
pub enum Undelivered {
    /// The gateway did not take it, or was not reached.
    Call(CallError),
    /// A failure on this side, or a receipt that does not verify.
    Failed(Failure),
    /// It was sent first at this moment, microseconds since 1970, and its answer never came, and the gateway would not know it for the same: sent again it could
    /// be taken twice.
    Unheard(i64),
}

impl From<Failure> for Undelivered {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Sends one file; repeats it under the same key until it is answered or patience ends.
pub async fn push_file(client: &Client, trust: &Trust, feed: &Feed<'_>, output: &Output) -> Result<Pushed, Failure> {
    let began = Instant::now();
    let place = format!(
        "POST {}/v1/feeds/{} · {}",
        client.address(),
        feed.record,
        feed.file.display()
    );
    if feed.again {
        begin_again(feed)?;
    }
    let mut attempt = 1;
    let mut pushed = loop {
        let progress = Progress::start(feed.file, attempt, output)?;
        let result = attempt_once(client, trust, feed, &progress).await;
        progress.end();
        let error = match result {
            Ok(pushed) => break pushed,
            Err(Undelivered::Failed(failure)) => return Err(failure),
            Err(Undelivered::Unheard(sent_us)) => return Err(unheard(feed.file, sent_us)),
            Err(Undelivered::Call(error)) => error,
        };
        let Some(asked) = error.retry() else {
            return Err(error.failure(&place));
        };
        let wait = wait_before(attempt, asked);
        if began.elapsed().saturating_add(wait) > feed.patience {
            return Err(error.failure(&place));
        }
        output.note(format!(
            "{error}; attempt {} in {:.1} s",
            attempt + 1,
            wait.as_secs_f64()
        ));
        tokio::time::sleep(wait).await;
        attempt += 1;
    };
    if let Ok(status) = client.get_json(&format!("/v1/exchanges/{}", pushed.exchange)).await {
        pushed.withheld = strings(&status, "withheld");
        pushed.recalled = status.get("state").and_then(Value::as_str) == Some("recalled");
    }
    Ok(pushed)
}

/// Why what was never answered is not sent again: a week has passed, or the gateway does not say under the same key what it answered then.
pub fn why_unheard(sent_us: i64) -> String {
    let sent = time::format(sent_us);
    format!(
        "it was sent at {sent} and never answered; the gateway knows a key for 7 days, and for the content as it was declared then, and would take as new what it may have taken"
    )
}

fn unheard(file: &Path, sent_us: i64) -> Failure {
    Failure::new(Exit::Unheard, "whether the gateway took this file before is not known")
        .at(file.display().to_string())
        .because(why_unheard(sent_us))
        .then("shuguan reconcile DIR --trust FILE --server: an exchange of this record type, length and time that is `missing-here` says that it was taken, then shuguan receipt EXCHANGE; without one, push --again")
}

/// Forgets a key that was answered, or that the gateway has forgotten. Another is kept: its batch may have been accepted all the same, and is the one that was
/// asked for.
fn begin_again(feed: &Feed<'_>) -> Result<(), Failure> {
    let digest = crate::pki::hex(&digest_of(feed.file)?);
    adopt_earlier(feed.file, feed.state, &digest)?;
    let path = state_path(feed.file, feed.state);
    bring_back(feed, &path, &digest)?;
    let Some(state) = PushState::load(&path)? else {
        return Ok(());
    };
    // Of what was never answered he was told, whatever was stated besides.
    let is_told = (state.digest.as_str(), state.record.as_str(), state.purpose.as_str())
        == (digest.as_str(), feed.record, feed.purpose)
        && (state.refused || state.unheard_since(&path, now_us()).is_some());
    let is_answered = !state.is_open() && of_this(feed, &digest)?(&state);
    if is_told || is_answered {
        PushState::forget(&path)
    } else {
        Ok(())
    }
}

/// Whether a state is of what is sent now: this content, declared so.
fn of_this<'f>(feed: &'f Feed<'_>, digest: &'f str) -> Result<impl Fn(&PushState) -> bool + 'f, Failure> {
    let form = match &feed.content_type {
        Some(content_type) => content_type.clone(),
        None => detect(feed.file)?.content_type(),
    };
    let manner = feed.asked.canonical();
    Ok(move |state: &PushState| {
        state.is_of(digest, feed.record, feed.purpose, &manner)
            && (state.content_type.is_empty() || same_form(&form, &state.content_type))
    })
}

/// Sends one file once under the key that belongs to its content, and keeps the verified receipt. What was answered before is asked for and not sent.
pub async fn attempt_once(
    client: &Client,
    trust: &Trust,
    feed: &Feed<'_>,
    progress: &Progress,
) -> Result<Pushed, Undelivered> {
    let digest = digest_of(feed.file)?;
    let hex = crate::pki::hex(&digest);
    adopt_earlier(feed.file, feed.state, &hex)?;
    let path = state_path(feed.file, feed.state);
    bring_back(feed, &path, &hex)?;
    // Nothing made way in a place where nothing was: of most files of a drop folder there is nothing to look for.
    let was_there = path.exists();
    let stated = feed;
    let (feed, content_type) = &as_before(feed, &path, &hex)?;
    let manner = feed.asked.canonical();
    let of_content = || PushState::of(&path, &hex, feed.record, feed.purpose, &manner, content_type);
    let state = of_content()?;
    if let Some(exchange) = &state.exchange
        && let Some(pushed) = known(client, trust, feed, &digest, exchange).await?
    {
        is_as_stated(stated, feed, content_type, &pushed)?;
        return Ok(pushed);
    }
    client.reach().await.map_err(Undelivered::Call)?;
    // Again, because another process may have begun to send it meanwhile.
    let mut state = of_content()?;
    let was_open = state.is_open();
    state.make_way(&path)?;
    state.note_sent(&path, now_us())?;
    progress.tell();
    let answer = send_once(client, feed, &state.key, content_type, &digest, &progress.bar).await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Err(failed(state, &path, was_open, error)?),
    };
    let pushed = answered(trust, feed, &digest, &answer)?;
    state.exchange = Some(pushed.exchange.clone());
    state.open = Open::No;
    state.save(&path)?;
    if was_there {
        state.tidy(&path);
    }
    is_as_stated(stated, feed, content_type, &pushed)?;
    Ok(pushed)
}

/// Brings back the state of what was sent, when the same file was sent as something else since: with a slip in the purpose, say, which was refused.
///
/// # Errors
/// When a state cannot be read, written or renamed.
pub fn bring_back(feed: &Feed<'_>, path: &Path, digest: &str) -> Result<(), Failure> {
    // In a drop folder most files are new, and to look through it for each would take the square of their number.
    if feed.tie.is_some() && !path.exists() {
        return Ok(());
    }
    let is_of_this = of_this(feed, digest)?;
    PushState::bring_back(path, digest, |state| was_sent(state) && is_of_this(state))
}

/// Whether it was taken, or may have been.
fn was_sent(state: &PushState) -> bool {
    state.is_open() || state.exchange.is_some()
}

/// The feed as it is sent, with its content type. What was taken or may have been goes as it went first, whatever is said of its count and charset by now: the gateway
/// knows its key for that alone. Another sheet or form is another batch.
///
/// # Errors
/// [`Undelivered::Unheard`].
fn as_before<'f>(feed: &Feed<'f>, path: &Path, digest: &str) -> Result<(Feed<'f>, String), Undelivered> {
    let mut feed = feed.clone();
    let before = PushState::load(path)?.filter(|state| was_sent(state) && state.digest == digest);
    if let Some(mut before) = before
        && (before.record.as_str(), before.purpose.as_str()) == (feed.record, feed.purpose)
    {
        if let Some(sent_us) = before.unheard_since(path, now_us()) {
            // Who asks is told of it now, and only then may throw the key away.
            (before.open, before.refused) = (Open::Since(sent_us), true);
            before.save(path)?;
            return Err(Undelivered::Unheard(sent_us));
        }
        if before.is_of(digest, feed.record, feed.purpose, &feed.asked.canonical()) {
            let noted = Some(&before.content_type).filter(|noted| !noted.is_empty());
            match (&feed.content_type, noted) {
                (Some(said), Some(noted)) if !same_form(said, noted) => {}
                (_, noted) => {
                    feed.asked.count = before.count();
                    feed.content_type = noted.cloned().or(feed.content_type);
                }
            }
        }
    }
    let content_type = match &feed.content_type {
        Some(content_type) => content_type.clone(),
        None => detect(feed.file)?.content_type(),
    };
    Ok((feed, content_type))
}

/// Whether two content types differ in their charset at most.
fn same_form(one: &str, other: &str) -> bool {
    let form = |text: &str| Layout::from_content_type(text).map(|layout| layout.format);
    let essence = |text: &str| {
        text.split(';')
            .next()
            .map(|essence| essence.trim().to_ascii_lowercase())
    };
    form(one) == form(other) && essence(one) == essence(other)
}

/// What was sent without the count or charset that is stated by now is held to them all the same.
fn is_as_stated(stated: &Feed<'_>, sent: &Feed<'_>, sent_as: &str, pushed: &Pushed) -> Result<(), Failure> {
    let count = stated.asked.count.filter(|count| {
        // A row may hold several members of a household, each a record: then there are at most as many rows as records.
        let unfolds = record_type(sent.record).is_some_and(|record| record.unfold.is_some());
        // Sums among the rows may have been counted with them.
        let most = pushed.received.saturating_add(pushed.headers.footers);
        let fits = *count == pushed.received || *count == most || (unfolds && *count < most);
        sent.asked.count != Some(*count) && !fits
    });
    let what = if let Some(count) = count {
        format!(
            "the gateway took {} rows of this file, and {count} are stated",
            pushed.received
        )
    } else if let Some(said) = stated.content_type.as_deref().and_then(charset)
        && let Some(taken) = charset(sent_as).or_else(|| charset(&detect(sent.file).ok()?.content_type()))
        && said != taken
    {
        format!(
            "the gateway read this file as {}, and {} is stated",
            taken.name(),
            said.name()
        )
    } else {
        return Ok(());
    };
    Err(Failure::new(Exit::Refused, what)
        .at(sent.file.display().to_string())
        .because("it was sent before without this, and that batch was taken")
        .then(format!(
            "if what is stated is right: shuguan recall {}, then push it with --again",
            pushed.exchange
        )))
}

/// The charset that a content type names; where none does, the bytes say it, unless they are the same in all.
fn charset(content_type: &str) -> Option<Encoding> {
    let layout = Layout::from_content_type(content_type)?;
    (!layout.open).then_some(layout.encoding)
}

/// Writes down what a request says that got no answer, or none that accepts.
fn failed(mut state: PushState, path: &Path, was_open: bool, error: CallError) -> Result<Undelivered, Failure> {
    if error.hides_the_answer()
        && let (true, Open::Since(sent_us)) = (was_open, state.open)
    {
        state.refused = true;
        state.save(path)?;
        return Ok(Undelivered::Unheard(sent_us));
    }
    // A refusal of the content is an answer to the key, whatever came before; another says nothing of an earlier request.
    state.refused = error.sticks();
    if error.sticks() || (!was_open && error.took_nothing()) {
        state.open = Open::No;
        state.save(path)?;
    }
    Ok(Undelivered::Call(error))
}

fn now_us() -> i64 {
    Clock::system().now_us()
}

/// Capped exponential back-off with full jitter, or what the gateway asked for.
pub fn wait_before(attempt: u32, asked: Option<u64>) -> Duration {
    if let Some(seconds) = asked {
        return Duration::from_secs(seconds);
    }
    let cap = 250_u64 << attempt.min(6);
    let random = crate::clock::random::<4>().map_or(0, u32::from_le_bytes);
    Duration::from_millis(100 + u64::from(random) % cap)
}

/// The answer's JSON, with `replayed` when the gateway said so.
async fn send_once(
    client: &Client,
    feed: &Feed<'_>,
    key: &str,
    content_type: &str,
    digest: &[u8; 32],
    bar: &ProgressBar,
) -> Result<Value, CallError> {
    let cannot = |error: &dyn std::fmt::Display| CallError::Network(error.to_string());
    let body = file_body(feed.file, bar.clone()).map_err(|error| cannot(&error))?;
    let length = std::fs::metadata(feed.file).map_err(|error| cannot(&error))?.len();
    let mut request = client
        .request(Method::POST, &format!("/v1/feeds/{}", feed.record))
        .header("content-type", content_type)
        .header("content-length", length)
        .header("content-digest", digests::write(digest))
        .header("exchange-purpose", feed.purpose)
        .header("idempotency-key", key);
    for (name, value) in feed.asked.headers() {
        request = request.header(name, value);
    }
    let request = request.body(body).map_err(|error| cannot(&error))?;
    let (parts, body) = client.send_signed(&profile::PUSH, request).await?;
    let replayed = parts.headers.contains_key("idempotency-replayed");
    let mut answer: Value =
        serde_json::from_slice(&body).map_err(|error| cannot(&format_args!("the answer is not JSON: {error}")))?;
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

/// The strings of an array member.
pub(crate) fn strings(document: &Value, member: &str) -> Vec<String> {
    let items = document.get(member).and_then(Value::as_array);
    let texts = items.map(|items| {
        items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    });
    texts.unwrap_or_default()
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

/// SHA-256 of a file.
pub fn digest_of(path: &Path) -> Result<[u8; 32], Failure> {
    sha256::of_file(path).map_err(|error| unreadable(path, error))
}

/// The layout of a file, by its name and first bytes.
pub fn detect(path: &Path) -> Result<Layout, Failure> {
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
    let mut head = Vec::new();
    file.take(CHUNK_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(|error| unreadable(path, error))?;
    Ok(Layout::detect(&path.display().to_string(), &head))
}

/// Bytes sent of one attempt: a bar at a terminal, a plain line otherwise, once it is sent and not only asked for.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    line: Option<(String, Output)>,
}

impl Progress {
    /// Shows nothing.
    pub fn hidden() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            line: None,
        }
    }

    fn tell(&self) {
        if let Some((line, output)) = &self.line {
            output.note(line);
        }
    }

    fn start(file: &Path, attempt: u32, output: &Output) -> Result<Self, Failure> {
        let bytes = std::fs::metadata(file).map_err(|error| unreadable(file, error))?.len();
        let bar = ProgressBar::new(bytes);
        let mut line = None;
        if output.shows_progress() {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
            if !std::io::stderr().is_terminal() {
                let text = format!("sending {} ({bytes} bytes), attempt {attempt}", file.display());
                line = Some((text, *output));
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
        Ok(Self { bar, line })
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
