//! Leaves: what the log says about one event.
//!
//! Takes a typed event; gives its canonical bytes (RFC 8785: members sorted, no blanks, no floats, no null, integers below 2^53). Refuses
//! bytes that are not their own canonical form or hold a member that their kind does not have. Leaves hold ids, codes, counts and keyed
//! commitments; never a name, an id number, free text, or a plain digest of content (C6).
//!
//! | Member | Meaning |
//! |---|---|
//! | `v` | `shuguan.leaf.v1` |
//! | `k` | kind, see [`Event`] |
//! | `t` | UTC with microseconds, never decreasing in a log |
//! | `clk` | only where `t` is more than 2 s ahead of the clock, because the log's time never decreases: what the clock said, UTC with microseconds |
//! | `n`, `b` | node and boot id |
//! | `pn` | of an exchange of a partner: which one of his it is in this log, from 1 without a gap |
//! | `ev` | commitment to the evidence record, whatever it holds beside what other members commit to |
//! | `s:…` | SHA-256 of something public or salted, base64url |
//! | `c:…` | commitment: HMAC-SHA-256 under a salt that the evidence record holds, base64url |

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use crate::time;
use crate::tree::Hash;

mod canonical;
mod event;

use canonical::{Member as _, Members};
pub use event::{
    AbortedEvent, CertificateEvent, ClockEvent, CompareEvent, ConfigEvent, ErasedEvent, Event, FullEvent, KeyEvent,
    LogCloseEvent, LogGapEvent, LogOpenEvent, OfficerQueryEvent, OfficerResultEvent, OfficerUnsealEvent, OperatorEvent,
    PolicyEvent, PullEvent, PushEvent, RecallEvent, RecalledEvent, ReceiptAckEvent, RefusalEvent, RelayedEvent,
    SetAsideEvent, ShredEvent, StartEvent, StopEvent, TicketAnswerEvent, TicketEvent, WitnessGapEvent,
};

/// Longest leaf, bytes.
pub const LEAF_BYTES_MAX: usize = 4 * 1024;
/// Value of `v`.
pub const VERSION: &str = "shuguan.leaf.v1";

/// Why bytes are not a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Not JSON, not its canonical form (RFC 8785), or of a type that leaves do not have.
    #[error("not in canonical form at byte {0}")]
    NotCanonical(usize),
    /// Of another version, or of a kind that this version does not have.
    #[error("not a leaf of a known version and kind")]
    Kind,
    /// A member is missing, or its value is of another type or form.
    #[error("the member `{0}` is missing or has another form")]
    Member(&'static str),
    /// A member that its kind does not have.
    #[error("it holds a member that its kind does not have")]
    UnknownMember,
    /// Larger than [`LEAF_BYTES_MAX`].
    #[error("longer than {LEAF_BYTES_MAX} bytes")]
    TooLong,
    /// A number above 2^53 − 1, which JSON readers may round.
    #[error("an integer is too large for JSON")]
    TooLarge,
}

/// SHA-256 of something public or already salted; `s:` and 43 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(pub Hash);

/// A keyed commitment; `c:` and 43 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Commitment(pub Hash);

/// Reads 43 characters of base64url. The decoder refuses padding and stray last bits, so each hash has one spelling.
fn read_hash(text: &str, prefix: &str) -> Option<Hash> {
    let mut buffer = [0; 36];
    let length = BASE64URL.decode_slice(text.strip_prefix(prefix)?, &mut buffer).ok()?;
    buffer.get(..length)?.try_into().ok()
}

impl Digest {
    fn parse(text: &str) -> Option<Self> {
        read_hash(text, "s:").map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "s:{}", BASE64URL.encode(self.0))
    }
}

impl Commitment {
    fn parse(text: &str) -> Option<Self> {
        read_hash(text, "c:").map(Self)
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "c:{}", BASE64URL.encode(self.0))
    }
}

/// One leaf: an event with its moment and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Microseconds since 1970, UTC.
    pub t: i64,
    /// When it was sealed, where that is before `t`: an entry before it was sealed by a clock that was ahead.
    pub clk: Option<i64>,
    /// Node.
    pub n: String,
    /// Boot id: one a start of the process.
    pub b: String,
    /// Of an exchange of a partner ([`Event::counts_for`]): its number among his in this log and the volumes before it, from 1 without a gap. Who has the receipts of some sees
    /// which others there are. None: of another kind, or sealed by a version that did not count.
    pub pn: Option<u64>,
    /// Commitment to the evidence record. None: there is no record, or it was sealed by a version that did not commit to it.
    pub ev: Option<Commitment>,
    /// What happened.
    pub event: Event,
}

/// Another leaf that this one refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its index.
    pub i: u64,
    /// Its leaf hash.
    pub h: Digest,
}

impl Leaf {
    /// A leaf of an event that no partner's number and no evidence record belongs to.
    pub fn new(t: i64, n: &str, b: &str, event: Event) -> Self {
        Self {
            t,
            clk: None,
            n: n.into(),
            b: b.into(),
            pn: None,
            ev: None,
            event,
        }
    }

    /// When it was sealed, as the gateway knew it then: `clk`, else `t`.
    pub fn when(&self) -> i64 {
        self.clk.unwrap_or(self.t)
    }

    /// The canonical bytes.
    ///
    /// # Errors
    /// [`LeafError::TooLong`], [`LeafError::TooLarge`].
    pub fn encode(&self) -> Result<Vec<u8>, LeafError> {
        let mut members = Members::default();
        members.text("v", VERSION);
        members.text("k", self.event.kind());
        members.text("t", time::format(self.t));
        if let Some(clk) = self.clk {
            members.text("clk", time::format(clk));
        }
        self.n.put("n", &mut members);
        self.b.put("b", &mut members);
        self.pn.put("pn", &mut members);
        self.ev.put("ev", &mut members);
        self.event.put(&mut members);
        let bytes = members.write()?;
        if bytes.len() > LEAF_BYTES_MAX {
            return Err(LeafError::TooLong);
        }
        Ok(bytes)
    }

    /// Reads bytes that [`Leaf::encode`] could have written.
    ///
    /// # Errors
    /// See [`LeafError`]. A repeated, unknown or missing member, another order, a blank, another spelling: all are refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, LeafError> {
        if bytes.len() > LEAF_BYTES_MAX {
            return Err(LeafError::TooLong);
        }
        let mut members = Members::read(bytes)?;
        if members.take_text("v").as_deref() != Some(VERSION) {
            return Err(LeafError::Kind);
        }
        let kind = members.take_text("k").ok_or(LeafError::Kind)?;
        let moment = members.take_text("t").and_then(|text| time::parse(&text));
        let t = moment.ok_or(LeafError::Member("t"))?;
        // It says something only where it is another time.
        let clk = members
            .take_text("clk")
            .map(|text| time::parse(&text).filter(|clk| *clk < t));
        let leaf = Self {
            t,
            clk: clk.map(|clk| clk.ok_or(LeafError::Member("clk"))).transpose()?,
            n: String::take("n", &mut members)?,
            b: String::take("b", &mut members)?,
            pn: canonical::Member::take("pn", &mut members)?,
            ev: canonical::Member::take("ev", &mut members)?,
            event: Event::take(&kind, &mut members)?,
        };
        if !members.is_empty() {
            return Err(LeafError::UnknownMember);
        }
        Ok(leaf)
    }
}

#[cfg(test)]
mod tests;
