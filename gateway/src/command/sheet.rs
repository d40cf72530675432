//! Where the records of a workbook are, as options of `push`, `check` and `rejects`.
//!
//! Takes the options; gives the layout with them. Refuses them for a file that is no workbook, and what no layout can be.

use std::num::NonZeroU32;

use shuguan_adapters::layout::{HeaderRows, Layout, Sheet};

use super::exit::{Exit, Failure};

/// Of a workbook, each where it is not found by itself.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Of a workbook")]
pub(crate) struct SheetArgs {
    /// Name of the sheet, when the records are in another than the first with a known header.
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// Number of the sheet instead, from 1, hidden ones counted.
    #[arg(long, value_name = "N", conflicts_with = "sheet")]
    sheet_number: Option<NonZeroU32>,
    /// Rows above the header that hold titles, when they look like a header.
    #[arg(long, value_name = "N")]
    title_rows: Option<u32>,
    /// How many rows below the titles are the header, 1 or 2.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2))]
    header_rows: Option<u32>,
    /// Rows between the header and the first record that are none, such as column numbers.
    #[arg(long, value_name = "N")]
    skip_rows: Option<u32>,
    /// The records end above the row whose first filled cell begins with this text.
    #[arg(long, value_name = "TEXT")]
    footer: Option<String>,
}

impl SheetArgs {
    /// Whether none is given.
    pub(super) fn is_empty(&self) -> bool {
        let texts = self.sheet.is_none() && self.footer.is_none();
        let numbers = [self.title_rows, self.header_rows, self.skip_rows];
        texts && self.sheet_number.is_none() && numbers.iter().all(Option::is_none)
    }

    /// The layout with what was given.
    ///
    /// # Errors
    /// When the file is no workbook, or no layout can be so.
    pub(super) fn apply(&self, layout: Layout) -> Result<Layout, Failure> {
        if self.is_empty() {
            return Ok(layout);
        }
        let none = || {
            Failure::new(
                Exit::Usage,
                "`--sheet` and what goes with it are for workbooks, and this is none",
            )
            .then("leave them out")
        };
        let known = layout.sheet().ok_or_else(none)?.clone();
        let sheet = Sheet {
            // A number that is given goes before a name that a layout has.
            sheet: match self.sheet_number {
                Some(_) => None,
                None => self.sheet.as_deref().map(Into::into).or(known.sheet),
            },
            number: self.sheet_number.or(known.number),
            title_rows: self.title_rows.unwrap_or(known.title_rows),
            header_rows: self.header_rows.and_then(HeaderRows::of).or(known.header_rows),
            skip_rows: self.skip_rows.unwrap_or(known.skip_rows),
            footer: self.footer.as_deref().map(Into::into).or(known.footer),
            columns: known.columns,
        };
        let sheet = sheet
            .checked()
            .map_err(|fault| Failure::new(Exit::Usage, fault.to_string()))?;
        layout.with_sheet(sheet).ok_or_else(none)
    }
}
