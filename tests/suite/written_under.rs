//! Key files that are not those under which the journal was written, and a journal that is an older copy: neither `serve` nor `doctor` calls them good.

use std::os::unix::fs::PermissionsExt;

use shuguan_tests::{Call, Deployment, eventually, registry_count, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

/// A gateway runs until so many people are in its registry, one more than before.
async fn relayed(gateway: &Deployment, people: u32) {
    let running = gateway.serve();
    let call = Call::push(RESIDENT, NDJSON, resident(&nobody(people), "某某"));
    let answer = running.call(call, &gateway.partner(POLICE)).await.unwrap();
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    eventually("it is in the registry", 20, || {
        registry_count(&gateway.registry(), "person") == u64::from(people)
    });
    assert_eq!(running.stop(), Some(0));
}

/// Puts another key into a file, and gives what was there.
fn change(gateway: &Deployment, file: &str, key: &str) -> String {
    let path = gateway.path("keys").join(file);
    let was = std::fs::read_to_string(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, key).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    was
}

fn doctor(gateway: &Deployment) -> (i32, String) {
    let (code, out, error) = gateway.shuguan(&["doctor", "--json", "-c", "shuguan.toml"]);
    (code, out + &error)
}

/// Neither starts with it nor calls it good, and wrote nothing.
fn refuses(gateway: &Deployment, file: &str, what: &str) {
    let size = gateway.leaves().len();
    let (code, error) = gateway.serve_in_vain();
    assert_eq!(code, 1, "{error}");
    assert!(error.contains(file) && error.contains(what), "{error}");
    assert_eq!(gateway.leaves().len(), size);
    let (code, said) = doctor(gateway);
    assert_eq!(code, 6, "{said}");
    assert!(said.contains(file) && said.contains(what), "{said}");
}

#[test]
fn a_gateway_with_another_key_than_its_journal_was_written_under_does_not_start() {
    run(async {
        let gateway = Deployment::new();
        // Before the first batch there is nothing to compare with.
        change(&gateway, "master.key", &"0a".repeat(32));
        relayed(&gateway, 1).await;
        let master = change(&gateway, "master.key", &"0b".repeat(32));
        refuses(
            &gateway,
            "master.key",
            "it is another key than the one that the last pseudonyms were made with",
        );
        change(&gateway, "master.key", &master);
        let encryption = change(&gateway, "kek.key", &"0c".repeat(32));
        refuses(&gateway, "kek.key", "none of the newest can be opened with it");
        change(&gateway, "kek.key", &encryption);
        let (code, said) = doctor(&gateway);
        assert_eq!(code, 0, "{said}");
        relayed(&gateway, 2).await;
    });
}

/// A week without a batch: nothing is held any more, and the records under the months' keys tell.
#[test]
fn another_key_encryption_key_is_found_where_no_payload_is_held() {
    run(async {
        let gateway = Deployment::new();
        relayed(&gateway, 1).await;
        let journal = rusqlite::Connection::open(gateway.journal()).unwrap();
        assert_eq!(journal.execute("DELETE FROM payload", []).unwrap(), 1);
        drop(journal);
        change(&gateway, "kek.key", &"0e".repeat(32));
        refuses(&gateway, "kek.key", "none of the newest can be opened with it");
    });
}

#[test]
fn a_month_key_that_others_may_read_keeps_a_gateway_from_starting_and_no_leaf_says_that_it_started() {
    run(async {
        let gateway = Deployment::new();
        relayed(&gateway, 1).await;
        let folder = std::fs::read_dir(gateway.path("keys/kek")).unwrap();
        let month = folder.map(|entry| entry.unwrap().path()).next().expect("a month's key");
        std::fs::set_permissions(&month, std::fs::Permissions::from_mode(0o644)).unwrap();
        let name = month.file_name().unwrap().to_str().unwrap();
        for _ in 0..2 {
            refuses(&gateway, name, "0644");
        }
        std::fs::set_permissions(&month, std::fs::Permissions::from_mode(0o400)).unwrap();
        relayed(&gateway, 2).await;
    });
}

/// What cannot be opened any more is set aside and stays until somebody discards it; it does not speak against the key for ever.
#[test]
fn a_damaged_payload_that_is_held_alone_does_not_keep_a_gateway_from_starting() {
    run(async {
        let gateway = Deployment::new();
        relayed(&gateway, 1).await;
        let journal = rusqlite::Connection::open(gateway.journal()).unwrap();
        let damage = "UPDATE payload SET wrapped_key = zeroblob(length(wrapped_key))";
        assert_eq!(journal.execute(damage, []).unwrap(), 1);
        drop(journal);
        let (code, said) = doctor(&gateway);
        assert_eq!(code, 0, "{said}");
        assert_eq!(gateway.serve().stop(), Some(0));
    });
}

#[test]
fn where_a_key_is_lost_for_good_the_new_one_is_taken_once_somebody_says_so() {
    run(async {
        let gateway = Deployment::new();
        relayed(&gateway, 1).await;
        change(&gateway, "master.key", &"0b".repeat(32));
        std::fs::write(gateway.path("keys/master.key.lost"), "").unwrap();
        relayed(&gateway, 2).await;
        // The journal knows it now.
        let (code, said) = doctor(&gateway);
        assert!(code == 0 && said.contains("master.key.lost"), "{said}");
        std::fs::remove_file(gateway.path("keys/master.key.lost")).unwrap();
        assert_eq!(gateway.serve().stop(), Some(0));
        gateway.verified_log();
    });
}

#[test]
fn doctor_does_not_call_a_log_good_with_which_serve_does_not_go_on() {
    run(async {
        let gateway = Deployment::new();
        relayed(&gateway, 1).await;
        let older = std::fs::read(gateway.journal()).unwrap();
        relayed(&gateway, 2).await;
        assert_eq!(doctor(&gateway).0, 0);
        let newer = std::fs::read(gateway.journal()).unwrap();
        std::fs::write(gateway.journal(), older).unwrap();
        let (code, said) = doctor(&gateway);
        assert!(code == 6 && said.contains("head"), "{said}");
        std::fs::write(gateway.journal(), newer).unwrap();
        let seed = change(&gateway, "log.seed", &"0d".repeat(32));
        let (code, said) = doctor(&gateway);
        assert!(code == 6 && said.contains("\"log key\""), "{said}");
        change(&gateway, "log.seed", &seed);
        let year = std::fs::read_dir(gateway.path("keys/index"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let year = format!("index/{}", year.file_name().to_str().unwrap());
        let key = change(&gateway, &year, &"0f".repeat(32));
        refuses(&gateway, &year, "it is another key than the one that exchanges of");
        change(&gateway, &year, &key);
        assert_eq!(doctor(&gateway).0, 0);
    });
}
