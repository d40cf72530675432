//! Leaves: what the log says about one event.
//!
//! Takes a typed event; gives its canonical bytes (RFC 8785: members sorted, no blanks, no floats, no null, integers below 2^53). Refuses
//! bytes that are not their own canonical form or hold a member that is not listed here. Leaves hold ids, codes, counts and keyed
//! commitments; never a name, an id number, free text, or a plain digest of content (C6).
//!
//! | Member | Meaning |
//! |---|---|
//! | `v` | `shuguan.leaf.v1` |
//! | `k` | kind, see [`Event`] |
//! | `t` | UTC with microseconds, never decreasing in a log |
//! | `n`, `b` | node and boot id |
//! | `s:…` | SHA-256 of something public or salted, base64url |
//! | `c:…` | commitment: HMAC-SHA-256 under a salt that the evidence record holds, base64url |

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time;
use crate::tree::Hash;

/// Longest leaf, bytes.
pub const LEAF_BYTES_MAX: usize = 4 * 1024;
/// Value of `v`.
pub const VERSION: &str = "shuguan.leaf.v1";
/// Largest integer that every JSON reader keeps exact.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Why bytes are not a leaf.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// Not JSON of a known kind.
    #[error("not a leaf of a known kind")]
    Malformed(#[source] serde_json::Error),
    /// JSON of a known kind, but not its canonical form.
    #[error("not in canonical form")]
    NotCanonical,
    /// Larger than [`LEAF_BYTES_MAX`].
    #[error("longer than {LEAF_BYTES_MAX} bytes")]
    TooLong,
    /// A number outside ±(2^53 − 1).
    #[error("an integer is too large for JSON")]
    TooLarge,
}

/// SHA-256 of something public or already salted; `s:` and 43 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(pub Hash);

/// A keyed commitment; `c:` and 43 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Commitment(pub Hash);

fn read_hash<'de, D: Deserializer<'de>>(deserializer: D, prefix: &str) -> Result<Hash, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.strip_prefix(prefix)
        .and_then(|encoded| BASE64URL.decode(encoded).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| D::Error::custom("not a hash"))
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("s:{}", BASE64URL.encode(self.0)))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_hash(deserializer, "s:").map(Self)
    }
}

impl Serialize for Commitment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("c:{}", BASE64URL.encode(self.0)))
    }
}

impl<'de> Deserialize<'de> for Commitment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_hash(deserializer, "c:").map(Self)
    }
}

/// One leaf: an event with its moment and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Microseconds since 1970, UTC.
    pub t: i64,
    /// Node.
    pub n: String,
    /// Boot id: one a start of the process.
    pub b: String,
    /// What happened.
    pub event: Event,
}

/// Another leaf that this one refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Its index.
    pub i: u64,
    /// Its leaf hash.
    pub h: Digest,
}

/// What happened. The kind is the member `k`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "k", rename_all = "kebab-case")]
pub enum Event {
    /// A batch was accepted.
    Push(PushEvent),
    /// An extract is complete; no byte of it was offered before.
    Pull(PullEvent),
    /// A caller was refused.
    Refusal(RefusalEvent),
    /// The relay put a batch into the registry.
    Relayed(RelayedEvent),
    /// An officer asked; the leaf is older than the answer.
    OfficerQuery(OfficerQueryEvent),
    /// The node started.
    Start(StartEvent),
    /// The node stopped.
    Stop(StopEvent),
    /// An act of the certificate authority.
    Certificate(CertificateEvent),
    /// A payload and its key were deleted.
    Erased(ErasedEvent),
}

/// See [`Event::Push`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushEvent {
    /// Exchange id.
    pub x: String,
    /// Partner.
    pub p: String,
    /// SHA-256 of the partner's certificate.
    pub cert: Digest,
    /// Record type.
    pub rec: String,
    /// Purpose.
    pub pur: String,
    /// Agreement.
    pub agr: String,
    /// Plan hash.
    pub plan: Digest,
    /// Bundle hash.
    pub bun: Digest,
    /// Format and encoding, e.g. `csv+gb18030`.
    pub fmt: String,
    /// Rows received.
    pub r#in: u64,
    /// Rows accepted.
    pub ok: u64,
    /// Rows rejected.
    pub rej: u64,
    /// Rows that the grant's row filter held back.
    pub fil: u64,
    /// Rows that repeated another row of their part.
    pub rep: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Root over the commitments of the released columns.
    pub cols: Digest,
    /// Number of released columns.
    pub nc: u64,
    /// Commitment to the request: body digest, target, purpose.
    pub req: Commitment,
}

