//! `POST /console/api/policy`: a policy officer brings a signed bundle into force.
//!
//! Takes JSON, `{"files": {NAME: TEXT, …}, "signature": TEXT}`; gives serial, hash, signers and the index of the leaf. Refuses every role but the
//! policy officer's, and what `bundle` refuses; each refusal of a bundle is a `policy` leaf.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use axum::{Extension, Json};
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use shuguan_policies::bundle::BUNDLE_BYTES_MAX;
use shuguan_policies::{Bundle, Role};

use super::{Desk, guard, json};
use crate::api::gate::Context;
use crate::bundle::BundleRefused;
use crate::edge::Peer;
use crate::exchange::{Refused, Stop};
use crate::hex::hex;
use crate::refusal::Refusal;

/// A bundle as JSON: escapes take room.
const BODY_BYTES_MAX: usize = 2 * BUNDLE_BYTES_MAX;

/// What a policy officer sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Submission {
    files: BTreeMap<String, String>,
    signature: String,
}

/// The route; a bundle is larger than a form.
pub(super) fn route() -> MethodRouter<Arc<Desk>> {
    post(submit).layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

async fn submit(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<Submission>, JsonRejection>,
) -> Response {
    let (submitting, officer) = (Arc::clone(&desk), Arc::clone(&peer));
    // What is sealed as loaded must be in force, though the officer hang up.
    let act = async move {
        guard::from_no_other_site(&headers, &uri)?;
        submitted(&submitting, &officer, body).await
    };
    json::carried_out(&desk, context, peer, "policy", act).await
}

async fn submitted(desk: &Desk, peer: &Peer, body: Result<Json<Submission>, JsonRejection>) -> Result<Value, Stop> {
    let partner = peer.partner();
    if partner.role != Role::PolicyOfficer {
        return Err(Refusal::WrongRole.into());
    }
    // A bundle is judged on a blocking thread and leaves a leaf even when refused: the officer's own rate bounds both.
    let _permit = desk.console.api.stations.admission.admit(&partner.id)?;
    let Json(submission) =
        body.map_err(|_| Refused::new(Refusal::BadRequest).detail("members are files and signature"))?;
    let bundle = Bundle::of(submission.files.into_iter().collect(), Some(submission.signature));
    let bundle = bundle.map_err(|faults| BundleRefused::faulty(&faults));
    let loaded = desk.console.keeper.submit(bundle, &partner.id).await?;
    let in_force = &loaded.in_force;
    Ok(json!({
        "schema": "shuguan.policy.v1",
        "state": if loaded.leaf.is_some() { "loaded" } else { "unchanged" },
        "serial": in_force.serial,
        "bundle": format!("sha256:{}", hex(&in_force.bundle)),
        "signers": in_force.signers.iter().map(|signer| &signer.id).collect::<Vec<_>>(),
        "leaf": loaded.leaf,
    }))
}
