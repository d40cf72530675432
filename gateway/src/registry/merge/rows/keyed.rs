//! What can be made of a part's rows before the store is asked: keys, content hashes, source times, the order by key.
//!
//! Takes views of the columns; gives what owns itself, so that it can be made of the next part on another core while the store works on this one. Refuses a
//! part that has no natural key at all.

use ring::digest::{Context, SHA256, digest};

use super::super::super::enterprise;
use super::super::super::fault::RegistryFault;
use super::super::super::schema::TableSpec;
use super::super::Part;
use super::{Column, HASH_BYTES, KeyPart, OTHER, Rows, SEPARATOR, key_prefix};

/// Keys, hashes, times and units of a part's rows, each by row, and the rows by ascending key.
#[derive(Debug, Default)]
pub(crate) struct Keyed {
    /// The keys of the table that it was made for.
    natural: Vec<&'static [&'static str]>,
    key_bytes: Vec<u8>,
    key_ends: Vec<usize>,
    pub(super) hashes: Vec<[u8; HASH_BYTES]>,
    pub(super) sources: Vec<i64>,
    pub(super) units: Vec<Option<String>>,
    pub(super) order: Vec<u32>,
}

impl Keyed {
    /// Of the rows whose columns those are.
    pub(super) fn of(table: &TableSpec, part: &Part, rows: &Rows<'_>) -> Result<Self, RegistryFault> {
        let count = part.batch.num_rows();
        let mut keyed = Self {
            natural: table.keys.clone(),
            hashes: hashes(rows.columns(), count),
            sources: sources(rows, part, count),
            order: (0..u32::try_from(count).unwrap_or(u32::MAX)).collect(),
            ..Self::default()
        };
        keyed.key_all(table, rows)?;
        if table.has_unit() {
            keyed.units = (0..count).map(|row| enterprise::unit_key(rows, row)).collect();
        }
        keyed.sort();
        Ok(keyed)
    }

    /// Whether it would be the same for that table.
    pub(super) fn is_for(&self, table: &TableSpec) -> bool {
        self.natural == table.keys
    }

    pub(super) fn key(&self, row: usize) -> &[u8] {
        let start = row.checked_sub(1).and_then(|before| self.key_ends.get(before)).copied();
        let end = self.key_ends.get(row).copied().unwrap_or_default();
        self.key_bytes.get(start.unwrap_or_default()..end).unwrap_or_default()
    }

    fn key_all(&mut self, table: &TableSpec, rows: &Rows<'_>) -> Result<(), RegistryFault> {
        let keys: Vec<(usize, Vec<&Column<'_>>)> = table
            .keys
            .iter()
            .enumerate()
            .filter_map(|(rank, key)| {
                let columns: Option<Vec<_>> = key.iter().map(|name| rows.column(name)).collect();
                columns.map(|columns| (rank, columns))
            })
            .collect();
        if keys.is_empty() {
            return Err(RegistryFault::NoKey {
                record: table.record.name.into(),
            });
        }
        self.key_bytes.reserve(self.hashes.len() * 24);
        self.key_ends.reserve(self.hashes.len());
        for (row, hash) in self.hashes.iter().enumerate() {
            key_into(&mut self.key_bytes, &keys, row, hash);
            self.key_ends.push(self.key_bytes.len());
        }
        Ok(())
    }

    fn sort(&mut self) {
        let mut order = std::mem::take(&mut self.order);
        // Equal keys must stay in the order of rows, hence the row as the last criterion.
        order.sort_unstable_by(|one, other| (self.key(*one as usize), one).cmp(&(self.key(*other as usize), other)));
        self.order = order;
    }
}

/// Each row's content hash begins with the part's column names: two plans may release different columns of one record type.
fn hashes(columns: &[Column<'_>], count: usize) -> Vec<[u8; HASH_BYTES]> {
    let mut names = Context::new(&SHA256);
    for column in columns {
        names.update(column.name.as_bytes());
        names.update(&[0]);
    }
    let mut bytes = names.finish().as_ref().get(..8).unwrap_or_default().to_vec();
    let prefix = bytes.len();
    let hash_of = |row| {
        bytes.truncate(prefix);
        for column in columns {
            column.hash_into(&mut bytes, row);
        }
        let hash = digest(&SHA256, &bytes);
        hash.as_ref().first_chunk().copied().unwrap_or_default()
    };
    (0..count).map(hash_of).collect()
}

/// The source's own time where it gives one that is not after the receipt: a wrong date in the future would block all later rows.
fn sources(rows: &Rows<'_>, part: &Part, count: usize) -> Vec<i64> {
    let column = rows.column("source_updated_at");
    let source_us = |row| column.and_then(|column| column.instant(row));
    (0..count)
        .map(|row| source_us(row).unwrap_or(part.received_us).min(part.received_us))
        .collect()
}

/// The first natural key that is complete in the row; else the first of which a part is there, absent parts empty; else the content,
/// so that a record without any key is kept once and never merged with another.
fn key_into(bytes: &mut Vec<u8>, keys: &[(usize, Vec<&Column<'_>>)], row: usize, hash: &[u8; HASH_BYTES]) {
    let start = bytes.len();
    for complete in [true, false] {
        for (rank, columns) in keys {
            if *rank > 0 {
                bytes.extend_from_slice(key_prefix(*rank).as_bytes());
            }
            let mut present = 0;
            let mut unfit = false;
            for (place, column) in columns.iter().enumerate() {
                if place > 0 {
                    bytes.push(SEPARATOR);
                }
                match column.key_into(bytes, row) {
                    KeyPart::Present => present += 1,
                    KeyPart::Absent => {}
                    KeyPart::Unfit => unfit = true,
                }
            }
            if !unfit && (present == columns.len() || (!complete && present > 0)) {
                return;
            }
            bytes.truncate(start);
        }
    }
    bytes.push(OTHER);
    bytes.push(SEPARATOR);
    for byte in hash {
        bytes.extend_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
    }
}

fn hex(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}
