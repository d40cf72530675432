//! The journal's tables on SQLite, and what keeps leaves as they are.

/// Tables. Leaves and tile entries are insert-only, by trigger.
pub(super) const TABLES: &str = "
CREATE TABLE leaf (          -- the log; bytes are the truth, the other columns are for finding
  idx      INTEGER PRIMARY KEY,
  hash     BLOB NOT NULL CHECK (length(hash) = 32),
  t        INTEGER NOT NULL, -- microseconds UTC, when it was sealed: `clk` of the leaf, else its `t`
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
pub(super) const ADDED: &str = "
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
CREATE TABLE IF NOT EXISTS past_plan (      -- of every bundle that was loaded: what a grant was, by the hash that leaves name
  hash  BLOB PRIMARY KEY CHECK (length(hash) = 32), -- SHA-256 of bytes
  bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";
/// Made at each opening: a journal of an earlier version has none. Checkpoints that witnesses signed, the last one of each minute.
pub(super) const COSIGNED: &str = "CREATE TABLE IF NOT EXISTS cosigned (
  size INTEGER PRIMARY KEY,
  t    INTEGER NOT NULL, -- when the checkpoint was the newest, microseconds UTC
  note TEXT NOT NULL     -- with the log's signature and theirs
) STRICT";

/// How many of the four triggers are there, and do what they must.
pub(super) const TRIGGERS: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND
  name IN ('leaf_kept', 'leaf_fixed', 'tile_kept', 'tile_fixed') AND sql LIKE '%SELECT RAISE(ABORT%'";
