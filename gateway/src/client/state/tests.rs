#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::path::Path;

use serde_json::{Value, json};

use super::{Done, HOUR_US, KEY_KNOWN_US, PushState, Stamp, Standing, state_path};
use crate::client::batch::Batch;

const BATCH: Batch<'_> = Batch {
    digest: "d",
    record: "r",
    purpose: "p",
    manner: "",
    content_type: "",
};
/// When states were written that say nothing of it.
const WRITTEN_US: i64 = 1_700_000_000_000_000;

/// The state of a file with these members besides those that every version wrote.
fn read(members: &Value) -> PushState {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv.shuguan-push");
    let mut state = json!({ "digest": "d", "record": "r", "purpose": "p", "key": "k", "exchange": null });
    for (name, value) in members.as_object().unwrap() {
        state[name] = value.clone();
    }
    std::fs::write(&path, state.to_string()).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let written = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    file.set_modified(written).unwrap();
    PushState::load(&path).unwrap().unwrap()
}

#[test]
fn what_every_version_wrote_is_read_as_what_became_of_the_key() {
    let answered = || Standing::Answered("x".to_owned());
    let done = |accepted| {
        let stamp = json!({ "bytes": 1, "changed_us": 2, "companion_us": 0 });
        json!({ "accepted": accepted, "stamp": stamp })
    };
    for (members, standing) in [
        // It did not note that it was sent: as when it was written.
        (json!({}), Standing::Sent(WRITTEN_US)),
        (json!({ "exchange": "x" }), answered()),
        (json!({ "refused": true }), Standing::Refused),
        (json!({ "done": done(false) }), Standing::Unsent),
        (json!({ "open": "no" }), Standing::Unsent),
        (json!({ "open": "no", "exchange": "x" }), answered()),
        (json!({ "open": "no", "refused": true }), Standing::Refused),
        (json!({ "open": { "since": 5 } }), Standing::Sent(5)),
        (json!({ "open": { "since": 5 }, "refused": true }), Standing::Told(5)),
    ] {
        assert_eq!(read(&members).standing, standing, "{members}");
    }
    assert!(
        read(&json!({ "done": done(true), "exchange": "x" }))
            .done
            .unwrap()
            .accepted
    );
}

#[test]
fn what_is_written_is_read_as_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv.shuguan-push");
    for standing in [
        Standing::Unsent,
        Standing::Sent(7),
        Standing::Told(7),
        Standing::Answered("x".to_owned()),
        Standing::Refused,
    ] {
        let stamp = Stamp {
            bytes: 1,
            changed_us: 2,
            companion_us: 3,
        };
        let state = PushState {
            standing,
            done: Some(Done { accepted: true, stamp }),
            ..PushState::new(&Batch {
                manner: "snapshot",
                content_type: "text/csv",
                ..BATCH
            })
        };
        state.save(&path).unwrap();
        assert_eq!(PushState::load(&path).unwrap(), Some(state));
    }
}

#[test]
fn only_what_was_sent_a_week_ago_and_never_answered_is_unheard() {
    let now = WRITTEN_US;
    let late = now + KEY_KNOWN_US;
    let of = |standing| PushState {
        standing,
        ..PushState::new(&BATCH)
    };
    for standing in [Standing::Sent(now), Standing::Told(now)] {
        let state = of(standing);
        assert_eq!(state.unheard_since(late - 1), None);
        assert_eq!(state.unheard_since(late), Some(now));
        let clock_set_back = now - HOUR_US;
        assert_eq!(state.unheard_since(clock_set_back), None);
        assert_eq!(state.unheard_since(clock_set_back - 1), Some(now));
    }
    for standing in [Standing::Unsent, Standing::Answered("x".to_owned()), Standing::Refused] {
        assert_eq!(of(standing).unheard_since(i64::MAX), None);
    }
}

#[test]
fn files_of_one_name_in_two_folders_have_two_states_in_a_third() {
    let folder = tempfile::tempdir().unwrap();
    let states = folder.path().join("states");
    let file = |name: &str| {
        let file = folder.path().join(name).join("june.csv");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, name).unwrap();
        file
    };
    let [a, b] = ["a", "b"].map(file);
    let path = |file: &Path| state_path(file, Some(&states));
    assert_ne!(path(&a), path(&b));
    assert_eq!(
        path(&a),
        path(&folder.path().join("b/../a/june.csv")),
        "however it is named"
    );
    assert!(path(&a).to_str().unwrap().contains("/states/june.csv."));
}
