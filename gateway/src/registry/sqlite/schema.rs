//! The registry's tables on SQLite: STRICT tables without rowid, comments in a table of their own, the additive migration.
//!
//! `_key` is the primary key of a table without rowid, so a look-up and the write after it touch the same page.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::super::fault::{RegistryFault, Step};
use super::super::schema::{BASE_TABLES, BaseTable, ColumnSpec, ColumnType, Described, OPEN, TableSpec};

pub(super) fn sql(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Text | ColumnType::Date => "TEXT",
        ColumnType::Instant | ColumnType::Integer | ColumnType::Boolean => "INTEGER",
    }
}

fn create_sql(table: &TableSpec) -> Vec<String> {
    let mut text = format!("CREATE TABLE {} (\n  _key TEXT NOT NULL PRIMARY KEY", table.name);
    for column in &table.columns {
        for piece in [",\n  ", column.name, " ", sql(column.kind)] {
            text.push_str(piece);
        }
    }
    if table.has_unit() {
        text.push_str(",\n  _unit TEXT");
    }
    text.push_str(
        ",\n  _exchange BLOB NOT NULL,\n  _row INTEGER NOT NULL,\n  _partner TEXT NOT NULL,\n  _leaf INTEGER NOT NULL,\n  \
         _source_us INTEGER NOT NULL,\n  _received_us INTEGER NOT NULL,\n  _hash BLOB NOT NULL,\n  \
         _open INTEGER NOT NULL DEFAULT 1\n) STRICT, WITHOUT ROWID",
    );
    let mut statements = vec![text];
    statements.extend(index_sql(table));
    statements
}

fn index_sql(table: &TableSpec) -> Vec<String> {
    let mut statements = Vec::new();
    if let Some(person) = table.person_column().filter(|_| !table.keyed_by_person()) {
        statements.push(format!(
            "CREATE INDEX IF NOT EXISTS {0}_by_person ON {0} ({person})",
            table.name
        ));
    }
    if table.has_unit() {
        statements.push(format!(
            "CREATE INDEX IF NOT EXISTS {0}_by_unit ON {0} (_unit)",
            table.name
        ));
    }
    statements
}

