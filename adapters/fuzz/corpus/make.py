"""Writes the committed corpus anew out of the sample feeds, whose people were born in 18xx: python3 adapters/fuzz/corpus/make.py

An input of a decoder is four bytes (content type, record type, wanted fields, limits and cuts; see checks.rs) and a small feed. Inputs
that a fuzzer found are added by hand under a name that says what they did.
"""

import csv
import gzip
import io
import json
import struct
import zlib
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


def sheet_xml(rows):
    """The sheet of a workbook, its numbers as numbers."""
    lines = []
    for line, row in enumerate(rows, 1):
        cells = []
        for at, text in enumerate(row):
            place = (chr(64 + at // 26) if at >= 26 else "") + chr(65 + at % 26) + str(line)
            if text.isdigit() and len(text) < 6:
                cells.append(f'<c r="{place}"><v>{text}</v></c>')
            elif text:
                cells.append(f'<c r="{place}" t="inlineStr"><is><t>{escape(text)}</t></is></c>')
        lines.append(f'<row r="{line}">{"".join(cells)}</row>')
    return f'<worksheet><sheetData>{"".join(lines)}</sheetData></worksheet>'.encode()


def html_rows(rows):
    """The rows of a table of HTML, end tags left out where they may be."""
    return "".join(f"<tr>{''.join(f'<td>{escape(text)}' for text in row)}\n" for row in rows)


def markup_rows(rows):
    """The rows of a worksheet of SpreadsheetML, its numbers as numbers."""
    def cell(at, text):
        kind = "Number" if text.isdigit() and len(text) < 6 else "String"
        return f'<Cell Index="{at}"><Data Type="{kind}">{escape(text)}</Data></Cell>'
    lines = ["".join(cell(at, text) for at, text in enumerate(row, 1) if text) for row in rows]
    return "".join(f"<Row>{line}</Row>" for line in lines)


def biff(kind, data):
    return struct.pack("<HH", kind, len(data)) + data


def book_stream(rows):
    """The stream of a workbook of BIFF8 with one sheet, its numbers as numbers."""
    def wide(text):
        return struct.pack("<HB", len(text), 1) + text.encode("utf-16-le")
    begin = lambda kind: biff(0x809, struct.pack("<HHHHII", 0x600, kind, 0, 0, 0, 0))
    globals_ = begin(5)
    name = struct.pack("<BB", 1, 1) + "a".encode("utf-16-le")
    at = len(globals_) + 4 + 6 + len(name) + 4
    globals_ += biff(0x85, struct.pack("<IBB", at, 0, 0) + name) + biff(0x0A, b"")
    cells = b""
    for line, row in enumerate(rows):
        for column, text in enumerate(row):
            place = struct.pack("<HHH", line, column, 0)
            if text.isdigit() and len(text) < 6:
                cells += biff(0x203, place + struct.pack("<d", float(text)))
            elif text:
                cells += biff(0x204, place + wide(text))
    return globals_ + begin(0x10) + cells + biff(0x0A, b"")


def table(names, rows, encoding):
    """A table of dBASE III, every column a text of 20 bytes."""
    def cut(text, width):
        return text.encode(encoding, "replace")[:width].ljust(width, b" ")
    head = struct.pack("<BBBBIHH20x", 3, 124, 1, 1, len(rows), 32 + 32 * len(names) + 1, 1 + 20 * len(names))
    for name in names:
        head += name.encode(encoding)[:10].ljust(11, b"\0") + struct.pack("<cIBB14x", b"C", 0, 20, 0)
    return head + b"\r" + b"".join(b" " + b"".join(cut(text, 20) for text in row) for row in rows) + b"\x1a"


def position_lines(rows, encoding):
    return b"".join(
        b"".join(text.encode(encoding)[:20].ljust(20, b" ") for text in row) + b"\n" for row in rows
    )


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
    names = list(rows[0])
    texts = [["" if row.get(key) is None else str(row[key]) for key in names] for row in rows]
    for at, (encoding, label) in enumerate([("utf-8", "utf8"), ("gb18030", "gb18030-cut")]):
        head = [byte(record), 3 * at, 9 * at]
        write("fixed", f"{name}-{label}", bytes([at | 2, *head]) + position_lines(texts, encoding))
        write("dbf", f"{name}-{label}", bytes([1 - at, *head]) + table(names, texts, encoding))
    write("xlsx", f"{name}-sheet", bytes([0, byte(record), 0, 0]) + sheet_xml([names, *texts]))
    write("xls", f"{name}-stream", bytes([0, byte(record), 0, 0]) + book_stream([names, *texts]))
    for target, made in [("html", html_rows), ("spreadsheet_ml", markup_rows)]:
        write(target, f"{name}-open", bytes([0, byte(record), 0, 0]) + made([names, *texts]).encode())
        write(target, f"{name}-gb18030-cut", bytes([0b1100_0000, byte(record), 3, 9]) + made([names, *texts]).encode("gb18030"))
    titled = [["标题"], names, [str(at) for at in range(len(names))], *texts, ["以上共三人"]]
    write("xlsx", f"{name}-stated", bytes([0b1_1101, byte(record), 3, 9]) + sheet_xml(titled))
    write("xls", f"{name}-stated", bytes([0b1_1101, byte(record), 3, 9]) + book_stream(titled))
    whole = json.dumps({"IsSuccess": True, "TotalCount": len(rows), "DataList": rows}, ensure_ascii=False)
    write("json", f"{name}-envelope", bytes([0, byte(record), 0, 0]) + whole.encode())
    write("json", f"{name}-gb18030-cut", bytes([1, byte(record), 3, 9]) + json.dumps(rows, ensure_ascii=False).encode("gb18030"))
    cells = ["".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in row.items() if key) for row in rows]
    document = "<PACKAGE><DATA>" + "".join(f"<ROW>{row}</ROW>\n" for row in cells) + "</DATA></PACKAGE>"
    write("xml", f"{name}-utf8", bytes([0, byte(record), 0, 0]) + document.encode())
    write("xml", f"{name}-gb18030-cut", bytes([1, byte(record), 3, 9]) + document.encode("gb18030"))
    for at, content in enumerate([document.encode(), whole.encode(), document.encode("gb18030"), json.dumps(rows, ensure_ascii=False).encode("gb18030")]):
        write("packed", f"{name}-{at}", bytes([at + 4 * (at % 2), byte(record), 3 * at, 9 * at]) + content)
    if path.suffix == ".csv":
        write("delimited", f"{name}-utf8", bytes([0, byte(record), 0, 0]) + text.encode())
        write("delimited", f"{name}-gb18030-cut", bytes([1, byte(record), 3, 9]) + text.encode("gb18030"))
        write("delimited", f"{name}-pipe", bytes([3, byte(record), 5, 2]) + text.replace(",", "|").encode())
    elif path.suffix == ".ndjson":
        write("ndjson", f"{name}-utf8", bytes([0, byte(record), 0, 0]) + text.encode())
        write("ndjson", f"{name}-gb18030-cut", bytes([1, byte(record), 3, 9]) + text.encode("gb18030"))
        write("ndjson", f"{name}-small", bytes([0, byte(record), 5, 2]) + text.encode())

sample = text_of(feeds / "public-security/death.csv").encode()
for at, packed in enumerate([gzip.compress(sample, mtime=0), zlib.compress(sample), gzip.compress(sample[:99], mtime=0) + gzip.compress(sample[99:], mtime=0), zlib.compress(b" " * 9999)]):
    write("inflate", f"whole-{at}", bytes([at % 2, 9 * at]) + packed)
    write("inflate", f"cut-{at}", bytes([at % 2, 9 * at]) + packed[:-5])
    write("inflate", f"plain-{at}", bytes([at % 3, 9 * at]) + sample[: 50 * at])

files = here / "../../src/decode/workbook/tests/files"
for kind in ["xlsx", "xls", "dbf"]:
    whole = (files / f"death.{kind}").read_bytes()
    write(kind, "death-whole", bytes([0, byte("public-security/death"), 0, 0]) + whole)
    write(kind, "death-cut", bytes([0, byte("public-security/death"), 3, 9]) + whole[: len(whole) * 2 // 3])
for target, kind in [("html", "html.xls"), ("spreadsheet_ml", "xml.xls")]:
    whole = (files / f"death.{kind}").read_bytes()
    write(target, "death-whole", bytes([0, byte("public-security/death"), 0, 0]) + whole)
    write(target, "death-cut", bytes([0, byte("public-security/death"), 3, 9]) + whole[: len(whole) * 2 // 3])
spans = "<table><tr><td rowspan=0 colspan=9>citizen_id<td>name<tbody><tr><td x:num=1>3E+17<br>&#xD800;<table><tr><td>a</table>&nosuch;<td hidden></table>"
write("html", "spans", bytes([0, byte("public-security/death"), 0, 5]) + spans.encode())
around = "<html><!--<x:Name>a</x:Name>--><style><table></style><p>密级：<p>公开<table><caption>a</table><table style='display:none'><tr><td>name</table><plaintext>"
write("html", "around", bytes([0b10_0000, byte("public-security/death"), 0, 5]) + around.encode())
places = "<Column Index='2' StyleID='d' Span='3'/><Row Index='3' Span='2'><Cell Index='2' MergeAcross='1' MergeDown='9' Formula='=A1'/><Cell StyleID='m'><Data Type='DateTime'>2023-12-31T16:00:00.000Z</Data></Cell></Row>"
write("spreadsheet_ml", "places", bytes([0, byte("public-security/death"), 0, 5]) + places.encode())
rich = "<Row><Cell><Data Type='String'>citizen_id<B>&#30002;</B></Data><Comment><Data>a</Data></Comment></Cell></Row></Table><WorksheetOptions><Visible>SheetHidden</Visible></WorksheetOptions></Worksheet><Worksheet Name='b'><Table><Row/>"
write("spreadsheet_ml", "rich", bytes([0, byte("public-security/death"), 0, 5]) + rich.encode())
write("fixed", "trailer", bytes([8, byte("public-security/death"), 0, 5]) + position_lines([["甲"] * 9], "utf-8") + b"TRL00000001\n")
write("fixed", "short", bytes([1, byte("public-security/death"), 0, 5]) + "甲\n乙".encode("gb18030")[:-1])

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
