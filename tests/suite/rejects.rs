//! The reject report: three forms, and marks in the sender's own file.

use shuguan_adapters::sample::Dirt;
use shuguan_tests::{Answer, Call, Deployment, Running, run};

use crate::feeds::{CSV_GB18030, CSV_UTF8, NDJSON, POLICE, RESIDENT, clean, dirty, nobody, resident};

/// A good row, one whose id has a wrong check character, one whose sex is no code.
fn three() -> String {
    let good = |n| String::from_utf8(resident(&nobody(n), "金丝雀")).expect("UTF-8");
    let wrong = good(2).replace(&nobody(2), "320706180101010007");
    let sexless = good(3)
        .replace("\"sex\":\"1\"", "\"sex\":\"7\"")
        .replace("\"sex\":\"2\"", "\"sex\":\"7\"");
    // Enough good ones that the batch is taken.
    let rest: String = (10..30).map(good).collect();
    format!("{}{wrong}{sexless}{rest}", good(1))
}

async fn pushed(running: &Running<'_>, gateway: &Deployment) -> String {
    let call = Call::push(RESIDENT, NDJSON, three().into_bytes());
    let answer = running.call(call, &gateway.partner(POLICE)).await.expect("an answer");
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    answer.json()["exchange"].as_str().expect("an exchange").to_owned()
}

async fn report(running: &Running<'_>, gateway: &Deployment, path: &str, accept: Option<&str>) -> Answer {
    let call = Call::get(format!("/v1/exchanges/{path}"));
    let call = match accept {
        Some(accept) => call.header("accept", accept),
        None => call,
    };
    running.call(call, &gateway.partner(POLICE)).await.expect("an answer")
}

#[test]
fn the_report_comes_as_ndjson_csv_or_json_and_says_what_was_expected() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let exchange = pushed(&running, &gateway).await;
        let path = format!("{exchange}/rejects");
        let ndjson = report(&running, &gateway, &path, None).await;
        assert!(ndjson.header("content-type").starts_with("application/x-ndjson"));
        let text = String::from_utf8_lossy(&ndjson.body).into_owned();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(lines.len(), 2);
        let first = &lines[0];
        assert_eq!(
            (&first["row"], &first["line"], &first["code"]),
            (&2.into(), &2.into(), &"SG3204".into())
        );
        assert_eq!(
            (&first["field"], &first["field_zh"]),
            (&"citizen_id".into(), &"公民身份号码".into())
        );
        assert_eq!(first["expected"], "校验码与其余各位一致");
        let csv = report(&running, &gateway, &path, Some("text/csv")).await;
        let text = String::from_utf8_lossy(&csv.body).into_owned();
        assert!(text.starts_with("\u{feff}row,line,cell,field,"), "{text}");
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("3,3,,sex,性别,"), "{text}");
        let json = report(&running, &gateway, &format!("{path}?format=json"), Some("text/csv"))
            .await
            .json();
        assert_eq!(
            (json["items"].as_array().map(Vec::len), &json["exchange"]),
            (Some(2), &exchange.as_str().into())
        );
        for answer in [&ndjson, &csv] {
            let text = String::from_utf8_lossy(&answer.body);
            for value in ["金丝雀", "320706180101010007"] {
                assert!(!text.contains(value), "{text}");
            }
        }
    });
}

#[test]
fn a_form_that_is_not_offered_is_406_and_anothers_report_is_404() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let exchange = pushed(&running, &gateway).await;
        for (path, accept) in [("rejects?format=xlsx", None), ("rejects", Some("text/html"))] {
            let answer = report(&running, &gateway, &format!("{exchange}/{path}"), accept).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (406, "SG2118"));
        }
        let call = Call::get(format!("/v1/exchanges/{exchange}/rejects?format=csv"));
        let answer = running
            .call(call, &gateway.partner("tax-city"))
            .await
            .expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "SG2114"));
    });
}

#[test]
fn the_senders_own_file_is_marked_corrected_and_pushed_again() {
    marked_and_pushed_again("");
}

#[test]
fn titles_that_nobody_stated_stay_above_the_header_row_of_the_marked_file() {
    marked_and_pushed_again("户籍人口表,,\n制表单位：某局,,\n");
}

