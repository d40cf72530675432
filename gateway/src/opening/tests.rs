#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod extract;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use proptest::prelude::*;
use serde_json::Value;
use shuguan_ledger::leaf::{Commitment, Digest, PushEvent};
use uuid::Uuid;

use super::{Digests, Opening, OpeningFault, Standing, values};
use crate::journal::{ColumnDigests, Evidence, opening_of};

const EXCHANGE: Uuid = Uuid::from_u128(7);

/// Rows as columns of each kind.
fn batch(rows: &[(Option<String>, i64, bool, i32)]) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("count", DataType::Int64, true),
        Field::new("alive", DataType::Boolean, true),
        Field::new("born", DataType::Date32, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.0.clone()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| Some(row.1)).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| Some(row.2)).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|row| Some(row.3)).collect::<Date32Array>()),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

/// What a gateway would have sealed, and its opening with every value in it.
fn sealed(parts: &[RecordBatch]) -> (PushEvent, Opening) {
    let mut digests = ColumnDigests::new(&parts[0].schema()).unwrap();
    for part in parts {
        digests.push(part).unwrap();
    }
    let mut evidence = Evidence::fresh().unwrap();
    let cols = digests.commit(&mut evidence);
    evidence.note_plan(["name", "count", "alive", "born"].into_iter(), vec!["keep".into(); 4]);
    let mut opening = opening_of(EXCHANGE, &evidence.encode()).unwrap();
    for (place, column) in opening.columns.iter_mut().enumerate() {
        column.values = Some(parts.iter().map(|part| values::json(part.column(place))).collect());
    }
    let leaf = PushEvent {
        x: EXCHANGE.to_string(),
        p: "a".into(),
        cert: Digest([0; 32]),
        rec: "r".into(),
        pur: "p".into(),
        agr: "g".into(),
        plan: Digest([0; 32]),
        bun: Digest([0; 32]),
        fmt: "csv+utf8".into(),
        r#in: 0,
        ok: 0,
        rej: 0,
        fil: 0,
        rep: 0,
        bytes: 0,
        cols: Digest(cols),
        nc: 4,
        req: Commitment([0; 32]),
        mode: None,
        sco: None,
        cnt: None,
        lay: None,
        con: None,
        qua: None,
        ix: None,
    };
    (leaf, opening)
}

/// The leaf of a small push and its opening with every value in it.
pub(crate) fn sealed_columns() -> (PushEvent, Opening) {
    sealed(&[batch(&[
        (Some("甲".into()), 1, true, -40_000),
        (None, 2, false, -39_000),
    ])])
}

fn judged(leaf: &PushEvent, opening: &Opening) -> Result<Vec<Standing>, OpeningFault> {
    opening.judge(leaf, &Digests::new())
}

/// Neither accepted nor proved: an error, or a column that differs.
fn rejected(leaf: &PushEvent, opening: &Opening) -> bool {
    judged(leaf, opening).is_ok_and(|standings| standings.contains(&Standing::Differs))
        || judged(leaf, opening).is_err()
}

