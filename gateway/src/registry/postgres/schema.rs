//! The registry's tables on PostgreSQL: typed columns with Chinese comments, the views, the additive migration.
//!
//! Text is of the collation "C", so that keys sort and compare as bytes, as on SQLite, whatever the database's locale. The views carry
//! a digest of their definition in their comment, because PostgreSQL does not keep the text that made them; they are replaced in place,
//! so that rights on them stay.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use policies::dataset::Dataset;
use shuguan_policies as policies;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::super::dataset;
use super::super::dialect::Dialect;
use super::super::fault::RegistryFault;
use super::super::schema::{BASE_TABLES, BaseTable, ColumnSpec, ColumnType, Described, Missing, OPEN, TableSpec};
use super::fault::Step;
use super::session::within;
use crate::hex::hex;
use crate::sha256;

/// How long a catalogue query or a migration's statement may take; an index over many rows needs long.
const PATIENCE: Duration = Duration::from_hours(1);

/// SQLSTATE of a role that may not.
const NOT_ALLOWED: &str = "42501";

/// The type of a column.
pub(in crate::registry) fn sql(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Text => "text",
        ColumnType::Date => "date",
        ColumnType::Instant => "timestamptz",
        ColumnType::Integer => "bigint",
        ColumnType::Boolean => "boolean",
    }
}

/// The same where a column is declared.
fn declared(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Text => "text COLLATE \"C\"",
        kind => sql(kind),
    }
}

/// The word for a type of `information_schema.columns.data_type`.
fn word(data_type: &str) -> &str {
    match data_type {
        "timestamp with time zone" => "instant",
        "bigint" => "integer",
        other => other,
    }
}

/// Statements that bring a database to those tables and views, in order; empty when it is there already.
#[derive(Debug, Default)]
pub(in crate::registry) struct Plan {
    /// Tables and columns.
    pub(in crate::registry) missing: Vec<String>,
    views_differ: bool,
    pub(in crate::registry) statements: Vec<String>,
}

/// Column by table, with its type's word.
type Columns = BTreeMap<String, BTreeMap<String, String>>;

const COLUMNS: &str = "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns \
    WHERE table_schema = current_schema()";
const VIEWS: &str = "SELECT c.relname::text, coalesce(obj_description(c.oid, 'pg_class'), '') FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'v'";

impl Plan {
    /// What must be added. Only adds; what the plans no longer name stays.
    ///
    /// # Errors
    /// [`RegistryFault::ColumnDiffers`] when a column has another type than the plans give it.
    pub(super) async fn of(connection: &mut PgConnection, tables: &[TableSpec]) -> Result<Self, RegistryFault> {
        let known = columns(connection).await?;
        let views = comments_of_views(connection).await?;
        Self::from(&known, &views, tables)
    }

