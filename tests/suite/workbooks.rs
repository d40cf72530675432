//! Workbooks through the whole path: pushed over TLS, by our own client and by its content type; refused by what they are.

use std::time::{Duration, Instant};

use bytes::Bytes;
use shuguan_adapters::layout::Layout;
use shuguan_tests::{Answer, Call, Deployment, Unfinished, registry_count, run};

use crate::feeds::{CSV_UTF8, POLICE, RESIDENT, clean};

const HEALTH: &str = "health-city";
const CIVIL: &str = "civil-affairs-city";

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const XLS: &str = "application/vnd.ms-excel";

/// Residents as a workbook: a title, the header, the records as text, a sum.
fn workbook(rows: u64) -> Vec<u8> {
    let csv = clean(RESIDENT, "text/tab-separated-values", rows, 7);
    let text = String::from_utf8(csv).expect("text");
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    sheet.set_name("名单").expect("a name");
    let mut write = |row, column, text: &str| {
        sheet.write_string(row, column, text).expect("a cell");
    };
    write(0, 0, "户籍人口");
    let lines = text.lines().count() as u32;
    for (row, line) in (1..).zip(text.lines()) {
        for (column, text) in (0..).zip(line.split('\t')) {
            write(row, column, text.trim_matches('"'));
        }
    }
    write(lines + 1, 0, "合计：见上");
    // A workbook holds when it was made: without this the same table is other bytes a second later.
    let made = rust_xlsxwriter::ExcelDateTime::from_ymd(2026, 1, 1).expect("a date");
    book.set_properties(&rust_xlsxwriter::DocProperties::new().set_creation_datetime(&made));
    book.save_to_buffer().expect("a workbook")
}

fn counts(answer: &Answer) -> [u64; 4] {
    let answer = answer.json();
    ["received", "accepted", "rejected", "repeated"].map(|member| answer[member].as_u64().expect("a count"))
}

#[test]
fn a_workbook_is_accepted_and_relayed_as_the_same_table_in_csv_is() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let push = async |content_type: &str, body: Vec<u8>| {
            let answer = running
                .call(Call::push(RESIDENT, content_type, body), &police)
                .await
                .expect("an answer");
            assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
            answer
        };
        // More than one part.
        let book = push(XLSX, workbook(9000)).await;
        let csv = push(CSV_UTF8, clean(RESIDENT, CSV_UTF8, 9000, 7)).await;
        assert_eq!(counts(&book), counts(&csv));
        assert_eq!(counts(&book)[0], 9000);
        // The sum below the records is no record, and the sender is told so.
        assert_eq!(book.json()["headers"]["footers"], 1);
        assert_eq!(csv.json()["headers"]["footers"], serde_json::Value::Null);
    });
}

/// The same as a page and as SpreadsheetML, under the name of XLS.
fn pages(rows: u64) -> [String; 2] {
    let csv = clean(RESIDENT, "text/tab-separated-values", rows, 7);
    let text = String::from_utf8(csv).expect("text");
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split('\t').map(|cell| cell.trim_matches('"')).collect())
        .collect();
    let all = |row: fn(&[&str]) -> String| lines.iter().map(|cells| row(cells)).collect::<String>();
    let page = all(|cells| format!("<tr><td>{}</td></tr>\n", cells.join("</td><td>")));
    let title = format!("<tr><td colspan={}>户籍人口</td></tr>", lines[0].len());
    let markup = all(|cells| {
        let data = "</Data></Cell><Cell><Data ss:Type=\"String\">";
        format!(
            "<Row><Cell><Data ss:Type=\"String\">{}</Data></Cell></Row>\n",
            cells.join(data)
        )
    });
    let space = "urn:schemas-microsoft-com:office:spreadsheet";
    [
        format!(
            "<html><head><meta charset=\"gb2312\"></head><body><table>{title}{page}<tr><td>合计：见上</table></body></html>"
        ),
        format!(
            "<?xml version=\"1.0\"?><Workbook xmlns=\"{space}\" xmlns:ss=\"{space}\"><Worksheet ss:Name=\"名单\"><Table>{markup}</Table></Worksheet></Workbook>"
        ),
    ]
}

