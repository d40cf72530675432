#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray};
use proptest::prelude::*;

use super::*;
use crate::disclosure::tests::{follows, names, outputs};
use crate::fixture::{GRANT, set_of};
use crate::operator::Operator;

fn turns(old: &str, new: &str) -> Vec<(String, Turn)> {
    let diff = set_of(old).diff(&set_of(new));
    diff.changes
        .into_iter()
        .map(|change| (change.component, change.turn))
        .collect()
}

fn mirrored(turn: Turn) -> Turn {
    match turn {
        Turn::Narrowed => Turn::Widened,
        Turn::Widened => Turn::Narrowed,
        other => other,
    }
}

#[test]
fn a_bundle_does_not_differ_from_itself() {
    assert!(set_of(GRANT).diff(&set_of(GRANT)).changes.is_empty());
}

#[test]
fn each_component_turns_the_way_it_is_read() {
    for (from, to, component, turn) in [
        ("to = \"month\"", "to = \"year\"", "day", Turn::Narrowed),
        ("to = \"month\"", "to = \"day\"", "day", Turn::Widened),
        ("first = 1", "first = 2", "name", Turn::Widened),
        ("first = 1", "first = 0, last = 1", "name", Turn::Incomparable),
        ("edges = [0, 1000]", "edges = [0]", "amount", Turn::Narrowed),
        ("edges = [0, 1000]", "edges = [0, 999]", "amount", Turn::Incomparable),
        ("reduce.phone = { op = \"exists\" }", "", "phone", Turn::Narrowed),
        ("prefix = [\"3207\"]", "prefix = [\"320707\"]", "rows", Turn::Narrowed),
        ("prefix = [\"3207\"]", "prefix = [\"32\"]", "rows", Turn::Widened),
        ("prefix = [\"3207\"]", "prefix = [\"3206\"]", "rows", Turn::Incomparable),
        ("in = [1, 2, 3]", "between = [1, 3]", "wording", Turn::Restated),
        ("in = [1, 2, 3]", "between = [0, 3]", "rows", Turn::Widened),
        (
            "rows_per_push = 100",
            "rows_per_push = 99",
            "limits.rows_per_push",
            Turn::Narrowed,
        ),
        ("rows_per_push = 100, ", "", "limits.rows_per_push", Turn::Widened),
        ("limits =", "retain_days = 30\nlimits =", "retain_days", Turn::Narrowed),
        (
            "limits =",
            "attest_deletion = true\nlimits =",
            "attest_deletion",
            Turn::Narrowed,
        ),
        (
            "limits =",
            "hours = { from = \"08:00\", to = \"20:00\" }\nlimits =",
            "hours",
            Turn::Narrowed,
        ),
        ("char = \"＊\"", "char = \"*\"", "wording", Turn::Restated),
        (
            "\"serial\", \"region\"",
            "\"region\", \"serial\"",
            "wording",
            Turn::Restated,
        ),
        (
            "necessity = \"试验\"",
            "necessity = \"别的\"",
            "wording",
            Turn::Restated,
        ),
    ] {
        assert!(GRANT.contains(from), "{from}");
        let other = GRANT.replacen(from, to, 1);
        // Two partners of one agency: each cell of the grant turns, and turns back the other way.
        let changes: BTreeSet<(String, Turn)> = turns(GRANT, &other).into_iter().collect();
        assert_eq!(changes, BTreeSet::from([(component.to_owned(), turn)]), "{from} → {to}");
        let back: BTreeSet<(String, Turn)> = turns(&other, GRANT).into_iter().collect();
        assert_eq!(
            back,
            BTreeSet::from([(component.to_owned(), mirrored(turn))]),
            "{from} ← {to}"
        );
    }
}

#[test]
fn a_new_cell_widens_and_one_that_is_gone_narrows() {
    let one = GRANT.replace("admission\" }", "admission\", partner = \"health-city\" }");
    assert!(turns(&one, GRANT).contains(&("grant".to_owned(), Turn::Widened)));
    assert!(turns(GRANT, &one).contains(&("grant".to_owned(), Turn::Narrowed)));
    assert!(set_of(&one).diff(&set_of(GRANT)).widens());
    assert!(!set_of(GRANT).diff(&set_of(&one)).widens());
}

/// A grant out of small pools: name, amount, rows by region and count, a limit.
fn grant(choice: &[usize; 5]) -> String {
    let [name, amount, region, count, limit] = *choice;
    let pick = |pool: &[&str], at: usize| pool[at % pool.len()].to_owned();
    let atoms: Vec<String> = [pick(REGIONS, region), pick(COUNTS, count)]
        .into_iter()
        .filter(|atom| !atom.is_empty())
        .collect();
    format!(
        "[[grant]]\nfor = {{ record = \"health/admission\" }}\nnecessity = \"n\"\nkeep = [\"serial\", \"region\", \"count\"]\nrows = [{}]\n{}{}limits = {{ {} }}\n",
        atoms.join(", "),
        pick(NAMES, name),
        pick(AMOUNTS, amount),
        pick(LIMITS, limit),
    )
}

