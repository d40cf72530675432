//! A file that was taken stays taken: without its companion, moved, or with its state lost; and what was not taken is sent.

use std::fs;

use serde_json::Value;
use shuguan_tests::run;

use super::*;

/// One pass; gives how it ended, and its lines.
fn passed(gateway: &Deployment) -> (i32, Vec<Value>) {
    let client = format!("partners/{POLICE}/client.toml");
    let base = ["push", "--watch", "outbox", "--once", "--settle-s", "0"];
    let more = ["--purpose", "enrolment.registration", "-c", &client];
    let (code, out, error) = gateway.shuguan(&[&base[..], &more].concat());
    let lines = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect(&error));
    (code, lines.collect())
}

fn states_of(lines: &[Value]) -> Vec<String> {
    let states = lines.iter().map(|line| line["state"].as_str().expect("a state"));
    states.map(str::to_owned).collect()
}

/// One pass; gives the states that its lines say, in order.
fn pass(gateway: &Deployment) -> Vec<String> {
    states_of(&passed(gateway).1)
}

fn state(folder: &Path, name: &str) -> Value {
    let text = fs::read_to_string(folder.join(format!("{name}.shuguan-push"))).expect("a state");
    serde_json::from_str(&text).expect("a state")
}

/// Sent first so many days ago, and not answered.
fn since(days: i64) -> Value {
    let at = shuguan::clock::Clock::system().now_us() - days * 86_400_000_000;
    serde_json::json!({ "since": at })
}

/// Nothing of it was ever answered, as after a kill between the request and its answer, and no receipt of it is here.
fn lose_answer(folder: &Path, name: &str) {
    fs::remove_file(folder.join(format!("{name}.ack"))).expect("a receipt");
    forget_answer(folder, name);
}

/// Its answer was not noted.
fn forget_answer(folder: &Path, name: &str) {
    let path = folder.join(format!("{name}.shuguan-push"));
    let mut state = state(folder, name);
    state["exchange"] = Value::Null;
    state["open"] = since(0);
    state.as_object_mut().expect("members").remove("done");
    fs::write(&path, state.to_string()).expect("a state");
}

#[test]
fn a_companion_that_comes_or_goes_makes_no_other_batch_of_a_file_that_was_taken() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    put(&folder, "goes.ndjson", &one(1), Some("1"));
    put(&folder, "comes.ndjson", &one(2), None);
    assert_eq!(pass(&gateway), ["accepted"; 2]);
    fs::remove_file(folder.join("goes.ndjson.ok")).expect("a companion");
    fs::write(folder.join("comes.ndjson.ok"), "count=1").expect("a companion");
    assert!(pass(&gateway).is_empty());
    // Its answer was lost on the way: the key stays, whatever the companion says by now.
    forget_answer(&folder, "goes.ndjson");
    forget_answer(&folder, "comes.ndjson");
    assert_eq!(pass(&gateway), ["accepted"; 2]);
    assert_eq!(pushes(&gateway), 2);
}

#[test]
fn a_count_that_comes_after_a_batch_was_refused_for_the_count_of_before_is_the_one_that_is_sent() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    put(&folder, "a.ndjson", &one(1), Some("2"));
    assert_eq!(pass(&gateway), ["refused"]);
    forget_answer(&folder, "a.ndjson");
    fs::write(folder.join("a.ndjson.ok"), "count=1").expect("a companion");
    assert_eq!(pass(&gateway), ["accepted"]);
    assert_eq!(pushes(&gateway), 1);
}

#[test]
fn a_file_that_was_moved_is_not_sent_again_and_other_content_in_its_place_is() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    let done = folder.join("done");
    put(&folder, "june.ndjson", &one(1), Some("1"));
    assert_eq!(pass(&gateway), ["accepted"]);
    fs::create_dir(&done).expect("a folder");
    fs::rename(folder.join("june.ndjson"), done.join("2026-06.ndjson")).expect("a file");
    assert_eq!(pass(&gateway), ["known"]);
    assert!(pass(&gateway).is_empty());
    assert_eq!(pushes(&gateway), 1);
    // The same length and time of change, another person.
    let was = fs::metadata(done.join("2026-06.ndjson")).expect("a file");
    put(&done, "july.ndjson", &one(2), None);
    let file = fs::File::options()
        .write(true)
        .open(done.join("july.ndjson"))
        .expect("a file");
    file.set_modified(was.modified().expect("a time")).expect("a time");
    assert_eq!(file.metadata().expect("a file").len(), was.len());
    assert_eq!(pass(&gateway), ["accepted"]);
    assert_eq!(pushes(&gateway), 2);
}

