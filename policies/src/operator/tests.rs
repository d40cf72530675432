#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use arrow_array::{Array, Date32Array, Int64Array};
use proptest::prelude::*;

use super::*;

mod exact;
mod fields;
mod table;

fn mask_of(first: u16, last: u16, value: &str) -> String {
    let mask = Mask {
        first,
        last,
        cover: '＊',
        keep_length: true,
    };
    let out = mask.apply(&StringArray::from(vec![value]));
    out.as_string::<i32>().value(0).to_owned()
}

#[test]
fn a_mask_always_covers_at_least_one_character() {
    assert_eq!(mask_of(1, 0, "张三丰"), "张＊＊");
    assert_eq!(mask_of(1, 1, "张三"), "张＊");
    assert_eq!(mask_of(1, 0, "张"), "＊");
    assert_eq!(mask_of(9, 9, "𠮷·三"), "𠮷·＊");
    assert_eq!(mask_of(3, 4, "13800000000"), "138＊＊＊＊0000");
    assert_eq!(mask_of(1, 0, ""), "");
}

#[test]
fn buckets_are_half_open() {
    let bucket = Bucket::new(vec![0, 10]).unwrap();
    let out = bucket.apply_integers(&Int64Array::from(vec![Some(-1), Some(0), Some(9), Some(10), None]));
    let labels: Vec<_> = out.as_string::<i32>().iter().collect();
    assert_eq!(labels, [Some("<0"), Some("[0,10)"), Some("[0,10)"), Some(">=10"), None]);
    assert!(Bucket::new(vec![]).is_none());
    assert!(Bucket::new(vec![1, 1]).is_none());
}

#[test]
fn an_identifier_is_never_masked_and_a_code_never_pseudonymous() {
    let mask = Operator::Mask(Mask {
        first: 6,
        last: 4,
        cover: '*',
        keep_length: true,
    });
    for kind in [
        FieldType::CitizenId,
        FieldType::Uscc,
        FieldType::DocumentNo(30),
        FieldType::TaxpayerId,
    ] {
        assert!(mask.fits(&kind).is_err(), "{}", kind.describe());
    }
    assert!(mask.fits(&FieldType::Name).is_ok());
    assert!(pseudonym::fits(&FieldType::Region).is_err());
    assert!(pseudonym::fits(&FieldType::Date).is_err());
    assert!(pseudonym::fits(&FieldType::CitizenId).is_ok());
    assert!(Operator::Date(DateTo::Day).fits(&FieldType::Month).is_err());
    assert!(Operator::Region(RegionTo::City).fits(&FieldType::Name).is_err());
}

proptest! {
    #[test]
    fn a_mask_keeps_the_length_and_shows_no_other_character(value in "[张王李𠮷a-z0-9]{0,12}", first in 0_u16..14, last in 0_u16..14) {
        let masked = mask_of(first, last, &value);
        prop_assert_eq!(masked.chars().count(), value.chars().count());
        let shown = masked.chars().zip(value.chars()).filter(|(out, _)| *out != '＊');
        prop_assert!(shown.clone().all(|(out, own)| out == own));
        let most = value.chars().count().saturating_sub(1);
        prop_assert_eq!(shown.count(), usize::from(first + last).min(most));
    }

    #[test]
    fn a_coarser_date_is_a_function_of_the_finer_one(days in prop::collection::vec(prop::option::of(-60_000_i32..60_000), 0..50)) {
        let column = Date32Array::from(days);
        let year = DateTo::Year.apply_days(&column);
        let month = DateTo::Month.apply_days(&column);
        prop_assert_eq!(&DateTo::Year.apply_months(month.as_string::<i32>()).to_data(), &year.to_data());
        let day = DateTo::Day.apply_days(&column);
        prop_assert_eq!(&DateTo::Month.apply_days(day.as_primitive::<Date32Type>()).to_data(), &month.to_data());
    }

    #[test]
    fn a_coarser_region_is_a_prefix_of_the_finer_one(codes in prop::collection::vec(prop::option::of("[0-9]{12}"), 0..50)) {
        let column = StringArray::from(codes);
        let county = RegionTo::County.apply(&column);
        let city = RegionTo::City.apply(county.as_string::<i32>());
        prop_assert_eq!(&city.to_data(), &RegionTo::City.apply(&column).to_data());
        prop_assert_eq!(city.null_count(), column.null_count());
    }

    #[test]
    fn a_number_lies_inside_the_bucket_that_its_label_names(value in -100_i64..100, edges in prop::collection::btree_set(-90_i64..90, 1..6)) {
        let edges: Vec<i64> = edges.into_iter().collect();
        let bucket = Bucket::new(edges.clone()).unwrap();
        let label = bucket.apply_integers(&Int64Array::from(vec![value])).as_string::<i32>().value(0).to_owned();
        let below = edges.iter().filter(|edge| **edge <= value).count();
        let expected = match (below.checked_sub(1).and_then(|at| edges.get(at)), edges.get(below)) {
            (None, Some(to)) => format!("<{to}"),
            (Some(from), Some(to)) => format!("[{from},{to})"),
            (Some(from), None) => format!(">={from}"),
            (None, None) => String::new(),
        };
        prop_assert_eq!(label, expected);
        let decimal = bucket.apply_decimals(&StringArray::from(vec![format!("{value}.00")])).unwrap();
        let whole = bucket.apply_integers(&Int64Array::from(vec![value]));
        prop_assert_eq!(&decimal.to_data(), &whole.to_data());
    }

    #[test]
    fn exists_copies_the_validity_and_nothing_else(values in prop::collection::vec(prop::option::of("[a-z]{0,3}"), 0..70), from in 0_usize..70) {
        let column: ArrayRef = Arc::new(StringArray::from(values.clone()));
        let from = from.min(values.len());
        let out = exists::apply(column.slice(from, values.len() - from).as_ref());
        let flags: Vec<bool> = out.as_boolean().iter().flatten().collect();
        let expected: Vec<bool> = values.iter().skip(from).map(Option::is_some).collect();
        prop_assert_eq!(flags, expected);
    }
}
