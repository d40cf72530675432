//! Tables over all operators: what each fits, what it is called, what of it is hashed, what it reads beside its column.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Date32Array, Int64Array};
use shuguan_adapters::code::tables;

use super::super::*;
use super::fields::{apply, key};
use crate::key::{Algorithm, Domain};
use address::Level;
use token::TokenKind;

/// Every field type once.
const TYPES: [FieldType; 18] = [
    FieldType::CitizenId,
    FieldType::Uscc,
    FieldType::OrgCode,
    FieldType::RegNo,
    FieldType::TaxpayerId,
    FieldType::DocumentNo(30),
    FieldType::Name,
    FieldType::Text(20),
    FieldType::Phone,
    FieldType::Code(&tables::SEX),
    FieldType::Region,
    FieldType::Division(9),
    FieldType::Division(12),
    FieldType::Date,
    FieldType::Month,
    FieldType::Instant,
    FieldType::Integer(9),
    FieldType::Decimal(0),
];

fn mask(first: u16, last: u16, cover: char, keep_length: bool) -> Operator {
    Operator::Mask(Mask {
        first,
        last,
        cover,
        keep_length,
    })
}

fn hmac() -> Arc<Key> {
    key("k", Algorithm::Hmac, "p", "q")
}

fn pseudonym(bytes: u8) -> Operator {
    Operator::Pseudonym(Pseudonym { key: hmac(), bytes })
}

fn shift(days: u16, subject: &str) -> Operator {
    Operator::DateShift(DateShift {
        days,
        key: hmac(),
        subject: subject.into(),
    })
}

fn token(kind: TokenKind, algorithm: Algorithm) -> Operator {
    Operator::Token(Token {
        kind,
        key: key("t", algorithm, "p", "q"),
    })
}

fn address(to: Level, code: &str) -> Operator {
    Operator::Address(Address { to, code: code.into() })
}

fn band(width: u16, cap: u16) -> Operator {
    Operator::AgeBand(AgeBand::new(width, cap).unwrap())
}

fn bucket(edges: &[i64]) -> Operator {
    Operator::Bucket(Bucket::new(edges.to_vec()).unwrap())
}

fn map(list: &[(&str, &str)], default: Option<&str>) -> Operator {
    let list: BTreeMap<String, String> = list.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
    Operator::Map(Map {
        list,
        default: default.map(str::to_owned),
    })
}

