//! Who may do what in the database: one role that relays and reads datasets, one that reads masked views. Gives a script for the owner
//! of the tables; may be run again, and must be after a migration that made a table.

use adapters::catalogue::{Class, Field, FieldType};
use policies::dataset::Dataset;
use {shuguan_adapters as adapters, shuguan_policies as policies};

use super::super::schema::{BASE_TABLES, TableSpec};
use crate::postgres::PostgresSettings;

/// The role of the gateway: looks up, inserts and updates records; makes nothing, and deletes nothing but its own stamps of a snapshot and what it made
/// of numbers.
pub(in crate::registry) const RELAY: &str = "shuguan_relay";
/// The role of people who look: masked views only.
pub(in crate::registry) const READER: &str = "shuguan_reader";

/// The script.
pub(in crate::registry) fn script(settings: &PostgresSettings, tables: &[TableSpec]) -> String {
    let (database, schema) = (&settings.address.database, &settings.schema);
    let names = tables.iter().map(|table| table.name.as_str());
    let names: Vec<&str> = names.chain(BASE_TABLES.iter().map(|table| table.name)).collect();
    let names = names.join(", ");
    let datasets: Vec<&str> = Dataset::ALL.into_iter().map(Dataset::name).collect();
    let masked: Vec<String> = Dataset::ALL.into_iter().map(masked).collect();
    let masked_names: Vec<String> = datasets.iter().map(|name| format!("{name}_masked")).collect();
    format!(
        "-- Roles of the registry. Run as the owner of its tables who may create roles; passwords: \\password ROLE in psql.\n\
         BEGIN;\n\
         SET LOCAL search_path = {schema};\n\
         DO $$ BEGIN\n  \
           IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{RELAY}') THEN CREATE ROLE {RELAY} LOGIN; END IF;\n  \
           IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{READER}') THEN CREATE ROLE {READER} LOGIN; END IF;\n\
         END $$;\n\
         ALTER ROLE {RELAY} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;\n\
         ALTER ROLE {READER} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;\n\
         REVOKE ALL ON DATABASE {database} FROM PUBLIC;\n\
         REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;\n\
         -- TEMPORARY: rows arrive in a table that only their connection sees.\n\
         GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {RELAY};\n\
         GRANT CONNECT ON DATABASE {database} TO {READER};\n\
         GRANT USAGE ON SCHEMA {schema} TO {RELAY}, {READER};\n\
         REVOKE ALL ON {names} FROM PUBLIC, {RELAY}, {READER};\n\
         GRANT SELECT, INSERT, UPDATE ON {names} TO {RELAY};\n\
         GRANT DELETE ON snapshot_seen, snapshot_held, number_link, enterprise_number, enterprise TO {RELAY};\n\
         REVOKE ALL ON {datasets} FROM PUBLIC, {READER};\n\
         GRANT SELECT ON {datasets} TO {RELAY};\n\
         {masked}\n\
         REVOKE ALL ON {masked_names} FROM PUBLIC;\n\
         GRANT SELECT ON {masked_names} TO {READER};\n\
         COMMIT;\n",
        datasets = datasets.join(", "),
        masked = masked.join("\n"),
        masked_names = masked_names.join(", "),
    )
}

/// A view without what names or places a person; it reads with its owner's rights.
fn masked(dataset: Dataset) -> String {
    let name = dataset.name();
    let fields: Vec<String> = dataset.fields().iter().map(masked_field).collect();
    format!(
        "DROP VIEW IF EXISTS {name}_masked;\n\
         CREATE VIEW {name}_masked WITH (security_barrier) AS SELECT {} FROM {name};\n\
         COMMENT ON VIEW {name}_masked IS '{}(脱敏)';",
        fields.join(", "),
        dataset.zh()
    )
}

fn masked_field(field: &Field) -> String {
    let name = field.name;
    let expression = match (field.class, &field.kind) {
        (Class::C0 | Class::C1, _) | (_, FieldType::Code(_) | FieldType::Region | FieldType::Division(_)) => {
            return name.to_owned();
        }
        (_, FieldType::CitizenId) => format!("left({name}, 6) || '************'"),
        (_, FieldType::Name) => format!("left({name}, 1) || '**'"),
        (_, FieldType::Date) => format!("date_trunc('year', {name}::timestamp)::date"),
        _ => "CAST(NULL AS text)".to_owned(),
    };
    format!("{expression} AS {name}")
}
