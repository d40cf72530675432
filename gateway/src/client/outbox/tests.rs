#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use super::{Beside, Found, Item, Outbox, Said, beside};
use crate::client::batch::Batch;
use crate::client::state::{Done, PushState, Standing, state_path};

const NOW_US: i64 = 1_900_000_000_000_000;
const SECOND_US: i64 = 1_000_000;

/// Writes a file that was changed so many seconds ago.
fn put(folder: &TempDir, name: &str, text: &str, age_s: i64) {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    age(&path, age_s);
}

fn age(path: &Path, age_s: i64) {
    let moment = UNIX_EPOCH + Duration::from_micros(u64::try_from(NOW_US - age_s * SECOND_US).unwrap());
    std::fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(moment)
        .unwrap();
}

fn look(folder: &TempDir) -> Found {
    Outbox::new(folder.path(), Said::default(), 5).look(NOW_US)
}

fn ready(found: &Found) -> Vec<(&str, Option<&str>)> {
    found
        .ready
        .iter()
        .map(|item| (item.shown.as_str(), item.said.record.as_deref()))
        .collect()
}

#[test]
fn the_folders_say_what_a_file_is() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "public-security/resident/b.csv",
        "public-security/resident/a.CSV",
        "public-security/resident/2026/06/c.txt",
        "cremation/d.xlsx",
        "出生医学证明/e.ndjson",
        "who-knows/f.csv",
    ] {
        put(&folder, name, "x", 60);
    }
    let found = look(&folder);
    let resident = Some("public-security/resident");
    assert_eq!(
        ready(&found),
        [
            ("cremation/d.xlsx", Some("civil-affairs/cremation")),
            ("public-security/resident/a.CSV", resident),
            ("public-security/resident/b.csv", resident),
            ("public-security/resident/2026/06/c.txt", resident),
            ("who-knows/f.csv", None),
            ("出生医学证明/e.ndjson", Some("health/birth-certificate")),
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_name_in_gbk_is_found_with_its_folder_and_its_companion_and_is_answered_beside_itself() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let gbk = |text: &str| encoding_rs::GB18030.encode(text).0.into_owned();
    let under = |names: &[&str]| {
        let names = names.iter().map(|name| gbk(name));
        names.fold(folder.path().to_owned(), |path, name| {
            path.join(OsStr::from_bytes(&name))
        })
    };
    let write = |names: &[&str], age_s| {
        let path = under(names);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "x").unwrap();
        age(&path, age_s);
        path
    };
    let file = write(&["出生医学证明", "六月人员.csv"], 60);
    // Fresh, and complete all the same, since its companion says so.
    let fresh = write(&["出生医学证明", "七月.csv"], 1);
    std::fs::write(beside(&fresh, "ok"), "").unwrap();
    write(&["出生医学证明", "说明.doc"], 60);
    assert!(fresh.to_str().is_none(), "the name is not UTF-8");
    let mut outbox = Outbox::new(folder.path(), Said::default(), 5);
    let found = outbox.look(NOW_US);
    let record = Some("health/birth-certificate");
    assert_eq!(
        ready(&found),
        [("出生医学证明/六月人员.csv", record), ("出生医学证明/七月.csv", record)]
    );
    assert_eq!((found.waiting, found.faults.len()), (0, 0));
    let item = found.ready.iter().find(|item| item.file == file).unwrap();
    outbox.answered(item, true);
    assert_eq!(outbox.look(NOW_US).ready.len(), 1);
    let receipt = beside(&file, "ack");
    assert_eq!(
        receipt.file_name().unwrap().as_bytes(),
        [gbk("六月人员.csv"), b".ack".to_vec()].concat()
    );
}

