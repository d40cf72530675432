//! All SQL of the journal, for whichever store it lies in.
//!
//! Constant text with bound values, in what SQLite and PostgreSQL both understand; `?1` is `$1` there. What differs lies with the store.

// The sequencer.
pub(super) const INSERT_LEAF: &str = "INSERT INTO leaf (idx, hash, t, kind, exchange, partner, rec, pur, code, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
pub(super) const INSERT_TILE: &str = "INSERT INTO tile (level, idx, hash) VALUES (?1, ?2, ?3)";
pub(super) const INSERT_TREE: &str = "INSERT INTO tree (id, size, edge, thinned) VALUES (?1, ?2, ?3, ?4)";
pub(super) const UPDATE_TREE: &str = "UPDATE tree SET size = ?1, edge = ?2 WHERE id = 1 AND size = ?3";
pub(super) const INSERT_CHECKPOINT: &str = "INSERT INTO checkpoint (size, t, note) VALUES (?1, ?2, ?3)";
pub(super) const INSERT_INBOX: &str =
    "INSERT INTO inbox (leaf, exchange, state, rec, partner, received_us, changed_us, parts, bytes)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
pub(super) const INSERT_PAYLOAD: &str = "INSERT INTO payload (leaf, wrapped_key, bytes) VALUES (?1, ?2, ?3)";
pub(super) const INSERT_EVIDENCE: &str = "INSERT INTO evidence (leaf, sealed) VALUES (?1, ?2)";
pub(super) const INSERT_WRAPPED_KEY: &str = "INSERT INTO wrapped_key (leaf, month, key) VALUES (?1, ?2, ?3)";
pub(super) const DELETE_WRAPPED_KEYS: &str = "DELETE FROM wrapped_key WHERE leaf IN
     (SELECT leaf FROM evidence WHERE leaf >= ?1 AND leaf < ?2 ORDER BY leaf LIMIT 5000)";
pub(super) const DELETE_EVIDENCE: &str = "DELETE FROM evidence WHERE leaf IN
     (SELECT leaf FROM evidence WHERE leaf >= ?1 AND leaf < ?2 ORDER BY leaf LIMIT 5000)";
pub(super) const SHRED_INDEX: &str =
    "CREATE INDEX IF NOT EXISTS leaf_shred ON leaf (kind, exchange, idx) WHERE kind = 'shred'";
/// Acts of destruction; the word stands here so that the partial index serves.
pub(super) const SHRED_LEAVES: &str = "SELECT idx, bytes FROM leaf WHERE kind = 'shred' ORDER BY idx";
/// Those about one exchange, and those about none.
pub(super) const SHREDS_ABOUT: &str = "SELECT idx, bytes FROM leaf WHERE kind = 'shred' AND exchange = ?1
     UNION ALL SELECT idx, bytes FROM leaf WHERE kind = 'shred' AND exchange IS NULL ORDER BY idx";
pub(super) const FIRST_LEAF_OF: &str = "SELECT idx FROM leaf WHERE exchange = ?1 ORDER BY idx LIMIT 1";
/// Record or key of the leaves from ?1 up to ?2.
pub(super) const HOLDS_EVIDENCE: &str = "SELECT EXISTS (SELECT 1 FROM evidence WHERE leaf >= ?1 AND leaf < ?2)
     OR EXISTS (SELECT 1 FROM wrapped_key WHERE leaf >= ?1 AND leaf < ?2)";
/// Also those that have no record.
pub(super) const DELETE_LEFT_KEYS: &str = "DELETE FROM wrapped_key WHERE leaf IN
     (SELECT leaf FROM wrapped_key WHERE leaf >= ?1 AND leaf < ?2 ORDER BY leaf LIMIT 5000)";
pub(super) const MONTHS_IN_USE: &str = "SELECT DISTINCT month FROM wrapped_key";
pub(super) const INSERT_REJECT: &str = "INSERT INTO reject (leaf, sealed) VALUES (?1, ?2)";
pub(super) const INSERT_ANSWER: &str = "INSERT INTO answer (leaf, sealed) VALUES (?1, ?2)";
pub(super) const INSERT_IDEM: &str = "INSERT INTO idem (leaf, tag, content, size) VALUES (?1, ?2, ?3, ?4)";
/// The hash is of the bytes, so a row that is there is as this one or was edited.
pub(super) const PUT_PAST_PLAN: &str =
    "INSERT INTO past_plan (hash, bytes) VALUES (?1, ?2) ON CONFLICT (hash) DO UPDATE SET bytes = excluded.bytes";
