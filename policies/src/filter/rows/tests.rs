//! Inclusion of filters against every value of a small world.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, StringArray};
use shuguan_adapters::code::tables;

use super::super::Kind;
use super::*;

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn starts(list: &[&str]) -> Test {
    Test::Prefix(texts(list))
}

fn one_of(list: &[&str]) -> Test {
    Test::In(texts(list))
}

/// A type, tests on it, and values that tell them apart, null among them.
fn worlds() -> Vec<(FieldType, Vec<Test>, ArrayRef)> {
    let both = || vec![Test::Null, Test::Present];
    let mut on_texts = both();
    on_texts.extend([
        starts(&["a"]),
        starts(&["ab"]),
        starts(&["a", "ab"]),
        starts(&["ab", "b"]),
        starts(&["c"]),
    ]);
    on_texts.extend([
        one_of(&["a"]),
        one_of(&["ab", "b"]),
        one_of(&["ab", "abc"]),
        one_of(&["c", "ca"]),
    ]);
    let named = ["a", "ab", "aba", "abc", "ac", "b", "ba", "c", "ca", "cx", "d"].map(Some);
    let mut on_codes = both();
    on_codes.extend([
        starts(&["1"]),
        starts(&["1", "2"]),
        one_of(&["1"]),
        one_of(&["1", "2"]),
        one_of(&["9"]),
    ]);
    let codes = tables::SEX.rows.iter().map(|row| Some(row.code));
    let mut on_digits = both();
    on_digits.extend([
        starts(&["1"]),
        starts(&["12"]),
        starts(&["12", "13"]),
        starts(&["1", "2"]),
        starts(&["129"]),
    ]);
    on_digits.extend([
        one_of(&["129"]),
        one_of(&["130"]),
        one_of(&["120", "125"]),
        one_of(&["122"]),
        one_of(&["131"]),
    ]);
    let digits: Vec<String> = (0..1000).map(|number| format!("{number:03}")).collect();
    let mut on_numbers = both();
    on_numbers.extend([
        Test::Between(1, 3),
        Test::Between(2, 2),
        Test::Between(2, 5),
        Test::Between(0, 9),
    ]);
    on_numbers.extend([vec![1, 2, 3], vec![1, 3], vec![4, 5], vec![2]].map(Test::InNumbers));
    let numbers = (0..12).map(Some).chain([None]);
    vec![
        (
            FieldType::Name,
            on_texts,
            Arc::new(named.into_iter().chain([None]).collect::<StringArray>()),
        ),
        (
            FieldType::Code(&tables::SEX),
            on_codes,
            Arc::new(codes.chain([None]).collect::<StringArray>()),
        ),
        (
            FieldType::Division(3),
            on_digits,
            Arc::new(
                digits
                    .iter()
                    .map(|text| Some(text.as_str()))
                    .chain([None])
                    .collect::<StringArray>(),
            ),
        ),
        (
            FieldType::Integer(9),
            on_numbers,
            Arc::new(numbers.collect::<Int64Array>()),
        ),
    ]
}

/// No atom, one, and every two.
fn filters(kind: FieldType, tests: &[Test]) -> Vec<Vec<Atom>> {
    let atom = |test: &Test| Atom {
        field: "x",
        kind: Kind(kind),
        test: test.clone(),
    };
    let mut all = vec![Vec::new()];
    all.extend(tests.iter().map(|test| vec![atom(test)]));
    for (at, one) in tests.iter().enumerate() {
        all.extend(tests.iter().skip(at + 1).map(|other| vec![atom(one), atom(other)]));
    }
    all
}

#[test]
fn one_filter_lies_within_another_exactly_when_its_rows_do() {
    for (kind, tests, column) in worlds() {
        let filters = filters(kind, &tests);
        let passing = |filter: &Vec<Atom>| -> Vec<bool> {
            let masks: Vec<_> = filter.iter().map(|atom| atom.rows(&column).unwrap()).collect();
            (0..column.len())
                .map(|row| masks.iter().all(|mask| mask.value(row)))
                .collect()
        };
        let known: Vec<_> = filters
            .iter()
            .map(|filter| (filter, Rows::of(filter), passing(filter)))
            .collect();
        for (one, rows, passes) in &known {
            for (other, there, allowed) in &known {
                let inside = passes.iter().zip(allowed).all(|(here, there)| !here || *there);
                assert_eq!(rows.within(there), inside, "{} {one:?} {other:?}", kind.describe());
            }
        }
    }
}

#[test]
fn a_filter_that_nothing_passes_lies_within_every_other() {
    let atom = |field: &'static str, test: Test| Atom {
        field,
        kind: Kind(FieldType::Name),
        test,
    };
    let nothing = Rows::of(&[atom("x", Test::Null), atom("x", Test::Present)]);
    let begun = Rows::of(&[atom("x", starts(&["a"])), atom("x", starts(&["b"]))]);
    let on_another = Rows::of(&[atom("y", one_of(&["a"]))]);
    let null = Rows::of(&[atom("x", Test::Null)]);
    assert!(nothing.within(&on_another) && begun.within(&on_another));
    assert!(!on_another.within(&nothing) && !null.within(&on_another));
    assert!(!Rows::of(&[]).within(&on_another) && on_another.within(&Rows::of(&[])));
    assert!(!Rows::of(&[]).within(&Rows::of(&[atom("y", Test::Present)])));
    let both = Rows::of(&[atom("x", Test::Present), atom("y", one_of(&["a"]))]);
    assert!(both.within(&on_another) && !on_another.within(&both));
}

#[test]
fn all_codes_under_a_beginning_are_what_begins_with_it() {
    let rows = |kind: FieldType, test: Test| {
        Rows::of(&[Atom {
            field: "x",
            kind: Kind(kind),
            test,
        }])
    };
    let ten: Vec<String> = (0..10).map(|last| format!("32070{last}")).collect();
    let (begun, ten) = (|| starts(&["32070"]), || Test::In(ten.clone()));
    let region = FieldType::Region;
    assert!(rows(region, begun()).within(&rows(region, ten())) && rows(region, ten()).within(&rows(region, begun())));
    // A name may be longer.
    let name = FieldType::Name;
    assert!(!rows(name, begun()).within(&rows(name, ten())) && rows(name, ten()).within(&rows(name, begun())));
}

#[test]
fn two_atoms_are_the_same_only_on_one_type() {
    let kind = |length: u8| Kind(FieldType::Division(length));
    assert!(kind(9) == kind(9) && kind(9) != kind(12) && kind(9) != Kind(FieldType::Region));
}