#[test]
fn a_receipt_without_a_state_counts_when_it_is_of_this_file_and_is_told_when_not() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    put(&folder, "a.ndjson", &one(1), None);
    assert_eq!(pass(&gateway), ["accepted"]);
    let lose = || fs::remove_file(folder.join("a.ndjson.shuguan-push")).expect("a state");
    lose();
    assert_eq!(pass(&gateway), ["known"]);
    assert_eq!(pushes(&gateway), 1);
    let receipt = fs::read_to_string(folder.join("a.ndjson.ack")).expect("a receipt");
    for (n, name, ack) in [(2, "b.ndjson", "x"), (3, "c.ndjson", receipt.as_str())] {
        let content = [one(n), one(n + 10)].concat();
        put(&folder, name, &content, None);
        fs::write(folder.join(format!("{name}.ack")), ack).expect("a receipt");
        assert_eq!(pass(&gateway), ["fault", "accepted"], "{name}");
    }
    assert_eq!(pushes(&gateway), 3);
}

#[test]
fn a_receipt_of_other_content_of_the_same_length_is_told_and_its_file_is_sent() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    let (file, ack) = (folder.join("a.ndjson"), folder.join("a.ndjson.ack"));
    let lose = || fs::remove_file(folder.join("a.ndjson.shuguan-push")).expect("a state");
    put(&folder, "a.ndjson", &one(1), None);
    assert_eq!(pass(&gateway), ["accepted"]);
    // Another person in as many bytes, written before that receipt was, and put there afterwards.
    lose();
    put(&folder, "a.ndjson", &one(2), None);
    let before = fs::metadata(&ack).and_then(|ack| ack.modified()).expect("a time") - Duration::from_secs(60);
    let written = fs::File::options().write(true).open(&file).expect("a file");
    written.set_modified(before).expect("a time");
    assert_eq!(
        (one(1).len(), pass(&gateway)),
        (one(2).len(), vec!["fault".into(), "accepted".into()])
    );
    assert_eq!(pushes(&gateway), 2);
    lose();
    let (code, lines) = passed(&gateway);
    assert_eq!((code, lines.len(), &lines[0]["by"]), (0, 1, &"receipt".into()));
    // Everybody else passes over the line that tells it.
    let text = fs::read_to_string(&ack).expect("a receipt");
    let name = "outbox/public-security/resident/a.ndjson.ack";
    let (code, _, error) = gateway.shuguan(&["verify", "receipt", name, "--trust", "trust/trust.txt"]);
    assert_eq!(code, 0, "{error}");
    // One that an older version kept has none.
    let (older, line) = text.trim_end().rsplit_once('\n').expect("lines");
    assert!(line.starts_with("— shuguan.sender/file "), "{line}");
    fs::write(&ack, format!("{older}\n")).expect("a receipt");
    lose();
    let (_, lines) = passed(&gateway);
    assert_eq!((lines.len(), &lines[0]["by"]), (1, &"receipt-by-length".into()));
    assert_eq!(pushes(&gateway), 2);
}

#[test]
fn what_was_sent_over_a_week_ago_and_never_answered_waits_for_a_person() {
    let gateway = Deployment::new();
    let folder = outbox(&gateway);
    put(&folder, "a.ndjson", &one(1), None);
    assert_eq!(pass(&gateway), ["waiting"]);
    assert!(!folder.join("a.ndjson.shuguan-push").exists(), "nothing was sent");
    let _running = gateway.serve();
    assert_eq!(pass(&gateway), ["accepted"]);
    assert_eq!(state(&folder, "a.ndjson")["open"], "no");
    forget_answer(&folder, "a.ndjson");
    let mut lost = state(&folder, "a.ndjson");
    lost["open"] = serde_json::json!({ "since": 1_700_000_000_000_000_i64 });
    fs::write(folder.join("a.ndjson.shuguan-push"), lost.to_string()).expect("a state");
    fs::remove_file(folder.join("a.ndjson.ack")).expect("a receipt");
    let (code, lines) = passed(&gateway);
    assert_eq!((code, lines.len(), &lines[0]["state"]), (8, 1, &"unheard".into()));
    assert_eq!(lines[0]["sent"], "2023-11-14T22:13:20.000000Z");
    let report = fs::read_to_string(folder.join("a.ndjson.err")).expect("a report");
    assert!(
        report.contains("7 days") && report.contains("shuguan reconcile"),
        "{report}"
    );
    assert!(!folder.join("a.ndjson.ack").exists());
    assert_eq!((passed(&gateway), pushes(&gateway)), ((0, Vec::new()), 1));
    assert_eq!(
        state(&folder, "a.ndjson")["open"],
        lost["open"],
        "reconcile still names it"
    );
    // A companion, or a file that was touched, is no person who looked.
    fs::write(folder.join("a.ndjson.ok"), "").expect("a companion");
    assert_eq!(pass(&gateway), ["unheard"]);
    assert_eq!(pushes(&gateway), 1);
    fs::remove_file(folder.join("a.ndjson.err")).expect("a report");
    assert_eq!(pass(&gateway), ["accepted"]);
    assert_eq!(pushes(&gateway), 2);
}

