"""Reads pages of HTML on stdin (a JSON list of texts) as html5lib does; prints of each its first table, as JSON: sections of rows of cells.

A cell is its text without blanks, how many rows and how many columns it covers. What a table inside a cell holds is no part of the cell. A cell that is
not displayed is none: browsers give it no place.
"""

import json
import re
import sys

import html5lib

IGNORED = {"table", "script", "style"}


def text(node):
    parts = [node.text or ""]
    for child in node:
        if isinstance(child.tag, str) and child.tag not in IGNORED:
            parts.append(text(child))
        parts.append(child.tail or "")
    return "".join(parts)


def span(cell, name):
    digits = re.match(r"\s*(\d+)", cell.get(name, ""))
    return int(digits.group(1)) if digits else 1


def is_shown(cell):
    return "hidden" not in cell.attrib and "display:none" not in cell.get("style", "").replace(" ", "").lower()


def cells(row):
    found = [cell for cell in row if cell.tag in ("td", "th") and is_shown(cell)]
    return [[re.sub(r"\s", "", text(cell)), span(cell, "rowspan"), max(span(cell, "colspan"), 1)] for cell in found]


def sections(page):
    table = html5lib.parse(page, namespaceHTMLElements=False).find(".//table")
    found = [section for section in table if section.tag in ("thead", "tbody", "tfoot")]
    return [[cells(row) for row in section if row.tag == "tr"] for section in found]


json.dump([sections(page) for page in json.load(sys.stdin)], sys.stdout)
