//! A cell of a table while it is read: what it shows, and what stands beside that.
//!
//! Takes text as it comes; gives the cell to its row. What is hidden, and what stands in elements of forms, is no part of what it shows; such a cell, and
//! one with a table in it, is spoiled: no value, whatever it shows, since nobody can tell which of the two is meant. Says whether a spoiled cell bears a
//! secrecy mark in any part of it.

use super::tag::Told;
use crate::decode::secrecy;
use crate::decode::sheet::{Cell, Form, SheetRow};
use crate::reject::RejectCode;

/// How a text stands in its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Shown,
    Hidden,
    /// In a hidden `<span>` of a page of Excel, which hides so the end of what is too wide for its column.
    Cut,
    /// In an element of a form.
    Form,
}

/// An open cell.
pub(super) struct OpenCell {
    pub(super) column: u32,
    /// Where its text begins in that of the row.
    start: usize,
    told: Told,
    /// A blank or line break that counts when a word follows.
    pending: Option<char>,
    /// It holds a table or an element of a form.
    is_spoiled: bool,
    /// The parts of its text that are not shown, from and to.
    aside: Vec<(usize, usize)>,
    /// Whether all of them are what Excel cuts.
    only_cut: bool,
}

impl OpenCell {
    pub(super) fn new(column: u32, told: Told, row: &SheetRow) -> Self {
        Self {
            column,
            start: row.text_len(),
            told,
            pending: None,
            is_spoiled: false,
            aside: Vec::new(),
            only_cut: true,
        }
    }

    pub(super) fn spoil(&mut self) {
        self.is_spoiled = true;
    }

    /// What is told by the tag of a cell within it.
    pub(super) fn tell(&mut self, told: &Told) {
        if self.told == Told::Nothing {
            self.told = told.clone();
        }
    }

    pub(super) fn line_break(&mut self) {
        self.pending = Some('\n');
    }

    /// Text of it.
    pub(super) fn text(&mut self, text: &str, manner: Manner, row: &mut SheetRow) {
        // What is hidden and says nothing hides nothing.
        if manner != Manner::Shown && text.trim().is_empty() {
            return;
        }
        let before = row.text_len();
        self.words(text, row);
        match manner {
            Manner::Shown => return,
            Manner::Cut => {}
            Manner::Hidden => self.only_cut = false,
            Manner::Form => self.is_spoiled = true,
        }
        match self.aside.last_mut() {
            Some((_, end)) if *end == before => *end = row.text_len(),
            _ => self.aside.push((before, row.text_len())),
        }
    }

    fn words(&mut self, text: &str, row: &mut SheetRow) {
        let mut rest = text;
        while !rest.is_empty() {
            let words = rest.trim_start_matches(is_blank);
            if words.len() < rest.len() {
                self.pending.get_or_insert(' ');
            }
            let (word, after) = words.split_at(words.find(is_blank).unwrap_or(words.len()));
            if !word.is_empty() {
                let begun = row.text_len() > self.start;
                row.text_mut().extend(self.pending.take().filter(|_| begun));
                row.text_mut().push_str(word);
            }
            rest = after;
        }
    }

    /// Gives it to its row, unless it says nothing. Gives whether a spoiled one bears a secrecy mark.
    pub(super) fn close(self, row: &mut SheetRow) -> bool {
        if self.is_spoiled || !self.aside.is_empty() && !self.is_cut(row) {
            return self.close_spoiled(row);
        }
        if row.text_len() > self.start {
            let held = held(self.start, self.told, row);
            row.push(self.column, held);
        }
        false
    }

    fn close_spoiled(self, row: &mut SheetRow) -> bool {
        let shown = self.shown(row);
        let marked = self.is_marked(&shown, row);
        row.text_mut().truncate(self.start);
        row.text_mut().push_str(&shown);
        row.push(
            self.column,
            Cell::Spoiled(self.start, row.text_len(), RejectCode::ErrorCell),
        );
        marked
    }

    /// Whether all of it is a secrecy mark, or a line of what it shows or does not show.
    fn is_marked(&self, shown: &str, row: &SheetRow) -> bool {
        let aside = self.aside.iter().map(|(start, end)| row.own(*start, *end));
        let mut parts = aside.chain([shown]);
        let is_all = secrecy::is_mark(row.own(self.start, row.text_len()));
        is_all || parts.any(|part| secrecy::in_row(part.trim().lines()))
    }

    /// Its text without what is not shown.
    fn shown(&self, row: &SheetRow) -> String {
        let mut shown = String::new();
        let mut from = self.start;
        for (start, end) in &self.aside {
            shown.push_str(row.own(from, *start));
            from = *end;
        }
        shown.push_str(row.own(from, row.text_len()));
        shown.trim().to_owned()
    }

    /// Whether only its end is not shown, and cut by Excel.
    fn is_cut(&self, row: &SheetRow) -> bool {
        let [(start, end)] = *self.aside.as_slice() else {
            return false;
        };
        self.only_cut && start > self.start && end == row.text_len()
    }
}

/// What a cell holds whose text begins there.
fn held(start: usize, told: Told, row: &mut SheetRow) -> Cell {
    let end = row.text_len();
    let shown = row.own(start, end);
    match told {
        Told::Error => Cell::Spoiled(start, end, RejectCode::ErrorCell),
        // What a reference to no character becomes.
        _ if shown.contains(char::REPLACEMENT_CHARACTER) => Cell::Spoiled(start, end, RejectCode::BadEncoding),
        Told::Truth if shown.eq_ignore_ascii_case("true") => Cell::Truth(true),
        Told::Truth if shown.eq_ignore_ascii_case("false") => Cell::Truth(false),
        // A number keeps 15 digits, however many are shown.
        Told::Number(_) if shown.len() > 15 && shown.bytes().all(|byte| byte.is_ascii_digit()) => {
            Cell::Written(start, end, Form::Plain)
        }
        Told::Number(number) if !number.is_empty() && hides_digits(shown) => written(&number, start, row),
        Told::Number(number) if is_grouped(shown, &number) => written(&shown.replace(',', ""), start, row),
        Told::Truth | Told::Number(_) | Told::Nothing => Cell::Text(start, end),
    }
}

/// A number instead of what the cell shows from there on.
fn written(number: &str, start: usize, row: &mut SheetRow) -> Cell {
    row.text_mut().truncate(start);
    row.text_mut().push_str(number);
    Cell::Written(start, row.text_len(), Form::Plain)
}

/// What HTML takes for a blank between words.
fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

/// Whether a number is shown as `3.2E+17`, or as the `###` of a narrow column.
fn hides_digits(shown: &str) -> bool {
    shown.bytes().all(|byte| byte == b'#') || shown.contains(['E', 'e']) && shown.parse::<f64>().is_ok()
}

/// Whether a number is shown with marks between its thousands, rounded perhaps.
fn is_grouped(shown: &str, number: &str) -> bool {
    let read = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    let pair = read(number).zip(read(&shown.replace(',', "")));
    shown.contains(',') && pair.is_some_and(|(number, shown)| (number - shown).abs() < 1.0)
}
