//! Which of a source's open rows speaks about a person or a unit, where it has several. Takes the source's table; gives a SELECT of that row's key.
//!
//! The newest, as the source dates it; of deaths one that states the day comes before. Datasets and comparisons ask the same, so that what a source has
//! corrected is gone from both.

use super::dialect::Dialect;
use super::schema::TableSpec;

const NEWEST: &str = "x._source_us DESC, x._leaf DESC, x._row DESC LIMIT 1";

/// The rows of one source.
pub(super) struct Speaking<'t> {
    dialect: Dialect,
    table: &'t TableSpec,
    /// Rows with this column come before newer ones without it.
    prefer: Option<&'static str>,
}

impl<'t> Speaking<'t> {
    pub(super) fn of(dialect: Dialect, table: &'t TableSpec, prefer: Option<&'static str>) -> Self {
        let prefer = prefer.filter(|column| table.column(column).is_some());
        Self { dialect, table, prefer }
    }

    /// Of the rows whose `column` is `number`.
    pub(super) fn under(&self, column: &str, number: &str) -> String {
        format!(
            "(SELECT x._key FROM {} x WHERE x.{column} = {number} AND x._open <> 0 ORDER BY {}{NEWEST})",
            self.table.name,
            self.preferred()
        )
    }

    /// Of the rows about who has several numbers, of which `subject` is in force: what is said under that one comes before what is newer.
    pub(super) fn of_person(&self, column: &str, subject: &str) -> String {
        format!(
            "(SELECT x._key FROM person n CROSS JOIN {} x WHERE n.subject = {subject} AND x.{column} = n.citizen_id AND x._open <> 0 \
             ORDER BY {}{}, {NEWEST})",
            self.table.name,
            self.preferred(),
            self.dialect.flag(&format!("x.{column} <> n.subject"))
        )
    }

    fn preferred(&self) -> String {
        let prefer = self.prefer.map(|column| format!("x.{column} IS NULL, "));
        prefer.unwrap_or_default()
    }
}
