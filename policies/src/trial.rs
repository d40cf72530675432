//! Trials: the bundle's own tests, as written. Cases say what a grant makes of a record or why it refuses; `never` lines say what no grant
//! may ever tell.
//!
//! Takes `tests/*.toml`; running them is `run`, and no bundle builds while one fails. Records in committed files belong to nobody:
//! births before 1900, or sequence number 000.

mod record;
mod run;
pub mod sketch;

use toml::Spanned;
use toml::value::Datetime;

use crate::bound::Bound;
use crate::canonical::Canonical;
use crate::ceiling::{Names, place_of};
use crate::document::{Document, Table};
use crate::terms::Place;

pub use run::{Report, TEST_MASTER};

/// What a case expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// This record, members in the order of the columns.
    Released(String),
    /// The row is held back by a row filter.
    Filtered,
    /// The request is refused with this reason.
    Refused(String),
}

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) grant: String,
    /// Who asks; the first partner of the grant unless given.
    pub(crate) partner: Option<String>,
    /// The moment, µs since the epoch, UTC.
    pub(crate) at_us: i64,
    /// The record, as JSON text.
    pub(crate) record: Option<String>,
    /// What the caller of a comparison claims, as JSON text.
    pub(crate) claim: Option<String>,
    pub(crate) expected: Expected,
    pub(crate) place: Place,
    /// The line as it stands, for messages.
    text: String,
}

/// One `never` line.
#[derive(Clone, Debug)]
pub(crate) struct Never {
    pub(crate) bound: Bound,
    pub(crate) place: Place,
    text: String,
}

/// Every case and `never` line of a bundle.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    pub(crate) cases: Vec<Case>,
    pub(crate) nevers: Vec<Never>,
}

impl Trials {
    pub(crate) fn read<'s>(&mut self, document: &mut Document<'s>, mut root: Table<'s>, names: Names<'_>) {
        for table in root.tables(document, "never") {
            let place = place_of(document, &table);
            let text = document.text_of(place.line);
            if let Some(bound) = Bound::read(document, table, names) {
                self.nevers.push(Never { bound, place, text });
            }
        }
        for table in root.tables(document, "case") {
            self.cases.extend(read_case(document, table));
        }
        root.finish(document);
    }

    pub(crate) fn encode(&self, out: &mut Canonical) {
        // Order and file of a test carry no meaning.
        let mut hashes: Vec<String> = Vec::new();
        for case in &self.cases {
            let mut one = Canonical::new("case");
            case.encode(&mut one);
            hashes.push(crate::hex::hex(&one.hash()));
        }
        for never in &self.nevers {
            let mut one = Canonical::new("never");
            never.bound.encode(&mut one);
            hashes.push(crate::hex::hex(&one.hash()));
        }
        out.set(&hashes);
    }
}

impl Case {
    pub(crate) fn encode(&self, out: &mut Canonical) {
        out.text(&self.grant).instant(self.at_us);
        for text in [&self.partner, &self.record, &self.claim] {
            out.option(text.as_deref(), |out, text| {
                out.text(text);
            });
        }
        match &self.expected {
            Expected::Released(text) => out.text("out").text(text),
            Expected::Filtered => out.text("filtered"),
            Expected::Refused(reason) => out.text("refuse").text(reason),
        };
    }

    /// For people, e.g. `case tests/population.toml:4 (population-survey)`.
    pub(crate) fn describe(&self) -> String {
        format!("case {} ({})", self.place, self.grant)
    }
}

fn read_case<'s>(document: &mut Document<'s>, mut table: Table<'s>) -> Option<Case> {
    let place = place_of(document, &table);
    let text = document.text_of(place.line);
    let span = table.span();
    let grant = table.required(document, "grant");
    let partner = table.optional(document, "partner");
    let at: Option<Spanned<Datetime>> = table.required(document, "at");
    let record: Option<String> = table.optional(document, "in");
    let claim: Option<String> = table.optional(document, "claim");
    let released: Option<String> = table.optional(document, "out");
    let filtered: bool = table.or(document, "filtered", false);
    let refused: Option<String> = table.optional(document, "refuse");
    table.finish(document);
    let expected = match (released, filtered, refused) {
        (Some(text), false, None) => Expected::Released(text),
        (None, true, None) => Expected::Filtered,
        (None, false, Some(reason)) => Expected::Refused(reason),
        _ => {
            document.fault(
                span,
                "a case has exactly one of `out`, `filtered`, `refuse`".into(),
                None,
            );
            return None;
        }
    };
    if record.is_none() && !matches!(expected, Expected::Refused(_)) {
        document.fault(span, "a case that is not refused has a record in `in`".into(), None);
        return None;
    }
    let at = at?;
    let Ok(stamp) = at.get_ref().to_string().parse::<jiff::Timestamp>() else {
        let hint = "write e.g. `2026-10-12T10:00:00+08:00`";
        document.fault(
            at.span(),
            "a moment has a date, a time and an offset".into(),
            Some(hint.into()),
        );
        return None;
    };
    Some(Case {
        grant: grant?,
        partner,
        at_us: stamp.as_microsecond(),
        record,
        claim,
        expected,
        place,
        text,
    })
}