pub(super) const PAST_PLANS: &str = "SELECT hash, bytes FROM past_plan WHERE hash = ?1";
pub(super) const PAST_PLANS_AFTER: &str = "SELECT hash, bytes FROM past_plan WHERE hash > ?1 ORDER BY hash LIMIT 500";
pub(super) const PAST_PLAN: &str = "SELECT bytes FROM past_plan WHERE hash = ?1";
pub(super) const INSERT_NONCE: &str = "INSERT INTO nonce (tag, bound, until) VALUES (?1, ?2, ?3)";
pub(super) const FIND_NONCE: &str = "SELECT tag, bound FROM nonce WHERE tag = ?1";
/// Of the oldest ?1 rows those that ended before ?2.
pub(super) const FORGET_NONCES: &str =
    "DELETE FROM nonce WHERE id IN (SELECT id FROM nonce WHERE id > 0 ORDER BY id LIMIT ?1) AND until < ?2";
pub(super) const INSERT_SUBJECT: &str = "INSERT INTO subject (tag, leaf) VALUES (?1, ?2)";
pub(super) const INSERT_SUBJECT_RUN: &str = "INSERT INTO subject_run (leaf, run, tags) VALUES (?1, ?2, ?3)";
pub(super) const INSERT_SUBJECT_FILE: &str = "INSERT INTO subject_file (leaf, exchange) VALUES (?1, ?2)";
pub(super) const FIND_IDEM: &str = "SELECT tag, leaf, content, size FROM idem WHERE tag = ?1";
pub(super) const FIND_INBOX: &str =
    "SELECT i.leaf, i.state, i.bytes, l.hash, i.reason, i.partner FROM inbox i JOIN leaf l ON l.idx = i.leaf
     WHERE i.leaf IN (SELECT idx FROM leaf WHERE exchange = ?1 AND kind = 'push') LIMIT 1";
pub(super) const MOVE_INBOX: &str =
    "UPDATE inbox SET state = ?3, changed_us = ?4, reason = ?5 WHERE leaf = ?1 AND state = ?2";
pub(super) const DELETE_PAYLOAD: &str = "DELETE FROM payload WHERE leaf = ?1";
/// A row beside a leaf that is no push waits for nothing: it counts nowhere as waiting or set aside, or it would bar its partner for good. Asked row by row, so that
/// the index of the inbox leads.
macro_rules! beside_push {
    () => {
        "(SELECT l.kind FROM leaf l WHERE l.idx = inbox.leaf) = 'push'"
    };
}
/// Since when the oldest batch waits: from its sealing, or from when it was released or ordered again, as the clock went and not as the log counted.
pub(super) const OLDEST_WAITING: &str = concat!(
    "SELECT changed_us FROM inbox WHERE state = 'waiting' AND ",
    beside_push!(),
    " ORDER BY leaf LIMIT 1"
);
pub(super) const PENDING: &str = concat!(
    "SELECT partner, count(*), CAST(sum(bytes) AS bigint) FROM (
  SELECT partner, bytes FROM inbox WHERE state = 'waiting' AND ",
    beside_push!(),
    " UNION ALL SELECT partner, bytes FROM inbox WHERE state = 'set-aside' AND ",
    beside_push!(),
    ") AS pending GROUP BY partner"
);
pub(super) const RELAYED_LEAF: &str =
    "SELECT idx FROM leaf WHERE exchange = ?1 AND kind = 'relayed' ORDER BY idx LIMIT 1";

pub(super) const RECALL_INDEX: &str = "CREATE INDEX IF NOT EXISTS leaf_recall ON leaf (idx) WHERE kind = 'recall'";
/// The oldest recall from a leaf on; the word stands here so that the partial index serves.
pub(super) const RECALLED_LEAF: &str =
    "SELECT idx FROM leaf WHERE exchange = ?1 AND kind = 'recalled' ORDER BY idx LIMIT 1";
