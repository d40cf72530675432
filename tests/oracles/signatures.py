"""HTTP message signatures as http-message-signatures judges them: one message a line, as JSON; one verdict a line, `ok` or `bad`.

The library says whether a signature holds. What a tag demands beyond RFC 9421 (components, parameters, one spelling) is written down here
once more, from the table in the documentation and with the library's own parser and writer.
"""

import json
import sys

import http_sf
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from http_message_signatures import HTTPMessageVerifier, MappingKeyResolver, algorithms
from http_sf.compat import Dictionary, InnerList

REQUEST = ["@method", "@target-uri", "content-type", "content-digest", "exchange-purpose", "idempotency-key"]
PARAMETERS = ["created", "expires", "nonce", "keyid", "alg", "tag"]
ANSWER_PARAMETERS = ["created", "keyid", "alg", "tag"]
ALGORITHMS = {"ed25519": algorithms.ED25519, "ecdsa-p256-sha256": algorithms.ECDSA_P256_SHA256}


class Message:
    """A request, or the response to one."""

    def __init__(self, document):
        self.headers = document["headers"]
        if "status" in document:
            self.status_code = document["status"]
            self.request = Message(document["request"])
        else:
            self.method, self.url = document["method"], document["url"]


def parsed(text):
    """A dictionary of one member that is written as RFC 9651 writes it."""
    dictionary = Dictionary()
    dictionary.parse(text.encode())
    if str(dictionary) != text or len(dictionary) != 1:
        raise ValueError("not one member in its one spelling")
    return dictionary


def judge(document):
    message, label = Message(document), document["label"]
    given = parsed(message.headers["signature-input"])[label]
    signature = parsed(message.headers["signature"])[label]
    wanted = document["covers"]
    answer = "status" in document
    if not isinstance(given, InnerList) or [str(item) for item in given] != wanted:
        raise ValueError("other components")
    if list(given.params) != (ANSWER_PARAMETERS if answer else PARAMETERS) or signature.params:
        raise ValueError("other parameters")
    if not answer:
        created, expires, nonce = given.params["created"], given.params["expires"], given.params["nonce"]
        if not (0 < expires - created <= 300 and created <= document["now"] + 60 and expires > document["now"]):
            raise ValueError("not now")
        if not 16 <= len(nonce) <= 64 or not set(nonce) <= set("+/=-_" + LETTERS):
            raise ValueError("no nonce")
    keys = {keyid: load_pem_public_key(pem.encode()) for keyid, pem in document["keys"].items()}
    verifier = HTTPMessageVerifier(
        signature_algorithm=ALGORITHMS[given.params["alg"]],
        key_resolver=MappingKeyResolver(public_keys=keys, private_keys={}),
    )
    results = verifier.verify(message, max_age=None, expect_tag=document["tag"], expect_label=label)
    if len(results) != 1:
        raise ValueError("no signature")


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

for line in sys.stdin:
    try:
        judge(json.loads(line))
        print("ok")
    except Exception as error:  # whatever the library raises is a refusal
        print("bad", type(error).__name__, str(error).replace("\n", " "))