#[test]
fn pages_and_spreadsheetml_under_the_name_of_xls_are_accepted_as_the_same_table_in_csv_is() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let [page, markup] = pages(300);
        let gb18030 = encoding_rs::GB18030.encode(&page).0.into_owned();
        let pushes = [
            (XLS, page.clone().into_bytes(), "html+utf8"),
            (XLS, gb18030.clone(), "html+gb18030"),
            ("text/html; charset=gbk", gb18030, "html+gb18030"),
            (XLS, markup.into_bytes(), "spreadsheetml+utf8"),
            (CSV_UTF8, clean(RESIDENT, CSV_UTF8, 300, 7), "csv+utf8"),
        ];
        let mut all = Vec::new();
        for (content_type, body, _) in pushes.clone() {
            let answer = running
                .call(Call::push(RESIDENT, content_type, body), &police)
                .await
                .expect("an answer");
            assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
            all.push(counts(&answer));
        }
        // Some residents are history, in each form the same.
        assert!(
            all[0][0] == 300 && all.iter().all(|counts| *counts == all[0]),
            "{all:?}"
        );
        let found: Vec<_> = deployment
            .leaves_of("push")
            .iter()
            .map(|leaf| leaf["fmt"].clone())
            .collect();
        assert_eq!(found, pushes.map(|(_, _, label)| serde_json::Value::from(label)));
        // What contradicts a stated charset is refused.
        let call = Call::push(RESIDENT, "text/html; charset=gbk", page.into_bytes());
        let answer = running.call(call, &police).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "SG3103"));
    });
}

/// One resident, and below him hundreds of thousands of rows that say nothing but their height.
fn long_workbook(blank_rows: u32) -> Vec<u8> {
    let csv = clean(RESIDENT, "text/tab-separated-values", 1, 7);
    let text = String::from_utf8(csv).expect("text");
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (row, line) in (0..).zip(text.lines()) {
        for (column, text) in (0..).zip(line.split('\t')) {
            sheet.write_string(row, column, text.trim_matches('"')).expect("a cell");
        }
    }
    for row in 2..blank_rows {
        sheet.set_row_height(row, 20 + row % 7).expect("a height");
    }
    book.save_to_buffer().expect("a workbook")
}

#[test]
fn the_gateway_answers_while_workbooks_that_take_long_are_read() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let (police, health) = (deployment.partner(POLICE), deployment.partner(HEALTH));
        let body = Bytes::from(long_workbook(400_000));
        let push = || running.call(Call::push(RESIDENT, XLSX, body.clone()), &police);
        let mut uploads = std::pin::pin!(async { tokio::join!(push(), push(), push()) });
        let (mut asked, mut slowest) = (0, Duration::ZERO);
        let answers = loop {
            let since = Instant::now();
            let alive = async {
                assert_eq!(running.health("/healthz").map(|(status, _)| status), Some(200));
                let catalog = running.call(Call::get("/v1/catalog"), &health).await;
                assert_eq!(catalog.expect("an answer").status, 200);
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            tokio::select! {
                biased;
                answers = &mut uploads => break answers,
                () = alive => {
                    asked += 1;
                    slowest = slowest.max(since.elapsed());
                }
            }
        };
        for answer in <[_; 3]>::from(answers) {
            let answer = answer.expect("an answer");
            assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
            assert_eq!(counts(&answer)[0], 1);
        }
        // One of the partner's workbooks is read at once, and each takes longer than an answer may.
        assert!(asked >= 10, "asked {asked} times");
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    });
}

/// What begins as a workbook and goes on for so many bytes.
fn beginning(bytes: usize) -> Vec<u8> {
    let mut body = b"PK\x03\x04".to_vec();
    body.resize(bytes, 0);
    body
}

