//! Fields whose value stands in several columns.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Date32Type;

use super::{CSV, NDJSON, TODAY};
use crate::catalogue::record_type;
use crate::decode::{DecodeLimits, Decoder};
use crate::layout::{Layout, Mapping};
use crate::reject::RejectCode;
use crate::value::date::days_from_civil;

const ANNA: &str = "320706188002290004";

fn decoded(record: &str, wanted: &[&'static str], layout: &Layout, text: &str) -> Decoder {
    let record = record_type(record).unwrap();
    let mut decoder = Decoder::new(record, wanted, layout, DecodeLimits::default(), TODAY);
    decoder.feed(text.as_bytes()).unwrap();
    let _ = decoder.finish().unwrap();
    assert!(decoder.unknown_headers().is_empty(), "{:?}", decoder.unknown_headers());
    decoder
}

fn address(layout: &Layout, text: &str) -> Option<String> {
    let wanted = ["citizen_id", "hukou_address"];
    let mut decoder = decoded("public-security/resident", &wanted, layout, text);
    let part = decoder.next_part().unwrap();
    let column = part.column(1).as_string::<i32>();
    column.is_valid(0).then(|| column.value(0).to_owned())
}

#[test]
fn an_address_is_joined_from_street_number_and_room() {
    for (columns, values, joined) in [
        ("jlx,mlph,mlxz", "海连中路,1号,2单元301室", "海连中路1号2单元301室"),
        ("MLXZ,MLPH,JLX", "2单元301室, 1号 ,海连中路", "海连中路1号2单元301室"),
        ("街路巷,门楼牌号", "海连中路,无", "海连中路"),
        ("jlx,mlph,mlxz,hjdz", "海连中路,1号,,某市海连中路1号", "某市海连中路1号"),
        ("jlx,mlph,mlxz,hjdz", "海连中路,1号,,", "海连中路1号"),
        ("jlx,jlxmc,mlph", "320706001002,海连中路,1号", "海连中路1号"),
        ("街路巷,街路巷名称,门楼牌号", "001002,海连中路,1号", "海连中路1号"),
        ("jlx,jlxmc,mlph", "海连中路,,1号", "海连中路1号"),
    ] {
        let text = format!("gmsfhm,{columns}\n{ANNA},{values}\n");
        assert_eq!(address(&CSV, &text).as_deref(), Some(joined), "{columns}");
    }
    let object = format!("{{\"gmsfhm\":\"{ANNA}\",\"mlph\":\"1号\",\"jlx\":\"海连中路\"}}\n");
    assert_eq!(address(&NDJSON, &object).as_deref(), Some("海连中路1号"));
}

#[test]
fn a_room_without_its_street_is_no_address() {
    for (columns, values) in [
        ("mlxz", "2单元301室"),
        ("mlph,mlxz", "1号,2单元301室"),
        ("jlx,mlph,mlxz", ",1号,2单元301室"),
        ("jlx,mlph,mlxz", "320706001002,1号,2单元301室"),
    ] {
        assert_eq!(
            address(&CSV, &format!("gmsfhm,{columns}\n{ANNA},{values}\n")),
            None,
            "{columns}"
        );
    }
}

#[test]
fn the_sender_is_told_where_only_a_part_of_an_address_or_the_day_of_the_other_direction_came() {
    let told =
        |record, wanted: &[&'static str], text: String| decoded(record, wanted, &CSV, &text).passed_over().partial;
    for (columns, values, partial) in [
        ("mlxz", "2单元301室", 1),
        ("jlx,mlph", "320706001002,1号", 1),
        ("jlx,mlph,hjdz", "320706001002,1号,某市海连中路1号", 0),
        ("jlx,mlph", "海连中路,1号", 0),
        ("jlx,mlph", ",无", 0),
    ] {
        let text = format!("gmsfhm,{columns}\n{ANNA},{values}\n");
        let told = told("public-security/resident", &["citizen_id", "hukou_address"], text);
        assert_eq!(told, partial, "{columns} {values}");
    }
    for (values, partial) in [("I,20010203,", 1), ("I,,20010203", 0), ("I,,", 0), ("X,20010203,", 1)] {
        let text = format!("gmsfhm,qyfx,qcrq,qrrq\n{ANNA},{values}\n");
        assert_eq!(
            told("public-security/migration", &["move_date"], text),
            partial,
            "{values}"
        );
    }
}

#[test]
fn the_sender_is_told_under_which_header_an_address_stands() {
    let text = format!("gmsfhm,jlx,mlph,mlxz\n{ANNA},海连中路,1号,{}\n", "室".repeat(300));
    let mut decoder = decoded(
        "public-security/resident",
        &["citizen_id", "hukou_address"],
        &CSV,
        &text,
    );
    assert!(decoder.recognised().contains(&("hukou_address", "jlx")));
    assert!(decoder.unread_headers().is_empty());
    let rejects = decoder.take_rejects();
    assert_eq!(
        (rejects[0].field, rejects[0].code),
        (Some("hukou_address"), RejectCode::TooLong)
    );
}

fn moved(wanted: &[&'static str], layout: &Layout, text: &str) -> Vec<Option<i32>> {
    let mut decoder = decoded("public-security/migration", wanted, layout, text);
    let part = decoder.next_part().unwrap();
    let dates = part.column_by_name("move_date").unwrap();
    dates.as_primitive::<Date32Type>().iter().collect()
}

#[test]
fn a_constant_says_the_direction_and_goes_behind_the_date_that_came() {
    let record = record_type("public-security/migration").unwrap();
    let constants = [("direction", "I"), ("move_date", "20250630")];
    let mapping = Mapping::default().with_constants(record, constants).unwrap();
    let layout = CSV.with_mapping(mapping.into());
    let text = format!("gmsfhm,迁出日期,迁入日期\n{ANNA},20010203,20040506\n{ANNA},20010203,\n{ANNA},,\n");
    let (came, all) = (days_from_civil(2004, 5, 6), days_from_civil(2025, 6, 30));
    for wanted in [
        &["citizen_id", "move_date"][..],
        &["citizen_id", "direction", "move_date"],
    ] {
        // Of the second only the other direction's date came, which is not its own: it stands without one.
        let mut decoder = decoded("public-security/migration", wanted, &layout, &text);
        let part = decoder.next_part().unwrap();
        let dates = part.column_by_name("move_date").unwrap();
        let dates: Vec<_> = dates.as_primitive::<Date32Type>().iter().collect();
        assert!(
            dates.contains(&came) && dates.contains(&all) && dates.len() < 4,
            "{dates:?}"
        );
        assert_eq!(decoder.passed_over().partial, 1, "{wanted:?}");
    }
}

#[test]
fn a_move_is_dated_by_its_direction() {
    let (left, came) = (days_from_civil(2001, 2, 3), days_from_civil(2004, 5, 6));
    let text = format!(
        "gmsfhm,迁移方向,迁出日期,迁入日期\n\
         {ANNA},迁入,20010203,20040506\n{ANNA},迁出,20010203,20040506\n{ANNA},I,,20040506\n{ANNA},O,20010203,\n{ANNA},1,20010203,\n"
    );
    // The last has no date of its direction, and without it no key.
    let wanted = ["citizen_id", "direction", "move_date"];
    let mut decoder = decoded("public-security/migration", &wanted, &CSV, &text);
    let rejects = decoder.take_rejects();
    assert_eq!(
        (rejects.len(), rejects[0].row, rejects[0].code),
        (1, 5, RejectCode::NoKey)
    );
    assert_eq!(moved(&wanted, &CSV, &text), [came, left]);
    // Not granted, the direction still chooses.
    assert_eq!(moved(&["move_date"], &CSV, &text), [came, left, None]);
    let plain = format!("gmsfhm,qyfx,qcrq,hsql,迁移日期\n{ANNA},I,20010203,20010203,20040506\n");
    assert_eq!(moved(&["move_date"], &CSV, &plain), [came]);
}

#[test]
fn a_senders_own_codes_choose_as_well() {
    let record = record_type("public-security/migration").unwrap();
    let mapping = Mapping::new(record, [("类型", "direction")], [("direction", "11", "I")]).unwrap();
    let layout = Layout {
        mapping: Some(mapping.into()),
        ..CSV
    };
    let text = format!("gmsfhm,类型,qcrq,qrrq\n{ANNA},11,20010203,20040506\n");
    assert_eq!(moved(&["move_date"], &layout, &text), [days_from_civil(2004, 5, 6)]);
}
