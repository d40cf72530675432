//! An extract, read again: the columns that are still in it come out as they were released.
//!
//! Takes the file, its form, and an opening, which says the columns, their types and where parts begin; gives digests and values. A column that the file lacks gives
//! nothing, unless all its rows are null: NDJSON shows neither. Refuses what is not of the form, a column twice or that the extract did not have, and a value that is not
//! of its column's type as [`Form`] writes it. Memory: one part of at most 8,192 rows and 256 MiB, whatever the file says; how many columns the opening has is to be
//! judged before ([`Opening::fits`]).

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use shuguan_ledger::time;

use super::feed::{Decoded, FeedFault};
use super::{OpenColumn, Opening, Standing, values};
use crate::extract::form::Form;

/// Longest row, bytes: a hostile file has no end of line.
const ROW_BYTES_MAX: u64 = 16 << 20;
/// Rows of a part at most: no gateway ever sealed longer ones, and an opening is proved by nothing until its columns were judged.
const PART_ROWS_MAX: u32 = 8_192;
/// Bytes of a part at most: what is read of it is held. In tests few.
const PART_BYTES_MAX: usize = if cfg!(test) { 1 << 20 } else { 256 << 20 };
/// Parts at most: more than the largest city has.
const PARTS_MAX: usize = 1 << 16;
/// Rows that are looked for behind the last part.
const BEHIND: u32 = 1;

/// Reads an extract; `disclosed` are columns whose values are kept, in memory.
///
/// # Errors
/// See [`FeedFault`].
pub(crate) fn read(file: &Path, form: Form, opening: &Opening, disclosed: &[String]) -> Result<Decoded, FeedFault> {
    let mut rows = Rows::open(file, form, &opening.columns)?;
    let mut decoded = Decoded::default();
    // One row behind the last part is enough to know the file for another.
    let parts = lengths(&opening.parts).into_iter().take(PARTS_MAX);
    for length in parts.chain([BEHIND]) {
        let part = rows.part(length)?;
        let found = part.first().map_or(0, Vec::len);
        let is_cut = found < usize::try_from(length).unwrap_or(usize::MAX);
        if found > 0 || !is_cut {
            take(&mut decoded, opening, part, disclosed)?;
        }
        if is_cut {
            break;
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

/// Adds a part: its values by column.
fn take(
    decoded: &mut Decoded,
    opening: &Opening,
    part: Vec<Vec<Value>>,
    disclosed: &[String],
) -> Result<(), FeedFault> {
    let length = part.first().map_or(0, Vec::len);
    decoded.rows.push(u32::try_from(length).unwrap_or(u32::MAX));
    for (column, values) in opening.columns.iter().zip(part) {
        let digest = values::digests(&column.r#type, std::slice::from_ref(&values));
        let digest = digest.ok_or_else(|| unreadable(&format!("a value of `{}` is not of its type", column.name)))?;
        decoded.digests.entry(column.name.clone()).or_default().extend(digest);
        if disclosed.contains(&column.name) {
            decoded.values.entry(column.name.clone()).or_default().push(values);
        }
    }
    Ok(())
}

/// Rows of each part, of a text like `8192*3 12`; none where it is no such text.
fn lengths(parts: &str) -> impl IntoIterator<Item = u32> {
    let run = |word: &str| match word.split_once('*') {
        Some((rows, times)) => Some((rows.parse().ok()?, times.parse().ok()?)),
        None => Some((word.parse().ok()?, 1)),
    };
    let runs: Option<Vec<(u32, usize)>> = parts.split_ascii_whitespace().map(run).collect();
    let runs = runs.unwrap_or_default().into_iter();
    runs.flat_map(|(rows, times)| std::iter::repeat_n(rows.min(PART_ROWS_MAX), times))
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
        for name in cells(&header, self.columns.len()).ok_or_else(|| self.malformed())? {
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
        let mut bytes = 0_usize;
        for _ in 0..rows {
            let Some(record) = self.record()? else { break };
            self.count += 1;
            bytes = bytes.saturating_add(record.len());
            if bytes > PART_BYTES_MAX {
                return Err(self.malformed());
            }
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
        let mut is_open = false;
        loop {
            let before = record.len();
            let room = ROW_BYTES_MAX.saturating_sub(before as u64);
            self.source.by_ref().take(room).read_until(b'\n', &mut record)?;
            let fresh = record.get(before..).unwrap_or_default();
            if fresh.last() != Some(&b'\n') {
                return if record.is_empty() {
                    Ok(None)
                } else {
                    Err(malformed(self.count + 1))
                };
            }
            if self.form == Form::Csv {
                is_open ^= fresh.split(|byte| *byte == b'"').count() % 2 == 0;
            }
            if !is_open {
                record.pop();
                break;
            }
        }
        String::from_utf8(record)
            .map(Some)
            .map_err(|_| malformed(self.count + 1))
    }

    fn members(&mut self, record: &str) -> Result<Vec<Value>, FeedFault> {
        let members = members(record, self.columns.len()).ok_or_else(|| self.malformed())?;
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
        let most = self.places.len();
        let cells = cells(record, most).filter(|cells| cells.len() == most);
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

/// The members of a line, none of them twice (of two with one name each reader would take another), not more than there are columns, and no value that holds others.
fn members(line: &str, most: usize) -> Option<BTreeMap<String, Value>> {
    let mut line = serde_json::Deserializer::from_str(line);
    let members = Members { most }.deserialize(&mut line).ok()?;
    line.end().ok().map(|()| members)
}

struct Members {
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Members {
    type Value = BTreeMap<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = BTreeMap<String, Value>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, Plain(value))) = map.next_entry::<String, Plain>()? {
            if members.len() == self.most || members.insert(name, value).is_some() {
                return Err(de::Error::custom("no row of an extract"));
            }
        }
        Ok(members)
    }
}

/// A value that holds no others: a list is refused at its first bracket, however long it is.
struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainValue).map(Self)
    }
}

struct PlainValue;

impl Visitor<'_> for PlainValue {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value that holds no others")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
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

/// The cells of a row of CSV: an empty one is null, an empty text stands in quotes. None of a row that has more than there are columns: a cell costs more
/// memory than its comma.
fn cells(record: &str, most: usize) -> Option<Vec<Option<String>>> {
    let mut cells = Vec::new();
    let mut rest = record;
    loop {
        if cells.len() == most {
            return None;
        }
        let after = if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = quoted_text(quoted)?;
            cells.push(Some(text));
            after
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (text, after) = rest.split_at(end);
            if text.contains('"') {
                return None;
            }
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
        "i64" => {
            let number: i64 = text.parse().ok()?;
            (number.to_string() == text).then(|| Value::from(number))
        }
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

#[cfg(test)]
mod tests {
    use super::cells;

    #[test]
    fn a_row_of_more_cells_than_columns_is_given_up_and_not_taken_apart() {
        assert_eq!(cells("a,,\"\"", 3).map(|cells| cells.len()), Some(3));
        assert_eq!(cells("a,,\"\"", 2), None);
        assert_eq!(cells("", 0), None);
        assert_eq!(cells(&",".repeat(1 << 20), 4), None);
    }
}
