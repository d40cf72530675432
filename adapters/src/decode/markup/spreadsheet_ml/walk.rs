//! The text of a document → XML events, within bounds.
//!
//! Takes the text; gives events, empty elements as start and end, and goes through the children of an element. Refuses a document type (so there are no
//! entities but the five), elements nested deeper than 32, what is not well-formed or breaks off, and the declaration of a charset that is not read here.

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::super::Declared;
use super::DAMAGED;
use crate::decode::FileFault;
use crate::decode::xml::reference::{attribute, letter};

/// Where in the document the reader is.
pub(super) struct Walk<'t> {
    reader: Reader<&'t [u8]>,
    declared: Declared,
    depth: usize,
    /// Whether any element was there.
    begun: bool,
}

impl<'t> Walk<'t> {
    pub(super) fn new(text: &'t str, declared: Declared) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            declared,
            depth: 0,
            begun: false,
        }
    }

    /// The next event.
    pub(super) fn next(&mut self) -> Result<Event<'t>, FileFault> {
        let event = self.reader.read_event().map_err(|_| DAMAGED)?;
        match &event {
            Event::Start(tag) => {
                check(tag)?;
                self.depth += 1;
                self.begun = true;
            }
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::DocType(_) => return Err(DAMAGED),
            Event::Decl(declaration) => {
                if let Some(Ok(named)) = declaration.encoding() {
                    self.declared.check(&named)?;
                }
            }
            // A document that breaks off inside an element, or before its first.
            Event::Eof if self.depth > 0 || !self.begun => return Err(FileFault::Truncated { part: PART }),
            _ => {}
        }
        if self.depth > DEPTH_MAX {
            return Err(DAMAGED);
        }
        Ok(event)
    }

    /// Goes through the children of the element at hand, up to its end. `take` says whether it went through the child, too.
    pub(super) fn each_child(
        &mut self,
        mut take: impl FnMut(&mut Self, &BytesStart<'t>) -> Result<bool, FileFault>,
    ) -> Result<(), FileFault> {
        let own = self.depth;
        while self.depth >= own {
            if let Event::Start(child) = self.next()? {
                let taken = take(self, &child)?;
                if !taken {
                    self.skip()?;
                }
            }
        }
        Ok(())
    }

    /// Appends all text up to the end of the element at hand, what is nested included.
    pub(super) fn text_into(&mut self, out: &mut String) -> Result<(), FileFault> {
        let own = self.depth;
        while self.depth >= own {
            match self.next()? {
                Event::Text(text) => out.push_str(&text),
                Event::CData(text) => out.push_str(&text),
                Event::GeneralRef(reference) => out.push(letter(&reference).ok_or(DAMAGED)?),
                _ => {}
            }
            if out.len() > TEXT_BYTES_MAX {
                return Err(DAMAGED);
            }
        }
        Ok(())
    }

    fn skip(&mut self) -> Result<(), FileFault> {
        let own = self.depth;
        while self.depth >= own {
            self.next()?;
        }
        Ok(())
    }
}

/// An attribute that cannot be read would be taken for none, and a cell for the one beside it.
fn check(tag: &BytesStart<'_>) -> Result<(), FileFault> {
    let mut attributes = tag.attributes();
    for attribute in attributes.with_checks(true) {
        let attribute = attribute.map_err(|_| DAMAGED)?;
        quick_xml::escape::unescape(&attribute.value).map_err(|_| DAMAGED)?;
    }
    Ok(())
}

/// The attribute of that name as a number; one that is none is beyond everything.
pub(super) fn number(tag: &BytesStart<'_>, name: &str) -> Option<u32> {
    attribute(tag, name).map(|number| number.trim().parse().unwrap_or(u32::MAX))
}

/// The place of a row, column or cell, from 1: the one that it states, or the next. None that goes backwards or lies beyond `last`.
pub(super) fn place(tag: &BytesStart<'_>, before: u32, last: u32) -> Option<u32> {
    let next = before.checked_add(1)?;
    let place = number(tag, "Index").unwrap_or(next);
    (next..=last).contains(&place).then_some(place)
}

/// Elements within each other.
const DEPTH_MAX: usize = 32;

/// Well above what a record may have.
const TEXT_BYTES_MAX: usize = 16 << 20;

const PART: &str = "its SpreadsheetML";
