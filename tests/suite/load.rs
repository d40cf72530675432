//! Load that remembers: clients that push until they are cut off, and what they were told, held against registry and log.
//!
//! Everybody pushes people of its own, so a row that is lost or doubled is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::OpenFlags;
use shuguan_tests::{Answer, Call, Connection, Deployment, Identity, Postgres, eventually};

use crate::feeds::{NDJSON, RESIDENT};
use crate::people::citizen;
use crate::random::Random;

pub const TABLE: &str = "public_security_resident";

/// A batch with the key under which it is sent for as long as nobody has answered.
pub struct Batch {
    key: String,
    body: Bytes,
    pub rows: u64,
}

impl Batch {
    pub fn call(&self) -> Call {
        Call::push(RESIDENT, NDJSON, self.body.clone()).header("idempotency-key", &self.key)
    }
}

/// What one client knows of the world; it outlives the gateway.
pub struct Sender {
    random: Random,
    people: Arc<AtomicU64>,
    /// Sent, perhaps received, not answered.
    open: Option<Batch>,
    /// Answered with 202.
    pub acknowledged: Vec<(Batch, Answer)>,
}

impl Sender {
    pub fn new(random: Random, people: &Arc<AtomicU64>) -> Self {
        let (people, acknowledged) = (Arc::clone(people), Vec::new());
        Self {
            random,
            people,
            open: None,
            acknowledged,
        }
    }

    /// Mostly some rows inside the journal; now and then a payload that goes to a file of its own.
    pub fn fresh(&mut self) -> Batch {
        let large = self.random.below(40) == 0;
        let rows = if large { 200 } else { 1 + self.random.below(5) };
        let first = self.people.fetch_add(rows, Ordering::Relaxed);
        let mut body = String::new();
        for n in first..first + rows {
            let length = if large { 190 } else { 5 };
            let address: String = (0..length)
                .map(|_| char::from_u32(0x4e00 + self.random.below(0x5000) as u32).expect("a character"))
                .collect();
            let line = serde_json::json!({
                "citizen_id": citizen(n), "name": "某某", "hukou_region": "320706", "person_status": "0", "hukou_address": address,
            });
            body.push_str(&format!("{line}\n"));
        }
        let key = format!("{:016x}{:016x}", self.random.next(), self.random.next());
        Batch {
            key,
            body: body.into(),
            rows,
        }
    }

    /// Sends until the connection breaks. Nobody may be refused but for being too fast, or while his key is in flight.
    pub async fn push_until_cut(&mut self, port: u16, identity: &Identity) {
        self.push_until_broken(port, identity, &[409, 429]).await;
    }

    /// The same where the gateway ends by itself: 503 is answered while its journal is gone, and 500 to who was answered when the process ended.
    pub async fn push_until_stopped(&mut self, port: u16, identity: &Identity) {
        self.push_until_broken(port, identity, &[409, 429, 500, 503]).await;
    }

    /// Who is answered one of `again` sends the same batch under the same key once more.
    async fn push_until_broken(&mut self, port: u16, identity: &Identity, again: &[u16]) {
        let Ok(mut connection) = Connection::open(port, identity).await else {
            return;
        };
        loop {
            let batch = self.open.take().unwrap_or_else(|| self.fresh());
            match connection.send(batch.call()).await {
                Ok(answer) if answer.status == 202 => self.acknowledged.push((batch, answer)),
                Ok(answer) if again.contains(&answer.status.as_u16()) => self.open = Some(batch),
                Ok(answer) => panic!("{}: {:?}", answer.status, answer.body),
                Err(_) => {
                    self.open = Some(batch);
                    return;
                }
            }
        }
    }

    /// Sends a batch each so often, for so long; nobody may be turned away.
    pub async fn push_steadily(&mut self, port: u16, identity: &Identity, every: Duration, time: Duration) {
        let mut connection = Connection::open(port, identity).await.unwrap();
        let until = Instant::now() + time;
        let mut tick = tokio::time::interval(every);
        while Instant::now() < until {
            tick.tick().await;
            let batch = self.fresh();
            let answer = connection.send(batch.call()).await.unwrap();
            assert_eq!(answer.status, 202, "{:?}", answer.body);
            self.acknowledged.push((batch, answer));
        }
    }