/// See [`Event::Pull`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullEvent {
    /// Exchange id.
    pub x: String,
    /// Partner.
    pub p: String,
    /// SHA-256 of the partner's certificate.
    pub cert: Digest,
    /// Dataset.
    pub ds: String,
    /// Purpose.
    pub pur: String,
    /// Agreement.
    pub agr: String,
    /// Plan hash.
    pub plan: Digest,
    /// Bundle hash.
    pub bun: Digest,
    /// Form of the content: `ndjson` or `csv`.
    pub fmt: String,
    /// Rows in the content.
    pub rows: u64,
    /// Rows that the grant's row filter held back.
    pub fil: u64,
    /// Bytes of the content.
    pub bytes: u64,
    /// Root over the commitments of the columns.
    pub cols: Digest,
    /// Commitment to the SHA-256 of the content.
    pub out: Commitment,
    /// Number of columns.
    pub nc: u64,
    /// Commitment to the selection.
    pub sel: Commitment,
    /// Commitment to the case number.
    pub case: Commitment,
}

/// See [`Event::Refusal`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalEvent {
    /// Exchange id, when there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub x: Option<String>,
    /// Partner; `-` before an identity was known.
    pub p: String,
    /// Slug of the refusal.
    pub code: String,
    /// Station that refused.
    pub at: String,
    /// Record type, when it is one that exists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rec: Option<String>,
    /// Dataset, when it is one that exists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ds: Option<String>,
    /// Purpose, when it is one that exists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pur: Option<String>,
    /// Bundle hash.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bun: Option<Digest>,
    /// How many, when one leaf stands for several.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cnt: Option<u64>,
}

/// See [`Event::Relayed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayedEvent {
    /// Exchange id.
    pub x: String,
    /// Leaf of the push.
    pub of: Reference,
    /// Rows inserted.
    pub ins: u64,
    /// Rows updated.
    pub upd: u64,
    /// Rows that the registry already had so, or newer.
    pub same: u64,
    /// Rows that the registry refused.
    pub fail: u64,
    /// Parts.
    pub batch: u64,
    /// Milliseconds from the first part to the last commit.
    pub ms: u64,
}

/// See [`Event::OfficerQuery`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfficerQueryEvent {
    /// The officer's partner id, in clear on purpose.
    pub who: String,
    /// Commitment to the case number.
    pub case: Commitment,
    /// Reason code.
    pub why: String,
    /// What was asked: `search`, `show`, `export`.
    pub q: String,
    /// Commitment to the arguments.
    pub arg: Commitment,
}

/// See [`Event::Start`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartEvent {
    /// Version of the program.
    pub version: String,
    /// Leaves found at the start.
    pub size: u64,
}

/// See [`Event::Stop`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopEvent {
    /// Reason code.
    pub reason: String,
}

/// See [`Event::Certificate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateEvent {
    /// `issued`, `renewed`, `revoked` or `crl`.
    pub act: String,
    /// Partner; `-` for a revocation list.
    pub p: String,
    /// Serial number, hex.
    pub serial: String,
    /// When the authority did it, as it says.
    pub at: String,
}

/// See [`Event::Erased`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedEvent {
    /// Exchange id.
    pub x: String,
    /// Leaf of the push.
    pub of: Reference,
}

impl Event {
    /// The kind as it stands in `k`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Push(_) => "push",
            Self::Pull(_) => "pull",
            Self::Refusal(_) => "refusal",
            Self::Relayed(_) => "relayed",
            Self::OfficerQuery(_) => "officer-query",
            Self::Start(_) => "start",
            Self::Stop(_) => "stop",
            Self::Certificate(_) => "certificate",
            Self::Erased(_) => "erased",
        }
    }

    /// The exchange it belongs to.
    pub fn exchange(&self) -> Option<&str> {
        match self {
            Self::Push(event) => Some(&event.x),
            Self::Pull(event) => Some(&event.x),
            Self::Refusal(event) => event.x.as_deref(),
            Self::Relayed(event) => Some(&event.x),
            Self::Erased(event) => Some(&event.x),
            Self::OfficerQuery(_) | Self::Start(_) | Self::Stop(_) | Self::Certificate(_) => None,
        }
    }

    /// The partner or officer it is about.
    pub fn partner(&self) -> Option<&str> {
        match self {
            Self::Push(event) => Some(&event.p),
            Self::Pull(event) => Some(&event.p),
            Self::Refusal(event) => Some(&event.p),
            Self::OfficerQuery(event) => Some(&event.who),
            Self::Certificate(event) => Some(&event.p),
            Self::Relayed(_) | Self::Start(_) | Self::Stop(_) | Self::Erased(_) => None,
        }
    }
}

