//! What is left of an extract is proved, and nothing else is.

use arrow_array::{RecordBatch, TimestampMicrosecondArray};
use arrow_schema::TimeUnit;

use super::super::{FeedFault, read_extract};
use super::*;
use crate::extract::form::Form;

/// An extract of these parts without some of its columns, as the registry may have it in the end; its leaf and its opening, which has no values.
struct Kept {
    file: tempfile::NamedTempFile,
    leaf: PushEvent,
    opening: Opening,
    form: Form,
}

impl Kept {
    fn of(parts: &[RecordBatch], form: Form, kept: &[usize]) -> Self {
        let (leaf, mut opening) = sealed(parts);
        for column in &mut opening.columns {
            column.values = None;
        }
        let left: Vec<RecordBatch> = parts.iter().map(|part| part.project(kept).unwrap()).collect();
        let mut text = form.head(&left[0].schema()).into_bytes();
        for part in &left {
            form.write(part, &mut text);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Self {
            file,
            leaf,
            opening,
            form,
        }
    }

    fn change(&self, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(self.file.path()).unwrap();
        std::fs::write(self.file.path(), change(text)).unwrap();
    }

    /// What is said of each column, and whether the parts are those that were sealed.
    fn judged(&self) -> Result<(Vec<Standing>, bool), FeedFault> {
        let decoded = read_extract(self.file.path(), self.form, &self.opening, &[])?;
        let standings = self.opening.judge(&self.leaf, &decoded.digests).unwrap();
        Ok((standings, decoded.parts() == self.opening.parts))
    }

    fn refused(&self) -> String {
        let FeedFault::Unreadable(why) = self.judged().unwrap_err() else {
            unreachable!("the file is there")
        };
        why
    }
}

fn three() -> RecordBatch {
    batch(&[
        (Some("甲, \"乙\"\n丙".into()), -7_777, true, -40_000),
        (None, 2, false, -39_000),
        (Some(String::new()), i64::MAX, true, 20_000),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn columns_that_were_dropped_are_withheld_and_what_is_left_is_proved(rows in rows(), cut in any::<prop::sample::Index>()) {
        let whole = batch(&rows);
        let cut = 1 + cut.index(rows.len() - 1);
        let parts = [whole.slice(0, cut), whole.slice(cut, rows.len() - cut)];
        let nameless = rows.iter().all(|row| row.0.is_none());
        for (form, mask) in [Form::Ndjson, Form::Csv].into_iter().flat_map(|form| (1..16_u32).map(move |mask| (form, mask))) {
            let kept: Vec<usize> = (0..4).filter(|place| mask >> place & 1 == 1).collect();
            let (standings, are_parts) = Kept::of(&parts, form, &kept).judged().unwrap();
            prop_assert!(are_parts);
            for (place, standing) in standings.into_iter().enumerate() {
                let shown = kept.contains(&place) || (place == 0 && nameless);
                prop_assert_eq!(standing == Standing::Proved, shown, "{:?} {:?} {}", form, kept, place);
            }
        }
    }
}

#[test]
fn values_of_each_kind_are_read_as_they_were_written() {
    for form in [Form::Ndjson, Form::Csv] {
        let judged = Kept::of(&[three()], form, &[0, 1, 2, 3]).judged().unwrap();
        assert_eq!(judged, (vec![Standing::Proved; 4], true), "{form:?}");
    }
    let moments = TimestampMicrosecondArray::from(vec![Some(1_795_424_400_000_001), None]);
    let field = Field::new("seen", DataType::Timestamp(TimeUnit::Microsecond, None), true);
    let part = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::new(moments)]).unwrap();
    let mut columns = ColumnDigests::new(&part.schema()).unwrap();
    columns.push(&part).unwrap();
    let mut evidence = Evidence::fresh().unwrap();
    let root = columns.commit(&mut evidence);
    evidence.note_plan(["seen"].into_iter(), vec!["keep".into()]);
    let opening = opening_of(EXCHANGE, &evidence.encode()).unwrap();
    let sealed = super::super::SealedColumns {
        exchange: &EXCHANGE.to_string(),
        root: &root,
        count: 1,
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    for form in [Form::Ndjson, Form::Csv] {
        let mut text = form.head(&part.schema()).into_bytes();
        form.write(&part, &mut text);
        std::fs::write(file.path(), &text).unwrap();
        let decoded = read_extract(file.path(), form, &opening, &[]).unwrap();
        assert_eq!(
            opening.judge(sealed, &decoded.digests).unwrap(),
            [Standing::Proved],
            "{form:?}"
        );
        // The same moment in another spelling is not what was released.
        let other = String::from_utf8(text).unwrap().replace(".000001Z", ".0000010Z");
        std::fs::write(file.path(), other).unwrap();
        assert!(
            matches!(
                read_extract(file.path(), form, &opening, &[]),
                Err(FeedFault::Unreadable(_))
            ),
            "{form:?}"
        );
    }
}

#[test]
fn a_changed_value_differs_and_the_other_columns_stay_proved() {
    use Standing::{Differs, Proved, Withheld};
    for form in [Form::Ndjson, Form::Csv] {
        let extract = Kept::of(&[three()], form, &[0, 1, 3]);
        extract.change(|text| text.replace("-7777", "-7778"));
        let (standings, are_parts) = extract.judged().unwrap();
        assert_eq!(
            (standings, are_parts),
            (vec![Proved, Differs, Withheld, Proved], true),
            "{form:?}"
        );
    }
}

#[test]
fn a_row_that_was_dropped_doubled_or_moved_proves_no_column() {
    type Change = fn(&mut Vec<String>);
    let lines = |text: String| text.lines().map(|line| format!("{line}\n")).collect::<Vec<_>>();
    let changes: [(&str, Change); 3] = [
        ("dropped", |lines| drop(lines.pop())),
        ("doubled", |lines| lines.extend(lines.last().cloned())),
        ("moved", |lines| lines.reverse()),
    ];
    for (what, change) in changes {
        let extract = Kept::of(&[three()], Form::Ndjson, &[1, 3]);
        extract.change(|text| {
            let mut lines = lines(text);
            change(&mut lines);
            lines.concat()
        });
        let (standings, are_parts) = extract.judged().unwrap();
        assert!(!standings.contains(&Standing::Proved), "{what}: {standings:?}");
        assert_eq!(are_parts, what == "moved", "{what}");
    }
}

#[test]
fn what_is_no_extract_is_refused_with_its_row_and_never_a_value() {
    type Change = fn(String) -> String;
    let changes: [(Form, Change, &str); 17] = [
        (
            Form::Ndjson,
            |text| text.replacen('{', "[", 1),
            "row 1 is not as an extract has it",
        ),
        (
            Form::Ndjson,
            |text| text + "{\"more\":1}\n",
            "a column that the extract did not have",
        ),
        (
            Form::Ndjson,
            |text| text.replacen("\"count\":-7777", "\"count\":\"甲\"", 1),
            "a value of `count` is not of its type",
        ),
        (
            Form::Ndjson,
            |text| text.trim_end().to_owned(),
            "row 3 is not as an extract has it",
        ),
        (
            Form::Ndjson,
            |text| text.replacen("\"count\":-7777", "\"count\":1,\"count\":-7777", 1),
            "row 1 is not as an extract has it",
        ),
        (
            Form::Ndjson,
            |text| text.replacen("\"count\":-7777", "\"count\":[-7777]", 1),
            "row 1 is not as an extract has it",
        ),
        (
            Form::Ndjson,
            |text| text.replacen("\"count\":-7777", "\"a\":1,\"b\":1,\"c\":1,\"d\":1", 1),
            "row 1 is not as an extract has it",
        ),
        (
            Form::Csv,
            |text| text.replacen(",-7777", ",-07777", 1),
            "row 1 is not as an extract has it",
        ),
        (
            Form::Csv,
            |text| text + "甲\"乙,2,true,1801-01-01\n",
            "row 4 is not as an extract has it",
        ),
        (
            Form::Csv,
            |text| text + "甲,+2,true,1801-01-01\n",
            "row 4 is not as an extract has it",
        ),
        (Form::Csv, |_| String::new(), "it has no header row"),
        (
            Form::Csv,
            |text| text.replacen("count", "more", 1),
            "a column that the extract did not have",
        ),
        (Form::Csv, |text| text.replacen("count", "name", 1), "a column twice"),
        (
            Form::Csv,
            |text| text + "甲,2,true\n",
            "row 4 is not as an extract has it",
        ),
        (
            Form::Csv,
            |text| text + "\"甲,2,true,1801-01-01\n",
            "row 4 is not as an extract has it",
        ),
        (
            Form::Csv,
            |text| text + "甲,2,true,1801-01-01,\n",
            "row 4 is not as an extract has it",
        ),
        (
            Form::Csv,
            |text| text.replacen('\n', ",\n", 1),
            "row 0 is not as an extract has it",
        ),
    ];
    for (form, change, expected) in changes {
        let extract = Kept::of(&[three()], form, &[0, 1, 2, 3]);
        extract.change(change);
        let why = extract.refused();
        assert!(why.contains(expected) && !why.contains('甲'), "{form:?}: {why}");
    }
}

#[test]
fn parts_without_rows_are_parts_as_they_were_sealed() {
    use Standing::{Proved, Withheld};
    let parts = [
        three().slice(0, 1),
        three().slice(0, 0),
        three().slice(1, 2),
        three().slice(0, 0),
    ];
    for form in [Form::Ndjson, Form::Csv] {
        let judged = Kept::of(&parts, form, &[1, 2]).judged().unwrap();
        assert_eq!(judged, (vec![Withheld, Proved, Proved, Withheld], true), "{form:?}");
    }
}

#[test]
fn an_opening_that_speaks_of_endless_parts_ends() {
    for parts in [
        "0*18446744073709551615",
        "4294967295*9",
        "1*18446744073709551615",
        "x",
        "",
    ] {
        let mut extract = Kept::of(&[three()], Form::Ndjson, &[1, 2]);
        extract.opening.parts = parts.into();
        let (standings, are_parts) = extract.judged().unwrap();
        assert!(!standings.contains(&Standing::Proved) || !are_parts, "{parts}");
    }
}

#[test]
fn a_file_without_end_of_line_is_refused_in_bounded_memory() {
    let extract = Kept::of(&[three()], Form::Ndjson, &[0]);
    extract.change(|_| " ".repeat(17 << 20));
    assert!(extract.refused().contains("row 1"));
}

#[test]
fn a_part_of_more_bytes_than_are_held_is_refused() {
    // Rows that are long each and few together, as an opening lets them be.
    let extract = Kept::of(&[three()], Form::Ndjson, &[0]);
    let row = format!("{{\"name\":\"{}\"}}\n", "x".repeat(400 << 10));
    extract.change(|_| row.repeat(2));
    assert!(extract.judged().is_ok(), "what is held may be so much");
    extract.change(|_| row.repeat(3));
    assert!(extract.refused().contains("row 3"));
}
