"""A table of CSV on stdin (UTF-8; names, then a line of kinds: text, number, date; then records) as other people's programs write it.

Gives XLSX by openpyxl, XLS by xlwt and DBF by dbf, each behind its length in 8 bytes, little-endian. The workbooks have a title above the
header and a sum below; numbers are numbers and days are days wherever the form can hold them (a workbook has none before 1900).
"""

import csv
import datetime
import io
import os
import sys
import tempfile

import dbf
import openpyxl
import xlwt

names, kinds, *records = csv.reader(io.StringIO(sys.stdin.buffer.read().decode("utf-8")))


def day(text):
    digits = text.replace("-", "")
    try:
        return datetime.datetime.strptime(digits, "%Y%m%d").date() if len(digits) == 8 else None
    except ValueError:
        return None


def value(kind, text):
    if kind == "number" and text:
        return float(text) if "." in text else int(text)
    if kind == "date" and (date := day(text)) and date.year > 1900:
        return date
    return text or None


def xlsx():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "名单"
    sheet.append(["测试表"])
    sheet.merge_cells(start_row=1, start_column=1, end_row=1, end_column=len(names))
    sheet.append(["*" + names[0], *names[1:]])
    for record in records:
        sheet.append([value(kind, text) for kind, text in zip(kinds, record)])
    sheet.append(["合计", None, len(records)])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def xls():
    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet("名单")
    sheet.write_merge(0, 0, 0, len(names) - 1, "测试表")
    for column, name in enumerate(names):
        sheet.write(1, column, name)
    date = xlwt.easyxf(num_format_str="yyyy-mm-dd")
    for row, record in enumerate(records):
        for column, (kind, text) in enumerate(zip(kinds, record)):
            cell = value(kind, text)
            if isinstance(cell, datetime.date):
                sheet.write(row + 2, column, cell, date)
            elif cell is not None:
                sheet.write(row + 2, column, cell)
    sheet.write(len(records) + 2, 0, "合计")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def table():
    columns, makers = [], []
    for at, (name, kind) in enumerate(zip(names, kinds)):
        texts = [record[at] for record in records]
        if kind == "date" and all(day(text) for text in texts if text):
            columns.append(f"{name[:10]} D")
            makers.append(lambda text: day(text))
        elif kind == "number":
            places = max((len(text.partition(".")[2]) for text in texts), default=0)
            columns.append(f"{name[:10]} N(19,{places})")
            makers.append(lambda text: float(text) if "." in text else int(text) if text else None)
        else:
            width = max((len(text.encode("gb18030")) for text in texts), default=1)
            columns.append(f"{name[:10]} C({max(width, 1)})")
            makers.append(lambda text: text)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.dbf")
        made = dbf.Table(path, "; ".join(columns), codepage="cp936", dbf_type="db3")
        made.open(dbf.READ_WRITE)
        for record in records:
            made.append(tuple(make(text) for make, text in zip(makers, record)))
        # A record that was deleted but not yet packed.
        if records:
            made.append(tuple(make(text) for make, text in zip(makers, records[0])))
            dbf.delete(made[-1])
        made.close()
        with open(path, "rb") as file:
            return file.read()


for content in (xlsx(), xls(), table()):
    sys.stdout.buffer.write(len(content).to_bytes(8, "little") + content)
