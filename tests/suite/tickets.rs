//! Correction tickets: only the source of a row is asked, of nobody else anything is told, and its answer is in the log.

use http::Method;
use serde_json::{Value, json};
use shuguan_tests::{Call, Deployment, Running, eventually, registry_count, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};
use crate::load::TABLE;

const OPERATOR: &str = "officers/operator-li.toml";

async fn pushed(running: &Running<'_>, gateway: &Deployment) -> String {
    let body = [resident(&nobody(1), "某某"), resident(&nobody(2), "某某")].concat();
    let answer = running
        .call(Call::push(RESIDENT, NDJSON, body), &gateway.partner(POLICE))
        .await
        .unwrap();
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    answer.json()["exchange"].as_str().unwrap().to_owned()
}

/// What a command says, as JSON.
fn told(gateway: &Deployment, arguments: &[&str], config: &str) -> (i32, Value, String) {
    let (code, out, error) = gateway.shuguan(&[&["--format", "json"], arguments, &["-c", config]].concat());
    (code, serde_json::from_str(&out).unwrap_or_default(), error)
}

fn kit(partner: &str) -> String {
    format!("partners/{partner}/client.toml")
}

fn answer(ticket: &str, key: &str, say: &str) -> Call {
    Call::new(Method::POST, format!("/v1/tickets/{ticket}"))
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(json!({ "say": say }).to_string())
}

#[test]
fn a_source_is_asked_to_check_its_row_and_answers_and_the_log_holds_both() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let exchange = pushed(&running, &gateway).await;
        eventually("it is in", 20, || registry_count(&gateway.registry(), TABLE) == 2);
        let (code, opened, error) = told(
            &gateway,
            &["tickets", "open", &exchange, "2", "--field", "name"],
            OPERATOR,
        );
        assert_eq!(code, 0, "{error}");
        let id = opened["id"].as_str().unwrap().to_owned();
        let (code, listed, error) = told(&gateway, &["tickets", "list"], &kit(POLICE));
        assert_eq!(code, 0, "{error}");
        let tickets = listed["tickets"].as_array().unwrap();
        assert_eq!(tickets.len(), 1);
        // The same question is one ticket until it is answered, also when several ask it at once.
        let ask = || {
            let again = ["tickets", "open", &exchange, "2", "--field", "name"];
            let (code, opened, error) = told(&gateway, &again, OPERATOR);
            assert_eq!(code, 0, "{error}");
            (opened["id"].as_str().unwrap().to_owned(), opened["already"].as_bool())
        };
        std::thread::scope(|scope| {
            let asked: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            for one in asked {
                assert_eq!(one.join().unwrap(), (id.clone(), Some(true)));
            }
        });
        assert_eq!(gateway.leaves_of("ticket").len(), 1);
        // It names the source's own row and the field, and neither who asks nor why nor another source.
        let mut ticket = tickets[0].clone();
        let members = ticket.as_object_mut().unwrap();
        assert!(members.remove("opened").is_some() && members.remove("index").is_some());
        let expected = json!({
            "id": id, "record": RESIDENT, "exchange": exchange, "row": 2, "field": "name", "zh": "姓名",
            "answer": null, "answered": null,
        });
        assert_eq!(ticket, expected);
        // The source says that it is right, and later that it was not.
        for say in ["confirmed", "corrected"] {
            let (code, _, error) = told(&gateway, &["tickets", "answer", &id, "--say", say], &kit(POLICE));
            assert_eq!(code, 0, "{error}");
            let listed = told(&gateway, &["tickets", "list"], &kit(POLICE)).1;
            assert_eq!(listed["tickets"][0]["answer"], say);
        }
        // Answered, it may be asked anew.
        let (anew, already) = ask();
        assert!(anew != id && already == Some(false));
        assert_eq!(running.stop(), Some(0));
        let (asked, answers) = (gateway.leaves_of("ticket"), gateway.leaves_of("ticket-answer"));
        assert_eq!((asked.len(), answers.len()), (2, 2));
        assert_eq!(
            (&asked[0]["p"], &asked[0]["who"], &asked[0]["push"], &asked[0]["fld"]),
            (&json!(POLICE), &json!("operator-li"), &json!(exchange), &json!("name"))
        );
        assert_eq!(
            (&answers[1]["x"], &answers[1]["say"]),
            (&json!(id), &json!("corrected"))
        );
        gateway.verified_log();
    });
}

