//! Canaries: values that occur nowhere else, in fields that no grant names, in rows that are rejected, in headers, paths and case numbers.
//! Afterwards every file of the gateway, its pages and every answer are searched for them, in every spelling that a leak might have.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::Method;
use serde_json::{Value, json};
use shuguan_tests::{Answer, Call, Deployment, Identity, Running, eventually, registry_count, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody};
use crate::people::citizen;

/// A value in each spelling.
fn spellings(value: &str) -> Vec<(&'static str, Vec<u8>)> {
    let utf8 = value.as_bytes().to_vec();
    let gb18030 = encoding_rs::GB18030.encode(value).0.into_owned();
    let utf16: Vec<u8> = value.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let escaped: String = value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let percent: String = utf8.iter().map(|byte| format!("%{byte:02X}")).collect();
    let digest = ring::digest::digest(&ring::digest::SHA256, &utf8);
    let mut all = vec![
        ("hex", hex(&utf8).into_bytes()),
        ("upper hex", hex(&utf8).to_uppercase().into_bytes()),
        ("hex of GB18030", hex(&gb18030).into_bytes()),
        ("UTF-16", utf16),
        ("JSON escapes", escaped.into_bytes()),
        ("percent", percent.into_bytes()),
        ("plain SHA-256", digest.as_ref().to_vec()),
        ("plain SHA-256 in hex", hex(digest.as_ref()).into_bytes()),
    ];
    for (name, bytes) in [("base64", &utf8), ("base64 of GB18030", &gb18030)] {
        // A leak may begin at any of three places of a base64 group.
        all.extend((0..3).map(|before| (name, base64_inside(bytes, before))));
    }
    all.push(("UTF-8", utf8));
    all.push(("GB18030", gb18030));
    all
}

/// The characters of a base64 text that only these bytes decide, when `before` bytes come first.
fn base64_inside(bytes: &[u8], before: usize) -> Vec<u8> {
    let padded = [&vec![0; before][..], bytes].concat();
    let text = BASE64.encode(&padded).into_bytes();
    let first = (before * 8).div_ceil(6);
    text[first..padded.len() * 8 / 6].to_vec()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|byte| byte == first) {
        from += at;
        if haystack[from..].starts_with(needle) {
            return true;
        }
        from += 1;
    }
    false
}

#[test]
fn the_search_finds_a_value_in_each_of_its_spellings() {
    for value in ["CANARY-father-8731", "金丝雀龘靐齉"] {
        for (name, bytes) in spellings(value) {
            let hay = [b"something before ", &bytes[..], b" and after"].concat();
            assert!(
                spellings(value).iter().any(|(_, needle)| contains(&hay, needle)),
                "{name}"
            );
        }
        for before in 0..3 {
            let leak = BASE64.encode([&b"abc"[..before], value.as_bytes(), b"xyz"].concat());
            assert!(
                spellings(value)
                    .iter()
                    .any(|(_, needle)| contains(leak.as_bytes(), needle)),
                "{before}"
            );
        }
    }
    assert!(!contains(b"nothing here", b"CANARY"));
}

/// What is searched, and what is searched for.
#[derive(Default)]
struct Search {
    places: BTreeMap<String, Vec<u8>>,
    canaries: Vec<(String, String)>,
}

