//! The volume of the log is turned on a running gateway while pushes come in and a witness watches: nothing is lost, every receipt verifies, and each volume
//! is proved alone, as part of a chain, and by judges that we did not write.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::exported;
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::{Quorum, Trust};
use shuguan_ledger::witness::origin_hash;
use shuguan_tests::{Call, Deployment, Running, eventually, leaves, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};
use crate::judges;
use crate::keys::{done, keys};
use crate::witness::{gateway, push};

const FIRST: &str = "gw1.lyg.example/log";
const SECOND: &str = "gw1.lyg.example/log/2097";
const THIRD: &str = "gw1.lyg.example/log/2098";
const OPERATOR: &str = "officers/operator-li.toml";

/// What `log turn` says and its exit code.
fn turn(gateway: &Deployment, arguments: &[&str], officer: &str) -> (i32, Value, String) {
    let more = ["-c", officer, "--format", "json"];
    let (code, out, error) = gateway.shuguan(&[&["log", "turn"], arguments, &more].concat());
    (code, serde_json::from_str(&out).unwrap_or_default(), error)
}

fn turned(gateway: &Deployment, name: &str) -> Value {
    let (code, document, error) = turn(gateway, &["--open", name, "--yes"], OPERATOR);
    assert_eq!(code, 0, "{error}");
    document
}

fn trust(gateway: &Deployment, file: &str) -> Trust {
    Trust::parse(&std::fs::read_to_string(gateway.path(file)).unwrap()).unwrap()
}

fn closings(gateway: &Deployment) -> usize {
    leaves(&gateway.journal())
        .iter()
        .filter(|leaf| leaf["k"] == "log-close")
        .count()
}

fn signed(running: &Running<'_>) {
    eventually("the witness has seen all of it", 30, || {
        running
            .health("/readyz")
            .is_some_and(|(_, text)| text.contains("a quorum has signed every entry"))
    });
}

