//! The proof of a leaf, made anew on the server each time it is shown.
//!
//! Takes a leaf as the journal has it; computes its hash, the path to the root of the newest checkpoint and that checkpoint's signature, with
//! the code that `shuguan verify` uses. What does not verify is shown as such and refused nowhere: an officer must see it.

use serde::Serialize;
use shuguan_ledger::receipt::Receipt;

pub(super) use crate::hex::hex;
use crate::journal::{Journal, LeafRow};

/// What is proved about one leaf.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Proof {
    /// Whether everything verifies.
    pub valid: bool,
    /// What does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Index of the leaf.
    pub index: u64,
    /// Hash of the leaf, hexadecimal.
    pub leaf_hash: String,
    /// Name of the log.
    pub origin: String,
    /// Leaves under the newest checkpoint.
    pub size: u64,
    /// Its root, hexadecimal.
    pub root: String,
    /// Hashes from the leaf to the root, hexadecimal.
    pub path: Vec<String>,
}

/// Proves a leaf against the newest checkpoint.
pub(super) async fn prove(journal: &Journal, row: &LeafRow) -> Proof {
    let failed = |fault: String| {
        tracing::error!(leaf.index = row.index, cause = %fault, "a leaf does not verify");
        Proof {
            index: row.index,
            leaf_hash: hex(&shuguan_ledger::tree::leaf_hash(&row.bytes)),
            fault: Some(fault),
            ..Proof::default()
        }
    };
    let sealed = match journal.sealed_newest(row.index).await {
        Ok(Some(sealed)) => sealed,
        Ok(None) => return failed("the leaf is not in the log".into()),
        Err(fault) => return failed(fault.to_string()),
    };
    let trust = journal.trust();
    let verified = Receipt::parse(&sealed.receipt).and_then(|receipt| Ok((receipt.verify(&trust)?, receipt)));
    match verified {
        Ok((proven, receipt)) if proven.index == row.index && receipt.leaf == row.bytes => Proof {
            valid: true,
            fault: None,
            index: proven.index,
            leaf_hash: hex(&proven.leaf_hash),
            origin: proven.checkpoint.origin,
            size: proven.checkpoint.size,
            root: hex(&proven.checkpoint.root),
            path: receipt.path.iter().map(|hash| hex(hash)).collect(),
        },
        Ok(_) => failed("another leaf stands at this index".into()),
        Err(fault) => failed(fault.to_string()),
    }
}