impl Leaf {
    /// The canonical bytes.
    ///
    /// # Errors
    /// [`LeafError::TooLong`], [`LeafError::TooLarge`].
    pub fn encode(&self) -> Result<Vec<u8>, LeafError> {
        // serde_json's map sorts by bytes, which for ASCII names is the order of RFC 8785; its string escapes are the same.
        let mut value = serde_json::to_value(&self.event).map_err(LeafError::Malformed)?;
        if let serde_json::Value::Object(members) = &mut value {
            members.insert("v".into(), VERSION.into());
            members.insert("t".into(), time::format(self.t).into());
            members.insert("n".into(), self.n.as_str().into());
            members.insert("b".into(), self.b.as_str().into());
        }
        if !fits(&value) {
            return Err(LeafError::TooLarge);
        }
        let bytes = serde_json::to_vec(&value).map_err(LeafError::Malformed)?;
        if bytes.len() > LEAF_BYTES_MAX {
            return Err(LeafError::TooLong);
        }
        Ok(bytes)
    }

    /// Reads bytes that [`Leaf::encode`] could have written.
    ///
    /// # Errors
    /// See [`LeafError`]. A repeated, unknown or missing member, another order, a blank: all are refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, LeafError> {
        #[derive(Deserialize)]
        struct Common {
            v: String,
            t: String,
            n: String,
            b: String,
        }
        if bytes.len() > LEAF_BYTES_MAX {
            return Err(LeafError::TooLong);
        }
        let common: Common = serde_json::from_slice(bytes).map_err(LeafError::Malformed)?;
        let event: Event = serde_json::from_slice(bytes).map_err(LeafError::Malformed)?;
        let leaf = Self {
            t: time::parse(&common.t).ok_or(LeafError::NotCanonical)?,
            n: common.n,
            b: common.b,
            event,
        };
        if common.v != VERSION || leaf.encode()? != bytes {
            return Err(LeafError::NotCanonical);
        }
        Ok(leaf)
    }
}

fn fits(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => number.as_u64().is_some_and(|n| n <= INTEGER_MAX),
        serde_json::Value::Array(items) => items.iter().all(fits),
        serde_json::Value::Object(members) => members.values().all(fits),
        serde_json::Value::Null => false,
        serde_json::Value::Bool(_) | serde_json::Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::*;

    fn relayed(rows: u64) -> Leaf {
        Leaf {
            t: 1_732_354_973_000_053,
            n: "gw1".into(),
            b: "7f3a".into(),
            event: Event::Relayed(RelayedEvent {
                x: "0193".into(),
                of: Reference {
                    i: 12_345,
                    h: Digest([7; 32]),
                },
                ins: rows,
                upd: 76,
                same: 900,
                fail: 0,
                batch: 1,
                ms: 61,
            }),
        }
    }

    #[test]
    fn a_leaf_is_written_with_sorted_members_and_no_blanks() {
        let text = String::from_utf8(relayed(4012).encode().unwrap()).unwrap();
        assert!(text.starts_with(
            r#"{"b":"7f3a","batch":1,"fail":0,"ins":4012,"k":"relayed","ms":61,"n":"gw1","of":{"h":"s:BwcH"#
        ));
        assert!(text.ends_with(r#""t":"2024-11-23T09:42:53.000053Z","upd":76,"v":"shuguan.leaf.v1","x":"0193"}"#));
        assert_eq!(Leaf::decode(text.as_bytes()).unwrap(), relayed(4012));
    }

    #[test]
    fn other_forms_of_the_same_leaf_are_refused() {
        let text = String::from_utf8(relayed(1).encode().unwrap()).unwrap();
        for changed in [
            text.replace(",\"batch\"", ", \"batch\""),
            text.replace("\"ms\":61", "\"ms\":6.1e1"),
            text.replace("\"ms\":61", "\"ms\":61,\"ms\":61"),
            text.replace("\"ms\":61", "\"ms\":61,\"mt\":1"),
            text.replace("gw1", "gw\\u0031"),
            text.replace("leaf.v1", "leaf.v2"),
            format!("{text} "),
        ] {
            assert!(Leaf::decode(changed.as_bytes()).is_err(), "{changed}");
        }
    }

    #[test]
    fn a_number_that_json_readers_would_round_is_refused() {
        assert!(matches!(relayed(1 << 53).encode(), Err(LeafError::TooLarge)));
        assert!(relayed((1 << 53) - 1).encode().is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_what_encodes_to_them_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(leaf) = Leaf::decode(&bytes) {
                prop_assert_eq!(leaf.encode().unwrap(), bytes);
            }
        }

        #[test]
        fn a_refusal_survives_its_own_bytes(code in "[a-z-]{1,20}", rec in proptest::option::of("[a-z/]{1,20}"), cnt in proptest::option::of(0_u64..1 << 50)) {
            let leaf = Leaf {
                t: 0, n: "n".into(), b: "b".into(),
                event: Event::Refusal(RefusalEvent { x: None, p: "-".into(), code, at: "peer".into(), rec, ds: None, pur: None, bun: None, cnt }),
            };
            prop_assert_eq!(Leaf::decode(&leaf.encode().unwrap()).unwrap(), leaf);
        }
    }
}
