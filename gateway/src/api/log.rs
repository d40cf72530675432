//! `GET /log/checkpoint`, `/log/tile/…`, `/log/entries/{index}`: the log as C2SP tlog-tiles, on both listeners; `/log/volumes` and below
//! `/log/volumes/<SHA-256 of the name>/` the same of each volume, as a log of its own.
//!
//! Hash tiles and the checkpoint are for everybody who has a certificate that is let in; leaves are for auditors. Refuses a path that is not the one
//! spelling of a tile, and what the log is not long enough for. A leaf says nothing about a person, so reading the log is no search and has
//! no leaf of its own: a log that grows by being read could never be read to its end.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::{HeaderName, HeaderValue, Uri, header};
use serde_json::json;
use shuguan_ledger::tile::{Content, Tile};
use shuguan_ledger::witness::origin_hash;
use shuguan_policies::Role;

use super::Api;
use super::gate::{About, Context};
use crate::edge::Peer;
use crate::exchange::{Fault, Refused, Stop};
use crate::journal::Volume;
use crate::refusal::Refusal;

/// A second or two: what is asked often is not asked of the journal, and nobody works with an old one.
const CHECKPOINT_CACHING: &str = "private, max-age=2";
/// A tile, partial or full, and a leaf never change.
const TILE_CACHING: &str = "private, max-age=31536000, immutable";

/// The routes, without a gate.
pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/log/checkpoint", get(checkpoint))
        .route("/log/tile/{*path}", get(tile))
        .route("/log/entries/{index}", get(entry))
        .route("/log/volumes", get(volumes))
        .route("/log/volumes/{log}/checkpoint", get(last_checkpoint))
        .route("/log/volumes/{log}/tile/{*path}", get(tile))
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
    // One of the volume before is no checkpoint of this one: until a quorum has signed that, its own is shown, and what is owed.
    let of_this = newest
        .as_ref()
        .filter(|newest| newest.note.split('\n').next() == Some(&*journal.origin()));
    let note = match of_this {
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

/// The volumes of the log, oldest first. Each is the beginning of one tree up to its size, and is served below the hash of its name.
async fn volumes(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
) -> Response {
    let listed = api.stations.journal.volumes().await;
    match listed.map_err(Fault::from_error("read the volumes of the log")) {
        Ok(volumes) => {
            let rows = volumes.iter().map(|volume| {
                json!({
                    "origin": volume.origin,
                    "path": format!("/log/volumes/{}", origin_hash(&volume.origin)),
                    "from": volume.from,
                    "size": volume.size,
                    "lost": !volume.is_whole,
                })
            });
            let document = json!({ "schema": "shuguan.log-volumes.v1", "volumes": rows.collect::<Vec<_>>() });
            ([(header::CACHE_CONTROL, CHECKPOINT_CACHING)], Json(document)).into_response()
        }
        Err(fault) => context.stop(Some(&peer), "log", About::default(), fault.into()).await,
    }
}

/// The volume whose name has this hash.
async fn volume(api: &Api, log: &str) -> Result<Volume, Stop> {
    let volumes = api.stations.journal.volumes().await;
    let volumes = volumes.map_err(Fault::from_error("read the volumes of the log"))?;
    let volume = volumes.into_iter().find(|volume| origin_hash(&volume.origin) == log);
    Ok(volume.ok_or(Refusal::NotInLog)?)
}

/// The last checkpoint of a volume, or the newest of the one that is written.
async fn last_checkpoint(
    State(api): State<Api>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(log): Path<String>,
) -> Response {
    match closed(&api, &log).await {
        Ok(Some((note, caching))) => {
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, caching),
            ];
            (headers, note).into_response()
        }
        Ok(None) => checkpoint(State(api)).await,
        Err(stop) => context.stop(Some(&peer), "log", About::default(), stop).await,
    }
}

/// The last checkpoint of a closed volume, and how long it may be kept: for ever, once a quorum of the witnesses has signed it.
async fn closed(api: &Api, log: &str) -> Result<Option<(String, &'static str)>, Stop> {
    let volume = volume(api, log).await?;
    if volume.size.is_none() {
        return Ok(None);
    }
    let last = api.stations.journal.last_checkpoint(volume).await;
    let last = last
        .map_err(Fault::from_error("read a checkpoint"))?
        .ok_or(Refusal::NotInLog)?;
    let is_final = !api.stations.witnessing.is_on() || last.is_witnessed;
    Ok(Some((
        last.last.note.as_ref().to_owned(),
        if is_final { TILE_CACHING } else { CHECKPOINT_CACHING },
    )))
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
    // Every volume is a beginning of the same tree, so its tiles are those of the log.
    let of_volume = path.and_then(|path| path.strip_prefix("volumes/")?.split_once('/'));
    let path = of_volume.map(|(_, tile)| tile).or(path);
    let tile: Tile = path.and_then(|path| path.parse().ok()).ok_or(Refusal::BadLogPath)?;
    if tile.content() == Content::Entries {
        auditors_only(peer)?;
    }
    if let Some((log, _)) = of_volume {
        let volume = volume(api, log).await?;
        if volume.size.is_some_and(|size| !tile.is_within(size)) {
            return Err(Refusal::NotInLog.into());
        }
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