impl Search {
    /// Everything below a folder.
    fn folder(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.folder(&path);
            } else {
                self.places
                    .insert(path.display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }

    fn answer(&mut self, what: &str, answer: &Answer) {
        let text = format!("{:?}\n", answer.headers);
        let name = format!("answer {} to {what}", self.places.len());
        self.places.insert(name, [text.as_bytes(), &answer.body].concat());
    }

    fn canary(&mut self, what: &str, value: &str) -> String {
        self.canaries.push((what.to_owned(), value.to_owned()));
        value.to_owned()
    }

    fn hits(&self) -> Vec<String> {
        let mut hits = Vec::new();
        for (what, value) in &self.canaries {
            for (spelling, needle) in spellings(value) {
                let found = self.places.iter().filter(|(_, bytes)| contains(bytes, &needle));
                hits.extend(found.map(|(place, _)| format!("{what} as {spelling} in {place}")));
            }
        }
        hits
    }
}

/// A resident whose ungranted fields are canaries; the granted ones are as they should be.
fn resident_with_canaries(search: &mut Search, form: &str, n: u32) -> Value {
    let text = |field: &str| format!("CANARY-{form}-{field}-77419");
    let mut row =
        json!({ "citizen_id": nobody(n), "name": "某某", "hukou_region": "320706", "hukou_address": "某路一号" });
    // The last two are digits only, as the real values are.
    let fields = [
        ("phone", format!("1990000{:04}", 4400 + n)),
        ("father_id", citizen(900 + u64::from(n))),
        ("marital_status", text("marital")),
        (
            "father_name",
            format!("金丝雀龘靐齉{}", char::from_u32(0x4e00 + n).unwrap()),
        ),
        ("mother_name", text("mother")),
        ("mother_id", citizen(1900 + u64::from(n))),
        ("spouse_name", text("spouse")),
        ("guardian_name", text("guardian")),
        ("idcard_issuer", text("issuer")),
        ("police_station", text("station")),
        ("education", text("education")),
        ("military_status", text("military")),
        ("no_such_field", text("unknown-column")),
    ];
    for (field, value) in fields {
        row[field] = search.canary(&format!("{field} of {form}"), &value).into();
    }
    row
}

fn csv(row: &Value) -> String {
    let row = row.as_object().unwrap();
    let names: Vec<&str> = row.keys().map(String::as_str).collect();
    let values: Vec<&str> = row.values().map(|value| value.as_str().unwrap()).collect();
    format!("{}\n{}\n", names.join(","), values.join(","))
}

async fn accepted_feeds(search: &mut Search, running: &Running<'_>, police: &Identity) {
    let row = resident_with_canaries(search, "ndjson", 1);
    let ndjson = Call::push(RESIDENT, NDJSON, format!("{row}\n"));
    let row = resident_with_canaries(search, "csv", 2);
    let utf8 = Call::push(RESIDENT, "text/csv; charset=utf-8", csv(&row));
    let row = resident_with_canaries(search, "gb18030", 3);
    let gb = encoding_rs::GB18030.encode(&csv(&row)).0.into_owned();
    let gb = Call::push(RESIDENT, "text/csv; charset=gb18030", gb);
    for (what, call) in [("ndjson", ndjson), ("csv", utf8), ("gb18030", gb)] {
        let key = search.canary("an idempotency key", &format!("CANARY-key-{what}-5521"));
        let answer = running
            .call(call.header("idempotency-key", &key), police)
            .await
            .unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.json()["accepted"].as_u64()),
            (202, Some(1)),
            "{:?}",
            answer.body
        );
        search.answer(what, &answer);
    }
}

/// A birth: one field is dropped by name, one becomes a pseudonym.
async fn reduced_feed(search: &mut Search, running: &Running<'_>, health: &Identity) {
    let row = json!({
        "birth_cert_no": "Z320000001", "child_name": "某某", "mother_name": "某某", "born_at": "1899-03-04 05:06:07",
        "father_name": search.canary("the father's name", "CANARY-birth-father-3310"),
        "father_id": search.canary("an id that becomes a pseudonym", &citizen(2900)),
        "midwifery_org": search.canary("a dropped field", "CANARY-midwifery-9021"),
    });
    let answer = running
        .call(
            Call::push("health/birth-certificate", NDJSON, format!("{row}\n")),
            health,
        )
        .await
        .unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.json()["accepted"].as_u64()),
        (202, Some(1)),
        "{:?}",
        answer.body
    );
    search.answer("a birth", &answer);
}

/// Granted values in rejected rows: told by row, field and code, never by value.
async fn rejected_rows(search: &mut Search, running: &Running<'_>, police: &Identity) {
    let bad = search.canary("a citizen id that is none", "CANARYID-40021");
    let date = search.canary("a date that is none", "CANARYDATE-7731");
    let mut body = String::new();
    for n in 10..20 {
        body.push_str(&format!(
            "{}\n",
            json!({ "citizen_id": nobody(n), "name": "某某", "hukou_region": "320706" })
        ));
    }
    body.push_str(&format!("{}\n", json!({ "citizen_id": bad, "name": "某某" })));
    body.push_str(&format!(
        "{}\n",
        json!({ "citizen_id": nobody(30), "name": "某某", "birth_date": date })
    ));
    let answer = running.call(Call::push(RESIDENT, NDJSON, body), police).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.json()["rejected"].as_u64()),
        (202, Some(2)),
        "{:?}",
        answer.body
    );
    search.answer("rejected rows", &answer);
    let path = answer.json()["links"]["rejects"].as_str().unwrap().to_owned();
    let report = running.call(Call::get(path), police).await.unwrap();
    assert!(report.body.len() > 20);
    search.answer("a reject report", &report);
}