type Row = (Option<String>, i64, bool, i32);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        proptest::option::of("[甲乙丙a-c]{0,4}"),
        any::<i64>(),
        any::<bool>(),
        -60_000_i32..60_000,
    );
    proptest::collection::vec(row, 2..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_columns_can_be_withheld_and_the_others_stay_proved(rows in rows(), cut in any::<prop::sample::Index>()) {
        let whole = batch(&rows);
        let cut = 1 + cut.index(rows.len() - 1);
        let (leaf, opening) = sealed(&[whole.slice(0, cut), whole.slice(cut, rows.len() - cut)]);
        for mask in 0..16_u32 {
            let shown: Vec<String> = (0..4).filter(|place| mask >> place & 1 == 0).map(|place| opening.columns[place].name.clone()).collect();
            let package = opening.disclosing(&shown, &BTreeMap::new());
            let text = serde_json::to_string(&package).unwrap();
            let package: Opening = serde_json::from_str(&text).unwrap();
            let standings = judged(&leaf, &package).unwrap();
            for (place, standing) in standings.iter().enumerate() {
                let expected = if mask >> place & 1 == 1 { Standing::Withheld } else { Standing::Proved };
                prop_assert_eq!(*standing, expected);
            }
            // What is withheld is not in the package at all.
            if mask & 1 == 1 {
                prop_assert!(package.columns[0].salt.is_none() && package.columns[0].values.is_none());
            }
        }
    }

    #[test]
    fn a_changed_value_row_or_border_is_rejected(rows in rows(), cut in any::<prop::sample::Index>(), column in 0_usize..4, row in any::<prop::sample::Index>()) {
        let whole = batch(&rows);
        let cut = 1 + cut.index(rows.len() - 1);
        let (leaf, opening) = sealed(&[whole.slice(0, cut), whole.slice(cut, rows.len() - cut)]);
        let with = |change: &dyn Fn(&mut Vec<Vec<Value>>)| {
            let mut changed = opening.clone();
            change(changed.columns[column].values.as_mut().unwrap());
            changed
        };
        let place = row.index(cut);
        let valued = with(&|parts| {
            let value = &mut parts[0][place];
            *value = match value {
                Value::Null => "x".into(),
                Value::String(text) if column == 3 => if text == "1801-02-03" { "1801-02-04" } else { "1801-02-03" }.into(),
                Value::String(text) => format!("{text}x").into(),
                Value::Number(number) => (number.as_i64().unwrap() ^ 1).into(),
                Value::Bool(value) => (!*value).into(),
                _ => Value::Null,
            };
        });
        prop_assert!(rejected(&leaf, &valued));
        prop_assert!(rejected(&leaf, &with(&|parts| parts[0][place] = Value::Null)) || opening.columns[column].values.as_ref().unwrap()[0][place].is_null());
        let moved = with(&|parts| {
            let value = parts[0].pop().unwrap();
            parts[1].insert(0, value);
        });
        prop_assert!(rejected(&leaf, &moved));
        let joined = with(&|parts| {
            let second = parts.pop().unwrap();
            parts[0].extend(second);
        });
        prop_assert!(rejected(&leaf, &joined));
        let turned = with(&|parts| parts[0].reverse());
        prop_assert_eq!(rejected(&leaf, &turned), turned != opening);
        let shorter = with(&|parts| drop(parts[1].pop()));
        prop_assert!(rejected(&leaf, &shorter));
    }

    #[test]
    fn a_changed_salt_commitment_name_type_or_order_is_rejected(rows in rows(), column in 0_usize..4, other in 0_usize..4, place in 0_usize..64) {
        let (leaf, opening) = sealed(&[batch(&rows)]);
        let with = |change: &dyn Fn(&mut Opening)| {
            let mut changed = opening.clone();
            change(&mut changed);
            changed
        };
        let flip = |text: &mut String| {
            let digit = if text.as_bytes()[place] == b'0' { "1" } else { "0" };
            text.replace_range(place..=place, digit);
        };
        prop_assert!(rejected(&leaf, &with(&|opening| flip(opening.columns[column].salt.as_mut().unwrap()))));
        prop_assert!(rejected(&leaf, &with(&|opening| flip(&mut opening.columns[column].commitment))));
        prop_assert!(rejected(&leaf, &with(&|opening| opening.columns[column].name.push('s'))));
        prop_assert!(rejected(&leaf, &with(&|opening| opening.columns[column].r#type = "ts".into())));
        prop_assert_eq!(rejected(&leaf, &with(&|opening| opening.columns.swap(column, other))), column != other);
        let fewer = with(&|opening| drop(opening.columns.remove(column)));
        prop_assert!(rejected(&leaf, &fewer));
        prop_assert!(rejected(&leaf, &with(&|opening| opening.exchange = Uuid::from_u128(8))));
        prop_assert!(rejected(&leaf, &with(&|opening| opening.schema.push('2'))));
        prop_assert!(rejected(&leaf, &with(&|opening| opening.columns[column].commitment.make_ascii_uppercase()))
            || opening.columns[column].commitment.bytes().all(|byte| byte.is_ascii_digit()));
    }
}

#[test]
fn values_beside_which_no_salt_stands_are_refused_and_their_column_is_named() {
    let (leaf, opening) = sealed_columns();
    let package = opening.disclosing(&["name".into()], &BTreeMap::new());
    assert_eq!(judged(&leaf, &package).unwrap()[1], Standing::Withheld);
    for values in [
        opening.columns[1].values.clone(),
        Some(vec![vec![9.into()]]),
        Some(vec![]),
    ] {
        let mut forged = package.clone();
        forged.columns[1].values = values;
        assert!(matches!(judged(&leaf, &forged), Err(OpeningFault::Unsalted(column)) if column == "count"));
    }
    let mut unsalted = opening.clone();
    unsalted.columns[3].salt = None;
    assert!(matches!(judged(&leaf, &unsalted), Err(OpeningFault::Unsalted(column)) if column == "born"));
}
