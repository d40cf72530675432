#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::{Key, Next, Place};
use crate::client::batch::Batch;
use crate::client::state::{PushState, Standing, set_aside_of, state_path};
use crate::client::undelivered::Undelivered;

const BATCH: Batch<'_> = Batch {
    digest: "d",
    record: "r",
    purpose: "p",
    manner: "",
    content_type: "",
};
/// The same, with a slip in the purpose.
const SLIP: Batch<'_> = Batch { purpose: "q", ..BATCH };
/// Another content under the same name.
const OTHER: Batch<'_> = Batch { digest: "e", ..BATCH };
const NOW_US: i64 = 1_700_000_000_000_000;
/// It was never answered.
const NEVER: Standing = Standing::Sent(NOW_US);
const LATE_US: i64 = NOW_US + 7 * 86_400_000_000;

fn take(file: &Path, folder: Option<&Path>) -> Result<Place, Undelivered> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime
        .unwrap()
        .block_on(Place::take(file, folder, Duration::from_millis(120)))
}

struct Scene {
    _folder: TempDir,
    file: PathBuf,
    path: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        let path = state_path(&file, None);
        Self {
            _folder: folder,
            file,
            path,
        }
    }

    fn place(&self) -> Place {
        take(&self.file, None).unwrap()
    }

    /// As a process that sends it, and ends.
    fn sends(&self, batch: &Batch<'_>, becomes: Standing) -> String {
        let mut place = self.place();
        place.bring_back(batch).unwrap();
        let Key { key, .. } = place.sends(batch, NOW_US).unwrap();
        let is_answer = matches!(becomes, Standing::Answered(_));
        place.note(becomes).unwrap();
        if is_answer {
            place.tidy();
        }
        key
    }

    fn there(&self) -> PushState {
        PushState::load(&self.path).unwrap().unwrap()
    }

    fn aside(&self) -> Vec<PushState> {
        let aside = set_aside_of(&self.path).unwrap();
        aside.into_iter().map(|(_, state)| state).collect()
    }
}

fn answered(exchange: &str) -> Standing {
    Standing::Answered(exchange.to_owned())
}

#[test]
fn a_second_push_of_a_file_waits_for_the_first_and_a_killed_one_locks_nobody_out() {
    let scene = Scene::new();
    let lock = scene.path.with_extension("shuguan-push.lock");
    // As a process leaves it that is killed.
    std::fs::write(&lock, "").unwrap();
    let mut first = scene.place();
    assert!(matches!(take(&scene.file, None), Err(Undelivered::Busy)));
    let other = scene.file.with_file_name("b.csv");
    assert!(take(&other, None).is_ok(), "another file is nobody's business");
    let waiting = std::thread::spawn({
        let file = scene.file.clone();
        move || take(&file, None).map(|place| place.there().cloned())
    });
    let Key { key, .. } = first.sends(&BATCH, NOW_US).unwrap();
    drop(first);
    let found = waiting.join().unwrap().unwrap().unwrap();
    assert_eq!(found.key, key, "the second goes on under the key of the first");
    assert!(!lock.exists());
}

#[test]
fn what_was_answered_is_asked_for_and_what_may_have_been_taken_goes_under_its_key() {
    let scene = Scene::new();
    assert_eq!(scene.place().next(&BATCH, NOW_US).unwrap(), Next::Send);
    let mut place = scene.place();
    let Key { key, is_repeat } = place.sends(&BATCH, NOW_US).unwrap();
    assert!(!is_repeat);
    assert_eq!(place.next(&BATCH, NOW_US + 5).unwrap(), Next::Send);
    let again = place.sends(&BATCH, NOW_US + 5).unwrap();
    assert_eq!((&again.key, again.is_repeat), (&key, true));
    assert_eq!(scene.there().standing, Standing::Sent(NOW_US), "the first time counts");
    place.note(Standing::Answered("x".to_owned())).unwrap();
    assert_eq!(place.next(&BATCH, LATE_US).unwrap(), Next::Ask("x".to_owned()));
    // What the gateway does not know any more goes under the same key, and is as open as any other.
    let anew = place.sends(&BATCH, LATE_US).unwrap();
    assert_eq!((anew.key, anew.is_repeat), (key, false));
    assert_eq!(scene.there().standing, Standing::Sent(LATE_US));
}

#[test]
fn what_was_never_answered_for_a_week_is_told_and_forgotten_only_when_it_is_to_go_again() {
    let scene = Scene::new();
    let key = scene.sends(&BATCH, NEVER);
    // However it is declared by now.
    let counted = Batch {
        manner: "exchange-count: 3",
        ..BATCH
    };
    let mut place = scene.place();
    assert_eq!(place.next(&counted, LATE_US).unwrap(), Next::Unheard(NOW_US));
    assert_eq!(scene.there().standing, Standing::Told(NOW_US));
    place.begin_again(&counted, LATE_US).unwrap();
    assert_ne!(scene.there().key, key);
}

