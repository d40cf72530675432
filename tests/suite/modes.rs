//! `Exchange-Mode`, `Exchange-Scope`, `Exchange-Count`: what contradicts itself is refused, what was said is sealed, a delta deletes and a
//! snapshot closes what it lacks, unless that is too much.

use rusqlite::Connection;
use serde_json::{Value, json};
use shuguan_tests::{Answer, Call, Deployment, Identity, Running, eventually, leaves, registry_rows, run};

use crate::feeds::{CSV_UTF8, NDJSON, POLICE, RESIDENT, clean, nobody, resident};

const KEY: &str = "counted-batch-1";

fn push() -> Call {
    Call::push(RESIDENT, NDJSON, resident(&nobody(1), "某某")).header("idempotency-key", KEY)
}

async fn send(running: &Running<'_>, call: Call, identity: &Identity) -> Answer {
    running.call(call, identity).await.expect("an answer")
}

#[test]
fn a_manner_that_contradicts_itself_is_refused_before_the_body() {
    run(async {
        let gateway = Deployment::new();
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        let snapshot = || push().header("exchange-mode", "snapshot").header("exchange-count", "1");
        for (call, code) in [
            (push().header("exchange-mode", "snapshot"), "SG2119"),
            (
                push()
                    .header("exchange-mode", "snapshot")
                    .header("exchange-scope", "all"),
                "SG2119",
            ),
            (snapshot(), "SG2119"),
            (snapshot().header("exchange-scope", "hukou_region=everywhere"), "SG2119"),
            (snapshot().header("exchange-scope", "name=x"), "SG2119"),
            (snapshot().header("exchange-scope", "nothing=320706"), "SG2119"),
            // Coded, and withheld by the grant.
            (snapshot().header("exchange-scope", "marital_status=10"), "SG2119"),
            (push().header("exchange-scope", "all"), "SG2119"),
            (
                push().header("exchange-mode", "delta").header("exchange-scope", "all"),
                "SG2119",
            ),
            (push().header("exchange-count", "one"), "SG2119"),
            (push().header("exchange-count", "-1"), "SG2119"),
            (push().header("exchange-mode", "replace"), "SG2113"),
        ] {
            let answer = send(&running, call, &police).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (400, code),
                "{:?}",
                answer.body
            );
        }
        // None of them stuck to the key.
        assert_eq!(send(&running, push(), &police).await.status, 202);
        let log = leaves(&gateway.journal());
        assert_eq!(log.iter().filter(|leaf| leaf["code"] == "bad-manner").count(), 11);
        assert!(!log.iter().any(|leaf| leaf.to_string().contains("everywhere")));
    });
}

