//! XML → the record elements in it.
//!
//! Takes UTF-8 text cut between any two characters; gives each record element's fields to the judge, bare, in the envelopes of the agencies,
//! or inside an element whose text is another document, of XML or JSON (plain, escaped, in CDATA, or Base64, perhaps of zlib or gzip). Holds one
//! tag and one record, never the document. Refuses a document type (so there are no entities but the five), a declaration of a charset that is not
//! read here, elements nested deeper than 32, tags that do not match, a count that does not hold, an answer that says that it failed or bears a secrecy mark
//! (`envelope`), content that unpacks too far, and a document that does not end.

mod fields;
mod packed;
mod reading;
pub(crate) mod reference;
mod seam;
mod walker;

use self::fields::Fields;
use self::packed::Packed;
use self::reading::Reading;
use self::walker::{Node, Walker};
use super::form::TextForm;
use super::header::Names;
use super::judge::Judge;
use super::{DecodeLimits, Unreadable};
use crate::inflate::Volume;
use crate::layout::{self, Encoding};

/// The reader of one document.
pub(crate) struct Xml {
    outer: Walker,
    content: Content,
}

/// What the nodes of the document are given to.
struct Content {
    reading: Reading,
    /// The element whose text is another document.
    packed_name: Option<std::sync::Arc<str>>,
    packed: Option<Box<Packed>>,
    /// What the packed documents so far took and gave.
    volume: Volume,
    /// The charset of a packed document whose bytes leave it open.
    encoding: Encoding,
    limits: DecodeLimits,
}

impl Xml {
    pub(crate) fn new(names: Names, shape: &layout::Xml, encoding: Encoding, limits: DecodeLimits) -> Self {
        Self {
            outer: Walker::new(limits),
            content: Content {
                reading: Reading::new(Fields::new(names, limits), shape),
                packed_name: shape.packed.clone(),
                packed: None,
                volume: Volume::default(),
                encoding,
                limits,
            },
        }
    }
}

impl TextForm for Xml {
    fn text(&mut self, text: &str, judge: &mut Judge) -> Result<(), Unreadable> {
        let Self { outer, content } = self;
        outer.push(text, &mut |node| content.node(&node, judge))
    }

    fn finish(&mut self, judge: &mut Judge) -> Result<(), Unreadable> {
        self.outer.finish()?;
        self.content.reading.check_count(self.outer.line(), judge)
    }

    fn unknown_headers(&self) -> &[String] {
        self.content.reading.unknown_headers()
    }

    fn names(&self) -> Option<&Names> {
        Some(self.content.reading.names())
    }
}

impl Content {
    fn node(&mut self, node: &Node<'_>, judge: &mut Judge) -> Result<(), Unreadable> {
        if let (Node::Open { element, depth: 1, .. }, None) = (node, &self.packed_name)
            && element.eq_ignore_ascii_case(TAX_ENVELOPE)
        {
            self.packed_name = Some(TAX_CONTENT.into());
        }
        if let Some(packed) = &mut self.packed {
            match node {
                Node::Text(text) => packed.text(text, &mut self.reading, judge)?,
                Node::Close { depth, .. } if *depth == packed.depth => {
                    packed.finish(&mut self.reading, judge)?;
                    self.volume = packed.volume();
                    self.packed = None;
                }
                // Elements between the packed text: not looked at.
                Node::Open { .. } | Node::Close { .. } | Node::Reference(_) => {}
            }
            return Ok(());
        }
        if let (
            Node::Open {
                element, depth, line, ..
            },
            Some(name),
        ) = (node, &self.packed_name)
            && !self.reading.in_record()
            && element.eq_ignore_ascii_case(name)
        {
            let packed = Packed::new(*depth, *line, self.encoding, self.volume, self.limits);
            self.packed = Some(Box::new(packed));
            return Ok(());
        }
        self.reading.node(node, judge)
    }
}

/// The envelope of the tax offices, and the element in it whose text is another document, whatever a layout says of it.
const TAX_ENVELOPE: &str = "tiripPackage";
const TAX_CONTENT: &str = "content";
