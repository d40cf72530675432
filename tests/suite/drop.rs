//! The drop folder: each file is taken once, whatever happens to the watcher, the gateway or the file.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use shuguan_tests::{Deployment, binary, eventually, leaves, registry_count};

use crate::feeds::{POLICE, RESIDENT, nobody, resident};
use crate::random::Random;

mod taken;

const TABLE: &str = "public_security_resident";
const SHA256_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A watcher; killed when dropped.
struct Watcher(Child);

impl Watcher {
    fn start(gateway: &Deployment, more: &[&str]) -> Self {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(gateway.path("watch.log"))
            .expect("a log");
        let child = Command::new(binary())
            .args([
                "push",
                "--watch",
                "outbox",
                "--purpose",
                "enrolment.registration",
                "--poll-ms",
                "20",
            ])
            .args(["-c", &format!("partners/{POLICE}/client.toml")])
            .args(more)
            .current_dir(gateway.root())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("shuguan runs");
        Self(child)
    }

    /// As `kill -9`.
    fn kill(mut self) {
        self.0.kill().expect("a child");
        self.0.wait().expect("a child");
    }

    /// SIGTERM; gives the exit code.
    fn stop(mut self) -> Option<i32> {
        let killed = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        assert!(killed.expect("kill runs").success());
        let mut code = None;
        eventually("the watcher ends", 10, || {
            code = self.0.try_wait().expect("a child");
            code.is_some()
        });
        code.and_then(|status| status.code())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder that stands for residents.
fn outbox(gateway: &Deployment) -> PathBuf {
    let folder = gateway.path("outbox/public-security/resident");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Writes a file as front-end machines do: under another name, then renamed, then its companion.
fn put(folder: &Path, name: &str, content: &[u8], companion: Option<&str>) {
    let fresh = folder.join(format!("{name}.tmp"));
    std::fs::write(&fresh, content).expect("a file");
    std::fs::rename(&fresh, folder.join(name)).expect("a file");
    if let Some(text) = companion {
        std::fs::write(folder.join(format!("{name}.ok")), text).expect("a companion");
    }
}

fn one(n: u32) -> Vec<u8> {
    resident(&nobody(n), "某某")
}

fn pushes(gateway: &Deployment) -> usize {
    leaves(&gateway.journal())
        .iter()
        .filter(|leaf| leaf["k"] == "push")
        .count()
}

fn lines(gateway: &Deployment) -> Vec<serde_json::Value> {
    let log = std::fs::read_to_string(gateway.path("watch.log")).unwrap_or_default();
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn said(gateway: &Deployment, state: &str) -> usize {
    lines(gateway).iter().filter(|line| line["state"] == state).count()
}

#[test]
fn a_file_gets_its_receipt_and_a_bad_one_its_rejects() {
    let gateway = Deployment::new();
    let running = gateway.serve();
    let folder = outbox(&gateway);
    put(&folder, "good.ndjson", &one(1), Some("count=1"));
    let bad = "{\"citizen_id\":\"1\",\"name\":\"金丝雀\"}\n".repeat(4);
    put(&folder, "bad.ndjson", bad.as_bytes(), Some(""));
    let mixed: Vec<u8> = (10..40)
        .flat_map(one)
        .chain("{\"citizen_id\":\"1\",\"name\":\"某某\"}\n".bytes())
        .collect();
    put(&folder, "mixed.ndjson", &mixed, Some(""));
    put(&folder, "ignored.md", b"x", Some(""));
    let watcher = Watcher::start(&gateway, &[]);
    eventually("three files are answered", 20, || {
        said(&gateway, "accepted") == 2 && said(&gateway, "refused") == 1
    });
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let arguments = [
        "verify",
        "receipt",
        "outbox/public-security/resident/good.ndjson.ack",
        "--trust",
        "trust/trust.txt",
    ];
    assert_eq!(gateway.shuguan(&arguments).0, 0);
    assert!(!folder.join("good.ndjson.err").exists());
    let err = read("bad.ndjson.err");
    assert!(
        err.contains("SG3105") && err.contains("citizen_id") && !err.contains("金丝雀"),
        "{err}"
    );
    assert!(!folder.join("bad.ndjson.ack").exists());
    assert!(
        read("mixed.ndjson.err").contains("31,31,,citizen_id"),
        "{}",
        read("mixed.ndjson.err")
    );
    assert!(folder.join("mixed.ndjson.ack").is_file());
    assert!(!folder.join("ignored.md.ack").exists());
    assert_eq!(watcher.stop(), Some(0));
    assert_eq!(pushes(&gateway), 2);
    drop(running);
}

#[test]
fn a_companion_that_does_not_fit_refuses_its_file() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    put(&folder, "count.ndjson", &one(1), Some("2"));
    put(
        &folder,
        "digest.ndjson",
        &one(2),
        Some(&format!("sha256={SHA256_OF_NOTHING}")),
    );
    put(
        &folder,
        "md5.ndjson",
        &one(3),
        Some("md5=d41d8cd98f00b204e9800998ecf8427e"),
    );
    let _watcher = Watcher::start(&gateway, &[]);
    eventually("three files are refused", 20, || said(&gateway, "refused") == 3);
    for (name, code) in [("count", "SG3111"), ("digest", "SG2106"), ("md5", "SG2101")] {
        let err = std::fs::read_to_string(folder.join(format!("{name}.ndjson.err"))).expect("rejects");
        assert!(err.contains(code), "{name}: {err}");
    }
    assert_eq!(pushes(&gateway), 0);
    // The right companion, and the old answer taken away: it goes.
    put(&folder, "count.ndjson", &one(1), Some("1"));
    eventually("it is accepted", 20, || said(&gateway, "accepted") == 1);
    assert!(!folder.join("count.ndjson.err").exists());
}

#[test]
fn what_is_still_being_written_is_not_taken() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    let _watcher = Watcher::start(&gateway, &["--settle-s", "1"]);
    let path = folder.join("slow.ndjson");
    let mut content = Vec::new();
    for n in 1..=6 {
        content.extend(one(n));
        std::fs::write(&path, &content).expect("a file");
        std::thread::sleep(Duration::from_millis(400));
        assert_eq!(pushes(&gateway), 0, "taken after {n} pieces");
    }
    eventually("it is taken when it rests", 20, || said(&gateway, "accepted") == 1);
    assert_eq!(
        lines(&gateway)
            .iter()
            .find(|line| line["state"] == "accepted")
            .expect("a line")["received"],
        6
    );
}

#[test]
fn other_content_under_the_same_name_is_another_batch_and_the_same_content_is_none() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    put(&folder, "daily.ndjson", &one(1), Some(""));
    let _watcher = Watcher::start(&gateway, &[]);
    eventually("the first day", 20, || said(&gateway, "accepted") == 1);
    put(&folder, "daily.ndjson", &one(1), Some(""));
    eventually("the same again", 20, || said(&gateway, "accepted") == 2);
    assert_eq!(pushes(&gateway), 1);
    assert_eq!(
        lines(&gateway).iter().filter(|line| line["replayed"] == true).count(),
        1
    );
    put(&folder, "daily.ndjson", &one(2), Some(""));
    eventually("the second day", 20, || pushes(&gateway) == 2);
}

#[test]
fn a_folder_that_is_taken_away_behind_a_look_ends_no_watcher() {
    let gateway = Deployment::with(|text| text.replace("#= rows_per_s = 200000", "rows_per_s = 50"));
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    let away = gateway.path("outbox/public-security/resident/zz");
    std::fs::create_dir_all(&away).expect("a folder");
    let slow: Vec<u8> = (1..=250).flat_map(one).collect();
    put(&folder, "a.ndjson", &slow, Some(""));
    put(&away, "b.ndjson", &one(900), Some(""));
    let mut watcher = Watcher::start(&gateway, &[]);
    eventually("the first is being sent", 20, || {
        std::fs::read_dir(&folder).is_ok_and(|mut there| {
            there.any(|entry| {
                entry.is_ok_and(|entry| {
                    entry
                        .file_name()
                        .to_string_lossy()
                        .ends_with("a.ndjson.shuguan-push.lock")
                })
            })
        })
    });
    std::fs::rename(&away, gateway.path("elsewhere")).expect("a folder");
    eventually("the first is in", 30, || said(&gateway, "accepted") == 1);
    eventually("the other is gone", 20, || said(&gateway, "changed") == 1);
    put(&folder, "c.ndjson", &one(901), Some(""));
    eventually("the watcher goes on", 20, || said(&gateway, "accepted") == 2);
    assert_eq!(watcher.0.try_wait().expect("a child"), None);
}

/// An `.ack` would say that the registry has it.
#[test]
fn a_file_that_lies_there_again_after_it_or_a_later_batch_was_recalled_is_told_so() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    let _watcher = Watcher::start(&gateway, &[]);
    for (day, name) in ["right.ndjson", "wrong.ndjson"].into_iter().enumerate() {
        put(&folder, name, &resident(&nobody(1), ["某某", "错某"][day]), Some(""));
        eventually("it is accepted", 20, || said(&gateway, "accepted") == day + 1);
    }
    let wrong = lines(&gateway).last().unwrap()["exchange"].as_str().unwrap().to_owned();
    let client = format!("partners/{POLICE}/client.toml");
    let recall = [
        "recall",
        &wrong,
        "--why",
        "wrong-batch",
        "--yes",
        "--wait",
        "-c",
        &client,
    ];
    let (code, _, error) = gateway.shuguan(&recall);
    assert_eq!(code, 0, "{error}");
    for (count, name) in [(1, "right.ndjson"), (2, "wrong.ndjson")] {
        let content = std::fs::read(folder.join(name)).unwrap();
        std::fs::remove_file(folder.join(name)).unwrap();
        std::fs::remove_file(folder.join(format!("{name}.ack"))).unwrap();
        put(&folder, name, &content, Some(""));
        eventually("it is told", 20, || said(&gateway, "refused") == count);
        let err = std::fs::read_to_string(folder.join(format!("{name}.err"))).unwrap();
        assert!(err.contains("recalled") && err.contains("push --again"), "{err}");
    }
    assert_eq!(pushes(&gateway), 2);
}

