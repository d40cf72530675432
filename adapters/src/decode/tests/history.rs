//! Rows of history: passed over and counted, wherever they stand, and only where the grant lets the flag be read.

use arrow_array::cast::AsArray;

use super::super::{Counts, DecodeLimits, Decoder, Ended};
use super::TODAY;
use crate::catalogue::record_type;
use crate::layout::Layout;
use crate::operation::Intent;

const FLAGGED: &[&str] = &["citizen_id", "name", "record_flag", "valid_to", "reversed"];

/// Names of the rows that were taken, and the counts.
fn taken(wanted: &[&'static str], intent: Intent, rows: &[&str]) -> (Vec<String>, Counts) {
    let record = record_type("public-security/resident").unwrap();
    let layout = Layout::from_content_type("text/csv; charset=utf-8").unwrap();
    let mut decoder = Decoder::meant(record, wanted, &layout, DecodeLimits::default(), TODAY, intent);
    let text = format!("gmsfhm,xm,jlbz,jssj,cxbz\n{}\n", rows.join("\n"));
    decoder.feed(text.as_bytes()).unwrap();
    assert_eq!(decoder.finish(), Ok(Ended::Whole));
    let parts = std::iter::from_fn(|| decoder.next_part());
    let names = parts.flat_map(|part| {
        let names = part.column(1).as_string::<i32>().clone();
        names
            .iter()
            .map(|name| name.unwrap_or("-").to_owned())
            .collect::<Vec<_>>()
    });
    (names.collect(), decoder.counts().clone())
}

const NOW: &str = "320706188002290004,今,1,,0";
const BEFORE: &str = "320706188002290004,昔,2,20200101000000,0";
const REVERSED: &str = "320706188002290004,误,1,,1";

#[test]
fn a_row_of_history_is_no_record_in_whatever_order_it_comes() {
    for rows in [
        [NOW, BEFORE, REVERSED],
        [BEFORE, REVERSED, NOW],
        [REVERSED, NOW, BEFORE],
    ] {
        let (names, counts) = taken(FLAGGED, Intent::Upsert, &rows);
        assert_eq!(names, ["今"], "{rows:?}");
        assert_eq!(
            (
                counts.received,
                counts.accepted,
                counts.history,
                counts.rejected,
                counts.repeated
            ),
            (3, 1, 2, 0, 0),
            "{rows:?}"
        );
    }
}

#[test]
fn a_snapshot_does_not_hold_whom_it_has_as_history_only() {
    let (names, counts) = taken(FLAGGED, Intent::Snapshot(None, Vec::new()), &[BEFORE]);
    assert_eq!((names, counts.history), (Vec::<String>::new(), 1));
}

#[test]
fn a_row_of_a_delta_that_is_history_changes_nothing_whatever_it_does() {
    let record = record_type("public-security/resident").unwrap();
    let layout = Layout::from_content_type("text/csv; charset=utf-8").unwrap();
    let intent = Intent::Delta(Vec::new());
    let mut decoder = Decoder::meant(record, FLAGGED, &layout, DecodeLimits::default(), TODAY, intent);
    let rows = ["I", "U", "D"].map(|act| format!("{act},{BEFORE}"));
    let text = format!("_op,gmsfhm,xm,jlbz,jssj,cxbz\n{}\nD,{NOW}\n", rows.join("\n"));
    decoder.feed(text.as_bytes()).unwrap();
    assert_eq!(decoder.finish(), Ok(Ended::Whole));
    let counts = decoder.counts();
    assert_eq!(
        (counts.received, counts.history, counts.accepted, counts.rejected),
        (4, 3, 1, 0)
    );
}

#[test]
fn where_somebody_lived_before_lies_outside_of_a_scope_and_is_no_reject() {
    let scope = Some(("hukou_region", vec!["320706".to_owned()]));
    let wanted = &["citizen_id", "name", "record_flag", "hukou_region"];
    let record = record_type("public-security/resident").unwrap();
    let layout = Layout::from_content_type("text/csv; charset=utf-8").unwrap();
    let intent = Intent::Snapshot(scope, Vec::new());
    let mut decoder = Decoder::meant(record, wanted, &layout, DecodeLimits::default(), TODAY, intent);
    let text = "gmsfhm,xm,jlbz,ssxq\n320706188002290004,昔,2,320102\n320706188002290004,今,1,320706\n";
    decoder.feed(text.as_bytes()).unwrap();
    assert_eq!(decoder.finish(), Ok(Ended::Whole));
    let counts = decoder.counts();
    assert_eq!(
        (counts.received, counts.history, counts.accepted, counts.rejected),
        (2, 1, 1, 0)
    );
}

#[test]
fn a_bad_row_of_history_does_not_hold_its_person_in_a_snapshot() {
    // It has not ended.
    let (names, counts) = taken(
        FLAGGED,
        Intent::Snapshot(None, Vec::new()),
        &["320706188002290004,昔,2,,0"],
    );
    assert_eq!((names, counts.rejected), (Vec::<String>::new(), 1));
    // One of now holds, by its key alone.
    let (names, counts) = taken(
        FLAGGED,
        Intent::Snapshot(None, Vec::new()),
        &["320706188002290004,今,7,,0"],
    );
    assert_eq!((names, counts.rejected), (vec!["-".to_owned()], 1));
}

#[test]
fn a_row_of_history_that_is_not_as_it_should_be_is_a_reject_like_any_other() {
    let (names, counts) = taken(FLAGGED, Intent::Upsert, &["320706188002290004,昔,2,,0"]);
    assert_eq!((names, counts.history, counts.rejected), (Vec::<String>::new(), 0, 1));
}

#[test]
fn a_flag_that_is_not_granted_decides_nothing() {
    let (names, counts) = taken(&["citizen_id", "name"], Intent::Upsert, &[NOW, BEFORE]);
    assert_eq!((names, counts.history), (vec!["今".to_owned(), "昔".to_owned()], 0));
}
