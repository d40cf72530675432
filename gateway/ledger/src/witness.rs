//! The witness protocol (C2SP tlog-witness): what a log asks of a witness, and what a witness must answer.
//!
//! Takes the body of `add-checkpoint` and the newest checkpoint that was stored for that log; gives the checkpoint to store and cosign.
//! Refuses everything that is not a proved continuation. Knows no network, no store and no clock: whoever serves it must check and store
//! in one durable transaction before he answers.
//!
//! ```text
//! old <size>
//! <base64 hash>         up to 63 lines, the consistency proof
//!
//! <signed checkpoint>
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA256, digest};

use crate::checkpoint::Checkpoint;
use crate::keys::{KeySpan, open_at};
use crate::note::{NOTE_BYTES_MAX, NoteError};
use crate::tree::{Hash, empty_root, verify_consistency};
use crate::trust::Untrusted;

/// Most lines of a consistency proof.
pub const PROOF_LINES_MAX: usize = 63;
/// Longest body of a request, bytes: a number, 63 hashes of 45 bytes, a note.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 4 * 1024;
/// Media type of the size that a 409 carries.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// A request that was read; nothing of it is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the newest checkpoint that the log believes the witness has.
    pub old: u64,
    /// Proof that the tree of that size is a prefix of the new one.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// Why a witness signs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// 400: not of the form that the specification demands.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// 400: the old size is above the new one.
    #[error("the old size is above the checkpoint's")]
    OldAboveNew,
    /// 404: no such log is known here.
    #[error("the origin is not known here")]
    UnknownOrigin,
    /// 403: no known key of that log signed it, or only one that does not sign this size, or a line of a known key does not verify.
    #[error("no key of this log that is known here signed it")]
    Unsigned,
    /// 409: the old size is not the stored one.
    #[error("the stored checkpoint has {stored} entries")]
    Conflict {
        /// Size of the stored checkpoint, 0 for none.
        stored: u64,
    },
    /// 422: the new tree is not proved to continue the stored one. That says nothing about the log: anybody can send its checkpoint with
    /// hashes that prove nothing.
    #[error("the proof does not lead from the stored checkpoint to this one")]
    Inconsistent,
    /// 422: the log signed another tree of the very size that is stored. No proof could lead there: the two checkpoints prove a fork.
    #[error("the log signed another root for as many entries as are stored")]
    Forked,
}

impl Refused {
    /// The HTTP status that the specification gives it.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed(_) | Self::OldAboveNew => 400,
            Self::Unsigned => 403,
            Self::UnknownOrigin => 404,
            Self::Conflict { .. } => 409,
            Self::Inconsistent | Self::Forked => 422,
        }
    }
}

impl AddCheckpoint {
    /// The body.
    pub fn encode(&self) -> String {
        let mut body = format!("old {}\n", self.old);
        for hash in &self.proof {
            body.push_str(&BASE64.encode(hash));
            body.push('\n');
        }
        body.push('\n');
        body.push_str(&self.checkpoint);
        body
    }

    /// Reads what [`AddCheckpoint::encode`] writes, and no other spelling of it.
    ///
    /// # Errors
    /// [`Refused::Malformed`].
    pub fn parse(body: &[u8]) -> Result<Self, Refused> {
        use Refused::Malformed;
        if body.len() > REQUEST_BYTES_MAX {
            return Err(Malformed("it is too long"));
        }
        let body = std::str::from_utf8(body).map_err(|_| Malformed("it is not UTF-8"))?;
        let (head, checkpoint) = body
            .split_once("\n\n")
            .filter(|(_, checkpoint)| !checkpoint.is_empty())
            .ok_or(Malformed("it has no checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(size)
            .ok_or(Malformed("its first line is not `old <size>`"))?;
        let proof: Vec<&str> = lines.collect();
        if proof.len() > PROOF_LINES_MAX {
            return Err(Malformed("its proof has more than 63 lines"));
        }
        let proof = proof
            .iter()
            .map(|line| BASE64.decode(line).ok().and_then(|hash| hash.try_into().ok()))
            .collect::<Option<Vec<Hash>>>()
            .ok_or(Malformed("a line of its proof is not a hash"))?;
        Ok(Self {
            old,
            proof,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// The origin that the checkpoint claims, for finding the keys and the stored checkpoint; nothing of it is proved.
    pub fn origin(&self) -> &str {
        self.checkpoint.split('\n').next().unwrap_or_default()
    }

    /// Whether the witness may store and cosign it: `keys` are those of the log that [`AddCheckpoint::origin`] names, none when it is not
    /// known; `stored` is the newest checkpoint that was cosigned for it.
    ///
    /// # Errors
    /// See [`Refused`], in the order of the specification: 404, 403, 400, 409, 422.
    pub fn judge(&self, keys: &[KeySpan], stored: Option<&Checkpoint>) -> Result<Checkpoint, Refused> {
        let origin = self.origin();
        if !keys.iter().any(|span| span.key().name() == origin) {
            return Err(Refused::UnknownOrigin);
        }
        let opened = open_at(&self.checkpoint, keys, &[]);
        let (new, _) = opened.map_err(|fault| match fault {
            Untrusted::Signature(NoteError::Malformed(what)) => Refused::Malformed(what),
            Untrusted::Text(_) => Refused::Malformed("what was signed is not a checkpoint"),
            _ => Refused::Unsigned,
        })?;
        if self.old > new.size {
            return Err(Refused::OldAboveNew);
        }
        let (size, root) = stored.map_or((0, empty_root()), |stored| (stored.size, stored.root));
        if self.old != size {
            return Err(Refused::Conflict { stored: size });
        }
        if stored.is_some_and(|stored| stored.size == new.size && stored.root != new.root) {
            return Err(Refused::Forked);
        }
        let continues = if size == new.size {
            self.proof.is_empty() && root == new.root
        } else if size == 0 {
            // Every tree continues the empty one.
            self.proof.is_empty()
        } else {
            verify_consistency(size, new.size, &self.proof, &root, &new.root)
        };
        if continues { Ok(new) } else { Err(Refused::Inconsistent) }
    }
}

/// A decimal size in its one spelling.
pub fn size(text: &str) -> Option<u64> {
    let size: u64 = text.parse().ok()?;
    (size.to_string() == text).then_some(size)
}

/// The text of a 409.
pub fn size_text(size: u64) -> String {
    format!("{size}\n")
}

/// Path segment under which a witness shows its newest checkpoint of a log: SHA-256 of the origin, hex.
pub fn origin_hash(origin: &str) -> String {
    use std::fmt::Write as _;
    digest(&SHA256, origin.as_bytes())
        .as_ref()
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests;
