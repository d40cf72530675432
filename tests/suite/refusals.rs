//! Every way to be refused: exact status, exact code, a leaf, and nothing in the registry.

use std::time::Duration;

use http::Method;
use shuguan_tests::{
    Answer, Call, Deployment, Identity, Running, Unfinished, eventually, leaves, registry_count, registry_rows, run,
};

use crate::feeds::{CSV_GB18030, CSV_UTF8, NDJSON, POLICE, RESIDENT, clean, nobody, resident};

/// Asserts a problem document with its leaf, and an empty registry.
async fn refused(
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

fn refusals(deployment: &Deployment, slug: &str) -> usize {
    leaves(&deployment.path("journal/journal.db"))
        .iter()
        .filter(|leaf| leaf["k"] == "refusal" && leaf["code"] == slug)
        .count()
}

fn push() -> Call {
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
fn a_partner_over_its_rate_is_told_when_to_come_back_and_the_others_are_not_held_up() {
    run(async {
        let deployment = Deployment::with(|text| {
            text.replace(
                "[limits.default]",
                "[limits.default]\nrequests_per_s = 1\nrequests_burst = 2",
            )
        });
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let mut limited = None;
        for n in 0..4 {
            let call = Call::push(RESIDENT, NDJSON, resident(&nobody(n), "甲"));
            let answer = running.call(call, &police).await.unwrap();
            if answer.status == 429 {
                limited = Some(answer);
                break;
            }
            assert_eq!(answer.status, 202);
            assert!(
                answer.header("ratelimit").contains("r="),
                "{}",
                answer.header("ratelimit")
            );
        }
        let limited = limited.expect("a 429");
        assert_eq!(limited.code(), "SG2110");
        assert!(
            limited
                .header("retry-after")
                .parse::<u64>()
                .is_ok_and(|seconds| seconds >= 1)
        );
        assert!(limited.header("ratelimit-policy").contains("q=1"));
        let feed = clean("health/death-certificate", NDJSON, 2, 1);
        let call = Call::push("health/death-certificate", NDJSON, feed);
        assert_eq!(
            running
                .call(call, &deployment.partner("health-city"))
                .await
                .unwrap()
                .status,
            202
        );
    });
}

#[test]
fn a_sender_over_its_bytes_is_read_more_slowly_and_loses_nothing_and_others_do_not_wait() {
    run(async {
        let deployment = Deployment::with(|text| {
            let standard = "#= bytes_per_s = 125000000";
            assert!(text.contains(standard));
            text.replace(standard, "bytes_per_s = 10000")
        });
        let running = deployment.serve();
        let feed = clean(RESIDENT, NDJSON, 100, 1);
        let seconds = feed.len() as u64 / 10_000;
        assert!((3..=8).contains(&seconds), "{}", feed.len());
        let police = deployment.partner(POLICE);
        let began = std::time::Instant::now();
        let slow = async {
            let answer = running.call(Call::push(RESIDENT, NDJSON, feed), &police).await.unwrap();
            (answer, began.elapsed())
        };
        let death = "health/death-certificate";
        let other = async {
            let call = Call::push(death, NDJSON, clean(death, NDJSON, 2, 1));
            let answer = running.call(call, &deployment.partner("health-city")).await.unwrap();
            (answer, began.elapsed())
        };
        let ((slow, slow_took), (other, other_took)) = tokio::join!(slow, other);
        assert_eq!(
            (slow.status.as_u16(), slow.json()["received"].as_u64()),
            (202, Some(100))
        );
        assert_eq!(other.status, 202);
        // A second's worth comes at once.
        assert!(slow_took.as_secs() >= seconds - 1, "{slow_took:?}");
        assert!(other_took * 2 < slow_took, "{other_took:?} {slow_took:?}");
    });
}

#[test]
fn who_has_too_many_batches_refused_waits_and_what_was_answered_is_answered_again() {
    run(async {
        let deployment = Deployment::with(|text| {
            let standard = "#= refused_per_h = 600";
            assert!(text.contains(standard));
            text.replace(standard, "refused_per_h = 3")
        });
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let bad = || Call::push(RESIDENT, NDJSON, "not a record\n");
        let first = bad().header("idempotency-key", "refused-first");
        let refused = running.call(first.clone(), &police).await.unwrap();
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (422, "SG3106"));
        // A repeat is no further one.
        for _ in 0..5 {
            let again = running.call(first.clone(), &police).await.unwrap();
            assert_eq!((again.status.as_u16(), &again.body), (422, &refused.body));
        }
        for _ in 0..2 {
            assert_eq!(running.call(bad(), &police).await.unwrap().code(), "SG3106");
        }
        for call in [bad(), push()] {
            let limited = running.call(call, &police).await.unwrap();
            assert_eq!((limited.status.as_u16(), limited.code().as_str()), (429, "SG2110"));
            let seconds = limited.header("retry-after").parse::<u64>().unwrap();
            assert!((1100..=1201).contains(&seconds), "{seconds}");
        }
        let again = running.call(first.clone(), &police).await.unwrap();
        assert_eq!((again.status.as_u16(), &again.body), (422, &refused.body));
        let death = "health/death-certificate";
        let other = |seed| Call::push(death, NDJSON, clean(death, NDJSON, 2, seed));
        let health = deployment.partner("health-city");
        assert_eq!(running.call(other(1), &health).await.unwrap().status, 202);
        // The log remembers them.
        running.kill();
        let running = deployment.serve();
        let limited = running.call(push(), &police).await.unwrap();
        assert_eq!((limited.status.as_u16(), limited.code().as_str()), (429, "SG2110"));
        let seconds = limited.header("retry-after").parse::<u64>().unwrap();
        assert!((1000..=1201).contains(&seconds), "{seconds}");
        let again = running.call(first, &police).await.unwrap();
        assert_eq!((again.status.as_u16(), &again.body), (422, &refused.body));
        assert_eq!(running.call(other(2), &health).await.unwrap().status, 202);
    });
}

#[test]
fn who_hangs_up_before_he_is_told_that_his_batch_is_refused_is_held_to_the_same_number_of_them() {
    run(async {
        let deployment = Deployment::with(|text| text.replace("#= refused_per_h = 600", "refused_per_h = 20"));
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let refused = || refusals(&deployment, "unreadable");
        let (mut tries, mut answered) = (0, 0);
        while refused() < 20 && tries < 2_000 {
            let bad = Call::push(RESIDENT, NDJSON, "not a record\n");
            let bad = Unfinished::begin(deployment.feed, &police, bad).await.unwrap();
            // Gone at whatever step: what the log has counts.
            let after = Duration::from_micros(tries % 16 * 250);
            answered += usize::from(bad.finish_and_vanish(after).await);
            tries += 1;
        }
        // Those that were under way when the twentieth was charged are in the log as well.
        assert!((20..36).contains(&refused()), "{}", refused());
        assert!(answered < refused(), "each of {tries} was answered before he was gone");
        let limited = running.call(push(), &police).await.unwrap();
        assert_eq!((limited.status.as_u16(), limited.code().as_str()), (429, "SG2110"));
    });
}

#[test]
fn reports_beyond_what_a_partner_may_fill_in_a_day_list_their_first_records_and_say_so() {
    run(async {
        let deployment = Deployment::with(|text| {
            let standard = "#= report_kib_per_day = 131072";
            assert!(text.contains(standard));
            text.replace(standard, "report_kib_per_day = 45")
        });
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let lines = |rows: usize| "{\"citizen_id\":\"1\",\"name\":\"甲\"}\n".repeat(rows);
        let rejects = async |rows: usize| {
            let call = Call::push(RESIDENT, NDJSON, lines(rows));
            let answer = running.call(call.clone(), &police).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "SG3105"));
            let again = running.call(call, &police).await.unwrap();
            assert_eq!(again.body, answer.body, "the same after the report was cut");
            let exchange = answer.json()["instance"].as_str().unwrap().to_owned();
            let report = Call::get(format!("{exchange}/rejects"));
            let report = running.call(report, &police).await.unwrap();
            assert_eq!(report.status, 200);
            (answer, String::from_utf8(report.body.to_vec()).unwrap())
        };
        let (_, whole) = rejects(300).await;
        assert_eq!(
            whole.lines().filter(|line| line.contains("SG32")).count(),
            300,
            "{whole}"
        );
        let (answer, cut) = rejects(300).await;
        assert_eq!(cut.lines().filter(|line| line.contains("SG32")).count(), 100, "{cut}");
        assert!(
            cut.contains("200") && cut.contains("took all the room that one source has"),
            "{cut}"
        );
        assert_eq!(answer.json()["errors"].as_array().map(Vec::len), Some(100));
        assert_eq!(answer.json()["errors_truncated"], true);
        // A short one is told whole, whatever was before.
        let (_, short) = rejects(50).await;
        assert_eq!(
            short.lines().filter(|line| line.contains("SG32")).count(),
            50,
            "{short}"
        );
    });
}

