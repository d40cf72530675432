//! How one partner writes one record type: named layouts out of `shuguan.toml`, or out of a file of their own.
//!
//! Takes `[[layout]]` tables; gives a [`Layouts`] that a push is looked up in, by name or by default. Refuses, each with its line, names that the
//! catalogue does not have, positions that overlap, codes that no table has, and two layouts of one name. A layout says how a file is read and what its
//! headers and codes stand for; it never says what is granted.

mod read;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use shuguan_adapters::catalogue::RecordType;
use shuguan_adapters::layout::{Encoding, Format, Layout};
use shuguan_policies::document::{Document, Fault};

use crate::exchange::stated::Stated;
pub(crate) use read::read;

/// What a `Content-Type` says that leaves everything to the layout.
pub(crate) const ANY_TYPE: &str = "application/octet-stream";

/// One way of writing one record type.
#[derive(Clone, Debug)]
pub struct NamedLayout {
    /// Its name, as in `Exchange-Layout`.
    pub name: String,
    /// Whose it is; none only in a file of its own.
    pub partner: Option<String>,
    /// What it holds.
    pub record: &'static RecordType,
    /// Whether it holds for a push that names none.
    pub default: bool,
    /// How it is written.
    pub layout: Layout,
    /// Fields that the sender may state of a whole file.
    pub stated: Vec<&'static str>,
}

/// The layouts that a gateway knows.
#[derive(Clone, Debug, Default)]
pub struct Layouts(Vec<NamedLayout>);

impl Layouts {
    pub(crate) fn new(layouts: Vec<NamedLayout>) -> Self {
        Self(layouts)
    }

    /// Reads a file that holds nothing but `[[layout]]` tables; `partner` may be left out there.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, Vec<Fault>> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            vec![Fault::of_file(
                file.clone(),
                format!("it cannot be read: {error}"),
                None,
            )]
        })?;
        let (mut document, mut root) = Document::parse(file, &text);
        let layouts = read(&mut document, &mut root, false);
        root.finish(&mut document);
        let faults = document.into_faults();
        if faults.is_empty() {
            Ok(Self(layouts))
        } else {
            Err(faults)
        }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &NamedLayout> {
        self.0.iter()
    }

    /// The layouts of one partner.
    pub fn of_partner<'l, 'p>(&'l self, partner: &'p str) -> impl Iterator<Item = &'l NamedLayout> + use<'l, 'p> {
        self.0.iter().filter(move |of| of.partner.as_deref() == Some(partner))
    }

    /// The partner's layout of that name.
    pub fn named(&self, partner: &str, record: &RecordType, name: &str) -> Option<&NamedLayout> {
        self.of_partner(partner)
            .find(|of| of.record.name == record.name && of.name == name)
    }

    /// The partner's default for a push of that type: the one whose form the `Content-Type` names, or any when it leaves that open.
    pub fn default_for(&self, partner: &str, record: &RecordType, stated: Option<&Layout>) -> Option<&NamedLayout> {
        let mut defaults = self
            .of_partner(partner)
            .filter(|of| of.default && of.record.name == record.name);
        match stated {
            None => defaults.next(),
            Some(stated) => defaults.find(|of| same_form(&of.layout.format, &stated.format)),
        }
    }

    /// The one layout of a file, for that record type: by name, or the only one there is.
    pub fn only(&self, record: &RecordType, name: Option<&str>) -> Option<&NamedLayout> {
        let mut fitting = self
            .0
            .iter()
            .filter(|of| of.record.name == record.name && name.is_none_or(|name| name == of.name));
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first)
    }
}

impl NamedLayout {
    /// The layout for a push: a charset that its `Content-Type` states is what the sender says of this file and goes before the layout's own.
    pub fn layout_for(&self, stated: Option<Encoding>) -> Layout {
        match stated {
            Some(encoding) => self.layout.clone().in_charset(encoding),
            None => self.layout.clone(),
        }
    }

    /// One of its layouts with what the sender states of this file.
    ///
    /// # Errors
    /// The first field that may not be stated.
    pub fn stating(&self, layout: Layout, of_file: &Stated) -> Result<Layout, String> {
        let other = of_file.pairs().find(|(field, _)| !self.stated.contains(field));
        if let Some((field, _)) = other {
            return Err(format!(
                "`Exchange-Constants`: the layout does not let `{field}` be stated"
            ));
        }
        with_stated(layout, self.record, of_file)
    }
}

/// A layout with what is stated of one file.
///
/// # Errors
/// What of it is no value of its field.
pub(crate) fn with_stated(layout: Layout, record: &'static RecordType, of_file: &Stated) -> Result<Layout, String> {
    if of_file.is_empty() {
        return Ok(layout);
    }
    let own = layout.mapping.as_deref().cloned().unwrap_or_default();
    match own.with_stated(record, of_file.pairs()) {
        Ok(mapping) => Ok(layout.with_mapping(Arc::new(mapping))),
        Err(faults) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Err(format!("`Exchange-Constants`: {}", faults.join("; ")))
        }
    }
}

/// Whether two formats are of one kind, whatever their particulars.
fn same_form(one: &Format, other: &Format) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}
