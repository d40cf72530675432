//! Upserts, deltas and snapshots in any order against the plainest model of the design: what the registry ends with is decided by what was sent,
//! not by when the relay came to it. Any of them may be set aside as it comes, and be let go after others that came later, or after all. On SQLite and
//! on PostgreSQL.
//!
//! `SHUGUAN_DIFFERENCES` (100 sequences in the gate, 2,000 in the long lane) and `SHUGUAN_SEED` choose the run. The model knows every
//! row that was ever sent and looks at all of them at the end:
//! - of the rows that insert or update a key, that of the newest (source time, leaf, row) speaks;
//! - it is closed when its own partner deleted the key with something newer, or sent a snapshot with a later leaf, whose scope covers it and that lacks it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::builder::{StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use shuguan::clock::Clock;
use shuguan::journal::{Entry, Journal, JournalSettings, Outcome, Secret};
use shuguan::postgres::PostgresSettings;
use shuguan::registry::schema::{ColumnSpec, ColumnType, TableSpec};
use shuguan::registry::{Missing, Registry, RegistrySettings};
use shuguan::relay::{self, RelaySettings, RelayStatus};
use shuguan_adapters::catalogue::record_type;
use shuguan_ledger::leaf::{Commitment, Digest, Event, OperatorEvent, PushEvent};
use shuguan_tests::{Postgres, run};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::feeds::RESIDENT;
use crate::people::citizen;
use crate::random::Random;

const PARTNERS: [&str; 2] = ["public-security-city", "public-security-ganyu"];
const REGIONS: [&str; 2] = ["320706", "320707"];
const PEOPLE: u64 = 8;
const TABLE: &str = "public_security_resident";

/// One row as it was sent.
#[derive(Clone, Debug)]
struct Row {
    act: &'static str,
    person: u64,
    name: u64,
    region: &'static str,
    source: Option<i64>,
}

/// One exchange: its place in the sequence is its place in the log.
#[derive(Clone, Debug)]
struct Sent {
    partner: &'static str,
    mode: &'static str,
    scope: Option<&'static str>,
    parts: Vec<Vec<Row>>,
    /// It is set aside, and let go when so many others have come, or when all have.
    aside: Option<u64>,
}

/// A sequence, and after how many exchanges the relay may work, and how long before it is stopped.
struct Sequence {
    sent: Vec<Sent>,
    /// By exchange: milliseconds that the relay has then; it is killed at their end.
    stops: Vec<Option<u64>>,
}

fn sequence(random: &mut Random) -> Sequence {
    // Rows of one source either say when they changed or do not.
    let dated = random.below(2) == 0;
    let count = 2 + random.below(9);
    let sent: Vec<Sent> = (0..count).map(|_| exchange(random, dated)).collect();
    let stops = sent
        .iter()
        .map(|_| (random.below(4) == 0).then(|| random.below(12)))
        .collect();
    Sequence { sent, stops }
}

fn exchange(random: &mut Random, dated: bool) -> Sent {
    let partner = PARTNERS[random.below(2) as usize];
    let mode = ["upsert", "delta", "snapshot"][random.below(3) as usize];
    let scope = (mode == "snapshot" && random.below(2) == 0).then(|| REGIONS[random.below(2) as usize]);
    // Above four parts an exchange stands in a lane of its own, and others pass it.
    let parts = if random.below(3) == 0 {
        5 + random.below(3)
    } else {
        1 + random.below(2)
    };
    let parts = (0..parts)
        .map(|_| {
            (0..1 + random.below(4))
                .map(|_| row(random, mode, scope, dated))
                .collect()
        })
        .collect();
    Sent {
        partner,
        mode,
        scope,
        parts,
        aside: (random.below(4) == 0).then(|| 1 + random.below(8)),
    }
}

fn row(random: &mut Random, mode: &str, scope: Option<&'static str>, dated: bool) -> Row {
    let act = match (mode, random.below(3)) {
        ("delta", 0) => "D",
        ("snapshot", 0) => "N",
        _ => "U",
    };
    Row {
        act,
        person: random.below(PEOPLE),
        name: random.below(2),
        region: scope.unwrap_or(REGIONS[random.below(2) as usize]),
        source: dated.then(|| 1 + random.below(6) as i64),
    }
}

/// What a person is in the end: name, region, whose, whether open. Who was only deleted is not there.
type End = BTreeMap<String, (String, &'static str, &'static str, bool)>;

type Order = (i64, usize, usize);

/// A row that inserts or updates, with its place, and the exchange it came in.
struct Put<'s> {
    order: Order,
    row: &'s Row,
    sent: &'s Sent,
}