pub(super) const RECALLS_FROM: &str = "SELECT l.bytes, l.idx, l.hash, (SELECT r.bytes FROM leaf r
       WHERE r.exchange = l.exchange AND r.kind = 'recalled' LIMIT 1) FROM leaf l
     WHERE l.kind = 'recall' AND l.idx >= ?1 ORDER BY l.idx LIMIT 1000";
/// Recalls that no leaf says are carried out.
pub(super) const OPEN_RECALLS: &str = "SELECT count(*) FROM leaf l WHERE l.kind = 'recall'
     AND NOT EXISTS (SELECT 1 FROM leaf r WHERE r.exchange = l.exchange AND r.kind = 'recalled')";
/// Recalls by a partner, of one record type, behind a leaf, and whether each is carried out.
pub(super) const RECALLS_OF: &str = "SELECT l.bytes, (SELECT r.idx FROM leaf r
       WHERE r.exchange = l.exchange AND r.kind = 'recalled' LIMIT 1) FROM leaf l
     WHERE l.kind = 'recall' AND l.idx > ?1 AND l.partner = ?2 AND l.rec = ?3 ORDER BY l.idx";
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
/// The first leaves of an exchange: officers may ask about one as often as they like. What is sought by its kind has statements of its own.
pub(super) const EXCHANGE_LEAVES: &str = "SELECT idx, t, kind, exchange, partner, rec, pur, code, bytes FROM leaf WHERE exchange = ?1 ORDER BY idx LIMIT 100";
pub(super) const FIRST_LEAF: &str = "SELECT idx, t, kind, exchange, partner, rec, pur, code, bytes FROM leaf
     WHERE exchange = ?1 ORDER BY idx LIMIT 1";
/// The first leaf of a kind that an exchange has.
pub(super) const FIRST_OF: &str = "SELECT idx, bytes FROM leaf WHERE exchange = ?1 AND kind = ?2 ORDER BY idx LIMIT 1";
/// The newest leaf of a kind that an exchange has.
pub(super) const NEWEST_OF: &str = "SELECT bytes FROM leaf WHERE exchange = ?1 AND kind = ?2 ORDER BY idx DESC LIMIT 1";
/// What officers asked and approved about an exchange, newest first: however many other leaves it has, these are seen.
pub(super) const UNSEALING_LEAVES: &str = "SELECT idx, t, kind, exchange, partner, rec, pur, code, bytes FROM leaf
     WHERE exchange = ?1 AND kind = 'officer-unseal' AND code IN ('ask', 'approve') ORDER BY idx DESC";
/// Exchanges of a partner, oldest first, with the leaf that says that each is in the registry or was given up.
pub(super) const PARTNER_EXCHANGES: &str = "SELECT l.idx, (SELECT s.idx FROM leaf s WHERE s.exchange = l.exchange
       AND (s.kind IN ('relayed', 'recalled') OR s.kind = 'operator' AND s.code = 'discarded') ORDER BY s.idx LIMIT 1)
     FROM leaf l WHERE l.partner = ?1 AND l.idx >= ?2 AND l.kind IN ('push', 'pull', 'compare', 'recall', 'refusal', 'aborted')
     ORDER BY l.idx LIMIT 200";
/// The newest exchange of a partner from a leaf on: the kinds of `Event::counts_for`.
pub(super) const NEWEST_COUNTED: &str = "SELECT bytes FROM leaf WHERE partner = ?1 AND idx >= ?2
     AND kind IN ('push', 'pull', 'compare', 'recall', 'refusal', 'aborted') ORDER BY idx DESC LIMIT 1";
pub(super) const ONE_LEAF: &str =
    "SELECT idx, t, kind, exchange, partner, rec, pur, code, bytes FROM leaf WHERE idx = ?1";
