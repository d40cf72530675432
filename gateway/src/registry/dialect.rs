//! The few places where the SQL of the stores differs.
//!
//! Takes texts of SQL; gives them as SQLite or PostgreSQL has them. Refuses nothing: what it is given is ours.

use super::schema::ColumnType;

/// Which store's SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// Parameter `number`, from 1.
    pub(super) fn place(self, number: usize) -> String {
        match self {
            Self::Sqlite => "?".to_owned(),
            Self::Postgres => format!("${number}"),
        }
    }

    /// Behind a SELECT in brackets that is selected from.
    pub(super) fn derived(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " AS derived",
        }
    }

    /// A list of texts, bound as the first parameter, to be selected from.
    pub(super) fn listed(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT value FROM json_each(?1)",
            Self::Postgres => "SELECT * FROM unnest($1::text[])",
        }
    }

    /// Rows of that many texts, bound as one list on SQLite and as a list a column on PostgreSQL, to be selected from.
    pub(super) fn given(self, columns: usize) -> String {
        match self {
            Self::Sqlite => {
                let cells: Vec<String> = (0..columns).map(|place| format!("value ->> {place}")).collect();
                format!("SELECT {} FROM json_each(?1)", cells.join(", "))
            }
            Self::Postgres => {
                let lists: Vec<String> = (1..=columns).map(|place| format!("${place}::text[]")).collect();
                format!("SELECT * FROM unnest({})", lists.join(", "))
            }
        }
    }

    /// A day as a text, `YYYY-MM-DD`.
    pub(super) fn day_text(self, day: &str) -> String {
        match self {
            Self::Sqlite => day.to_owned(),
            Self::Postgres => format!("to_char({day}, 'YYYY-MM-DD')"),
        }
    }

    /// The number of an exchange as a text, with or without hyphens.
    pub(super) fn id_text(self, id: &str) -> String {
        match self {
            Self::Sqlite => format!("hex({id})"),
            Self::Postgres => format!("CAST({id} AS text)"),
        }
    }

    /// The number of an exchange out of a text with hyphens.
    pub(super) fn id_of(self, text: &str) -> String {
        match self {
            Self::Sqlite => format!("unhex({text}, '-')"),
            Self::Postgres => format!("CAST({text} AS uuid)"),
        }
    }

    /// The month of a day as the catalogue writes months, `yyyyMM`.
    pub(super) fn month_of(self, day: &str) -> String {
        match self {
            Self::Sqlite => format!("substr({day}, 1, 4) || substr({day}, 6, 2)"),
            Self::Postgres => format!("to_char({day}, 'YYYYMM')"),
        }
    }

    /// The year of a day, `yyyy`.
    pub(super) fn year_of(self, day: &str) -> String {
        match self {
            Self::Sqlite => format!("substr({day}, 1, 4)"),
            Self::Postgres => format!("to_char({day}, 'YYYY')"),
        }
    }

    pub(super) fn null(self, kind: ColumnType) -> String {
        match (self, kind) {
            (Self::Sqlite, ColumnType::Text | ColumnType::Date) => "CAST(NULL AS TEXT)".to_owned(),
            (Self::Sqlite, _) => "CAST(NULL AS INTEGER)".to_owned(),
            // A view that is replaced must keep each column's type and collation.
            (Self::Postgres, ColumnType::Text) => "CAST(NULL AS text) COLLATE \"C\"".to_owned(),
            (Self::Postgres, kind) => format!("CAST(NULL AS {})", super::postgres::sql(kind)),
        }
    }

    pub(super) fn never(self) -> &'static str {
        match self {
            Self::Sqlite => "0",
            Self::Postgres => "false",
        }
    }

    /// Whether a text begins with that many digits, the first no nought, and then, where one is named, with one of these characters.
    pub(super) fn digits(self, text: &str, count: usize, then: &str) -> String {
        let more = count.saturating_sub(1);
        match self {
            Self::Sqlite => format!("{text} GLOB '[1-9]{}{then}*'", "[0-9]".repeat(more)),
            Self::Postgres => format!("{text} ~ '^[1-9][0-9]{{{more}}}{then}'"),
        }
    }

    pub(super) fn greatest(self) -> &'static str {
        match self {
            Self::Sqlite => "max",
            Self::Postgres => "greatest",
        }
    }

    /// 1 where the condition holds, else 0.
    pub(super) fn flag(self, condition: &str) -> String {
        match self {
            Self::Sqlite => format!("({condition})"),
            Self::Postgres => format!("({condition})::int"),
        }
    }

    /// A text made of literals.
    pub(super) fn word(self, literals: &str) -> String {
        match self {
            Self::Sqlite => literals.to_owned(),
            Self::Postgres => format!("({literals}) COLLATE \"C\""),
        }
    }

    /// A moment out of microseconds.
    pub(super) fn instant(self, micros: &str) -> String {
        match self {
            Self::Sqlite => micros.to_owned(),
            Self::Postgres => format!("(timestamptz 'epoch' + {micros} * interval '1 microsecond')"),
        }
    }
}
