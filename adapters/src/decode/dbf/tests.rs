#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use encoding_rs::GB18030;
use proptest::prelude::*;

use crate::catalogue::record_type;
use crate::decode::{Counts, DecodeLimits, Decoder, FileFault, PassedOver, Unreadable};
use crate::layout::{Encoding, Format, Layout};
use crate::reject::RejectCode;
use crate::value::date::days_from_civil;

const TODAY: i32 = 20_500;
const DEATH: &str = "public-security/death";
const GBK: Layout = Layout::new(Format::Dbf, Encoding::Gb18030);

/// A table: name, type, width, decimals of each column; flag and texts of each record.
struct Table<'a> {
    columns: &'a [(&'a str, u8, u8, u8)],
    records: &'a [(u8, &'a [&'a str])],
    version: u8,
    code_page: u8,
}

impl Table<'_> {
    fn build(&self) -> Vec<u8> {
        let gbk = |text: &str| GB18030.encode(text).0.into_owned();
        let width: usize = 1 + self.columns.iter().map(|column| usize::from(column.2)).sum::<usize>();
        let header = u16::try_from(32 + 32 * self.columns.len() + 1).unwrap();
        let mut out = vec![self.version, 124, 1, 1];
        out.extend(u32::try_from(self.records.len()).unwrap().to_le_bytes());
        out.extend(header.to_le_bytes());
        out.extend(u16::try_from(width).unwrap().to_le_bytes());
        out.resize(32, 0);
        out[29] = self.code_page;
        for (name, kind, width, decimals) in self.columns {
            let at = out.len();
            out.extend(gbk(name).iter().take(10));
            out.resize(at + 32, 0);
            out[at + 11] = *kind;
            out[at + 16] = *width;
            out[at + 17] = *decimals;
        }
        out.push(0x0D);
        for (flag, texts) in self.records {
            out.push(*flag);
            for ((_, kind, width, _), text) in self.columns.iter().zip(*texts) {
                let mut bytes = gbk(text);
                let width = usize::from(*width);
                bytes.truncate(width);
                let pad = vec![b' '; width - bytes.len()];
                let is_number = matches!(kind, b'N' | b'F');
                out.extend(if is_number { [pad, bytes] } else { [bytes, pad] }.concat());
            }
        }
        out.push(0x1A);
        out
    }
}

const COLUMNS: &[(&str, u8, u8, u8)] = &[("GMSFHM", b'C', 18, 0), ("XM", b'C', 10, 0), ("SWRQ", b'D', 8, 0)];
const FIRST: &str = "320707180001060012";

fn table<'a>(records: &'a [(u8, &'a [&'a str])]) -> Table<'a> {
    Table {
        columns: COLUMNS,
        records,
        version: 0x03,
        code_page: 0,
    }
}

#[derive(Debug, PartialEq)]
struct Told {
    parts: Vec<RecordBatch>,
    rejects: Vec<(u64, u64, Option<&'static str>, RejectCode)>,
    counts: Counts,
    passed_over: PassedOver,
    ended: Result<(), Unreadable>,
}

fn frames<'a>(wanted: &[&'static str], layout: &Layout, frames: impl Iterator<Item = &'a [u8]>) -> Told {
    let limits = DecodeLimits::default();
    let mut decoder = Decoder::new(record_type(DEATH).unwrap(), wanted, layout, limits, TODAY);
    let mut frames = frames;
    let ended = frames
        .try_for_each(|frame| decoder.feed(frame))
        .and_then(|()| decoder.finish().map(|_| ()));
    let rejects = decoder.take_rejects();
    Told {
        parts: std::iter::from_fn(|| decoder.next_part()).collect(),
        rejects: rejects
            .iter()
            .map(|reject| (reject.row, reject.line, reject.field, reject.code))
            .collect(),
        counts: decoder.counts().clone(),
        passed_over: decoder.passed_over(),
        ended,
    }
}

const WANTED: [&str; 4] = ["citizen_id", "name", "death_date", "source_updated_at"];

fn told(bytes: &[u8]) -> Told {
    frames(&WANTED, &GBK, bytes.chunks(7))
}

