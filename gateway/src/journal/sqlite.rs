//! All SQL of the SQLite journal, and how its file is made and opened.
//!
//! Takes paths; gives connections with the settings that durability and integrity rest on. Refuses SQLite before 3.51.3, a file that is not
//! a journal, and one that others can read. Every statement is constant text with bound values.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault::JournalFault;

/// `SGJ1`: says whose file this is.
const APPLICATION_ID: i64 = 0x5347_4a31;
const SCHEMA_VERSION: i64 = 2;
/// Before it, resetting the write-ahead log could corrupt the database (3.7.0 to 3.51.2).
const SQLITE_MIN: i32 = 3_051_003;
/// Each commit walks through all of it once a page was moved within its tree, so larger is not faster.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Tables. Leaves and tile entries are insert-only, by trigger.
const SCHEMA: &str = "
CREATE TABLE leaf (          -- the log; bytes are the truth, the other columns are for finding
  idx      INTEGER PRIMARY KEY,
  hash     BLOB NOT NULL CHECK (length(hash) = 32),
  t        INTEGER NOT NULL, -- microseconds UTC, never decreasing
  kind     TEXT NOT NULL,
  exchange BLOB,
  partner  TEXT,
  rec      TEXT,             -- record type or dataset
  pur      TEXT,
  code     TEXT,             -- outcome: slug of a refusal, else the kind's word
  bytes    BLOB NOT NULL
) STRICT;
CREATE INDEX leaf_exchange ON leaf (exchange) WHERE exchange IS NOT NULL;
CREATE INDEX leaf_partner ON leaf (partner, idx) WHERE partner IS NOT NULL;
CREATE TABLE tile (          -- entries of tile level 1 and up; level 0 is leaf.hash
  level INTEGER NOT NULL,
  idx   INTEGER NOT NULL,
  hash  BLOB NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE tree (          -- one row: the right edge
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  size    INTEGER NOT NULL,
  edge    BLOB NOT NULL,
  thinned INTEGER NOT NULL   -- checkpoints up to this size were thinned
) STRICT;
CREATE TABLE checkpoint (
  size INTEGER PRIMARY KEY,
  t    INTEGER NOT NULL,
  note TEXT NOT NULL
) STRICT;
CREATE TABLE inbox (         -- one row a push, kept when its payload is gone
  leaf        INTEGER PRIMARY KEY REFERENCES leaf (idx),
  exchange    BLOB NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('waiting', 'set-aside', 'relayed', 'discarded', 'erased')),
  rec         TEXT NOT NULL,
  partner     TEXT NOT NULL,
  received_us INTEGER NOT NULL,
  changed_us  INTEGER NOT NULL,
  parts       INTEGER NOT NULL,
  bytes       INTEGER NOT NULL,
  reason      TEXT,
  -- What keeps its order among itself; a bulk of more than four parts has its own, so that nothing small waits behind it.
  lane        TEXT GENERATED ALWAYS AS (partner || ' ' || rec || iif(parts > 4, ' bulk', '')) VIRTUAL
) STRICT;
CREATE INDEX inbox_lane ON inbox (lane, leaf) WHERE state = 'waiting';
CREATE INDEX inbox_waiting ON inbox (leaf) WHERE state = 'waiting';
CREATE INDEX inbox_set_aside ON inbox (leaf) WHERE state = 'set-aside';
CREATE INDEX inbox_done ON inbox (changed_us) WHERE state IN ('relayed', 'discarded');
CREATE TABLE payload (       -- deleting the row deletes the wrapped key with it
  leaf        INTEGER PRIMARY KEY,
  wrapped_key BLOB NOT NULL,
  bytes       BLOB           -- null: in the file
) STRICT;
CREATE TABLE evidence (leaf INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
CREATE TABLE reject (leaf INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
CREATE TABLE idem (
  leaf    INTEGER PRIMARY KEY,
  tag     BLOB NOT NULL UNIQUE CHECK (length(tag) = 32),
  content BLOB NOT NULL CHECK (length(content) = 32),
  size    INTEGER NOT NULL   -- of the checkpoint that the first answer carried
) STRICT;
CREATE TABLE subject (tag BLOB NOT NULL, leaf INTEGER NOT NULL, PRIMARY KEY (tag, leaf)) STRICT, WITHOUT ROWID;
CREATE TABLE subject_run (   -- above 256 subjects, a run a part: sorted tags of 16 bytes, one after the other
  leaf INTEGER NOT NULL,
  run  INTEGER NOT NULL,
  tags BLOB NOT NULL,
  PRIMARY KEY (leaf, run)
) STRICT;
CREATE TRIGGER leaf_kept BEFORE DELETE ON leaf BEGIN SELECT RAISE(ABORT, 'leaves are insert-only'); END;
CREATE TRIGGER leaf_fixed BEFORE UPDATE ON leaf BEGIN SELECT RAISE(ABORT, 'leaves are insert-only'); END;
CREATE TRIGGER tile_kept BEFORE DELETE ON tile BEGIN SELECT RAISE(ABORT, 'tiles are insert-only'); END;
CREATE TRIGGER tile_fixed BEFORE UPDATE ON tile BEGIN SELECT RAISE(ABORT, 'tiles are insert-only'); END;
";

/// Tables that an earlier version has not: made at each opening.
const ADDED: &str = "
CREATE TABLE IF NOT EXISTS wrapped_key (   -- the key of each evidence record, under that of the month; deleting it is shredding
  leaf  INTEGER PRIMARY KEY,
  month TEXT NOT NULL,
  key   BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS subject_file (  -- above 64 KiB of tags: the runs lie in <payloads>/<exchange>.tags
  leaf     INTEGER PRIMARY KEY,
  exchange BLOB NOT NULL UNIQUE
) STRICT;
CREATE INDEX IF NOT EXISTS subject_leaf ON subject (leaf);
CREATE TABLE IF NOT EXISTS answer (leaf INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT; -- answers of a comparison, as long as its key
CREATE TABLE IF NOT EXISTS nonce (          -- of signed requests, oldest first
  id    INTEGER PRIMARY KEY,
  tag   BLOB NOT NULL UNIQUE CHECK (length(tag) = 32),
  bound BLOB NOT NULL CHECK (length(bound) = 32), -- HMAC of idempotency key and signature
  until INTEGER NOT NULL                          -- microseconds UTC
) STRICT;
";

pub(super) const TRIGGERS: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND
  name IN ('leaf_kept', 'leaf_fixed', 'tile_kept', 'tile_fixed') AND sql LIKE '%SELECT RAISE(ABORT%'";

// The sequencer.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const INSERT_LEAF: &str = "INSERT INTO leaf (idx, hash, t, kind, exchange, partner, rec, pur, code, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
pub(super) const INSERT_TILE: &str = "INSERT INTO tile (level, idx, hash) VALUES (?1, ?2, ?3)";
pub(super) const INSERT_TREE: &str = "INSERT INTO tree (id, size, edge, thinned) VALUES (1, ?1, ?2, 0)";
pub(super) const UPDATE_TREE: &str = "UPDATE tree SET size = ?1, edge = ?2 WHERE id = 1 AND size = ?3";
pub(super) const INSERT_CHECKPOINT: &str = "INSERT INTO checkpoint (size, t, note) VALUES (?1, ?2, ?3)";
pub(super) const INSERT_INBOX: &str =
    "INSERT INTO inbox (leaf, exchange, state, rec, partner, received_us, changed_us, parts, bytes)
  VALUES (?1, ?2, 'waiting', ?3, ?4, ?5, ?5, ?6, ?7)";
pub(super) const INSERT_PAYLOAD: &str = "INSERT INTO payload (leaf, wrapped_key, bytes) VALUES (?1, ?2, ?3)";
pub(super) const INSERT_EVIDENCE: &str = "INSERT INTO evidence (leaf, sealed) VALUES (?1, ?2)";
pub(super) const INSERT_WRAPPED_KEY: &str = "INSERT INTO wrapped_key (leaf, month, key) VALUES (?1, ?2, ?3)";
pub(super) const DELETE_WRAPPED_KEYS: &str = "DELETE FROM wrapped_key WHERE leaf IN
     (SELECT leaf FROM evidence WHERE leaf >= ?1 AND leaf < ?2 ORDER BY leaf LIMIT 5000)";
pub(super) const DELETE_EVIDENCE: &str = "DELETE FROM evidence WHERE leaf IN
     (SELECT leaf FROM evidence WHERE leaf >= ?1 AND leaf < ?2 ORDER BY leaf LIMIT 5000)";
pub(super) const MONTHS_IN_USE: &str = "SELECT DISTINCT month FROM wrapped_key";
pub(super) const INSERT_REJECT: &str = "INSERT INTO reject (leaf, sealed) VALUES (?1, ?2)";
pub(super) const INSERT_ANSWER: &str = "INSERT INTO answer (leaf, sealed) VALUES (?1, ?2)";
pub(super) const INSERT_IDEM: &str = "INSERT INTO idem (leaf, tag, content, size) VALUES (?1, ?2, ?3, ?4)";
pub(super) const INSERT_NONCE: &str = "INSERT INTO nonce (tag, bound, until) VALUES (?1, ?2, ?3)";
pub(super) const FIND_NONCE: &str = "SELECT bound FROM nonce WHERE tag = ?1";
/// Of the oldest ?1 rows those that ended before ?2.
pub(super) const FORGET_NONCES: &str =
    "DELETE FROM nonce WHERE id IN (SELECT id FROM nonce WHERE id > 0 ORDER BY id LIMIT ?1) AND until < ?2";
pub(super) const INSERT_SUBJECT: &str = "INSERT INTO subject (tag, leaf) VALUES (?1, ?2)";
pub(super) const INSERT_SUBJECT_RUN: &str = "INSERT INTO subject_run (leaf, run, tags) VALUES (?1, ?2, ?3)";
pub(super) const INSERT_SUBJECT_FILE: &str = "INSERT INTO subject_file (leaf, exchange) VALUES (?1, ?2)";
pub(super) const FIND_IDEM: &str = "SELECT leaf, content, size FROM idem WHERE tag = ?1";
pub(super) const FIND_INBOX: &str =
    "SELECT i.leaf, i.state, i.bytes, l.hash, i.reason, i.partner FROM inbox i JOIN leaf l ON l.idx = i.leaf
     WHERE i.leaf IN (SELECT idx FROM leaf WHERE exchange = ?1 AND kind = 'push') LIMIT 1";
pub(super) const MOVE_INBOX: &str =
    "UPDATE inbox SET state = ?3, changed_us = ?4, reason = ?5 WHERE leaf = ?1 AND state = ?2";
pub(super) const DELETE_PAYLOAD: &str = "DELETE FROM payload WHERE leaf = ?1";
pub(super) const OLDEST_WAITING: &str = "SELECT received_us FROM inbox WHERE state = 'waiting' ORDER BY leaf LIMIT 1";
pub(super) const PENDING: &str = "SELECT partner, count(*), sum(bytes) FROM (
  SELECT partner, bytes FROM inbox WHERE state = 'waiting' UNION ALL SELECT partner, bytes FROM inbox WHERE state = 'set-aside')
  GROUP BY partner";
pub(super) const RELAYED_LEAF: &str =
    "SELECT idx FROM leaf WHERE exchange = ?1 AND kind = 'relayed' ORDER BY idx LIMIT 1";

pub(super) const RECALL_INDEX: &str = "CREATE INDEX IF NOT EXISTS leaf_recall ON leaf (idx) WHERE kind = 'recall'";
/// The oldest recall from a leaf on; the word stands here so that the partial index serves.
pub(super) const RECALLED_LEAF: &str =
    "SELECT idx FROM leaf WHERE exchange = ?1 AND kind = 'recalled' ORDER BY idx LIMIT 1";
pub(super) const RECALLS_FROM: &str = "SELECT l.bytes, l.idx, l.hash, (SELECT r.bytes FROM leaf r
       WHERE r.exchange = l.exchange AND r.kind = 'recalled' LIMIT 1) FROM leaf l
     WHERE l.kind = 'recall' AND l.idx >= ?1 ORDER BY l.idx LIMIT 1000";
/// The acknowledgement of an exchange with a verdict.
pub(super) const ACK_LEAF: &str =
    "SELECT idx FROM leaf WHERE exchange = ?1 AND kind = 'receipt-ack' AND code = ?2 ORDER BY idx LIMIT 1";

// Keeping within bounds.
pub(super) const FIRST_LEAF_SINCE: &str = "SELECT t FROM leaf WHERE idx = ?1";
pub(super) const PRUNE_IDEM: &str =
    "DELETE FROM idem WHERE leaf IN (SELECT leaf FROM idem WHERE leaf < ?1 ORDER BY leaf LIMIT 1000)";
pub(super) const PRUNE_REJECT: &str =
    "DELETE FROM reject WHERE leaf IN (SELECT leaf FROM reject WHERE leaf < ?1 ORDER BY leaf LIMIT 100)";
pub(super) const PRUNE_ANSWER: &str =
    "DELETE FROM answer WHERE leaf IN (SELECT leaf FROM answer WHERE leaf < ?1 ORDER BY leaf LIMIT 1000)";
pub(super) const THINNED: &str = "SELECT thinned FROM tree WHERE id = 1";
pub(super) const SET_THINNED: &str = "UPDATE tree SET thinned = ?1 WHERE id = 1";
pub(super) const OLD_CHECKPOINTS: &str =
    "SELECT size, t FROM checkpoint WHERE size > ?1 AND t < ?2 ORDER BY size LIMIT 1000";
/// The last one of a volume stays: the entry after it opens the next.
pub(super) const DELETE_CHECKPOINT: &str = "DELETE FROM checkpoint WHERE size = ?1
     AND NOT EXISTS (SELECT 1 FROM leaf WHERE idx = ?1 AND kind = 'log-open')";

// Opening.
pub(super) const TREE: &str = "SELECT size, edge FROM tree WHERE id = 1";
pub(super) const NEWEST_CHECKPOINT: &str = "SELECT size, note, t FROM checkpoint ORDER BY size DESC LIMIT 1";
pub(super) const LAST_INDEX: &str = "SELECT max(idx) FROM leaf";
pub(super) const LEAVES_FROM: &str = "SELECT idx, hash, t, bytes FROM leaf WHERE idx >= ?1 ORDER BY idx";
pub(super) const HAS_FILE: &str = "SELECT count(*) FROM inbox i JOIN payload p ON p.leaf = i.leaf AND p.bytes IS NULL
     WHERE i.leaf IN (SELECT idx FROM leaf WHERE exchange = ?1 AND kind = 'push')";
pub(super) const HAS_TAGS: &str = "SELECT count(*) FROM subject_file WHERE exchange = ?1";

// Reading.
pub(super) const HASHES: &str = "SELECT hash FROM leaf WHERE idx >= ?1 AND idx < ?2 ORDER BY idx";
pub(super) const TILE_HASHES: &str = "SELECT hash FROM tile WHERE level = ?1 AND idx >= ?2 AND idx < ?3 ORDER BY idx";
pub(super) const ENTRIES: &str = "SELECT bytes FROM leaf WHERE idx >= ?1 ORDER BY idx LIMIT ?2";
pub(super) const CHECKPOINT_AFTER: &str = "SELECT size, note FROM checkpoint WHERE size > ?1 ORDER BY size LIMIT 1";
pub(super) const CHECKPOINT_AT: &str = "SELECT note FROM checkpoint WHERE size = ?1";
pub(super) const EXCHANGE_LEAVES: &str = "SELECT idx, t, kind, exchange, partner, rec, pur, code, bytes FROM leaf WHERE exchange = ?1 ORDER BY idx LIMIT 100";
/// The newest leaf of a kind that an exchange has.
pub(super) const NEWEST_OF: &str = "SELECT bytes FROM leaf WHERE exchange = ?1 AND kind = ?2 ORDER BY idx DESC LIMIT 1";
/// What officers asked and approved about an exchange, newest first: however many other leaves it has, these are seen.
pub(super) const UNSEALING_LEAVES: &str = "SELECT idx, t, kind, exchange, partner, rec, pur, code, bytes FROM leaf
     WHERE exchange = ?1 AND kind = 'officer-unseal' AND code IN ('ask', 'approve') ORDER BY idx DESC";
/// Exchanges of a partner, oldest first, with the leaf that says that each is in the registry or was given up.
pub(super) const PARTNER_EXCHANGES: &str = "SELECT l.idx, (SELECT s.idx FROM leaf s WHERE s.exchange = l.exchange
       AND (s.kind IN ('relayed', 'recalled') OR s.kind = 'operator' AND s.code = 'discarded') ORDER BY s.idx LIMIT 1)
     FROM leaf l WHERE l.partner = ?1 AND l.idx >= ?2 AND l.kind IN ('push', 'pull', 'compare', 'recall', 'refusal') AND l.exchange IS NOT NULL
     ORDER BY l.idx LIMIT 200";
pub(super) const ONE_LEAF: &str =
    "SELECT idx, t, kind, exchange, partner, rec, pur, code, bytes FROM leaf WHERE idx = ?1";
/// Newest first; ?1 and ?2 bound the index.
pub(super) const SEARCH: &str = "SELECT idx, t, kind, exchange, partner, rec, pur, code, bytes FROM leaf
     WHERE idx >= ?1 AND idx < ?2 AND (?3 IS NULL OR rec = ?3) AND (?4 IS NULL OR pur = ?4)
       AND (?5 IS NULL OR code = ?5) AND (?6 IS NULL OR kind = ?6)
     ORDER BY idx DESC LIMIT ?7";
/// The same for one partner, through its index.
pub(super) const SEARCH_PARTNER: &str = "SELECT idx, t, kind, exchange, partner, rec, pur, code, bytes FROM leaf
     WHERE partner = ?8 AND idx >= ?1 AND idx < ?2 AND (?3 IS NULL OR rec = ?3) AND (?4 IS NULL OR pur = ?4)
       AND (?5 IS NULL OR code = ?5) AND (?6 IS NULL OR kind = ?6)
     ORDER BY idx DESC LIMIT ?7";
/// Pushes, pulls and comparisons from a leaf on.
pub(super) const EXCHANGES_FROM: &str =
    "SELECT idx, bytes FROM leaf WHERE idx >= ?1 AND kind IN ('push', 'pull', 'compare') ORDER BY idx";
/// Comparisons from a leaf on, also those that were stopped because too many were absent.
pub(super) const COMPARISONS_FROM: &str = "SELECT bytes FROM leaf
     WHERE idx >= ?1 AND (kind = 'compare' OR kind = 'refusal' AND code = 'too-many-absent') ORDER BY idx";
/// Loads of policy bundles, newest first; the words stand here so that the partial index serves.
pub(super) const POLICY_LOADS: &str =
    "SELECT bytes FROM leaf WHERE kind = 'policy' AND code = 'loaded' ORDER BY idx DESC LIMIT ?1";
/// Made at each opening: a journal of an earlier version has none.
pub(super) const POLICY_INDEX: &str = "CREATE INDEX IF NOT EXISTS leaf_policy ON leaf (idx) WHERE kind = 'policy'";
/// The newest act that paused or resumed the relay; the words stand here so that the partial index serves.
pub(super) const LAST_PAUSE: &str =
    "SELECT code FROM leaf WHERE kind = 'operator' AND code IN ('paused', 'resumed') ORDER BY idx DESC LIMIT 1";
pub(super) const OPERATOR_INDEX: &str =
    "CREATE INDEX IF NOT EXISTS leaf_operator ON leaf (idx) WHERE kind = 'operator'";
/// Counts by hour, kind and partner of the newest leaves from ?1 on, at most ?2 of them.
pub(super) const TALLY: &str = "SELECT t / 3600000000, kind, partner, count(*) FROM (
     SELECT t, kind, partner FROM leaf WHERE idx >= ?1 ORDER BY idx DESC LIMIT ?2) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";
