//! Layouts: how one partner writes one record type, by name or by default, for itself alone; and headers that nobody knows.

use shuguan_tests::{
    Answer, Call, Deployment, Identity, Running, eventually, leaves, registry_count, registry_rows, run,
};

use crate::feeds::{CSV_UTF8, NDJSON, POLICE, RESIDENT, nobody, resident};

const LAYOUT: &str = r#"
[[layout]]
name = "hukou-2016"
partner = "public-security-city"
record = "public-security/resident"
form = "delimited"
charset = "gb18030"
delimiter = "|!|"
quotes = false
title_rows = 1
[layout.headers]
"身份证" = "citizen_id"
"代号" = "sex"
[layout.codes.sex]
"A" = "1"
"B" = "2"
"#;

/// A list whose district stands in its title alone.
const TITLED: &str = r#"
[[layout]]
name = "titled"
partner = "public-security-city"
record = "public-security/resident"
form = "delimited"
stated = ["hukou_region"]
[layout.constants]
hukou_region = "320705"
person_status = "0"
"#;

#[test]
fn what_is_stated_of_a_file_stands_in_every_record_and_in_its_leaf() {
    run(async {
        let gateway = Deployment::with(|text| text + TITLED);
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        let body = |region: &str| format!("gmsfhm,xm,ssxq\n{},某某,\n{},某某,{region}\n", nobody(1), nobody(2));
        let call = |body: String| push(body.into_bytes()).header("exchange-layout", "titled");
        let stated = |region: &str| {
            call(body(""))
                .header("idempotency-key", "titled-1")
                .header("exchange-constants", &format!("hukou_region={region}"))
        };
        let answer = send(&running, stated("320706"), &police).await;
        assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.json()["accepted"], 2);
        // The same again is the same batch; another district is other content, and so is none.
        assert_eq!(send(&running, stated("\"320706\""), &police).await.body, answer.body);
        assert_eq!(send(&running, stated("320707"), &police).await.code(), "SG2104");
        let without = call(body("")).header("idempotency-key", "titled-1");
        assert_eq!(send(&running, without, &police).await.code(), "SG2104");
        let log = leaves(&gateway.journal());
        let leaf = log.iter().find(|leaf| leaf["k"] == "push").expect("a leaf");
        assert_eq!(
            (&leaf["lay"], &leaf["con"]),
            (&"titled".into(), &"hukou_region=320706".into())
        );
        let status = Call::get(format!(
            "/v1/exchanges/{}",
            answer.json()["exchange"].as_str().expect("an id")
        ));
        assert_eq!(
            send(&running, status, &police).await.json()["constants"],
            "hukou_region=320706"
        );
        let catalog = send(&running, Call::get("/v1/catalog"), &police).await.json();
        assert_eq!(catalog["layouts"][0]["stated"], serde_json::json!(["hukou_region"]));
        eventually("both are in the registry", 30, || {
            registry_count(&gateway.registry(), "public_security_resident") == 2
        });
        // A spelling of the same is none, another district in a row is.
        let row = |region: &str| call(body(region)).header("exchange-constants", "hukou_region=320706");
        assert_eq!(send(&running, row("320706"), &police).await.status, 202);
        let other = send(&running, row("320707"), &police).await;
        assert_eq!((other.status.as_u16(), other.code().as_str()), (422, "SG3116"));
        let error = &other.json()["errors"][0];
        assert_eq!((&error["field"], &error["line"]), (&"hukou_region".into(), &3.into()));
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

#[test]
fn what_a_layout_does_not_let_be_stated_is_refused_before_the_body() {
    run(async {
        let gateway = Deployment::with(|text| text + TITLED);
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        let body = format!("gmsfhm,xm\n{},某某\n", nobody(1));
        let refused = async |call: Call| {
            let answer = send(&running, call, &police).await;
            (answer.status.as_u16(), answer.code())
        };
        let with = |constants: &str| {
            push(body.clone().into_bytes())
                .header("exchange-layout", "titled")
                .header("exchange-constants", constants)
        };
        for constants in [
            "person_status=0",
            "birth_region=320706",
            "name=\"x\"",
            "nobody=320706",
            "hukou_region",
            "hukou_region=",
            "hukou_region=3207",
            "hukou_region=320706, hukou_region=320706",
        ] {
            assert_eq!(refused(with(constants)).await, (400, "SG2119".into()), "{constants}");
        }
        let bare = Call::push(RESIDENT, CSV_UTF8, body.clone().into_bytes())
            .header("exchange-constants", "hukou_region=320706");
        assert_eq!(refused(bare).await, (400, "SG2119".into()));
    });
}

/// Two residents as the layout has it; ids of nobody are of women.
fn tape(ids: [u32; 2], sex: &str) -> Vec<u8> {
    let line = |n: u32| format!("{}|!|某某|!|{sex}|!|320706|!|0\r\n", nobody(n));
    let text = format!(
        "六月户籍\r\n身份证|!|姓名|!|代号|!|ssxq|!|人员状态\r\n{}{}",
        line(ids[0]),
        line(ids[1])
    );
    encoding_rs::GB18030.encode(&text).0.into_owned()
}

fn push(body: Vec<u8>) -> Call {
    Call::push(RESIDENT, "application/octet-stream", body)
}

async fn send(running: &Running<'_>, call: Call, identity: &Identity) -> Answer {
    running.call(call, identity).await.expect("an answer")
}

#[test]
fn a_named_layout_reads_its_partners_headers_and_codes_and_is_sealed() {
    run(async {
        let gateway = Deployment::with(|text| text + LAYOUT);
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        let call = || {
            push(tape([1, 2], "B"))
                .header("exchange-layout", "hukou-2016")
                .header("idempotency-key", "tape-1")
        };
        let answer = send(&running, call(), &police).await;
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        assert_eq!(
            (&answer.json()["accepted"], &answer.json()["rejected"]),
            (&2.into(), &0.into())
        );
        // The layout is part of the content.
        let other = call().without("exchange-layout").header("content-type", CSV_UTF8);
        assert_eq!(send(&running, other, &police).await.code(), "SG2104");
        let log = leaves(&gateway.journal());
        let leaf = log.iter().find(|leaf| leaf["k"] == "push").expect("a leaf");
        assert_eq!(
            (&leaf["lay"], &leaf["fmt"]),
            (&"hukou-2016".into(), &"pipe-bang+gb18030".into())
        );
        let status = Call::get(format!(
            "/v1/exchanges/{}",
            answer.json()["exchange"].as_str().expect("an id")
        ));
        assert_eq!(send(&running, status, &police).await.json()["layout"], "hukou-2016");
        let catalog = send(&running, Call::get("/v1/catalog"), &police).await.json();
        assert_eq!(catalog["layouts"][0]["name"], "hukou-2016");
        let foreign = send(&running, Call::get("/v1/catalog"), &gateway.partner("tax-city"))
            .await
            .json();
        assert_eq!(foreign["layouts"], serde_json::json!([]));
        let sexes = || registry_rows(&gateway.registry(), "SELECT sex FROM public_security_resident");
        eventually("the rows are in the registry", 20, || sexes() == ["2", "2"]);
        // A code that the layout does not have is judged as always, and named as the sender named its column.
        let call = push(tape([3, 4], "Z")).header("exchange-layout", "hukou-2016");
        let refused = send(&running, call, &police).await.json();
        let first = &refused["errors"][0];
        assert_eq!(
            (&first["code"], &first["field"], &first["header"]),
            (&"SG3209".into(), &"sex".into(), &"代号".into())
        );
        assert_eq!(first["line"], 3);
    });
}

#[test]
fn a_layout_that_is_not_ours_or_not_there_is_refused() {
    run(async {
        let gateway = Deployment::with(|text| text + LAYOUT);
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        let named = |name: &str| push(tape([1, 2], "B")).header("exchange-layout", name);
        for call in [
            named("hukou-2017"),
            named("Hukou-2016"),
            Call::push("public-security/death", "application/octet-stream", tape([1, 2], "B"))
                .header("exchange-layout", "hukou-2016"),
        ] {
            let answer = send(&running, call, &police).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (400, "SG2120"),
                "{:?}",
                answer.body
            );
        }
        // It is no default, so that a type that says nothing says too little.
        assert_eq!(send(&running, push(tape([1, 2], "B")), &police).await.code(), "SG3101");
        assert!(!leaves(&gateway.journal()).iter().any(|leaf| leaf["k"] == "push"));
    });
}

#[test]
fn a_default_layout_holds_for_pushes_of_its_form_and_no_others() {
    run(async {
        let text = LAYOUT.replace("form = \"delimited\"", "form = \"delimited\"\ndefault = true");
        let gateway = Deployment::with(|config| config + &text);
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        for call in [
            push(tape([1, 2], "B")),
            Call::push(RESIDENT, "text/csv; charset=gb18030", tape([3, 4], "B")),
            Call::push(RESIDENT, NDJSON, resident(&nobody(5), "某某")),
        ] {
            let answer = send(&running, call, &police).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json()["rejected"]),
                (202, &0.into()),
                "{:?}",
                answer.body
            );
        }
        // A charset that the sender states is what it says of this file.
        let stated = Call::push(RESIDENT, CSV_UTF8, tape([6, 7], "B"));
        assert_eq!(send(&running, stated, &police).await.code(), "SG3103");
        let layouts: Vec<_> = leaves(&gateway.journal())
            .into_iter()
            .filter(|leaf| leaf["k"] == "push")
            .map(|leaf| leaf["lay"].as_str().map(str::to_owned))
            .collect();
        let named = Some("hukou-2016".to_owned());
        assert_eq!(layouts, [named.clone(), named, None]);
    });
}

