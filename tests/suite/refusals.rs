//! Every way to be refused: exact status, exact code, a leaf, and nothing in the registry.

use http::Method;
use shuguan_tests::{Answer, Call, Deployment, Identity, Running, leaves, registry_count, run};

use crate::feeds::{CSV_GB18030, CSV_UTF8, NDJSON, POLICE, RESIDENT, clean, nobody, resident};

/// Asserts a problem document with its leaf, and an empty registry.
pub(crate) async fn refused(
    running: &Running<'_>,
    deployment: &Deployment,
    identity: &Identity,
    call: Call,
    (status, code, slug): (u16, &str, &str),
) -> Answer {
    let before = refusals(deployment, slug);
    let answer = running.call(call, identity).await.expect("an answer");
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (status, code),
        "{text}"
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let document = answer.json();
    assert!(
        document["request_id"].is_string() && document["title"].is_string() && document["next"].is_string(),
        "{text}"
    );
    assert_eq!(refusals(deployment, slug), before + 1, "one `{slug}` leaf");
    for table in ["public_security_resident", "person"] {
        assert_eq!(registry_count(&deployment.path("registry/registry.db"), table), 0);
    }
    answer
}

pub(crate) fn refusals(deployment: &Deployment, slug: &str) -> usize {
    leaves(&deployment.path("journal/journal.db"))
        .iter()
        .filter(|leaf| leaf["k"] == "refusal" && leaf["code"] == slug)
        .count()
}

pub(crate) fn push() -> Call {
    Call::push(RESIDENT, NDJSON, resident(&nobody(1), "甲"))
}

#[test]
fn what_the_head_of_a_push_can_have_wrong_is_refused_by_name() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let feed = |record: &str| Call::push(record, NDJSON, resident(&nobody(1), "甲"));
        let cases: Vec<(Call, (u16, &str, &str))> = vec![
            (feed("health/birth-certificate"), (403, "SG4102", "foreign-record-type")),
            (feed("public-security/nothing"), (404, "SG4101", "unknown-record-type")),
            (push().without("exchange-purpose"), (400, "SG2102", "missing-purpose")),
            (
                push().header("exchange-purpose", "enrolment.nothing"),
                (403, "SG4104", "bad-purpose"),
            ),
            (
                push().header("exchange-purpose", "enrolment"),
                (403, "SG4104", "bad-purpose"),
            ),
            (
                push().without("idempotency-key"),
                (400, "SG2103", "bad-idempotency-key"),
            ),
            (
                push().header("idempotency-key", &"k".repeat(129)),
                (400, "SG2103", "bad-idempotency-key"),
            ),
            (
                push().header("exchange-mode", "merge"),
                (400, "SG2113", "mode-unsupported"),
            ),
            (
                push().header("exchange-mode", "snapshot"),
                (400, "SG2119", "bad-manner"),
            ),
            (
                push().header("content-type", "application/pdf"),
                (415, "SG3101", "unsupported-type"),
            ),
            (
                push().header("content-type", "text/csv; charset=latin1"),
                (415, "SG3101", "unsupported-type"),
            ),
            (
                push().header("content-encoding", "br"),
                (415, "SG3102", "unsupported-coding"),
            ),
            (
                push().header("content-digest", "md5=:AAAA:"),
                (400, "SG2106", "digest-mismatch"),
            ),
        ];
        for (call, expected) in cases {
            refused(&running, &deployment, &police, call, expected).await;
        }
    });
}

#[test]
fn what_the_body_of_a_push_can_have_wrong_is_refused_by_name() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let wrong_digest = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";
        let gb18030 = clean(RESIDENT, CSV_GB18030, 20, 1);
        let no_id = clean(RESIDENT, CSV_UTF8, 5, 1);
        let header_cut = no_id
            .splitn(2, |byte| *byte == b'\n')
            .nth(1)
            .unwrap_or_default()
            .to_vec();
        let one_bad = String::from_utf8(resident(&nobody(1), "甲"))
            .unwrap()
            .replace("\"sex\":\"2\"", "\"sex\":\"1\"");
        let cases: Vec<(Call, (u16, &str, &str))> = vec![
            (
                push().header("content-digest", wrong_digest),
                (400, "SG2106", "digest-mismatch"),
            ),
            (Call::push(RESIDENT, CSV_UTF8, gb18030), (422, "SG3103", "bad-encoding")),
            (
                Call::push(RESIDENT, CSV_UTF8, header_cut),
                (422, "SG3104", "bad-header-row"),
            ),
            (
                Call::push(RESIDENT, NDJSON, "name,sex\n甲,1\n"),
                (422, "SG3106", "unreadable"),
            ),
            (Call::push(RESIDENT, NDJSON, ""), (422, "SG3107", "empty-batch")),
            (
                Call::push(RESIDENT, NDJSON, marked("工作秘密")),
                (422, "SG3120", "secrecy-mark"),
            ),
            (
                Call::push(RESIDENT, NDJSON, one_bad),
                (422, "SG3105", "too-many-rejects"),
            ),
        ];
        for (call, expected) in cases {
            refused(&running, &deployment, &police, call, expected).await;
        }
    });
}

