#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::path::Path;

use super::{CellFault, FIELDS, Form, GRANTS, Matrix, Sent, Sheet, letters};
use crate::bundle::Bundle;
use crate::operator::Operator;
use crate::set::{Catalogue, PolicySet};

fn example() -> Bundle {
    Bundle::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("example")).unwrap()
}

fn sheets(bundle: &Bundle) -> Matrix {
    Matrix::of(bundle, &Catalogue::of_adapters()).unwrap()
}

/// As a program for sheets gives it back.
fn sent(matrix: &Matrix) -> Vec<Sent> {
    [&matrix.agreements, &matrix.grants, &matrix.fields]
        .map(|sheet| {
            let heading = |text: fn(&super::Column) -> &'static str| {
                sheet.columns.iter().map(|column| text(column).to_owned()).collect()
            };
            let mut lines = vec![heading(|column| column.zh), heading(|column| column.key)];
            lines.extend(sheet.rows.iter().cloned());
            (sheet.name.to_owned(), lines)
        })
        .into()
}

/// The bundle with other agreements.
fn with(bundle: &Bundle, agreements: Vec<(String, String)>) -> PolicySet {
    let others = bundle
        .texts()
        .iter()
        .filter(|(name, _)| !name.starts_with("agreements/"));
    PolicySet::from_texts(others.cloned().chain(agreements).collect()).unwrap()
}

fn place(sheet: &Sheet, key: &str) -> usize {
    sheet.columns.iter().position(|column| column.key == key).unwrap()
}

fn faults(lines: &[Sent]) -> Vec<String> {
    let found = Matrix::found(lines).and_then(|matrix| matrix.texts());
    found.unwrap_err().iter().map(CellFault::to_string).collect()
}

/// Changes one cell of the sheet of fields: of the first grant that has this field.
fn edited(matrix: &Matrix, field: &str, operator: &str) -> Matrix {
    let mut matrix = matrix.clone();
    let (field_at, operator_at) = (place(&matrix.fields, "field"), place(&matrix.fields, "operator"));
    let row = matrix
        .fields
        .rows
        .iter_mut()
        .find(|row| row[field_at] == field && !row[operator_at].is_empty())
        .unwrap();
    row[operator_at] = operator.to_owned();
    matrix
}

#[test]
fn the_example_bundle_means_the_same_after_it_went_through_the_sheets() {
    let bundle = example();
    let matrix = sheets(&bundle);
    assert!(matrix.comments > 10);
    let again = Matrix::found(&sent(&matrix)).unwrap().texts().unwrap();
    assert_eq!(with(&bundle, again).hash(), bundle.compile().unwrap().hash());
}

#[test]
fn every_operator_has_a_cell_that_is_read_back_as_itself() {
    for (name, given) in [
        ("keep", ""),
        ("drop", ", why = \"(不需要)\""),
        ("constant", ", value = \"、\\\"(\""),
        ("exists", ""),
        ("equal", ", normalise = \"name\""),
        ("bucket", ", edges = [1, 2]"),
        ("round", ", step = 100"),
        ("age_band", ", width = 5, cap = 90"),
        ("date", ", to = \"month\""),
        ("region", ", to = \"county\""),
        ("address", ", to = \"town\", code = \"town_code\""),
        ("sex_of", ""),
        ("birth_of", ", to = \"year\""),
        ("mask", ", first = 1, char = \"＊\""),
        ("pseudonym", ", key = \"k\""),
        ("date_shift", ", days = 3, subject = \"s\", key = \"k\""),
        ("token", ", kind = \"id18\", key = \"k\""),
        ("map", ", list = { \"1\" = \"2\" }, default = \"9\""),
    ] {
        assert!(Operator::NAMES.contains(&name));
        let value: toml::Value = format!("{{ op = \"{name}\"{given} }}").parse().unwrap();
        let cell = Form::Operator.cell(&value).unwrap();
        assert_eq!(Form::Operator.value(&cell), Ok(value), "{cell}");
        assert!(!cell.contains("op ="), "{cell}");
    }
}

#[test]
fn a_cell_that_is_emptied_takes_the_field_out_of_the_grant() {
    let bundle = example();
    let texts = edited(&sheets(&bundle), "ethnicity", "").texts().unwrap();
    let others = bundle
        .texts()
        .iter()
        .filter(|(name, _)| !name.starts_with("agreements/"));
    let new = Bundle::of(others.cloned().chain(texts).collect(), None).unwrap();
    // The bundle's own test of that grant fails now.
    assert!(new.compile().is_err());
    let diff = bundle.compile().unwrap().diff(&new.compile_untested().unwrap());
    assert!(!diff.widens(), "{diff:?}");
    assert_eq!(diff.changes.len(), 1);
}