fn model(sent: &[Sent]) -> End {
    let mut end = End::new();
    for person in 0..PEOPLE {
        let rows = rows_of(sent, person);
        let Some(put) = rows.iter().filter(|put| put.row.act == "U").max_by_key(|put| put.order) else {
            continue;
        };
        let own = |other: &Sent| other.partner == put.sent.partner;
        let deleted = rows
            .iter()
            .any(|other| other.row.act == "D" && own(other.sent) && other.order > put.order);
        let lacking = sent.iter().enumerate().any(|(leaf, other)| {
            other.mode == "snapshot"
                && own(other)
                && leaf > put.order.1
                && other.scope.is_none_or(|scope| scope == put.row.region)
                && !other.parts.iter().flatten().any(|row| row.person == person)
        });
        let name = format!("人{}", put.row.name);
        end.insert(
            citizen(person),
            (name, put.row.region, put.sent.partner, !deleted && !lacking),
        );
    }
    end
}

fn rows_of(sent: &[Sent], person: u64) -> Vec<Put<'_>> {
    let mut rows = Vec::new();
    for (leaf, exchange) in sent.iter().enumerate() {
        for (number, row) in exchange.parts.iter().flatten().enumerate() {
            if row.person == person {
                // Without a time of the source that of the receipt counts, and it grows with the leaf.
                let source = row.source.unwrap_or(leaf as i64);
                rows.push(Put {
                    order: (source, leaf, number),
                    row,
                    sent: exchange,
                });
            }
        }
    }
    rows
}

fn schema(with_acts: bool) -> Arc<Schema> {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let mut fields = vec![text("citizen_id"), text("name"), text("hukou_region")];
    let record = record_type(RESIDENT).expect("it is in the catalogue");
    let source = record.field("source_updated_at").expect("it has one");
    fields.push(Field::new(source.name, source.kind.data_type(), true));
    if with_acts {
        fields.push(text("_op"));
    }
    Arc::new(Schema::new(fields))
}

fn batch(rows: &[Row], with_acts: bool) -> RecordBatch {
    let text = |of: &dyn Fn(&Row) -> Option<String>| -> ArrayRef {
        let mut builder = StringBuilder::new();
        for row in rows {
            builder.append_option(of(row));
        }
        Arc::new(builder.finish())
    };
    // Of what is deleted or was rejected only the key comes.
    let whole = |row: &Row| row.act == "U";
    let mut source = TimestampMicrosecondBuilder::new().with_timezone("UTC");
    for row in rows {
        source.append_option(row.source);
    }
    let mut columns = vec![
        text(&|row| Some(citizen(row.person))),
        text(&|row| whole(row).then(|| format!("人{}", row.name))),
        text(&|row| whole(row).then(|| row.region.to_owned())),
        Arc::new(source.finish()),
    ];
    if with_acts {
        columns.push(text(&|row| Some(row.act.to_owned())));
    }
    RecordBatch::try_new(schema(with_acts), columns).expect("columns of one length")
}

fn tables() -> Vec<TableSpec> {
    let record = record_type(RESIDENT).expect("it is in the catalogue");
    let column = |name: &'static str, kind| ColumnSpec {
        name,
        zh: "字段",
        kind,
        identifies: true,
        plain: true,
    };
    let columns = vec![
        column("citizen_id", ColumnType::Text),
        column("name", ColumnType::Text),
        column("hukou_region", ColumnType::Text),
        column("source_updated_at", ColumnType::Instant),
    ];
    vec![TableSpec::new(record, columns).expect("it has a key")]
}

fn push(exchange: Uuid, sent: &Sent, rows: u64) -> Event {
    let snapshot = sent.mode == "snapshot";
    Event::Push(PushEvent {
        x: exchange.to_string(),
        p: sent.partner.into(),
        cert: Digest([0; 32]),
        rec: RESIDENT.into(),
        pur: "enrolment.registration".into(),
        agr: "A-1".into(),
        plan: Digest([0; 32]),
        bun: Digest([0; 32]),
        fmt: "csv+utf-8".into(),
        r#in: rows,
        ok: rows,
        rej: 0,
        fil: 0,
        rep: 0,
        bytes: 1,
        cols: Digest([0; 32]),
        nc: 4,
        req: Commitment([0; 32]),
        mode: (sent.mode != "upsert").then(|| sent.mode.into()),
        sco: snapshot.then(|| {
            sent.scope
                .map_or("all".into(), |region| format!("hukou_region={region}"))
        }),
        cnt: snapshot.then_some(rows),
        lay: None,
        con: None,
        qua: None,
        ix: None,
    })
}

