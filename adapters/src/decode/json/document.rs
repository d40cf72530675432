//! One JSON document → the records in its array.
//!
//! Takes UTF-8 text cut between any two characters; finds the array of records, bare or in an envelope, and gives each of its objects to the
//! reader of objects. Holds one record and the way to it, never the document. Refuses what is no JSON outside of records, an envelope
//! nested deeper than 32, two arrays that could be the one, a count that does not hold, an answer that says that it failed or bears a secrecy mark
//! (`envelope`), and a document that does not end. A sentence that says that there is nothing is an empty batch.

mod capture;
mod lexer;

use self::capture::Capture;
use self::lexer::{Lexer, Token};
use super::Objects;
use crate::decode::envelope::{self, Before, Said};
use crate::decode::form::TextForm;
use crate::decode::header::Names;
use crate::decode::judge::Judge;
use crate::decode::{DecodeLimits, TrailerFault, Unreadable};
use crate::layout::Envelope;
use crate::reject::RejectCode;

/// The reader of one document.
pub(crate) struct Document {
    objects: Objects,
    envelope: Envelope,
    limits: DecodeLimits,
    /// Line of the next character, 1-based.
    line: u64,
    lexer: Lexer,
    expect: Expect,
    /// Objects and arrays around the next token.
    levels: Vec<Level>,
    /// The record at hand.
    capture: Option<Capture>,
    /// Whether the array of records was met.
    found: bool,
    /// What the envelope says the number of records is, where a layout names the member that does.
    stated: Option<String>,
    /// Instead of a document there is a sentence that there is nothing.
    sentence: bool,
    /// The document so far, while it may turn out to be one record itself.
    whole: Option<String>,
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// Or the end of an array that has just begun.
    FirstValue,
    Name,
    /// Or the end of an object that has just begun.
    FirstName,
    Colon,
    CommaOrEnd,
    Nothing,
}

/// An object or array of the envelope.
struct Level {
    kind: Kind,
    /// The member whose value comes next.
    name: String,
    /// How much of the stated way leads here; none when it does not.
    way: Option<usize>,
    /// What its members say of the records.
    said: Said,
    /// Whether the records are in it, and what of the batch is before it.
    around: bool,
    before: Before,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
    /// An array that holds records if its first element is an object.
    Candidate,
    Records,
}

impl Document {
    pub(crate) fn new(names: Names, envelope: &Envelope, limits: DecodeLimits) -> Self {
        Self {
            objects: Objects::new(names),
            envelope: envelope.clone(),
            limits,
            line: 1,
            lexer: Lexer::default(),
            expect: Expect::Value,
            levels: Vec::new(),
            capture: None,
            found: false,
            stated: None,
            sentence: false,
            whole: envelope.records.is_none().then(String::new),
        }
    }
}

impl Document {
    /// The names with what this document met.
    pub(crate) fn into_names(self) -> Names {
        self.objects.into_names()
    }
}

impl TextForm for Document {
    fn text(&mut self, text: &str, judge: &mut Judge) -> Result<(), Unreadable> {
        self.remember(text);
        let mut rest = text;
        while !rest.is_empty() && !self.sentence {
            if let Some(capture) = &mut self.capture {
                let taken = capture
                    .take(rest, self.limits)
                    .map_err(|()| Unreadable::RecordTooLong { line: capture.line })?;
                let (read, after) = rest.split_at_checked(taken).unwrap_or((rest, ""));
                self.line += line_ends(read);
                rest = after;
                if capture.ended {
                    self.record(judge);
                }
                continue;
            }
            let (token, taken) = self.lexer.next(rest);
            let (read, after) = rest.split_at_checked(taken).unwrap_or((rest, ""));
            self.line += line_ends(read);
            let Some(token) = token else {
                rest = after;
                continue;
            };
            if self.begins_record(&token)? {
                // The record has its brackets or quotes with it: the token is read again, as its first character.
                let first = match token {
                    Token::Structure(byte) => char::from(byte),
                    Token::Text(_) | Token::Scalar(_) | Token::Broken => return Err(self.broken()),
                };
                let mut capture = Capture::new(self.line);
                let _ = capture.take(first.encode_utf8(&mut [0; 4]), self.limits);
                self.capture = Some(capture);
            } else {
                self.token(token, judge)?;
            }
            rest = after;
        }
        Ok(())
    }

