//! The text of one record inside a document.

use crate::decode::{DecodeLimits, SEARCH_FACTOR};

/// A record from its opening bracket to the closing one.
pub(super) struct Capture {
    /// Line on which it starts.
    pub(super) line: u64,
    /// Whether its last bracket was taken.
    pub(super) ended: bool,
    text: String,
    /// Bytes that were dropped, because it is longer than a record may be.
    dropped: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Capture {
    pub(super) fn new(line: u64) -> Self {
        Self {
            line,
            ended: false,
            text: String::new(),
            dropped: 0,
            depth: 0,
            in_string: false,
            escaped: false,
        }
    }

    /// Takes text up to the record's end; gives bytes taken, or an error when the record does not end.
    pub(super) fn take(&mut self, text: &str, limits: DecodeLimits) -> Result<usize, ()> {
        let end = self.end(text.as_bytes());
        let taken = end.unwrap_or(text.len());
        let piece = text.get(..taken).unwrap_or_default();
        if self.dropped == 0 && self.text.len() + piece.len() <= limits.record_bytes_max {
            self.text.push_str(piece);
        } else {
            self.dropped += self.text.len() + piece.len();
            self.text = String::new();
            if self.dropped > limits.record_bytes_max.saturating_mul(SEARCH_FACTOR) {
                return Err(());
            }
        }
        self.ended = end.is_some();
        Ok(taken)
    }

    /// The whole record; `None` when it is too long.
    pub(super) fn text(&self) -> Option<&str> {
        (self.dropped == 0).then_some(self.text.as_str())
    }

    /// The place behind the last bracket.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}
