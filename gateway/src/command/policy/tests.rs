#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example")
}

/// A copy of the example with one replacement in one file.
fn changed(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&example(), dir.path());
    let path = dir.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    dir
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn who_can_ends_with_1_when_somebody_can_and_2_for_a_field_that_is_none() {
    let ask = |field: &str| who_can::WhoCanArgs {
        dir: example(),
        field: field.into(),
        at: Some("2026-10-12T10:00:00+08:00".into()),
    };
    let clock = Clock::from_fn(|| 0);
    assert_eq!(
        who_can::who_can(&ask("birth_date"), &clock, &QUIET).unwrap(),
        Exit::Local
    );
    assert_eq!(
        who_can::who_can(&ask("civil-affairs/subsistence-allowance.amount"), &clock, &QUIET).unwrap(),
        Exit::Done
    );
    assert_eq!(
        who_can::who_can(&ask("birth_dat"), &clock, &QUIET).unwrap_err().exit,
        Exit::Usage
    );
}

#[test]
fn a_wider_bundle_ends_with_3_and_a_narrower_one_with_0() {
    let limit = "rows_per_day = 500_000";
    let wider = changed("agreements/civil-affairs.toml", limit, "rows_per_day = 500_001");
    let narrower = changed("agreements/civil-affairs.toml", limit, "rows_per_day = 499_999");
    let ask = |old: &Path, new: &Path| {
        let args = diff::DiffArgs {
            old: old.into(),
            new: new.into(),
        };
        diff::diff(&args, &QUIET).unwrap()
    };
    assert_eq!(ask(&example(), wider.path()), Exit::Refused);
    assert_eq!(ask(&example(), narrower.path()), Exit::Done);
    assert_eq!(ask(&example(), &example()), Exit::Done);
}

#[test]
fn the_example_is_written_in_the_one_form() {
    let args = format::FmtArgs {
        dir: example(),
        check: true,
    };
    assert_eq!(format::format(&args, &QUIET).unwrap(), Exit::Done);
    let loose = changed("keys.toml", "format = 1", "format   =  1   ");
    let args = format::FmtArgs {
        dir: loose.path().into(),
        check: true,
    };
    assert_eq!(format::format(&args, &QUIET).unwrap(), Exit::Local);
}

#[test]
fn the_tests_of_the_example_hold_and_leave_no_cell_untouched() {
    let ask = |dir: &Path| test::TestArgs {
        dir: dir.into(),
        strict: true,
        sketch: None,
        at: None,
    };
    assert_eq!(test::test(&ask(&example()), 0, &QUIET).unwrap(), Exit::Done);
    let masked = changed("agreements/registry.toml", "first = 1", "first = 2");
    assert_eq!(test::test(&ask(masked.path()), 0, &QUIET).unwrap(), Exit::Local);
}