/// Made at each opening: a journal of an earlier version has none. Checkpoints that witnesses signed, the last one of each minute.
pub(super) const COSIGNED_TABLE: &str = "CREATE TABLE IF NOT EXISTS cosigned (
  size INTEGER PRIMARY KEY,
  t    INTEGER NOT NULL, -- when the checkpoint was the newest, microseconds UTC
  note TEXT NOT NULL     -- with the log's signature and theirs
) STRICT";
pub(super) const STORE_COSIGNED: &str =
    "INSERT INTO cosigned (size, t, note) VALUES (?1, ?2, ?3) ON CONFLICT (size) DO UPDATE SET note = ?3";
/// The last one of a volume stays, as in [`DELETE_CHECKPOINT`].
pub(super) const THIN_COSIGNED: &str =
    "DELETE FROM cosigned WHERE size = (SELECT max(size) FROM cosigned WHERE size < ?1) AND t >= ?2
     AND NOT EXISTS (SELECT 1 FROM leaf WHERE idx = cosigned.size AND kind = 'log-open')";
pub(super) const NEWEST_COSIGNED: &str =
    "SELECT size, t, note FROM cosigned WHERE size = (SELECT max(size) FROM cosigned)";
pub(super) const GAP_INDEX: &str = "CREATE INDEX IF NOT EXISTS leaf_gap ON leaf (idx) WHERE kind = 'witness-gap'";
/// The newest begin or end of a gap; the word stands here so that the partial index serves.
pub(super) const LAST_GAP: &str = "SELECT code, t FROM leaf WHERE kind = 'witness-gap' ORDER BY idx DESC LIMIT 1";
pub(super) const COSIGNED_AT: &str = "SELECT size, t, note FROM cosigned WHERE size = ?1";
pub(super) const FIRST_COSIGNED: &str = "SELECT size, t, note FROM cosigned WHERE size > ?1 ORDER BY size LIMIT 1";
pub(super) const KEY_INDEX: &str = "CREATE INDEX IF NOT EXISTS leaf_key ON leaf (idx) WHERE kind = 'key'";
pub(super) const OPEN_INDEX: &str = "CREATE INDEX IF NOT EXISTS leaf_open ON leaf (idx) WHERE kind = 'log-open'";
pub(super) const LOG_OPENED: &str = "SELECT bytes FROM leaf WHERE kind = 'log-open' ORDER BY idx DESC";
pub(super) const CLOSE_INDEX: &str = "CREATE INDEX IF NOT EXISTS leaf_close ON leaf (idx) WHERE kind = 'log-close'";
pub(super) const LOG_CLOSED: &str = "SELECT idx, bytes FROM leaf WHERE kind = 'log-close' ORDER BY idx";
/// Changes of the log's keys; the word stands here so that the partial index serves.
pub(super) const KEY_LEAVES: &str = "SELECT idx, bytes FROM leaf WHERE kind = 'key' ORDER BY idx";
pub(super) const CONFIG_INDEX: &str = "CREATE INDEX IF NOT EXISTS leaf_config ON leaf (idx) WHERE kind = 'config'";
pub(super) const LAST_CONFIG: &str = "SELECT bytes FROM leaf WHERE kind = 'config' ORDER BY idx DESC LIMIT 1";
pub(super) const INBOX_STATE: &str = "SELECT state, reason, parts, bytes FROM inbox WHERE leaf = ?1";
pub(super) const ANSWERS: &str = "SELECT sealed FROM answer WHERE leaf = ?1";
pub(super) const REJECTS: &str = "SELECT sealed FROM reject WHERE leaf = ?1";
pub(super) const EVIDENCE: &str =
    "SELECT e.sealed, k.month, k.key FROM evidence e LEFT JOIN wrapped_key k ON k.leaf = e.leaf WHERE e.leaf = ?1";
