//! `[relay]`: how the registry's time is shared between agencies and feeds.
//!
//! Takes the section, which may be absent; gives shares, rates and the target of a transaction. Refuses names that are neither an agency nor
//! a record type, zero, and shares above 1,000.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use shuguan_adapters::catalogue::{Agency, record_types};
use shuguan_policies::document::{Document, Table, nearest};

use super::sections::nonzero;
use crate::relay::Weights;

const SHARE_MAX: u32 = 1_000;

/// Shares and rates of the relay.
#[derive(Clone, Debug)]
pub struct RelaySection {
    /// A transaction of the registry that takes no longer is never slow.
    pub part_target_ms: NonZeroU32,
    /// Of agencies, and of record types within their agency; who is not named has 1.
    pub shares: Weights,
    /// Rows a second at most, by agency or record type.
    pub rows_per_s: BTreeMap<String, NonZeroU32>,
}

pub(super) fn read<'s>(document: &mut Document<'s>, root: &mut Table<'s>) -> RelaySection {
    let mut section = RelaySection {
        part_target_ms: nonzero(500),
        shares: Weights::default(),
        rows_per_s: BTreeMap::new(),
    };
    let Some(mut table) = root.table(document, "relay") else {
        return section;
    };
    section.part_target_ms = table.or(document, "part_target_ms", section.part_target_ms);
    section.shares = Weights(by_feed(document, &mut table, "share", SHARE_MAX));
    section.rows_per_s = by_feed(document, &mut table, "rows_per_s", u32::MAX);
    table.finish(document);
    section
}

/// A table of numbers whose keys are agencies or record types.
fn by_feed<'s>(
    document: &mut Document<'s>,
    table: &mut Table<'s>,
    key: &str,
    most: u32,
) -> BTreeMap<String, NonZeroU32> {
    let mut numbers = BTreeMap::new();
    let Some(mut entries) = table.table(document, key) else {
        return numbers;
    };
    let known = feeds();
    for (name, span) in entries.keys() {
        let number: Option<NonZeroU32> = entries.optional(document, &name);
        if !known.contains(&name) {
            let hint = nearest(&name, &known).map(|known| format!("did you mean `{known}`?"));
            let message = format!("`relay.{key}` names `{name}`, which is neither an agency nor a record type");
            document.fault(span.clone(), message, hint);
        }
        match number {
            Some(number) if number.get() > most => {
                document.fault(span, format!("`relay.{key}.{name}` must be at most {most}"), None);
            }
            Some(number) => drop(numbers.insert(name, number)),
            None => {}
        }
    }
    entries.finish(document);
    numbers
}

/// The names of all agencies and record types.
fn feeds() -> Vec<String> {
    let agencies = Agency::ALL.into_iter().map(Agency::name);
    let records = record_types().map(|record| record.name);
    agencies.chain(records).map(str::to_owned).collect()
}