#[test]
fn the_commands_of_a_partner_take_a_layout_by_name_and_check_takes_it_from_a_file() {
    let gateway = Deployment::with(|text| text + LAYOUT);
    let running = gateway.serve();
    let client = format!("partners/{POLICE}/client.toml");
    std::fs::write(gateway.path("june.txt"), tape([1, 2], "B")).unwrap();
    std::fs::write(
        gateway.path("layout.toml"),
        LAYOUT.replace("partner = \"public-security-city\"\n", ""),
    )
    .unwrap();
    let check = |more: &[&str]| gateway.shuguan(&[&["check", "june.txt", "--record", RESIDENT][..], more].concat());
    let (code, out, error) = check(&["--layout", "layout.toml", "--format", "json"]);
    assert_eq!(code, 0, "{error}");
    let verdict: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (
            &verdict["accepted"],
            &verdict["quality"]["completeness"]["present"]["sex"]
        ),
        (&2.into(), &2.into())
    );
    assert_eq!(check(&[]).0, 1, "without it the file is none");
    assert_eq!(check(&["--layout", "layout.toml", "--layout-name", "other"]).0, 2);
    std::fs::write(gateway.path("bad.toml"), LAYOUT.replace("citizen_id", "citizenid")).unwrap();
    let (code, _, error) = check(&["--layout", "bad.toml"]);
    assert!(
        code == 1 && error.contains("did you mean `citizen_id`?") && error.contains("bad.toml:12"),
        "{error}"
    );
    let arguments = [
        "push",
        "june.txt",
        "--record",
        RESIDENT,
        "--purpose",
        "enrolment.registration",
        "-c",
        &client,
        "--layout",
        "hukou-2016",
    ];
    let (code, _, error) = gateway.shuguan(&arguments);
    assert_eq!(code, 0, "{error}");
    let (code, out, _) = gateway.shuguan(&["catalog", "--layouts", "-c", &client]);
    assert!(
        code == 0 && out.contains("hukou-2016\tpublic-security/resident\tpipe-bang+gb18030"),
        "{out}"
    );
    drop(running);
}

