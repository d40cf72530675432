//! What became of a batch: out of the gateway's answer, or asked for under the exchange that an earlier answer named.
//!
//! Takes an answer or an exchange; gives counts and keeps the receipt. The counts are those of the receipt's leaf: an answer that says
//! otherwise, or whose receipt is of something else, is refused with code 6. An exchange that the gateway does not know is none.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::leaf::PushEvent;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;

use super::declared::Declared;
use super::deliver::Pushed;
use super::feed::Feed;
use super::proven::{NotOurs, Sent, push_of, same};
use super::undelivered::Undelivered;
use super::{CallError, Client, connect};
use crate::command::exit::{Exit, Failure};
use crate::durable::write_whole;

/// Rejects that are shown, as in an answer.
const REJECTS_SHOWN: usize = 20;

/// What became of the batch that was sent with this answer.
///
/// # Errors
/// An answer that names no exchange, a receipt that does not bear it out, or that cannot be written.
pub(super) fn answered(trust: &Trust, declared: &Declared<'_>, answer: &Value) -> Result<Pushed, Failure> {
    let feed = &declared.feed;
    let mut pushed = read(feed, answer)?;
    let text = answer.get("receipt").and_then(Value::as_str).unwrap_or_default();
    let bytes = std::fs::metadata(feed.file).map_or(0, |file| file.len());
    let sent = sent(feed, bytes);
    let proven = push_of(text, trust, Some(&pushed.exchange), &sent)
        .and_then(|(index, event)| bears_out(&event, &pushed).map(|()| index));
    pushed.index = proven.map_err(|error| not_proven((text, trust), &pushed.exchange, &error))?;
    keep(feed, text, &declared.digest, &mut pushed)?;
    Ok(pushed)
}

/// What became of a batch that was answered before; none when the gateway knows no such exchange. Asked before anything is sent again: the gateway forgets
/// a key after a week, and would take the batch a second time.
pub(super) async fn known(
    client: &Client,
    trust: &Trust,
    declared: &Declared<'_>,
    exchange: &str,
) -> Result<Option<Pushed>, Undelivered> {
    let asked = match client.get(&format!("/v1/exchanges/{exchange}/receipt"), &[]).await {
        Ok(response) => connect::read(response).await,
        Err(error) => Err(error),
    };
    let text = match asked {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(CallError::Problem(problem)) if problem.status == 404 => return Ok(None),
        Err(error) => return Err(Undelivered::Call(error)),
    };
    let bytes = std::fs::metadata(declared.feed.file).map_or(0, |file| file.len());
    let proven = push_of(&text, trust, Some(exchange), &sent(&declared.feed, bytes));
    let (_, event) = proven.map_err(|error| not_proven((&text, trust), exchange, &error))?;
    // They are shown, and are no proof: without them the answer is the same.
    let path = format!("/v1/exchanges/{exchange}/rejects?format=json");
    let rejects = match event.rej {
        0 => Value::Null,
        _ => client.get_json(&path).await.unwrap_or_default(),
    };
    Ok(Some(answered(trust, declared, &as_answer(&event, &text, &rejects))?))
}

/// What the answer was, as far as it can be told now.
fn as_answer(event: &PushEvent, receipt: &str, rejects: &Value) -> Value {
    let items = rejects.get("items").and_then(Value::as_array);
    json!({
        "exchange": event.x, "received": event.r#in, "accepted": event.ok, "rejected": event.rej, "filtered": event.fil,
        "repeated": event.rep, "receipt": receipt, "replayed": true, "headers": rejects.get("headers"),
        "rejects": items.map(|items| items.iter().take(REJECTS_SHOWN).collect::<Vec<_>>()),
    })
}

fn sent<'f>(feed: &'f Feed<'_>, bytes: u64) -> Sent<'f> {
    Sent {
        record: feed.record,
        purpose: feed.purpose,
        mode: feed.asked.mode.as_deref(),
        count: feed.asked.count,
        bytes,
    }
}

