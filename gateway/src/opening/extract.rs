//! An extract, read again: the columns that are still in it come out as they were released.
//!
//! Takes the file, its form, and an opening, which says the columns, their types and where parts begin; gives digests and values. A column that the file lacks gives
//! nothing, unless all its rows are null: NDJSON shows neither. Refuses what is not of the form, a column that the extract did not have, and a value that is not of its
//! column's type as [`Form`] writes it. Memory: one part.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};
use shuguan_ledger::time;

use super::feed::{Decoded, FeedFault};
use super::{OpenColumn, Opening, Standing, values};
use crate::extract::form::Form;

/// Longest row, bytes: a hostile file has no end of line.
const ROW_BYTES_MAX: u64 = 16 << 20;

/// Reads an extract; `disclosed` are columns whose values are kept, in memory.
///
/// # Errors
/// See [`FeedFault`].
pub fn read(file: &Path, form: Form, opening: &Opening, disclosed: &[String]) -> Result<Decoded, FeedFault> {
    let mut rows = Rows::open(file, form, &opening.columns)?;
    let mut decoded = Decoded::default();
    let mut lengths = lengths(&opening.parts).into_iter();
    loop {
        // What stands behind the last part is one more, by which the file is known for another.
        let part = rows.part(lengths.next().unwrap_or(u32::MAX))?;
        let Some(length) = part.first().map(Vec::len).filter(|length| *length > 0) else {
            break;
        };
        decoded.rows.push(u32::try_from(length).unwrap_or(u32::MAX));
        for (column, values) in opening.columns.iter().zip(part) {
            let digest = values::digests(&column.r#type, std::slice::from_ref(&values));
            let digest =
                digest.ok_or_else(|| unreadable(&format!("a value of `{}` is not of its type", column.name)))?;
            decoded.digests.entry(column.name.clone()).or_default().extend(digest);
            if disclosed.contains(&column.name) {
                decoded.values.entry(column.name.clone()).or_default().push(values);
            }
        }
    }
    for (column, met) in opening.columns.iter().zip(&rows.met) {
        let is_null_throughout = || matches!(column.standing(&decoded.digests), Ok(Standing::Proved));
        if !met && !is_null_throughout() {
            decoded.digests.remove(&column.name);
            decoded.values.remove(&column.name);
        }
    }
    Ok(decoded)
}

/// Rows of each part, of a text like `8192*3 12`; none where it is no such text.
fn lengths(parts: &str) -> impl IntoIterator<Item = u32> {
    let run = |word: &str| match word.split_once('*') {
        Some((rows, times)) => Some((rows.parse().ok()?, times.parse().ok()?)),
        None => Some((word.parse().ok()?, 1)),
    };
    let runs: Option<Vec<(u32, usize)>> = parts.split_ascii_whitespace().map(run).collect();
    let runs = runs.unwrap_or_default().into_iter();
    runs.flat_map(|(rows, times)| std::iter::repeat_n(rows, times))
}

fn unreadable(why: &str) -> FeedFault {
    FeedFault::Unreadable(why.to_owned())
}

/// Where a column stands among those of the opening, and its type.
#[derive(Clone, Copy)]
struct Place<'o> {
    at: usize,
    form: &'o str,
}

/// The rows of a file.
struct Rows<'o> {
    source: BufReader<File>,
    form: Form,
    columns: &'o [OpenColumn],
    /// Of CSV: which column stands at each place.
    places: Vec<Place<'o>>,
    /// Whether a column is in the file.
    met: Vec<bool>,
    /// How many were read.
    count: u64,
}

impl<'o> Rows<'o> {
    fn open(file: &Path, form: Form, columns: &'o [OpenColumn]) -> Result<Self, FeedFault> {
        let mut rows = Self {
            source: BufReader::new(File::open(file)?),
            form,
            columns,
            places: Vec::new(),
            met: vec![false; columns.len()],
            count: 0,
        };
        if form == Form::Csv {
            rows.header()?;
        }
        Ok(rows)
    }

    fn header(&mut self) -> Result<(), FeedFault> {
        let header = self.record()?.ok_or_else(|| unreadable("it has no header row"))?;
        for name in cells(&header).ok_or_else(|| self.malformed())? {
            let place = self.place(&name.unwrap_or_default())?;
            if self.meet(place) {
                return Err(unreadable("its header row has a column twice"));
            }
            self.places.push(place);
        }
        Ok(())
    }

