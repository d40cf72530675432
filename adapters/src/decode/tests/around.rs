//! What stands around the records: titles and sums of delimited text, marks of secrecy, what an envelope says of itself.

use super::*;
use crate::decode::{PassedOver, TrailerFault};
use crate::layout::Envelope;

const JSON: Layout = Layout::new(Format::JSON, Encoding::Utf8);
const XML: Layout = Layout::new(Format::XML, Encoding::Utf8);

fn failed(line: u64) -> Result<(), Unreadable> {
    Err(Unreadable::FailedAnswer { line })
}

fn marked(line: u64) -> Result<(), Unreadable> {
    Err(Unreadable::SecrecyMark { line })
}

fn passed_over(text: &str) -> PassedOver {
    let mut decoder = Decoder::new(&PLAIN, &WANTED, &CSV, limits(), TODAY);
    decoder.feed(text.as_bytes()).unwrap();
    let _ = decoder.finish().unwrap();
    decoder.passed_over()
}

#[test]
fn titles_and_sums_of_delimited_text_are_no_records() {
    let text =
        "连云港市名单,,\n填报单位：某局,,\n标题,数量,备注\n甲,1,\n小计,1,\n乙,2,\n合计,3\n制表人：丙,,审核人：丁\n";
    let told = read(CSV, text);
    assert_eq!(
        (told.ended.clone(), titles(&told)),
        (Ok(()), vec!["甲".to_owned(), "乙".to_owned()])
    );
    assert_eq!(told.counts.received, 2);
    assert_eq!(passed_over(text).footers, 3);
    let told = read(CSV, "标题,数量,备注\n合计贸易有限公司,1,\n总计划处,2,\n");
    assert_eq!(told.counts.accepted, 2);
}

#[test]
fn a_sum_is_a_record_where_a_required_field_holds_something() {
    let told = read(CSV, "备注,数量,标题\n合计,1,甲\n合计,1,\n合计,,7人\n");
    assert_eq!((told.counts.received, titles(&told)), (1, vec!["甲".to_owned()]));
    // A number of somebody is no figure.
    let told = read(CSV, "备注,数量,标题\n合计,1,320706199001010000\n");
    assert_eq!(told.counts.received, 1);
}

#[test]
fn where_no_required_field_is_read_a_row_is_a_record_by_any_field() {
    let wanted = ["name", "sex"];
    let record = crate::catalogue::record_type("public-security/death").unwrap();
    for (text, names, footers) in [
        (
            "职务,姓名,公民身份号码\n负责人,李测,320703180001010000\n经办人,王测,320706180001010000\n",
            &["李测", "王测"] as &[&str],
            0,
        ),
        ("职务,性别,姓名\n负责人,男,李测\n经办人,女,王测\n", &["李测", "王测"], 0),
        ("职务,xm,姓名\n负责人,,李测\n", &["李测"], 0),
        (
            "序号,姓名,性别\n1,李测,男\n合计,1人,\n填表人：王测,,审核人：\n",
            &["李测"],
            2,
        ),
    ] {
        let mut decoder = Decoder::new(record, &wanted, &CSV, DecodeLimits::default(), TODAY);
        decoder.feed(text.as_bytes()).unwrap();
        let _ = decoder.finish().unwrap();
        let part = decoder.next_part().unwrap();
        let read: Vec<_> = part.column(0).as_string::<i32>().iter().flatten().collect();
        assert_eq!(
            (read.as_slice(), decoder.passed_over().footers),
            (names, footers),
            "{text}"
        );
    }
}