/// Each operator, in each of its shapes: its word, what people are shown, and the column that it makes of each of [`TYPES`]: `t`ext, `d`ay,
/// moment (`m`), `n`umber, `b`oolean; `.` where it does not fit.
#[expect(clippy::too_many_lines, reason = "a table")]
fn table() -> Vec<(Operator, &'static str, &'static str, &'static str)> {
    vec![
        (Operator::Keep, "keep", "keep", "tttttttttttttdtmnt"),
        (Operator::Drop, "drop", "drop", "tttttttttttttttttt"),
        (
            Operator::Constant("无".into()),
            "constant",
            "constant \"无\"",
            "tttttttttttttttttt",
        ),
        (Operator::Exists, "exists", "exists", "bbbbbbbbbbbbbbbbbb"),
        (
            Operator::Equal(Equal::None),
            "equal",
            "equal normalise=none",
            "tttttttttttttttttt",
        ),
        (
            Operator::Equal(Equal::Name),
            "equal",
            "equal normalise=name",
            "ttttttttttttt.t..t",
        ),
        (
            Operator::Equal(Equal::Id),
            "equal",
            "equal normalise=id",
            "ttttttttttttt.t..t",
        ),
        (
            bucket(&[10, 100]),
            "bucket",
            "bucket edges=10,100",
            "................tt",
        ),
        (
            Operator::Round(Round { step: 10 }),
            "round",
            "round step=10",
            "................nt",
        ),
        (
            Operator::Round(Round { step: 2 }),
            "round",
            "round step=2",
            "................nt",
        ),
        (
            Operator::Round(Round { step: 1 }),
            "round",
            "round step=1",
            "..................",
        ),
        (
            band(10, 80),
            "age_band",
            "age_band width=10 cap=80",
            ".............t....",
        ),
        (
            Operator::Date(DateTo::Year),
            "date",
            "date to year",
            ".............ttt..",
        ),
        (
            Operator::Date(DateTo::Quarter),
            "date",
            "date to quarter",
            ".............ttt..",
        ),
        (
            Operator::Date(DateTo::Month),
            "date",
            "date to month",
            ".............ttt..",
        ),
        (Operator::Date(DateTo::Day), "date", "date to day", ".............d.d.."),
        (
            Operator::Region(RegionTo::Province),
            "region",
            "region to province",
            "t.........ttt.....",
        ),
        (
            Operator::Region(RegionTo::City),
            "region",
            "region to city",
            "t.........ttt.....",
        ),
        (
            Operator::Region(RegionTo::County),
            "region",
            "region to county",
            "t.........ttt.....",
        ),
        (
            Operator::Region(RegionTo::Town),
            "region",
            "region to town",
            "...........tt.....",
        ),
        (
            address(Level::County, "c"),
            "address",
            "address to county by c",
            ".......t..........",
        ),
        (
            address(Level::Town, "c"),
            "address",
            "address to town by c",
            ".......t..........",
        ),
        (
            address(Level::Village, "c"),
            "address",
            "address to village by c",
            ".......t..........",
        ),
        (Operator::SexOf, "sex_of", "sex_of", "t................."),
        (
            Operator::BirthOf(DateTo::Year),
            "birth_of",
            "birth_of to year",
            "t.................",
        ),
        (
            Operator::BirthOf(DateTo::Day),
            "birth_of",
            "birth_of to day",
            "d.................",
        ),
        (
            mask(1, 2, '*', true),
            "mask",
            "mask first=1 last=2 char=*",
            "......ttt.........",
        ),
        (
            mask(1, 2, '*', false),
            "mask",
            "mask first=1 last=2 char=* keep_length=false",
            "......ttt.........",
        ),
        (pseudonym(16), "pseudonym", "pseudonym key k", "ttttttttt........."),
        (
            pseudonym(17),
            "pseudonym",
            "pseudonym key k bytes=17",
            "ttttttttt.........",
        ),
        (
            shift(5, "s"),
            "date_shift",
            "date_shift days=5 subject=s key k",
            ".............d....",
        ),
        (
            token(TokenKind::Id18, Algorithm::TokenId18),
            "token",
            "token kind=id18 key t",
            "t.................",
        ),
        (
            token(TokenKind::Digits, Algorithm::TokenDigits),
            "token",
            "token kind=digits key t",
            "...t....t.........",
        ),
        (
            map(&[("1", "男")], Some("其他")),
            "map",
            "map 1→男 *→其他",
            ".........t........",
        ),
        (
            map(&[("1", "男"), ("2", "女")], None),
            "map",
            "map 1→男 2→女",
            "..................",
        ),
    ]
}

#[test]
fn an_operator_fits_the_types_of_its_row_and_no_other() {
    let sign = |fits: &Result<DataType, String>| match fits {
        Ok(DataType::Utf8) => 't',
        Ok(DataType::Date32) => 'd',
        Ok(DataType::Timestamp(..)) => 'm',
        Ok(DataType::Int64) => 'n',
        Ok(DataType::Boolean) => 'b',
        Ok(other) => unreachable!("{other}"),
        Err(why) => {
            assert!(!why.is_empty());
            '.'
        }
    };
    for (operator, _, described, row) in table() {
        let found: String = TYPES.iter().map(|kind| sign(&operator.fits(kind))).collect();
        assert_eq!(found, row, "{described}");
    }
    let why = Operator::Date(DateTo::Day).fits(&FieldType::Month).unwrap_err();
    assert_eq!(why, "a month has no day");
    // With decimals a step of one is a reduction.
    assert!(Operator::Round(Round { step: 1 }).fits(&FieldType::Decimal(2)).is_ok());
}

