//! `db fsck --deep`: rows of the registry that do not fit what log and registry say of their exchanges, on both stores. Somebody wrote past the relay, and the
//! numbers that the registry keeps about itself are as they were, so that nothing else would say so.

use serde_json::Value;
use shuguan_tests::{Call, Deployment, Postgres, Running, eventually, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

const TABLE: &str = "public_security_resident";

/// Runs statements past the relay.
type Past<'p> = &'p dyn Fn(&str);

async fn push(running: &Running<'_>, gateway: &Deployment, people: std::ops::Range<u32>, name: &str) -> String {
    let rows: Vec<u8> = people.flat_map(|n| resident(&nobody(n), name)).collect();
    let call = Call::push(RESIDENT, NDJSON, rows);
    let answer = running.call(call, &gateway.partner(POLICE)).await.unwrap();
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    answer.json()["exchange"].as_str().unwrap().to_owned()
}

/// A finding: what, exchange, record type, as stated, as held.
type Found = (String, Option<String>, Option<String>, i64, i64);

/// Exit code and findings.
fn fsck(gateway: &Deployment, more: &[&str]) -> (i32, Vec<Found>, Value) {
    let arguments = [&["db", "fsck", "-c", "shuguan.toml", "--json"], more].concat();
    let (code, out, error) = gateway.shuguan(&arguments);
    let document: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{error}"));
    for person in 0..12 {
        assert!(!format!("{out}{error}").contains(&nobody(person)), "it names a person");
    }
    let text = |finding: &Value, member: &str| finding[member].as_str().map(str::to_owned);
    let number = |finding: &Value, member: &str| finding[member].as_i64().unwrap_or(-1);
    let findings = document["findings"].as_array().unwrap().iter().map(|one| {
        let (what, exchange, record) = (text(one, "what"), text(one, "exchange"), text(one, "record"));
        (
            what.unwrap(),
            exchange,
            record,
            number(one, "states"),
            number(one, "holds"),
        )
    });
    let findings = findings.collect();
    (code, findings, document)
}

fn found(what: &str, exchange: Option<&str>, states: i64, holds: i64) -> Found {
    let record = (what != "stray").then(|| RESIDENT.to_owned());
    (what.to_owned(), exchange.map(str::to_owned), record, states, holds)
}

async fn what_was_written_past_the_relay_is_named_by_exchange(
    gateway: &Deployment,
    (id, restore): (fn(&str) -> String, &str),
    past: Past<'_>,
) {
    let running = gateway.serve();
    let first = push(&running, gateway, 0..6, "甲").await;
    let second = push(&running, gateway, 4..10, "乙").await;
    eventually("both are relayed", 30, || gateway.leaves_of("relayed").len() == 2);
    let (code, findings, document) = fsck(gateway, &["--deep"]);
    assert_eq!((code, findings, document["rows"].as_u64()), (0, vec![], Some(10)));
    let person = |n: u32| format!("citizen_id = '{}'", nobody(n));
    let kept = |n: u32| {
        format!(
            "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT * FROM {TABLE} WHERE {};",
            person(n)
        )
    };
    let back = format!("INSERT INTO {TABLE} SELECT * FROM kept");
    let stranger = "0199a3c4-0000-7000-8000-000000000001";
    let mut forged = (kept(0), String::new());
    forged.0 += &format!("UPDATE kept SET _key = '320706180001010009', citizen_id = '320706180001010009'; {back}");
    forged.1 += &format!("DELETE FROM {TABLE} WHERE citizen_id = '320706180001010009'");
    let open_rows = |holds| found("open-rows", None, 10, holds);
    let cases = [
        (
            "a row is removed",
            format!("{} DELETE FROM {TABLE} WHERE {}", kept(0), person(0)),
            back.clone(),
            vec![open_rows(9)],
        ),
        ("a row is added", forged.0, forged.1, vec![open_rows(11)]),
        (
            "a row is closed",
            format!("UPDATE {TABLE} SET _open = 0 WHERE {}", person(9)),
            format!("UPDATE {TABLE} SET _open = 1 WHERE {}", person(9)),
            vec![open_rows(9)],
        ),
        (
            "a row is said to be another partner's",
            format!("UPDATE {TABLE} SET _partner = 'health-city' WHERE {}", person(1)),
            format!("UPDATE {TABLE} SET _partner = '{POLICE}' WHERE {}", person(1)),
            vec![found("provenance", Some(&first), 0, 1)],
        ),
        (
            "rows are said to be another exchange's",
            format!(
                "UPDATE {TABLE} SET _exchange = {} WHERE _exchange = {}",
                id(&second),
                id(&first)
            ),
            format!(
                "UPDATE {TABLE} SET _exchange = {} WHERE _leaf = (SELECT leaf FROM relay_progress WHERE exchange = {})",
                id(&first),
                id(&first)
            ),
            vec![
                found("provenance", Some(&second), 0, 4),
                found("more", Some(&second), 6, 10),
            ],
        ),
        (
            "a row is nobody's",
            format!("UPDATE {TABLE} SET _exchange = {} WHERE {}", id(stranger), person(1)),
            format!("UPDATE {TABLE} SET _exchange = {} WHERE {}", id(&first), person(1)),
            vec![found("stray", Some(stranger), 0, 1)],
        ),
        (
            "the history names another leaf",
            "UPDATE history SET was_leaf = was_leaf + 1000".to_owned(),
            "UPDATE history SET was_leaf = was_leaf - 1000".to_owned(),
            vec![found("stray", None, 0, 2)],
        ),
    ];
    for (what, tampered, restored, expected) in cases {
        past(&tampered);
        let (code, findings, _) = fsck(gateway, &["--deep"]);
        assert_eq!((code, findings), (6, expected), "{what}");
        let (_, out, error) = gateway.shuguan(&["db", "fsck", "--deep", "-c", "shuguan.toml"]);
        let said = format!("{out}{error}");
        let told = format!("past the relay: {restore}, then feed again");
        assert!(
            said.contains(&told) && said.contains("the finding remains"),
            "{what}: {said}"
        );
        assert_eq!(fsck(gateway, &[]).0, 0, "{what}: nothing else says so");
        past(&restored);
        assert_eq!(fsck(gateway, &["--deep"]).0, 0, "{what}: it is as it was");
    }
    a_recall_that_waits_is_named(gateway, (&running, id), &second, past).await;
    // What a snapshot mends is counted like any other push, so the difference stays.
    past(&format!("DELETE FROM {TABLE} WHERE {}", person(0)));
    let whole: Vec<u8> = (0..10).flat_map(|n| resident(&nobody(n), "丙")).collect();
    let snapshot = Call::push(RESIDENT, NDJSON, whole)
        .header("exchange-mode", "snapshot")
        .header("exchange-scope", "all")
        .header("exchange-count", "10");
    let answer = running.call(snapshot, &gateway.partner(POLICE)).await.unwrap();
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    eventually("it is relayed", 30, || gateway.leaves_of("relayed").len() == 3);
    let (code, findings, _) = fsck(gateway, &["--deep"]);
    assert_eq!((code, findings), (6, vec![found("open-rows", None, 11, 10)]));
    past("DROP TABLE IF EXISTS kept");
    assert_eq!(running.stop(), Some(0));
}

/// It is known and no finding; rows that somebody else put under the name of its batch are one, since it would empty them. Then it is carried out, and nothing is to be said.
async fn a_recall_that_waits_is_named(
    gateway: &Deployment,
    (running, id): (&Running<'_>, fn(&str) -> String),
    push: &str,
    past: Past<'_>,
) {
    let operator = |act: &str| {
        let (code, _, error) = gateway.shuguan(&["relay", act, "-c", "officers/operator-li.toml"]);
        assert_eq!(code, 0, "{error}");
    };
    operator("pause");
    let recall = Call::new(http::Method::POST, format!("/v1/exchanges/{push}/recall"))
        .header("idempotency-key", "back")
        .header("content-type", "application/json")
        .body(r#"{"why":"wrong-batch"}"#);
    let answer = running.call(recall, &gateway.partner(POLICE)).await.unwrap();
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    let recall = answer.json()["exchange"].as_str().unwrap().to_owned();
    let waits = |document: &Value, (states, holds): (Value, Value)| {
        let known = document["known"].as_array().unwrap();
        assert_eq!(known.len(), 1, "{document}");
        assert_eq!(
            [
                &known[0]["what"],
                &known[0]["exchange"],
                &known[0]["states"],
                &known[0]["holds"]
            ],
            [&"recall-waits".into(), &recall.clone().into(), &states, &holds]
        );
    };
    for (more, counts) in [
        (&[][..], (Value::Null, Value::Null)),
        (&["--deep"][..], (6.into(), 6.into())),
    ] {
        let (code, findings, document) = fsck(gateway, more);
        assert_eq!((code, findings), (0, vec![]), "{more:?}");
        waits(&document, counts);
    }
    let was = format!("(SELECT exchange FROM relay_progress WHERE leaf = {TABLE}._leaf)");
    past(&format!(
        "UPDATE {TABLE} SET _exchange = {} WHERE _exchange <> {}",
        id(push),
        id(push)
    ));
    let (code, findings, document) = fsck(gateway, &["--deep"]);
    let moved = vec![found("provenance", Some(push), 0, 4), found("more", Some(push), 6, 10)];
    assert_eq!((code, findings), (6, moved));
    waits(&document, (6.into(), 10.into()));
    let (_, out, error) = gateway.shuguan(&["db", "fsck", "--deep", "-c", "shuguan.toml"]);
    assert!(
        format!("{out}{error}").contains("shuguan relay resume ends a pause"),
        "{error}"
    );
    past(&format!("UPDATE {TABLE} SET _exchange = {was}"));
    operator("resume");
    eventually("it is carried out", 30, || gateway.leaves_of("recalled").len() == 1);
    let (code, findings, document) = fsck(gateway, &["--deep"]);
    assert_eq!((code, findings), (0, vec![]));
    assert!(document["known"].is_null(), "{document}");
}

#[test]
fn what_was_written_past_the_relay_into_sqlite_is_named_by_exchange() {
    run(async {
        let gateway = Deployment::new();
        let past = |sql: &str| {
            let registry = rusqlite::Connection::open(gateway.registry()).unwrap();
            registry.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
            registry.execute_batch(sql).unwrap();
        };
        let id = |exchange: &str| format!("x'{}'", exchange.replace('-', ""));
        what_was_written_past_the_relay_is_named_by_exchange(&gateway, (id, "shuguan db restore"), &past).await;
    });
}

#[test]
fn what_was_written_past_the_relay_into_postgres_is_named_by_exchange() {
    let Some(postgres) = Postgres::start("deep", &[]) else {
        return;
    };
    let gateway = Deployment::both_on(&postgres, |text| text);
    run(async {
        let past = |sql: &str| postgres.script(sql);
        let id = |exchange: &str| format!("'{exchange}'::uuid");
        what_was_written_past_the_relay_is_named_by_exchange(&gateway, (id, "pg_restore"), &past).await;
    });
}
