//! The example bundle: it loads, its own tests touch every cell, and whatever is widened is noticed by one of them.

use std::path::{Path, PathBuf};

use shuguan_policies::{Mode, PolicySet};

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

/// The text with a field in the `keep` of the grant at a line; its own line, if it has one, goes.
fn kept(text: &str, grant: usize, field: &str) -> String {
    let lines = text.lines().enumerate().filter(|(at, line)| {
        let inside = *at + 1 > grant && *at < grant + 30;
        !(inside && line.starts_with(&format!("reduce.{field} = ")))
    });
    let mut found = false;
    let lines: Vec<String> = lines
        .map(|(at, line)| {
            if !found && at + 1 >= grant && line.starts_with("keep = [") {
                found = true;
                return line.replacen('[', &format!("[\"{field}\", "), 1);
            }
            line.to_owned()
        })
        .collect();
    assert!(found, "line {grant}");
    lines.join("\n")
}

/// The text with one answer more about a field in the comparison at a line: that there is a value, or, when that is told already, whether it is
/// the claimed one.
fn asked(text: &str, grant: usize, field: &str, told: bool) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let of_grant = |start: &str| {
        let all = text.lines().enumerate().skip(grant);
        let found = all.filter(|(_, line)| line.starts_with(start)).map(|(at, _)| at).next();
        found.unwrap_or_else(|| panic!("line {grant}: no `{start}`"))
    };
    let required = of_grant("require = [");
    if told {
        lines[required] = lines[required].replacen('[', &format!("[\"{field}\", "), 1);
        lines[of_grant(&format!("reduce.{field} = "))] = format!("reduce.{field} = {{ op = \"equal\" }}");
    } else {
        lines.insert(required + 1, format!("reduce.{field} = {{ op = \"exists\" }}"));
    }
    lines.join("\n")
}

#[test]
fn widening_any_single_cell_of_the_example_makes_one_of_its_tests_fail() {
    let set = PolicySet::load(&folder()).unwrap();
    let (mut widened, mut survived) = (0, Vec::new());
    for plan in set.plans() {
        let place = plan.place();
        for field in plan.target().fields() {
            let own = plan.output().iter().find(|column| column.name == field.name);
            let operator = own.map(|column| column.kind.operator.name());
            let texts = match (plan.mode(), operator) {
                (Mode::Compare, Some("equal")) | (Mode::Feed | Mode::Extract, Some("keep")) => continue,
                // A comparison keeps nothing: the next that it could tell of a field is whether there is one, and then whether it is so.
                (Mode::Compare, told) => with(&place.file, |text| asked(text, place.line, field.name, told.is_some())),
                (Mode::Feed | Mode::Extract, _) => with(&place.file, |text| kept(text, place.line, field.name)),
            };
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
