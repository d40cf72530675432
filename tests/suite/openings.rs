//! Redaction-proof evidence: an agency proves single columns of what it sent, offline, and shows nothing of the others.

use http::Method;
use serde_json::Value;
use shuguan_tests::{Call, Deployment, eventually, registry_count, run};

use crate::feeds::{CSV_UTF8, POLICE, RESIDENT, clean};

const TRUST: &str = "trust/trust.txt";

/// What `verify receipt` says of columns.
fn verify(gateway: &Deployment, arguments: &[&str]) -> (i32, Value, String) {
    let base = ["verify", "receipt", "r.tlog-proof", "--trust", TRUST, "--json"];
    let (code, out, error) = gateway.shuguan(&[&base[..], arguments].concat());
    (code, serde_json::from_str(&out).unwrap_or_default(), error)
}

fn standing<'d>(document: &'d Value, name: &str) -> &'d str {
    let columns = document["columns"].as_array().unwrap();
    let column = columns.iter().find(|column| column["name"] == name).unwrap();
    column["standing"].as_str().unwrap()
}

#[test]
fn columns_are_proved_from_the_file_and_withheld_in_a_package() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let feed = clean(RESIDENT, CSV_UTF8, 9_000, 7);
        std::fs::write(gateway.path("feed.csv"), &feed).unwrap();
        let police = gateway.partner(POLICE);
        let answer = running
            .call(Call::push(RESIDENT, CSV_UTF8, feed.clone()), &police)
            .await
            .unwrap();
        let answer = answer.json();
        let exchange = answer["exchange"].as_str().unwrap();
        let settings = format!("partners/{POLICE}/client.toml");
        for more in [vec!["-o", "r.tlog-proof"], vec!["--opening", "-o", "opening.json"]] {
            let base = ["receipt", exchange, "-c", &settings];
            let (code, _, error) = gateway.shuguan(&[&base[..], &more].concat());
            assert_eq!(code, 0, "{error}");
        }
        let opening = std::fs::read_to_string(gateway.path("opening.json")).unwrap();
        assert!(opening.contains("\"salt\"") && !opening.contains("\"values\""));

        // The opening alone shows no value, so nothing is proved and nothing contradicted.
        let (code, document, error) = verify(&gateway, &["--opening", "opening.json"]);
        assert_eq!((code, document["proved"].as_u64()), (6, Some(0)), "{error}");
        assert_eq!(document["verdict"], "nothing-shown");
        // The file does; the grant filters rows by region, so the bundle is needed to know which.
        let with_feed = ["--opening", "opening.json", "--feed", "feed.csv"];
        let filtered = answer["filtered"].as_u64().unwrap();
        if filtered > 0 {
            let (code, _, error) = verify(&gateway, &with_feed);
            assert_eq!(code, 2, "{error}");
            assert!(error.contains("--bundle"), "{error}");
        }
        let with_bundle = [&with_feed[..], &["--bundle", "policies"]].concat();
        let (code, document, error) = verify(&gateway, &with_bundle);
        assert_eq!(code, 0, "{error}");
        assert_eq!(document["verdict"], "proven");
        assert_eq!(standing(&document, "citizen_id"), "proved");
        assert_eq!(document["withheld"].as_u64(), Some(0), "{document}");

        let disclosed = [
            &with_bundle[..],
            &["--disclose", "sex,person_status", "--package", "show.json"],
        ]
        .concat();
        assert_eq!(verify(&gateway, &disclosed).0, 0);
        let package = std::fs::read_to_string(gateway.path("show.json")).unwrap();
        let id = String::from_utf8(feed.clone()).unwrap();
        let is_id = |cell: &&str| cell.len() == 18 && cell.bytes().take(17).all(|byte| byte.is_ascii_digit());
        let id = id.split(['\n', ',', '\r', '"']).find(is_id).unwrap().to_owned();
        assert!(!package.contains(&id), "a withheld column is not in the package");
        let (code, document, error) = verify(&gateway, &["--opening", "show.json"]);
        assert_eq!((code, document["proved"].as_u64()), (0, Some(2)), "{error}");
        // Whose columns they are stands beside them.
        let shown = [
            "verify",
            "receipt",
            "r.tlog-proof",
            "--trust",
            "trust/trust.txt",
            "--opening",
            "show.json",
        ];
        let (_, said, _) = gateway.shuguan(&shown);
        let first = said.lines().next().unwrap();
        assert!(
            first.starts_with("有效") && first.contains(RESIDENT) && first.contains(&format!("`{POLICE}` delivered")),
            "{first}"
        );
        assert_eq!(
            (standing(&document, "sex"), standing(&document, "citizen_id")),
            ("proved", "withheld")
        );

        // One value of the package, and one of the file, is another.
        let forged = package.replacen("\"1\"", "\"2\"", 1);
        std::fs::write(gateway.path("forged.json"), forged).unwrap();
        let (code, document, _) = verify(&gateway, &["--opening", "forged.json"]);
        assert_eq!((code, document["differing"].as_u64()), (6, Some(1)));
        let changed = String::from_utf8(feed.clone()).unwrap().replace('王', "李");
        std::fs::write(gateway.path("feed.csv"), changed).unwrap();
        let (code, document, _) = verify(&gateway, &with_bundle);
        assert_eq!((code, standing(&document, "name")), (6, "differs"));
        // The file does not stand in for what the package says, nor does another file for the one that was sent.
        std::fs::write(gateway.path("feed.csv"), &feed).unwrap();
        let forged = ["--opening", "forged.json", "--feed", "feed.csv", "--bundle", "policies"];
        let (code, document, _) = verify(&gateway, &forged);
        assert_eq!((code, document["differing"].as_u64()), (6, Some(1)), "{document}");
        std::fs::write(gateway.path("feed.csv"), clean(RESIDENT, CSV_UTF8, 8_000, 7)).unwrap();
        let (code, document, _) = verify(&gateway, &with_bundle);
        assert_eq!((code, &document["verdict"]), (6, &"disproven".into()));
        // A renamed column is no column of this leaf.
        let renamed = package.replacen("\"name\": \"sex\"", "\"name\": \"sexe\"", 1);
        std::fs::write(gateway.path("renamed.json"), renamed).unwrap();
        let (code, document, _) = verify(&gateway, &["--opening", "renamed.json"]);
        assert_eq!((code, &document["verdict"]), (6, &"disproven".into()));
        drop(running);
    });
}

