//! Tampering: whatever is changed in the log or in a receipt, `shuguan verify` ends with 6 and says 无效.

use std::path::Path;

use rusqlite::Connection;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;
use shuguan_tests::{Call, Deployment, leaves, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};
use crate::random::Random;
use crate::stopped::stopped;

/// Whoever tampers does not ask the database for leave.
const TRIGGERS: &str = "PRAGMA foreign_keys = OFF; DROP TRIGGER leaf_kept; DROP TRIGGER leaf_fixed; DROP TRIGGER tile_kept; DROP TRIGGER tile_fixed;";
fn verify(arguments: &[&str]) -> (i32, String) {
    let trust = stopped().gateway.path("trust/trust.txt");
    let (code, out, error) = stopped()
        .gateway
        .shuguan(&[arguments, &["--trust", trust.to_str().unwrap()]].concat());
    (code, out + &error)
}

/// A copy of the journal that a change was made to.
fn changed(folder: &Path, change: impl FnOnce(&Connection)) -> String {
    let copy = folder.join("copy.db");
    std::fs::copy(stopped().gateway.journal(), &copy).unwrap();
    let connection = Connection::open(&copy).unwrap();
    connection.execute_batch(TRIGGERS).unwrap();
    change(&connection);
    // Back they come, as somebody would who wants it to look untouched.
    let original = Connection::open(stopped().gateway.journal()).unwrap();
    let mut triggers = original
        .prepare("SELECT sql FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap();
    for sql in triggers.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        connection.execute_batch(&sql.unwrap()).unwrap();
    }
    copy.to_str().unwrap().to_owned()
}

/// The change is found, the sentence says 无效.
fn found(what: &str, change: impl FnOnce(&Connection)) {
    let folder = tempfile::tempdir().unwrap();
    let copy = changed(folder.path(), change);
    let (code, said) = verify(&["verify", "log", &copy]);
    assert_eq!(code, 6, "{what}: {said}");
    assert!(said.contains("无效"), "{what}: {said}");
}

/// Flips one bit of a stored value.
fn flip(connection: &Connection, table: &str, column: &str, row: &str, random: &mut Random) {
    let sql = format!("SELECT CAST({column} AS BLOB) FROM {table} WHERE {row}");
    let mut bytes: Vec<u8> = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
    let at = random.below(bytes.len() as u64) as usize;
    bytes[at] ^= 1 << random.below(8);
    let value = if column == "note" { "CAST(?1 AS TEXT)" } else { "?1" };
    let sql = format!("UPDATE {table} SET {column} = {value} WHERE {row}");
    assert_eq!(connection.execute(&sql, [bytes]).unwrap(), 1);
}

