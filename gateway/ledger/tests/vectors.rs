//! Vectors that we did not write: RFC 6962 inclusion, consistency and subtree cases of `transparency-dev/merkle` (see `merkle/README.md`).
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use shuguan_ledger::tree::{Hash, leaf_hash, verify_consistency, verify_inclusion};

/// Asks `verdict` about every case; `None` stands for what cannot be a question to a verifier, hence no proof.
fn run(cases: &str, count: usize, verdict: impl Fn(&Value) -> Option<bool>) {
    assert_eq!(cases.lines().count(), count);
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let refused = case.get("wantErr").unwrap().as_bool().unwrap();
        let name = case.get("file").unwrap();
        assert_eq!(verdict(&case).unwrap_or(false), !refused, "{name}");
    }
}

fn number(case: &Value, member: &str) -> Option<u64> {
    case.get(member)?.as_u64()
}

fn hash(value: &Value) -> Option<Hash> {
    BASE64.decode(value.as_str()?).ok()?.try_into().ok()
}

/// Consistency cases use texts such as `don't care 1` as roots; a hash of the text stands in for it.
fn root(value: &Value) -> Option<Hash> {
    let bytes = BASE64.decode(value.as_str()?).ok()?;
    Some(bytes.as_slice().try_into().unwrap_or_else(|_| leaf_hash(&bytes)))
}

fn path(case: &Value) -> Option<Vec<Hash>> {
    match case.get("proof")? {
        Value::Null => Some(Vec::new()),
        proof => proof.as_array()?.iter().map(hash).collect(),
    }
}

#[test]
fn inclusion_vectors_are_judged_as_their_authors_do() {
    run(include_str!("merkle/inclusion.ndjson"), 98, |case| {
        let (index, size) = (number(case, "leafIdx")?, number(case, "treeSize")?);
        let (leaf, root) = (hash(case.get("leafHash")?)?, hash(case.get("root")?)?);
        Some(verify_inclusion(&leaf, index, size, &path(case)?, &root))
    });
}

#[test]
fn consistency_vectors_are_judged_as_their_authors_do() {
    run(include_str!("merkle/consistency.ndjson"), 98, |case| {
        let (old, new) = (number(case, "size1")?, number(case, "size2")?);
        let (old_root, new_root) = (root(case.get("root1")?)?, root(case.get("root2")?)?);
        Some(verify_consistency(old, new, &path(case)?, &old_root, &new_root))
    });
}

/// A subtree `start..end` is a tree of its own when it begins at a multiple of the power of two that holds it.
#[test]
fn subtree_inclusion_vectors_are_judged_as_their_authors_do() {
    run(include_str!("merkle/subtreeinclusion.ndjson"), 204, |case| {
        let (index, start, end) = (number(case, "leafIdx")?, number(case, "start")?, number(case, "end")?);
        let size = end.checked_sub(start).filter(|size| *size > 0)?;
        if !start.is_multiple_of(size.checked_next_power_of_two()?) {
            return None;
        }
        let (leaf, root) = (hash(case.get("leafHash")?)?, hash(case.get("root")?)?);
        let index = index.checked_sub(start)?;
        Some(verify_inclusion(&leaf, index, size, &path(case)?, &root))
    });
}
