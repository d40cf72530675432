"""Writes the table on stdin (JSON: names and rows of texts) as openpyxl, xlwt and dbf write it; prints JSON: file name to Base64.

A text that is a day, `yyyy-mm-dd` from 1901 on, becomes a day of the program; digits of less than six characters become a number.
"""

import base64
import datetime
import io
import json
import pathlib
import re
import sys
import tempfile

import dbf
import openpyxl
import xlwt

table = json.load(sys.stdin)
names, rows = table["names"], table["rows"]


def value(text):
    if re.fullmatch(r"(19|20)\d\d-\d\d-\d\d", text):
        return datetime.date.fromisoformat(text)
    if re.fullmatch(r"[1-9]\d{0,4}|0", text):
        return int(text)
    return text or None


def xlsx():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(names)
    for line, row in enumerate(rows, 2):
        for column, text in enumerate(row, 1):
            cell = sheet.cell(line, column, value(text))
            if isinstance(cell.value, str):
                # A text that looks like a formula is one for openpyxl unless it is told.
                cell.data_type = "s"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def xls():
    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet("Sheet1")
    day = xlwt.easyxf(num_format_str="yyyy-mm-dd")
    for line, row in enumerate([names, *rows]):
        for column, text in enumerate(row):
            made = value(text) if line else text
            if isinstance(made, datetime.date):
                sheet.write(line, column, made, day)
            elif made is not None:
                sheet.write(line, column, made)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def dbase():
    kinds = {"birth_date": "D", "death_date": "D"}
    specs = "; ".join(f"{name[:10]} {kinds.get(name, 'C(80)')}" for name in names)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "a.dbf"
        made = dbf.Table(str(path), specs, codepage="cp936")
        made.open(mode=dbf.READ_WRITE)
        for row in rows:
            made.append(tuple(
                datetime.date.fromisoformat(text) if text and name in kinds else (None if name in kinds else text)
                for name, text in zip(names, row)
            ))
        made.close()
        return path.read_bytes()


files = {"openpyxl.xlsx": xlsx(), "xlwt.xls": xls(), "dbf.dbf": dbase()}
json.dump({name: base64.b64encode(content).decode() for name, content in files.items()}, sys.stdout)