/// What a caller may write into a refused request.
async fn refused_calls(search: &mut Search, running: &Running<'_>, police: &Identity, registry: &Identity) {
    let mut canary = |what: &str, value: &str| search.canary(what, value);
    let body = canary("the body of a refused batch", "CANARY-refused-body-1187");
    let path = canary("a record type that is none", "canary-path-66021");
    let extract = |member: &str, value: String| {
        let mut request = json!({ "dataset": "population", "purpose": "enrolment.registration", "case": "AJ-1" });
        request[member] = value.into();
        Call::new(Method::POST, "/v1/extracts")
            .header("content-type", "application/json")
            .body(request.to_string())
    };
    let push = || Call::push(RESIDENT, NDJSON, body.clone().into_bytes());
    let calls = vec![
        ("no JSON", push()),
        (
            "an unknown purpose",
            push().header(
                "exchange-purpose",
                &canary("a purpose that is none", "canary.purpose.9177"),
            ),
        ),
        (
            "an unknown mode",
            push().header("exchange-mode", &canary("a mode that is none", "canary-mode-8812")),
        ),
        (
            "an unknown type",
            push().header("content-type", &canary("a type that is none", "text/canary-type-1203")),
        ),
        (
            "a header row",
            Call::push(
                RESIDENT,
                "text/csv; charset=utf-8",
                format!("{}\n1\n", canary("a header", "CANARY-head-5177")),
            ),
        ),
        (
            "not UTF-8",
            Call::push(
                RESIDENT,
                NDJSON,
                [canary("before a bad byte", "CANARY-bad-6631").as_bytes(), b"\xff\n"].concat(),
            ),
        ),
        (
            "no such record",
            Call::push(&format!("public-security/{path}"), NDJSON, "{}\n"),
        ),
        (
            "no such route",
            Call::get(format!("/v1/{}", canary("a route that is none", "canary-route-41107"))),
        ),
        (
            "a query",
            Call::get(format!("/v1/nothing?q={}", canary("a query", "canary-query-90031"))),
        ),
        (
            "a request id of words",
            Call::get("/v1/nothing").header("request-id", &canary("a request id of words", "canary-request-id-31")),
        ),
        (
            "a user agent",
            Call::get("/v1/nothing").header("user-agent", &canary("a user agent", "canary-agent-77103")),
        ),
        (
            "a case of an agency",
            extract("case", canary("a refused case number", "CANARY-case-5100")),
        ),
        (
            "no such dataset",
            extract("dataset", canary("a dataset that is none", "canary-dataset-4410")),
        ),
    ];
    let mut answers = Vec::new();
    for (what, call) in calls {
        for who in [police, registry] {
            let answer = running.call(call.clone(), who).await.unwrap();
            if !answer.status.is_success() {
                answers.push((what, answer));
            }
        }
    }
    assert!(answers.len() >= 20);
    for (what, answer) in answers {
        search.answer(what, &answer);
    }
}

/// A granted extract: its case number is committed to, its content is what the grant says.
async fn extract(search: &mut Search, running: &Running<'_>, registry: &Identity) {
    let case = search.canary("a case number", "CANARY-case-3391");
    let request = json!({ "dataset": "population", "purpose": "enrolment.registration", "case": case });
    let call = Call::new(Method::POST, "/v1/extracts")
        .header("content-type", "application/json")
        .body(request.to_string());
    let begun = running.call(call, registry).await.unwrap();
    search.answer("an extract", &begun);
    let state = running
        .call(
            Call::get(begun.header("location")).header("prefer", "wait=20"),
            registry,
        )
        .await
        .unwrap();
    assert_eq!(state.json()["state"], "ready");
    search.answer("its state", &state);
    let content = running
        .call(Call::get(format!("{}/content", begun.header("location"))), registry)
        .await
        .unwrap();
    assert!(content.body.len() > 100);
    search.answer("its content", &content);
}

