//! Random sequences of parts against the plainest model: a map that is changed row by row.

use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex, PoisonError};

use arrow_array::RecordBatch;
use proptest::prelude::{ProptestConfig, Strategy, TestCaseError, any, prop, prop_assert, prop_assert_eq, proptest};
use rusqlite::Connection;
use tokio::runtime::Runtime;

use super::fixture::{RESIDENT, kept, part, received, whole};
use super::store::{Place, Store};
use crate::registry::{Counts, Merged, Part, Registry, sqlite};

#[derive(Clone, Debug)]
struct Sent {
    id: u8,
    name: u8,
    source: Option<u8>,
}

fn sent() -> impl Strategy<Value = Sent> {
    (0_u8..12, 0_u8..3, prop::option::of(0_u8..4)).prop_map(|(id, name, source)| Sent { id, name, source })
}

#[derive(Clone, PartialEq, Debug)]
struct Kept {
    content: (u8, Option<u8>),
    order: (i64, u64, u64),
}

fn merge(model: &mut HashMap<u8, Kept>, rows: &[Sent], leaf: u64, before: u64) -> Counts {
    let mut counts = Counts::default();
    for (row, sent) in (before + 1..).zip(rows) {
        let source_us = sent.source.map_or(received(leaf), i64::from);
        let new = Kept {
            content: (sent.name, sent.source),
            order: (source_us, leaf, row),
        };
        match model.get(&sent.id) {
            None => counts.ins += 1,
            Some(old) if old.content == new.content || old.order >= new.order => {
                counts.same += 1;
                continue;
            }
            Some(_) => counts.upd += 1,
        }
        model.insert(sent.id, new);
    }
    counts
}

/// What the cases run on; making it costs more than a case.
enum Target {
    Sqlite(Connection),
    Postgres(Runtime, Registry),
}

struct Shared {
    place: Place,
    target: Target,
}

impl Shared {
    fn new(store: Store) -> Self {
        let place = Place::new(store);
        let tables = kept(&[&RESIDENT]);
        Registry::create(&place.settings, &tables).unwrap();
        let target = match store {
            Store::Sqlite => {
                let connection = sqlite::open(place.sqlite()).unwrap();
                connection.execute_batch("PRAGMA synchronous=OFF").unwrap();
                Target::Sqlite(connection)
            }
            Store::Postgres => Target::Postgres(Runtime::new().unwrap(), place.open(&tables)),
        };
        Self { place, target }
    }

    fn merge(&mut self, parts: &[Part]) -> Vec<Merged> {
        match &mut self.target {
            Target::Sqlite(connection) => sqlite::merge_parts(connection, &kept(&[&RESIDENT]), parts).unwrap(),
            Target::Postgres(runtime, registry) => runtime.block_on(registry.merge_all(parts.into())).unwrap(),
        }
    }
}

static ON_SQLITE: LazyLock<Mutex<Shared>> = LazyLock::new(|| Mutex::new(Shared::new(Store::Sqlite)));
static ON_POSTGRES: LazyLock<Mutex<Shared>> = LazyLock::new(|| Mutex::new(Shared::new(Store::Postgres)));

/// Rows of an exchange, where they are cut in two parts, whether both go in together, whether they come twice.
type Exchange = (Vec<Sent>, prop::sample::Index, bool, bool);

fn exchanges() -> impl Strategy<Value = Vec<Exchange>> {
    let exchange = (
        prop::collection::vec(sent(), 0..40),
        any::<prop::sample::Index>(),
        any::<bool>(),
        any::<bool>(),
    );
    prop::collection::vec(exchange, 1..6)
}

fn batch(rows: &[Sent]) -> RecordBatch {
    let text = |sent: &Sent| {
        [
            format!("3207061880010100{:02}", sent.id),
            format!("人{}", sent.name),
            "-".into(),
            "-".into(),
            sent.source.map_or("-".into(), |source| source.to_string()),
        ]
    };
    let texts: Vec<[String; 5]> = rows.iter().map(text).collect();
    let cells: Vec<Vec<&str>> = texts
        .iter()
        .map(|row| row.iter().map(String::as_str).collect())
        .collect();
    let cells: Vec<&[&str]> = cells.iter().map(Vec::as_slice).collect();
    whole(&RESIDENT, &cells)
}

fn ends_where_row_by_row_merging_ends(shared: &Mutex<Shared>, exchanges: Vec<Exchange>) -> Result<(), TestCaseError> {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.place.execute(
        "DELETE FROM public_security_resident; DELETE FROM person; DELETE FROM relay_progress; DELETE FROM history",
    );
    let mut model = HashMap::new();
    for (leaf, (rows, cut, together, repeated)) in (1..).zip(exchanges) {
        let (first, second) = rows.split_at(cut.index(rows.len() + 1));
        let parts = [
            part(&RESIDENT, leaf, 0, batch(first)),
            part(&RESIDENT, leaf, 1, batch(second)),
        ];
        let merged = if together {
            shared.merge(&parts)
        } else {
            parts
                .iter()
                .flat_map(|part| shared.merge(std::slice::from_ref(part)))
                .collect()
        };
        prop_assert_eq!(merged[0].counts, merge(&mut model, first, leaf, 0));
        prop_assert_eq!(merged[1].counts, merge(&mut model, second, leaf, first.len() as u64));
        if repeated {
            prop_assert!(shared.merge(&parts).iter().all(|merged| merged.repeated));
        }
    }
    let query = "SELECT citizen_id, name, _source_us, _leaf, _row FROM public_security_resident";
    let stored: BTreeSet<String> = shared.place.query(query).into_iter().collect();
    let line = |(id, kept): (&u8, &Kept)| {
        let (source_us, leaf, row) = kept.order;
        format!("3207061880010100{id:02} 人{} {source_us} {leaf} {row}", kept.content.0)
    };
    let expected: BTreeSet<String> = model.iter().map(line).collect();
    prop_assert_eq!(stored, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_sequence_of_parts_ends_where_row_by_row_merging_ends(exchanges in exchanges()) {
        ends_where_row_by_row_merging_ends(&ON_SQLITE, exchanges)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]
    #[test]
    fn any_sequence_of_parts_ends_there_on_postgres_too(exchanges in exchanges()) {
        if Store::has_postgres() {
            ends_where_row_by_row_merging_ends(&ON_POSTGRES, exchanges)?;
        }
    }
}
