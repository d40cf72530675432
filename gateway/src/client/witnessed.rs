//! Receipts that witnesses have signed, fetched in the place of those that an answer carried.
//!
//! Takes receipts on disk; waits a moment for the signatures that the trust file asks for, and writes the newer receipt over the older one.
//! A gateway whose witnesses do not sign in that time is no failure: the older receipt stays, and the caller is told.

use std::path::Path;
use std::time::{Duration, Instant};

use shuguan_ledger::receipt::{Proven, Receipt};
use shuguan_ledger::trust::{Quorum, Trust};

use super::connect::{self, Client};
use crate::command::exit::Failure;
use crate::durable::write_whole;

/// How often a receipt is asked for anew.
const EVERY: Duration = Duration::from_millis(250);

/// How many of the receipts the witnesses of the trust file have signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgraded {
    /// Receipts on disk that a quorum has signed.
    pub signed: usize,
    /// Receipts that only the log has signed so far.
    pub missing: usize,
}

/// Waits at most `patience` for all of them together; without a quorum in the trust file, not at all (`None`).
///
/// # Errors
/// When a receipt cannot be written.
pub async fn upgrade(
    client: &Client,
    trust: &Trust,
    receipts: &[(&str, &Path)],
    patience: Duration,
) -> Result<Option<Upgraded>, Failure> {
    if trust.quorum().is_none() {
        return Ok(None);
    }
    let began = Instant::now();
    let mut done = Upgraded { signed: 0, missing: 0 };
    for (exchange, path) in receipts {
        let signed = loop {
            match fetch(client, trust, exchange).await {
                Some((text, proven)) if is_met(&proven) && same(path, trust, &proven) => {
                    write_whole(path, text.as_bytes())
                        .map_err(|error| Failure::local(format!("cannot write `{}`", path.display())).because(error))?;
                    break true;
                }
                _ if began.elapsed() >= patience => break false,
                _ => tokio::time::sleep(EVERY).await,
            }
        };
        if signed {
            done.signed += 1;
        } else {
            done.missing += 1;
        }
    }
    Ok(Some(done))
}

/// The receipt as the gateway gives it now; none when it cannot be had or does not verify.
async fn fetch(client: &Client, trust: &Trust, exchange: &str) -> Option<(String, Proven)> {
    let response = client
        .get(&format!("/v1/exchanges/{exchange}/receipt"), &[])
        .await
        .ok()?;
    let text = String::from_utf8(connect::read(response).await.ok()?.to_vec()).ok()?;
    let proven = Receipt::parse(&text).ok()?.verify(trust).ok()?;
    Some((text, proven))
}

fn is_met(proven: &Proven) -> bool {
    proven.witnessed.quorum == Quorum::Met
}

/// Whether the receipt on disk proves the same leaf.
fn same(path: &Path, trust: &Trust, newer: &Proven) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let older = Receipt::parse(&text).and_then(|receipt| receipt.verify(trust));
    older.is_ok_and(|older| (older.index, older.leaf_hash) == (newer.index, newer.leaf_hash))
}