#[test]
fn an_operator_is_shown_with_its_arguments_under_the_word_of_the_agreements() {
    for (operator, name, described, _) in table() {
        assert_eq!((operator.name(), operator.describe().as_str()), (name, described));
    }
    let mut names: Vec<&str> = table().iter().map(|(_, name, _, _)| *name).collect();
    names.dedup();
    assert_eq!(names, Operator::NAMES);
}

#[test]
fn every_argument_of_an_operator_is_in_its_canonical_bytes() {
    let other_key = |change: fn(&mut Key)| {
        let mut key = Key::clone(&hmac());
        change(&mut key);
        Operator::Pseudonym(Pseudonym {
            key: Arc::new(key),
            bytes: 16,
        })
    };
    let mut all: Vec<Operator> = table().into_iter().map(|(operator, ..)| operator).collect();
    all.extend([
        Operator::Constant("有".into()),
        Operator::BirthOf(DateTo::Month),
        bucket(&[10]),
        bucket(&[10, 101]),
        band(10, 90),
        band(20, 80),
        address(Level::County, "d"),
        mask(2, 2, '*', true),
        mask(1, 1, '*', true),
        mask(1, 2, '＊', true),
        shift(6, "s"),
        shift(5, "r"),
        map(&[("1", "女")], Some("其他")),
        map(&[("2", "男")], Some("其他")),
        map(&[("1", "男")], Some("女")),
        map(&[("1", "男")], None),
        other_key(|key| key.id.push('x')),
        other_key(|key| key.epoch = 2),
        other_key(|key| key.partner.push('x')),
        other_key(|key| key.purpose.push('x')),
        other_key(|key| key.domain = Domain::Unit),
    ]);
    let hash = |operator: &Operator| {
        let mut out = Canonical::new("test");
        operator.encode(&mut out);
        out.hash()
    };
    let mut hashes: BTreeMap<[u8; 32], String> = BTreeMap::new();
    for operator in &all {
        if let Some(other) = hashes.insert(hash(operator), operator.describe()) {
            unreachable!("the same bytes: {other} and {}", operator.describe());
        }
    }
}

#[test]
fn what_an_operator_reads_beside_its_column_is_what_its_row_says() {
    for (operator, name, described, _) in table() {
        let key = match name {
            "pseudonym" | "date_shift" => Some("k"),
            "token" => Some("t"),
            _ => None,
        };
        assert_eq!(operator.key().map(|key| key.id.as_str()), key, "{described}");
        let companion = match name {
            "address" => Some("c"),
            "date_shift" => Some("s"),
            _ => None,
        };
        assert_eq!(operator.companion(), companion, "{described}");
        assert_eq!(
            operator.reads_source(),
            !matches!(name, "drop" | "constant"),
            "{described}"
        );
    }
}

/// A column of another type than the plan was compiled for is a fault of ours and names its field.
#[test]
fn a_column_of_another_type_is_refused_by_every_operator_that_reads_it() {
    let flags: ArrayRef = Arc::new(arrow_array::BooleanArray::from(vec![true]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let days: ArrayRef = Arc::new(Date32Array::from(vec![1]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    for (operator, name, described, _) in table() {
        let outcome = apply(&operator, Arc::clone(&flags), Some(Arc::clone(&texts)));
        if matches!(name, "constant" | "exists") {
            assert!(outcome.is_ok(), "{described}");
            continue;
        }
        assert!(
            matches!(outcome, Err(ReleaseError::IllTyped { field: "x" })),
            "{described}"
        );
        let beside = match name {
            "address" => apply(&operator, Arc::clone(&texts), Some(Arc::clone(&numbers))),
            "date_shift" => apply(&operator, Arc::clone(&days), Some(Arc::clone(&numbers))),
            _ => continue,
        };
        assert!(
            matches!(beside, Err(ReleaseError::IllTyped { field: "x" })),
            "{described}"
        );
    }
    for operator in [bucket(&[1]), Operator::Round(Round { step: 2 })] {
        let outcome = apply(&operator, Arc::clone(&texts), None);
        assert!(
            matches!(outcome, Err(ReleaseError::IllTyped { field: "x" })),
            "no number"
        );
    }
}