#[test]
fn a_refusal_on_this_side_throws_no_key_away_under_which_the_file_may_have_been_taken() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    put(&folder, "a.ndjson", &one(1), None);
    assert_eq!(pass(&gateway), ["accepted"]);
    lose_answer(&folder, "a.ndjson");
    // Half written.
    fs::write(folder.join("a.ndjson.chk"), "sha256=00").expect("a companion");
    assert_eq!(pass(&gateway), ["refused"]);
    fs::write(folder.join("a.ndjson.chk"), "").expect("a companion");
    assert_eq!(pass(&gateway), ["accepted"]);
    assert_eq!(pushes(&gateway), 1);
}

#[test]
fn a_file_whose_answer_never_came_keeps_its_key_when_it_is_moved() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    put(&folder, "a.ndjson", &one(1), None);
    assert_eq!(pass(&gateway), ["accepted"]);
    lose_answer(&folder, "a.ndjson");
    fs::create_dir(folder.join("done")).expect("a folder");
    fs::rename(folder.join("a.ndjson"), folder.join("done/b.ndjson")).expect("a file");
    assert_eq!(pass(&gateway), ["accepted"]);
    assert_eq!(pushes(&gateway), 1);
    assert!(!folder.join("a.ndjson.shuguan-push").exists(), "it moved along");
}

#[test]
fn a_file_whose_answer_never_came_keeps_its_key_also_when_another_took_its_name_first() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    put(&folder, "june.ndjson", &one(1), None);
    assert_eq!(pass(&gateway), ["accepted"]);
    lose_answer(&folder, "june.ndjson");
    fs::create_dir(folder.join("old")).expect("a folder");
    fs::rename(folder.join("june.ndjson"), folder.join("old/june.ndjson")).expect("a file");
    put(&folder, "june.ndjson", &one(2), None);
    assert_eq!(pass(&gateway), ["accepted"; 2]);
    assert_eq!(pushes(&gateway), 2, "the second is new, the first was taken before");
    assert!(pass(&gateway).is_empty());
}

#[test]
fn a_copy_of_a_file_whose_answer_never_came_is_a_batch_of_its_own() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    put(&folder, "a.ndjson", &one(1), None);
    assert_eq!(pass(&gateway), ["accepted"]);
    lose_answer(&folder, "a.ndjson");
    put(&folder, "b.ndjson", &one(1), None);
    assert_eq!(pass(&gateway), ["accepted"; 2]);
    assert_eq!(pushes(&gateway), 2);
}

#[test]
fn a_receipt_that_is_tied_to_the_content_says_that_it_was_taken_whatever_was_noted() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    put(&folder, "a.ndjson", &one(1), None);
    assert_eq!(pass(&gateway), ["accepted"]);
    // Killed between the receipt and the state, and started again after a week.
    forget_answer(&folder, "a.ndjson");
    let mut lost = state(&folder, "a.ndjson");
    lost["open"] = since(8);
    fs::write(folder.join("a.ndjson.shuguan-push"), lost.to_string()).expect("a state");
    let (code, lines) = passed(&gateway);
    assert_eq!((code, lines.len(), &lines[0]["by"]), (0, 1, &"receipt".into()));
    // The state is lost, and the file was touched since.
    fs::remove_file(folder.join("a.ndjson.shuguan-push")).expect("a state");
    let later = std::time::SystemTime::now() + Duration::from_secs(5);
    let file = fs::File::options().write(true).open(folder.join("a.ndjson"));
    file.expect("a file").set_modified(later).expect("a time");
    fs::write(folder.join("a.ndjson.ok"), "").expect("a companion");
    let (code, lines) = passed(&gateway);
    assert_eq!((code, lines.len(), &lines[0]["by"]), (0, 1, &"receipt".into()));
    assert_eq!(pushes(&gateway), 1);
}