    fn finish(&mut self, judge: &mut Judge) -> Result<(), Unreadable> {
        if let Some(token) = self.lexer.finish() {
            self.token(token, judge)?;
        }
        if self.sentence && !self.is_sentence() {
            return Err(self.broken());
        }
        if self.expect == Expect::Value && self.levels.is_empty() && self.capture.is_none() {
            // Nothing at all: an empty batch, which is refused elsewhere.
            return Ok(());
        }
        if self.expect != Expect::Nothing {
            return Err(self.broken());
        }
        if let (false, Some(whole)) = (self.found, self.whole.take()) {
            self.objects.record_if_any(whole.trim_ascii(), 1, judge);
        }
        self.check_count(judge)
    }

    fn unknown_headers(&self) -> &[String] {
        self.objects.unknown_headers()
    }

    fn names(&self) -> Option<&Names> {
        Some(self.objects.names())
    }
}

impl Document {
    fn remember(&mut self, text: &str) {
        if self.found {
            self.whole = None;
        }
        if let Some(whole) = &mut self.whole {
            if whole.len() + text.len() > self.limits.record_bytes_max {
                self.whole = None;
            } else {
                whole.push_str(text);
            }
        }
    }

    fn record(&mut self, judge: &mut Judge) {
        let Some(capture) = self.capture.take() else { return };
        self.expect = match self.levels.last() {
            Some(_) => Expect::CommaOrEnd,
            None => Expect::Nothing,
        };
        match capture.text() {
            Some(text) => self.objects.record(text, capture.line, &[], judge),
            None => judge.reject(capture.line, None, RejectCode::RecordTooLong),
        }
    }

    /// Whether this token is the first of a record.
    fn begins_record(&mut self, token: &Token) -> Result<bool, Unreadable> {
        let opens = *token == Token::Structure(b'{');
        let kind = match self.levels.last() {
            Some(level) if matches!(self.expect, Expect::Value | Expect::FirstValue) => level.kind,
            _ => return Ok(false),
        };
        let becomes = match kind {
            Kind::Records => return Ok(opens || *token == Token::Structure(b'[')),
            Kind::Candidate if opens => Kind::Records,
            Kind::Candidate => Kind::Array,
            // The stated way leads to one record instead of an array of them.
            Kind::Object if opens && self.way_ends() => kind,
            Kind::Object | Kind::Array => return Ok(false),
        };
        if opens {
            self.find()?;
        }
        if let Some(level) = self.levels.last_mut() {
            level.kind = becomes;
        }
        Ok(opens)
    }

    /// The records are here, and nowhere else.
    fn find(&mut self) -> Result<(), Unreadable> {
        if self.found {
            return Err(Unreadable::NotThisFormat {
                line: self.line,
                expected: "one array of records",
            });
        }
        self.found = true;
        for level in &mut self.levels {
            level.around = true;
        }
        Ok(())
    }

    fn token(&mut self, token: Token, judge: &mut Judge) -> Result<(), Unreadable> {
        if self.is_sentence() {
            self.sentence = true;
            return Ok(());
        }
        match (self.expect, token) {
            (Expect::FirstName | Expect::Name, Token::Text(name)) => {
                if let Some(level) = self.levels.last_mut() {
                    level.name = name;
                }
                self.expect = Expect::Colon;
            }
            (Expect::Colon, Token::Structure(b':')) => self.expect = Expect::Value,
            (Expect::CommaOrEnd, Token::Structure(b',')) => {
                let object = self.levels.last().is_some_and(|level| level.kind == Kind::Object);
                self.expect = if object { Expect::Name } else { Expect::Value };
            }
            (Expect::FirstName | Expect::CommaOrEnd, Token::Structure(b'}')) => self.close(true, judge)?,
            (Expect::FirstValue | Expect::CommaOrEnd, Token::Structure(b']')) => self.close(false, judge)?,
            (Expect::Value | Expect::FirstValue, Token::Structure(b'{')) => {
                self.open(Kind::Object, judge)?;
                self.expect = Expect::FirstName;
            }
            (Expect::Value | Expect::FirstValue, Token::Structure(b'[')) => {
                let kind = self.array()?;
                self.open(kind, judge)?;
                self.expect = Expect::FirstValue;
            }
            (Expect::Value | Expect::FirstValue, Token::Text(text) | Token::Scalar(text)) => {
                self.scalar(text, judge)?;
            }
            _ => return Err(self.broken()),
        }
        Ok(())
    }

    /// Whether it is no document so far, but the sentence that there is nothing.
    fn is_sentence(&self) -> bool {
        let says_so = || self.whole.as_deref().is_some_and(envelope::says_nothing_found);
        self.levels.is_empty() && self.expect == Expect::Value && says_so()
    }