fn fault(bytes: &[u8]) -> FileFault {
    match told(bytes).ended {
        Err(Unreadable::File(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_are_read_and_deleted_ones_are_passed_over_and_counted() {
    let told = told(
        &table(&[
            (b' ', &[FIRST, "甲", "20240101"]),
            (b'*', &[FIRST, "乙", "20240101"]),
            (b' ', &["1", "丙", "20240101"]),
        ])
        .build(),
    );
    assert_eq!(told.ended, Ok(()));
    assert_eq!(
        (told.counts.received, told.counts.accepted, told.passed_over.deleted),
        (2, 1, 1)
    );
    assert_eq!(told.rejects, [(2, 3, Some("citizen_id"), RejectCode::BadLength)]);
    let part = &told.parts[0];
    assert_eq!(part.column_by_name("name").unwrap().as_string::<i32>().value(0), "甲");
    let dates = part
        .column_by_name("death_date")
        .unwrap()
        .as_primitive::<arrow_array::types::Date32Type>();
    assert_eq!(Some(dates.value(0)), days_from_civil(2024, 1, 1));
}

#[test]
fn frames_cut_anywhere_change_nothing() {
    let records: [(u8, &[&str]); 2] = [(b' ', &[FIRST, "甲", "20240101"]), (b'*', &["", "乙", ""])];
    let bytes = table(&records).build();
    let whole = told(&bytes);
    for length in 1..bytes.len() {
        assert_eq!(frames(&WANTED, &GBK, bytes.chunks(length)), whole);
    }
}

#[test]
fn names_of_ten_bytes_find_the_field_whose_name_they_begin() {
    let records: [(u8, &[&str]); 1] = [(b' ', &[FIRST, "20240101120000", "甲"])];
    let bytes = Table {
        columns: &[
            ("公民身份号", b'C', 18, 0),
            ("SOURCE_UPD", b'C', 14, 0),
            ("姓名", b'C', 10, 0),
        ],
        ..table(&records)
    };
    let told = told(&bytes.build());
    assert_eq!((told.ended, told.counts.accepted), (Ok(()), 1));
    assert!(told.parts[0].column_by_name("source_updated_at").unwrap().is_valid(0));
}

#[test]
fn a_name_that_could_be_cut_from_two_fields_is_unknown() {
    // `CANCEL_DAT` is nine letters of one field only; `CANCEL` belongs to none.
    let columns: &[(&str, u8, u8, u8)] = &[
        ("GMSFHM", b'C', 18, 0),
        ("CANCEL", b'C', 8, 0),
        ("CANCEL_DAT", b'D', 8, 0),
    ];
    let records: [(u8, &[&str]); 1] = [(b' ', &[FIRST, "x", "20240101"])];
    let bytes = Table {
        columns,
        ..table(&records)
    }
    .build();
    let limits = DecodeLimits::default();
    let mut decoder = Decoder::new(
        record_type(DEATH).unwrap(),
        &["citizen_id", "cancel_date"],
        &GBK,
        limits,
        TODAY,
    );
    decoder.feed(&bytes).unwrap();
    let _ = decoder.finish().unwrap();
    assert_eq!(decoder.unknown_headers(), ["CANCEL"]);
    assert!(decoder.next_part().unwrap().column(1).is_valid(0));
}

#[test]
fn columns_say_what_their_type_says_or_reject_the_record() {
    // 派出所 takes letters and digits, so it shows what a column became.
    let check = |kind: u8, width: u8, decimals: u8, text: &str| {
        let columns: &[(&str, u8, u8, u8)] = &[("GMSFHM", b'C', 18, 0), ("PCS", kind, width, decimals)];
        let records: [(u8, &[&str]); 1] = [(b' ', &[FIRST, text])];
        let bytes = Table {
            columns,
            ..table(&records)
        }
        .build();
        let told = frames(&["citizen_id", "police_station"], &GBK, bytes.chunks(1000));
        if let Some(reject) = told.rejects.first() {
            return Err(reject.3);
        }
        let column = told.parts[0].column(1).as_string::<i32>();
        Ok(column.iter().next().unwrap().map(str::to_owned))
    };
    let text = |text: &str| Ok(Some(text.to_owned()));
    assert_eq!(check(b'C', 12, 0, "320707"), text("320707"));
    assert_eq!(check(b'C', 12, 0, ""), Ok(None));
    assert_eq!(check(b'N', 12, 0, "320707"), text("320707"));
    assert_eq!(check(b'N', 12, 2, "320707.00"), text("320707"));
    assert_eq!(check(b'N', 12, 2, "***********"), Err(RejectCode::Overflow));
    assert_eq!(check(b'N', 12, 2, ""), Ok(None));
    assert_eq!(check(b'N', 12, 2, "3E5"), Err(RejectCode::BadNumber));
    assert_eq!(check(b'F', 20, 0, "1234567890123456"), Err(RejectCode::LostDigits));
    assert_eq!(check(b'L', 1, 0, "T"), text("TRUE"));
    assert_eq!(check(b'L', 1, 0, "?"), Ok(None));
    assert_eq!(check(b'L', 1, 0, "x"), Err(RejectCode::BadAlphabet));
    assert_eq!(check(b'I', 4, 0, "ABCD"), text("1145258561"));
    // A character that the width cut in half.
    assert_eq!(check(b'C', 3, 0, "甲乙"), Err(RejectCode::BadEncoding));
}

#[test]
fn days_that_are_blank_or_zero_are_none() {
    let told = told(
        &table(&[
            (b' ', &[FIRST, "甲", "        "]),
            (b' ', &[FIRST, "乙", "00000000"]),
            (b' ', &[FIRST, "丙", "20240230"]),
        ])
        .build(),
    );
    assert_eq!(told.rejects, [(3, 3, Some("death_date"), RejectCode::BadDate)]);
    assert_eq!(told.parts[0].column(2).null_count(), 2);
}

#[test]
fn memos_are_refused_where_they_are_wanted_and_only_there() {
    let columns: &[(&str, u8, u8, u8)] = &[("GMSFHM", b'C', 18, 0), ("XM", b'M', 10, 0)];
    let records: [(u8, &[&str]); 1] = [(b' ', &[FIRST, "1"])];
    let bytes = Table {
        columns,
        version: 0x83,
        ..table(&records)
    }
    .build();
    let unread = FileFault::UnreadColumn {
        field: "name",
        kind: 'M',
    };
    assert_eq!(fault(&bytes), unread);
    let told = frames(&["citizen_id"], &GBK, bytes.chunks(100));
    assert_eq!((told.ended, told.counts.accepted), (Ok(()), 1));
}

#[test]
fn code_pages_of_chinese_absent_and_wrong_ones_are_gbk_and_those_of_others_are_refused() {
    let records: [(u8, &[&str]); 1] = [(b' ', &[FIRST, "甲", ""])];
    let with = |code_page| {
        told(
            &Table {
                code_page,
                ..table(&records)
            }
            .build(),
        )
    };
    for code_page in [0, 0x4D, 0x7A, 0x03, 0x57, 0x01] {
        assert_eq!(with(code_page).counts.accepted, 1, "{code_page:#x}");
    }
    for (code_page, found) in [
        (0x78, "big5"),
        (0x7B, "shift-jis"),
        (0x79, "euc-kr"),
        (0x7C, "windows-874"),
    ] {
        assert_eq!(with(code_page).ended, Err(FileFault::OtherCharset { found }.into()));
    }
}

#[test]
fn lengths_that_do_not_fit_the_bytes_present_are_refused() {
    let records: [(u8, &[&str]); 2] = [(b' ', &[FIRST, "甲", ""]), (b' ', &[FIRST, "乙", ""])];
    let bytes = table(&records).build();
    let header = FileFault::Damaged {
        part: "the header of the table",
    };
    let set = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        bytes
    };
    let more = FileFault::Truncated {
        part: "its records: the header states more",
    };
    assert_eq!(fault(&set(4, 3)), more);
    let fewer = FileFault::Damaged {
        part: "it goes on after the records that its header states",
    };
    assert_eq!(fault(&set(4, 1)), fewer);
    assert_eq!(fault(&set(10, 30)), header);
    assert_eq!(fault(&set(8, 32)), header);
    assert_eq!(fault(&set(32 + 16, 200)), header);
    assert_eq!(fault(&set(15, 1)), FileFault::Encrypted);
    let version = FileFault::OtherForm {
        declared: "DBF",
        found: "neither a table of dBASE nor text",
    };
    assert_eq!(fault(&set(0, 0x04)), version);
    assert_eq!(
        fault("身份证号,姓名\n".repeat(10).as_bytes()),
        FileFault::OtherForm {
            declared: "DBF",
            found: "text, e.g. CSV"
        }
    );
    let flag = FileFault::Damaged {
        part: "a record that is neither there nor deleted",
    };
    let first = 32 + 32 * 3 + 1;
    assert_eq!(fault(&set(first, b'x')), flag);
}

#[test]
fn a_table_cut_anywhere_is_refused_and_its_end_mark_may_be_missing() {
    let records: [(u8, &[&str]); 2] = [(b' ', &[FIRST, "甲", ""]), (b'*', &[FIRST, "乙", ""])];
    let bytes = table(&records).build();
    let last = bytes.len() - 1;
    assert_eq!(told(&bytes[..last]).ended, Ok(()));
    for length in 0..last {
        assert!(told(&bytes[..length]).ended.is_err(), "{length} of {last}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_change_of_bytes_ends_in_a_panic_and_counts_always_add_up(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let records: [(u8, &[&str]); 3] = [(b' ', &[FIRST, "甲", "20240101"]), (b'*', &[FIRST, "乙", ""]), (b' ', &["", "丙", ""])];
        let mut bytes = table(&records).build();
        for (at, value) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        let told = told(&bytes);
        prop_assert_eq!(told.counts.received, told.counts.accepted + told.counts.rejected + told.counts.repeated);
    }
}

#[test]
fn a_table_of_utf8_that_is_not_declared_is_refused_and_never_read_as_gb18030() {
    for name in ["王测", "王测试名"] {
        let records: &[(u8, &[&str])] = &[(b' ', &[FIRST, "      ", "18600101"])];
        let mut bytes = table(records).build();
        let at = bytes.len() - 1 - 8 - 10;
        let name = &name.as_bytes()[..name.len().min(9)];
        bytes[at..at + name.len()].copy_from_slice(name);
        let told = frames(&["citizen_id", "name"], &GBK, std::iter::once(bytes.as_slice()));
        assert_eq!(
            told.ended,
            Err(Unreadable::WrongCharset {
                declared: Some("gb18030"),
                found: "utf-8",
                by: "bytes so far"
            })
        );
    }
}