#[test]
fn a_faulty_layout_is_told_with_its_line_and_keeps_the_gateway_from_starting() {
    let gateway = Deployment::with(|text| text + &LAYOUT.replace("\"B\" = \"2\"", "\"B\" = \"7\"").replace("|!|", "~"));
    let (code, _, error) = gateway.shuguan(&["config", "check", "-c", "shuguan.toml"]);
    assert_eq!(code, 1);
    for text in [
        "`layout.delimiter` is none",
        "the table of field `sex` has no code `7`",
        "shuguan.toml:",
    ] {
        assert!(error.contains(text), "{error}");
    }
    assert_eq!(gateway.serve_in_vain().0, 1);
}

#[test]
fn unknown_and_missing_headers_are_named_with_the_nearest_known_name() {
    run(async {
        let gateway = Deployment::new();
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        let feed = |header: &str| format!("{header}\n{},某某,320706,0,x\n", nobody(1));
        let call = Call::push(RESIDENT, CSV_UTF8, feed("gmsfhm,xm,ssxq,ryzt,曾用各"));
        let answer = send(&running, call, &police).await;
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        let unknown = &answer.json()["headers"]["unknown"][0];
        assert_eq!(
            (&unknown["header"], &unknown["nearest"]),
            (&"曾用各".into(), &"曾用名".into())
        );
        let missing = answer.json()["headers"]["missing"].clone();
        assert!(
            missing
                .as_array()
                .is_some_and(|of| of.iter().any(|of| of["field"] == "sex")),
            "{missing}"
        );
        // A repeat says the same.
        let call =
            |key: &str| Call::push(RESIDENT, CSV_UTF8, feed("gmsfhmm,xm,ssxq,ryzt,x")).header("idempotency-key", key);
        let refused = send(&running, call("a"), &police).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (422, "SG3104"));
        let first = refused.json()["errors"][0].clone();
        assert_eq!(first["field"], "citizen_id");
        assert!(
            first["hint"]
                .as_str()
                .is_some_and(|hint| hint.contains("`gmsfhmm`") && hint.contains("`gmsfhm`")),
            "{first}"
        );
        assert_eq!(send(&running, call("a"), &police).await.body, refused.body);
        // A first line that is a record is not repeated to anybody.
        let headless = format!("{},金丝雀,320706,0,x\n{},某某,320706,0,x\n", nobody(2), nobody(3));
        let refused = send(&running, Call::push(RESIDENT, CSV_UTF8, headless), &police).await;
        let text = String::from_utf8_lossy(&refused.body).into_owned();
        assert!(
            refused.code() == "SG3104" && !text.contains("金丝雀") && !text.contains(&nobody(2)),
            "{text}"
        );
    });
}