#[test]
fn what_may_still_be_written_and_what_is_no_feed_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "health/birth-certificate/fresh.csv", "x", 2);
    put(&folder, "health/birth-certificate/future.csv", "x", -900);
    for name in [
        "a.csv.tmp",
        "a.part",
        ".hidden.csv",
        "~$lock.xlsx",
        "a.csv.ack",
        "a.csv.err",
        "a.csv.shuguan-push",
        "readme.md",
    ] {
        put(&folder, &format!("health/birth-certificate/{name}"), "x", 60);
    }
    let mut outbox = Outbox::new(folder.path(), Said::default(), 5);
    let found = outbox.look(NOW_US);
    assert_eq!((ready(&found).len(), found.waiting), (0, 2));
    // Seen unchanged for long enough, whatever its own clock says.
    assert_eq!(outbox.look(NOW_US + 6 * SECOND_US).ready.len(), 2);
}

#[test]
fn a_companion_makes_a_file_ready_at_once() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "resident/a.csv", "x", 0);
    put(&folder, "resident/a.csv.ok", "count=7", 0);
    put(&folder, "resident/b.csv", "x", 0);
    put(&folder, "resident/b.CHK", "count=many", 0);
    let found = look(&folder);
    let [a, b] = found.ready.as_slice() else {
        unreachable!("two are ready")
    };
    assert_eq!(a.companion.as_ref().map(|companion| companion.count), Ok(Some(7)));
    assert!(b.companion.is_err());
}

#[test]
fn the_nearest_drop_toml_goes_before_those_above() {
    let folder = tempfile::tempdir().unwrap();
    put(
        &folder,
        "drop.toml",
        "purpose = \"enrolment.registration\"\ncharset = \"gb18030\"\n",
        60,
    );
    put(
        &folder,
        "in/drop.toml",
        "record = \"tax/registration\"\ncharset = \"utf-8\"\nrequire_ok = true\n",
        60,
    );
    put(&folder, "in/a.csv", "x", 60);
    put(&folder, "in/b.csv", "x", 60);
    put(&folder, "in/b.csv.ok", "", 60);
    let found = look(&folder);
    let [item] = found.ready.as_slice() else {
        unreachable!("one has its companion")
    };
    let said = &item.said;
    let texts = [&said.record, &said.purpose, &said.charset].map(|text| text.as_deref().unwrap());
    assert_eq!(texts, ["tax/registration", "enrolment.registration", "utf-8"]);
    assert_eq!(found.waiting, 1);
}

#[test]
fn a_wrong_drop_toml_stops_its_folder_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    put(
        &folder,
        "a/drop.toml",
        "record = \"tax/registratoin\"\npurpos = \"x\"\n",
        60,
    );
    put(&folder, "a/a.csv", "x", 60);
    put(&folder, "resident/b.csv", "x", 60);
    let found = look(&folder);
    assert_eq!(ready(&found), [("resident/b.csv", Some("public-security/resident"))]);
    let [(_, fault)] = found.faults.as_slice() else {
        unreachable!("one folder is at fault")
    };
    for text in ["registratoin", "did you mean `purpose`?", "drop.toml:2"] {
        assert!(fault.contains(text), "{fault}");
    }
}

#[test]
fn a_file_is_answered_until_it_changes_and_a_refused_one_until_its_err_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "resident/a.csv", "x", 60);
    let mut outbox = Outbox::new(folder.path(), Said::default(), 5);
    let item = outbox.look(NOW_US).ready.remove(0);
    let path = state_path(&item.file, None);
    let mut state = fresh("d");
    let done = |accepted| Done {
        accepted,
        stamp: item.stamp,
    };
    state.done = Some(done(true));
    state.save(&path).unwrap();
    assert!(outbox.look(NOW_US).ready.is_empty());
    assert!(look(&folder).ready.is_empty(), "after a restart");
    state.done = Some(done(false));
    state.save(&path).unwrap();
    std::fs::write(beside(&item.file, "err"), "").unwrap();
    assert!(look(&folder).ready.is_empty());
    std::fs::remove_file(beside(&item.file, "err")).unwrap();
    assert_eq!(look(&folder).ready.len(), 1);
    state.done = Some(done(true));
    state.save(&path).unwrap();
    put(&folder, "resident/a.csv", "y", 50);
    assert_eq!(look(&folder).ready.len(), 1, "other content under the same name");
}

fn fresh(digest: &str) -> PushState {
    PushState::new(&Batch {
        digest,
        record: "r",
        purpose: "p",
        manner: "",
        content_type: "",
    })
}

