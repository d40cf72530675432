use super::*;
use crate::fixture::{GRANT, set_of};

fn turns(old: &str, new: &str) -> Vec<(String, Turn)> {
    let diff = set_of(old).diff(&set_of(new));
    diff.changes
        .into_iter()
        .map(|change| (change.component, change.turn))
        .collect()
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
        let changes = turns(GRANT, &GRANT.replacen(from, to, 1));
        let mut expected = vec![(component.to_owned(), turn); changes.len().max(1)];
        expected.dedup();
        let mut found = changes.clone();
        found.dedup();
        assert_eq!(found, expected, "{from} → {to}");
        let back: Vec<Turn> = turns(&GRANT.replacen(from, to, 1), GRANT)
            .into_iter()
            .map(|(_, turn)| turn)
            .collect();
        let mirrored: Vec<Turn> = changes
            .iter()
            .map(|(_, turn)| match turn {
                Turn::Narrowed => Turn::Widened,
                Turn::Widened => Turn::Narrowed,
                other => *other,
            })
            .collect();
        assert_eq!(back, mirrored, "{from} ← {to}");
    }
}

#[test]
fn a_new_grant_widens_and_one_that_is_gone_narrows() {
    let one = GRANT.replace("admission\" }", "admission\", partner = \"health-city\" }");
    let added = turns(&one, GRANT);
    assert_eq!(
        added,
        [
            ("grant".to_owned(), Turn::Widened),
            ("wording".to_owned(), Turn::Restated)
        ]
        .map(|x| x)[..1]
            .to_vec()
    );
    assert_eq!(turns(GRANT, &one).first(), Some(&("grant".to_owned(), Turn::Narrowed)));
}
