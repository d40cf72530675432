//! `GET /log/checkpoint`, `/log/tile/…`, `/log/entries/{index}`: the log as C2SP tlog-tiles, on both listeners.
//!
//! Hash tiles and the checkpoint are for everybody who has a certificate that is let in; leaves are for auditors. Refuses a path that is not the one
//! spelling of a tile, and what the log is not long enough for. A leaf says nothing about a person, so reading the log is no search and has
//! no leaf of its own: a log that grows by being read could never be read to its end.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::{HeaderName, HeaderValue, Uri, header};
use shuguan_ledger::tile::{Content, Tile};
use shuguan_policies::Role;

use super::Api;
use super::gate::{About, Context};
use crate::edge::Peer;
use crate::exchange::{Fault, Refused, Stop};
use crate::refusal::Refusal;

/// A second or two: what is asked often is not asked of the journal, and nobody works with an old one.
const CHECKPOINT_CACHING: &str = "private, max-age=2";
/// A tile, partial or full, and a leaf never change.
const TILE_CACHING: &str = "private, max-age=31536000, immutable";

/// The routes, without a gate.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/log/checkpoint", get(checkpoint))
        .route("/log/tile/{*path}", get(tile))
        .route("/log/entries/{index}", get(entry))
}

/// What no quorum of witnesses has signed: age of the oldest entry, entries, size of the log.
const UNWITNESSED: HeaderName = HeaderName::from_static("log-unwitnessed");

/// The newest signed checkpoint; with witnesses, the newest that a quorum of them signed, and what is not under it.
async fn checkpoint(State(api): State<Api>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, CHECKPOINT_CACHING),
    ];
    let (journal, witnessing) = (&api.stations.journal, &api.stations.witnessing);
    let newest = witnessing.newest();
    let note = match &newest {
        Some(cosigned) => cosigned.note.as_ref().to_owned(),
        None => journal.checkpoint(),
    };
    let mut response = (headers, note).into_response();
    if let Some(debt) = witnessing.debt() {
        // RFC 9651 dictionary.
        let size = journal.head().1.size;
        let entries = size.saturating_sub(newest.map_or(0, |newest| newest.size));
        let text = format!("seconds={}, entries={entries}, size={size}", debt.seconds);
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(UNWITNESSED, value);
        }
    }
    response
}

fn unchanging(content_type: &'static str) -> [(HeaderName, &'static str); 2] {
    [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, TILE_CACHING),
    ]
}

/// A hash tile, or an entry bundle for an auditor.
async fn tile(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    uri: Uri,
) -> Response {
    match tile_bytes(&api, &peer, &uri).await {
        Ok(bytes) => (unchanging("application/octet-stream"), bytes).into_response(),
        Err(stop) => context.stop(Some(&peer), "log", About::default(), stop).await,
    }
}

async fn tile_bytes(api: &Api, peer: &Peer, uri: &Uri) -> Result<Vec<u8>, Stop> {
    // As it was sent, not decoded: `%30` is another spelling of `0`.
    let path = uri.path().strip_prefix("/log/").filter(|_| uri.query().is_none());
    let tile: Tile = path.and_then(|path| path.parse().ok()).ok_or(Refusal::BadLogPath)?;
    if tile.content() == Content::Entries {
        auditors_only(peer)?;
    }
    let bytes = api.stations.journal.tile(tile).await;
    let bytes = bytes.map_err(Fault::from_error("read a tile"))?;
    Ok(bytes.ok_or(Refusal::NotInLog)?)
}

/// One leaf, in the very bytes whose hash stands in the tree.
async fn entry(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    uri: Uri,
) -> Response {
    match entry_bytes(&api, &peer, &uri).await {
        Ok(bytes) => (unchanging("application/json"), bytes).into_response(),
        Err(stop) => context.stop(Some(&peer), "log", About::default(), stop).await,
    }
}

async fn entry_bytes(api: &Api, peer: &Peer, uri: &Uri) -> Result<Vec<u8>, Stop> {
    auditors_only(peer)?;
    let text = uri
        .path()
        .strip_prefix("/log/entries/")
        .filter(|_| uri.query().is_none());
    let index = text.and_then(|text| text.parse::<u64>().ok().filter(|index| index.to_string() == text));
    let index = index.ok_or_else(|| {
        Refused::new(Refusal::BadLogPath).detail("an entry is named by its index, without leading zeros")
    })?;
    let row = api.stations.journal.leaf(index).await;
    let row = row.map_err(Fault::from_error("read a leaf"))?;
    Ok(row.ok_or(Refusal::NotInLog)?.bytes)
}

fn auditors_only(peer: &Peer) -> Result<(), Stop> {
    if peer.partner().role == Role::Auditor {
        return Ok(());
    }
    let detail = "leaves are for auditors, on the console listener; the tiles of hashes are for everybody";
    Err(Refused::new(Refusal::WrongRole).detail(detail).into())
}