    /// Repeats the batch that nobody answered, under its own key.
    pub async fn settle(&mut self, port: u16, identity: &Identity) {
        if let Some(batch) = self.open.take() {
            let answer = batch.call().send(port, identity).await.unwrap();
            assert_eq!(answer.status, 202, "{:?}", answer.body);
            self.acknowledged.push((batch, answer));
        }
    }
}

/// Rows by the exchange that brought them, in a registry on SQLite.
pub fn provenance(gateway: &Deployment) -> BTreeMap<String, u64> {
    let registry = rusqlite::Connection::open_with_flags(gateway.registry(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sql = format!("SELECT lower(hex(_exchange)), count(*) FROM {TABLE} GROUP BY 1");
    let mut statement = registry.prepare(&sql).unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

/// The same on PostgreSQL; nothing while the server does not answer.
pub fn provenance_on(postgres: &Postgres) -> BTreeMap<String, u64> {
    let sql = format!("SELECT replace(_exchange::text, '-', ''), count(*) FROM {TABLE} GROUP BY 1");
    let rows = postgres.try_query(&sql).unwrap_or_default();
    let pair = |row: &String| {
        row.split_once('|')
            .map(|(id, rows)| (id.to_owned(), rows.parse().expect("a number")))
    };
    rows.iter().filter_map(pair).collect()
}

/// What all senders were told, once nothing of theirs is open.
pub async fn settled(senders: Vec<Sender>, port: u16, identity: &Identity) -> Vec<(Batch, Answer)> {
    let mut acknowledged = Vec::new();
    for mut sender in senders {
        sender.settle(port, identity).await;
        acknowledged.append(&mut sender.acknowledged);
    }
    acknowledged
}

fn exchange(answer: &Answer) -> String {
    answer.json()["exchange"].as_str().unwrap().replace('-', "")
}

pub fn in_the_registry_once(provenance: &dyn Fn() -> BTreeMap<String, u64>, acknowledged: &[(Batch, Answer)]) {
    let expected: BTreeMap<String, u64> = acknowledged
        .iter()
        .map(|(batch, answer)| (exchange(answer), batch.rows))
        .collect();
    assert_eq!(expected.len(), acknowledged.len(), "two batches have one exchange");
    let rows: u64 = expected.values().sum();
    // A slow disk relays some hundred rows a second.
    eventually("every acknowledged row is in the registry", 240 + rows / 500, || {
        provenance().values().sum::<u64>() >= rows
    });
    // Equal both ways: nothing lost, nothing doubled, and nothing there that nobody was told of.
    assert_eq!(provenance(), expected);
}

pub async fn answered_the_same_again(
    gateway: &Deployment,
    identity: &Identity,
    acknowledged: &[(Batch, Answer)],
    random: &mut Random,
) {
    for _ in 0..10 {
        let (batch, first) = &acknowledged[random.below(acknowledged.len() as u64) as usize];
        let again = batch.call().send(gateway.feed, identity).await.unwrap();
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.header("idempotency-replayed"), "true");
    }
}

/// The whole log verifies offline, and contains what the last receipts prove.
pub fn proved_by_the_log(gateway: &Deployment, acknowledged: &[(Batch, Answer)]) {
    let mut arguments = vec!["verify".to_owned(), "log".into(), gateway.log_place().into()];
    arguments.extend(["--trust".into(), "trust/trust.txt".into()]);
    for (number, (_, answer)) in acknowledged.iter().rev().take(20).enumerate() {
        let file = format!("acknowledged-{number}.tlog-proof");
        let receipt = answer.json()["receipt"].as_str().expect("a receipt").to_owned();
        std::fs::write(gateway.path(&file), receipt).unwrap();
        arguments.extend(["--receipt".into(), file]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (code, out, error) = gateway.shuguan(&arguments);
    assert_eq!(code, 0, "{out}{error}");
}

pub fn sealed_once(gateway: &Deployment, acknowledged: &[(Batch, Answer)]) {
    let log = gateway.leaves();
    let of = |kind: &str| {
        let found: Vec<String> = log
            .iter()
            .filter(|leaf| leaf["k"] == kind)
            .map(|leaf| leaf["x"].as_str().unwrap().replace('-', ""))
            .collect();
        let unlike: BTreeSet<String> = found.iter().cloned().collect();
        assert_eq!(found.len(), unlike.len(), "a second `{kind}` leaf");
        unlike
    };
    let told: BTreeSet<String> = acknowledged.iter().map(|(_, answer)| exchange(answer)).collect();
    assert_eq!(of("push"), told);
    assert_eq!(of("relayed"), told);
}