/// A journal, and a registry that outlives the sequences.
struct World {
    journal: Journal,
    registry: RegistrySettings,
}

impl World {
    fn new(folder: &Path, registry: &RegistrySettings) -> Self {
        let settings = JournalSettings::at(
            folder.join("journal"),
            "gw1.example/log",
            Secret::new([1; 32]),
            Secret::new([2; 32]),
        );
        Journal::create(&settings).expect("a journal");
        Self {
            journal: Journal::open(&settings, Clock::system()).expect("a journal"),
            registry: registry.clone(),
        }
    }

    async fn seal(&self, sent: &Sent) -> Uuid {
        let exchange = Uuid::new_v4();
        let with_acts = sent.mode != "upsert";
        let mut payload = self
            .journal
            .begin_payload(exchange, schema(with_acts))
            .expect("a payload");
        for part in &sent.parts {
            payload.push(&batch(part, with_acts)).expect("a part");
        }
        let payload = payload.finish().expect("a payload");
        let mut entry = Entry::new(exchange, push(exchange, sent, payload.rows()));
        entry.payload = Some(payload);
        let sealed = self.journal.seal(entry).await.expect("it is sealed");
        assert!(matches!(sealed, Outcome::Sealed(_)));
        if sent.aside.is_some() {
            let moved = self.journal.set_aside(exchange, "SG6208").await;
            assert!(moved.expect("it is set aside"), "it does not wait");
        }
        exchange
    }

    /// An operator lets batches go.
    async fn release(&self, exchanges: impl Iterator<Item = Uuid>) {
        for exchange in exchanges {
            let event = OperatorEvent::of_act("op", "released-again", Some(exchange.to_string()), None);
            let released = self.journal.operate(Some(exchange), event).await;
            assert!(released.expect("it is released").is_some(), "it was not set aside");
        }
    }

    /// Whether nothing waits; what is set aside does not.
    async fn is_idle(&self) -> bool {
        self.journal.lanes().await.expect("the lanes").is_empty()
    }

