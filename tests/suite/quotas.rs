//! Quotas of a day: enforced at admission and while a body is read, answered with the time that is left, and not forgotten by a restart.

use http::Method;
use serde_json::Value;
use shuguan_tests::{Answer, Call, Deployment, Running, eventually, leaves, registry_count, run};

use crate::feeds::{NDJSON, nobody, resident};

const DEATH: &str = "health/death-certificate";

/// Death certificates of nobodies.
fn deaths(first: u32, count: u32) -> String {
    (first..first + count)
        .map(|n| {
            let id = nobody(n);
            let line = serde_json::json!({
                "cert_no": format!("D{n:08}"), "citizen_id": id, "name": "某某", "death_date": "1890-01-01",
            });
            format!("{line}\n")
        })
        .collect()
}

/// A gateway whose grants allow 10 death certificates a day, and 2 pulls of the population.
fn small() -> Deployment {
    let gateway = Deployment::new();
    let edit = |file: &str, from: &str, to: &str| {
        let path = gateway.path("policies/agreements").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}: no {from}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    };
    edit("health.toml", "rows_per_day = 1_000_000", "rows_per_day = 10");
    edit("registry.toml", "pulls_per_day = 24", "pulls_per_day = 2");
    gateway.sign("policies", &[]);
    gateway
}

async fn push(running: &Running<'_>, gateway: &Deployment, partner: &str, call: Call) -> Answer {
    running.call(call, &gateway.partner(partner)).await.unwrap()
}

/// Pushes so many death certificates from a first one on.
async fn push_deaths(running: &Running<'_>, gateway: &Deployment, partner: &str, (first, count): (u32, u32)) -> Answer {
    let call = Call::push(DEATH, NDJSON, deaths(first, count));
    push(running, gateway, partner, call).await
}

fn said(answer: &Answer) -> (u16, String) {
    let code = if answer.status == 202 {
        String::new()
    } else {
        answer.code()
    };
    (answer.status.as_u16(), code)
}

