//! The journal's tables on PostgreSQL, by version: made and brought forward by `shuguan db migrate`, checked at each opening.
//!
//! The same tables and columns as on SQLite. Text is of the collation "C", so that lanes sort as bytes. A trigger that nobody below the owner can take away keeps leaves and
//! tiles as they are, whatever rights a role has been given; nothing refers to a leaf by foreign key, because checking one would lock it, and that writes to it.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::super::{Store, StoreFault, Stored};
use super::PostgresStore;
use crate::journal::fault::JournalFault;
use crate::journal::statements::{INDEXES, TREE};
use crate::postgres::link::{self, Purpose};
use crate::postgres::{LinkFault, PostgresSettings};

/// What this program works with.
pub(super) const VERSION: i64 = 5;

/// How long a migration's statement may take; an index over many leaves needs long.
const PATIENCE: Duration = Duration::from_hours(1);

/// What brings a journal from one version to the next, from none on; the indexes of `statements` come with the newest.
const STEPS: [&str; 5] = [FIRST, CLOCK, SHREDS, PLANS, MENDING];

/// Leaves that tell of the clock are looked for at each start and pruning.
const CLOCK: &str = "-- the index of what is told of the clock is among those that follow\n";

/// Leaves that tell of destruction are looked for at each start, and whenever evidence is opened.
const SHREDS: &str = "-- the index of what was destroyed is among those that follow\n";

/// What grants were that exchanges ran on. A role that may write nonces is the gateway's: it gets its rights to the new table with it, and a start after the
/// migration does not wait for the roles to be run again.
const PLANS: &str = r"CREATE TABLE past_plan (  -- of every bundle that was loaded: what a grant was, by the hash that leaves name
  hash  bytea PRIMARY KEY CHECK (length(hash) = 32), -- SHA-256 of bytes
  bytes bytea NOT NULL
);
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'shuguan_journal') AND has_table_privilege('shuguan_journal', 'nonce', 'INSERT') THEN
    GRANT SELECT, INSERT ON past_plan TO shuguan_journal;
  END IF;
END $$;
";

/// What was edited of them is written anew when a bundle is loaded that has it.
const MENDING: &str = r"DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'shuguan_journal') AND has_table_privilege('shuguan_journal', 'past_plan', 'INSERT') THEN
    GRANT UPDATE ON past_plan TO shuguan_journal;
  END IF;
END $$;
";

