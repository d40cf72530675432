//! `who_can` beside brute force: over a small world of persons, what really follows from what a grant releases.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Date32Array, RecordBatch, StringArray};
use jiff::civil::Date;
use shuguan_adapters::catalogue::FieldType;
use shuguan_adapters::value::citizen_id::check_character;

use super::*;
use crate::disclosure::within;
use crate::fixture::{PARTNERS, keys};
use crate::operator::date::DateTo;
use crate::operator::region::RegionTo;
use crate::operator::{Beside, Operator};
use crate::plan::Plan;

const PURPOSES: &str = "format = 1\npurpose = [{ code = \"p\", zh = \"用途\", bases = [\"b\"], allow = [\"push/feed\", \"pull/extract\"] }]\n";
const HEADER: &str = "format = 1\nconsumer = \"information-centre\"\nimpact_assessment = \"P\"\nbasis = { kind = \"b\", articles = [\"op-8\"], document = \"函\" }\nvalid = { from = 2026-01-01T00:00:00+08:00, until = 2026-12-31T23:59:59+08:00 }\n";
const FEED: &str = "[[grant]]\nfor = { record = \"public-security/resident\", purpose = \"p\", direction = \"push\", mode = \"feed\" }\nschema = 1\nnecessity = \"n\"\nkeep = [\"citizen_id\", \"name\", \"sex\", \"birth_date\", \"hukou_region\", \"town_code\", \"village_code\"]\n";

/// What a grant may do with each field: nothing, or one of these.
const CHOICES: &[(&str, &[&str])] = &[
    (
        "citizen_id",
        &[
            "",
            "keep",
            "birth_of year",
            "birth_of month",
            "sex_of",
            "region city",
            "region county",
            "exists",
        ],
    ),
    ("birth_date", &["", "keep", "date year", "date month"]),
    ("sex", &["", "keep"]),
    (
        "village_code",
        &["", "keep", "region city", "region county", "region town"],
    ),
    ("town_code", &["", "keep", "region county"]),
    ("hukou_region", &["", "keep", "region city"]),
];

fn grant(choices: &[&str]) -> String {
    let mut keep = vec!["\"name\"".to_owned()];
    let mut reduced: Vec<String> = Vec::new();
    for ((field, _), choice) in CHOICES.iter().zip(choices) {
        match choice.split_once(' ') {
            None if *choice == "keep" => keep.push(format!("\"{field}\"")),
            None if choice.is_empty() => {}
            None => reduced.push(format!("reduce.{field} = {{ op = \"{choice}\" }}\n")),
            Some((op, to)) => reduced.push(format!("reduce.{field} = {{ op = \"{op}\", to = \"{to}\" }}\n")),
        }
    }
    let reduce = reduced.concat();
    format!(
        "{HEADER}agreement = \"B\"\n[[grant]]\nid = \"g\"\nfor = {{ partner = \"information-centre\", dataset = \"population\", purpose = \"p\", direction = \"pull\", mode = \"extract\" }}\nschema = 1\nnecessity = \"n\"\nkeep = [{}]\n{reduce}",
        keep.join(", ")
    )
}

fn build(choices: &[&str]) -> Option<PolicySet> {
    let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    PolicySet::from_texts(vec![
        text("purposes.toml", PURPOSES),
        text("partners.toml", &format!("{PARTNERS}[[partner]]\nid = \"ps\"\nzh = \"公安\"\nspiffe = \"spiffe://lyg.example/agency/public-security/city\"\n")),
        text("keys.toml", "format = 1\n"),
        text("agreements/feed.toml", &format!("{HEADER}agreement = \"A\"\n{FEED}")),
        text("agreements/grant.toml", &grant(choices)),
    ])
    .ok()
}

