"""Cosignatures as C2SP tlog-cosignature and signed-note describe them, judged with the Ed25519 of `cryptography`.

Each line of stdin is a verifier key, the text of a checkpoint in base64 and a signature line, with tabs between. Prints the time of the
cosignature for each that verifies, else `no`.
"""

import base64
import hashlib
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def judge(vkey, text, line):
    name, key_id, encoded = vkey.split("+", 2)
    key = base64.b64decode(encoded, validate=True)
    if len(key) != 33 or key[0] != 0x04:
        return "no"
    known = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    if known.hex() != key_id:
        return "no"
    dash, signer, encoded = line.split(" ")
    signature = base64.b64decode(encoded, validate=True)
    if dash != "\u2014" or signer != name or signature[:4] != known or len(signature) != 4 + 8 + 64:
        return "no"
    time = int.from_bytes(signature[4:12], "big")
    message = b"cosignature/v1\ntime %d\n" % time + text
    try:
        Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature[12:], message)
    except InvalidSignature:
        return "no"
    return str(time)


for case in sys.stdin:
    vkey, text, line = case.rstrip("\n").split("\t")
    print(judge(vkey, base64.b64decode(text), line))