#[test]
fn an_opening_is_its_own_partners_and_nobody_elses() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let feed = clean(RESIDENT, CSV_UTF8, 20, 7);
        let police = gateway.partner(POLICE);
        let answer = running
            .call(Call::push(RESIDENT, CSV_UTF8, feed), &police)
            .await
            .unwrap();
        let path = format!("/v1/exchanges/{}/receipt", answer.json()["exchange"].as_str().unwrap());
        let asked = |path: &str| {
            let call = Call::new(Method::GET, path);
            call.header("accept", "application/vnd.shuguan.opening+json")
        };
        let own = running.call(asked(&path), &police).await.unwrap();
        assert_eq!(
            (own.status.as_u16(), own.header("content-type")),
            (200, "application/vnd.shuguan.opening+json")
        );
        let other = running
            .call(asked(&path), &gateway.partner("health-ganyu"))
            .await
            .unwrap();
        assert_eq!((other.status.as_u16(), other.code().as_str()), (404, "SG2114"));
        let extract = pulled(&gateway);
        let path = format!("/v1/exchanges/{extract}/receipt");
        let other = running.call(asked(&path), &police).await.unwrap();
        assert_eq!((other.status.as_u16(), other.code().as_str()), (404, "SG2114"));
        drop(running);
    });
}

/// What every verification of the extract begins with.
const RECEIPT: [&str; 5] = [
    "verify",
    "receipt",
    "out.ndjson.tlog-proof",
    "--trust",
    "trust/trust.txt",
];

/// Pulls what is in the registry into `out.ndjson`; gives the exchange.
fn pulled(gateway: &Deployment) -> String {
    eventually("they are in the registry", 20, || {
        registry_count(&gateway.registry(), "person") > 0
    });
    let pull = [
        "pull",
        "population",
        "--purpose",
        "enrolment.registration",
        "--case",
        "D-1",
        "-o",
        "out.ndjson",
        "--json",
    ];
    let (code, out, error) = gateway.shuguan(&[&pull[..], &["-c", "partners/information-centre/client.toml"]].concat());
    assert_eq!(code, 0, "{error}");
    let pulled: Value = serde_json::from_str(&out).unwrap();
    let exchange = pulled["exchange"]
        .as_str()
        .or(pulled["items"][0]["exchange"].as_str())
        .unwrap();
    exchange.to_owned()
}