    /// What makes all of it in a database in which nothing is.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(in crate::registry) fn of_nothing(tables: &[TableSpec]) -> Result<Self, RegistryFault> {
        Self::from(&Columns::new(), &BTreeMap::new(), tables)
    }

    fn from(known: &Columns, views: &BTreeMap<String, String>, tables: &[TableSpec]) -> Result<Self, RegistryFault> {
        let mut plan = Self::default();
        for table in &BASE_TABLES {
            plan.base(table, known.get(table.name));
        }
        for table in tables {
            plan.table(table, known.get(&table.name))?;
        }
        for (dataset, (name, sql)) in Dataset::ALL.into_iter().zip(dataset::views(Dialect::Postgres, tables)) {
            plan.view(dataset, &sql, known.get(name), views.get(name).map(String::as_str));
        }
        Ok(plan)
    }

    /// A table that every registry has, and the columns that it got later.
    fn base(&mut self, table: &BaseTable, known: Option<&BTreeMap<String, String>>) {
        if known.is_none() {
            self.missing.push(table.name.to_owned());
            let columns: Vec<String> = table.columns.iter().map(|column| base_column(*column)).collect();
            self.statements.push(format!(
                "CREATE TABLE {} (\n  {},\n  PRIMARY KEY ({})\n)",
                table.name,
                columns.join(",\n  "),
                table.key
            ));
            self.comment("TABLE", table.name, table.zh);
        }
        let before = self.missing.len();
        for column in table.columns {
            let (name, zh, word) = *column;
            if known.is_some_and(|known| known.contains_key(name)) {
                continue;
            }
            if known.is_some() {
                self.missing.push(format!("{}.{name}", table.name));
                // For rows that are there already: nothing, or nought.
                let default = if word.ends_with('?') { "" } else { " DEFAULT 0" };
                self.statements.push(format!(
                    "ALTER TABLE {} ADD COLUMN {}{default}",
                    table.name,
                    base_column(*column)
                ));
            }
            self.comment("COLUMN", &format!("{}.{name}", table.name), zh);
        }
        if known.is_none() || self.missing.len() > before {
            // An added column can be the one that an index is for.
            self.statements.extend(table.indexes());
        }
    }

    fn table(&mut self, table: &TableSpec, known: Option<&BTreeMap<String, String>>) -> Result<(), RegistryFault> {
        let Some(known) = known else {
            self.create(table);
            return Ok(());
        };
        for column in &table.columns {
            match known.get(column.name) {
                Some(word) if word == column.kind.word() => {}
                Some(word) => return Err(differs(table, column, word)),
                None => {
                    let (name, kind) = (&table.name, declared(column.kind));
                    self.missing.push(format!("{name}.{}", column.name));
                    self.statements
                        .push(format!("ALTER TABLE {name} ADD COLUMN {} {kind}", column.name));
                    self.comment("COLUMN", &format!("{name}.{}", column.name), column.zh);
                }
            }
        }
        if !known.contains_key(OPEN.0) {
            self.missing.push(format!("{}.{}", table.name, OPEN.0));
            // What is there was never closed; a constant default rewrites no row.
            self.statements.push(format!(
                "ALTER TABLE {} ADD COLUMN {} smallint NOT NULL DEFAULT 1",
                table.name, OPEN.0
            ));
            self.comment("COLUMN", &format!("{}.{}", table.name, OPEN.0), OPEN.1);
        }
        if !self.missing.is_empty() {
            // An added column can be the one that an index is for.
            self.statements.extend(indexes(table));
        }
        Ok(())
    }

    fn create(&mut self, table: &TableSpec) {
        self.missing.push(table.name.clone());
        let mut text = format!(
            "CREATE TABLE {} (\n  _key text COLLATE \"C\" NOT NULL PRIMARY KEY",
            table.name
        );
        for column in &table.columns {
            // Writing to a String cannot fail.
            let _ = write!(text, ",\n  {} {}", column.name, declared(column.kind));
        }
        if table.has_unit() {
            text.push_str(",\n  _unit text COLLATE \"C\"");
        }
        text.push_str(
            ",\n  _exchange uuid NOT NULL,\n  _row bigint NOT NULL,\n  _partner text COLLATE \"C\" NOT NULL,\n  \
             _leaf bigint NOT NULL,\n  _source_us bigint NOT NULL,\n  _received_us bigint NOT NULL,\n  _hash bytea NOT NULL,\n  \
             _open smallint NOT NULL DEFAULT 1\n)",
        );
        self.statements.push(text);
        self.statements.extend(indexes(table));
        self.comment("TABLE", &table.name, table.record.zh);
        for column in &table.columns {
            self.comment("COLUMN", &format!("{}.{}", table.name, column.name), column.zh);
        }
        for (name, zh, _) in table.origin() {
            self.comment("COLUMN", &format!("{}.{name}", table.name), zh);
        }
    }

    fn view(&mut self, dataset: Dataset, sql: &str, known: Option<&BTreeMap<String, String>>, comment: Option<&str>) {
        let comment_due = format!("{}:{}", dataset.zh(), short_digest(sql));
        if comment == Some(comment_due.as_str()) {
            return;
        }
        let name = dataset.name();
        self.views_differ = true;
        // In place, so that rights stay; that works as long as columns are only added behind.
        let same_shape = known.is_none_or(|known| {
            let before = dataset.fields().get(..known.len());
            before.is_some_and(|before| before.iter().all(|field| known.contains_key(field.name)))
        });
        if !same_shape {
            self.statements.push(format!("DROP VIEW {name}"));
        }
        self.statements
            .push(sql.replacen("CREATE VIEW", "CREATE OR REPLACE VIEW", 1));
        self.comment("VIEW", name, &comment_due);
        for field in dataset.fields() {
            self.comment("COLUMN", &format!("{name}.{}", field.name), field.zh);
        }
    }

    fn comment(&mut self, what: &str, name: &str, zh: &str) {
        self.statements
            .push(format!("COMMENT ON {what} {name} IS '{}'", zh.replace('\'', "''")));
    }

    /// Refuses a database that lacks a table or a column; views hold nothing, and the gateway reads without them.
    pub(in crate::registry) fn refuse(self) -> Result<(), RegistryFault> {
        if self.missing.is_empty() {
            return Ok(());
        }
        Err(RegistryFault::Behind {
            migration: self.text(),
            missing: self.missing,
        })
    }

    pub(in crate::registry) fn text(&self) -> String {
        self.statements.join(";\n") + ";"
    }

    /// Runs all of it, in one transaction, while nobody merges.
    async fn run(&self, connection: &mut PgConnection) -> Result<(), RegistryFault> {
        // An index over a large table takes longer than a statement of the writer may.
        let text = format!(
            "{}; SET LOCAL statement_timeout = 0; {} COMMIT",
            super::merge::BEGIN,
            self.text()
        );
        let run = sqlx::raw_sql(AssertSqlSafe(text));
        within("migrate the registry", PATIENCE, run.execute(connection)).await?;
        Ok(())
    }
}