/// `check` says the same of headers, without a gateway.
#[test]
fn check_names_misspelt_headers() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "gmsfhmm,xm\n1,某某\n").unwrap();
    let output = std::process::Command::new(shuguan_tests::binary())
        .args(["check", "a.csv", "--record", RESIDENT])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.contains("unknown header `gmsfhmm` is ignored; did you mean `gmsfhm` (citizen_id)?"),
        "{error}"
    );
}

const SHEET_LAYOUT: &str = r#"
[[layout]]
name = "hukou-book"
partner = "public-security-city"
record = "public-security/resident"
form = "xlsx"
sheet = "六月"
title_rows = 1
footer = "合计"
[layout.headers]
"身份证" = "citizen_id"
"代号" = "sex"
[layout.codes.sex]
"A" = "1"
"B" = "2"
"#;

/// A workbook as that layout has it, behind a sheet that could be read as well: a title, the header, a record a sex, a sum.
fn book(sexes: &[&str]) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let mut sheet = |name: &str, rows: &[Vec<String>]| {
        let sheet = book.add_worksheet();
        sheet.set_name(name).expect("a name");
        for (at, row) in (0..).zip(rows) {
            for (column, text) in (0..).zip(row) {
                sheet.write_string(at, column, text).expect("a cell");
            }
        }
    };
    let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
    let record = |n: u32, sex: &str| row([&nobody(n), "某某", sex, "320706", "0"]);
    sheet("五月", &[row(["gmsfhm", "xm", "xb", "ssxq", "ryzt"]), record(900, "2")]);
    let mut rows = vec![
        vec!["六月户籍".to_owned()],
        row(["身份证", "姓名", "代号", "ssxq", "人员状态"]),
    ];
    rows.extend((1..).zip(sexes).map(|(n, sex)| record(n, sex)));
    rows.push(vec!["合计：见上".to_owned()]);
    sheet("六月", &rows);
    book.save_to_buffer().expect("a workbook")
}

