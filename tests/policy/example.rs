//! The example bundle: it loads, its own tests touch every cell, and whatever is widened is noticed by one of them.

use std::path::{Path, PathBuf};

use shuguan_policies::PolicySet;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example")
}

fn texts() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for sub in ["", "agreements/", "calendars/", "tests/"] {
        for entry in std::fs::read_dir(folder().join(sub)).unwrap().flatten() {
            if entry.file_type().unwrap().is_file() {
                let name = format!("{sub}{}", entry.file_name().to_string_lossy());
                texts.push((name, std::fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    texts
}

/// The bundle with the text of one file changed.
fn with(file: &str, change: impl Fn(&str) -> String) -> Vec<(String, String)> {
    let mut texts = texts();
    let text = &mut texts.iter_mut().find(|(name, _)| name == file).unwrap().1;
    *text = change(text);
    texts
}

/// Faults say `case` or `never` or `ceiling`, or the compiler refuses what was written.
fn noticed(texts: Vec<(String, String)>) -> bool {
    PolicySet::from_texts(texts).is_err()
}

#[test]
fn the_example_loads_and_its_tests_touch_every_cell() {
    let set = PolicySet::load(&folder()).unwrap();
    let report = set.test();
    assert!(
        report.failures.is_empty() && report.ran > set.plans().count(),
        "{report:?}"
    );
    assert!(
        report.untouched.is_empty(),
        "write a case for each: shuguan policy test policies/example --sketch GRANT: {:?}",
        report.untouched
    );
}

#[test]
fn widening_any_single_cell_of_the_example_makes_one_of_its_tests_fail() {
    let set = PolicySet::load(&folder()).unwrap();
    let (mut widened, mut survived) = (0, Vec::new());
    for plan in set.plans() {
        let place = plan.place();
        for field in plan.target().fields() {
            let own = plan.output().iter().find(|column| column.name == field.name);
            if own.is_some_and(|column| column.kind.operator.name() == "keep") {
                continue;
            }
            // The field joins `keep`, and its own line, if it has one, goes.
            let texts = with(&place.file, |text| {
                let lines = text.lines().enumerate().filter(|(at, line)| {
                    let inside = *at + 1 > place.line && *at < place.line + 30;
                    !(inside && line.starts_with(&format!("reduce.{} = ", field.name)))
                });
                let mut found = false;
                let lines: Vec<String> = lines
                    .map(|(at, line)| {
                        if !found && at + 1 >= place.line && line.starts_with("keep = [") {
                            found = true;
                            return line.replacen('[', &format!("[\"{}\", ", field.name), 1);
                        }
                        line.to_owned()
                    })
                    .collect();
                assert!(found, "{place}");
                lines.join("\n")
            });
            widened += 1;
            if !noticed(texts) {
                survived.push(format!("{}.{}", plan.grant_id(), field.name));
            }
        }
    }
    assert!(widened > 50, "{widened}");
    assert!(survived.is_empty(), "{survived:?}");
}

#[test]
fn one_step_finer_is_noticed_too() {
    let steps = [
        ("to = \"month\"", "to = \"day\""),
        ("to = \"day\"", "to = \"month\""),
        ("to = \"county\"", "to = \"town\""),
        ("to = \"city\"", "to = \"county\""),
        ("first = 1", "first = 2"),
        ("op = \"exists\"", "op = \"keep\""),
        ("prefix = [\"3207\"]", "prefix = [\"32\", \"33\"]"),
    ];
    let mut tried = 0;
    for (file, text) in texts().iter().filter(|(file, _)| file.starts_with("agreements/")) {
        for (from, to) in steps {
            for (at, _) in text.match_indices(from) {
                tried += 1;
                let changed = with(file, |text| format!("{}{to}{}", &text[..at], &text[at + from.len()..]));
                assert!(noticed(changed), "{file}: {from} → {to}");
            }
        }
    }
    assert!(tried > 5, "{tried}");
}