#[test]
fn a_volume_is_turned_before_a_witness_and_nothing_that_was_acknowledged_is_lost() {
    run(async {
        let (gateway, witness) = gateway("http", "");
        std::fs::copy(gateway.path("trust/trust.txt"), gateway.path("old.txt")).unwrap();
        let police = gateway.partner(POLICE);
        let watching = witness.serve();
        let running = gateway.serve();
        let before = push(&running, &police, "before").await;
        signed(&running);
        // Who may not, and what cannot be.
        let (code, document, _) = turn(&gateway, &[], OPERATOR);
        assert_eq!(
            (code, document["year_is_over"].as_bool()),
            (0, Some(false)),
            "{document}"
        );
        assert!(
            document["proposal"]
                .as_str()
                .unwrap()
                .starts_with("gw1.lyg.example/log/20"),
            "{document}"
        );
        for (name, officer, words) in [
            (SECOND, "officers/auditor-zhao.toml", "SG1107"),
            (FIRST, OPERATOR, "SG2163"),
            ("gw1 log", OPERATOR, "SG2101"),
            ("gw1+log", OPERATOR, "SG2101"),
            ("2097", OPERATOR, "SG2101"),
            ("gw2.lyg.example/log/2097", OPERATOR, "SG2101"),
        ] {
            let (code, _, error) = turn(&gateway, &["--open", name, "--yes"], officer);
            assert!(code == 3 && error.contains(words), "{name}: {code} {error}");
        }
        // The witness cannot be asked, or is not told yet: the first is waited for, the second is a debt.
        drop(watching);
        let (code, _, error) = turn(&gateway, &["--open", SECOND, "--yes"], OPERATOR);
        assert!(code == 4 && error.contains("SG5104"), "{code} {error}");
        assert_eq!((closings(&gateway), keys(&gateway).len()), (0, 1), "nothing was sealed");
        let watching = witness.serve();
        let (code, document, error) = turn(&gateway, &["--open", SECOND, "--prepare"], OPERATOR);
        assert_eq!(code, 0, "{error}");
        let vkey = document["vkey"].as_str().unwrap().to_owned();
        assert!(vkey.starts_with(SECOND) && document["leaf"].is_null(), "{document}");
        assert_eq!(closings(&gateway), 0, "a key is no turn");
        // Pushes in flight while it turns.
        let flood = tokio::spawn({
            let (feed, police) = (gateway.feed, police.clone());
            async move {
                let mut connection = shuguan_tests::Connection::open(feed, &police).await.unwrap();
                let mut receipts = Vec::new();
                for n in 100..220 {
                    let call = Call::push(RESIDENT, NDJSON, resident(&nobody(n), "某某"));
                    let answer = connection.send(call).await.unwrap();
                    assert_eq!(answer.status, 202, "{:?}", answer.body);
                    receipts.push((answer.header("exchange-receipt").to_owned(), answer.json()));
                }
                receipts
            }
        });
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        let document = turned(&gateway, SECOND);
        assert_eq!(document["vkey"], vkey, "the key that was prepared");
        let opened = document["leaf"].as_u64().unwrap();
        let receipts = flood.await.unwrap();
        done(&gateway, &["key", "publish"]);
        let known = trust(&gateway, "trust/trust.txt");
        let mut each = [0, 0];
        for (header, answer) in &receipts {
            let proven = Receipt::parse(answer["receipt"].as_str().unwrap())
                .unwrap()
                .verify(&known)
                .unwrap();
            let second = proven.index > opened;
            let name = if second { SECOND } else { FIRST };
            assert_eq!(proven.checkpoint.origin, name);
            assert!(header.starts_with(&format!("log=\"{name}\"")), "{header}");
            each[usize::from(second)] += 1;
        }
        assert!(each[0] > 0 && each[1] > 0, "{each:?}");
        // The witness signs the end of the first volume; of the second it is not told yet, and that is owed.
        let held = |name: &str| watching.get(&format!("/{}/checkpoint", origin_hash(name))).unwrap();
        eventually("the last checkpoint is signed", 30, || {
            Checkpoint::unverified(&held(FIRST).body).is_ok_and(|last| last.size == opened)
        });
        assert_eq!(held(SECOND).status, 404);
        let closed = watching;
        drop(closed);
        let file = witness.path("witness.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}\n[[log]]\nvkey = \"{vkey}\"\n")).unwrap();
        let watching = witness.serve();
        signed(&running);
        let held = watching.get(&format!("/{}/checkpoint", origin_hash(SECOND))).unwrap();
        assert!(Checkpoint::unverified(&held.body).unwrap().size > opened);
        // Asked again, it is open, and nothing more is sealed; a name of the past is none of the future.
        assert_eq!(turned(&gateway, SECOND)["leaf"], opened);
        let (code, _, error) = turn(&gateway, &["--open", FIRST, "--yes"], OPERATOR);
        assert!(code == 3 && error.contains("SG2163"), "{code} {error}");
        assert_eq!(closings(&gateway), 1);
        // The old key's first answer, repeated, and a partner that learns of the volume from the old trust.
        let again = push(&running, &police, "before").await;
        assert_eq!(again.body, before.body);
        assert_eq!(again.header("exchange-receipt"), before.header("exchange-receipt"));
        // It was published before the witness had signed the end; published again, it is whole.
        let proof = format!("trust/volume-{}.tlog-proof", opened - 1);
        let verify = ["verify", "keys", &proof, "--trust", "old.txt", "-o", "new.txt"];
        eventually("the proof is witnessed", 30, || {
            done(&gateway, &["key", "publish"]);
            gateway.shuguan(&verify).0 == 0
        });
        assert_eq!(trust(&gateway, "new.txt").text(), known.text());
        // Killed, and configured with the first name as ever, it goes on with the second volume.
        running.kill();
        let running = gateway.serve();
        let after = push(&running, &police, "after").await;
        assert!(
            after.header("exchange-receipt").contains(SECOND),
            "{}",
            after.header("exchange-receipt")
        );
        signed(&running);
        over_http(&gateway, &running, opened).await;
        turned(&gateway, THIRD);
        let end = leaves(&gateway.journal())
            .iter()
            .rposition(|leaf| leaf["k"] == "log-open")
            .unwrap() as u64;
        eventually("the end of the second volume is signed", 30, || {
            let held = watching.get(&format!("/{}/checkpoint", origin_hash(SECOND))).unwrap();
            Checkpoint::unverified(&held.body).is_ok_and(|last| last.size == end)
        });
        // What was signed is kept in the journal by the next second.
        eventually("and kept", 30, || {
            let kept = rusqlite::Connection::open(gateway.journal()).unwrap();
            let kept = kept.query_row(
                "SELECT count(*) FROM cosigned WHERE size = ?1",
                [end.cast_signed()],
                |row| row.get::<_, i64>(0),
            );
            kept == Ok(1)
        });
        assert_eq!(running.stop(), Some(0));
        done(&gateway, &["key", "publish"]);
        assert!(
            gateway
                .verified_log()
                .contains(&format!("`{THIRD}` follows `{SECOND}`"))
        );
        as_files(&gateway, opened);
    });
}