pub(super) const NEXT_LANE: &str =
    "SELECT lane, partner, rec, leaf FROM inbox WHERE state = 'waiting' AND lane > ?1 ORDER BY lane, leaf LIMIT 1";
/// Of a partner and record type, in either lane, before a leaf.
pub(super) const WAITS_BEFORE: &str = "SELECT EXISTS (SELECT 1 FROM inbox WHERE state = 'waiting'
     AND lane IN (?1 || ' ' || ?2, ?1 || ' ' || ?2 || ' bulk') AND leaf < ?3)";
pub(super) const OLDEST_ASIDE: &str = "SELECT rec, min(leaf) FROM inbox WHERE state = 'set-aside' GROUP BY rec";
pub(super) const WAITING: &str =
    "SELECT i.leaf, i.exchange, i.rec, i.partner, i.received_us, i.parts, i.bytes, p.wrapped_key, p.bytes, l.hash,
       l.bytes, i.reason
     FROM inbox i LEFT JOIN payload p ON p.leaf = i.leaf JOIN leaf l ON l.idx = i.leaf
     WHERE i.state = 'waiting' AND i.lane = ?1 ORDER BY i.leaf LIMIT ?2";
pub(super) const SET_ASIDE: &str = "SELECT leaf, exchange, rec, partner, received_us, parts, bytes, reason FROM inbox
     WHERE state = 'set-aside' AND leaf > ?1 ORDER BY leaf LIMIT ?2";