    fn open(&mut self, kind: Kind, judge: &Judge) -> Result<(), Unreadable> {
        if self.levels.len() >= DEPTH_MAX {
            return Err(Unreadable::TooDeep { line: self.line });
        }
        let way = match self.levels.last() {
            None => Some(0),
            Some(_) => self.way(),
        };
        self.levels.push(Level {
            kind,
            name: String::new(),
            way,
            said: Said::default(),
            // The array of records is met before it is opened.
            around: kind == Kind::Records,
            before: Before::of(judge.counts()),
        });
        Ok(())
    }

    fn close(&mut self, object: bool, judge: &Judge) -> Result<(), Unreadable> {
        let level = self.levels.pop();
        let Some(level) = level.filter(|level| (level.kind == Kind::Object) == object) else {
            return Err(self.broken());
        };
        // What a layout names is what counts.
        let counts = level.around && self.envelope.count.is_none();
        let found = counts.then(|| level.before.found(judge.counts()));
        let mut around = self.levels.last_mut();
        let name = around.as_mut().map(|around| std::mem::take(&mut around.name));
        let around = around.map(|around| &mut around.said);
        level.said.end(name.as_deref().unwrap_or_default(), found, around)?;
        self.after_value();
        Ok(())
    }

    fn after_value(&mut self) {
        self.expect = if self.levels.is_empty() {
            Expect::Nothing
        } else {
            Expect::CommaOrEnd
        };
    }

    fn scalar(&mut self, text: String, judge: &mut Judge) -> Result<(), Unreadable> {
        let Some(level) = self.levels.last_mut() else {
            return Err(self.broken());
        };
        if level.kind == Kind::Records {
            judge.reject(self.line, None, RejectCode::NotAnObject);
        }
        if level.kind == Kind::Object {
            level.said.member(&level.name, &text, self.line)?;
        }
        if level.kind == Kind::Object
            && let Some(count) = &self.envelope.count
            && level.name.eq_ignore_ascii_case(count)
        {
            self.stated = Some(text);
        }
        self.after_value();
        Ok(())
    }

    /// What an array that begins here is.
    fn array(&mut self) -> Result<Kind, Unreadable> {
        let here = match self.levels.last() {
            // The document itself is the array, unless the stated way leads elsewhere.
            None => self.envelope.records.as_deref().is_none_or(<[_]>::is_empty),
            Some(level) if level.kind != Kind::Object => false,
            Some(_) if self.envelope.records.is_some() => self.way_ends(),
            Some(level) => {
                let in_objects = self.levels.iter().all(|level| level.kind == Kind::Object);
                in_objects && USUAL.iter().any(|usual| level.name.eq_ignore_ascii_case(usual))
            }
        };
        if !here {
            return Ok(Kind::Array);
        }
        if self.levels.is_empty() || self.envelope.records.is_some() {
            self.find()?;
            return Ok(Kind::Records);
        }
        Ok(Kind::Candidate)
    }

    /// How much of the stated way the value of the current member has behind it.
    fn way(&self) -> Option<usize> {
        let level = self.levels.last()?;
        let behind = level.way?;
        let names = self.envelope.records.as_deref()?;
        (level.kind == Kind::Object && names.get(behind)? == &level.name).then_some(behind + 1)
    }

    fn way_ends(&self) -> bool {
        self.way().is_some() && self.way() == self.envelope.records.as_deref().map(<[_]>::len)
    }

    fn check_count(&self, judge: &Judge) -> Result<(), Unreadable> {
        if self.envelope.count.is_none() {
            return Ok(());
        }
        let found = judge.counts().rows;
        let why = match self.stated.as_deref().map(|stated| stated.trim().parse::<u64>()) {
            Some(Ok(stated)) if stated == found => return Ok(()),
            Some(Ok(stated)) => TrailerFault::Rows { stated, found },
            Some(Err(_)) => TrailerFault::NoCount,
            None => TrailerFault::Absent,
        };
        Err(Unreadable::WrongTrailer { line: self.line, why })
    }

    fn broken(&self) -> Unreadable {
        Unreadable::NotThisFormat {
            line: self.line,
            expected: "a whole JSON document",
        }
    }
}

fn line_ends(text: &str) -> u64 {
    memchr::memchr_iter(b'\n', text.as_bytes()).count() as u64
}

/// Objects and arrays within each other, outside of records.
const DEPTH_MAX: usize = 32;

/// Under these names platforms send their rows.
const USUAL: [&str; 12] = [
    "data",
    "dataList",
    "data_list",
    "resultData",
    "rows",
    "row",
    "list",
    "records",
    "items",
    "result",
    "results",
    "dataset",
];
