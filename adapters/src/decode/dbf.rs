//! DBF (dBASE III and IV, `FoxPro`) → records, as the file arrives.
//!
//! Takes frames cut anywhere; every record has the same length, so one record is held and no more. A record's line is its number in the file,
//! deleted ones counted, as `RECNO()` gives it. Deleted records are passed over and counted. Refuses lengths that do not fit the bytes present,
//! and wanted columns that lie in another file (memos).

pub(crate) mod header;
pub(crate) mod value;

use self::header::{Column, FIXED_BYTES, Header};
use super::form::ByteForm;
use super::header::Names;
use super::judge::Judge;
use super::sent::Sent;
use super::sheet::UNTYPED;
use super::{FileFault, PassedOver, Unreadable};
use crate::catalogue::Field;
use crate::layout::Encoding;
use crate::reject::RejectCode;
use crate::transcode::{Doubt, not_gb18030};
use crate::value::says_nothing;

/// A table while it arrives.
pub(crate) struct Dbf {
    names: Names,
    encoding: Encoding,
    /// Of what is called GB18030: whether it is.
    doubt: Doubt,
    stage: Stage,
    /// The header, or a record that a frame cut off.
    held: Vec<u8>,
    passed_over: PassedOver,
}

enum Stage {
    Header,
    Records(Box<Records>),
    /// After the last record that the header states.
    Tail,
}

/// How the records are read.
struct Records {
    /// The field at each place that a record is read into; none at that of a mark.
    fields: Vec<Option<&'static Field>>,
    /// By place.
    columns: Vec<Option<Column>>,
    /// Places with several columns, and all but the first of them.
    further: Vec<(usize, Vec<Column>)>,
    record_bytes: usize,
    left: u32,
    /// Number of the last record.
    number: u64,
    text: String,
    places: Vec<Place>,
}

/// A wanted field of the record at hand.
#[derive(Clone, Copy)]
enum Place {
    Missing,
    Text(usize, usize),
    Bad(RejectCode),
}

impl Dbf {
    pub(crate) fn new(names: Names, encoding: Encoding) -> Self {
        Self {
            names,
            encoding,
            doubt: Doubt::default(),
            stage: Stage::Header,
            held: Vec::new(),
            passed_over: PassedOver::default(),
        }
    }

    /// Takes bytes of the header; gives what is left once it is whole.
    fn header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Unreadable> {
        let mut rest = bytes;
        for step in 0..2 {
            let wanted = if step == 0 {
                FIXED_BYTES
            } else {
                header::length(&self.held)?
            };
            let missing = wanted.saturating_sub(self.held.len()).min(rest.len());
            let (taken, after) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
            self.held.extend_from_slice(taken);
            rest = after;
            if self.held.len() < wanted {
                return Ok(rest);
            }
        }
        let head = std::mem::take(&mut self.held);
        let header = header::read(&head, self.encoding)?;
        let records = self.records(header)?;
        self.stage = if records.left == 0 {
            Stage::Tail
        } else {
            Stage::Records(Box::new(records))
        };
        Ok(rest)
    }

    fn records(&mut self, header: Header) -> Result<Records, Unreadable> {
        let names: Vec<String> = header
            .columns
            .iter()
            .map(|column| header::full_name(column, &self.names, self.encoding))
            .collect();
        let places = self.names.columns(names.iter().map(String::as_str))?;
        let column = |at: usize| header.columns.get(at).cloned();
        let columns: Vec<Option<Column>> = places.first().iter().map(|at| column((*at)?)).collect();
        let further = places.further().iter();
        let further = further.map(|(place, columns)| (*place, columns.iter().filter_map(|at| column(*at)).collect()));
        let further: Vec<(usize, Vec<Column>)> = further.collect();
        let fields = self.names.fields();
        let of_further = further.iter();
        let of_further = of_further.flat_map(|(place, columns)| columns.iter().map(|column| (*place, column)));
        let all = columns.iter().enumerate();
        let all = all.filter_map(|(place, column)| Some((place, column.as_ref()?)));
        for (place, column) in all.chain(of_further) {
            if !value::is_read(column.kind) {
                let field = fields.get(place).copied().flatten();
                return Err(FileFault::UnreadColumn {
                    field: field.map_or("mark", |field| field.name),
                    kind: char::from(column.kind),
                }
                .into());
            }
        }
        Ok(Records {
            fields,
            places: vec![Place::Missing; columns.len()],
            columns,
            further,
            record_bytes: header.record_bytes,
            left: header.records,
            number: 0,
            text: String::new(),
        })
    }
}

