//! Cells over several rows and columns → the columns that are free in a row.
//!
//! Takes what each such cell covers; gives where the next cell of a row stands. Every column looked at is counted, so that no table costs more than
//! any table of people does.

use super::super::{COLUMNS_MAX, ROWS_MAX};
use super::DAMAGED;
use crate::decode::FileFault;

/// The columns of a table that cells of rows above reach into.
#[derive(Default)]
pub(super) struct Spans {
    /// Of each column the last row that is covered.
    until: Vec<u32>,
    /// The last row that any is covered in.
    last: u32,
}

/// How many columns were looked at, of a whole page.
#[derive(Default)]
pub(super) struct Steps(u64);

impl Steps {
    fn take(&mut self, steps: usize) -> Result<(), FileFault> {
        self.0 = self.0.saturating_add(steps as u64);
        if self.0 > STEPS_MAX {
            return Err(DAMAGED);
        }
        Ok(())
    }
}

impl Spans {
    /// The first column from this one on that nothing reaches into.
    pub(super) fn free(&self, column: u32, line: u32, steps: &mut Steps) -> Result<u32, FileFault> {
        if self.last < line {
            return Ok(column);
        }
        let rest = self.until.get(column as usize..).unwrap_or_default();
        let covered = rest.iter().take_while(|until| **until >= line).count();
        steps.take(covered)?;
        Ok(column.saturating_add(u32::try_from(covered).unwrap_or(u32::MAX)))
    }

    /// A cell covers so many columns up to the row `last`.
    pub(super) fn cover(&mut self, column: u32, columns: u32, last: u32, steps: &mut Steps) -> Result<(), FileFault> {
        let end = column.saturating_add(columns) as usize;
        steps.take(columns as usize)?;
        if self.until.len() < end {
            self.until.resize(end, 0);
        }
        // Cells may lie over each other.
        for until in self.until.get_mut(column as usize..end).unwrap_or_default() {
            *until = last.max(*until);
        }
        self.last = self.last.max(last);
        Ok(())
    }

    /// No cell reaches beyond its section of the table.
    pub(super) fn end(&mut self, line: u32, steps: &mut Steps) -> Result<(), FileFault> {
        if self.last > line {
            steps.take(self.until.len())?;
            self.until.fill(0);
            self.last = 0;
        }
        Ok(())
    }
}

/// The number that an attribute begins with, 1 where it has none; beyond any sheet it is as good as any other.
pub(super) fn span(value: &[u8]) -> u32 {
    let digits = value.trim_ascii_start().iter().take_while(|byte| byte.is_ascii_digit());
    let mut digits = digits.peekable();
    if digits.peek().is_none() {
        return 1;
    }
    digits.fold(0, |sum: u32, digit| {
        sum.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
    })
}

/// The column behind a cell over so many columns; none beyond the last that a sheet has.
pub(super) fn behind(column: u32, columns: u32) -> Result<u32, FileFault> {
    let end = column.saturating_add(columns);
    if end > COLUMNS_MAX { Err(DAMAGED) } else { Ok(end) }
}

/// The last row of a cell over so many rows; 0 stands for all to come.
pub(super) fn last_row(line: u32, rows: u32) -> u32 {
    if rows == 0 {
        return ROWS_MAX;
    }
    line.saturating_add(rows - 1).min(ROWS_MAX)
}

/// Some seconds' work at the most: a million rows with sixty merged columns each.
const STEPS_MAX: u64 = 1 << 26;