#[test]
fn a_full_inbox_is_answered_503_and_nothing_is_accepted() {
    run(async {
        let deployment = Deployment::with(|text| {
            text.replace(
                "payloads = \"journal/payload\"\n",
                "payloads = \"journal/payload\"\ninbox_bytes_max = 1\n",
            )
            .replace(
                "database = \"registry/registry.db\"\n",
                "database = \"registry/registry.db\"\nrows_per_s = 1\n",
            )
        });
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        // The relay takes one row a second, so the first batch fills the inbox for a while.
        let call = Call::push(RESIDENT, NDJSON, clean(RESIDENT, NDJSON, 9_000, 1));
        let first = running.call(call.clone(), &police).await.unwrap();
        assert_eq!(first.status, 202);
        let answer = running.call(push(), &police).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "SG2112"));
        assert!(answer.header("retry-after").parse::<u64>().is_ok());
        // Whose answer was lost on the way asks again and is told that it was accepted.
        let again = running.call(call, &police).await.unwrap();
        assert_eq!((again.status.as_u16(), &again.body), (202, &first.body));
    });
}

#[test]
fn uploads_side_by_side_fill_no_more_of_the_disk_than_the_inbox_may_have() {
    run(async {
        let deployment = Deployment::with(|text| {
            text.replace(
                "payloads = \"journal/payload\"\n",
                "payloads = \"journal/payload\"\ninbox_bytes_max = 1\n",
            )
        });
        let _running = deployment.serve();
        let police = deployment.partner(POLICE);
        // Two parts and more: the first is written when the second is there.
        let body = clean(RESIDENT, NDJSON, 17_000, 1);
        let large = || Call::push(RESIDENT, NDJSON, body.clone());
        // The index of its subjects lies beside a payload.
        let payloads = |name: &std::ffi::OsString| name.to_string_lossy().ends_with(".parts");
        let files = || {
            let all = std::fs::read_dir(deployment.path("journal/payload")).unwrap();
            all.map(|file| file.unwrap().file_name()).filter(payloads).count()
        };
        let first = Unfinished::begin(deployment.feed, &police, large()).await.unwrap();
        eventually("what comes is written before it has ended", 20, || files() == 1);
        // Admitted with the same room, and refused when it writes: the client may be told before it has sent all.
        let second = Unfinished::begin(deployment.feed, &police, large()).await.unwrap();
        let refused = second.finish().await.unwrap();
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "SG2112"));
        assert_eq!(refused.header("retry-after"), "30");
        eventually("what was refused is gone", 20, || files() == 1);
        // What needs no file is taken all the while.
        assert!(first.is_open());
        let accepted = first.finish().await.unwrap();
        assert_eq!(accepted.status, 202);
    });
}

