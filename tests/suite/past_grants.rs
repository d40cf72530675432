//! What was given under a grant that says something else by now: the report names the fields of then, also after a restart, and says it where nobody knows.

use http::Method;
use rusqlite::Connection;
use serde_json::Value;
use shuguan_tests::{Call, Deployment, eventually, registry_count, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};
use crate::persons::{found, report};
use crate::policies::next;

/// English names of the fields of an exchange.
fn names(item: &Value) -> Vec<&str> {
    let fields = item["fields"].as_array().unwrap().iter();
    fields.map(|field| field["name"].as_str().unwrap()).collect()
}

fn operator<'i>(item: &'i Value, name: &str) -> &'i str {
    let mut fields = item["fields"].as_array().unwrap().iter();
    let field = fields.find(|field| field["name"] == name).unwrap();
    field["operator"].as_str().unwrap()
}

/// A resident is pushed, and pulled again.
async fn exchanges(gateway: &Deployment, running: &shuguan_tests::Running<'_>) {
    let call = Call::push(RESIDENT, NDJSON, resident(&nobody(1), "某某"));
    let answer = running.call(call, &gateway.partner(POLICE)).await.unwrap();
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    eventually("it is in the registry", 20, || {
        registry_count(&gateway.registry(), "person") == 1
    });
    let pull = ["pull", "population", "--purpose", "enrolment.registration"];
    let more = [
        "--case",
        "D-1",
        "-o",
        "out.ndjson",
        "-c",
        "partners/information-centre/client.toml",
    ];
    let (code, _, error) = gateway.shuguan(&[&pull[..], &more].concat());
    assert_eq!(code, 0, "{error}");
}

/// Both grants say less, and the paper has another number.
fn narrow(gateway: &Deployment) {
    next(gateway, "second", "agreements/public-security.toml", |text| {
        text.replacen(r#""hukou_address", "person_status""#, r#""person_status""#, 1)
    });
    assert_eq!(gateway.submit("second").0, 0);
    next(gateway, "third", "agreements/registry.toml", |text| {
        let text = text.replacen(r#""birth_date", "#, "", 1);
        let text = text.replacen(r#"{ op = "date", to = "month" }"#, r#"{ op = "date", to = "year" }"#, 1);
        text.replacen("〔2026〕6号", "〔2026〕60号", 1)
    });
    assert_eq!(gateway.submit("third").0, 0);
}

#[test]
fn a_report_names_the_fields_of_a_grant_that_was_edited_since_also_after_a_restart() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        exchanges(&gateway, &running).await;
        let before = found(&gateway, &nobody(1));
        assert!(before.iter().all(|item| item["in_force"] == true));
        narrow(&gateway);
        assert_eq!(running.stop(), Some(0));
        let running = gateway.serve();

        let after = found(&gateway, &nobody(1));
        assert_eq!(after.len(), 2);
        for (then, now) in before.iter().zip(&after) {
            assert_eq!((&now["plan_known"], &now["in_force"]), (&true.into(), &false.into()));
            assert_eq!(
                (&then["fields"], &then["basis"], &then["consumer"], &then["agreement"]),
                (&now["fields"], &now["basis"], &now["consumer"], &now["agreement"])
            );
        }
        assert!(names(&after[0]).contains(&"birth_date"));
        assert_eq!(operator(&after[0], "death_date"), "date to month");
        assert_eq!(after[0]["basis"]["document"], "人社数函〔2026〕6号");
        assert!(names(&after[1]).contains(&"hukou_address"));
        let said = report(&gateway, &nobody(1));
        assert!(
            said.contains("户籍地址") && said.contains("（按当时的授权，现已变更）"),
            "{said}"
        );
        assert_eq!(running.stop(), Some(0));
    });
}

