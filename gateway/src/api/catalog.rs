//! `GET /v1/catalog`: what this partner may push and pull: fields with their names, operators, limits, rules, code tables.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde_json::{Value, json};
use shuguan_adapters::catalogue::FieldType;
use shuguan_policies::{Plan, Target};

use super::Api;
use crate::edge::Peer;

/// Every grant of the partner that asks.
pub(crate) async fn catalog(State(api): State<Api>, Extension(peer): Extension<Arc<Peer>>) -> Json<Value> {
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
        "layouts": layouts(&api, &peer),
        "code_tables": code_tables(policies.plans_of(peer.partner())),
    }))
}

/// The layouts that this partner's pushes can name.
fn layouts(api: &Api, peer: &Peer) -> Vec<Value> {
    let layouts = api.stations.layouts.of_partner(&peer.partner().id);
    let shown = layouts.map(
        |of| json!({ "name": of.name, "record": of.record.name, "form": of.layout.label(), "default": of.default, "stated": of.stated }),
    );
    shown.collect()
}

/// The code tables of the fields that may be pushed, by name, each once.
fn code_tables<'p>(plans: impl IntoIterator<Item = &'p Arc<Plan>>) -> Value {
    let mut tables = serde_json::Map::new();
    let fields = plans
        .into_iter()
        .flat_map(|plan| plan.output())
        .map(|column| column.kind.field);
    for field in fields {
        if let FieldType::Code(table) = field.kind
            && !tables.contains_key(table.name)
        {
            let codes: Vec<Value> = table
                .rows
                .iter()
                .map(|row| json!({ "code": row.code, "zh": row.zh, "spellings": row.spellings }))
                .collect();
            tables.insert(table.name.into(), json!({ "standard": table.standard, "codes": codes }));
        }
    }
    Value::Object(tables)
}

/// What holds between the fields of a record, as far as they are granted.
fn rules(plan: &Plan) -> Vec<Value> {
    let Target::Record(record) = plan.target() else {
        return Vec::new();
    };
    let wanted = |fields: &[&str]| fields.iter().all(|field| plan.wanted().contains(field));
    let keys: Vec<&[&str]> = record.keys.iter().copied().filter(|key| wanted(key)).collect();
    let mut rules = vec![json!({ "rule": "one-key", "keys": keys })];
    for (earlier, later) in record.order.iter().filter(|(earlier, later)| wanted(&[earlier, later])) {
        rules.push(json!({ "rule": "order", "earlier": earlier, "later": later }));
    }
    for field in ["sex", "birth_date"] {
        if wanted(&["citizen_id", field]) {
            rules.push(json!({ "rule": "agrees-with-id", "id": "citizen_id", "field": field }));
        }
    }
    for (field, code) in record.history.iter().filter(|(field, _)| wanted(&[field])) {
        rules.push(json!({ "rule": "history-passed-over", "field": field, "code": code }));
    }
    rules
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
        "withheld": plan.withheld().map(|field| field.name).collect::<Vec<_>>(),
        "rules": rules(plan),
        "select_by": plan.select_by(),
        "require": plan.require(),
        "limits": limits,
        "valid_until": shuguan_ledger::time::format(plan.valid().until_s.saturating_mul(1_000_000)),
    })
}
