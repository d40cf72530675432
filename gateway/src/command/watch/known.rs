//! Files that nothing is known of in their place, and that were delivered all the same: their state was lost, or they were moved within the folder.
//!
//! Takes such a file, its digest and what it would be sent as; gives the state under which it was delivered, written beside it. A receipt that proves something else
//! than this file, or that is tied to other content, is told and counts for nothing. One that is tied to nothing, because an older version kept it or our key was
//! changed since, counts by record type, purpose, mode and length, and is told apart: with the state the key is lost, so a repeat would not get the first
//! answer (C4) but be a batch of its own, whose old rows go over newer ones, and a snapshot's close them.

use shuguan_ledger::trust::Trust;

use crate::client::deliver::Feed;
use crate::client::outbox::{Item, beside};
use crate::client::proven::{Sent, push_of};
use crate::client::state::{PushState, state_path};
use crate::command::exit::Failure;
use crate::command::verify::read_receipt;
use crate::hex::hex;
use crate::serve::chain;

/// What is known of a file.
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// It was delivered under this exchange; how that is known.
    Delivered { exchange: String, by: &'static str },
    /// The receipt beside it is not its own.
    OtherReceipt(String),
}

/// What is known of a file without a state.
///
/// # Errors
/// When its state cannot be written.
pub(super) fn of(item: &Item, trust: &Trust, feed: &Feed<'_>, digest: &[u8; 32]) -> Result<Known, Failure> {
    if let Some(state) = moved(item, feed, &hex(digest)) {
        return delivered(item, &state, "moved");
    }
    if !item.receipt {
        return Ok(Known::Nothing);
    }
    match receipt(item, trust, feed, digest) {
        Ok((exchange, by)) => {
            let path = state_path(&item.file, None);
            let manner = feed.asked.canonical();
            let fresh = PushState::of(&path, &hex(digest), feed.record, feed.purpose, &manner, "");
            let exchange = Some(exchange);
            delivered(item, &PushState { exchange, ..fresh }, by)
        }
        Err(why) => Ok(Known::OtherReceipt(why)),
    }
}

/// The state of the file in its former place: the same content with the same moment of change, meant for the same.
fn moved(item: &Item, feed: &Feed<'_>, digest: &str) -> Option<PushState> {
    let state = PushState::load(item.moved_from.as_deref()?)?;
    let same = state.is_of(digest, feed.record, feed.purpose, &feed.asked.canonical());
    (same && state.exchange.is_some()).then_some(state)
}

/// The exchange of the receipt beside the file, when it is one of this file, and how that is known.
fn receipt(item: &Item, trust: &Trust, feed: &Feed<'_>, digest: &[u8; 32]) -> Result<(String, &'static str), String> {
    let text = read_receipt(&beside(&item.file, "ack")).map_err(|failure| failure.what)?;
    let sent = Sent {
        record: feed.record,
        purpose: feed.purpose,
        mode: feed.asked.mode.as_deref(),
        count: None,
        bytes: item.stamp.bytes,
    };
    let (_, event) = push_of(&text, trust, None, &sent).map_err(|error| chain(&error))?;
    match feed.tie.and_then(|tie| tie.judge(&text, &event.x, digest)) {
        Some(true) => Ok((event.x, "receipt")),
        None => Ok((event.x, "receipt-by-length")),
        Some(false) => Err("it is of other content of the same length".to_owned()),
    }
}

fn delivered(item: &Item, state: &PushState, by: &'static str) -> Result<Known, Failure> {
    state.save(&state_path(&item.file, None))?;
    let exchange = state.exchange.clone().unwrap_or_default();
    Ok(Known::Delivered { exchange, by })
}
