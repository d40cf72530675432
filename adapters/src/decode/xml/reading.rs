//! Which elements are records.

use crate::decode::header::Names;
use std::sync::Arc;

use super::fields::Fields;
use super::walker::Node;
use crate::decode::envelope::{Before, Said};
use crate::decode::judge::Judge;
use crate::decode::{TrailerFault, Unreadable};
use crate::layout;
use crate::reject::RejectCode;

/// Where in the document the reader is, and the record at hand.
pub(super) struct Reading {
    fields: Fields,
    /// The name of record elements; none for the usual ones.
    record: Option<Arc<str>>,
    /// Whether the envelope of the health office is open, in which a `data` is a record.
    health: bool,
    /// Depth of the record element that is open.
    at: Option<usize>,
    /// The element that says how many records there are, and what it says.
    count: Option<Arc<str>>,
    stated: Option<String>,
    counting: Option<usize>,
    /// The innermost element around the records that is open and holds no other: its name, depth, line and text.
    leaf: Option<Leaf>,
    /// The elements around the record or the text at hand, from the outermost on.
    levels: Vec<Level>,
}

/// An element of the envelope that is open.
struct Level {
    name: String,
    said: Said,
    /// What of the batch is before it.
    before: Before,
}

/// An element that may say something about all records.
struct Leaf {
    name: String,
    depth: usize,
    line: u64,
    text: String,
}

impl Reading {
    pub(super) fn new(fields: Fields, shape: &layout::Xml) -> Self {
        Self {
            fields,
            record: shape.record.clone(),
            health: false,
            at: None,
            count: shape.count.clone(),
            stated: None,
            counting: None,
            leaf: None,
            levels: Vec::new(),
        }
    }

    pub(super) fn unknown_headers(&self) -> &[String] {
        self.fields.unknown_headers()
    }

    pub(super) fn names(&self) -> &Names {
        self.fields.names()
    }

    /// The names with what another reader of the same batch met besides.
    pub(super) fn learn(&mut self, names: Names) {
        self.fields.learn(names);
    }

    pub(super) fn in_record(&self) -> bool {
        self.at.is_some()
    }

    pub(super) fn node(&mut self, node: &Node<'_>, judge: &mut Judge) -> Result<(), Unreadable> {
        if let Node::Open { element, .. } = node {
            self.enter(element, judge);
        }
        match (node, self.at) {
            (
                Node::Open {
                    element, attributes, ..
                },
                Some(_),
            ) => {
                let attribute = |name: &str| {
                    let found = attributes.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.as_ref())
                };
                self.fields.open(element, attribute("name"), attribute("value"));
            }
            (
                Node::Open {
                    element,
                    attributes,
                    depth,
                    line,
                },
                None,
            ) if self.is_record(element) => {
                self.at = Some(*depth);
                self.leaf = None;
                self.fields.begin(*line);
                for (name, value) in attributes {
                    self.fields.attribute(name, value);
                }
            }
            (
                Node::Open {
                    element,
                    attributes,
                    depth,
                    line,
                },
                None,
            ) => {
                self.open(element, judge);
                for (name, value) in attributes {
                    self.say(name, value, *line)?;
                }
                self.leaf = Some(Leaf {
                    name: (*element).to_owned(),
                    depth: *depth,
                    line: *line,
                    text: String::new(),
                });
                if self
                    .count
                    .as_ref()
                    .is_some_and(|count| element.eq_ignore_ascii_case(count))
                {
                    self.counting = Some(*depth);
                    self.stated = Some(String::new());
                }
            }
            (Node::Text(text), Some(_)) => self.fields.text(text)?,
            (Node::Text(text), None) => {
                if let Some(leaf) = &mut self.leaf
                    && leaf.text.len() < LEAF_BYTES_MAX
                {
                    leaf.text.push_str(text);
                }
                if let (Some(_), Some(stated)) = (self.counting, &mut self.stated)
                    && stated.len() < COUNT_BYTES_MAX
                {
                    stated.push_str(text);
                }
            }
            (Node::Reference(_), Some(_)) => self.fields.spoil(RejectCode::MalformedXml),
            (Node::Reference(line), None) => {
                return Err(Unreadable::NotThisFormat {
                    line: *line,
                    expected: "XML without entities of its own",
                });
            }
            (Node::Close { depth }, Some(at)) if *depth == at => {
                self.at = None;
                self.fields.end(judge);
            }
            (Node::Close { .. }, Some(_)) => self.fields.close(),
            (Node::Close { depth }, None) => {
                if self.counting == Some(*depth) {
                    self.counting = None;
                }
                self.end(judge)?;
                if let Some(leaf) = self.leaf.take()
                    && leaf.depth == *depth
                {
                    self.say(&leaf.name, &leaf.text, leaf.line)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn check_count(&self, line: u64, judge: &Judge) -> Result<(), Unreadable> {
        if self.count.is_none() {
            return Ok(());
        }
        let found = judge.counts().rows;
        let why = match self.stated.as_deref().map(|stated| stated.trim().parse::<u64>()) {
            Some(Ok(stated)) if stated == found => return Ok(()),
            Some(Ok(stated)) => TrailerFault::Rows { stated, found },
            Some(Err(_)) => TrailerFault::NoCount,
            None => TrailerFault::Absent,
        };
        Err(Unreadable::WrongTrailer { line, why })
    }

    /// An element begins that may be the envelope of the health office, or show that a `data` in it is a list of records.
    fn enter(&mut self, element: &str, judge: &Judge) {
        if self.at.is_none() {
            self.health |= element.eq_ignore_ascii_case(HEALTH_ENVELOPE);
        } else if self.health && self.record.is_none() && is_usual(element) {
            self.at = None;
            self.open(HEALTH_RECORD, judge);
        }
    }

    /// An element of the envelope begins.
    fn open(&mut self, element: &str, judge: &Judge) {
        self.levels.push(Level {
            name: element.to_owned(),
            said: Said::default(),
            before: Before::of(judge.counts()),
        });
    }

    /// The innermost element says that of the records in it.
    fn say(&mut self, name: &str, value: &str, line: u64) -> Result<(), Unreadable> {
        match self.levels.last_mut() {
            Some(level) => level.said.member(name, value, line),
            // The root holds nothing but a text.
            None => Said::default().member(name, value, line),
        }
    }

    /// The innermost element of the envelope ends.
    fn end(&mut self, judge: &Judge) -> Result<(), Unreadable> {
        let Some(level) = self.levels.pop() else {
            return Ok(());
        };
        let found = level.before.found(judge.counts());
        // What a layout names is what counts, and an element without records is not around them.
        let found = (found.rows > 0 && self.count.is_none()).then_some(found);
        let around = self.levels.last_mut().map(|around| &mut around.said);
        level.said.end(&level.name, found, around)
    }

    fn is_record(&self, element: &str) -> bool {
        match &self.record {
            Some(name) => element.eq_ignore_ascii_case(name),
            None => is_usual(element) || self.health && element.eq_ignore_ascii_case(HEALTH_RECORD),
        }
    }
}

fn is_usual(element: &str) -> bool {
    USUAL.iter().any(|usual| element.eq_ignore_ascii_case(usual))
}

/// Under these names agencies send their records.
const USUAL: [&str; 4] = ["record", "row", "item", "rec"];

/// The envelope of the health office, and the element in it that is a record or holds them under a usual name.
const HEALTH_ENVELOPE: &str = "MDEML";
const HEALTH_RECORD: &str = "data";

/// More text than says anything about all records.
const LEAF_BYTES_MAX: usize = 300;

/// More text than any number of records has.
const COUNT_BYTES_MAX: usize = 64;
