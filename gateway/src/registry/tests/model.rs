//! Random sequences of parts against the plainest model: a map that is changed row by row.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert_eq, proptest};
use rusqlite::Connection;
use tempfile::TempDir;

use super::fixture::{RESIDENT, kept, part, received, whole};
use crate::registry::{Counts, Registry, RegistrySettings, sqlite};

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

/// One database for all cases: making it costs more than a case.
static SHARED: LazyLock<Mutex<(TempDir, Connection)>> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap();
    let settings = RegistrySettings::at(folder.path().join("registry.db"));
    Registry::create(&settings, &kept(&[&RESIDENT])).unwrap();
    let connection = sqlite::open(&settings).unwrap();
    connection.execute_batch("PRAGMA synchronous=OFF").unwrap();
    Mutex::new((folder, connection))
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn any_sequence_of_parts_ends_where_row_by_row_merging_ends(
        exchanges in prop::collection::vec((prop::collection::vec(sent(), 0..40), any::<prop::sample::Index>(), any::<bool>()), 1..6)
    ) {
        let tables = kept(&[&RESIDENT]);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = &mut shared.1;
        connection.execute_batch("DELETE FROM public_security_resident; DELETE FROM person; DELETE FROM relay_progress").unwrap();
        let mut model = HashMap::new();
        for (leaf, (rows, cut, repeated)) in (1..).zip(exchanges) {
            let (first, second) = rows.split_at(cut.index(rows.len() + 1));
            for (number, (rows, before)) in (0..).zip([(first, 0), (second, first.len() as u64)]) {
                let texts: Vec<[String; 5]> = rows.iter().map(|sent| [
                    format!("3207061880010100{:02}", sent.id),
                    format!("人{}", sent.name),
                    "-".into(),
                    "-".into(),
                    sent.source.map_or("-".into(), |source| source.to_string()),
                ]).collect();
                let cells: Vec<Vec<&str>> = texts.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
                let cells: Vec<&[&str]> = cells.iter().map(Vec::as_slice).collect();
                let part = part(&RESIDENT, leaf, number, whole(&RESIDENT, &cells));
                let merged = sqlite::merge_parts(connection, &tables, std::slice::from_ref(&part)).unwrap()[0];
                prop_assert_eq!(merged.counts, merge(&mut model, rows, leaf, before));
                if repeated {
                    prop_assert_eq!(sqlite::merge_parts(connection, &tables, std::slice::from_ref(&part)).unwrap()[0].repeated, true);
                }
            }
        }
        let mut statement = connection
            .prepare("SELECT citizen_id, name, _source_us, _leaf, _row FROM public_security_resident")
            .unwrap();
        let stored: HashMap<String, (String, (i64, u64, u64))> = statement
            .query_map([], |row| {
                let unsigned = |place| row.get::<_, i64>(place).map(i64::unsigned_abs);
                Ok((row.get(0)?, (row.get(1)?, (row.get(2)?, unsigned(3)?, unsigned(4)?))))
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let expected: HashMap<String, (String, (i64, u64, u64))> = model
            .iter()
            .map(|(id, kept)| (format!("3207061880010100{id:02}"), (format!("人{}", kept.content.0), kept.order)))
            .collect();
        prop_assert_eq!(stored, expected);
    }
}
