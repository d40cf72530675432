//! Files that nothing is known of in their place, and that were delivered all the same: their state was lost, or they were moved within the folder.
//!
//! Takes such a file, its digest and what it would be sent as; gives the state under which it was delivered, written beside it; one whose answer never came
//! goes on under its key, when no file of its content is left in the other place: a copy is a batch of its own. A receipt that proves something else than this
//! file, or that is tied to other content, is told and counts for nothing. One that is tied to nothing, because an older version kept it or our key was
//! changed since, counts by record type, purpose, mode and length, and is told apart: with the state the key is lost, so a repeat would not get the first
//! answer (C4) but be a batch of its own, whose old rows go over newer ones, and a snapshot's close them.

use std::path::Path;

use shuguan_ledger::trust::Trust;

use crate::chain::Chain;
use crate::client::deliver::{Feed, digest_of};
use crate::client::outbox::{Beside, Item, beside};
use crate::client::proven::{Sent, push_of};
use crate::client::state::{Open, PushState, state_path};
use crate::command::exit::Failure;
use crate::command::verify::read_receipt;
use crate::durable;
use crate::hex::hex;

/// What is known of a file.
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// It was delivered under this exchange; how that is known.
    Delivered { exchange: String, by: &'static str },
    /// The receipt beside it is not its own.
    OtherReceipt(String),
}

/// What is known of a file without a state; `open`: the states of files with its content that were sent from another place, and whose answer never came.
///
/// # Errors
/// When its state cannot be read or written.
pub(super) fn of(
    item: &Item,
    trust: &Trust,
    feed: &Feed<'_>,
    digest: &[u8; 32],
    open: &[&Path],
) -> Result<Known, Failure> {
    if let Some(state) = moved(item, feed, &hex(digest))? {
        return delivered(item, &state, "moved");
    }
    let known = match receipt(item, trust, feed, digest) {
        Ok(Some((exchange, by))) => return by_receipt(item, feed, digest, exchange, by),
        Ok(None) => Known::Nothing,
        Err(why) => Known::OtherReceipt(why),
    };
    for state in open {
        if take_over(item, feed, digest, state)? {
            break;
        }
    }
    Ok(known)
}

/// The exchange of a file whose answer never came, when the receipt beside it is tied to its content: the answer came, and was not noted.
///
/// # Errors
/// When its state cannot be read or written.
pub(super) fn unnoted(
    item: &Item,
    trust: &Trust,
    feed: &Feed<'_>,
    digest: &[u8; 32],
) -> Result<Option<Known>, Failure> {
    match receipt(item, trust, feed, digest) {
        Ok(Some((exchange, TIED))) => by_receipt(item, feed, digest, exchange, TIED).map(Some),
        _ => Ok(None),
    }
}

fn by_receipt(
    item: &Item,
    feed: &Feed<'_>,
    digest: &[u8; 32],
    exchange: String,
    by: &'static str,
) -> Result<Known, Failure> {
    let path = state_path(&item.file, None);
    let manner = feed.asked.canonical();
    let known = PushState::of(&path, &hex(digest), feed.record, feed.purpose, &manner, "")?;
    let (exchange, open) = (Some(exchange), Open::No);
    delivered(
        item,
        &PushState {
            exchange,
            open,
            ..known
        },
        by,
    )
}

/// The key of a file whose answer never came goes with it, when it is meant for the same and left its place; true: it did.
fn take_over(item: &Item, feed: &Feed<'_>, digest: &[u8; 32], open: &Path) -> Result<bool, Failure> {
    let same = |state: &PushState| state.is_of(&hex(digest), feed.record, feed.purpose, &feed.asked.canonical());
    let state = PushState::load(open)?.filter(|state| state.is_open() && same(state));
    let left = open.with_extension("");
    if state.is_none() || digest_of(&left).is_ok_and(|there| there == *digest) {
        return Ok(false);
    }
    durable::rename(open, &state_path(&item.file, None))
        .map_err(|error| Failure::local(format!("cannot rename `{}`", open.display())).because(error))?;
    Ok(true)
}

/// The state of the file in its former place: the same content with the same moment of change, meant for the same.
fn moved(item: &Item, feed: &Feed<'_>, digest: &str) -> Result<Option<PushState>, Failure> {
    let state = match &item.moved_from {
        Some(from) => PushState::load(from)?,
        None => None,
    };
    let same = |state: &PushState| state.is_of(digest, feed.record, feed.purpose, &feed.asked.canonical());
    Ok(state.filter(|state| state.exchange.is_some() && same(state)))
}

/// It is tied to the content.
const TIED: &str = "receipt";
/// It is tied to nothing, and of the same length.
const BY_LENGTH: &str = "receipt-by-length";

/// The exchange of the receipt beside the file, when it is one of this file, and how that is known. One that is older than the file counts only when it is tied to
/// its content, and else is that of a file that had the name before.
fn receipt(
    item: &Item,
    trust: &Trust,
    feed: &Feed<'_>,
    digest: &[u8; 32],
) -> Result<Option<(String, &'static str)>, String> {
    let is_newer = match item.receipt {
        Beside::Nothing => return Ok(None),
        Beside::Older => false,
        Beside::Newer => true,
    };
    let found = of_this_file(item, trust, feed, digest);
    match found {
        Ok((exchange, Some(true))) => Ok(Some((exchange, TIED))),
        _ if !is_newer => Ok(None),
        Ok((exchange, None)) => Ok(Some((exchange, BY_LENGTH))),
        Ok((_, Some(false))) => Err("it is of other content of the same length".to_owned()),
        Err(why) => Err(why),
    }
}

/// The exchange of a receipt that fits the file, and what its last line says of the content.
fn of_this_file(
    item: &Item,
    trust: &Trust,
    feed: &Feed<'_>,
    digest: &[u8; 32],
) -> Result<(String, Option<bool>), String> {
    let text = read_receipt(&beside(&item.file, "ack")).map_err(|failure| failure.what)?;
    let sent = Sent {
        record: feed.record,
        purpose: feed.purpose,
        mode: feed.asked.mode.as_deref(),
        count: None,
        bytes: item.stamp.bytes,
    };
    let (_, event) = push_of(&text, trust, None, &sent).map_err(|error| Chain(&error).to_string())?;
    let judged = feed.tie.and_then(|tie| tie.judge(&text, &event.x, digest));
    Ok((event.x, judged))
}

fn delivered(item: &Item, state: &PushState, by: &'static str) -> Result<Known, Failure> {
    state.save(&state_path(&item.file, None))?;
    let exchange = state.exchange.clone().unwrap_or_default();
    Ok(Known::Delivered { exchange, by })
}