pub(super) const DUE: &str = "SELECT exchange FROM inbox WHERE state IN ('relayed', 'discarded') AND changed_us <= ?1 ORDER BY changed_us LIMIT ?2";
pub(super) const SUBJECT_LEAVES: &str = "SELECT leaf FROM subject WHERE tag = ?1 ORDER BY leaf DESC";
pub(super) const SUBJECT_RUNS: &str = "SELECT rowid, leaf, length(tags) FROM subject_run ORDER BY leaf DESC, run";
pub(super) const SUBJECT_FILES: &str = "SELECT leaf, exchange FROM subject_file ORDER BY leaf DESC";
/// Of a push: its newest `relayed` leaf, and whether the payload lies in the row (none: it is gone).
macro_rules! kept_push {
    ($which:literal) => {
        concat!(
            "SELECT i.leaf, i.exchange, i.state, i.rec, i.partner, i.received_us, (SELECT r.bytes FROM leaf r
               WHERE r.exchange = i.exchange AND r.kind = 'relayed' ORDER BY r.idx DESC LIMIT 1),
               iif(p.leaf IS NULL, NULL, p.bytes IS NOT NULL), i.reason
             FROM inbox i LEFT JOIN payload p ON p.leaf = i.leaf WHERE ",
            $which
        )
    };
}
pub(super) const PUSHES_FROM: &str = kept_push!("i.leaf >= ?1 ORDER BY i.leaf LIMIT 1000");
pub(super) const NEWEST_DONE: &str =
    kept_push!("i.state IN ('relayed', 'discarded') ORDER BY i.changed_us DESC LIMIT ?1");
