//! Charsets and content codings over HTTP: what is not stated is found, what is stated wrongly is refused, what is packed is read, and bombs are not.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::Value;
use shuguan_tests::{Answer, Call, Deployment, Running, registry_count, run, status_kib};

use crate::feeds::{CSV_GB18030, CSV_UTF8, NDJSON, POLICE, RESIDENT, clean};

const TABLE: &str = "public_security_resident";
const ROWS: u64 = 200;
const TAX: &str = "tax-city";

async fn send(running: &Running<'_>, deployment: &Deployment, call: Call) -> Answer {
    let police = deployment.partner(POLICE);
    running.call(call, &police).await.expect("an answer")
}

/// Records that are good, repeats and what policy filters included, and those that are not.
fn whole(answer: &Answer) -> [u64; 2] {
    let count = |name: &str| answer.json()[name].as_u64().expect("a count");
    [count("received") - count("rejected"), count("rejected")]
}

/// As the tax offices send: XML around Base64 of zlib of that.
fn tax_package(content: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).expect("memory");
    let content = STANDARD.encode(encoder.finish().expect("memory"));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><tiripPackage><identity/><contentControl>zip</contentControl><businessContent><subPackage>\
         <content>{content}</content></subPackage></businessContent></tiripPackage>"
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("memory")
}

#[test]
fn a_feed_without_a_charset_is_read_by_its_bytes_and_its_leaf_names_what_they_are() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let xml = String::from_utf8(clean(RESIDENT, "application/xml; charset=utf-8", ROWS, 5)).expect("text");
        let xml = match xml.split_once("?>") {
            Some((declaration, rest)) if declaration.starts_with("<?xml") => rest.to_owned(),
            _ => xml,
        };
        let lying = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{xml}");
        let lying = encoding_rs::GB18030.encode(&lying).0.into_owned();
        let feeds = [
            ("text/csv", clean(RESIDENT, CSV_UTF8, ROWS, 1), "csv+utf8"),
            ("text/csv", clean(RESIDENT, CSV_GB18030, ROWS, 2), "csv+gb18030"),
            ("application/x-ndjson", clean(RESIDENT, NDJSON, ROWS, 3), "ndjson+utf8"),
            ("application/xml", lying.clone(), "xml+gb18030"),
            ("application/xml; charset=gb18030", lying, "xml+gb18030"),
        ];
        let mut expected = Vec::new();
        for (content_type, feed, label) in feeds {
            let answer = send(&running, &deployment, Call::push(RESIDENT, content_type, feed)).await;
            assert_eq!(
                answer.status,
                202,
                "{content_type}: {}",
                String::from_utf8_lossy(&answer.body)
            );
            assert_eq!(whole(&answer), [ROWS, 0], "{content_type} {label}");
            expected.push(label);
        }
        let found: Vec<Value> = deployment
            .leaves_of("push")
            .iter()
            .map(|leaf| leaf["fmt"].clone())
            .collect();
        assert_eq!(found, expected);
        assert_eq!(running.stop(), Some(0));
        deployment.verified_log();
    });
}

#[test]
fn a_charset_that_is_stated_and_that_the_bytes_contradict_is_refused_with_a_leaf() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        for (stated, written) in [(CSV_UTF8, CSV_GB18030), (CSV_GB18030, CSV_UTF8)] {
            let feed = clean(RESIDENT, written, ROWS, 1);
            let answer = send(&running, &deployment, Call::push(RESIDENT, stated, feed)).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (422, "SG3103"),
                "{stated}"
            );
        }
        let refusals = deployment.leaves_of("refusal");
        let codes: Vec<&Value> = refusals.iter().map(|leaf| &leaf["code"]).collect();
        assert_eq!(codes, ["bad-encoding", "bad-encoding"]);
        assert_eq!(deployment.leaves_of("push").len(), 0);
        assert_eq!(registry_count(&deployment.registry(), TABLE), 0);
    });
}