#[test]
fn a_batch_that_waits_for_too_long_bars_its_partner_until_it_is_in_the_registry_and_nobody_else() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let operate = |act: &str| {
            let (code, _, error) = deployment.shuguan(&["relay", act, "-c", "officers/operator-li.toml"]);
            assert_eq!(code, 0, "{error}");
        };
        operate("pause");
        let call = push();
        let first = running.call(call.clone(), &police).await.unwrap();
        assert_eq!(first.status, 202);
        assert_eq!(running.stop(), Some(0));
        // As if it had been paused for a day more than a batch may wait.
        let journal = rusqlite::Connection::open(deployment.journal()).unwrap();
        let aged = "UPDATE inbox SET changed_us = changed_us - ?1";
        assert_eq!(journal.execute(aged, [8 * 86_400_000_000_i64]).unwrap(), 1);
        drop(journal);
        let running = deployment.serve();
        let light = || {
            let (_, page) = running.health("/readyz").unwrap();
            let page: serde_json::Value = serde_json::from_str(&page).unwrap();
            let inbox = &page["checks"]["inbox"];
            let text = |member: &str| inbox[member].as_str().unwrap_or_default().to_owned();
            (text("state"), text("detail"))
        };
        eventually("the light says so", 10, || {
            let (state, detail) = light();
            state == "yellow" && detail.contains("batches of 1 partners") && detail.contains("8 days old")
        });
        let (_, metrics) = running.health("/metrics").unwrap();
        assert!(metrics.contains("shuguan_inbox_oldest_seconds 6912"), "{metrics}");
        assert!(metrics.contains("shuguan_inbox_overdue_partners 1"), "{metrics}");
        let refused = running.call(push(), &police).await.unwrap();
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "SG2122"));
        assert_eq!(refused.header("retry-after"), "300");
        // What was accepted is answered as it was, and others are not barred.
        let again = running.call(call, &police).await.unwrap();
        assert_eq!((again.status.as_u16(), &again.body), (202, &first.body));
        let death = "health/death-certificate";
        let call = Call::push(death, NDJSON, clean(death, NDJSON, 2, 1));
        let other = running.call(call, &deployment.partner("health-city")).await.unwrap();
        assert_eq!(other.status, 202);
        operate("resume");
        eventually("it is in the registry", 20, || light().0 == "green");
        assert_eq!(running.call(push(), &police).await.unwrap().status, 202);
        assert_eq!(running.stop(), Some(0));
        let refusals = deployment.leaves_of("refusal");
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert_eq!(refusals[0]["code"], "inbox-overdue");
        assert_eq!(deployment.leaves_of("push").len(), 3);
        deployment.verified_log();
    });
}