#[test]
fn a_gateway_that_is_killed_while_it_turns_has_the_old_volume_or_the_new_one_and_the_order_repeated_completes_it() {
    run(async {
        let gateway = Deployment::new();
        let police = gateway.partner(POLICE);
        let mut running = gateway.serve();
        let mut answers = Vec::new();
        for round in 0..6_u64 {
            let name = format!("{FIRST}/{}", 2090 + round);
            let key = format!("round-{round}");
            let answer = push(&running, &police, &key).await;
            assert_eq!(answer.status, 202);
            answers.push((key, answer.body));
            let pid = running.pid().to_string();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(std::time::Duration::from_millis(15 + 25 * round));
                    std::process::Command::new("kill")
                        .args(["-KILL", &pid])
                        .status()
                        .unwrap();
                });
                // Whatever it hears, or does not.
                let _ = turn(&gateway, &["--open", &name, "--yes"], OPERATOR);
            });
            running.kill();
            let closed = closings(&gateway);
            assert!(closed == usize::try_from(round).unwrap() || closed == usize::try_from(round + 1).unwrap());
            running = gateway.serve();
            turned(&gateway, &name);
            assert_eq!(closings(&gateway), usize::try_from(round + 1).unwrap(), "turned once");
        }
        for (key, body) in answers {
            assert_eq!(
                push(&running, &police, &key).await.body,
                body,
                "the first answer, whatever volume it was in"
            );
        }
        assert_eq!(running.stop(), Some(0));
        done(&gateway, &["key", "publish"]);
        assert!(gateway.verified_log().starts_with("有效"));
    });
}

/// Each volume below the hash of its name, as a log of its own; what is final may be kept.
async fn over_http(gateway: &Deployment, running: &Running<'_>, opened: u64) {
    let police = gateway.partner(POLICE);
    let get = async |path: String| running.call(Call::get(&path), &police).await.unwrap();
    let listed = get("/log/volumes".into()).await.json();
    let path = |name: &str| format!("/log/volumes/{}", origin_hash(name));
    assert_eq!(listed["volumes"][0]["path"], path(FIRST));
    assert_eq!(
        (&listed["volumes"][0]["size"], &listed["volumes"][1]["origin"]),
        (&opened.into(), &SECOND.into())
    );
    let last = get(format!("{}/checkpoint", path(FIRST))).await;
    let note = String::from_utf8(last.body.to_vec()).unwrap();
    let (checkpoint, witnessed) = trust(gateway, "trust/trust.txt").open_witnessed(&note).unwrap();
    assert_eq!((checkpoint.size, checkpoint.origin.as_str()), (opened, FIRST));
    assert_eq!(witnessed.quorum, Quorum::Met);
    assert_eq!(last.header("cache-control"), "private, max-age=31536000, immutable");
    let newest = get(format!("{}/checkpoint", path(SECOND))).await;
    assert_eq!(newest.header("cache-control"), "private, max-age=2");
    assert!(newest.body.starts_with(SECOND.as_bytes()));
    let current = get("/log/checkpoint".into()).await;
    assert!(current.body.starts_with(format!("{SECOND}\n").as_bytes()));
    let width = opened % 256;
    let tile = format!("tile/0/{:03}.p/{width}", opened / 256);
    let of_volume = get(format!("{}/{tile}", path(FIRST))).await;
    assert_eq!(
        (of_volume.status.as_u16(), of_volume.body.len() as u64),
        (200, 32 * width)
    );
    assert_eq!(of_volume.body, get(format!("/log/{tile}")).await.body);
    let beyond = format!("tile/0/{:03}.p/{}", opened / 256, width + 1);
    for (path, code) in [
        (format!("{}/{beyond}", path(FIRST)), "SG2132"),
        (format!("{}/checkpoint", path(THIRD)), "SG2132"),
        (format!("{}/tile/0/000.p/1", path(THIRD)), "SG2132"),
        (format!("{}/tile/0/0", path(FIRST)), "SG2131"),
        (format!("{}/tile/entries/000.p/1", path(FIRST)), "SG1107"),
    ] {
        let refused = get(path.clone()).await;
        assert_eq!(refused.code(), code, "{path}");
    }
}