    /// The values of up to so many rows, by column.
    fn part(&mut self, rows: u32) -> Result<Vec<Vec<Value>>, FeedFault> {
        let mut part = vec![Vec::new(); self.columns.len()];
        for _ in 0..rows {
            let Some(record) = self.record()? else { break };
            self.count += 1;
            let row = match self.form {
                Form::Ndjson => self.members(&record)?,
                Form::Csv => self.cells(&record)?,
            };
            for (values, value) in part.iter_mut().zip(row) {
                values.push(value);
            }
        }
        Ok(part)
    }

    /// One row as text; of CSV with the line ends that are inside quotes.
    fn record(&mut self) -> Result<Option<String>, FeedFault> {
        let mut record = Vec::new();
        loop {
            let room = ROW_BYTES_MAX.saturating_sub(record.len() as u64);
            let read = self.source.by_ref().take(room).read_until(b'\n', &mut record)?;
            let is_open = self.form == Form::Csv && record.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
            if read == 0 && record.is_empty() {
                return Ok(None);
            }
            if record.last() == Some(&b'\n') && !is_open {
                record.pop();
                break;
            }
            if read == 0 || record.last() != Some(&b'\n') {
                return Err(malformed(self.count + 1));
            }
        }
        String::from_utf8(record)
            .map(Some)
            .map_err(|_| malformed(self.count + 1))
    }

    fn members(&mut self, record: &str) -> Result<Vec<Value>, FeedFault> {
        let members: Map<String, Value> = serde_json::from_str(record).map_err(|_| self.malformed())?;
        let mut row = vec![Value::Null; self.columns.len()];
        for (name, value) in members {
            let place = self.place(&name)?;
            self.meet(place);
            let value = match (place.form, value) {
                ("ts", Value::String(text)) => moment(&text).ok_or_else(|| self.malformed())?,
                (_, value) => value,
            };
            put(&mut row, place, value);
        }
        Ok(row)
    }

    fn cells(&self, record: &str) -> Result<Vec<Value>, FeedFault> {
        let cells = cells(record).filter(|cells| cells.len() == self.places.len());
        let mut row = vec![Value::Null; self.columns.len()];
        for (place, cell) in self.places.iter().zip(cells.ok_or_else(|| self.malformed())?) {
            let Some(text) = cell else { continue };
            put(
                &mut row,
                *place,
                typed(place.form, text).ok_or_else(|| self.malformed())?,
            );
        }
        Ok(row)
    }

    fn place(&self, name: &str) -> Result<Place<'o>, FeedFault> {
        let mut places = self.columns.iter().enumerate();
        let found = places.find(|(_, column)| column.name == name);
        let (at, column) = found.ok_or_else(|| {
            unreadable(&format!(
                "row {} has a column that the extract did not have",
                self.count
            ))
        })?;
        let form = &column.r#type;
        Ok(Place { at, form })
    }

    /// Notes that a column is in the file; gives whether it was known.
    fn meet(&mut self, place: Place<'_>) -> bool {
        let met = self.met.get_mut(place.at);
        met.is_some_and(|met| std::mem::replace(met, true))
    }

    fn malformed(&self) -> FeedFault {
        malformed(self.count)
    }
}

fn malformed(row: u64) -> FeedFault {
    unreadable(&format!("row {row} is not as an extract has it"))
}

fn put(row: &mut [Value], place: Place<'_>, value: Value) {
    if let Some(cell) = row.get_mut(place.at) {
        *cell = value;
    }
}

/// The cells of a row of CSV: an empty one is null, an empty text stands in quotes.
fn cells(record: &str) -> Option<Vec<Option<String>>> {
    let mut cells = Vec::new();
    let mut rest = record;
    loop {
        let after = if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = quoted_text(quoted)?;
            cells.push(Some(text));
            after
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (text, after) = rest.split_at(end);
            cells.push((!text.is_empty()).then(|| text.to_owned()));
            after
        };
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(cells),
        }
    }
}

/// The text up to the closing quote, and what stands behind that.
fn quoted_text(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut rest = quoted;
    loop {
        let (before, after) = rest.split_once('"')?;
        text.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                text.push('"');
                rest = more;
            }
            None => return Some((text, after)),
        }
    }
}

fn typed(form: &str, text: String) -> Option<Value> {
    match form {
        "i64" => text.parse::<i64>().ok().map(Value::from),
        "bool" => text.parse::<bool>().ok().map(Value::from),
        "ts" => moment(&text),
        _ => Some(Value::from(text)),
    }
}

/// Microseconds since the epoch, of a moment in the one spelling that an extract has.
fn moment(text: &str) -> Option<Value> {
    let us = time::parse(text)?;
    (time::format(us) == text).then(|| Value::from(us))
}