#[test]
fn columns_may_move_and_words_may_be_those_of_the_files() {
    let matrix = edited(&sheets(&example()), "former_name", "mask(first = 1)");
    let mut moved = sent(&matrix);
    for line in &mut moved[2].1 {
        line.reverse();
    }
    moved.insert(0, ("总览".into(), vec![vec!["x".into()]]));
    let texts = Matrix::found(&moved).unwrap().texts().unwrap();
    assert!(
        texts
            .iter()
            .any(|(_, text)| text.contains("reduce.former_name = { first = 1, op = \"mask\" }"))
    );
}

#[test]
fn an_operator_that_is_none_names_its_cell_and_the_nearest_word() {
    let faults = faults(&sent(&edited(&sheets(&example()), "former_name", "掩盖(first = 1)")));
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with("数据项!H"), "{faults:?}");
    assert!(faults[0].contains("no such operator"), "{faults:?}");
    for wrong in [
        "掩码(first = 1",
        "掩码(first)",
        "掩码(op = \"keep\")",
        "掩码(first = 1) }\nx = {",
    ] {
        assert!(Form::Operator.value(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_would_be_lost_on_the_way_back_is_refused() {
    let good = sheets(&example());
    let lost = |change: &dyn Fn(&mut Vec<Sent>)| {
        let mut lines = sent(&good);
        change(&mut lines);
        faults(&lines).join("\n")
    };
    assert!(lost(&|lines| drop(lines.remove(1))).contains("授权: there must be one sheet"));
    assert!(lost(&|lines| lines.push(lines[0].clone())).contains("协议: there must be one sheet"));
    assert!(lost(&|lines| lines[1].1[1][4] = "for.recrod".into()).contains("did you mean `for.record`?"));
    assert!(lost(&|lines| lines[1].1[1][4] = "id".into()).contains("there twice"));
    assert!(lost(&|lines| lines[0].1[2].push("x".into())).contains("no heading over this cell"));
    assert!(lost(&|lines| lines[0].1[3][0] = lines[0].1[2][0].clone()).contains("has an agreement already"));
    assert!(lost(&|lines| lines[1].1[2][0] = "nowhere".into()).contains("no agreement has this file"));
    assert!(lost(&|lines| lines[1].1[3][1] = "1".into()).contains("a grant of this number already"));
    assert!(lost(&|lines| lines[2].1[2][1] = "99".into()).contains("no grant has this file and number"));
    assert!(lost(&|lines| lines[2].1[3][4] = lines[2].1[2][4].clone()).contains("has the field already"));
    assert!(lost(&|lines| lines[2].1[2][4] = String::new()).contains("an operator without a field"));
    assert!(lost(&|lines| lines[0].1[2][9] = "2026-13-01".into()).contains("协议!J3: a moment"));
    assert!(lost(&|lines| lines[1].1[2][19] = "viele".into()).contains("a whole number"));
}

#[test]
fn what_a_sheet_cannot_hold_is_named_when_it_is_written() {
    let broken = |from: &str, to: &str| {
        let mut texts = example().texts().to_vec();
        let file = texts
            .iter_mut()
            .find(|(name, _)| name == "agreements/registry.toml")
            .unwrap();
        assert!(file.1.contains(from));
        file.1 = file.1.replace(from, to);
        let faults = Matrix::of(&Bundle::of(texts, None).unwrap(), &Catalogue::of_adapters()).unwrap_err();
        faults.iter().map(ToString::to_string).collect::<String>()
    };
    assert!(broken("\"si-74\"", "\"si、74\"").contains("`basis.articles`"));
    assert!(broken("PIA-2026-06", " PIA").contains("`impact_assessment`"));
    assert!(broken("format = 1", "format = 1\nword = 2").contains("`word`"));
    assert!(broken("format = 1", "format = ").contains("no TOML"));
    assert!(broken("rows_per_pull", "rows_per_week").contains("`limits`"));
}

#[test]
fn columns_have_letters_as_programs_show_them() {
    assert_eq!(
        [0, 25, 26, 51, 52, 701, 702].map(letters),
        ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]
    );
    assert_eq!((FIELDS.len(), GRANTS.len()), (8, 32));
}
