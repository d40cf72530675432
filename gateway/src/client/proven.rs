//! Whether a receipt is that of what we sent: an answer counts as far as the leaf of its receipt says the same.
//!
//! Takes a receipt, a trust file and what was sent or asked for; gives the leaf of the push or the extract. Refuses what does not verify, a leaf of another kind or
//! exchange, and one of another record type or dataset, purpose, mode, count, form or length. The content itself is in no member of a leaf in clear: that it is these bytes
//! shows only by their number.

use shuguan_ledger::leaf::{Event, PullEvent, PushEvent};
use shuguan_ledger::receipt::{Proven, Receipt, ReceiptError};
use shuguan_ledger::tree::Hash;
use shuguan_ledger::trust::Trust;

/// What was sent, as far as a leaf repeats it.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// Record type.
    pub record: &'a str,
    /// Purpose.
    pub purpose: &'a str,
    /// `delta` or `snapshot`; none: upsert.
    pub mode: Option<&'a str>,
    /// Rows that the sender counted; none where that is not compared.
    pub count: Option<u64>,
    /// Length of the file.
    pub bytes: u64,
}

/// What was asked for and received, as far as a leaf repeats it.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Exchange id.
    pub exchange: &'a str,
    /// Dataset.
    pub dataset: &'a str,
    /// Purpose.
    pub purpose: &'a str,
    /// `ndjson` or `csv`.
    pub form: &'a str,
    /// Length of the content.
    pub bytes: u64,
}

/// Why a receipt is not that of what was sent.
#[derive(Debug, thiserror::Error)]
pub enum NotOurs {
    /// It proves nothing.
    #[error(transparent)]
    Unproven(#[from] ReceiptError),
    /// It proves something else than a push or an extract.
    #[error("it proves an entry of the kind `{0}`, and not a `{1}`")]
    Kind(&'static str, &'static str),
    /// It is of another exchange.
    #[error("it is of the exchange {0}")]
    Exchange(String),
    /// The leaf says otherwise than we sent, or than the answer says.
    #[error("its leaf says {member} {sealed}, and not {ours}")]
    Differs {
        /// What of it.
        member: &'static str,
        /// As the leaf says.
        sealed: String,
        /// As we know it.
        ours: String,
    },
}

/// The push that a receipt proves, when it is that of what was sent: under this exchange, when one is known.
///
/// # Errors
/// See [`NotOurs`].
pub fn push_of(
    text: &str,
    trust: &Trust,
    exchange: Option<&str>,
    sent: &Sent<'_>,
) -> Result<(u64, PushEvent), NotOurs> {
    let Proven { leaf, index, .. } = Receipt::parse(text)?.verify(trust)?;
    let kind = leaf.event.kind();
    let Event::Push(event) = leaf.event else {
        return Err(NotOurs::Kind(kind, "push"));
    };
    if exchange.is_some_and(|exchange| exchange != event.x) {
        return Err(NotOurs::Exchange(event.x));
    }
    same("the record type", &event.rec, sent.record)?;
    same("the purpose", &event.pur, sent.purpose)?;
    let mode = |mode: Option<&str>| mode.unwrap_or("upsert").to_owned();
    same("the mode", mode(event.mode.as_deref()), mode(sent.mode))?;
    if let Some(count) = sent.count {
        same("the count", event.cnt.unwrap_or(0), count)?;
    }
    same("the length", event.bytes, sent.bytes)?;
    Ok((index, event))
}

/// The extract that a receipt proves, and the hash of its leaf, when it is that of what was received.
///
/// # Errors
/// See [`NotOurs`].
pub fn extract_of(text: &str, trust: &Trust, received: &Received<'_>) -> Result<(Hash, PullEvent), NotOurs> {
    let Proven { leaf, leaf_hash, .. } = Receipt::parse(text)?.verify(trust)?;
    let kind = leaf.event.kind();
    let Event::Pull(event) = leaf.event else {
        return Err(NotOurs::Kind(kind, "pull"));
    };
    if received.exchange != event.x {
        return Err(NotOurs::Exchange(event.x));
    }
    same("the dataset", &event.ds, received.dataset)?;
    same("the purpose", &event.pur, received.purpose)?;
    same("the form", &event.fmt, received.form)?;
    same("the length", event.bytes, received.bytes)?;
    Ok((leaf_hash, event))
}

/// Refuses a leaf that says otherwise.
///
/// # Errors
/// [`NotOurs::Differs`].
pub fn same<S: PartialEq<O> + ToString, O: ToString>(member: &'static str, sealed: S, ours: O) -> Result<(), NotOurs> {
    if sealed == ours {
        return Ok(());
    }
    Err(NotOurs::Differs {
        member,
        sealed: sealed.to_string(),
        ours: ours.to_string(),
    })
}

#[cfg(test)]
pub(crate) mod tests;