#[test]
fn an_untouched_log_verifies_also_with_receipts_that_it_must_contain() {
    let folder = tempfile::tempdir().unwrap();
    let copy = changed(folder.path(), |_| {});
    let (first, newest) = (stopped().receipt.to_str().unwrap(), stopped().newest.to_str().unwrap());
    let (code, said) = verify(&["verify", "log", &copy, "--receipt", first, "--receipt", newest]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("有效"), "{said}");
    let (code, said) = verify(&["verify", "receipt", first]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_flipped_bit_of_any_leaf_is_found() {
    let mut random = Random::printed("leaves");
    let size = leaves(&stopped().gateway.journal()).len() as u64;
    for _ in 0..40 {
        let index = random.below(size);
        found(&format!("leaf {index}"), |db| {
            flip(db, "leaf", "bytes", &format!("idx = {index}"), &mut random)
        });
    }
}

#[test]
fn a_flipped_bit_of_a_stored_hash_or_checkpoint_is_found() {
    let mut random = Random::printed("hashes and checkpoints");
    let size = leaves(&stopped().gateway.journal()).len() as u64;
    for _ in 0..8 {
        let index = random.below(size);
        found(&format!("hash {index}"), |db| {
            flip(db, "leaf", "hash", &format!("idx = {index}"), &mut random)
        });
    }
    for _ in 0..16 {
        let nth = random.next();
        found("checkpoint", |db| {
            let count: i64 = db
                .query_row("SELECT count(*) FROM checkpoint", [], |row| row.get(0))
                .unwrap();
            let nth = nth % count as u64;
            let row = format!("size = (SELECT size FROM checkpoint ORDER BY size LIMIT 1 OFFSET {nth})");
            flip(db, "checkpoint", "note", &row, &mut random);
        });
    }
    found("tile entry", |db| {
        flip(db, "tile", "hash", "level = 1 AND idx = 0", &mut random)
    });
    found("right edge", |db| flip(db, "tree", "edge", "id = 1", &mut random));
}

#[test]
fn leaves_that_are_dropped_doubled_swapped_or_forged_are_found() {
    let run = |what: &str, sql: &str| {
        found(what, |db| db.execute_batch(sql).unwrap());
    };
    run("a leaf in the middle is gone", "DELETE FROM leaf WHERE idx = 9");
    run(
        "the gap is closed",
        "DELETE FROM leaf WHERE idx = 9; UPDATE leaf SET idx = idx - 1 WHERE idx > 9;",
    );
    run(
        "two leaves change places",
        "UPDATE leaf SET idx = -1 WHERE idx = 5; UPDATE leaf SET idx = 5 WHERE idx = 6; UPDATE leaf SET idx = 6 WHERE idx = -1;",
    );
    run(
        "a leaf stands twice",
        "INSERT INTO leaf SELECT (SELECT max(idx) + 1 FROM leaf), hash, t, kind, exchange, partner, rec, pur, code, bytes FROM leaf WHERE idx = 5",
    );
    run(
        "the tail is gone, its checkpoints stay",
        "DELETE FROM leaf WHERE idx > 100",
    );
    run("all is gone", "DELETE FROM leaf");
    run("every checkpoint is gone", "DELETE FROM checkpoint");
    run(
        "a note is another's",
        "UPDATE checkpoint SET note = (SELECT note FROM checkpoint ORDER BY size LIMIT 1)",
    );
}

/// By its state a batch comes into the registry, or never does.
#[test]
fn a_changed_state_of_the_inbox_is_found() {
    for to in [
        "waiting",
        "set-aside",
        "discarded",
        "discarded', reason = 'recalled",
        "erased",
    ] {
        found(&format!("relayed to {to}"), |db| move_one(db, "relayed", to));
    }
}

fn move_one(db: &Connection, from: &str, to: &str) {
    let one = format!("leaf = (SELECT max(leaf) FROM inbox WHERE state = '{from}')");
    let changed = db.execute(&format!("UPDATE inbox SET state = '{to}' WHERE {one}"), []);
    assert_eq!(changed.unwrap(), 1, "there is one that is {from}");
}

#[test]
fn a_batch_that_only_its_row_calls_done_with_is_named_by_whoever_looks_until_the_row_is_right() {
    let gateway = Deployment::with(|text| {
        text.replace(
            "database = \"registry/registry.db\"\n",
            "database = \"registry/registry.db\"\nrows_per_s = 1\n",
        )
    });
    // The relay takes a row a second, so that the second one waits when the gateway stops.
    let waiting = run(async {
        let running = gateway.serve();
        let police = gateway.partner(POLICE);
        let mut exchange = String::new();
        for n in [0, 50] {
            let rows: Vec<u8> = (n..n + 50).flat_map(|n| resident(&nobody(n), "某某")).collect();
            let answer = running.call(Call::push(RESIDENT, NDJSON, rows), &police).await.unwrap();
            assert_eq!(answer.status, 202);
            exchange = answer.json()["exchange"].as_str().unwrap().to_owned();
        }
        exchange
    });
    let journal = Connection::open(gateway.journal()).unwrap();
    for to in ["relayed", "discarded", "erased"] {
        move_one(&journal, "waiting", to);
        let (code, said, _) = gateway.shuguan(&["verify", "log", "--trust", "trust/trust.txt", "journal/journal.db"]);
        assert!(
            code == 6 && said.starts_with("无效") && said.contains(&format!("the inbox has it as `{to}`")),
            "{said}"
        );
        let (code, said, _) = gateway.shuguan(&["db", "fsck", "-c", "shuguan.toml"]);
        assert!(
            code == 6 && said.contains("misplaced") && said.contains(&waiting),
            "{said}"
        );
        move_one(&journal, to, "waiting");
    }
    let (code, said, _) = gateway.shuguan(&["verify", "log", "--trust", "trust/trust.txt", "journal/journal.db"]);
    assert_eq!(code, 0, "{said}");
    let (code, said, notes) = gateway.shuguan(&["db", "fsck", "-c", "shuguan.toml"]);
    assert!(code == 0 && notes.contains("0 findings"), "{said}{notes}");
}

/// Whoever searches must find what is there, so the search columns are evidence too.
#[test]
fn changed_search_columns_are_found() {
    for change in [
        "t = t + 1",
        "kind = 'pull'",
        "exchange = zeroblob(16)",
        "exchange = NULL",
        "partner = 'tax-city'",
        "partner = NULL",
        "rec = 'tax/registration'",
        "pur = NULL",
        "code = 'refused'",
        "code = NULL",
    ] {
        let sql = format!("UPDATE leaf SET {change} WHERE idx = (SELECT max(idx) FROM leaf WHERE kind = 'push')");
        found(change, |db| assert_eq!(db.execute(&sql, []).unwrap(), 1));
    }
}

/// A leaf that names no partner is found by no other one's name, nor by any where it is nobody's.
#[test]
fn a_partner_beside_a_leaf_of_another_exchange_or_of_none_is_found() {
    for kind in ["relayed", "start", "stop"] {
        let sql =
            format!("UPDATE leaf SET partner = 'nobody' WHERE idx = (SELECT max(idx) FROM leaf WHERE kind = '{kind}')");
        found(kind, |db| assert_eq!(db.execute(&sql, []).unwrap(), 1));
    }
    // The sender's own name says no more than the push does.
    let folder = tempfile::tempdir().unwrap();
    let copy = changed(folder.path(), |db| {
        let sql = "UPDATE leaf SET partner = (SELECT p.partner FROM leaf p WHERE p.exchange = leaf.exchange AND p.kind = 'push') WHERE kind = 'relayed'";
        assert_ne!(db.execute(sql, []).unwrap(), 0);
    });
    let (code, said) = verify(&["verify", "log", &copy]);
    assert_eq!(code, 0, "{said}");
}

/// By its row a batch comes into the registry, under the names that stand there.
#[test]
fn changed_and_lacking_rows_of_the_inbox_are_found() {
    const NEWEST: &str = "leaf = (SELECT max(leaf) FROM inbox)";
    for change in [
        "partner = 'tax-city'",
        "rec = 'tax/registration'",
        "received_us = received_us + 1",
        "parts = 0",
    ] {
        let sql = format!("UPDATE inbox SET {change} WHERE {NEWEST}");
        found(change, |db| assert_eq!(db.execute(&sql, []).unwrap(), 1));
    }
    let sql = format!("DELETE FROM inbox WHERE {NEWEST}");
    found("no row", |db| assert_eq!(db.execute(&sql, []).unwrap(), 1));
}

#[test]
fn a_tail_that_was_cut_with_its_checkpoints_is_found_with_a_newer_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let copy = changed(folder.path(), |db| {
        db.execute_batch("DELETE FROM leaf WHERE idx >= 20; DELETE FROM checkpoint WHERE size > 20; DELETE FROM tile;")
            .unwrap();
    });
    let newest = stopped().newest.to_str().unwrap();
    let (code, said) = verify(&["verify", "log", &copy, "--receipt", newest]);
    assert_eq!(code, 6, "{said}");
}

#[test]
fn a_change_of_any_byte_of_a_receipt_is_found() {
    let mut random = Random::printed("receipts");
    let text = std::fs::read(&stopped().receipt).unwrap();
    let trust = std::fs::read_to_string(stopped().gateway.path("trust/trust.txt")).unwrap();
    let trust = Trust::parse(&trust).unwrap();
    let proves = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        Receipt::parse(&text).and_then(|receipt| receipt.verify(&trust)).is_ok()
    };
    assert!(proves(&text));
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut forged = text.clone();
            forged[at] ^= 1 << bit;
            assert!(!proves(&forged), "byte {at}, bit {bit}");
        }
        assert!(!proves(&text[..at]), "cut at {at}");
        let mut shorter = text.clone();
        shorter.remove(at);
        assert!(!proves(&shorter) || shorter == text, "without byte {at}");
    }
    let file = stopped().gateway.path("forged.tlog-proof");
    for _ in 0..12 {
        let mut forged = text.clone();
        let at = random.below(forged.len() as u64) as usize;
        forged[at] ^= 1 << random.below(8);
        std::fs::write(&file, &forged).unwrap();
        let (code, said) = verify(&["verify", "receipt", file.to_str().unwrap()]);
        assert_eq!((code, said.contains("无效")), (6, true), "byte {at}: {said}");
    }
}

#[test]
fn the_receipt_and_the_log_of_another_gateway_are_not_proven_here() {
    let other = Deployment::new();
    run(async {
        let running = other.serve();
        let push = Call::push(RESIDENT, NDJSON, resident(&nobody(1), "某某"));
        let answer = running.call(push, &other.partner(POLICE)).await.unwrap();
        std::fs::write(
            other.path("other.tlog-proof"),
            answer.json()["receipt"].as_str().unwrap(),
        )
        .unwrap();
        assert_eq!(running.stop(), Some(0));
    });
    let (code, said) = verify(&["verify", "receipt", other.path("other.tlog-proof").to_str().unwrap()]);
    assert_eq!(code, 6, "{said}");
    let (code, said) = verify(&["verify", "log", other.journal().to_str().unwrap()]);
    assert_eq!(code, 6, "{said}");
}
