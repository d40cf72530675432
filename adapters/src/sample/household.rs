//! Samples in the form of one row a household: pairs of columns, one pair a member.
//!
//! Takes what [`super::write_sample`] takes, for a record type that unfolds; writes so many households of one to six members. In every
//! other row the head is the first pair as well, in the rest the head stands in columns of its own only. Counts are of records.

use std::io;

use super::dirt::Spoil;
use super::fill::Case;
use super::random::Random;
use super::writing::{Column, Writing};
use super::{Dirt, DirtKind, SampleCounts, choose};
use crate::catalogue::{RecordType, Unfold};
use crate::decode::DecodeLimits;
use crate::layout::Layout;

/// Writes a feed of that many households; nothing at all for a record type that does not unfold.
pub fn write_households(
    record: &'static RecordType,
    layout: &Layout,
    rows: u64,
    seed: u64,
    dirt: Dirt,
    out: &mut impl io::Write,
) -> io::Result<SampleCounts> {
    let mut counts = SampleCounts::default();
    let Some(form) = Form::new(record) else {
        return Ok(counts);
    };
    let mut spoils = dirt.plan(record);
    spoils.retain(|spoil| form.writes(spoil));
    let part_rows = DecodeLimits::default().part_rows as u64;
    let mut writing = Writing::new(layout, form.columns());
    let mut put = |bytes: &[u8], counts: &mut SampleCounts| {
        counts.bytes += bytes.len() as u64;
        out.write_all(bytes)
    };
    put(&writing.header(), &mut counts)?;
    let mut people = 0;
    let mut last_good = (Vec::new(), 0);
    for row in 0..rows {
        counts.rows += 1;
        let mut spoil = choose(&spoils, seed, row);
        if let Some(Spoil {
            kind: DirtKind::Repeated,
            ..
        }) = spoil
        {
            // All of them must lie in the part that is being filled.
            if last_good.1 > 0 && counts.good % part_rows >= last_good.1 {
                counts.records += last_good.1;
                *counts.dirty.entry(DirtKind::Repeated).or_default() += last_good.1;
                put(&writing.again(&last_good.0), &mut counts)?;
                continue;
            }
            spoil = None;
        }
        let size = 1 + Random::new(seed, row ^ HOUSEHOLDS).below(form.most as u64);
        let mut members: Vec<Vec<String>> = (people..people + size)
            .map(|number| {
                let mut case = Case::new(record, seed, number);
                record.fields.iter().map(|field| case.text(field)).collect()
            })
            .collect();
        people += size;
        let broken = spoil.is_some_and(|spoil| spoil.kind == DirtKind::WrongColumns);
        let bad = spoil.map_or(0, |spoil| form.spoil(&spoil, &mut members));
        let line = writing.row(&form.texts(&members, row % 2 == 0), broken);
        put(&line, &mut counts)?;
        let records = if broken { 1 } else { size };
        counts.records += records;
        counts.good += records - bad;
        if let Some(spoil) = spoil {
            *counts.dirty.entry(spoil.kind).or_default() += bad;
        } else {
            last_good = (line, size);
        }
    }
    put(&writing.footer(), &mut counts)?;
    Ok(counts)
}

/// Which column holds what.
struct Form {
    record: &'static RecordType,
    unfold: &'static Unfold,
    /// Pairs of a row.
    most: usize,
    /// Numbers of the fields of the row: neither a member's own nor the head's.
    shared: Vec<usize>,
    /// Numbers of the fields of a member that the head has columns for, with those of the head's.
    head: Vec<(usize, usize)>,
}

impl Form {
    fn new(record: &'static RecordType) -> Option<Self> {
        let unfold = record.unfold?;
        let number = |name: &str| record.fields.iter().position(|field| field.name == name);
        let head: Vec<_> = unfold
            .head
            .iter()
            .filter_map(|(member, row)| Some((number(member)?, number(row)?)))
            .collect();
        let own = |name: &str| unfold.own.iter().any(|(own, _)| *own == name);
        let shared = record.fields.iter().enumerate().filter_map(|(number, field)| {
            let of_the_head = head.iter().any(|(_, row)| *row == number);
            (!own(field.name) && !of_the_head).then_some(number)
        });
        Some(Self {
            shared: shared.collect(),
            record,
            most: unfold.most.min(MEMBERS_MAX),
            unfold,
            head,
        })
    }

    /// The row's own columns, the head's, and a pair for each member.
    fn columns(&self) -> Vec<Column> {
        let row = self.shared.iter().chain(self.head.iter().map(|(_, row)| row));
        let mut columns: Vec<Column> = row
            .filter_map(|number| self.record.fields.get(*number))
            .map(|field| Column::of(self.record.agency, field))
            .collect();
        for count in 1..=self.most {
            let own = self.unfold.head.iter().filter_map(|(member, _)| {
                let own = self.unfold.own.iter().position(|(own, _)| own == member)?;
                self.unfold.headers(own, count).next()
            });
            columns.extend(own.map(Column::of_member));
        }
        columns
    }

    /// Whether what is spoiled stands in a column of this form.
    fn writes(&self, spoil: &Spoil) -> bool {
        matches!(spoil.kind, DirtKind::WrongColumns | DirtKind::Repeated)
            || self.shared.contains(&spoil.field)
            || self.head.iter().any(|(member, _)| *member == spoil.field)
    }

    /// Spoils one member, or what all of them have in common; gives how many records are bad for it.
    fn spoil(&self, spoil: &Spoil, members: &mut [Vec<String>]) -> u64 {
        if spoil.kind == DirtKind::WrongColumns {
            return 1;
        }
        let common = self.shared.contains(&spoil.field);
        let all = members.len() as u64;
        let spoiled = if common {
            members.first_mut()
        } else {
            members.last_mut()
        };
        if let Some(texts) = spoiled {
            spoil.apply(self.record, texts);
        }
        if common { all } else { 1 }
    }

    /// The texts of a row in the order of its columns; `again` gives the head a pair as well.
    fn texts(&self, members: &[Vec<String>], again: bool) -> Vec<String> {
        let text = |member: Option<&Vec<String>>, number: usize| -> String {
            member.and_then(|texts| texts.get(number)).cloned().unwrap_or_default()
        };
        let first = members.first();
        let mut texts: Vec<String> = self.shared.iter().map(|number| text(first, *number)).collect();
        texts.extend(self.head.iter().map(|(member, _)| text(first, *member)));
        let paired = if again {
            members
        } else {
            members.get(1..).unwrap_or_default()
        };
        for count in 0..self.most {
            texts.extend(self.head.iter().map(|(member, _)| text(paired.get(count), *member)));
        }
        texts
    }
}

/// Forms in use have five or six pairs.
const MEMBERS_MAX: usize = 6;

/// A place of their own for the sizes of households.
const HOUSEHOLDS: u64 = 0x484f_5553_4548_0000;