/// Newest first; ?1 and ?2 bound the index.
pub(super) const SEARCH: &str = "SELECT idx, t, kind, exchange, partner, rec, pur, code, bytes FROM leaf
     WHERE idx >= ?1 AND idx < ?2 AND (CAST(?3 AS text) IS NULL OR rec = ?3) AND (CAST(?4 AS text) IS NULL OR pur = ?4)
       AND (CAST(?5 AS text) IS NULL OR code = ?5) AND (CAST(?6 AS text) IS NULL OR kind = ?6)
     ORDER BY idx DESC LIMIT ?7";
/// The same for one partner, through its index.
pub(super) const SEARCH_PARTNER: &str = "SELECT idx, t, kind, exchange, partner, rec, pur, code, bytes FROM leaf
     WHERE partner = ?8 AND idx >= ?1 AND idx < ?2 AND (CAST(?3 AS text) IS NULL OR rec = ?3) AND (CAST(?4 AS text) IS NULL OR pur = ?4)
       AND (CAST(?5 AS text) IS NULL OR code = ?5) AND (CAST(?6 AS text) IS NULL OR kind = ?6)
     ORDER BY idx DESC LIMIT ?7";
/// Pushes, pulls and comparisons from a leaf on.
pub(super) const EXCHANGES_FROM: &str =
    "SELECT idx, bytes FROM leaf WHERE idx >= ?1 AND kind IN ('push', 'pull', 'compare') ORDER BY idx";
/// The same a page at a time, with what they are sealed as.
pub(super) const EXCHANGES_PAGE: &str = "SELECT idx, exchange, bytes FROM leaf
     WHERE idx >= ?1 AND exchange IS NOT NULL AND kind IN ('push', 'pull', 'compare') ORDER BY idx LIMIT 1000";
/// The same backwards, from before a leaf.
pub(super) const EXCHANGES_BACK: &str = "SELECT idx, exchange, bytes FROM leaf
     WHERE idx < ?1 AND exchange IS NOT NULL AND kind IN ('push', 'pull', 'compare') ORDER BY idx DESC LIMIT 1000";
/// Pushes alone, which are found by their place in the inbox: however many comparisons and extracts lie between them.
pub(super) const PUSHES_BACK: &str = "SELECT l.idx, l.exchange, l.bytes FROM inbox i JOIN leaf l ON l.idx = i.leaf
     WHERE i.leaf < ?1 AND l.exchange IS NOT NULL ORDER BY i.leaf DESC LIMIT 1000";
/// Comparisons from a leaf on, also those that were stopped because too many were absent.
pub(super) const COMPARISONS_FROM: &str = "SELECT bytes FROM leaf
     WHERE idx >= ?1 AND (kind = 'compare' OR kind = 'refusal' AND code = 'too-many-absent') ORDER BY idx";
/// Refusals of one exchange each, from a leaf on: of a batch that was read, and others.
pub(super) const REFUSALS_FROM: &str =
    "SELECT bytes FROM leaf WHERE idx >= ?1 AND kind = 'refusal' AND exchange IS NOT NULL ORDER BY idx";
/// Loads of policy bundles, newest first; the words stand here so that the partial index serves.
pub(super) const POLICY_LOADS: &str =
    "SELECT bytes FROM leaf WHERE kind = 'policy' AND code = 'loaded' ORDER BY idx DESC LIMIT ?1";
pub(super) const POLICY_INDEX: &str = "CREATE INDEX IF NOT EXISTS leaf_policy ON leaf (idx) WHERE kind = 'policy'";
/// The newest act that paused or resumed the relay; the words stand here so that the partial index serves.
pub(super) const LAST_PAUSE: &str =
    "SELECT code FROM leaf WHERE kind = 'operator' AND code IN ('paused', 'resumed') ORDER BY idx DESC LIMIT 1";
pub(super) const OPERATOR_INDEX: &str =
    "CREATE INDEX IF NOT EXISTS leaf_operator ON leaf (idx) WHERE kind = 'operator'";