#[test]
fn a_workbook_is_read_by_a_named_layout_and_its_bad_cells_are_named_as_the_sender_sees_them() {
    run(async {
        let gateway = Deployment::with(|text| text + SHEET_LAYOUT);
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        let named = |body: Vec<u8>| push(body).header("exchange-layout", "hukou-book");
        let answer = send(&running, named(book(&["B", "B", "Z", "B", "B"])), &police).await;
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        let counts = ["received", "accepted", "rejected"].map(|member| answer.json()[member].clone());
        assert_eq!(counts, [5, 4, 1].map(serde_json::Value::from));
        let exchange = answer.json()["exchange"].as_str().expect("an id").to_owned();
        let rejects = send(
            &running,
            Call::get(format!("/v1/exchanges/{exchange}/rejects")),
            &police,
        )
        .await;
        let line = String::from_utf8(rejects.body.to_vec()).expect("text");
        let reject: serde_json::Value = serde_json::from_str(line.lines().next().expect("a line")).expect("JSON");
        assert_eq!(
            ["code", "field", "header", "cell"].map(|member| reject[member].clone()),
            ["SG3209", "sex", "代号", "C5"].map(serde_json::Value::from)
        );
        let log = leaves(&gateway.journal());
        let leaf = log.iter().find(|leaf| leaf["k"] == "push").expect("a leaf");
        assert_eq!((&leaf["lay"], &leaf["fmt"]), (&"hukou-book".into(), &"xlsx".into()));
        let sexes = || registry_rows(&gateway.registry(), "SELECT sex FROM public_security_resident");
        eventually("the rows are in the registry", 20, || sexes() == ["2"; 4]);
        // The layout names its sheet: a book without it is refused whole.
        let mut other = rust_xlsxwriter::Workbook::new();
        other.add_worksheet().write_string(0, 0, "身份证").expect("a cell");
        let refused = send(&running, named(other.save_to_buffer().expect("a workbook")), &police).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (422, "SG3124"));
        assert_eq!(sexes().len(), 4);
    });
}