/// Writes down that a file was answered as it was found.
fn answer(item: &Item, accepted: bool) {
    let path = state_path(&item.file, None);
    let mut state = fresh("d");
    let stamp = item.stamp;
    state.done = Some(Done { accepted, stamp });
    state.save(&path).unwrap();
}

#[test]
fn a_file_that_was_taken_stays_taken_whatever_becomes_of_its_companion() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "resident/a.csv", "x", 60);
    put(&folder, "resident/a.csv.ok", "count=1", 60);
    put(&folder, "resident/b.csv", "y", 60);
    let mut outbox = Outbox::new(folder.path(), Said::default(), 5);
    for item in &outbox.look(NOW_US).ready {
        answer(item, true);
        outbox.answered(item, true);
    }
    std::fs::remove_file(folder.path().join("resident/a.csv.ok")).unwrap();
    put(&folder, "resident/b.csv.ok", "count=1", 1);
    assert!(outbox.look(NOW_US).ready.is_empty());
    assert!(look(&folder).ready.is_empty(), "after a restart");
}

#[test]
fn a_file_that_was_refused_is_ready_again_with_another_companion() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "resident/a.csv", "x", 60);
    put(&folder, "resident/a.csv.ok", "count=2", 60);
    let item = look(&folder).ready.remove(0);
    answer(&item, false);
    std::fs::write(beside(&item.file, "err"), "").unwrap();
    assert!(look(&folder).ready.is_empty());
    put(&folder, "resident/a.csv.ok", "count=1", 30);
    assert_eq!(look(&folder).ready.len(), 1);
}

#[test]
fn a_file_that_was_moved_leads_to_its_state_and_another_does_not() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "resident/a.csv", "x", 60);
    let item = look(&folder).ready.remove(0);
    answer(&item, true);
    std::fs::create_dir(folder.path().join("resident/done")).unwrap();
    std::fs::rename(&item.file, folder.path().join("resident/done/june.csv")).unwrap();
    put(&folder, "resident/done/longer.csv", "xy", 60);
    put(&folder, "resident/done/newer.csv", "x", 59);
    let mut outbox = Outbox::new(folder.path(), Said::default(), 5);
    let moved = |outbox: &mut Outbox| -> Vec<bool> {
        let found = outbox.look(NOW_US);
        found.ready.iter().map(|item| item.moved_from.is_some()).collect()
    };
    assert_eq!(moved(&mut outbox), [true, false, false]);
    // A state that was taken back leads nowhere.
    std::fs::remove_file(state_path(&item.file, None)).unwrap();
    assert_eq!(moved(&mut outbox), [false, false, false]);
}

#[test]
fn a_receipt_without_a_state_is_told_and_does_not_silence_its_file() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "resident/a.csv", "x", 60);
    put(&folder, "resident/a.csv.ack", "x", 30);
    put(&folder, "resident/b.csv", "y", 60);
    put(&folder, "resident/b.csv.ack", "older than its file", 90);
    let found = look(&folder);
    let receipts: Vec<Beside> = found.ready.iter().map(|item| item.receipt).collect();
    assert_eq!(receipts, [Beside::Newer, Beside::Older]);
}

#[test]
fn a_file_whose_answer_never_came_is_found_by_its_content_and_one_that_cannot_be_read_is_no_state() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "resident/moved.csv", "x", 60);
    let states = folder.path().join("resident");
    let path = |name: &str| state_path(&states.join(name), None);
    for digest in ["open", "answered"] {
        let path = path(digest);
        let standing = match digest {
            "open" => Standing::Sent(NOW_US),
            _ => Standing::Answered("x".to_owned()),
        };
        let state = PushState {
            standing,
            ..fresh(digest)
        };
        state.save(&path).unwrap();
    }
    std::fs::write(path("damaged"), "{").unwrap();
    let mut outbox = Outbox::new(folder.path(), Said::default(), 5);
    outbox.look(NOW_US);
    let places = outbox.unanswered("open");
    assert_eq!((places.len(), places.first()), (2, Some(&path("open").as_path())));
    assert!(outbox.unanswered("answered").is_empty());
}