    /// Lets a relay of its own work, for that long, or until nothing waits.
    async fn relay(&self, for_ms: Option<u64>) {
        let registry = Registry::open(&self.registry, tables(), Missing::Refuse).expect("a registry");
        let (stop, status) = (CancellationToken::new(), RelayStatus::default());
        let settings = RelaySettings {
            rows_per_s: None,
            idle_ms: 1,
            snapshot_close_percent_max: 100,
            ..RelaySettings::default()
        };
        let working = tokio::spawn(relay::run(
            self.journal.clone(),
            registry.clone(),
            settings,
            Clock::system(),
            status,
            stop.clone(),
        ));
        match for_ms {
            Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            None => {
                // A machine may be busy; how long it takes is no question here.
                for _ in 0..120_000 {
                    if self.is_idle().await {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                assert!(self.is_idle().await, "the relay does not end");
            }
        }
        stop.cancel();
        working.await.expect("it does not panic").expect("the relay goes on");
        registry.close().await;
    }
}

/// What the registry holds in the end, in the model's words; rows of which only a closing came are left out.
fn stored(query: &dyn Fn(&str) -> Vec<String>) -> BTreeSet<String> {
    let sql = format!(
        "SELECT citizen_id || '|' || name || '|' || hukou_region || '|' || _partner || '|' || \
        CASE _open WHEN 0 THEN 'closed' ELSE 'open' END FROM {TABLE} WHERE name IS NOT NULL"
    );
    query(&sql).into_iter().collect()
}

fn expected(end: &End) -> BTreeSet<String> {
    let line = |(id, (name, region, partner, open)): (&String, &(String, &str, &str, bool))| {
        format!(
            "{id}|{name}|{region}|{partner}|{}",
            if *open { "open" } else { "closed" }
        )
    };
    end.iter().map(line).collect()
}

/// Whom snapshots hold and had to reject.
fn named(sent: &[Sent]) -> BTreeSet<String> {
    let rows = sent.iter().flat_map(|sent| sent.parts.iter().flatten());
    rows.filter(|row| row.act == "N")
        .map(|row| citizen(row.person))
        .collect()
}

fn sequences() -> u64 {
    std::env::var("SHUGUAN_DIFFERENCES").map_or(100, |count| count.parse().expect("a number"))
}

fn ends_as_the_model_does(
    what: &str,
    registry: &RegistrySettings,
    query: &dyn Fn(&str) -> Vec<String>,
    clear: &dyn Fn(),
) {
    Registry::create(registry, &tables()).expect("a registry");
    let mut random = Random::printed(what);
    for number in 0..sequences() {
        let sequence = sequence(&mut random);
        clear();
        run(async {
            let folder = tempfile::TempDir::new().expect("a folder");
            let world = World::new(folder.path(), registry);
            // By exchange: how many must come before it is let go.
            let mut aside: Vec<(u64, Uuid)> = Vec::new();
            for (sent, stop) in sequence.sent.iter().zip(&sequence.stops) {
                let exchange = world.seal(sent).await;
                for (others, _) in &mut aside {
                    *others -= 1;
                }
                world
                    .release(
                        aside
                            .extract_if(.., |(others, _)| *others == 0)
                            .map(|(_, exchange)| exchange),
                    )
                    .await;
                aside.extend(sent.aside.map(|others| (others, exchange)));
                if let Some(ms) = stop {
                    world.relay(Some(*ms)).await;
                }
            }
            world.relay(None).await;
            // Those that are left are let go one after the other, the newest first, or together.
            for (others, exchange) in aside.into_iter().rev() {
                world.release(std::iter::once(exchange)).await;
                if others % 2 == 0 {
                    world.relay(None).await;
                }
            }
            world.relay(None).await;
            world.journal.close().await.expect("it closes");
        });
        let told = || format!("sequence {number}: {:#?}", sequence.sent);
        assert_eq!(stored(query), expected(&model(&sequence.sent)), "{}", told());
        let open = format!("SELECT count(*) FROM {TABLE} WHERE _open <> 0");
        assert_eq!(query("SELECT count(*) FROM population"), query(&open), "{}", told());
        rows_fit_the_counts(registry, &told);
        // Stamps stay of rows that were closed then, for a recall must know that the snapshot did not lack them, of what a snapshot had to reject and
        // nobody has a row of, and of nothing else.
        let seen = format!(
            "SELECT DISTINCT row_key FROM snapshot_seen s WHERE NOT EXISTS (SELECT 1 FROM {TABLE} t WHERE t._key = s.row_key)"
        );
        let named = named(&sequence.sent);
        assert!(query(&seen).iter().all(|key| named.contains(key)), "{}", told());
        if sequence.sent.iter().all(|sent| sent.aside.is_none()) {
            assert_eq!(query("SELECT count(*) FROM snapshot_held"), ["0"], "{}", told());
        }
    }
}

/// What `db fsck --deep` finds: nothing.
fn rows_fit_the_counts(registry: &RegistrySettings, told: &dyn Fn() -> String) {
    let traces = Registry::traces(registry, &tables(), &mut || {}).expect("the registry answers");
    for table in &traces.tables {
        assert_eq!(table.held, table.stated, "{}", told());
    }
    for trace in traces.exchanges.values() {
        assert!(trace.odd == 0 && trace.rows <= trace.sent, "{trace:?} {}", told());
    }
    assert_eq!((traces.strangers.len(), traces.leafless), (0, 0), "{}", told());
}

const CLEAR: &str = "DELETE FROM public_security_resident; DELETE FROM relay_progress; DELETE FROM history; \
    DELETE FROM closing; DELETE FROM superseded; DELETE FROM snapshot; DELETE FROM snapshot_seen; DELETE FROM snapshot_held; DELETE FROM person";

#[test]
fn any_sequence_ends_as_the_model_does_whatever_the_relay_does_in_between() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("registry.db");
    let query = |sql: &str| {
        let connection = rusqlite::Connection::open(&path).expect("a registry");
        let mut statement = connection.prepare(sql).expect("a statement");
        let rows = statement.query_map([], |row| {
            let cell = row.get_ref(0)?;
            Ok(cell
                .as_i64()
                .map_or_else(|_| cell.as_str().unwrap_or_default().to_owned(), |n| n.to_string()))
        });
        rows.expect("rows").map(|row| row.expect("a row")).collect()
    };
    let clear = || {
        let connection = rusqlite::Connection::open(&path).expect("a registry");
        connection.execute_batch(CLEAR).expect("it is emptied");
    };
    ends_as_the_model_does(
        "differences on SQLite",
        &RegistrySettings::at(path.clone()),
        &query,
        &clear,
    );
}

#[test]
fn any_sequence_ends_there_on_postgresql_too() {
    let Some(postgres) = Postgres::start("differences", &[]) else {
        return;
    };
    let settings = RegistrySettings::Postgres(PostgresSettings::at(postgres.address()));
    let clear = || postgres.script(CLEAR);
    ends_as_the_model_does(
        "differences on PostgreSQL",
        &settings,
        &|sql| postgres.query(sql),
        &clear,
    );
}
