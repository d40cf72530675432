"""A judge of logs and receipts that shares no code with ours: tlog-scales, and rfc8785 for the canonical form of leaves.

Called with the folder of an exported log, its verifier key, and `scales` or `canonical`. Reads one JSON case a line as judge.go does, answers
`ok` or `no: why` a line. `scales` asks whether tiles, bundles, root, signature and proofs fit; `canonical` only whether every entry of the
bundles (or the leaf of a receipt) is its own canonical form.
"""

import base64
import json
import sys
from pathlib import Path

import rfc8785
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tiles import leaf_hash
from tlog_scales.tlog import Checkpoint, ConsistencyProof, InclusionProof
from tlog_scales.utils import sha256


class Files:
    """A backend of tlog-scales: paths to bytes."""

    def __init__(self, files):
        self.files = files

    def get(self, *path):
        return self.files.get("/".join(path))


def changed(whole, changes):
    files = dict(whole)
    for path, text in (changes or {}).items():
        if text is None:
            files.pop(path, None)
        else:
            files[path] = base64.b64decode(text)
    return files


def believed(text, vkey):
    checkpoint = Checkpoint.from_text(text)
    if checkpoint.origin != vkey.name:
        raise ValueError("the checkpoint is another log's")
    checkpoint.verify(vkey)
    return checkpoint


def judge_log(files, vkey):
    checkpoint = believed(files["checkpoint"].decode(), vkey)
    reader = TilesReader(Files(files))
    reader.set_size(checkpoint.size)
    if reader.calculate_root_hash() != checkpoint.root_hash:
        raise ValueError("the tiles have another root")
    # calculate_root_hash takes the root of a full tile from the level above; here both have to say the same.
    for first in range(0, checkpoint.size - 255, 256):
        halves = reader.mth(first, first + 128) + reader.mth(first + 128, first + 256)
        if sha256(b"\x01" + halves) != reader.mth(first, first + 256):
            raise ValueError(f"the tile of leaf {first} is not that of the level above")
    for index in range(checkpoint.size):
        if leaf_hash(reader.get_entry(index)) != reader.mth(index, index + 1):
            raise ValueError(f"entry {index} does not have its hash")
    for index in range(0, checkpoint.size, 97):
        proof = reader.get_inclusion_proof(index, checkpoint.size)
        proof.check(leaf_hash(reader.get_entry(index)), checkpoint.root_hash)


def receipt_of(text):
    head, _, checkpoint = text.partition("\n\n")
    header, extra, index, *path = head.split("\n")
    if header != "c2sp.org/tlog-proof@v1" or not extra.startswith("extra ") or not index.startswith("index "):
        raise ValueError("not a tlog-proof")
    leaf = base64.b64decode(extra[6:], validate=True)
    return leaf, int(index[6:]), [base64.b64decode(one, validate=True) for one in path], checkpoint


def judge_receipt(text, vkey):
    leaf, index, path, checkpoint = receipt_of(text)
    checkpoint = believed(checkpoint, vkey)
    InclusionProof(index, checkpoint.size, path).check(leaf_hash(leaf), checkpoint.root_hash)


def judge_consistency(case):
    path = [base64.b64decode(one, validate=True) for one in case["path"]]
    old, new = base64.b64decode(case["old_root"]), base64.b64decode(case["new_root"])
    ConsistencyProof(case["old"], case["new"], path).check(old, new)


def judge_canonical(leaf):
    if rfc8785.dumps(json.loads(leaf)) != leaf:
        raise ValueError("a leaf is not its own canonical form")


def entries(files):
    for path, content in files.items():
        if path.startswith("tile/entries/"):
            while content:
                end = 2 + int.from_bytes(content[:2])
                yield content[2:end]
                content = content[end:]


def judge(case, whole, vkey, mode):
    if mode == "canonical":
        if case["kind"] == "receipt":
            judge_canonical(receipt_of(case["text"])[0])
        for leaf in entries(changed(whole, case["files"])) if case["kind"] == "log" else ():
            judge_canonical(leaf)
    elif case["kind"] == "log":
        judge_log(changed(whole, case["files"]), vkey)
    elif case["kind"] == "receipt":
        judge_receipt(case["text"], vkey)
    else:
        judge_consistency(case)


def main():
    folder, vkey, mode = Path(sys.argv[1]), Vkey.from_string(sys.argv[2]), sys.argv[3]
    whole = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for line in sys.stdin.buffer:
        try:
            judge(json.loads(line), whole, vkey, mode)
            print("ok")
        # Whatever it raises, it did not verify.
        except Exception as error:
            print("no:", type(error).__name__, str(error).replace("\n", " "))


main()