impl ByteForm for Dbf {
    fn bytes(&mut self, bytes: &[u8], judge: &mut Judge) -> Result<(), Unreadable> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match &mut self.stage {
                Stage::Header => rest = self.header(rest)?,
                Stage::Records(records) => {
                    let record;
                    if self.held.is_empty() && rest.len() >= records.record_bytes {
                        let (whole, after) = rest.split_at_checked(records.record_bytes).unwrap_or((rest, &[]));
                        records.record(whole, (self.encoding, &mut self.doubt), &mut self.passed_over, judge)?;
                        rest = after;
                    } else {
                        let missing = records.record_bytes.saturating_sub(self.held.len()).min(rest.len());
                        let (taken, after) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
                        self.held.extend_from_slice(taken);
                        rest = after;
                        if self.held.len() < records.record_bytes {
                            continue;
                        }
                        record = std::mem::take(&mut self.held);
                        records.record(&record, (self.encoding, &mut self.doubt), &mut self.passed_over, judge)?;
                    }
                    if records.left == 0 {
                        self.stage = Stage::Tail;
                    }
                }
                Stage::Tail => {
                    // The mark of the end, which some leave out; nothing behind it counts.
                    if self.held.is_empty() {
                        self.held.push(END_OF_FILE);
                        if rest.first() != Some(&END_OF_FILE) {
                            return Err(FileFault::Damaged {
                                part: "it goes on after the records that its header states",
                            }
                            .into());
                        }
                    }
                    rest = &[];
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Judge) -> Result<(), Unreadable> {
        let part = match self.stage {
            Stage::Tail if self.encoding == Encoding::Gb18030 && self.doubt.remains() => return Err(not_gb18030()),
            Stage::Tail => return Ok(()),
            Stage::Header => "its header",
            Stage::Records(_) => "its records: the header states more",
        };
        // A file that is no table at all may be shorter than a header.
        if matches!(self.stage, Stage::Header) && !self.held.is_empty() && self.held.len() < FIXED_BYTES {
            header::length(&self.held)?;
        }
        Err(FileFault::Truncated { part }.into())
    }

    fn unknown_headers(&self) -> &[String] {
        self.names.unknown()
    }

    fn names(&self) -> Option<&Names> {
        Some(&self.names)
    }

    fn passed_over(&self) -> PassedOver {
        self.passed_over
    }
}

impl Records {
    fn record(
        &mut self,
        bytes: &[u8],
        (encoding, doubt): (Encoding, &mut Doubt),
        passed_over: &mut PassedOver,
        judge: &mut Judge,
    ) -> Result<(), Unreadable> {
        self.number += 1;
        self.left = self.left.saturating_sub(1);
        match bytes.first() {
            Some(b' ') => {}
            Some(b'*') => {
                passed_over.deleted += 1;
                return Ok(());
            }
            Some(&END_OF_FILE) => {
                return Err(FileFault::Truncated {
                    part: "its records: the header states more",
                }
                .into());
            }
            _ => {
                return Err(FileFault::Damaged {
                    part: "a record that is neither there nor deleted",
                }
                .into());
            }
        }
        self.text.clear();
        for ((place, column), field) in self.places.iter_mut().zip(&self.columns).zip(&self.fields) {
            let Some(column) = column else {
                continue;
            };
            let sent = bytes.get(column.start..column.start + column.width).unwrap_or_default();
            if encoding == Encoding::Gb18030 && column.kind == b'C' && doubt.take(sent).is_some() {
                return Err(not_gb18030());
            }
            *place = written(bytes, column, *field, encoding, &mut self.text);
        }
        self.fill_in(bytes, encoding);
        let Self { places, text, .. } = self;
        judge.record(self.number, |slot| {
            match places.get(slot).copied().unwrap_or(Place::Missing) {
                Place::Missing => Sent::Missing,
                Place::Text(start, end) => Sent::Text(text.get(start..end).unwrap_or_default()),
                Place::Bad(code) => Sent::Bad(code),
            }
        });
        Ok(())
    }
}

impl Records {
    /// Reads places whose column says nothing from the next one with a name of them.
    fn fill_in(&mut self, bytes: &[u8], encoding: Encoding) {
        for (at, columns) in &self.further {
            let (Some(place), Some(field)) = (self.places.get_mut(*at), self.fields.get(*at)) else {
                continue;
            };
            for column in columns {
                let is_blank = match *place {
                    Place::Missing => true,
                    Place::Text(start, end) => says_nothing(self.text.get(start..end).unwrap_or_default()),
                    Place::Bad(_) => false,
                };
                if !is_blank {
                    break;
                }
                *place = written(bytes, column, *field, encoding, &mut self.text);
            }
        }
    }
}

/// What a record says in a column.
fn written(bytes: &[u8], column: &Column, field: Option<&Field>, encoding: Encoding, text: &mut String) -> Place {
    let start = text.len();
    let bytes = bytes.get(column.start..column.start + column.width).unwrap_or_default();
    let kind = field.map_or(&UNTYPED, |field| &field.kind);
    match value::write(bytes, column, kind, encoding, text) {
        Ok(()) => Place::Text(start, text.len()),
        Err(code) => Place::Bad(code),
    }
}

pub(crate) const END_OF_FILE: u8 = 0x1A;

#[cfg(test)]
mod tests;
