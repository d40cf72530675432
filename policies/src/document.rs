//! Reading TOML so that every fault is found at once and shown with its place.
//!
//! Takes the text of one file; gives typed values key by key. Refuses unknown keys (with the nearest known one), missing keys and
//! wrong types, and goes on, so that one run shows all of it. Line and column count characters, so an editor jumps to them, also
//! under Chinese text.

mod tidy;

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

pub use tidy::tidy;

/// One fault of one file, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file as it was named by the caller.
    pub file: String,
    /// First line is 1.
    pub line: usize,
    /// First character is 1; characters, not bytes.
    pub column: usize,
    /// The whole line.
    pub text: String,
    /// How many characters the fault spans, at least 1.
    pub width: usize,
    /// What is wrong, lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "error: {}", self.message)?;
        if self.line == 0 {
            write!(out, "  --> {}", self.file)?;
            return self.write_hint(out);
        }
        writeln!(out, "  --> {}:{}:{}", self.file, self.line, self.column)?;
        let number = self.line.to_string();
        let ahead = self.column.saturating_sub(1);
        let before: String = self.text.chars().take(ahead).collect();
        let under: String = self.text.chars().skip(ahead).take(self.width).collect();
        writeln!(out, "{number} | {}", self.text)?;
        write!(
            out,
            "{:pad$} | {}{}",
            "",
            " ".repeat(cells(&before)),
            "^".repeat(cells(&under).max(1)),
            pad = number.len()
        )?;
        self.write_hint(out)
    }
}

