//! What a row of a delta or snapshot is about, in every form of file.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};

use super::{CSV, NDJSON, TODAY};
use crate::catalogue::record_type;
use crate::decode::{Counts, DecodeLimits, Decoder, Unreadable};
use crate::layout::{Layout, Mapping};
use crate::operation::{self, Intent};
use crate::reject::RejectCode;

const WANTED: [&str; 4] = ["citizen_id", "name", "sex", "hukou_region"];
const ANNA: &str = "320706188002290004";
const BORIS: &str = "32070618850315000X";

struct Told {
    /// Cells apart by `|`, the operation last.
    rows: Vec<String>,
    rejects: Vec<(u64, Option<&'static str>, RejectCode)>,
    counts: Counts,
    ended: Result<(), Unreadable>,
    unknown: Vec<String>,
}

fn told(layout: &Layout, intent: Intent, text: &str) -> Told {
    let record = record_type("public-security/resident").unwrap();
    let limits = DecodeLimits {
        part_rows: 2,
        ..DecodeLimits::default()
    };
    let mut decoder = Decoder::meant(record, &WANTED, layout, limits, TODAY, intent);
    let fed = decoder.feed(text.as_bytes());
    let ended = fed.and_then(|()| decoder.finish().map(drop));
    let parts: Vec<RecordBatch> = std::iter::from_fn(|| decoder.next_part()).collect();
    let rejects = decoder.take_rejects();
    let counts = decoder.counts().clone();
    assert_eq!(counts.received, counts.accepted + counts.rejected + counts.repeated);
    Told {
        rows: parts.iter().flat_map(rows).collect(),
        rejects: rejects
            .iter()
            .map(|reject| (reject.row, reject.field, reject.code))
            .collect(),
        counts,
        ended,
        unknown: decoder.unknown_headers().to_vec(),
    }
}

fn rows(part: &RecordBatch) -> Vec<String> {
    let cell = |column: &dyn Array, row: usize| {
        let text = column.as_string::<i32>();
        if text.is_valid(row) {
            text.value(row).to_owned()
        } else {
            "-".into()
        }
    };
    let line = |row| {
        part.columns()
            .iter()
            .map(|column| cell(column, row))
            .collect::<Vec<_>>()
            .join("|")
    };
    (0..part.num_rows()).map(line).collect()
}

fn delta() -> Intent {
    Intent::Delta(vec!["hukou_region"])
}

fn layout(content_type: &str) -> Layout {
    Layout::from_content_type(content_type).unwrap()
}

#[test]
fn each_form_of_file_has_a_place_for_the_operation() {
    let anna = format!("{ANNA}|王甲|2|320706|I");
    let boris = format!("{BORIS}|-|-|-|D");
    let files = [
        (
            CSV,
            format!("变更类型,gmsfhm,xm,性别,ssxq\n新增,{ANNA},王甲,2,320706\nd,{BORIS},,,\n"),
        ),
        (
            layout("text/tab-separated-values; charset=utf-8"),
            format!("gmsfhm\txm\t性别\tssxq\t OP \n{ANNA}\t王甲\t2\t320706\tinsert\n{BORIS}\t\t\t\t删除\n"),
        ),
        (
            NDJSON,
            format!(
                "{{\"op\":\"I\",\"citizen_id\":\"{ANNA}\",\"name\":\"王甲\",\"sex\":\"2\",\"hukou_region\":\"320706\"}}\n\
                 {{\"citizen_id\":\"{BORIS}\",\"op\":\"D\"}}\n"
            ),
        ),
        (
            layout("application/json; charset=utf-8"),
            format!(
                "[{{\"op\":\"I\",\"citizen_id\":\"{ANNA}\",\"name\":\"王甲\",\"sex\":\"2\",\"hukou_region\":\"320706\"}},\
                 {{\"citizen_id\":\"{BORIS}\",\"op\":\"D\"}}]"
            ),
        ),
        (
            layout("application/xml; charset=utf-8"),
            format!(
                "<rows><row><op>I</op><citizen_id>{ANNA}</citizen_id><name>王甲</name><sex>2</sex><hukou_region>320706</hukou_region></row>\
                 <row><citizen_id>{BORIS}</citizen_id><op>D</op></row></rows>"
            ),
        ),
    ];
    for (layout, text) in files {
        let told = told(&layout, delta(), &text);
        assert_eq!((&told.ended, &told.rejects), (&Ok(()), &vec![]), "{}", layout.label());
        assert_eq!(told.rows, [anna.clone(), boris.clone()], "{}", layout.label());
        assert!(told.unknown.is_empty(), "{:?}", told.unknown);
    }
}

#[test]
fn a_row_that_does_not_say_it_or_says_what_nobody_knows_is_rejected() {
    let text = format!(
        "op,gmsfhm,xm,性别,ssxq\n,{ANNA},王甲,2,320706\n1,{ANNA},王甲,2,320706\n注销,{ANNA},,,\nU,{ANNA},王甲,2,320706\n"
    );
    let told = told(&CSV, delta(), &text);
    assert_eq!(
        told.rejects,
        [
            (1, Some(operation::NAME), RejectCode::MissingOperation),
            (2, Some(operation::NAME), RejectCode::UnknownOperation),
            (3, Some(operation::NAME), RejectCode::UnknownOperation),
        ]
    );
    assert_eq!(told.rows, [format!("{ANNA}|王甲|2|320706|U")]);
}

#[test]
fn a_delta_of_which_no_row_says_it_is_refused_and_an_upsert_does_not_ask() {
    let row = format!("{ANNA},王甲,2,320706");
    for text in [
        format!("gmsfhm,xm,性别,ssxq\n{row}\n"),
        format!("gmsfhm,xm,性别,ssxq,op\n{row},\n"),
    ] {
        let told = told(&CSV, delta(), &text);
        assert_eq!((told.ended, told.rows.len()), (Err(Unreadable::NoOperation), 0));
    }
    // What an upsert does not say with it.
    for other in ["U", "I", "3", "地址变更", ""] {
        let upsert = told(
            &CSV,
            Intent::Upsert,
            &format!("gmsfhm,xm,性别,ssxq,操作类型\n{row},{other}\n"),
        );
        assert_eq!(upsert.rows, [format!("{ANNA}|王甲|2|320706")], "{other}");
        assert_eq!(upsert.unknown, ["操作类型"]);
    }
    let twice = told(&CSV, delta(), &format!("gmsfhm,xm,op,操作\n{row}\n"));
    assert_eq!(
        twice.ended,
        Err(Unreadable::BadHeaderRow {
            missing: vec![],
            twice: vec![operation::NAME],
        })
    );
}

#[test]
fn a_delete_outside_of_a_delta_refuses_the_batch() {
    let record = record_type("public-security/resident").unwrap();
    let mapping = Mapping::new(record, [("处理方式", "op")], [("op", "3", "D")]).unwrap();
    let mapped = Layout {
        mapping: Some(mapping.into()),
        ..CSV
    };
    let scope = Some(("hukou_region", vec!["320706".to_owned()]));
    for intent in [Intent::Upsert, Intent::Snapshot(scope, vec![])] {
        for (layout, header, says) in [
            (&CSV, "操作类型", "删除"),
            (&CSV, "op", "d"),
            (&mapped, "处理方式", "3"),
        ] {
            let text = format!("gmsfhm,xm,性别,ssxq,{header}\n{ANNA},王甲,2,320706,U\n{BORIS},王乙,1,320706,{says}\n");
            let refused = Err(Unreadable::DeleteOutsideDelta { line: 3 });
            assert_eq!(told(layout, intent.clone(), &text).ended, refused, "{header}");
        }
        let object = format!("{{\"citizen_id\":\"{ANNA}\",\"_op\":\"D\"}}\n");
        let refused = Err(Unreadable::DeleteOutsideDelta { line: 1 });
        assert_eq!(told(&NDJSON, intent, &object).ended, refused);
    }
}

#[test]
fn a_delete_needs_a_whole_key_and_nothing_else() {
    let text = format!(
        "op,gmsfhm,xm,性别,ssxq\nD,{ANNA},123,9,何处\nD,,王甲,2,320706\nD,{}1,,,\nD,{BORIS},王乙,1,320707\nI,{BORIS},,1,\n",
        ANNA.get(..17).unwrap()
    );
    let told = told(&CSV, delta(), &text);
    assert_eq!(
        told.rejects,
        [
            (2, None, RejectCode::NoKey),
            (3, Some("citizen_id"), RejectCode::BadChecksum),
            (5, Some("name"), RejectCode::Missing),
        ]
    );
    // Of what else stands there only what was asked for is read, where it can be.
    assert_eq!(told.rows, [format!("{ANNA}|-|-|-|D"), format!("{BORIS}|-|-|320707|D")]);
}

#[test]
fn a_layout_says_what_the_codes_and_the_header_of_a_sender_stand_for() {
    let record = record_type("public-security/resident").unwrap();
    let mapping = Mapping::new(record, [("处理方式", "op")], [("op", "1", "I"), ("op", "9", "删除")]).unwrap();
    let layout = Layout {
        mapping: Some(mapping.into()),
        ..CSV
    };
    let text = format!("处理方式,gmsfhm,xm,性别,ssxq\n1,{ANNA},王甲,2,320706\n9,{BORIS},,,\n");
    let told = told(&layout, delta(), &text);
    assert_eq!(
        told.rows,
        [format!("{ANNA}|王甲|2|320706|I"), format!("{BORIS}|-|-|-|D")]
    );
    assert!(Mapping::new(record, [], [("op", "1", "perhaps")]).is_err());
}

#[test]
fn a_snapshot_rejects_what_lies_outside_and_keeps_the_keys_of_what_it_rejects() {
    let scope = Some(("hukou_region", vec!["320706".to_owned()]));
    let text = format!(
        "gmsfhm,xm,性别,ssxq\n{ANNA},王甲,2,320706\n{BORIS},王乙,2,320707\n{BORIS},王乙,2,\n{BORIS},123,2,320706\n,王丙,1,320706\n"
    );
    let told = told(&CSV, Intent::Snapshot(scope, vec![]), &text);
    assert_eq!(
        told.rejects,
        [
            (2, Some("hukou_region"), RejectCode::OutOfScope),
            (3, Some("hukou_region"), RejectCode::OutOfScope),
            (4, Some("name"), RejectCode::BadName),
            (5, Some("citizen_id"), RejectCode::Missing),
        ]
    );
    assert_eq!(
        told.rows,
        [format!("{ANNA}|王甲|2|320706|U"), format!("{BORIS}|-|-|-|N")]
    );
    assert_eq!((told.counts.accepted, told.counts.rejected), (1, 4));
}
