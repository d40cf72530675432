//! The bytes of a workbook as they come → what is opened.
//!
//! Takes frames and holds them, up to a limit. What is called XLS and shows by its first bytes that it is a page of HTML or `SpreadsheetML` is text: it is
//! held in UTF-8, by the charset that is stated or that its bytes show. Refuses by its first bytes what is no workbook at all, before it is held.

use super::Kind;
use crate::decode::markup::Markup;
use crate::decode::{DecodeLimits, FileFault, Unreadable};
use crate::layout::{Encoding, Signature};
use crate::transcode::{Piece, Transcoder};

/// What has come of a workbook.
pub(crate) struct Intake {
    kind: Kind,
    /// The charset of a workbook that is text, and whether nobody stated it.
    charset: (Encoding, bool),
    bytes_max: usize,
    bytes: Vec<u8>,
    /// Once it is known that it is text.
    text: Option<Box<Text>>,
    /// Whether the first bytes were looked at.
    known: bool,
    /// What the text was, once it has come.
    found: Option<&'static str>,
}

struct Text {
    markup: Markup,
    transcoder: Transcoder,
    read: String,
}

/// A whole workbook.
pub(crate) enum Whole {
    Bytes(Kind, Vec<u8>),
    /// Its text, and the charset in which it came.
    Text(Markup, String, Encoding),
}

impl Intake {
    pub(crate) fn new(kind: Kind, charset: (Encoding, bool), limits: &DecodeLimits) -> Self {
        Self {
            kind,
            charset,
            bytes_max: limits.workbook_bytes_max,
            bytes: Vec::new(),
            text: None,
            known: false,
            found: None,
        }
    }

    /// Takes one more frame.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        if let Some(text) = &mut self.text {
            return text.push(bytes, false, self.bytes_max);
        }
        if bytes.len() > self.bytes_max.saturating_sub(self.bytes.len()) {
            self.bytes = Vec::new();
            return Err(FileFault::TooLarge { limit: self.bytes_max }.into());
        }
        self.make_room(bytes.len());
        self.bytes.extend_from_slice(bytes);
        // By these alone, so that it is called the same however the frames are cut.
        match self.bytes.get(..SIGNATURE_BYTES).filter(|_| !self.known) {
            Some(first) => {
                let signature = Signature::of(first);
                self.known = true;
                if !matches!(signature, Some(Signature::Zip | Signature::Compound)) {
                    self.judge(signature)?;
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Nothing follows.
    pub(crate) fn finish(&mut self) -> Result<Whole, Unreadable> {
        if self.text.is_none() {
            let signature = Signature::of(self.bytes.get(..SIGNATURE_BYTES).unwrap_or(&self.bytes));
            self.judge(signature)?;
        }
        match self.text.take() {
            Some(mut text) => {
                text.push(&[], true, self.bytes_max)?;
                self.found = Some(text.markup.label(text.transcoder.encoding()));
                Ok(Whole::Text(text.markup, text.read, text.transcoder.encoding()))
            }
            None => Ok(Whole::Bytes(self.kind, std::mem::take(&mut self.bytes))),
        }
    }

    /// A short word for what a text turned out to be.
    pub(crate) fn found(&self) -> Option<&'static str> {
        self.found
    }

    /// Bytes of memory in which it is held.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.capacity() + self.text.as_ref().map_or(0, |text| text.read.capacity())
    }

    /// Refuses another form than the declared one; what is text goes on as text.
    fn judge(&mut self, signature: Option<Signature>) -> Result<(), Unreadable> {
        match Markup::of(signature).filter(|_| self.kind == Kind::Xls) {
            Some(markup) => {
                let (encoding, open) = self.charset;
                let mut text = Text {
                    markup,
                    transcoder: Transcoder::new(encoding, open),
                    read: String::new(),
                };
                text.push(&std::mem::take(&mut self.bytes), false, self.bytes_max)?;
                self.text = Some(Box::new(text));
                Ok(())
            }
            None => Ok(self.kind.check(signature, &self.bytes)?),
        }
    }

    /// Room for so many more bytes: doubled as a vector does it, but never beyond what a workbook may have.
    fn make_room(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let doubled = self.bytes.capacity() * 2;
            let target = doubled.min(self.bytes_max).max(needed);
            self.bytes.reserve_exact(target - self.bytes.len());
        }
    }
}

impl Text {
    fn push(&mut self, bytes: &[u8], last: bool, bytes_max: usize) -> Result<(), Unreadable> {
        let Self { transcoder, read, .. } = self;
        transcoder.push(bytes, last, &mut |piece| match piece {
            Piece::Undecodable(at) => Err(at.into()),
            Piece::Text(piece) if piece.len() > bytes_max.saturating_sub(read.len()) => {
                Err(FileFault::TooLarge { limit: bytes_max }.into())
            }
            Piece::Text(piece) => {
                read.push_str(piece);
                Ok(())
            }
        })
    }
}

impl Kind {
    /// Whether these are the first bytes of this form; `bytes` is all that has come.
    fn check(self, signature: Option<Signature>, bytes: &[u8]) -> Result<(), FileFault> {
        let declared = match self {
            Self::Xlsx => "XLSX",
            Self::Xls => "XLS",
        };
        match (self, signature) {
            (Self::Xlsx, Some(Signature::Zip)) | (Self::Xls, Some(Signature::Compound)) => Ok(()),
            // Office encrypts a workbook of XLSX by putting it into a compound file.
            (Self::Xlsx, Some(Signature::Compound)) if holds_encrypted_package(bytes) => Err(FileFault::Encrypted),
            (_, found) => Err(FileFault::OtherForm {
                declared,
                found: found.map_or("neither a workbook nor text", Signature::describe),
            }),
        }
    }
}

/// The name of the stream stands in the directory, in UTF-16.
fn holds_encrypted_package(bytes: &[u8]) -> bool {
    let name: Vec<u8> = "EncryptedPackage".bytes().flat_map(|byte| [byte, 0]).collect();
    memchr::memmem::find(bytes, &name).is_some()
}

/// Enough to know a form by.
const SIGNATURE_BYTES: usize = 512;