impl Fault {
    /// A fault of a file as a whole: it is missing, unreadable or should not be there. Its line is 0.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>, hint: Option<String>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            text: String::new(),
            width: 1,
            message: message.into(),
            hint,
        }
    }

    /// A fault of a line found after its document was closed; the caret stands under `word`, or under the whole line.
    pub(crate) fn of_line(
        file: &str,
        text: &str,
        line: usize,
        word: &str,
        message: String,
        hint: Option<String>,
    ) -> Self {
        let start: usize = text
            .split_inclusive('\n')
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum();
        let whole = text
            .get(start..)
            .and_then(|rest| rest.lines().next())
            .unwrap_or_default();
        let quoted = format!("\"{word}\"");
        let (at, width) = match (whole.find(&quoted), whole.find(word)) {
            (Some(at), _) => (at, quoted.len()),
            (None, Some(at)) => (at, word.len()),
            (None, None) => (0, whole.len()),
        };
        locate(file, text, start + at..start + at + width, message, hint)
    }

    fn write_hint(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            Some(hint) => write!(out, "\n   hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Terminal cells that a text takes: wide characters take two.
fn cells(text: &str) -> usize {
    text.chars()
        .map(|c| if matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{20000}'..='\u{3fffd}') { 2 } else { 1 })
        .sum()
}

/// One TOML file being read, collecting faults.
#[derive(Debug)]
pub struct Document<'s> {
    file: String,
    text: &'s str,
    faults: Vec<Fault>,
}

impl<'s> Document<'s> {
    /// Opens a text; syntax faults are collected and the readable rest is returned as the root table.
    pub fn parse(file: impl Into<String>, text: &'s str) -> (Self, Table<'s>) {
        let mut document = Self {
            file: file.into(),
            text,
            faults: Vec::new(),
        };
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            document.fault(span, error.message().to_owned(), None);
        }
        let span = root.span();
        let table = Table::new(String::new(), span, root.into_inner());
        (document, table)
    }

    /// Adds a fault found by the caller at a span that a [`Spanned`] value gave.
    pub fn fault(&mut self, span: Range<usize>, message: String, hint: Option<String>) {
        let fault = locate(&self.file, self.text, span, message, hint);
        self.faults.push(fault);
    }

    /// The file name it was opened with.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The 1-based line of a span, for citing a place that is not a fault.
    pub fn line(&self, span: &Range<usize>) -> usize {
        locate(&self.file, self.text, span.clone(), String::new(), None).line
    }

    /// A line as it stands.
    pub(crate) fn text_of(&self, line: usize) -> String {
        self.text
            .lines()
            .nth(line.saturating_sub(1))
            .unwrap_or_default()
            .to_owned()
    }

    /// How many faults were found so far.
    pub fn fault_count(&self) -> usize {
        self.faults.len()
    }

    /// Everything that was found wrong, in the order of the file.
    pub fn into_faults(mut self) -> Vec<Fault> {
        self.faults.sort_by_key(|fault| (fault.line, fault.column));
        self.faults
    }
}

fn locate(file: &str, text: &str, span: Range<usize>, message: String, hint: Option<String>) -> Fault {
    let start = floor_boundary(text, span.start);
    let end = floor_boundary(text, span.end).max(start);
    let before = text.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let rest = text.get(line_start..).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let spanned = text.get(start..end).unwrap_or_default();
    Fault {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        column: text.get(line_start..start).unwrap_or_default().chars().count() + 1,
        text: line.to_owned(),
        width: spanned.lines().next().unwrap_or_default().chars().count().max(1),
        message,
        hint,
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// One table of a document; keys are taken out of it one by one, what is left at the end is unknown.
#[derive(Debug)]
pub struct Table<'s> {
    path: String,
    span: Range<usize>,
    entries: Vec<(String, Range<usize>, Spanned<DeValue<'s>>)>,
    known: Vec<String>,
}

impl<'s> Table<'s> {
    fn new(path: String, span: Range<usize>, table: DeTable<'s>) -> Self {
        let entries = table
            .into_iter()
            .map(|(key, value)| (key.get_ref().to_string(), key.span(), value))
            .collect();
        Self {
            path,
            span,
            entries,
            known: Vec::new(),
        }
    }

    /// Where the table stands.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The keys not taken so far, with their places; for tables whose keys are names.
    pub fn keys(&self) -> Vec<(String, Range<usize>)> {
        self.entries
            .iter()
            .map(|(key, span, _)| (key.clone(), span.clone()))
            .collect()
    }

    /// Where the key stands, if it is there.
    pub fn span_of(&self, key: &str) -> Option<Range<usize>> {
        let entry = self.entries.iter().find(|(name, ..)| name == key)?;
        Some(entry.1.clone())
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, ..)| name == key)
    }

    /// Whether the key holds a table.
    pub(crate) fn holds_table(&self, key: &str) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|(name, _, value)| name == key && matches!(value.get_ref(), DeValue::Table(_)))
    }

    fn take(&mut self, key: &str) -> Option<Spanned<DeValue<'s>>> {
        self.known.push(key.to_owned());
        let at = self.entries.iter().position(|(name, ..)| name == key)?;
        Some(self.entries.swap_remove(at).2)
    }

    /// A value that must be there. `None` means that a fault was recorded.
    pub fn required<T: Deserialize<'s>>(&mut self, document: &mut Document<'s>, key: &str) -> Option<T> {
        if self.has(key) {
            return self.optional(document, key);
        }
        self.known.push(key.to_owned());
        let message = format!("`{}` is missing", self.name(key));
        document.fault(self.span.clone(), message, None);
        None
    }

    /// A value that may be absent; a wrong one is a fault.
    pub fn optional<T: Deserialize<'s>>(&mut self, document: &mut Document<'s>, key: &str) -> Option<T> {
        let value = self.take(key)?;
        let span = value.span();
        let deserializer: ValueDeserializer<'s> = value.into_deserializer();
        match T::deserialize(deserializer) {
            Ok(value) => Some(value),
            Err(error) => {
                let message = format!("`{}`: {}", self.name(key), error.message());
                document.fault(error.span().unwrap_or(span), message, None);
                None
            }
        }
    }

    /// A value with a default.
    pub fn or<T: Deserialize<'s>>(&mut self, document: &mut Document<'s>, key: &str, default: T) -> T {
        self.optional(document, key).unwrap_or(default)
    }

    /// A sub-table; absent gives `None` without a fault.
    pub fn table(&mut self, document: &mut Document<'s>, key: &str) -> Option<Table<'s>> {
        let value = self.take(key)?;
        let span = value.span();
        if let DeValue::Table(table) = value.into_inner() {
            return Some(Table::new(self.name(key), span, table));
        }
        document.fault(span, format!("`{}` must be a table", self.name(key)), None);
        None
    }

    /// An array of tables; absent gives an empty list.
    pub fn tables(&mut self, document: &mut Document<'s>, key: &str) -> Vec<Table<'s>> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let span = value.span();
        let DeValue::Array(items) = value.into_inner() else {
            document.fault(span, format!("`{}` must be a list of tables", self.name(key)), None);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items {
            let span = item.span();
            match item.into_inner() {
                DeValue::Table(table) => tables.push(Table::new(self.name(key), span, table)),
                _ => document.fault(span, format!("`{}` must hold tables only", self.name(key)), None),
            }
        }
        tables
    }

    /// Ends the table: every key that nobody took is a fault.
    pub fn finish(self, document: &mut Document<'s>) {
        for (key, span, _) in &self.entries {
            let hint = nearest(key, &self.known).map(|known| format!("did you mean `{known}`?"));
            document.fault(span.clone(), format!("unknown key `{}`", self.name(key)), hint);
        }
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

/// The known word nearest to a misspelt one, when it is near enough to be meant.
pub fn nearest<'k>(word: &str, known: &'k [String]) -> Option<&'k str> {
    known
        .iter()
        .map(|candidate| (distance(word, candidate), candidate.as_str()))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edit distance (Levenshtein), over characters.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(&b) {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = *cell;
            left = substituted.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_file_is_found_at_once_with_its_place() {
        let text = "名 = 1\n";
        let (document, _) = Document::parse("a.toml", text);
        assert!(!document.into_faults().is_empty(), "a bare Chinese key is no TOML");

        let text = "name = \"公安\"\nsise = 3\ncount = \"多\"\n";
        let (mut document, mut table) = Document::parse("a.toml", text);
        assert_eq!(table.required::<String>(&mut document, "name").as_deref(), Some("公安"));
        assert_eq!(table.optional::<u32>(&mut document, "size"), None);
        assert_eq!(table.required::<u32>(&mut document, "count"), None);
        assert_eq!(table.required::<u32>(&mut document, "gone"), None);
        table.finish(&mut document);
        let faults = document.into_faults();
        let places: Vec<_> = faults.iter().map(|f| (f.line, f.column, f.message.as_str())).collect();
        assert_eq!(places.len(), 3, "{places:?}");
        assert!(
            places
                .iter()
                .any(|(line, column, m)| (*line, *column) == (2, 1) && m.contains("unknown key `sise`"))
        );
        assert!(places.iter().any(|(line, column, _)| (*line, *column) == (3, 9)));
        assert!(faults.iter().any(|f| f.hint.as_deref() == Some("did you mean `size`?")));
    }
}
