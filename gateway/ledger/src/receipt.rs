//! Receipts: a C2SP tlog-proof with the leaf in it, valid for ever without the gateway.
//!
//! Takes a leaf, its index, its path and a signed checkpoint; gives one text file. Checks it with the log's public key alone. Refuses a
//! receipt whose leaf, path, size or signature does not fit, or that any byte of was changed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::checkpoint::Checkpoint;
use crate::leaf::Leaf;
use crate::tree::{Hash, leaf_hash, verify_inclusion};
use crate::trust::{Trust, Untrusted, Witnessed};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A path in a tree of 2^64 leaves has no more hashes.
const PATH_MAX: usize = 64;

/// A receipt that was read; nothing of it is proved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Bytes of the leaf.
    pub leaf: Vec<u8>,
    /// Its index.
    pub index: u64,
    /// Its audit path.
    pub path: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// What a receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The leaf.
    pub leaf: Leaf,
    /// Its index.
    pub index: u64,
    /// Hash of the leaf.
    pub leaf_hash: Hash,
    /// The checkpoint under which it stands.
    pub checkpoint: Checkpoint,
    /// What witnesses say of that checkpoint; without the quorum that the trust file asks for, the log alone vouches for it.
    pub witnessed: Witnessed,
}

/// Why a receipt proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// Not a receipt.
    #[error("not a receipt: {0}")]
    Malformed(&'static str),
    /// The leaf in it is not a leaf.
    #[error("its leaf cannot be read")]
    Leaf(#[from] crate::leaf::LeafError),
    /// Its checkpoint is not believed.
    #[error(transparent)]
    Checkpoint(#[from] Untrusted),
    /// The path does not lead from the leaf to the root.
    #[error("the path does not lead from the leaf to the root of the checkpoint")]
    Path,
}

impl Receipt {
    /// The text of the receipt.
    pub fn encode(&self) -> String {
        let mut text = format!("{HEADER}\nextra {}\nindex {}\n", BASE64.encode(&self.leaf), self.index);
        for hash in &self.path {
            text.push_str(&BASE64.encode(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads what [`Receipt::encode`] writes, and no other spelling of it.
    ///
    /// # Errors
    /// [`ReceiptError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        use ReceiptError::Malformed;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(Malformed("it has no checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(Malformed("it does not begin with c2sp.org/tlog-proof@v1"));
        }
        let leaf = lines
            .next()
            .and_then(|line| line.strip_prefix("extra "))
            .and_then(|encoded| BASE64.decode(encoded).ok())
            .ok_or(Malformed("it holds no leaf"))?;
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(|index| index.parse().ok())
            .ok_or(Malformed("it holds no index"))?;
        let path = lines
            .map(|line| BASE64.decode(line).ok().and_then(|hash| hash.try_into().ok()))
            .collect::<Option<Vec<Hash>>>()
            .ok_or(Malformed("a hash of its path cannot be read"))?;
        let receipt = Self {
            leaf,
            index,
            path,
            checkpoint: checkpoint.to_owned(),
        };
        if receipt.path.len() > PATH_MAX || receipt.encode() != text {
            return Err(Malformed("it is not in its canonical form"));
        }
        Ok(receipt)
    }

    /// Proves the receipt with public keys alone. That the quorum of the trust file is missing is no error: [`Proven::witnessed`] says so.
    ///
    /// # Errors
    /// See [`ReceiptError`].
    pub fn verify(&self, trust: &Trust) -> Result<Proven, ReceiptError> {
        let leaf = Leaf::decode(&self.leaf)?;
        let (checkpoint, witnessed) = trust.open_witnessed(&self.checkpoint)?;
        let hash = leaf_hash(&self.leaf);
        if !verify_inclusion(&hash, self.index, checkpoint.size, &self.path, &checkpoint.root) {
            return Err(ReceiptError::Path);
        }
        Ok(Proven {
            leaf,
            index: self.index,
            leaf_hash: hash,
            checkpoint,
            witnessed,
        })
    }
}

#[cfg(test)]
mod tests;