#[test]
fn the_key_stays_with_the_content_and_changes_with_it() {
    let scene = Scene::new();
    let first = scene.sends(&BATCH, Standing::Refused);
    assert_eq!(scene.sends(&BATCH, Standing::Refused), first);
    let mut keys = vec![first];
    let counted = Batch {
        manner: "exchange-count: 3",
        ..SLIP
    };
    // Corrected after a refusal: under the old key the gateway would refuse it for good.
    let charset = Batch {
        content_type: "text/csv; charset=gb18030",
        ..counted
    };
    for batch in [OTHER, SLIP, counted, charset] {
        keys.push(scene.sends(&batch, Standing::Refused));
    }
    keys.sort();
    keys.dedup();
    // The state that noted no form is of the one that is sent by now.
    assert_eq!(keys.len(), 4);
    assert_eq!(scene.there().content_type, charset.content_type);
}

#[test]
fn a_state_under_its_files_name_alone_is_taken_over_by_the_file_of_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let states = folder.path();
    let earlier = states.join("june.csv.shuguan-push");
    let before = PushState::new(&BATCH);
    before.save(&earlier).unwrap();
    let [a, b] = ["a/june.csv", "b/june.csv"].map(|file| states.join(file));
    let adopt = |file: &Path, digest| {
        let mut place = take(file, Some(states)).unwrap();
        place.adopt_earlier(file, Some(states), digest).unwrap();
        place.there().cloned()
    };
    assert_eq!(adopt(&a, "e"), None);
    assert!(earlier.exists(), "it is of other content");
    assert_eq!(adopt(&b, "d"), Some(before));
    assert!(!earlier.exists());
}

#[test]
fn what_was_taken_makes_way_to_the_same_content_as_something_else_and_comes_back() {
    let scene = Scene::new();
    let key = scene.sends(&BATCH, answered("x"));
    scene.sends(&SLIP, Standing::Unsent);
    assert_eq!(scene.aside().len(), 1);
    let third = Batch { purpose: "z", ..BATCH };
    scene.place().bring_back(&third).unwrap();
    assert_eq!(scene.there().purpose, "q", "nothing else comes back");
    scene.place().bring_back(&BATCH).unwrap();
    assert_eq!((scene.there().key, scene.aside()), (key, Vec::new()));
    // Of content that was answered nothing is kept when another takes its name.
    scene.sends(&OTHER, answered("y"));
    assert_eq!((scene.there().digest.as_str(), scene.aside()), ("e", Vec::new()));
}

#[test]
fn what_may_have_been_taken_makes_way_to_anything_and_comes_back() {
    let scene = Scene::new();
    let key = scene.sends(&BATCH, NEVER);
    scene.sends(&OTHER, answered("y"));
    assert_eq!(scene.aside().len(), 1);
    assert_eq!(scene.sends(&BATCH, NEVER), key);
    assert_eq!(scene.there().standing, Standing::Sent(NOW_US));
}

/// A slip in the purpose set what was answered aside; other content, which was refused, came between; the first content was sent anew.
#[test]
fn what_other_content_went_over_is_over_for_good() {
    let scene = Scene::new();
    let first = scene.sends(&BATCH, answered("x"));
    scene.sends(&SLIP, Standing::Unsent);
    scene.sends(&OTHER, Standing::Refused);
    let second = scene.sends(&BATCH, answered("y"));
    assert_ne!(first, second);
    assert_eq!(scene.aside(), Vec::new(), "one state of this content");
}

/// As an older version left it, and as a kill does between the two writes of a state that makes way.
#[test]
fn again_forgets_every_answer_of_its_batch_and_nothing_else() {
    let of = |key: &str, batch: Batch<'_>, standing: Standing| PushState {
        key: key.to_owned(),
        standing,
        ..PushState::new(&batch)
    };
    let there = of("second", BATCH, answered("y"));
    for aside in [of("first", BATCH, answered("x")), there.clone()] {
        let scene = Scene::new();
        there.save(&scene.path).unwrap();
        let slip = of("slip", SLIP, answered("z"));
        for state in [&aside, &slip] {
            state.save(&state.aside(&scene.path)).unwrap();
        }
        let mut place = scene.place();
        place.begin_again(&BATCH, NOW_US).unwrap();
        // A crash here: the place is not empty, and the next push finds nothing that was answered.
        let begun = scene.there();
        assert_eq!((begun.standing, scene.aside()), (Standing::Unsent, vec![slip]));
        place.bring_back(&BATCH).unwrap();
        assert_eq!(place.next(&BATCH, NOW_US).unwrap(), Next::Send);
        // Interrupted, it goes on under that key.
        assert_eq!(place.sends(&BATCH, NOW_US).unwrap().key, begun.key);
        place.begin_again(&BATCH, NOW_US).unwrap();
        assert_eq!(scene.there().key, begun.key, "its batch may have been accepted");
    }
}
