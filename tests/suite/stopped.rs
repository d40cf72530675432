//! One gateway that served, was asked for its whole log, and has stopped; for every test that verifies or tampers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::tile::{Content, Tile};
use shuguan_tests::{Call, Connection, Deployment, eventually, leaves, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

/// More leaves than two tiles of 256, so that full tiles and tile entries are there to be changed.
const PUSHES: u32 = 270;

/// What is left of it.
pub struct Stopped {
    pub gateway: Deployment,
    /// The receipt of one push, and of the last, as files.
    pub receipt: PathBuf,
    pub newest: PathBuf,
    /// Every receipt that it gave.
    pub receipts: Vec<String>,
    /// Its log as an auditor fetched it over HTTP: paths below `/log/`.
    pub fetched: BTreeMap<String, Vec<u8>>,
    /// Some older checkpoints, oldest first.
    pub notes: Vec<String>,
}

/// Made once a run of the suite.
pub fn stopped() -> &'static Stopped {
    static STOPPED: OnceLock<Stopped> = OnceLock::new();
    STOPPED.get_or_init(|| run(make()))
}

async fn make() -> Stopped {
    let gateway = Deployment::with(|text| text.replace("#= requests_burst = 200", "requests_burst = 10000"));
    let (mut receipts, mut notes) = (Vec::new(), Vec::new());
    // Stopped and started between, so that such leaves are inside the log too.
    for part in [0..PUSHES / 2, PUSHES / 2..PUSHES] {
        let running = gateway.serve();
        let police = gateway.partner(POLICE);
        let mut connection = Connection::open(gateway.feed, &police).await.unwrap();
        for n in part.clone() {
            let push = Call::push(RESIDENT, NDJSON, resident(&nobody(n), "某某"));
            let answer = connection.send(push).await.unwrap();
            assert_eq!(answer.status, 202, "{:?}", answer.body);
            receipts.push(answer.json()["receipt"].as_str().unwrap().to_owned());
            if n % 27 == 0 {
                let answer = connection.send(Call::get("/log/checkpoint")).await.unwrap();
                notes.push(String::from_utf8(answer.body.to_vec()).unwrap());
            }
        }
        // A record type of another agency: refused, with a leaf.
        let foreign = Call::push("health/birth-certificate", NDJSON, "{}\n");
        assert_eq!(connection.send(foreign).await.unwrap().status, 403);
        let relayed = |leaf: &serde_json::Value| leaf["k"] == "relayed";
        eventually("all is relayed", 60, || {
            leaves(&gateway.journal()).iter().filter(|leaf| relayed(leaf)).count() == part.end as usize
        });
        drop(connection);
        if part.end < PUSHES {
            assert_eq!(running.stop(), Some(0));
            continue;
        }
        let fetched = fetch(&gateway).await;
        assert_eq!(running.stop(), Some(0));
        let (receipt, newest) = (gateway.path("first.tlog-proof"), gateway.path("newest.tlog-proof"));
        std::fs::write(&receipt, &receipts[7]).unwrap();
        std::fs::write(&newest, receipts.last().unwrap()).unwrap();
        return Stopped {
            gateway,
            receipt,
            newest,
            receipts,
            fetched,
            notes,
        };
    }
    unreachable!("the last part returns")
}

/// The whole log as a monitor reads it: the checkpoint, and then exactly the files that its size calls for.
async fn fetch(gateway: &Deployment) -> BTreeMap<String, Vec<u8>> {
    let auditor = gateway.officer("auditor-zhao");
    let mut console = Connection::open(gateway.console, &auditor).await.unwrap();
    let mut feed = Connection::open(gateway.feed, &gateway.partner(POLICE)).await.unwrap();
    let checkpoint = feed.send(Call::get("/log/checkpoint")).await.unwrap();
    assert_eq!(checkpoint.status, 200);
    let text = String::from_utf8(checkpoint.body.to_vec()).unwrap();
    let size = Checkpoint::unverified(&text).unwrap().size;
    let mut files = BTreeMap::from([("checkpoint".to_owned(), checkpoint.body.to_vec())]);
    for tile in Tile::all(size) {
        let call = Call::get(format!("/log/{tile}"));
        let connection = match tile.content() {
            Content::Entries => &mut console,
            Content::Hashes { .. } => &mut feed,
        };
        let answer = connection.send(call).await.unwrap();
        assert_eq!(answer.status, 200, "{tile}");
        files.insert(tile.to_string(), answer.body.to_vec());
    }
    files
}