/// The console's page of an exchange, as a browser asks for it.
async fn page(gateway: &Deployment, running: &shuguan_tests::Running<'_>, exchange: &str) -> String {
    let auditor = gateway.officer("auditor-zhao");
    let path = format!("/console/exchanges/{exchange}");
    let asked = running.console(Call::get(&path), &auditor).await.unwrap();
    let form = String::from_utf8_lossy(&asked.body).into_owned();
    let token = form.split_once("name=\"token\" value=\"").unwrap().1;
    let token = token.split_once('"').unwrap().0;
    let call = Call::new(Method::POST, &path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin")
        .body(format!("token={token}&case=T-1&why=routine"));
    let shown = running.console(call, &auditor).await.unwrap();
    assert_eq!(shown.status, 200, "{:?}", shown.body);
    String::from_utf8_lossy(&shown.body).into_owned()
}

#[test]
fn what_nobody_kept_or_somebody_edited_is_told_and_not_left_out() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        exchanges(&gateway, &running).await;
        let exchange = found(&gateway, &nobody(1))[0]["exchange"].as_str().unwrap().to_owned();
        narrow(&gateway);
        assert_eq!(running.stop(), Some(0));
        let journal = Connection::open(gateway.journal()).unwrap();
        let edited =
            "UPDATE past_plan SET bytes = CAST(replace(CAST(bytes AS TEXT), 'birth_date', 'death_date') AS BLOB)";
        assert!(journal.execute(edited, []).unwrap() > 0);
        drop(journal);
        let running = gateway.serve();
        for item in found(&gateway, &nobody(1)) {
            let known = [&item["plan_known"], &item["plan_edited"], &item["in_force"]];
            assert_eq!(known, [false, true, false], "{item}");
        }
        let said = report(&gateway, &nobody(1));
        assert!(said.contains("字段：当时授权内容的留存在交换台账中被改动"), "{said}");
        let shown = page(&gateway, &running, &exchange).await;
        assert!(shown.contains("留存内容在数据库中被改动"), "{shown}");
        let show = [
            "--format", "json", "audit", "show", &exchange, "--case", "T-1", "--why", "routine",
        ];
        let (code, told, error) = gateway.shuguan(&[&show[..], &["-c", "officers/auditor-zhao.toml"]].concat());
        assert_eq!(code, 0, "{error}");
        let told: Value = serde_json::from_str(&told).unwrap();
        let known = [&told["exchange"]["plan_known"], &told["exchange"]["plan_edited"]];
        assert_eq!(known, [false, true], "{told}");
        let (code, looked, _) = gateway.shuguan(&["doctor", "--deep", "-c", "shuguan.toml"]);
        assert_eq!(code, 6, "{looked}");
        assert!(looked.contains("was edited, and reports do not believe it"), "{looked}");
        assert_eq!(running.stop(), Some(0));
        let journal = Connection::open(gateway.journal()).unwrap();
        let whole = "SELECT count(*) FROM past_plan WHERE instr(CAST(bytes AS TEXT), 'birth_date') > 0";
        let healed: i64 = journal.query_row(whole, [], |row| row.get(0)).unwrap();
        assert!(healed > 0, "the start wrote the rows of plans in force anew");

        assert!(journal.execute("DELETE FROM past_plan", []).unwrap() > 0);
        drop(journal);
        let running = gateway.serve();
        for item in found(&gateway, &nobody(1)) {
            let known = [&item["plan_known"], &item["plan_edited"], &item["in_force"]];
            assert_eq!(known, [false, false, false], "{item}");
        }
        let said = report(&gateway, &nobody(1));
        assert!(said.contains("字段：当时的授权内容没有留存"), "{said}");
        let shown = page(&gateway, &running, &exchange).await;
        assert!(shown.contains("当时的执行方案没有留存"), "{shown}");
        assert_eq!(running.stop(), Some(0));
    });
}

#[test]
fn what_a_source_is_told_and_may_be_asked_goes_by_the_grant_that_its_batch_was_sealed_under() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        exchanges(&gateway, &running).await;
        let items = found(&gateway, &nobody(1));
        let pushed = items.iter().find(|item| item["kind"] == "push").unwrap();
        let exchange = pushed["exchange"].as_str().unwrap();
        let path = format!("/v1/exchanges/{exchange}");
        let then = running.call(Call::get(&path), &gateway.partner(POLICE)).await.unwrap();
        narrow(&gateway);
        let now = running.call(Call::get(&path), &gateway.partner(POLICE)).await.unwrap();
        let withheld = then.json()["withheld"].clone();
        assert_eq!(now.json()["withheld"], withheld);
        let withheld = withheld.as_array().unwrap();
        assert!(withheld.contains(&"phone".into()) && !withheld.contains(&"hukou_address".into()));

        let shred = ["shred", "--class", "evidence", "--exchange", exchange, "--case", "R-1"];
        let more = ["--why", "court", "--yes", "-c", "officers/security-qian.toml"];
        let (code, _, error) = gateway.shuguan(&[&shred[..], &more].concat());
        assert_eq!(code, 0, "{error}");
        for (field, exit, said) in [
            ("hukou_address", 0, ""),
            ("phone", 3, "SG2101"),
            ("salary", 3, "SG2101"),
        ] {
            let open = ["tickets", "open", exchange, "1", "--field", field];
            let (code, _, error) = gateway.shuguan(&[&open[..], &["-c", "officers/operator-li.toml"]].concat());
            assert!(code == exit && error.contains(said), "{field}: {code} {error}");
        }
        let tickets = gateway.leaves_of("ticket");
        assert_eq!(tickets.len(), 1);
        assert_eq!(tickets[0]["fld"], "hukou_address");
        assert_eq!(running.stop(), Some(0));

        // Where nobody kept the plan either, that is said, and not that the field was withheld.
        let journal = Connection::open(gateway.journal()).unwrap();
        assert!(journal.execute("DELETE FROM past_plan", []).unwrap() > 0);
        drop(journal);
        let running = gateway.serve();
        let open = ["tickets", "open", exchange, "1", "--field", "phone"];
        let (code, _, error) = gateway.shuguan(&[&open[..], &["-c", "officers/operator-li.toml"]].concat());
        assert!(code == 3 && error.contains("is not known any more"), "{code} {error}");
        assert_eq!(running.stop(), Some(0));
    });
}
