//! `GET /console/api/log`, `POST /console/api/log`: the volumes of the log, and the operator's order to open the next one.
//!
//! Takes JSON, `{"open", "prepare"}`; gives the volumes, which name is proposed, and, of the one that was ordered, its key. With `prepare` only the key is made,
//! so that witnesses and partners learn of it before it signs. Refuses every role but the operator's, a name that no log can have, one that a log had as
//! journal or witnesses know, and a turn while a witness cannot be asked or
//! holds another history of the log. Asked again for the volume that is written, it gives the same answer and seals nothing.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use axum::{Extension, Json};
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::time;

use super::{Desk, guard, json};
use crate::api::gate::Context;
use crate::edge::Peer;
use crate::exchange::seal::unavailable;
use crate::exchange::{Fault, Refused, Stop};
use crate::journal::{NAME_MAX, SealError, Volume, VolumeOrder, due, is_over, may_follow, proposal};
use crate::pki::{PkiFault, log_keys};
use crate::refusal::Refusal;

/// Try again then: a witness that does not answer now is asked each second anyway.
const WITNESS_RETRY_AFTER_S: u64 = 30;

/// What an operator asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// Name of the volume.
    open: String,
    /// Only its key.
    #[serde(default)]
    prepare: bool,
}

/// The route.
pub(super) fn route() -> MethodRouter<Arc<Desk>> {
    get(show).post(turn)
}

async fn show(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
) -> Response {
    let shown = async {
        guard::operators_only(&peer)?;
        document(&desk, None, None).await
    };
    json::answer(&context, &peer, "log", shown.await).await
}

async fn turn(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<Order>, JsonRejection>,
) -> Response {
    let (acting, officer) = (Arc::clone(&desk), Arc::clone(&peer));
    let act = async move {
        guard::operators_only(&officer)?;
        let members = "open (the name of the volume) and prepare (true: only make its key)";
        let order: Order = json::asked(&headers, &uri, body, members)?;
        turned(&acting, &officer, &order).await
    };
    json::carried_out(&desk, context, peer, "log", act).await
}

async fn turned(desk: &Desk, peer: &Peer, order: &Order) -> Result<Value, Stop> {
    // One at a time: between the look at what is there and the leaf nothing else turns.
    let _turn = desk.turns.lock().await;
    let journal = &desk.console.api.stations.journal;
    let name = order.open.as_str();
    if !is_name(name) {
        let detail = "a name is the log's address without scheme, of at most 255 visible ASCII characters without `+`";
        return Err(Refused::new(Refusal::BadRequest).detail(detail).into());
    }
    let volumes = volumes(desk).await?;
    if let [.., before, last] = volumes.as_slice()
        && last.origin == name
        && before.is_whole
    {
        // It was opened, and whoever asked did not hear of it.
        return document(desk, Some(last.from), None).await;
    }
    if volumes.iter().any(|volume| volume.origin == name) {
        return Err(taken("a log of this journal had that name"));
    }
    if !volumes.iter().any(|volume| may_follow(volume, name)) {
        let now_us = desk.console.api.stations.clock.now_us();
        let proposal = proposal(&volumes, now_us).unwrap_or_default();
        let detail = format!("a volume has the log's own name and a year, such as `{proposal}`");
        return Err(Refused::new(Refusal::BadRequest).detail(detail).into());
    }
    if desk.console.api.stations.witnessing.is_disputed() {
        // A turn would close the volume whose history is in question.
        return Err(Refused::new(Refusal::LogDisputed).into());
    }
    unknown_to_witnesses(desk, name).await?;
    let key = key(desk.console.log_key.clone(), name.to_owned()).await?;
    let vkey = key.verifying_key().vkey();
    if order.prepare {
        return document(desk, None, Some(vkey)).await;
    }
    let who = peer.partner().id.clone();
    let sealed = journal
        .turn_volume(VolumeOrder {
            key: Arc::new(key),
            who,
        })
        .await;
    let sealed = sealed.map_err(|fault| match fault {
        SealError::Unfit(what) => taken(&what),
        SealError::Unavailable => unavailable(fault),
    })?;
    tracing::info!(
        leaf.index = sealed.index,
        log.origin = name,
        "a volume of the log ended, and the next one begins"
    );
    document(desk, Some(sealed.index), Some(vkey)).await
}

fn taken(detail: &str) -> Stop {
    Refused::new(Refusal::LogNameTaken).detail(detail).into()
}

fn is_name(name: &str) -> bool {
    let visible = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+');
    visible && (1..=NAME_MAX).contains(&name.len())
}

/// One that knows a log of that name would sign no other; one that does not answer may be the one.
async fn unknown_to_witnesses(desk: &Desk, name: &str) -> Result<(), Stop> {
    for (witness, shown) in desk.console.api.stations.witnessing.shown(name).await {
        match shown {
            Ok(None) => {}
            Ok(Some(_)) => return Err(taken(&format!("the witness `{witness}` has signed a log of that name"))),
            Err(_) => {
                let refused = Refused::new(Refusal::WitnessSilent).detail(format!("the witness `{witness}`"));
                return Err(refused.retry_after(WITNESS_RETRY_AFTER_S).into());
            }
        }
    }
    Ok(())
}

/// The key that the volume begins with: made once, and found again.
async fn key(first: PathBuf, name: String) -> Result<SigningKey, Stop> {
    let made = tokio::task::spawn_blocking(move || {
        let files = log_keys::read_any(&first).map_err(|faults| {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            PkiFault::bad_file(&first, lines.join("; "))
        })?;
        files.successor(&first, &name)
    });
    let made = made.await.map_err(Fault::from_error("make the key of a volume"))?;
    Ok(made.map_err(Fault::from_error("make the key of a volume"))?)
}

async fn volumes(desk: &Desk) -> Result<Vec<Volume>, Stop> {
    let volumes = desk.console.api.stations.journal.volumes().await;
    Ok(volumes.map_err(Fault::from_error("read the volumes of the log"))?)
}

async fn document(desk: &Desk, leaf: Option<u64>, vkey: Option<String>) -> Result<Value, Stop> {
    let (volumes, now_us) = (volumes(desk).await?, desk.console.api.stations.clock.now_us());
    let newest = volumes.last();
    let vkey = vkey.or_else(|| {
        let keys = desk.console.api.stations.journal.log_keys();
        keys.open_ended().next_back().map(|span| span.key().vkey())
    });
    Ok(json!({
        "schema": "shuguan.log-volumes.v1",
        "volumes": volumes.iter().map(|volume| json!({
            "origin": volume.origin,
            "from": volume.from,
            "since": time::format(volume.since_us),
            "size": volume.size,
            "lost": !volume.is_whole,
        })).collect::<Vec<_>>(),
        "year_is_over": newest.is_some_and(|newest| is_over(newest, now_us)),
        "proposal": proposal(&volumes, now_us),
        "due": newest.map(|newest| due(newest, now_us)),
        "vkey": vkey,
        "leaf": leaf,
    }))
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_name_has_one_spelling_in_every_note_and_file() {
        for name in ["gw1.lyg.example/log/2027", "x", &"x".repeat(255)] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            "gw1 log",
            "gw1+log",
            "gw1\nlog",
            "网关/log",
            "gw1/log\u{a0}",
            &"x".repeat(256),
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
