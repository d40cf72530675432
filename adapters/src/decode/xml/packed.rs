//! A document inside an element of another: text, or Base64, perhaps of zlib or gzip.
//!
//! Takes the element's text as it comes; gives the text of the document inside to its reader. Holds a few bytes and the window of zlib. Refuses
//! what is neither, and content that unpacks beyond what a body may have or far beyond its own size, all of a file together.

mod inner;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::inner::Inner;
use super::reading::Reading;
use crate::decode::judge::Judge;
use crate::decode::{DecodeLimits, Unreadable};
use crate::inflate::{Coding, Inflater, Volume};
use crate::layout::Encoding;
use crate::transcode::Transcoder;

/// The inner document at hand.
pub(super) struct Packed {
    /// Depth of the element around it.
    pub(super) depth: usize,
    line: u64,
    form: Form,
    /// Characters of Base64 that do not make bytes yet.
    letters: Vec<u8>,
    bytes: Bytes,
    /// Of the unpacked bytes.
    transcoder: Transcoder,
    document: Inner,
    /// What packed documents before it took and gave.
    before: Volume,
    limits: DecodeLimits,
}

enum Form {
    /// Only blanks so far.
    Unknown,
    Text,
    Base64,
}

enum Bytes {
    /// The first two tell what they are.
    Unknown(Vec<u8>),
    Plain,
    Packed(Box<Inflater>),
}

impl Packed {
    /// The element at that depth, which begins on that line; packed documents before it had that `before` together.
    pub(super) fn new(depth: usize, line: u64, encoding: Encoding, before: Volume, limits: DecodeLimits) -> Self {
        Self {
            depth,
            line,
            form: Form::Unknown,
            letters: Vec::new(),
            bytes: Bytes::Unknown(Vec::new()),
            transcoder: Transcoder::new(encoding, true),
            document: Inner::new(limits),
            before,
            limits,
        }
    }

    pub(super) fn text(&mut self, text: &str, reading: &mut Reading, judge: &mut Judge) -> Result<(), Unreadable> {
        if matches!(self.form, Form::Unknown) {
            self.form = match text.trim_start().chars().next() {
                None => return Ok(()),
                Some('<' | '{' | '[') => Form::Text,
                Some(_) => Form::Base64,
            };
        }
        match self.form {
            Form::Unknown => Ok(()),
            Form::Text => self.document.text(text, reading, judge),
            Form::Base64 => {
                let letters = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
                self.letters.extend(letters);
                let whole = self.letters.len() / 4 * 4;
                self.decode(whole, reading, judge)
            }
        }
    }

    /// What it and those before it took and gave.
    pub(super) fn volume(&self) -> Volume {
        match &self.bytes {
            Bytes::Packed(inflater) => inflater.volume(),
            Bytes::Unknown(_) | Bytes::Plain => self.before,
        }
    }

    /// The element ends.
    pub(super) fn finish(&mut self, reading: &mut Reading, judge: &mut Judge) -> Result<(), Unreadable> {
        match self.form {
            Form::Unknown => return Ok(()),
            Form::Text => {}
            Form::Base64 => {
                self.decode(self.letters.len(), reading, judge)?;
                if let Bytes::Unknown(first) = &mut self.bytes {
                    let first = std::mem::take(first);
                    self.bytes = Bytes::Plain;
                    self.bytes(&first, reading, judge)?;
                }
                if let Bytes::Packed(inflater) = &mut self.bytes {
                    inflater.finish().map_err(Unreadable::Compressed)?;
                }
                self.document.bytes(&mut self.transcoder, &[], true, reading, judge)?;
            }
        }
        self.document.finish(reading, judge)
    }

    fn decode(&mut self, letters: usize, reading: &mut Reading, judge: &mut Judge) -> Result<(), Unreadable> {
        let rest = self.letters.split_off(letters);
        let letters = std::mem::replace(&mut self.letters, rest);
        let bytes = STANDARD.decode(&letters).map_err(|_| Unreadable::NotThisFormat {
            line: self.line,
            expected: "XML, JSON or Base64 in its element",
        })?;
        self.bytes(&bytes, reading, judge)
    }

    fn bytes(&mut self, bytes: &[u8], reading: &mut Reading, judge: &mut Judge) -> Result<(), Unreadable> {
        if let Bytes::Unknown(first) = &mut self.bytes {
            first.extend_from_slice(bytes);
            let coding = match first.as_slice() {
                [] | [_] => return Ok(()),
                [0x1f, 0x8b, ..] => Some(Coding::Gzip),
                // RFC 1950 section 2.2: deflate, and a header that is a multiple of 31.
                [0x78, flags, ..] if (0x7800 + u16::from(*flags)) % 31 == 0 => Some(Coding::Zlib),
                _ => None,
            };
            let first = std::mem::take(first);
            self.bytes = match coding {
                None => Bytes::Plain,
                Some(coding) => {
                    let inflater = Inflater::after(self.before, coding, self.limits.unpacked_bytes_max);
                    Bytes::Packed(Box::new(inflater.map_err(Unreadable::Compressed)?))
                }
            };
            return self.bytes(&first, reading, judge);
        }
        match &mut self.bytes {
            Bytes::Unknown(_) => Ok(()),
            Bytes::Plain => self.document.bytes(&mut self.transcoder, bytes, false, reading, judge),
            Bytes::Packed(inflater) => {
                let Self {
                    transcoder, document, ..
                } = self;
                inflater.put(bytes);
                while let Some(plain) = inflater.next().map_err(Unreadable::Compressed)? {
                    document.bytes(transcoder, plain, false, reading, judge)?;
                }
                Ok(())
            }
        }
    }
}
