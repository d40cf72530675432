//! One folder's disk is full and the others are not: what needs it is answered 503 and leaves nothing, the light says so where it is the journal's, and all goes
//! on when there is room.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};
use shuguan_tests::{Answer, Call, Deployment, Identity, Running, SmallDisk, eventually, registry_count, run};

use crate::feeds::{CSV_UTF8, NDJSON, POLICE, RESIDENT, clean, nobody, resident};

async fn push(running: &Running<'_>, gateway: &Deployment, (form, feed): (&str, Vec<u8>)) -> Answer {
    let call = Call::push(RESIDENT, form, feed);
    running.call(call, &gateway.partner(POLICE)).await.unwrap()
}

/// 503 with that code and a time to wait.
fn not_now(answer: &Answer, code: &str) {
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (503, &code.into()));
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
}

async fn extract(running: &Running<'_>, centre: &Identity) -> Answer {
    let asked = json!({ "dataset": "population", "purpose": "enrolment.registration", "case": "D-1" });
    let call = Call::new(http::Method::POST, "/v1/extracts")
        .header("content-type", "application/json")
        .body(asked.to_string());
    running.call(call, centre).await.unwrap()
}

async fn state(running: &Running<'_>, centre: &Identity, begun: &Answer) -> Value {
    assert_eq!(begun.status, 202, "{:?}", begun.body);
    let wait = Call::get(begun.header("location")).header("prefer", "wait=20");
    running.call(wait, centre).await.unwrap().json()
}

#[test]
fn an_extract_for_which_the_disk_has_no_room_is_refused_with_a_time_to_wait_and_leaves_no_part() {
    run(async {
        let gateway = Deployment::new();
        let Some(disk) = SmallDisk::at(&gateway.path("extracts"), 1) else {
            return;
        };
        let running = gateway.serve();
        let people: Vec<u8> = (0..2_000).flat_map(|n| resident(&nobody(n), "某某")).collect();
        assert_eq!(push(&running, &gateway, (NDJSON, people)).await.status, 202);
        eventually("they are in the registry", 30, || {
            registry_count(&gateway.registry(), "person") == 2_000
        });
        let centre = gateway.partner("information-centre");
        disk.fill(0);
        not_now(&extract(&running, &centre).await, "SG2121");
        assert_eq!(disk.files(), 0);
        // It fills up while the extract is prepared.
        disk.fill(128);
        let begun = extract(&running, &centre).await;
        let told = state(&running, &centre, &begun).await;
        assert_eq!(
            (&told["state"], &told["code"]),
            (&"failed".into(), &"SG2121".into()),
            "{told}"
        );
        let wait = told["retry_after_s"].as_u64();
        assert!(wait.is_some_and(|seconds| (1..=600).contains(&seconds)), "{told}");
        assert_eq!(disk.files(), 0);
        let refusals = gateway.leaves_of("refusal");
        let codes: Vec<&Value> = refusals.iter().map(|leaf| &leaf["code"]).collect();
        assert_eq!(codes, ["spool-full", "spool-full"]);
        assert!(gateway.log().contains("the disk of prepared extracts has no room"));

        disk.make_room();
        let begun = extract(&running, &centre).await;
        let told = state(&running, &centre, &begun).await;
        assert_eq!(
            (&told["state"], &told["rows"]),
            (&"ready".into(), &2_000.into()),
            "{told}"
        );
        assert_eq!(running.stop(), Some(0));
    });
}

#[test]
fn the_journals_light_says_that_only_the_payloads_have_no_room_and_goes_out_when_they_have() {
    run(async {
        let gateway = Deployment::new();
        let Some(disk) = SmallDisk::at(&gateway.path("journal/payload"), 4) else {
            return;
        };
        let running = gateway.serve();
        let light = |state: &str, said: &str| {
            let (_, body) = running.health("/readyz").unwrap_or_default();
            let document: Value = serde_json::from_str(&body).unwrap_or_default();
            let check = &document["checks"]["journal"];
            check["state"] == state && check["detail"].as_str().is_some_and(|detail| detail.contains(said))
        };
        let large = || (CSV_UTF8, clean(RESIDENT, CSV_UTF8, 20_000, 7));
        disk.fill(0);
        eventually("that alone is no want of room", 10, || light("green", "it commits"));
        not_now(&push(&running, &gateway, large()).await, "SG5101");
        assert_eq!(disk.files(), 0);
        eventually("the light says so", 5, || {
            light("yellow", "the folder of payloads has had no room")
        });
        // What fits the journal's row is taken all the same, and says nothing of room.
        let small = (NDJSON, resident(&nobody(1), "某某"));
        assert_eq!(push(&running, &gateway, small).await.status, 202);
        assert!(light("yellow", "no room"));
        disk.make_room();
        eventually("the light goes out", 10, || light("green", "it commits"));
        assert_eq!(disk.files(), 0, "nothing is left of looking for room");
        assert_eq!(push(&running, &gateway, large()).await.status, 202);
        assert_eq!(running.stop(), Some(0));
        gateway.verified_log();
    });
}

/// A disk of so many MiB in the place of the journal's folder, with what is in it.
fn under_the_journal(gateway: &Deployment, mib: u32) -> Option<SmallDisk> {
    let (folder, aside) = (gateway.path("journal"), gateway.path("journal-aside"));
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    let disk = SmallDisk::at(&folder, mib);
    let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(&folder).status();
    assert!(copied.is_ok_and(|status| status.success()));
    disk
}

#[test]
fn a_journal_that_had_no_room_says_in_the_log_since_when_and_goes_on_by_itself() {
    run(async {
        let gateway = Deployment::new();
        let Some(disk) = under_the_journal(&gateway, 16) else {
            return;
        };
        let running = gateway.serve();
        let one = |number| (NDJSON, resident(&nobody(number), "某某"));
        assert_eq!(push(&running, &gateway, one(1)).await.status, 202);
        disk.fill(0);
        let (mut accepted, mut refused) = (1, 0);
        // What is left of the write-ahead log's last page may still take some.
        for number in 2..60 {
            let answer = push(&running, &gateway, one(number)).await;
            if answer.status == 202 {
                accepted += 1;
            } else {
                not_now(&answer, "SG5101");
                refused += 1;
            }
            if refused == 3 {
                break;
            }
        }
        assert_eq!(refused, 3);
        assert!(gateway.leaves_of("full").is_empty());
        disk.make_room();
        eventually("it goes on by itself and says so", 15, || {
            gateway.leaves_of("full").len() == 1
        });
        let leaf = gateway.leaves_of("full").pop().unwrap();
        assert!(leaf["cnt"].as_u64().is_some_and(|groups| groups >= 3), "{leaf}");
        assert!(leaf["free"].as_u64().is_some_and(|free| free > 1 << 20), "{leaf}");
        assert!(leaf["since"].as_str() < leaf["t"].as_str(), "{leaf}");
        assert_eq!(push(&running, &gateway, one(100)).await.status, 202);
        assert_eq!(
            gateway.leaves_of("push").len(),
            accepted + 1,
            "nothing of what was refused"
        );
        assert_eq!(running.stop(), Some(0));
        assert!(gateway.verified_log().contains("1  full"));
    });
}
