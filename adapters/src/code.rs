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
}

impl CodeTable {
    /// The canonical code for what a source sent: the code itself, its meaning or a listed spelling, ASCII letters in any case; a code of
    /// digits with zeros before it too many or too few.
    pub fn canonical(&self, sent: &str) -> Option<&'static str> {
        if let Ok(at) = self.rows.binary_search_by(|row| row.code.cmp(sent)) {
            return self.rows.get(at).map(|row| row.code);
        }
        let spelt = |row: &&CodeRow| {
            row.zh == sent
                || row
                    .spellings
                    .iter()
                    .chain([&row.code])
                    .any(|spelling| spelling.eq_ignore_ascii_case(sent))
        };
        self.rows
            .iter()
            .find(spelt)
            .or_else(|| self.same_number(sent))
            .map(|row| row.code)
    }

    fn same_number(&self, sent: &str) -> Option<&CodeRow> {
        let number = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| text.parse::<u32>().ok())
                .flatten()
        };
        let sent = number(sent)?;
        self.rows.iter().find(|row| number(row.code) == Some(sent))
    }
}