#[test]
fn a_sum_among_objects_and_elements_is_no_record_and_whoever_has_more_than_figures_is() {
    let ndjson = "{\"bt\":\"甲\",\"sl\":1}\n{\"bt\":\"合 计\",\"sl\":\"2\"}\n{\"bt\":\"合计\",\"bz\":\"甲\"}\n{\"bt\":\"负责人\",\"sl\":3}\n";
    let json = format!("{{\"total\":4,\"data\":[{}]}}", ndjson.trim_end().replace('\n', ","));
    let xml = "<d><row><bt>甲</bt></row><row><bt>合计：</bt><sl>2</sl><bz/></row><row><bt>合计</bt><bz>甲</bz></row><row><bt>负责人</bt></row></d>";
    for (layout, text) in [(NDJSON, ndjson), (JSON, json.as_str()), (XML, xml)] {
        let told = read(layout, text);
        assert_eq!(told.ended, Ok(()), "{text}");
        assert_eq!(titles(&told), ["甲", "合计", "负责人"], "{text}");
        assert_eq!((told.counts.received, told.counts.rows), (3, 4), "{text}");
        let fits = [2, 3, 4, 5].map(|stated| told.counts.fits(stated));
        assert_eq!(fits, [false, true, true, false], "with the sum and without it");
    }
    let record = crate::catalogue::record_type("public-security/death").unwrap();
    let mut decoder = Decoder::new(record, &["name", "sex"], &NDJSON, DecodeLimits::default(), TODAY);
    decoder
        .feed("{\"姓名\":\"李测\"}\n{\"姓名\":\"合计\"}\n".as_bytes())
        .unwrap();
    let _ = decoder.finish().unwrap();
    assert_eq!((decoder.counts().accepted, decoder.passed_over().footers), (1, 1));
}

#[test]
fn a_trailer_that_is_called_like_a_sum_is_still_held_against_the_records() {
    let trailer = crate::layout::Trailer {
        mark: "合计".into(),
        count: 1,
        sums: Vec::new(),
    };
    let form = Delimited::new(Delimiter::Comma).with_trailer(trailer).unwrap();
    let layout = Layout::new(Format::Delimited(form), Encoding::Utf8);
    let told = read(layout.clone(), "标题,数量,备注\n甲,1,\n小计,1,\n合计,1,\n");
    assert_eq!((told.ended, told.counts.accepted), (Ok(()), 1));
    let told = read(layout, "标题,数量,备注\n甲,1,\n合计,2,\n");
    let why = TrailerFault::Rows { stated: 2, found: 1 };
    assert_eq!(told.ended, Err(Unreadable::WrongTrailer { line: 3, why }));
}

#[test]
fn a_file_without_a_header_is_refused_by_what_its_first_row_lacks() {
    let none = Err(Unreadable::BadHeaderRow {
        missing: vec!["title"],
        twice: vec![],
    });
    for rows in [1, 19, 20, 500] {
        let told = read(CSV, &"甲,1,a\n".repeat(rows));
        assert_eq!((told.ended, told.counts.rows), (none.clone(), 0), "{rows}");
        assert_eq!(told.unknown, ["甲", "1", "a"]);
    }
    // A header further down is found by nobody.
    let told = read(CSV, &format!("{}标题,数量,备注\n甲,1,\n", "说明\n".repeat(20)));
    assert_eq!(told.ended, none);
    let told = read(CSV, &format!("{}标题,数量,备注\n甲,1,\n", "说明\n".repeat(19)));
    assert_eq!((told.ended, told.counts.accepted), (Ok(()), 1));
}

#[test]
fn headers_are_cleaned_of_the_marks_of_templates_in_every_form() {
    for header in ["*标题（必填）", "标 题(选填)", "标题*", "＊标题：", "*标题（必填项）"] {
        let told = read(CSV, &format!("{header},数量\n甲,1\n"));
        assert_eq!(titles(&told), ["甲"], "{header}");
        let told = read(NDJSON, &format!("{{\"{header}\":\"甲\"}}\n"));
        assert_eq!(titles(&told), ["甲"], "{header}");
    }
}

