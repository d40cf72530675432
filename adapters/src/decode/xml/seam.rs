//! Where XML text may be cut: after a whole tag, comment, section or instruction, or between two characters of text.
//!
//! Takes text cut anywhere; says how much of what is buffered is whole tokens, so that the parser never sees half of one. Judges nothing: what
//! it takes for a token the parser judges.

/// The state between pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Seam {
    /// Between tags.
    #[default]
    Text,
    /// Inside `&…;`.
    Reference,
    /// Behind `<`, with the first bytes after it, as many as tell what it begins.
    Opened([u8; 2], usize),
    Tag,
    /// Inside a value of a tag, behind this quote.
    Quoted(u8),
    /// Inside `<!--`, with the dashes seen last.
    Comment(u8),
    /// Inside `<![CDATA[`, with the brackets seen last.
    Section(u8),
    /// Inside `<?`, behind a question mark or not.
    Instruction(bool),
}

impl Seam {
    /// Takes more text; gives the place in it behind the last whole token, if one ends in it.
    pub(super) fn take(&mut self, text: &str) -> Option<usize> {
        let mut whole = None;
        for (at, byte) in text.bytes().enumerate() {
            let (next, ended) = self.step(byte);
            *self = next;
            if ended {
                whole = Some(at + 1);
            }
        }
        if *self == Self::Text {
            // Text is whole at any character.
            whole = Some(text.len());
        }
        whole
    }

    /// The state behind one more byte, and whether text may be cut there.
    fn step(self, byte: u8) -> (Self, bool) {
        let next = match (self, byte) {
            // What looked like a reference may be none after all; the parser will say so.
            (Self::Text | Self::Reference, b'<') => Self::Opened([0; 2], 0),
            (Self::Text, b'&') => Self::Reference,
            (Self::Text, _) => return (Self::Text, false),
            (Self::Reference, b';')
            | (Self::Tag | Self::Comment(2) | Self::Section(2) | Self::Instruction(true), b'>') => {
                return (Self::Text, true);
            }
            (Self::Reference, _) => Self::Reference,
            (Self::Opened(first, len), byte) => return Self::opened(first, len, byte),
            (Self::Tag, b'"' | b'\'') => Self::Quoted(byte),
            (Self::Tag, _) => Self::Tag,
            (Self::Quoted(quote), byte) if byte == quote => Self::Tag,
            (Self::Quoted(quote), _) => Self::Quoted(quote),
            (Self::Comment(dashes), b'-') => Self::Comment((dashes + 1).min(2)),
            (Self::Comment(_), _) => Self::Comment(0),
            (Self::Section(brackets), b']') => Self::Section((brackets + 1).min(2)),
            (Self::Section(_), _) => Self::Section(0),
            (Self::Instruction(_), byte) => Self::Instruction(byte == b'?'),
        };
        (next, false)
    }

    fn opened(first: [u8; 2], len: usize, byte: u8) -> (Self, bool) {
        match (first, len, byte) {
            (_, 0, b'?') => (Self::Instruction(false), false),
            (_, 0, b'!') => (Self::Opened([b'!', 0], 1), false),
            (_, 0, b'>') => (Self::Text, true),
            (_, 0, _) => (Self::Tag, false),
            (_, 1, b'-') => (Self::Opened([b'!', b'-'], 2), false),
            (_, 1, b'[') => (Self::Section(0), false),
            ([_, b'-'], 2, b'-') => (Self::Comment(0), false),
            (_, _, b'>') => (Self::Text, true),
            // A document type or something worse: the parser refuses it.
            _ => (Self::Tag, false),
        }
    }
}
