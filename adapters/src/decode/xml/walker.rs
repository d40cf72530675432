//! Text of XML → elements and text, whatever the cuts.
//!
//! Takes text cut between any two characters; gives elements with their attributes, and text with the five entities and character references
//! resolved, in pieces. Refuses what is not well-formed, a document type, too much depth, a tag longer than a record, and a declaration of a
//! charset that is not read here.

use std::borrow::Cow;

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::reference::letter;
use super::seam::Seam;
use crate::decode::{DecodeLimits, Unreadable};
use crate::layout::Encoding;

/// The state between pieces of one document.
pub(super) struct Walker {
    limits: DecodeLimits,
    seam: Seam,
    /// Text that is not parsed yet; it begins with a token.
    buffer: String,
    /// Line at its start, 1-based.
    line: u64,
    /// Names of the open elements.
    path: Vec<String>,
    begun: bool,
    root: bool,
}

/// What the document consists of. Depths count from 1, the root.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Open {
        /// Local name.
        element: &'a str,
        /// Local names and values.
        attributes: Vec<(Cow<'a, str>, Cow<'a, str>)>,
        depth: usize,
        line: u64,
    },
    Text(&'a str),
    /// A reference to an entity that nobody declared, on that line.
    Reference(u64),
    Close {
        depth: usize,
    },
}

/// Who takes the nodes.
pub(super) type Sink<'a> = dyn FnMut(Node<'_>) -> Result<(), Unreadable> + 'a;

impl Walker {
    pub(super) fn new(limits: DecodeLimits) -> Self {
        Self {
            limits,
            seam: Seam::default(),
            buffer: String::new(),
            line: 1,
            path: Vec::new(),
            begun: false,
            root: false,
        }
    }

    /// Line of what is parsed next.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    pub(super) fn push(&mut self, text: &str, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
        let scanned = self.buffer.len();
        self.buffer.push_str(text);
        if let Some(end) = self.seam.take(text) {
            let rest = self.buffer.split_off(scanned + end);
            let mut whole = std::mem::replace(&mut self.buffer, rest);
            self.parse(&whole, sink)?;
            if self.buffer.is_empty() {
                whole.clear();
                self.buffer = whole;
            }
        }
        if matches!(self.seam, Seam::Section(_)) && self.buffer.len() > SECTION_BYTES {
            return self.split_section(sink);
        }
        if self.buffer.len() > self.limits.record_bytes_max {
            return Err(Unreadable::RecordTooLong { line: self.line });
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<(), Unreadable> {
        // Nothing at all is an empty batch, which is refused elsewhere.
        if !self.begun && self.buffer.trim().is_empty() {
            return Ok(());
        }
        if self.root && self.path.is_empty() && self.buffer.trim().is_empty() && self.seam == Seam::Text {
            Ok(())
        } else {
            Err(self.broken())
        }
    }

    /// Two sections say what one says: what has come of a long one is parsed as a section of its own.
    fn split_section(&mut self, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
        let brackets = self.buffer.len() - self.buffer.trim_end_matches(']').len();
        let tail = self.buffer.split_off(self.buffer.len() - brackets.min(2));
        let mut whole = std::mem::replace(&mut self.buffer, format!("{SECTION}{tail}"));
        whole.push_str("]]>");
        self.parse(&whole, sink)
    }

    /// Parses whole tokens.
    fn parse(&mut self, text: &str, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
        // The parser would take a mark at the start of each piece for one of the file.
        let mut text = text;
        while let Some(rest) = text.strip_prefix('\u{feff}') {
            if self.begun {
                self.text("\u{feff}", sink)?;
            }
            text = rest;
        }
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        // Elements reach over pieces: the path is kept here.
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.expand_empty_elements = true;
        let mut at = 0;
        loop {
            let Ok(event) = reader.read_event() else {
                return Err(self.broken());
            };
            let line = self.line;
            let end = usize::try_from(reader.buffer_position()).unwrap_or(text.len());
            self.line += memchr::memchr_iter(b'\n', text.get(at..end).unwrap_or_default().as_bytes()).count() as u64;
            at = end;
            match event {
                Event::Eof => return Ok(()),
                Event::Start(tag) => self.open(&tag, line, sink)?,
                Event::End(tag) => self.close(tag.name().into_inner(), sink)?,
                Event::Text(text) => self.text(&text, sink)?,
                Event::CData(text) => self.text(&text, sink)?,
                Event::GeneralRef(reference) => match letter(&reference) {
                    Some(letter) => self.text(letter.encode_utf8(&mut [0; 4]), sink)?,
                    None => sink(Node::Reference(line))?,
                },
                Event::Decl(declaration) => {
                    let named = declaration.encoding().and_then(Result::ok);
                    self.declaration(named.as_deref())?;
                }
                Event::Comment(_) | Event::PI(_) => {}
                Event::DocType(_) => {
                    return Err(Unreadable::NotThisFormat {
                        line,
                        expected: "XML without a document type",
                    });
                }
                Event::Empty(_) => return Err(self.broken()),
            }
            self.begun = true;
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>, line: u64, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
        if self.path.is_empty() && self.root {
            return Err(self.broken());
        }
        if self.path.len() >= DEPTH_MAX {
            return Err(Unreadable::TooDeep { line });
        }
        self.root = true;
        let mut attributes = Vec::new();
        for attribute in tag.attributes() {
            let Ok(attribute) = attribute else {
                return Err(self.broken());
            };
            let name = attribute.key.local_name().into_inner().to_owned();
            let Ok(value) = quick_xml::escape::unescape(&attribute.value) else {
                return Err(self.broken());
            };
            attributes.push((Cow::Owned(name), Cow::Owned(value.into_owned())));
        }
        self.path.push(tag.name().into_inner().to_owned());
        sink(Node::Open {
            element: tag.local_name().into_inner(),
            attributes,
            depth: self.path.len(),
            line,
        })
    }

    fn close(&mut self, name: &str, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
        let depth = self.path.len();
        match self.path.pop() {
            Some(open) if open == name => sink(Node::Close { depth }),
            _ => Err(self.broken()),
        }
    }

    fn text(&mut self, text: &str, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
        if self.path.is_empty() {
            return if text.trim().is_empty() {
                Ok(())
            } else {
                Err(self.broken())
            };
        }
        sink(Node::Text(text))
    }

    /// The declaration, which comes first or not at all. What it names is often wrong, and the text is read already, by what the bytes are; one of
    /// a charset that is not read here would have been read as another. (Programs write UTF-16 of what they held in memory, and in UTF-16 no
    /// declaration would have come to here.)
    fn declaration(&self, named: Option<&str>) -> Result<(), Unreadable> {
        if self.begun {
            return Err(self.broken());
        }
        match named {
            Some(named) if Encoding::parse(named).is_none() && !named.eq_ignore_ascii_case("utf-16") => {
                Err(Unreadable::NotThisFormat {
                    line: self.line,
                    expected: "XML in UTF-8 or GB18030",
                })
            }
            _ => Ok(()),
        }
    }

    fn broken(&self) -> Unreadable {
        Unreadable::NotThisFormat {
            line: self.line,
            expected: "well-formed XML",
        }
    }
}

const SECTION: &str = "<![CDATA[";

/// Elements within each other.
const DEPTH_MAX: usize = 32;

/// A section of more than this is parsed in several.
const SECTION_BYTES: usize = 64 * 1024;
