"""Writes the committed corpus anew out of the sample feeds, whose people were born in 18xx: python3 adapters/fuzz/corpus/make.py

An input of a decoder is four bytes (content type, record type, wanted fields, limits and cuts; see checks.rs) and a small feed. Inputs
that a fuzzer found are added by hand under a name that says what they did.
"""

import csv
import io
import json
from pathlib import Path
from xml.sax.saxutils import escape

here = Path(__file__).parent
feeds = here / "../../feeds"


def byte(name):
    return sum(name.encode()) % 256


def write(target, name, data):
    (here / target).mkdir(exist_ok=True)
    (here / target / name).write_bytes(data)


def text_of(path):
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        return path.read_bytes().decode("gb18030")


for path in sorted(feeds.glob("*/*.*")):
    if path.stem.count("."):
        continue
    record = f"{path.parent.name}/{path.stem}"
    text = "".join(text_of(path).splitlines(keepends=True)[:4])
    name = record.replace("/", "-")
    if path.suffix == ".csv":
        rows = list(csv.DictReader(io.StringIO(text)))
    elif path.suffix == ".ndjson":
        rows = [json.loads(line) for line in text.splitlines()]
    else:
        continue
    whole = json.dumps({"IsSuccess": True, "TotalCount": len(rows), "DataList": rows}, ensure_ascii=False)
    write("json", f"{name}-envelope", bytes([0, byte(record), 0, 0]) + whole.encode())
    write("json", f"{name}-gb18030-cut", bytes([1, byte(record), 3, 9]) + json.dumps(rows, ensure_ascii=False).encode("gb18030"))
    cells = ["".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in row.items() if key) for row in rows]
    document = "<PACKAGE><DATA>" + "".join(f"<ROW>{row}</ROW>\n" for row in cells) + "</DATA></PACKAGE>"
    write("xml", f"{name}-utf8", bytes([0, byte(record), 0, 0]) + document.encode())
    write("xml", f"{name}-gb18030-cut", bytes([1, byte(record), 3, 9]) + document.encode("gb18030"))
    if path.suffix == ".csv":
        write("delimited", f"{name}-utf8", bytes([0, byte(record), 0, 0]) + text.encode())
        write("delimited", f"{name}-gb18030-cut", bytes([1, byte(record), 3, 9]) + text.encode("gb18030"))
        write("delimited", f"{name}-pipe", bytes([3, byte(record), 5, 2]) + text.replace(",", "|").encode())
    elif path.suffix == ".ndjson":
        write("ndjson", f"{name}-utf8", bytes([0, byte(record), 0, 0]) + text.encode())
        write("ndjson", f"{name}-gb18030-cut", bytes([1, byte(record), 3, 9]) + text.encode("gb18030"))
        write("ndjson", f"{name}-small", bytes([0, byte(record), 5, 2]) + text.encode())

quoted = 'citizen_id,name,sex,birth_date\r\n"32070618600101000",“,"a""b\n",\r\n\r\n1,2\r\n'
write("delimited", "quotes", bytes([0, byte("public-security/resident"), 0, 5]) + quoted.encode())
write("delimited", "mark", bytes([0, byte("public-security/death"), 0, 5]) + b"\xef\xbb\xbf" + quoted.encode())
write("delimited", "cut-character", bytes([1, byte("public-security/death"), 0, 5]) + "citizen_id,name\n1,张".encode("gb18030")[:-1])
odd = '{"citizen_id":3.2e17,"name":"\\ud83d","sex":null,"x":[[{}]],"name":"\\u0000"}\n[]\n{"a":\n'
write("ndjson", "odd", bytes([0, byte("public-security/resident"), 0, 5]) + odd.encode())
write("ndjson", "empty", bytes([0, byte("public-security/resident"), 0, 5]))

for name, value in {
    "id18": "320706186001010008",
    "id15": "320706900101000",
    "id-wide": "３２０７０６１９９００１０１００００",
    "uscc": "913207000000000004",
    "org": "00000001-9",
    "taxpayer20": "32070619900101000001",
    "name": "阿卜杜拉·买买提\ue863",
    "date": "2004-03-2500:00:00.0",
    "date-zh": "2009年2月1日8时5分6秒",
    "date-offset": "2012-01-08T16:00:00.000000001+08:00",
    "epoch": "-932886000000",
    "serial": "40917",
    "open": "99999999999999",
    "phone": "+86 139-1234-5678",
    "landline": "(0518)85400000-12",
    "money": "007.50",
    "village": "320706001001",
    "disability": "32070618600101000843B1",
    "nothing": "“无”",
    "controls": "\u202e\u0000\ufeff\u3000'",
}.items():
    write("values", name, value.encode())
