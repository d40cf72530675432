//! Who may do what with the journal's tables: one role, which adds leaves and tiles and can neither change nor remove one. Gives a script for the
//! owner of the tables; may be run again, and must be after a migration that made a table.

use crate::postgres::PostgresSettings;

/// The role of the gateway.
pub(in crate::journal) const WRITER: &str = "shuguan_journal";

/// What it may do, by table.
const RIGHTS: [(&str, &str); 4] = [
    ("SELECT, INSERT", "leaf, tile, subject, subject_run, subject_file"),
    (
        "SELECT, INSERT, DELETE",
        "checkpoint, payload, evidence, wrapped_key, reject, answer, idem, nonce",
    ),
    ("SELECT, INSERT, UPDATE", "tree, inbox, past_plan"),
    ("SELECT, INSERT, UPDATE, DELETE", "cosigned"),
];

/// The script.
pub(in crate::journal) fn script(settings: &PostgresSettings) -> String {
    let (database, schema) = (&settings.address.database, &settings.schema);
    let grants: Vec<String> = RIGHTS
        .iter()
        .map(|(rights, tables)| {
            format!("REVOKE ALL ON {tables} FROM PUBLIC, {WRITER};\nGRANT {rights} ON {tables} TO {WRITER};")
        })
        .collect();
    format!(
        "-- The role of the journal. Run as the owner of its tables who may create roles; passwords: \\password ROLE in psql.\n\
         BEGIN;\n\
         SET LOCAL search_path = {schema};\n\
         DO $$ BEGIN\n  \
           IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{WRITER}') THEN CREATE ROLE {WRITER} LOGIN; END IF;\n\
         END $$;\n\
         ALTER ROLE {WRITER} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;\n\
         REVOKE ALL ON DATABASE {database} FROM PUBLIC;\n\
         REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;\n\
         GRANT CONNECT ON DATABASE {database} TO {WRITER};\n\
         GRANT USAGE ON SCHEMA {schema} TO {WRITER};\n\
         REVOKE ALL ON journal_version FROM PUBLIC, {WRITER};\n\
         GRANT SELECT ON journal_version TO {WRITER};\n\
         {}\n\
         COMMIT;\n",
        grants.join("\n")
    )
}