#[test]
fn a_folder_rests_while_we_may_not_send_and_others_go_on() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let folder = outbox(&gateway);
    put(&folder, "mine.ndjson", &one(1), Some(""));
    let foreign = gateway.path("outbox/tax/registration");
    std::fs::create_dir_all(&foreign).expect("a folder");
    put(&foreign, "theirs.ndjson", b"{}\n", Some(""));
    let unknown = gateway.path("outbox/something");
    std::fs::create_dir_all(&unknown).expect("a folder");
    put(&unknown, "what.ndjson", b"{}\n", Some(""));
    let _watcher = Watcher::start(&gateway, &[]);
    eventually("ours is accepted", 20, || {
        said(&gateway, "accepted") == 1 && said(&gateway, "barred") >= 1
    });
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(said(&gateway, "barred"), 1);
    assert!(!foreign.join("theirs.ndjson.err").exists(), "it may go later");
    let err = std::fs::read_to_string(unknown.join("what.ndjson.err")).expect("rejects");
    assert!(err.contains("SG4101") && err.contains("drop.toml"), "{err}");
}

#[test]
fn a_record_type_whose_quota_of_the_day_is_used_up_holds_up_no_other() {
    let gateway = Deployment::new();
    let path = gateway.path("policies/agreements/public-security.toml");
    let text = std::fs::read_to_string(&path).expect("an agreement");
    std::fs::write(&path, text.replacen("rows_per_day = 12_000_000", "rows_per_day = 1", 1)).expect("a file");
    gateway.sign("policies", &[]);
    let _running = gateway.serve();
    let residents = outbox(&gateway);
    let deaths = gateway.path("outbox/public-security/death");
    std::fs::create_dir_all(&deaths).expect("a folder");
    put(&residents, "1.ndjson", &one(1), Some(""));
    put(&residents, "2.ndjson", &one(2), Some(""));
    let _watcher = Watcher::start(&gateway, &[]);
    eventually("the quota is used up", 20, || said(&gateway, "waiting") == 1);
    let death = format!("{{\"citizen_id\":\"{}\",\"death_date\":\"1890-01-01\"}}\n", nobody(1));
    put(&deaths, "1.ndjson", death.as_bytes(), Some(""));
    eventually("what may still be sent is", 20, || said(&gateway, "accepted") == 2);
    assert!(deaths.join("1.ndjson.ack").is_file());
    let waiting: Vec<_> = lines(&gateway)
        .into_iter()
        .filter(|line| line["state"] == "waiting")
        .collect();
    assert_eq!(waiting.len(), 1, "asked once: {waiting:?}");
    assert!(
        waiting[0]["file"]
            .as_str()
            .is_some_and(|file| file.ends_with("2.ndjson")),
        "{waiting:?}"
    );
    let again_ms = waiting[0]["again_ms"].as_u64().expect("a time");
    assert!((1..=86_400_000).contains(&again_ms), "{again_ms}");
    // It is as good tomorrow as it was today.
    assert!(!residents.join("2.ndjson.err").exists());
}