const NAMES: &[&str] = &[
    "",
    "reduce.name = { op = \"exists\" }\n",
    "reduce.name = { op = \"mask\", first = 1 }\n",
    "reduce.name = { op = \"mask\", first = 2 }\n",
    "reduce.name = { op = \"mask\", last = 1 }\n",
    "reduce.name = { op = \"mask\", first = 1, last = 1 }\n",
    "reduce.name = { op = \"mask\", first = 1, keep_length = false }\n",
    "reduce.name = { op = \"mask\", first = 2, last = 1, keep_length = false }\n",
    "reduce.name = { op = \"mask\" }\n",
    "reduce.name = { op = \"keep\" }\n",
];
const AMOUNTS: &[&str] = &[
    "",
    "reduce.amount = { op = \"bucket\", edges = [10] }\n",
    "reduce.amount = { op = \"bucket\", edges = [10, 20] }\n",
    "reduce.amount = { op = \"bucket\", edges = [7] }\n",
    "reduce.amount = { op = \"round\", step = 5 }\n",
    "reduce.amount = { op = \"round\", step = 10 }\n",
    "reduce.amount = { op = \"round\", step = 6 }\n",
    "reduce.amount = { op = \"keep\" }\n",
];
const REGIONS: &[&str] = &[
    "",
    "{ field = \"region\", prefix = [\"3207\"] }",
    "{ field = \"region\", prefix = [\"320707\"] }",
    "{ field = \"region\", in = [\"320706\", \"320707\"] }",
    "{ field = \"region\", prefix = [\"32\", \"33\"] }",
    "{ field = \"region\", eq = \"330106\" }",
    "{ field = \"region\", is = \"present\" }",
    "{ field = \"region\", is = \"null\" }",
];
const COUNTS: &[&str] = &[
    "",
    "{ field = \"count\", in = [1, 2, 3] }",
    "{ field = \"count\", between = [1, 3] }",
    "{ field = \"count\", between = [0, 9] }",
    "{ field = \"count\", eq = 2 }",
    "{ field = \"count\", is = \"present\" }",
];
const LIMITS: &[&str] = &["", "rows_per_day = 10", "rows_per_day = 20"];

/// Which of a small world of rows pass.
fn passing(set: &PolicySet) -> BTreeSet<(Option<&'static str>, Option<i64>)> {
    let regions = ["320706", "320707", "320708", "320803", "330106", "330107", "110101"].map(Some);
    let plan = set.plans().next().unwrap();
    let mut rows = BTreeSet::new();
    for region in regions.into_iter().chain([None]) {
        for count in (0..12).map(Some).chain([None]) {
            let passes = plan.rows().iter().all(|atom| {
                let column: ArrayRef = match atom.field {
                    "region" => Arc::new(StringArray::from(vec![region])),
                    _ => Arc::new(Int64Array::from(vec![count])),
                };
                atom.rows(&column).unwrap().value(0)
            });
            if passes {
                rows.insert((region, count));
            }
        }
    }
    rows
}

/// How a field turns, by what really follows from what.
fn by_force(field: &str, old: &PolicySet, new: &PolicySet) -> Option<Turn> {
    let column: ArrayRef = if field == "name" {
        names()
    } else {
        let amounts = (0..60).flat_map(|n| [format!("{n}.00"), format!("{n}.50")]);
        Arc::new(amounts.map(Some).chain([None]).collect::<StringArray>())
    };
    let out = |set: &PolicySet| {
        let plan = set.plans().next().unwrap();
        let column_of = plan.output().iter().find(|column| column.name == field);
        let operator = column_of.map_or(Operator::Constant("-".into()), |column| column.kind.operator.clone());
        outputs(&operator, &column)
    };
    let (before, after) = (out(old), out(new));
    plans::turned(follows(&after, &before), follows(&before, &after))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_diff_is_what_brute_force_finds_and_empty_exactly_when_the_hashes_are_equal(a in any::<[u8; 5]>(), b in any::<[u8; 5]>()) {
        let choice = |bytes: [u8; 5]| bytes.map(usize::from);
        let (old, new) = (set_of(&grant(&choice(a))), set_of(&grant(&choice(b))));
        let diff = old.diff(&new);
        prop_assert_eq!(diff.changes.is_empty(), old.hash() == new.hash());
        let found = |component: &str| diff.changes.iter().find(|change| change.component == component).map(|change| change.turn);
        for field in ["name", "amount"] {
            prop_assert_eq!(found(field), by_force(field, &old, &new), "{}", field);
        }
        let (before, after) = (passing(&old), passing(&new));
        let rows = plans::turned(after.is_subset(&before), before.is_subset(&after));
        prop_assert_eq!(found("rows"), rows);
        let most = |set: &PolicySet| set.plans().next().unwrap().limits().rows_per_day.unwrap_or(u64::MAX);
        let limit = plans::turned(most(&new) <= most(&old), most(&old) <= most(&new));
        prop_assert_eq!(found("limits.rows_per_day"), limit);
        let wider = |turn: Turn| matches!(turn, Turn::Widened | Turn::Incomparable);
        let back: Vec<Turn> = new.diff(&old).changes.into_iter().map(|change| mirrored(change.turn)).collect();
        prop_assert_eq!(diff.widens(), back.into_iter().any(wider));
    }
}
