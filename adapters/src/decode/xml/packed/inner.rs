//! The document in a packed element: XML, or JSON as the tax offices send it.
//!
//! Takes its text, or its bytes and their transcoder, as they come; gives the nodes of XML to the reader of the document around it, and the records of
//! JSON to the judge. The first character that is no blank tells which it is; what is neither is refused as XML. Holds what its reader holds.

use super::super::reading::Reading;
use super::super::walker::Walker;
use crate::decode::form::TextForm as _;
use crate::decode::json::document::Document;
use crate::decode::judge::Judge;
use crate::decode::{DecodeLimits, Unreadable};
use crate::layout::Envelope;
use crate::transcode::{Piece, Transcoder};

/// The reader of the document at hand.
pub(super) enum Inner {
    /// Only blanks so far.
    Unknown(DecodeLimits),
    Xml(Walker),
    Json(Box<Document>),
    /// It was read to its end.
    Done,
}

impl Inner {
    pub(super) fn new(limits: DecodeLimits) -> Self {
        Self::Unknown(limits)
    }

    pub(super) fn bytes(
        &mut self,
        transcoder: &mut Transcoder,
        bytes: &[u8],
        last: bool,
        reading: &mut Reading,
        judge: &mut Judge,
    ) -> Result<(), Unreadable> {
        transcoder.push(bytes, last, &mut |piece| match piece {
            Piece::Text(text) => self.text(text, reading, judge),
            Piece::Undecodable(at) => Err(at.into()),
        })
    }

    pub(super) fn text(&mut self, text: &str, reading: &mut Reading, judge: &mut Judge) -> Result<(), Unreadable> {
        let mut text = text;
        if let Self::Unknown(limits) = self {
            text = text.trim_start();
            *self = match text.chars().next() {
                None => return Ok(()),
                // Its names are those of the whole batch, and come back with what it met.
                Some('{' | '[') => {
                    let document = Document::new(reading.names().clone(), &Envelope::new(), *limits);
                    Self::Json(Box::new(document))
                }
                Some(_) => Self::Xml(Walker::new(*limits)),
            };
        }
        match self {
            Self::Xml(walker) => walker.push(text, &mut |node| reading.node(&node, judge)),
            Self::Json(document) => document.text(text, judge),
            Self::Unknown(_) | Self::Done => Ok(()),
        }
    }

    /// Nothing follows.
    pub(super) fn finish(&mut self, reading: &mut Reading, judge: &mut Judge) -> Result<(), Unreadable> {
        match std::mem::replace(self, Self::Done) {
            Self::Xml(mut walker) => walker.finish(),
            Self::Json(mut document) => {
                let ended = document.finish(judge);
                reading.learn(document.into_names());
                ended
            }
            Self::Unknown(_) | Self::Done => Ok(()),
        }
    }
}