#[test]
fn one_pass_ends_by_itself_with_what_a_script_wants_to_know() {
    let gateway = Deployment::new();
    let folder = outbox(&gateway);
    let client = format!("partners/{POLICE}/client.toml");
    let once = || {
        gateway.shuguan(&[
            "push",
            "--watch",
            "outbox",
            "--once",
            "--settle-s",
            "0",
            "--purpose",
            "enrolment.registration",
            "-c",
            &client,
        ])
    };
    assert_eq!(once().0, 0, "nothing to do");
    put(&folder, "a.ndjson", &one(1), None);
    assert_eq!(once().0, 4, "nobody there");
    let running = gateway.serve();
    let (code, out, error) = once();
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("\"accepted\""), "{out}");
    put(&folder, "b.ndjson", b"{\"citizen_id\":\"1\"}\n", None);
    assert_eq!(once().0, 3);
    assert_eq!(
        once(),
        (0, String::new(), "watching outbox\nstopped\n".into()),
        "nothing new"
    );
    // Its answer taken away, a refused file is sent again.
    std::fs::remove_file(folder.join("b.ndjson.err")).expect("rejects");
    assert_eq!(once().0, 3);
    let _watcher = Watcher::start(&gateway, &[]);
    eventually("the watcher has the folder", 10, || {
        std::fs::read_to_string(gateway.path("watch.log")).is_ok_and(|log| log.contains("watching"))
    });
    assert_eq!(once().0, 1, "two watchers in one folder");
    drop(running);
}

