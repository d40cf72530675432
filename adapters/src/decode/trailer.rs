//! The last line of a file: how many records there were, and the sums of their columns.
//!
//! Takes each record's texts, then the line; refuses the batch when a count or a sum does not hold, when something follows, or when the line
//! never comes. What a record is worth does not matter here: rejects count as well.

use super::Unreadable;
use crate::layout::Trailer;
use crate::value::trimmed;

/// What the records of a file come to.
#[derive(Default)]
pub(crate) struct Tally {
    rows: u64,
    /// Column (none when the file has none of that name) and sum so far, in millionths; none when a value is no number.
    sums: Vec<(Option<usize>, Option<i128>)>,
    closed: bool,
}

/// Why a trailer does not hold. Names counts, never a sum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrailerFault {
    /// Another number of records.
    #[error("it states {stated} records, but there are {found}")]
    Rows {
        /// As the line says.
        stated: u64,
        /// As counted.
        found: u64,
    },
    /// The number of records is no number.
    #[error("it states no number of records")]
    NoCount,
    /// A column's sum is another, or no number.
    #[error("its sum of column `{column}` does not hold")]
    Sum {
        /// As the deployment names it.
        column: String,
    },
    /// Something follows.
    #[error("it is not the last line")]
    NotLast,
    /// It never came.
    #[error("it is missing")]
    Absent,
}

impl Tally {
    /// A tally for a file with these columns.
    pub(crate) fn over<'a, P>(trailer: &Trailer<P>, columns: impl Iterator<Item = &'a str> + Clone) -> Self {
        let place = |name: &str| {
            let name = super::fold_header(name);
            columns.clone().position(|column| super::fold_header(column) == name)
        };
        Self {
            sums: trailer
                .sums
                .iter()
                .map(|total| (place(&total.column), Some(0)))
                .collect(),
            ..Self::default()
        }
    }

    /// Whether a line with this first field is the trailer.
    pub(crate) fn is_trailer(&self, mark: &str, first: &str, line: u64) -> Result<bool, Unreadable> {
        if self.closed {
            return Err(fault(line, TrailerFault::NotLast));
        }
        Ok(first == mark || trimmed(first) == mark)
    }

    /// One more record.
    pub(crate) fn add<'a>(&mut self, text: impl Fn(usize) -> &'a str) {
        self.rows += 1;
        for (column, sum) in &mut self.sums {
            let value = column.and_then(|column| millionths(text(column)));
            *sum = value.zip(*sum).and_then(|(value, sum)| sum.checked_add(value));
        }
    }

    /// The trailer itself.
    pub(crate) fn check<'a, P>(
        &mut self,
        trailer: &Trailer<P>,
        text: impl Fn(&P) -> &'a str,
        line: u64,
    ) -> Result<(), Unreadable> {
        self.closed = true;
        match trimmed(text(&trailer.count)).parse() {
            Ok(stated) if stated == self.rows => {}
            Ok(stated) => {
                let found = self.rows;
                return Err(fault(line, TrailerFault::Rows { stated, found }));
            }
            Err(_) => return Err(fault(line, TrailerFault::NoCount)),
        }
        for (total, (_, sum)) in trailer.sums.iter().zip(&self.sums) {
            if sum.is_none() || millionths(text(&total.at)) != *sum {
                let column = total.column.clone();
                return Err(fault(line, TrailerFault::Sum { column }));
            }
        }
        Ok(())
    }

    /// Nothing follows.
    pub(crate) fn finish(&self, line: u64) -> Result<(), Unreadable> {
        if self.closed {
            Ok(())
        } else {
            Err(fault(line, TrailerFault::Absent))
        }
    }
}

fn fault(line: u64, why: TrailerFault) -> Unreadable {
    Unreadable::WrongTrailer { line, why }
}

/// A decimal number of at most 24 digits before and 6 behind the point; nothing is 0.
fn millionths(text: &str) -> Option<i128> {
    let text = trimmed(text);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() > 24 || fraction.len() > 6 || (whole.is_empty() && !fraction.is_empty()) {
        return None;
    }
    let mut number = 0_i128;
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
        number = number * 10 + digit;
    }
    for _ in fraction.len()..6 {
        number *= 10;
    }
    Some(sign * number)
}