/// Whether the leaf has the counts of the answer.
fn bears_out(event: &PushEvent, pushed: &Pushed) -> Result<(), NotOurs> {
    same("received", event.r#in, pushed.received)?;
    same("accepted", event.ok, pushed.accepted)?;
    same("rejected", event.rej, pushed.rejected)?;
    same("filtered", event.fil, pushed.filtered)?;
    same("repeated", event.rep, pushed.repeated)
}

/// The log that a receipt names, when the trust file knows none of that name: a volume or a successor that began since, perhaps.
fn unknown_log(text: &str, trust: &Trust) -> Option<String> {
    let receipt = Receipt::parse(text).ok()?;
    let origin = Checkpoint::unverified(&receipt.checkpoint).ok()?.origin;
    trust.keys_of(&origin).spans().is_empty().then_some(origin)
}

fn not_proven((text, trust): (&str, &Trust), exchange: &str, error: &NotOurs) -> Failure {
    if let Some(origin) = unknown_log(text, trust) {
        return Failure::new(
            Exit::NotProven,
            format!("the receipt of {exchange} is of the log `{origin}`, which the trust file does not know"),
        )
        .then(
            "when the log has begun a volume, its operator gives out volume-*.tlog-proof: `shuguan verify keys FILE --trust trust.txt -o NEW` proves it from the key that \
             is trusted; no file proves the successor of a log whose end was lost (`db recover`): its operator gives out another trust.txt, whose new line is to be compared \
             with him by another way. With that in the place of the old one repeat this command: the batch is not taken twice. Until then do not count it as delivered",
        );
    }
    Failure::new(
        Exit::NotProven,
        match error {
            NotOurs::Unproven(_) => format!("the receipt of {exchange} does not verify"),
            _ => format!("the receipt of {exchange} is not that of this batch"),
        },
    )
    .because(crate::chain::Chain(error))
    .then("do not count this file as delivered; tell the gateway's operator")
}

fn read(feed: &Feed<'_>, answer: &Value) -> Result<Pushed, Failure> {
    let number = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
    let part = |name: &str| answer.get(name).cloned().unwrap_or_default();
    let exchange = answer.get("exchange").and_then(Value::as_str).ok_or_else(|| {
        Failure::new(Exit::Unreached, "the gateway's answer names no exchange").then("shuguan doctor, at the gateway")
    })?;
    Ok(Pushed {
        file: feed.file.display().to_string(),
        exchange: exchange.to_owned(),
        index: 0,
        received: number("received"),
        accepted: number("accepted"),
        rejected: number("rejected"),
        filtered: number("filtered"),
        repeated: number("repeated"),
        rejects: serde_json::from_value(part("rejects")).unwrap_or_default(),
        headers: serde_json::from_value(part("headers")).unwrap_or_default(),
        withheld: Vec::new(),
        receipt: PathBuf::new(),
        replayed: part("replayed").as_bool().unwrap_or(false),
        recalled: false,
        recalled_behind: Vec::new(),
    })
}

/// Keeps a receipt that was verified beside the file; in a drop folder with the line that ties it to the file.
fn keep(feed: &Feed<'_>, text: &str, digest: &[u8; 32], pushed: &mut Pushed) -> Result<(), Failure> {
    pushed.receipt = feed.receipt.clone().unwrap_or_else(|| {
        let folder = feed.state.or_else(|| feed.file.parent()).unwrap_or(Path::new(""));
        let mut name = feed.file.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tlog-proof", pushed.exchange));
        folder.join(name)
    });
    let line = feed.tie.map(|tie| tie.line(&pushed.exchange, digest));
    let text = [text, &line.unwrap_or_default()].concat();
    write_whole(&pushed.receipt, text.as_bytes()).map_err(|error| {
        Failure::local(format!("cannot write `{}`", pushed.receipt.display()))
            .because(error)
            .then("shuguan receipt EXCHANGE -o FILE   fetches it again")
    })
}

#[cfg(test)]
mod tests;