#[test]
fn an_extract_is_proved_whole_or_by_the_columns_that_are_left_of_it() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let feed = clean(RESIDENT, CSV_UTF8, 20, 7);
        let pushed = running
            .call(Call::push(RESIDENT, CSV_UTF8, feed), &gateway.partner(POLICE))
            .await;
        assert_eq!(pushed.unwrap().status, 202);
        pulled(&gateway);
        // The very bytes that the registry received, offline.
        let prove = |content: &str, opening: &str| {
            let (code, out, error) =
                gateway.shuguan(&[&RECEIPT[..], &["--opening", opening, "--content", content]].concat());
            (code, out + &error)
        };
        let (code, said) = prove("out.ndjson", "out.ndjson.opening.json");
        assert_eq!(code, 0, "{said}");
        assert!(
            said.starts_with("有效") && said.contains("these are the bytes that were released"),
            "{said}"
        );
        // Columns that it must not keep are dropped from the file; what is left is proved, and a changed value of it is not.
        let whole = std::fs::read_to_string(gateway.path("out.ndjson")).unwrap();
        let without = |dropped: &str| -> String {
            let lines = whole.lines().map(|line| {
                let mut row: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
                assert!(row.remove(dropped).is_some(), "each row has a {dropped}");
                format!("{}\n", Value::Object(row))
            });
            lines.collect()
        };
        let kept = without("name");
        std::fs::write(gateway.path("kept.ndjson"), &kept).unwrap();
        let (code, said) = prove("kept.ndjson", "out.ndjson.opening.json");
        assert!(code == 0 && said.starts_with("有效"), "{said}");
        assert!(said.contains("1 are withheld"), "{said}");
        std::fs::write(
            gateway.path("altered.ndjson"),
            kept.replacen("\"sex\":\"1\"", "\"sex\":\"2\"", 1),
        )
        .unwrap();
        let (code, said) = prove("altered.ndjson", "out.ndjson.opening.json");
        assert!(code == 6 && said.contains("1 columns hold other values"), "{said}");
        let shorter = kept.split_once('\n').unwrap().1;
        std::fs::write(gateway.path("shorter.ndjson"), shorter).unwrap();
        let (code, said) = prove("shorter.ndjson", "out.ndjson.opening.json");
        assert!(code == 6 && said.contains("it gives parts of ["), "{said}");
        // Whoever is shown one column needs no extract, and sees no other.
        let package = [
            "--content",
            "kept.ndjson",
            "--opening",
            "out.ndjson.opening.json",
            "--disclose",
            "sex",
            "--package",
            "sex.json",
        ];
        let (code, _, error) = gateway.shuguan(&[&RECEIPT[..], &package].concat());
        assert_eq!(code, 0, "{error}");
        let shown: Value = serde_json::from_str(&std::fs::read_to_string(gateway.path("sex.json")).unwrap()).unwrap();
        assert!(
            shown.get("content").is_none(),
            "the whole content could be guessed by it"
        );
        let (code, out, error) = gateway.shuguan(&[&RECEIPT[..], &["--opening", "sex.json", "--json"]].concat());
        let document: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &document["proved"]), (0, &1.into()), "{error}");
        assert_eq!(
            (standing(&document, "sex"), standing(&document, "name")),
            ("proved", "withheld")
        );
        let mut changed = std::fs::read(gateway.path("out.ndjson")).unwrap();
        changed[10] ^= 1;
        std::fs::write(gateway.path("changed.ndjson"), changed).unwrap();
        let (code, said) = prove("changed.ndjson", "out.ndjson.opening.json");
        assert!(code == 6 && said.contains("is not what was released"), "{said}");
        let opening = std::fs::read_to_string(gateway.path("out.ndjson.opening.json")).unwrap();
        let mut opening: Value = serde_json::from_str(&opening).unwrap();
        // Without the salt of the whole its columns are proved; with one that is none nothing is, and with another salt of a column that one is not.
        for salt in [Value::Null, "00".repeat(32).into()] {
            opening["content"] = salt;
            std::fs::write(gateway.path("forged.json"), opening.to_string()).unwrap();
            let (code, said) = prove("out.ndjson", "forged.json");
            assert!(code == 0 && said.contains("0 are withheld"), "{said}");
            assert!(!said.contains("these are the bytes"), "{said}");
        }
        opening["content"] = "x".into();
        std::fs::write(gateway.path("forged.json"), opening.to_string()).unwrap();
        let (code, said) = prove("out.ndjson", "forged.json");
        assert!(code == 6 && said.contains("the opening is none of this leaf"), "{said}");
        opening["content"] = Value::Null;
        for salt in ["00".repeat(32), "x".into()] {
            opening["columns"][0]["salt"] = salt.into();
            std::fs::write(gateway.path("forged.json"), opening.to_string()).unwrap();
            let (code, said) = prove("out.ndjson", "forged.json");
            assert!(code == 6 && said.starts_with("无效"), "{said}");
        }
        drop(running);
    });
}