const FIRST: &str = r#"CREATE TABLE journal_version (
  id      bigint PRIMARY KEY CHECK (id = 1),
  version bigint NOT NULL
);
CREATE TABLE leaf (             -- the log; bytes are the truth, the other columns are for finding
  idx      bigint PRIMARY KEY,
  hash     bytea NOT NULL CHECK (length(hash) = 32),
  t        bigint NOT NULL,     -- microseconds UTC, when it was sealed: `clk` of the leaf, else its `t`
  kind     text COLLATE "C" NOT NULL,
  exchange bytea,
  partner  text COLLATE "C",
  rec      text COLLATE "C",    -- record type or dataset
  pur      text COLLATE "C",
  code     text COLLATE "C",    -- outcome: slug of a refusal, else the kind's word
  bytes    bytea NOT NULL
);
CREATE INDEX leaf_exchange ON leaf (exchange, idx) WHERE exchange IS NOT NULL;
CREATE INDEX leaf_partner ON leaf (partner, idx) WHERE partner IS NOT NULL;
CREATE TABLE tile (             -- entries of tile level 1 and up; level 0 is leaf.hash
  level bigint NOT NULL,
  idx   bigint NOT NULL,
  hash  bytea NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (level, idx)
);
CREATE TABLE tree (             -- one row: the right edge
  id      bigint PRIMARY KEY CHECK (id = 1),
  size    bigint NOT NULL,
  edge    bytea NOT NULL,
  thinned bigint NOT NULL       -- checkpoints up to this size were thinned
);
CREATE TABLE checkpoint (
  size bigint PRIMARY KEY,
  t    bigint NOT NULL,
  note text NOT NULL
);
CREATE TABLE cosigned (         -- checkpoints that witnesses signed, the last one of each minute
  size bigint PRIMARY KEY,
  t    bigint NOT NULL,
  note text NOT NULL
);
CREATE TABLE inbox (            -- one row a push, kept when its payload is gone
  leaf        bigint PRIMARY KEY,
  exchange    bytea NOT NULL,
  state       text COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'set-aside', 'relayed', 'discarded', 'erased')),
  rec         text COLLATE "C" NOT NULL,
  partner     text COLLATE "C" NOT NULL,
  received_us bigint NOT NULL,
  changed_us  bigint NOT NULL,
  parts       bigint NOT NULL,
  bytes       bigint NOT NULL,
  reason      text COLLATE "C",
  lane        text COLLATE "C" GENERATED ALWAYS AS (partner || ' ' || rec || CASE WHEN parts > 4 THEN ' bulk' ELSE '' END) STORED
);
CREATE INDEX inbox_lane ON inbox (lane, leaf) WHERE state = 'waiting';
CREATE INDEX inbox_waiting ON inbox (leaf) WHERE state = 'waiting';
CREATE INDEX inbox_set_aside ON inbox (leaf) WHERE state = 'set-aside';
CREATE INDEX inbox_done ON inbox (changed_us) WHERE state IN ('relayed', 'discarded');
CREATE TABLE payload (          -- deleting the row deletes the wrapped key with it
  leaf        bigint PRIMARY KEY,
  wrapped_key bytea NOT NULL,
  bytes       bytea             -- null: in the file
);
ALTER TABLE payload ALTER COLUMN bytes SET STORAGE EXTERNAL;
CREATE TABLE evidence (leaf bigint PRIMARY KEY, sealed bytea NOT NULL);
CREATE TABLE wrapped_key (      -- the key of each evidence record, under that of the month; deleting it is shredding
  leaf  bigint PRIMARY KEY,
  month text COLLATE "C" NOT NULL,
  key   bytea NOT NULL
);
CREATE TABLE reject (leaf bigint PRIMARY KEY, sealed bytea NOT NULL);
CREATE TABLE answer (leaf bigint PRIMARY KEY, sealed bytea NOT NULL); -- answers of a comparison, as long as its key
CREATE TABLE idem (
  leaf    bigint PRIMARY KEY,
  tag     bytea NOT NULL UNIQUE CHECK (length(tag) = 32),
  content bytea NOT NULL CHECK (length(content) = 32),
  size    bigint NOT NULL       -- of the checkpoint that the first answer carried
);
CREATE TABLE nonce (            -- of signed requests, oldest first
  id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tag   bytea NOT NULL UNIQUE CHECK (length(tag) = 32),
  bound bytea NOT NULL CHECK (length(bound) = 32), -- HMAC of idempotency key and signature
  until bigint NOT NULL         -- microseconds UTC
);
CREATE TABLE subject (tag bytea NOT NULL, leaf bigint NOT NULL, PRIMARY KEY (tag, leaf));
CREATE INDEX subject_leaf ON subject (leaf);
CREATE TABLE subject_run (      -- above 256 subjects, a run a part: sorted tags of 16 bytes, one after the other
  rowid bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  leaf  bigint NOT NULL,
  run   bigint NOT NULL,
  tags  bytea NOT NULL,
  PRIMARY KEY (leaf, run)
);
ALTER TABLE subject_run ALTER COLUMN tags SET STORAGE EXTERNAL;
CREATE TABLE subject_file (     -- above 64 KiB of tags: the runs lie in <payloads>/<exchange>.tags
  leaf     bigint PRIMARY KEY,
  exchange bytea NOT NULL UNIQUE
);
CREATE FUNCTION leaves_are_insert_only() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'leaves and tiles are insert-only' USING ERRCODE = 'restrict_violation'; END $$;
CREATE TRIGGER leaf_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON leaf EXECUTE FUNCTION leaves_are_insert_only();
CREATE TRIGGER tile_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON tile EXECUTE FUNCTION leaves_are_insert_only();
"#;

/// Any of these rights is one too many.
pub(in crate::journal::store) const MAY_CHANGE_LEAVES: &str = "SELECT has_table_privilege('leaf', 'UPDATE, DELETE, TRUNCATE') OR has_table_privilege('tile', 'UPDATE, DELETE, TRUNCATE')";

