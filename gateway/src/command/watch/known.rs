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
use crate::client::declared::Declared;
use crate::client::deliver::digest_of;
use crate::client::outbox::{Beside, Item, beside};
use crate::client::place::Place;
use crate::client::proven::{Sent, push_of};
use crate::client::state::{PushState, Standing};
use crate::command::exit::Failure;
use crate::command::verify::read_receipt;

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
    declared: &Declared<'_>,
    place: &mut Place,
    open: &[&Path],
) -> Result<Known, Failure> {
    if let Some(state) = moved(item, declared)? {
        return delivered(place, state, "moved");
    }
    let known = match receipt(item, trust, declared) {
        Ok(Some((exchange, by))) => return by_receipt(declared, place, exchange, by),
        Ok(None) => Known::Nothing,
        Err(why) => Known::OtherReceipt(why),
    };
    for state in open {
        if take_over(declared, place, state)? {
            break;
        }
    }
    Ok(known)
}

/// The exchange of a file whose answer never came, when the receipt beside it is tied to its content: the answer came, and was not noted.
///
/// # Errors
/// When its state cannot be written.
pub(super) fn unnoted(
    item: &Item,
    trust: &Trust,
    declared: &Declared<'_>,
    place: &mut Place,
) -> Result<Option<Known>, Failure> {
    match receipt(item, trust, declared) {
        Ok(Some((exchange, TIED))) => by_receipt(declared, place, exchange, TIED).map(Some),
        _ => Ok(None),
    }
}

fn by_receipt(
    declared: &Declared<'_>,
    place: &mut Place,
    exchange: String,
    by: &'static str,
) -> Result<Known, Failure> {
    let there = place.there().filter(|there| there.batch().is(&declared.stated()));
    let state = there.cloned().unwrap_or_else(|| PushState::new(&declared.stated()));
    let standing = Standing::Answered(exchange);
    delivered(place, PushState { standing, ..state }, by)
}

/// The key of a file whose answer never came goes with it, when it is meant for the same and left its place; true: it did.
fn take_over(declared: &Declared<'_>, place: &mut Place, open: &Path) -> Result<bool, Failure> {
    let same = |state: &PushState| state.is_open() && state.batch().is(&declared.stated());
    let Some(state) = PushState::load(open)?.filter(same) else {
        return Ok(false);
    };
    let left = open.with_extension("");
    if digest_of(&left).is_ok_and(|there| there == declared.digest) {
        return Ok(false);
    }
    place.bring(open, state)?;
    Ok(true)
}

/// The state of the file in its former place: the same content with the same moment of change, meant for the same.
fn moved(item: &Item, declared: &Declared<'_>) -> Result<Option<PushState>, Failure> {
    let state = match &item.moved_from {
        Some(from) => PushState::load(from)?,
        None => None,
    };
    Ok(state.filter(|state| state.exchange().is_some() && state.batch().is(&declared.stated())))
}

/// It is tied to the content.
const TIED: &str = "receipt";
/// It is tied to nothing, and of the same length.
const BY_LENGTH: &str = "receipt-by-length";

/// The exchange of the receipt beside the file, when it is one of this file, and how that is known. One that is older than the file counts only when it is tied to
/// its content, and else is that of a file that had the name before.
fn receipt(item: &Item, trust: &Trust, declared: &Declared<'_>) -> Result<Option<(String, &'static str)>, String> {
    let is_newer = match item.receipt {
        Beside::Nothing => return Ok(None),
        Beside::Older => false,
        Beside::Newer => true,
    };
    let found = of_this_file(item, trust, declared);
    match found {
        Ok((exchange, Some(true))) => Ok(Some((exchange, TIED))),
        _ if !is_newer => Ok(None),
        Ok((exchange, None)) => Ok(Some((exchange, BY_LENGTH))),
        Ok((_, Some(false))) => Err("it is of other content of the same length".to_owned()),
        Err(why) => Err(why),
    }
}

/// The exchange of a receipt that fits the file, and what its last line says of the content.
fn of_this_file(item: &Item, trust: &Trust, declared: &Declared<'_>) -> Result<(String, Option<bool>), String> {
    let feed = &declared.feed;
    let text = read_receipt(&beside(&item.file, "ack")).map_err(|failure| failure.what)?;
    let sent = Sent {
        record: feed.record,
        purpose: feed.purpose,
        mode: feed.asked.mode.as_deref(),
        count: None,
        bytes: item.stamp.bytes,
    };
    let (_, event) = push_of(&text, trust, None, &sent).map_err(|error| Chain(&error).to_string())?;
    let judged = feed.tie.and_then(|tie| tie.judge(&text, &event.x, &declared.digest));
    Ok((event.x, judged))
}

fn delivered(place: &mut Place, state: PushState, by: &'static str) -> Result<Known, Failure> {
    let exchange = state.exchange().unwrap_or_default().to_owned();
    place.keep(state)?;
    Ok(Known::Delivered { exchange, by })
}