#[test]
fn uploads_side_by_side_do_not_fill_more_than_half_of_the_inbox() {
    run(async {
        let with_room_for = |bytes: u64| {
            Deployment::with(|text| {
                text.replace(
                    "payloads = \"journal/payload\"\n",
                    &format!("payloads = \"journal/payload\"\ninbox_bytes_max = {bytes}\n"),
                )
                .replace(
                    "database = \"registry/registry.db\"\n",
                    "database = \"registry/registry.db\"\nrows_per_s = 1\n",
                )
            })
        };
        let feed = |seed| Call::push(RESIDENT, NDJSON, clean(RESIDENT, NDJSON, 9_000, seed));
        let deployment = with_room_for(1 << 30);
        let running = deployment.serve();
        let first = running.call(feed(1), &deployment.partner(POLICE)).await.unwrap();
        assert_eq!(first.status, 202);
        let bytes: u64 = registry_rows(&deployment.journal(), "SELECT bytes FROM inbox")[0]
            .parse()
            .unwrap();
        drop(running);
        // Room for three of them: with the second one he holds more than half.
        let deployment = with_room_for(bytes * 3);
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let (one, other) = tokio::join!(running.call(feed(1), &police), running.call(feed(2), &police));
        let mut answers: Vec<(u16, String)> = [one, other]
            .into_iter()
            .map(|answer| answer.unwrap())
            .map(|answer| {
                (
                    answer.status.as_u16(),
                    if answer.status == 202 {
                        String::new()
                    } else {
                        answer.code()
                    },
                )
            })
            .collect();
        answers.sort_unstable();
        assert_eq!(answers, [(202, String::new()), (503, "SG2112".to_owned())]);
        let held = registry_rows(&deployment.journal(), "SELECT count(*) FROM inbox");
        assert_eq!(held, ["1"]);
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
