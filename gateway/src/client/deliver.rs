//! Delivering one file: send it under its key, verify the receipt, keep the proof.
//!
//! Takes a file and what it is; gives counts and a verified receipt. The file is read twice, first for its digest, then while it is sent, so
//! memory does not grow with it. A crash at any moment leaves the key on disk, and the repeat gets the first answer; after it the exchange is
//! known, and the repeat asks for that. Refuses to repeat what was not answered for longer than the gateway knows a key.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::Method;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::Value;
use shuguan_adapters::layout::Layout;
use shuguan_ledger::trust::Trust;

use super::acknowledged::{answered, known};
use super::answer::RowProblem;
use super::connect::Body;
use super::declared::Declared;
use super::feed::Feed;
use super::place::{Key, Next, Place};
use super::progress::Progress;
use super::state::{PushState, Standing};
use super::undelivered::Undelivered;
use super::{CallError, Client};
use crate::clock::Clock;
use crate::command::exit::Failure;
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
    /// Later ones of its record type that were recalled: what they had written over of this one is not in the registry.
    pub recalled_behind: Vec<String>,
}

impl Pushed {
    /// Whether rows of it may be in the registry no more, although it was accepted: sent as it is, it would be the same batch.
    pub fn is_taken_back(&self) -> bool {
        self.recalled || !self.recalled_behind.is_empty()
    }
}

/// Sends one file; repeats it under the same key until it is answered or patience ends. Another push of the same file is waited for as long.
///
/// # Errors
/// See [`Undelivered`].
pub async fn push_file(
    client: &Client,
    trust: &Trust,
    feed: &Feed<'_>,
    output: &Output,
) -> Result<Pushed, Undelivered> {
    let began = Instant::now();
    let mut place = take_place(feed, output).await?;
    if feed.again {
        let stated = declared(feed, &mut place)?;
        place
            .begin_again(&stated.batch(), now_us())
            .map_err(Undelivered::OfFile)?;
    }
    let mut attempt = 1;
    let mut pushed = loop {
        let stated = declared(feed, &mut place)?;
        let progress = Progress::start(feed.file, attempt, output).map_err(Undelivered::OfFile)?;
        let result = attempt_once(client, trust, &stated, &mut place, &progress).await;
        progress.end();
        let error = match result {
            Ok(pushed) => break pushed,
            Err(Undelivered::Call(error)) => error,
            Err(other) => return Err(other),
        };
        let wait = error.retry().map(|asked| wait_before(attempt, asked));
        let Some(wait) = wait.filter(|wait| began.elapsed().saturating_add(*wait) <= feed.patience) else {
            return Err(Undelivered::Call(error));
        };
        let seconds = wait.as_secs_f64();
        output.note(format!("{error}; attempt {} in {seconds:.1} s", attempt + 1));
        tokio::time::sleep(wait).await;
        attempt += 1;
    };
    if let Ok(status) = client.get_json(&format!("/v1/exchanges/{}", pushed.exchange)).await {
        pushed.withheld = strings(&status, "withheld");
        pushed.recalled = status.get("state").and_then(Value::as_str) == Some("recalled");
        pushed.recalled_behind = strings(&status, "recalled_behind");
    }
    Ok(pushed)
}

async fn take_place(feed: &Feed<'_>, output: &Output) -> Result<Place, Undelivered> {
    match Place::take(feed.file, feed.state, Duration::ZERO).await {
        Err(Undelivered::Busy) => {
            output.note(format!("another push of {} runs; waiting for it", feed.file.display()));
            Place::take(feed.file, feed.state, feed.patience).await
        }
        taken => taken,
    }
}

/// The file as it is now and is stated; the state of a version that named it otherwise is taken over.
fn declared<'f>(feed: &Feed<'f>, place: &mut Place) -> Result<Declared<'f>, Undelivered> {
    let digest = digest_of(feed.file).map_err(Undelivered::OfFile)?;
    let stated = Declared::of(feed, digest).map_err(Undelivered::OfFile)?;
    place
        .adopt_earlier(feed.file, feed.state, &stated.hex)
        .map_err(Undelivered::OfFile)?;
    Ok(stated)
}

/// Sends one file once under the key that belongs to its content, and keeps the verified receipt. What was answered before is asked for and not sent.
///
/// # Errors
/// See [`Undelivered`].
pub async fn attempt_once(
    client: &Client,
    trust: &Trust,
    stated: &Declared<'_>,
    place: &mut Place,
    progress: &Progress,
) -> Result<Pushed, Undelivered> {
    let declared = stated.as_before(place).map_err(Undelivered::OfFile)?;
    let asked = match place.next(&declared.batch(), now_us())? {
        Next::Unheard(sent_us) => return Err(Undelivered::Unheard(sent_us)),
        Next::Ask(exchange) => known(client, trust, &declared, &exchange).await?,
        Next::Send => None,
    };
    let pushed = match asked {
        Some(pushed) => pushed,
        None => send(client, trust, &declared, place, progress).await?,
    };
    declared.held_to(&stated.feed, pushed)
}

/// Sends it, and notes what it is told.
async fn send(
    client: &Client,
    trust: &Trust,
    declared: &Declared<'_>,
    place: &mut Place,
    progress: &Progress,
) -> Result<Pushed, Undelivered> {
    // Where no connection comes about nothing goes out, and nothing is noted.
    client.reach().await.map_err(Undelivered::Call)?;
    let key = place.sends(&declared.batch(), now_us())?;
    progress.tell();
    // A crash from here on leaves a key that may have been taken: the repeat goes under it.
    let answer = match send_once(client, declared, &key, &progress.bar).await {
        Ok(answer) => answer,
        Err(error) => return Err(failed(place, &key, error)?),
    };
    // A crash after the receipt was kept leaves the same, and the repeat keeps it anew.
    let pushed = answered(trust, declared, &answer)?;
    place.note(Standing::Answered(pushed.exchange.clone()))?;
    place.tidy();
    Ok(pushed)
}

/// Writes down what a request says that got no answer, or none that accepts.
fn failed(place: &mut Place, key: &Key, error: CallError) -> Result<Undelivered, Failure> {
    if key.is_repeat
        && error.hides_the_answer()
        && let Some(sent_us) = place.there().and_then(PushState::open_since)
    {
        place.note(Standing::Told(sent_us))?;
        return Ok(Undelivered::Unheard(sent_us));
    }
    // A refusal of the content is an answer to the key, whatever came before; another says nothing of an earlier request.
    if error.sticks() {
        place.note(Standing::Refused)?;
    } else if !key.is_repeat && error.took_nothing() {
        place.note(Standing::Unsent)?;
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
async fn send_once(client: &Client, declared: &Declared<'_>, key: &Key, bar: &ProgressBar) -> Result<Value, CallError> {
    let feed = &declared.feed;
    let cannot = |error: &dyn std::fmt::Display| CallError::Network(error.to_string());
    let body = file_body(feed.file, bar.clone()).map_err(|error| cannot(&error))?;
    let length = std::fs::metadata(feed.file).map_err(|error| cannot(&error))?.len();
    let mut request = client
        .request(Method::POST, &format!("/v1/feeds/{}", feed.record))
        .header("content-type", &declared.content_type)
        .header("content-length", length)
        .header("content-digest", digests::write(&declared.digest))
        .header("exchange-purpose", feed.purpose)
        .header("idempotency-key", &key.key);
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

pub(super) fn unreadable(path: &Path, error: std::io::Error) -> Failure {
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
