"""Writes the committed corpus anew: python3 policies/fuzz/corpus/make.py

An input of `bundle` is the name of a file in a line of its own and the text that takes its place in the example bundle; one of `envelope` is the text
of a `bundle.sig`. Inputs that a fuzzer found are added by hand under a name that says what they did.
"""

import base64
from pathlib import Path

here = Path(__file__).parent
example = here / "../../example"


def put(target, name, text):
    folder = here / target
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8", newline="")


def bundle():
    for path in sorted(example.rglob("*.toml")):
        name = path.relative_to(example).as_posix()
        if name.startswith("tests/") and name != "tests/registry.toml":
            continue
        put("bundle", name.replace("/", "-").removesuffix(".toml"), f"{name}\n{path.read_text(encoding='utf-8')}")
    registry = (example / "agreements/registry.toml").read_text(encoding="utf-8")
    for name, change in {
        "a-date-that-is-none": ("2026-01-01T", "2026-02-30T"),
        "a-limit-below-zero": ("pulls_per_day = 24", "pulls_per_day = -1"),
        "an-unknown-operator": ("op = \"mask\"", "op = \"blur\""),
        "a-table-twice": ("[[grant]]", "[grant]"),
        "a-claim-too-few": ("\"citizen_id\", \"name\"]", "\"name\"]"),
    }.items():
        assert change[0] in registry, name
        put("bundle", name, "agreements/registry.toml\n" + registry.replace(*change))
    put("bundle", "another-file", "agreements/more.toml\nformat = 1\n")
    put("bundle", "no-file-of-a-bundle", "../keys.toml\nformat = 1\n")


def signature(role, name, algorithm, certificates=1, seconds="2026-11-25T07:30:00Z"):
    der = base64.b64encode(bytes(range(48))).decode()
    spiffe = f"spiffe://lyg.example/officer/{role.split('-')[0]}/legal/{name}"
    lines = [f"signature {role} {spiffe}", f"signed-at {seconds}", *[f"certificate {der}"] * certificates]
    return "\n" + "\n".join(lines) + f"\n{algorithm} {base64.b64encode(bytes(64)).decode()}\n"


def envelope():
    digest = lambda byte: "sha256:" + 32 * f"{byte:02x}"
    head = lambda serial, replaces, more="": (
        f"shuguan-policy/v1\nserial {serial}\nbundle {digest(1)}\nfiles {digest(2)}\nreplaces {replaces}\n{more}"
    )
    policy, security = signature("policy-officer", "sun", "ed25519"), signature("security-officer", "qian", "ecdsa-p256-sha256", 2)
    put("envelope", "nobody-signed", head(1, "none"))
    put("envelope", "one-signed", head(1, "none") + policy)
    put("envelope", "both-signed", head(17, digest(3)) + policy + security)
    put("envelope", "goes-back", head(18, digest(3), "goes-back-from 17\n") + policy + security)
    put("envelope", "largest-serial", head((1 << 53) - 1, digest(255)) + security)
    put("envelope", "five-certificates", head(2, digest(3)) + signature("policy-officer", "sun", "ed25519", 5))
    put("envelope", "nine-signatures", head(2, digest(3)) + 9 * policy)
    put("envelope", "carriage-returns", (head(1, "none") + policy).replace("\n", "\r\n"))
    put("envelope", "role-of-another", head(1, "none") + policy.replace("signature policy", "signature security"))
    put("envelope", "moment-with-fraction", head(1, "none") + signature("policy-officer", "sun", "ed25519", 1, "2026-11-25T07:30:00.5Z"))
    put("envelope", "empty", "")


bundle()
envelope()
