//! A start tag of HTML: what it opens, and those of its attributes that matter.
//!
//! Takes names in small letters, as the tokenizer gives them. Refuses the declaration of a charset that is not read here.

use super::super::declared;
use super::spans;
use crate::decode::FileFault;

/// What an element is to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Table,
    Section,
    Row,
    Cell,
    /// `<br>`.
    Break,
    /// What stands in lines of its own.
    Block,
    /// What is in it is not shown.
    Ignored,
    Other,
}

/// What is told of a cell besides what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    /// It is this number; where none stands here, the one that is shown.
    Number(String),
    Truth,
    Error,
}

/// A start tag while it is read.
pub(super) struct Tag {
    pub(super) element: Element,
    pub(super) columns: u32,
    pub(super) rows: u32,
    pub(super) told: Told,
    pub(super) hidden: bool,
    columns_stated: Option<u32>,
    rows_stated: Option<u32>,
    /// Its name, of one that has an end.
    pub(super) name: Option<Vec<u8>>,
    is_meta: bool,
    attribute: Attribute,
}

/// The attribute whose value comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attribute {
    Columns,
    Rows,
    Number,
    Style,
    /// `charset` of `<meta>`.
    Charset,
    /// `content` of `<meta>`.
    Content,
    Other,
}

impl Element {
    pub(super) fn of(name: &[u8]) -> Self {
        match name {
            b"table" => Self::Table,
            b"thead" | b"tbody" | b"tfoot" => Self::Section,
            b"tr" => Self::Row,
            b"td" | b"th" => Self::Cell,
            b"br" => Self::Break,
            b"script" | b"style" | b"noscript" | b"iframe" | b"xmp" | b"noembed" | b"noframe" | b"textarea" => {
                Self::Ignored
            }
            b"p" | b"div" | b"li" | b"ul" | b"ol" | b"dl" | b"dt" | b"dd" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5"
            | b"h6" | b"hr" | b"pre" | b"center" | b"caption" | b"title" | b"head" | b"body" | b"html" | b"form"
            | b"fieldset" | b"blockquote" | b"address" | b"section" | b"article" | b"header" | b"footer" | b"main"
            | b"select" | b"option" => Self::Block,
            _ => Self::Other,
        }
    }
}

impl Tag {
    pub(super) fn new(name: &[u8]) -> Self {
        Self {
            element: Element::of(name),
            columns: 1,
            rows: 1,
            told: Told::Nothing,
            hidden: false,
            columns_stated: None,
            rows_stated: None,
            name: (!VOID.contains(&name)).then(|| name.to_vec()),
            is_meta: name == b"meta",
            attribute: Attribute::Other,
        }
    }

    /// The name of an attribute; perhaps its value follows.
    pub(super) fn name(&mut self, name: &[u8]) {
        self.attribute = match name {
            b"colspan" => Attribute::Columns,
            b"rowspan" => Attribute::Rows,
            b"x:num" => Attribute::Number,
            b"style" => Attribute::Style,
            b"charset" if self.is_meta => Attribute::Charset,
            b"content" if self.is_meta => Attribute::Content,
            _ => Attribute::Other,
        };
        match name {
            b"hidden" => self.hidden = true,
            b"x:num" if self.told == Told::Nothing => self.told = Told::Number(String::new()),
            b"x:err" => self.told = Told::Error,
            b"x:bool" => self.told = Told::Truth,
            _ => {}
        }
    }

    pub(super) fn value(&mut self, value: &[u8]) -> Result<(), FileFault> {
        match self.attribute {
            // Of an attribute that comes twice the first counts.
            Attribute::Columns => self.columns = *self.columns_stated.get_or_insert(spans::span(value).max(1)),
            Attribute::Rows => self.rows = *self.rows_stated.get_or_insert(spans::span(value)),
            Attribute::Number => {
                let number = std::str::from_utf8(value).unwrap_or_default().trim();
                if matches!(self.told, Told::Number(_)) && (1..=NUMBER_BYTES_MAX).contains(&number.len()) {
                    self.told = Told::Number(number.to_owned());
                }
            }
            Attribute::Style => self.hidden |= hides(value),
            Attribute::Charset => return declared(&String::from_utf8_lossy(value)),
            Attribute::Content => {
                let value = String::from_utf8_lossy(value).to_ascii_lowercase();
                if let Some((_, named)) = value.split_once("charset=") {
                    let end = named.find([';', ' ', ',']).unwrap_or(named.len());
                    return declared(named.get(..end).unwrap_or_default());
                }
            }
            Attribute::Other => {}
        }
        Ok(())
    }
}

/// Whether a style says `display: none`.
fn hides(style: &[u8]) -> bool {
    let letters = style.iter().filter(|byte| !byte.is_ascii_whitespace());
    let style: Vec<u8> = letters.map(u8::to_ascii_lowercase).collect();
    memchr::memmem::find(&style, b"display:none").is_some()
}

/// Elements without an end.
const VOID: [&[u8]; 13] = [
    b"area", b"base", b"br", b"col", b"embed", b"hr", b"img", b"input", b"link", b"meta", b"param", b"track", b"wbr",
];

/// No number takes more.
const NUMBER_BYTES_MAX: usize = 64;
