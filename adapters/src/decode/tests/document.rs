use super::*;
use crate::decode::TrailerFault;
use crate::layout::Envelope;

const JSON: Layout = Layout::new(Format::JSON, Encoding::Utf8);

fn at(way: &[&str], count: Option<&str>) -> Layout {
    let envelope = Envelope {
        records: Some(way.iter().map(|name| (*name).to_owned()).collect()),
        count: count.map(Into::into),
    };
    Layout::new(Format::Json(envelope), Encoding::Utf8)
}

fn whole_json(line: u64) -> Result<(), Unreadable> {
    Err(Unreadable::NotThisFormat {
        line,
        expected: "a whole JSON document",
    })
}

#[test]
fn records_are_found_in_every_envelope_that_platforms_use() {
    let rows = "[{\"title\":\"甲\",\"sl\":1},\n {\"BT\":\"乙}]\",\"x\":[{\"data\":[{}]}]} ]";
    let documents = [
        rows.to_owned(),
        format!("{{\"code\":0,\"msg\":\"成功\",\"data\":{rows}}}"),
        format!("{{\"IsSuccess\":true,\"TotalCount\":2,\"DataList\":{rows},\"ErrorCode\":0}}"),
        format!(
            "{{\"result\":{{\"total\":\"2\",\"data\":{rows},\"fields\":[{{\"name\":\"title\"}}]}},\"status\":\"success\"}}"
        ),
        format!("{{\"resultCode\":\"00\",\"resultData\":{rows}}}"),
        format!("{{\"list\":[],\"items\":[1,2],\"body\":{{\"page\":{{\"rows\":{rows}}}}}}}"),
    ];
    for document in documents {
        for cut in 0..=document.len() {
            let (left, right) = document.as_bytes().split_at(cut);
            let told = told(JSON, limits(), &[left, right]);
            assert_eq!(told.ended, Ok(()), "{document}");
            assert_eq!(titles(&told), ["甲", "乙}]"], "{document} {cut}");
        }
    }
}

#[test]
fn a_stated_way_leads_to_the_records_and_its_count_is_checked() {
    let text = "{\"a\":{\"b\":[{\"title\":\"甲\"}],\"n\":1},\"data\":[{\"title\":\"乙\"}],\"b\":[{\"title\":\"丙\"}]}";
    assert_eq!(titles(&read(at(&["a", "b"], Some("n")), text)), ["甲"]);
    assert_eq!(titles(&read(at(&["data"], None), text)), ["乙"]);
    // One record instead of an array of them.
    assert_eq!(titles(&read(at(&["a"], None), "{\"a\":{\"title\":\"甲\"}}")), ["甲"]);
    let rows = |why| Err(Unreadable::WrongTrailer { line: 1, why });
    let counted = |text: &str| read(at(&["a", "b"], Some("n")), text).ended;
    let none = text.replace("\"n\":1", "\"m\":1");
    assert_eq!(counted(&none), rows(TrailerFault::Absent));
    let wrong = text.replace("\"n\":1", "\"n\":\"2\"");
    assert_eq!(counted(&wrong), rows(TrailerFault::Rows { stated: 2, found: 1 }));
    let no_number = text.replace("\"n\":1", "\"n\":\"许多\"");
    assert_eq!(counted(&no_number), rows(TrailerFault::NoCount));
}

#[test]
fn a_document_that_is_one_object_is_one_record_if_it_has_a_field() {
    assert_eq!(titles(&read(JSON, "\n {\"sl\":\"1\",\n\"标题\":\"甲\"}\n")), ["甲"]);
    for text in [
        "{\"code\":1,\"msg\":\"没有数据\",\"data\":null}",
        "{}",
        "[]",
        "{\"data\":[]}",
        "",
        " \n",
    ] {
        let told = read(JSON, text);
        assert_eq!((told.ended, told.counts.received), (Ok(()), 0), "{text}");
    }
}

#[test]
fn two_arrays_that_could_be_the_one_are_refused() {
    let text = "{\"data\":[{\"title\":\"a\"}],\n\"rows\":[{\"title\":\"b\"}]}";
    let expected = Unreadable::NotThisFormat {
        line: 2,
        expected: "one array of records",
    };
    assert_eq!(read(JSON, text).ended, Err(expected));
}