#[test]
fn a_text_that_spreadsheets_keep_from_being_a_number_is_that_text() {
    let told = read(
        CSV,
        "标题,数量,备注\n=\"3207\",=\"5\",=\"a\n=\"甲\" ,1,=1+1\n\"=\"\"0012\"\"\",1,\n",
    );
    assert_eq!(titles(&told), ["3207", "甲", "0012"]);
    let notes: Vec<String> = told
        .parts
        .iter()
        .flat_map(|part| {
            part.column(2)
                .as_string::<i32>()
                .iter()
                .flatten()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(notes, ["=\"a", "=1+1"]);
}

#[test]
fn a_mark_above_below_or_before_the_records_of_delimited_text_refuses_them() {
    for (text, line) in [
        ("机密★10年,,\n标题,数量,备注\n甲,1,\n", 1),
        ("名单,,密级：秘密\n标题,数量,备注\n甲,1,\n", 1),
        ("名单,,\n密级：,,内部\n标题,数量,备注\n甲,1,\n", 2),
        ("标题,数量,备注\n甲,1,\n合计,1,机密\n", 3),
        ("标题,数量,备注\n甲,1,\n绝密,,\n", 3),
        ("标题,数量,备注\n甲,1,\n密级：机密\n", 3),
        ("标题,数量,是否涉密\n甲,1,否\n乙,1,是\n", 3),
        ("标题,数量,涉密\n甲,1,机密\n", 2),
    ] {
        assert_eq!(read(CSV, text).ended, marked(line), "{text}");
    }
    let mut form = Delimited::new(Delimiter::Comma);
    form.title_rows = 2;
    let layout = Layout::new(Format::Delimited(form), Encoding::Utf8);
    let told = read(layout, "名单,标题\n\"机密★\",\n标题,数量,备注\n甲,1,\n");
    assert_eq!(told.ended, marked(2));
}

#[test]
fn what_says_that_there_is_no_secret_refuses_nothing() {
    for text in [
        "密级：公开,,\n标题,数量,备注\n甲,1,机密\n",
        "标题,数量,是否涉密\n甲,1,否\n",
        "保密局名单,,\n标题,数量,备注\n甲,1,秘密\n",
    ] {
        assert_eq!(read(CSV, text).ended, Ok(()), "{text}");
    }
    assert_eq!(read(JSON, r#"{"密级":"公开","data":[{"bt":"甲"}]}"#).ended, Ok(()));
}

#[test]
fn a_mark_in_an_envelope_refuses_its_records() {
    for text in [
        r#"{"密级":"机密","data":[{"bt":"甲"}]}"#,
        r#"{"head":{"note":"秘密★1年"},"data":[{"bt":"甲"}]}"#,
        r#"{"data":[{"bt":"甲"}],"secret_level":3}"#,
        r#"{"bt":"甲","是否涉密":"是"}"#,
    ] {
        assert_eq!(read(JSON, text).ended, marked(1), "{text}");
    }
    for text in [
        "<DATA 密级=\"机密\"><row><bt>甲</bt></row></DATA>",
        "<DATA><HEAD><密级>绝密</密级></HEAD><row><bt>甲</bt></row></DATA>",
        "<DATA><row><bt>甲</bt></row><foot>机密★</foot></DATA>",
    ] {
        assert_eq!(read(XML, text).ended, marked(1), "{text}");
    }
}

#[test]
fn an_answer_that_says_that_it_failed_is_refused_with_and_without_records() {
    for text in [
        r#"{"IsSuccess":false,"TotalCount":1,"DataList":[{"bt":"甲"}],"ErrorCode":0}"#,
        r#"{"IsSuccess":true,"DataList":[{"bt":"甲"}],"ErrorCode":7}"#,
        r#"{"IsSuccess":false,"TotalCount":0,"DataList":[]}"#,
        r#"{"resultCode":"01","resultData":[{"bt":"甲"}]}"#,
        r#"{"result":{"total":"1","data":[{"bt":"甲"}]},"status":"error"}"#,
        r#"{"returnCode":"1","returnMsg":"查询失败","data":[{"bt":"甲"}]}"#,
        r#"{"resultCode":2,"status":1,"resultMsg":"数据查询超时，结果不完整","data":[{"bt":"甲"}]}"#,
    ] {
        assert_eq!(read(JSON, text).ended, failed(1), "{text}");
    }
    let tax = |code: &str| {
        format!(
            "<tiripPackage><businessContent><subPackage><content>[{{\"bt\":\"甲\"}}]</content></subPackage></businessContent>\
             <returnState><returnCode>{code}</returnCode></returnState></tiripPackage>"
        )
    };
    assert_eq!(read(XML, &tax("00000001")).ended, failed(1));
    let told = read(XML, &tax("00000000"));
    assert_eq!((told.ended, told.counts.accepted), (Ok(()), 1));
}

#[test]
fn an_answer_that_states_more_records_than_it_has_is_refused_unless_it_is_a_page() {
    let rows = |stated, found| {
        Err(Unreadable::WrongTrailer {
            line: 1,
            why: TrailerFault::Rows { stated, found },
        })
    };
    for (text, ended) in [
        (
            r#"{"IsSuccess":true,"TotalCount":5,"DataList":[{"bt":"甲"}],"ErrorCode":0}"#,
            rows(5, 1),
        ),
        (
            r#"{"result":{"total":"3","data":[{"bt":"甲"}]},"status":"success"}"#,
            rows(3, 1),
        ),
        (r#"{"data":[{"bt":"甲"},{"bt":"乙"}],"total":0}"#, Ok(())),
        (r#"{"data":[{"bt":"甲"}],"total":1}"#, Ok(())),
        (r#"{"data":[{"bt":"甲"}],"total":null}"#, Ok(())),
        (r#"{"data":[{"bt":"甲"}],"total":9,"pageNo":1,"pageSize":1}"#, Ok(())),
        (
            r#"{"total":9,"data":[{"bt":"甲"}],"pageNo":1,"pageSize":5}"#,
            rows(9, 1),
        ),
        (
            r#"{"page":{"current":1,"size":1},"total":9,"data":[{"bt":"甲"}]}"#,
            Ok(()),
        ),
        (
            r#"{"pageNum":5,"pageSize":2,"result":{"total":9,"rows":[{"bt":"甲"}]}}"#,
            Ok(()),
        ),
        (r#"{"result":{"total":9,"rows":[{"bt":"甲"}]},"size":7}"#, rows(9, 1)),
        (r#"{"sum":{"total":9},"data":[{"bt":"甲"}]}"#, Ok(())),
        (
            r#"{"head":{"totalCount":5,"resultCode":"0"},"body":{"rows":[{"bt":"甲"}]}}"#,
            rows(5, 1),
        ),
        (
            r#"{"body":{"rows":[{"bt":"甲"}]},"meta":{"page":{"total":5}}}"#,
            rows(5, 1),
        ),
        (
            r#"{"pageInfo":{"total":5,"pageNo":1,"pageSize":1},"rows":[{"bt":"甲"}]}"#,
            Ok(()),
        ),
        (r#"{"Header":{"total":1},"body":{"rows":[{"bt":"甲"}]}}"#, Ok(())),
        (
            r#"{"code":200,"msg":"操作成功","success":true,"data":{"records":[{"bt":"甲"}],"total":3,"size":1,"current":1,"orders":[],"searchCount":true,"pages":3}}"#,
            Ok(()),
        ),
        (
            r#"{"resultCode":"1001","resultMsg":"查询成功","resultData":[{"bt":"甲"}]}"#,
            Ok(()),
        ),
    ] {
        assert_eq!(read(JSON, text).ended, ended, "{text}");
    }
    // What a layout names is what counts.
    let envelope = Envelope {
        count: Some("n".into()),
        ..Envelope::new()
    };
    let layout = Layout::new(Format::Json(envelope), Encoding::Utf8);
    assert_eq!(read(layout, r#"{"n":1,"total":9,"data":[{"bt":"甲"}]}"#).ended, Ok(()));
}

#[test]
fn what_an_object_around_the_records_says_of_its_page_holds_for_a_total_further_out() {
    let rows = |found: usize| vec![r#"{"bt":"甲"}"#; found].join(",");
    for (before, after, fits, not) in [
        (
            r#"{"success":true,"total":9,"result":{"pageNo":5,"pageSize":2,"list":["#,
            "]}}",
            &[1_usize, 2] as &[_],
            &[] as &[usize],
        ),
        (
            r#"{"total":9,"data":{"current":1,"size":2,"records":["#,
            "]}}",
            &[2],
            &[1],
        ),
        (
            r#"{"total":9,"page":{"pageNo":1,"pageSize":2,"list":["#,
            "]}}",
            &[2],
            &[1],
        ),
        (r#"{"total":9,"page":{"size":2,"list":["#, "]}}", &[1, 2], &[]),
        (
            r#"{"total":9,"data":{"list":["#,
            r#"],"pageNo":1,"pageSize":10}}"#,
            &[9],
            &[2],
        ),
        (r#"{"total":9,"data":{"size":2,"list":["#, "]}}", &[9], &[2]),
        (
            r#"{"total":7,"pageNumber":1,"pageSize":5,"rows":["#,
            "]}",
            &[2, 5],
            &[1, 3],
        ),
        (r#"{"number":"JH2025001","total":1200,"data":["#, "]}", &[], &[2]),
        (
            r#"{"start":"2025-01-01","end":"2025-01-31","total":5,"data":["#,
            "]}",
            &[],
            &[2],
        ),
        (r#"{"limit":"全部","total":5,"data":["#, "]}", &[5], &[2]),
    ] {
        let ended = |found: &usize| read(JSON, &format!("{before}{}{after}", rows(*found))).ended;
        for found in fits {
            assert_eq!(ended(found), Ok(()), "{before} {found}");
        }
        for found in not {
            assert!(
                matches!(ended(found), Err(Unreadable::WrongTrailer { .. })),
                "{before} {found}"
            );
        }
    }
}

#[test]
fn what_xml_states_of_its_records_is_held_against_those_in_that_element() {
    let rows = |stated, found| {
        Err(Unreadable::WrongTrailer {
            line: 1,
            why: TrailerFault::Rows { stated, found },
        })
    };
    let row = "<row><bt>甲</bt></row>";
    for (text, ended) in [
        (format!("<d><total>2</total><list>{row}</list></d>"), rows(2, 1)),
        (
            format!("<d><list>{row}</list><TotalCount>2</TotalCount></d>"),
            rows(2, 1),
        ),
        (format!("<d><list total=\"2\">{row}</list></d>"), rows(2, 1)),
        (format!("<d><total>1</total>{row}</d>"), Ok(())),
        (
            format!("<d><list total=\"1\">{row}</list><list total=\"2\">{row}{row}</list></d>"),
            Ok(()),
        ),
        (format!("<d><sum><total>9</total></sum>{row}</d>"), Ok(())),
        (
            format!("<d><head><totalCount>5</totalCount></head><body>{row}{row}</body></d>"),
            rows(5, 2),
        ),
        (
            format!("<d><HEAD totalCount=\"2\"/><body>{row}{row}</body></d>"),
            Ok(()),
        ),
        (
            format!("<d><start>2025-01-01</start><total>5</total>{row}</d>"),
            rows(5, 1),
        ),
        (
            format!("<d><total>9</total><data pageNo=\"1\" pageSize=\"1\">{row}</data></d>"),
            Ok(()),
        ),
        (
            format!("<d><total>9</total><page><pageNo>1</pageNo><pageSize>1</pageSize></page>{row}</d>"),
            Ok(()),
        ),
        (
            format!("<MDEML><total>2</total><data>{row}{row}</data></MDEML>"),
            Ok(()),
        ),
        (
            format!("<MDEML><total>3</total><data>{row}{row}</data></MDEML>"),
            rows(3, 2),
        ),
        (
            format!("<d><head><resultCode>1001</resultCode><msg>成功</msg></head>{row}</d>"),
            Ok(()),
        ),
        (
            format!("<d><head><resultCode>1001</resultCode></head>{row}</d>"),
            failed(1),
        ),
    ] {
        assert_eq!(read(XML, &text).ended, ended, "{text}");
    }
    let layout = Layout::new(
        Format::Xml(crate::layout::Xml {
            count: Some("n".into()),
            ..crate::layout::Xml::default()
        }),
        Encoding::Utf8,
    );
    let text = format!("<d><n>1</n><total>9</total>{row}</d>");
    assert_eq!(read(layout, &text).ended, Ok(()));
}

#[test]
fn a_sentence_that_there_is_nothing_is_an_empty_batch_and_no_other_sentence_is() {
    for layout in [JSON, CSV, NDJSON] {
        for sentence in ["没有数据或者时间格式错误", "没有数据\r\n"] {
            let told = read(layout.clone(), sentence);
            assert_eq!((told.ended, told.counts.rows), (Ok(()), 0), "{}", layout.label());
        }
        assert!(read(layout.clone(), "系统繁忙").ended.is_err(), "{}", layout.label());
    }
}