pub(super) const PAYLOAD_FILES: &str =
    "SELECT i.exchange FROM payload p JOIN inbox i ON i.leaf = p.leaf WHERE p.bytes IS NULL ORDER BY p.leaf";
pub(super) const TAG_FILES: &str = "SELECT exchange FROM subject_file ORDER BY leaf";
// Looking deep, offline.
pub(super) const COMMITTED_LEAVES: &str = "SELECT idx, exchange, bytes FROM leaf
     WHERE kind IN ('push', 'pull', 'compare', 'refusal', 'recall', 'receipt-ack', 'officer-query', 'officer-unseal') AND exchange IS NOT NULL ORDER BY idx";
pub(super) const SHRED_LEAVES: &str = "SELECT bytes FROM leaf WHERE kind = 'shred' ORDER BY idx";
pub(super) const SUBJECTS_BY_LEAF: &str = "SELECT leaf, tag FROM subject ORDER BY leaf, tag";
pub(super) const SUBJECTS_OF: &str = "SELECT tag FROM subject WHERE leaf = ?1 ORDER BY tag";
pub(super) const SUBJECT_FILE_OF: &str = "SELECT exchange FROM subject_file WHERE leaf = ?1";
pub(super) const SUBJECT_RUNS_OF: &str = "SELECT tags FROM subject_run WHERE leaf = ?1 ORDER BY run";

