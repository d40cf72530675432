//! The proof of a leaf, made anew on the server each time it is shown.
//!
//! Takes a leaf as the journal has it; computes its hash, the path to the root of the newest checkpoint and that checkpoint's signature, with
//! the code that `shuguan verify` uses; and, of an exchange's first leaf, which witnesses signed a checkpoint over it. What does not verify is shown as such and
//! refused nowhere: an officer must see it.

use serde::Serialize;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::time;
use shuguan_ledger::trust::{Quorum, Trust, Witnessed};
use uuid::Uuid;

use crate::chain::Chain;
use crate::command::verify::clock_shows;
use crate::exchange::Stations;
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
    /// What witnesses say of it; asked of the first leaf of an exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witnesses: Option<Seen>,
    /// All of it in one sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sentence: String,
}

/// What witnesses say of a leaf.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Seen {
    /// Witnesses of this gateway.
    pub of: usize,
    /// How many of them must have signed.
    pub quorum: usize,
    /// Whether so many signed a checkpoint over it.
    pub met: bool,
    /// Leaves under that checkpoint; none: there is none over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Who signed it.
    pub by: Vec<Cosigner>,
    /// Why what witnesses signed does not hold, or cannot be looked at: that is another thing than that they have not signed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// A witness that signed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cosigner {
    /// Its name.
    pub name: String,
    /// When, by its own clock; empty: a time that no clock shows.
    pub at: String,
}

/// Proves the first leaf of an exchange, and says what witnesses say of it.
pub(super) async fn prove_seen(stations: &Stations, exchange: Uuid, row: &LeafRow) -> Proof {
    let proof = prove(&stations.journal, row).await;
    let seen = seen(stations, exchange, row.index).await;
    Proof {
        sentence: sentence(&proof, &seen),
        witnesses: Some(seen),
        ..proof
    }
}

/// The witnesses that signed a checkpoint over the first leaf of an exchange, each signature verified anew.
async fn seen(stations: &Stations, exchange: Uuid, index: u64) -> Seen {
    let (of, quorum) = stations.witnessing.asked();
    let nobody = Seen {
        of,
        quorum,
        ..Seen::default()
    };
    match cosigned(stations, exchange, index).await {
        Ok(Some((size, witnessed))) => Seen {
            met: witnessed.quorum == Quorum::Met,
            size: Some(size),
            by: witnessed.by.iter().map(|by| cosigner(&by.name, by.time_s)).collect(),
            ..nobody
        },
        Ok(None) => nobody,
        Err(fault) => {
            tracing::error!(leaf.index = index, cause = %fault, "what witnesses signed over a leaf does not verify");
            Seen {
                fault: Some(fault),
                ..nobody
            }
        }
    }
}

/// What witnesses signed over the leaf; none: nothing yet. The error: it is there, and does not hold.
async fn cosigned(stations: &Stations, exchange: Uuid, index: u64) -> Result<Option<(u64, Witnessed)>, String> {
    let Some(newest) = stations.witnessing.newest() else {
        return Ok(None);
    };
    let receipt = stations.journal.cosigned_receipt(exchange, &newest).await;
    let Some(receipt) = receipt.map_err(|fault| Chain(&fault).to_string())? else {
        return Ok(None);
    };
    let trust = stations.witnessing.trust_beside(&stations.journal.trust());
    let trust = trust.map_err(|fault| Chain(&fault).to_string())?;
    held(&receipt, &trust, index).map(Some)
}

/// What a receipt under a cosigned checkpoint proves of the leaf at this index.
pub(super) fn held(receipt: &str, trust: &Trust, index: u64) -> Result<(u64, Witnessed), String> {
    let proven = Receipt::parse(receipt).and_then(|receipt| receipt.verify(trust));
    let proven = proven.map_err(|fault| Chain(&fault).to_string())?;
    if proven.index != index {
        return Err("another leaf stands at this index".into());
    }
    Ok((proven.checkpoint.size, proven.witnessed))
}

fn cosigner(name: &str, time_s: u64) -> Cosigner {
    let at_us = clock_shows(time_s).map(|time_s| time_s * 1_000_000);
    Cosigner {
        name: name.to_owned(),
        at: at_us.map(time::format).unwrap_or_default(),
    }
}

/// A valid path under the log's own signature, and who beside the log signed, are two things.
fn sentence(proof: &Proof, seen: &Seen) -> String {
    let log = if proof.valid {
        format!(
            "entry {} stands under the newest checkpoint of {} entries, which the log signed",
            proof.index, proof.size
        )
    } else {
        format!("entry {} is not proved", proof.index)
    };
    let witnesses = match (seen.of, seen.size, &seen.fault) {
        (_, _, Some(fault)) => format!("what its witnesses signed over it does not hold: {fault}"),
        (0, ..) => "this gateway has no witness: the log says so alone".to_owned(),
        // Some may have signed: only what a quorum signed is kept.
        (of, None, None) => format!(
            "no quorum of its {of} witnesses has signed a checkpoint over it, {} are asked for: until then the log says so alone",
            seen.quorum
        ),
        (of, Some(size), None) => format!(
            "{} of its {of} witnesses signed a checkpoint of {size} entries over it, {} are asked for",
            seen.by.len(),
            seen.quorum
        ),
    };
    format!("{log}; {witnesses}")
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
            ..Proof::default()
        },
        Ok(_) => failed("another leaf stands at this index".into()),
        Err(fault) => failed(fault.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cosigner, Proof, Seen, cosigner, sentence};

    fn proved() -> Proof {
        Proof {
            valid: true,
            index: 7,
            size: 9,
            ..Proof::default()
        }
    }

    #[test]
    fn a_time_that_no_clock_shows_is_no_date() {
        assert_eq!(cosigner("w", 1).at, "1970-01-01T00:00:01.000000Z");
        for time_s in [0, 253_402_300_800, 1 << 63, u64::MAX] {
            assert_eq!(cosigner("w", time_s).at, "", "{time_s}");
        }
    }

    #[test]
    fn a_proof_that_holds_says_beside_it_that_no_witness_signed() {
        let log = "entry 7 stands under the newest checkpoint of 9 entries, which the log signed; ";
        let mut seen = Seen::default();
        let alone = "this gateway has no witness: the log says so alone";
        assert_eq!(sentence(&proved(), &seen), format!("{log}{alone}"));
        (seen.of, seen.quorum) = (3, 2);
        let waits = "no quorum of its 3 witnesses has signed a checkpoint over it, 2 are asked for: until then the log says so alone";
        assert_eq!(sentence(&proved(), &seen), format!("{log}{waits}"));
        let by = |name: &str| Cosigner {
            name: name.into(),
            at: String::new(),
        };
        (seen.size, seen.by) = (Some(8), vec![by("w1"), by("w2")]);
        let saw = "2 of its 3 witnesses signed a checkpoint of 8 entries over it, 2 are asked for";
        assert_eq!(sentence(&proved(), &seen), format!("{log}{saw}"));
        let faulty = Seen {
            fault: Some("the root is another".into()),
            ..Seen::default()
        };
        let fault = "what its witnesses signed over it does not hold: the root is another";
        assert_eq!(sentence(&proved(), &faulty), format!("{log}{fault}"));
        let broken = Proof {
            valid: false,
            ..proved()
        };
        assert_eq!(sentence(&broken, &seen), format!("entry 7 is not proved; {saw}"));
    }
}