#[test]
fn workbooks_that_are_held_take_no_more_memory_than_they_may_and_of_one_partner_half() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let (police, civil) = (deployment.partner(POLICE), deployment.partner(CIVIL));
        let mut held = Vec::new();
        for _ in 0..2 {
            let large = Call::push(RESIDENT, XLSX, beginning(63 << 20));
            held.push(
                Unfinished::begin(deployment.feed, &police, large)
                    .await
                    .expect("a connection"),
            );
        }
        // Until they are: one that came between would be in their way.
        tokio::time::sleep(Duration::from_secs(4)).await;
        let call = || Call::push(RESIDENT, XLSX, beginning(1 << 20));
        // A third has no room: half of 256 MiB is one partner's.
        let mut refused = None;
        for _ in 0..100 {
            let answer = running.call(call(), &police).await.expect("an answer");
            if answer.status == 503 {
                refused = Some(answer);
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let refused = refused.expect("two are held, and a third is refused");
        assert_eq!(refused.code(), "SG2117");
        assert_eq!(refused.header("retry-after"), "10");
        // Another partner's workbook is read all the while, and the partner's own text as well.
        let cremations = "civil-affairs/cremation";
        let other = running
            .call(Call::push(cremations, XLSX, beginning(1 << 20)), &civil)
            .await;
        assert_eq!(other.expect("an answer").code(), "SG3106");
        let text = Call::push(RESIDENT, CSV_UTF8, clean(RESIDENT, CSV_UTF8, 5, 1));
        assert_eq!(running.call(text, &police).await.expect("an answer").status, 202);
        // What broke off is given back.
        for upload in held {
            upload.vanish().await;
        }
        let mut last = String::new();
        for _ in 0..100 {
            last = running.call(call(), &police).await.expect("an answer").code();
            if last != "SG2117" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(last, "SG3106");
    });
}

#[test]
fn a_workbook_of_more_sheets_than_anybody_looks_through_is_refused() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let mut book = rust_xlsxwriter::Workbook::new();
        for _ in 0..257 {
            book.add_worksheet();
        }
        let body = book.save_to_buffer().expect("a workbook");
        let answer = running.call(Call::push(RESIDENT, XLSX, body), &police).await;
        let answer = answer.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "SG3110"));
        assert_eq!(registry_count(&deployment.registry(), "public_security_resident"), 0);
    });
}

#[test]
fn our_own_client_sends_a_workbook_by_what_it_is_and_check_agrees() {
    let deployment = Deployment::new();
    let running = deployment.serve();
    let kit = deployment.path(&format!("partners/{POLICE}/client.toml"));
    // The name says XLS; the bytes say XLSX.
    let file = deployment.path("名单.xls");
    std::fs::write(&file, workbook(50)).expect("a file");
    let (file, kit) = (file.display().to_string(), kit.display().to_string());
    let (code, out, error) = deployment.shuguan(&["check", &file, "--record", RESIDENT, "--format", "json"]);
    assert_eq!(code, 0, "{out}{error}");
    let verdict: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let verdict = verdict.get("data").unwrap_or(&verdict);
    assert_eq!(
        (&verdict["layout"], &verdict["accepted"], &verdict["footers"]),
        (&"xlsx".into(), &50.into(), &1.into())
    );
    let purpose = "enrolment.registration";
    let push = [
        "push",
        &file,
        "--record",
        RESIDENT,
        "--purpose",
        purpose,
        "-c",
        &kit,
        "--sheet",
        "名单",
    ];
    let (code, out, error) = deployment.shuguan(&push);
    assert_eq!(code, 0, "{out}{error}");
    let (code, _, error) = deployment.shuguan(&[&push[..8], &["--sheet", "别的"]].concat());
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("SG3124"), "{error}");
    drop(running);
}

