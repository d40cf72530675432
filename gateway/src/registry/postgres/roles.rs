//! Who may do what in the database: one role that relays and reads datasets, one that reads masked views, one that sees whom a discrepancy is about. Gives
//! a script for the owner of the tables; may be run again, and must be after a migration that made a table.

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
/// The role of who has to act on discrepancies: whom those are about that hold, and where both rows came from.
pub(in crate::registry) const EXAMINER: &str = "shuguan_examiner";

/// What the examiner sees. Keys as their record types have them, their parts apart by `|`; no value, no row that nothing contradicts, and nothing that is settled.
const CASE: &str = "DROP VIEW IF EXISTS discrepancy_case;\n\
    CREATE VIEW discrepancy_case WITH (security_barrier) AS SELECT d.kind, d.subject, \
    d.record, replace(regexp_replace(d.row_key, E'^\\x1E[0-9]*\\x1F', ''), E'\\x1F', '|') AS row_key, one.partner, d.exchange, d.row_no, \
    to_timestamp(one.received_us / 1000000.0) AS received, \
    d.other_record, replace(regexp_replace(d.other_key, E'^\\x1E[0-9]*\\x1F', ''), E'\\x1F', '|') AS other_key, other.partner AS other_partner, \
    d.other_exchange, d.other_row, to_timestamp(other.received_us / 1000000.0) AS other_received, \
    to_timestamp(d.first_us / 1000000.0) AS first_found, to_timestamp(d.last_us / 1000000.0) AS last_confirmed \
    FROM discrepancy d LEFT JOIN relay_progress one ON one.exchange = d.exchange \
    LEFT JOIN relay_progress other ON other.exchange = d.other_exchange WHERE d.settled_us IS NULL;\n\
    COMMENT ON VIEW discrepancy_case IS '待核差异:所涉主体、双方记录主键与来源';";

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
           IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{READER}') THEN CREATE ROLE {READER} LOGIN; END IF;\n  \
           IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{EXAMINER}') THEN CREATE ROLE {EXAMINER} LOGIN; END IF;\n\
         END $$;\n\
         ALTER ROLE {RELAY} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;\n\
         ALTER ROLE {READER} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;\n\
         ALTER ROLE {EXAMINER} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;\n\
         REVOKE ALL ON DATABASE {database} FROM PUBLIC;\n\
         REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;\n\
         -- TEMPORARY: rows arrive in a table that only their connection sees.\n\
         GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {RELAY};\n\
         GRANT CONNECT ON DATABASE {database} TO {READER}, {EXAMINER};\n\
         GRANT USAGE ON SCHEMA {schema} TO {RELAY}, {READER}, {EXAMINER};\n\
         REVOKE ALL ON {names} FROM PUBLIC, {RELAY}, {READER}, {EXAMINER};\n\
         GRANT SELECT, INSERT, UPDATE ON {names} TO {RELAY};\n\
         -- What was is added to and never rewritten.\n\
         REVOKE UPDATE ON history FROM {RELAY};\n\
         GRANT DELETE ON snapshot_seen, snapshot_held, number_link, enterprise_number, enterprise TO {RELAY};\n\
         REVOKE ALL ON {datasets} FROM PUBLIC, {READER}, {EXAMINER};\n\
         GRANT SELECT ON {datasets} TO {RELAY};\n\
         {ORDER}\n\
         REVOKE ALL ON masked_order FROM PUBLIC, {RELAY}, {READER}, {EXAMINER};\n\
         {masked}\n\
         REVOKE ALL ON {masked_names} FROM PUBLIC;\n\
         GRANT SELECT ON {masked_names} TO {READER};\n\
         {CASE}\n\
         REVOKE ALL ON discrepancy_case FROM PUBLIC;\n\
         GRANT SELECT ON discrepancy_case TO {EXAMINER};\n\
         COMMIT;\n",
        datasets = datasets.join(", "),
        masked = masked.join("\n"),
        masked_names = masked_names.join(", "),
    )
}

/// What the order of a masked view is made of, by which nobody who reads it can find its way back.
const ORDER: &str = "CREATE TABLE IF NOT EXISTS masked_order (secret text NOT NULL);\n\
    COMMENT ON TABLE masked_order IS '脱敏视图排序用随机数';\n\
    INSERT INTO masked_order SELECT gen_random_uuid()::text || gen_random_uuid()::text WHERE NOT EXISTS (SELECT FROM masked_order);";

/// A view without what names or places a person; it reads with its owner's rights. Its rows come in an order that is the same each time and says nothing:
/// as they lie in the tables they are nearly in the order of the numbers that the view covers.
fn masked(dataset: Dataset) -> String {
    let name = dataset.name();
    let subject = match dataset {
        Dataset::Population => "citizen_id",
        Dataset::Enterprises => "coalesce(uscc, taxpayer_id, trader_id, org_code, reg_no)",
    };
    let fields: Vec<String> = dataset
        .fields()
        .iter()
        .map(|field| masked_field(dataset, field))
        .collect();
    format!(
        "DROP VIEW IF EXISTS {name}_masked;\n\
         CREATE VIEW {name}_masked WITH (security_barrier) AS SELECT {} FROM {name} \
         ORDER BY md5((SELECT secret FROM masked_order) || {subject});\n\
         COMMENT ON VIEW {name}_masked IS '{}(脱敏)';",
        fields.join(", "),
        dataset.zh()
    )
}

fn masked_field(dataset: Dataset, field: &Field) -> String {
    let name = field.name;
    match (dataset, name) {
        // A person who trades; his address is none of what is shown.
        (Dataset::Enterprises, "trader_id") => return format!("left({name}, 6) || '************' AS {name}"),
        // To the moment it would tell who came in one batch.
        (_, "updated_at") => return format!("date_trunc('day', {name}, 'Asia/Shanghai') AS {name}"),
        (Dataset::Enterprises, "trader_name") => return format!("{} AS {name}", surname(name)),
        _ => {}
    }
    let expression = match (field.class, &field.kind) {
        (Class::C0 | Class::C1, _) | (_, FieldType::Code(_) | FieldType::Region | FieldType::Division(_)) => {
            return name.to_owned();
        }
        (_, FieldType::CitizenId) => format!("left({name}, 6) || '************'"),
        (_, FieldType::Name) => surname(name),
        (_, FieldType::Date) => format!("date_trunc('year', {name}::timestamp)::date"),
        _ => "CAST(NULL AS text)".to_owned(),
    };
    format!("{expression} AS {name}")
}

/// The first character; of a name that is no longer than that, nothing.
fn surname(name: &str) -> String {
    format!("CASE WHEN char_length({name}) < 2 THEN '**' ELSE left({name}, 1) || '**' END")
}
