//! A part of a workbook → XML events, within bounds.
//!
//! Takes a part while it is unpacked; gives events, empty elements as start and end. Refuses a document type, deep nesting, what is not
//! UTF-8, and a stretch without end: whoever reads says with [`Xml::allow`] where a new one begins.

use std::io::{self, BufReader, Read};

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::archive::Part;
use crate::decode::FileFault;
use crate::decode::xml::reference::letter;

/// A reader of one part.
pub(crate) struct Xml {
    reader: Reader<BufReader<Metered>>,
    room: Vec<u8>,
    depth: usize,
    /// What a fault calls the part.
    part: &'static str,
    /// What a part that unpacks too far is refused as.
    expands: FileFault,
}

/// Unpacks so many bytes and no more until it is allowed to go on.
struct Metered {
    part: Part,
    allowed: usize,
}

impl Xml {
    /// Begins to read a part; `part` is what a fault calls it.
    pub(crate) fn new(source: Part, part: &'static str, expands: FileFault) -> Self {
        let metered = Metered {
            part: source,
            allowed: STRETCH_BYTES,
        };
        let mut reader = Reader::from_reader(BufReader::with_capacity(BUFFER_BYTES, metered));
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            room: Vec::new(),
            depth: 0,
            part,
            expands,
        }
    }

    /// A new stretch begins: a row, a text.
    pub(crate) fn allow(&mut self) {
        self.reader.get_mut().get_mut().allowed = STRETCH_BYTES;
    }

    /// The next event.
    pub(crate) fn next(&mut self) -> Result<Event<'_>, FileFault> {
        self.room.clear();
        let damaged = FileFault::Damaged { part: self.part };
        let event = match self.reader.read_event_into(&mut self.room) {
            Ok(event) => event,
            Err(quick_xml::Error::Io(error)) => {
                return Err(match error.kind() {
                    io::ErrorKind::FileTooLarge => self.expands.clone(),
                    _ => damaged,
                });
            }
            Err(_) => return Err(damaged),
        };
        match &event {
            Event::Start(_) => self.depth += 1,
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::DocType(_) => return Err(damaged),
            // A part that breaks off inside an element.
            Event::Eof if self.depth > 0 => return Err(FileFault::Truncated { part: self.part }),
            _ => {}
        }
        if self.depth > DEPTH_MAX {
            return Err(damaged);
        }
        Ok(event)
    }

    /// What a part that contradicts itself is refused as.
    pub(crate) fn damaged(&self) -> FileFault {
        FileFault::Damaged { part: self.part }
    }

    /// Unpacks the rest without reading it, for its checksum.
    pub(crate) fn drain(&mut self) -> Result<(), FileFault> {
        let source = self.reader.get_mut();
        source.get_mut().allowed = usize::MAX;
        match io::copy(source, &mut io::sink()) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fault(&error)),
        }
    }

    fn fault(&self, error: &io::Error) -> FileFault {
        match error.kind() {
            io::ErrorKind::FileTooLarge => self.expands.clone(),
            _ => self.damaged(),
        }
    }

    /// Appends all text up to the end of the element at hand, what is nested included.
    pub(crate) fn text_into(&mut self, out: &mut String) -> Result<(), FileFault> {
        let outside = self.depth.saturating_sub(1);
        loop {
            let damaged = self.damaged();
            let event = self.next()?;
            if append(&event, out).is_none() {
                return Err(damaged);
            }
            if self.depth <= outside {
                return Ok(());
            }
        }
    }

    /// Passes over the rest of the element at hand.
    pub(crate) fn skip(&mut self) -> Result<(), FileFault> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.next()?;
        }
        Ok(())
    }
}

impl Read for Metered {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.part.read(out)?;
        self.allowed = self
            .allowed
            .checked_sub(read)
            .ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        Ok(read)
    }
}

/// Appends what an event adds to a text; `None` for bytes that are not UTF-8 and for references that nothing defines.
fn append(event: &Event<'_>, out: &mut String) -> Option<()> {
    match event {
        Event::Text(text) => out.push_str(text),
        Event::CData(text) => out.push_str(text),
        Event::GeneralRef(reference) => out.push(letter(reference)?),
        _ => {}
    }
    Some(())
}

/// A stretch of a workbook that is short of nothing but sense ends well before this.
const STRETCH_BYTES: usize = 16 << 20;

const BUFFER_BYTES: usize = 64 << 10;

const DEPTH_MAX: usize = 32;
