//! A start tag of HTML: what it opens, and those of its attributes that matter.
//!
//! Takes names in small letters, as the tokenizer gives them; gives what matters of the attributes. Refuses nothing: what a declared charset is worth its
//! reader says.

use super::spans;

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
    /// A field of a form that shows its attribute `value`.
    Input,
    /// An element of a form that holds text: one of several, or what somebody may overwrite.
    Form,
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
    /// The charset that `<meta>` declares.
    pub(super) charset: Option<String>,
    /// `type` and `value` of `<input>`.
    kind: Option<String>,
    held: Option<String>,
    /// `name` and `content` of `<meta>`, the latter in small letters.
    called: Option<String>,
    content: Option<String>,
    /// Its style is that of what Excel puts around the text of a cell with a picture.
    wraps: bool,
    attribute: Attribute,
}

/// The attribute whose value comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attribute {
    Columns,
    Rows,
    Number,
    Style,
    Kind,
    Held,
    Called,
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
            b"script" | b"style" | b"noscript" | b"iframe" | b"xmp" | b"noembed" | b"noframe" => Self::Ignored,
            b"select" | b"textarea" => Self::Form,
            b"input" => Self::Input,
            b"p" | b"div" | b"li" | b"ul" | b"ol" | b"dl" | b"dt" | b"dd" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5"
            | b"h6" | b"hr" | b"pre" | b"center" | b"caption" | b"title" | b"head" | b"body" | b"html" | b"form"
            | b"fieldset" | b"blockquote" | b"address" | b"section" | b"article" | b"header" | b"footer" | b"main"
            | b"option" => Self::Block,
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
            charset: None,
            kind: None,
            held: None,
            called: None,
            content: None,
            wraps: false,
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
            b"type" if self.element == Element::Input => Attribute::Kind,
            b"value" if self.element == Element::Input => Attribute::Held,
            b"name" if self.is_meta => Attribute::Called,
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

    /// The value of the attribute that was named last. Of an attribute that comes twice the first counts.
    pub(super) fn value(&mut self, value: &[u8]) {
        let text = || String::from_utf8_lossy(value);
        let small = || text().trim().to_ascii_lowercase();
        match self.attribute {
            Attribute::Columns => self.columns = *self.columns_stated.get_or_insert(spans::span(value).max(1)),
            Attribute::Rows => self.rows = *self.rows_stated.get_or_insert(spans::span(value)),
            Attribute::Number => {
                let number = std::str::from_utf8(value).unwrap_or_default().trim();
                if matches!(self.told, Told::Number(_)) && (1..=NUMBER_BYTES_MAX).contains(&number.len()) {
                    self.told = Told::Number(number.to_owned());
                }
            }
            Attribute::Style => {
                let style = without_blanks(value);
                self.hidden |= style.contains("display:none");
                self.wraps |= style.contains("mso-ignore:vglayout2");
            }
            Attribute::Kind => drop(self.kind.get_or_insert_with(small)),
            Attribute::Held => drop(self.held.get_or_insert_with(|| text().into_owned())),
            Attribute::Called => drop(self.called.get_or_insert_with(small)),
            Attribute::Charset => drop(self.charset.get_or_insert_with(|| text().into_owned())),
            Attribute::Content => {
                let content = small();
                if let Some((_, named)) = content.split_once("charset=") {
                    let end = named.find([';', ' ', ',']).unwrap_or(named.len());
                    let named = named.get(..end).unwrap_or_default();
                    self.charset.get_or_insert_with(|| named.to_owned());
                }
                self.content.get_or_insert(content);
            }
            Attribute::Other => {}
        }
    }

    /// Whether it says that Excel wrote the page.
    pub(super) fn is_of_excel(&self) -> bool {
        let content = self.content.as_deref().unwrap_or_default();
        match self.called.as_deref() {
            Some("generator") => content.starts_with("microsoft excel"),
            Some("progid") => content == "excel.sheet",
            _ => false,
        }
    }

    /// The text that a field of a form shows.
    pub(super) fn shown_value(&self) -> Option<&str> {
        let kind = self.kind.as_deref().unwrap_or_default();
        self.held
            .as_deref()
            .filter(|_| !self.hidden && !UNSHOWN_KINDS.contains(&kind))
    }

    /// Whether it begins what Excel puts around the text of a cell with a picture.
    pub(super) fn is_wrapper(&self) -> bool {
        self.wraps && self.name.as_deref() == Some(b"span")
    }
}

/// A style without its blanks, in small letters.
fn without_blanks(style: &[u8]) -> String {
    let letters = style.iter().filter(|byte| !byte.is_ascii_whitespace());
    let style: Vec<u8> = letters.map(u8::to_ascii_lowercase).collect();
    String::from_utf8_lossy(&style).into_owned()
}

/// Fields of a form whose value is a name for a program, or the word on a button.
const UNSHOWN_KINDS: [&str; 7] = ["hidden", "checkbox", "radio", "button", "submit", "image", "reset"];

/// Elements without an end.
const VOID: [&[u8]; 13] = [
    b"area", b"base", b"br", b"col", b"embed", b"hr", b"img", b"input", b"link", b"meta", b"param", b"track", b"wbr",
];

/// No number takes more.
const NUMBER_BYTES_MAX: usize = 64;
