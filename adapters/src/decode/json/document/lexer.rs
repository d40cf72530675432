//! Tokens of JSON outside of records.

/// What stands between and around records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// One of `{}[]:,`.
    Structure(u8),
    /// A string without its quotes, cut off where it is long.
    Text(String),
    /// A number, `true`, `false` or `null`.
    Scalar(String),
    /// No token of JSON.
    Broken,
}

/// The token that the last piece cut off.
#[derive(Default)]
pub(super) struct Lexer {
    state: State,
    /// The raw token so far, as much of it as is kept.
    kept: String,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    Text,
    /// Behind a backslash.
    Escaped,
    Scalar,
}

impl Lexer {
    /// Takes text up to the end of one token; gives the token, when there is one, and bytes taken, at least one.
    pub(super) fn next(&mut self, text: &str) -> (Option<Token>, usize) {
        for (at, letter) in text.char_indices() {
            let behind = at + letter.len_utf8();
            match self.state {
                State::Between => match letter {
                    ' ' | '\t' | '\r' | '\n' => {}
                    '{' | '}' | '[' | ']' | ':' | ',' => {
                        return (Some(Token::Structure(u8::try_from(letter).unwrap_or_default())), behind);
                    }
                    '"' => self.state = State::Text,
                    _ => {
                        self.state = State::Scalar;
                        self.keep(letter);
                    }
                },
                State::Text => match letter {
                    '"' => return (Some(self.text()), behind),
                    '\\' => {
                        self.state = State::Escaped;
                        self.keep(letter);
                    }
                    _ if letter < ' ' => return (Some(Token::Broken), behind),
                    _ => self.keep(letter),
                },
                State::Escaped => {
                    self.state = State::Text;
                    self.keep(letter);
                }
                State::Scalar => match letter {
                    ' ' | '\t' | '\r' | '\n' | '{' | '}' | '[' | ']' | ':' | ',' => {
                        if at == 0 {
                            // The token ended with the last piece; what ends it is still to be taken.
                            return (Some(self.scalar()), 0);
                        }
                        return (Some(self.scalar()), at);
                    }
                    _ => self.keep(letter),
                },
            }
        }
        (None, text.len())
    }

    /// Nothing follows: the token at hand.
    pub(super) fn finish(&mut self) -> Option<Token> {
        match self.state {
            State::Between => None,
            State::Scalar => Some(self.scalar()),
            State::Text | State::Escaped => Some(Token::Broken),
        }
    }

    fn keep(&mut self, letter: char) {
        if self.kept.len() < KEPT_BYTES_MAX {
            self.kept.push(letter);
        }
    }

    fn text(&mut self) -> Token {
        self.state = State::Between;
        let kept = std::mem::take(&mut self.kept);
        if kept.len() >= KEPT_BYTES_MAX || !kept.contains('\\') {
            return Token::Text(kept);
        }
        match serde_json::from_str(&format!("\"{kept}\"")) {
            Ok(text) => Token::Text(text),
            Err(_) => Token::Broken,
        }
    }

    fn scalar(&mut self) -> Token {
        self.state = State::Between;
        let kept = std::mem::take(&mut self.kept);
        if kept.len() < KEPT_BYTES_MAX && serde_json::from_str::<serde::de::IgnoredAny>(&kept).is_ok() {
            Token::Scalar(kept)
        } else {
            Token::Broken
        }
    }
}

/// Bytes of a token that are kept: no name that is looked for is longer.
const KEPT_BYTES_MAX: usize = 256;
