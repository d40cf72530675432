//! CSV for people: rows as RFC 4180 has them, and cells that a spreadsheet does not take for formulas.
//!
//! Takes texts; gives quoted rows. Reports, `.err` files and `--format csv` are written with it. Data of extracts is not: there an empty text and
//! no value differ.

/// What a report begins with: a byte order mark, because Excel on a Chinese Windows reads a file without one as GBK.
pub(crate) const MARK: &str = "\u{feff}";

/// One row with its line end.
pub(crate) fn row<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<String> = cells
        .iter()
        .map(|text| cell(plain(text.as_ref()).as_str(), ','))
        .collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell, quoted where it must be.
pub(crate) fn cell(text: &str, delimiter: char) -> String {
    if text.contains([delimiter, '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A text that would be a formula gets a mark that it is text.
fn plain(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.len() > 1 {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{cell, row};

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_never_a_formula() {
        assert_eq!(
            row(&["a,\"b\"", "=1+1", "姓名", "-"]),
            "\"a,\"\"b\"\"\",'=1+1,姓名,-\r\n"
        );
        assert_eq!(cell("a|b", '|'), "\"a|b\"");
        assert_eq!(cell("a|b", ','), "a|b");
    }
}
