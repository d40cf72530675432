//! Under which keys was the index of subjects written, and in which years? So that a key that is missing, or is another one, is found before anybody is searched for.
//!
//! Takes the notes of a journal and what the newest indexed exchange says of the keys; gives that, the years in which exchanges are indexed, and which years
//! were destroyed by right. The evidence record of each indexed exchange notes a check value of every year's key, and its leaf commits to the record, so nobody edits it
//! unnoticed. Refuses nothing: what a version before this one sealed notes nothing.

use std::collections::BTreeSet;

use shuguan_ledger::leaf::{Event, Leaf};

use super::notes::{Exchange, Notes, PAGES_MAX};
use crate::journal::fault::JournalFault;
use crate::journal::statements;
use crate::journal::views::Reader;
use crate::pki::period;

const STEP: &str = "look for the keys of the index";

/// What the log and the evidence beside it say of the index's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexHistory {
    /// As the newest record that notes it says it; none: of an earlier version.
    pub noted: Option<String>,
    /// Years in which an exchange is indexed.
    pub years: BTreeSet<String>,
    /// The keys of the years before this one were destroyed by an officer.
    pub shredded_before: Option<String>,
}

impl IndexHistory {
    /// What a journal says of them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn of(notes: &Notes, noted: Option<String>) -> Result<Self, JournalFault> {
        Ok(Self {
            noted,
            years: years(notes)?,
            shredded_before: shredded_before(&notes.reader)?,
        })
    }
}

/// From the first year of the log on, each in which an exchange is indexed.
fn years(notes: &Notes) -> Result<BTreeSet<String>, JournalFault> {
    let (mut years, mut from) = (BTreeSet::new(), 0);
    while let Some(found) = first_indexed(notes, from)? {
        let when_us = found.decoded.when();
        if is_indexed(&found.decoded.event) {
            years.insert(period::year(when_us));
        }
        let next = notes.reader.first_since(period::next_year_us(when_us))?;
        from = next.max(found.leaf + 1);
    }
    Ok(years)
}

/// The first exchange from a leaf on that is indexed, or the last one that was looked at; none when there is none at all.
fn first_indexed(notes: &Notes, mut from: u64) -> Result<Option<Exchange>, JournalFault> {
    let mut last = None;
    for _ in 0..PAGES_MAX {
        let mut exchanges = notes.page(statements::EXCHANGES_PAGE, from)?;
        if let Some(first) = exchanges.iter().position(|one| is_indexed(&one.decoded.event)) {
            return Ok(Some(exchanges.swap_remove(first)));
        }
        match exchanges.pop() {
            Some(newest) => {
                from = newest.leaf + 1;
                last = Some(newest);
            }
            None => break,
        }
    }
    Ok(last)
}

/// Whether an exchange has rows in the index.
pub(super) fn is_indexed(event: &Event) -> bool {
    match event {
        Event::Push(push) => push.ix.is_some(),
        Event::Pull(pull) => pull.ix.is_some(),
        Event::Compare(_) => true,
        _ => false,
    }
}

/// The year in which the newest moment lies before which officers destroyed keys of the index.
fn shredded_before(reader: &Reader) -> Result<Option<String>, JournalFault> {
    let leaves: Vec<Vec<u8>> = reader.rows(STEP, statements::SHRED_LEAVES, &[], |row| row.get(1))?;
    let mut newest_us = None;
    for bytes in leaves {
        if let Event::Shred(event) = Leaf::decode(&bytes)?.event
            && event.what == "index"
        {
            newest_us = newest_us.max(event.before.as_deref().and_then(shuguan_ledger::time::parse));
        }
    }
    Ok(newest_us.map(period::year))
}