#[test]
fn a_count_that_does_not_hold_refuses_the_batch_and_one_that_holds_is_sealed() {
    run(async {
        let gateway = Deployment::new();
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        let feed = clean(RESIDENT, CSV_UTF8, 20, 1);
        let push = |count: &str, key: &str| {
            let call = Call::push(RESIDENT, CSV_UTF8, feed.clone());
            call.header("exchange-count", count).header("idempotency-key", key)
        };
        for count in ["19", "21", "0"] {
            let first = send(&running, push(count, count), &police).await;
            assert_eq!((first.status.as_u16(), first.code().as_str()), (422, "SG3111"));
            let hint = first.json()["errors"][0]["hint"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(hint.contains(&format!("stated {count}, received 20")), "{hint}");
            assert_eq!(send(&running, push(count, count), &police).await.body, first.body);
        }
        let accepted = send(&running, push("20", KEY), &police).await;
        assert_eq!(accepted.status, 202);
        // Another count is other content, and so is none.
        assert_eq!(send(&running, push("21", KEY), &police).await.code(), "SG2104");
        let none = Call::push(RESIDENT, CSV_UTF8, feed.clone()).header("idempotency-key", KEY);
        assert_eq!(send(&running, none, &police).await.code(), "SG2104");
        let again = send(&running, push("20", KEY), &police).await;
        assert_eq!(
            (&again.body, again.header("idempotency-replayed")),
            (&accepted.body, "true")
        );
        let pushes = gateway.leaves_of("push");
        assert_eq!(pushes.len(), 1);
        assert_eq!((&pushes[0]["cnt"], pushes[0].get("mode")), (&20.into(), None));
    });
}

/// Residents by number, `region` of each.
fn people(numbers: impl IntoIterator<Item = u32>, region: &str) -> Vec<Value> {
    let one = |n: u32| {
        let line: Value = serde_json::from_slice(&resident(&nobody(n), "某某")).unwrap();
        let mut line = line;
        line["hukou_region"] = region.into();
        line
    };
    numbers.into_iter().map(one).collect()
}

fn ndjson(lines: &[Value]) -> Vec<u8> {
    lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()
}

/// The numbers whose rows are open.
fn open(gateway: &Deployment, most: u32) -> Vec<u32> {
    let registry = Connection::open(gateway.registry()).unwrap();
    let sql = "SELECT citizen_id FROM public_security_resident WHERE _open <> 0";
    let mut statement = registry.prepare(sql).unwrap();
    let ids: Vec<String> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    (0..most).filter(|n| ids.contains(&nobody(*n))).collect()
}

fn relayed(gateway: &Deployment, exchanges: usize) -> Value {
    eventually("it is relayed", 30, || gateway.leaves_of("relayed").len() == exchanges);
    gateway.leaves_of("relayed").last().unwrap().clone()
}

async fn put(running: &Running<'_>, police: &Identity, lines: &[Value]) -> Answer {
    let answer = send(running, Call::push(RESIDENT, NDJSON, ndjson(lines)), police).await;
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    answer
}

fn delta(body: Vec<u8>, content_type: &str) -> Call {
    Call::push(RESIDENT, content_type, body).header("exchange-mode", "delta")
}

fn snapshot(lines: &[Value], scope: &str) -> Call {
    Call::push(RESIDENT, NDJSON, ndjson(lines))
        .header("exchange-mode", "snapshot")
        .header("exchange-scope", scope)
        .header("exchange-count", &lines.len().to_string())
}

#[test]
fn a_delta_inserts_updates_and_deletes_and_rejects_rows_that_do_not_say_which() {
    run(async {
        let gateway = Deployment::new();
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        put(&running, &police, &people(0..3, "320706")).await;
        let mut lines = people(1..4, "320706");
        lines[0]["操作类型"] = "修改".into();
        lines[0]["former_name"] = "某".into();
        lines[1] = json!({ "op": "D", "citizen_id": nobody(2) });
        lines[2]["op"] = "i".into();
        lines.extend(people(4..6, "320706"));
        lines[4]["op"] = "X".into();
        lines.push(json!({ "op": "D", "name": "某某" }));
        let mut wrong = nobody(7);
        let last = if wrong.ends_with('0') { '1' } else { '0' };
        wrong.replace_range(17.., &last.to_string());
        lines.push(json!({ "op": "delete", "citizen_id": wrong }));
        // Enough good ones that the grant takes the share of rejects.
        let mut more = people(10..26, "320706");
        more.iter_mut().for_each(|line| line["op"] = "I".into());
        lines.extend(more);
        let answer = send(&running, delta(ndjson(&lines), NDJSON), &police).await;
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        let document = answer.json();
        let counts = ["received", "accepted", "rejected", "filtered", "repeated"].map(|name| document[name].clone());
        assert_eq!(counts, [23, 19, 4, 0, 0].map(Value::from));
        let rejects: Vec<(u64, String, Value)> = document["rejects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                (
                    one["row"].as_u64().unwrap(),
                    one["code"].as_str().unwrap().to_owned(),
                    one["field"].clone(),
                )
            })
            .collect();
        assert_eq!(
            rejects,
            [
                (4, "SG3245".to_owned(), json!("op")),
                (5, "SG3246".to_owned(), json!("op")),
                (6, "SG3224".to_owned(), Value::Null),
                (7, "SG3204".to_owned(), json!("citizen_id")),
            ]
        );
        let leaf = relayed(&gateway, 2);
        assert_eq!(
            ["ins", "upd", "same", "del"].map(|name| leaf[name].clone()),
            [17, 1, 0, 1].map(Value::from)
        );
        assert_eq!(open(&gateway, 6), [0, 1, 3]);
        let push = gateway.leaves_of("push").pop().unwrap();
        assert_eq!((&push["mode"], &push["ok"]), (&json!("delta"), &json!(19)));
        // The operation is a column of what was sealed, and no field of anybody's.
        let before = gateway.leaves_of("push")[0]["nc"].as_u64();
        assert_eq!(push["nc"].as_u64(), before.map(|columns| columns + 1));
        let status = running
            .call(
                Call::get(format!("/v1/exchanges/{}", document["exchange"].as_str().unwrap())),
                &police,
            )
            .await
            .unwrap()
            .json();
        assert_eq!(
            (&status["mode"], &status["state"], &status["relayed"]),
            // What became of its rows depends on what others sent, and is not told.
            (&json!("delta"), &json!("relayed"), &Value::Null)
        );
    });
}