fn marked_and_pushed_again(titles: &str) {
    let gateway = Deployment::new();
    let running = gateway.serve();
    let client = format!("partners/{POLICE}/client.toml");
    let feed = dirty(RESIDENT, CSV_GB18030, 300, 11, Dirt::spread(6.0));
    let (above, ..) = encoding_rs::GB18030.encode(titles);
    let feed = [&above, feed.as_slice()].concat();
    std::fs::write(gateway.path("june.csv"), &feed).unwrap();
    let push = |file: &str| {
        let (code, out, error) = gateway.shuguan(&[
            "push",
            file,
            "--record",
            RESIDENT,
            "--purpose",
            "enrolment.registration",
            "-c",
            &client,
            "--json",
        ]);
        assert!(code == 0 || code == 5, "{code}: {error}");
        serde_json::from_str::<serde_json::Value>(&out).expect("JSON")["items"][0].clone()
    };
    let first = push("june.csv");
    let exchange = first["exchange"].as_str().expect("an exchange").to_owned();
    let rejected = first["rejected"].as_u64().expect("a number");
    assert!(rejected > 0);
    let arguments = [
        "rejects", &exchange, "--join", "june.csv", "-o", "bad.csv", "-c", &client,
    ];
    let (code, _, error) = gateway.shuguan(&arguments);
    assert_eq!(code, 0, "{error}");
    let bad = std::fs::read(gateway.path("bad.csv")).unwrap();
    let (text, ..) = encoding_rs::GB18030.decode(&bad);
    let below = text.strip_prefix(titles).expect("the titles");
    let mut lines = below.lines();
    assert!(
        lines
            .next()
            .is_some_and(|header| header.ends_with(",_row,_code,_field,_reason,_expected")),
        "{text}"
    );
    assert_eq!(lines.clone().count() as u64, rejected);
    // Each marked line stands in the file as it was sent.
    let (sent, ..) = encoding_rs::GB18030.decode(&feed);
    for line in lines {
        let record = line
            .split(",SG32")
            .next()
            .and_then(|head| head.rsplit_once(','))
            .expect("marks")
            .0;
        assert!(sent.lines().any(|sent| sent == record), "{record}");
    }
    let other = gateway.shuguan(&[
        "rejects",
        &exchange,
        "--join",
        "partners/health-city/sample.ndjson",
        "-c",
        &client,
    ]);
    assert_eq!(other.0, 1, "{}", other.2);
    // Corrected in place before the report was joined, with a row less: the marks would stand at good rows.
    let (name, end) = (gateway.path("june.csv"), feed.len() - 1);
    let cut = feed.iter().take(end).rposition(|byte| *byte == b'\n').unwrap() + 1;
    std::fs::write(&name, &feed[..cut]).unwrap();
    let join = |more: &[&str]| {
        let arguments = [
            "rejects",
            &exchange,
            "--join",
            "june.csv",
            "-o",
            "changed.csv",
            "-c",
            &client,
        ];
        gateway.shuguan(&[&arguments[..], more].concat())
    };
    let (code, _, error) = join(&[]);
    assert_eq!((code, gateway.path("changed.csv").exists()), (1, false), "{error}");
    assert!(
        error.contains("not the file that was sent") && error.contains("--changed"),
        "{error}"
    );
    let (code, _, error) = join(&["--changed"]);
    assert!(
        code <= 1 && error.contains("may be other rows by now"),
        "{code}: {error}"
    );
    std::fs::write(&name, &feed).unwrap();
    let (code, _, error) = gateway.shuguan(&[
        "rejects", &exchange, "--join", "june.csv", "-o", "bad.xlsx", "-c", &client,
    ]);
    assert_eq!((code, gateway.path("bad.xlsx").exists()), (2, false), "{error}");
    // Columns of ours are passed over, without a remark: the whole file with its marks is judged as it was.
    let arguments = [
        "rejects", &exchange, "--join", "june.csv", "--all", "-o", "all.csv", "-c", &client,
    ];
    assert_eq!(gateway.shuguan(&arguments).0, 0);
    let again = push("all.csv");
    for member in ["received", "accepted", "rejected", "filtered", "repeated"] {
        assert_eq!(again[member], first[member], "{member}");
    }
    assert_ne!(again["exchange"], first["exchange"]);
    assert_eq!(again["headers"].get("unknown"), None);
    drop(running);
}