#[test]
fn a_bad_record_is_a_reject_and_the_next_is_read() {
    let text =
        "[{\"title\":\"a\"},{\"title\":},[1],3,null,\n\"x\",{\"title\":\"b\",\"TITLE\":\"c\"},{\"title\":\"d\"}]";
    let told = read(JSON, text);
    assert_eq!(titles(&told), ["a", "d"]);
    let expected = [
        (2, 1, None, RejectCode::MalformedJson),
        (3, 1, None, RejectCode::NotAnObject),
        (4, 1, None, RejectCode::NotAnObject),
        (5, 1, None, RejectCode::NotAnObject),
        (6, 2, None, RejectCode::NotAnObject),
        (7, 2, Some("title"), RejectCode::DuplicateKey),
    ];
    assert_eq!(rejected(&told), expected);
}

#[test]
fn what_is_no_document_is_refused() {
    for text in [
        "系统繁忙",
        "{\"data\":[{\"title\":\"a\"}]",
        "[{\"title\":\"a\"}",
        "[{\"title\":\"a\"",
        "[{\"title\":\"a\"}] x",
        "[{\"title\":\"a\"}][]",
        "[{\"title\":\"a\"},]",
        "[,{\"title\":\"a\"}]",
        "{\"data\" []}",
        "{\"data\":[}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":tru}",
        "{\"a\tb\":1}",
        "{\"a\\x\":1}",
        "{a:1}",
        "{\"a",
        "]",
    ] {
        assert_eq!(read(JSON, text).ended, whole_json(1), "{text}");
    }
}

#[test]
fn deep_json_has_a_bounded_price() {
    let deep = "[".repeat(200_000);
    assert_eq!(read(JSON, &deep).ended, whole_json(1));
    let deep = "{\"a\":".repeat(200_000);
    assert_eq!(read(JSON, &deep).ended, Err(Unreadable::TooDeep { line: 1 }));
    // Inside of a record it is the record's own fault.
    let deep = format!(
        "[{{\"title\":\"a\",\"x\":{}{}}},\n{{\"title\":\"b\"}}]",
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    let told = read(JSON, &deep);
    assert_eq!(rejected(&told), [(1, 1, None, RejectCode::TooDeep)]);
    assert_eq!(titles(&told), ["b"]);
}

#[test]
fn a_record_that_is_too_long_is_a_reject_while_its_end_is_near() {
    let limits = DecodeLimits {
        record_bytes_max: 40,
        ..limits()
    };
    let text = format!("[{{\"title\":\"{}\"}},{{\"title\":\"b\"}}]", "x".repeat(60));
    for size in [1, 7, 1000] {
        let frames: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        let told = told(JSON, limits, &frames);
        assert_eq!(rejected(&told), [(1, 1, None, RejectCode::RecordTooLong)]);
        assert_eq!(titles(&told), ["b"]);
    }
    let endless = format!("[{{\"title\":\"{}", "x".repeat(1000));
    assert_eq!(
        told(JSON, limits, &[endless.as_bytes()]).ended,
        Err(Unreadable::RecordTooLong { line: 1 })
    );
}

#[test]
fn a_byte_that_is_no_character_refuses_the_document() {
    let told = told(JSON, limits(), &[b"[{\"title\":\"a\"},\n{\"title\":\"\xff\"}]"]);
    assert_eq!(told.ended, Err(Unreadable::BadEncoding { offset: 26, line: 2 }));
}

#[test]
fn a_byte_that_is_no_character_rejects_its_line_of_json() {
    let text = b"{\"title\":\"a\"}\n {\"title\":\"b\xff\"}\n{\"title\":\"c\",\"jm\":\"\xff\"}\n{\"title\":\"\\u0041\xff\"}\n{\"title\":\"d\"\xff}\n{\"title\":\"e\"}\n";
    for at in 0..text.len() {
        let told = told(NDJSON, limits(), &[&text[..at], &text[at..]]);
        assert_eq!(titles(&told), ["a", "c", "e"], "{at}");
        let found: Vec<_> = told
            .rejects
            .iter()
            .map(|reject| (reject.line, reject.field, reject.offset))
            .collect();
        assert_eq!(
            found,
            [
                (2, Some("title"), Some(26)),
                (4, Some("title"), Some(69)),
                (5, None, Some(85))
            ]
        );
        assert!(told.rejects.iter().all(|reject| reject.code == RejectCode::BadEncoding));
    }
    let first = told(NDJSON, limits(), &[b"\xff{\"title\":\"a\"}\n"]);
    assert_eq!(first.ended, Err(Unreadable::BadEncoding { offset: 0, line: 1 }));
}
