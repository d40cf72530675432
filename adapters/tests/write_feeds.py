"""Writes the same table in every text form with Python's standard library: an independent writer for the decoder's test.

usage: write_feeds.py FOLDER; prints one line a file: name, content type, content coding.
Texts are made from a seed and are about nobody.
"""

import csv
import gzip
import json
import random
import sys
import xml.etree.ElementTree as ElementTree
import zlib
from base64 import encodebytes
from pathlib import Path

folder = Path(sys.argv[1])
rng = random.Random(20151225)
HEADERS = ["entname", "opscope", "住所", "headcount"]
LETTERS = "数关市县区镇经营范围䶮㛃𬱖·—（）【】、。\"',;|^@#!{}[]:\\<>&/ abcXYZ0123456789"


def text(length):
    return "甲" + "".join(rng.choice(LETTERS) for _ in range(rng.randrange(length))) + "乙"


rows = [[f"第{row}号{text(30)}", text(200), text(60), str(rng.randrange(100000))] for row in range(500)]
(folder / "expected.json").write_text(json.dumps(rows), encoding="utf-8")


def put(name, content_type, data, coding=""):
    (folder / name).write_bytes(data)
    print(name, content_type, coding, sep="\t")


def lines(encoding, **style):
    from io import StringIO

    out = StringIO(newline="")
    writer = csv.writer(out, **style)
    writer.writerow(HEADERS)
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


put("excel.csv", "text/csv; charset=gb18030", lines("gb18030"))
put("unix.csv", "text/csv", lines("utf-8-sig", dialect="unix"))
put("tab.tsv", "text/tab-separated-values; charset=gbk", lines("gb18030", dialect="excel-tab"))
put("pipe.csv", 'text/csv; delimiter="|"', lines("utf-8", delimiter="|", lineterminator="\n"))
put("caret.csv", "text/csv; delimiter=caret", lines("utf-8", delimiter="^", quoting=csv.QUOTE_NONNUMERIC))
put("esc.csv", "text/csv; delimiter=esc", lines("utf-8", delimiter="\x1b"))
for word, delimiter in [("pipe-bang", "|!|"), ("at-hash", "@#")]:
    plain = [[field.replace(delimiter, "") for field in row] for row in [HEADERS, *rows]]
    if plain[1:] == rows:
        body = "".join(delimiter.join(row) + "\r\n" for row in plain)
        put(f"{word}.txt", f"text/csv; charset=gb18030; delimiter={word}", body.encode("gb18030"))

objects = [dict(zip(HEADERS, row)) for row in rows]
for each in objects:
    each["headcount"] = int(each["headcount"])
    each["其他"] = [None, {"a": True}]
put("ascii.ndjson", "application/x-ndjson", "\n".join(map(json.dumps, objects)).encode("ascii"))
wide = [json.dumps(each, ensure_ascii=False) for each in objects]
put("wide.ndjson", "application/x-ndjson; charset=gb18030", "\r\n".join(wide).encode("gb18030"))
put("array.json", "application/json", json.dumps(objects, indent=1, ensure_ascii=False).encode("utf-8"))
envelope = {"IsSuccess": True, "TotalCount": len(rows), "DataList": objects, "ErrorCode": 0}
put("envelope.json", "application/json; charset=gb18030", json.dumps(envelope, ensure_ascii=False).encode("gb18030"))

by_element = ElementTree.Element("PACKAGE")
by_attribute = ElementTree.Element("data")
for row in rows:
    record = ElementTree.SubElement(by_element, "RECORD")
    for header, value in zip(HEADERS, row):
        ElementTree.SubElement(record, header.upper()).text = value
    ElementTree.SubElement(by_attribute, "row", dict(zip(HEADERS, row)))
put("element.xml", "application/xml", ElementTree.tostring(by_element, "utf-8"))
put("attribute.xml", "application/xml; charset=gb18030", ElementTree.tostring(by_attribute, "gb18030"))
put("packed.xml", "packed", b"<t><content>" + encodebytes(zlib.compress((folder / "element.xml").read_bytes())) + b"</content></t>")

put("excel.csv.gz", "text/csv; charset=gb18030", gzip.compress((folder / "excel.csv").read_bytes()), "gzip")