#[test]
fn a_delta_without_operations_is_refused_and_one_of_a_table_has_a_column_for_them() {
    run(async {
        let gateway = Deployment::new();
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        for (body, content_type) in [
            (ndjson(&people(0..3, "320706")), NDJSON),
            (clean(RESIDENT, CSV_UTF8, 5, 1), CSV_UTF8),
        ] {
            let call = delta(body, content_type).header("idempotency-key", content_type.split(';').next().unwrap());
            let answer = send(&running, call, &police).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "SG3113"));
        }
        let csv = |rows: &[[&str; 4]]| {
            let mut text = "操作标志,公民身份号码,姓名,户籍地区划\n".to_owned();
            for row in rows {
                text.push_str(&format!("{}\n", row.join(",")));
            }
            text.into_bytes()
        };
        let (one, two) = (nobody(1), nobody(2));
        let first = csv(&[["I", &one, "某某", "320706"], ["I", &two, "某某", "320706"]]);
        assert_eq!(send(&running, delta(first, CSV_UTF8), &police).await.status, 202);
        relayed(&gateway, 1);
        assert_eq!(open(&gateway, 4), [1, 2]);
        // One that says a region outside the agreement is held back; one that says none is not.
        let second = csv(&[["删除", &one, "", "110101"], ["D", &two, "", ""]]);
        let answer = send(&running, delta(second, CSV_UTF8), &police).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["filtered"]), (202, &json!(1)));
        relayed(&gateway, 2);
        assert_eq!(open(&gateway, 4), [1]);
        // Without the mode nobody is deleted, and nobody is alive again for want of it.
        let upsert = Call::push(
            RESIDENT,
            CSV_UTF8,
            csv(&[["I", &one, "某某", "320706"], ["D", &two, "某某", "320706"]]),
        );
        let answer = send(&running, upsert, &police).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "SG3115"));
        assert_eq!(open(&gateway, 4), [1]);
    });
}

