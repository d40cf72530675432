//! A row with a secrecy mark refuses the batch; what is of class C4 is known and never read.

use super::{CSV, NDJSON, TODAY};
use crate::catalogue::record_type;
use crate::decode::{DecodeLimits, Decoder, Unreadable};
use crate::layout::Layout;

fn ended(record: &str, layout: Layout, text: &str) -> (Result<(), Unreadable>, u64, Vec<String>) {
    let record = record_type(record).unwrap();
    let mut decoder = Decoder::new(record, &["citizen_id", "name"], &layout, DecodeLimits::default(), TODAY);
    let ended = decoder
        .feed(text.as_bytes())
        .and_then(|()| decoder.finish().map(|_| ()));
    // Once refused, always refused.
    if let Err(unreadable) = &ended {
        assert_eq!(decoder.feed(b"x"), Err(unreadable.clone()));
        assert_eq!(decoder.finish().map(|_| ()), Err(unreadable.clone()));
    }
    (ended, decoder.counts().accepted, decoder.unknown_headers().to_vec())
}

const ROW: &str = "320706199001010000,王甲";

#[test]
fn a_mark_in_any_row_refuses_the_batch_in_every_record_type() {
    for mark in [
        "秘密",
        "机密",
        "绝密",
        "工作秘密",
        "机密★10年",
        " 秘密★",
        "内部",
        "密",
        "3",
        "看不懂",
    ] {
        for header in ["密级", "*密 级", "SECRET_LEVEL", "保密等级"] {
            let text = format!("公民身份号码,姓名,{header}\n{ROW},\n{ROW},公开\n{ROW},{mark}\n");
            let (ended, ..) = ended("public-security/resident", CSV, &text);
            assert_eq!(ended, Err(Unreadable::SecrecyMark { line: 4 }), "{header} {mark}");
        }
    }
    let text = "{\"NSRSBH\":\"x\",\"密级\":\"秘密\"}";
    let (ended, ..) = ended("tax/cancellation", NDJSON, text);
    assert_eq!(
        ended,
        Err(Unreadable::SecrecyMark { line: 1 }),
        "even of a row that is no good"
    );
}

#[test]
fn a_mark_that_is_no_text_or_stands_twice_is_a_mark() {
    for value in ["[\"秘密\"]", "{}", "true", "1.5"] {
        let text = format!("{{\"xm\":\"王甲\",\"密级\":{value}}}\n");
        let (ended, ..) = ended("public-security/resident", NDJSON, &text);
        assert_eq!(ended, Err(Unreadable::SecrecyMark { line: 1 }), "{value}");
    }
    let text = "{\"密级\":\"公开\",\"密级\":\"秘密\"}\n";
    let (twice, ..) = ended("public-security/resident", NDJSON, text);
    assert_eq!(twice, Err(Unreadable::SecrecyMark { line: 1 }));
    let (twice, ..) = ended(
        "public-security/resident",
        CSV,
        &format!("公民身份号码,姓名,密级,密级标志\n{ROW},,秘密\n"),
    );
    assert_eq!(
        twice,
        Err(Unreadable::BadHeaderRow {
            missing: vec![],
            twice: vec!["secrecy_mark"],
        })
    );
}

#[test]
fn what_says_that_there_is_no_secret_passes() {
    for mark in [
        "",
        " ",
        "公开",
        "非密",
        "非涉密",
        "不涉密",
        "无",
        "无密",
        "非密级",
        "No",
        "不是",
        "00",
        "否",
        "0",
        "-",
        "null",
    ] {
        let text = format!("公民身份号码,姓名,密级\n{ROW},{mark}\n");
        let (ended, accepted, unknown) = ended("public-security/resident", CSV, &text);
        assert_eq!((ended, accepted), (Ok(()), 1), "{mark}");
        assert!(unknown.is_empty());
    }
}

#[test]
fn what_is_never_read_is_known_and_rejects_nothing() {
    let text = format!(
        "公民身份号码,姓名,ZJXY,血型,zpid,别的\n{ROW},\0,机密,{},x\n",
        "密".repeat(70_000)
    );
    let (ended, accepted, unknown) = ended("public-security/resident", CSV, &text);
    assert_eq!((ended, accepted), (Ok(()), 1));
    assert_eq!(unknown, ["别的"]);
}

#[test]
fn a_name_that_begins_like_a_mark_refuses_nothing() {
    let wanted = ["ent_name", "uscc"];
    let record = record_type("commerce/establishment").unwrap();
    let text = "密室名录,,\n企业名称,统一社会信用代码,经营范围\n绝密级剧本娱乐有限公司,,机密级服务\n秘密级餐饮店,,\n";
    let mut decoder = Decoder::new(record, &wanted, &CSV, DecodeLimits::default(), TODAY);
    let ended = decoder
        .feed(text.as_bytes())
        .and_then(|()| decoder.finish().map(|_| ()));
    assert_eq!((ended, decoder.counts().rows), (Ok(()), 2));
}