/// A sheet a town: residents of each under the same header.
fn towns(names: &[&str]) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    for (seed, name) in (1..).zip(names) {
        let csv = clean(RESIDENT, "text/tab-separated-values", 4, seed);
        let sheet = book.add_worksheet();
        sheet.set_name(*name).expect("a name");
        for (row, line) in (0..).zip(String::from_utf8(csv).expect("text").lines()) {
            for (column, text) in (0..).zip(line.split('\t')) {
                sheet.write_string(row, column, text.trim_matches('"')).expect("a cell");
            }
        }
    }
    book.save_to_buffer().expect("a workbook")
}

#[test]
fn a_workbook_with_a_sheet_for_each_town_is_refused_until_one_is_named_and_check_says_so_before() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let book = towns(&["一镇", "二镇"]);
        let answer = running
            .call(Call::push(RESIDENT, XLSX, book.clone()), &police)
            .await
            .expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "SG3127"));
        assert!(String::from_utf8_lossy(&answer.body).contains("--sheet NAME"));
        assert_eq!(registry_count(&deployment.registry(), "public_security_resident"), 0);
        let file = deployment.path("各镇.xlsx");
        std::fs::write(&file, &book).expect("a file");
        let file = file.display().to_string();
        let check = ["check", &file, "--record", RESIDENT];
        let (code, out, error) = deployment.shuguan(&check);
        assert_eq!(code, 1, "{out}{error}");
        assert!(error.contains("SG3127") && error.contains("--sheet NAME"), "{error}");
        let (code, out, error) = deployment.shuguan(&[&check[..], &["--sheet", "二镇"]].concat());
        assert_eq!(code, 0, "{out}{error}");
        let named = format!("{XLSX}; sheet*=UTF-8''%E4%BA%8C%E9%95%87");
        let answer = running
            .call(Call::push(RESIDENT, &named, book), &police)
            .await
            .expect("an answer");
        assert_eq!(counts(&answer), [4, 4, 0, 0]);
    });
}

#[test]
fn another_sheet_of_the_same_workbook_is_other_content() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let push = async |content_type: &str| {
            let call = Call::push(RESIDENT, content_type, workbook(5)).header("idempotency-key", "sheets-of-one-book");
            running.call(call, &police).await.expect("an answer")
        };
        let named = format!("{XLSX}; sheet*=UTF-8''%E5%90%8D%E5%8D%95");
        assert_eq!(push(&named).await.status, 202);
        assert_eq!(push(&named).await.status, 202);
        let other = push(&format!("{XLSX}; sheet=A")).await;
        assert_eq!((other.status.as_u16(), other.code().as_str()), (422, "SG2104"));
    });
}

#[test]
fn what_is_no_workbook_is_refused_by_what_it_is_and_the_refusal_sticks_to_its_key() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let mut cut = workbook(5);
        cut.truncate(cut.len() / 2);
        let cases: [(&str, Vec<u8>, &str); 9] = [
            (XLS, b"<html><body>1</body></html>".to_vec(), "SG3123"),
            (
                "text/html",
                b"<html><table><tr><td>1</td></tr></table></html>".to_vec(),
                "SG3104",
            ),
            (
                XLS,
                b"<html><table><tr><td colspan=1000000>1</td></tr></table></html>".to_vec(),
                "SG3106",
            ),
            (
                XLS,
                b"<html><meta charset=big5><table></table></html>".to_vec(),
                "SG3103",
            ),
            (XLSX, b"<html><table></table></html>".to_vec(), "SG3123"),
            (XLSX, clean(RESIDENT, CSV_UTF8, 5, 1), "SG3123"),
            (XLS, workbook(5), "SG3123"),
            (XLSX, cut, "SG3106"),
            (XLSX, Vec::new(), "SG3123"),
        ];
        for (content_type, body, code) in cases {
            for _ in 0..2 {
                let call = Call::push(RESIDENT, content_type, body.clone());
                let answer = running.call(call, &police).await.expect("an answer");
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, code), "{text}");
            }
        }
        assert_eq!(registry_count(&deployment.registry(), "public_security_resident"), 0);
        assert_eq!(
            Layout::from_content_type("application/vnd.ms-excel.sheet.macroEnabled.12"),
            None
        );
    });
}