/// Persons in whom birth, sex, place of issue and village are independent of each other.
fn world() -> BTreeMap<&'static str, ArrayRef> {
    let (mut ids, mut sexes, mut births, mut villages) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for region in ["320706", "320707", "320803", "330106"] {
        for born in [(1880, 2, 29), (1880, 2, 28), (1880, 8, 1), (1890, 2, 28)] {
            for sex in [1, 2] {
                for village in [
                    "320707100201",
                    "320707100202",
                    "320707101201",
                    "320706100201",
                    "320803100201",
                    "330106100201",
                ] {
                    let born = Date::constant(born.0, born.1, born.2);
                    let first = format!("{region}{}00{sex}", born.strftime("%Y%m%d"));
                    let check = check_character(first.as_bytes().try_into().unwrap()).unwrap();
                    ids.push(format!("{first}{check}"));
                    sexes.push(if sex == 1 { "1" } else { "2" });
                    births.push((born - Date::constant(1970, 1, 1)).get_days());
                    villages.push(village);
                }
            }
        }
    }
    let cut = |length: usize| {
        villages
            .iter()
            .map(|code| code.get(..length).unwrap())
            .collect::<Vec<_>>()
    };
    let text = |values: Vec<&str>| Arc::new(StringArray::from(values)) as ArrayRef;
    BTreeMap::from([
        ("name", text(vec!["张"; ids.len()])),
        ("town_code", text(cut(9))),
        ("hukou_region", text(cut(6))),
        ("village_code", text(villages)),
        ("sex", text(sexes)),
        ("birth_date", Arc::new(Date32Array::from(births)) as ArrayRef),
        ("citizen_id", Arc::new(StringArray::from(ids)) as ArrayRef),
    ])
}

fn rows(columns: &[ArrayRef], count: usize) -> Vec<String> {
    (0..count)
        .map(|row| {
            let cells: Vec<ArrayRef> = columns.iter().map(|column| column.slice(row, 1)).collect();
            format!("{cells:?}")
        })
        .collect()
}

fn follows(a: &[String], b: &[String]) -> bool {
    let mut known: BTreeMap<&String, &String> = BTreeMap::new();
    b.iter().zip(a).all(|(b, a)| *known.entry(b).or_insert(a) == a)
}

/// Strengths that are asked for, by field.
fn strengths() -> Vec<(&'static str, FieldType, Vec<Operator>)> {
    let dates = vec![
        Operator::Keep,
        Operator::Date(DateTo::Year),
        Operator::Date(DateTo::Month),
    ];
    let regions = |levels: &[RegionTo]| -> Vec<Operator> {
        levels
            .iter()
            .map(|to| Operator::Region(*to))
            .chain([Operator::Keep])
            .collect()
    };
    vec![
        ("birth_date", FieldType::Date, dates),
        ("sex", FieldType::Text(1), vec![Operator::Keep]),
        (
            "village_code",
            FieldType::Division(12),
            regions(&[RegionTo::Province, RegionTo::City, RegionTo::County, RegionTo::Town]),
        ),
        (
            "town_code",
            FieldType::Division(9),
            regions(&[RegionTo::Province, RegionTo::City, RegionTo::County]),
        ),
        (
            "hukou_region",
            FieldType::Region,
            regions(&[RegionTo::Province, RegionTo::City]),
        ),
    ]
}

fn released(plan: &Plan, world: &BTreeMap<&'static str, ArrayRef>) -> Vec<String> {
    let wanted = plan.wanted().iter().map(|name| (*name, Arc::clone(&world[name]), true));
    let part = RecordBatch::try_from_iter_with_nullable(wanted).unwrap();
    let out = plan.release(&part, &keys(), 0).unwrap().batch;
    rows(out.columns(), out.num_rows())
}

#[test]
fn who_can_learn_a_field_is_what_really_follows_from_what_is_released() {
    let world = world();
    let mut state = 7_u64;
    let (mut compared, mut told) = (0, 0);
    for _ in 0..160 {
        let choices: Vec<&str> = CHOICES
            .iter()
            .map(|(_, options)| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let at = usize::try_from(state >> 33).unwrap() % options.len();
                options[at]
            })
            .collect();
        let Some(set) = build(&choices) else { continue };
        let plan = set.plans().find(|plan| plan.grant_id() == "g").unwrap();
        let out = released(plan, &world);
        for (field, kind, operators) in strengths() {
            let stated = strongest(&disclosed(plan), field);
            let shown = set.who_can(&format!("population.{field}"));
            assert_eq!(shown.len(), stated.len(), "{choices:?} {field}");
            for operator in operators {
                let beside = Beside {
                    field: "x",
                    companion: None,
                    keys: &keys(),
                    today: 0,
                };
                let column = operator.apply(&world[field], &beside).unwrap();
                let truly = follows(&rows(&[column], out.len()), &out);
                let claimed = stated.iter().any(|one| within(&operator, &one.operator, &kind));
                assert_eq!(truly, claimed, "{choices:?}: {} of {field}", operator.describe());
                compared += 1;
                told += usize::from(truly);
            }
        }
    }
    assert!(compared > 500 && told > 100 && told < compared, "{told} of {compared}");
}