/// A good resident in a row with that secrecy mark.
fn marked(mark: &str) -> String {
    let row = String::from_utf8(resident(&nobody(1), "甲")).unwrap();
    row.replace("{\"", &format!("{{\"密级\":\"{mark}\",\""))
}

#[test]
fn a_row_that_is_marked_open_is_taken_and_one_with_a_secret_takes_the_batch_with_it() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let both = marked("公开") + &marked("秘密★10年");
        let refusal = (422, "SG3120", "secrecy-mark");
        refused(
            &running,
            &deployment,
            &police,
            Call::push(RESIDENT, NDJSON, both),
            refusal,
        )
        .await;
        let marriage = Call::push("civil-affairs/marriage", NDJSON, "{}\n");
        let civil = deployment.partner("civil-affairs-city");
        refused(&running, &deployment, &civil, marriage, (403, "SG4103", "no-grant")).await;
    });
}

#[test]
fn a_partner_without_a_grant_is_refused() {
    run(async {
        let deployment = Deployment::new();
        let agreements = deployment.path("policies/agreements/health.toml");
        std::fs::remove_file(&agreements).unwrap();
        std::fs::remove_dir_all(deployment.path("policies/tests")).unwrap();
        deployment.sign("policies", &[]);
        let running = deployment.serve();
        let call = Call::push("health/birth-certificate", NDJSON, "{}\n");
        refused(
            &running,
            &deployment,
            &deployment.partner("health-city"),
            call,
            (403, "SG4103", "no-grant"),
        )
        .await;
    });
}

#[test]
fn roles_are_held_to_their_listeners_and_routes() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let officers = deployment.path("officers");
        let ca = deployment.path("pki/ca.pem");
        let auditor = Identity::of_files(
            &officers.join("auditor-zhao.pem"),
            &officers.join("auditor-zhao.key"),
            &ca,
        );
        refused(&running, &deployment, &auditor, push(), (403, "SG1107", "wrong-role")).await;
        let registry = deployment.partner("information-centre");
        refused(&running, &deployment, &registry, push(), (403, "SG1107", "wrong-role")).await;
        let pull = Call::new(Method::POST, "/v1/extracts")
            .header("content-type", "application/json")
            .body(r#"{"dataset":"population","purpose":"enrolment.registration","case":"A-1"}"#);
        refused(
            &running,
            &deployment,
            &deployment.partner(POLICE),
            pull,
            (403, "SG1107", "wrong-role"),
        )
        .await;
        let answer = running
            .console(Call::get("/console/"), &deployment.partner(POLICE))
            .await
            .expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "SG1107"));
    });
}

#[test]
fn routes_and_methods_that_are_not_there_answer_with_problems() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        refused(
            &running,
            &deployment,
            &police,
            Call::get("/v1/nothing"),
            (404, "SG2114", "not-found"),
        )
        .await;
        let delete = Call::new(Method::DELETE, "/v1/catalog");
        refused(
            &running,
            &deployment,
            &police,
            delete,
            (405, "SG2115", "method-not-allowed"),
        )
        .await;
    });
}

#[test]
fn a_body_over_the_limit_is_refused_with_the_limit_stated_or_not() {
    run(async {
        let deployment = Deployment::with(|text| text.replace("[limits]\n", "[limits]\nbody_bytes_max = 2000\n"));
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let feed = clean(RESIDENT, NDJSON, 50, 1);
        assert!(feed.len() > 2_000);
        let answer = refused(
            &running,
            &deployment,
            &police,
            Call::push(RESIDENT, NDJSON, feed),
            (413, "SG2107", "body-too-large"),
        )
        .await;
        assert_eq!(answer.json()["limit_bytes"], 2_000);
    });
}

#[test]
fn strangers_are_one_leaf_however_often_they_knock() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        for _ in 0..30 {
            assert!(
                running
                    .call(Call::get("/v1/catalog"), &deployment.nobody())
                    .await
                    .is_err()
            );
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        running.stop();
        let all = leaves(&deployment.path("journal/journal.db"));
        let strangers: Vec<_> = all
            .iter()
            .filter(|leaf| leaf["k"] == "refusal" && leaf["p"] == "-")
            .collect();
        assert!(!strangers.is_empty() && strangers.len() <= 2, "{strangers:?}");
        let counted: u64 = strangers.iter().map(|leaf| leaf["cnt"].as_u64().unwrap_or(1)).sum();
        assert_eq!(counted, 30);
        assert!(strangers.iter().all(|leaf| leaf["code"] == "no-certificate"));
    });
}
