//! C1: a partner learns nothing about another source. Two worlds differ only in what another partner of the same agency sent, in one the very rows that this
//! one sends, in the other rows of strangers; all that this partner is told of its exchanges is the same in both.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use shuguan_tests::{Answer, Call, Deployment, Identity, Running, eventually, run};

use crate::feeds::{NDJSON, clean};

const RECORD: &str = "health/death-certificate";
const ROWS: usize = 40;
/// Members that differ from run to run, whoever sends what: random, or a time.
const BY_CHANCE: [&str; 5] = ["exchange", "sealed_at", "receipt", "settled", "recalls"];

/// Whose rows they are: those that this partner sends, or strangers.
#[derive(Clone, Copy)]
enum Whose {
    Ours,
    Strangers,
}

fn upsert(whose: Whose) -> Call {
    Call::push(RECORD, NDJSON, ndjson(&lines(whose)))
}

fn lines(whose: Whose) -> Vec<Value> {
    let body = String::from_utf8(clean(RECORD, NDJSON, 2 * ROWS as u64, 1)).unwrap();
    let lines = body.lines().map(|line| serde_json::from_str(line).unwrap());
    match whose {
        Whose::Ours => lines.take(ROWS).collect(),
        Whose::Strangers => lines.skip(ROWS).collect(),
    }
}

fn ndjson(lines: &[Value]) -> Vec<u8> {
    lines
        .iter()
        .map(|line| format!("{line}\n"))
        .collect::<String>()
        .into_bytes()
}

/// Deletes some of its rows, and holds the others.
fn delta() -> Call {
    let mut lines = lines(Whose::Ours);
    for (number, line) in lines.iter_mut().enumerate() {
        line["op"] = if number % 2 == 0 { "D" } else { "U" }.into();
    }
    Call::push(RECORD, NDJSON, ndjson(&lines)).header("exchange-mode", "delta")
}

/// Lacks a few, so that it closes them when they are its own.
fn snapshot() -> Call {
    let lines = lines(Whose::Ours).split_off(3);
    Call::push(RECORD, NDJSON, ndjson(&lines))
        .header("exchange-mode", "snapshot")
        .header("exchange-scope", "all")
        .header("exchange-count", &lines.len().to_string())
}

async fn send(running: &Running<'_>, call: Call, who: &Identity) -> Answer {
    let answer = running.call(call, who).await.unwrap();
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    answer
}

/// What is the same in each run.
fn without_chance(mut document: Value) -> Value {
    match &mut document {
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                let by_chance = BY_CHANCE.contains(&name.as_str()) && !value.is_null();
                *value = if by_chance {
                    "…".into()
                } else {
                    without_chance(value.take())
                };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_chance(item.take())),
        _ => {}
    }
    document
}

/// Kinds of the leaves in whose receipts the list shows them.
fn shown(list: &Value) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for item in list["items"].as_array().unwrap() {
        for member in ["receipt", "settled"] {
            let Some(receipt) = item[member].as_str() else {
                continue;
            };
            let extra = receipt.lines().find_map(|line| line.strip_prefix("extra ")).unwrap();
            let leaf: Value = serde_json::from_slice(&STANDARD.decode(extra).unwrap()).unwrap();
            *kinds.entry(leaf["k"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    kinds
}

/// All that the partner is told in a world where the other one sent those rows; and what the log says of its rows.
async fn told(others: Whose) -> (Vec<String>, Vec<Value>) {
    let gateway = Deployment::new();
    let (ours, other) = (gateway.partner("health-city"), gateway.partner("health-ganyu"));
    let running = gateway.serve();
    let settled = |count: usize| {
        eventually("it is relayed", 30, || gateway.leaves_of("relayed").len() == count);
    };
    send(&running, upsert(others), &other).await;
    settled(1);
    let (mut told, mut exchanges) = (Vec::new(), Vec::new());
    // Row by row and in bulk: new, the same again, deleted, lacking.
    let one = |number: usize| Call::push(RECORD, NDJSON, ndjson(&lines(Whose::Ours)[number..=number]));
    for (count, call) in [
        one(0),
        one(0),
        upsert(Whose::Ours),
        upsert(Whose::Ours),
        delta(),
        snapshot(),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = send(&running, call, &ours).await.json();
        exchanges.push(answer["exchange"].as_str().unwrap().to_owned());
        told.push(answer);
        settled(count + 2);
        // Between two of ours the other one takes rows over again.
        if count == 3 {
            send(
                &running,
                upsert(others).header("idempotency-key", "once-more-1"),
                &other,
            )
            .await;
        }
        if count >= 3 {
            settled(count + 3);
        }
    }
    let recall = Call::new(Method::POST, format!("/v1/exchanges/{}/recall", exchanges[2]))
        .header("content-type", "application/json")
        .header("idempotency-key", "recall-it-1")
        .body(json!({ "why": "wrong-batch" }).to_string());
    let recall = send(&running, recall, &ours).await.json();
    exchanges.push(recall["exchange"].as_str().unwrap().to_owned());
    told.push(recall);
    eventually("it is recalled", 30, || gateway.leaves_of("recalled").len() == 1);
    let ask = async |path: String| running.call(Call::get(path), &ours).await.unwrap().json();
    for exchange in &exchanges {
        told.push(ask(format!("/v1/exchanges/{exchange}")).await);
        told.push(ask(format!("/v1/exchanges/{exchange}/rejects?format=json")).await);
    }
    let list = ask("/v1/exchanges?from=0".to_owned()).await;
    assert_eq!(
        shown(&list),
        BTreeMap::from([("push".to_owned(), 6), ("recall".to_owned(), 1)])
    );
    told.push(list);
    told.push(ask("/v1/tickets".to_owned()).await);
    told.push(ask("/v1/catalog".to_owned()).await);
    assert_eq!(running.stop(), Some(0));
    gateway.verified_log();
    let mut done = gateway.leaves_of("relayed");
    done.extend(gateway.leaves_of("recalled"));
    for leaf in &done {
        assert_eq!(leaf["rnd"].as_str().map(str::len), Some(45), "{leaf}");
    }
    let numbered = |told: Value| {
        let told = without_chance(told).to_string();
        let by_number =
            |told: String, (number, exchange): (usize, &String)| told.replace(exchange, &format!("#{number}"));
        exchanges.iter().enumerate().fold(told, by_number)
    };
    (told.into_iter().map(numbered).collect(), done)
}

#[test]
fn what_a_partner_is_told_is_the_same_whatever_another_partner_of_its_agency_sent() {
    run(async {
        let (known, done_known) = told(Whose::Ours).await;
        let (strangers, done_strangers) = told(Whose::Strangers).await;
        // The worlds do differ, and officers see it.
        let counts = |done: &[Value]| -> Vec<Value> {
            let of = |leaf: &Value| json!([leaf["ins"], leaf["upd"], leaf["same"], leaf["del"], leaf["opn"]]);
            done.iter().map(of).collect()
        };
        assert_ne!(counts(&done_known), counts(&done_strangers));
        assert_eq!(known, strangers);
        assert!(known[7].contains(r#""state":"relayed""#), "{}", known[7]);
        for word in ["inserted", "updated", "closed", "withdrawn"] {
            assert!(!known.iter().any(|told| told.contains(word)), "{word}");
        }
    });
}