#[test]
fn each_file_is_accepted_exactly_once_although_watcher_and_gateway_are_killed_at_any_moment() {
    const FILES: u32 = 24;
    let mut random = Random::printed("drop folder");
    let gateway = Deployment::new();
    let folder = outbox(&gateway);
    let mut put_so_far = 0;
    let mut running = Some(gateway.serve());
    for round in 0..14 {
        let watcher = Watcher::start(&gateway, &[]);
        for _ in 0..random.below(4) {
            // The last one is left to the last watcher: with its receipt that one is known to be up, and stops when it is told to.
            if put_so_far < FILES - 1 {
                put_so_far += 1;
                put(&folder, &format!("{put_so_far:03}.ndjson"), &one(put_so_far), Some("1"));
            }
        }
        std::thread::sleep(Duration::from_millis(random.below(150)));
        if round % 5 == 2
            && let Some(gateway) = running.take()
        {
            gateway.kill();
        }
        std::thread::sleep(Duration::from_millis(random.below(150)));
        watcher.kill();
        running = running.or_else(|| Some(gateway.serve()));
    }
    let watcher = Watcher::start(&gateway, &[]);
    while put_so_far < FILES {
        put_so_far += 1;
        put(&folder, &format!("{put_so_far:03}.ndjson"), &one(put_so_far), Some("1"));
    }
    let acknowledged = || {
        let names = (1..=FILES).map(|n| folder.join(format!("{n:03}.ndjson.ack")));
        names.filter(|path| path.is_file()).count()
    };
    eventually("every file has its receipt", 60, || acknowledged() == FILES as usize);
    eventually("every row is in the registry", 30, || {
        registry_count(&gateway.registry(), TABLE) == u64::from(FILES)
    });
    assert_eq!(watcher.stop(), Some(0));
    assert_eq!(pushes(&gateway), FILES as usize);
    // Each receipt is of a push of its own.
    let receipts: std::collections::BTreeSet<String> = (1..=FILES)
        .map(|n| std::fs::read_to_string(folder.join(format!("{n:03}.ndjson.ack"))).expect("a receipt"))
        .collect();
    assert_eq!(receipts.len(), FILES as usize);
    assert!(!folder.read_dir().expect("a folder").any(|entry| {
        let name = entry.expect("an entry").file_name();
        name.to_string_lossy().ends_with(".err")
    }));
    assert_eq!(said(&gateway, "refused"), 0, "{RESIDENT}");
}
