//! `GET /v1/catalog`: what this partner may push and pull, with fields, operators and limits.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde_json::{Value, json};
use shuguan_policies::Plan;

use super::Api;
use crate::edge::Peer;

/// Every grant of the partner that asks.
pub async fn catalog(State(api): State<Api>, Extension(peer): Extension<Arc<Peer>>) -> Json<Value> {
    let policies = api.stations.policies.load();
    let grants: Vec<Value> = policies
        .plans_of(peer.partner())
        .into_iter()
        .map(|plan| grant(plan))
        .collect();
    Json(json!({
        "schema": "shuguan.catalog.v1",
        "partner": peer.partner().id,
        "grants": grants,
    }))
}

fn grant(plan: &Plan) -> Value {
    let fields: Vec<Value> = plan
        .output()
        .iter()
        .map(|column| {
            let field = column.kind.field;
            json!({
                "name": column.name,
                "zh": column.zh,
                "type": field.kind.describe(),
                "class": field.class.name(),
                "required": field.required,
                "aliases": field.aliases,
                "operator": column.kind.operator.describe(),
            })
        })
        .collect();
    let limits: serde_json::Map<String, Value> = plan
        .limits()
        .named()
        .into_iter()
        .filter_map(|(name, limit)| Some((name.to_owned(), limit?.into())))
        .collect();
    json!({
        "grant": plan.grant_id(),
        "agreement": plan.agreement(),
        "direction": plan.direction().name(),
        "mode": plan.mode().name(),
        "target": plan.target().name(),
        "zh": plan.target().zh(),
        "purpose": plan.purpose(),
        "fields": fields,
        "withheld": withheld(plan),
        "select_by": plan.select_by(),
        "limits": limits,
        "valid_until": shuguan_ledger::time::format(plan.valid().until_s.saturating_mul(1_000_000)),
    })
}

/// Fields of the target that no column of the plan shows.
pub(super) fn withheld(plan: &Plan) -> Vec<&'static str> {
    plan.target()
        .fields()
        .iter()
        .map(|field| field.name)
        .filter(|name| plan.output().iter().all(|column| column.name != *name))
        .collect()
}
