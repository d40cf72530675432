"""A judge of logs, receipts and consistency that shares no code with ours: aics-tlog.

Called with the folder of an exported log and its verifier key. Reads one JSON case a line as judge.go does, answers `ok` or `no: why` a line.
"""

import base64
import json
import sys
from pathlib import Path

from aics_tlog import MemoryTileReader, audit_tiles, parse_vkey, verify_checkpoint, verify_consistency
from aics_tlog import verify_leaf_inclusion
from aics_tlog.checkpoint import checkpoint_from_note


def changed(whole, changes):
    files = dict(whole)
    for path, text in (changes or {}).items():
        if text is None:
            files.pop(path, None)
        else:
            files[path] = base64.b64decode(text)
    return files


def believed(text, vkey):
    checkpoint, note = checkpoint_from_note(text)
    found = verify_checkpoint(note, vkey, expected_origin=vkey.name)
    if not found.log_ok or found.error:
        raise ValueError(found.error or "the log did not sign it")
    return checkpoint


def judge_log(files, vkey):
    checkpoint = believed(files["checkpoint"], vkey)
    audit_tiles(MemoryTileReader(files), checkpoint.size, checkpoint.root)


def judge_receipt(text, vkey):
    head, _, checkpoint = text.partition("\n\n")
    header, extra, index, *path = head.split("\n")
    if header != "c2sp.org/tlog-proof@v1" or not extra.startswith("extra ") or not index.startswith("index "):
        raise ValueError("not a tlog-proof")
    leaf = base64.b64decode(extra[6:], validate=True)
    path = [base64.b64decode(one, validate=True) for one in path]
    checkpoint = believed(checkpoint, vkey)
    if not verify_leaf_inclusion(leaf, int(index[6:]), checkpoint.size, path, checkpoint.root):
        raise ValueError("the leaf is not in the log")


def judge_consistency(case):
    path = [base64.b64decode(one, validate=True) for one in case["path"]]
    old, new = base64.b64decode(case["old_root"]), base64.b64decode(case["new_root"])
    if not verify_consistency(case["old"], case["new"], old, new, path):
        raise ValueError("not consistent")


def judge(case, whole, vkey):
    if case["kind"] == "log":
        judge_log(changed(whole, case["files"]), vkey)
    elif case["kind"] == "receipt":
        judge_receipt(case["text"], vkey)
    else:
        judge_consistency(case)


def main():
    folder, vkey = Path(sys.argv[1]), parse_vkey(sys.argv[2])
    whole = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for line in sys.stdin.buffer:
        try:
            judge(json.loads(line), whole, vkey)
            print("ok")
        # Whatever it raises, it did not verify.
        except Exception as error:
            print("no:", type(error).__name__, str(error).replace("\n", " "))


main()
