//! What one sender calls things: its headers and its codes, beside those of the catalogue; and what its files say as a whole and in no row.
//!
//! Takes what a deployment has configured for one sender and record type; gives a [`Mapping`] that the decoder asks before the catalogue.
//! Refuses, all at once, names and codes that the catalogue does not have and what is said twice.

use std::collections::BTreeMap;

use crate::catalogue::{FieldType, RecordType};
use crate::decode::{fold_header, row_id};
use crate::operation;
use crate::value::{says_nothing, trimmed};

/// Headers and codes of one sender. Headers are compared as those of the catalogue are (case, blanks and a leading `*` do not count), codes
/// exactly, apart from blanks around them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mapping {
    /// Folded header → field; `None` for a column that is not to be read although the catalogue knows its name.
    headers: BTreeMap<String, Option<&'static str>>,
    /// Field → value as sent → value as the catalogue has it.
    codes: BTreeMap<&'static str, BTreeMap<String, String>>,
    /// Field → its value in every record that sends none.
    constants: BTreeMap<&'static str, String>,
    /// Field → its value in this one file; a row that says another contradicts it.
    stated: BTreeMap<&'static str, String>,
}

impl Mapping {
    /// A mapping for `record` out of (header as sent, field) and (field, value as sent, value as in the catalogue). The field `-` means that
    /// the column is not to be read.
    pub fn new<'a>(
        record: &'static RecordType,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        codes: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>,
    ) -> Result<Self, Vec<MappingFault>> {
        let mut mapping = Self::default();
        let mut faults = Vec::new();
        for (header, field) in headers {
            faults.extend(mapping.add_header(record, header, field).err());
        }
        for (field, sent, code) in codes {
            faults.extend(mapping.add_code(record, field, sent, code).err());
        }
        if faults.is_empty() { Ok(mapping) } else { Err(faults) }
    }

    /// The same with (field, value) that stand in every record that sends nothing there: what a file says in its title or its name alone, such as which way
    /// all in it moved. The value is read as if it had been sent.
    pub fn with_constants<'a>(
        mut self,
        record: &'static RecordType,
        constants: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<MappingFault>> {
        let mut faults = Vec::new();
        for (field, value) in constants {
            match self.constant_of(record, field, value) {
                Ok(name) => drop(self.constants.insert(name, trimmed(value).to_owned())),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(self) } else { Err(faults) }
    }

    /// The same with (field, value) that the sender states of one file, such as the month that its title names; codes are those of the catalogue, whatever the source
    /// or the sender writes for them. It stands in every record that sends nothing there, in place of a constant, and a row that sends another value refuses the file.
    pub fn with_stated<'a>(
        mut self,
        record: &'static RecordType,
        stated: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<MappingFault>> {
        let mut faults = Vec::new();
        for (field, value) in stated {
            match self.stated_of(record, field, value) {
                Ok((name, written)) => drop(self.stated.insert(name, written)),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(self) } else { Err(faults) }
    }

    fn add_header(&mut self, record: &'static RecordType, header: &str, field: &str) -> Result<(), MappingFault> {
        let name = match field {
            "-" => None,
            _ => Some(named(record, field)?),
        };
        let folded = fold_header(header);
        if folded.is_empty() || self.headers.insert(folded, name).is_some() {
            return Err(MappingFault::HeaderTwice(header.to_owned()));
        }
        Ok(())
    }

    fn add_code(
        &mut self,
        record: &'static RecordType,
        field: &str,
        sent: &str,
        code: &str,
    ) -> Result<(), MappingFault> {
        let name = named(record, field).ok().filter(|name| *name != row_id::NAME);
        let name = name.ok_or_else(|| MappingFault::UnknownField(field.to_owned()))?;
        if name == operation::NAME && operation::parse(code).is_none() {
            return Err(MappingFault::UnknownCode(name, code.to_owned()));
        }
        let code = match record.field(name).map(|field| field.kind) {
            // As this source would write it: what is mapped is read like anything else that it sends.
            Some(FieldType::Code(table)) => table
                .written(code)
                .or_else(|| table.canonical(code).map(|_| code))
                .ok_or_else(|| MappingFault::UnknownCode(name, code.to_owned()))?,
            _ => code,
        };
        let sent = trimmed(sent);
        let earlier = self
            .codes
            .entry(name)
            .or_default()
            .insert(sent.to_owned(), code.to_owned());
        match earlier {
            Some(_) => Err(MappingFault::CodeTwice(name, sent.to_owned())),
            None => Ok(()),
        }
    }

    /// The field that may have that value in every record, as this sender writes it.
    fn constant_of(&self, record: &'static RecordType, field: &str, value: &str) -> Result<&'static str, MappingFault> {
        let known = record.field(field);
        let known = known.ok_or_else(|| MappingFault::UnknownField(field.to_owned()))?;
        let value = trimmed(value);
        if says_nothing(value) {
            return Err(MappingFault::NoValue(known.name));
        }
        let own = self.codes.get(known.name).and_then(|codes| codes.get(value));
        let meant = own.map_or(value, String::as_str);
        match known.kind {
            FieldType::Code(table) if table.canonical(meant).is_none() => {
                Err(MappingFault::UnknownCode(known.name, value.to_owned()))
            }
            _ => Ok(known.name),
        }
    }

    /// The field of which that may be stated, and the value as this sender would write it: it is read like anything else that it sends.
    fn stated_of(
        &self,
        record: &'static RecordType,
        field: &str,
        value: &str,
    ) -> Result<(&'static str, String), MappingFault> {
        let known = record.field(field);
        let known = known.ok_or_else(|| MappingFault::UnknownField(field.to_owned()))?;
        let value = trimmed(value);
        if says_nothing(value) {
            return Err(MappingFault::NoValue(known.name));
        }
        let FieldType::Code(table) = known.kind else {
            return Ok((known.name, value.to_owned()));
        };
        let unknown = || MappingFault::UnknownCode(known.name, value.to_owned());
        let by_source = table.written(value).ok_or_else(unknown)?;
        let own = self.codes.get(known.name);
        let written = match own.filter(|own| own.contains_key(by_source)) {
            // The sender means another by it: then the one by which it means this.
            Some(own) => own
                .iter()
                .find(|(_, meant)| table.canonical(meant) == Some(value))
                .map(|(sent, _)| sent.as_str()),
            None => Some(by_source),
        };
        Ok((known.name, written.ok_or_else(unknown)?.to_owned()))
    }

    /// What a folded header stands for with this sender.
    pub(crate) fn header(&self, folded: &str) -> Header {
        match self.headers.get(folded) {
            Some(Some(field)) => Header::Field(field),
            Some(None) => Header::Unread,
            None => Header::Unmapped,
        }
    }

    /// Whether a column holds the sender's own number of a row.
    pub(crate) fn numbers_rows(&self) -> bool {
        self.headers.values().any(|field| *field == Some(row_id::NAME))
    }

    /// What stands in a field where nothing is sent.
    pub(crate) fn constant(&self, field: &str) -> Option<&str> {
        self.stated(field).or(self.constants.get(field).map(String::as_str))
    }

    /// What is stated of this file.
    pub(crate) fn stated(&self, field: &str) -> Option<&str> {
        self.stated.get(field).map(String::as_str)
    }

    /// The fields of which something stands where nothing is sent.
    pub fn constant_fields(&self) -> impl Iterator<Item = &'static str> {
        let more = self.stated.keys().filter(|field| !self.constants.contains_key(*field));
        self.constants.keys().chain(more).copied()
    }

    /// What the values of a field stand for.
    pub(crate) fn codes(&self, field: &str) -> Option<&BTreeMap<String, String>> {
        self.codes.get(field)
    }
}

/// What a header stands for with one sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Field(&'static str),
    /// A column that is not to be read.
    Unread,
    /// The sender has no name of its own for it.
    Unmapped,
}

/// A field, or the operation of a delta's rows, or the sender's own number of a row.
fn named(record: &'static RecordType, field: &str) -> Result<&'static str, MappingFault> {
    for other in [operation::NAME, row_id::NAME] {
        if field == other {
            return Ok(other);
        }
    }
    record
        .field(field)
        .map(|field| field.name)
        .ok_or_else(|| MappingFault::UnknownField(field.to_owned()))
}

/// What is wrong with a mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingFault {
    /// The record type has no such field.
    #[error("there is no field `{0}`")]
    UnknownField(String),
    /// A header is mapped twice, or is empty.
    #[error("the header `{0}` is empty or mapped twice")]
    HeaderTwice(String),
    /// A value of a field is mapped twice.
    #[error("the value `{1}` of field `{0}` is mapped twice")]
    CodeTwice(&'static str, String),
    /// A constant that says nothing.
    #[error("the constant of field `{0}` says nothing")]
    NoValue(&'static str),
    /// The field's table has no such code.
    #[error("the table of field `{0}` has no code `{1}`")]
    UnknownCode(&'static str, String),
}
