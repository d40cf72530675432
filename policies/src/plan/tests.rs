#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, StringArray};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use ring::hmac;

use super::*;
use crate::compact::compact;
use crate::fixture::{ADMISSION, Cell, GRANT, batch, keys, plan_of, rows};

/// The grant of the fixture read row by row, written from the description of the operators and from nothing else.
fn oracle(row: &[Cell]) -> Option<Vec<Cell>> {
    let cell = |name: &str| {
        let at = ADMISSION.fields.iter().position(|field| field.name == name).unwrap();
        row.get(at).unwrap().clone()
    };
    let text = |name: &str, change: &dyn Fn(&str) -> String| match cell(name) {
        Cell::Text(value) => Cell::Text(change(&value)),
        other => other,
    };
    let date = |days: i64| {
        Date::constant(1970, 1, 1)
            .checked_add(jiff::Span::new().days(days))
            .unwrap()
    };
    if !cell("region").text()?.starts_with("3207") || ![1, 2, 3].contains(&cell("count").number()?) {
        return None;
    }
    let masked = text("name", &|name| {
        let length = name.chars().count();
        let shown = usize::from(length > 1);
        name.chars()
            .take(shown)
            .chain(std::iter::repeat_n('＊', length - shown))
            .collect()
    });
    let month = cell("day")
        .number()
        .map_or(Cell::Null, |day| Cell::Text(date(day).strftime("%Y%m").to_string()));
    let moment = cell("moment")
        .number()
        .map_or(Cell::Null, |us| Cell::Number(days_of(shanghai_date(us))));
    let bucket = text("amount", &|amount| {
        let amount: f64 = amount.parse().unwrap();
        if amount < 0.0 {
            "<0"
        } else if amount < 1000.0 {
            "[0,1000)"
        } else {
            ">=1000"
        }
        .into()
    });
    let pseudonym = text("citizen_id", &|id| {
        let info = "shuguan.key.v1\npseudonym-father\n1\ninformation-centre\nenrolment.registration\nperson";
        let master: Vec<u8> = (0..32).collect();
        let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[0; 32]), &master);
        let key = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref()),
            &[info.as_bytes(), &[1]].concat(),
        );
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()),
            format!("shuguan.pseudonym.v1\nperson\n{id}").as_bytes(),
        );
        let hex = tag.as_ref().iter().take(16).map(|byte| format!("{byte:02x}"));
        hex.collect::<Vec<_>>().concat()
    });
    let county = text("village_code", &|code| code.chars().take(6).collect());
    let year = text("month", &|month| month.chars().take(4).collect());
    let phone = Cell::Flag(cell("phone") != Cell::Null);
    let note = Cell::Text("-".into());
    let kept = [cell("serial"), cell("region"), cell("count")];
    Some(
        [
            &kept[..],
            &[masked, month, year, moment, county, bucket, pseudonym, phone, note],
        ]
        .concat(),
    )
}