/// Every statement above, for the test that prepares them.
#[cfg(test)]
pub(super) const ALL: &[&str] = &[
    TRIGGERS,
    INSERT_LEAF,
    INSERT_TILE,
    INSERT_TREE,
    UPDATE_TREE,
    INSERT_CHECKPOINT,
    INSERT_INBOX,
    INSERT_PAYLOAD,
    INSERT_EVIDENCE,
    INSERT_REJECT,
    INSERT_ANSWER,
    PRUNE_ANSWER,
    ANSWERS,
    SUBJECTS_OF,
    COMPARISONS_FROM,
    INSERT_IDEM,
    INSERT_NONCE,
    FIND_NONCE,
    FORGET_NONCES,
    INSERT_SUBJECT,
    INSERT_SUBJECT_RUN,
    FIND_IDEM,
    FIND_INBOX,
    MOVE_INBOX,
    DELETE_PAYLOAD,
    OLDEST_WAITING,
    PENDING,
    RELAYED_LEAF,
    RECALLED_LEAF,
    RECALLS_FROM,
    FIRST_LEAF_SINCE,
    PRUNE_IDEM,
    PRUNE_REJECT,
    THINNED,
    SET_THINNED,
    OLD_CHECKPOINTS,
    DELETE_CHECKPOINT,
    TREE,
    NEWEST_CHECKPOINT,
    LAST_INDEX,
    LEAVES_FROM,
    HAS_FILE,
    HASHES,
    TILE_HASHES,
    ENTRIES,
    CHECKPOINT_AFTER,
    CHECKPOINT_AT,
    EXCHANGE_LEAVES,
    NEWEST_OF,
    UNSEALING_LEAVES,
    ACK_LEAF,
    ONE_LEAF,
    SEARCH,
    SEARCH_PARTNER,
    EXCHANGES_FROM,
    POLICY_LOADS,
    KEY_LEAVES,
    LOG_OPENED,
    LOG_CLOSED,
    COSIGNED_AT,
    FIRST_COSIGNED,
    LAST_PAUSE,
    STORE_COSIGNED,
    THIN_COSIGNED,
    NEWEST_COSIGNED,
    LAST_GAP,
    LAST_CONFIG,
    TALLY,
    INBOX_STATE,
    REJECTS,
    EVIDENCE,
    NEXT_LANE,
    WAITS_BEFORE,
    OLDEST_ASIDE,
    WAITING,
    SET_ASIDE,
    DUE,
    SUBJECT_LEAVES,
    PUSHES_FROM,
    NEWEST_DONE,
    PAYLOAD_FILES,
    TAG_FILES,
    SUBJECT_RUNS,
    PARTNER_EXCHANGES,
    COMMITTED_LEAVES,
    SHRED_LEAVES,
    SUBJECTS_BY_LEAF,
    SUBJECT_FILE_OF,
    SUBJECT_RUNS_OF,
    INSERT_WRAPPED_KEY,
    DELETE_WRAPPED_KEYS,
    DELETE_EVIDENCE,
    MONTHS_IN_USE,
    INSERT_SUBJECT_FILE,
    HAS_TAGS,
    SUBJECT_FILES,
];