/// The cells of the report are those of the sender's sheet, and the copy is judged as the file was.
#[test]
fn the_senders_own_workbook_is_marked_and_pushed_again() {
    let gateway = Deployment::new();
    let running = gateway.serve();
    let client = format!("partners/{POLICE}/client.toml");
    let feed = dirty(RESIDENT, "text/tab-separated-values", 200, 11, Dirt::spread(6.0));
    std::fs::write(gateway.path("june.xlsx"), workbook_of(&feed)).unwrap();
    let push = |file: &str| {
        let purpose = "enrolment.registration";
        let arguments = [
            "push",
            file,
            "--record",
            RESIDENT,
            "--purpose",
            purpose,
            "-c",
            &client,
            "--json",
        ];
        let (code, out, error) = gateway.shuguan(&arguments);
        assert!(code == 0 || code == 5, "{code}: {error}");
        serde_json::from_str::<serde_json::Value>(&out).expect("JSON")["items"][0].clone()
    };
    let first = push("june.xlsx");
    let exchange = first["exchange"].as_str().expect("an exchange");
    let rejected = first["rejected"].as_u64().expect("a number");
    assert!(rejected > 0);
    let (_, report, _) = gateway.shuguan(&["rejects", exchange, "--format", "ndjson", "-c", &client]);
    let problems = report
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    for problem in problems.filter(|problem| problem.get("field").is_some()) {
        let cell = problem["cell"].as_str().expect("a cell");
        assert!(cell.ends_with(&problem["line"].to_string()), "{problem}");
    }
    let join = |to: &str, more: &[&str]| {
        let arguments = ["rejects", exchange, "--join", "june.xlsx", "-o", to, "-c", &client];
        gateway.shuguan(&[&arguments[..], more].concat())
    };
    assert_eq!(join("bad.xlsx", &[]).0, 0);
    let (code, out, _) = gateway.shuguan(&["check", "bad.xlsx", "--record", RESIDENT, "--format", "json"]);
    let bad: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (code, &bad["received"], &bad["rejected"]),
        (5, &rejected.into(), &rejected.into())
    );
    assert_eq!(bad["sheets_not_read"], 0, "the list of problems is none of records");
    assert_eq!(join("all.xlsx", &["--all"]).0, 0);
    let all = push("all.xlsx");
    for member in ["received", "accepted", "rejected", "repeated"] {
        assert_eq!(all[member], first[member], "{member}");
    }
    let (code, _, error) = join("bad.csv", &[]);
    assert_eq!(code, 2, "{error}");
    std::fs::write(gateway.path("june.csv"), &feed).unwrap();
    let text = [
        "rejects",
        exchange,
        "--join",
        "june.csv",
        "--changed",
        "-o",
        "text.csv",
        "-c",
        &client,
    ];
    let (code, _, error) = gateway.shuguan(&text);
    assert_eq!((code, gateway.path("text.csv").exists()), (1, false), "{error}");
    assert!(error.contains("what was sent is xlsx"), "{error}");
    drop(running);
}

/// Lines of tabs as a workbook of texts under a title.
fn workbook_of(lines: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(lines).expect("text");
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write_string(0, 0, "户籍人口").expect("a cell");
    for (row, line) in (1..).zip(text.lines()) {
        for (column, text) in (0..).zip(line.split('\t')).filter(|(_, text)| !text.is_empty()) {
            sheet.write_string(row, column, text.trim_matches('"')).expect("a cell");
        }
    }
    book.save_to_buffer().expect("a workbook")
}

#[test]
fn the_report_is_written_in_the_form_that_its_file_names() {
    let gateway = Deployment::new();
    let running = gateway.serve();
    let client = format!("partners/{POLICE}/client.toml");
    std::fs::write(gateway.path("three.ndjson"), three()).unwrap();
    let (_, out, _) = gateway.shuguan(&[
        "push",
        "three.ndjson",
        "--record",
        RESIDENT,
        "--purpose",
        "enrolment.registration",
        "-c",
        &client,
        "--json",
    ]);
    let out: serde_json::Value = serde_json::from_str(&out).unwrap();
    let exchange = out["items"][0]["exchange"].as_str().unwrap().to_owned();
    for (file, begins) in [
        ("r.csv", "\u{feff}row,line"),
        ("r.json", "{"),
        ("r.ndjson", "{\"row\":2"),
        ("r.tsv", "ROW\tLINE"),
    ] {
        let (code, _, error) = gateway.shuguan(&["rejects", &exchange, "-o", file, "-c", &client]);
        assert_eq!(code, 0, "{error}");
        let text = std::fs::read_to_string(gateway.path(file)).unwrap();
        assert!(text.starts_with(begins), "{file}: {text}");
    }
    let (code, out, _) = gateway.shuguan(&["rejects", &exchange, "--format", "csv", "-c", &client]);
    assert_eq!((code, out.starts_with("\u{feff}row,line")), (0, true));
    let (code, out, _) = gateway.shuguan(&["rejects", &exchange, "--join", "three.ndjson", "-c", &client]);
    assert_eq!((code, out.lines().count()), (0, 2));
    assert!(out.lines().all(|line| line.starts_with("{\"_row\":\"")), "{out}");
    drop(running);
}

/// A clean feed has an empty report in each form.
#[test]
fn a_batch_without_rejects_has_an_empty_report() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let call = Call::push(RESIDENT, CSV_UTF8, clean(RESIDENT, CSV_UTF8, 10, 1));
        let answer = running
            .call(call, &gateway.partner(POLICE))
            .await
            .expect("an answer")
            .json();
        let exchange = answer["exchange"].as_str().expect("an exchange");
        let json = report(&running, &gateway, &format!("{exchange}/rejects?format=json"), None)
            .await
            .json();
        assert_eq!(json["items"], serde_json::json!([]));
        let csv = report(&running, &gateway, &format!("{exchange}/rejects?format=csv"), None).await;
        assert_eq!(String::from_utf8_lossy(&csv.body).lines().count(), 1);
    });
}