/// The volumes as folders: each alone, in their order, and not in another.
fn as_files(gateway: &Deployment, opened: u64) {
    let text = std::fs::read_to_string(gateway.path("trust/trust.txt")).unwrap();
    let logs = text
        .lines()
        .filter(|line| line.starts_with("log ") || line.starts_with("sizes "));
    std::fs::write(gateway.path("alone.txt"), logs.collect::<Vec<_>>().join("\n")).unwrap();
    let verify = |folders: &[&str], trust: &str| {
        let (code, out, error) = gateway.shuguan(&[&["verify", "log"], folders, &["--trust", trust]].concat());
        (code, out + &error)
    };
    for (name, folder) in [(FIRST, "v1"), (SECOND, "v2"), (THIRD, "v3")] {
        done(
            gateway,
            &[
                "log",
                "export",
                "--journal",
                "journal/journal.db",
                "-o",
                folder,
                "--volume",
                name,
            ],
        );
        let (code, words) = verify(&[folder], "alone.txt");
        assert!(
            code == 0 && words.starts_with("有效") && words.contains(name),
            "{code} {words}"
        );
        let hashed = words.contains("by their hashes alone; not proved: what they say");
        assert_eq!(hashed, folder == "v3" || (folder == "v2" && opened > 256), "{words}");
    }
    // The witnesses have signed the end of the second volume, and know nothing of the third.
    for (folders, code, words) in [
        (&["v1", "v2"][..], 0, "follow each other"),
        (&["v1", "v2", "v3"], 6, "the log says so alone"),
        (&["v2", "v1"], 6, "is succeeded by"),
        (&["v1", "v1"], 6, "is succeeded by"),
    ] {
        let (found, out) = verify(folders, "trust/trust.txt");
        assert!(found == code && out.contains(words), "{folders:?}: {found} {out}");
    }
    for (folders, code, words) in [
        (&["v1", "v2", "v3"][..], 0, "follow each other"),
        (&["v1", "v3"], 6, "is succeeded by"),
        (&["v3", "v1"], 6, "is not closed"),
    ] {
        let (found, out) = verify(folders, "alone.txt");
        assert!(found == code && out.contains(words), "{folders:?}: {found} {out}");
        // What does not hold together is said first, and of no part that it is valid.
        assert_eq!(out.starts_with("有效"), code == 0, "{folders:?}: {out}");
    }
    let (code, _, error) = gateway.shuguan(&[
        "log",
        "export",
        "--journal",
        "journal/journal.db",
        "-o",
        "v9",
        "--volume",
        "other.example",
    ]);
    assert!(code == 1 && error.contains("no volume"), "{code} {error}");
    let listed = done(gateway, &["log", "volumes", "--journal", "journal/journal.db"]);
    assert!(
        listed.contains(&format!("{FIRST}\t0\t")) && listed.contains("closed") && listed.contains("is written"),
        "{listed}"
    );
    // The mirror of the whole log goes on over a turn; a volume's folder is not another's.
    done(
        gateway,
        &["log", "export", "--journal", "journal/journal.db", "-o", "v1"],
    );
    let (code, _, error) = gateway.shuguan(&[
        "log",
        "export",
        "--journal",
        "journal/journal.db",
        "-o",
        "v3",
        "--volume",
        FIRST,
    ]);
    assert!(code == 6, "{code} {error}");
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn seed(path: &Path) -> [u8; 32] {
    let text = std::fs::read_to_string(path).unwrap();
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
    let bytes: Vec<u8> = text
        .trim()
        .as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) * 16 + digit(pair[1]))
        .collect();
    bytes.as_slice().try_into().unwrap()
}

