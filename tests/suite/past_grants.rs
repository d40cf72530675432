//! What was given under a grant that says something else by now: the report names the fields of then, also after a restart, and says it where nobody knows.

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

#[test]
fn what_nobody_kept_or_somebody_edited_is_told_and_not_left_out() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        exchanges(&gateway, &running).await;
        narrow(&gateway);
        assert_eq!(running.stop(), Some(0));
        let journal = Connection::open(gateway.journal()).unwrap();
        let edited =
            "UPDATE past_plan SET bytes = CAST(replace(CAST(bytes AS TEXT), 'birth_date', 'death_date') AS BLOB)";
        assert!(journal.execute(edited, []).unwrap() > 0);
        drop(journal);
        let running = gateway.serve();
        for item in found(&gateway, &nobody(1)) {
            assert_eq!(item["plan_known"], item["in_force"], "{item}");
        }
        let said = report(&gateway, &nobody(1));
        assert!(said.contains("字段：当时的授权内容没有留存"), "{said}");
        assert_eq!(running.stop(), Some(0));
    });
}
