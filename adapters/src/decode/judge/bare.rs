//! What is read of a record of which only the keys matter: one that a delta deletes or a snapshot keeps.
//!
//! Takes the record type, the wanted fields and what the batch is for; gives by place which fields are read and which must be as they should, and whether a record
//! has a key. Refuses nothing.

use crate::catalogue::RecordType;
use crate::operation::Intent;

/// How new a record is; a delete has that too.
const SOURCE_TIME: &str = "source_updated_at";

/// What is read of a record of which only the keys matter.
pub(super) struct Bare {
    /// By place: whether the field is part of a key, and then must be as it should.
    pub(super) keys: Vec<bool>,
    /// By place: whether it is read at all.
    pub(super) read: Vec<bool>,
    /// The keys whose fields are all wanted, as places.
    whole: Vec<Vec<usize>>,
    /// By place: whether the record at hand has a value.
    pub(super) present: Vec<bool>,
}

impl Bare {
    pub(super) fn new(record: &RecordType, names: &[&'static str], intent: &Intent) -> Self {
        let besides: &[&str] = match intent {
            Intent::Upsert => &[],
            Intent::Delta(besides) | Intent::Snapshot(_, besides) => besides,
        };
        let slot = |name: &&str| names.iter().position(|other| other == name);
        let whole: Vec<Vec<usize>> = record
            .keys
            .iter()
            .filter_map(|key| key.iter().map(slot).collect())
            .collect();
        let keys: Vec<bool> = (0..names.len())
            .map(|slot| whole.iter().flatten().any(|other| *other == slot))
            .collect();
        let read = names.iter().zip(&keys);
        let told = |name: &&'static str| record.history.iter().any(|(field, _)| field == name);
        let read = read.map(|(name, key)| *key || *name == SOURCE_TIME || told(name) || besides.contains(name));
        Self {
            read: read.collect(),
            keys,
            whole,
            present: vec![false; names.len()],
        }
    }

    pub(super) fn has_key(&self) -> bool {
        let present = |slot: &usize| self.present.get(*slot).copied().unwrap_or_default();
        self.whole.iter().any(|key| key.iter().all(present))
    }
}