/// A turned log: each volume's files, the key that signed its last checkpoint, and a receipt under it.
fn two_volumes() -> [(BTreeMap<String, Vec<u8>>, SigningKey, String); 2] {
    let gateway = Deployment::new();
    let (mut receipts, police) = (Vec::new(), gateway.partner(POLICE));
    let running = gateway.serve();
    run(async {
        for key in ["one", "two"] {
            receipts.push(
                push(&running, &police, key).await.json()["receipt"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            );
            if key == "one" {
                turned(&gateway, SECOND);
            }
        }
    });
    assert_eq!(running.stop(), Some(0));
    let export = ["log", "export", "--journal", "journal/journal.db", "-o"];
    done(&gateway, &[&export[..], &["first", "--volume", FIRST]].concat());
    done(&gateway, &[&export[..], &["second"]].concat());
    let made = std::fs::read_dir(gateway.path("keys/log")).unwrap();
    let made: Vec<_> = made.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(made.len(), 1, "a key of its own");
    let second = receipts.pop().unwrap();
    let first = receipts.pop().unwrap();
    let key = |name: &str, path: &Path| SigningKey::from_seed(name, &seed(path)).unwrap();
    [
        (
            files(&gateway.path("first")),
            key(FIRST, &gateway.path("keys/log.seed")),
            first,
        ),
        (files(&gateway.path("second")), key(SECOND, &made[0]), second),
    ]
}

#[test]
fn both_volumes_are_accepted_by_us_under_their_own_keys_and_not_under_each_others() {
    let volumes = two_volumes();
    for (place, (files, key, receipt)) in volumes.iter().enumerate() {
        let own = Trust::in_log(key.verifying_key());
        let other = Trust::in_log(volumes[1 - place].1.verifying_key());
        exported::verify(files, &own).unwrap();
        exported::verify(files, &other).unwrap_err();
        Receipt::parse(receipt).unwrap().verify(&own).unwrap();
        Receipt::parse(receipt).unwrap().verify(&other).unwrap_err();
    }
}

#[test]
#[cfg_attr(not(judges), ignore = "tests/oracles/install has not run")]
fn both_volumes_are_accepted_by_every_judge() {
    for (files, key, receipt) in two_volumes() {
        judges::accept(files, receipt, key);
    }
}

#[test]
fn the_first_push_into_a_volume_that_nobody_told_a_partner_of_says_how_to_know_it_and_repeated_is_the_same_batch() {
    let gateway = Deployment::new();
    let running = gateway.serve();
    let client = format!("partners/{POLICE}/client.toml");
    let push = |n: u32| {
        let file = format!("{n}.ndjson");
        std::fs::write(gateway.path(&file), resident(&nobody(n), "某某")).unwrap();
        let words = [
            "push",
            &file,
            "--record",
            RESIDENT,
            "--purpose",
            "enrolment.registration",
            "-c",
            &client,
            "--json",
        ];
        let (code, out, error) = gateway.shuguan(&words);
        (code, serde_json::from_str(&out).unwrap_or(Value::Null), error)
    };
    assert_eq!(push(1).0, 0);
    turned(&gateway, SECOND);
    let (code, _, error) = push(2);
    assert_eq!(code, 6, "{error}");
    for text in [SECOND, "which the trust file does not know", "shuguan verify keys FILE"] {
        assert!(error.contains(text), "{text}: {error}");
    }
    done(&gateway, &["key", "publish"]);
    let proof = std::fs::read_dir(gateway.path("trust")).unwrap().filter_map(Result::ok);
    let proof = proof
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().contains("volume-"))
        .unwrap();
    let old = gateway.path(&format!("partners/{POLICE}/trust.txt"));
    let new = gateway.path("new.txt");
    let [proof, old_text, new_text] = [&proof, &old, &new].map(|path| path.to_str().unwrap());
    let (code, _, error) = gateway.shuguan(&["verify", "keys", proof, "--trust", old_text, "-o", new_text]);
    assert_eq!(code, 0, "{error}");
    std::fs::rename(&new, &old).unwrap();
    let (code, pushed, error) = push(2);
    assert_eq!(code, 0, "{error}");
    assert_eq!(gateway.leaves_of("push").len(), 2, "{pushed}");
    assert_eq!(running.stop(), Some(0));
}