/// The two triggers that are there and on.
pub(super) const TRIGGERS: &str = "SELECT count(*) FROM pg_catalog.pg_trigger t
     JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
     WHERE n.nspname = current_schema() AND t.tgenabled IN ('O', 'A') AND p.proname = 'leaves_are_insert_only'
       AND (c.relname, t.tgname) IN (('leaf', 'leaf_kept'), ('tile', 'tile_kept'))";

/// The version of the journal that is there; none: there is none.
pub(super) async fn version(connection: &mut PgConnection, patience: Duration) -> Result<Option<i64>, LinkFault> {
    const STEP: &str = "look for the journal's tables";
    let there = sqlx::query_scalar::<_, bool>("SELECT to_regclass('journal_version') IS NOT NULL");
    if !link::within(STEP, patience, there.fetch_one(&mut *connection)).await? {
        return Ok(None);
    }
    let version = sqlx::query_scalar::<_, i64>("SELECT version FROM journal_version");
    link::within(STEP, patience, version.fetch_optional(connection)).await
}

/// What is to be run for a journal of that version in a schema, as one transaction; empty when it is of today's.
fn statements(version: Option<i64>, schema: &str) -> String {
    let done = version.and_then(|version| usize::try_from(version).ok()).unwrap_or(0);
    let due: String = STEPS.into_iter().skip(done).collect();
    if due.is_empty() {
        return due;
    }
    let indexes = INDEXES.join(";\n");
    format!(
        "BEGIN;\nSET LOCAL search_path = {schema};\n{due}{indexes};\nINSERT INTO journal_version (id, version) VALUES (1, {VERSION}) \
         ON CONFLICT (id) DO UPDATE SET version = {VERSION};\nCOMMIT;"
    )
}

/// All statements, for a database in which nothing is.
pub(in crate::journal::store) fn script_of_nothing(settings: &PostgresSettings) -> String {
    statements(None, &settings.schema)
}

/// The statements for a database administrator; empty when nothing is to be done.
///
/// # Errors
/// When the server does not answer.
pub(in crate::journal::store) fn script(settings: &PostgresSettings) -> Result<String, JournalFault> {
    let look = async {
        let mut connection = link::connect(settings, Purpose::Ask).await?;
        version(&mut connection, settings.silence_max()).await
    };
    let found = link::wait(look).map_err(unreached)?;
    Ok(statements(found, &settings.schema))
}

/// Makes the tables or brings them to today's version, and adds the first rows to empty ones; false: they were not empty.
///
/// # Errors
/// When the server does not answer or the role may not.
pub(in crate::journal::store) fn migrate(
    settings: &PostgresSettings,
    first: impl FnOnce(&Store) -> Stored<()>,
) -> Result<bool, JournalFault> {
    let due = script(settings)?;
    if !due.is_empty() {
        let run = async {
            let mut connection = link::connect(settings, Purpose::Write).await?;
            // An index over many leaves takes longer than a statement otherwise may.
            let text = format!("SET statement_timeout = 0;\n{due}");
            let run = sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection);
            link::within("migrate the journal", PATIENCE, run).await
        };
        link::wait(run).map_err(unreached)?;
    }
    let failed = || JournalFault::store("make the journal's first rows");
    let is_empty = |store: &Store| store.cell::<u64>(TREE, &[]).map(|size| size.is_none());
    let look = Store::Postgres(PostgresStore::open(settings, Purpose::Ask)?);
    if !is_empty(&look).map_err(failed())? {
        return Ok(false);
    }
    let store = Store::Postgres(PostgresStore::open(settings, Purpose::Write)?);
    let made = store.begin().and_then(|()| first(&store)).and_then(|()| store.commit());
    made.map(|()| true).map_err(failed())
}

/// Makes a journal where there is none.
///
/// # Errors
/// [`JournalFault::Exists`], and as [`migrate`].
pub(in crate::journal::store) fn create(
    settings: &PostgresSettings,
    first: impl FnOnce(&Store) -> Stored<()>,
) -> Result<(), JournalFault> {
    if migrate(settings, first)? {
        Ok(())
    } else {
        Err(JournalFault::Exists(settings.address.to_string()))
    }
}

fn unreached(fault: LinkFault) -> JournalFault {
    JournalFault::store("bring the journal's tables to this version")(StoreFault::Lost(fault))
}