fn base_column((name, _, word): Described) -> String {
    let kind = match word.trim_end_matches('?') {
        "uuid" => "uuid",
        "text" => "text COLLATE \"C\"",
        "sha-256/128" | "bytes" => "bytea",
        _ => "bigint",
    };
    let need = if word.ends_with('?') { "" } else { " NOT NULL" };
    format!("{name} {kind}{need}")
}

fn indexes(table: &TableSpec) -> Vec<String> {
    let mut statements = Vec::new();
    let name = &table.name;
    if let Some(person) = table.person_column().filter(|_| !table.keyed_by_person()) {
        statements.push(format!(
            "CREATE INDEX IF NOT EXISTS {name}_by_person ON {name} ({person})"
        ));
    }
    if table.has_unit() {
        statements.push(format!("CREATE INDEX IF NOT EXISTS {name}_by_unit ON {name} (_unit)"));
    }
    statements
}

fn differs(table: &TableSpec, column: &ColumnSpec, registry: &str) -> RegistryFault {
    let (name, field) = (&table.name, column.name);
    let suffix = registry.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
    RegistryFault::ColumnDiffers {
        table: name.clone(),
        column: field.into(),
        registry: registry.into(),
        plans: column.kind.word(),
        migration: format!(
            "ALTER TABLE {name} RENAME COLUMN {field} TO {field}_as_{suffix}; then `shuguan db migrate`"
        ),
    }
}

/// The first half of SHA-256.
fn short_digest(text: &str) -> String {
    let digest = sha256::of(text.as_bytes());
    hex(digest.first_chunk::<16>().unwrap_or(&[0; 16]))
}

/// Takes up what the database has of plans that released more.
pub(super) async fn find_withdrawn(
    connection: &mut PgConnection,
    tables: &mut [TableSpec],
) -> Result<(), RegistryFault> {
    let known = columns(connection).await?;
    for table in tables {
        if let Some(known) = known.get(&table.name) {
            table.found(known);
        }
    }
    Ok(())
}

async fn columns(connection: &mut PgConnection) -> Result<Columns, RegistryFault> {
    const STEP: &str = "read the columns";
    let rows = within(STEP, PATIENCE, sqlx::query(COLUMNS).fetch_all(connection)).await?;
    let mut columns = Columns::new();
    for row in rows {
        let text = |place: usize| row.try_get::<String, _>(place).step(STEP);
        let of = columns.entry(text(0)?).or_default();
        of.insert(text(1)?, word(&text(2)?).to_owned());
    }
    Ok(columns)
}

async fn comments_of_views(connection: &mut PgConnection) -> Result<BTreeMap<String, String>, RegistryFault> {
    const STEP: &str = "read the views";
    let rows = within(STEP, PATIENCE, sqlx::query(VIEWS).fetch_all(connection)).await?;
    rows.into_iter()
        .map(|row| Ok((row.try_get(0).step(STEP)?, row.try_get(1).step(STEP)?)))
        .collect()
}

/// Whether this database holds a registry.
pub(super) async fn is_there(connection: &mut PgConnection) -> Result<bool, RegistryFault> {
    Ok(columns(connection).await?.contains_key("relay_progress"))
}

/// Brings the database to the tables, or says what is missing. Views hold nothing, so they follow the tables without being asked for,
/// where the role may replace them; where it may not, `db migrate --print` has them for whoever may.
pub(super) async fn fit(
    connection: &mut PgConnection,
    tables: &[TableSpec],
    missing: Missing,
) -> Result<(), RegistryFault> {
    let plan = Plan::of(connection, tables).await?;
    if missing == Missing::Add && !plan.statements.is_empty() {
        return plan.run(connection).await;
    }
    if plan.missing.is_empty() && plan.views_differ {
        match plan.run(connection).await {
            Err(RegistryFault::Postgres { source, .. }) if source.is_state(NOT_ALLOWED) => {
                within(
                    "end a migration",
                    PATIENCE,
                    sqlx::raw_sql("ROLLBACK").execute(connection),
                )
                .await?;
            }
            other => return other,
        }
    }
    plan.refuse()
}