/// Claims: about somebody who is nobody here, and such as are no values of their fields.
async fn comparison(search: &mut Search, running: &Running<'_>, registry: &Identity) {
    let claimed = search.canary("a claimed name", "金丝雀靐龘");
    let id = search.canary("a claimed id", &citizen(3900));
    let row = json!({ "citizen_id": id, "name": claimed });
    let broken = search.canary("a claim that is no name", "CANARY-claim-6120");
    let strange = search.canary("a claim that nobody requires", "CANARY-strange-3317");
    let key = search.canary("a key of a comparison", "CANARY-key-compare-5522");
    for (rows, status) in [
        (json!([row]), 200),
        (json!([{ "citizen_id": nobody(1), "name": broken }]), 400),
        (json!([{ "citizen_id": nobody(1), "name": "某某", strange: "1" }]), 403),
    ] {
        let request =
            json!({ "dataset": "population", "purpose": "enrolment.comparison", "case": "AJ-1", "rows": rows });
        let call = Call::new(Method::POST, "/v1/compare")
            .header("content-type", "application/json")
            .header("idempotency-key", &key)
            .body(request.to_string());
        let answer = running.call(call, registry).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{:?}", answer.body);
        search.answer("a comparison", &answer);
    }
}

#[test]
fn a_value_that_no_grant_names_occurs_nowhere() {
    run(async {
        let gateway = Deployment::new();
        // As talkative as our own code can be made.
        let running = gateway.serve_with(&[("SHUGUAN_LOG", "info,shuguan=trace")]);
        let (police, registry) = (gateway.partner(POLICE), gateway.partner("information-centre"));
        let mut search = Search::default();
        accepted_feeds(&mut search, &running, &police).await;
        reduced_feed(&mut search, &running, &gateway.partner("health-city")).await;
        rejected_rows(&mut search, &running, &police).await;
        refused_calls(&mut search, &running, &police, &registry).await;
        eventually("all is relayed", 20, || {
            registry_count(&gateway.registry(), RESIDENT_TABLE) == 13
                && registry_count(&gateway.registry(), "health_birth_certificate") == 1
        });
        extract(&mut search, &running, &registry).await;
        comparison(&mut search, &running, &registry).await;
        for page in ["/metrics", "/readyz", "/healthz"] {
            let (_, text) = running.health(page).unwrap();
            assert!(!text.is_empty());
            search.places.insert(page.to_owned(), text.into_bytes());
        }
        // While it runs, so that the write-ahead logs are there as well.
        search.folder(&gateway.root());
        let files = search.places.keys();
        for expected in ["journal.db-wal", "journal.db", "registry.db", "serve.log", ".spool"] {
            assert!(
                files.clone().any(|file| file.ends_with(expected)),
                "{expected} was not searched"
            );
        }
        // A control: what is granted is found where it belongs, and the same search finds it.
        let registry_files = search.places.iter().filter(|(place, _)| place.contains("registry.db"));
        assert!(
            registry_files
                .clone()
                .any(|(_, bytes)| contains(bytes, nobody(1).as_bytes()))
        );
        let hits = search.hits();
        assert!(hits.is_empty(), "{} hits: {hits:#?}", hits.len());
        assert_eq!(running.stop(), Some(0));
    });
}

const RESIDENT_TABLE: &str = "public_security_resident";

/// Granted values are at home in the registry and, in cipher, in the journal; nowhere else.
#[test]
fn a_granted_value_is_in_the_registry_and_otherwise_only_in_cipher() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve_with(&[("SHUGUAN_LOG", "info,shuguan=trace")]);
        let mut search = Search::default();
        let (id, name) = (
            search.canary("a citizen id", &nobody(77)),
            search.canary("a name", "金丝雀龘靐"),
        );
        let address = search.canary("an address", "金丝雀路七千三百一十号");
        let row = json!({ "citizen_id": id, "name": name, "hukou_region": "320706", "hukou_address": address });
        let answer = running
            .call(
                Call::push(RESIDENT, NDJSON, format!("{row}\n")),
                &gateway.partner(POLICE),
            )
            .await
            .unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.json()["accepted"].as_u64()),
            (202, Some(1)),
            "{:?}",
            answer.body
        );
        search.answer("a push", &answer);
        eventually("it is relayed", 20, || {
            registry_count(&gateway.registry(), RESIDENT_TABLE) == 1
        });
        search
            .places
            .insert("/metrics".into(), running.health("/metrics").unwrap().1.into_bytes());
        search.folder(&gateway.root());
        let hits = search.hits();
        let (at_home, elsewhere): (Vec<_>, Vec<_>) = hits.iter().partition(|hit| hit.contains("/registry/registry.db"));
        assert!(!at_home.is_empty());
        assert!(elsewhere.is_empty(), "{elsewhere:#?}");
    });
}