/// Counts by hour, kind and partner of the newest leaves from ?1 on, at most ?2 of them.
pub(super) const TALLY: &str = "SELECT t / 3600000000, kind, partner, count(*) FROM (
     SELECT t, kind, partner FROM leaf WHERE idx >= ?1 ORDER BY idx DESC LIMIT ?2) AS newest GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 NULLS FIRST";
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
pub(super) const CLOCK_INDEX: &str = "CREATE INDEX IF NOT EXISTS leaf_clock ON leaf (idx) WHERE kind = 'clock'";
/// The newest word about the machine's own clock; the word stands here so that the partial index serves.
pub(super) const LAST_STEP: &str =
    "SELECT bytes FROM leaf WHERE kind = 'clock' AND code IN ('held', 'gone', 'taken') ORDER BY idx DESC LIMIT 1";
/// Where the time may have gone back: every leaf before one of these was sealed before it, whatever it says.
pub(super) const STEPS_TAKEN: &str =
    "SELECT idx, t FROM leaf WHERE kind = 'clock' AND code = 'taken' ORDER BY idx DESC LIMIT 1000";
pub(super) const KEY_INDEX: &str = "CREATE INDEX IF NOT EXISTS leaf_key ON leaf (idx) WHERE kind = 'key'";
pub(super) const OPEN_INDEX: &str = "CREATE INDEX IF NOT EXISTS leaf_open ON leaf (idx) WHERE kind = 'log-open'";
pub(super) const LOG_OPENED: &str = "SELECT bytes FROM leaf WHERE kind = 'log-open' ORDER BY idx DESC";
/// The leaf before one that opens a volume closes the volume before; found by that, so that a long journal needs no index more.
pub(super) const LOG_CLOSED: &str = "SELECT c.idx, c.bytes FROM leaf o JOIN leaf c ON c.idx = o.idx - 1
     WHERE o.kind = 'log-open' AND c.kind = 'log-close' ORDER BY o.idx";
/// Changes of the log's keys; the word stands here so that the partial index serves.
pub(super) const KEY_LEAVES: &str = "SELECT idx, bytes FROM leaf WHERE kind = 'key' ORDER BY idx";
pub(super) const CONFIG_INDEX: &str = "CREATE INDEX IF NOT EXISTS leaf_config ON leaf (idx) WHERE kind = 'config'";
pub(super) const LAST_CONFIG: &str = "SELECT bytes FROM leaf WHERE kind = 'config' ORDER BY idx DESC LIMIT 1";
pub(super) const INBOX_STATE: &str = "SELECT state, reason, parts, bytes FROM inbox WHERE leaf = ?1";
pub(super) const ANSWERS: &str = "SELECT sealed FROM answer WHERE leaf = ?1";
pub(super) const REJECTS: &str = "SELECT sealed FROM reject WHERE leaf = ?1";
pub(super) const EVIDENCE: &str =
    "SELECT e.sealed, k.month, k.key FROM evidence e LEFT JOIN wrapped_key k ON k.leaf = e.leaf WHERE e.leaf = ?1";
/// Keys of payloads that are held, the newest first.
pub(super) const NEWEST_HELD: &str = "SELECT l.exchange, p.wrapped_key FROM payload p JOIN leaf l ON l.idx = p.leaf
     WHERE l.exchange IS NOT NULL ORDER BY p.leaf DESC LIMIT 8";
pub(super) const NEXT_LANE: &str = concat!(
    "SELECT lane, partner, rec, leaf, changed_us FROM inbox WHERE state = 'waiting' AND lane > ?1 AND ",
    beside_push!(),
    " ORDER BY lane, leaf LIMIT 1"
);
/// Of a partner and record type, in either lane, before a leaf.
pub(super) const WAITS_BEFORE: &str = concat!(
    "SELECT EXISTS (SELECT 1 FROM inbox WHERE state = 'waiting'
     AND lane IN (?1 || ' ' || ?2, ?1 || ' ' || ?2 || ' bulk') AND leaf < ?3 AND ",
    beside_push!(),
    ")"
);
pub(super) const ASIDE_BEFORE: &str = concat!(
    "SELECT EXISTS (SELECT 1 FROM inbox WHERE state = 'set-aside'
     AND partner = ?1 AND rec = ?2 AND leaf < ?3 AND ",
    beside_push!(),
    ")"
);
pub(super) const OLDEST_ASIDE: &str = concat!(
    "SELECT rec, min(leaf) FROM inbox WHERE state = 'set-aside' AND ",
    beside_push!(),
    " GROUP BY rec"
);
/// A row beside a leaf that is no push waits for nothing.
pub(super) const WAITING: &str =
    "SELECT i.leaf, i.exchange, i.rec, i.partner, i.received_us, i.parts, i.bytes, p.wrapped_key, p.bytes, l.hash,
       l.bytes, CASE WHEN i.reason = 'SG6304' THEN EXISTS (SELECT 1 FROM leaf o
         WHERE o.exchange = i.exchange AND o.kind = 'operator' AND o.code = 'released-again') ELSE false END, l.exchange
     FROM inbox i LEFT JOIN payload p ON p.leaf = i.leaf JOIN leaf l ON l.idx = i.leaf AND l.kind = 'push'
     WHERE i.state = 'waiting' AND i.lane = ?1 ORDER BY i.leaf LIMIT ?2";
