//! A file that was taken stays taken: without its companion, moved, or with its state lost; and what was not taken is sent.

use std::fs;

use serde_json::Value;

use super::*;

/// One pass; gives the states that its lines say, in order.
fn pass(gateway: &Deployment) -> Vec<String> {
    let client = format!("partners/{POLICE}/client.toml");
    let base = ["push", "--watch", "outbox", "--once", "--settle-s", "0"];
    let more = ["--purpose", "enrolment.registration", "-c", &client];
    let (_, out, error) = gateway.shuguan(&[&base[..], &more].concat());
    let lines = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect(&error));
    lines
        .map(|line| line["state"].as_str().expect("a state").to_owned())
        .collect()
}

/// Nothing of it was ever answered, as after a kill between the request and its answer.
fn forget_answer(folder: &Path, name: &str) {
    let path = folder.join(format!("{name}.shuguan-push"));
    let text = fs::read_to_string(&path).expect("a state");
    let mut state: Value = serde_json::from_str(&text).expect("a state");
    state["exchange"] = Value::Null;
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