#[test]
fn rejected_records_of_a_file_with_a_layout_are_joined_by_that_layout() {
    let gateway = Deployment::with(|text| text + LAYOUT + SHEET_LAYOUT);
    let running = gateway.serve();
    let client = format!("partners/{POLICE}/client.toml");
    std::fs::write(gateway.path("layouts.toml"), format!("{LAYOUT}{SHEET_LAYOUT}")).unwrap();
    let mut text = tape([1, 2], "B");
    for (ids, sex) in [([5, 6], "B"), ([7, 8], "B"), ([9, 10], "B"), ([3, 4], "Z")] {
        text.extend(tape(ids, sex).splitn(3, |byte| *byte == b'\n').nth(2).unwrap());
    }
    std::fs::write(gateway.path("june.txt"), text).unwrap();
    std::fs::write(gateway.path("june.xlsx"), book(&["B", "Z", "B", "B", "B"])).unwrap();
    let exchange = |file: &str, layout: &str| {
        let (record, purpose) = (["--record", RESIDENT], ["--purpose", "enrolment.registration"]);
        let more = [
            "-c",
            client.as_str(),
            "--layout",
            layout,
            "--rejects-ok",
            "100",
            "--json",
        ];
        let arguments = [&["push", file][..], &record, &purpose, &more].concat();
        let (code, out, error) = gateway.shuguan(&arguments);
        assert!([0, 5].contains(&code), "{out}{error}");
        let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
        let text = answer.to_string();
        let at = text.find("\"exchange\":\"").expect("an id") + 12;
        text[at..at + 36].to_owned()
    };
    let join = |exchange: &str, file: &str, to: &str, more: &[&str]| {
        let arguments = ["rejects", exchange, "--join", file, "-o", to, "-c", &client];
        gateway.shuguan(&[&arguments[..], more].concat())
    };
    let (tape, sheet) = (exchange("june.txt", "hukou-2016"), exchange("june.xlsx", "hukou-book"));
    let by = |name: &'static str| ["--layout", "layouts.toml", "--layout-name", name];
    let (code, _, error) = join(&tape, "june.txt", "bad.txt", &by("hukou-2016"));
    assert_eq!(code, 0, "{error}");
    let bad = std::fs::read(gateway.path("bad.txt")).unwrap();
    let bad = encoding_rs::GB18030.decode(&bad).0.into_owned();
    let marked: Vec<&str> = bad.lines().filter(|line| line.contains("SG3209")).collect();
    assert_eq!(marked.len(), 2, "{bad}");
    assert!(
        marked[0].contains(&nobody(3)) && marked[0].contains("|!|") && !bad.contains(&nobody(1)),
        "{bad}"
    );
    let (code, _, error) = join(&sheet, "june.xlsx", "bad.xlsx", &by("hukou-book"));
    assert_eq!(code, 0, "{error}");
    assert!(error.contains("1 rejected records"), "{error}");
    // Several layouts for the record type, and none named; a file that is none.
    let (code, _, error) = join(&tape, "june.txt", "x.txt", &["--layout", "layouts.toml"]);
    assert!(
        code == 2 && error.contains("SG2120") && error.contains("--layout-name"),
        "{error}"
    );
    let (code, _, error) = join(&tape, "june.txt", "x.txt", &["--layout", "june.txt"]);
    assert!(code == 1 && error.contains("SG7109"), "{error}");
    drop(running);
}

#[test]
fn a_report_of_rejects_has_the_senders_own_numbers_of_rows_where_a_layout_names_their_column() {
    run(async {
        let layout = "\n[[layout]]\nname = \"numbered\"\npartner = \"public-security-city\"\nrecord = \"public-security/resident\"\n\
                      form = \"delimited\"\ncharset = \"utf-8\"\n[layout.headers]\n\"流水号\" = \"row_id\"\n";
        let gateway = Deployment::with(|text| text + layout);
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        let line = |number: &str, n: u32, sex: &str| format!("{number},{},某某,{sex},320706,0\n", nobody(n));
        let mut body = "流水号,gmsfhm,xm,xb,ssxq,人员状态\n".to_owned();
        for n in 0..8 {
            body += &line(&format!("B-{n}"), n, "2");
        }
        // Of the wrong sex: one with a number, one whose number is a person's.
        body += &line("B-8", 8, "1");
        body += &line(&nobody(9), 9, "1");
        let call = push(body.into_bytes()).header("exchange-layout", "numbered");
        let answer = send(&running, call, &police).await;
        assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.json()["rejected"], 2);
        let exchange = answer.json()["exchange"].as_str().expect("an id").to_owned();
        let path = format!("/v1/exchanges/{exchange}/rejects");
        let report = send(&running, Call::get(path.clone()), &police).await;
        let text = String::from_utf8_lossy(&report.body).into_owned();
        let ids: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["id"].clone())
            .collect();
        assert_eq!(ids, ["B-8".into(), serde_json::Value::Null]);
        let csv = send(&running, Call::get(format!("{path}?format=csv")), &police).await;
        let csv = String::from_utf8_lossy(&csv.body).into_owned();
        assert!(
            csv.lines().next().is_some_and(|head| head.ends_with(",hint,id")),
            "{csv}"
        );
        assert!(csv.lines().nth(1).is_some_and(|line| line.ends_with(",B-8")), "{csv}");
        assert!(!text.contains(&nobody(9)) && !csv.contains(&nobody(9)), "{text}");
    });
}