/// Under the exchange that the leaf names: an operator's word about it is looked for by that. As many as [`PENDING`] counts.
pub(super) const SET_ASIDE: &str =
    "SELECT i.leaf, coalesce(l.exchange, i.exchange), i.rec, i.partner, i.received_us, i.parts, i.bytes, i.reason
     FROM inbox i JOIN leaf l ON l.idx = i.leaf AND l.kind = 'push'
     WHERE i.state = 'set-aside' AND i.leaf >= ?1 ORDER BY i.leaf LIMIT ?2";
/// Whether a leaf says that the registry has a batch or that an operator gave it up: without one its payload is not erased, whatever its row says.
pub(super) const DONE_WITH: &str = "SELECT code IN ('relayed', 'recalled', 'discarded') FROM leaf WHERE exchange = ?1
     AND kind IN ('relayed', 'recalled', 'operator') ORDER BY idx DESC LIMIT 1";
/// Recalls by a partner after a push of its own.
pub(super) const RECALLS_AFTER: &str =
    "SELECT bytes FROM leaf WHERE partner = ?1 AND idx > ?2 AND kind = 'recall' ORDER BY idx";
/// Behind the moment and leaf that were looked at last, under the exchange that the leaf names.
pub(super) const DUE: &str = "SELECT i.changed_us, i.leaf, l.exchange FROM inbox i JOIN leaf l ON l.idx = i.leaf
     WHERE i.state IN ('relayed', 'discarded') AND i.changed_us <= ?1 AND i.changed_us >= ?2 AND (i.changed_us > ?2 OR i.leaf > ?3)
     ORDER BY i.changed_us, i.leaf LIMIT ?4";