/// Makes the folders and the database, private to their owner; tables and `first` rows in one transaction, so that a crash leaves no half
/// of a journal.
pub(super) fn create(
    database: &Path,
    payloads: &Path,
    first: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> Result<(), JournalFault> {
    check_version()?;
    let folder = folder_of(database);
    private_folder(&folder)?;
    private_folder(payloads)?;
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(database);
    made.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => JournalFault::Exists(database.to_owned()),
        _ => JournalFault::file("create", database)(error),
    })?;
    let connection = connect(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    durable(&connection)?;
    let made = connection
        .execute_batch("BEGIN IMMEDIATE")
        .and_then(|()| connection.pragma_update(None, "application_id", APPLICATION_ID))
        .and_then(|()| connection.pragma_update(None, "user_version", SCHEMA_VERSION))
        .and_then(|()| connection.execute_batch(SCHEMA))
        .and_then(|()| connection.execute_batch(ADDED))
        .and_then(|()| first(&connection))
        .and_then(|()| connection.execute_batch("COMMIT"));
    made.map_err(JournalFault::store("make the journal's tables"))
}

/// Opens the one connection that writes.
pub(super) fn open_writer(database: &Path, payloads: &Path) -> Result<Connection, JournalFault> {
    check_version()?;
    if !database.is_file() {
        return Err(JournalFault::Absent(database.to_owned()));
    }
    check_private(&folder_of(database))?;
    check_private(database)?;
    check_private(payloads)?;
    let connection = connect(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check_identity(&connection, database)?;
    durable(&connection)?;
    for added in [
        ADDED,
        POLICY_INDEX,
        OPERATOR_INDEX,
        GAP_INDEX,
        CONFIG_INDEX,
        RECALL_INDEX,
        KEY_INDEX,
        OPEN_INDEX,
        CLOSE_INDEX,
        COSIGNED_TABLE,
    ] {
        let made = connection.execute_batch(added);
        made.map_err(JournalFault::store("add what an earlier version has not"))?;
    }
    // Keys and tags are random, so a group touches many pages: they are held, not read back from the write-ahead log.
    let cached = connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB);
    cached.map_err(JournalFault::store("set the journal's page cache"))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens a connection that only copies the write-ahead log back.
pub(super) fn open_copier(database: &Path) -> Result<Connection, JournalFault> {
    let connection = connect(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    durable(&connection)?;
    Ok(connection)
}

/// Copies back what is committed and no reader still needs in the log, and syncs the database; waits for nobody.
pub(super) fn copy_back(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// Opens a connection that only reads.
pub(super) fn open_reader(database: &Path) -> Result<Connection, JournalFault> {
    if !database.is_file() {
        return Err(JournalFault::Absent(database.to_owned()));
    }
    let connection = connect(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let asked = connection.pragma_update(None, "query_only", true);
    asked.map_err(JournalFault::store("open the journal for reading"))?;
    check_identity(&connection, database)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// Locks `<database>.lock` against a second process; the lock lives as long as the file that is given back.
pub(super) fn lock(database: &Path) -> Result<File, JournalFault> {
    let path = lock_path(database);
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let file = opened.map_err(JournalFault::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalFault::Locked(database.to_owned())),
        Err(TryLockError::Error(error)) => Err(JournalFault::file("lock", &path)(error)),
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn folder_of(database: &Path) -> PathBuf {
    match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn check_version() -> Result<(), JournalFault> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(JournalFault::OldSqlite(rusqlite::version().to_owned()));
    }
    Ok(())
}

fn private_folder(folder: &Path) -> Result<(), JournalFault> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(JournalFault::file("make folder", folder))?;
    check_private(folder)
}

fn check_private(path: &Path) -> Result<(), JournalFault> {
    let metadata = std::fs::metadata(path).map_err(JournalFault::file("look at", path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(JournalFault::Exposed { path, mode });
    }
    Ok(())
}

fn connect(database: &Path, access: OpenFlags) -> Result<Connection, JournalFault> {
    // No URI names, no mutex: a connection is used by one thread at a time.
    let connection = Connection::open_with_flags(database, access | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let connection = connection.map_err(JournalFault::store("open the journal"))?;
    let set = connection
        .busy_timeout(BUSY_TIMEOUT)
        .and_then(|()| connection.pragma_update(None, "foreign_keys", true))
        .and_then(|()| connection.pragma_update(None, "trusted_schema", false))
        .and_then(|()| connection.pragma_update(None, "cell_size_check", true))
        .and_then(|()| connection.pragma_update(None, "mmap_size", 0))
        .and_then(|()| connection.pragma_update(None, "temp_store", "MEMORY"))
        .and_then(|()| connection.pragma_update(None, "secure_delete", true));
    set.map_err(JournalFault::store("set up the journal's connection"))?;
    Ok(connection)
}

/// What makes COMMIT mean "on disk", asked back because SQLite ignores a mode that it cannot set.
fn durable(connection: &Connection) -> Result<(), JournalFault> {
    let set = connection
        .pragma_update(None, "journal_mode", "WAL")
        .and_then(|()| connection.pragma_update(None, "synchronous", "FULL"))
        // The writer checkpoints by itself between groups, where it sees the result: SQLite's own would hide a failed fsync.
        .and_then(|()| connection.pragma_update(None, "wal_autocheckpoint", 0))
        .and_then(|()| connection.pragma_update(None, "journal_size_limit", 128 << 20));
    set.map_err(JournalFault::store("set the journal's durability"))?;
    let mode = connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
    let synchronous = connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0));
    match (mode, synchronous) {
        (Ok(mode), Ok(2)) if mode == "wal" => Ok(()),
        _ => Err(JournalFault::damaged(
            "it cannot be written with WAL and synchronous=FULL",
        )),
    }
}

fn check_identity(connection: &Connection, database: &Path) -> Result<(), JournalFault> {
    let value = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    match (value("application_id"), value("user_version")) {
        (Ok(APPLICATION_ID), Ok(SCHEMA_VERSION)) => Ok(()),
        (Ok(_), Ok(_)) => Err(JournalFault::Foreign(database.to_owned())),
        (Err(error), _) | (_, Err(error)) => Err(JournalFault::store("read the journal's identity")(error)),
    }
}

/// An unsigned number as SQLite keeps it; nothing here comes near 2^63.
pub(super) fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The way back; a negative number is damage and becomes 0, which no check accepts.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

    use rusqlite::Connection;

    use super::{
        ADDED, ALL, CLOSE_INDEX, COMMITTED_LEAVES, CONFIG_INDEX, COSIGNED_TABLE, GAP_INDEX, KEY_INDEX, MONTHS_IN_USE,
        NEWEST_CHECKPOINT, OPEN_INDEX, OPERATOR_INDEX, PAYLOAD_FILES, POLICY_INDEX, RECALL_INDEX, SCHEMA, SHRED_LEAVES,
        SUBJECT_FILES, SUBJECT_RUNS, SUBJECTS_BY_LEAF, TAG_FILES, TRIGGERS, create, open_reader, open_writer,
    };

    #[test]
    fn every_statement_prepares_and_finds_its_rows_by_key_or_index() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection.execute_batch(ADDED).unwrap();
        connection.execute_batch(POLICY_INDEX).unwrap();
        connection.execute_batch(OPERATOR_INDEX).unwrap();
        connection.execute_batch(GAP_INDEX).unwrap();
        connection.execute_batch(CONFIG_INDEX).unwrap();
        connection.execute_batch(RECALL_INDEX).unwrap();
        connection.execute_batch(KEY_INDEX).unwrap();
        connection.execute_batch(OPEN_INDEX).unwrap();
        connection.execute_batch(CLOSE_INDEX).unwrap();
        connection.execute_batch(COSIGNED_TABLE).unwrap();
        for statement in ALL {
            let mut plan = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
                .unwrap_or_else(|error| panic!("{statement}: {error}"));
            let parameters = plan.parameter_count();
            let steps = plan.query_map(rusqlite::params_from_iter(vec![0; parameters]), |row| row.get(3));
            for step in steps.unwrap() {
                let step: String = step.unwrap();
                let whole = step.starts_with("SCAN") && !step.contains("USING") && !step.contains("CONSTANT");
                // The newest checkpoint is the last row of its table.
                let meant = [
                    TRIGGERS,
                    SUBJECT_RUNS,
                    SUBJECT_FILES,
                    MONTHS_IN_USE,
                    NEWEST_CHECKPOINT,
                    COMMITTED_LEAVES,
                    SHRED_LEAVES,
                    SUBJECTS_BY_LEAF,
                    PAYLOAD_FILES,
                    TAG_FILES,
                ]
                .contains(statement)
                    || step.contains("subquery");
                assert!(!whole || meant, "{statement}\n{step}");
            }
        }
        let triggers: i64 = connection.query_row(TRIGGERS, [], |row| row.get(0)).unwrap();
        assert_eq!(triggers, 4);
    }

    #[test]
    fn others_may_not_read_it_and_readers_may_not_write() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (database, payloads) = (folder.path().join("j/journal.db"), folder.path().join("j/payload"));
        create(&database, &payloads, |_| Ok(())).unwrap();
        assert!(create(&database, &payloads, |_| Ok(())).is_err());
        let reader = open_reader(&database).unwrap();
        assert!(reader.execute("DELETE FROM tree", []).is_err());
        std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = open_writer(&database, &payloads).unwrap_err();
        assert!(refused.to_string().contains("0640"), "{refused}");
    }
}