/// Table, column, Chinese comment, type.
type Comment = (String, &'static str, &'static str, &'static str);

/// Statements that bring a database to those tables and views, in order; empty when it is there already.
#[derive(Debug, Default)]
pub(super) struct Migration {
    pub(super) missing: Vec<String>,
    pub(super) views_differ: bool,
    pub(super) statements: Vec<String>,
    pub(super) comments: Vec<Comment>,
}

impl Migration {
    /// What must be added. Only adds; what the plans no longer name stays.
    ///
    /// # Errors
    /// [`RegistryFault::ColumnDiffers`] when a column has another type than the plans give it.
    pub(super) fn plan(
        connection: &Connection,
        tables: &[TableSpec],
        views: &[(&'static str, String)],
    ) -> Result<Self, RegistryFault> {
        let mut migration = Self::default();
        for table in &BASE_TABLES {
            migration.base(table, &columns_of(connection, table.name)?);
        }
        for table in tables {
            migration.table(table, &columns_of(connection, &table.name)?)?;
        }
        for (name, sql) in views {
            migration.view(name, sql, view_of(connection, name)?.as_deref());
        }
        Ok(migration)
    }

    /// A table that every registry has, and the columns that it got later.
    fn base(&mut self, table: &BaseTable, known: &BTreeMap<String, String>) {
        let missing = table.columns.iter().filter(|(name, ..)| !known.contains_key(*name));
        let missing: Vec<&Described> = missing.collect();
        self.comments
            .extend(missing.iter().map(|column| comment(table.name, **column)));
        if known.is_empty() {
            self.missing.push(table.name.to_owned());
            self.statements.push(base_sql(table));
            self.statements.extend(table.indexes());
            return;
        }
        if missing.is_empty() {
            return;
        }
        for column in missing {
            self.missing.push(format!("{}.{}", table.name, column.0));
            self.statements.push(added_sql(table.name, *column));
        }
        // An added column can be the one that an index is for.
        self.statements.extend(table.indexes());
    }

    fn table(&mut self, table: &TableSpec, known: &BTreeMap<String, String>) -> Result<(), RegistryFault> {
        if known.is_empty() {
            self.missing.push(table.name.clone());
            self.statements.extend(create_sql(table));
            self.comments
                .extend(table.origin().map(|column| comment(&table.name, column)));
        }
        for column in &table.columns {
            match known.get(column.name).map(String::as_str) {
                Some(word) if word == column.kind.word() => continue,
                Some(word) => return Err(differs(table, column, word)),
                None if known.is_empty() => {}
                None => {
                    self.missing.push(format!("{}.{}", table.name, column.name));
                    let kind = sql(column.kind);
                    self.statements
                        .push(format!("ALTER TABLE {} ADD COLUMN {} {kind}", table.name, column.name));
                }
            }
            self.comments
                .push(comment(&table.name, (column.name, column.zh, column.kind.word())));
        }
        if !known.is_empty() {
            if !known.contains_key(OPEN.0) {
                self.missing.push(format!("{}.{}", table.name, OPEN.0));
                // What is there was never closed.
                self.statements.push(format!(
                    "ALTER TABLE {} ADD COLUMN {} INTEGER NOT NULL DEFAULT 1",
                    table.name, OPEN.0
                ));
                self.comments.push(comment(&table.name, OPEN));
            }
            // An added column can be the one that an index is for.
            self.statements.extend(index_sql(table));
        }
        Ok(())
    }

    fn view(&mut self, name: &str, sql: &str, known: Option<&str>) {
        if known != Some(sql) {
            self.views_differ = true;
            self.statements.push(format!("DROP VIEW IF EXISTS {name}"));
            self.statements.push(sql.to_owned());
        }
    }

    /// Whether a table or a column is missing.
    pub(super) fn is_due(&self) -> bool {
        !self.missing.is_empty()
    }

    /// What to tell somebody who has to run it.
    pub(super) fn behind(self) -> RegistryFault {
        RegistryFault::Behind {
            migration: self.text(),
            missing: self.missing,
        }
    }

    pub(super) fn text(&self) -> String {
        self.statements.join(";\n") + ";"
    }

    /// Runs inside the caller's transaction.
    pub(super) fn run(&self, connection: &Connection) -> Result<(), RegistryFault> {
        for statement in &self.statements {
            connection.execute_batch(statement).step("migrate the registry")?;
        }
        note(connection, &self.comments)
    }
}

/// Makes the tables that every registry has, in an empty file.
pub(super) fn make_base(connection: &Connection) -> Result<(), RegistryFault> {
    connection.execute_batch(BASE).step("make the registry")?;
    let mut migration = Migration::default();
    for table in &BASE_TABLES {
        migration.base(table, &BTreeMap::new());
    }
    migration.run(connection)
}

fn base_sql(table: &BaseTable) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| base_column(*column)).collect();
    format!(
        "CREATE TABLE {} (\n  {},\n  PRIMARY KEY ({})\n) STRICT, WITHOUT ROWID",
        table.name,
        columns.join(",\n  "),
        table.key
    )
}

fn base_column((name, _, word): Described) -> String {
    let kind = match word.trim_end_matches('?') {
        "text" => "TEXT",
        "uuid" | "sha-256/128" | "bytes" => "BLOB",
        _ => "INTEGER",
    };
    let need = if word.ends_with('?') { "" } else { " NOT NULL" };
    format!("{name} {kind}{need}")
}

/// A column for rows that are there already: nothing, or nought.
fn added_sql(table: &str, column: Described) -> String {
    let default = if column.2.ends_with('?') { "" } else { " DEFAULT 0" };
    format!("ALTER TABLE {table} ADD COLUMN {}{default}", base_column(column))
}

fn comment(table: &str, (name, zh, word): Described) -> Comment {
    (table.to_owned(), name, zh, word.trim_end_matches('?'))
}

fn note(connection: &Connection, comments: &[Comment]) -> Result<(), RegistryFault> {
    let mut insert = connection
        .prepare("INSERT INTO column_comment (table_name, column_name, zh, data_type) VALUES (?1, ?2, ?3, ?4)")
        .step("prepare the comments")?;
    for (table, column, zh, word) in comments {
        insert.execute((table, column, zh, word)).step("comment a column")?;
    }
    Ok(())
}

fn differs(table: &TableSpec, column: &ColumnSpec, registry: &str) -> RegistryFault {
    let (name, field) = (&table.name, column.name);
    RegistryFault::ColumnDiffers {
        table: name.clone(),
        column: field.into(),
        registry: registry.into(),
        plans: column.kind.word(),
        migration: format!(
            "ALTER TABLE {name} RENAME COLUMN {field} TO {field}_as_{registry}; \
             UPDATE column_comment SET column_name = '{field}_as_{registry}' WHERE table_name = '{name}' AND column_name = '{field}'; \
             then `shuguan db migrate`"
        ),
    }
}

/// Takes up what the database has of plans that released more.
pub(super) fn find_withdrawn(connection: &Connection, tables: &mut [TableSpec]) -> Result<(), RegistryFault> {
    for table in tables {
        let known = columns_of(connection, &table.name)?;
        table.found(&known);
    }
    Ok(())
}

/// Columns with their types, as the comments have them; empty when there is no such table.
fn columns_of(connection: &Connection, table: &str) -> Result<BTreeMap<String, String>, RegistryFault> {
    let mut select = connection
        .prepare("SELECT column_name, data_type FROM column_comment WHERE table_name = ?1")
        .step("read the comments")?;
    let rows = select
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))
        .step("read the comments")?;
    rows.collect::<Result<_, _>>().step("read the comments")
}

fn view_of(connection: &Connection, name: &str) -> Result<Option<String>, RegistryFault> {
    use rusqlite::OptionalExtension;
    connection
        .query_row(
            "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?1",
            [name],
            |row| row.get(0),
        )
        .optional()
        .step("read the views")
}

/// Where columns and their Chinese names are written down.
const BASE: &str = "
CREATE TABLE column_comment (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, zh TEXT NOT NULL, data_type TEXT NOT NULL,
  PRIMARY KEY (table_name, column_name)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
";