fn cell_at(column: &ArrayRef, row: usize) -> Cell {
    if column.is_null(row) {
        return Cell::Null;
    }
    match column.data_type() {
        DataType::Utf8 => Cell::Text(column.as_string::<i32>().value(row).into()),
        DataType::Date32 => Cell::Number(column.as_primitive::<Date32Type>().value(row).into()),
        DataType::Int64 => Cell::Number(column.as_primitive::<Int64Type>().value(row)),
        DataType::Timestamp(..) => Cell::Number(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::Boolean => Cell::Flag(column.as_boolean().value(row)),
        other => panic!("no field is a {other}"),
    }
}

fn cells_of(batch: &RecordBatch) -> Vec<Vec<Cell>> {
    let row = |row: usize| batch.columns().iter().map(|column| cell_at(column, row)).collect();
    (0..batch.num_rows()).map(row).collect()
}

/// No slice, no filled null slot, no metadata.
fn assert_tight(batch: &RecordBatch) {
    assert!(batch.schema().metadata().is_empty());
    for column in batch.columns() {
        if column.data_type() == &DataType::Boolean {
            assert_eq!((column.as_boolean().values().offset(), column.null_count()), (0, 0));
        } else {
            assert!(Arc::ptr_eq(&compact(column).unwrap(), column), "{}", column.data_type());
        }
    }
}

proptest! {
    #[test]
    fn release_equals_a_row_by_row_interpreter(rows in rows()) {
        let plan = plan_of(GRANT);
        let released = plan.release(&batch(&plan, &rows), &keys(), 0).unwrap();
        let expected: Vec<Vec<Cell>> = rows.iter().filter_map(|row| oracle(row)).collect();
        prop_assert_eq!(u64::try_from(rows.len() - expected.len()).unwrap(), released.filtered);
        prop_assert_eq!(cells_of(&released.batch), expected);
        assert_tight(&released.batch);
    }

    #[test]
    fn a_slice_of_a_part_releases_what_its_rows_do(rows in rows(), from in 0_usize..40) {
        let plan = plan_of(GRANT);
        let from = from.min(rows.len());
        let (_, tail) = rows.split_at(from);
        let part = batch(&plan, &rows).slice(from, tail.len());
        let released = plan.release(&part, &keys(), 0).unwrap().batch;
        prop_assert_eq!(cells_of(&released), cells_of(&plan.release(&batch(&plan, tail), &keys(), 0).unwrap().batch));
        assert_tight(&released);
    }

    #[test]
    fn what_a_grant_withholds_never_changes_what_it_releases(a in rows(), b in rows()) {
        let plan = plan_of(GRANT);
        let withheld = |name: &str| !plan.wanted().contains(&name);
        // Rows of `a` with every withheld field taken from `b`: note (constant), religion (drop).
        let mixed: Vec<Vec<Cell>> = a.iter().zip(b.iter().cycle().chain(std::iter::repeat(&vec![Cell::Null; 13]))).map(|(row, other)| {
            let fields = ADMISSION.fields.iter().zip(row.iter().zip(other));
            fields.map(|(field, (own, foreign))| if withheld(field.name) { foreign } else { own }.clone()).collect()
        }).collect();
        let one = plan.release(&batch(&plan, &a), &keys(), 0).unwrap();
        let two = plan.release(&batch(&plan, &mixed), &keys(), 0).unwrap();
        prop_assert_eq!(one.batch, two.batch);
        prop_assert_eq!(one.filtered, two.filtered);
    }

    #[test]
    fn what_a_row_is_about_never_changes_what_is_released_of_its_fields(rows in rows(), acts in prop::collection::vec(0_usize..4, 40)) {
        let plan = plan_of(GRANT);
        let part = batch(&plan, &rows);
        let about: Vec<&str> = rows.iter().zip(acts.iter().cycle()).map(|(_, act)| ["I", "U", "D", "N"][*act]).collect();
        let column: ArrayRef = Arc::new(StringArray::from(about.clone()));
        let (released, passed) = plan.release_beside(&part, &column, &keys(), 0).unwrap();
        // A delete that lacks what a filter reads is not held back for it.
        let lacks = |row: &[Cell], name: &str| {
            let at = ADMISSION.fields.iter().position(|field| field.name == name).unwrap();
            row[at] == Cell::Null
        };
        let filled = |row: &[Cell]| -> Vec<Cell> {
            ADMISSION.fields.iter().zip(row).map(|(field, cell)| match (field.name, cell) {
                ("region", Cell::Null) => Cell::Text("320706".into()),
                ("count", Cell::Null) => Cell::Number(1),
                _ => cell.clone(),
            }).collect()
        };
        let mut expected = Vec::new();
        let mut expected_acts = Vec::new();
        for (row, act) in rows.iter().zip(&about) {
            let bare = matches!(*act, "D" | "N") && (lacks(row, "region") || lacks(row, "count"));
            if bare {
                if let Some(mut cells) = oracle(&filled(row)) {
                    for (place, name) in ["serial", "region", "count"].iter().enumerate() {
                        if lacks(row, name) {
                            cells[place] = Cell::Null;
                        }
                    }
                    expected.push(cells);
                    expected_acts.push((*act).to_owned());
                }
            } else if let Some(cells) = oracle(row) {
                expected.push(cells);
                expected_acts.push((*act).to_owned());
            }
        }
        prop_assert_eq!(cells_of(&released.batch), expected);
        let passed: Vec<String> = passed.as_string::<i32>().iter().map(|act| act.unwrap().to_owned()).collect();
        prop_assert_eq!(passed, expected_acts);
        prop_assert_eq!(released.filtered, u64::try_from(rows.len() - released.batch.num_rows()).unwrap());
    }

    #[test]
    fn a_change_inside_the_kernel_of_an_operator_shows_nothing(rows in rows()) {
        // Another day of the same month, another character under the mask, another village of the same county, another phone.
        let plan = plan_of(GRANT);
        let changed: Vec<Vec<Cell>> = rows.iter().map(|row| {
            ADMISSION.fields.iter().zip(row).map(|(field, cell)| match (field.name, cell) {
                ("day", Cell::Number(day)) => Cell::Number(first_of_month(*day)),
                ("name", Cell::Text(name)) => Cell::Text(rest_replaced(name)),
                ("village_code", Cell::Text(code)) => Cell::Text(format!("{}999999", code.get(..6).unwrap())),
                ("phone", Cell::Text(_)) => Cell::Text("x".into()),
                ("moment", Cell::Number(us)) => Cell::Number(midnight_of(*us)),
                _ => cell.clone(),
            }).collect()
        }).collect();
        let one = plan.release(&batch(&plan, &rows), &keys(), 0).unwrap();
        let two = plan.release(&batch(&plan, &changed), &keys(), 0).unwrap();
        prop_assert_eq!(one.batch, two.batch);
    }
}

fn first_of_month(day: i64) -> i64 {
    let epoch = Date::constant(1970, 1, 1);
    let date = epoch.checked_add(jiff::Span::new().days(day)).unwrap();
    days_of(date.first_of_month())
}

fn days_of(date: Date) -> i64 {
    i64::from((date - Date::constant(1970, 1, 1)).get_days())
}

/// By the time zone database, summers included.
fn shanghai_date(us: i64) -> Date {
    let moment = jiff::Timestamp::from_microsecond(us).unwrap();
    TimeZone::get("Asia/Shanghai").unwrap().to_datetime(moment).date()
}

fn midnight_of(us: i64) -> i64 {
    let midnight = shanghai_date(us).at(0, 0, 0, 0);
    let moment = TimeZone::get("Asia/Shanghai").unwrap().to_timestamp(midnight);
    moment.unwrap().as_microsecond()
}

fn rest_replaced(name: &str) -> String {
    let length = name.chars().count();
    if length == 1 {
        return "李".into();
    }
    name.chars()
        .take(1)
        .chain(std::iter::repeat_n('李', length - 1))
        .collect()
}

#[test]
fn a_part_with_other_columns_does_not_pass_the_gate() {
    let plan = plan_of(GRANT);
    let part = batch(&plan, &[]);
    let refused = |part: RecordBatch| {
        let outcome = plan.release(&part, &keys(), 0);
        assert!(matches!(outcome, Err(ReleaseError::Columns)), "{outcome:?}");
    };
    let all: Vec<usize> = (0..part.num_columns()).collect();
    refused(part.project(all.get(1..).unwrap()).unwrap());
    refused(part.project(&all.iter().rev().copied().collect::<Vec<_>>()).unwrap());
    let mut fields: Vec<_> = part.schema().fields().to_vec();
    let mut columns = part.columns().to_vec();
    fields.push(Arc::new(arrow_schema::Field::new("religion", DataType::Utf8, true)));
    columns.push(Arc::new(StringArray::from(Vec::<String>::new())));
    refused(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap());
}

#[test]
fn a_kept_column_is_copied_by_pointer_when_every_row_passes() {
    let plan = plan_of("[[grant]]\nfor = { record = \"health/admission\" }\nkeep = [\"serial\", \"day\"]\n");
    let row: Vec<Cell> = ADMISSION
        .fields
        .iter()
        .map(|field| match field.name {
            "serial" => Cell::Text("1".into()),
            _ => Cell::Null,
        })
        .collect();
    let part = batch(&plan, &[row]);
    let released = plan.release(&part, &keys(), 0).unwrap();
    assert!(
        part.columns()
            .iter()
            .zip(released.batch.columns())
            .all(|(a, b)| Arc::ptr_eq(a, b))
    );
    assert_eq!(released.filtered, 0);
}

#[test]
fn a_pseudonym_is_the_published_one() {
    let grant = GRANT.replace("rows = [", "#");
    let plan = plan_of(&grant);
    let row: Vec<Cell> = ADMISSION
        .fields
        .iter()
        .map(|field| match field.name {
            "citizen_id" => Cell::Text("320706188002290004".into()),
            _ => Cell::Null,
        })
        .collect();
    let released = plan.release(&batch(&plan, &[row]), &keys(), 0).unwrap().batch;
    let column = released.column_by_name("citizen_id").unwrap();
    assert_eq!(column.as_string::<i32>().value(0), "2f645596891ab9ae84dfb7a1308c5643");
}

#[test]
fn wanted_and_output_follow_the_order_of_the_grant() {
    let plan = plan_of(GRANT);
    let names: Vec<&str> = plan.output().iter().map(|column| column.name).collect();
    let order = "serial region count name day month moment village_code amount citizen_id phone note";
    assert_eq!(names.join(" "), order);
    let wanted = order.strip_suffix(" note").unwrap();
    assert_eq!(
        plan.wanted().join(" "),
        wanted,
        "a constant needs no source, a dropped field no column"
    );
    assert!(plan.schema().fields().iter().all(|field| field.is_nullable()));
}

#[test]
fn a_part_with_other_columns_or_more_or_fewer_is_refused() {
    let plan = plan_of(GRANT);
    let part = batch(&plan, &[]);
    let names: Vec<usize> = (0..part.num_columns()).collect();
    let fewer = part.project(&names[1..]).unwrap();
    let mut more = names.clone();
    more.push(0);
    let more = part.project(&more).unwrap();
    let mut turned = names.clone();
    turned.swap(0, 1);
    let turned = part.project(&turned).unwrap();
    assert!(plan.release(&part, &keys(), 0).is_ok());
    for wrong in [fewer, more, turned] {
        assert!(matches!(plan.release(&wrong, &keys(), 0), Err(ReleaseError::Columns)));
    }
}

#[test]
fn a_delete_without_the_field_passes_a_filter_for_its_absence_too() {
    let grant = GRANT
        .replace("prefix = [\"3207\"]", "is = \"null\"")
        .replace(", { field = \"count\", in = [1, 2, 3] }", "");
    let plan = plan_of(&grant);
    let row = vec![Cell::Null; ADMISSION.fields.len()];
    let part = batch(&plan, &[row.clone(), row]);
    let acts: ArrayRef = Arc::new(StringArray::from(vec!["I", "D"]));
    let (released, passed) = plan.release_beside(&part, &acts, &keys(), 0).unwrap();
    assert_eq!((released.batch.num_rows(), released.filtered, passed.len()), (2, 0, 2));
}
