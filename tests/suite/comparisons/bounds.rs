//! How often may be asked: about whom, about how many who are not there, and how much a day.

use http::Method;
use serde_json::{Value, json};
use shuguan_tests::{Call, Deployment, run};

use super::{CENTRE, ask, asking, call, claim, edit, in_registry, limited, of_kind, people, said};

#[test]
fn who_asks_about_many_who_are_not_there_is_stopped_and_stays_so_after_a_kill() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let centre = gateway.partner(CENTRE);
        people(&gateway, &running, 30).await;
        in_registry(&gateway, 30).await;
        // 5 of 25 are 20 percent, which is not above.
        let rows: Vec<Value> = (11..=30).chain(500..505).map(|n| claim(n, "某某")).collect();
        assert_eq!(ask(&running, &centre, &rows).await.status, 200);
        let stopped = ask(&running, &centre, &[claim(505, "某某")]).await;
        assert_eq!(said(&stopped), (429, "SG4115".into()));
        let wait: u64 = stopped.header("retry-after").parse().unwrap();
        assert!((1..=3_601).contains(&wait), "{wait}");
        assert!(stopped.json().get("answers").is_none(), "none is told");
        let leaf = of_kind(&gateway, "refusal", Some("too-many-absent")).pop().unwrap();
        assert_eq!(
            (&leaf["ask"], &leaf["abs"], &leaf["at"]),
            (&json!(1), &json!(1), &json!("compare"))
        );
        // From now on nobody is looked up, whoever it is.
        let known = ask(&running, &centre, &[claim(1, "某某")]).await;
        assert_eq!(said(&known), (429, "SG4115".into()));
        running.kill();
        let running = gateway.serve();
        let known = ask(&running, &centre, &[claim(1, "某某")]).await;
        assert_eq!(said(&known), (429, "SG4115".into()), "after a kill");
        assert_eq!(of_kind(&gateway, "compare", None).len(), 1);
        let refused = of_kind(&gateway, "refusal", Some("too-many-absent"));
        assert_eq!(refused.iter().filter(|leaf| leaf.get("ask").is_some()).count(), 1);
        drop(running);
        gateway.verified_log();
    });
}

#[test]
fn one_person_is_asked_about_so_often_a_day_and_so_many_persons_also_after_a_kill() {
    run(async {
        let gateway = limited("limits = { per_subject_per_day = 2, subjects_per_day = 3 }");
        let running = gateway.serve();
        let centre = gateway.partner(CENTRE);
        let spent = (429, "SG4112".to_owned());
        let first = call(&asking(&[claim(1, "某某"), claim(2, "某某")]));
        assert_eq!(running.call(first.clone(), &centre).await.unwrap().status, 200);
        assert_eq!(ask(&running, &centre, &[claim(1, "另一人")]).await.status, 200);
        let third = ask(&running, &centre, &[claim(1, "第三人")]).await;
        assert_eq!(said(&third), spent, "the third guess at one person");
        assert!(
            third.header("ratelimit").contains("\"per-subject\";r=0;t="),
            "{}",
            third.header("ratelimit")
        );
        // A call that is refused takes nothing.
        let four = ask(&running, &centre, &[claim(3, "某某"), claim(4, "某某")]).await;
        assert_eq!(said(&four), spent, "four persons");
        assert!(
            four.header("ratelimit").contains("\"subjects\";r=0;t="),
            "{}",
            four.header("ratelimit")
        );
        assert_eq!(
            ask(&running, &centre, &[claim(3, "某某"), claim(2, "某某")])
                .await
                .status,
            200
        );
        running.kill();
        let running = gateway.serve();
        for n in 1..=2 {
            assert_eq!(
                said(&ask(&running, &centre, &[claim(n, "某某")]).await),
                spent,
                "{n} after a kill"
            );
        }
        assert_eq!(
            said(&ask(&running, &centre, &[claim(4, "某某")]).await),
            spent,
            "a fourth after a kill"
        );
        assert_eq!(
            ask(&running, &centre, &[claim(3, "某某")]).await.status,
            200,
            "the second about the third"
        );
        // A key that was answered is answered again although nothing is left.
        assert_eq!(running.call(first, &centre).await.unwrap().status, 200);
        assert_eq!(of_kind(&gateway, "compare", None).len(), 4);
        drop(running);
    });
}

#[test]
fn rows_and_exchanges_of_a_day_run_out_and_another_grant_has_its_own() {
    run(async {
        let gateway = limited("limits = { rows_per_day = 5, requests_per_day = 2, rows_per_pull = 4 }");
        edit(
            &gateway,
            "agreements/registry.toml",
            "rows_per_pull = 6_000_000",
            "subjects_per_day = 3, rows_per_pull = 6_000_000",
        );
        gateway.sign("policies", &[]);
        let running = gateway.serve();
        let centre = gateway.partner(CENTRE);
        people(&gateway, &running, 4).await;
        in_registry(&gateway, 4).await;
        let rows: Vec<Value> = (1..=5).map(|n| claim(n, "某某")).collect();
        assert_eq!(said(&ask(&running, &centre, &rows).await), (422, "SG4113".into()));
        let answer = ask(&running, &centre, &rows[..3]).await;
        assert_eq!(answer.status, 200);
        let policy = answer.header("ratelimit-policy").to_owned();
        assert!(
            policy.contains("\"rows\";q=5;w=86400") && policy.contains("\"exchanges\";q=2;w=86400"),
            "{policy}"
        );
        assert_eq!(
            said(&ask(&running, &centre, &rows[..3]).await),
            (429, "SG4112".into()),
            "three more rows"
        );
        assert_eq!(ask(&running, &centre, &rows[..1]).await.status, 200);
        assert_eq!(
            said(&ask(&running, &centre, &rows[..1]).await),
            (429, "SG4112".into()),
            "a third exchange"
        );
        assert_eq!(running.stop(), Some(0));
        let running = gateway.serve();
        assert_eq!(
            said(&ask(&running, &centre, &rows[..1]).await),
            (429, "SG4112".into()),
            "after a restart"
        );
        // An extract tells about four persons where three are allowed: it fails whole.
        let request = json!({ "dataset": "population", "purpose": "enrolment.registration", "case": "A-1" });
        let request = Call::new(Method::POST, "/v1/extracts")
            .header("content-type", "application/json")
            .body(request.to_string());
        let begun = running.call(request, &centre).await.unwrap();
        assert_eq!(begun.status, 202, "{:?}", begun.body);
        let wait = Call::get(begun.header("location")).header("prefer", "wait=20");
        let state = running.call(wait, &centre).await.unwrap().json();
        assert_eq!(
            (&state["state"], &state["code"], &state["fits_no_day"]),
            (&json!("failed"), &json!("SG4112"), &json!(true))
        );
        assert_eq!(state.get("retry_after_s"), None, "no wait helps");
        let leaf = of_kind(&gateway, "refusal", Some("quota")).pop().unwrap();
        assert_eq!((&leaf["at"], &leaf["ds"]), (&json!("query"), &json!("population")));
        assert!(of_kind(&gateway, "pull", None).is_empty());
        drop(running);
    });
}