#[test]
fn a_packed_feed_is_taken_for_what_is_in_it() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let feed = clean(RESIDENT, CSV_GB18030, ROWS, 1);
        // Several members of gzip and frames of zstd are one feed.
        let (left, right) = feed.split_at(feed.len() / 2);
        let packed = [
            ("gzip", gzip(&feed)),
            ("x-gzip", [gzip(left), gzip(right)].concat()),
            ("zstd", zstd(&feed)),
            ("ZSTD", [zstd(left), zstd(right)].concat()),
        ];
        for (coding, body) in packed {
            let call = Call::push(RESIDENT, "text/csv", body).header("content-encoding", coding);
            let answer = send(&running, &deployment, call).await;
            assert_eq!(
                answer.status,
                202,
                "{coding}: {}",
                String::from_utf8_lossy(&answer.body)
            );
            assert_eq!(whole(&answer), [ROWS, 0], "{coding}");
        }
    });
}

#[test]
fn json_in_the_envelope_of_the_tax_offices_is_taken_and_its_bad_records_are_named() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let lines = String::from_utf8(clean("tax/registration", NDJSON, ROWS, 1)).expect("text");
        let mut records: Vec<&str> = lines.lines().collect();
        records.push("{\"nsrsbh\":\"1\"}");
        let content = format!("{{\"code\":\"00000000\",\"data\":[{}]}}", records.join(","));
        let content = encoding_rs::GB18030.encode(&content).0.into_owned();
        let call = Call::push("tax/registration", "application/xml", tax_package(&content));
        let answer = running.call(call, &deployment.partner(TAX)).await.expect("an answer");
        assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
        assert_eq!(whole(&answer), [ROWS, 1]);
        let report = Call::get(format!(
            "/v1/exchanges/{}/rejects",
            answer.json()["exchange"].as_str().expect("an id")
        ));
        let report = running.call(report, &deployment.partner(TAX)).await.expect("an answer");
        let line: Value = serde_json::from_slice(&report.body).expect("one line");
        assert_eq!(
            (&line["row"], &line["field"]),
            (&(ROWS + 1).into(), &"tax_reg_seq".into())
        );
    });
}

#[test]
fn a_packed_feed_that_is_damaged_or_cut_off_or_of_another_coding_is_refused_and_leaves_nothing() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let feed = clean(RESIDENT, CSV_UTF8, ROWS, 1);
        let mut damaged = gzip(&feed);
        if let Some(byte) = damaged.iter_mut().rev().nth(6) {
            *byte ^= 0x55;
        }
        let cut = |mut body: Vec<u8>| {
            body.truncate(body.len() - 9);
            body
        };
        let bodies = [
            ("gzip", damaged),
            ("gzip", cut(gzip(&feed))),
            ("zstd", cut(zstd(&feed))),
            ("gzip", zstd(&feed)),
            ("zstd", gzip(&feed)),
            ("gzip", feed.clone()),
        ];
        for (coding, body) in bodies {
            let call = Call::push(RESIDENT, CSV_UTF8, body).header("content-encoding", coding);
            let answer = send(&running, &deployment, call).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (422, "SG3109"),
                "{coding}"
            );
        }
        let refusals = deployment.leaves_of("refusal");
        assert!(refusals.iter().all(|leaf| leaf["code"] == "bad-compression") && refusals.len() == 6);
        assert_eq!(registry_count(&deployment.registry(), TABLE), 0);
    });
}

#[test]
fn what_unpacks_far_beyond_its_size_is_refused_before_it_fills_memory() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        // A line of 64 MiB after a header that is good: some ten thousand times its size.
        let line = [&b"gmsfhm,xm\n"[..], &vec![b'7'; 64 << 20]].concat();
        let peak = || status_kib(running.pid(), "VmHWM:").expect("a process");
        let before = peak();
        for (coding, body) in [("gzip", gzip(&line)), ("zstd", zstd(&line))] {
            let call = Call::push(RESIDENT, CSV_UTF8, body).header("content-encoding", coding);
            let answer = send(&running, &deployment, call).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (422, "SG3110"),
                "{coding}"
            );
        }
        let call = Call::push(
            "tax/registration",
            "application/xml",
            tax_package(&vec![b' '; 64 << 20]),
        );
        let answer = running.call(call, &deployment.partner(TAX)).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "SG3110"));
        let grown = peak() - before;
        assert!(grown < 32 << 10, "memory grew by {grown} KiB");
        assert_eq!(registry_count(&deployment.registry(), TABLE), 0);
    });
}