#[test]
fn nobody_sees_or_answers_the_ticket_of_another_and_a_wrong_one_is_not_opened() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let exchange = pushed(&running, &gateway).await;
        let nothing = uuid::Uuid::new_v4().to_string();
        for (exchange, row, field, config, exit, code) in [
            (&*exchange, "3", "name", OPERATOR, 3, "SG2101"),
            (&*exchange, "0", "name", OPERATOR, 3, "SG2101"),
            (&*exchange, "1", "salary", OPERATOR, 3, "SG2101"),
            // A field of the record type that the grant withholds.
            (&*exchange, "1", "phone", OPERATOR, 3, "SG2101"),
            (&*nothing, "1", "name", OPERATOR, 3, "SG2114"),
            (&*exchange, "1", "name", "officers/policy-sun.toml", 3, "SG1107"),
        ] {
            let arguments = ["tickets", "open", exchange, row, "--field", field];
            let (exited, _, error) = told(&gateway, &arguments, config);
            assert!(
                exited == exit && error.contains(code),
                "{row} {field} {config}: {error}"
            );
        }
        assert_eq!(gateway.leaves_of("ticket"), Vec::<Value>::new());
        let (code, opened, error) = told(
            &gateway,
            &["tickets", "open", &exchange, "1", "--field", "name"],
            OPERATOR,
        );
        assert_eq!(code, 0, "{error}");
        let id = opened["id"].as_str().unwrap();
        let (police, other) = (gateway.partner(POLICE), gateway.partner("health-city"));
        let seen = running.call(Call::get("/v1/tickets"), &other).await.unwrap();
        assert_eq!((seen.status.as_u16(), seen.json()["tickets"].clone()), (200, json!([])));
        let status = running
            .call(Call::get(format!("/v1/exchanges/{id}")), &other)
            .await
            .unwrap();
        assert_eq!(status.status, 404);
        for (call, identity, status, code) in [
            (answer(id, "a", "confirmed"), &other, 404, "SG2114"),
            (answer(&nothing, "a", "confirmed"), &police, 404, "SG2114"),
            (answer(&exchange, "a", "confirmed"), &police, 404, "SG2114"),
            (answer("not-an-id", "a", "confirmed"), &police, 404, "SG2114"),
            (answer(id, "a", "perhaps"), &police, 400, "SG2101"),
            (
                answer(id, "a", "confirmed").body(vec![b' '; 5_000]),
                &police,
                400,
                "SG2101",
            ),
            (
                answer(id, "a", "confirmed").without("idempotency-key"),
                &police,
                400,
                "SG2103",
            ),
            (
                answer(id, "a", "confirmed").header("content-digest", "sha-256=:AAAA:"),
                &police,
                400,
                "SG2106",
            ),
        ] {
            let refused = running.call(call, identity).await.unwrap();
            assert_eq!((refused.status.as_u16(), refused.code().as_str()), (status, code));
        }
        assert_eq!(gateway.leaves_of("ticket-answer"), Vec::<Value>::new());
        // The same key is the same answer; with another content it is refused.
        let first = running.call(answer(id, "once", "confirmed"), &police).await.unwrap();
        let again = running.call(answer(id, "once", "confirmed"), &police).await.unwrap();
        assert_eq!((first.status.as_u16(), &first.body), (200, &again.body));
        let reused = running.call(answer(id, "once", "corrected"), &police).await.unwrap();
        assert_eq!((reused.status.as_u16(), reused.code().as_str()), (422, "SG2104"));
        assert_eq!(gateway.leaves_of("ticket-answer").len(), 1);
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

#[test]
fn a_source_is_asked_a_hundred_times_a_day_at_most() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let body: Vec<u8> = (1..=101).flat_map(|n| resident(&nobody(n), "某某")).collect();
        let police = gateway.partner(POLICE);
        let pushed = running.call(Call::push(RESIDENT, NDJSON, body), &police).await;
        let exchange = pushed.unwrap().json()["exchange"].clone();
        let operator = gateway.officer("operator-li");
        let mut statuses = Vec::new();
        for row in 1..=101 {
            let order = json!({ "exchange": exchange, "row": row, "field": "name" }).to_string();
            let call = Call::new(Method::POST, "/console/api/tickets").header("content-type", "application/json");
            let answer = running.console(call.body(order.clone()), &operator).await.unwrap();
            statuses.push((
                answer.status.as_u16(),
                if answer.status == 200 {
                    String::new()
                } else {
                    answer.code()
                },
            ));
        }
        assert_eq!(statuses.pop(), Some((429, "SG2162".to_owned())));
        assert!(statuses.iter().all(|(status, _)| *status == 200), "{statuses:?}");
        assert_eq!(gateway.leaves_of("ticket").len(), 100);
    });
}

#[test]
fn tickets_are_listed_page_by_page_and_a_page_or_path_that_is_none_is_refused_with_its_code() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let exchange = pushed(&running, &gateway).await;
        for row in ["1", "2"] {
            let arguments = ["tickets", "open", &exchange, row, "--field", "name"];
            assert_eq!(told(&gateway, &arguments, OPERATOR).0, 0);
        }
        let police = gateway.partner(POLICE);
        let get = async |path: &str| running.call(Call::get(path), &police).await.unwrap();
        let rows = |document: &Value| -> Vec<Value> {
            let tickets = document["tickets"].as_array().expect("tickets");
            tickets.iter().map(|ticket| ticket["row"].clone()).collect()
        };
        let all = get("/v1/tickets").await.json();
        assert_eq!(rows(&all), [2, 1]);
        let newest = all["tickets"][0]["index"].as_u64().unwrap();
        let older = get(&format!("/v1/tickets?before={newest}")).await.json();
        assert_eq!(rows(&older), [1]);
        let last = older["before"].as_u64().unwrap();
        let end = get(&format!("/v1/tickets?before={last}")).await.json();
        assert_eq!((rows(&end), &end["before"]), (Vec::new(), &Value::Null));
        let (code, listed, error) = told(&gateway, &["tickets", "list"], &kit(POLICE));
        assert_eq!((code, rows(&listed)), (0, vec![2.into(), 1.into()]), "{error}");
        let refused = gateway.leaves_of("refusal").len();
        for path in [
            "/v1/tickets?before=yesterday",
            "/v1/tickets?before=-1",
            "/v1/tickets?befor=1",
            "/v1/exchanges/%FF",
            "/v1/feeds/public-security/%C0%AF",
        ] {
            let answer = get(path).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (400, "SG2101"),
                "{path}"
            );
        }
        assert_eq!(gateway.leaves_of("refusal").len(), refused + 5, "each is a leaf");
    });
}
