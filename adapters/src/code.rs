//! Code tables: the values that a coded field may take, with the spellings under which sources send them.
//!
//! Takes a source's value; gives the canonical code. An unknown value is a reject, never passed through.

pub mod nationality;
pub mod tables;

/// One table, e.g. GB/T 2261.1 (sex).
#[derive(Debug)]
pub struct CodeTable {
    /// Short name, e.g. `sex`.
    pub name: &'static str,
    /// Where it comes from, e.g. `GB/T 2261.1`.
    pub standard: &'static str,
    /// The codes, in ascending order.
    pub rows: &'static [CodeRow],
    /// What one source writes for a code, `(as sent, code)`, where it has codes of its own.
    pub sent: &'static [(&'static str, &'static str)],
    /// The source has codes of its own, or none: those of the rows mean nothing there, because `10` is a resident card to the company register and
    /// a martyr's family to the social-insurance office.
    own: bool,
    /// By the place of a code of one or two digits ([`place`]): one more than its row, or 0.
    places: [u8; PLACES],
}

/// One code with its meaning and accepted spellings.
#[derive(Debug)]
pub struct CodeRow {
    /// Canonical code.
    pub code: &'static str,
    /// Chinese meaning; accepted as a spelling.
    pub zh: &'static str,
    /// Further accepted spellings.
    pub spellings: &'static [&'static str],
    /// Its first bytes as a number: finding a code compares numbers, not texts.
    number: u64,
}

impl CodeRow {
    /// One row.
    pub(crate) const fn new(code: &'static str, zh: &'static str, spellings: &'static [&'static str]) -> Self {
        Self {
            code,
            zh,
            spellings,
            number: number(code),
        }
    }
}

impl CodeTable {
    /// One table, its rows in the order of their codes.
    #[expect(clippy::indexing_slicing, reason = "tables are made by the compiler")]
    pub(crate) const fn new(name: &'static str, standard: &'static str, rows: &'static [CodeRow]) -> Self {
        let mut places = [0; PLACES];
        let mut rest = rows;
        let mut row: u8 = 1;
        while let [first, after @ ..] = rest {
            if let Some(at) = place(first.code.as_bytes()) {
                places[at] = row;
            }
            row = row.saturating_add(1);
            rest = after;
        }
        Self {
            name,
            standard,
            rows,
            sent: &[],
            own: false,
            places,
        }
    }

    /// The same meanings as one source sends them: in codes of its own, in words, and in no other codes; with none, in words alone. Declared in
    /// the module of its agency: nobody else reads its codes, and it is read by nobody else's.
    #[must_use]
    pub const fn sent_by(
        &self,
        name: &'static str,
        standard: &'static str,
        sent: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self {
            name,
            standard,
            rows: self.rows,
            sent,
            own: true,
            places: self.places,
        }
    }

    /// The canonical code for what a source sent: a code of its own or, where it has none, the code itself; the meaning or a listed spelling, ASCII
    /// letters in any case; a code of digits with zeros before it too many or too few.
    pub fn canonical(&self, sent: &str) -> Option<&'static str> {
        if let Some(code) = self.exact(sent) {
            return Some(code);
        }
        let own = |(own, _): &&(&str, &str)| own.eq_ignore_ascii_case(sent) || is_same_number(own, sent);
        if let Some((_, code)) = self.sent.iter().find(own) {
            return Some(code);
        }
        let spelt =
            |row: &&CodeRow| row.zh == sent || self.spellings(row).any(|other| other.eq_ignore_ascii_case(sent));
        let same = |row: &&CodeRow| !self.own && is_same_number(row.code, sent);
        self.rows
            .iter()
            .find(spelt)
            .or_else(|| self.rows.iter().find(same))
            .map(|row| row.code)
    }

    /// How a row may be spelt besides its meaning: digits are a code of somebody else where the source has its own.
    fn spellings(&self, row: &CodeRow) -> impl Iterator<Item = &'static str> {
        let is_code = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let spellings = row
            .spellings
            .iter()
            .copied()
            .filter(move |text| !self.own || !is_code(text));
        spellings.chain((!self.own).then_some(row.code))
    }

    /// Whether it is what one source sends: what is canonical means nothing or something else there.
    pub fn is_of_a_source(&self) -> bool {
        self.own
    }

    /// The canonical code that this is, whatever the source writes for it.
    pub fn code(&self, text: &str) -> Option<&'static str> {
        self.rows.iter().map(|row| row.code).find(|code| *code == text)
    }

    /// The code itself, where the source has no codes of its own.
    pub(crate) fn exact(&self, sent: &str) -> Option<&'static str> {
        if self.own {
            return None;
        }
        if let Some(at) = place(sent.as_bytes()) {
            let row = usize::from(*self.places.get(at)?).checked_sub(1)?;
            return Some(self.rows.get(row)?.code);
        }
        let at = self.rows.binary_search_by_key(&number(sent), |row| row.number).ok()?;
        let code = self.rows.get(at)?.code;
        // Up to eight bytes the numbers have said it all.
        (code.len() == sent.len() && (code.len() <= 8 || code == sent)).then_some(code)
    }

    /// What this source writes for a canonical code: its own code, or the code itself unless that means nothing or something else to it; then
    /// the meaning.
    pub fn written(&self, code: &str) -> Option<&'static str> {
        let row = self.rows.iter().find(|row| row.code == code)?;
        let own = self.sent.iter().find(|(_, canonical)| *canonical == code);
        Some(match own {
            Some((own, _)) => own,
            None if self.canonical(row.code) == Some(row.code) => row.code,
            None => row.zh,
        })
    }
}

/// Places of codes of one and of two digits.
const PLACES: usize = 110;

/// The place of a code of one or two digits; none of any other.
const fn place(code: &[u8]) -> Option<usize> {
    match code {
        [one @ b'0'..=b'9'] => Some(100 + (*one - b'0') as usize),
        [ten @ b'0'..=b'9', one @ b'0'..=b'9'] => Some((*ten - b'0') as usize * 10 + (*one - b'0') as usize),
        _ => None,
    }
}

/// The first eight bytes of a text as a number, the first byte the highest: in the order of the texts, and no two codes of a table share one.
const fn number(text: &str) -> u64 {
    if let Some(first) = text.as_bytes().first_chunk() {
        return u64::from_be_bytes(*first);
    }
    let mut number = 0;
    let mut blank = u64::BITS;
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        number = number << 8 | *byte as u64;
        blank -= 8;
        rest = after;
    }
    number.unbounded_shl(blank)
}

/// Whether both are digits, and the same but for zeros before them.
fn is_same_number(one: &str, other: &str) -> bool {
    let number = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse::<u32>().ok())
            .flatten()
    };
    number(one).is_some_and(|one| number(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{nationality, number, tables};

    #[test]
    fn every_code_is_found_as_itself() {
        for table in tables::ALL.iter().copied().chain([&nationality::NATIONALITY]) {
            for row in table.rows {
                assert_eq!(table.canonical(row.code), Some(row.code), "{}", table.name);
            }
            assert!(
                table.rows.is_sorted_by(|one, next| one.number < next.number),
                "{}",
                table.name
            );
        }
    }

    proptest! {
        #[test]
        fn numbers_of_texts_are_in_the_order_of_the_texts(one in "[^\\x00]{0,3}|[0-9A-Z]{0,15}", other in "[^\\x00]{0,3}|[0-9A-Z]{0,15}") {
            if number(&one) < number(&other) {
                prop_assert!(one < other);
            }
        }
    }
}