pub(super) const SUBJECT_LEAVES: &str = "SELECT leaf FROM subject WHERE tag = ?1 ORDER BY leaf DESC";
pub(super) const SUBJECT_RUNS: &str = "SELECT rowid, leaf, length(tags) FROM subject_run ORDER BY leaf DESC, run";
pub(super) const SUBJECT_FILES: &str = "SELECT leaf, exchange FROM subject_file ORDER BY leaf DESC";
/// Of a push: its newest `relayed` leaf, whether the payload lies in the row (none: it is gone), and whether an operator's leaf gave it up.
macro_rules! kept_push {
    ($which:literal) => {
        concat!(
            "SELECT i.leaf, i.exchange, i.state, i.rec, i.partner, i.received_us, (SELECT r.bytes FROM leaf r
               WHERE r.exchange = i.exchange AND r.kind = 'relayed' ORDER BY r.idx DESC LIMIT 1),
               CASE WHEN p.leaf IS NOT NULL THEN p.bytes IS NOT NULL END, i.reason, i.parts,
               EXISTS (SELECT 1 FROM leaf o WHERE o.exchange = i.exchange AND o.kind = 'operator' AND o.code = 'discarded')
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
     WHERE kind IN ('push', 'pull', 'compare', 'refusal', 'recall', 'receipt-ack', 'ticket-answer', 'officer-query', 'officer-unseal')
       AND exchange IS NOT NULL
       AND idx >= ?1 ORDER BY idx LIMIT 1000";
/// Of the leaves from ?1 to ?2.
pub(super) const SUBJECTS_BY_LEAF: &str =
    "SELECT leaf, tag FROM subject WHERE leaf >= ?1 AND leaf <= ?2 ORDER BY leaf, tag";
pub(super) const SUBJECTS_OF: &str = "SELECT tag FROM subject WHERE leaf = ?1 ORDER BY tag";
pub(super) const SUBJECT_FILE_OF: &str = "SELECT exchange FROM subject_file WHERE leaf = ?1";
pub(super) const SUBJECT_RUNS_OF: &str = "SELECT tags FROM subject_run WHERE leaf = ?1 ORDER BY run";
// As it is stored, for whoever verifies it.
pub(super) const STORED_LEAVES: &str =
    "SELECT l.idx, l.bytes, l.hash, l.t, l.kind, l.exchange, l.partner, l.rec, l.pur, l.code,
       i.exchange, i.rec, i.partner, i.received_us, i.parts
     FROM leaf l LEFT JOIN inbox i ON i.leaf = l.idx WHERE l.idx >= ?1 ORDER BY l.idx LIMIT ?2";
pub(super) const CHECKPOINTS: &str = "SELECT size, note FROM checkpoint WHERE size >= ?1 AND size <= ?2 ORDER BY size";
/// The same with those that witnesses signed; a journal of an earlier version has no such table.
pub(super) const ALL_CHECKPOINTS: &str = "SELECT size, note FROM checkpoint WHERE size >= ?1 AND size <= ?2
     UNION ALL SELECT size, note FROM cosigned WHERE size >= ?1 AND size <= ?2 ORDER BY size";
/// Where the inbox has each push.
pub(super) const STORED_STATES: &str = "SELECT leaf, state FROM inbox WHERE leaf >= ?1 ORDER BY leaf LIMIT ?2";
pub(super) const STORED_EDGE: &str = "SELECT size, edge FROM tree";
pub(super) const TILES: &str = "SELECT count(*) FROM tile";

/// What leaves of one kind are found by, made at each opening: a journal of an earlier version lacks some.
pub(super) const INDEXES: &[&str] = &[
    POLICY_INDEX,
    OPERATOR_INDEX,
    GAP_INDEX,
    CONFIG_INDEX,
    RECALL_INDEX,
    KEY_INDEX,
    OPEN_INDEX,
    CLOCK_INDEX,
    SHRED_INDEX,
];

/// Every statement above, for the test that prepares them.
#[cfg(test)]
pub(super) const ALL: &[&str] = &[
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
    REFUSALS_FROM,
    INSERT_IDEM,
    PUT_PAST_PLAN,
    PAST_PLANS,
    PAST_PLANS_AFTER,
    PAST_PLAN,
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
    OPEN_RECALLS,
    RECALLS_OF,
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
    FIRST_LEAF,
    FIRST_OF,
    NEWEST_OF,
    UNSEALING_LEAVES,
    ACK_LEAF,
    ONE_LEAF,
    SEARCH,
    SEARCH_PARTNER,
    EXCHANGES_FROM,
    EXCHANGES_PAGE,
    EXCHANGES_BACK,
    PUSHES_BACK,
    POLICY_LOADS,
    KEY_LEAVES,
    LOG_OPENED,
    NEWEST_COUNTED,
    LOG_CLOSED,
    COSIGNED_AT,
    FIRST_COSIGNED,
    LAST_PAUSE,
    STORE_COSIGNED,
    THIN_COSIGNED,
    NEWEST_COSIGNED,
    LAST_GAP,
    LAST_STEP,
    STEPS_TAKEN,
    LAST_CONFIG,
    TALLY,
    INBOX_STATE,
    REJECTS,
    EVIDENCE,
    NEWEST_HELD,
    NEXT_LANE,
    WAITS_BEFORE,
    ASIDE_BEFORE,
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
    SHREDS_ABOUT,
    FIRST_LEAF_OF,
    HOLDS_EVIDENCE,
    DELETE_LEFT_KEYS,
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
    STORED_LEAVES,
    DONE_WITH,
    RECALLS_AFTER,
    CHECKPOINTS,
    ALL_CHECKPOINTS,
    STORED_STATES,
    STORED_EDGE,
    TILES,
];