#[test]
fn more_rows_than_one_push_may_have_are_refused_and_that_sticks_to_the_key() {
    run(async {
        let gateway = Deployment::new();
        let path = gateway.path("policies/agreements/health.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let from = "rows_per_push = 500_000";
        assert!(text.contains(from));
        std::fs::write(&path, text.replace(from, "rows_per_push = 5")).unwrap();
        gateway.sign("policies", &[]);
        let running = gateway.serve();
        let keyed = |count| Call::push(DEATH, NDJSON, deaths(0, count)).header("idempotency-key", "six-of-five");
        let refused = push(&running, &gateway, "health-city", keyed(6)).await;
        assert_eq!(said(&refused), (422, "SG4113".to_owned()));
        let again = push(&running, &gateway, "health-city", keyed(6)).await;
        assert_eq!((again.status, &again.body), (refused.status, &refused.body));
        // Other content under that key is another question.
        let other = push(&running, &gateway, "health-city", keyed(5)).await;
        assert_eq!(said(&other), (422, "SG2104".to_owned()));
        // The rest of a long body is hashed, and not taken.
        let long = Call::push(DEATH, NDJSON, deaths(0, 20_000));
        let long = push(&running, &gateway, "health-city", long).await;
        assert_eq!(said(&long), (422, "SG4113".to_owned()));
        let refusals = gateway.leaves_of("refusal");
        let of_rows = refusals.iter().filter(|leaf| leaf["code"] == "too-many-rows");
        assert_eq!(of_rows.count(), 2, "{refusals:?}");
        let fits = Call::push(DEATH, NDJSON, deaths(0, 5));
        assert_eq!(push(&running, &gateway, "health-city", fits).await.status, 202);
    });
}

#[test]
fn rows_of_a_day_run_out_and_a_repeated_key_is_answered_all_the_same() {
    run(async {
        let gateway = small();
        let running = gateway.serve();
        let first = Call::push(DEATH, NDJSON, deaths(0, 8));
        let answer = push(&running, &gateway, "health-city", first.clone()).await;
        assert_eq!(said(&answer).0, 202, "{:?}", answer.body);
        assert_eq!(answer.json()["received"], 8);
        let policy = answer.header("ratelimit-policy").to_owned();
        assert!(
            policy.contains("\"requests\";q=") && policy.ends_with("\"rows\";q=10;w=86400;qu=\"rows\""),
            "{policy}"
        );
        assert!(
            answer.header("ratelimit").contains("\"rows\";r=2;t="),
            "{}",
            answer.header("ratelimit")
        );
        // With the part that exceeds it, and nothing of it is accepted.
        let more = push_deaths(&running, &gateway, "health-city", (10, 3)).await;
        assert_eq!(said(&more), (429, "SG4112".into()));
        let wait: u64 = more.header("retry-after").parse().unwrap();
        assert!((1..=86_401).contains(&wait), "{wait}");
        assert!(
            more.header("ratelimit").contains("\"rows\";r=2;t="),
            "{}",
            more.header("ratelimit")
        );
        // The answer of the first key is still its answer, byte for byte.
        let again = push(&running, &gateway, "health-city", first.clone()).await;
        assert_eq!((again.status.as_u16(), &again.body), (202, &answer.body));
        let rest = push_deaths(&running, &gateway, "health-city", (20, 2)).await;
        assert_eq!(said(&rest).0, 202);
        let over = push_deaths(&running, &gateway, "health-city", (30, 1)).await;
        assert_eq!(said(&over), (429, "SG4112".into()));
        let again = push(&running, &gateway, "health-city", first.clone()).await;
        assert_eq!((again.status.as_u16(), &again.body), (202, &answer.body));
        // Each partner has its own.
        let other = push_deaths(&running, &gateway, "health-ganyu", (40, 10)).await;
        assert_eq!(said(&other).0, 202);
        running.kill();
        let running = gateway.serve();
        for partner in ["health-city", "health-ganyu"] {
            let over = push_deaths(&running, &gateway, partner, (50, 1)).await;
            assert_eq!(said(&over), (429, "SG4112".into()), "{partner} after a kill");
        }
        let again = push(&running, &gateway, "health-city", first).await;
        assert_eq!((again.status.as_u16(), &again.body), (202, &answer.body));
        eventually("what was accepted is in the registry, and no more", 20, || {
            registry_count(&gateway.registry(), "health_death_certificate") == 20
        });
        let refused: Vec<Value> = leaves(&gateway.journal())
            .into_iter()
            .filter(|leaf| leaf["code"] == "quota")
            .collect();
        assert_eq!(refused.len(), 4);
    });
}

#[test]
fn what_is_refused_takes_nothing_of_the_quota() {
    run(async {
        let gateway = small();
        let running = gateway.serve();
        let bad = deaths(0, 9).replace("1890-01-01", "1890-13-01");
        let answer = push(&running, &gateway, "health-city", Call::push(DEATH, NDJSON, bad)).await;
        assert_eq!(said(&answer), (422, "SG3105".into()));
        let answer = push_deaths(&running, &gateway, "health-city", (0, 11)).await;
        assert_eq!(said(&answer), (429, "SG4112".into()));
        let answer = push_deaths(&running, &gateway, "health-city", (0, 10)).await;
        assert_eq!(said(&answer).0, 202, "{:?}", answer.body);
    });
}

#[test]
fn pulls_of_a_day_run_out_and_stay_out_after_a_restart() {
    run(async {
        let gateway = small();
        let running = gateway.serve();
        let registry = gateway.partner("information-centre");
        let request = || {
            Call::new(Method::POST, "/v1/extracts")
                .header("content-type", "application/json")
                .body(r#"{"dataset":"population","purpose":"enrolment.registration","case":"A-1"}"#)
        };
        let mut last = None;
        for key in ["one", "two"] {
            let request = request().header("idempotency-key", key);
            let begun = running.call(request, &registry).await.unwrap();
            assert_eq!(begun.status, 202, "{:?}", begun.body);
            last = Some(begun.json()["extract"].clone());
            let wait = Call::get(begun.header("location")).header("prefer", "wait=20");
            let state = running.call(wait, &registry).await.unwrap();
            assert_eq!(state.json()["state"], "ready");
        }
        let third = running.call(request(), &registry).await.unwrap();
        assert_eq!(said(&third), (429, "SG4112".into()));
        assert!(
            third.header("ratelimit").starts_with("\"pulls\";r=0;t="),
            "{}",
            third.header("ratelimit")
        );
        // Whose answer was lost on the way asks again, and it takes nothing.
        let again = request().header("idempotency-key", "two");
        let again = running.call(again, &registry).await.unwrap();
        assert_eq!(
            (again.status.as_u16(), Some(again.json()["extract"].clone())),
            (202, last)
        );
        assert_eq!(running.stop(), Some(0));
        let running = gateway.serve();
        let fourth = running.call(request(), &registry).await.unwrap();
        assert_eq!(said(&fourth), (429, "SG4112".into()));
        let other = request().body(r#"{"dataset":"enterprises","purpose":"enrolment.registration","case":"A-1"}"#);
        assert_eq!(running.call(other, &registry).await.unwrap().status, 202);
    });
}

/// A gateway that takes so many bytes of death certificates a day, and gives so many of an extract.
fn narrow(pushed: usize, pulled: u64) -> Deployment {
    let gateway = Deployment::new();
    for (file, from, to) in [
        (
            "health.toml",
            "rows_per_day = 1_000_000",
            format!("bytes_per_day = {pushed}"),
        ),
        (
            "registry.toml",
            "pulls_per_day = 24",
            format!("bytes_per_day = {pulled}"),
        ),
    ] {
        let path = gateway.path("policies/agreements").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}: no {from}");
        std::fs::write(&path, text.replacen(from, &to, 1)).unwrap();
    }
    gateway.sign("policies", &[]);
    gateway
}

#[test]
fn bytes_of_a_day_run_out_as_they_came_and_a_restart_remembers_them() {
    run(async {
        let line = deaths(0, 1).len();
        let gateway = narrow(10 * line, 1_000);
        let running = gateway.serve();
        let first = Call::push(DEATH, NDJSON, deaths(0, 8));
        let answer = push(&running, &gateway, "health-city", first.clone()).await;
        assert_eq!(said(&answer).0, 202, "{:?}", answer.body);
        let policy = answer.header("ratelimit-policy");
        let wanted = format!("\"bytes\";q={};w=86400;qu=\"content-bytes\"", 10 * line);
        assert!(policy.ends_with(&wanted), "{policy}");
        let left = format!("\"bytes\";r={};t=", 2 * line);
        assert!(
            answer.header("ratelimit").contains(&left),
            "{}",
            answer.header("ratelimit")
        );
        // A line more than is left is refused as soon as its length is announced, and nothing of it is accepted.
        let more = push_deaths(&running, &gateway, "health-city", (10, 3)).await;
        assert_eq!(said(&more), (429, "SG4112".into()));
        let wait: u64 = more.header("retry-after").parse().unwrap();
        assert!((1..=86_401).contains(&wait), "{wait}");
        assert!(more.header("ratelimit").contains(&left), "{}", more.header("ratelimit"));
        let again = push(&running, &gateway, "health-city", first.clone()).await;
        assert_eq!((again.status.as_u16(), &again.body), (202, &answer.body));
        // A line more than a whole day may have: no midnight helps.
        let never = push_deaths(&running, &gateway, "health-city", (10, 11)).await;
        assert_eq!(said(&never), (429, "SG4112".into()));
        assert_eq!(never.headers.get("retry-after"), None);
        let members = ["retry_after_s", "fits_no_day"];
        let told = |answer: &Answer| members.map(|member| answer.json().get(member).cloned());
        assert_eq!(told(&never), [None, Some(true.into())]);
        assert_eq!(told(&more), [Some(wait.into()), None]);
        let detail = format!(
            "the grant allows {} bytes a day, and this alone is more: no day has room for it in one piece",
            10 * line
        );
        assert_eq!(never.json()["detail"], detail);
        running.kill();
        let running = gateway.serve();
        let over = push_deaths(&running, &gateway, "health-city", (10, 3)).await;
        assert_eq!(said(&over), (429, "SG4112".into()), "after a kill");
        let fits = push_deaths(&running, &gateway, "health-city", (20, 2)).await;
        assert_eq!(said(&fits).0, 202);
        let spent = push_deaths(&running, &gateway, "health-city", (30, 1)).await;
        assert_eq!(said(&spent), (429, "SG4112".into()));
        let again = push(&running, &gateway, "health-city", first).await;
        assert_eq!((again.status.as_u16(), &again.body), (202, &answer.body));
        let other = push_deaths(&running, &gateway, "health-ganyu", (40, 10)).await;
        assert_eq!(said(&other).0, 202, "each partner has its own");
        let refused = leaves(&gateway.journal())
            .into_iter()
            .filter(|leaf| leaf["code"] == "quota");
        assert_eq!(refused.count(), 4);
    });
}

#[test]
fn an_extract_of_more_bytes_than_are_left_of_the_day_gives_nothing() {
    run(async {
        let gateway = narrow(1_000_000, 300);
        let running = gateway.serve();
        let registry = gateway.partner("information-centre");
        let residents =
            |people: std::ops::Range<u32>| people.flat_map(|n| resident(&nobody(n), "某某")).collect::<Vec<u8>>();
        let pulled = async |key: &str| {
            let body = r#"{"dataset":"population","purpose":"enrolment.registration","case":"A-1"}"#;
            let request = Call::new(Method::POST, "/v1/extracts")
                .header("content-type", "application/json")
                .header("idempotency-key", key)
                .body(body);
            let begun = running.call(request, &registry).await.unwrap();
            if begun.status != 202 {
                return said(&begun);
            }
            let wait = Call::get(begun.header("location")).header("prefer", "wait=20");
            let state = running.call(wait, &registry).await.unwrap().json();
            let state = ["state", "code"].map(|member| state[member].as_str().unwrap_or_default().to_owned());
            (202, state.join(" ").trim_end().to_owned())
        };
        let _ = push(
            &running,
            &gateway,
            "public-security-city",
            Call::push("public-security/resident", NDJSON, residents(0..1)),
        )
        .await;
        eventually("one resident is in", 20, || {
            registry_count(&gateway.registry(), "public_security_resident") == 1
        });
        assert_eq!(pulled("one").await, (202, "ready".into()));
        let given = leaves(&gateway.journal())
            .into_iter()
            .find(|leaf| leaf["k"] == "pull")
            .unwrap();
        assert!((1..=300).contains(&given["bytes"].as_u64().unwrap()), "{given}");
        let _ = push(
            &running,
            &gateway,
            "public-security-city",
            Call::push("public-security/resident", NDJSON, residents(1..10)),
        )
        .await;
        eventually("ten residents are in", 20, || {
            registry_count(&gateway.registry(), "public_security_resident") == 10
        });
        assert_eq!(pulled("two").await, (202, "failed SG4112".into()));
        let refused = leaves(&gateway.journal())
            .into_iter()
            .find(|leaf| leaf["code"] == "quota")
            .unwrap();
        assert_eq!(
            (&refused["k"], &refused["at"]),
            (&"refusal".into(), &"query".into()),
            "{refused}"
        );
        assert_eq!(gateway.leaves_of("pull").len(), 1);
    });
}