#[test]
fn a_snapshot_closes_what_it_lacks_within_its_scope_and_rejects_what_lies_outside() {
    run(async {
        let gateway = Deployment::new();
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        put(&running, &police, &people(0..18, "320706")).await;
        put(&running, &police, &people(18..20, "320707")).await;
        let mut lines = people(0..15, "320706");
        // Rejected, and held all the same; and one outside.
        lines[14]["sex"] = "9x".into();
        lines.extend(people(20..21, "320707"));
        let answer = send(&running, snapshot(&lines, "hukou_region=320706"), &police).await;
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        let document = answer.json();
        assert_eq!(
            ["received", "accepted", "rejected"].map(|name| document[name].clone()),
            [16, 14, 2].map(Value::from)
        );
        assert_eq!(document["rejects"][1]["code"], "SG3247");
        let leaf = relayed(&gateway, 3);
        assert_eq!(
            ["ins", "upd", "same", "del"].map(|name| leaf[name].clone()),
            [0, 0, 14, 3].map(Value::from)
        );
        let held: Vec<u32> = (0..15).chain(18..20).collect();
        assert_eq!(open(&gateway, 30), held);
        let push = gateway.leaves_of("push").pop().unwrap();
        assert_eq!(
            ["mode", "sco", "cnt", "ok"].map(|name| push[name].clone()),
            [json!("snapshot"), json!("hukou_region=320706"), json!(16), json!(14)]
        );
        // None of it inside: it says nothing about the scope.
        let outside = send(
            &running,
            snapshot(&people(0..3, "320707"), "hukou_region=320706"),
            &police,
        )
        .await;
        assert_eq!((outside.status.as_u16(), outside.code().as_str()), (422, "SG3112"));
        // A cut file closes nothing.
        let cut = snapshot(&people(0..3, "320706"), "all").without("exchange-count");
        let cut = cut.header("exchange-count", "4");
        assert_eq!(send(&running, cut, &police).await.code(), "SG3111");
        // What came back is open again.
        put(&running, &police, &people(16..17, "320706")).await;
        relayed(&gateway, 4);
        assert_eq!(open(&gateway, 30).len(), held.len() + 1);
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

#[test]
fn a_table_of_history_is_no_snapshot_and_a_row_of_history_changes_nobody() {
    run(async {
        let gateway = Deployment::new();
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        put(&running, &police, &people(0..6, "320706")).await;
        relayed(&gateway, 1);
        let was = |numbers: std::ops::Range<u32>, region: &str| {
            let mut lines = people(numbers, region);
            for line in &mut lines {
                line["record_flag"] = "2".into();
                line["valid_to"] = "1890-01-01T00:00:00+08:00".into();
            }
            lines
        };
        // Taken for the people of now it would leave nobody.
        for (region, scope) in [("320706", "all"), ("320707", "hukou_region=320706")] {
            let answer = send(&running, snapshot(&was(0..6, region), scope), &police).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (422, "SG3107"),
                "{scope}"
            );
        }
        let refusals = gateway.leaves_of("refusal");
        let refused: Vec<&Value> = refusals.iter().map(|leaf| &leaf["code"]).collect();
        assert_eq!(refused, ["empty-batch", "empty-batch"]);
        let answer = put(&running, &police, &was(0..2, "320707")).await.json();
        assert_eq!(
            ["received", "accepted", "filtered"].map(|name| answer[name].clone()),
            [2, 0, 2].map(Value::from)
        );
        relayed(&gateway, 2);
        let regions = "SELECT DISTINCT hukou_region FROM public_security_resident";
        assert_eq!(registry_rows(&gateway.registry(), regions), ["320706"]);
        assert_eq!(open(&gateway, 10).len(), 6);
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

#[test]
fn a_snapshot_that_would_close_too_much_is_set_aside_and_closes_only_when_an_operator_lets_it() {
    run(async {
        let gateway =
            Deployment::with(|text| text.replace("#= snapshot_close_rows_min = 20", "snapshot_close_rows_min = 2"));
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        put(&running, &police, &people(0..40, "320706")).await;
        relayed(&gateway, 1);
        // Four of forty may go, five not.
        let answer = send(&running, snapshot(&people(4..40, "320706"), "all"), &police).await;
        assert_eq!(answer.status, 202);
        assert_eq!(relayed(&gateway, 2)["del"], 4);
        let answer = send(&running, snapshot(&people(10..41, "320706"), "all"), &police).await;
        let exchange = answer.json()["exchange"].as_str().unwrap().to_owned();
        let list = || {
            let arguments = ["relay", "list", "--format", "json", "-c", "officers/operator-li.toml"];
            let (code, out, error) = gateway.shuguan(&arguments);
            assert_eq!(code, 0, "{error}");
            serde_json::from_str::<Value>(&out).unwrap()["set_aside"].clone()
        };
        eventually("it is set aside", 30, || list().as_array().unwrap().len() == 1);
        assert_eq!(
            (&list()[0]["reason"], &list()[0]["exchange"]),
            (&json!("SG6304"), &json!(exchange))
        );
        // What it brought is in, and what it lacks is open; others go on.
        assert_eq!(open(&gateway, 60).len(), 37);
        put(&running, &police, &people(50..51, "320706")).await;
        relayed(&gateway, 3);
        let release = ["relay", "release", &exchange, "-c", "officers/operator-li.toml"];
        assert_eq!(gateway.shuguan(&release).0, 0);
        let leaf = relayed(&gateway, 4);
        assert_eq!((&leaf["x"], &leaf["del"]), (&json!(exchange), &json!(6)));
        let open = open(&gateway, 60);
        assert_eq!(open, (10..41).chain([50]).collect::<Vec<u32>>());
        let acts = gateway.leaves_of("operator");
        assert_eq!(
            (acts.len(), &acts[0]["act"], &acts[0]["x"]),
            (1, &json!("released-again"), &json!(exchange))
        );
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

#[test]
fn a_snapshot_that_is_given_up_with_rows_in_is_named_until_its_sender_takes_it_back() {
    run(async {
        let gateway =
            Deployment::with(|text| text.replace("#= snapshot_close_rows_min = 20", "snapshot_close_rows_min = 2"));
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        put(&running, &police, &people(0..40, "320706")).await;
        relayed(&gateway, 1);
        let answer = send(&running, snapshot(&people(10..45, "320706"), "all"), &police).await;
        let exchange = answer.json()["exchange"].as_str().unwrap().to_owned();
        let operator = |arguments: &[&str]| {
            let more = ["--format", "json", "-c", "officers/operator-li.toml"];
            let (code, out, error) = gateway.shuguan(&[&["relay"], arguments, &more].concat());
            assert_eq!(code, 0, "{error}");
            serde_json::from_str::<Value>(&out).unwrap()
        };
        let aside = || operator(&["list"])["set_aside"].clone();
        eventually("it is set aside", 30, || aside().as_array().unwrap().len() == 1);
        // Five persons are new by it; the others were as they are.
        assert_eq!(aside()[0]["rows_in"], 5);
        let discard = ["discard", &exchange, "--why", "wrong-batch", "--yes"];
        assert_eq!(
            operator(&discard)["discarded"],
            json!({ "exchange": exchange, "rows_in": 5 })
        );
        let fsck = || {
            let (code, out, _) = gateway.shuguan(&["db", "fsck", "--json", "-c", "shuguan.toml"]);
            let found = serde_json::from_str::<Value>(&out).unwrap()["findings"].clone();
            (code, found)
        };
        let (code, found) = fsck();
        assert_eq!((code, found.as_array().unwrap().len()), (6, 1));
        assert_eq!(
            (&found[0]["what"], &found[0]["exchange"], &found[0]["holds"]),
            (&json!("given-up"), &json!(exchange), &json!(5))
        );
        assert_eq!(open(&gateway, 60).len(), 45);
        let config = format!("partners/{POLICE}/client.toml");
        let recall = [
            "recall",
            &exchange,
            "--why",
            "wrong-batch",
            "--yes",
            "--wait",
            "-c",
            &config,
        ];
        let (code, _, error) = gateway.shuguan(&recall);
        assert_eq!(code, 0, "{error}");
        assert_eq!(open(&gateway, 60), (0..40).collect::<Vec<u32>>());
        assert_eq!(fsck(), (0, json!([])));
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}
