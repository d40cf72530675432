//! Code tables: the values that a coded field may take, with the spellings under which sources send them.
//!
//! Takes a source's value; gives the canonical code. An unknown value is a reject, never passed through.

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
    /// The canonical code for what a source sent: the code itself, its meaning, or a listed spelling, all exact.
    pub fn canonical(&self, sent: &str) -> Option<&'static str> {
        self.rows
            .iter()
            .find(|row| row.code == sent || row.zh == sent || row.spellings.contains(&sent))
            .map(|row| row.code)
    }
}