#[test]
fn a_file_whose_state_cannot_be_read_is_told_and_not_sent_and_holds_up_no_other() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    put(&folder, "a.ndjson", &one(1), None);
    fs::write(folder.join("a.ndjson.shuguan-push"), "{").expect("a state");
    put(&folder, "b.ndjson", &one(2), None);
    // Also when it would be refused on this side.
    put(&folder, "c.ndjson", &one(3), None);
    fs::write(folder.join("c.ndjson.shuguan-push"), "{").expect("a state");
    fs::write(folder.join("c.ndjson.chk"), "sha256=00").expect("a companion");
    let (code, lines) = passed(&gateway);
    let states: Vec<&str> = lines
        .iter()
        .map(|line| line["state"].as_str().expect("a state"))
        .collect();
    assert_eq!((code, states), (3, vec!["fault", "accepted", "fault"]), "{lines:?}");
    assert!(
        lines[0]["why"]
            .as_str()
            .expect("a reason")
            .contains("a.ndjson.shuguan-push")
    );
    assert_eq!(pushes(&gateway), 1);
}

#[test]
fn a_file_that_was_taken_otherwise_than_is_stated_by_now_is_told_and_holds_up_no_other() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    put(&folder, "a.ndjson", &one(1), None);
    assert_eq!(pass(&gateway), ["accepted"]);
    // Killed before it noted that it is done with it.
    let path = folder.join("a.ndjson.shuguan-push");
    let mut killed = state(&folder, "a.ndjson");
    killed.as_object_mut().expect("members").remove("done");
    fs::write(&path, killed.to_string()).expect("a state");
    fs::write(folder.join("drop.toml"), "charset = \"gb18030\"").expect("a drop.toml");
    put(&folder, "z.csv", &encoded(&nobody(2)), None);
    let (code, lines) = passed(&gateway);
    let states = states_of(&lines);
    assert_eq!(
        (code, states),
        (3, vec!["refused".into(), "accepted".into()]),
        "{lines:?}"
    );
    let report = fs::read_to_string(folder.join("a.ndjson.err")).expect("a report");
    for text in ["as utf-8, and gb18030 is stated", "shuguan recall", "remove this .err"] {
        assert!(report.contains(text), "{text}: {report}");
    }
    assert_eq!((passed(&gateway), pushes(&gateway)), ((0, Vec::new()), 2), "told once");
    // Stated as it was sent, it is what was taken: its key was not thrown away with the report.
    fs::remove_file(folder.join("drop.toml")).expect("a drop.toml");
    fs::remove_file(folder.join("a.ndjson.err")).expect("a report");
    assert_eq!(pass(&gateway), ["accepted"]);
    assert_eq!(pushes(&gateway), 2);
}

#[test]
fn a_name_beside_which_nothing_can_be_noted_is_told_and_holds_up_no_other() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    let name = format!("{}.ndjson", "a".repeat(240));
    fs::write(folder.join(name), one(1)).expect("a file");
    put(&folder, "b.ndjson", &one(2), None);
    let (code, lines) = passed(&gateway);
    let states = states_of(&lines);
    assert_eq!(
        (code, states),
        (3, vec!["fault".into(), "accepted".into()]),
        "{lines:?}"
    );
    assert!(
        lines[0]["why"].as_str().expect("a reason").contains("shorter name"),
        "{lines:?}"
    );
    assert_eq!(pushes(&gateway), 1);
}

/// One resident in GB18030, all of it ASCII but the name.
fn encoded(citizen_id: &str) -> Vec<u8> {
    let text = format!("citizen_id,name\n{citizen_id},某某\n");
    encoding_rs::GB18030.encode(&text).0.into_owned()
}

#[test]
fn a_file_that_another_push_has_is_left_to_it_and_holds_up_no_other() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    put(&folder, "a.ndjson", &one(1), None);
    put(&folder, "b.ndjson", &one(2), None);
    let place = run(shuguan::client::place::Place::take(
        &folder.join("a.ndjson"),
        None,
        Duration::ZERO,
    ));
    let (code, lines) = passed(&gateway);
    let states = states_of(&lines);
    assert_eq!(
        (code, states),
        (4, vec!["fault".into(), "accepted".into()]),
        "{lines:?}"
    );
    drop(place);
    assert_eq!(pass(&gateway), ["accepted"]);
    assert_eq!(pushes(&gateway), 2);
}
