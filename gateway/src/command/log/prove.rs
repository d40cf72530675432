//! `shuguan log prove`: from an earlier checkpoint to the newest that the gateway shows, as a file.
//!
//! Takes the earlier checkpoint and a client's certificate; gives the proof, which `verify consistency` judges. Refuses a log that is shorter than it was, and tiles
//! that are not those of its checkpoint; nothing of it is believed here, since whoever fetches need not be who judges.

use std::collections::BTreeMap;
use std::path::Path;

use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::consistency::{self, ConsistencyFault, Inconsistent};
use shuguan_ledger::witness::AddCheckpoint;

use crate::chain::Chain;
use crate::client::{CallError, Client, ClientSettings, Listener, connect};
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::command::verify::consistency::note;

/// Asks and writes.
pub(super) fn run(old: &Path, file: &Path, config: &Path, output: &Output) -> Result<(), Failure> {
    let earlier = Checkpoint::unverified(&note(old)?).map_err(|error| {
        Failure::local(format!("`{}` has no checkpoint in it", old.display()))
            .because(error)
            .then("name a checkpoint, as /log/checkpoint serves it, or a receipt")
    })?;
    let settings = ClientSettings::load(config)?;
    let listener = match &settings.gateway {
        Some(_) => Listener::Feed,
        None => Listener::Console,
    };
    let client = Client::open(&settings, listener)?;
    let (newest, size, files) = super::super::runtime()?
        .block_on(fetch(&client, earlier.size))
        .map_err(|error| error.failure("/log"))?;
    let later = Checkpoint::unverified(&newest)
        .map_err(|error| Failure::new(Exit::NotProven, "what the gateway shows is no checkpoint").because(error))?;
    let proof = match consistency::prove(&files, &earlier, &later) {
        Ok(path) => path,
        Err(fault) => return Err(unproven(&fault)),
    };
    let added = size.saturating_sub(earlier.size);
    let proof = AddCheckpoint {
        old: earlier.size,
        proof,
        checkpoint: newest,
    };
    output.file(file, proof.encode().as_bytes())?;
    output.note(format!(
        "from {} entries to {size}, {added} added\nnext: shuguan verify consistency {} --proof {} --trust {}",
        earlier.size,
        old.display(),
        file.display(),
        settings.trust.display()
    ));
    Ok(())
}

/// The newest checkpoint, its size, and the tiles between.
async fn fetch(client: &Client, old: u64) -> Result<(String, u64, BTreeMap<String, Vec<u8>>), CallError> {
    let newest = bytes(client, "checkpoint").await?;
    let newest = String::from_utf8_lossy(&newest).into_owned();
    // What is no checkpoint has no tiles; the caller says so.
    let size = Checkpoint::unverified(&newest).map_or(0, |newest| newest.size);
    let mut files = BTreeMap::new();
    for tile in consistency::tiles(old, size) {
        let path = tile.to_string();
        let hashes = bytes(client, &path).await?;
        files.insert(path, hashes);
    }
    Ok((newest, size, files))
}

async fn bytes(client: &Client, path: &str) -> Result<Vec<u8>, CallError> {
    let response = client.get(&format!("/log/{path}"), &[]).await?;
    Ok(connect::read(response).await?.to_vec())
}

fn unproven(fault: &ConsistencyFault<std::convert::Infallible>) -> Failure {
    let next = match fault {
        ConsistencyFault::Inconsistent(Inconsistent::Shorter { .. }) => {
            "ask again in a minute: what is shown is the newest that witnesses signed; if it stays so, an older copy was put back: keep yours, and ask the operator"
        }
        ConsistencyFault::Inconsistent(Inconsistent::Forked { .. }) => {
            "keep the earlier checkpoint and fetch /log/checkpoint: with the tiles they prove it to anybody"
        }
        ConsistencyFault::Inconsistent(Inconsistent::Path | Inconsistent::Tiles) | ConsistencyFault::Tile(_) => {
            "ask again; if it stays so, the log that is served is damaged: tell the operator"
        }
    };
    Failure::new(
        Exit::NotProven,
        "the log is not proved to continue the earlier checkpoint",
    )
    .because(Chain(fault))
    .then(next)
}
